/* Histograms, and what the engine puts into them. */
#include "core/histogram.h"

#include "core/ages.h"
#include "tests/core/rig.h"

/* A figure that was told. */
typedef struct {
    const char *name;
    uint64_t value;
    size_t count; /* of all figures */
} figure_t;

static void look (void *arg, const char *name, uint64_t value)
{
    figure_t *figure = arg;
    figure->count++;
    if (strcmp (name, figure->name) == 0)
        figure->value = value;
}

static uint64_t figure_of (const zf_histogram_t *histogram, const zf_histogram_kind_t *kind,
                           const char *name)
{
    figure_t figure = {.name = name, .value = UINT64_MAX};
    zf_histogram_tell (histogram, kind, look, &figure);
    assert_int_not_equal (figure.value, UINT64_MAX);
    return figure.value;
}

static uint64_t engine_figure (const rig_t *rig, const char *name)
{
    figure_t figure = {.name = name, .value = UINT64_MAX};
    zf_engine_stats (rig->engine, look, &figure);
    assert_int_not_equal (figure.value, UINT64_MAX);
    return figure.value;
}

static void steps_are_cumulative (void **state)
{
    (void) state;
    zf_histogram_t histogram = {.sum = 0};
    zf_histogram_add (&histogram, &zf_wait_ms, 0, 1);
    zf_histogram_add (&histogram, &zf_wait_ms, 1, 10);
    zf_histogram_add (&histogram, &zf_wait_ms, 2, 100);
    zf_histogram_add (&histogram, &zf_wait_ms, 3, 1000);
    zf_histogram_add (&histogram, &zf_wait_ms, 60000, 10000);
    zf_histogram_add (&histogram, &zf_wait_ms, 60001, 100000);
    assert_int_equal (figure_of (&histogram, &zf_wait_ms, "wait_ms.le.1"), 11);
    assert_int_equal (figure_of (&histogram, &zf_wait_ms, "wait_ms.le.2"), 111);
    assert_int_equal (figure_of (&histogram, &zf_wait_ms, "wait_ms.le.5"), 1111);
    assert_int_equal (figure_of (&histogram, &zf_wait_ms, "wait_ms.le.10000"), 1111);
    assert_int_equal (figure_of (&histogram, &zf_wait_ms, "wait_ms.le.60000"), 11111);
    assert_int_equal (figure_of (&histogram, &zf_wait_ms, "wait_ms.le.inf"), 111111);
    assert_int_equal (figure_of (&histogram, &zf_wait_ms, "wait_ms.count"), 111111);
    assert_int_equal (figure_of (&histogram, &zf_wait_ms, "wait_ms.sum"),
                      10 + 200 + 3000 + 600000000ull + 6000100000ull);
}

/* Each bound's figure says that bound, and they ascend. */
static void check_kind (const zf_histogram_kind_t *kind, const char *prefix)
{
    char name[64];
    for (uint32_t i = 0; i < kind->steps; i++) {
        assert_true (i == 0 || kind->bounds[i] > kind->bounds[i - 1]);
        snprintf (name, sizeof name, "%s.le.%llu", prefix, (unsigned long long) kind->bounds[i]);
        assert_string_equal (kind->names[i], name);
    }
    snprintf (name, sizeof name, "%s.le.inf", prefix);
    assert_string_equal (kind->names[kind->steps], name);
}

static void names_go_with_their_bounds (void **state)
{
    (void) state;
    check_kind (&zf_wait_ms, "wait_ms");
    check_kind (&zf_answer_ms, "answer_ms");
    check_kind (&zf_hold_ms, "hold_ms");
    check_kind (&zf_sync_us, "sync_us");
    assert_int_equal (zf_wait_ms.bounds[13], 60000);
    assert_int_equal (zf_sync_us.bounds[11], 1000000);
}

/* -- ages -------------------------------------------------------------------------------------- */

static void age_is_that_of_the_mark_before (void **state)
{
    (void) state;
    zf_ages_t ages = {.count = 0};
    assert_int_equal (zf_ages_take (&ages, 5, 77), 77);
    zf_ages_add (&ages, 10, 100);
    zf_ages_add (&ages, 12, 100);
    zf_ages_add (&ages, 15, 200);
    assert_int_equal (zf_ages_take (&ages, 9, 77), 77);
    assert_int_equal (zf_ages_take (&ages, 10, 77), 100);
    assert_int_equal (zf_ages_take (&ages, 14, 77), 100);
    assert_int_equal (zf_ages_take (&ages, 15, 77), 200);
    assert_int_equal (zf_ages_take (&ages, 1000, 77), 200);
    zf_ages_free (&ages);
}

