#include "discovery/nics.h"

/* cmocka wants these before itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>

#define COUNT(array) (sizeof (array) / sizeof *(array))

/* An interface in good order, with one address: "eth0 192.168.1.7/24". */
static zf_nic_t nic4 (unsigned index, const char *name, const char *address, uint8_t prefix)
{
    zf_nic_t nic = {.index = index,
                    .is_up = true,
                    .can_broadcast = true,
                    .can_multicast = true,
                    .family = AF_INET,
                    .prefix = prefix};
    snprintf (nic.name, sizeof nic.name, "%s", name);
    assert_int_equal (inet_pton (AF_INET, address, &nic.address), 1);
    nic.mask.s_addr = htonl (~(0xFFFFFFFFu >> prefix));
    nic.broadcast.s_addr = nic.address.s_addr | ~nic.mask.s_addr;
    return nic;
}

static zf_nic_t nic6 (unsigned index, const char *name, const char *address)
{
    zf_nic_t nic = {.index = index,
                    .is_up = true,
                    .can_broadcast = true,
                    .can_multicast = true,
                    .family = AF_INET6,
                    .prefix = 64};
    snprintf (nic.name, sizeof nic.name, "%s", name);
    assert_int_equal (inet_pton (AF_INET6, address, &nic.address6), 1);
    nic.is_link_local = IN6_IS_ADDR_LINKLOCAL (&nic.address6);
    return nic;
}

static zf_nic_t loopback (void)
{
    zf_nic_t nic = nic4 (1, "lo", "127.0.0.1", 8);
    nic.is_loopback = true;
    nic.can_broadcast = false;
    return nic;
}

/* What is said of a nic by these rules, after choosing among all of them. */
static void assert_said (zf_nic_t *nics, size_t count, const char *const *rules, size_t rule_count,
                         const char *const *said)
{
    zf_nics_choose (nics, count, rules, rule_count);
    for (size_t i = 0; i < count; i++) {
        char text[200];
        zf_nic_describe (&nics[i], text, sizeof text);
        assert_string_equal (text, said[i]);
        assert_int_equal (nics[i].is_chosen, strstr (said[i], ": chosen") != NULL);
    }
}

/* -- choosing ---------------------------------------------------------------------------------- */

static void nics_without_rules_all_that_are_usable_are_chosen (void **state)
{
    zf_nic_t nics[] = {loopback (), nic4 (2, "eth0", "192.168.1.7", 24),
                       nic6 (2, "eth0", "fe80::1"), nic6 (2, "eth0", "2001:db8::1"),
                       nic4 (3, "docker0", "172.17.0.1", 16)};
    const char *said[] = {
        "lo 127.0.0.1: chosen, broadcasts to 127.255.255.255",
        "eth0 192.168.1.7: chosen, broadcasts to 192.168.1.255", "eth0 fe80::1: chosen, multicasts",
        "eth0 2001:db8::1: not chosen: of IPv6 only link-local addresses are used",
        "docker0 172.17.0.1: chosen, broadcasts to 172.17.255.255"};
    assert_said (nics, COUNT (nics), NULL, 0, said);
}

static void nics_of_no_use_are_not_chosen (void **state)
{
    zf_nic_t nics[] = {nic4 (2, "eth0", "10.0.0.1", 8), nic4 (3, "tun0", "10.8.0.1", 24),
                       nic6 (3, "tun0", "fe80::2"), nic6 (1, "lo", "::1")};
    const char *said[] = {"eth0 10.0.0.1: not chosen: down",
                          "tun0 10.8.0.1: not chosen: it can't broadcast",
                          "tun0 fe80::2: not chosen: it can't multicast",
                          "lo ::1: not chosen: loopback of IPv4 is enough"};
    nics[0].is_up = false;
    nics[1].can_broadcast = false;
    nics[2].can_multicast = false;
    nics[3].is_loopback = true;
    assert_said (nics, COUNT (nics), NULL, 0, said);
}

static void nics_second_address_that_reaches_the_same_is_left_out (void **state)
{
    zf_nic_t nics[] = {nic4 (2, "eth0", "10.1.0.1", 24), nic4 (2, "eth0", "10.1.0.2", 24),
                       nic4 (2, "eth0", "10.2.0.1", 24), nic4 (3, "eth1", "10.1.0.3", 24),
                       nic6 (2, "eth0", "fe80::1"),      nic6 (2, "eth0", "fe80::2")};
    const char *said[] = {"eth0 10.1.0.1: chosen, broadcasts to 10.1.0.255",
                          "eth0 10.1.0.2: not chosen: another address of it reaches the same",
                          "eth0 10.2.0.1: chosen, broadcasts to 10.2.0.255",
                          "eth1 10.1.0.3: chosen, broadcasts to 10.1.0.255",
                          "eth0 fe80::1: chosen, multicasts",
                          "eth0 fe80::2: not chosen: another address of it reaches the same"};
    assert_said (nics, COUNT (nics), NULL, 0, said);
}

