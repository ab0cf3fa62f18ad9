#include "compose/plan.h"

#include "tests/core/alloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char text[] =
    "name: n\n"
    "insecure: true\n"
    "limits: {queues: 5}\n"
    "discovery: {seeds: ['tcp://a:1', 'tcp://b:2'], headers: {a: b}}\n"
    "admin:\n"
    "devices:\n"
    "  a:\n"
    "    broker:\n"
    "      bind: ['tcp://*:5555', 'ipc://x', 'inproc://${ZF_TEST_NONE:-y}']\n"
    "      queues: {q: {lease: 5s}, r: }\n"
    "      streams: {s: {groups: {g: {patterns: [a, b]}}}}\n"
    "  f: {forwarder: {pubs: '>tcp://far:1', journal: {directory: ./}}}\n"
    "  m: {link: {from: a, queue: q, to: 'zferry://broker/c'}}\n";

static int read_plan (zf_plan_t *plan, const char *what, zf_error_t *err)
{
    zf_topology_options_t options;
    zf_topology_defaults (&options);
    options.text = what;
    return zf_plan_read (plan, &options, err);
}

static void plan_has_what_the_text_says (void **state)
{
    zf_plan_t plan;
    zf_error_t err = {.code = 0};
    if (read_plan (&plan, text, &err) != 0)
        fail_msg ("%s", err.text);
    assert_string_equal (plan.name, "n");
    assert_string_equal (plan.discovery.options.name, "n");
    assert_int_equal (plan.device_count, 3);
    const zf_plan_device_t *a = &plan.devices[0], *f = &plan.devices[1], *m = &plan.devices[2];
    assert_int_equal (a->kind, ZF_PLAN_BROKER);
    assert_int_equal (a->limits.queues, 5);
    assert_string_equal (a->broker.endpoints[2], "inproc://y");
    assert_int_equal (a->queues[0].policy.lease_ms, 5000);
    assert_int_equal (a->streams[0].groups[0].pattern_count, 2);
    assert_int_equal (f->kind, ZF_PLAN_FORWARDER);
    assert_string_equal (f->forwarder.journal, "./");
    assert_int_equal (m->kind, ZF_PLAN_LINK);
    assert_int_equal (m->from_device, 0);
    assert_int_equal (m->to_device, SIZE_MAX);
    assert_string_equal (m->link.name, "m");
    zf_plan_free (&plan);
}

static void addresses_that_others_reach_are_open (void **state)
{
    static const char *const open[] = {"tcp://*:1",
                                       "tcp://0.0.0.0:1",
                                       "tcp://[::]:1",
                                       "tcp://eth0:1",
                                       "tcp://10.0.0.1:1",
                                       "0.0.0.0:80",
                                       "tcp://127.evil.example:1",
                                       "tcp://localhost.example:1"};
    static const char *const closed[] = {"tcp://127.0.0.1:1", "tcp://127.9.9.9:*", "tcp://[::1]:1",
                                         "tcp://localhost:1", "ipc://x",           "inproc://x",
                                         "127.0.0.1:80",      "[::1]:80"};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        if (!zf_plan_is_open (open[i]))
            fail_msg ("%s is open", open[i]);
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
        if (zf_plan_is_open (closed[i]))
            fail_msg ("%s is not open", closed[i]);
}

/* Fails each allocation once. Returns how many there were. */
static size_t starve (const char *what, int expected)
{
    for (size_t n = 1;; n++) {
        zf_plan_t plan;
        zf_error_t err = {.code = 0};
        alloc_enter ();
        alloc_fail (n, 1);
        int rc = read_plan (&plan, what, &err);
        bool failed = alloc_failures () > 0;
        alloc_fail (0, 0);
        alloc_leave ();
        zf_plan_free (&plan);
        if (rc != (failed ? ZF_E_NOMEM : expected))
            fail_msg ("allocation %zu: %d, %s", n, rc, err.text);
        if (!failed)
            return n;
    }
}

static void memory_that_is_out_is_said_wherever_it_is (void **state)
{
    unsetenv ("ZF_TEST_NONE");
    assert_true (starve (text, 0) > 50);
    assert_true (
        starve ("devices: {a: {brokr: }, b: {link: {from: '${ZF_TEST_NONE}'}}}", ZF_E_INVAL) > 5);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (plan_has_what_the_text_says),
        cmocka_unit_test (addresses_that_others_reach_are_open),
        cmocka_unit_test (memory_that_is_out_is_said_wherever_it_is),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
