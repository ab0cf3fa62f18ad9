/* What the figures of devices (zf_device_stats) are to Prometheus: names, kinds and words. */
#ifndef ZF_WEB_FIGURES_H
#define ZF_WEB_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    ZF_WEB_GAUGE,   /* goes up and down */
    ZF_WEB_COUNTER, /* only grows: its name ends in _total */
    ZF_WEB_HIDDEN   /* told in another way */
} zf_web_metric_kind_t;

typedef struct {
    const char *figure;
    zf_web_metric_kind_t kind;
    const char
        *metric; /* behind zferry_device_, without _total; rows with the same stand together */
    const char *reason; /* a label that tells them apart; NULL: none */
    uint32_t divisor;   /* 1,000 for milliseconds, as Prometheus wants seconds */
    const char *help;   /* of the metric: in its first row */
} zf_web_metric_t;

extern const zf_web_metric_t zf_web_metrics[]; /* figure NULL behind the last */

/* NULL: nobody has said what it is. */
const zf_web_metric_t *zf_web_metric (const char *figure);

/* A histogram's figures are NAME.le.BOUND, NAME.le.inf, NAME.sum and NAME.count. */
typedef struct {
    const char *name; /* not ended by a zero: */
    size_t size;      /* without its unit */
    uint32_t divisor; /* to seconds; 0: it has no unit */
    const char *part; /* "le.50", "sum" or "count" */
} zf_web_bucket_t;

/* Is this figure part of one? */
bool zf_web_bucket (const char *figure, zf_web_bucket_t *bucket);

#endif
