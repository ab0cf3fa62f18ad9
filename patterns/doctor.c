#include "patterns/doctor.h"

#include "core/bytes.h"
#include "discovery/nics.h"
#include <czmq.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <time.h>
#include <zferry/peer.h>
#include <zferry/zferry.h>

#define TEXT_BYTES    512
#define FILES_ENOUGH  4096
#define FILES_ADVICE  65536
#define MEMORY_ENOUGH (UINT64_C (256) << 20)
#define YEAR_2025     1735689600 /* seconds: when it began */

void zf_doctor_say (const zf_doctor_t *doctor, zf_doctor_level_t level, const char *name,
                    const char *advice, const char *format, ...)
{
    char text[TEXT_BYTES];
    zf_doctor_item_t item = {level, name, text, advice};
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    doctor->fn (doctor->arg, &item);
}

char *zf_doctor_size (uint64_t bytes, char text[ZF_DOCTOR_SIZE])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double size = (double) bytes;
    size_t unit = 0;
    for (; size >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        size /= 1024;
    snprintf (text, ZF_DOCTOR_SIZE, size < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", size,
              units[unit]);
    return text;
}

/* -- what it stands on ------------------------------------------------------------------------- */

static void look_at_versions (const zf_doctor_t *doctor)
{
    int zmq[3];
    int czmq[3];
    zmq_version (&zmq[0], &zmq[1], &zmq[2]);
    zsys_version (&czmq[0], &czmq[1], &czmq[2]);
    bool old = ZMQ_MAKE_VERSION (zmq[0], zmq[1], zmq[2]) < ZMQ_MAKE_VERSION (4, 3, 4);
    zf_doctor_say (doctor, old ? ZF_DOCTOR_FAIL : ZF_DOCTOR_OK, "versions",
                   old ? "let it run with libzmq 4.3.4 or later" : "",
                   "zferry %s, libzmq %d.%d.%d, czmq %d.%d.%d", zf_version (), zmq[0], zmq[1],
                   zmq[2], czmq[0], czmq[1], czmq[2]);
}

static void look_at_curve (const zf_doctor_t *doctor)
{
    if (zmq_has ("curve") != 0)
        zf_doctor_say (doctor, ZF_DOCTOR_OK, "curve", "", "libzmq can encrypt");
    else
        zf_doctor_say (doctor, ZF_DOCTOR_WARN, "curve",
                       "to encrypt, use a libzmq that was built with libsodium",
                       "libzmq was built without CURVE: nothing can be encrypted");
}

/* -- limits ------------------------------------------------------------------------------------ */

static void look_at_files (const zf_doctor_t *doctor)
{
    struct rlimit limit;
    if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
        return;
    bool few = limit.rlim_cur < FILES_ENOUGH;
    char advice[TEXT_BYTES] = "";
    uint64_t more = limit.rlim_max < FILES_ADVICE ? limit.rlim_max : FILES_ADVICE;
    if (few && more > limit.rlim_cur)
        snprintf (advice, sizeof advice, "before starting: ulimit -n %" PRIu64, more);
    else if (few)
        snprintf (advice, sizeof advice, "let the administrator raise it (LimitNOFILE=%d)",
                  FILES_ADVICE);
    zf_doctor_say (doctor, few ? ZF_DOCTOR_WARN : ZF_DOCTOR_OK, "open files", advice,
                   "a process may have %" PRIu64 " files and connections open",
                   (uint64_t) limit.rlim_cur);
}

static void look_at_clock (const zf_doctor_t *doctor)
{
    struct timespec wall;
    struct timespec steady;
    struct timex state = {.modes = 0};
    clock_gettime (CLOCK_REALTIME, &wall);
    clock_gettime (CLOCK_MONOTONIC, &steady);
    int synced = adjtimex (&state);
    if (wall.tv_sec < YEAR_2025 || wall.tv_sec < steady.tv_sec)
        zf_doctor_say (doctor, ZF_DOCTOR_FAIL, "clock",
                       "set the clock: what is kept for a time would go too early or stay too long",
                       "the clock is wrong: it says that %" PRId64
                       " seconds have passed since 1970",
                       (int64_t) wall.tv_sec);
    else if (synced == TIME_ERROR || (synced >= 0 && (state.status & STA_UNSYNC) != 0))
        zf_doctor_say (
            doctor, ZF_DOCTOR_WARN, "clock",
            "if there are several hosts, let chrony or systemd-timesyncd set their clocks",
            "nothing keeps the clock right");
    else
        zf_doctor_say (doctor, ZF_DOCTOR_OK, "clock", "",
                       synced < 0 ? "the clock runs" : "the clock is synchronised");
}

