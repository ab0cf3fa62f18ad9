#include "tests/core/events.h"

#include "tests/core/expect.h"

/* -- sending ----------------------------------------------------------------------------------- */

static void put_words (zf_writer_t *w, const char *words)
{
    zf_mp_put_array (w, wire_words (words));
    for (uint32_t i = 0; i < wire_words (words); i++)
        zf_mp_put_str (w, wire_word (words, i));
}

reader_t events_subscribe_as (peer_t *peer, const subscribe_t *as)
{
    zf_writer_t w = wire_control (ZF_CMD_SUBSCRIBE, 7);
    zf_mp_put_uint (&w, as->number);
    wire_put_text (&w, as->stream);
    zf_mp_put_uint (&w, as->from);
    zf_mp_put_uint (&w, as->value);
    zf_mp_put_uint (&w, as->window);
    zf_mp_put_uint (&w, as->flags);
    put_words (&w, as->patterns);
    peer_write (peer, &w, NULL);
    return (reader_t){.peer = peer, .number = as->number};
}

reader_t events_subscribe (peer_t *peer, const char *stream, zf_from_t from, uint64_t value,
                           const char *patterns)
{
    subscribe_t as = {1, from, value, 0, 0, stream, patterns};
    return events_subscribe_as (peer, &as);
}

void events_read_to (const reader_t *reader, uint64_t to)
{
    zf_writer_t w = wire_control (ZF_CMD_READ, 2);
    zf_mp_put_uint (&w, reader->number);
    zf_mp_put_uint (&w, to);
    peer_write (reader->peer, &w, NULL);
}

void events_read (reader_t *reader)
{
    events_read_to (reader, reader->position);
}

void events_unsubscribe (const reader_t *reader)
{
    zf_writer_t w = wire_control (ZF_CMD_UNSUBSCRIBE, 1);
    zf_mp_put_uint (&w, reader->number);
    peer_write (reader->peer, &w, NULL);
}

void events_await (peer_t *peer, uint64_t number, const char *stream, const char *topic,
                   uint64_t count, uint64_t flags)
{
    zf_writer_t w = wire_control (ZF_CMD_AWAIT, 5);
    zf_mp_put_uint (&w, number);
    wire_put_text (&w, stream);
    wire_put_text (&w, topic);
    zf_mp_put_uint (&w, count);
    zf_mp_put_uint (&w, flags);
    peer_write (peer, &w, NULL);
}

uint64_t peer_publish (peer_t *peer, const char *stream, const char *topic, const char *bodies)
{
    zf_props_t props = {.topic = zf_bytes_of (topic)};
    return peer_post_props (peer, stream, bodies, &props);
}

uint64_t peer_publish_key (peer_t *peer, const char *stream, const char *key, const char *bodies)
{
    zf_props_t props = {.key = zf_bytes_of (key)};
    return peer_post_props (peer, stream, bodies, &props);
}

/* -- making and unmaking ----------------------------------------------------------------------- */

zf_policy_t events_policy (uint64_t max_length, uint64_t max_bytes, uint64_t ttl_ms)
{
    zf_policy_t policy = rig_policy ();
    policy.kind = ZF_KIND_STREAM;
    policy.max_length = max_length;
    policy.max_bytes = max_bytes;
    policy.ttl_ms = ttl_ms;
    return policy;
}

void events_stream (rig_t *rig, const char *name)
{
    zf_policy_t policy = events_policy (0, 0, 0);
    rig_declare (rig, name, &policy);
}

static peer_t *admin_of (rig_t *rig)
{
    if (rig->admin == NULL)
        rig->admin = rig_peer (rig, "admin");
    return rig->admin;
}

void events_group (rig_t *rig, const char *name, zf_from_t from, uint64_t value,
                   const char *patterns, const zf_policy_t *policy)
{
    zf_writer_t w = {0};
    zf_mp_put_map (&w, policy != NULL ? 4 : 3);
    wire_put_text (&w, "from");
    zf_mp_put_uint (&w, from);
    wire_put_text (&w, "value");
    zf_mp_put_uint (&w, value);
    wire_put_text (&w, "patterns");
    put_words (&w, patterns);
    if (policy != NULL) {
        wire_put_text (&w, "policy");
        zf_policy_encode (&w, policy);
    }
    peer_admin (admin_of (rig), "group", name, &w);
    take_result (rig->admin, 0, NULL);
}

void events_forget (rig_t *rig, const char *queue, int code)
{
    peer_admin (admin_of (rig), "forget", queue, NULL);
    take_result (rig->admin, code, NULL);
}

uint64_t events_trim (rig_t *rig, const char *stream, uint64_t below)
{
    zf_writer_t w = {0};
    zf_mp_put_uint (&w, below);
    peer_admin (admin_of (rig), "trim", stream, &w);
    zf_reader_t r = take_result (rig->admin, 0, NULL);
    return zf_mp_uint (&r);
}

