#include "discovery/hub.h"

#include "tests/core/alloc.h"
#include "tests/core/rand.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TTL_MS 30000u

static zf_hub_news_t publish (zf_hub_t *hub, const char *key, const char *value, uint32_t ttl_ms,
                              uint64_t now_ms)
{
    zf_gossip_t tuple = {ZF_GOSSIP_PUBLISH, zf_bytes_of (key), zf_bytes_of (value), ttl_ms};
    return zf_hub_publish (hub, &tuple, now_ms);
}

typedef struct {
    char text[1000]; /* "key=value:ttl ", each */
    size_t most;     /* after so many it is enough; 0: never */
    size_t count;
} list_t;

static bool put_in_list (void *arg, const zf_gossip_t *tuple)
{
    list_t *list = arg;
    size_t used = strlen (list->text);
    assert_int_equal (tuple->id, ZF_GOSSIP_PUBLISH);
    snprintf (list->text + used, sizeof list->text - used, "%.*s=%.*s:%u ", (int) tuple->key.size,
              (const char *) tuple->key.data, (int) tuple->value.size,
              (const char *) tuple->value.data, tuple->ttl_ms);
    return ++list->count != list->most;
}

static void assert_tuples (zf_hub_t *hub, uint64_t now_ms, const char *expected)
{
    list_t list = {.text = ""};
    zf_hub_each (hub, now_ms, put_in_list, &list);
    assert_string_equal (list.text, expected);
    assert_int_equal (list.count, zf_hub_count (hub));
}

/* -- values ------------------------------------------------------------------------------------ */

static void new_key_is_news_and_known_afterwards (void **state)
{
    zf_hub_t *hub = zf_hub_new ();
    assert_tuples (hub, 0, "");
    assert_int_equal (publish (hub, "k", "v", 0, 0), ZF_HUB_NEWS);
    assert_int_equal (publish (hub, "k", "v", 0, 1), ZF_HUB_KNOWN);
    assert_int_equal (publish (hub, "kk", "v", 0, 1), ZF_HUB_NEWS);
    assert_int_equal (publish (hub, "", "", 0, 1), ZF_HUB_NEWS);
    assert_int_equal (publish (hub, "", "", 0, 1), ZF_HUB_KNOWN);
    assert_tuples (hub, 1, "k=v:0 kk=v:0 =:0 ");
    zf_hub_free (&hub);
    assert_null (hub);
    zf_hub_free (&hub);
}

static void newest_value_is_the_right_one (void **state)
{
    zf_hub_t *hub = zf_hub_new ();
    publish (hub, "k", "first", 0, 0);
    assert_int_equal (publish (hub, "k", "second", 0, 1), ZF_HUB_NEWS);
    assert_int_equal (publish (hub, "k", "", 0, 2), ZF_HUB_NEWS);
    assert_int_equal (publish (hub, "k", "third", TTL_MS, 3), ZF_HUB_NEWS);
    assert_tuples (hub, 4, "k=third:29999 ");
    zf_hub_free (&hub);
}

static void value_that_was_just_replaced_is_an_echo (void **state)
{
    zf_hub_t *hub = zf_hub_new ();
    publish (hub, "k", "1", 0, 0);
    publish (hub, "k", "2", 0, 1000);
    publish (hub, "k", "3", 0, 2000);
    assert_int_equal (publish (hub, "k", "1", TTL_MS, 2000), ZF_HUB_KNOWN);
    assert_int_equal (publish (hub, "k", "2", TTL_MS, 2000), ZF_HUB_KNOWN);
    assert_tuples (hub, 2000, "k=3:0 ");
    uint64_t over_ms = 1000 + ZF_HUB_ECHO_MS;
    assert_int_equal (publish (hub, "k", "1", 0, over_ms - 1), ZF_HUB_KNOWN);
    assert_int_equal (publish (hub, "k", "1", 0, over_ms), ZF_HUB_NEWS);
    assert_int_equal (publish (hub, "k", "2", 0, over_ms), ZF_HUB_KNOWN);
    assert_tuples (hub, over_ms, "k=1:0 ");
    zf_hub_free (&hub);
}

