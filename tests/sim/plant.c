#include "tests/sim/plant.h"

#include "core/mp.h"
#include "core/store.h"

const plant_t plants[] = {
    {.name = "confirms are not held back", .hasty = true},
    {.name = "records are not written down", .op = ZF_OP_RECORDS},
    {.name = "large batches are not written down", .op = ZF_OP_BATCH},
    {.name = "what is settled is not written down", .op = ZF_OP_GONE},
    {.name = "attempts are not written down", .op = ZF_OP_STATE},
    {.name = "numbers of producers are not written down", .op = ZF_OP_PRODUCER},
    {.name = "queues are not written down", .op = ZF_OP_QUEUE},
    {.name = "refusals are not written down", .forgetful = true},
    {.name = "what lies back is not carried", .op = ZF_OP_CARRY},
    {.name = "what lies back is carried without its state",
     .op = ZF_OP_STATE,
     .after = ZF_OP_CARRY},
    {.name = "what is still needed is trimmed", .greedy = true},
    {.name = "operations are written in another order", .turned = true},
    {.name = "a group is written down as further than it is", .streams = true, .ahead = 3},
    {.name = "what a group or a stream is done with is not written down",
     .op = ZF_OP_GONE,
     .streams = true},
    {.name = "attempts of a group are not written down", .op = ZF_OP_STATE, .streams = true},
    {.name = "records of a stream are not written down", .op = ZF_OP_RECORDS, .streams = true},
    {.name = "subscribers do not wait for the disk", .hasty = true, .streams = true},
};

const size_t plant_count = sizeof plants / sizeof plants[0];

static unsigned number_of (zf_bytes_t op)
{
    zf_reader_t r = zf_reader (op);
    zf_mp_array (&r);
    return (unsigned) zf_mp_uint (&r);
}

/* [8 q uuid last kept refusals] without the refusals. */
static void put_without_refusals (zf_writer_t *w, zf_bytes_t op)
{
    zf_reader_t r = zf_reader (op);
    zf_mp_array (&r);
    for (int i = 0; i < 5; i++)
        zf_mp_skip (&r);
    zf_write_bytes (w, op.data, (size_t) (r.at - (const uint8_t *) op.data));
    zf_mp_put_array (w, 0);
}

/* [12 q floor] of one that is further. */
static void put_further (zf_writer_t *w, zf_bytes_t op, uint64_t more)
{
    zf_reader_t r = zf_reader (op);
    zf_mp_array (&r);
    zf_mp_uint (&r);
    zf_mp_put_array (w, 3);
    zf_mp_put_uint (w, ZF_OP_CURSOR);
    zf_mp_put_uint (w, zf_mp_uint (&r));
    zf_mp_put_uint (w, zf_mp_uint (&r) + more);
}

static void put_op (const plant_t *plant, zf_writer_t *w, zf_bytes_t op, bool *behind)
{
    unsigned number = number_of (op);
    *behind |= plant->after == 0 || number == plant->after;
    if (number == plant->op && *behind)
        return;
    if (plant->forgetful && number == ZF_OP_PRODUCER)
        put_without_refusals (w, op);
    else if (plant->ahead > 0 && number == ZF_OP_CURSOR)
        put_further (w, op, plant->ahead);
    else
        zf_write_bytes (w, op.data, op.size);
}

static void turn_round (zf_writer_t *w, zf_bytes_t op)
{
    zf_writer_t behind = {0};
    zf_write_bytes (&behind, op.data, op.size);
    zf_write_bytes (&behind, w->data, w->size);
    zf_writer_free (w);
    *w = behind;
}

void plant_spoil (const plant_t *plant, zf_writer_t *entry)
{
    zf_reader_t r = zf_reader (zf_bytes (entry->data, entry->size));
    zf_writer_t spoilt = {0};
    bool behind = false;
    while (zf_reader_left (&r) > 0) {
        const uint8_t *from = r.at;
        zf_mp_skip (&r);
        zf_bytes_t op = zf_bytes (from, (size_t) (r.at - from));
        if (plant->turned)
            turn_round (&spoilt, op);
        else
            put_op (plant, &spoilt, op, &behind);
    }
    zf_writer_free (entry);
    *entry = spoilt;
}
