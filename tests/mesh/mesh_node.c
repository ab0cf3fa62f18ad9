#include "core/log.h"
#include "tests/mesh/mesh.h"

#include <stdio.h>
#include <stdlib.h>
#include <zferry/error.h>

int node_index (const mesh_t *mesh, const node_t *node)
{
    return (int) (node - mesh->nodes);
}

uint8_t *identity_of (uint8_t identity[1 + ZF_UUID_BYTES], const uint8_t *uuid)
{
    identity[0] = 1;
    memcpy (identity + 1, uuid, ZF_UUID_BYTES);
    return identity;
}

seen_t *node_seen (node_t *node, const uint8_t *uuid)
{
    for (uint32_t i = 0; i < node->seen_count; i++)
        if (memcmp (node->seen[i].uuid, uuid, ZF_UUID_BYTES) == 0)
            return &node->seen[i];
    node->seen = realloc (node->seen, (node->seen_count + 1) * sizeof *node->seen);
    seen_t *seen = &node->seen[node->seen_count++];
    memset (seen, 0, sizeof *seen);
    memcpy (seen->uuid, uuid, ZF_UUID_BYTES);
    return seen;
}

/* -- content ----------------------------------------------------------------------------------- */

static zf_frame_t *content_of (uint64_t number, uint32_t length)
{
    zf_frame_t *frame = zf_frame_new (length);
    memset (frame->data, 0, length);
    memcpy (frame->data, &number, sizeof number);
    return frame;
}

/* -- what it sends ----------------------------------------------------------------------------- */

/* What has two frames is a list of offers: the word of it goes with them. */
static mail_t *copy_list (zf_bytes_t frame, zf_frame_t *const *content)
{
    zf_writer_t list = {0};
    zf_write_bytes (&list, content[0]->data, content[0]->size);
    zf_write_bytes (&list, content[1]->data, content[1]->size);
    mail_t *mail = mail_new_list (frame, zf_bytes (list.data, list.size));
    zf_writer_free (&list);
    return mail;
}

static mail_t *copy (zf_bytes_t frame, zf_frame_t *const *content, size_t count)
{
    uint64_t number = 0;
    if (count == 2)
        return copy_list (frame, content);
    if (count > 0)
        memcpy (&number, content[0]->data, sizeof number);
    return mail_new (frame, number, count > 0 ? (uint32_t) content[0]->size : 0);
}

/* length: of the content, if it is the application's. */
static void check_sent (mesh_t *mesh, const node_t *node, dealer_t *dealer, zf_bytes_t frame,
                        size_t length)
{
    zf_zre_t message;
    if (!zf_zre_decode (frame, &message))
        mesh_fail (mesh, "%s sends what is malformed", node->name);
    if (message.sequence != ++dealer->sent)
        mesh_fail (mesh, "%s sends %u after %u", node->name, message.sequence, dealer->sent - 1u);
    if ((message.id == ZF_ZRE_HELLO) != (dealer->sent == 1))
        mesh_fail (mesh, "%s says HELLO in the wrong place", node->name);
    dealer->whispers -= message.id == ZF_ZRE_WHISPER && length > 0;
    dealer->whisper_bytes -= message.id == ZF_ZRE_WHISPER ? length : 0;
    mesh_trace (mesh, "%s sends %u #%u to %s", node->name, message.id, message.sequence,
                dealer->endpoint);
}

void node_pump (mesh_t *mesh, node_t *node, uint32_t slot)
{
    dealer_t *dealer = &node->dealers[slot];
    zf_bytes_t frame;
    zf_frame_t *const *content;
    size_t count;
    while (!node->is_zyre && dealer->is_told) {
        if (!zf_roster_peek (node->roster, slot, &frame, &content, &count)) {
            dealer->is_told = false;
            return;
        }
        if (!net_has_room (mesh, node, slot))
            return;
        check_sent (mesh, node, dealer, frame, count == 1 ? content[0]->size : 0);
        net_put (mesh, node, slot, copy (frame, content, count));
        zf_roster_pop (node->roster, slot);
    }
}

static void pump_all (mesh_t *mesh, node_t *node)
{
    for (uint32_t slot = 0; slot < node->dealer_count; slot++)
        if (node->dealers[slot].is_open)
            node_pump (mesh, node, slot);
}

