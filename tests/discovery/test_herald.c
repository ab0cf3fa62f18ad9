/* Who is told what of our offers, and when; between a real roster and a real directory. */
#include "discovery/herald.h"

#include "core/log.h"
#include "core/timers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <zferry/directory.h>
#include <cmocka.h>

#define SLOTS      4
#define LINE_BYTES 4000
#define TEXT_BYTES 65536

typedef struct {
    zf_roster_t *roster;
    zf_offers_t *offers;
    zf_herald_t herald;
    zf_hearer_t hearers[SLOTS];
    uint64_t now;
    uint64_t due;           /* when the herald wants to be ticked again */
    uint16_t sequence[128]; /* of each node, by its letter */
    uint32_t letters;       /* whispers for the application */
    char text[TEXT_BYTES];  /* what was sent, or is known */
} rig_t;

static bool is_short_of_memory;

static zf_frame_t *new_frame (size_t size)
{
    return is_short_of_memory ? NULL : zf_frame_new (size);
}

static int setup (void **state)
{
    static const uint8_t me[ZF_UUID_BYTES] = "a";
    rig_t *rig = calloc (1, sizeof *rig);
    zf_roster_options_t options = {.name = "a",
                                   .space = "",
                                   .evasive_ms = 5000,
                                   .expired_ms = 30000,
                                   .line_bytes = LINE_BYTES,
                                   .max_peers = 10};
    assert_non_null (rig);
    memcpy (options.uuid, me, sizeof me);
    is_short_of_memory = false;
    rig->now = 1000;
    rig->roster = zf_roster_new (&options, rig->now);
    rig->offers = zf_offers_new ();
    zf_herald_open (&rig->herald, rig->roster, rig->offers, new_frame);
    *state = rig;
    return 0;
}

static int teardown (void **state)
{
    rig_t *rig = *state;
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        zf_herald_closed (&rig->herald, &rig->hearers[slot]);
    zf_herald_close (&rig->herald);
    zf_roster_free (&rig->roster);
    zf_offers_free (&rig->offers);
    free (rig);
    return 0;
}

/* -- as a shell does --------------------------------------------------------------------------- */

static void on_whisper (rig_t *rig, const zf_roster_effect_t *effect)
{
    bool changed;
    rig->letters += !zf_herald_heard (&rig->herald, effect, &changed);
}

static void on_effect (rig_t *rig, const zf_roster_effect_t *effect)
{
    zf_node_view_t view;
    if (effect->type == ZF_ROSTER_OPEN)
        zf_herald_greeted (&rig->herald, &rig->hearers[effect->slot], effect->uuid,
                           zf_bytes_of (effect->text));
    else if (effect->type == ZF_ROSTER_CLOSE)
        zf_herald_closed (&rig->herald, &rig->hearers[effect->slot]);
    else if (effect->type == ZF_ROSTER_ENTER && zf_roster_find (rig->roster, effect->uuid, &view))
        zf_herald_entered (&rig->herald, &view);
    else if (effect->type == ZF_ROSTER_EXIT)
        zf_herald_left (&rig->herald, effect->uuid);
    else if (effect->type == ZF_ROSTER_WHISPER)
        on_whisper (rig, effect);
}

static void turn (rig_t *rig)
{
    zf_roster_effect_t effect;
    zf_roster_tick (rig->roster, rig->now);
    while (zf_roster_next (rig->roster, &effect))
        on_effect (rig, &effect);
    rig->due = zf_herald_tick (&rig->herald, rig->now);
    while (zf_roster_next (rig->roster, &effect))
        on_effect (rig, &effect);
}

static void pass (rig_t *rig, uint64_t ms)
{
    for (uint64_t end = rig->now + ms; rig->now < end;) {
        rig->now += 100;
        turn (rig);
    }
}

static const uint8_t *uuid_of (const char *node)
{
    static uint8_t uuid[ZF_UUID_BYTES];
    memset (uuid, node[0], sizeof uuid);
    return uuid;
}

