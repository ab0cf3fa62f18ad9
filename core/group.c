#include "core/group.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

/* Runs are ordered by where they end, so that the first one that ends behind an id is the one that
 * holds it, if any does. Runs never overlap. */
static int compare (const zf_run_t *a, const zf_run_t *b)
{
    uint64_t end_a = zf_run_end (a);
    uint64_t end_b = zf_run_end (b);
    return end_a < end_b ? -1 : end_a > end_b;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
RB_GENERATE_INTERNAL (zf_runs, zf_run, node, compare, static)
#pragma GCC diagnostic pop

void zf_group_init (zf_group_t *group, zf_log_t *log, void *owner)
{
    memset (group, 0, sizeof *group);
    group->log = log;
    group->owner = owner;
    RB_INIT (&group->runs);
}

void zf_group_free (zf_group_t *group)
{
    zf_run_t *run;
    while ((run = RB_MIN (zf_runs, &group->runs)) != NULL) {
        RB_REMOVE (zf_runs, &group->runs, run);
        free (run);
    }
    zf_group_init (group, group->log, group->owner);
}

static bool is_ahead (const zf_group_t *group, const zf_run_t *run)
{
    return group->chunk != NULL && zf_run_first (run) >= group->chunk->first + group->at;
}

zf_run_t *zf_group_from (zf_group_t *group, uint64_t id)
{
    zf_chunk_t probe_chunk = {.first = id};
    zf_run_t probe = {.chunk = &probe_chunk, .at = 0, .count = 1};
    return RB_NFIND (zf_runs, &group->runs, &probe);
}

static zf_run_t *insert (zf_group_t *group, zf_chunk_t *chunk, uint32_t at, uint32_t n,
                         zf_run_state_t state)
{
    zf_run_t *run = calloc (1, sizeof *run);
    if (run == NULL)
        return NULL;
    run->chunk = chunk;
    run->at = at;
    run->count = n;
    run->state = (uint8_t) state;
    run->group = group;
    RB_INSERT (zf_runs, &group->runs, run);
    group->run_count++;
    return run;
}

static void remove_run (zf_group_t *group, zf_run_t *run)
{
    RB_REMOVE (zf_runs, &group->runs, run);
    group->run_count--;
    free (run);
}

void zf_group_grown (zf_group_t *group, zf_chunk_t *chunk, uint32_t at)
{
    if (group->chunk == NULL) {
        group->chunk = chunk;
        group->at = at;
    }
}

/* The run that starts right at the cursor, if one does: then its records are not fresh. */
static zf_run_t *run_at_cursor (zf_group_t *group)
{
    if (group->ahead == 0)
        return NULL;
    uint64_t id = group->chunk->first + group->at;
    zf_run_t *run = zf_group_from (group, id);
    return run != NULL && zf_run_first (run) == id ? run : NULL;
}

uint32_t zf_group_fresh (zf_group_t *group)
{
    while (group->chunk != NULL) {
        if (group->at == group->chunk->count) {
            if (group->chunk->next == NULL)
                return 0;
            group->chunk = group->chunk->next;
            group->at = 0;
            continue;
        }
        zf_run_t *run = run_at_cursor (group);
        if (run == NULL)
            break;
        group->at += run->count;
        group->ahead--;
        if (run->state == ZF_RUN_GONE) {
            remove_run (group, run);
        }
    }
    if (group->chunk == NULL)
        return 0;
    uint32_t n = group->chunk->count - group->at;
    if (group->ahead > 0) {
        uint64_t id = group->chunk->first + group->at;
        zf_run_t *next = zf_group_from (group, id);
        if (next != NULL && zf_run_first (next) - id < n)
            n = (uint32_t) (zf_run_first (next) - id);
    }
    return n;
}

zf_run_t *zf_group_pass (zf_group_t *group, uint32_t n, zf_run_state_t state)
{
    zf_run_t *run = insert (group, group->chunk, group->at, n, state);
    if (run != NULL)
        group->at += n;
    return run;
}

zf_run_t *zf_group_mark (zf_group_t *group, zf_chunk_t *chunk, uint32_t at, uint32_t n,
                         zf_run_state_t state)
{
    zf_run_t *run = insert (group, chunk, at, n, state);
    if (run != NULL)
        group->ahead++;
    return run;
}

zf_run_t *zf_group_place (zf_group_t *group, zf_chunk_t *chunk, uint32_t at, uint32_t n,
                          zf_run_state_t state)
{
    zf_run_t *run = insert (group, chunk, at, n, state);
    if (run != NULL)
        group->ahead += is_ahead (group, run);
    return run;
}

void zf_group_unmark (zf_group_t *group, zf_run_t *run)
{
    group->ahead--;
    remove_run (group, run);
}

/* Gives the records of run from index `at` on to a copy behind it; run keeps what is before. */
static int cut_tail (zf_group_t *group, zf_run_t *run, uint32_t at, zf_split_fn *split, void *arg)
{
    zf_run_t *copy = malloc (sizeof *copy);
    if (copy == NULL)
        return ZF_E_NOMEM;
    memcpy (copy, run, sizeof *copy);
    copy->timer.slot = 0;
    copy->prev = copy->next = NULL;
    copy->at = at;
    copy->count = run->count - (at - run->at);
    if (split (arg, run, copy) != 0) {
        free (copy);
        return ZF_E_NOMEM;
    }
    RB_REMOVE (zf_runs, &group->runs, run);
    run->count = at - run->at;
    RB_INSERT (zf_runs, &group->runs, run);
    RB_INSERT (zf_runs, &group->runs, copy);
    group->run_count++;
    group->ahead += is_ahead (group, copy);
    return 0;
}

/* Gives the records of run before index `at` to a copy; run keeps the rest. */
static int cut_head (zf_group_t *group, zf_run_t *run, uint32_t at, zf_split_fn *split, void *arg)
{
    zf_run_t *copy = malloc (sizeof *copy);
    if (copy == NULL)
        return ZF_E_NOMEM;
    memcpy (copy, run, sizeof *copy);
    copy->timer.slot = 0;
    copy->prev = copy->next = NULL;
    copy->count = at - run->at;
    if (split (arg, run, copy) != 0) {
        free (copy);
        return ZF_E_NOMEM;
    }
    run->count -= copy->count;
    run->at = at; /* the end stays, and with it the place in the tree */
    RB_INSERT (zf_runs, &group->runs, copy);
    group->run_count++;
    group->ahead += is_ahead (group, copy);
    return 0;
}

int zf_group_carve (zf_group_t *group, zf_run_t *run, uint32_t at, uint32_t n, zf_split_fn *split,
                    void *arg)
{
    if (at + n < run->at + run->count && cut_tail (group, run, at + n, split, arg) != 0)
        return ZF_E_NOMEM;
    if (at > run->at && cut_head (group, run, at, split, arg) != 0)
        return ZF_E_NOMEM;
    return 0;
}

void zf_group_enqueue (zf_group_t *group, zf_run_t *run, bool first)
{
    run->state = ZF_RUN_READY;
    run->consumer = NULL;
    if (first)
        DL_PREPEND (group->ready, run);
    else
        DL_APPEND (group->ready, run);
}

void zf_group_dequeue (zf_group_t *group, zf_run_t *run)
{
    DL_DELETE (group->ready, run);
    run->prev = run->next = NULL;
}

/* Frees the GONE runs that are left in a chunk without live records, and moves the cursor off
 * it. */
void zf_group_leave (zf_group_t *group, zf_chunk_t *chunk)
{
    zf_run_t *run = zf_group_from (group, chunk->first);
    while (run != NULL && run->chunk == chunk) {
        zf_run_t *next = RB_NEXT (zf_runs, &group->runs, run);
        group->ahead -= is_ahead (group, run);
        remove_run (group, run);
        run = next;
    }
    if (group->chunk == chunk) {
        group->chunk = chunk->next;
        group->at = 0;
    }
}

void zf_group_settle (zf_group_t *group, zf_run_t *run)
{
    zf_chunk_t *chunk = run->chunk;
    bool empty = zf_log_settle (group->log, chunk, run->at, run->count);
    if (is_ahead (group, run)) {
        run->state = ZF_RUN_GONE;
        run->consumer = NULL;
    } else {
        remove_run (group, run);
    }
    if (empty) {
        zf_group_leave (group, chunk);
        zf_log_discard (group->log, chunk);
    }
}

zf_run_t *zf_group_next (const zf_group_t *group, zf_run_t *run)
{
    (void) group;
    return RB_NEXT (zf_runs, &group->runs, run);
}
