/* One lock for all that is written to stderr, so that no two lines mix and the progress line is
 * gone before another one comes. */
#include "log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    PROGRESS_EVERY_MS = 100,
    TEXT_MAX = 2000, /* bytes of a line's text; the rest is cut off */
    HEAD_SIZE = 300,
    TIME_SIZE = 32
};

static struct {
    pthread_mutex_t lock;      /* of stderr and the progress line */
    zf_log_level_t level;      /* nothing above it is printed */
    bool json;                 /* lines are JSON objects */
    bool journal;              /* stderr is systemd's: lines begin with their priority */
    bool progress_shown;       /* the progress line is on the screen */
    uint64_t progress_next_ms; /* not redrawn before */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = ZF_LOG_INFO};

/* -- what is wanted ---------------------------------------------------------------------------- */

static const char *level_name (zf_log_level_t level)
{
    switch (level) {
    case ZF_LOG_ERROR:
        return "error";
    case ZF_LOG_WARNING:
        return "warning";
    case ZF_LOG_NOTICE:
        return "notice";
    case ZF_LOG_INFO:
        return "info";
    case ZF_LOG_DEBUG:
        break;
    }
    return "debug";
}

static int take_level (const cli_t *cli, const char *name, const char *text)
{
    for (zf_log_level_t level = ZF_LOG_ERROR; level <= ZF_LOG_DEBUG; level++)
        if (strcmp (text, level_name (level)) == 0) {
            state.level = level;
            return 0;
        }
    return cli_fail (cli, cli != NULL ? EX_USAGE : EX_CONFIG,
                     "%s is error, warning, notice, info or debug, not '%s'", name, text);
}

static int take_format (const cli_t *cli, const char *name, const char *text)
{
    bool json = strcmp (text, "json") == 0;
    if (!json && strcmp (text, "text") != 0)
        return cli_fail (cli, cli != NULL ? EX_USAGE : EX_CONFIG, "%s is text or json, not '%s'",
                         name, text);
    state.json = json;
    return 0;
}

/* What --log-format json is in a command line that nobody has parsed yet. */
static void foresee_format (int argc, char **argv)
{
    static const char option[] = "--log-format";
    size_t length = strlen (option);
    for (int i = 1; i < argc && argv[i] != NULL && strcmp (argv[i], "--") != 0; i++) {
        const char *word = argv[i];
        const char *value = NULL;
        if (strcmp (word, option) == 0)
            value = argv[i + 1];
        else if (strncmp (word, option, length) == 0 && word[length] == '=')
            value = word + length + 1;
        if (value != NULL)
            state.json = strcmp (value, "json") == 0;
    }
}

/* $JOURNAL_STREAM is the device and inode of what systemd made stderr; it may be inherited by one
 * whose stderr is something else. */
static bool is_journal (void)
{
    const char *text = getenv ("JOURNAL_STREAM");
    struct stat file;
    char *end = NULL;
    if (text == NULL || fstat (STDERR_FILENO, &file) != 0)
        return false;
    unsigned long long device = strtoull (text, &end, 10);
    if (*end != ':' || device != file.st_dev)
        return false;
    unsigned long long inode = strtoull (end + 1, &end, 10);
    return *end == '\0' && inode == file.st_ino;
}

int log_start (int argc, char **argv)
{
    const char *level = getenv ("ZFERRY_LOG_LEVEL");
    const char *format = getenv ("ZFERRY_LOG_FORMAT");
    int rc = 0;
    state.journal = is_journal ();
    if (format != NULL && *format != '\0')
        rc = take_format (NULL, "ZFERRY_LOG_FORMAT", format);
    if (rc == 0 && level != NULL && *level != '\0')
        rc = take_level (NULL, "ZFERRY_LOG_LEVEL", level);
    foresee_format (argc, argv);
    return rc;
}

int log_from_options (const cli_t *cli)
{
    const char *level = cli_text (cli, "log-level", NULL);
    const char *format = cli_text (cli, "log-format", NULL);
    int rc = format != NULL ? take_format (cli, "--log-format", format) : 0;
    if (rc == 0 && level != NULL)
        rc = take_level (cli, "--log-level", level);
    return rc;
}

bool log_wants (zf_log_level_t level)
{
    return level <= state.level;
}

bool log_is_verbose (const cli_t *cli)
{
    return cli_has (cli, "verbose") || log_wants (ZF_LOG_DEBUG);
}

bool log_is_text (void)
{
    return !state.json;
}

/* -- the progress line ------------------------------------------------------------------------- */

static void clear_locked (void)
{
    if (state.progress_shown)
        fputs ("\r\033[K", stderr);
    state.progress_shown = false;
}

void cli_progress_clear (void)
{
    pthread_mutex_lock (&state.lock);
    clear_locked ();
    pthread_mutex_unlock (&state.lock);
}

