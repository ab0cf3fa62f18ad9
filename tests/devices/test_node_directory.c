/* What nodes offer, and how others hear of it. */
#include "tests/devices/nodes.h"

#include <stdatomic.h>

#define MANY 700 /* more than headers tell */

static bool take_offer (void *arg, const zf_offer_t *offer)
{
    char *found = arg;
    size_t used = strlen (found);
    snprintf (found + used, 1000 - used, "%s %s %s%s;", offer->what, offer->endpoint, offer->name,
              offer->is_own ? " own" : "");
    return true;
}

/* All that matches, as text. */
static void expect_found (zf_node_t *node, const char *what, const char *expected)
{
    char found[1000] = "";
    zf_node_find (node, what, take_offer, found);
    assert_string_equal (found, expected);
}

static void announce (zf_node_t *node, const char *what, const char *endpoint)
{
    if (zf_node_announce (node, what, endpoint, &rig.err) != 0)
        fail_msg ("%s", rig.err.text);
}

static void await_offers (zf_node_t *node, const char *what, size_t count)
{
    assert_int_equal (zf_node_await (node, what, count, PATIENCE_MS), 0);
}

/* The next one that came or went. */
static void expect_offer (zf_node_t *node, zf_peer_event_type_t type, const char *name,
                          const char *what, const char *endpoint)
{
    zf_peer_event_t event = await_event (node, type, name);
    assert_string_equal (event.text, what);
    assert_string_equal (event.endpoint, endpoint);
    assert_int_equal (strlen (event.id), ZF_PEER_ID - 1);
    zf_node_event_release (&event);
}

static void offer_before_the_meeting_is_found (void **state)
{
    zf_node_t *anna = start_node ("anna");
    announce (anna, "service/upper", "tcp://*:5555");
    announce (anna, "queue/jobs", "tcp://10.9.8.7:5555");
    zf_node_t *bert = start_node ("bert");
    await_offers (bert, "*/*", 2);
    expect_found (bert, "service/upper", "service/upper tcp://127.0.0.1:5555 anna;");
    expect_found (bert, "queue/*", "queue/jobs tcp://10.9.8.7:5555 anna;");
    expect_found (bert, "topic/*", "");
    expect_offer (bert, ZF_PEER_OFFER, "anna", "service/upper", "tcp://127.0.0.1:5555");
    expect_offer (bert, ZF_PEER_OFFER, "anna", "queue/jobs", "tcp://10.9.8.7:5555");
}

static void offer_after_the_meeting_is_found_and_goes (void **state)
{
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    announce (anna, "service/upper", "tcp://*:5555");
    announce (anna, "service/upper", "tcp://*:5555"); /* again: nothing new */
    expect_offer (bert, ZF_PEER_OFFER, "anna", "service/upper", "tcp://127.0.0.1:5555");
    announce (anna, "service/lower", "tcp://*:5556");
    await_offers (bert, "service/*", 2);
    assert_int_equal (zf_node_withdraw (anna, "service/upper", NULL), 0);
    assert_int_equal (zf_node_withdraw (anna, "service/upper", NULL), ZF_E_NOT_FOUND);
    expect_offer (bert, ZF_PEER_WITHDRAW, "anna", "service/upper", "tcp://127.0.0.1:5555");
    expect_found (bert, NULL, "service/lower tcp://127.0.0.1:5556 anna;");
    zf_peer_stats_t stats = stats_of (anna);
    assert_int_equal (stats.errors, 0);
}

/* Neither the list of offers nor anything else of ours is a message for the application. */
static void offers_are_no_messages (void **state)
{
    zf_peer_event_t event;
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    zf_node_listen (bert, 1u << ZF_PEER_WHISPER);
    announce (anna, "service/upper", "tcp://*:5555");
    await_offers (bert, "service/*", 1);
    whisper (anna, "bert", "word");
    do
        assert_int_equal (zf_node_next (bert, &event, PATIENCE_MS), 0);
    while (event.type != ZF_PEER_WHISPER);
    assert_int_equal (event.frame_count, 1);
    zf_node_event_release (&event);
}

static void own_offers_are_found_too (void **state)
{
    zf_node_t *anna = start_node ("anna");
    announce (anna, "broker/main", "tcp://*:5555");
    await_offers (anna, "broker", 1);
    expect_found (anna, "broker", "broker/main tcp://127.0.0.1:5555 anna own;");
    expect_offer (anna, ZF_PEER_OFFER, "anna", "broker/main", "tcp://127.0.0.1:5555");
    assert_int_equal (zf_node_withdraw (anna, "broker/main", "tcp://*:5555"), 0);
    expect_offer (anna, ZF_PEER_WITHDRAW, "anna", "broker/main", "tcp://127.0.0.1:5555");
    assert_int_equal (zf_node_await (anna, "broker", 1, 0), ZF_E_TIMEOUT);
}

