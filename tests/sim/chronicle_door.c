/* What passes the door, for the chronicle. */
#include "tests/sim/chronicle.h"

#include "tests/sim/peer.h"
#include <zferry/error.h>

/* -- in ---------------------------------------------------------------------------------------- */

static void on_admin (sim_t *sim, zf_reader_t *r)
{
    zf_mp_uint (r);
    zf_bytes_t verb = zf_mp_bytes (r);
    queue_t *queue = book_queue (sim, zf_mp_bytes (r));
    if (zf_bytes_equal (verb, zf_bytes_of ("trim")) && queue != NULL)
        chronicle_shadow (sim, queue)->trimmed = true;
}

void chronicle_input (sim_t *sim, zf_session_t *session, zf_bytes_t control, zf_bytes_t body)
{
    zf_reader_t r = zf_reader (control);
    uint32_t elements = zf_mp_array (&r);
    unsigned command = (unsigned) zf_mp_uint (&r);
    sim->chronicle->messages++;
    if (r.failed)
        return;
    if (command == ZF_CMD_HELLO || (command >= ZF_CMD_SUBSCRIBE && command <= ZF_CMD_UNSUBSCRIBE))
        watch_input (sim, session, command, &r);
    else if (command >= ZF_CMD_ACK && command <= ZF_CMD_ANSWER)
        group_input (sim, session, command, elements, &r, body);
    else if (command == ZF_CMD_ADMIN && session->greeted && !session->doomed)
        on_admin (sim, &r);
}

/* -- out --------------------------------------------------------------------------------------- */

static void check_taken (sim_t *sim, record_t *record)
{
    const shadow_t *shadow = chronicle_shadow (sim, record->queue);
    if (record->state == REC_REFUSED)
        sim_fail (sim, "record %u was refused, then confirmed", record->serial);
    if (!record->placed && record->id_prop == 0 && shadow->faceless == 0)
        sim_fail (sim, "record %u is confirmed, and not in %s", record->serial,
                  record->queue->name);
    record->state = record->placed ? REC_DONE : REC_DUPLICATE;
}

/* A stream lets the oldest go: it refuses nothing but what is larger than all it may keep. */
static void check_refused (sim_t *sim, record_t *record, int code)
{
    uint64_t most = record->queue->policy.max_bytes;
    if (record->placed || record->state == REC_DONE || code != ZF_E_TOO_BIG || most == 0 ||
        record->wire <= most)
        sim_fail (sim, "record %u of %s is refused with %d", record->serial, record->queue->name,
                  code);
    record->state = REC_REFUSED;
}

static void tell (sim_t *sim, record_t *record, int code)
{
    if (code == 0)
        check_taken (sim, record);
    else
        check_refused (sim, record, code);
}

static void on_confirm (sim_t *sim, const identity_t *who, zf_reader_t *r)
{
    queue_t *queue = book_queue (sim, zf_mp_bytes (r));
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    int code = -(int) zf_mp_uint (r);
    const vec_t *posts = &who->posts[queue - sim->queues];
    if (first == 0 || first + count - 1 > posts->count)
        sim_fail (sim, "confirm of numbers that were never used");
    for (uint64_t number = first; number < first + count; number++)
        tell (sim, sim->records[posts->at[number - 1]], code);
}

/* There was no memory: none of it is there. */
static void refuse_all (sim_t *sim, const atomic_t *atomic)
{
    for (uint32_t i = 0; i < atomic->count; i++) {
        record_t *record = sim->records[atomic->first + i];
        if (record->placed || record->state == REC_DONE)
            sim_fail (sim, "record %u of a refused atomic post is there", record->serial);
        record->state = REC_REFUSED;
    }
}

static void on_done (sim_t *sim, const identity_t *who, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    int code = -(int) zf_mp_uint (r);
    if (number == 0 || number > who->atomic_count)
        sim_fail (sim, "outcome of an atomic post that was never made");
    const atomic_t *atomic = &who->atomics[number - 1];
    if (code == ZF_E_FULL && sim->tight) {
        refuse_all (sim, atomic);
        return;
    }
    if (code != 0)
        sim_fail (sim, "atomic post %" PRIu64 " is refused with %d", number, code);
    for (uint32_t i = 0; i < atomic->count; i++)
        check_taken (sim, sim->records[atomic->first + i]);
}

void chronicle_effect (sim_t *sim, zf_session_t *session, zf_bytes_t control, zf_bytes_t body)
{
    zf_reader_t r = zf_reader (control);
    const identity_t *who = book_who (sim, session->uuid);
    zf_mp_array (&r);
    unsigned command = (unsigned) zf_mp_uint (&r);
    if (who == NULL || r.failed)
        return;
    if (command == ZF_CMD_ERROR)
        sim_fail (sim, "a well-behaved peer is told of an error");
    if (command == ZF_CMD_CONFIRM)
        on_confirm (sim, who, &r);
    else if (command == ZF_CMD_DONE)
        on_done (sim, who, &r);
    else if (command == ZF_CMD_DELIVER)
        group_deliver (sim, &r, body);
    else if (command == ZF_CMD_SUBSCRIBED)
        watch_subscribed (sim, session, &r);
    else if (command == ZF_CMD_EVENTS)
        watch_events (sim, session, &r, body);
}

/* -- the end ----------------------------------------------------------------------------------- */

void chronicle_settle (sim_t *sim)
{
    for (size_t i = 0; i < sim->queue_count; i++)
        if (sim->queues[i].stream >= 0)
            group_settle (sim, &sim->queues[i]);
    for (size_t i = 0; i < sim->record_count; i++) {
        const record_t *record = sim->records[i];
        if (record->heard && record->state == REC_NEW)
            sim_fail (sim, "record %u was confirmed, but never put", record->serial);
    }
}
