#include "web/server.h"

#include "devices/socket.h"
#include "web/routes.h"

#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADERS_MAX (32u << 10) /* of request and answer together */
#define IDLE_S      15u

/* A connection that is open. */
typedef struct {
    bool is_used;
    int fd;
    uint64_t since_ms; /* its begin, or the end of its last answer */
} line_t;

struct zf_web_server {
    zf_web_t *web;
    struct MHD_Daemon *daemon;
    pthread_t watcher; /* ends those that take too long */
    bool watches;      /* it was started */
    pthread_mutex_t lock;
    pthread_cond_t stirred; /* it is to end */
    bool stops;
    line_t lines[ZF_WEB_CONNECTIONS];
};

/* A request that is being read. */
typedef struct {
    char target[ZF_WEB_TARGET_MAX + 1];
    bool too_long; /* the target was */
    bool begun;    /* its headers were looked at */
    bool refused;  /* and that was enough: the answer is there */
    bool too_big;  /* the body was */
    const zf_web_route_t *route;
    zf_web_request_t request;
    zf_web_text_t body;
    zf_web_answer_t answer;
} exchange_t;

/* -- lines ------------------------------------------------------------------------------------- */

static void begin_line (zf_web_server_t *self, struct MHD_Connection *connection, void **slot)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    pthread_mutex_lock (&self->lock);
    for (size_t i = 0; i < ZF_WEB_CONNECTIONS && info != NULL; i++) {
        line_t *line = &self->lines[i];
        if (line->is_used)
            continue;
        *line = (line_t){true, info->connect_fd, zf_clock_ms ()};
        *slot = line;
        break;
    }
    pthread_mutex_unlock (&self->lock);
}

static void on_line (void *arg, struct MHD_Connection *connection, void **slot,
                     enum MHD_ConnectionNotificationCode what)
{
    zf_web_server_t *self = arg;
    line_t *line = *slot;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        begin_line (self, connection, slot);
    } else if (line != NULL) {
        pthread_mutex_lock (&self->lock);
        line->is_used = false;
        pthread_mutex_unlock (&self->lock);
        *slot = NULL;
    }
}

/* Cuts what is overdue; returns when the next one is. The connection's own thread closes it. */
static uint64_t cut_overdue (zf_web_server_t *self, uint64_t now)
{
    uint64_t next = now + ZF_WEB_REQUEST_MS;
    for (size_t i = 0; i < ZF_WEB_CONNECTIONS; i++) {
        const line_t *line = &self->lines[i];
        uint64_t due = line->since_ms + ZF_WEB_REQUEST_MS;
        if (!line->is_used)
            continue;
        if (due <= now)
            shutdown (line->fd, SHUT_RDWR);
        else if (due < next)
            next = due;
    }
    return next;
}

static void *watch (void *arg)
{
    zf_web_server_t *self = arg;
    pthread_mutex_lock (&self->lock);
    while (!self->stops) {
        uint64_t due = cut_overdue (self, zf_clock_ms ());
        struct timespec at = {.tv_sec = (time_t) (due / 1000),
                              .tv_nsec = (long) (due % 1000) * 1000000};
        pthread_cond_timedwait (&self->stirred, &self->lock, &at);
    }
    pthread_mutex_unlock (&self->lock);
    return NULL;
}

/* -- answers ----------------------------------------------------------------------------------- */

