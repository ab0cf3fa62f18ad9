#include "discovery/roster_inside.h"

#include <stdlib.h>
#include <utlist.h>

#define NOWHERE UINT8_MAX /* of claimed */

zf_known_t *zf_known_find (zf_roster_t *roster, const uint8_t *uuid)
{
    zf_known_t *known;
    HASH_FIND (hh, roster->table, uuid, ZF_UUID_BYTES, known);
    return known;
}

/* -- lists and counts -------------------------------------------------------------------------- */

static zf_known_t **list_of (zf_known_t *known)
{
    zf_roster_t *roster = known->roster;
    return known->state == ZF_KNOWN_PEER ? &roster->peers : &roster->candidates;
}

static uint32_t *count_of (zf_known_t *known)
{
    zf_roster_stats_t *stats = &known->roster->stats;
    return known->state == ZF_KNOWN_PEER ? &stats->peers : &stats->candidates;
}

static void list (zf_known_t *known)
{
    DL_APPEND (*list_of (known), known);
    ++*count_of (known);
}

static void unlist (zf_known_t *known)
{
    DL_DELETE (*list_of (known), known);
    --*count_of (known);
}

void zf_known_set (zf_known_t *known, zf_known_state_t state)
{
    unlist (known);
    known->state = (uint8_t) state;
    list (known);
}

void zf_known_prove (zf_known_t *known, bool proven)
{
    if (known->is_proven != proven)
        known->roster->unproven += proven ? UINT32_MAX : 1; /* one less, one more */
    known->is_proven = proven;
}

zf_known_t *zf_known_new (zf_roster_t *roster, const uint8_t *uuid, uint32_t host)
{
    zf_known_t *known = calloc (1, sizeof *known);
    if (known == NULL)
        return NULL;
    known->roster = roster;
    known->host = host;
    known->slot = ZF_ROSTER_NONE;
    known->claimed = NOWHERE;
    known->state = ZF_KNOWN_PAUSED;
    known->is_proven = true;
    known->until_ms = roster->now_ms + ZF_KNOWN_FORGET_MS;
    known->is_idle = true;
    memcpy (known->uuid, uuid, sizeof known->uuid);
    if (zf_timers_set (&roster->timers, &known->timer, known->until_ms) == 0)
        HASH_ADD (hh, roster->table, uuid, ZF_UUID_BYTES, known);
    if (known->hh.tbl == NULL) {
        zf_timers_cancel (&roster->timers, &known->timer);
        free (known);
        return NULL;
    }
    list (known);
    return known;
}

void zf_known_forget (zf_known_t *known)
{
    zf_roster_t *roster = known->roster;
    zf_known_close (known);
    zf_circle_leave_all (known);
    unlist (known);
    HASH_DEL (roster->table, known);
    zf_timers_cancel (&roster->timers, &known->timer);
    for (uint32_t i = 0; i < known->spot_count; i++) {
        zf_text_drop (known->spots[i].endpoint);
        zf_text_drop (known->spots[i].own);
    }
    free (known->spots);
    zf_text_drop (known->name);
    zf_text_drop (known->headers);
    free (known->line.ring);
    free (known);
}

/* -- places ------------------------------------------------------------------------------------ */

static zf_spot_t *find_spot (const zf_known_t *known, zf_bytes_t endpoint)
{
    for (uint32_t i = 0; i < known->spot_count; i++)
        if (zf_bytes_equal (zf_text_bytes (known->spots[i].endpoint), endpoint))
            return &known->spots[i];
    return NULL;
}

bool zf_known_has_place (const zf_known_t *known, zf_bytes_t endpoint)
{
    return find_spot (known, endpoint) != NULL;
}

/* The oldest that is not in use. */
static zf_spot_t *oldest_spot (zf_known_t *known)
{
    uint32_t last = known->spot_count - 1u;
    return &known->spots[last == known->at ? last - 1 : last];
}

/* Most nodes see us at the same place. */
static zf_text_t *own_text (zf_roster_t *roster, zf_bytes_t own)
{
    if (roster->own_at != NULL && zf_bytes_equal (zf_text_bytes (roster->own_at), own))
        return zf_text_hold (roster->own_at);
    return zf_text_new (own);
}

/* Where a claimed place is when another one is gone. */
static uint8_t moved (uint8_t claimed, uint8_t gone)
{
    if (claimed == gone)
        return NOWHERE;
    return claimed != NOWHERE && claimed > gone ? claimed - 1 : claimed;
}

/* Makes room at the front. False: out of memory. */
static bool push_spot (zf_known_t *known)
{
    if (known->spot_count == ZF_KNOWN_PLACES) {
        zf_spot_t *spot = oldest_spot (known);
        zf_text_drop (spot->endpoint);
        zf_text_drop (spot->own);
        memmove (spot, spot + 1,
                 (size_t) (known->spots + known->spot_count - spot - 1) * sizeof *spot);
        uint8_t gone = (uint8_t) (spot - known->spots);
        known->spot_count--;
        if (known->at > gone)
            known->at--;
        known->claimed = moved (known->claimed, gone);
    }
    zf_spot_t *spots = realloc (known->spots, (known->spot_count + 1u) * sizeof *spots);
    if (spots == NULL)
        return false;
    memmove (spots + 1, spots, known->spot_count * sizeof *spots);
    known->spots = spots;
    if (known->claimed != NOWHERE)
        known->claimed++;
    if (known->spot_count++ > 0 && known->slot != ZF_ROSTER_NONE)
        known->at++;
    else
        known->at = 0;
    return true;
}

