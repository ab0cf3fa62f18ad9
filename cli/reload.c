/* zferry reload: asks a topology, by its admin page, to read its file again. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zferry/topology.h>

enum { PATIENCE_S = 60, ADDRESS_MAX = 300, FILE_MAX = 4096, TOKEN_MAX = 512, ANSWER_MAX = 262144 };

/* Who is asked. */
typedef struct {
    const cli_t *cli;
    char address[ADDRESS_MAX]; /* HOST:PORT */
    char token_file[FILE_MAX]; /* "": none */
    char token[TOKEN_MAX];     /* what is in it */
    char answer[ANSWER_MAX];   /* what came back, headers and all */
} request_t;

/* -- whom -------------------------------------------------------------------------------------- */

static void on_log (void *arg, zf_log_level_t level, const char *device, const char *text)
{
    (void) device;
    cli_log (arg, level, NULL, "%s", text);
}

/* By what the file says of its admin page. */
static int find_by_file (request_t *self, const char *file)
{
    const cli_t *cli = self->cli;
    union {
        const void *held;
        void *given; /* on_log takes it back as what it is */
    } arg = {.held = cli};
    zf_error_t err = {.code = 0};
    zf_topology_options_t options;
    zf_topology_defaults (&options);
    options.file = file;
    options.on_log = on_log;
    options.arg = arg.given;
    int rc = zf_topology_find_admin (&options, self->address, sizeof self->address,
                                     self->token_file, sizeof self->token_file, &err);
    if (rc == ZF_E_INVAL)
        return cli_fail (cli, EX_CONFIG, "%s; nothing was reloaded", err.text);
    if (rc == ZF_E_NOT_FOUND)
        return cli_fail (cli, EX_NOINPUT,
                         "%s; send the process SIGHUP, or give the URL of its admin page",
                         err.text);
    return rc == 0 ? 0 : cli_fail (cli, cli_exit_code (rc), "%s", err.text);
}

static int find (request_t *self, const char *where)
{
    static const char scheme[] = "http://";
    if (strncmp (where, "https://", 8) == 0)
        return cli_misuse (self->cli,
                           "https is for a proxy; give the admin page's own http:// URL");
    if (strncmp (where, scheme, strlen (scheme)) != 0)
        return find_by_file (self, where);
    where += strlen (scheme);
    size_t size = strcspn (where, "/");
    if (size == 0 || size >= sizeof self->address || memchr (where, ':', size) == NULL)
        return cli_misuse (self->cli, "the URL is http://HOST:PORT");
    snprintf (self->address, sizeof self->address, "%.*s", (int) size, where);
    return 0;
}

static int read_token (request_t *self)
{
    const char *file = cli_text (self->cli, "token-file", self->token_file);
    if (file[0] == '\0')
        return cli_misuse (self->cli, "a reload wants a token: --token-file FILE, or token_file "
                                      "in the topology's admin; SIGHUP to the process wants none");
    int fd = open (file, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read (fd, self->token, sizeof self->token - 1) : -1;
    int error = errno;
    if (fd >= 0)
        close (fd);
    if (size < 0)
        return cli_fail (self->cli, EX_NOINPUT, "%s: %s", file, strerror (error));
    while (size > 0 && isspace ((unsigned char) self->token[size - 1]))
        size--;
    self->token[size] = '\0';
    if (size == 0 || strpbrk (self->token, "\r\n") != NULL)
        return cli_fail (self->cli, EX_DATAERR, "%s: no token in it", file);
    return 0;
}

/* -- asking ------------------------------------------------------------------------------------ */

static int connect_to (const struct addrinfo *list)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    for (; list != NULL; list = list->ai_next) {
        int fd = socket (list->ai_family, list->ai_socktype | SOCK_CLOEXEC, list->ai_protocol);
        if (fd < 0)
            continue;
        setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect (fd, list->ai_addr, list->ai_addrlen) == 0)
            return fd;
        close (fd);
    }
    return -1;
}

