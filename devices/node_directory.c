#include "devices/node_inside.h"

#include "discovery/zre.h"
#include <errno.h>
#include <stdio.h>
#include <utlist.h>

#define TOLD_MAX       200 /* offers in headers, */
#define TOLD_BYTES_MAX 32768
#define RETRY_MS       50 /* until a line that was full is tried again */
#define NUMBER_MAX     32 /* bytes of a header's name */

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
    self->offers_dirty = true;
    zf_offers_settle (self);
    zf_node_wake (self);
}

int zf_node_announce (zf_node_t *self, const char *what, const char *endpoint, zf_error_t *err)
{
    int rc = check_offer (what, endpoint, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock (&self->lock);
    rc = zf_offers_announce (self->offers, zf_bytes_of (what), zf_bytes_of (endpoint));
    if (rc == 1)
        change_offers (self);
    pthread_mutex_unlock (&self->lock);
    if (rc < 0)
        return zf_error_set (err, rc, "offer %s at %s: %s", what, endpoint, zf_strerror (rc));
    return 0;
}

int zf_node_withdraw (zf_node_t *self, const char *what, const char *endpoint)
{
    zf_bytes_t at = zf_bytes_of (endpoint != NULL ? endpoint : "");
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

void zf_offers_left (zf_node_t *self, const zf_roster_effect_t *effect)
{
    if (zf_offers_forget (self->offers, effect->uuid))
        settle (self, effect->name);
}

/* -- what others say --------------------------------------------------------------------------- */

static bool begins_with (zf_bytes_t bytes, const char *prefix)
{
    size_t size = strlen (prefix);
    return bytes.size >= size && memcmp (bytes.data, prefix, size) == 0;
}

void zf_offers_of_headers (zf_node_t *self, const zf_node_view_t *view, zf_line_t *line)
{
    zf_bytes_t headers = view->headers;
    zf_bytes_t name, value;
    zf_writer_t lines = {0};
    while (zf_zre_next_header (&headers, &name, &value)) {
        line->is_zferry |= zf_bytes_equal (name, zf_bytes_of (ZF_HEADER_VERSION));
        if (!begins_with (name, ZF_HEADER_OFFER))
            continue;
        zf_write_bytes (&lines, value.data, value.size);
        zf_write_bytes (&lines, "\n", 1);
    }
    line->owes_offers =
        line->is_zferry && (line->offers != self->offers_version || self->list_is_long);
    self->owes_offers |= line->owes_offers;
    if (line->is_zferry && !lines.failed &&
        zf_offers_replace (self->offers, view->uuid, zf_bytes (lines.data, lines.size),
                           zf_endpoint_host (zf_bytes_of (view->endpoint))))
        settle (self, view->name);
    zf_writer_free (&lines);
}

bool zf_offers_whispered (zf_node_t *self, const zf_roster_effect_t *effect)
{
    static const char word[] = ZF_OFFERS_WORD;
    zf_frame_t *const *content = effect->content;
    if (effect->count != 2 || content[0]->size != ZF_OFFERS_WORD_BYTES ||
        memcmp (content[0]->data, word, ZF_OFFERS_WORD_BYTES) != 0)
        return false;
    const zf_line_t *line = zf_mail_line_of (self, effect->uuid);
    if (line == NULL || !line->is_zferry)
        return false;
    if (zf_offers_replace (self->offers, effect->uuid,
                           zf_bytes (content[1]->data, content[1]->size),
                           zf_endpoint_host (zf_bytes_of (effect->endpoint))))
        settle (self, effect->name);
    return true;
}

/* -- telling others ---------------------------------------------------------------------------- */

/* The next line of a list; empty at its end. */
static zf_bytes_t next_line (zf_bytes_t *list)
{
    const char *begin = list->data;
    const char *end = list->size > 0 ? memchr (begin, '\n', list->size) : NULL;
    if (end == NULL)
        return zf_bytes (NULL, 0);
    zf_bytes_t line = zf_bytes (begin, (size_t) (end - begin));
    *list = zf_bytes (end + 1, list->size - line.size - 1);
    return line;
}

/* Puts the n-th offer into its header, or takes it out; 0, or ZF_E_NOMEM. */
static int set_header (zf_node_t *self, uint32_t n, zf_bytes_t line)
{
    char name[NUMBER_MAX];
    snprintf (name, sizeof name, ZF_HEADER_OFFER "%u", n);
    return zf_roster_header (self->roster, zf_bytes_of (name), line.size > 0 ? &line : NULL);
}

/* Our headers tell as much of the list as may be; only what has changed is set. */
static int set_headers (zf_node_t *self)
{
    zf_bytes_t list = zf_bytes (self->list.data, self->list.size);
    zf_bytes_t told = zf_bytes (self->told.data, self->told.size);
    uint32_t n = 1;
    size_t bytes = 0;
    int rc = 0;
    self->list_is_long = false;
    for (; rc == 0; n++) {
        zf_bytes_t line = next_line (&list);
        zf_bytes_t before = next_line (&told);
        bytes += line.size;
        bool fits = n <= TOLD_MAX && bytes <= TOLD_BYTES_MAX;
        self->list_is_long |= !fits && line.size > 0;
        line.size = fits ? line.size : 0;
        if (line.size == 0 && (before.size == 0 || n > TOLD_MAX))
            break;
        if (!zf_bytes_equal (line, before))
            rc = set_header (self, n, line);
    }
    return rc;
}

/* Returns false if memory is short. */
static bool write_list (zf_node_t *self)
{
    self->told.size = 0;
    zf_write_bytes (&self->told, self->list.data, self->list.size);
    zf_writer_t list = {0};
    zf_offers_write (self->offers, &list);
    if (list.failed || self->told.failed) {
        zf_writer_free (&list);
        return false;
    }
    zf_writer_free (&self->list);
    self->list = list;
    return true;
}

static void owe_all (zf_node_t *self)
{
    zf_line_t *line, *next;
    HASH_ITER (hh, self->mail.by_uuid, line, next) {
        line->owes_offers = line->is_zferry;
        self->owes_offers |= line->is_zferry;
    }
}

static zf_sheet_t *new_sheet (const void *data, size_t size)
{
    zf_sheet_t *sheet = zf_sheet_new (size);
    if (sheet != NULL && size > 0)
        memcpy (sheet->frame.data, data, size);
    return sheet;
}

/* Whispers the list to all that it is owed. Returns false if some of them have no room. */
static bool pay_all (zf_node_t *self)
{
    static const char word[] = ZF_OFFERS_WORD;
    zf_sheet_t *first = new_sheet (word, ZF_OFFERS_WORD_BYTES);
    zf_sheet_t *second = new_sheet (self->list.data, self->list.size);
    bool paid = first != NULL && second != NULL;
    zf_line_t *line, *next;
    HASH_ITER (hh, self->mail.by_uuid, line, next) {
        if (!line->owes_offers || first == NULL || second == NULL)
            continue;
        zf_frame_t *content[2] = {&first->frame, &second->frame};
        int rc = zf_roster_whisper (self->roster, line->uuid, content, 2);
        line->owes_offers = rc == ZF_E_AGAIN || rc == ZF_E_NOMEM;
        paid &= !line->owes_offers;
    }
    zf_frame_drop (first != NULL ? &first->frame : NULL);
    zf_frame_drop (second != NULL ? &second->frame : NULL);
    return paid;
}

uint64_t zf_offers_tick (zf_node_t *self, uint64_t now_ms)
{
    if (self->offers_dirty && write_list (self)) {
        self->offers_dirty = set_headers (self) != 0;
        self->offers_version++;
        self->offers_ms = now_ms;
        owe_all (self);
    }
    if (self->owes_offers && now_ms >= self->offers_ms) {
        self->owes_offers = !pay_all (self);
        self->offers_ms = now_ms + RETRY_MS;
    }
    if (self->offers_dirty)
        return now_ms + RETRY_MS;
    return self->owes_offers ? self->offers_ms : ZF_NEVER;
}
