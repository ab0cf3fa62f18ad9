/* A worker that is a member of a stream's group: it has the group made before it consumes. */
#include "patterns/group.h"
#include "patterns/worker.h"

#include <stdlib.h>

enum { ASK_STREAM = 1, ASK_GROUP = 2 }; /* numbers of the two questions */

static zf_member_t *make (const char *stream, const zf_group_options_t *options)
{
    zf_group_options_t anew = *options;
    zf_member_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return NULL;
    anew.start = (zf_start_t){ZF_FROM_FIRST, 0};
    self->stream = strdup (stream);
    zf_group_encode (&self->group, options);
    zf_group_encode (&self->anew, &anew);
    if (self->stream == NULL || self->group.failed || self->anew.failed)
        zf_member_free (&self);
    return self;
}

void zf_member_free (zf_member_t **member)
{
    zf_member_t *self = *member;
    *member = NULL;
    if (self == NULL)
        return;
    zf_writer_free (&self->group);
    zf_writer_free (&self->anew);
    free (self->stream);
    free (self);
}

int zf_member_open (zf_worker_t **worker, const char *stream, const char *group,
                    const zf_group_options_t *group_options, const zf_worker_options_t *options,
                    zf_error_t *err)
{
    char name[ZF_NAME_MAX + 1];
    *worker = NULL;
    int rc = zf_group_name (name, stream, group, err);
    if (rc == 0)
        rc = zf_group_check (group_options, err);
    if (rc != 0)
        return rc;
    zf_member_t *member = make (stream, group_options);
    if (member == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    return zf_worker_open_as (worker, name, member, options, err);
}

static zf_writer_t *begin (zf_handle_t *handle, uint64_t number, const char *verb, zf_bytes_t queue)
{
    zf_writer_t *w = zf_handle_control (handle, ZF_CMD_ADMIN, 5);
    zf_mp_put_uint (w, number);
    zf_mp_put_str (w, zf_bytes_of (verb));
    zf_mp_put_str (w, queue);
    return w;
}

/* We were a member there, but that was another journal or run: what it has it got since then. */
static bool is_anew (const zf_worker_t *worker, const zf_connection_t *connection)
{
    const zf_acks_t *acks = &worker->acks[connection - worker->handle.connections];
    return acks->was_member && memcmp (acks->source, connection->source, sizeof acks->source) != 0;
}

static void become_member (zf_worker_t *worker, zf_connection_t *connection)
{
    zf_acks_t *acks = &worker->acks[connection - worker->handle.connections];
    acks->was_member = true;
    memcpy (acks->source, connection->source, sizeof acks->source);
    zf_worker_consume (worker, connection);
}

void zf_member_ask (zf_worker_t *worker, zf_connection_t *connection)
{
    zf_member_t *self = worker->member;
    const zf_writer_t *group = is_anew (worker, connection) ? &self->anew : &self->group;
    self->refusal.code = 0;
    worker->refusal_told = false;
    zf_mp_put_uint (begin (&worker->handle, ASK_STREAM, "stream", zf_bytes_of (self->stream)), 0);
    zf_connection_send (connection, NULL);
    zf_writer_t *w =
        begin (&worker->handle, ASK_GROUP, "group", zf_bytes (worker->queue, worker->queue_size));
    zf_write_bytes (w, group->data, group->size);
    zf_connection_send (connection, NULL);
}

void zf_member_on_result (zf_worker_t *worker, zf_connection_t *connection, zf_reader_t *r)
{
    zf_member_t *self = worker->member;
    uint64_t number = zf_mp_uint (r);
    uint64_t code = zf_mp_uint (r);
    zf_bytes_t text = zf_mp_bytes (r);
    if (r->failed || code > (uint64_t) -ZF_E_LAST)
        return;
    if (code == 0 && number == ASK_GROUP)
        become_member (worker, connection);
    if (code != 0 && self->refusal.code == 0)
        zf_error_set (&self->refusal, -(int) code, "%s: %.*s", worker->queue,
                      (int) (text.size < 150 ? text.size : 150), (const char *) text.data);
}

bool zf_member_is_in (const zf_worker_t *worker)
{
    for (size_t i = 0; i < worker->handle.connection_count; i++) {
        if (worker->acks[i].may_consume)
            return true;
    }
    return false;
}
