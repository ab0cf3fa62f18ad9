/* The shell of the beacon on the loopback interface. */
#include "tests/discovery/air.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zferry/error.h>

#define BYTES_MAX 64 /* room of an air_t */

static const char *const lo_only[] = {"127.0.0.0/8"};

static void open_lo (air_t *air, uint16_t port)
{
    assert_int_equal (air_open (air, port, lo_only, 1, NULL), 0);
}

static void udp_own_datagram_comes_back_with_both_addresses (void **state)
{
    uint16_t port;
    int kept = air_port (&port);
    air_t air;
    open_lo (&air, port);
    assert_int_equal (zf_udp_count (air.udp), 1);
    assert_int_equal (air_send (&air, "hello"), 1);
    air_await (&air, "hello");
    assert_string_equal (air.from, "127.0.0.1");
    assert_string_equal (air.own, "127.0.0.1");
    assert_false (air_take (&air));
    zf_udp_close (&air.udp);
    close (kept);
}

static void udp_all_that_share_the_port_get_all (void **state)
{
    uint16_t port;
    int kept = air_port (&port);
    air_t airs[5];
    for (size_t i = 0; i < 5; i++)
        open_lo (&airs[i], port);
    air_send (&airs[0], "one");
    air_send (&airs[4], "two");
    for (size_t i = 0; i < 5; i++) {
        air_await (&airs[i], "one");
        air_await (&airs[i], "two");
        assert_false (air_take (&airs[i]));
        zf_udp_close (&airs[i].udp);
    }
    close (kept);
}

static void udp_what_comes_by_an_interface_not_chosen_is_dropped (void **state)
{
    uint16_t port;
    int kept = air_port (&port);
    const char *none[] = {"!*"};
    air_t lo, nothing;
    open_lo (&lo, port);
    assert_int_equal (air_open (&nothing, port, none, 1, NULL), 0);
    assert_int_equal (zf_udp_count (nothing.udp), 0);
    assert_int_equal (air_send (&nothing, "x"), 0);
    air_send (&lo, "hello");
    air_await (&lo, "hello"); /* and so it has come to the other one, too */
    assert_false (air_take (&nothing));
    zf_udp_close (&lo.udp);
    zf_udp_close (&nothing.udp);
    close (kept);
}

static void udp_datagram_without_room_is_dropped_the_next_comes (void **state)
{
    uint16_t port;
    int kept = air_port (&port);
    char text[BYTES_MAX + 2];
    air_t air;
    open_lo (&air, port);
    memset (text, 'x', sizeof text);
    text[BYTES_MAX + 1] = '\0';
    air_send (&air, text);
    text[BYTES_MAX] = '\0';
    air_send (&air, text);
    air_send (&air, "");
    air_await (&air, text);
    assert_true (air_take (&air));
    assert_int_equal (air.size, 0);
    assert_false (air_take (&air));
    zf_udp_close (&air.udp);
    close (kept);
}

static void udp_flood_of_the_unwanted_leaves_other_turns (void **state)
{
    uint16_t port;
    int kept = air_port (&port);
    char text[BYTES_MAX + 2];
    air_t air;
    open_lo (&air, port);
    memset (text, 'x', sizeof text);
    text[BYTES_MAX + 1] = '\0';
    for (size_t i = 0; i < 100; i++)
        air_send (&air, text);
    air_send (&air, "wanted");
    assert_false (air_take (&air)); /* enough for one turn */
    air_await (&air, "wanted");
    zf_udp_close (&air.udp);
    close (kept);
}

/* As zbeacon does it: by a socket that it receives with, to wherever. */
static void udp_datagram_of_somebody_else_is_taken (void **state)
{
    uint16_t port;
    int kept = air_port (&port);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons (port)};
    int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int on = 1;
    air_t air;
    open_lo (&air, port);
    setsockopt (fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    inet_pton (AF_INET, "127.255.255.255", &to.sin_addr);
    assert_int_equal (sendto (fd, "hi", 2, 0, (const struct sockaddr *) &to, sizeof to), 2);
    air_await_from (&air, "hi", "127.0.0.1");
    zf_udp_close (&air.udp);
    close (fd);
    close (kept);
}

static void udp_port_that_is_not_shared_is_refused_in_words (void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t size = sizeof in;
    int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal (bind (fd, (const struct sockaddr *) &in, sizeof in), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &in, &size), 0);
    zf_error_t err;
    air_t air;
    assert_int_equal (air_open (&air, ntohs (in.sin_port), NULL, 0, &err), ZF_E_ADDRESS);
    assert_null (air.udp);
    assert_non_null (strstr (err.text, "taken by a program that does not share it"));
    close (fd);
}

static void udp_wrong_options_are_refused_in_words (void **state)
{
    const char *bad[] = {"eth0", "10.0.0.0/44"};
    zf_error_t err;
    air_t air;
    assert_int_equal (air_open (&air, 5670, bad, 2, &err), ZF_E_INVAL);
    assert_non_null (strstr (err.text, "'10.0.0.0/44'"));
    assert_int_equal (air_open (&air, 0, NULL, 0, &err), ZF_E_INVAL);
    assert_null (air.udp);
    zf_udp_close (&air.udp);
}

static void udp_choice_is_told_once (void **state)
{
    uint16_t port;
    int kept = air_port (&port);
    air_t air;
    open_lo (&air, port);
    assert_non_null (strstr (air.notes, "127.0.0.1: chosen, broadcasts to 127.255.255.255\n"));
    air.notes[0] = '\0';
    assert_false (zf_udp_refresh (air.udp, true));
    assert_null (strstr (air.notes, "127.0.0.1"));
    air_send (&air, "still there");
    air_await (&air, "still there");
    zf_udp_close (&air.udp);
    close (kept);
}

static void udp_without_any_interface_says_so_once (void **state)
{
    const char *nothing = "none-such";
    uint16_t port;
    int kept = air_port (&port);
    air_t air;
    assert_int_equal (air_open (&air, port, &nothing, 1, NULL), 0);
    assert_non_null (strstr (air.notes, "no interface can be used: "));
    air.notes[0] = '\0';
    zf_udp_refresh (air.udp, true);
    assert_null (strstr (air.notes, "no interface can be used: "));
    zf_udp_close (&air.udp);
    close (kept);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (udp_own_datagram_comes_back_with_both_addresses),
        cmocka_unit_test (udp_all_that_share_the_port_get_all),
        cmocka_unit_test (udp_what_comes_by_an_interface_not_chosen_is_dropped),
        cmocka_unit_test (udp_datagram_without_room_is_dropped_the_next_comes),
        cmocka_unit_test (udp_flood_of_the_unwanted_leaves_other_turns),
        cmocka_unit_test (udp_datagram_of_somebody_else_is_taken),
        cmocka_unit_test (udp_port_that_is_not_shared_is_refused_in_words),
        cmocka_unit_test (udp_wrong_options_are_refused_in_words),
        cmocka_unit_test (udp_choice_is_told_once),
        cmocka_unit_test (udp_without_any_interface_says_so_once),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
