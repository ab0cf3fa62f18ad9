/* The devices that are shown, and what each said last. However many ask, a device is asked once in
 * LOOK_MS, by whoever comes first; the others wait for that answer.
 *
 * Threads:   any. A device is locked while it is looked at; who locks several does so in the order
 *            of the list.
 * Ownership: hold keeps devices from being removed: release them soon. */
#ifndef ZF_WEB_LOOK_H
#define ZF_WEB_LOOK_H

#include <pthread.h>
#include <zferry/admin.h>
#include <zferry/web.h>

#define ZF_WEB_LOOK_MS     500  /* an answer is good for so long */
#define ZF_WEB_PATIENCE_MS 2000 /* a device answers within this, or it does not */
#define ZF_WEB_DEVICES_MAX 256
#define ZF_WEB_FIGURE_MAX  64 /* bytes of a figure's name, its zero included */

typedef struct {
    char name[ZF_WEB_FIGURE_MAX];
    uint64_t value;
} zf_web_figure_t;

typedef struct zf_web_device zf_web_shown_t;

struct zf_web_device {
    zf_web_shown_t *next;
    char *name;
    char *kind;
    char *journal; /* NULL: none */
    char **joins;  /* where it connects to */
    size_t join_count;
    zf_device_t *device;
    bool has_queues; /* a client can ask about them */
    unsigned users;  /* that hold it; under the list's lock */

    pthread_mutex_t lock; /* of all that follows, and of the inquiries */
    zf_client_t *client;  /* NULL: not yet, or it has no queues */
    uint64_t looked_ms;   /* when it was asked last; 0: never, or something was changed since */
    int code;             /* 0, or why it did not answer */
    zf_error_t err;       /* the same in words */
    zf_web_figure_t *figures;
    size_t figure_count;
    size_t figure_room;
    zf_queue_info_t *queues; /* by name */
    size_t queue_count;
    size_t queue_room;
    uint64_t segments;      /* files of its journal */
    uint64_t segment_bytes; /* in them */
};

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t unused; /* somebody has released a device */
    zf_web_shown_t *first; /* in the order they were added */
    size_t count;
} zf_web_list_t;

/* Devices that are held. */
typedef struct {
    zf_web_list_t *list;
    zf_web_shown_t *at[ZF_WEB_DEVICES_MAX];
    size_t count;
} zf_web_held_t;

void zf_web_list_open (zf_web_list_t *list);
void zf_web_list_close (zf_web_list_t *list); /* nobody holds any */

int zf_web_list_add (zf_web_list_t *list, const zf_web_device_t *device, zf_error_t *err);
void zf_web_list_remove (zf_web_list_t *list, const char *name);

void zf_web_hold (zf_web_list_t *list, zf_web_held_t *held);
void zf_web_release (zf_web_held_t *held);

/* The one of that name; NULL: there is none. */
zf_web_shown_t *zf_web_find (const zf_web_held_t *held, const char *name);

/* Locks it, and sees to it that what is known of it is not older than LOOK_MS. Its code says
 * whether it answered. */
void zf_web_look (zf_web_shown_t *shown);
void zf_web_unlook (zf_web_shown_t *shown);

/* Locks it to call it oneself. Returns its client, or NULL and why. zf_web_unlook unlocks. */
zf_client_t *zf_web_call (zf_web_shown_t *shown, zf_error_t *err);

/* Locked: it was changed, the next look is to be a new one. */
void zf_web_forget (zf_web_shown_t *shown);

/* Locked: a figure's value; 0 if it has none of that name. */
uint64_t zf_web_figure (const zf_web_shown_t *shown, const char *name);

/* Locked: a queue's figures; NULL: it has none of that name. */
const zf_queue_info_t *zf_web_queue (const zf_web_shown_t *shown, const char *name);

#endif