static void sight (rig_t *rig, const char *node, const char *endpoint)
{
    zf_roster_sighted (rig->roster, uuid_of (node), zf_bytes_of (endpoint),
                       zf_bytes_of ("tcp://a:1"), zf_bytes_of (node), rig->now);
    turn (rig);
}

/* Its next message; content: of two frames, or NULL. */
static void say (rig_t *rig, const char *node, zf_zre_t *message, zf_frame_t *const *content)
{
    zf_writer_t w = {0};
    uint8_t identity[1 + ZF_UUID_BYTES] = {1};
    memcpy (identity + 1, uuid_of (node), ZF_UUID_BYTES);
    message->sequence = ++rig->sequence[(uint8_t) node[0]];
    zf_zre_encode (&w, message);
    zf_roster_received (rig->roster, zf_bytes (identity, sizeof identity),
                        zf_bytes (w.data, w.size), content, content != NULL ? 2 : 0,
                        zf_bytes_of ("tcp://a:1"), rig->now);
    zf_writer_free (&w);
    turn (rig);
}

/* version: of zferry, or NULL; offer: the first one, or NULL. */
static void hello_at (rig_t *rig, const char *node, const char *endpoint, const char *version,
                      const char *offer)
{
    zf_writer_t headers = {0};
    if (version != NULL)
        zf_zre_put_header (&headers, zf_bytes_of (ZF_HEADER_VERSION), zf_bytes_of (version));
    if (offer != NULL)
        zf_zre_put_header (&headers, zf_bytes_of (ZF_HEADER_OFFER "1"), zf_bytes_of (offer));
    zf_zre_t hello = {.id = ZF_ZRE_HELLO,
                      .endpoint = zf_bytes_of (endpoint),
                      .name = zf_bytes_of (node),
                      .headers = zf_bytes (headers.data, headers.size),
                      .header_count = (uint32_t) (version != NULL) + (offer != NULL)};
    rig->sequence[(uint8_t) node[0]] = 0;
    say (rig, node, &hello, NULL);
    zf_writer_free (&headers);
}

static void hello (rig_t *rig, const char *node, const char *offer)
{
    hello_at (rig, node, "tcp://b:1", "1", offer);
}

static void say_plain (rig_t *rig, const char *node, zf_zre_id_t id)
{
    say (rig, node, &(zf_zre_t){.id = id}, NULL);
}

static void say_list (rig_t *rig, const char *node, const char *lines)
{
    static const char word[] = ZF_OFFERS_WORD;
    zf_frame_t *content[2] = {zf_frame_of (zf_bytes (word, ZF_OFFERS_WORD_BYTES)),
                              zf_frame_of (zf_bytes_of (lines))};
    say (rig, node, &(zf_zre_t){.id = ZF_ZRE_WHISPER}, content);
    zf_frame_drop (content[0]);
    zf_frame_drop (content[1]);
}

static void announce (rig_t *rig, const char *what)
{
    zf_offers_announce (rig->offers, zf_bytes_of (what), zf_bytes_of ("tcp://a:2"));
    zf_herald_changed (&rig->herald);
    turn (rig);
}

static void withdraw (rig_t *rig, const char *what)
{
    zf_offers_withdraw (rig->offers, zf_bytes_of (what), NULL);
    zf_herald_changed (&rig->herald);
    turn (rig);
}

static void announce_many (rig_t *rig, int count)
{
    char what[32];
    for (int i = 0; i < count; i++) {
        snprintf (what, sizeof what, "queue/%d", i);
        zf_offers_announce (rig->offers, zf_bytes_of (what), zf_bytes_of ("tcp://a:2"));
    }
    zf_herald_changed (&rig->herald);
    turn (rig);
}

/* -- what is seen ------------------------------------------------------------------------------ */

static void add_text (rig_t *rig, const char *before, zf_bytes_t text)
{
    size_t used = strlen (rig->text);
    snprintf (rig->text + used, sizeof rig->text - used, "%s%.*s", before, (int) text.size,
              (const char *) text.data);
}

