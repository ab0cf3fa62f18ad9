#include "patterns/doctor.h"

#include "devices/socket.h"
#include "discovery/datagram.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define PROBE_HEAD  "ZFD\001" /* no node takes that for a beacon */
#define PROBE_BYTES 21        /* that, 16 random bytes, the number of the probe */
#define TRIES       4
#define TRY_MS      250
#define TEXT_BYTES  200

static const uint16_t tcp_ports[] = {5555, 5556};

/* An address that is to hear itself. */
typedef struct {
    const zf_nic_t *nic;
    int fd;    /* -1: could not be made */
    int error; /* of making it or of sending; 0: sent */
    bool is_back;
} probe_t;

typedef struct {
    probe_t probes[ZF_NICS_MAX];
    size_t count;
    uint8_t data[PROBE_BYTES];
    struct pollfd in[2]; /* by IPv4, by IPv6; fd -1: not there */
    uint16_t port;
} round_t;

/* -- interfaces -------------------------------------------------------------------------------- */

static size_t count_chosen (const zf_nic_t *nics, size_t count, bool with_loopback)
{
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++)
        chosen += nics[i].is_chosen && (with_loopback || !nics[i].is_loopback);
    return chosen;
}

static void say_nics (const zf_doctor_t *doctor, const zf_nic_t *nics, size_t count)
{
    char text[TEXT_BYTES];
    for (size_t i = 0; i < count; i++) {
        zf_nic_describe (&nics[i], text, sizeof text);
        zf_doctor_say (doctor, ZF_DOCTOR_OK, "interface", "", "%s", text);
    }
    if (count_chosen (nics, count, true) == 0)
        zf_doctor_say (doctor, ZF_DOCTOR_FAIL, "interface",
                       "bring one up, or allow one with --interface; or use a seed (--seed)",
                       "no interface can be used: no node will be found by itself");
    else if (count_chosen (nics, count, false) == 0)
        zf_doctor_say (
            doctor, ZF_DOCTOR_WARN, "interface", "nodes of other hosts need a seed (--seed)",
            "only the loopback interface can be used: only nodes of this host are found");
}

/* A rule by which nothing is used is most likely a misprint. */
static void look_at_rules (const zf_doctor_t *doctor, zf_nic_t *nics, size_t count,
                           const zf_doctor_options_t *options)
{
    for (size_t i = 0; i < options->interface_count; i++) {
        const char *rule = options->interfaces[i];
        zf_nics_choose (nics, count, &rule, 1);
        if (*rule != '!' && count_chosen (nics, count, true) == 0)
            zf_doctor_say (doctor, ZF_DOCTOR_WARN, "interface", "is it a misprint?",
                           "no address that can be used matches %s", rule);
    }
    zf_nics_choose (nics, count, options->interfaces, options->interface_count);
}

/* -- broadcasts -------------------------------------------------------------------------------- */

static void send_probe (round_t *round, size_t i)
{
    probe_t *probe = &round->probes[i];
    if (probe->fd < 0 && (probe->fd = zf_datagram_sender (probe->nic)) < 0) {
        probe->error = errno;
        return;
    }
    round->data[PROBE_BYTES - 1] = (uint8_t) i;
    zf_bytes_t datagram = zf_bytes (round->data, PROBE_BYTES);
    bool sent = zf_datagram_send (probe->fd, probe->nic, round->port, datagram);
    probe->error = sent ? 0 : errno;
}

static void take_arrival (round_t *round, const uint8_t *data, const zf_arrival_t *arrival)
{
    if (arrival->size != PROBE_BYTES || memcmp (data, round->data, PROBE_BYTES - 1) != 0)
        return;
    size_t i = data[PROBE_BYTES - 1];
    if (i < round->count && round->probes[i].nic->index == arrival->index)
        round->probes[i].is_back = true;
}

static void take_arrivals (round_t *round)
{
    uint8_t data[PROBE_BYTES + 1];
    zf_arrival_t arrival;
    for (size_t i = 0; i < 2; i++)
        while (zf_datagram_receive (round->in[i].fd, data, sizeof data, &arrival))
            take_arrival (round, data, &arrival);
}

static bool is_missing (const round_t *round)
{
    for (size_t i = 0; i < round->count; i++)
        if (!round->probes[i].is_back)
            return true;
    return false;
}

static void try_once (round_t *round)
{
    uint64_t now_ms = zf_clock_ms ();
    uint64_t end_ms = now_ms + TRY_MS;
    for (size_t i = 0; i < round->count; i++)
        if (!round->probes[i].is_back)
            send_probe (round, i);
    for (; is_missing (round) && now_ms < end_ms; now_ms = zf_clock_ms ()) {
        poll (round->in, 2, (int) (end_ms - now_ms));
        take_arrivals (round);
    }
}

