/* A file log for tests. */
#include "tests/persist/wal_rig.h"

#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

uint64_t rig_sum (uint64_t sum, zf_bytes_t bytes)
{
    const uint8_t *at = bytes.data;
    for (size_t i = 0; i < bytes.size; i++)
        sum = sum * 31 + at[i];
    return sum;
}

static int count_entry (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    rig_t *rig = arg;
    assert_true (rig->replayed == 0 || position > rig->last);
    rig->replayed++;
    rig->last = position;
    rig->sum = rig_sum (rig->sum, data);
    return 0;
}

int rig_try (rig_t *rig, zf_error_t *err)
{
    rig->replayed = 0;
    rig->sum = 0;
    return zf_wal_file_open (&rig->wal, &rig->open, err);
}

void rig_open (rig_t *rig)
{
    zf_error_t err = {0};
    if (rig_try (rig, &err) != 0)
        fail_msg ("%s", err.text);
}

void rig_close (rig_t *rig)
{
    if (rig->wal != NULL)
        rig->wal->close (rig->wal);
    rig->wal = NULL;
}

int rig_setup (void **state)
{
    rig_t *rig = calloc (1, sizeof *rig);
    const char *tmp = getenv ("TMPDIR");
    snprintf (rig->dir, sizeof rig->dir, "%.40s/zferry-wal-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null (mkdtemp (rig->dir));
    snprintf (rig->journal, sizeof rig->journal, "%s/journal", rig->dir);
    rig->gate = gate_new ();
    rig->open = (zf_wal_options_t){
        .dir = rig->journal,
        .interval_ms = RIG_LONG_MS,
        .segment_bytes = RIG_SEGMENT_BYTES,
        .replay = count_entry,
        .arg = rig,
        .fs = gate_fs (rig->gate),
    };
    rig_open (rig);
    *state = rig;
    return 0;
}

static int remove_one (const char *path, const struct stat *info, int kind, struct FTW *at)
{
    return remove (path);
}

int rig_teardown (void **state)
{
    rig_t *rig = *state;
    gate_release (rig->gate);
    rig_close (rig);
    gate_free (rig->gate);
    nftw (rig->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free (rig);
    return 0;
}

void rig_policy (rig_t *rig, zf_wal_sync_t sync, uint32_t interval_ms)
{
    rig_close (rig);
    rig->open.sync = sync;
    rig->open.interval_ms = interval_ms;
    rig_open (rig);
    if (sync == ZF_WAL_SYNC_ALWAYS)
        return;
    rig_append (rig, "the first of a run is synced under every policy");
    rig_settle (rig);
}

/* -- what a device does ------------------------------------------------------------------------ */

uint64_t rig_append (rig_t *rig, const char *text)
{
    zf_wal_part_t part = {zf_bytes_of (text), NULL};
    return rig->wal->append (rig->wal, &part, 1);
}

bool rig_readable (const zf_wal_t *wal, int timeout_ms)
{
    struct pollfd in = {wal->fd, POLLIN, 0};
    return poll (&in, 1, timeout_ms) == 1;
}

zf_wal_event_t rig_next_event (rig_t *rig)
{
    zf_wal_event_t event;
    assert_true (rig_readable (rig->wal, RIG_DEADLINE_MS));
    assert_true (rig->wal->event (rig->wal, &event));
    return event;
}

zf_wal_event_t rig_expect (rig_t *rig, zf_wal_what_t what)
{
    zf_wal_event_t event = rig_next_event (rig);
    if (event.what != what)
        fail_msg ("event %d, not %d: %s", (int) event.what, (int) what, event.text);
    return event;
}

void rig_expect_silence (rig_t *rig)
{
    zf_wal_event_t event;
    assert_false (rig_readable (rig->wal, 0));
    assert_false (rig->wal->event (rig->wal, &event));
}

zf_wal_stats_t rig_stats (rig_t *rig)
{
    zf_wal_stats_t now;
    rig->wal->stats (rig->wal, &now);
    return now;
}

/* Takes events until everything that was appended is durable. ZF_WAL_ROOM may come in between. */
void rig_settle (rig_t *rig)
{
    uint64_t next = rig_stats (rig).next;
    uint64_t durable = rig_stats (rig).durable;
    zf_wal_event_t event;
    while (durable < next || rig_readable (rig->wal, 0)) {
        event = rig_next_event (rig);
        assert_true (event.what == ZF_WAL_DURABLE || event.what == ZF_WAL_ROOM);
        if (event.what == ZF_WAL_DURABLE)
            durable = event.lsn;
    }
    assert_int_equal (durable, next);
}

void rig_expect_bytes (zf_wal_event_t *event, const char *text)
{
    assert_int_equal (event->code, 0);
    assert_int_equal (event->frame->size, strlen (text));
    assert_memory_equal (event->frame->data, text, strlen (text));
    zf_frame_drop (event->frame);
}

typedef struct {
    zf_frame_t frame; /* must be first */
    size_t *released; /* counts */
} lent_t;

static void release (zf_frame_t *frame)
{
    lent_t *lent = (lent_t *) frame;
    ++*lent->released;
    free (frame->data);
    free (lent);
}

/* A frame with one holder. */
zf_frame_t *rig_lend (rig_t *rig, const char *text)
{
    lent_t *lent = calloc (1, sizeof *lent);
    lent->frame.data = (uint8_t *) strdup (text);
    lent->frame.size = strlen (text);
    lent->frame.holders = 1;
    lent->frame.release = release;
    lent->released = &rig->released;
    return &lent->frame;
}

/* Appends "head|" and the frame's text, and leaves the frame to the log. */
uint64_t rig_append_framed (rig_t *rig, const char *text)
{
    zf_frame_t *frame = rig_lend (rig, text);
    zf_wal_part_t parts[] = {{zf_bytes ("he", 2), NULL},
                             {zf_bytes ("ad|", 3), NULL},
                             {zf_bytes (NULL, 0), NULL},
                             {zf_bytes (frame->data, frame->size), frame}};
    uint64_t lsn = rig->wal->append (rig->wal, parts, 4);
    zf_frame_drop (frame);
    return lsn;
}

void rig_append_backlog (rig_t *rig)
{
    static char bytes[5u << 20];
    zf_wal_part_t part = {zf_bytes (bytes, sizeof bytes), NULL};
    gate_hold (rig->gate);
    rig_append (rig, "first");
    gate_await_held (rig->gate);
    for (int i = 1; i < RIG_BACKLOG; i++)
        rig->wal->append (rig->wal, &part, 1);
    gate_release (rig->gate);
}
