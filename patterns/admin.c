#include <zferry/admin.h>

#include "core/info.h"
#include "patterns/client.h"
#include "patterns/group.h"

#include <stdlib.h>

typedef int answer_fn (zf_inquiry_t *inquiry, zf_reader_t *r, zmq_msg_t *body);

/* Begins an ADMIN command; its argument is to be written behind. */
static zf_writer_t *begin (zf_client_t *self, zf_inquiry_t *inquiry, const char *verb,
                           const char *queue)
{
    inquiry->number = ++self->inquiry_number;
    zf_writer_t *w = zf_handle_control (&self->handle, ZF_CMD_ADMIN, 5);
    zf_mp_put_uint (w, inquiry->number);
    zf_mp_put_str (w, zf_bytes_of (verb));
    zf_mp_put_str (w, zf_bytes_of (queue != NULL ? queue : "")); /* which is no name */
    return w;
}

/* A command whose argument is one number. */
static int call (zf_client_t *self, const char *verb, const char *queue, uint64_t argument,
                 answer_fn *answer, void *arg, zf_error_t *err)
{
    zf_inquiry_t inquiry = {.err = err, .answer = answer, .arg = arg};
    zf_handle_enter (&self->handle);
    zf_mp_put_uint (begin (self, &inquiry, verb, queue), argument);
    int rc = zf_inquiry_run (self, &inquiry);
    zf_handle_leave (&self->handle);
    return rc;
}

/* -- queues ------------------------------------------------------------------------------------ */

typedef struct {
    zf_queue_info_t *infos;
    size_t count, room;
} list_t;

static int add_info (list_t *list, zf_reader_t *r)
{
    if (list->count == list->room) {
        size_t room = list->room != 0 ? 2 * list->room : 16;
        zf_queue_info_t *infos = realloc (list->infos, room * sizeof *infos);
        if (infos == NULL)
            return ZF_E_NOMEM;
        list->infos = infos;
        list->room = room;
    }
    zf_queue_info_t *info = &list->infos[list->count];
    memset (info, 0, sizeof *info);
    if (zf_info_decode (r, info) != 0)
        return ZF_E_PROTO;
    list->count++;
    return 0;
}

static int on_queues (zf_inquiry_t *inquiry, zf_reader_t *r, zmq_msg_t *body)
{
    (void) body;
    uint32_t n = zf_mp_array (r);
    int rc = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = add_info (inquiry->arg, r);
    return r->failed ? ZF_E_PROTO : rc;
}

static int by_name (const void *a, const void *b)
{
    return strcmp (((const zf_queue_info_t *) a)->name, ((const zf_queue_info_t *) b)->name);
}

int zf_admin_queues (zf_client_t *self, zf_queue_fn *fn, void *arg, zf_error_t *err)
{
    list_t list = {0};
    int rc = call (self, "queues", "", 0, on_queues, &list, err);
    if (rc == 0 && list.count > 0) {
        qsort (list.infos, list.count, sizeof *list.infos, by_name);
        for (size_t i = 0; i < list.count; i++)
            fn (arg, &list.infos[i]);
    }
    free (list.infos);
    return rc;
}

static int on_queue (zf_inquiry_t *inquiry, zf_reader_t *r, zmq_msg_t *body)
{
    (void) body;
    memset (inquiry->arg, 0, sizeof (zf_queue_info_t));
    return zf_info_decode (r, inquiry->arg);
}

int zf_admin_queue (zf_client_t *self, const char *queue, zf_queue_info_t *info, zf_error_t *err)
{
    return call (self, "queue", queue, 0, on_queue, info, err);
}

int zf_admin_declare (zf_client_t *self, const char *queue, const zf_policy_t *policy,
                      zf_error_t *err)
{
    if (policy->struct_size != sizeof *policy || !zf_policy_valid (policy))
        return zf_error_set (err, ZF_E_INVAL, "a value of the policy is out of range");
    zf_inquiry_t inquiry = {.err = err};
    zf_handle_enter (&self->handle);
    zf_policy_encode (begin (self, &inquiry, "declare", queue), policy);
    int rc = zf_inquiry_run (self, &inquiry);
    zf_handle_leave (&self->handle);
    return rc;
}

