/* The chronicle: what streams have held, and who has read what of it.
 *
 * It is kept at the door, instead of the book and the ledger, and holds for a broker that dies as
 * well as for one that does not. Records are entered when the engine has put them; from then on all
 * that is read is compared with that: what is confirmed is there, once, in its producer's order; it
 * goes only when the policy says so; an offset belongs to one record for good; a subscription has
 * every record that it is to have, once, in order, or is told that it missed it; a group gets every
 * record until it has settled it, or has missed it; nothing is read that a crash can still take. */
#ifndef SIM_CHRONICLE_H
#define SIM_CHRONICLE_H

#include "tests/sim/book.h"

#define NO_SERIAL UINT32_MAX

typedef enum {
    ENTRY_LIVE,
    ENTRY_COMPACTED, /* a later one has its key */
    ENTRY_DROPPED,   /* retention took it */
    ENTRY_EITHER     /* one of both */
} entry_state_t;

/* A record of a stream. */
typedef struct {
    uint64_t id;
    uint32_t serial; /* NO_SERIAL: it went before anybody could see which it was */
    entry_state_t state;
    bool was_read; /* somebody was sent it */
    bool is_back;  /* it had gone, which a crash has undone: others were not to wait for it */
    uint64_t put_ms, put_lsn;
    uint64_t gone_lsn, gone_turn; /* not LIVE: when that was */
} entry_t;

/* A stream, as it should be. */
typedef struct {
    queue_t *queue; /* NULL: none */
    entry_t *entries;
    size_t count, room;
    size_t low;        /* entries before are not live */
    uint64_t live;     /* records, */
    uint64_t bytes;    /* and their bytes */
    uint64_t next;     /* the id that comes next */
    uint64_t born;     /* the first one ever */
    uint64_t faceless; /* entries with NO_SERIAL */
    bool trimmed;      /* by somebody, since it was last looked at */
} shadow_t;

typedef struct watch watch_t;
typedef struct mark mark_t;

typedef struct {
    uint64_t lsn;
    mark_t *marks; /* whose array it is in */
    size_t at;
    uint32_t attempts;
    bool grave;
} attempt_t;

struct chronicle {
    shadow_t shadows[QUEUES_MAX]; /* by stream */
    mark_t *marks[QUEUES_MAX];    /* by group, then as the entries of its stream */
    size_t mark_room[QUEUES_MAX];
    attempt_t *attempts; /* since the last crash */
    size_t attempt_count, attempt_room;
    uint64_t messages; /* to the engine, so far */
    watch_t *watches;  /* subscriptions */
};

void chronicle_open (sim_t *sim);
void chronicle_close (sim_t *sim);

/* -- chronicle.c: what streams hold ------------------------------------------------------------ */

/* Streams of the scenario that are there now, and were not before. */
void chronicle_begin (sim_t *sim, queue_t *stream);

/* After whatever the engine did: what was put, and what went. */
void chronicle_learn (sim_t *sim);

/* A turn is over: nothing is kept that should have gone. */
void chronicle_turn (sim_t *sim);

/* A message that the engine is about to get; and one effect. */
void chronicle_input (sim_t *sim, zf_session_t *session, zf_bytes_t control, zf_bytes_t body);
void chronicle_effect (sim_t *sim, zf_session_t *session, zf_bytes_t control, zf_bytes_t body);

/* The broker has died and come back: what was decided in entries from `end` on never was. */
void chronicle_crash (sim_t *sim, uint64_t end);

/* All is done: nothing is missing. */
void chronicle_settle (sim_t *sim);

/* The index of the first entry with that id or a higher one. */
size_t chronicle_find (const shadow_t *shadow, uint64_t id);
shadow_t *chronicle_shadow (sim_t *sim, const queue_t *stream);

/* One past the id of the last live record that the filter lets pass; 0: there is none. */
uint64_t chronicle_end (sim_t *sim, const queue_t *stream, unsigned filter);

/* -- chronicle_topic.c ------------------------------------------------------------------------- */

#define TOPICS_MAX  7
#define FILTERS_MAX 6 /* 0: everything */

const char *topic_name (unsigned topic);
void topic_put_patterns (zf_writer_t *w, unsigned filter);
zf_filter_t *topic_filter (unsigned filter);

/* What a filter lets pass: written down by hand, not worked out. */
bool topic_matches (unsigned filter, unsigned topic);

/* -- chronicle_watch.c: subscriptions ---------------------------------------------------------- */

void watch_input (sim_t *sim, zf_session_t *session, unsigned command, zf_reader_t *r);
void watch_subscribed (sim_t *sim, const zf_session_t *session, zf_reader_t *r);
void watch_events (sim_t *sim, const zf_session_t *session, zf_reader_t *r, zf_bytes_t body);
void watch_crash (sim_t *sim);

/* -- chronicle_group.c: groups ----------------------------------------------------------------- */

/* The group was just made. */
void group_begin (sim_t *sim, queue_t *group);
void group_input (sim_t *sim, zf_session_t *session, unsigned command, uint32_t elements,
                  zf_reader_t *r, zf_bytes_t body);
void group_deliver (sim_t *sim, zf_reader_t *r, zf_bytes_t body);
void group_crash (sim_t *sim, uint64_t end);
void group_settle (sim_t *sim, queue_t *group);

#endif
