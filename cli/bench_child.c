#include "bench_child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS        2000000 /* between two looks at the children */
#define STOP_MS        5000    /* for a polite end */
#define FIRST_SPARE_FD 10      /* descriptors below may be replaced in a child */

extern char **environ;

void bench_tick (void)
{
    struct timespec pause = {.tv_nsec = TICK_NS};
    nanosleep (&pause, NULL);
}

const char *bench_parent_text (void)
{
    static char text[24];
    snprintf (text, sizeof text, "%ld", (long) getpid ());
    return text;
}

int bench_child_begin (const char *parent)
{
    if (prctl (PR_SET_PDEATHSIG, SIGKILL) != 0)
        return EX_OSERR;
    if (strtol (parent, NULL, 10) != (long) getppid ())
        return EX_USAGE; /* it died before we could ask, or a person called us */
    return 0;
}

int bench_allow_files (const cli_t *cli, const char *who, uint64_t needed)
{
    struct rlimit limit;
    if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
        return 0; /* the system will say when it is too few */
    limit.rlim_cur = limit.rlim_max;
    setrlimit (RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= needed)
        return 0;
    return cli_fail (cli, EX_OSERR,
                     "%s needs %" PRIu64 " descriptors and may have %" PRIu64
                     "; raise the hard limit (ulimit -Hn)",
                     who, needed, (uint64_t) limit.rlim_cur);
}

/* -- starting ---------------------------------------------------------------------------------- */

/* Descriptors of a child while it is being started. */
typedef struct {
    int pass;      /* copy of the one to pass, out of the way of the small numbers; -1: none */
    int hear;      /* our end of its stderr; -1: none */
    int stderr_fd; /* its end */
} child_fds_t;

static void close_fds (child_fds_t *fds)
{
    int all[] = {fds->pass, fds->hear, fds->stderr_fd};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] >= 0)
            close (all[i]);
}

static int open_fds (child_fds_t *fds, const bench_child_spec_t *spec)
{
    *fds = (child_fds_t){.pass = -1, .hear = -1, .stderr_fd = -1};
    if (spec->pass_fd >= 0) {
        fds->pass = fcntl (spec->pass_fd, F_DUPFD_CLOEXEC, FIRST_SPARE_FD);
        if (fds->pass < 0)
            return -1;
    }
    if (!spec->listen)
        return 0;
    int ends[2];
    if (pipe2 (ends, O_CLOEXEC) != 0)
        return -1;
    fds->hear = ends[0];
    fds->stderr_fd = ends[1];
    return fcntl (fds->hear, F_SETFL, O_NONBLOCK);
}

static int prepare_actions (posix_spawn_file_actions_t *actions, const child_fds_t *fds)
{
    int rc = posix_spawn_file_actions_addopen (actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen (actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (rc == 0 && fds->stderr_fd >= 0)
        rc = posix_spawn_file_actions_adddup2 (actions, fds->stderr_fd, STDERR_FILENO);
    if (rc == 0 && fds->pass >= 0)
        rc = posix_spawn_file_actions_adddup2 (actions, fds->pass, BENCH_CHILD_FD);
    return rc;
}

/* No blocked or ignored signal of ours is to be inherited. */
static int prepare_attributes (posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset (&none);
    sigfillset (&all);
    posix_spawnattr_setsigmask (attributes, &none);
    posix_spawnattr_setsigdefault (attributes, &all);
    posix_spawnattr_setpgroup (attributes, 0);
    return posix_spawnattr_setflags (attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                     POSIX_SPAWN_SETPGROUP);
}

const char *bench_own_path (void)
{
    static char path[PATH_MAX];
    ssize_t n = readlink ("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return access (path, X_OK) == 0 ? path : "/proc/self/exe"; /* it may have been replaced */
}

static int spawn_self (pid_t *pid, const char *const *args, const child_fds_t *fds)
{
    char program[] = "zferry";
    char *argv[BENCH_CHILD_ARGS + 2] = {program};
    for (size_t i = 0; i < BENCH_CHILD_ARGS && args[i] != NULL; i++)
        memcpy (&argv[i + 1], &args[i], sizeof argv[0]); /* nobody writes to them */
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init (&actions);
    posix_spawnattr_init (&attributes);
    int rc = prepare_actions (&actions, fds);
    if (rc == 0)
        rc = prepare_attributes (&attributes);
    if (rc == 0)
        rc = posix_spawn (pid, bench_own_path (), &actions, &attributes, argv, environ);
    posix_spawnattr_destroy (&attributes);
    posix_spawn_file_actions_destroy (&actions);
    return rc;
}

int bench_child_start (const cli_t *cli, bench_child_t *child, const bench_child_spec_t *spec)
{
    *child = (bench_child_t){.said = -1};
    snprintf (child->name, sizeof child->name, "%s", spec->name);
    child_fds_t fds;
    int rc = open_fds (&fds, spec) == 0 ? 0 : errno;
    cli_child_spawn ();
    if (rc == 0)
        rc = spawn_self (&child->pid, spec->args, &fds);
    cli_child_add (rc == 0 ? child->pid : 0);
    if (rc != 0) {
        close_fds (&fds);
        child->pid = 0;
        return cli_fail (cli, EX_OSERR, "can't start the %s process: %s", spec->name,
                         strerror (rc));
    }
    child->said = fds.hear;
    fds.hear = -1;
    close_fds (&fds);
    return 0;
}

/* -- while it runs ----------------------------------------------------------------------------- */

static void forget (bench_child_t *child)
{
    cli_child_remove (child->pid);
    child->pid = 0;
    bench_child_hear (child);
    if (child->said >= 0)
        close (child->said);
    child->said = -1;
}

bool bench_child_running (bench_child_t *child)
{
    if (child->pid == 0)
        return false;
    if (waitpid (child->pid, &child->status, WNOHANG) != child->pid)
        return true;
    forget (child);
    return false;
}

/* Keeps the end of all that was said. */
static void keep_text (bench_child_t *child, const char *data, size_t size)
{
    size_t room = sizeof child->text - 1;
    size_t have = strlen (child->text);
    if (size > room) {
        data += size - room;
        size = room;
    }
    size_t keep = have + size > room ? room - size : have;
    memmove (child->text, child->text + have - keep, keep);
    memcpy (child->text + keep, data, size);
    child->text[keep + size] = '\0';
}

void bench_child_hear (bench_child_t *child)
{
    char data[1024];
    while (child->said >= 0) {
        ssize_t n = read (child->said, data, sizeof data);
        if (n <= 0)
            return;
        keep_text (child, data, (size_t) n);
    }
}

void bench_child_kill (bench_child_t *child)
{
    if (child->pid == 0)
        return;
    kill (child->pid, SIGKILL);
    while (waitpid (child->pid, &child->status, 0) < 0 && errno == EINTR)
        continue;
    forget (child);
}

void bench_child_await (bench_child_t *child)
{
    for (uint64_t end = cli_now_ms () + STOP_MS; cli_now_ms () < end;) {
        if (!bench_child_running (child))
            return;
        bench_child_hear (child);
        bench_tick ();
    }
    bench_child_kill (child);
}

void bench_child_stop (bench_child_t *child)
{
    if (child->pid == 0)
        return;
    kill (child->pid, SIGTERM);
    bench_child_await (child);
}