/* Where we can connect to. */
static bool is_endpoint (zf_bytes_t endpoint)
{
    return endpoint.size > 6 && endpoint.size <= 255 &&
           (memcmp (endpoint.data, "tcp://", 6) == 0 || memcmp (endpoint.data, "ipc://", 6) == 0) &&
           memchr (endpoint.data, 0, endpoint.size) == NULL;
}

bool zf_known_place (zf_known_t *known, zf_bytes_t endpoint, zf_bytes_t own)
{
    if (!is_endpoint (endpoint) || zf_bytes_equal (endpoint, own))
        return false;
    zf_spot_t *spot = find_spot (known, endpoint);
    if (spot != NULL && zf_bytes_equal (zf_text_bytes (spot->own), own))
        return true;
    zf_spot_t made = {.own = own_text (known->roster, own)};
    made.endpoint = spot != NULL ? zf_text_hold (spot->endpoint) : zf_text_new (endpoint);
    if (made.own == NULL || made.endpoint == NULL || (spot == NULL && !push_spot (known))) {
        zf_text_drop (made.own);
        zf_text_drop (made.endpoint);
        return false;
    }
    if (spot != NULL) {
        zf_text_drop (spot->endpoint);
        zf_text_drop (spot->own);
    } else {
        spot = &known->spots[0];
    }
    *spot = made;
    return true;
}

/* If it had heard us where we are its answer would come with this; so we do not wait for long. */
void zf_known_claim (zf_known_t *known, zf_bytes_t endpoint)
{
    const zf_spot_t *spot = find_spot (known, endpoint);
    uint64_t soon = known->roster->now_ms + ZF_ROSTER_ASK_MS;
    if (known->is_proven || spot == NULL || spot == &known->spots[known->at])
        return;
    known->claimed = (uint8_t) (spot - known->spots);
    if (known->reach == ZF_REACH_NOT && known->until_ms > soon)
        known->until_ms = soon;
}

bool zf_known_has_claim (const zf_known_t *known)
{
    return known->claimed != NOWHERE;
}

bool zf_known_has_next (const zf_known_t *known)
{
    return known->claimed != NOWHERE || known->tried + 1 < known->spot_count;
}

void zf_known_go_next (zf_known_t *known)
{
    uint8_t next = (uint8_t) ((known->at + 1) % known->spot_count);
    known->at = known->claimed != NOWHERE ? known->claimed : next;
    known->claimed = NOWHERE;
    known->tried++;
}

const char *zf_known_endpoint (const zf_known_t *known)
{
    return known->spot_count > 0 ? known->spots[known->at].endpoint->at : "";
}

zf_known_t *zf_known_holder (const zf_known_t *known, zf_bytes_t endpoint)
{
    const zf_roster_t *roster = known->roster;
    for (uint32_t slot = 0; slot < roster->slot_count; slot++) {
        zf_known_t *other = roster->slots[slot];
        if (other == NULL || other == known)
            continue;
        const zf_text_t *there = other->spots[other->at].endpoint;
        if (zf_bytes_equal (zf_text_bytes (there), endpoint))
            return other;
    }
    return NULL;
}

/* -- DEALERs ----------------------------------------------------------------------------------- */

bool zf_known_reserve (zf_known_t *known)
{
    return zf_deeds_reserve (known->roster, ZF_DEEDS_OF_ONE) && zf_line_reserve (&known->line, 4);
}

static bool enlarge_slots (zf_roster_t *roster)
{
    uint32_t capacity = roster->slot_capacity != 0 ? 2 * roster->slot_capacity : 16;
    zf_known_t **slots = realloc (roster->slots, capacity * sizeof (zf_known_t *));
    if (slots == NULL)
        return false;
    roster->slots = slots;
    uint32_t *numbers = realloc (roster->free_slots, capacity * sizeof *numbers);
    if (numbers == NULL)
        return false;
    roster->free_slots = numbers;
    roster->slot_capacity = capacity;
    return true;
}

/* ZF_ROSTER_NONE: out of memory. */
static uint32_t take_slot (zf_roster_t *roster, zf_known_t *known)
{
    if (roster->free_count == 0 && roster->slot_count == roster->slot_capacity &&
        !enlarge_slots (roster))
        return ZF_ROSTER_NONE;
    uint32_t slot =
        roster->free_count > 0 ? roster->free_slots[--roster->free_count] : roster->slot_count++;
    roster->slots[slot] = known;
    return slot;
}

