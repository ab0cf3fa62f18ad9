/* Who is there: greeting, coming, going, restarts. */
#include "core/log.h"
#include "tests/discovery/roster_stage.h"
#include <stdio.h>
#include <zferry/error.h>

#define PAUSE_MS 1000 /* after a greeting in vain */

/* -- meeting ----------------------------------------------------------------------------------- */

static void node_sighted_is_greeted_and_enters_with_its_hello (void **state)
{
    stage_t *stage = *state;
    stage_sight (stage, "b");
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0");
    assert_line (stage, 0, "1 HELLO, 2 PING");
    stage_hello (stage, "b", "g h");
    assert_effects (stage, "ENTER b, JOIN b g, JOIN b h");
    stage_say (stage, "b", ZF_ZRE_PING, NULL, NULL);
    assert_effects (stage, "SEND 0");
    assert_line (stage, 0, "3 PING-OK");
}

static void node_that_says_hello_first_is_greeted (void **state)
{
    stage_t *stage = *state;
    stage_hello (stage, "b", "g");
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0, ENTER b, JOIN b g");
    assert_line (stage, 0, "1 HELLO, 2 PING");
}

static void hello_says_endpoint_name_groups_and_headers (void **state)
{
    stage_t *stage = *state;
    zf_bytes_t frame, headers, name, value = zf_bytes_of ("v");
    zf_frame_t *const *content;
    size_t count;
    zf_zre_t hello;
    stage_begin (stage, "staging", LINE_BYTES);
    zf_roster_header (stage->roster, zf_bytes_of ("X-H"), &value);
    zf_roster_join (stage->roster, zf_bytes_of ("g"));
    stage_sight (stage, "b");
    assert_true (zf_roster_peek (stage->roster, 0, &frame, &content, &count));
    assert_true (zf_zre_decode (frame, &hello));
    assert_true (zf_bytes_equal (hello.endpoint, zf_bytes_of ("tcp://a:1")));
    assert_true (zf_bytes_equal (hello.name, zf_bytes_of ("a")));
    assert_int_equal (hello.status, 1);
    assert_int_equal (hello.group_count, 1);
    assert_int_equal (hello.header_count, 2);
    headers = hello.headers;
    assert_true (zf_zre_next_header (&headers, &name, &value));
    assert_true (zf_bytes_equal (name, zf_bytes_of ("X-H")));
    assert_true (zf_zre_next_header (&headers, &name, &value));
    assert_true (zf_bytes_equal (name, zf_bytes_of (ZF_HEADER_SPACE)));
    assert_true (zf_bytes_equal (value, zf_bytes_of ("staging")));
}

static void header_is_replaced_and_taken_back (void **state)
{
    stage_t *stage = *state;
    zf_bytes_t frame, headers, name = zf_bytes_of ("X-H"), value = zf_bytes_of ("v");
    zf_frame_t *const *content;
    size_t count;
    zf_zre_t hello;
    assert_int_equal (zf_roster_header (stage->roster, name, &value), 0);
    value = zf_bytes_of ("w");
    assert_int_equal (zf_roster_header (stage->roster, name, &value), 0);
    stage_sight (stage, "b");
    zf_roster_peek (stage->roster, 0, &frame, &content, &count);
    zf_zre_decode (frame, &hello);
    assert_int_equal (hello.header_count, 1);
    headers = hello.headers;
    zf_zre_next_header (&headers, &name, &value);
    assert_true (zf_bytes_equal (value, zf_bytes_of ("w")));
    assert_int_equal (zf_roster_header (stage->roster, zf_bytes_of ("X-H"), NULL), 0);
    stage_sight (stage, "c");
    zf_roster_peek (stage->roster, 1, &frame, &content, &count);
    zf_zre_decode (frame, &hello);
    assert_int_equal (hello.header_count, 0);
    assert_int_equal (zf_roster_header (stage->roster, zf_bytes_of (""), &value), ZF_E_INVAL);
}

static void own_beacon_and_hello_are_ignored (void **state)
{
    stage_t *stage = *state;
    stage_sight (stage, "a");
    stage_hello (stage, "a", "");
    assert_effects (stage, "");
}