static void mark_of_nothing_moves_on (void **state)
{
    (void) state;
    zf_ages_t ages = {.count = 0};
    for (uint64_t ms = 1; ms < 1000; ms++)
        zf_ages_add (&ages, 10, ms);
    assert_int_equal (ages.count, 1);
    assert_int_equal (zf_ages_take (&ages, 10, 77), 999);
    zf_ages_free (&ages);
}

static void many_marks_become_coarser (void **state)
{
    (void) state;
    zf_ages_t ages = {.count = 0};
    for (uint64_t i = 0; i < 10000; i++)
        zf_ages_add (&ages, i, i);
    assert_in_range (ages.room, 1, ZF_AGES_MAX);
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t came = zf_ages_take (&ages, i, 77);
        assert_true (came <= i && i - came <= 400);
    }
    zf_ages_add (&ages, 20000, 20000);
    zf_ages_add (&ages, 20001, 20001); /* the backlog is over: they are exact again */
    assert_int_equal (zf_ages_take (&ages, 20000, 77), 20000);
    assert_int_equal (zf_ages_take (&ages, 20001, 77), 20001);
    zf_ages_free (&ages);
}

/* -- in the engine ----------------------------------------------------------------------------- */

static void wait_is_until_the_first_delivery (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    rig_advance (rig, 100);
    peer_post (p, "jobs", "d");
    rig_advance (rig, 200);
    peer_t *w = rig_worker (rig, "w", "jobs", 3);
    assert_delivered (w, "jobs", "a b c", 1);
    assert_int_equal (engine_figure (rig, "wait_ms.count"), 3);
    assert_int_equal (engine_figure (rig, "wait_ms.sum"), 900);
    assert_int_equal (engine_figure (rig, "wait_ms.le.200"), 0);
    assert_int_equal (engine_figure (rig, "wait_ms.le.500"), 3);
    peer_ack (w, "jobs", "a b c");
    assert_delivered (w, "jobs", "d", 1);
    assert_int_equal (engine_figure (rig, "wait_ms.sum"), 1100);
    assert_int_equal (engine_figure (rig, "wait_ms.le.200"), 1);
    peer_nack (w, "jobs", "d", 0); /* again is not first */
    assert_delivered (w, "jobs", "d", 2);
    assert_int_equal (engine_figure (rig, "wait_ms.count"), 4);
}

static void record_that_is_taken_at_once_has_not_waited (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 100);
    for (int i = 0; i < 20; i++) {
        peer_post (p, "jobs", "a");
        rig_advance (rig, 500);
    }
    assert_int_equal (engine_figure (rig, "wait_ms.count"), 20);
    assert_int_equal (engine_figure (rig, "wait_ms.sum"), 0);
    peer_forget_letters (w);
}

static void hold_is_until_the_ack (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 100);
    peer_post (p, "jobs", "a b c");
    assert_delivered (w, "jobs", "a b c", 1);
    rig_advance (rig, 40);
    peer_ack (w, "jobs", "a b");
    peer_reject (w, "jobs", "c", "no"); /* is no ack */
    assert_int_equal (engine_figure (rig, "hold_ms.count"), 2);
    assert_int_equal (engine_figure (rig, "hold_ms.sum"), 80);
    assert_int_equal (engine_figure (rig, "hold_ms.le.20"), 0);
    assert_int_equal (engine_figure (rig, "hold_ms.le.50"), 2);
}

static void answer_is_from_the_request_on (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_request (p, "echo", "a b");
    rig_advance (rig, 300);
    peer_t *w = rig_worker (rig, "w", "echo", 2);
    peer_request (p, "echo", "c");
    peer_consume (w, "echo", 3);
    assert_delivered (w, "echo", "a b", 1);
    assert_delivered (w, "echo", "c", 1);
    rig_advance (rig, 100);
    peer_answer (w, "echo", "a", "part", true); /* is not the end */
    assert_int_equal (engine_figure (rig, "answer_ms.count"), 0);
    peer_answer (w, "echo", "a", "yes", false);
    peer_ack (w, "echo", "b"); /* an empty answer */
    peer_answer (w, "echo", "c", "yes", false);
    assert_int_equal (engine_figure (rig, "answer_ms.count"), 3);
    assert_int_equal (engine_figure (rig, "answer_ms.sum"), 400 + 400 + 100);
    assert_int_equal (engine_figure (rig, "hold_ms.count"), 3);
    peer_forget_letters (p);
}

#define rig_case(test) cmocka_unit_test_setup_teardown (test, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (steps_are_cumulative),
        cmocka_unit_test (names_go_with_their_bounds),
        cmocka_unit_test (age_is_that_of_the_mark_before),
        cmocka_unit_test (mark_of_nothing_moves_on),
        cmocka_unit_test (many_marks_become_coarser),
        rig_case (wait_is_until_the_first_delivery),
        rig_case (record_that_is_taken_at_once_has_not_waited),
        rig_case (hold_is_until_the_ack),
        rig_case (answer_is_from_the_request_on),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