static void nics_one_that_is_left_out_does_not_stand_in_for_another (void **state)
{
    zf_nic_t nics[] = {nic4 (2, "eth0", "10.1.0.1", 24), nic4 (2, "eth0", "10.1.0.2", 24)};
    const char *rules[] = {"10.1.0.2"};
    const char *said[] = {"eth0 10.1.0.1: not chosen: no rule names it",
                          "eth0 10.1.0.2: chosen, broadcasts to 10.1.0.255"};
    assert_said (nics, COUNT (nics), rules, COUNT (rules), said);
}

static void nics_named_by_rule_are_the_only_ones (void **state)
{
    zf_nic_t nics[] = {loopback (), nic4 (2, "eth0", "10.1.0.1", 24),
                       nic4 (3, "eth1", "10.2.0.1", 24), nic6 (3, "eth1", "fe80::1")};
    const char *rules[] = {"eth1"};
    const char *said[] = {
        "lo 127.0.0.1: not chosen: no rule names it", "eth0 10.1.0.1: not chosen: no rule names it",
        "eth1 10.2.0.1: chosen, broadcasts to 10.2.0.255", "eth1 fe80::1: chosen, multicasts"};
    assert_said (nics, COUNT (nics), rules, COUNT (rules), said);
}

static void nics_refused_by_rule_the_others_stay (void **state)
{
    zf_nic_t nics[] = {loopback (), nic4 (2, "eth0", "10.1.0.1", 24),
                       nic4 (3, "docker0", "172.17.0.1", 16),
                       nic4 (4, "docker1", "172.18.0.1", 16)};
    const char *rules[] = {"!docker*"};
    const char *said[] = {"lo 127.0.0.1: chosen, broadcasts to 127.255.255.255",
                          "eth0 10.1.0.1: chosen, broadcasts to 10.1.0.255",
                          "docker0 172.17.0.1: not chosen: refused by rule !docker*",
                          "docker1 172.18.0.1: not chosen: refused by rule !docker*"};
    assert_said (nics, COUNT (nics), rules, COUNT (rules), said);
}

static void nics_refusal_wins_over_permission (void **state)
{
    zf_nic_t nics[] = {nic4 (2, "eth0", "10.1.0.1", 24), nic4 (3, "eth1", "10.2.0.1", 24)};
    const char *rules[] = {"eth*", "!10.2.0.0/16"};
    const char *said[] = {"eth0 10.1.0.1: chosen, broadcasts to 10.1.0.255",
                          "eth1 10.2.0.1: not chosen: refused by rule !10.2.0.0/16"};
    assert_said (nics, COUNT (nics), rules, COUNT (rules), said);
}

