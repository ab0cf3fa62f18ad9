#include "devices/shell.h"

#include "core/native.h"
#include "devices/device.h"

#include <czmq.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_A_SECOND 20
#define ENDPOINTS_MAX   192
#define BEHIND_MAX      16  /* turns without timers while there is more to collect */
#define LATE_MS         250 /* a turn that begins so much later than planned: we were held up */
#define WAIT_MAX_MS     60000
#define REVIEW_MS       1000 /* between looks whether keys or rules have changed */
#define FIGURES_MAX     320
#define FDS_MAX         (3 + 2 * ZF_PORTS_MAX + ZF_SIDE_SOCKETS_MAX)
#define RIDE_FDS_MAX    16
#define AWAY_MS         2 /* a rider that is away for longer is not waited for */
#define SPUR_TURNS      8 /* on end, and then it is the device's again */

typedef struct {
    const char *name; /* a constant */
    uint64_t value;
} figure_t;

typedef struct {
    zf_device_t device; /* first */
    zactor_t *actor;
    pthread_mutex_t lock;     /* one command at a time */
    pthread_mutex_t handover; /* of figures, between the device and who asked for them */
    figure_t figures[FIGURES_MAX];
    size_t figure_count;
    zf_engine_t *engine;
    zf_commit_t commit;
    uint64_t epoch_ms; /* added to the clock that never goes back: the engine's time can be written
                          down and means the same in another run */
    zf_router_t *routers[ZF_PORTS_MAX];
    size_t router_count;
    char *endpoints[ENDPOINTS_MAX]; /* as bound */
    size_t endpoint_count;
    char inside[ZF_INSIDE_TEXT];   /* for handles of this process; "": there is none */
    zf_local_t *local;             /* NULL: the process itself can't come in */
    const zf_side_ops_t *side_ops; /* NULL: there is no side */
    zf_side_t *side;
    struct pollfd fds[FDS_MAX]; /* the actor's pipe; the alarm; each router's monitor and socket;
                                   the log; the side's sockets */
    nfds_t fd_count;
    nfds_t side_fds; /* where the side's begin */
    zf_event_fn *on_event;
    void *arg;
    uint64_t second;         /* of the clock, for the rate of events */
    uint32_t events;         /* told in this second */
    uint32_t behind;         /* turns since timers were looked at */
    uint64_t expected_ms;    /* when the next turn was to begin at the latest */
    zf_security_t *security; /* held; NULL: none */
    uint64_t reviewed;       /* its version that is in force here */
    uint64_t review_ms;      /* when to look again */
    bool is_guarded;         /* there is a security, or a limit of connections */
    /* riding: */
    pthread_mutex_t wheel; /* whose it is turns */
    bool is_settled; /* the last turn left nothing to do, and the descriptors tell what comes */
    int alarm_fd;    /* eventfd: the device's thread is to look again */
    int dismount_fd; /* eventfd: the rider is to let go */
    atomic_bool is_wanted;   /* by the device's thread: nobody else takes the wheel */
    atomic_bool is_ridden;   /* now */
    atomic_bool is_asleep;   /* the device's thread, until the rider is gone */
    atomic_uint rides;       /* grows with each */
    _Atomic uint64_t due_ms; /* when the device's thread turns, if nothing comes in */
} shell_t;

static shell_t *shell_of (zf_device_t *device)
{
    return (shell_t *) (void *) device;
}

/* -- the turn ---------------------------------------------------------------------------------- */

static uint64_t clock_now (const shell_t *self)
{
    return zf_clock_ms () + self->epoch_ms;
}

static void tell (shell_t *self, zf_event_t event, const char *text)
{
    uint64_t second = zf_clock_ms () / 1000;
    if (second != self->second)
        self->events = 0;
    self->second = second;
    if (self->on_event == NULL)
        return;
    if (self->events++ < EVENTS_A_SECOND)
        self->on_event (self->arg, event, text);
    else
        self->engine->counters.notices_dropped++;
}

/* What this process itself has to say. */
static bool collect_local (shell_t *self)
{
    return self->local != NULL && zf_local_collect (self->local);
}

static bool collect (shell_t *self, uint64_t now)
{
    bool more = collect_local (self);
    for (size_t i = 0; i < self->router_count; i++)
        more |= zf_router_collect (self->routers[i], self->fds[2 + 2 * i].revents != 0);
    if (self->side != NULL)
        more |= self->side_ops->collect (self->side, self->fds + self->side_fds, now);
    return more;
}

