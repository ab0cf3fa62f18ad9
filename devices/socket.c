#include "devices/socket.h"

#include <czmq.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define KEEPALIVE_IDLE_S  30 /* a half-open connection is noticed by the kernel, and closed */
#define KEEPALIVE_STEP_S  10
#define KEEPALIVE_TRIES   3
#define UNACKED_MS        30000  /* the same while something is on its way */
#define NODE_UNACKED_MS   120000 /* nodes ask each other; where much is lost TCP takes its time */
#define RECONNECT_MS      20
#define RECONNECT_MAX_MS  2000
#define LINE_RECONNECT_MS 100
#define HANDSHAKE_MS      5000
#define BACKLOG           4096
#define LINE_BYTES_IN     1024  /* nobody writes on a line */
#define UNBIND_MS         2000  /* for libzmq to let go of an address */
#define SUBSCRIBE_HEAD    10    /* bytes before the topic at most: ZMTP 3.1 names the command */
#define SOCKETS_MAX       16384 /* of the process; libzmq's 1,023 are too few for large networks */
#define ADDRESS_MAX       512   /* bytes of an endpoint */
#define BEATS             3     /* heartbeats in the time after which silence means death */

/* zmq.h shows their names only with drafts; where one is not compiled in, setting it is refused. */
#define XPUB_MANUAL_LAST_VALUE 98
#define ZAP_ENFORCE_DOMAIN     93