bool zf_known_open (zf_known_t *known)
{
    zf_roster_t *roster = known->roster;
    const zf_spot_t *spot = &known->spots[known->at];
    zf_letter_t *hello = zf_hello_of (roster, spot->own);
    if (hello == NULL || !zf_known_reserve (known))
        return false;
    known->slot = take_slot (roster, known);
    if (known->slot == ZF_ROSTER_NONE)
        return false;
    zf_deeds_add (roster, ZF_ROSTER_OPEN, known)->text = zf_text_hold (spot->endpoint);
    known->sent = 0;
    zf_line_put (known, hello, false);
    zf_line_put (known, roster->ping, false);
    if (known->state == ZF_KNOWN_PEER && known->has_asked)
        zf_line_put (known, roster->ping_ok, false); /* the one before may have gone nowhere */
    known->has_asked = false;
    known->reach = ZF_REACH_NOT;
    known->opened_ms = roster->now_ms;
    known->ask = ZF_ASK_GREETING;
    known->until_ms = roster->now_ms + ZF_ROSTER_GREET_MS;
    zf_known_prove (known, false);
    return true;
}

void zf_known_close (zf_known_t *known)
{
    if (known->slot == ZF_ROSTER_NONE)
        return;
    zf_line_clear (known);
    zf_deeds_add (known->roster, ZF_ROSTER_CLOSE, known);
    known->roster->slots[known->slot] = NULL;
    known->slot = ZF_ROSTER_NONE;
    known->ask = ZF_ASK_NOTHING;
    zf_known_prove (known, true);
}

/* -- greeting ---------------------------------------------------------------------------------- */

static uint64_t doubled (uint64_t ms, uint32_t times)
{
    uint64_t longer = ms << (times < 16 ? times : 16);
    return longer < ZF_KNOWN_PAUSE_MAX ? longer : ZF_KNOWN_PAUSE_MAX;
}

bool zf_known_find_place (zf_known_t *known)
{
    for (uint32_t i = 0; i < known->spot_count; i++) {
        uint32_t at = (known->at + i) % known->spot_count;
        zf_known_t *holder = zf_known_holder (known, zf_text_bytes (known->spots[at].endpoint));
        if (holder == NULL) {
            known->at = (uint8_t) at;
            return true;
        }
        if (holder->state == ZF_KNOWN_PEER)
            zf_known_rumour (holder, ZF_ASK_PLACE);
    }
    return false;
}

bool zf_known_greet (zf_known_t *known)
{
    if (known->roster->is_leaving || !zf_known_find_place (known) || !zf_known_open (known)) {
        zf_known_pause (known);
        return false;
    }
    if (known->state == ZF_KNOWN_PAUSED)
        zf_known_set (known, ZF_KNOWN_GREETED);
    zf_known_arm (known);
    return true;
}

void zf_known_pause (zf_known_t *known)
{
    uint32_t times = known->fails > known->chases ? known->fails : known->chases;
    if (known->state != ZF_KNOWN_PAUSED)
        zf_known_set (known, ZF_KNOWN_PAUSED);
    known->until_ms = known->roster->now_ms + doubled (ZF_KNOWN_PAUSE_MS, times);
    if (known->fails < UINT8_MAX)
        known->fails++;
    known->tried = 0;
    known->is_sighted = known->is_idle = false;
    zf_known_arm (known);
}

bool zf_known_chase (zf_known_t *known)
{
    bool was_stable = known->roster->now_ms - known->opened_ms >= ZF_KNOWN_STABLE_MS;
    if (was_stable)
        known->chases = 0;
    if (known->chases < UINT8_MAX)
        known->chases++;
    return known->chases == 1;
}

bool zf_known_is_fresh (const zf_known_t *known)
{
    uint64_t age = known->roster->now_ms - known->opened_ms;
    return !known->is_proven || age < doubled (ZF_ROSTER_GREET_MS, known->chases);
}

/* -- leaving ----------------------------------------------------------------------------------- */

void zf_known_exit (zf_known_t *known, const char *why)
{
    if (known->state != ZF_KNOWN_PEER)
        return;
    zf_deeds_add (known->roster, ZF_ROSTER_EXIT, known)->why = why;
    known->roster->stats.exits++;
    zf_circle_leave_all (known);
    known->is_evasive = false;
    known->is_silent = false;
    known->is_pinged = false;
}

/* Who is looked for takes no place from those who are there. */
static bool may_stay (const zf_known_t *known)
{
    return !known->roster->is_leaving && known->roster->stats.candidates < ZF_ROSTER_CANDIDATES;
}

void zf_known_drop (zf_known_t *known, const char *why, zf_drop_t then)
{
    zf_known_exit (known, why);
    zf_known_close (known);
    if (then == ZF_DROP_FORGET || (known->state == ZF_KNOWN_PEER && !may_stay (known))) {
        zf_known_forget (known);
        return;
    }
    known->retry_ms = known->roster->now_ms + ZF_KNOWN_RETRY_MS;
    if (known->state != ZF_KNOWN_PAUSED)
        zf_known_set (known, ZF_KNOWN_PAUSED);
    if (zf_known_chase (known))
        zf_known_greet (known);
    else
        zf_known_pause (known);
}
