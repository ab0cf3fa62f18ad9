#include "tests/core/talk.h"

#include "core/mdp.h"
#include "core/native.h"
#include "tests/core/alloc.h"
#include "tests/core/audit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PEERS_MAX 64
#define INBOX_MAX 256
#define TEXT_MAX  8192

typedef struct {
    char name[64];               /* and routing id */
    const zf_dialect_t *dialect; /* NULL: found by its first message */
    zf_session_t *session;       /* NULL: none */
    talk_message_t *inbox[INBOX_MAX];
    size_t first, count;  /* of what is in inbox */
    talk_message_t *read; /* the last one taken */
} peer_t;

struct talk {
    zf_engine_t *engine;
    uint64_t now_ms;
    peer_t peers[PEERS_MAX];
    size_t peer_count;
};

static const zf_dialect_t *const dialects[] = {
    &zf_dialect_native,
    &zf_dialect_mdp1,
    &zf_dialect_mdp2,
};

talk_t *talk_new (void)
{
    zf_engine_options_t options;
    talk_t *talk = calloc (1, sizeof *talk);
    assert_non_null (talk);
    zf_engine_defaults (&options);
    options.policy.max_attempts = 3;
    options.policy.backoff_min_ms = options.policy.backoff_max_ms = 0;
    options.policy.lease_ms = (uint32_t) TALK_LEASE_MS;
    options.heartbeat_ms = options.mdp_heartbeat_ms = (uint32_t) TALK_BEAT_MS;
    options.client_idle_ms = (uint32_t) TALK_IDLE_MS;
    options.max_message_bytes = 100000;
    talk->engine = zf_engine_new (&options);
    assert_non_null (talk->engine);
    zf_engine_tick (talk->engine, talk->now_ms = 1000);
    return talk;
}

static void free_message (talk_message_t *message)
{
    for (size_t i = 0; message != NULL && i < message->count; i++)
        free ((void *) (uintptr_t) message->frames[i].data);
    free (message);
}

void talk_free (talk_t *talk)
{
    for (size_t i = 0; i < talk->peer_count; i++) {
        peer_t *peer = &talk->peers[i];
        while (peer->count-- > 0)
            free_message (peer->inbox[peer->first++ % INBOX_MAX]);
        free_message (peer->read);
    }
    zf_engine_free (&talk->engine);
    free (talk);
}

zf_engine_t *talk_engine (talk_t *talk)
{
    return talk->engine;
}

static peer_t *find (talk_t *talk, const char *name)
{
    for (size_t i = 0; i < talk->peer_count; i++)
        if (strcmp (talk->peers[i].name, name) == 0)
            return &talk->peers[i];
    assert_true (talk->peer_count < PEERS_MAX);
    peer_t *peer = &talk->peers[talk->peer_count++];
    snprintf (peer->name, sizeof peer->name, "%s", name);
    return peer;
}

void talk_join (talk_t *talk, const char *name, const zf_dialect_t *dialect)
{
    find (talk, name)->dialect = dialect;
}

void talk_identify (talk_t *talk, const char *name, const zf_subject_t *subject)
{
    peer_t *peer = find (talk, name);
    zf_bytes_t address = zf_bytes_of (peer->name);
    assert_null (peer->session);
    assert_non_null (peer->dialect);
    peer->session = zf_engine_attach (talk->engine, peer, address, peer->dialect);
    assert_non_null (peer->session);
    zf_engine_identify (peer->session, subject);
}

/* -- turns ------------------------------------------------------------------------------------- */

static void keep (const zf_effect_t *effect)
{
    peer_t *peer = effect->session->host;
    talk_message_t *message = calloc (1, sizeof *message);
    assert_non_null (message);
    assert_true (peer->count < INBOX_MAX);
    assert_in_range (effect->count, 1, TALK_FRAMES_MAX);
    for (; message->count < effect->count; message->count++) {
        const zf_out_t *out = &effect->frames[message->count];
        uint8_t *copy = malloc (out->size + 1);
        assert_non_null (copy);
        if (out->size > 0)
            memcpy (copy, out->data, out->size);
        message->frames[message->count] = zf_bytes (copy, out->size);
    }
    peer->inbox[(peer->first + peer->count++) % INBOX_MAX] = message;
}

void talk_turn (talk_t *talk)
{
    zf_effect_t effect;
    peer_t *peer;
    alloc_enter ();
    zf_engine_decide (talk->engine);
    alloc_leave ();
    while (zf_engine_effect (talk->engine, &effect))
        keep (&effect);
    while ((peer = zf_engine_left (talk->engine)) != NULL)
        peer->session = NULL;
    zf_engine_sent (talk->engine);
    talk->engine->notice_count = 0;
    audit_engine (talk->engine);
}

static void tick (talk_t *talk, uint64_t now_ms)
{
    talk->now_ms = now_ms;
    alloc_enter ();
    zf_engine_tick (talk->engine, now_ms);
    alloc_leave ();
    talk_turn (talk);
}

void talk_advance (talk_t *talk, uint64_t ms)
{
    uint64_t end = talk->now_ms + ms;
    uint64_t due;
    while ((due = zf_engine_deadline (talk->engine)) <= end)
        tick (talk, due > talk->now_ms ? due : talk->now_ms + 1);
    tick (talk, end);
}

/* -- saying ------------------------------------------------------------------------------------ */