/* Returns the connection, -1: there is none, and errno says why. */
static int dial (const request_t *self)
{
    char host[ADDRESS_MAX];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    snprintf (host, sizeof host, "%s", self->address);
    char *colon = strrchr (host, ':');
    char *start = host;
    *colon = '\0';
    if (host[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        start++;
    }
    if (getaddrinfo (start, colon + 1, &hints, &list) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = connect_to (list);
    int error = errno;
    freeaddrinfo (list);
    errno = error;
    return fd;
}

static bool send_all (int fd, const char *text)
{
    size_t size = strlen (text);
    while (size > 0) {
        ssize_t n = send (fd, text, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        text += n;
        size -= (size_t) n;
    }
    return true;
}

static bool receive_all (request_t *self, int fd)
{
    size_t used = 0;
    ssize_t n = 0;
    while (used < sizeof self->answer - 1 &&
           (n = recv (fd, self->answer + used, sizeof self->answer - 1 - used, 0)) > 0)
        used += (size_t) n;
    self->answer[used] = '\0';
    return n == 0 && used > 0;
}

static int ask (request_t *self)
{
    char text[ADDRESS_MAX + TOKEN_MAX + 200];
    snprintf (text, sizeof text,
              "POST /api/v1/reload HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
              "Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
              self->address, self->token);
    int fd = dial (self);
    if (fd < 0)
        return cli_fail (self->cli, EX_UNAVAILABLE, "http://%s: %s; is zferry run running there?",
                         self->address, strerror (errno));
    bool answered = send_all (fd, text) && receive_all (self, fd);
    close (fd);
    if (!answered)
        return cli_fail (self->cli, EX_TEMPFAIL, "http://%s does not answer as it should",
                         self->address);
    return 0;
}

/* -- what came of it --------------------------------------------------------------------------- */

/* Of "HTTP/1.1 200 OK"; 0: that is no answer of HTTP. */
static long status_of (const char *answer)
{
    const char *space = strncmp (answer, "HTTP/1.", 7) == 0 ? strchr (answer, ' ') : NULL;
    return space != NULL ? strtol (space, NULL, 10) : 0;
}

/* The body is an object with "text", or "error". */
static int tell (const request_t *self)
{
    long status = status_of (self->answer);
    const char *body = strstr (self->answer, "\r\n\r\n");
    json_t *object = body != NULL ? json_loads (body + 4, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    const char *text = json_string_value (json_object_get (object, "text"));
    const char *error = json_string_value (json_object_get (object, "error"));
    int rc = 0;
    if (status == 0)
        rc = cli_fail (self->cli, EX_PROTOCOL, "http://%s is no admin page", self->address);
    else if (status == 401 || status == 403)
        rc = cli_fail (self->cli, EX_NOPERM, "http://%s: %s", self->address,
                       error != NULL ? error : "the token is not the right one");
    else if (status != 200)
        rc = cli_fail (self->cli, status == 409 ? EX_CONFIG : EX_UNAVAILABLE, "%s",
                       error != NULL ? error : "the admin page refuses to");
    else if (self->cli->json_asked)
        printf ("%s\n", body + 4);
    else
        printf ("%s\n", text != NULL ? text : "");
    json_decref (object);
    return rc != 0 ? rc : cli_flush (self->cli);
}

static int run (cli_t *cli)
{
    request_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    self->cli = cli;
    int rc = find (self, cli->args[0]);
    if (rc == 0)
        rc = read_token (self);
    if (rc == 0)
        rc = ask (self);
    if (rc == 0)
        rc = tell (self);
    free (self);
    return rc;
}

static const cli_option_t options[] = {
    {.name = "token-file",
     .kind = CLI_TEXT,
     .value = "FILE",
     .help = "file with the token of the admin page (default: the one that the file names)"},
    {.name = NULL}};

const cli_verb_t verbs_reload[] = {
    {.name = "reload",
     .usage = "FILE | URL",
     .summary = "Have a running topology read its file again",
     .details = "FILE is the topology's: it says where its admin page is, and where the token. Or "
                "the URL of that\n"
                "page, http://HOST:PORT, with --token-file. Prints what has changed, and what "
                "takes a restart.\n",
     .example = "  zferry reload /etc/zferry/orders.yaml\n"
                "  zferry reload http://127.0.0.1:8090 --token-file token\n",
     .options = options,
     .min_args = 1,
     .max_args = 1,
     .run = run},
    {.name = NULL}};
