/* Samples of a broker's figures: totals from it, rates from the sample before. */
#include "top.h"

#include "durable.h"
#include "queue_row.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* -- taking ------------------------------------------------------------------------------------ */

typedef struct {
    top_sample_t *sample;
    bool failed; /* out of memory */
} taker_t;

static top_kind_t kind_of (const zf_queue_info_t *info)
{
    if (info->policy.kind == ZF_KIND_STREAM)
        return TOP_STREAM;
    return queue_row_group (info, NULL) != NULL ? TOP_GROUP : TOP_QUEUE;
}

static void take_queue (void *arg, const zf_queue_info_t *info)
{
    taker_t *taker = arg;
    top_sample_t *sample = taker->sample;
    if (sample->count == sample->room) {
        size_t room = sample->room > 0 ? 2 * sample->room : 64;
        top_row_t *rows = realloc (sample->rows, room * sizeof *rows);
        taker->failed |= rows == NULL;
        if (rows == NULL)
            return;
        sample->rows = rows;
        sample->room = room;
    }
    sample->rows[sample->count++] = (top_row_t){.kind = kind_of (info), .info = *info};
}

static void take_figure (void *arg, const char *name, uint64_t value)
{
#define FIGURE(name)                         \
    {                                        \
#name, offsetof(top_figures_t, name) \
    }
    static const struct {
        const char *name;
        size_t at; /* in top_figures_t */
    } figures[] = {FIGURE (sessions),  FIGURE (queues),     FIGURE (records),
                   FIGURE (bytes),     FIGURE (posted),     FIGURE (delivered),
                   FIGURE (acked),     FIGURE (dead),       FIGURE (redelivered),
                   FIGURE (dropped),   FIGURE (sync),       FIGURE (journal_written),
                   FIGURE (in_memory), FIGURE (log_failed), FIGURE (durable_bytes)};
#undef FIGURE
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        if (strcmp (name, figures[i].name) == 0)
            memcpy ((char *) arg + figures[i].at, &value, sizeof value);
}

/* -- rates ------------------------------------------------------------------------------------- */

/* A total that went down began anew: the broker was restarted, or the queue made again. */
static double rate (uint64_t before, uint64_t now, double seconds)
{
    return (double) (now >= before ? now - before : now) / seconds;
}

static top_rates_t queue_rates (const zf_queue_info_t *before, const zf_queue_info_t *now, double s)
{
    return (top_rates_t){.in = rate (before->posted, now->posted, s),
                         .out = rate (before->delivered, now->delivered, s),
                         .acked = rate (before->acked, now->acked, s),
                         .redelivered = rate (before->redelivered, now->redelivered, s),
                         .dead = rate (before->dead, now->dead, s)};
}

/* Both are sorted by name. What was not there before began at nothing. */
static void compute_rates (top_sample_t *sample, const top_sample_t *before)
{
    static const zf_queue_info_t nothing;
    const top_figures_t *a = &before->figures;
    const top_figures_t *b = &sample->figures;
    double s = (double) (sample->at_us - before->at_us) / 1e6;
    size_t k = 0;
    for (size_t i = 0; i < sample->count; i++) {
        const char *name = sample->rows[i].info.name;
        while (k < before->count && strcmp (before->rows[k].info.name, name) < 0)
            k++;
        bool known = k < before->count && strcmp (before->rows[k].info.name, name) == 0;
        sample->rows[i].rates =
            queue_rates (known ? &before->rows[k].info : &nothing, &sample->rows[i].info, s);
    }
    sample->rates = (top_rates_t){.in = rate (a->posted, b->posted, s),
                                  .out = rate (a->delivered, b->delivered, s),
                                  .acked = rate (a->acked, b->acked, s),
                                  .redelivered = rate (a->redelivered, b->redelivered, s),
                                  .dead = rate (a->dead, b->dead, s)};
    sample->journal_rate = rate (a->journal_written, b->journal_written, s);
}