static void release (zf_frame_t *frame)
{
    free (frame->data);
    free (frame);
}

static zf_frame_t *make_frame (zf_bytes_t bytes)
{
    zf_frame_t *frame = calloc (1, sizeof *frame);
    assert_non_null (frame);
    if (bytes.size > 0) {
        frame->data = malloc (bytes.size);
        assert_non_null (frame->data);
        memcpy (frame->data, bytes.data, bytes.size);
    }
    frame->size = bytes.size;
    frame->holders = 1;
    frame->release = release;
    return frame;
}

static const zf_dialect_t *recognise (zf_frame_t **frames, size_t count)
{
    for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++)
        if (dialects[i]->matches (frames, count))
            return dialects[i];
    return NULL;
}

static void input (talk_t *talk, peer_t *peer, zf_frame_t **frames, size_t count)
{
    zf_bytes_t address = zf_bytes_of (peer->name);
    alloc_enter ();
    if (peer->session == NULL) {
        const zf_dialect_t *dialect = peer->dialect;
        if (dialect == NULL)
            dialect = recognise (frames, count);
        if (dialect != NULL)
            peer->session = zf_engine_attach (talk->engine, peer, address, dialect);
    }
    if (peer->session != NULL)
        zf_engine_input (peer->session, frames, count);
    alloc_leave ();
}

static void put_frames (talk_t *talk, const char *name, const zf_bytes_t *bytes, size_t count)
{
    zf_frame_t *frames[TALK_FRAMES_MAX];
    assert_in_range (count, 1, TALK_FRAMES_MAX);
    for (size_t i = 0; i < count; i++)
        frames[i] = make_frame (bytes[i]);
    input (talk, find (talk, name), frames, count);
    for (size_t i = 0; i < count; i++)
        zf_frame_drop (frames[i]);
}

void talk_say_frames (talk_t *talk, const char *name, const zf_bytes_t *frames, size_t count)
{
    put_frames (talk, name, frames, count);
    talk_turn (talk);
}

static void put_text (talk_t *talk, const char *name, const char *text)
{
    zf_bytes_t frames[TALK_FRAMES_MAX];
    size_t count = 0;
    for (;;) {
        size_t size = strcspn (text, "|");
        assert_true (count < TALK_FRAMES_MAX);
        frames[count++] = zf_bytes (text, size);
        if (text[size] == '\0')
            break;
        text += size + 1;
    }
    put_frames (talk, name, frames, count);
}

static void format_text (char *text, const char *format, va_list args)
{
    int size =
        vsnprintf (text, TEXT_MAX, format, args); /* NOLINT(clang-analyzer-valist.*): it is */
    assert_in_range (size, 0, TEXT_MAX - 1);
}

void talk_put (talk_t *talk, const char *name, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start (args, format);
    format_text (text, format, args);
    va_end (args);
    put_text (talk, name, text);
}

void talk_say (talk_t *talk, const char *name, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start (args, format);
    format_text (text, format, args);
    va_end (args);
    put_text (talk, name, text);
    talk_turn (talk);
}

void talk_detach (talk_t *talk, const char *name)
{
    peer_t *peer = find (talk, name);
    assert_non_null (peer->session);
    zf_engine_detach (peer->session);
    peer->session = NULL;
    talk_turn (talk);
}

/* -- hearing ----------------------------------------------------------------------------------- */

const talk_message_t *talk_take (talk_t *talk, const char *name)
{
    peer_t *peer = find (talk, name);
    if (peer->count == 0)
        fail_msg ("%s got no message", name);
    free_message (peer->read);
    peer->read = peer->inbox[peer->first % INBOX_MAX];
    peer->first++;
    peer->count--;
    return peer->read;
}

/* Appends bytes as text, control characters as in C. */
static char *show_bytes (char *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char) bytes[i] < ' ')
            text += sprintf (text, "\\%o", (unsigned) bytes[i]);
        else
            *text++ = bytes[i];
    }
    *text = '\0';
    return text;
}

static void show (const talk_message_t *message, char text[4 * TEXT_MAX])
{
    size_t total = 0;
    for (size_t i = 0; i < message->count; i++) {
        total += message->frames[i].size + 1;
        assert_true (total < TEXT_MAX);
        if (i > 0)
            *text++ = '|';
        text = show_bytes (text, message->frames[i].data, message->frames[i].size);
    }
}

void talk_expect (talk_t *talk, const char *name, const char *format, ...)
{
    char text[TEXT_MAX];
    char expected[4 * TEXT_MAX];
    char got[4 * TEXT_MAX];
    va_list args;
    va_start (args, format);
    format_text (text, format, args);
    va_end (args);
    show_bytes (expected, text, strlen (text));
    show (talk_take (talk, name), got);
    assert_string_equal (got, expected);
}

void talk_expect_silence (talk_t *talk, const char *name)
{
    char got[4 * TEXT_MAX];
    if (find (talk, name)->count == 0)
        return;
    show (talk_take (talk, name), got);
    fail_msg ("%s got %s", name, got);
}

size_t talk_skip (talk_t *talk, const char *name)
{
    size_t count = find (talk, name)->count;
    for (size_t i = 0; i < count; i++)
        talk_take (talk, name);
    return count;
}

zf_session_t *talk_session (talk_t *talk, const char *name)
{
    return find (talk, name)->session;
}
