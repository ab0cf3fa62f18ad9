/* Looking after the queues of a broker, through a client's connection.
 *
 * All calls block for the client's timeout at most and return 0, ZF_E_TIMEOUT, ZF_E_NOT_FOUND (no
 * such queue), ZF_E_INVAL, ZF_E_LIMIT, ZF_E_NOMEM or ZF_E_PROTO; err (may be NULL) says it in
 * words. */
#ifndef ZFERRY_ADMIN_H
#define ZFERRY_ADMIN_H

#include <zferry/client.h>
#include <zferry/device.h>
#include <zferry/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    char name[ZF_NAME_MAX + 1];
    zf_policy_t policy;
    bool declared;      /* by somebody, not just by use */
    uint64_t length;    /* records in the queue, in any state */
    uint64_t bytes;     /* of bodies and properties */
    uint64_t leased;    /* at workers */
    uint64_t delayed;   /* waiting for a delay or a backoff */
    uint64_t parked;    /* posts waiting for room (backpressure), not in length */
    uint64_t oldest_ms; /* age of the oldest record */
    uint64_t workers;   /* attached now */
    uint64_t posted;    /* totals since the queue was made: */
    uint64_t delivered;
    uint64_t acked;
    uint64_t redelivered; /* deliveries that were not the first */
    uint64_t dead;        /* dead-lettered, for whatever reason */
    uint64_t expired;     /* of those, because the time to live ran out */
    uint64_t dropped;     /* by drop-oldest, a purge, or for want of a dead-letter queue */
    uint64_t duplicates;  /* refused by id or by producer's number */
    uint64_t refused;     /* by reject */
    zf_sync_t sync;       /* what confirmed means here */
    uint64_t on_disk;     /* bytes of records that are not in memory now (the journal has them) */
    uint64_t links;       /* that post into it now */
    uint64_t first;       /* stream: offset of the oldest record; group: of the oldest unfinished */
    uint64_t next;        /* offset that the next record will have; group: that it reads next */
    uint64_t groups;      /* stream: that read it */
    uint64_t subscribers; /* stream: subscriptions in force */
    uint64_t lag;         /* group: records of the stream that it has not finished */
    uint64_t missed;      /* group: records that went by age or size before it had read them */
} zf_queue_info_t;

typedef void zf_queue_fn (void *arg, const zf_queue_info_t *info);
typedef void zf_peek_fn (void *arg, const zf_message_t *message); /* valid during the call */

/* Calls fn for each queue, by name. */
ZF_API int zf_admin_queues (zf_client_t *client, zf_queue_fn *fn, void *arg, zf_error_t *err);

ZF_API int zf_admin_queue (zf_client_t *client, const char *queue, zf_queue_info_t *info,
                           zf_error_t *err);

/* Makes the queue, or changes its policy (priorities and ordering only while
 * it is empty). */
ZF_API int zf_admin_declare (zf_client_t *client, const char *queue, const zf_policy_t *policy,
                             zf_error_t *err);

/* Shows up to max records, oldest first, whatever their state, from record id `from` on (0: the
 * first). Nothing is changed. */
ZF_API int zf_admin_peek (zf_client_t *client, const char *queue, uint64_t from, uint32_t max,
                          zf_peek_fn *fn, void *arg, zf_error_t *err);

/* Drops all records that are not at a worker; requests are answered ZF_E_REJECTED. */
ZF_API int zf_admin_purge (zf_client_t *client, const char *queue, uint64_t *count,
                           zf_error_t *err);

/* Moves up to max records (0: all) of the queue's dead letters back into the queue, their attempts
 * at zero. */
ZF_API int zf_admin_dead_requeue (zf_client_t *client, const char *queue, uint64_t max,
                                  uint64_t *count, zf_error_t *err);

/* Drops up to max (0: all) of the queue's dead letters, oldest first. */
ZF_API int zf_admin_dead_discard (zf_client_t *client, const char *queue, uint64_t max,
                                  uint64_t *count, zf_error_t *err);

/* -- streams and their groups ------------------------------------------------------------------ */

/* A group reads a stream as if it were a queue of its own, whose name is STREAM@GROUP: workers take
 * from that, it has attempts, leases, dead letters and figures like any queue. */
typedef struct {
    size_t struct_size; /* set by zf_group_defaults(); leave alone */
    zf_start_t start;
    const char *const *patterns; /* only records whose topic matches one; default: all */
    size_t pattern_count;        /* at most 256 */
    const zf_policy_t *policy;   /* attempts, backoff, lease, ordered, dead_letter; NULL: as the
                                    stream's policy says */
} zf_group_options_t;

ZF_API void zf_group_defaults_sized (zf_group_options_t *options, size_t size);
#define zf_group_defaults(options) zf_group_defaults_sized ((options), sizeof *(options))

/* Makes the stream if there is none of that name, with the policy of queues nobody declared.
 * Returns 0, ZF_E_INVAL: it is a queue. */
ZF_API int zf_admin_stream (zf_client_t *client, const char *stream, zf_error_t *err);

/* Makes the group if it is not there; if it is, nothing changes. options may be NULL. The policy of
 * a group that is there is changed with zf_admin_declare on STREAM@GROUP. ZF_E_NOT_FOUND: no such
 * stream. */
ZF_API int zf_admin_group (zf_client_t *client, const char *stream, const char *group,
                           const zf_group_options_t *options, zf_error_t *err);

/* Forgets a group and where it was, or a stream with all its records and groups. ZF_E_BUSY: it has
 * workers or subscribers. */
ZF_API int zf_admin_forget (zf_client_t *client, const char *queue, zf_error_t *err);

/* Drops the records of a stream below that offset; *count of them. */
ZF_API int zf_admin_trim (zf_client_t *client, const char *stream, uint64_t below, uint64_t *count,
                          zf_error_t *err);

/* The broker's own figures; fn as in zf_device_stats. */
ZF_API int zf_admin_stats (zf_client_t *client, zf_stat_fn *fn, void *arg, zf_error_t *err);

#ifdef __cplusplus
}
#endif
#endif
