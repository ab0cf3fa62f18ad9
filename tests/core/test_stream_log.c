/* Streams that outlive the broker: everything that matters is in the log, and the log does not grow
 * for it. */
#include "tests/core/events.h"
#include "tests/core/twin.h"

#define SLACK_BYTES 16384

static const char *const G = "s@g";

static int with_stream (void **state)
{
    static const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = SLACK_BYTES};
    rig_t *rig = rig_new_logged (NULL, &log);
    rig->log->on_entry = twin_check;
    events_stream (rig, "s");
    *state = rig;
    return 0;
}

static zf_queue_t *queue_of (rig_t *rig, const char *name)
{
    return zf_engine_find (rig->engine, zf_bytes_of (name));
}

static zf_wal_stats_t stats_of (const rig_t *rig)
{
    zf_wal_stats_t stats;
    rig->log->wal->stats (rig->log->wal, &stats);
    return stats;
}

/* Other records come and go until the log begins with an entry that is written from now on. */
static void pass_on (rig_t *rig)
{
    uint64_t now = stats_of (rig).next;
    char name[32];
    snprintf (name, sizeof name, "passer%u", rig->turns);
    peer_t *w = rig_worker (rig, name, "passing", 50);
    for (int i = 0; stats_of (rig).lowest < now; i++) {
        uint64_t first, count;
        assert_in_range (i, 0, 5000);
        w->low = peer_post_bulk (w, "passing", 50, 50) + 50;
        assert_confirmed (w, "passing", w->low - 50, 50);
        while (take_batch (w, &first, &count))
            peer_settle (w, ZF_CMD_ACK, "passing", first, count);
    }
    peer_bye (w);
}

/* A stream of so many records, each of them a chunk of its own. */
static void declare_short (rig_t *rig, uint64_t max_length)
{
    zf_policy_t policy = events_policy (max_length, 0, 0);
    rig_declare (rig, "s", &policy);
}

/* -- records ----------------------------------------------------------------------------------- */

static void records_and_offsets_survive (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_publish (p, "s", "t", "a b");
    peer_post_bulk (p, "s", 100, 200);
    peer_publish (p, "s", "u", "c");
    zf_queue_info_t before = rig_info (rig, "s");
    rig_crash (rig);
    zf_queue_info_t info = rig_info (rig, "s");
    assert_int_equal (info.length, 103);
    assert_int_equal (info.first, before.first);
    assert_int_equal (info.next, before.next);
    assert_int_equal (queue_of (rig, "s")->policy.kind, ZF_KIND_STREAM);
    reader_t r = events_subscribe (rig_peer (rig, "q"), "s", ZF_FROM_FIRST, 0, "u");
    assert_subscribed (&r, 0);
    assert_events (&r, "c");
    assert_int_equal (r.id, info.next - 1);
}

static void subscriber_goes_on_after_a_restart (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *q = rig_peer (rig, "q");
    peer_post (p, "s", "a b");
    reader_t r = events_subscribe (q, "s", ZF_FROM_FIRST, 0, "");
    assert_subscribed (&r, 0);
    assert_events (&r, "a b");
    rig_crash (rig);
    peer_post (p, "s", "c");
    peer_forget_letters (q);
    r = events_subscribe (q, "s", ZF_FROM_OFFSET, r.position, "");
    assert_subscribed (&r, 0);
    assert_events (&r, "c");
    assert_int_equal (r.missed, 0);
}

static void what_went_is_not_back_and_is_missed_exactly (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 3);
    peer_t *p = rig_peer (rig, "p");
    uint64_t begin = rig_info (rig, "s").next;
    for (int i = 0; i < 8; i++)
        peer_post (p, "s", "x");
    rig_crash (rig);
    assert_int_equal (rig_info (rig, "s").length, 3);
    reader_t r = events_subscribe (rig_peer (rig, "q"), "s", ZF_FROM_OFFSET, begin + 1, "");
    assert_subscribed (&r, 0);
    assert_int_equal (r.missed, 4);
    assert_int_equal (r.position, begin + 5);
    pass_on (rig);
    rig_crash (rig);
    r = events_subscribe (rig_peer (rig, "v"), "s", ZF_FROM_OFFSET, begin + 1, "");
    assert_subscribed (&r, 0);
    assert_int_equal (r.missed, 4);
}

static void chunks_of_many_records_are_missed_exactly_too (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 20000, 0);
    rig_declare (rig, "s", &policy);
    peer_t *p = rig_peer (rig, "p");
    uint64_t begin = rig_info (rig, "s").next;
    for (int i = 0; i < 300; i++) {
        peer_post_bulk (p, "s", 3, 50);
        rig_advance (rig, 100);
    }
    uint64_t first = rig_info (rig, "s").first;
    assert_true (first > begin + 100);
    rig_crash (rig);
    assert_int_equal (rig_info (rig, "s").first, first);
    reader_t r = events_subscribe (rig_peer (rig, "q"), "s", ZF_FROM_OFFSET, begin, "");
    assert_subscribed (&r, 0);
    assert_int_equal (r.missed, first - begin);
}

