/* A side: what takes part in the turns of a shell beside its routers. It has sockets of its own,
 * and it may be a session of the engine: one whose host it is.
 *
 * Threads: the device's, but open and close. */
#ifndef ZF_DEVICES_SIDE_H
#define ZF_DEVICES_SIDE_H

#include "core/engine.h"
#include "devices/router.h"
#include <poll.h>

#define ZF_SIDE_SOCKETS_MAX 132

typedef struct zf_side zf_side_t;

typedef struct {
    /* Makes it, and says which endpoints it has bound. On failure *side is NULL and nothing stays
     * open. */
    int (*open) (zf_side_t **side, zf_engine_t *engine, const void *options, zf_bound_fn *bound,
                 void *arg, zf_error_t *err);

    /* Before the engine is freed. */
    void (*close) (zf_side_t **side);

    /* The sockets to wait for. Returns how many. */
    size_t (*sockets) (const zf_side_t *side, void *sockets[ZF_SIDE_SOCKETS_MAX]);

    /* Takes in what has come, a bounded number; fds are those of its sockets as poll left them.
     * Returns true if there may be more. */
    bool (*collect) (zf_side_t *side, const struct pollfd *fds, uint64_t now_ms);

    /* An effect of its session. */
    void (*send) (zf_side_t *side, zf_effect_t *effect);

    /* The engine has ended its session. */
    void (*forget) (zf_side_t *side);

    /* True if something came in while it did something else: the descriptors may not tell. */
    bool (*has_input) (zf_side_t *side);

    /* When to turn at the latest, or ZF_NEVER. */
    uint64_t (*deadline) (const zf_side_t *side);

    void (*stats) (const zf_side_t *side, zf_stat_fn *fn, void *arg);

    /* Keys or rules may have changed, and connections come and gone: about once a second if there
     * is a security or a limit of connections. May be NULL. */
    void (*review) (zf_side_t *side);
} zf_side_ops_t;

#endif
