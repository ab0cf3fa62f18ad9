/* Majordomo peers that break the protocol, are late, or whose requests come to nothing. */
#include "tests/core/alloc.h"
#include "tests/core/majordomo.h"
#include "tests/core/rand.h"
#include <stdio.h>

/* Whatever happened, a worker and a client who do nothing wrong are served. */
static void expect_service_for_others (case_t *c)
{
    talk_say (c->talk, "good worker", "%s\1|good", c->v->worker);
    talk_say (c->talk, "good client", "%sgood|still there?", c->v->request);
    expect_request (c, "good worker", "good client", "still there?");
    answer (c, "good worker", "good client", "yes");
    talk_expect (c->talk, "good client", "%sgood|yes", c->v->reply);
}

/* -- workers ----------------------------------------------------------------------------------- */

/* A worker that is ready says this, is expelled, and its request goes to another. */
static void expect_worker_expelled_for (case_t *c, const char *command)
{
    uint64_t errors = c->counters->peer_errors;
    ready (c, "bad");
    ask (c, "client", "x");
    expect_request (c, "bad", "client", "x");
    talk_say (c->talk, "bad", "%s%s", c->v->worker, command);
    expect_expelled (c, "bad");
    assert_int_equal (c->counters->peer_errors, errors + 1);
    ready (c, "other");
    expect_request (c, "other", "client", "x");
    answer (c, "other", "client", "y");
    expect_reply (c, "client", "y");
    talk_say (c->talk, "other", "%s%s", c->v->worker, c->v->disconnect);
}

static void ready_twice_is_answered_with_disconnect (void **state)
{
    expect_worker_expelled_for (*state, "\1|echo");
    expect_worker_expelled_for (*state, "\1|other");
}

static void malformed_commands_are_answered_with_disconnect (void **state)
{
    case_t *c = *state;
    const char *const commands[] = {
        "",
        "\7",
        "\2",
        "\2|client||x",
        "\1",
        "\1|echo|more",
        "\200",
        "FINAL",
        "\3",
        "\4",
        "\3|client",
        "\3|client|",
        "\4|client",
        "\4|client|",
        "\3|client|full|x",
        "\4|client|full|x",
        "\5|more",
        "\6|more",
        "\4|more",
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp (commands[i], c->v->heartbeat) != 0)
            expect_worker_expelled_for (c, commands[i]);
    }
    expect_service_for_others (c);
}

static void mdp1_knows_no_command_6 (void **state)
{
    expect_worker_expelled_for (*state, "\6");
}

static void command_0_is_answered_with_disconnect (void **state)
{
    case_t *c = *state;
    zf_bytes_t reply[] = {zf_bytes_of (""),       zf_bytes_of ("MDPW01"), zf_bytes ("", 1),
                          zf_bytes_of ("client"), zf_bytes_of (""),       zf_bytes_of ("y")};
    ready (c, "w");
    ask (c, "client", "x");
    expect_request (c, "w", "client", "x");
    talk_say_frames (c->talk, "w", reply, 6);
    expect_expelled (c, "w");
    talk_expect_silence (c->talk, "client");
}

static void header_alone_is_answered_with_disconnect (void **state)
{
    case_t *c = *state;
    bool delimited = c->v->worker[0] == '|';
    talk_say (c->talk, "w", "%s", delimited ? "|MDPW01" : "MDPW02");
    expect_expelled (c, "w");
    assert_int_equal (c->counters->peer_errors, 1);
}

static void reply_before_ready_is_answered_with_disconnect (void **state)
{
    case_t *c = *state;
    answer (c, "w", "client", "x");
    expect_expelled (c, "w");
    assert_int_equal (c->counters->peer_errors, 1);
}

static void bad_names_are_not_registered (void **state)
{
    case_t *c = *state;
    char name[ZF_NAME_MAX + 2];
    memset (name, 'x', sizeof name);
    name[ZF_NAME_MAX + 1] = '\0';
    const char *const names[] = {"", "mmi.service", "mmi.", "mmi.anything", "new\nline", name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        talk_say (c->talk, "w", "%s\1|%s", c->v->worker, names[i]);
        expect_expelled (c, "w");
        assert_int_equal (c->counters->peer_errors, i + 1);
        assert_null (zf_engine_find (talk_engine (c->talk), zf_bytes_of (names[i])));
    }
}

