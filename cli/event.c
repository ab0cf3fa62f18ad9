/* Showing events. */
#include "event.h"

#include "log.h"
#include "record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const formats[] = {
    [EVENT_TEXT] = "text", [EVENT_JSON] = "json", [EVENT_TOPIC] = "topic", [EVENT_BODY] = "body"};

int event_style_open (event_style_t *style, const cli_t *cli)
{
    const char *text = cli_text (cli, "format", formats[cli->json ? EVENT_JSON : EVENT_TEXT]);
    *style = (event_style_t){.cli = cli};
    cli_list (cli, "show-header", &style->headers);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp (text, formats[i]) == 0) {
            style->format = (event_format_t) i;
            if (cli->json_asked && style->format != EVENT_JSON)
                return cli_misuse (cli, "--json and --format %s exclude each other", text);
            return 0;
        }
    return cli_misuse (cli, "--format is json, text, topic or body, not '%s'", text);
}

void event_style_close (event_style_t *style)
{
    free (style->headers);
    style->headers = NULL;
}

void event_titles (const event_style_t *style, bool offsets)
{
    if (style->format != EVENT_TEXT || style->cli->quiet || !log_is_text ())
        return;
    if (offsets)
        fprintf (stderr, "%16s  ", "offset");
    fprintf (stderr, "%-20s  %s\n", "topic", "body");
}

/* -- one event --------------------------------------------------------------------------------- */

static void print_raw (zf_bytes_t bytes)
{
    if (bytes.size > 0)
        fwrite (bytes.data, 1, bytes.size, stdout);
}

static void print_text (zf_bytes_t topic, zf_bytes_t body)
{
    if (topic.size > 0)
        record_print_visible (topic);
    printf ("%*s  ", topic.size < 20 ? (int) (20 - topic.size) : 0, "");
    if (body.size > 0)
        record_print_visible (body);
}

static void print_json (json_t *row)
{
    json_dumpf (row, stdout, JSON_COMPACT | JSON_REAL_PRECISION (12));
    json_decref (row);
}

void event_print (const event_style_t *style, const zf_message_t *message)
{
    zf_bytes_t topic = zf_message_topic (message);
    zf_bytes_t body = {.data = message->body, .size = message->size};
    switch (style->format) {
    case EVENT_JSON:
        print_json (record_json (message, style->headers));
        break;
    case EVENT_TEXT:
        printf ("%16" PRIu64 "  ", message->id);
        print_text (topic, body);
        break;
    case EVENT_TOPIC:
        print_raw (topic);
        putchar (' ');
        print_raw (body);
        break;
    case EVENT_BODY:
        print_raw (body);
        break;
    }
    putchar ('\n');
}

/* -- plain frames ------------------------------------------------------------------------------ */

static json_t *frames_json (zf_bytes_t topic, const zf_bytes_t *body, size_t count)
{
    json_t *row = json_object ();
    if (topic.data != NULL)
        json_object_set_new (row, "topic", cli_json_bytes (topic));
    if (count == 1) {
        json_object_set_new (row, "size", json_integer ((json_int_t) body[0].size));
        json_object_set_new (row, "body", cli_json_bytes (body[0]));
        return row;
    }
    json_t *frames = json_array ();
    for (size_t i = 0; i < count; i++)
        json_array_append_new (frames, cli_json_bytes (body[i]));
    json_object_set_new (row, "frames", frames);
    return row;
}

void event_print_frames (const event_style_t *style, const zf_bytes_t *frames, size_t count)
{
    zf_bytes_t topic = {0};
    if (count > 1)
        topic = frames[0];
    const zf_bytes_t *body = count > 1 ? frames + 1 : frames;
    count -= count > 1;
    if (style->format == EVENT_JSON) {
        print_json (frames_json (topic, body, count));
        putchar ('\n');
        return;
    }
    if (style->format == EVENT_TEXT)
        print_text (topic, (zf_bytes_t){0});
    if (style->format == EVENT_TOPIC) {
        print_raw (topic);
        putchar (' ');
    }
    for (size_t i = 0; i < count; i++) {
        if (style->format == EVENT_TEXT && body[i].size > 0)
            record_print_visible (body[i]);
        else if (style->format != EVENT_TEXT)
            print_raw (body[i]);
    }
    putchar ('\n');
}