static void identity_of_another_shape_is_an_error (void **state)
{
    stage_t *stage = *state;
    zf_roster_stats_t stats;
    uint8_t identity[2 + ZF_UUID_BYTES] = {1};
    zf_roster_received (stage->roster, zf_bytes (identity, sizeof identity), zf_bytes_of ("x"),
                        NULL, 0, zf_bytes_of ("tcp://a:1"), stage->now);
    zf_roster_received (stage->roster, zf_bytes (identity, 5), zf_bytes_of ("x"), NULL, 0,
                        zf_bytes_of ("tcp://a:1"), stage->now);
    zf_roster_stats (stage->roster, &stats);
    assert_int_equal (stats.errors, 2);
}

/* -- greeting in vain -------------------------------------------------------------------------- */

static void candidate_that_does_not_answer_is_tried_less_and_less (void **state)
{
    stage_t *stage = *state;
    stage_sight (stage, "b");
    stage_effects (stage);
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_effects (stage, "CLOSE 0");
    stage_sight (stage, "b");
    stage_pass (stage, 999);
    assert_effects (stage, "");
    stage_pass (stage, 1);
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0");
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_effects (stage, "CLOSE 0");
    stage_sight (stage, "b");
    stage_pass (stage, 1999);
    assert_effects (stage, "");
    stage_pass (stage, 1);
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0");
}

static void candidate_not_sighted_again_is_forgotten (void **state)
{
    stage_t *stage = *state;
    zf_roster_stats_t stats;
    stage_sight (stage, "b");
    stage_pass (stage, ZF_ROSTER_GREET_MS + 40000);
    zf_roster_stats (stage->roster, &stats);
    assert_int_equal (stats.candidates, 0);
    assert_int_equal (stage->due, UINT64_MAX);
}

static void candidate_is_tried_at_its_next_endpoint (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://1:1", "h");
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    assert_effects (stage, "OPEN 0 tcp://1:1, SEND 0");
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://2:1, SEND 1");
    zf_roster_lost (stage->roster, 1, stage->now);
    stage_pass (stage, 0);
    assert_effects (stage, "");
    stage_hello (stage, "b", "");
    assert_effects (stage, "ENTER b");
}

static void candidate_sighted_at_a_new_endpoint_is_greeted_at_once (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://1:1", "h");
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_effects (stage, "OPEN 0 tcp://1:1, SEND 0, CLOSE 0");
    stage_sight_at (stage, "b", "tcp://1:1", "h");
    assert_effects (stage, "");
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    assert_effects (stage, "OPEN 0 tcp://2:1, SEND 0");
}

static void candidate_that_refuses_is_tried_elsewhere_at_once (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://1:1", "h");
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    stage_effects (stage);
    zf_roster_lost (stage->roster, 0, stage->now);
    stage_pass (stage, 0);
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://2:1, SEND 1");
}

static void no_more_than_four_endpoints_are_kept (void **state)
{
    stage_t *stage = *state;
    char endpoint[32];
    for (int i = 0; i < 9; i++) {
        snprintf (endpoint, sizeof endpoint, "tcp://%d:1", i);
        stage_sight_at (stage, "b", endpoint, "h");
    }
    stage_pass (stage, 4 * ZF_ROSTER_GREET_MS);
    assert_effects (stage, "OPEN 0 tcp://0:1, SEND 0, CLOSE 0, OPEN 1 tcp://8:1, SEND 1, "
                           "CLOSE 1, OPEN 2 tcp://7:1, SEND 2, CLOSE 2, OPEN 3 tcp://6:1, SEND 3, "
                           "CLOSE 3");
}