static void longest_name_is_registered (void **state)
{
    case_t *c = *state;
    char name[ZF_NAME_MAX + 1];
    memset (name, 'x', sizeof name);
    name[ZF_NAME_MAX] = '\0';
    talk_say (c->talk, "w", "%s\1|%s", c->v->worker, name);
    talk_say (c->talk, "client", "%s%s|hello", c->v->request, name);
    expect_request (c, "w", "client", "hello");
}

static void worker_is_turned_away_when_there_are_too_many_services (void **state)
{
    case_t *c = *state;
    talk_engine (c->talk)->options.max_queues = 1;
    ready (c, "w");
    talk_say (c->talk, "w2", "%s\1|other", c->v->worker);
    expect_expelled (c, "w2");
    talk_say (c->talk, "client", "%sother|x", c->v->request);
    talk_expect_silence (c->talk, "client");
    assert_int_equal (c->counters->answers_dropped, 1);
    assert_int_equal (c->counters->peer_errors, 0);
}

static void worker_that_becomes_something_else_is_expelled (void **state)
{
    case_t *c = *state;
    bool delimited = c->v->worker[0] == '|';
    const char *const others[] = {"|MDPC01|echo|x", "MDPC02|\1|echo|x", "hello", "",
                                  delimited ? "MDPW02|\5" : "|MDPW01|\4"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ready (c, "w");
        talk_say (c->talk, "w", "%s", others[i]);
        expect_expelled (c, "w");
        assert_int_equal (c->counters->peer_errors, i + 1);
    }
}

static void reply_that_is_too_large_is_refused (void **state)
{
    case_t *c = *state;
    char frames[2 * (ZF_FRAMES_MAX + 1)];
    for (size_t i = 0; i < sizeof frames; i += 2)
        memcpy (frames + i, "x|", 2);
    frames[sizeof frames - 1] = '\0';
    ready (c, "w");
    ask (c, "client", "x");
    expect_request (c, "w", "client", "x");
    answer (c, "w", "client", frames);
    expect_expelled (c, "w");
    assert_int_equal (c->counters->peer_errors, 1);
    frames[2 * ZF_FRAMES_MAX - 1] = '\0';
    ready (c, "w");
    expect_request (c, "w", "client", "x");
    answer (c, "w", "client", frames);
    expect_reply (c, "client", frames);
}

/* -- replies that nobody waits for ------------------------------------------------------------- */

static void reply_to_another_address_is_stale_and_the_right_one_still_counts (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "client", "x");
    ask (c, "second", "z");
    expect_request (c, "w", "client", "x");
    answer (c, "w", "second", "y");
    answer (c, "w", "clien", "y");
    answer (c, "w", "", "y");
    assert_int_equal (c->counters->stale, 3);
    talk_expect_silence (c->talk, "second");
    talk_expect_silence (c->talk, "w");
    answer (c, "w", "client", "y");
    expect_reply (c, "client", "y");
    expect_request (c, "w", "second", "z");
}

static void reply_that_nobody_asked_for_is_stale (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    answer (c, "w", "client", "x");
    assert_int_equal (c->counters->stale, 1);
    ask (c, "client", "x");
    expect_request (c, "w", "client", "x");
    answer (c, "w", "client", "y");
    answer (c, "w", "client", "y");
    expect_reply (c, "client", "y");
    talk_expect_silence (c->talk, "client");
    assert_int_equal (c->counters->stale, 2);
    assert_non_null (talk_session (c->talk, "w"));
}

/* The worker lives on, but does not answer, and gets nothing but heartbeats. */
static void pass_a_lease (case_t *c, const char *worker)
{
    for (uint64_t i = 0; i < TALK_LEASE_MS / TALK_BEAT_MS; i++) {
        talk_advance (c->talk, TALK_BEAT_MS);
        heartbeat (c, worker);
        expect_heartbeat (c, worker);
        talk_expect_silence (c->talk, worker);
    }
}

static void late_reply_is_dropped_and_never_taken_for_another (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "client", "old");
    expect_request (c, "w", "client", "old");
    pass_a_lease (c, "w");
    ready (c, "w2");
    expect_request (c, "w2", "client", "old");
    answer (c, "w2", "client", "old reply");
    expect_reply (c, "client", "old reply");
    talk_say (c->talk, "w2", "%s%s", c->v->worker, c->v->disconnect);
    ask (c, "client", "new");
    talk_expect_silence (c->talk, "w");
    answer (c, "w", "client", "late");
    talk_expect_silence (c->talk, "client");
    assert_int_equal (c->counters->stale, 1);
    expect_request (c, "w", "client", "new");
    answer (c, "w", "client", "new reply");
    expect_reply (c, "client", "new reply");
}

