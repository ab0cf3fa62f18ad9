/* zferry sub --raw: a plain ZeroMQ subscriber, whose patterns are prefixes. */
#include "plain.h"
#include "sub.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <zmq.h>

enum { BATCH = 1000 }; /* messages printed between two flushes */

/* Receives one message without waiting. Returns its frames, 0: there is none. */
static size_t receive (plain_t *plain, zmq_msg_t frames[ZF_FRAMES_MAX])
{
    size_t count = 0;
    int more = 1;
    while (more != 0) {
        zmq_msg_t rest;
        zmq_msg_t *frame = count < ZF_FRAMES_MAX ? &frames[count] : &rest;
        zmq_msg_init (frame);
        if (zmq_msg_recv (frame, plain->socket, count == 0 ? ZMQ_DONTWAIT : 0) < 0) {
            zmq_msg_close (frame);
            return count; /* a message comes whole: only its first frame can be missing */
        }
        more = zmq_msg_more (frame);
        if (count == ZF_FRAMES_MAX)
            zmq_msg_close (&rest);
        else
            count++;
    }
    return count;
}

static bool print_one (sub_t *sub, plain_t *plain)
{
    zmq_msg_t frames[ZF_FRAMES_MAX];
    zf_bytes_t views[ZF_FRAMES_MAX];
    size_t count = receive (plain, frames);
    for (size_t i = 0; i < count; i++)
        views[i] =
            (zf_bytes_t){.data = zmq_msg_data (&frames[i]), .size = zmq_msg_size (&frames[i])};
    if (count > 0)
        event_print_frames (&sub->style, views, count);
    for (size_t i = 0; i < count; i++)
        zmq_msg_close (&frames[i]);
    return count > 0;
}

static int print_some (sub_t *sub, plain_t *plain)
{
    for (int i = 0; i < BATCH && !sub_ended (sub) && print_one (sub, plain); i++) {
        sub->received++;
        sub->active_ms = cli_now_ms ();
    }
    return cli_flush (sub->cli);
}

static int follow (sub_t *sub, plain_t *plain)
{
    event_titles (&sub->style, false);
    while (!sub_ended (sub)) {
        int rc = plain_wait (plain, sub_patience (sub));
        if (rc > 0)
            rc = print_some (sub, plain);
        if (rc != 0)
            return rc < 0 ? -rc : rc;
    }
    return 0;
}

static int open_socket (sub_t *sub, plain_t *plain)
{
    const cli_t *cli = sub->cli;
    int rc = plain_open (plain, cli, ZMQ_SUB);
    if (rc != 0)
        return rc;
    for (int i = 0; i < cli->arg_count; i++)
        zmq_setsockopt (plain->socket, ZMQ_SUBSCRIBE, cli->args[i], strlen (cli->args[i]));
    if (cli->arg_count == 0)
        zmq_setsockopt (plain->socket, ZMQ_SUBSCRIBE, "", 0);
    return plain_join (plain);
}

int sub_raw (sub_t *sub)
{
    plain_t plain;
    int rc = open_socket (sub, &plain);
    if (rc == 0)
        rc = follow (sub, &plain);
    plain_close (&plain);
    if (rc == 0)
        cli_note (sub->cli, "received %" PRIu64 " in %.2f s", sub->received,
                  (double) (cli_now_ms () - sub->start_ms) / 1000);
    return rc;
}
