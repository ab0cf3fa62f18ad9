/* The simulated world: one real engine, its shell, a network, peers that come and go, and a book
 * of what each record has been through (book.h). Time is virtual, chance comes from a seed, so a
 * failing seed fails again, at the same event.
 *
 * Threads: one. Ownership: sim_run makes and frees everything. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "core/native.h"
#include "tests/sim/clock.h"
#include "tests/sim/prng.h"
#include "tests/sim/vec.h"

#include <inttypes.h>
#include <setjmp.h>

#define QUEUES_MAX  16
#define PEERS_MAX   24
#define HOLDERS_MAX 256
#define IDS_MAX     40 /* dedup ids in use: 1 .. IDS_MAX */

typedef struct sim sim_t;
typedef struct peer peer_t;
typedef struct conn conn_t;
typedef struct identity identity_t;
typedef struct record record_t;
typedef struct holder holder_t;

/* A queue of the scenario and what the book knows of it. Dead-letter queues are among them. */
typedef struct {
    char name[64];
    zf_policy_t policy;
    int dead;            /* index of its dead-letter queue; -1: none, dead letters are dropped */
    bool is_dead;        /* it is one */
    int stream;          /* a group: index of its stream; -1: it is none */
    unsigned filter;     /* of the group (chronicle.h), */
    zf_start_t wish;     /* where it is to begin, */
    uint64_t start;      /* and where it did */
    uint64_t made_lsn;   /* the entry that says that there is such a group */
    bool trims;          /* a stream: somebody may trim it */
    bool overfull;       /* its cap does not bind until it is below it again: it was lowered, or */
    bool revived;        /* letters came back since the book was last compared */
    uint64_t revived_ms; /* when, the last time */
    bool purged;         /* a purge since the book was last compared */
    vec_t live;          /* serials of its live records */
    uint64_t posted;     /* totals, as the engine should have them: */
    uint64_t acked;
    uint64_t dead_count;
    uint64_t expired;
    uint64_t dropped;
    uint64_t refused;
    uint64_t last_first[ZF_PRIORITIES_MAX]; /* highest id first delivered, by level */
    uint64_t id_until[IDS_MAX + 1];         /* when a dedup id may come again */
    uint64_t handed_at;                     /* turn of the delivery that handed_lane is about */
    uint32_t handed_lane;                   /* lowest level delivered from in that turn */
    zf_queue_t *engine;                     /* the real one: declared, so never forgotten */
} queue_t;

typedef struct disk disk_t;
typedef struct ledger ledger_t;
typedef struct chronicle chronicle_t;

/* At which point of a turn the broker dies. */
typedef enum { DEATH_NONE, DEATH_DECIDED, DEATH_COMMITTED, DEATH_SENT } death_t;

typedef enum { PHASE_ACTIVE, PHASE_DRAIN, PHASE_LEAVE, PHASE_IDLE } phase_t;

