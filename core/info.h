/* Policies and figures of queues on the wire: msgpack maps with the names of the fields, so that
 * they can be read by people and by clients of another version. Names that are not known are
 * skipped; fields that are not there keep what they had. */
#ifndef ZF_CORE_INFO_H
#define ZF_CORE_INFO_H

#include "core/mp.h"
#include <zferry/admin.h>

void zf_policy_encode (zf_writer_t *w, const zf_policy_t *policy);

/* Returns 0, or ZF_E_INVAL (a value out of range), ZF_E_PROTO. */
int zf_policy_decode (zf_reader_t *r, zf_policy_t *policy);

/* The ranges that policy.h promises. */
bool zf_policy_valid (const zf_policy_t *policy);

void zf_info_encode (zf_writer_t *w, const zf_queue_info_t *info);
int zf_info_decode (zf_reader_t *r, zf_queue_info_t *info);

#endif
