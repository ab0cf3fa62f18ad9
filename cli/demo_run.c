/* The parent while the demo runs: one thread that posts what is due, reads what the workers
 * report, and shows how far it is. */
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

#define LOOK_MS          4     /* between two rounds */
#define BURST            4096  /* records posted in one round at most */
#define PLAIN_EVERY_MS   1000  /* between two lines when there is no terminal */
#define BROKER_EVERY_MS  250   /* between two questions to the broker */
#define STALL_MS         45000 /* no progress for so long (a lease and then some): given up */
#define PLANTED_STALL_MS 6000  /* the same, when a record is known to be missing */

/* -- posting ----------------------------------------------------------------------------------- */

static int post_one (demo_t *self, zf_error_t *err)
{
    const demo_line_t *line = &self->file.lines[self->posted % self->file.count];
    zf_header_t header = {
        .name = {.data = DEMO_HEADER, .size = strlen (DEMO_HEADER)},
        .value = {.data = &self->posted, .size = sizeof self->posted},
    };
    zf_props_t props;
    zf_props_defaults (&props);
    props.headers = &header;
    props.header_count = 1;
    return zf_client_try_post (self->client, DEMO_QUEUE, line->data, line->size, &props, NULL, err);
}

/* Posts what is due by now, as far as the window has room. After a signal nothing more is due. */
static int post_due (demo_t *self)
{
    zf_error_t err = {0};
    uint64_t elapsed = cli_now_ms () - self->start_ms;
    uint64_t due = self->book.total;
    if (cli_stopped () != 0)
        self->book.total = due = self->posted;
    else if (elapsed < self->pace_ms)
        due = due * elapsed / self->pace_ms;
    int rc = 0;
    for (int i = 0; rc == 0 && i < BURST && self->posted < due; i++) {
        rc = post_one (self, &err);
        self->posted += rc == 0 ? 1 : 0;
    }
    return rc == 0 || rc == ZF_E_AGAIN ? 0 : cli_client_fail (self->cli, self->client, &err);
}

/* -- reports ----------------------------------------------------------------------------------- */

void demo_read_reports (demo_t *self, demo_hand_t *hand)
{
    demo_report_t reports[128];
    ssize_t n = 1;
    while (hand->reports >= 0 && n > 0) {
        n = read (hand->reports, reports, sizeof reports);
        for (ssize_t i = 0; i < n / (ssize_t) sizeof reports[0]; i++)
            demo_book_enter (&self->book, &reports[i]);
        if (n > 0)
            self->last_ms = cli_now_ms ();
    }
    if (n == 0) {
        close (hand->reports);
        hand->reports = -1;
    }
}

/* Waits a moment for reports and reads them. */
static void await_reports (demo_t *self)
{
    struct pollfd fds[DEMO_WORKERS_MAX];
    for (size_t i = 0; i < self->hand_count; i++)
        fds[i] = (struct pollfd){.fd = self->hands[i].reports, .events = POLLIN};
    bench_tick (); /* so that many come together */
    poll (fds, (nfds_t) self->hand_count, LOOK_MS);
    for (size_t i = 0; i < self->hand_count; i++)
        demo_read_reports (self, &self->hands[i]);
}

/* -- looking after them ------------------------------------------------------------------------ */

static int look_after (demo_t *self)
{
    bench_child_hear (&self->broker.child);
    if (!bench_child_running (&self->broker.child))
        return cli_fail (self->cli, EX_SOFTWARE, "the broker died: %s", self->broker.child.text);
    for (size_t i = self->killed ? 1 : 0; i < self->hand_count; i++)
        if (!bench_child_running (&self->hands[i].child))
            return cli_fail (self->cli, EX_SOFTWARE, "worker %zu died (wait status %d)", i + 1,
                             self->hands[i].child.status);
    return 0;
}

/* Asks the broker, which knows of the dead. It must answer the last time; before it may be busy. */
static int ask_broker (demo_t *self, bool last)
{
    zf_error_t err = {0};
    zf_queue_info_t info;
    uint64_t now_ms = cli_now_ms ();
    if (now_ms < self->broker_next_ms && !last)
        return 0;
    self->broker_next_ms = now_ms + BROKER_EVERY_MS;
    int rc = zf_admin_queue (self->client, DEMO_QUEUE ".dead", &info, &err);
    if (rc == ZF_E_NOT_FOUND || (rc == ZF_E_TIMEOUT && !last))
        return 0;
    if (rc != 0)
        return cli_client_fail (self->cli, self->client, &err);
    self->dead = info.length;
    return 0;
}

static void show (demo_t *self)
{
    char text[240];
    uint64_t now_ms = cli_now_ms ();
    double seconds = (double) (now_ms - self->start_ms) / 1000;
    double rate = seconds > 0 ? (double) self->book.processed / seconds : 0;
    snprintf (text, sizeof text,
              "%4.1f s  posted %" PRIu64 "  confirmed %" PRIu64 "  processed %" PRIu64
              "  redelivered %" PRIu64 "  dead %" PRIu64 "  %.0f/s",
              seconds, self->posted, self->confirmed, self->book.processed, self->book.redelivered,
              self->dead, rate);
    cli_progress (self->cli, "%s", text);
    if (self->cli->err_terminal || now_ms < self->plain_next_ms)
        return;
    self->plain_next_ms = now_ms + PLAIN_EVERY_MS;
    cli_note (self->cli, "%s", text);
}

static bool stalled (demo_t *self)
{
    uint64_t progress = self->posted + self->confirmed + self->book.processed;
    if (progress != self->progress)
        self->moved_ms = cli_now_ms ();
    self->progress = progress;
    uint64_t patience_ms = cli_has (self->cli, "skip") ? PLANTED_STALL_MS : STALL_MS;
    return cli_now_ms () - self->moved_ms > patience_ms;
}

static bool complete (demo_t *self)
{
    zf_client_stats_t stats;
    zf_client_stats (self->client, &stats);
    self->confirmed = stats.confirmed;
    return !demo_is_killing (self) && self->posted == self->book.total &&
           stats.confirmed + stats.refused >= self->posted &&
           self->book.processed + self->dead >= self->posted;
}

int demo_run (demo_t *self)
{
    self->start_ms = self->moved_ms = cli_now_ms ();
    int rc = 0;
    while (rc == 0 && !complete (self) && !stalled (self)) {
        rc = post_due (self);
        await_reports (self);
        if (rc == 0)
            rc = demo_kill (self);
        if (rc == 0)
            rc = look_after (self);
        if (rc == 0)
            rc = ask_broker (self, false);
        show (self);
    }
    return rc == 0 ? ask_broker (self, true) : rc;
}
