/* What the verbs that are nodes themselves share: peers, whisper, shout, chat, directory. */
#ifndef ZFERRY_CLI_MESH_H
#define ZFERRY_CLI_MESH_H

#include "cli.h"

#define MESH_LOOK_MS 1500 /* one look: one and a half intervals of the beacons */

/* Called for each event, but for notes, which are told. */
typedef void mesh_event_fn (void *arg, const zf_peer_event_t *event);

/* True if there is nothing more to wait for. */
typedef bool mesh_done_fn (void *arg);

typedef struct {
    const cli_t *cli;
    bool tells;              /* notes are wanted on stderr */
    int input;               /* descriptor to wait for as well, -1: none */
    mesh_event_fn *on_event; /* may be NULL */
    mesh_done_fn *is_done;   /* asked after events, and in the beginning; may be NULL */
    void *arg;               /* for both */
} mesh_t;

/* With notes if --verbose or --watch was given, or `always`. */
mesh_t mesh_begin (const cli_t *cli, bool always);

typedef enum {
    MESH_DONE,  /* is_done */
    MESH_INPUT, /* the descriptor is readable */
    MESH_LATE,  /* the time is over */
    MESH_STOP   /* a signal asks to stop */
} mesh_end_t;

/* Takes events until one of these. end_ms: as cli_now_ms, UINT64_MAX: never. */
mesh_end_t mesh_run (const mesh_t *mesh, uint64_t end_ms);

/* When --timeout is over, for waiting from now on. fallback_ms: if it was not given. */
uint64_t mesh_deadline (const cli_t *cli, uint64_t fallback_ms);

/* Prints an event: as a JSON object, or as a line with the time. Flushes. Returns 0 or an exit
 * code, having said why. */
int mesh_print_event (const cli_t *cli, const zf_peer_event_t *event);

/* A copy of text without what could move a terminal's cursor; cut at size. Returns it. */
char *mesh_visible (char *copy, size_t size, const char *text);

#endif
