/* Memory that runs out: a long scene is played again and again, and each time another allocation
 * fails (and some that follow), until the scene needs no more.
 *
 * Then there is memory again, and everybody does what the protocol tells them to: come back, send
 * again what was not confirmed. In the end nothing that was confirmed may be missing, and nothing
 * may be left behind. */
#include "tests/core/alloc.h"
#include "tests/core/rig.h"

#define ITEMS_MAX 40
#define REQUESTS  4

/* What the worker does with a record is the first letter of its body. */
enum { ACK = 'a', NACK_ONCE = 'n', REJECT = 'r', RELEASE_ONCE = 'l', EXPIRE = 'e', ANSWER = 'q' };

/* A record that is posted. */
typedef struct {
    const char *queue;
    char body[8];
    zf_props_t props;
    uint64_t number;
    bool confirmed;
    bool refused;
    bool accounted; /* seen by the worker, or in the dead-letter queue */
} item_t;

typedef struct {
    rig_t *rig;
    peer_t *producer, *worker, *client, *boss;
    item_t items[ITEMS_MAX];
    size_t count;
    uint64_t atomic;  /* last number of an atomic post */
    bool atomic_done; /* it was confirmed */
    bool atomic_refused;
    uint32_t atomic_parts; /* records of it that the worker saw */
    bool released;         /* the one that is released once */
    bool answered[REQUESTS + 1];
} world_t;

/* -- the producer ------------------------------------------------------------------------------ */

static void send_item (world_t *world, const item_t *item)
{
    zf_writer_t w = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&w, item->queue);
    zf_mp_put_uint (&w, 1);
    peer_write (world->producer, &w, wire_batch (item->number, item->body, &item->props));
}

static void post (world_t *world, const char *queue, char verb, const zf_props_t *props)
{
    item_t *item = &world->items[world->count];
    uint64_t number = 1;
    for (size_t i = 0; i < world->count; i++)
        number += strcmp (world->items[i].queue, queue) == 0;
    snprintf (item->body, sizeof item->body, "%c%zu", verb, world->count);
    item->queue = queue;
    item->number = number;
    item->props = *props;
    world->count++;
    send_item (world, item);
}

static void post_atomic (world_t *world)
{
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    zf_mp_put_uint (&w, world->atomic);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_array (&w, 4);
    wire_put_text (&w, "jobs");
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, "mail");
    zf_mp_put_uint (&w, 1);
    peer_write (world->producer, &w, wire_batch (1, "A1 A2", NULL));
}

static item_t *item_of (world_t *world, zf_bytes_t queue, uint64_t number)
{
    for (size_t i = 0; i < world->count; i++)
        if (zf_bytes_equal (zf_bytes_of (world->items[i].queue), queue) &&
            world->items[i].number == number)
            return &world->items[i];
    return NULL;
}

static void read_confirm (world_t *world, zf_reader_t *r)
{
    zf_bytes_t queue = zf_mp_bytes (r);
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    uint64_t code = zf_mp_uint (r);
    for (uint64_t number = first; number < first + count; number++) {
        item_t *item = item_of (world, queue, number);
        assert_non_null (item);
        item->confirmed |= code == 0;
        item->refused |= code != 0;
        assert_false (item->confirmed && item->refused);
    }
}

static void read_done (world_t *world, zf_reader_t *r)
{
    assert_int_equal (zf_mp_uint (r), world->atomic);
    bool refused = zf_mp_uint (r) != 0;
    world->atomic_refused |= refused;
    world->atomic_done |= !refused;
    assert_false (world->atomic_done && world->atomic_refused);
}

/* -- the worker -------------------------------------------------------------------------------- */

static void account (world_t *world, zf_bytes_t body)
{
    if (*(const char *) body.data == 'A')
        world->atomic_parts++;
    for (size_t i = 0; i < world->count; i++)
        if (zf_bytes_equal (zf_bytes_of (world->items[i].body), body))
            world->items[i].accounted = true;
}

