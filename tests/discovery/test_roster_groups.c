/* Groups, shouts and whispers; lines and what has no room in them. */
#include "core/log.h"
#include "tests/discovery/roster_stage.h"
#include <stdio.h>
#include <zferry/error.h>

#define TEXT 256

static zf_bytes_t of (const char *text)
{
    return zf_bytes_of (text);
}

static bool append (void *arg, const char *group)
{
    char *text = arg;
    size_t size = strlen (text);
    snprintf (text + size, TEXT - size, "%s ", group);
    return true;
}

static const char *groups_of (stage_t *stage, const char *node)
{
    static char text[TEXT];
    text[0] = 0;
    zf_roster_groups_of (stage->roster, node != NULL ? uuid_of (node) : NULL, append, text);
    return text;
}

/* -- groups ------------------------------------------------------------------------------------ */

static void joins_and_leaves_of_others_are_told (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "g");
    stage_say (stage, "b", ZF_ZRE_JOIN, "h", NULL);
    stage_say (stage, "b", ZF_ZRE_JOIN, "h", NULL);
    stage_say (stage, "b", ZF_ZRE_LEAVE, "g", NULL);
    stage_say (stage, "b", ZF_ZRE_LEAVE, "g", NULL);
    assert_effects (stage, "JOIN b h, LEAVE b g");
    assert_string_equal (groups_of (stage, "b"), "h ");
}

static void wrong_count_of_groups_resets_the_peer (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "g");
    stage->status['b'] = 7;
    stage_say (stage, "b", ZF_ZRE_JOIN, "h", NULL);
    assert_effects (stage, "EXIT b: its count of groups is wrong, CLOSE 0, OPEN 1 tcp://b:1, "
                           "SEND 1");
}

static void count_of_groups_goes_round (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    for (int i = 0; i < 300; i++) {
        stage_say (stage, "b", ZF_ZRE_JOIN, "h", NULL);
        stage_say (stage, "b", ZF_ZRE_LEAVE, "h", NULL);
        assert_effects (stage, "JOIN b h, LEAVE b h");
    }
}

static void own_joins_are_told_to_all_who_have_our_hello (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_sight (stage, "c");
    assert_int_equal (zf_roster_join (stage->roster, of ("g")), 0);
    assert_int_equal (zf_roster_join (stage->roster, of ("g")), 0);
    assert_int_equal (zf_roster_join (stage->roster, of ("h")), 0);
    assert_int_equal (zf_roster_leave (stage->roster, of ("g")), 0);
    assert_line (stage, 0, "3 JOIN g, 4 JOIN h, 5 LEAVE g");
    assert_line (stage, 1, "1 HELLO, 2 PING, 3 JOIN g, 4 JOIN h, 5 LEAVE g");
    assert_string_equal (groups_of (stage, NULL), "h ");
    assert_int_equal (zf_roster_join (stage->roster, of ("")), ZF_E_INVAL);
    assert_int_equal (zf_roster_leave (stage->roster, of ("never")), 0);
}

static void node_in_too_many_groups_is_reset (void **state)
{
    stage_t *stage = *state;
    char name[32];
    stage_enter (stage, "b", "");
    for (int i = 0; i < ZF_ZRE_GROUPS_MAX; i++) {
        snprintf (name, sizeof name, "g%d", i);
        stage_say (stage, "b", ZF_ZRE_JOIN, name, NULL);
    }
    stage_effects (stage);
    stage_say (stage, "b", ZF_ZRE_JOIN, "more", NULL);
    assert_effects (stage, "EXIT b: it is in too many groups, CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
}

static void node_with_too_many_bytes_of_headers_does_not_enter (void **state)
{
    stage_t *stage = *state;
    zf_writer_t headers = {0}, w = {0};
    zf_writer_t value = {0};
    zf_roster_stats_t stats;
    memset (zf_writer_reserve (&value, ZF_ROSTER_NODE_BYTES), 'x', ZF_ROSTER_NODE_BYTES);
    zf_zre_put_header (&headers, of ("X"), zf_bytes (value.data, value.size));
    zf_zre_encode (&w, &(zf_zre_t){.id = ZF_ZRE_HELLO,
                                   .sequence = 1,
                                   .endpoint = of ("tcp://b:1"),
                                   .headers = zf_bytes (headers.data, headers.size),
                                   .header_count = 1});
    stage_receive (stage, "b", zf_bytes (w.data, w.size));
    assert_effects (stage, "");
    zf_roster_stats (stage->roster, &stats);
    assert_int_equal (stats.errors, 1);
    zf_writer_free (&headers);
    zf_writer_free (&value);
    zf_writer_free (&w);
}

/* -- talking ----------------------------------------------------------------------------------- */

static void shout_goes_to_all_in_the_group (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "g");
    stage_enter (stage, "c", "");
    stage_enter (stage, "d", "g h");
    assert_int_equal (stage_shout (stage, "g", "hello"), 0);
    assert_effects (stage, "SEND 0, SEND 2");
    assert_line (stage, 0, "3 SHOUT g hello");
    assert_line (stage, 1, "");
    assert_line (stage, 2, "3 SHOUT g hello");
    assert_int_equal (stage_shout (stage, "nobody", "hello"), 0);
}

