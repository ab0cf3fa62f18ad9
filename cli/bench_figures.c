/* Clocks, and what the kernel knows about a process. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_board.h"

static uint64_t read_clock (clockid_t clock)
{
    struct timespec now;
    if (clock_gettime (clock, &now) != 0)
        return 0;
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

uint64_t bench_now_ns (void)
{
    return read_clock (CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns (pid_t pid)
{
    clockid_t clock;
    return clock_getcpuclockid (pid, &clock) == 0 ? read_clock (clock) : 0;
}

uint64_t bench_memory_bytes (pid_t pid, const char *field)
{
    char path[48], line[256];
    uint64_t kib = 0;
    snprintf (path, sizeof path, "/proc/%ld/status", (long) pid);
    FILE *file = fopen (path, "re");
    if (file == NULL)
        return 0;
    size_t length = strlen (field);
    while (kib == 0 && fgets (line, sizeof line, file) != NULL)
        if (strncmp (line, field, length) == 0 && line[length] == ':')
            kib = strtoull (line + length + 1, NULL, 10);
    fclose (file);
    return kib * 1024;
}

static int compare (const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

double bench_percentile_us (uint64_t *ns, size_t count, double p)
{
    if (count == 0)
        return 0;
    qsort (ns, count, sizeof *ns, compare);
    size_t at = (size_t) (p * (double) (count - 1) + 0.5);
    return (double) ns[at] / 1000.0;
}

json_t *bench_real (const cli_t *cli, double value, int digits)
{
    char text[64];
    snprintf (text, sizeof text, "%.*f", digits, value);
    return cli->json ? json_real (strtod (text, NULL)) : json_string (text);
}

json_t *bench_ratio (const cli_t *cli, double part, double whole, int digits)
{
    return whole > 0 ? bench_real (cli, part / whole, digits) : bench_unknown (cli);
}

json_t *bench_unknown (const cli_t *cli)
{
    return cli->json ? json_null () : json_string ("unknown");
}

uint64_t bench_per_second (uint64_t count, uint64_t ns)
{
    return ns > 0 ? (uint64_t) ((double) count * 1e9 / (double) ns) : 0;
}