void cli_progress (const cli_t *cli, const char *format, ...)
{
    uint64_t now_ms = cli_now_ms ();
    if (!cli->err_terminal || cli->quiet || state.json || !log_wants (ZF_LOG_INFO))
        return;
    pthread_mutex_lock (&state.lock);
    if (now_ms >= state.progress_next_ms) {
        va_list args;
        va_start (args, format);
        fputs ("\r\033[K", stderr);
        vfprintf (stderr, format, args);
        fflush (stderr);
        va_end (args);
        state.progress_shown = true;
        state.progress_next_ms = now_ms + PROGRESS_EVERY_MS;
    }
    pthread_mutex_unlock (&state.lock);
}

/* -- one line ---------------------------------------------------------------------------------- */

typedef struct {
    const char *verb;   /* NULL: none was found */
    const char *device; /* NULL or "": none */
    zf_log_level_t level;
    bool is_failure; /* text: begins with "zferry VERB: " */
    char text[TEXT_MAX];
} line_t;

/* The time in UTC, with milliseconds, as RFC 3339 has it. */
static void write_time (char text[TIME_SIZE])
{
    struct timespec now;
    struct tm utc;
    clock_gettime (CLOCK_REALTIME, &now);
    gmtime_r (&now.tv_sec, &utc);
    size_t n = strftime (text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf (text + n, TIME_SIZE - n, ".%03uZ", (unsigned) (now.tv_nsec / 1000000) % 1000);
}

static json_t *json_text (char *text)
{
    json_t *value = json_string (text);
    for (char *c = text; value == NULL && *c != '\0'; c++) /* no UTF-8 */
        if ((unsigned char) *c >= 0x80)
            *c = '?';
    return value != NULL ? value : json_string (text);
}

static char *line_json (line_t *line)
{
    char time[TIME_SIZE];
    write_time (time);
    json_t *object = json_pack ("{s:s, s:s}", "time", time, "level", level_name (line->level));
    if (line->verb != NULL)
        json_object_set_new (object, "verb", json_string (line->verb));
    if (line->device != NULL && *line->device != '\0')
        json_object_set_new (object, "device", json_string (line->device));
    json_object_set_new (object, "text", json_text (line->text));
    char *text = json_dumps (object, JSON_COMPACT);
    json_decref (object);
    return text;
}

/* What text begins with: "zferry VERB: ", "DEVICE: ", both or nothing. */
static void write_head (const line_t *line, char *head, size_t size)
{
    size_t used = 0;
    head[0] = '\0';
    if (line->is_failure && line->verb != NULL)
        used = (size_t) snprintf (head, size, "zferry %.80s: ", line->verb);
    else if (line->is_failure)
        used = (size_t) snprintf (head, size, "zferry: ");
    if (line->device != NULL && *line->device != '\0')
        snprintf (head + used, size - used, "%.200s: ", line->device);
}

static void print_line (line_t *line)
{
    char priority[8] = "";
    if (!log_wants (line->level))
        return;
    if (state.journal)
        snprintf (priority, sizeof priority, "<%d>", (int) line->level);
    char *json = state.json ? line_json (line) : NULL;
    char head[HEAD_SIZE];
    write_head (line, head, sizeof head);
    cli_make_printable (head); /* names and reasons come from peers */
    pthread_mutex_lock (&state.lock);
    clear_locked ();
    if (json != NULL)
        fprintf (stderr, "%s%s\n", priority, json);
    else
        fprintf (stderr, "%s%s%s\n", priority, head, cli_make_printable (line->text));
    pthread_mutex_unlock (&state.lock);
    free (json);
}

static void ZF_PRINTF (2, 0) print_formatted (line_t *line, const char *format, va_list args)
{
    vsnprintf (line->text, sizeof line->text, format, args);
    print_line (line);
}

static line_t line_of (const cli_t *cli, zf_log_level_t level)
{
    return (line_t){.verb = cli != NULL ? cli->verb->name : NULL, .level = level};
}

void cli_log (const cli_t *cli, zf_log_level_t level, const char *device, const char *format, ...)
{
    line_t line = line_of (cli, level);
    va_list args;
    line.device = device;
    va_start (args, format);
    print_formatted (&line, format, args);
    va_end (args);
}

void cli_note (const cli_t *cli, const char *format, ...)
{
    line_t line = line_of (cli, ZF_LOG_INFO);
    va_list args;
    if (cli->quiet)
        return;
    va_start (args, format);
    print_formatted (&line, format, args);
    va_end (args);
}

int cli_fail (const cli_t *cli, int exit_code, const char *format, ...)
{
    line_t line = line_of (cli, exit_code != 0 ? ZF_LOG_ERROR : ZF_LOG_WARNING);
    va_list args;
    line.is_failure = true;
    va_start (args, format);
    print_formatted (&line, format, args);
    va_end (args);
    return exit_code;
}

int cli_misuse (const cli_t *cli, const char *format, ...)
{
    line_t line = line_of (cli, ZF_LOG_ERROR);
    va_list args;
    line.is_failure = true;
    va_start (args, format);
    vsnprintf (line.text, sizeof line.text, format, args);
    va_end (args);
    size_t used = strnlen (line.text, TEXT_MAX - 100);
    snprintf (line.text + used, sizeof line.text - used, "; see zferry %s --help", cli->verb->name);
    print_line (&line);
    return EX_USAGE;
}