static void offers_go_with_their_node (void **state)
{
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    announce (bert, "service/upper", "tcp://*:5555");
    expect_offer (anna, ZF_PEER_OFFER, "bert", "service/upper", "tcp://127.0.0.1:5555");
    stop_node (bert);
    expect_offer (anna, ZF_PEER_WITHDRAW, "bert", "service/upper", "tcp://127.0.0.1:5555");
    expect_event (anna, ZF_PEER_EXIT, "bert");
    expect_found (anna, NULL, "");
}

static void announce_many (zf_node_t *node, int from, int to)
{
    for (int i = from; i < to; i++) {
        char what[32];
        snprintf (what, sizeof what, "queue/number-%d", i);
        announce (node, what, "tcp://*:5555");
    }
}

static void offers_beyond_what_headers_tell_arrive (void **state)
{
    zf_node_t *early = start_node ("early");
    zf_node_t *anna = start_node ("anna");
    announce_many (anna, 0, MANY / 2);
    await_offers (early, "queue/*", MANY / 2);
    announce_many (anna, MANY / 2, MANY);
    await_offers (early, "queue/*", MANY);
    zf_node_t *late = start_node ("late");
    await_offers (late, "queue/*", MANY);
    for (int i = 0; i < MANY; i++) {
        char what[32];
        snprintf (what, sizeof what, "queue/number-%d", i);
        assert_int_equal (zf_node_withdraw (anna, what, NULL), 0);
    }
    AWAIT (zf_node_find (late, NULL, NULL, NULL) == 0);
    AWAIT (zf_node_find (early, NULL, NULL, NULL) == 0);
    zf_node_t *last = start_node ("last"); /* its headers tell nothing either */
    assert_int_equal (zf_node_wait (last, 3, PATIENCE_MS), 0);
    assert_int_equal (zf_node_find (last, NULL, NULL, NULL), 0);
}

static void offer_that_is_none_is_refused_in_words (void **state)
{
    char text[300];
    memset (text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    zf_node_t *anna = start_node ("anna");
    assert_int_equal (zf_node_announce (anna, "Service/x", "tcp://*:1", &rig.err), ZF_E_INVAL);
    assert_non_null (strstr (rig.err.text, "Service/x"));
    assert_int_equal (zf_node_announce (anna, "service/*", "tcp://*:1", &rig.err), ZF_E_INVAL);
    assert_int_equal (zf_node_announce (anna, "service/x", text, &rig.err), ZF_E_INVAL);
    assert_int_equal (zf_node_announce (anna, "service/x", "a b", &rig.err), ZF_E_INVAL);
    assert_int_equal (zf_node_announce (anna, NULL, "tcp://*:1", &rig.err), ZF_E_INVAL);
    assert_int_equal (zf_node_await (anna, "no kind", 0, 0), ZF_E_INVAL);
}

static void too_many_offers_are_refused (void **state)
{
    zf_node_t *anna = start_node ("anna");
    announce_many (anna, 0, ZF_OFFERS_MAX);
    assert_int_equal (zf_node_announce (anna, "queue/last", "tcp://*:1", &rig.err), ZF_E_LIMIT);
}

/* -- watching ---------------------------------------------------------------------------------- */

typedef struct {
    zf_node_t *node;
    atomic_uint calls;
    atomic_size_t found;
} watcher_t;

static void look (void *arg)
{
    watcher_t *watcher = arg;
    atomic_store (&watcher->found, zf_node_find (watcher->node, NULL, NULL, NULL));
    atomic_fetch_add (&watcher->calls, 1);
}

static void watch_is_told_of_changes (void **state)
{
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    watcher_t watcher = {.node = bert};
    zf_watch_t watch = {.changed = look, .arg = &watcher};
    zf_node_watch (bert, &watch);
    announce (anna, "service/upper", "tcp://*:5555");
    AWAIT (atomic_load (&watcher.found) == 1);
    announce (bert, "service/own", "tcp://*:5555");
    AWAIT (atomic_load (&watcher.found) == 2);
    stop_node (anna);
    AWAIT (atomic_load (&watcher.found) == 1);
    zf_node_unwatch (bert, &watch);
    unsigned calls = atomic_load (&watcher.calls);
    announce (bert, "service/other", "tcp://*:5555");
    await_offers (bert, "service/*", 2);
    start_node ("carl");
    assert_int_equal (zf_node_wait (bert, 1, PATIENCE_MS), 0);
    assert_int_equal (atomic_load (&watcher.calls), calls);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        NODE_CASE (offer_before_the_meeting_is_found),
        NODE_CASE (offer_after_the_meeting_is_found_and_goes),
        NODE_CASE (offers_are_no_messages),
        NODE_CASE (own_offers_are_found_too),
        NODE_CASE (offers_go_with_their_node),
        NODE_CASE (offers_beyond_what_headers_tell_arrive),
        NODE_CASE (offer_that_is_none_is_refused_in_words),
        NODE_CASE (too_many_offers_are_refused),
        NODE_CASE (watch_is_told_of_changes),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
