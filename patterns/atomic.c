/* Atomic posts: records for several queues in one batch, taken whole or not at all. */
#include "patterns/client.h"

#include "core/props.h"

#include <stdlib.h>
#include <zferry/error.h>

#define POSTS_MAX 65536

/* A post and what is worked out about it. */
typedef struct {
    const zf_post_t *post;
    size_t order; /* its place in the caller's array */
    size_t body_size;
    size_t props_start; /* in the encoded properties of all */
    size_t props_size;
} item_t;

typedef struct {
    item_t *items;
    size_t count;
    zf_writer_t props; /* encoded, of all items */
    size_t bytes;      /* of the batch */
    size_t queues;     /* different ones */
    zf_buffer_t *batch;
} bundle_t;

static int by_queue (const void *a, const void *b)
{
    const item_t *x = a;
    const item_t *y = b;
    int order = strcmp (x->post->queue, y->post->queue);
    return order != 0 ? order : x->order < y->order ? -1 : 1;
}

static int measure (bundle_t *bundle, const zf_post_t *posts, zf_error_t *err)
{
    bundle->bytes = ZF_BATCH_HEADER;
    for (size_t i = 0; i < bundle->count; i++) {
        item_t *item = &bundle->items[i];
        const zf_post_t *post = item->post = &posts[i];
        size_t length = post->queue != NULL ? strnlen (post->queue, ZF_NAME_MAX + 1) : 0;
        if (length == 0 || length > ZF_NAME_MAX)
            return zf_error_set (err, ZF_E_INVAL, "post %zu: the name of a queue has 1 to %d bytes",
                                 i, ZF_NAME_MAX);
        item->order = i;
        item->body_size = post->size;
        item->props_start = bundle->props.size;
        int rc = zf_body_size (post->body, post->size, post->props, &item->body_size);
        if (rc == 0 && post->props != NULL)
            rc = zf_props_encode (&bundle->props, post->props, NULL);
        if (rc != 0)
            return zf_error_set (err, rc, "post %zu: %s", i, zf_strerror (rc));
        item->props_size = bundle->props.size - item->props_start;
        bundle->bytes += zf_record_size (item->props_size, item->body_size);
    }
    return 0;
}

static int build (bundle_t *bundle, uint64_t number)
{
    uint32_t flags = 0;
    qsort (bundle->items, bundle->count, sizeof *bundle->items, by_queue);
    bundle->batch = zf_buffer_new (bundle->bytes);
    if (bundle->batch == NULL)
        return ZF_E_NOMEM;
    uint8_t *at = bundle->batch->data + ZF_BATCH_HEADER;
    for (size_t i = 0; i < bundle->count; i++) {
        const item_t *item = &bundle->items[i];
        zf_bytes_t props = zf_bytes (bundle->props.data + item->props_start, item->props_size);
        if (item->props_size == 0)
            props.data = NULL;
        at = zf_body_write (at, props, item->post->body, item->body_size, item->post->props);
        flags |= item->props_size > 0 ? ZF_BATCH_HAS_PROPS : 0;
        bundle->queues += i == 0 || strcmp (item->post->queue, item[-1].post->queue) != 0;
    }
    bundle->batch->size = (uint32_t) bundle->bytes;
    zf_batch_seal (bundle->batch->data, bundle->bytes, (uint32_t) bundle->count, flags, number);
    return 0;
}

static void write_queues (zf_writer_t *w, const bundle_t *bundle)
{
    zf_mp_put_array (w, 2 * bundle->queues);
    for (size_t i = 0; i < bundle->count;) {
        const char *queue = bundle->items[i].post->queue;
        size_t n = 1;
        while (i + n < bundle->count && strcmp (bundle->items[i + n].post->queue, queue) == 0)
            n++;
        zf_mp_put_str (w, zf_bytes_of (queue));
        zf_mp_put_uint (w, n);
        i += n;
    }
}

static int run (zf_client_t *self, bundle_t *bundle, zf_error_t *err)
{
    zf_inquiry_t inquiry = {.number = ++self->inquiry_number, .is_post = true, .err = err};
    int rc = build (bundle, inquiry.number);
    if (rc != 0)
        return zf_error_set (err, rc, "out of memory");
    if (bundle->queues > ZF_SEGMENTS_MAX)
        return zf_error_set (err, ZF_E_INVAL, "an atomic post to %zu queues: at most %d",
                             bundle->queues, ZF_SEGMENTS_MAX);
    if (bundle->queues > 1 && (rc = zf_client_needs_broker (self, err)) != 0)
        return rc; /* each queue has a link of its own */
    if (self->spool != NULL &&
        (rc = zf_spool_serve (self->spool, bundle->items[0].post->queue, err)) != 0)
        return rc;
    zf_writer_t *w = zf_handle_control (&self->handle, ZF_CMD_POST_MANY, 4);
    uint64_t low = self->inquiries != NULL ? self->inquiries->number : inquiry.number;
    zf_mp_put_uint (w, inquiry.number);
    zf_mp_put_uint (w, low);
    write_queues (w, bundle);
    inquiry.body = bundle->batch;
    return zf_inquiry_run (self, &inquiry);
}

int zf_client_post_many (zf_client_t *self, const zf_post_t *posts, size_t count, zf_error_t *err)
{
    bundle_t bundle = {.count = count};
    if (count == 0 || count > POSTS_MAX)
        return zf_error_set (err, ZF_E_INVAL, "an atomic post has 1 to %d records", POSTS_MAX);
    bundle.items = calloc (count, sizeof *bundle.items);
    if (bundle.items == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    int rc = measure (&bundle, posts, err);
    if (rc == 0) {
        zf_handle_enter (&self->handle);
        rc = run (self, &bundle, err);
        zf_handle_leave (&self->handle);
    }
    zf_buffer_drop (bundle.batch);
    zf_writer_free (&bundle.props);
    free (bundle.items);
    return rc;
}
