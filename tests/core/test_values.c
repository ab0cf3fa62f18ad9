#include "core/values.h"

#include "tests/core/alloc.h"
#include "tests/core/rand.h"
#include "tests/core/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zferry/error.h>

#include <cmocka.h>

#define PLENTY (UINT64_C (1) << 30)

/* Sets a value of these bytes; nobody but the values holds it then. */
static int set (zf_values_t *values, const char *topic, const char *text)
{
    zf_frame_t *frame = wire_frame (text, strlen (text));
    int rc = zf_values_set (values, zf_bytes_of (topic), frame);
    zf_frame_drop (frame);
    return rc;
}

static void set_well (zf_values_t *values, const char *topic, const char *text)
{
    assert_int_equal (set (values, topic, text), 0);
}

/* text NULL: it has none */
static void assert_value (const zf_values_t *values, const char *topic, const char *text)
{
    const zf_frame_t *frame = zf_values_get (values, zf_bytes_of (topic));
    if (text == NULL) {
        assert_null (frame);
        return;
    }
    assert_non_null (frame);
    assert_int_equal (frame->size, strlen (text));
    assert_memory_equal (frame->data, text, frame->size);
}

typedef struct {
    char text[1000]; /* "topic=value ", each */
    uint32_t most;   /* then it is enough */
    uint32_t count;
} list_t;

static bool put_in_list (void *arg, zf_bytes_t topic, zf_frame_t *frame)
{
    list_t *list = arg;
    size_t used = strlen (list->text);
    snprintf (list->text + used, sizeof list->text - used, "%.*s=%.*s ", (int) topic.size,
              (const char *) topic.data, (int) frame->size, (const char *) frame->data);
    return ++list->count < list->most;
}

static void assert_list (const zf_values_t *values, const char *prefix, uint32_t most,
                         const char *expected)
{
    list_t list = {.most = most};
    zf_values_each (values, zf_bytes_of (prefix), put_in_list, &list);
    assert_string_equal (list.text, expected);
}

/* -- single values ----------------------------------------------------------------------------- */

static void newest_value_of_a_topic_is_kept (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (PLENTY);
    assert_value (values, "eur", NULL);
    set_well (values, "eur", "1.09");
    set_well (values, "gbp", "1.27");
    set_well (values, "eur", "1.10");
    assert_value (values, "eur", "1.10");
    assert_value (values, "gbp", "1.27");
    assert_value (values, "eu", NULL);
    assert_value (values, "eurx", NULL);
    assert_int_equal (zf_values_count (values), 2);
    assert_int_equal (wire_frames (), 2);
    zf_values_free (&values);
    assert_null (values);
    assert_int_equal (wire_frames (), 0);
    zf_values_free (&values);
}

static void dropped_topic_has_no_value (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (PLENTY);
    set_well (values, "eur", "1.09");
    set_well (values, "gbp", "1.27");
    zf_values_drop (values, zf_bytes_of ("eur"));
    zf_values_drop (values, zf_bytes_of ("usd"));
    assert_value (values, "eur", NULL);
    assert_value (values, "gbp", "1.27");
    assert_int_equal (zf_values_count (values), 1);
    assert_int_equal (zf_values_evicted (values), 0);
    assert_int_equal (wire_frames (), 1);
    zf_values_drop (values, zf_bytes_of ("gbp"));
    assert_int_equal (zf_values_bytes (values), 0);
    set_well (values, "eur", "1.11");
    assert_value (values, "eur", "1.11");
    zf_values_free (&values);
    assert_int_equal (wire_frames (), 0);
}

static void topic_may_be_any_bytes (void **state)
{
    (void) state;
    static const char *const topics[] = {"\0", "\0\0", "\xff", "a\0b"};
    static const size_t sizes[] = {1, 2, 1, 3};
    zf_values_t *values = zf_values_new (PLENTY);
    set_well (values, "", "empty");
    for (size_t i = 0; i < 4; i++) {
        zf_frame_t *frame = wire_frame (&i, 1);
        assert_int_equal (zf_values_set (values, zf_bytes (topics[i], sizes[i]), frame), 0);
        zf_frame_drop (frame);
    }
    assert_int_equal (zf_values_count (values), 5);
    assert_value (values, "", "empty");
    assert_ptr_equal (zf_values_get (values, zf_bytes (NULL, 0)),
                      zf_values_get (values, zf_bytes_of ("")));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal (*zf_values_get (values, zf_bytes (topics[i], sizes[i]))->data, i);
    zf_values_drop (values, zf_bytes (NULL, 0));
    assert_int_equal (zf_values_count (values), 4);
    zf_values_free (&values);
    assert_int_equal (wire_frames (), 0);
}

