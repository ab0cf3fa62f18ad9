/* Last values: the newest message of each topic, for each new subscription and nobody else.
 *
 * libzmq has no way to send several messages to one subscriber of an XPUB. But where subscriptions
 * have to be granted, all but the new one are, and matching can be inverted: a message goes to
 * those then who have no matching subscription. These are the new one, and others who did not ask
 * for it; their own sockets discard it. So the values are sent first, inverted, and then the
 * subscription is granted: there is no gap between the two. (A single value is aimed at the new
 * one, if this libzmq can do that.)
 *
 * Several at once: new subscriptions that still wait to be granted get what is sent for others, and
 * then their own values: some may come twice.
 *
 * Lost grants: while values are being sent libzmq may hear that somebody has left, and forgets
 * whose subscription it was that we were to grant. It puts the end of his subscriptions in line,
 * without saying whose they were. So each grant after an inverted one is a suspect until the line
 * is empty; if such an end is found before, it is taken for missed: what matches it is from then on
 * also sent inverted, which reaches its subscriber if the grant was lost and does not if it was
 * not, until nobody wants that topic any more.
 *
 * Room: so many values at once must not cost anybody a message, least of all those who did not ask
 * for them. So there is room for ZF_VALUES_ROOM messages more than without last values, and who
 * comes next waits in line until so many may have left that there is room again. How fast they
 * leave is not known: it is taken to be less than before when somebody was found full, and else a
 * bit more. */
#include "devices/plain.h"

#include <stdlib.h>

#define PACE_MIN    20u   /* messages that leave in a millisecond, */
#define PACE_MAX    1000u /* all connections together */
#define PACE_STEP   20u
#define PACE_BYTES  200u                 /* so many count as one more */
#define BACKLOG_MAX (ZF_VALUES_ROOM / 5) /* that nobody has to wait for */

/* A holder where it does not matter which. */
static const zf_holder_t anybody = {0, -1};

/* -- values ------------------------------------------------------------------------------------ */

typedef struct {
    zf_frame_t frame; /* first */
    uint8_t data[];   /* for each frame of the message: its size u32, its bytes */
} value_t;

static void release_value (zf_frame_t *frame)
{
    free (frame);
}

static zf_frame_t *make_value (zf_parcel_t *parcel)
{
    size_t size = 0;
    for (size_t i = 0; i < parcel->count; i++)
        size += 4 + zmq_msg_size (&parcel->frames[i]);
    value_t *value = size <= UINT32_MAX ? malloc (sizeof *value + size) : NULL;
    if (value == NULL)
        return NULL;
    uint8_t *at = value->data;
    for (size_t i = 0; i < parcel->count; i++) {
        zf_bytes_t bytes = zf_parcel_frame (parcel, i);
        zf_store_u32le (at, (uint32_t) bytes.size);
        memcpy (at + 4, bytes.data, bytes.size);
        at += 4 + bytes.size;
    }
    value->frame = (zf_frame_t){value->data, size, 1, release_value};
    return &value->frame;
}

/* Up to the first space, or all. */
static zf_bytes_t first_word (zf_bytes_t bytes)
{
    const uint8_t *space = bytes.size > 0 ? memchr (bytes.data, ' ', bytes.size) : NULL;
    if (space != NULL)
        bytes.size = (size_t) (space - (const uint8_t *) bytes.data);
    return bytes;
}

void zf_plain_remember (zf_side_t *self)
{
    zf_bytes_t topic = zf_parcel_frame (&self->parcel, 0);
    if (self->parcel.count == 1)
        topic = first_word (topic);
    zf_frame_t *value = make_value (&self->parcel);
    if (value == NULL) {
        zf_values_drop (self->values, topic);
        return;
    }
    zf_values_set (self->values, topic, value);
    zf_frame_drop (value);
}

static zf_bytes_t first_frame (const zf_frame_t *value)
{
    return zf_bytes (value->data + 4, zf_load_u32le (value->data));
}

static bool begins_with (zf_bytes_t bytes, zf_bytes_t prefix)
{
    return bytes.size >= prefix.size &&
           (prefix.size == 0 || memcmp (bytes.data, prefix.data, prefix.size) == 0);
}