static void send_effect (shell_t *self, zf_effect_t *effect)
{
    if (self->side != NULL && effect->session->host == self->side)
        self->side_ops->send (self->side, effect);
    else if (self->local != NULL && effect->session->host == self->local)
        zf_local_deliver (self->local, effect);
    else
        zf_router_send (effect);
}

static void forget_host (shell_t *self, void *host)
{
    if (self->side != NULL && host == self->side)
        self->side_ops->forget (self->side);
    else if (self->local != NULL && host == self->local)
        zf_local_forget (self->local);
    else
        zf_router_forget (host);
}

static void send_effects (shell_t *self)
{
    zf_effect_t effect;
    void *host;
    while (zf_engine_effect (self->engine, &effect))
        send_effect (self, &effect);
    while ((host = zf_engine_left (self->engine)) != NULL)
        forget_host (self, host);
    zf_engine_sent (self->engine);
    for (size_t i = 0; i < self->engine->notice_count; i++)
        tell (self, self->engine->notices[i].event, self->engine->notices[i].text);
    self->engine->notice_count = 0;
}

static void decide (shell_t *self)
{
    zf_engine_decide (self->engine);
    zf_commit_run (&self->commit);
    send_effects (self);
}

/* A turn for nothing but what this process itself has to say. */
static bool answer (shell_t *self)
{
    zf_engine_clock (self->engine, clock_now (self));
    bool more = collect_local (self);
    decide (self);
    return more;
}

/* Puts changed keys and rules into force. */
static void review (shell_t *self, uint64_t now)
{
    uint64_t version =
        zf_security_is_on (self->security) ? zf_security_version (self->security) : 0;
    if (version == self->reviewed && now < self->review_ms)
        return;
    self->review_ms = now + REVIEW_MS;
    if (self->side != NULL && self->side_ops->review != NULL)
        self->side_ops->review (self->side);
    if (version == self->reviewed)
        return;
    self->reviewed = version;
    zf_engine_access (self->engine, zf_security_access (self->security));
    for (size_t i = 0; i < self->router_count; i++)
        zf_router_review (self->routers[i]);
}

/* Returns true if there is more to collect at once. */
static bool turn (shell_t *self)
{
    self->is_settled = false;
    uint64_t now = clock_now (self);
    if (self->expected_ms != 0 && now > self->expected_ms + LATE_MS)
        zf_engine_woke (self->engine, now);
    self->expected_ms = now;
    zf_engine_clock (self->engine, now);
    zf_commit_collect (&self->commit);
    if (self->is_guarded)
        review (self, now);
    bool more = collect (self, now);
    /* Nobody is silent whose messages we have not read yet; but under load time has to go on. */
    self->behind = more && self->behind < BEHIND_MAX ? self->behind + 1 : 0;
    if (self->behind == 0)
        zf_engine_tick (self->engine, now);
    decide (self);
    return more;
}

static uint64_t deadline (const shell_t *self)
{
    uint64_t due = zf_engine_deadline (self->engine);
    uint64_t side = self->side != NULL ? self->side_ops->deadline (self->side) : due;
    return side < due ? side : due;
}

static int wait_ms (shell_t *self, bool more)
{
    uint64_t now = clock_now (self);
    uint64_t due = deadline (self);
    if (more || due <= now)
        return 0;
    /* Sending may have swallowed the edge that tells of input. */
    for (size_t i = 0; i < self->router_count; i++) {
        if (zf_socket_readable (zf_router_socket (self->routers[i])))
            return 0;
    }
    if (self->side != NULL && self->side_ops->has_input (self->side))
        return 0;
    if (self->local != NULL && zf_local_has_input (self->local))
        return 0;
    uint64_t most = self->is_guarded ? REVIEW_MS : WAIT_MAX_MS;
    return due - now < most ? (int) (due - now) : (int) most;
}

/* Plans to turn again after so long. */
static void expect (shell_t *self, int timeout)
{
    self->expected_ms += (uint64_t) timeout;
    atomic_store (&self->due_ms, zf_clock_ms () + (uint64_t) timeout);
}

