#include "core/histogram.h"

/* clang-format off */
#define MS_BOUNDS {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 60000}
#define MS_NAMES(name)                                                                         \
    {name ".le.1", name ".le.2", name ".le.5", name ".le.10", name ".le.20", name ".le.50",    \
     name ".le.100", name ".le.200", name ".le.500", name ".le.1000", name ".le.2000",         \
     name ".le.5000", name ".le.10000", name ".le.60000", name ".le.inf"}
#define MS_KIND(name) \
    {MS_BOUNDS, MS_NAMES (name), ZF_HISTOGRAM_STEPS, name ".sum", name ".count"}

#define US_NAMES(name)                                                                         \
    {name ".le.50", name ".le.100", name ".le.200", name ".le.500", name ".le.1000",           \
     name ".le.2000", name ".le.5000", name ".le.10000", name ".le.20000", name ".le.50000",   \
     name ".le.100000", name ".le.1000000", name ".le.inf"}
#define US_BOUNDS {50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 1000000}
/* clang-format on */

const zf_histogram_kind_t zf_wait_ms = MS_KIND ("wait_ms");
const zf_histogram_kind_t zf_answer_ms = MS_KIND ("answer_ms");
const zf_histogram_kind_t zf_hold_ms = MS_KIND ("hold_ms");
const zf_histogram_kind_t zf_sync_us = {US_BOUNDS, US_NAMES ("sync_us"), 12, "sync_us.sum",
                                        "sync_us.count"};

void zf_histogram_add (zf_histogram_t *histogram, const zf_histogram_kind_t *kind, uint64_t value,
                       uint64_t count)
{
    uint32_t step = 0;
    while (step < kind->steps && value > kind->bounds[step])
        step++;
    histogram->counts[step] += count;
    histogram->sum += value * count;
    histogram->count += count;
}

void zf_histogram_tell (const zf_histogram_t *histogram, const zf_histogram_kind_t *kind,
                        zf_stat_fn *fn, void *arg)
{
    uint64_t sum = 0;
    for (uint32_t step = 0; step <= kind->steps; step++) {
        sum += histogram->counts[step];
        fn (arg, kind->names[step], sum);
    }
    fn (arg, kind->sum, histogram->sum);
    fn (arg, kind->count, histogram->count);
}
