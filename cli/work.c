/* zferry work: takes the records of a queue and prints them, or runs a command for each. */
#include "crew.h"
#include "job.h"
#include "log.h"
#include "record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const cli_option_t options[] = {
    {.name = "exec",
     .letter = 'x',
     .kind = CLI_TEXT,
     .value = "CMD",
     .help = "run this shell command for each record"},
    {.name = "echo", .help = "answer with the body that came; print nothing"},
    {.name = "raw", .letter = 'r', .help = "print bodies alone, one a line"},
    RECORD_HEADER_OPTION,
    CREW_OPTIONS,
    {.name = NULL}};

/* How records are printed; crew_t's arg. */
typedef struct {
    bool raw;             /* bodies alone */
    const char **headers; /* of --show-header; NULL: none */
} style_t;

/* -- printing ---------------------------------------------------------------------------------- */

static void print_record (const crew_t *crew, const zf_message_t *message)
{
    const style_t *style = crew->arg;
    if (style->raw) {
        fwrite (message->body, 1, message->size, stdout);
        putchar ('\n');
        return;
    }
    record_print (crew->cli, message, style->headers);
}

/* Prints, and acks what has reached the other side of stdout; if that failed, gives all of it
 * back. */
static int handle_print (crew_t *crew, zf_message_t *messages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        print_record (crew, &messages[i]);
    int rc = cli_flush (crew->cli);
    for (size_t i = 0; i < count; i++) {
        if (rc == 0)
            zf_worker_ack (crew->worker, &messages[i]);
        else
            zf_worker_nack (crew->worker, &messages[i], 0);
    }
    return rc;
}

static int run_print (const cli_t *cli, crew_t *crew)
{
    style_t style = {.raw = cli_has (cli, "raw")};
    cli_list (cli, "show-header", &style.headers);
    crew->handle = handle_print;
    crew->arg = &style;
    crew->threads = 1;
    crew->batch = CREW_BATCH_MAX;
    crew->on_screen = cli->out_terminal;
    if (!cli->json && !style.raw && !cli->quiet && log_is_text ())
        fprintf (stderr, "%8s  %3s  %s\n", "id", "try", "body");
    int rc = crew_run (crew);
    crew->arg = NULL;
    free (style.headers);
    return rc;
}

/* -- commands ---------------------------------------------------------------------------------- */

static int handle_exec (crew_t *crew, zf_message_t *messages, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = job_exec (crew, &messages[i], false);
    return rc;
}

static int run (cli_t *cli)
{
    crew_t crew;
    crew_from_options (&crew, cli);
    bool exec = cli_has (cli, "exec");
    bool echo = cli_has (cli, "echo");
    if (exec + echo + cli_has (cli, "raw") > 1)
        return cli_misuse (cli, "--exec, --echo and --raw exclude each other");
    if (!exec && cli_has (cli, "concurrency"))
        return cli_misuse (cli, "--concurrency is for --exec");
    if (echo) {
        crew.handle = job_echo;
        crew.batch = CREW_BATCH_MAX;
        return crew_run (&crew);
    }
    if (!exec)
        return run_print (cli, &crew);
    crew.handle = handle_exec;
    return crew_run (&crew);
}

const cli_verb_t verbs_work[] = {
    {.name = "work",
     .usage = "QUEUE [--exec CMD | --echo | --raw]",
     .summary = "Take the records of a queue and print them, or run a command for each",
     .details = "Without --exec or --echo each record is printed, as a JSON line into a pipe, and "
                "acknowledged once\n"
                "it is written. With --exec CMD, sh -c CMD gets the body on its standard input and "
                "ZFERRY_ID,\n"
                "ZFERRY_ATTEMPT and ZFERRY_QUEUE in its environment, and TRACEPARENT if "
                "the record has a\n"
                "trace; exit 0 acknowledges the record, any other end gives it back, to be "
                "delivered again after\n"
                "the queue's backoff. The first Ctrl-C lets running commands finish, the second "
                "ends at once.\n"
                "--timeout is how long to wait for a broker at the start.\n",
     .example = "  zferry work jobs --exec './resize.sh' --concurrency 4\n"
                "  zferry work jobs --raw --count 10 > ten.txt\n",
     .options = options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_QUEUE,
     .run = run},
    {.name = NULL}};
