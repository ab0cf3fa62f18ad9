#include "discovery/directory.h"

#include "tests/core/alloc.h"
#include "tests/core/golden.h"
#include "tests/core/rand.h"
#include "tests/discovery/edge.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <zferry/directory.h>
#include <cmocka.h>

static const uint8_t a[ZF_UUID_BYTES] = "node a";
static const uint8_t b[ZF_UUID_BYTES] = "node b";
static const uint8_t me[ZF_UUID_BYTES] = "me";

/* -- saying and seeing ------------------------------------------------------------------------- */

static bool say (zf_offers_t *offers, const uint8_t *uuid, const char *lines)
{
    return zf_offers_replace (offers, uuid, at_the_edge (zf_bytes_of (lines)),
                              zf_bytes_of ("10.0.0.7"));
}

static int announce (zf_offers_t *offers, const char *what, const char *endpoint)
{
    return zf_offers_announce (offers, zf_bytes_of (what), zf_bytes_of (endpoint));
}

static int withdraw (zf_offers_t *offers, const char *what, const char *endpoint)
{
    zf_bytes_t at = zf_bytes_of (endpoint != NULL ? endpoint : "");
    return zf_offers_withdraw (offers, zf_bytes_of (what), endpoint != NULL ? &at : NULL);
}

typedef struct {
    char text[4096];
    size_t most; /* after so many it is enough; 0: never */
    size_t count;
} list_t;

static void put_offer (list_t *list, const char *mark, const zf_offer_view_t *offer)
{
    size_t used = strlen (list->text);
    const char *who = offer->is_own ? "own" : (const char *) offer->uuid;
    snprintf (list->text + used, sizeof list->text - used, "%s%s %s (%s)\n", mark, offer->what,
              offer->endpoint, who);
}

static bool put_in_list (void *arg, const zf_offer_view_t *offer)
{
    list_t *list = arg;
    assert_false (offer->is_gone);
    put_offer (list, "", offer);
    return ++list->count != list->most;
}

static void assert_offers (zf_offers_t *offers, const char *pattern, const char *expected)
{
    list_t list = {.text = ""};
    size_t shown = zf_offers_each (offers, zf_bytes_of (pattern), put_in_list, &list);
    assert_int_equal (shown, list.count);
    assert_string_equal (list.text, expected);
}

static void assert_changes (zf_offers_t *offers, const char *expected)
{
    list_t list = {.text = ""};
    zf_offer_view_t change;
    while (zf_offers_next_change (offers, &change))
        put_offer (&list, change.is_gone ? "- " : "+ ", &change);
    assert_string_equal (list.text, expected);
}

static bool count_offer (void *arg, const zf_offer_view_t *offer)
{
    (void) arg;
    (void) offer;
    return true;
}

static size_t count_offers (zf_offers_t *offers)
{
    return zf_offers_each (offers, zf_bytes (NULL, 0), count_offer, NULL);
}

/* -- words ------------------------------------------------------------------------------------- */

typedef struct {
    const char *text;
    bool what, pattern;
} word_t;

static const word_t words[] = {
    {"queue/jobs", true, true},
    {"service/a/b", true, true},
    {"topic/sensors.*", true, true},
    {"service/gr\xc3\xbc\xc3\x9f", true, true},
    {"broker/", true, true},
    {"broker/east", true, true},
    {"broker", false, true},
    {"queue/*", false, true},
    {"*/jobs", false, true},
    {"*/*", false, true},
    {"*", false, false},
    {"queue", false, false},
    {"queue/", false, false},
    {"*/", false, false},
    {"", false, false},
    {"/", false, false},
    {"/jobs", false, false},
    {"Queue/jobs", false, false},
    {"queue2/jobs", false, false},
    {"queue /jobs", false, false},
    {"queue/my jobs", false, false},
    {"queue/jobs\n", false, false},
    {"queue/jo\tbs", false, false},
    {"queue/jobs\x7f", false, false},
    {"q*/jobs", false, false},
};

static void offers_are_told_from_other_words (void **state)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        zf_bytes_t text = at_the_edge (zf_bytes_of (words[i].text));
        if (zf_offer_is_what (text, false) != words[i].what ||
            zf_offer_is_what (text, true) != words[i].pattern)
            fail_msg ("'%s' is taken for something else", words[i].text);
    }
    assert_false (zf_offer_is_what (zf_bytes ("queue/a\0b", 9), true));
    assert_false (zf_offer_is_what (zf_bytes (NULL, 0), true));
}

