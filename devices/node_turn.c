/* The turn of a node's thread, and what comes of it. */
#include "devices/node_inside.h"

#include <sys/eventfd.h>

#define TURN_WAIT_MAX_MS 60000
#define PART_MS          60 /* for last words to leave */
#define PART_STEP_MS     5
#define BLOCKED_WAIT_MS  20 /* until lines are tried again that are full and not polled */

/* Where in fds things are. */
enum { FD_WAKE, FD_MAIL, FD_MONITOR, FD_HUB, FD_AIR };

/* -- effects ----------------------------------------------------------------------------------- */

static void tell_effect (zf_node_t *self, const zf_roster_effect_t *effect,
                         zf_peer_event_type_t type)
{
    char id[ZF_PEER_ID];
    zf_node_write_id (effect->uuid, id);
    zf_peer_event_t event = {.type = type,
                             .id = type != ZF_PEER_NOTE ? id : "",
                             .name = effect->name,
                             .endpoint = effect->endpoint,
                             .group = effect->group,
                             .text = effect->text};
    zf_node_tell (self, &event, effect->content, effect->count);
}

static void enter (zf_node_t *self, const zf_roster_effect_t *effect)
{
    zf_node_view_t view;
    uint8_t uuid[ZF_UUID_BYTES];
    memcpy (uuid, effect->uuid, sizeof uuid);
    tell_effect (self, effect, ZF_PEER_ENTER);
    if (zf_roster_find (self->roster, uuid, &view))
        zf_offers_entered (self, &view);
    pthread_cond_broadcast (&self->changed);
}

static void leave (zf_node_t *self, const zf_roster_effect_t *effect)
{
    zf_offers_left (self, effect);
    zf_node_doubt_key (self, effect->uuid);
    tell_effect (self, effect, ZF_PEER_EXIT);
    pthread_cond_broadcast (&self->changed);
}

static void carry_out (zf_node_t *self, const zf_roster_effect_t *effect)
{
    static const zf_peer_event_type_t types[] = {
        [ZF_ROSTER_EVASIVE] = ZF_PEER_EVASIVE, [ZF_ROSTER_BACK] = ZF_PEER_BACK,
        [ZF_ROSTER_SILENT] = ZF_PEER_SILENT,   [ZF_ROSTER_JOIN] = ZF_PEER_JOIN,
        [ZF_ROSTER_LEAVE] = ZF_PEER_LEAVE,     [ZF_ROSTER_WHISPER] = ZF_PEER_WHISPER,
        [ZF_ROSTER_SHOUT] = ZF_PEER_SHOUT,     [ZF_ROSTER_NOTE] = ZF_PEER_NOTE};
    switch (effect->type) {
    case ZF_ROSTER_OPEN:
        zf_mail_open_line (self, effect);
        break;
    case ZF_ROSTER_CLOSE:
        zf_mail_close_line (self, effect->slot);
        break;
    case ZF_ROSTER_SEND:
        zf_mail_line_due (self, effect->slot);
        break;
    case ZF_ROSTER_ENTER:
        enter (self, effect);
        break;
    case ZF_ROSTER_EXIT:
        leave (self, effect);
        break;
    case ZF_ROSTER_WHISPER:
        if (!zf_offers_whispered (self, effect))
            tell_effect (self, effect, ZF_PEER_WHISPER);
        break;
    case ZF_ROSTER_EVASIVE:
    case ZF_ROSTER_SILENT:
    case ZF_ROSTER_BACK:
    case ZF_ROSTER_JOIN:
    case ZF_ROSTER_LEAVE:
    case ZF_ROSTER_SHOUT:
    case ZF_ROSTER_NOTE:
        tell_effect (self, effect, types[effect->type]);
        break;
    }
}

bool zf_node_settle (zf_node_t *self)
{
    zf_roster_effect_t effect;
    bool any = false;
    while (zf_roster_next (self->roster, &effect)) {
        any |= effect.type != ZF_ROSTER_SEND;
        carry_out (self, &effect);
    }
    return any;
}

/* The thread has to look only if something may be due by time, or a line was full. */
void zf_node_act (zf_node_t *self)
{
    bool any = zf_node_settle (self);
    if (zf_mail_send (self) || self->mail.due != NULL || any)
        zf_node_wake (self);
    if (any)
        zf_node_publish (self);
}

/* -- the turn ---------------------------------------------------------------------------------- */

static void watch_fd (struct pollfd *item, int fd)
{
    *item = (struct pollfd){.fd = fd, .events = POLLIN}; /* poll looks past -1 */
}

/* Where datagrams are to be read, and the system tells of interfaces; all three or none. */
static void watch_air (zf_node_t *self, uint64_t now_ms)
{
    int fds[ZF_UDP_FDS];
    const zf_air_t *air = &self->air;
    bool rests = air->rest_ms > now_ms;
    size_t count = air->udp != NULL && !rests ? zf_udp_fds (air->udp, fds) : 0;
    for (size_t i = 0; i < ZF_UDP_FDS; i++)
        watch_fd (&self->fds[FD_AIR + i], i < count ? fds[i] : -1);
}

