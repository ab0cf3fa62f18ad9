/* zferry keygen and key: making keys, and looking at them. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 1024 /* of a certificate; longer ones are none of ours */

static const cli_option_t keygen_options[] = {
    {.name = "name",
     .letter = 'n',
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "what it is called in logs and rules (default: as FILE.pub is there)"},
    {.name = NULL}};

static const cli_column_t columns[] = {{"key", "key", CLI_COLUMN_TEXT},
                                       {"name", "name", CLI_COLUMN_TEXT},
                                       {"fingerprint", "fingerprint", CLI_COLUMN_TEXT},
                                       {NULL, NULL, CLI_COLUMN_TEXT}};

/* name: "": it has none. */
static int print_key (const cli_t *cli, const char *key, const char *name)
{
    char fingerprint[ZF_FINGERPRINT_TEXT];
    zf_key_fingerprint (key, fingerprint);
    json_t *row =
        json_pack ("{s:s, s:s, s:s}", "key", key, "name", name, "fingerprint", fingerprint);
    return cli_print_object (cli, columns, row);
}

static int fail_key (const cli_t *cli, const zf_error_t *err)
{
    int exit_code = err->code == ZF_E_INVAL ? EX_DATAERR : cli_exit_code (err->code);
    return cli_fail (cli, exit_code, "%s", err->text);
}

/* -- keygen ------------------------------------------------------------------------------------ */

static void tell_what_to_do (const cli_t *cli, const char *file)
{
    cli_note (cli,
              "%s is the secret: it stays on this machine, and zferry gets it by --key-file %s",
              file, file);
    cli_note (cli,
              "%s.pub is for others: into the directory of their --authorised, or for --server-key",
              file);
}

static int make_key (cli_t *cli)
{
    const char *file = cli->args[0];
    const char *name = cli_text (cli, "name", NULL);
    char key[ZF_KEY_TEXT];
    zf_error_t err = {0};
    int rc = zf_key_make (file, name, &err);
    if (rc == ZF_E_INVAL)
        return cli_fail (cli, EX_CANTCREAT, "%s", err.text);
    if (rc == 0)
        rc = zf_key_read (file, key, &err);
    if (rc != 0)
        return fail_key (cli, &err);
    rc = print_key (cli, key, name != NULL ? name : "");
    tell_what_to_do (cli, file);
    return rc;
}

/* -- key --------------------------------------------------------------------------------------- */

/* Copies what is in quotes behind the word and its =; "": there is no such thing. */
static void take_quoted (const char *line, const char *word, char value[LINE_BYTES])
{
    const char *at = line + strspn (line, " \t");
    size_t size = strlen (word);
    value[0] = '\0';
    if (strncmp (at, word, size) != 0)
        return;
    at += size;
    at += strspn (at, " \t=");
    if (*at == '"')
        snprintf (value, LINE_BYTES, "%.*s", (int) strcspn (at + 1, "\"\n"), at + 1);
}

/* The name in a certificate's metadata; "": there is none. */
static void read_name (const char *file, char name[LINE_BYTES])
{
    char line[LINE_BYTES];
    FILE *from = fopen (file, "re");
    bool is_metadata = false;
    name[0] = '\0';
    while (from != NULL && name[0] == '\0' && fgets (line, sizeof line, from) != NULL) {
        if (line[0] != ' ' && line[0] != '\t')
            is_metadata = strncmp (line, "metadata", 8) == 0;
        else if (is_metadata)
            take_quoted (line, "name", name);
    }
    if (from != NULL)
        fclose (from);
}

static int show_key (cli_t *cli)
{
    const char *what = cli->args[0];
    char key[ZF_KEY_TEXT];
    char name[LINE_BYTES] = "";
    zf_error_t err = {0};
    if (zf_key_read (what, key, &err) != 0)
        return fail_key (cli, &err);
    if (strcmp (what, key) != 0)
        read_name (what, name);
    return print_key (cli, key, name);
}

const cli_verb_t verbs_keygen[] = {
    {.name = "keygen",
     .usage = "FILE [--name NAME]",
     .summary = "Make a pair of keys: FILE, which is secret, and FILE.pub for others",
     .details =
         "FILE can be read by nobody but its owner, and is refused if others can (mode 0600). "
         "Neither file is\n"
         "written over. Who has FILE.pub knows with whom he talks, and can let him in; the "
         "fingerprint is what\n"
         "people compare, on the telephone for one.\n",
     .example = "  zferry keygen keys/hub\n"
                "  zferry keygen keys/till-7 --name till-7\n",
     .options = keygen_options,
     .min_args = 1,
     .max_args = 1,
     .run = make_key},
    {.name = "key",
     .usage = "FILE | KEY",
     .summary = "Show whose key that is: the public key, its name and fingerprint",
     .details = "FILE is either file of a pair; KEY is a public key, 40 characters, in quotes for "
                "the shell.\n",
     .example = "  zferry key keys/hub.pub\n"
                "  zferry key 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'\n",
     .min_args = 1,
     .max_args = 1,
     .run = show_key},
    {.name = NULL}};