static void offer_has_at_most_255_bytes (void **state)
{
    char text[ZF_OFFER_WHAT_MAX + 2] = "queue/";
    memset (text + 6, 'x', ZF_OFFER_WHAT_MAX - 6);
    assert_true (zf_offer_is_what (zf_bytes_of (text), false));
    text[ZF_OFFER_WHAT_MAX] = 'x';
    assert_false (zf_offer_is_what (zf_bytes_of (text), false));
}

typedef struct {
    const char *endpoint, *host, *result, *own;
} host_case_t;

static const host_case_t hosts[] = {
    {"tcp://*:5555", "10.0.0.7", "tcp://10.0.0.7:5555", "*"},
    {"tcp://0.0.0.0:5555", "10.0.0.7", "tcp://10.0.0.7:5555", "0.0.0.0"},
    {"tcp://[::]:5555", "10.0.0.7", "tcp://10.0.0.7:5555", "::"},
    {"tcp://*:5555", "fe80::1%eth0", "tcp://[fe80::1%eth0]:5555", "*"},
    {"tcp://*:5555", "[fe80::1%2]", "tcp://[fe80::1%2]:5555", "*"},
    {"tcp://*:5555", "", NULL, "*"},
    {"tcp://10.1.2.3:80", "10.0.0.7", "tcp://10.1.2.3:80", "10.1.2.3"},
    {"tcp://10.1.2.3:80", "", "tcp://10.1.2.3:80", "10.1.2.3"},
    {"tcp://[2001:db8::7]:80", "10.0.0.7", "tcp://[2001:db8::7]:80", "2001:db8::7"},
    {"tcp://[fe80::1%eth0]:80", "10.0.0.7", "tcp://[fe80::1%eth0]:80", "fe80::1%eth0"},
    {"tcp://host.example:80", "10.0.0.7", "tcp://host.example:80", "host.example"},
    {"tcp://[::1]", "10.0.0.7", "tcp://[::1]", ""},
    {"tcp://[]:1", "10.0.0.7", "tcp://[]:1", ""},
    {"tcp://[:1", "10.0.0.7", "tcp://[:1", ""},
    {"tcp://*", "10.0.0.7", "tcp://*", ""},
    {"tcp://:1", "10.0.0.7", "tcp://:1", ""},
    {"tcp://", "10.0.0.7", "tcp://", ""},
    {"tcp:", "10.0.0.7", "tcp:", ""},
    {"ipc://*:1", "10.0.0.7", "ipc://*:1", ""},
    {"ipc:///run/x", "10.0.0.7", "ipc:///run/x", ""},
    {"", "10.0.0.7", "", ""},
};

static void host_takes_the_place_of_any_interface (void **state)
{
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        const host_case_t *c = &hosts[i];
        char out[64] = "";
        zf_bytes_t endpoint = at_the_edge (zf_bytes_of (c->endpoint));
        bool fits = zf_endpoint_with_host (endpoint, zf_bytes_of (c->host), out, sizeof out);
        zf_bytes_t own = zf_endpoint_host (endpoint);
        if (fits != (c->result != NULL) || (fits && strcmp (out, c->result) != 0))
            fail_msg ("'%s' with '%s' is '%s'", c->endpoint, c->host, out);
        if (!zf_bytes_equal (own, zf_bytes_of (c->own)))
            fail_msg ("the host of '%s' is '%.*s'", c->endpoint, (int) own.size,
                      (const char *) own.data);
    }
}

static void endpoint_that_does_not_fit_is_refused (void **state)
{
    char out[20];
    zf_bytes_t any = zf_bytes_of ("tcp://*:5555");
    for (size_t size = 0; size <= sizeof out; size++) {
        memset (out, '#', sizeof out);
        bool fits = zf_endpoint_with_host (any, zf_bytes_of ("10.0.0.7"), out, size);
        assert_int_equal (fits, size == sizeof out); /* 19 and a zero */
        for (size_t i = size; i < sizeof out; i++)
            assert_int_equal (out[i], '#');
    }
    assert_false (zf_endpoint_with_host (zf_bytes_of ("ipc:///run/a/long/one"), zf_bytes_of ("h"),
                                         out, sizeof out));
}

/* -- ours -------------------------------------------------------------------------------------- */

