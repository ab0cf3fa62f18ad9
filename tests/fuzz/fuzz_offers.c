/* A directory, what nodes say to it, and what is asked of it. What its changes tell must add up to
 * what it shows.
 *
 * Input: steps, each a byte and words that end with a zero (a word may lack it at the end):
 *   bits 0..1 of the byte: the node; bits 2..4:
 *   0 it offers lines    1 it offers lines, seen at host   2 it is gone
 *   3 announce what at   4 withdraw what                   5 our host
 *   6 fetch the changes  7 look up pattern */
#include "discovery/directory.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <zferry/error.h>

static const uint8_t me[ZF_UUID_BYTES] = {3};

typedef struct {
    zf_offers_t *offers;
    size_t told; /* offers, if the changes are right */
} stage_t;

static void check (bool holds)
{
    if (!holds)
        abort ();
}

static zf_bytes_t read_word (zf_reader_t *r)
{
    const uint8_t *end = memchr (r->at, 0, zf_reader_left (r));
    zf_bytes_t word = zf_read_bytes (r, end != NULL ? (size_t) (end - r->at) : zf_reader_left (r));
    zf_read_bytes (r, end != NULL ? 1 : 0);
    return word;
}

static bool is_sound (const zf_offer_view_t *offer)
{
    for (const char *at = offer->endpoint; *at != '\0'; at++)
        if ((uint8_t) *at <= ' ' || *at == 0x7f)
            return offer->is_own; /* we may have said what our host is */
    return zf_offer_is_what (zf_bytes_of (offer->what), false) && offer->endpoint[0] != '\0';
}

/* In order. */
static bool look (void *arg, const zf_offer_view_t *offer)
{
    const char **last = arg;
    check (is_sound (offer) && !offer->is_gone);
    check (*last == NULL || strcmp (*last, offer->what) <= 0);
    *last = offer->what;
    return true;
}

static size_t count (stage_t *stage, zf_bytes_t pattern)
{
    const char *last = NULL;
    return zf_offers_each (stage->offers, pattern, look, &last);
}

static void fetch (stage_t *stage)
{
    zf_offer_view_t change;
    while (zf_offers_next_change (stage->offers, &change)) {
        check (is_sound (&change));
        stage->told += change.is_gone ? SIZE_MAX : 1;
    }
    check (stage->told == count (stage, zf_bytes (NULL, 0)));
}

static void check_announced (int rc, zf_bytes_t what)
{
    check (rc == 0 || rc == 1 || rc == ZF_E_INVAL || rc == ZF_E_LIMIT);
    check (rc < 0 || zf_offer_is_what (what, true));
}

static void step (stage_t *stage, unsigned op, zf_reader_t *r)
{
    const uint8_t uuid[ZF_UUID_BYTES] = {(uint8_t) (op & 3)};
    zf_bytes_t first = zf_bytes (NULL, 0);
    op = op >> 2 & 7;
    if (op != 2 && op != 6)
        first = read_word (r);
    if (op == 0)
        zf_offers_replace (stage->offers, uuid, first, zf_bytes_of ("10.0.0.7"));
    else if (op == 1)
        zf_offers_replace (stage->offers, uuid, first, read_word (r));
    else if (op == 2)
        zf_offers_forget (stage->offers, uuid);
    else if (op == 3)
        check_announced (zf_offers_announce (stage->offers, first, read_word (r)), first);
    else if (op == 4)
        zf_offers_withdraw (stage->offers, first, NULL);
    else if (op == 5)
        zf_offers_own_host (stage->offers, first, me);
    else if (op == 6)
        fetch (stage);
    else
        count (stage, first);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    stage_t stage = {.offers = zf_offers_new ()};
    zf_reader_t r = zf_reader (zf_bytes (data, size));
    while (zf_reader_left (&r) > 0)
        step (&stage, zf_read_u8 (&r), &r);
    fetch (&stage);
    zf_offers_free (&stage.offers);
    return 0;
}
