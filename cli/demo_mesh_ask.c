/* The first half of the mesh: a client that always has some requests under way. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "demo_mesh.h"

#define LOOK_MS        20    /* between two rounds at most */
#define PLAIN_EVERY_MS 1000  /* between two lines when there is no terminal */
#define KILL_AT        3     /* a server is killed after 1/3 of the time */
#define FROZEN_MS      50    /* between freezing and killing it */
#define ANSWER_MS      60000 /* for an answer */
#define NOBODY         UINT64_MAX

/* -- asking ------------------------------------------------------------------------------------ */

static bool is_over (const demo_mesh_t *self)
{
    return cli_stopped () != 0 || cli_now_ms () >= self->start_ms + self->pace_ms;
}

static int ask_one (demo_mesh_t *self, demo_asked_t *place)
{
    char body[32];
    zf_error_t err = {0};
    zf_request_options_t options;
    zf_request_defaults (&options);
    options.timeout_ms = ANSWER_MS;
    int size = snprintf (body, sizeof body, "request %" PRIu64 "\n", self->asked);
    place->ordinal = self->asked;
    place->start_us = cli_now_us ();
    int rc = zf_client_request_async (self->client, DEMO_MESH_SERVICE, body, (size_t) size,
                                      &options, NULL, NULL, &place->number, &err);
    if (rc != 0)
        return cli_client_fail (self->cli, self->client, &err);
    self->asked++;
    return 0;
}

/* Fills all places that are free. */
static int ask_more (demo_mesh_t *self)
{
    int rc = 0;
    for (size_t i = 0; i < self->server_count * DEMO_MESH_AT_ONCE && rc == 0; i++)
        if (self->asked_now[i].number == 0)
            rc = ask_one (self, &self->asked_now[i]);
    return rc;
}

/* -- answers ----------------------------------------------------------------------------------- */

static demo_asked_t *find_asked (demo_mesh_t *self, uint64_t number)
{
    for (size_t i = 0; i < self->server_count * DEMO_MESH_AT_ONCE; i++)
        if (self->asked_now[i].number == number)
            return &self->asked_now[i];
    return NULL;
}

/* Who gave this answer to the question; NULL: nobody whom we know, or to another one. */
static demo_server_t *who_answered (demo_mesh_t *self, uint64_t ordinal, const zf_message_t *reply)
{
    char expected[64];
    for (size_t i = 0; i < self->server_count; i++) {
        int size = snprintf (expected, sizeof expected, "request %" PRIu64 " by %ld\n", ordinal,
                             self->servers[i].pid);
        if (reply->size == (size_t) size && memcmp (reply->body, expected, reply->size) == 0)
            return &self->servers[i];
    }
    return NULL;
}

static void note_answer (demo_mesh_t *self, const demo_asked_t *asked, const zf_message_t *reply)
{
    demo_server_t *server = who_answered (self, asked->ordinal, reply);
    uint64_t waited_us = cli_now_us () - asked->start_us;
    if (cli_number (self->cli, "skip", NOBODY) == asked->ordinal)
        return;
    if (reply->code != 0) {
        self->failed++;
        cli_note (self->cli, "request %" PRIu64 " has no answer: %.*s", asked->ordinal,
                  (int) reply->size, (const char *) reply->body);
        return;
    }
    self->answered++;
    self->wrong += server == NULL ? 1 : 0;
    self->longest_us = waited_us > self->longest_us ? waited_us : self->longest_us;
    if (server != NULL)
        server->answers++;
}

static void take_answers (demo_mesh_t *self)
{
    zf_message_t reply;
    zf_client_process (self->client);
    while (zf_client_next_reply (self->client, &reply, 0, NULL) == 0) {
        demo_asked_t *asked = find_asked (self, reply.id);
        if ((reply.flags & ZF_MESSAGE_MORE) == 0 && asked != NULL) {
            note_answer (self, asked, &reply);
            asked->number = 0;
            self->last_ms = cli_now_ms ();
        }
        zf_message_release (&reply);
    }
}

