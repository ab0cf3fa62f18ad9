/* Titanic, RFC 9, as the broker itself serves it: durable requests of Majordomo clients of both
 * versions, through real sockets, with a journal and without. */
#include "tests/devices/plain.h"
#include <ftw.h>
#include <zferry/broker.h>

/* How a version of Majordomo is spoken. */
typedef struct {
    const char *request; /* of a client, up to the service */
    const char *reply;   /* to a client, up to the service */
    const char *worker;  /* up to the command */
    const char *final;   /* commands of a worker */
} version_t;

static const version_t version_1 = {"|MDPC01|", "|MDPC01|", "|MDPW01|", "\3"};
static const version_t version_2 = {"MDPC02|\1|", "MDPC02|\3|", "MDPW02|", "\4"};

typedef struct {
    const version_t *v;
    zf_broker_options_t options;
    zf_policy_t policy;
    zf_device_t *broker;
    char dir[40];               /* of the journal */
    char uuid[PLAIN_SHOWN_MAX]; /* of the request made last */
} case_t;

static void start (case_t *c)
{
    zf_error_t err;
    if (zf_broker_start (&c->broker, &c->options, &err) != 0)
        fail_msg ("%s", err.text);
}

static int setup (void **state)
{
    static const char *const endpoint = "tcp://127.0.0.1:*";
    case_t *c = calloc (1, sizeof *c);
    assert_non_null (c);
    c->v = *state;
    zf_broker_defaults (&c->options);
    zf_policy_defaults (&c->policy);
    c->options.endpoints = &endpoint;
    c->options.endpoint_count = 1;
    c->options.policy = &c->policy;
    c->options.mdp_heartbeat_ms = 60000; /* out of the way */
    *state = c;
    return 0;
}

static int remove_entry (const char *path, const struct stat *status, int kind, struct FTW *level)
{
    (void) status;
    (void) kind;
    (void) level;
    return remove (path);
}