static void shouts_are_one_letter_with_a_number_for_each (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "g");
    stage_whisper (stage, "b", "first");
    stage_enter (stage, "c", "g");
    zf_frame_t *frame = zf_frame_of (of ("all"));
    zf_roster_shout (stage->roster, of ("g"), &frame, 1);
    assert_int_equal (frame->holders, 2);
    assert_line (stage, 1, "3 SHOUT g all");
    assert_int_equal (frame->holders, 2);
    assert_line (stage, 0, "4 SHOUT g all");
    assert_int_equal (frame->holders, 1);
    zf_frame_drop (frame);
}

static void whisper_goes_to_one (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_sight (stage, "c");
    assert_int_equal (stage_whisper (stage, "b", "psst"), 0);
    assert_line (stage, 0, "3 WHISPER psst");
    assert_int_equal (stage_whisper (stage, "c", "psst"), ZF_E_NOT_FOUND);
    assert_int_equal (stage_whisper (stage, "x", "psst"), ZF_E_NOT_FOUND);
}

static void messages_that_come_are_told (void **state)
{
    stage_t *stage = *state;
    zf_roster_join (stage->roster, of ("g"));
    stage_enter (stage, "b", "g");
    stage_say (stage, "b", ZF_ZRE_WHISPER, NULL, "psst");
    stage_say (stage, "b", ZF_ZRE_SHOUT, "g", "hello");
    stage_say (stage, "b", ZF_ZRE_SHOUT, "not ours", "hello");
    assert_effects (stage, "WHISPER b psst, SHOUT b g hello");
}

static void large_frames_that_come_are_held_and_small_ones_copied (void **state)
{
    stage_t *stage = *state;
    uint8_t identity[1 + ZF_UUID_BYTES] = {1};
    zf_writer_t w = {0};
    zf_roster_effect_t effect;
    stage_enter (stage, "b", "");
    memcpy (identity + 1, uuid_of ("b"), ZF_UUID_BYTES);
    zf_zre_encode (&w, &(zf_zre_t){.id = ZF_ZRE_WHISPER, .sequence = 3});
    zf_frame_t *frames[] = {zf_frame_new (65536), zf_frame_of (of ("small"))};
    memset (frames[0]->data, 'x', frames[0]->size);
    zf_roster_received (stage->roster, zf_bytes (identity, sizeof identity),
                        zf_bytes (w.data, w.size), frames, 2, of ("tcp://a:1"), stage->now);
    assert_true (zf_roster_next (stage->roster, &effect));
    assert_int_equal (effect.type, ZF_ROSTER_WHISPER);
    assert_int_equal (effect.count, 2);
    assert_ptr_equal (effect.content[0], frames[0]);
    assert_ptr_not_equal (effect.content[1], frames[1]);
    assert_memory_equal (effect.content[1]->data, "small", 5);
    assert_int_equal (frames[0]->holders, 2);
    assert_false (zf_roster_next (stage->roster, &effect));
    assert_int_equal (frames[0]->holders, 1);
    zf_frame_drop (frames[0]);
    zf_frame_drop (frames[1]);
    zf_writer_free (&w);
}

/* -- lines ------------------------------------------------------------------------------------- */

static void full_line_misses_messages_and_no_number (void **state)
{
    stage_t *stage = *state;
    zf_node_view_t view;
    int taken = 0;
    stage_enter (stage, "b", "g");
    while (stage_whisper (stage, "b", "0123456789") == 0)
        taken++;
    assert_in_range (taken, 5, LINE_BYTES / 10);
    assert_int_equal (stage_shout (stage, "g", "missed"), 0);
    assert_true (zf_roster_find (stage->roster, uuid_of ("b"), &view));
    assert_int_equal (view.dropped, 2);
    assert_string_equal (stage->note, "");
    stage_effects (stage);
    assert_string_equal (stage->note, "b does not read fast enough: it misses messages");
    stage_line (stage, 0);
    assert_int_equal (stage_whisper (stage, "b", "again"), 0);
    char text[64];
    snprintf (text, sizeof text, "%d WHISPER again", taken + 3);
    assert_line (stage, 0, text);
}

