/* The journals. */
#include "web/inside.h"
#include "web/routes.h"

#include <string.h>

/* Figures of a device whose names begin so are its journal's. */
static const char prefix[] = "journal_";

static json_t *journal_row (zf_web_shown_t *shown)
{
    json_t *row = json_object ();
    zf_web_look (shown);
    json_object_set_new (row, "device", zf_web_json_text (shown->name));
    json_object_set_new (row, "directory", zf_web_json_text (shown->journal));
    zf_web_json_number (row, "looked_ms", shown->looked_ms);
    zf_web_json_number (row, "segments", shown->segments);
    zf_web_json_number (row, "segment_bytes", shown->segment_bytes);
    for (size_t i = 0; i < shown->figure_count; i++) {
        const zf_web_figure_t *figure = &shown->figures[i];
        if (strncmp (figure->name, prefix, sizeof prefix - 1) == 0)
            zf_web_json_number (row, figure->name + sizeof prefix - 1, figure->value);
    }
    zf_web_json_number (row, "durable_records", zf_web_figure (shown, "durable_records"));
    zf_web_json_number (row, "durable_bytes", zf_web_figure (shown, "durable_bytes"));
    zf_web_json_number (row, "in_memory", zf_web_figure (shown, "in_memory"));
    zf_web_unlook (shown);
    return row;
}

void zf_web_get_journal (zf_web_request_t *request, zf_web_answer_t *answer)
{
    zf_web_held_t held;
    json_t *rows = json_array ();
    zf_web_hold (&request->web->devices, &held);
    for (size_t i = 0; i < held.count; i++)
        if (held.at[i]->journal != NULL)
            json_array_append_new (rows, journal_row (held.at[i]));
    zf_web_release (&held);
    zf_web_answer_json (answer, 200, json_pack ("{s:o}", "journals", rows));
}
