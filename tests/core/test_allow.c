/* What peers known by their keys may do: each command with and without the right, and rules that
 * change. */
#include "tests/core/alloc.h"
#include "tests/core/events.h"
#include "tests/core/known.h"

static void expect_error_words (peer_t *peer, const char *words)
{
    assert_non_null (peer->inbox);
    assert_int_equal (peer->inbox->command, ZF_CMD_ERROR);
    zf_reader_t r = zf_reader (peer->inbox->control);
    zf_mp_array (&r);
    zf_mp_uint (&r);
    assert_int_equal (zf_mp_uint (&r), -ZF_E_DENIED);
    assert_true (zf_bytes_equal (zf_mp_bytes (&r), zf_bytes_of (words)));
    assert_error (peer, ZF_E_DENIED);
}

/* -- posting ----------------------------------------------------------------------------------- */

static void post_without_right_is_refused_and_makes_nothing (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post other\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_post (anna, "jobs", "a b c");
    assert_refused (anna, "jobs", 1, 3, ZF_E_DENIED);
    assert_silence (anna);
    assert_int_equal (queues (rig), 0);
    assert_int_equal (rig->engine->counters.denied, 1);
    assert_int_equal (rig->engine->counters.peer_errors, 0);
    assert_told (rig, "anna (print of anna): may not post to 'jobs'");
}

static void post_with_right_is_taken (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post jobs\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_post (anna, "jobs", "a b");
    assert_confirmed (anna, "jobs", 1, 2);
    assert_int_equal (rig->engine->counters.denied, 0);
}

static void process_itself_is_not_asked (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post jobs\n");
    peer_t *self = rig_peer (rig, "self");
    peer_post (self, "other", "a");
    assert_confirmed (self, "other", 1, 1);
}

static void key_without_rules_may_everything (void **state)
{
    rig_t *rig = *state;
    peer_t *anna = known_peer (rig, "anna");
    peer_post (anna, "jobs", "a");
    assert_confirmed (anna, "jobs", 1, 1);
}

static void refused_posts_leave_no_gap (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post other\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_post (anna, "jobs", "a b");
    assert_refused (anna, "jobs", 1, 2, ZF_E_DENIED);
    anna->low = 3;
    set_rules (rig, "anna post jobs\n");
    peer_post (anna, "jobs", "c");
    assert_confirmed (anna, "jobs", 3, 1);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
}

static void what_was_taken_before_is_confirmed_again (void **state)
{
    rig_t *rig = *state;
    peer_t *anna = known_peer (rig, "anna");
    peer_post (anna, "jobs", "a b");
    assert_confirmed (anna, "jobs", 1, 2);
    set_rules (rig, "anna post other\n");
    peer_post_again (anna, "jobs", 1, "a b c", 1);
    assert_confirmed (anna, "jobs", 1, 2);
    assert_refused (anna, "jobs", 3, 1, ZF_E_DENIED);
    assert_int_equal (rig_info (rig, "jobs").length, 2);
}

static void post_into_a_stream_is_publishing (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "news");
    set_rules (rig, "anna post *\nben publish *\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_t *ben = known_peer (rig, "ben");
    peer_publish (anna, "news", "t", "x");
    assert_refused (anna, "news", 1, 1, ZF_E_DENIED);
    assert_told (rig, "may not publish to 'news'");
    peer_publish (ben, "news", "t", "x");
    assert_confirmed (ben, "news", 1, 1);
    peer_post (ben, "jobs", "x");
    assert_refused (ben, "jobs", 1, 1, ZF_E_DENIED);
    assert_told (rig, "may not post to 'jobs'");
}

static void post_that_would_make_a_stream_is_publishing (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post *\nben publish news\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_t *ben = known_peer (rig, "ben");
    send_make_stream (anna, "news");
    assert_refused (anna, "news", 1, 1, ZF_E_DENIED);
    assert_int_equal (queues (rig), 0);
    send_make_stream (ben, "news");
    assert_confirmed (ben, "news", 1, 1);
}

static void send_many (peer_t *peer, uint64_t number, const char *one, const char *other)
{
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    zf_mp_put_uint (&w, number);
    zf_mp_put_uint (&w, number);
    zf_mp_put_array (&w, 4);
    wire_put_text (&w, one);
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, other);
    zf_mp_put_uint (&w, 1);
    peer_write (peer, &w, wire_batch (1, "a b", NULL));
}

