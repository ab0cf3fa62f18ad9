/* Keys in files: pairs that are made, certificates, and who is authorised. */
#include "tests/devices/keyring.h"

#include <czmq.h>

/* -- pairs of keys ----------------------------------------------------------------------------- */

static void key_made_secret_is_for_its_owner_alone (void **state)
{
    rig_t *rig = *state;
    struct stat is;
    assert_int_equal (stat (path_of (rig, "ann"), &is), 0);
    assert_int_equal (is.st_mode & 07777, 0600);
    assert_int_equal (stat (path_of (rig, "ann.pub"), &is), 0);
    assert_int_equal (is.st_mode & 0600, 0600);
}

static void key_made_umask_does_not_open_the_secret (void **state)
{
    rig_t *rig = *state;
    struct stat is;
    mode_t before = umask (0);
    assert_int_equal (zf_key_make (path_of (rig, "bob"), NULL, &rig->err), 0);
    umask (before);
    assert_int_equal (stat (path_of (rig, "bob"), &is), 0);
    assert_int_equal (is.st_mode & 07777, 0600);
}

static void key_made_czmq_reads_it (void **state)
{
    rig_t *rig = *state;
    zcert_t *both = zcert_load (path_of (rig, "ann"));
    zcert_t *public = zcert_load (path_of (rig, "ann.pub"));
    char derived[ZF_KEY_TEXT];
    assert_non_null (both);
    assert_non_null (public);
    assert_string_equal (zcert_public_txt (both), rig->ann);
    assert_string_equal (zcert_public_txt (public), rig->ann);
    assert_string_equal (zcert_meta (public, "name"), "ann");
    assert_int_equal (zmq_curve_public (derived, zcert_secret_txt (both)), 0);
    assert_string_equal (derived, rig->ann);
    zcert_destroy (&both);
    zcert_destroy (&public);
}

static void key_of_czmq_is_read (void **state)
{
    rig_t *rig = *state;
    char key[ZF_KEY_TEXT];
    zcert_t *cert = zcert_new ();
    zcert_set_meta (cert, "name", "%s", "Somebody's key");
    zcert_set_meta (cert, "e-mail", "%s", "a@b = # c");
    assert_int_equal (zcert_save_secret (cert, path_of (rig, "cz")), 0);
    assert_int_equal (zcert_save_public (cert, path_of (rig, "cz.pub")), 0);
    assert_int_equal (zf_key_read (path_of (rig, "cz.pub"), key, &rig->err), 0);
    assert_string_equal (key, zcert_public_txt (cert));
    snprintf (rig->key_path, PATH_TEXT, "%s/cz", rig->dir);
    assert_int_equal (open_security (rig), 0);
    assert_string_equal (zf_security_public_key (rig->security), key);
    assert_memory_equal (zf_security_own_public (rig->security), zcert_public_key (cert), 32);
    assert_memory_equal (zf_security_own_secret (rig->security), zcert_secret_key (cert), 32);
    zcert_destroy (&cert);
}

static void key_that_is_there_is_not_written_over (void **state)
{
    rig_t *rig = *state;
    char key[ZF_KEY_TEXT];
    int rc = zf_key_make (path_of (rig, "ann"), NULL, &rig->err);
    assert_fails (rig, rc, ZF_E_INVAL, "ann.pub is there already; keys are not written over");
    remove_file (rig, "ann.pub");
    rc = zf_key_make (path_of (rig, "ann"), NULL, &rig->err);
    assert_fails (rig, rc, ZF_E_INVAL, "ann is there already; keys are not written over");
    assert_int_not_equal (access (path_of (rig, "ann.pub"), F_OK), 0);
    assert_int_equal (zf_key_read (path_of (rig, "ann"), key, &rig->err), 0);
    assert_string_equal (key, rig->ann);
}

static void key_made_name_that_can_be_none_is_refused (void **state)
{
    rig_t *rig = *state;
    static const char *const names[] = {"", "a b", "a*", "#a", "say\"", "a\n", "\t", "x\x7f"};
    char path[PATH_TEXT];
    char long_name[ZF_KEY_NAME_MAX + 2];
    snprintf (path, sizeof path, "%s/new", rig->dir);
    memset (long_name, 'a', sizeof long_name);
    long_name[ZF_KEY_NAME_MAX + 1] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal (zf_key_make (path, names[i], &rig->err), ZF_E_INVAL);
    assert_int_equal (zf_key_make (path, rig->ann, &rig->err), ZF_E_INVAL);
    assert_int_equal (zf_key_make (path, long_name, &rig->err), ZF_E_INVAL);
    assert_int_not_equal (access (path, F_OK), 0);
    long_name[ZF_KEY_NAME_MAX] = '\0';
    assert_int_equal (zf_key_make (path, long_name, &rig->err), 0);
}

