#include "discovery/udp.h"

#include "discovery/datagram.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DROPPED_MAX 64 /* datagrams that nobody wants, before the node has another turn */
#define TEXT_BYTES  200

/* An address of this machine, in use or not. */
typedef struct {
    zf_nic_t nic;
    int fd;          /* sends; -1: none, as it is not chosen or could not be made */
    bool is_failing; /* that was told already */
} link_t;

struct zf_udp {
    link_t links[ZF_NICS_MAX]; /* all addresses that there are */
    size_t count;
    int in4, in6; /* receive; -1: there is no such protocol here */
    int changes;  /* netlink; -1: refused */
    bool v6_next; /* whose turn it is to be received from */
    bool is_mute; /* no address can be used; that was told */
    zf_udp_options_t options;
};

static void close_fd (int *fd)
{
    if (*fd >= 0)
        close (*fd);
    *fd = -1;
}

static void tell (const zf_udp_t *self, const char *what, const char *which)
{
    char text[TEXT_BYTES + 64];
    snprintf (text, sizeof text, "%s %s", what, which);
    if (self->options.note != NULL)
        self->options.note (self->options.arg, text);
}

/* What people never expect to be used is not worth a line. */
static void tell_choice (const zf_udp_t *self, const zf_nic_t *nic)
{
    char text[TEXT_BYTES];
    if (!nic->is_chosen && nic->family == AF_INET6 && !nic->is_link_local)
        return;
    zf_nic_describe (nic, text, sizeof text);
    tell (self, "interface", text);
}

static void tell_event (const zf_udp_t *self, const zf_nic_t *nic, const char *what)
{
    char text[TEXT_BYTES];
    char host[ZF_UDP_HOST];
    zf_nic_host (nic, host, sizeof host);
    snprintf (text, sizeof text, "%s %s: %s", nic->name, host, what);
    tell (self, "interface", text);
}

/* -- interfaces -------------------------------------------------------------------------------- */

static bool is_same_address (const zf_nic_t *a, const zf_nic_t *b)
{
    if (a->index != b->index || a->family != b->family || strcmp (a->name, b->name) != 0)
        return false;
    if (a->family == AF_INET)
        return a->address.s_addr == b->address.s_addr;
    return memcmp (&a->address6, &b->address6, sizeof a->address6) == 0;
}

static link_t *find_link (zf_udp_t *self, const zf_nic_t *nic)
{
    for (size_t i = 0; i < self->count; i++)
        if (is_same_address (&self->links[i].nic, nic))
            return &self->links[i];
    return NULL;
}

static bool is_same_choice (const zf_nic_t *a, const zf_nic_t *b)
{
    return a->is_chosen == b->is_chosen && a->why == b->why && a->rule == b->rule &&
           a->broadcast.s_addr == b->broadcast.s_addr;
}

/* The link of an address that is there now: the one that there was, or a new one. Tells if it is
 * news, and returns true if it changes what is used. */
static bool make_link (zf_udp_t *self, const zf_nic_t *nic, link_t *link)
{
    link_t *old = find_link (self, nic);
    link_t fresh = {*nic, -1, false};
    bool was_chosen = old != NULL && old->nic.is_chosen;
    if (old != NULL && is_same_choice (&old->nic, nic)) {
        *link = *old;
        link->nic = *nic;
        old->fd = -1;
        return false;
    }
    *link = fresh;
    tell_choice (self, nic);
    return was_chosen || nic->is_chosen;
}

/* Closes what was not taken over. Returns true if it was used. */
static bool end_links (zf_udp_t *self, const zf_nic_t *nics, size_t count)
{
    bool changed = false;
    for (size_t i = 0; i < self->count; i++) {
        link_t *link = &self->links[i];
        bool gone = true;
        for (size_t k = 0; k < count && gone; k++)
            gone = !is_same_address (&link->nic, &nics[k]);
        close_fd (&link->fd);
        if (gone && link->nic.is_chosen) {
            tell_event (self, &link->nic, "gone");
            changed = true;
        }
    }
    return changed;
}

static void tell_mute (zf_udp_t *self)
{
    bool is_mute = zf_udp_count (self) == 0;
    if (is_mute && !self->is_mute)
        tell (self, "no interface can be used:", "others are found by seeds alone");
    self->is_mute = is_mute;
}

