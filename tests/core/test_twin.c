/* The strongest test of what is written down: a random life of an engine with a log, and after each
 * entry another engine is made of the log alone, and must be like the living one. Now and then the
 * living one dies, and goes on as what the log says.
 *
 * ZFERRY_TWIN_SEED=N plays that seed alone, ZFERRY_TWIN_SEEDS=N plays so many of each kind. */
#include "tests/core/rand.h"
#include "tests/core/twin.h"

#include <inttypes.h>
#include <utlist.h>

#define QUEUES  12
#define STREAM  7  /* of names: a stream and two groups of it, */
#define COMPACT 10 /* and one that keeps the last of each key, and a group of that */
#define OTHERS  12 /* queues that nobody declares */
#define PEERS   4
#define RANGES  64 /* deliveries that a worker keeps in mind */

/* How a life is led. */
typedef struct {
    uint32_t seeds, steps;
    uint32_t bulk_size;    /* bytes of records that come by the hundred */
    uint64_t slack_bytes;  /* of the log */
    uint64_t memory_bytes; /* of the engine */
    bool disturbs;         /* reads fail */
} plan_t;

/* A delivery, or what is left of it. */
typedef struct {
    uint32_t queue;
    uint64_t first, count;
} range_t;

typedef struct {
    rig_t *rig;
    const plan_t *plan;
    uint64_t seed;
    peer_t *peers[PEERS];
    uint64_t last[PEERS][QUEUES]; /* number posted last */
    uint64_t low[PEERS][QUEUES];  /* lowest whose outcome it does not know */
    uint64_t atomic[PEERS];
    range_t ranges[PEERS][RANGES];
    uint32_t range_count[PEERS];
    uint32_t bodies;                   /* a number for each record */
    bool ages;                         /* streams keep records for a while only */
    uint64_t carried, spilled, loaded; /* chunks, before the last crash */
} life_t;

static const char *const names[QUEUES] = {
    "plain",  "levels", "keys",     "short",    "tight", "once",
    "memory", "stream", "stream@a", "stream@b", "last",  "last@c",
};

static uint32_t below (life_t *life, uint32_t n)
{
    return rand_below (&life->seed, n);
}

static bool one_in (life_t *life, uint32_t n)
{
    return below (life, n) == 0;
}

/* -- queues ------------------------------------------------------------------------------------ */

static zf_policy_t policy_of (life_t *life, uint32_t queue)
{
    zf_policy_t policy = rig_policy ();
    policy.lease_ms = 2000;
    policy.backoff_max_ms = 5000;
    policy.max_attempts = 3;
    policy.dedup_window_ms = 4000;
    policy.priorities = queue == 1 ? 3 : 1;
    policy.ordered = queue == 2;
    policy.ttl_ms = queue == 3 ? 3000 : 0;
    policy.max_length = queue == 4 ? 20 : 0;
    policy.overflow = (zf_overflow_t) below (life, 3);
    policy.durable = queue == 6 ? ZF_DURABLE_NO : ZF_DURABLE_AUTO;
    if (queue == 5)
        snprintf (policy.dead_letter, sizeof policy.dead_letter, "%s",
                  one_in (life, 2) ? "-" : "lost");
    if (queue == STREAM || queue == COMPACT) {
        static const uint64_t lengths[] = {0, 12, 100, 1000};
        policy.kind = ZF_KIND_STREAM;
        policy.compact = queue == COMPACT;
        policy.max_length = lengths[below (life, 4)];
        policy.max_bytes = one_in (life, 3) ? 5000 : 0;
        policy.ttl_ms = life->ages ? 3000 : 0;
    }
    policy.ordered |= queue == STREAM + 2;
    return policy;
}

static void declare (life_t *life, uint32_t queue)
{
    zf_policy_t policy = policy_of (life, queue);
    zf_writer_t w = {0};
    zf_policy_encode (&w, &policy);
    peer_admin (life->peers[below (life, PEERS)], "declare", names[queue], &w);
}

