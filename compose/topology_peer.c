/* The node of a topology: what it offers, and what it sees. */
#include "compose/topology_inside.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SEEN (1u << ZF_PEER_ENTER | 1u << ZF_PEER_EXIT | 1u << ZF_PEER_NOTE)

/* -- what it sees ------------------------------------------------------------------------------ */

static void tell (const zf_topology_options_t *options, const zf_peer_event_t *event)
{
    char line[600];
    zf_log_level_t level = ZF_LOG_INFO;
    if (event->type == ZF_PEER_ENTER || event->type == ZF_PEER_EXIT) {
        snprintf (line, sizeof line, "node %s: %s %s%s%s",
                  event->type == ZF_PEER_ENTER ? "on" : "off", event->name, event->endpoint,
                  event->text[0] != '\0' ? ", " : "", event->text);
    } else {
        level = ZF_LOG_DEBUG; /* interfaces and seeds */
        snprintf (line, sizeof line, "discovery: %s", event->text);
    }
    if (options->on_log != NULL)
        options->on_log (options->arg, level, "", line);
}

static void *watch (void *arg)
{
    zf_topology_t *self = arg;
    struct pollfd fds[] = {{.fd = zf_peer_fd (self->peer), .events = POLLIN},
                           {.fd = self->watch.stop_fd, .events = POLLIN}};
    zf_peer_event_t event;
    while (fds[1].revents == 0 && (poll (fds, 2, -1) >= 0 || errno == EINTR))
        while (zf_peer_next (self->peer, &event, 0) == 0) {
            tell (&self->options, &event);
            zf_peer_event_release (&event);
        }
    return NULL;
}

static int start_watch (zf_topology_t *self, zf_error_t *err)
{
    zf_peer_listen (self->peer, SEEN);
    self->watch.stop_fd = eventfd (0, EFD_CLOEXEC);
    if (self->watch.stop_fd < 0)
        return zf_error_set (err, ZF_E_IO, "make an eventfd: %s", strerror (errno));
    int error = pthread_create (&self->watch.thread, NULL, watch, self);
    if (error == 0)
        return 0;
    close (self->watch.stop_fd);
    self->watch.stop_fd = -1;
    return zf_error_set (err, ZF_E_NOMEM, "start a thread: %s", strerror (error));
}

static void stop_watch (zf_watch_t *self)
{
    uint64_t one = 1;
    if (self->stop_fd < 0)
        return;
    ssize_t ignored = write (self->stop_fd, &one, sizeof one);
    (void) ignored; /* an eventfd that nobody has written to has room */
    pthread_join (self->thread, NULL);
    close (self->stop_fd);
    self->stop_fd = -1;
}

/* -- life -------------------------------------------------------------------------------------- */

int zf_topology_start_peer (zf_topology_t *self, zf_error_t *err)
{
    zf_peer_options_t options = self->started.discovery.options;
    if (!self->started.discovery.is_there)
        return 0;
    options.security = self->security;
    int rc = zf_peer_start (&self->peer, &options, err);
    if (rc != 0)
        return zf_error_wrap (err, rc, "discovery");
    if (self->security == NULL)
        zf_topology_say (self, ZF_LOG_NOTICE, "",
                         "discovery: without security it sees this machine only");
    return start_watch (self, err);
}

void zf_topology_stop_peer (zf_topology_t *self)
{
    stop_watch (&self->watch);
    zf_peer_stop (&self->peer);
}

/* -- what it offers ---------------------------------------------------------------------------- */

/* So many of the device's first endpoints are for those who look it up. */
static size_t endpoints_for_others (const zf_plan_device_t *device)
{
    if (device->kind == ZF_PLAN_BROKER)
        return device->broker.endpoint_count;
    return device->kind == ZF_PLAN_FORWARDER ? device->forwarder.endpoint_count
                                             : device->balancer.front_count;
}

/* The best one of them: one that others can reach, if there is one. NULL: none is tcp. */
static const char *endpoint_for_others (const zf_part_t *part, size_t count)
{
    const char *best = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *endpoint = zf_device_endpoint (part->device, i);
        bool is_tcp = endpoint != NULL && strncmp (endpoint, "tcp://", 6) == 0;
        if (is_tcp && (best == NULL || (zf_plan_is_open (endpoint) && !zf_plan_is_open (best))))
            best = endpoint;
    }
    return best;
}

static int offer (zf_topology_t *self, const char *kind, const char *name, const char *endpoint,
                  zf_error_t *err)
{
    char what[ZF_OFFER_WHAT_MAX + 1];
    snprintf (what, sizeof what, "%s/%s", kind, name);
    return zf_directory_announce (self->peer, what, endpoint, err);
}

/* A forwarder is announced by its streams. */
static int offer_streams (zf_topology_t *self, const zf_plan_device_t *device, const char *endpoint,
                          zf_error_t *err)
{
    int rc = offer (self, "topic", device->forwarder.stream, endpoint, err);
    for (size_t i = 0; i < device->stream_count && rc == 0; i++)
        rc = offer (self, "topic", device->streams[i].named.name, endpoint, err);
    return rc;
}

static int announce (zf_topology_t *self, const zf_part_t *part, const zf_plan_device_t *device,
                     zf_error_t *err)
{
    const char *endpoint = endpoint_for_others (part, endpoints_for_others (device));
    int rc = 0;
    if (endpoint == NULL)
        return 0;
    if (!zf_plan_is_open (endpoint))
        zf_topology_say (self, ZF_LOG_NOTICE, part->name,
                         "other nodes are told of %s, which only this machine can reach", endpoint);
    if (device->kind == ZF_PLAN_BROKER)
        rc = offer (self, "broker", part->name, endpoint, err);
    else if (device->kind == ZF_PLAN_FORWARDER)
        rc = offer_streams (self, device, endpoint, err);
    else
        rc = offer (self, "balancer", part->name, endpoint, err);
    for (size_t i = 0; i < device->announce_also_count && rc == 0; i++)
        rc = zf_directory_announce (self->peer, device->announce_also[i], endpoint, err);
    return rc == 0 ? 0 : zf_error_wrap (err, rc, "announce device '%s'", part->name);
}

int zf_topology_announce (zf_topology_t *self, zf_error_t *err)
{
    int rc = 0;
    for (size_t i = 0; i < self->part_count && rc == 0 && self->peer != NULL; i++) {
        const zf_part_t *part = self->parts[i];
        const zf_plan_device_t *device =
            &self->started.devices[zf_plan_find (&self->started, part->name)];
        if (device->announce && device->kind != ZF_PLAN_LINK)
            rc = announce (self, part, device, err);
    }
    return rc;
}
