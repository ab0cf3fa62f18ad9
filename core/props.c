#include "core/props.h"

#include "core/mp.h"
#include <zferry/error.h>

enum {
    PROP_ID = 1,
    PROP_KEY,
    PROP_DELAY,
    PROP_TTL,
    PROP_PRIORITY,
    PROP_FRAMES,
    PROP_HEADERS,
    PROP_TRACE,
    PROP_DEATH,
    PROP_KEEP,
    PROP_TOPIC
};

static void set_props_defaults (zf_props_t *props)
{
    memset (props, 0, sizeof *props);
    props->struct_size = sizeof *props;
}

void zf_props_defaults_sized (zf_props_t *props, size_t size)
{
    zf_props_t own;
    set_props_defaults (&own);
    zf_options_fill (props, size, &own, sizeof own);
}

static zf_bytes_t read_label (zf_reader_t *r)
{
    zf_bytes_t label = zf_mp_bytes (r);
    if (label.size == 0 || label.size > ZF_ID_MAX)
        r->failed = true;
    return label;
}

static void read_frames (zf_reader_t *r, size_t body_size, zf_props_view_t *out)
{
    out->framed = true;
    out->frame_count = zf_mp_array (r);
    const uint8_t *start = r->at;
    uint64_t total = 0;
    if (out->frame_count > ZF_FRAMES_MAX)
        r->failed = true;
    for (uint32_t i = 0; i < out->frame_count && !r->failed; i++) {
        uint64_t size = zf_mp_uint (r);
        if (size > body_size - total)
            r->failed = true;
        total += size;
    }
    if (total != body_size)
        r->failed = true;
    out->frames = zf_bytes (start, (size_t) (r->at - start));
}

static void read_headers (zf_reader_t *r, zf_props_view_t *out)
{
    out->header_count = zf_mp_map (r);
    const uint8_t *start = r->at;
    if (out->header_count > ZF_HEADERS_MAX)
        r->failed = true;
    for (uint32_t i = 0; i < out->header_count && !r->failed; i++) {
        read_label (r);
        zf_mp_bytes (r);
    }
    out->headers = zf_bytes (start, (size_t) (r->at - start));
}

static void read_death (zf_reader_t *r, zf_props_view_t *out)
{
    if (zf_mp_array (r) != 3)
        r->failed = true;
    out->dead = true;
    out->death.queue = zf_mp_bytes (r);
    out->death.reason = zf_mp_bytes (r);
    out->death.attempts = (uint32_t) zf_mp_uint (r);
}

static void read_priority (zf_reader_t *r, zf_props_view_t *out)
{
    uint64_t priority = zf_mp_uint (r);
    if (priority >= ZF_PRIORITIES_MAX)
        r->failed = true;
    out->priority = (uint32_t) priority;
}

static void read_prop (zf_reader_t *r, uint64_t key, size_t body_size, zf_props_view_t *out)
{
    switch (key) {
    case PROP_ID:
        out->id = read_label (r);
        break;
    case PROP_KEY:
        out->key = read_label (r);
        break;
    case PROP_DELAY:
        out->delay_ms = zf_mp_uint (r);
        break;
    case PROP_TTL:
        out->ttl_ms = zf_mp_uint (r);
        break;
    case PROP_PRIORITY:
        read_priority (r, out);
        break;
    case PROP_FRAMES:
        read_frames (r, body_size, out);
        break;
    case PROP_HEADERS:
        read_headers (r, out);
        break;
    case PROP_TRACE:
        out->trace = zf_mp_bytes (r);
        break;
    case PROP_DEATH:
        read_death (r, out);
        break;
    case PROP_KEEP:
        out->keep_reply = zf_mp_bool (r);
        break;
    case PROP_TOPIC:
        out->topic = read_label (r);
        break;
    default:
        zf_mp_skip (r);
    }
}