static void administer (life_t *life)
{
    static const char *const verbs[] = {"purge", "requeue", "discard", "requeue"};
    uint32_t verb = below (life, 4);
    zf_writer_t w = {0};
    if (verb > 0)
        zf_mp_put_uint (&w, below (life, 4));
    peer_admin (life->peers[below (life, PEERS)], verbs[verb], names[below (life, QUEUES)],
                verb > 0 ? &w : NULL);
}

/* -- streams ----------------------------------------------------------------------------------- */

static void make_group (life_t *life)
{
    zf_writer_t w = {0};
    uint32_t patterns = below (life, 3);
    zf_mp_put_map (&w, 3);
    wire_put_text (&w, "from");
    zf_mp_put_uint (&w, below (life, ZF_FROM_NEW + 1));
    wire_put_text (&w, "value");
    zf_mp_put_uint (&w, below (life, 50));
    wire_put_text (&w, "patterns");
    zf_mp_put_array (&w, patterns);
    for (uint32_t i = 0; i < patterns; i++)
        wire_put_text (&w, i == 0 ? "a" : "c.>");
    peer_admin (life->peers[below (life, PEERS)], "group", names[STREAM + 1 + below (life, 2)], &w);
}

static void forget_queue (life_t *life)
{
    static const uint32_t which[] = {STREAM, STREAM + 1, STREAM + 2, COMPACT, COMPACT + 1};
    uint32_t queue = which[below (life, 5)];
    peer_admin (life->peers[below (life, PEERS)], "forget", names[queue], NULL);
    if (queue == STREAM || queue == COMPACT)
        declare (life, queue);
}

static void trim (life_t *life)
{
    const char *name = names[one_in (life, 2) ? STREAM : COMPACT];
    zf_writer_t w = {0};
    zf_queue_info_t info = rig_info (life->rig, name);
    zf_mp_put_uint (&w, info.first + below (life, (uint32_t) (info.length + 1)));
    peer_admin (life->peers[below (life, PEERS)], "trim", name, &w);
}

static void subscribe (life_t *life)
{
    const char *name = names[one_in (life, 2) ? STREAM : COMPACT];
    zf_queue_info_t info = rig_info (life->rig, name);
    zf_writer_t w = wire_control (ZF_CMD_SUBSCRIBE, 7);
    uint32_t from = below (life, ZF_FROM_NEW + 1);
    uint64_t value = from == ZF_FROM_OFFSET ? info.first : 0;
    zf_mp_put_uint (&w, below (life, 3));
    wire_put_text (&w, name);
    zf_mp_put_uint (&w, from);
    zf_mp_put_uint (&w, value + below (life, 60));
    zf_mp_put_uint (&w, 0);
    zf_mp_put_uint (&w, 0);
    bool some = one_in (life, 2);
    zf_mp_put_array (&w, some);
    if (some)
        wire_put_text (&w, "b");
    peer_write (life->peers[below (life, PEERS)], &w, NULL);
}

static void stir_streams (life_t *life)
{
    uint32_t what = below (life, 10);
    if (what < 2)
        make_group (life);
    else if (what < 3)
        forget_queue (life);
    else if (what < 6)
        trim (life);
    else
        subscribe (life);
}

/* -- posting ----------------------------------------------------------------------------------- */

static zf_props_t random_props (life_t *life, char *text)
{
    zf_props_t props;
    zf_props_defaults (&props);
    if (one_in (life, 3))
        props.delay_ms = 1 + below (life, 3000);
    if (one_in (life, 3))
        props.ttl_ms = 1 + below (life, 6000);
    if (one_in (life, 3))
        props.priority = below (life, 4);
    if (one_in (life, 2))
        props.key = zf_bytes (text, 1);
    if (one_in (life, 3))
        props.id = zf_bytes (text + 1, 1);
    if (one_in (life, 2))
        props.topic = zf_bytes (text, 1);
    text[0] = (char) ('a' + below (life, 4));
    text[1] = (char) ('a' + below (life, 26));
    return props;
}

