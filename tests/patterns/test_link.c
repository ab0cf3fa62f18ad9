/* Links between brokers: all records, each once, in order, whatever is in the way. */
#include "tests/patterns/link_stage.h"

#include "core/native.h"
#include <zmq.h>

/* -- records ----------------------------------------------------------------------------------- */

static void records_travel_in_order_and_leave_the_source (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    post_numbers (client, "jobs", 1, 20000);
    flush_posts (client);
    zf_device_t *link = start_link (from, to);
    post_numbers (client, "jobs", 20001, 40000);
    flush_posts (client);
    take_numbers (open_worker (to, "jobs", 0), 1, 40000);
    AWAIT (has_length (client, "jobs", 0));
    AWAIT (figure (link, "backlog") == 0 && figure (link, "looks") > 0);
    assert_int_equal (figure (link, "confirmed"), 40000);
    assert_int_equal (figure (link, "forwarded"), 40000);
    assert_int_equal (figure (link, "duplicates"), 0);
    assert_int_equal (figure (link, "restarts"), 0);
    assert_int_equal (look_at (client, "jobs").dead, 0);
}

static void lone_record_travels_at_once (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    zf_worker_t *worker = open_worker (to, "jobs", 1);
    start_link (from, to);
    for (uint64_t i = 1; i <= 200; i++) {
        post_numbers (client, "jobs", i, i);
        take_numbers (worker, i, i);
    }
}

static void queue_may_have_another_name_at_the_target (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    const char *endpoint = endpoint_of (to);
    zf_link_options_t options = link_options (endpoint_of (from), "jobs", &endpoint);
    options.to_queue = "work";
    post_numbers (open_client (from), "jobs", 1, 100);
    start_link_with (&options);
    take_numbers (open_worker (to, "work", 0), 1, 100);
}

static void large_records_travel (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    zf_worker_t *worker = open_worker (to, "jobs", 1);
    size_t size = 8u << 20; /* larger than the window */
    uint8_t *body = calloc (1, size);
    assert_non_null (body);
    start_link (from, to);
    for (uint8_t i = 1; i <= 6; i++) {
        memset (body, i, size);
        size_t part = i % 2 != 0 ? size : 10;
        assert_int_equal (zf_client_post (client, "jobs", body, part, NULL, NULL), 0);
    }
    for (uint8_t i = 1; i <= 6; i++) {
        zf_message_t message = take (worker);
        assert_int_equal (message.size, i % 2 != 0 ? size : 10);
        assert_int_equal (((const uint8_t *) message.body)[message.size - 1], i);
        ack (worker, &message);
    }
    free (body);
}

static void small_window_holds_nothing_up (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    const char *endpoint = endpoint_of (to);
    zf_link_options_t options = link_options (endpoint_of (from), "jobs", &endpoint);
    options.window_bytes = 100; /* eight records */
    zf_client_t *client = open_client (from);
    post_numbers (client, "jobs", 1, 2000);
    flush_posts (client);
    start_link_with (&options);
    take_numbers (open_worker (to, "jobs", 0), 1, 2000);
}

static void properties_travel_along (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    zf_bytes_t frames[2] = {{"ab", 2}, {"cde", 3}};
    zf_header_t header = {{"colour", 6}, {"red", 3}};
    zf_props_t props = {.id = {"i1", 2},
                        .key = {"k1", 2},
                        .ttl_ms = 3600000,
                        .headers = &header,
                        .header_count = 1,
                        .frames = frames,
                        .frame_count = 2,
                        .trace = {"t1", 2}};
    assert_int_equal (zf_client_post (client, "jobs", NULL, 0, &props, NULL), 0);
    start_link (from, to);
    zf_worker_t *worker = open_worker (to, "jobs", 1);
    zf_message_t message = take_text (worker, "abcde", 1);
    zf_props_t got;
    assert_int_equal (zf_message_props (&message, &got), 0);
    assert_int_equal (got.id.size, 2);
    assert_memory_equal (got.id.data, "i1", 2);
    assert_int_equal (got.key.size, 2);
    assert_memory_equal (got.key.data, "k1", 2);
    assert_int_equal (got.trace.size, 2);
    assert_int_equal (zf_message_frame_count (&message), 2);
    assert_int_equal (zf_message_header (&message, "colour").size, 3);
    assert_true (got.ttl_ms > 3500000 && got.ttl_ms <= 3600000);
    ack (worker, &message);
}