static void frame_is_held_once_for_each_topic (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (PLENTY);
    zf_frame_t *frame = wire_frame ("x", 1);
    zf_values_set (values, zf_bytes_of ("a"), frame);
    assert_int_equal (frame->holders, 2);
    zf_values_set (values, zf_bytes_of ("b"), frame);
    assert_int_equal (frame->holders, 3);
    zf_values_set (values, zf_bytes_of ("b"), frame);
    assert_int_equal (frame->holders, 3);
    assert_ptr_equal (zf_values_get (values, zf_bytes_of ("b")), frame);
    assert_int_equal (frame->holders, 3);
    set_well (values, "a", "y");
    assert_int_equal (frame->holders, 2);
    zf_values_drop (values, zf_bytes_of ("b"));
    assert_int_equal (frame->holders, 1);
    zf_values_set (values, zf_bytes_of ("c"), frame);
    zf_values_free (&values);
    assert_int_equal (frame->holders, 1);
    zf_frame_drop (frame);
    assert_int_equal (wire_frames (), 0);
}

/* The values are the only ones who hold the frame that is set once more. */
static void value_may_be_set_to_itself (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (PLENTY);
    set_well (values, "a", "same");
    zf_frame_t *frame = zf_values_get (values, zf_bytes_of ("a"));
    uint64_t bytes = zf_values_bytes (values);
    assert_int_equal (zf_values_set (values, zf_bytes_of ("a"), frame), 0);
    assert_int_equal (frame->holders, 1);
    assert_value (values, "a", "same");
    assert_int_equal (zf_values_bytes (values), bytes);
    zf_values_free (&values);
    assert_int_equal (wire_frames (), 0);
}

/* -- those that begin with something ----------------------------------------------------------- */

static void topics_with_a_prefix_come_in_order (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (PLENTY);
    set_well (values, "fx.gbp", "2");
    set_well (values, "fx.eur", "1");
    set_well (values, "fy", "4");
    set_well (values, "fx", "0");
    set_well (values, "f", "9");
    set_well (values, "fx.usd", "3");
    set_well (values, "ex", "8");
    assert_list (values, "fx", 99, "fx=0 fx.eur=1 fx.gbp=2 fx.usd=3 ");
    assert_list (values, "fx.", 99, "fx.eur=1 fx.gbp=2 fx.usd=3 ");
    assert_list (values, "fx.gbp", 99, "fx.gbp=2 ");
    assert_list (values, "fx.gbpx", 99, "");
    assert_list (values, "a", 99, "");
    assert_list (values, "z", 99, "");
    assert_list (values, "", 99, "ex=8 f=9 fx=0 fx.eur=1 fx.gbp=2 fx.usd=3 fy=4 ");
    assert_list (values, "f", 3, "f=9 fx=0 fx.eur=1 ");
    zf_values_free (&values);
}

static void bytes_above_127_come_last (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (PLENTY);
    set_well (values, "\xc3\xa9", "3");
    set_well (values, "z", "2");
    set_well (values, "A", "1");
    assert_list (values, "", 99, "A=1 z=2 \xc3\xa9=3 ");
    assert_list (values, "\xc3", 99, "\xc3\xa9=3 ");
    zf_values_free (&values);
}

static void nothing_is_listed_where_nothing_is (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (PLENTY);
    assert_list (values, "", 99, "");
    assert_list (values, "a", 99, "");
    assert_int_equal (zf_values_count (values), 0);
    zf_values_free (&values);
}

/* -- the bound --------------------------------------------------------------------------------- */

