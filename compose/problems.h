/* What is wrong with a text, and where: all of it, not just the first.
 *
 * Each problem is "what is wrong; what was expected", and becomes "FILE:LINE:COLUMN: ..." for who
 * reads them, in the order of the text. At most ZF_PROBLEMS_MAX are kept, the rest is counted. */
#ifndef ZF_COMPOSE_PROBLEMS_H
#define ZF_COMPOSE_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <zferry/export.h>

#define ZF_PROBLEMS_MAX 100
#define ZF_PROBLEM_TEXT 400 /* bytes of one, its place included */

typedef struct {
    unsigned line;   /* from 1; 0: the text as a whole */
    unsigned column; /* from 1 */
} zf_spot_t;

typedef struct {
    zf_spot_t place;
    size_t order; /* in which it was found: the second key of the order */
    char text[ZF_PROBLEM_TEXT];
} zf_problem_t;

/* All zeroes is an empty one. */
typedef struct {
    zf_problem_t *list; /* allocated when the first comes */
    size_t count;       /* of list */
    size_t found;       /* kept or not */
    bool has_failed;    /* memory was out once, and one that was found is missing */
} zf_problems_t;

void zf_problem (zf_problems_t *problems, zf_spot_t place, const char *format, ...)
    ZF_PRINTF (3, 4);

/* Calls fn for each in the order of the text, name (of the file) and place in front. */
typedef void zf_problem_fn (void *arg, const char *line);
void zf_problems_each (zf_problems_t *problems, const char *name, zf_problem_fn *fn, void *arg);

void zf_problems_free (zf_problems_t *problems);

#endif