static void delayed_record_waits_at_the_target (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from), *far = open_client (to);
    zf_props_t props = {.delay_ms = 3600000};
    assert_int_equal (zf_client_post (client, "jobs", "late", 4, &props, NULL), 0);
    post_numbers (client, "jobs", 1, 10);
    flush_posts (client);
    start_link (from, to);
    take_numbers (open_worker (to, "jobs", 0), 1, 10);
    AWAIT (has_length (client, "jobs", 0));
    zf_queue_info_t info = look_at (far, "jobs");
    assert_int_equal (info.delayed, 1);
}

/* -- what the target refuses ------------------------------------------------------------------- */

static zf_device_t *start_broker_that_takes (uint64_t max_message_bytes)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.max_message_bytes = max_message_bytes;
    return start_broker (&options);
}

/* Two records too big among small ones. */
static void post_some_big (zf_client_t *client)
{
    static const char big[20000];
    post_numbers (client, "jobs", 1, 100);
    assert_int_equal (zf_client_post (client, "jobs", big, sizeof big, NULL, NULL), 0);
    post_numbers (client, "jobs", 101, 101);
    assert_int_equal (zf_client_post (client, "jobs", big, sizeof big, NULL, NULL), 0);
    post_numbers (client, "jobs", 102, 200);
    flush_posts (client);
}

static void expect_reason (void *arg, const zf_message_t *message)
{
    zf_death_t death;
    size_t *count = arg;
    assert_true (zf_message_death (message, &death));
    assert_true (death.reason.size >= 13);
    assert_memory_equal (death.reason.data, "link: too big", 13);
    ++*count;
}

static void expect_two_dead (zf_client_t *client)
{
    size_t count = 0;
    AWAIT (has_length (client, "jobs.dead", 2));
    assert_int_equal (zf_admin_peek (client, "jobs.dead", 0, 10, expect_reason, &count, NULL), 0);
    assert_int_equal (count, 2);
}

static void record_too_big_for_a_message_is_dead_at_the_source (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker_that_takes (4096);
    zf_client_t *client = open_client (from);
    post_some_big (client);
    zf_device_t *link = start_link (from, to);
    take_numbers (open_worker (to, "jobs", 0), 1, 200);
    expect_two_dead (client);
    assert_int_equal (figure (link, "rejected"), 2);
    assert_int_equal (figure (link, "confirmed"), 200);
    AWAIT (has_length (client, "jobs", 0));
}

static void record_too_big_for_the_queue_is_dead_at_the_source (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_bytes = 10000;
    policy.overflow = ZF_OVERFLOW_REJECT;
    declare (open_client (to), "jobs", &policy);
    post_some_big (client);
    start_link (from, to);
    take_numbers (open_worker (to, "jobs", 0), 1, 200);
    expect_two_dead (client);
    AWAIT (has_length (client, "jobs", 0));
}

static void declare_small (zf_device_t *broker, zf_overflow_t overflow)
{
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_length = 100;
    policy.overflow = overflow;
    declare (open_client (broker), "jobs", &policy);
}

static void full_target_that_refuses_gets_all_when_it_is_drained (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    declare_small (to, ZF_OVERFLOW_REJECT);
    post_numbers (client, "jobs", 1, 3000);
    flush_posts (client);
    zf_device_t *link = start_link (from, to);
    AWAIT (was_said ("refuses"));
    assert_int_equal (figure (link, "confirmed"), 100);
    take_numbers (open_worker (to, "jobs", 0), 1, 3000);
    AWAIT (has_length (client, "jobs", 0));
    assert_int_equal (figure (link, "confirmed"), 3000);
}

