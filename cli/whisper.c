/* zferry whisper and shout: a message to one node, or to all in a group. */
#include "input.h"
#include "mesh.h"

#include <inttypes.h>
#include <string.h>

#define WAIT_MS 5000 /* for who is not there yet, default */

#define FILE_OPTION                                                    \
    {                                                                  \
        .name = "file", .letter = 'f', .kind = CLI_TEXT, .value = "F", \
        .help = "the body is what this file holds"                     \
    }

#define NAME_OPTION                                                             \
    {                                                                           \
        .name = "name", .kind = CLI_TEXT, .value = "NAME",                      \
        .help = "what we are called (default: the host's name and some digits)" \
    }

/* A message that is to be sent. */
typedef struct {
    const cli_t *cli;
    const char *to;  /* a node's name or id; or a group */
    zf_bytes_t body; /* of a whisper */
    int rc;          /* what the library said */
    uint64_t wanted; /* members of the group; 0: anybody found in one look */
    uint64_t count;  /* nodes of that name, or in that group */
} errand_t;

static int take_body (const cli_t *cli, input_t *input, zf_bytes_t *body)
{
    int got = input_whole (input, cli, body);
    return got > 0 ? 0 : got < 0 ? -got : 128 + cli_stopped ();
}

/* The library did not take it. */
static int fail_send (const cli_t *cli, int rc)
{
    zf_error_t err = {0};
    char size[CLI_UNIT_TEXT];
    zf_peer_options_t usual;
    zf_peer_defaults (&usual);
    if (rc == ZF_E_INVAL)
        return cli_fail (cli, EX_DATAERR, "a message has at most %s",
                         cli_format_bytes (usual.max_message_bytes, size));
    zf_error_set (&err, rc, "%s", zf_strerror (rc));
    return cli_fail_call (cli, &err, true);
}

/* -- whisper ----------------------------------------------------------------------------------- */

static const cli_option_t whisper_options[] = {FILE_OPTION, NAME_OPTION, {.name = NULL}};

static bool count_name (void *arg, const zf_peer_info_t *node)
{
    errand_t *errand = arg;
    errand->count += strcmp (node->name, errand->to) == 0;
    return true;
}

/* Tries it; only a node that is not there is worth waiting for. */
static bool try_whisper (void *arg)
{
    errand_t *errand = arg;
    errand->count = 0;
    zf_peer_each (errand->cli->peer, count_name, errand);
    errand->rc = zf_peer_whisper (errand->cli->peer, errand->to, &errand->body, 1);
    return errand->rc != ZF_E_NOT_FOUND || errand->count > 1;
}

static int whisper (errand_t *errand)
{
    const cli_t *cli = errand->cli;
    char time[CLI_UNIT_TEXT];
    mesh_t mesh = mesh_begin (cli, false);
    mesh.is_done = try_whisper;
    mesh.arg = errand;
    mesh_end_t end = mesh_run (&mesh, mesh_deadline (cli, WAIT_MS));
    if (end == MESH_STOP)
        return cli_fail (cli, 128 + cli_stopped (), "stopped before %s was there", errand->to);
    if (errand->count > 1)
        return cli_fail (cli, EX_DATAERR,
                         "%" PRIu64 " nodes are called %s; give an id (zferry peers)",
                         errand->count, errand->to);
    if (errand->rc == ZF_E_NOT_FOUND)
        return cli_fail (cli, EX_UNAVAILABLE,
                         "%s was not there within %s; zferry peers shows who is", errand->to,
                         cli_format_ms (cli->timeout_ms, time));
    return errand->rc == 0 ? 0 : fail_send (cli, errand->rc);
}

static int run_whisper (cli_t *cli)
{
    input_t input;
    errand_t errand = {.cli = cli, .to = cli->args[0]};
    int rc = input_open (&input, cli);
    if (rc == 0)
        rc = take_body (cli, &input, &errand.body);
    if (rc == 0)
        rc = whisper (&errand);
    input_close (&input);
    return rc;
}

/* -- shout ------------------------------------------------------------------------------------- */

