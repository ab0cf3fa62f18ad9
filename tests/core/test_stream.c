/* Streams: what they keep, and for how long, and where reading them begins. */
#include "tests/core/alloc.h"
#include "tests/core/events.h"
#include "tests/core/rig_log.h"

#define DAY_MS UINT64_C (86400000)

/* A stream of so many records, each of them a chunk of its own (see ZF_CHUNK_...). */
static void declare_short (rig_t *rig, uint64_t max_length)
{
    zf_policy_t policy = events_policy (max_length, 0, 0);
    rig_declare (rig, "s", &policy);
}

static zf_queue_t *stream_of (rig_t *rig)
{
    return zf_engine_find (rig->engine, zf_bytes_of ("s"));
}

static const zf_log_t *log_of (rig_t *rig)
{
    return &stream_of (rig)->lanes[0].log;
}

/* -- what is kept ------------------------------------------------------------------------------ */

static void record_that_was_read_stays (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    peer_t *q = rig_peer (rig, "q");
    peer_publish (p, "s", "t", "a b");
    reader_t r = events_subscribe (q, "s", ZF_FROM_FIRST, 0, "");
    assert_subscribed (&r, 0);
    assert_events (&r, "a b");
    events_read (&r);
    assert_int_equal (rig_info (rig, "s").length, 2);
    assert_string_equal (rig_bodies (rig, "s"), "a b");
}

static void length_cap_lets_the_oldest_go (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 3);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 3; i++)
        peer_post (p, "s", "x");
    uint64_t first = rig_info (rig, "s").first;
    peer_post (p, "s", "a b");
    zf_queue_info_t info = rig_info (rig, "s");
    assert_string_equal (rig_bodies (rig, "s"), "x a b");
    assert_int_equal (info.first, first + 2);
    assert_int_equal (info.next, first + 5);
    assert_int_equal (info.dropped, 2);
    assert_int_equal (info.posted, 5);
}

static void length_cap_holds_to_a_sixteenth (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 160);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 500; i++) {
        peer_post (p, "s", "x y");
        uint64_t length = rig_info (rig, "s").length;
        assert_in_range (length, i < 80 ? 2 * (i + 1) : 160, 171);
    }
}

static void bytes_cap_holds_to_a_sixteenth (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 16000, 0);
    rig_declare (rig, "s", &policy);
    peer_t *p = rig_peer (rig, "p");
    for (uint64_t i = 0; i < 100; i++) {
        peer_post_bulk (p, "s", 3, 200);
        uint64_t bytes = rig_info (rig, "s").bytes;
        assert_in_range (bytes, i < 26 ? 600 * (i + 1) : 16000, 16000 + 1300);
    }
    assert_true (rig_info (rig, "s").dropped > 200);
}

static void batch_larger_than_the_cap_is_kept_whole (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 10);
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "s", 100, 200);
    assert_confirmed (p, "s", 1, 100);
    assert_int_equal (rig_info (rig, "s").length, 100);
    peer_post_bulk (p, "s", 100, 200);
    assert_int_equal (rig_info (rig, "s").length, 100);
}

static void age_lets_the_oldest_go_without_anybody_posting (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 0, 1600);
    rig_declare (rig, "s", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a");
    rig_advance (rig, 500);
    peer_post (p, "s", "b");
    rig_advance (rig, 1099);
    assert_string_equal (rig_bodies (rig, "s"), "a b");
    rig_advance (rig, 1);
    assert_string_equal (rig_bodies (rig, "s"), "b");
    rig_advance (rig, 500);
    zf_queue_info_t info = rig_info (rig, "s");
    assert_int_equal (info.length, 0);
    assert_int_equal (info.expired, 2);
    assert_int_equal (info.first, info.next);
}

static void age_of_a_day_is_kept_to_some_minutes (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 0, DAY_MS);
    rig_declare (rig, "s", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a");
    p->mute = rig->admin->mute = true;
    rig_advance (rig, ZF_STREAM_FEW_MS + 1);
    peer_t *q = rig_peer (rig, "q");
    peer_post (q, "s", "b");
    q->mute = true;
    rig_advance (rig, DAY_MS - ZF_STREAM_FEW_MS - 1);
    assert_string_equal (rig_bodies (rig, "s"), "b");
}