static void walk_ends_when_it_is_enough (void **state)
{
    list_t list = {.most = 2};
    zf_hub_t *hub = zf_hub_new ();
    publish (hub, "c", "1", 0, 0);
    publish (hub, "a", "2", 0, 0);
    publish (hub, "b", "3", 0, 0);
    zf_hub_each (hub, 0, put_in_list, &list);
    assert_string_equal (list.text, "c=1:0 a=2:0 ");
    zf_hub_free (&hub);
}

/* -- time -------------------------------------------------------------------------------------- */

static void tuple_expires_when_it_is_not_said_again (void **state)
{
    zf_hub_t *hub = zf_hub_new ();
    assert_int_equal (zf_hub_expire (hub, 0), UINT64_MAX);
    publish (hub, "ever", "v", 0, 0);
    assert_int_equal (zf_hub_expire (hub, 0), UINT64_MAX);
    publish (hub, "late", "v", TTL_MS, 5000);
    publish (hub, "soon", "v", TTL_MS, 0);
    assert_int_equal (zf_hub_expire (hub, 5000), TTL_MS);
    assert_tuples (hub, TTL_MS - 1, "ever=v:0 late=v:5001 soon=v:1 ");
    assert_int_equal (zf_hub_expire (hub, TTL_MS), TTL_MS + 5000);
    assert_tuples (hub, TTL_MS, "ever=v:0 late=v:5000 ");
    assert_int_equal (zf_hub_expire (hub, 10 * TTL_MS), UINT64_MAX);
    assert_tuples (hub, 10 * TTL_MS, "ever=v:0 ");
    assert_int_equal (publish (hub, "soon", "v", TTL_MS, 11 * TTL_MS), ZF_HUB_NEWS);
    zf_hub_free (&hub);
}

/* Nobody has called zf_hub_expire since. */
static void tuple_that_has_expired_is_news_again (void **state)
{
    zf_hub_t *hub = zf_hub_new ();
    publish (hub, "k", "v", 1000, 0);
    assert_int_equal (publish (hub, "k", "v", 1000, 1000), ZF_HUB_NEWS);
    assert_tuples (hub, 1999, "k=v:1 ");
    assert_tuples (hub, 2000, "");
    zf_hub_free (&hub);
}

static void time_begins_anew_when_it_is_said_again (void **state)
{
    zf_hub_t *hub = zf_hub_new ();
    publish (hub, "k", "v", TTL_MS, 0);
    assert_int_equal (publish (hub, "k", "v", TTL_MS, 1000), ZF_HUB_KNOWN);
    assert_int_equal (zf_hub_expire (hub, TTL_MS), TTL_MS + 1000);
    assert_int_equal (publish (hub, "k", "v", 2 * TTL_MS, 2000), ZF_HUB_AGAIN);
    assert_int_equal (zf_hub_expire (hub, 2000), 2 * TTL_MS + 2000);
    zf_hub_free (&hub);
}

/* A quarter of the time since it was passed on, not since it was heard. */
static void tuple_is_passed_on_again_in_time (void **state)
{
    zf_hub_t *hub = zf_hub_new ();
    publish (hub, "k", "v", TTL_MS, 0);
    assert_int_equal (publish (hub, "k", "v", TTL_MS, 4000), ZF_HUB_KNOWN);
    assert_int_equal (publish (hub, "k", "v", TTL_MS, 7499), ZF_HUB_KNOWN);
    assert_int_equal (publish (hub, "k", "v", TTL_MS, 7500), ZF_HUB_AGAIN);
    assert_int_equal (publish (hub, "k", "v", TTL_MS, 7501), ZF_HUB_KNOWN);
    assert_int_equal (publish (hub, "k", "v", TTL_MS, 14999), ZF_HUB_KNOWN);
    assert_int_equal (publish (hub, "k", "v", TTL_MS, 15000), ZF_HUB_AGAIN);
    zf_hub_free (&hub);
}