static void answer (world_t *world, uint64_t id, bool more)
{
    zf_writer_t w = wire_control (ZF_CMD_ANSWER, 2);
    wire_put_text (&w, "echo");
    zf_mp_put_bool (&w, more);
    peer_write (world->worker, &w, wire_batch (id, "x", NULL));
}

static void nack (world_t *world, const char *queue, uint64_t id)
{
    zf_writer_t w = wire_control (ZF_CMD_NACK, 4);
    wire_put_text (&w, queue);
    zf_mp_put_int (&w, -1);
    zf_mp_put_uint (&w, id);
    zf_mp_put_uint (&w, 1);
    peer_write (world->worker, &w, NULL);
}

static void reject (world_t *world, const char *queue, uint64_t id)
{
    zf_writer_t w = wire_control (ZF_CMD_REJECT, 4);
    wire_put_text (&w, queue);
    wire_put_text (&w, "torn");
    zf_mp_put_uint (&w, id);
    zf_mp_put_uint (&w, 1);
    peer_write (world->worker, &w, NULL);
}

static void work (world_t *world, const char *queue, uint64_t id, uint64_t attempt, zf_bytes_t body)
{
    char verb = *(const char *) body.data;
    if (verb == NACK_ONCE && attempt == 1) {
        nack (world, queue, id);
    } else if (verb == RELEASE_ONCE && !world->released) {
        world->released = true;
        peer_settle (world->worker, ZF_CMD_RELEASE, queue, id, 1);
    } else if (verb == REJECT && strcmp (queue, "jobs") == 0) {
        reject (world, queue, id);
    } else if (verb == ANSWER) {
        answer (world, id, true);
        answer (world, id, false);
    } else {
        account (world, body);
        peer_settle (world->worker, ZF_CMD_ACK, queue, id, 1);
    }
}

static void read_delivery (world_t *world, zf_reader_t *r, zf_bytes_t body)
{
    char queue[32];
    zf_batch_t batch;
    zf_record_t record;
    zf_bytes_t name = zf_mp_bytes (r);
    snprintf (queue, sizeof queue, "%.*s", (int) name.size, (const char *) name.data);
    uint64_t id = zf_mp_uint (r);
    uint64_t attempt = zf_mp_uint (r);
    assert_int_equal (zf_batch_decode (body, &batch), 0);
    const uint8_t *at = batch.records;
    for (uint32_t i = 0; i < batch.count; i++) {
        at = zf_record_decode (at, batch.records + batch.size, &record);
        work (world, queue, id + i, attempt, record.body);
    }
}

/* -- everybody --------------------------------------------------------------------------------- */

static void read_reply (world_t *world, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    zf_mp_uint (r);
    if (!zf_mp_bool (r))
        world->answered[number] = true;
}

static void read_letter (world_t *world, peer_t *peer, const letter_t *letter)
{
    zf_reader_t r = zf_reader (letter->control);
    zf_mp_array (&r);
    zf_mp_uint (&r);
    if (letter->command == ZF_CMD_CONFIRM)
        read_confirm (world, &r);
    else if (letter->command == ZF_CMD_DONE)
        read_done (world, &r);
    else if (letter->command == ZF_CMD_REPLY)
        read_reply (world, &r);
    else if (letter->command == ZF_CMD_DELIVER && peer->session != NULL)
        read_delivery (world, &r, letter->body);
}

/* Reads what lies in the inbox, and what comes while that is read. */
static void read_inbox (world_t *world, peer_t *peer)
{
    while (peer->inbox != NULL) {
        letter_t *letters = peer->inbox;
        peer->inbox = NULL;
        for (letter_t *letter = letters; letter != NULL; letter = letter->next)
            read_letter (world, peer, letter);
        letter_t *rest = peer->inbox;
        peer->inbox = letters;
        peer_forget_letters (peer);
        peer->inbox = rest;
    }
}