static void full_target_that_lets_wait_gets_all_when_it_is_drained (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    declare_small (to, ZF_OVERFLOW_BACKPRESSURE);
    post_numbers (client, "jobs", 1, 3000);
    flush_posts (client);
    zf_device_t *link = start_link (from, to);
    AWAIT (figure (link, "confirmed") == 100);
    take_numbers (open_worker (to, "jobs", 0), 1, 3000);
    AWAIT (has_length (client, "jobs", 0));
    assert_int_equal (figure (link, "restarts"), 0);
}

static void request_is_not_forwarded (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    zf_message_t reply;
    start_link (from, to);
    post_numbers (client, "jobs", 1, 1);
    int rc = zf_client_request (client, "jobs", "hello", 5, NULL, &reply, &stage.err);
    assert_int_equal (rc, ZF_E_REJECTED);
    post_numbers (client, "jobs", 2, 2);
    take_numbers (open_worker (to, "jobs", 0), 1, 2);
}

/* -- lost and found ---------------------------------------------------------------------------- */

/* Posts while the cable is cut again and again, each time with something under way. */
static void post_and_cut (zf_client_t *client, zf_device_t *link, cable_t *cable)
{
    for (uint64_t i = 0; i < 20; i++) {
        uint64_t before = figure (link, "confirmed");
        post_numbers (client, "jobs", 5000 * i + 1, 5000 * (i + 1));
        AWAIT (figure (link, "confirmed") > before);
        cable_cut (cable);
    }
    flush_posts (client);
}

static void cut_to_the_target_loses_and_repeats_nothing (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    const char *endpoint = lay_cable (0, to);
    zf_link_options_t options = link_options (endpoint_of (from), "jobs", &endpoint);
    zf_device_t *link = start_link_with (&options);
    post_and_cut (client, link, links.cables[0]);
    take_numbers (open_worker (to, "jobs", 0), 1, 100000);
    AWAIT (has_length (client, "jobs", 0));
    assert_true (figure (link, "restarts") > 0);
    zf_client_t *far = open_client (to);
    AWAIT (has_length (far, "jobs", 0));
}

static void cut_to_the_source_loses_and_repeats_nothing (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    const char *endpoint = endpoint_of (to);
    zf_link_options_t options = link_options (lay_cable (0, from), "jobs", &endpoint);
    zf_device_t *link = start_link_with (&options);
    post_and_cut (client, link, links.cables[0]);
    take_numbers (open_worker (to, "jobs", 0), 1, 100000);
    AWAIT (has_length (client, "jobs", 0));
    assert_true (figure (link, "restarts") > 0);
    zf_client_t *far = open_client (to);
    AWAIT (has_length (far, "jobs", 0));
}

static void confirms_that_are_lost_repeat_nothing (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from), *far = open_client (to);
    const char *endpoint = lay_cable (0, to);
    zf_link_options_t options = link_options (endpoint_of (from), "jobs", &endpoint);
    zf_device_t *link = start_link_with (&options);
    AWAIT (was_said ("linked to"));
    cable_set (links.cables[0], CABLE_MUTE);
    post_numbers (client, "jobs", 1, 1000);
    flush_posts (client);
    AWAIT (has_length (far, "jobs", 1000)); /* and the link does not know */
    cable_renew (links.cables[0]);
    AWAIT (has_length (client, "jobs", 0));
    assert_int_equal (figure (link, "duplicates"), 1000);
    assert_int_equal (figure (link, "confirmed"), 0);
    take_numbers (open_worker (to, "jobs", 0), 1, 1000);
    AWAIT (has_length (far, "jobs", 0));
}

