#include "web/rows.h"

#include "core/bytes.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* -- a policy, field by field ------------------------------------------------------------------ */

typedef enum { FIELD_U32, FIELD_U64, FIELD_BOOL, FIELD_TEXT, FIELD_WORD } field_kind_t;

typedef struct {
    const char *name;
    size_t offset;
    field_kind_t kind;
    const char *const *words; /* of an enum, by value; NULL behind the last */
} field_t;

static const char *const overflow_words[] = {"backpressure", "reject", "drop-oldest", NULL};
static const char *const durable_words[] = {"auto", "no", "yes", NULL};
static const char *const kind_words[] = {"queue", "stream", NULL};

#define FIELD(field, kind, words)                         \
    {                                                     \
#field, offsetof(zf_policy_t, field), kind, words \
    }

static const field_t fields[] = {FIELD (max_attempts, FIELD_U32, NULL),
                                 FIELD (backoff_min_ms, FIELD_U32, NULL),
                                 FIELD (backoff_max_ms, FIELD_U32, NULL),
                                 FIELD (lease_ms, FIELD_U32, NULL),
                                 FIELD (ttl_ms, FIELD_U64, NULL),
                                 FIELD (max_length, FIELD_U64, NULL),
                                 FIELD (max_bytes, FIELD_U64, NULL),
                                 FIELD (overflow, FIELD_WORD, overflow_words),
                                 FIELD (dedup_window_ms, FIELD_U32, NULL),
                                 FIELD (priorities, FIELD_U32, NULL),
                                 FIELD (ordered, FIELD_BOOL, NULL),
                                 FIELD (dead_letter, FIELD_TEXT, NULL),
                                 FIELD (durable, FIELD_WORD, durable_words),
                                 FIELD (kind, FIELD_WORD, kind_words),
                                 FIELD (compact, FIELD_BOOL, NULL)};

enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

/* All enums of a policy have the size of an int. */
_Static_assert(sizeof (zf_overflow_t) == sizeof (int) && sizeof (zf_durable_t) == sizeof (int) &&
                   sizeof (zf_kind_t) == sizeof (int),
               "an enum is not an int");

static json_t *value_of (const field_t *field, const zf_policy_t *policy)
{
    const char *at = (const char *) policy + field->offset;
    uint32_t u32;
    uint64_t u64;
    bool yes;
    int word;
    switch (field->kind) {
    case FIELD_U32:
        memcpy (&u32, at, sizeof u32);
        return json_integer (u32);
    case FIELD_U64:
        memcpy (&u64, at, sizeof u64);
        return json_integer (u64 <= INT64_MAX ? (json_int_t) u64 : INT64_MAX);
    case FIELD_BOOL:
        memcpy (&yes, at, sizeof yes);
        return json_boolean (yes);
    case FIELD_WORD:
        memcpy (&word, at, sizeof word);
        return json_string (field->words[word]);
    case FIELD_TEXT:
        return zf_web_json_text (at);
    }
    return NULL;
}

static int wrong (const field_t *field, const char *wanted, zf_error_t *err)
{
    return zf_error_set (err, ZF_E_INVAL, "%s is %s", field->name, wanted);
}

static int read_number (const field_t *field, const json_t *value, char *at, zf_error_t *err)
{
    json_int_t most = field->kind == FIELD_U32 ? (json_int_t) UINT32_MAX : INT64_MAX;
    json_int_t given = json_integer_value (value);
    uint64_t u64 = (uint64_t) given;
    uint32_t u32 = (uint32_t) given;
    if (!json_is_integer (value) || given < 0 || given > most)
        return wrong (
            field,
            field->kind == FIELD_U32 ? "a number from 0 to 4294967295" : "a number from 0 on", err);
    memcpy (at, field->kind == FIELD_U32 ? (void *) &u32 : (void *) &u64,
            field->kind == FIELD_U32 ? sizeof u32 : sizeof u64);
    return 0;
}

static int read_word (const field_t *field, const json_t *value, char *at, zf_error_t *err)
{
    char wanted[64] = "";
    const char *given = json_is_string (value) ? json_string_value (value) : "";
    for (int i = 0; field->words[i] != NULL; i++) {
        size_t used = strlen (wanted);
        if (strcmp (field->words[i], given) == 0) {
            memcpy (at, &i, sizeof i);
            return 0;
        }
        snprintf (wanted + used, sizeof wanted - used, "%s\"%s\"", used > 0 ? ", " : "one of ",
                  field->words[i]);
    }
    return wrong (field, wanted, err);
}

static int read_field (const field_t *field, const json_t *value, zf_policy_t *policy,
                       zf_error_t *err)
{
    char *at = (char *) policy + field->offset;
    bool yes = json_is_true (value);
    switch (field->kind) {
    case FIELD_U32:
    case FIELD_U64:
        return read_number (field, value, at, err);
    case FIELD_WORD:
        return read_word (field, value, at, err);
    case FIELD_BOOL:
        if (!json_is_boolean (value))
            return wrong (field, "true or false", err);
        memcpy (at, &yes, sizeof yes);
        return 0;
    case FIELD_TEXT:
        if (!json_is_string (value) || json_string_length (value) > ZF_NAME_MAX ||
            strlen (json_string_value (value)) != json_string_length (value))
            return wrong (field, "a name of at most 255 bytes, \"\" or \"-\"", err);
        memcpy (at, json_string_value (value), json_string_length (value) + 1);
        return 0;
    }
    return ZF_E_INVAL;
}

