/* Frames for what a log reads back: memory of their own, freed by the last holder. */
#ifndef ZF_PERSIST_WAL_FRAME_H
#define ZF_PERSIST_WAL_FRAME_H

#include "core/frame.h"

/* With one holder and room for that many bytes; NULL: no memory. */
zf_frame_t *zf_wal_frame_new (size_t size);

#endif
