#include "discovery/herald.h"

#include "core/timers.h"
#include "discovery/zre.h"
#include <stdio.h>
#include <stdlib.h>
#include <zferry/error.h>

#define TOLD_MAX       200 /* offers in headers, */
#define TOLD_BYTES_MAX 32768
#define RETRY_MS       50 /* until a line that was full is tried again */
#define NUMBER_MAX     32 /* bytes of a header's name */

void zf_herald_open (zf_herald_t *self, zf_roster_t *roster, zf_offers_t *offers,
                     zf_herald_frame_fn *new_frame)
{
    *self = (zf_herald_t){.roster = roster, .offers = offers, .new_frame = new_frame};
}

void zf_herald_close (zf_herald_t *self)
{
    HASH_CLEAR (hh, self->hearers);
    zf_writer_free (&self->list);
}

/* -- who hears us ------------------------------------------------------------------------------ */

static zf_hearer_t *find_hearer (const zf_herald_t *self, const uint8_t uuid[ZF_UUID_BYTES])
{
    zf_hearer_t *hearer;
    HASH_FIND (hh, self->hearers, uuid, ZF_UUID_BYTES, hearer);
    return hearer;
}

static void owe (zf_herald_t *self, zf_hearer_t *hearer, bool is_owed)
{
    hearer->is_owed = is_owed && hearer->is_zferry;
    self->owes |= hearer->is_owed;
}

void zf_herald_closed (zf_herald_t *self, zf_hearer_t *hearer)
{
    if (hearer->hh.tbl != NULL)
        HASH_DEL (self->hearers, hearer); /* NOLINT(clang-analyzer-*): it is in the table */
    hearer->hh.tbl = NULL;
}

/* The lines of its offers, as they are in the headers. Returns false if it is not one of us. */
static bool read_headers (zf_bytes_t headers, zf_writer_t *lines)
{
    size_t prefix = strlen (ZF_HEADER_OFFER);
    bool is_zferry = false;
    zf_bytes_t name, value;
    while (zf_zre_next_header (&headers, &name, &value)) {
        is_zferry |= zf_bytes_equal (name, zf_bytes_of (ZF_HEADER_VERSION));
        if (lines == NULL || name.size < prefix || memcmp (name.data, ZF_HEADER_OFFER, prefix) != 0)
            continue;
        zf_write_bytes (lines, value.data, value.size);
        zf_write_u8 (lines, '\n');
    }
    return is_zferry;
}

/* A peer that is greeted elsewhere stays a peer: nothing else will tell who it is, and what was
 * whispered by the way before may have gone nowhere. */
bool zf_herald_greeted (zf_herald_t *self, zf_hearer_t *hearer, const uint8_t uuid[ZF_UUID_BYTES],
                        zf_bytes_t endpoint)
{
    zf_node_view_t view;
    zf_hearer_t *other = find_hearer (self, uuid);
    if (other != NULL)
        zf_herald_closed (self, other);
    *hearer = (zf_hearer_t){.version = self->version};
    memcpy (hearer->uuid, uuid, ZF_UUID_BYTES);
    HASH_ADD (hh, self->hearers, uuid, ZF_UUID_BYTES, hearer);
    if (hearer->hh.tbl == NULL || !zf_roster_find (self->roster, uuid, &view))
        return false;
    hearer->is_zferry = read_headers (view.headers, NULL);
    owe (self, hearer, true);
    return zf_offers_move (self->offers, uuid, zf_endpoint_host (endpoint));
}

/* -- what others say --------------------------------------------------------------------------- */

bool zf_herald_entered (zf_herald_t *self, const zf_node_view_t *view)
{
    zf_hearer_t *hearer = find_hearer (self, view->uuid);
    zf_writer_t lines = {0};
    if (hearer == NULL)
        return false;
    hearer->is_zferry = read_headers (view->headers, &lines);
    owe (self, hearer, hearer->version != self->version || self->is_short || self->has_whispered);
    bool changed = hearer->is_zferry && !lines.failed &&
                   zf_offers_replace (self->offers, view->uuid, zf_bytes (lines.data, lines.size),
                                      zf_endpoint_host (zf_bytes_of (view->endpoint)));
    zf_writer_free (&lines);
    return changed;
}

bool zf_herald_left (zf_herald_t *self, const uint8_t uuid[ZF_UUID_BYTES])
{
    zf_hearer_t *hearer = find_hearer (self, uuid);
    if (hearer != NULL)
        hearer->is_zferry = hearer->is_owed = false;
    return zf_offers_forget (self->offers, uuid);
}

