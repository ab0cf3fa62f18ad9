/* zferry directory: what the nodes offer, and where. */
#include "mesh.h"

#include <inttypes.h>
#include <string.h>

#define WAIT_MS 5000 /* for --wait, default */

static const cli_option_t options[] = {
    {.name = "watch", .letter = 'w', .help = "go on, and print what comes and goes"},
    {.name = "wait",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = UINT32_MAX,
     .help = "wait until N offers match (default: look for 1.5s)"},
    {.name = NULL}};

typedef struct {
    const cli_t *cli;
    char pattern[ZF_OFFER_WHAT_MAX + 1]; /* KIND/NAME */
    cli_table_t *table;                  /* of a look */
    uint64_t wanted;                     /* --wait */
    uint64_t count;                      /* of offers that match */
    int rc;                              /* of printing */
} look_t;

/* A kind alone means all names. */
static int read_pattern (const cli_t *cli, look_t *look)
{
    const char *given = cli->arg_count > 0 ? cli->args[0] : "*";
    bool alone = strchr (given, '/') == NULL;
    int n = snprintf (look->pattern, sizeof look->pattern, "%s%s", given, alone ? "/*" : "");
    look->cli = cli;
    if (n > 0 && (size_t) n < sizeof look->pattern &&
        zf_directory_wait (cli->peer, look->pattern, 0, 0) != ZF_E_INVAL)
        return 0;
    return cli_misuse (cli, "PATTERN is KIND/NAME, where either may be a *, not '%.100s'", given);
}

/* -- one look ---------------------------------------------------------------------------------- */

static bool add_row (void *arg, const zf_offer_t *offer)
{
    look_t *look = arg;
    zf_bytes_t name = {offer->name, strlen (offer->name)};
    json_t *row = json_pack ("{s:s, s:s, s:o, s:s}", "what", offer->what, "endpoint",
                             offer->endpoint, "name", cli_json_bytes (name), "id", offer->id);
    cli_table_row (look->table, row);
    return true;
}

static bool is_offer (void *arg, const zf_offer_t *offer)
{
    (void) arg;
    return offer->what != NULL;
}

static bool is_enough (void *arg)
{
    look_t *look = arg;
    look->count = zf_directory_find (look->cli->peer, look->pattern, is_offer, NULL);
    return look->wanted > 0 && look->count >= look->wanted;
}

static int look_once (look_t *look)
{
    static const cli_column_t columns[] = {{"what", "what", CLI_COLUMN_TEXT},
                                           {"endpoint", "endpoint", CLI_COLUMN_TEXT},
                                           {"name", "node", CLI_COLUMN_TEXT},
                                           {"id", "id", CLI_COLUMN_TEXT},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    const cli_t *cli = look->cli;
    mesh_t mesh = mesh_begin (cli, false);
    mesh.is_done = is_enough;
    mesh.arg = look;
    look->wanted = cli_number (cli, "wait", 0);
    mesh_end_t end =
        mesh_run (&mesh, mesh_deadline (cli, look->wanted > 0 ? WAIT_MS : MESH_LOOK_MS));
    look->table = cli_table_new (cli, columns);
    if (look->table != NULL)
        zf_directory_find (cli->peer, look->pattern, add_row, look);
    int rc = cli_table_end (&look->table, "nothing is offered");
    if (rc == 0 && end == MESH_STOP)
        return 128 + cli_stopped ();
    if (rc == 0 && look->count < look->wanted)
        return cli_fail (cli, EX_TEMPFAIL,
                         "only %" PRIu64 " of %" PRIu64
                         " offers were found; give it longer with --timeout",
                         look->count, look->wanted);
    return rc;
}

/* -- watching ---------------------------------------------------------------------------------- */

/* The same as the directory does with patterns. */
static bool matches (const char *pattern, const char *what)
{
    size_t kind = strcspn (what, "/");
    size_t wanted = strcspn (pattern, "/");
    const char *name = pattern + wanted + 1;
    if (strncmp (pattern, "*/", 2) != 0 && (kind != wanted || strncmp (pattern, what, kind) != 0))
        return false;
    return strcmp (name, "*") == 0 || strcmp (name, what[kind] != '\0' ? what + kind + 1 : "") == 0;
}

static void print_event (void *arg, const zf_peer_event_t *event)
{
    look_t *look = arg;
    if (event->type != ZF_PEER_MISSED && !matches (look->pattern, event->text))
        return;
    int rc = mesh_print_event (look->cli, event);
    look->rc = look->rc != 0 ? look->rc : rc;
}

static bool has_failed (void *arg)
{
    const look_t *look = arg;
    return look->rc != 0;
}

static int watch (look_t *look)
{
    mesh_t mesh = mesh_begin (look->cli, false);
    if (cli_has (look->cli, "wait"))
        return cli_misuse (look->cli, "--watch and --wait exclude each other");
    mesh.on_event = print_event;
    mesh.is_done = has_failed;
    mesh.arg = look;
    mesh_run (&mesh, mesh_deadline (look->cli, 0));
    return look->rc;
}

static int run (cli_t *cli)
{
    look_t look = {.rc = 0};
    zf_peer_listen (cli->peer, 1u << ZF_PEER_OFFER | 1u << ZF_PEER_WITHDRAW | 1u << ZF_PEER_NOTE |
                                   1u << ZF_PEER_MISSED);
    int rc = read_pattern (cli, &look);
    if (rc != 0)
        return rc;
    return cli_has (cli, "watch") ? watch (&look) : look_once (&look);
}

const cli_verb_t verbs_directory[] = {
    {.name = "directory",
     .usage = "[PATTERN] [--watch]",
     .summary = "Show what the nodes offer, and where: services, queues, topics, brokers",
     .details =
         "PATTERN is KIND/NAME, where either may be a *, or a kind alone. What is listed can "
         "be written where\n"
         "endpoints are: --connect zferry://KIND/NAME. --watch goes on until Ctrl-C, or for "
         "--timeout.\n",
     .example = "  zferry directory\n"
                "  zferry directory service --watch\n"
                "  zferry directory service/upper --wait 3\n",
     .options = options,
     .max_args = 1,
     .flags = CLI_NODE,
     .run = run},
    {.name = NULL}};
