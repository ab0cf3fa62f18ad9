/* A frame: received bytes that several may hold, given back to whoever made them by the last
 * holder.
 *
 * Threads: one; the engine and its shell share a thread. */
#ifndef ZF_CORE_FRAME_H
#define ZF_CORE_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <zferry/message.h>

typedef struct zf_frame zf_frame_t;

struct zf_frame {
    uint8_t *data;
    size_t size;
    uint32_t holders;               /* at 0 it is released */
    void (*release) (zf_frame_t *); /* frees the frame and what is behind it */
};

/* Bytes on their way out of the engine. */
typedef struct {
    zf_bytes_t bytes;
    zf_frame_t *frame; /* what they lie in; NULL: they are valid during the call only */
} zf_part_t;

static inline zf_frame_t *zf_frame_hold (zf_frame_t *frame)
{
    frame->holders++;
    return frame;
}

static inline void zf_frame_drop (zf_frame_t *frame)
{
    if (frame != NULL && --frame->holders == 0)
        frame->release (frame);
}

#endif