static void time_is_known_as_well_after_a_restart (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    uint64_t times[3];
    for (int i = 0; i < 3; i++) {
        rig_advance (rig, ZF_STREAM_CHUNK_MS + 1);
        times[i] = rig->now_ms;
        peer_post_bulk (p, "s", ZF_STREAM_CHUNK_FEW, 8);
    }
    uint64_t first = rig_info (rig, "s").first;
    rig_crash (rig);
    for (uint64_t i = 0; i < 3; i++) {
        zf_start_t start = {ZF_FROM_TIME, times[i]};
        assert_int_equal (zf_stream_seek (queue_of (rig, "s"), start),
                          first + i * ZF_STREAM_CHUNK_FEW);
    }
}

static void age_goes_on_after_a_restart (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 0, 16000);
    rig_declare (rig, "s", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a");
    rig_advance (rig, 8000);
    peer_post (p, "s", "b");
    rig_crash (rig);
    rig_advance (rig, 7999);
    assert_string_equal (rig_bodies (rig, "s"), "a b");
    rig_advance (rig, 2);
    assert_string_equal (rig_bodies (rig, "s"), "b");
    rig_crash (rig);
    assert_string_equal (rig_bodies (rig, "s"), "b");
    rig_advance (rig, 8000);
    assert_string_equal (rig_bodies (rig, "s"), "");
}

static void ids_after_an_unclean_end_leave_a_hole_that_nobody_missed (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 4);
    peer_t *p = rig_peer (rig, "p");
    uint64_t begin = rig_info (rig, "s").next;
    peer_post (p, "s", "a");
    peer_post (p, "s", "b");
    zf_queue_lift_ids (queue_of (rig, "s"), begin + 1000); /* as zf_engine_recovered does then */
    zf_store_queue (queue_of (rig, "s"));
    peer_post (p, "s", "c");
    assert_int_equal (rig_info (rig, "s").next, begin + 1001);
    for (int again = 0; again < 2; again++) {
        reader_t r = events_subscribe (rig->admin, "s", ZF_FROM_OFFSET, begin + 1, "");
        assert_subscribed (&r, 0);
        assert_events (&r, "b c");
        assert_int_equal (r.id, begin + 1000);
        assert_int_equal (r.missed, 0);
        peer_forget_letters (rig->admin);
        rig_crash (rig);
    }
    for (int i = 0; i < 5; i++)
        peer_post (p, "s", "x");
    rig_crash (rig);
    reader_t r = events_subscribe (rig->admin, "s", ZF_FROM_OFFSET, begin + 1, "");
    assert_subscribed (&r, 0);
    assert_int_equal (r.position, begin + 1002);
    assert_int_equal (r.missed, 3); /* b, c, and the first x */
}

/* Local records lie in chunks of their own only as long as it is known which they are. */
static void what_went_between_others_is_not_back (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_frame_t *batch = wire_batch (1, "a b", NULL);
    assert_int_equal (zf_stream_put (queue_of (rig, "s"), batch, true), 2);
    zf_frame_drop (batch);
    peer_post (p, "s", "c d");
    uint64_t first = rig_info (rig, "s").first;
    assert_int_equal (events_trim (rig, "s", first + 2), 2);
    assert_string_equal (rig_bodies (rig, "s"), "c d");
    rig_crash (rig);
    assert_string_equal (rig_bodies (rig, "s"), "c d");
    reader_t r = events_subscribe (rig->admin, "s", ZF_FROM_OFFSET, first, "");
    assert_subscribed (&r, 0);
    assert_int_equal (r.missed, 2);
    assert_events (&r, "c d");
}

static void trim_survives (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 10);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 5; i++)
        peer_post (p, "s", "x");
    assert_int_equal (events_trim (rig, "s", UINT64_MAX), 5);
    uint64_t next = rig_info (rig, "s").next;
    rig_crash (rig);
    assert_int_equal (rig_info (rig, "s").length, 0);
    assert_int_equal (rig_info (rig, "s").next, next);
}

