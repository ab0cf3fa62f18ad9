/* The processes of the demo: their beginning and their end. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

#define WORKERS 4 /* default */

static int start_hand (demo_t *self, size_t index)
{
    demo_hand_t *hand = &self->hands[index];
    int ends[2];
    char name[32];
    const char *skip = cli_text (self->cli, "skip", NULL);
    const char *args[] = {
        "demo-worker", bench_parent_text (),           self->broker.endpoint,
        DEMO_QUEUE,    skip != NULL ? "--skip" : NULL, skip,
        NULL,
    };
    snprintf (name, sizeof name, "worker %zu", index + 1);
    if (pipe2 (ends, O_CLOEXEC) != 0)
        return cli_fail (self->cli, EX_OSERR, "can't make a pipe: %s", strerror (errno));
    fcntl (ends[0], F_SETFL, O_NONBLOCK);
    bench_child_spec_t spec = {.name = name, .args = args, .pass_fd = ends[1]};
    int rc = bench_child_start (self->cli, &hand->child, &spec);
    close (ends[1]);
    hand->reports = ends[0];
    self->hand_count++;
    return rc;
}

static int open_client (demo_t *self)
{
    zf_client_options_t options;
    cli_client_options (self->cli, &options);
    options.name = "demo";
    return cli_client_open (self->cli, &options, &self->client);
}

int demo_start_broker (demo_t *self, bool again)
{
    const char *args[] = {"--journal", self->journal, NULL};
    return again ? bench_broker_restart (self->cli, &self->broker, args)
                 : bench_broker_start (self->cli, &self->broker, BENCH_TCP, args);
}

/* From here on whatever is said about the broker is about ours. */
static int start_broker (demo_t *self)
{
    const char *parent = getenv ("TMPDIR");
    int rc = bench_dir_make (self->cli, parent != NULL && parent[0] != '\0' ? parent : "/tmp",
                             self->root);
    snprintf (self->journal, sizeof self->journal, "%s/journal", self->root);
    if (rc == 0)
        rc = demo_start_broker (self, false);
    self->endpoint = self->broker.endpoint;
    self->own_cli = bench_cli_at (self->cli, &self->endpoint);
    self->cli = &self->own_cli;
    return rc;
}

int demo_start (demo_t *self)
{
    int rc = start_broker (self);
    const cli_t *cli = self->cli;
    size_t workers = (size_t) cli_number (cli, "workers", WORKERS);
    for (size_t i = 0; rc == 0 && i < workers; i++)
        rc = start_hand (self, i);
    if (rc == 0)
        rc = open_client (self);
    if (rc != 0)
        return rc;
    cli_note (cli, "broker     process %ld at %s, journal in %s", (long) self->broker.child.pid,
              self->broker.endpoint, self->journal);
    for (size_t i = 0; i < workers; i++)
        cli_note (cli, "worker %zu   process %ld", i + 1, (long) self->hands[i].child.pid);
    cli_note (cli, "posting    %s: %zu lines, %" PRIu64 " times: %" PRIu64 " records",
              self->file.name, self->file.count, self->book.total / self->file.count,
              self->book.total);
    return 0;
}

/* -- the end ----------------------------------------------------------------------------------- */

void demo_dismiss (demo_t *self)
{
    for (size_t i = 0; i < self->hand_count; i++)
        bench_child_stop (&self->hands[i].child);
    for (size_t i = 0; i < self->hand_count; i++)
        demo_read_reports (self, &self->hands[i]);
}

void demo_clean_up (demo_t *self)
{
    zf_client_close (&self->client);
    for (size_t i = 0; i < self->hand_count; i++) {
        bench_child_kill (&self->hands[i].child);
        if (self->hands[i].reports >= 0)
            close (self->hands[i].reports);
    }
    bench_broker_stop (&self->broker);
    bench_dir_remove (self->root);
    demo_book_close (&self->book);
    demo_file_close (&self->file);
}
