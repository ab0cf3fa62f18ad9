/* Showing records. */
#include "record.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    SHOWN_MAX = 2000, /* bytes of a body shown to people */
    PEEK_STEP = 1000  /* records asked for at once */
};

static void set_bytes (json_t *row, const char *key, zf_bytes_t bytes)
{
    if (bytes.data != NULL && bytes.size > 0)
        json_object_set_new (row, key, cli_json_bytes (bytes));
}

static void set_number (json_t *row, const char *key, uint64_t number)
{
    if (number != 0)
        json_object_set_new (row, key, json_integer ((json_int_t) number));
}

static void set_frames (json_t *row, const zf_message_t *message)
{
    size_t count = zf_message_frame_count (message);
    if (count <= 1)
        return;
    json_t *frames = json_array ();
    for (size_t i = 0; i < count; i++)
        json_array_append_new (frames, cli_json_bytes (zf_message_frame (message, i)));
    json_object_set_new (row, "frames", frames);
}

static void set_headers (json_t *row, const zf_message_t *message, const char *const *names)
{
    json_t *headers = json_object ();
    for (; names != NULL && *names != NULL; names++) {
        zf_bytes_t value = zf_message_header (message, *names);
        if (value.data != NULL)
            json_object_set_new (headers, *names, cli_json_bytes (value));
    }
    if (json_object_size (headers) > 0)
        json_object_set (row, "headers", headers);
    json_decref (headers);
}

static void set_props (json_t *row, const zf_message_t *message)
{
    zf_props_t props;
    zf_props_defaults (&props);
    if (zf_message_props (message, &props) != 0)
        return;
    set_bytes (row, "topic", props.topic);
    set_bytes (row, "dedup_id", props.id);
    set_bytes (row, "key", props.key);
    set_number (row, "priority", props.priority);
    set_number (row, "delay_ms", props.delay_ms);
    set_number (row, "ttl_ms", props.ttl_ms);
    set_number (row, "header_count", props.header_count);
    set_bytes (row, "trace", props.trace);
}

static void set_death (json_t *row, const zf_message_t *message)
{
    zf_death_t death;
    if (!zf_message_death (message, &death))
        return;
    set_bytes (row, "dead_queue", death.queue);
    set_bytes (row, "dead_reason", death.reason);
    json_object_set_new (row, "dead_attempts", json_integer (death.attempts));
}

json_t *record_json (const zf_message_t *message, const char *const *headers)
{
    zf_bytes_t body = {.data = message->body, .size = message->size};
    json_t *row = json_object ();
    json_object_set_new (row, "id", json_integer ((json_int_t) message->id));
    if (message->queue != NULL)
        json_object_set_new (row, "queue", json_string (message->queue));
    json_object_set_new (row, "attempt", json_integer (message->attempt));
    set_number (row, "time_ms", message->time_ms);
    if ((message->flags & ZF_MESSAGE_WANTS_REPLY) != 0)
        json_object_set_new (row, "wants_reply", json_true ());
    if (message->props.size > 0) {
        set_props (row, message);
        set_headers (row, message, headers);
        set_frames (row, message);
        set_death (row, message);
    }
    json_object_set_new (row, "size", json_integer ((json_int_t) message->size));
    json_object_set_new (row, "body", cli_json_bytes (body));
    return row;
}

void record_print_visible (zf_bytes_t text)
{
    const char *bytes = text.data;
    size_t size = text.size;
    for (size_t i = 0; i < size && i < SHOWN_MAX; i++) {
        unsigned char c = (unsigned char) bytes[i];
        bool control = c < ' ' || c == 0x7f ||
                       (c >= 0x80 && c < 0xa0 && i > 0 && (unsigned char) bytes[i - 1] == 0xc2);
        putchar (control ? '.' : c);
    }
    if (size > SHOWN_MAX)
        printf ("... (%zu bytes)", size);
}

void record_print (const cli_t *cli, const zf_message_t *message, const char *const *headers)
{
    if (!cli->json) {
        printf ("%8" PRIu64 "  %3" PRIu32 "  ", message->id, message->attempt);
        record_print_visible ((zf_bytes_t){.data = message->body, .size = message->size});
    } else {
        json_t *row = record_json (message, headers);
        json_dumpf (row, stdout, JSON_COMPACT | JSON_REAL_PRECISION (12));
        json_decref (row);
    }
    putchar ('\n');
}

/* -- peeking ----------------------------------------------------------------------------------- */

static void add_record (void *arg, const zf_message_t *message)
{
    record_peek_t *peek = arg;
    cli_table_row (peek->table, record_json (message, peek->headers));
    peek->shown++;
    peek->next = message->id + 1;
}

/* Asks for as many as are still wanted, until none come. Returns 0 or a code of the library. */
static int ask_records (record_peek_t *peek, zf_client_t *client, zf_error_t *err)
{
    uint64_t before = UINT64_MAX;
    peek->next = peek->from;
    while (peek->shown < peek->count && peek->shown != before && cli_stopped () == 0) {
        uint64_t left = peek->count - peek->shown;
        uint32_t step = (uint32_t) (left < PEEK_STEP ? left : PEEK_STEP);
        before = peek->shown;
        int rc = zf_admin_peek (client, peek->queue, peek->next, step, add_record, peek, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int record_peek (record_peek_t *peek, zf_client_t *client, const cli_column_t *columns,
                 const char *when_empty)
{
    zf_error_t err = {0};
    int failed = 0;
    cli_list (peek->cli, "show-header", &peek->headers);
    peek->table = cli_table_new (peek->cli, columns);
    int rc = ask_records (peek, client, &err);
    if (rc != 0 && !(rc == ZF_E_NOT_FOUND && peek->may_lack))
        failed = cli_client_fail (peek->cli, client, &err);
    int ended = cli_table_end (&peek->table, failed == 0 ? when_empty : NULL);
    free (peek->headers);
    return failed != 0 ? failed : ended;
}
