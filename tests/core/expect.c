/* The peers of the rig: what must lie in their inboxes. */
#include "tests/core/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

static const char *at_file = "";
static int at_line;

void rig_at (const char *file, int line)
{
    at_file = file;
    at_line = line;
}

static const char *command_name (uint64_t command)
{
    static const char *const names[] = {
        [ZF_CMD_WELCOME] = "WELCOME",       [ZF_CMD_RESET] = "RESET",   [ZF_CMD_ERROR] = "ERROR",
        [ZF_CMD_CONFIRM] = "CONFIRM",       [ZF_CMD_DONE] = "DONE",     [ZF_CMD_REPLY] = "REPLY",
        [ZF_CMD_DELIVER] = "DELIVER",       [ZF_CMD_RESULT] = "RESULT", [ZF_CMD_EVENTS] = "EVENTS",
        [ZF_CMD_SUBSCRIBED] = "SUBSCRIBED",
    };
    bool known = command < sizeof names / sizeof names[0] && names[command] != NULL;
    return known ? names[command] : "something else";
}

_Noreturn void expect_fail (void)
{
    _fail (at_file, at_line);
    abort (); /* never reached: cmocka goes on with the next test */
}

static void free_letter (letter_t *letter)
{
    free ((void *) (uintptr_t) letter->control.data);
    free ((void *) (uintptr_t) letter->body.data);
    free (letter);
}

letter_t *expect_letter (peer_t *peer, uint64_t command, zf_reader_t *r)
{
    letter_t *letter = peer->inbox;
    if (letter == NULL)
        EXPECT_FAIL ("%s: expected %s, got nothing", peer->name, command_name (command));
    if (letter->command != command)
        EXPECT_FAIL ("%s: expected %s, got %s", peer->name, command_name (command),
                     command_name (letter->command));
    DL_DELETE (peer->inbox, letter);
    *r = zf_reader (letter->control);
    zf_mp_array (r);
    zf_mp_uint (r);
    return letter;
}

void expect_end (const zf_reader_t *r, letter_t *letter)
{
    if (!zf_reader_done (r))
        EXPECT_FAIL ("%s is malformed", command_name (letter->command));
    free_letter (letter);
}

void expect_number (const peer_t *peer, const char *what, uint64_t got, uint64_t expected)
{
    if (got != expected)
        EXPECT_FAIL ("%s: expected %s %lld, got %lld", peer->name, what, (long long) expected,
                     (long long) got);
}

void expect_text (const peer_t *peer, const char *what, zf_bytes_t got, zf_bytes_t expected)
{
    if (!zf_bytes_equal (got, expected))
        EXPECT_FAIL ("%s: expected %s '%.*s', got '%.*s'", peer->name, what, (int) expected.size,
                     (const char *) expected.data, (int) got.size, (const char *) got.data);
}

/* -- deliveries -------------------------------------------------------------------------------- */

static void hold (peer_t *peer, const char *queue, uint64_t id, zf_bytes_t body)
{
    held_t *held = calloc (1, sizeof *held);
    assert_non_null (held);
    snprintf (held->queue, sizeof held->queue, "%s", queue);
    size_t size = body.size < sizeof held->body ? body.size : sizeof held->body - 1;
    memcpy (held->body, body.data, size);
    held->id = id;
    DL_APPEND (peer->held, held);
}

/* Takes one DELIVER; returns how many of the words, from the n-th on, were in it. */
static uint32_t take_delivery (peer_t *peer, const char *queue, const char *bodies, uint32_t n,
                               uint32_t attempt)
{
    zf_reader_t r;
    zf_batch_t batch;
    letter_t *letter = expect_letter (peer, ZF_CMD_DELIVER, &r);
    expect_text (peer, "queue", zf_mp_bytes (&r), zf_bytes_of (queue));
    uint64_t first = zf_mp_uint (&r);
    expect_number (peer, "attempt", zf_mp_uint (&r), attempt);
    zf_mp_uint (&r);
    zf_mp_uint (&r);
    if (zf_batch_decode (letter->body, &batch) != 0)
        EXPECT_FAIL ("%s: the batch of a DELIVER is malformed", peer->name);
    const uint8_t *at = batch.records;
    for (uint32_t i = 0; i < batch.count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, batch.records + batch.size, &record);
        assert_non_null (at);
        expect_text (peer, "body", record.body, wire_word (bodies, n + i));
        hold (peer, queue, first + i, record.body);
    }
    uint32_t count = batch.count;
    expect_end (&r, letter);
    return count;
}

void expect_delivered (peer_t *peer, const char *queue, const char *bodies, uint32_t attempt)
{
    uint32_t words = wire_words (bodies);
    for (uint32_t n = 0; n < words;)
        n += take_delivery (peer, queue, bodies, n, attempt);
}

