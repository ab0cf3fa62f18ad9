/* What a group of a stream is made with, as ADMIN "group" carries it: a map with the names of the
 * fields (from, value, patterns, policy). */
#ifndef ZF_PATTERNS_GROUP_H
#define ZF_PATTERNS_GROUP_H

#include "core/mp.h"
#include <zferry/admin.h>

/* Returns 0, or ZF_E_INVAL: a value is out of its range, a pattern is none. */
int zf_group_check (const zf_group_options_t *options, zf_error_t *err);
void zf_group_encode (zf_writer_t *w, const zf_group_options_t *options);

/* The queue that a group is, STREAM@GROUP, into name (ZF_NAME_MAX + 1 bytes). Returns 0, or
 * ZF_E_INVAL: one of the two is no name, or both together are too long. */
int zf_group_name (char *name, const char *stream, const char *group, zf_error_t *err);

/* Checks what any reader of a stream says; patterns may be NULL if there are none. */
int zf_start_check (const zf_start_t *start, const char *const *patterns, size_t count,
                    zf_error_t *err);
void zf_patterns_encode (zf_writer_t *w, const char *const *patterns, size_t count);

#endif