int zf_props_decode (zf_bytes_t in, size_t body_size, zf_props_view_t *out)
{
    memset (out, 0, sizeof *out);
    if (in.size == 0)
        return 0;
    if (in.size > ZF_PROPS_MAX + ZF_DEATH_MAX)
        return ZF_E_PROTO;
    zf_reader_t r = zf_reader (in);
    uint32_t pairs = zf_mp_map (&r);
    uint32_t seen = 0; /* bit n: key n was there */
    for (uint32_t i = 0; i < pairs && !r.failed; i++) {
        uint64_t key = zf_mp_uint (&r);
        uint32_t bit = key <= PROP_TOPIC ? UINT32_C (1) << key : 0;
        if ((seen & bit) != 0)
            r.failed = true;
        seen |= bit;
        read_prop (&r, key, body_size, out);
    }
    return zf_reader_done (&r) ? 0 : ZF_E_PROTO;
}

static bool label_ok (zf_bytes_t label)
{
    return label.size <= ZF_ID_MAX;
}

static bool encodable (const zf_props_t *props)
{
    if (props->keep_reply && props->id.size == 0)
        return false;
    if (!label_ok (props->topic))
        return false;
    if (!label_ok (props->id) || !label_ok (props->key) || props->priority >= ZF_PRIORITIES_MAX)
        return false;
    if (props->frame_count > ZF_FRAMES_MAX || props->header_count > ZF_HEADERS_MAX)
        return false;
    for (size_t i = 0; i < props->header_count; i++) {
        zf_bytes_t name = props->headers[i].name;
        if (name.size == 0 || !label_ok (name))
            return false;
    }
    return true;
}

static void put_bin_prop (zf_writer_t *w, uint64_t key, zf_bytes_t value)
{
    if (value.size == 0)
        return;
    zf_mp_put_uint (w, key);
    zf_mp_put_bin (w, value);
}

static void put_uint_prop (zf_writer_t *w, uint64_t key, uint64_t value)
{
    if (value == 0)
        return;
    zf_mp_put_uint (w, key);
    zf_mp_put_uint (w, value);
}

static void put_death (zf_writer_t *w, const zf_death_t *death)
{
    if (death == NULL)
        return;
    zf_mp_put_uint (w, PROP_DEATH);
    zf_mp_put_array (w, 3);
    zf_mp_put_str (w, death->queue);
    zf_mp_put_str (w, death->reason);
    zf_mp_put_uint (w, death->attempts);
}

static void put_keep (zf_writer_t *w, bool keep_reply)
{
    if (!keep_reply)
        return;
    zf_mp_put_uint (w, PROP_KEEP);
    zf_mp_put_bool (w, true);
}

static void put_frames (zf_writer_t *w, const zf_props_t *props)
{
    if (props->frames == NULL)
        return;
    zf_mp_put_uint (w, PROP_FRAMES);
    zf_mp_put_array (w, props->frame_count);
    for (size_t i = 0; i < props->frame_count; i++)
        zf_mp_put_uint (w, props->frames[i].size);
}

static void put_headers (zf_writer_t *w, const zf_props_t *props)
{
    if (props->header_count == 0)
        return;
    zf_mp_put_uint (w, PROP_HEADERS);
    zf_mp_put_map (w, props->header_count);
    for (size_t i = 0; i < props->header_count; i++) {
        zf_mp_put_bin (w, props->headers[i].name);
        zf_mp_put_bin (w, props->headers[i].value);
    }
}

int zf_props_encode (zf_writer_t *w, const zf_props_t *props, const zf_death_t *death)
{
    if (!encodable (props))
        return ZF_E_INVAL;
    size_t pairs = 0u + (props->id.size > 0) + (props->key.size > 0) + (props->delay_ms > 0) +
                   (props->ttl_ms > 0) + (props->priority > 0) + (props->frames != NULL) +
                   (props->header_count > 0) + (props->trace.size > 0) + (death != NULL) +
                   props->keep_reply + (props->topic.size > 0);
    if (pairs == 0)
        return 0;
    size_t start = w->size;
    zf_mp_put_map (w, pairs);
    put_bin_prop (w, PROP_TOPIC, props->topic);
    put_bin_prop (w, PROP_ID, props->id);
    put_bin_prop (w, PROP_KEY, props->key);
    put_uint_prop (w, PROP_DELAY, props->delay_ms);
    put_uint_prop (w, PROP_TTL, props->ttl_ms);
    put_uint_prop (w, PROP_PRIORITY, props->priority);
    put_frames (w, props);
    put_headers (w, props);
    put_bin_prop (w, PROP_TRACE, props->trace);
    put_death (w, death);
    put_keep (w, props->keep_reply);
    if (w->failed)
        return ZF_E_NOMEM;
    return w->size - start > ZF_PROPS_MAX ? ZF_E_INVAL : 0;
}

