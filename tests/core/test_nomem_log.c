/* Memory that runs out under a broker with a log: a scene is played again and again, each time
 * another allocation fails, until none is left. What was confirmed is in the log all the same, and
 * the log can be read; reading it without memory says so. */
#include "tests/core/alloc.h"
#include "tests/core/audit.h"
#include "tests/core/rig_log.h"

#include <utlist.h>

#define RECORDS 24

typedef struct {
    rig_t *rig;
    peer_t *p, *w;
    bool confirmed[RECORDS + 1]; /* by number */
    bool settled[RECORDS + 1];   /* a worker has said what becomes of it: it may be gone */
    bool delivered[RECORDS + 1];
} scene_t;

static scene_t scene_new (void)
{
    const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 300};
    scene_t scene = {.rig = rig_new_logged (NULL, &log)};
    zf_policy_t policy = rig_policy ();
    policy.ordered = true;
    rig_declare (scene.rig, "jobs", &policy);
    scene.p = rig_peer (scene.rig, "p");
    scene.w = rig_peer (scene.rig, "w");
    return scene;
}

static uint64_t number_of (zf_bytes_t body)
{
    char text[16] = "";
    memcpy (text, body.data, body.size < sizeof text ? body.size : sizeof text - 1);
    return text[0] == 'r' ? strtoull (text + 1, NULL, 10) : 0;
}

static void read_confirms (scene_t *scene)
{
    const letter_t *letter;
    DL_FOREACH (scene->p->inbox, letter) {
        zf_reader_t r = zf_reader (letter->control);
        zf_mp_array (&r);
        if (zf_mp_uint (&r) != ZF_CMD_CONFIRM)
            continue;
        zf_mp_skip (&r);
        uint64_t first = zf_mp_uint (&r);
        uint64_t count = zf_mp_uint (&r);
        if (zf_mp_uint (&r) == 0)
            for (uint64_t i = first; i < first + count && i <= RECORDS; i++)
                scene->confirmed[i] = true;
    }
    peer_forget_letters (scene->p);
}

/* Settles what has come: one is acknowledged, one given back once, one refused, one kept. */
static void work (scene_t *scene)
{
    while (scene->w->inbox != NULL) {
        zf_reader_t r = zf_reader (scene->w->inbox->control);
        zf_batch_t batch;
        zf_record_t record;
        zf_mp_array (&r);
        bool delivery = zf_mp_uint (&r) == ZF_CMD_DELIVER;
        if (!delivery || zf_batch_decode (scene->w->inbox->body, &batch) != 0) {
            peer_forget_letters (scene->w);
            return;
        }
        zf_record_decode (batch.records, batch.records + batch.size, &record);
        uint64_t number = number_of (record.body);
        uint64_t first, count;
        take_batch (scene->w, &first, &count);
        bool again = scene->delivered[number];
        scene->delivered[number] = true;
        scene->settled[number] = number % 4 == 0 || number % 4 == 2;
        if (number % 4 == 0) {
            peer_settle (scene->w, ZF_CMD_ACK, "jobs", first, 1);
        } else if (number % 4 == 1 && !again) {
            peer_settle (scene->w, ZF_CMD_RELEASE, "jobs", first, 1);
        } else if (number % 4 == 2) {
            zf_writer_t w = wire_control (ZF_CMD_REJECT, 4);
            wire_put_text (&w, "jobs");
            wire_put_text (&w, "torn");
            zf_mp_put_uint (&w, first);
            zf_mp_put_uint (&w, 1);
            peer_write (scene->w, &w, NULL);
        }
    }
}

static void post (scene_t *scene, uint32_t number)
{
    char body[16];
    char key[2] = {(char) ('a' + number % 3), '\0'};
    zf_props_t props;
    zf_props_defaults (&props);
    snprintf (body, sizeof body, "r%u", number);
    if (number % 3 == 0)
        props.key = zf_bytes_of (key);
    if (number % 5 == 0)
        props.delay_ms = 50;
    if (number % 4 == 1)
        props.ttl_ms = 1000000;
    if (number % 6 == 1)
        props.id = zf_bytes_of (body);
    peer_post_props (scene->p, "jobs", body, &props);
}

static void post_atomic (scene_t *scene, uint64_t number)
{
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    zf_mp_put_uint (&w, number);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_array (&w, 4);
    wire_put_text (&w, "jobs");
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, "mail");
    zf_mp_put_uint (&w, 1);
    peer_write (scene->p, &w, wire_batch (1, "A1 A2", NULL));
}

