/* What work and serve do with a message: run a command for it, or give its body back. */
#ifndef ZFERRY_JOB_H
#define ZFERRY_JOB_H

#include "crew.h"

/* Runs the crew's --exec command for the message and settles it: replies what the command has
 * printed if somebody waits for a reply, or acks. When the command fails: with serve, rejects
 * with the last line of its stderr; otherwise gives the message back. Returns 0, or an exit code
 * when no command can be started. */
int job_exec (crew_t *crew, zf_message_t *message, bool serve);

/* A crew_fn that answers each message with its own body, in the frames it had. */
int job_echo (crew_t *crew, zf_message_t *messages, size_t count);

#endif