static void say_probe (const zf_doctor_t *doctor, const probe_t *probe, uint16_t port)
{
    char host[TEXT_BYTES];
    char advice[TEXT_BYTES];
    bool six = probe->nic->family == AF_INET6; /* there is still IPv4 */
    zf_nic_host (probe->nic, host, sizeof host);
    snprintf (advice, sizeof advice,
              "let the firewall pass UDP port %u out and in, or leave it out: --interface '!%s'",
              port, probe->nic->name);
    if (probe->is_back)
        zf_doctor_say (doctor, ZF_DOCTOR_OK, "broadcast", "",
                       "%s %s: what is sent to all comes back", probe->nic->name, host);
    else if (probe->error != 0)
        zf_doctor_say (doctor, six ? ZF_DOCTOR_WARN : ZF_DOCTOR_FAIL, "broadcast", advice,
                       "%s %s: can't send: %s", probe->nic->name, host, strerror (probe->error));
    else
        zf_doctor_say (doctor, six ? ZF_DOCTOR_WARN : ZF_DOCTOR_FAIL, "broadcast", advice,
                       "%s %s: what is sent to all did not come back within a second",
                       probe->nic->name, host);
}

static void look_at_broadcasts (const zf_doctor_t *doctor, round_t *round)
{
    memcpy (round->data, PROBE_HEAD, sizeof PROBE_HEAD - 1);
    if (zf_random (round->data + sizeof PROBE_HEAD - 1, 16, NULL) != 0)
        return;
    for (int i = 0; i < TRIES && is_missing (round); i++)
        try_once (round);
    for (size_t i = 0; i < round->count; i++) {
        say_probe (doctor, &round->probes[i], round->port);
        if (round->probes[i].fd >= 0)
            close (round->probes[i].fd);
    }
}

/* -- ports ------------------------------------------------------------------------------------- */

static bool look_at_udp_port (const zf_doctor_t *doctor, int fd, uint16_t port)
{
    if (fd >= 0)
        zf_doctor_say (doctor, ZF_DOCTOR_OK, "udp port", "", "UDP port %u can be shared", port);
    else if (errno == EADDRINUSE)
        zf_doctor_say (doctor, ZF_DOCTOR_FAIL, "udp port",
                       "stop that program (ss -ulpn), or use another port everywhere",
                       "UDP port %u is taken by a program that does not share it", port);
    else
        zf_doctor_say (doctor, ZF_DOCTOR_FAIL, "udp port", "use seeds (--seed)",
                       "UDP port %u can't be used: %s", port, strerror (errno));
    return fd >= 0;
}

static bool is_free (uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons (port)};
    int on = 1;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool taken = bind (fd, (const struct sockaddr *) &any, sizeof any) != 0 && errno == EADDRINUSE;
    close (fd);
    return !taken;
}

static void look_at_tcp_port (const zf_doctor_t *doctor, uint16_t port)
{
    if (is_free (port))
        zf_doctor_say (doctor, ZF_DOCTOR_OK, "tcp port", "", "TCP port %u is free", port);
    else
        zf_doctor_say (
            doctor, ZF_DOCTOR_WARN, "tcp port",
            "fine if that is your broker or forwarder; else choose another port (--bind)",
            "TCP port %u is taken", port);
}

/* -- all --------------------------------------------------------------------------------------- */

static void look_at_udp (const zf_doctor_t *doctor, const zf_nic_t *nics, size_t count,
                         uint16_t port)
{
    round_t round = {.port = port};
    for (size_t i = 0; i < count; i++)
        if (nics[i].is_chosen)
            round.probes[round.count++] = (probe_t){.nic = &nics[i], .fd = -1};
    round.in[1] = (struct pollfd){.fd = zf_datagram_receiver (AF_INET6, port), .events = POLLIN};
    round.in[0] = (struct pollfd){.fd = zf_datagram_receiver (AF_INET, port), .events = POLLIN};
    if (look_at_udp_port (doctor, round.in[0].fd, port))
        look_at_broadcasts (doctor, &round);
    for (size_t i = 0; i < 2; i++)
        if (round.in[i].fd >= 0)
            close (round.in[i].fd);
}

void zf_doctor_look_at_net (const zf_doctor_t *doctor, const zf_doctor_options_t *options)
{
    zf_nic_t nics[ZF_NICS_MAX];
    int found = zf_nics_list (nics);
    size_t count = found > 0 ? (size_t) found : 0;
    zf_nics_choose (nics, count, options->interfaces, options->interface_count);
    say_nics (doctor, nics, count);
    look_at_rules (doctor, nics, count, options);
    look_at_udp (doctor, nics, count, options->port);
    for (size_t i = 0; i < sizeof tcp_ports / sizeof *tcp_ports; i++)
        look_at_tcp_port (doctor, tcp_ports[i]);
}
