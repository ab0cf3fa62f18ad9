#include <zferry/topology.h>

#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zferry/admin.h>
#include <zferry/broker.h>
#include <zferry/worker.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000 };

/* -- the rig ----------------------------------------------------------------------------------- */

typedef struct {
    char folder[64];         /* of files; removed at the end */
    zf_topology_t *topology; /* NULL: it does not run */
    zf_error_t err;
    pthread_mutex_t lock; /* of told: devices tell on their threads */
    char told[16384];     /* "LEVEL DEVICE: text" lines */
} rig_t;

static void tell (void *arg, zf_log_level_t level, const char *device, const char *text)
{
    rig_t *rig = arg;
    pthread_mutex_lock (&rig->lock);
    size_t used = strlen (rig->told);
    snprintf (rig->told + used, sizeof rig->told - used, "%d %s: %s\n", (int) level, device, text);
    pthread_mutex_unlock (&rig->lock);
}

static void path_of (const rig_t *rig, const char *name, char *path, size_t size)
{
    snprintf (path, size, "%s/%s", rig->folder, name);
}

static void write_file (const rig_t *rig, const char *name, const char *text, mode_t mode)
{
    char path[200];
    path_of (rig, name, path, sizeof path);
    FILE *file = fopen (path, "w");
    assert_non_null (file);
    fputs (text, file);
    assert_int_equal (fclose (file), 0);
    assert_int_equal (chmod (path, mode), 0);
}

/* Starts what is in the file "topology.yaml", or says why not in rig->err. */
static int try_start (rig_t *rig, const char *text)
{
    char path[200];
    zf_topology_options_t options;
    write_file (rig, "topology.yaml", text, 0644);
    path_of (rig, "topology.yaml", path, sizeof path);
    zf_topology_defaults (&options);
    options.file = path;
    options.on_log = tell;
    options.arg = rig;
    memset (&rig->err, 0, sizeof rig->err);
    return zf_topology_start (&rig->topology, &options, &rig->err);
}

static void start (rig_t *rig, const char *text)
{
    int rc = try_start (rig, text);
    if (rc != 0)
        fail_msg ("%s", rig->err.text);
}

static void forget (rig_t *rig)
{
    pthread_mutex_lock (&rig->lock);
    rig->told[0] = '\0';
    pthread_mutex_unlock (&rig->lock);
}

static bool was_told (rig_t *rig, const char *line)
{
    pthread_mutex_lock (&rig->lock);
    bool found = strstr (rig->told, line) != NULL;
    pthread_mutex_unlock (&rig->lock);
    return found;
}

static void assert_told (rig_t *rig, const char *line)
{
    if (!was_told (rig, line))
        fail_msg ("'%s' was not told, but:\n%s", line, rig->told);
}

/* Returns how many settings take a restart. */
static unsigned reload (rig_t *rig, const char *text)
{
    unsigned pending = 0;
    write_file (rig, "topology.yaml", text, 0644);
    forget (rig);
    int rc = zf_topology_reload (rig->topology, &pending, &rig->err);
    if (rc != 0)
        fail_msg ("%s", rig->err.text);
    return pending;
}

static zf_device_t *device_of (const rig_t *rig, const char *name)
{
    const char *other = NULL;
    for (size_t i = 0; (other = zf_topology_name (rig->topology, i)) != NULL; i++)
        if (strcmp (other, name) == 0)
            return zf_topology_device (rig->topology, i);
    return NULL;
}

static zf_client_t *client_of (const rig_t *rig, const char *device)
{
    const char *endpoints[] = {zf_device_endpoint (device_of (rig, device), 0)};
    zf_client_t *client = NULL;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 1;
    options.timeout_ms = PATIENCE_MS;
    assert_int_equal (zf_client_open (&client, &options, NULL), 0);
    return client;
}

/* Returns what looking at it answers. */
static int look (const rig_t *rig, const char *device, const char *queue, zf_queue_info_t *info)
{
    zf_client_t *client = client_of (rig, device);
    int rc = zf_admin_queue (client, queue, info, NULL);
    zf_client_close (&client);
    return rc;
}

static void until_length (const rig_t *rig, const char *device, const char *queue, uint64_t length)
{
    struct timespec pause = {.tv_nsec = 5000000};
    zf_queue_info_t info = {.length = length + 1};
    for (int i = 0; i < PATIENCE_MS / 5; i++) {
        if (look (rig, device, queue, &info) == 0 && info.length == length)
            return;
        nanosleep (&pause, NULL); /* polling with a deadline */
    }
    fail_msg ("%s has %d records, not %d", queue, (int) info.length, (int) length);
}