static void late_part_is_stale_and_the_worker_stays_busy (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "client", "x");
    expect_request (c, "w", "client", "x");
    pass_a_lease (c, "w");
    talk_say (c->talk, "w", "MDPW02|\3|client||part");
    assert_int_equal (c->counters->stale, 1);
    talk_expect_silence (c->talk, "client");
    talk_expect_silence (c->talk, "w");
    answer (c, "w", "client", "y");
    assert_int_equal (c->counters->stale, 2);
    expect_request (c, "w", "client", "x");
}

/* -- requests that come to nothing ------------------------------------------------------------- */

static void request_that_nobody_serves_expires_in_silence (void **state)
{
    case_t *c = *state;
    ask (c, "client", "x");
    talk_advance (c->talk, TALK_IDLE_MS + TALK_LEASE_MS);
    talk_expect_silence (c->talk, "client");
    assert_int_equal (c->counters->answers_dropped, 1);
    ready (c, "w");
    talk_expect_silence (c->talk, "w");
    expect_rest (c);
    ask (c, "client", "again");
    expect_request (c, "w", "client", "again");
}

static void queue_with_a_time_to_live_expires_requests_by_it (void **state)
{
    case_t *c = *state;
    talk_engine (c->talk)->options.policy.ttl_ms = 300;
    ask (c, "client", "x");
    talk_advance (c->talk, 299);
    assert_int_equal (c->counters->answers_dropped, 0);
    talk_advance (c->talk, 1);
    assert_int_equal (c->counters->answers_dropped, 1);
    expect_rest (c);
}

static void worker_of_an_expired_request_stays_busy_until_it_answers (void **state)
{
    case_t *c = *state;
    talk_engine (c->talk)->options.policy.ttl_ms = 300;
    ready (c, "w");
    ask (c, "client", "old");
    expect_request (c, "w", "client", "old");
    talk_advance (c->talk, 300);
    assert_int_equal (c->counters->answers_dropped, 1);
    ask (c, "client", "new");
    talk_expect_silence (c->talk, "w");
    answer (c, "w", "client", "late");
    talk_expect_silence (c->talk, "client");
    expect_request (c, "w", "client", "new");
    answer (c, "w", "client", "in time");
    expect_reply (c, "client", "in time");
}

static void request_is_given_up_after_its_attempts (void **state)
{
    case_t *c = *state;
    ask (c, "client", "poison");
    for (int i = 0; i < 3; i++) {
        ready (c, "w");
        expect_request (c, "w", "client", "poison");
        talk_detach (c->talk, "w");
    }
    ready (c, "w");
    talk_expect_silence (c->talk, "w");
    talk_expect_silence (c->talk, "client");
    assert_int_equal (c->counters->answers_dropped, 1);
    zf_queue_t *dead = zf_engine_find (talk_engine (c->talk), zf_bytes_of ("echo.dead"));
    assert_non_null (dead);
    assert_int_equal (dead->length, 1);
    expect_rest (c);
}

static void request_to_a_full_queue_is_dropped (void **state)
{
    case_t *c = *state;
    talk_engine (c->talk)->options.policy.max_length = 1;
    ask (c, "c1", "fits");
    ask (c, "c2", "does not");
    assert_int_equal (c->counters->answers_dropped, 1);
    ready (c, "w");
    expect_request (c, "w", "c1", "fits");
    answer (c, "w", "c1", "y");
    talk_expect_silence (c->talk, "w");
}

/* -- clients ----------------------------------------------------------------------------------- */

static void malformed_requests_are_dropped (void **state)
{
    case_t *c = *state;
    char name[ZF_NAME_MAX + 2];
    memset (name, 'x', sizeof name);
    name[ZF_NAME_MAX + 1] = '\0';
    ready (c, "w");
    const char *const requests[] = {"echo", "", "|body", "new\nline|body"};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        talk_say (c->talk, "client", "%s%s", c->v->request, requests[i]);
        assert_int_equal (c->counters->peer_errors, i + 1);
    }
    talk_say (c->talk, "client", "%s%s|body", c->v->request, name);
    assert_int_equal (c->counters->peer_errors, 5);
    talk_expect_silence (c->talk, "client");
    talk_expect_silence (c->talk, "w");
    ask (c, "client", "fine");
    expect_request (c, "w", "client", "fine");
}

