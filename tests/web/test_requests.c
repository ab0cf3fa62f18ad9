/* The admin endpoint: who may have which route, and requests that make no sense. */
#include "tests/web/http.h"

#include "web/routes.h"

/* A path with something in place of {name}. */
static void fill_path (const char *path, char *text, size_t size)
{
    const char *hole = strstr (path, "{name}");
    if (hole == NULL)
        snprintf (text, size, "%s", path);
    else
        snprintf (text, size, "%.*sjobs%s", (int) (hole - path), path, hole + 6);
}

/* -- who may come in --------------------------------------------------------------------------- */

static void every_route_wants_what_its_right_says (void **state)
{
    char path[128];
    start_shown_broker (TOKEN, false);
    for (const zf_web_route_t *route = zf_web_routes; route->method != NULL; route++) {
        fill_path (route->path, path, sizeof path);
        bool changes = route->right == ZF_WEB_CHANGE;
        answer_t without = ask (route->method, path, NO_HEADER, "{}");
        answer_t wrong =
            ask (route->method, path, "Authorization: Bearer 0123456789abcdef\r\n", "{}");
        if (changes) {
            assert_int_equal (without.status, 401);
            assert_int_equal (wrong.status, 401);
            assert_non_null (strstr (without.text, "WWW-Authenticate: Bearer"));
        } else {
            assert_int_equal (without.status, 200);
            assert_int_equal (wrong.status, 200);
        }
        drop (&without);
        drop (&wrong);
        answer_t with = ask (route->method, path, WITH, "{}");
        assert_int_not_equal (with.status, 401);
        assert_int_not_equal (with.status, 403);
        assert_true (with.status < 500);
        drop (&with);
    }
}

static void private_reads_want_the_token_too (void **state)
{
    char path[128];
    start_shown_broker (TOKEN, true);
    for (const zf_web_route_t *route = zf_web_routes; route->method != NULL; route++) {
        fill_path (route->path, path, sizeof path);
        expect_only (route->right == ZF_WEB_OPEN ? 200 : 401, route->method, path, NO_HEADER, "{}");
    }
    expect_only (200, "GET", "/app.js", NO_HEADER, NULL);
    expect_only (200, "GET", "/api/v1/queues", WITH, NULL);
    expect_only (200, "GET", "/metrics", WITH, NULL);
}

static void without_a_token_nothing_can_be_changed (void **state)
{
    zf_client_t *client = start_shown_broker (NULL, false);
    expect_only (403, "POST", "/api/v1/queue/jobs/purge", NO_HEADER, NULL);
    expect_only (403, "POST", "/api/v1/queue/jobs/purge", WITH, NULL);
    assert_int_equal (look_at (client, "jobs").length, 1);
    json_t *overview = expect (200, "GET", "/api/v1/overview", NO_HEADER, NULL);
    assert_true (json_is_false (json_object_get (overview, "can_change")));
    json_decref (overview);
}

static void strange_host_is_refused (void **state)
{
    char request[256];
    static const char *const hosts[] = {"evil.example",
                                        "evil.example:8090",
                                        "127.0.0.1.evil.example",
                                        "localhost.evil.example",
                                        "0x7f.1",
                                        "[::1",
                                        ""};
    start_shown_broker (TOKEN, false);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        int size = snprintf (request, sizeof request,
                             "GET /api/v1/queues HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                             hosts[i]);
        answer_t answer = send_raw (request, (size_t) size);
        if (answer.status != 403 && answer.status != 400)
            fail_msg ("host '%s': %d", hosts[i], answer.status);
        drop (&answer);
    }
    static const char localhost[] =
        "GET /api/v1/queues HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n";
    answer_t answer = send_raw (localhost, sizeof localhost - 1);
    assert_int_equal (answer.status, 200);
    drop (&answer);
    static const char probe[] =
        "GET /livez HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    answer = send_raw (probe, sizeof probe - 1);
    assert_int_equal (answer.status, 200);
    drop (&answer);
}

