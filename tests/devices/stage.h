/* The stage of the socket tests: brokers, clients, workers and services of one case. What is still
 * there at its end is taken down by stage_clear, its teardown, also if the case has failed.
 *
 * Whatever is expected is waited for, PATIENCE_MS at most. Threads: the test's own; what runs on
 * others uses must, for cmocka's asserts belong to the test's thread. */
#ifndef TESTS_DEVICES_STAGE_H
#define TESTS_DEVICES_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/socket.h"
#include <poll.h>
#include <pthread.h>
#include <unistd.h>
#include <zferry/zferry.h>

#define PATIENCE_MS 20000 /* what takes so long does not happen */
#define STAGE_MAX   64    /* of a kind */
#define ANY_PORT    "tcp://127.0.0.1:*"

/* Looks again and again until the condition holds. */
#define AWAIT(condition)                                    \
    do {                                                    \
        uint64_t await_end_ = zf_clock_ms () + PATIENCE_MS; \
        while (!(condition)) {                              \
            if (zf_clock_ms () >= await_end_)               \
                fail_msg ("never: %s", #condition);         \
            poll (NULL, 0, 1);                              \
        }                                                   \
    } while (0)

/* An assert for any thread. */
#define must(condition)                                                                 \
    do {                                                                                \
        if (!(condition)) {                                                             \
            fprintf (stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition); \
            abort ();                                                                   \
        }                                                                               \
    } while (0)

/* Settles a message that a service has received. */
typedef void service_fn (zf_worker_t *worker, zf_message_t *message);

/* A worker with a thread of its own. */
typedef struct {
    zf_worker_t *worker;
    service_fn *serve;
    pthread_t thread;
    bool runs;
} service_t;

static struct {
    zf_device_t *brokers[STAGE_MAX];
    zf_client_t *clients[STAGE_MAX];
    zf_worker_t *workers[STAGE_MAX];
    service_t services[STAGE_MAX];
    zf_error_t err; /* of the last call */
} stage;

/* -- brokers ----------------------------------------------------------------------------------- */

/* Starts a broker. options NULL: the defaults, on a port that the system chooses. */
static inline zf_device_t *start_broker (const zf_broker_options_t *options)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t defaults;
    zf_broker_defaults (&defaults);
    defaults.endpoints = any_port;
    size_t i = 0;
    while (stage.brokers[i] != NULL)
        i++;
    assert_true (i < STAGE_MAX);
    int rc = zf_broker_start (&stage.brokers[i], options != NULL ? options : &defaults, &stage.err);
    if (rc != 0)
        fail_msg ("%s", stage.err.text);
    return stage.brokers[i];
}

/* One that queues live by this policy unless they were declared. */
static inline zf_device_t *start_broker_with (const zf_policy_t *policy)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.policy = policy;
    return start_broker (&options);
}

static inline void stop_broker (zf_device_t *broker)
{
    size_t i = 0;
    while (stage.brokers[i] != broker)
        i++;
    zf_device_stop (&stage.brokers[i]);
}

static inline const char *endpoint_of (const zf_device_t *broker)
{
    return zf_device_endpoint (broker, 0);
}

typedef struct {
    const char *name;
    uint64_t value;
    bool found;
} figure_t;

static inline void pick_figure (void *arg, const char *name, uint64_t value)
{
    figure_t *figure = arg;
    if (strcmp (name, figure->name) != 0)
        return;
    figure->value = value;
    figure->found = true;
}

/* A figure of a broker, by name. */
static inline uint64_t figure (zf_device_t *broker, const char *name)
{
    figure_t wanted = {name, 0, false};
    assert_int_equal (zf_device_stats (broker, pick_figure, &wanted), 0);
    assert_true (wanted.found);
    return wanted.value;
}

/* -- clients ----------------------------------------------------------------------------------- */

