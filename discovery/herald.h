/* The herald: what of our offers is said to whom and when, and what others say of theirs. It
 * stands between a directory and a roster, and does as directory.h tells: offers go out in the
 * headers of HELLO, as many as have room there, and by whispered lists when they change; and to
 * those whom our HELLO did not tell all, or may have told what they took for nothing new.
 *
 * A shell tells it what the roster's effects are (OPEN, CLOSE, ENTER, EXIT, WHISPER), in order, and
 * has carried out all of them before it ticks: so a HELLO told what our headers say now. Pure.
 *
 * Threads:   whoever holds the node's lock.
 * Ownership: roster and directory live longer; a hearer is the shell's, and is closed before it is
 *            freed.
 * Memory:    a list that can't be made, or sent, is tried again. */
#ifndef ZF_DISCOVERY_HERALD_H
#define ZF_DISCOVERY_HERALD_H

#include "core/hash.h"
#include "discovery/directory.h"
#include "discovery/roster.h"

/* Somebody who is to be told, or will be: there is one for each DEALER. Zeroed at first. */
typedef struct {
    uint8_t uuid[ZF_UUID_BYTES];
    bool is_zferry;    /* it understands offers */
    bool is_owed;      /* it has to be told our list */
    uint64_t version;  /* of our list when it was greeted */
    UT_hash_handle hh; /* by uuid */
} zf_hearer_t;

/* A frame of so many bytes, as the shell can send it; NULL: out of memory. */
typedef zf_frame_t *zf_herald_frame_fn (size_t size);

typedef struct {
    zf_roster_t *roster;
    zf_offers_t *offers;
    zf_herald_frame_fn *new_frame;
    zf_hearer_t *hearers;  /* by uuid */
    uint64_t version;      /* grows with each list */
    bool is_dirty;         /* our offers have changed: the list does not tell them yet */
    bool is_short;         /* headers do not tell all of the list */
    bool is_patchy;        /* some could not be set: the next time all are */
    bool has_whispered;    /* somebody may know more of us than a HELLO says */
    bool owes;             /* maybe; somebody is owed the list */
    uint64_t retry_ms;     /* when lists are whispered, and not before */
    uint32_t header_count; /* offers in headers */
    zf_writer_t list;      /* all lines */
} zf_herald_t;

void zf_herald_open (zf_herald_t *self, zf_roster_t *roster, zf_offers_t *offers,
                     zf_herald_frame_fn *new_frame);
void zf_herald_close (zf_herald_t *self);

/* Our offers are others now. */
void zf_herald_changed (zf_herald_t *self);

/* OPEN: who has that uuid is greeted at that endpoint. Takes the place of a hearer that was there.
 * Returns true if the directory has changed: who is known already is now somewhere else. */
bool zf_herald_greeted (zf_herald_t *self, zf_hearer_t *hearer, const uint8_t uuid[ZF_UUID_BYTES],
                        zf_bytes_t endpoint);

/* CLOSE. */
void zf_herald_closed (zf_herald_t *self, zf_hearer_t *hearer);

/* ENTER, EXIT: return true if the directory has changed. */
bool zf_herald_entered (zf_herald_t *self, const zf_node_view_t *view);
bool zf_herald_left (zf_herald_t *self, const uint8_t uuid[ZF_UUID_BYTES]);

/* WHISPER: true if it is a list of offers, and nothing for the application; *changed: it has
 * changed the directory. */
bool zf_herald_heard (zf_herald_t *self, const zf_roster_effect_t *effect, bool *changed);

/* Whispers what is owed. Returns when to come again. */
uint64_t zf_herald_tick (zf_herald_t *self, uint64_t now_ms);

#endif
