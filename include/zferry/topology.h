/* A topology: any set of devices, journals, declarations, discovery, security and the admin page,
 * from one text, in one process. The text is YAML; docs/topology.md lists every key. `zferry run`
 * is this and nothing else.
 *
 * Strict:    an unknown key, a value of the wrong kind or out of range, a name used twice: each is
 *            an error with file, line and column, what was expected, and the nearest name if one is
 *            misspelt. All errors are reported, not just the first.
 * Units:     times are 250ms, 5s, 10m, 2h, 1d; bytes 512, 64KiB, 16MiB, 1GiB. ${NAME} in a value is
 *            the environment's, ${NAME:-text} with a fallback; $$ is a dollar sign. Relative paths
 *            begin where the file lies.
 * Threads:   the calls of one topology from one thread at a time; each device has its own. The
 *            admin page may reload it at any time, on a thread of its own. */
#ifndef ZFERRY_TOPOLOGY_H
#define ZFERRY_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <zferry/device.h>
#include <zferry/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zf_topology zf_topology_t;

/* What it tells about: each line is complete, without a newline. device: its name in the file, or
 * "" (the topology itself). Called on any thread; must not block or call the topology. */
typedef enum {
    ZF_LOG_ERROR = 3,
    ZF_LOG_WARNING = 4,
    ZF_LOG_NOTICE = 5,
    ZF_LOG_INFO = 6,
    ZF_LOG_DEBUG = 7
} zf_log_level_t;
typedef void zf_log_fn (void *arg, zf_log_level_t level, const char *device, const char *text);

typedef struct {
    size_t struct_size; /* set by zf_topology_defaults(); leave alone */
    const char *file;   /* to read; or */
    const char *text;   /* the text itself; errors call it `name` */
    const char *name;   /* of the text; default "topology" */
    zf_log_fn *on_log;  /* errors of the text one by one, then events of devices; may be NULL */
    void *arg;          /* for on_log */
} zf_topology_options_t;

ZF_API void zf_topology_defaults_sized (zf_topology_options_t *options, size_t size);
#define zf_topology_defaults(options) zf_topology_defaults_sized ((options), sizeof *(options))

/* Reads and checks without starting anything; files and directories named in it are looked at.
 * Returns 0, or ZF_E_INVAL with the first error in err, ZF_E_NOT_FOUND, ZF_E_IO, ZF_E_NOMEM. */
ZF_API int zf_topology_check (const zf_topology_options_t *options, zf_error_t *err);

/* Checks, then starts all in the order security, discovery, devices, declarations, links, what is
 * announced, admin. When it returns 0 everything is bound and every journal recovered. On failure
 * what was started is stopped again, and *topology is NULL. Returns what check does, or what
 * starting a device does. */
ZF_API int zf_topology_start (zf_topology_t **topology, const zf_topology_options_t *options,
                              zf_error_t *err);

/* Stops in the opposite order, frees it, sets *topology to NULL. Safe on NULL. */
ZF_API void zf_topology_stop (zf_topology_t **topology);

/* Reads the file again and puts into force what can change while it runs: declared queues and
 * streams, links (added, removed, changed), and what is in the files of rules and authorised keys.
 * Queues that are declared no longer stay as they are. What can't be changed is left as it is and
 * said, by on_log and in *pending (the number of settings that a restart would change; may be
 * NULL). With an error in the text nothing changes.
 * Returns 0, or what check does. */
ZF_API int zf_topology_reload (zf_topology_t *topology, unsigned *pending, zf_error_t *err);

/* Its devices, in the order of the file (links that came with a reload behind them): NULL past the
 * last. Valid until a link is reloaded, or the topology is stopped. */
ZF_API const char *zf_topology_name (const zf_topology_t *topology, size_t i);
ZF_API zf_device_t *zf_topology_device (const zf_topology_t *topology, size_t i);

/* Calls fn for each device, in that order, until it returns false; and no reload comes between,
 * also none that the admin page is asked for. fn must not reload or stop the topology. Returns what
 * fn returned last. */
typedef bool zf_topology_fn (void *arg, const char *name, zf_device_t *device);
ZF_API bool zf_topology_each (zf_topology_t *topology, zf_topology_fn *fn, void *arg);

/* Where the admin page is, as bound ("http://127.0.0.1:8090"); NULL: the file asks for none. */
ZF_API const char *zf_topology_admin (const zf_topology_t *topology);

/* What a text says of its admin page: where it is to be ("127.0.0.1:8090"), and the file of its
 * token ("": none). Returns what check does, ZF_E_NOT_FOUND if it asks for no page, or ZF_E_INVAL
 * if one of the two has more bytes than there is room for. */
ZF_API int zf_topology_find_admin (const zf_topology_options_t *options, char *bind,
                                   size_t bind_size, char *token_file, size_t token_file_size,
                                   zf_error_t *err);

#ifdef __cplusplus
}
#endif
#endif
