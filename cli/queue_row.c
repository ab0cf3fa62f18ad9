/* Queues, streams and groups as JSON objects, and the columns that people see of each. */
#include "queue_row.h"

#include "durable.h"
#include "policy.h"

#include <string.h>

const char *queue_row_group (const zf_queue_info_t *info, const char *stream)
{
    static const char dead[] = ".dead"; /* a group's dead letters are a plain queue */
    const char *at = strrchr (info->name, '@');
    size_t length = strlen (info->name);
    bool is_dead =
        length >= sizeof dead && strcmp (info->name + length + 1 - sizeof dead, dead) == 0;
    if (at == NULL || is_dead || info->policy.kind != ZF_KIND_QUEUE)
        return NULL;
    size_t size = (size_t) (at - info->name);
    if (stream != NULL && (strlen (stream) != size || memcmp (stream, info->name, size) != 0))
        return NULL;
    return at + 1;
}

static const char *kind_name (const zf_queue_info_t *info)
{
    if (info->policy.kind == ZF_KIND_STREAM)
        return "stream";
    return queue_row_group (info, NULL) != NULL ? "group" : "queue";
}

/* -- the object -------------------------------------------------------------------------------- */

static void set_number (json_t *row, const char *key, uint64_t number)
{
    json_object_set_new (row, key, json_integer ((json_int_t) number));
}

static void set_policy (json_t *row, const zf_queue_info_t *info)
{
    const zf_policy_t *policy = &info->policy;
    char dead[ZF_NAME_MAX + 1];
    bool has_dead = policy_dead_letter (info, dead);
    json_object_set_new (row, "kind", json_string (kind_name (info)));
    json_object_set_new (row, "compact", json_boolean (policy->compact));
    json_object_set_new (row, "declared", json_boolean (info->declared));
    set_number (row, "max_attempts", policy->max_attempts);
    set_number (row, "backoff_min_ms", policy->backoff_min_ms);
    set_number (row, "backoff_max_ms", policy->backoff_max_ms);
    set_number (row, "lease_ms", policy->lease_ms);
    set_number (row, "ttl_ms", policy->ttl_ms);
    set_number (row, "max_length", policy->max_length);
    set_number (row, "max_bytes", policy->max_bytes);
    json_object_set_new (row, "overflow", json_string (policy_overflow_name (policy->overflow)));
    set_number (row, "dedup_window_ms", policy->dedup_window_ms);
    set_number (row, "priorities", policy->priorities);
    json_object_set_new (row, "ordered", json_boolean (policy->ordered));
    json_object_set_new (row, "durable", json_string (policy_durable_name (policy->durable)));
    json_object_set_new (row, "dead_letter", has_dead ? json_string (dead) : json_null ());
}

static void set_stream (json_t *row, const zf_queue_info_t *info)
{
    set_number (row, "first", info->first);
    set_number (row, "next", info->next);
    set_number (row, "groups", info->groups);
    set_number (row, "subscribers", info->subscribers);
}

static void set_group (json_t *row, const zf_queue_info_t *info)
{
    const char *group = queue_row_group (info, NULL);
    size_t stream_size = (size_t) (group - info->name) - 1;
    json_object_set_new (row, "stream", json_stringn (info->name, stream_size));
    json_object_set_new (row, "group", json_string (group));
    set_number (row, "first", info->first);
    set_number (row, "next", info->next);
    set_number (row, "lag", info->lag);
    set_number (row, "missed", info->missed);
}

