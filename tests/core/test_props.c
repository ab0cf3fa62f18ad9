#include "core/props.h"

#include "tests/core/alloc.h"
#include "tests/core/rig.h"

static zf_props_t nothing (void)
{
    zf_props_t props;
    memset (&props, 0xff, sizeof props);
    zf_props_defaults (&props);
    return props;
}

static zf_bytes_t bytes_of (const zf_writer_t *w)
{
    return zf_bytes (w->data, w->size);
}

#define assert_bytes(bytes, text) assert_true (zf_bytes_equal (bytes, zf_bytes_of (text)))

/* Properties of everything, for a body of 5 bytes. */
typedef struct {
    zf_header_t headers[2];
    zf_bytes_t frames[3];
    zf_props_t props;
} everything_t;

static void set_everything (everything_t *e)
{
    e->headers[0] = (zf_header_t){zf_bytes_of ("colour"), zf_bytes_of ("red")};
    e->headers[1] = (zf_header_t){zf_bytes_of ("empty"), zf_bytes (NULL, 0)};
    e->frames[0] = zf_bytes_of ("he");
    e->frames[1] = zf_bytes (NULL, 0);
    e->frames[2] = zf_bytes_of ("llo");
    e->props = nothing ();
    e->props.topic = zf_bytes_of ("orders.eu.paid");
    e->props.id = zf_bytes_of ("order-1");
    e->props.key = zf_bytes_of ("alice");
    e->props.delay_ms = 1000;
    e->props.ttl_ms = UINT64_MAX;
    e->props.priority = 9;
    e->props.headers = e->headers;
    e->props.header_count = 2;
    e->props.frames = e->frames;
    e->props.frame_count = 3;
    e->props.trace = zf_bytes_of ("00-1-2-01");
}

static void no_properties_take_no_bytes (void **state)
{
    (void) state;
    zf_writer_t w = {0};
    zf_props_t props = nothing ();
    zf_props_view_t view;
    assert_int_equal (zf_props_encode (&w, &props, NULL), 0);
    assert_int_equal (w.size, 0);
    assert_int_equal (zf_props_decode (bytes_of (&w), 5, &view), 0);
    assert_int_equal (view.id.size, 0);
    assert_int_equal (view.topic.size, 0);
    assert_false (view.framed);
    assert_bytes (zf_props_frame (&view, zf_bytes_of ("hello"), 0), "hello");
    assert_null (zf_props_frame (&view, zf_bytes_of ("hello"), 1).data);
    assert_int_equal (zf_props_rewrite (&w, &view, NULL), 0);
    assert_int_equal (w.size, 0);
}

static void all_properties_come_out_as_they_went_in (void **state)
{
    (void) state;
    everything_t e;
    zf_writer_t w = {0};
    zf_props_view_t view;
    zf_death_t death = {zf_bytes_of ("jobs"), zf_bytes_of ("torn"), 5};
    set_everything (&e);
    assert_int_equal (zf_props_encode (&w, &e.props, &death), 0);
    assert_int_equal (zf_props_decode (bytes_of (&w), 5, &view), 0);
    assert_bytes (view.topic, "orders.eu.paid");
    assert_bytes (view.id, "order-1");
    assert_bytes (view.key, "alice");
    assert_bytes (view.trace, "00-1-2-01");
    assert_int_equal (view.delay_ms, 1000);
    assert_int_equal (view.ttl_ms, UINT64_MAX);
    assert_int_equal (view.priority, 9);
    assert_int_equal (view.header_count, 2);
    assert_int_equal (view.frame_count, 3);
    assert_true (view.dead);
    assert_bytes (view.death.queue, "jobs");
    assert_bytes (view.death.reason, "torn");
    assert_int_equal (view.death.attempts, 5);
    zf_writer_free (&w);
}