static zf_frame_t *small_batch (life_t *life, uint64_t first, uint32_t count)
{
    char bodies[256];
    char text[2];
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += (size_t) snprintf (bodies + size, sizeof bodies - size, "r%u ", life->bodies++);
    zf_props_t props = random_props (life, text);
    return wire_batch (first, bodies, one_in (life, 2) ? &props : NULL);
}

static void post (life_t *life)
{
    uint32_t who = below (life, PEERS);
    uint32_t queue = below (life, QUEUES);
    uint64_t first = life->last[who][queue] + 1;
    bool bulk = one_in (life, 8);
    uint32_t count = bulk ? 90 + below (life, 60) : 1 + below (life, 8);
    zf_frame_t *batch =
        bulk ? wire_bulk (first, count, life->plan->bulk_size) : small_batch (life, first, count);
    life->last[who][queue] += count;
    if (one_in (life, 4))
        life->low[who][queue] = first;
    zf_writer_t w = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&w, names[queue]);
    zf_mp_put_uint (&w, life->low[who][queue]);
    peer_write (life->peers[who], &w, batch);
}

static void post_atomic (life_t *life)
{
    uint32_t who = below (life, PEERS);
    uint32_t parts = 1 + below (life, 3);
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    zf_mp_put_uint (&w, ++life->atomic[who]);
    zf_mp_put_uint (&w, one_in (life, 2) ? life->atomic[who] : 0);
    zf_mp_put_array (&w, 2 * parts);
    for (uint32_t i = 0; i < parts; i++) {
        wire_put_text (&w, names[below (life, QUEUES)]);
        zf_mp_put_uint (&w, 2);
    }
    peer_write (life->peers[who], &w, small_batch (life, 1, 2 * parts));
}

/* Queues come and go; there is not room for all of them. */
static void post_elsewhere (life_t *life)
{
    char name[16];
    snprintf (name, sizeof name, "other%u", below (life, OTHERS));
    peer_post (life->peers[0], name, "x");
    peer_consume (life->peers[1], name, 1);
    rig_sync (life->rig);
    peer_settle (life->peers[1], ZF_CMD_ACK, name, below (life, 4), 2);
    peer_consume (life->peers[1], name, 0);
    peer_bye (life->peers[1]);
}

static void ask (life_t *life)
{
    uint32_t who = below (life, PEERS);
    peer_request_with (life->peers[who], "plain", "ask", one_in (life, 2) ? 1500 : 0, 0);
}

/* -- working ----------------------------------------------------------------------------------- */

static void keep_in_mind (life_t *life, uint32_t who, const letter_t *letter)
{
    zf_reader_t r = zf_reader (letter->control);
    zf_batch_t batch;
    zf_mp_array (&r);
    zf_mp_uint (&r);
    zf_bytes_t name = zf_mp_bytes (&r);
    range_t range = {.queue = 0, .first = zf_mp_uint (&r)};
    assert_int_equal (zf_batch_decode (letter->body, &batch), 0);
    range.count = batch.count;
    while (range.queue < QUEUES && !zf_bytes_equal (name, zf_bytes_of (names[range.queue])))
        range.queue++;
    if (range.queue < QUEUES && life->range_count[who] < RANGES)
        life->ranges[who][life->range_count[who]++] = range;
}

static void read_events (life_t *life, uint32_t who, const letter_t *letter)
{
    zf_reader_t r = zf_reader (letter->control);
    zf_mp_array (&r);
    zf_mp_uint (&r);
    zf_writer_t w = wire_control (ZF_CMD_READ, 2);
    zf_mp_put_uint (&w, zf_mp_uint (&r));
    zf_mp_uint (&r);
    zf_mp_put_uint (&w, zf_mp_uint (&r));
    peer_write (life->peers[who], &w, NULL);
}

