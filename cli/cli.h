/* The zferry program: what its verbs share.
 *
 * A verb is an entry of a table (cli_verb_t) with its own table of options; the parser, --help
 * and the overview are made from these tables. A verb's file defines an array of verbs that ends
 * with an empty entry, and main.c lists the arrays. A name may have several words: "queue dead
 * ls".
 *
 * Output:  data goes to stdout, everything else to stderr. Rows are JSON objects, shown as a
 *          table on a terminal and as JSON Lines with --json or into a pipe.
 * Errors:  one line, "zferry VERB: what is wrong; what to do", and an exit code of sysexits.h.
 * Signals: the first SIGINT or SIGTERM asks the verb to drain and to say what it did, the second
 *          ends the program at once. SIGPIPE is ignored.
 * Threads: cli_fail, cli_note, cli_log and cli_progress may be called from any thread; the rest
 *          from the main one. */
#ifndef ZFERRY_CLI_H
#define ZFERRY_CLI_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/types.h>
#include <sysexits.h>
#include <zferry/directory.h>
#include <zferry/topology.h>
#include <zferry/zferry.h>

typedef struct cli cli_t;

/* -- verbs and options ------------------------------------------------------------------------- */

typedef enum {
    CLI_FLAG,  /* takes no value */
    CLI_TEXT,  /* any text */
    CLI_COUNT, /* a whole number */
    CLI_SIZE,  /* bytes: 4096, 64KiB, 10MiB, 1GiB */
    CLI_TIME   /* milliseconds: 250ms, 5s, 10m, 2h, 1d; a plain number is seconds */
} cli_kind_t;

typedef struct {
    const char *name;  /* without the dashes; NULL ends a table */
    char letter;       /* short form, or 0 */
    cli_kind_t kind;   /* what its value is */
    const char *value; /* placeholder for --help: "EP"; NULL for flags */
    const char *help;  /* one line; NULL: not shown (internal) */
    uint64_t min;      /* least number allowed, in the kind's unit */
    uint64_t max;      /* greatest; 0: the greatest that a uint64_t holds */
    bool repeat;       /* may be given several times; all values are kept */
    const char *words; /* what the value may be, for completion: "always never"; NULL: anything */
} cli_option_t;

enum {
    CLI_TALKS = 1,   /* talks to a broker: takes --connect, --timeout and --discover */
    CLI_HIDDEN = 2,  /* not shown in any list (internal) */
    CLI_EVENTS = 4,  /* with CLI_TALKS: to a forwarder, unless told where; or to a broker */
    CLI_MEETS = 8,   /* takes endpoints that are zferry:// ones, by options of its own */
    CLI_OFFERS = 16, /* a device, which --discover announces; has a --verbose of its own */
    CLI_NODE = 32    /* is a node among others in any case; takes --timeout */
};

/* What --discover makes a verb with CLI_TALKS look up. */
typedef enum {
    CLI_SEEKS_BROKER,  /* zferry://broker */
    CLI_SEEKS_QUEUE,   /* zferry://queue/, and its first argument */
    CLI_SEEKS_SERVICE, /* zferry://service/, and that */
    CLI_SEEKS_TOPIC,   /* zferry://topic/, and --stream */
    CLI_SEEKS_STREAM   /* zferry://topic/, and its first argument */
} cli_seeks_t;

typedef struct {
    const char *name;            /* words: "post", "queue dead ls"; NULL ends a table */
    const char *usage;           /* what follows the name: "QUEUE [BODY | -]" */
    const char *summary;         /* one line for the overview */
    const char *details;         /* paragraphs for --help, ended by newline; may be NULL */
    const char *example;         /* lines for --help, each ended by newline */
    const cli_option_t *options; /* its own ones; may be NULL */
    int min_args;                /* positional arguments that must be there */
    int max_args;                /* and that may; -1: any number */
    unsigned flags;              /* CLI_TALKS and the like */
    cli_seeks_t seeks;           /* with CLI_TALKS */
    int (*run) (cli_t *cli);     /* returns the exit code */
} cli_verb_t;

