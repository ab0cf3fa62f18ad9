#include "devices/zap.h"

#include "core/hash.h"
#include "devices/socket.h"

#include <czmq.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HANDLER     "inproc://zeromq.zap.01" /* fixed by RFC 27 */
#define DOMAIN_TEXT 32
#define WATCH_MS    1000 /* between looks at the files of keys */
#define FIELD_MAX   256  /* bytes of a text in a request */
#define KEY_BYTES   32
#define GUESTS_MAX  10000
#define PATIENCE_MS 30000 /* libzmq's own for a handshake */
#define LATE_MS     1000  /* until we know what has happened to a connection */

/* A key that was let in. */
typedef struct {
    char key[ZF_KEY_TEXT];
    UT_hash_handle hh; /* by key */
} guest_t;

/* A connection that is there. */
typedef struct {
    int fd;
    uint64_t accepted_ms;
    bool is_in;        /* it is through its handshake, as far as we know */
    UT_hash_handle hh; /* by descriptor; the oldest first */
} wire_t;

struct zf_domain {
    char id[DOMAIN_TEXT];    /* what ZAP calls it */
    zf_security_t *security; /* held; may be NULL or insecure */
    uint32_t limit;          /* 0: none */
    zf_right_t right;        /* that is wanted on name; 0: none */
    char *name;
    uint64_t reviewed;     /* version of the security */
    wire_t *wires;         /* (uthash); changed by the socket's thread, under the lock below, too */
    guest_t *guests;       /* (uthash); under that lock, as what follows */
    bool has_more;         /* there were more of these than are remembered */
    uint64_t patience_ms;  /* by then a handshake has come to its end */
    wire_t *young;         /* the first wire that may not be through it; NULL: there is none */
    unsigned in;           /* wires that are through it */
    unsigned fresh, stale; /* that were let in, and nobody knows yet which wires they are: of this
                              patience_ms, and of that before */
    uint64_t turn_ms;      /* when the fresh ones become stale, and the stale are forgotten */
    UT_hash_handle hh;     /* by id */
};

