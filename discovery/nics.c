#include "discovery/nics.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <zferry/error.h>

#define RULE_MAX 64 /* bytes of a rule without its !, with the end */

/* -- listing ----------------------------------------------------------------------------------- */

static uint8_t count_bits (const uint8_t *mask, size_t size)
{
    uint8_t bits = 0;
    while (bits < 8 * size && (mask[bits / 8] & 0x80u >> bits % 8) != 0)
        bits++;
    return bits;
}

/* An alias ("eth0:1") is an address of the interface before the colon. */
static void set_name (zf_nic_t *nic, const char *name)
{
    snprintf (nic->name, sizeof nic->name, "%.*s", (int) strcspn (name, ":"), name);
    nic->index = if_nametoindex (nic->name);
}

static void set_flags (zf_nic_t *nic, unsigned flags)
{
    nic->is_up = (flags & IFF_UP) != 0 && (flags & IFF_RUNNING) != 0;
    nic->is_loopback = (flags & IFF_LOOPBACK) != 0;
    nic->can_broadcast = (flags & IFF_BROADCAST) != 0;
    nic->can_multicast = (flags & IFF_MULTICAST) != 0;
    nic->is_point_to_point = (flags & IFF_POINTOPOINT) != 0;
}

/* What the system says is left aside: addresses may be given without it, or with a wrong one. */
static struct in_addr broadcast_of (const zf_nic_t *nic)
{
    struct in_addr broadcast = {INADDR_BROADCAST};
    if (nic->prefix < 31)
        broadcast.s_addr = nic->address.s_addr | ~nic->mask.s_addr;
    return broadcast;
}

static struct in_addr address4 (const struct sockaddr *from)
{
    struct sockaddr_in in = {0};
    if (from != NULL)
        memcpy (&in, from, sizeof in);
    return in.sin_addr;
}

static struct in6_addr address6 (const struct sockaddr *from)
{
    struct sockaddr_in6 in = {0};
    if (from != NULL)
        memcpy (&in, from, sizeof in);
    return in.sin6_addr;
}

static zf_nic_t make_nic (const struct ifaddrs *entry)
{
    zf_nic_t nic = {.family = entry->ifa_addr->sa_family, .why = ""};
    set_name (&nic, entry->ifa_name);
    set_flags (&nic, entry->ifa_flags);
    if (nic.family == AF_INET) {
        nic.address = address4 (entry->ifa_addr);
        nic.mask = address4 (entry->ifa_netmask);
        nic.prefix = count_bits ((const uint8_t *) &nic.mask, sizeof nic.mask);
        nic.broadcast = broadcast_of (&nic);
    } else {
        struct in6_addr mask = address6 (entry->ifa_netmask);
        nic.address6 = address6 (entry->ifa_addr);
        nic.prefix = count_bits (mask.s6_addr, sizeof mask);
        nic.is_link_local = IN6_IS_ADDR_LINKLOCAL (&nic.address6);
    }
    return nic;
}

static int add_family (zf_nic_t *nics, int count, const struct ifaddrs *list, int family)
{
    for (; list != NULL && count < ZF_NICS_MAX; list = list->ifa_next) {
        if (list->ifa_addr == NULL || list->ifa_addr->sa_family != family)
            continue;
        nics[count] = make_nic (list);
        if (nics[count].index != 0) /* it may have gone just now */
            count++;
    }
    return count;
}

int zf_nics_list (zf_nic_t nics[ZF_NICS_MAX])
{
    struct ifaddrs *list;
    if (getifaddrs (&list) != 0)
        return ZF_E_IO;
    int count = add_family (nics, 0, list, AF_INET);
    count = add_family (nics, count, list, AF_INET6);
    freeifaddrs (list);
    return count;
}

/* -- rules ------------------------------------------------------------------------------------- */

typedef struct {
    bool refuses;        /* it begins with a ! */
    int family;          /* of a network; 0: it is a name */
    uint8_t address[16]; /* of the network, */
    unsigned prefix;     /* so many bits of it count */
    char text[RULE_MAX]; /* the name */
    size_t length;       /* so many bytes of it count: with * all before that */
} rule_t;

/* True if text is a number up to max, and nothing else. */
static bool parse_prefix (const char *text, unsigned max, unsigned *prefix)
{
    unsigned number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && number <= max; at++)
        number = 10 * number + (unsigned) (*at - '0');
    *prefix = number;
    return at != text && *at == '\0' && number <= max;
}

static bool parse_network (rule_t *rule)
{
    char host[RULE_MAX];
    size_t length = strcspn (rule->text, "/");
    unsigned bits = 32;
    snprintf (host, sizeof host, "%.*s", (int) length, rule->text);
    rule->family = AF_INET;
    if (inet_pton (AF_INET, host, rule->address) != 1) {
        bits = 128;
        rule->family = AF_INET6;
        if (inet_pton (AF_INET6, host, rule->address) != 1)
            return false;
    }
    rule->prefix = bits;
    return rule->text[length] == '\0' ||
           parse_prefix (rule->text + length + 1, bits, &rule->prefix);
}

