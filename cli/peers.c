/* zferry peers: which nodes are there, once or as they come and go. */
#include "mesh.h"

#include <inttypes.h>
#include <string.h>

#define WAIT_MS 5000 /* for --wait, default */

static const cli_option_t options[] = {
    {.name = "watch", .letter = 'w', .help = "go on, and print who comes, goes, joins and leaves"},
    {.name = "wait",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = UINT32_MAX,
     .help = "wait until N others are there (default: look for 1.5s)"},
    {.name = NULL}};

static const cli_column_t columns[] = {{"name", "name", CLI_COLUMN_TEXT},
                                       {"id", "id", CLI_COLUMN_TEXT},
                                       {"endpoint", "endpoint", CLI_COLUMN_TEXT},
                                       {"silent_ms", "silent", CLI_COLUMN_MS},
                                       {"groups", "groups", CLI_COLUMN_TEXT},
                                       {"headers", "headers", CLI_COLUMN_TEXT},
                                       {NULL, NULL, CLI_COLUMN_TEXT}};

/* -- one look ---------------------------------------------------------------------------------- */

static json_t *text_json (const char *text)
{
    return cli_json_bytes ((zf_bytes_t){text, strlen (text)});
}

/* For people a text, with commas between. */
static json_t *groups_json (const cli_t *cli, const zf_peer_info_t *node)
{
    char text[512] = "";
    json_t *list = json_array ();
    for (size_t i = 0; i < node->group_count; i++) {
        size_t used = strlen (text);
        snprintf (text + used, sizeof text - used, "%s%s", i > 0 ? ", " : "", node->groups[i]);
        json_array_append_new (list, text_json (node->groups[i]));
    }
    if (cli->json)
        return list;
    json_decref (list);
    return text_json (text);
}

static json_t *headers_json (const cli_t *cli, const zf_peer_info_t *node)
{
    char text[1024] = "";
    json_t *all = json_object ();
    for (size_t i = 0; i < node->header_count; i++) {
        const zf_peer_header_t *header = &node->headers[i];
        size_t used = strlen (text);
        snprintf (text + used, sizeof text - used, "%s%s=%s", i > 0 ? ", " : "", header->name,
                  header->value);
        json_object_set_new (all, header->name, text_json (header->value));
    }
    if (cli->json)
        return all;
    json_decref (all);
    return text_json (text);
}

typedef struct {
    const cli_t *cli;
    cli_table_t *table;
    uint64_t count; /* of nodes */
    uint64_t wanted;
} look_t;

static bool add_row (void *arg, const zf_peer_info_t *node)
{
    look_t *look = arg;
    json_t *row = json_object ();
    json_object_set_new (row, "name", text_json (node->name));
    json_object_set_new (row, "id", text_json (node->id));
    json_object_set_new (row, "endpoint", text_json (node->endpoint));
    json_object_set_new (row, "silent_ms", json_integer ((json_int_t) node->silent_ms));
    json_object_set_new (row, "evasive", json_boolean (node->is_evasive));
    json_object_set_new (row, "zferry", json_boolean (node->is_zferry));
    json_object_set_new (row, "dropped", json_integer ((json_int_t) node->dropped));
    json_object_set_new (row, "groups", groups_json (look->cli, node));
    json_object_set_new (row, "headers", headers_json (look->cli, node));
    cli_table_row (look->table, row);
    return true;
}

static bool count_node (void *arg, const zf_peer_info_t *node)
{
    look_t *look = arg;
    (void) node;
    look->count++;
    return true;
}

static bool is_done (void *arg)
{
    look_t *look = arg;
    look->count = 0;
    zf_peer_each (look->cli->peer, count_node, look);
    return look->wanted > 0 && look->count >= look->wanted;
}

static int look_once (const cli_t *cli)
{
    look_t look = {.cli = cli, .wanted = cli_number (cli, "wait", 0)};
    mesh_t mesh = mesh_begin (cli, true);
    mesh.is_done = is_done;
    mesh.arg = &look;
    mesh_end_t end =
        mesh_run (&mesh, mesh_deadline (cli, look.wanted > 0 ? WAIT_MS : MESH_LOOK_MS));
    look.table = cli_table_new (cli, columns);
    if (look.table != NULL)
        zf_peer_each (cli->peer, add_row, &look);
    int rc = cli_table_end (&look.table, "no other node was found; zferry doctor says why");
    if (rc == 0 && end == MESH_STOP)
        return 128 + cli_stopped ();
    if (rc == 0 && look.count < look.wanted)
        return cli_fail (cli, EX_TEMPFAIL,
                         "only %" PRIu64 " of %" PRIu64
                         " nodes were found; give it longer with --timeout",
                         look.count, look.wanted);
    return rc;
}

/* -- watching ---------------------------------------------------------------------------------- */

typedef struct {
    const cli_t *cli;
    int rc;
} watch_t;

static void print_event (void *arg, const zf_peer_event_t *event)
{
    watch_t *watch = arg;
    int rc = mesh_print_event (watch->cli, event);
    watch->rc = watch->rc != 0 ? watch->rc : rc;
}

static bool has_failed (void *arg)
{
    const watch_t *watch = arg;
    return watch->rc != 0;
}

static int run (cli_t *cli)
{
    watch_t watch = {.cli = cli};
    mesh_t mesh = mesh_begin (cli, true);
    if (!cli_has (cli, "watch"))
        return look_once (cli);
    if (cli_has (cli, "wait"))
        return cli_misuse (cli, "--watch and --wait exclude each other");
    zf_peer_listen (cli->peer, ~(1u << ZF_PEER_OFFER | 1u << ZF_PEER_WITHDRAW));
    mesh.on_event = print_event;
    mesh.is_done = has_failed;
    mesh.arg = &watch;
    mesh_run (&mesh, mesh_deadline (cli, 0));
    return watch.rc;
}

const cli_verb_t verbs_peers[] = {
    {.name = "peers",
     .usage = "[--watch]",
     .summary = "Show the nodes that are there: zferry's, Zyre's and Pyre's",
     .details =
         "Nodes find each other by UDP beacons on the local network, and through gossip hubs "
         "(--seed) beyond\n"
         "it. Which interfaces are used, and why, goes to stderr. --watch goes on until "
         "Ctrl-C, or for\n"
         "--timeout. With --hub this is a hub for others while it runs.\n",
     .example =
         "  zferry peers\n"
         "  zferry peers --watch --json\n"
         "  zferry peers --watch --hub 'tcp://*:5670' --key-file keys/hub --authorised keys/in\n",
     .options = options,
     .flags = CLI_NODE,
     .run = run},
    {.name = NULL}};