/* The process's. */
static struct {
    pthread_mutex_t life; /* of the thread; taken before the other */
    zactor_t *actor;      /* NULL: no domain is open */
    pthread_mutex_t lock; /* of the domains */
    zf_domain_t *domains; /* (uthash) */
    unsigned last;        /* number of the newest domain */
} zap = {.life = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

/* -- requests ---------------------------------------------------------------------------------- */

/* version, request id, domain, address, identity, mechanism, credentials: RFC 27. */
typedef struct {
    zmsg_t *frames;
    char domain[FIELD_MAX];
    char address[FIELD_MAX];
    char mechanism[FIELD_MAX];
    char key[ZF_KEY_TEXT]; /* "": it has none */
    zframe_t *id;
} request_t;

typedef struct {
    const char *code;
    const char *text;
    zf_security_t *security; /* whose on_log is told why; held; NULL: nobody's */
    const char *why;
} verdict_t;

static void take_text (zmsg_t *frames, char text[FIELD_MAX])
{
    zframe_t *frame = zmsg_pop (frames);
    size_t size = frame != NULL ? zframe_size (frame) : 0;
    size = size < FIELD_MAX ? size : FIELD_MAX - 1;
    if (size > 0)
        memcpy (text, zframe_data (frame), size);
    text[size] = '\0';
    zframe_destroy (&frame);
}

static void take_key (zmsg_t *frames, char key[ZF_KEY_TEXT])
{
    zframe_t *frame = zmsg_pop (frames);
    key[0] = '\0';
    if (frame != NULL && zframe_size (frame) == KEY_BYTES)
        zmq_z85_encode (key, zframe_data (frame), KEY_BYTES);
    zframe_destroy (&frame);
}

static void read_request (request_t *request, zmsg_t *frames)
{
    char skipped[FIELD_MAX];
    request->frames = frames;
    take_text (frames, skipped);
    request->id = zmsg_pop (frames);
    take_text (frames, request->domain);
    take_text (frames, request->address);
    take_text (frames, skipped);
    take_text (frames, request->mechanism);
    take_key (frames, request->key);
}

/* -- refusing ---------------------------------------------------------------------------------- */

static void say (verdict_t *verdict, const char *code, const char *text)
{
    verdict->code = code;
    verdict->text = text;
}

/* why: for people; NULL: as text. */
static void refuse (verdict_t *verdict, const zf_domain_t *domain, const char *code,
                    const char *text, const char *why)
{
    say (verdict, code, text);
    verdict->why = why != NULL ? why : text;
    if (zf_security_is_on (domain->security))
        verdict->security = zf_security_hold (domain->security);
}

/* Without the lock: who is told may take his time. */
static void tell_refusal (verdict_t *verdict, const request_t *request)
{
    char fingerprint[ZF_FINGERPRINT_TEXT] = "none";
    if (verdict->security == NULL)
        return;
    if (request->key[0] != '\0')
        zf_key_fingerprint (request->key, fingerprint);
    zf_security_log (verdict->security, "refused %s: %s (fingerprint %s, key %s)", request->address,
                     verdict->why, fingerprint, request->key[0] != '\0' ? request->key : "none");
    zf_security_drop (&verdict->security);
}

static bool has_right (const zf_domain_t *domain, const zf_subject_t *subject)
{
    if (domain->right == 0)
        return true;
    zf_access_t *access = zf_security_access (domain->security);
    bool has = zf_access_may (access, subject, domain->right, zf_bytes_of (domain->name));
    zf_access_drop (&access);
    return has;
}

static bool is_welcome (const zf_domain_t *domain, const char *key, zf_subject_t *subject)
{
    return zf_security_find (domain->security, key, subject) && has_right (domain, subject);
}

/* -- room -------------------------------------------------------------------------------------- */

/* ZeroMQ says that somebody is let in, that a connection is there, and that one is gone; but not
 * which one is let in, nor whether one that is gone had been. So who is let in takes room at once.
 * A wire is his for sure when he speaks, or when it is still there after the time of a handshake.
 * Who has gone before without a word gives his room back with that time. All under the lock. */

static void come_in (zf_domain_t *self, wire_t *wire)
{
    wire->is_in = true;
    self->in++;
    if (self->stale > 0)
        self->stale--;
    else if (self->fresh > 0)
        self->fresh--;
}

static void settle (zf_domain_t *self)
{
    uint64_t now_ms = zf_clock_ms ();
    wire_t *wire = self->young;
    for (; wire != NULL && wire->accepted_ms + self->patience_ms <= now_ms; wire = wire->hh.next)
        if (!wire->is_in)
            come_in (self, wire);
    self->young = wire;
    if (now_ms < self->turn_ms)
        return;
    self->stale = self->fresh;
    self->fresh = 0;
    self->turn_ms = now_ms + self->patience_ms;
}

/* There is no wire that one could have who was let in and has not spoken, unless we are late. */
static void hasten (zf_domain_t *self)
{
    uint64_t soon_ms = zf_clock_ms () + LATE_MS;
    if (self->turn_ms <= soon_ms)
        return;
    self->stale += self->fresh;
    self->fresh = 0;
    self->turn_ms = soon_ms;
}

static bool is_full (zf_domain_t *self)
{
    if (self->limit == 0)
        return false;
    settle (self);
    return self->in + self->fresh + self->stale >= self->limit;
}

/* -- the verdict ------------------------------------------------------------------------------- */

/* Who was let in once may have to be thrown out. */
static void remember (zf_domain_t *domain, const char *key)
{
    guest_t *guest;
    HASH_FIND_STR (domain->guests, key, guest);
    if (guest != NULL)
        return;
    if (HASH_COUNT (domain->guests) < GUESTS_MAX)
        guest = calloc (1, sizeof *guest);
    if (guest == NULL) {
        domain->has_more = true;
        return;
    }
    memcpy (guest->key, key, sizeof guest->key);
    HASH_ADD_STR (domain->guests, key, guest);
    if (guest->hh.tbl != NULL)
        return;
    domain->has_more = true;
    free (guest);
}

static void judge_key (verdict_t *verdict, zf_domain_t *domain, const request_t *request)
{
    zf_subject_t subject;
    if (strcmp (request->mechanism, "CURVE") != 0)
        refuse (verdict, domain, "400", "CURVE only", "no key");
    else if (!zf_security_find (domain->security, request->key, &subject))
        refuse (verdict, domain, "400", "key not authorised", NULL);
    else if (!has_right (domain, &subject))
        refuse (verdict, domain, "400", "no rule allows that", NULL);
    else
        say (verdict, "200", "OK");
}

static void judge (verdict_t *verdict, zf_domain_t *domain, const request_t *request)
{
    if (domain == NULL)
        say (verdict, "400", "no such domain");
    else if (is_full (domain)) /* 300 leaves it hanging */
        refuse (verdict, domain, ZF_ZAP_CROWDED_TEXT, "too many connections", NULL);
    else if (zf_security_is_on (domain->security))
        judge_key (verdict, domain, request);
    else
        say (verdict, "200", "OK");
}

static bool is_let_in (const verdict_t *verdict)
{
    return verdict->code[0] == '2';
}

static void let_in (zf_domain_t *domain, const request_t *request)
{
    domain->fresh++;
    if (zf_security_is_on (domain->security))
        remember (domain, request->key);
}

/* The key goes with each message; libzmq knows it as User-Id. */
static void reply (zsock_t *handler, request_t *request, const verdict_t *verdict)
{
    zmsg_t *answer = zmsg_new ();
    bool passes = is_let_in (verdict) && request->key[0] != '\0';
    zmsg_addstr (answer, "1.0");
    zmsg_append (answer, &request->id);
    zmsg_addstr (answer, verdict->code);
    zmsg_addstr (answer, verdict->text);
    zmsg_addstr (answer, passes ? request->key : "");
    zmsg_addmem (answer, NULL, 0);
    zmsg_send (&answer, handler);
}

/* -- the thread -------------------------------------------------------------------------------- */

static zf_domain_t *find_domain (const char *id)
{
    zf_domain_t *domain;
    HASH_FIND_STR (zap.domains, id, domain);
    return domain;
}

static void answer (zsock_t *handler)
{
    request_t request = {0};
    verdict_t verdict = {0};
    zmsg_t *frames = zmsg_recv (handler);
    if (frames == NULL)
        return;
    read_request (&request, frames);
    if (request.id == NULL)
        request.id = zframe_new (NULL, 0);
    pthread_mutex_lock (&zap.lock);
    zf_domain_t *domain = find_domain (request.domain);
    judge (&verdict, domain, &request);
    if (is_let_in (&verdict))
        let_in (domain, &request);
    pthread_mutex_unlock (&zap.lock);
    reply (handler, &request, &verdict);
    tell_refusal (&verdict, &request);
    zmsg_destroy (&frames);
}

/* All securities of domains, each once and held. Returns how many; none if memory is short. */
static size_t hold_securities (zf_security_t ***held)
{
    size_t count = 0;
    pthread_mutex_lock (&zap.lock);
    *held = calloc (HASH_COUNT (zap.domains) + 1, sizeof (zf_security_t *));
    zf_domain_t *domain = *held != NULL ? zap.domains : NULL;
    for (; domain != NULL; domain = domain->hh.next) {
        bool is_new = zf_security_is_on (domain->security);
        for (size_t i = 0; i < count; i++)
            is_new = is_new && (*held)[i] != domain->security;
        if (is_new)
            (*held)[count++] = zf_security_hold (domain->security);
    }
    pthread_mutex_unlock (&zap.lock);
    return count;
}

/* Keys and rules that have changed on disk. Without the lock: it reads files. */
static void watch (void)
{
    zf_security_t **held;
    size_t count = hold_securities (&held);
    for (size_t i = 0; i < count; i++) {
        zf_security_watch (held[i]);
        zf_security_drop (&held[i]);
    }
    free (held);
}

static void run (zsock_t *pipe, void *arg)
{
    zsock_t *handler = arg;
    uint64_t watched = zf_clock_ms ();
    zsock_signal (pipe, 0);
    for (;;) {
        zmq_pollitem_t items[] = {{zsock_resolve (pipe), 0, ZMQ_POLLIN, 0},
                                  {zsock_resolve (handler), 0, ZMQ_POLLIN, 0}};
        zmq_poll (items, 2, WATCH_MS);
        if (items[0].revents != 0)
            break;
        if (items[1].revents != 0)
            answer (handler);
        if (zf_clock_ms () - watched >= WATCH_MS) {
            watch ();
            watched = zf_clock_ms ();
        }
    }
    zsock_unbind (handler, HANDLER); /* at once: closing takes its time */
    zsock_destroy (&handler);
}

/* -- domains ----------------------------------------------------------------------------------- */

static int start (zf_error_t *err)
{
    zf_socket_t socket;
    char bound[64];
    int rc = zf_socket_rep (&socket, err);
    if (rc != 0)
        return rc;
    rc = zf_socket_bind (&socket, HANDLER, bound, sizeof bound, NULL);
    if (rc != 0) {
        zf_socket_close (&socket);
        return zf_error_set (err, ZF_E_BUSY,
                             "this process has another ZAP handler (czmq's zauth?): ZeroMQ allows "
                             "one");
    }
    zap.actor = zactor_new (run, socket.czmq);
    if (zap.actor != NULL)
        return 0;
    zf_socket_close (&socket);
    return zf_error_set (err, ZF_E_NOMEM, "no thread for the ZAP handler");
}

static bool add_domain (zf_domain_t *self)
{
    pthread_mutex_lock (&zap.lock);
    snprintf (self->id, sizeof self->id, "zferry.%u", ++zap.last);
    HASH_ADD_STR (zap.domains, id, self);
    pthread_mutex_unlock (&zap.lock);
    return self->hh.tbl != NULL;
}

static void drop_wire (zf_domain_t *self, wire_t *wire)
{
    if (self->young == wire)
        self->young = wire->hh.next;
    /* NOLINTNEXTLINE(clang-analyzer-*): it is in the table */
    HASH_DEL (self->wires, wire);
    free (wire);
}

static void free_domain (zf_domain_t *self)
{
    guest_t *guest, *next_guest;
    wire_t *wire, *next_wire;
    HASH_ITER (hh, self->guests, guest, next_guest) {
        /* NOLINTNEXTLINE(clang-analyzer-*): it is in the table */
        HASH_DEL (self->guests, guest);
        free (guest);
    }
    HASH_ITER (hh, self->wires, wire, next_wire)
        drop_wire (self, wire);
    zf_security_drop (&self->security);
    free (self->name);
    free (self);
}

int zf_domain_open (zf_domain_t **domain, zf_security_t *security, uint32_t limit, zf_error_t *err)
{
    *domain = NULL;
    zf_domain_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->limit = limit;
    self->patience_ms = PATIENCE_MS + LATE_MS;
    self->security = zf_security_hold (security);
    if (zf_security_is_on (security))
        self->reviewed = zf_security_version (security);
    pthread_mutex_lock (&zap.life);
    int rc = zap.actor != NULL ? 0 : start (err);
    if (rc == 0 && !add_domain (self))
        rc = zf_error_set (err, ZF_E_NOMEM, "out of memory");
    if (zap.domains == NULL)
        zactor_destroy (&zap.actor);
    pthread_mutex_unlock (&zap.life);
    if (rc == 0)
        *domain = self;
    else
        free_domain (self);
    return rc;
}

void zf_domain_close (zf_domain_t **domain)
{
    zf_domain_t *self = *domain;
    if (self == NULL)
        return;
    *domain = NULL;
    pthread_mutex_lock (&zap.life);
    pthread_mutex_lock (&zap.lock);
    HASH_DEL (zap.domains, self);
    bool is_last = zap.domains == NULL;
    pthread_mutex_unlock (&zap.lock);
    if (is_last)
        zactor_destroy (&zap.actor);
    pthread_mutex_unlock (&zap.life);
    free_domain (self);
}

const char *zf_domain_name (const zf_domain_t *domain)
{
    return domain->id;
}

int zf_domain_want (zf_domain_t *self, zf_right_t right, const char *name)
{
    char *copy = strdup (name);
    if (copy == NULL)
        return ZF_E_NOMEM;
    pthread_mutex_lock (&zap.lock);
    free (self->name);
    self->name = copy;
    self->right = right;
    pthread_mutex_unlock (&zap.lock);
    return 0;
}

/* -- connections ------------------------------------------------------------------------------- */

static wire_t *find_wire (const zf_domain_t *self, int fd)
{
    wire_t *wire;
    HASH_FIND_INT (self->wires, &fd, wire);
    return wire;
}

void zf_domain_hurry (zf_domain_t *self, uint32_t handshake_ms)
{
    if (self == NULL || handshake_ms == 0)
        return;
    pthread_mutex_lock (&zap.lock);
    self->patience_ms = (uint64_t) handshake_ms + LATE_MS;
    pthread_mutex_unlock (&zap.lock);
}

static void add_wire (zf_domain_t *self, wire_t *wire)
{
    HASH_ADD_INT (self->wires, fd, wire);
    if (wire->hh.tbl == NULL)
        free (wire);
    else if (self->young == NULL)
        self->young = wire;
}

void zf_domain_accepted (zf_domain_t *self, int fd)
{
    wire_t *wire = self != NULL && find_wire (self, fd) == NULL ? calloc (1, sizeof *wire) : NULL;
    if (wire == NULL)
        return;
    wire->fd = fd;
    wire->accepted_ms = zf_clock_ms ();
    pthread_mutex_lock (&zap.lock);
    add_wire (self, wire);
    pthread_mutex_unlock (&zap.lock);
}

void zf_domain_spoke (zf_domain_t *self, int fd)
{
    wire_t *wire = self != NULL ? find_wire (self, fd) : NULL;
    if (wire == NULL)
        return;
    pthread_mutex_lock (&zap.lock);
    if (!wire->is_in)
        come_in (self, wire);
    pthread_mutex_unlock (&zap.lock);
}

void zf_domain_gone (zf_domain_t *self, int fd)
{
    wire_t *wire = self != NULL ? find_wire (self, fd) : NULL;
    if (wire == NULL)
        return;
    pthread_mutex_lock (&zap.lock);
    bool was_in = wire->is_in;
    self->in -= was_in;
    drop_wire (self, wire);
    if (!was_in && HASH_COUNT (self->wires) == self->in)
        hasten (self);
    pthread_mutex_unlock (&zap.lock);
}

/* True if somebody was let in who would not be now; those are forgotten. */
static bool has_unwelcome (zf_domain_t *self)
{
    guest_t *guest, *next;
    bool any = self->has_more;
    pthread_mutex_lock (&zap.lock);
    HASH_ITER (hh, self->guests, guest, next) {
        zf_subject_t subject;
        if (is_welcome (self, guest->key, &subject))
            continue;
        /* NOLINTNEXTLINE(clang-analyzer-*): it is in the table */
        HASH_DEL (self->guests, guest);
        free (guest);
        any = true;
    }
    pthread_mutex_unlock (&zap.lock);
    return any;
}

void zf_domain_review (zf_domain_t *self)
{
    if (self == NULL || !zf_security_is_on (self->security))
        return;
    uint64_t version = zf_security_version (self->security);
    if (version == self->reviewed)
        return;
    self->reviewed = version;
    if (!has_unwelcome (self))
        return;
    for (wire_t *wire = self->wires; wire != NULL; wire = wire->hh.next)
        zf_socket_cut (wire->fd);
}
