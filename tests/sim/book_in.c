#include "tests/sim/book.h"

#include "core/info.h"
#include "tests/sim/peer.h"
#include <zferry/error.h>

void book_tick (sim_t *sim)
{
    sim->ticked_ms = sim->now_ms;
    for (size_t i = sim->leased.count; i-- > 0;) {
        record_t *record = sim->records[sim->leased.at[i]];
        if (record->lease_due <= sim->now_ms)
            book_returned (sim, record, true);
    }
}

/* -- settlements ------------------------------------------------------------------------------- */

static record_t *held (sim_t *sim, const holder_t *holder, const queue_t *queue, uint64_t id)
{
    for (size_t i = 0; i < sim->leased.count; i++) {
        record_t *record = sim->records[sim->leased.at[i]];
        if (record->holder == holder && record->leased_in == queue && record->id == id)
            return record;
    }
    return NULL;
}

static uint64_t backoff (const zf_policy_t *policy, uint32_t attempts)
{
    uint64_t delay = policy->backoff_min_ms;
    while (--attempts > 0 && delay < policy->backoff_max_ms)
        delay *= 2;
    return delay < policy->backoff_max_ms ? delay : policy->backoff_max_ms;
}

static void acked (sim_t *sim, record_t *record)
{
    record->leased_in->acked++;
    book_finished (sim, record, record->state == REC_DEAD ? REC_BURIED : REC_DONE);
}

static void nacked (sim_t *sim, record_t *record, int64_t delay_ms)
{
    const zf_policy_t *policy = &record->leased_in->policy;
    uint64_t delay = delay_ms >= 0 ? (uint64_t) delay_ms : backoff (policy, record->attempts);
    book_returned (sim, record, true);
    record->not_before = sim->now_ms + delay;
}

static void rejected (sim_t *sim, record_t *record, zf_bytes_t reason)
{
    if (record->state == REC_DEAD) { /* letters have no letters */
        record->leased_in->dead_count++;
        record->leased_in->dropped++;
        book_finished (sim, record, REC_BURIED);
        return;
    }
    book_unleased (sim, record);
    snprintf (record->reason, sizeof record->reason, "%.*s", (int) reason.size,
              (const char *) reason.data);
    record->doom = reason.size > 0 ? record->reason : "rejected";
}

typedef struct {
    unsigned command;
    int64_t number; /* NACK: delay, EXTEND: lease */
    zf_bytes_t reason;
} verdict_t;

static void settle (sim_t *sim, record_t *record, const verdict_t *verdict)
{
    switch (verdict->command) {
    case ZF_CMD_ACK:
        acked (sim, record);
        break;
    case ZF_CMD_NACK:
        nacked (sim, record, verdict->number);
        break;
    case ZF_CMD_REJECT:
        rejected (sim, record, verdict->reason);
        break;
    case ZF_CMD_RELEASE:
        book_returned (sim, record, false);
        break;
    default:
        record->lease_due = sim->now_ms + (uint64_t) verdict->number;
    }
}

static void on_settle (const book_input_t *input, zf_reader_t *r, unsigned command)
{
    sim_t *sim = input->holder->conn->sim;
    queue_t *queue = book_queue (sim, zf_mp_bytes (r));
    verdict_t verdict = {.command = command};
    if (command == ZF_CMD_NACK || command == ZF_CMD_EXTEND)
        verdict.number = zf_mp_int (r);
    else if (command == ZF_CMD_REJECT)
        verdict.reason = zf_mp_bytes (r);
    while (queue != NULL && !r->failed && zf_reader_left (r) > 0) {
        uint64_t first = zf_mp_uint (r);
        uint64_t count = zf_mp_uint (r);
        for (uint64_t id = first; id < first + count; id++) {
            record_t *record = held (sim, input->holder, queue, id);
            if (record != NULL)
                settle (sim, record, &verdict);
        }
    }
}

static void on_answer (const book_input_t *input, zf_reader_t *r)
{
    sim_t *sim = input->holder->conn->sim;
    queue_t *queue = book_queue (sim, zf_mp_bytes (r));
    bool more = zf_mp_bool (r);
    zf_batch_t batch;
    zf_batch_decode (input->body, &batch);
    for (uint32_t i = 0; i < batch.count && !more; i++) {
        record_t *record = held (sim, input->holder, queue, batch.first + i);
        if (record != NULL)
            acked (sim, record);
    }
}

