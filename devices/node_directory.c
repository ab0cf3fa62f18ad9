#include "devices/node_inside.h"

#include <stdio.h>

/* -- ours -------------------------------------------------------------------------------------- */

static int check_offer (const char *what, const char *endpoint, zf_error_t *err)
{
    if (what == NULL || !zf_offer_is_what (zf_bytes_of (what), false))
        return zf_error_set (err, ZF_E_INVAL,
                             "%s: not KIND/NAME, the kind in lower-case letters, without spaces",
                             what != NULL ? what : "(nothing)");
    if (endpoint == NULL || endpoint[0] == '\0' || strlen (endpoint) > ZF_OFFER_ENDPOINT_MAX)
        return zf_error_set (err, ZF_E_INVAL, "%s: an endpoint has 1 to %d bytes", what,
                             ZF_OFFER_ENDPOINT_MAX);
    return 0;
}

static void change_offers (zf_node_t *self)
{
    zf_herald_changed (&self->herald);
    zf_offers_settle (self);
    zf_node_wake (self);
}

/* Others have to know whose key is there. */
static int put_key (const zf_node_t *self, const char *endpoint, char at[ZF_OFFER_ENDPOINT_MAX + 1],
                    zf_error_t *err)
{
    if (zf_node_is_secured (self) &&
        strlen (endpoint) + ZF_KEY_TEXT > (size_t) ZF_OFFER_ENDPOINT_MAX)
        return zf_error_set (err, ZF_E_INVAL, "%s: too long, with a key behind it", endpoint);
    snprintf (at, ZF_OFFER_ENDPOINT_MAX + 1, "%s", endpoint);
    zf_node_add_key (self, at, ZF_OFFER_ENDPOINT_MAX + 1);
    return 0;
}

int zf_node_announce (zf_node_t *self, const char *what, const char *endpoint, zf_error_t *err)
{
    char at[ZF_OFFER_ENDPOINT_MAX + 1];
    int rc = check_offer (what, endpoint, err);
    if (rc == 0)
        rc = put_key (self, endpoint, at, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock (&self->lock);
    rc = zf_offers_announce (self->offers, zf_bytes_of (what), zf_bytes_of (at));
    if (rc == 1)
        change_offers (self);
    pthread_mutex_unlock (&self->lock);
    if (rc < 0)
        return zf_error_set (err, rc, "offer %s at %s: %s", what, endpoint, zf_strerror (rc));
    return 0;
}

int zf_node_withdraw (zf_node_t *self, const char *what, const char *endpoint)
{
    char text[ZF_OFFER_ENDPOINT_MAX + 1];
    if (endpoint != NULL && put_key (self, endpoint, text, NULL) != 0)
        return ZF_E_NOT_FOUND;
    zf_bytes_t at = zf_bytes_of (endpoint != NULL ? text : "");
    pthread_mutex_lock (&self->lock);
    int rc = zf_offers_withdraw (self->offers, zf_bytes_of (what), endpoint != NULL ? &at : NULL);
    if (rc >= 0)
        change_offers (self);
    pthread_mutex_unlock (&self->lock);
    return rc < 0 ? ZF_E_NOT_FOUND : 0;
}

/* -- looking up -------------------------------------------------------------------------------- */

static const char *name_of (zf_node_t *self, const zf_offer_view_t *offer)
{
    zf_node_view_t view;
    if (offer->is_own)
        return self->name;
    return zf_roster_find (self->roster, offer->uuid, &view) ? view.name : "";
}

typedef struct {
    zf_node_t *node;
    zf_offer_fn *fn;
    void *arg;
} search_t;

static bool show_offer (void *arg, const zf_offer_view_t *offer)
{
    const search_t *search = arg;
    char id[ZF_PEER_ID];
    zf_node_write_id (offer->uuid, id);
    zf_offer_t shown = {.what = offer->what,
                        .endpoint = offer->endpoint,
                        .id = offer->is_own ? search->node->id : id,
                        .name = name_of (search->node, offer),
                        .is_own = offer->is_own};
    return search->fn == NULL || search->fn (search->arg, &shown);
}

static size_t search_offers (zf_node_t *self, const char *what, zf_offer_fn *fn, void *arg)
{
    search_t search = {self, fn, arg};
    return zf_offers_each (self->offers, zf_bytes_of (what != NULL ? what : ""), show_offer,
                           &search);
}

size_t zf_node_find (zf_node_t *self, const char *what, zf_offer_fn *fn, void *arg)
{
    pthread_mutex_lock (&self->lock);
    size_t count = search_offers (self, what, fn, arg);
    pthread_mutex_unlock (&self->lock);
    return count;
}

typedef struct {
    const char *what;
    size_t count;
} wish_t;

static bool are_offered (zf_node_t *self, const void *arg)
{
    const wish_t *wish = arg;
    return search_offers (self, wish->what, NULL, NULL) >= wish->count;
}

int zf_node_await (zf_node_t *self, const char *what, size_t count, int timeout_ms)
{
    wish_t wish = {what, count};
    if (what != NULL && !zf_offer_is_what (zf_bytes_of (what), true))
        return ZF_E_INVAL;
    return zf_node_until (self, are_offered, &wish, timeout_ms);
}

/* -- telling the application ------------------------------------------------------------------- */

/* name: of the node, if it is not one that is there any more. */
static void settle (zf_node_t *self, const char *name)
{
    zf_offer_view_t change;
    bool any = false;
    while (zf_offers_next_change (self->offers, &change)) {
        char id[ZF_PEER_ID];
        zf_node_write_id (change.is_own ? self->uuid : change.uuid, id);
        zf_peer_event_t event = {.type = change.is_gone ? ZF_PEER_WITHDRAW : ZF_PEER_OFFER,
                                 .id = id,
                                 .name = name != NULL ? name : name_of (self, &change),
                                 .endpoint = change.endpoint,
                                 .text = change.what};
        zf_node_tell (self, &event, NULL, 0);
        any = true;
    }
    if (!any)
        return;
    self->news = true;
    pthread_cond_broadcast (&self->changed);
}

void zf_offers_settle (zf_node_t *self)
{
    settle (self, NULL);
}

/* -- between roster and directory -------------------------------------------------------------- */

static zf_frame_t *new_frame (size_t size)
{
    zf_sheet_t *sheet = zf_sheet_new (size);
    return sheet != NULL ? &sheet->frame : NULL;
}

void zf_offers_open (zf_node_t *self)
{
    zf_herald_open (&self->herald, self->roster, self->offers, new_frame);
}

void zf_offers_line (zf_node_t *self, zf_line_t *line, const char *endpoint)
{
    if (zf_herald_greeted (&self->herald, &line->hearer, line->uuid, zf_bytes_of (endpoint)))
        settle (self, NULL);
}

void zf_offers_entered (zf_node_t *self, const zf_node_view_t *view)
{
    if (zf_herald_entered (&self->herald, view))
        settle (self, view->name);
}

void zf_offers_left (zf_node_t *self, const zf_roster_effect_t *effect)
{
    if (zf_herald_left (&self->herald, effect->uuid))
        settle (self, effect->name);
}

bool zf_offers_whispered (zf_node_t *self, const zf_roster_effect_t *effect)
{
    bool changed;
    if (!zf_herald_heard (&self->herald, effect, &changed))
        return false;
    if (changed)
        settle (self, effect->name);
    return true;
}