static void read_letters (life_t *life, uint32_t who)
{
    peer_t *peer = life->peers[who];
    letter_t *letters = peer->inbox;
    const letter_t *letter;
    peer->inbox = NULL; /* others may come meanwhile */
    DL_FOREACH (letters, letter) {
        if (letter->command == ZF_CMD_DELIVER)
            keep_in_mind (life, who, letter);
        else if (letter->command == ZF_CMD_EVENTS && one_in (life, 2))
            read_events (life, who, letter);
    }
    DL_CONCAT (letters, peer->inbox);
    peer->inbox = letters;
    peer_forget_letters (peer);
}

static void settle (life_t *life)
{
    static const unsigned commands[] = {ZF_CMD_ACK,    ZF_CMD_ACK,     ZF_CMD_NACK,  ZF_CMD_NACK,
                                        ZF_CMD_REJECT, ZF_CMD_RELEASE, ZF_CMD_EXTEND};
    uint32_t who = below (life, PEERS);
    read_letters (life, who);
    if (life->range_count[who] == 0)
        return;
    range_t *range = &life->ranges[who][below (life, life->range_count[who])];
    uint32_t skip = one_in (life, 3) ? below (life, (uint32_t) range->count) : 0;
    uint32_t count = 1 + below (life, (uint32_t) range->count - skip);
    unsigned command = commands[below (life, 7)];
    bool has_word = command != ZF_CMD_ACK && command != ZF_CMD_RELEASE;
    zf_writer_t w = wire_control (command, 3 + has_word);
    wire_put_text (&w, names[range->queue]);
    if (command == ZF_CMD_NACK)
        zf_mp_put_int (&w, one_in (life, 2) ? -1 : (int64_t) below (life, 2000));
    else if (command == ZF_CMD_REJECT)
        wire_put_text (&w, "torn");
    else if (command == ZF_CMD_EXTEND)
        zf_mp_put_uint (&w, 1000);
    zf_mp_put_uint (&w, range->first + skip);
    zf_mp_put_uint (&w, count);
    if (count == range->count)
        *range = life->ranges[who][--life->range_count[who]];
    peer_write (life->peers[who], &w, NULL);
}

static void consume (life_t *life)
{
    peer_consume (life->peers[below (life, PEERS)], names[below (life, QUEUES)],
                  below (life, 3) * below (life, 40));
}

/* -- comings and goings ------------------------------------------------------------------------ */

static void start_anew (life_t *life, uint32_t who)
{
    life->range_count[who] = 0;
    for (uint32_t i = 0; i < QUEUES; i++)
        life->low[who][i] = life->last[who][i] + 1; /* it has learned what became of them */
}

static void greet_those_who_left (life_t *life)
{
    for (uint32_t i = 0; i < PEERS; i++) {
        read_letters (life, i);
        if (life->peers[i]->session != NULL)
            continue;
        start_anew (life, i);
        peer_reconnect (life->peers[i]);
        peer_forget_letters (life->peers[i]);
    }
}

static void drop (life_t *life)
{
    peer_drop (life->peers[below (life, PEERS)]);
}

static void count_chunks (life_t *life)
{
    const zf_store_t *store = &life->rig->engine->store;
    life->carried += store->carried;
    life->spilled += store->spilled;
    life->loaded += store->loaded;
}

static void crash (life_t *life)
{
    count_chunks (life);
    size_t n = rig_unsynced (life->rig);
    rig_crash_late (life->rig, below (life, (uint32_t) n + 1));
    for (uint32_t i = 0; i < PEERS; i++) {
        start_anew (life, i);
        life->atomic[i] += 2;
    }
    twin_check (life->rig);
}

static void sync_some (life_t *life)
{
    struct rig_log *log = life->rig->log;
    log->rots = life->plan->disturbs && one_in (life, 10);
    log->read_code = life->plan->disturbs && one_in (life, 10) ? ZF_E_IO : 0;
    if (one_in (life, 3))
        rig_sync (life->rig);
    else
        rig_sync_some (life->rig, 1 + below (life, 3));
}

