#include "core/producers.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

static void forget (zf_producers_t *producers, zf_producer_t *producer)
{
    HASH_DEL (producers->table, producer); /* NOLINT(clang-analyzer-*): uthash knows it is there */
    DL_DELETE (producers->order, producer);
    zf_producer_heard (producer, UINT64_MAX);
    free (producer);
}

static zf_producer_t *make (zf_producers_t *producers, const uint8_t *uuid)
{
    zf_producer_t *producer = calloc (1, sizeof *producer);
    if (producer == NULL)
        return NULL;
    memcpy (producer->uuid, uuid, sizeof producer->uuid);
    HASH_ADD (hh, producers->table, uuid, sizeof producer->uuid, producer);
    if (producer->hh.tbl == NULL) { /* uthash found no memory */
        free (producer);
        return NULL;
    }
    DL_APPEND (producers->order, producer);
    if (HASH_COUNT (producers->table) <= ZF_PRODUCERS_MAX)
        return producer;
    zf_producer_t *oldest = producers->order;
    while (oldest != NULL && oldest->kept)
        oldest = oldest->next;
    bool no_room = oldest == producer;
    if (oldest != NULL)
        forget (producers, oldest);
    return no_room ? NULL : producer;
}

zf_producer_t *zf_producers_get (zf_producers_t *producers, const uint8_t *uuid, uint64_t now_ms)
{
    zf_producer_t *producer;
    HASH_FIND (hh, producers->table, uuid, ZF_UUID_BYTES, producer);
    if (producer == NULL)
        producer = make (producers, uuid);
    if (producer == NULL)
        return NULL;
    if (producer->next != NULL) { /* not the last in line yet */
        DL_DELETE (producers->order, producer);
        DL_APPEND (producers->order, producer);
    }
    producer->seen_ms = now_ms;
    return producer;
}

int zf_producer_refuse (zf_producer_t *producer, uint64_t first, uint64_t count, int code)
{
    zf_refusal_t *newest = producer->refusals;
    if (newest != NULL && newest->first + newest->count == first && newest->code == code) {
        newest->count += count;
        return 0;
    }
    if (producer->refusal_count == ZF_REFUSALS_MAX)
        return ZF_E_LIMIT;
    zf_refusal_t *refusal = malloc (sizeof *refusal);
    if (refusal == NULL)
        return ZF_E_NOMEM;
    refusal->first = first;
    refusal->count = count;
    refusal->code = code;
    LL_PREPEND (producer->refusals, refusal);
    producer->refusal_count++;
    return 0;
}

void zf_producer_heard (zf_producer_t *producer, uint64_t low)
{
    zf_refusal_t *refusal, *next;
    LL_FOREACH_SAFE (producer->refusals, refusal, next) {
        if (refusal->first + refusal->count > low)
            continue;
        LL_DELETE (producer->refusals, refusal);
        producer->refusal_count--;
        free (refusal);
    }
}

int zf_producer_outcome (const zf_producer_t *producer, uint64_t number, uint64_t *count)
{
    uint64_t end = producer->last + 1;
    const zf_refusal_t *refusal;
    LL_FOREACH (producer->refusals, refusal) {
        uint64_t behind = refusal->first + refusal->count;
        if (number >= refusal->first && number < behind) {
            *count = behind - number;
            return refusal->code;
        }
        if (refusal->first > number && refusal->first < end)
            end = refusal->first;
    }
    *count = end - number;
    return 0;
}

uint64_t zf_producers_expire (zf_producers_t *producers, uint64_t now_ms)
{
    zf_producer_t *producer, *next;
    DL_FOREACH_SAFE (producers->order, producer, next) {
        if (producer->kept)
            continue;
        if (producer->seen_ms + ZF_PRODUCER_MEMORY_MS > now_ms)
            return producer->seen_ms + ZF_PRODUCER_MEMORY_MS;
        forget (producers, producer);
    }
    return UINT64_MAX;
}

void zf_producers_free (zf_producers_t *producers)
{
    while (producers->order != NULL)
        forget (producers, producers->order);
}
