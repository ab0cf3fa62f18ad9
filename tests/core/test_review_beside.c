/* What a review found of links and workers of other protocols: one case, which failed before its
 * fix. */
#include "core/native.h"
#include "tests/core/majordomo.h"

static void say_control (case_t *c, const char *peer, zf_writer_t *control)
{
    zf_bytes_t frame = zf_bytes (control->data, control->size);
    talk_say_frames (c->talk, peer, &frame, 1);
    zf_writer_free (control);
}

/* A link that drains the queue "echo". */
static void join_link (case_t *c, const char *peer)
{
    zf_writer_t hello = {0};
    zf_control (&hello, ZF_CMD_HELLO, 4);
    zf_mp_put_uint (&hello, ZF_NATIVE_VERSION);
    zf_mp_put_bin (&hello, zf_bytes_of ("0123456789abcdef"));
    zf_mp_put_map (&hello, 0);
    say_control (c, peer, &hello);
    zf_writer_t consume = {0};
    zf_control (&consume, ZF_CMD_CONSUME, 4);
    zf_mp_put_str (&consume, zf_bytes_of ("echo"));
    zf_mp_put_uint (&consume, 10);
    zf_mp_put_uint (&consume, ZF_CONSUME_DRAIN);
    say_control (c, peer, &consume);
    assert_int_equal (talk_skip (c->talk, peer), 1); /* WELCOME */
}

static void worker_is_turned_away_from_a_queue_that_a_link_drains (void **state)
{
    case_t *c = *state;
    join_link (c, "link");
    ready (c, "w");
    talk_expect (c->talk, "w", "%s%s", c->v->worker, c->v->disconnect);
    zf_queue_t *queue = zf_engine_find (talk_engine (c->talk), zf_bytes_of ("echo"));
    assert_int_equal (queue->consumers, 1);
    talk_detach (c->talk, "link");
    ready (c, "next");
    assert_int_equal (queue->consumers, 1);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        majordomo_cases (worker_is_turned_away_from_a_queue_that_a_link_drains),
    };
    return cmocka_run_group_tests_name ("review of links and workers", tests, NULL, NULL);
}