/* -- records ----------------------------------------------------------------------------------- */

typedef struct {
    const char *queue;
    zf_peek_fn *fn;
    void *arg;
    zf_parcel_t *parcel; /* of the last answer */
    uint64_t *ids;       /* two for each record: id and attempts */
    uint32_t count;
} peek_t;

static int on_peek (zf_inquiry_t *inquiry, zf_reader_t *r, zmq_msg_t *body)
{
    peek_t *peek = inquiry->arg;
    int rc = 0;
    peek->count = zf_mp_array (r);
    if (peek->count == 0)
        return r->failed ? ZF_E_PROTO : 0;
    peek->ids = calloc (2 * (size_t) peek->count, sizeof *peek->ids);
    if (peek->ids == NULL)
        return ZF_E_NOMEM;
    for (uint32_t i = 0; i < peek->count; i++) {
        if (zf_mp_array (r) != 2)
            r->failed = true;
        peek->ids[2 * (size_t) i] = zf_mp_uint (r);
        peek->ids[2 * (size_t) i + 1] = zf_mp_uint (r);
    }
    peek->parcel = zf_parcel_open (body, &rc);
    return r->failed ? ZF_E_PROTO : rc;
}

/* Shows what one answer holds; returns how many records that is. */
static uint32_t show (peek_t *peek, uint64_t *next)
{
    zf_message_t message;
    uint32_t shown = 0;
    while (shown < peek->count && zf_parcel_next (peek->parcel, &message)) {
        message.id = peek->ids[2 * (size_t) shown];
        message.attempt = (uint32_t) peek->ids[2 * (size_t) shown + 1];
        message.queue = peek->queue;
        *next = message.id + 1;
        peek->fn (peek->arg, &message);
        shown++;
    }
    return shown;
}

static int peek_some (zf_client_t *self, peek_t *peek, uint64_t from, uint64_t max, zf_error_t *err)
{
    zf_inquiry_t inquiry = {.err = err, .answer = on_peek, .arg = peek};
    zf_handle_enter (&self->handle);
    zf_writer_t *w = begin (self, &inquiry, "peek", peek->queue);
    zf_mp_put_array (w, 2);
    zf_mp_put_uint (w, from);
    zf_mp_put_uint (w, max);
    int rc = zf_inquiry_run (self, &inquiry);
    if (rc == ZF_E_AGAIN)
        zf_client_pause (self, ZF_NEVER);
    zf_handle_leave (&self->handle);
    return rc;
}

int zf_admin_peek (zf_client_t *self, const char *queue, uint64_t from, uint32_t max,
                   zf_peek_fn *fn, void *arg, zf_error_t *err)
{
    int rc = 0;
    uint32_t shown = 1;
    uint64_t deadline = zf_deadline (self->timeout_ms);
    while (max > 0 && shown > 0 && rc == 0) {
        peek_t peek = {.queue = queue, .fn = fn, .arg = arg};
        do {
            rc = peek_some (self, &peek, from, max, err);
        } while (rc == ZF_E_AGAIN && zf_clock_ms () < deadline);
        shown = rc == 0 && peek.parcel != NULL ? show (&peek, &from) : 0;
        max -= shown;
        zf_parcel_drop (peek.parcel);
        free (peek.ids);
    }
    return rc;
}

static int on_count (zf_inquiry_t *inquiry, zf_reader_t *r, zmq_msg_t *body)
{
    (void) body;
    uint64_t count = zf_mp_uint (r);
    if (inquiry->arg != NULL)
        *(uint64_t *) inquiry->arg = count;
    return r->failed ? ZF_E_PROTO : 0;
}

int zf_admin_purge (zf_client_t *self, const char *queue, uint64_t *count, zf_error_t *err)
{
    return call (self, "purge", queue, 0, on_count, count, err);
}