static void post (const rig_t *rig, const char *device, const char *queue, const char *body)
{
    zf_client_t *client = client_of (rig, device);
    assert_int_equal (zf_client_post (client, queue, body, strlen (body), NULL, NULL), 0);
    zf_client_close (&client);
}

static int set_up (void **state)
{
    rig_t *rig = calloc (1, sizeof *rig);
    if (rig == NULL)
        return -1;
    pthread_mutex_init (&rig->lock, NULL);
    snprintf (rig->folder, sizeof rig->folder, "/tmp/zferry-topology-XXXXXX");
    *state = rig;
    return mkdtemp (rig->folder) != NULL ? 0 : -1;
}

static int remove_one (const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void) status;
    (void) kind;
    (void) walk;
    return remove (path);
}

static int tear_down (void **state)
{
    rig_t *rig = *state;
    zf_topology_stop (&rig->topology);
    int rc = nftw (rig->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    pthread_mutex_destroy (&rig->lock);
    free (rig);
    return rc;
}

/* -- starting ---------------------------------------------------------------------------------- */

static void devices_come_in_the_order_of_the_text (void **state)
{
    rig_t *rig = *state;
    start (rig, "devices:\n"
                "  move: {link: {from: one, queue: out, to: two}}\n"
                "  one: {broker: {bind: 'tcp://127.0.0.1:*'}}\n"
                "  fan: {forwarder: {bind: 'tcp://127.0.0.1:*'}}\n"
                "  spread: {balancer: {front: 'tcp://127.0.0.1:*', back: 'tcp://127.0.0.1:*'}}\n"
                "  two: {broker: {bind: 'tcp://127.0.0.1:*'}}\n");
    static const char *const names[] = {"move", "one", "fan", "spread", "two"};
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal (zf_topology_name (rig->topology, i), names[i]);
        assert_non_null (zf_topology_device (rig->topology, i));
    }
    assert_null (zf_topology_name (rig->topology, 5));
    assert_null (zf_topology_device (rig->topology, 5));
    assert_null (zf_topology_admin (rig->topology));
    assert_int_equal (
        strncmp (zf_device_endpoint (device_of (rig, "one"), 0), "tcp://127.0.0.1:", 16), 0);
}

static bool count_until_fan (void *arg, const char *name, zf_device_t *device)
{
    ++*(size_t *) arg;
    assert_non_null (device);
    return strcmp (name, "fan") != 0;
}

static void each_device_is_called_until_one_says_no (void **state)
{
    rig_t *rig = *state;
    size_t count = 0;
    start (rig, "devices:\n  a: {broker: {bind: 'tcp://127.0.0.1:*'}}\n"
                "  fan: {forwarder: {bind: 'tcp://127.0.0.1:*'}}\n"
                "  b: {broker: {bind: 'tcp://127.0.0.1:*'}}\n");
    assert_false (zf_topology_each (rig->topology, count_until_fan, &count));
    assert_int_equal (count, 2);
}

static void text_without_a_file_will_do (void **state)
{
    rig_t *rig = *state;
    zf_topology_options_t options;
    zf_topology_defaults (&options);
    options.text = "devices: {a: {broker: {bind: 'inproc://topology-test'}}}";
    assert_int_equal (zf_topology_start (&rig->topology, &options, &rig->err), 0);
    assert_string_equal (zf_device_endpoint (device_of (rig, "a"), 0), "inproc://topology-test");
    options.name = "mine";
    options.text = "devices: {a: {broker: {bnid: x}}}";
    assert_int_equal (zf_topology_check (&options, &rig->err), ZF_E_INVAL);
    assert_string_equal (rig->err.text,
                         "mine:1:24: 'bnid' is no key of a broker; did you mean 'bind'?");
}

static void options_that_make_no_sense_are_refused (void **state)
{
    rig_t *rig = *state;
    zf_topology_options_t options;
    zf_topology_defaults (&options);
    assert_int_equal (zf_topology_start (&rig->topology, &options, &rig->err), ZF_E_INVAL);
    assert_int_equal (zf_topology_check (NULL, &rig->err), ZF_E_INVAL);
    options.file = "a";
    options.text = "b";
    assert_int_equal (zf_topology_check (&options, &rig->err), ZF_E_INVAL);
    options.text = NULL;
    options.struct_size = 3;
    assert_int_equal (zf_topology_check (&options, &rig->err), ZF_E_INVAL);
}

