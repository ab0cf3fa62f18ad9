#include "devices/local.h"

#include "devices/received.h"
#include "devices/socket.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>
#include <zferry/error.h>

#define MESSAGES_A_TURN 512

typedef struct note note_t;

/* A message under way. */
struct note {
    zmq_msg_t control, body;
    bool has_body;
    bool is_first; /* the other side is to forget what was before */
    note_t *prev, *next;
};

struct zf_local {
    zf_engine_t *engine;
    const zf_dialect_t *dialect;
    zf_session_t *session;    /* the device's; NULL: none */
    zf_received_t *frames[2]; /* for the next message; NULL: to be made */
    uint8_t address[sizeof (void *)];
    pthread_mutex_t lock; /* of what follows */
    note_t *in, *out;     /* lines (utlist) */
    note_t *spare;        /* notes that are free (utlist), some */
    uint32_t spares;
    int fd;
    bool is_hushed;
    bool has_rung;
};

#define SPARES_MAX 256

/* -- notes ------------------------------------------------------------------------------------- */

static note_t *new_note (zf_local_t *self)
{
    pthread_mutex_lock (&self->lock);
    note_t *note = self->spare;
    if (note != NULL) {
        DL_DELETE (self->spare, note);
        self->spares--;
    }
    pthread_mutex_unlock (&self->lock);
    if (note == NULL)
        note = malloc (sizeof *note);
    if (note != NULL)
        note->has_body = note->is_first = false;
    return note;
}

/* Its messages were moved away, or closed. */
static void free_note (zf_local_t *self, note_t *note)
{
    pthread_mutex_lock (&self->lock);
    bool keep = self->spares < SPARES_MAX;
    if (keep) {
        DL_PREPEND (self->spare, note);
        self->spares++;
    }
    pthread_mutex_unlock (&self->lock);
    if (!keep)
        free (note);
}

static void clear (note_t **line)
{
    note_t *note, *next;
    DL_FOREACH_SAFE (*line, note, next) {
        zmq_msg_close (&note->control);
        if (note->has_body)
            zmq_msg_close (&note->body);
        free (note); /* NOLINT(clang-analyzer-*): the list goes with it */
    }
    *line = NULL;
}

static note_t *take (zf_local_t *self, note_t **line)
{
    pthread_mutex_lock (&self->lock);
    note_t *note = *line;
    if (note != NULL)
        DL_DELETE (*line, note);
    pthread_mutex_unlock (&self->lock);
    return note;
}

static bool has (zf_local_t *self, note_t *const *line)
{
    pthread_mutex_lock (&self->lock);
    bool any = *line != NULL;
    pthread_mutex_unlock (&self->lock);
    return any;
}

/* -- the handle's side ------------------------------------------------------------------------- */

static void put_in (zf_local_t *self, note_t *note)
{
    pthread_mutex_lock (&self->lock);
    DL_APPEND (self->in, note);
    pthread_mutex_unlock (&self->lock);
}

void zf_local_reset (zf_local_t *self)
{
    note_t *note = new_note (self);
    pthread_mutex_lock (&self->lock);
    clear (&self->in);
    clear (&self->out);
    pthread_mutex_unlock (&self->lock);
    if (note == NULL)
        return; /* it is tried again when nobody answers */
    zmq_msg_init (&note->control);
    note->is_first = true;
    put_in (self, note);
}

bool zf_local_send (zf_local_t *self, zf_bytes_t control, zmq_msg_t *body)
{
    note_t *note = new_note (self);
    if (note == NULL)
        return false;
    if (zmq_msg_init_size (&note->control, control.size) != 0) {
        free_note (self, note);
        return false;
    }
    memcpy (zmq_msg_data (&note->control), control.data, control.size);
    note->has_body = body != NULL;
    if (body != NULL) {
        zmq_msg_init (&note->body);
        zmq_msg_move (&note->body, body);
        zmq_msg_close (body);
    }
    put_in (self, note);
    return true;
}

/* The last one was received. */
static void clear_bell (zf_local_t *self)
{
    uint64_t count;
    pthread_mutex_lock (&self->lock);
    if (self->out == NULL && self->has_rung) {
        ssize_t got = read (self->fd, &count, sizeof count);
        (void) got;
        self->has_rung = false;
    }
    pthread_mutex_unlock (&self->lock);
}

bool zf_local_receive (zf_local_t *self, zmq_msg_t *control, zmq_msg_t *body, bool *has_body)
{
    note_t *note = take (self, &self->out);
    if (note == NULL) {
        clear_bell (self);
        return false;
    }
    zmq_msg_init (control);
    zmq_msg_move (control, &note->control);
    *has_body = note->has_body;
    if (note->has_body) {
        zmq_msg_init (body);
        zmq_msg_move (body, &note->body);
    }
    free_note (self, note);
    return true;
}