static void mdp2_client_commands_but_request_are_dropped (void **state)
{
    case_t *c = *state;
    const char *const messages[] = {"MDPC02",         "MDPC02|\1",          "MDPC02|\2|echo|x",
                                    "MDPC02||echo|x", "MDPC02|\1\1|echo|x", "MDPC02|echo|x"};
    ready (c, "w");
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        talk_say (c->talk, "client", "%s", messages[i]);
        assert_int_equal (c->counters->peer_errors, i + 1);
    }
    talk_expect_silence (c->talk, "client");
    talk_expect_silence (c->talk, "w");
    expect_service_for_others (c);
}

static void request_of_too_many_frames_is_dropped (void **state)
{
    case_t *c = *state;
    char frames[2 * (ZF_FRAMES_MAX + 1)];
    for (size_t i = 0; i < sizeof frames; i += 2)
        memcpy (frames + i, "x|", 2);
    frames[sizeof frames - 1] = '\0';
    ready (c, "w");
    ask (c, "client", frames);
    talk_expect_silence (c->talk, "w");
    assert_int_equal (c->counters->peer_errors, 1);
    frames[2 * ZF_FRAMES_MAX - 1] = '\0';
    ask (c, "client", frames);
    expect_request (c, "w", "client", frames);
}

static void request_of_too_many_bytes_is_dropped (void **state)
{
    case_t *c = *state;
    uint64_t max = talk_engine (c->talk)->options.max_message_bytes;
    void *bytes = calloc (1, max);
    zf_bytes_t frames[] = {zf_bytes_of (""), zf_bytes_of ("MDPC01"), zf_bytes_of ("echo"),
                           zf_bytes (bytes, max - 1), zf_bytes (bytes, 1)};
    ready (c, "w");
    talk_say_frames (c->talk, "client", frames, 5);
    frames[4].size = 2;
    talk_say_frames (c->talk, "client", frames, 5);
    assert_int_equal (c->counters->peer_errors, 1);
    assert_int_equal (talk_take (c->talk, "w")->frames[5].size, max - 1);
    talk_expect_silence (c->talk, "w");
    talk_engine (c->talk)->options.max_message_bytes = UINT64_MAX;
    talk_say_frames (c->talk, "client", frames, 5);
    answer (c, "w", "client", "y");
    assert_int_equal (talk_take (c->talk, "w")->frames[6].size, 2);
    free (bytes);
}

static void client_that_becomes_something_else_starts_anew (void **state)
{
    case_t *c = *state;
    ask (c, "peer", "x");
    ready (c, "peer");
    assert_null (talk_session (c->talk, "peer"));
    assert_int_equal (c->counters->peer_errors, 1);
    talk_expect_silence (c->talk, "peer");
    ready (c, "peer");
    ask (c, "client", "y");
    expect_request (c, "peer", "client", "y");
}

/* -- hard times -------------------------------------------------------------------------------- */

static void converse (case_t *c)
{
    char long_reply[1000]; /* more than what the buffers were grown to */
    memset (long_reply, 'x', sizeof long_reply - 1);
    long_reply[500] = '|';
    long_reply[sizeof long_reply - 1] = '\0';
    ready (c, "w");
    ready (c, "w2");
    ask (c, "client", "one|two|three");
    answer (c, "w", "client", long_reply);
    ask (c, "client", "six");
    answer (c, "w2", "client", "seven");
    talk_advance (c->talk, TALK_BEAT_MS);
    heartbeat (c, "w");
    talk_say (c->talk, "w2", "%s%s", c->v->worker, c->v->disconnect);
    talk_say (c->talk, "client", "%smmi.service|echo", c->v->request);
}

static void no_memory_costs_messages_but_nothing_else (void **state)
{
    case_t *c = *state;
    size_t failures = 1;
    size_t n = 1;
    for (; failures > 0; n++) {
        majordomo_anew (c); /* or memory from before is used */
        alloc_fail (n, 1);
        converse (c);
        failures = alloc_failures ();
        alloc_fail (0, 0);
        expect_service_for_others (c);
        talk_advance (c->talk, 2 * (TALK_IDLE_MS + TALK_LEASE_MS));
        assert_int_equal (c->counters->sessions, 0);
        expect_rest (c);
    }
    assert_true (n > 20);
}

