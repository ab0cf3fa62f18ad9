/* Queues as JSON, and policies to and from it. Names and meanings are those of admin.h. */
#ifndef ZF_WEB_ROWS_H
#define ZF_WEB_ROWS_H

#include "web/look.h"
#include "web/text.h"

/* "queue", "stream" or "group". */
const char *zf_web_kind (const zf_queue_info_t *info);

/* Where a group's name begins in STREAM@GROUP; NULL if this is no group. */
const char *zf_web_group (const zf_queue_info_t *info);

/* Its figures; "path" is the name as it is written in a URL. */
json_t *zf_web_queue_row (const char *device, const zf_queue_info_t *info);

/* The same with its policy. */
json_t *zf_web_queue_whole (const char *device, const zf_queue_info_t *info);

/* The name of its dead-letter queue; false: it keeps none. */
bool zf_web_dead_letter (const zf_queue_info_t *info, char name[ZF_NAME_MAX + 1]);

/* Changes what the object names. Returns 0, or ZF_E_INVAL: a setting that is unknown, or of the
 * wrong kind. */
int zf_web_policy_read (json_t *object, zf_policy_t *policy, zf_error_t *err);

#endif
