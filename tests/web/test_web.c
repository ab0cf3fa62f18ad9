/* The admin endpoint: what it shows and changes, its life, and its page. */
#include "tests/web/http.h"

#include "web/routes.h"
#include <fcntl.h>
#include <inttypes.h>

static uint64_t number (const json_t *object, const char *key)
{
    const json_t *value = json_object_get (object, key);
    if (!json_is_integer (value))
        fail_msg ("there is no number %s", key);
    return (uint64_t) json_integer_value (value);
}

/* -- queues ------------------------------------------------------------------------------------ */

static void names_of_any_bytes_are_found (void **state)
{
    static const struct {
        const char *name, *path;
    } names[] = {{"a b/c?d", "a%20b%2Fc%3Fd"},
                 {"\xc3\xa9", "%C3%A9"},
                 {"\xff\xfe", "%FF%FE"},
                 {"%41", "%2541"},
                 {"..", ".."}};
    zf_client_t *client = start_shown_broker (TOKEN, false);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        post (client, names[i].name, "x");
    AWAIT (zf_admin_queue (client, "..", &(zf_queue_info_t){0}, NULL) == 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char target[128];
        snprintf (target, sizeof target, "/api/v1/queue/%s", names[i].path);
        answer_t answer = {0};
        do { /* what is shown may be half a second old */
            drop (&answer);
            answer = ask ("GET", target, NO_HEADER, NULL);
        } while (answer.status == 404);
        assert_int_equal (answer.status, 200);
        assert_string_equal (words (answer.json, "path"), names[i].path);
        assert_int_equal (number (answer.json, "length"), 1);
        drop (&answer);
        snprintf (target, sizeof target, "/api/v1/queue/%s/purge", names[i].path);
        expect_only (200, "POST", target, WITH, NULL);
        assert_int_equal (look_at (client, names[i].name).length, 0);
    }
}

static void lists_are_matched_and_limited (void **state)
{
    zf_client_t *client = start_shown_broker (TOKEN, false);
    post (client, "mail.in", "x");
    post (client, "mail.out", "x");
    assert_int_equal (zf_admin_stream (client, "events", NULL), 0);
    assert_int_equal (zf_admin_group (client, "events", "g", NULL, NULL), 0);
    json_t *list = expect (200, "GET", "/api/v1/queues?match=mail.&limit=1", NO_HEADER, NULL);
    assert_int_equal (number (list, "total"), 2);
    assert_int_equal (json_array_size (json_object_get (list, "queues")), 1);
    json_decref (list);
    list = expect (200, "GET", "/api/v1/queues?device=other", NO_HEADER, NULL);
    assert_int_equal (number (list, "total"), 0);
    json_decref (list);
    list = expect (200, "GET", "/api/v1/streams", NO_HEADER, NULL);
    const json_t *row = json_array_get (json_object_get (list, "streams"), 0);
    assert_string_equal (words (row, "queue"), "events");
    assert_int_equal (number (row, "groups"), 1);
    json_decref (list);
    list = expect (200, "GET", "/api/v1/groups", NO_HEADER, NULL);
    row = json_array_get (json_object_get (list, "groups"), 0);
    assert_string_equal (words (row, "stream"), "events");
    assert_string_equal (words (row, "group"), "g");
    json_decref (list);
}

static void what_was_changed_is_seen_at_once (void **state)
{
    start_shown_broker (TOKEN, false);
    json_t *row = expect (200, "GET", "/api/v1/queue/jobs", NO_HEADER, NULL);
    assert_int_equal (number (row, "length"), 1);
    json_decref (row);
    expect_only (200, "POST", "/api/v1/queue/jobs/purge", WITH, NULL);
    row = expect (200, "GET", "/api/v1/queue/jobs", NO_HEADER, NULL);
    assert_int_equal (number (row, "length"), 0);
    json_decref (row);
}

static void of_two_brokers_the_one_that_has_it_is_meant (void **state)
{
    zf_client_t *client = start_shown_broker (TOKEN, false);
    zf_device_t *other = start_broker (NULL);
    show_device ("other", "broker", other);
    zf_client_t *other_client = open_client (other);
    post (other_client, "there", "x");
    post (other_client, "both", "x");
    post (client, "both", "x");
    expect_only (200, "POST", "/api/v1/queue/there/purge", WITH, NULL);
    expect_error (400, "POST", "/api/v1/queue/both/purge", WITH, NULL, "?device=NAME");
    expect_error (404, "POST", "/api/v1/queue/neither/declare", WITH, NULL, "?device=NAME");
    expect_only (200, "POST", "/api/v1/queue/both/purge?device=other", WITH, NULL);
    assert_int_equal (look_at (other_client, "both").length, 0);
    assert_int_equal (look_at (client, "both").length, 1);
}