/* A number in a file of the system, behind this word; 0: there is none. */
static uint64_t read_number (const char *path, const char *word)
{
    char line[256];
    uint64_t number = 0;
    FILE *file = fopen (path, "re");
    if (file == NULL)
        return 0;
    while (number == 0 && fgets (line, sizeof line, file) != NULL)
        if (strncmp (line, word, strlen (word)) == 0)
            number = strtoull (line + strlen (word), NULL, 10);
    fclose (file);
    return number;
}

static void look_at_memory (const zf_doctor_t *doctor)
{
    char free_text[ZF_DOCTOR_SIZE];
    char limit_text[ZF_DOCTOR_SIZE] = "";
    uint64_t available = read_number ("/proc/meminfo", "MemAvailable:") * 1024;
    uint64_t limit = read_number ("/sys/fs/cgroup/memory.max", "");
    bool limited = limit > 0 && limit < available;
    uint64_t least = limited ? limit : available;
    if (available == 0)
        return;
    zf_doctor_size (available, free_text);
    if (limited)
        zf_doctor_size (limit, limit_text);
    zf_doctor_say (doctor, least < MEMORY_ENOUGH ? ZF_DOCTOR_WARN : ZF_DOCTOR_OK, "memory",
                   least < MEMORY_ENOUGH ? "keep a broker's --memory well below that" : "",
                   "%s available%s%s", free_text, limited ? ", and this container may have " : "",
                   limit_text);
}

static void look_at_cores (const zf_doctor_t *doctor)
{
    cpu_set_t set;
    if (sched_getaffinity (0, sizeof set, &set) != 0)
        return;
    int count = CPU_COUNT (&set);
    zf_doctor_say (doctor, ZF_DOCTOR_OK, "cores", "", "%d core%s", count, count == 1 ? "" : "s");
}

/* -- all --------------------------------------------------------------------------------------- */

void zf_doctor_defaults_sized (zf_doctor_options_t *options, size_t size)
{
    zf_doctor_options_t own = {.struct_size = sizeof own, .port = ZF_PEER_PORT};
    zf_options_fill (options, size, &own, sizeof own);
}

static int check_options (const zf_doctor_options_t *options, zf_error_t *err)
{
    if (options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "doctor options: set them up with zf_doctor_defaults ()");
    size_t bad = zf_nics_check (options->interfaces, options->interface_count);
    if (bad < options->interface_count)
        return zf_error_set (err, ZF_E_INVAL,
                             "'%.60s' is no name of an interface, no address and no network",
                             options->interfaces[bad]);
    if (options->seed_count > 64)
        return zf_error_set (err, ZF_E_INVAL, "more than 64 seeds");
    if (options->port == 0)
        return zf_error_set (err, ZF_E_INVAL, "the UDP port must be the same for all, so not 0");
    return 0;
}

int zf_doctor_run (const zf_doctor_options_t *options, zf_doctor_fn *fn, void *arg, zf_error_t *err)
{
    zf_doctor_t doctor = {fn, arg};
    zf_doctor_options_t own;
    if (options == NULL) {
        zf_doctor_defaults (&own);
        options = &own;
    }
    int rc = check_options (options, err);
    if (rc != 0)
        return rc;
    look_at_versions (&doctor);
    look_at_curve (&doctor);
    zf_doctor_look_at_net (&doctor, options);
    if (options->seed_count > 0 || options->space != NULL)
        zf_doctor_look_at_peers (&doctor, options);
    look_at_files (&doctor);
    look_at_clock (&doctor);
    look_at_memory (&doctor);
    look_at_cores (&doctor);
    if (options->journal != NULL)
        zf_doctor_look_at_journal (&doctor, options->journal);
    return 0;
}
