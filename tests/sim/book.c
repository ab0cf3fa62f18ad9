#include "tests/sim/book.h"

#include "core/props.h"
#include "tests/sim/chronicle.h"
#include "tests/sim/peer.h"

/* -- making ------------------------------------------------------------------------------------ */

identity_t *book_identity (peer_t *peer)
{
    sim_t *sim = peer->sim;
    identity_t *who = vec_new (sizeof *who);
    who->peer = peer;
    who->number = sim->identities != NULL ? sim->identities->number + 1 : 1;
    memset (who->uuid, 0x11, sizeof who->uuid);
    zf_store_u32le (who->uuid, who->number);
    who->next = sim->identities;
    sim->identities = who;
    return who;
}

record_t *book_record (identity_t *owner, queue_t *queue)
{
    sim_t *sim = owner->peer->sim;
    sim->records =
        vec_room (sim->records, sim->record_count, &sim->record_room, sizeof (record_t *));
    record_t *record = vec_new (sizeof *record);
    record->serial = (uint32_t) sim->record_count;
    record->queue = queue;
    record->owner = owner;
    record->size = BODY_MIN;
    sim->records[sim->record_count++] = record;
    return record;
}

request_t *book_request (identity_t *owner, queue_t *queue)
{
    owner->requests = vec_room (owner->requests, owner->request_count, &owner->request_room,
                                sizeof *owner->requests);
    request_t *request = &owner->requests[owner->request_count++];
    *request = (request_t){.queue = queue};
    return request;
}

atomic_t *book_atomic (identity_t *owner, uint32_t first, uint32_t count)
{
    owner->atomics =
        vec_room (owner->atomics, owner->atomic_count, &owner->atomic_room, sizeof *owner->atomics);
    atomic_t *atomic = &owner->atomics[owner->atomic_count++];
    *atomic = (atomic_t){.first = first, .count = count};
    return atomic;
}

/* -- records as bytes -------------------------------------------------------------------------- */

static uint8_t filler (uint32_t serial, uint32_t i)
{
    return (uint8_t) (serial * 31 + i);
}

static void put_filled (zf_writer_t *w, uint64_t magic, uint32_t serial, uint32_t size)
{
    uint8_t *at = zf_writer_reserve (w, size);
    zf_store_u64le (at, magic << 32 | serial);
    for (uint32_t i = BODY_MIN; i < size; i++)
        at[i] = filler (serial, i);
}

static void put_props (zf_writer_t *w, const record_t *record)
{
    char id[16], key[16];
    zf_props_t props;
    zf_props_defaults (&props);
    snprintf (id, sizeof id, "id%u", record->id_prop);
    snprintf (key, sizeof key, "key%u", record->key);
    if (record->id_prop != 0)
        props.id = zf_bytes_of (id);
    if (record->key != 0)
        props.key = zf_bytes_of (key);
    if (record->topic != 0)
        props.topic = zf_bytes_of (topic_name (record->topic));
    props.priority = record->priority;
    props.delay_ms = record->delay_ms;
    props.ttl_ms = record->asked ? 0 : record->ttl_ms;
    zf_props_encode (w, &props, NULL);
}

static void put_record (zf_writer_t *w, const record_t *record, bool *has_props)
{
    zf_writer_t props = {0};
    zf_writer_t body = {0};
    put_props (&props, record);
    put_filled (&body, BODY_MAGIC, record->serial, record->size);
    uint8_t *at = zf_writer_reserve (w, zf_record_size (props.size, body.size));
    zf_record_encode (at, zf_bytes (props.data, props.size), zf_bytes (body.data, body.size));
    *has_props |= props.size > 0;
    zf_writer_free (&props);
    zf_writer_free (&body);
}

void book_batch (sim_t *sim, const uint32_t *serials, size_t n, uint64_t first, zf_writer_t *w)
{
    bool has_props = false;
    w->size = 0;
    zf_writer_reserve (w, ZF_BATCH_HEADER);
    for (size_t i = 0; i < n; i++)
        put_record (w, sim->records[serials[i]], &has_props);
    zf_batch_seal (w->data, w->size, (uint32_t) n, has_props ? ZF_BATCH_HAS_PROPS : 0, first);
}

void book_sealed (record_t *record)
{
    zf_writer_t w = {0};
    bool has_props = false;
    put_record (&w, record, &has_props);
    record->wire = (uint32_t) w.size;
    zf_writer_free (&w);
}

/* -- finding ----------------------------------------------------------------------------------- */

static record_t *find (sim_t *sim, zf_bytes_t body, uint64_t magic)
{
    const uint8_t *at = body.data;
    if (body.size < BODY_MIN || zf_load_u64le (at) >> 32 != magic)
        return NULL;
    uint32_t serial = zf_load_u32le (at);
    if (serial >= sim->record_count)
        sim_fail (sim, "a body of serial %u, which was never made", serial);
    for (uint32_t i = BODY_MIN; i < body.size; i++)
        if (at[i] != filler (serial, i))
            sim_fail (sim, "body %u differs at byte %u", serial, i);
    return sim->records[serial];
}

record_t *book_find (sim_t *sim, zf_bytes_t body)
{
    record_t *record = find (sim, body, BODY_MAGIC);
    if (record != NULL && record->size != body.size)
        sim_fail (sim, "record %u has %zu bytes, not %u", record->serial, body.size, record->size);
    return record;
}

void book_put_answer (zf_writer_t *w, const record_t *record, uint32_t size)
{
    put_filled (w, ANSWER_MAGIC, record->serial, size);
}

record_t *book_answered (sim_t *sim, zf_bytes_t body)
{
    return find (sim, body, ANSWER_MAGIC);
}

queue_t *book_queue (sim_t *sim, zf_bytes_t name)
{
    for (size_t i = 0; i < sim->queue_count; i++)
        if (zf_bytes_equal (name, zf_bytes_of (sim->queues[i].name)))
            return &sim->queues[i];
    return NULL;
}

identity_t *book_who (sim_t *sim, const uint8_t *uuid)
{
    identity_t *who = sim->identities;
    while (who != NULL && memcmp (who->uuid, uuid, ZF_UUID_BYTES) != 0)
        who = who->next;
    return who;
}

holder_t *book_holder (sim_t *sim, const zf_session_t *session)
{
    for (size_t i = 0; i < sim->holder_count; i++)
        if (sim->holders[i]->session == session)
            return sim->holders[i];
    return NULL;
}

/* -- freeing ----------------------------------------------------------------------------------- */

static void free_identity (identity_t *who)
{
    for (size_t i = 0; i < QUEUES_MAX; i++)
        vec_free (&who->posts[i]);
    free (who->atomics);
    free (who->requests);
    free (who);
}

void book_free (sim_t *sim)
{
    while (sim->identities != NULL) {
        identity_t *who = sim->identities;
        sim->identities = who->next;
        free_identity (who);
    }
    for (size_t i = 0; i < sim->record_count; i++)
        free (sim->records[i]);
    for (size_t i = 0; i < sim->queue_count; i++)
        vec_free (&sim->queues[i].live);
    for (size_t i = 0; i < sim->holder_count; i++)
        free (sim->holders[i]);
    free (sim->records);
    vec_free (&sim->leased);
}