static void own_offers_are_offers (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    assert_int_equal (announce (offers, "queue/jobs", "tcp://*:5555"), 1);
    assert_int_equal (announce (offers, "queue/jobs", "tcp://*:5555"), 0);
    assert_int_equal (announce (offers, "queue/jobs", "ipc:///run/jobs"), 1);
    assert_offers (offers, "",
                   "queue/jobs ipc:///run/jobs (own)\n"
                   "queue/jobs tcp://127.0.0.1:5555 (own)\n");
    assert_changes (offers, "+ queue/jobs tcp://127.0.0.1:5555 (own)\n"
                            "+ queue/jobs ipc:///run/jobs (own)\n");
    assert_int_equal (withdraw (offers, "queue/jobs", "tcp://127.0.0.1:5555"), ZF_E_NOT_FOUND);
    assert_int_equal (withdraw (offers, "queue/jobs", "tcp://*:5555"), 0);
    assert_int_equal (withdraw (offers, "queue/jobs", "tcp://*:5555"), ZF_E_NOT_FOUND);
    assert_changes (offers, "- queue/jobs tcp://127.0.0.1:5555 (own)\n");
    assert_offers (offers, "", "queue/jobs ipc:///run/jobs (own)\n");
    zf_offers_free (&offers);
    assert_null (offers);
    zf_offers_free (&offers);
}

static void withdrawn_wherever_it_is_it_is_gone (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    announce (offers, "queue/jobs", "tcp://*:1");
    announce (offers, "queue/jobs", "tcp://*:2");
    announce (offers, "queue/other", "tcp://*:2");
    assert_int_equal (withdraw (offers, "queue/jobs", NULL), 0);
    assert_int_equal (withdraw (offers, "queue/jobs", NULL), ZF_E_NOT_FOUND);
    assert_offers (offers, "", "queue/other tcp://127.0.0.1:2 (own)\n");
    zf_offers_free (&offers);
}

static void what_is_no_offer_is_not_announced (void **state)
{
    static const char *const endpoints[] = {"",
                                            "tcp",
                                            "tcp://",
                                            "tcp:/x",
                                            "://x",
                                            "tcp://a b:1",
                                            "tcp://a:1\n",
                                            "TCP://a:1",
                                            "zferry://queue/jobs"};
    char text[ZF_OFFER_ENDPOINT_MAX + 2] = "ipc://";
    zf_offers_t *offers = zf_offers_new ();
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++)
        assert_int_equal (announce (offers, "queue/jobs", endpoints[i]), ZF_E_INVAL);
    assert_int_equal (announce (offers, "queue/*", "tcp://a:1"), ZF_E_INVAL);
    memset (text + 6, 'x', ZF_OFFER_ENDPOINT_MAX - 6);
    assert_int_equal (announce (offers, "queue/jobs", text), 1);
    text[ZF_OFFER_ENDPOINT_MAX] = 'x';
    assert_int_equal (announce (offers, "queue/jobs", text), ZF_E_INVAL);
    zf_offers_free (&offers);
}

static void node_offers_at_most_1000 (void **state)
{
    char what[32];
    zf_offers_t *offers = zf_offers_new ();
    for (unsigned i = 0; i < ZF_OFFERS_MAX; i++) {
        snprintf (what, sizeof what, "queue/%u", i);
        assert_int_equal (announce (offers, what, "tcp://*:1"), 1);
    }
    assert_int_equal (announce (offers, "queue/more", "tcp://*:1"), ZF_E_LIMIT);
    assert_int_equal (announce (offers, "queue/7", "tcp://*:1"), 0);
    assert_int_equal (withdraw (offers, "queue/7", NULL), 0);
    assert_int_equal (announce (offers, "queue/more", "tcp://*:1"), 1);
    zf_offers_free (&offers);
}

/* The hosts are for the others to put in. */
static void own_list_is_written_as_it_was_announced (void **state)
{
    golden_set_t *golden = calloc (1, sizeof *golden);
    golden_read_from (golden, "discovery.txt");
    const golden_t *word = golden_find (golden, "offers word");
    const golden_t *list = golden_find (golden, "offers");
    zf_bytes_t lines = zf_bytes (list->frame.data, list->frame.size);
    zf_offers_t *offers = zf_offers_new ();
    zf_writer_t w = {0};
    announce (offers, "queue/jobs", "tcp://*:5555");
    announce (offers, "service/hello", "tcp://10.0.0.7:5560");
    zf_offers_write (offers, &w);
    assert_true (zf_bytes_equal (zf_bytes (w.data, w.size), lines));
    assert_int_equal (word->frame.size, ZF_OFFERS_WORD_BYTES);
    assert_memory_equal (word->frame.data, ZF_OFFERS_WORD, ZF_OFFERS_WORD_BYTES);
    assert_true (zf_offers_replace (offers, a, lines, zf_bytes_of ("10.0.0.7")));
    assert_offers (offers, "*/jobs",
                   "queue/jobs tcp://10.0.0.7:5555 (node a)\n"
                   "queue/jobs tcp://127.0.0.1:5555 (own)\n");
    zf_writer_free (&w);
    zf_offers_free (&offers);
    golden_free (golden);
    free (golden);
}

