/* What reviews found of a device's journal: one case for each bug, which failed before its fix. */
#include "tests/devices/stage.h"

#include "core/engine.h"
#include "devices/commit.h"

#include <dirent.h>
#include <stdlib.h>

#define FUTURE_MS UINT64_C (9999999999999) /* of the year 2286 */
#define MIB       (1u << 20)

static char dir[64];

static void make_dir (void)
{
    snprintf (dir, sizeof dir, "/tmp/zferry-test-XXXXXX");
    assert_non_null (mkdtemp (dir));
}

static void forget_dir (void)
{
    DIR *folder = opendir (dir);
    char path[sizeof dir + 256];
    const struct dirent *entry;
    assert_non_null (folder);
    while ((entry = readdir (folder)) != NULL) {
        snprintf (path, sizeof path, "%s/%s", dir, entry->d_name);
        unlink (path);
    }
    closedir (folder);
    assert_int_equal (rmdir (dir), 0);
}

/* A journal there, by an engine at that time. */
static zf_engine_t *open_journal (zf_commit_t *commit, uint64_t now_ms, uint64_t disk_bytes)
{
    zf_engine_options_t options;
    zf_commit_options_t own = {.journal = dir, .sync = ZF_SYNC_NEVER, .disk_bytes = disk_bytes};
    zf_engine_defaults (&options);
    zf_engine_t *engine = zf_engine_new (&options);
    assert_non_null (engine);
    if (zf_commit_open (commit, engine, &own, now_ms, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    zf_engine_tick (engine, now_ms);
    zf_commit_collect (commit);
    return engine;
}

/* A record with a body of that size. */
static void put (zf_engine_t *engine, const char *queue, size_t size)
{
    int code;
    zf_queue_t *found = zf_engine_queue (engine, zf_bytes_of (queue), &code);
    uint8_t *body = calloc (1, size);
    uint8_t *encoded = malloc (zf_record_size (0, size));
    assert_non_null (found);
    assert_non_null (body);
    assert_non_null (encoded);
    zf_record_encode (encoded, zf_bytes (NULL, 0), zf_bytes (body, size));
    zf_bytes_t bytes = zf_bytes (encoded, zf_record_size (0, size));
    assert_int_equal (zf_queue_put_one (found, bytes), 0);
    free (encoded);
    free (body);
}

static void close_journal (zf_commit_t *commit, zf_engine_t *engine)
{
    zf_commit_close (commit);
    zf_engine_free (&engine);
}

/* The clock of the machine was ahead in the last run. */
static void broker_on_a_clock_that_went_back_goes_on_in_time (void **state)
{
    zf_commit_t commit;
    make_dir ();
    zf_engine_t *engine = open_journal (&commit, FUTURE_MS, 0);
    put (engine, "jobs", 1);
    zf_engine_decide (engine);
    zf_commit_run (&commit);
    close_journal (&commit, engine);
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.journal = dir;
    zf_device_t *broker = start_broker (&options);
    zf_props_t props;
    zf_props_defaults (&props);
    props.delay_ms = 20;
    zf_client_t *client = open_client (broker);
    assert_int_equal (zf_client_post (client, "late", "x", 1, &props, &stage.err), 0);
    zf_worker_t *worker = open_worker (broker, "late", 1);
    zf_message_t message;
    assert_int_equal (zf_worker_recv (worker, &message, 10000, &stage.err), 0);
    stage_clear (state);
    forget_dir ();
}

static bool has_room (zf_commit_t *commit, uint64_t bytes)
{
    zf_commit_collect (commit);
    return commit->engine->store.room > bytes;
}

/* An entry that had to be larger than others will ever be does not take the room of all of them. */
static void large_entry_leaves_room_for_others (void **state)
{
    (void) state;
    zf_commit_t commit;
    make_dir ();
    zf_engine_t *engine = open_journal (&commit, 1000, 512u * MIB);
    zf_commit_collect (&commit);
    for (int i = 0; i < 56; i++)
        put (engine, "jobs", MIB);
    zf_engine_decide (engine);
    zf_commit_run (&commit);
    AWAIT (has_room (&commit, 16u * MIB));
    close_journal (&commit, engine);
    forget_dir ();
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (broker_on_a_clock_that_went_back_goes_on_in_time),
        cmocka_unit_test (large_entry_leaves_room_for_others),
    };
    return cmocka_run_group_tests_name ("review of the journal", tests, NULL, NULL);
}