static void topic_is_the_first_key_and_found_without_the_rest (void **state)
{
    (void) state;
    static const uint8_t start[] = {0x89, 0x0b, 0xc4, 14};
    everything_t e;
    zf_writer_t w = {0};
    zf_writer_t again = {0};
    zf_props_view_t view;
    set_everything (&e);
    assert_int_equal (zf_props_encode (&w, &e.props, NULL), 0);
    assert_memory_equal (w.data, start, sizeof start);
    assert_bytes (zf_props_topic (bytes_of (&w)), "orders.eu.paid");
    zf_props_decode (bytes_of (&w), 5, &view);
    assert_int_equal (zf_props_rewrite (&again, &view, NULL), 0);
    assert_memory_equal (again.data, start, sizeof start);
    assert_bytes (zf_props_topic (bytes_of (&again)), "orders.eu.paid");
    zf_writer_free (&w);
    zf_writer_free (&again);
}

/* As another client may write it. */
static void topic_behind_other_keys_is_found (void **state)
{
    (void) state;
    static const uint8_t bytes[] = {0x83, 0x05, 0x02, 0x07, 0x81, 0xa1, 'n', 0xa1,
                                    'v',  0x0b, 0xc4, 0x03, 'a',  '.',  'b'};
    static const uint8_t others[] = {0x82, 0x05, 0x02, 0x01, 0xa1, 'x'};
    assert_bytes (zf_props_topic (zf_bytes (bytes, sizeof bytes)), "a.b");
    assert_int_equal (zf_props_topic (zf_bytes (others, sizeof others)).size, 0);
    assert_int_equal (zf_props_topic (zf_bytes (NULL, 0)).size, 0);
}

static void topic_alone_comes_out_as_it_went_in (void **state)
{
    (void) state;
    static const uint8_t expected[] = {0x81, 0x0b, 0xc4, 0x03, 'a', '\0', 'b'};
    zf_writer_t w = {0};
    zf_props_t props = nothing ();
    zf_props_view_t view;
    props.topic = zf_bytes (expected + 4, 3);
    assert_int_equal (zf_props_encode (&w, &props, NULL), 0);
    assert_int_equal (w.size, sizeof expected);
    assert_memory_equal (w.data, expected, sizeof expected);
    assert_int_equal (zf_props_decode (bytes_of (&w), 0, &view), 0);
    assert_true (zf_bytes_equal (view.topic, props.topic));
    w.size = 0;
    assert_int_equal (zf_props_rewrite (&w, &view, NULL), 0);
    assert_memory_equal (w.data, expected, sizeof expected);
    zf_writer_free (&w);
}

static void headers_and_frames_are_found (void **state)
{
    (void) state;
    everything_t e;
    zf_writer_t w = {0};
    zf_props_view_t view;
    set_everything (&e);
    zf_props_encode (&w, &e.props, NULL);
    zf_props_decode (bytes_of (&w), 5, &view);
    assert_bytes (zf_props_header (&view, zf_bytes_of ("colour")), "red");
    assert_int_equal (zf_props_header (&view, zf_bytes_of ("empty")).size, 0);
    assert_non_null (zf_props_header (&view, zf_bytes_of ("empty")).data);
    assert_null (zf_props_header (&view, zf_bytes_of ("size")).data);
    zf_bytes_t body = zf_bytes_of ("hello");
    assert_bytes (zf_props_frame (&view, body, 0), "he");
    assert_bytes (zf_props_frame (&view, body, 1), "");
    assert_bytes (zf_props_frame (&view, body, 2), "llo");
    assert_null (zf_props_frame (&view, body, 3).data);
    zf_writer_free (&w);
}

static void headers_come_in_order (void **state)
{
    (void) state;
    everything_t e;
    zf_writer_t w = {0};
    zf_props_view_t view;
    zf_bytes_t name;
    set_everything (&e);
    zf_props_encode (&w, &e.props, NULL);
    zf_props_decode (bytes_of (&w), 5, &view);
    assert_bytes (zf_props_header_at (&view, 0, &name), "red");
    assert_bytes (name, "colour");
    assert_int_equal (zf_props_header_at (&view, 1, &name).size, 0);
    assert_bytes (name, "empty");
    assert_null (zf_props_header_at (&view, 2, &name).data);
    assert_null (name.data);
    zf_writer_free (&w);
}

