/* What changes something. */
#include "web/inside.h"
#include "web/pick.h"
#include "web/rows.h"

#include <string.h>

#define RELOAD_TEXT_MAX 4096

/* What a change is told. */
typedef struct {
    zf_client_t *client;
    const char *device; /* its name */
    const char *queue;
    json_t *body; /* an object */
} order_t;

/* One change of a queue. Returns 0 with *result set, or a code. */
typedef int change_fn (const order_t *order, json_t **result, zf_error_t *err);

/* Calls it with the client of the request's device; the next look shows what has changed. */
static void change (const zf_web_request_t *request, zf_web_answer_t *answer, change_fn *fn)
{
    zf_web_held_t held;
    zf_error_t err = {0};
    json_t *result = NULL;
    json_t *body = zf_web_body (request, answer);
    if (body == NULL)
        return;
    zf_web_shown_t *shown = zf_web_pick (request, &held, answer);
    if (shown != NULL) {
        order_t order = {zf_web_call (shown, &err), shown->name, request->name, body};
        int rc = order.client != NULL ? fn (&order, &result, &err) : err.code;
        zf_web_forget (shown);
        zf_web_unlook (shown);
        if (rc == 0)
            zf_web_answer_json (answer, 200, result);
        else
            zf_web_answer_code (answer, &err);
    }
    zf_web_release (&held);
    json_decref (body);
}

static json_t *counted (const order_t *order, const char *what, uint64_t count)
{
    json_t *result = json_object ();
    json_object_set_new (result, "queue", zf_web_json_text (order->queue));
    zf_web_json_number (result, what, count);
    return result;
}

/* -- purge ------------------------------------------------------------------------------------- */

static int no_settings (json_t *body, zf_error_t *err)
{
    if (json_object_size (body) > 0)
        return zf_error_set (err, ZF_E_INVAL, "this takes no settings");
    return 0;
}

static int purge (const order_t *order, json_t **result, zf_error_t *err)
{
    uint64_t count = 0;
    int rc = no_settings (order->body, err);
    if (rc == 0)
        rc = zf_admin_purge (order->client, order->queue, &count, err);
    if (rc == 0)
        *result = counted (order, "purged", count);
    return rc;
}

void zf_web_post_purge (zf_web_request_t *request, zf_web_answer_t *answer)
{
    change (request, answer, purge);
}

/* -- declare ----------------------------------------------------------------------------------- */

/* What it is now, or the defaults. A stream that is not there yet is made first: what the body does
 * not name is then as of those that nobody declared. */
static int present_policy (zf_client_t *client, const char *name, const json_t *body,
                           zf_policy_t *policy, zf_error_t *err)
{
    zf_queue_info_t info;
    const char *kind = json_string_value (json_object_get (body, "kind"));
    int rc = zf_admin_queue (client, name, &info, err);
    zf_policy_defaults (policy);
    if (rc == ZF_E_NOT_FOUND && kind != NULL && strcmp (kind, "stream") == 0) {
        rc = zf_admin_stream (client, name, err);
        rc = rc == 0 ? zf_admin_queue (client, name, &info, err) : rc;
    }
    if (rc == 0)
        *policy = info.policy;
    return rc == ZF_E_NOT_FOUND ? 0 : rc;
}

static int declare (const order_t *order, json_t **result, zf_error_t *err)
{
    zf_policy_t policy;
    zf_queue_info_t info;
    zf_policy_defaults (&policy);
    int rc = zf_web_policy_read (order->body, &policy, err); /* before anything is made */
    if (rc == 0)
        rc = present_policy (order->client, order->queue, order->body, &policy, err);
    if (rc == 0)
        rc = zf_web_policy_read (order->body, &policy, err);
    if (rc == 0)
        rc = zf_admin_declare (order->client, order->queue, &policy, err);
    if (rc == 0)
        rc = zf_admin_queue (order->client, order->queue, &info, err);
    if (rc != 0)
        return rc;
    *result = zf_web_queue_whole (order->device, &info);
    return 0;
}

void zf_web_post_declare (zf_web_request_t *request, zf_web_answer_t *answer)
{
    change (request, answer, declare);
}

/* -- dead letters ------------------------------------------------------------------------------ */

static int read_max (json_t *body, uint64_t *max, zf_error_t *err)
{
    const json_t *given = json_object_get (body, "max");
    *max = 0;
    if (json_object_size (body) != (given != NULL) ||
        (given != NULL && (!json_is_integer (given) || json_integer_value (given) < 1)))
        return zf_error_set (err, ZF_E_INVAL, "the body is {} or {\"max\": N}, N from 1 on");
    if (given != NULL)
        *max = (uint64_t) json_integer_value (given);
    return 0;
}

static int requeue (const order_t *order, json_t **result, zf_error_t *err)
{
    uint64_t max = 0;
    uint64_t count = 0;
    int rc = read_max (order->body, &max, err);
    if (rc == 0)
        rc = zf_admin_dead_requeue (order->client, order->queue, max, &count, err);
    if (rc == 0)
        *result = counted (order, "requeued", count);
    return rc;
}

void zf_web_post_requeue (zf_web_request_t *request, zf_web_answer_t *answer)
{
    change (request, answer, requeue);
}

static int discard (const order_t *order, json_t **result, zf_error_t *err)
{
    uint64_t max = 0;
    uint64_t count = 0;
    int rc = read_max (order->body, &max, err);
    if (rc == 0)
        rc = zf_admin_dead_discard (order->client, order->queue, max, &count, err);
    if (rc == 0)
        *result = counted (order, "discarded", count);
    return rc;
}

void zf_web_post_discard (zf_web_request_t *request, zf_web_answer_t *answer)
{
    change (request, answer, discard);
}

/* -- reload ------------------------------------------------------------------------------------ */

void zf_web_post_reload (zf_web_request_t *request, zf_web_answer_t *answer)
{
    zf_web_t *web = request->web;
    char text[RELOAD_TEXT_MAX] = "";
    if (web->on_reload == NULL) {
        zf_web_answer_error (answer, 404, "there is no file to be read again");
        return;
    }
    pthread_mutex_lock (&web->reloading);
    int rc = web->on_reload (web->arg, text, sizeof text);
    pthread_mutex_unlock (&web->reloading);
    text[sizeof text - 1] = '\0';
    if (rc != 0)
        zf_web_answer_json (answer, 409, json_pack ("{s:o}", "error", zf_web_json_text (text)));
    else
        zf_web_answer_json (answer, 200, json_pack ("{s:o}", "text", zf_web_json_text (text)));
}