/* -- requests ---------------------------------------------------------------------------------- */

static bool is_pending (const zf_session_t *session, uint64_t number)
{
    zf_note_t *note;
    HASH_FIND (hh, session->requests, &number, sizeof number, note);
    return note != NULL;
}

static bool command_is (zf_bytes_t control, unsigned command, zf_reader_t *r)
{
    *r = zf_reader (control);
    return zf_mp_array (r) > 0 && zf_mp_uint (r) == command;
}

/* What a REQUEST holds. */
typedef struct {
    uint32_t count;
    record_t *records[64];
    request_t *requests[64];
    bool known[64]; /* under way before */
    bool waits[64]; /* under way now */
} asking_t;

static queue_t *read_asking (const book_input_t *input, zf_reader_t *r, asking_t *asking)
{
    const holder_t *holder = input->holder;
    zf_batch_t batch;
    zf_batch_decode (input->body, &batch);
    const uint8_t *at = batch.records;
    asking->count = batch.count;
    for (uint32_t i = 0; i < batch.count; i++) {
        zf_record_t encoded;
        at = zf_record_decode (at, batch.records + batch.size, &encoded);
        asking->records[i] = book_find (holder->conn->sim, encoded.body);
        asking->requests[i] = &holder->identity->requests[batch.first + i - 1];
        asking->known[i] = (input->pending >> i & 1) != 0;
        asking->waits[i] = is_pending (holder->session, batch.first + i);
    }
    return book_queue (holder->conn->sim, zf_mp_bytes (r));
}

/* Those that neither waited before nor wait now were refused; but if more were queued than wait,
 * the first ones were, and have made room for those behind them since. */
static void on_request (const book_input_t *input, zf_reader_t *r)
{
    sim_t *sim = input->holder->conn->sim;
    asking_t asking;
    const queue_t *queue = read_asking (input, r, &asking);
    uint64_t queued = queue->engine->totals.posted - input->posted;
    for (uint32_t i = 0; i < asking.count; i++)
        queued -= asking.waits[i] && !asking.known[i];
    for (uint32_t i = 0; i < asking.count; i++) {
        record_t *record = asking.records[i];
        if (asking.known[i]) {
            record->state = REC_IGNORED;
        } else if (asking.waits[i] || queued > 0) {
            queued -= !asking.waits[i];
            book_taken (sim, record);
            asking.requests[i]->pending = true;
            asking.requests[i]->serial = record->serial;
        } else {
            record->state = REC_REFUSED;
            asking.requests[i]->denied++;
        }
    }
}

/* True if HELLO makes this session take over from one that is not about to end anyway. */
static bool is_heir (const book_input_t *input)
{
    const sim_t *sim = input->holder->conn->sim;
    zf_reader_t r;
    if (!command_is (input->control, ZF_CMD_HELLO, &r))
        return false;
    zf_mp_uint (&r);
    zf_bytes_t uuid = zf_mp_bytes (&r);
    for (size_t i = 0; i < sim->holder_count; i++) {
        const zf_session_t *session = sim->holders[i]->session;
        if (session->greeted && !session->doomed && !session->gone &&
            zf_bytes_equal (uuid, zf_bytes (session->uuid, ZF_UUID_BYTES)))
            return true;
    }
    return false;
}

static void check_succession (const holder_t *holder)
{
    const identity_t *who = holder->identity;
    for (size_t i = 0; i < who->request_count; i++)
        if (who->requests[i].pending && !is_pending (holder->session, i + 1))
            sim_fail (holder->conn->sim, "request %zu was lost in a new session", i + 1);
}

static void on_hello (const book_input_t *input)
{
    holder_t *holder = input->holder;
    if (holder->identity != NULL || !holder->session->greeted)
        return;
    holder->identity = book_who (holder->conn->sim, holder->session->uuid);
    if (input->inherits && holder->identity != NULL)
        check_succession (holder);
    book_gone (holder->conn->sim);
}

/* -- the rest ---------------------------------------------------------------------------------- */

