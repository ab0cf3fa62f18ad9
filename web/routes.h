/* What can be asked for: one table, from which requests find their handlers, GET /api/v1 its list,
 * and docs/admin.md is checked.
 *
 * Threads: handlers run on the thread of their connection, several at once. */
#ifndef ZF_WEB_ROUTES_H
#define ZF_WEB_ROUTES_H

#include "web/page.h"
#include "web/text.h"
#include <zferry/web.h>

#define ZF_WEB_TARGET_MAX 2048   /* bytes of path and query */
#define ZF_WEB_BODY_MAX   65536  /* bytes of a request's body */
#define ZF_WEB_ALLOW_MAX  32     /* bytes of the methods of one path */
#define ZF_WEB_ROWS       2000   /* rows that a list has unless it is told */
#define ZF_WEB_ROWS_MAX   100000 /* rows that it has at most */
#define ZF_WEB_JSON       "application/json"

/* What it takes to be let in. */
typedef enum {
    ZF_WEB_OPEN = 1, /* nothing: whoever reaches it */
    ZF_WEB_READ,     /* with private_reads the token; else a Host that is ours */
    ZF_WEB_CHANGE    /* the token, and an Origin that is ours if there is one */
} zf_web_right_t;

/* Strings end with a zero. Headers may be NULL. */
typedef struct {
    zf_web_t *web;
    const char *method;
    const char *target; /* path and query, as they were sent */
    const char *host;
    const char *origin;
    const char *authorization;
    zf_bytes_t body;
    char name[ZF_NAME_MAX + 1]; /* what {name} in the route's path stands for, unescaped */
} zf_web_request_t;

typedef struct {
    unsigned status; /* HTTP's */
    const char *type;
    zf_web_text_t text;           /* freed by whoever sends it; or */
    const zf_web_asset_t *asset;  /* a file of the page; NULL: none */
    char allow[ZF_WEB_ALLOW_MAX]; /* methods of this path, if another one was asked for */
} zf_web_answer_t;

typedef void zf_web_handler_fn (zf_web_request_t *request, zf_web_answer_t *answer);

typedef struct {
    const char *method;
    const char *path; /* {name} stands for one part of it */
    zf_web_right_t right;
    zf_web_handler_fn *handle;
    const char *help;
} zf_web_route_t;

extern const zf_web_route_t zf_web_routes[]; /* method NULL behind the last */

/* Finds the route and fills in the request's name. Returns NULL when there is none, with an answer:
 * 404, 405 or 400. */
const zf_web_route_t *zf_web_route (zf_web_request_t *request, zf_web_answer_t *answer);

/* May this request have this route? If not the answer says why: 403, 401. */
bool zf_web_admit (const zf_web_request_t *request, const zf_web_route_t *route,
                   zf_web_answer_t *answer);

/* -- for handlers ------------------------------------------------------------------------------ */

/* A value of the query, unescaped. Returns 1, 0: it is not there, -1: it can't be read, or is
 * longer than that. */
int zf_web_query (const zf_web_request_t *request, const char *key, char *value, size_t room);

/* A number of the query, or the fallback. Returns false, with an answer, if it is none or not in
 * least .. most. */
bool zf_web_query_number (const zf_web_request_t *request, const char *key, uint64_t least,
                          uint64_t most, uint64_t *number, zf_web_answer_t *answer);

/* The body, an object; an empty body is an empty one. NULL, with an answer, if it is none. */
json_t *zf_web_body (const zf_web_request_t *request, zf_web_answer_t *answer);

/* Answers with a JSON value, which is freed; NULL: 500. */
void zf_web_answer_json (zf_web_answer_t *answer, unsigned status, json_t *value);

/* {"error": "..."} */
void zf_web_answer_error (zf_web_answer_t *answer, unsigned status, const char *format, ...)
    ZF_PRINTF (3, 4);

/* The same of a code of the library, with the status that it has in HTTP. */
void zf_web_answer_code (zf_web_answer_t *answer, const zf_error_t *err);

/* -- the handlers ------------------------------------------------------------------------------ */

zf_web_handler_fn zf_web_get_metrics, zf_web_get_livez, zf_web_get_readyz;
zf_web_handler_fn zf_web_get_page, zf_web_get_routes, zf_web_get_overview, zf_web_get_devices;
zf_web_handler_fn zf_web_get_queues, zf_web_get_queue, zf_web_get_streams, zf_web_get_groups;
zf_web_handler_fn zf_web_get_records, zf_web_get_dead, zf_web_get_journal, zf_web_get_peers,
    zf_web_get_directory;
zf_web_handler_fn zf_web_post_purge, zf_web_post_declare, zf_web_post_requeue;
zf_web_handler_fn zf_web_post_discard, zf_web_post_reload;

#endif
