/* Other nodes, and what they offer. What they say of themselves is shown as claims. */
#include "web/inside.h"
#include "web/routes.h"

#include <zferry/directory.h>

typedef struct {
    json_t *rows;
    uint64_t limit;
    uint64_t total;
} nodes_t;

static json_t *headers_of (const zf_peer_info_t *node)
{
    json_t *list = json_array ();
    for (size_t i = 0; i < node->header_count; i++)
        json_array_append_new (list, json_pack ("{s:o, s:o}", "name",
                                                zf_web_json_text (node->headers[i].name), "value",
                                                zf_web_json_text (node->headers[i].value)));
    return list;
}

static bool add_node (void *arg, const zf_peer_info_t *node)
{
    nodes_t *nodes = arg;
    nodes->total++;
    if (nodes->total > nodes->limit)
        return true;
    json_t *row = json_object ();
    json_t *groups = json_array ();
    for (size_t i = 0; i < node->group_count; i++)
        json_array_append_new (groups, zf_web_json_text (node->groups[i]));
    json_object_set_new (row, "id", zf_web_json_text (node->id));
    json_object_set_new (row, "name", zf_web_json_text (node->name));
    json_object_set_new (row, "endpoint", zf_web_json_text (node->endpoint));
    zf_web_json_number (row, "silent_ms", node->silent_ms);
    json_object_set_new (row, "evasive", json_boolean (node->is_evasive));
    json_object_set_new (row, "zferry", json_boolean (node->is_zferry));
    zf_web_json_number (row, "dropped", node->dropped);
    json_object_set_new (row, "groups", groups);
    json_object_set_new (row, "headers", headers_of (node));
    json_array_append_new (nodes->rows, row);
    return true;
}

static json_t *own_node (zf_peer_t *peer)
{
    zf_peer_stats_t stats;
    json_t *row = json_object ();
    zf_peer_stats (peer, &stats);
    json_object_set_new (row, "id", zf_web_json_text (zf_peer_id (peer)));
    json_object_set_new (row, "name", zf_web_json_text (zf_peer_name (peer)));
    json_object_set_new (row, "endpoint", zf_web_json_text (zf_peer_endpoint (peer)));
    json_object_set_new (row, "hub", zf_web_json_text (zf_peer_hub (peer)));
    zf_web_json_number (row, "messages_in", stats.messages_in);
    zf_web_json_number (row, "messages_out", stats.messages_out);
    zf_web_json_number (row, "beacons_in", stats.beacons_in);
    zf_web_json_number (row, "beacons_out", stats.beacons_out);
    zf_web_json_number (row, "dropped_slow", stats.dropped_slow);
    zf_web_json_number (row, "errors", stats.errors);
    return row;
}

void zf_web_get_peers (zf_web_request_t *request, zf_web_answer_t *answer)
{
    zf_peer_t *peer = request->web->peer;
    nodes_t nodes = {.limit = ZF_WEB_ROWS};
    if (!zf_web_query_number (request, "limit", 1, ZF_WEB_ROWS_MAX, &nodes.limit, answer))
        return;
    nodes.rows = json_array ();
    if (peer != NULL)
        zf_peer_each (peer, add_node, &nodes);
    zf_web_answer_json (answer, 200,
                        json_pack ("{s:o, s:o, s:I}", "self",
                                   peer != NULL ? own_node (peer) : json_null (), "peers",
                                   nodes.rows, "total", (json_int_t) nodes.total));
}

static bool add_offer (void *arg, const zf_offer_t *offer)
{
    nodes_t *nodes = arg;
    nodes->total++;
    if (nodes->total > nodes->limit)
        return true;
    json_t *row = json_object ();
    json_object_set_new (row, "what", zf_web_json_text (offer->what));
    json_object_set_new (row, "endpoint", zf_web_json_text (offer->endpoint));
    json_object_set_new (row, "id", zf_web_json_text (offer->id));
    json_object_set_new (row, "node", zf_web_json_text (offer->name));
    json_object_set_new (row, "own", json_boolean (offer->is_own));
    json_array_append_new (nodes->rows, row);
    return true;
}

void zf_web_get_directory (zf_web_request_t *request, zf_web_answer_t *answer)
{
    zf_peer_t *peer = request->web->peer;
    nodes_t nodes = {.limit = ZF_WEB_ROWS};
    if (!zf_web_query_number (request, "limit", 1, ZF_WEB_ROWS_MAX, &nodes.limit, answer))
        return;
    nodes.rows = json_array ();
    if (peer != NULL)
        zf_directory_find (peer, NULL, add_offer, &nodes);
    zf_web_answer_json (
        answer, 200,
        json_pack ("{s:o, s:I}", "offers", nodes.rows, "total", (json_int_t) nodes.total));
}
