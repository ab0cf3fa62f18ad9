/* Offsets, times and words that say where reading begins. */
#include "start.h"

#include <string.h>
#include <time.h>

#define LAST "last="

static uint64_t wall_clock_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* "10m" or "-10m": so long ago. */
static bool parse_ago (const char *text, uint64_t *ms)
{
    uint64_t ago = 0;
    uint64_t now = wall_clock_ms ();
    if (!cli_parse_number (CLI_TIME, text[0] == '-' ? text + 1 : text, &ago))
        return false;
    *ms = ago < now ? now - ago : 0;
    return true;
}

/* A date, with or without a time of day, local or (with a Z) in UTC. */
static bool parse_date (const char *text, uint64_t *ms)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct tm at = {.tm_isdst = -1};
        const char *rest = strptime (text, formats[i], &at);
        bool utc = rest != NULL && strcmp (rest, "Z") == 0;
        if (rest == NULL || (*rest != '\0' && !utc))
            continue;
        time_t seconds = utc ? timegm (&at) : mktime (&at);
        *ms = (uint64_t) seconds * 1000;
        return seconds >= 0;
    }
    return false;
}

static bool parse (const char *text, zf_start_t *start)
{
    start->value = 0;
    if (strcmp (text, "first") == 0) {
        start->from = ZF_FROM_FIRST;
        return true;
    }
    if (strcmp (text, "new") == 0) {
        start->from = ZF_FROM_NEW;
        return true;
    }
    if (strncmp (text, LAST, strlen (LAST)) == 0) {
        start->from = ZF_FROM_LAST;
        return cli_parse_number (CLI_COUNT, text + strlen (LAST), &start->value) &&
               start->value > 0;
    }
    start->from = ZF_FROM_OFFSET;
    if (cli_parse_number (CLI_COUNT, text, &start->value))
        return true;
    start->from = ZF_FROM_TIME;
    return parse_ago (text, &start->value) || parse_date (text, &start->value);
}

int start_from_options (const cli_t *cli, zf_start_t *start)
{
    const char *text = cli_text (cli, "from", NULL);
    if (text == NULL || parse (text, start))
        return 0;
    return cli_misuse (
        cli,
        "--from is first, new, last=N, an offset, or a time such as 10m or 2026-01-31T12:00, "
        "not '%s'",
        text);
}
