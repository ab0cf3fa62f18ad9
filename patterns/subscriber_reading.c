#include "patterns/subscriber.h"

#include "core/stream.h"
#include "patterns/denial.h"
#include "patterns/group.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define ASK_AGAIN_MS 1000 /* what was asked is asked again, if nobody answers */
#define QUIET_MS     1000 /* after so long without anything, whether something was lost is asked, */
#define QUIET_MAX_MS 60000 /* then after twice that, up to this */
#define RETRY_MS     20    /* the socket was full */
#define SETTLE_MS    2000  /* who is found later than this has come later than we */
#define DECIDE_MS    1000  /* for somebody who was found to say whether it is in force */
#define LEFT_MAX     256   /* readings without a connection */
#define DAMAGED_MAX  3     /* times that a damaged batch is fetched again */

static zf_subscriber_t *subscriber_of (const zf_handle_t *handle)
{
    return (zf_subscriber_t *) (void *) (uintptr_t) handle;
}

static zf_sub_reading_t *reading_of (const zf_connection_t *connection)
{
    return subscriber_of (connection->handle)->slots[connection - connection->handle->connections];
}

/* -- asking ------------------------------------------------------------------------------------ */

/* Where it is to begin. */
static zf_start_t wanted_start (zf_sub_reading_t *self)
{
    zf_start_t start = self->start;
    if (self->is_moved)
        start = (zf_start_t){ZF_FROM_FIRST, 0}; /* offsets of another source mean nothing */
    else if (self->is_placed)
        start = (zf_start_t){ZF_FROM_OFFSET, self->position};
    return start;
}

static bool send_subscribe (zf_sub_reading_t *self)
{
    zf_start_t start = wanted_start (self);
    zf_writer_t *w = zf_handle_control (&self->subscriber->own, ZF_CMD_SUBSCRIBE, 8);
    zf_mp_put_uint (w, self->number);
    zf_mp_put_str (w, zf_bytes_of (self->subscriber->stream));
    zf_mp_put_uint (w, (uint64_t) start.from);
    zf_mp_put_uint (w, start.value);
    zf_mp_put_uint (w, self->subscriber->window_bytes);
    zf_mp_put_uint (w, ZF_MAKE_STREAM);
    zf_write_bytes (w, self->subscriber->patterns.data, self->subscriber->patterns.size);
    if (!zf_connection_send (self->connection, NULL))
        return false;
    self->asked_from = start.value;
    self->unsaid_bytes = 0;
    self->unsaid = 0;
    self->say_due_ms = 0;
    return true;
}

static void unsubscribe (zf_sub_reading_t *self, uint64_t number)
{
    zf_mp_put_uint (zf_handle_control (&self->subscriber->own, ZF_CMD_UNSUBSCRIBE, 2), number);
    zf_connection_send (self->connection, NULL);
}

void zf_reading_ask (zf_sub_reading_t *self)
{
    if (self->state != ZF_READING_WANTED)
        return;
    if (self->is_placed && self->held_bytes > self->subscriber->window_bytes / 2)
        return; /* what it brings comes on top of that */
    if (self->asked_ms != 0)
        unsubscribe (self, self->number);
    self->number++;
    self->asked_ms = zf_clock_ms ();
    if (send_subscribe (self))
        self->state = ZF_READING_ASKED;
    zf_handle_due (&self->subscriber->own, self->asked_ms + RETRY_MS);
}

static void want (zf_sub_reading_t *self)
{
    self->state = ZF_READING_WANTED;
    zf_reading_ask (self);
}

/* Something did not arrive: it is asked for again. */
static void refill (zf_sub_reading_t *self)
{
    self->subscriber->refills++;
    want (self);
}

/* Tells that all below was given back; with `ask` the other side is to say where it is. */
static bool send_read (zf_sub_reading_t *self, uint64_t to, bool ask)
{
    zf_writer_t *w = zf_handle_control (&self->subscriber->own, ZF_CMD_READ, ask ? 4 : 3);
    zf_mp_put_uint (w, self->number);
    zf_mp_put_uint (w, to);
    if (ask)
        zf_mp_put_bool (w, true);
    return zf_connection_send (self->connection, NULL);
}

