#include "discovery/roster_inside.h"

#include <zferry/error.h>

/* The mailbox's connections say who they are by 01 (older Pyres: by a 1 in ASCII) and their uuid.
 * NULL: this is none. */
static const uint8_t *uuid_of (zf_bytes_t identity)
{
    const uint8_t *at = identity.data;
    return identity.size == 1 + ZF_UUID_BYTES ? at + 1 : NULL;
}

static void take_content (zf_known_t *known, zf_roster_effect_type_t type, zf_text_t *group,
                          zf_frame_t *const *content, size_t count)
{
    zf_parcel_t *parcel = zf_parcel_new (content, count);
    if (parcel == NULL) {
        known->roster->stats.dropped++;
        zf_roster_note (known->roster, known, "a message from %s is lost: out of memory",
                        known->name->at);
        return;
    }
    zf_deed_t *deed = zf_deeds_add (known->roster, type, known);
    deed->parcel = parcel;
    deed->group = zf_text_hold (group);
}

/* It may not have heard yet that we have left. */
static void on_shout (zf_known_t *known, const zf_zre_t *message, zf_frame_t *const *content,
                      size_t count)
{
    zf_circle_t *circle = zf_circle_find (known->roster, message->group);
    if (circle != NULL && circle->is_own)
        take_content (known, ZF_ROSTER_SHOUT, circle->name, content, count);
}

static void break_off (zf_known_t *known, const char *why)
{
    known->roster->stats.errors++;
    zf_roster_note (known->roster, known, "%s at %s: %s", known->name->at,
                    zf_known_endpoint (known), why);
    zf_known_drop (known, why, ZF_DROP_GREET);
}

static void on_join (zf_known_t *known, const zf_zre_t *message)
{
    int rc = 0;
    if (message->status != (uint8_t) (known->status + 1)) {
        break_off (known, "its count of groups is wrong");
        return;
    }
    known->status++;
    if (message->id == ZF_ZRE_JOIN)
        rc = zf_circle_enter (known, message->group);
    else
        zf_circle_leave (known, message->group);
    if (rc == ZF_E_PROTO)
        break_off (known, "it is in too many groups");
    else if (rc != 0)
        zf_known_drop (known, "out of memory", ZF_DROP_GREET);
}

/* It has heard our HELLO, and what we have asked since. */
static void on_ping_ok (zf_known_t *known)
{
    known->answered_ms = known->roster->now_ms;
    known->ask = ZF_ASK_NOTHING;
    known->fails = known->tried = 0;
    zf_known_prove (known, true);
    zf_known_arm (known);
}

static void on_message (zf_known_t *known, const zf_zre_t *message, zf_frame_t *const *content,
                        size_t count)
{
    known->seen = message->sequence;
    zf_known_alive (known);
    switch (message->id) {
    case ZF_ZRE_WHISPER:
        take_content (known, ZF_ROSTER_WHISPER, NULL, content, count);
        break;
    case ZF_ZRE_SHOUT:
        on_shout (known, message, content, count);
        break;
    case ZF_ZRE_JOIN:
    case ZF_ZRE_LEAVE:
        on_join (known, message);
        break;
    case ZF_ZRE_PING:
        known->has_asked = true;
        zf_line_answer (known);
        break;
    case ZF_ZRE_PING_OK:
        on_ping_ok (known);
        break;
    case ZF_ZRE_GOODBYE:
        zf_known_drop (known, "it said goodbye", ZF_DROP_FORGET);
        break;
    case ZF_ZRE_HELLO: /* handled before */
    case ZF_ZRE_ELECT:
    case ZF_ZRE_LEADER:
        break; /* elections are for who takes part in them */
    }
}

/* Something that is no message of the protocol. */
static void on_junk (zf_roster_t *roster, zf_known_t *known)
{
    if (known != NULL && known->state == ZF_KNOWN_PEER && zf_known_reserve (known))
        break_off (known, "it has broken the protocol");
    else
        roster->stats.errors++;
}

/* Pyre counts to 65,534, and then from 0. */
static bool is_next (const zf_known_t *known, uint16_t sequence)
{
    return sequence == (uint16_t) (known->seen + 1) ||
           (sequence == 0 && known->seen == UINT16_MAX - 1);
}

/* Who has not introduced himself is not listened to: what he says comes from a connection that is
 * done with, or our HELLO is on its way to him. */
static void on_peer (zf_roster_t *roster, zf_known_t *known, const zf_zre_t *message,
                     zf_frame_t *const *content, size_t count)
{
    if (known == NULL || known->state != ZF_KNOWN_PEER || !zf_known_reserve (known))
        return;
    if (!is_next (known, message->sequence)) {
        break_off (known, "messages from it were lost");
        return;
    }
    roster->stats.messages_in++;
    on_message (known, message, content, count);
}

void zf_roster_received (zf_roster_t *roster, zf_bytes_t identity, zf_bytes_t frame,
                         zf_frame_t *const *content, size_t count, zf_bytes_t own, uint64_t now_ms)
{
    zf_zre_t message;
    zf_roster_clock (roster, now_ms);
    const uint8_t *uuid = uuid_of (identity);
    if (uuid == NULL) {
        roster->stats.errors++;
        return;
    }
    if (memcmp (uuid, roster->uuid, ZF_UUID_BYTES) == 0)
        return;
    zf_known_t *known = zf_known_find (roster, uuid);
    if (!zf_zre_decode (frame, &message))
        on_junk (roster, known);
    else if (message.id == ZF_ZRE_HELLO)
        zf_hello_arrived (roster, known, uuid, &message, own);
    else
        on_peer (roster, known, &message, content, count);
}
