#include "core/access.h"

#include "tests/core/alloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "#bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define KEY_C "ccccccccccccccccccccccccccccccccccccccc*"

static zf_access_t *table_of (const char *text)
{
    zf_access_t *access;
    zf_error_t err = {.text = ""};
    int rc = zf_access_parse (&access, zf_bytes_of (text), "rules", &err);
    if (rc != 0)
        print_error ("%s\n", err.text);
    assert_int_equal (rc, 0);
    return access;
}

static zf_subject_t subject_of (const char *key, const char *name)
{
    zf_subject_t subject = {.key = ""};
    snprintf (subject.key, sizeof subject.key, "%s", key);
    snprintf (subject.name, sizeof subject.name, "%s", name);
    return subject;
}

static bool may (const zf_access_t *access, const char *who, zf_right_t right, const char *what)
{
    zf_subject_t subject = subject_of (KEY_A, who);
    return zf_access_may (access, &subject, right, zf_bytes_of (what));
}

static bool key_may (const zf_access_t *access, const char *key, zf_right_t right, const char *what)
{
    zf_subject_t subject = subject_of (key, "somebody");
    return zf_access_may (access, &subject, right, zf_bytes_of (what));
}

/* -- who may what ------------------------------------------------------------------------------ */

static void table_without_rules_allows_everything (void **state)
{
    (void) state;
    zf_access_t *access = table_of ("# nothing here\n\n   \t\r\n");
    assert_true (may (access, "anna", ZF_MAY_ADMINISTER, "*"));
    assert_true (may (access, "", ZF_MAY_POST, ""));
    zf_access_drop (&access);
    assert_null (access);
    assert_true (may (NULL, "anna", ZF_MAY_CONSUME, "jobs"));
}

static void process_itself_may_everything (void **state)
{
    (void) state;
    zf_access_t *access = table_of ("anna post jobs\n");
    assert_true (zf_access_may (access, NULL, ZF_MAY_ADMINISTER, zf_bytes_of ("jobs")));
    zf_access_drop (&access);
}

static void rule_allows_just_that (void **state)
{
    (void) state;
    zf_access_t *access = table_of ("anna post,publish jobs news # and no more\n"
                                    "ben consume jobs\n");
    assert_true (may (access, "anna", ZF_MAY_POST, "jobs"));
    assert_true (may (access, "anna", ZF_MAY_PUBLISH, "jobs"));
    assert_true (may (access, "anna", ZF_MAY_POST, "news"));
    assert_true (may (access, "ben", ZF_MAY_CONSUME, "jobs"));
    assert_false (may (access, "anna", ZF_MAY_CONSUME, "jobs"));
    assert_false (may (access, "anna", ZF_MAY_POST, "job"));
    assert_false (may (access, "anna", ZF_MAY_POST, "jobs2"));
    assert_false (may (access, "anna", ZF_MAY_POST, ""));
    assert_false (may (access, "anna", ZF_MAY_POST, "and"));
    assert_false (may (access, "ben", ZF_MAY_POST, "jobs"));
    assert_false (may (access, "ann", ZF_MAY_POST, "jobs"));
    assert_false (may (access, "", ZF_MAY_POST, "jobs"));
    zf_access_drop (&access);
}

static void prefix_allows_all_names_that_begin_so (void **state)
{
    (void) state;
    zf_access_t *access = table_of ("anna post eu.* eu.de.* us\n"
                                    "anna consume eu.de.b* *\n");
    assert_true (may (access, "anna", ZF_MAY_POST, "eu."));
    assert_true (may (access, "anna", ZF_MAY_POST, "eu.fr"));
    assert_true (may (access, "anna", ZF_MAY_POST, "eu.de.berlin"));
    assert_true (may (access, "anna", ZF_MAY_POST, "eu.de.a"));
    assert_true (may (access, "anna", ZF_MAY_CONSUME, "anything"));
    assert_true (may (access, "anna", ZF_MAY_CONSUME, "eu.de.berlin"));
    assert_false (may (access, "anna", ZF_MAY_POST, "eu"));
    assert_false (may (access, "anna", ZF_MAY_POST, "us.east"));
    assert_false (may (access, "anna", ZF_MAY_POST, "zz"));
    zf_access_drop (&access);
}