static void atomic_post_needs_all_rights (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post a b\n");
    peer_t *anna = known_peer (rig, "anna");
    send_many (anna, 1, "a", "c");
    assert_done (anna, 1, ZF_E_DENIED);
    assert_int_equal (queues (rig), 0);
    assert_null (rig->engine->atomics.table);
    send_many (anna, 2, "a", "b");
    assert_done (anna, 2, 0);
    set_rules (rig, "anna post a\n");
    send_many (anna, 2, "a", "b");
    assert_done (anna, 2, 0);
    send_many (anna, 3, "a", "b");
    assert_done (anna, 3, ZF_E_DENIED);
}

static void send_link (peer_t *peer, const char *queue)
{
    static const uint8_t uuid[ZF_UUID_BYTES] = {7};
    zf_writer_t w = wire_control (ZF_CMD_LINK, 2);
    wire_put_text (&w, queue);
    zf_mp_put_array (&w, 2);
    zf_mp_put_bin (&w, zf_bytes (uuid, sizeof uuid));
    wire_put_text (&w, "source");
    peer_write (peer, &w, NULL);
}

static void expect_linked (peer_t *peer, int code)
{
    assert_non_null (peer->inbox);
    assert_int_equal (peer->inbox->command, ZF_CMD_LINKED);
    zf_reader_t r = zf_reader (peer->inbox->control);
    zf_mp_array (&r);
    zf_mp_uint (&r);
    zf_mp_bytes (&r);
    zf_mp_uint (&r);
    assert_int_equal (zf_mp_uint (&r), -code);
    peer_forget_letters (peer);
}

static void link_needs_the_right_to_post (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post a\n");
    peer_t *anna = known_peer (rig, "anna");
    send_link (anna, "b");
    expect_linked (anna, ZF_E_DENIED);
    assert_int_equal (queues (rig), 0);
    send_link (anna, "a");
    expect_linked (anna, 0);
}

static void link_that_may_not_any_more_begins_anew (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post a\n");
    peer_t *anna = known_peer (rig, "anna");
    send_link (anna, "a");
    expect_linked (anna, 0);
    set_rules (rig, "anna post b\n");
    assert_reset (anna);
}

/* -- requests ---------------------------------------------------------------------------------- */

static void request_without_right_is_answered_so (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post echo\n");
    peer_t *anna = known_peer (rig, "anna");
    uint64_t number = peer_request (anna, "other", "a b");
    assert_denied (anna, number, ZF_E_DENIED);
    assert_denied (anna, number + 1, ZF_E_DENIED);
    assert_int_equal (queues (rig), 0);
    peer_request (anna, "echo", "c");
    assert_silence (anna);
    assert_int_equal (rig_info (rig, "echo").length, 1);
}

static void request_under_way_is_not_denied_when_it_comes_again (void **state)
{
    rig_t *rig = *state;
    peer_t *anna = known_peer (rig, "anna");
    uint64_t number = peer_request (anna, "echo", "a");
    set_rules (rig, "anna post other\n");
    anna->requested = number - 1;
    peer_request (anna, "echo", "a b");
    assert_denied (anna, number + 1, ZF_E_DENIED);
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    assert_delivered (w, "echo", "a", 1);
    peer_answer (w, "echo", "a", "yes", false);
    assert_answered (anna, number, "yes", false);
}

static void answers_are_fetched_by_who_may_post_something (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post echo\nben consume echo\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_t *ben = known_peer (rig, "ben");
    submit (anna, "echo", "id-1", "question");
    peer_consume (ben, "echo", 1);
    assert_delivered (ben, "echo", "question", 1);
    peer_answer (ben, "echo", "question", "yes", false);
    look_for_answer (ben, "id-1");
    expect_words (ben, ZF_E_DENIED, "may not fetch answers: it may not post anything");
    forget_answer (ben, "id-1");
    take_result (ben, ZF_E_DENIED, NULL);
    look_for_answer (anna, "id-1");
    take_result (anna, 0, NULL);
}

static void fetch_that_waits_ends_with_the_right (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna post echo\n");
    peer_t *anna = known_peer (rig, "anna");
    submit (anna, "echo", "id-1", "question");
    await_answer (anna, "id-1");
    assert_silence (anna);
    set_rules (rig, "anna consume echo\n");
    take_result (anna, ZF_E_DENIED, NULL);
    assert_silence (anna);
}

/* -- consuming --------------------------------------------------------------------------------- */