/* What Linux takes as a name of an interface, maybe with a * at its end. */
static bool parse_name (rule_t *rule)
{
    size_t length = strlen (rule->text);
    rule->family = 0;
    rule->length = strcspn (rule->text, "*/:! \t\n");
    if (rule->text[rule->length] == '*')
        return rule->length + 1 == length && rule->length < IFNAMSIZ;
    rule->length++; /* the end counts too */
    return length > 0 && rule->length == length + 1 && length < IFNAMSIZ;
}

static bool parse_rule (const char *text, rule_t *rule)
{
    memset (rule, 0, sizeof *rule);
    rule->refuses = *text == '!';
    text += rule->refuses;
    int length = snprintf (rule->text, sizeof rule->text, "%s", text);
    if (length < 0 || (size_t) length >= sizeof rule->text)
        return false;
    return parse_network (rule) || parse_name (rule);
}

size_t zf_nics_check (const char *const *rules, size_t count)
{
    rule_t rule;
    size_t i = 0;
    while (i < count && parse_rule (rules[i], &rule))
        i++;
    return i;
}

static bool same_bits (const uint8_t *a, const uint8_t *b, unsigned bits)
{
    size_t whole = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp (a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) & (0xFF00u >> rest)) == 0;
}

static bool rule_matches (const rule_t *rule, const zf_nic_t *nic)
{
    if (rule->family == 0)
        return strncmp (rule->text, nic->name, rule->length) == 0;
    if (rule->family != nic->family)
        return false;
    const uint8_t *address =
        nic->family == AF_INET ? (const uint8_t *) &nic->address.s_addr : nic->address6.s6_addr;
    return same_bits (rule->address, address, rule->prefix);
}

/* -- choosing ---------------------------------------------------------------------------------- */

/* True if the rules let it be used; else says why not. */
static bool apply_rules (zf_nic_t *nic, const char *const *rules, size_t count)
{
    rule_t rule;
    bool is_named = false;
    bool must_be = false;
    for (size_t i = 0; i < count; i++) {
        bool matches = parse_rule (rules[i], &rule) && rule_matches (&rule, nic);
        if (rule.refuses && matches) {
            nic->why = "refused by rule";
            nic->rule = rules[i];
            return false;
        }
        must_be |= !rule.refuses;
        is_named |= !rule.refuses && matches;
    }
    nic->why = is_named || !must_be ? "" : "no rule names it";
    return is_named || !must_be;
}

/* Why it is of no use, or "". */
static const char *find_fault (const zf_nic_t *nic)
{
    if (!nic->is_up)
        return "down";
    if (nic->family == AF_INET)
        return nic->is_loopback || nic->can_broadcast ? "" : "it can't broadcast";
    if (nic->is_loopback)
        return "loopback of IPv4 is enough";
    if (!nic->is_link_local)
        return "of IPv6 only link-local addresses are used";
    return nic->can_multicast ? "" : "it can't multicast";
}

static bool reaches_same (const zf_nic_t *a, const zf_nic_t *b)
{
    return a->index == b->index && a->family == b->family &&
           (a->family == AF_INET6 || a->broadcast.s_addr == b->broadcast.s_addr);
}

static bool is_reached (const zf_nic_t *nics, size_t count, const zf_nic_t *nic)
{
    for (size_t i = 0; i < count; i++)
        if (nics[i].is_chosen && reaches_same (&nics[i], nic))
            return true;
    return false;
}

void zf_nics_choose (zf_nic_t *nics, size_t count, const char *const *rules, size_t rule_count)
{
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        zf_nic_t *nic = &nics[i];
        nic->is_chosen = false;
        nic->rule = NULL;
        if (!apply_rules (nic, rules, rule_count))
            continue;
        nic->why = find_fault (nic);
        if (*nic->why == '\0' && is_reached (nics, i, nic))
            nic->why = "another address of it reaches the same";
        if (*nic->why == '\0' && chosen == ZF_NICS_CHOSEN_MAX)
            nic->why = "there are too many; name those to use";
        nic->is_chosen = *nic->why == '\0';
        chosen += nic->is_chosen;
    }
}

/* -- for people -------------------------------------------------------------------------------- */

static void write_address (const zf_nic_t *nic, char text[INET6_ADDRSTRLEN])
{
    const void *address = nic->family == AF_INET ? (const void *) &nic->address : &nic->address6;
    if (inet_ntop (nic->family, address, text, INET6_ADDRSTRLEN) == NULL)
        *text = '\0';
}

void zf_nic_host (const zf_nic_t *nic, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    bool scope = nic->family == AF_INET6 && nic->is_link_local;
    write_address (nic, text);
    snprintf (out, size, "%s%s%s", text, scope ? "%" : "", scope ? nic->name : "");
}

void zf_nic_describe (const zf_nic_t *nic, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    char broadcast[INET_ADDRSTRLEN] = "";
    write_address (nic, text);
    inet_ntop (AF_INET, &nic->broadcast, broadcast, sizeof broadcast);
    if (!nic->is_chosen)
        snprintf (out, size, "%s %s: not chosen: %s%s%s", nic->name, text, nic->why,
                  nic->rule != NULL ? " " : "", nic->rule != NULL ? nic->rule : "");
    else if (nic->family == AF_INET)
        snprintf (out, size, "%s %s: chosen, broadcasts to %s", nic->name, text, broadcast);
    else
        snprintf (out, size, "%s %s: chosen, multicasts", nic->name, text);
}