/* Somebody else's memory of it: what is left of its time there. */
static void less_time_than_it_has_does_not_count (void **state)
{
    zf_hub_t *hub = zf_hub_new ();
    publish (hub, "k", "v", TTL_MS, 0);
    assert_int_equal (publish (hub, "k", "v", 1000, 10000), ZF_HUB_KNOWN);
    assert_int_equal (zf_hub_expire (hub, 11000), TTL_MS);
    assert_int_equal (publish (hub, "k", "v", TTL_MS, 11000), ZF_HUB_AGAIN);
    zf_hub_free (&hub);
}

/* czmq's hubs pass everything on for ever. */
static void who_has_heard_a_time_keeps_to_it (void **state)
{
    zf_hub_t *hub = zf_hub_new ();
    publish (hub, "k", "v", TTL_MS, 0);
    assert_int_equal (publish (hub, "k", "v", 0, 20000), ZF_HUB_KNOWN);
    assert_int_equal (zf_hub_expire (hub, 20000), TTL_MS);
    publish (hub, "ever", "v", 0, 20000);
    assert_int_equal (publish (hub, "ever", "v", 1000, 20000), ZF_HUB_AGAIN);
    assert_int_equal (zf_hub_expire (hub, 20000), 21000);
    zf_hub_free (&hub);
}

static void time_of_a_changed_value_is_its_own (void **state)
{
    zf_hub_t *hub = zf_hub_new ();
    publish (hub, "k", "1", TTL_MS, 0);
    assert_int_equal (publish (hub, "k", "2", 1000, 10), ZF_HUB_NEWS);
    assert_int_equal (zf_hub_expire (hub, 10), 1010);
    assert_int_equal (publish (hub, "k", "3", 0, 20), ZF_HUB_NEWS);
    assert_int_equal (zf_hub_expire (hub, 20), UINT64_MAX);
    zf_hub_free (&hub);
}

/* -- bounds ------------------------------------------------------------------------------------ */

static void key_too_many_is_refused (void **state)
{
    char key[16];
    zf_hub_t *hub = zf_hub_new ();
    for (unsigned i = 0; i < ZF_HUB_TUPLES_MAX; i++) {
        snprintf (key, sizeof key, "%u", i);
        assert_int_equal (publish (hub, key, "v", i + 1000, 0), ZF_HUB_NEWS);
    }
    assert_int_equal (publish (hub, "more", "v", 0, 0), ZF_HUB_REFUSED);
    assert_int_equal (publish (hub, "7", "w", TTL_MS, 0), ZF_HUB_NEWS); /* no key more */
    assert_int_equal (publish (hub, "more", "v", 0, 999), ZF_HUB_REFUSED);
    assert_int_equal (publish (hub, "more", "v", 0, 1000), ZF_HUB_NEWS);
    assert_int_equal (zf_hub_count (hub), ZF_HUB_TUPLES_MAX);
    zf_hub_free (&hub);
}

static void bytes_too_many_are_refused (void **state)
{
    char key[16];
    static char value[ZF_GOSSIP_VALUE_MAX + 1];
    size_t bytes = 0;
    unsigned count = 0;
    zf_hub_t *hub = zf_hub_new ();
    memset (value, 'v', sizeof value - 1);
    for (;; count++) {
        snprintf (key, sizeof key, "%05u", count);
        if (publish (hub, key, value, 0, 0) == ZF_HUB_REFUSED)
            break;
        bytes += 5 + sizeof value - 1;
    }
    assert_in_range (bytes, ZF_HUB_BYTES_MAX - 5 - sizeof value + 2, ZF_HUB_BYTES_MAX);
    assert_int_equal (zf_hub_count (hub), count);
    value[100] = 'w'; /* in the place of another one it fits */
    assert_int_equal (publish (hub, "00000", value, 0, 0), ZF_HUB_NEWS);
    assert_int_equal (publish (hub, "00001", "", 0, 0), ZF_HUB_NEWS);
    assert_int_equal (publish (hub, key, value, 0, 0), ZF_HUB_NEWS);
    zf_hub_free (&hub);
}