static void prepare_context (void)
{
    zsys_handler_set (NULL);
    void *context = zsys_init ();
    if (getenv ("ZSYS_MAX_SOCKETS") == NULL) /* too late if the application has sockets already */
        zmq_ctx_set (context, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
}

/* czmq ends the process if it can't have another descriptor. */
static bool has_descriptors (void)
{
    int fd = eventfd (0, EFD_CLOEXEC);
    if (fd >= 0)
        close (fd);
    return fd >= 0;
}

static int open_socket (zf_socket_t *socket, int type, zf_error_t *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once (&once, prepare_context);
    if (!has_descriptors ())
        return zf_error_set (err, ZF_E_IO, "open a socket: %s", strerror (errno));
    socket->security = NULL;
    socket->domain = NULL;
    socket->is_monitor = false;
    socket->czmq = zsock_new (type);
    socket->raw = socket->czmq != NULL ? zsock_resolve (socket->czmq) : NULL;
    if (socket->raw == NULL)
        return zf_error_set (err, ZF_E_IO, "open a socket: %s", zmq_strerror (zmq_errno ()));
    return 0;
}

int zf_socket_rep (zf_socket_t *socket, zf_error_t *err)
{
    return open_socket (socket, ZMQ_REP, err);
}

static int set_int (zf_socket_t *socket, int option, int value)
{
    return zmq_setsockopt (socket->raw, option, &value, sizeof value);
}

static void set_reconnect (zf_socket_t *socket)
{
    set_int (socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_int (socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
}

static void set_common (zf_socket_t *socket, uint64_t max_message_bytes)
{
    int64_t max = max_message_bytes < INT64_MAX ? (int64_t) max_message_bytes : INT64_MAX;
    zmq_setsockopt (socket->raw, ZMQ_MAXMSGSIZE, &max, sizeof max);
    set_int (socket, ZMQ_LINGER, ZF_SOCKET_LINGER_MS);
    set_int (socket, ZMQ_TCP_KEEPALIVE, 1);
    set_int (socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S);
    set_int (socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_STEP_S);
    set_int (socket, ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_TRIES);
    set_int (socket, ZMQ_TCP_MAXRT, UNACKED_MS);
}

int zf_socket_router (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err)
{
    int rc = open_socket (socket, ZMQ_ROUTER, err);
    if (rc != 0)
        return rc;
    set_common (socket, max_message_bytes);
    set_int (socket, ZMQ_SNDHWM, ZF_SOCKET_HWM_OUT);
    set_int (socket, ZMQ_RCVHWM, ZF_SOCKET_HWM_IN);
    set_int (socket, ZMQ_ROUTER_MANDATORY, 1);
    set_int (socket, ZMQ_BACKLOG, BACKLOG);
    return 0;
}

int zf_socket_dealer (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err)
{
    int rc = open_socket (socket, ZMQ_DEALER, err);
    if (rc != 0)
        return rc;
    set_common (socket, max_message_bytes);
    set_int (socket, ZMQ_SNDHWM, 0); /* windows, credit and requests under way bound both ways */
    set_int (socket, ZMQ_RCVHWM, 0);
    set_int (socket, ZMQ_PROBE_ROUTER, 1);
    set_reconnect (socket);
    return 0;
}

int zf_socket_mailbox (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err)
{
    int rc = open_socket (socket, ZMQ_ROUTER, err);
    if (rc != 0)
        return rc;
    set_common (socket, max_message_bytes);
    set_int (socket, ZMQ_SNDHWM, ZF_SOCKET_HWM_OUT);
    set_int (socket, ZMQ_RCVHWM, ZF_SOCKET_HWM_IN);
    set_int (socket, ZMQ_ROUTER_MANDATORY, 1);
    set_int (socket, ZMQ_ROUTER_HANDOVER, 1);
    set_int (socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_int (socket, ZMQ_TCP_MAXRT, NODE_UNACKED_MS);
    set_int (socket, ZMQ_BACKLOG, BACKLOG);
    return 0;
}

int zf_socket_line (zf_socket_t *socket, const void *identity, size_t size, zf_error_t *err)
{
    int rc = open_socket (socket, ZMQ_DEALER, err);
    if (rc != 0)
        return rc;
    set_common (socket, LINE_BYTES_IN);
    set_int (socket, ZMQ_SNDHWM, ZF_SOCKET_HWM_LINE);
    set_int (socket, ZMQ_RCVHWM, 1);
    zmq_setsockopt (socket->raw, ZMQ_ROUTING_ID, identity, size);
    set_int (socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_int (socket, ZMQ_TCP_MAXRT, NODE_UNACKED_MS);
    set_int (socket, ZMQ_RECONNECT_IVL, LINE_RECONNECT_MS);
    set_int (socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    return 0;
}

int zf_socket_seed (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err)
{
    int rc = open_socket (socket, ZMQ_DEALER, err);
    if (rc != 0)
        return rc;
    set_common (socket, max_message_bytes);
    set_int (socket, ZMQ_SNDHWM, ZF_SOCKET_HWM_OUT);
    set_int (socket, ZMQ_RCVHWM, 0); /* as many as there are nodes */
    set_int (socket, ZMQ_RECONNECT_IVL, LINE_RECONNECT_MS);
    set_int (socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    return 0;
}

int zf_socket_xsub (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err)
{
    int rc = open_socket (socket, ZMQ_XSUB, err);
    if (rc != 0)
        return rc;
    set_common (socket, max_message_bytes);
    set_int (socket, ZMQ_SNDHWM, 0); /* as many as there are subscriptions */
    set_int (socket, ZMQ_RCVHWM, ZF_SOCKET_HWM_XSUB);
    set_int (socket, ZMQ_BACKLOG, BACKLOG);
    set_reconnect (socket);
    return 0;
}

int zf_socket_xpub (zf_socket_t *socket, uint32_t hwm, uint32_t silence_ms, zf_error_t *err)
{
    int rc = open_socket (socket, ZMQ_XPUB, err);
    if (rc != 0)
        return rc;
    set_common (socket, SUBSCRIBE_HEAD + ZF_SOCKET_TOPIC_MAX);
    set_int (socket, ZMQ_SNDHWM, (int) hwm);
    set_int (socket, ZMQ_BACKLOG, BACKLOG);
    set_int (socket, ZMQ_XPUB_NODROP, 1);
    set_int (socket, ZMQ_IMMEDIATE, 1); /* subscriptions end with the connection, whoever made it */
    set_reconnect (socket);
    /* By itself one that does not read is kept: it may wake up, and what waits is bounded. */
    set_int (socket, ZMQ_TCP_MAXRT, (int) silence_ms);
    if (silence_ms == 0)
        return 0;
    set_int (socket, ZMQ_HEARTBEAT_IVL, (int) (silence_ms / BEATS));
    set_int (socket, ZMQ_HEARTBEAT_TIMEOUT, (int) silence_ms);
    return 0;
}

void zf_socket_xpub_lossy (zf_socket_t *xpub, bool on)
{
    set_int (xpub, ZMQ_XPUB_NODROP, !on);
}

void zf_socket_xpub_manual (zf_socket_t *xpub)
{
    set_int (xpub, XPUB_MANUAL_LAST_VALUE, 0);
    set_int (xpub, ZMQ_XPUB_MANUAL, 1);
}

void zf_socket_xpub_grant (zf_socket_t *xpub, const void *topic, size_t size)
{
    zmq_setsockopt (xpub->raw, ZMQ_SUBSCRIBE, topic, size);
}

void zf_socket_xpub_revoke (zf_socket_t *xpub, const void *topic, size_t size)
{
    zmq_setsockopt (xpub->raw, ZMQ_UNSUBSCRIBE, topic, size);
}

void zf_socket_xpub_invert (zf_socket_t *xpub, bool on)
{
    set_int (xpub, ZMQ_INVERT_MATCHING, on);
}

bool zf_socket_xpub_aim (zf_socket_t *xpub)
{
    return set_int (xpub, XPUB_MANUAL_LAST_VALUE, 1) == 0;
}

static int watch_events (zf_socket_t *monitor, zf_socket_t *watched, int events, zf_error_t *err)
{
    static atomic_uint last; /* libzmq takes its time to free a name */
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "inproc://zferry-monitor-%u", atomic_fetch_add (&last, 1));
    if (zmq_socket_monitor (watched->raw, endpoint, events) != 0)
        return zf_error_set (err, ZF_E_IO, "watch a socket: %s", zmq_strerror (zmq_errno ()));
    int rc = open_socket (monitor, ZMQ_PAIR, err);
    if (rc != 0)
        return rc;
    set_int (monitor, ZMQ_LINGER, 0);
    set_int (monitor, ZMQ_RCVHWM, 0);
    return zf_socket_connect (monitor, endpoint, err);
}

#define HANDSHAKE_EVENTS                                                      \
    (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)

int zf_socket_monitor (zf_socket_t *monitor, zf_socket_t *watched, zf_error_t *err)
{
    int events = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_CLOSE_FAILED;
    events |= HANDSHAKE_EVENTS;
    if (watched->domain != NULL)
        events |= ZMQ_EVENT_ACCEPTED;
    int rc = watch_events (monitor, watched, events, err);
    monitor->domain = watched->domain;
    monitor->is_monitor = true;
    return rc;
}

int zf_socket_monitor_both (zf_socket_t *monitor, zf_socket_t *watched, zf_error_t *err)
{
    return watch_events (monitor, watched, ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECTED, err);
}

int zf_socket_monitor_through (zf_socket_t *monitor, zf_socket_t *watched, zf_error_t *err)
{
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECTED;
    return watch_events (monitor, watched, events, err);
}

/* Receives an event: two frames, u16 event and u32 value (a descriptor), both in host order; and
 * the endpoint. Returns the event, 0 for one that is malformed, -1: there is none. */
static int next_event (zf_socket_t *monitor, int flags, int *value)
{
    uint8_t event[6];
    char endpoint[8];
    uint16_t number;
    int size = zmq_recv (monitor->raw, event, sizeof event, flags);
    if (size < 0)
        return -1;
    zmq_recv (monitor->raw, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
    if (size != sizeof event)
        return 0;
    memcpy (&number, event, sizeof number);
    memcpy (value, event + 2, sizeof *value);
    return number;
}

/* Why a handshake failed, as far as libzmq tells the side that connects. */
static void explain (zf_error_t *why, int event, int value)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        zf_error_set (why, ZF_E_TIMEOUT, "it broke off the handshake; is its key the right one?");
    else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH && value == ZF_ZAP_CROWDED)
        zf_error_set (why, ZF_E_LIMIT, "it has as many connections as it may have");
    else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        zf_error_set (why, ZF_E_DENIED, "key not authorised there");
    else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        zf_error_set (why, ZF_E_DENIED, "one side is encrypted and the other is not");
    else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
        zf_error_set (why, ZF_E_DENIED, "its key is another one than expected");
    else
        zf_error_set (why, ZF_E_DENIED, "it does not speak ZeroMQ's protocol");
}

int zf_socket_lost_why (zf_socket_t *monitor, zf_error_t *why)
{
    int event, value;
    do {
        event = next_event (monitor, ZMQ_DONTWAIT, &value);
        if (event == ZMQ_EVENT_ACCEPTED)
            zf_domain_accepted (monitor->domain, value);
        else if (event == ZMQ_EVENT_DISCONNECTED)
            zf_domain_gone (monitor->domain, value);
        else if (event > 0 && (event & HANDSHAKE_EVENTS) != 0)
            explain (why, event, value);
    } while (event >= 0 && event != ZMQ_EVENT_DISCONNECTED);
    return event >= 0 ? value : -1;
}

int zf_socket_lost (zf_socket_t *monitor)
{
    return zf_socket_lost_why (monitor, NULL);
}

void zf_socket_own_host (int fd, char host[80])
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof own;
    char text[64];
    host[0] = '\0';
    if (getsockname (fd, (struct sockaddr *) &own, &size) != 0 ||
        (own.ss_family != AF_INET && own.ss_family != AF_INET6) ||
        getnameinfo ((struct sockaddr *) &own, size, text, sizeof text, NULL, 0, NI_NUMERICHOST) !=
            0)
        return;
    bool mapped = strncmp (text, "::ffff:", 7) == 0;
    bool bracket = !mapped && own.ss_family == AF_INET6;
    snprintf (host, 80, "%s%s%s", bracket ? "[" : "", mapped ? text + 7 : text, bracket ? "]" : "");
}

void zf_socket_route_host (const char *to, char host[80])
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *there;
    host[0] = '\0';
    if (getaddrinfo (to, "9", &hints, &there) != 0) /* any port: nothing is sent */
        return;
    int fd = socket (there->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect (fd, there->ai_addr, there->ai_addrlen) == 0)
        zf_socket_own_host (fd, host);
    if (fd >= 0)
        close (fd);
    freeaddrinfo (there);
}

int zf_socket_turn_of (zf_socket_t *monitor, char host[80])
{
    int event, fd;
    do
        event = next_event (monitor, ZMQ_DONTWAIT, &fd);
    while (event == 0);
    if (event == ZMQ_EVENT_CONNECTED)
        zf_socket_own_host (fd, host);
    return event < 0 ? -1 : event == ZMQ_EVENT_CONNECTED;
}

int zf_socket_through (zf_socket_t *monitor, int *fd)
{
    int event, value;
    do { /* the only one of them with a descriptor is CONNECTED */
        event = next_event (monitor, ZMQ_DONTWAIT, &value);
        if (event == ZMQ_EVENT_CONNECTED)
            *fd = value;
    } while (event == 0 || event == ZMQ_EVENT_CONNECTED);
    return event < 0 ? -1 : event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
}

void zf_socket_losses (int fd, bool *loses, bool *stuck)
{
    struct tcp_info info = {0}; /* as it stays where this is no TCP */
    socklen_t size = sizeof info;
    getsockopt (fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    *loses = info.tcpi_total_retrans > 0;
    *stuck = info.tcpi_unacked > 0;
}

void zf_socket_unmonitor (zf_socket_t *watched, zf_socket_t *monitor)
{
    if (watched->raw != NULL)
        zmq_socket_monitor (watched->raw, NULL, 0);
    zf_socket_close (monitor);
}

/* zmq's own words are short of what a person needs. */
static int refuse_endpoint (const char *verb, const char *endpoint, int error, zf_error_t *err)
{
    const char *why = zmq_strerror (error);
    if (error == EINVAL)
        why = "not an endpoint; write tcp://HOST:PORT, ipc://PATH or inproc://NAME";
    else if (error == EPROTONOSUPPORT || error == ENOCOMPATPROTO)
        why = "unknown transport; use tcp, ipc or inproc";
    else if (error == ENODEV || error == EADDRNOTAVAIL)
        why = "no such network interface or address on this machine";
    else if (error == EADDRINUSE)
        why = "address already in use";
    return zf_error_set (err, ZF_E_ADDRESS, "%s %s: %s", verb, endpoint, why);
}

/* -- security ---------------------------------------------------------------------------------- */

void zf_socket_secure (zf_socket_t *socket, zf_security_t *security)
{
    socket->security = zf_security_hold (security);
}

int zf_socket_guard (zf_socket_t *socket, zf_security_t *security, uint32_t connections,
                     zf_error_t *err)
{
    zf_socket_secure (socket, security);
    if (!zf_security_is_on (security) && connections == 0)
        return 0;
    return zf_domain_open (&socket->domain, security, connections, err);
}

void zf_socket_hurry (zf_socket_t *socket, uint32_t handshake_ms)
{
    if (handshake_ms > 0)
        set_int (socket, ZMQ_HANDSHAKE_IVL, (int) handshake_ms);
    zf_domain_hurry (socket->domain, handshake_ms);
}

const char *zf_socket_key_of (const char *endpoint)
{
    const char *bar = strrchr (endpoint, '|');
    return bar != NULL && strlen (bar + 1) == ZF_KEY_TEXT - 1 ? bar + 1 : NULL;
}

bool zf_socket_is_local (const char *endpoint)
{
    static const char *const hosts[] = {"127.", "localhost:", "[::1]:", "[::ffff:127.", "lo:"};
    if (strncmp (endpoint, "tcp://", 6) != 0)
        return true;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        if (strncmp (endpoint + 6, hosts[i], strlen (hosts[i])) == 0)
            return true;
    }
    return false;
}

/* Returns false if this libzmq can't encrypt. */
static bool set_own_keys (zf_socket_t *socket)
{
    const zf_security_t *security = socket->security;
    void *raw = socket->raw;
    return zmq_setsockopt (raw, ZMQ_CURVE_PUBLICKEY, zf_security_own_public (security), 32) == 0 &&
           zmq_setsockopt (raw, ZMQ_CURVE_SECRETKEY, zf_security_own_secret (security), 32) == 0;
}

/* As one who is connected to. What could not be made so must not be bound. */
static bool be_server (zf_socket_t *socket)
{
    bool is_made = true;
    if (zf_security_is_on (socket->security))
        is_made = set_own_keys (socket) && set_int (socket, ZMQ_CURVE_SERVER, 1) == 0;
    if (is_made && socket->domain != NULL) {
        const char *domain = zf_domain_name (socket->domain);
        is_made = zmq_setsockopt (socket->raw, ZMQ_ZAP_DOMAIN, domain, strlen (domain)) == 0;
        set_int (socket, ZAP_ENFORCE_DOMAIN, 1); /* without the handler nobody is let in */
    }
    return is_made;
}

/* As one who connects to whoever has this key. */
static int be_client (zf_socket_t *socket, const char *key)
{
    if (!set_own_keys (socket))
        return -1;
    return zmq_setsockopt (socket->raw, ZMQ_CURVE_SERVERKEY, key, ZF_KEY_TEXT - 1);
}

/* Copies the endpoint without the key behind it, and makes the socket want that key. */
static int prepare_connect (zf_socket_t *socket, const char *endpoint, char *address, size_t size,
                            zf_error_t *err)
{
    const char *key = zf_socket_key_of (endpoint);
    size_t length = key != NULL ? (size_t) (key - 1 - endpoint) : strlen (endpoint);
    if (length >= size)
        return zf_error_set (err, ZF_E_ADDRESS, "connect %.40s...: too long", endpoint);
    memcpy (address, endpoint, length);
    address[length] = '\0';
    if (strncmp (endpoint, "inproc://", 9) == 0)
        return 0;
    if (!zf_security_is_on (socket->security))
        return key == NULL ? 0
                           : zf_error_set (err, ZF_E_INVAL,
                                           "connect %s: it says whose key it is, so a key of our "
                                           "own is needed",
                                           address);
    if (key == NULL)
        key = zf_security_server_key (socket->security);
    if (key == NULL)
        return zf_error_set (err, ZF_E_INVAL,
                             "connect %s: whose key is it? Write %s|KEY, or give a server key",
                             address, address);
    return be_client (socket, key) == 0
               ? 0
               : zf_error_set (err, ZF_E_INVAL, "connect %s: '%s' is not a key", address, key);
}

/* -- addresses --------------------------------------------------------------------------------- */

/* libzmq has others, of which some never encrypt, and some are reached from anywhere. */
static bool is_other_transport (const char *endpoint)
{
    return strstr (endpoint, "://") != NULL && strncmp (endpoint, "tcp://", 6) != 0 &&
           strncmp (endpoint, "ipc://", 6) != 0 && strncmp (endpoint, "inproc://", 9) != 0;
}

/* libzmq takes a port modulo 65536. Returns 0 or an errno. */
static int prepare_address (zf_socket_t *socket, const char *endpoint)
{
    const char *port = strrchr (endpoint, ':');
    if (is_other_transport (endpoint))
        return EPROTONOSUPPORT;
    if (strncmp (endpoint, "tcp://", 6) == 0 && strtoul (port + 1, NULL, 10) > UINT16_MAX)
        return EINVAL;
    set_int (socket, ZMQ_IPV6, strchr (endpoint, '[') != NULL);
    return 0;
}

/* True if somebody listens at this path: libzmq would take it away from them without a word. */
static bool is_taken (const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path[0] == '\0' || path[0] == '@' || path[0] == '*' ||
        strlen (path) >= sizeof address.sun_path)
        return false;
    memcpy (address.sun_path, path, strlen (path));
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int rc = connect (fd, (const struct sockaddr *) &address, sizeof address);
    bool taken = rc == 0 || errno == EAGAIN;
    close (fd);
    return taken;
}

/* Returns 0 or an errno. */
static int bind_address (zf_socket_t *socket, const char *endpoint)
{
    int error = prepare_address (socket, endpoint);
    if (error == 0 && zmq_bind (socket->raw, endpoint) != 0)
        error = zmq_errno ();
    return error;
}

/* All interfaces are those of IPv6, too, where there is such a thing. */
static int bind_everywhere (zf_socket_t *socket, const char *endpoint)
{
    char both[32];
    int size = snprintf (both, sizeof both, "tcp://[::]:%s", strrchr (endpoint, ':') + 1);
    int error = size < (int) sizeof both ? bind_address (socket, both) : EINVAL;
    return error == 0 || error == EADDRINUSE ? error : bind_address (socket, endpoint);
}

int zf_socket_bind (zf_socket_t *socket, const char *endpoint, char *bound, size_t size,
                    zf_error_t *err)
{
    int error = 0;
    if (socket->security == NULL && !zf_socket_is_local (endpoint))
        return zf_error_set (err, ZF_E_DENIED,
                             "bind %s: other machines can reach that, and there is no key; give "
                             "one, say that it is meant to be insecure, or bind 127.0.0.1",
                             endpoint);
    if (!be_server (socket))
        return zf_error_set (err, ZF_E_IO, "bind %s: it can't be secured: %s", endpoint,
                             zmq_strerror (zmq_errno ()));
    if (strncmp (endpoint, "ipc://", 6) == 0 && is_taken (endpoint + 6))
        error = EADDRINUSE;
    else if (strncmp (endpoint, "tcp://*:", 8) == 0)
        error = bind_everywhere (socket, endpoint);
    else
        error = bind_address (socket, endpoint);
    if (error != 0)
        return refuse_endpoint ("bind", endpoint, error, err);
    if (zmq_getsockopt (socket->raw, ZMQ_LAST_ENDPOINT, bound, &size) != 0)
        return zf_error_set (err, ZF_E_IO, "bind %s: %s", endpoint, zmq_strerror (zmq_errno ()));
    return 0;
}

void zf_socket_unbind (zf_socket_t *socket, zf_socket_t *monitor, const char *endpoint)
{
    zmq_pollitem_t item = {monitor->raw, 0, ZMQ_POLLIN, 0};
    if (zmq_unbind (socket->raw, endpoint) != 0 || strncmp (endpoint, "inproc://", 9) == 0)
        return;
    int event = 0;
    while (event != ZMQ_EVENT_CLOSED && event != ZMQ_EVENT_CLOSE_FAILED &&
           zmq_poll (&item, 1, UNBIND_MS) > 0) {
        int fd;
        event = next_event (monitor, ZMQ_DONTWAIT, &fd);
    }
}

int zf_socket_connect (zf_socket_t *socket, const char *endpoint, zf_error_t *err)
{
    char address[ADDRESS_MAX];
    int rc = prepare_connect (socket, endpoint, address, sizeof address, err);
    if (rc != 0)
        return rc;
    int error = prepare_address (socket, address);
    if (error == 0 && zmq_connect (socket->raw, address) != 0)
        error = zmq_errno ();
    return error == 0 ? 0 : refuse_endpoint ("connect", address, error, err);
}

void zf_socket_disconnect (zf_socket_t *socket, const char *endpoint)
{
    char address[ADDRESS_MAX];
    const char *key = zf_socket_key_of (endpoint);
    size_t length = key != NULL ? (size_t) (key - 1 - endpoint) : strlen (endpoint);
    snprintf (address, sizeof address, "%.*s", (int) length, endpoint);
    zmq_disconnect (socket->raw, address);
}

int zf_socket_fd (const zf_socket_t *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    if (socket->raw == NULL || zmq_getsockopt (socket->raw, ZMQ_FD, &fd, &size) != 0)
        return -1;
    return fd;
}

void zf_socket_cut (int fd)
{
    if (fd >= 0)
        shutdown (fd, SHUT_RDWR);
}

const char *zf_socket_sender (void *message)
{
    const char *key = zmq_msg_gets (message, "User-Id");
    return key != NULL && key[0] != '\0' ? key : NULL;
}

bool zf_socket_readable (void *raw)
{
    int events = 0;
    size_t size = sizeof events;
    zmq_getsockopt (raw, ZMQ_EVENTS, &events, &size);
    return (events & ZMQ_POLLIN) != 0;
}

void zf_socket_discard (zf_socket_t *socket)
{
    set_int (socket, ZMQ_LINGER, 0);
}

void zf_socket_close (zf_socket_t *socket)
{
    zsock_t *czmq = socket->czmq;
    zsock_destroy (&czmq);
    socket->czmq = socket->raw = NULL;
    if (socket->domain != NULL && !socket->is_monitor)
        zf_domain_close (&socket->domain);
    zf_security_drop (&socket->security);
    socket->domain = NULL;
}

#ifdef __SANITIZE_THREAD__
void __tsan_acquire (void *at);
void __tsan_release (void *at);
#else
#define __tsan_acquire(at) ((void) (at))
#define __tsan_release(at) ((void) (at))
#endif

void zf_socket_hands_over (void *data)
{
    __tsan_release (data);
}

void zf_socket_takes_over (void *data)
{
    __tsan_acquire (data);
}

uint64_t zf_clock_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

uint64_t zf_clock_wall_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

uint64_t zf_clock_coarse_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

int zf_random (void *at, size_t size, zf_error_t *err)
{
    if (getrandom (at, size, 0) == (ssize_t) size)
        return 0;
    return zf_error_set (err, ZF_E_IO, "getrandom: %s", strerror (errno));
}