struct sim {
    uint64_t seed;
    prng_t prng;
    bool verbose;   /* print each event as it happens */
    jmp_buf failed; /* where sim_fail goes */
    uint64_t now_ms;
    uint64_t ticked_ms; /* when timers fired last */
    uint64_t turn;      /* turns of the shell so far */
    uint32_t spins;     /* turns since time went on */
    phase_t phase;
    bool chaos;   /* things break: only while ACTIVE */
    bool tight;   /* memory is short: dead letters may find none */
    bool hostile; /* some peers break the protocol */
    bool ruled;   /* peers have keys, and there are rules: hostile ones may not do all they want */
    bool other_rules; /* for those the second kind is in force */
    sim_clock_t clock;
    zf_engine_t *engine;
    uint64_t frames;     /* frames of the shell that somebody still holds */
    size_t effects_seen; /* effects of this turn that the book knows */
    size_t outs_seen;    /* and their frames */
    uint32_t latency_ms; /* of the network, at most, in normal times */
    uint32_t walk_every; /* turns between two comparisons of book and engine */
    conn_t *conns;       /* all that ever were, latest first */
    uint32_t conn_count;
    queue_t queues[QUEUES_MAX];
    size_t queue_count;
    peer_t *peers[PEERS_MAX];
    size_t peer_count;
    holder_t *holders[HOLDERS_MAX]; /* sessions of the engine that the book watches */
    size_t holder_count;
    identity_t *identities; /* all that ever were, latest first */
    record_t **records;     /* by serial */
    size_t record_count, record_room;
    vec_t leased;              /* serials of records at workers, as the book has it */
    uint32_t epoch;            /* of the walk: marks what it has seen */
    uint64_t taken;            /* records queued so far */
    disk_t *disk;              /* NULL: nothing is durable, and the broker does not die */
    bool durable;              /* there is, or is to be, a disk */
    ledger_t *ledger;          /* then kept instead of the book */
    chronicle_t *chronicle;    /* streams: kept instead of both */
    const struct plant *plant; /* a bug to be found; NULL: none */
    death_t dying;             /* when it does so in the next turn */
    uint64_t crashes;          /* so far */
    bool quiet;                /* failures are not told */
};

/* What a run is asked for. */
typedef struct {
    uint64_t seed;
    bool verbose;
    bool quiet;   /* a failure is not told */
    bool durable; /* the broker has a disk, and dies now and then */
    bool streams; /* it has streams, groups and subscribers */
    const struct plant *plant;
} sim_options_t;

/* Runs one seed. Returns 0, or 1: an invariant broke, and it is said where. */
int sim_run (const sim_options_t *options);

/* An invariant broke: prints the seed, what, and the last events, and ends the run. */
void sim_fail (sim_t *sim, const char *format, ...) ZF_PRINTF (2, 3) __attribute__ ((noreturn));

/* -- trace.c ----------------------------------------------------------------------------------- */

/* Forgets the events of the run before. */
void trace_clear (void);

/* Notes an event for the case that something breaks. */
void trace (sim_t *sim, const char *format, ...) ZF_PRINTF (2, 3);

/* Notes a control frame that the engine got from (in) or sent to a peer. */
void trace_frame (sim_t *sim, const conn_t *conn, bool in, zf_bytes_t control, zf_bytes_t body);

/* -- shell.c ----------------------------------------------------------------------------------- */

/* The end of a connection that the engine is on: reads what has arrived. */
void shell_read (conn_t *conn);

/* The shell notices that a connection is gone. */
void shell_detach (conn_t *conn);

/* One turn: the time, then what arrived, then what the engine wants sent. */
void shell_turn (sim_t *sim);

/* -- audit.c ----------------------------------------------------------------------------------- */

/* Checks that the engine's structures agree with each other. */
void audit (sim_t *sim);

/* Checks that nothing is left of anything: all have gone, and the time of memories is over. */
void audit_empty (sim_t *sim);

/* -- scenario.c -------------------------------------------------------------------------------- */

/* Chooses queues and peers. */
void scenario_make (sim_t *sim);

/* Puts rules into force that let hostile peers use some of their queues, and others everything;
 * with each call other ones. Nothing if there are to be none. */
void scenario_rule (sim_t *sim);

/* Fails if there is a queue that no hostile peer may have made at any time. */
void scenario_check_rules (sim_t *sim);

queue_t *scenario_queue (sim_t *sim, const char *name, const char *suffix);
queue_t *scenario_dead_queue (sim_t *sim, const char *name, const char *suffix);
void scenario_delivery (prng_t *prng, zf_policy_t *policy);
void scenario_declare (sim_t *sim, queue_t *queue);

/* -- scenario_stream.c ------------------------------------------------------------------------- */

/* Chooses streams, their groups, and what is done to them. */
void scenario_streams (sim_t *sim);
void scenario_declare_streams (sim_t *sim);

/* Groups that are not there yet, or not any more, come into being by and by. */
void scenario_groups (sim_t *sim);

#endif