static void link_that_starts_again_goes_on_where_it_was (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    for (uint64_t i = 0; i < 10; i++) {
        zf_device_t *link = start_link (from, to);
        post_numbers (client, "jobs", 1000 * i + 1, 1000 * (i + 1));
        flush_posts (client);
        AWAIT (figure (link, "confirmed") > 0);
        stop_link (link); /* some are under way */
    }
    start_link (from, to);
    take_numbers (open_worker (to, "jobs", 0), 1, 10000);
    AWAIT (has_length (client, "jobs", 0));
    zf_client_t *far = open_client (to);
    AWAIT (has_length (far, "jobs", 0));
}

/* Starts a broker in the place of one that is stopped. */
static zf_device_t *replace (zf_device_t *broker)
{
    char endpoint[64];
    const char *endpoints = endpoint;
    zf_broker_options_t options;
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    stop_broker (broker);
    zf_broker_defaults (&options);
    options.endpoints = &endpoints;
    return start_broker (&options);
}

static void source_that_begins_anew_is_another_source (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_worker_t *worker = open_worker (to, "jobs", 0);
    zf_device_t *link = start_link (from, to);
    for (uint64_t i = 0; i < 3; i++) {
        zf_client_t *client = open_client (from);
        post_numbers (client, "jobs", 100 * i + 1, 100 * (i + 1)); /* ids from 0 on again */
        take_numbers (worker, 100 * i + 1, 100 * (i + 1));
        AWAIT (has_length (client, "jobs", 0));
        close_client (client);
        from = replace (from);
    }
    assert_int_equal (figure (link, "confirmed"), 300);
    assert_int_equal (figure (link, "duplicates"), 0);
}

static void target_that_begins_anew_gets_what_was_not_confirmed (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    start_link (from, to);
    for (uint64_t i = 0; i < 3; i++) {
        zf_worker_t *worker = open_worker (to, "jobs", 0);
        post_numbers (client, "jobs", 100 * i + 1, 100 * (i + 1));
        take_numbers (worker, 100 * i + 1, 100 * (i + 1));
        AWAIT (has_length (client, "jobs", 0));
        close_worker (worker);
        to = replace (to);
    }
}

static void target_that_is_not_there_is_waited_for (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    const char *endpoint = lay_cable (0, to);
    cable_set (links.cables[0], CABLE_DEAD);
    zf_link_options_t options = link_options (endpoint_of (from), "jobs", &endpoint);
    zf_device_t *link = start_link_with (&options);
    post_numbers (client, "jobs", 1, 100);
    flush_posts (client);
    AWAIT (figure (link, "backlog") == 100 && figure (link, "lag_ms") > 0);
    assert_int_equal (figure (link, "connected_from"), 1);
    assert_int_equal (figure (link, "connected_to"), 0);
    assert_int_equal (look_at (client, "jobs").leased, 0); /* others may look at them, purge them */
    cable_renew (links.cables[0]);
    take_numbers (open_worker (to, "jobs", 0), 1, 100);
    AWAIT (figure (link, "connected_to") == 1);
}

static void next_endpoint_of_the_target_is_tried (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    const char *endpoints[2] = {"ipc:///tmp/zferry-nobody-is-here", endpoint_of (to)};
    zf_link_options_t options = link_options (endpoint_of (from), "jobs", endpoints);
    options.to_count = 2;
    post_numbers (open_client (from), "jobs", 1, 100);
    start_link_with (&options);
    take_numbers (open_worker (to, "jobs", 0), 1, 100);
}

/* -- all of it at once ------------------------------------------------------------------------- */

#define BIG_EVERY 97 /* one of so many is too big for the target */

/* A number, and more behind it. */
static void post_sized (zf_client_t *client, uint64_t number)
{
    static uint8_t body[100000];
    size_t size = number % BIG_EVERY == 0 ? sizeof body : 8 + number * 37 % 3000;
    memcpy (body, &number, sizeof number);
    if (zf_client_post_async (client, "jobs", body, size, NULL, NULL, &stage.err) != 0)
        fail_msg ("post: %s", stage.err.text);
}

