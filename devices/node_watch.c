#include "devices/node_inside.h"

#include <utlist.h>

void zf_node_watch (zf_node_t *self, zf_watch_t *watch)
{
    pthread_mutex_lock (&self->watch_lock);
    DL_APPEND (self->watches, watch);
    pthread_mutex_unlock (&self->watch_lock);
}

void zf_node_unwatch (zf_node_t *self, zf_watch_t *watch)
{
    pthread_mutex_lock (&self->watch_lock); /* who calls them holds it */
    DL_DELETE (self->watches, watch);
    pthread_mutex_unlock (&self->watch_lock);
}

void zf_node_call_watches (zf_node_t *self)
{
    zf_watch_t *watch;
    pthread_mutex_lock (&self->watch_lock);
    DL_FOREACH (self->watches, watch)
        watch->changed (watch->arg);
    pthread_mutex_unlock (&self->watch_lock);
}