static void add_headers (rig_t *rig, zf_bytes_t headers)
{
    zf_bytes_t name, value;
    while (zf_zre_next_header (&headers, &name, &value))
        if (name.size > strlen (ZF_HEADER_OFFER))
            add_text (rig, " ", value);
}

static void add_sent (rig_t *rig, zf_bytes_t frame, zf_frame_t *const *content, size_t count)
{
    zf_zre_t message;
    assert_true (zf_zre_decode (frame, &message));
    if (message.id == ZF_ZRE_HELLO) {
        add_text (rig, "hello:", zf_bytes (NULL, 0));
        add_headers (rig, message.headers);
        add_text (rig, "\n", zf_bytes (NULL, 0));
    } else if (message.id == ZF_ZRE_WHISPER && count == 2) {
        assert_memory_equal (content[0]->data, ZF_OFFERS_WORD, ZF_OFFERS_WORD_BYTES);
        add_text (rig, "list:\n", zf_bytes (content[1]->data, content[1]->size));
    }
}

/* HELLO with the offers in its headers, and lists, that wait in a line; they are sent. */
static const char *sent_by (rig_t *rig, uint32_t slot)
{
    zf_bytes_t frame;
    zf_frame_t *const *content;
    size_t count;
    rig->text[0] = '\0';
    while (zf_roster_peek (rig->roster, slot, &frame, &content, &count)) {
        add_sent (rig, frame, content, count);
        zf_roster_pop (rig->roster, slot);
    }
    return rig->text;
}

static bool add_offer (void *arg, const zf_offer_view_t *offer)
{
    rig_t *rig = arg;
    if (offer->is_own)
        return true;
    add_text (rig, offer->what, zf_bytes_of (" "));
    add_text (rig, offer->endpoint, zf_bytes_of ("\n"));
    return true;
}

static const char *known_to (rig_t *rig)
{
    rig->text[0] = '\0';
    zf_offers_each (rig->offers, zf_bytes (NULL, 0), add_offer, rig);
    return rig->text;
}

#define assert_sent(rig, slot, expected) assert_string_equal (sent_by (rig, slot), expected)
#define assert_known(rig, expected)      assert_string_equal (known_to (rig), expected)

/* b is there, has heard our HELLO, and was told all. */
static void meet (rig_t *rig, const char *offer)
{
    sight (rig, "b", "tcp://b:1");
    hello (rig, "b", offer);
    say_plain (rig, "b", ZF_ZRE_PING_OK);
    sent_by (rig, 0);
}

/* -- telling ----------------------------------------------------------------------------------- */

static void offers_are_in_the_headers_of_hello (void **state)
{
    rig_t *rig = *state;
    announce (rig, "queue/x");
    announce (rig, "queue/y");
    sight (rig, "b", "tcp://b:1");
    hello (rig, "b", NULL);
    assert_sent (rig, 0, "hello: queue/x tcp://a:2 queue/y tcp://a:2\n");
    assert_int_equal (rig->due, ZF_NEVER);
}

static void offer_withdrawn_is_in_no_header (void **state)
{
    rig_t *rig = *state;
    announce (rig, "queue/x");
    announce (rig, "queue/y");
    announce (rig, "queue/z");
    withdraw (rig, "queue/x");
    withdraw (rig, "queue/z");
    sight (rig, "b", "tcp://b:1");
    assert_sent (rig, 0, "hello: queue/y tcp://a:2\n");
}

static void change_is_whispered_to_those_who_understand (void **state)
{
    rig_t *rig = *state;
    meet (rig, NULL);
    hello_at (rig, "c", "tcp://c:1", NULL, NULL);
    sent_by (rig, 1);
    announce (rig, "queue/x");
    assert_sent (rig, 0, "list:\nqueue/x tcp://a:2\n");
    assert_sent (rig, 1, "");
    withdraw (rig, "queue/x");
    pass (rig, 100);
    assert_sent (rig, 0, "list:\n");
}

