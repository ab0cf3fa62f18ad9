/* Looking around, and waiting for what one wants to see. */
#include "devices/node_inside.h"

#include "discovery/zre.h"
#include <errno.h>
#include <time.h>

/* -- nodes ------------------------------------------------------------------------------------- */

/* What a node is shown with: memory that is used again for the next one. */
typedef struct {
    zf_node_t *node;
    zf_peer_fn *fn;
    void *arg;
    uint64_t now_ms;
    zf_writer_t texts; /* names and values of headers, each with a zero */
    zf_peer_header_t *headers;
    size_t header_room, header_count;
    const char **groups;
    size_t group_room, group_count;
    bool failed; /* out of memory */
    bool is_zferry;
} show_t;

static void add_group (show_t *show, const char *group)
{
    if (show->group_count == show->group_room) {
        size_t room = 2 * show->group_room + 8;
        const char **groups = realloc (show->groups, room * sizeof *groups);
        show->failed |= groups == NULL;
        if (groups == NULL)
            return;
        show->groups = groups;
        show->group_room = room;
    }
    show->groups[show->group_count++] = group;
}

static bool collect_group (void *arg, const char *group)
{
    add_group (arg, group);
    return true;
}

/* As far as it is a text: others may put a zero in, and all behind it would be taken for the
 * next. */
static void put_text (zf_writer_t *w, zf_bytes_t text)
{
    const char *zero = text.size > 0 ? memchr (text.data, 0, text.size) : NULL;
    size_t size = zero != NULL ? (size_t) (zero - (const char *) text.data) : text.size;
    zf_write_bytes (w, text.data, size);
    zf_write_bytes (w, "", 1);
}

/* Of the application; ours say only what kind of node it is. */
static bool is_ours (show_t *show, zf_bytes_t name)
{
    show->is_zferry |= zf_bytes_equal (name, zf_bytes_of (ZF_HEADER_VERSION));
    return name.size >= 5 && memcmp (name.data, "X-ZF-", 5) == 0;
}

static void collect_texts (show_t *show, zf_bytes_t headers)
{
    zf_bytes_t name, value;
    while (zf_zre_next_header (&headers, &name, &value)) {
        if (is_ours (show, name))
            continue;
        put_text (&show->texts, name);
        put_text (&show->texts, value);
        show->header_count++;
    }
}

/* Once the texts stay where they are. */
static void collect_headers (show_t *show)
{
    if (show->header_count > show->header_room) {
        zf_peer_header_t *headers = realloc (show->headers, show->header_count * sizeof *headers);
        show->failed |= headers == NULL;
        if (headers == NULL)
            return;
        show->headers = headers;
        show->header_room = show->header_count;
    }
    const char *at = (const char *) show->texts.data;
    for (size_t i = 0; i < show->header_count; i++) {
        show->headers[i].name = at;
        at += strlen (at) + 1;
        show->headers[i].value = at;
        at += strlen (at) + 1;
    }
}

static bool show_node (void *arg, const zf_node_view_t *view)
{
    show_t *show = arg;
    char id[ZF_PEER_ID];
    show->texts.size = 0;
    show->header_count = show->group_count = 0;
    show->is_zferry = false;
    collect_texts (show, view->headers);
    show->failed |= show->texts.failed;
    if (!show->failed)
        collect_headers (show);
    zf_roster_groups_of (show->node->roster, view->uuid, collect_group, show);
    if (show->failed)
        return false;
    zf_node_write_id (view->uuid, id);
    uint64_t silent_ms = show->now_ms > view->heard_ms ? show->now_ms - view->heard_ms : 0;
    zf_peer_info_t info = {.id = id,
                           .name = view->name,
                           .endpoint = view->endpoint,
                           .silent_ms = silent_ms,
                           .is_evasive = view->is_evasive,
                           .is_zferry = show->is_zferry,
                           .dropped = view->dropped,
                           .headers = show->headers,
                           .header_count = show->header_count,
                           .groups = show->groups,
                           .group_count = show->group_count};
    return show->fn (show->arg, &info);
}

