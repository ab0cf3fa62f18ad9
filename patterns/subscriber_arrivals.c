#include "patterns/subscriber.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define SAY_EVENTS 128 /* EVENTS given back, after which that is told */
#define SAY_MS     20  /* or so long, if they are few */

static const char malformed[] = "its batch is malformed";

/* Messages are given back by an ack, not released. */
static void release_nothing (void *owner)
{
    (void) owner;
}

/* -- giving back ------------------------------------------------------------------------------- */

/* What is done, from the oldest on, is told to the other side: there is room for more. */
static void advance (zf_sub_reading_t *self)
{
    while (self->all != NULL && self->all->is_done) {
        zf_arrival_t *arrival = self->all;
        DL_DELETE2 (self->all, arrival, all_prev, all_next);
        if (!arrival->is_gap && arrival->head.number == self->number) {
            self->read_to = arrival->head.to;
            self->unsaid_bytes += arrival->bytes;
            self->unsaid++;
        }
        free (arrival->head.spans);
        free (arrival);
    }
    if (self->unsaid_bytes >= self->subscriber->window_bytes / 4 || self->unsaid >= SAY_EVENTS) {
        zf_reading_say (self);
    } else if (self->unsaid > 0 && self->say_due_ms == 0) {
        self->say_due_ms = zf_clock_coarse_ms () + SAY_MS;
        zf_handle_due (&self->subscriber->own, self->say_due_ms);
    }
    if (self->state == ZF_READING_WANTED)
        zf_reading_ask (self);
}

static void finish (zf_arrival_t *arrival)
{
    zf_sub_reading_t *self = arrival->reading;
    if (arrival->parcel != NULL)
        self->held_bytes -= arrival->bytes;
    zf_parcel_drop (arrival->parcel);
    arrival->parcel = NULL;
    arrival->is_done = true;
    advance (self);
}

void zf_arrivals_give_back (zf_arrival_t *arrival)
{
    if (atomic_fetch_sub (&arrival->left, 1) != 1)
        return;
    zf_handle_t *handle = &arrival->reading->subscriber->own;
    zf_handle_enter (handle);
    finish (arrival);
    zf_handle_leave (handle);
}

/* -- taking in --------------------------------------------------------------------------------- */

/* True if the spans are those of so many records. */
static bool spans_match (const zf_events_head_t *head, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < head->span_size; i += 2) {
        if (head->spans[i] == 0 || head->spans[i] > count - sum)
            return false;
        sum += head->spans[i];
    }
    return head->spans == NULL || sum == count;
}

static zf_parcel_t *open_parcel (const zf_events_head_t *head, zmq_msg_t *body, int *code)
{
    zf_parcel_t *parcel = zf_parcel_open (body, code);
    if (parcel == NULL || spans_match (head, parcel->batch.count))
        return parcel;
    zf_parcel_drop (parcel);
    *code = ZF_E_PROTO;
    return NULL;
}

/* The id of the next record; moves on behind it. */
static uint64_t next_id (zf_arrival_t *arrival)
{
    const zf_events_head_t *head = &arrival->head;
    uint64_t id = arrival->id++;
    if (head->spans != NULL && --arrival->span_left == 0 && arrival->span + 2 < head->span_size) {
        arrival->id += head->spans[arrival->span + 1];
        arrival->span += 2;
        arrival->span_left = head->spans[arrival->span];
    }
    return id;
}

/* Leaves out what is there already. Returns how many records behind that are malformed, as far as
 * it came to them: then none is left. */
static uint32_t skip (zf_arrival_t *arrival, uint64_t have)
{
    zf_message_t message;
    uint32_t lost = 0;
    uint32_t left = arrival->parcel->left;
    while (arrival->id < have && left > 0 && zf_parcel_next (arrival->parcel, &message)) {
        next_id (arrival);
        left--;
    }
    for (; arrival->parcel->left == 0 && left > 0; left--)
        lost += next_id (arrival) >= have;
    return lost;
}

static zf_arrival_t *make (zf_sub_reading_t *self)
{
    zf_arrival_t *arrival = calloc (1, sizeof *arrival);
    if (arrival == NULL)
        return NULL;
    arrival->owner.release = release_nothing;
    arrival->reading = self;
    DL_APPEND2 (self->all, arrival, all_prev, all_next);
    return arrival;
}

