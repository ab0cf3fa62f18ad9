#include "devices/plain_interest.h"

#include <stdlib.h>
#include <zferry/error.h>

#define ROOM_MIN 2

static zf_interest_t *find (zf_interest_t *all, zf_bytes_t topic)
{
    zf_interest_t *interest = NULL;
    HASH_FIND (hh, all, topic.data, (unsigned) topic.size, interest);
    return interest;
}

static void drop (zf_interest_t **all, zf_interest_t *interest)
{
    HASH_DEL (*all, interest); /* NOLINT(clang-analyzer-*): HASH_ITER took next before */
    free (interest->holders);
    free (interest);
}

static zf_interest_t *make (zf_interest_t **all, zf_bytes_t topic)
{
    zf_interest_t *interest = calloc (1, sizeof *interest + topic.size);
    if (interest == NULL)
        return NULL;
    interest->size = (uint32_t) topic.size;
    if (topic.size > 0)
        memcpy (interest->topic, topic.data, topic.size);
    HASH_ADD_KEYPTR (hh, *all, interest->topic, interest->size, interest);
    if (interest->hh.tbl == NULL) {
        free (interest);
        return NULL;
    }
    return interest;
}

/* The index of this holder, or `count`. */
static uint32_t index_of (const zf_interest_t *interest, zf_holder_t holder)
{
    uint32_t i = 0;
    while (i < interest->count && (interest->holders[i].socket != holder.socket ||
                                   interest->holders[i].connection != holder.connection))
        i++;
    return i;
}

/* The same for any of its socket. */
static uint32_t index_on (const zf_interest_t *interest, int32_t socket)
{
    uint32_t i = 0;
    while (i < interest->count && interest->holders[i].socket != socket)
        i++;
    return i;
}

static int add_holder (zf_interest_t *interest, zf_holder_t holder)
{
    if (interest->count == interest->room) {
        uint32_t room = interest->room != 0 ? 2 * interest->room : ROOM_MIN;
        zf_holder_t *holders = realloc (interest->holders, room * sizeof *holders);
        if (holders == NULL)
            return ZF_E_NOMEM;
        interest->holders = holders;
        interest->room = room;
    }
    interest->holders[interest->count++] = holder;
    return interest->count == 1;
}

int zf_interest_add (zf_interest_t **all, zf_bytes_t topic, zf_holder_t holder)
{
    zf_interest_t *interest = find (*all, topic);
    if (interest == NULL && HASH_COUNT (*all) >= ZF_INTEREST_MAX)
        return ZF_E_LIMIT;
    if (interest == NULL)
        interest = make (all, topic);
    if (interest == NULL)
        return ZF_E_NOMEM;
    if (holder.connection >= 0 && index_of (interest, holder) < interest->count)
        return 0;
    int rc = add_holder (interest, holder);
    if (rc < 0 && interest->count == 0)
        drop (all, interest);
    return rc;
}

bool zf_interest_remove (zf_interest_t **all, zf_bytes_t topic, zf_holder_t holder)
{
    zf_interest_t *interest = find (*all, topic);
    if (interest == NULL)
        return false;
    uint32_t i = index_of (interest, holder);
    if (i == interest->count && holder.connection < 0)
        i = index_on (interest, holder.socket);
    else if (i == interest->count)
        i = index_of (interest, (zf_holder_t){holder.socket, -1});
    if (i == interest->count)
        return false;
    interest->holders[i] = interest->holders[--interest->count];
    if (interest->count > 0)
        return false;
    drop (all, interest);
    return true;
}

int32_t zf_interest_lost (zf_interest_t *all, zf_bytes_t topic, int32_t socket,
                          zf_is_lost_fn *is_lost, void *arg)
{
    const zf_interest_t *interest = find (all, topic);
    for (uint32_t i = 0; interest != NULL && i < interest->count; i++) {
        zf_holder_t holder = interest->holders[i];
        if (holder.socket == socket && holder.connection >= 0 && is_lost (arg, holder.connection))
            return holder.connection;
    }
    return -1;
}

bool zf_interest_has (zf_interest_t *all, zf_bytes_t topic, zf_holder_t holder)
{
    const zf_interest_t *interest = find (all, topic);
    return interest != NULL && index_of (interest, holder) < interest->count;
}

bool zf_interest_holds (zf_interest_t *all, zf_bytes_t topic, int32_t socket)
{
    const zf_interest_t *interest = find (all, topic);
    return interest != NULL && index_on (interest, socket) < interest->count;
}

void zf_interest_free (zf_interest_t **all)
{
    zf_interest_t *interest, *next;
    HASH_ITER (hh, *all, interest, next)
        drop (all, interest);
}