static void rewritten_properties_are_the_same_but_for_death (void **state)
{
    (void) state;
    everything_t e;
    zf_writer_t w = {0};
    zf_writer_t again = {0};
    zf_props_view_t view, rewritten;
    zf_death_t old = {zf_bytes_of ("old"), zf_bytes_of ("worn"), 1};
    zf_death_t death = {zf_bytes_of ("jobs"), zf_bytes_of ("torn"), 5};
    set_everything (&e);
    zf_props_encode (&w, &e.props, &old);
    zf_props_decode (bytes_of (&w), 5, &view);
    assert_int_equal (zf_props_rewrite (&again, &view, &death), 0);
    assert_int_equal (zf_props_decode (bytes_of (&again), 5, &rewritten), 0);
    assert_int_equal (rewritten.ttl_ms, view.ttl_ms);
    assert_int_equal (rewritten.delay_ms, view.delay_ms);
    assert_true (view.ttl_ms > 0 && view.delay_ms > 0);
    assert_int_equal (rewritten.priority, 9);
    assert_bytes (rewritten.topic, "orders.eu.paid");
    assert_bytes (rewritten.id, "order-1");
    assert_bytes (rewritten.key, "alice");
    assert_bytes (rewritten.trace, "00-1-2-01");
    assert_bytes (rewritten.death.queue, "jobs");
    assert_bytes (zf_props_header (&rewritten, zf_bytes_of ("colour")), "red");
    assert_bytes (zf_props_frame (&rewritten, zf_bytes_of ("hello"), 2), "llo");
    again.size = 0;
    assert_int_equal (zf_props_rewrite (&again, &view, NULL), 0);
    assert_int_equal (zf_props_decode (bytes_of (&again), 5, &rewritten), 0);
    assert_false (rewritten.dead);
    zf_writer_free (&w);
    zf_writer_free (&again);
}

static void properties_from_the_future_are_skipped (void **state)
{
    (void) state;
    static const uint8_t bytes[] = {0x83, 0x05, 0x02, 0x0c, 0x92, 0xc0,
                                    0xc3, 0xcd, 0x01, 0x00, 0x80};
    zf_props_view_t view;
    assert_int_equal (zf_props_decode (zf_bytes (bytes, sizeof bytes), 0, &view), 0);
    assert_int_equal (view.priority, 2);
}

/* True if properties that are nothing but this one object behind this key decode, for a body of 5
 * bytes. */
static bool decodes (uint8_t key, const char *object, size_t size)
{
    uint8_t bytes[64] = {0x81, key};
    zf_props_view_t view;
    memcpy (bytes + 2, object, size);
    uint8_t *copy = malloc (2 + size); /* ends where its memory ends */
    assert_non_null (copy);
    memcpy (copy, bytes, 2 + size);
    bool ok = zf_props_decode (zf_bytes (copy, 2 + size), 5, &view) == 0;
    free (copy);
    return ok;
}

static void each_property_is_checked (void **state)
{
    (void) state;
    assert_true (decodes (1, "\xc4\x01x", 3));
    assert_false (decodes (1, "\xc4\x00", 2)); /* an empty id */
    assert_false (decodes (1, "\x05", 1));
    assert_false (decodes (2, "\xa0", 1)); /* an empty key */
    assert_true (decodes (3, "\x00", 1));
    assert_false (decodes (3, "\xff", 1)); /* a negative delay */
    assert_false (decodes (4, "\xc0", 1));
    assert_true (decodes (5, "\x09", 1));
    assert_false (decodes (5, "\x0a", 1)); /* priority 10 */
    assert_false (decodes (5, "\xcf\x01\x00\x00\x00\x00\x00\x00\x00", 9));
    assert_true (decodes (6, "\x92\x02\x03", 3));
    assert_false (decodes (6, "\x92\x02\x02", 3)); /* frames that make up less */
    assert_false (decodes (6, "\x92\x02\x04", 3)); /* and more */
    assert_false (decodes (6, "\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x06", 11));
    assert_false (decodes (6, "\x90", 1)); /* no frames for a body */
    assert_true (decodes (7, "\x81\xa1x\xa0", 4));
    assert_false (decodes (7, "\x81\xa0\xa0", 3)); /* a header without a name */
    assert_true (decodes (8, "\xa0", 1));
    assert_true (decodes (9, "\x93\xa0\xa0\x01", 4));
    assert_false (decodes (9, "\x93\xa0\xa0\xff", 4));
    assert_false (decodes (9, "\x92\xa0\xa0", 3));
    assert_true (decodes (11, "\xc4\x01.", 3)); /* a topic may be any bytes, */
    assert_false (decodes (11, "\xc4\x00", 2)); /* but not none */
    assert_false (decodes (11, "\x05", 1));
    assert_false (decodes (0xc0, "\xa0", 1)); /* nil for a key */
}

