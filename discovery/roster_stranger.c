#include "discovery/roster_inside.h"

#include <stdlib.h>

static void forget (zf_roster_t *roster, zf_stranger_t *stranger)
{
    HASH_DEL (roster->strangers, stranger); /* NOLINT(clang-analyzer-*): uthash knows it is there */
    free (stranger);
}

/* To the end: they lie in the order in which they will be forgotten. */
static void add (zf_roster_t *roster, zf_stranger_t *stranger)
{
    stranger->until_ms = roster->now_ms + ZF_STRANGER_MS;
    HASH_ADD (hh, roster->strangers, uuid, ZF_UUID_BYTES, stranger);
    if (stranger->hh.tbl == NULL)
        free (stranger);
}

static zf_stranger_t *find (zf_roster_t *roster, const uint8_t *uuid)
{
    zf_stranger_t *stranger;
    HASH_FIND (hh, roster->strangers, uuid, ZF_UUID_BYTES, stranger);
    return stranger != NULL && stranger->until_ms > roster->now_ms ? stranger : NULL;
}

bool zf_stranger_is (zf_roster_t *roster, const uint8_t *uuid)
{
    return find (roster, uuid) != NULL;
}

bool zf_stranger_sighted (zf_roster_t *roster, const uint8_t *uuid)
{
    zf_stranger_t *stranger = find (roster, uuid);
    if (stranger == NULL)
        return false;
    if (stranger->until_ms - roster->now_ms > ZF_STRANGER_MS / 2)
        return true;
    HASH_DEL (roster->strangers, stranger);
    add (roster, stranger);
    return true;
}

void zf_stranger_remember (zf_roster_t *roster, const uint8_t *uuid)
{
    zf_stranger_t *stranger;
    HASH_FIND (hh, roster->strangers, uuid, ZF_UUID_BYTES, stranger);
    if (stranger != NULL)
        forget (roster, stranger);
    else if (HASH_COUNT (roster->strangers) >= ZF_ROSTER_STRANGERS)
        forget (roster, roster->strangers);
    stranger = calloc (1, sizeof *stranger);
    if (stranger == NULL)
        return;
    memcpy (stranger->uuid, uuid, ZF_UUID_BYTES);
    add (roster, stranger);
}

void zf_stranger_expire (zf_roster_t *roster)
{
    while (roster->strangers != NULL && roster->strangers->until_ms <= roster->now_ms)
        forget (roster, roster->strangers);
}

void zf_stranger_free_all (zf_roster_t *roster)
{
    zf_stranger_t *stranger, *next;
    HASH_ITER (hh, roster->strangers, stranger, next)
        forget (roster, stranger);
}