/* The arrays of verbs, in the order of the overview; each in the file of its name. */
extern const cli_verb_t verbs_demo[];
extern const cli_verb_t verbs_run[];
extern const cli_verb_t verbs_check[];
extern const cli_verb_t verbs_reload[];
extern const cli_verb_t verbs_broker[];
extern const cli_verb_t verbs_balancer[];
extern const cli_verb_t verbs_forwarder[];
extern const cli_verb_t verbs_post[];
extern const cli_verb_t verbs_work[];
extern const cli_verb_t verbs_request[];
extern const cli_verb_t verbs_serve[];
extern const cli_verb_t verbs_submit[];
extern const cli_verb_t verbs_fetch[];
extern const cli_verb_t verbs_pub[];
extern const cli_verb_t verbs_sub[];
extern const cli_verb_t verbs_queue[];
extern const cli_verb_t verbs_dead[];
extern const cli_verb_t verbs_stream[];
extern const cli_verb_t verbs_top[];
extern const cli_verb_t verbs_tail[];
extern const cli_verb_t verbs_link[];
extern const cli_verb_t verbs_peers[];
extern const cli_verb_t verbs_whisper[];
extern const cli_verb_t verbs_chat[];
extern const cli_verb_t verbs_directory[];
extern const cli_verb_t verbs_journal[];
extern const cli_verb_t verbs_keygen[];
extern const cli_verb_t verbs_doctor[];
extern const cli_verb_t verbs_bench[];
extern const cli_verb_t verbs_version[];
extern const cli_verb_t verbs_help[];

/* A value that was given for an option. */
typedef struct {
    const cli_option_t *option; /* of the verb's or the common table */
    const char *text;           /* as given; NULL for flags */
    uint64_t number;            /* of CLI_COUNT, CLI_SIZE (bytes) and CLI_TIME (milliseconds) */
} cli_value_t;

struct cli {
    const cli_verb_t *verb;  /* the verb that runs */
    char **args;             /* positional arguments, ended by NULL */
    int arg_count;           /* their number */
    cli_value_t *values;     /* options, in the order given */
    size_t value_count;      /* their number */
    const char **endpoints;  /* where to connect: --connect, ZFERRY_CONNECT or the default */
    size_t endpoint_count;   /* at least 1, with CLI_TALKS */
    char *environment;       /* what endpoints point into, if that is no argument; or NULL */
    zf_peer_t *peer;         /* the node that the verb is (discover.h); NULL: none */
    zf_security_t *security; /* of all its connections (secure.h); NULL: plain, this machine only */
    uint32_t timeout_ms;     /* --timeout; default 5,000; 0 has become INT32_MAX */
    bool json;       /* rows are printed as JSON Lines: --json was given or stdout is no terminal */
    bool json_asked; /* --json was given */
    bool out_terminal; /* stdout is a terminal */
    bool err_terminal; /* stderr is a terminal */
    bool out_color;    /* stdout may be coloured */
    bool quiet;        /* --quiet: no notes, no progress */
};

bool cli_has (const cli_t *cli, const char *name);

/* The last value given for an option, or the fallback. */
const char *cli_text (const cli_t *cli, const char *name, const char *fallback);
uint64_t cli_number (const cli_t *cli, const char *name, uint64_t fallback);

/* All values given for an option; *texts is a new array to free() (NULL when there are none). */
size_t cli_list (const cli_t *cli, const char *name, const char ***texts);

/* Takes a list with commas or blanks apart, in place; *words is a new array to free(), with room
 * for one more (NULL when out of memory). */
size_t cli_split (char *text, const char ***words);

/* -- values ------------------------------------------------------------------------------------ */

/* Strict: the whole text must be a number with a unit of its kind. Returns false if it is not. */
bool cli_parse_number (cli_kind_t kind, const char *text, uint64_t *number);

/* Writes "512 B", "64 KiB", "1.5 MiB" or "250 ms", "5 s", "2.5 m". Returns text. */
#define CLI_UNIT_TEXT 32
char *cli_format_bytes (uint64_t bytes, char text[CLI_UNIT_TEXT]);
char *cli_format_ms (uint64_t ms, char text[CLI_UNIT_TEXT]);

/* The monotonic clock. */
uint64_t cli_now_ms (void);
uint64_t cli_now_us (void);

/* -- errors and notes: stderr ------------------------------------------------------------------ */

/* What follows goes through log.[ch], as text or, with --log-format json, as JSON. */

/* Prints "zferry VERB: text" and returns exit_code. The text says what is wrong; and what to do.
 * With 0 it is a warning. */
