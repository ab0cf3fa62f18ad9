#include "tests/mesh/mesh.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* -- telling ----------------------------------------------------------------------------------- */

void mesh_trace (mesh_t *mesh, const char *format, ...)
{
    va_list arguments;
    if (!mesh->options.is_verbose)
        return;
    fprintf (stderr, "%8.3f ", (double) mesh->now / 1000);
    va_start (arguments, format);
    vfprintf (stderr, format, arguments);
    va_end (arguments);
    fputc ('\n', stderr);
}

_Noreturn void mesh_fail (mesh_t *mesh, const char *format, ...)
{
    va_list arguments;
    if (!mesh->options.is_quiet) {
        fprintf (stderr, "seed %" PRIu64 " at %" PRIu64 " ms: ", mesh->options.seed, mesh->now);
        va_start (arguments, format);
        vfprintf (stderr, format, arguments);
        va_end (arguments);
        fputc ('\n', stderr);
    }
    longjmp (mesh->failed, 1);
}

/* -- events ------------------------------------------------------------------------------------ */

static bool is_before (const event_t *a, const event_t *b)
{
    return a->time < b->time || (a->time == b->time && a->order < b->order);
}

static void swap (event_t *a, event_t *b)
{
    event_t c = *a;
    *a = *b;
    *b = c;
}

