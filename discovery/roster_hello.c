#include "discovery/roster_inside.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

/* -- ours -------------------------------------------------------------------------------------- */

void zf_hello_stale (zf_roster_t *roster)
{
    zf_letter_drop (roster->hello);
    roster->hello = NULL;
}

static void put_groups (const zf_roster_t *roster, zf_writer_t *w)
{
    zf_circle_t *circle;
    DL_FOREACH (roster->own, circle)
        zf_zre_put_group (w, zf_text_bytes (circle->name));
}

/* Returns how many. */
static uint32_t put_headers (const zf_roster_t *roster, zf_writer_t *w)
{
    uint32_t count = roster->header_count;
    for (uint32_t i = 0; i < roster->header_count; i++)
        zf_zre_put_header (w, zf_text_bytes (roster->headers[i].name),
                           zf_text_bytes (roster->headers[i].value));
    if (roster->space->size > 0) {
        zf_zre_put_header (w, zf_bytes_of (ZF_HEADER_SPACE), zf_text_bytes (roster->space));
        count++;
    }
    return count;
}

static zf_letter_t *make_hello (const zf_roster_t *roster, const zf_text_t *own)
{
    zf_writer_t groups = {0}, headers = {0};
    put_groups (roster, &groups);
    zf_zre_t hello = {.id = ZF_ZRE_HELLO,
                      .status = roster->status,
                      .endpoint = zf_text_bytes (own),
                      .name = zf_text_bytes (roster->name),
                      .group_count = roster->own_count,
                      .header_count = put_headers (roster, &headers)};
    hello.groups = zf_bytes (groups.data, groups.size);
    hello.headers = zf_bytes (headers.data, headers.size);
    bool failed = groups.failed || headers.failed;
    zf_letter_t *letter = failed ? NULL : zf_letter_new (&hello, NULL, 0);
    zf_writer_free (&groups);
    zf_writer_free (&headers);
    return letter;
}

zf_letter_t *zf_hello_of (zf_roster_t *roster, zf_text_t *own)
{
    if (roster->hello != NULL &&
        zf_bytes_equal (zf_text_bytes (roster->own_at), zf_text_bytes (own)))
        return roster->hello;
    zf_letter_t *hello = make_hello (roster, own);
    if (hello == NULL)
        return NULL;
    zf_hello_stale (roster);
    zf_text_hold (own);
    zf_text_drop (roster->own_at);
    roster->own_at = own;
    roster->hello = hello;
    return hello;
}

static zf_own_header_t *find_header (zf_roster_t *roster, zf_bytes_t name)
{
    for (uint32_t i = 0; i < roster->header_count; i++)
        if (zf_bytes_equal (zf_text_bytes (roster->headers[i].name), name))
            return &roster->headers[i];
    return NULL;
}

static void remove_header (zf_roster_t *roster, zf_own_header_t *header)
{
    roster->own_bytes -= header->name->size + header->value->size;
    zf_text_drop (header->name);
    zf_text_drop (header->value);
    uint32_t index = (uint32_t) (header - roster->headers);
    memmove (header, header + 1, (--roster->header_count - index) * sizeof *header);
    zf_hello_stale (roster);
}

static zf_own_header_t *add_header (zf_roster_t *roster)
{
    if (roster->header_count == roster->header_capacity) {
        uint32_t capacity = roster->header_capacity != 0 ? 2 * roster->header_capacity : 8;
        zf_own_header_t *headers = realloc (roster->headers, capacity * sizeof *headers);
        if (headers == NULL)
            return NULL;
        roster->headers = headers;
        roster->header_capacity = capacity;
    }
    return &roster->headers[roster->header_count];
}

static int set_header (zf_roster_t *roster, zf_own_header_t *old, zf_bytes_t name, zf_bytes_t value)
{
    zf_own_header_t made = {zf_text_new (name), zf_text_new (value)};
    zf_own_header_t *header = old != NULL ? old : add_header (roster);
    if (made.name == NULL || made.value == NULL || header == NULL) {
        zf_text_drop (made.name);
        zf_text_drop (made.value);
        return ZF_E_NOMEM;
    }
    if (old != NULL) {
        roster->own_bytes -= name.size + old->value->size;
        zf_text_drop (old->name);
        zf_text_drop (old->value);
    } else {
        roster->header_count++;
    }
    *header = made;
    roster->own_bytes += name.size + value.size;
    zf_hello_stale (roster);
    return 0;
}

int zf_roster_header (zf_roster_t *roster, zf_bytes_t name, const zf_bytes_t *value)
{
    if (name.size == 0 || name.size > 255 || memchr (name.data, 0, name.size) != NULL)
        return ZF_E_INVAL;
    zf_own_header_t *header = find_header (roster, name);
    if (value == NULL) {
        if (header != NULL)
            remove_header (roster, header);
        return 0;
    }
    size_t bytes = roster->own_bytes + name.size + value->size;
    if (header != NULL)
        bytes -= name.size + header->value->size;
    else if (roster->header_count >= ZF_ZRE_HEADERS_MAX - 1)
        return ZF_E_INVAL;
    if (bytes > ZF_ROSTER_NODE_BYTES)
        return ZF_E_INVAL;
    return set_header (roster, header, name, *value);
}

