/* Properties: the first byte is the size of the body that they go with. What decodes can be written
 * again and says the same. */
#include "core/props.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void check (bool holds)
{
    if (!holds)
        abort ();
}

/* All frames together are the body. */
static void check_frames (const zf_props_view_t *view, zf_bytes_t body)
{
    size_t total = 0;
    size_t count = view->framed ? view->frame_count : 1;
    for (size_t i = 0; i < count; i++) {
        zf_bytes_t frame = zf_props_frame (view, body, i);
        check (total + frame.size <= body.size);
        total += frame.size;
    }
    check (total == body.size);
    check (zf_props_frame (view, body, count).data == NULL);
}

static void check_again (const zf_props_view_t *view, size_t body_size)
{
    zf_writer_t w = {0};
    zf_props_view_t again;
    check (zf_props_rewrite (&w, view, view->dead ? &view->death : NULL) == 0);
    check (w.size > ZF_PROPS_MAX ||
           zf_props_decode (zf_bytes (w.data, w.size), body_size, &again) == 0);
    if (w.size <= ZF_PROPS_MAX) {
        check (zf_bytes_equal (again.id, view->id) && zf_bytes_equal (again.key, view->key));
        check (zf_bytes_equal (again.trace, view->trace) && again.priority == view->priority);
        check (zf_bytes_equal (again.frames, view->frames) && again.framed == view->framed);
        check (again.header_count == view->header_count && again.dead == view->dead);
        check (zf_bytes_equal (again.headers, view->headers));
        check (zf_bytes_equal (again.topic, view->topic));
        check (zf_bytes_equal (zf_props_topic (zf_bytes (w.data, w.size)), view->topic));
    }
    zf_writer_free (&w);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static const uint8_t body[256];
    zf_props_view_t view;
    if (size == 0 || zf_props_decode (zf_bytes (data + 1, size - 1), data[0], &view) != 0)
        return 0;
    check (zf_bytes_equal (zf_props_topic (zf_bytes (data + 1, size - 1)), view.topic));
    check_frames (&view, zf_bytes (body, data[0]));
    zf_props_header (&view, zf_bytes ("x", 1));
    check_again (&view, data[0]);
    return 0;
}
