#include "discovery/roster_inside.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

/* -- groups ------------------------------------------------------------------------------------ */

zf_circle_t *zf_circle_find (zf_roster_t *roster, zf_bytes_t name)
{
    zf_circle_t *circle;
    HASH_FIND (hh, roster->circles, name.size > 0 ? name.data : "", name.size, circle);
    return circle;
}

static void free_circle (zf_roster_t *roster, zf_circle_t *circle)
{
    HASH_DEL (roster->circles, circle);
    zf_text_drop (circle->name);
    free (circle);
}

static void free_if_empty (zf_roster_t *roster, zf_circle_t *circle)
{
    if (circle->seats == NULL && !circle->is_own)
        free_circle (roster, circle);
}

/* The one of that name, made if it is not there. NULL: out of memory. */
static zf_circle_t *require (zf_roster_t *roster, zf_bytes_t name)
{
    zf_circle_t *circle = zf_circle_find (roster, name);
    if (circle != NULL)
        return circle;
    circle = calloc (1, sizeof *circle);
    if (circle == NULL)
        return NULL;
    circle->name = zf_text_new (name);
    if (circle->name != NULL)
        HASH_ADD_KEYPTR (hh, roster->circles, circle->name->at, name.size, circle);
    if (circle->hh.tbl != NULL)
        return circle;
    zf_text_drop (circle->name);
    free (circle);
    return NULL;
}

/* -- who is in them ---------------------------------------------------------------------------- */

static zf_seat_t *find_seat (zf_known_t *known, zf_circle_t *circle)
{
    zf_seat_t *seat;
    zf_seat_key_t key;
    memset (&key, 0, sizeof key);
    key.known = known;
    key.circle = circle;
    HASH_FIND (hh, known->roster->seats, &key, sizeof key, seat);
    return seat;
}

static void leave (zf_seat_t *seat)
{
    zf_known_t *known = seat->key.known;
    zf_circle_t *circle = seat->key.circle;
    HASH_DEL (known->roster->seats, seat);
    DL_DELETE (known->seats, seat);
    DL_DELETE2 (circle->seats, seat, before, after);
    known->seat_count--;
    known->bytes -= circle->name->size;
    free_if_empty (known->roster, circle);
    free (seat);
}

static zf_seat_t *take_seat (zf_known_t *known, zf_circle_t *circle)
{
    zf_seat_t *seat = calloc (1, sizeof *seat);
    if (seat == NULL)
        return NULL;
    seat->key.known = known;
    seat->key.circle = circle;
    HASH_ADD (hh, known->roster->seats, key, sizeof seat->key, seat);
    if (seat->hh.tbl == NULL) {
        free (seat);
        return NULL;
    }
    DL_APPEND (known->seats, seat);
    DL_APPEND2 (circle->seats, seat, before, after);
    known->seat_count++;
    known->bytes += circle->name->size;
    return seat;
}

static bool has_room (const zf_known_t *known, zf_bytes_t name)
{
    return known->seat_count < ZF_ZRE_GROUPS_MAX &&
           known->bytes + name.size <= ZF_ROSTER_NODE_BYTES;
}

static void tell (zf_known_t *known, zf_roster_effect_type_t type, const zf_circle_t *circle)
{
    zf_deeds_add (known->roster, type, known)->group = zf_text_hold (circle->name);
}

int zf_circle_enter (zf_known_t *known, zf_bytes_t name)
{
    zf_circle_t *circle = zf_circle_find (known->roster, name);
    zf_seat_t *seat = circle != NULL ? find_seat (known, circle) : NULL;
    if (seat != NULL) {
        seat->is_stale = false;
        return 0;
    }
    if (!has_room (known, name))
        return ZF_E_PROTO;
    circle = require (known->roster, name);
    if (circle == NULL)
        return ZF_E_NOMEM;
    if (take_seat (known, circle) == NULL) {
        free_if_empty (known->roster, circle);
        return ZF_E_NOMEM;
    }
    tell (known, ZF_ROSTER_JOIN, circle);
    return 0;
}

void zf_circle_leave (zf_known_t *known, zf_bytes_t name)
{
    zf_circle_t *circle = zf_circle_find (known->roster, name);
    zf_seat_t *seat = circle != NULL ? find_seat (known, circle) : NULL;
    if (seat == NULL)
        return;
    tell (known, ZF_ROSTER_LEAVE, circle);
    leave (seat);
}

int zf_circle_enter_all (zf_known_t *known, zf_bytes_t groups)
{
    zf_seat_t *seat, *next;
    zf_bytes_t name;
    int rc = 0;
    DL_FOREACH (known->seats, seat)
        seat->is_stale = true;
    while (rc == 0 && zf_zre_next_group (&groups, &name))
        rc = zf_circle_enter (known, name);
    DL_FOREACH_SAFE (known->seats, seat, next) {
        if (seat->is_stale) {
            tell (known, ZF_ROSTER_LEAVE, seat->key.circle);
            leave (seat);
        }
    }
    return rc;
}

void zf_circle_leave_all (zf_known_t *known)
{
    while (known->seats != NULL)
        leave (known->seats); /* NOLINT(clang-analyzer-*): it leaves the list */
}

void zf_circle_free_all (zf_roster_t *roster)
{
    zf_circle_t *circle, *next;
    HASH_ITER (hh, roster->circles, circle, next)
        free_circle (roster, circle);
}

/* -- we ---------------------------------------------------------------------------------------- */

/* One letter and one effect more for everybody who has a DEALER. */
static bool reserve_all (zf_roster_t *roster)
{
    bool room = zf_deeds_reserve (roster, roster->slot_count);
    for (uint32_t slot = 0; room && slot < roster->slot_count; slot++)
        room = roster->slots[slot] == NULL || zf_line_reserve (&roster->slots[slot]->line, 1);
    return room;
}