void zf_reading_say (zf_sub_reading_t *self)
{
    if (self->state != ZF_READING_ON)
        return;
    if (!send_read (self, self->read_to, false)) {
        self->say_due_ms = zf_clock_ms () + RETRY_MS;
        zf_handle_due (&self->subscriber->own, self->say_due_ms);
        return;
    }
    self->unsaid_bytes = 0;
    self->unsaid = 0;
    self->say_due_ms = 0;
}

/* -- what comes back --------------------------------------------------------------------------- */

static void tell_gap (zf_sub_reading_t *self, uint64_t from, uint64_t to, uint64_t count,
                      const char *why)
{
    zf_gap_t gap = {from < to ? from : to, to, count, why};
    zf_arrivals_gap (self, &gap);
}

/* The answer to what was asked says where it goes on. */
static void go_on (zf_sub_reading_t *self, uint64_t next, uint64_t missed)
{
    if (self->is_moved)
        tell_gap (self, self->position, next, 0,
                  "what was kept before is gone: the stream has begun anew, or is another one");
    else if (missed > 0 && (!self->is_placed || next > self->position))
        tell_gap (self, self->asked_from, next, missed != UINT64_MAX ? missed : 0,
                  "the stream does not keep them any more");
    bool anew = self->is_moved || !self->is_placed;
    if (anew || next > self->position)
        self->position = next;
    memcpy (self->source, self->connection->source, sizeof self->source);
    self->is_placed = true;
    self->is_moved = false;
    self->is_on = true;
    self->state = ZF_READING_ON;
}

/* If it was asked twice there are two answers, and the second one may be another: what came to the
 * stream between them was for the first. */
static void on_in_force (zf_sub_reading_t *self, uint64_t next, uint64_t missed)
{
    if (self->state == ZF_READING_ASKED)
        go_on (self, next, missed);
    else if (self->state == ZF_READING_ON && next > self->position)
        refill (self);
}

static void on_subscribed (zf_sub_reading_t *self, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    uint64_t code = zf_mp_uint (r);
    zf_bytes_t text = zf_mp_bytes (r);
    uint64_t next = zf_mp_uint (r);
    zf_mp_uint (r); /* the oldest record there is */
    uint64_t missed = zf_mp_uint (r);
    if (r->failed || number != self->number || code > (uint64_t) -ZF_E_LAST)
        return;
    if (code == 0) {
        on_in_force (self, next, missed);
        return;
    }
    self->state = ZF_READING_REFUSED;
    self->is_on = false;
    self->refused_ms = zf_clock_ms ();
    self->refusal_told &= self->refusal.code == -(int) code;
    zf_handle_due (&self->subscriber->own, self->refused_ms + ZF_DENIED_AGAIN_MS);
    zf_error_set (&self->refusal, -(int) code, "%s: %.*s", self->subscriber->stream,
                  (int) (text.size < 150 ? text.size : 150), (const char *) text.data);
}

/* Reads what an EVENTS says; false: it is malformed, or there is no memory. */
static bool read_head (zf_events_head_t *head, zf_reader_t *r)
{
    *head = (zf_events_head_t){.number = zf_mp_uint (r)};
    head->from = zf_mp_uint (r);
    head->to = zf_mp_uint (r);
    head->missed = zf_mp_uint (r);
    head->time_ms = zf_mp_uint (r);
    head->first = zf_mp_uint (r);
    head->span_size = zf_mp_array (r);
    if (r->failed || head->to < head->from)
        return false;
    if (head->span_size == 0)
        return true;
    head->spans = calloc (head->span_size, sizeof *head->spans);
    for (uint32_t i = 0; head->spans != NULL && i < head->span_size; i++)
        head->spans[i] = zf_mp_uint (r);
    if (head->spans != NULL && !r->failed)
        return true;
    free (head->spans);
    return false;
}

/* What comes next can't be had sound, or there is no memory for it. */
static void on_damaged (zf_sub_reading_t *self, const zf_events_head_t *head)
{
    if (head->to <= self->position)
        return; /* it is there already */
    if (self->damaged_at != self->position)
        self->damaged = 0;
    self->damaged_at = self->position;
    if (++self->damaged < DAMAGED_MAX) {
        refill (self);
        return;
    }
    tell_gap (self, self->position, head->to, 0, "they arrive damaged each time");
    self->position = head->to;
}