static void prefix_of_names_is_for_all_of_them (void **state)
{
    (void) state;
    zf_access_t *access = table_of ("site-* post jobs\n"
                                    "site-1* consume jobs\n"
                                    "* subscribe news\n");
    assert_true (may (access, "site-2", ZF_MAY_POST, "jobs"));
    assert_true (may (access, "site-17", ZF_MAY_POST, "jobs"));
    assert_true (may (access, "site-17", ZF_MAY_CONSUME, "jobs"));
    assert_true (may (access, "site-17", ZF_MAY_SUBSCRIBE, "news"));
    assert_true (may (access, "", ZF_MAY_SUBSCRIBE, "news"));
    assert_false (may (access, "site-2", ZF_MAY_CONSUME, "jobs"));
    assert_false (may (access, "site", ZF_MAY_POST, "jobs"));
    zf_access_drop (&access);
}

static void rules_of_somebody_add_up (void **state)
{
    (void) state;
    zf_access_t *access = table_of ("anna post jobs\nann* consume jobs\nanna subscribe jobs\n" KEY_A
                                    " administer jobs\n");
    assert_true (may (access, "anna", ZF_MAY_POST, "jobs"));
    assert_true (may (access, "anna", ZF_MAY_CONSUME, "jobs"));
    assert_true (may (access, "anna", ZF_MAY_SUBSCRIBE, "jobs"));
    assert_true (may (access, "anna", ZF_MAY_ADMINISTER, "jobs"));
    assert_false (may (access, "anna", ZF_MAY_PUBLISH, "jobs"));
    zf_access_drop (&access);
}

static void key_is_taken_for_what_it_is (void **state)
{
    (void) state;
    zf_access_t *access = table_of (KEY_A " post a\n" KEY_B " post b\n" KEY_C " post c\n");
    assert_true (key_may (access, KEY_A, ZF_MAY_POST, "a"));
    assert_true (key_may (access, KEY_B, ZF_MAY_POST, "b"));
    assert_true (key_may (access, KEY_C, ZF_MAY_POST, "c"));
    assert_false (key_may (access, KEY_A, ZF_MAY_POST, "b"));
    zf_access_drop (&access);
}

static void name_that_looks_like_a_key_is_not_that_key (void **state)
{
    (void) state;
    zf_access_t *access = table_of (KEY_A " post jobs\n");
    zf_subject_t subject = subject_of (KEY_B, KEY_A);
    assert_false (zf_access_may (access, &subject, ZF_MAY_POST, zf_bytes_of ("jobs")));
    zf_access_drop (&access);
}

static void right_on_a_stream_is_one_on_its_groups (void **state)
{
    (void) state;
    zf_access_t *access = table_of ("anna consume news\nben consume news@night\n");
    assert_true (may (access, "anna", ZF_MAY_CONSUME, "news@night"));
    assert_true (may (access, "ben", ZF_MAY_CONSUME, "news@night"));
    assert_false (may (access, "ben", ZF_MAY_CONSUME, "news@day"));
    assert_false (may (access, "ben", ZF_MAY_CONSUME, "news"));
    assert_false (may (access, "anna", ZF_MAY_CONSUME, "news@night.dead"));
    assert_false (may (access, "anna", ZF_MAY_CONSUME, "@news"));
    assert_false (may (access, "anna", ZF_MAY_CONSUME, "news@"));
    zf_access_drop (&access);
}

static void commented_rule_is_none (void **state)
{
    (void) state;
    zf_access_t *access = table_of ("#anna post jobs\n# ben post jobs\nx post y\n#" KEY_A
                                    " post jobs\n########################################\n");
    assert_false (may (access, "anna", ZF_MAY_POST, "jobs"));
    assert_false (may (access, "#anna", ZF_MAY_POST, "jobs"));
    assert_false (may (access, "ben", ZF_MAY_POST, "jobs"));
    zf_access_drop (&access);
}

