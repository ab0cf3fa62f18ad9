#include "patterns/link_pipe.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

/* Records of a batch from `at` on, not yet in the pipe. */
typedef struct {
    const uint8_t *at, *end;
    uint64_t number; /* of the one at `at` */
    uint32_t left;   /* records from there on */
    uint32_t flags;  /* of the batch */
} rest_t;

static int add_load (zf_pipe_t *pipe, const uint8_t *records, size_t size, uint32_t count,
                     uint32_t flags, uint64_t first)
{
    zf_load_t *load = calloc (1, sizeof *load);
    zf_buffer_t *buffer = load != NULL ? zf_buffer_new (ZF_BATCH_HEADER + size) : NULL;
    if (buffer == NULL) {
        free (load);
        return ZF_E_NOMEM;
    }
    memcpy (buffer->data + ZF_BATCH_HEADER, records, size);
    buffer->size = (uint32_t) (ZF_BATCH_HEADER + size);
    zf_batch_seal (buffer->data, buffer->size, count, flags, first);
    *load =
        (zf_load_t){.buffer = buffer, .first = first, .count = count, .done_at = ZF_BATCH_HEADER};
    DL_APPEND (pipe->loads, load);
    if (pipe->unsent == NULL)
        pipe->unsent = load;
    return 0;
}

static bool skip_records (rest_t *rest, uint64_t count)
{
    zf_record_t record;
    for (; count > 0 && rest->left > 0; count--) {
        rest->at = zf_record_decode (rest->at, rest->end, &record);
        if (rest->at == NULL)
            return false;
        rest->left--;
        rest->number++;
    }
    return true;
}

/* Past the records that the target has. One too big for a message it never had: others behind it
 * went on, and the source has not heard yet that it is to be a dead letter. */
static bool skip_known (rest_t *rest, const zf_gate_t *gate)
{
    while (rest->left > 0 && rest->number <= gate->last) {
        const uint8_t *start = rest->at;
        if (!skip_records (rest, 1))
            return false;
        if ((size_t) (rest->at - start) > gate->max_message_bytes - ZF_BATCH_HEADER)
            gate->too_big (gate->arg, rest->number - 1);
    }
    return true;
}

/* The records from the first of the rest on that fit into `most` bytes; at least one. */
static const uint8_t *fitting (const rest_t *rest, size_t most, uint32_t *count)
{
    const uint8_t *behind = rest->at;
    *count = 0;
    while (*count < rest->left) {
        zf_record_t record;
        const uint8_t *next = zf_record_decode (behind, rest->end, &record);
        if (next == NULL)
            return NULL;
        if (*count > 0 && (size_t) (next - rest->at) > most)
            break;
        behind = next;
        ++*count;
    }
    return behind;
}

/* One load after another. */
static int add_cut (zf_pipe_t *pipe, rest_t *rest, const zf_gate_t *gate)
{
    size_t most = (size_t) gate->max_message_bytes - ZF_BATCH_HEADER;
    size_t usual = gate->window_bytes < most ? (size_t) gate->window_bytes : most;
    while (rest->left > 0) {
        uint32_t count;
        const uint8_t *behind = fitting (rest, usual, &count);
        if (behind == NULL)
            return ZF_E_PROTO;
        size_t size = (size_t) (behind - rest->at);
        int rc = 0;
        if (size > most)
            gate->too_big (gate->arg, rest->number);
        else
            rc = add_load (pipe, rest->at, size, count, rest->flags, rest->number);
        if (rc != 0)
            return rc;
        rest->at = behind;
        rest->left -= count;
        rest->number += count;
    }
    return rest->at == rest->end ? 0 : ZF_E_PROTO;
}

int zf_pipe_take (zf_pipe_t *pipe, uint64_t first, zf_bytes_t frame, const zf_gate_t *gate,
                  uint32_t *count, uint32_t *bytes)
{
    zf_batch_t batch;
    int rc = zf_batch_decode (frame, &batch);
    if (rc != 0)
        return rc;
    if (first < pipe->next_number || first > UINT64_MAX / 4)
        return ZF_E_PROTO;
    *count = batch.count;
    *bytes = batch.size;
    pipe->next_number = first + batch.count;
    if (first > gate->last && frame.size <= gate->max_message_bytes &&
        batch.size <= gate->window_bytes)
        return add_load (pipe, batch.records, batch.size, batch.count, batch.flags, first);
    rest_t rest = {batch.records, batch.records + batch.size, first, batch.count, batch.flags};
    if (!skip_known (&rest, gate))
        return ZF_E_PROTO;
    return add_cut (pipe, &rest, gate);
}

static uint64_t bytes_left (const zf_load_t *load)
{
    return load->buffer->size - load->done_at;
}

zf_load_t *zf_pipe_next (const zf_pipe_t *pipe, uint64_t window_bytes)
{
    zf_load_t *load = pipe->unsent;
    if (load == NULL || pipe->unconfirmed_bytes == 0 ||
        pipe->unconfirmed_bytes + bytes_left (load) <= window_bytes)
        return load;
    return NULL;
}

void zf_pipe_sent (zf_pipe_t *pipe, zf_load_t *load)
{
    load->is_sent = true;
    pipe->unconfirmed_bytes += bytes_left (load);
    pipe->unsent = load->next;
}

static void drop_load (zf_pipe_t *pipe, zf_load_t *load)
{
    DL_DELETE (pipe->loads, load);
    zf_buffer_drop (load->buffer);
    free (load);
}

/* The next n records of the load are dealt with. */
static bool settle_records (zf_pipe_t *pipe, zf_load_t *load, uint32_t n)
{
    if (load->done + n == load->count) {
        pipe->unconfirmed_bytes -= bytes_left (load);
        drop_load (pipe, load);
        return true;
    }
    uint8_t *data = load->buffer->data;
    rest_t rest = {.at = data + load->done_at, .end = data + load->buffer->size, .left = n};
    if (!skip_records (&rest, n))
        return false;
    uint32_t at = (uint32_t) (rest.at - data);
    pipe->unconfirmed_bytes -= at - load->done_at;
    load->done_at = at;
    load->done += n;
    return true;
}

bool zf_pipe_settle (zf_pipe_t *pipe, uint64_t first, uint64_t count)
{
    while (count > 0) {
        zf_load_t *load = pipe->loads;
        if (load == NULL || !load->is_sent || load->first + load->done != first)
            return false;
        uint32_t left = load->count - load->done;
        uint32_t n = count < left ? (uint32_t) count : left;
        if (!settle_records (pipe, load, n))
            return false;
        first += n;
        count -= n;
    }
    return true;
}

void zf_pipe_clear (zf_pipe_t *pipe)
{
    while (pipe->loads != NULL)
        drop_load (pipe, pipe->loads); /* NOLINT(clang-analyzer-*): it leaves the list */
    memset (pipe, 0, sizeof *pipe);
}