static void key_made_where_nothing_can_be_leaves_nothing (void **state)
{
    rig_t *rig = *state;
    int rc = zf_key_make (path_of (rig, "no/new"), NULL, &rig->err);
    assert_fails (rig, rc, ZF_E_IO, "no/new.pub: there is no such directory; make it first");
    assert_int_equal (mkdir (path_of (rig, "new"), 0700), 0);
    rc = zf_key_make (path_of (rig, "new"), NULL, &rig->err);
    assert_int_equal (rc, ZF_E_INVAL);
    assert_int_not_equal (access (path_of (rig, "new.pub"), F_OK), 0);
}

static void key_read_from_itself_or_either_file (void **state)
{
    rig_t *rig = *state;
    char key[ZF_KEY_TEXT];
    assert_int_equal (zf_key_read (rig->ann, key, NULL), 0);
    assert_string_equal (key, rig->ann);
    assert_int_equal (zf_key_read (path_of (rig, "ann.pub"), key, NULL), 0);
    assert_string_equal (key, rig->ann);
    int rc = zf_key_read (path_of (rig, "no"), key, &rig->err);
    assert_fails (rig, rc, ZF_E_NOT_FOUND,
                  "no: there is no such file, and it is no key (40 characters, Z85)");
    rc = zf_key_read (rig->dir, key, &rig->err);
    assert_int_equal (rc, ZF_E_INVAL);
    assert_non_null (strstr (rig->err.text, ": not a file"));
}

static void fingerprint_is_a_hash_of_the_key (void **state)
{
    rig_t *rig = *state;
    char text[ZF_FINGERPRINT_TEXT];
    char again[ZF_FINGERPRINT_TEXT];
    zf_key_fingerprint ("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", text); /* RFC 32's key */
    assert_string_equal (text, "9b44:b99b:076b:0ab7");
    zf_key_fingerprint (rig->ann, text);
    zf_key_fingerprint (rig->hub, again);
    assert_string_not_equal (text, again);
    zf_key_fingerprint ("neither", text);
    assert_string_equal (text, "not a key");
}

/* -- certificates ------------------------------------------------------------------------------ */

static const struct {
    const char *text;  /* of a certificate */
    const char *error; /* NULL: it is one */
} certs[] = {
    {"curve\n    public-key = \"" PUBLIC "\"\n", NULL},
    {"curve\n public-key='" PUBLIC "' # mine", NULL},
    {"curve # keys\r\n\tpublic-key = " PUBLIC "\r\n", NULL},
    {"# c\nother\n  public-key = \"x\"\n\ncurve\n  public-key = \"" PUBLIC "\"\n", NULL},
    {"metadata\n  name = \"a b\"\ncurve\n  public-key = \"" PUBLIC "\"\n", NULL},
    {"", "c: no certificate: there is no public-key in it"},
    {"curve\n", "c: no certificate: there is no public-key in it"},
    {"    public-key = \"" PUBLIC "\"\n", "c: no certificate: there is no public-key in it"},
    {"curve\n  secret-key = \"" SECRET "\"\n", "c: no certificate: there is no public-key in it"},
    {"curve\n  public-key = \"short\"\n", "c:2: public-key is no key: that has 40 characters, Z85"},
    {"curve\n  public-key = \"" PUBLIC "x\"\n",
     "c:2: public-key is no key: that has 40 characters, Z85"},
    {"curve\n  public-key = \"#####################################aaa\"\n",
     "c:2: public-key is no key: that has 40 characters, Z85"},
    {"curve\n  public-key = \"" PUBLIC "\"\n  secret-key = \"\"\n",
     "c:3: secret-key is no key: that has 40 characters, Z85"},
    {"curve\n  public-key = \"" PUBLIC "\n", "c:2: a line of a certificate is NAME = \"VALUE\""},
    {"curve\n  public-key = \"" PUBLIC "\" x\n",
     "c:2: a line of a certificate is NAME = \"VALUE\""},
    {"curve\n  public-key\n", "c:2: a line of a certificate is NAME = \"VALUE\""},
    {"curve\n  = \"x\"\n", "c:2: a line of a certificate is NAME = \"VALUE\""},
    {"curve\n  public-key = \"" PUBLIC "\"\n  public-key = \"" PUBLIC "\"\n",
     "c:3: a second public-key"},
    {"metadata\n  name = a\n  name = b\n", "c:3: a second name"},
    {PUBLIC " ann\n", "c:1: that is no line of a certificate"},
};

