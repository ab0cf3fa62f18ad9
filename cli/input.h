/* Where bodies come from: an argument, a file, or standard input; whole, or a record per line.
 *
 * Reading waits for the file and for the signal that asks to stop. Everything is binary safe. */
#ifndef ZFERRY_INPUT_H
#define ZFERRY_INPUT_H

#include "cli.h"

typedef struct {
    int fd;           /* what is read; -1: the text only */
    bool owned;       /* fd was opened here */
    bool eof;         /* nothing more comes from fd */
    const char *name; /* for messages */
    char *data;       /* what was read and is not yet consumed, from start to end */
    size_t start;
    size_t end;
    size_t capacity; /* bytes at data */
} input_t;

/* Opens what the arguments say: BODY is args[1] or --file F or "-" (standard input, also when
 * there is no BODY and it is no terminal). Returns 0 or an exit code, having said why. Close it
 * in any case. */
int input_open (input_t *input, const cli_t *cli);
void input_close (input_t *input);

/* The next line without its newline, valid until the next call. Returns 1, 0 at the end or when
 * a signal asks to stop, or minus an exit code, having said why. */
int input_line (input_t *input, const cli_t *cli, zf_bytes_t *line);

/* All of it, valid until close. Returns as input_line; 0 only when a signal asks to stop. */
int input_whole (input_t *input, const cli_t *cli, zf_bytes_t *body);

#endif