static void policy_that_keeps_less_is_obeyed_at_once (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 15);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 15; i++)
        peer_post (p, "s", "x");
    declare_short (rig, 4);
    assert_int_equal (rig_info (rig, "s").length, 4);
}

static void trim_drops_what_is_below (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 15);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 5; i++)
        peer_post (p, "s", "x");
    uint64_t first = rig_info (rig, "s").first;
    assert_int_equal (events_trim (rig, "s", first + 2), 2);
    assert_int_equal (rig_info (rig, "s").first, first + 2);
    assert_int_equal (events_trim (rig, "s", first + 2), 0);
    assert_int_equal (events_trim (rig, "s", UINT64_MAX), 3);
    assert_int_equal (rig_info (rig, "s").length, 0);
    peer_post (p, "s", "y");
    assert_int_equal (rig_info (rig, "s").first, first + 5);
    assert_string_equal (rig_bodies (rig, "s"), "y");
}

static void purge_is_a_trim_of_all (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a b c");
    peer_admin (rig->admin, "purge", "s", NULL);
    zf_reader_t r = take_result (rig->admin, 0, NULL);
    assert_int_equal (zf_mp_uint (&r), 3);
    assert_int_equal (rig_info (rig, "s").length, 0);
}

/* -- compaction -------------------------------------------------------------------------------- */

static void declare_compact (rig_t *rig)
{
    zf_policy_t policy = events_policy (0, 0, 0);
    policy.compact = true;
    rig_declare (rig, "s", &policy);
}

static void last_of_each_key_is_kept (void **state)
{
    rig_t *rig = *state;
    declare_compact (rig);
    peer_t *p = rig_peer (rig, "p");
    peer_publish_key (p, "s", "k", "a");
    peer_publish_key (p, "s", "l", "b");
    peer_post (p, "s", "c");
    peer_publish_key (p, "s", "k", "d e");
    peer_post (p, "s", "f");
    assert_string_equal (rig_bodies (rig, "s"), "b c e f");
    assert_int_equal (rig_info (rig, "s").length, 4);
}

static void without_a_key_the_topic_counts (void **state)
{
    rig_t *rig = *state;
    declare_compact (rig);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = {.key = zf_bytes_of ("k"), .topic = zf_bytes_of ("t")};
    peer_publish (p, "s", "t", "a");
    peer_post_props (p, "s", "b", &props);
    peer_publish (p, "s", "u", "c");
    peer_publish (p, "s", "t", "d");
    assert_string_equal (rig_bodies (rig, "s"), "b c d");
}

static void stream_without_compaction_keeps_all_of_a_key (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    peer_publish_key (p, "s", "k", "a");
    peer_publish_key (p, "s", "k", "b");
    assert_string_equal (rig_bodies (rig, "s"), "a b");
}

static void compacted_stream_stays_small (void **state)
{
    rig_t *rig = *state;
    declare_compact (rig);
    peer_t *p = rig_peer (rig, "p");
    char body[1100] = {0};
    char key[8];
    memset (body, 'x', 1000);
    for (int i = 0; i < 2000; i++) {
        snprintf (key, sizeof key, "k%d", i % 10);
        peer_publish_key (p, "s", key, body);
    }
    uint64_t pinned = log_of (rig)->pinned;
    assert_int_equal (rig_info (rig, "s").length, 10);
    assert_true (log_of (rig)->bytes + pinned < 3 * ZF_CHUNK_BYTES);
}

static void large_batch_is_compacted_in_itself (void **state)
{
    rig_t *rig = *state;
    declare_compact (rig);
    peer_t *p = rig_peer (rig, "p");
    char bodies[12000];
    size_t size = 0;
    for (int i = 0; i < 1500; i++)
        size += (size_t) snprintf (bodies + size, sizeof bodies - size, "b%d ", i);
    peer_publish_key (p, "s", "k", bodies);
    assert_string_equal (rig_bodies (rig, "s"), "b1499");
    peer_publish_key (p, "s", "k", "z");
    assert_string_equal (rig_bodies (rig, "s"), "z");
}

