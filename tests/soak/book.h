/* What a client of the soak test promises and sees, in a file that others read: one line for each
 * thing, written at once, so that a client that is killed has kept all of it.
 *
 *   confirmed FIRST COUNT      records FIRST .. FIRST + COUNT - 1 of this producer
 *   refused FIRST COUNT CODE
 *   got PRODUCER NUMBER        before it is acknowledged
 *   damaged ...                a body that nobody has sent
 *   answered | failed CODE     requests
 *   gap COUNT WHY              a subscriber missed records
 *
 * Bodies are "PRODUCER NUMBER " and a filling that both ends can compute, of a length that depends
 * on the number.
 * Threads:   any. */
#ifndef ZFERRY_SOAK_BOOK_H
#define ZFERRY_SOAK_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BODY_MAX       (64 * 1024) /* bytes of the longest body */
#define NAME_MAX_BYTES 32          /* of a producer's name, with its zero */

typedef struct {
    int fd; /* of the file, opened to append */
} book_t;

/* Opens the file; ends the process if that fails. */
void book_open (book_t *book, const char *path);

/* Writes a line; the newline is added. */
void book_write (const book_t *book, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

/* Writes the body into the buffer and returns its length. */
size_t body_make (char buffer[BODY_MAX], const char *producer, uint64_t number);

/* Who made it, and which of its bodies it is. Returns false if it is none, or not as it was. */
bool body_read (const void *body, size_t size, char producer[NAME_MAX_BYTES], uint64_t *number);

#endif
