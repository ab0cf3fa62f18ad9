#include "core/log.h"
#include "tests/mesh/mesh.h"

#include <stdio.h>
#include <stdlib.h>
#include <zferry/error.h>

#define MANY   230          /* offers of a node that has more than headers tell */
#define FORGED (OFFERS - 2) /* what nobody offers */
#define LOOKS  16           /* turns until directories are compared; more if they are large */

/* -- sets of offers ---------------------------------------------------------------------------- */

static bool has (const offer_set_t *set, uint32_t i)
{
    return (set->bits[i / 64] >> i % 64 & 1) != 0;
}

static void flip (offer_set_t *set, uint32_t i)
{
    set->bits[i / 64] ^= UINT64_C (1) << i % 64;
    set->count = has (set, i) ? set->count + 1 : set->count - 1;
}

static bool has_anywhere (const offer_set_t *set, uint32_t offer)
{
    for (uint32_t i = offer; i < OFFER_BITS; i += OFFERS)
        if (has (set, i))
            return true;
    return false;
}

/* -- words ------------------------------------------------------------------------------------- */

/* Every other offer is wherever its node is. */
static bool is_anywhere (uint32_t offer)
{
    return offer % 2 == 0;
}

static void write_what (uint32_t offer, char out[OFFER_TEXT])
{
    snprintf (out, OFFER_TEXT, "service/s%03u", offer);
}

static void write_endpoint (uint32_t offer, const char *host, char out[OFFER_TEXT])
{
    snprintf (out, OFFER_TEXT, "tcp://%s:%u", is_anywhere (offer) ? host : "there", 1 + offer);
}

/* Hosts are p and q with a node's index, and there, x and q of who forges. */
static uint32_t number_of_host (const char *host)
{
    uint32_t index = (uint32_t) strtoul (host + 1, NULL, 10) % NODES_MAX;
    bool is_forged = host[1] < '0' || host[1] > '9';
    if (is_forged)
        return 2 * NODES_MAX + (host[0] == 'q');
    return 2 * index + (host[0] == 'q');
}

static uint32_t number_at (uint32_t offer, const char *host)
{
    return OFFERS * (is_anywhere (offer) ? number_of_host (host) : 0) + offer;
}

/* What a node is told about, as a number below OFFER_BITS: an offer that is wherever its node is,
 * is another one at each host. */
static uint32_t number_of (mesh_t *mesh, const zf_offer_view_t *view)
{
    const char *host = view->endpoint + strlen ("tcp://");
    const char *colon = strchr (host, ':');
    uint32_t offer = (uint32_t) strtoul (view->what + strlen ("service/s"), NULL, 10);
    if (offer >= OFFERS || colon == NULL || strtoul (colon + 1, NULL, 10) != offer + 1 ||
        (host[0] == 't') == is_anywhere (offer))
        mesh_fail (mesh, "nobody ever offered %s at %s", view->what, view->endpoint);
    return number_at (offer, host);
}

/* -- what it is told --------------------------------------------------------------------------- */

static node_t *owner_of (mesh_t *mesh, const uint8_t *uuid)
{
    for (uint32_t i = 0; i < mesh->count; i++)
        if (mesh->nodes[i].is_there && memcmp (mesh->nodes[i].uuid, uuid, ZF_UUID_BYTES) == 0)
            return &mesh->nodes[i];
    return NULL;
}

/* An offer has gone though its node is still known. */
static void count_gone (mesh_t *mesh, const node_t *node, seen_t *seen, uint32_t offer)
{
    const node_t *owner = owner_of (mesh, seen->uuid);
    if (seen->gone == NULL)
        seen->gone = calloc (OFFERS, sizeof *seen->gone);
    seen->gone[offer]++;
    if (owner != NULL && seen->gone[offer] > owner->withdrawn[offer])
        mesh_fail (mesh, "%s loses offer %u of %s, who has not withdrawn it", node->name, offer,
                   owner->name);
}

