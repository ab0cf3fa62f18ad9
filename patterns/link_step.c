#include "patterns/link.h"

#include <zferry/error.h>

#define LOOK_MS      1000 /* between looks at the backlog and the path */
#define LOOK_SOON_MS 50   /* when nothing is under way any more */
#define SAMPLE_MS    1000

/* -- what both ends need ----------------------------------------------------------------------- */

zf_link_t *zf_link_of (zf_handle_t *handle)
{
    return ((zf_link_end_t *) (void *) handle)->link;
}

const char *zf_link_endpoint (zf_link_end_t *end)
{
    return zf_connection_endpoint (zf_link_at (end));
}

bool zf_link_send (zf_link_end_t *end, zmq_msg_t *body)
{
    if (zf_connection_send (zf_link_at (end), body))
        return true;
    zf_link_fail (end->link, true, ZF_E_IO, "%s cannot be sent to", zf_link_endpoint (end));
    return false;
}

uint64_t zf_link_nothing_due (zf_handle_t *handle, uint64_t now_ms)
{
    (void) handle;
    (void) now_ms;
    return ZF_NEVER;
}

bool zf_link_always (zf_handle_t *handle)
{
    (void) handle;
    return true;
}

bool zf_link_never (zf_handle_t *handle)
{
    (void) handle;
    return false;
}

/* -- what is due ------------------------------------------------------------------------------- */

/* An ERROR: in a session it ends what we have under way, before one it is only told. */
static void heed_refusal (zf_link_t *self, zf_link_end_t *end)
{
    zf_connection_t *connection = zf_link_at (end);
    zf_error_t refusal = connection->refusal;
    if (refusal.code == 0)
        return;
    connection->refusal.code = 0;
    if (connection->state == ZF_CONNECTION_READY)
        zf_link_fail (self, true, refusal.code, "%s says: %s", zf_link_endpoint (end),
                      refusal.text);
    else
        zf_link_event (self, "%s says: %s", zf_link_endpoint (end), refusal.text);
}

static bool is_ready (zf_link_end_t *end)
{
    return zf_link_at (end)->state == ZF_CONNECTION_READY;
}

/* The rate over the last seconds. */
static void sample_rate (zf_link_t *self, uint64_t now_ms)
{
    const uint32_t count = sizeof self->samples / sizeof self->samples[0];
    uint64_t oldest = self->samples[(self->sample + 1) % count];
    self->sample = (self->sample + 1) % count;
    self->samples[self->sample] = self->figures.confirmed;
    self->figures.rate = (self->figures.confirmed - oldest) / (count - 1);
    self->sample_ms = now_ms + SAMPLE_MS;
}

/* Nothing is under way any more: whether that was all is of interest. */
static void look_soon (zf_link_t *self, uint64_t now_ms)
{
    self->run.busy = false;
    if (self->look_ms > now_ms + LOOK_SOON_MS)
        self->look_ms = now_ms + LOOK_SOON_MS;
}

static void look (zf_link_t *self, uint64_t now_ms)
{
    if (is_ready (&self->source)) {
        zf_link_ask (self, "queue", &self->info_number);
        zf_link_ask (self, "upstreams", &self->path_number);
    }
    self->look_ms = now_ms + LOOK_MS;
}

/* The next step towards records on their way. */
static void arrange (zf_link_t *self, uint64_t now_ms)
{
    zf_link_run_t *run = &self->run;
    if (self->failed || self->refused || !self->target_on || !is_ready (&self->source) ||
        !is_ready (&self->target))
        return;
    if (!run->path_told && run->path_known && now_ms >= self->hold_until_ms)
        zf_link_tell_path (self);
    if (run->linked && !run->consuming && !self->failed) {
        run->consuming = true;
        run->epoch = zf_link_at (&self->source)->epoch;
        self->record_bytes = 0;
        zf_link_tell_limit (self, 1);
    }
}

uint64_t zf_link_advance (zf_link_t *self, uint64_t now_ms)
{
    heed_refusal (self, &self->source);
    if (self->target_on)
        heed_refusal (self, &self->target);
    if (now_ms >= self->sample_ms)
        sample_rate (self, now_ms);
    if (self->run.busy && self->run.pipe.loads == NULL)
        look_soon (self, now_ms);
    if (now_ms >= self->look_ms)
        look (self, now_ms);
    arrange (self, now_ms);
    uint64_t due = self->look_ms < self->sample_ms ? self->look_ms : self->sample_ms;
    return now_ms < self->hold_until_ms && self->hold_until_ms < due ? self->hold_until_ms : due;
}
