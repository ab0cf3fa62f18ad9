/* Devices in the foreground. */
#include "device.h"

#include "announce.h"
#include "log.h"
#include "secure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { SUMMARY_MAX_BYTES = 1000 };

int device_prepare (device_run_t *run, const cli_t *cli)
{
    memset (run, 0, sizeof *run);
    run->cli = cli;
    run->verbose = log_is_verbose (cli);
    run->start_ms = cli_now_ms ();
    if (pipe2 (run->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return cli_fail (cli, EX_OSERR, "cannot make a pipe: %s", strerror (errno));
    return 0;
}

/* Why an endpoint can't be bound is in the text alone. */
static int fail_address (const cli_t *cli, const zf_error_t *err)
{
    const char *hint = "choose another endpoint";
    if (strstr (err->text, "already in use") != NULL)
        hint = "stop what listens there or choose another endpoint";
    else if (strstr (err->text, strerror (ENOENT)) != NULL)
        hint = "its directory must be there";
    return cli_fail (cli, EX_UNAVAILABLE, "%s; %s", err->text, hint);
}

int device_fail (const cli_t *cli, const zf_error_t *err)
{
    if (err->code == ZF_E_ADDRESS)
        return fail_address (cli, err);
    if (err->code == ZF_E_BUSY)
        return cli_fail (cli, EX_UNAVAILABLE, "%s; stop that one or choose another directory",
                         err->text);
    if (err->code == ZF_E_DENIED)
        return secure_fail (cli, err);
    return cli_fail_call (cli, err, true);
}

/* -- events ------------------------------------------------------------------------------------ */

/* How an event is told. */
typedef struct {
    const char *prefix; /* of its line */
    zf_log_level_t level;
    bool important; /* told without --verbose */
} manner_t;

static manner_t manner_of (zf_event_t event)
{
    switch (event) {
    case ZF_EVENT_WORKER_ON:
        return (manner_t){"worker on: ", ZF_LOG_INFO, false};
    case ZF_EVENT_WORKER_OFF:
        return (manner_t){"worker off: ", ZF_LOG_INFO, false};
    case ZF_EVENT_PEER_ERROR:
        return (manner_t){"peer error: ", ZF_LOG_WARNING, true};
    case ZF_EVENT_DENIED:
        return (manner_t){"denied: ", ZF_LOG_WARNING, true};
    case ZF_EVENT_DEAD_LETTER:
        return (manner_t){"dead letter: ", ZF_LOG_NOTICE, false};
    case ZF_EVENT_LINK:
        return (manner_t){"link: ", ZF_LOG_NOTICE, true};
    case ZF_EVENT_RECOVERED:
        return (manner_t){"journal: ", ZF_LOG_NOTICE, true};
    case ZF_EVENT_DISK:
        return (manner_t){"journal: ", ZF_LOG_WARNING, true};
    case ZF_EVENT_SUBSCRIBER_ON:
        return (manner_t){"subscriber on: ", ZF_LOG_INFO, false};
    case ZF_EVENT_SUBSCRIBER_OFF:
        return (manner_t){"subscriber off: ", ZF_LOG_INFO, false};
    case ZF_EVENT_LOOP:
        return (manner_t){"loop: ", ZF_LOG_WARNING, true};
    case ZF_EVENT_LISTENING:
        break;
    }
    return (manner_t){"", ZF_LOG_DEBUG, false};
}

/* Writes "LEVEL DEVICE NUL TEXT newline" into the pipe: a write of less than PIPE_BUF bytes is done
 * whole or not at all. */
void device_log (void *arg, zf_log_level_t level, const char *device, const char *text)
{
    device_run_t *run = arg;
    char line[DEVICE_LINE_MAX];
    int n = snprintf (line, sizeof line, "%d%.100s%c%s", (int) level, device, '\0', text);
    size_t size = n < 0 ? 0 : (size_t) n < sizeof line ? (size_t) n : sizeof line - 1;
    for (size_t i = 0; i < size; i++) /* names come from peers */
        if (line[i] == '\n')
            line[i] = '.';
    line[size] = '\n';
    if (write (run->pipe[1], line, size + 1) < 0)
        atomic_fetch_add (&run->lost, 1);
}

void device_event (void *arg, zf_event_t event, const char *text)
{
    const device_run_t *run = arg;
    manner_t manner = manner_of (event);
    char line[DEVICE_LINE_MAX];
    if (event == ZF_EVENT_LISTENING || !(manner.important || run->verbose))
        return;
    snprintf (line, sizeof line, "%s%s", manner.prefix, text);
    device_log (arg, manner.level, "", line);
}

static void print_line (const device_run_t *run, const char *line)
{
    zf_log_level_t level = (zf_log_level_t) (line[0] - '0');
    const char *device = line + 1;
    const char *text = device + strlen (device) + 1;
    cli_log (run->cli, level, device, "%s", text);
}

/* Prints whole lines; what is left of the last one stays for the next time. */
static void print_lines (device_run_t *run)
{
    char *line = run->lines;
    char *end = run->lines + run->line_bytes;
    char *newline = NULL;
    while ((newline = memchr (line, '\n', (size_t) (end - line))) != NULL) {
        *newline = '\0';
        print_line (run, line);
        line = newline + 1;
    }
    run->line_bytes = (size_t) (end - line);
    memmove (run->lines, line, run->line_bytes);
}

void device_print_events (device_run_t *run)
{
    ssize_t n = 0;
    while ((n = read (run->pipe[0], run->lines + run->line_bytes,
                      sizeof run->lines - run->line_bytes)) > 0) {
        run->line_bytes += (size_t) n;
        print_lines (run);
    }
    unsigned lost = atomic_exchange (&run->lost, 0);
    if (lost > 0)
        cli_note (run->cli, "%u more events", lost);
}

/* -- the run ----------------------------------------------------------------------------------- */

typedef struct {
    json_t *object;               /* all figures */
    char text[SUMMARY_MAX_BYTES]; /* those that are not 0, but for steps of histograms */
} figures_t;

static void add_figure (void *arg, const char *name, uint64_t value)
{
    figures_t *figures = arg;
    size_t used = strlen (figures->text);
    json_object_set_new (figures->object, name, json_integer ((json_int_t) value));
    if (value != 0 && strstr (name, ".le.") == NULL)
        snprintf (figures->text + used, sizeof figures->text - used, "%s%s %" PRIu64,
                  used > 0 ? ", " : "", name, value);
}

static void tell_endpoints (const device_run_t *run, const zf_device_t *device,
                            const char *(*role) (const cli_t *cli, size_t i))
{
    const char *endpoint = NULL;
    for (size_t i = 0; (endpoint = zf_device_endpoint (device, i)) != NULL; i++)
        cli_log (run->cli, ZF_LOG_NOTICE, NULL, "listening on %s%s", endpoint,
                 role != NULL ? role (run->cli, i) : "");
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
