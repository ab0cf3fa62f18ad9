/* The shell of the beacon on a network of the test's own: interfaces come and go, and datagrams
 * come from hosts that are not there. */
#include "tests/discovery/air.h"

#include "tests/discovery/net.h"
#include <stdio.h>
#include <unistd.h>

#define PORT 5670

static int tap = -1; /* the far end of tap0, while there is one */

static int enter (void **state)
{
    static bool entered;
    entered = net_enter ();
    *state = entered ? &entered : NULL;
    if (!entered)
        puts ("skipped: this machine does not allow a network of one's own");
    return 0;
}

static int tap_away (void **state)
{
    (void) state;
    if (tap >= 0)
        close (tap);
    tap = -1;
    return 0;
}

/* Makes an interface tap0, up, with this address and a /24; skips the case if that is not
 * allowed. */
static void tap_up (void **state, const char *address)
{
    tap = *state != NULL ? net_tap ("tap0") : -1;
    if (tap < 0) {
        puts ("skipped: this machine does not allow a network of one's own, or no tap in it");
        skip ();
    }
    net_address ("tap0", address, "255.255.255.0");
    net_up ("tap0", true);
}

static void udp_machine_without_interfaces_waits_for_one (void **state)
{
    if (*state == NULL)
        skip ();
    air_t air;
    char host[ZF_UDP_HOST];
    assert_int_equal (air_open (&air, PORT, NULL, 0, NULL), 0);
    assert_int_equal (zf_udp_count (air.udp), 0);
    assert_int_equal (air_send (&air, "nobody"), 0);
    zf_udp_host (air.udp, host);
    assert_string_equal (host, "");

    net_up ("lo", true);
    air_await_change (&air);
    assert_int_equal (zf_udp_count (air.udp), 1);
    zf_udp_host (air.udp, host);
    assert_string_equal (host, "127.0.0.1");
    assert_int_equal (air_send (&air, "hello"), 1);
    air_await (&air, "hello");

    air.notes[0] = '\0';
    net_up ("lo", false);
    air_await_change (&air);
    assert_int_equal (zf_udp_count (air.udp), 0);
    assert_int_equal (air_send (&air, "nobody"), 0);
    assert_string_equal (air.notes, "interface lo 127.0.0.1: not chosen: down\n"
                                    "no interface can be used: others are found by seeds alone\n");
    zf_udp_close (&air.udp);
}

static void udp_sends_by_both_protocols_and_to_the_broadcast_address (void **state)
{
    tap_up (state, "10.9.8.1");
    air_t air;
    char host[ZF_UDP_HOST];
    assert_int_equal (air_open (&air, PORT, NULL, 0, NULL), 0);
    while (zf_udp_count (air.udp) < 2) /* IPv6 takes a moment */
        air_await_change (&air);
    zf_udp_host (air.udp, host);
    assert_string_equal (host, "10.9.8.1");
    air_send_to (&air, "hello", 2);
    assert_true (net_leaves (tap, "10.9.8.255", PORT));
    air_await_from (&air, "hello", "10.9.8.1");
    assert_string_equal (air.own, "10.9.8.1");

    air_send (&air, "by six");
    do {
        air_await (&air, "by six");
    } while (air.from[0] != '[');
    assert_string_equal (air.from, air.own);
    assert_int_equal (strncmp (air.from, "[fe80::", 7), 0);
    assert_non_null (strstr (air.from, "%tap0]"));
    zf_udp_close (&air.udp);
}

static void udp_datagram_from_another_host_says_where_to_answer (void **state)
{
    tap_up (state, "10.9.8.1");
    const char *refused[] = {"!tap0"};
    air_t air, other;
    assert_int_equal (air_open (&air, PORT, NULL, 0, NULL), 0);
    assert_int_equal (air_open (&other, PORT, refused, 1, NULL), 0);
    net_arrive (tap, "10.9.8.77", PORT, "hello");
    air_await_from (&air, "hello", "10.9.8.77");
    assert_string_equal (air.own, "10.9.8.1");
    assert_false (air_take (&other)); /* it has come there, too: by what it does not use */
    zf_udp_close (&air.udp);
    zf_udp_close (&other.udp);
}

static void udp_interface_that_goes_is_told_and_comes_again (void **state)
{
    tap_up (state, "10.9.8.1");
    const char *rules[] = {"10.9.0.0/16"};
    air_t air;
    assert_int_equal (air_open (&air, PORT, rules, 1, NULL), 0);
    assert_int_equal (zf_udp_count (air.udp), 1);
    air.notes[0] = '\0';
    tap_away (state);
    air_await_change (&air);
    assert_int_equal (zf_udp_count (air.udp), 0);
    assert_non_null (strstr (air.notes, "interface tap0 10.9.8.1: "));

    tap_up (state, "10.9.7.1");
    while (zf_udp_count (air.udp) == 0)
        air_await_change (&air);
    assert_non_null (
        strstr (air.notes, "interface tap0 10.9.7.1: chosen, broadcasts to 10.9.7.255\n"));
    assert_int_equal (air_send (&air, "again"), 1);
    assert_true (net_leaves (tap, "10.9.7.255", PORT));
    zf_udp_close (&air.udp);
}

static void udp_address_that_changes_is_followed (void **state)
{
    tap_up (state, "10.9.8.1");
    const char *rules[] = {"tap0", "!fe80::/10"};
    air_t air;
    assert_int_equal (air_open (&air, PORT, rules, 2, NULL), 0);
    assert_int_equal (air_send (&air, "before"), 1);
    assert_true (net_leaves (tap, "10.9.8.255", PORT));
    net_address ("tap0", "10.9.6.1", "255.255.255.128");
    while (strstr (air.notes, "10.9.6.127") == NULL)
        air_await_change (&air);
    assert_int_equal (air_send (&air, "after"), 1);
    assert_true (net_leaves (tap, "10.9.6.127", PORT));
    air_await_from (&air, "after", "10.9.6.1");
    assert_string_equal (air.own, "10.9.6.1");
    zf_udp_close (&air.udp);
}

static void udp_host_without_a_network_broadcasts_to_all (void **state)
{
    tap_up (state, "10.9.8.1");
    const char *rules[] = {"10.9.8.1"};
    air_t air;
    net_address ("tap0", "10.9.8.1", "255.255.255.255");
    assert_int_equal (air_open (&air, PORT, rules, 1, NULL), 0);
    assert_int_equal (air_send (&air, "hello"), 1);
    assert_true (net_leaves (tap, "255.255.255.255", PORT));
    air_await_from (&air, "hello", "10.9.8.1");
    zf_udp_close (&air.udp);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown (udp_machine_without_interfaces_waits_for_one, tap_away),
        cmocka_unit_test_teardown (udp_sends_by_both_protocols_and_to_the_broadcast_address,
                                   tap_away),
        cmocka_unit_test_teardown (udp_datagram_from_another_host_says_where_to_answer, tap_away),
        cmocka_unit_test_teardown (udp_interface_that_goes_is_told_and_comes_again, tap_away),
        cmocka_unit_test_teardown (udp_address_that_changes_is_followed, tap_away),
        cmocka_unit_test_teardown (udp_host_without_a_network_broadcasts_to_all, tap_away),
    };
    return cmocka_run_group_tests (tests, enter, NULL);
}