static bool look (zf_udp_t *self)
{
    zf_nic_t nics[ZF_NICS_MAX];
    link_t links[ZF_NICS_MAX] = {0};
    bool changed = false;
    int count = zf_nics_list (nics);
    if (count < 0)
        return false;
    zf_nics_choose (nics, (size_t) count, self->options.rules, self->options.rule_count);
    for (int i = 0; i < count; i++)
        changed |= make_link (self, &nics[i], &links[i]);
    changed |= end_links (self, nics, (size_t) count);
    self->count = (size_t) count;
    memcpy (self->links, links, self->count * sizeof *links);
    tell_mute (self);
    return changed;
}

/* True if the system has told of changes, or of more than there was room for. */
static bool drain_changes (zf_udp_t *self)
{
    uint8_t buffer[8192];
    bool any = false;
    for (int i = 0; i < DROPPED_MAX && self->changes >= 0; i++) {
        ssize_t size = recv (self->changes, buffer, sizeof buffer, 0);
        if (size < 0 && errno != EINTR && errno != ENOBUFS)
            break;
        any = true;
    }
    return any;
}

bool zf_udp_refresh (zf_udp_t *self, bool now)
{
    bool changed = drain_changes (self);
    return changed || now ? look (self) : false;
}

/* -- life -------------------------------------------------------------------------------------- */

static int check_options (const zf_udp_options_t *options, zf_error_t *err)
{
    size_t bad = zf_nics_check (options->rules, options->rule_count);
    if (bad < options->rule_count)
        return zf_error_set (err, ZF_E_INVAL,
                             "'%.60s' is no name of an interface, no address and no network",
                             options->rules[bad]);
    if (options->port == 0)
        return zf_error_set (err, ZF_E_INVAL, "the UDP port must be the same for all, so not 0");
    return 0;
}

static int open_receivers (zf_udp_t *self, zf_error_t *err)
{
    self->in4 = zf_datagram_receiver (AF_INET, self->options.port);
    int error = errno;
    self->in6 = zf_datagram_receiver (AF_INET6, self->options.port);
    if (self->in6 < 0 && errno != EAFNOSUPPORT)
        tell (self, "no beacons by IPv6:", strerror (errno));
    if (self->in4 >= 0 || (self->in6 >= 0 && error == EAFNOSUPPORT))
        return 0;
    if (error == EADDRINUSE)
        return zf_error_set (err, ZF_E_ADDRESS,
                             "UDP port %u: taken by a program that does not share it",
                             self->options.port);
    return zf_error_set (err, ZF_E_ADDRESS, "UDP port %u: %s", self->options.port,
                         strerror (error));
}

int zf_udp_open (zf_udp_t **udp, const zf_udp_options_t *options, zf_error_t *err)
{
    *udp = NULL;
    int rc = check_options (options, err);
    if (rc != 0)
        return rc;
    zf_udp_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "no memory for beacons");
    self->options = *options;
    self->changes = -1;
    rc = open_receivers (self, err);
    if (rc != 0) {
        zf_udp_close (&self);
        return rc;
    }
    self->changes = zf_datagram_changes (); /* before looking, so that none is missed */
    look (self);
    *udp = self;
    return 0;
}

void zf_udp_close (zf_udp_t **udp)
{
    zf_udp_t *self = *udp;
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++)
        close_fd (&self->links[i].fd);
    close_fd (&self->in4);
    close_fd (&self->in6);
    close_fd (&self->changes);
    free (self);
    *udp = NULL;
}

size_t zf_udp_fds (const zf_udp_t *self, int fds[ZF_UDP_FDS])
{
    const int all[ZF_UDP_FDS] = {self->in4, self->in6, self->changes};
    size_t count = 0;
    for (size_t i = 0; i < ZF_UDP_FDS; i++)
        if (all[i] >= 0)
            fds[count++] = all[i];
    return count;
}

size_t zf_udp_count (const zf_udp_t *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        count += self->links[i].nic.is_chosen;
    return count;
}

static void write_host (const zf_nic_t *nic, char host[ZF_UDP_HOST])
{
    char text[ZF_UDP_HOST - 2];
    zf_nic_host (nic, text, sizeof text);
    snprintf (host, ZF_UDP_HOST, nic->family == AF_INET6 ? "[%s]" : "%s", text);
}

void zf_udp_host (const zf_udp_t *self, char own[ZF_UDP_HOST])
{
    const zf_nic_t *best = NULL;
    for (size_t i = 0; i < self->count; i++) {
        const zf_nic_t *nic = &self->links[i].nic;
        if (nic->is_chosen && (best == NULL || (best->is_loopback && !nic->is_loopback)))
            best = nic;
    }
    *own = '\0';
    if (best != NULL)
        write_host (best, own);
}