static void consume_without_right_is_told_which_queue (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "ben consume jobs\n");
    peer_t *ben = known_peer (rig, "ben");
    peer_consume (ben, "other", 1);
    expect_error_words (ben, "may not consume from 'other'");
    assert_int_equal (queues (rig), 0);
    assert_int_equal (rig->engine->counters.peer_errors, 0);
    peer_consume (ben, "jobs", 1);
    assert_silence (ben);
    assert_int_equal (rig_info (rig, "jobs").workers, 1);
}

static void consumer_that_may_not_any_more_loses_what_it_holds (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "ben consume jobs more\ncarl consume jobs\n");
    peer_t *ben = known_peer (rig, "ben");
    peer_t *carl = known_peer (rig, "carl");
    peer_t *p = rig_peer (rig, "p");
    peer_consume (ben, "jobs", 5);
    peer_consume (ben, "more", 5);
    peer_post (p, "jobs", "a b");
    assert_confirmed (p, "jobs", 1, 2);
    assert_delivered (ben, "jobs", "a b", 1);
    set_rules (rig, "ben consume more\ncarl consume jobs\n");
    expect_error_words (ben, "may not consume from 'jobs'");
    assert_silence (ben);
    assert_told (rig, "jobs: ben: not allowed any more");
    peer_consume (carl, "jobs", 5);
    assert_delivered (carl, "jobs", "a b", 2);
    peer_post (p, "more", "c");
    assert_delivered (ben, "more", "c", 1);
    peer_ack (ben, "jobs", "a");
    assert_int_equal (rig->engine->counters.stale, 1);
}

static void new_name_of_a_key_is_looked_at_at_once (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "ben consume jobs\n");
    peer_t *ben = known_peer (rig, "ben");
    peer_consume (ben, "jobs", 1);
    zf_subject_t subject = subject_of ("ben");
    snprintf (subject.name, sizeof subject.name, "bert");
    zf_engine_identify (ben->session, &subject);
    rig_turn (rig);
    expect_error_words (ben, "may not consume from 'jobs'");
    assert_int_equal (rig_info (rig, "jobs").workers, 0);
}

static void group_goes_by_its_stream (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "news");
    set_rules (rig, "ben consume news\ncarl consume news@night\n");
    peer_t *ben = known_peer (rig, "ben");
    peer_t *carl = known_peer (rig, "carl");
    peer_consume (ben, "news@day", 1);
    assert_silence (ben);
    peer_consume (carl, "news@day", 1);
    expect_error_words (carl, "may not consume from 'news@day'");
    peer_consume (carl, "news@night", 1);
    assert_silence (carl);
}

/* -- subscribing ------------------------------------------------------------------------------- */

static int code_of_subscribed (peer_t *peer)
{
    assert_non_null (peer->inbox);
    assert_int_equal (peer->inbox->command, ZF_CMD_SUBSCRIBED);
    zf_reader_t r = zf_reader (peer->inbox->control);
    zf_mp_array (&r);
    zf_mp_uint (&r);
    zf_mp_uint (&r);
    int code = -(int) zf_mp_uint (&r);
    peer_forget_letters (peer);
    return code;
}

static void subscribe_without_right_is_refused_and_makes_nothing (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna subscribe news\n");
    peer_t *anna = known_peer (rig, "anna");
    subscribe_t other = {.number = 1, .flags = ZF_MAKE_STREAM, .stream = "other", .patterns = ""};
    events_subscribe_as (anna, &other);
    assert_int_equal (code_of_subscribed (anna), ZF_E_DENIED);
    assert_int_equal (queues (rig), 0);
    subscribe_t news = {.number = 1, .flags = ZF_MAKE_STREAM, .stream = "news", .patterns = ""};
    events_subscribe_as (anna, &news);
    assert_int_equal (code_of_subscribed (anna), 0);
}

static void subscription_ends_with_the_right (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "news");
    set_rules (rig, "anna subscribe news\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_t *p = rig_peer (rig, "p");
    events_subscribe (anna, "news", ZF_FROM_NEW, 0, "");
    assert_int_equal (code_of_subscribed (anna), 0);
    set_rules (rig, "anna subscribe other\n");
    assert_int_equal (code_of_subscribed (anna), ZF_E_DENIED);
    peer_publish (p, "news", "t", "x");
    assert_silence (anna);
}