static void certificate_line_by_line_is_understood_or_named (void **state)
{
    zf_cert_t cert;
    zf_error_t err;
    for (size_t i = 0; i < sizeof certs / sizeof certs[0]; i++) {
        int rc = zf_cert_parse (&cert, zf_bytes_of (certs[i].text), "c", &err);
        assert_int_equal (rc, certs[i].error == NULL ? 0 : ZF_E_INVAL);
        if (rc != 0)
            assert_string_equal (err.text, certs[i].error);
        else
            assert_string_equal (cert.public_key, PUBLIC);
    }
    assert_int_equal (zf_cert_parse (&cert, zf_bytes ("a\0b", 3), "c", &err), ZF_E_INVAL);
    assert_string_equal (err.text, "c:1: there is a zero byte in it");
}

/* -- who is authorised ------------------------------------------------------------------------- */

static void authorised_nobody_unless_said (void **state)
{
    rig_t *rig = *state;
    assert_int_equal (open_security (rig), 0);
    assert_false (is_let_in (rig, rig->ann));
    assert_false (is_let_in (rig, rig->hub));
    assert_false (is_let_in (rig, ""));
    assert_null (zf_security_access (rig->security));
}

static void authorised_star_is_any_key_and_gives_no_name (void **state)
{
    rig_t *rig = *state;
    zf_subject_t who;
    rig->options.authorised = "*";
    assert_int_equal (open_security (rig), 0);
    assert_true (zf_security_find (rig->security, PUBLIC, &who));
    assert_string_equal (who.key, PUBLIC);
    assert_string_equal (who.name, "");
    assert_false (is_let_in (rig, "no key"));
}

static void authorised_list_names_keys (void **state)
{
    rig_t *rig = *state;
    char list[400];
    zf_subject_t who;
    snprintf (list, sizeof list, "# who may\n\n  %s \t ann # since May\r\n%s other\n#%s hub\n",
              rig->ann, PUBLIC, rig->hub);
    open_with_list (rig, list);
    assert_true (zf_security_find (rig->security, rig->ann, &who));
    assert_string_equal (who.name, "ann");
    assert_string_equal (who.key, rig->ann);
    assert_true (zf_security_find (rig->security, PUBLIC, &who));
    assert_string_equal (who.name, "other");
    assert_false (is_let_in (rig, rig->hub));
}

static const struct {
    const char *list;
    const char *error;
} lists[] = {
    {"ann\n", "keys:1: a line is KEY NAME, and this begins with no key (40 characters, Z85)"},
    {"\n\nann " PUBLIC "\n",
     "keys:3: a line is KEY NAME, and this begins with no key (40 characters, Z85)"},
    {PUBLIC "\n", "keys:1: behind the key comes a name: 1 to 63 bytes, no blanks, none of #\"*, "
                  "no key"},
    {PUBLIC " a b\n", "keys:1: behind the key comes a name: 1 to 63 bytes, no blanks, none of "
                      "#\"*, no key"},
    {PUBLIC " a*\n", "keys:1: behind the key comes a name: 1 to 63 bytes, no blanks, none of "
                     "#\"*, no key"},
    {PUBLIC " " PUBLIC "\n", "keys:1: behind the key comes a name: 1 to 63 bytes, no blanks, none "
                             "of #\"*, no key"},
    {PUBLIC " ann\n# c\n" PUBLIC " bob\n", "keys:3: the key of 'bob' is there already, as 'ann'"},
};

static void authorised_list_that_is_wrong_is_named_by_line (void **state)
{
    rig_t *rig = *state;
    snprintf (rig->authorised_path, PATH_TEXT, "%s/keys", rig->dir);
    rig->options.authorised = rig->authorised_path;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        put_file (rig, "keys", lists[i].list);
        assert_fails (rig, open_security (rig), ZF_E_INVAL, lists[i].error);
    }
    remove_file (rig, "keys");
    assert_fails (rig, open_security (rig), ZF_E_NOT_FOUND, "keys: No such file or directory");
}

static void authorised_key_twice_under_one_name_is_no_mistake (void **state)
{
    rig_t *rig = *state;
    char list[200];
    snprintf (list, sizeof list, "%s ann\n%s ann\n%s ann\n", rig->ann, rig->ann, PUBLIC);
    open_with_list (rig, list);
    assert_true (is_let_in (rig, rig->ann));
    assert_true (is_let_in (rig, PUBLIC));
}

