/* The admin endpoint from inside: what its parts share. */
#ifndef ZF_WEB_INSIDE_H
#define ZF_WEB_INSIDE_H

#include "web/listen.h"
#include "web/look.h"
#include "web/server.h"
#include "web/text.h"

struct zf_web {
    zf_web_listen_t listen;
    char *token;         /* NULL: nothing can be changed */
    char *public_origin; /* as browsers see it behind a proxy; NULL: as it was bound */
    bool private_reads;
    zf_peer_t *peer; /* NULL: none */
    int (*on_reload) (void *arg, char *text, size_t size);
    void *arg;
    uint64_t started_ms; /* of the clock that never goes back */
    zf_web_list_t devices;
    zf_web_server_t *server;
    pthread_mutex_t reloading; /* one at a time */
    pthread_mutex_t lock;      /* of not_ready */
    char not_ready[256];       /* why; "": it is ready */
};

/* Is all well? If not, why goes into text; starting: also that it is not ready yet. */
bool zf_web_is_well (zf_web_t *web, bool starting, char *text, size_t size);

/* Versions of what this runs on, by name. */
json_t *zf_web_versions (void);

#endif
