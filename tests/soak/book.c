/* A line is one write of less than PIPE_BUF bytes to a file that is open for appending. */
#include "book.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SHORT_MAX = 2000, /* bytes of the filling of most bodies */
    LONG_EVERY = 499, /* one in so many is long */
    LONG = 50000      /* bytes of its filling */
};

void book_open (book_t *book, const char *path)
{
    book->fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (book->fd < 0) {
        perror (path);
        exit (1);
    }
}

void book_write (const book_t *book, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start (args, format);
    int n = vsnprintf (line, sizeof line - 1, format, args);
    va_end (args);
    size_t size = n < 0 ? 0 : (size_t) n < sizeof line - 1 ? (size_t) n : sizeof line - 2;
    line[size] = '\n';
    if (write (book->fd, line, size + 1) != (ssize_t) (size + 1)) {
        perror ("the book");
        _exit (1);
    }
}

static size_t filling_size (uint64_t number)
{
    return number % LONG_EVERY == 0 ? LONG : (size_t) (number * 7919 % SHORT_MAX);
}

size_t body_make (char buffer[BODY_MAX], const char *producer, uint64_t number)
{
    int head = snprintf (buffer, NAME_MAX_BYTES + 32, "%s %" PRIu64 " ", producer, number);
    size_t begin = head < 0 ? 0 : (size_t) head;
    size_t end = begin + filling_size (number);
    for (size_t i = begin; i < end; i++)
        buffer[i] = (char) ('a' + (number * 31 + i) % 26);
    return end;
}

bool body_read (const void *body, size_t size, char producer[NAME_MAX_BYTES], uint64_t *number)
{
    static _Thread_local char expected[BODY_MAX];
    char head[NAME_MAX_BYTES + 32];
    snprintf (head, sizeof head, "%.*s", (int) (size < sizeof head ? size : sizeof head - 1),
              (const char *) body);
    return sscanf (head, "%31s %" SCNu64, producer, number) == 2 &&
           body_make (expected, producer, *number) == size && memcmp (expected, body, size) == 0;
}
