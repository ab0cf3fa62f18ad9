/* zferry serve: answers the requests of a service with what a command prints. */
#include "job.h"

static const cli_option_t options[] = {
    {.name = "exec",
     .letter = 'x',
     .kind = CLI_TEXT,
     .value = "CMD",
     .help = "run this shell command for each request"},
    {.name = "echo", .help = "answer with the body that came"},
    {.name = "direct", .help = "without a broker: be found by the clients"},
    {.name = "bind",
     .letter = 'b',
     .kind = CLI_TEXT,
     .value = "EP",
     .repeat = true,
     .help = "with --direct: listen here (default: any port)"},
    CREW_OPTIONS,
    {.name = NULL}};

static int handle_exec (crew_t *crew, zf_message_t *messages, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = job_exec (crew, &messages[i], true);
    return rc;
}

static int run (cli_t *cli)
{
    crew_t crew;
    crew_from_options (&crew, cli);
    bool exec = cli_has (cli, "exec");
    if (exec == cli_has (cli, "echo"))
        return cli_misuse (cli, "how to answer? give --exec CMD or --echo");
    crew.direct = cli_has (cli, "direct");
    if (crew.direct && cli_has (cli, "connect"))
        return cli_misuse (cli, "--direct and --connect exclude each other");
    if (!crew.direct && cli_has (cli, "bind"))
        return cli_misuse (cli, "--bind is for --direct");
    crew.handle = exec ? handle_exec : job_echo;
    crew.batch = exec ? 1 : CREW_BATCH_MAX;
    return crew_run (&crew);
}

const cli_verb_t verbs_serve[] = {
    {.name = "serve",
     .usage = "SERVICE --exec CMD | --echo",
     .summary = "Answer the requests of a service with what a command prints",
     .details =
         "sh -c CMD gets the request on its standard input, and what it prints is the "
         "answer. When it exits\n"
         "with anything but 0, the request is rejected, with the last line of its stderr as "
         "the reason. In\n"
         "its environment are ZFERRY_ID, ZFERRY_ATTEMPT and ZFERRY_QUEUE, and TRACEPARENT if "
         "the request has\n"
         "a trace. The first Ctrl-C lets running commands finish, the second ends at once. "
         "--timeout is how\n"
         "long to wait for a broker at the start.\n"
         "With --discover it serves at all brokers that are found. With --direct there need "
         "not be any:\n"
         "clients (zferry request SERVICE --discover) find this process and talk to it; "
         "start more of\n"
         "them, and they share the work.\n",
     .example = "  zferry serve upper --exec 'tr a-z A-Z' --concurrency 4\n"
                "  zferry serve upper --exec 'tr a-z A-Z' --direct\n",
     .options = options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_SERVICE,
     .run = run},
    {.name = NULL}};
