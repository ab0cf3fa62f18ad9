/* zferry demo: the verb, and the verdict. The parent has seen each worker's report and knows at
 * the end whether every line was processed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"
#include "demo_mesh.h"

#define RECORDS     200000 /* at least so many are posted without --repeat */
#define RECORDS_MAX 1000000000
#define PACE_MS     5000 /* in which they are posted, default */

static const cli_column_t columns[] = {
    {"file", "file", CLI_COLUMN_TEXT},
    {"lines", "lines in it", CLI_COLUMN_NUMBER},
    {"workers", "workers", CLI_COLUMN_NUMBER},
    {"killed", "of them killed", CLI_COLUMN_NUMBER},
    {"broker_killed", "broker killed", CLI_COLUMN_NUMBER},
    {"posted", "posted", CLI_COLUMN_NUMBER},
    {"confirmed", "confirmed", CLI_COLUMN_NUMBER},
    {"processed", "processed", CLI_COLUMN_NUMBER},
    {"redelivered", "redelivered", CLI_COLUMN_NUMBER},
    {"repeated", "processed twice", CLI_COLUMN_NUMBER},
    {"dead", "dead", CLI_COLUMN_NUMBER},
    {"lost", "lost", CLI_COLUMN_NUMBER},
    {"records_per_s", "records/s", CLI_COLUMN_NUMBER},
    {"seconds", "seconds", CLI_COLUMN_TEXT},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

/* -- the verdict ------------------------------------------------------------------------------- */

static json_t *count_json (uint64_t value)
{
    return json_integer ((json_int_t) value);
}

static json_t *summary (const demo_t *self, uint64_t lost)
{
    char seconds[24];
    uint64_t ms = self->last_ms > self->start_ms ? self->last_ms - self->start_ms : 1;
    snprintf (seconds, sizeof seconds, "%.2f", (double) ms / 1000);
    json_t *row = json_object ();
    json_object_set_new (row, "file",
                         cli_json_bytes ((zf_bytes_t){self->file.name, strlen (self->file.name)}));
    json_object_set_new (row, "lines", count_json (self->file.count));
    json_object_set_new (row, "workers", count_json (self->hand_count));
    json_object_set_new (row, "killed", count_json (self->killed ? 1 : 0));
    json_object_set_new (row, "broker_killed", count_json (self->broker_killed ? 1 : 0));
    json_object_set_new (row, "posted", count_json (self->posted));
    json_object_set_new (row, "confirmed", count_json (self->confirmed));
    json_object_set_new (row, "processed", count_json (self->book.processed));
    json_object_set_new (row, "redelivered", count_json (self->book.redelivered));
    json_object_set_new (row, "repeated", count_json (self->book.repeated));
    json_object_set_new (row, "damaged", count_json (self->book.damaged));
    json_object_set_new (row, "dead", count_json (self->dead));
    json_object_set_new (row, "lost", count_json (lost));
    json_object_set_new (row, "records_per_s", count_json (self->book.processed * 1000 / ms));
    json_object_set_new (row, "seconds",
                         self->cli->json ? json_real (strtod (seconds, NULL))
                                         : json_string (seconds));
    return row;
}

static const char *although (const demo_t *self)
{
    if (self->killed && self->broker_killed)
        return ", although a worker and the broker were killed";
    if (self->broker_killed)
        return ", although the broker was killed";
    return self->killed ? ", although a worker was killed" : "";
}

/* The verdict: every record that was posted must have been reported. */
static int conclude (demo_t *self)
{
    const cli_t *cli = self->cli;
    uint64_t missing = demo_book_missing (&self->book, self->posted);
    uint64_t lost = missing > self->dead ? missing - self->dead : 0;
    int rc = cli_print_object (cli, columns, summary (self, lost));
    if (missing > 0)
        return cli_fail (cli, EX_SOFTWARE,
                         "%" PRIu64 " of %" PRIu64 " records are missing; that is a bug", missing,
                         self->posted);
    if (self->book.damaged > 0)
        return cli_fail (cli, EX_SOFTWARE, "%" PRIu64 " records arrived damaged; that is a bug",
                         self->book.damaged);
    if (self->confirmed < self->posted)
        return cli_fail (cli, EX_SOFTWARE, "%" PRIu64 " records were not confirmed; that is a bug",
                         self->posted - self->confirmed);
    cli_note (cli, "all %" PRIu64 " records were processed%s", self->posted, although (self));
    return rc;
}

/* -- the verb ---------------------------------------------------------------------------------- */

static int open_book (demo_t *self)
{
    uint64_t lines = self->file.count;
    uint64_t repeat = cli_number (self->cli, "repeat", (RECORDS + lines - 1) / lines);
    if (repeat > RECORDS_MAX / lines)
        return cli_misuse (self->cli, "%" PRIu64 " times %" PRIu64 " lines are too many", repeat,
                           lines);
    if (!demo_book_open (&self->book, &self->file, repeat * lines))
        return cli_fail (self->cli, EX_OSERR, "out of memory");
    return 0;
}

static int run_demo (cli_t *cli)
{
    static demo_t self;
    if (cli_has (cli, "mesh"))
        return demo_mesh (cli);
    self.cli = cli;
    self.broker.child.said = -1;
    self.pace_ms = cli_number (cli, "seconds", PACE_MS);
    int rc = demo_file_open (cli, &self.file, cli->args[0]);
    if (rc == 0)
        rc = open_book (&self);
    if (rc == 0)
        rc = demo_start (&self);
    if (rc == 0)
        rc = demo_run (&self);
    if (rc == 0) {
        demo_dismiss (&self);
        rc = conclude (&self);
    }
    demo_clean_up (&self);
    return rc;
}

/* -- tables ------------------------------------------------------------------------------------ */

static const cli_option_t options[] = {
    {.name = "mesh", .help = "without a broker: processes that find each other"},
    {.name = "workers",
     .letter = 'w',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = DEMO_WORKERS_MAX,
     .help = "worker processes (default 4, --mesh: 3); one of them is killed if there are more"},
    {.name = "repeat",
     .letter = 'r',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = RECORDS_MAX,
     .help = "post the file N times (default: 200000 records or a few more)"},
    {.name = "seconds",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 1,
     .help = "spread the posts over this time (default 5s; --mesh: ask for so long, 3s)"},
    {.name = "skip", .kind = CLI_COUNT, .value = "RECORD"},
    {.name = NULL},
};

static const cli_option_t worker_options[] = {
    {.name = "skip", .kind = CLI_COUNT, .value = "RECORD"},
    {.name = NULL},
};

const cli_verb_t verbs_demo[] = {
    {.name = "demo",
     .usage = "[FILE | --mesh]",
     .summary = "See it work: a broker and workers, some of them killed; or no broker at all",
     .details =
         "Starts a broker with a journal and worker processes, posts every line of FILE, kills\n"
         "a worker and then the broker with SIGKILL in the middle, starts the broker again, and\n"
         "checks that every line was processed all the same. Fails if one is missing. The\n"
         "journal is in $TMPDIR or /tmp. Without FILE it takes $ZFERRY_DEMO_FILE, LICENSE in\n"
         "the current directory, or a text of its own.\n"
         "With --mesh there is no broker: servers, a client, a publisher and subscribers find\n"
         "each other on this machine, a server is killed with requests in its hands, and every\n"
         "request must be answered and every event arrive all the same.\n",
     .example = "  zferry demo\n"
                "  zferry demo --mesh\n"
                "  zferry demo /usr/share/dict/words --workers 8\n",
     .options = options,
     .max_args = 1,
     .run = run_demo},
    {.name = "demo-worker",
     .usage = "PARENT ENDPOINT QUEUE",
     .summary = "What the demo starts",
     .example = "",
     .options = worker_options,
     .min_args = 3,
     .max_args = 3,
     .flags = CLI_HIDDEN,
     .run = demo_worker_main},
    {.name = NULL},
};