static void declare_changes_what_it_names (void **state)
{
    zf_client_t *client = start_shown_broker (TOKEN, false);
    json_t *row = expect (200, "POST", "/api/v1/queue/new/declare", WITH,
                          "{\"max_attempts\": 3, \"ttl_ms\": 5000000000, \"overflow\": \"reject\", "
                          "\"ordered\": true, \"dead_letter\": \"graves\"}");
    assert_string_equal (words (row, "dead_letter"), "graves");
    assert_string_equal (words (row, "device"), "main");
    json_decref (row);
    expect_only (200, "POST", "/api/v1/queue/new/declare", WITH, "{\"max_attempts\": 4}");
    zf_queue_info_t info = look_at (client, "new");
    assert_true (info.declared);
    assert_int_equal (info.policy.max_attempts, 4);
    assert_int_equal (info.policy.ttl_ms, 5000000000);
    assert_int_equal (info.policy.overflow, ZF_OVERFLOW_REJECT);
    assert_true (info.policy.ordered);
    expect_only (200, "POST", "/api/v1/queue/log/declare", WITH,
                 "{\"kind\": \"stream\", \"max_length\": 7}");
    info = look_at (client, "log");
    assert_int_equal (info.policy.kind, ZF_KIND_STREAM);
    assert_int_equal (info.policy.max_length, 7);
}

static void declare_refuses_what_makes_no_sense (void **state)
{
    static const struct {
        const char *body, *says;
    } wrong[] = {{"{\"max_attempt\": 3}", "no setting 'max_attempt'"},
                 {"{\"max_attempts\": -1}", "max_attempts is"},
                 {"{\"max_attempts\": 4294967296}", "max_attempts is"},
                 {"{\"max_attempts\": \"3\"}", "max_attempts is"},
                 {"{\"ordered\": 1}", "true or false"},
                 {"{\"overflow\": \"drop\"}", "\"drop-oldest\""},
                 {"{\"kind\": \"stream\", \"overflow\": 1}", "\"reject\""},
                 {"{\"dead_letter\": null}", "dead_letter is"},
                 {"{\"dead_letter\": \"a\\u0000b\"}", "no JSON"},
                 {"{\"priorities\": 11}", "range"}};
    zf_client_t *client = start_shown_broker (TOKEN, false);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_error (400, "POST", "/api/v1/queue/new/declare", WITH, wrong[i].body, wrong[i].says);
    zf_queue_info_t info;
    assert_int_equal (zf_admin_queue (client, "new", &info, NULL), ZF_E_NOT_FOUND);
}

/* -- dead letters ------------------------------------------------------------------------------ */

static void let_die (zf_client_t *client, zf_worker_t *worker, const char *queue, const void *body,
                     size_t size)
{
    assert_int_equal (zf_client_post (client, queue, body, size, NULL, &stage.err), 0);
    zf_message_t message = take (worker);
    assert_int_equal (zf_worker_reject (worker, &message, "bad <b>"), 0);
}

static void dead_letters_are_shown_requeued_and_discarded (void **state)
{
    char large[600];
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "work", 1);
    start_web (TOKEN, false);
    show_device ("main", "broker", broker);
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = i % 2 == 0 ? '\xc3' : '\xa9';
    let_die (client, worker, "work", "x\xff", 2);
    let_die (client, worker, "work", large + 1, 0);
    let_die (client, worker, "work", large, sizeof large);
    close_worker (worker);
    AWAIT (has_length (client, "work.dead", 3));
    json_t *dead = expect (200, "GET", "/api/v1/dead/work", NO_HEADER, NULL);
    const json_t *letters = json_object_get (dead, "letters");
    assert_string_equal (words (dead, "dead_letter"), "work.dead");
    assert_int_equal (number (dead, "length"), 3);
    assert_int_equal (json_array_size (letters), 3);
    assert_string_equal (words (json_array_get (letters, 0), "reason"), "bad <b>");
    assert_string_equal (words (json_object_get (json_array_get (letters, 0), "preview"), "base64"),
                         "eP8=");
    assert_string_equal (words (json_array_get (letters, 1), "preview"), "");
    assert_int_equal (strlen (words (json_array_get (letters, 2), "preview")), 256);
    assert_int_equal (number (json_array_get (letters, 2), "size"), 600);
    json_decref (dead);
    json_t *done = expect (200, "POST", "/api/v1/dead/work/requeue", WITH, "{\"max\": 1}");
    assert_int_equal (number (done, "requeued"), 1);
    json_decref (done);
    assert_int_equal (look_at (client, "work").length, 1);
    done = expect (200, "POST", "/api/v1/dead/work/discard", WITH, "{\"max\": 1}");
    assert_int_equal (number (done, "discarded"), 1);
    json_decref (done);
    assert_int_equal (look_at (client, "work.dead").length, 1);
    done = expect (200, "POST", "/api/v1/dead/work/requeue", WITH, NULL);
    assert_int_equal (number (done, "requeued"), 1);
    json_decref (done);
    dead = expect (200, "GET", "/api/v1/dead/work", NO_HEADER, NULL);
    assert_int_equal (number (dead, "length"), 0);
    json_decref (dead);
}