static void own_host_changes_those_with_a_star (void **state)
{
    char host[300];
    zf_offers_t *offers = zf_offers_new ();
    announce (offers, "queue/a", "tcp://*:1");
    announce (offers, "queue/b", "tcp://10.0.0.9:1");
    announce (offers, "queue/c", "tcp://*:1");
    assert_int_equal (zf_offers_own_host (offers, zf_bytes_of ("127.0.0.1"), me), 0);
    while (zf_offers_next_change (offers, &(zf_offer_view_t){0})) {
    }
    assert_int_equal (zf_offers_own_host (offers, zf_bytes_of ("10.0.0.8"), me), 0);
    assert_changes (offers, "+ queue/a tcp://10.0.0.8:1 (own)\n"
                            "- queue/a tcp://127.0.0.1:1 (own)\n"
                            "+ queue/c tcp://10.0.0.8:1 (own)\n"
                            "- queue/c tcp://127.0.0.1:1 (own)\n");
    assert_int_equal (zf_offers_own_host (offers, zf_bytes_of ("10.0.0.8"), me), 0);
    assert_changes (offers, "");
    memset (host, 'h', sizeof host);
    assert_int_equal (zf_offers_own_host (offers, zf_bytes (host, sizeof host), me), ZF_E_INVAL);
    assert_int_equal (zf_offers_own_host (offers, zf_bytes_of (""), me), ZF_E_INVAL);
    announce (offers, "queue/d", "tcp://*:1");
    withdraw (offers, "queue/c", "tcp://*:1");
    assert_offers (offers, "",
                   "queue/a tcp://10.0.0.8:1 (own)\n"
                   "queue/b tcp://10.0.0.9:1 (own)\n"
                   "queue/d tcp://10.0.0.8:1 (own)\n");
    zf_offers_free (&offers);
}

static void own_order_outlives_a_change_of_host (void **state)
{
    zf_writer_t before = {0}, after = {0};
    zf_offers_t *offers = zf_offers_new ();
    announce (offers, "queue/c", "tcp://*:1");
    announce (offers, "queue/b", "tcp://10.0.0.9:1");
    announce (offers, "queue/a", "tcp://*:1");
    zf_offers_write (offers, &before);
    assert_int_equal (zf_offers_own_host (offers, zf_bytes_of ("10.0.0.8"), me), 0);
    zf_offers_write (offers, &after);
    assert_true (
        zf_bytes_equal (zf_bytes (before.data, before.size), zf_bytes (after.data, after.size)));
    zf_writer_free (&before);
    zf_writer_free (&after);
    zf_offers_free (&offers);
}

static void nobody_speaks_for_us (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    assert_true (say (offers, me, "queue/x tcp://*:1\n"));
    assert_int_equal (zf_offers_own_host (offers, zf_bytes_of ("10.0.0.8"), me), 0);
    assert_offers (offers, "", "");
    assert_false (say (offers, me, "queue/x tcp://*:1\n"));
    announce (offers, "queue/x", "tcp://*:1");
    assert_false (zf_offers_forget (offers, me));
    assert_offers (offers, "", "queue/x tcp://10.0.0.8:1 (own)\n");
    zf_offers_free (&offers);
}

/* -- those of others --------------------------------------------------------------------------- */

static void list_of_a_node_takes_the_place_of_its_last (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    assert_true (say (offers, a, "queue/a tcp://*:1\nqueue/b tcp://*:1\n"));
    assert_changes (offers, "+ queue/a tcp://10.0.0.7:1 (node a)\n"
                            "+ queue/b tcp://10.0.0.7:1 (node a)\n");
    assert_true (say (offers, a, "queue/c tcp://*:1\nqueue/b tcp://*:1\n"));
    assert_changes (offers, "+ queue/c tcp://10.0.0.7:1 (node a)\n"
                            "- queue/a tcp://10.0.0.7:1 (node a)\n");
    assert_true (say (offers, a, ""));
    assert_changes (offers, "- queue/b tcp://10.0.0.7:1 (node a)\n"
                            "- queue/c tcp://10.0.0.7:1 (node a)\n");
    assert_false (say (offers, a, ""));
    assert_offers (offers, "", "");
    zf_offers_free (&offers);
}