static void take (zf_sub_reading_t *self, const zf_events_head_t *head, zmq_msg_t *body)
{
    uint64_t have = self->position;
    uint64_t behind = body != NULL ? head->first : head->to;
    if (head->to > have) {
        self->quiet_since_ms = zf_clock_coarse_ms ();
        self->quiet_for_ms = QUIET_MS;
    }
    if (head->missed > 0 && behind > have) {
        tell_gap (self, head->from, behind, head->missed,
                  "the stream did not keep them until they could be sent");
        self->position = behind;
    }
    if (zf_arrivals_take (self, head, have, body) != 0)
        on_damaged (self, head);
    else if (head->to > self->position)
        self->position = head->to;
}

/* True if nothing is missing before these. That the subscription is in force may not have come
 * through: they tell it as well, unless it was to begin before them: then the answer tells why. */
static bool is_next (zf_sub_reading_t *self, const zf_events_head_t *head)
{
    zf_start_t start = wanted_start (self);
    if (start.from == ZF_FROM_OFFSET && head->from > start.value)
        return false;
    if (self->state == ZF_READING_ASKED)
        go_on (self, head->from, 0);
    return true;
}

static void on_events (zf_sub_reading_t *self, zf_reader_t *r, zmq_msg_t *body)
{
    zf_events_head_t head;
    bool readable = read_head (&head, r);
    if (head.number != self->number) {
        if (self->asked_ms + ASK_AGAIN_MS < zf_clock_coarse_ms ())
            unsubscribe (self, head.number); /* that we had said so was lost */
    } else if (self->state == ZF_READING_ON || self->state == ZF_READING_ASKED) {
        if (readable && is_next (self, &head)) {
            take (self, &head, body);
            return;
        }
        refill (self);
    }
    if (readable)
        free (head.spans);
}

/* -- readings and connections ------------------------------------------------------------------ */

/* What came while nobody was known who had it belongs to the time since we began. */
static zf_start_t start_of (const zf_subscriber_t *self)
{
    bool from_now = self->start.from == ZF_FROM_NEW || self->start.from == ZF_FROM_LAST;
    if (from_now && self->own.resolver != NULL && zf_clock_ms () - self->opened_ms > SETTLE_MS)
        return (zf_start_t){ZF_FROM_TIME, self->opened_wall_ms};
    return self->start;
}

static zf_sub_reading_t *make_reading (zf_connection_t *connection)
{
    zf_subscriber_t *self = subscriber_of (connection->handle);
    zf_sub_reading_t *reading = calloc (1, sizeof *reading);
    if (reading == NULL)
        return NULL;
    reading->subscriber = self;
    reading->connection = connection;
    reading->made_ms = zf_clock_ms ();
    reading->start = start_of (self);
    DL_APPEND (self->readings, reading);
    self->slots[connection - self->own.connections] = reading;
    return reading;
}

static void drop_reading (zf_sub_reading_t *reading)
{
    DL_DELETE (reading->subscriber->readings, reading);
    free (reading);
}

/* Its connection leads elsewhere from now on, or nowhere. */
static void let_go (zf_sub_reading_t *reading)
{
    zf_subscriber_t *self = reading->subscriber;
    self->slots[reading->connection - self->own.connections] = NULL;
    reading->connection = NULL;
    self->left_count++;
}

/* Those of connections that are gone are kept, but not too many. */
static void drop_left (zf_subscriber_t *self)
{
    zf_sub_reading_t *reading, *next;
    DL_FOREACH_SAFE (self->readings, reading, next) {
        if (self->left_count <= LEFT_MAX)
            return;
        if (reading->connection != NULL || reading->all != NULL)
            continue;
        drop_reading (reading);
        self->left_count--;
    }
}

/* The connection's slot is for somebody else now. */
static void on_slot (zf_connection_t *connection)
{
    zf_subscriber_t *self = subscriber_of (connection->handle);
    zf_sub_reading_t *reading = reading_of (connection);
    if (reading != NULL)
        let_go (reading);
    drop_left (self);
    make_reading (connection);
}