json_t *queue_row (const zf_queue_info_t *info)
{
    json_t *row = json_object ();
    json_object_set_new (row, "queue", json_string (info->name));
    set_number (row, "length", info->length);
    set_number (row, "bytes", info->bytes);
    set_number (row, "leased", info->leased);
    set_number (row, "delayed", info->delayed);
    set_number (row, "parked", info->parked);
    set_number (row, "oldest_ms", info->oldest_ms);
    set_number (row, "workers", info->workers);
    set_number (row, "posted", info->posted);
    set_number (row, "delivered", info->delivered);
    set_number (row, "acked", info->acked);
    set_number (row, "redelivered", info->redelivered);
    set_number (row, "dead", info->dead);
    set_number (row, "expired", info->expired);
    set_number (row, "dropped", info->dropped);
    set_number (row, "duplicates", info->duplicates);
    set_number (row, "refused", info->refused);
    set_number (row, "links", info->links);
    set_number (row, "on_disk", info->on_disk);
    json_object_set_new (row, "sync", json_string (durable_sync_name (info->sync)));
    if (info->policy.kind == ZF_KIND_STREAM)
        set_stream (row, info);
    else if (queue_row_group (info, NULL) != NULL)
        set_group (row, info);
    set_policy (row, info);
    return row;
}

/* -- what people see --------------------------------------------------------------------------- */

static const cli_column_t queue_columns[] = {
    {"queue", "queue", CLI_COLUMN_TEXT},
    {"length", "length", CLI_COLUMN_NUMBER},
    {"bytes", "bytes", CLI_COLUMN_BYTES},
    {"leased", "leased (at workers)", CLI_COLUMN_NUMBER},
    {"delayed", "delayed", CLI_COLUMN_NUMBER},
    {"parked", "parked (no room yet)", CLI_COLUMN_NUMBER},
    {"oldest_ms", "oldest", CLI_COLUMN_MS},
    {"workers", "workers", CLI_COLUMN_NUMBER},
    {"posted", "posted", CLI_COLUMN_NUMBER},
    {"delivered", "delivered", CLI_COLUMN_NUMBER},
    {"acked", "acked", CLI_COLUMN_NUMBER},
    {"redelivered", "redelivered", CLI_COLUMN_NUMBER},
    {"dead", "dead", CLI_COLUMN_NUMBER},
    {"expired", "expired", CLI_COLUMN_NUMBER},
    {"dropped", "dropped", CLI_COLUMN_NUMBER},
    {"duplicates", "duplicates", CLI_COLUMN_NUMBER},
    {"refused", "refused", CLI_COLUMN_NUMBER},
    {"links", "links into it", CLI_COLUMN_NUMBER},
    {"on_disk", "on disk only (no room in memory)", CLI_COLUMN_BYTES},
    {"sync", "synced before it is confirmed", CLI_COLUMN_TEXT},
    {"declared", "declared", CLI_COLUMN_TEXT},
    {"max_attempts", "max attempts", CLI_COLUMN_NUMBER},
    {"backoff_min_ms", "backoff min", CLI_COLUMN_MS},
    {"backoff_max_ms", "backoff max", CLI_COLUMN_MS},
    {"lease_ms", "lease", CLI_COLUMN_MS},
    {"ttl_ms", "ttl (0: for ever)", CLI_COLUMN_MS},
    {"max_length", "max length (0: no cap)", CLI_COLUMN_NUMBER},
    {"max_bytes", "max bytes (0: no cap)", CLI_COLUMN_BYTES},
    {"overflow", "overflow", CLI_COLUMN_TEXT},
    {"dedup_window_ms", "dedup window", CLI_COLUMN_MS},
    {"priorities", "priorities", CLI_COLUMN_NUMBER},
    {"ordered", "ordered", CLI_COLUMN_TEXT},
    {"durable", "durable", CLI_COLUMN_TEXT},
    {"dead_letter", "dead-letter queue", CLI_COLUMN_TEXT},
    {NULL, NULL, CLI_COLUMN_TEXT}};

