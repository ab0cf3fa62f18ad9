/* What keys mean together. */
#include "compose/plan.h"

#include "compose/ground.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { DEVICE_NAME_MAX = 48 };

typedef zf_plan_device_t device_t;

/* Where a key of the device's kind stands. */
static zf_spot_t place (const device_t *device, const char *key, size_t i)
{
    return zf_plan_key_place (device, key, i);
}

/* -- queues and streams ------------------------------------------------------------------------ */

static bool has_journal (const device_t *device)
{
    return device->is_forwarder ? device->forwarder.journal != NULL
                                : device->broker.journal != NULL;
}

static void check_policy (zf_plan_t *plan, const device_t *device, const zf_yaml_t *node,
                          const zf_policy_t *policy)
{
    if (policy->backoff_min_ms > policy->backoff_max_ms)
        zf_problem (&plan->problems, zf_plan_place (node, "backoff_min", 0),
                    "backoff_min is above backoff_max; expected it to be at most that");
    if (policy->durable == ZF_DURABLE_YES && !has_journal (device))
        zf_problem (&plan->problems, zf_plan_place (node, "durable", 0),
                    "durable, but device '%s' has no journal; give it one, or say durable: auto",
                    device->named.name);
    if (policy->dead_letter[0] != '\0' && !zf_ground_is_name (policy->dead_letter))
        zf_problem (&plan->problems, zf_plan_place (node, "dead_letter", 0),
                    "'%s' is no name of a queue; expected 1 to %d bytes without control characters",
                    policy->dead_letter, ZF_NAME_MAX);
}

static void check_name (zf_plan_t *plan, const zf_named_t *named, const char *what)
{
    bool good = zf_ground_is_name (named->name) && strchr (named->name, '@') == NULL;
    if (!good)
        zf_problem (
            &plan->problems, named->node->key_place,
            "'%.100s' is no name of a %s; expected 1 to %d bytes without @ and control characters",
            named->name, what, ZF_NAME_MAX);
}

static void check_stream (zf_plan_t *plan, const device_t *device, const zf_plan_stream_t *stream)
{
    check_name (plan, &stream->named, "stream");
    check_policy (plan, device, stream->named.node, &stream->policy);
    for (size_t i = 0; i < stream->group_count; i++) {
        const zf_plan_group_t *group = &stream->groups[i];
        check_name (plan, &group->named, "group");
        check_policy (plan, device, group->named.node, &group->policy);
        if (strlen (stream->named.name) + strlen (group->named.name) + 1 > ZF_NAME_MAX)
            zf_problem (&plan->problems, group->named.node->key_place,
                        "stream and group together have more than %d bytes", ZF_NAME_MAX - 1);
    }
}

static void check_declared (zf_plan_t *plan, const device_t *device)
{
    const zf_yaml_t *streams =
        zf_yaml_get (zf_yaml_get (device->named.node, zf_plan_kind_name (device->kind)), "streams");
    for (size_t i = 0; i < device->queue_count; i++) {
        const zf_plan_queue_t *queue = &device->queues[i];
        check_name (plan, &queue->named, "queue");
        check_policy (plan, device, queue->named.node, &queue->policy);
        const zf_yaml_t *other = zf_yaml_get (streams, queue->named.name);
        if (other != NULL)
            zf_problem (&plan->problems, other->key_place,
                        "'%.100s' is a queue already, at %u:%u; expected another name",
                        queue->named.name, queue->named.node->key_place.line,
                        queue->named.node->key_place.column);
    }
    for (size_t i = 0; i < device->stream_count; i++)
        check_stream (plan, device, &device->streams[i]);
}

/* -- the directory ----------------------------------------------------------------------------- */

static bool is_offer (const char *what)
{
    const char *slash = strchr (what, '/');
    return slash != NULL && slash > what && slash[1] != '\0' && strlen (what) <= ZF_OFFER_WHAT_MAX;
}

