/* The doctor: looks at this machine as far as zferry needs something of it, and says of each thing
 * that it is in order, or what to do. Nothing is changed; a few datagrams are sent that no node
 * listens to. To look at seeds and a namespace it takes part as a node for some seconds.
 *
 * Threads: any. It takes at most two seconds or so, with seeds or a namespace six. */
#ifndef ZFERRY_DOCTOR_H
#define ZFERRY_DOCTOR_H

#include <zferry/error.h>
#include <zferry/message.h>
#include <zferry/security.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    ZF_DOCTOR_OK = 1,
    ZF_DOCTOR_WARN, /* works, but not as well as it might */
    ZF_DOCTOR_FAIL  /* something will not work */
} zf_doctor_level_t;

typedef struct {
    zf_doctor_level_t level;
    const char *name;   /* what was looked at: "versions", "curve", "interface", "broadcast",
                           "udp port", "tcp port", "open files", "clock", "memory", "cores",
                           "seed", "namespace", "journal" */
    const char *text;   /* what was found */
    const char *advice; /* what to do; "" if nothing */
} zf_doctor_item_t;

/* The item is valid during the call. */
typedef void zf_doctor_fn (void *arg, const zf_doctor_item_t *item);

typedef struct {
    size_t struct_size;            /* set by zf_doctor_defaults(); leave alone */
    const char *const *interfaces; /* as of zf_peer_options_t; default: all that are up */
    size_t interface_count;
    uint16_t port;       /* UDP; default 5670 */
    const char *journal; /* directory of a broker's journal, there or to be made; default NULL: not
                            looked at */
    const char *const *seeds; /* do they answer? As of zf_peer_options_t; default: none */
    size_t seed_count;        /* at most 64 */
    const char *space;        /* who is in this namespace? Default NULL: not looked at, unless there
                                 are seeds */
    zf_security_t *security;  /* of the node that looks for seeds and others; NULL: only this
                                 machine is looked at (peer.h) */
} zf_doctor_options_t;

ZF_API void zf_doctor_defaults_sized (zf_doctor_options_t *options, size_t size);
#define zf_doctor_defaults(options) zf_doctor_defaults_sized ((options), sizeof *(options))

/* Looks, and calls fn for each thing. options may be NULL. Returns 0, whatever was found, or
 * ZF_E_INVAL (a rule for interfaces, port 0). */
ZF_API int zf_doctor_run (const zf_doctor_options_t *options, zf_doctor_fn *fn, void *arg,
                          zf_error_t *err);

#ifdef __cplusplus
}
#endif
#endif