static int by_name (const void *a, const void *b)
{
    const top_row_t *left = a;
    const top_row_t *right = b;
    return strcmp (left->info.name, right->info.name);
}

int top_sample_take (top_sample_t *sample, const top_sample_t *before, zf_client_t *client,
                     zf_error_t *err)
{
    taker_t taker = {.sample = sample};
    memset (sample, 0, sizeof *sample);
    int rc = zf_admin_queues (client, take_queue, &taker, err);
    if (rc == 0)
        rc = zf_admin_stats (client, take_figure, &sample->figures, err);
    if (rc == 0 && taker.failed)
        rc = zf_error_set (err, ZF_E_NOMEM, "out of memory");
    sample->at_us = cli_now_us ();
    if (sample->count > 1)
        qsort (sample->rows, sample->count, sizeof *sample->rows, by_name);
    sample->has_rates = before->at_us != 0 && sample->at_us > before->at_us;
    if (rc == 0 && sample->has_rates)
        compute_rates (sample, before);
    if (rc != 0)
        top_sample_free (sample);
    return rc;
}

bool top_sample_copy (top_sample_t *copy, const top_sample_t *sample)
{
    *copy = *sample;
    copy->room = sample->count;
    copy->rows = malloc (sample->count * sizeof *copy->rows + 1);
    if (copy->rows != NULL && sample->count > 0)
        memcpy (copy->rows, sample->rows, sample->count * sizeof *copy->rows);
    if (copy->rows == NULL)
        memset (copy, 0, sizeof *copy);
    return copy->rows != NULL;
}

void top_sample_free (top_sample_t *sample)
{
    free (sample->rows);
    memset (sample, 0, sizeof *sample);
}

/* -- JSON -------------------------------------------------------------------------------------- */

static void set_rate (json_t *object, const char *key, bool known, double value)
{
    double rounded = (double) (uint64_t) (value * 1000 + 0.5) / 1000;
    json_object_set_new (object, key, known ? json_real (rounded) : json_null ());
}

static void set_rates (json_t *object, const top_rates_t *rates, bool known)
{
    set_rate (object, "in_per_s", known, rates->in);
    set_rate (object, "out_per_s", known, rates->out);
    set_rate (object, "acked_per_s", known, rates->acked);
    set_rate (object, "redelivered_per_s", known, rates->redelivered);
    set_rate (object, "dead_per_s", known, rates->dead);
}

static json_t *broker_json (const top_sample_t *sample)
{
    const top_figures_t *f = &sample->figures;
    json_t *object =
        json_pack ("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "sessions",
                   (json_int_t) f->sessions, "queues", (json_int_t) f->queues, "records",
                   (json_int_t) f->records, "bytes", (json_int_t) f->bytes, "posted",
                   (json_int_t) f->posted, "delivered", (json_int_t) f->delivered, "acked",
                   (json_int_t) f->acked, "redelivered", (json_int_t) f->redelivered, "dead",
                   (json_int_t) f->dead, "dropped", (json_int_t) f->dropped);
    set_rates (object, &sample->rates, sample->has_rates);
    json_object_set_new (object, "sync", json_string (durable_sync_name ((zf_sync_t) f->sync)));
    json_object_set_new (object, "in_memory", json_integer ((json_int_t) f->in_memory));
    json_object_set_new (object, "journal_written", json_integer ((json_int_t) f->journal_written));
    set_rate (object, "journal_per_s", sample->has_rates, sample->journal_rate);
    json_object_set_new (object, "journal_failed", json_boolean (f->log_failed != 0));
    return object;
}

json_t *top_sample_json (const top_sample_t *sample, const char *endpoint)
{
    json_t *rows = json_array ();
    for (size_t i = 0; i < sample->count; i++) {
        json_t *row = queue_row (&sample->rows[i].info);
        set_rates (row, &sample->rows[i].rates, sample->has_rates);
        json_array_append_new (rows, row);
    }
    return json_pack ("{s:s, s:o, s:o}", "endpoint", endpoint, "broker", broker_json (sample),
                      "queues", rows);
}
