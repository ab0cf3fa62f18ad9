/* Which node has which key, and who may take part. A beacon or a gossip only claims a key: it is
 * good for connecting, as whoever is there has to have it. The connection by which a node writes to
 * us proves it; from then on nobody else can speak as that node, nor give it another key. */
#include "devices/node_inside.h"
#include "discovery/nics.h"

#define KEYS_MAX  16384
#define REVIEW_MS 1000

struct zf_node_key {
    uint8_t uuid[ZF_UUID_BYTES];
    char key[ZF_KEY_TEXT];
    bool is_proved;
    UT_hash_handle hh; /* by uuid */
};

bool zf_node_is_secured (const zf_node_t *self)
{
    return zf_security_is_on (self->security);
}

/* -- what is known ----------------------------------------------------------------------------- */

static zf_node_key_t *find (const zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES])
{
    zf_node_key_t *known;
    HASH_FIND (hh, self->keys, uuid, ZF_UUID_BYTES, known);
    return known;
}

static void forget (zf_node_t *self, zf_node_key_t *known)
{
    HASH_DEL (self->keys, known);
    free (known);
}

/* The oldest claim gives way to a newer one: anybody can make them. */
static bool has_room (zf_node_t *self)
{
    zf_node_key_t *known = self->keys;
    if (HASH_COUNT (self->keys) < KEYS_MAX)
        return true;
    while (known != NULL && known->is_proved)
        known = known->hh.next;
    if (known != NULL)
        forget (self, known);
    return known != NULL;
}

static zf_node_key_t *add (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES])
{
    zf_node_key_t *known = has_room (self) ? calloc (1, sizeof *known) : NULL;
    if (known == NULL)
        return NULL;
    memcpy (known->uuid, uuid, ZF_UUID_BYTES);
    HASH_ADD (hh, self->keys, uuid, ZF_UUID_BYTES, known);
    if (known->hh.tbl != NULL)
        return known;
    free (known);
    return NULL;
}

bool zf_node_claim_key (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES], const char *key)
{
    if (!zf_node_is_secured (self))
        return key == NULL;
    zf_node_key_t *known = find (self, uuid);
    if (known != NULL && known->is_proved)
        return zf_security_find (self->security, known->key, NULL);
    if (key == NULL || !zf_security_find (self->security, key, NULL))
        return false;
    if (known == NULL)
        known = add (self, uuid);
    if (known != NULL)
        snprintf (known->key, sizeof known->key, "%s", key);
    return known != NULL;
}

bool zf_node_prove_key (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES], const char *key)
{
    zf_node_view_t view;
    zf_node_key_t *known = find (self, uuid);
    if (known != NULL && known->is_proved && strcmp (known->key, key) != 0 &&
        zf_roster_find (self->roster, uuid, &view))
        return false;
    if (known == NULL)
        known = add (self, uuid);
    if (known == NULL)
        return false;
    snprintf (known->key, sizeof known->key, "%s", key);
    known->is_proved = true;
    return true;
}

const char *zf_node_key_of (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES])
{
    const zf_node_key_t *known = find (self, uuid);
    return known != NULL && zf_security_find (self->security, known->key, NULL) ? known->key : NULL;
}

void zf_node_doubt_key (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES])
{
    zf_node_key_t *known = find (self, uuid);
    if (known != NULL)
        known->is_proved = false;
}

void zf_node_forget_keys (zf_node_t *self)
{
    while (self->keys != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-*): the table has another first one then */
        forget (self, self->keys);
}

/* -- our own ----------------------------------------------------------------------------------- */

void zf_node_add_key (const zf_node_t *self, char *endpoint, size_t size)
{
    size_t length = strlen (endpoint);
    bool is_inside = strncmp (endpoint, "inproc://", 9) == 0;
    if (!zf_node_is_secured (self) || is_inside || length == 0 ||
        zf_socket_key_of (endpoint) != NULL)
        return;
    snprintf (endpoint + length, size - length, "|%s", zf_security_public_key (self->security));
}

/* -- this machine only ------------------------------------------------------------------------- */

static bool is_loopback_rule (const char *rule)
{
    return strcmp (rule, "lo") == 0 || strncmp (rule, "127.", 4) == 0 ||
           strncmp (rule, "::1", 3) == 0;
}

int zf_node_check_reach (const zf_peer_options_t *options, zf_error_t *err)
{
    if (options->security != NULL)
        return 0;
    for (size_t i = 0; i < options->interface_count; i++) {
        const char *rule = options->interfaces[i];
        bool is_rule = zf_nics_check (&rule, 1) == 1; /* what is none is refused for that */
        if (is_rule && rule[0] != '!' && !is_loopback_rule (rule))
            return zf_error_set (err, ZF_E_DENIED,
                                 "interface %s: other machines can be reached by it, and there is "
                                 "no key; give one, or say that it is meant to be insecure",
                                 rule);
    }
    return 0;
}

/* -- about once a second ----------------------------------------------------------------------- */

void zf_node_review (zf_node_t *self, uint64_t now_ms)
{
    if (now_ms < self->review_ms)
        return;
    self->review_ms = zf_node_is_secured (self) ? now_ms + REVIEW_MS : ZF_NEVER;
    zf_domain_review (self->mail.mailbox.domain);
    while (self->gossip.watch.raw != NULL && zf_socket_lost (&self->gossip.watch) >= 0)
        continue;
    zf_domain_review (self->gossip.router.domain);
}
