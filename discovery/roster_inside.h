/* The inside of the roster.
 *
 *   roster.c          its life, its clock, looking around
 *   roster_known.c    a node that is known: its places, its DEALER, coming and going
 *   roster_hear.c     what arrives in the mailbox
 *   roster_hello.c    HELLOs: theirs and ours
 *   roster_watch.c    sightings, silence, questions
 *   roster_line.c     letters and lines
 *   roster_circle.c   groups
 *   roster_effect.c   effects
 *   roster_stranger.c nodes of other namespaces
 *
 * Patience: a DEALER that does not get there is given up soon, and nobody has heard of it. One that
 * is connected has said HELLO, and on a network that loses much the answer takes its time: to close
 * it then would look like a node that has gone. One whose connection was lost can't say HELLO again
 * by itself, and whatever it says next would come without: it is done with. What is seen of losses
 * is only what our own system had to send again, so who has said HELLO is waited for in any case.
 *
 * Greeting: a DEALER begins with HELLO and PING. Whoever answers PING has heard the HELLO, and was
 * greeted by the connection that it is heard on; without the answer the greeting has failed, and
 * is repeated. So a HELLO that arrives while ours is unanswered is the answer to it or has crossed
 * it, and not a restart: two nodes cannot chase each other in a circle of HELLOs. With Zyre, which
 * answers every HELLO of a node that it knows by one of its own, a second measure is needed: soon
 * after one greeting a further HELLO brings a question instead of another greeting, and "soon" gets
 * longer with every greeting.
 *
 * Time: all times in here are those of the roster's own clock, which stands still while the shell
 * was not able to run.
 *
 * Memory: what an event may need is set aside before anything is changed: so an event has happened,
 * or it has not. */
#ifndef ZF_DISCOVERY_ROSTER_INSIDE_H
#define ZF_DISCOVERY_ROSTER_INSIDE_H

#include "core/hash.h"
#include "core/timers.h"
#include "discovery/roster.h"

#include <stddef.h>

#define ZF_KNOWN_PLACES    4      /* endpoints of a node that are remembered */
#define ZF_KNOWN_PAUSE_MS  1000   /* after a greeting in vain; doubles, */
#define ZF_KNOWN_PAUSE_MAX 30000  /* up to this */
#define ZF_KNOWN_FORGET_MS 30000  /* a candidate is forgotten if not sighted for so long */
#define ZF_KNOWN_RETRY_MS  120000 /* who was lost is looked for again, for so long */
#define ZF_KNOWN_STABLE_MS 60000  /* who was there for so long begins with a clean slate */
#define ZF_KNOWN_LOSSY     4      /* times longer may an answer take where packets are lost */
#define ZF_STRANGER_MS     60000  /* strangers are forgotten after */
#define ZF_ROSTER_LATE_MS  500    /* a tick that comes later than this stops the clock */
#define ZF_ROSTER_NOTES    20     /* a second */
#define ZF_ROSTER_AGAIN_MS 100    /* out of memory: it is tried again after */
#define ZF_ROSTER_UNPROVEN 512    /* greetings without an answer yet */
#define ZF_DEEDS_OF_ONE    32     /* effects that anything that happens to one node may have */
#define ZF_LETTER_BYTES    64     /* that a letter costs beside its frames */
#define ZF_SMALL_FRAME     8192   /* frames below are copied: they may lie in large buffers */

typedef struct zf_known zf_known_t;
typedef struct zf_circle zf_circle_t;

/* -- texts ------------------------------------------------------------------------------------- */

/* Bytes that several hold; a zero follows them. */
typedef struct {
    uint32_t holders;
    uint32_t size;
    char at[];
} zf_text_t;

/* NULL: out of memory. */
zf_text_t *zf_text_new (zf_bytes_t bytes);
void zf_text_drop (zf_text_t *text);

static inline zf_text_t *zf_text_hold (zf_text_t *text)
{
    if (text != NULL)
        text->holders++;
    return text;
}

static inline zf_bytes_t zf_text_bytes (const zf_text_t *text)
{
    return text != NULL ? zf_bytes (text->at, text->size) : zf_bytes (NULL, 0);
}

/* -- letters and lines ------------------------------------------------------------------------- */

/* A message to one or many; which number it has in whose sequence is filled in when it is sent. */
typedef struct {
    uint32_t holders;
    uint32_t count; /* of content */
    bool is_vital;  /* the protocol can't miss it */
    size_t cost;    /* bytes that it counts for */
    size_t size;    /* of the first frame, which lies behind content */
    zf_frame_t *content[];
} zf_letter_t;