static void await_answers (demo_mesh_t *self)
{
    struct pollfd fds[2] = {{.fd = zf_client_fd (self->client), .events = POLLIN},
                            {.fd = cli_stopped () == 0 ? cli_stop_fd () : -1, .events = POLLIN}};
    take_answers (self);
    poll (fds, 2, LOOK_MS);
    take_answers (self);
}

static bool is_waiting (const demo_mesh_t *self)
{
    for (size_t i = 0; i < self->server_count * DEMO_MESH_AT_ONCE; i++)
        if (self->asked_now[i].number != 0)
            return true;
    return false;
}

/* -- killing ----------------------------------------------------------------------------------- */

/* Kills the first server. It is frozen a moment before, so that it surely dies with requests in its
 * hands. */
static void kill_server (demo_mesh_t *self)
{
    demo_server_t *server = &self->servers[0];
    uint64_t now_ms = cli_now_ms ();
    if (self->killed || self->server_count < 2 ||
        (self->frozen_ms == 0 && now_ms < self->start_ms + self->pace_ms / KILL_AT))
        return;
    if (self->frozen_ms == 0) {
        kill (server->child.pid, SIGSTOP);
        self->frozen_ms = now_ms;
    }
    if (now_ms - self->frozen_ms < FROZEN_MS)
        return;
    bench_child_kill (&server->child);
    self->killed = true;
    cli_note (self->cli,
              "killed     server 1 (process %ld) with SIGKILL after %" PRIu64
              " answers, with requests in its hands",
              server->pid, self->answered);
}

static int look_after (demo_mesh_t *self)
{
    for (size_t i = self->killed ? 1 : 0; i < self->server_count; i++) {
        bench_child_t *child = &self->servers[i].child;
        bench_child_hear (child);
        if (!bench_child_running (child))
            return cli_fail (self->cli, EX_SOFTWARE, "server %zu died: %s", i + 1, child->text);
    }
    return 0;
}

/* -- all of it --------------------------------------------------------------------------------- */

static void show (demo_mesh_t *self)
{
    char text[240];
    uint64_t now_ms = cli_now_ms ();
    int n = snprintf (text, sizeof text, "%4.1f s  asked %" PRIu64 "  answered %" PRIu64,
                      (double) (now_ms - self->start_ms) / 1000, self->asked, self->answered);
    for (size_t i = 0; i < self->server_count && n > 0 && (size_t) n < sizeof text; i++)
        n += snprintf (text + n, sizeof text - (size_t) n, "%s%" PRIu64, i == 0 ? "  by " : " + ",
                       self->servers[i].answers);
    cli_progress (self->cli, "%s", text);
    if (self->cli->err_terminal || now_ms < self->plain_next_ms)
        return;
    self->plain_next_ms = now_ms + PLAIN_EVERY_MS;
    cli_note (self->cli, "%s", text);
}

static void tell_end (const demo_mesh_t *self)
{
    char text[32];
    cli_note (self->cli, "answered   %" PRIu64 " requests, each within %s", self->answered,
              cli_format_ms (self->longest_us / 1000 + 1, text));
    for (size_t i = 0; i < self->server_count; i++)
        cli_note (self->cli, "server %zu   gave %" PRIu64 " answers%s", i + 1,
                  self->servers[i].answers, i == 0 && self->killed ? " before it was killed" : "");
}

int demo_mesh_ask (demo_mesh_t *self)
{
    char time[CLI_UNIT_TEXT];
    cli_note (self->cli, "asking     %zu requests at a time for %s",
              self->server_count * DEMO_MESH_AT_ONCE, cli_format_ms (self->pace_ms, time));
    self->start_ms = cli_now_ms ();
    int rc = 0;
    while (rc == 0 && (!is_over (self) || is_waiting (self))) {
        if (!is_over (self)) {
            rc = ask_more (self);
            kill_server (self);
        }
        await_answers (self);
        if (rc == 0)
            rc = look_after (self);
        show (self);
    }
    if (rc == 0)
        tell_end (self);
    return rc;
}