static void add_headers (struct MHD_Response *response, const zf_web_answer_t *answer)
{
    static const struct {
        const char *name, *value;
    } always[] = {{"Content-Security-Policy",
                   "default-src 'self'; object-src 'none'; base-uri 'none'; "
                   "form-action 'none'; frame-ancestors 'none'"},
                  {"X-Content-Type-Options", "nosniff"},
                  {"X-Frame-Options", "DENY"},
                  {"Referrer-Policy", "no-referrer"},
                  {"Cross-Origin-Opener-Policy", "same-origin"},
                  {"Cross-Origin-Resource-Policy", "same-origin"}};
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        MHD_add_response_header (response, always[i].name, always[i].value);
    MHD_add_response_header (response, "Content-Type", answer->type);
    MHD_add_response_header (response, "Cache-Control",
                             answer->asset != NULL ? "no-cache" : "no-store");
    if (answer->asset != NULL)
        MHD_add_response_header (response, "ETag", answer->asset->tag);
    if (answer->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header (response, "WWW-Authenticate", "Bearer realm=\"zferry\"");
    if (answer->allow[0] != '\0')
        MHD_add_response_header (response, "Allow", answer->allow);
}

/* A constant of ours; MHD takes it without const. */
static struct MHD_Response *response_of_asset (const zf_web_asset_t *asset)
{
    union {
        const unsigned char *ours;
        void *theirs;
    } data = {asset->data};
    return MHD_create_response_from_buffer (asset->size, data.theirs, MHD_RESPMEM_PERSISTENT);
}

static bool is_known (struct MHD_Connection *connection, const zf_web_asset_t *asset)
{
    const char *tag = MHD_lookup_connection_value (connection, MHD_HEADER_KIND, "If-None-Match");
    return tag != NULL && strcmp (tag, asset->tag) == 0;
}

static enum MHD_Result send_answer (struct MHD_Connection *connection, zf_web_answer_t *answer)
{
    static const char failed[] = "{\"error\":\"out of memory\"}\n";
    struct MHD_Response *response = NULL;
    if (answer->asset != NULL && is_known (connection, answer->asset)) {
        answer->status = MHD_HTTP_NOT_MODIFIED;
        response = MHD_create_response_from_buffer (0, NULL, MHD_RESPMEM_PERSISTENT);
    } else if (answer->asset != NULL) {
        response = response_of_asset (answer->asset);
    } else if (answer->text.failed) {
        answer->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        response = MHD_create_response_from_buffer (sizeof failed - 1, (void *) (uintptr_t) failed,
                                                    MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_buffer (answer->text.size, answer->text.data,
                                                    MHD_RESPMEM_MUST_FREE);
        if (response != NULL)
            answer->text.data = NULL; /* it is the response's now */
    }
    if (response == NULL)
        return MHD_NO;
    add_headers (response, answer);
    enum MHD_Result result = MHD_queue_response (connection, answer->status, response);
    MHD_destroy_response (response);
    return result;
}

/* -- requests ---------------------------------------------------------------------------------- */

/* The first that is heard of a request. */
static void *on_target (void *arg, const char *target, struct MHD_Connection *connection)
{
    exchange_t *exchange = calloc (1, sizeof *exchange);
    size_t size = strlen (target);
    (void) arg;
    (void) connection;
    if (exchange == NULL)
        return NULL;
    exchange->too_long = size > ZF_WEB_TARGET_MAX;
    if (!exchange->too_long)
        memcpy (exchange->target, target, size + 1);
    return exchange;
}

/* The last: it was answered, or its connection is gone. */
static void on_end (void *arg, struct MHD_Connection *connection, void **slot,
                    enum MHD_RequestTerminationCode why)
{
    zf_web_server_t *self = arg;
    exchange_t *exchange = *slot;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info (connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    line_t *line = info != NULL ? info->socket_context : NULL;
    (void) why;
    *slot = NULL;
    if (exchange != NULL) {
        free (exchange->body.data);
        free (exchange->answer.text.data);
    }
    free (exchange);
    if (line == NULL)
        return;
    pthread_mutex_lock (&self->lock);
    line->since_ms = zf_clock_ms ();
    pthread_mutex_unlock (&self->lock);
}

static const char *header (struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value (connection, MHD_HEADER_KIND, name);
}

static bool says_too_big (struct MHD_Connection *connection)
{
    const char *length = header (connection, "Content-Length");
    return length != NULL && (strlen (length) > 9 || strtoul (length, NULL, 10) > ZF_WEB_BODY_MAX);
}

static bool has_body (struct MHD_Connection *connection)
{
    const char *length = header (connection, "Content-Length");
    return header (connection, "Transfer-Encoding") != NULL ||
           (length != NULL && strcmp (length, "0") != 0);
}

static void refuse_size (exchange_t *exchange)
{
    zf_web_answer_error (&exchange->answer, MHD_HTTP_CONTENT_TOO_LARGE,
                         "a body has at most %d bytes", ZF_WEB_BODY_MAX);
}

/* Looks at the headers. Returns false if there is nothing more to be heard: the answer is there. */
static bool begin (zf_web_server_t *self, exchange_t *exchange, struct MHD_Connection *connection,
                   const char *method)
{
    zf_web_request_t *request = &exchange->request;
    zf_web_answer_t *answer = &exchange->answer;
    *request = (zf_web_request_t){.web = self->web,
                                  .method = method,
                                  .target = exchange->target,
                                  .host = header (connection, "Host"),
                                  .origin = header (connection, "Origin"),
                                  .authorization = header (connection, "Authorization")};
    if (exchange->too_long)
        zf_web_answer_error (answer, MHD_HTTP_URI_TOO_LONG, "path and query have at most %d bytes",
                             ZF_WEB_TARGET_MAX);
    else
        exchange->route = zf_web_route (request, answer);
    if (exchange->route == NULL || !zf_web_admit (request, exchange->route, answer))
        return false;
    if (!says_too_big (connection))
        return true;
    refuse_size (exchange);
    return false;
}

static void take_body (exchange_t *exchange, const char *data, size_t size)
{
    if (exchange->body.size + size > ZF_WEB_BODY_MAX)
        exchange->too_big = true;
    else
        zf_web_text_add (&exchange->body, data, size);
}

static void handle (exchange_t *exchange)
{
    zf_web_answer_t *answer = &exchange->answer;
    exchange->request.body = (zf_bytes_t){exchange->body.data, exchange->body.size};
    answer->type = ZF_WEB_JSON;
    answer->text.failed = exchange->body.failed;
    if (exchange->too_big)
        refuse_size (exchange);
    else if (!exchange->body.failed)
        exchange->route->handle (&exchange->request, answer);
}

/* Called with the headers, with each piece of the body, and at the end. To answer before a body has
 * come ends the connection; without a body it is done at the end, so that it can go on. */
static enum MHD_Result on_request (void *arg, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *data,
                                   size_t *size, void **slot)
{
    exchange_t *exchange = *slot;
    (void) url;
    (void) version;
    if (exchange == NULL) /* out of memory */
        return MHD_NO;
    if (!exchange->begun) {
        exchange->begun = true;
        exchange->refused = !begin (arg, exchange, connection, method);
        if (!exchange->refused || !has_body (connection))
            return MHD_YES;
    } else if (*size > 0) {
        if (!exchange->refused)
            take_body (exchange, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (!exchange->refused)
        handle (exchange);
    return send_answer (connection, &exchange->answer);
}

/* Paths are unescaped by us, name by name. */
static size_t leave_escaped (void *arg, struct MHD_Connection *connection, char *text)
{
    (void) arg;
    (void) connection;
    return strlen (text);
}

/* What MHD has to say is about what strangers send. */
static void be_silent (void *arg, const char *format, va_list args)
{
    (void) arg;
    (void) format;
    (void) args;
}

/* -- life -------------------------------------------------------------------------------------- */

static struct MHD_Daemon *start_daemon (zf_web_server_t *self, int fd)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    return MHD_start_daemon (
        flags, 0, NULL, NULL, on_request, self, MHD_OPTION_EXTERNAL_LOGGER, be_silent, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned) ZF_WEB_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t) HEADERS_MAX, MHD_OPTION_NOTIFY_CONNECTION, on_line, self,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, self, MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);
}

static int start_threads (zf_web_server_t *self, int fd, zf_error_t *err)
{
    sigset_t all;
    sigset_t before;
    sigfillset (&all); /* signals are the application's */
    pthread_sigmask (SIG_SETMASK, &all, &before);
    self->watches = pthread_create (&self->watcher, NULL, watch, self) == 0;
    self->daemon = self->watches ? start_daemon (self, fd) : NULL;
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    if (!self->watches)
        close (fd);
    if (self->daemon == NULL) { /* which has closed it */
        return zf_error_set (err, ZF_E_IO, "no threads for the admin endpoint");
    }
    return 0;
}

int zf_web_server_start (zf_web_server_t **server, zf_web_t *web, int fd, zf_error_t *err)
{
    pthread_condattr_t monotonic;
    zf_web_server_t *self = calloc (1, sizeof *self);
    *server = self;
    if (self == NULL) {
        close (fd);
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    }
    self->web = web;
    pthread_mutex_init (&self->lock, NULL);
    pthread_condattr_init (&monotonic);
    pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init (&self->stirred, &monotonic);
    pthread_condattr_destroy (&monotonic);
    int rc = start_threads (self, fd, err);
    if (rc != 0)
        zf_web_server_stop (server);
    return rc;
}

void zf_web_server_stop (zf_web_server_t **server)
{
    zf_web_server_t *self = *server;
    if (self == NULL)
        return;
    *server = NULL;
    if (self->daemon != NULL)
        MHD_stop_daemon (self->daemon);
    pthread_mutex_lock (&self->lock);
    self->stops = true;
    pthread_cond_signal (&self->stirred);
    pthread_mutex_unlock (&self->lock);
    if (self->watches)
        pthread_join (self->watcher, NULL);
    pthread_cond_destroy (&self->stirred);
    pthread_mutex_destroy (&self->lock);
    free (self);
}
