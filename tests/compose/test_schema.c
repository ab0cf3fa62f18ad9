#include "compose/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TOLD_BYTES = 1000 };

/* -- a table of everything --------------------------------------------------------------------- */

typedef struct {
    zf_named_t named;
    uint32_t weight;
} item_t;

typedef struct {
    const char *text;
    const char *path;
    const char *who;
    const char *endpoint;
    const char *const *list;
    size_t list_count;
    char name[8];
    bool yes;
    uint16_t small;
    uint32_t count;
    uint64_t bytes;
    uint32_t time;
    unsigned word;
    bool has_inner;
    uint32_t inner;
    item_t *items;
    size_t item_count;
    zf_peer_header_t *pairs;
    size_t pair_count;
    uint32_t live;
    uint32_t same;
} thing_t;

#define AT(field) .at = offsetof (thing_t, field), .size = sizeof (((thing_t *) 0)->field)

static const char *const words[] = {"", "always", "never", NULL};

static void prepare_item (void *item, const void *parent)
{
    ((item_t *) item)->weight = ((const thing_t *) parent)->count;
}

static bool parse_own (const char *text, void *into)
{
    ((thing_t *) into)->live = (uint32_t) strlen (text);
    return text[0] == 'o';
}

static const zf_key_t inner_keys[] = {
    {.name = "inner", .kind = SCHEMA_COUNT, AT (inner), .help = "a number"}, {.name = NULL}};
static const zf_key_t item_keys[] = {{.name = "weight",
                                      .kind = SCHEMA_COUNT,
                                      .at = offsetof (item_t, weight),
                                      .size = sizeof (uint32_t),
                                      .max = 10,
                                      .help = "how heavy"},
                                     {.name = NULL}};
static const zf_key_t same_keys[] = {
    {.name = "same", .kind = SCHEMA_COUNT, .at = 0, .size = sizeof (uint32_t), .help = "there"},
    {.name = NULL}};

static const zf_key_t keys[] = {
    {.name = "text", .kind = SCHEMA_TEXT, AT (text), .fallback = "none", .help = "a text"},
    {.name = "path", .kind = SCHEMA_PATH, AT (path), .help = "a path"},
    {.name = "who", .kind = SCHEMA_WHO, AT (who), .help = "a key"},
    {.name = "endpoint",
     .kind = SCHEMA_ENDPOINT,
     .flags = SCHEMA_PLAIN,
     AT (endpoint),
     .help = "e"},
    {.name = "list",
     .kind = SCHEMA_TEXT,
     .flags = SCHEMA_LIST,
     AT (list),
     .count_at = offsetof (thing_t, list_count),
     .help = "texts"},
    {.name = "name", .kind = SCHEMA_TEXT, .flags = SCHEMA_INLINE, AT (name), .help = "a name"},
    {.name = "yes", .kind = SCHEMA_BOOL, AT (yes), .help = "yes or no"},
    {.name = "small", .kind = SCHEMA_COUNT, AT (small), .help = "small"},
    {.name = "count", .kind = SCHEMA_COUNT, AT (count), .min = 1, .max = 20, .help = "how many"},
    {.name = "bytes", .kind = SCHEMA_BYTES, AT (bytes), .min = 1024, .help = "how much"},
    {.name = "time", .kind = SCHEMA_TIME, AT (time), .help = "how long"},
    {.name = "word", .kind = SCHEMA_WORD, AT (word), .words = words, .help = "which"},
    {.name = "own",
     .kind = SCHEMA_OWN,
     .flags = SCHEMA_LIVE,
     AT (live),
     .parse = parse_own,
     .expects = "something with o",
     .help = "own"},
    {.name = "map",
     .kind = SCHEMA_MAP,
     .flags = SCHEMA_SEEN,
     .seen_at = offsetof (thing_t, has_inner),
     .keys = inner_keys,
     .title = "a map",
     .help = "more"},
    {.name = "items",
     .kind = SCHEMA_TABLE,
     .at = offsetof (thing_t, items),
     .size = sizeof (item_t),
     .count_at = offsetof (thing_t, item_count),
     .keys = item_keys,
     .title = "an item",
     .prepare = prepare_item,
     .help = "things"},
    {.name = "pairs",
     .kind = SCHEMA_PAIRS,
     AT (pairs),
     .count_at = offsetof (thing_t, pair_count),
     .help = "names"},
    {.name = "", .kind = SCHEMA_SAME, .at = offsetof (thing_t, same), .keys = same_keys},
    {.name = NULL}};

/* -- the rig ----------------------------------------------------------------------------------- */

typedef struct {
    zf_arena_t arena;
    zf_problems_t problems;
    thing_t thing;
    char told[8192]; /* a line each */
} rig_t;

