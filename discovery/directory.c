#include "discovery/directory.h"

#include "core/hash.h"
#include "discovery/offers.h"
#include <bsd/sys/tree.h>
#include <stdlib.h>
#include <utlist.h>
#include <xxhash.h>
#include <zferry/directory.h>

#define RESOLVED_MAX 600 /* bytes of an endpoint with a host put in */

typedef struct offer offer_t;
typedef struct node node_t;

/* What is to be told of an offer: it lies inside of the offer. */
typedef struct change {
    struct change *prev, *next; /* in the list of changes (utlist) */
    offer_t *offer;
    bool is_gone;
    bool is_listed; /* it waits to be fetched */
} change_t;

struct offer {
    RB_ENTRY (offer) entry; /* of all, by what, endpoint, uuid */
    offer_t *prev, *next;   /* those of its node, in the order in which they came */
    change_t came, went;
    uint8_t uuid[ZF_UUID_BYTES];
    bool is_own;
    bool is_stale; /* the list that is being read has not said it yet */
    bool is_gone;  /* in no list but that of changes */
    const char *what;
    const char *endpoint; /* with the host put in */
    const char *raw;      /* as it was said */
    char text[];          /* these three */
};

struct node {
    UT_hash_handle hh;
    uint8_t uuid[ZF_UUID_BYTES];
    offer_t *offers;
    uint32_t count;  /* of them, without those that are stale */
    uint64_t digest; /* of the list as it was read; 0: none, or not all of it */
};

RB_HEAD (offer_tree, offer);

struct zf_offers {
    node_t own;             /* uuid: who we are */
    char host[256];         /* ours */
    node_t *nodes;          /* the others, by uuid */
    uint32_t count;         /* offers of the others, without those that are stale */
    struct offer_tree tree; /* all offers that are there */
    change_t *changes;      /* in order */
    offer_t *shown;         /* by the last change: gone, and kept until the next call */
};

/* -- order ------------------------------------------------------------------------------------- */