/* What a client or a worker may say, more or less. */
static void make_up (const majordomo_t *v, uint64_t *seed, bool worker, char text[256])
{
    uint32_t client = rand_below (seed, 3);
    uint32_t what = rand_below (seed, 16);
    if (!worker)
        snprintf (text, 256, "%s%s|x", v->request, what > 2 ? "echo" : "mmi.service");
    else if (what < 10)
        snprintf (text, 256, "%s%s|peer%u||y", v->worker, what < 8 ? v->final : "\3", client);
    else if (what < 13)
        snprintf (text, 256, "%s\1|echo", v->worker);
    else
        snprintf (text, 256, "%s%s", v->worker, what < 15 ? v->heartbeat : v->disconnect);
    if (rand_below (seed, 16) == 0) /* a slip of the pen */
        text[rand_below (seed, (uint32_t) strlen (text))] = "|\1\2\3\4\5\6x"[rand_below (seed, 8)];
}

static void random_conversations_break_nothing (void **state)
{
    case_t *c = *state;
    uint64_t seed = 7;
    size_t replies = 0;
    for (int i = 0; i < 20000; i++) {
        char name[16];
        char text[256];
        uint32_t peer = rand_below (&seed, 6);
        bool worker = rand_below (&seed, 50) == 0 ? peer < 3 : peer >= 3;
        snprintf (name, sizeof name, "peer%u", peer);
        make_up (c->v, &seed, worker, text);
        talk_say (c->talk, name, "%s", text);
        if (rand_below (&seed, 20) == 0)
            talk_advance (c->talk, rand_below (&seed, (uint32_t) TALK_LEASE_MS));
        if (talk_session (c->talk, name) != NULL && rand_below (&seed, 200) == 0)
            talk_detach (c->talk, name);
        replies += talk_skip (c->talk, "peer0");
        for (int k = 1; k < 6; k++) {
            snprintf (name, sizeof name, "peer%d", k);
            talk_skip (c->talk, name);
        }
    }
    assert_true (replies > 500);
    assert_true (c->counters->stale > 500);
    assert_true (c->counters->peer_errors > 500);
    expect_service_for_others (c);
    talk_advance (c->talk, 2 * (TALK_IDLE_MS + TALK_LEASE_MS));
    assert_int_equal (c->counters->sessions, 0);
    expect_rest (c);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        majordomo_cases (ready_twice_is_answered_with_disconnect),
        majordomo_cases (malformed_commands_are_answered_with_disconnect),
        majordomo_case (mdp1_knows_no_command_6, 1),
        majordomo_case (command_0_is_answered_with_disconnect, 1),
        majordomo_cases (header_alone_is_answered_with_disconnect),
        majordomo_cases (reply_before_ready_is_answered_with_disconnect),
        majordomo_cases (bad_names_are_not_registered),
        majordomo_cases (longest_name_is_registered),
        majordomo_cases (worker_is_turned_away_when_there_are_too_many_services),
        majordomo_cases (worker_that_becomes_something_else_is_expelled),
        majordomo_cases (reply_that_is_too_large_is_refused),
        majordomo_cases (reply_to_another_address_is_stale_and_the_right_one_still_counts),
        majordomo_cases (reply_that_nobody_asked_for_is_stale),
        majordomo_cases (late_reply_is_dropped_and_never_taken_for_another),
        majordomo_case (late_part_is_stale_and_the_worker_stays_busy, 2),
        majordomo_cases (request_that_nobody_serves_expires_in_silence),
        majordomo_cases (queue_with_a_time_to_live_expires_requests_by_it),
        majordomo_cases (worker_of_an_expired_request_stays_busy_until_it_answers),
        majordomo_cases (request_is_given_up_after_its_attempts),
        majordomo_cases (request_to_a_full_queue_is_dropped),
        majordomo_cases (malformed_requests_are_dropped),
        majordomo_case (mdp2_client_commands_but_request_are_dropped, 2),
        majordomo_cases (request_of_too_many_frames_is_dropped),
        majordomo_case (request_of_too_many_bytes_is_dropped, 1),
        majordomo_cases (client_that_becomes_something_else_starts_anew),
        majordomo_cases (no_memory_costs_messages_but_nothing_else),
        majordomo_cases (random_conversations_break_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