static void peer_that_does_not_hear_us_is_tried_everywhere_and_then_dropped (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    stage_hello (stage, "b", "");
    stage_effects (stage);
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
    stage_sight (stage, "b");
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_effects (stage, "CLOSE 1, OPEN 0 tcp://2:1, SEND 0");
    for (int i = 2 * ZF_ROSTER_GREET_MS; i < EXPIRED_MS - 1000; i += 1000) {
        stage_sight_at (stage, "b", "tcp://2:1", "h");
        stage_pass (stage, 1000);
    }
    assert_null (strstr (stage_effects (stage), "EXIT"));
    for (int i = 0; i <= 2 * ZF_ROSTER_GREET_MS; i += 1000) {
        stage_sight_at (stage, "b", "tcp://2:1", "h");
        stage_pass (stage, 1000);
    }
    assert_non_null (strstr (stage_effects (stage), "EXIT b: it does not hear us"));
}

/* -- bad networks ------------------------------------------------------------------------------ */

static bool reach (stage_t *stage, uint32_t slot, zf_reach_t how)
{
    return zf_roster_reached (stage->roster, slot, how, stage->now);
}

static void candidate_that_was_reached_is_waited_for (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    stage_sight (stage, "b");
    assert_effects (stage, "OPEN 0 tcp://2:1, SEND 0");
    stage_pass (stage, 2000);
    assert_true (reach (stage, 0, ZF_REACH_LOSSY));
    stage_pass (stage, EXPIRED_MS / 2 - 2000 - 1);
    assert_effects (stage, "");
    stage_pass (stage, 1);
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
}

static void peer_that_was_reached_is_waited_for (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    assert_true (reach (stage, 0, ZF_REACH_LOSSY));
    stage_hello (stage, "b", ""); /* from elsewhere */
    assert_effects (stage, "OPEN 0 tcp://2:1, SEND 0, ENTER b");
    stage_drain (stage);
    for (int i = 0; i < EXPIRED_MS; i += 1000) {
        stage_pass (stage, 1000);
        stage_sight (stage, "b");
        assert_null (strstr (stage_effects (stage), "CLOSE"));
    }
    assert_non_null (strstr (stage_line (stage, 0), "PING"));
    stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    assert_false (reach (stage, 0, ZF_REACH_LOSSY));
}

static void peer_that_was_reached_is_not_waited_for_for_ever (void **state)
{
    stage_t *stage = *state;
    stage_sight (stage, "b");
    stage_hello (stage, "b", "");
    reach (stage, 0, ZF_REACH_LOSSY);
    stage_drain (stage);
    for (int i = 0; i < 2 * EXPIRED_MS; i += 1000) {
        assert_null (strstr (stage_effects (stage), "EXIT"));
        stage_sight (stage, "b");
        stage_pass (stage, 1000);
    }
    assert_non_null (strstr (stage_effects (stage), "EXIT b: it does not hear us"));
}

/* Its answer may be stuck on the way, though what we have sent is not. */
static void peer_that_was_reached_at_once_is_waited_for (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    assert_true (reach (stage, 0, ZF_REACH_FINE));
    stage_hello (stage, "b", ""); /* from elsewhere */
    stage_effects (stage);
    for (int i = 0; i < EXPIRED_MS; i += 1000) {
        assert_null (strstr (stage_effects (stage), "CLOSE"));
        stage_pass (stage, 1000);
        stage_sight (stage, "b");
    }
    assert_non_null (strstr (stage_effects (stage), "CLOSE 0, OPEN 1 tcp://b:1"));
}

/* What is said by it next would come without a HELLO. */
static void candidate_whose_connection_was_lost_is_greeted_anew (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    stage_sight (stage, "b");
    stage_effects (stage);
    stage_drain (stage);
    reach (stage, 0, ZF_REACH_FINE);
    reach (stage, 0, ZF_REACH_CUT);
    stage_pass (stage, 0);
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
    reach (stage, 1, ZF_REACH_CUT);
    stage_pass (stage, 0);
    assert_effects (stage, "CLOSE 1"); /* and not again and again */
    stage_pass (stage, PAUSE_MS - 1);
    stage_sight (stage, "b");
    assert_effects (stage, "");
    stage_pass (stage, 1);
    assert_effects (stage, "OPEN 1 tcp://b:1, SEND 1");
    assert_line (stage, 1, "1 HELLO, 2 PING");
}

