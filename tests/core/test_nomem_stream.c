/* Memory that runs out while streams are written, read and worked on: the same scene again and
 * again, each time another allocation fails. Afterwards there is memory again and everybody does
 * what the protocol tells them to; then all that was confirmed has been read once and in order, and
 * a group has worked on it. */
#include "tests/core/alloc.h"
#include "tests/core/audit.h"
#include "tests/core/events.h"
#include "tests/core/rig_log.h"

#include <utlist.h>

#define RECORDS 24
#define ROUNDS  30 /* after which all must be well */

typedef struct {
    peer_t *peer;
    const char *pattern; /* "": everything */
    uint64_t position, missed;
    bool is_lost; /* it has to subscribe again */
    uint32_t got[RECORDS + 1];
    uint32_t last;
} subscriber_t;

typedef struct {
    rig_t *rig;
    peer_t *p, *w;
    subscriber_t all, some;
    bool confirmed[RECORDS + 1]; /* by number */
    bool refused[RECORDS + 1];
    bool done[RECORDS + 1];
} scene_t;

static uint32_t number_of (zf_bytes_t body)
{
    char text[16] = "";
    memcpy (text, body.data, body.size < sizeof text ? body.size : sizeof text - 1);
    return text[0] == 'r' ? (uint32_t) strtoul (text + 1, NULL, 10) : 0;
}

/* -- publishing -------------------------------------------------------------------------------- */

static const char *topic_of (uint32_t number)
{
    return number % 3 == 0 ? "t.some" : "t.other.most";
}

static void send_record (scene_t *scene, uint32_t number, const char *stream)
{
    char body[16];
    char key[2] = {(char) ('a' + number % 3), '\0'};
    zf_props_t props;
    zf_props_defaults (&props);
    props.topic = zf_bytes_of (topic_of (number));
    props.key = zf_bytes_of (key);
    snprintf (body, sizeof body, "r%u", number);
    if (number % 6 == 1)
        props.id = zf_bytes_of (body);
    zf_writer_t w = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&w, stream);
    zf_mp_put_uint (&w, 1);
    peer_write (scene->p, &w, wire_batch (number, body, &props));
}

static void send_bulk (scene_t *scene, uint64_t first)
{
    zf_writer_t w = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&w, "short");
    zf_mp_put_uint (&w, 1);
    peer_write (scene->p, &w, wire_bulk (first, 20, 600));
}

static void read_confirms (scene_t *scene)
{
    const letter_t *letter;
    DL_FOREACH (scene->p->inbox, letter) {
        zf_reader_t r = zf_reader (letter->control);
        zf_mp_array (&r);
        bool is_confirm = zf_mp_uint (&r) == ZF_CMD_CONFIRM;
        if (!is_confirm || !zf_bytes_equal (zf_mp_bytes (&r), zf_bytes_of ("s")))
            continue;
        uint64_t first = zf_mp_uint (&r);
        uint64_t count = zf_mp_uint (&r);
        bool *what = zf_mp_uint (&r) == 0 ? scene->confirmed : scene->refused;
        for (uint64_t i = first; i < first + count && i <= RECORDS; i++)
            what[i] = true;
    }
    peer_forget_letters (scene->p);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void subscribe (subscriber_t *subscriber)
{
    subscriber->is_lost = false;
    events_subscribe (subscriber->peer, "s", ZF_FROM_OFFSET, subscriber->position,
                      subscriber->pattern);
}

static void see (subscriber_t *subscriber, zf_bytes_t body)
{
    zf_batch_t batch;
    assert_int_equal (zf_batch_decode (body, &batch), 0);
    const uint8_t *at = batch.records;
    for (uint32_t i = 0; i < batch.count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, batch.records + batch.size, &record);
        uint32_t number = number_of (record.body);
        assert_in_range (number, subscriber->last + 1, RECORDS);
        subscriber->last = number;
        subscriber->got[number]++;
    }
}

static void read_events (subscriber_t *subscriber, zf_reader_t *r, zf_bytes_t body)
{
    zf_mp_uint (r);
    uint64_t from = zf_mp_uint (r);
    uint64_t to = zf_mp_uint (r);
    uint64_t missed = zf_mp_uint (r);
    subscriber->is_lost |= from > subscriber->position; /* some were lost on the way */
    if (subscriber->is_lost || to <= subscriber->position)
        return;
    assert_int_equal (from, subscriber->position);
    subscriber->position = to;
    subscriber->missed += missed;
    if (body.data != NULL)
        see (subscriber, body);
}

static void read_subscribed (subscriber_t *subscriber, zf_reader_t *r)
{
    zf_mp_uint (r);
    subscriber->is_lost = zf_mp_uint (r) != 0;
    zf_mp_skip (r);
    uint64_t next = zf_mp_uint (r);
    if (!subscriber->is_lost)
        subscriber->position = next;
}

