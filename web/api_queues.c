/* Queues, streams and groups. */
#include "web/inside.h"
#include "web/pick.h"
#include "web/rows.h"

#include <string.h>

/* -- which device ------------------------------------------------------------------------------ */

/* Does it have the queue, by what is known? */
static bool has_queue (zf_web_shown_t *shown, const char *name)
{
    zf_web_look (shown);
    bool has = shown->code == 0 && zf_web_queue (shown, name) != NULL;
    zf_web_unlook (shown);
    return has;
}

/* Nobody said which device: the only one with queues, or the only one that has this queue. */
static zf_web_shown_t *only_one (const zf_web_request_t *request, const zf_web_held_t *held,
                                 zf_web_answer_t *answer)
{
    zf_web_shown_t *any = NULL;
    zf_web_shown_t *owner = NULL;
    size_t count = 0;
    size_t owners = 0;
    for (size_t i = 0; i < held->count; i++)
        if (held->at[i]->has_queues) {
            any = held->at[i];
            count++;
        }
    for (size_t i = 0; i < held->count && count > 1; i++)
        if (held->at[i]->has_queues && has_queue (held->at[i], request->name)) {
            owner = held->at[i];
            owners++;
        }
    if (count == 1 || owners == 1)
        return count == 1 ? any : owner;
    if (count == 0)
        zf_web_answer_error (answer, 404, "no device here has queues");
    else
        zf_web_answer_error (answer, owners == 0 ? 404 : 400,
                             "%s of several devices has this queue: say which is meant, "
                             "?device=NAME",
                             owners == 0 ? "none" : "more than one");
    return NULL;
}

zf_web_shown_t *zf_web_pick (const zf_web_request_t *request, zf_web_held_t *held,
                             zf_web_answer_t *answer)
{
    char name[ZF_NAME_MAX + 1];
    int found = zf_web_query (request, "device", name, sizeof name);
    zf_web_hold (&request->web->devices, held);
    if (found == 0)
        return only_one (request, held, answer);
    zf_web_shown_t *shown = found > 0 ? zf_web_find (held, name) : NULL;
    if (shown == NULL)
        zf_web_answer_error (answer, 404, "there is no device of that name");
    else if (!shown->has_queues)
        zf_web_answer_error (answer, 404, "%s has no queues: it is a %s", name, shown->kind);
    return shown != NULL && shown->has_queues ? shown : NULL;
}

/* -- lists ------------------------------------------------------------------------------------- */

typedef struct {
    const char *kind;             /* NULL: all */
    char match[ZF_NAME_MAX + 1];  /* part of the name; "": all */
    char device[ZF_NAME_MAX + 1]; /* "": all */
    uint64_t limit;               /* rows */
    uint64_t total;               /* that there are */
    json_t *rows;
    json_t *looked; /* when each device was asked: for rates */
} listing_t;

/* Returns false, with an answer, if the query can't be read. */
static bool read_listing (const zf_web_request_t *request, listing_t *listing,
                          zf_web_answer_t *answer)
{
    bool can_read = zf_web_query (request, "match", listing->match, sizeof listing->match) >= 0 &&
                    zf_web_query (request, "device", listing->device, sizeof listing->device) >= 0;
    listing->limit = ZF_WEB_ROWS;
    if (!can_read)
        zf_web_answer_error (answer, 400, "match and device are at most %d bytes", ZF_NAME_MAX);
    return can_read &&
           zf_web_query_number (request, "limit", 1, ZF_WEB_ROWS_MAX, &listing->limit, answer);
}

static bool is_wanted (const listing_t *listing, const zf_queue_info_t *info)
{
    return (listing->kind == NULL || strcmp (listing->kind, zf_web_kind (info)) == 0) &&
           strstr (info->name, listing->match) != NULL;
}

static void list_device (listing_t *listing, zf_web_shown_t *shown, json_t *errors)
{
    zf_web_look (shown);
    zf_web_json_number (listing->looked, shown->name, shown->looked_ms);
    for (size_t i = 0; i < shown->queue_count && shown->code == 0; i++) {
        if (!is_wanted (listing, &shown->queues[i]))
            continue;
        listing->total++;
        if (listing->total <= listing->limit)
            json_array_append_new (listing->rows,
                                   zf_web_queue_row (shown->name, &shown->queues[i]));
    }
    if (shown->code != 0)
        json_array_append_new (errors,
                               json_pack ("{s:o, s:o}", "device", zf_web_json_text (shown->name),
                                          "error", zf_web_json_text (shown->err.text)));
    zf_web_unlook (shown);
}

/* total: as many as match; looked: when each device was asked, by a clock that never goes back;
 * errors: devices that did not answer. */
static void answer_list (const zf_web_request_t *request, zf_web_answer_t *answer, const char *kind,
                         const char *key)
{
    listing_t listing = {.kind = kind};
    zf_web_held_t held;
    if (!read_listing (request, &listing, answer))
        return;
    json_t *errors = json_array ();
    listing.rows = json_array ();
    listing.looked = json_object ();
    zf_web_hold (&request->web->devices, &held);
    for (size_t i = 0; i < held.count; i++)
        if (held.at[i]->has_queues &&
            (listing.device[0] == '\0' || strcmp (listing.device, held.at[i]->name) == 0))
            list_device (&listing, held.at[i], errors);
    zf_web_release (&held);
    zf_web_answer_json (answer, 200,
                        json_pack ("{s:o, s:I, s:o, s:o}", key, listing.rows, "total",
                                   (json_int_t) listing.total, "looked", listing.looked, "errors",
                                   errors));
}

void zf_web_get_queues (zf_web_request_t *request, zf_web_answer_t *answer)
{
    answer_list (request, answer, NULL, "queues");
}

void zf_web_get_streams (zf_web_request_t *request, zf_web_answer_t *answer)
{
    answer_list (request, answer, "stream", "streams");
}

void zf_web_get_groups (zf_web_request_t *request, zf_web_answer_t *answer)
{
    answer_list (request, answer, "group", "groups");
}

/* -- one --------------------------------------------------------------------------------------- */

void zf_web_get_queue (zf_web_request_t *request, zf_web_answer_t *answer)
{
    zf_web_held_t held;
    zf_web_shown_t *shown = zf_web_pick (request, &held, answer);
    if (shown != NULL) {
        zf_web_look (shown);
        const zf_queue_info_t *info = zf_web_queue (shown, request->name);
        if (shown->code != 0)
            zf_web_answer_code (answer, &shown->err);
        else if (info == NULL)
            zf_web_answer_error (answer, 404, "%s: no such queue", request->name);
        else
            zf_web_answer_json (answer, 200, zf_web_queue_whole (shown->name, info));
        zf_web_unlook (shown);
    }
    zf_web_release (&held);
}