/* Takes the records behind *taken, up to that number; the big ones never come. */
static void take_sized (zf_worker_t *worker, uint64_t *taken, uint64_t to)
{
    for (uint64_t i = *taken + 1; i <= to; i++) {
        if (i % BIG_EVERY == 0)
            continue;
        zf_message_t message = take (worker);
        uint64_t got;
        memcpy (&got, message.body, sizeof got);
        assert_int_equal (got, i);
        assert_int_equal (message.size, 8 + i * 37 % 3000);
        ack (worker, &message);
    }
    *taken = to;
}

/* A target that takes small messages only, in a small window, and refuses what is too much. */
static zf_device_t *start_small_broker (void)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.max_message_bytes = 16384;
    options.window_bytes = 50000;
    zf_device_t *broker = start_broker (&options);
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_length = 300;
    policy.overflow = ZF_OVERFLOW_REJECT;
    declare (open_client (broker), "jobs", &policy);
    return broker;
}

static void all_at_once_loses_and_repeats_nothing (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_small_broker ();
    zf_client_t *client = open_client (from);
    zf_worker_t *worker = open_worker (to, "jobs", 0);
    const char *endpoint = lay_cable (0, to);
    zf_link_options_t options = link_options (lay_cable (1, from), "jobs", &endpoint);
    zf_device_t *link = start_link_with (&options);
    uint64_t posted = 0, taken = 0;
    for (uint64_t round = 1; round <= 20; round++) {
        for (uint64_t i = 0; i < 200; i++)
            post_sized (client, ++posted);
        uint64_t restarts = figure (link, "restarts");
        AWAIT (figure (link, "confirmed") > 0 || figure (link, "restarts") > restarts);
        cable_cut (links.cables[round % 2]);
        take_sized (worker, &taken, posted - 5 * round); /* the rest is under way */
    }
    flush_posts (client);
    take_sized (worker, &taken, posted);
    AWAIT (has_length (client, "jobs", 0));
    AWAIT (has_length (client, "jobs.dead", posted / BIG_EVERY));
    assert_true (figure (link, "restarts") > 0);
}

/* -- who may link ------------------------------------------------------------------------------ */

static void second_link_waits_for_the_first (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    zf_worker_t *worker = open_worker (to, "jobs", 0);
    zf_device_t *first = start_link (from, to);
    post_numbers (client, "jobs", 1, 1);
    take_numbers (worker, 1, 1);
    const char *endpoint = endpoint_of (to);
    zf_link_options_t options = link_options (endpoint_of (from), "jobs", &endpoint);
    options.to_queue = "elsewhere";
    zf_device_t *second = start_link_with (&options);
    AWAIT (was_said ("other consumers"));
    post_numbers (client, "jobs", 2, 100);
    take_numbers (worker, 2, 100);
    assert_int_equal (figure (second, "confirmed"), 0);
    AWAIT (has_length (client, "jobs", 0)); /* what it had not acked would go elsewhere, too */
    stop_link (first);
    post_numbers (client, "jobs", 101, 200);
    take_numbers (open_worker (to, "elsewhere", 0), 101, 200);
}

static void same_link_twice_leaves_the_first_in_peace (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    zf_worker_t *worker = open_worker (to, "jobs", 0);
    zf_device_t *first = start_link (from, to);
    post_numbers (client, "jobs", 1, 1);
    take_numbers (worker, 1, 1);
    const char *endpoint = endpoint_of (to);
    zf_link_options_t options = link_options (endpoint_of (from), "jobs", &endpoint);
    options.backoff_min_ms = options.backoff_max_ms = 60000;
    zf_device_t *second = start_link_with (&options);
    AWAIT (figure (second, "restarts") == 1);
    uint64_t looks = figure (first, "looks");
    AWAIT (figure (first, "looks") > looks + 3);
    assert_true (figure (first, "restarts") <= 2);
    assert_int_equal (figure (second, "restarts"), 1);
    post_numbers (client, "jobs", 2, 100);
    take_numbers (worker, 2, 100);
}

static void queue_with_priorities_is_refused_by_the_source (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.priorities = 3;
    declare (open_client (from), "jobs", &policy);
    start_link (from, to);
    AWAIT (was_said ("priorit"));
}

