/* zferry journal: looking into the journal of a broker, and making a damaged one usable again. */
#include <inttypes.h>
#include <string.h>
#include <zferry/journal.h>

#include "cli.h"
#include "journal_describe.h"

enum {
    UUID_TEXT = 37,   /* bytes, with the end */
    EXIT_DAMAGED = 1, /* of verify */
    SHOWN_ENOUGH = 1  /* a callback's answer: no code of the library */
};

static void set_number (json_t *row, const char *key, uint64_t number)
{
    json_object_set_new (row, key, json_integer ((json_int_t) number));
}

static void set_text (json_t *row, const char *key, const char *text)
{
    json_object_set_new (row, key, cli_json_bytes ((zf_bytes_t){text, strlen (text)}));
}

static int fail_call (const cli_t *cli, const zf_error_t *err)
{
    switch (err->code) {
    case ZF_E_NOT_FOUND:
        return cli_fail (cli, EX_NOINPUT, "there is no journal in %s", cli->args[0]);
    case ZF_E_BUSY:
        return cli_fail (cli, EX_TEMPFAIL, "%s; stop that first", err->text);
    case ZF_E_STALE:
        return cli_fail (cli, EX_TEMPFAIL, "%s; try again", err->text);
    case ZF_E_CLOSED:
        return cli_fail (cli, EX_TEMPFAIL, "stopped before the end");
    default:
        return cli_fail (cli, cli_exit_code (err->code), "%s", err->text);
    }
}

/* -- info -------------------------------------------------------------------------------------- */

static const cli_column_t info_columns[] = {
    {"dir", "directory", CLI_COLUMN_TEXT},
    {"uuid", "uuid", CLI_COLUMN_TEXT},
    {"version", "format version", CLI_COLUMN_NUMBER},
    {"first", "first position", CLI_COLUMN_NUMBER},
    {"next", "next position", CLI_COLUMN_NUMBER},
    {"segments", "segments in use", CLI_COLUMN_NUMBER},
    {"spares", "segments ready", CLI_COLUMN_NUMBER},
    {"disk_bytes", "on disk", CLI_COLUMN_BYTES},
    {"entries", "entries", CLI_COLUMN_NUMBER},
    {"entry_bytes", "bytes in them", CLI_COLUMN_BYTES},
    {"damages", "damaged stretches", CLI_COLUMN_NUMBER},
    {"lost_bytes", "bytes lost in them", CLI_COLUMN_BYTES},
    {"torn_bytes", "never synced, at the end", CLI_COLUMN_BYTES},
    {"closed", "closed in order", CLI_COLUMN_TEXT},
    {NULL, NULL, CLI_COLUMN_TEXT}};

static void write_uuid (const uint8_t uuid[16], char text[UUID_TEXT])
{
    for (size_t i = 0; i < 16; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        text += snprintf (text, 4, "%s%02x", dash ? "-" : "", uuid[i]);
    }
}

static json_t *info_json (const cli_t *cli, const zf_scan_summary_t *summary)
{
    char uuid[UUID_TEXT];
    json_t *row = json_object ();
    write_uuid (summary->uuid, uuid);
    set_text (row, "dir", cli->args[0]);
    json_object_set_new (row, "uuid", json_string (uuid));
    set_number (row, "version", summary->version);
    set_number (row, "first", summary->first);
    set_number (row, "next", summary->next);
    set_number (row, "segments", summary->segments);
    set_number (row, "spares", summary->spares);
    set_number (row, "disk_bytes", summary->disk_bytes);
    set_number (row, "entries", summary->entries);
    set_number (row, "entry_bytes", summary->entry_bytes);
    set_number (row, "damages", summary->damages);
    set_number (row, "lost_bytes", summary->lost_bytes);
    set_number (row, "torn_bytes", summary->torn_bytes);
    json_object_set_new (row, "closed", json_boolean (summary->closed));
    return row;
}

/* Ends a scan that nobody wants the end of. */
static int go_on (void *arg, const zf_scan_item_t *item)
{
    (void) arg;
    (void) item;
    return cli_stopped () != 0 ? ZF_E_CLOSED : 0;
}