/* -- sending ----------------------------------------------------------------------------------- */

static bool send_by (const zf_udp_t *self, link_t *link, zf_bytes_t datagram)
{
    if (link->fd < 0)
        link->fd = zf_datagram_sender (&link->nic);
    return link->fd >= 0 && zf_datagram_send (link->fd, &link->nic, self->options.port, datagram);
}

/* A new address of IPv6 can't be sent from until the system knows that nobody else has it. */
static bool is_passing (const link_t *link, int error)
{
    return error == EAGAIN || error == ENOBUFS ||
           (error == EADDRNOTAVAIL && link->nic.family == AF_INET6);
}

/* Says so if that is news. The next time gets a new socket: the old one may be of an address that
 * was taken away in between. */
static void note_outcome (const zf_udp_t *self, link_t *link, bool sent, int error)
{
    char text[TEXT_BYTES];
    if (!sent)
        close_fd (&link->fd);
    if (sent != link->is_failing || is_passing (link, error))
        return;
    link->is_failing = !sent;
    snprintf (text, sizeof text, "can't send: %s", strerror (error));
    tell_event (self, &link->nic, sent ? "can send again" : text);
}

size_t zf_udp_send (zf_udp_t *self, zf_bytes_t datagram)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        link_t *link = &self->links[i];
        if (!link->nic.is_chosen)
            continue;
        errno = 0;
        bool sent = send_by (self, link, datagram);
        note_outcome (self, link, sent, sent ? 0 : errno);
        count += sent;
    }
    return count;
}

/* -- receiving --------------------------------------------------------------------------------- */

/* From each protocol in turn, so that a flood by one does not keep out the other. */
static bool receive_any (zf_udp_t *self, uint8_t *buffer, size_t room, zf_arrival_t *arrival)
{
    int first = self->v6_next ? self->in6 : self->in4;
    int second = self->v6_next ? self->in4 : self->in6;
    self->v6_next = !self->v6_next;
    return zf_datagram_receive (first, buffer, room, arrival) ||
           zf_datagram_receive (second, buffer, room, arrival);
}

static bool is_near (const zf_nic_t *nic, struct in_addr from)
{
    return ((nic->address.s_addr ^ from.s_addr) & nic->mask.s_addr) == 0;
}

/* Our chosen address where it came in: best one of the sender's network. NULL: there is none. */
static const zf_nic_t *find_own (const zf_udp_t *self, const zf_arrival_t *arrival)
{
    const zf_nic_t *found = NULL;
    struct sockaddr_in from = {0};
    memcpy (&from, &arrival->from, sizeof from);
    for (size_t i = 0; i < self->count; i++) {
        const zf_nic_t *nic = &self->links[i].nic;
        if (!nic->is_chosen || nic->index != arrival->index || nic->family != from.sin_family)
            continue;
        if (found == NULL || (nic->family == AF_INET && is_near (nic, from.sin_addr) &&
                              !is_near (found, from.sin_addr)))
            found = nic;
    }
    return found;
}

/* The sender, as if it were an address of the interface where it came in. */
static zf_nic_t sender_of (const zf_arrival_t *arrival, const zf_nic_t *own)
{
    zf_nic_t sender = *own;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    memcpy (&in, &arrival->from, sizeof in);
    memcpy (&in6, &arrival->from, sizeof in6);
    sender.address = in.sin_addr;
    sender.address6 = in6.sin6_addr;
    sender.is_link_local = IN6_IS_ADDR_LINKLOCAL (&sender.address6);
    return sender;
}

bool zf_udp_receive (zf_udp_t *self, uint8_t *buffer, size_t room, size_t *size,
                     char from[ZF_UDP_HOST], char own[ZF_UDP_HOST])
{
    zf_arrival_t arrival;
    for (int i = 0; i < DROPPED_MAX; i++) {
        if (!receive_any (self, buffer, room, &arrival))
            return false;
        const zf_nic_t *nic = find_own (self, &arrival);
        if (nic == NULL || arrival.is_cut)
            continue;
        zf_nic_t sender = sender_of (&arrival, nic);
        *size = arrival.size;
        write_host (&sender, from);
        write_host (nic, own);
        return true;
    }
    return false;
}