static const cli_option_t shout_options[] = {
    FILE_OPTION,
    {.name = "lines", .letter = 'l', .help = "each line of the input is a message"},
    {.name = "wait",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = UINT32_MAX,
     .help = "wait until N are in the group (default: those found in 1.5s)"},
    NAME_OPTION,
    {.name = NULL}};

static bool count_member (void *arg, const zf_peer_info_t *node)
{
    errand_t *errand = arg;
    for (size_t i = 0; i < node->group_count; i++)
        errand->count += strcmp (node->groups[i], errand->to) == 0;
    return true;
}

static bool is_together (void *arg)
{
    errand_t *errand = arg;
    errand->count = 0;
    zf_peer_each (errand->cli->peer, count_member, errand);
    return errand->wanted > 0 && errand->count >= errand->wanted;
}

static int await_group (errand_t *errand)
{
    const cli_t *cli = errand->cli;
    char time[CLI_UNIT_TEXT];
    uint64_t patience = errand->wanted > 0 ? WAIT_MS : MESH_LOOK_MS;
    mesh_t mesh = mesh_begin (cli, false);
    mesh.is_done = is_together;
    mesh.arg = errand;
    mesh_end_t end = mesh_run (&mesh, mesh_deadline (cli, patience));
    uint64_t least = errand->wanted > 0 ? errand->wanted : 1;
    if (end == MESH_STOP)
        return cli_fail (cli, 128 + cli_stopped (), "stopped before anybody was there");
    if (errand->count >= least)
        return 0;
    return cli_fail (cli, EX_UNAVAILABLE,
                     "%" PRIu64 " of %" PRIu64 " were in %s within %s; zferry peers shows who is",
                     errand->count, least, errand->to,
                     cli_format_ms (cli_number (cli, "timeout", patience), time));
}

static int shout (const errand_t *errand, zf_bytes_t body)
{
    int rc = zf_peer_shout (errand->cli->peer, errand->to, &body, 1);
    return rc == 0 ? 0 : fail_send (errand->cli, rc);
}

static int shout_lines (const errand_t *errand, input_t *input)
{
    zf_bytes_t line;
    int rc = 0;
    int more = 0;
    while (rc == 0 && (more = input_line (input, errand->cli, &line)) > 0)
        rc = shout (errand, line);
    if (rc == 0 && cli_stopped () != 0)
        return 128 + cli_stopped ();
    return more < 0 ? -more : rc;
}

static int shout_input (const errand_t *errand, input_t *input)
{
    zf_bytes_t body;
    if (cli_has (errand->cli, "lines"))
        return shout_lines (errand, input);
    int rc = take_body (errand->cli, input, &body);
    return rc == 0 ? shout (errand, body) : rc;
}

static int run_shout (cli_t *cli)
{
    input_t input;
    errand_t errand = {.cli = cli, .to = cli->args[0], .wanted = cli_number (cli, "wait", 0)};
    int rc = input_open (&input, cli);
    if (rc == 0)
        rc = await_group (&errand);
    if (rc == 0)
        rc = shout_input (&errand, &input);
    input_close (&input);
    return rc;
}

/* -- the verbs --------------------------------------------------------------------------------- */

const cli_verb_t verbs_whisper[] = {
    {.name = "whisper",
     .usage = "TO [BODY | - | --file F]",
     .summary = "Send a message to one node",
     .details =
         "TO is the node's name or its id (zferry peers). It is waited for, up to --timeout. "
         "Delivery is at\n"
         "most once: nobody confirms it.\n",
     .example = "  zferry whisper printer-7 'are you there?'\n",
     .options = whisper_options,
     .min_args = 1,
     .max_args = 2,
     .flags = CLI_NODE,
     .run = run_whisper},
    {.name = "shout",
     .usage = "GROUP [BODY | - | --file F] [--lines]",
     .summary = "Send a message, or each line of the input, to all nodes in a group",
     .details = "Delivery is at most once: nobody confirms it. Who joins the group later gets "
                "nothing of it; what\n"
                "must not be missed is better published (zferry pub --direct).\n",
     .example = "  zferry shout kitchen 'dinner is ready' --wait 3\n",
     .options = shout_options,
     .min_args = 1,
     .max_args = 2,
     .flags = CLI_NODE,
     .run = run_shout},
    {.name = NULL}};
