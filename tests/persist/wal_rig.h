/* A file log in a directory of its own, on files with a gate, and what a device does with it.
 *
 * Waiting has a deadline; what does not come fails the test. */
#ifndef TESTS_PERSIST_WAL_RIG_H
#define TESTS_PERSIST_WAL_RIG_H

#include "persist/wal.h"
#include "tests/persist/gate.h"

#define RIG_DEADLINE_MS   60000
#define RIG_SEGMENT_BYTES (64u << 10)
#define RIG_LONG_MS       (1000u * 3600) /* an interval that does not end */

typedef struct {
    char dir[64];          /* temporary; the journal is its subdirectory */
    char journal[80];      /* that one */
    gate_t *gate;          /* the files' */
    zf_wal_options_t open; /* how to open */
    zf_wal_t *wal;         /* NULL: closed */
    uint64_t replayed;     /* entries, by the last open */
    uint64_t sum;          /* of their bytes, each times its place */
    uint64_t last;         /* position of the last one */
    size_t released;       /* frames given back */
} rig_t;

/* The log is open when a case begins: policy always, small segments. */
int rig_setup (void **state);
int rig_teardown (void **state);

/* Open and close it again; rig->open may be changed in between. rig_try returns what open does. */
void rig_open (rig_t *rig);
int rig_try (rig_t *rig, zf_error_t *err);
void rig_close (rig_t *rig);

/* Reopens it with another policy. */
void rig_policy (rig_t *rig, zf_wal_sync_t sync, uint32_t interval_ms);

/* Continues a sum of bytes in their order, as in rig->sum. */
uint64_t rig_sum (uint64_t sum, zf_bytes_t bytes);

uint64_t rig_append (rig_t *rig, const char *text);

/* A frame with one holder: rig->released counts when it is given back. */
zf_frame_t *rig_lend (rig_t *rig, const char *text);

/* Appends "head|" in parts without a frame and the text in one, and leaves the frame to the log. */
uint64_t rig_append_framed (rig_t *rig, const char *text);

/* Appends so many entries that the writer takes several rounds for them; the first may be written
 * before the last is there. */
#define RIG_BACKLOG 9
void rig_append_backlog (rig_t *rig);

/* Is there an event, within that time? */
bool rig_readable (const zf_wal_t *wal, int timeout_ms);

/* Waits for the next event. rig_expect: which is to be of that kind. */
zf_wal_event_t rig_next_event (rig_t *rig);
zf_wal_event_t rig_expect (rig_t *rig, zf_wal_what_t what);

/* Neither the descriptor nor the log has an event. */
void rig_expect_silence (rig_t *rig);

/* The event is a read of this text; gives its frame back. */
void rig_expect_bytes (zf_wal_event_t *event, const char *text);

/* Takes events until everything that was appended is durable. ZF_WAL_ROOM may come in between. */
void rig_settle (rig_t *rig);

zf_wal_stats_t rig_stats (rig_t *rig);

#endif