static void compaction_goes_on_after_a_restart (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 0, 0);
    policy.compact = true;
    rig_declare (rig, "c", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_publish_key (p, "c", "k", "a");
    peer_publish_key (p, "c", "l", "b b c");
    rig_crash (rig);
    assert_string_equal (rig_bodies (rig, "c"), "a c");
    peer_publish_key (p, "c", "k", "d");
    assert_string_equal (rig_bodies (rig, "c"), "c d");
    pass_on (rig);
    rig_crash (rig);
    assert_string_equal (rig_bodies (rig, "c"), "c d");
    peer_publish_key (p, "c", "l", "e");
    assert_string_equal (rig_bodies (rig, "c"), "d e");
    rig_crash (rig);
    assert_string_equal (rig_bodies (rig, "c"), "d e");
}

static void what_was_superseded_is_not_missed_after_a_restart (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 0, 0);
    policy.compact = true;
    rig_declare (rig, "c", &policy);
    peer_t *p = rig_peer (rig, "p");
    uint64_t begin = rig_info (rig, "c").next;
    for (int i = 0; i < 3; i++) {
        peer_publish_key (p, "c", "k", "a");
        rig_advance (rig, ZF_STREAM_FEW_MS + 1); /* then there is another chunk */
    }
    rig_crash (rig);
    reader_t r = events_subscribe (rig_peer (rig, "q"), "c", ZF_FROM_OFFSET, begin, "");
    assert_subscribed (&r, 0);
    assert_int_equal (r.missed, 0);
    assert_events (&r, "a");
}

static void large_batch_that_was_compacted_survives (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 0, 0);
    policy.compact = true;
    rig_declare (rig, "c", &policy);
    peer_t *p = rig_peer (rig, "p");
    char bodies[12000];
    size_t size = 0;
    for (int i = 0; i < 1500; i++)
        size += (size_t) snprintf (bodies + size, sizeof bodies - size, "b%d ", i);
    peer_publish_key (p, "c", "k", bodies);
    rig_crash (rig);
    assert_string_equal (rig_bodies (rig, "c"), "b1499");
    pass_on (rig);
    rig_crash (rig);
    assert_string_equal (rig_bodies (rig, "c"), "b1499");
}

/* What a record says of delays, its life, and so on is for queues. */
static void properties_mean_nothing_to_a_stream (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 0, 0);
    policy.ordered = true;
    rig_declare (rig, "o", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = {.ttl_ms = 100, .delay_ms = 5000, .key = zf_bytes_of ("k")};
    props.priority = 3;
    peer_post_props (p, "o", "a b", &props);
    peer_post (p, "o", "c");
    rig_advance (rig, 1000);
    assert_string_equal (rig_bodies (rig, "o"), "a b c");
    pass_on (rig);
    rig_crash (rig);
    rig_advance (rig, 1000);
    assert_string_equal (rig_bodies (rig, "o"), "a b c");
    assert_int_equal (rig->engine->overhead, 0);
    peer_t *w = rig_worker (rig, "w", "o@g", 10);
    assert_delivered (w, "o@g", "a", 1);
    assert_delivered (w, "o@g", "c", 1);
    peer_ack (w, "o@g", "a");
    assert_delivered (w, "o@g", "b", 1);
}

static void stream_that_was_forgotten_is_not_back (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a");
    events_group (rig, G, ZF_FROM_FIRST, 0, "", NULL);
    events_forget (rig, "s", 0);
    rig_crash (rig);
    assert_null (queue_of (rig, "s"));
    assert_null (queue_of (rig, G));
    assert_int_equal (rig->engine->bytes, 0);
}

static void stream_in_memory_only_is_gone_and_its_offsets_do_not_come_again (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 0, 0);
    policy.durable = ZF_DURABLE_NO;
    rig_declare (rig, "m", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "m", "a b");
    uint64_t next = rig_info (rig, "m").next;
    events_group (rig, "m@g", ZF_FROM_FIRST, 0, "", NULL);
    rig_crash (rig);
    assert_null (queue_of (rig, "m"));
    assert_null (queue_of (rig, "m@g"));
    rig_advance (rig, 1000);
    rig_declare (rig, "m", &policy);
    assert_true (rig_info (rig, "m").next >= next);
}

/* -- the log stays short ----------------------------------------------------------------------- */

static void log_shrinks_though_a_group_lags (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 40000, 0);
    rig_declare (rig, "s", &policy);
    peer_t *w = rig_worker (rig, "w", G, 3);
    peer_t *p = rig_peer (rig, "p");
    p->low = 1;
    for (int i = 0; i < 200; i++) {
        p->low = peer_post_bulk (p, "s", 10, 100) + 10;
        peer_forget_letters (p);
        zf_wal_stats_t stats = stats_of (rig);
        assert_true (stats.next - stats.lowest < 40000 * 3 + 2 * SLACK_BYTES);
    }
    uint64_t first, count;
    assert_true (take_batch (w, &first, &count));
    assert_int_equal (count, 3);
    assert_true (first < rig_info (rig, "s").first); /* they have gone from the stream */
    peer_settle (w, ZF_CMD_ACK, G, first, 3);
    assert_true (take_batch (w, &first, &count));
}

