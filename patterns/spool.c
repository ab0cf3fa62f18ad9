#include "patterns/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zferry/admin.h>
#include <zferry/broker.h>

#define SURVEY_MS     1000 /* between searches for queues with records */
#define ASK_MS        2000 /* for an answer of the broker next door */
#define MESSAGE_BYTES 1024
#define MEMORY_BYTES  (64u << 20) /* of records; what is above that is read back from disk */

typedef struct {
    char *queue;
    zf_link_t *link; /* NULL: not started yet */
} served_t;

struct zf_spool {
    zf_device_t *broker;
    zf_client_t *client; /* asks the broker */
    char endpoint[64];
    char *dir;
    char *only;     /* the one queue that is served; NULL: all */
    char *to_queue; /* of that one; NULL: the same name */
    char *name;
    char **to;
    size_t to_count;
    zf_link_options_t link; /* its strings are those above */
    uint32_t max_links;
    zf_event_fn *on_event; /* may be NULL */
    void *arg;
    pthread_mutex_t telling; /* one event at a time */
    pthread_mutex_t lock;    /* of what follows */
    pthread_cond_t changed;  /* somebody wants a queue served, or the end */
    served_t *served;
    uint32_t count;
    bool wanted; /* some have no link yet */
    bool full;   /* it was told that there are too many */
    bool stop;
    uint64_t backlog, lag_ms, looks;
    pthread_t thread; /* searches */
    bool searching;
};

/* -- events ------------------------------------------------------------------------------------ */

static void tell (void *arg, zf_event_t event, const char *text)
{
    zf_spool_t *self = arg;
    if (self->on_event == NULL || event == ZF_EVENT_LISTENING || event == ZF_EVENT_WORKER_ON ||
        event == ZF_EVENT_WORKER_OFF)
        return; /* our own links: nobody else comes here */
    pthread_mutex_lock (&self->telling);
    self->on_event (self->arg, event, text);
    pthread_mutex_unlock (&self->telling);
}

/* -- queues and their links -------------------------------------------------------------------- */

static bool ends_with (const char *text, const char *end)
{
    size_t size = strlen (text), wanted = strlen (end);
    return size > wanted && strcmp (text + size - wanted, end) == 0;
}

static bool is_ours (const zf_spool_t *self, const char *queue)
{
    if (self->only != NULL)
        return strcmp (queue, self->only) == 0;
    return strncmp (queue, "zf.", 3) != 0 && !ends_with (queue, ".dead");
}

/* With the lock held. */
static served_t *find (const zf_spool_t *self, const char *queue)
{
    for (uint32_t i = 0; i < self->count; i++) {
        if (strcmp (self->served[i].queue, queue) == 0)
            return &self->served[i];
    }
    return NULL;
}

