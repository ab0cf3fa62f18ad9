/* Frames as a native peer would send them: batches of records with short texts for bodies, and
 * control frames.
 *
 * "a b c" stands for three records with these bodies. A frame is freed when its last holder drops
 * it; wire_frames tells how many there are. */
#ifndef TESTS_CORE_WIRE_H
#define TESTS_CORE_WIRE_H

#include "core/batch.h"
#include "core/frame.h"
#include "core/mp.h"
#include "core/props.h"

/* A frame with a copy of the bytes, held once. */
zf_frame_t *wire_frame (const void *data, size_t size);

/* A frame of what was written; frees the writer. */
zf_frame_t *wire_written (zf_writer_t *w);

/* Frames that are not freed yet. */
size_t wire_frames (void);

/* A batch with a record for each word of `bodies`; all have these properties (NULL: none). */
zf_frame_t *wire_batch (uint64_t first, const char *bodies, const zf_props_t *props);

/* A batch of count records with bodies of size bytes, each beginning with its number. */
zf_frame_t *wire_bulk (uint64_t first, uint32_t count, size_t size);

/* How many words there are in a text, and the n-th one. */
uint32_t wire_words (const char *text);
zf_bytes_t wire_word (const char *text, uint32_t n);

/* Begins a control frame: the command and how many arguments follow. */
zf_writer_t wire_control (unsigned command, size_t arguments);
void wire_put_text (zf_writer_t *w, const char *text);

#endif