static void list_that_says_the_same_changes_nothing (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    assert_true (say (offers, a, "queue/a tcp://*:1\nqueue/b tcp://*:1\n"));
    assert_changes (offers, "+ queue/a tcp://10.0.0.7:1 (node a)\n"
                            "+ queue/b tcp://10.0.0.7:1 (node a)\n");
    size_t before = alloc_count ();
    alloc_enter ();
    assert_false (say (offers, a, "queue/a tcp://*:1\nqueue/b tcp://*:1\n"));
    assert_false (say (offers, a, "queue/b tcp://*:1\nqueue/a tcp://*:1"));
    assert_false (say (offers, a, "queue/b tcp://*:1\nqueue/a tcp://*:1\nqueue/b tcp://*:1"));
    assert_false (say (offers, a, "queue/b tcp://10.0.0.7:1\nqueue/a tcp://[::]:1"));
    alloc_leave ();
    assert_int_equal (alloc_count (), before);
    assert_changes (offers, "");
    zf_offers_free (&offers);
}

static void same_offer_of_two_nodes_is_two_offers (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    say (offers, b, "service/s tcp://10.1.1.1:1");
    say (offers, a, "service/s tcp://10.1.1.1:1");
    assert_offers (offers, "service/s",
                   "service/s tcp://10.1.1.1:1 (node a)\n"
                   "service/s tcp://10.1.1.1:1 (node b)\n");
    assert_true (zf_offers_forget (offers, b));
    assert_false (zf_offers_forget (offers, b));
    assert_offers (offers, "service/s", "service/s tcp://10.1.1.1:1 (node a)\n");
    zf_offers_free (&offers);
}

static void node_seen_at_another_host_offers_there (void **state)
{
    zf_bytes_t lines = zf_bytes_of ("queue/a tcp://*:1\nqueue/b tcp://10.9.9.9:1");
    zf_offers_t *offers = zf_offers_new ();
    assert_true (zf_offers_replace (offers, a, lines, zf_bytes_of ("10.0.0.7")));
    while (zf_offers_next_change (offers, &(zf_offer_view_t){0})) {
    }
    assert_true (zf_offers_replace (offers, a, lines, zf_bytes_of ("fe80::7%eth0")));
    assert_changes (offers, "+ queue/a tcp://[fe80::7%eth0]:1 (node a)\n"
                            "- queue/a tcp://10.0.0.7:1 (node a)\n");
    assert_true (zf_offers_replace (offers, a, lines, zf_bytes (NULL, 0)));
    assert_offers (offers, "", "queue/b tcp://10.9.9.9:1 (node a)\n");
    assert_true (zf_offers_replace (offers, a, lines, zf_bytes_of ("10.0.0.7")));
    assert_false (zf_offers_replace (offers, a, lines, zf_bytes_of ("10.0.0.7")));
    assert_true (zf_offers_replace (offers, a, lines, zf_bytes_of ("h\nost")));
    assert_offers (offers, "", "queue/b tcp://10.9.9.9:1 (node a)\n");
    zf_offers_free (&offers);
}

static void lines_that_are_malformed_are_left_out (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    assert_false (say (offers, a, "\n\n \nqueue/a\nqueue/a \n tcp://*:1\nqueue/* tcp://*:1"));
    assert_false (say (offers, a, "queue/a tcp://*:1 \nqueue/b zferry://queue/b\nx"));
    assert_true (say (offers, a, "queue/a  tcp://*:1\nqueue/b tcp://*:1\nqueue/c tcp://*:1\r\n"));
    assert_offers (offers, "", "queue/b tcp://10.0.0.7:1 (node a)\n");
    static const char zero[] = "queue/a tcp://\0:1\nqueue/c ipc://c";
    assert_true (
        zf_offers_replace (offers, a, zf_bytes (zero, sizeof zero - 1), zf_bytes_of ("h")));
    assert_offers (offers, "", "queue/c ipc://c (node a)\n");
    zf_offers_free (&offers);
}

static char *many_lines (unsigned first, unsigned count)
{
    char *lines = malloc ((size_t) count * 40 + 1);
    size_t size = 0;
    lines[0] = '\0';
    for (unsigned i = first; i < first + count; i++)
        size += (size_t) sprintf (lines + size, "queue/%07u tcp://10.0.0.7:%u\n", i, i % 60000);
    return lines;
}

static void say_many (zf_offers_t *offers, const uint8_t *uuid, unsigned first, unsigned count)
{
    char *lines = many_lines (first, count);
    say (offers, uuid, lines);
    free (lines);
}