static void read_all (world_t *world)
{
    read_inbox (world, world->producer);
    read_inbox (world, world->worker);
    read_inbox (world, world->client);
    read_inbox (world, world->boss);
}

static void ask (world_t *world, uint64_t number, uint64_t ttl_ms)
{
    zf_writer_t w = wire_control (ZF_CMD_REQUEST, 3);
    wire_put_text (&w, "echo");
    zf_mp_put_uint (&w, ttl_ms);
    zf_mp_put_uint (&w, 0);
    peer_write (world->client, &w, wire_batch (number, "q", NULL));
}

static void take_up_work (world_t *world)
{
    peer_consume (world->worker, "jobs", 3);
    peer_consume (world->worker, "mail", 3);
    peer_consume (world->worker, "echo", 1);
}

static void reconnect_client (world_t *world)
{
    peer_reconnect (world->client);
    for (uint64_t number = 1; number <= REQUESTS; number++)
        if (!world->answered[number])
            ask (world, number, 0);
}

static bool is_well (const peer_t *peer)
{
    return peer->session != NULL && peer->session->greeted;
}

static void come_back (world_t *world)
{
    if (!is_well (world->producer)) {
        peer_reconnect (world->producer);
        for (size_t i = 0; i < world->count; i++)
            if (!world->items[i].confirmed && !world->items[i].refused)
                send_item (world, &world->items[i]);
        if (world->atomic > 0 && !world->atomic_done && !world->atomic_refused)
            post_atomic (world);
    }
    if (!is_well (world->client))
        reconnect_client (world);
    if (!is_well (world->boss))
        peer_reconnect (world->boss);
    if (!is_well (world->worker)) {
        peer_reconnect (world->worker);
        take_up_work (world);
    }
    read_all (world);
}

/* -- the scene --------------------------------------------------------------------------------- */

static void declare (world_t *world)
{
    zf_writer_t argument = {0};
    zf_policy_t policy = rig_policy ();
    policy.priorities = 2;
    policy.ordered = true;
    policy.lease_ms = 5000;
    policy.ttl_ms = 600000;
    policy.max_length = 12;
    zf_policy_encode (&argument, &policy);
    peer_admin (world->boss, "declare", "jobs", &argument);
}

/* Records with everything that can be special about one. */
static void post_all_kinds (world_t *world)
{
    zf_props_t plain, props;
    zf_props_defaults (&plain);
    props = plain;
    props.key = zf_bytes_of ("red");
    for (int i = 0; i < 3; i++)
        post (world, "jobs", ACK, &props);
    post (world, "jobs", NACK_ONCE, &props);
    post (world, "mail", ACK, &plain);
    props = plain;
    props.id = zf_bytes_of ("order-1");
    post (world, "jobs", RELEASE_ONCE, &props);
    props = plain;
    props.delay_ms = 700;
    props.priority = 1;
    post (world, "jobs", ACK, &props);
    props = plain;
    props.ttl_ms = 300;
    props.delay_ms = 400;
    post (world, "jobs", EXPIRE, &props);
    post (world, "jobs", REJECT, &plain);
    for (int i = 0; i < 8; i++) /* some of them have to wait */
        post (world, "jobs", i % 2 ? NACK_ONCE : ACK, &plain);
}

static void play (world_t *world)
{
    rig_t *rig = world->rig;
    declare (world);
    post_all_kinds (world);
    come_back (world);
    rig_advance (rig, 100);
    take_up_work (world);
    world->atomic = 1;
    post_atomic (world);
    for (uint64_t number = 1; number <= REQUESTS; number++)
        ask (world, number, number == 1 ? 50 : 0);
    read_all (world);
    rig_advance (rig, 500);
    read_all (world);
    peer_admin (world->boss, "queues", "", NULL);
    peer_admin (world->boss, "stats", "", NULL);
    zf_writer_t argument = {0};
    zf_mp_put_array (&argument, 2);
    zf_mp_put_uint (&argument, 0);
    zf_mp_put_uint (&argument, 10);
    peer_admin (world->boss, "peek", "jobs", &argument);
    if (world->worker->session != NULL)
        peer_drop (world->worker);
    come_back (world);
    reconnect_client (world);
    rig_advance (rig, 500);
    come_back (world);
}