/* With the lock held. */
static int add (zf_spool_t *self, const char *queue, zf_error_t *err)
{
    if (self->count == self->max_links)
        return zf_error_set (err, ZF_E_LIMIT, "queue %s: %u queues have links, and no more can",
                             queue, self->max_links);
    served_t *served = realloc (self->served, (self->count + 1) * sizeof *served);
    if (served == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->served = served;
    served[self->count] = (served_t){strdup (queue), NULL};
    if (served[self->count].queue == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->count++;
    self->wanted = true;
    return 0;
}

int zf_spool_serve (zf_spool_t *self, const char *queue, zf_error_t *err)
{
    int rc = 0;
    if (!is_ours (self, queue))
        return zf_error_set (err, ZF_E_INVAL, "queue %s is not one that an outbox carries on",
                             queue);
    pthread_mutex_lock (&self->lock);
    if (find (self, queue) == NULL)
        rc = add (self, queue, err);
    if (self->wanted)
        pthread_cond_signal (&self->changed);
    pthread_mutex_unlock (&self->lock);
    return rc;
}

static int open_link (zf_spool_t *self, served_t *served, zf_error_t *err)
{
    zf_link_options_t options = self->link;
    options.from = self->endpoint;
    options.from_queue = served->queue;
    return zf_link_open (&served->link, &options, self->dir, err);
}

/* With the lock held. What fails is tried again at the next survey. */
static void open_links (zf_spool_t *self)
{
    self->wanted = false;
    for (uint32_t i = 0; i < self->count; i++) {
        zf_error_t err;
        served_t *served = &self->served[i];
        if (served->link == NULL && open_link (self, served, &err) != 0)
            tell (self, ZF_EVENT_LINK, err.text);
    }
}

/* -- the search -------------------------------------------------------------------------------- */

typedef struct {
    zf_spool_t *spool;
    uint64_t backlog, lag_ms;
} survey_t;

static void survey_queue (void *arg, const zf_queue_info_t *info)
{
    survey_t *survey = arg;
    zf_spool_t *self = survey->spool;
    zf_error_t err;
    if (info->length == 0 || !is_ours (self, info->name))
        return;
    survey->backlog += info->length;
    survey->lag_ms = info->oldest_ms > survey->lag_ms ? info->oldest_ms : survey->lag_ms;
    if (zf_spool_serve (self, info->name, &err) != 0 && !self->full) {
        self->full = true;
        tell (self, ZF_EVENT_LINK, err.text);
    }
}

static bool survey (zf_spool_t *self)
{
    survey_t found = {.spool = self};
    if (zf_admin_queues (self->client, survey_queue, &found, NULL) != 0)
        return false;
    pthread_mutex_lock (&self->lock);
    self->backlog = found.backlog;
    self->lag_ms = found.lag_ms;
    self->looks++;
    pthread_mutex_unlock (&self->lock);
    return true;
}

uint64_t zf_spool_backlog (zf_spool_t *self)
{
    bool known = survey (self);
    pthread_mutex_lock (&self->lock);
    uint64_t backlog = self->backlog;
    pthread_mutex_unlock (&self->lock);
    return known || backlog > 0 ? backlog : 1; /* nobody is to think that it is empty */
}

static void *search (void *arg)
{
    zf_spool_t *self = arg;
    pthread_mutex_lock (&self->lock);
    while (!self->stop) {
        open_links (self);
        pthread_mutex_unlock (&self->lock);
        survey (self);
        uint64_t until = zf_clock_ms () + SURVEY_MS;
        struct timespec time = {(time_t) (until / 1000), (long) (until % 1000) * 1000000};
        pthread_mutex_lock (&self->lock);
        int rc = 0;
        while (rc == 0 && !self->stop && !self->wanted)
            rc = pthread_cond_timedwait (&self->changed, &self->lock, &time);
    }
    pthread_mutex_unlock (&self->lock);
    return NULL;
}

/* -- figures ----------------------------------------------------------------------------------- */

static void add_figures (zf_link_figures_t *sum, zf_link_t *link)
{
    zf_link_figures_t one;
    zf_link_figures (link, &one);
    sum->forwarded += one.forwarded;
    sum->confirmed += one.confirmed;
    sum->duplicates += one.duplicates;
    sum->rejected += one.rejected;
    sum->rate += one.rate;
    sum->restarts += one.restarts;
    sum->connected_to |= one.connected_to;
    sum->refused |= one.refused;
}

void zf_spool_figures (zf_spool_t *self, zf_link_figures_t *figures)
{
    memset (figures, 0, sizeof *figures);
    pthread_mutex_lock (&self->lock);
    for (uint32_t i = 0; i < self->count; i++) {
        if (self->served[i].link != NULL)
            add_figures (figures, self->served[i].link);
    }
    figures->backlog = self->backlog;
    figures->lag_ms = self->lag_ms;
    figures->looks = self->looks;
    figures->connected_from = 1;
    pthread_mutex_unlock (&self->lock);
}

const char *zf_spool_endpoint (const zf_spool_t *self)
{
    return self->endpoint;
}

/* -- life -------------------------------------------------------------------------------------- */

static char *copy (const char *text)
{
    return text != NULL ? strdup (text) : NULL;
}

static int copy_options (zf_spool_t *self, const zf_spool_options_t *options, zf_error_t *err)
{
    const zf_link_options_t *link = &options->link;
    self->max_links = options->max_links;
    self->on_event = link->on_event;
    self->arg = link->arg;
    if (link->to == NULL || link->to_count == 0)
        return zf_error_set (err, ZF_E_INVAL, "no endpoint to link to");
    self->dir = copy (options->dir);
    self->only = copy (link->from_queue);
    self->to_queue = copy (link->to_queue);
    self->name = copy (link->name);
    self->to = calloc (link->to_count, sizeof *self->to);
    bool failed = self->dir == NULL || self->to == NULL ||
                  (link->from_queue != NULL && self->only == NULL) ||
                  (link->to_queue != NULL && self->to_queue == NULL);
    for (size_t i = 0; i < link->to_count && !failed; i++) {
        self->to[i] = copy (link->to[i]);
        self->to_count++;
        failed = self->to[i] == NULL;
    }
    self->link = *link;
    self->link.security = zf_security_hold (link->security);
    self->link.to = (const char *const *) self->to;
    self->link.to_queue = self->to_queue;
    self->link.name = self->name;
    self->link.on_event = tell;
    self->link.arg = self;
    return failed ? zf_error_set (err, ZF_E_NOMEM, "out of memory") : 0;
}

/* Whether the far endpoints can be used is to be known now, not when there is a queue. */
static int check_endpoints (const zf_spool_t *self, zf_error_t *err)
{
    int rc = 0;
    for (size_t i = 0; i < self->to_count && rc == 0; i++) {
        zf_socket_t socket = {.raw = NULL};
        rc = zf_socket_dealer (&socket, MESSAGE_BYTES, err);
        if (rc == 0)
            zf_socket_secure (&socket, self->link.security);
        if (rc == 0)
            rc = zf_socket_connect (&socket, self->to[i], err);
        zf_socket_close (&socket);
    }
    return rc;
}

static int start_broker (zf_spool_t *self, uint64_t disk_bytes, zf_error_t *err)
{
    uint64_t number;
    int rc = zf_random (&number, sizeof number, err);
    if (rc != 0)
        return rc;
    snprintf (self->endpoint, sizeof self->endpoint, "inproc://zferry-spool-%016llx",
              (unsigned long long) number);
    const char *endpoint = self->endpoint;
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &endpoint;
    options.journal = self->dir;
    options.memory_bytes = MEMORY_BYTES;
    if (disk_bytes != 0)
        options.disk_bytes = disk_bytes;
    options.on_event = tell;
    options.arg = self;
    return zf_broker_start (&self->broker, &options, err);
}

static int start_client (zf_spool_t *self, zf_error_t *err)
{
    const char *endpoint = self->endpoint;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.timeout_ms = ASK_MS;
    options.name = "spool";
    return zf_client_open (&self->client, &options, err);
}

static int start_search (zf_spool_t *self, zf_error_t *err)
{
    int error = pthread_create (&self->thread, NULL, search, self);
    self->searching = error == 0;
    return error == 0 ? 0 : zf_error_set (err, ZF_E_NOMEM, "a thread: %s", strerror (error));
}

static void init_locks (zf_spool_t *self)
{
    pthread_condattr_t attributes;
    pthread_mutex_init (&self->telling, NULL);
    pthread_mutex_init (&self->lock, NULL);
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->changed, &attributes);
    pthread_condattr_destroy (&attributes);
}

int zf_spool_open (zf_spool_t **spool, const zf_spool_options_t *options, zf_error_t *err)
{
    *spool = NULL;
    zf_spool_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    init_locks (self);
    int rc = copy_options (self, options, err);
    if (rc == 0)
        rc = check_endpoints (self, err);
    if (rc == 0)
        rc = start_broker (self, options->disk_bytes, err);
    if (rc == 0)
        rc = start_client (self, err);
    if (rc == 0 && self->only != NULL)
        rc = zf_spool_serve (self, self->only, err);
    if (rc == 0)
        rc = start_search (self, err);
    *spool = self;
    if (rc != 0)
        zf_spool_close (spool);
    return rc;
}

static void stop_search (zf_spool_t *self)
{
    if (!self->searching)
        return;
    pthread_mutex_lock (&self->lock);
    self->stop = true;
    pthread_cond_signal (&self->changed);
    pthread_mutex_unlock (&self->lock);
    pthread_join (self->thread, NULL);
}

void zf_spool_close (zf_spool_t **spool)
{
    zf_spool_t *self = spool != NULL ? *spool : NULL;
    if (self == NULL)
        return;
    *spool = NULL;
    stop_search (self);
    for (uint32_t i = 0; i < self->count; i++) {
        zf_link_close (&self->served[i].link);
        free (self->served[i].queue);
    }
    free (self->served);
    zf_client_close (&self->client);
    zf_device_stop (&self->broker);
    zf_security_drop (&self->link.security);
    for (size_t i = 0; i < self->to_count; i++)
        free (self->to[i]);
    free (self->to);
    free (self->dir);
    free (self->only);
    free (self->to_queue);
    free (self->name);
    pthread_mutex_destroy (&self->telling);
    pthread_mutex_destroy (&self->lock);
    pthread_cond_destroy (&self->changed);
    free (self);
}