static void more_than_1000_of_a_node_are_left_out (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    say_many (offers, a, 0, ZF_OFFERS_MAX + 500);
    assert_int_equal (count_offers (offers), ZF_OFFERS_MAX);
    say_many (offers, a, 5000, ZF_OFFERS_MAX); /* none of them is the same */
    assert_int_equal (count_offers (offers), ZF_OFFERS_MAX);
    assert_offers (offers, "queue/0000007", "");
    assert_offers (offers, "queue/0005999", "queue/0005999 tcp://10.0.0.7:5999 (node a)\n");
    zf_offers_free (&offers);
}

static void all_nodes_together_offer_at_most_65536 (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    uint8_t uuid[ZF_UUID_BYTES] = {1};
    for (unsigned i = 0; i < 100; i++) {
        uuid[1] = (uint8_t) i;
        say_many (offers, uuid, 0, ZF_OFFERS_MAX);
    }
    assert_int_equal (count_offers (offers), ZF_OFFERS_ALL_MAX);
    assert_int_equal (announce (offers, "queue/own", "tcp://*:1"), 1); /* ours fit always */
    uuid[1] = 50;
    say_many (offers, uuid, 5000, ZF_OFFERS_MAX); /* one of these may say others instead */
    assert_int_equal (count_offers (offers), ZF_OFFERS_ALL_MAX + 1);
    uuid[1] = 51;
    assert_true (zf_offers_forget (offers, uuid));
    assert_int_equal (count_offers (offers), ZF_OFFERS_ALL_MAX + 1 - ZF_OFFERS_MAX);
    assert_true (say (offers, b, "queue/b tcp://*:1"));
    zf_offers_free (&offers);
}

static void list_is_read_up_to_its_limit (void **state)
{
    static char lines[ZF_OFFERS_BYTES_MAX + 64];
    static const char line[] = "queue/a tcp://10.0.0.7:1234\n";
    size_t size = sizeof line - 1;
    zf_offers_t *offers = zf_offers_new ();
    memset (lines, '\n', sizeof lines - 1);
    memcpy (lines + ZF_OFFERS_BYTES_MAX - size, line, size);
    assert_true (say (offers, a, lines));
    memset (lines, '\n', sizeof lines - 1);
    memcpy (lines + ZF_OFFERS_BYTES_MAX - size + 1, line, size); /* must not be cut */
    assert_true (say (offers, a, lines));
    assert_offers (offers, "", "");
    zf_offers_free (&offers);
}

/* -- changes ----------------------------------------------------------------------------------- */

static void what_came_and_went_unseen_is_not_shown (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    say (offers, a, "queue/a tcp://*:1\nqueue/b tcp://*:1");
    say (offers, a, "queue/b tcp://*:1");
    assert_changes (offers, "+ queue/b tcp://10.0.0.7:1 (node a)\n");
    say (offers, a, "");
    say (offers, a, "queue/b tcp://*:1");
    assert_changes (offers, "- queue/b tcp://10.0.0.7:1 (node a)\n"
                            "+ queue/b tcp://10.0.0.7:1 (node a)\n");
    zf_offers_free (&offers);
}

static void changes_that_nobody_fetches_are_bounded (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    say_many (offers, a, 0, 100);
    say_many (offers, a, 100, 100);
    while (zf_offers_next_change (offers, &(zf_offer_view_t){0})) {
    }
    say_many (offers, a, 0, 100);
    size_t bytes = alloc_live_bytes ();
    for (unsigned i = 0; i < 100; i++) {
        say_many (offers, a, 100, 100);
        say_many (offers, a, 0, 100);
    }
    assert_true (alloc_live_bytes () <= bytes + 4096);
    zf_offers_free (&offers);
}

static void change_is_valid_until_the_next_one_is_fetched (void **state)
{
    zf_offer_view_t came, went;
    zf_offers_t *offers = zf_offers_new ();
    say (offers, a, "queue/a tcp://*:1");
    assert_true (zf_offers_next_change (offers, &came));
    say (offers, a, "queue/b tcp://*:1");
    assert_string_equal (came.what, "queue/a");
    zf_offers_next_change (offers, &came);
    assert_true (zf_offers_next_change (offers, &went));
    zf_offers_forget (offers, a);
    assert_true (went.is_gone);
    assert_string_equal (went.what, "queue/a");
    assert_string_equal (went.endpoint, "tcp://10.0.0.7:1");
    assert_memory_equal (went.uuid, a, sizeof a);
    zf_offers_free (&offers);
}