static void tell (void *arg, const char *line)
{
    rig_t *rig = arg;
    size_t used = strlen (rig->told);
    snprintf (rig->told + used, sizeof rig->told - used, "%s\n", line);
}

static void rig_read_in (rig_t *rig, const char *text, const char *folder)
{
    memset (rig, 0, sizeof *rig);
    zf_schema_t schema = {.arena = &rig->arena, .problems = &rig->problems, .folder = folder};
    zf_yaml_t *root = zf_yaml_parse (zf_bytes_of (text), &rig->arena, &rig->problems);
    rig->thing.count = 7;
    assert_non_null (root);
    zf_schema_read (&schema, keys, "a thing", root, &rig->thing);
    zf_problems_each (&rig->problems, "f", tell, rig);
}

static void rig_end (rig_t *rig)
{
    zf_problems_free (&rig->problems);
    zf_arena_free (&rig->arena);
}

/* Reads a text that is right. */
static const thing_t *rig_read (rig_t *rig, const char *text)
{
    rig_read_in (rig, text, "");
    assert_string_equal (rig->told, "");
    return &rig->thing;
}

static void assert_told (const char *text, const char *expected)
{
    rig_t rig;
    rig_read_in (&rig, text, "");
    assert_string_equal (rig.told, expected);
    rig_end (&rig);
}

/* -- values ------------------------------------------------------------------------------------ */

static void values_of_every_kind_arrive (void **state)
{
    rig_t rig;
    const thing_t *thing = rig_read (
        &rig, "text: hello\nendpoint: '>tcp://h:1'\nlist: [a, b]\nname: short\nyes: true\n"
              "small: 65535\ncount: 20\nbytes: 3KiB\ntime: 2m\nword: never\nown: ooo\nsame: 9\n"
              "map: {inner: 4}\npairs: {a: b, c: 'd e'}\n");
    assert_string_equal (thing->text, "hello");
    assert_string_equal (thing->endpoint, ">tcp://h:1");
    assert_int_equal (thing->list_count, 2);
    assert_string_equal (thing->list[1], "b");
    assert_string_equal (thing->name, "short");
    assert_true (thing->yes);
    assert_int_equal (thing->small, 65535);
    assert_int_equal (thing->count, 20);
    assert_int_equal (thing->bytes, 3072);
    assert_int_equal (thing->time, 120000);
    assert_int_equal (thing->word, 2);
    assert_int_equal (thing->live, 3);
    assert_int_equal (thing->same, 9);
    assert_true (thing->has_inner);
    assert_int_equal (thing->inner, 4);
    assert_string_equal (thing->pairs[1].value, "d e");
    rig_end (&rig);
}

static void what_is_not_there_stays_as_it_was (void **state)
{
    rig_t rig;
    const thing_t *thing = rig_read (&rig, "text: x\n");
    assert_int_equal (thing->count, 7);
    assert_false (thing->has_inner);
    assert_int_equal (thing->list_count, 0);
    rig_end (&rig);
}

static void one_thing_is_a_list_of_one (void **state)
{
    rig_t rig;
    const thing_t *thing = rig_read (&rig, "list: alone\n");
    assert_int_equal (thing->list_count, 1);
    assert_string_equal (thing->list[0], "alone");
    rig_end (&rig);
}

static void map_may_be_nothing_true_or_false (void **state)
{
    rig_t rig;
    assert_true (rig_read (&rig, "map:\n")->has_inner);
    rig_end (&rig);
    assert_true (rig_read (&rig, "map: true\n")->has_inner);
    rig_end (&rig);
    assert_false (rig_read (&rig, "map: false\n")->has_inner);
    rig_end (&rig);
}

static void items_begin_with_what_their_parent_has (void **state)
{
    rig_t rig;
    const thing_t *thing = rig_read (&rig, "items: {a: {weight: 3}, b: , c: {}}\ncount: 5\n");
    assert_int_equal (thing->item_count, 3);
    assert_string_equal (thing->items[0].named.name, "a");
    assert_int_equal (thing->items[0].weight, 3);
    assert_int_equal (thing->items[1].weight, 5); /* count comes before in the table */
    assert_int_equal (thing->items[2].weight, 5);
    rig_end (&rig);
}

static void relative_paths_begin_at_the_folder (void **state)
{
    rig_t rig;
    rig_read_in (&rig, "path: a/b\nwho: k.pub\n", "/etc/x/");
    assert_string_equal (rig.thing.path, "/etc/x/a/b");
    assert_string_equal (rig.thing.who, "/etc/x/k.pub");
    rig_end (&rig);
    rig_read_in (&rig, "path: /a\nwho: 0123456789012345678901234567890123456789\n", "/etc/x/");
    assert_string_equal (rig.thing.path, "/a");
    assert_string_equal (rig.thing.who, "0123456789012345678901234567890123456789");
    rig_end (&rig);
    rig_read_in (&rig, "path: '*'\n", "/etc/x/");
    assert_string_equal (rig.thing.path, "*");
    rig_end (&rig);
}

