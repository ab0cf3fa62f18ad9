#include "tests/mesh/mesh.h"

/* -- what an application sees ------------------------------------------------------------------ */

static uint32_t bit_of (mesh_t *mesh, const char *group)
{
    if (group[0] != 'g' || group[1] < '0' || group[1] >= '0' + GROUPS || group[2] != 0)
        mesh_fail (mesh, "nobody ever joined %s", group);
    return UINT32_C (1) << (group[1] - '0');
}

static void on_group (mesh_t *mesh, seen_t *seen, const zf_roster_effect_t *effect)
{
    uint32_t bit = bit_of (mesh, effect->group);
    bool joins = effect->type == ZF_ROSTER_JOIN;
    if (((seen->groups & bit) != 0) == joins)
        mesh_fail (mesh, "%s joins where it is, or leaves where it is not", effect->name);
    seen->groups ^= bit;
}

static void on_message (mesh_t *mesh, const node_t *node, seen_t *seen,
                        const zf_roster_effect_t *effect)
{
    uint64_t number = 0;
    if (effect->count != 1 || effect->content[0]->size < sizeof number)
        mesh_fail (mesh, "the content of a message is gone");
    memcpy (&number, effect->content[0]->data, sizeof number);
    if (number <= seen->last)
        mesh_fail (mesh, "%s hears an old message of %s", node->name, effect->name);
    seen->last = number;
    if (effect->type == ZF_ROSTER_SHOUT && (node->groups & bit_of (mesh, effect->group)) == 0)
        mesh_fail (mesh, "%s hears a shout to a group that it is not in", node->name);
}

static void on_exit_of (mesh_t *mesh, const node_t *node, seen_t *seen,
                        const zf_roster_effect_t *effect)
{
    mesh_trace (mesh, "%s: EXIT %s: %s", node->name, effect->name, effect->text);
    seen->is_there = seen->is_evasive = seen->is_silent = false;
    seen->exits++;
    seen->groups = 0;
    mesh->exits++;
    if (mesh->mode != MODE_STORM)
        mesh_fail (mesh, "%s drops %s: %s", node->name, effect->name, effect->text);
}

static void on_evasive (mesh_t *mesh, seen_t *seen, const zf_roster_effect_t *effect)
{
    bool evasive = effect->type == ZF_ROSTER_EVASIVE;
    if (seen->is_evasive == evasive)
        mesh_fail (mesh, "%s is evasive twice, or back twice", effect->name);
    seen->is_evasive = evasive;
    seen->is_silent = false;
}

static void on_silent (mesh_t *mesh, seen_t *seen, const zf_roster_effect_t *effect)
{
    if (!seen->is_evasive || seen->is_silent)
        mesh_fail (mesh, "%s is silent twice, or without having been evasive", effect->name);
    seen->is_silent = true;
}

void check_effect (mesh_t *mesh, node_t *node, const zf_roster_effect_t *effect)
{
    if (effect->type == ZF_ROSTER_NOTE) {
        mesh_trace (mesh, "%s notes: %s", node->name, effect->text);
        return;
    }
    seen_t *seen = node_seen (node, effect->uuid);
    if (seen->is_there == (effect->type == ZF_ROSTER_ENTER))
        mesh_fail (mesh, "%s: effect %d about %s, who is%s there", node->name, effect->type,
                   effect->name, seen->is_there ? "" : " not");
    if (effect->type == ZF_ROSTER_ENTER) {
        mesh_trace (mesh, "%s: ENTER %s", node->name, effect->name);
        seen->is_there = true;
    } else if (effect->type == ZF_ROSTER_EXIT) {
        on_exit_of (mesh, node, seen, effect);
    } else if (effect->type == ZF_ROSTER_JOIN || effect->type == ZF_ROSTER_LEAVE) {
        on_group (mesh, seen, effect);
    } else if (effect->type == ZF_ROSTER_WHISPER || effect->type == ZF_ROSTER_SHOUT) {
        on_message (mesh, node, seen, effect);
    } else if (effect->type == ZF_ROSTER_SILENT) {
        on_silent (mesh, seen, effect);
    } else {
        on_evasive (mesh, seen, effect);
    }
}

/* -- what comes on the wire -------------------------------------------------------------------- */

void check_sequence (mesh_t *mesh, node_t *node, const seen_t *before, const mail_t *mail)
{
    zf_zre_t message;
    seen_t *seen = node_seen (node, before->uuid);
    if (!zf_zre_decode (zf_bytes (mail->frame, mail->size), &message))
        return;
    uint16_t expected = message.id == ZF_ZRE_HELLO ? 1 : (uint16_t) (before->sequence + 1);
    seen->sequence = message.sequence;
    if (before->is_there && message.sequence != expected && seen->exits == before->exits)
        mesh_fail (mesh, "%s does not notice that messages were lost", node->name);
}

/* -- after each turn --------------------------------------------------------------------------- */