static void read_all (subscriber_t *subscriber)
{
    const letter_t *letter;
    DL_FOREACH (subscriber->peer->inbox, letter) {
        zf_reader_t r = zf_reader (letter->control);
        zf_mp_array (&r);
        zf_mp_uint (&r);
        if (letter->command == ZF_CMD_EVENTS)
            read_events (subscriber, &r, letter->body);
        else if (letter->command == ZF_CMD_SUBSCRIBED)
            read_subscribed (subscriber, &r);
    }
    peer_forget_letters (subscriber->peer);
    reader_t reader = {.peer = subscriber->peer, .number = 1, .position = subscriber->position};
    events_read (&reader);
}

/* -- working ----------------------------------------------------------------------------------- */

/* Most are acknowledged, every fourth after it was given back once. */
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
        zf_mp_skip (&r);
        zf_mp_uint (&r);
        bool again = zf_mp_uint (&r) > 1;
        zf_record_decode (batch.records, batch.records + batch.size, &record);
        uint32_t number = number_of (record.body);
        uint64_t first, count;
        take_batch (scene->w, &first, &count);
        if (number % 4 == 1 && !again) {
            zf_writer_t w = wire_control (ZF_CMD_NACK, 4);
            wire_put_text (&w, "s@g");
            zf_mp_put_int (&w, 10);
            zf_mp_put_uint (&w, first);
            zf_mp_put_uint (&w, count);
            peer_write (scene->w, &w, NULL);
        } else {
            scene->done[number] = true;
            peer_settle (scene->w, ZF_CMD_ACK, "s@g", first, count);
        }
    }
}

/* -- the scene --------------------------------------------------------------------------------- */

static scene_t scene_new (void)
{
    const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 3000};
    scene_t scene = {.rig = rig_new_logged (NULL, &log)};
    rig_t *rig = scene.rig;
    zf_policy_t policy = events_policy (0, 0, 0);
    policy.ordered = true;
    rig_declare (rig, "s", &policy);
    policy = events_policy (30, 0, 1000);
    rig_declare (rig, "short", &policy);
    policy = events_policy (0, 0, 0);
    policy.compact = true;
    rig_declare (rig, "last", &policy);
    scene.p = rig_peer (rig, "p");
    scene.w = rig_peer (rig, "w");
    scene.all = (subscriber_t){.peer = rig_peer (rig, "all"), .pattern = ""};
    scene.some = (subscriber_t){.peer = rig_peer (rig, "some"), .pattern = "t.* never"};
    scene.all.position = scene.some.position = rig_info (rig, "s").first;
    return scene;
}

static void play (scene_t *scene)
{
    for (uint32_t i = 1; i <= RECORDS; i++) {
        if (i == 2)
            subscribe (&scene->all);
        if (i == RECORDS / 3)
            peer_consume (scene->w, "s@g", 3);
        if (i == RECORDS / 2)
            subscribe (&scene->some);
        if (i == 5)
            events_await (scene->all.peer, 9, "s", "t.x", 3, 0);
        send_record (scene, i, "s");
        send_record (scene, i, "last");
        if (i % 6 == 0)
            send_bulk (scene, 20 * (i / 6 - 1) + 1);
        if (i % 5 == 0)
            rig_advance (scene->rig, 20);
        read_confirms (scene);
        read_all (&scene->all);
        read_all (&scene->some);
        work (scene);
    }
}

static void revive (peer_t *peer)
{
    if (peer->session != NULL)
        return;
    peer_reconnect (peer);
    assert_non_null (peer->session);
}

static void revive_subscriber (subscriber_t *subscriber)
{
    bool gone = subscriber->peer->session == NULL;
    revive (subscriber->peer);
    if (gone || subscriber->is_lost || subscriber->peer->session->subscriptions == NULL) {
        peer_forget_letters (subscriber->peer);
        subscribe (subscriber);
    }
    read_all (subscriber);
}

static void recover (scene_t *scene)
{
    for (int i = 0; i < ROUNDS; i++) {
        revive (scene->p);
        revive (scene->w);
        for (uint32_t n = 1; n <= RECORDS; n++) /* those that are known are confirmed again */
            if (!scene->confirmed[n] && !scene->refused[n])
                send_record (scene, n, "s");
        read_confirms (scene);
        peer_consume (scene->w, "s@g", 5);
        work (scene);
        revive_subscriber (&scene->all);
        revive_subscriber (&scene->some);
        rig_advance (scene->rig, 1500);
        work (scene);
    }
}