static void keys_whose_records_went_are_forgotten (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (100, 0, 0);
    policy.compact = true;
    rig_declare (rig, "s", &policy);
    peer_t *p = rig_peer (rig, "p");
    char key[16];
    rig->audits = false;
    for (int i = 0; i < 5000; i++) {
        snprintf (key, sizeof key, "key%d", i);
        peer_publish_key (p, "s", key, "x");
        peer_forget_letters (p);
    }
    assert_in_range (rig_info (rig, "s").length, 100, 110);
    size_t live = alloc_live_bytes ();
    for (int i = 5000; i < 20000; i++) {
        snprintf (key, sizeof key, "key%d", i);
        peer_publish_key (p, "s", key, "x");
        peer_forget_letters (p);
    }
    assert_true (alloc_live_bytes () < live + 200000);
    peer_publish_key (p, "s", key, "y");
    zf_queue_info_t info = rig_info (rig, "s");
    assert_int_equal (info.next - info.first - info.length, 1); /* the last but one */
}

static void what_compaction_leaves_out_is_not_missed (void **state)
{
    rig_t *rig = *state;
    declare_compact (rig);
    peer_t *p = rig_peer (rig, "p");
    peer_publish_key (p, "s", "k", "a");
    uint64_t first = rig_info (rig, "s").first;
    peer_publish_key (p, "s", "k", "b c");
    reader_t r = events_subscribe (rig_peer (rig, "q"), "s", ZF_FROM_OFFSET, first, "");
    assert_subscribed (&r, 0);
    assert_events (&r, "c");
    assert_int_equal (r.missed, 0);
    assert_int_equal (r.id, first + 2);
}

/* -- where to begin ---------------------------------------------------------------------------- */

static uint64_t seek (rig_t *rig, zf_from_t from, uint64_t value)
{
    zf_start_t start = {from, value};
    return zf_stream_seek (stream_of (rig), start);
}

static void reading_begins_where_it_is_asked_to (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 10);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 12; i++)
        peer_post (p, "s", "x");
    zf_queue_info_t info = rig_info (rig, "s");
    assert_int_equal (info.next, info.first + 10);
    assert_int_equal (seek (rig, ZF_FROM_FIRST, 0), info.first);
    assert_int_equal (seek (rig, ZF_FROM_NEW, 0), info.next);
    assert_int_equal (seek (rig, ZF_FROM_OFFSET, info.first + 4), info.first + 4);
    assert_int_equal (seek (rig, ZF_FROM_OFFSET, info.next + 4), info.next);
    assert_int_equal (seek (rig, ZF_FROM_LAST, 0), info.next);
    assert_int_equal (seek (rig, ZF_FROM_LAST, 3), info.next - 3);
    assert_int_equal (seek (rig, ZF_FROM_LAST, 10), info.first);
    assert_int_equal (seek (rig, ZF_FROM_LAST, 11), info.first);
}

static void last_counts_inside_of_chunks (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "s", 100, 200);
    peer_post_bulk (p, "s", 100, 200);
    peer_post (p, "s", "a b c");
    uint64_t next = rig_info (rig, "s").next;
    for (uint64_t n = 0; n <= 203; n++)
        assert_int_equal (seek (rig, ZF_FROM_LAST, n), next - n);
}

static void last_counts_what_compaction_left (void **state)
{
    rig_t *rig = *state;
    declare_compact (rig);
    peer_t *p = rig_peer (rig, "p");
    peer_publish_key (p, "s", "k", "a");
    peer_publish_key (p, "s", "l", "b");
    peer_publish_key (p, "s", "k", "c c c c d");
    uint64_t next = rig_info (rig, "s").next;
    assert_int_equal (seek (rig, ZF_FROM_LAST, 1), next - 1);
    reader_t r = events_subscribe (rig_peer (rig, "q"), "s", ZF_FROM_LAST, 2, "");
    assert_subscribed (&r, 0);
    assert_events (&r, "b d");
}

