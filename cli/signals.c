/* The handlers use nothing but a flag, write, kill and _exit. */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { CHILDREN_MAX = 1024 };

static int stop_pipe[2] = {-1, -1};
static atomic_int stop_signal;
static atomic_int children[CHILDREN_MAX]; /* process groups; 0: free */
static atomic_int spawning;               /* being made, and not in the list yet */
static atomic_int ending;                 /* the signal that ends us; the last spawner does it */
static void (*at_end) (void);             /* called before a signal ends us; NULL: nothing */

static _Noreturn void end_now (int number)
{
    if (at_end != NULL)
        at_end ();
    _exit (128 + number);
}

static void end_children (int number)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++) {
        int group = atomic_load (&children[i]);
        if (group > 0)
            kill (-group, number);
    }
}

static void on_signal (int number)
{
    int saved = errno;
    int none = 0;
    if (!atomic_compare_exchange_strong (&stop_signal, &none, number)) {
        atomic_store (&ending, number);
        end_children (SIGTERM);
        if (atomic_load (&spawning) == 0)
            end_now (number);
        errno = saved;
        return;
    }
    ssize_t ignored = write (stop_pipe[1], "", 1);
    (void) ignored;
    errno = saved;
}

int signals_start (const cli_t *cli)
{
    struct sigaction action;
    memset (&action, 0, sizeof action);
    sigemptyset (&action.sa_mask);
    action.sa_handler = SIG_IGN;
    sigaction (SIGPIPE, &action, NULL);
    if (pipe2 (stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return cli_fail (cli, EX_OSERR, "cannot make a pipe: %s", strerror (errno));
    action.sa_handler = on_signal; /* no SA_RESTART: a read from a terminal is to be interrupted */
    sigaction (SIGINT, &action, NULL);
    sigaction (SIGTERM, &action, NULL);
    return 0;
}

void signals_at_end (void (*fn) (void))
{
    at_end = fn;
}

int cli_stop_fd (void)
{
    return stop_pipe[0];
}

int cli_stopped (void)
{
    return atomic_load (&stop_signal);
}

void cli_child_spawn (void)
{
    atomic_fetch_add (&spawning, 1);
}

void cli_child_add (pid_t group)
{
    for (size_t i = 0; group > 0 && i < CHILDREN_MAX; i++) {
        int none = 0;
        if (atomic_compare_exchange_strong (&children[i], &none, (int) group))
            break;
    }
    atomic_fetch_sub (&spawning, 1);
    int number = atomic_load (&ending);
    if (number != 0) {
        end_children (SIGTERM);
        end_now (number);
    }
}

void cli_child_remove (pid_t group)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++) {
        int mine = (int) group;
        if (atomic_compare_exchange_strong (&children[i], &mine, 0))
            return;
    }
}
