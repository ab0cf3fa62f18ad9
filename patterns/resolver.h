/* zferry:// endpoints: a handle whose connections follow the directory.
 *
 * Each endpoint that is offered has a connection of its own, in a slot; slots are used again. One
 * that is no longer offered fades: what works goes on working until it breaks (discovery may be cut
 * where the connection is not), but nothing new begins there, and it is not made again. A lost
 * connection is noticed at once, not when somebody misses a heartbeat.
 *
 * Threads: all with the handle's lock held, but for open and close. */
#ifndef ZF_PATTERNS_RESOLVER_H
#define ZF_PATTERNS_RESOLVER_H

#include "devices/node.h"
#include "patterns/handle.h"

struct zf_resolver {
    zf_node_t *node;
    bool is_shared; /* the node is the process's */
    bool is_watching;
    zf_watch_t watch;
    atomic_bool changed; /* the directory, since it was last looked at */
    uint64_t reviewed;   /* version of the handle's security at that time */
    char **wanted;       /* what is looked up: KIND/NAME */
    size_t wanted_count;
    char *text;      /* the endpoints as they were given, for people */
    size_t fixed;    /* slots of endpoints that were given as such: the first ones, */
    size_t slots;    /* of so many */
    bool is_crowded; /* more are offered than there are slots */
    uint64_t draw;   /* which of them those that do not answer give way to */
    bool both;       /* brokers as well as what was asked for; else only if nobody offers that */
};

/* True if one of these is to be looked up. */
bool zf_resolver_is_needed (const zf_handle_options_t *options);

/* Makes handle->resolver, and room for its slots. Returns 0, ZF_E_ADDRESS (one that is malformed),
 * ZF_E_NOMEM, or what zf_peer_start answers. */
int zf_resolver_open (zf_handle_t *handle, const zf_handle_options_t *options, zf_error_t *err);

/* From then on the handle follows. After the keeper knows it. */
void zf_resolver_watch (zf_handle_t *handle);

/* The directory's changes come here no longer. */
void zf_resolver_unwatch (zf_handle_t *handle);
void zf_resolver_close (zf_handle_t *handle);

/* Opens connections to what has come, and lets go of what has gone. */
void zf_resolver_apply (zf_handle_t *handle);

/* One has not answered: if more are offered than there are slots, others get a chance. */
void zf_resolver_give_up (zf_handle_t *handle);

/* The directory has changed, or who is authorised. */
static inline bool zf_resolver_has_news (const zf_handle_t *handle)
{
    const zf_resolver_t *resolver = handle->resolver;
    return atomic_load_explicit (&resolver->changed, memory_order_relaxed) ||
           (zf_security_is_on (handle->security) &&
            zf_security_version (handle->security) != resolver->reviewed);
}

#endif
