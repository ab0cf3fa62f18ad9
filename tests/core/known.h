/* Peers of the rig that are known by a key, and rules for them. */
#ifndef TESTS_CORE_KNOWN_H
#define TESTS_CORE_KNOWN_H

#include "tests/core/kept.h"
#include "tests/core/rig.h"

#define KNOWN_KEY "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

static inline zf_access_t *rules_of (const char *text)
{
    zf_access_t *access;
    zf_error_t err;
    assert_int_equal (zf_access_parse (&access, zf_bytes_of (text), "rules", &err), 0);
    return access;
}

static inline void set_rules (rig_t *rig, const char *text)
{
    zf_engine_access (rig->engine, text != NULL ? rules_of (text) : NULL);
    rig_turn (rig);
}

/* Its key begins with the name, as far as there is room. */
static inline zf_subject_t subject_of (const char *name)
{
    zf_subject_t subject = {.key = KNOWN_KEY};
    memcpy (subject.key, name, strlen (name));
    snprintf (subject.name, sizeof subject.name, "%s", name);
    snprintf (subject.fingerprint, sizeof subject.fingerprint, "print of %s", name);
    return subject;
}

/* A peer of this name that has the key of who is called `owner`. */
static inline peer_t *keyed_peer (rig_t *rig, const char *name, const char *owner)
{
    zf_subject_t subject = subject_of (owner);
    peer_t *peer = rig_stranger (rig, name);
    zf_engine_identify (peer->session, &subject);
    peer_hello (peer);
    return peer;
}

/* A peer whose key has this name. */
static inline peer_t *known_peer (rig_t *rig, const char *name)
{
    return keyed_peer (rig, name, name);
}

static inline size_t queues (const rig_t *rig)
{
    return HASH_COUNT (rig->engine->queues);
}

#define assert_told(rig, text) assert_non_null (strstr ((rig)->notices, text))

/* The RESULT on top has this text. */
static inline void expect_words (peer_t *peer, int code, const char *words)
{
    char got[256];
    zf_bytes_t text;
    result_head (peer, &text);
    snprintf (got, sizeof got, "%.*s", (int) text.size, (const char *) text.data);
    assert_string_equal (got, words);
    take_result (peer, code, NULL);
}

static inline void send_make_stream (peer_t *peer, const char *stream)
{
    zf_writer_t w = wire_control (ZF_CMD_POST, 3);
    wire_put_text (&w, stream);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_uint (&w, ZF_MAKE_STREAM);
    peer_write (peer, &w, wire_batch (1, "x", NULL));
}

#endif