static void offer_all (zf_roster_t *roster, zf_letter_t *letter)
{
    for (uint32_t slot = 0; slot < roster->slot_count; slot++)
        if (roster->slots[slot] != NULL)
            zf_line_offer (roster->slots[slot], letter);
}

/* Tells everybody who may have heard our HELLO. */
static int tell_all (zf_roster_t *roster, zf_zre_id_t id, zf_bytes_t group)
{
    zf_zre_t message = {.id = id, .group = group, .status = (uint8_t) (roster->status + 1)};
    zf_letter_t *letter = zf_letter_new (&message, NULL, 0);
    if (letter == NULL || !reserve_all (roster)) {
        zf_letter_drop (letter);
        return ZF_E_NOMEM;
    }
    roster->status++;
    zf_hello_stale (roster);
    offer_all (roster, letter);
    zf_letter_drop (letter);
    return 0;
}

static bool is_name (zf_bytes_t name)
{
    return name.size > 0 && name.size <= 255 && memchr (name.data, 0, name.size) == NULL;
}

int zf_roster_join (zf_roster_t *roster, zf_bytes_t group)
{
    if (!is_name (group))
        return ZF_E_INVAL;
    zf_circle_t *circle = zf_circle_find (roster, group);
    if (circle != NULL && circle->is_own)
        return 0;
    if (roster->own_count >= ZF_ZRE_GROUPS_MAX ||
        roster->own_bytes + group.size > ZF_ROSTER_NODE_BYTES)
        return ZF_E_INVAL;
    circle = require (roster, group);
    if (circle == NULL)
        return ZF_E_NOMEM;
    int rc = tell_all (roster, ZF_ZRE_JOIN, group);
    if (rc != 0) {
        free_if_empty (roster, circle);
        return rc;
    }
    circle->is_own = true;
    DL_APPEND (roster->own, circle);
    roster->own_count++;
    roster->own_bytes += group.size;
    return 0;
}

int zf_roster_leave (zf_roster_t *roster, zf_bytes_t group)
{
    zf_circle_t *circle = zf_circle_find (roster, group);
    if (circle == NULL || !circle->is_own)
        return is_name (group) ? 0 : ZF_E_INVAL;
    int rc = tell_all (roster, ZF_ZRE_LEAVE, group);
    if (rc != 0)
        return rc;
    circle->is_own = false;
    DL_DELETE (roster->own, circle);
    roster->own_count--;
    roster->own_bytes -= group.size;
    free_if_empty (roster, circle);
    return 0;
}

void zf_roster_bye (zf_roster_t *roster)
{
    roster->is_leaving = true;
    for (uint32_t slot = 0; slot < roster->slot_count; slot++) {
        zf_known_t *known = roster->slots[slot];
        if (known != NULL && zf_known_reserve (known))
            zf_line_offer (known, roster->goodbye);
    }
}

/* -- talking ----------------------------------------------------------------------------------- */

static bool reserve_circle (const zf_circle_t *circle, zf_roster_t *roster)
{
    uint32_t count = 0;
    zf_seat_t *seat;
    DL_FOREACH2 (circle->seats, seat, after) {
        if (!zf_line_reserve (&seat->key.known->line, 1))
            return false;
        count++;
    }
    return zf_deeds_reserve (roster, count);
}

int zf_roster_shout (zf_roster_t *roster, zf_bytes_t group, zf_frame_t *const *content,
                     size_t count)
{
    zf_circle_t *circle = zf_circle_find (roster, group);
    if (!is_name (group))
        return ZF_E_INVAL;
    if (circle == NULL || circle->seats == NULL)
        return 0;
    zf_zre_t message = {.id = ZF_ZRE_SHOUT, .group = group};
    zf_letter_t *letter = zf_letter_new (&message, content, count);
    if (letter == NULL || !reserve_circle (circle, roster)) {
        zf_letter_drop (letter);
        return ZF_E_NOMEM;
    }
    zf_seat_t *seat;
    DL_FOREACH2 (circle->seats, seat, after)
        zf_line_offer (seat->key.known, letter);
    zf_letter_drop (letter);
    return 0;
}

int zf_roster_whisper (zf_roster_t *roster, const uint8_t uuid[ZF_UUID_BYTES],
                       zf_frame_t *const *content, size_t count)
{
    zf_known_t *known = zf_known_find (roster, uuid);
    if (known == NULL || known->state != ZF_KNOWN_PEER)
        return ZF_E_NOT_FOUND;
    zf_zre_t message = {.id = ZF_ZRE_WHISPER};
    zf_letter_t *letter = zf_letter_new (&message, content, count);
    if (letter == NULL || !zf_known_reserve (known)) {
        zf_letter_drop (letter);
        return ZF_E_NOMEM;
    }
    bool taken = zf_line_offer (known, letter);
    zf_letter_drop (letter);
    return taken ? 0 : ZF_E_AGAIN;
}

void zf_roster_groups_of (zf_roster_t *roster, const uint8_t *uuid, zf_roster_group_fn *fn,
                          void *arg)
{
    zf_known_t *known = uuid != NULL ? zf_known_find (roster, uuid) : NULL;
    zf_circle_t *circle;
    zf_seat_t *seat;
    if (known != NULL && known->state == ZF_KNOWN_PEER) {
        DL_FOREACH (known->seats, seat) {
            if (!fn (arg, seat->key.circle->name->at))
                return;
        }
    }
    if (uuid != NULL)
        return;
    DL_FOREACH (roster->own, circle) {
        if (!fn (arg, circle->name->at))
            return;
    }
}