static void ring (int fd)
{
    uint64_t one = 1;
    ssize_t written = write (fd, &one, sizeof one);
    (void) written; /* the counter is full: it rings */
}

static void hush (int fd)
{
    uint64_t count;
    ssize_t got = read (fd, &count, sizeof count);
    (void) got; /* there may be none */
}

/* The device's thread takes the wheel, from a rider too. */
static void take_wheel (shell_t *self)
{
    if (pthread_mutex_trylock (&self->wheel) == 0)
        return;
    atomic_store (&self->is_wanted, true);
    ring (self->dismount_fd);
    pthread_mutex_lock (&self->wheel);
    atomic_store (&self->is_wanted, false);
    hush (self->dismount_fd);
}

/* Returns false if there is a command. */
static bool rest (shell_t *self, int timeout)
{
    poll (self->fds, 2, timeout); /* the pipe, the alarm */
    if (self->fds[1].revents != 0)
        hush (self->alarm_fd);
    return self->fds[0].revents == 0;
}

/* While somebody rides, or has just let go and may come again, the device's thread leaves the
 * sockets alone: it would only be woken for what the rider does. Who rides for long, waiting, wakes
 * it when he lets go; who comes and goes all the time does not. */
static void stand_back (shell_t *self)
{
    unsigned rides;
    atomic_store (&self->due_ms, 0); /* it looks soon anyway */
    do {
        rides = atomic_load (&self->rides);
        if (!rest (self, AWAY_MS))
            return;
        if (rides != atomic_load (&self->rides) || !atomic_load (&self->is_ridden))
            continue;
        atomic_store (&self->is_asleep, true);
        bool go_on = !atomic_load (&self->is_ridden) || rest (self, -1);
        atomic_store (&self->is_asleep, false);
        if (!go_on)
            return;
    } while (rides != atomic_load (&self->rides));
}

/* Waits for input, a command, a lost connection or the engine's next deadline. poll on the
 * descriptors, not zmq_poll: that asks the system twice about every socket. */
static void await (shell_t *self, int timeout, struct pollfd fds[FDS_MAX])
{
    unsigned rides = atomic_load (&self->rides);
    poll (fds, self->fd_count, timeout);
    if (fds[1].revents != 0)
        hush (self->alarm_fd);
    if (rides != atomic_load (&self->rides) || atomic_load (&self->is_ridden))
        stand_back (self);
}

static void note_figure (void *arg, const char *name, uint64_t value)
{
    shell_t *self = arg;
    if (self->figure_count < FIGURES_MAX)
        self->figures[self->figure_count++] = (figure_t){name, value};
}

static void note_figures (shell_t *self)
{
    pthread_mutex_lock (&self->handover);
    self->figure_count = 0;
    zf_engine_stats (self->engine, note_figure, self);
    zf_commit_stats (&self->commit, note_figure, self);
    if (self->side != NULL)
        self->side_ops->stats (self->side, note_figure, self);
    pthread_mutex_unlock (&self->handover);
}

/* Returns false if the device is to stop. */
static bool obey (shell_t *self, zsock_t *pipe)
{
    char *command = zstr_recv (pipe);
    bool go_on = command != NULL && strcmp (command, "$TERM") != 0;
    if (go_on) {
        note_figures (self);
        zsock_signal (pipe, 0);
    }
    zstr_free (&command);
    return go_on;
}

static void watch_fd (shell_t *self, int fd)
{
    struct pollfd *item = &self->fds[self->fd_count++];
    item->events = POLLIN;
    item->fd = fd; /* poll looks past -1 */
}

static void watch (shell_t *self, void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    zmq_getsockopt (socket, ZMQ_FD, &fd, &size);
    watch_fd (self, fd);
}

static void watch_side (shell_t *self)
{
    void *sockets[ZF_SIDE_SOCKETS_MAX];
    size_t count = self->side != NULL ? self->side_ops->sockets (self->side, sockets) : 0;
    self->side_fds = self->fd_count;
    for (size_t i = 0; i < count; i++)
        watch (self, sockets[i]);
}

