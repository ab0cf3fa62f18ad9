/* zferry request: asks a service and prints what it answers, part by part. */
#include "input.h"
#include "props.h"

#include <poll.h>

static const cli_option_t options[] = {
    {.name = "file",
     .letter = 'f',
     .kind = CLI_TEXT,
     .value = "F",
     .help = "the body is what this file holds"},
    {.name = "fail-fast", .help = "fail at once when no worker is free or none is there"},
    {.name = "retries",
     .kind = CLI_COUNT,
     .value = "N",
     .max = 1000,
     .help = "sent again so often after a lost connection (default 3)"},
    PROPS_OPTIONS,
    {.name = NULL}};

/* Prints a part of the answer: the bytes alone, or a JSON object when --json was given. */
static void print_part (const cli_t *cli, const zf_message_t *part)
{
    const char *body = part->body;
    if (cli->json_asked) {
        zf_bytes_t bytes = {.data = part->body, .size = part->size};
        bool more = (part->flags & ZF_MESSAGE_MORE) != 0;
        json_t *row = json_pack ("{s:o, s:b}", "body", cli_json_bytes (bytes), "more", more);
        json_dumpf (row, stdout, JSON_COMPACT | JSON_REAL_PRECISION (12));
        putchar ('\n');
        json_decref (row);
    } else {
        fwrite (body, 1, part->size, stdout);
        if (cli->out_terminal && part->size > 0 && body[part->size - 1] != '\n')
            putchar ('\n');
    }
}

static void fill_options (const cli_t *cli, const zf_props_t *props, zf_request_options_t *request)
{
    zf_request_defaults (request);
    request->timeout_ms = cli->timeout_ms;
    request->fail_fast = cli_has (cli, "fail-fast");
    request->retries = (uint32_t) cli_number (cli, "retries", request->retries);
    request->props = props;
}

/* A request nobody has answered in time: the likely reason is that nobody serves it. */
static int fail_request (const cli_t *cli, zf_client_t *client, const zf_error_t *err)
{
    char time[CLI_UNIT_TEXT];
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    if ((err->code == ZF_E_TIMEOUT || err->code == ZF_E_EXPIRED) && stats.connected)
        return cli_fail (
            cli, EX_TEMPFAIL,
            "no answer from %s within %s; is it served (zferry serve %s)? if it is slow, "
            "give a longer --timeout",
            cli->args[0], cli_format_ms (cli->timeout_ms, time), cli->args[0]);
    if (err->code == ZF_E_REJECTED)
        return cli_fail (cli, EX_DATAERR, "%s rejected the request: %s", cli->args[0], err->text);
    return cli_fail_call (cli, err, stats.connected);
}

/* The answer has ended: well, or with a code and the reason in the body. */
static int end_answer (const cli_t *cli, zf_client_t *client, const zf_message_t *reply)
{
    zf_error_t err = {0};
    if (reply->code != 0) {
        zf_error_set (&err, reply->code, "%.*s", (int) reply->size, (const char *) reply->body);
        return fail_request (cli, client, &err);
    }
    print_part (cli, reply);
    return cli_flush (cli);
}

/* Takes what has come. Returns WAITING, or an exit code when the answer has ended. */
enum { WAITING = -1 };
static int take_replies (const cli_t *cli, zf_client_t *client)
{
    zf_error_t err = {0};
    zf_message_t reply;
    int rc = WAITING;
    zf_client_process (client);
    while (rc == WAITING) {
        int got = zf_client_next_reply (client, &reply, 0, &err);
        if (got == ZF_E_AGAIN)
            return WAITING;
        if (got != 0)
            return fail_request (cli, client, &err);
        if ((reply.flags & ZF_MESSAGE_MORE) != 0) {
            print_part (cli, &reply);
            rc = cli_flush (cli) != 0 ? EX_IOERR : WAITING;
        } else {
            rc = end_answer (cli, client, &reply);
        }
        zf_message_release (&reply);
    }
    return rc;
}

/* Waits for the answer in a poll loop, so that a signal ends it. */
static int ask (const cli_t *cli, zf_client_t *client, zf_bytes_t body, const zf_props_t *props)
{
    zf_error_t err = {0};
    zf_request_options_t request;
    fill_options (cli, props, &request);
    if (zf_client_request_async (client, cli->args[0], body.data, body.size, &request, NULL, NULL,
                                 NULL, &err) != 0)
        return fail_request (cli, client, &err);
    struct pollfd fds[2] = {{.fd = zf_client_fd (client), .events = POLLIN},
                            {.fd = cli_stop_fd (), .events = POLLIN}};
    int rc = take_replies (cli, client);
    while (rc == WAITING && cli_stopped () == 0) {
        poll (fds, 2, -1);
        rc = take_replies (cli, client);
    }
    if (rc == WAITING)
        return cli_fail (cli, 128 + cli_stopped (), "stopped before the answer was there");
    return rc;
}

static int run (cli_t *cli)
{
    record_props_t record;
    input_t input;
    zf_bytes_t body;
    zf_client_t *client = NULL;
    int rc = props_from_options (&record, cli);
    if (rc != 0)
        return rc;
    rc = input_open (&input, cli);
    if (rc == 0) {
        int got = input_whole (&input, cli, &body);
        rc = got > 0 ? 0 : got < 0 ? -got : 128 + cli_stopped ();
    }
    if (rc == 0 && (rc = cli_client_open (cli, NULL, &client)) == 0)
        rc = ask (cli, client, body, &record.props);
    zf_client_close (&client);
    input_close (&input);
    return rc;
}

const cli_verb_t verbs_request[] = {
    {.name = "request",
     .usage = "SERVICE [BODY | - | --file F]",
     .summary = "Ask a service and print its answer",
     .details = "The answer goes to standard output as it is; parts are printed as they come. "
                "--timeout is for the\n"
                "final answer. The exit code tells a rejection (65) from no service (69) and no "
                "answer (75).\n",
     .example = "  zferry request upper 'hello'\n"
                "  zferry request upper 'hello' --discover\n"
                "  zferry request thumbnail --file 17.png > small.png\n",
     .options = options,
     .min_args = 1,
     .max_args = 2,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_SERVICE,
     .run = run},
    {.name = NULL}};
