/* Devices in the foreground. */
#include "device.h"

#include "announce.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 500, SUMMARY_MAX_BYTES = 1000 };

int device_prepare (device_run_t *run, const cli_t *cli)
{
    memset (run, 0, sizeof *run);
    run->cli = cli;
    run->verbose = cli_has (cli, "verbose");
    run->start_ms = cli_now_ms ();
    if (pipe2 (run->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return cli_fail (cli, EX_OSERR, "cannot make a pipe: %s", strerror (errno));
    return 0;
}

int device_fail (const cli_t *cli, const zf_error_t *err)
{
    if (err->code == ZF_E_ADDRESS)
        return cli_fail (cli, EX_UNAVAILABLE,
                         "%s; stop what listens there or choose another endpoint", err->text);
    return cli_fail_call (cli, err, true);
}

/* -- events ------------------------------------------------------------------------------------ */

static const char *event_prefix (zf_event_t event)
{
    switch (event) {
    case ZF_EVENT_WORKER_ON:
        return "worker on: ";
    case ZF_EVENT_WORKER_OFF:
        return "worker off: ";
    case ZF_EVENT_PEER_ERROR:
        return "peer error: ";
    case ZF_EVENT_DEAD_LETTER:
        return "dead letter: ";
    case ZF_EVENT_LINK:
        return "link: ";
    case ZF_EVENT_RECOVERED:
    case ZF_EVENT_DISK:
        return "journal: ";
    case ZF_EVENT_SUBSCRIBER_ON:
        return "subscriber on: ";
    case ZF_EVENT_SUBSCRIBER_OFF:
        return "subscriber off: ";
    case ZF_EVENT_LOOP:
        return "loop: ";
    case ZF_EVENT_LISTENING:
        break;
    }
    return "";
}

/* What is told without --verbose. */
static bool is_important (zf_event_t event)
{
    return event == ZF_EVENT_PEER_ERROR || event == ZF_EVENT_LINK || event == ZF_EVENT_RECOVERED ||
           event == ZF_EVENT_DISK || event == ZF_EVENT_LOOP;
}

/* Writes one line into the pipe: a write of less than PIPE_BUF bytes is done whole or not at
 * all. */
void device_event (void *arg, zf_event_t event, const char *text)
{
    device_run_t *run = arg;
    char line[LINE_MAX_BYTES + 2];
    bool wanted = is_important (event) || (run->verbose && event != ZF_EVENT_LISTENING);
    if (!wanted)
        return;
    int n = snprintf (line, LINE_MAX_BYTES, "%s%s", event_prefix (event), text);
    size_t size = n < 0 ? 0 : n < LINE_MAX_BYTES ? (size_t) n : LINE_MAX_BYTES - 1;
    for (size_t i = 0; i < size; i++) /* names come from peers */
        if ((unsigned char) line[i] < ' ' || line[i] == 0x7f)
            line[i] = '.';
    line[size] = '\n';
    if (write (run->pipe[1], line, size + 1) < 0)
        atomic_fetch_add (&run->lost, 1);
}

void device_print_events (device_run_t *run)
{
    char lines[8192];
    ssize_t n = 0;
    while ((n = read (run->pipe[0], lines, sizeof lines)) > 0) {
        cli_progress_clear ();
        fwrite (lines, 1, (size_t) n, stderr);
    }
    unsigned lost = atomic_exchange (&run->lost, 0);
    if (lost > 0)
        cli_note (run->cli, "%u more events", lost);
}

/* -- the run ----------------------------------------------------------------------------------- */

typedef struct {
    json_t *object;               /* all figures */
    char text[SUMMARY_MAX_BYTES]; /* those that are not 0 */
} figures_t;

static void add_figure (void *arg, const char *name, uint64_t value)
{
    figures_t *figures = arg;
    size_t used = strlen (figures->text);
    json_object_set_new (figures->object, name, json_integer ((json_int_t) value));
    if (value != 0)
        snprintf (figures->text + used, sizeof figures->text - used, "%s%s %" PRIu64,
                  used > 0 ? ", " : "", name, value);
}

static void tell_endpoints (const device_run_t *run, const zf_device_t *device,
                            const char *(*role) (const cli_t *cli, size_t i))
{
    const char *endpoint = NULL;
    for (size_t i = 0; (endpoint = zf_device_endpoint (device, i)) != NULL; i++)
        fprintf (stderr, "listening on %s%s\n", endpoint, role != NULL ? role (run->cli, i) : "");
}

static void wait_for_end (device_run_t *run)
{
    struct pollfd fds[2] = {{.fd = cli_stop_fd (), .events = POLLIN},
                            {.fd = run->pipe[0], .events = POLLIN}};
    while (cli_stopped () == 0 && !atomic_load (&run->failed)) {
        poll (fds, 2, -1);
        device_print_events (run);
    }
    device_print_events (run);
}

int device_run (device_run_t *run, zf_device_t **device,
                const char *(*role) (const cli_t *cli, size_t i))
{
    char time[CLI_UNIT_TEXT];
    figures_t figures = {.object = json_object ()};
    int rc = 0;
    tell_endpoints (run, *device, role);
    wait_for_end (run);
    announce_end (run->cli);
    zf_device_stats (*device, add_figure, &figures);
    zf_device_stop (device);
    device_print_events (run);
    cli_note (run->cli, "stopped after %s: %s", cli_format_ms (cli_now_ms () - run->start_ms, time),
              figures.text[0] != '\0' ? figures.text : "nothing came");
    if (run->cli->json_asked) {
        json_dumpf (figures.object, stdout, JSON_COMPACT | JSON_REAL_PRECISION (12));
        putchar ('\n');
        rc = cli_flush (run->cli);
    }
    json_decref (figures.object);
    close (run->pipe[0]);
    close (run->pipe[1]);
    return atomic_load (&run->failed) ? EX_SOFTWARE : rc;
}
