#include "tests/discovery/roster_stage.h"

#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zferry/error.h>

#define OWN "tcp://a:1"

/* -- the stage --------------------------------------------------------------------------------- */

void stage_begin (stage_t *stage, const char *space, uint64_t line_bytes)
{
    zf_roster_options_t options = {.name = "a",
                                   .space = space,
                                   .evasive_ms = EVASIVE_MS,
                                   .expired_ms = EXPIRED_MS,
                                   .line_bytes = line_bytes,
                                   .max_peers = MAX_PEERS};
    memcpy (options.uuid, uuid_of ("a"), sizeof options.uuid);
    void (*before) (void) = stage->before, (*after) (void) = stage->after;
    zf_roster_free (&stage->roster);
    memset (stage, 0, sizeof *stage);
    stage->before = before;
    stage->after = after;
    stage->now = 1000;
    stage->due = UINT64_MAX;
    stage->space = space;
    stage->roster = zf_roster_new (&options, stage->now);
    assert_non_null (stage->roster);
}

int stage_setup (void **state)
{
    stage_t *stage = calloc (1, sizeof *stage);
    *state = stage;
    stage_begin (stage, "", LINE_BYTES);
    return 0;
}

int stage_teardown (void **state)
{
    stage_t *stage = *state;
    zf_roster_free (&stage->roster);
    free (stage);
    return 0;
}

const uint8_t *uuid_of (const char *node)
{
    static uint8_t uuid[ZF_UUID_BYTES];
    memset (uuid, node[0], sizeof uuid);
    return uuid;
}

static size_t letter (const char *node)
{
    return (size_t) node[0] & 127;
}

static void enter (stage_t *stage)
{
    if (stage->before != NULL)
        stage->before ();
}

static void leave (stage_t *stage)
{
    if (stage->after != NULL)
        stage->after ();
}

static void tick (stage_t *stage)
{
    enter (stage);
    stage->due = zf_roster_tick (stage->roster, stage->now);
    leave (stage);
}

/* -- what happens to it ------------------------------------------------------------------------ */

void stage_sight_at (stage_t *stage, const char *node, const char *endpoint, const char *host)
{
    enter (stage);
    zf_roster_sighted (stage->roster, uuid_of (node), zf_bytes_of (endpoint), zf_bytes_of (OWN),
                       zf_bytes_of (host), stage->now);
    leave (stage);
    tick (stage);
}

void stage_sight (stage_t *stage, const char *node)
{
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "tcp://%s:1", node);
    stage_sight_at (stage, node, endpoint, node);
}

void stage_farewell (stage_t *stage, const char *node)
{
    enter (stage);
    zf_roster_farewell (stage->roster, uuid_of (node), stage->now);
    leave (stage);
    tick (stage);
}

static void receive (stage_t *stage, const char *node, zf_bytes_t frame, const char *content)
{
    uint8_t identity[1 + ZF_UUID_BYTES] = {1};
    zf_frame_t *body = content != NULL ? zf_frame_of (zf_bytes_of (content)) : NULL;
    memcpy (identity + 1, uuid_of (node), ZF_UUID_BYTES);
    enter (stage);
    zf_roster_received (stage->roster, zf_bytes (identity, sizeof identity), frame, &body,
                        body != NULL, zf_bytes_of (OWN), stage->now);
    leave (stage);
    zf_frame_drop (body);
    tick (stage);
}

void stage_receive (stage_t *stage, const char *node, zf_bytes_t frame)
{
    receive (stage, node, frame, NULL);
}

static void put_groups (zf_zre_t *hello, zf_writer_t *w, const char *groups)
{
    while (*groups != 0) {
        size_t size = strcspn (groups, " ");
        zf_zre_put_group (w, zf_bytes (groups, size));
        hello->group_count++;
        groups += size + (groups[size] == ' ');
    }
    hello->groups = zf_bytes (w->data, w->size);
}

void stage_hello (stage_t *stage, const char *node, const char *groups)
{
    char endpoint[64];
    zf_writer_t in = {0}, headers = {0}, w = {0};
    snprintf (endpoint, sizeof endpoint, "tcp://%s:1", node);
    zf_zre_t hello = {.id = ZF_ZRE_HELLO,
                      .sequence = 1,
                      .endpoint = zf_bytes_of (endpoint),
                      .name = zf_bytes_of (node)};
    put_groups (&hello, &in, groups);
    if (*stage->space != 0) {
        zf_zre_put_header (&headers, zf_bytes_of (ZF_HEADER_SPACE), zf_bytes_of (stage->space));
        hello.headers = zf_bytes (headers.data, headers.size);
        hello.header_count = 1;
    }
    zf_zre_encode (&w, &hello);
    stage->sequence[letter (node)] = 1;
    stage->status[letter (node)] = 0;
    receive (stage, node, zf_bytes (w.data, w.size), NULL);
    zf_writer_free (&in);
    zf_writer_free (&headers);
    zf_writer_free (&w);
}

void stage_say (stage_t *stage, const char *node, zf_zre_id_t id, const char *group,
                const char *content)
{
    zf_writer_t w = {0};
    if (id == ZF_ZRE_JOIN || id == ZF_ZRE_LEAVE)
        stage->status[letter (node)]++;
    zf_zre_t message = {.id = id,
                        .sequence = ++stage->sequence[letter (node)],
                        .status = stage->status[letter (node)],
                        .group = zf_bytes_of (group != NULL ? group : "")};
    zf_zre_encode (&w, &message);
    receive (stage, node, zf_bytes (w.data, w.size), content);
    zf_writer_free (&w);
}