typedef struct {
    mesh_t *mesh;
    node_t *node;
} look_t;

/* Each peer is one whom the application was told of, and has been heard. */
static bool check_peer (void *arg, const zf_node_view_t *view)
{
    look_t *look = arg;
    const seen_t *seen = node_seen (look->node, view->uuid);
    if (!seen->is_there || seen->is_evasive != view->is_evasive)
        mesh_fail (look->mesh, "%s has not told about %s", look->node->name, view->name);
    if (look->mesh->now > view->heard_ms + EXPIRED_MS + 1000)
        mesh_fail (look->mesh, "%s keeps %s, who is silent", look->node->name, view->name);
    return true;
}

static uint32_t count_there (const node_t *node)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->seen_count; i++)
        count += node->seen[i].is_there;
    return count;
}

static void check_lines (mesh_t *mesh, const node_t *node)
{
    zf_bytes_t frame;
    zf_frame_t *const *content;
    size_t count;
    for (uint32_t slot = 0; slot < node->dealer_count; slot++) {
        const dealer_t *dealer = &node->dealers[slot];
        if (dealer->is_open && dealer->whispers > 1 && dealer->whisper_bytes > LINE_BYTES)
            mesh_fail (mesh, "%s has a line that is too long", node->name);
        if (!dealer->is_told && zf_roster_peek (node->roster, slot, &frame, &content, &count))
            mesh_fail (mesh, "%s has something to send, and has not said so", node->name);
    }
}

void check_node (mesh_t *mesh, node_t *node)
{
    zf_roster_stats_t stats;
    zf_roster_stats (node->roster, &stats);
    if (stats.candidates > ZF_ROSTER_CANDIDATES + PEERS_MAX || stats.peers > PEERS_MAX)
        mesh_fail (mesh, "%s knows too many", node->name);
    zf_roster_each (node->roster, check_peer, &(look_t){mesh, node});
    if (count_there (node) != stats.peers)
        mesh_fail (mesh, "%s has not told all that has changed", node->name);
    check_lines (mesh, node);
}

/* -- when all is calm -------------------------------------------------------------------------- */

static const node_t *node_with (const mesh_t *mesh, const uint8_t *uuid)
{
    for (uint32_t i = 0; i < mesh->count; i++)
        if (mesh->nodes[i].is_there &&
            memcmp (mesh->nodes[i].uuid, uuid, sizeof mesh->nodes[i].uuid) == 0)
            return &mesh->nodes[i];
    return NULL;
}

static void check_pair (mesh_t *mesh, node_t *node, const node_t *other)
{
    const seen_t *seen = node_seen (node, other->uuid);
    bool together = strcmp (node->space, other->space) == 0;
    if (seen->is_there != together)
        mesh_fail (mesh, "%s does%s see %s", node->name, together ? " not" : "", other->name);
    if (together && seen->groups != other->groups)
        mesh_fail (mesh, "%s sees %s in other groups", node->name, other->name);
    if (!other->is_zyre)
        check_offers_of (mesh, node, other);
}

static void check_ghosts (mesh_t *mesh, const node_t *node)
{
    for (uint32_t i = 0; i < node->seen_count; i++)
        if (node->seen[i].is_there && node_with (mesh, node->seen[i].uuid) == NULL)
            mesh_fail (mesh, "%s sees a ghost", node->name);
}

static void check_zyre (mesh_t *mesh, const node_t *node)
{
    uint32_t ready = 0, expected = 0;
    for (uint32_t i = 0; i < mesh->count; i++) {
        const node_t *other = &mesh->nodes[i];
        expected += other->is_there && other != node && !other->is_zyre && other->space[0] == 0;
    }
    for (uint32_t i = 0; i < node->zpeer_count; i++) {
        const zpeer_t *peer = &node->zpeers[i];
        const node_t *other = peer->is_used ? node_with (mesh, peer->uuid) : NULL;
        if (!peer->is_used || !peer->is_ready || (other != NULL && other->is_zyre))
            continue;
        ready++;
        if (other == NULL || other->space[0] != 0)
            mesh_fail (mesh, "%s (Zyre) sees a ghost", node->name);
        else if (peer->groups != other->groups)
            mesh_fail (mesh, "%s (Zyre) sees %s in other groups", node->name, other->name);
    }
    if (ready != expected)
        mesh_fail (mesh, "%s (Zyre) sees %u of %u", node->name, ready, expected);
}

void check_settled (mesh_t *mesh)
{
    for (uint32_t i = 0; i < mesh->count; i++) {
        node_t *node = &mesh->nodes[i];
        if (node->is_there && node->is_zyre)
            check_zyre (mesh, node);
        for (uint32_t j = 0; j < mesh->count && node->is_there && !node->is_zyre; j++)
            if (j != i && mesh->nodes[j].is_there)
                check_pair (mesh, node, &mesh->nodes[j]);
        if (node->is_there && !node->is_zyre)
            check_ghosts (mesh, node);
    }
}