static void reading_from_a_time_begins_a_little_before (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    uint64_t times[4];
    for (int i = 0; i < 4; i++) {
        rig_advance (rig, ZF_STREAM_CHUNK_MS + 1);
        times[i] = rig->now_ms;
        peer_post_bulk (p, "s", ZF_STREAM_CHUNK_FEW, 8);
    }
    uint64_t first = rig_info (rig, "s").first;
    assert_int_equal (seek (rig, ZF_FROM_TIME, 0), first);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal (seek (rig, ZF_FROM_TIME, times[i]), first + i * ZF_STREAM_CHUNK_FEW);
    assert_int_equal (seek (rig, ZF_FROM_TIME, times[2] - 1), first + 2 * ZF_STREAM_CHUNK_FEW);
    assert_int_equal (seek (rig, ZF_FROM_TIME, times[3] + 9000), first + 4 * ZF_STREAM_CHUNK_FEW);
}

static void nothing_of_an_empty_stream_can_be_sought (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "s");
    uint64_t next = rig_info (rig, "s").next;
    assert_int_equal (seek (rig, ZF_FROM_FIRST, 0), next);
    assert_int_equal (seek (rig, ZF_FROM_OFFSET, 7), 7);
    assert_int_equal (seek (rig, ZF_FROM_TIME, 0), next);
    assert_int_equal (seek (rig, ZF_FROM_LAST, 9), next);
    assert_int_equal (seek (rig, ZF_FROM_NEW, 0), next);
}

/* -- as a queue -------------------------------------------------------------------------------- */

static void stream_is_no_queue_to_work_on (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a");
    assert_confirmed (p, "s", 1, 1);
    peer_consume (p, "s", 1);
    assert_error (p, ZF_E_INVAL);
    uint64_t number = peer_request (p, "s", "b");
    assert_denied (p, number, ZF_E_INVAL);
    assert_string_equal (rig_bodies (rig, "s"), "a");
}

static void queue_does_not_become_a_stream (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    rig_declare (rig, "q", &policy);
    policy.kind = ZF_KIND_STREAM;
    zf_writer_t w = {0};
    zf_policy_encode (&w, &policy);
    peer_admin (rig->admin, "declare", "q", &w);
    take_result (rig->admin, ZF_E_INVAL, NULL);
    peer_admin (rig->admin, "stream", "q", NULL);
    take_result (rig->admin, ZF_E_INVAL, NULL);
    events_stream (rig, "s");
    policy.kind = ZF_KIND_QUEUE;
    zf_writer_t v = {0};
    zf_policy_encode (&v, &policy);
    peer_admin (rig->admin, "declare", "s", &v);
    take_result (rig->admin, ZF_E_INVAL, NULL);
}

static void id_that_was_used_is_refused_by_a_stream_too (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = {.id = zf_bytes_of ("i")};
    peer_post_props (p, "s", "a", &props);
    peer_post_props (p, "s", "b", &props);
    assert_confirmed (p, "s", 1, 1);
    assert_confirmed (p, "s", 2, 1);
    assert_string_equal (rig_bodies (rig, "s"), "a");
    assert_int_equal (rig_info (rig, "s").duplicates, 1);
}

static void post_makes_a_stream_if_it_says_so (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    for (uint64_t i = 1; i <= 2; i++) {
        zf_writer_t w = wire_control (ZF_CMD_POST, 3);
        wire_put_text (&w, "s");
        zf_mp_put_uint (&w, 0);
        zf_mp_put_uint (&w, ZF_MAKE_STREAM);
        peer_write (p, &w, wire_batch (i, "a", NULL));
        assert_confirmed (p, "s", i, 1);
    }
    assert_non_null (stream_of (rig)->stream);
    assert_int_equal (stream_of (rig)->policy.max_bytes, rig->engine->options.stream_bytes);
    assert_string_equal (rig_bodies (rig, "s"), "a a");
}

/* Two records for one queue and one for another, in an atomic post. */
static void post_both (peer_t *p, uint64_t number, const char *one, const char *other)
{
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    zf_mp_put_uint (&w, number);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_array (&w, 4);
    wire_put_text (&w, one);
    zf_mp_put_uint (&w, 2);
    wire_put_text (&w, other);
    zf_mp_put_uint (&w, 1);
    peer_write (p, &w, wire_batch (1, "a b c", NULL));
}