static void page_of_a_stranger_changes_nothing (void **state)
{
    char own[128];
    zf_client_t *client = start_shown_broker (TOKEN, false);
    static const char *const strange[] = {"http://evil.example", "null", "https://127.0.0.1",
                                          "http://127.0.0.1:1"};
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        char headers[256];
        snprintf (headers, sizeof headers, WITH "Origin: %s\r\n", strange[i]);
        expect_only (403, "POST", "/api/v1/queue/jobs/purge", headers, NULL);
    }
    assert_int_equal (look_at (client, "jobs").length, 1);
    snprintf (own, sizeof own, WITH "Origin: http://127.0.0.1:%u\r\n", web_port ());
    expect_only (200, "POST", "/api/v1/queue/jobs/purge", own, NULL);
    assert_int_equal (look_at (client, "jobs").length, 0);
}

static void public_origin_is_ours_too (void **state)
{
    zf_web_options_t options;
    zf_device_t *broker = start_broker (NULL);
    zf_web_defaults (&options);
    options.bind = "127.0.0.1:0";
    options.token = TOKEN;
    options.public_origin = "https://admin.example.org";
    assert_int_equal (zf_web_start (&web, &options, &stage.err), 0);
    show_device ("main", "broker", broker);
    post (open_client (broker), "jobs", "one");
    expect_only (200, "POST", "/api/v1/queue/jobs/purge",
                 WITH "Origin: https://admin.example.org\r\n", NULL);
    expect_only (403, "POST", "/api/v1/queue/jobs/purge", WITH "Origin: https://example.org\r\n",
                 NULL);
    static const char by_name[] =
        "GET /api/v1/queues HTTP/1.1\r\nHost: admin.example.org\r\nConnection: close\r\n\r\n";
    answer_t answer = send_raw (by_name, sizeof by_name - 1);
    assert_int_equal (answer.status, 200);
    drop (&answer);
}

/* -- bad requests ------------------------------------------------------------------------------ */

static void what_is_not_there_is_404_in_json (void **state)
{
    start_shown_broker (TOKEN, false);
    expect_error (404, "GET", "/nothing", NO_HEADER, NULL, "nothing here");
    expect_error (404, "GET", "/api/v1/queue/", NO_HEADER, NULL, "nothing here");
    expect_error (404, "GET", "/api/v1/queue/a/b", NO_HEADER, NULL, "nothing here");
    expect_error (404, "GET", "/../etc/passwd", NO_HEADER, NULL, "nothing here");
    expect_error (404, "GET", "//", NO_HEADER, NULL, "nothing here");
    expect_error (404, "GET", "/api/v1/queue/none", NO_HEADER, NULL, "no such queue");
    expect_error (404, "GET", "/api/v1/dead/none", NO_HEADER, NULL, "no such queue");
    expect_error (404, "POST", "/api/v1/queue/none/purge", WITH, NULL, "no such queue");
    expect_error (404, "GET", "/api/v1/queue/jobs?device=other", NO_HEADER, NULL, "no device");
    expect_error (404, "POST", "/api/v1/reload", WITH, NULL, "no file");
}