/* The broker stops in between, when there is much to do or something is on disk only. */
static int each_letter (zf_client_t *self, const char *verb, const char *queue, uint64_t max,
                        uint64_t *count, zf_error_t *err)
{
    uint64_t deadline = zf_deadline (self->timeout_ms);
    uint64_t sum = 0;
    uint64_t moved = 1;
    int rc = 0;
    while (rc == 0 && moved > 0 && (max == 0 || sum < max)) {
        rc = call (self, verb, queue, max > 0 ? max - sum : 0, on_count, &moved, err);
        sum += rc == 0 ? moved : 0;
        if (rc == ZF_E_AGAIN && zf_clock_ms () < deadline) {
            zf_handle_enter (&self->handle);
            zf_client_pause (self, deadline);
            zf_handle_leave (&self->handle);
            rc = 0;
        }
    }
    if (count != NULL)
        *count = sum;
    return rc;
}

int zf_admin_dead_requeue (zf_client_t *self, const char *queue, uint64_t max, uint64_t *count,
                           zf_error_t *err)
{
    return each_letter (self, "requeue", queue, max, count, err);
}

int zf_admin_dead_discard (zf_client_t *self, const char *queue, uint64_t max, uint64_t *count,
                           zf_error_t *err)
{
    return each_letter (self, "discard", queue, max, count, err);
}

/* -- streams and their groups ------------------------------------------------------------------ */

int zf_admin_stream (zf_client_t *self, const char *stream, zf_error_t *err)
{
    return call (self, "stream", stream, 0, NULL, NULL, err);
}

int zf_admin_group (zf_client_t *self, const char *stream, const char *group,
                    const zf_group_options_t *options, zf_error_t *err)
{
    zf_group_options_t defaults;
    char name[ZF_NAME_MAX + 1];
    zf_inquiry_t inquiry = {.err = err};
    zf_group_defaults (&defaults);
    if (options == NULL)
        options = &defaults;
    int rc = zf_group_name (name, stream, group, err);
    if (rc == 0)
        rc = zf_group_check (options, err);
    if (rc != 0)
        return rc;
    zf_handle_enter (&self->handle);
    zf_group_encode (begin (self, &inquiry, "group", name), options);
    rc = zf_inquiry_run (self, &inquiry);
    zf_handle_leave (&self->handle);
    return rc;
}

int zf_admin_forget (zf_client_t *self, const char *queue, zf_error_t *err)
{
    return call (self, "forget", queue, 0, NULL, NULL, err);
}

int zf_admin_trim (zf_client_t *self, const char *stream, uint64_t below, uint64_t *count,
                   zf_error_t *err)
{
    return call (self, "trim", stream, below, on_count, count, err);
}

/* -- figures ----------------------------------------------------------------------------------- */

typedef struct {
    char name[64];
    uint64_t value;
} figure_t;

typedef struct {
    figure_t *figures;
    uint32_t count;
} figures_t;

static int on_stats (zf_inquiry_t *inquiry, zf_reader_t *r, zmq_msg_t *body)
{
    (void) body;
    figures_t *list = inquiry->arg;
    list->count = zf_mp_map (r);
    list->figures = calloc (list->count + 1u, sizeof *list->figures);
    if (list->figures == NULL)
        return ZF_E_NOMEM;
    for (uint32_t i = 0; i < list->count; i++) {
        zf_bytes_t name = zf_mp_bytes (r);
        size_t n = name.size < sizeof list->figures[i].name - 1 ? name.size
                                                                : sizeof list->figures[i].name - 1;
        if (n > 0)
            memcpy (list->figures[i].name, name.data, n);
        list->figures[i].value = zf_mp_uint (r);
    }
    return r->failed ? ZF_E_PROTO : 0;
}

int zf_admin_stats (zf_client_t *self, zf_stat_fn *fn, void *arg, zf_error_t *err)
{
    figures_t list = {0};
    int rc = call (self, "stats", "", 0, on_stats, &list, err);
    for (uint32_t i = 0; rc == 0 && i < list.count; i++)
        fn (arg, list.figures[i].name, list.figures[i].value);
    free (list.figures);
    return rc;
}