int zf_web_policy_read (json_t *object, zf_policy_t *policy, zf_error_t *err)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach (object, key, value)
    {
        size_t i = 0;
        while (i < FIELD_COUNT && strcmp (fields[i].name, key) != 0)
            i++;
        if (i == FIELD_COUNT)
            return zf_error_set (err, ZF_E_INVAL, "a policy has no setting '%s'", key);
        int rc = read_field (&fields[i], value, policy, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* -- a queue ----------------------------------------------------------------------------------- */

/* A group's dead letters are a plain queue, whose name has the mark, too. */
const char *zf_web_group (const zf_queue_info_t *info)
{
    static const char dead[] = ".dead";
    const char *at = strrchr (info->name, '@');
    size_t size = strlen (info->name);
    bool is_dead = size >= sizeof dead && strcmp (info->name + size + 1 - sizeof dead, dead) == 0;
    return at != NULL && !is_dead && info->policy.kind == ZF_KIND_QUEUE ? at + 1 : NULL;
}

const char *zf_web_kind (const zf_queue_info_t *info)
{
    if (info->policy.kind == ZF_KIND_STREAM)
        return "stream";
    return zf_web_group (info) != NULL ? "group" : "queue";
}

bool zf_web_dead_letter (const zf_queue_info_t *info, char name[ZF_NAME_MAX + 1])
{
    const char *given = info->policy.dead_letter;
    if (given[0] == '\0')
        snprintf (name, ZF_NAME_MAX + 1, "%.*s.dead", ZF_NAME_MAX - 5, info->name);
    else
        snprintf (name, ZF_NAME_MAX + 1, "%s", given);
    return strcmp (given, "-") != 0 && info->policy.kind != ZF_KIND_STREAM;
}

static const char *sync_name (zf_sync_t sync)
{
    static const char *const names[] = {[ZF_SYNC_NONE] = "none",
                                        [ZF_SYNC_ALWAYS] = "always",
                                        [ZF_SYNC_INTERVAL] = "interval",
                                        [ZF_SYNC_NEVER] = "never"};
    return (size_t) sync < sizeof names / sizeof names[0] ? names[sync] : "?";
}

#define NUMBER(field)                            \
    {                                            \
#field, offsetof(zf_queue_info_t, field) \
    }

static const struct {
    const char *name;
    size_t offset;
} numbers[] = {NUMBER (length),    NUMBER (bytes),       NUMBER (leased),      NUMBER (delayed),
               NUMBER (parked),    NUMBER (oldest_ms),   NUMBER (workers),     NUMBER (posted),
               NUMBER (delivered), NUMBER (acked),       NUMBER (redelivered), NUMBER (dead),
               NUMBER (expired),   NUMBER (dropped),     NUMBER (duplicates),  NUMBER (refused),
               NUMBER (on_disk),   NUMBER (links),       NUMBER (first),       NUMBER (next),
               NUMBER (groups),    NUMBER (subscribers), NUMBER (lag),         NUMBER (missed)};

static void set_names (json_t *row, const char *device, const zf_queue_info_t *info)
{
    const char *group = zf_web_group (info);
    char *path = zf_web_escape (info->name, strlen (info->name));
    json_object_set_new (row, "device", zf_web_json_text (device));
    json_object_set_new (row, "queue", zf_web_json_text (info->name));
    json_object_set_new (row, "path", json_string (path != NULL ? path : ""));
    json_object_set_new (row, "kind", json_string (zf_web_kind (info)));
    free (path);
    if (group == NULL)
        return;
    zf_bytes_t stream = {info->name, (size_t) (group - info->name) - 1};
    json_object_set_new (row, "stream", zf_web_json_bytes (stream));
    json_object_set_new (row, "group", zf_web_json_text (group));
}

json_t *zf_web_queue_row (const char *device, const zf_queue_info_t *info)
{
    json_t *row = json_object ();
    char dead[ZF_NAME_MAX + 1];
    set_names (row, device, info);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint64_t number;
        memcpy (&number, (const char *) info + numbers[i].offset, sizeof number);
        zf_web_json_number (row, numbers[i].name, number);
    }
    json_object_set_new (row, "sync", json_string (sync_name (info->sync)));
    json_object_set_new (row, "declared", json_boolean (info->declared));
    json_object_set_new (row, "dead_letter",
                         zf_web_dead_letter (info, dead) ? zf_web_json_text (dead) : json_null ());
    return row;
}

json_t *zf_web_queue_whole (const char *device, const zf_queue_info_t *info)
{
    json_t *row = zf_web_queue_row (device, info);
    json_t *policy = json_object ();
    for (size_t i = 0; i < FIELD_COUNT; i++)
        json_object_set_new (policy, fields[i].name, value_of (&fields[i], &info->policy));
    json_object_set_new (row, "policy", policy);
    return row;
}
