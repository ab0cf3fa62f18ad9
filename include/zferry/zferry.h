/* zferry: brokerless messaging patterns and devices on ZeroMQ. This includes everything public. */
#ifndef ZFERRY_H
#define ZFERRY_H

#include <zferry/admin.h>
#include <zferry/balancer.h>
#include <zferry/broker.h>
#include <zferry/client.h>
#include <zferry/device.h>
#include <zferry/directory.h>
#include <zferry/doctor.h>
#include <zferry/error.h>
#include <zferry/forwarder.h>
#include <zferry/journal.h>
#include <zferry/link.h>
#include <zferry/message.h>
#include <zferry/peer.h>
#include <zferry/policy.h>
#include <zferry/publisher.h>
#include <zferry/security.h>
#include <zferry/subscriber.h>
#include <zferry/topology.h>
#include <zferry/web.h>
#include <zferry/worker.h>

#define ZFERRY_VERSION_MAJOR 0
#define ZFERRY_VERSION_MINOR 1
#define ZFERRY_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs: "0.1.0". */
ZF_API const char *zf_version (void);

/* Calls fn for the library and for each one that it stands on: "zferry", "libzmq", "czmq",
 * "msgpack", "xxhash", "jansson", "libmicrohttpd", "libyaml". The version is of what runs, where
 * that one can be asked; both texts are valid during the call. */
typedef void zf_version_fn (void *arg, const char *name, const char *version);
ZF_API void zf_versions (zf_version_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
