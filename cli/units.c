/* Numbers with units, read strictly and written for people; and the clock. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    const char *name; /* as written behind the number; NULL ends a table */
    uint64_t factor;  /* what it multiplies by */
} unit_t;

static const unit_t no_units[] = {{"", 1}, {NULL, 0}};

static const unit_t size_units[] = {{"", 1},
                                    {"B", 1},
                                    {"KiB", UINT64_C (1) << 10},
                                    {"MiB", UINT64_C (1) << 20},
                                    {"GiB", UINT64_C (1) << 30},
                                    {"TiB", UINT64_C (1) << 40},
                                    {"KB", 1000},
                                    {"MB", 1000000},
                                    {"GB", 1000000000},
                                    {NULL, 0}};

static const unit_t time_units[] = {{"", 1000},     {"ms", 1},       {"s", 1000}, {"m", 60000},
                                    {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

static const unit_t *units_of (cli_kind_t kind)
{
    if (kind == CLI_SIZE)
        return size_units;
    return kind == CLI_TIME ? time_units : no_units;
}

bool cli_parse_number (cli_kind_t kind, const char *text, uint64_t *number)
{
    if (!isdigit ((unsigned char) text[0]))
        return false;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull (text, &end, 10);
    if (errno != 0)
        return false;
    for (const unit_t *unit = units_of (kind); unit->name != NULL; unit++)
        if (strcmp (unit->name, end) == 0 && value <= UINT64_MAX / unit->factor) {
            *number = value * unit->factor;
            return true;
        }
    return false;
}

/* Writes number / factor with one decimal, or none when it comes out even. */
static char *format_unit (uint64_t number, uint64_t factor, const char *unit, char *text)
{
    if (number % factor == 0)
        snprintf (text, CLI_UNIT_TEXT, "%" PRIu64 " %s", number / factor, unit);
    else
        snprintf (text, CLI_UNIT_TEXT, "%.1f %s", (double) number / (double) factor, unit);
    return text;
}

char *cli_format_bytes (uint64_t bytes, char text[CLI_UNIT_TEXT])
{
    if (bytes < 1024)
        return format_unit (bytes, 1, "B", text);
    if (bytes < UINT64_C (1) << 20)
        return format_unit (bytes, 1024, "KiB", text);
    if (bytes < UINT64_C (1) << 30)
        return format_unit (bytes, UINT64_C (1) << 20, "MiB", text);
    return format_unit (bytes, UINT64_C (1) << 30, "GiB", text);
}

char *cli_format_ms (uint64_t ms, char text[CLI_UNIT_TEXT])
{
    if (ms < 1000)
        return format_unit (ms, 1, "ms", text);
    if (ms < 2 * UINT64_C (60000))
        return format_unit (ms, 1000, "s", text);
    if (ms < 2 * UINT64_C (3600000))
        return format_unit (ms, 60000, "m", text);
    if (ms < 2 * UINT64_C (86400000))
        return format_unit (ms, 3600000, "h", text);
    return format_unit (ms, 86400000, "d", text);
}

uint64_t cli_now_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

uint64_t cli_now_ms (void)
{
    return cli_now_us () / 1000;
}