/* Each has a link to the next one. */
static zf_device_t *ring[3];

/* Links one of the ring to the next, and waits until that one knows all that feeds it. */
static void link_to_next (size_t i)
{
    char linked[96];
    zf_device_t *link = start_link (ring[i], ring[i + 1]);
    snprintf (linked, sizeof linked, "linked to %s", endpoint_of (ring[i + 1]));
    AWAIT (was_said (linked));
    uint64_t looks = figure (link, "looks");
    AWAIT (figure (link, "looks") >= looks + 2);
}

static void expect_loop_is_refused (size_t count)
{
    for (size_t i = 0; i < count; i++)
        ring[i] = start_broker (NULL);
    for (size_t i = 0; i + 1 < count; i++)
        link_to_next (i);
    zf_device_t *last = start_link (ring[count - 1], ring[0]);
    AWAIT (figure (last, "refused") == 1);
    assert_true (was_said ("refused"));
    post_numbers (open_client (ring[0]), "jobs", 1, 100);
    take_numbers (open_worker (ring[count - 1], "jobs", 0), 1, 100); /* the others go on */
}

static void link_of_a_queue_to_itself_is_refused (void **state)
{
    expect_loop_is_refused (1);
}

static void loop_of_two_links_is_refused (void **state)
{
    expect_loop_is_refused (2);
}

static void loop_of_three_links_is_refused (void **state)
{
    expect_loop_is_refused (3);
}

static bool any_refused (zf_device_t *const *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (figure (all[i], "refused") == 1)
            return true;
    }
    return false;
}

static void loop_whose_links_start_at_once_is_refused (void **state)
{
    zf_device_t *all[3];
    for (size_t i = 0; i < 3; i++)
        ring[i] = start_broker (NULL);
    for (size_t i = 0; i < 3; i++)
        all[i] = start_link (ring[i], ring[(i + 1) % 3]);
    AWAIT (any_refused (all, 3));
}

/* A feeder of the queue whose path has so many queues with names of so many bytes. */
static void feed_with_path (zf_socket_t *feeder, const zf_device_t *broker, size_t nodes,
                            size_t name_size)
{
    char name[ZF_NAME_MAX];
    zf_writer_t w = {0};
    static const uint8_t identity[ZF_UUID_BYTES] = "a feeder";
    memset (name, 'n', sizeof name);
    assert_int_equal (zf_socket_dealer (feeder, 1u << 20, NULL), 0);
    assert_int_equal (zf_socket_connect (feeder, endpoint_of (broker), NULL), 0);
    zf_control (&w, ZF_CMD_HELLO, 4);
    zf_mp_put_uint (&w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (&w, zf_bytes (identity, sizeof identity));
    zf_mp_put_map (&w, 0);
    zf_mp_put_uint (&w, 0); /* behind what is read */
    assert_int_equal (zmq_send (feeder->raw, w.data, w.size, 0), w.size);
    w.size = 0;
    zf_control (&w, ZF_CMD_LINK, 3);
    zf_mp_put_str (&w, zf_bytes_of ("jobs"));
    zf_mp_put_array (&w, 2 * nodes);
    for (size_t i = 0; i < nodes; i++) {
        zf_mp_put_bin (&w, zf_bytes (identity, sizeof identity));
        zf_mp_put_str (&w, zf_bytes (name, name_size));
    }
    assert_int_equal (zmq_send (feeder->raw, w.data, w.size, 0), w.size);
    zf_writer_free (&w);
}

/* Records go on from a queue that more queues feed than can be told of. */
static void expect_forwarded (size_t nodes, size_t name_size)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *client = open_client (from);
    zf_worker_t *worker = open_worker (to, "jobs", 0);
    zf_socket_t feeder;
    zf_device_t *link = start_link (from, to);
    post_numbers (client, "jobs", 1, 10);
    take_numbers (worker, 1, 10);
    feed_with_path (&feeder, from, nodes, name_size);
    uint64_t looks = figure (link, "looks");
    AWAIT (figure (link, "looks") > looks + 1); /* it has seen the new path, and told it */
    post_numbers (client, "jobs", 11, 20);
    take_numbers (worker, 11, 20);
    assert_int_equal (figure (link, "restarts"), 0);
    zf_socket_close (&feeder);
}