static inline zf_client_t *open_client_with (const zf_client_options_t *options)
{
    size_t i = 0;
    while (stage.clients[i] != NULL)
        i++;
    assert_true (i < STAGE_MAX);
    if (zf_client_open (&stage.clients[i], options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return stage.clients[i];
}

static inline zf_client_t *open_client_at (const char *endpoint)
{
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = PATIENCE_MS;
    return open_client_with (&options);
}

static inline zf_client_t *open_client (const zf_device_t *broker)
{
    return open_client_at (endpoint_of (broker));
}

static inline void close_client (zf_client_t *client)
{
    size_t i = 0;
    while (stage.clients[i] != client)
        i++;
    zf_client_close (&stage.clients[i]);
}

/* Posts a text and waits for the confirm. */
static inline void post (zf_client_t *client, const char *queue, const char *text)
{
    if (zf_client_post (client, queue, text, strlen (text), NULL, &stage.err) != 0)
        fail_msg ("post to %s: %s", queue, stage.err.text);
}

static inline zf_queue_info_t look_at (zf_client_t *client, const char *queue)
{
    zf_queue_info_t info;
    if (zf_admin_queue (client, queue, &info, &stage.err) != 0)
        fail_msg ("look at %s: %s", queue, stage.err.text);
    return info;
}

/* True if the queue is there and has so many records. */
static inline bool has_length (zf_client_t *client, const char *queue, uint64_t length)
{
    zf_queue_info_t info;
    return zf_admin_queue (client, queue, &info, NULL) == 0 && info.length == length;
}

/* True if the queue is there and so many workers take from it. */
static inline bool has_workers (zf_client_t *client, const char *queue, uint64_t workers)
{
    zf_queue_info_t info;
    return zf_admin_queue (client, queue, &info, NULL) == 0 && info.workers == workers;
}

static inline void declare (zf_client_t *client, const char *queue, const zf_policy_t *policy)
{
    if (zf_admin_declare (client, queue, policy, &stage.err) != 0)
        fail_msg ("declare %s: %s", queue, stage.err.text);
}

/* Asks and checks that the answer is this text. */
static inline void expect_answer (zf_client_t *client, const char *service, const char *question,
                                  const char *answer)
{
    zf_message_t reply;
    int rc =
        zf_client_request (client, service, question, strlen (question), NULL, &reply, &stage.err);
    if (rc != 0)
        fail_msg ("ask %s: %s", service, stage.err.text);
    assert_int_equal (reply.size, strlen (answer));
    assert_memory_equal (reply.body, answer, reply.size);
    zf_message_release (&reply);
}

/* -- workers ----------------------------------------------------------------------------------- */

static inline zf_worker_t *open_worker_with (const char *queue, const zf_worker_options_t *options)
{
    size_t i = 0;
    while (stage.workers[i] != NULL)
        i++;
    assert_true (i < STAGE_MAX);
    if (zf_worker_open (&stage.workers[i], queue, options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return stage.workers[i];
}

/* A worker that holds up to credit records, 0: as many as it finds right. */
static inline zf_worker_t *open_worker (const zf_device_t *broker, const char *queue,
                                        uint32_t credit)
{
    const char *endpoint = endpoint_of (broker);
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.credit = credit;
    return open_worker_with (queue, &options);
}

static inline void close_worker (zf_worker_t *worker)
{
    size_t i = 0;
    while (stage.workers[i] != worker)
        i++;
    zf_worker_close (&stage.workers[i]);
}

/* The next message, which must come. */
static inline zf_message_t take (zf_worker_t *worker)
{
    zf_message_t message;
    if (zf_worker_recv (worker, &message, PATIENCE_MS, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return message;
}

/* The next message, which must be this text at this attempt. */
static inline zf_message_t take_text (zf_worker_t *worker, const char *text, uint32_t attempt)
{
    zf_message_t message = take (worker);
    if (message.size != strlen (text) || memcmp (message.body, text, message.size) != 0)
        fail_msg ("expected %s, got %.*s", text, (int) message.size, (const char *) message.body);
    assert_int_equal (message.attempt, attempt);
    return message;
}

static inline void ack (zf_worker_t *worker, zf_message_t *message)
{
    assert_int_equal (zf_worker_ack (worker, message), 0);
}

/* -- services ---------------------------------------------------------------------------------- */

/* Answers with what was asked. */
static inline void serve_echo (zf_worker_t *worker, zf_message_t *message)
{
    must (zf_worker_reply (worker, message, message->body, message->size, NULL) == 0);
}

static inline void *run_service (void *arg)
{
    service_t *service = arg;
    zf_message_t message;
    while (zf_worker_recv (service->worker, &message, -1, NULL) == 0)
        service->serve (service->worker, &message);
    return NULL;
}

/* Serves with an opened worker until stop_service. */
static inline service_t *serve_with (zf_worker_t *worker, service_fn *serve)
{
    size_t i = 0;
    while (stage.services[i].runs)
        i++;
    assert_true (i < STAGE_MAX);
    service_t *service = &stage.services[i];
    service->worker = worker;
    service->serve = serve;
    assert_int_equal (pthread_create (&service->thread, NULL, run_service, service), 0);
    service->runs = true;
    return service;
}

static inline service_t *start_service (const zf_device_t *broker, const char *name,
                                        service_fn *serve)
{
    return serve_with (open_worker (broker, name, 0), serve);
}

static inline void stop_service (service_t *service)
{
    zf_worker_drain (service->worker, PATIENCE_MS, NULL);
    pthread_join (service->thread, NULL);
    service->runs = false;
    close_worker (service->worker);
}

/* -- threads ----------------------------------------------------------------------------------- */

/* Runs the function on so many threads at once, with the same argument, and waits for them. */
static inline void on_threads (size_t count, void *(*run) (void *), void *arg)
{
    pthread_t threads[STAGE_MAX];
    for (size_t i = 0; i < count; i++)
        assert_int_equal (pthread_create (&threads[i], NULL, run, arg), 0);
    for (size_t i = 0; i < count; i++)
        pthread_join (threads[i], NULL);
}

/* -- the end ----------------------------------------------------------------------------------- */

static inline int stage_clear (void **state)
{
    (void) state;
    for (size_t i = 0; i < STAGE_MAX; i++) {
        if (stage.services[i].runs)
            stop_service (&stage.services[i]);
    }
    for (size_t i = 0; i < STAGE_MAX; i++) {
        zf_client_close (&stage.clients[i]);
        zf_worker_close (&stage.workers[i]);
    }
    for (size_t i = 0; i < STAGE_MAX; i++)
        zf_device_stop (&stage.brokers[i]);
    return 0;
}

/* A case that begins with an empty stage. */
#define CASE(name) cmocka_unit_test_teardown (name, stage_clear)

#endif
