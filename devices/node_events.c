#include "devices/node_inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define COPY_MAX 8192 /* a smaller frame may be part of a block that holds others too */

/* An event that waits, and all that belongs to it, in one piece. */
struct zf_happening {
    zf_happening_t *next;
    uint64_t bytes;
    zf_peer_event_t event; /* its owner is this */
    zmq_msg_t *held;       /* large frames */
    size_t held_count;
};

/* -- its life ---------------------------------------------------------------------------------- */

static void free_happening (zf_happening_t *happening)
{
    for (size_t i = 0; i < happening->held_count; i++)
        zmq_msg_close (&happening->held[i]);
    free (happening);
}

static void free_all (zf_happening_t *first)
{
    while (first != NULL) {
        zf_happening_t *next = first->next;
        free_happening (first);
        first = next;
    }
}

void zf_happenings_open (zf_happenings_t *self, uint64_t bytes_max)
{
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->arrived, &attributes);
    pthread_condattr_destroy (&attributes);
    pthread_mutex_init (&self->lock, NULL);
    self->bytes_max = bytes_max;
    self->fd = -1;
    self->fresh_end = &self->fresh;
    atomic_init (&self->types, UINT32_MAX);
}

void zf_happenings_close (zf_happenings_t *self)
{
    free_all (self->first);
    free_all (self->fresh);
    if (self->fd >= 0)
        close (self->fd);
    pthread_cond_destroy (&self->arrived);
    pthread_mutex_destroy (&self->lock);
}

/* -- making them ------------------------------------------------------------------------------- */

static size_t text_size (const char *text)
{
    return text != NULL ? strlen (text) + 1 : 1;
}

static const char *copy_text (char **at, const char *text)
{
    size_t size = text_size (text);
    char *copy = *at;
    memcpy (copy, text != NULL ? text : "", size);
    *at += size;
    return copy;
}

typedef struct {
    size_t texts, copied, held; /* bytes, bytes, frames */
    uint64_t held_bytes;
} measure_t;

static measure_t measure (const zf_peer_event_t *event, zf_frame_t *const *content, size_t count)
{
    measure_t m = {0};
    m.texts = text_size (event->id) + text_size (event->name) + text_size (event->endpoint) +
              text_size (event->group) + text_size (event->text);
    for (size_t i = 0; i < count; i++) {
        bool is_held = content[i]->size > COPY_MAX;
        m.held += is_held;
        m.held_bytes += is_held ? content[i]->size : 0;
        m.copied += is_held ? 0 : content[i]->size;
    }
    return m;
}

/* Everything behind the happening: held messages, views, texts and copies, in this order. */
static void fill (zf_happening_t *happening, const zf_peer_event_t *event, const measure_t *m,
                  zf_frame_t *const *content, size_t count)
{
    happening->held = (zmq_msg_t *) (void *) (happening + 1);
    zf_bytes_t *frames = (zf_bytes_t *) (void *) (happening->held + m->held);
    char *at = (char *) (frames + count);
    zf_peer_event_t *out = &happening->event;
    *out = *event;
    out->id = copy_text (&at, event->id);
    out->name = copy_text (&at, event->name);
    out->endpoint = copy_text (&at, event->endpoint);
    out->group = copy_text (&at, event->group);
    out->text = copy_text (&at, event->text);
    out->frames = frames;
    out->frame_count = count;
    out->owner = happening;
    for (size_t i = 0; i < count; i++) {
        const zf_frame_t *frame = content[i];
        frames[i] = zf_bytes (at, frame->size);
        if (frame->size > COPY_MAX) {
            zmq_msg_t *held = &happening->held[happening->held_count++];
            zmq_msg_init (held);
            zmq_msg_copy (held, &((zf_sheet_t *) (void *) content[i])->message);
            frames[i].data = zmq_msg_data (held);
        } else if (frame->size > 0) {
            memcpy (at, frame->data, frame->size);
            at += frame->size;
        }
    }
}

void zf_node_tell (zf_node_t *self, const zf_peer_event_t *event, zf_frame_t *const *content,
                   size_t count)
{
    zf_happenings_t *all = &self->happenings;
    uint32_t types = atomic_load_explicit (&all->types, memory_order_relaxed);
    if ((types >> event->type & 1) == 0)
        return;
    measure_t m = measure (event, content, count);
    size_t size = sizeof (zf_happening_t) + m.held * sizeof (zmq_msg_t) +
                  count * sizeof (zf_bytes_t) + m.texts + m.copied;
    zf_happening_t *happening = malloc (size);
    if (happening == NULL) {
        all->fresh_missed++;
        return;
    }
    happening->next = NULL;
    happening->held_count = 0;
    happening->bytes = size + m.held_bytes;
    fill (happening, event, &m, content, count);
    *all->fresh_end = happening;
    all->fresh_end = &happening->next;
}

