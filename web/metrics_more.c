/* /metrics: histograms, queues, the process and the node. */
#include "web/metrics.h"

#include "web/figures.h"
#include "web/rows.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* -- histograms -------------------------------------------------------------------------------- */

static bool is_same (const zf_web_bucket_t *a, const zf_web_bucket_t *b)
{
    return a->size == b->size && memcmp (a->name, b->name, a->size) == 0;
}

/* A device's value of one of the histogram's figures. */
static uint64_t part_of (const zf_web_shown_t *shown, const zf_web_bucket_t *histogram,
                         const char *part)
{
    zf_web_bucket_t bucket;
    for (size_t i = 0; i < shown->figure_count; i++)
        if (zf_web_bucket (shown->figures[i].name, &bucket) && is_same (&bucket, histogram) &&
            strcmp (bucket.part, part) == 0)
            return shown->figures[i].value;
    return 0;
}

static bool has_histogram (const zf_web_shown_t *shown, const zf_web_bucket_t *histogram)
{
    zf_web_bucket_t bucket;
    for (size_t i = 0; i < shown->figure_count; i++)
        if (zf_web_bucket (shown->figures[i].name, &bucket) && is_same (&bucket, histogram))
            return true;
    return false;
}

static void write_series (zf_web_text_t *text, const char *name, const char *suffix,
                          const zf_web_shown_t *shown)
{
    zf_web_text_printf (text, "%s%s{device=", name, suffix);
    zf_web_label (text, shown->name);
    zf_web_text_say (text, ",kind=");
    zf_web_label (text, shown->kind);
}

/* Bounds come in their order; what is above the last one is all there was. */
static void write_buckets (zf_web_text_t *text, const char *name, const zf_web_shown_t *shown,
                           const zf_web_bucket_t *histogram)
{
    uint32_t divisor = histogram->divisor != 0 ? histogram->divisor : 1;
    uint64_t count = part_of (shown, histogram, "count");
    zf_web_bucket_t bucket;
    for (size_t i = 0; i < shown->figure_count; i++) {
        if (!zf_web_bucket (shown->figures[i].name, &bucket) || !is_same (&bucket, histogram) ||
            strncmp (bucket.part, "le.", 3) != 0 || strcmp (bucket.part, "le.inf") == 0)
            continue;
        write_series (text, name, "_bucket", shown);
        zf_web_text_printf (text, ",le=\"%g\"} %" PRIu64 "\n",
                            strtod (bucket.part + 3, NULL) / divisor, shown->figures[i].value);
    }
    write_series (text, name, "_bucket", shown);
    zf_web_text_printf (text, ",le=\"+Inf\"} %" PRIu64 "\n", count);
    write_series (text, name, "_sum", shown);
    zf_web_text_say (text, "} ");
    zf_web_number (text, part_of (shown, histogram, "sum"), divisor);
    zf_web_text_say (text, "\n");
    write_series (text, name, "_count", shown);
    zf_web_text_printf (text, "} %" PRIu64 "\n", count);
}

static const char *histogram_help (const zf_web_bucket_t *histogram)
{
    static const struct {
        const char *name, *help;
    } helps[] = {{"wait", "From the post to the first delivery."},
                 {"answer", "From a request to its final answer."},
                 {"hold", "From a delivery to its acknowledgement."},
                 {"sync", "What making the journal durable took (fdatasync)."}};
    for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++)
        if (strlen (helps[i].name) == histogram->size &&
            memcmp (helps[i].name, histogram->name, histogram->size) == 0)
            return helps[i].help;
    return "A distribution of the device's.";
}

static void write_histogram (zf_web_text_t *text, const zf_web_bucket_t *histogram,
                             const zf_web_held_t *held)
{
    char name[128];
    snprintf (name, sizeof name, "zferry_device_%.*s%s", (int) histogram->size, histogram->name,
              histogram->divisor != 0 ? "_seconds" : "");
    zf_web_family (text, name, "histogram", histogram_help (histogram));
    for (size_t i = 0; i < held->count; i++)
        if (has_histogram (held->at[i], histogram))
            write_buckets (text, name, held->at[i], histogram);
}

void zf_web_write_histograms (zf_web_text_t *text, const zf_web_held_t *held)
{
    zf_web_bucket_t bucket;
    for (size_t i = 0; i < held->count; i++)
        for (size_t f = 0; f < held->at[i]->figure_count; f++) {
            bool is_new = zf_web_bucket (held->at[i]->figures[f].name, &bucket) &&
                          strcmp (bucket.part, "count") == 0; /* once a histogram */
            for (size_t before = 0; before < i && is_new; before++)
                is_new = !has_histogram (held->at[before], &bucket);
            if (is_new)
                write_histogram (text, &bucket, held);
        }
}

/* -- queues ------------------------------------------------------------------------------------ */

typedef enum { OF_ALL, OF_QUEUES, OF_STREAMS, OF_GROUPS } whose_t;

typedef struct {
    const char *name; /* behind zferry_queue_ */
    size_t offset;    /* in zf_queue_info_t */
    uint32_t divisor;
    whose_t whose; /* OF_QUEUES: and of groups */
    const char *help;
} column_t;

