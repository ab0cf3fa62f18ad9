/* A security: our own key, rules, and what happens when files change. */
#include "tests/devices/keyring.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>

#define LONG_MS 60000 /* after this a file is not fresh any more */

/* -- the clock, and marks ---------------------------------------------------------------------- */

static uint64_t later_ms; /* than it is */
static bool is_frozen;    /* all marks are the same */
static uint64_t now_ms;   /* of the monotonic clock */

uint64_t __wrap_zf_clock_ms (void);

uint64_t __real_zf_clock_wall_ms (void);
uint64_t __wrap_zf_clock_wall_ms (void);
uint64_t __real_zf_keyring_mark (const char *path, uint64_t *newest);
uint64_t __wrap_zf_keyring_mark (const char *path, uint64_t *newest);

uint64_t __wrap_zf_clock_ms (void)
{
    return now_ms;
}

uint64_t __wrap_zf_clock_wall_ms (void)
{
    return __real_zf_clock_wall_ms () + later_ms;
}

uint64_t __wrap_zf_keyring_mark (const char *path, uint64_t *newest)
{
    uint64_t mark = __real_zf_keyring_mark (path, newest);
    return is_frozen ? 1 : mark;
}

static int set_clock (void **state)
{
    later_ms = 0;
    is_frozen = false;
    return set_up (state);
}

/* -- our own key ------------------------------------------------------------------------------- */

static void own_key_others_may_read_is_refused (void **state)
{
    rig_t *rig = *state;
    static const mode_t wrong[] = {0644, 0640, 0604, 0610, 0602, 0620, 0601, 0660};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char expected[600];
        assert_int_equal (chmod (rig->key_path, wrong[i]), 0);
        snprintf (expected, sizeof expected, "hub: others may read it (mode %04o); chmod 600 %s",
                  (unsigned) wrong[i], rig->key_path);
        assert_fails (rig, open_security (rig), ZF_E_DENIED, expected);
        assert_null (rig->security);
    }
    assert_int_equal (chmod (rig->key_path, 0400), 0);
    assert_int_equal (open_security (rig), 0);
    assert_string_equal (zf_security_public_key (rig->security), rig->hub);
    assert_null (zf_security_server_key (rig->security));
}

static void own_key_that_is_none_is_refused (void **state)
{
    rig_t *rig = *state;
    put_file (rig, "mixed",
              "curve\n  public-key = \"" PUBLIC "\"\n"
              "  secret-key = \"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs\"\n");
    assert_int_equal (chmod (path_of (rig, "mixed"), 0600), 0);
    snprintf (rig->key_path, PATH_TEXT, "%s/mixed", rig->dir);
    assert_fails (rig, open_security (rig), ZF_E_INVAL,
                  "mixed: its public key is not that of its secret key");
    snprintf (rig->key_path, PATH_TEXT, "%s/ann.pub", rig->dir);
    assert_int_equal (chmod (rig->key_path, 0644), 0);
    assert_fails (rig, open_security (rig), ZF_E_INVAL,
                  "ann.pub: that is the half for others; ours is the file without .pub");
    assert_int_equal (chmod (rig->key_path, 0600), 0);
    assert_fails (rig, open_security (rig), ZF_E_INVAL,
                  "ann.pub: there is no secret key in it; ours is the file without .pub");
    snprintf (rig->key_path, PATH_TEXT, "%s/none", rig->dir);
    assert_fails (rig, open_security (rig), ZF_E_NOT_FOUND, "none: No such file or directory");
    rig->options.key = NULL;
    assert_int_equal (open_security (rig), ZF_E_INVAL);
    assert_string_equal (rig->err.text, "security options: no key, the file of our own");
}

