/* Credit measured as it goes: how many records a worker should hold so that it never waits for the
 * broker, and never sits on more than some 20 ms of work that others could do. Pure: time is passed
 * in. */
#ifndef ZF_PATTERNS_CREDIT_H
#define ZF_PATTERNS_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#define ZF_CREDIT_AUTO_MAX 65536
#define ZF_CREDIT_AHEAD_NS 20000000 /* work to hold ahead */

typedef struct {
    uint32_t credit;    /* the measure's result, 1 .. ZF_CREDIT_AUTO_MAX */
    uint64_t since_ns;  /* when this measurement began */
    uint64_t waited_ns; /* of it, spent waiting for records */
    uint64_t settled;   /* records done in it */
} zf_credit_t;

void zf_credit_init (zf_credit_t *credit, uint64_t now_ns);

/* A caller has waited for a record. */
void zf_credit_waited (zf_credit_t *credit, uint64_t ns);

/* Records were settled. Returns true if the credit has changed. */
bool zf_credit_settled (zf_credit_t *credit, uint64_t count, uint64_t now_ns);

#endif
