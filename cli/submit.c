/* zferry submit and fetch: requests whose answers the broker keeps until they are fetched. */
#include "input.h"
#include "props.h"

#include <string.h>
#include <sys/random.h>

enum {
    ID_BYTES = 16, /* of an id that nobody chose */
    SLICE_MS = 250 /* between looks at whether a signal asks to stop */
};

/* -- submit ------------------------------------------------------------------------------------ */

static const cli_option_t submit_options[] = {
    {.name = "file",
     .letter = 'f',
     .kind = CLI_TEXT,
     .value = "F",
     .help = "the body is what this file holds"},
    {.name = "id",
     .kind = CLI_TEXT,
     .value = "ID",
     .help = "under which the answer is fetched (default: a random one)"},
    PROPS_OPTIONS_BUT_ID,
    {.name = NULL}};

/* Writes 32 random hexadecimal digits. Returns 0 or an exit code, having said why. */
static int choose_id (const cli_t *cli, char id[2 * ID_BYTES + 1])
{
    unsigned char bytes[ID_BYTES];
    if (getrandom (bytes, sizeof bytes, 0) != ID_BYTES)
        return cli_fail (cli, EX_OSERR, "no random numbers for an id; choose one with --id");
    for (int i = 0; i < ID_BYTES; i++)
        snprintf (id + 2 * (size_t) i, 3, "%02x", bytes[i]);
    return 0;
}

