/* A record as it is shown: by work as they come, by queue peek and queue dead ls as a table. */
#ifndef ZFERRY_RECORD_H
#define ZFERRY_RECORD_H

#include "cli.h"

/* A new object: id, queue, attempt, size, body, and whatever properties the record has. headers:
 * names of the user headers to show, ended by NULL (may be NULL). Returns NULL when out of
 * memory. */
json_t *record_json (const zf_message_t *message, const char *const *headers);

/* The option that names headers to show. */
#define RECORD_HEADER_OPTION                                                      \
    {                                                                             \
        .name = "show-header", .kind = CLI_TEXT, .value = "NAME", .repeat = true, \
        .help = "show this user header too; may be repeated"                      \
    }

/* Prints a record on one line, as JSON or for people. The caller flushes. */
void record_print (const cli_t *cli, const zf_message_t *message, const char *const *headers);

/* Prints bytes so that none of them can move the terminal's cursor; of many, the first 2,000. */
void record_print_visible (zf_bytes_t text);

/* What record_peek shows. */
typedef struct {
    const cli_t *cli;
    const char *queue;
    uint64_t from;        /* the first id; 0: the oldest */
    uint64_t count;       /* at most */
    bool may_lack;        /* a queue that does not exist is an empty one */
    cli_table_t *table;   /* private, as is the rest */
    const char **headers; /* of --show-header */
    uint64_t shown;       /* rows so far */
    uint64_t next;        /* the id behind the last */
} record_peek_t;

/* Shows records of a queue as rows, without changing anything. Returns the exit code. */
int record_peek (record_peek_t *peek, zf_client_t *client, const cli_column_t *columns,
                 const char *when_empty);

#endif
