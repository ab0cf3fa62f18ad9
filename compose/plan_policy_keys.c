/* Keys of queues, streams and their groups. */
#include "compose/plan_keys.h"

#include <string.h>

static const char *const overflow_words[] = {"backpressure", "reject", "drop-oldest", NULL};
static const char *const durable_words[] = {"auto", "false", "true", NULL};

/* -- queues ------------------------------------------------------------------------------------ */

/* What queues, streams and groups have in common: what becomes of records that are taken. */
static const zf_key_t attempt_keys[] = {
    {.name = "max_attempts",
     .kind = SCHEMA_COUNT,
     AT (zf_policy_t, max_attempts),
     .fallback = "5",
     .help = "deliveries before a record is dead; 0: no limit"},
    {.name = "backoff_min",
     .kind = SCHEMA_TIME,
     AT (zf_policy_t, backoff_min_ms),
     .fallback = "100ms",
     .help = "delay after the first failure, doubled with each"},
    {.name = "backoff_max",
     .kind = SCHEMA_TIME,
     AT (zf_policy_t, backoff_max_ms),
     .fallback = "1m",
     .help = "its ceiling"},
    {.name = "lease",
     .kind = SCHEMA_TIME,
     AT (zf_policy_t, lease_ms),
     .min = 1,
     .fallback = "30s",
     .help = "a worker has a record so long, unless it asks for more"},
    {.name = "ordered",
     .kind = SCHEMA_BOOL,
     AT (zf_policy_t, ordered),
     .fallback = "false",
     .help = "records of one key one at a time, in order"},
    {.name = "dead_letter",
     .kind = SCHEMA_TEXT,
     .flags = SCHEMA_INLINE,
     AT (zf_policy_t, dead_letter),
     .fallback = "NAME.dead",
     .help = "queue for dead records; \"-\": they are dropped"},
    END};

static const zf_key_t kept_keys[] = {
    {.name = "durable",
     .kind = SCHEMA_WORD,
     AT (zf_policy_t, durable),
     .words = durable_words,
     .fallback = "auto",
     .help = "whether it is kept in the journal; `auto`: if there is one"},
    {.name = "dedup_window",
     .kind = SCHEMA_TIME,
     AT (zf_policy_t, dedup_window_ms),
     .fallback = "2m",
     .help = "an id is refused again for so long; 0: never"},
    END};

const zf_key_t zf_plan_policy_keys[] = {
    SAME_AS (attempt_keys, 0),
    SAME_AS (kept_keys, 0),
    {.name = "ttl",
     .kind = SCHEMA_TIME,
     AT (zf_policy_t, ttl_ms),
     .fallback = "0: for ever",
     .help = "time to live of records that name none"},
    {.name = "max_length",
     .kind = SCHEMA_COUNT,
     AT (zf_policy_t, max_length),
     .fallback = "0: no cap",
     .help = "records in the queue"},
    {.name = "max_bytes",
     .kind = SCHEMA_BYTES,
     AT (zf_policy_t, max_bytes),
     .fallback = "0: no cap",
     .help = "bodies and properties in the queue"},
    {.name = "overflow",
     .kind = SCHEMA_WORD,
     AT (zf_policy_t, overflow),
     .words = overflow_words,
     .fallback = "backpressure",
     .help = "what becomes of a post when the queue is at its cap"},
    {.name = "priorities",
     .kind = SCHEMA_COUNT,
     AT (zf_policy_t, priorities),
     .min = 1,
     .max = ZF_PRIORITIES_MAX,
     .fallback = "1",
     .help = "levels; changes only while the queue is empty"},
    END};

const zf_key_t zf_plan_queue_keys[] = {
    SAME_AS (zf_plan_policy_keys, offsetof (zf_plan_queue_t, policy)), END};

/* -- streams ----------------------------------------------------------------------------------- */

static bool parse_start (const char *text, void *into)
{
    zf_plan_group_t *group = into;
    zf_start_t start = {.from = ZF_FROM_OFFSET};
    bool good = true;
    if (strcmp (text, "first") == 0)
        start.from = ZF_FROM_FIRST;
    else if (strcmp (text, "new") == 0)
        start.from = ZF_FROM_NEW;
    else if (strncmp (text, "last=", 5) == 0) {
        start.from = ZF_FROM_LAST;
        good = zf_schema_number (SCHEMA_COUNT, text + 5, &start.value) && start.value > 0;
    } else {
        good = zf_schema_number (SCHEMA_COUNT, text, &start.value);
    }
    if (good)
        group->start = start;
    return good;
}

static const zf_key_t group_keys[] = {
    {.name = "from",
     .kind = SCHEMA_OWN,
     AT (zf_plan_group_t, start),
     .parse = parse_start,
     .expects = "first, new, last=N or an offset",
     .fallback = "first",
     .help = "where it begins when it is made; one that is there stays where it is"},
    {.name = "patterns",
     .kind = SCHEMA_TEXT,
     .flags = SCHEMA_LIST,
     LIST_AT (zf_plan_group_t, patterns, pattern_count),
     .fallback = "all records",
     .help = "of topics that it reads, when it is made"},
    SAME_AS (attempt_keys, offsetof (zf_plan_group_t, policy)),
    END};

const zf_key_t zf_plan_stream_keys[] = {
    {.name = "keep",
     .kind = SCHEMA_TIME,
     AT (zf_plan_stream_t, policy.ttl_ms),
     .fallback = "0: no cap",
     .help = "records older than this go"},
    {.name = "keep_bytes",
     .kind = SCHEMA_BYTES,
     AT (zf_plan_stream_t, policy.max_bytes),
     .fallback = "the device's",
     .help = "bodies and properties; the oldest go first; 0: no cap"},
    {.name = "keep_length",
     .kind = SCHEMA_COUNT,
     AT (zf_plan_stream_t, policy.max_length),
     .fallback = "0: no cap",
     .help = "records; the oldest go first"},
    {.name = "compact",
     .kind = SCHEMA_BOOL,
     AT (zf_plan_stream_t, policy.compact),
     .fallback = "false",
     .help = "keep the last record of each key, or topic, only"},
    SAME_AS (kept_keys, offsetof (zf_plan_stream_t, policy)),
    SAME_AS (attempt_keys, offsetof (zf_plan_stream_t, policy)),
    {.name = "groups",
     .kind = SCHEMA_TABLE,
     ITEMS_AT (zf_plan_stream_t, groups, group_count),
     .keys = group_keys,
     .title = "a group",
     .prepare = zf_plan_prepare_group,
     .help = "that read it"},
    END};