/* True if a message that begins so is one that they want. Walks the topics, or tries each beginning
 * of the message: what is less. */
static bool is_wanted (zf_interest_t *set, zf_bytes_t first)
{
    zf_interest_t *interest, *next;
    size_t most = first.size < ZF_SOCKET_TOPIC_MAX ? first.size : ZF_SOCKET_TOPIC_MAX;
    if (HASH_COUNT (set) > most) {
        bool found = false;
        for (size_t size = 0; !found && size <= most; size++)
            found = zf_interest_has (set, zf_bytes (first.data, size), anybody);
        return found;
    }
    HASH_ITER (hh, set, interest, next) {
        if (begins_with (first, zf_interest_topic (interest)))
            return true;
    }
    return false;
}

/* -- who gets them ----------------------------------------------------------------------------- */

typedef struct {
    zf_frame_t **values;
    size_t count, room;
} found_t;

static bool add_found (void *arg, zf_bytes_t topic, zf_frame_t *value)
{
    (void) topic;
    found_t *found = arg;
    if (found->count == found->room) {
        size_t room = found->room != 0 ? 2 * found->room : 16;
        zf_frame_t **values = realloc (found->values, room * sizeof *values);
        if (values == NULL)
            return false; /* those that we have are sent */
        found->values = values;
        found->room = room;
    }
    found->values[found->count++] = value;
    return true;
}

/* The values that a subscription matches: those of topics that begin with it; and one of a single
 * frame may go on behind its topic as the subscription does. */
static found_t find_values (zf_side_t *self, zf_bytes_t subscription)
{
    found_t found = {0};
    zf_bytes_t word = first_word (subscription);
    zf_values_each (self->values, subscription, add_found, &found);
    zf_frame_t *value = word.size < subscription.size ? zf_values_get (self->values, word) : NULL;
    if (value != NULL && begins_with (first_frame (value), subscription))
        add_found (&found, word, value);
    return found;
}

static void send_value (zf_side_t *self, zf_outlet_t *outlet, const zf_frame_t *value)
{
    const uint8_t *at = value->data;
    const uint8_t *end = value->data + value->size;
    while (at < end) {
        uint32_t size = zf_load_u32le (at);
        const uint8_t *next = at + 4 + size;
        zf_plain_send_copy (self, outlet, zf_bytes (at + 4, size), next < end);
        at = next;
    }
    self->counters.out++;
    self->welcomed++;
    outlet->backlog += 1 + value->size / PACE_BYTES;
}

/* For a single value. Returns false if this libzmq can't do that. */
static bool send_aimed (zf_side_t *self, zf_outlet_t *outlet, zf_bytes_t topic,
                        const zf_frame_t *value)
{
    if (!zf_socket_xpub_aim (&outlet->socket))
        return false;
    zf_socket_xpub_grant (&outlet->socket, topic.data, topic.size);
    zf_socket_xpub_lossy (&outlet->socket, true); /* there is no second try */
    send_value (self, outlet, value);
    zf_socket_xpub_lossy (&outlet->socket, false);
    zf_socket_xpub_manual (&outlet->socket);
    return true;
}

/* What is sent while this is on goes to those who have no matching subscription granted. If
 * somebody who did not ask for it has no room, that is no loss. */
static void invert (zf_outlet_t *outlet, bool on)
{
    zf_socket_xpub_lossy (&outlet->socket, on);
    zf_socket_xpub_invert (&outlet->socket, on);
}

/* -- grants ------------------------------------------------------------------------------------ */

bool zf_plain_has_to_rest (zf_side_t *self, zf_outlet_t *outlet)
{
    uint64_t connections = 1 + zf_peers_count (&outlet->peers);
    if (outlet->pace < PACE_MIN)
        outlet->pace = PACE_MAX / 2;
    uint64_t left = (self->now_ms - outlet->backlog_ms) * outlet->pace / connections;
    outlet->rest_ms = 0;
    if (left == 0 && outlet->backlog <= BACKLOG_MAX)
        return false;
    if (left > 0) {
        outlet->backlog -= left < outlet->backlog ? left : outlet->backlog;
        outlet->backlog_ms = self->now_ms;
    }
    if (outlet->backlog <= BACKLOG_MAX)
        return false;
    outlet->rest_ms =
        outlet->backlog_ms + (outlet->backlog - BACKLOG_MAX) * connections / outlet->pace + 1;
    outlet->stirred = true;
    zf_socket_readable (outlet->socket.raw); /* or its descriptor would keep us awake */
    return true;
}