static void assert_number (zf_schema_kind_t kind, const char *text, uint64_t expected)
{
    uint64_t number = 0;
    char written[ZF_SCHEMA_NUMBER_TEXT];
    assert_true (zf_schema_number (kind, text, &number));
    assert_int_equal (number, expected);
    assert_true (zf_schema_number (kind, zf_schema_write_number (kind, number, written), &number));
    assert_int_equal (number, expected);
}

static void numbers_have_units (void **state)
{
    uint64_t number = 0;
    char text[ZF_SCHEMA_NUMBER_TEXT];
    assert_number (SCHEMA_TIME, "250ms", 250);
    assert_number (SCHEMA_TIME, "2h", 7200000);
    assert_number (SCHEMA_TIME, "7d", 604800000);
    assert_number (SCHEMA_TIME, "0", 0);
    assert_number (SCHEMA_BYTES, "512", 512);
    assert_number (SCHEMA_BYTES, "1TiB", UINT64_C (1) << 40);
    assert_number (SCHEMA_COUNT, "18446744073709551615", UINT64_MAX);
    assert_string_equal (zf_schema_write_number (SCHEMA_BYTES, 65536, text), "64KiB");
    assert_string_equal (zf_schema_write_number (SCHEMA_TIME, 90000, text), "90s");
    static const char *const bad[] = {"",
                                      "5",
                                      "5 s",
                                      "1.5s",
                                      "-1s",
                                      "s",
                                      "5KiB",
                                      "0x5s",
                                      "18446744073709551615s",
                                      "18446744073709551616ms"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false (zf_schema_number (SCHEMA_TIME, bad[i], &number));
    assert_false (zf_schema_number (SCHEMA_BYTES, "5KB", &number));
    assert_false (zf_schema_number (SCHEMA_COUNT, "1k", &number));
}

/* -- mistakes ---------------------------------------------------------------------------------- */

static void unknown_key_gets_the_nearest_or_all (void **state)
{
    assert_told ("txet: x\n", "f:1:1: 'txet' is no key of a thing; did you mean 'text'?\n");
    assert_told ("items: {a: {wieght: 1}}\n",
                 "f:1:13: 'wieght' is no key of an item; did you mean 'weight'?\n");
    assert_told ("map: {somethingelse: 1}\n",
                 "f:1:7: 'somethingelse' is no key of a map; expected inner\n");
}

static void all_mistakes_are_told_in_the_order_of_the_text (void **state)
{
    assert_told ("word: alwys\nyes: on\nbytes: 5\ncount: 21\nsmall: 65536\ntime: 5\n",
                 "f:1:7: word is 'alwys'; did you mean 'always'?\n"
                 "f:2:6: yes is 'on'; expected true or false\n"
                 "f:3:8: bytes is '5'; expected at least 1KiB\n"
                 "f:4:8: count is '21'; expected 1 to 20\n"
                 "f:5:8: small is '65536'; expected at most 65535\n"
                 "f:6:7: time is '5'; expected a time, like 250ms, 5s, 10m, 2h or 1d\n");
}

static void wrong_shapes_are_told (void **state)
{
    assert_told ("text: [a]\n", "f:1:7: text is a list; expected a text\n");
    assert_told ("count: {a: b}\n", "f:1:8: count is a mapping; expected a whole number\n");
    assert_told ("text:\n", "f:1:6: text is empty; expected a text\n");
    assert_told ("list: [a, [b]]\n",
                 "f:1:11: list is a list; expected a text, or a list of such\n");
    assert_told ("map: 5\n", "f:1:6: a map is a mapping; expected KEY: VALUE\n");
    assert_told ("items: [a]\n", "f:1:8: items is no mapping; expected NAME: ...\n");
    assert_told ("pairs: {a: [b]}\n", "f:1:12: 'a' is no text; expected NAME: text\n");
    assert_told ("- a\n", "f:1:1: a thing is a mapping; expected KEY: VALUE\n");
    assert_told ("name: much too long\n", "f:1:7: name is too long; expected at most 7 bytes\n");
    assert_told ("own: x\n", "f:1:6: own is 'x'; expected something with o\n");
}

static void endpoints_have_a_transport_and_a_port (void **state)
{
    static const char *const bad[] = {
        "tcp", "tcp://", "tcp://host", "tcp://:5", "tcp://h:", "http://h:1", "ipc://", "@", "5555"};
    static const char *const good[] = {"tcp://h:5",      "tcp://[::1]:*", "tcp://*:0",
                                       "ipc:///a/b",     "inproc://x",    "@tcp://h:1",
                                       "zferry://broker"};
    rig_t rig;
    char text[100];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf (text, sizeof text, "endpoint: '%s'\n", bad[i]);
        rig_read_in (&rig, text, "");
        assert_non_null (strstr (rig.told, "expected tcp://HOST:PORT, ipc://PATH"));
        rig_end (&rig);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf (text, sizeof text, "endpoint: '%s'\n", good[i]);
        rig_read (&rig, text);
        rig_end (&rig);
    }
}

