/* What zferry sub and its plain side share. */
#ifndef ZFERRY_CLI_SUB_H
#define ZFERRY_CLI_SUB_H

#include "event.h"

typedef struct {
    const cli_t *cli;
    event_style_t style;
    uint64_t limit;     /* messages in all; 0: no limit */
    uint64_t idle_ms;   /* ends when nothing has come for so long; 0: never */
    uint64_t received;  /* messages printed */
    uint64_t start_ms;  /* of the run */
    uint64_t active_ms; /* when something came last */
} sub_t;

/* Milliseconds until the run ends because nothing comes: -1 for never. */
int64_t sub_patience (const sub_t *sub);

/* True when it is to end: a signal, the limit, or nothing has come. */
bool sub_ended (const sub_t *sub);

/* zferry sub --raw. */
int sub_raw (sub_t *sub);

#endif
