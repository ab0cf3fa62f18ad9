/* zferry doctor: is this machine in order, and if not, what to do. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <zferry/doctor.h>

enum {
    EXIT_ILL = 1, /* something will not work */
    INDENT = 18   /* of what to do, below what is wrong */
};

static const cli_option_t options[] = {
    {.name = "interface",
     .kind = CLI_TEXT,
     .value = "RULE",
     .repeat = true,
     .help = "use only eth0, eth* or 10.1.0.0/16; '!docker*' is left out; may be repeated"},
    {.name = "discovery-port",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = UINT16_MAX,
     .help = "UDP port of the beacons (default 5670)"},
    {.name = "seed",
     .kind = CLI_TEXT,
     .value = "EP",
     .repeat = true,
     .help = "does this seed answer? May be repeated"},
    {.name = "namespace",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "how many nodes of this namespace are there?"},
    {.name = "insecure", .help = "look for them beyond this machine"},
    {.name = "journal",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "look at this directory too: a broker's journal, there or to be made"},
    {.name = NULL}};

static const cli_column_t columns[] = {{"level", "level", CLI_COLUMN_TEXT},
                                       {"name", "name", CLI_COLUMN_TEXT},
                                       {"text", "text", CLI_COLUMN_TEXT},
                                       {"advice", "what to do", CLI_COLUMN_TEXT},
                                       {NULL, NULL, CLI_COLUMN_TEXT}};

typedef struct {
    const cli_t *cli;
    cli_table_t *table; /* with --json */
    unsigned warns;
    unsigned fails;
} visit_t;

static const char *level_word (zf_doctor_level_t level)
{
    if (level == ZF_DOCTOR_OK)
        return "ok";
    return level == ZF_DOCTOR_WARN ? "warn" : "FAIL";
}

static const char *level_color (zf_doctor_level_t level)
{
    if (level == ZF_DOCTOR_OK)
        return "\033[32m";
    return level == ZF_DOCTOR_WARN ? "\033[33m" : "\033[31m";
}

static void print_item (const cli_t *cli, const zf_doctor_item_t *item)
{
    bool color = cli->out_color;
    printf ("%s%-4s%s  %-10s  %s\n", color ? level_color (item->level) : "",
            level_word (item->level), color ? "\033[0m" : "", item->name, item->text);
    if (*item->advice != '\0')
        printf ("%*s-> %s\n", INDENT, "", item->advice);
}

static json_t *item_json (const zf_doctor_item_t *item)
{
    zf_bytes_t text = {item->text, strlen (item->text)};
    return json_pack ("{s:s, s:s, s:o, s:s}", "level", level_word (item->level), "name", item->name,
                      "text", cli_json_bytes (text), "advice", item->advice);
}

static void take_item (void *arg, const zf_doctor_item_t *item)
{
    visit_t *visit = arg;
    visit->warns += item->level == ZF_DOCTOR_WARN;
    visit->fails += item->level == ZF_DOCTOR_FAIL;
    if (visit->table != NULL)
        cli_table_row (visit->table, item_json (item));
    else
        print_item (visit->cli, item);
}

static int visit (cli_t *cli, const zf_doctor_options_t *doctor)
{
    visit_t visit = {.cli = cli};
    zf_error_t err = {0};
    if (cli->json && (visit.table = cli_table_new (cli, columns)) == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    int rc = zf_doctor_run (doctor, take_item, &visit, &err);
    int ended = visit.table != NULL ? cli_table_end (&visit.table, NULL) : cli_flush (cli);
    if (rc != 0)
        return cli_fail (cli, cli_exit_code (rc), "%s", err.text);
    if (ended != 0)
        return ended;
    cli_note (cli, "%u to mend, %u to think about", visit.fails, visit.warns);
    return visit.fails > 0 ? EXIT_ILL : 0;
}

static int run (cli_t *cli)
{
    zf_doctor_options_t doctor;
    const char **interfaces = NULL;
    const char **seeds = NULL;
    zf_doctor_defaults (&doctor);
    doctor.interface_count = cli_list (cli, "interface", &interfaces);
    doctor.interfaces = interfaces;
    doctor.port = (uint16_t) cli_number (cli, "discovery-port", doctor.port);
    doctor.journal = cli_text (cli, "journal", NULL);
    doctor.seed_count = cli_list (cli, "seed", &seeds);
    doctor.seeds = seeds;
    doctor.space = cli_text (cli, "namespace", NULL);
    doctor.security = cli_has (cli, "insecure") ? zf_security_insecure () : NULL;
    int rc = visit (cli, &doctor);
    free (interfaces);
    free (seeds);
    return rc;
}

const cli_verb_t verbs_doctor[] = {
    {.name = "doctor",
     .usage = "",
     .summary = "Look at this machine: is what zferry needs of it in order, and if not, what to do",
     .details = "Each line is ok, warn (it works, but not as well as it might) or FAIL. The exit "
                "code is 1\nif there is a FAIL.\n",
     .example = "  zferry doctor\n"
                "  zferry doctor --journal /var/lib/app --interface '!docker*'\n"
                "  zferry doctor --seed tcp://hub:5700 --namespace staging --insecure\n",
     .options = options,
     .run = run},
    {.name = NULL}};
