#include "devices/device.h"

void zf_device_stop (zf_device_t **device)
{
    zf_device_t *self = device != NULL ? *device : NULL;
    if (self == NULL)
        return;
    *device = NULL;
    self->ops->stop (self);
}

const char *zf_device_endpoint (const zf_device_t *self, size_t i)
{
    return self->ops->endpoint != NULL ? self->ops->endpoint (self, i) : NULL;
}

int zf_device_stats (zf_device_t *self, zf_stat_fn *fn, void *arg)
{
    return self->ops->stats (self, fn, arg);
}

const char *zf_device_inside (const zf_device_t *self)
{
    return self->ops->inside != NULL ? self->ops->inside (self) : NULL;
}