/* Killed before it has answered: neither way is there any more. */
static void peer_that_is_lost_both_ways_is_dropped (void **state)
{
    stage_t *stage = *state;
    stage_sight (stage, "b");
    stage_hello (stage, "b", "");
    reach (stage, 0, ZF_REACH_LOSSY);
    stage_drain (stage);
    zf_roster_lost (stage->roster, 0, stage->now);
    reach (stage, 0, ZF_REACH_NOT);
    assert_null (strstr (stage_effects (stage), "EXIT"));
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_non_null (strstr (stage_effects (stage), "EXIT b: it does not hear us"));
}

static void what_is_stuck_is_tried_again_by_another_way (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    stage_sight (stage, "b");
    reach (stage, 0, ZF_REACH_STUCK);
    stage_effects (stage);
    stage_pass (stage, EXPIRED_MS / 3 - 1);
    assert_effects (stage, "");
    stage_pass (stage, 1);
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
}

/* On a good way who does not answer has forgotten us. */
static void peer_at_one_place_is_greeted_there_again (void **state)
{
    stage_t *stage = *state;
    stage_sight (stage, "b");
    stage_hello (stage, "b", "");
    stage_effects (stage);
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
    assert_line (stage, 1, "1 HELLO, 2 PING");
}

static void hello_that_may_be_lost_is_said_again (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    stage_hello (stage, "b", "");
    reach (stage, 0, ZF_REACH_LOSSY);
    assert_effects (stage, "OPEN 0 tcp://2:1, SEND 0, ENTER b");
    stage_drain (stage);
    stage_pass (stage, ZF_ROSTER_GREET_MS + 500);
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    assert_true (reach (stage, 0, ZF_REACH_NOT));
    stage_effects (stage);
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
}

static void crowd_that_was_reached_makes_room (void **state)
{
    stage_t *stage = *state;
    char endpoint[32];
    for (int i = 0; i < ZF_ROSTER_FROM_HOST / 2; i++) {
        const char name[] = {(char) ('A' + i), 0};
        snprintf (endpoint, sizeof endpoint, "tcp://%d:1", i);
        stage_sight_at (stage, name, endpoint, "h");
        reach (stage, (uint32_t) i, ZF_REACH_LOSSY);
    }
    stage_effects (stage);
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_non_null (strstr (stage_effects (stage), "CLOSE 0"));
}

static void peer_that_says_that_it_is_elsewhere_is_tried_there_soon (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    stage_hello (stage, "b", "");
    assert_effects (stage, "OPEN 0 tcp://2:1, SEND 0, ENTER b");
    stage_say (stage, "b", ZF_ZRE_PING, NULL, NULL);
    stage_pass (stage, ZF_ROSTER_ASK_MS);
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
    assert_line (stage, 1, "1 HELLO, 2 PING, 3 PING-OK");
    stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_effects (stage, "");
}

/* There it would greet itself, and wait for an answer. */
static void nobody_else_is_at_our_own_endpoint (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "b", "tcp://a:1", "h");
    assert_effects (stage, "");
    stage_sight_at (stage, "b", "tcp://2:1", "h");
    assert_effects (stage, "OPEN 0 tcp://2:1, SEND 0");
}

/* -- leaving ----------------------------------------------------------------------------------- */

static void goodbye_ends_it_at_once (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "g");
    stage_say (stage, "b", ZF_ZRE_GOODBYE, NULL, NULL);
    assert_effects (stage, "EXIT b: it said goodbye, CLOSE 0");
    stage_pass (stage, 100000);
    assert_effects (stage, "");
}

static void bye_says_goodbye_to_all_and_greets_nobody_more (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_enter (stage, "c", "");
    zf_roster_bye (stage->roster);
    assert_effects (stage, "SEND 0, SEND 1");
    assert_line (stage, 0, "3 GOODBYE");
    assert_line (stage, 1, "3 GOODBYE");
    stage_sight (stage, "d");
    stage_hello (stage, "e", "");
    assert_effects (stage, "");
}