bool expect_batch (peer_t *peer, uint64_t *first, uint64_t *count)
{
    zf_reader_t r;
    zf_batch_t batch;
    if (peer->inbox == NULL)
        return false;
    letter_t *letter = expect_letter (peer, ZF_CMD_DELIVER, &r);
    if (zf_batch_decode (letter->body, &batch) != 0)
        EXPECT_FAIL ("%s: the batch of a DELIVER is malformed", peer->name);
    zf_mp_bytes (&r);
    *first = zf_mp_uint (&r);
    *count = batch.count;
    free_letter (letter);
    return true;
}

/* -- the rest ---------------------------------------------------------------------------------- */

void expect_confirmed (peer_t *peer, const char *queue, uint64_t first, uint64_t count, int code)
{
    zf_reader_t r;
    letter_t *letter = expect_letter (peer, ZF_CMD_CONFIRM, &r);
    expect_text (peer, "queue", zf_mp_bytes (&r), zf_bytes_of (queue));
    expect_number (peer, "first", zf_mp_uint (&r), first);
    expect_number (peer, "count", zf_mp_uint (&r), count);
    expect_number (peer, "code", zf_mp_uint (&r), (uint64_t) -code);
    expect_end (&r, letter);
}

static void same_body (const peer_t *peer, const letter_t *letter, const char *body)
{
    zf_batch_t batch;
    zf_record_t record;
    if (zf_batch_decode (letter->body, &batch) != 0 || batch.count != 1)
        EXPECT_FAIL ("%s: the batch of a REPLY is malformed", peer->name);
    zf_record_decode (batch.records, batch.records + batch.size, &record);
    expect_text (peer, "body", record.body, zf_bytes_of (body));
}

void expect_answered (peer_t *peer, uint64_t number, const char *body, bool more)
{
    zf_reader_t r;
    letter_t *letter = expect_letter (peer, ZF_CMD_REPLY, &r);
    expect_number (peer, "number", zf_mp_uint (&r), number);
    expect_number (peer, "code", zf_mp_uint (&r), 0);
    expect_number (peer, "more", zf_mp_bool (&r), more);
    zf_mp_bytes (&r);
    same_body (peer, letter, body);
    expect_end (&r, letter);
}

void expect_denied (peer_t *peer, uint64_t number, int code)
{
    zf_reader_t r;
    letter_t *letter = expect_letter (peer, ZF_CMD_REPLY, &r);
    expect_number (peer, "number", zf_mp_uint (&r), number);
    expect_number (peer, "code", zf_mp_uint (&r), (uint64_t) -code);
    expect_number (peer, "more", zf_mp_bool (&r), false);
    if (zf_mp_bytes (&r).size == 0 || letter->body.data != NULL)
        EXPECT_FAIL ("%s: a denial has a reason and no body", peer->name);
    expect_end (&r, letter);
}

void expect_error (peer_t *peer, int code)
{
    zf_reader_t r;
    letter_t *letter = expect_letter (peer, ZF_CMD_ERROR, &r);
    expect_number (peer, "code", zf_mp_uint (&r), (uint64_t) -code);
    zf_mp_bytes (&r);
    expect_end (&r, letter);
}

void expect_done (peer_t *peer, uint64_t number, int code)
{
    zf_reader_t r;
    letter_t *letter = expect_letter (peer, ZF_CMD_DONE, &r);
    expect_number (peer, "number", zf_mp_uint (&r), number);
    expect_number (peer, "code", zf_mp_uint (&r), (uint64_t) -code);
    expect_end (&r, letter);
}

void expect_reset (peer_t *peer)
{
    zf_reader_t r;
    letter_t *letter = expect_letter (peer, ZF_CMD_RESET, &r);
    expect_end (&r, letter);
    if (peer->session != NULL && peer->session->greeted)
        EXPECT_FAIL ("%s: the engine still has its session", peer->name);
}

void expect_silence (peer_t *peer)
{
    if (peer->inbox != NULL)
        EXPECT_FAIL ("%s: expected nothing more, got %s", peer->name,
                     command_name (peer->inbox->command));
}

zf_reader_t expect_result (peer_t *peer, int code, zf_bytes_t *body)
{
    static letter_t *last;
    zf_reader_t r;
    if (last != NULL)
        free_letter (last);
    last = NULL;
    last = expect_letter (peer, ZF_CMD_RESULT, &r);
    zf_mp_uint (&r);
    expect_number (peer, "code", zf_mp_uint (&r), (uint64_t) -code);
    zf_mp_bytes (&r);
    zf_mp_bool (&r);
    assert_false (r.failed);
    if (body != NULL)
        *body = last->body;
    return r;
}

size_t peer_forget_letters (peer_t *peer)
{
    size_t count = 0;
    letter_t *letter, *next;
    DL_FOREACH_SAFE (peer->inbox, letter, next) {
        DL_DELETE (peer->inbox, letter);
        free_letter (letter);
        count++;
    }
    return count;
}
