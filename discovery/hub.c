#include "discovery/hub.h"

#include "core/hash.h"
#include "core/timers.h"
#include <stdlib.h>
#include <xxhash.h>

#define OLD_VALUES 4 /* of a key, remembered as echoes */

/* A value that was replaced. */
typedef struct {
    uint64_t digest;
    uint64_t until_ms; /* it is an echo before */
} old_t;

typedef struct {
    UT_hash_handle hh;
    zf_timer_t timer;  /* when it expires; not set: never */
    uint64_t told_ms;  /* when it expires for those whom it was passed on to; ZF_NEVER: never */
    uint8_t *value;    /* of its own */
    size_t value_size; /* bytes */
    old_t old[OLD_VALUES];
    unsigned next_old; /* the one to forget next */
    size_t key_size;   /* bytes */
    uint8_t key[];
} tuple_t;

struct zf_hub {
    tuple_t *tuples; /* by key, in the order in which they came */
    zf_timers_t timers;
    size_t bytes; /* keys and values */
};

zf_hub_t *zf_hub_new (void)
{
    return calloc (1, sizeof (zf_hub_t));
}

static void remove_tuple (zf_hub_t *hub, tuple_t *tuple)
{
    hub->bytes -= tuple->key_size + tuple->value_size;
    zf_timers_cancel (&hub->timers, &tuple->timer);
    HASH_DEL (hub->tuples, tuple); /* NOLINT(clang-analyzer-*): uthash knows it is there */
    free (tuple->value);
    free (tuple);
}

void zf_hub_free (zf_hub_t **hub)
{
    zf_hub_t *self = *hub;
    tuple_t *tuple, *next;
    *hub = NULL;
    if (self == NULL)
        return;
    HASH_ITER (hh, self->tuples, tuple, next)
        remove_tuple (self, tuple);
    zf_timers_free (&self->timers);
    free (self);
}

uint64_t zf_hub_expire (zf_hub_t *hub, uint64_t now_ms)
{
    zf_timer_t *timer;
    while ((timer = zf_timers_pop (&hub->timers, now_ms)) != NULL)
        remove_tuple (hub, (tuple_t *) ((char *) timer - offsetof (tuple_t, timer)));
    return zf_timers_next (&hub->timers);
}

/* -- values ------------------------------------------------------------------------------------ */

static uint64_t digest_of (zf_bytes_t value)
{
    return XXH3_64bits (value.data, value.size);
}

static zf_bytes_t value_of (const tuple_t *tuple)
{
    return zf_bytes (tuple->value, tuple->value_size);
}

static bool is_echo (const tuple_t *tuple, zf_bytes_t value, uint64_t now_ms)
{
    uint64_t digest = digest_of (value);
    for (size_t i = 0; i < OLD_VALUES; i++)
        if (tuple->old[i].digest == digest && now_ms < tuple->old[i].until_ms)
            return true;
    return false;
}

static void remember_value (tuple_t *tuple, uint64_t now_ms)
{
    old_t *old = &tuple->old[tuple->next_old++ % OLD_VALUES];
    old->digest = digest_of (value_of (tuple));
    old->until_ms = now_ms + ZF_HUB_ECHO_MS;
}

static bool has_room (const zf_hub_t *hub, size_t more, size_t less)
{
    return hub->bytes - less + more <= ZF_HUB_BYTES_MAX;
}

/* NULL: it is too much, or memory is short. less: bytes that go when it comes. */
static uint8_t *copy_value (const zf_hub_t *hub, zf_bytes_t value, size_t less)
{
    uint8_t *copy = has_room (hub, value.size, less) ? malloc (value.size + 1) : NULL; /* not 0 */
    if (copy != NULL && value.size > 0)
        memcpy (copy, value.data, value.size);
    return copy;
}

static void put_value (zf_hub_t *hub, tuple_t *tuple, uint8_t *copy, size_t size)
{
    free (tuple->value);
    hub->bytes += size - tuple->value_size;
    tuple->value = copy;
    tuple->value_size = size;
}

static uint64_t due_of (uint32_t ttl_ms, uint64_t now_ms)
{
    return ttl_ms != 0 ? now_ms + ttl_ms : ZF_NEVER;
}

/* Returns false if memory is short. */
static bool set_time (zf_hub_t *hub, tuple_t *tuple, uint64_t due_ms)
{
    if (due_ms != ZF_NEVER)
        return zf_timers_set (&hub->timers, &tuple->timer, due_ms) == 0;
    zf_timers_cancel (&hub->timers, &tuple->timer);
    return true;
}

/* -- tuples ------------------------------------------------------------------------------------ */