/* -- looking up -------------------------------------------------------------------------------- */

static void offers_are_found_by_kind_and_name (void **state)
{
    static const char all[] = "broker/ tcp://b:1 (node a)\n"
                              "broker/east tcp://b:2 (node a)\n"
                              "queue/jobs tcp://q:1 (node a)\n"
                              "queue/mail tcp://q:2 (node a)\n"
                              "service/jobs tcp://s:1 (node a)\n";
    static const char brokers[] = "broker/ tcp://b:1 (node a)\nbroker/east tcp://b:2 (node a)\n";
    zf_offers_t *offers = zf_offers_new ();
    say (offers, a,
         "service/jobs tcp://s:1\nqueue/mail tcp://q:2\nqueue/jobs tcp://q:1\n"
         "broker/east tcp://b:2\nbroker/ tcp://b:1\n");
    assert_offers (offers, "", all);
    assert_offers (offers, "*/*", all);
    assert_offers (offers, "broker", brokers);
    assert_offers (offers, "broker/", brokers);
    assert_offers (offers, "broker/*", brokers);
    assert_offers (offers, "broker/east", "broker/east tcp://b:2 (node a)\n");
    assert_offers (offers, "queue/jobs", "queue/jobs tcp://q:1 (node a)\n");
    assert_offers (offers, "*/jobs",
                   "queue/jobs tcp://q:1 (node a)\nservice/jobs tcp://s:1 (node a)\n");
    assert_offers (offers, "queue/job", "");
    assert_offers (offers, "queue/jobss", "");
    assert_offers (offers, "topic/jobs", "");
    assert_offers (offers, "no pattern", "");
    zf_offers_free (&offers);
}

static void search_ends_when_it_is_enough (void **state)
{
    list_t list = {.most = 2};
    zf_offers_t *offers = zf_offers_new ();
    say (offers, a, "queue/c tcp://*:1\nqueue/a tcp://*:1\nqueue/b tcp://*:1\n");
    assert_int_equal (zf_offers_each (offers, zf_bytes_of ("queue/*"), put_in_list, &list), 2);
    assert_string_equal (list.text, "queue/a tcp://10.0.0.7:1 (node a)\n"
                                    "queue/b tcp://10.0.0.7:1 (node a)\n");
    zf_offers_free (&offers);
}

/* -- against a model --------------------------------------------------------------------------- */

enum { NODES = 3, OFFERS = 6 };

/* Who offers what: a bit for each, as the changes told it. */
typedef struct {
    zf_offers_t *offers;
    unsigned said[NODES], told[NODES];
} model_t;

static void model_say (model_t *model, uint8_t node, unsigned bits)
{
    char lines[OFFERS * 40] = "";
    uint8_t uuid[ZF_UUID_BYTES] = {'n', node};
    size_t size = 0;
    for (unsigned i = 0; i < OFFERS; i++)
        if ((bits >> i & 1) != 0)
            size += (size_t) snprintf (lines + size, sizeof lines - size, "queue/%u tcp://*:%u\n",
                                       i, i + 1);
    assert_int_equal (say (model->offers, uuid, lines), bits != model->said[node]);
    model->said[node] = bits;
}

static void model_fetch (model_t *model)
{
    zf_offer_view_t change;
    while (zf_offers_next_change (model->offers, &change)) {
        unsigned bit = 1u << (change.what[6] - '0');
        unsigned *told = &model->told[change.uuid[1]];
        assert_int_equal ((*told & bit) != 0, change.is_gone);
        *told ^= bit;
    }
    assert_memory_equal (model->told, model->said, sizeof model->told);
}

static void changes_add_up_to_what_is_there (void **state)
{
    uint64_t seed = 8;
    model_t model = {.offers = zf_offers_new ()};
    for (int round = 0; round < 20000; round++) {
        uint8_t node = (uint8_t) rand_below (&seed, NODES);
        size_t expected = 0;
        model_say (&model, node, rand_below (&seed, 4) == 0 ? 0 : rand_below (&seed, 1 << OFFERS));
        if (rand_below (&seed, 3) == 0)
            model_fetch (&model);
        for (unsigned i = 0; i < NODES; i++)
            expected += (size_t) __builtin_popcount (model.said[i]);
        assert_int_equal (count_offers (model.offers), expected);
    }
    zf_offers_free (&model.offers);
}

/* -- without memory ---------------------------------------------------------------------------- */