static void farewell_is_only_a_rumour (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_farewell (stage, "b");
    stage_farewell (stage, "b");
    assert_effects (stage, "SEND 0");
    assert_line (stage, 0, "3 PING");
    stage_pass (stage, ZF_ROSTER_ASK_MS - 1);
    stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    stage_pass (stage, 2000);
    assert_effects (stage, "");
    stage_farewell (stage, "b");
    stage_effects (stage);
    stage_pass (stage, ZF_ROSTER_ASK_MS);
    assert_effects (stage, "EXIT b: it has left, CLOSE 0");
}

static void lost_connection_is_asked_about (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    zf_roster_lost (stage->roster, 0, stage->now);
    assert_line (stage, 0, "3 PING");
    stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    stage_pass (stage, ZF_ROSTER_ASK_MS);
    assert_effects (stage, "SEND 0");
    zf_roster_lost (stage->roster, 0, stage->now);
    stage_pass (stage, ZF_ROSTER_ASK_MS);
    assert_effects (stage, "SEND 0, EXIT b: its connection is lost, CLOSE 0, OPEN 1 tcp://b:1, "
                           "SEND 1");
}

static void node_that_was_lost_is_looked_for (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    zf_roster_lost (stage->roster, 0, stage->now);
    stage_pass (stage, ZF_ROSTER_ASK_MS + ZF_ROSTER_GREET_MS);
    stage_effects (stage);
    stage_pass (stage, 2000);
    assert_effects (stage, "OPEN 1 tcp://b:1, SEND 1");
}

/* -- its protocol ------------------------------------------------------------------------------ */

static void sequence_with_a_gap_resets_the_peer (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "g");
    stage->sequence['b']++;
    stage_say (stage, "b", ZF_ZRE_WHISPER, NULL, "hi");
    assert_effects (stage, "EXIT b: messages from it were lost, CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
    assert_line (stage, 1, "1 HELLO, 2 PING");
    stage_say (stage, "b", ZF_ZRE_WHISPER, NULL, "hi");
    assert_effects (stage, "");
    stage_hello (stage, "b", "g");
    assert_effects (stage, "ENTER b, JOIN b g");
}

static void sequences_go_round (void **state)
{
    stage_t *stage = *state;
    char text[32];
    stage_enter (stage, "b", "");
    for (uint32_t i = 3; i < 65540; i++) {
        stage_say (stage, "b", ZF_ZRE_PING, NULL, NULL);
        snprintf (text, sizeof text, "%u PING-OK", i & 0xffff);
        assert_line (stage, 0, text);
        assert_effects (stage, "SEND 0");
    }
}

/* Pyre counts from 0 again behind 65,534; a 1 in ASCII begins the identity of older ones. */
static void sequences_go_round_as_pyre_has_them (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    for (uint32_t i = 3; i < 65535; i++)
        stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    stage->sequence['b'] = UINT16_MAX; /* was sent last, for the next one to be 0 */
    stage_say (stage, "b", ZF_ZRE_WHISPER, NULL, "hi");
    assert_effects (stage, "WHISPER b hi");
    stage_say (stage, "b", ZF_ZRE_WHISPER, NULL, "ho");
    assert_effects (stage, "WHISPER b ho");
}

static void junk_from_a_peer_resets_it (void **state)
{
    stage_t *stage = *state;
    zf_roster_stats_t stats;
    stage_enter (stage, "b", "");
    stage_receive (stage, "b", zf_bytes_of ("junk"));
    assert_effects (stage, "EXIT b: it has broken the protocol, CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
    stage_receive (stage, "c", zf_bytes_of ("junk"));
    assert_effects (stage, "");
    zf_roster_stats (stage->roster, &stats);
    assert_int_equal (stats.errors, 2);
}

static void peer_that_breaks_it_again_and_again_has_to_wait (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_receive (stage, "b", zf_bytes_of ("junk"));
    stage_hello (stage, "b", "");
    stage_effects (stage);
    stage_receive (stage, "b", zf_bytes_of ("junk"));
    assert_effects (stage, "EXIT b: it has broken the protocol, CLOSE 1");
}

/* -- restarts ---------------------------------------------------------------------------------- */

static void hello_of_a_peer_is_a_restart (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "g");
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    stage_hello (stage, "b", "h");
    assert_effects (stage, "EXIT b: it has started again, CLOSE 0, OPEN 1 tcp://b:1, SEND 1, "
                           "ENTER b, JOIN b h");
    assert_line (stage, 1, "1 HELLO, 2 PING");
}