static void authorised_directory_names_are_those_of_the_files (void **state)
{
    rig_t *rig = *state;
    zf_subject_t who;
    use_directory (rig);
    assert_int_equal (rename (path_of (rig, "ann.pub"), path_of (rig, "dir/x.pub")), 0);
    put_file (rig, "dir/bob.pub", "curve\n  public-key = \"" PUBLIC "\"\n");
    put_file (rig, "dir/notes.txt", "nothing");
    put_file (rig, "dir/.hidden.pub", "nothing");
    put_file (rig, "dir/.pub", "nothing");
    assert_int_equal (open_security (rig), 0);
    assert_true (zf_security_find (rig->security, rig->ann, &who));
    assert_string_equal (who.name, "x"); /* inside she says that she is ann */
    assert_true (zf_security_find (rig->security, PUBLIC, &who));
    assert_string_equal (who.name, "bob");
    assert_false (is_let_in (rig, rig->hub));
}

static void authorised_directory_with_a_wrong_file_is_refused (void **state)
{
    rig_t *rig = *state;
    use_directory (rig);
    put_file (rig, "dir/a.pub", "curve\n  public-key = \"x\"\n");
    assert_fails (rig, open_security (rig), ZF_E_INVAL,
                  "dir/a.pub:2: public-key is no key: that has 40 characters, Z85");
    put_file (rig, "dir/a.pub",
              "curve\n  public-key = \"" PUBLIC "\"\n  secret-key = \"" SECRET "\"\n");
    assert_fails (rig, open_security (rig), ZF_E_INVAL,
                  "dir/a.pub: there is a secret key in it, which nobody else may have; the file "
                  "for others is the .pub");
    remove_file (rig, "dir/a.pub");
    put_file (rig, "dir/a b.pub", "curve\n  public-key = \"" PUBLIC "\"\n");
    assert_fails (rig, open_security (rig), ZF_E_INVAL,
                  "dir/a b.pub: the key's name is that of the file: 1 to 63 bytes, no blanks, none "
                  "of #\"*, and no key");
    remove_file (rig, "dir/a b.pub");
    assert_int_equal (mkfifo (path_of (rig, "dir/pipe.pub"), 0600), 0);
    assert_fails (rig, open_security (rig), ZF_E_INVAL, "dir/pipe.pub: not a file");
}

static void files_beyond_their_bounds_are_refused (void **state)
{
    rig_t *rig = *state;
    snprintf (rig->authorised_path, PATH_TEXT, "%s/keys", rig->dir);
    rig->options.authorised = rig->authorised_path;
    put_file (rig, "keys", "");
    assert_int_equal (truncate (rig->authorised_path, ZF_KEYRING_FILE + 1), 0);
    assert_fails (rig, open_security (rig), ZF_E_INVAL, "keys: larger than 8192 KiB");
    assert_int_equal (truncate (rig->key_path, ZF_CERT_FILE + 1), 0);
    assert_fails (rig, open_security (rig), ZF_E_INVAL, "hub: larger than 64 KiB");
}

static void keys_beyond_their_number_are_refused (void **state)
{
    zf_keyring_t *keys = zf_keyring_new ();
    zf_error_t err = {0};
    int rc = 0;
    uint32_t n = 0;
    for (; rc == 0 && n <= ZF_KEYRING_MAX; n++) {
        uint8_t bytes[ZF_KEY_BYTES] = {0};
        char key[ZF_KEY_TEXT];
        zf_store_u32be (bytes, n);
        zmq_z85_encode (key, bytes, sizeof bytes);
        rc = zf_keyring_parse (keys, zf_bytes_of (line_of (key, "all")), "k", &err);
    }
    assert_int_equal (n, ZF_KEYRING_MAX + 1);
    assert_int_equal (rc, ZF_E_INVAL);
    assert_string_equal (err.text, "k:1: more than 100000 keys");
    zf_keyring_free (&keys);
}

#define CASE(function) cmocka_unit_test_setup_teardown (function, set_up, tear_down)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (key_made_secret_is_for_its_owner_alone),
        CASE (key_made_umask_does_not_open_the_secret),
        CASE (key_made_czmq_reads_it),
        CASE (key_of_czmq_is_read),
        CASE (key_that_is_there_is_not_written_over),
        CASE (key_made_name_that_can_be_none_is_refused),
        CASE (key_made_where_nothing_can_be_leaves_nothing),
        CASE (key_read_from_itself_or_either_file),
        CASE (fingerprint_is_a_hash_of_the_key),
        cmocka_unit_test (certificate_line_by_line_is_understood_or_named),
        CASE (authorised_nobody_unless_said),
        CASE (authorised_star_is_any_key_and_gives_no_name),
        CASE (authorised_list_names_keys),
        CASE (authorised_list_that_is_wrong_is_named_by_line),
        CASE (authorised_key_twice_under_one_name_is_no_mistake),
        CASE (authorised_directory_names_are_those_of_the_files),
        CASE (authorised_directory_with_a_wrong_file_is_refused),
        CASE (files_beyond_their_bounds_are_refused),
        cmocka_unit_test (keys_beyond_their_number_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