#define AT(field) offsetof (zf_queue_info_t, field)

static const column_t columns[] = {
    {"length", AT (length), 1, OF_ALL, "Records in it, in any state."},
    {"bytes", AT (bytes), 1, OF_ALL, "Bytes of bodies and properties."},
    {"oldest_seconds", AT (oldest_ms), 1000, OF_ALL, "Age of the oldest record."},
    {"leased", AT (leased), 1, OF_QUEUES, "Records at workers."},
    {"delayed", AT (delayed), 1, OF_QUEUES, "Records that wait for a delay or a backoff."},
    {"parked", AT (parked), 1, OF_ALL, "Posts that wait for room."},
    {"workers", AT (workers), 1, OF_QUEUES, "Workers attached."},
    {"disk_bytes", AT (on_disk), 1, OF_ALL, "Bytes of records that are in the journal only."},
    {"links", AT (links), 1, OF_ALL, "Links that post into it."},
    {"groups", AT (groups), 1, OF_STREAMS, "Groups that read the stream."},
    {"subscribers", AT (subscribers), 1, OF_STREAMS, "Subscriptions to the stream."},
    {"lag", AT (lag), 1, OF_GROUPS, "Records of the stream that the group has not finished."},
    {"posted_total", AT (posted), 1, OF_ALL, "Records posted."},
    {"delivered_total", AT (delivered), 1, OF_ALL, "Deliveries."},
    {"acked_total", AT (acked), 1, OF_QUEUES, "Records acknowledged."},
    {"redelivered_total", AT (redelivered), 1, OF_QUEUES, "Deliveries that were not the first."},
    {"dead_total", AT (dead), 1, OF_QUEUES, "Records dead-lettered."},
    {"expired_total", AT (expired), 1, OF_ALL, "Records whose time to live ran out."},
    {"dropped_total", AT (dropped), 1, OF_ALL,
     "Records dropped: by the overflow rule, age, a purge, or for want of a dead-letter queue."},
    {"duplicates_total", AT (duplicates), 1, OF_ALL, "Posts refused as duplicates."},
    {"refused_total", AT (refused), 1, OF_ALL, "Posts refused by the overflow rule."},
    {"missed_total", AT (missed), 1, OF_GROUPS,
     "Records that went by age or size before the group had read them."}};

typedef struct {
    char *labels; /* in their braces; to be freed */
    whose_t whose;
    const zf_queue_info_t *info;
} series_t;

typedef struct {
    series_t *series;
    size_t count;
    zf_queue_info_t rest[ZF_WEB_DEVICES_MAX]; /* of queues that are not listed, device by device */
    uint64_t rest_count[ZF_WEB_DEVICES_MAX];
} sheet_t;

static uint64_t number_of (const column_t *column, const zf_queue_info_t *info)
{
    uint64_t number;
    memcpy (&number, (const char *) info + column->offset, sizeof number);
    return number;
}

static bool is_of (const column_t *column, whose_t whose)
{
    return column->whose == OF_ALL || whose == OF_ALL || column->whose == whose ||
           (column->whose == OF_QUEUES && whose == OF_GROUPS);
}

static whose_t whose_of (const zf_queue_info_t *info)
{
    if (info->policy.kind == ZF_KIND_STREAM)
        return OF_STREAMS;
    return zf_web_group (info) != NULL ? OF_GROUPS : OF_QUEUES;
}

static void add_series (sheet_t *sheet, const char *device, const char *queue, whose_t whose,
                        const zf_queue_info_t *info)
{
    zf_web_text_t labels = {0};
    zf_web_text_say (&labels, "{device=");
    zf_web_label (&labels, device);
    zf_web_text_say (&labels, ",queue=");
    zf_web_label (&labels, queue);
    zf_web_text_add (&labels, "}", 2);
    if (labels.failed)
        free (labels.data);
    else
        sheet->series[sheet->count++] = (series_t){labels.data, whose, info};
}

/* The oldest of them, and the sum of all else. */
static void add_to_rest (zf_queue_info_t *rest, const zf_queue_info_t *info)
{
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        uint64_t sum = number_of (&columns[i], rest);
        uint64_t more = number_of (&columns[i], info);
        if (columns[i].offset == AT (oldest_ms))
            sum = more > sum ? more : sum;
        else
            sum += more;
        memcpy ((char *) rest + columns[i].offset, &sum, sizeof sum);
    }
}

static void fill (sheet_t *sheet, const zf_web_held_t *held)
{
    size_t listed = 0;
    for (size_t d = 0; d < held->count; d++) {
        const zf_web_shown_t *shown = held->at[d];
        for (size_t i = 0; i < shown->queue_count && shown->code == 0; i++) {
            const zf_queue_info_t *info = &shown->queues[i];
            if (listed++ < ZF_WEB_QUEUES_LISTED) {
                add_series (sheet, shown->name, info->name, whose_of (info), info);
            } else {
                add_to_rest (&sheet->rest[d], info);
                sheet->rest_count[d]++;
            }
        }
        if (sheet->rest_count[d] > 0)
            add_series (sheet, shown->name, "", OF_ALL, &sheet->rest[d]);
    }
}