static void file_that_is_not_there_is_told (void **state)
{
    rig_t *rig = *state;
    zf_topology_options_t options;
    zf_topology_defaults (&options);
    options.file = "/nowhere/x.yaml";
    assert_int_equal (zf_topology_start (&rig->topology, &options, &rig->err), ZF_E_NOT_FOUND);
    assert_string_equal (rig->err.text, "/nowhere/x.yaml: no such file");
    options.file = rig->folder;
    assert_int_equal (zf_topology_start (&rig->topology, &options, &rig->err), ZF_E_IO);
    assert_null (rig->topology);
}

static void failure_names_the_device_and_stops_the_others (void **state)
{
    rig_t *rig = *state;
    char text[400], taken[100];
    start (rig, "devices: {a: {broker: {bind: 'tcp://127.0.0.1:*'}}}");
    zf_topology_t *first = rig->topology;
    snprintf (taken, sizeof taken, "%s", zf_device_endpoint (device_of (rig, "a"), 0));
    snprintf (text, sizeof text,
              "devices:\n  b: {broker: {bind: 'inproc://topology-b'}}\n"
              "  c: {broker: {bind: '%s'}}\n",
              taken);
    assert_int_equal (try_start (rig, text), ZF_E_ADDRESS);
    assert_null (rig->topology);
    assert_non_null (strstr (rig->err.text, "device 'c'"));
    assert_non_null (strstr (rig->err.text, taken));
    rig->topology = first;
    zf_topology_stop (&rig->topology);
    start (rig, text); /* b's endpoint is free again, and so is c's now */
}

static void two_topologies_share_a_process (void **state)
{
    rig_t *rig = *state;
    static const char text[] = "devices: {a: {broker: {bind: 'tcp://127.0.0.1:*', queues: {q: }}}}";
    start (rig, text);
    zf_topology_t *first = rig->topology;
    start (rig, text);
    zf_topology_stop (&first);
    zf_queue_info_t info;
    assert_int_equal (look (rig, "a", "q", &info), 0);
}

/* -- declarations ------------------------------------------------------------------------------ */

static void queues_get_the_policy_of_the_device_and_their_own (void **state)
{
    rig_t *rig = *state;
    zf_queue_info_t info;
    start (rig, "devices:\n"
                "  a:\n"
                "    broker:\n"
                "      bind: tcp://127.0.0.1:*\n"
                "      queues:\n"
                "        jobs: {max_attempts: 9, dead_letter: lost, overflow: reject}\n"
                "        more:\n"
                "      policy: {lease: 7s, max_attempts: 3}\n");
    assert_int_equal (look (rig, "a", "jobs", &info), 0);
    assert_true (info.declared);
    assert_int_equal (info.policy.max_attempts, 9);
    assert_int_equal (info.policy.lease_ms, 7000);
    assert_int_equal (info.policy.overflow, ZF_OVERFLOW_REJECT);
    assert_string_equal (info.policy.dead_letter, "lost");
    assert_int_equal (look (rig, "a", "more", &info), 0);
    assert_int_equal (info.policy.max_attempts, 3);
    post (rig, "a", "undeclared", "x");
    assert_int_equal (look (rig, "a", "undeclared", &info), 0);
    assert_int_equal (info.policy.max_attempts, 3);
    assert_int_equal (info.policy.lease_ms, 7000);
}

static void streams_and_groups_are_made (void **state)
{
    rig_t *rig = *state;
    zf_queue_info_t info;
    start (rig, "devices:\n"
                "  a:\n"
                "    forwarder:\n"
                "      bind: tcp://127.0.0.1:*\n"
                "      keep_bytes: 5MiB\n"
                "      streams:\n"
                "        prices: {compact: true, keep: 7d, max_attempts: 8}\n"
                "        plain: {groups: {all: {from: first}, some: {max_attempts: 2, patterns: "
                "'a.*'}}}\n");
    assert_int_equal (look (rig, "a", "prices", &info), 0);
    assert_int_equal (info.policy.kind, ZF_KIND_STREAM);
    assert_true (info.policy.compact);
    assert_int_equal (info.policy.ttl_ms, 7 * UINT64_C (86400000));
    assert_int_equal (info.policy.max_bytes, 5 << 20);
    assert_int_equal (look (rig, "a", "plain@some", &info), 0);
    assert_int_equal (info.policy.max_attempts, 2);
    assert_int_equal (look (rig, "a", "plain@all", &info), 0);
    assert_int_equal (info.policy.max_attempts, 5);
}