static int run_info (cli_t *cli)
{
    zf_error_t err = {0};
    zf_scan_summary_t summary;
    err.code = zf_journal_scan (cli->args[0], go_on, NULL, &summary, &err);
    if (err.code != 0)
        return fail_call (cli, &err);
    return cli_print_object (cli, info_columns, info_json (cli, &summary));
}

/* -- verify and repair ------------------------------------------------------------------------- */

static const cli_column_t damage_columns[] = {
    {"file", "segment", CLI_COLUMN_TEXT},        {"offset", "at byte", CLI_COLUMN_NUMBER},
    {"position", "position", CLI_COLUMN_NUMBER}, {"bytes", "lost", CLI_COLUMN_BYTES},
    {"text", "what", CLI_COLUMN_TEXT},           {NULL, NULL, CLI_COLUMN_TEXT}};

static int show_damage (void *arg, const zf_scan_item_t *item)
{
    if (item->what == ZF_SCAN_DAMAGE) {
        json_t *row = json_pack ("{s:s, s:I, s:I, s:I, s:s}", "file", item->file, "offset",
                                 (json_int_t) item->offset, "position", (json_int_t) item->position,
                                 "bytes", (json_int_t) item->size, "text", item->text);
        cli_table_row (arg, row);
    }
    return go_on (arg, item);
}

static int run_verify (cli_t *cli)
{
    zf_error_t err = {0};
    zf_scan_summary_t summary;
    cli_table_t *table = cli_table_new (cli, damage_columns);
    err.code = zf_journal_scan (cli->args[0], show_damage, table, &summary, &err);
    int rc = cli_table_end (&table, NULL);
    if (err.code != 0)
        return fail_call (cli, &err);
    if (rc != 0)
        return rc;
    if (summary.damages > 0)
        return cli_fail (cli, EXIT_DAMAGED,
                         "%s is damaged in %" PRIu64
                         " place%s; zferry journal repair saves the rest",
                         cli->args[0], summary.damages, summary.damages == 1 ? "" : "s");
    cli_note (cli, "%" PRIu64 " entries, all good", summary.entries);
    return 0;
}

/* -- dump -------------------------------------------------------------------------------------- */

static const cli_option_t dump_options[] = {{.name = "from",
                                             .kind = CLI_COUNT,
                                             .value = "POSITION",
                                             .help = "begin at the first entry at or behind it"},
                                            {.name = "count",
                                             .letter = 'n',
                                             .kind = CLI_COUNT,
                                             .value = "N",
                                             .min = 1,
                                             .help = "show so many (default: all)"},
                                            {.name = NULL}};

static const cli_column_t dump_columns[] = {{"position", "position", CLI_COLUMN_NUMBER},
                                            {"kind", "kind", CLI_COLUMN_TEXT},
                                            {"bytes", "bytes", CLI_COLUMN_NUMBER},
                                            {"file", "segment", CLI_COLUMN_TEXT},
                                            {"offset", "at byte", CLI_COLUMN_NUMBER},
                                            {"content", "content", CLI_COLUMN_TEXT},
                                            {NULL, NULL, CLI_COLUMN_TEXT}};

typedef struct {
    cli_table_t *table;
    uint64_t from; /* position to begin at */
    uint64_t left; /* lines still wanted */
} dump_t;

static const char *kind_name (zf_scan_what_t what)
{
    static const char *const names[] = {
        [ZF_SCAN_DATA] = "data",   [ZF_SCAN_TRIM] = "trim", [ZF_SCAN_CLOSE] = "close",
        [ZF_SCAN_DAMAGE] = "lost", [ZF_SCAN_TORN] = "torn",
    };
    return (size_t) what < sizeof names / sizeof names[0] ? names[what] : NULL;
}

static json_t *content (const zf_scan_item_t *item)
{
    if (item->what == ZF_SCAN_DATA)
        return journal_describe (item->data);
    if (item->what == ZF_SCAN_TRIM)
        return json_sprintf ("nothing below %" PRIu64 " is needed", item->trim);
    return json_string (item->text != NULL ? item->text : "");
}

