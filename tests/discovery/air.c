#include "tests/discovery/air.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define WAIT_MS 10000

int air_port (uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t size = sizeof in;
    int on = 1;
    int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal (bind (fd, (const struct sockaddr *) &in, sizeof in), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &in, &size), 0);
    *port = ntohs (in.sin_port);
    return fd;
}

static void keep_note (void *arg, const char *text)
{
    air_t *air = arg;
    size_t used = strlen (air->notes);
    snprintf (air->notes + used, sizeof air->notes - used, "%s\n", text);
}

int air_open (air_t *air, uint16_t port, const char *const *rules, size_t count, zf_error_t *err)
{
    zf_udp_options_t options = {
        .port = port, .rules = rules, .rule_count = count, .note = keep_note, .arg = air};
    memset (air, 0, sizeof *air);
    return zf_udp_open (&air->udp, &options, err);
}

size_t air_send (air_t *air, const char *text)
{
    return zf_udp_send (air->udp, zf_bytes_of (text));
}

bool air_take (air_t *air)
{
    return zf_udp_receive (air->udp, air->data, sizeof air->data, &air->size, air->from, air->own);
}

static void wait_for_input (air_t *air)
{
    struct pollfd polls[ZF_UDP_FDS];
    int fds[ZF_UDP_FDS];
    size_t count = zf_udp_fds (air->udp, fds);
    for (size_t i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    assert_true (poll (polls, count, WAIT_MS) > 0);
}

void air_send_to (air_t *air, const char *text, size_t count)
{
    while (air_send (air, text) != count) {
        while (air_take (air))
            ;
        zf_udp_refresh (air->udp, false);
        wait_for_input (air);
    }
}

void air_await_from (air_t *air, const char *text, const char *from)
{
    for (;;) {
        while (!air_take (air)) {
            zf_udp_refresh (air->udp, false);
            wait_for_input (air);
        }
        if (air->size == strlen (text) && memcmp (air->data, text, air->size) == 0 &&
            (from == NULL || strcmp (air->from, from) == 0))
            return;
    }
}

void air_await (air_t *air, const char *text)
{
    air_await_from (air, text, NULL);
}

void air_await_change (air_t *air)
{
    while (!zf_udp_refresh (air->udp, false)) {
        while (air_take (air))
            ;
        wait_for_input (air);
    }
}
