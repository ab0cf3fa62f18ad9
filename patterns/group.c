#include "patterns/group.h"

#include "core/info.h"
#include "core/topic.h"

#include <stdio.h>

void zf_group_defaults_sized (zf_group_options_t *options, size_t size)
{
    zf_group_options_t own = {.struct_size = sizeof own};
    zf_options_fill (options, size, &own, sizeof own);
}

int zf_start_check (const zf_start_t *start, const char *const *patterns, size_t count,
                    zf_error_t *err)
{
    if ((int) start->from < ZF_FROM_DEFAULT || start->from > ZF_FROM_NEW)
        return zf_error_set (err, ZF_E_INVAL, "start: %d is no place to start from",
                             (int) start->from);
    if (count > ZF_PATTERNS_MAX || (count > 0 && patterns == NULL))
        return zf_error_set (err, ZF_E_INVAL, "%zu patterns: at most %d", count, ZF_PATTERNS_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *pattern = patterns[i] != NULL ? patterns[i] : "";
        if (!zf_pattern_is_valid (zf_bytes (pattern, strnlen (pattern, ZF_TOPIC_MAX + 1))))
            return zf_error_set (err, ZF_E_INVAL,
                                 "%.100s is no pattern: words with dots between, "
                                 "* for one word, > at the end for any",
                                 pattern);
    }
    return 0;
}

void zf_patterns_encode (zf_writer_t *w, const char *const *patterns, size_t count)
{
    zf_mp_put_array (w, count);
    for (size_t i = 0; i < count; i++)
        zf_mp_put_str (w, zf_bytes_of (patterns[i]));
}

int zf_group_check (const zf_group_options_t *options, zf_error_t *err)
{
    if (options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "group options: set them up with zf_group_defaults ()");
    const zf_policy_t *policy = options->policy;
    if (policy != NULL && (policy->struct_size != sizeof *policy || !zf_policy_valid (policy)))
        return zf_error_set (err, ZF_E_INVAL, "a value of the policy is out of range");
    return zf_start_check (&options->start, options->patterns, options->pattern_count, err);
}

void zf_group_encode (zf_writer_t *w, const zf_group_options_t *options)
{
    zf_from_t from = options->start.from != ZF_FROM_DEFAULT ? options->start.from : ZF_FROM_FIRST;
    zf_mp_put_map (w, options->policy != NULL ? 4 : 3);
    zf_mp_put_str (w, zf_bytes_of ("from"));
    zf_mp_put_uint (w, from);
    zf_mp_put_str (w, zf_bytes_of ("value"));
    zf_mp_put_uint (w, options->start.value);
    zf_mp_put_str (w, zf_bytes_of ("patterns"));
    zf_patterns_encode (w, options->patterns, options->pattern_count);
    if (options->policy != NULL) {
        zf_mp_put_str (w, zf_bytes_of ("policy"));
        zf_policy_encode (w, options->policy);
    }
}

int zf_group_name (char *name, const char *stream, const char *group, zf_error_t *err)
{
    size_t stream_size = stream != NULL ? strnlen (stream, ZF_NAME_MAX + 1) : 0;
    size_t group_size = group != NULL ? strnlen (group, ZF_NAME_MAX + 1) : 0;
    if (stream_size == 0 || group_size == 0 || stream_size + 1 + group_size > ZF_NAME_MAX)
        return zf_error_set (err, ZF_E_INVAL,
                             "a stream and a group have names, together %d bytes at most",
                             ZF_NAME_MAX - 1);
    if (strchr (stream, '@') != NULL || strchr (group, '@') != NULL)
        return zf_error_set (err, ZF_E_INVAL, "the name of a stream or a group has no @ in it");
    snprintf (name, ZF_NAME_MAX + 1, "%s@%s", stream, group);
    return 0;
}