static void property_given_twice_is_wrong (void **state)
{
    (void) state;
    static const uint8_t twice[] = {0x82, 0x05, 0x01, 0x05, 0x01};
    static const uint8_t topic[] = {0x82, 0x0b, 0xa1, 'a', 0x0b, 0xa1, 'a'};
    static const uint8_t behind[] = {0x81, 0x05, 0x01, 0x05};
    zf_props_view_t view;
    assert_int_equal (zf_props_decode (zf_bytes (twice, 5), 0, &view), ZF_E_PROTO);
    assert_int_equal (zf_props_decode (zf_bytes (topic, 7), 0, &view), ZF_E_PROTO);
    assert_int_equal (zf_props_decode (zf_bytes (behind, 4), 0, &view), ZF_E_PROTO);
}

static void properties_cut_anywhere_are_wrong (void **state)
{
    (void) state;
    everything_t e;
    zf_writer_t w = {0};
    zf_props_view_t view;
    set_everything (&e);
    zf_props_encode (&w, &e.props, NULL);
    for (size_t size = 1; size < w.size; size++)
        assert_int_equal (zf_props_decode (zf_bytes (w.data, size), 5, &view), ZF_E_PROTO);
    zf_writer_free (&w);
}

static bool encodes (const zf_props_t *props)
{
    zf_writer_t w = {0};
    int rc = zf_props_encode (&w, props, NULL);
    zf_writer_free (&w);
    assert_true (rc == 0 || rc == ZF_E_INVAL);
    return rc == 0;
}

static void limits_of_ids_topics_and_priorities_hold (void **state)
{
    (void) state;
    static char label[ZF_ID_MAX + 1];
    zf_props_t props = nothing ();
    props.id = props.key = zf_bytes (label, ZF_ID_MAX);
    assert_true (encodes (&props));
    props.id.size++;
    assert_false (encodes (&props));
    props.id.size = 0;
    props.key.size++;
    assert_false (encodes (&props));
    props = nothing ();
    props.topic = zf_bytes (label, ZF_TOPIC_MAX);
    assert_true (encodes (&props));
    props.topic.size++;
    assert_false (encodes (&props));
    props = nothing ();
    props.priority = ZF_PRIORITIES_MAX;
    assert_false (encodes (&props));
}

static void limits_of_headers_and_frames_hold (void **state)
{
    (void) state;
    static char value[ZF_PROPS_MAX];
    static zf_header_t headers[ZF_HEADERS_MAX + 1];
    static zf_bytes_t frames[ZF_FRAMES_MAX + 1];
    zf_props_t props = nothing ();
    for (size_t i = 0; i <= ZF_HEADERS_MAX; i++)
        headers[i].name = zf_bytes_of ("name");
    props.headers = headers;
    props.header_count = ZF_HEADERS_MAX;
    props.frames = frames;
    props.frame_count = ZF_FRAMES_MAX;
    assert_true (encodes (&props));
    props.header_count++;
    assert_false (encodes (&props));
    props.header_count = 1;
    props.frame_count++;
    assert_false (encodes (&props));
    props.frame_count = 1;
    headers[0].value = zf_bytes (value, ZF_PROPS_MAX - 100);
    assert_true (encodes (&props));
    headers[0].value.size = ZF_PROPS_MAX;
    assert_false (encodes (&props));
    headers[0] = (zf_header_t){zf_bytes (NULL, 0), zf_bytes_of ("x")};
    assert_false (encodes (&props));
}