int cli_fail (const cli_t *cli, int exit_code, const char *format, ...) ZF_PRINTF (3, 4);

/* The same for what is wrong with the command line: adds "; see zferry VERB --help", returns
 * EX_USAGE. */
int cli_misuse (const cli_t *cli, const char *format, ...) ZF_PRINTF (2, 3);

/* The exit code for a zferry code. */
int cli_exit_code (int code);

/* Prints what a library call that failed said, with what to do about it; a timeout while no
 * broker is connected becomes "no broker answered at ...". connected: from the handle's stats.
 * Returns the exit code. */
int cli_fail_call (const cli_t *cli, const zf_error_t *err, bool connected);

/* Prints that no broker answered in time and returns EX_UNAVAILABLE. */
int cli_fail_no_broker (const cli_t *cli);

/* Prints a line unless --quiet: summaries, hints. */
void cli_note (const cli_t *cli, const char *format, ...) ZF_PRINTF (2, 3);

/* Prints a line unless the level is not wanted (--log-level): what happened, or is to be known.
 * device: whose line it is, "DEVICE: text"; NULL or "": nobody's. */
void cli_log (const cli_t *cli, zf_log_level_t level, const char *device, const char *format, ...)
    ZF_PRINTF (4, 5);

/* Redraws the progress line: only on a terminal, at most ten times a second. Any other output
 * through this header removes it first. */
void cli_progress (const cli_t *cli, const char *format, ...) ZF_PRINTF (2, 3);
void cli_progress_clear (void);

/* -- rows: stdout ------------------------------------------------------------------------------ */

typedef enum {
    CLI_COLUMN_TEXT,   /* left, cut when the terminal is too narrow if it is the last one */
    CLI_COLUMN_NUMBER, /* right */
    CLI_COLUMN_BYTES,  /* right, with unit */
    CLI_COLUMN_MS      /* right, with unit */
} cli_column_kind_t;

typedef struct {
    const char *key;        /* of the JSON object; NULL ends a table */
    const char *title;      /* for people */
    cli_column_kind_t kind; /* how it is shown */
} cli_column_t;

typedef struct cli_table cli_table_t;

/* A table of rows. With cli->json a row is printed by cli_table_row, otherwise all of them by
 * cli_table_end. cli_table_row takes over the row's reference. cli_table_end returns 0, or
 * EX_IOERR having said why. */
cli_table_t *cli_table_new (const cli_t *cli, const cli_column_t *columns);
void cli_table_row (cli_table_t *table, json_t *row);
int cli_table_end (cli_table_t **table, const char *when_empty);

/* One object: a JSON line, or one "title  value" line for each column. Takes over the reference.
 * Returns 0, or EX_IOERR having said why. */
int cli_print_object (const cli_t *cli, const cli_column_t *columns, json_t *object);

/* Flushes stdout. Returns 0, or EX_IOERR having said why. */
int cli_flush (const cli_t *cli);

/* Makes what could move a terminal's cursor, or begin a line, a dot, in place. Returns text. */
char *cli_make_printable (char *text);

/* Text of any bytes as a JSON string, or an object {"base64": "..."} when it is not UTF-8. */
json_t *cli_json_bytes (zf_bytes_t bytes);

/* -- signals and children ---------------------------------------------------------------------- */

/* Readable once a signal has asked to stop; never read from it. */
int cli_stop_fd (void);

/* The signal that asked to stop, or 0. */
int cli_stopped (void);

/* Process groups that are to be ended when a second signal ends the program (at most 1,024 are
 * known). cli_child_spawn is called before one is made, and cli_child_add after, with 0 if that
 * failed: a signal in between is seen to then. */
void cli_child_spawn (void);
void cli_child_add (pid_t group);
void cli_child_remove (pid_t group);

/* -- connections ------------------------------------------------------------------------------- */

/* Options with endpoints and timeout filled in, for verbs that change more of them. */
void cli_client_options (const cli_t *cli, zf_client_options_t *options);

/* Opens a client with these options, NULL: those of cli_client_options. Returns 0 or an exit
 * code, having said why. */
int cli_client_open (const cli_t *cli, const zf_client_options_t *options, zf_client_t **client);

/* Reports a call of this client that failed (see cli_fail_call) and returns the exit code. */
int cli_client_fail (const cli_t *cli, zf_client_t *client, const zf_error_t *err);

#endif