/* What waits for one node: a ring, whose capacity is a power of two. */
typedef struct {
    zf_letter_t **ring;
    uint32_t first, count, capacity;
    uint64_t bytes;       /* of what may be missed */
    uint64_t vital_bytes; /* of the rest, but the first HELLO */
    uint64_t dropped;     /* letters that had no room */
} zf_line_ring_t;

/* Holds the frames. NULL: out of memory. */
zf_letter_t *zf_letter_new (const zf_zre_t *message, zf_frame_t *const *content, size_t count);
void zf_letter_drop (zf_letter_t *letter);

/* Room for so many letters more. */
bool zf_line_reserve (zf_line_ring_t *line, uint32_t count);

/* Puts it at the end; soon: before what may wait. There is room. */
void zf_line_put (zf_known_t *known, zf_letter_t *letter, bool soon);

/* As put, if the bounds allow it; else counts it, and returns false. A node that does not even read
 * what is vital is marked as choked. */
bool zf_line_offer (zf_known_t *known, zf_letter_t *letter);

/* PING-OK, if the bounds allow it. */
void zf_line_answer (zf_known_t *known);
void zf_line_clear (zf_known_t *known);

/* -- nodes ------------------------------------------------------------------------------------- */

typedef struct {
    zf_text_t *endpoint;
    zf_text_t *own; /* our endpoint, as it is seen from there */
} zf_spot_t;

typedef enum {
    ZF_KNOWN_GREETED, /* a candidate: it has our HELLO, we do not have its own */
    ZF_KNOWN_PAUSED,  /* one that did not answer: no DEALER */
    ZF_KNOWN_PEER     /* its HELLO has come */
} zf_known_state_t;

/* Why a peer is asked for an answer. */
typedef enum {
    ZF_ASK_NOTHING,
    ZF_ASK_GREETING, /* has it heard our HELLO? */
    ZF_ASK_LOST,     /* its connection was lost */
    ZF_ASK_FAREWELL, /* there was a farewell */
    ZF_ASK_QUIET,    /* it was not asked for long */
    ZF_ASK_PLACE     /* another node is said to be where it was */
} zf_ask_t;

/* What becomes of a node that is dropped. */
typedef enum { ZF_DROP_FORGET, ZF_DROP_GREET } zf_drop_t;

struct zf_known {
    zf_roster_t *roster;
    uint8_t uuid[ZF_UUID_BYTES];
    uint8_t state;      /* zf_known_state_t */
    uint8_t reach;      /* zf_reach_t: of our DEALER */
    uint8_t ask;        /* zf_ask_t */
    uint8_t status;     /* its own count of joins and leaves */
    uint8_t spot_count; /* of spots */
    uint8_t at;         /* which spot is in use */
    uint8_t claimed;    /* where it says that it is, to be tried next; UINT8_MAX: nowhere */
    uint8_t tried;      /* spots that failed in a row */
    uint8_t fails;      /* greetings that failed in a row */
    uint8_t chases;     /* greetings that followed one another too soon */
    bool is_proven : 1; /* it has heard our HELLO */
    bool is_lost : 1;   /* and it has no connection to us since its HELLO */
    bool is_pinged : 1; /* quietly, before it is evasive */
    bool is_evasive : 1;
    bool is_silent : 1;   /* and told to be */
    bool is_told : 1;     /* SEND was said for what is in the line */
    bool is_peeked : 1;   /* the head of the line may be on its way */
    bool is_choked : 1;   /* its line is too long for the protocol */
    bool is_sighted : 1;  /* since the pause began */
    bool has_asked : 1;   /* a PING has come behind its HELLO */
    bool is_idle : 1;     /* the pause is over */
    bool is_stranger : 1; /* of another namespace: only told that we are, too */
    uint16_t sent;        /* number of the last letter that was sent */
    uint16_t seen;        /* of the last one that has come */
    uint32_t slot;
    uint32_t host; /* hash of the host that sighted it; 0: none did */
    uint32_t seat_count;
    uint32_t bytes; /* of headers and groups */
    uint32_t header_count;
    uint64_t heard_ms;    /* last sign of life */
    uint64_t answered_ms; /* last answer to a PING */
    uint64_t pinged_ms;   /* last PING for silence */
    uint64_t opened_ms;   /* last greeting */
    uint64_t until_ms;    /* of asking, or of the pause */
    uint64_t retry_ms;    /* it is looked for until */
    uint64_t rumour_ms;   /* last time that hearsay was followed */
    zf_timer_t timer;
    zf_spot_t *spots;      /* the newest first; at most ZF_KNOWN_PLACES */
    zf_text_t *name;       /* of a peer */
    zf_text_t *headers;    /* encoded */
    struct zf_seat *seats; /* groups that it is in */
    zf_line_ring_t line;
    zf_known_t *prev, *next; /* of candidates, or of peers */
    UT_hash_handle hh;
};

