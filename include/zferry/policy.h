/* The policy of a queue: what the broker does with its records. */
#ifndef ZFERRY_POLICY_H
#define ZFERRY_POLICY_H

#include <zferry/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What happens to a post when the queue is at its cap. */
typedef enum {
    ZF_OVERFLOW_BACKPRESSURE = 0, /* posts wait unconfirmed for room; requests get ZF_E_BUSY */
    ZF_OVERFLOW_REJECT = 1,       /* what does not fit is refused with ZF_E_FULL */
    ZF_OVERFLOW_DROP_OLDEST = 2   /* the oldest records not in flight are dropped, and counted */
} zf_overflow_t;

/* Whether a queue outlives its broker. */
typedef enum {
    ZF_DURABLE_AUTO = 0, /* if the broker has a journal */
    ZF_DURABLE_NO = 1,   /* in memory only */
    ZF_DURABLE_YES = 2   /* in the journal; a broker that has none refuses to declare the queue */
} zf_durable_t;

/* When what a broker writes to its journal is made durable. */
typedef enum {
    ZF_SYNC_NONE = 0,     /* there is no journal, or the queue is not durable */
    ZF_SYNC_ALWAYS = 1,   /* confirmed means: fdatasync has returned */
    ZF_SYNC_INTERVAL = 2, /* confirmed means: written to the system; synced within the interval */
    ZF_SYNC_NEVER = 3     /* confirmed means: written to the system, which syncs when it likes */
} zf_sync_t;

/* What is done with records that somebody has taken. */
typedef enum {
    ZF_KIND_QUEUE = 0, /* they are gone once acknowledged */
    ZF_KIND_STREAM = 1 /* they are kept, by number, bytes and age, and read by any number of groups
                          and subscribers. Of a stream max_length, max_bytes and ttl_ms say how much
                          is kept (the oldest goes first); overflow, priorities, ordered, attempts,
                          backoff, lease and dead letters are those of its groups */
} zf_kind_t;

typedef struct {
    size_t struct_size;       /* set by zf_policy_defaults(); leave alone */
    uint32_t max_attempts;    /* deliveries before the record is dead; default 5, 0: no limit */
    uint32_t backoff_min_ms;  /* delay after the first nack, doubled with each; default 100 */
    uint32_t backoff_max_ms;  /* its ceiling; default 60,000 */
    uint32_t lease_ms;        /* a worker has a record so long, unless extended; 30,000 */
    uint64_t ttl_ms;          /* time to live of records that name none; default 0: for ever */
    uint64_t max_length;      /* records; default 0: no cap of its own */
    uint64_t max_bytes;       /* bodies and properties; default 0: no cap of its own */
    zf_overflow_t overflow;   /* default ZF_OVERFLOW_BACKPRESSURE */
    uint32_t dedup_window_ms; /* an id is refused again for so long; default 120,000, 0: never */
    uint32_t priorities;      /* levels, 1..10; default 1 */
    bool ordered;             /* records of one key one at a time, in order; default false */
    char dead_letter[ZF_NAME_MAX + 1]; /* default "": NAME.dead; "-": none, they are dropped */
    zf_durable_t durable; /* default ZF_DURABLE_AUTO; changes only while the queue is empty */
    zf_kind_t kind;       /* default ZF_KIND_QUEUE; never changes */
    bool compact;         /* a stream: of the records with the same key (without one: topic) only
                             the last is kept; default false */
} zf_policy_t;

ZF_API void zf_policy_defaults_sized (zf_policy_t *policy, size_t size);
#define zf_policy_defaults(policy) zf_policy_defaults_sized ((policy), sizeof *(policy))

#ifdef __cplusplus
}
#endif
#endif