static void queue_that_very_many_feed_is_forwarded (void **state)
{
    expect_forwarded (1024, 8);
}

static void queue_fed_by_very_long_names_is_forwarded (void **state)
{
    expect_forwarded (240, 253); /* it just fits a frame; with the queue itself no more */
}

static void options_out_of_range_are_refused (void **state)
{
    const char *to = "tcp://127.0.0.1:1";
    zf_device_t *link;
    zf_link_options_t options = link_options ("tcp://127.0.0.1:1", "jobs", &to);
    zf_link_options_t wrong = options;
    wrong.struct_size = 3;
    assert_int_equal (zf_link_start (&link, &wrong, &stage.err), ZF_E_INVAL);
    wrong = options;
    wrong.from = NULL;
    assert_int_equal (zf_link_start (&link, &wrong, &stage.err), ZF_E_INVAL);
    wrong = options;
    wrong.from_queue = NULL;
    assert_int_equal (zf_link_start (&link, &wrong, &stage.err), ZF_E_INVAL);
    wrong = options;
    wrong.to_count = 0;
    assert_int_equal (zf_link_start (&link, &wrong, &stage.err), ZF_E_INVAL);
    wrong = options;
    wrong.backoff_min_ms = 20000;
    assert_int_equal (zf_link_start (&link, &wrong, &stage.err), ZF_E_INVAL);
    wrong = options;
    wrong.from = "nonsense://x";
    assert_int_equal (zf_link_start (&link, &wrong, &stage.err), ZF_E_ADDRESS);
    assert_null (link);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        LINK_CASE (records_travel_in_order_and_leave_the_source),
        LINK_CASE (lone_record_travels_at_once),
        LINK_CASE (queue_may_have_another_name_at_the_target),
        LINK_CASE (large_records_travel),
        LINK_CASE (small_window_holds_nothing_up),
        LINK_CASE (properties_travel_along),
        LINK_CASE (delayed_record_waits_at_the_target),
        LINK_CASE (record_too_big_for_a_message_is_dead_at_the_source),
        LINK_CASE (record_too_big_for_the_queue_is_dead_at_the_source),
        LINK_CASE (full_target_that_refuses_gets_all_when_it_is_drained),
        LINK_CASE (full_target_that_lets_wait_gets_all_when_it_is_drained),
        LINK_CASE (request_is_not_forwarded),
        LINK_CASE (cut_to_the_target_loses_and_repeats_nothing),
        LINK_CASE (cut_to_the_source_loses_and_repeats_nothing),
        LINK_CASE (confirms_that_are_lost_repeat_nothing),
        LINK_CASE (link_that_starts_again_goes_on_where_it_was),
        LINK_CASE (source_that_begins_anew_is_another_source),
        LINK_CASE (target_that_begins_anew_gets_what_was_not_confirmed),
        LINK_CASE (target_that_is_not_there_is_waited_for),
        LINK_CASE (next_endpoint_of_the_target_is_tried),
        LINK_CASE (all_at_once_loses_and_repeats_nothing),
        LINK_CASE (second_link_waits_for_the_first),
        LINK_CASE (same_link_twice_leaves_the_first_in_peace),
        LINK_CASE (queue_with_priorities_is_refused_by_the_source),
        LINK_CASE (link_of_a_queue_to_itself_is_refused),
        LINK_CASE (loop_of_two_links_is_refused),
        LINK_CASE (loop_of_three_links_is_refused),
        LINK_CASE (loop_whose_links_start_at_once_is_refused),
        LINK_CASE (queue_that_very_many_feed_is_forwarded),
        LINK_CASE (queue_fed_by_very_long_names_is_forwarded),
        LINK_CASE (options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
