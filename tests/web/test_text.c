/* Texts, URLs, and who may come in: what can be looked at without a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "web/gate.h"
#include "web/text.h"

static void escaped_name_comes_back (void **state)
{
    char name[255];
    char back[256];
    for (int i = 0; i < 255; i++)
        name[i] = (char) (i + 1);
    char *path = zf_web_escape (name, sizeof name);
    assert_int_equal (zf_web_unescape (path, strlen (path), back, sizeof back), 255);
    assert_memory_equal (back, name, sizeof name);
    for (const char *at = path; *at != '\0'; at++)
        assert_true (*at > ' ' && *at <= '~' && strchr ("/?#&+\"<>", *at) == NULL);
    free (path);
}

static void broken_escapes_are_refused (void **state)
{
    static const char *const broken[] = {"%",   "%4",  "a%",    "a%4", "%zz",
                                         "%4z", "%00", "a%00b", "%%41"};
    char back[16];
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        assert_int_equal (zf_web_unescape (broken[i], strlen (broken[i]), back, sizeof back), -1);
    assert_int_equal (zf_web_unescape ("abcd", 4, back, 5), 4);
    assert_int_equal (zf_web_unescape ("abcd", 4, back, 4), -1);
    assert_int_equal (zf_web_unescape ("", 0, back, 1), 0);
    assert_int_equal (zf_web_unescape ("%4aX", 3, back, sizeof back), 1);
    assert_string_equal (back, "J");
}

static void utf8_ends_where_it_breaks (void **state)
{
    static const struct {
        const char *text;
        size_t size;
    } texts[] = {{"plain", 5},
                 {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xa2", 9},
                 {"a\x80", 1},             /* begins with a tail */
                 {"a\xc3", 1},             /* ends too soon */
                 {"a\xc0\xaf", 1},         /* longer than it has to be */
                 {"a\xe0\x80\xaf", 1},     /* the same */
                 {"a\xed\xa0\x80", 1},     /* half of a pair */
                 {"a\xf4\x90\x80\x80", 1}, /* beyond the last */
                 {"a\xff", 1},
                 {"", 0}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal (zf_web_utf8 (texts[i].text, strlen (texts[i].text)), texts[i].size);
}

static void bytes_that_are_no_text_are_base64 (void **state)
{
    static const struct {
        const char *bytes, *base64;
    } cases[] = {{"\xff", "/w=="},
                 {"\xff\xfe", "//4="},
                 {"\xff\xfe\xfd", "//79"},
                 {"a\xff"
                  "bc",
                  "Yf9iYw=="}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *value = zf_web_json_text (cases[i].bytes);
        assert_string_equal (json_string_value (json_object_get (value, "base64")),
                             cases[i].base64);
        json_decref (value);
    }
    json_t *value = zf_web_json_text ("a\"b\n");
    assert_string_equal (json_string_value (value), "a\"b\n");
    json_decref (value);
    value = zf_web_json_bytes ((zf_bytes_t){"a\0b", 3});
    assert_int_equal (json_string_length (value), 3);
    json_decref (value);
}

static void text_grows (void **state)
{
    zf_web_text_t text = {0};
    for (int i = 0; i < 1000; i++)
        zf_web_text_printf (&text, "%d,", i);
    zf_web_text_add (&text, "", 1);
    assert_false (text.failed);
    assert_int_equal (text.size, 3890 + 1);
    assert_int_equal (strncmp (text.data, "0,1,2,", 6), 0);
    assert_string_equal (text.data + 3890 - 8, "998,999,");
    free (text.data);
}

/* -- the gate ---------------------------------------------------------------------------------- */

static void hosts_of_ours_are_let_in (void **state)
{
    static const char *const ours[] = {
        "127.0.0.1",  "127.0.0.1:8090", "10.1.2.3:80",       "[::1]",
        "[::1]:8090", "[fe80::1]:1",    "localhost",         "LocalHost:8090",
        "broker1",    "BROKER1:8090",   "admin.example.org", "admin.example.org:443"};
    static const char *const strange[] = {"",
                                          ":",
                                          ":80",
                                          "evil",
                                          "evil:8090",
                                          "localhost.evil",
                                          "127.0.0.1.evil",
                                          "localhost@evil",
                                          "127.1",
                                          "0177.0.0.1",
                                          "[::1",
                                          "[]",
                                          "[::1]x",
                                          "127.0.0.1:80x",
                                          "a:b:c",
                                          "example.org",
                                          "localhost/",
                                          " localhost"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!zf_web_gate_host (ours[i], "broker1", "https://admin.example.org"))
            fail_msg ("refused: %s", ours[i]);
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++)
        if (zf_web_gate_host (strange[i], "broker1", "https://admin.example.org"))
            fail_msg ("let in: '%s'", strange[i]);
    assert_true (zf_web_gate_host (NULL, "broker1", NULL));
    assert_false (zf_web_gate_host ("broker1", NULL, NULL));
    assert_false (zf_web_gate_host ("admin.example.org", "", NULL));
}

static void own_origin_is_let_in (void **state)
{
    assert_true (zf_web_gate_origin (NULL, "127.0.0.1:80", NULL));
    assert_true (zf_web_gate_origin ("http://127.0.0.1:80", "127.0.0.1:80", NULL));
    assert_true (zf_web_gate_origin ("https://a.example", "127.0.0.1", "https://a.example"));
    assert_false (zf_web_gate_origin ("http://127.0.0.1:81", "127.0.0.1:80", NULL));
    assert_false (zf_web_gate_origin ("https://127.0.0.1:80", "127.0.0.1:80", NULL));
    assert_false (zf_web_gate_origin ("http://127.0.0.1:80.evil", "127.0.0.1:80", NULL));
    assert_false (zf_web_gate_origin ("null", "127.0.0.1:80", NULL));
    assert_false (zf_web_gate_origin ("", "127.0.0.1:80", NULL));
    assert_false (zf_web_gate_origin ("http://", "", "https://a.example"));
    assert_false (zf_web_gate_origin ("http://127.0.0.1", NULL, NULL));
}

static void only_the_token_is_the_token (void **state)
{
    static const char *const wrong[] = {"",
                                        "Bearer",
                                        "Bearer ",
                                        "Bearer secre",
                                        "Bearer secretx",
                                        "Bearer Secret",
                                        "Basic secret",
                                        "secret",
                                        "Bearer  secret",
                                        "Bearer xecret",
                                        "Bearer secrex"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false (zf_web_gate_token (wrong[i], "secret"));
    assert_true (zf_web_gate_token ("Bearer secret", "secret"));
    assert_true (zf_web_gate_token ("bearer secret", "secret"));
    assert_false (zf_web_gate_token (NULL, "secret"));
    assert_false (zf_web_gate_token ("Bearer ", NULL));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (escaped_name_comes_back),
        cmocka_unit_test (broken_escapes_are_refused),
        cmocka_unit_test (utf8_ends_where_it_breaks),
        cmocka_unit_test (bytes_that_are_no_text_are_base64),
        cmocka_unit_test (text_grows),
        cmocka_unit_test (hosts_of_ours_are_let_in),
        cmocka_unit_test (own_origin_is_let_in),
        cmocka_unit_test (only_the_token_is_the_token),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