void zf_node_each (zf_node_t *self, zf_peer_fn *fn, void *arg)
{
    show_t show = {.node = self, .fn = fn, .arg = arg, .now_ms = zf_clock_ms ()};
    pthread_mutex_lock (&self->lock);
    zf_roster_each (self->roster, show_node, &show);
    pthread_mutex_unlock (&self->lock);
    zf_writer_free (&show.texts);
    free (show.headers);
    free ((void *) show.groups);
}

/* -- groups ------------------------------------------------------------------------------------ */

static bool collect_groups_of (void *arg, const zf_node_view_t *view)
{
    show_t *show = arg;
    zf_roster_groups_of (show->node->roster, view->uuid, collect_group, show);
    return !show->failed;
}

static int by_text (const void *a, const void *b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

void zf_node_each_group (zf_node_t *self, zf_peer_name_fn *fn, void *arg)
{
    show_t show = {.node = self};
    pthread_mutex_lock (&self->lock);
    zf_roster_groups_of (self->roster, NULL, collect_group, &show);
    zf_roster_each (self->roster, collect_groups_of, &show);
    if (show.group_count > 0)
        qsort ((void *) show.groups, show.group_count, sizeof *show.groups, by_text);
    for (size_t i = 0; i < show.group_count; i++) {
        if (i > 0 && strcmp (show.groups[i - 1], show.groups[i]) == 0)
            continue;
        if (!fn (arg, show.groups[i]))
            break;
    }
    pthread_mutex_unlock (&self->lock);
    free ((void *) show.groups);
}

/* -- waiting ----------------------------------------------------------------------------------- */

int zf_node_until (zf_node_t *self, zf_node_done_fn *done, const void *arg, int timeout_ms)
{
    uint64_t end_ms = zf_clock_ms () + (uint64_t) (timeout_ms > 0 ? timeout_ms : 0);
    struct timespec end = {(time_t) (end_ms / 1000), (long) (end_ms % 1000) * 1000000};
    int rc = timeout_ms == 0 ? ETIMEDOUT : 0;
    pthread_mutex_lock (&self->lock);
    bool is_done = done (self, arg);
    while (!is_done && rc == 0) {
        rc = timeout_ms < 0 ? pthread_cond_wait (&self->changed, &self->lock)
                            : pthread_cond_timedwait (&self->changed, &self->lock, &end);
        is_done = done (self, arg);
    }
    pthread_mutex_unlock (&self->lock);
    return is_done ? 0 : ZF_E_TIMEOUT;
}

static bool are_there (zf_node_t *self, const void *arg)
{
    const uint32_t *count = arg;
    zf_roster_stats_t stats;
    zf_roster_stats (self->roster, &stats);
    return stats.peers >= *count;
}

int zf_node_wait (zf_node_t *self, uint32_t count, int timeout_ms)
{
    return zf_node_until (self, are_there, &count, timeout_ms);
}

/* -- figures ----------------------------------------------------------------------------------- */

void zf_node_stats (zf_node_t *self, zf_peer_stats_t *stats)
{
    zf_roster_stats_t roster;
    pthread_mutex_lock (&self->lock);
    zf_roster_stats (self->roster, &roster);
    *stats = (zf_peer_stats_t){.peers = roster.peers,
                               .beacons_in = self->air.in,
                               .beacons_out = self->air.out,
                               .beacons_bad = self->air.bad,
                               .messages_in = roster.messages_in,
                               .messages_out = roster.messages_out,
                               .dropped_slow = roster.dropped,
                               .refused = roster.refused,
                               .errors = roster.errors + self->mail.strange,
                               .exits = roster.exits};
    pthread_mutex_unlock (&self->lock);
    pthread_mutex_lock (&self->happenings.lock);
    stats->dropped_events = self->happenings.dropped;
    pthread_mutex_unlock (&self->happenings.lock);
}