bool zf_local_has_output (zf_local_t *self)
{
    return has (self, &self->out);
}

int zf_local_fd (const zf_local_t *self)
{
    return self->fd;
}

/* -- the device's side ------------------------------------------------------------------------- */

/* Somebody else has to look. */
static void ring (zf_local_t *self)
{
    uint64_t one = 1;
    if (self->is_hushed || self->has_rung || self->out == NULL)
        return;
    ssize_t written = write (self->fd, &one, sizeof one);
    (void) written;
    self->has_rung = true;
}

void zf_local_hush (zf_local_t *self, bool on)
{
    pthread_mutex_lock (&self->lock);
    self->is_hushed = on;
    pthread_mutex_unlock (&self->lock);
}

/* The message's frames, for the engine. Returns how many, 0: out of memory. */
static size_t fill (zf_local_t *self, note_t *note, zf_frame_t *frames[2])
{
    size_t count = note->has_body ? 2 : 1;
    for (size_t i = 0; i < count; i++) {
        if (self->frames[i] == NULL)
            self->frames[i] = zf_received_new ();
        if (self->frames[i] == NULL)
            return 0;
    }
    for (size_t i = 0; i < count; i++) {
        zmq_msg_init (&self->frames[i]->message);
        zmq_msg_move (&self->frames[i]->message, i == 0 ? &note->control : &note->body);
        zf_received_arrived (self->frames[i]);
        frames[i] = &self->frames[i]->frame;
    }
    return count;
}

static void input (zf_local_t *self, note_t *note)
{
    zf_frame_t *frames[2];
    if (note->is_first && self->session != NULL)
        zf_engine_detach (self->session);
    if (note->is_first)
        self->session = NULL;
    if (self->session == NULL)
        self->session = zf_engine_attach (
            self->engine, self, zf_bytes (self->address, sizeof self->address), self->dialect);
    size_t count = self->session != NULL ? fill (self, note, frames) : 0;
    if (count > 0)
        zf_engine_input (self->session, frames, count);
    for (size_t i = 0; i < count; i++) {
        if (!zf_received_recycle (self->frames[i]))
            self->frames[i] = NULL;
    }
    if (count == 0) {
        zmq_msg_close (&note->control);
        if (note->has_body)
            zmq_msg_close (&note->body);
    }
    free_note (self, note);
}

bool zf_local_collect (zf_local_t *self)
{
    note_t *note = NULL;
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        note = take (self, &self->in);
        if (note == NULL)
            return false;
        input (self, note);
    }
    return true;
}

bool zf_local_has_input (zf_local_t *self)
{
    return has (self, &self->in);
}

void zf_local_deliver (zf_local_t *self, zf_effect_t *effect)
{
    note_t *note = new_note (self);
    if (note == NULL)
        return; /* as if it were lost on the way */
    if (zf_out_message (&effect->frames[0], &note->control) != 0)
        zmq_msg_init (&note->control);
    note->has_body = effect->count > 1;
    if (note->has_body && zf_out_message (&effect->frames[1], &note->body) != 0)
        zmq_msg_init (&note->body);
    pthread_mutex_lock (&self->lock);
    DL_APPEND (self->out, note);
    ring (self);
    pthread_mutex_unlock (&self->lock);
}

void zf_local_forget (zf_local_t *self)
{
    self->session = NULL;
}

/* -- life -------------------------------------------------------------------------------------- */

int zf_local_open (zf_local_t **local, zf_engine_t *engine, const zf_dialect_t *dialect,
                   zf_error_t *err)
{
    zf_local_t *self = *local = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->engine = engine;
    self->dialect = dialect;
    memcpy (self->address, &self, sizeof self->address);
    pthread_mutex_init (&self->lock, NULL);
    self->fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->fd >= 0)
        return 0;
    zf_local_close (local);
    return zf_error_set (err, ZF_E_IO, "eventfd: %s", strerror (errno));
}

void zf_local_close (zf_local_t **local)
{
    zf_local_t *self = *local;
    if (self == NULL)
        return;
    *local = NULL;
    if (self->session != NULL)
        zf_engine_detach (self->session);
    clear (&self->in);
    clear (&self->out);
    note_t *note, *next;
    DL_FOREACH_SAFE (self->spare, note, next)
        free (note); /* NOLINT(clang-analyzer-*): the list goes with it */
    for (size_t i = 0; i < 2; i++)
        free (self->frames[i]);
    if (self->fd >= 0)
        close (self->fd);
    pthread_mutex_destroy (&self->lock);
    free (self);
}
