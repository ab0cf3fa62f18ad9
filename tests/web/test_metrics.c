/* /metrics: which figures become what. Its form is looked at from outside (test_admin_http.py). */
#include "tests/web/http.h"

#include "web/figures.h"
#include "web/metrics.h"
#include <dirent.h>

/* The text of /metrics: free it. */
static char *metrics (void)
{
    answer_t answer = ask ("GET", "/metrics", NO_HEADER, NULL);
    assert_int_equal (answer.status, 200);
    char *text = strdup (answer.body);
    drop (&answer);
    return text;
}

static void expect_line (const char *text, const char *line)
{
    char whole[512];
    snprintf (whole, sizeof whole, "\n%s\n", line);
    if (strstr (text, whole) == NULL)
        fail_msg ("there is no line %s in:\n%s", line, text);
}

static size_t count_lines (const char *text, const char *begin)
{
    size_t count = 0;
    size_t size = strlen (begin);
    for (const char *at = text; at != NULL && at[0] != '\0'; at = strchr (at, '\n')) {
        at += at[0] == '\n';
        count += strncmp (at, begin, size) == 0;
    }
    return count;
}

/* -- figures ----------------------------------------------------------------------------------- */

/* Notes the first figure that nobody has said anything about. */
static void check_known (void *arg, const char *name, uint64_t value)
{
    char *unknown = arg;
    zf_web_bucket_t bucket;
    (void) value;
    if (unknown[0] == '\0' && zf_web_metric (name) == NULL && !zf_web_bucket (name, &bucket))
        snprintf (unknown, ZF_WEB_FIGURE_MAX, "%s", name);
}

static void remove_folder (const char *path)
{
    DIR *dir = opendir (path);
    const struct dirent *entry = NULL;
    assert_non_null (dir);
    while ((entry = readdir (dir)) != NULL)
        if (entry->d_name[0] != '.')
            assert_int_equal (unlinkat (dirfd (dir), entry->d_name, 0), 0);
    closedir (dir);
    assert_int_equal (rmdir (path), 0);
}