static void many_mistakes_are_counted (void **state)
{
    char text[4000] = "";
    rig_t rig;
    for (int i = 0; i < 150; i++)
        snprintf (text + strlen (text), sizeof text - strlen (text), "unknown%d: 1\n", i);
    rig_read_in (&rig, text, "");
    assert_int_equal (rig.problems.found, 150);
    assert_int_equal (rig.problems.count, ZF_PROBLEMS_MAX);
    rig_end (&rig);
}

/* -- guessing ---------------------------------------------------------------------------------- */

static void distances_count_letters (void **state)
{
    assert_int_equal (zf_schema_distance ("", ""), 0);
    assert_int_equal (zf_schema_distance ("abc", ""), 3);
    assert_int_equal (zf_schema_distance ("", "abc"), 3);
    assert_int_equal (zf_schema_distance ("kitten", "sitting"), 3);
    assert_int_equal (zf_schema_distance ("bnid", "bind"), 1);
    assert_int_equal (zf_schema_distance ("journl", "journal"), 1);
    assert_true (zf_schema_distance ("x", "a word that is longer than any key of a table is") > 30);
}

static void nearest_word_is_near_and_not_another_one (void **state)
{
    static const char *const some[] = {"to", "from", "queue", NULL};
    assert_string_equal (zf_schema_nearest ("form", some), "from");
    assert_string_equal (zf_schema_nearest ("queu", some), "queue");
    assert_null (zf_schema_nearest ("xy", some));
    assert_null (zf_schema_nearest ("elephant", some));
}

/* -- comparing --------------------------------------------------------------------------------- */

static void note_path (void *arg, const char *path)
{
    char *told = arg;
    size_t used = strlen (told);
    snprintf (told + used, TOLD_BYTES - used, "%s ", path);
}

static void assert_differences (const char *a, const char *b, const char *expected)
{
    rig_t before, after;
    char told[TOLD_BYTES] = "";
    const thing_t *first = rig_read (&before, a);
    zf_schema_compare (keys, "", first, rig_read (&after, b), note_path, told);
    assert_string_equal (told, expected);
    rig_end (&before);
    rig_end (&after);
}

static void differences_are_found_by_value (void **state)
{
    assert_differences ("time: 60s\nbytes: 1024KiB\n", "bytes: 1MiB\ntime: 1m\n", "");
    assert_differences ("text: a\n", "text: b\n", "text ");
    assert_differences ("text: a\n", "yes: true\n", "text yes ");
    assert_differences ("list: [a, b]\n", "list: [a, c]\n", "list ");
    assert_differences ("list: a\n", "list: [a]\n", "");
    assert_differences ("name: a\nsame: 1\n", "name: b\nsame: 2\n", "name same ");
    assert_differences ("pairs: {a: b}\n", "pairs: {a: c}\n", "pairs ");
    assert_differences ("map: {inner: 1}\n", "map: {inner: 2}\n", "map.inner ");
    assert_differences ("map: {inner: 1}\n", "yes: false\n", "map ");
    assert_differences ("items: {a: , b: {weight: 1}, c: }\n",
                        "items: {b: {weight: 2}, d: , c: }\n", "items.a items.d items.b.weight ");
}

static void live_keys_are_not_compared (void **state)
{
    assert_differences ("own: o\n", "own: oo\n", "");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (values_of_every_kind_arrive),
        cmocka_unit_test (what_is_not_there_stays_as_it_was),
        cmocka_unit_test (one_thing_is_a_list_of_one),
        cmocka_unit_test (map_may_be_nothing_true_or_false),
        cmocka_unit_test (items_begin_with_what_their_parent_has),
        cmocka_unit_test (relative_paths_begin_at_the_folder),
        cmocka_unit_test (numbers_have_units),
        cmocka_unit_test (unknown_key_gets_the_nearest_or_all),
        cmocka_unit_test (all_mistakes_are_told_in_the_order_of_the_text),
        cmocka_unit_test (wrong_shapes_are_told),
        cmocka_unit_test (endpoints_have_a_transport_and_a_port),
        cmocka_unit_test (many_mistakes_are_counted),
        cmocka_unit_test (distances_count_letters),
        cmocka_unit_test (nearest_word_is_near_and_not_another_one),
        cmocka_unit_test (differences_are_found_by_value),
        cmocka_unit_test (live_keys_are_not_compared),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