static void records_are_shown_from_an_id_on (void **state)
{
    zf_props_t props;
    zf_client_t *client = start_shown_broker (TOKEN, false);
    zf_props_defaults (&props);
    props.key = (zf_bytes_t){"k", 1};
    assert_int_equal (zf_client_post (client, "jobs", "two", 3, &props, NULL), 0);
    post (client, "jobs", "three");
    json_t *list = expect (200, "GET", "/api/v1/queue/jobs/records?limit=2", NO_HEADER, NULL);
    const json_t *rows = json_object_get (list, "records");
    assert_int_equal (json_array_size (rows), 2);
    assert_string_equal (words (json_array_get (rows, 0), "preview"), "one");
    assert_string_equal (words (json_array_get (rows, 1), "preview"), "two");
    assert_string_equal (words (json_array_get (rows, 1), "key"), "k");
    char target[80];
    snprintf (target, sizeof target, "/api/v1/queue/jobs/records?from=%" PRIu64,
              number (json_array_get (rows, 1), "id") + 1);
    json_decref (list);
    list = expect (200, "GET", target, NO_HEADER, NULL);
    rows = json_object_get (list, "records");
    assert_int_equal (json_array_size (rows), 1);
    assert_string_equal (words (json_array_get (rows, 0), "preview"), "three");
    json_decref (list);
    expect_only (404, "GET", "/api/v1/queue/none/records", NO_HEADER, NULL);
    expect_only (400, "GET", "/api/v1/queue/jobs/records?from=x", NO_HEADER, NULL);
    assert_int_equal (look_at (client, "jobs").length, 3);
}

static void letters_of_others_are_not_shown (void **state)
{
    zf_policy_t policy;
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_policy_defaults (&policy);
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "graves");
    declare (client, "a", &policy);
    declare (client, "b", &policy);
    zf_worker_t *a = open_worker (broker, "a", 1);
    zf_worker_t *b = open_worker (broker, "b", 1);
    start_web (TOKEN, false);
    show_device ("main", "broker", broker);
    for (int i = 0; i < 25; i++)
        let_die (client, a, "a", "of a", 4);
    let_die (client, b, "b", "of b", 4);
    AWAIT (has_length (client, "graves", 26));
    json_t *dead = expect (200, "GET", "/api/v1/dead/b", NO_HEADER, NULL);
    const json_t *letters = json_object_get (dead, "letters");
    assert_int_equal (json_array_size (letters), 1);
    assert_string_equal (words (json_array_get (letters, 0), "preview"), "of b");
    json_decref (dead);
    dead = expect (200, "GET", "/api/v1/dead/a?limit=3", NO_HEADER, NULL);
    assert_int_equal (json_array_size (json_object_get (dead, "letters")), 3);
    json_decref (dead);
}

/* -- life -------------------------------------------------------------------------------------- */

