/* A client and a worker in one libuv loop: no call here ever waits.
 *
 *   loop_uv [ENDPOINT]      default tcp://127.0.0.1:5555
 *
 * What a loop has to know of a handle is one descriptor. When it is readable: call _process, then
 * fetch until there is no more. Heartbeats, resending and reconnecting go on by themselves. */
#include <stdatomic.h>
#include <stdio.h>
#include <uv.h>
#include <zferry/zferry.h>

#define COUNT 100 /* requests, and posts */

typedef struct {
    zf_client_t *client;
    zf_worker_t *worker;
    uv_poll_t client_poll;
    uv_poll_t worker_poll;
    uv_async_t news;       /* on_confirm has some */
    atomic_uint confirmed; /* posts */
    atomic_uint refused;
    unsigned answered; /* requests */
    unsigned worked;   /* records of either kind */
    unsigned failed;
} app_t;

static void stop_when_done (app_t *app)
{
    bool done = app->confirmed == COUNT && app->answered == COUNT && app->worked == 2 * COUNT;
    if (!done && app->failed == 0 && app->refused == 0)
        return;
    uv_stop (app->news.loop);
}

/* Outcomes of posts. This runs inside a call of the client, or on the library's keeper thread if
 * the loop was busy elsewhere: so it only counts, and wakes the loop. */
static void on_confirm (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    app_t *app = arg;
    (void) queue;
    (void) first;
    atomic_fetch_add (code == 0 ? &app->confirmed : &app->refused, (unsigned) count);
    uv_async_send (&app->news);
}

static void on_news (uv_async_t *news)
{
    stop_when_done (news->data);
}

static void on_client (uv_poll_t *poll, int status, int events)
{
    app_t *app = poll->data;
    zf_message_t reply;
    (void) status;
    (void) events;
    zf_client_process (app->client);
    while (zf_client_next_reply (app->client, &reply, 0, NULL) == 0) {
        app->answered += reply.code == 0;
        app->failed += reply.code != 0;
        zf_message_release (&reply);
    }
    stop_when_done (app);
}

static void on_worker (uv_poll_t *poll, int status, int events)
{
    app_t *app = poll->data;
    zf_message_t message;
    (void) status;
    (void) events;
    zf_worker_process (app->worker);
    while (zf_worker_recv (app->worker, &message, 0, NULL) == 0) {
        app->worked++; /* a request gets its body back, a post an ack */
        if (zf_worker_reply (app->worker, &message, message.body, message.size, NULL) != 0)
            app->failed++;
    }
    stop_when_done (app);
}

/* The window of a client holds these with ease; an application that posts more, and gets
 * ZF_E_AGAIN, goes on from on_confirm. */
static int begin (app_t *app, zf_error_t *err)
{
    int rc = 0;
    for (int i = 0; i < COUNT && rc == 0; i++) {
        rc = zf_client_try_post (app->client, "loop", "post", 4, NULL, NULL, err);
        if (rc == 0)
            rc = zf_client_request_async (app->client, "loop", "ask", 3, NULL, NULL, NULL, NULL,
                                          err);
    }
    return rc;
}

static int open_handles (app_t *app, const char *endpoint, zf_error_t *err)
{
    zf_client_options_t client;
    zf_worker_options_t worker;
    zf_client_defaults (&client);
    zf_worker_defaults (&worker);
    client.endpoints = worker.endpoints = &endpoint;
    client.endpoint_count = worker.endpoint_count = 1;
    client.on_confirm = on_confirm;
    client.arg = app;
    int rc = zf_client_open (&app->client, &client, err);
    return rc == 0 ? zf_worker_open (&app->worker, "loop", &worker, err) : rc;
}

static void watch (app_t *app, uv_loop_t *loop)
{
    uv_poll_init (loop, &app->client_poll, zf_client_fd (app->client));
    uv_poll_init (loop, &app->worker_poll, zf_worker_fd (app->worker));
    app->client_poll.data = app->worker_poll.data = app;
    uv_poll_start (&app->client_poll, UV_READABLE, on_client);
    uv_poll_start (&app->worker_poll, UV_READABLE, on_worker);
}

static void unwatch (app_t *app)
{
    uv_close ((uv_handle_t *) &app->client_poll, NULL);
    uv_close ((uv_handle_t *) &app->worker_poll, NULL);
}

int main (int argc, char **argv)
{
    app_t app = {0};
    zf_error_t err;
    uv_loop_t *loop = uv_default_loop ();
    uv_async_init (loop, &app.news, on_news);
    app.news.data = &app;
    int rc = open_handles (&app, argc > 1 ? argv[1] : "tcp://127.0.0.1:5555", &err);
    if (rc == 0)
        rc = begin (&app, &err);
    if (rc == 0) {
        watch (&app, loop);
        uv_run (loop, UV_RUN_DEFAULT);
        unwatch (&app); /* before the descriptors are closed with the handles */
    } else {
        fprintf (stderr, "loop_uv: %s\n", err.text);
    }
    zf_worker_close (&app.worker);
    zf_client_close (&app.client); /* no callback comes after this */
    uv_close ((uv_handle_t *) &app.news, NULL);
    uv_run (loop, UV_RUN_DEFAULT);
    uv_loop_close (loop);
    printf ("%u confirmed, %u answered, %u worked, %u failed\n", app.confirmed, app.answered,
            app.worked, app.failed + app.refused);
    return rc != 0 || app.failed + app.refused > 0;
}