static void await_needs_the_right_to_publish_or_to_subscribe (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "news");
    set_rules (rig, "anna publish news\nben subscribe news\ncarl post news\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_t *ben = known_peer (rig, "ben");
    peer_t *carl = known_peer (rig, "carl");
    events_await (anna, 1, "news", "t", 0, 0);
    take_result (anna, 0, NULL);
    events_await (ben, 1, "news", "t", 1, 0);
    assert_silence (ben);
    events_await (carl, 1, "news", "t", 0, 0);
    take_result (carl, ZF_E_DENIED, NULL);
    set_rules (rig, "anna publish news\n");
    take_result (ben, ZF_E_DENIED, NULL);
}

/* -- administering ----------------------------------------------------------------------------- */

static void every_verb_needs_its_right (void **state)
{
    static const char *const verbs[] = {"queue",   "declare", "peek",      "purge",
                                        "requeue", "discard", "upstreams", "stream",
                                        "group",   "forget",  "trim",      "stats"};
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    rig_declare (rig, "jobs", &policy);
    set_rules (rig, "anna administer other\n");
    peer_t *anna = known_peer (rig, "anna");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        uint64_t denied = rig->engine->counters.denied;
        peer_admin (anna, verbs[i], "jobs", NULL);
        take_result (anna, ZF_E_DENIED, NULL);
        assert_int_equal (rig->engine->counters.denied, denied + 1);
    }
    assert_int_equal (queues (rig), 1);
}

static void queues_are_those_that_one_may_administer (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    char name[32];
    for (int i = 0; i < 450; i++) {
        snprintf (name, sizeof name, "%s.%d", i % 2 == 0 ? "mine" : "theirs", i);
        rig_declare (rig, name, &policy);
    }
    set_rules (rig, "anna administer mine*\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_t *ben = known_peer (rig, "ben");
    peer_admin (anna, "queues", "", NULL);
    zf_reader_t r = take_result (anna, 0, NULL);
    assert_int_equal (zf_mp_array (&r), 200);
    r = take_result (anna, 0, NULL);
    assert_int_equal (zf_mp_array (&r), 25);
    assert_silence (anna);
    peer_admin (ben, "queues", "", NULL);
    r = take_result (ben, 0, NULL);
    assert_int_equal (zf_mp_array (&r), 0);
    assert_silence (ben);
}

static void figures_are_for_who_may_administer_all (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna administer *\nben administer jobs\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_t *ben = known_peer (rig, "ben");
    peer_admin (anna, "stats", "", NULL);
    take_result (anna, 0, NULL);
    peer_admin (ben, "stats", "", NULL);
    take_result (ben, ZF_E_DENIED, NULL);
    peer_admin (ben, "stats", "jobs", NULL);
    take_result (ben, ZF_E_DENIED, NULL);
}

static void consumers_may_ask_what_they_need (void **state)
{
    rig_t *rig = *state;
    events_stream (rig, "news");
    set_rules (rig, "ben consume news\n");
    peer_t *ben = known_peer (rig, "ben");
    peer_admin (ben, "stream", "news", NULL);
    take_result (ben, 0, NULL);
    zf_writer_t w = {0};
    zf_mp_put_map (&w, 0);
    peer_admin (ben, "group", "news@night", &w);
    take_result (ben, 0, NULL);
    peer_admin (ben, "queue", "news@night", NULL);
    take_result (ben, 0, NULL);
    peer_admin (ben, "upstreams", "news@night", NULL);
    take_result (ben, 0, NULL);
    peer_admin (ben, "purge", "news@night", NULL);
    expect_words (ben, ZF_E_DENIED, "may not administer 'news@night'");
}

static void dead_letters_go_where_one_may_administer (void **state)
{
    rig_t *rig = *state;
    set_rules (rig, "anna administer jobs mine\n");
    peer_t *anna = known_peer (rig, "anna");
    zf_policy_t policy = rig_policy ();
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "theirs");
    zf_writer_t w = {0};
    zf_policy_encode (&w, &policy);
    peer_admin (anna, "declare", "jobs", &w);
    expect_words (anna, ZF_E_DENIED, "may not administer 'theirs'");
    assert_int_equal (queues (rig), 0);
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "mine");
    w = (zf_writer_t){0};
    zf_policy_encode (&w, &policy);
    peer_admin (anna, "declare", "jobs", &w);
    take_result (anna, 0, NULL);
}

/* -- identities -------------------------------------------------------------------------------- */