static void every_figure_is_known (void **state)
{
    static const char *const any[] = {ANY_PORT};
    char dir[] = "/tmp/zferry-test-XXXXXX";
    char journal[64];
    char unknown[ZF_WEB_FIGURE_MAX] = "";
    zf_device_t *devices[4] = {NULL};
    zf_broker_options_t broker;
    zf_forwarder_options_t forwarder;
    zf_balancer_options_t balancer;
    zf_link_options_t link;
    assert_non_null (mkdtemp (dir));
    snprintf (journal, sizeof journal, "%s/journal", dir);
    zf_broker_defaults (&broker);
    broker.endpoints = any;
    broker.journal = journal;
    assert_int_equal (zf_broker_start (&devices[0], &broker, &stage.err), 0);
    zf_forwarder_defaults (&forwarder);
    forwarder.endpoints = any;
    assert_int_equal (zf_forwarder_start (&devices[1], &forwarder, &stage.err), 0);
    zf_balancer_defaults (&balancer);
    balancer.front = any;
    balancer.back = any;
    assert_int_equal (zf_balancer_start (&devices[2], &balancer, &stage.err), 0);
    const char *to[] = {endpoint_of (devices[1])};
    zf_link_defaults (&link);
    link.from = endpoint_of (devices[0]);
    link.from_queue = "out";
    link.to = to;
    link.to_count = 1;
    assert_int_equal (zf_link_start (&devices[3], &link, &stage.err), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal (zf_device_stats (devices[i], check_known, unknown), 0);
    for (size_t i = 4; i > 0; i--)
        zf_device_stop (&devices[i - 1]);
    remove_folder (journal);
    assert_int_equal (rmdir (dir), 0);
    if (unknown[0] != '\0')
        fail_msg ("web/figures.c does not say what the figure %s is", unknown);
}

static void figures_become_metrics (void **state)
{
    static const char *const names[] = {"sessions", "posted", "lag_ms", "plain_dropped_slow",
                                        "dropped",  "looks",  "new.one"};
    static const uint64_t values[] = {7, UINT64_MAX, 1234, 3, 4, 5, 6};
    fake_t fake = {.names = names, .values = values, .count = 7};
    start_web (NULL, false);
    show_device ("a \"b\" \\c\nd", "link", make_fake (&fake));
    char *text = metrics ();
#define LABELS "device=\"a \\\"b\\\" \\\\c\\nd\",kind=\"link\""
    expect_line (text, "zferry_device_up{" LABELS "} 1");
    expect_line (text, "# TYPE zferry_device_sessions gauge");
    expect_line (text, "zferry_device_sessions{" LABELS "} 7");
    expect_line (text, "# TYPE zferry_device_posted_total counter");
    expect_line (text, "zferry_device_posted_total{" LABELS "} 18446744073709551615");
    expect_line (text, "zferry_device_lag_seconds{" LABELS "} 1.234");
    expect_line (text, "zferry_device_dropped_total{" LABELS ",reason=\"slow\"} 3");
    expect_line (text, "zferry_device_dropped_total{" LABELS ",reason=\"queue\"} 4");
    assert_int_equal (count_lines (text, "# TYPE zferry_device_dropped_total "), 1);
    assert_null (strstr (text, "looks"));
    expect_line (text, "# TYPE zferry_device_new_one untyped");
    expect_line (text, "zferry_device_new_one{" LABELS "} 6");
    free (text);
}

static void device_that_does_not_answer_is_down (void **state)
{
    fake_t fake = {.code = ZF_E_CLOSED};
    start_web (NULL, false);
    show_device ("gone", "link", make_fake (&fake));
    char *text = metrics ();
    expect_line (text, "zferry_device_up{device=\"gone\",kind=\"link\"} 0");
    free (text);
}

static void distributions_become_histograms (void **state)
{
    static const char *const names[] = {"wait_ms.le.1",   "wait_ms.le.50", "wait_ms.le.inf",
                                        "wait_ms.sum",    "wait_ms.count", "sync_us.le.50",
                                        "sync_us.le.inf", "sync_us.sum",   "sync_us.count"};
    static const uint64_t values[] = {2, 5, 9, 12345, 9, 1, 1, 40, 1};
    fake_t one = {.names = names, .values = values, .count = 9};
    fake_t two = {.names = names, .values = values, .count = 5};
    start_web (NULL, false);
    show_device ("one", "broker", make_fake (&one));
    show_device ("two", "broker", make_fake (&two));
    char *text = metrics ();
    expect_line (text, "# TYPE zferry_device_wait_seconds histogram");
    assert_int_equal (count_lines (text, "# TYPE zferry_device_wait_seconds "), 1);
    static const char *const devices[] = {"one", "two"};
    for (size_t i = 0; i < 2; i++) {
        char lines[512];
        snprintf (
            lines, sizeof lines,
            "zferry_device_wait_seconds_bucket{device=\"%s\",kind=\"broker\",le=\"0.001\"} 2\n"
            "zferry_device_wait_seconds_bucket{device=\"%s\",kind=\"broker\",le=\"0.05\"} 5\n"
            "zferry_device_wait_seconds_bucket{device=\"%s\",kind=\"broker\",le=\"+Inf\"} 9\n"
            "zferry_device_wait_seconds_sum{device=\"%s\",kind=\"broker\"} 12.345\n"
            "zferry_device_wait_seconds_count{device=\"%s\",kind=\"broker\"} 9",
            devices[i], devices[i], devices[i], devices[i], devices[i]);
        expect_line (text, lines);
    }
    expect_line (text, "zferry_device_sync_seconds_sum{device=\"one\",kind=\"broker\"} 0.000040");
    assert_int_equal (count_lines (text, "zferry_device_sync_seconds_count"), 1);
    free (text);
}

/* -- queues ------------------------------------------------------------------------------------ */

static void queues_have_their_figures (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "one");
    post (client, "say \"hi\"\\", "one");
    post (client, "\xff", "one");
    assert_int_equal (zf_admin_stream (client, "events", NULL), 0);
    post (client, "events", "one");
    assert_int_equal (zf_admin_group (client, "events", "g", NULL, NULL), 0);
    start_web (NULL, false);
    show_device ("main", "broker", broker);
    char *text = metrics ();
    expect_line (text, "zferry_queue_length{device=\"main\",queue=\"jobs\"} 1");
    expect_line (text, "zferry_queue_posted_total{device=\"main\",queue=\"jobs\"} 1");
    expect_line (text, "zferry_queue_length{device=\"main\",queue=\"say \\\"hi\\\"\\\\\"} 1");
    expect_line (text, "zferry_queue_length{device=\"main\",queue=\"%FF\"} 1");
    expect_line (text, "zferry_queue_lag{device=\"main\",queue=\"events@g\"} 1");
    expect_line (text, "zferry_queue_groups{device=\"main\",queue=\"events\"} 1");
    assert_int_equal (count_lines (text, "zferry_queue_lag{"), 1);
    assert_int_equal (count_lines (text, "zferry_queue_groups{"), 1);
    expect_line (text, "zferry_queues_not_listed{device=\"main\"} 0");
    free (text);
}

/* By name: q0000 .. q1999 are told, the rest is summed up. */
static void queues_beyond_the_bound_are_summed_up (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    for (int i = 0; i < ZF_WEB_QUEUES_LISTED + 30; i++) {
        char name[16];
        snprintf (name, sizeof name, "q%04d", i);
        assert_int_equal (zf_client_post_async (client, name, "x", 1, NULL, NULL, NULL), 0);
    }
    assert_int_equal (zf_client_flush (client, PATIENCE_MS, NULL), 0);
    start_web (NULL, false);
    show_device ("main", "broker", broker);
    char *text = metrics ();
    assert_int_equal (count_lines (text, "zferry_queue_length{"), ZF_WEB_QUEUES_LISTED + 1);
    expect_line (text, "zferry_queue_length{device=\"main\",queue=\"\"} 30");
    expect_line (text, "zferry_queue_posted_total{device=\"main\",queue=\"\"} 30");
    expect_line (text, "zferry_queues_not_listed{device=\"main\"} 30");
    assert_non_null (strstr (text, "queue=\"q1999\""));
    assert_null (strstr (text, "queue=\"q2000\""));
    free (text);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        WEB_CASE (every_figure_is_known),
        WEB_CASE (figures_become_metrics),
        WEB_CASE (device_that_does_not_answer_is_down),
        WEB_CASE (distributions_become_histograms),
        WEB_CASE (queues_have_their_figures),
        WEB_CASE (queues_beyond_the_bound_are_summed_up),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