/* -- theirs ------------------------------------------------------------------------------------ */

static zf_bytes_t space_of (const zf_zre_t *hello)
{
    zf_bytes_t headers = hello->headers, name, value;
    while (zf_zre_next_header (&headers, &name, &value))
        if (zf_bytes_equal (name, zf_bytes_of (ZF_HEADER_SPACE)))
            return value;
    return zf_bytes (NULL, 0);
}

static bool is_one_of_us (const zf_roster_t *roster, const zf_zre_t *hello)
{
    return zf_bytes_equal (space_of (hello), zf_text_bytes (roster->space));
}

static bool is_sane (const zf_zre_t *hello)
{
    return hello->sequence == 1 && hello->headers.size <= ZF_ROSTER_NODE_BYTES;
}

static bool is_full (zf_roster_t *roster, const zf_zre_t *hello)
{
    if (roster->stats.peers < roster->max_peers)
        return false;
    roster->stats.refused++;
    zf_roster_note (roster, NULL, "%.*s at %.*s is refused: there are too many nodes",
                    (int) hello->name.size, (const char *) hello->name.data,
                    (int) hello->endpoint.size, (const char *) hello->endpoint.data);
    return true;
}

/* Who is not known introduces himself. NULL: there is no room, or no memory, or we could
 * not answer. */
static zf_known_t *make_room (zf_roster_t *roster, const uint8_t *uuid, const zf_zre_t *hello,
                              zf_bytes_t own)
{
    if (roster->unproven >= ZF_ROSTER_UNPROVEN) {
        roster->stats.refused++;
        return NULL;
    }
    zf_known_t *known = zf_known_new (roster, uuid, 0);
    if (known == NULL || zf_known_place (known, hello->endpoint, own))
        return known;
    zf_known_forget (known);
    return NULL;
}

/* It says that it is where we think that another one is. A candidate has never answered there, and
 * a peer whose connection is gone was there before it; any other peer stays. */
static void clear_place (const zf_known_t *known, zf_bytes_t endpoint)
{
    zf_known_t *holder = zf_known_holder (known, endpoint);
    if (holder != NULL && (holder->state == ZF_KNOWN_GREETED || holder->ask == ZF_ASK_LOST))
        zf_known_drop (holder, "another node has taken its place", ZF_DROP_FORGET);
}

/* What a HELLO says about the node itself. */
typedef struct {
    zf_text_t *name, *headers;
    bool is_same; /* as what it said before */
} card_t;

static bool make_card (card_t *card, const zf_known_t *known, const zf_zre_t *hello)
{
    *card = (card_t){zf_text_new (hello->name), zf_text_new (hello->headers), false};
    if (card->name == NULL || card->headers == NULL) {
        zf_text_drop (card->name);
        zf_text_drop (card->headers);
        return false;
    }
    card->is_same = known->state == ZF_KNOWN_PEER &&
                    zf_bytes_equal (zf_text_bytes (known->name), hello->name) &&
                    zf_bytes_equal (zf_text_bytes (known->headers), hello->headers);
    return true;
}

static void take_card (zf_known_t *known, const card_t *card, uint32_t header_count)
{
    known->bytes -= known->headers != NULL ? known->headers->size : 0;
    known->bytes += card->headers->size;
    zf_text_drop (known->name);
    zf_text_drop (known->headers);
    known->name = card->name;
    known->headers = card->headers;
    known->header_count = header_count;
}

/* It is there, as its HELLO says. */
static void enter (zf_known_t *known, const card_t *card, const zf_zre_t *hello)
{
    bool is_new = known->state != ZF_KNOWN_PEER || !card->is_same;
    if (known->state == ZF_KNOWN_PEER && is_new)
        zf_known_exit (known, "it has introduced itself as another");
    take_card (known, card, hello->header_count);
    if (known->state != ZF_KNOWN_PEER)
        zf_known_set (known, ZF_KNOWN_PEER);
    known->seen = 1;
    known->has_asked = false;
    known->status = hello->status;
    known->is_lost = false;
    known->answered_ms = known->roster->now_ms;
    zf_known_alive (known);
    zf_known_claim (known, hello->endpoint);
    zf_known_arm (known);
    if (is_new)
        zf_deeds_add (known->roster, ZF_ROSTER_ENTER, known);
    int rc = zf_circle_enter_all (known, hello->groups);
    if (rc != 0)
        zf_known_drop (known, rc == ZF_E_PROTO ? "it is in too many groups" : "out of memory",
                       ZF_DROP_GREET);
}