int zf_props_rewrite (zf_writer_t *w, const zf_props_view_t *view, const zf_death_t *death)
{
    size_t pairs = 0u + (view->id.size > 0) + (view->key.size > 0) + (view->delay_ms > 0) +
                   (view->ttl_ms > 0) + (view->priority > 0) + view->keep_reply + view->framed +
                   (view->header_count > 0) + (view->trace.size > 0) + (death != NULL) +
                   (view->topic.size > 0);
    if (pairs == 0)
        return 0;
    zf_mp_put_map (w, pairs);
    put_bin_prop (w, PROP_TOPIC, view->topic);
    put_bin_prop (w, PROP_ID, view->id);
    put_bin_prop (w, PROP_KEY, view->key);
    put_uint_prop (w, PROP_DELAY, view->delay_ms);
    put_uint_prop (w, PROP_TTL, view->ttl_ms);
    put_uint_prop (w, PROP_PRIORITY, view->priority);
    if (view->framed) {
        zf_mp_put_uint (w, PROP_FRAMES);
        zf_mp_put_array (w, view->frame_count);
        zf_write_bytes (w, view->frames.data, view->frames.size);
    }
    if (view->header_count > 0) {
        zf_mp_put_uint (w, PROP_HEADERS);
        zf_mp_put_map (w, view->header_count);
        zf_write_bytes (w, view->headers.data, view->headers.size);
    }
    put_bin_prop (w, PROP_TRACE, view->trace);
    put_death (w, death);
    put_keep (w, view->keep_reply);
    return w->failed ? ZF_E_NOMEM : 0;
}

zf_bytes_t zf_props_topic (zf_bytes_t in)
{
    zf_reader_t r = zf_reader (in);
    uint32_t pairs = in.size > 0 ? zf_mp_map (&r) : 0;
    for (uint32_t i = 0; i < pairs && !r.failed; i++) {
        if (zf_mp_uint (&r) == PROP_TOPIC)
            return zf_mp_bytes (&r);
        zf_mp_skip (&r);
    }
    return zf_bytes (NULL, 0);
}

zf_bytes_t zf_props_frame (const zf_props_view_t *view, zf_bytes_t body, size_t i)
{
    if (!view->framed)
        return i == 0 ? body : zf_bytes (NULL, 0);
    if (i >= view->frame_count)
        return zf_bytes (NULL, 0);
    zf_reader_t r = zf_reader (view->frames);
    size_t start = 0;
    for (size_t k = 0; k < i; k++)
        start += (size_t) zf_mp_uint (&r);
    return zf_bytes ((const uint8_t *) body.data + start, (size_t) zf_mp_uint (&r));
}

zf_bytes_t zf_props_header (const zf_props_view_t *view, zf_bytes_t name)
{
    zf_reader_t r = zf_reader (view->headers);
    for (uint32_t i = 0; i < view->header_count; i++) {
        zf_bytes_t label = zf_mp_bytes (&r);
        zf_bytes_t value = zf_mp_bytes (&r);
        if (zf_bytes_equal (label, name))
            return value;
    }
    return zf_bytes (NULL, 0);
}

zf_bytes_t zf_props_header_at (const zf_props_view_t *view, size_t i, zf_bytes_t *name)
{
    zf_reader_t r = zf_reader (view->headers);
    *name = zf_bytes (NULL, 0);
    if (i >= view->header_count)
        return *name;
    for (size_t k = 0; k < i; k++) {
        zf_mp_bytes (&r);
        zf_mp_bytes (&r);
    }
    *name = zf_mp_bytes (&r);
    return zf_mp_bytes (&r);
}