/* -- what is wrong ----------------------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *error;
} mistakes[] = {
    {"anna", "rules:1: a rule is WHO RIGHT[,RIGHT...] WHAT..."},
    {"\n# x\nanna post", "rules:3: a rule is WHO RIGHT[,RIGHT...] WHAT...: WHAT is missing"},
    {"anna post # jobs", "rules:1: a rule is WHO RIGHT[,RIGHT...] WHAT...: WHAT is missing"},
    {"anna # post jobs", "rules:1: a rule is WHO RIGHT[,RIGHT...] WHAT..."},
    {"anna psot jobs", "rules:1: 'psot' is no right of its own: post, consume, publish, subscribe "
                       "or administer, with commas between"},
    {"anna post, jobs", "rules:1: '' is no right of its own: post, consume, publish, subscribe or "
                        "administer, with commas between"},
    {"a b*c post jobs", "rules:1: 'b*c' is no right of its own: post, consume, publish, subscribe "
                        "or administer, with commas between"},
    {"a*b post jobs", "rules:1: 'a*b': a * stands only at the end"},
    {"a post ok jo*bs", "rules:1: 'jo*bs': a * stands only at the end"},
    {"a post **", "rules:1: '**': a * stands only at the end"},
    {"a post \001x", "rules:1: there are control characters in it"},
    {"a\033[31m post x", "rules:1: there are control characters in it"},
    {"a po\033st x", "rules:1: there are control characters in it"},
    {"0123456789012345678901234567890123456789012345678901234567890123 post x",
     "rules:1: '0123456789012345678901234567890123456789012345678901234567890123...': a name has "
     "at most 63 bytes"},
};

static void mistake_is_told_with_its_line (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT (mistakes); i++) {
        zf_error_t err = {.text = ""};
        zf_access_t *access;
        zf_bytes_t text = zf_bytes_of (mistakes[i].text);
        assert_int_equal (zf_access_parse (&access, text, "rules", &err), ZF_E_INVAL);
        assert_null (access);
        assert_string_equal (err.text, mistakes[i].error);
        assert_int_equal (zf_access_parse (&access, text, "rules", NULL), ZF_E_INVAL);
    }
}

static void too_many_rules_are_refused (void **state)
{
    (void) state;
    static char text[(ZF_RULES_MAX + 1) * 24];
    zf_access_t *access;
    zf_error_t err = {.text = ""};
    size_t size = 0;
    for (uint32_t i = 0; i < ZF_RULES_MAX; i++)
        size += (size_t) snprintf (text + size, sizeof text - size, "u%u post q%u\n", i, i);
    access = table_of (text);
    assert_true (may (access, "u4095", ZF_MAY_POST, "q4095"));
    assert_false (may (access, "u4095", ZF_MAY_POST, "q4094"));
    zf_access_drop (&access);
    snprintf (text + size, sizeof text - size, "x post y\n");
    assert_int_equal (zf_access_parse (&access, zf_bytes_of (text), "rules", &err), ZF_E_LIMIT);
    assert_string_equal (err.text, "rules:4097: more than 4096 rules");
}

static void no_memory_is_told_and_nothing_kept (void **state)
{
    (void) state;
    zf_bytes_t text = zf_bytes_of ("anna post jobs news\nben consume *\n");
    int rc = ZF_E_NOMEM;
    for (size_t n = 1; rc != 0; n++) {
        zf_access_t *access;
        zf_error_t err = {.text = ""};
        alloc_enter ();
        alloc_fail (n, 1);
        rc = zf_access_parse (&access, text, "rules", &err);
        alloc_fail (0, 0);
        alloc_leave ();
        assert_int_equal (err.code, rc);
        assert_true ((access == NULL) == (rc != 0));
        assert_in_range (n, 1, 20);
        zf_access_drop (&access);
    }
}

static void table_stays_while_it_is_held (void **state)
{
    (void) state;
    zf_access_t *access = table_of ("anna post jobs\n");
    zf_access_t *other = zf_access_hold (access);
    zf_access_drop (&access);
    assert_true (may (other, "anna", ZF_MAY_POST, "jobs"));
    assert_false (may (other, "ben", ZF_MAY_POST, "jobs"));
    zf_access_drop (&other);
    zf_access_drop (&other);
}

static void rights_have_names (void **state)
{
    (void) state;
    assert_string_equal (zf_right_name (ZF_MAY_POST), "post");
    assert_string_equal (zf_right_name (ZF_MAY_CONSUME), "consume");
    assert_string_equal (zf_right_name (ZF_MAY_PUBLISH), "publish");
    assert_string_equal (zf_right_name (ZF_MAY_SUBSCRIBE), "subscribe");
    assert_string_equal (zf_right_name (ZF_MAY_ADMINISTER), "administer");
    assert_string_equal (zf_right_name (ZF_MAY_PUBLISH | ZF_MAY_POST), "publish");
}

static void refusal_is_readable_whatever_the_name (void **state)
{
    (void) state;
    char text[ZF_REFUSAL_TEXT];
    zf_right_refusal (text, ZF_MAY_CONSUME, zf_bytes_of ("jobs"));
    assert_string_equal (text, "may not consume from 'jobs'");
    zf_right_refusal (text, ZF_MAY_PUBLISH, zf_bytes_of ("ne\033[1mws\n"));
    assert_string_equal (text, "may not publish to 'ne[1mws'");
    char name[1000];
    memset (name, 'x', sizeof name);
    zf_right_refusal (text, ZF_MAY_ADMINISTER, zf_bytes (name, sizeof name));
    assert_int_equal (strlen (text), ZF_REFUSAL_TEXT - 1);
    assert_int_equal (text[ZF_REFUSAL_TEXT - 2], '\'');
}

static void right_somewhere_is_any_of_ones_rules (void **state)
{
    (void) state;
    zf_subject_t anna = subject_of (KEY_A, "anna");
    zf_subject_t ben = subject_of (KEY_B, "ben");
    zf_access_t *access = table_of ("ann* post x\nben consume y\n" KEY_B " subscribe *\n");
    assert_true (zf_access_may_somewhere (access, &anna, ZF_MAY_POST));
    assert_false (zf_access_may_somewhere (access, &anna, ZF_MAY_CONSUME));
    assert_true (zf_access_may_somewhere (access, &ben, ZF_MAY_CONSUME));
    assert_true (zf_access_may_somewhere (access, &ben, ZF_MAY_SUBSCRIBE));
    assert_false (zf_access_may_somewhere (access, &ben, ZF_MAY_POST));
    assert_true (zf_access_may_somewhere (access, NULL, ZF_MAY_POST));
    assert_true (zf_access_may_somewhere (NULL, &ben, ZF_MAY_POST));
    zf_access_drop (&access);
}

/* -- against a plain look at every rule -------------------------------------------------------- */