zf_known_t *zf_known_find (zf_roster_t *roster, const uint8_t *uuid);

/* A candidate that is paused, or NULL: out of memory. */
zf_known_t *zf_known_new (zf_roster_t *roster, const uint8_t *uuid, uint32_t host);
void zf_known_forget (zf_known_t *known);

bool zf_known_has_place (const zf_known_t *known, zf_bytes_t endpoint);

/* Notes where it can be reached. False: that is no endpoint, or where we are ourselves; or out of
 * memory. */
bool zf_known_place (zf_known_t *known, zf_bytes_t endpoint, zf_bytes_t own);

/* It says that it is there. */
void zf_known_claim (zf_known_t *known, zf_bytes_t endpoint);

bool zf_known_has_claim (const zf_known_t *known);

/* There is another place to try it at, and we go there. */
bool zf_known_has_next (const zf_known_t *known);
void zf_known_go_next (zf_known_t *known);
const char *zf_known_endpoint (const zf_known_t *known);

/* Room for the effects and letters of anything that may happen to one node. */
bool zf_known_reserve (zf_known_t *known);

/* Who of those that we are connected to, but this one, has that endpoint; NULL: nobody. */
zf_known_t *zf_known_holder (const zf_known_t *known, zf_bytes_t endpoint);

/* Goes to the next place where nobody else is, from the one in use on. False: there is none; who is
 * there is asked whether it still is. */
bool zf_known_find_place (zf_known_t *known);

/* Opens a DEALER to the spot in use: HELLO and PING wait in its line. False: out of memory. */
bool zf_known_open (zf_known_t *known);
void zf_known_close (zf_known_t *known);

/* Goes to a spot where nobody else is, and opens it there; or else pauses. */
bool zf_known_greet (zf_known_t *known);
void zf_known_pause (zf_known_t *known);

/* Says what state it is in, and keeps lists and counts. */
void zf_known_set (zf_known_t *known, zf_known_state_t state);
void zf_known_prove (zf_known_t *known, bool proven);

/* Sets its timer to when something has to be done about it. */
void zf_known_arm (zf_known_t *known);

/* EXIT, if it was a peer. It may be gone afterwards. */
void zf_known_exit (zf_known_t *known, const char *why);
void zf_known_drop (zf_known_t *known, const char *why, zf_drop_t then);

/* It has to be greeted again. True if that may be done at once; else it follows the last time too
 * soon. */
bool zf_known_chase (zf_known_t *known);

/* True if its greeting is so fresh that a HELLO of its own need not be a restart. */
bool zf_known_is_fresh (const zf_known_t *known);

/* A PING that has to be answered within ms; then (unanswered) it is dropped. */
void zf_known_ask (zf_known_t *known, zf_ask_t why, uint64_t ms);

/* The same because of what anybody may have said: not more often than once in ZF_ROSTER_ASK_MS. */
void zf_known_rumour (zf_known_t *known, zf_ask_t why);
void zf_known_unanswered (zf_known_t *known);

/* It has shown a sign of life. */
void zf_known_alive (zf_known_t *known);

/* -- HELLOs ------------------------------------------------------------------------------------ */

/* A HELLO has come; known: who it is, or NULL. */
void zf_hello_arrived (zf_roster_t *roster, zf_known_t *known, const uint8_t *uuid,
                       const zf_zre_t *hello, zf_bytes_t own);

/* It is in another namespace: it hears who we are, so that it leaves us alone, too; and is left
 * alone itself. */
void zf_hello_part (zf_known_t *known);

/* Ours, for who sees us at own; kept for the next one. NULL: out of memory. */
zf_letter_t *zf_hello_of (zf_roster_t *roster, zf_text_t *own);

/* What it says has changed. */
void zf_hello_stale (zf_roster_t *roster);

/* -- groups ------------------------------------------------------------------------------------ */

typedef struct {
    zf_known_t *known;
    zf_circle_t *circle;
} zf_seat_key_t;

/* A node's place in a group. */
typedef struct zf_seat {
    zf_seat_key_t key;
    bool is_stale;                  /* its new HELLO has not named it yet */
    struct zf_seat *prev, *next;    /* of the node */
    struct zf_seat *before, *after; /* of the group */
    UT_hash_handle hh;
} zf_seat_t;

/* A group: there as long as anybody is in it. */
struct zf_circle {
    zf_text_t *name;
    bool is_own; /* we are in it */
    zf_seat_t *seats;
    zf_circle_t *prev, *next; /* of our own */
    UT_hash_handle hh;
};

