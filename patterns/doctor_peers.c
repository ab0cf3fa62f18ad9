/* Looking for others: do the seeds answer, and who is in the namespace. */
#include "patterns/doctor.h"

#include "devices/node.h"
#include "devices/socket.h"

#include <stdio.h>
#include <string.h>

#define SEEDS_MAX 64
#define SEED_MS   2000 /* for all seeds to be connected to */
#define MEET_MS   1500 /* for others to be met: beacons come once a second */

/* Who takes part for a moment. */
typedef struct {
    zf_node_t *node;
    const zf_doctor_options_t *options;
    bool is_there[SEEDS_MAX]; /* a connection to that seed was made */
} visit_t;

static void note (visit_t *visit, const char *text)
{
    char expected[400];
    for (size_t i = 0; i < visit->options->seed_count; i++) {
        snprintf (expected, sizeof expected, "seed %s: connected", visit->options->seeds[i]);
        visit->is_there[i] |= strcmp (text, expected) == 0;
    }
}

static bool are_all_there (const visit_t *visit)
{
    size_t i = 0;
    while (i < visit->options->seed_count && visit->is_there[i])
        i++;
    return i == visit->options->seed_count;
}

static void await_seeds (visit_t *visit)
{
    uint64_t end = zf_clock_ms () + SEED_MS;
    uint64_t now = zf_clock_ms ();
    for (; now < end && !are_all_there (visit); now = zf_clock_ms ()) {
        zf_peer_event_t event;
        if (zf_node_next (visit->node, &event, (int) (end - now)) != 0)
            continue;
        if (event.type == ZF_PEER_NOTE)
            note (visit, event.text);
        zf_node_event_release (&event);
    }
}

static void say_seeds (const zf_doctor_t *doctor, const visit_t *visit)
{
    for (size_t i = 0; i < visit->options->seed_count; i++) {
        bool is_there = visit->is_there[i];
        zf_doctor_say (doctor, is_there ? ZF_DOCTOR_OK : ZF_DOCTOR_FAIL, "seed",
                       is_there ? "" : "is a node running there, and no firewall between?",
                       "%s: %s", visit->options->seeds[i],
                       is_there ? "connected" : "no connection within 2 s");
    }
}

static bool count_node (void *arg, const zf_peer_info_t *info)
{
    (void) info;
    ++*(unsigned *) arg;
    return true;
}

static void say_others (const zf_doctor_t *doctor, const visit_t *visit)
{
    unsigned count = 0;
    const char *space = visit->options->space != NULL ? visit->options->space : "";
    zf_node_wait (visit->node, UINT32_MAX, MEET_MS);
    zf_node_each (visit->node, count_node, &count);
    zf_doctor_say (doctor, count > 0 ? ZF_DOCTOR_OK : ZF_DOCTOR_WARN, "namespace",
                   count > 0 ? "" : "start another node there, or see the lines above",
                   "'%s': %u other node%s", space, count, count == 1 ? "" : "s");
}

void zf_doctor_look_at_peers (const zf_doctor_t *doctor, const zf_doctor_options_t *options)
{
    zf_peer_options_t peer;
    zf_error_t err = {.code = 0};
    visit_t visit = {.options = options};
    zf_node_defaults (&peer);
    peer.name = "zferry-doctor";
    peer.space = options->space != NULL ? options->space : peer.space;
    peer.interfaces = options->interfaces;
    peer.interface_count = options->interface_count;
    peer.port = options->port;
    peer.seeds = options->seeds;
    peer.seed_count = options->seed_count;
    peer.security = options->security;
    if (zf_node_start (&visit.node, &peer, &err) != 0) {
        zf_doctor_say (doctor, ZF_DOCTOR_FAIL, "peers", "see what it says", "%s", err.text);
        return;
    }
    await_seeds (&visit);
    say_seeds (doctor, &visit);
    say_others (doctor, &visit);
    zf_node_stop (&visit.node);
}
