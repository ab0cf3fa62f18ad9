/* Batches: as they are, and once more with a checksum that fits, to get behind it. */
#include "core/batch.h"
#include "core/props.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void check (bool holds)
{
    if (!holds)
        abort ();
}

/* Each record begins where the index says, and the last one ends where the batch does. */
static void read_records (const zf_batch_t *batch, const uint32_t *offsets)
{
    const uint8_t *end = batch->records + batch->size;
    const uint8_t *at = batch->records;
    for (uint32_t i = 0; i < batch->count; i++) {
        zf_record_t record;
        zf_props_view_t view;
        check (at == batch->records - ZF_BATCH_HEADER + offsets[i]);
        at = zf_record_decode (at, end, &record);
        check (at != NULL);
        zf_props_decode (record.props, record.body.size, &view);
    }
    check (at == end);
}

static void read_batch (zf_bytes_t in)
{
    zf_batch_t batch;
    if (zf_batch_decode (in, &batch) != 0)
        return;
    uint32_t *offsets = malloc (batch.count * sizeof *offsets);
    if (offsets != NULL && zf_batch_index (&batch, offsets) == 0)
        read_records (&batch, offsets);
    free (offsets);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    read_batch (zf_bytes (data, size));
    if (size < ZF_BATCH_HEADER)
        return 0;
    uint8_t *copy = malloc (size);
    if (copy == NULL)
        return 0;
    memcpy (copy, data, size);
    zf_batch_seal (copy, size, zf_load_u32le (copy + 4), zf_load_u32le (copy + 12),
                   zf_load_u64le (copy + 16));
    read_batch (zf_bytes (copy, size));
    free (copy);
    return 0;
}