/* A peer says HELLO once more, and not in answer to ours: it has forgotten us, and has to be
 * greeted again. False: it can't be. */
static bool greet_again (zf_known_t *known)
{
    zf_known_chase (known);
    zf_known_exit (known, "it has started again");
    zf_known_close (known);
    zf_known_set (known, ZF_KNOWN_GREETED);
    if (zf_known_open (known))
        return true;
    zf_known_pause (known);
    return false;
}

/* Everything that our DEALER has to do with a HELLO. False: this is not the time for it. */
static bool answer (zf_known_t *known)
{
    if (known->state == ZF_KNOWN_GREETED)
        return true;
    if (known->state == ZF_KNOWN_PAUSED)
        return zf_known_greet (known);
    if (!zf_known_is_fresh (known))
        return greet_again (known);
    if (known->is_proven)
        zf_known_ask (known, ZF_ASK_GREETING, ZF_ROSTER_ASK_MS);
    return true;
}

void zf_hello_part (zf_known_t *known)
{
    zf_known_exit (known, "it is in another namespace");
    if (known->state == ZF_KNOWN_PEER)
        zf_known_set (known, ZF_KNOWN_GREETED);
    zf_stranger_remember (known->roster, known->uuid);
    zf_line_offer (known, known->roster->goodbye);
    known->is_stranger = true;
    known->ask = ZF_ASK_GREETING;
    known->until_ms = known->roster->now_ms + ZF_ROSTER_GREET_MS;
    zf_known_arm (known);
}

/* If it can't be told now it is not remembered: it may think that we are one of its own. */
static void on_stranger (zf_roster_t *roster, zf_known_t *known, const uint8_t *uuid,
                         const zf_zre_t *hello, zf_bytes_t own)
{
    if (known == NULL && zf_stranger_is (roster, uuid))
        return; /* it has been told */
    if (known == NULL && !roster->is_leaving)
        known = make_room (roster, uuid, hello, own);
    if (known == NULL)
        return;
    clear_place (known, hello->endpoint);
    if ((known->slot == ZF_ROSTER_NONE && !zf_known_greet (known)) || !zf_known_reserve (known)) {
        zf_known_drop (known, "it is in another namespace", ZF_DROP_FORGET);
        return;
    }
    if (known->is_stranger)
        return;
    zf_roster_note (roster, known, "%.*s at %s is in another namespace: left alone",
                    (int) hello->name.size, (const char *) hello->name.data,
                    zf_known_endpoint (known));
    zf_known_place (known, hello->endpoint, own);
    zf_known_claim (known, hello->endpoint);
    zf_hello_part (known);
}

/* Who it is if it can be a peer; made if it is not known. NULL: there is no room, or no memory. */
static zf_known_t *admit (zf_roster_t *roster, zf_known_t *known, const uint8_t *uuid,
                          const zf_zre_t *hello, zf_bytes_t own)
{
    if ((known == NULL || known->state != ZF_KNOWN_PEER) && is_full (roster, hello))
        return NULL;
    if (known == NULL && !roster->is_leaving)
        known = make_room (roster, uuid, hello, own);
    if (known == NULL || known->is_stranger || !zf_known_reserve (known))
        return NULL;
    zf_known_place (known, hello->endpoint, own);
    return known;
}

static void on_one_of_us (zf_roster_t *roster, zf_known_t *known, const uint8_t *uuid,
                          const zf_zre_t *hello, zf_bytes_t own)
{
    card_t card;
    bool is_new = known == NULL;
    known = admit (roster, known, uuid, hello, own);
    if (known == NULL || !make_card (&card, known, hello))
        return;
    clear_place (known, hello->endpoint);
    if (answer (known)) {
        enter (known, &card, hello);
        return;
    }
    zf_text_drop (card.name);
    zf_text_drop (card.headers);
    if (is_new)
        zf_known_forget (known);
}

static void on_insane (zf_roster_t *roster, zf_known_t *known)
{
    roster->stats.errors++;
    if (known != NULL && known->state == ZF_KNOWN_PEER && zf_known_reserve (known))
        zf_known_drop (known, "it has broken the protocol", ZF_DROP_GREET);
}

void zf_hello_arrived (zf_roster_t *roster, zf_known_t *known, const uint8_t *uuid,
                       const zf_zre_t *hello, zf_bytes_t own)
{
    uint32_t seats = known != NULL ? known->seat_count : 0;
    if (!zf_deeds_reserve (roster, 2 * ZF_DEEDS_OF_ONE + hello->group_count + seats))
        return;
    roster->stats.messages_in++;
    if (!is_sane (hello))
        on_insane (roster, known);
    else if (!is_one_of_us (roster, hello))
        on_stranger (roster, known, uuid, hello, own);
    else
        on_one_of_us (roster, known, uuid, hello, own);
}
