/* bench journal: what a journal costs beside the disk itself. Entries are written and synced one by
 * one, each next to a write and fdatasync of the same size into a file that is there already; then
 * entries are written without a sync, and then all of them are recovered. */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <zferry/journal.h>

#include "bench.h"

#define SIZE    100  /* bytes of a record, default */
#define BATCH   600  /* records of an entry, default */
#define COUNT   2000 /* entries of each round, default */
#define HERE    "."  /* where it happens, default */
#define LOOK_MS 10   /* between looks at what is being prepared */

typedef struct {
    const cli_t *cli;
    char dir[BENCH_DIR_MAX];      /* temporary: the journal and the file beside it */
    zf_journal_options_t options; /* of the journal in there */
    zf_journal_t *journal;
    bench_file_t raw;      /* the file beside it */
    uint64_t size;         /* of a record */
    uint64_t batch;        /* records of an entry */
    uint64_t count;        /* entries of a round */
    unsigned char *data;   /* of an entry */
    zf_bytes_t *parts;     /* its records */
    uint64_t *sync_ns;     /* append and sync of each entry */
    uint64_t *raw_ns;      /* write and fdatasync of each */
    uint64_t synced_ns;    /* all of sync_ns */
    uint64_t appended_ns;  /* appends without a sync */
    uint64_t recovered_ns; /* open */
    uint64_t recovered;    /* entries it found */
    uint64_t damaged;      /* of them, not what was written */
} journal_bench_t;

static const cli_column_t columns[] = {
    {"bench", "bench", CLI_COLUMN_TEXT},
    {"size", "bytes of a record", CLI_COLUMN_NUMBER},
    {"batch", "records of an entry", CLI_COLUMN_NUMBER},
    {"count", "entries", CLI_COLUMN_NUMBER},
    {"synced_mb_per_s", "appended and synced, MB/s", CLI_COLUMN_NUMBER},
    {"syncs_per_s", "a second", CLI_COLUMN_NUMBER},
    {"sync_p50_us", "append and sync, p50 us", CLI_COLUMN_NUMBER},
    {"sync_p99_us", "p99 us", CLI_COLUMN_NUMBER},
    {"sync_p999_us", "p99.9 us", CLI_COLUMN_NUMBER},
    {"raw_p50_us", "the disk's own, p50 us", CLI_COLUMN_NUMBER},
    {"raw_p99_us", "p99 us", CLI_COLUMN_NUMBER},
    {"raw_p999_us", "p99.9 us", CLI_COLUMN_NUMBER},
    {"appended_mb_per_s", "appended without sync, MB/s", CLI_COLUMN_NUMBER},
    {"recovered_mb_per_s", "recovered, MB/s", CLI_COLUMN_NUMBER},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

static uint64_t entry_bytes (const journal_bench_t *self)
{
    return self->size * self->batch;
}

static int fail_call (const journal_bench_t *self, const zf_error_t *err)
{
    return cli_fail (self->cli, cli_exit_code (err->code), "%s", err->text);
}

/* -- rounds ------------------------------------------------------------------------------------ */

static int write_entry (journal_bench_t *self, bool sync)
{
    zf_error_t err = {0};
    int rc = zf_journal_append (self->journal, self->parts, self->batch, NULL, &err);
    if (rc == 0 && sync)
        rc = zf_journal_sync (self->journal, &err);
    return rc == 0 ? 0 : fail_call (self, &err);
}

static int synced_round (journal_bench_t *self)
{
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < self->count && cli_stopped () == 0; i++) {
        cli_progress (self->cli, "%" PRIu64 " of %" PRIu64 " syncs", i, self->count);
        rc = bench_file_write (&self->raw, self->data, entry_bytes (self), &self->raw_ns[i]);
        uint64_t before = bench_now_ns ();
        if (rc == 0)
            rc = write_entry (self, true);
        self->sync_ns[i] = bench_now_ns () - before;
        self->synced_ns += self->sync_ns[i];
    }
    return rc;
}

static int appended_round (journal_bench_t *self)
{
    int rc = 0;
    uint64_t before = bench_now_ns ();
    for (uint64_t i = 0; rc == 0 && i < self->count && cli_stopped () == 0; i++)
        rc = write_entry (self, false);
    self->appended_ns = bench_now_ns () - before;
    return rc;
}

static int check_entry (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    journal_bench_t *self = arg;
    (void) position;
    (void) err;
    self->recovered++;
    self->damaged += data.size != entry_bytes (self);
    return 0;
}

static int recover (journal_bench_t *self)
{
    zf_error_t err = {0};
    if (zf_journal_close (&self->journal) != 0)
        return cli_fail (self->cli, EX_IOERR, "cannot close the journal in %s", self->dir);
    self->options.replay = check_entry;
    self->options.arg = self;
    uint64_t before = bench_now_ns ();
    if (zf_journal_open (&self->journal, &self->options, &err) != 0)
        return fail_call (self, &err);
    self->recovered_ns = bench_now_ns () - before;
    if (self->recovered == 2 * self->count && self->damaged == 0)
        return 0;
    return cli_fail (self->cli, EX_SOFTWARE,
                     "%" PRIu64 " entries came back of %" PRIu64 ", %" PRIu64
                     " of them damaged; that is a bug",
                     self->recovered, 2 * self->count, self->damaged);
}

