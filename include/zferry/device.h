/* A device: something that carries messages and runs on a thread of its own, anywhere: in its own
 * process, in a worker's, in a client's. All devices have this one contract; each has its options
 * and its start.
 *
 * Threads:   every call may come from any thread, not from the device's own callback.
 * Ownership: options are copied by start. The device lives in czmq's process context, so inproc
 *            endpoints reach it from any czmq socket and any zferry handle of the process.
 * Signals:   none are installed. Do not fork() once a device or a handle exists. */
#ifndef ZFERRY_DEVICE_H
#define ZFERRY_DEVICE_H

#include <zferry/error.h>
#include <zferry/message.h>
#include <zferry/security.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zf_device zf_device_t;

/* What a device tells about. Events are rate-limited: at most 20 a second, the rest is counted. */
typedef enum {
    ZF_EVENT_LISTENING = 1,  /* text: the endpoint as bound */
    ZF_EVENT_WORKER_ON,      /* text: the queue it serves, and its address */
    ZF_EVENT_WORKER_OFF,     /* the same, and why it went */
    ZF_EVENT_PEER_ERROR,     /* a peer broke the protocol: what, and who */
    ZF_EVENT_DEAD_LETTER,    /* text: queue and reason */
    ZF_EVENT_RECOVERED,      /* the journal was read: what was in it, and how long that took */
    ZF_EVENT_DISK,           /* the journal's disk is full, has room again, or failed for good */
    ZF_EVENT_LINK,           /* a link: connected, lost, refused; who and why */
    ZF_EVENT_SUBSCRIBER_ON,  /* text: the stream, and who */
    ZF_EVENT_SUBSCRIBER_OFF, /* the same, and why it went */
    ZF_EVENT_LOOP,           /* forwarders in a circle: which connection was cut */
    ZF_EVENT_DENIED          /* a peer was not let in, or may not do what it wanted: who (name and
                                fingerprint of its key), what, and why */
} zf_event_t;

/* Called on the device's thread (ZF_EVENT_LISTENING: on the caller's, inside start): must not
 * block, must not call the device. */
typedef void zf_event_fn (void *arg, zf_event_t event, const char *text);

/* One figure of a device, for zf_device_stats. */
typedef void zf_stat_fn (void *arg, const char *name, uint64_t value);

/* Stops the device, closes its sockets, frees it and sets *device to NULL. Safe on NULL. */
ZF_API void zf_device_stop (zf_device_t **device);

/* The i-th endpoint as bound, with the port that the system chose; NULL past the last.
 * Valid until the device is stopped. */
ZF_API const char *zf_device_endpoint (const zf_device_t *device, size_t i);

/* Calls fn once for each figure, on the caller's thread. Returns 0 or ZF_E_CLOSED. */
ZF_API int zf_device_stats (zf_device_t *device, zf_stat_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