static void on_effect (mesh_t *mesh, node_t *node, const zf_roster_effect_t *effect)
{
    switch (effect->type) {
    case ZF_ROSTER_OPEN:
        net_open (mesh, node, effect->slot, effect->text);
        memcpy (node->dealers[effect->slot].uuid, effect->uuid, ZF_UUID_BYTES);
        offers_greet (mesh, node, effect);
        break;
    case ZF_ROSTER_CLOSE:
        offers_part (node, effect->slot);
        net_close (mesh, node, effect->slot);
        break;
    case ZF_ROSTER_SEND:
        if (!net_is_open (node, effect->slot) || node->dealers[effect->slot].is_told)
            mesh_fail (mesh, "%s: SEND at the wrong time", node->name);
        node->dealers[effect->slot].is_told = true;
        break;
    case ZF_ROSTER_ENTER:
    case ZF_ROSTER_EVASIVE:
    case ZF_ROSTER_SILENT:
    case ZF_ROSTER_BACK:
    case ZF_ROSTER_EXIT:
    case ZF_ROSTER_JOIN:
    case ZF_ROSTER_LEAVE:
    case ZF_ROSTER_WHISPER:
    case ZF_ROSTER_SHOUT:
    case ZF_ROSTER_NOTE:
        if (!offers_effect (mesh, node, effect))
            check_effect (mesh, node, effect);
        break;
    }
}

/* Returns true if there was anything to do. */
static bool settle (mesh_t *mesh, node_t *node)
{
    zf_roster_effect_t effect;
    bool any = false;
    while (zf_roster_next (node->roster, &effect)) {
        on_effect (mesh, node, &effect);
        any = true;
    }
    return any;
}

static void tell_reach (mesh_t *mesh, node_t *node)
{
    for (uint32_t slot = 0; slot < node->dealer_count; slot++)
        if (node->dealers[slot].is_open)
            zf_roster_reached (node->roster, slot, net_reach (mesh, node, slot), mesh->now);
}

void node_turn (mesh_t *mesh, node_t *node)
{
    tell_reach (mesh, node);
    node->due = zf_roster_tick (node->roster, mesh->now);
    settle (mesh, node);
    uint64_t due = zf_herald_tick (&node->herald, mesh->now);
    node->due = due < node->due ? due : node->due;
    if (node->due <= mesh->now)
        mesh_fail (mesh, "%s wants to be ticked for ever", node->name);
    do {
        pump_all (mesh, node);
    } while (settle (mesh, node));
    check_node (mesh, node);
    check_offers (mesh, node);
}

/* -- what comes -------------------------------------------------------------------------------- */

void node_tick (mesh_t *mesh, node_t *node)
{
    node_turn (mesh, node);
}

void node_beacon (mesh_t *mesh, node_t *node, const event_t *event)
{
    mesh_trace (mesh, "%s sees %x %s %s", node->name, event->uuid[0],
                event->is_farewell ? "leave" : "at", event->endpoint);
    if (node->is_zyre) {
        zyre_beacon (mesh, node, event);
        return;
    }
    if (event->is_farewell)
        zf_roster_farewell (node->roster, event->uuid, mesh->now);
    else
        zf_roster_sighted (node->roster, event->uuid, zf_bytes_of (event->endpoint),
                           zf_bytes_of (node->endpoint), zf_bytes_of (event->host), mesh->now);
    node_turn (mesh, node);
}

/* Returns how many frames. */
static size_t contents_of (const mail_t *mail, zf_frame_t *content[2])
{
    const uint8_t *list = mail->frame + mail->size;
    size_t word = ZF_OFFERS_WORD_BYTES;
    if (mail->list_size > 0) {
        content[0] = zf_frame_of (zf_bytes (list, word));
        content[1] = zf_frame_of (zf_bytes (list + word, mail->list_size - word));
        return 2;
    }
    content[0] = mail->length > 0 ? content_of (mail->number, mail->length) : NULL;
    return mail->length > 0;
}