void stage_enter (stage_t *stage, const char *node, const char *groups)
{
    stage_sight (stage, node);
    stage_hello (stage, node, groups);
    stage_say (stage, node, ZF_ZRE_PING_OK, NULL, NULL);
    stage_effects (stage);
    stage_drain (stage);
}

void stage_pass (stage_t *stage, uint64_t ms)
{
    uint64_t end = stage->now + ms;
    tick (stage);
    while (stage->due <= end) {
        assert_true (stage->due > stage->now);
        stage->now = stage->due;
        tick (stage);
    }
    stage->now = end;
}

void stage_freeze (stage_t *stage, uint64_t ms)
{
    stage->now += ms;
    tick (stage);
}

int stage_shout (stage_t *stage, const char *group, const char *content)
{
    zf_frame_t *frame = zf_frame_of (zf_bytes_of (content));
    enter (stage);
    int rc = zf_roster_shout (stage->roster, zf_bytes_of (group), &frame, 1);
    leave (stage);
    zf_frame_drop (frame);
    tick (stage);
    return rc;
}

int stage_whisper (stage_t *stage, const char *node, const char *content)
{
    zf_frame_t *frame = zf_frame_of (zf_bytes_of (content));
    enter (stage);
    int rc = zf_roster_whisper (stage->roster, uuid_of (node), &frame, 1);
    leave (stage);
    zf_frame_drop (frame);
    tick (stage);
    return rc;
}

/* -- what it does ------------------------------------------------------------------------------ */

static void add (stage_t *stage, const char *format, ...) ZF_PRINTF (2, 3);

static void add (stage_t *stage, const char *format, ...)
{
    size_t size = strlen (stage->text);
    va_list arguments;
    if (size > 0)
        size += (size_t) snprintf (stage->text + size, sizeof stage->text - size, ", ");
    va_start (arguments, format);
    vsnprintf (stage->text + size, sizeof stage->text - size, format, arguments);
    va_end (arguments);
}

static int length (zf_frame_t *const *content)
{
    return (int) content[0]->size;
}

static const char *body (zf_frame_t *const *content)
{
    return (const char *) content[0]->data;
}

static void show (stage_t *stage, const zf_roster_effect_t *e)
{
    switch (e->type) {
    case ZF_ROSTER_OPEN:
        add (stage, "OPEN %u %s", e->slot, e->text);
        break;
    case ZF_ROSTER_CLOSE:
        add (stage, "CLOSE %u", e->slot);
        break;
    case ZF_ROSTER_SEND:
        add (stage, "SEND %u", e->slot);
        break;
    case ZF_ROSTER_ENTER:
        add (stage, "ENTER %s", e->name);
        break;
    case ZF_ROSTER_SILENT:
        add (stage, "SILENT %s", e->name);
        break;
    case ZF_ROSTER_EVASIVE:
        add (stage, "EVASIVE %s", e->name);
        break;
    case ZF_ROSTER_BACK:
        add (stage, "BACK %s", e->name);
        break;
    case ZF_ROSTER_EXIT:
        add (stage, "EXIT %s: %s", e->name, e->text);
        break;
    case ZF_ROSTER_JOIN:
        add (stage, "JOIN %s %s", e->name, e->group);
        break;
    case ZF_ROSTER_LEAVE:
        add (stage, "LEAVE %s %s", e->name, e->group);
        break;
    case ZF_ROSTER_WHISPER:
        add (stage, "WHISPER %s %.*s", e->name, length (e->content), body (e->content));
        break;
    case ZF_ROSTER_SHOUT:
        add (stage, "SHOUT %s %s %.*s", e->name, e->group, length (e->content), body (e->content));
        break;
    case ZF_ROSTER_NOTE:
        snprintf (stage->note, sizeof stage->note, "%s", e->text);
        break;
    }
}

const char *stage_effects (stage_t *stage)
{
    zf_roster_effect_t effect;
    stage->text[0] = 0;
    while (zf_roster_next (stage->roster, &effect))
        show (stage, &effect);
    return stage->text;
}

static void show_message (stage_t *stage, zf_bytes_t frame, zf_frame_t *const *content,
                          size_t count)
{
    static const char *const ids[] = {"",     "HELLO",   "WHISPER", "SHOUT",  "JOIN",   "LEAVE",
                                      "PING", "PING-OK", "ELECT",   "LEADER", "GOODBYE"};
    zf_zre_t message;
    assert_true (zf_zre_decode (frame, &message));
    add (stage, "%u %s", message.sequence, ids[message.id]);
    size_t size = strlen (stage->text);
    if (message.group.size > 0)
        size += (size_t) snprintf (stage->text + size, sizeof stage->text - size, " %.*s",
                                   (int) message.group.size, (const char *) message.group.data);
    if (count > 0)
        snprintf (stage->text + size, sizeof stage->text - size, " %.*s", length (content),
                  body (content));
}

const char *stage_line (stage_t *stage, uint32_t slot)
{
    zf_bytes_t frame;
    zf_frame_t *const *content;
    size_t count;
    stage->text[0] = 0;
    while (zf_roster_peek (stage->roster, slot, &frame, &content, &count)) {
        show_message (stage, frame, content, count);
        zf_roster_pop (stage->roster, slot);
    }
    return stage->text;
}

void stage_drain (stage_t *stage)
{
    for (uint32_t slot = 0; slot < 2 * MAX_PEERS; slot++)
        stage_line (stage, slot);
}