static void options_that_make_no_sense_are_refused (void **state)
{
    static const struct {
        zf_web_options_t options;
        int code;
        const char *says;
    } wrong[] = {
        {{.bind = "127.0.0.1:0", .token = "short"}, ZF_E_INVAL, "16"},
        {{.bind = "127.0.0.1:0", .token = "with a blank in it"}, ZF_E_INVAL, "visible"},
        {{.bind = "127.0.0.1:0", .private_reads = true}, ZF_E_INVAL, "token"},
        {{.bind = "127.0.0.1:0", .public_origin = "admin.example.org"},
         ZF_E_INVAL,
         "public_origin"},
        {{.bind = "127.0.0.1:0", .public_origin = "https://a/b"}, ZF_E_INVAL, "public_origin"},
        {{.bind = "0.0.0.0:0"}, ZF_E_INVAL, "insecure"},
        {{.bind = "[::]:0"}, ZF_E_INVAL, "insecure"},
        {{.bind = "*:0"}, ZF_E_INVAL, "insecure"},
        {{.bind = "192.0.2.1:0", .insecure = true}, ZF_E_ADDRESS, "192.0.2.1:0"},
        {{.bind = "127.0.0.1"}, ZF_E_INVAL, "HOST:PORT"},
        {{.bind = "::1:80"}, ZF_E_INVAL, "HOST:PORT"},
        {{.bind = "127.0.0.1:x"}, ZF_E_INVAL, "HOST:PORT"},
        {{.bind = "127.0.0.1:65536"}, ZF_E_INVAL, "HOST:PORT"},
        {{.bind = ":80"}, ZF_E_INVAL, "HOST:PORT"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        zf_web_options_t options = wrong[i].options;
        options.struct_size = sizeof options;
        assert_int_equal (zf_web_start (&web, &options, &stage.err), wrong[i].code);
        assert_null (web);
        if (strstr (stage.err.text, wrong[i].says) == NULL)
            fail_msg ("%s does not say %s", stage.err.text, wrong[i].says);
    }
}

static void all_addresses_are_bound_if_it_is_said (void **state)
{
    zf_web_options_t options;
    zf_web_defaults (&options);
    options.bind = "*:0";
    options.insecure = true;
    assert_int_equal (zf_web_start (&web, &options, &stage.err), 0);
    expect_only (200, "GET", "/livez", NO_HEADER, NULL);
}

static void address_that_is_taken_is_said (void **state)
{
    zf_web_options_t options;
    zf_web_t *second = NULL;
    char bind[32];
    start_web (NULL, false);
    snprintf (bind, sizeof bind, "127.0.0.1:%u", web_port ());
    zf_web_defaults (&options);
    options.bind = bind;
    assert_int_equal (zf_web_start (&second, &options, &stage.err), ZF_E_ADDRESS);
    assert_non_null (strstr (stage.err.text, bind));
}

static size_t descriptors (void)
{
    size_t count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl (fd, F_GETFD) >= 0;
    return count;
}

static void nothing_stays_open_behind_it (void **state)
{
    start_web (TOKEN, false);
    expect_only (200, "GET", "/livez", NO_HEADER, NULL);
    zf_web_stop (&web);
    size_t before = descriptors ();
    for (int i = 0; i < 20; i++) {
        start_web (TOKEN, false);
        int idle = web_connect ();
        expect_only (200, "GET", "/livez", NO_HEADER, NULL);
        zf_web_stop (&web);
        close (idle);
    }
    assert_int_equal (descriptors (), before);
}

static void ipv6_is_bound_in_brackets (void **state)
{
    zf_web_options_t options;
    zf_web_defaults (&options);
    options.bind = "[::1]:0";
    int rc = zf_web_start (&web, &options, &stage.err);
    if (rc == ZF_E_ADDRESS) { /* a machine without IPv6 says so */
        assert_non_null (strstr (stage.err.text, "[::1]:0"));
        return;
    }
    assert_int_equal (rc, 0);
    assert_int_equal (strncmp (zf_web_address (web), "http://[::1]:", 13), 0);
}

static void health_follows_the_devices (void **state)
{
    fake_t fake = {.code = 0};
    start_web (NULL, false);
    show_device ("fake", "link", make_fake (&fake));
    expect_only (200, "GET", "/livez", NO_HEADER, NULL);
    zf_web_not_ready (web, "journals are read");
    answer_t answer = ask ("GET", "/readyz", NO_HEADER, NULL);
    assert_int_equal (answer.status, 503);
    assert_string_equal (answer.body, "journals are read\n");
    drop (&answer);
    expect_only (200, "GET", "/livez", NO_HEADER, NULL);
    zf_web_not_ready (web, NULL);
    expect_only (200, "GET", "/readyz", NO_HEADER, NULL);
    fake.code = ZF_E_CLOSED;
    do { /* the last answer is good for half a second */
        drop (&answer);
        answer = ask ("GET", "/livez", NO_HEADER, NULL);
    } while (answer.status == 200);
    assert_int_equal (answer.status, 503);
    assert_non_null (strstr (answer.body, "fake"));
    drop (&answer);
    expect_only (503, "GET", "/readyz", NO_HEADER, NULL);
}

static void failed_journal_is_not_alive (void **state)
{
    static const char *const names[] = {"journal_failed"};
    static const uint64_t values[] = {1};
    fake_t fake = {.names = names, .values = values, .count = 1};
    start_web (NULL, false);
    show_device ("orders", "broker", make_fake (&fake));
    answer_t answer = ask ("GET", "/livez", NO_HEADER, NULL);
    assert_int_equal (answer.status, 503);
    assert_non_null (strstr (answer.body, "orders: its journal has failed"));
    drop (&answer);
}

static void many_lookers_cost_one_inquiry (void **state)
{
    fake_t fake = {.code = 0};
    start_web (NULL, false);
    show_device ("fake", "link", make_fake (&fake));
    uint64_t begin = zf_clock_ms ();
    for (int i = 0; i < 50; i++)
        expect_only (200, "GET", "/api/v1/devices", NO_HEADER, NULL);
    uint64_t took = zf_clock_ms () - begin;
    assert_in_range (atomic_load (&fake.calls), 1, 1 + took / 500);
}

static void *look_all_the_time (void *arg)
{
    atomic_bool *ends = arg;
    while (!atomic_load (ends)) {
        answer_t answer = ask ("GET", "/api/v1/overview", NO_HEADER, NULL);
        must (answer.status == 200 && answer.json != NULL);
        drop (&answer);
        answer = ask ("GET", "/metrics", NO_HEADER, NULL);
        must (answer.status == 200);
        drop (&answer);
    }
    return NULL;
}

static void devices_come_and_go_while_they_are_looked_at (void **state)
{
    atomic_bool ends = false;
    pthread_t threads[4];
    start_web (NULL, false);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal (pthread_create (&threads[i], NULL, look_all_the_time, &ends), 0);
    for (int i = 0; i < 30; i++) {
        zf_device_t *broker = start_broker (NULL);
        show_device ("coming", "broker", broker);
        expect_only (200, "GET", "/api/v1/queues", NO_HEADER, NULL);
        zf_web_remove (web, "coming");
        stop_broker (broker);
    }
    atomic_store (&ends, true);
    for (size_t i = 0; i < 4; i++)
        pthread_join (threads[i], NULL);
}

static void names_of_devices_are_unique (void **state)
{
    fake_t fake = {.code = 0};
    start_web (NULL, false);
    show_device ("one", "link", make_fake (&fake));
    zf_web_device_t again = {.name = "one", .kind = "link", .device = &fake.device};
    assert_int_equal (zf_web_add (web, &again, &stage.err), ZF_E_INVAL);
    zf_web_remove (web, "none");
    zf_web_remove (web, "one");
    assert_int_equal (zf_web_add (web, &again, &stage.err), 0);
}

/* -- reload ------------------------------------------------------------------------------------ */

typedef struct {
    fake_t fake;
    int code;
} reload_t;

static int reload (void *arg, char *text, size_t size)
{
    reload_t *reload = arg;
    zf_web_device_t device = {.name = "second", .kind = "link", .device = &reload->fake.device};
    zf_web_remove (web, "first");
    zf_web_add (web, &device, NULL);
    snprintf (text, size, "line 3: \"x\" is no\xff key");
    return reload->code;
}

static void reload_may_change_devices_and_says_what_came_of_it (void **state)
{
    reload_t data = {.code = 0};
    zf_web_options_t options;
    zf_web_defaults (&options);
    options.bind = "127.0.0.1:0";
    options.token = TOKEN;
    options.on_reload = reload;
    options.arg = &data;
    assert_int_equal (zf_web_start (&web, &options, &stage.err), 0);
    show_device ("first", "link", make_fake (&data.fake));
    expect_only (200, "POST", "/api/v1/reload", WITH, NULL);
    json_t *list = expect (200, "GET", "/api/v1/devices", NO_HEADER, NULL);
    const json_t *devices = json_object_get (list, "devices");
    assert_int_equal (json_array_size (devices), 1);
    assert_string_equal (words (json_array_get (devices, 0), "name"), "second");
    json_decref (list);
    data.code = ZF_E_INVAL;
    json_t *error = expect (409, "POST", "/api/v1/reload", WITH, NULL);
    assert_non_null (json_object_get (error, "error"));
    json_decref (error);
}

/* -- the page and the docs --------------------------------------------------------------------- */

static void answers_carry_their_guards (void **state)
{
    static const char *const targets[] = {"/", "/app.js", "/api/v1/queues", "/metrics", "/nothing"};
    static const char *const guards[] = {
        "Content-Security-Policy: default-src 'self'", "frame-ancestors 'none'",
        "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer"};
    start_shown_broker (TOKEN, false);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        answer_t answer = ask ("GET", targets[i], NO_HEADER, NULL);
        for (size_t g = 0; g < sizeof guards / sizeof guards[0]; g++)
            if (strstr (answer.text, guards[g]) == NULL)
                fail_msg ("%s lacks %s", targets[i], guards[g]);
        bool is_page = i < 2;
        assert_non_null (
            strstr (answer.text, is_page ? "Cache-Control: no-cache" : "Cache-Control: no-store"));
        assert_null (strstr (answer.text, "Access-Control"));
        drop (&answer);
    }
}

