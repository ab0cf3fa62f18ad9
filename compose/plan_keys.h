/* What the tables of keys are written with. */
#ifndef ZF_COMPOSE_PLAN_KEYS_H
#define ZF_COMPOSE_PLAN_KEYS_H

#include "compose/plan.h"

#define AT(type, field) .at = offsetof (type, field), .size = sizeof (((type *) 0)->field)

#define LIST_AT(type, list, count) AT (type, list), .count_at = offsetof (type, count)

#define ITEMS_AT(type, items, count)                                     \
    .at = offsetof (type, items), .size = sizeof (*((type *) 0)->items), \
    .count_at = offsetof (type, count)

/* A table whose keys are keys here, too. */
#define SAME_AS(table, offset)                                           \
    {                                                                    \
        .name = "", .kind = SCHEMA_SAME, .at = (offset), .keys = (table) \
    }

#define END          \
    {                \
        .name = NULL \
    }

/* What a device is, by its kind; of zf_plan_device_t. */
extern const zf_key_t zf_plan_device_keys[];

/* Of zf_policy_t. */
extern const zf_key_t zf_plan_policy_keys[];

#endif
