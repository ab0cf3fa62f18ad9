/* zferry run: a topology in the foreground, until a signal asks to stop. */
#include "device.h"
#include "log.h"
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zferry/topology.h>

#define OWN_ENDPOINT "inproc://zferry-topology-" /* what the topology binds for itself */

/* What is under way. */
typedef struct {
    device_run_t run;         /* lines of its threads; has the cli */
    zf_topology_t *topology;  /* NULL: not started yet */
    uint64_t watchdog_ms;     /* between two signs of life; 0: nobody wants any */
    uint64_t watchdog_due_ms; /* when the next one is due */
} daemon_t;

/* -- reload ------------------------------------------------------------------------------------ */

static int reload_pipe[2] = {-1, -1}; /* a byte for each SIGHUP that came */

static void on_hangup (int number)
{
    int saved = errno;
    ssize_t ignored = write (reload_pipe[1], "", 1);
    (void) ignored; /* full: a reload is under way already, and others wait */
    (void) number;
    errno = saved;
}

static int catch_hangup (const cli_t *cli)
{
    struct sigaction action;
    memset (&action, 0, sizeof action);
    sigemptyset (&action.sa_mask);
    action.sa_handler = on_hangup;
    if (pipe2 (reload_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return cli_fail (cli, EX_OSERR, "cannot make a pipe: %s", strerror (errno));
    sigaction (SIGHUP, &action, NULL);
    return 0;
}

/* True if one was asked for; however often. */
static bool take_hangups (void)
{
    char bytes[64];
    bool any = false;
    while (read (reload_pipe[0], bytes, sizeof bytes) > 0)
        any = true;
    return any;
}

static void tell_reloading (void)
{
    char text[80];
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    snprintf (text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
              (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000);
    notify_send (text);
}

static void reload (daemon_t *self)
{
    zf_error_t err = {.code = 0};
    tell_reloading ();
    int rc = zf_topology_reload (self->topology, NULL, &err);
    device_print_events (&self->run);
    if (rc == ZF_E_INVAL)
        cli_log (self->run.cli, ZF_LOG_ERROR, NULL, "not reloaded: all stays as it was");
    else if (rc != 0)
        cli_log (self->run.cli, ZF_LOG_ERROR, NULL, "not reloaded: %s", err.text);
    notify_send ("READY=1");
}

/* -- what it says ------------------------------------------------------------------------------ */

/* Workers and subscribers that come and go are told with --verbose only. */
static void on_log (void *arg, zf_log_level_t level, const char *device, const char *text)
{
    daemon_t *self = arg;
    if (level < ZF_LOG_DEBUG)
        device_log (&self->run, level, device, text);
    else if (self->run.verbose)
        device_log (&self->run, ZF_LOG_INFO, device, text);
}

static bool tell_device (void *arg, const char *name, zf_device_t *device)
{
    const cli_t *cli = ((daemon_t *) arg)->run.cli;
    const char *endpoint = NULL;
    for (size_t i = 0; (endpoint = zf_device_endpoint (device, i)) != NULL; i++)
        if (strncmp (endpoint, OWN_ENDPOINT, strlen (OWN_ENDPOINT)) != 0)
            cli_log (cli, ZF_LOG_NOTICE, name, "listening on %s", endpoint);
    return true;
}

static void tell_endpoints (daemon_t *self)
{
    const cli_t *cli = self->run.cli;
    const char *admin = zf_topology_admin (self->topology);
    zf_topology_each (self->topology, tell_device, self);
    if (admin != NULL)
        cli_log (cli, ZF_LOG_NOTICE, NULL, "admin page on %s", admin);
    cli_log (cli, ZF_LOG_NOTICE, NULL, "%s is running", cli->args[0]);
}

static void add_figure (void *arg, const char *name, uint64_t value)
{
    json_object_set_new (arg, name, json_integer ((json_int_t) value));
}

static bool add_device (void *arg, const char *name, zf_device_t *device)
{
    json_t *figures = json_object ();
    zf_device_stats (device, add_figure, figures);
    json_object_set_new (arg, name, figures);
    return true;
}

/* -- the run ----------------------------------------------------------------------------------- */

static int fail_start (daemon_t *self, int rc, const zf_error_t *err)
{
    const cli_t *cli = self->run.cli;
    device_print_events (&self->run);
    if (rc == ZF_E_NOT_FOUND)
        return cli_fail (cli, EX_NOINPUT, "%s", err->text);
    if (rc == ZF_E_INVAL)
        return cli_fail (cli, EX_CONFIG, "%s; nothing was started", err->text);
    return device_fail (cli, err);
}

static int start (daemon_t *self)
{
    zf_error_t err = {.code = 0};
    zf_topology_options_t options;
    zf_topology_defaults (&options);
    options.file = self->run.cli->args[0];
    options.on_log = on_log;
    options.arg = self;
    int rc = zf_topology_start (&self->topology, &options, &err);
    return rc == 0 ? 0 : fail_start (self, rc, &err);
}

static void ignore_figure (void *arg, const char *name, uint64_t value)
{
    (void) arg;
    (void) name;
    (void) value;
}

static bool answers (void *arg, const char *name, zf_device_t *device)
{
    (void) arg;
    (void) name;
    return zf_device_stats (device, ignore_figure, NULL) == 0;
}

/* A sign of life, when it is due and every device answers. */
static void feed_watchdog (daemon_t *self)
{
    if (self->watchdog_ms == 0 || cli_now_ms () < self->watchdog_due_ms)
        return;
    if (zf_topology_each (self->topology, answers, NULL)) {
        notify_send ("WATCHDOG=1");
        self->watchdog_due_ms = cli_now_ms () + self->watchdog_ms;
    }
}

static int until_watchdog (const daemon_t *self)
{
    uint64_t now_ms = cli_now_ms ();
    if (self->watchdog_ms == 0)
        return -1;
    return self->watchdog_due_ms > now_ms ? (int) (self->watchdog_due_ms - now_ms)
                                          : (int) self->watchdog_ms; /* a device did not answer */
}

static void attend (daemon_t *self)
{
    struct pollfd fds[] = {{.fd = cli_stop_fd (), .events = POLLIN},
                           {.fd = self->run.pipe[0], .events = POLLIN},
                           {.fd = reload_pipe[0], .events = POLLIN}};
    while (cli_stopped () == 0) {
        poll (fds, sizeof fds / sizeof fds[0], until_watchdog (self));
        device_print_events (&self->run);
        if (take_hangups ())
            reload (self);
        feed_watchdog (self);
    }
}

static int finish (daemon_t *self)
{
    char time[CLI_UNIT_TEXT];
    const cli_t *cli = self->run.cli;
    json_t *figures = json_object (); /* all of all devices, as they are now */
    int rc = 0;
    notify_send ("STOPPING=1");
    zf_topology_each (self->topology, add_device, figures);
    zf_topology_stop (&self->topology);
    device_print_events (&self->run);
    cli_note (cli, "stopped after %s", cli_format_ms (cli_now_ms () - self->run.start_ms, time));
    if (cli->json_asked) {
        json_dumpf (figures, stdout, JSON_COMPACT);
        putchar ('\n');
        rc = cli_flush (cli);
    }
    json_decref (figures);
    return rc;
}

static int run (cli_t *cli)
{
    daemon_t self = {.topology = NULL};
    int rc = device_prepare (&self.run, cli);
    if (rc == 0)
        rc = catch_hangup (cli);
    if (rc == 0)
        rc = start (&self);
    if (rc != 0)
        return rc;
    device_print_events (&self.run);
    tell_endpoints (&self);
    self.watchdog_ms = notify_watchdog_ms () / 2;
    notify_send ("READY=1");
    attend (&self);
    return finish (&self);
}

static const cli_option_t options[] = {DEVICE_OPTIONS, {.name = NULL}};

const cli_verb_t verbs_run[] = {
    {.name = "run",
     .usage = "FILE",
     .summary = "Run a topology: devices, journals, security, discovery, admin page, from one file",
     .details =
         "FILE is YAML; docs/topology.md lists every key, zferry check FILE checks it. All of it "
         "runs in this\n"
         "process until the first Ctrl-C or SIGTERM. Where its devices listen goes to stderr, then "
         "\"FILE is\n"
         "running\".\n"
         "SIGHUP, or zferry reload FILE, reads the file again: declared queues and streams, links, "
         "and the\n"
         "files of keys and rules change while all runs; what takes a restart is said. With an "
         "error in the\n"
         "file all stays as it was.\n"
         "Under systemd (Type=notify) it says when it is ready, reloads and stops, and feeds the "
         "watchdog as\n"
         "long as every device answers.\n",
     .example = "  zferry run orders.yaml\n"
                "  JOURNAL=/var/lib/zferry zferry run /etc/zferry/orders.yaml --log-format json\n",
     .options = options,
     .min_args = 1,
     .max_args = 1,
     .run = run},
    {.name = NULL}};
