/* Making a pair of keys, and what people see of keys. */
#include "devices/keys.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERT_TEXT   512 /* bytes of a certificate of ours */
#define MODE_SECRET 0600
#define MODE_PUBLIC 0644
#define GROUPS      4 /* of a fingerprint */

/* -- making ------------------------------------------------------------------------------------ */

/* One that begins with a dash would be taken for an option. */
static int make_pair (zf_cert_t *cert, zf_error_t *err)
{
    do {
        if (zmq_curve_keypair (cert->public_key, cert->secret_key) != 0)
            return zf_error_set (err, ZF_E_IO, "no key: %s",
                                 zmq_has ("curve") == 1 ? zmq_strerror (zmq_errno ())
                                                        : "this libzmq is built without CURVE");
    } while (cert->public_key[0] == '-');
    return 0;
}

static void write_cert (char text[CERT_TEXT], const zf_cert_t *cert, bool is_secret)
{
    bool has_name = cert->name[0] != '\0';
    snprintf (text, CERT_TEXT,
              "#   ZeroMQ CURVE %s certificate, made by zferry\n#   %s\n\n"
              "metadata\n%s%s%scurve\n    public-key = \"%s\"\n%s%s%s",
              is_secret ? "secret" : "public",
              is_secret ? "Nobody but its owner may read this file."
                        : "For others: who has this knows with whom he talks.",
              has_name ? "    name = \"" : "", cert->name, has_name ? "\"\n" : "", cert->public_key,
              is_secret ? "    secret-key = \"" : "", is_secret ? cert->secret_key : "",
              is_secret ? "\"\n" : "");
}

static int fail (zf_error_t *err, const char *path)
{
    if (errno == EEXIST)
        return zf_error_set (err, ZF_E_INVAL, "%s is there already; keys are not written over",
                             path);
    if (errno == ENOENT)
        return zf_error_set (err, ZF_E_IO, "%s: there is no such directory; make it first", path);
    return zf_error_set (err, ZF_E_IO, "%s: %s", path, strerror (errno));
}

static int write_all (int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t done = write (fd, text, size);
        if (done < 0 && errno != EINTR)
            return -1;
        text += done > 0 ? done : 0;
        size -= done > 0 ? (size_t) done : 0;
    }
    return fsync (fd);
}

/* Leaves nothing behind if it fails. */
static int write_file (const char *path, const char *text, mode_t mode, zf_error_t *err)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return fail (err, path);
    int rc = write_all (fd, text, strlen (text));
    if (rc != 0) {
        rc = fail (err, path);
        unlink (path);
    }
    close (fd);
    return rc;
}

static int write_pair (const char *file, const char *file_pub, const zf_cert_t *cert,
                       zf_error_t *err)
{
    char text[CERT_TEXT];
    write_cert (text, cert, false);
    int rc = write_file (file_pub, text, MODE_PUBLIC, err);
    if (rc != 0)
        return rc;
    write_cert (text, cert, true);
    rc = write_file (file, text, MODE_SECRET, err);
    explicit_bzero (text, sizeof text);
    if (rc != 0)
        unlink (file_pub);
    return rc;
}

int zf_key_make (const char *file, const char *name, zf_error_t *err)
{
    char file_pub[PATH_MAX];
    zf_cert_t cert = {.bad_name = 0};
    int n = snprintf (file_pub, sizeof file_pub, "%s.pub", file);
    if (file[0] == '\0' || n < 0 || (size_t) n >= sizeof file_pub)
        return zf_error_set (err, ZF_E_INVAL, "that is no name of a file");
    if (name != NULL && !zf_key_is_name (zf_bytes_of (name)))
        return zf_error_set (err, ZF_E_INVAL,
                             "a key's name has 1 to %d bytes, no blanks, none of #\"*, and is no "
                             "key",
                             ZF_KEY_NAME_MAX);
    snprintf (cert.name, sizeof cert.name, "%s", name != NULL ? name : "");
    int rc = make_pair (&cert, err);
    if (rc == 0)
        rc = write_pair (file, file_pub, &cert, err);
    explicit_bzero (&cert, sizeof cert);
    return rc;
}

/* -- reading ----------------------------------------------------------------------------------- */

int zf_key_read (const char *what, char key[ZF_KEY_TEXT], zf_error_t *err)
{
    zf_writer_t text;
    zf_cert_t cert = {.bad_name = 0};
    if (zf_key_decode (what, NULL)) {
        memcpy (key, what, ZF_KEY_TEXT);
        return 0;
    }
    int rc = zf_keyring_load (&text, what, ZF_CERT_FILE, false, err);
    if (rc == ZF_E_NOT_FOUND)
        rc = zf_error_set (err, rc,
                           "%s: there is no such file, and it is no key (40 characters, "
                           "Z85)",
                           what);
    if (rc == 0)
        rc = zf_cert_parse (&cert, zf_bytes (text.data, text.size), what, err);
    if (rc == 0)
        memcpy (key, cert.public_key, ZF_KEY_TEXT);
    zf_keyring_wipe (&text);
    explicit_bzero (&cert, sizeof cert);
    return rc;
}

/* The first 64 bits of SHA-1 over the binary key, in groups: a1b2:c3d4:e5f6:0718. */
void zf_key_fingerprint (const char *key, char text[ZF_FINGERPRINT_TEXT])
{
    uint8_t bytes[ZF_KEY_BYTES];
    zdigest_t *digest = zf_key_decode (key, bytes) ? zdigest_new () : NULL;
    if (digest == NULL) {
        snprintf (text, ZF_FINGERPRINT_TEXT, "not a key");
        return;
    }
    zdigest_update (digest, bytes, sizeof bytes);
    const byte *hash = zdigest_data (digest);
    for (size_t i = 0; i < GROUPS; i++)
        snprintf (text + 5 * i, 6, "%02x%02x%s", hash[2 * i], hash[2 * i + 1],
                  i < GROUPS - 1 ? ":" : "");
    zdigest_destroy (&digest);
}
