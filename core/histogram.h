/* Histograms: how often something took how long, in fixed steps. Adding costs a few comparisons,
 * and a batch is added at once.
 *
 * As figures they are cumulative, as Prometheus wants them: "NAME.le.5" is how many took 5 or
 * less, "NAME.le.inf" and "NAME.count" how many there are, "NAME.sum" what they took together. */
#ifndef ZF_CORE_HISTOGRAM_H
#define ZF_CORE_HISTOGRAM_H

#include <stdint.h>
#include <zferry/device.h>

#define ZF_HISTOGRAM_STEPS 14 /* at most */

/* The steps of a kind of histogram, and its figures' names. */
typedef struct {
    uint64_t bounds[ZF_HISTOGRAM_STEPS];
    const char *names[ZF_HISTOGRAM_STEPS + 1]; /* the last one in use is that of le.inf */
    uint32_t steps;
    const char *sum, *count;
} zf_histogram_kind_t;

/* All zero is an empty one. */
typedef struct {
    uint64_t counts[ZF_HISTOGRAM_STEPS + 1]; /* not cumulative; the last one in use: above all */
    uint64_t sum;
    uint64_t count;
} zf_histogram_t;

/* 1 ms .. 1 min: from the post to the first delivery, from the request to its answer, from the
 * delivery to the ack. */
extern const zf_histogram_kind_t zf_wait_ms, zf_answer_ms, zf_hold_ms;

/* 50 us .. 1 s: a sync of the journal. */
extern const zf_histogram_kind_t zf_sync_us;

/* So many of them took that long. */
void zf_histogram_add (zf_histogram_t *histogram, const zf_histogram_kind_t *kind, uint64_t value,
                       uint64_t count);

/* Calls fn once for each figure. */
void zf_histogram_tell (const zf_histogram_t *histogram, const zf_histogram_kind_t *kind,
                        zf_stat_fn *fn, void *arg);

#endif