/* Something of everything; returns false if memory was short anywhere. */
static bool do_all (zf_offers_t *offers)
{
    zf_writer_t w = {0};
    bool well = announce (offers, "queue/own", "tcp://*:1") >= 0;
    well = announce (offers, "queue/own", "tcp://*:2") >= 0 && well;
    well = zf_offers_own_host (offers, zf_bytes_of ("10.0.0.8"), me) == 0 && well;
    say (offers, a, "queue/a tcp://*:1\nqueue/b tcp://*:1");
    say (offers, b, "queue/b tcp://*:1");
    say (offers, a, "queue/b tcp://*:1\nqueue/c tcp://*:1");
    zf_offers_write (offers, &w);
    well = !w.failed && well;
    zf_writer_free (&w);
    return well && count_offers (offers) == 5;
}

static void directory_without_memory_keeps_what_fits (void **state)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        alloc_enter ();
        alloc_fail (n, 1);
        zf_offers_t *offers = zf_offers_new ();
        bool well = offers != NULL && do_all (offers);
        failed = alloc_failures () > 0;
        alloc_fail (1, 0);
        assert_true (well || failed);
        if (offers != NULL) { /* when all is said again it is all there */
            assert_true (do_all (offers));
            zf_offers_free (&offers);
        }
        alloc_leave ();
    }
}

static void node_that_moves_takes_those_with_a_star_along (void **state)
{
    zf_offers_t *offers = zf_offers_new ();
    say (offers, a, "queue/a tcp://*:1\nqueue/b tcp://10.0.0.9:1\n");
    say (offers, b, "queue/a tcp://*:1\n");
    while (zf_offers_next_change (offers, &(zf_offer_view_t){0})) {
    }
    assert_true (zf_offers_move (offers, a, zf_bytes_of ("10.0.0.8")));
    assert_changes (offers, "+ queue/a tcp://10.0.0.8:1 (node a)\n"
                            "- queue/a tcp://10.0.0.7:1 (node a)\n");
    assert_false (zf_offers_move (offers, a, zf_bytes_of ("10.0.0.8")));
    assert_false (zf_offers_move (offers, me, zf_bytes_of ("10.0.0.8")));
    assert_true (say (offers, a, "queue/a tcp://*:1\nqueue/b tcp://10.0.0.9:1\n"));
    assert_offers (offers, "",
                   "queue/a tcp://10.0.0.7:1 (node a)\n"
                   "queue/a tcp://10.0.0.7:1 (node b)\n"
                   "queue/b tcp://10.0.0.9:1 (node a)\n");
    zf_offers_free (&offers);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (offers_are_told_from_other_words),
        cmocka_unit_test (offer_has_at_most_255_bytes),
        cmocka_unit_test (host_takes_the_place_of_any_interface),
        cmocka_unit_test (endpoint_that_does_not_fit_is_refused),
        cmocka_unit_test (own_offers_are_offers),
        cmocka_unit_test (withdrawn_wherever_it_is_it_is_gone),
        cmocka_unit_test (what_is_no_offer_is_not_announced),
        cmocka_unit_test (node_offers_at_most_1000),
        cmocka_unit_test (own_list_is_written_as_it_was_announced),
        cmocka_unit_test (own_host_changes_those_with_a_star),
        cmocka_unit_test (node_that_moves_takes_those_with_a_star_along),
        cmocka_unit_test (own_order_outlives_a_change_of_host),
        cmocka_unit_test (nobody_speaks_for_us),
        cmocka_unit_test (list_of_a_node_takes_the_place_of_its_last),
        cmocka_unit_test (list_that_says_the_same_changes_nothing),
        cmocka_unit_test (same_offer_of_two_nodes_is_two_offers),
        cmocka_unit_test (node_seen_at_another_host_offers_there),
        cmocka_unit_test (lines_that_are_malformed_are_left_out),
        cmocka_unit_test (more_than_1000_of_a_node_are_left_out),
        cmocka_unit_test (all_nodes_together_offer_at_most_65536),
        cmocka_unit_test (list_is_read_up_to_its_limit),
        cmocka_unit_test (what_came_and_went_unseen_is_not_shown),
        cmocka_unit_test (changes_that_nobody_fetches_are_bounded),
        cmocka_unit_test (change_is_valid_until_the_next_one_is_fetched),
        cmocka_unit_test (offers_are_found_by_kind_and_name),
        cmocka_unit_test (search_ends_when_it_is_enough),
        cmocka_unit_test (changes_add_up_to_what_is_there),
        cmocka_unit_test (directory_without_memory_keeps_what_fits),
    };
    return cmocka_run_group_tests_name ("directory", tests, NULL, NULL);
}