static const cli_column_t stream_columns[] = {
    {"queue", "stream", CLI_COLUMN_TEXT},
    {"length", "length", CLI_COLUMN_NUMBER},
    {"bytes", "bytes", CLI_COLUMN_BYTES},
    {"first", "first offset", CLI_COLUMN_NUMBER},
    {"next", "next offset", CLI_COLUMN_NUMBER},
    {"oldest_ms", "oldest", CLI_COLUMN_MS},
    {"groups", "groups", CLI_COLUMN_NUMBER},
    {"subscribers", "subscribers", CLI_COLUMN_NUMBER},
    {"posted", "posted", CLI_COLUMN_NUMBER},
    {"dropped", "gone by age, size or trim", CLI_COLUMN_NUMBER},
    {"duplicates", "duplicates", CLI_COLUMN_NUMBER},
    {"refused", "refused", CLI_COLUMN_NUMBER},
    {"links", "links into it", CLI_COLUMN_NUMBER},
    {"on_disk", "on disk only (no room in memory)", CLI_COLUMN_BYTES},
    {"sync", "synced before it is confirmed", CLI_COLUMN_TEXT},
    {"declared", "declared", CLI_COLUMN_TEXT},
    {"ttl_ms", "max age (0: no cap)", CLI_COLUMN_MS},
    {"max_length", "max length (0: no cap)", CLI_COLUMN_NUMBER},
    {"max_bytes", "max bytes (0: no cap)", CLI_COLUMN_BYTES},
    {"compact", "compact", CLI_COLUMN_TEXT},
    {"dedup_window_ms", "dedup window", CLI_COLUMN_MS},
    {"durable", "durable", CLI_COLUMN_TEXT},
    {"max_attempts", "groups: max attempts", CLI_COLUMN_NUMBER},
    {"backoff_min_ms", "groups: backoff min", CLI_COLUMN_MS},
    {"backoff_max_ms", "groups: backoff max", CLI_COLUMN_MS},
    {"lease_ms", "groups: lease", CLI_COLUMN_MS},
    {"ordered", "groups: ordered", CLI_COLUMN_TEXT},
    {NULL, NULL, CLI_COLUMN_TEXT}};

static const cli_column_t group_columns[] = {
    {"stream", "stream", CLI_COLUMN_TEXT},
    {"group", "group", CLI_COLUMN_TEXT},
    {"lag", "lag", CLI_COLUMN_NUMBER},
    {"first", "oldest unfinished offset", CLI_COLUMN_NUMBER},
    {"next", "next offset", CLI_COLUMN_NUMBER},
    {"missed", "missed (gone before it was read)", CLI_COLUMN_NUMBER},
    {"length", "read and unfinished", CLI_COLUMN_NUMBER},
    {"leased", "leased (at workers)", CLI_COLUMN_NUMBER},
    {"delayed", "delayed", CLI_COLUMN_NUMBER},
    {"workers", "workers", CLI_COLUMN_NUMBER},
    {"delivered", "delivered", CLI_COLUMN_NUMBER},
    {"acked", "acked", CLI_COLUMN_NUMBER},
    {"redelivered", "redelivered", CLI_COLUMN_NUMBER},
    {"dead", "dead", CLI_COLUMN_NUMBER},
    {"sync", "synced before it is confirmed", CLI_COLUMN_TEXT},
    {"max_attempts", "max attempts", CLI_COLUMN_NUMBER},
    {"backoff_min_ms", "backoff min", CLI_COLUMN_MS},
    {"backoff_max_ms", "backoff max", CLI_COLUMN_MS},
    {"lease_ms", "lease", CLI_COLUMN_MS},
    {"ordered", "ordered", CLI_COLUMN_TEXT},
    {"dead_letter", "dead-letter queue", CLI_COLUMN_TEXT},
    {NULL, NULL, CLI_COLUMN_TEXT}};

int queue_row_print (const cli_t *cli, const zf_queue_info_t *info)
{
    const cli_column_t *columns = queue_columns;
    if (info->policy.kind == ZF_KIND_STREAM)
        columns = stream_columns;
    else if (queue_row_group (info, NULL) != NULL)
        columns = group_columns;
    return cli_print_object (cli, columns, queue_row (info));
}