static void hello_that_answers_ours_is_no_restart (void **state)
{
    stage_t *stage = *state;
    stage_sight (stage, "b");
    stage_hello (stage, "b", "g");
    stage_effects (stage);
    stage_hello (stage, "b", "h");
    assert_effects (stage, "JOIN b h, LEAVE b g");
}

static void hello_soon_after_another_brings_a_question (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_hello (stage, "b", "");
    assert_effects (stage, "SEND 0");
    assert_line (stage, 0, "3 PING");
    stage_pass (stage, ZF_ROSTER_ASK_MS);
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://b:1, SEND 1"); /* it has forgotten us */
    assert_line (stage, 1, "1 HELLO, 2 PING");
    stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    stage_hello (stage, "b", ""); /* and another time */
    stage_pass (stage, ZF_ROSTER_ASK_MS);
    assert_non_null (strstr (stage_effects (stage), "EXIT b: it does not hear us, CLOSE 1"));
}

static void hello_under_another_name_is_another_entry (void **state)
{
    stage_t *stage = *state;
    zf_writer_t w = {0};
    stage_enter (stage, "b", "g");
    zf_zre_encode (&w, &(zf_zre_t){.id = ZF_ZRE_HELLO,
                                   .sequence = 1,
                                   .name = zf_bytes_of ("beta"),
                                   .endpoint = zf_bytes_of ("tcp://b:1")});
    stage_receive (stage, "b", zf_bytes (w.data, w.size));
    assert_effects (stage, "SEND 0, EXIT b: it has introduced itself as another, ENTER beta");
    zf_writer_free (&w);
}

/* -- places that are taken --------------------------------------------------------------------- */

static void forged_sighting_at_a_peers_place_does_not_touch_it (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_sight_at (stage, "x", "tcp://b:1", "evil");
    assert_effects (stage, "SEND 0");
    assert_line (stage, 0, "3 PING");
    stage_say (stage, "b", ZF_ZRE_PING_OK, NULL, NULL);
    stage_pass (stage, 3500);
    assert_effects (stage, "");
}

static void hello_from_where_a_candidate_is_thought_to_be_takes_its_place (void **state)
{
    stage_t *stage = *state;
    stage_sight_at (stage, "x", "tcp://b:1", "b");
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0");
    stage_hello (stage, "b", "");
    assert_effects (stage, "CLOSE 0, OPEN 1 tcp://b:1, SEND 1, ENTER b");
}

static void hello_from_where_a_peer_is_has_to_wait (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    zf_writer_t w = {0};
    zf_zre_encode (&w, &(zf_zre_t){.id = ZF_ZRE_HELLO,
                                   .sequence = 1,
                                   .name = zf_bytes_of ("x"),
                                   .endpoint = zf_bytes_of ("tcp://b:1")});
    stage_receive (stage, "x", zf_bytes (w.data, w.size));
    assert_effects (stage, "SEND 0");
    zf_roster_lost (stage->roster, 0, stage->now);
    stage_pass (stage, 500);
    assert_effects (stage, "");
    stage_pass (stage, 500);
    assert_effects (stage, "EXIT b: another node has taken its place, CLOSE 0");
    stage_receive (stage, "x", zf_bytes (w.data, w.size));
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0, ENTER x");
    zf_writer_free (&w);
}

static void node_that_starts_where_another_was_takes_its_place (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_sight_at (stage, "x", "tcp://b:1", "b");
    stage_pass (stage, 500);
    stage_sight_at (stage, "x", "tcp://b:1", "b");
    stage_pass (stage, 500);
    assert_effects (stage, "SEND 0, EXIT b: another node has taken its place, CLOSE 0, "
                           "OPEN 1 tcp://b:1, SEND 1");
}

/* -- namespaces -------------------------------------------------------------------------------- */

