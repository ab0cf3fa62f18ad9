#include "bench_board.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY 32 /* messages between two looks at the window; a power of two */

/* -- where things lie -------------------------------------------------------------------------- */

static uint64_t words_per_producer (const bench_order_t *order)
{
    uint64_t most = order->producers > 0 ? order->count / order->producers + 1 : 0;
    return (most + 63) / 64;
}

uint64_t bench_board_sample_room (const bench_order_t *order)
{
    uint64_t expected = 2 * order->count / order->sample_every + 64;
    return expected < BENCH_SAMPLES ? expected : BENCH_SAMPLES;
}

static uint64_t words_per_worker (const bench_order_t *order)
{
    return order->producers * words_per_producer (order) + bench_board_sample_room (order);
}

_Atomic uint64_t *bench_board_bits (bench_board_t *board, uint32_t worker, uint32_t producer)
{
    const bench_order_t *order = &board->order;
    uint64_t word = worker * words_per_worker (order) + producer * words_per_producer (order);
    return (_Atomic uint64_t *) (void *) board->ledgers + word;
}

uint64_t *bench_board_samples (bench_board_t *board, uint32_t worker)
{
    const bench_order_t *order = &board->order;
    uint64_t word = (worker + 1) * words_per_worker (order) - bench_board_sample_room (order);
    return (uint64_t *) (void *) board->ledgers + word;
}

uint64_t bench_board_share (const bench_order_t *order, uint32_t producer)
{
    return order->count / order->producers + (producer < order->count % order->producers ? 1 : 0);
}

/* -- making ------------------------------------------------------------------------------------ */

static bench_board_t *map_board (int fd, uint64_t bytes)
{
    void *at = mmap (NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at != MAP_FAILED ? at : NULL;
}

bench_board_t *bench_board_create (const bench_order_t *order, int *fd)
{
    uint64_t bytes =
        sizeof (bench_board_t) + sizeof (uint64_t) * order->workers * words_per_worker (order);
    *fd = memfd_create ("zferry-bench", MFD_CLOEXEC);
    if (*fd < 0)
        return NULL;
    bench_board_t *board = ftruncate (*fd, (off_t) bytes) == 0 ? map_board (*fd, bytes) : NULL;
    if (board == NULL) {
        close (*fd);
        *fd = -1;
        return NULL;
    }
    board->order = *order;
    board->total_bytes = bytes;
    return board;
}

bench_board_t *bench_board_attach (int fd)
{
    struct stat info;
    if (fstat (fd, &info) != 0)
        return NULL;
    if ((size_t) info.st_size < sizeof (bench_board_t)) {
        errno = EINVAL;
        return NULL;
    }
    return map_board (fd, (uint64_t) info.st_size);
}

void bench_board_destroy (bench_board_t **board)
{
    if (*board != NULL)
        munmap (*board, (*board)->total_bytes);
    *board = NULL;
}

/* -- the parent's view ------------------------------------------------------------------------- */

/* Bits that several workers have set are counted in *shared. */
static uint64_t seen_of_word (bench_board_t *board, uint32_t producer, uint64_t word,
                              uint64_t *shared)
{
    uint64_t all = 0;
    int sights = 0;
    for (uint32_t worker = 0; worker < board->order.workers; worker++) {
        _Atomic uint64_t *bits = bench_board_bits (board, worker, producer);
        uint64_t mine = atomic_load_explicit (&bits[word], memory_order_relaxed);
        sights += __builtin_popcountll (mine);
        all |= mine;
    }
    int seen = __builtin_popcountll (all);
    *shared += (uint64_t) (sights - seen);
    return (uint64_t) seen;
}

uint64_t bench_board_seen_by (bench_board_t *board, uint32_t worker)
{
    uint64_t seen = 0;
    for (uint32_t producer = 0; producer < board->order.producers; producer++) {
        _Atomic uint64_t *bits = bench_board_bits (board, worker, producer);
        for (uint64_t word = 0; word < words_per_producer (&board->order); word++)
            seen += (uint64_t) __builtin_popcountll (
                atomic_load_explicit (&bits[word], memory_order_relaxed));
    }
    return seen;
}

uint64_t bench_board_seen (bench_board_t *board, uint64_t *shared)
{
    uint64_t seen = 0, ignored = 0;
    if (shared == NULL)
        shared = &ignored;
    *shared = 0;
    for (uint32_t producer = 0; producer < board->order.producers; producer++)
        for (uint64_t word = 0; word < words_per_producer (&board->order); word++)
            seen += seen_of_word (board, producer, word, shared);
    return seen;
}

/* -- pacing of publishers ---------------------------------------------------------------------- */

static uint64_t least_received (bench_board_t *board)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i + board->order.stalled < board->order.workers; i++) {
        uint64_t received = atomic_load_explicit (&board->worker[i].received, memory_order_acquire);
        least = received < least ? received : least;
    }
    return least;
}

void bench_await_room (bench_board_t *board, uint64_t number)
{
    if (board->order.window == 0 || number % LOOK_EVERY != 0)
        return;
    while (number > least_received (board) + board->order.window &&
           !atomic_load_explicit (&board->halt, memory_order_relaxed))
        bench_pause ();
}

/* -- what roles tell --------------------------------------------------------------------------- */

static void set_state (bench_slot_t *slot, bench_state_t state)
{
    atomic_store_explicit (&slot->state, (int) state, memory_order_release);
}

void bench_slot_ready (bench_slot_t *slot)
{
    set_state (slot, BENCH_READY);
}

void bench_slot_done (bench_slot_t *slot)
{
    set_state (slot, BENCH_DONE);
}

void bench_slot_fail (bench_slot_t *slot, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    vsnprintf (slot->text, sizeof slot->text, format, args);
    va_end (args);
    set_state (slot, BENCH_FAILED);
}

void bench_pause (void)
{
    struct timespec pause = {.tv_nsec = 50000};
    nanosleep (&pause, NULL);
}

bool bench_board_await_go (bench_board_t *board)
{
    struct timespec pause = {.tv_nsec = 200000};
    while (!atomic_load (&board->go)) {
        if (atomic_load (&board->finish))
            return false;
        nanosleep (&pause, NULL);
    }
    return true;
}