void node_mail (mesh_t *mesh, node_t *node, const conn_t *conn, const mail_t *mail)
{
    zf_frame_t *content[2] = {NULL, NULL};
    mesh_trace (mesh, "%s hears %u of n%u", node->name, mail->frame[2], conn->identity[1]);
    if (node->is_zyre) {
        offers_stranger (mesh, node, mail);
        zyre_mail (mesh, node, conn, mail);
        return;
    }
    const seen_t before = *node_seen (node, conn->identity + 1);
    size_t count = contents_of (mail, content);
    zf_roster_received (node->roster, zf_bytes (conn->identity, sizeof conn->identity),
                        zf_bytes (mail->frame, mail->size), content, count,
                        zf_bytes_of (node->endpoint), mesh->now);
    zf_frame_drop (content[0]);
    zf_frame_drop (content[1]);
    node_turn (mesh, node);
    check_sequence (mesh, node, &before, mail);
}

void node_lost (mesh_t *mesh, node_t *node, uint32_t slot)
{
    if (node->is_zyre)
        return;
    zf_roster_lost (node->roster, slot, mesh->now);
    node_turn (mesh, node);
}

/* -- what it does by itself -------------------------------------------------------------------- */

static void beacon_to (mesh_t *mesh, const node_t *node, uint32_t to, bool farewell)
{
    bool other = mesh->has_other && !mesh->nodes[to].is_zyre && prng_one_in (&mesh->prng, 2);
    event_t *event = mesh_event (mesh, EVENT_BEACON, 1 + chance (mesh, mesh->beacon_ms));
    event->node = (int) to;
    event->life = mesh->nodes[to].life;
    event->is_farewell = farewell;
    memcpy (event->uuid, node->uuid, sizeof event->uuid);
    snprintf (event->endpoint, sizeof event->endpoint, "%s", other ? node->other : node->endpoint);
    snprintf (event->host, sizeof event->host, "%s", node->host);
}

static void beacons (mesh_t *mesh, const node_t *node, bool farewell)
{
    int self = node_index (mesh, node);
    for (uint32_t to = 0; to < mesh->count; to++) {
        if ((int) to == self || !mesh->nodes[to].is_there || net_is_apart (mesh, self, (int) to))
            continue;
        if (!prng_one_in (&mesh->prng, mesh->loss))
            beacon_to (mesh, node, to, farewell);
        if (prng_one_in (&mesh->prng, 20))
            beacon_to (mesh, node, to, farewell);
    }
}

static void change_group (mesh_t *mesh, node_t *node)
{
    uint32_t group = (uint32_t) chance (mesh, GROUPS);
    char name[] = {'g', (char) ('0' + group), 0};
    if (node->is_zyre)
        zyre_join (mesh, node, group);
    else if ((node->groups >> group & 1) != 0)
        zf_roster_leave (node->roster, zf_bytes_of (name));
    else
        zf_roster_join (node->roster, zf_bytes_of (name));
    node->groups ^= UINT32_C (1) << group;
}

static uint32_t any_length (mesh_t *mesh)
{
    uint32_t most = prng_one_in (&mesh->prng, 9) ? 12000 : 600;
    return (uint32_t) prng_between (&mesh->prng, 8, most);
}

static void count_whisper (const node_t *node, const seen_t *to, uint32_t length)
{
    for (uint32_t slot = 0; slot < node->dealer_count; slot++) {
        dealer_t *dealer = &node->dealers[slot];
        if (!dealer->is_open || memcmp (dealer->uuid, to->uuid, ZF_UUID_BYTES) != 0)
            continue;
        dealer->whispers++;
        dealer->whisper_bytes += length;
    }
}

static void whisper (mesh_t *mesh, node_t *node)
{
    uint32_t length = any_length (mesh);
    if (node->seen_count == 0)
        return;
    const seen_t *to = &node->seen[chance (mesh, node->seen_count)];
    for (uint64_t i = prng_one_in (&mesh->prng, 50) ? 100 : 1; i > 0; i--) {
        zf_frame_t *content = content_of (++mesh->numbers, length);
        int rc = zf_roster_whisper (node->roster, to->uuid, &content, 1);
        zf_frame_drop (content);
        if (rc == 0)
            count_whisper (node, to, length);
        if ((rc == ZF_E_NOT_FOUND) == to->is_there ||
            (rc != 0 && rc != ZF_E_NOT_FOUND && rc != ZF_E_AGAIN))
            mesh_fail (mesh, "%s whispers: %s", node->name, zf_strerror (rc));
    }
}

static void shout (mesh_t *mesh, node_t *node)
{
    char name[] = {'g', (char) ('0' + chance (mesh, GROUPS)), 0};
    zf_frame_t *content = content_of (++mesh->numbers, any_length (mesh));
    int rc = zf_roster_shout (node->roster, zf_bytes_of (name), &content, 1);
    zf_frame_drop (content);
    if (rc != 0)
        mesh_fail (mesh, "%s shouts: %s", node->name, zf_strerror (rc));
}

