/* A topology from inside: what its parts share.
 *
 * Plans:   `started` is what the text asked for when all was started, and `now` what it asks for
 *          since the last reload. What can change while it runs is as in `now`, the rest as in
 *          `started`: so a reload can say, each time, what a restart would change.
 * Threads: start, stop and reload one at a time: a reload may be asked for by the admin page, on
 *          its thread, and by the owner. Devices tell events on theirs, by log only. */
#ifndef ZF_COMPOSE_TOPOLOGY_INSIDE_H
#define ZF_COMPOSE_TOPOLOGY_INSIDE_H

#include "compose/plan.h"

#include <pthread.h>

/* A device that runs. */
typedef struct {
    zf_topology_t *topology; /* that it is in */
    char *name;              /* in the text */
    zf_plan_kind_t kind;
    zf_device_t *device;
    char *inner;    /* where it is reached in this process; "": nowhere */
    bool is_in_web; /* the admin page shows it */
} zf_part_t;

/* Tells what a node sees. */
typedef struct {
    pthread_t thread;
    int stop_fd; /* readable: it is to end; -1: it does not run */
} zf_watch_t;

struct zf_topology {
    unsigned number;               /* unique in the process, for inner endpoints */
    zf_topology_options_t options; /* with copies of the strings */
    zf_plan_t started;
    zf_plan_t now;     /* if has_now */
    bool has_now;      /* there was a reload */
    zf_part_t **parts; /* in the order of the text, links that came later behind; each has a fixed
                          place */
    size_t part_count;
    size_t part_room;
    zf_security_t *security; /* NULL: none */
    zf_peer_t *peer;         /* NULL: no discovery */
    zf_watch_t watch;
    zf_web_t *web;             /* NULL: no admin page */
    pthread_mutex_t reloading; /* held by who reloads */
    char *told;                /* what a reload has to say, for who asked by HTTP; NULL: nobody */
    size_t told_size;          /* room there */
};

const zf_plan_t *zf_topology_plan (const zf_topology_t *self);

/* Tells the owner, and who asked for the reload that is under way. */
void zf_topology_say (zf_topology_t *self, zf_log_level_t level, const char *device,
                      const char *format, ...) ZF_PRINTF (4, 5);

/* NULL: there is none of that name. */
zf_part_t *zf_topology_part (const zf_topology_t *self, const char *name);

/* Starts a device of the plan. Returns 0, or what its start does, or ZF_E_NOT_FOUND: it is a link
 * to a device that does not run. */
int zf_topology_start_part (zf_topology_t *self, const zf_plan_device_t *device, zf_error_t *err);

/* Takes it off the admin page, stops and forgets it. */
void zf_topology_stop_part (zf_topology_t *self, zf_part_t *part);

/* Declares the queues, streams and groups of a device. What can't be declared is told, and counted
 * in *failed; the first one is in err. */
void zf_topology_declare (zf_topology_t *self, const zf_part_t *part,
                          const zf_plan_device_t *device, unsigned *failed, zf_error_t *err);

/* Discovery: the node, what it offers, and what it sees. */
int zf_topology_start_peer (zf_topology_t *self, zf_error_t *err);
int zf_topology_announce (zf_topology_t *self, zf_error_t *err);
void zf_topology_stop_peer (zf_topology_t *self);

/* The admin page. */
int zf_topology_start_web (zf_topology_t *self, zf_error_t *err);
int zf_topology_show (zf_topology_t *self, zf_part_t *part, const zf_plan_device_t *device,
                      zf_error_t *err);

/* zf_topology_reload; what it has to say goes into text, too, a line each. text may be NULL. */
int zf_topology_reload_telling (zf_topology_t *self, unsigned *pending, char *text, size_t size,
                                zf_error_t *err);

#endif