static void message_larger_than_a_line_goes_if_the_line_is_empty (void **state)
{
    stage_t *stage = *state;
    char large[2 * LINE_BYTES + 1];
    memset (large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    stage_enter (stage, "b", "");
    assert_int_equal (stage_whisper (stage, "b", large), 0);
    assert_int_equal (stage_whisper (stage, "b", "x"), ZF_E_AGAIN);
    assert_int_equal (zf_roster_join (stage->roster, of ("g")), 0);
    stage_pass (stage, 10);
    assert_effects (stage, "SEND 0");
}

static void others_get_what_one_misses (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "g");
    stage_enter (stage, "c", "g");
    for (int i = 0; i < 100; i++) {
        stage_shout (stage, "g", "0123456789");
        assert_string_not_equal (stage_line (stage, 1), "");
    }
    assert_string_not_equal (stage_line (stage, 0), "");
    assert_int_equal (stage->sequence['b'], 2);
}

static void peer_that_does_not_even_read_the_protocol_is_dropped (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    for (int i = 0; i < 20; i++)
        stage_say (stage, "b", ZF_ZRE_PING, NULL, NULL);
    assert_effects (stage, "SEND 0, EXIT b: it does not read, CLOSE 0, OPEN 1 tcp://b:1, SEND 1");
}

static void questions_pass_what_waits (void **state)
{
    stage_t *stage = *state;
    zf_bytes_t frame;
    zf_frame_t *const *content;
    size_t count;
    stage_enter (stage, "b", "");
    stage_whisper (stage, "b", "one");
    stage_whisper (stage, "b", "two");
    assert_true (zf_roster_peek (stage->roster, 0, &frame, &content, &count));
    stage_farewell (stage, "b");
    zf_roster_pop (stage->roster, 0);
    assert_line (stage, 0, "4 PING, 5 WHISPER two");
}

static void send_is_said_once_until_the_line_is_empty (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_whisper (stage, "b", "one");
    stage_whisper (stage, "b", "two");
    assert_effects (stage, "SEND 0");
    zf_roster_pop (stage->roster, 0);
    stage_whisper (stage, "b", "three");
    assert_effects (stage, "");
    stage_drain (stage);
    stage_whisper (stage, "b", "four");
    assert_effects (stage, "SEND 0");
}

static void slot_is_not_used_again_before_it_is_known_to_be_closed (void **state)
{
    stage_t *stage = *state;
    stage_enter (stage, "b", "");
    stage_say (stage, "b", ZF_ZRE_GOODBYE, NULL, NULL);
    assert_line (stage, 0, "");
    zf_roster_lost (stage->roster, 0, stage->now);
    stage_sight (stage, "c");
    assert_effects (stage, "EXIT b: it said goodbye, CLOSE 0, OPEN 1 tcp://c:1, SEND 1");
    stage_sight (stage, "d");
    assert_effects (stage, "OPEN 0 tcp://d:1, SEND 0");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, stage_setup, stage_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (joins_and_leaves_of_others_are_told),
        TEST (wrong_count_of_groups_resets_the_peer),
        TEST (count_of_groups_goes_round),
        TEST (own_joins_are_told_to_all_who_have_our_hello),
        TEST (node_in_too_many_groups_is_reset),
        TEST (node_with_too_many_bytes_of_headers_does_not_enter),
        TEST (shout_goes_to_all_in_the_group),
        TEST (shouts_are_one_letter_with_a_number_for_each),
        TEST (whisper_goes_to_one),
        TEST (messages_that_come_are_told),
        TEST (large_frames_that_come_are_held_and_small_ones_copied),
        TEST (full_line_misses_messages_and_no_number),
        TEST (message_larger_than_a_line_goes_if_the_line_is_empty),
        TEST (others_get_what_one_misses),
        TEST (peer_that_does_not_even_read_the_protocol_is_dropped),
        TEST (questions_pass_what_waits),
        TEST (send_is_said_once_until_the_line_is_empty),
        TEST (slot_is_not_used_again_before_it_is_known_to_be_closed),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
