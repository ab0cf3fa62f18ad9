#include "discovery/roster_inside.h"

#include <utlist.h>

/* -- when to look at a node -------------------------------------------------------------------- */

static uint64_t earlier (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t deadline_of_peer (const zf_known_t *known)
{
    const zf_roster_t *roster = known->roster;
    uint64_t due = known->heard_ms + roster->expired_ms;
    due = earlier (due, known->is_evasive ? known->pinged_ms + roster->evasive_ms
                                          : known->heard_ms + roster->evasive_ms);
    return earlier (due, known->ask != ZF_ASK_NOTHING ? known->until_ms
                                                      : known->answered_ms + roster->expired_ms);
}

void zf_known_arm (zf_known_t *known)
{
    zf_roster_t *roster = known->roster;
    uint64_t due = known->state == ZF_KNOWN_PEER ? deadline_of_peer (known) : known->until_ms;
    if (known->is_choked)
        due = roster->now_ms;
    zf_timers_set (&roster->timers, &known->timer, due);
}

/* -- asking ------------------------------------------------------------------------------------ */

static void ping (zf_known_t *known)
{
    zf_line_put (known, known->roster->ping, true);
}

void zf_known_ask (zf_known_t *known, zf_ask_t why, uint64_t ms)
{
    uint64_t until = known->roster->now_ms + ms;
    if (known->ask != ZF_ASK_NOTHING && known->until_ms <= until)
        return;
    if (!zf_known_reserve (known))
        return;
    known->ask = (uint8_t) why;
    known->until_ms = until;
    ping (known);
    zf_known_arm (known);
}

void zf_known_rumour (zf_known_t *known, zf_ask_t why)
{
    uint64_t now = known->roster->now_ms;
    if (known->rumour_ms != 0 && now - known->rumour_ms < ZF_ROSTER_ASK_MS)
        return;
    known->rumour_ms = now;
    zf_known_ask (known, why, ZF_ROSTER_ASK_MS);
}

/* The HELLO that a peer has not answered: it was heard, but does not hear us. */
static void greet_elsewhere (zf_known_t *known)
{
    zf_known_go_next (known);
    zf_known_close (known);
    if (zf_known_holder (known, zf_text_bytes (known->spots[known->at].endpoint)) == NULL &&
        zf_known_open (known)) {
        zf_known_arm (known);
        return;
    }
    zf_known_drop (known, "it does not hear us", ZF_DROP_GREET);
}

void zf_known_unanswered (zf_known_t *known)
{
    switch ((zf_ask_t) known->ask) {
    case ZF_ASK_GREETING:
        if (zf_known_has_next (known))
            greet_elsewhere (known);
        else
            zf_known_drop (known, "it does not hear us", ZF_DROP_GREET);
        break;
    case ZF_ASK_LOST:
        zf_known_drop (known, "its connection is lost", ZF_DROP_GREET);
        break;
    case ZF_ASK_FAREWELL:
        zf_known_drop (known, "it has left", ZF_DROP_FORGET);
        break;
    case ZF_ASK_QUIET:
        zf_known_drop (known, "it does not answer", ZF_DROP_GREET);
        break;
    case ZF_ASK_PLACE:
        zf_known_drop (known, "another node has taken its place", ZF_DROP_FORGET);
        break;
    case ZF_ASK_NOTHING:
        break;
    }
}

/* -- the tick ---------------------------------------------------------------------------------- */

void zf_known_alive (zf_known_t *known)
{
    known->heard_ms = known->roster->now_ms;
    if (!known->is_evasive)
        return;
    known->is_silent = false;
    known->is_evasive = false;
    zf_deeds_add (known->roster, ZF_ROSTER_BACK, known);
    zf_known_arm (known);
}

static void on_silence (zf_known_t *known)
{
    if (!known->is_evasive)
        zf_deeds_add (known->roster, ZF_ROSTER_EVASIVE, known);
    else if (!known->is_silent)
        zf_deeds_add (known->roster, ZF_ROSTER_SILENT, known);
    known->is_silent = known->is_evasive;
    known->is_evasive = true;
    known->pinged_ms = known->roster->now_ms;
    ping (known);
}

/* Beacons show that somebody is there, and messages that we hear him, but not that he hears us. Who
 * talks may have a lot to read, too. */
static void on_quiet (zf_known_t *known)
{
    const zf_roster_t *roster = known->roster;
    bool talks = roster->now_ms - known->spoke_ms < roster->evasive_ms;
    uint32_t ms = talks ? roster->expired_ms : roster->evasive_ms;
    zf_known_ask (known, ZF_ASK_QUIET, ms > ZF_ROSTER_ASK_MS ? ms : ZF_ROSTER_ASK_MS);
}

static void look_at_peer (zf_known_t *known)
{
    const zf_roster_t *roster = known->roster;
    uint64_t now = roster->now_ms;
    if (known->is_choked)
        zf_known_drop (known, "it does not read", ZF_DROP_GREET);
    else if (known->ask != ZF_ASK_NOTHING && now >= known->until_ms)
        zf_known_unanswered (known);
    else if (now - known->heard_ms >= roster->expired_ms)
        zf_known_drop (known, "it is silent", ZF_DROP_GREET);
    else if (now >= deadline_of_peer (known) && known->ask == ZF_ASK_NOTHING &&
             now - known->answered_ms >= roster->expired_ms)
        on_quiet (known);
    else if (now >= deadline_of_peer (known))
        on_silence (known);
}

/* It may have heard of us where it says that it is, and then has to hear there that it was an
 * error. */
static void part_again (zf_known_t *known)
{
    bool elsewhere = zf_known_has_claim (known);
    zf_known_close (known);
    if (elsewhere)
        zf_known_go_next (known);
    if (elsewhere && zf_known_greet (known))
        zf_hello_part (known);
    else
        zf_known_forget (known);
}

static void look_at_candidate (zf_known_t *known)
{
    bool is_choked = known->is_choked;
    if (!is_choked && known->roster->now_ms < known->until_ms)
        return;
    if (known->is_stranger) {
        part_again (known);
        return;
    }
    zf_known_close (known);
    if (!is_choked && zf_known_has_next (known)) {
        zf_known_go_next (known);
        zf_known_greet (known);
    } else {
        zf_known_pause (known);
    }
}

static void look_at_paused (zf_known_t *known)
{
    uint64_t now = known->roster->now_ms;
    if (now < known->until_ms)
        return;
    if (known->is_sighted || now < known->retry_ms) {
        zf_known_greet (known);
    } else if (known->is_idle) {
        zf_known_forget (known);
    } else {
        known->is_idle = true;
        known->until_ms = now + ZF_KNOWN_FORGET_MS;
    }
}

/* Its timer has fired, maybe too early. */
static void look_at (zf_known_t *known)
{
    zf_roster_t *roster = known->roster;
    uint8_t uuid[ZF_UUID_BYTES];
    memcpy (uuid, known->uuid, sizeof uuid);
    if (known->state == ZF_KNOWN_PEER)
        look_at_peer (known);
    else if (known->state == ZF_KNOWN_GREETED)
        look_at_candidate (known);
    else
        look_at_paused (known);
    known = zf_known_find (roster, uuid); /* it may be gone */
    if (known != NULL)
        zf_known_arm (known);
}

/* The timer stays set until there is room for what follows. */
static bool look_at_next (zf_roster_t *roster)
{
    zf_timer_t *timer = roster->timers.heap[1];
    zf_known_t *known = (zf_known_t *) (void *) ((char *) timer - offsetof (zf_known_t, timer));
    if (!zf_known_reserve (known))
        return false;
    look_at (known);
    return true;
}

uint64_t zf_roster_tick (zf_roster_t *roster, uint64_t now_ms)
{
    zf_roster_clock (roster, now_ms);
    zf_stranger_expire (roster);
    uint64_t due = zf_timers_next (&roster->timers);
    while (due <= roster->now_ms) {
        if (!look_at_next (roster)) {
            due = roster->now_ms + ZF_ROSTER_AGAIN_MS;
            break;
        }
        due = zf_timers_next (&roster->timers);
    }
    roster->due_ms = due != ZF_NEVER ? due + roster->late_ms : ZF_NEVER;
    return roster->due_ms;
}

void zf_roster_lost (zf_roster_t *roster, uint32_t slot, uint64_t now_ms)
{
    zf_roster_clock (roster, now_ms);
    zf_known_t *known = slot < roster->slot_count ? roster->slots[slot] : NULL;
    if (known == NULL || known->is_stranger || !zf_known_reserve (known))
        return;
    if (known->is_proven)
        zf_known_ask (known, ZF_ASK_LOST, ZF_ROSTER_ASK_MS);
    else if (known->state == ZF_KNOWN_GREETED && zf_known_has_next (known)) {
        known->until_ms = roster->now_ms; /* elsewhere; else it may still get there by itself */
        zf_known_arm (known);
    }
}

/* -- hearsay ----------------------------------------------------------------------------------- */

/* FNV-1a; 0 is nobody. */
static uint32_t hash_of (zf_bytes_t host)
{
    uint32_t hash = UINT32_C (2166136261);
    for (size_t i = 0; i < host.size; i++)
        hash = (hash ^ ((const uint8_t *) host.data)[i]) * UINT32_C (16777619);
    return hash | 1;
}

/* The candidate that has waited longest of those that are not being greeted; host 0: any. */
static zf_known_t *oldest_paused (zf_roster_t *roster, uint32_t host)
{
    zf_known_t *known;
    DL_FOREACH (roster->candidates, known) {
        if (known->state == ZF_KNOWN_PAUSED && (host == 0 || known->host == host))
            return known;
    }
    return NULL;
}

static uint32_t count_of (const zf_roster_t *roster, uint32_t host)
{
    uint32_t count = 0;
    zf_known_t *known;
    DL_FOREACH (roster->candidates, known)
        count += known->host == host;
    return count;
}

/* A bound that is reached: who was greeted in vain makes room. */
static bool make_room (zf_roster_t *roster, bool full, uint32_t host)
{
    if (!full)
        return true;
    zf_known_t *paused = oldest_paused (roster, host);
    if (paused != NULL)
        zf_known_forget (paused);
    return paused != NULL;
}

static zf_known_t *add_candidate (zf_roster_t *roster, const uint8_t *uuid, uint32_t host)
{
    const zf_roster_stats_t *stats = &roster->stats;
    if (stats->peers >= roster->max_peers ||
        !make_room (roster, count_of (roster, host) >= ZF_ROSTER_FROM_HOST, host) ||
        !make_room (roster, stats->candidates >= ZF_ROSTER_CANDIDATES, 0)) {
        roster->stats.refused++;
        return NULL;
    }
    return zf_known_new (roster, uuid, host);
}

/* It is greeted at once where it was never sighted before. */
static void on_sighting (zf_known_t *known, bool is_new)
{
    if (known->state == ZF_KNOWN_PEER)
        zf_known_alive (known);
    else if (known->state == ZF_KNOWN_PAUSED && (known->is_idle || is_new))
        zf_known_greet (known);
    else
        known->is_sighted = true;
}

void zf_roster_sighted (zf_roster_t *roster, const uint8_t uuid[ZF_UUID_BYTES], zf_bytes_t endpoint,
                        zf_bytes_t own, zf_bytes_t host, uint64_t now_ms)
{
    zf_roster_clock (roster, now_ms);
    if (roster->is_leaving || memcmp (uuid, roster->uuid, ZF_UUID_BYTES) == 0 ||
        !zf_deeds_reserve (roster, ZF_DEEDS_OF_ONE))
        return;
    zf_known_t *known = zf_known_find (roster, uuid);
    if (known == NULL && !zf_stranger_sighted (roster, uuid))
        known = add_candidate (roster, uuid, hash_of (host));
    if (known == NULL || known->is_stranger)
        return;
    bool is_new = !zf_known_has_place (known, endpoint);
    if (zf_known_place (known, endpoint, own))
        on_sighting (known, is_new);
    else if (known->spot_count == 0)
        zf_known_forget (known);
}

void zf_roster_farewell (zf_roster_t *roster, const uint8_t uuid[ZF_UUID_BYTES], uint64_t now_ms)
{
    zf_roster_clock (roster, now_ms);
    zf_known_t *known = zf_known_find (roster, uuid);
    if (known == NULL)
        return;
    if (known->state == ZF_KNOWN_PEER)
        zf_known_rumour (known, ZF_ASK_FAREWELL);
    else
        known->retry_ms = 0; /* if it has left there is no use in looking for it */
}