static void run (zsock_t *pipe, void *arg)
{
    shell_t *self = arg;
    struct pollfd fds[FDS_MAX]; /* a copy: who rides has the others */
    watch (self, zsock_resolve (pipe));
    watch_fd (self, self->alarm_fd);
    for (size_t i = 0; i < self->router_count; i++) {
        watch (self, zf_router_monitor (self->routers[i]));
        watch (self, zf_router_socket (self->routers[i]));
    }
    watch_fd (self, zf_commit_fd (&self->commit));
    watch_side (self);
    zsock_signal (pipe, 0);
    memcpy (fds, self->fds, sizeof fds);
    for (;;) {
        take_wheel (self);
        memcpy (self->fds, fds, self->fd_count * sizeof *fds);
        /* descriptors tell of changes only: look at what is there */
        while (zf_socket_readable (zsock_resolve (pipe))) {
            if (!obey (self, pipe)) {
                pthread_mutex_unlock (&self->wheel);
                zf_socket_hands_over (self);
                return;
            }
        }
        bool more = turn (self);
        int timeout = wait_ms (self, more);
        expect (self, timeout);
        pthread_mutex_unlock (&self->wheel);
        await (self, timeout, fds);
    }
}

zf_local_t *zf_shell_local (zf_device_t *device)
{
    return shell_of (device)->local;
}

/* -- riding ------------------------------------------------------------------------------------ */

/* Lets go of the wheel; the device's thread is woken if it has to know. It must not miss what is
 * left to do, of which the descriptors may not tell any more, nor what somebody sends who still saw
 * us ride. */
static void dismount (shell_t *self)
{
    uint64_t planned = atomic_load (&self->due_ms); /* 0: it looks soon anyway */
    int wait = planned > 0 ? wait_ms (self, false) : 0;
    bool sooner = planned > 0 && zf_clock_ms () + (uint64_t) wait < planned;
    if (planned > 0 && wait == 0)
        self->is_settled = false;
    atomic_store (&self->is_ridden, false);
    pthread_mutex_unlock (&self->wheel);
    if (sooner || atomic_load (&self->is_asleep) ||
        (planned > 0 && zf_local_has_input (self->local)))
        ring (self->alarm_fd);
}

static bool any_ready (const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i].revents != 0)
            return true;
    }
    return false;
}

/* Turns, unless the last turn was just before, and left nothing to do. Returns how long to wait;
 * not at all if something has come out. */
static int turn_if_due (shell_t *self)
{
    if (self->is_settled && !zf_local_has_input (self->local)) {
        uint64_t now = clock_now (self);
        uint64_t due = deadline (self);
        self->is_settled = false;
        if (due > now)
            return due - now < WAIT_MAX_MS ? (int) (due - now) : WAIT_MAX_MS;
    }
    bool more = turn (self);
    return zf_local_has_output (self->local) ? 0 : wait_ms (self, more);
}

/* Turns until one of the rider's descriptors is ready. */
static void ride (shell_t *self, struct pollfd *own, size_t count, uint64_t until_ms)
{
    struct pollfd fds[FDS_MAX + RIDE_FDS_MAX + 1];
    size_t device = self->fd_count - 2; /* without the pipe and the alarm */
    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd){own[i].fd, own[i].events, 0};
    fds[count] = (struct pollfd){self->dismount_fd, POLLIN, 0};
    memcpy (fds + count + 1, self->fds + 2, device * sizeof *fds);
    for (;;) {
        int timeout = turn_if_due (self);
        if (zf_local_has_output (self->local))
            break;
        self->expected_ms = clock_now (self) + (uint64_t) timeout;
        uint64_t now = zf_clock_ms ();
        uint64_t left = until_ms > now ? until_ms - now : 0;
        poll (fds, count + 1 + device, left < (uint64_t) timeout ? (int) left : timeout);
        memcpy (self->fds + 2, fds + count + 1, device * sizeof *fds);
        if (any_ready (fds, count + 1) || zf_clock_ms () >= until_ms)
            break;
    }
    memcpy (own, fds, count * sizeof *own);
    if (fds[count].revents != 0 && !atomic_load (&self->is_wanted))
        hush (self->dismount_fd);
}

void zf_shell_ride (zf_device_t *device, struct pollfd *own, size_t count, int timeout_ms)
{
    shell_t *self = shell_of (device);
    uint64_t until = zf_clock_ms () + (uint64_t) timeout_ms;
    if (count > RIDE_FDS_MAX || atomic_load (&self->is_wanted)) {
        poll (own, count, timeout_ms < AWAY_MS ? timeout_ms : AWAY_MS);
        return;
    }
    pthread_mutex_lock (&self->wheel);
    atomic_store (&self->is_ridden, true);
    zf_local_hush (self->local, true);
    ride (self, own, count, until);
    zf_local_hush (self->local, false);
    atomic_fetch_add (&self->rides, 1);
    dismount (self);
}