/* The first segments are being prepared: what is measured is a journal that has some ready. */
static void await_spares (journal_bench_t *self)
{
    zf_journal_stats_t stats;
    struct pollfd stop = {.fd = cli_stop_fd (), .events = POLLIN};
    do {
        zf_journal_stats (self->journal, &stats);
    } while (stats.spares < self->options.spares && !stats.full && !stats.failed &&
             poll (&stop, 1, LOOK_MS) == 0);
}

static int run_rounds (journal_bench_t *self)
{
    await_spares (self);
    int rc = synced_round (self);
    if (rc == 0)
        rc = appended_round (self);
    if (rc == 0 && cli_stopped () != 0)
        return cli_fail (self->cli, EX_TEMPFAIL, "stopped before the end");
    return rc == 0 ? recover (self) : rc;
}

/* -- figures ----------------------------------------------------------------------------------- */

static void set_rate (const journal_bench_t *self, json_t *row, const char *key, double bytes,
                      uint64_t ns)
{
    json_object_set_new (row, key, bench_ratio (self->cli, bytes * 1e3, (double) ns, 1));
}

/* Three figures: NAME_p50_us and so on. */
static void set_latency (const journal_bench_t *self, json_t *row, const char *name, uint64_t *ns)
{
    static const struct {
        const char *suffix;
        double part;
    } figures[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}};
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        char key[32];
        snprintf (key, sizeof key, "%s_%s_us", name, figures[i].suffix);
        double us = bench_percentile_us (ns, self->count, figures[i].part);
        json_object_set_new (row, key, bench_real (self->cli, us, 1));
    }
}

static int report (journal_bench_t *self)
{
    double bytes = (double) self->count * (double) entry_bytes (self);
    json_t *row = json_pack ("{s:s, s:s, s:I, s:I, s:I}", "bench", "journal", "zferry",
                             zf_version (), "size", (json_int_t) self->size, "batch",
                             (json_int_t) self->batch, "count", (json_int_t) self->count);
    uint64_t per_second = bench_per_second (self->count, self->synced_ns);
    set_rate (self, row, "synced_mb_per_s", bytes, self->synced_ns);
    json_object_set_new (row, "syncs_per_s", json_integer ((json_int_t) per_second));
    set_latency (self, row, "sync", self->sync_ns);
    set_latency (self, row, "raw", self->raw_ns);
    set_rate (self, row, "appended_mb_per_s", bytes, self->appended_ns);
    set_rate (self, row, "recovered_mb_per_s", 2 * bytes, self->recovered_ns);
    return cli_print_object (self->cli, columns, row);
}

/* -- beginning and end ------------------------------------------------------------------------- */

static int make_entry (journal_bench_t *self)
{
    self->data = malloc (entry_bytes (self));
    self->parts = calloc (self->batch, sizeof *self->parts);
    self->sync_ns = calloc (self->count, sizeof *self->sync_ns);
    self->raw_ns = calloc (self->count, sizeof *self->raw_ns);
    if (self->data == NULL || self->parts == NULL || self->sync_ns == NULL || self->raw_ns == NULL)
        return cli_fail (self->cli, EX_OSERR, "out of memory");
    for (uint64_t i = 0; i < entry_bytes (self); i++)
        self->data[i] = (unsigned char) (i * 31 + i / 251);
    for (uint64_t i = 0; i < self->batch; i++)
        self->parts[i] = (zf_bytes_t){self->data + i * self->size, self->size};
    return 0;
}

static int open_all (journal_bench_t *self)
{
    zf_error_t err = {0};
    static char path[sizeof self->dir + 8];
    int rc = bench_dir_make (self->cli, cli_text (self->cli, "dir", HERE), self->dir);
    if (rc == 0)
        rc = bench_file_open (self->cli, &self->raw, self->dir, entry_bytes (self));
    if (rc != 0)
        return rc;
    snprintf (path, sizeof path, "%s/journal", self->dir);
    zf_journal_defaults (&self->options);
    self->options.dir = path;
    if (zf_journal_open (&self->journal, &self->options, &err) != 0)
        return fail_call (self, &err);
    return 0;
}

static void close_all (journal_bench_t *self)
{
    zf_journal_close (&self->journal);
    bench_file_close (&self->raw);
    bench_dir_remove (self->dir);
    free (self->data);
    free (self->parts);
    free (self->sync_ns);
    free (self->raw_ns);
}

int bench_journal (const cli_t *cli)
{
    static journal_bench_t self;
    self = (journal_bench_t){
        .cli = cli,
        .raw = {.fd = -1},
        .size = cli_number (cli, "size", SIZE),
        .batch = cli_number (cli, "batch", BATCH),
        .count = cli_number (cli, "count", COUNT),
    };
    if (entry_bytes (&self) > ZF_ENTRY_MAX)
        return cli_misuse (cli, "--size times --batch is more than an entry holds (%u bytes)",
                           ZF_ENTRY_MAX);
    int rc = make_entry (&self);
    if (rc == 0)
        rc = open_all (&self);
    if (rc == 0)
        rc = run_rounds (&self);
    if (rc == 0)
        rc = report (&self);
    close_all (&self);
    return rc;
}
