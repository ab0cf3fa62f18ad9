/* An event as it is shown: by sub, whether it came from zferry's own side or as plain frames. */
#ifndef ZFERRY_CLI_EVENT_H
#define ZFERRY_CLI_EVENT_H

#include "cli.h"

typedef enum {
    EVENT_TEXT,  /* for people: offset, topic, body */
    EVENT_JSON,  /* an object with all there is */
    EVENT_TOPIC, /* topic, a blank, body */
    EVENT_BODY   /* bodies alone */
} event_format_t;

typedef struct {
    const cli_t *cli;
    event_format_t format;
    const char **headers; /* user headers to show, ended by NULL; owned, may be NULL */
} event_style_t;

#define EVENT_FORMAT_OPTION                                                                     \
    {                                                                                           \
        .name = "format", .kind = CLI_TEXT, .value = "FORMAT", .words = "json text topic body", \
        .help = "json, text, topic (and body) or body (default text, json into a pipe)"         \
    }

/* Reads --format and --show-header. Returns 0 or an exit code, having said why. Close it in any
 * case. */
int event_style_open (event_style_t *style, const cli_t *cli);
void event_style_close (event_style_t *style);

/* Prints titles for people: to stderr, so that they are no data. */
void event_titles (const event_style_t *style, bool offsets);

/* Prints one on one line. The caller flushes. */
void event_print (const event_style_t *style, const zf_message_t *message);

/* The same for the frames of a plain message: the first of several is the topic. */
void event_print_frames (const event_style_t *style, const zf_bytes_t *frames, size_t count);

#endif