bool zf_herald_heard (zf_herald_t *self, const zf_roster_effect_t *effect, bool *changed)
{
    static const char word[] = ZF_OFFERS_WORD;
    zf_frame_t *const *content = effect->content;
    *changed = false;
    if (effect->count != 2 || content[0]->size != ZF_OFFERS_WORD_BYTES ||
        memcmp (content[0]->data, word, ZF_OFFERS_WORD_BYTES) != 0)
        return false;
    const zf_hearer_t *hearer = find_hearer (self, effect->uuid);
    if (hearer == NULL || !hearer->is_zferry)
        return false;
    *changed = zf_offers_replace (self->offers, effect->uuid,
                                  zf_bytes (content[1]->data, content[1]->size),
                                  zf_endpoint_host (zf_bytes_of (effect->endpoint)));
    return true;
}

/* -- our headers ------------------------------------------------------------------------------- */

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

/* Puts the n-th offer into its header, or takes it out. Returns false if there was no room for it:
 * then the header is not there. */
static bool set_header (zf_herald_t *self, uint32_t n, zf_bytes_t line)
{
    char text[NUMBER_MAX];
    snprintf (text, sizeof text, ZF_HEADER_OFFER "%u", n);
    zf_bytes_t name = zf_bytes_of (text);
    if (line.size > 0 && zf_roster_header (self->roster, name, &line) == 0)
        return true;
    zf_roster_header (self->roster, name, NULL);
    return line.size == 0;
}

/* Our headers tell as much of the list as may be; only what has changed since the list before is
 * set. */
static void set_headers (zf_herald_t *self, zf_bytes_t told)
{
    zf_bytes_t list = zf_bytes (self->list.data, self->list.size);
    uint32_t n = 0, count = 0;
    size_t bytes = 0;
    told.size = self->is_patchy ? 0 : told.size;
    self->is_short = self->is_patchy = false;
    while (n < TOLD_MAX && (list.size > 0 || n < self->header_count)) {
        zf_bytes_t line = next_line (&list);
        zf_bytes_t before = next_line (&told);
        bytes += line.size;
        self->is_short |= bytes > TOLD_BYTES_MAX;
        line.size = self->is_short ? 0 : line.size;
        count += line.size > 0;
        if (++n > self->header_count || !zf_bytes_equal (line, before))
            self->is_patchy |= !set_header (self, n, line);
    }
    self->header_count = count;
    self->is_short |= list.size > 0 || self->is_patchy;
}

/* Returns false if memory is short. */
static bool write_list (zf_herald_t *self)
{
    zf_writer_t before = self->list;
    zf_writer_t list = {0};
    zf_offers_write (self->offers, &list);
    if (list.failed) {
        zf_writer_free (&list);
        return false;
    }
    self->list = list;
    set_headers (self, zf_bytes (before.data, before.size));
    zf_writer_free (&before);
    return true;
}

/* -- our list ---------------------------------------------------------------------------------- */

void zf_herald_changed (zf_herald_t *self)
{
    self->is_dirty = true;
}

static void owe_all (zf_herald_t *self)
{
    zf_hearer_t *hearer, *next;
    HASH_ITER (hh, self->hearers, hearer, next)
        owe (self, hearer, true);
}

static zf_frame_t *make_frame (const zf_herald_t *self, const void *data, size_t size)
{
    zf_frame_t *frame = self->new_frame (size);
    if (frame != NULL && size > 0)
        memcpy (frame->data, data, size);
    return frame;
}

/* Whispers the list to all that it is owed. Returns false if some of them have no room. */
static bool whisper_all (zf_herald_t *self, zf_frame_t *const content[2])
{
    bool paid = true;
    zf_hearer_t *hearer, *next;
    HASH_ITER (hh, self->hearers, hearer, next) {
        if (!hearer->is_owed)
            continue;
        int rc = zf_roster_whisper (self->roster, hearer->uuid, content, 2);
        hearer->is_owed = rc == ZF_E_AGAIN || rc == ZF_E_NOMEM;
        self->has_whispered |= rc == 0;
        paid &= !hearer->is_owed;
    }
    return paid;
}

static bool pay_all (zf_herald_t *self)
{
    static const char word[] = ZF_OFFERS_WORD;
    zf_frame_t *content[2] = {make_frame (self, word, ZF_OFFERS_WORD_BYTES),
                              make_frame (self, self->list.data, self->list.size)};
    bool paid = content[0] != NULL && content[1] != NULL && whisper_all (self, content);
    zf_frame_drop (content[0]);
    zf_frame_drop (content[1]);
    return paid;
}

uint64_t zf_herald_tick (zf_herald_t *self, uint64_t now_ms)
{
    if (self->is_dirty && write_list (self)) {
        self->is_dirty = false;
        self->version++;
        self->retry_ms = now_ms;
        owe_all (self);
    }
    if (self->owes && now_ms >= self->retry_ms) {
        self->owes = !pay_all (self);
        self->retry_ms = now_ms + RETRY_MS;
    }
    if (self->is_dirty)
        return now_ms + RETRY_MS;
    return self->owes ? self->retry_ms : ZF_NEVER;
}