static int teardown (void **state)
{
    case_t *c = *state;
    plain_close_all ();
    zf_device_stop (&c->broker);
    if (c->dir[0] != '\0')
        nftw (c->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free (c);
    return 0;
}

static void use_journal (case_t *c)
{
    snprintf (c->dir, sizeof c->dir, "/tmp/zferry-titanic-XXXXXX");
    assert_non_null (mkdtemp (c->dir));
    c->options.journal = c->dir;
}

static void *dealer (case_t *c, const char *name)
{
    return plain_open (ZMQ_DEALER, zf_device_endpoint (c->broker, 0), name);
}

static void ready (case_t *c, void *worker, const char *service)
{
    say (worker, "%s\1|%s", c->v->worker, service);
}

/* Frames of a body, which the worker gets. The answer goes back under the name that came along. */
static void work (case_t *c, void *worker, const char *body, const char *answer)
{
    expect (worker, "%s\2|zferry||%s", c->v->worker, body);
    say (worker, "%s%s|zferry||%s", c->v->worker, c->v->final, answer);
}

/* Makes a request; its uuid is c->uuid then. */
static void submit (case_t *c, void *client, const char *service, const char *body)
{
    char text[PLAIN_SHOWN_MAX];
    char prefix[PLAIN_SHOWN_MAX];
    char expected[64];
    int n = snprintf (expected, sizeof expected, "%stitanic.request|200|", c->v->reply);
    plain_show (prefix, 0, expected, (size_t) n);
    say (client, "%stitanic.request|%s|%s", c->v->request, service, body);
    if (!hears (client, DEADLINE_MS))
        fail_msg ("no answer to titanic.request");
    plain_recv_text (client, text);
    if (strncmp (text, prefix, strlen (prefix)) != 0)
        fail_msg ("expected %s, got %s", prefix, text);
    snprintf (c->uuid, sizeof c->uuid, "%s", text + strlen (prefix));
    assert_int_equal (strspn (c->uuid, "0123456789ABCDEF"), 32);
    assert_int_equal (strlen (c->uuid), 32);
}

static void expect_reply (case_t *c, void *client, const char *uuid, const char *reply)
{
    say (client, "%stitanic.reply|%s", c->v->request, uuid);
    expect (client, "%stitanic.reply|%s", c->v->reply, reply);
}

static void expect_close (case_t *c, void *client, const char *uuid, const char *code)
{
    say (client, "%stitanic.close|%s", c->v->request, uuid);
    expect (client, "%stitanic.close|%s", c->v->reply, code);
}

/* Asks until there is an outcome, which must be this. */
static void await_reply (case_t *c, void *client, const char *uuid, const char *reply)
{
    char pending[PLAIN_SHOWN_MAX];
    char expected[PLAIN_SHOWN_MAX];
    char text[PLAIN_SHOWN_MAX];
    int64_t end = zclock_mono () + DEADLINE_MS;
    snprintf (text, sizeof text, "%stitanic.reply|300", c->v->reply);
    plain_show (pending, 0, text, strlen (text));
    snprintf (expected, sizeof expected, "%stitanic.reply|%s", c->v->reply, reply);
    plain_show (text, 0, expected, strlen (expected));
    snprintf (expected, sizeof expected, "%s", text);
    do {
        assert_true (zclock_mono () < end);
        say (client, "%stitanic.reply|%s", c->v->request, uuid);
        assert_true (hears (client, DEADLINE_MS));
        plain_recv_text (client, text);
    } while (strcmp (text, pending) == 0);
    assert_string_equal (text, expected);
}

/* -- request, reply, close --------------------------------------------------------------------- */

static void request_reply_and_close (void **state)
{
    case_t *c = *state;
    start (c);
    void *client = dealer (c, "client");
    void *worker = dealer (c, "worker");
    submit (c, client, "echo", "hello");
    expect_reply (c, client, c->uuid, "300");
    expect_close (c, client, c->uuid, "300");
    ready (c, worker, "echo");
    work (c, worker, "hello", "world");
    await_reply (c, client, c->uuid, "200|world");
    expect_reply (c, client, c->uuid, "200|world");
    expect_close (c, client, c->uuid, "200");
    expect_reply (c, client, c->uuid, "400");
    expect_close (c, client, c->uuid, "400");
}

static void bodies_of_several_frames_come_as_they_went (void **state)
{
    case_t *c = *state;
    start (c);
    void *client = dealer (c, "client");
    void *worker = dealer (c, "worker");
    submit (c, client, "echo", "one||three");
    ready (c, worker, "echo");
    work (c, worker, "one||three", "|two|");
    await_reply (c, client, c->uuid, "200||two|");
    submit (c, client, "echo", "");
    work (c, worker, "", "");
    await_reply (c, client, c->uuid, "200|");
}

static void requests_are_told_apart (void **state)
{
    case_t *c = *state;
    char first[PLAIN_SHOWN_MAX];
    start (c);
    void *client = dealer (c, "client");
    void *other = dealer (c, "other");
    void *worker = dealer (c, "worker");
    submit (c, client, "echo", "a");
    snprintf (first, sizeof first, "%s", c->uuid);
    submit (c, client, "echo", "a"); /* the same is another request */
    assert_string_not_equal (first, c->uuid);
    ready (c, worker, "echo");
    work (c, worker, "a", "1");
    work (c, worker, "a", "2");
    await_reply (c, other, c->uuid, "200|2");
    await_reply (c, other, first, "200|1");
}

/* Its empty frame is MDP/0.1's. */
static void req_socket_is_a_client (void **state)
{
    case_t *c = *state;
    char text[PLAIN_SHOWN_MAX];
    start (c);
    void *client = plain_open (ZMQ_REQ, zf_device_endpoint (c->broker, 0), NULL);
    say (client, "MDPC01|titanic.request|echo|hello");
    assert_true (hears (client, DEADLINE_MS));
    plain_recv_text (client, text);
    assert_memory_equal (text, "MDPC01|titanic.request|200|", 27);
    say (client, "MDPC01|titanic.reply|%s", text + 27);
    expect (client, "MDPC01|titanic.reply|300");
}

static void many_requests_under_way_are_all_answered (void **state)
{
    case_t *c = *state;
    char uuids[200][40];
    char body[16];
    char reply[32];
    start (c);
    void *client = dealer (c, "client");
    void *worker = dealer (c, "worker");
    for (int i = 0; i < 200; i++) {
        snprintf (body, sizeof body, "q%d", i);
        submit (c, client, "echo", body);
        snprintf (uuids[i], sizeof uuids[i], "%.32s", c->uuid);
    }
    ready (c, worker, "echo");
    for (int i = 0; i < 200; i++) {
        snprintf (body, sizeof body, "q%d", i);
        snprintf (reply, sizeof reply, "a%d", i);
        work (c, worker, body, reply);
    }
    for (int i = 0; i < 200; i++) {
        snprintf (reply, sizeof reply, "200|a%d", i);
        await_reply (c, client, uuids[i], reply);
        expect_close (c, client, uuids[i], "200");
    }
}

/* -- wrong requests ---------------------------------------------------------------------------- */

static void uuid_that_is_none_is_unknown (void **state)
{
    static const char *const uuids[] = {
        "",
        "../../etc/passwd",
        "/",
        "\1\2\3",
        "0123456789ABCDEF0123456789ABCDEF",
        "a longer one than any that this broker gives, and then some more of it",
    };
    case_t *c = *state;
    char huge[1025];
    start (c);
    void *client = dealer (c, "client");
    memset (huge, 'A', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    for (size_t i = 0; i < sizeof uuids / sizeof uuids[0]; i++) {
        expect_reply (c, client, uuids[i], "400");
        expect_close (c, client, uuids[i], "400");
    }
    expect_reply (c, client, huge, "400");
    expect_close (c, client, huge, "400");
}

static void request_that_cannot_be_taken_is_answered_500 (void **state)
{
    case_t *c = *state;
    start (c);
    void *client = dealer (c, "client");
    static const char *const wrong[] = {
        "echo",           /* no body */
        "|body",          /* no name */
        "bad\1name|body", /* no name either */
        "mmi.service|body",
        "zf.replies|body", /* the queue of answers */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        say (client, "%stitanic.request|%s", c->v->request, wrong[i]);
        expect (client, "%stitanic.request|500", c->v->reply);
    }
    assert_int_equal (figure_of (c->broker, "posted"), 0);
}

/* Frames that are short, n of them. */
static const char *frames (size_t n)
{
    static char text[256];
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        at += (size_t) sprintf (text + at, "%sx", i > 0 ? "|" : "");
    return text;
}

static void body_of_too_many_frames_is_answered_500 (void **state)
{
    case_t *c = *state;
    start (c);
    void *client = dealer (c, "client");
    void *worker = dealer (c, "worker");
    say (client, "%stitanic.request|echo|%s", c->v->request, frames (65));
    expect (client, "%stitanic.request|500", c->v->reply);
    ready (c, worker, "echo");
    char asked[256];
    snprintf (asked, sizeof asked, "%s", frames (64));
    submit (c, client, "echo", asked);
    work (c, worker, asked, frames (63));
    char reply[256];
    snprintf (reply, sizeof reply, "200|%s", frames (63));
    await_reply (c, client, c->uuid, reply);
    submit (c, client, "echo", "more");
    work (c, worker, "more", frames (64));
    await_reply (c, client, c->uuid, "500|the answer has too many frames");
}

static void request_for_a_full_queue_is_answered_500 (void **state)
{
    case_t *c = *state;
    c->policy.max_length = 1;
    start (c);
    void *client = dealer (c, "client");
    submit (c, client, "echo", "a");
    say (client, "%stitanic.request|echo|b", c->v->request);
    expect (client, "%stitanic.request|500", c->v->reply);
}

static void request_that_failed_is_answered_500_and_why (void **state)
{
    case_t *c = *state;
    c->policy.ttl_ms = 200;
    start (c);
    void *client = dealer (c, "client");
    submit (c, client, "echo", "a");
    await_reply (c, client, c->uuid, "500|expired");
    expect_close (c, client, c->uuid, "200");
    expect_reply (c, client, c->uuid, "400");
}

static void request_goes_on_when_its_worker_leaves (void **state)
{
    case_t *c = *state;
    c->policy.backoff_min_ms = c->policy.backoff_max_ms = 0;
    start (c);
    void *client = dealer (c, "client");
    void *first = dealer (c, "first");
    ready (c, first, "echo");
    submit (c, client, "echo", "a");
    expect (first, "%s\2|zferry||a", c->v->worker);
    plain_close (first);
    void *second = dealer (c, "second");
    ready (c, second, "echo");
    work (c, second, "a", "b");
    await_reply (c, client, c->uuid, "200|b");
}

/* -- somebody else serves it ------------------------------------------------------------------- */

static void worker_that_serves_titanic_itself_gets_the_requests (void **state)
{
    case_t *c = *state;
    char text[PLAIN_SHOWN_MAX] = "";
    start (c);
    void *client = dealer (c, "client");
    void *titanic = dealer (c, "titanic");
    ready (c, titanic, "titanic.request");
    int64_t end = zclock_mono () + DEADLINE_MS;
    while (strstr (text, "|200") == NULL) { /* the broker knows it now */
        assert_true (zclock_mono () < end);
        say (client, "%smmi.service|titanic.request", c->v->request);
        assert_true (hears (client, DEADLINE_MS));
        plain_recv_text (client, text);
    }
    say (client, "%stitanic.request|echo|hello", c->v->request);
    expect (titanic, "%s\2|client||echo|hello", c->v->worker);
    say (titanic, "%s%s|client||200|my-own-uuid", c->v->worker, c->v->final);
    expect (client, "%stitanic.request|200|my-own-uuid", c->v->reply);
    expect_reply (c, client, "my-own-uuid", "400"); /* which nobody else serves */
}

/* -- restart ----------------------------------------------------------------------------------- */

static void restart (case_t *c)
{
    plain_close_all ();
    zf_device_stop (&c->broker);
    start (c);
}

static void requests_and_answers_survive_the_broker (void **state)
{
    case_t *c = *state;
    char answered[40];
    use_journal (c);
    start (c);
    void *client = dealer (c, "client");
    void *worker = dealer (c, "worker");
    ready (c, worker, "echo");
    submit (c, client, "echo", "a||b");
    work (c, worker, "a||b", "x|y");
    await_reply (c, client, c->uuid, "200|x|y");
    snprintf (answered, sizeof answered, "%.32s", c->uuid);
    submit (c, client, "echo", "c|d");
    expect (worker, "%s\2|zferry||c|d", c->v->worker);
    restart (c); /* while the worker has it */
    client = dealer (c, "client");
    expect_reply (c, client, c->uuid, "300");
    worker = dealer (c, "worker");
    ready (c, worker, "echo");
    work (c, worker, "c|d", "z");
    await_reply (c, client, c->uuid, "200|z");
    await_reply (c, client, answered, "200|x|y");
    expect_close (c, client, answered, "200");
    restart (c);
    client = dealer (c, "client");
    await_reply (c, client, c->uuid, "200|z");
    expect_reply (c, client, answered, "400");
}

static void uuids_of_different_lives_differ (void **state)
{
    case_t *c = *state;
    char uuids[4][40];
    use_journal (c);
    for (int i = 0; i < 4; i++) {
        start (c);
        submit (c, dealer (c, "client"), "echo", "a");
        snprintf (uuids[i], sizeof uuids[i], "%.32s", c->uuid);
        for (int k = 0; k < i; k++)
            assert_string_not_equal (uuids[k], uuids[i]);
        plain_close_all ();
        zf_device_stop (&c->broker);
    }
}

#define FIRST(test)                                                   \
    {                                                                 \
#test, test, setup, teardown, (void *) (uintptr_t) &version_1 \
    }
#define BOTH(test)                                                             \
    {#test " (0.1)", test, setup, teardown, (void *) (uintptr_t) &version_1},  \
    {                                                                          \
#test " (0.2)", test, setup, teardown, (void *) (uintptr_t) &version_2 \
    }

int main (void)
{
    const struct CMUnitTest tests[] = {
        BOTH (request_reply_and_close),
        BOTH (bodies_of_several_frames_come_as_they_went),
        BOTH (requests_are_told_apart),
        FIRST (req_socket_is_a_client),
        BOTH (many_requests_under_way_are_all_answered),
        BOTH (uuid_that_is_none_is_unknown),
        BOTH (request_that_cannot_be_taken_is_answered_500),
        BOTH (body_of_too_many_frames_is_answered_500),
        BOTH (request_for_a_full_queue_is_answered_500),
        BOTH (request_that_failed_is_answered_500_and_why),
        BOTH (request_goes_on_when_its_worker_leaves),
        BOTH (worker_that_serves_titanic_itself_gets_the_requests),
        BOTH (requests_and_answers_survive_the_broker),
        BOTH (uuids_of_different_lives_differ),
    };
    return cmocka_run_group_tests_name ("titanic", tests, NULL, NULL);
}