static size_t sift_up (event_t *heap, size_t i)
{
    while (i > 0 && is_before (&heap[i], &heap[(i - 1) / 2])) {
        swap (&heap[i], &heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    return i;
}

static void sift_down (event_t *heap, size_t count)
{
    for (size_t i = 0, child = 1; child < count; child = 2 * i + 1) {
        if (child + 1 < count && is_before (&heap[child + 1], &heap[child]))
            child++;
        if (!is_before (&heap[child], &heap[i]))
            return;
        swap (&heap[child], &heap[i]);
        i = child;
    }
}

event_t *mesh_event (mesh_t *mesh, event_type_t type, uint64_t delay)
{
    if (mesh->heap_count == mesh->heap_capacity) {
        mesh->heap_capacity = mesh->heap_capacity != 0 ? 2 * mesh->heap_capacity : 1024;
        mesh->heap = realloc (mesh->heap, mesh->heap_capacity * sizeof *mesh->heap);
    }
    mesh->heap[mesh->heap_count] =
        (event_t){.time = mesh->now + delay, .order = mesh->order++, .type = type, .node = -1};
    return &mesh->heap[sift_up (mesh->heap, mesh->heap_count++)];
}

static event_t take_event (mesh_t *mesh)
{
    event_t event = mesh->heap[0];
    mesh->heap[0] = mesh->heap[--mesh->heap_count];
    sift_down (mesh->heap, mesh->heap_count);
    return event;
}

static void put_back (mesh_t *mesh, const event_t *event, uint64_t time)
{
    event_t *again = mesh_event (mesh, event->type, time - mesh->now);
    uint64_t order = again->order;
    *again = *event;
    again->time = time;
    again->order = order;
}

static node_t *node_of (mesh_t *mesh, const event_t *event)
{
    node_t *node = event->node >= 0 ? &mesh->nodes[event->node] : NULL;
    return node != NULL && node->is_there && node->life == event->life ? node : NULL;
}

static void on_slot (mesh_t *mesh, node_t *node, const event_t *event)
{
    const dealer_t *dealer = &node->dealers[event->slot];
    if (!dealer->is_open || dealer->number != event->number)
        return;
    if (event->type == EVENT_DIAL)
        net_dial (mesh, node, event->slot);
    else
        node_lost (mesh, node, event->slot);
}

static void on_event (mesh_t *mesh, const event_t *event)
{
    node_t *node = node_of (mesh, event);
    switch (event->type) {
    case EVENT_MAIL:
        net_arrive (mesh, event->conn);
        return;
    case EVENT_EVIL:
        evil_step (mesh);
        return;
    case EVENT_BEACON:
        if (node != NULL)
            node_beacon (mesh, node, event);
        return;
    case EVENT_STEP:
        if (node != NULL)
            node_step (mesh, node);
        return;
    case EVENT_DIAL:
    case EVENT_LOST:
        if (node != NULL)
            on_slot (mesh, node, event);
        return;
    }
}

/* -- a run ------------------------------------------------------------------------------------- */

static uint64_t due_of (const node_t *node)
{
    return node->frozen > node->due ? node->frozen : node->due;
}

/* The node whose tick is next; NULL: none is. */
static node_t *next_tick (mesh_t *mesh)
{
    node_t *next = NULL;
    for (uint32_t i = 0; i < mesh->count; i++) {
        node_t *node = &mesh->nodes[i];
        if (node->is_there && !node->is_zyre && node->due != UINT64_MAX &&
            (next == NULL || due_of (node) < due_of (next)))
            next = node;
    }
    return next;
}

/* What is for a node that is frozen waits. */
static bool is_frozen (mesh_t *mesh, const event_t *event)
{
    const node_t *node = node_of (mesh, event);
    return node != NULL && node->frozen > mesh->now && event->type != EVENT_DIAL;
}

static void step (mesh_t *mesh)
{
    node_t *node = next_tick (mesh);
    uint64_t next = mesh->heap_count > 0 ? mesh->heap[0].time : mesh->end;
    if (node != NULL && due_of (node) <= next && due_of (node) < mesh->end) {
        if (due_of (node) > mesh->now)
            mesh->now = due_of (node);
        node_tick (mesh, node);
        return;
    }
    mesh->now = next < mesh->end ? next : mesh->end;
    if (next >= mesh->end)
        return;
    event_t event = take_event (mesh);
    if (is_frozen (mesh, &event))
        put_back (mesh, &event, node_of (mesh, &event)->frozen);
    else
        on_event (mesh, &event);
}

static void run_until (mesh_t *mesh, uint64_t time)
{
    mesh->end = time;
    while (mesh->now < time)
        step (mesh);
}

static void storm (mesh_t *mesh)
{
    mesh->calm_from = 20000 + chance (mesh, 100000);
    if (mesh->options.seed % 16 == 4 && !mesh->nodes[1].is_zyre) /* it has no patience */
        mesh->losses = 30;
    mesh->evil_ms = (uint32_t) prng_between (&mesh->prng, 200, 5000);
    mesh_event (mesh, EVENT_EVIL, 1000);
    run_until (mesh, mesh->calm_from);
    evil_end (mesh);
    run_until (mesh, mesh->now + SETTLE_MS);
    check_settled (mesh);
    uint64_t exits = mesh->exits;
    run_until (mesh, mesh->now + STABLE_MS);
    check_settled (mesh);
    if (mesh->exits != exits)
        mesh_fail (mesh, "it does not come to rest");
}

static void calm (mesh_t *mesh)
{
    mesh_event (mesh, EVENT_EVIL, 30000);
    run_until (mesh, 30000);
    check_settled (mesh);
    run_until (mesh, 30000 + chance (mesh, 200000));
    if (mesh->mode == MODE_SLEEPY)
        run_until (mesh, mesh->now + 60000);
    check_settled (mesh);
    if (mesh->exits != 0)
        mesh_fail (mesh, "somebody was dropped who was there");
}

static void populate (mesh_t *mesh)
{
    bool spaces = mesh->mode == MODE_STORM && prng_one_in (&mesh->prng, 4);
    bool zyre = prng_one_in (&mesh->prng, 3); /* one: two of them restart each other for ever */
    mesh->is_honest = zyre && spaces; /* else it hears what is for others, from strangers, too */
    mesh->count = (uint32_t) (chance (mesh, 4) == 0 ? prng_between (&mesh->prng, 6, NODES_MAX)
                                                    : prng_between (&mesh->prng, 2, 5));
    for (uint32_t i = 0; i < mesh->count; i++) {
        node_t *node = &mesh->nodes[i];
        node->is_zyre = i == 1 && zyre && mesh->mode != MODE_SLEEPY;
        node->space = spaces && !node->is_zyre && prng_one_in (&mesh->prng, 3) ? "other" : "";
        node_start (mesh, (int) i, false);
    }
}

static void free_all (mesh_t *mesh)
{
    for (uint32_t i = 0; i < mesh->count; i++)
        node_free (&mesh->nodes[i]);
    net_free (mesh);
    free (mesh->heap);
}

/* One offer that comes and goes all the time is the hardest to follow: it is as it was before. */
static void choose_offers (mesh_t *mesh)
{
    bool is_one = prng_one_in (&mesh->prng, 8);
    uint32_t few = (uint32_t) prng_between (&mesh->prng, OFFERS_STEADY + 1, 16);
    mesh->has_many = prng_one_in (&mesh->prng, 20);
    mesh->offers_few = is_one ? OFFERS_STEADY + 1 : few;
    mesh->offers_rate = is_one ? 1 : PRNG_PICK (&mesh->prng, ((uint32_t[]){10, 10, 40}));
    mesh->offers_until = chance (mesh, 300000);
}

int mesh_run (const mesh_options_t *options)
{
    mesh_t *mesh = calloc (1, sizeof *mesh);
    mesh->options = *options;
    mesh->prng.state = options->seed;
    mesh->mode = (mesh_mode_t) (options->seed % 4 == 3   ? MODE_SLEEPY
                                : options->seed % 4 == 2 ? MODE_CALM
                                                         : MODE_STORM);
    mesh->mail_ms = PRNG_PICK (&mesh->prng, ((uint32_t[]){1, 20, 200, 450}));
    mesh->beacon_ms = PRNG_PICK (&mesh->prng, ((uint32_t[]){1, 100, 1000, 4000}));
    mesh->loss = 5;
    mesh->has_other = prng_one_in (&mesh->prng, 3);
    choose_offers (mesh);
    int failed = setjmp (mesh->failed);
    if (failed == 0) {
        populate (mesh);
        if (mesh->mode == MODE_STORM)
            storm (mesh);
        else
            calm (mesh);
    }
    free_all (mesh);
    free (mesh);
    return failed;
}