static void identity_of_another_key_is_not_taken_over (void **state)
{
    rig_t *rig = *state;
    peer_t *anna = known_peer (rig, "anna");
    uint64_t number = peer_request (anna, "echo", "a");
    peer_t *eve = rig_stranger (rig, "eve");
    zf_subject_t subject = subject_of ("eve");
    zf_engine_identify (eve->session, &subject);
    memcpy (eve->uuid, anna->uuid, sizeof eve->uuid);
    zf_writer_t w = wire_control (ZF_CMD_HELLO, 3);
    zf_mp_put_uint (&w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (&w, zf_bytes (eve->uuid, sizeof eve->uuid));
    zf_mp_put_map (&w, 0);
    peer_write (eve, &w, NULL);
    assert_error (eve, ZF_E_DENIED);
    peer_t *worker = rig_worker (rig, "w", "echo", 1);
    assert_delivered (worker, "echo", "a", 1);
    peer_answer (worker, "echo", "a", "yes", false);
    assert_answered (anna, number, "yes", false);
}

/* -- memory ------------------------------------------------------------------------------------ */

/* Somebody is denied all that there is, and loses what he had, while the n-th allocation fails. */
static bool play_without_memory (size_t n)
{
    rig_t *rig = rig_new (NULL);
    events_stream (rig, "news");
    set_rules (rig, "anna post,consume,subscribe,administer news jobs\n");
    peer_t *anna = known_peer (rig, "anna");
    peer_consume (anna, "jobs", 1);
    events_subscribe (anna, "news", ZF_FROM_NEW, 0, "");
    submit (rig_peer (rig, "p"), "jobs", "id-1", "question");
    await_answer (anna, "id-1");
    peer_forget_letters (anna);
    zf_access_t *none = rules_of ("ben post jobs\n");
    alloc_fail (n, 1);
    alloc_enter ();
    zf_engine_access (rig->engine, none);
    alloc_leave ();
    rig_turn (rig);
    if (anna->session != NULL)
        peer_post (anna, "other", "a");
    if (anna->session != NULL)
        peer_request (anna, "other", "a");
    if (anna->session != NULL)
        peer_consume (anna, "other", 1);
    bool all = alloc_failures () == 0;
    alloc_fail (0, 0);
    assert_int_equal (queues (rig), 2);
    assert_int_equal (rig_info (rig, "jobs").workers, 0);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
    assert_int_equal (rig_info (rig, "news").subscribers, 0);
    rig_free (rig);
    return all;
}

static void denial_needs_no_memory (void **state)
{
    (void) state;
    size_t n = 1;
    while (!play_without_memory (n))
        assert_in_range (n++, 1, 200);
    assert_true (n > 1);
}

#define rig_case(test) cmocka_unit_test_setup_teardown (test, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        rig_case (post_without_right_is_refused_and_makes_nothing),
        rig_case (post_with_right_is_taken),
        rig_case (process_itself_is_not_asked),
        rig_case (key_without_rules_may_everything),
        rig_case (refused_posts_leave_no_gap),
        rig_case (what_was_taken_before_is_confirmed_again),
        rig_case (post_into_a_stream_is_publishing),
        rig_case (post_that_would_make_a_stream_is_publishing),
        rig_case (atomic_post_needs_all_rights),
        rig_case (link_needs_the_right_to_post),
        rig_case (link_that_may_not_any_more_begins_anew),
        rig_case (request_without_right_is_answered_so),
        rig_case (request_under_way_is_not_denied_when_it_comes_again),
        rig_case (answers_are_fetched_by_who_may_post_something),
        rig_case (fetch_that_waits_ends_with_the_right),
        rig_case (consume_without_right_is_told_which_queue),
        rig_case (consumer_that_may_not_any_more_loses_what_it_holds),
        rig_case (new_name_of_a_key_is_looked_at_at_once),
        rig_case (group_goes_by_its_stream),
        rig_case (subscribe_without_right_is_refused_and_makes_nothing),
        rig_case (subscription_ends_with_the_right),
        rig_case (await_needs_the_right_to_publish_or_to_subscribe),
        rig_case (every_verb_needs_its_right),
        rig_case (queues_are_those_that_one_may_administer),
        rig_case (figures_are_for_who_may_administer_all),
        rig_case (consumers_may_ask_what_they_need),
        rig_case (dead_letters_go_where_one_may_administer),
        rig_case (identity_of_another_key_is_not_taken_over),
        cmocka_unit_test (denial_needs_no_memory),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