void zf_shell_spur (zf_device_t *device)
{
    shell_t *self = shell_of (device);
    if (atomic_load (&self->is_wanted) || pthread_mutex_trylock (&self->wheel) != 0) {
        /* Somebody turns it, who may have looked already. */
        ring (atomic_load (&self->is_ridden) ? self->dismount_fd : self->alarm_fd);
        return;
    }
    int wait = 0;
    for (int i = 0; wait == 0 && i < SPUR_TURNS; i++)
        wait = wait_ms (self, i == 0 ? answer (self) : turn (self));
    self->is_settled = wait > 0;
    if (atomic_load (&self->rides) > 0) /* who has never ridden does not come */
        atomic_fetch_add (&self->rides, 1);
    dismount (self);
}

/* -- life -------------------------------------------------------------------------------------- */

static int add_endpoint (void *arg, const char *endpoint)
{
    shell_t *self = arg;
    if (self->endpoint_count == ENDPOINTS_MAX)
        return ZF_E_LIMIT;
    char *copy = strdup (endpoint);
    if (copy == NULL)
        return ZF_E_NOMEM;
    self->endpoints[self->endpoint_count++] = copy;
    return 0;
}

static int recover (shell_t *self, const zf_shell_options_t *options, zf_error_t *err)
{
    uint64_t begun = zf_clock_ms ();
    int rc = zf_commit_open (&self->commit, self->engine, &options->commit, clock_now (self), err);
    if (rc != 0 || options->commit.journal == NULL)
        return rc;
    uint64_t now = clock_now (self);
    if (self->engine->now_ms > now) /* the machine's clock was set back: ours is not */
        self->epoch_ms += self->engine->now_ms - now;
    char text[200];
    snprintf (text, sizeof text, "%llu durable records in %u queues from %s in %llu ms",
              (unsigned long long) self->engine->store.records,
              (unsigned) HASH_COUNT (self->engine->queues), options->commit.journal,
              (unsigned long long) (zf_clock_ms () - begun));
    tell (self, ZF_EVENT_RECOVERED, text);
    return 0;
}

void zf_shell_guard (zf_shell_options_t *options, zf_security_t *security,
                     const zf_limits_t *limits)
{
    options->security = security;
    if (limits != NULL)
        options->limits = *limits;
    else
        zf_limits_defaults (&options->limits);
    options->engine.limits = options->limits;
}

static bool is_native (const zf_router_options_t *port)
{
    size_t i = 0;
    while (port->dialects[i] != NULL && port->dialects[i] != &zf_dialect_native)
        i++;
    return port->dialects[i] != NULL;
}

static void name_inside (shell_t *self, const uint8_t *uuid)
{
    uint64_t name;
    memcpy (&name, uuid, sizeof name);
    snprintf (self->inside, sizeof self->inside, "inproc://zferry-device-%016llx",
              (unsigned long long) name);
}

