/* Child processes of the benches and of the demo: this program again, in another role.
 *
 * A child ends with its parent, however that ends: it asks the kernel for SIGKILL at its parent's
 * death. It runs in a process group of its own, so that Ctrl-C reaches the parent alone, which
 * then decides.
 * Threads: the main one only. */
#ifndef ZFERRY_BENCH_CHILD_H
#define ZFERRY_BENCH_CHILD_H

#include "cli.h"

#define BENCH_ENDPOINT_MAX 256 /* bytes of an endpoint, terminator included */
#define BENCH_CHILD_ARGS   32  /* arguments of a child at most */

typedef struct {
    char name[32];  /* for messages: "broker", "worker 2" */
    pid_t pid;      /* 0: never started, or ended and waited for */
    int status;     /* as from waitpid, once it has ended */
    int said;       /* where its stderr can be read, -1: it goes to ours */
    char text[512]; /* the last of what it said there, terminated */
} bench_child_t;

typedef struct {
    const char *name;        /* see bench_child_t */
    const char *const *args; /* behind the program's name, ended by NULL */
    int pass_fd;             /* becomes descriptor BENCH_CHILD_FD of the child; -1: none */
    bool listen;             /* keep its stderr for bench_child_hear */
} bench_child_spec_t;

#define BENCH_CHILD_FD 3

/* Starts a child by its full arguments, which must begin with a verb that calls bench_child_begin.
 * Returns 0, or an exit code, having said why. */
int bench_child_start (const cli_t *cli, bench_child_t *child, const bench_child_spec_t *spec);

/* In the child: ties its life to the parent's, whose process id is the text given.
 * Returns 0, or an exit code if the parent is gone already. */
int bench_child_begin (const char *parent);

/* The parent's own id as text, for the arguments of its children. */
const char *bench_parent_text (void);

/* Where the program is; by its own name, which ps and top then show. Valid until the next call. */
const char *bench_own_path (void);

/* True while it runs. Never waits. */
bool bench_child_running (bench_child_t *child);

/* Reads what it said so far, keeping the end of it in child->text. Never waits. */
void bench_child_hear (bench_child_t *child);

/* Waits for its end, and sends SIGKILL when that takes too long. */
void bench_child_await (bench_child_t *child);

/* Sends SIGTERM, then SIGKILL after a while, and waits for its end. Safe when it was never
 * started. */
void bench_child_stop (bench_child_t *child);

/* Sends SIGKILL and waits for its end. */
void bench_child_kill (bench_child_t *child);

/* Allows us, and children that inherit it, as many descriptors as possible. Returns 0, or an exit
 * code, having said that `who` needs more. */
int bench_allow_files (const cli_t *cli, const char *who, uint64_t needed);

/* -- a broker in a process of its own ---------------------------------------------------------- */

typedef enum { BENCH_TCP, BENCH_IPC, BENCH_INPROC } bench_transport_t;

typedef struct {
    bench_child_t child;               /* not started when somebody else's broker is used */
    const char *verb;                  /* "broker" or "forwarder" */
    char endpoint[BENCH_ENDPOINT_MAX]; /* where it listens */
    char dir[128];                     /* temporary directory of an ipc socket; "": none */
} bench_broker_t;

/* Starts a broker on a port (or path) that the system chose, and waits until it listens. Further
 * arguments of the verb `broker` may be given, ended by NULL (args NULL: none). Returns 0, or an
 * exit code, having said why. */
int bench_broker_start (const cli_t *cli, bench_broker_t *broker, bench_transport_t transport,
                        const char *const *args);

/* The same for a forwarder. */
int bench_forwarder_start (const cli_t *cli, bench_broker_t *broker, bench_transport_t transport,
                           const char *const *args);

/* Waits until it has said that it listens at some endpoint, with this role behind it (" for plain
 * publishers"). Returns 0, or an exit code, having said why. */
int bench_broker_await (const cli_t *cli, bench_broker_t *broker, const char *role,
                        char endpoint[BENCH_ENDPOINT_MAX]);

/* Ends it with SIGKILL, and starts it again at the endpoint it had, with these arguments. */
void bench_broker_kill (bench_broker_t *broker);
int bench_broker_restart (const cli_t *cli, bench_broker_t *broker, const char *const *args);

/* The command line as if --connect had named this endpoint: what the helpers of cli.h then use
 * and talk about. The endpoint must live as long as the copy. */
cli_t bench_cli_at (const cli_t *cli, const char **endpoint);

/* Stops it and removes its directory. Safe when it was never started. */
void bench_broker_stop (bench_broker_t *broker);

/* Reads "tcp", "ipc" or "inproc"; returns false for anything else. */
bool bench_transport_parse (const char *text, bench_transport_t *transport);

/* A new directory for an ipc socket in dir (of the size given). Returns 0 or an exit code, having
 * said why. */
int bench_make_dir (const cli_t *cli, char *dir, size_t size);

/* Sleeps for the few milliseconds between two looks at what the children do. */
void bench_tick (void);

#endif
