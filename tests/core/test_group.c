/* The group against a model that keeps a state for each record. */
#include "core/group.h"

#include "tests/core/alloc.h"
#include "tests/core/rand.h"
#include "tests/core/rig.h"

#include <utlist.h>

#define RECORDS_MAX 4096

typedef enum { FRESH, LEASED, READY, DELAYED, GONE } model_t;

typedef struct {
    zf_log_t log;
    zf_group_t group;
    model_t model[RECORDS_MAX]; /* by id */
    uint64_t count;             /* records so far */
    uint64_t random;
} world_t;

static int split_lists (void *arg, zf_run_t *original, zf_run_t *copy)
{
    world_t *world = arg;
    if (original->state != ZF_RUN_READY)
        return 0;
    if (copy->at > original->at)
        DL_APPEND_ELEM (world->group.ready, original, copy);
    else
        DL_PREPEND_ELEM (world->group.ready, original, copy);
    return 0;
}

static void grow_by_batch (world_t *world, uint32_t n)
{
    zf_batch_t batch;
    zf_chunk_t *chunk;
    zf_frame_t *frame = wire_bulk (1, n, 3);
    zf_batch_decode (zf_bytes (frame->data, frame->size), &batch);
    uint32_t *offsets = malloc (n * sizeof *offsets);
    zf_batch_index (&batch, offsets);
    assert_int_equal (zf_log_adopt (&world->log, frame, &batch, offsets, 0, &chunk), 0);
    zf_group_grown (&world->group, chunk, 0);
    zf_frame_drop (frame);
    world->count += n;
}

static zf_place_t grow_by_one (world_t *world)
{
    static const uint8_t record[] = {1, 0, 0, 0, 'x'};
    zf_place_t place = {0};
    assert_int_equal (zf_log_append (&world->log, zf_bytes (record, 5), 0, &place), 0);
    zf_group_grown (&world->group, place.chunk, place.at);
    world->count++;
    return place;
}

static void grow (world_t *world, uint32_t n)
{
    if (world->count + n > RECORDS_MAX)
        return;
    if (rand_below (&world->random, 3) == 0) {
        grow_by_batch (world, n);
        return;
    }
    zf_place_t place = grow_by_one (world);
    if (rand_below (&world->random, 4) == 0) { /* delayed from the start */
        assert_non_null (zf_group_mark (&world->group, place.chunk, place.at, 1, ZF_RUN_DELAYED));
        world->model[world->count - 1] = DELAYED;
    }
}

static void set_model (world_t *world, const zf_run_t *run, model_t state)
{
    for (uint64_t id = zf_run_first (run); id < zf_run_end (run); id++)
        world->model[id] = state;
}

static void take_fresh (world_t *world)
{
    uint64_t expected = 0;
    while (expected < world->count && world->model[expected] != FRESH)
        expected++;
    uint32_t n = zf_group_fresh (&world->group);
    assert_int_equal (n > 0, expected < world->count);
    if (n == 0)
        return;
    n = 1 + rand_below (&world->random, n);
    zf_run_t *run = zf_group_pass (&world->group, n, ZF_RUN_LEASED);
    assert_int_equal (zf_run_first (run), expected); /* the oldest that is fresh */
    for (uint64_t id = expected; id < expected + n; id++)
        assert_int_equal (world->model[id], FRESH);
    set_model (world, run, LEASED);
}

static zf_run_t *take_ready (world_t *world)
{
    zf_run_t *run = world->group.ready;
    if (run == NULL)
        return NULL;
    zf_group_dequeue (&world->group, run);
    run->state = ZF_RUN_LEASED;
    set_model (world, run, LEASED);
    return run;
}

/* Some part of a run in that state, cut out of it; NULL: there is none. */
static zf_run_t *pick (world_t *world, zf_run_state_t state)
{
    if (world->count == 0)
        return NULL;
    uint64_t id = rand_below (&world->random, (uint32_t) world->count);
    zf_run_t *run = zf_group_from (&world->group, id);
    while (run != NULL && run->state != state)
        run = zf_group_next (&world->group, run);
    if (run == NULL)
        return NULL;
    uint32_t skip = rand_below (&world->random, run->count);
    uint32_t n = 1 + rand_below (&world->random, run->count - skip);
    uint32_t at = run->at + skip;
    assert_int_equal (zf_group_carve (&world->group, run, at, n, split_lists, world), 0);
    assert_int_equal (run->at, at);
    assert_int_equal (run->count, n);
    return run;
}

static void settle (world_t *world, zf_run_t *run)
{
    if (run == NULL)
        return;
    if (run->state == ZF_RUN_READY)
        zf_group_dequeue (&world->group, run);
    set_model (world, run, GONE);
    zf_group_settle (&world->group, run);
}

static void give_back (world_t *world, zf_run_t *run)
{
    if (run == NULL)
        return;
    zf_group_enqueue (&world->group, run, rand_below (&world->random, 2) == 0);
    set_model (world, run, READY);
}

/* Settles some fresh record that is not the next one. */
static void settle_fresh (world_t *world)
{
    for (int tries = 0; tries < 10; tries++) {
        uint64_t id = rand_below (&world->random, (uint32_t) world->count + 1);
        if (id >= world->count || world->model[id] != FRESH)
            continue;
        zf_chunk_t *chunk = world->log.head;
        while (id >= chunk->first + chunk->count)
            chunk = chunk->next;
        uint32_t at = (uint32_t) (id - chunk->first);
        settle (world, zf_group_mark (&world->group, chunk, at, 1, ZF_RUN_GONE));
        return;
    }
}