static void other_method_is_405_with_allow (void **state)
{
    start_shown_broker (TOKEN, false);
    static const struct {
        const char *method, *path, *allow;
    } wrong[] = {{"POST", "/api/v1/queues", "Allow: GET, HEAD\r\n"},
                 {"GET", "/api/v1/reload", "Allow: POST\r\n"},
                 {"DELETE", "/api/v1/queue/jobs", "Allow: GET, HEAD\r\n"},
                 {"PUT", "/", "Allow: GET, HEAD\r\n"},
                 {"PATCH", "/app.js", "Allow: GET, HEAD\r\n"},
                 {"BREW", "/metrics", "Allow: GET, HEAD\r\n"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        answer_t answer = ask (wrong[i].method, wrong[i].path, WITH, NULL);
        assert_int_equal (answer.status, 405);
        assert_non_null (answer.json);
        if (strstr (answer.text, wrong[i].allow) == NULL)
            fail_msg ("%s %s: %s", wrong[i].method, wrong[i].path, answer.text);
        drop (&answer);
    }
}

static void what_is_too_long_is_refused (void **state)
{
    static char target[3000];
    static char body[ZF_WEB_BODY_MAX + 2];
    zf_client_t *client = start_shown_broker (TOKEN, false);
    memset (target, 'a', sizeof target - 1);
    target[0] = '/';
    expect_error (414, "GET", target, NO_HEADER, NULL, "2048");
    memset (body, ' ', sizeof body - 1);
    expect_error (413, "POST", "/api/v1/queue/jobs/purge", WITH, body, "65536");
    assert_int_equal (look_at (client, "jobs").length, 1);
    body[ZF_WEB_BODY_MAX] = '\0';
    body[0] = '{';
    body[1] = '}';
    expect_only (200, "POST", "/api/v1/queue/jobs/purge", WITH, body);
    assert_int_equal (look_at (client, "jobs").length, 0);
}

/* Without a length it is seen only when it is there. */
static void body_in_pieces_has_the_same_bound (void **state)
{
    static char request[80000];
    start_shown_broker (TOKEN, false);
    int size = snprintf (request, sizeof request,
                         "POST /api/v1/queue/jobs/purge HTTP/1.1\r\nHost: localhost\r\n" WITH
                         "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n");
    memset (request + size, ' ', 70000);
    memcpy (request + size + 70000, "\r\n0\r\n\r\n", 8);
    answer_t answer = send_raw (request, (size_t) size + 70007);
    assert_int_equal (answer.status, 413);
    drop (&answer);
}

static void body_that_would_be_too_long_is_not_waited_for (void **state)
{
    start_shown_broker (TOKEN, false);
    static const char request[] =
        "POST /api/v1/queue/jobs/purge HTTP/1.1\r\nHost: localhost\r\n" WITH
        "Content-Length: 65537\r\n\r\n";
    answer_t answer = send_raw (request, sizeof request - 1);
    assert_int_equal (answer.status, 413);
    drop (&answer);
}

static void bodies_and_queries_that_make_no_sense_are_400 (void **state)
{
    start_shown_broker (TOKEN, false);
    static const char *const bodies[] = {"x",
                                         "[]",
                                         "1",
                                         "{\"max\": 1",
                                         "{\"max\": 0}",
                                         "{\"max\": -1}",
                                         "{\"max\": 1.5}",
                                         "{\"max\": \"1\"}",
                                         "{\"most\": 1}",
                                         "{\"max\": 1, \"max\": 1}",
                                         "{\"max\": 1, \"x\": 1}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        expect_only (400, "POST", "/api/v1/dead/jobs/requeue", WITH, bodies[i]);
        expect_only (400, "POST", "/api/v1/dead/jobs/discard", WITH, bodies[i]);
    }
    expect_only (400, "POST", "/api/v1/queue/jobs/purge", WITH, "{\"max\": 1}");
    static const char *const targets[] = {
        "/api/v1/queues?limit=0",   "/api/v1/queues?limit=x",
        "/api/v1/queues?limit=",    "/api/v1/queues?limit=-1",
        "/api/v1/queues?match=%zz", "/api/v1/queues?limit=999999999999",
        "/api/v1/queue/%",          "/api/v1/queue/%4",
        "/api/v1/queue/a%00b",      "/api/v1/dead/jobs?limit=101",
        "/api/v1/peers?limit=0",    "/api/v1/directory?limit=x"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        expect_only (400, "GET", targets[i], NO_HEADER, NULL);
}

static void long_name_is_400 (void **state)
{
    char target[400] = "/api/v1/queue/";
    start_shown_broker (TOKEN, false);
    size_t size = strlen (target);
    memset (target + size, 'n', 256);
    expect_only (400, "GET", target, NO_HEADER, NULL);
    target[size + 255] = '\0';
    expect_only (404, "GET", target, NO_HEADER, NULL);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        WEB_CASE (every_route_wants_what_its_right_says),
        WEB_CASE (private_reads_want_the_token_too),
        WEB_CASE (without_a_token_nothing_can_be_changed),
        WEB_CASE (strange_host_is_refused),
        WEB_CASE (page_of_a_stranger_changes_nothing),
        WEB_CASE (public_origin_is_ours_too),
        WEB_CASE (what_is_not_there_is_404_in_json),
        WEB_CASE (other_method_is_405_with_allow),
        WEB_CASE (what_is_too_long_is_refused),
        WEB_CASE (body_in_pieces_has_the_same_bound),
        WEB_CASE (body_that_would_be_too_long_is_not_waited_for),
        WEB_CASE (bodies_and_queries_that_make_no_sense_are_400),
        WEB_CASE (long_name_is_400),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
