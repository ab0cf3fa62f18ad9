#include "tests/core/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <zferry/error.h>

static size_t unfreed; /* not freed yet */

static void release (zf_frame_t *frame)
{
    unfreed--;
    free (frame->data);
    free (frame);
}

zf_frame_t *wire_frame (const void *data, size_t size)
{
    zf_frame_t *frame = calloc (1, sizeof *frame);
    assert (frame != NULL);
    frame->data = malloc (size > 0 ? size : 1);
    assert (frame->data != NULL);
    if (size > 0)
        memcpy (frame->data, data, size);
    frame->size = size;
    frame->holders = 1;
    frame->release = release;
    unfreed++;
    return frame;
}

zf_frame_t *wire_written (zf_writer_t *w)
{
    assert (!w->failed);
    zf_frame_t *frame = wire_frame (w->data, w->size);
    zf_writer_free (w);
    return frame;
}

size_t wire_frames (void)
{
    return unfreed;
}

uint32_t wire_words (const char *text)
{
    uint32_t words = 0;
    for (; *text != '\0'; text++)
        words += *text != ' ' && (text[1] == ' ' || text[1] == '\0');
    return words;
}

zf_bytes_t wire_word (const char *text, uint32_t n)
{
    text += strspn (text, " ");
    for (; n > 0; n--) {
        text += strcspn (text, " ");
        text += strspn (text, " ");
    }
    return zf_bytes (text, strcspn (text, " "));
}

static void put_record (zf_writer_t *w, zf_bytes_t props, zf_bytes_t body)
{
    uint8_t *at = zf_writer_reserve (w, zf_record_size (props.size, body.size));
    assert (at != NULL);
    zf_record_encode (at, props, body);
}

zf_frame_t *wire_batch (uint64_t first, const char *bodies, const zf_props_t *props)
{
    zf_writer_t w = {0};
    zf_writer_t encoded = {0};
    uint32_t count = wire_words (bodies);
    if (props != NULL && zf_props_encode (&encoded, props, NULL) != 0)
        abort ();
    zf_writer_reserve (&w, ZF_BATCH_HEADER);
    for (uint32_t i = 0; i < count; i++)
        put_record (&w, zf_bytes (encoded.data, encoded.size), wire_word (bodies, i));
    zf_batch_seal (w.data, w.size, count, encoded.size > 0 ? ZF_BATCH_HAS_PROPS : 0, first);
    zf_writer_free (&encoded);
    return wire_written (&w);
}

zf_frame_t *wire_bulk (uint64_t first, uint32_t count, size_t size)
{
    zf_writer_t w = {0};
    uint8_t *body = calloc (1, size + 8);
    assert (body != NULL);
    zf_writer_reserve (&w, ZF_BATCH_HEADER);
    for (uint32_t i = 0; i < count; i++) {
        zf_store_u64le (body, first + i);
        put_record (&w, zf_bytes (NULL, 0), zf_bytes (body, size));
    }
    free (body);
    zf_batch_seal (w.data, w.size, count, 0, first);
    return wire_written (&w);
}

zf_writer_t wire_control (unsigned command, size_t arguments)
{
    zf_writer_t w = {0};
    zf_mp_put_array (&w, arguments + 1);
    zf_mp_put_uint (&w, command);
    return w;
}

void wire_put_text (zf_writer_t *w, const char *text)
{
    zf_mp_put_str (w, zf_bytes_of (text));
}
