/* /metrics: devices, and what all have in common. */
#include "web/metrics.h"

#include "web/figures.h"
#include "web/inside.h"
#include "web/routes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* -- the format -------------------------------------------------------------------------------- */

void zf_web_family (zf_web_text_t *text, const char *name, const char *type, const char *help)
{
    zf_web_text_printf (text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void escape_label (zf_web_text_t *text, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\n')
            zf_web_text_say (text, "\\n");
        else if (*at == '\\' || *at == '"')
            zf_web_text_printf (text, "\\%c", *at);
        else
            zf_web_text_add (text, at, 1);
    }
}

void zf_web_label (zf_web_text_t *text, const char *value)
{
    size_t size = strlen (value);
    char *path = zf_web_utf8 (value, size) < size ? zf_web_escape (value, size) : NULL;
    zf_web_text_say (text, "\"");
    escape_label (text, path != NULL ? path : value);
    zf_web_text_say (text, "\"");
    free (path);
}

void zf_web_number (zf_web_text_t *text, uint64_t number, uint32_t divisor)
{
    if (divisor == 1)
        zf_web_text_printf (text, "%" PRIu64, number);
    else
        zf_web_text_printf (text, "%" PRIu64 ".%0*" PRIu64, number / divisor,
                            divisor == 1000 ? 3 : 6, number % divisor);
}

/* -- figures of devices ------------------------------------------------------------------------ */

static void write_labels (zf_web_text_t *text, const zf_web_shown_t *shown)
{
    zf_web_text_say (text, "device=");
    zf_web_label (text, shown->name);
    zf_web_text_say (text, ",kind=");
    zf_web_label (text, shown->kind);
}

static const zf_web_figure_t *find_figure (const zf_web_shown_t *shown, const char *name)
{
    for (size_t i = 0; i < shown->figure_count; i++)
        if (strcmp (shown->figures[i].name, name) == 0)
            return &shown->figures[i];
    return NULL;
}

static bool has_figure (const zf_web_held_t *held, const char *name)
{
    for (size_t i = 0; i < held->count; i++)
        if (find_figure (held->at[i], name) != NULL)
            return true;
    return false;
}

/* Is this the first row of its metric that any device has? Then the family begins here. */
static bool begins_family (const zf_web_metric_t *metric, const zf_web_held_t *held)
{
    if (!has_figure (held, metric->figure))
        return false;
    for (const zf_web_metric_t *before = metric; before > zf_web_metrics;) {
        before--;
        if (before->metric == NULL || strcmp (before->metric, metric->metric) != 0)
            return true;
        if (has_figure (held, before->figure))
            return false;
    }
    return true;
}

static const char *help_of (const zf_web_metric_t *metric)
{
    while (metric->help == NULL && metric > zf_web_metrics)
        metric--;
    return metric->help;
}

static void write_metric (zf_web_text_t *text, const zf_web_metric_t *metric,
                          const zf_web_held_t *held)
{
    char name[128];
    bool counts = metric->kind == ZF_WEB_COUNTER;
    snprintf (name, sizeof name, "zferry_device_%s%s", metric->metric, counts ? "_total" : "");
    if (begins_family (metric, held))
        zf_web_family (text, name, counts ? "counter" : "gauge", help_of (metric));
    for (size_t i = 0; i < held->count; i++) {
        const zf_web_figure_t *figure = find_figure (held->at[i], metric->figure);
        if (figure == NULL)
            continue;
        zf_web_text_printf (text, "%s{", name);
        write_labels (text, held->at[i]);
        if (metric->reason != NULL)
            zf_web_text_printf (text, ",reason=\"%s\"", metric->reason);
        zf_web_text_say (text, "} ");
        zf_web_number (text, figure->value, metric->divisor);
        zf_web_text_say (text, "\n");
    }
}

/* One that nobody has said anything about yet: told as it is. */
static void write_unknown (zf_web_text_t *text, const char *figure, const zf_web_held_t *held)
{
    char name[128];
    snprintf (name, sizeof name, "zferry_device_%s", figure);
    for (char *at = name; *at != '\0'; at++)
        if (strchr ("abcdefghijklmnopqrstuvwxyz0123456789_", *at) == NULL)
            *at = '_';
    zf_web_family (text, name, "untyped", "A figure of the device.");
    for (size_t i = 0; i < held->count; i++) {
        const zf_web_figure_t *found = find_figure (held->at[i], figure);
        if (found == NULL)
            continue;
        zf_web_text_printf (text, "%s{", name);
        write_labels (text, held->at[i]);
        zf_web_text_printf (text, "} %" PRIu64 "\n", found->value);
    }
}

static bool was_before (const zf_web_held_t *held, size_t device, const char *figure)
{
    for (size_t i = 0; i < device; i++)
        if (find_figure (held->at[i], figure) != NULL)
            return true;
    return false;
}

static void write_up (zf_web_text_t *text, const zf_web_held_t *held)
{
    static const char name[] = "zferry_device_up";
    zf_web_family (text, name, "gauge", "1: the device answers.");
    for (size_t i = 0; i < held->count; i++) {
        zf_web_text_printf (text, "%s{", name);
        write_labels (text, held->at[i]);
        zf_web_text_printf (text, "} %d\n", held->at[i]->code == 0);
    }
}

static void write_segments (zf_web_text_t *text, const zf_web_held_t *held)
{
    static const char name[] = "zferry_device_journal_segments";
    bool begun = false;
    for (size_t i = 0; i < held->count; i++) {
        if (held->at[i]->journal == NULL)
            continue;
        if (!begun)
            zf_web_family (text, name, "gauge", "Files of the device's journal.");
        begun = true;
        zf_web_text_printf (text, "%s{", name);
        write_labels (text, held->at[i]);
        zf_web_text_printf (text, "} %" PRIu64 "\n", held->at[i]->segments);
    }
}

void zf_web_write_devices (zf_web_text_t *text, const zf_web_held_t *held)
{
    zf_web_bucket_t bucket;
    write_up (text, held);
    write_segments (text, held);
    for (const zf_web_metric_t *metric = zf_web_metrics; metric->figure != NULL; metric++)
        if (metric->kind != ZF_WEB_HIDDEN)
            write_metric (text, metric, held);
    for (size_t i = 0; i < held->count; i++)
        for (size_t f = 0; f < held->at[i]->figure_count; f++) {
            const char *name = held->at[i]->figures[f].name;
            if (zf_web_metric (name) == NULL && !zf_web_bucket (name, &bucket) &&
                !was_before (held, i, name))
                write_unknown (text, name, held);
        }
}

/* -- all of it --------------------------------------------------------------------------------- */

static void write_build (zf_web_text_t *text)
{
    json_t *versions = zf_web_versions ();
    const char *const names[] = {"zferry", "libzmq", "czmq", "msgpack"};
    const char *const labels[] = {"version", "libzmq", "czmq", "msgpack"};
    zf_web_family (text, "zferry_build_info", "gauge", "Versions of what runs here.");
    zf_web_text_say (text, "zferry_build_info{");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *version = json_string_value (json_object_get (versions, names[i]));
        zf_web_text_printf (text, "%s%s=", i > 0 ? "," : "", labels[i]);
        zf_web_label (text, version != NULL ? version : "");
    }
    zf_web_text_say (text, "} 1\n");
    json_decref (versions);
}

void zf_web_get_metrics (zf_web_request_t *request, zf_web_answer_t *answer)
{
    zf_web_held_t held;
    zf_web_text_t *text = &answer->text;
    zf_web_hold (&request->web->devices, &held);
    for (size_t i = 0; i < held.count; i++)
        zf_web_look (held.at[i]);
    write_build (text);
    zf_web_write_process (text);
    zf_web_write_devices (text, &held);
    zf_web_write_histograms (text, &held);
    zf_web_write_queues (text, &held);
    for (size_t i = 0; i < held.count; i++)
        zf_web_unlook (held.at[i]);
    zf_web_release (&held);
    zf_web_write_peers (text, request->web->peer);
    answer->status = 200;
    answer->type = "text/plain; version=0.0.4; charset=utf-8";
}
