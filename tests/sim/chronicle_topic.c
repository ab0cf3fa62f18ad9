/* Topics of records, and what is asked for. */
#include "tests/sim/chronicle.h"

static const char *const topics[TOPICS_MAX] = {
    "", "orders.1.paid", "orders.2.paid", "orders.1.made", "audit", "audit.x.y", "prices",
};

typedef struct {
    const char *patterns[3];
    bool passes[TOPICS_MAX];
} filter_t;

static const filter_t filters[FILTERS_MAX] = {
    {{NULL}, {true, true, true, true, true, true, true}},
    {{"orders.*.paid"}, {false, true, true, false, false, false, false}},
    {{"orders.>"}, {false, true, true, true, false, false, false}},
    {{"audit", "prices"}, {false, false, false, false, true, false, true}},
    {{"orders.1.*", "*.x.>"}, {false, true, false, true, false, true, false}},
    {{"nothing.of.all"}, {false, false, false, false, false, false, false}},
};

static size_t count_patterns (unsigned filter)
{
    size_t n = 0;
    while (n < 3 && filters[filter].patterns[n] != NULL)
        n++;
    return n;
}

const char *topic_name (unsigned topic)
{
    return topics[topic];
}

bool topic_matches (unsigned filter, unsigned topic)
{
    return filters[filter].passes[topic];
}

void topic_put_patterns (zf_writer_t *w, unsigned filter)
{
    size_t n = count_patterns (filter);
    zf_mp_put_array (w, n);
    for (size_t i = 0; i < n; i++)
        zf_mp_put_str (w, zf_bytes_of (filters[filter].patterns[i]));
}

zf_filter_t *topic_filter (unsigned filter)
{
    zf_bytes_t patterns[3];
    zf_filter_t *made = NULL;
    size_t n = count_patterns (filter);
    for (size_t i = 0; i < n; i++)
        patterns[i] = zf_bytes_of (filters[filter].patterns[i]);
    if (n > 0)
        zf_filter_new (&made, patterns, n);
    return made;
}