void zf_node_note (zf_node_t *self, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    zf_peer_event_t event = {.type = ZF_PEER_NOTE, .text = text};
    zf_node_tell (self, &event, NULL, 0);
}

/* -- the queue --------------------------------------------------------------------------------- */

static zf_happening_t *take_first (zf_happenings_t *self)
{
    zf_happening_t *happening = self->first;
    self->first = happening->next;
    self->bytes -= happening->bytes;
    return happening;
}

static void drop_oldest (zf_happenings_t *self)
{
    while (self->bytes > self->bytes_max && self->first != NULL) {
        free_happening (take_first (self));
        self->missed++;
        self->dropped++;
    }
}

static void raise_fd (zf_happenings_t *self)
{
    if (self->fd < 0 || self->is_raised)
        return;
    eventfd_write (self->fd, 1);
    self->is_raised = true;
}

void zf_node_publish (zf_node_t *self)
{
    zf_happenings_t *all = &self->happenings;
    if (all->fresh == NULL && all->fresh_missed == 0)
        return;
    pthread_mutex_lock (&all->lock);
    while (all->fresh != NULL) {
        zf_happening_t *happening = all->fresh;
        all->fresh = happening->next;
        happening->next = NULL;
        if (all->first == NULL)
            all->first = happening;
        else
            all->last->next = happening;
        all->last = happening;
        all->bytes += happening->bytes;
    }
    all->fresh_end = &all->fresh;
    all->missed += all->fresh_missed;
    all->dropped += all->fresh_missed;
    all->fresh_missed = 0;
    drop_oldest (all);
    raise_fd (all);
    bool awaited = all->waiters > 0;
    pthread_mutex_unlock (&all->lock);
    if (awaited)
        pthread_cond_broadcast (&all->arrived);
}

/* -- the application's end --------------------------------------------------------------------- */

static bool is_empty (const zf_happenings_t *self)
{
    return self->first == NULL && self->missed == 0;
}

static struct timespec time_at (uint64_t ms)
{
    struct timespec time = {(time_t) (ms / 1000), (long) (ms % 1000) * 1000000};
    return time;
}

/* Waits for one, with the lock held. Returns false if the time is over. */
static bool await_one (zf_happenings_t *self, int timeout_ms)
{
    struct timespec until = time_at (zf_clock_ms () + (uint64_t) (timeout_ms > 0 ? timeout_ms : 0));
    int rc = timeout_ms == 0 ? ETIMEDOUT : 0;
    self->waiters++;
    while (is_empty (self) && rc == 0)
        rc = timeout_ms < 0 ? pthread_cond_wait (&self->arrived, &self->lock)
                            : pthread_cond_timedwait (&self->arrived, &self->lock, &until);
    self->waiters--;
    return !is_empty (self);
}

static void fetch (zf_happenings_t *self, zf_peer_event_t *event)
{
    if (self->missed > 0) {
        *event = (zf_peer_event_t){.type = ZF_PEER_MISSED,
                                   .id = "",
                                   .name = "",
                                   .endpoint = "",
                                   .group = "",
                                   .text = "",
                                   .count = self->missed};
        self->missed = 0;
        return;
    }
    *event = take_first (self)->event;
}

int zf_node_next (zf_node_t *self, zf_peer_event_t *event, int timeout_ms)
{
    zf_happenings_t *all = &self->happenings;
    memset (event, 0, sizeof *event);
    pthread_mutex_lock (&all->lock);
    bool there = await_one (all, timeout_ms);
    if (there)
        fetch (all, event);
    if (all->is_raised && is_empty (all)) {
        eventfd_t count;
        eventfd_read (all->fd, &count);
        all->is_raised = false;
    }
    pthread_mutex_unlock (&all->lock);
    if (there)
        return 0;
    return timeout_ms == 0 ? ZF_E_AGAIN : ZF_E_TIMEOUT;
}

void zf_node_event_release (zf_peer_event_t *event)
{
    if (event->owner != NULL)
        free_happening (event->owner);
    memset (event, 0, sizeof *event);
}

void zf_node_listen (zf_node_t *self, uint32_t types)
{
    atomic_store (&self->happenings.types, types);
}

int zf_node_fd (zf_node_t *self)
{
    zf_happenings_t *all = &self->happenings;
    pthread_mutex_lock (&all->lock);
    if (all->fd < 0)
        all->fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!is_empty (all))
        raise_fd (all);
    int fd = all->fd;
    pthread_mutex_unlock (&all->lock);
    return fd;
}
