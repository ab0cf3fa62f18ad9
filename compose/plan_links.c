/* Where devices connect to: other devices of the file, and endpoints. */
#include "compose/plan.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 64 };

typedef zf_plan_device_t device_t;

/* Where a key of the device's kind stands. */
static zf_spot_t place (const device_t *device, const char *key, size_t i)
{
    return zf_plan_key_place (device, key, i);
}

static bool is_looked_up (const char *endpoint)
{
    return strncmp (endpoint, "zferry://", 9) == 0;
}

/* Where a device connects to with CURVE it must know whose key that is. */
void zf_plan_check_key (zf_plan_t *plan, zf_spot_t spot, const char *endpoint)
{
    bool is_over_network =
        strncmp (endpoint, "tcp://", 6) == 0 || strncmp (endpoint, "ipc://", 6) == 0;
    if (plan->security.is_there && plan->security.options.server_key == NULL && is_over_network &&
        strchr (endpoint, '|') == NULL)
        zf_problem (&plan->problems, spot,
                    "whose key is it that %.150s has? expected server_key in security, or |KEY "
                    "behind the endpoint",
                    endpoint);
}

static void check_keys (zf_plan_t *plan, const device_t *device, const char *key,
                        const char *const *endpoints, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (endpoints[i][0] == '>')
            zf_plan_check_key (plan, place (device, key, i), endpoints[i] + 1);
}

/* -- links ------------------------------------------------------------------------------------- */

static void complain_of_end (zf_plan_t *plan, const device_t *link, const char *key, size_t i,
                             const char *end)
{
    const char *names[NAMES_MAX + 1];
    size_t n = 0;
    for (size_t k = 0; k < plan->device_count && n < NAMES_MAX; k++)
        if (plan->devices[k].is_broker)
            names[n++] = plan->devices[k].named.name;
    names[n] = NULL;
    const char *near = zf_schema_nearest (end, names);
    if (near != NULL)
        zf_problem (&plan->problems, place (link, key, i),
                    "there is no device '%.100s'; did you mean '%s'?", end, near);
    else
        zf_problem (&plan->problems, place (link, key, i),
                    "there is no device '%.100s'; expected a broker of this file%s", end,
                    strcmp (key, "from") == 0 ? ", an endpoint, or a path with a / in it"
                                              : " or an endpoint");
}

/* The device that one end of a link is; SIZE_MAX: it is none of this file. */
static size_t find_end (zf_plan_t *plan, const device_t *link, const char *key, size_t i,
                        const char *end)
{
    size_t found = zf_plan_find (plan, end);
    if (found != SIZE_MAX && !plan->devices[found].is_broker) {
        zf_problem (&plan->problems, place (link, key, i), "device '%s' is a %s; expected a broker",
                    end, zf_plan_kind_name (plan->devices[found].kind));
    } else if (found == SIZE_MAX && strchr (end, '/') == NULL) {
        complain_of_end (plan, link, key, i, end);
    } else if (is_looked_up (end) && !plan->discovery.is_there) {
        zf_problem (&plan->problems, place (link, key, i),
                    "%.100s is looked up in the directory, but this file has no discovery; "
                    "expected discovery: at the top level",
                    end);
    }
    return found;
}

static void check_from (zf_plan_t *plan, device_t *device)
{
    const zf_link_options_t *link = &device->link;
    if (link->from == NULL) /* said already */
        return;
    device->from_device = find_end (plan, device, "from", 0, link->from);
    bool is_directory = device->from_device == SIZE_MAX && strstr (link->from, "://") == NULL;
    if (!is_directory && link->from_queue == NULL)
        zf_problem (&plan->problems, zf_plan_place (device->named.node, "link", 0),
                    "a link from a broker has no 'queue'; expected which of its queues");
    zf_plan_check_key (plan, place (device, "from", 0), link->from);
    if (link->from_queue == NULL && link->to_queue != NULL)
        zf_problem (&plan->problems, place (device, "to_queue", 0),
                    "to_queue is one queue, but all queues of the directory are linked; expected "
                    "'queue', too");
}

static void check_to (zf_plan_t *plan, device_t *device)
{
    const zf_link_options_t *link = &device->link;
    for (size_t i = 0; i < link->to_count; i++) {
        if (link->to[i][0] == '\0') /* said already */
            continue;
        size_t found = find_end (plan, device, "to", i, link->to[i]);
        if (strchr (link->to[i], '/') != NULL && strstr (link->to[i], "://") == NULL)
            zf_problem (&plan->problems, place (device, "to", i),
                        "'%.100s' is a path; expected a broker of this file or an endpoint",
                        link->to[i]);
        if (found != SIZE_MAX && link->to_count > 1)
            zf_problem (
                &plan->problems, place (device, "to", i),
                "'%.100s' is a device of this file; expected it alone, or endpoints of one broker",
                link->to[i]);
        zf_plan_check_key (plan, place (device, "to", i), link->to[i]);
        device->to_device = found;
    }
}

static void check_link (zf_plan_t *plan, device_t *device)
{
    const zf_link_options_t *link = &device->link;
    check_from (plan, device);
    check_to (plan, device);
    if (link->backoff_min_ms > link->backoff_max_ms)
        zf_problem (&plan->problems, place (device, "backoff_min", 0),
                    "backoff_min is above backoff_max; expected it to be at most that");
    bool is_circle = device->from_device != SIZE_MAX && device->from_device == device->to_device &&
                     link->from_queue != NULL &&
                     (link->to_queue == NULL || strcmp (link->from_queue, link->to_queue) == 0);
    if (is_circle)
        zf_problem (&plan->problems, place (device, "to", 0),
                    "the link leads back to where it begins; expected another broker or queue");
}

void zf_plan_check_ends (zf_plan_t *plan, zf_plan_device_t *device)
{
    const zf_forwarder_options_t *forwarder = &device->forwarder;
    if (device->is_link)
        check_link (plan, device);
    check_keys (plan, device, "pubs", forwarder->pubs, forwarder->pub_count);
    check_keys (plan, device, "subs", forwarder->subs, forwarder->sub_count);
}
