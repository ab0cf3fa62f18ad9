/* Asking an admin endpoint, and a device that says what the test tells it to. */
#ifndef TESTS_WEB_HTTP_H
#define TESTS_WEB_HTTP_H

#include "tests/devices/stage.h"

#include "devices/device.h"
#include <arpa/inet.h>
#include <jansson.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define TOKEN     "0123456789abcdef-token"
#define WITH      "Authorization: Bearer " TOKEN "\r\n"
#define NO_HEADER ""

static zf_web_t *web; /* of the case that runs */

typedef struct {
    int status;   /* 0: the connection ended without an answer */
    char *text;   /* all of it; to be freed */
    char *body;   /* in it */
    json_t *json; /* the body, if it is JSON; to be decref'ed */
} answer_t;

static inline unsigned web_port (void)
{
    return (unsigned) atoi (strrchr (zf_web_address (web), ':') + 1);
}

static inline int web_connect (void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons ((uint16_t) web_port ())};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must (fd >= 0);
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    must (connect (fd, (struct sockaddr *) (void *) &address, sizeof address) == 0);
    return fd;
}

/* Reads until the connection ends. */
static inline answer_t read_answer (int fd)
{
    answer_t answer = {0};
    size_t size = 0;
    ssize_t n = 0;
    do {
        answer.text = realloc (answer.text, size + 65537);
        must (answer.text != NULL);
        n = recv (fd, answer.text + size, 65536, 0);
        size += n > 0 ? (size_t) n : 0;
    } while (n > 0);
    answer.text[size] = '\0';
    close (fd);
    answer.body = strstr (answer.text, "\r\n\r\n");
    if (answer.body == NULL)
        return answer;
    answer.body += 4;
    answer.status = atoi (answer.text + 9);
    answer.json = json_loads (answer.body, 0, NULL);
    return answer;
}

/* Sends text as it is. */
static inline answer_t send_raw (const char *text, size_t size)
{
    int fd = web_connect ();
    size_t sent = 0;
    ssize_t n = 1;
    while (sent < size && n > 0) {
        n = send (fd, text + sent, size - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t) n : 0;
    }
    return read_answer (fd);
}

static inline answer_t ask (const char *method, const char *target, const char *headers,
                            const char *body)
{
    char *text = NULL;
    int size = asprintf (&text,
                         "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n"
                         "Content-Length: %zu\r\n%s\r\n%s",
                         method, target, web_port (), body != NULL ? strlen (body) : 0, headers,
                         body != NULL ? body : "");
    must (size > 0);
    answer_t answer = send_raw (text, (size_t) size);
    free (text);
    return answer;
}

static inline void drop (answer_t *answer)
{
    json_decref (answer->json);
    free (answer->text);
    memset (answer, 0, sizeof *answer);
}

/* Asks, and fails unless this comes. Returns the JSON, to be decref'ed. */
static inline json_t *expect (int status, const char *method, const char *target,
                              const char *headers, const char *body)
{
    answer_t answer = ask (method, target, headers, body);
    if (answer.status != status)
        fail_msg ("%s %s: %d is not %d: %s", method, target, answer.status, status, answer.text);
    json_t *json = json_incref (answer.json);
    drop (&answer);
    return json;
}

static inline void expect_only (int status, const char *method, const char *target,
                                const char *headers, const char *body)
{
    json_decref (expect (status, method, target, headers, body));
}

/* -- the endpoint ------------------------------------------------------------------------------ */

static inline void start_web (const char *token, bool private_reads)
{
    zf_web_options_t options;
    zf_web_defaults (&options);
    options.bind = "127.0.0.1:0";
    options.token = token;
    options.private_reads = private_reads;
    if (zf_web_start (&web, &options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
}

static inline void show_device (const char *name, const char *kind, zf_device_t *device)
{
    zf_web_device_t shown = {.name = name, .kind = kind, .device = device};
    if (zf_web_add (web, &shown, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
}

static inline int web_clear (void **state)
{
    zf_web_stop (&web);
    return stage_clear (state);
}

#define WEB_CASE(name) cmocka_unit_test_teardown (name, web_clear)

/* -- a device that is none --------------------------------------------------------------------- */

typedef struct {
    zf_device_t device; /* first */
    const char *const *names;
    const uint64_t *values;
    size_t count;
    int code;          /* what stats answers */
    atomic_uint calls; /* of it */
} fake_t;

static inline void fake_stop (zf_device_t *device)
{
    (void) device;
}

static inline int fake_stats (zf_device_t *device, zf_stat_fn *fn, void *arg)
{
    fake_t *fake = (fake_t *) (void *) device;
    atomic_fetch_add (&fake->calls, 1);
    for (size_t i = 0; i < fake->count && fake->code == 0; i++)
        fn (arg, fake->names[i], fake->values[i]);
    return fake->code;
}

static inline zf_device_t *make_fake (fake_t *fake)
{
    static const zf_device_ops_t ops = {.stop = fake_stop, .stats = fake_stats};
    fake->device.ops = &ops;
    return &fake->device;
}

static inline zf_client_t *start_shown_broker (const char *token, bool private_reads)
{
    zf_device_t *broker = start_broker (NULL);
    start_web (token, private_reads);
    show_device ("main", "broker", broker);
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "one");
    return client;
}

static inline const char *words (const json_t *object, const char *key)
{
    const char *value = json_string_value (json_object_get (object, key));
    if (value == NULL)
        fail_msg ("there is no text %s", key);
    return value;
}

static inline void expect_error (int status, const char *method, const char *target,
                                 const char *headers, const char *body, const char *says)
{
    json_t *error = expect (status, method, target, headers, body);
    if (strstr (words (error, "error"), says) == NULL)
        fail_msg ("%s %s: '%s' does not say '%s'", method, target, words (error, "error"), says);
    json_decref (error);
}

#endif
