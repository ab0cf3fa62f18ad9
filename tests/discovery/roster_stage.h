/* A roster, "a", and other nodes, "b", "c" ..., that say what the test wants them to say; on a
 * clock that only the test moves. What the roster does is compared as text:
 *
 *     stage_sight (stage, "b");
 *     assert_effects (stage, "OPEN 0 tcp://b:1, SEND 0");
 *     assert_line (stage, 0, "1 HELLO, 2 PING");
 *     stage_hello (stage, "b", "");
 *     assert_effects (stage, "ENTER b"); */
#ifndef TESTS_DISCOVERY_ROSTER_STAGE_H
#define TESTS_DISCOVERY_ROSTER_STAGE_H

/* cmocka wants these before itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "discovery/roster.h"

#define EVASIVE_MS 5000
#define EXPIRED_MS 30000
#define LINE_BYTES 1000
#define MAX_PEERS  40

typedef struct {
    zf_roster_t *roster;
    uint64_t now;
    uint64_t due;           /* when the roster wants its next tick */
    void (*before) (void);  /* called around each call of the roster that may need memory; */
    void (*after) (void);   /* NULL: nothing */
    const char *space;      /* namespace of those who say HELLO */
    uint16_t sequence[128]; /* of each node, by its first letter */
    uint8_t status[128];    /* likewise */
    char note[512];         /* the last one */
    char text[64 * 1024];   /* that assert_ functions compare */
} stage_t;

int stage_setup (void **state);
int stage_teardown (void **state);

/* Begins anew, in a namespace. */
void stage_begin (stage_t *stage, const char *space, uint64_t line_bytes);

/* 16 times its first letter. */
const uint8_t *uuid_of (const char *node);

/* At tcp://NODE:1, by the host NODE; or as they say. */
void stage_sight (stage_t *stage, const char *node);
void stage_sight_at (stage_t *stage, const char *node, const char *endpoint, const char *host);
void stage_farewell (stage_t *stage, const char *node);

/* HELLO with number 1, of a node that is in these groups ("g h"). */
void stage_hello (stage_t *stage, const char *node, const char *groups);

/* Its next message; group and content may be NULL. Counts its status. */
void stage_say (stage_t *stage, const char *node, zf_zre_id_t id, const char *group,
                const char *content);

/* A frame as it is. */
void stage_receive (stage_t *stage, const char *node, zf_bytes_t frame);

/* It is there: sighted, greeted, has said HELLO and PING-OK. Effects and lines are gone. */
void stage_enter (stage_t *stage, const char *node, const char *groups);

/* Time passes; the roster is ticked when it wants to be. */
void stage_pass (stage_t *stage, uint64_t ms);

/* Nothing runs for so long; then it is ticked. */
void stage_freeze (stage_t *stage, uint64_t ms);

int stage_shout (stage_t *stage, const char *group, const char *content);
int stage_whisper (stage_t *stage, const char *node, const char *content);

/* Effects since the last look, without notes; what waits in a line, which is sent. */
const char *stage_effects (stage_t *stage);
const char *stage_line (stage_t *stage, uint32_t slot);

#define assert_effects(stage, text)    assert_string_equal (stage_effects (stage), text)
#define assert_line(stage, slot, text) assert_string_equal (stage_line (stage, slot), text)

/* As if it had been sent. */
void stage_drain (stage_t *stage);

#endif
