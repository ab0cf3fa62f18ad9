/* The versions of the library and of what it stands on. */
#include <zferry/zferry.h>

#include <czmq.h>
#include <jansson.h>
#include <microhttpd.h>
#include <msgpack.h>
#include <stdio.h>
#include <xxhash.h>
#include <yaml.h>
#include <zmq.h>

typedef struct {
    zf_version_fn *fn;
    void *arg; /* for fn */
} teller_t;

static void tell (const teller_t *teller, const char *name, int major, int minor, int patch)
{
    char text[48];
    snprintf (text, sizeof text, "%d.%d.%d", major, minor, patch);
    teller->fn (teller->arg, name, text);
}

void zf_versions (zf_version_fn *fn, void *arg)
{
    teller_t teller = {.fn = fn, .arg = arg};
    int major = 0;
    int minor = 0;
    int patch = 0;
    fn (arg, "zferry", zf_version ());
    zmq_version (&major, &minor, &patch);
    tell (&teller, "libzmq", major, minor, patch);
    zsys_version (&major, &minor, &patch);
    tell (&teller, "czmq", major, minor, patch);
    fn (arg, "msgpack", msgpack_version ());
    unsigned xxhash = XXH_versionNumber ();
    tell (&teller, "xxhash", (int) (xxhash / 10000), (int) (xxhash / 100 % 100),
          (int) (xxhash % 100));
    fn (arg, "jansson", JANSSON_VERSION); /* 2.11 can't be asked: what we were compiled with */
    fn (arg, "libmicrohttpd", MHD_get_version ());
    yaml_get_version (&major, &minor, &patch);
    tell (&teller, "libyaml", major, minor, patch);
}
