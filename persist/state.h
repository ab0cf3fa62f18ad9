/* A journal from inside: what its parts (journal.c, fetch.c, keeper.c, recover.c) share.
 *
 * Threads: the writer's fields are the writer's alone; those under `lock` are everybody's who has
 * it. The keeper is the journal's own thread: it prepares segments and retires trimmed ones. With
 * fs->synchronous there is none, and its work is done inside the calls that ask for it. */
#ifndef ZF_PERSIST_STATE_H
#define ZF_PERSIST_STATE_H

#include "persist/journal.h"
#include "persist/segment.h"

#include <pthread.h>
#include <stdatomic.h>

#define ZF_SPARE_NAME "spare-1.tmp" /* the segment that is being zeroed */
#define ZF_LOCK_NAME  "lock"
#define ZF_SPARES_MAX 64 /* segments kept ready at most */

#define ZF_SEGMENT_MIN (UINT64_C (64) << 10)
#define ZF_SEGMENT_MAX (UINT64_C (1) << 30)

/* What data entries leave free at the very end, so that some more trims and a close fit: there has
 * to be a way out of a journal that is full. */
#define ZF_TAIL_BYTES 1024

struct zf_journal {
    zf_folder_t folder;     /* where it lies */
    zf_file_t lock_file;    /* locked while open, unless read only */
    bool read_only;         /* as the options say */
    uint8_t uuid[16];       /* of the journal */
    uint64_t segment_bytes; /* of an ordinary segment */
    uint64_t disk_cap;      /* UINT64_MAX: none */

    /* The writer's. */
    zf_segment_t *current;         /* segment written to */
    uint64_t last_sum;             /* of the last entry; the next one carries it */
    uint64_t first_previous;       /* the same, of the current segment's first entry */
    bool header_due;               /* the current segment's header goes out with its first entry */
    uint64_t trim_asked;           /* position of the last trim entry, durable or not */
    struct iovec *parts;           /* of a write */
    zf_summer_t *summer;           /* for sums over several parts */
    size_t part_room;              /* that `parts` has space for */
    zf_error_t failure;            /* why it is poisoned */
    _Atomic uint64_t next;         /* position of the next entry */
    _Atomic uint64_t durable;      /* everything below is on disk */
    _Atomic uint64_t appends;      /* entries written since open */
    _Atomic uint64_t append_bytes; /* the same, in bytes of entries */
    _Atomic uint64_t syncs;        /* calls of datasync for them */
    atomic_bool failed;            /* poisoned */

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t work;     /* for the keeper: there may be something to do */
    pthread_cond_t answer;   /* from the keeper: it did something; and from readers: a hold ended */
    zf_segments_t segments;  /* all files */
    uint64_t first;          /* trimmed below; durably so */
    uint64_t disk_bytes;     /* of all files, those being prepared too */
    uint64_t needed;         /* capacity that the next segment must have; 0: any */
    uint32_t spares;         /* segments wanted ready */
    uint64_t asked;          /* how often a segment was asked for */
    uint64_t refused;        /* up to which of these there was no space */
    bool broken;             /* the keeper met an error that is not lack of space */
    atomic_bool stopping;    /* the keeper is to end */
    zf_error_t keeper_error; /* why it is broken, or refused */
    pthread_t keeper;        /* the thread */
    bool keeper_runs;        /* there is one */
    zf_journal_watch_fn *watch; /* told of changes in room; NULL: nobody */
    void *watch_arg;            /* for it */

    /* Since open; not changed afterwards. */
    bool closed; /* when it was opened: the run before had closed it in order */
    uint64_t replayed;
    uint64_t cut_bytes;
};

/* -- keeper.c ---------------------------------------------------------------------------------- */

/* Makes a file of zeros that are on disk, with that header if it is not NULL. */
int zf_spare_make (zf_journal_t *journal, zf_file_t *file, uint64_t capacity,
                   const zf_segment_head_t *head, zf_error_t *err);

/* Gives a file the name of a segment, durably. */
int zf_spare_name (zf_journal_t *journal, zf_file_t *file, uint64_t number, zf_error_t *err);

int zf_keeper_start (zf_journal_t *journal, zf_error_t *err);
void zf_keeper_stop (zf_journal_t *journal);

/* There may be something to do: what was trimmed, or a segment that was taken. */
void zf_keeper_wake (zf_journal_t *journal);

/* Waits for a segment that is ready and holds so many bytes. Returns 0, ZF_E_FULL, or ZF_E_IO. */
int zf_keeper_obtain (zf_journal_t *journal, uint64_t capacity, zf_error_t *err);

/* -- recover.c --------------------------------------------------------------------------------- */

/* Checks and replays what is there, cuts off a torn end, and leaves the journal ready to go on. */
int zf_journal_recover (zf_journal_t *journal, zf_replay_fn *replay, void *arg, zf_error_t *err);

#endif
