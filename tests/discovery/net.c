#include "tests/discovery/net.h"

/* cmocka wants these before itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define IP_AT     14 /* in a frame: after two hardware addresses and a type */
#define UDP_AT    34
#define TEXT_AT   42
#define FRAME_MAX 2048
#define WAIT_MS   10000

bool net_enter (void)
{
    return unshare (CLONE_NEWNET) == 0 || unshare (CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

/* -- interfaces -------------------------------------------------------------------------------- */

static void control (unsigned long request, struct ifreq *ask)
{
    int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal (ioctl (fd, request, ask), 0);
    close (fd);
}

static struct ifreq ask_about (const char *name)
{
    struct ifreq ask = {0};
    snprintf (ask.ifr_name, sizeof ask.ifr_name, "%s", name);
    return ask;
}

void net_up (const char *name, bool up)
{
    struct ifreq ask = ask_about (name);
    control (SIOCGIFFLAGS, &ask);
    ask.ifr_flags = (short) (up ? ask.ifr_flags | IFF_UP : ask.ifr_flags & ~IFF_UP);
    control (SIOCSIFFLAGS, &ask);
}

/* New addresses of IPv6 are good at once: nobody else could have them. */
static void trust_addresses (const char *path)
{
    int fd = open (path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write (fd, "0", 1) != 1)
        perror (path);
    if (fd >= 0)
        close (fd);
}

int net_tap (const char *name)
{
    struct ifreq ask = ask_about (name);
    ask.ifr_flags = IFF_TAP | IFF_NO_PI;
    trust_addresses ("/proc/sys/net/ipv6/conf/all/accept_dad");
    trust_addresses ("/proc/sys/net/ipv6/conf/default/accept_dad");
    int fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd >= 0 && ioctl (fd, TUNSETIFF, &ask) != 0) {
        close (fd);
        fd = -1;
    }
    return fd;
}

static void set_address (unsigned long request, const char *name, const char *address)
{
    struct ifreq ask = ask_about (name);
    struct sockaddr_in in = {.sin_family = AF_INET};
    inet_pton (AF_INET, address, &in.sin_addr);
    memcpy (&ask.ifr_addr, &in, sizeof in);
    control (request, &ask);
}

void net_address (const char *name, const char *address, const char *mask)
{
    set_address (SIOCSIFADDR, name, address);
    set_address (SIOCSIFNETMASK, name, mask);
}

/* -- frames ------------------------------------------------------------------------------------ */

static void put16 (uint8_t *at, size_t value)
{
    at[0] = (uint8_t) (value >> 8);
    at[1] = (uint8_t) value;
}

static uint16_t get16 (const uint8_t *at)
{
    return (uint16_t) (at[0] << 8 | at[1]);
}

/* Of an IP header without options. */
static uint16_t checksum (const uint8_t *header)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < 20; i += 2)
        sum += get16 (header + i);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t) ~sum;
}

void net_arrive (int tap, const char *from, uint16_t port, const char *text)
{
    uint8_t frame[FRAME_MAX] = {0};
    zf_bytes_t body = zf_bytes_of (text);
    memset (frame, 0xFF, 6); /* to all */
    frame[6] = 2;            /* from a made-up one */
    put16 (frame + 12, 0x0800);
    frame[IP_AT] = 0x45;
    put16 (frame + IP_AT + 2, 20 + 8 + body.size);
    frame[IP_AT + 8] = 64;
    frame[IP_AT + 9] = IPPROTO_UDP;
    inet_pton (AF_INET, from, frame + IP_AT + 12);
    memset (frame + IP_AT + 16, 0xFF, 4);
    put16 (frame + IP_AT + 10, checksum (frame + IP_AT));
    put16 (frame + UDP_AT, 40000);
    put16 (frame + UDP_AT + 2, port);
    put16 (frame + UDP_AT + 4, 8 + body.size);
    memcpy (frame + TEXT_AT, body.data, body.size);
    assert_int_equal (write (tap, frame, TEXT_AT + body.size), TEXT_AT + body.size);
}

static bool is_broadcast (const uint8_t *frame, ssize_t size, const char *to, uint16_t port)
{
    static const uint8_t all[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    uint8_t address[4];
    inet_pton (AF_INET, to, address);
    return size >= TEXT_AT && memcmp (frame, all, sizeof all) == 0 &&
           get16 (frame + 12) == 0x0800 && frame[IP_AT + 9] == IPPROTO_UDP &&
           memcmp (frame + IP_AT + 16, address, sizeof address) == 0 &&
           get16 (frame + UDP_AT + 2) == port;
}

bool net_leaves (int tap, const char *to, uint16_t port)
{
    struct pollfd fd = {.fd = tap, .events = POLLIN};
    uint8_t frame[FRAME_MAX];
    while (poll (&fd, 1, WAIT_MS) == 1) {
        ssize_t size = read (tap, frame, sizeof frame);
        if (is_broadcast (frame, size, to, port))
            return true;
    }
    return false;
}
