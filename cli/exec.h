/* Running a shell command for a record, its body on the command's standard input.
 *
 * Threads: any number at once. The command runs in a process group of its own, so that a Ctrl-C
 *          at the terminal leaves it to end in peace; a second signal ends it with the program
 *          (cli_child_add). */
#ifndef ZFERRY_EXEC_H
#define ZFERRY_EXEC_H

#include "cli.h"

#define EXEC_LINE_MAX 240 /* bytes of the last line of stderr that are kept */

typedef struct {
    const char *command; /* for sh -c */
    const zf_message_t
        *message; /* body on stdin; ZFERRY_ID, ZFERRY_ATTEMPT and ZFERRY_QUEUE from it */
    bool capture; /* stdout goes to result->out and stderr's last line to result->line; otherwise
                            both go where the program's go */
} exec_job_t;

typedef struct {
    char *out;                /* what the command has printed; NULL when nothing */
    size_t out_size;          /* bytes of out */
    char line[EXEC_LINE_MAX]; /* the last line of its stderr, or how it ended if there is none */
    int status;               /* as waitpid gives it; 0: well */
} exec_result_t;

/* Runs the command and waits for its end. Returns 0, or an errno value when it could not be
 * started (then *result is zeroed). */
int exec_run (const exec_job_t *job, exec_result_t *result);

void exec_free (exec_result_t *result);

#endif
