/* Lines on stderr: the one place that all of them go through, as text for people or as JSON for
 * machines. cli_fail, cli_note, cli_progress and cli_log are made of it.
 *
 * Text:    "zferry VERB: text" for what is wrong, the text alone for the rest; with the name of a
 *          device in front of it if there is one. What could move a terminal's cursor, or begin a
 *          new line, is a dot.
 * JSON:    {"time":"2026-01-31T12:00:00.000Z","level":"info","verb":"broker","device":"centre",
 *          "text":"..."}, a line each; no progress, no titles.
 * Journal: when stderr is systemd's ($JOURNAL_STREAM), lines begin with "<3>" to "<7>".
 * Threads: any, once log_start has returned. */
#ifndef ZFERRY_CLI_LOG_H
#define ZFERRY_CLI_LOG_H

#include "cli.h"

#define LOG_OPTIONS                                                                      \
    {.name = "log-level",                                                                \
     .kind = CLI_TEXT,                                                                   \
     .value = "LEVEL",                                                                   \
     .words = "error warning notice info debug",                                         \
     .help = "least on stderr: error, warning, notice, info or debug (default "          \
             "$ZFERRY_LOG_LEVEL, or info)"},                                             \
    {                                                                                    \
        .name = "log-format", .kind = CLI_TEXT, .value = "FORMAT", .words = "text json", \
        .help = "of lines on stderr: text or json (default $ZFERRY_LOG_FORMAT, or text)" \
    }

/* Reads the environment, and of the command line what is wrong before its options are known should
 * be said in: --log-format. Returns 0 or an exit code, having said why. */
int log_start (int argc, char **argv);

/* Reads the options. Returns 0 or an exit code, having said why. */
int log_from_options (const cli_t *cli);

/* True if lines of this level are printed. */
bool log_wants (zf_log_level_t level);

/* True if --verbose was given, or the level is debug. */
bool log_is_verbose (const cli_t *cli);

/* True if stderr is for people to read: titles belong there, and progress. */
bool log_is_text (void);

#endif
