/* Silence, late ticks, bounds, and what a node costs. */
#include "core/log.h"
#include "tests/core/alloc.h"
#include "tests/discovery/roster_stage.h"
#include <stdio.h>
#include <stdlib.h>
#include <zferry/error.h>

static uint32_t peers (stage_t *stage)
{
    zf_roster_stats_t stats;
    zf_roster_stats (stage->roster, &stats);
    return stats.peers;
}

#define QUIET_MS (EVASIVE_MS - EVASIVE_MS / 5) /* then it is asked, and nobody is told */
#define LOSSY    4                             /* times longer may an answer take */

/* -- silence ----------------------------------------------------------------------------------- */

static void silent_peer_is_evasive_asked_and_dropped (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_pass (stage, QUIET_MS - 1);
    assert_effects (stage, "");
    stage_pass (stage, 1);
    assert_effects (stage, "SEND 0");
    assert_line (stage, 0, "3 PING");
    stage_pass (stage, EVASIVE_MS - QUIET_MS - 1);
    assert_effects (stage, "");
    stage_pass (stage, 1);
    assert_effects (stage, "EVASIVE b, SEND 0");
    assert_line (stage, 0, "4 PING");
    stage_pass (stage, EXPIRED_MS - EVASIVE_MS - 1);
    assert_effects (stage, "SILENT b, SEND 0"); /* once, though it is asked several times */
    stage_pass (stage, 1);
    assert_effects (stage, "EXIT b: it is silent, CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
}

static void evasive_peer_that_answers_is_back (void **state)
{
    stage_t *stage = *state;
    zf_node_view_t view;
    stage_enter (stage, "b", "");
    stage_pass (stage, EVASIVE_MS);
    assert_true (zf_roster_find (stage->roster, uuid_of ("b"), &view));
    assert_true (view.is_evasive);
    assert_effects (stage, "SEND 0, EVASIVE b");
    stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    assert_effects (stage, "BACK b");
    stage_drain (stage);
    stage_pass (stage, EVASIVE_MS);
    assert_effects (stage, "SEND 0, EVASIVE b");
    stage_sight (stage, "b");
    assert_effects (stage, "BACK b");
}

static void idle_peer_that_answers_is_not_evasive (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    for (int i = 0; i < 20; i++) {
        stage_pass (stage, QUIET_MS);
        assert_effects (stage, "SEND 0");
        assert_non_null (strstr (stage_line (stage, 0), "PING"));
        stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    }
}

/* It is not asked all the time for that. */
static void time_before_evasive_may_be_none (void **state)
{
    stage_t *stage = *state;
    zf_roster_options_t options = {.name = "a",
                                   .space = "",
                                   .evasive_ms = 1,
                                   .expired_ms = EXPIRED_MS,
                                   .line_bytes = LINE_BYTES,
                                   .max_peers = MAX_PEERS};
    zf_roster_free (&stage->roster);
    stage->roster = zf_roster_new (&options, stage->now);
    stage_enter (stage, "b", "");
    stage_pass (stage, 0);
    assert_effects (stage, "");
    stage_pass (stage, 1);
    assert_effects (stage, "EVASIVE b, SEND 0");
}

static void beacons_alone_do_not_keep_a_peer (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    for (int i = 0; i < EXPIRED_MS / 2 / 1000; i++) {
        assert_effects (stage, "");
        stage_pass (stage, 1000);
        stage_sight (stage, "b");
    }
    assert_effects (stage, "SEND 0");
    assert_line (stage, 0, "3 PING");
    for (int i = 0; i < EXPIRED_MS / 1000; i++) {
        assert_null (strstr (stage_effects (stage), "EXIT"));
        stage_sight (stage, "b");
        stage_pass (stage, 1000);
    }
    assert_effects (stage, "EXIT b: it does not answer, CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
}

static void messages_alone_do_not_keep_a_peer (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    for (int i = 0; i < (EXPIRED_MS / 2 + EXPIRED_MS) / 1000; i++) {
        assert_null (strstr (stage_effects (stage), "EXIT"));
        stage_say (stage, "b", ZF_ZRE_PING, NULL, NULL);
        stage_drain (stage);
        stage_pass (stage, 1000);
    }
    assert_non_null (strstr (stage_effects (stage), "EXIT b: it does not answer"));
}

static void enter_by_a_bad_way (stage_t *stage)
{
    stage_sight (stage, "b");
    zf_roster_reached (stage->roster, 0, ZF_REACH_STUCK, stage->now);
    stage_hello (stage, "b", "");
    stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    stage_drain (stage);
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0, ENTER b");
}

static void answer_by_a_bad_way_may_take_longer (void **state)
{
    stage_t *stage = *state;
    enter_by_a_bad_way (stage);
    for (int i = 0; i < (EXPIRED_MS / 2 + LOSSY * EXPIRED_MS) / 1000; i++) {
        assert_null (strstr (stage_effects (stage), "EXIT"));
        stage_pass (stage, 1000);
        stage_sight (stage, "b");
    }
    assert_non_null (strstr (stage_effects (stage), "EXIT b: it does not answer"));
}

static void lost_connection_of_a_bad_way_is_given_longer (void **state)
{
    stage_t *stage = *state;
    enter_by_a_bad_way (stage);
    zf_roster_lost (stage->roster, 0, stage->now);
    assert_line (stage, 0, "3 PING");
    stage_pass (stage, LOSSY * ZF_ROSTER_ASK_MS - 1);
    assert_effects (stage, "SEND 0");
    stage_pass (stage, 1);
    assert_non_null (strstr (stage_effects (stage), "EXIT b: its connection is lost"));
}

static void quiet_peer_that_answers_stays (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    for (int i = 0; i < 300; i++) {
        stage_pass (stage, 1000);
        stage_sight (stage, "b");
        if (strstr (stage_line (stage, 0), "PING") != NULL)
            stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    }
    assert_null (strstr (stage_effects (stage), "EXIT"));
}

static void late_tick_is_not_the_peers_fault (void **state)
{
    stage_t *stage = *state;
    zf_node_view_t view;
    stage_enter (stage, "b", "");
    stage_pass (stage, 1000);
    stage_freeze (stage, 100000);
    assert_effects (stage, "SEND 0");
    stage_pass (stage, EXPIRED_MS - QUIET_MS - 1);
    assert_null (strstr (stage_effects (stage), "EXIT"));
    stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    assert_true (zf_roster_find (stage->roster, uuid_of ("b"), &view));
    assert_int_equal (view.heard_ms, stage->now);
}

static void tick_that_is_a_little_late_changes_nothing (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_freeze (stage, QUIET_MS + 400);
    assert_effects (stage, "SEND 0");
    stage_pass (stage, EXPIRED_MS - QUIET_MS - 400 - 1);
    assert_null (strstr (stage_effects (stage), "EXIT"));
    stage_pass (stage, 1);
    assert_non_null (strstr (stage_effects (stage), "EXIT b: it is silent"));
}

/* -- bounds ------------------------------------------------------------------------------------ */

static void sight_number (stage_t *stage, uint32_t number, const char *host)
{
    uint8_t uuid[ZF_UUID_BYTES] = {0};
    char endpoint[32];
    zf_store_u32le (uuid, number);
    snprintf (endpoint, sizeof endpoint, "tcp://n:%u", number);
    zf_roster_sighted (stage->roster, uuid, zf_bytes_of (endpoint), zf_bytes_of ("tcp://a:1"),
                       zf_bytes_of (host), stage->now);
}

static void one_host_cannot_keep_others_out (void **state)
{
    stage_t *stage = *state;
    zf_roster_stats_t stats;
    for (uint32_t i = 1; i <= 10000; i++)
        sight_number (stage, i, "evil");
    zf_roster_stats (stage->roster, &stats);
    assert_int_equal (stats.candidates, ZF_ROSTER_FROM_HOST);
    assert_int_equal (stats.refused, 10000 - ZF_ROSTER_FROM_HOST);
    stage_effects (stage);
    stage_sight (stage, "b");
    assert_effects (stage, "OPEN 32 tcp://b:1, SEND 32");
}

static void candidates_are_bounded_and_old_ones_make_room (void **state)
{
    stage_t *stage = *state;
    zf_roster_stats_t stats;
    char host[32];
    for (uint32_t i = 1; i <= 10000; i++) {
        snprintf (host, sizeof host, "%u", i);
        sight_number (stage, i, host);
    }
    zf_roster_stats (stage->roster, &stats);
    assert_int_equal (stats.candidates, ZF_ROSTER_CANDIDATES);
    stage_pass (stage, 0);
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    stage_effects (stage);
    stage_sight (stage, "b");
    assert_non_null (strstr (stage_effects (stage), "OPEN"));
    zf_roster_stats (stage->roster, &stats);
    assert_int_equal (stats.candidates, ZF_ROSTER_CANDIDATES);
}

static void hello_from (stage_t *stage, uint32_t number)
{
    uint8_t identity[1 + ZF_UUID_BYTES] = {1};
    char endpoint[32];
    zf_writer_t w = {0};
    zf_store_u32le (identity + 1, number);
    snprintf (endpoint, sizeof endpoint, "tcp://n:%u", number);
    zf_zre_encode (&w, &(zf_zre_t){.id = ZF_ZRE_HELLO,
                                   .sequence = 1,
                                   .name = zf_bytes_of ("n"),
                                   .endpoint = zf_bytes_of (endpoint)});
    zf_roster_received (stage->roster, zf_bytes (identity, sizeof identity),
                        zf_bytes (w.data, w.size), NULL, 0, zf_bytes_of ("tcp://a:1"), stage->now);
    zf_writer_free (&w);
}

static void peers_are_bounded (void **state)
{
    stage_t *stage = *state;
    zf_roster_stats_t stats;
    for (uint32_t i = 1; i <= MAX_PEERS + 10; i++)
        hello_from (stage, i);
    sight_number (stage, 1000, "h");
    zf_roster_stats (stage->roster, &stats);
    assert_int_equal (stats.peers, MAX_PEERS);
    assert_int_equal (stats.refused, 11);
    stage_effects (stage);
    assert_string_equal (stage->note, "n at tcp://n:50 is refused: there are too many nodes");
}

static void strangers_are_bounded (void **state)
{
    stage_t *stage = *state;
    stage_begin (stage, "ours", LINE_BYTES);
    for (uint32_t i = 1; i <= 3 * ZF_ROSTER_STRANGERS; i++) {
        hello_from (stage, i);
        stage_effects (stage);
        stage_drain (stage);
    }
    stage_pass (stage, 0);
    stage_pass (stage, 100000);
    zf_roster_stats_t stats;
    zf_roster_stats (stage->roster, &stats);
    assert_int_equal (stats.candidates + stats.peers, 0);
}

static void notes_are_bounded (void **state)
{
    stage_t *stage = *state;
    zf_roster_effect_t effect;
    uint32_t notes = 0;
    stage_begin (stage, "ours", LINE_BYTES);
    for (uint32_t i = 1; i <= 100; i++)
        hello_from (stage, i);
    while (zf_roster_next (stage->roster, &effect))
        notes += effect.type == ZF_ROSTER_NOTE;
    assert_int_equal (notes, 20);
}

/* -- looking around ---------------------------------------------------------------------------- */

#define NAMES 32

static bool append (void *arg, const zf_node_view_t *node)
{
    char *names = arg;
    size_t size = strlen (names);
    snprintf (names + size, NAMES - size, "%s", node->name);
    return true;
}

static void peers_are_shown_in_the_order_in_which_they_came (void **state)
{
    stage_t *stage = *state;
    char names[NAMES] = "";
    zf_node_view_t view;
    stage_sight (stage, "d");
    stage_enter (stage, "c", "g");
    stage_enter (stage, "b", "");
    stage_hello (stage, "d", "");
    zf_roster_each (stage->roster, append, names);
    assert_string_equal (names, "cbd");
    assert_true (zf_roster_find (stage->roster, uuid_of ("c"), &view));
    assert_string_equal (view.endpoint, "tcp://c:1");
    assert_int_equal (view.group_count, 1);
    assert_int_equal (view.heard_ms, stage->now);
    assert_false (zf_roster_find (stage->roster, uuid_of ("x"), &view));
}

/* -- memory ------------------------------------------------------------------------------------ */

#ifdef __SANITIZE_ADDRESS__
#define KNOWN_BYTES 4096 /* the sanitizer's own come on top */
#else
#define KNOWN_BYTES 900
#endif

static void idle_peers_are_small (void **state)
{
    stage_t *stage = *state;
    const uint32_t count = 4000;
    zf_roster_options_t options = {.name = "a",
                                   .space = "",
                                   .evasive_ms = EVASIVE_MS,
                                   .expired_ms = EXPIRED_MS,
                                   .line_bytes = 1 << 20,
                                   .max_peers = count};
    zf_roster_free (&stage->roster);
    size_t before = alloc_live_bytes ();
    stage->roster = zf_roster_new (&options, stage->now);
    for (uint32_t i = 1; i <= count; i++) {
        uint8_t identity[1 + ZF_UUID_BYTES] = {1};
        zf_writer_t w = {0};
        hello_from (stage, i);
        zf_store_u32le (identity + 1, i);
        zf_zre_encode (&w, &(zf_zre_t){.id = ZF_ZRE_PING_OK, .sequence = 2});
        zf_roster_received (stage->roster, zf_bytes (identity, sizeof identity),
                            zf_bytes (w.data, w.size), NULL, 0, zf_bytes_of ("tcp://a:1"),
                            stage->now);
        zf_writer_free (&w);
        stage_effects (stage);
        stage_line (stage, i - 1);
    }
    assert_int_equal (peers (stage), count);
    size_t each = (alloc_live_bytes () - before) / count;
    print_message ("a peer costs %zu bytes\n", each);
    assert_in_range (each, 1, KNOWN_BYTES);
}

/* A life in which everything happens once. */
static void live (stage_t *stage)
{
    zf_bytes_t value = zf_bytes_of ("v");
    alloc_enter ();
    zf_roster_header (stage->roster, zf_bytes_of ("X-H"), &value);
    zf_roster_join (stage->roster, zf_bytes_of ("g"));
    alloc_leave ();
    stage_sight_at (stage, "b", "tcp://elsewhere:1", "b");
    stage_enter (stage, "b", "g h");
    stage_enter (stage, "c", "g");
    stage_say (stage, "b", ZF_ZRE_WHISPER, NULL, "psst");
    stage_say (stage, "b", ZF_ZRE_JOIN, "j", NULL);
    stage_shout (stage, "g", "all");
    stage_farewell (stage, "b");
    stage_pass (stage, 6000);
    stage_hello (stage, "b", "k");
    stage_pass (stage, 40000);
}

/* Whatever was lost, they meet in the end. */
static void meet (stage_t *stage)
{
    for (int i = 0; peers (stage) < 2 && i < 100; i++) {
        stage_pass (stage, 1000);
        stage_sight (stage, "b");
        stage_sight (stage, "c");
        if (strstr (stage_effects (stage), "OPEN") == NULL)
            continue;
        stage_hello (stage, "b", "g");
        stage_hello (stage, "c", "g");
        stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
        stage_say (stage, "c", ZF_ZRE_PING_OK, NULL, NULL);
    }
    assert_int_equal (peers (stage), 2);
}

static void every_malloc_may_fail (void **state)
{
    stage_t *stage = *state;
    size_t failures = 1;
    stage->before = alloc_enter;
    stage->after = alloc_leave;
    for (size_t n = 1; failures > 0; n++) {
        stage_begin (stage, "", LINE_BYTES);
        alloc_fail (n, 1 + n % 3);
        live (stage);
        failures = alloc_failures ();
        alloc_fail (0, 0);
        meet (stage);
    }
}

static void roster_is_not_made_without_memory (void **state)
{
    const zf_roster_options_t options = {.name = "a", .space = ""};
    zf_roster_t *roster = NULL;
    for (size_t n = 1; roster == NULL; n++) {
        alloc_fail (n, 1);
        alloc_enter ();
        roster = zf_roster_new (&options, 0);
        alloc_leave ();
        assert_true (roster != NULL || alloc_failures () > 0);
    }
    zf_roster_free (&roster);
    assert_null (roster);
}

static void out_of_memory_changes_nothing_that_was_asked_for (void **state)
{
    stage_t *stage = *state;
    int rc = ZF_E_NOMEM;
    stage_enter (stage, "b", "g");
    stage_enter (stage, "c", "g");
    for (size_t n = 1; rc != 0; n++) {
        alloc_fail (n, 1);
        alloc_enter ();
        rc = zf_roster_join (stage->roster, zf_bytes_of ("new"));
        alloc_leave ();
        assert_true (rc == 0 || rc == ZF_E_NOMEM);
        if (rc != 0) {
            assert_line (stage, 0, "");
            assert_line (stage, 1, "");
        }
    }
    assert_line (stage, 0, "3 JOIN new");
    assert_line (stage, 1, "3 JOIN new");
    zf_frame_t *frame = zf_frame_of (zf_bytes_of ("x"));
    rc = ZF_E_NOMEM;
    for (size_t n = 1; rc != 0; n++) {
        alloc_fail (n, 1);
        alloc_enter ();
        rc = zf_roster_shout (stage->roster, zf_bytes_of ("g"), &frame, 1);
        alloc_leave ();
        if (rc != 0) {
            assert_int_equal (frame->holders, 1);
            assert_line (stage, 0, "");
        }
    }
    assert_line (stage, 0, "4 SHOUT g x");
    assert_line (stage, 1, "4 SHOUT g x");
    zf_frame_drop (frame);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, stage_setup, stage_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (silent_peer_is_evasive_asked_and_dropped),
        TEST (evasive_peer_that_answers_is_back),
        TEST (idle_peer_that_answers_is_not_evasive),
        TEST (time_before_evasive_may_be_none),
        TEST (beacons_alone_do_not_keep_a_peer),
        TEST (messages_alone_do_not_keep_a_peer),
        TEST (answer_by_a_bad_way_may_take_longer),
        TEST (lost_connection_of_a_bad_way_is_given_longer),
        TEST (quiet_peer_that_answers_stays),
        TEST (late_tick_is_not_the_peers_fault),
        TEST (tick_that_is_a_little_late_changes_nothing),
        TEST (one_host_cannot_keep_others_out),
        TEST (candidates_are_bounded_and_old_ones_make_room),
        TEST (peers_are_bounded),
        TEST (strangers_are_bounded),
        TEST (notes_are_bounded),
        TEST (peers_are_shown_in_the_order_in_which_they_came),
        TEST (idle_peers_are_small),
        TEST (every_malloc_may_fail),
        TEST (roster_is_not_made_without_memory),
        TEST (out_of_memory_changes_nothing_that_was_asked_for),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