static int open_ports (shell_t *self, const zf_shell_options_t *options, zf_error_t *err)
{
    zf_engine_options_t engine = options->engine;
    int rc = zf_random (engine.uuid, sizeof engine.uuid, err);
    if (rc == 0)
        rc = zf_random (engine.secret, sizeof engine.secret, err);
    if (rc != 0)
        return rc;
    self->engine = zf_engine_new (&engine);
    if (self->engine == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    zf_engine_tick (self->engine, clock_now (self));
    rc = recover (self, options, err);
    if (is_native (&options->ports[0]))
        name_inside (self, engine.uuid);
    for (size_t i = 0; i < options->port_count && rc == 0; i++) {
        zf_router_options_t port = options->ports[i];
        port.security = self->security;
        port.connections = options->limits.connections;
        port.handshake_ms = options->limits.handshake_ms;
        port.inside = i == 0 && self->inside[0] != '\0' ? self->inside : NULL;
        rc = zf_router_open (&self->routers[i], self->engine, &port, add_endpoint, self, err);
        self->router_count += rc == 0;
    }
    if (rc == 0 && options->local != NULL)
        rc = zf_local_open (&self->local, self->engine, options->local, err);
    self->side_ops = options->side;
    if (rc == 0 && options->side != NULL)
        rc = options->side->open (&self->side, self->engine, options->side_options, add_endpoint,
                                  self, err);
    return rc;
}

static void stop (zf_device_t *device)
{
    shell_t *self = shell_of (device);
    zactor_destroy (&self->actor);
    zf_socket_takes_over (self);
    for (size_t i = 0; i < self->router_count; i++)
        zf_router_close (&self->routers[i]);
    if (self->side != NULL)
        self->side_ops->close (&self->side);
    zf_local_close (&self->local);
    zf_commit_close (&self->commit);
    zf_engine_free (&self->engine);
    zf_security_drop (&self->security);
    for (size_t i = 0; i < self->endpoint_count; i++)
        free (self->endpoints[i]);
    pthread_mutex_destroy (&self->lock);
    pthread_mutex_destroy (&self->handover);
    pthread_mutex_destroy (&self->wheel);
    if (self->alarm_fd >= 0)
        close (self->alarm_fd);
    if (self->dismount_fd >= 0)
        close (self->dismount_fd);
    free (self);
}

static const char *endpoint_at (const zf_device_t *device, size_t i)
{
    const shell_t *self = (const shell_t *) (const void *) device;
    return i < self->endpoint_count ? self->endpoints[i] : NULL;
}

static int fetch_figures (shell_t *self, figure_t figures[FIGURES_MAX], size_t *count)
{
    pthread_mutex_lock (&self->lock);
    int rc = zstr_send (self->actor, "STATS");
    if (rc == 0)
        rc = zsock_wait (self->actor);
    pthread_mutex_lock (&self->handover);
    *count = self->figure_count;
    memcpy (figures, self->figures, *count * sizeof *figures);
    pthread_mutex_unlock (&self->handover);
    pthread_mutex_unlock (&self->lock);
    return rc == 0 ? 0 : ZF_E_CLOSED;
}

static int tell_stats (zf_device_t *device, zf_stat_fn *fn, void *arg)
{
    figure_t figures[FIGURES_MAX];
    size_t count;
    int rc = fetch_figures (shell_of (device), figures, &count);
    for (size_t i = 0; rc == 0 && i < count; i++)
        fn (arg, figures[i].name, figures[i].value);
    return rc;
}

static const char *inside_of (const zf_device_t *device)
{
    const shell_t *self = (const shell_t *) (const void *) device;
    return self->inside[0] != '\0' ? self->inside : NULL;
}

static const zf_device_ops_t shell_ops = {stop, endpoint_at, tell_stats, inside_of};

int zf_shell_start (zf_device_t **device, const zf_shell_options_t *options, zf_error_t *err)
{
    *device = NULL;
    if (options->limits.struct_size != sizeof options->limits)
        return zf_error_set (err, ZF_E_INVAL, "limits: set them up with zf_limits_defaults ()");
    shell_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->device.ops = &shell_ops;
    pthread_mutex_init (&self->lock, NULL);
    pthread_mutex_init (&self->handover, NULL);
    pthread_mutex_init (&self->wheel, NULL);
    self->alarm_fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    self->dismount_fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    uint64_t wall = zf_clock_wall_ms ();
    uint64_t now = zf_clock_ms ();
    self->epoch_ms = wall > now ? wall - now : 0;
    self->on_event = options->on_event;
    self->arg = options->arg;
    self->security = zf_security_hold (options->security);
    self->is_guarded = zf_security_is_on (self->security) || options->limits.connections > 0;
    int rc = self->alarm_fd < 0 || self->dismount_fd < 0
                 ? zf_error_set (err, ZF_E_IO, "eventfd: %s", strerror (errno))
                 : open_ports (self, options, err);
    for (size_t i = 0; rc == 0 && i < self->endpoint_count; i++)
        tell (self, ZF_EVENT_LISTENING, self->endpoints[i]);
    if (rc == 0) {
        self->actor = zactor_new (run, self);
        if (self->actor == NULL)
            rc = zf_error_set (err, ZF_E_NOMEM, "start a thread: %s", strerror (errno));
    }
    if (rc != 0)
        stop (&self->device);
    else
        *device = &self->device;
    return rc;
}
