/* The node that handles of this process share. */
#include "patterns/shared_peer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64 /* of a list */

static struct {
    pthread_mutex_t lock;
    zf_node_t *node;
    unsigned users;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A list with commas, cut into words that lie in text. */
typedef struct {
    char *text;
    const char *words[WORDS_MAX];
    size_t count;
} list_t;

/* Variable name, which may be missing; words that are empty are left out. */
static int read_list (const char *name, list_t *list, zf_error_t *err)
{
    const char *value = getenv (name);
    char *rest = NULL;
    if (value == NULL)
        return 0;
    list->text = strdup (value);
    if (list->text == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    char *word = strtok_r (list->text, ", ", &rest);
    for (; word != NULL; word = strtok_r (NULL, ", ", &rest)) {
        if (list->count == WORDS_MAX)
            return zf_error_set (err, ZF_E_INVAL, "%s: more than %d", name, WORDS_MAX);
        list->words[list->count++] = word;
    }
    return 0;
}

static int read_port (uint16_t *port, zf_error_t *err)
{
    const char *value = getenv ("ZFERRY_DISCOVERY_PORT");
    if (value == NULL || value[0] == '\0')
        return 0;
    char *end;
    unsigned long number = strtoul (value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || number == 0 || number > UINT16_MAX)
        return zf_error_set (err, ZF_E_INVAL, "ZFERRY_DISCOVERY_PORT=%s: not a port (1 to 65535)",
                             value);
    *port = (uint16_t) number;
    return 0;
}

static int start (zf_error_t *err)
{
    zf_peer_options_t options;
    list_t interfaces = {0};
    list_t seeds = {0};
    zf_node_defaults (&options);
    if (getenv ("ZFERRY_NAMESPACE") != NULL)
        options.space = getenv ("ZFERRY_NAMESPACE");
    int rc = read_list ("ZFERRY_INTERFACE", &interfaces, err);
    if (rc == 0)
        rc = read_list ("ZFERRY_SEED", &seeds, err);
    if (rc == 0)
        rc = read_port (&options.port, err);
    options.interfaces = interfaces.words;
    options.interface_count = interfaces.count;
    options.seeds = seeds.words;
    options.seed_count = seeds.count;
    if (rc == 0)
        rc = zf_security_environment (&options.security, err);
    if (rc == 0)
        rc = zf_node_start (&shared.node, &options, err);
    if (rc == 0)
        zf_node_listen (shared.node, 0);   /* nobody fetches them */
    zf_security_close (&options.security); /* the node holds it */
    free (interfaces.text);
    free (seeds.text);
    return rc;
}

int zf_shared_node_get (zf_node_t **node, zf_error_t *err)
{
    pthread_mutex_lock (&shared.lock);
    int rc = shared.users > 0 ? 0 : start (err);
    if (rc == 0)
        shared.users++;
    *node = shared.node;
    pthread_mutex_unlock (&shared.lock);
    return rc;
}

void zf_shared_node_release (void)
{
    pthread_mutex_lock (&shared.lock);
    if (--shared.users == 0)
        zf_node_stop (&shared.node);
    pthread_mutex_unlock (&shared.lock);
}
