/* zferry top: what a broker does, as it does it.
 *
 * A thread takes the samples, so that a broker which does not answer holds up no key; the main one
 * draws and reads keys. */
#include "top.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    INTERVAL_DEFAULT_MS = 1000,
    INTERVAL_MIN_MS = 100,
    LOOK_MS = 1000, /* a broker that takes longer for an answer is asked again */
    TROUBLE_MAX = 300
};

static const cli_option_t options[] = {
    {.name = "interval",
     .letter = 'i',
     .kind = CLI_TIME,
     .value = "TIME",
     .min = INTERVAL_MIN_MS,
     .max = 3600000,
     .help = "look again after this (default 1s)"},
    {.name = "once", .letter = '1', .help = "print one sample, and end"},
    {.name = "sort",
     .letter = 's',
     .kind = CLI_TEXT,
     .value = "BY",
     .words = "activity length oldest leased dead name",
     .help = "activity (default), length, oldest, leased, dead or name"},
    {.name = "filter",
     .letter = 'f',
     .kind = CLI_TEXT,
     .value = "TEXT",
     .help = "show only queues, streams and groups with this in their names"},
    {.name = NULL}};

/* -- the thread that takes samples ------------------------------------------------------------- */

typedef struct {
    const cli_t *cli;
    zf_client_t *client;
    uint64_t interval_ms;
    pthread_t thread;
    int told[2];               /* a pipe: there is something new below */
    int end[2];                /* a pipe: closed when the thread is to end */
    pthread_mutex_t lock;      /* of what follows */
    top_sample_t sample;       /* the newest one; empty: it was taken already */
    char trouble[TROUBLE_MAX]; /* why there is none; "": there is */
} sampler_t;

static int take (zf_client_t *client, top_sample_t *last, zf_error_t *err)
{
    top_sample_t sample;
    int rc = top_sample_take (&sample, last, client, err);
    if (rc != 0)
        return rc;
    top_sample_free (last);
    *last = sample;
    return 0;
}

/* last: the sample, or NULL: there is trouble. */
static void tell (sampler_t *self, const top_sample_t *last, const char *trouble)
{
    pthread_mutex_lock (&self->lock);
    snprintf (self->trouble, sizeof self->trouble, "%s", trouble);
    top_sample_free (&self->sample);
    if (last != NULL)
        top_sample_copy (&self->sample, last);
    pthread_mutex_unlock (&self->lock);
    ssize_t ignored = write (self->told[1], "", 1);
    (void) ignored;
}

static void *keep_looking (void *arg)
{
    sampler_t *self = arg;
    struct pollfd end = {.fd = self->end[0], .events = POLLIN};
    top_sample_t last = self->sample; /* the first one: it is told when there are rates */
    memset (&self->sample, 0, sizeof self->sample);
    while (poll (&end, 1, (int) self->interval_ms) == 0) {
        zf_error_t err = {0};
        if (take (self->client, &last, &err) == 0)
            tell (self, &last, "");
        else
            tell (self, NULL, err.text[0] != '\0' ? err.text : zf_strerror (err.code));
    }
    top_sample_free (&last);
    return NULL;
}

/* With signals blocked, so that they reach the main thread. */
static int start_thread (sampler_t *self)
{
    sigset_t all, before;
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &before);
    int rc = pthread_create (&self->thread, NULL, keep_looking, self);
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : cli_fail (self->cli, EX_OSERR, "cannot start a thread: %s", strerror (rc));
}

static int sampler_start (sampler_t *self)
{
    pthread_mutex_init (&self->lock, NULL);
    if (pipe2 (self->told, O_CLOEXEC | O_NONBLOCK) != 0 || pipe2 (self->end, O_CLOEXEC) != 0)
        return cli_fail (self->cli, EX_OSERR, "cannot make a pipe: %s", strerror (errno));
    return start_thread (self);
}

static void sampler_stop (sampler_t *self)
{
    close (self->end[1]);
    pthread_join (self->thread, NULL);
    top_sample_free (&self->sample);
}

/* -- what is seen ------------------------------------------------------------------------------ */

typedef struct {
    sampler_t sampler;
    top_view_t view;
    top_sample_t shown;        /* view.sample */
    char trouble[TROUBLE_MAX]; /* view.trouble */
    bool done;                 /* q was pressed */
} top_t;