/* -- hearing ----------------------------------------------------------------------------------- */

void expect_subscribed (reader_t *reader, int code)
{
    zf_reader_t r;
    peer_t *peer = reader->peer;
    letter_t *letter = expect_letter (peer, ZF_CMD_SUBSCRIBED, &r);
    expect_number (peer, "number", zf_mp_uint (&r), reader->number);
    expect_number (peer, "code", zf_mp_uint (&r), (uint64_t) -code);
    if ((zf_mp_bytes (&r).size > 0) != (code != 0))
        EXPECT_FAIL ("%s: a refusal has a text, and nothing else has", peer->name);
    reader->position = zf_mp_uint (&r);
    reader->first = zf_mp_uint (&r);
    reader->missed += zf_mp_uint (&r);
    expect_end (&r, letter);
}

/* A walk over the ids of a message, as its spans say. */
typedef struct {
    zf_reader_t spans;
    uint32_t left; /* spans */
    uint64_t id, run;
} ids_t;

static uint64_t next_id (const reader_t *reader, ids_t *ids)
{
    if (ids->run == 0 && ids->left >= 2) {
        ids->id += zf_mp_uint (&ids->spans);
        ids->run = zf_mp_uint (&ids->spans);
        ids->left -= 2;
    }
    if (ids->run == 0 || ids->spans.failed)
        EXPECT_FAIL ("%s: the spans end before the batch does", reader->peer->name);
    ids->run--;
    return ids->id++;
}

static void see_records (reader_t *reader, zf_bytes_t body, ids_t *ids, uint64_t from,
                         const char *bodies, uint32_t n)
{
    zf_batch_t batch;
    if (zf_batch_decode (body, &batch) != 0)
        EXPECT_FAIL ("%s: the batch of EVENTS is malformed", reader->peer->name);
    const uint8_t *at = batch.records;
    if (ids->run == 0) /* they follow on */
        ids->run = batch.count;
    for (uint32_t i = 0; i < batch.count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, batch.records + batch.size, &record);
        assert_non_null (at);
        if (bodies != NULL)
            expect_text (reader->peer, "body", record.body, wire_word (bodies, n + i));
        uint64_t id = next_id (reader, ids);
        if (id < from || id >= reader->position)
            EXPECT_FAIL ("%s: record %llu is not between from and to", reader->peer->name,
                         (unsigned long long) id);
        reader->id = id;
    }
    if (ids->run != 0 || ids->left != 0)
        EXPECT_FAIL ("%s: the batch ends before the spans do", reader->peer->name);
    reader->records += batch.count;
    reader->bytes += body.size;
}

/* Takes one EVENTS; the words of bodies (NULL: any) from the n-th on are in it. */
static void take_one (reader_t *reader, const char *bodies, uint32_t n)
{
    zf_reader_t r;
    peer_t *peer = reader->peer;
    letter_t *letter = expect_letter (peer, ZF_CMD_EVENTS, &r);
    expect_number (peer, "number", zf_mp_uint (&r), reader->number);
    uint64_t from = zf_mp_uint (&r);
    expect_number (peer, "from", from, reader->position);
    reader->position = zf_mp_uint (&r);
    if (reader->position <= from)
        EXPECT_FAIL ("%s: to is not behind from", peer->name);
    reader->missed += zf_mp_uint (&r);
    reader->time_ms = zf_mp_uint (&r);
    ids_t ids = {.id = zf_mp_uint (&r)};
    reader->span_count = zf_mp_array (&r);
    ids.spans = r;
    for (uint32_t i = 0; i < reader->span_count; i++)
        zf_mp_uint (&r);
    if (reader->span_count > 0) {
        ids.run = zf_mp_uint (&ids.spans);
        ids.left = reader->span_count - 1;
    }
    if (letter->body.data != NULL)
        see_records (reader, letter->body, &ids, from, bodies, n);
    reader->messages++;
    expect_end (&r, letter);
}

void expect_events (reader_t *reader, const char *bodies)
{
    uint64_t before = reader->records;
    while (reader->records - before < wire_words (bodies))
        take_one (reader, bodies, (uint32_t) (reader->records - before));
}

bool expect_any_events (reader_t *reader)
{
    if (reader->peer->inbox == NULL)
        return false;
    take_one (reader, NULL, 0);
    return true;
}

void expect_awaited (peer_t *peer, uint64_t number, int code, uint64_t count)
{
    zf_reader_t r;
    letter_t *letter = expect_letter (peer, ZF_CMD_RESULT, &r);
    expect_number (peer, "number", zf_mp_uint (&r), number);
    expect_number (peer, "code", zf_mp_uint (&r), (uint64_t) -code);
    zf_mp_bytes (&r);
    expect_number (peer, "more", zf_mp_bool (&r), false);
    expect_number (peer, "subscribers", zf_mp_uint (&r), count);
    expect_end (&r, letter);
}
