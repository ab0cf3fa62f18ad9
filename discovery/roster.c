#include "discovery/roster_inside.h"

#include <stdlib.h>
#include <utlist.h>

/* -- life -------------------------------------------------------------------------------------- */

static zf_letter_t *plain_letter (zf_zre_id_t id)
{
    return zf_letter_new (&(zf_zre_t){.id = id}, NULL, 0);
}

static uint32_t at_least (uint32_t value, uint32_t least)
{
    return value > least ? value : least;
}

static bool is_complete (const zf_roster_t *roster)
{
    return roster->name != NULL && roster->space != NULL && roster->ping != NULL &&
           roster->ping_ok != NULL && roster->goodbye != NULL;
}

zf_roster_t *zf_roster_new (const zf_roster_options_t *options, uint64_t now_ms)
{
    zf_roster_t *roster = calloc (1, sizeof *roster);
    if (roster == NULL)
        return NULL;
    memcpy (roster->uuid, options->uuid, sizeof roster->uuid);
    roster->name = zf_text_new (zf_bytes_of (options->name));
    roster->space = zf_text_new (zf_bytes_of (options->space));
    roster->evasive_ms = at_least (options->evasive_ms, 1);
    roster->expired_ms = at_least (options->expired_ms, roster->evasive_ms);
    roster->line_bytes = options->line_bytes;
    roster->max_peers = options->max_peers;
    roster->now_ms = roster->notes_ms = now_ms;
    roster->due_ms = ZF_NEVER;
    roster->ping = plain_letter (ZF_ZRE_PING);
    roster->ping_ok = plain_letter (ZF_ZRE_PING_OK);
    roster->goodbye = plain_letter (ZF_ZRE_GOODBYE);
    if (!is_complete (roster))
        zf_roster_free (&roster);
    return roster;
}

static void free_known (zf_roster_t *roster)
{
    zf_known_t *known, *next;
    HASH_ITER (hh, roster->table, known, next) {
        zf_line_clear (known);
        known->slot = ZF_ROSTER_NONE; /* nobody has to close it any more */
        zf_known_forget (known);
    }
}

void zf_roster_free (zf_roster_t **self)
{
    zf_roster_t *roster = *self;
    if (roster == NULL)
        return;
    free_known (roster);
    zf_circle_free_all (roster);
    zf_stranger_free_all (roster);
    zf_deeds_free (roster);
    for (uint32_t i = 0; i < roster->header_count; i++) {
        zf_text_drop (roster->headers[i].name);
        zf_text_drop (roster->headers[i].value);
    }
    free (roster->headers);
    free (roster->slots);
    free (roster->free_slots);
    zf_letter_drop (roster->hello);
    zf_letter_drop (roster->ping);
    zf_letter_drop (roster->ping_ok);
    zf_letter_drop (roster->goodbye);
    zf_text_drop (roster->own_at);
    zf_text_drop (roster->name);
    zf_text_drop (roster->space);
    zf_timers_free (&roster->timers);
    free (roster);
    *self = NULL;
}

/* -- time -------------------------------------------------------------------------------------- */

/* Its clock stands still for as long as a tick is overdue, if that is long: all deadlines move. */
void zf_roster_clock (zf_roster_t *roster, uint64_t now_ms)
{
    if (roster->due_ms != ZF_NEVER && now_ms > roster->due_ms + ZF_ROSTER_LATE_MS) {
        roster->late_ms += now_ms - roster->due_ms;
        roster->due_ms = now_ms;
    }
    uint64_t own_ms = now_ms - roster->late_ms;
    if (own_ms > roster->now_ms)
        roster->now_ms = own_ms;
}

/* -- looking around ---------------------------------------------------------------------------- */

static void show (const zf_known_t *known, zf_node_view_t *view)
{
    *view = (zf_node_view_t){.name = known->name->at,
                             .endpoint = zf_known_endpoint (known),
                             .heard_ms = known->heard_ms + known->roster->late_ms,
                             .is_evasive = known->is_evasive,
                             .dropped = known->line.dropped,
                             .headers = zf_text_bytes (known->headers),
                             .header_count = known->header_count,
                             .group_count = known->seat_count};
    memcpy (view->uuid, known->uuid, sizeof view->uuid);
}

void zf_roster_each (zf_roster_t *roster, zf_roster_fn *fn, void *arg)
{
    zf_known_t *known;
    DL_FOREACH (roster->peers, known) {
        zf_node_view_t view;
        show (known, &view);
        if (!fn (arg, &view))
            return;
    }
}

bool zf_roster_find (zf_roster_t *roster, const uint8_t uuid[ZF_UUID_BYTES], zf_node_view_t *node)
{
    const zf_known_t *known = zf_known_find (roster, uuid);
    if (known == NULL || known->state != ZF_KNOWN_PEER)
        return false;
    show (known, node);
    return true;
}

void zf_roster_stats (const zf_roster_t *roster, zf_roster_stats_t *stats)
{
    *stats = roster->stats;
}