/* One that was left, of whom this connection leads to. Its slot may not be free yet. */
static zf_sub_reading_t *find_left (const zf_subscriber_t *self, const zf_connection_t *connection)
{
    zf_sub_reading_t *reading;
    DL_FOREACH (self->readings, reading) {
        const zf_connection_t *old = reading->connection;
        if (reading->is_placed && (old == NULL || old->state != ZF_CONNECTION_READY) &&
            memcmp (reading->source, connection->source, sizeof reading->source) == 0)
            return reading;
    }
    return NULL;
}

/* The reading of a connection whose session begins: it goes on with one that was left, if there is
 * such a one. NULL: out of memory. */
static zf_sub_reading_t *take_up (zf_connection_t *connection)
{
    zf_subscriber_t *self = subscriber_of (connection->handle);
    zf_sub_reading_t *reading = reading_of (connection);
    if (reading == NULL)
        reading = make_reading (connection);
    zf_sub_reading_t *left = reading != NULL && !reading->is_placed && reading->all == NULL
                                 ? find_left (self, connection)
                                 : NULL;
    if (left == NULL)
        return reading;
    drop_reading (reading);
    if (left->connection != NULL)
        let_go (left);
    self->left_count--;
    left->connection = connection;
    self->slots[connection - self->own.connections] = left;
    return left;
}

/* -- all of them ------------------------------------------------------------------------------- */

bool zf_readings_are_on (const zf_subscriber_t *self)
{
    const zf_sub_reading_t *reading;
    DL_FOREACH (self->readings, reading) {
        if (reading->is_on)
            return true;
    }
    return false;
}

bool zf_readings_are_decided (const zf_subscriber_t *self)
{
    const zf_sub_reading_t *reading;
    uint64_t now = zf_clock_ms ();
    DL_FOREACH (self->readings, reading) {
        const zf_connection_t *connection = reading->connection;
        bool is_open = connection != NULL && !connection->is_fading && !connection->is_double &&
                       !reading->is_on && reading->state != ZF_READING_REFUSED;
        if (is_open && now - reading->made_ms < DECIDE_MS)
            return false; /* who does not answer for longer is not waited for */
    }
    return zf_readings_are_on (self);
}

zf_sub_reading_t *zf_readings_refused (const zf_subscriber_t *self)
{
    zf_sub_reading_t *reading, *refused = NULL;
    DL_FOREACH (self->readings, reading) {
        if (reading->state == ZF_READING_REFUSED)
            refused = reading;
        else if (reading->state != ZF_READING_NONE)
            return NULL;
    }
    return refused;
}

/* -- handle operations ------------------------------------------------------------------------- */

static void on_ready (zf_connection_t *connection)
{
    zf_sub_reading_t *self = take_up (connection);
    if (self == NULL)
        return; /* out of memory: the next session */
    self->subscriber->denial_told = false;
    self->is_moved =
        self->is_placed && memcmp (self->source, connection->source, sizeof self->source) != 0;
    self->refusal.code = 0;
    self->asked_ms = 0;
    self->quiet_since_ms = zf_clock_ms ();
    self->quiet_for_ms = QUIET_MS;
    want (self);
}

static void on_lost (zf_connection_t *connection)
{
    zf_sub_reading_t *self = reading_of (connection);
    if (self == NULL)
        return;
    self->state = ZF_READING_NONE;
    self->is_on = false;
}

static void on_message (zf_connection_t *connection, uint64_t command, zf_reader_t *r,
                        zmq_msg_t *body)
{
    zf_sub_reading_t *self = reading_of (connection);
    if (self != NULL && command == ZF_CMD_EVENTS)
        on_events (self, r, body);
    else if (self != NULL && command == ZF_CMD_SUBSCRIBED)
        on_subscribed (self, r);
}

/* While nothing comes, the last EVENTS may have been lost, or what we said of those before: now and
 * then the other side is asked where it is. */
static uint64_t tick_on (zf_sub_reading_t *self, uint64_t now_ms)
{
    if (self->say_due_ms != 0 && self->say_due_ms <= now_ms)
        zf_reading_say (self);
    if (self->quiet_since_ms + self->quiet_for_ms <= now_ms) {
        if (self->held_bytes == 0)
            send_read (self, self->position, true);
        uint64_t longer = 2 * self->quiet_for_ms;
        self->quiet_for_ms = longer < QUIET_MAX_MS ? longer : QUIET_MAX_MS;
        self->quiet_since_ms = now_ms;
    }
    uint64_t due = self->quiet_since_ms + self->quiet_for_ms;
    return self->say_due_ms != 0 && self->say_due_ms < due ? self->say_due_ms : due;
}