static void bytes_are_topics_frames_and_128_each (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (PLENTY);
    set_well (values, "abc", "12345");
    assert_int_equal (zf_values_bytes (values), 3 + 5 + ZF_VALUE_BYTES);
    set_well (values, "abc", "1");
    assert_int_equal (zf_values_bytes (values), 3 + 1 + ZF_VALUE_BYTES);
    set_well (values, "", "");
    assert_int_equal (zf_values_bytes (values), 4 + 2 * ZF_VALUE_BYTES);
    assert_int_equal (ZF_VALUE_BYTES, 128);
    zf_values_free (&values);
}

/* What is counted covers what is allocated, if topics are not much shorter than here. */
static void bytes_are_about_those_in_use (void **state)
{
    (void) state;
    char topic[32];
    zf_values_t *values = zf_values_new (PLENTY);
    zf_frame_t *frame = wire_frame ("", 0);
    size_t before = alloc_live_bytes ();
    for (unsigned i = 0; i < 50000; i++) {
        snprintf (topic, sizeof topic, "market.symbol%u.trade", i);
        zf_values_set (values, zf_bytes_of (topic), frame);
    }
    double used = (double) (alloc_live_bytes () - before) / 50000;
    double counted = (double) zf_values_bytes (values) / 50000;
    print_message ("a value takes %.1f bytes and counts %.1f\n", used, counted);
    assert_true (used < counted * 1.25);
    zf_values_free (&values);
    zf_frame_drop (frame);
}

static void topics_not_set_for_longest_go_first (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (3 * (1 + 1 + ZF_VALUE_BYTES));
    set_well (values, "a", "1");
    set_well (values, "b", "2");
    set_well (values, "c", "3");
    assert_int_equal (zf_values_evicted (values), 0);
    set_well (values, "a", "4");
    zf_values_get (values, zf_bytes_of ("b")); /* looking is not setting */
    set_well (values, "d", "5");
    assert_list (values, "", 99, "a=4 c=3 d=5 ");
    assert_int_equal (zf_values_evicted (values), 1);
    set_well (values, "d", "55");
    assert_list (values, "", 99, "a=4 d=55 ");
    assert_int_equal (zf_values_evicted (values), 2);
    assert_int_equal (wire_frames (), 2);
    set_well (values, "e", "6");
    assert_list (values, "", 99, "d=55 e=6 ");
    zf_values_free (&values);
    assert_int_equal (wire_frames (), 0);
}