int zf_arrivals_take (zf_sub_reading_t *self, const zf_events_head_t *head, uint64_t have,
                      zmq_msg_t *body)
{
    int code = 0;
    zf_gap_t gap = {have, head->to, 0, malformed};
    zf_parcel_t *parcel = body != NULL ? open_parcel (head, body, &code) : NULL;
    zf_arrival_t *arrival = code == 0 ? make (self) : NULL;
    if (arrival == NULL) {
        zf_parcel_drop (parcel);
        free (head->spans);
        return code != 0 ? code : ZF_E_NOMEM;
    }
    arrival->head = *head;
    arrival->parcel = parcel;
    arrival->id = head->first;
    arrival->span_left = head->spans != NULL ? head->spans[0] : 0;
    if (parcel != NULL) {
        arrival->bytes = zmq_msg_size (&parcel->frame);
        self->held_bytes += arrival->bytes;
        gap.count = skip (arrival, have);
        atomic_store (&arrival->left, parcel->left);
    }
    if (gap.count > 0)
        zf_arrivals_gap (self, &gap);
    if (parcel != NULL && parcel->left > 0)
        DL_APPEND (self->subscriber->ready, arrival);
    else
        finish (arrival);
    return 0;
}

/* Without memory for it, it is only counted. */
static zf_arrival_t *make_gap (zf_sub_reading_t *self, const zf_gap_t *gap)
{
    zf_arrival_t *arrival = make (self);
    if (arrival == NULL) {
        self->subscriber->gaps++;
        self->subscriber->missed += gap->count;
        return NULL;
    }
    arrival->is_gap = true;
    arrival->gap = *gap;
    return arrival;
}

void zf_arrivals_gap (zf_sub_reading_t *self, const zf_gap_t *gap)
{
    zf_arrival_t *arrival = make_gap (self, gap);
    if (arrival != NULL)
        DL_APPEND (self->subscriber->ready, arrival);
}

/* -- handing out ------------------------------------------------------------------------------- */

/* So many records from the next one on are not what the header of their batch says: a gap. */
static void cut_short (zf_subscriber_t *self, zf_arrival_t *arrival, uint32_t count)
{
    zf_gap_t gap = {arrival->id, arrival->head.to, count, malformed};
    zf_arrival_t *told = make_gap (arrival->reading, &gap);
    DL_DELETE (self->ready, arrival);
    if (told != NULL)
        DL_PREPEND (self->ready, told);
    if (atomic_fetch_sub (&arrival->left, count) == count)
        finish (arrival);
}

bool zf_arrivals_next (zf_subscriber_t *self, zf_message_t *message)
{
    while (self->ready != NULL && !self->ready->is_gap && !self->is_telling) {
        zf_arrival_t *arrival = self->ready;
        uint32_t left = arrival->parcel->left;
        if (!zf_parcel_next (arrival->parcel, message)) {
            cut_short (self, arrival, left);
            continue;
        }
        message->id = next_id (arrival);
        message->queue = self->stream;
        message->attempt = 1;
        message->time_ms = arrival->head.time_ms;
        message->owner = arrival;
        if (left == 1)
            DL_DELETE (self->ready, arrival);
        self->received++;
        self->received_to = message->id + 1;
        return true;
    }
    return false;
}

bool zf_arrivals_tell (zf_subscriber_t *self)
{
    zf_arrival_t *arrival = self->ready;
    if (arrival == NULL || !arrival->is_gap || self->is_telling)
        return false;
    zf_gap_t gap = arrival->gap;
    DL_DELETE (self->ready, arrival);
    finish (arrival);
    self->gaps++;
    self->missed += gap.count;
    if (self->on_gap == NULL)
        return true;
    self->is_telling = true; /* nobody gets what is behind it meanwhile */
    zf_handle_leave (&self->own);
    self->on_gap (self->arg, &gap);
    zf_handle_enter (&self->own);
    self->is_telling = false;
    zf_handle_serve (&self->own);
    return true;
}

void zf_arrivals_free (zf_sub_reading_t *self)
{
    zf_arrival_t *arrival, *next;
    DL_FOREACH_SAFE2 (self->all, arrival, next, all_next) {
        zf_parcel_drop (arrival->parcel);
        free (arrival->head.spans);
        free (arrival); /* NOLINT(clang-analyzer-*): the list goes with it */
    }
    self->all = NULL;
}
