/* Numbered bodies, and the book of those that arrived. */
#include "bench_board.h"

#include <stdlib.h>
#include <string.h>

#define TAIL                4096 /* the last records of a producer, whose arrival is noted */
#define NUMBER_BITS         48   /* of a record's number; the rest tells the producer */
#define PLANT_LOST_AT       3    /* see bench_plant_t */
#define PLANT_DUPLICATED_AT 5
#define PLANT_REORDERED_AT  8

/* What every body begins with; as it lies in memory: both ends are on this machine. */
typedef struct {
    uint64_t label; /* producer and number */
    uint64_t ns;    /* time of departure; 0: not taken */
} head_t;

_Static_assert(sizeof (head_t) == BENCH_BODY_MIN, "a body holds its head");

void bench_body_fill (unsigned char *body, size_t size)
{
    for (size_t i = 0; i < size; i++)
        body[i] = (unsigned char) (i * 131 + 7);
}

void bench_body_stamp (unsigned char *body, uint32_t producer, uint64_t number, uint64_t ns)
{
    head_t head = {.label = (uint64_t) producer << NUMBER_BITS | number, .ns = ns};
    memcpy (body, &head, sizeof head);
}

bool bench_ledger_open (bench_ledger_t *ledger, bench_board_t *board, uint32_t worker)
{
    *ledger = (bench_ledger_t){.board = board, .slot = &board->worker[worker]};
    ledger->samples = bench_board_samples (board, worker);
    for (uint32_t i = 0; i < board->order.producers; i++) {
        ledger->bits[i] = bench_board_bits (board, worker, i);
        ledger->share[i] = bench_board_share (&board->order, i);
    }
    ledger->expected = malloc (board->order.size);
    if (ledger->expected == NULL)
        return false;
    bench_body_fill (ledger->expected, board->order.size);
    return true;
}

void bench_ledger_close (bench_ledger_t *ledger)
{
    free (ledger->expected);
    ledger->expected = NULL;
}

static void book_number (bench_ledger_t *ledger, uint32_t producer, uint64_t number)
{
    _Atomic uint64_t *word = &ledger->bits[producer][number / 64];
    uint64_t before = atomic_load_explicit (word, memory_order_relaxed);
    uint64_t bit = (uint64_t) 1 << number % 64;
    if ((before & bit) != 0) {
        ledger->slot->duplicated++;
        return;
    }
    atomic_store_explicit (word, before | bit, memory_order_relaxed);
    if (number < ledger->next[producer])
        ledger->slot->reordered++;
    else
        ledger->next[producer] = number + 1;
}

/* The same with the mistakes that were asked for. */
static void book_wrongly (bench_ledger_t *ledger, uint32_t producer, uint64_t number)
{
    uint32_t plant = ledger->board->order.plant;
    if ((plant & BENCH_PLANT_LOST) != 0 && number == PLANT_LOST_AT)
        return;
    if ((plant & BENCH_PLANT_REORDERED) != 0 && number == PLANT_REORDERED_AT)
        return; /* is booked behind the next one */
    book_number (ledger, producer, number);
    if ((plant & BENCH_PLANT_REORDERED) != 0 && number == PLANT_REORDERED_AT + 1)
        book_number (ledger, producer, PLANT_REORDERED_AT);
    if ((plant & BENCH_PLANT_DUPLICATED) != 0 && number == PLANT_DUPLICATED_AT)
        book_number (ledger, producer, number);
}

static void book_sample (bench_ledger_t *ledger, const unsigned char *body, uint64_t departed_ns)
{
    bench_board_t *board = ledger->board;
    size_t rest = board->order.size - BENCH_BODY_MIN;
    if (memcmp (body + BENCH_BODY_MIN, ledger->expected + BENCH_BODY_MIN, rest) != 0)
        ledger->slot->damaged++;
    if (ledger->slot->sample_count < bench_board_sample_room (&board->order))
        ledger->samples[ledger->slot->sample_count++] = bench_now_ns () - departed_ns;
}

bool bench_ledger_book (bench_ledger_t *ledger, const void *body, size_t size)
{
    bench_board_t *board = ledger->board;
    head_t head = {0};
    if (size == board->order.size)
        memcpy (&head, body, sizeof head);
    uint32_t producer = (uint32_t) (head.label >> NUMBER_BITS);
    uint64_t number = head.label & (((uint64_t) 1 << NUMBER_BITS) - 1);
    if (size != board->order.size || producer >= board->order.producers ||
        number >= ledger->share[producer]) {
        ledger->slot->damaged++;
        return false;
    }
    if (head.ns != 0)
        book_sample (ledger, body, head.ns);
    if (board->order.plant != 0)
        book_wrongly (ledger, producer, number);
    else
        book_number (ledger, producer, number);
    return head.ns != 0 || number + TAIL >= ledger->share[producer];
}