static void take_news (top_t *top)
{
    char bytes[64];
    while (read (top->sampler.told[0], bytes, sizeof bytes) > 0)
        ;
    pthread_mutex_lock (&top->sampler.lock);
    snprintf (top->trouble, sizeof top->trouble, "%s", top->sampler.trouble);
    top->view.trouble = *top->trouble != '\0' ? top->trouble : NULL;
    if (!top->view.paused && top->sampler.sample.at_us != 0) {
        top_sample_free (&top->shown);
        top->shown = top->sampler.sample;
        memset (&top->sampler.sample, 0, sizeof top->sampler.sample);
    }
    pthread_mutex_unlock (&top->sampler.lock);
}

/* Returns false if the terminal is gone. */
static bool show (top_t *top)
{
    screen_size (&top->view.width, &top->view.height);
    char *frame = top_draw (&top->view);
    bool ok = frame == NULL || screen_show (frame);
    free (frame);
    return ok;
}

static void scroll (top_view_t *view, int key)
{
    size_t page = view->height > 6 ? view->height - 6 : 1;
    size_t up = key == SCREEN_PAGE_UP ? page : key == SCREEN_UP ? 1 : 0;
    size_t down = key == SCREEN_PAGE_DOWN ? page : key == SCREEN_DOWN ? 1 : 0;
    view->scroll = view->scroll > up ? view->scroll - up : 0;
    view->scroll =
        view->scroll + down < view->scroll_most ? view->scroll + down : view->scroll_most;
    if (key == SCREEN_HOME)
        view->scroll = 0;
    if (key == SCREEN_END)
        view->scroll = view->scroll_most;
}

/* A key while the filter is being typed. */
static void edit_filter (top_view_t *view, int key)
{
    size_t length = strlen (view->filter);
    view->filtering = key != '\n' && key != '\r' && key != SCREEN_ESCAPE;
    if (key == SCREEN_ESCAPE)
        view->filter[0] = '\0';
    else if ((key == 0x7f || key == '\b') && length > 0)
        view->filter[length - 1] = '\0';
    else if (key > ' ' && key < 0x7f && length < TOP_FILTER_MAX)
        snprintf (view->filter + length, 2, "%c", key);
}

static void obey (top_t *top, int key)
{
    top_view_t *view = &top->view;
    if (view->filtering && (key < SCREEN_UP || key == SCREEN_ESCAPE))
        edit_filter (view, key);
    else if (key == 'q' || key == 'Q')
        top->done = true;
    else if (key == 's')
        view->sort = (view->sort + 1) % TOP_SORTS;
    else if (key == 'f' || key == '/')
        view->filtering = true;
    else if (key == ' ')
        view->paused = !view->paused;
    else
        scroll (view, key);
}

static int watch (top_t *top)
{
    struct pollfd fds[4] = {{.fd = cli_stop_fd (), .events = POLLIN},
                            {.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = screen_fd (), .events = POLLIN},
                            {.fd = top->sampler.told[0], .events = POLLIN}};
    while (!top->done && cli_stopped () == 0) {
        int key = SCREEN_NONE;
        if (!show (top))
            return EX_IOERR;
        poll (fds, 4, -1);
        screen_turned ();
        take_news (top);
        while (!top->done && (key = screen_key ()) != SCREEN_NONE && key != SCREEN_GONE)
            obey (top, key);
        if (key == SCREEN_GONE)
            return EX_IOERR;
    }
    return 0;
}

static int run_live (top_t *top)
{
    int rc = sampler_start (&top->sampler);
    if (rc != 0)
        return rc;
    top->view.live = true;
    rc = screen_open (top->view.cli);
    if (rc == 0)
        rc = watch (top);
    screen_close ();
    sampler_stop (&top->sampler);
    return rc;
}

/* -- one sample -------------------------------------------------------------------------------- */