static void value_larger_than_all_may_be_goes_alone (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (2 * ZF_VALUE_BYTES + 10);
    char large[ZF_VALUE_BYTES + 11];
    memset (large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    set_well (values, "a", "1");
    set_well (values, "b", "2");
    set_well (values, "b", large);
    assert_list (values, "", 99, "a=1 ");
    assert_int_equal (zf_values_evicted (values), 1);
    set_well (values, "c", large);
    assert_list (values, "", 99, "a=1 ");
    assert_int_equal (zf_values_evicted (values), 2);
    assert_int_equal (wire_frames (), 1);
    large[sizeof large - 2] = '\0'; /* just fits, alone */
    set_well (values, "c", large);
    assert_int_equal (zf_values_count (values), 1);
    assert_int_equal (zf_values_bytes (values), 2 * ZF_VALUE_BYTES + 10);
    assert_value (values, "c", large);
    zf_values_free (&values);
    assert_int_equal (wire_frames (), 0);
}

static void values_of_no_bytes_keep_nothing (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (0);
    set_well (values, "a", "1");
    assert_int_equal (zf_values_count (values), 0);
    assert_int_equal (zf_values_evicted (values), 1);
    assert_int_equal (wire_frames (), 0);
    zf_values_free (&values);
}

/* -- memory that runs out ---------------------------------------------------------------------- */

/* Sets enough for the table to grow, while the n-th allocation fails. Returns how many were
 * refused. */
static uint32_t set_many_failing (zf_values_t *values, size_t n)
{
    char topic[8];
    uint32_t refused = 0;
    zf_frame_t *frame = wire_frame ("x", 1);
    alloc_enter ();
    alloc_fail (n, 1);
    for (unsigned i = 0; i < 400; i++) {
        snprintf (topic, sizeof topic, "%u", i);
        int rc = zf_values_set (values, zf_bytes_of (topic), frame);
        refused += rc == ZF_E_NOMEM;
        zf_frame_t *expected = rc == 0 ? frame : NULL;
        assert_ptr_equal (zf_values_get (values, zf_bytes_of (topic)), expected);
    }
    alloc_leave ();
    assert_int_equal (zf_values_count (values), 400 - refused);
    assert_int_equal (frame->holders, 1 + 400 - refused);
    zf_frame_drop (frame);
    return refused;
}

static void topic_without_memory_has_no_value (void **state)
{
    (void) state;
    size_t before = alloc_live_bytes ();
    size_t n = 0;
    do {
        zf_values_t *values = zf_values_new (PLENTY);
        uint32_t refused = set_many_failing (values, ++n);
        assert_int_equal (refused, alloc_failures ());
        list_t list = {.most = UINT32_MAX};
        zf_values_each (values, zf_bytes_of (""), put_in_list, &list);
        assert_int_equal (list.count, 400 - refused);
        zf_values_free (&values);
        assert_int_equal (wire_frames (), 0);
        assert_int_equal (alloc_live_bytes (), before);
    } while (alloc_failures () > 0);
    alloc_fail (1, 0);
    assert_true (n > 400);
}

static void new_value_of_an_old_topic_needs_no_memory (void **state)
{
    (void) state;
    zf_values_t *values = zf_values_new (PLENTY);
    zf_frame_t *frame = wire_frame ("new", 3);
    set_well (values, "a", "old");
    alloc_enter ();
    alloc_fail (1, 1);
    int rc = zf_values_set (values, zf_bytes_of ("a"), frame);
    alloc_leave ();
    assert_int_equal (rc, 0);
    assert_int_equal (alloc_failures (), 0);
    assert_value (values, "a", "new");
    alloc_fail (1, 0);
    zf_frame_drop (frame);
    zf_values_free (&values);
}

static void values_without_memory_are_not_made (void **state)
{
    (void) state;
    alloc_enter ();
    alloc_fail (1, 1);
    zf_values_t *values = zf_values_new (PLENTY);
    alloc_leave ();
    alloc_fail (1, 0);
    assert_null (values);
}

/* -- against a model that has no ideas --------------------------------------------------------- */

#define MODEL_TOPICS 81 /* of 4 letters out of 3 */
#define MODEL_MAX    (40 * (ZF_VALUE_BYTES + 10))

typedef struct {
    zf_values_t *values;
    uint64_t random;                 /* of this run */
    uint64_t set_at[MODEL_TOPICS];   /* when; 0: it has no value */
    zf_frame_t *frame[MODEL_TOPICS]; /* held by the model, too */
    uint64_t now;                    /* sets so far */
    uint64_t evicted;
} model_t;

static zf_bytes_t model_topic (uint32_t i)
{
    static char texts[MODEL_TOPICS][4];
    for (uint32_t at = 4, n = i; at-- > 0; n /= 3)
        texts[i][at] = "\x01m\xfe"[n % 3];
    return zf_bytes (texts[i], 4);
}

static void model_forget (model_t *m, uint32_t i)
{
    if (m->set_at[i] != 0)
        zf_frame_drop (m->frame[i]);
    m->set_at[i] = 0;
}

static uint64_t model_bytes (const model_t *m, uint32_t *oldest)
{
    uint64_t bytes = 0;
    *oldest = MODEL_TOPICS;
    for (uint32_t i = 0; i < MODEL_TOPICS; i++) {
        if (m->set_at[i] == 0)
            continue;
        bytes += 4 + m->frame[i]->size + ZF_VALUE_BYTES;
        if (*oldest == MODEL_TOPICS || m->set_at[i] < m->set_at[*oldest])
            *oldest = i;
    }
    return bytes;
}

static void model_set (model_t *m, uint32_t i)
{
    static const uint8_t bytes[MODEL_MAX];
    uint32_t oldest;
    bool large = rand_below (&m->random, 100) == 0;
    zf_frame_t *frame = wire_frame (bytes, rand_below (&m->random, large ? MODEL_MAX : 12));
    assert_int_equal (zf_values_set (m->values, model_topic (i), frame), 0);
    model_forget (m, i);
    m->frame[i] = frame;
    m->set_at[i] = ++m->now;
    if (4 + frame->size + ZF_VALUE_BYTES > MODEL_MAX) {
        model_forget (m, i);
        m->evicted++;
    }
    for (; model_bytes (m, &oldest) > MODEL_MAX; m->evicted++)
        model_forget (m, oldest);
}

/* What zf_values_each has to say next. */
typedef struct {
    const model_t *model;
    zf_bytes_t prefix;
    uint32_t next; /* topic not before this one */
} walk_t;

static uint32_t model_next (const walk_t *walk)
{
    uint32_t i = walk->next;
    for (; i < MODEL_TOPICS; i++)
        if (walk->model->set_at[i] != 0 &&
            memcmp (model_topic (i).data, walk->prefix.data, walk->prefix.size) == 0)
            return i;
    return i;
}

static bool is_next (void *arg, zf_bytes_t topic, zf_frame_t *frame)
{
    walk_t *walk = arg;
    uint32_t i = model_next (walk);
    assert_in_range (i, 0, MODEL_TOPICS - 1);
    assert_true (zf_bytes_equal (topic, model_topic (i)));
    assert_ptr_equal (frame, walk->model->frame[i]);
    assert_int_equal (frame->holders, 2);
    walk->next = i + 1;
    return true;
}

static void model_look (model_t *m)
{
    uint32_t oldest;
    uint32_t size = rand_below (&m->random, 5);
    walk_t walk = {m, model_topic (rand_below (&m->random, MODEL_TOPICS)), 0};
    walk.prefix.size = size;
    zf_values_each (m->values, walk.prefix, is_next, &walk);
    assert_int_equal (model_next (&walk), MODEL_TOPICS);
    assert_int_equal (zf_values_bytes (m->values), model_bytes (m, &oldest));
    assert_int_equal (zf_values_evicted (m->values), m->evicted);
    assert_int_equal (zf_values_count (m->values), wire_frames ());
}

static void model_run (uint64_t seed)
{
    model_t m = {.values = zf_values_new (MODEL_MAX), .random = seed};
    for (int step = 0; step < 1000; step++) {
        uint32_t i = rand_below (&m.random, MODEL_TOPICS);
        if (rand_below (&m.random, 6) > 0) {
            model_set (&m, i);
        } else {
            zf_values_drop (m.values, model_topic (i));
            model_forget (&m, i);
        }
        model_look (&m);
    }
    assert_true (m.evicted > 0);
    zf_values_free (&m.values);
    for (uint32_t i = 0; i < MODEL_TOPICS; i++)
        model_forget (&m, i);
    assert_int_equal (wire_frames (), 0);
}

static void values_are_those_of_a_naive_model (void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        print_message ("seed %u\n", (unsigned) seed);
        model_run (seed);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (newest_value_of_a_topic_is_kept),
        cmocka_unit_test (dropped_topic_has_no_value),
        cmocka_unit_test (topic_may_be_any_bytes),
        cmocka_unit_test (frame_is_held_once_for_each_topic),
        cmocka_unit_test (value_may_be_set_to_itself),
        cmocka_unit_test (topics_with_a_prefix_come_in_order),
        cmocka_unit_test (bytes_above_127_come_last),
        cmocka_unit_test (nothing_is_listed_where_nothing_is),
        cmocka_unit_test (bytes_are_topics_frames_and_128_each),
        cmocka_unit_test (bytes_are_about_those_in_use),
        cmocka_unit_test (topics_not_set_for_longest_go_first),
        cmocka_unit_test (value_larger_than_all_may_be_goes_alone),
        cmocka_unit_test (values_of_no_bytes_keep_nothing),
        cmocka_unit_test (topic_without_memory_has_no_value),
        cmocka_unit_test (new_value_of_an_old_topic_needs_no_memory),
        cmocka_unit_test (values_without_memory_are_not_made),
        cmocka_unit_test (values_are_those_of_a_naive_model),
    };
    return cmocka_run_group_tests_name ("values", tests, NULL, NULL);
}