static void on_consume (const book_input_t *input, zf_reader_t *r)
{
    sim_t *sim = input->holder->conn->sim;
    queue_t *queue = book_queue (sim, zf_mp_bytes (r));
    if (queue != NULL)
        input->holder->credit[queue - sim->queues] = (int64_t) zf_mp_uint (r);
}

static void on_admin (const book_input_t *input, zf_reader_t *r)
{
    sim_t *sim = input->holder->conn->sim;
    zf_mp_uint (r);
    zf_bytes_t verb = zf_mp_bytes (r);
    queue_t *queue = book_queue (sim, zf_mp_bytes (r));
    if (zf_bytes_equal (verb, zf_bytes_of ("purge"))) {
        queue->purged = true;
    } else if (zf_bytes_equal (verb, zf_bytes_of ("requeue"))) {
        queue->overfull = queue->revived = true;
        queue->revived_ms = sim->now_ms;
        book_walk (sim);
    } else if (zf_bytes_equal (verb, zf_bytes_of ("discard")) && queue->dead >= 0) {
        sim->queues[queue->dead].purged = true;
    } else if (zf_bytes_equal (verb, zf_bytes_of ("declare"))) {
        queue->overfull = true;
        zf_policy_decode (r, &queue->policy);
    }
}

static void before_request (book_input_t *input, zf_reader_t *r)
{
    zf_batch_t batch;
    zf_batch_decode (input->body, &batch);
    input->pending = 0;
    input->posted = book_queue (input->holder->conn->sim, zf_mp_bytes (r))->engine->totals.posted;
    for (uint32_t i = 0; i < batch.count; i++)
        if (is_pending (input->holder->session, batch.first + i))
            input->pending |= UINT64_C (1) << i;
}

void book_before (book_input_t *input)
{
    const zf_session_t *session = input->holder->session;
    sim_t *sim = input->holder->conn->sim;
    zf_reader_t r;
    input->counts = !session->doomed && !session->gone && !input->holder->conn->peer->hostile;
    input->inherits = input->counts && !session->greeted && is_heir (input);
    if (input->inherits)
        book_walk (sim);
    if (!input->counts || !session->greeted)
        return;
    if (command_is (input->control, ZF_CMD_ADMIN, &r))
        book_walk (sim); /* so that what it does is told apart */
    else if (command_is (input->control, ZF_CMD_REQUEST, &r))
        before_request (input, &r);
}

void book_after (const book_input_t *input)
{
    zf_reader_t r = zf_reader (input->control);
    if (!input->counts || input->control.size == 0)
        return;
    zf_mp_array (&r);
    unsigned command = (unsigned) zf_mp_uint (&r);
    if (command == ZF_CMD_HELLO)
        on_hello (input);
    if (input->holder->identity == NULL)
        return;
    if (command == ZF_CMD_CONSUME)
        on_consume (input, &r);
    else if (command == ZF_CMD_REQUEST)
        on_request (input, &r);
    else if (command == ZF_CMD_ADMIN)
        on_admin (input, &r);
    else if (command == ZF_CMD_ANSWER)
        on_answer (input, &r);
    else if (command >= ZF_CMD_ACK && command <= ZF_CMD_EXTEND)
        on_settle (input, &r, command);
}

/* -- sessions that end ------------------------------------------------------------------------- */

/* What the identity waited for is dropped unless a new session of it has taken over. */
static void abandon (sim_t *sim, const identity_t *who)
{
    zf_session_t *heir;
    HASH_FIND (hh, sim->engine->greeted, who->uuid, ZF_UUID_BYTES, heir);
    for (size_t i = 0; i < who->request_count; i++) {
        request_t *request = &who->requests[i];
        if (!request->pending || (heir != NULL && is_pending (heir, i + 1)))
            continue;
        request->pending = false;
        request->late = true;
        sim->records[request->serial]->abandoned = true;
    }
}

void book_gone (sim_t *sim)
{
    for (size_t i = sim->holder_count; i-- > 0;) {
        holder_t *holder = sim->holders[i];
        if (!holder->session->gone)
            continue;
        book_lost (sim, holder);
        if (holder->identity != NULL)
            abandon (sim, holder->identity);
        sim->holders[i] = sim->holders[--sim->holder_count];
        free (holder);
    }
}
