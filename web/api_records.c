/* Records, and dead letters: what they hold and why they are there. */
#include "web/inside.h"
#include "web/pick.h"
#include "web/rows.h"

#include <string.h>

enum {
    LETTERS_DEFAULT = 20,
    LETTERS_MAX = 100,
    LOOKED_AT_MAX = 1000, /* of a dead-letter queue that several queues share */
    PREVIEW_BYTES = 256
};

typedef struct {
    const char *queue;  /* whose letters are wanted */
    uint64_t limit;     /* letters */
    uint64_t looked_at; /* records that were seen */
    json_t *letters;
} letters_t;

static void set_bytes (json_t *row, const char *key, zf_bytes_t bytes)
{
    if (bytes.data != NULL && bytes.size > 0)
        json_object_set_new (row, key, zf_web_json_bytes (bytes));
}

/* The first bytes of a text end where a character does. */
static json_t *preview_of (const zf_message_t *message)
{
    zf_bytes_t body = {message->body, message->size};
    if (body.size <= PREVIEW_BYTES)
        return zf_web_json_bytes (body);
    body.size = PREVIEW_BYTES;
    size_t whole = zf_web_utf8 (body.data, body.size);
    if (whole + 4 > body.size)
        body.size = whole;
    return zf_web_json_bytes (body);
}

/* What records and letters have in common. */
static json_t *record_of (const zf_message_t *message)
{
    zf_props_t props;
    json_t *row = json_object ();
    zf_web_json_number (row, "id", message->id);
    zf_props_defaults (&props);
    if (zf_message_props (message, &props) == 0) {
        set_bytes (row, "topic", props.topic);
        set_bytes (row, "key", props.key);
        set_bytes (row, "dedup_id", props.id);
        set_bytes (row, "trace", props.trace);
    }
    zf_web_json_number (row, "frames", zf_message_frame_count (message));
    zf_web_json_number (row, "size", message->size);
    json_object_set_new (row, "preview", preview_of (message));
    return row;
}

static json_t *letter_of (const zf_message_t *message, const zf_death_t *death)
{
    json_t *row = record_of (message);
    zf_web_json_number (row, "attempts", death->attempts);
    set_bytes (row, "reason", death->reason);
    return row;
}

static void take_letter (void *arg, const zf_message_t *message)
{
    letters_t *letters = arg;
    zf_death_t death;
    letters->looked_at++;
    if (json_array_size (letters->letters) >= letters->limit)
        return;
    if (zf_message_death (message, &death) && death.queue.size == strlen (letters->queue) &&
        memcmp (death.queue.data, letters->queue, death.queue.size) == 0)
        json_array_append_new (letters->letters, letter_of (message, &death));
}

/* Looks at so many first; at more only where other queues' letters lie among them. */
static int peek_letters (zf_client_t *client, const char *dead, letters_t *letters, zf_error_t *err)
{
    int rc = zf_admin_peek (client, dead, 0, (uint32_t) letters->limit, take_letter, letters, err);
    if (rc != 0 || json_array_size (letters->letters) == letters->looked_at)
        return rc == ZF_E_NOT_FOUND ? 0 : rc;
    json_array_clear (letters->letters);
    return zf_admin_peek (client, dead, 0, LOOKED_AT_MAX, take_letter, letters, err);
}

static void show (zf_web_shown_t *shown, zf_client_t *client, letters_t *letters,
                  zf_web_answer_t *answer)
{
    zf_error_t err = {0};
    zf_queue_info_t info;
    zf_queue_info_t dead_info = {.length = 0};
    char dead[ZF_NAME_MAX + 1];
    json_t *row = json_object ();
    int rc = zf_admin_queue (client, letters->queue, &info, &err);
    bool keeps = rc == 0 && zf_web_dead_letter (&info, dead);
    if (keeps) {
        rc = zf_admin_queue (client, dead, &dead_info, &err);
        rc = rc == ZF_E_NOT_FOUND ? 0 : rc;
    }
    if (rc == 0 && keeps)
        rc = peek_letters (client, dead, letters, &err);
    json_object_set_new (row, "device", zf_web_json_text (shown->name));
    json_object_set_new (row, "queue", zf_web_json_text (letters->queue));
    json_object_set_new (row, "dead_letter", keeps ? zf_web_json_text (dead) : json_null ());
    zf_web_json_number (row, "length", dead_info.length);
    json_object_set (row, "letters", letters->letters);
    if (rc == 0)
        zf_web_answer_json (answer, 200, json_incref (row));
    else
        zf_web_answer_code (answer, &err);
    json_decref (row);
}

void zf_web_get_dead (zf_web_request_t *request, zf_web_answer_t *answer)
{
    zf_web_held_t held;
    zf_error_t err = {0};
    letters_t letters = {.queue = request->name, .limit = LETTERS_DEFAULT};
    if (!zf_web_query_number (request, "limit", 1, LETTERS_MAX, &letters.limit, answer))
        return;
    zf_web_shown_t *shown = zf_web_pick (request, &held, answer);
    if (shown != NULL) {
        letters.letters = json_array ();
        zf_client_t *client = zf_web_call (shown, &err);
        if (client != NULL)
            show (shown, client, &letters, answer);
        else
            zf_web_answer_code (answer, &err);
        zf_web_unlook (shown);
        json_decref (letters.letters);
    }
    zf_web_release (&held);
}

/* -- records in any state ---------------------------------------------------------------------- */

static void take_record (void *arg, const zf_message_t *message)
{
    json_t *row = record_of (message);
    zf_web_json_number (row, "attempt", message->attempt);
    json_array_append_new (arg, row);
}

void zf_web_get_records (zf_web_request_t *request, zf_web_answer_t *answer)
{
    zf_web_held_t held;
    zf_error_t err = {0};
    uint64_t limit = LETTERS_DEFAULT;
    uint64_t from = 0;
    if (!zf_web_query_number (request, "limit", 1, LETTERS_MAX, &limit, answer) ||
        !zf_web_query_number (request, "from", 0, INT64_MAX, &from, answer))
        return;
    zf_web_shown_t *shown = zf_web_pick (request, &held, answer);
    if (shown != NULL) {
        json_t *rows = json_array ();
        zf_client_t *client = zf_web_call (shown, &err);
        int rc = client == NULL ? err.code
                                : zf_admin_peek (client, request->name, from, (uint32_t) limit,
                                                 take_record, rows, &err);
        if (rc == 0)
            zf_web_answer_json (answer, 200,
                                json_pack ("{s:o, s:o, s:O}", "device",
                                           zf_web_json_text (shown->name), "queue",
                                           zf_web_json_text (request->name), "records", rows));
        else
            zf_web_answer_code (answer, &err);
        zf_web_unlook (shown);
        json_decref (rows);
    }
    zf_web_release (&held);
}
