#include "web/routes.h"

#include "web/gate.h"
#include "web/inside.h"

#include <string.h>

const zf_web_route_t zf_web_routes[] = {
    {"GET", "/", ZF_WEB_OPEN, zf_web_get_page, "The page; its files lie beside it."},
    {"GET", "/metrics", ZF_WEB_READ, zf_web_get_metrics,
     "Figures of devices and queues in Prometheus' text format."},
    {"GET", "/livez", ZF_WEB_OPEN, zf_web_get_livez,
     "200 if every device answers and no journal has failed, 503 if not."},
    {"GET", "/readyz", ZF_WEB_OPEN, zf_web_get_readyz,
     "The same, and 503 while it is being started or stopped."},
    {"GET", "/api/v1", ZF_WEB_READ, zf_web_get_routes, "This list."},
    {"GET", "/api/v1/overview", ZF_WEB_READ, zf_web_get_overview,
     "Versions, whether it is ready, what may be done here, and the devices."},
    {"GET", "/api/v1/devices", ZF_WEB_READ, zf_web_get_devices,
     "The devices: endpoints, what they connect to, figures."},
    {"GET", "/api/v1/queues", ZF_WEB_READ, zf_web_get_queues,
     "Queues, streams and groups by name; ?device=, ?match= (part of the name), ?limit=."},
    {"GET", "/api/v1/queue/{name}", ZF_WEB_READ, zf_web_get_queue,
     "One queue, stream or group (STREAM@GROUP): figures and policy; ?device=."},
    {"GET", "/api/v1/queue/{name}/records", ZF_WEB_READ, zf_web_get_records,
     "Its oldest records with the first 256 bytes of each, in any state; ?device=, ?limit=, "
     "?from= (an id)."},
    {"GET", "/api/v1/streams", ZF_WEB_READ, zf_web_get_streams,
     "The streams; ?device=, ?match=, ?limit=."},
    {"GET", "/api/v1/groups", ZF_WEB_READ, zf_web_get_groups,
     "The groups of streams and their lag; ?device=, ?match=, ?limit=."},
    {"GET", "/api/v1/dead/{name}", ZF_WEB_READ, zf_web_get_dead,
     "A queue's dead letters with the first 256 bytes of each; ?device=, ?limit=."},
    {"GET", "/api/v1/journal", ZF_WEB_READ, zf_web_get_journal,
     "The journals: directory, bytes, segments, syncs."},
    {"GET", "/api/v1/peers", ZF_WEB_READ, zf_web_get_peers,
     "The nodes that are seen from here; ?limit=."},
    {"GET", "/api/v1/directory", ZF_WEB_READ, zf_web_get_directory,
     "What they offer and where; ?limit=."},
    {"POST", "/api/v1/queue/{name}/purge", ZF_WEB_CHANGE, zf_web_post_purge,
     "Drops all records that are not at a worker."},
    {"POST", "/api/v1/queue/{name}/declare", ZF_WEB_CHANGE, zf_web_post_declare,
     "Makes a queue or changes its policy: an object of settings; the others stay."},
    {"POST", "/api/v1/dead/{name}/requeue", ZF_WEB_CHANGE, zf_web_post_requeue,
     "Moves a queue's dead letters back into it, at most {\"max\": N}."},
    {"POST", "/api/v1/dead/{name}/discard", ZF_WEB_CHANGE, zf_web_post_discard,
     "Drops a queue's dead letters for good, at most {\"max\": N}."},
    {"POST", "/api/v1/reload", ZF_WEB_CHANGE, zf_web_post_reload,
     "Reads the topology file again and says what came of it."},
    {NULL, NULL, ZF_WEB_OPEN, NULL, NULL}};

/* -- finding ----------------------------------------------------------------------------------- */

static size_t path_size (const char *target)
{
    return strcspn (target, "?");
}

/* Does the path match? What stands for {name} is *name, still escaped. */
static bool matches (const char *pattern, const char *path, size_t size, zf_bytes_t *name)
{
    static const char mark[] = "{name}";
    const char *hole = strstr (pattern, mark);
    size_t head = hole != NULL ? (size_t) (hole - pattern) : strlen (pattern);
    const char *tail = hole != NULL ? hole + sizeof mark - 1 : "";
    size_t tail_size = strlen (tail);
    *name = (zf_bytes_t){NULL, 0};
    if (size < head || memcmp (path, pattern, head) != 0)
        return false;
    if (hole == NULL)
        return size == head;
    const char *end = memchr (path + head, '/', size - head);
    size_t part = (end != NULL ? (size_t) (end - path) : size) - head;
    if (part == 0 || size - head - part != tail_size ||
        memcmp (path + head + part, tail, tail_size) != 0)
        return false;
    *name = (zf_bytes_t){path + head, part};
    return true;
}

