/* zferry pub --raw: a plain ZeroMQ publisher, whose messages are two frames, topic and body.
 *
 * The socket is an XPUB, which is a PUB that can see its subscriptions. One that has no room makes
 * it wait, instead of losing messages. */
#include "plain.h"
#include "pub.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <zmq.h>

typedef struct {
    plain_t plain;
    pub_tally_t *tally;
    const char *topic;
    uint64_t subscriptions; /* seen so far, of prefixes that match the topic */
} raw_t;

static int publish (void *arg, zf_bytes_t body)
{
    raw_t *raw = arg;
    void *socket = raw->plain.socket;
    bool sent = zmq_send (socket, raw->topic, strlen (raw->topic), ZMQ_SNDMORE) >= 0;
    while (sent && zmq_send (socket, body.data, body.size, 0) < 0)
        sent = errno == EINTR;
    if (!sent && errno == EAGAIN)
        return cli_fail (raw->plain.cli, EX_TEMPFAIL,
                         "a subscriber has no room; give it longer with --timeout");
    if (!sent && errno == EINTR)
        return 0; /* a signal asks to stop */
    if (!sent)
        return plain_fail (&raw->plain, "send");
    atomic_fetch_add (&raw->tally->published, 1);
    atomic_fetch_add (&raw->tally->confirmed, 1);
    return 0;
}

/* Takes one message of a subscriber: 1 or 0, and a prefix. */
static void take_subscription (raw_t *raw)
{
    zmq_msg_t message;
    zmq_msg_init (&message);
    if (zmq_msg_recv (&message, raw->plain.socket, ZMQ_DONTWAIT) > 0) {
        const char *data = zmq_msg_data (&message);
        size_t size = zmq_msg_size (&message) - 1;
        bool matches = size <= strlen (raw->topic) && memcmp (raw->topic, data + 1, size) == 0;
        if (matches && data[0] == 1)
            raw->subscriptions++;
        else if (matches && data[0] == 0 && raw->subscriptions > 0)
            raw->subscriptions--;
    }
    zmq_msg_close (&message);
}

/* What nobody subscribes to is dropped, so it waits for one unless told otherwise. */
static int await_subscriptions (raw_t *raw)
{
    const cli_t *cli = raw->plain.cli;
    uint64_t wanted = cli_number (cli, "wait-subscribers", 1);
    uint64_t end_ms = cli_now_ms () + cli->timeout_ms;
    char time[CLI_UNIT_TEXT];
    while (raw->subscriptions < wanted && cli_stopped () == 0) {
        uint64_t now_ms = cli_now_ms ();
        if (now_ms >= end_ms)
            return cli_fail (cli, EX_TEMPFAIL,
                             "%" PRIu64 " of %" PRIu64 " subscriptions to %s came within %s; give "
                             "it longer with --timeout",
                             raw->subscriptions, wanted, raw->topic,
                             cli_format_ms (cli->timeout_ms, time));
        int rc = plain_wait (&raw->plain, (int64_t) (end_ms - now_ms));
        if (rc < 0)
            return -rc;
        if (rc > 0)
            take_subscription (raw);
    }
    return 0;
}

static int open_socket (raw_t *raw, const cli_t *cli)
{
    int yes = 1;
    int timeout_ms = (int) cli->timeout_ms;
    int rc = plain_open (&raw->plain, cli, ZMQ_XPUB);
    if (rc != 0)
        return rc;
    zmq_setsockopt (raw->plain.socket, ZMQ_XPUB_VERBOSER, &yes, sizeof yes);
    zmq_setsockopt (raw->plain.socket, ZMQ_XPUB_NODROP, &yes, sizeof yes);
    zmq_setsockopt (raw->plain.socket, ZMQ_SNDTIMEO, &timeout_ms, sizeof timeout_ms);
    return plain_join (&raw->plain);
}

int pub_raw (pub_tally_t *tally, input_t *input)
{
    raw_t raw = {.tally = tally, .topic = tally->cli->args[0]};
    int rc = open_socket (&raw, tally->cli);
    if (rc == 0)
        rc = await_subscriptions (&raw);
    if (rc == 0)
        rc = pub_input (tally, input, publish, &raw);
    plain_close (&raw.plain);
    if (rc != 0)
        return rc;
    rc = pub_summary (tally);
    return rc == 0 && cli_stopped () != 0 ? 128 + cli_stopped () : rc;
}