/* The answer may have been lost, or the question; finding the last records takes its time. */
static bool is_unheard (const zf_sub_reading_t *self, uint64_t now_ms)
{
    bool searches = !self->is_placed && self->start.from == ZF_FROM_LAST;
    return self->state == ZF_READING_ASKED && self->asked_ms + ASK_AGAIN_MS <= now_ms && !searches;
}

static uint64_t tick_reading (zf_sub_reading_t *self, uint64_t now_ms)
{
    if (is_unheard (self, now_ms)) {
        send_subscribe (self);
        self->asked_ms = now_ms;
    }
    if (self->state == ZF_READING_REFUSED && self->refusal.code == ZF_E_DENIED) {
        uint64_t again = self->refused_ms + ZF_DENIED_AGAIN_MS;
        if (now_ms < again)
            return again;
        want (self);
    }
    zf_reading_ask (self);
    if (self->state == ZF_READING_ON)
        return tick_on (self, now_ms);
    if (self->state == ZF_READING_ASKED)
        return now_ms + ASK_AGAIN_MS;
    return self->state == ZF_READING_WANTED ? now_ms + RETRY_MS : ZF_NEVER;
}

static uint64_t on_tick (zf_handle_t *handle, uint64_t now_ms)
{
    uint64_t due = ZF_NEVER;
    zf_sub_reading_t *reading;
    DL_FOREACH (subscriber_of (handle)->readings, reading) {
        uint64_t next = tick_reading (reading, now_ms);
        due = next < due ? next : due;
    }
    return due;
}

static bool always (zf_handle_t *handle)
{
    (void) handle;
    return true;
}

static bool is_asking (zf_handle_t *handle)
{
    const zf_sub_reading_t *reading;
    DL_FOREACH (subscriber_of (handle)->readings, reading) {
        if (reading->state == ZF_READING_ASKED)
            return true;
    }
    return false;
}

static bool has_news (zf_handle_t *handle)
{
    const zf_subscriber_t *self = subscriber_of (handle);
    const zf_sub_reading_t *refused = zf_readings_refused (self);
    return (self->ready != NULL && !self->is_telling) ||
           (refused != NULL && !refused->refusal_told) ||
           (!self->denial_told && zf_denied_by_all (handle) != NULL);
}

static const zf_handle_ops_t reading_ops = {
    .ready = on_ready,
    .lost = on_lost,
    .slot = on_slot,
    .message = on_message,
    .tick = on_tick,
    .urgent = always,
    .unfinished = is_asking,
    .news = has_news,
};

void zf_readings_free (zf_subscriber_t *self)
{
    zf_sub_reading_t *reading, *next;
    DL_FOREACH_SAFE (self->readings, reading, next) {
        zf_arrivals_free (reading);
        free (reading); /* NOLINT(clang-analyzer-*): the list goes with it */
    }
    self->readings = NULL;
    self->ready = NULL;
    free (self->slots);
}

/* -- opening ----------------------------------------------------------------------------------- */

int zf_reading_open (zf_subscriber_t *self, const zf_subscriber_options_t *options, zf_error_t *err)
{
    zf_handle_options_t handle = {.endpoints = options->endpoints,
                                  .endpoint_count = options->endpoint_count,
                                  .name = options->name,
                                  .failover_ms = options->failover_ms,
                                  .peer = options->peer,
                                  .security = options->security,
                                  .both = true};
    self->stream = strdup (options->stream);
    self->start = options->start;
    if (self->start.from == ZF_FROM_DEFAULT)
        self->start.from = ZF_FROM_NEW;
    self->window_bytes =
        options->window_bytes < ZF_WINDOW_MOST ? options->window_bytes : ZF_WINDOW_MOST;
    zf_patterns_encode (&self->patterns, options->patterns, options->pattern_count);
    self->opened_ms = zf_clock_ms ();
    self->opened_wall_ms = zf_clock_wall_ms ();
    self->slots = calloc (zf_handle_slots (&handle), sizeof (zf_sub_reading_t *));
    if (self->stream == NULL || self->slots == NULL || self->patterns.failed)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    return zf_handle_open (&self->own, &reading_ops, &handle, err);
}
