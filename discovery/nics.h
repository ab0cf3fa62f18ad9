/* Which network interfaces to use, and why. Choosing is pure; listing asks the system. */
#ifndef ZF_DISCOVERY_NICS_H
#define ZF_DISCOVERY_NICS_H

#include "core/bytes.h"
#include <netinet/in.h>

#define ZF_NICS_MAX        512 /* addresses that are looked at; those of IPv4 come first */
#define ZF_NICS_CHOSEN_MAX 64  /* of them are used: each takes a socket, and a datagram a second */

/* One address of one interface. */
typedef struct {
    char name[16];
    unsigned index;
    bool is_up, is_loopback, can_broadcast, can_multicast, is_point_to_point;
    int family;                              /* AF_INET, AF_INET6 */
    struct in_addr address, broadcast, mask; /* AF_INET; broadcast: where to send to, and
                                                255.255.255.255 where the network has none */
    struct in6_addr address6;                /* AF_INET6 */
    bool is_link_local;                      /* AF_INET6 */
    uint8_t prefix;                          /* bits */
    bool is_chosen;                          /* set by zf_nics_choose */
    const char *why;                         /* if it is not chosen: why not; static */
    const char *rule;                        /* the rule by which it is refused, or NULL */
} zf_nic_t;

/* Lists the addresses of this machine. Returns how many, at most ZF_NICS_MAX, or ZF_E_IO. */
int zf_nics_list (zf_nic_t nics[ZF_NICS_MAX]);

/* Checks rules: names (with * at the end), networks (10.0.0.0/8, fe80::/10), addresses, each maybe
 * with ! in front. Returns the index of the first that is none, or count. */
size_t zf_nics_check (const char *const *rules, size_t count);

/* Marks those to use, with a reason for each of the others: up, IPv4 that can broadcast (or is
 * loopback) or IPv6 link-local that can multicast (loopback ::1 is left out); and, if there are
 * rules, allowed by one without ! (or there is none such) and refused by none. Without rules,
 * interfaces of container bridges and tunnels are as good as others. Of two addresses of one
 * interface with the same broadcast address the first is enough. ZF_NICS_CHOSEN_MAX are chosen at
 * most. The rules must stay valid as long as the nics are described. */
void zf_nics_choose (zf_nic_t *nics, size_t count, const char *const *rules, size_t rule_count);

/* "eth0 192.168.1.7: chosen, broadcasts to 192.168.1.255" for people. */
void zf_nic_describe (const zf_nic_t *nic, char *out, size_t size);

/* The address as text, without brackets; with %name behind for IPv6 link-local. */
void zf_nic_host (const zf_nic_t *nic, char *out, size_t size);

#endif