static void atomic_posts_can_be_for_streams_too (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 2);
    peer_t *p = rig_peer (rig, "p");
    for (uint64_t i = 1; i <= 3; i++) { /* a stream is never full */
        post_both (p, i, "s", "q");
        assert_done (p, i, 0);
    }
    assert_string_equal (rig_bodies (rig, "s"), "a b");
    assert_string_equal (rig_bodies (rig, "q"), "c c c");
}

static void atomic_posts_can_not_be_for_compacted_streams (void **state)
{
    rig_t *rig = *state;
    declare_compact (rig);
    peer_t *p = rig_peer (rig, "p");
    post_both (p, 1, "q", "s"); /* what it lets go of could not be taken back */
    assert_done (p, 1, ZF_E_INVAL);
    assert_string_equal (rig_bodies (rig, "q"), "");
    assert_string_equal (rig_bodies (rig, "s"), "");
}

/* One that nobody declared makes room for other queues, unless somebody has a use for it. */
static void stream_with_records_outlives_its_idleness (void **state)
{
    zf_engine_options_t options;
    (void) state;
    zf_engine_defaults (&options);
    options.max_queues = 3;
    rig_t *rig = rig_new (&options);
    peer_t *p = rig_peer (rig, "p");
    peer_admin (p, "stream", "s", NULL);
    take_result (p, 0, NULL);
    peer_post (p, "s", "a");
    peer_admin (p, "stream", "unused", NULL);
    peer_forget_letters (p);
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf (name, sizeof name, "q%d", i);
        peer_consume (p, name, 1);
        peer_consume (p, name, 0);
    }
    assert_non_null (stream_of (rig));
    assert_null (zf_engine_find (rig->engine, zf_bytes_of ("unused")));
    rig_free (rig);
}

/* -- batches ----------------------------------------------------------------------------------- */

static void large_batch_with_topics_is_taken_as_it_is (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    char body[9000] = {0};
    memset (body, 'x', 8990);
    body[4000] = ' ';
    peer_publish (p, "s", "t.u", body);
    const zf_chunk_t *chunk = log_of (rig)->head;
    assert_non_null (chunk->frame);
    assert_true (zf_chunk_is_whole (chunk));
    assert_int_equal (chunk->count, 2);
}

static void large_batch_with_ids_is_looked_through (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    char body[9000] = {0};
    zf_props_t props = {.id = zf_bytes_of ("i")};
    memset (body, 'x', 8990);
    body[4000] = ' ';
    peer_post_props (p, "s", body, &props);
    assert_int_equal (rig_info (rig, "s").length, 1);
}

/* -- memory ------------------------------------------------------------------------------------ */

static rig_t *small_memory_rig (uint64_t stream_bytes)
{
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 1 << 20;
    rig_t *rig = rig_new_logged (&options, NULL);
    zf_policy_t policy = events_policy (0, stream_bytes, 0);
    rig_declare (rig, "s", &policy);
    return rig;
}

static void stream_on_disk_costs_no_index_and_gets_it_back (void **state)
{
    (void) state;
    rig_t *rig = small_memory_rig (0);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 200; i++)
        peer_post_bulk (p, "s", 100, 200);
    const zf_store_t *store = &rig->engine->store;
    assert_true (store->away > 50);
    assert_int_equal (store->index_bytes, 0);
    assert_null (log_of (rig)->head->offsets);
    assert_true (rig_info (rig, "s").on_disk > UINT64_C (2000000));
    uint64_t first = rig_info (rig, "s").first;
    reader_t r = events_subscribe (rig_peer (rig, "q"), "s", ZF_FROM_FIRST, 0, "");
    assert_subscribed (&r, 0);
    for (int i = 0; i < 10000 && r.records < 20000; i++) {
        while (take_events (&r))
            ;
        events_read (&r);
    }
    assert_int_equal (r.records, 20000);
    assert_int_equal (r.id, first + 19999);
    assert_int_equal (r.missed, 0);
    assert_true (store->away > 50);
    rig_free (rig);
}