static void step (life_t *life)
{
    uint32_t what = below (life, 100);
    if (what < 25)
        post (life);
    else if (what < 30)
        stir_streams (life);
    else if (what < 33)
        post_atomic (life);
    else if (what < 35)
        ask (life);
    else if (what < 37)
        post_elsewhere (life);
    else if (what < 45)
        consume (life);
    else if (what < 70)
        settle (life);
    else if (what < 84)
        sync_some (life);
    else if (what < 93)
        rig_advance (life->rig, one_in (life, 10) ? 5000 : below (life, 500));
    else if (what < 95)
        administer (life);
    else if (what < 97)
        declare (life, below (life, QUEUES));
    else if (what < 99)
        drop (life);
    else
        crash (life);
    greet_those_who_left (life);
}

static rig_t *make_rig (const plan_t *plan)
{
    const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = plan->slack_bytes};
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.max_queues = 2 * QUEUES + OTHERS / 2;
    options.memory_bytes = plan->memory_bytes;
    rig_t *rig = rig_new_logged (&options, &log);
    rig->log->by_hand = true;
    rig->log->on_entry = twin_check;
    return rig;
}

static void play (uint64_t seed, const plan_t *plan, uint64_t sums[3])
{
    static const char *const who[PEERS] = {"ann", "bob", "cid", "dan"};
    life_t life = {.seed = seed, .plan = plan, .rig = make_rig (plan)};
    print_message ("seed %" PRIu64 "\n", seed);
    life.ages = one_in (&life, 3);
    for (uint32_t i = 0; i < PEERS; i++)
        life.peers[i] = rig_peer (life.rig, who[i]);
    for (uint32_t i = 0; i < QUEUES; i++)
        declare (&life, i);
    for (uint32_t i = 0; i < PEERS; i++)
        start_anew (&life, i);
    for (uint32_t i = 0; i < plan->steps; i++)
        step (&life);
    count_chunks (&life);
    sums[0] += life.carried;
    sums[1] += life.spilled;
    sums[2] += life.loaded;
    rig_free (life.rig);
}

/* Of a whole run, at least so many chunks were carried, spilled, read back. */
static void play_all (uint64_t from, const plan_t *plan, const uint64_t least[3])
{
    uint64_t sums[3] = {0, 0, 0};
    const char *one = getenv ("ZFERRY_TWIN_SEED");
    const char *many = getenv ("ZFERRY_TWIN_SEEDS");
    uint32_t seeds = many != NULL ? (uint32_t) strtoul (many, NULL, 10) : plan->seeds;
    if (one != NULL)
        play (strtoull (one, NULL, 10), plan, sums);
    for (uint64_t i = 0; one == NULL && i < seeds; i++)
        play (from + i, plan, sums);
    for (int i = 0; one == NULL && i < 3; i++)
        assert_true (sums[i] >= least[i]);
}

/* -- cases ------------------------------------------------------------------------------------- */

static void log_that_is_never_trimmed_is_the_engine (void **state)
{
    (void) state;
    static const plan_t plan = {16, 400, 100, UINT64_C (1) << 40, 1 << 30, false};
    play_all (1, &plan, (uint64_t[]){0, 0, 0});
}

static void log_that_is_trimmed_is_the_engine (void **state)
{
    (void) state;
    static const plan_t plan = {16, 400, 100, 4096, 1 << 30, false};
    play_all (1001, &plan, (uint64_t[]){100, 0, 0});
}

static void log_of_records_that_are_not_in_memory_is_the_engine (void **state)
{
    (void) state;
    static const plan_t plan = {4, 300, 3000, 1 << 20, 1 << 20, true};
    play_all (2001, &plan, (uint64_t[]){10, 10, 10});
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (log_that_is_never_trimmed_is_the_engine),
        cmocka_unit_test (log_that_is_trimmed_is_the_engine),
        cmocka_unit_test (log_of_records_that_are_not_in_memory_is_the_engine),
    };
    return cmocka_run_group_tests_name ("twin", tests, NULL, NULL);
}