static int show_item (void *arg, const zf_scan_item_t *item)
{
    dump_t *dump = arg;
    const char *kind = kind_name (item->what);
    if (kind != NULL && item->position >= dump->from) {
        json_t *row =
            json_pack ("{s:I, s:s, s:I, s:s, s:I}", "position", (json_int_t) item->position, "kind",
                       kind, "bytes", (json_int_t) item->size, "file", item->file, "offset",
                       (json_int_t) item->offset);
        if (item->what == ZF_SCAN_DATA)
            set_number (row, "bytes", item->data.size);
        json_object_set_new (row, "content", content (item));
        cli_table_row (dump->table, row);
        if (--dump->left == 0 || ferror (stdout))
            return SHOWN_ENOUGH;
    }
    return go_on (arg, item);
}

static int run_dump (cli_t *cli)
{
    zf_error_t err = {0};
    dump_t dump = {
        .table = cli_table_new (cli, dump_columns),
        .from = cli_number (cli, "from", 0),
        .left = cli_number (cli, "count", UINT64_MAX),
    };
    err.code = zf_journal_scan (cli->args[0], show_item, &dump, NULL, &err);
    int rc = cli_table_end (&dump.table, err.code == 0 ? "no entries" : NULL);
    return err.code != 0 && err.code != SHOWN_ENOUGH ? fail_call (cli, &err) : rc;
}

/* -- repair ------------------------------------------------------------------------------------ */

static void report_repair (const cli_t *cli, const zf_repair_summary_t *summary)
{
    json_t *row = json_object ();
    cli_note (cli, "%" PRIu64 " entries were kept; the damaged journal is whole in %s",
              summary->kept, summary->aside);
    set_number (row, "kept", summary->kept);
    set_text (row, "aside", summary->aside);
    if (cli->json)
        cli_print_object (cli, NULL, row);
    else
        json_decref (row);
}

static int run_repair (cli_t *cli)
{
    zf_error_t err = {0};
    static zf_repair_summary_t summary;
    cli_table_t *table = cli_table_new (cli, damage_columns);
    err.code = zf_journal_repair (cli->args[0], show_damage, table, &summary, &err);
    int rc = cli_table_end (&table, NULL);
    if (err.code != 0)
        return fail_call (cli, &err);
    if (summary.aside[0] == '\0')
        cli_note (cli, "nothing is damaged in %s; it was left alone", cli->args[0]);
    else
        report_repair (cli, &summary);
    return rc;
}

/* -- the verbs --------------------------------------------------------------------------------- */

const cli_verb_t verbs_journal[] = {
    {.name = "journal info",
     .usage = "DIR",
     .summary = "Show what is in a journal",
     .details = "Reads all of it. A broker may be using it meanwhile.\n",
     .example = "  zferry journal info /var/lib/zferry\n",
     .min_args = 1,
     .max_args = 1,
     .run = run_info},
    {.name = "journal verify",
     .usage = "DIR",
     .summary = "Check all of a journal and show what is damaged",
     .details = "Exits with 1 if anything is. A broker may be using it meanwhile. What was never\n"
                "synced, at the end of a journal that was not closed in order, is no damage.\n",
     .example = "  zferry journal verify /var/lib/zferry && echo good\n",
     .min_args = 1,
     .max_args = 1,
     .run = run_verify},
    {.name = "journal dump",
     .usage = "DIR",
     .summary = "Show the entries of a journal, one a line",
     .details = "A broker may be using it meanwhile.\n",
     .example = "  zferry journal dump /var/lib/zferry --count 20\n",
     .options = dump_options,
     .min_args = 1,
     .max_args = 1,
     .run = run_dump},
    {.name = "journal repair",
     .usage = "DIR",
     .summary = "Make a damaged journal one that opens",
     .details =
         "All entries that are good go into a new journal, which takes the place of the\n"
         "damaged one. That one is set aside as a whole, as DIR.damaged-1 or so: nothing is\n"
         "destroyed. A journal without damage is left alone.\n",
     .example = "  zferry journal repair /var/lib/zferry\n",
     .min_args = 1,
     .max_args = 1,
     .run = run_repair},
    {.name = NULL}};