zf_circle_t *zf_circle_find (zf_roster_t *roster, zf_bytes_t name);

/* Returns 0, ZF_E_PROTO (too many), ZF_E_NOMEM. Effects: JOIN, LEAVE. */
int zf_circle_enter (zf_known_t *known, zf_bytes_t name);
void zf_circle_leave (zf_known_t *known, zf_bytes_t name);

/* The node is in these groups and no others. Returns as zf_circle_enter. */
int zf_circle_enter_all (zf_known_t *known, zf_bytes_t groups);

/* It is in none any more; without effects. */
void zf_circle_leave_all (zf_known_t *known);
void zf_circle_free_all (zf_roster_t *roster);

/* -- effects ----------------------------------------------------------------------------------- */

/* Frames of a message that has come. */
typedef struct {
    size_t count;
    zf_frame_t *frames[];
} zf_parcel_t;

typedef struct {
    zf_roster_effect_type_t type;
    uint32_t slot;
    uint8_t uuid[ZF_UUID_BYTES];
    zf_text_t *name, *endpoint, *group, *text; /* held; NULL: none */
    const char *why;                           /* static, instead of text */
    zf_parcel_t *parcel;
} zf_deed_t;

/* A ring, whose capacity is a power of two. */
typedef struct {
    zf_deed_t *ring;
    uint32_t first, count, capacity;
    zf_deed_t shown; /* what the shell looks at */
} zf_deeds_t;

/* Room for so many more. */
bool zf_deeds_reserve (zf_roster_t *roster, uint32_t count);

/* There is room. About that node, or none; what it holds can be added. */
zf_deed_t *zf_deeds_add (zf_roster_t *roster, zf_roster_effect_type_t type,
                         const zf_known_t *known);
void zf_deeds_free (zf_roster_t *roster);

/* For people; left out if there are too many, or no memory. */
void zf_roster_note (zf_roster_t *roster, const zf_known_t *known, const char *format, ...)
    ZF_PRINTF (3, 4);

/* Small frames are copied, others held. NULL: out of memory. */
zf_parcel_t *zf_parcel_new (zf_frame_t *const *content, size_t count);

/* -- strangers --------------------------------------------------------------------------------- */

typedef struct {
    uint8_t uuid[ZF_UUID_BYTES];
    uint64_t until_ms; /* remembered */
    UT_hash_handle hh;
} zf_stranger_t;

bool zf_stranger_is (zf_roster_t *roster, const uint8_t *uuid);

/* The same; and it is remembered for longer. */
bool zf_stranger_sighted (zf_roster_t *roster, const uint8_t *uuid);
void zf_stranger_remember (zf_roster_t *roster, const uint8_t *uuid);
void zf_stranger_expire (zf_roster_t *roster);
void zf_stranger_free_all (zf_roster_t *roster);

/* -- the roster -------------------------------------------------------------------------------- */

typedef struct {
    zf_text_t *name, *value;
} zf_own_header_t;

struct zf_roster {
    uint8_t uuid[ZF_UUID_BYTES];
    zf_text_t *name, *space;
    uint32_t evasive_ms, expired_ms, max_peers;
    uint64_t line_bytes;
    bool is_leaving;  /* GOODBYE was said */
    uint64_t now_ms;  /* by its own clock */
    uint64_t late_ms; /* by which that is behind */
    uint64_t due_ms;  /* when the shell should tick, by its clock; ZF_NEVER: no matter when */
    zf_timers_t timers;
    zf_known_t *table;              /* by uuid */
    zf_known_t *candidates, *peers; /* in the order in which they came */
    uint32_t unproven;              /* DEALERs whose greeting is not answered yet */
    zf_known_t **slots;             /* by slot; NULL: free, or being closed */
    uint32_t *free_slots;
    uint32_t slot_count, free_count, slot_capacity;
    zf_stranger_t *strangers; /* the oldest first */
    zf_circle_t *circles;     /* by name */
    zf_circle_t *own;         /* those that we are in */
    zf_seat_t *seats;         /* by node and group */
    uint32_t own_count;
    uint8_t status; /* our own count of joins and leaves */
    zf_own_header_t *headers;
    uint32_t header_count, header_capacity;
    size_t own_bytes;   /* of headers and groups */
    zf_letter_t *hello; /* as we said it last, */
    zf_text_t *own_at;  /* to who sees us there */
    zf_letter_t *ping, *ping_ok, *goodbye;
    zf_deeds_t deeds;
    uint64_t notes_ms; /* the second of notes */
    uint32_t notes;    /* in it */
    zf_roster_stats_t stats;
};

/* What the clock of the shell says. */
void zf_roster_clock (zf_roster_t *roster, uint64_t now_ms);

#endif