static void stranger_is_told_that_we_are_and_left_alone (void **state)
{
    stage_t *stage = *state;
    stage->space = "other";
    stage_sight (stage, "b");
    stage_hello (stage, "b", "");
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0");
    assert_line (stage, 0, "1 HELLO, 2 PING, 3 GOODBYE");
    assert_string_equal (stage->note, "b at tcp://b:1 is in another namespace: left alone");
    stage_pass (stage, ZF_ROSTER_GREET_MS);
    assert_effects (stage, "CLOSE 0");
    stage_sight (stage, "b");
    stage_hello (stage, "b", "");
    assert_effects (stage, "");
    stage_pass (stage, 60000);
    stage_sight (stage, "b");
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0");
}

static void stranger_that_says_hello_first_is_told (void **state)
{
    stage_t *stage = *state;
    stage->space = "other";
    stage_hello (stage, "b", "");
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0");
    assert_line (stage, 0, "1 HELLO, 2 PING, 3 GOODBYE");
}

static void nodes_of_one_namespace_meet (void **state)
{
    stage_t *stage = *state;
    stage_begin (stage, "ours", LINE_BYTES);
    stage_sight (stage, "b");
    stage_hello (stage, "b", "");
    assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0, ENTER b");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, stage_setup, stage_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (node_sighted_is_greeted_and_enters_with_its_hello),
        TEST (node_that_says_hello_first_is_greeted),
        TEST (hello_says_endpoint_name_groups_and_headers),
        TEST (header_is_replaced_and_taken_back),
        TEST (own_beacon_and_hello_are_ignored),
        TEST (identity_of_another_shape_is_an_error),
        TEST (candidate_that_does_not_answer_is_tried_less_and_less),
        TEST (candidate_not_sighted_again_is_forgotten),
        TEST (candidate_is_tried_at_its_next_endpoint),
        TEST (candidate_sighted_at_a_new_endpoint_is_greeted_at_once),
        TEST (candidate_that_refuses_is_tried_elsewhere_at_once),
        TEST (no_more_than_four_endpoints_are_kept),
        TEST (peer_that_does_not_hear_us_is_tried_everywhere_and_then_dropped),
        TEST (peer_that_says_that_it_is_elsewhere_is_tried_there_soon),
        TEST (candidate_that_was_reached_is_waited_for),
        TEST (peer_that_was_reached_is_waited_for),
        TEST (peer_that_was_reached_is_not_waited_for_for_ever),
        TEST (peer_that_was_reached_at_once_is_waited_for),
        TEST (candidate_whose_connection_was_lost_is_greeted_anew),
        TEST (peer_that_is_lost_both_ways_is_dropped),
        TEST (what_is_stuck_is_tried_again_by_another_way),
        TEST (peer_at_one_place_is_greeted_there_again),
        TEST (hello_that_may_be_lost_is_said_again),
        TEST (crowd_that_was_reached_makes_room),
        TEST (nobody_else_is_at_our_own_endpoint),
        TEST (goodbye_ends_it_at_once),
        TEST (bye_says_goodbye_to_all_and_greets_nobody_more),
        TEST (farewell_is_only_a_rumour),
        TEST (lost_connection_is_asked_about),
        TEST (node_that_was_lost_is_looked_for),
        TEST (sequence_with_a_gap_resets_the_peer),
        TEST (sequences_go_round),
        TEST (sequences_go_round_as_pyre_has_them),
        TEST (junk_from_a_peer_resets_it),
        TEST (peer_that_breaks_it_again_and_again_has_to_wait),
        TEST (hello_of_a_peer_is_a_restart),
        TEST (hello_that_answers_ours_is_no_restart),
        TEST (hello_soon_after_another_brings_a_question),
        TEST (hello_under_another_name_is_another_entry),
        TEST (forged_sighting_at_a_peers_place_does_not_touch_it),
        TEST (hello_from_where_a_candidate_is_thought_to_be_takes_its_place),
        TEST (hello_from_where_a_peer_is_has_to_wait),
        TEST (node_that_starts_where_another_was_takes_its_place),
        TEST (stranger_is_told_that_we_are_and_left_alone),
        TEST (stranger_that_says_hello_first_is_told),
        TEST (nodes_of_one_namespace_meet),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