/* What a declaration does not say is as if nobody had declared it. */
static void stream_that_says_nothing_keeps_what_others_keep (void **state)
{
    rig_t *rig = *state;
    zf_queue_info_t declared, other;
    start (rig, "devices:\n"
                "  a: {broker: {bind: 'tcp://127.0.0.1:*', streams: {s: }}}\n"
                "  b: {broker: {bind: 'tcp://127.0.0.1:*', journal: {directory: spool}, streams: "
                "{s: }}}\n"
                "  c: {forwarder: {bind: 'tcp://127.0.0.1:*', streams: {s: }}}\n");
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        zf_client_t *client = client_of (rig, names[i]);
        assert_int_equal (zf_admin_stream (client, "t", NULL), 0);
        assert_int_equal (zf_admin_queue (client, "s", &declared, NULL), 0);
        assert_int_equal (zf_admin_queue (client, "t", &other, NULL), 0);
        assert_int_equal (declared.policy.max_bytes, other.policy.max_bytes);
        assert_int_equal (declared.policy.ttl_ms, other.policy.ttl_ms);
        assert_int_equal (declared.policy.lease_ms, other.policy.lease_ms);
        assert_int_equal (declared.policy.kind, other.policy.kind);
        zf_client_close (&client);
    }
}

static void journal_survives_the_topology (void **state)
{
    rig_t *rig = *state;
    static const char text[] = "devices: {a: {broker: {bind: 'tcp://127.0.0.1:*', journal: "
                               "{directory: spool}}}}";
    start (rig, text);
    post (rig, "a", "jobs", "hello");
    zf_topology_stop (&rig->topology);
    start (rig, text);
    until_length (rig, "a", "jobs", 1);
    char path[200];
    path_of (rig, "spool", path, sizeof path); /* beside the file, wherever we are */
    assert_int_equal (access (path, R_OK), 0);
}

/* -- links ------------------------------------------------------------------------------------- */

static void link_between_devices_moves_records (void **state)
{
    rig_t *rig = *state;
    start (rig, "devices:\n"
                "  a: {broker: {bind: 'tcp://127.0.0.1:*', queues: {out: }}}\n"
                "  b: {broker: {bind: 'tcp://127.0.0.1:*'}}\n"
                "  move: {link: {from: a, queue: out, to: b, to_queue: in}}\n");
    post (rig, "a", "out", "hello");
    until_length (rig, "b", "in", 1);
    until_length (rig, "a", "out", 0);
}

/* -- reload ------------------------------------------------------------------------------------ */

#define BROKERS                                    \
    "devices:\n"                                   \
    "  b: {broker: {bind: 'tcp://127.0.0.1:*'}}\n" \
    "  a: {broker: {bind: 'tcp://127.0.0.1:*', queues: {"

static void reload_of_the_same_text_changes_nothing (void **state)
{
    rig_t *rig = *state;
    start (rig, BROKERS "q: }}}\n");
    assert_int_equal (reload (rig, BROKERS "q: }}}\n"), 0);
    assert_told (rig, "5 : reloaded: nothing has changed\n");
}

static void reload_declares_what_is_new_or_has_changed (void **state)
{
    rig_t *rig = *state;
    zf_queue_info_t info;
    start (rig, BROKERS "q: , gone: , same: }}}\n");
    assert_int_equal (
        reload (rig, BROKERS "q: {lease: 9s}, new: , same: }, streams: {s: {groups: {g: }}}}}\n"),
        0);
    assert_int_equal (look (rig, "a", "q", &info), 0);
    assert_int_equal (info.policy.lease_ms, 9000);
    assert_int_equal (look (rig, "a", "new", &info), 0);
    assert_int_equal (look (rig, "a", "s@g", &info), 0);
    assert_int_equal (look (rig, "a", "gone", &info), 0); /* its records are not thrown away */
    assert_told (rig, "5 a: queue 'q' has changed\n");
    assert_told (rig, "5 a: queue 'new' is declared\n");
    assert_told (rig, "5 a: stream 's' is declared\n");
    assert_told (rig, "5 a: queue 'gone' is declared no longer; it stays as it is\n");
    assert_false (was_told (rig, "'same'"));
}