/* Each start that the log has can be its beginning. */
static void log_can_begin_with_each_of_its_starts (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 100);
    rig->log->room = UINT64_MAX;
    for (int i = 0; i < 400; i++) {
        uint64_t first, count;
        p->low = peer_post_bulk (p, "s", 10, 100) + 10;
        peer_forget_letters (p);
        while (take_batch (w, &first, &count))
            if (i % 3 != 0)
                peer_settle (w, ZF_CMD_ACK, G, first + 1, count - 1 - count / 3);
        if (i % 50 == 49)
            events_trim (rig, "s", rig_info (rig, "s").next - 1000);
    }
    assert_true (rig->engine->store.start_count >= 2 || stats_of (rig).lowest > 0);
    zf_queue_info_t before = rig_info (rig, G);
    zf_queue_info_t stream = rig_info (rig, "s");
    peer_crash (w);
    rig_crash (rig);
    assert_int_equal (rig_info (rig, "s").length, stream.length);
    assert_int_equal (rig_info (rig, "s").first, stream.first);
    assert_true (rig_info (rig, G).lag + rig_info (rig, G).missed > 0);
    assert_int_equal (rig_info (rig, G).next <= before.next, 1);
}

/* -- a full disk ------------------------------------------------------------------------------- */

static rig_t *small_disk_rig (uint64_t disk_bytes)
{
    zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = SLACK_BYTES};
    log.segment_bytes = 1 << 20;
    log.disk_bytes = disk_bytes;
    rig_t *rig = rig_new_logged (NULL, &log);
    zf_policy_t policy = events_policy (0, 0, 0); /* all that it may */
    rig_declare (rig, "s", &policy);
    return rig;
}

static void oldest_go_when_the_disk_is_full (void **state)
{
    (void) state;
    rig_t *rig = small_disk_rig (32 << 20);
    peer_t *p = rig_peer (rig, "p");
    uint64_t posted = 0;
    for (int i = 0; i < 400; i++) {
        posted += 100;
        uint64_t first = peer_post_bulk (p, "s", 100, 1000);
        assert_confirmed (p, "s", first, 100);
    }
    zf_queue_info_t info = rig_info (rig, "s");
    assert_int_equal (info.posted, posted);
    assert_int_equal (info.refused, 0);
    assert_int_equal (info.length + info.dropped, posted);
    assert_in_range (info.bytes, 8 << 20, 32 << 20);
    rig_free (rig);
}

static void nothing_goes_because_the_disk_is_slow (void **state)
{
    (void) state;
    rig_t *rig = small_disk_rig (0);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 5; i++)
        peer_post_bulk (p, "s", 100, 1000);
    peer_forget_letters (p);
    rig->log->room = 0; /* for the moment */
    rig_turn (rig);
    for (int i = 0; i < 5; i++)
        peer_post_bulk (p, "s", 100, 1000);
    assert_silence (p);
    zf_queue_info_t info = rig_info (rig, "s");
    assert_int_equal (info.dropped, 0);
    assert_true (info.parked > 0);
    rig->log->room = UINT64_MAX;
    rig_turn (rig);
    zf_memory_freed (rig->engine);
    rig_turn (rig);
    info = rig_info (rig, "s");
    assert_int_equal (info.length, 1000);
    assert_int_equal (info.dropped, 0);
    rig_free (rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown (name, with_stream, rig_teardown)
        CASE (records_and_offsets_survive),
        CASE (subscriber_goes_on_after_a_restart),
        CASE (what_went_is_not_back_and_is_missed_exactly),
        CASE (chunks_of_many_records_are_missed_exactly_too),
        CASE (time_is_known_as_well_after_a_restart),
        CASE (age_goes_on_after_a_restart),
        CASE (ids_after_an_unclean_end_leave_a_hole_that_nobody_missed),
        CASE (what_went_between_others_is_not_back),
        CASE (trim_survives),
        CASE (compaction_goes_on_after_a_restart),
        CASE (what_was_superseded_is_not_missed_after_a_restart),
        CASE (large_batch_that_was_compacted_survives),
        CASE (properties_mean_nothing_to_a_stream),
        CASE (stream_that_was_forgotten_is_not_back),
        CASE (stream_in_memory_only_is_gone_and_its_offsets_do_not_come_again),
        CASE (log_shrinks_though_a_group_lags),
        CASE (log_can_begin_with_each_of_its_starts),
#undef CASE
        cmocka_unit_test (oldest_go_when_the_disk_is_full),
        cmocka_unit_test (nothing_goes_because_the_disk_is_slow),
    };
    return cmocka_run_group_tests_name ("stream_log", tests, NULL, NULL);
}