static void write_column (zf_web_text_t *text, const column_t *column, const sheet_t *sheet)
{
    char name[64];
    bool begun = false;
    size_t size = strlen (column->name);
    bool counts = size > 6 && strcmp (column->name + size - 6, "_total") == 0;
    snprintf (name, sizeof name, "zferry_queue_%s", column->name);
    for (size_t i = 0; i < sheet->count; i++) {
        const series_t *series = &sheet->series[i];
        if (!is_of (column, series->whose))
            continue;
        if (!begun)
            zf_web_family (text, name, counts ? "counter" : "gauge", column->help);
        begun = true;
        zf_web_text_say (text, name);
        zf_web_text_say (text, series->labels);
        zf_web_text_say (text, " ");
        zf_web_number (text, number_of (column, series->info), column->divisor);
        zf_web_text_say (text, "\n");
    }
}

static void write_sheet (zf_web_text_t *text, const sheet_t *sheet, const zf_web_held_t *held)
{
    static const char name[] = "zferry_queues_not_listed";
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        write_column (text, &columns[i], sheet);
    zf_web_family (text, name, "gauge", "Queues that are summed up under queue=\"\".");
    for (size_t i = 0; i < held->count; i++) {
        if (!held->at[i]->has_queues)
            continue;
        zf_web_text_printf (text, "%s{device=", name);
        zf_web_label (text, held->at[i]->name);
        zf_web_text_printf (text, "} %" PRIu64 "\n", sheet->rest_count[i]);
    }
}

void zf_web_write_queues (zf_web_text_t *text, const zf_web_held_t *held)
{
    sheet_t *sheet = calloc (1, sizeof *sheet);
    series_t *series = calloc (ZF_WEB_QUEUES_LISTED + ZF_WEB_DEVICES_MAX, sizeof *series);
    if (sheet != NULL && series != NULL) {
        sheet->series = series;
        fill (sheet, held);
        write_sheet (text, sheet, held);
        for (size_t i = 0; i < sheet->count; i++)
            free (series[i].labels);
    } else {
        text->failed = true;
    }
    free (series);
    free (sheet);
}

/* -- the process and the node ------------------------------------------------------------------ */

static uint64_t resident_bytes (void)
{
    char line[128] = ""; /* pages: all of it, those in memory, ... */
    FILE *file = fopen ("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    const char *second = fgets (line, sizeof line, file) != NULL ? strchr (line, ' ') : NULL;
    fclose (file);
    uint64_t pages = second != NULL ? strtoull (second, NULL, 10) : 0;
    return pages * (uint64_t) sysconf (_SC_PAGESIZE);
}

void zf_web_write_process (zf_web_text_t *text)
{
    struct timespec used = {0};
    clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &used);
    zf_web_family (text, "process_resident_memory_bytes", "gauge", "Memory of the process.");
    zf_web_text_printf (text, "process_resident_memory_bytes %" PRIu64 "\n", resident_bytes ());
    zf_web_family (text, "process_cpu_seconds_total", "counter", "Processor time of the process.");
    zf_web_text_printf (text, "process_cpu_seconds_total %lld.%02ld\n", (long long) used.tv_sec,
                        used.tv_nsec / 10000000);
}

static void write_one (zf_web_text_t *text, const char *name, const char *type, const char *help,
                       uint64_t value)
{
    zf_web_family (text, name, type, help);
    zf_web_text_printf (text, "%s %" PRIu64 "\n", name, value);
}

void zf_web_write_peers (zf_web_text_t *text, zf_peer_t *peer)
{
    zf_peer_stats_t stats;
    if (peer == NULL)
        return;
    zf_peer_stats (peer, &stats);
    write_one (text, "zferry_node_peers", "gauge", "Nodes that are seen.", stats.peers);
    write_one (text, "zferry_node_messages_in_total", "counter", "Messages from nodes.",
               stats.messages_in);
    write_one (text, "zferry_node_messages_out_total", "counter", "Messages to nodes.",
               stats.messages_out);
    write_one (text, "zferry_node_beacons_in_total", "counter", "Beacons heard.", stats.beacons_in);
    write_one (text, "zferry_node_beacons_out_total", "counter", "Beacons sent.",
               stats.beacons_out);
    write_one (text, "zferry_node_beacons_bad_total", "counter", "Datagrams that are no beacon.",
               stats.beacons_bad);
    write_one (text, "zferry_node_errors_total", "counter", "Messages that break the protocol.",
               stats.errors);
    write_one (text, "zferry_node_exits_total", "counter", "Nodes that went.", stats.exits);
    zf_web_family (text, "zferry_node_dropped_total", "counter",
                   "What was dropped, by reason: slow: the node did not take it; event: nobody "
                   "fetched it.");
    zf_web_text_printf (text, "zferry_node_dropped_total{reason=\"slow\"} %" PRIu64 "\n",
                        stats.dropped_slow);
    zf_web_text_printf (text, "zferry_node_dropped_total{reason=\"event\"} %" PRIu64 "\n",
                        stats.dropped_events);
}