static void change_while_a_node_is_greeted_is_told_when_it_enters (void **state)
{
    rig_t *rig = *state;
    sight (rig, "b", "tcp://b:1");
    announce (rig, "queue/x");
    assert_sent (rig, 0, "hello:\n");
    hello (rig, "b", NULL);
    assert_sent (rig, 0, "list:\nqueue/x tcp://a:2\n");
}

static void more_than_headers_hold_is_told_when_a_node_enters (void **state)
{
    rig_t *rig = *state;
    announce_many (rig, 201);
    sight (rig, "b", "tcp://b:1");
    hello (rig, "b", NULL);
    const char *sent = sent_by (rig, 0);
    const char *list = strstr (sent, "list:");
    assert_non_null (list);
    assert_non_null (strstr (list, "\nqueue/199 tcp://a:2\nqueue/200 tcp://a:2\n"));
    const char *last = strstr (sent, "queue/199");
    assert_true (last != NULL && last < list);
    assert_ptr_equal (strstr (sent, "queue/200 "), strstr (list, "queue/200 "));
}

/* Those of the application, and names of groups, take all the room that there is. */
static void offer_without_room_in_headers_is_told_when_a_node_enters (void **state)
{
    rig_t *rig = *state;
    static char large[ZF_ROSTER_NODE_BYTES - 8];
    zf_bytes_t value = zf_bytes (large, sizeof large);
    assert_int_equal (zf_roster_header (rig->roster, zf_bytes_of ("X"), &value), 0);
    announce (rig, "queue/x");
    sight (rig, "b", "tcp://b:1");
    hello (rig, "b", NULL);
    assert_sent (rig, 0, "hello:\nlist:\nqueue/x tcp://a:2\n");
    zf_roster_header (rig->roster, zf_bytes_of ("X"), NULL);
    announce (rig, "queue/y");
    sight (rig, "c", "tcp://c:1");
    assert_sent (rig, 1, "hello: queue/x tcp://a:2 queue/y tcp://a:2\n");
}

static void full_line_is_told_later (void **state)
{
    rig_t *rig = *state;
    zf_frame_t *content = zf_frame_new (LINE_BYTES - 200);
    meet (rig, NULL);
    memset (content->data, 0, content->size);
    assert_int_equal (zf_roster_whisper (rig->roster, uuid_of ("b"), &content, 1), 0);
    zf_frame_drop (content);
    announce_many (rig, 20);
    assert_int_equal (rig->due, rig->now + 50);
    assert_sent (rig, 0, "");
    pass (rig, 100);
    assert_non_null (strstr (sent_by (rig, 0), "list:\nqueue/0 tcp://a:2\n"));
    assert_int_equal (rig->due, ZF_NEVER);
}

static void list_without_memory_is_told_later (void **state)
{
    rig_t *rig = *state;
    meet (rig, NULL);
    is_short_of_memory = true;
    announce (rig, "queue/x");
    assert_sent (rig, 0, "");
    is_short_of_memory = false;
    pass (rig, 100);
    assert_sent (rig, 0, "list:\nqueue/x tcp://a:2\n");
}

/* It may take our HELLO for the one that it knows, and keep what it was whispered since. */
static void node_that_enters_again_is_told_what_headers_say_too (void **state)
{
    rig_t *rig = *state;
    meet (rig, NULL);
    announce (rig, "queue/x");
    sent_by (rig, 0);
    say_plain (rig, "b", ZF_ZRE_GOODBYE);
    withdraw (rig, "queue/x");
    pass (rig, 200);
    sight (rig, "b", "tcp://b:1");
    hello (rig, "b", NULL);
    pass (rig, 100);
    assert_sent (rig, 0, "hello:\nlist:\n");
}

/* -- hearing ----------------------------------------------------------------------------------- */

static void offers_in_a_hello_are_known (void **state)
{
    rig_t *rig = *state;
    meet (rig, "queue/x tcp://*:7");
    assert_known (rig, "queue/x tcp://b:7\n");
}