bool zf_plain_line_up (zf_outlet_t *outlet)
{
    return zf_socket_readable (outlet->socket.raw);
}

/* After a message that is no subscription libzmq takes the subscriber of the next one in line for
 * that of this one, until the line is empty. What is granted then may be granted to anybody. */
void zf_plain_line_is_muddled (zf_outlet_t *outlet)
{
    outlet->is_muddled = true;
}

void zf_plain_line_is_empty (zf_outlet_t *outlet)
{
    zf_interest_free (&outlet->suspects);
    outlet->is_muddled = false;
}

/* Somebody has left: who was granted something since may not have got it. */
static void miss_suspects (zf_outlet_t *outlet)
{
    zf_interest_t *suspect, *next;
    HASH_ITER (hh, outlet->suspects, suspect, next)
        zf_interest_add (&outlet->missed, zf_interest_topic (suspect), anybody);
    zf_interest_free (&outlet->suspects);
}

static void set_pace (zf_outlet_t *outlet, bool too_fast)
{
    uint32_t pace = too_fast ? outlet->pace / 2 : outlet->pace + PACE_STEP;
    if (pace > PACE_MAX)
        pace = PACE_MAX;
    outlet->pace = pace > PACE_MIN ? pace : PACE_MIN;
}

/* Sends the values, and then grants the subscription. Who is found full gets nothing until there is
 * room, also of what is its own: that is counted. */
static void send_inverted (zf_side_t *self, zf_outlet_t *outlet, zf_bytes_t topic,
                           const found_t *found)
{
    uint64_t dropped = self->counters.dropped_slow;
    zf_socket_xpub_invert (&outlet->socket, true);
    for (size_t i = 0; i < found->count; i++)
        send_value (self, outlet, found->values[i]);
    zf_socket_xpub_invert (&outlet->socket, false);
    set_pace (outlet, self->counters.dropped_slow > dropped);
    zf_socket_xpub_grant (&outlet->socket, topic.data, topic.size);
    zf_interest_add (outlet->is_muddled ? &outlet->missed : &outlet->suspects, topic, anybody);
}

void zf_plain_welcome (zf_side_t *self, zf_outlet_t *outlet, zf_bytes_t topic)
{
    found_t found = {0};
    if (!zf_outlet_is_shut (outlet))
        found = find_values (self, topic);
    outlet->stirred = true;
    if (found.count == 0 && !outlet->is_muddled)
        zf_socket_xpub_grant (&outlet->socket, topic.data, topic.size);
    else if (found.count != 1 || outlet->is_muddled ||
             !send_aimed (self, outlet, topic, found.values[0]))
        send_inverted (self, outlet, topic, &found);
    free (found.values);
}

void zf_plain_part (zf_outlet_t *outlet, zf_bytes_t topic, bool has_left, bool gone)
{
    if (!outlet->is_muddled) /* who keeps it discards what comes */
        zf_socket_xpub_revoke (&outlet->socket, topic.data, topic.size);
    if (has_left)
        miss_suspects (outlet);
    if (gone)
        zf_interest_remove (&outlet->missed, topic, anybody);
}

void zf_plain_make_good (zf_side_t *self, zf_outlet_t *outlet)
{
    zf_bytes_t first = zf_parcel_frame (&self->parcel, 0);
    if (!is_wanted (outlet->missed, first) && !is_wanted (outlet->suspects, first))
        return;
    invert (outlet, true);
    for (size_t i = 0; i < self->parcel.count; i++)
        zf_plain_send_copy (self, outlet, zf_parcel_frame (&self->parcel, i),
                            i + 1 < self->parcel.count);
    invert (outlet, false);
}
