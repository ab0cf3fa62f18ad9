/* Frames for what a log reads back: the bytes lie behind the frame, in the same block. */
#include "persist/wal_frame.h"

#include <stdlib.h>

static void release (zf_frame_t *frame)
{
    free (frame);
}

zf_frame_t *zf_wal_frame_new (size_t size)
{
    zf_frame_t *frame = malloc (sizeof *frame + size);
    if (frame == NULL)
        return NULL;
    frame->data = (uint8_t *) (frame + 1);
    frame->size = size;
    frame->holders = 1;
    frame->release = release;
    return frame;
}