static void options_that_make_no_sense_are_refused (void **state)
{
    rig_t *rig = *state;
    zf_security_options_t raw = {.key = rig->key_path};
    assert_int_equal (zf_security_open (&rig->security, NULL, &rig->err), ZF_E_INVAL);
    assert_int_equal (zf_security_open (&rig->security, &raw, &rig->err), ZF_E_INVAL);
    assert_string_equal (rig->err.text,
                         "security options: set them up with zf_security_defaults ()");
    rig->options.rules = rig->key_path;
    rig->options.rules_text = "* post *";
    assert_int_equal (open_security (rig), ZF_E_INVAL);
    assert_string_equal (rig->err.text,
                         "security options: rules come from a file or a text, not both");
}

static void server_key_is_a_key_or_a_file (void **state)
{
    rig_t *rig = *state;
    char path[PATH_TEXT];
    snprintf (path, sizeof path, "%s/ann.pub", rig->dir);
    rig->options.server_key = path;
    assert_int_equal (open_security (rig), 0);
    assert_string_equal (zf_security_server_key (rig->security), rig->ann);
    zf_security_close (&rig->security);
    rig->options.server_key = rig->ann;
    assert_int_equal (open_security (rig), 0);
    assert_string_equal (zf_security_server_key (rig->security), rig->ann);
    zf_security_close (&rig->security);
    snprintf (path, sizeof path, "%s/bob.pub", rig->dir);
    rig->options.server_key = path;
    assert_fails (rig, open_security (rig), ZF_E_NOT_FOUND,
                  "bob.pub: there is no such file, and it is no key (40 characters, Z85)");
}

/* -- changes ----------------------------------------------------------------------------------- */

static void watch_key_added_and_removed_is_noticed (void **state)
{
    rig_t *rig = *state;
    char list[200];
    open_with_list (rig, line_of (rig->ann, "ann"));
    uint64_t version = zf_security_version (rig->security);
    snprintf (list, sizeof list, "%s ann\n%s new\n", rig->ann, PUBLIC);
    put_file (rig, "keys", list);
    zf_security_watch (rig->security);
    assert_true (is_let_in (rig, rig->ann) && is_let_in (rig, PUBLIC));
    assert_true (zf_security_version (rig->security) > version);
    assert_told (rig, 0, "keys: read again: 2 keys");
    put_file (rig, "keys", "# nobody\n");
    zf_security_watch (rig->security);
    assert_false (is_let_in (rig, rig->ann) || is_let_in (rig, PUBLIC));
    assert_told (rig, 1, "keys: read again: 0 keys");
    assert_int_equal (rig->log.count, 2);
}

static void watch_same_file_size_and_time_is_noticed (void **state)
{
    rig_t *rig = *state;
    struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    open_with_list (rig, line_of (rig->ann, "ann"));
    later_ms = LONG_MS;
    utimensat (AT_FDCWD, rig->authorised_path, old, 0);
    zf_security_watch (rig->security);
    FILE *file = fopen (rig->authorised_path, "r+");
    assert_non_null (file);
    assert_true (fputs (line_of (PUBLIC, "ann"), file) >= 0);
    assert_int_equal (fclose (file), 0);
    utimensat (AT_FDCWD, rig->authorised_path, old, 0);
    zf_security_watch (rig->security);
    assert_true (is_let_in (rig, PUBLIC));
    assert_false (is_let_in (rig, rig->ann));
}

static void watch_fresh_file_is_read_even_if_its_mark_is_the_same (void **state)
{
    rig_t *rig = *state;
    is_frozen = true;
    open_with_list (rig, line_of (rig->ann, "ann"));
    put_file (rig, "keys", line_of (PUBLIC, "new"));
    zf_security_watch (rig->security);
    assert_true (is_let_in (rig, PUBLIC));
    later_ms = LONG_MS;
    zf_security_watch (rig->security);
    put_file (rig, "keys", line_of (rig->ann, "ann"));
    zf_security_watch (rig->security); /* as if nothing had happened */
    assert_true (is_let_in (rig, PUBLIC));
}