static void on_change (mesh_t *mesh, node_t *node, const zf_offer_view_t *change)
{
    uint32_t number = number_of (mesh, change), offer = number % OFFERS;
    seen_t *seen = change->is_own ? NULL : node_seen (node, change->uuid);
    offer_set_t *set = change->is_own ? &node->own_shown : &seen->offers;
    mesh_trace (mesh, "%s: %x %s %s %s", node->name, change->uuid[0],
                change->is_gone ? "withdraws" : "offers", change->what, change->endpoint);
    if (has (set, number) != change->is_gone)
        mesh_fail (mesh, "%s is told twice about %s", node->name, change->what);
    flip (set, number);
    if (seen != NULL && seen->is_there && change->is_gone && !has_anywhere (set, offer))
        count_gone (mesh, node, seen, offer);
}

/* What its application sees; changed: as the directory says. */
static void show (mesh_t *mesh, node_t *node, bool changed)
{
    zf_offer_view_t change;
    while (changed && zf_offers_next_change (node->offers, &change))
        on_change (mesh, node, &change);
}

/* -- as the shell of a node -------------------------------------------------------------------- */

/* What is whispered to foreigners would be shown to people; but who forges can say of one of ours
 * that it is where they are. */
void offers_stranger (mesh_t *mesh, const node_t *node, const mail_t *mail)
{
    if (mail->list_size > 0 && (mesh->is_honest || mesh->mode != MODE_STORM))
        mesh_fail (mesh, "%s (Zyre) is told what zferry offers", node->name);
}

/* What goes now goes with the node. */
static void on_exit_of (mesh_t *mesh, node_t *node, const uint8_t *uuid)
{
    seen_t *seen = node_seen (node, uuid);
    bool was_there = seen->is_there;
    seen->is_there = false;
    show (mesh, node, zf_herald_left (&node->herald, uuid));
    seen->is_there = was_there;
}

bool offers_effect (mesh_t *mesh, node_t *node, const zf_roster_effect_t *effect)
{
    zf_node_view_t view;
    bool changed = false, is_list = false;
    if (effect->type == ZF_ROSTER_ENTER && zf_roster_find (node->roster, effect->uuid, &view))
        changed = zf_herald_entered (&node->herald, &view);
    else if (effect->type == ZF_ROSTER_EXIT)
        on_exit_of (mesh, node, effect->uuid);
    else if (effect->type == ZF_ROSTER_WHISPER)
        is_list = zf_herald_heard (&node->herald, effect, &changed);
    show (mesh, node, changed);
    return is_list;
}

void offers_greet (mesh_t *mesh, node_t *node, const zf_roster_effect_t *effect)
{
    dealer_t *dealer = &node->dealers[effect->slot];
    dealer->hearer = calloc (1, sizeof *dealer->hearer);
    show (mesh, node,
          zf_herald_greeted (&node->herald, dealer->hearer, effect->uuid,
                             zf_bytes_of (effect->text)));
}

void offers_part (node_t *node, uint32_t slot)
{
    dealer_t *dealer = &node->dealers[slot];
    if (dealer->hearer == NULL)
        return;
    zf_herald_closed (&node->herald, dealer->hearer);
    free (dealer->hearer);
    dealer->hearer = NULL;
}

void offers_free (node_t *node)
{
    for (uint32_t slot = 0; slot < node->dealer_count; slot++)
        offers_part (node, slot);
    for (uint32_t i = 0; i < node->seen_count; i++)
        free (node->seen[i].gone);
    zf_herald_close (&node->herald);
    zf_offers_free (&node->offers);
}

/* -- what it offers ---------------------------------------------------------------------------- */

static void toggle (mesh_t *mesh, node_t *node, uint32_t offer)
{
    char what[OFFER_TEXT], endpoint[OFFER_TEXT];
    bool offered = has (&node->offered, offer);
    write_what (offer, what);
    write_endpoint (offer, "*", endpoint);
    zf_bytes_t at = zf_bytes_of (endpoint);
    int rc = offered ? zf_offers_withdraw (node->offers, zf_bytes_of (what), &at)
                     : zf_offers_announce (node->offers, zf_bytes_of (what), at);
    if (rc != !offered)
        mesh_fail (mesh, "%s: offer %s: %s", node->name, what, zf_strerror (rc));
    flip (&node->offered, offer);
    node->withdrawn[offer] += offered;
}

