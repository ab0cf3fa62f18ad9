/* The middle of the demo: a worker is killed, and later the broker, which is started again. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "demo.h"

#define WORKER_AT 3   /* the worker is killed after 1/3 of the records, */
#define BROKER_AT 2   /* the broker after 1/2 */
#define FROZEN_MS 50  /* between freezing and killing a worker */
#define PAUSED_MS 300 /* between stopping the workers and killing the broker */
#define SAID      "journal: "

/* Is it time, and nobody has asked to stop? */
static bool reached (const demo_t *self, uint64_t part)
{
    return cli_stopped () == 0 && self->book.processed >= self->book.total / part;
}

/* Kills the first worker. It is frozen a moment before, so that it surely dies with records in its
 * hands: some it has not reported, some it has reported and not acknowledged. */
static void kill_worker (demo_t *self)
{
    demo_hand_t *hand = &self->hands[0];
    if (self->killed || self->hand_count < 2 ||
        (self->frozen_ms == 0 && !reached (self, WORKER_AT)))
        return;
    if (self->frozen_ms == 0) {
        kill (hand->child.pid, SIGSTOP);
        self->frozen_ms = cli_now_ms ();
    }
    if (cli_now_ms () - self->frozen_ms < FROZEN_MS)
        return;
    long pid = (long) hand->child.pid;
    bench_child_kill (&hand->child);
    demo_read_reports (self, hand);
    self->killed = true;
    cli_note (self->cli, "killed     worker 1 (process %ld) with SIGKILL after %" PRIu64 " records",
              pid, self->book.processed);
}

static void signal_workers (const demo_t *self, int number)
{
    for (size_t i = 0; i < self->hand_count; i++)
        if (self->hands[i].child.pid != 0)
            kill (self->hands[i].child.pid, number);
}

/* Kills the broker and starts it again. The workers are stopped a while before, so that there is
 * something in its queue. */
static int kill_broker (demo_t *self)
{
    if (self->broker_killed || (self->paused_ms == 0 && !reached (self, BROKER_AT)))
        return 0;
    if (self->paused_ms == 0) {
        signal_workers (self, SIGSTOP);
        self->paused_ms = cli_now_ms ();
        cli_note (self->cli, "paused     the workers, so that records pile up");
    }
    if (cli_now_ms () - self->paused_ms < PAUSED_MS)
        return 0;
    long pid = (long) self->broker.child.pid;
    bench_broker_kill (&self->broker);
    self->broker_killed = true;
    cli_note (self->cli, "killed     the broker (process %ld) with SIGKILL, and the workers go on",
              pid);
    int rc = demo_start_broker (self, true);
    signal_workers (self, SIGCONT);
    return rc;
}

/* Tells what the new broker says of its journal, once. */
static void tell_recovery (demo_t *self)
{
    const char *said = strstr (self->broker.child.text, SAID);
    const char *end = said != NULL ? strchr (said, '\n') : NULL;
    if (!self->broker_killed || self->recovered || end == NULL)
        return;
    said += strlen (SAID);
    self->recovered = true;
    cli_note (self->cli, "restarted  the broker (process %ld): %.*s", (long) self->broker.child.pid,
              (int) (end - said), said);
}

int demo_kill (demo_t *self)
{
    kill_worker (self);
    int rc = kill_broker (self);
    tell_recovery (self);
    return rc;
}

bool demo_is_killing (const demo_t *self)
{
    return (self->frozen_ms != 0 && !self->killed) || (self->paused_ms != 0 && !self->recovered);
}