static void limits_hold_for_what_is_decoded (void **state)
{
    (void) state;
    static const char large[ZF_PROPS_MAX + ZF_DEATH_MAX];
    zf_props_view_t view;
    zf_writer_t w = {0};
    zf_mp_put_map (&w, 1);
    zf_mp_put_uint (&w, 6);
    zf_mp_put_array (&w, ZF_FRAMES_MAX + 1);
    for (int i = 0; i <= ZF_FRAMES_MAX; i++)
        zf_mp_put_uint (&w, 0);
    assert_int_equal (zf_props_decode (bytes_of (&w), 0, &view), ZF_E_PROTO);
    w.size = 0;
    zf_mp_put_map (&w, 1);
    zf_mp_put_uint (&w, 7);
    zf_mp_put_map (&w, ZF_HEADERS_MAX + 1);
    for (int i = 0; i <= ZF_HEADERS_MAX; i++) {
        wire_put_text (&w, "n");
        wire_put_text (&w, "");
    }
    assert_int_equal (zf_props_decode (bytes_of (&w), 0, &view), ZF_E_PROTO);
    w.size = 0;
    zf_mp_put_map (&w, 1);
    zf_mp_put_uint (&w, 11);
    zf_mp_put_bin (&w, zf_bytes (large, ZF_TOPIC_MAX + 1));
    assert_int_equal (zf_props_decode (bytes_of (&w), 0, &view), ZF_E_PROTO);
    w.size = 0;
    zf_mp_put_map (&w, 1);
    zf_mp_put_uint (&w, 99);
    zf_mp_put_bin (&w, zf_bytes (large, sizeof large));
    assert_int_equal (zf_props_decode (bytes_of (&w), 0, &view), ZF_E_PROTO);
    zf_writer_free (&w);
}

static void properties_without_memory_are_refused (void **state)
{
    (void) state;
    everything_t e;
    zf_writer_t w = {0};
    zf_writer_t again = {0};
    zf_props_view_t view;
    set_everything (&e);
    alloc_enter ();
    alloc_fail (1, 1);
    assert_int_equal (zf_props_encode (&w, &e.props, NULL), ZF_E_NOMEM);
    alloc_leave ();
    zf_writer_free (&w);
    zf_props_encode (&w, &e.props, NULL);
    zf_props_decode (bytes_of (&w), 5, &view);
    alloc_enter ();
    alloc_fail (1, 1);
    assert_int_equal (zf_props_rewrite (&again, &view, NULL), ZF_E_NOMEM);
    alloc_leave ();
    zf_writer_free (&w);
    zf_writer_free (&again);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (no_properties_take_no_bytes),
        cmocka_unit_test (all_properties_come_out_as_they_went_in),
        cmocka_unit_test (topic_is_the_first_key_and_found_without_the_rest),
        cmocka_unit_test (topic_behind_other_keys_is_found),
        cmocka_unit_test (topic_alone_comes_out_as_it_went_in),
        cmocka_unit_test (headers_and_frames_are_found),
        cmocka_unit_test (headers_come_in_order),
        cmocka_unit_test (rewritten_properties_are_the_same_but_for_death),
        cmocka_unit_test (properties_from_the_future_are_skipped),
        cmocka_unit_test (each_property_is_checked),
        cmocka_unit_test (property_given_twice_is_wrong),
        cmocka_unit_test (properties_cut_anywhere_are_wrong),
        cmocka_unit_test (limits_of_ids_topics_and_priorities_hold),
        cmocka_unit_test (limits_of_headers_and_frames_hold),
        cmocka_unit_test (limits_hold_for_what_is_decoded),
        cmocka_unit_test (properties_without_memory_are_refused),
    };
    return cmocka_run_group_tests_name ("props", tests, NULL, NULL);
}