/* There is memory again: everybody goes on until all is done. */
static void recover (world_t *world)
{
    for (int i = 0; i < 30; i++) {
        come_back (world);
        rig_advance (world->rig, 1000);
        read_all (world);
    }
    peer_consume (world->worker, "jobs.dead", 100);
    read_all (world);
}

static void check (const world_t *world, size_t n)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < world->count; i++) {
        const item_t *item = &world->items[i];
        if (!item->confirmed && !item->refused)
            fail_msg ("allocation %zu: %s was neither confirmed nor refused", n, item->body);
        if (item->refused && item->accounted)
            fail_msg ("allocation %zu: %s was refused, and done", n, item->body);
        if (item->confirmed && !item->accounted)
            missing++;
    }
    uint64_t dropped =
        rig_info (world->rig, "jobs").dropped; /* dead letters that found no memory */
    if (missing > dropped)
        fail_msg ("allocation %zu: %d confirmed records are missing", n, (int) missing);
    if (world->atomic_refused && world->atomic_parts > 0)
        fail_msg ("allocation %zu: part of an atomic post that was refused is there", n);
    if (world->atomic_done && world->atomic_parts < 2)
        fail_msg ("allocation %zu: part of an atomic post is missing", n);
    for (uint64_t number = 1; number <= REQUESTS; number++)
        if (!world->answered[number])
            fail_msg ("allocation %zu: request %d was not answered", n, (int) number);
    assert_int_equal (rig_info (world->rig, "jobs").length, 0);
    assert_int_equal (rig_info (world->rig, "mail").length, 0);
    assert_int_equal (rig_info (world->rig, "echo").length, 0);
    assert_int_equal (world->rig->engine->bytes, rig_info (world->rig, "echo.dead").bytes);
}

/* Plays the scene with `times` failures from the n-th allocation on. Returns how many happened. */
static size_t play_with_failures (size_t n, size_t times)
{
    static world_t world;
    memset (&world, 0, sizeof world);
    world.rig = rig_new (NULL);
    alloc_fail (n, times);
    world.producer = rig_stranger (world.rig, "producer");
    world.worker = rig_stranger (world.rig, "worker");
    world.client = rig_stranger (world.rig, "client");
    world.boss = rig_stranger (world.rig, "boss");
    come_back (&world);
    play (&world);
    size_t failures = alloc_failures ();
    alloc_fail (1, 0);
    recover (&world);
    check (&world, n);
    rig_free (world.rig);
    return failures;
}

static void scene_with_memory_loses_nothing (void **state)
{
    (void) state;
    assert_int_equal (play_with_failures (1, 0), 0);
}

static void each_allocation_may_fail (void **state)
{
    (void) state;
    size_t n = 1;
    while (play_with_failures (n, 1) > 0)
        n++;
    assert_true (n > 100);
}

static void several_allocations_in_a_row_may_fail (void **state)
{
    (void) state;
    for (size_t times = 2; times <= 50; times = times * 2 + 1) {
        size_t n = 1;
        while (play_with_failures (n, times) > 0)
            n += 1 + times / 4;
    }
}

/* A record that was refused for want of memory is posted anew, under the same id: it must not be
 * taken for a duplicate of itself. */