typedef struct {
    char who[8], what[8];
    uint32_t rights;
} plain_rule_t;

static bool fits (const char *pattern, const char *text)
{
    size_t size = strlen (pattern);
    return pattern[size - 1] == '*' ? strncmp (pattern, text, size - 1) == 0
                                    : strcmp (pattern, text) == 0;
}

static void make_word (char word[8], unsigned seed)
{
    size_t size = seed % 4;
    for (size_t i = 0; i < size; i++)
        word[i] = "ab"[seed >> (8 + i) & 1];
    snprintf (word + size, 8 - size, "%s", size == 0 || (seed >> 20 & 1) != 0 ? "*" : "");
}

static void every_table_says_what_its_rules_say (void **state)
{
    (void) state;
    static const char *const words[] = {"a",   "b",   "aa",  "ab",  "ba",  "bb",
                                        "aaa", "aba", "bab", "bbb", "abab"};
    unsigned seed = 1;
    for (int round = 0; round < 300; round++) {
        plain_rule_t rules[12];
        char text[512] = "";
        for (size_t i = 0; i < COUNT (rules); i++) {
            seed = seed * 1664525u + 1013904223u;
            make_word (rules[i].who, seed);
            seed = seed * 1664525u + 1013904223u;
            make_word (rules[i].what, seed);
            rules[i].rights = (seed >> 25 & 1) != 0 ? ZF_MAY_POST : ZF_MAY_CONSUME;
            size_t used = strlen (text);
            snprintf (text + used, sizeof text - used, "%s %s %s\n", rules[i].who,
                      zf_right_name (rules[i].rights), rules[i].what);
        }
        zf_access_t *access = table_of (text);
        for (size_t w = 0; w < COUNT (words) * COUNT (words); w++) {
            const char *who = words[w % COUNT (words)];
            const char *what = words[w / COUNT (words)];
            uint32_t rights = 0;
            for (size_t i = 0; i < COUNT (rules); i++)
                if (fits (rules[i].who, who) && fits (rules[i].what, what))
                    rights |= rules[i].rights;
            assert_int_equal (may (access, who, ZF_MAY_POST, what), (rights & ZF_MAY_POST) != 0);
            assert_int_equal (may (access, who, ZF_MAY_CONSUME, what),
                              (rights & ZF_MAY_CONSUME) != 0);
        }
        zf_access_drop (&access);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (table_without_rules_allows_everything),
        cmocka_unit_test (process_itself_may_everything),
        cmocka_unit_test (rule_allows_just_that),
        cmocka_unit_test (prefix_allows_all_names_that_begin_so),
        cmocka_unit_test (prefix_of_names_is_for_all_of_them),
        cmocka_unit_test (rules_of_somebody_add_up),
        cmocka_unit_test (key_is_taken_for_what_it_is),
        cmocka_unit_test (name_that_looks_like_a_key_is_not_that_key),
        cmocka_unit_test (right_on_a_stream_is_one_on_its_groups),
        cmocka_unit_test (commented_rule_is_none),
        cmocka_unit_test (mistake_is_told_with_its_line),
        cmocka_unit_test (too_many_rules_are_refused),
        cmocka_unit_test (no_memory_is_told_and_nothing_kept),
        cmocka_unit_test (table_stays_while_it_is_held),
        cmocka_unit_test (rights_have_names),
        cmocka_unit_test (refusal_is_readable_whatever_the_name),
        cmocka_unit_test (right_somewhere_is_any_of_ones_rules),
        cmocka_unit_test (every_table_says_what_its_rules_say),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
