#include "discovery/roster_inside.h"

#include <utlist.h>

/* -- when to look at a node -------------------------------------------------------------------- */

static uint64_t earlier (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When it will be evasive, or is asked again. It is asked a little before, so that who merely has
 * nothing to say is not. */
static uint64_t silence_of (const zf_known_t *known)
{
    uint32_t evasive_ms = known->roster->evasive_ms;
    if (known->is_evasive)
        return known->pinged_ms + evasive_ms;
    return known->heard_ms + evasive_ms - (known->is_pinged ? 0 : evasive_ms / 5);
}

/* When it has not answered for so long that it is asked, whatever it says. */
static uint64_t quiet_of (const zf_known_t *known)
{
    return known->answered_ms + known->roster->expired_ms / 2;
}

static uint64_t deadline_of_peer (const zf_known_t *known)
{
    const zf_roster_t *roster = known->roster;
    uint64_t due = known->heard_ms + roster->expired_ms;
    due = earlier (due, silence_of (known));
    return earlier (due, known->ask != ZF_ASK_NOTHING ? known->until_ms : quiet_of (known));
}

void zf_known_arm (zf_known_t *known)
{
    zf_roster_t *roster = known->roster;
    uint64_t due = known->state == ZF_KNOWN_PEER ? deadline_of_peer (known) : known->until_ms;
    if (known->is_choked)
        due = roster->now_ms;
    zf_timers_set (&roster->timers, &known->timer, due);
}

/* By its way much is lost, as far as was seen while it was greeted. */
static bool is_lossy (const zf_known_t *known)
{
    return known->reach == ZF_REACH_LOSSY || known->reach == ZF_REACH_STUCK;
}

/* -- asking ------------------------------------------------------------------------------------ */

static void ping (zf_known_t *known)
{
    zf_line_put (known, known->roster->ping, true);
}

void zf_known_ask (zf_known_t *known, zf_ask_t why, uint64_t ms)
{
    uint64_t until = known->roster->now_ms + (is_lossy (known) ? ZF_KNOWN_LOSSY * ms : ms);
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

static uint32_t count_of (const zf_roster_t *roster, uint32_t host)
{
    uint32_t count = 0;
    zf_known_t *known;
    DL_FOREACH (roster->candidates, known)
        count += known->host == host;
    return count;
}

/* So many are being greeted that who does not answer has to make room. */
static bool is_crowded (const zf_known_t *known)
{
    const zf_roster_t *roster = known->roster;
    if (known->state == ZF_KNOWN_PEER)
        return roster->unproven >= ZF_ROSTER_UNPROVEN / 2;
    return roster->stats.candidates >= ZF_ROSTER_CANDIDATES / 2 ||
           count_of (roster, known->host) >= ZF_ROSTER_FROM_HOST / 2;
}

/* For so long its answer may still be under way, because much is lost. */
static uint64_t patience_of (const zf_known_t *known)
{
    const zf_roster_t *roster = known->roster;
    if (known->reach == ZF_REACH_NOT || known->is_proven || is_crowded (known))
        return 0;
    if (known->state == ZF_KNOWN_PEER)
        return (is_lossy (known) ? 2 : 1) * (uint64_t) roster->expired_ms;
    /* That it has heard us is less likely, and what is stuck may do better elsewhere. */
    return roster->expired_ms / (known->reach == ZF_REACH_LOSSY ? 2 : 3);
}

/* True if it is given more time. A peer is asked again: its answer may have been given to a DEALER
 * that went nowhere. */
static bool is_waited_for (zf_known_t *known)
{
    const zf_roster_t *roster = known->roster;
    uint64_t now = roster->now_ms;
    uint64_t end = known->opened_ms + patience_of (known);
    if (now >= end)
        return false;
    known->until_ms = earlier (end, now + ZF_ROSTER_GREET_MS);
    if (known->state == ZF_KNOWN_PEER && now - known->pinged_ms >= roster->expired_ms / 2) {
        known->pinged_ms = now;
        ping (known);
    }
    return true;
}

static bool greet_elsewhere (zf_known_t *known)
{
    zf_known_go_next (known);
    zf_known_close (known);
    return zf_known_find_place (known) && zf_known_open (known);
}

/* It has said HELLO again, and has forgotten ours: it hears it once more where it is. */
static bool greet_anew (zf_known_t *known)
{
    if (!zf_known_chase (known))
        return false;
    zf_known_close (known);
    return zf_known_open (known);
}

/* The HELLO that a peer has not answered: it was heard, but does not hear us. Either nobody was
 * reached, and another way may be better; or it has forgotten us, and needs another HELLO. */
static void not_heard (zf_known_t *known)
{
    const zf_roster_t *roster = known->roster;
    bool is_gone = known->is_lost && known->reach == ZF_REACH_NOT;
    bool is_over = is_gone || roster->now_ms - known->answered_ms >= roster->expired_ms;
    if (is_waited_for (known) || (known->is_proven && greet_anew (known)))
        return;
    is_over |= known->is_proven;
    bool has_next = zf_known_has_next (known);
    if (!has_next && !is_over)
        known->tried = 0; /* round again */
    if ((!has_next && is_over) || !greet_elsewhere (known))
        zf_known_drop (known, "it does not hear us", ZF_DROP_GREET);
}

void zf_known_unanswered (zf_known_t *known)
{
    switch ((zf_ask_t) known->ask) {
    case ZF_ASK_GREETING:
        not_heard (known);
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
    known->is_pinged = false;
    if (!known->is_evasive)
        return;
    known->is_silent = false;
    known->is_evasive = false;
    zf_deeds_add (known->roster, ZF_ROSTER_BACK, known);
    zf_known_arm (known);
}

static void on_silence (zf_known_t *known)
{
    uint64_t silent_ms = known->roster->now_ms - known->heard_ms;
    if (!known->is_evasive && silent_ms < known->roster->evasive_ms) {
        known->is_pinged = true;
        ping (known);
        return;
    }
    if (!known->is_evasive)
        zf_deeds_add (known->roster, ZF_ROSTER_EVASIVE, known);
    else if (!known->is_silent)
        zf_deeds_add (known->roster, ZF_ROSTER_SILENT, known);
    known->is_silent = known->is_evasive;
    known->is_evasive = true;
    known->pinged_ms = known->roster->now_ms;
    ping (known);
}

/* Beacons show that somebody is there, and messages that we hear him, but not that he hears us. */
static void on_quiet (zf_known_t *known)
{
    uint32_t ms = known->roster->expired_ms;
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
    else if (known->ask == ZF_ASK_NOTHING && now >= quiet_of (known))
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
    if (!is_choked && is_waited_for (known))
        return;
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

bool zf_roster_reached (zf_roster_t *roster, uint32_t slot, zf_reach_t reach, uint64_t now_ms)
{
    zf_roster_clock (roster, now_ms);
    zf_known_t *known = slot < roster->slot_count ? roster->slots[slot] : NULL;
    if (known == NULL || known->is_proven)
        return false;
    known->reach = (uint8_t) (reach == ZF_REACH_CUT ? ZF_REACH_NOT : reach);
    if (reach == ZF_REACH_CUT && known->state == ZF_KNOWN_GREETED && !known->is_stranger) {
        known->until_ms = roster->now_ms; /* there may be no HELLO before what is said next */
        zf_known_arm (known);
    }
    return true;
}

void zf_roster_lost (zf_roster_t *roster, uint32_t slot, uint64_t now_ms)
{
    zf_roster_clock (roster, now_ms);
    zf_known_t *known = slot < roster->slot_count ? roster->slots[slot] : NULL;
    if (known == NULL || known->is_stranger || !zf_known_reserve (known))
        return;
    known->is_lost = true;
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
