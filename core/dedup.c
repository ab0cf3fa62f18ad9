#include "core/dedup.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

static void forget (zf_dedup_t *dedup, zf_dedup_entry_t *entry)
{
    HASH_DEL (dedup->table, entry); /* NOLINT(clang-analyzer-*): uthash knows it is there */
    DL_DELETE (dedup->order, entry);
    free (entry);
}

int zf_dedup_put (zf_dedup_t *dedup, XXH128_hash_t hash, uint64_t until_ms, uint64_t lsn)
{
    zf_dedup_entry_t *entry;
    HASH_FIND (hh, dedup->table, &hash, sizeof hash, entry);
    if (entry != NULL) /* it stood behind some with a longer window */
        forget (dedup, entry);
    entry = calloc (1, sizeof *entry);
    if (entry == NULL)
        return ZF_E_NOMEM;
    entry->hash = hash;
    entry->until_ms = until_ms;
    entry->lsn = lsn;
    HASH_ADD (hh, dedup->table, hash, sizeof entry->hash, entry);
    if (entry->hh.tbl == NULL) {
        free (entry);
        return ZF_E_NOMEM;
    }
    DL_APPEND (dedup->order, entry);
    if (HASH_COUNT (dedup->table) > ZF_DEDUP_MAX)
        forget (dedup, dedup->order);
    return 0;
}

int zf_dedup_add (zf_dedup_t *dedup, zf_bytes_t id, uint64_t now_ms, uint64_t window_ms,
                  uint64_t lsn)
{
    zf_dedup_expire (dedup, now_ms);
    XXH128_hash_t hash = XXH3_128bits (id.data, id.size);
    zf_dedup_entry_t *entry;
    HASH_FIND (hh, dedup->table, &hash, sizeof hash, entry);
    if (entry != NULL && entry->until_ms > now_ms)
        return 0;
    return zf_dedup_put (dedup, hash, now_ms + window_ms, lsn) == 0 ? 1 : ZF_E_NOMEM;
}

void zf_dedup_drop (zf_dedup_t *dedup, zf_bytes_t id)
{
    XXH128_hash_t hash = XXH3_128bits (id.data, id.size);
    zf_dedup_entry_t *entry;
    HASH_FIND (hh, dedup->table, &hash, sizeof hash, entry);
    if (entry != NULL)
        forget (dedup, entry);
}

uint64_t zf_dedup_expire (zf_dedup_t *dedup, uint64_t now_ms)
{
    while (dedup->order != NULL && dedup->order->until_ms <= now_ms)
        forget (dedup, dedup->order);
    return dedup->order != NULL ? dedup->order->until_ms : UINT64_MAX;
}

void zf_dedup_free (zf_dedup_t *dedup)
{
    while (dedup->order != NULL)
        forget (dedup, dedup->order);
}
