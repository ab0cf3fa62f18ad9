/* posix_spawn, and one poll loop that feeds stdin while it reads stdout and stderr: no order in
 * which a command reads and writes can make the two wait for each other. */
#include "exec.h"

#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { OWN_VARIABLES = 4, VARIABLE_SIZE = 300 };

/* Descriptors of one run; -1 when closed. */
typedef struct {
    int in[2];  /* the command's stdin */
    int out[2]; /* stdout, when captured */
    int err[2]; /* stderr, when captured */
} pipes_t;

/* -- pipes ------------------------------------------------------------------------------------- */

static void close_fd (int *fd)
{
    if (*fd >= 0)
        close (*fd);
    *fd = -1;
}

static void pipes_close (pipes_t *p)
{
    for (int end = 0; end < 2; end++) {
        close_fd (&p->in[end]);
        close_fd (&p->out[end]);
        close_fd (&p->err[end]);
    }
}

static int pipes_open (pipes_t *p, bool capture)
{
    *p = (pipes_t){{-1, -1}, {-1, -1}, {-1, -1}};
    bool ok = pipe2 (p->in, O_CLOEXEC) == 0;
    if (ok && capture)
        ok = pipe2 (p->out, O_CLOEXEC) == 0 && pipe2 (p->err, O_CLOEXEC) == 0;
    if (ok && fcntl (p->in[1], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    int rc = errno;
    pipes_close (p);
    return rc;
}

/* -- the start --------------------------------------------------------------------------------- */

static bool is_own (const char *variable, char own[OWN_VARIABLES][VARIABLE_SIZE])
{
    for (size_t i = 0; i < OWN_VARIABLES; i++)
        if (strncmp (variable, own[i], strcspn (own[i], "=") + 1) == 0)
            return true;
    return false;
}

/* Writes our variables; the last is one that a record may not have. Returns how many there are. */
static size_t write_own (const zf_message_t *message, char own[OWN_VARIABLES][VARIABLE_SIZE])
{
    zf_props_t props;
    snprintf (own[0], VARIABLE_SIZE, "ZFERRY_ID=%" PRIu64, message->id);
    snprintf (own[1], VARIABLE_SIZE, "ZFERRY_ATTEMPT=%" PRIu32, message->attempt);
    snprintf (own[2], VARIABLE_SIZE, "ZFERRY_QUEUE=%s",
              message->queue != NULL ? message->queue : "");
    snprintf (own[3], VARIABLE_SIZE, "TRACEPARENT=");
    zf_props_defaults (&props);
    if (zf_message_props (message, &props) != 0 || !trace_is_valid (props.trace))
        return OWN_VARIABLES - 1;
    snprintf (own[3], VARIABLE_SIZE, "TRACEPARENT=%.*s", (int) props.trace.size,
              (const char *) props.trace.data);
    return OWN_VARIABLES;
}

/* The environment with our variables in place of those of these names. To be freed. */
static char **make_environment (const zf_message_t *message, char own[OWN_VARIABLES][VARIABLE_SIZE])
{
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **all = calloc (count + OWN_VARIABLES + 1, sizeof *all);
    if (all == NULL)
        return NULL;
    size_t own_count = write_own (message, own);
    size_t n = 0;
    while (n < own_count) {
        all[n] = own[n];
        n++;
    }
    for (size_t i = 0; i < count; i++)
        if (!is_own (environ[i], own))
            all[n++] = environ[i];
    return all;
}

/* A process group of its own, and signals as a fresh program expects them. */
static int set_attributes (posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t defaults;
    sigemptyset (&none);
    sigemptyset (&defaults);
    sigaddset (&defaults, SIGPIPE);
    sigaddset (&defaults, SIGINT);
    sigaddset (&defaults, SIGTERM);
    int rc = posix_spawnattr_init (attributes);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask (attributes, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault (attributes, &defaults);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup (attributes, 0);
    if (rc == 0)
        rc = posix_spawnattr_setflags (attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                       POSIX_SPAWN_SETSIGMASK);
    return rc;
}

static int set_files (posix_spawn_file_actions_t *actions, const pipes_t *p)
{
    int rc = posix_spawn_file_actions_init (actions);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2 (actions, p->in[0], STDIN_FILENO);
    if (rc == 0 && p->out[1] >= 0)
        rc = posix_spawn_file_actions_adddup2 (actions, p->out[1], STDOUT_FILENO);
    if (rc == 0 && p->err[1] >= 0)
        rc = posix_spawn_file_actions_adddup2 (actions, p->err[1], STDERR_FILENO);
    return rc;
}

static int start (const exec_job_t *job, const pipes_t *p, pid_t *pid)
{
    static char shell[] = "sh";
    static char option[] = "-c";
    char own[OWN_VARIABLES][VARIABLE_SIZE];
    char *command = strdup (job->command);
    char *argv[] = {shell, option, command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char **environment = make_environment (job->message, own);
    int rc = command != NULL && environment != NULL ? set_files (&actions, p) : ENOMEM;
    if (rc == 0) {
        rc = set_attributes (&attributes);
        if (rc == 0)
            rc = posix_spawn (pid, "/bin/sh", &actions, &attributes, argv, environment);
        posix_spawnattr_destroy (&attributes);
        posix_spawn_file_actions_destroy (&actions);
    }
    free (environment);
    free (command);
    return rc;
}

/* -- while it runs ----------------------------------------------------------------------------- */

/* Writes what the pipe takes of the body; closes it at the end, or when the command does not
 * read it. */
static void feed (int *fd, const zf_message_t *message, size_t *fed)
{
    while (*fed < message->size) {
        ssize_t n = write (*fd, (const char *) message->body + *fed, message->size - *fed);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            break;
        *fed += (size_t) n;
    }
    close_fd (fd);
}

/* Reads a piece. Returns its size; 0: closed at the end. */
static size_t read_piece (int *fd, char *piece, size_t size)
{
    ssize_t n = -1;
    do
        n = read (*fd, piece, size);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        close_fd (fd);
    return n > 0 ? (size_t) n : 0;
}

static void take_out (int *fd, exec_result_t *result)
{
    char piece[16384];
    size_t n = read_piece (fd, piece, sizeof piece);
    if (n == 0)
        return;
    char *out = realloc (result->out, result->out_size + n);
    if (out == NULL) { /* the command gets EPIPE, and so its job fails */
        close_fd (fd);
        return;
    }
    memcpy (out + result->out_size, piece, n);
    result->out = out;
    result->out_size += n;
}

/* Passes stderr on and keeps the last line that is not empty. at: where the next byte goes, or 0
 * behind a newline. */
static void take_err (int *fd, exec_result_t *result, size_t *at)
{
    char piece[4096];
    size_t n = read_piece (fd, piece, sizeof piece);
    if (n == 0)
        return;
    cli_progress_clear ();
    fwrite (piece, 1, n, stderr);
    for (size_t i = 0; i < n; i++) {
        if (piece[i] == '\n') {
            *at = 0;
        } else if (*at + 1 < EXEC_LINE_MAX) {
            result->line[(*at)++] = piece[i];
            result->line[*at] = '\0';
        }
    }
}

static void converse (const exec_job_t *job, pipes_t *p, exec_result_t *result)
{
    size_t fed = 0;
    size_t at = 0;
    feed (&p->in[1], job->message, &fed);
    while (p->in[1] >= 0 || p->out[0] >= 0 || p->err[0] >= 0) {
        struct pollfd fds[3] = {{.fd = p->in[1], .events = POLLOUT},
                                {.fd = p->out[0], .events = POLLIN},
                                {.fd = p->err[0], .events = POLLIN}};
        if (poll (fds, 3, -1) < 0)
            continue;
        if (fds[0].revents != 0)
            feed (&p->in[1], job->message, &fed);
        if (fds[1].revents != 0)
            take_out (&p->out[0], result);
        if (fds[2].revents != 0)
            take_err (&p->err[0], result, &at);
    }
}

/* -- the end ----------------------------------------------------------------------------------- */

static void wait_end (pid_t pid, exec_result_t *result)
{
    pid_t rc = 0;
    do
        rc = waitpid (pid, &result->status, 0);
    while (rc < 0 && errno == EINTR);
    cli_child_remove (pid);
    if (result->line[0] != '\0' || result->status == 0)
        return;
    if (WIFSIGNALED (result->status))
        snprintf (result->line, EXEC_LINE_MAX, "the command was ended by signal %d",
                  WTERMSIG (result->status));
    else
        snprintf (result->line, EXEC_LINE_MAX, "the command exited with %d",
                  WEXITSTATUS (result->status));
}

int exec_run (const exec_job_t *job, exec_result_t *result)
{
    pipes_t pipes;
    pid_t pid = 0;
    memset (result, 0, sizeof *result);
    int rc = pipes_open (&pipes, job->capture);
    if (rc != 0)
        return rc;
    cli_child_spawn ();
    rc = start (job, &pipes, &pid);
    cli_child_add (rc == 0 ? pid : 0);
    if (rc == 0) {
        close_fd (&pipes.in[0]);
        close_fd (&pipes.out[1]);
        close_fd (&pipes.err[1]);
        converse (job, &pipes, result);
        wait_end (pid, result);
    }
    pipes_close (&pipes);
    return rc;
}

void exec_free (exec_result_t *result)
{
    free (result->out);
    memset (result, 0, sizeof *result);
}