/* -- many hubs --------------------------------------------------------------------------------- */

#define HUBS    6
#define LINKS   9
#define LETTERS 4096

/* A value on its way from a hub to another one. */
typedef struct {
    unsigned from, to;
    uint32_t ttl_ms;
    char value[8];
} letter_t;

/* Hubs that know each other, with ways of different lengths: what goes by one link arrives in
 * order. */
typedef struct {
    zf_hub_t *hubs[HUBS];
    unsigned links[LINKS][2];
    letter_t letters[LETTERS]; /* under way */
    size_t count;
    size_t sent; /* in all */
    uint64_t seed, now_ms;
} web_t;

static const unsigned circles[LINKS][2] = {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5},
                                           {5, 0}, {0, 3}, {1, 4}, {2, 4}};

static web_t *web_new (uint64_t seed)
{
    web_t *web = calloc (1, sizeof *web);
    for (size_t i = 0; i < HUBS; i++)
        web->hubs[i] = zf_hub_new ();
    memcpy (web->links, circles, sizeof circles);
    web->seed = seed;
    return web;
}

static void web_free (web_t *web)
{
    for (size_t i = 0; i < HUBS; i++)
        zf_hub_free (&web->hubs[i]);
    free (web);
}

static void web_send (web_t *web, unsigned from, unsigned to, const letter_t *said)
{
    assert_true (web->count < LETTERS);
    letter_t *letter = &web->letters[web->count++];
    *letter = *said;
    letter->from = from;
    letter->to = to;
    web->sent++;
}

/* The hub hears it, and passes it on to everybody but whom it came from. */
static void web_hear (web_t *web, unsigned hub, const letter_t *said)
{
    zf_hub_news_t news = publish (web->hubs[hub], "key", said->value, said->ttl_ms, web->now_ms);
    if (news != ZF_HUB_NEWS && news != ZF_HUB_AGAIN)
        return;
    for (size_t i = 0; i < LINKS; i++) {
        const unsigned *link = web->links[i];
        unsigned other = link[0] == hub ? link[1] : link[0];
        if ((link[0] == hub || link[1] == hub) && other != said->from)
            web_send (web, hub, other, said);
    }
}

/* One letter arrives: the oldest of those on some link. */
static void web_step (web_t *web)
{
    size_t at = rand_below (&web->seed, (uint32_t) web->count);
    for (size_t i = 0; i < at; i++)
        if (web->letters[i].from == web->letters[at].from &&
            web->letters[i].to == web->letters[at].to)
            at = i;
    letter_t letter = web->letters[at];
    web->count--;
    memmove (&web->letters[at], &web->letters[at + 1], (web->count - at) * sizeof letter);
    web->now_ms += rand_below (&web->seed, 3);
    web_hear (web, letter.to, &letter);
}

static void web_author (web_t *web, unsigned hub, unsigned value)
{
    letter_t said = {.from = HUBS, .ttl_ms = TTL_MS};
    snprintf (said.value, sizeof said.value, "%u", value);
    web_hear (web, hub, &said);
}

static void web_assert_all (web_t *web, unsigned value)
{
    char expected[32];
    snprintf (expected, sizeof expected, "key=%u:", value);
    for (size_t i = 0; i < HUBS; i++) {
        list_t list = {.text = ""};
        zf_hub_each (web->hubs[i], web->now_ms, put_in_list, &list);
        assert_memory_equal (list.text, expected, strlen (expected));
    }
}

/* An author at two hubs, who changes his value now and then, quickly, while older ones are still on
 * their way round. */
static void hubs_in_circles_converge (void **state)
{
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        web_t *web = web_new (seed);
        unsigned values = 2 + rand_below (&web->seed, 4);
        for (unsigned value = 1; value <= values; value++) {
            web_author (web, 0, value);
            web_author (web, 3, value);
            for (uint32_t n = rand_below (&web->seed, 20); n > 0 && web->count > 0; n--)
                web_step (web);
        }
        while (web->count > 0)
            web_step (web);
        web_assert_all (web, values);
        assert_true (web->sent <= (size_t) values * 2 * LINKS);
        web_free (web);
    }
}

