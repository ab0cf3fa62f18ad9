/* The second half of the mesh: events, from this process to two that were never told where it
 * is. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "demo_mesh.h"

#define TOPIC    "ticks.demo"
#define STEP_MS  100 /* of waiting: a signal is seen to in between */
#define RECEIVED "received "

static int start_readers (demo_mesh_t *self)
{
    char count[24];
    const char *args[] = {"sub", "ticks.>", "--direct", "--count", count, "--timeout", "60s", NULL};
    int rc = 0;
    snprintf (count, sizeof count, "%d", DEMO_MESH_EVENTS);
    for (size_t i = 0; i < DEMO_MESH_READERS && rc == 0; i++) {
        char name[32];
        snprintf (name, sizeof name, "reader %zu", i + 1);
        rc = demo_mesh_start (self, &self->readers[i], name, args);
        if (rc == 0)
            cli_note (self->cli, "%-9s  process %ld: zferry sub 'ticks.>' --direct", name,
                      (long) self->readers[i].pid);
    }
    return rc;
}

static int open_publisher (demo_mesh_t *self)
{
    zf_error_t err = {0};
    zf_publisher_options_t options;
    zf_publisher_defaults (&options);
    options.direct = true;
    options.peer = self->peer;
    if (zf_publisher_open (&self->publisher, &options, &err) != 0)
        return cli_fail_call (self->cli, &err, true);
    return 0;
}

static int find_readers (demo_mesh_t *self)
{
    zf_error_t err = {0};
    uint64_t start_ms = cli_now_ms ();
    int rc = ZF_E_TIMEOUT;
    while (rc == ZF_E_TIMEOUT && cli_stopped () == 0 &&
           cli_now_ms () - start_ms < DEMO_MESH_FIND_MS)
        rc = zf_publisher_wait (self->publisher, TOPIC, DEMO_MESH_READERS, STEP_MS, &err);
    if (cli_stopped () != 0)
        return 128 + cli_stopped ();
    if (rc != 0)
        return cli_fail (self->cli, EX_SOFTWARE, "the readers did not come: %s", err.text);
    cli_note (self->cli, "found      %d readers after %" PRIu64 " ms", DEMO_MESH_READERS,
              cli_now_ms () - start_ms);
    return 0;
}

static int publish (demo_mesh_t *self)
{
    zf_error_t err = {0};
    int rc = 0;
    while (rc == 0 && self->published < DEMO_MESH_EVENTS) {
        char body[32];
        int size = snprintf (body, sizeof body, "tick %" PRIu64, self->published);
        rc = zf_publisher_publish (self->publisher, TOPIC, body, (size_t) size, NULL, NULL, &err);
        self->published += rc == 0 ? 1 : 0;
    }
    if (rc == 0)
        rc = zf_publisher_flush (self->publisher, -1, &err);
    cli_note (self->cli, "published  %" PRIu64 " events", self->published);
    return rc == 0 ? 0 : cli_fail_call (self->cli, &err, true);
}

/* What the reader said at its end, "received N in ...: 0 gaps ...". */
static uint64_t count_of (const bench_child_t *reader)
{
    const char *said = strstr (reader->text, RECEIVED);
    bool whole = said != NULL && strstr (said, ": 0 gaps ") != NULL;
    return whole && reader->status == 0 ? strtoull (said + strlen (RECEIVED), NULL, 10) : 0;
}

static int await_readers (demo_mesh_t *self)
{
    for (size_t i = 0; i < DEMO_MESH_READERS; i++) {
        bench_child_t *reader = &self->readers[i];
        uint64_t end_ms = cli_now_ms () + DEMO_MESH_FIND_MS;
        while (bench_child_running (reader) && cli_now_ms () < end_ms && cli_stopped () == 0) {
            bench_child_hear (reader);
            bench_tick ();
        }
        if (cli_stopped () != 0)
            return 128 + cli_stopped ();
        uint64_t count = count_of (reader);
        self->received += count;
        if (count == self->published)
            cli_note (self->cli, "reader %zu   has all of them, in order", i + 1);
        else
            cli_note (self->cli, "reader %zu   is not well: %s", i + 1, reader->text);
    }
    return 0;
}

int demo_mesh_publish (demo_mesh_t *self)
{
    int rc = start_readers (self);
    if (rc == 0)
        rc = open_publisher (self);
    if (rc == 0)
        cli_note (self->cli, "publisher  this process, as zferry pub --direct would be");
    if (rc == 0)
        rc = find_readers (self);
    if (rc == 0)
        rc = publish (self);
    return rc == 0 ? await_readers (self) : rc;
}
