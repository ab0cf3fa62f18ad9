#include "patterns/credit.h"

#define GROWTH   4       /* at most, from one measurement to the next */
#define LEAST_NS 1000000 /* a measurement takes this long, or as many records as the credit */

void zf_credit_init (zf_credit_t *credit, uint64_t now_ns)
{
    credit->credit = 1;
    credit->since_ns = now_ns;
    credit->waited_ns = 0;
    credit->settled = 0;
}

void zf_credit_waited (zf_credit_t *credit, uint64_t ns)
{
    credit->waited_ns += ns;
}

static uint32_t measure (const zf_credit_t *credit, uint64_t elapsed_ns)
{
    uint64_t busy = elapsed_ns > credit->waited_ns ? elapsed_ns - credit->waited_ns : 0;
    uint64_t each = busy / credit->settled + 1;
    uint64_t wanted = ZF_CREDIT_AHEAD_NS / each;
    uint64_t most = (uint64_t) credit->credit * GROWTH;
    if (wanted > most)
        wanted = most;
    if (wanted > ZF_CREDIT_AUTO_MAX)
        wanted = ZF_CREDIT_AUTO_MAX;
    return wanted > 0 ? (uint32_t) wanted : 1;
}

bool zf_credit_settled (zf_credit_t *credit, uint64_t count, uint64_t now_ns)
{
    credit->settled += count;
    uint64_t elapsed = now_ns - credit->since_ns;
    if (credit->settled == 0 || (credit->settled < credit->credit && elapsed < LEAST_NS))
        return false;
    uint32_t before = credit->credit;
    credit->credit = measure (credit, elapsed);
    credit->since_ns = now_ns;
    credit->waited_ns = 0;
    credit->settled = 0;
    return credit->credit != before;
}
