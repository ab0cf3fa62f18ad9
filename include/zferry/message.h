/* What travels: a record is a body with optional properties.
 *
 * zf_props_t is what a producer may say about a record, zf_message_t is a record that was received.
 * Limits: names 1..255 bytes, ids and keys 1..255 bytes, 64 frames, 64 headers, properties 64 KiB
 * in all. */
#ifndef ZFERRY_MESSAGE_H
#define ZFERRY_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zferry/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZF_NAME_MAX       255   /* bytes in the name of a queue or a service */
#define ZF_ID_MAX         255   /* bytes in a dedup id or an ordering key */
#define ZF_TOPIC_MAX      255   /* bytes in a topic or a pattern */
#define ZF_FRAMES_MAX     64    /* frames of one body */
#define ZF_HEADERS_MAX    64    /* user headers of one record */
#define ZF_PROPS_MAX      65536 /* bytes of encoded properties of one record */
#define ZF_PRIORITIES_MAX 10    /* priority levels of a queue: 0 (lowest) .. 9 */

/* Where reading a stream begins. */
typedef enum {
    ZF_FROM_DEFAULT = 0, /* a subscriber: ZF_FROM_NEW; a group that is made: ZF_FROM_FIRST */
    ZF_FROM_FIRST = 1,   /* with the oldest record that is kept */
    ZF_FROM_OFFSET = 2,  /* with the record of that offset, or the next one that is there */
    ZF_FROM_TIME = 3,    /* with what came at that time (ms since 1970), and up to 10 s before; a
                            minute if that is fewer than 16 records */
    ZF_FROM_LAST = 4,    /* with the last so many records of those that match */
    ZF_FROM_NEW = 5      /* with what comes from now on */
} zf_from_t;

typedef struct {
    zf_from_t from; /* default ZF_FROM_DEFAULT */
    uint64_t value; /* the offset, the time, or how many; else 0 */
} zf_start_t;

/* A view of bytes that somebody else owns. */
typedef struct {
    const void *data;
    size_t size;
} zf_bytes_t;

/* A user header: both parts are any bytes, the name 1..255 of them. */
typedef struct {
    zf_bytes_t name;
    zf_bytes_t value;
} zf_header_t;

/* What a producer says about a record. All zero means: nothing. Everything is copied during the
 * call. */
typedef struct {
    size_t struct_size;         /* set by zf_props_defaults(), or 0 */
    zf_bytes_t id;              /* refused a second time inside the queue's dedup window */
    zf_bytes_t key;             /* ordered queue: one record of a key is in flight at a time */
    uint64_t delay_ms;          /* not delivered before this has passed */
    uint64_t ttl_ms;            /* expires when not finished by then; 0: queue's default */
    uint32_t priority;          /* 0..9, higher goes first; capped at the queue's levels */
    const zf_header_t *headers; /* user headers */
    size_t header_count;
    const zf_bytes_t *frames; /* body in several frames; body and size are then ignored */
    size_t frame_count;
    zf_bytes_t trace; /* trace context, carried as it is (W3C traceparent) */
    bool keep_reply;  /* a request: the worker's answer is kept under id (zf_client_fetch) */
    zf_bytes_t topic; /* what the record is about: up to 255 bytes, words with dots between */
} zf_props_t;

ZF_API void zf_props_defaults_sized (zf_props_t *props, size_t size);
#define zf_props_defaults(props) zf_props_defaults_sized ((props), sizeof *(props))

enum {
    ZF_MESSAGE_WANTS_REPLY = 1, /* a client waits for an answer */
    ZF_MESSAGE_MORE = 2         /* a part of an answer; more follow */
};

/* A record that was received. Plain data, may be copied and handed to another thread, but is
 * settled (ack, nack, reject, reply, release) exactly once; until then body and all views into it
 * are valid. */
typedef struct {
    const void *body;    /* all frames, one after another */
    size_t size;         /* bytes of body */
    uint64_t id;         /* a delivery: the record's id; a reply: the request's number */
    const char *queue;   /* the queue or service; NULL in a reply */
    uint32_t attempt;    /* 1 for the first delivery */
    uint32_t flags;      /* ZF_MESSAGE_... */
    int code;            /* a reply: 0, or why there is none (body says it in words) */
    zf_bytes_t props;    /* encoded properties; read them with the calls below */
    uint64_t time_ms;    /* a record that a subscriber reads alone: when it came, in ms since
                            1970, to 10 s; else 0 */
    void *owner;         /* private */
    uint64_t owner_data; /* private */
} zf_message_t;

/* The topic that the record was published under; empty, data NULL: it has none. */
ZF_API zf_bytes_t zf_message_topic (const zf_message_t *message);

/* Number of frames of the body: 1 unless it was sent as several. */
ZF_API size_t zf_message_frame_count (const zf_message_t *message);

/* The i-th frame; an empty view with data NULL if there is no such frame. */
ZF_API zf_bytes_t zf_message_frame (const zf_message_t *message, size_t i);

/* Decodes the properties. The arrays of headers and frames are not filled in (NULL, with their
 * counts set): use zf_message_header and zf_message_frame. Returns 0 or ZF_E_PROTO. */
ZF_API int zf_message_props (const zf_message_t *message, zf_props_t *props);

/* The value of a user header; data NULL if there is none of that name. */
ZF_API zf_bytes_t zf_message_header (const zf_message_t *message, const char *name);

/* The i-th user header: its value, and its name; name->data is NULL past the last one. */
ZF_API zf_bytes_t zf_message_header_at (const zf_message_t *message, size_t i, zf_bytes_t *name);

/* Why a record is in a dead-letter queue. */
typedef struct {
    zf_bytes_t queue;  /* where it came from */
    zf_bytes_t reason; /* "attempts", "expired", "rejected", or what the worker said */
    uint32_t attempts; /* deliveries it had there */
} zf_death_t;

/* Returns true and fills in *death if the message was dead-lettered. */
ZF_API bool zf_message_death (const zf_message_t *message, zf_death_t *death);

/* Gives a reply or a peeked message back. Safe on a zeroed one, and twice. */
ZF_API void zf_message_release (zf_message_t *message);

#ifdef __cplusplus
}
#endif
#endif
