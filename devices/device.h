/* What every device is to the calls of <zferry/device.h>: a table of functions, one for each of
 * them. The first field of whatever is a device.
 *
 * Threads: as there. */
#ifndef ZF_DEVICES_DEVICE_H
#define ZF_DEVICES_DEVICE_H

#include <zferry/device.h>

typedef struct {
    void (*stop) (zf_device_t *device);                            /* stops and frees it */
    const char *(*endpoint) (const zf_device_t *device, size_t i); /* NULL: it binds none */
    int (*stats) (zf_device_t *device, zf_stat_fn *fn, void *arg);
    const char *(*inside) (const zf_device_t *device); /* NULL: there is no such way */
} zf_device_ops_t;

struct zf_device {
    const zf_device_ops_t *ops;
};

/* An inproc endpoint at which handles of this process reach it, in the native protocol; NULL: it
 * does not speak that. Valid until the device is stopped. */
const char *zf_device_inside (const zf_device_t *device);

#endif
