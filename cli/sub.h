/* What zferry sub, its plain side and zferry tail share. */
#ifndef ZFERRY_CLI_SUB_H
#define ZFERRY_CLI_SUB_H

#include "event.h"

typedef struct sub sub_t;
struct sub {
    const cli_t *cli;
    event_style_t style;
    const char *stream;                                            /* NULL: the library's default */
    const char *const *patterns;                                   /* of topics */
    size_t pattern_count;                                          /* 0: all */
    void (*print) (const sub_t *sub, const zf_message_t *message); /* NULL: as style says */
    uint64_t limit;     /* messages in all; 0: no limit */
    uint64_t idle_ms;   /* ends when nothing has come for so long; 0: never */
    uint64_t received;  /* messages printed */
    uint64_t start_ms;  /* of the run */
    uint64_t active_ms; /* when something came last */
};

/* Milliseconds until the run ends because nothing comes: -1 for never. */
int64_t sub_patience (const sub_t *sub);

/* True when it is to end: a signal, the limit, or nothing has come. */
bool sub_ended (const sub_t *sub);

/* Follows a stream until the end, printing what comes; reads --from, --group and --credit. Returns
 * the exit code. */
int sub_native (sub_t *sub);

/* The exit code for a run that ended with rc: a signal before the limit is no success. */
int sub_code (const sub_t *sub, int rc);

/* zferry sub --raw. */
int sub_raw (sub_t *sub);

#endif