/* Rates take two. */
static int run_once (top_t *top)
{
    const cli_t *cli = top->view.cli;
    struct pollfd stop = {.fd = cli_stop_fd (), .events = POLLIN};
    zf_error_t err = {0};
    size_t height = 0;
    poll (&stop, 1, (int) top->view.interval_ms);
    if (cli_stopped () != 0)
        return 128 + cli_stopped ();
    if (take (top->sampler.client, &top->shown, &err) != 0)
        return cli_client_fail (cli, top->sampler.client, &err);
    if (cli->json) {
        json_t *object = top_sample_json (&top->shown, top->view.endpoint);
        json_dumpf (object, stdout, JSON_COMPACT | JSON_REAL_PRECISION (12));
        putchar ('\n');
        json_decref (object);
        return cli_flush (cli);
    }
    screen_size (&top->view.width, &height);
    char *frame = top_draw (&top->view);
    if (frame == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    fputs (frame, stdout);
    free (frame);
    return cli_flush (cli);
}

/* -- the verb ---------------------------------------------------------------------------------- */

static int read_options (const cli_t *cli, top_view_t *view)
{
    const char *sort = cli_text (cli, "sort", top_sort_names[TOP_BY_ACTIVITY]);
    const char *filter = cli_text (cli, "filter", "");
    *view = (top_view_t){.cli = cli, .sort = TOP_SORTS, .endpoint = cli->endpoints[0]};
    view->interval_ms = cli_number (cli, "interval", INTERVAL_DEFAULT_MS);
    for (size_t i = 0; i < TOP_SORTS; i++)
        if (strcmp (sort, top_sort_names[i]) == 0)
            view->sort = (top_sort_t) i;
    if (view->sort == TOP_SORTS)
        return cli_misuse (
            cli, "--sort is activity, length, oldest, leased, dead or name, not '%s'", sort);
    if (strlen (filter) > TOP_FILTER_MAX)
        return cli_misuse (cli, "--filter is %d bytes long at most", TOP_FILTER_MAX);
    snprintf (view->filter, sizeof view->filter, "%s", filter);
    return 0;
}

/* Takes the first sample, for which --timeout is the time. Returns 0 or an exit code. */
static int begin (const cli_t *cli, top_t *top)
{
    zf_client_options_t wanted;
    zf_error_t err = {0};
    uint64_t end_ms = cli_now_ms () + cli->timeout_ms;
    cli_client_options (cli, &wanted);
    wanted.timeout_ms = cli->timeout_ms < LOOK_MS ? cli->timeout_ms : LOOK_MS;
    int rc = cli_client_open (cli, &wanted, &top->sampler.client);
    if (rc != 0)
        return rc;
    do
        rc = take (top->sampler.client, &top->shown, &err);
    while (rc == ZF_E_TIMEOUT && cli_now_ms () < end_ms && cli_stopped () == 0);
    if (rc != 0 && cli_stopped () != 0)
        return 128 + cli_stopped ();
    return rc == 0 ? 0 : cli_client_fail (cli, top->sampler.client, &err);
}

static int run (cli_t *cli)
{
    static top_t top;
    bool live = cli->out_terminal && isatty (STDIN_FILENO) == 1 && !cli->json_asked &&
                !cli_has (cli, "once");
    int rc = read_options (cli, &top.view);
    if (rc != 0)
        return rc;
    top.sampler.cli = cli;
    top.sampler.interval_ms = top.view.interval_ms;
    top.view.sample = &top.shown;
    rc = begin (cli, &top);
    if (rc == 0 && live && !top_sample_copy (&top.sampler.sample, &top.shown))
        rc = cli_fail (cli, EX_OSERR, "out of memory");
    if (rc == 0)
        rc = live ? run_live (&top) : run_once (&top);
    top_sample_free (&top.shown);
    zf_client_close (&top.sampler.client);
    return rc;
}

const cli_verb_t verbs_top[] = {
    {.name = "top",
     .usage = "[--interval TIME] [--once]",
     .summary = "Watch a broker: its queues, streams and groups, with rates",
     .details =
         "On a terminal it goes on until q, and these keys do something: s sorts by the next "
         "column, f shows\n"
         "only names with what is typed then (Esc: all again), space stops the figures and lets "
         "them go on,\n"
         "arrows, page up and down, home and end scroll. Queues that redeliver are yellow, those "
         "that give\n"
         "records up are red. With --once, with --json or without a terminal it takes two looks, "
         "--interval\n"
         "apart, and prints one sample: as JSON an object with \"broker\" and \"queues\".\n",
     .example = "  zferry top\n"
                "  zferry top --connect tcp://orders:5555 --sort length --interval 5s\n"
                "  zferry top --once --json | jq '.broker.in_per_s'\n",
     .options = options,
     .flags = CLI_TALKS,
     .run = run},
    {.name = NULL}};