static void check_offers (zf_plan_t *plan, const device_t *device)
{
    for (size_t i = 0; i < device->announce_also_count; i++)
        if (device->announce_also[i][0] != '\0' && !is_offer (device->announce_also[i]))
            zf_problem (
                &plan->problems, place (device, "announce_also", i),
                "'%.100s' can't be announced; expected KIND/NAME, like queue/jobs or topic/events",
                device->announce_also[i]);
}

/* -- devices ----------------------------------------------------------------------------------- */

static bool is_device_name (const char *name)
{
    size_t n = 0;
    while (isalnum ((unsigned char) name[n]) ||
           (n > 0 && name[n] != '\0' && strchr ("-_", name[n])))
        n++;
    return n > 0 && name[n] == '\0' && n <= DEVICE_NAME_MAX;
}

static zf_plan_kind_t kind_of (const device_t *device)
{
    if (device->is_broker)
        return ZF_PLAN_BROKER;
    if (device->is_forwarder)
        return ZF_PLAN_FORWARDER;
    if (device->is_balancer)
        return ZF_PLAN_BALANCER;
    return device->is_link ? ZF_PLAN_LINK : ZF_PLAN_NONE;
}

static void check_kind (zf_plan_t *plan, const device_t *device)
{
    const zf_yaml_t *node = device->named.node;
    int kinds = device->is_broker + device->is_forwarder + device->is_balancer + device->is_link;
    bool is_said =
        node->is_broken || node->count > 0 || (node->kind == ZF_YAML_SCALAR && !node->is_null);
    if (kinds == 0 && !is_said)
        zf_problem (
            &plan->problems, node->key_place,
            "device '%.100s' is nothing; expected one of broker, forwarder, balancer or link",
            device->named.name);
    else if (kinds > 1)
        zf_problem (&plan->problems, node->key_place,
                    "device '%.100s' is several things at once; expected one of broker, forwarder, "
                    "balancer or link",
                    device->named.name);
}

static void check_device (zf_plan_t *plan, device_t *device)
{
    const zf_yaml_t *broker = zf_yaml_get (device->named.node, "broker");
    const zf_yaml_t *policy = zf_yaml_get (broker, "policy");
    if (!is_device_name (device->named.name))
        zf_problem (&plan->problems, device->named.node->key_place,
                    "'%.100s' is no name of a device; expected letters, digits, - and _, at most "
                    "%d, a letter or digit first",
                    device->named.name, DEVICE_NAME_MAX);
    check_kind (plan, device);
    check_offers (plan, device);
    if (policy != NULL)
        check_policy (plan, device, policy, &device->policy);
    check_declared (plan, device);
    zf_plan_check_ends (plan, device);
}

/* -- the whole --------------------------------------------------------------------------------- */

static void check_security (zf_plan_t *plan)
{
    const zf_plan_security_t *security = &plan->security;
    const zf_yaml_t *node = zf_yaml_get (plan->root, "security");
    if (security->is_there && plan->insecure)
        zf_problem (&plan->problems, zf_plan_place (plan->root, "insecure", 0),
                    "insecure, and security is there, too; expected one of them");
    for (size_t i = 0; i < plan->discovery.options.seed_count; i++)
        zf_plan_check_key (plan, zf_plan_place (plan->root, "discovery.seeds", i),
                           plan->discovery.options.seeds[i]);
    if (security->rule_count > 0 && security->options.rules != NULL)
        zf_problem (&plan->problems, zf_plan_place (node, "rules_file", 0),
                    "rules and rules_file are both there; expected one of them");
}

void zf_plan_check (zf_plan_t *plan)
{
    for (size_t i = 0; i < plan->device_count; i++)
        plan->devices[i].kind = kind_of (&plan->devices[i]);
    for (size_t i = 0; i < plan->device_count; i++)
        check_device (plan, &plan->devices[i]);
    const zf_yaml_t *devices = zf_yaml_get (plan->root, "devices");
    if (plan->device_count == 0 && devices != NULL && !plan->discovery.is_there)
        zf_problem (
            &plan->problems, devices->key_place,
            "there are no devices; expected NAME: with broker, forwarder, balancer or link");
    check_security (plan);
    zf_plan_check_binds (plan);
    if (plan->problems.found == 0)
        zf_plan_check_files (plan);
}