static void talk (mesh_t *mesh, node_t *node)
{
    if (prng_one_in (&mesh->prng, 2))
        whisper (mesh, node);
    else
        shout (mesh, node);
}

/* It is told to others in a while, or when something else happens. */
static void change_offers (mesh_t *mesh, node_t *node)
{
    uint64_t due = mesh->now + 1 + chance (mesh, 40);
    if (mesh->end - mesh->now <= 10000 || !prng_one_in (&mesh->prng, mesh->offers_rate))
        return;
    offers_change (mesh, node);
    node->due = due < node->due ? due : node->due;
}

void node_step (mesh_t *mesh, node_t *node)
{
    event_t *event = mesh_event (mesh, EVENT_STEP, prng_between (&mesh->prng, 900, 1100));
    event->node = node_index (mesh, node);
    event->life = node->life;
    beacons (mesh, node, false);
    if (mesh->end - mesh->now > 10000 && prng_one_in (&mesh->prng, 5))
        change_group (mesh, node);
    if (node->is_zyre) {
        zyre_step (mesh, node);
        return;
    }
    for (uint64_t i = chance (mesh, 4); i > 0; i--)
        talk (mesh, node);
    change_offers (mesh, node); /* now lines may be full */
    node_turn (mesh, node);
    change_offers (mesh, node);
}

/* -- its life ---------------------------------------------------------------------------------- */

static void make_roster (mesh_t *mesh, node_t *node)
{
    zf_roster_options_t options = {.name = node->name,
                                   .space = node->space,
                                   .evasive_ms = 5000,
                                   .expired_ms = EXPIRED_MS,
                                   .line_bytes = LINE_BYTES,
                                   .max_peers = PEERS_MAX};
    memcpy (options.uuid, node->uuid, sizeof options.uuid);
    node->roster = zf_roster_new (&options, mesh->now);
    node->due = UINT64_MAX;
    offers_start (mesh, node);
}

void node_start (mesh_t *mesh, int index, bool same_port)
{
    node_t *node = &mesh->nodes[index];
    node->is_there = true;
    node->life++;
    node->frozen = 0;
    node->groups = 0;
    for (int i = 0; i < ZF_UUID_BYTES; i++)
        node->uuid[i] = (uint8_t) chance (mesh, 256);
    node->uuid[0] = (uint8_t) index;
    snprintf (node->name, sizeof node->name, "n%d", index);
    snprintf (node->host, sizeof node->host, "h%d", index / 3);
    if (!same_port)
        snprintf (node->endpoint, sizeof node->endpoint, "tcp://p%d:%u", index, node->life);
    snprintf (node->other, sizeof node->other, "tcp://q%d:%u", index, node->life);
    mesh_trace (mesh, "%s%s starts at %s in \"%s\"", node->name, node->is_zyre ? " (Zyre)" : "",
                node->endpoint, node->space);
    if (!node->is_zyre)
        make_roster (mesh, node);
    node->zstatus = 0;
    event_t *event = mesh_event (mesh, EVENT_STEP, chance (mesh, 300));
    event->node = index;
    event->life = node->life;
}

void node_free (node_t *node)
{
    offers_free (node);
    zf_roster_free (&node->roster);
    for (uint32_t slot = 0; slot < node->dealer_count; slot++)
        if (node->dealers[slot].is_open)
            mails_free (node->dealers[slot].first);
    free (node->dealers);
    free (node->seen);
    free (node->zpeers);
    node->dealers = NULL;
    node->seen = NULL;
    node->zpeers = NULL;
    node->dealer_count = node->seen_count = node->zpeer_count = 0;
}

void node_stop (mesh_t *mesh, int index, bool clean)
{
    node_t *node = &mesh->nodes[index];
    mesh_trace (mesh, "%s stops%s", node->name, clean ? "" : " dead");
    if (clean) {
        if (node->is_zyre) {
            zyre_bye (mesh, node);
        } else {
            zf_roster_bye (node->roster);
            node_turn (mesh, node);
        }
        beacons (mesh, node, true);
    }
    node->is_there = false;
    net_kill (mesh, index);
    node_free (node);
}