/* HEAD is as GET: the server leaves the body out. */
static bool is_method (const char *method, const char *wanted)
{
    return strcmp (method, wanted) == 0 ||
           (strcmp (method, "HEAD") == 0 && strcmp (wanted, "GET") == 0);
}

static void add_allow (zf_web_answer_t *answer, const char *method)
{
    size_t used = strlen (answer->allow);
    snprintf (answer->allow + used, sizeof answer->allow - used, "%s%s%s", used > 0 ? ", " : "",
              method, strcmp (method, "GET") == 0 ? ", HEAD" : "");
}

static const zf_web_route_t *take (const zf_web_route_t *route, zf_bytes_t name,
                                   zf_web_request_t *request, zf_web_answer_t *answer)
{
    request->name[0] = '\0';
    if (name.size == 0 ||
        zf_web_unescape (name.data, name.size, request->name, sizeof request->name) > 0)
        return route;
    zf_web_answer_error (answer, 400,
                         "the name in this path can't be read: it has 1 to %d bytes, and others "
                         "than letters, digits and -._~ are written as %%XX",
                         ZF_NAME_MAX);
    return NULL;
}

/* A file of the page is had like the page itself. */
static const zf_web_route_t *find_asset (const zf_web_request_t *request, size_t size)
{
    char path[64];
    if (size >= sizeof path)
        return NULL;
    memcpy (path, request->target, size);
    path[size] = '\0';
    return zf_web_asset (path) != NULL ? &zf_web_routes[0] : NULL;
}

const zf_web_route_t *zf_web_route (zf_web_request_t *request, zf_web_answer_t *answer)
{
    size_t size = path_size (request->target);
    zf_bytes_t name;
    const zf_web_route_t *asset = find_asset (request, size);
    if (asset != NULL && is_method (request->method, asset->method))
        return asset;
    if (asset != NULL)
        add_allow (answer, asset->method);
    for (const zf_web_route_t *route = zf_web_routes; route->method != NULL; route++) {
        if (!matches (route->path, request->target, size, &name))
            continue;
        if (is_method (request->method, route->method))
            return take (route, name, request, answer);
        if (route != asset)
            add_allow (answer, route->method);
    }
    if (answer->allow[0] != '\0')
        zf_web_answer_error (answer, 405, "only %s here", answer->allow);
    else
        zf_web_answer_error (answer, 404, "there is nothing here; /api/v1 lists what there is");
    return NULL;
}

/* -- admission --------------------------------------------------------------------------------- */

static bool refuse_token (const zf_web_request_t *request, zf_web_answer_t *answer)
{
    if (request->web->token == NULL)
        zf_web_answer_error (answer, 403, "nothing can be changed here: no token was set up");
    else
        zf_web_answer_error (answer, 401, "this wants the token: Authorization: Bearer TOKEN (%s)",
                             request->authorization != NULL ? "it is not this one" : "none came");
    return false;
}

/* Who has the token is no page of a stranger's. */
bool zf_web_admit (const zf_web_request_t *request, const zf_web_route_t *route,
                   zf_web_answer_t *answer)
{
    const zf_web_t *web = request->web;
    bool has_token = zf_web_gate_token (request->authorization, web->token);
    if (route->right == ZF_WEB_OPEN)
        return true;
    if (!has_token && !zf_web_gate_host (request->host, web->listen.host, web->public_origin)) {
        zf_web_answer_error (answer, 403,
                             "this endpoint does not go by the name in Host: use its address, "
                             "localhost, or the name that it is bound to");
        return false;
    }
    if (route->right == ZF_WEB_READ)
        return !web->private_reads || has_token || refuse_token (request, answer);
    if (!zf_web_gate_origin (request->origin, request->host, web->public_origin)) {
        zf_web_answer_error (answer, 403, "a page from elsewhere (Origin) may change nothing here");
        return false;
    }
    return has_token || refuse_token (request, answer);
}

/* -- the list of routes, the page -------------------------------------------------------------- */

static const char *right_name (zf_web_right_t right)
{
    return right == ZF_WEB_CHANGE ? "change" : right == ZF_WEB_READ ? "read" : "open";
}

void zf_web_get_routes (zf_web_request_t *request, zf_web_answer_t *answer)
{
    json_t *list = json_array ();
    (void) request;
    for (const zf_web_route_t *route = zf_web_routes; route->method != NULL; route++)
        json_array_append_new (list, json_pack ("{s:s, s:s, s:s, s:s}", "method", route->method,
                                                "path", route->path, "needs",
                                                right_name (route->right), "help", route->help));
    zf_web_answer_json (answer, 200, json_pack ("{s:o}", "routes", list));
}

void zf_web_get_page (zf_web_request_t *request, zf_web_answer_t *answer)
{
    char path[64];
    size_t size = path_size (request->target);
    snprintf (path, sizeof path, "%.*s", (int) size, request->target);
    answer->asset = zf_web_asset (path);
    answer->status = 200;
    answer->type = zf_web_asset_type (answer->asset);
}
