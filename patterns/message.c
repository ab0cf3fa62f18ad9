/* The public face of zf_message_t. */
#include "core/props.h"
#include "patterns/parcel.h"

#include <zferry/error.h>

static bool decode (const zf_message_t *message, zf_props_view_t *view)
{
    return zf_props_decode (message->props, message->size, view) == 0;
}

zf_bytes_t zf_message_topic (const zf_message_t *message)
{
    return zf_props_topic (message->props);
}

size_t zf_message_frame_count (const zf_message_t *message)
{
    zf_props_view_t view;
    return decode (message, &view) && view.framed ? view.frame_count : 1;
}

zf_bytes_t zf_message_frame (const zf_message_t *message, size_t i)
{
    zf_props_view_t view;
    if (!decode (message, &view))
        return zf_bytes (NULL, 0);
    return zf_props_frame (&view, zf_bytes (message->body, message->size), i);
}

int zf_message_props (const zf_message_t *message, zf_props_t *props)
{
    zf_props_view_t view;
    zf_props_defaults (props);
    if (!decode (message, &view))
        return ZF_E_PROTO;
    props->id = view.id;
    props->key = view.key;
    props->trace = view.trace;
    props->topic = view.topic;
    props->delay_ms = view.delay_ms;
    props->ttl_ms = view.ttl_ms;
    props->priority = view.priority;
    props->frame_count = view.frame_count;
    props->header_count = view.header_count;
    return 0;
}

zf_bytes_t zf_message_header (const zf_message_t *message, const char *name)
{
    zf_props_view_t view;
    if (!decode (message, &view))
        return zf_bytes (NULL, 0);
    return zf_props_header (&view, zf_bytes_of (name));
}

zf_bytes_t zf_message_header_at (const zf_message_t *message, size_t i, zf_bytes_t *name)
{
    zf_props_view_t view;
    if (!decode (message, &view))
        return zf_bytes (NULL, 0);
    return zf_props_header_at (&view, i, name);
}

bool zf_message_death (const zf_message_t *message, zf_death_t *death)
{
    zf_props_view_t view;
    if (!decode (message, &view) || !view.dead)
        return false;
    *death = view.death;
    return true;
}

void zf_message_release (zf_message_t *message)
{
    if (message->owner != NULL)
        ((zf_owner_t *) message->owner)->release (message->owner);
    memset (message, 0, sizeof *message);
}