static void list_takes_the_place_of_what_was_said_before (void **state)
{
    rig_t *rig = *state;
    meet (rig, "queue/x tcp://*:7");
    say_list (rig, "b", "queue/y tcp://*:8\nqueue/z tcp://there:9\n");
    assert_known (rig, "queue/y tcp://b:8\nqueue/z tcp://there:9\n");
    assert_int_equal (rig->letters, 0);
}

static void node_that_goes_takes_its_offers_with_it (void **state)
{
    rig_t *rig = *state;
    meet (rig, "queue/x tcp://*:7");
    say_plain (rig, "b", ZF_ZRE_GOODBYE);
    assert_known (rig, "");
}

static void list_of_a_foreigner_is_for_the_application (void **state)
{
    rig_t *rig = *state;
    hello_at (rig, "c", "tcp://c:1", NULL, "queue/x tcp://*:7");
    say_list (rig, "c", "queue/y tcp://*:8\n");
    assert_known (rig, "");
    assert_int_equal (rig->letters, 1);
}

/* -- elsewhere --------------------------------------------------------------------------------- */

/* b was sighted at two places, and is at the second one; it enters while we greet it at the
 * first. */
static void enter_elsewhere (rig_t *rig)
{
    sight (rig, "b", "tcp://wrong:1");
    sight (rig, "b", "tcp://b:1");
    hello_at (rig, "b", "tcp://b:1", "1", "queue/x tcp://*:7");
    assert_known (rig, "queue/x tcp://wrong:7\n");
    sent_by (rig, 0);
    for (int i = 0; i < 50 && strcmp (known_to (rig), "queue/x tcp://b:7\n") != 0; i++)
        pass (rig, 100);
}

static uint32_t slot_of (const rig_t *rig, const char *node)
{
    const zf_hearer_t *hearer;
    HASH_FIND (hh, rig->herald.hearers, uuid_of (node), ZF_UUID_BYTES, hearer);
    assert_non_null (hearer);
    return (uint32_t) (hearer - rig->hearers);
}

static void offers_move_with_their_node (void **state)
{
    rig_t *rig = *state;
    enter_elsewhere (rig);
    assert_known (rig, "queue/x tcp://b:7\n");
}

static void node_greeted_elsewhere_is_told_there (void **state)
{
    rig_t *rig = *state;
    announce (rig, "queue/y");
    enter_elsewhere (rig);
    pass (rig, 100);
    assert_int_equal (slot_of (rig, "b"), 1);
    assert_sent (rig, 1, "hello: queue/y tcp://a:2\nlist:\nqueue/y tcp://a:2\n");
    announce (rig, "queue/z");
    pass (rig, 100);
    assert_sent (rig, 1, "list:\nqueue/y tcp://a:2\nqueue/z tcp://a:2\n");
}

static void node_greeted_elsewhere_is_heard (void **state)
{
    rig_t *rig = *state;
    enter_elsewhere (rig);
    say_list (rig, "b", "queue/y tcp://*:8\n");
    assert_known (rig, "queue/y tcp://b:8\n");
    assert_int_equal (rig->letters, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (offers_are_in_the_headers_of_hello),
        CASE (offer_withdrawn_is_in_no_header),
        CASE (change_is_whispered_to_those_who_understand),
        CASE (change_while_a_node_is_greeted_is_told_when_it_enters),
        CASE (more_than_headers_hold_is_told_when_a_node_enters),
        CASE (offer_without_room_in_headers_is_told_when_a_node_enters),
        CASE (full_line_is_told_later),
        CASE (list_without_memory_is_told_later),
        CASE (node_that_enters_again_is_told_what_headers_say_too),
        CASE (offers_in_a_hello_are_known),
        CASE (list_takes_the_place_of_what_was_said_before),
        CASE (node_that_goes_takes_its_offers_with_it),
        CASE (list_of_a_foreigner_is_for_the_application),
        CASE (offers_move_with_their_node),
        CASE (node_greeted_elsewhere_is_told_there),
        CASE (node_greeted_elsewhere_is_heard),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
