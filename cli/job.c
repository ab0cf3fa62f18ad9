/* Settling messages by what a command did. */
#include "job.h"

#include "exec.h"

#include <errno.h>
#include <string.h>

/* Sends the answer, which acks; one that is too large for the broker is an error of the job. */
static void answer (crew_t *crew, zf_message_t *message, const exec_result_t *result)
{
    char reason[80];
    int rc = zf_worker_reply (crew->worker, message, result->out, result->out_size, NULL);
    if (rc != ZF_E_TOO_BIG)
        return;
    snprintf (reason, sizeof reason, "an answer of %zu bytes is more than the broker takes",
              result->out_size);
    cli_fail (crew->cli, EX_DATAERR, "%s", reason);
    zf_worker_reject (crew->worker, message, reason);
}

static void settle (crew_t *crew, zf_message_t *message, bool serve, const exec_result_t *result)
{
    if (result->status == 0)
        answer (crew, message, result);
    else if (serve)
        zf_worker_reject (crew->worker, message, result->line);
    else
        zf_worker_nack (crew->worker, message, -1);
}

int job_exec (crew_t *crew, zf_message_t *message, bool serve)
{
    exec_result_t result;
    exec_job_t job = {.command = cli_text (crew->cli, "exec", ""),
                      .message = message,
                      .capture = serve || (message->flags & ZF_MESSAGE_WANTS_REPLY) != 0};
    int rc = exec_run (&job, &result);
    if (rc != 0) {
        zf_worker_nack (crew->worker, message, 0);
        return cli_fail (crew->cli, EX_OSERR, "cannot start a command: %s", strerror (rc));
    }
    settle (crew, message, serve, &result);
    exec_free (&result);
    return 0;
}

int job_echo (crew_t *crew, zf_message_t *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        zf_bytes_t frames[ZF_FRAMES_MAX];
        zf_props_t props;
        zf_props_defaults (&props);
        size_t n = zf_message_frame_count (&messages[i]);
        for (size_t k = 0; k < n && k < ZF_FRAMES_MAX; k++)
            frames[k] = zf_message_frame (&messages[i], k);
        props.frames = frames;
        props.frame_count = n;
        zf_worker_reply (crew->worker, &messages[i], messages[i].body, messages[i].size,
                         n > 1 ? &props : NULL);
    }
    return 0;
}