static void reload_puts_back_what_is_said_no_longer (void **state)
{
    rig_t *rig = *state;
    zf_queue_info_t info;
    start (rig, BROKERS "q: {lease: 9s}}}}\n");
    reload (rig, BROKERS "q: }}}\n");
    assert_int_equal (look (rig, "a", "q", &info), 0);
    assert_int_equal (info.policy.lease_ms, 30000);
}

static void reload_starts_stops_and_changes_links (void **state)
{
    rig_t *rig = *state;
    static const char none[] = BROKERS "out: }}}\n";
    static const char one[] =
        BROKERS "out: }}}\n  move: {link: {from: a, queue: out, to: b, to_queue: one}}\n";
    static const char two[] =
        BROKERS "out: }}}\n  move: {link: {from: a, queue: out, to: b, to_queue: two}}\n";
    start (rig, none);
    assert_int_equal (reload (rig, one), 0);
    assert_told (rig, "5 move: link is new\n");
    assert_string_equal (zf_topology_name (rig->topology, 2), "move");
    post (rig, "a", "out", "x");
    until_length (rig, "b", "one", 1);
    assert_int_equal (reload (rig, two), 0);
    assert_told (rig, "5 move: link has changed\n");
    post (rig, "a", "out", "y");
    until_length (rig, "b", "two", 1);
    assert_int_equal (reload (rig, none), 0);
    assert_told (rig, "5 move: link is gone\n");
    assert_null (zf_topology_name (rig->topology, 2));
}

static void what_takes_a_restart_is_said_each_time (void **state)
{
    rig_t *rig = *state;
    start (rig, "devices:\n  a: {broker: {bind: 'tcp://127.0.0.1:*'}}\n"
                "  b: {broker: {bind: 'tcp://127.0.0.1:*'}}\n");
    static const char next[] =
        "devices:\n  a: {broker: {bind: 'tcp://127.0.0.1:*', memory: 2GiB}}\n"
        "  c: {broker: {bind: 'tcp://127.0.0.1:*'}}\n";
    for (int i = 0; i < 2; i++) {
        assert_int_equal (reload (rig, next), 3);
        assert_told (rig, "4 : devices.a.broker.memory: changed, takes a restart\n");
        assert_told (rig, "4 : devices.b: changed, takes a restart\n");
        assert_told (rig, "4 : devices.c: changed, takes a restart\n");
    }
    assert_non_null (device_of (rig, "b"));
    assert_null (device_of (rig, "c"));
}

static void limit_of_all_is_said_once (void **state)
{
    rig_t *rig = *state;
    static const char devices[] =
        "devices:\n  a: {broker: {bind: 'tcp://127.0.0.1:*'}}\n"
        "  b: {broker: {bind: 'tcp://127.0.0.1:*', limits: {queues: 5}}}\n";
    char text[300];
    start (rig, devices);
    snprintf (text, sizeof text, "limits: {connections: 9}\n%s", devices);
    assert_int_equal (reload (rig, text), 1);
    assert_told (rig, "4 : limits.connections: changed, takes a restart\n");
}

static void link_to_a_device_that_does_not_run_yet_waits_for_the_restart (void **state)
{
    rig_t *rig = *state;
    start (rig, "devices: {a: {broker: {bind: 'tcp://127.0.0.1:*'}}}\n");
    unsigned pending = reload (rig, "devices:\n  a: {broker: {bind: 'tcp://127.0.0.1:*'}}\n"
                                    "  b: {broker: {bind: 'tcp://127.0.0.1:*'}}\n"
                                    "  m: {link: {from: a, queue: q, to: b}}\n");
    assert_int_equal (pending, 2);
    assert_told (rig, "3 m: device 'm': device 'b' does not run\n");
}

static void text_with_an_error_changes_nothing (void **state)
{
    rig_t *rig = *state;
    zf_queue_info_t info;
    unsigned pending = 7;
    start (rig, BROKERS "q: }}}\n");
    write_file (rig, "topology.yaml", BROKERS "q: , new: , other: {leese: 5s}}}}\n", 0644);
    assert_int_equal (zf_topology_reload (rig->topology, &pending, &rig->err), ZF_E_INVAL);
    assert_non_null (strstr (rig->err.text, "did you mean 'lease'?"));
    assert_told (rig, "did you mean 'lease'?\n");
    assert_int_equal (look (rig, "a", "new", &info), ZF_E_NOT_FOUND);
    assert_int_equal (reload (rig, BROKERS "q: , new: }}}\n"), 0);
    assert_int_equal (look (rig, "a", "new", &info), 0);
}