static void play (scene_t *scene)
{
    for (uint32_t i = 1; i <= RECORDS; i++) {
        if (i == RECORDS / 3)
            peer_consume (scene->w, "jobs", 3);
        post (scene, i);
        if (i % 8 == 0)
            post_atomic (scene, i / 8);
        if (i % 5 == 0)
            rig_advance (scene->rig, 20);
        read_confirms (scene);
        work (scene);
    }
}

/* -- what must be left ------------------------------------------------------------------------- */

static void look (rig_t *rig, bool seen[RECORDS + 1])
{
    zf_queue_t *queue = zf_engine_find (rig->engine, zf_bytes_of ("jobs"));
    zf_sight_t sight;
    assert_non_null (queue);
    for (uint64_t id = 0; zf_queue_peek (queue, id, &sight); id = sight.id + 1) {
        uint64_t number = number_of (sight.record.body);
        if (number == 0)
            continue;
        assert_false (seen[number]); /* twice */
        seen[number] = true;
    }
}

static void check (scene_t *scene)
{
    bool seen[RECORDS + 1] = {false};
    rig_crash (scene->rig); /* and all that is left of it is the log */
    look (scene->rig, seen);
    for (uint32_t i = 1; i <= RECORDS; i++) {
        if (scene->confirmed[i] && !scene->settled[i] && !seen[i])
            fail_msg ("record %u was confirmed, and is lost", i);
        if (scene->delivered[i] && !scene->settled[i] && !seen[i])
            fail_msg ("record %u was delivered, and is lost", i);
    }
}

static void allocation_fails_and_nothing_confirmed_is_lost (void **state)
{
    (void) state;
    bool all_went_well = false;
    int failed_logs = 0;
    for (size_t n = 1; !all_went_well; n++) {
        scene_t scene = scene_new ();
        alloc_fail (n, 1 + n % 3);
        play (&scene);
        all_went_well = alloc_failures () == 0;
        alloc_fail (0, 0);
        failed_logs += scene.rig->engine->store.failed;
        check (&scene);
        rig_free (scene.rig);
    }
    print_message ("the log failed %d times\n", failed_logs);
}

static void log_that_fails_for_memory_is_told (void **state)
{
    (void) state;
    scene_t scene = scene_new ();
    zf_engine_log_failed (scene.rig->engine, ZF_E_NOMEM, "out of memory");
    rig_turn (scene.rig);
    assert_non_null (strstr (scene.rig->notices, "out of memory"));
    post (&scene, 1);
    assert_refused (scene.p, "jobs", 1, 1, ZF_E_IO);
    rig_free (scene.rig);
}

/* -- reading without memory -------------------------------------------------------------------- */

/* Returns whether all of it could be read. */
static bool read_back (const rig_t *rig)
{
    static const uint8_t uuid[ZF_UUID_BYTES] = "log";
    const struct rig_log *log = rig->log;
    zf_log_options_t options = log->log;
    zf_error_t err;
    int rc = 0;
    options.now_ms = rig->now_ms;
    zf_engine_t *engine = zf_engine_new (&log->options);
    zf_engine_log_open (engine, &options);
    alloc_enter ();
    for (size_t i = 0; i < log->count && rc == 0; i++)
        rc = zf_engine_replay (engine, log->shelf[i].lsn,
                               zf_bytes (log->shelf[i].data, log->shelf[i].size), &err);
    if (rc == 0) {
        zf_engine_recovered (engine, uuid, log->shelf[log->count - 1].lsn + 65536, false);
        audit_engine (engine);
    } else {
        if (rc != ZF_E_NOMEM)
            fail_msg ("%d: %s", rc, err.text);
        assert_non_null (strstr (err.text, "out of memory"));
    }
    alloc_leave ();
    zf_engine_free (&engine);
    return rc == 0 && alloc_failures () == 0;
}

static void log_read_without_memory_says_so (void **state)
{
    (void) state;
    scene_t scene = scene_new ();
    bool whole = false;
    play (&scene);
    for (size_t n = 1; !whole; n++) {
        alloc_fail (n, 1);
        whole = read_back (scene.rig);
    }
    alloc_fail (0, 0);
    rig_free (scene.rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (allocation_fails_and_nothing_confirmed_is_lost),
        cmocka_unit_test (log_that_fails_for_memory_is_told),
        cmocka_unit_test (log_read_without_memory_says_so),
    };
    return cmocka_run_group_tests_name ("nomem_log", tests, NULL, NULL);
}
