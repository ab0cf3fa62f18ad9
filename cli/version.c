/* zferry version: of the program's library and of what it stands on. */
#include "cli.h"

#include <string.h>
#include <sys/utsname.h>

enum { VERSIONS_MAX = 16 };

/* What was told: an object, and columns whose titles are its keys. */
typedef struct {
    json_t *object;
    cli_column_t columns[VERSIONS_MAX + 1]; /* ended by an empty one */
    size_t count;
} versions_t;

static void add (void *arg, const char *name, const char *version)
{
    versions_t *versions = arg;
    if (versions->count == VERSIONS_MAX)
        return;
    json_object_set_new (versions->object, name, json_string (version));
    void *key = json_object_iter_at (versions->object, name);
    const char *kept = json_object_iter_key (key);
    versions->columns[versions->count++] = (cli_column_t){kept, kept, CLI_COLUMN_TEXT};
}

static int run (cli_t *cli)
{
    versions_t versions = {.object = json_object ()};
    struct utsname kernel;
    zf_versions (add, &versions);
    if (uname (&kernel) == 0)
        add (&versions, "kernel", kernel.release);
    return cli_print_object (cli, versions.columns, versions.object);
}

const cli_verb_t verbs_version[] = {
    {.name = "version",
     .usage = "",
     .summary = "Show the versions of zferry and of the libraries it stands on",
     .example = "  zferry version\n  zferry --version --json\n",
     .run = run},
    {.name = NULL}};
