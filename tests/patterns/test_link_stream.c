/* Links between streams: a stream of one broker copied into that of another, from a group of it. */
#include "tests/patterns/link_stage.h"

static zf_client_t *with_stream (const zf_device_t *broker)
{
    zf_client_t *client = open_client (broker);
    assert_int_equal (zf_admin_stream (client, "events", &stage.err), 0);
    return client;
}

/* From the stream of one broker, through the group "copy", into that of another. */
static zf_device_t *copy_stream (const zf_device_t *from, const zf_device_t *to)
{
    const char *endpoint = endpoint_of (to);
    zf_link_options_t options = link_options (endpoint_of (from), "events@copy", &endpoint);
    options.to_queue = "events";
    return start_link_with (&options);
}

/* A group of the stream sees the numbers 1..count, in order. */
static void expect_copied (const zf_device_t *broker, uint64_t count)
{
    zf_worker_t *worker = open_worker (broker, "events@look", 0);
    take_numbers (worker, 1, count);
    zf_message_t message;
    assert_int_equal (zf_worker_recv (worker, &message, 0, NULL), ZF_E_AGAIN);
}

static void stream_is_copied_and_stays (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *near = with_stream (from), *far = with_stream (to);
    post_numbers (near, "events", 1, 5000);
    flush_posts (near);
    copy_stream (from, to);
    post_numbers (near, "events", 5001, 10000);
    flush_posts (near);
    AWAIT (has_length (far, "events", 10000));
    assert_true (has_length (near, "events", 10000));
    expect_copied (to, 10000);
    expect_copied (from, 10000);
}

static void copy_goes_on_when_its_link_was_cut (void **state)
{
    zf_device_t *from = start_broker (NULL), *to = start_broker (NULL);
    zf_client_t *near = with_stream (from), *far = with_stream (to);
    const char *endpoint = lay_cable (0, to);
    zf_link_options_t options = link_options (endpoint_of (from), "events@copy", &endpoint);
    options.to_queue = "events";
    start_link_with (&options);
    for (uint64_t i = 0; i < 10; i++) {
        post_numbers (near, "events", 1000 * i + 1, 1000 * i + 1000);
        flush_posts (near);
        cable_cut (links.cables[0]);
    }
    AWAIT (has_length (far, "events", 10000));
    expect_copied (to, 10000);
}

static void circle_of_copies_is_refused (void **state)
{
    zf_device_t *one = start_broker (NULL), *two = start_broker (NULL);
    zf_client_t *near = with_stream (one), *far = with_stream (two);
    copy_stream (one, two);
    AWAIT (was_said ("linked to"));
    zf_device_t *back = copy_stream (two, one);
    AWAIT (figure (back, "refused") == 1);
    assert_true (was_said ("loop"));
    post_numbers (near, "events", 1, 100);
    flush_posts (near);
    AWAIT (has_length (far, "events", 100));
    assert_true (has_length (near, "events", 100));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        LINK_CASE (stream_is_copied_and_stays),
        LINK_CASE (copy_goes_on_when_its_link_was_cut),
        LINK_CASE (circle_of_copies_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