static void id_of_a_record_without_memory_is_free (void **state)
{
    (void) state;
    size_t failures = 1;
    for (size_t n = 1; failures > 0; n++) {
        rig_t *rig = rig_new (NULL);
        peer_t *p = rig_peer (rig, "p");
        zf_props_t props;
        zf_props_defaults (&props);
        props.id = zf_bytes_of ("order-1");
        props.ttl_ms = 1000;
        props.delay_ms = 100;
        alloc_fail (n, 1);
        peer_post_props (p, "jobs", "a", &props);
        failures = alloc_failures ();
        alloc_fail (1, 0);
        if (p->session == NULL) { /* nobody said what became of it: it is sent again */
            peer_reconnect (p);
            p->posted->last = 0;
        }
        p->low = p->posted->last + 1;
        peer_post_props (p, "jobs", "b", &props);
        assert_in_range (rig_info (rig, "jobs").length, 1, 2); /* rather twice than lost */
        assert_int_equal (rig_info (rig, "jobs").delayed, rig_info (rig, "jobs").length);
        rig_free (rig);
    }
}

/* What is said to be declared is declared. */
static void declare_without_memory_says_so (void **state)
{
    (void) state;
    size_t failures = 1;
    for (size_t n = 1; failures > 0; n++) {
        rig_t *rig = rig_new (NULL);
        peer_t *p = rig_peer (rig, "p");
        zf_policy_t policy = rig_policy ();
        rig_declare (rig, "jobs", &policy);
        zf_writer_t argument = {0};
        policy.priorities = 7;
        zf_policy_encode (&argument, &policy);
        alloc_fail (n, 1);
        peer_admin (p, "declare", "jobs", &argument);
        failures = alloc_failures ();
        alloc_fail (1, 0);
        if (p->session != NULL && rig_info (rig, "jobs").policy.priorities != 7)
            take_result (p, ZF_E_NOMEM, NULL);
        rig_free (rig);
    }
}

static void post_to_both (peer_t *p)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.ttl_ms = 100000;
    props.id = zf_bytes_of ("order-1");
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_array (&w, 4);
    wire_put_text (&w, "one");
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, "two");
    zf_mp_put_uint (&w, 1);
    peer_write (p, &w, wire_batch (1, "a b", &props));
}

static void atomic_post_without_memory_is_whole_or_not_there (void **state)
{
    (void) state;
    size_t failures = 1;
    for (size_t n = 1; failures > 0; n++) {
        rig_t *rig = rig_new (NULL);
        peer_t *p = rig_peer (rig, "p");
        alloc_fail (n, 1 + n % 3);
        post_to_both (p);
        failures = alloc_failures ();
        alloc_fail (1, 0);
        assert_int_equal (rig_info (rig, "one").length, rig_info (rig, "two").length);
        if (p->session == NULL) { /* nobody said what became of it */
            peer_reconnect (p);
            peer_forget_letters (p);
            post_to_both (p);
        }
        zf_reader_t r = zf_reader (p->inbox->control);
        zf_mp_array (&r);
        assert_int_equal (zf_mp_uint (&r), ZF_CMD_DONE);
        zf_mp_uint (&r);
        uint64_t length = zf_mp_uint (&r) == 0 ? 1 : 0;
        assert_int_equal (rig_info (rig, "one").length, length);
        assert_int_equal (rig_info (rig, "two").length, length);
        rig_free (rig);
    }
}

static void engine_without_memory_is_none (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    alloc_enter ();
    alloc_fail (1, 1);
    assert_null (zf_engine_new (&options));
    alloc_leave ();
    zf_engine_t *engine = NULL;
    zf_engine_free (&engine);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (scene_with_memory_loses_nothing),
        cmocka_unit_test (each_allocation_may_fail),
        cmocka_unit_test (several_allocations_in_a_row_may_fail),
        cmocka_unit_test (id_of_a_record_without_memory_is_free),
        cmocka_unit_test (declare_without_memory_says_so),
        cmocka_unit_test (atomic_post_without_memory_is_whole_or_not_there),
        cmocka_unit_test (engine_without_memory_is_none),
    };
    return cmocka_run_group_tests_name ("nomem", tests, NULL, NULL);
}
