/* The overview, and the devices. */
#include "web/inside.h"
#include "web/routes.h"

#include "devices/socket.h"

#include <czmq.h>
#include <microhttpd.h>
#include <msgpack.h>
#include <zferry/zferry.h>
#include <zmq.h>

json_t *zf_web_versions (void)
{
    int major = 0;
    int minor = 0;
    int patch = 0;
    json_t *versions = json_object ();
    json_object_set_new (versions, "zferry", json_string (zf_version ()));
    zmq_version (&major, &minor, &patch);
    json_object_set_new (versions, "libzmq", json_sprintf ("%d.%d.%d", major, minor, patch));
    zsys_version (&major, &minor, &patch);
    json_object_set_new (versions, "czmq", json_sprintf ("%d.%d.%d", major, minor, patch));
    json_object_set_new (versions, "msgpack", json_string (msgpack_version ()));
    json_object_set_new (versions, "libmicrohttpd", json_string (MHD_get_version ()));
    json_object_set_new (versions, "jansson", json_string (jansson_version_str ()));
    return versions;
}

static json_t *endpoints_of (const zf_web_shown_t *shown)
{
    json_t *list = json_array ();
    const char *endpoint = NULL;
    for (size_t i = 0; (endpoint = zf_device_endpoint (shown->device, i)) != NULL; i++)
        json_array_append_new (list, zf_web_json_text (endpoint));
    return list;
}

static json_t *device_row (zf_web_shown_t *shown)
{
    json_t *row = json_object ();
    json_t *joins = json_array ();
    json_t *figures = json_object ();
    zf_web_look (shown);
    for (size_t i = 0; i < shown->join_count; i++)
        json_array_append_new (joins, zf_web_json_text (shown->joins[i]));
    for (size_t i = 0; i < shown->figure_count; i++)
        zf_web_json_number (figures, shown->figures[i].name, shown->figures[i].value);
    json_object_set_new (row, "name", zf_web_json_text (shown->name));
    json_object_set_new (row, "kind", zf_web_json_text (shown->kind));
    json_object_set_new (row, "answers", json_boolean (shown->code == 0));
    json_object_set_new (row, "error",
                         shown->code == 0 ? json_null () : zf_web_json_text (shown->err.text));
    json_object_set_new (row, "endpoints", endpoints_of (shown));
    json_object_set_new (row, "joins", joins);
    json_object_set_new (row, "journal",
                         shown->journal != NULL ? zf_web_json_text (shown->journal) : json_null ());
    json_object_set_new (row, "has_queues", json_boolean (shown->has_queues));
    json_object_set_new (row, "figures", figures);
    zf_web_json_number (row, "looked_ms", shown->looked_ms);
    zf_web_unlook (shown);
    return row;
}

static json_t *devices_of (zf_web_t *web)
{
    zf_web_held_t held;
    json_t *list = json_array ();
    zf_web_hold (&web->devices, &held);
    for (size_t i = 0; i < held.count; i++)
        json_array_append_new (list, device_row (held.at[i]));
    zf_web_release (&held);
    return list;
}

void zf_web_get_devices (zf_web_request_t *request, zf_web_answer_t *answer)
{
    zf_web_answer_json (answer, 200, json_pack ("{s:o}", "devices", devices_of (request->web)));
}

void zf_web_get_overview (zf_web_request_t *request, zf_web_answer_t *answer)
{
    zf_web_t *web = request->web;
    char why[512];
    json_t *devices = devices_of (web);
    bool is_ready = zf_web_is_well (web, true, why, sizeof why);
    json_t *all = json_object ();
    json_object_set_new (all, "versions", zf_web_versions ());
    zf_web_json_number (all, "time_ms", zf_clock_wall_ms ());
    zf_web_json_number (all, "uptime_ms", zf_clock_ms () - web->started_ms);
    json_object_set_new (all, "ready", json_boolean (is_ready));
    json_object_set_new (all, "why", is_ready ? json_null () : zf_web_json_text (why));
    json_object_set_new (all, "can_change", json_boolean (web->token != NULL));
    json_object_set_new (all, "can_reload", json_boolean (web->on_reload != NULL));
    json_object_set_new (all, "has_peer", json_boolean (web->peer != NULL));
    json_object_set_new (all, "devices", devices);
    zf_web_answer_json (answer, 200, all);
}