static void page_is_not_sent_twice (void **state)
{
    char headers[64];
    start_web (NULL, false);
    answer_t answer = ask ("GET", "/style.css", NO_HEADER, NULL);
    assert_int_equal (answer.status, 200);
    const char *tag = strstr (answer.text, "ETag: ");
    assert_non_null (tag);
    snprintf (headers, sizeof headers, "If-None-Match: %.18s\r\n", tag + 6);
    drop (&answer);
    answer = ask ("GET", "/style.css", headers, NULL);
    assert_int_equal (answer.status, 304);
    assert_string_equal (answer.body, "");
    drop (&answer);
    answer = ask ("HEAD", "/style.css", NO_HEADER, NULL);
    assert_int_equal (answer.status, 200);
    assert_string_equal (answer.body, "");
    drop (&answer);
}

static char *read_file (const char *path)
{
    FILE *file = fopen (path, "r");
    if (file == NULL)
        fail_msg ("%s cannot be read", path);
    char *text = calloc (1, 1 << 20);
    assert_true (fread (text, 1, (1 << 20) - 1, file) > 0);
    fclose (file);
    return text;
}

/* Each route is a line of the table there, with what it needs, and the table has no others. */
static void docs_list_all_routes (void **state)
{
    static const char *const needs[] = {
        [ZF_WEB_OPEN] = "open", [ZF_WEB_READ] = "read", [ZF_WEB_CHANGE] = "change"};
    char *text = read_file (ZF_SOURCE_DIR "/docs/admin.md");
    size_t routes = 0;
    size_t lines = 0;
    for (const zf_web_route_t *route = zf_web_routes; route->method != NULL; route++) {
        char line[512];
        snprintf (line, sizeof line, "| `%s %s` | %s | %s |\n", route->method, route->path,
                  needs[route->right], route->help);
        if (strstr (text, line) == NULL)
            fail_msg ("docs/admin.md lacks the line %s", line);
        routes++;
    }
    for (const char *at = text; (at = strstr (at, "\n| `")) != NULL; at++)
        lines += strncmp (at + 4, "GET ", 4) == 0 || strncmp (at + 4, "POST ", 5) == 0;
    assert_int_equal (lines, routes);
    free (text);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        WEB_CASE (names_of_any_bytes_are_found),
        WEB_CASE (lists_are_matched_and_limited),
        WEB_CASE (what_was_changed_is_seen_at_once),
        WEB_CASE (of_two_brokers_the_one_that_has_it_is_meant),
        WEB_CASE (declare_changes_what_it_names),
        WEB_CASE (declare_refuses_what_makes_no_sense),
        WEB_CASE (dead_letters_are_shown_requeued_and_discarded),
        WEB_CASE (records_are_shown_from_an_id_on),
        WEB_CASE (letters_of_others_are_not_shown),
        WEB_CASE (options_that_make_no_sense_are_refused),
        WEB_CASE (all_addresses_are_bound_if_it_is_said),
        WEB_CASE (address_that_is_taken_is_said),
        WEB_CASE (nothing_stays_open_behind_it),
        WEB_CASE (ipv6_is_bound_in_brackets),
        WEB_CASE (health_follows_the_devices),
        WEB_CASE (failed_journal_is_not_alive),
        WEB_CASE (many_lookers_cost_one_inquiry),
        WEB_CASE (devices_come_and_go_while_they_are_looked_at),
        WEB_CASE (names_of_devices_are_unique),
        WEB_CASE (reload_may_change_devices_and_says_what_came_of_it),
        WEB_CASE (answers_carry_their_guards),
        WEB_CASE (page_is_not_sent_twice),
        WEB_CASE (docs_list_all_routes),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