static model_t state_of (world_t *world, uint64_t id)
{
    static const model_t states[] = {[ZF_RUN_LEASED] = LEASED,
                                     [ZF_RUN_READY] = READY,
                                     [ZF_RUN_DELAYED] = DELAYED,
                                     [ZF_RUN_GONE] = GONE};
    const zf_run_t *run = zf_group_from (&world->group, id);
    if (run != NULL && zf_run_first (run) <= id)
        return states[run->state];
    const zf_chunk_t *chunk = world->log.head;
    while (chunk != NULL && id >= chunk->first + chunk->count)
        chunk = chunk->next;
    if (chunk == NULL || id < chunk->first)
        return GONE; /* and its chunk with it */
    const zf_chunk_t *cursor = world->group.chunk;
    return cursor != NULL && id >= cursor->first + world->group.at ? FRESH : GONE;
}

static void check (world_t *world)
{
    uint64_t live = 0;
    for (uint64_t id = 0; id < world->count; id++) {
        assert_int_equal (state_of (world, id), world->model[id]);
        live += world->model[id] != GONE;
    }
    assert_int_equal (world->log.length, live);
}

static void step (world_t *world)
{
    switch (rand_below (&world->random, 9)) {
    case 0:
    case 1:
        grow (world, 1 + rand_below (&world->random, 10));
        break;
    case 2:
    case 3:
        take_fresh (world);
        break;
    case 4:
        take_ready (world);
        break;
    case 5:
        settle (world, pick (world, ZF_RUN_LEASED));
        break;
    case 6:
        give_back (world, pick (world, ZF_RUN_LEASED));
        break;
    case 7:
        settle (world,
                pick (world, rand_below (&world->random, 2) ? ZF_RUN_READY : ZF_RUN_DELAYED));
        break;
    default:
        if (rand_below (&world->random, 2) == 0)
            settle_fresh (world);
        else
            give_back (world, pick (world, ZF_RUN_DELAYED));
    }
}

/* Settles everything, in the order of ids. */
static void drain (world_t *world)
{
    while (zf_group_fresh (&world->group) > 0)
        zf_group_pass (&world->group, zf_group_fresh (&world->group), ZF_RUN_LEASED);
    for (uint64_t id = 0; id < world->count; id++) {
        zf_run_t *run = zf_group_from (&world->group, id);
        if (run == NULL || zf_run_first (run) > id || run->state == ZF_RUN_GONE)
            continue;
        settle (world, run);
    }
}

static void group_agrees_with_a_simple_model (void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        static world_t world;
        memset (&world, 0, sizeof world);
        world.random = seed;
        zf_group_init (&world.group, &world.log, NULL);
        for (int i = 0; i < 300; i++) {
            step (&world);
            if (i % 7 == 0)
                check (&world);
        }
        check (&world);
        drain (&world);
        assert_int_equal (world.log.length, 0);
        assert_int_equal (world.log.bytes, 0);
        assert_null (world.group.ready);
        assert_true (world.log.head == NULL || world.log.head->next == NULL);
        zf_group_free (&world.group);
        zf_log_free (&world.log);
    }
    assert_int_equal (wire_frames (), 0);
}

static void whole_batch_is_one_run (void **state)
{
    (void) state;
    static world_t world;
    memset (&world, 0, sizeof world);
    zf_group_init (&world.group, &world.log, NULL);
    for (int i = 0; i < 1000; i++)
        grow_by_one (&world);
    assert_int_equal (zf_group_fresh (&world.group), 1000);
    zf_run_t *run = zf_group_pass (&world.group, 1000, ZF_RUN_LEASED);
    assert_ptr_equal (zf_group_from (&world.group, 0), run);
    assert_null (zf_group_next (&world.group, run));
    zf_group_settle (&world.group, run);
    assert_null (zf_group_from (&world.group, 0));
    zf_group_free (&world.group);
    zf_log_free (&world.log);
}

static void carve_without_memory_loses_nothing (void **state)
{
    (void) state;
    for (size_t n = 1; n <= 2; n++) {
        static world_t world;
        memset (&world, 0, sizeof world);
        zf_group_init (&world.group, &world.log, NULL);
        grow_by_batch (&world, 10);
        assert_int_equal (zf_group_fresh (&world.group), 10);
        zf_run_t *run = zf_group_pass (&world.group, 10, ZF_RUN_LEASED);
        alloc_enter ();
        alloc_fail (n, 1);
        assert_int_equal (zf_group_carve (&world.group, run, 3, 4, split_lists, &world),
                          ZF_E_NOMEM);
        alloc_leave ();
        uint32_t count = 0;
        run = zf_group_from (&world.group, 0);
        for (; run != NULL; run = zf_group_next (&world.group, run))
            count += run->count;
        assert_int_equal (count, 10);
        zf_group_free (&world.group);
        zf_log_free (&world.log);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (group_agrees_with_a_simple_model),
        cmocka_unit_test (whole_batch_is_one_run),
        cmocka_unit_test (carve_without_memory_loses_nothing),
    };
    return cmocka_run_group_tests_name ("group", tests, NULL, NULL);
}