static void records_that_are_not_in_memory_go_by_number_all_the_same (void **state)
{
    (void) state;
    rig_t *rig = small_memory_rig (3 << 20);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 400; i++)
        peer_post_bulk (p, "s", 100, 200);
    zf_queue_info_t info = rig_info (rig, "s");
    assert_in_range (info.bytes, 3 << 20, (3 << 20) + ZF_CHUNK_BYTES);
    assert_true (rig->engine->store.away > 30);
    assert_int_equal (info.next - info.first, info.length);
    uint64_t half = info.first + info.length / 2;
    assert_true (events_trim (rig, "s", half) > info.length / 3);
    info = rig_info (rig, "s");
    assert_int_equal (info.first, half);
    assert_in_range (info.length, info.next - half, info.next - half + 100); /* a chunk stays */
    rig_free (rig);
}

static void record_on_disk_is_superseded (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 1 << 20;
    rig_t *rig = rig_new_logged (&options, NULL);
    declare_compact (rig);
    peer_t *p = rig_peer (rig, "p");
    char body[5001] = {0};
    char key[8];
    memset (body, 'x', 5000);
    for (int i = 0; i < 400; i++) {
        snprintf (key, sizeof key, "k%d", i);
        peer_publish_key (p, "s", key, body);
    }
    assert_true (rig->engine->store.away > 3);
    peer_publish_key (p, "s", "k5", "new");
    assert_int_equal (rig_info (rig, "s").length, 400);
    reader_t r = events_subscribe (rig_peer (rig, "q"), "s", ZF_FROM_FIRST, 0, "");
    assert_subscribed (&r, 0);
    for (int i = 0; i < 1000 && r.records < 400; i++) {
        while (take_events (&r))
            ;
        events_read (&r);
    }
    assert_int_equal (r.records, 400);
    assert_int_equal (r.missed, 0);
    rig_free (rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)
        CASE (record_that_was_read_stays),
        CASE (length_cap_lets_the_oldest_go),
        CASE (length_cap_holds_to_a_sixteenth),
        CASE (bytes_cap_holds_to_a_sixteenth),
        CASE (batch_larger_than_the_cap_is_kept_whole),
        CASE (age_lets_the_oldest_go_without_anybody_posting),
        CASE (age_of_a_day_is_kept_to_some_minutes),
        CASE (policy_that_keeps_less_is_obeyed_at_once),
        CASE (trim_drops_what_is_below),
        CASE (purge_is_a_trim_of_all),
        CASE (last_of_each_key_is_kept),
        CASE (without_a_key_the_topic_counts),
        CASE (stream_without_compaction_keeps_all_of_a_key),
        CASE (compacted_stream_stays_small),
        CASE (large_batch_is_compacted_in_itself),
        CASE (keys_whose_records_went_are_forgotten),
        CASE (what_compaction_leaves_out_is_not_missed),
        CASE (reading_begins_where_it_is_asked_to),
        CASE (last_counts_inside_of_chunks),
        CASE (last_counts_what_compaction_left),
        CASE (reading_from_a_time_begins_a_little_before),
        CASE (nothing_of_an_empty_stream_can_be_sought),
        CASE (stream_is_no_queue_to_work_on),
        CASE (queue_does_not_become_a_stream),
        CASE (id_that_was_used_is_refused_by_a_stream_too),
        CASE (post_makes_a_stream_if_it_says_so),
        CASE (atomic_posts_can_be_for_streams_too),
        CASE (atomic_posts_can_not_be_for_compacted_streams),
        CASE (large_batch_with_topics_is_taken_as_it_is),
        CASE (large_batch_with_ids_is_looked_through),
#undef CASE
        cmocka_unit_test (stream_with_records_outlives_its_idleness),
        cmocka_unit_test (record_on_disk_is_superseded),
        cmocka_unit_test (stream_on_disk_costs_no_index_and_gets_it_back),
        cmocka_unit_test (records_that_are_not_in_memory_go_by_number_all_the_same),
    };
    return cmocka_run_group_tests_name ("stream", tests, NULL, NULL);
}