void offers_change (mesh_t *mesh, node_t *node)
{
    uint32_t first = node->has_many && prng_one_in (&mesh->prng, 2) ? MANY : 0;
    uint32_t most = first == 0 ? mesh->offers_few : FORGED;
    if (mesh->now >= mesh->offers_until)
        return;
    for (uint64_t i = 1 + chance (mesh, 3); i > 0; i--) {
        uint32_t offer = (uint32_t) prng_between (&mesh->prng, first, most - 1);
        if (offer >= OFFERS_STEADY || !has (&node->offered, offer))
            toggle (mesh, node, offer);
    }
    zf_herald_changed (&node->herald);
    show (mesh, node, true);
}

static void offer_first (mesh_t *mesh, node_t *node)
{
    node->has_many = mesh->has_many && prng_one_in (&mesh->prng, 2);
    uint32_t count = node->has_many ? MANY : (uint32_t) chance (mesh, mesh->offers_few);
    for (uint32_t i = 0; i < count; i++)
        toggle (mesh, node, i);
    if (count > 0)
        zf_herald_changed (&node->herald);
    show (mesh, node, true);
}

void offers_start (mesh_t *mesh, node_t *node)
{
    zf_bytes_t version = zf_bytes_of ("1");
    memset (&node->offered, 0, sizeof node->offered);
    memset (&node->own_shown, 0, sizeof node->own_shown);
    memset (node->withdrawn, 0, sizeof node->withdrawn);
    node->offers = zf_offers_new ();
    zf_offers_own_host (node->offers, zf_endpoint_host (zf_bytes_of (node->endpoint)), node->uuid);
    zf_herald_open (&node->herald, node->roster, node->offers, zf_frame_new);
    zf_roster_header (node->roster, zf_bytes_of (ZF_HEADER_VERSION), &version);
    offer_first (mesh, node);
}

/* -- what must be true ------------------------------------------------------------------------- */

typedef struct {
    mesh_t *mesh;
    node_t *node;
    uint32_t count;
} look_t;

/* Each offer is of somebody who is there, and the application was told. */
static bool check_offer (void *arg, const zf_offer_view_t *offer)
{
    look_t *look = arg;
    uint32_t number = number_of (look->mesh, offer);
    const seen_t *seen = offer->is_own ? NULL : node_seen (look->node, offer->uuid);
    if (seen != NULL && !seen->is_there)
        mesh_fail (look->mesh, "%s knows an offer of nobody", look->node->name);
    if (!has (seen != NULL ? &seen->offers : &look->node->own_shown, number))
        mesh_fail (look->mesh, "%s has not told of %s", look->node->name, offer->what);
    look->count++;
    return true;
}

static void compare (mesh_t *mesh, node_t *node)
{
    look_t look = {mesh, node, 0};
    uint32_t shown = node->own_shown.count;
    zf_offers_each (node->offers, zf_bytes (NULL, 0), check_offer, &look);
    for (uint32_t i = 0; i < node->seen_count; i++)
        shown += node->seen[i].offers.count;
    if (look.count != shown)
        mesh_fail (mesh, "%s has not told what has gone", node->name);
    node->looks = LOOKS + look.count / 2;
}

void check_offers (mesh_t *mesh, node_t *node)
{
    if (HASH_COUNT (node->herald.hearers) > node->dealer_count)
        mesh_fail (mesh, "%s tells more than it knows", node->name);
    if (node->looks-- > 0)
        return;
    compare (mesh, node);
}

void check_offers_of (mesh_t *mesh, node_t *node, const node_t *other)
{
    bool together = strcmp (node->space, other->space) == 0;
    const offer_set_t *seen = &node_seen (node, other->uuid)->offers;
    const char *host = other->endpoint + strlen ("tcp://");
    compare (mesh, node);
    if (seen->count != (together ? other->offered.count : 0))
        mesh_fail (mesh, "%s sees %u offers of %s, who has %u", node->name, seen->count,
                   other->name, other->offered.count);
    for (uint32_t i = 0; i < OFFERS && together; i++)
        if (has (&other->offered, i) && !has (seen, number_at (i, host)))
            mesh_fail (mesh, "%s does not see offer %u of %s", node->name, i, other->name);
}