/* Fills fds and returns how many. *others: some lines are full and not among them. */
static nfds_t watch_all (zf_node_t *self, uint64_t now_ms, bool *others)
{
    watch_air (self, now_ms);
    struct pollfd *item = self->fds + FD_AIR + ZF_UDP_FDS;
    for (size_t i = 0; i < self->gossip.seed_count; i++) {
        watch_fd (item++, zf_socket_fd (&self->gossip.seeds[i].socket));
        watch_fd (item++, zf_socket_fd (&self->gossip.seeds[i].monitor));
    }
    item += zf_mail_blocked (self, item, ZF_NODE_BLOCKED_MAX, others);
    return (nfds_t) (item - self->fds);
}

/* Does all that is due. Returns true if there is more to do at once. */
static bool turn (zf_node_t *self, bool air_news)
{
    uint64_t now_ms = zf_clock_ms ();
    eventfd_t count;
    if (self->is_woken)
        eventfd_read (self->wake_fd, &count);
    self->is_woken = false;
    zf_mail_collect (self, now_ms);
    zf_reach_collect (self, now_ms);
    zf_node_settle (self);
    zf_node_publish (self); /* who waits for a message does not have to for the rest */
    zf_air_collect (self, air_news, now_ms);
    zf_gossip_collect (self, now_ms);
    zf_air_tick (self, now_ms);
    zf_gossip_tick (self, now_ms);
    self->tick_ms = zf_roster_tick (self->roster, now_ms);
    zf_node_settle (self);
    self->offers_due_ms = zf_herald_tick (&self->herald, now_ms);
    zf_node_settle (self);
    zf_node_review (self, now_ms);
    return zf_mail_send (self) || self->mail.has_more;
}

static uint64_t due_of (const zf_node_t *self)
{
    uint64_t due = zf_sooner (self->tick_ms, self->offers_due_ms);
    due = zf_sooner (due, zf_mail_due (self));
    due = zf_sooner (due, zf_reach_due (self));
    due = zf_sooner (due, self->review_ms);
    due = zf_sooner (due, zf_air_due (self));
    return zf_sooner (due, zf_gossip_due (self));
}

static int wait_ms (zf_node_t *self, bool more, bool others)
{
    uint64_t now_ms = zf_clock_ms ();
    uint64_t due_ms = due_of (self);
    if (more || self->is_woken || due_ms <= now_ms || zf_gossip_has_input (self))
        return 0;
    uint64_t left = due_ms - now_ms;
    if (others)
        left = zf_sooner (left, BLOCKED_WAIT_MS);
    return left < TURN_WAIT_MAX_MS ? (int) left : TURN_WAIT_MAX_MS;
}

static bool is_readable (const zf_node_t *self, size_t at, size_t count)
{
    for (size_t i = at; i < at + count; i++) {
        if (self->fds[i].revents != 0)
            return true;
    }
    return false;
}

void zf_node_watch_own (zf_node_t *self)
{
    watch_fd (&self->fds[FD_WAKE], self->wake_fd);
    watch_fd (&self->fds[FD_MAIL], zf_socket_fd (&self->mail.mailbox));
    watch_fd (&self->fds[FD_MONITOR], zf_socket_fd (&self->mail.monitor));
    watch_fd (&self->fds[FD_HUB], zf_socket_fd (&self->gossip.router));
}

/* Zyre and Pyre take the farewell by beacon at its word, and then hear no more of what we have said
 * before it: that has to have left. */
static void part (zf_node_t *self)
{
    zf_roster_bye (self->roster);
    zf_node_settle (self);
    zf_mail_send (self);
    uint64_t end_ms = zf_clock_ms () + (zf_mail_has_foreigners (self) ? PART_MS : 0);
    while (zf_clock_ms () < end_ms) {
        pthread_mutex_unlock (&self->lock);
        poll (NULL, 0, PART_STEP_MS);
        pthread_mutex_lock (&self->lock);
        zf_mail_send (self);
    }
    zf_air_bye (self);
}

void *zf_node_run (void *arg)
{
    zf_node_t *self = arg;
    bool air_news = true;
    pthread_mutex_lock (&self->lock);
    while (!self->stops) {
        bool others;
        bool more = turn (self, air_news);
        bool news = self->news;
        self->news = false;
        nfds_t count = watch_all (self, zf_clock_ms (), &others);
        int timeout = wait_ms (self, more, others);
        zf_node_publish (self);
        pthread_mutex_unlock (&self->lock);
        if (news)
            zf_node_call_watches (self);
        poll (self->fds, count, timeout);
        pthread_mutex_lock (&self->lock);
        air_news = is_readable (self, FD_AIR, ZF_UDP_FDS);
    }
    part (self);
    pthread_mutex_unlock (&self->lock);
    return NULL;
}