static int compare (const offer_t *a, const offer_t *b)
{
    int order = strcmp (a->what, b->what);
    if (order == 0)
        order = strcmp (a->endpoint, b->endpoint);
    if (order == 0)
        order = memcmp (a->uuid, b->uuid, sizeof a->uuid);
    return order != 0 || !a->is_own ? order : strcmp (a->raw, b->raw);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
RB_GENERATE_INTERNAL (offer_tree, offer, entry, compare, static)
#pragma GCC diagnostic pop

/* -- offers ------------------------------------------------------------------------------------ */

static char *put_text (char *at, zf_bytes_t text, const char **where)
{
    memcpy (at, text.data, text.size);
    *where = at;
    return at + text.size + 1; /* there is a zero: it was calloc'ed */
}

/* An offer that is nowhere yet. endpoint: with the host put in. */
static offer_t *make_offer (const node_t *node, zf_bytes_t what, zf_bytes_t raw,
                            const char *endpoint)
{
    size_t size = strlen (endpoint);
    offer_t *offer = calloc (1, sizeof *offer + what.size + size + raw.size + 3);
    if (offer == NULL)
        return NULL;
    char *at = put_text (offer->text, what, &offer->what);
    at = put_text (at, zf_bytes (endpoint, size), &offer->endpoint);
    put_text (at, raw, &offer->raw);
    memcpy (offer->uuid, node->uuid, sizeof offer->uuid);
    offer->came.offer = offer;
    offer->went.offer = offer;
    offer->went.is_gone = true;
    return offer;
}

static void list_change (zf_offers_t *offers, change_t *change)
{
    DL_APPEND (offers->changes, change);
    change->is_listed = true;
}

static void unlist_change (zf_offers_t *offers, change_t *change)
{
    DL_DELETE (offers->changes, change);
    change->is_listed = false;
}

/* Counts one in, or out (UINT32_MAX). */
static void count (zf_offers_t *offers, node_t *node, uint32_t change)
{
    node->count += change;
    offers->count += node != &offers->own ? change : 0;
}

static void add_offer (zf_offers_t *offers, node_t *node, offer_t *offer)
{
    offer->is_own = node == &offers->own;
    RB_INSERT (offer_tree, &offers->tree, offer);
    DL_APPEND (node->offers, offer);
    count (offers, node, 1);
    list_change (offers, &offer->came);
}

static void set_stale (zf_offers_t *offers, node_t *node, offer_t *offer, bool is_stale)
{
    if (offer->is_stale == is_stale)
        return;
    offer->is_stale = is_stale;
    count (offers, node, is_stale ? UINT32_MAX : 1);
}

static void remove_offer (zf_offers_t *offers, node_t *node, offer_t *offer)
{
    set_stale (offers, node, offer, true); /* counted out */
    RB_REMOVE (offer_tree, &offers->tree, offer);
    DL_DELETE (node->offers, offer);
    offer->is_gone = true;
    if (!offer->came.is_listed) {
        list_change (offers, &offer->went);
        return;
    }
    unlist_change (offers, &offer->came);
    free (offer);
}

/* raw NULL: wherever it is. */
static offer_t *find_said (const node_t *node, zf_bytes_t what, const zf_bytes_t *raw)
{
    offer_t *offer;
    DL_FOREACH (node->offers, offer) {
        if (zf_bytes_equal (zf_bytes_of (offer->what), what) &&
            (raw == NULL || zf_bytes_equal (zf_bytes_of (offer->raw), *raw)))
            return offer;
    }
    return NULL;
}

/* -- ours -------------------------------------------------------------------------------------- */

zf_offers_t *zf_offers_new (void)
{
    zf_offers_t *offers = calloc (1, sizeof *offers);
    if (offers != NULL)
        strcpy (offers->host, "127.0.0.1");
    return offers;
}

int zf_offers_announce (zf_offers_t *offers, zf_bytes_t what, zf_bytes_t endpoint)
{
    char resolved[RESOLVED_MAX];
    if (!zf_offer_is_what (what, false) || !zf_offer_is_endpoint (endpoint))
        return ZF_E_INVAL;
    if (find_said (&offers->own, what, &endpoint) != NULL)
        return 0;
    if (offers->own.count >= ZF_OFFERS_MAX)
        return ZF_E_LIMIT;
    zf_endpoint_with_host (endpoint, zf_bytes_of (offers->host), resolved, sizeof resolved);
    offer_t *offer = make_offer (&offers->own, what, endpoint, resolved);
    if (offer == NULL)
        return ZF_E_NOMEM;
    add_offer (offers, &offers->own, offer);
    return 1;
}

int zf_offers_withdraw (zf_offers_t *offers, zf_bytes_t what, const zf_bytes_t *endpoint)
{
    int rc = ZF_E_NOT_FOUND;
    offer_t *offer;
    while ((offer = find_said (&offers->own, what, endpoint)) != NULL) {
        remove_offer (offers, &offers->own, offer);
        rc = 0;
    }
    return rc;
}

static void write_said (const node_t *node, zf_writer_t *w)
{
    const offer_t *offer;
    DL_FOREACH (node->offers, offer) {
        zf_write_bytes (w, offer->what, strlen (offer->what));
        zf_write_u8 (w, ' ');
        zf_write_bytes (w, offer->raw, strlen (offer->raw));
        zf_write_u8 (w, '\n');
    }
}

void zf_offers_write (const zf_offers_t *offers, zf_writer_t *w)
{
    write_said (&offers->own, w);
}

static void free_list (offer_t *list)
{
    offer_t *offer, *next;
    DL_FOREACH_SAFE (list, offer, next)
        free (offer);
}

/* A copy of our offers as they are by this host. Returns false if memory is short. */
static bool copy_own (const zf_offers_t *offers, const node_t *as, zf_bytes_t host,
                      offer_t **copies)
{
    char resolved[RESOLVED_MAX];
    const offer_t *offer;
    DL_FOREACH (offers->own.offers, offer) {
        zf_bytes_t raw = zf_bytes_of (offer->raw);
        zf_endpoint_with_host (raw, host, resolved, sizeof resolved);
        offer_t *copy = make_offer (as, zf_bytes_of (offer->what), raw, resolved);
        if (copy == NULL)
            return false;
        DL_APPEND (*copies, copy);
    }
    return true;
}

/* Puts the copies in the place of our offers; those that are the same stay. */
static void replace_own (zf_offers_t *offers, offer_t *copies)
{
    node_t *own = &offers->own;
    offer_t *old = own->offers;
    while (copies != NULL) {
        offer_t *copy = copies;
        offer_t *next = old->next;
        bool same = compare (old, copy) == 0;
        DL_DELETE (copies, copy);
        if (same) { /* to the end, so that the order stays */
            DL_DELETE (own->offers, old);
            DL_APPEND (own->offers, old);
            free (copy);
        } else {
            add_offer (offers, own, copy);
            remove_offer (offers, own, old);
        }
        old = next;
    }
}

int zf_offers_own_host (zf_offers_t *offers, zf_bytes_t host, const uint8_t uuid[ZF_UUID_BYTES])
{
    node_t as = {.count = 0};
    offer_t *copies = NULL;
    if (host.size == 0 || host.size >= sizeof offers->host)
        return ZF_E_INVAL;
    memcpy (as.uuid, uuid, sizeof as.uuid);
    if (!copy_own (offers, &as, host, &copies)) {
        free_list (copies);
        return ZF_E_NOMEM;
    }
    zf_offers_forget (offers, uuid);
    memcpy (offers->own.uuid, uuid, sizeof offers->own.uuid);
    memcpy (offers->host, host.data, host.size);
    offers->host[host.size] = '\0';
    replace_own (offers, copies);
    return 0;
}

/* -- those of others --------------------------------------------------------------------------- */

static unsigned hash_of (const uint8_t uuid[ZF_UUID_BYTES])
{
    return (unsigned) XXH3_64bits (uuid, ZF_UUID_BYTES);
}

static node_t *find_node (const zf_offers_t *offers, const uint8_t uuid[ZF_UUID_BYTES])
{
    node_t *node;
    HASH_FIND_BYHASHVALUE (hh, offers->nodes, uuid, ZF_UUID_BYTES, hash_of (uuid), node);
    return node;
}

static node_t *add_node (zf_offers_t *offers, const uint8_t uuid[ZF_UUID_BYTES])
{
    node_t *node = calloc (1, sizeof *node);
    if (node == NULL)
        return NULL;
    memcpy (node->uuid, uuid, sizeof node->uuid);
    HASH_ADD_KEYPTR_BYHASHVALUE (hh, offers->nodes, node->uuid, ZF_UUID_BYTES, hash_of (uuid),
                                 node);
    if (node->hh.tbl != NULL)
        return node;
    free (node);
    return NULL;
}

/* What it has said goes with it. */
static void remove_node (zf_offers_t *offers, node_t *node)
{
    while (node->offers != NULL)
        remove_offer (offers, node, node->offers);
    HASH_DEL (offers->nodes, node); /* NOLINT(clang-analyzer-*): uthash knows it is there */
    free (node);
}

static uint64_t digest_of (zf_bytes_t lines, zf_bytes_t host)
{
    uint64_t digest = XXH3_64bits_withSeed (host.data, host.size, 1);
    digest = XXH3_64bits_withSeed (lines.data, lines.size, digest);
    return digest != 0 ? digest : 1;
}

/* Takes in what the node says. Returns false if it is one too many, or memory is short. */
static bool take_offer (zf_offers_t *offers, node_t *node, zf_bytes_t what, zf_bytes_t raw,
                        const char *endpoint)
{
    char text[ZF_OFFER_WHAT_MAX + 1] = {0};
    offer_t like = {.what = text, .endpoint = endpoint};
    memcpy (text, what.data, what.size);
    memcpy (like.uuid, node->uuid, sizeof like.uuid);
    offer_t *offer = RB_FIND (offer_tree, &offers->tree, &like);
    if (offer != NULL && !offer->is_stale)
        return true; /* it says it twice */
    if (node->count >= ZF_OFFERS_MAX || offers->count >= ZF_OFFERS_ALL_MAX)
        return false;
    if (offer != NULL)
        set_stale (offers, node, offer, false);
    else if ((offer = make_offer (node, what, raw, endpoint)) != NULL)
        add_offer (offers, node, offer);
    return offer != NULL;
}

/* "KIND/NAME ENDPOINT". Returns false if it should be there and is not. */
static bool read_line (zf_offers_t *offers, node_t *node, zf_bytes_t line, zf_bytes_t host)
{
    char resolved[RESOLVED_MAX];
    const uint8_t *space = line.size > 0 ? memchr (line.data, ' ', line.size) : NULL;
    if (space == NULL)
        return true;
    zf_bytes_t what = zf_bytes (line.data, (size_t) (space - (const uint8_t *) line.data));
    zf_bytes_t raw = zf_bytes (space + 1, line.size - what.size - 1);
    if (!zf_offer_is_what (what, false) || !zf_offer_is_endpoint (raw) ||
        !zf_endpoint_with_host (raw, host, resolved, sizeof resolved) ||
        !zf_offer_is_plain (zf_bytes_of (resolved)))
        return true;
    return take_offer (offers, node, what, raw, resolved);
}

static zf_bytes_t next_line (zf_reader_t *r)
{
    const uint8_t *end = memchr (r->at, '\n', zf_reader_left (r));
    size_t size = end != NULL ? (size_t) (end - r->at) : zf_reader_left (r);
    zf_bytes_t line = zf_read_bytes (r, size);
    zf_read_bytes (r, end != NULL ? 1 : 0);
    return line;
}

/* Returns false if not all of them could be kept. */
static bool read_lines (zf_offers_t *offers, node_t *node, zf_bytes_t lines, zf_bytes_t host)
{
    zf_reader_t r = zf_reader (lines);
    bool all = true;
    while (zf_reader_left (&r) > 0) {
        zf_bytes_t line = next_line (&r);
        if ((size_t) (r.at - (const uint8_t *) lines.data) > ZF_OFFERS_BYTES_MAX)
            return false;
        all = read_line (offers, node, line, host) && all;
    }
    return all;
}

/* Takes out what the list did not say again. */
static bool remove_stale (zf_offers_t *offers, node_t *node)
{
    offer_t *offer, *next;
    bool any = false;
    DL_FOREACH_SAFE (node->offers, offer, next) {
        if (!offer->is_stale)
            continue;
        remove_offer (offers, node, offer);
        any = true;
    }
    return any;
}

/* Returns true if anything has changed. */
static bool read_list (zf_offers_t *offers, node_t *node, zf_bytes_t lines, zf_bytes_t host)
{
    const offer_t *last = node->offers != NULL ? node->offers->prev : NULL;
    uint64_t digest = digest_of (lines, host);
    offer_t *offer;
    if (node->digest == digest)
        return false;
    DL_FOREACH (node->offers, offer)
        set_stale (offers, node, offer, true);
    node->digest = read_lines (offers, node, lines, host) ? digest : 0;
    bool changed = node->offers != NULL && node->offers->prev != last;
    return remove_stale (offers, node) || changed;
}

bool zf_offers_replace (zf_offers_t *offers, const uint8_t uuid[ZF_UUID_BYTES], zf_bytes_t lines,
                        zf_bytes_t host)
{
    node_t *node = find_node (offers, uuid);
    if (memcmp (uuid, offers->own.uuid, ZF_UUID_BYTES) == 0)
        return false;
    if (node == NULL && lines.size > 0)
        node = add_node (offers, uuid);
    if (node == NULL)
        return false;
    bool changed = read_list (offers, node, lines, host);
    if (node->offers == NULL)
        remove_node (offers, node);
    return changed;
}

bool zf_offers_move (zf_offers_t *offers, const uint8_t uuid[ZF_UUID_BYTES], zf_bytes_t host)
{
    node_t *node = find_node (offers, uuid);
    zf_writer_t lines = {0};
    bool changed = false;
    if (node == NULL)
        return false;
    write_said (node, &lines);
    if (!lines.failed)
        changed = read_list (offers, node, zf_bytes (lines.data, lines.size), host);
    node->digest = 0; /* what it said may have been more */
    zf_writer_free (&lines);
    if (node->offers == NULL)
        remove_node (offers, node);
    return changed;
}

bool zf_offers_forget (zf_offers_t *offers, const uint8_t uuid[ZF_UUID_BYTES])
{
    node_t *node = find_node (offers, uuid);
    if (node != NULL)
        remove_node (offers, node);
    return node != NULL;
}

/* -- what has changed -------------------------------------------------------------------------- */

static zf_offer_view_t view_of (const offer_t *offer, bool is_gone)
{
    zf_offer_view_t view = {
        .what = offer->what,
        .endpoint = offer->endpoint,
        .is_own = offer->is_own,
        .is_gone = is_gone,
    };
    memcpy (view.uuid, offer->uuid, sizeof view.uuid);
    return view;
}

bool zf_offers_next_change (zf_offers_t *offers, zf_offer_view_t *change)
{
    change_t *first = offers->changes;
    free (offers->shown);
    offers->shown = NULL;
    if (first == NULL)
        return false;
    unlist_change (offers, first);
    *change = view_of (first->offer, first->is_gone);
    offers->shown = first->is_gone ? first->offer : NULL;
    return true;
}

void zf_offers_free (zf_offers_t **offers)
{
    zf_offers_t *self = *offers;
    node_t *node, *next;
    zf_offer_view_t change;
    *offers = NULL;
    if (self == NULL)
        return;
    HASH_ITER (hh, self->nodes, node, next)
        remove_node (self, node);
    while (self->own.offers != NULL)
        remove_offer (self, &self->own, self->own.offers);
    while (zf_offers_next_change (self, &change)) {
    }
    free (self);
}

/* -- looking up -------------------------------------------------------------------------------- */

size_t zf_offers_each (zf_offers_t *offers, zf_bytes_t pattern, zf_offers_fn *fn, void *arg)
{
    size_t shown = 0;
    offer_t *offer;
    if (pattern.size > 0 && !zf_offer_is_what (pattern, true))
        return 0;
    RB_FOREACH (offer, offer_tree, &offers->tree) {
        if (pattern.size > 0 && !zf_offer_matches (pattern, zf_bytes_of (offer->what)))
            continue;
        zf_offer_view_t view = view_of (offer, false);
        shown++;
        if (!fn (arg, &view))
            break;
    }
    return shown;
}