static void watch_without_descriptors_is_tried_again (void **state)
{
    rig_t *rig = *state;
    struct rlimit before, none;
    open_with_list (rig, line_of (rig->ann, "ann"));
    later_ms = LONG_MS;
    put_file (rig, "keys", line_of (PUBLIC, "new"));
    assert_int_equal (getrlimit (RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal (setrlimit (RLIMIT_NOFILE, &none), 0);
    zf_security_watch (rig->security);
    assert_int_equal (setrlimit (RLIMIT_NOFILE, &before), 0);
    assert_told (rig, 0, "keys: Too many open files; what was in force stays so");
    assert_true (is_let_in (rig, rig->ann));
    zf_security_watch (rig->security);
    assert_true (is_let_in (rig, PUBLIC));
}

static void watch_nothing_new_is_no_change (void **state)
{
    rig_t *rig = *state;
    open_with_list (rig, line_of (rig->ann, "ann"));
    uint64_t version = zf_security_version (rig->security);
    put_file (rig, "keys", line_of (rig->ann, "ann"));
    for (int i = 0; i < 3; i++)
        zf_security_watch (rig->security);
    assert_int_equal (zf_security_version (rig->security), version);
    assert_int_equal (rig->log.count, 0);
}

static void watch_name_alone_is_a_change (void **state)
{
    rig_t *rig = *state;
    zf_subject_t who;
    open_with_list (rig, line_of (rig->ann, "ann"));
    put_file (rig, "keys", line_of (rig->ann, "bob"));
    zf_security_watch (rig->security);
    assert_true (zf_security_find (rig->security, rig->ann, &who));
    assert_string_equal (who.name, "bob");
}

static void watch_wrong_file_old_one_stays_and_is_told_once (void **state)
{
    rig_t *rig = *state;
    open_with_list (rig, line_of (rig->ann, "ann"));
    uint64_t version = zf_security_version (rig->security);
    put_file (rig, "keys", "nonsense\n");
    for (int i = 0; i < 3; i++)
        zf_security_watch (rig->security);
    assert_true (is_let_in (rig, rig->ann));
    assert_int_equal (zf_security_version (rig->security), version);
    assert_told (rig, 0,
                 "keys:1: a line is KEY NAME, and this begins with no key (40 characters, "
                 "Z85); what was in force stays so");
    assert_int_equal (rig->log.count, 1);
    remove_file (rig, "keys");
    zf_security_watch (rig->security);
    zf_security_watch (rig->security);
    assert_told (rig, 1, "keys: No such file or directory; what was in force stays so");
    assert_int_equal (rig->log.count, 2);
    assert_true (is_let_in (rig, rig->ann));
    put_file (rig, "keys", line_of (PUBLIC, "new"));
    zf_security_watch (rig->security);
    assert_true (is_let_in (rig, PUBLIC));
    assert_false (is_let_in (rig, rig->ann));
    assert_int_equal (rig->log.count, 3);
}

/* Whoever takes a key away has to be sure that it is gone. */
static void watch_key_taken_from_a_directory_with_a_wrong_file_is_gone (void **state)
{
    rig_t *rig = *state;
    use_directory (rig);
    put_file (rig, "dir/a.pub", "curve\n  public-key = \"" PUBLIC "\"\n");
    assert_int_equal (rename (path_of (rig, "ann.pub"), path_of (rig, "dir/ann.pub")), 0);
    assert_int_equal (open_security (rig), 0);
    put_file (rig, "dir/b.pub", "nonsense\n");
    for (int i = 0; i < 3; i++)
        zf_security_watch (rig->security);
    assert_int_equal (rig->log.count, 1);
    assert_non_null (strstr (rig->log.texts[0], "dir/b.pub"));
    assert_non_null (strstr (rig->log.texts[0], "; it is left out"));
    assert_true (is_let_in (rig, PUBLIC));
    remove_file (rig, "dir/a.pub");
    for (int i = 0; i < 3; i++)
        zf_security_watch (rig->security);
    assert_false (is_let_in (rig, PUBLIC));
    assert_true (is_let_in (rig, rig->ann));
    assert_int_equal (rig->log.count, 3); /* read again, and what is still wrong */
    assert_string_equal (rig->log.texts[2], rig->log.texts[0]);
}

static void watch_file_of_a_directory_is_noticed (void **state)
{
    rig_t *rig = *state;
    use_directory (rig);
    put_file (rig, "dir/a.pub", "curve\n  public-key = \"" PUBLIC "\"\n");
    assert_int_equal (open_security (rig), 0);
    assert_int_equal (rename (path_of (rig, "ann.pub"), path_of (rig, "dir/ann.pub")), 0);
    zf_security_watch (rig->security);
    assert_true (is_let_in (rig, rig->ann) && is_let_in (rig, PUBLIC));
    assert_told (rig, 0, "dir: read again: 2 keys");
    remove_file (rig, "dir/a.pub");
    zf_security_watch (rig->security);
    assert_true (is_let_in (rig, rig->ann));
    assert_false (is_let_in (rig, PUBLIC));
}

static void reload_that_fails_says_why_and_leaves_all (void **state)
{
    rig_t *rig = *state;
    put_file (rig, "rules", "ann post jobs\n");
    snprintf (rig->rules_path, PATH_TEXT, "%s/rules", rig->dir);
    rig->options.rules = rig->rules_path;
    open_with_list (rig, line_of (rig->ann, "ann"));
    uint64_t version = zf_security_version (rig->security);
    later_ms = LONG_MS;
    put_file (rig, "keys", line_of (PUBLIC, "new"));
    put_file (rig, "rules", "ann sing jobs\n");
    assert_int_equal (zf_security_reload (rig->security, &rig->err), ZF_E_INVAL);
    assert_non_null (strstr (rig->err.text, "/rules:1: "));
    assert_true (is_let_in (rig, rig->ann));
    assert_false (is_let_in (rig, PUBLIC));
    assert_int_equal (zf_security_version (rig->security), version);
    zf_security_watch (rig->security); /* what was good of it is not forgotten */
    assert_false (is_let_in (rig, rig->ann));
    assert_true (is_let_in (rig, PUBLIC));
    put_file (rig, "rules", "new consume jobs\n");
    assert_int_equal (zf_security_reload (rig->security, &rig->err), 0);
    assert_told (rig, rig->log.count - 1, "rules: read again");
}

/* -- rules ------------------------------------------------------------------------------------- */

static bool may (rig_t *rig, const char *name, zf_right_t right)
{
    zf_subject_t who = {.name = ""};
    zf_access_t *access = zf_security_access (rig->security);
    snprintf (who.key, sizeof who.key, "%s", rig->ann);
    snprintf (who.name, sizeof who.name, "%s", "ann");
    bool allowed = zf_access_may (access, &who, right, zf_bytes_of (name));
    zf_access_drop (&access);
    return allowed;
}

static void rules_file_is_in_force_and_followed (void **state)
{
    rig_t *rig = *state;
    put_file (rig, "rules", "ann post jobs\n");
    snprintf (rig->rules_path, PATH_TEXT, "%s/rules", rig->dir);
    rig->options.rules = rig->rules_path;
    assert_int_equal (open_security (rig), 0);
    assert_true (may (rig, "jobs", ZF_MAY_POST));
    assert_false (may (rig, "jobs", ZF_MAY_CONSUME));
    zf_access_t *before = zf_security_access (rig->security);
    uint64_t version = zf_security_version (rig->security);
    put_file (rig, "rules", "ann consume jobs\n");
    zf_security_watch (rig->security);
    assert_false (may (rig, "jobs", ZF_MAY_POST));
    assert_true (may (rig, "jobs", ZF_MAY_CONSUME));
    assert_true (zf_security_version (rig->security) > version);
    assert_told (rig, 0, "rules: read again");
    zf_access_drop (&before);
}

static void rules_file_emptied_allows_no_more_than_before (void **state)
{
    rig_t *rig = *state;
    put_file (rig, "rules", "ann post jobs\n");
    snprintf (rig->rules_path, PATH_TEXT, "%s/rules", rig->dir);
    rig->options.rules = rig->rules_path;
    assert_int_equal (open_security (rig), 0);
    put_file (rig, "rules", " \n");
    zf_security_watch (rig->security);
    assert_false (may (rig, "jobs", ZF_MAY_ADMINISTER));
    assert_told (rig, 0,
                 "rules: empty: without a rule everything is allowed; if that is meant, "
                 "give no rules; what was in force stays so");
}

static void rules_file_of_comments_alone_allows_no_more_than_before (void **state)
{
    rig_t *rig = *state;
    put_file (rig, "rules", "ann post jobs # for now\n");
    snprintf (rig->rules_path, PATH_TEXT, "%s/rules", rig->dir);
    rig->options.rules = rig->rules_path;
    assert_int_equal (open_security (rig), 0);
    put_file (rig, "rules", "# ann post jobs # for now\n\t#\n");
    zf_security_watch (rig->security);
    assert_false (may (rig, "jobs", ZF_MAY_ADMINISTER));
    assert_int_equal (rig->log.count, 1);
    zf_security_close (&rig->security);
    assert_int_equal (open_security (rig), ZF_E_INVAL);
}

static void rules_text_is_in_force (void **state)
{
    rig_t *rig = *state;
    rig->options.rules_text = "ann publish *\n";
    assert_int_equal (open_security (rig), 0);
    assert_true (may (rig, "news", ZF_MAY_PUBLISH));
    assert_false (may (rig, "news", ZF_MAY_POST));
    zf_security_close (&rig->security);
    rig->options.rules_text = "ann\n";
    assert_int_equal (open_security (rig), ZF_E_INVAL);
    assert_non_null (strstr (rig->err.text, "rules:1: "));
}

/* -- life -------------------------------------------------------------------------------------- */

static void security_closed_those_who_hold_it_go_on_and_on_log_is_silent (void **state)
{
    rig_t *rig = *state;
    open_with_list (rig, line_of (rig->ann, "ann"));
    zf_security_t *held = zf_security_hold (rig->security);
    zf_security_close (&rig->security);
    assert_null (rig->security);
    assert_true (zf_security_find (held, rig->ann, NULL));
    put_file (rig, "keys", line_of (PUBLIC, "new"));
    zf_security_watch (held);
    assert_true (zf_security_find (held, PUBLIC, NULL));
    zf_security_log (held, "nobody hears %d", 1);
    assert_int_equal (rig->log.count, 0);
    zf_security_drop (&held);
    assert_null (held);
}

static void security_none_and_insecure_pass_through (void **state)
{
    zf_security_t *none = NULL;
    zf_security_t *insecure = zf_security_insecure ();
    assert_null (zf_security_hold (NULL));
    assert_ptr_equal (zf_security_hold (insecure), insecure);
    assert_true (zf_security_is_insecure (insecure));
    assert_false (zf_security_is_insecure (NULL));
    assert_false (zf_security_is_on (insecure) || zf_security_is_on (NULL));
    assert_int_equal (zf_security_reload (insecure, NULL), 0);
    zf_security_drop (&none);
    zf_security_close (&none);
    zf_security_close (&insecure);
    assert_null (insecure);
    assert_ptr_equal (zf_security_insecure (), zf_security_insecure ());
}

static void log_flood_is_bounded_and_counted (void **state)
{
    rig_t *rig = *state;
    assert_int_equal (open_security (rig), 0);
    now_ms = 5000;
    for (int i = 0; i < 120; i++)
        zf_security_log (rig->security, "refused %d", i);
    assert_int_equal (rig->log.count, 20);
    assert_string_equal (rig->log.texts[19], "refused 19");
    now_ms += 1000;
    zf_security_watch (rig->security);
    assert_int_equal (rig->log.count, 21);
    assert_string_equal (rig->log.texts[20], "100 more that were not told");
    zf_security_log (rig->security, "refused again");
    assert_int_equal (rig->log.count, 22);
    now_ms += 1000;
    zf_security_watch (rig->security);
    assert_int_equal (rig->log.count, 22);
}

typedef struct {
    rig_t *rig;
    atomic_bool ends;
} reader_t;

/* ann is in all that is ever in force. */
static void *find_all_the_time (void *arg)
{
    reader_t *reader = arg;
    size_t misses = 0;
    while (!atomic_load (&reader->ends)) {
        zf_access_t *access = zf_security_access (reader->rig->security);
        misses += !is_let_in (reader->rig, reader->rig->ann) || access == NULL;
        zf_access_drop (&access);
    }
    return (void *) misses;
}

static void reload_while_others_ask_nobody_is_missed (void **state)
{
    rig_t *rig = *state;
    pthread_t threads[2];
    reader_t reader = {.rig = rig};
    char list[200];
    put_file (rig, "rules", "ann post jobs\n");
    snprintf (rig->rules_path, PATH_TEXT, "%s/rules", rig->dir);
    rig->options.rules = rig->rules_path;
    open_with_list (rig, line_of (rig->ann, "ann"));
    for (int i = 0; i < 2; i++)
        assert_int_equal (pthread_create (&threads[i], NULL, find_all_the_time, &reader), 0);
    for (int i = 0; i < 100; i++) {
        snprintf (list, sizeof list, "%s n%d\n%s ann\n", PUBLIC, i, rig->ann);
        put_file (rig, "keys", list);
        put_file (rig, "rules", i % 2 == 0 ? "ann consume jobs\n" : "ann post jobs\n");
        assert_int_equal (zf_security_reload (rig->security, &rig->err), 0);
    }
    atomic_store (&reader.ends, true);
    for (int i = 0; i < 2; i++) {
        void *misses = NULL;
        assert_int_equal (pthread_join (threads[i], &misses), 0);
        assert_null (misses);
    }
    assert_true (zf_security_version (rig->security) >= 200);
}

static void limits_by_default_bound_the_handshake_alone (void **state)
{
    zf_limits_t limits;
    zf_limits_defaults (&limits);
    assert_int_equal (limits.struct_size, sizeof limits);
    assert_int_equal (limits.handshake_ms, 5000);
    assert_int_equal (limits.connections + limits.records_per_s + limits.queues, 0);
    assert_int_equal (limits.bytes_per_s, 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown (function, set_clock, tear_down)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (own_key_others_may_read_is_refused),
        CASE (own_key_that_is_none_is_refused),
        CASE (options_that_make_no_sense_are_refused),
        CASE (server_key_is_a_key_or_a_file),
        CASE (watch_key_added_and_removed_is_noticed),
        CASE (watch_same_file_size_and_time_is_noticed),
        CASE (watch_fresh_file_is_read_even_if_its_mark_is_the_same),
        CASE (watch_without_descriptors_is_tried_again),
        CASE (watch_nothing_new_is_no_change),
        CASE (watch_name_alone_is_a_change),
        CASE (watch_wrong_file_old_one_stays_and_is_told_once),
        CASE (watch_key_taken_from_a_directory_with_a_wrong_file_is_gone),
        CASE (watch_file_of_a_directory_is_noticed),
        CASE (reload_that_fails_says_why_and_leaves_all),
        CASE (rules_file_is_in_force_and_followed),
        CASE (rules_file_emptied_allows_no_more_than_before),
        CASE (rules_file_of_comments_alone_allows_no_more_than_before),
        CASE (rules_text_is_in_force),
        CASE (security_closed_those_who_hold_it_go_on_and_on_log_is_silent),
        cmocka_unit_test (security_none_and_insecure_pass_through),
        CASE (log_flood_is_bounded_and_counted),
        CASE (reload_while_others_ask_nobody_is_missed),
        cmocka_unit_test (limits_by_default_bound_the_handshake_alone),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