/* Saying it again costs each link as much as saying it, and keeps it alive everywhere. */
static void hubs_hear_that_a_value_lives (void **state)
{
    web_t *web = web_new (7);
    for (unsigned i = 0; i < 50; i++) {
        web->now_ms = i * (uint64_t) (TTL_MS / 3);
        web->sent = 0;
        web_author (web, i % 2 == 0 ? 0 : 3, 1);
        while (web->count > 0)
            web_step (web);
        assert_in_range (web->sent, HUBS - 1, 2 * LINKS);
        web_assert_all (web, 1);
    }
    web->now_ms += TTL_MS + 100;
    for (size_t i = 0; i < HUBS; i++)
        assert_tuples (web->hubs[i], web->now_ms, "");
    web_free (web);
}

/* -- without memory ---------------------------------------------------------------------------- */

/* Two keys; the one that has no time at first comes first or last. */
static bool do_all (zf_hub_t *hub, bool first, uint64_t now_ms)
{
    const char *timed = first ? "b" : "a", *ever = first ? "a" : "b";
    bool well = true;
    for (int i = 0; i < 2; i++) {
        bool is_ever = first == (i == 0);
        const char *key = is_ever ? ever : timed;
        well = publish (hub, key, "1", is_ever ? 0 : TTL_MS, now_ms) != ZF_HUB_REFUSED && well;
        well = publish (hub, key, "1", TTL_MS, now_ms) != ZF_HUB_REFUSED && well;
    }
    well = publish (hub, timed, "2", TTL_MS, now_ms) != ZF_HUB_REFUSED && well;
    return publish (hub, ever, "3", 1000, now_ms) != ZF_HUB_REFUSED && well;
}

/* The n-th allocation fails. Returns false if there are not so many. */
static bool run_without (size_t n, bool first)
{
    alloc_enter ();
    alloc_fail (n, 1);
    zf_hub_t *hub = zf_hub_new ();
    bool well = hub != NULL && do_all (hub, first, 0);
    bool failed = alloc_failures () > 0;
    alloc_fail (1, 0);
    alloc_leave ();
    assert_int_equal (well, !failed);
    if (hub == NULL)
        return true;
    assert_true (zf_hub_count (hub) <= 2);
    assert_true (do_all (hub, first, ZF_HUB_ECHO_MS));
    assert_int_equal (zf_hub_count (hub), 2);
    zf_hub_expire (hub, 3 * TTL_MS);
    assert_int_equal (zf_hub_count (hub), 0);
    zf_hub_free (&hub);
    return failed;
}

static void hub_without_memory_refuses_and_keeps_what_it_has (void **state)
{
    for (int first = 0; first < 2; first++) {
        size_t n = 1;
        while (run_without (n, first != 0))
            n++;
        assert_true (n > 5);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (new_key_is_news_and_known_afterwards),
        cmocka_unit_test (newest_value_is_the_right_one),
        cmocka_unit_test (value_that_was_just_replaced_is_an_echo),
        cmocka_unit_test (walk_ends_when_it_is_enough),
        cmocka_unit_test (tuple_expires_when_it_is_not_said_again),
        cmocka_unit_test (tuple_that_has_expired_is_news_again),
        cmocka_unit_test (time_begins_anew_when_it_is_said_again),
        cmocka_unit_test (tuple_is_passed_on_again_in_time),
        cmocka_unit_test (less_time_than_it_has_does_not_count),
        cmocka_unit_test (who_has_heard_a_time_keeps_to_it),
        cmocka_unit_test (time_of_a_changed_value_is_its_own),
        cmocka_unit_test (key_too_many_is_refused),
        cmocka_unit_test (bytes_too_many_are_refused),
        cmocka_unit_test (hubs_in_circles_converge),
        cmocka_unit_test (hubs_hear_that_a_value_lives),
        cmocka_unit_test (hub_without_memory_refuses_and_keeps_what_it_has),
    };
    return cmocka_run_group_tests_name ("hub", tests, NULL, NULL);
}