static void nics_more_than_can_be_used_only_so_many_are_chosen (void **state)
{
    zf_nic_t nics[ZF_NICS_CHOSEN_MAX + 2];
    const size_t count = sizeof nics / sizeof nics[0];
    const char *last = "eth65";
    char name[32], text[200];
    for (size_t i = 0; i < count; i++) {
        snprintf (name, sizeof name, "eth%zu", i);
        nics[i] = nic4 ((unsigned) i + 1, name, "10.1.0.1", 24);
    }
    zf_nics_choose (nics, count, NULL, 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal (nics[i].is_chosen, i < ZF_NICS_CHOSEN_MAX);
    zf_nic_describe (&nics[count - 1], text, sizeof text);
    assert_string_equal (text, "eth65 10.1.0.1: not chosen: there are too many; name those to use");
    zf_nics_choose (nics, count, &last, 1); /* those that are not named take no room */
    assert_true (nics[count - 1].is_chosen);
}

static void nics_chosen_anew_forget_what_was (void **state)
{
    zf_nic_t nic = nic4 (2, "eth0", "10.1.0.1", 24);
    const char *refuse[] = {"!eth0"};
    zf_nics_choose (&nic, 1, refuse, 1);
    assert_false (nic.is_chosen);
    assert_ptr_equal (nic.rule, refuse[0]);
    zf_nics_choose (&nic, 1, NULL, 0);
    assert_true (nic.is_chosen);
    assert_null (nic.rule);
}

/* -- rules ------------------------------------------------------------------------------------- */

static bool chosen_by (zf_nic_t nic, const char *rule)
{
    assert_int_equal (zf_nics_check (&rule, 1), 1);
    zf_nics_choose (&nic, 1, &rule, 1);
    return nic.is_chosen;
}

static void rule_network_counts_its_bits_and_no_more (void **state)
{
    zf_nic_t nic = nic4 (2, "eth0", "10.1.130.7", 24);
    assert_true (chosen_by (nic, "10.1.130.7"));
    assert_true (chosen_by (nic, "10.1.130.7/32"));
    assert_false (chosen_by (nic, "10.1.130.6"));
    assert_true (chosen_by (nic, "10.1.130.6/31"));
    assert_true (chosen_by (nic, "10.1.128.0/17"));
    assert_false (chosen_by (nic, "10.1.0.0/17"));
    assert_true (chosen_by (nic, "10.0.0.0/8"));
    assert_false (chosen_by (nic, "11.0.0.0/8"));
    assert_true (chosen_by (nic, "0.0.0.0/0"));
    assert_false (chosen_by (nic, "::/0"));
}

static void rule_network_of_ipv6_matches (void **state)
{
    zf_nic_t nic = nic6 (2, "eth0", "fe80::1:2");
    assert_true (chosen_by (nic, "fe80::/10"));
    assert_true (chosen_by (nic, "fe80::1:2"));
    assert_true (chosen_by (nic, "fe80::1:3/127"));
    assert_false (chosen_by (nic, "fe80::1:3"));
    assert_false (chosen_by (nic, "fe80::2:0/112"));
    assert_false (chosen_by (nic, "0.0.0.0/0"));
}

static void rule_name_is_whole_unless_it_has_a_star (void **state)
{
    zf_nic_t nic = nic4 (2, "eth0", "10.1.0.1", 24);
    assert_true (chosen_by (nic, "eth0"));
    assert_false (chosen_by (nic, "eth"));
    assert_false (chosen_by (nic, "eth01"));
    assert_true (chosen_by (nic, "eth*"));
    assert_true (chosen_by (nic, "eth0*"));
    assert_false (chosen_by (nic, "eth1*"));
    assert_true (chosen_by (nic, "*"));
    assert_false (chosen_by (nic, "!*"));
    assert_true (chosen_by (nic, "!eth"));
}

static void rules_that_are_none_are_found (void **state)
{
    const char *bad[] = {"",
                         "!",
                         "!!eth0",
                         "et*h0",
                         "eth0**",
                         "eth0/24",
                         "10.0.0.0/33",
                         "10.0.0.0/",
                         "10.0.0.0/8x",
                         "10.0.0.0/-1",
                         "10.0.0.0/99999999999999999999",
                         "fe80::/129",
                         "fe80:::1",
                         "eth 0",
                         "a-name-of-16-chr",
                         "a rule that is much too long to be the name of an interface or a network "
                         "of any kind"};
    for (size_t i = 0; i < COUNT (bad); i++) {
        const char *rules[] = {"eth0", "!10.0.0.0/8", bad[i], "fe80::/10"};
        assert_int_equal (zf_nics_check (rules, COUNT (rules)), 2);
    }
    const char *good[] = {"a-name-of-15-ch", "!*", "enp0s31f6", "br-0a1b2c3d4e5f", "10.0.0.0/0"};
    assert_int_equal (zf_nics_check (good, COUNT (good)), COUNT (good));
    assert_int_equal (zf_nics_check (NULL, 0), 0);
}

/* -- text and system --------------------------------------------------------------------------- */

static void host_of_link_local_has_its_scope (void **state)
{
    zf_nic_t four = nic4 (2, "eth0", "10.1.0.1", 24);
    zf_nic_t local = nic6 (2, "eth0", "fe80::1");
    zf_nic_t global = nic6 (2, "eth0", "2001:db8::1");
    char text[80];
    zf_nic_host (&four, text, sizeof text);
    assert_string_equal (text, "10.1.0.1");
    zf_nic_host (&local, text, sizeof text);
    assert_string_equal (text, "fe80::1%eth0");
    zf_nic_host (&global, text, sizeof text);
    assert_string_equal (text, "2001:db8::1");
}

static void list_has_loopback_with_all_that_is_known_of_it (void **state)
{
    zf_nic_t nics[ZF_NICS_MAX];
    int count = zf_nics_list (nics);
    assert_in_range (count, 0, ZF_NICS_MAX);
    const zf_nic_t *found = NULL;
    for (int i = 0; i < count; i++)
        if (nics[i].family == AF_INET && nics[i].is_loopback)
            found = &nics[i];
    if (found == NULL) {
        skip (); /* a machine without it */
        return;
    }
    assert_int_equal (ntohl (found->address.s_addr) >> 24, 127);
    assert_int_equal (ntohl (found->broadcast.s_addr), 0x7FFFFFFF);
    assert_int_equal (found->prefix, 8);
    assert_int_not_equal (found->index, 0);
    assert_string_not_equal (found->name, "");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (nics_without_rules_all_that_are_usable_are_chosen),
        cmocka_unit_test (nics_of_no_use_are_not_chosen),
        cmocka_unit_test (nics_second_address_that_reaches_the_same_is_left_out),
        cmocka_unit_test (nics_one_that_is_left_out_does_not_stand_in_for_another),
        cmocka_unit_test (nics_named_by_rule_are_the_only_ones),
        cmocka_unit_test (nics_refused_by_rule_the_others_stay),
        cmocka_unit_test (nics_refusal_wins_over_permission),
        cmocka_unit_test (nics_more_than_can_be_used_only_so_many_are_chosen),
        cmocka_unit_test (nics_chosen_anew_forget_what_was),
        cmocka_unit_test (rule_network_counts_its_bits_and_no_more),
        cmocka_unit_test (rule_network_of_ipv6_matches),
        cmocka_unit_test (rule_name_is_whole_unless_it_has_a_star),
        cmocka_unit_test (rules_that_are_none_are_found),
        cmocka_unit_test (host_of_link_local_has_its_scope),
        cmocka_unit_test (list_has_loopback_with_all_that_is_known_of_it),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
