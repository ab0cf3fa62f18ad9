/* Files and directories that the text names: are they there, and what they should be? */
#include "compose/plan.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_MIN = 16, TOKEN_MAX = 4096 };

/* -- journals ---------------------------------------------------------------------------------- */

/* The directory that device keeps a journal in; NULL: it keeps none. *path: its key. */
static const char *journal_of (const zf_plan_device_t *device, const char **path)
{
    *path = zf_plan_kind_name (device->kind);
    if (device->kind == ZF_PLAN_BROKER) {
        *path = "broker.journal.directory";
        return device->broker.journal;
    }
    if (device->kind == ZF_PLAN_FORWARDER) {
        *path = "forwarder.journal.directory";
        return device->forwarder.journal;
    }
    *path = "link.from";
    bool is_directory = device->kind == ZF_PLAN_LINK && device->from_device == SIZE_MAX &&
                        strstr (device->link.from, "://") == NULL;
    return is_directory ? device->link.from : NULL;
}

/* The directory that a path lies in; "." if it names none. */
static void parent_of (const char *path, char parent[PATH_MAX])
{
    size_t size = strlen (path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    snprintf (parent, PATH_MAX, "%.*s", (int) size, path);
    if (size == 0)
        snprintf (parent, PATH_MAX, ".");
}

static void check_directory (zf_plan_t *plan, const zf_plan_device_t *device, const char *path,
                             const char *directory)
{
    struct stat status;
    char parent[PATH_MAX];
    zf_spot_t place = zf_plan_place (device->named.node, path, 0);
    bool must_be = device->kind == ZF_PLAN_LINK;
    parent_of (directory, parent);
    if (stat (directory, &status) == 0) {
        if (!S_ISDIR (status.st_mode))
            zf_problem (&plan->problems, place, "%.150s is no directory; expected one", directory);
        else if (access (directory, R_OK | W_OK | X_OK) != 0)
            zf_problem (&plan->problems, place, "%.150s: %s; expected it to be ours", directory,
                        strerror (errno));
    } else if (must_be) {
        zf_problem (&plan->problems, place,
                    "%.150s: %s; expected the directory of a journal, such as an outbox", directory,
                    strerror (errno));
    } else if (stat (parent, &status) != 0 || !S_ISDIR (status.st_mode)) {
        zf_problem (&plan->problems, place,
                    "%.150s: there is no directory %.100s to make it in; expected that to be there",
                    directory, parent);
    }
}

/* The same directory, however it is written. */
static bool is_same_directory (const char *a, const char *b)
{
    struct stat p, q;
    if (stat (a, &p) == 0 && stat (b, &q) == 0)
        return p.st_dev == q.st_dev && p.st_ino == q.st_ino;
    size_t size = strlen (a), other = strlen (b);
    while (size > 1 && a[size - 1] == '/')
        size--;
    while (other > 1 && b[other - 1] == '/')
        other--;
    return size == other && strncmp (a, b, size) == 0;
}

static void check_journals (zf_plan_t *plan)
{
    for (size_t i = 0; i < plan->device_count; i++) {
        const char *path, *other;
        const char *journal = journal_of (&plan->devices[i], &path);
        if (journal == NULL)
            continue;
        check_directory (plan, &plan->devices[i], path, journal);
        for (size_t k = 0; k < i; k++) {
            const char *first = journal_of (&plan->devices[k], &other);
            if (first != NULL && is_same_directory (journal, first))
                zf_problem (&plan->problems, zf_plan_place (plan->devices[i].named.node, path, 0),
                            "%.150s is the journal of '%s' already; expected another directory",
                            journal, plan->devices[k].named.name);
        }
    }
}

/* -- keys and tokens --------------------------------------------------------------------------- */

/* True if the text begins with that path, or with a file in it. */
static bool is_about (const char *text, const char *path)
{
    size_t size = path != NULL ? strlen (path) : 0;
    return size > 0 && strncmp (text, path, size) == 0 && strchr (":/", text[size]) != NULL;
}

/* Where that is said of which the text complains. */
static zf_spot_t security_place (const zf_plan_t *plan, const char *text)
{
    const zf_security_options_t *options = &plan->security.options;
    const char *path = "security";
    size_t i = 0;
    if (is_about (text, options->key))
        path = "security.key";
    else if (is_about (text, options->authorised))
        path = "security.authorised";
    else if (is_about (text, options->server_key))
        path = "security.server_key";
    else if (is_about (text, options->rules))
        path = "security.rules_file";
    else if (options->rules_text != NULL && strncmp (text, "rules:", 6) == 0) {
        path = "security.rules";
        i = strtoul (text + 6, NULL, 10) - 1;
    }
    return zf_plan_place (plan->root, path, i);
}

static void check_security (zf_plan_t *plan)
{
    zf_security_t *security = NULL;
    zf_error_t err = {.code = 0};
    if (!plan->security.is_there)
        return;
    int rc = zf_security_open (&security, &plan->security.options, &err);
    zf_security_close (&security);
    if (rc != 0)
        zf_problem (&plan->problems, security_place (plan, err.text), "security: %s", err.text);
}

static const char *read_token (const char *file, char token[TOKEN_MAX])
{
    struct stat status;
    int fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* it may be a pipe */
    if (fd < 0)
        return strerror (errno);
    bool is_file = fstat (fd, &status) == 0 && S_ISREG (status.st_mode);
    ssize_t size = is_file ? read (fd, token, TOKEN_MAX - 1) : -1;
    close (fd);
    if (size < 0)
        return "it can't be read";
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return "others may read it; chmod 600";
    while (size > 0 && isspace ((unsigned char) token[size - 1]))
        size--;
    token[size] = '\0';
    if (strlen (token) != (size_t) size || strpbrk (token, " \t\r\n") != NULL)
        return "a token is one word";
    return size < TOKEN_MIN ? "a token has at least 16 characters" : NULL;
}

static void check_token (zf_plan_t *plan)
{
    char token[TOKEN_MAX];
    const char *file = plan->admin.token_file;
    if (!plan->admin.is_there || file == NULL)
        return;
    const char *why = read_token (file, token);
    if (why != NULL)
        zf_problem (&plan->problems, zf_plan_place (plan->root, "admin.token_file", 0),
                    "%.150s: %s; expected a file with a word that is hard to guess", file, why);
    else
        plan->admin.token = zf_arena_copy (&plan->arena, token, strlen (token));
    plan->admin.options.token = plan->admin.token;
    explicit_bzero (token, sizeof token);
}

void zf_plan_check_files (zf_plan_t *plan)
{
    check_journals (plan);
    check_security (plan);
    check_token (plan);
}
