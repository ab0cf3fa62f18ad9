/* Reading bodies through a buffer that grows with the longest line. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODY_MAX   ((size_t) 2 << 30) /* no broker takes more */
#define CHUNK_SIZE ((size_t) 256 << 10)

/* -- opening ----------------------------------------------------------------------------------- */

static int open_file (input_t *input, const cli_t *cli, const char *path)
{
    input->name = path;
    input->fd = open (path, O_RDONLY | O_CLOEXEC);
    input->owned = input->fd >= 0;
    if (input->fd < 0)
        return cli_fail (cli, EX_NOINPUT, "cannot open '%s': %s", path, strerror (errno));
    return 0;
}

static int open_text (input_t *input, const cli_t *cli, const char *text)
{
    input->fd = -1;
    input->eof = true;
    input->end = strlen (text);
    input->data = strdup (text);
    return input->data != NULL ? 0 : cli_fail (cli, EX_OSERR, "out of memory");
}

int input_open (input_t *input, const cli_t *cli)
{
    const char *file = cli_text (cli, "file", NULL);
    const char *body = cli->arg_count > 1 ? cli->args[1] : NULL;
    memset (input, 0, sizeof *input);
    input->fd = STDIN_FILENO;
    input->name = "standard input";
    if (file != NULL && body != NULL)
        return cli_misuse (cli, "BODY and --file F exclude each other");
    if (file != NULL && strcmp (file, "-") != 0)
        return open_file (input, cli, file);
    if (body != NULL && strcmp (body, "-") != 0)
        return open_text (input, cli, body);
    if (body == NULL && file == NULL && isatty (STDIN_FILENO) == 1)
        return cli_misuse (
            cli, "no body: give it as an argument, with --file F, or - for standard input");
    return 0;
}

void input_close (input_t *input)
{
    if (input->owned)
        close (input->fd);
    free (input->data);
    memset (input, 0, sizeof *input);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* Makes room for a chunk behind end: moves what is there to the front, or doubles the buffer. */
static bool make_room (input_t *input)
{
    if (input->capacity - input->end >= CHUNK_SIZE)
        return true;
    if (input->start > 0) {
        memmove (input->data, input->data + input->start, input->end - input->start);
        input->end -= input->start;
        input->start = 0;
    }
    if (input->capacity - input->end >= CHUNK_SIZE)
        return true;
    size_t capacity = (input->capacity < CHUNK_SIZE ? CHUNK_SIZE : input->capacity) * 2;
    char *data = realloc (input->data, capacity);
    if (data == NULL)
        return false;
    input->data = data;
    input->capacity = capacity;
    return true;
}

/* Waits until the file can be read. Returns false when a signal asks to stop. */
static bool wait_readable (const input_t *input)
{
    struct pollfd fds[2] = {{.fd = input->fd, .events = POLLIN},
                            {.fd = cli_stop_fd (), .events = POLLIN}};
    while (cli_stopped () == 0)
        if (poll (fds, 2, -1) > 0 && fds[1].revents == 0)
            return true;
    return false;
}

/* Reads a chunk. Returns 1 (eof may be set), 0 when a signal asks to stop, or minus an exit code
 * having said why. */
static int read_chunk (input_t *input, const cli_t *cli)
{
    if (input->end - input->start > BODY_MAX || !make_room (input))
        return -cli_fail (cli, EX_DATAERR, "%s: a body is larger than can be sent", input->name);
    if (!wait_readable (input))
        return 0;
    ssize_t n = read (input->fd, input->data + input->end, input->capacity - input->end);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (n < 0)
        return -cli_fail (cli, EX_IOERR, "cannot read %s: %s", input->name, strerror (errno));
    input->eof = n == 0;
    input->end += (size_t) n;
    return 1;
}

static char *find_newline (const input_t *input, size_t from)
{
    return from < input->end ? memchr (input->data + from, '\n', input->end - from) : NULL;
}

static void take (input_t *input, size_t size, size_t skip, zf_bytes_t *bytes)
{
    bytes->data = input->data + input->start;
    bytes->size = size;
    input->start += size + skip;
}

int input_line (input_t *input, const cli_t *cli, zf_bytes_t *line)
{
    size_t seen = 0; /* bytes from start without a newline */
    for (;;) {
        char *newline = find_newline (input, input->start + seen);
        if (newline != NULL) {
            take (input, (size_t) (newline - input->data) - input->start, 1, line);
            return 1;
        }
        seen = input->end - input->start;
        if (input->eof) {
            take (input, seen, 0, line);
            return seen > 0;
        }
        int rc = read_chunk (input, cli);
        if (rc <= 0)
            return rc;
    }
}

int input_whole (input_t *input, const cli_t *cli, zf_bytes_t *body)
{
    while (!input->eof) {
        int rc = read_chunk (input, cli);
        if (rc <= 0)
            return rc;
    }
    take (input, input->end - input->start, 0, body);
    return 1;
}
