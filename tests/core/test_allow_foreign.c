/* What clients and workers of other protocols may do that are known by their keys. */
#include "tests/core/known.h"
#include "tests/core/majordomo.h"

#include "core/lru.h"
#include "core/mdp.h"

static void say_who (talk_t *talk, const char *peer, const zf_dialect_t *dialect, const char *name)
{
    zf_subject_t subject = subject_of (name);
    talk_join (talk, peer, dialect);
    talk_identify (talk, peer, &subject);
}

static const zf_dialect_t *dialect_of (const case_t *c)
{
    return c->v == &majordomo_1 ? &zf_dialect_mdp1 : &zf_dialect_mdp2;
}

static void majordomo_client_without_right_hears_nothing (void **state)
{
    case_t *c = *state;
    zf_engine_access (talk_engine (c->talk), rules_of ("anna post echo\n"));
    say_who (c->talk, "a", dialect_of (c), "anna");
    talk_say (c->talk, "a", "%sother|hello", c->v->request);
    talk_expect_silence (c->talk, "a");
    assert_null (talk_engine (c->talk)->queues);
    assert_int_equal (c->counters->denied, 1);
    assert_int_equal (c->counters->answers_dropped, 1);
    talk_say (c->talk, "a", "%secho|hello", c->v->request);
    assert_int_equal (talk_engine (c->talk)->queues->length, 1);
    talk_say (c->talk, "a", "%smmi.service|other", c->v->request);
    talk_expect (c->talk, "a", "%smmi.service|404", c->v->reply);
    assert_int_equal (c->counters->denied, 2);
}

static void majordomo_worker_without_right_is_disconnected (void **state)
{
    case_t *c = *state;
    zf_engine_access (talk_engine (c->talk), rules_of ("ben consume echo\n"));
    say_who (c->talk, "w", dialect_of (c), "ben");
    talk_say (c->talk, "w", "%s\1|other", c->v->worker);
    talk_expect (c->talk, "w", "%s%s", c->v->worker, c->v->disconnect);
    assert_null (talk_session (c->talk, "w"));
    assert_null (talk_engine (c->talk)->queues);
    say_who (c->talk, "w", dialect_of (c), "ben");
    talk_say (c->talk, "w", "%s\1|echo", c->v->worker);
    assert_int_equal (talk_engine (c->talk)->queues->consumers, 1);
    zf_engine_access (talk_engine (c->talk), rules_of ("ben consume other\n"));
    talk_turn (c->talk);
    talk_expect (c->talk, "w", "%s%s", c->v->worker, c->v->disconnect);
    assert_int_equal (talk_engine (c->talk)->queues->consumers, 0);
}

static void titanic_without_right_takes_and_tells_nothing (void **state)
{
    case_t *c = *state;
    zf_engine_access (talk_engine (c->talk), rules_of ("anna post echo\n"));
    say_who (c->talk, "a", dialect_of (c), "anna");
    say_who (c->talk, "b", dialect_of (c), "ben");
    talk_say (c->talk, "a", "%stitanic.request|other|hello", c->v->request);
    talk_expect (c->talk, "a", "%stitanic.request|500", c->v->reply);
    assert_null (talk_engine (c->talk)->queues);
    talk_say (c->talk, "a", "%stitanic.request|echo|hello", c->v->request);
    const talk_message_t *message = talk_take (c->talk, "a");
    char uuid[64];
    zf_bytes_t frame = message->frames[message->count - 1];
    snprintf (uuid, sizeof uuid, "%.*s", (int) frame.size, (const char *) frame.data);
    talk_say (c->talk, "b", "%stitanic.reply|%s", c->v->request, uuid);
    talk_expect (c->talk, "b", "%stitanic.reply|400", c->v->reply);
    talk_say (c->talk, "b", "%stitanic.close|%s", c->v->request, uuid);
    talk_expect (c->talk, "b", "%stitanic.close|400", c->v->reply);
    talk_say (c->talk, "a", "%stitanic.reply|%s", c->v->request, uuid);
    talk_expect (c->talk, "a", "%stitanic.reply|300", c->v->reply);
}

/* A right to post is none to publish; and a stream answers no requests. */
static void titanic_puts_nothing_into_a_stream (void **state)
{
    case_t *c = *state;
    zf_engine_t *engine = talk_engine (c->talk);
    int code;
    assert_non_null (zf_engine_stream (engine, zf_bytes_of ("events"), true, &code));
    zf_engine_access (engine, rules_of ("anna post events\n"));
    say_who (c->talk, "a", dialect_of (c), "anna");
    talk_say (c->talk, "a", "%stitanic.request|events|hello", c->v->request);
    talk_expect (c->talk, "a", "%stitanic.request|500", c->v->reply);
    assert_int_equal (zf_engine_find (engine, zf_bytes_of ("events"))->length, 0);
}

static void take_titanic_id (case_t *c, char id[64])
{
    talk_say (c->talk, "a", "%stitanic.request|echo|hello", c->v->request);
    const talk_message_t *message = talk_take (c->talk, "a");
    zf_bytes_t frame = message->frames[message->count - 1];
    snprintf (id, 64, "%.*s", (int) frame.size, (const char *) frame.data);
}

/* All that a client is told of the broker, and its clock, are the same. */
static void titanic_ids_come_from_what_nobody_is_told (void **state)
{
    case_t *c = *state;
    char id[64], other[64];
    take_titanic_id (c, id);
    majordomo_anew (c);
    take_titanic_id (c, other);
    assert_string_equal (id, other);
    majordomo_anew (c);
    talk_engine (c->talk)->options.secret[0]++;
    take_titanic_id (c, other);
    assert_string_not_equal (id, other);
}

static void balancer_goes_by_its_queue (void **state)
{
    (void) state;
    talk_t *talk = talk_new ();
    zf_engine_t *engine = talk_engine (talk);
    zf_engine_access (engine, rules_of ("anna post " ZF_LRU_QUEUE "\nben consume " ZF_LRU_QUEUE));
    say_who (talk, "b", &zf_dialect_lru_client, "ben");
    talk_say (talk, "b", "|hello");
    assert_null (engine->queues);
    say_who (talk, "a", &zf_dialect_lru_client, "anna");
    talk_say (talk, "a", "|hello");
    assert_non_null (engine->queues);
    /* NOLINTNEXTLINE(clang-analyzer-*): it is there */
    assert_int_equal (engine->queues->length, 1);
    say_who (talk, "v", &zf_dialect_lru_worker, "anna");
    talk_say (talk, "v", "READY");
    assert_null (talk_session (talk, "v"));
    say_who (talk, "w", &zf_dialect_lru_worker, "ben");
    talk_say (talk, "w", "READY");
    assert_int_equal (talk_skip (talk, "w"), 1);
    assert_int_equal (engine->counters.denied, 2);
    talk_free (talk);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        majordomo_cases (majordomo_client_without_right_hears_nothing),
        majordomo_cases (majordomo_worker_without_right_is_disconnected),
        majordomo_cases (titanic_without_right_takes_and_tells_nothing),
        majordomo_cases (titanic_puts_nothing_into_a_stream),
        majordomo_cases (titanic_ids_come_from_what_nobody_is_told),
        cmocka_unit_test (balancer_goes_by_its_queue),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
