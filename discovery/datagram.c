#include "discovery/datagram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#define RECEIVE_BYTES (1 << 20) /* asked for; the system may give less */

/* Large enough for both kinds of PKTINFO, and aligned as the system wants it. */
typedef union {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE (sizeof (struct in6_pktinfo))];
} control_t;

static void close_fd (int *fd)
{
    if (*fd >= 0)
        close (*fd);
    *fd = -1;
}

static bool set_option (int fd, int level, int option, int value)
{
    return setsockopt (fd, level, option, &value, sizeof value) == 0;
}

static int open_socket (int family)
{
    return socket (family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
}

/* Every process that sets only SO_REUSEADDR gets each broadcast. With SO_REUSEPORT, what is sent to
 * one address goes to one of them. */
static bool prepare_receiver (int fd, int family)
{
    set_option (fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES);
    if (!set_option (fd, SOL_SOCKET, SO_REUSEADDR, 1))
        return false;
    if (family == AF_INET)
        return set_option (fd, IPPROTO_IP, IP_PKTINFO, 1);
    return set_option (fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
           set_option (fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

static bool bind_any (int fd, int family, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons (port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons (port)};
    if (family == AF_INET)
        return bind (fd, (const struct sockaddr *) &in, sizeof in) == 0;
    return bind (fd, (const struct sockaddr *) &in6, sizeof in6) == 0;
}

int zf_datagram_receiver (int family, uint16_t port)
{
    int fd = open_socket (family);
    if (fd < 0)
        return -1;
    if (!prepare_receiver (fd, family) || !bind_any (fd, family, port)) {
        int error = errno;
        close_fd (&fd);
        errno = error;
    }
    return fd;
}

/* By the interface that is meant, even if another one has the same network. */
static bool prepare_sender (int fd, const zf_nic_t *nic)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = nic->address};
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_addr = nic->address6, .sin6_scope_id = nic->index};
    if (nic->family == AF_INET)
        return set_option (fd, SOL_SOCKET, SO_BROADCAST, 1) &&
               set_option (fd, IPPROTO_IP, IP_UNICAST_IF, (int) htonl (nic->index)) &&
               bind (fd, (const struct sockaddr *) &in, sizeof in) == 0;
    return set_option (fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int) nic->index) &&
           set_option (fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1) &&
           set_option (fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1) &&
           bind (fd, (const struct sockaddr *) &in6, sizeof in6) == 0;
}

int zf_datagram_sender (const zf_nic_t *nic)
{
    int fd = open_socket (nic->family);
    if (fd < 0 || prepare_sender (fd, nic))
        return fd;
    int error = errno;
    close_fd (&fd);
    errno = error;
    return -1;
}

int zf_datagram_changes (void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                  .nl_groups =
                                      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
    int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd >= 0 && bind (fd, (const struct sockaddr *) &address, sizeof address) != 0)
        close_fd (&fd);
    return fd;
}

bool zf_datagram_send (int fd, const zf_nic_t *nic, uint16_t port, zf_bytes_t datagram)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons (port), .sin_addr = nic->broadcast};
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons (port), .sin6_scope_id = nic->index};
    const struct sockaddr *to = (const struct sockaddr *) &in;
    socklen_t size = sizeof in;
    if (nic->family == AF_INET6) {
        inet_pton (AF_INET6, ZF_DATAGRAM_GROUP, &in6.sin6_addr);
        to = (const struct sockaddr *) &in6;
        size = sizeof in6;
    }
    return sendto (fd, datagram.data, datagram.size, 0, to, size) >= 0;
}

/* -- receiving --------------------------------------------------------------------------------- */

/* The options that we have asked for come with every datagram, so the first one is it. */
static unsigned read_index (struct msghdr *message)
{
    struct in_pktinfo info4;
    struct in6_pktinfo info6;
    const struct cmsghdr *header = CMSG_FIRSTHDR (message);
    if (header != NULL && header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
        memcpy (&info4, CMSG_DATA (header), sizeof info4);
        return (unsigned) info4.ipi_ifindex;
    }
    if (header != NULL && header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
        memcpy (&info6, CMSG_DATA (header), sizeof info6);
        return info6.ipi6_ifindex;
    }
    return 0;
}

bool zf_datagram_receive (int fd, uint8_t *buffer, size_t room, zf_arrival_t *arrival)
{
    control_t control = {.bytes = {0}};
    struct iovec part = {buffer, room};
    struct msghdr message = {.msg_name = &arrival->from,
                             .msg_namelen = sizeof arrival->from,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t size;
    do {
        size = fd >= 0 ? recvmsg (fd, &message, 0) : -1;
    } while (size < 0 && fd >= 0 && errno == EINTR);
    if (size < 0)
        return false;
    arrival->size = (size_t) size;
    arrival->is_cut = (message.msg_flags & MSG_TRUNC) != 0;
    arrival->index = read_index (&message);
    return true;
}