static tuple_t *find_tuple (const zf_hub_t *hub, zf_bytes_t key)
{
    static const uint8_t none;
    const void *data = key.size > 0 ? key.data : &none;
    unsigned hash = (unsigned) XXH3_64bits (data, key.size);
    tuple_t *tuple;
    HASH_FIND_BYHASHVALUE (hh, hub->tuples, data, key.size, hash, tuple);
    return tuple;
}

/* A tuple without a value yet. NULL: there is no room for it, or no memory. */
static tuple_t *add_tuple (zf_hub_t *hub, zf_bytes_t key, size_t value_size)
{
    if (HASH_COUNT (hub->tuples) >= ZF_HUB_TUPLES_MAX || !has_room (hub, key.size + value_size, 0))
        return NULL;
    tuple_t *tuple = calloc (1, sizeof *tuple + key.size);
    if (tuple == NULL)
        return NULL;
    if (key.size > 0)
        memcpy (tuple->key, key.data, key.size);
    tuple->key_size = key.size;
    unsigned hash = (unsigned) XXH3_64bits (tuple->key, key.size);
    HASH_ADD_KEYPTR_BYHASHVALUE (hh, hub->tuples, tuple->key, key.size, hash, tuple);
    if (tuple->hh.tbl == NULL) {
        free (tuple);
        return NULL;
    }
    hub->bytes += key.size;
    return tuple;
}

static zf_hub_news_t take_new (zf_hub_t *hub, const zf_gossip_t *said, uint64_t due_ms)
{
    uint8_t *copy = copy_value (hub, said->value, 0);
    tuple_t *tuple = copy != NULL ? add_tuple (hub, said->key, said->value.size) : NULL;
    if (tuple == NULL) {
        free (copy);
        return ZF_HUB_REFUSED;
    }
    put_value (hub, tuple, copy, said->value.size);
    tuple->told_ms = due_ms;
    if (set_time (hub, tuple, due_ms))
        return ZF_HUB_NEWS;
    remove_tuple (hub, tuple);
    return ZF_HUB_REFUSED;
}

static zf_hub_news_t take_changed (zf_hub_t *hub, tuple_t *tuple, const zf_gossip_t *said,
                                   uint64_t due_ms, uint64_t now_ms)
{
    if (is_echo (tuple, said->value, now_ms))
        return ZF_HUB_KNOWN;
    uint8_t *copy = copy_value (hub, said->value, tuple->value_size);
    if (copy == NULL || !set_time (hub, tuple, due_ms)) {
        free (copy);
        return ZF_HUB_REFUSED;
    }
    remember_value (tuple, now_ms);
    put_value (hub, tuple, copy, said->value.size);
    tuple->told_ms = due_ms;
    return ZF_HUB_NEWS;
}

/* The value that is there was said again. */
static zf_hub_news_t take_same (zf_hub_t *hub, tuple_t *tuple, uint32_t ttl_ms, uint64_t now_ms)
{
    uint64_t due_ms = due_of (ttl_ms, now_ms);
    if (ttl_ms == 0 || (tuple->timer.slot != 0 && due_ms < tuple->timer.due_ms))
        return ZF_HUB_KNOWN; /* by who has not heard as much of it as we have */
    if (!set_time (hub, tuple, due_ms))
        return ZF_HUB_REFUSED;
    if (tuple->told_ms != ZF_NEVER && due_ms - ttl_ms / 4 < tuple->told_ms)
        return ZF_HUB_KNOWN;
    tuple->told_ms = due_ms;
    return ZF_HUB_AGAIN;
}

zf_hub_news_t zf_hub_publish (zf_hub_t *hub, const zf_gossip_t *tuple, uint64_t now_ms)
{
    uint64_t due_ms = due_of (tuple->ttl_ms, now_ms);
    zf_hub_expire (hub, now_ms);
    tuple_t *known = find_tuple (hub, tuple->key);
    if (known == NULL)
        return take_new (hub, tuple, due_ms);
    if (zf_bytes_equal (value_of (known), tuple->value))
        return take_same (hub, known, tuple->ttl_ms, now_ms);
    return take_changed (hub, known, tuple, due_ms, now_ms);
}

/* -- looking ----------------------------------------------------------------------------------- */

void zf_hub_each (zf_hub_t *hub, uint64_t now_ms, zf_hub_fn *fn, void *arg)
{
    tuple_t *tuple, *next;
    zf_hub_expire (hub, now_ms);
    HASH_ITER (hh, hub->tuples, tuple, next) {
        zf_gossip_t view = {
            .id = ZF_GOSSIP_PUBLISH,
            .key = zf_bytes (tuple->key, tuple->key_size),
            .value = value_of (tuple),
        };
        if (tuple->timer.slot != 0)
            view.ttl_ms = (uint32_t) (tuple->timer.due_ms - now_ms);
        if (!fn (arg, &view))
            return;
    }
}

size_t zf_hub_count (const zf_hub_t *hub)
{
    return HASH_COUNT (hub->tuples);
}