static int print_id (const cli_t *cli, const char *id)
{
    static const cli_column_t columns[] = {{"service", "service", CLI_COLUMN_TEXT},
                                           {"id", "id", CLI_COLUMN_TEXT},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    if (cli->json_asked)
        return cli_print_object (cli, columns,
                                 json_pack ("{s:s, s:s}", "service", cli->args[0], "id", id));
    printf ("%s\n", id);
    return cli_flush (cli);
}

static int submit (const cli_t *cli, const char *id, zf_bytes_t body, const zf_props_t *props)
{
    zf_client_t *client = NULL;
    zf_error_t err = {0};
    int rc = cli_client_open (cli, NULL, &client);
    if (rc != 0)
        return rc;
    if (zf_client_submit (client, cli->args[0], id, body.data, body.size, props, &err) != 0)
        rc = cli_client_fail (cli, client, &err);
    zf_client_close (&client);
    return rc == 0 ? print_id (cli, id) : rc;
}

static int run_submit (cli_t *cli)
{
    char chosen[2 * ID_BYTES + 1] = "";
    record_props_t record;
    input_t input;
    zf_bytes_t body;
    const char *id = cli_text (cli, "id", chosen);
    int rc = props_from_options (&record, cli);
    if (rc == 0 && id == chosen)
        rc = choose_id (cli, chosen);
    if (rc != 0)
        return rc;
    rc = input_open (&input, cli);
    if (rc == 0) {
        int got = input_whole (&input, cli, &body);
        rc = got > 0   ? submit (cli, id, body, &record.props)
             : got < 0 ? -got
                       : 128 + cli_stopped ();
    }
    input_close (&input);
    return rc;
}

const cli_verb_t verbs_submit[] = {
    {.name = "submit",
     .usage = "SERVICE [BODY | - | --file F]",
     .summary = "Hand in a request whose answer is kept, and print its id",
     .details =
         "It ends when the broker has taken the request (with a journal: when it is on disk). The "
         "answer is\n"
         "kept for a day, or as long as the queue zf.replies was declared to keep records, and "
         "anybody can\n"
         "fetch it by the id. An id that is known to the broker is not taken again, so that a "
         "submit of which\n"
         "one does not know whether it went well can be repeated with the same --id.\n",
     .example = "  id=$(zferry submit thumbnail --file 17.png)\n"
                "  zferry fetch \"$id\" --forget > small.png\n",
     .options = submit_options,
     .min_args = 1,
     .max_args = 2,
     .flags = CLI_TALKS,
     .run = run_submit},
    {.name = NULL}};

/* -- fetch ------------------------------------------------------------------------------------- */

static const cli_option_t fetch_options[] = {
    {.name = "forget", .help = "the broker need not keep it any longer, once it is printed here"},
    {.name = "now", .help = "do not wait: say at once whether there is an answer"},
    {.name = NULL}};

static int print_answer (const cli_t *cli, const zf_message_t *reply)
{
    const char *body = reply->body;
    if (cli->json_asked) {
        zf_bytes_t bytes = {.data = reply->body, .size = reply->size};
        json_t *row = json_pack ("{s:s, s:o}", "id", cli->args[0], "body", cli_json_bytes (bytes));
        json_dumpf (row, stdout, JSON_COMPACT | JSON_REAL_PRECISION (12));
        putchar ('\n');
        json_decref (row);
    } else {
        fwrite (body, 1, reply->size, stdout);
        if (cli->out_terminal && reply->size > 0 && body[reply->size - 1] != '\n')
            putchar ('\n');
    }
    return cli_flush (cli);
}

/* Waits in slices, so that a signal ends it. Returns what zf_client_fetch does. */
static int wait_for_answer (const cli_t *cli, zf_client_t *client, zf_message_t *reply,
                            zf_error_t *err)
{
    uint64_t end_ms = cli_now_ms () + cli->timeout_ms;
    uint64_t now_ms = cli_now_ms ();
    int rc = ZF_E_TIMEOUT;
    if (cli_has (cli, "now"))
        return zf_client_fetch (client, cli->args[0], 0, reply, err);
    while (rc == ZF_E_TIMEOUT && now_ms < end_ms && cli_stopped () == 0) {
        uint64_t left = end_ms - now_ms;
        rc = zf_client_fetch (client, cli->args[0], left < SLICE_MS ? (int) left : SLICE_MS, reply,
                              err);
        now_ms = cli_now_ms ();
    }
    return rc;
}

static int fail_fetch (const cli_t *cli, zf_client_t *client, const zf_error_t *err)
{
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    const char *id = cli->args[0];
    if (cli_stopped () != 0)
        return cli_fail (cli, 128 + cli_stopped (), "stopped before the answer was there");
    if (err->code == ZF_E_TIMEOUT && stats.connected)
        return cli_fail (cli, EX_TEMPFAIL, "%s has no answer yet; fetch it later", id);
    if (err->code == ZF_E_NOT_FOUND)
        return cli_fail (cli, EX_NOINPUT, "%s: %s", id, err->text);
    if (err->code == ZF_E_REJECTED)
        return cli_fail (cli, EX_DATAERR, "%s was rejected: %s", id, err->text);
    if (err->code == ZF_E_DEAD || err->code == ZF_E_EXPIRED)
        return cli_fail (cli, cli_exit_code (err->code), "%s has no answer: %s", id,
                         zf_strerror (err->code));
    return cli_fail_call (cli, err, stats.connected);
}

/* True of codes that are the outcome of a request. */
static bool is_outcome (int code)
{
    return code == 0 || code == ZF_E_REJECTED || code == ZF_E_DEAD || code == ZF_E_EXPIRED;
}

static int run_fetch (cli_t *cli)
{
    zf_client_t *client = NULL;
    zf_message_t reply;
    zf_error_t err = {0};
    if (strlen (cli->args[0]) == 0 || strlen (cli->args[0]) > ZF_ID_MAX)
        return cli_misuse (cli, "an ID is from 1 to %d bytes long", ZF_ID_MAX);
    int rc = cli_client_open (cli, NULL, &client);
    if (rc != 0)
        return rc;
    int code = wait_for_answer (cli, client, &reply, &err);
    rc = code == 0 ? print_answer (cli, &reply) : fail_fetch (cli, client, &err);
    if (code == 0)
        zf_message_release (&reply);
    if (cli_has (cli, "forget") && is_outcome (code) && (code != 0 || rc == 0) &&
        zf_client_forget (client, cli->args[0], &err) != 0)
        rc = cli_client_fail (cli, client, &err);
    zf_client_close (&client);
    return rc;
}

const cli_verb_t verbs_fetch[] = {
    {.name = "fetch",
     .usage = "ID [--forget]",
     .summary = "Print the answer to a request that was submitted",
     .details =
         "The answer goes to standard output as it is; it can be fetched again, by anybody, until "
         "it is\n"
         "forgotten. --timeout is for how long to wait for it. The exit code tells a rejection "
         "(65) "
         "from an\n"
         "unknown id (66) and no answer yet (75).\n",
     .example = "  zferry fetch 5f2c9a --timeout 10m\n"
                "  zferry fetch 5f2c9a --now || echo 'not yet'\n",
     .options = fetch_options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .run = run_fetch},
    {.name = NULL}};
