/* The golden vectors: frames of the native protocol byte for byte, from tests/golden/native.txt,
 * and entries of a broker's journal, from tests/golden/ops.txt. */
#ifndef TESTS_CORE_GOLDEN_H
#define TESTS_CORE_GOLDEN_H

#include "core/bytes.h"

#define GOLDEN_MAX 96

typedef struct {
    char name[40];
    bool to_broker;    /* or else to a peer */
    bool written;      /* entries: a broker writes just that */
    zf_writer_t frame; /* the control frame, or the entry */
    zf_writer_t batch; /* size 0: there is none */
    bool used;         /* the caller's */
} golden_t;

typedef struct {
    golden_t vectors[GOLDEN_MAX];
    size_t count;
} golden_set_t;

/* Reads all of them, or ends the program saying what is wrong with the file. */
void golden_read (golden_set_t *set);
void golden_read_from (golden_set_t *set, const char *file);
void golden_free (golden_set_t *set);

/* The vector of that name, marked as used; ends the program if there is none. */
golden_t *golden_find (golden_set_t *set, const char *name);

#endif
