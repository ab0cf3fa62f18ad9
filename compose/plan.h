/* What a topology's text asks for, as the structs that devices are started with.
 *
 * zf_plan_read reads, checks and fills in; nothing is started or opened for good. Its tables
 * (plan_keys.c) are the whole of what a text may say.
 *
 * Ownership: everything in a plan is its arena's, and valid until zf_plan_free. */
#ifndef ZF_COMPOSE_PLAN_H
#define ZF_COMPOSE_PLAN_H

#include "compose/schema.h"

#include <zferry/admin.h>
#include <zferry/balancer.h>
#include <zferry/broker.h>
#include <zferry/directory.h>
#include <zferry/forwarder.h>
#include <zferry/link.h>
#include <zferry/topology.h>
#include <zferry/web.h>

#define ZF_PLAN_INPROC "inproc://zferry-topology-" /* what begins so is ours, not the text's */

/* A queue that is declared. */
typedef struct {
    zf_named_t named;   /* first */
    zf_policy_t policy; /* the device's, and what is said here */
} zf_plan_queue_t;

/* A group of a stream. */
typedef struct {
    zf_named_t named;            /* first */
    zf_policy_t policy;          /* the stream's, and what is said here */
    zf_start_t start;            /* where it begins if it is made now */
    const char *const *patterns; /* of topics; none: all */
    size_t pattern_count;
} zf_plan_group_t;

/* A stream that is declared. */
typedef struct {
    zf_named_t named;   /* first */
    zf_policy_t policy; /* the device's, as a stream, and what is said here */
    zf_plan_group_t *groups;
    size_t group_count;
} zf_plan_stream_t;

typedef enum {
    ZF_PLAN_NONE, /* the text forgot it: an error */
    ZF_PLAN_BROKER,
    ZF_PLAN_FORWARDER,
    ZF_PLAN_BALANCER,
    ZF_PLAN_LINK
} zf_plan_kind_t;

/* A device. Only the options of its kind are of use. */
typedef struct {
    zf_named_t named;    /* first */
    zf_plan_kind_t kind; /* which of those below */
    bool is_broker;      /* which of those below the text has */
    bool is_forwarder;
    bool is_balancer;
    bool is_link;
    zf_broker_options_t broker;
    zf_forwarder_options_t forwarder;
    zf_balancer_options_t balancer;
    zf_link_options_t link; /* from and to as in the text: see from_device, to_device */
    zf_policy_t policy;     /* of a broker's queues that nobody declares */
    zf_limits_t limits;     /* the topology's, and what is said here */
    zf_plan_queue_t *queues;
    size_t queue_count;
    zf_plan_stream_t *streams;
    size_t stream_count;
    bool announce;                    /* in the directory, if there is discovery */
    const char *const *announce_also; /* KIND/NAME, besides its own */
    size_t announce_also_count;
    size_t from_device; /* of a link: which device of the plan it is, SIZE_MAX: it is none */
    size_t to_device;   /* the same */
} zf_plan_device_t;

/* Who we are, and who may do what. */
typedef struct {
    bool is_there;
    zf_security_options_t options;
    const char *const *rules; /* in the text itself; become options.rules_text */
    size_t rule_count;
} zf_plan_security_t;

typedef struct {
    bool is_there;
    zf_web_options_t options;
    const char *token_file; /* NULL: nothing can be changed */
    char *token;            /* what is in it */
} zf_plan_admin_t;

typedef struct {
    bool is_there;
    zf_peer_options_t options;
} zf_plan_discovery_t;

typedef struct {
    zf_arena_t arena;
    zf_problems_t problems;
    const char *file;      /* for messages; a copy */
    const char *folder;    /* where it lies, with a slash; "" */
    const zf_yaml_t *root; /* the text; NULL: it could not be read */
    const char *name;      /* of the topology */
    bool insecure;         /* plain connections on any address are meant */
    zf_plan_security_t security;
    zf_limits_t limits; /* of all devices */
    zf_plan_discovery_t discovery;
    zf_plan_admin_t admin;
    zf_plan_device_t *devices;
    size_t device_count;
} zf_plan_t;

/* The table of a topology, for messages and the manual. */
extern const zf_key_t zf_plan_keys[];

/* What one client may take; of zf_limits_t. */
extern const zf_key_t zf_plan_limit_keys[];

/* Those of what can change while it runs. */
extern const zf_key_t zf_plan_link_keys[];   /* of zf_plan_device_t */
extern const zf_key_t zf_plan_queue_keys[];  /* of zf_plan_queue_t */
extern const zf_key_t zf_plan_stream_keys[]; /* of zf_plan_stream_t */

/* Reads and checks. on_log gets every problem. Returns 0, ZF_E_INVAL (with the first one in err),
 * ZF_E_NOT_FOUND, ZF_E_IO or ZF_E_NOMEM. Free the plan in any case. */
int zf_plan_read (zf_plan_t *plan, const zf_topology_options_t *options, zf_error_t *err);

void zf_plan_free (zf_plan_t *plan);

/* What the tables can't say: what keys mean together, and with the world outside. */
void zf_plan_check (zf_plan_t *plan);
void zf_plan_check_ends (zf_plan_t *plan, zf_plan_device_t *device);
void zf_plan_check_key (zf_plan_t *plan, zf_spot_t spot, const char *endpoint);
void zf_plan_check_binds (zf_plan_t *plan);
void zf_plan_check_files (zf_plan_t *plan);

/* Where a value stands: "broker.bind", its i-th item; if there is none, what is nearest to it. */
zf_spot_t zf_plan_place (const zf_yaml_t *node, const char *path, size_t i);

/* The same for a key of the device's kind. */
zf_spot_t zf_plan_key_place (const zf_plan_device_t *device, const char *key, size_t i);

/* What holds before a key is read, for the tables. */
void zf_plan_prepare (zf_plan_t *plan);
void zf_plan_prepare_device (void *item, const void *parent);
void zf_plan_prepare_queue (void *item, const void *parent);
void zf_plan_prepare_stream (void *item, const void *parent);
void zf_plan_prepare_group (void *item, const void *parent);

/* "broker", "forwarder", "balancer", "link". */
const char *zf_plan_kind_name (zf_plan_kind_t kind);

/* The device of that name; SIZE_MAX: there is none. */
size_t zf_plan_find (const zf_plan_t *plan, const char *name);

/* True if others than this machine can reach what is bound there. */
bool zf_plan_is_open (const char *endpoint);

#endif