static void check (const scene_t *scene)
{
    for (uint32_t i = 1; i <= RECORDS; i++) {
        assert_true (scene->confirmed[i] != scene->refused[i]);
        if (scene->all.got[i] != scene->confirmed[i])
            fail_msg ("record %u was read %u times", i, scene->all.got[i]);
        if (scene->some.got[i] != (scene->confirmed[i] && i % 3 == 0))
            fail_msg ("record %u was read %u times of those that match", i, scene->some.got[i]);
        if (scene->confirmed[i] && !scene->done[i])
            fail_msg ("record %u was not worked on", i);
    }
    assert_int_equal (scene->all.missed + scene->some.missed, 0);
    zf_queue_info_t info = rig_info (scene->rig, "s@g");
    assert_int_equal (info.lag + info.missed + info.dead, 0);
}

/* The log says the same. */
static void check_log (const scene_t *scene)
{
    uint32_t seen[RECORDS + 1] = {0};
    rig_crash (scene->rig);
    zf_queue_t *queue = zf_engine_find (scene->rig->engine, zf_bytes_of ("s"));
    zf_sight_t sight;
    for (uint64_t id = 0; zf_queue_peek (queue, id, &sight); id = sight.id + 1)
        seen[number_of (sight.record.body)]++;
    for (uint32_t i = 1; i <= RECORDS; i++)
        if (seen[i] != scene->confirmed[i])
            fail_msg ("record %u is %u times in the log", i, seen[i]);
    assert_int_equal (rig_info (scene->rig, "s@g").lag, 0);
    assert_int_equal (rig_info (scene->rig, "last").length, 3);
}

static void scene_with_memory_is_complete (void **state)
{
    (void) state;
    scene_t scene = scene_new ();
    play (&scene);
    recover (&scene);
    check (&scene);
    for (uint32_t i = 1; i <= RECORDS; i++)
        assert_true (scene.confirmed[i]);
    check_log (&scene);
    rig_free (scene.rig);
}

static void allocations_fail (size_t times)
{
    bool all_went_well = false;
    for (size_t n = 1; !all_went_well; n++) {
        scene_t scene = scene_new ();
        alloc_fail (n, times);
        play (&scene);
        all_went_well = alloc_failures () == 0;
        alloc_fail (0, 0);
        if (!scene.rig->engine->store.failed) { /* then nothing is durable any more */
            recover (&scene);
            check (&scene);
            if (all_went_well)
                check_log (&scene);
        }
        rig_free (scene.rig);
    }
}

static void each_allocation_may_fail (void **state)
{
    (void) state;
    allocations_fail (1);
}

static void three_in_a_row_may_fail (void **state)
{
    (void) state;
    allocations_fail (3);
}

/* -- atomic posts ------------------------------------------------------------------------------ */

static void post_both (peer_t *p)
{
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_array (&w, 4);
    wire_put_text (&w, "s");
    zf_mp_put_uint (&w, 2);
    wire_put_text (&w, "q");
    zf_mp_put_uint (&w, 1);
    peer_write (p, &w, wire_batch (1, "a b c", NULL));
}

/* Plays it with the n-th allocation failing; returns whether none did. */
static bool post_with_failure (size_t n)
{
    rig_t *rig = rig_new_logged (NULL, NULL);
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "before");
    reader_t r = events_subscribe (rig_peer (rig, "r"), "s", ZF_FROM_FIRST, 0, "");
    assert_subscribed (&r, 0);
    assert_events (&r, "before");
    alloc_fail (n, 1);
    post_both (p);
    bool all_went_well = alloc_failures () == 0;
    alloc_fail (0, 0);
    if (p->session == NULL)
        peer_reconnect (p);
    peer_forget_letters (p);
    if (!rig->engine->store.failed)
        peer_post (rig_peer (rig, "o"), "s", "after");
    bool there = rig_info (rig, "q").length > 0;
    const char *all = there ? "before a b after" : "before after";
    if (!rig->engine->store.failed) {
        assert_string_equal (rig_bodies (rig, "s"), all);
        if (r.peer->session != NULL)
            assert_events (&r, there ? "a b after" : "after");
        rig_crash (rig);
        assert_string_equal (rig_bodies (rig, "s"), all);
    }
    rig_free (rig);
    return all_went_well;
}

static void atomic_post_without_memory_is_whole_or_not_there (void **state)
{
    (void) state;
    for (size_t n = 1; !post_with_failure (n); n++)
        ;
}

/* -- reading the log without memory ------------------------------------------------------------ */

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
    } else if (rc != ZF_E_NOMEM || strstr (err.text, "out of memory") == NULL) {
        fail_msg ("%d: %s", rc, err.text);
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
        cmocka_unit_test (scene_with_memory_is_complete),
        cmocka_unit_test (each_allocation_may_fail),
        cmocka_unit_test (three_in_a_row_may_fail),
        cmocka_unit_test (atomic_post_without_memory_is_whole_or_not_there),
        cmocka_unit_test (log_read_without_memory_says_so),
    };
    return cmocka_run_group_tests_name ("nomem_stream", tests, NULL, NULL);
}