/* The priorities of a queue change only while it is empty. */
static void declaration_that_fails_is_said (void **state)
{
    rig_t *rig = *state;
    start (rig, BROKERS "q: }}}\n");
    post (rig, "a", "q", "x");
    assert_int_equal (reload (rig, BROKERS "q: {priorities: 3}}}}\n"), 1);
    assert_told (rig, "3 a: queue 'q': ");
}

/* -- the admin page ---------------------------------------------------------------------------- */

static void token_that_others_may_read_is_refused (void **state)
{
    rig_t *rig = *state;
    static const char text[] = "admin: {bind: '127.0.0.1:0', token_file: token}\n"
                               "devices: {a: {broker: {bind: 'tcp://127.0.0.1:*'}}}\n";
    write_file (rig, "token", "0123456789abcdef\n", 0644);
    assert_int_equal (try_start (rig, text), ZF_E_INVAL);
    assert_non_null (strstr (rig->err.text, "others may read it; chmod 600"));
    write_file (rig, "token", "0123456789abcde\n", 0600);
    assert_int_equal (try_start (rig, text), ZF_E_INVAL);
    assert_non_null (strstr (rig->err.text, "at least 16 characters"));
    write_file (rig, "token", "0123456789 abcdef\n", 0600);
    assert_int_equal (try_start (rig, text), ZF_E_INVAL);
    assert_non_null (strstr (rig->err.text, "a token is one word"));
    write_file (rig, "token", "0123456789abcdef\n", 0600);
    start (rig, text);
    assert_int_equal (strncmp (zf_topology_admin (rig->topology), "http://127.0.0.1:", 17), 0);
}

static void admin_is_found_without_starting_it (void **state)
{
    rig_t *rig = *state;
    char bind[64], token[200], expected[200], path[200];
    zf_topology_options_t options;
    write_file (rig, "token", "0123456789abcdef\n", 0600);
    write_file (rig, "topology.yaml",
                "admin: {bind: '127.0.0.1:8123', token_file: token}\ndevices: {a: {broker: }}\n",
                0644);
    path_of (rig, "topology.yaml", path, sizeof path);
    path_of (rig, "token", expected, sizeof expected);
    zf_topology_defaults (&options);
    options.file = path;
    assert_int_equal (
        zf_topology_find_admin (&options, bind, sizeof bind, token, sizeof token, NULL), 0);
    assert_string_equal (bind, "127.0.0.1:8123");
    assert_string_equal (token, expected);
    assert_int_equal (zf_topology_find_admin (&options, bind, 5, token, sizeof token, NULL),
                      ZF_E_INVAL);
    write_file (rig, "topology.yaml", "devices: {a: {broker: }}\n", 0644);
    assert_int_equal (
        zf_topology_find_admin (&options, bind, sizeof bind, token, sizeof token, NULL),
        ZF_E_NOT_FOUND);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (devices_come_in_the_order_of_the_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown (each_device_is_called_until_one_says_no, set_up,
                                         tear_down),
        cmocka_unit_test_setup_teardown (text_without_a_file_will_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown (options_that_make_no_sense_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown (file_that_is_not_there_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown (failure_names_the_device_and_stops_the_others, set_up,
                                         tear_down),
        cmocka_unit_test_setup_teardown (two_topologies_share_a_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown (queues_get_the_policy_of_the_device_and_their_own, set_up,
                                         tear_down),
        cmocka_unit_test_setup_teardown (streams_and_groups_are_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown (stream_that_says_nothing_keeps_what_others_keep, set_up,
                                         tear_down),
        cmocka_unit_test_setup_teardown (journal_survives_the_topology, set_up, tear_down),
        cmocka_unit_test_setup_teardown (link_between_devices_moves_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown (reload_of_the_same_text_changes_nothing, set_up,
                                         tear_down),
        cmocka_unit_test_setup_teardown (reload_declares_what_is_new_or_has_changed, set_up,
                                         tear_down),
        cmocka_unit_test_setup_teardown (reload_puts_back_what_is_said_no_longer, set_up,
                                         tear_down),
        cmocka_unit_test_setup_teardown (reload_starts_stops_and_changes_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown (what_takes_a_restart_is_said_each_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown (limit_of_all_is_said_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown (
            link_to_a_device_that_does_not_run_yet_waits_for_the_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown (text_with_an_error_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown (declaration_that_fails_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown (token_that_others_may_read_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown (admin_is_found_without_starting_it, set_up, tear_down),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
