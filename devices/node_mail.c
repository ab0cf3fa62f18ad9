#include "devices/node_inside.h"

#include "discovery/zre.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <utlist.h>

#define MESSAGES_A_TURN 512
#define BYTES_A_TURN    (8u << 20)
#define LOST_LATE_MS    200 /* and then, even if messages go on coming */
#define LOST_MS         10  /* until all is there that came by a lost connection */
#define SENT_A_TURN     256 /* messages of one line */

/* -- frames ------------------------------------------------------------------------------------ */

static void release_sheet (zf_frame_t *frame)
{
    zf_sheet_t *sheet = (zf_sheet_t *) (void *) frame;
    zmq_msg_close (&sheet->message);
    free (sheet);
}

static void look_at_sheet (zf_sheet_t *sheet)
{
    sheet->frame.holders = 1;
    sheet->frame.release = release_sheet;
    sheet->frame.data = zmq_msg_data (&sheet->message);
    sheet->frame.size = zmq_msg_size (&sheet->message);
}

zf_sheet_t *zf_sheet_new (size_t size)
{
    zf_sheet_t *sheet = malloc (sizeof *sheet);
    if (sheet != NULL && zmq_msg_init_size (&sheet->message, size) == 0) {
        look_at_sheet (sheet);
        return sheet;
    }
    free (sheet);
    return NULL;
}

/* -- its life ---------------------------------------------------------------------------------- */

static void note_port (zf_mail_t *mail)
{
    const char *colon = strrchr (mail->endpoint, ':');
    if (strncmp (mail->endpoint, "tcp://", 6) == 0)
        mail->port = (uint16_t) strtoul (colon + 1, NULL, 10);
}

/* On both families, unless there is no IPv6 here or the application wants something else; without
 * a security on this machine only. */
static int bind_mailbox (zf_mail_t *mail, const char *endpoint, zf_error_t *err)
{
    size_t size = sizeof mail->endpoint;
    if (endpoint == NULL && mail->mailbox.security == NULL)
        endpoint = "tcp://127.0.0.1:*";
    if (endpoint == NULL || strcmp (endpoint, "tcp://*:*") == 0) {
        if (zf_socket_bind (&mail->mailbox, "tcp://[::]:*", mail->endpoint, size, NULL) == 0)
            return 0;
        endpoint = "tcp://*:*";
    }
    return zf_socket_bind (&mail->mailbox, endpoint, mail->endpoint, size, err);
}

int zf_mail_open (zf_node_t *self, const zf_peer_options_t *options, zf_error_t *err)
{
    zf_mail_t *mail = &self->mail;
    int rc = zf_socket_mailbox (&mail->mailbox, options->max_message_bytes, err);
    if (rc == 0)
        rc = zf_socket_guard (&mail->mailbox, self->security, 0, err);
    if (rc == 0)
        rc = zf_socket_monitor (&mail->monitor, &mail->mailbox, err);
    if (rc == 0)
        rc = bind_mailbox (mail, options->endpoint, err);
    if (rc == 0)
        note_port (mail);
    return rc;
}

void zf_mail_close (zf_node_t *self)
{
    zf_mail_t *mail = &self->mail;
    for (uint32_t slot = 0; slot < mail->line_count; slot++)
        zf_mail_close_line (self, slot);
    free (mail->lines);
    zf_socket_unmonitor (&mail->mailbox, &mail->monitor);
    zf_socket_close (&mail->mailbox);
    for (size_t i = 0; i < ZF_NODE_SHEETS_MAX; i++)
        free (mail->sheets[i]);
}

/* -- lines ------------------------------------------------------------------------------------- */

static bool make_room (zf_mail_t *mail, uint32_t slot)
{
    if (slot < mail->line_count)
        return true;
    uint32_t count = slot + slot / 2 + 16;
    zf_line_t **lines = realloc (mail->lines, count * sizeof (zf_line_t *));
    if (lines == NULL)
        return false;
    memset (lines + mail->line_count, 0, (count - mail->line_count) * sizeof (zf_line_t *));
    mail->lines = lines;
    mail->line_count = count;
    return true;
}

/* With our identity: 01 and the uuid. */
static int connect_line (zf_node_t *self, zf_line_t *line, const char *endpoint, zf_error_t *err)
{
    char address[ZF_NODE_ENDPOINT_MAX];
    uint8_t identity[1 + ZF_UUID_BYTES] = {1};
    const char *key = zf_node_is_secured (self) ? zf_node_key_of (self, line->uuid) : NULL;
    if (zf_node_is_secured (self) && key == NULL)
        return zf_error_set (err, ZF_E_DENIED, "%s: no authorised key is known of it", endpoint);
    snprintf (address, sizeof address, "%s%s%s", endpoint, key != NULL ? "|" : "",
              key != NULL ? key : "");
    memcpy (identity + 1, self->uuid, ZF_UUID_BYTES);
    int rc = zf_socket_line (&line->socket, identity, sizeof identity, err);
    if (rc != 0)
        return rc;
    zf_socket_secure (&line->socket, self->security);
    zf_reach_begin (self, line);
    return zf_socket_connect (&line->socket, address, err);
}

static zf_line_t *new_line (zf_node_t *self, const zf_roster_effect_t *effect)
{
    zf_mail_t *mail = &self->mail;
    zf_line_t *line = calloc (1, sizeof *line);
    if (line == NULL || !make_room (mail, effect->slot)) {
        free (line);
        return NULL;
    }
    memcpy (line->uuid, effect->uuid, ZF_UUID_BYTES);
    line->slot = effect->slot;
    line->fd = -1;
    zf_line_t *other = zf_mail_line_of (self, line->uuid);
    if (other != NULL) { /* it is being replaced: it is closed soon */
        line->fd = other->fd;
        HASH_DEL (mail->by_uuid, other);
        other->hh.tbl = NULL;
    }
    HASH_ADD (hh, mail->by_uuid, uuid, ZF_UUID_BYTES, line);
    mail->lines[line->slot] = line;
    zf_offers_line (self, line, effect->text);
    return line;
}

/* One that can't be opened is as good as one that does not answer. */
void zf_mail_open_line (zf_node_t *self, const zf_roster_effect_t *effect)
{
    zf_error_t err;
    zf_mail_close_line (self, effect->slot);
    zf_line_t *line = new_line (self, effect);
    if (line == NULL) {
        zf_node_note (self, "connect to %s: out of memory", effect->text);
        return;
    }
    if (connect_line (self, line, effect->text, &err) != 0) {
        zf_reach_end (self, line);
        zf_socket_close (&line->socket);
        zf_node_note (self, "%s", err.text);
    }
}

void zf_mail_close_line (zf_node_t *self, uint32_t slot)
{
    zf_mail_t *mail = &self->mail;
    zf_line_t *line = slot < mail->line_count ? mail->lines[slot] : NULL;
    if (line == NULL)
        return;
    if (line->is_due)
        DL_DELETE (mail->due, line);
    if (line->hh.tbl != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-*): it is in the table */
        HASH_DEL (mail->by_uuid, line);
    zf_herald_closed (&self->herald, &line->hearer);
    zf_reach_end (self, line);
    zf_socket_close (&line->socket);
    free (line);
    mail->lines[slot] = NULL;
}

zf_line_t *zf_mail_line_of (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES])
{
    zf_line_t *line;
    HASH_FIND (hh, self->mail.by_uuid, uuid, ZF_UUID_BYTES, line);
    return line;
}

void zf_mail_line_due (zf_node_t *self, uint32_t slot)
{
    zf_mail_t *mail = &self->mail;
    zf_line_t *line = slot < mail->line_count ? mail->lines[slot] : NULL;
    if (line == NULL || line->is_due)
        return;
    line->is_due = true;
    DL_APPEND (mail->due, line);
}

bool zf_mail_has_foreigners (const zf_node_t *self)
{
    const zf_line_t *line, *next;
    HASH_ITER (hh, self->mail.by_uuid, line, next) {
        if (!line->hearer.is_zferry)
            return true;
    }
    return false;
}

/* -- sending ----------------------------------------------------------------------------------- */

/* Returns false if there is no room. Of a message only its first frame can fail for that. */
static bool send_frame (zf_line_t *line, zmq_msg_t *frame, bool more)
{
    if (zmq_msg_send (frame, line->socket.raw, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0)
        return true;
    zmq_msg_close (frame);
    return false;
}

static bool send_message (zf_line_t *line, zf_bytes_t head, zf_frame_t *const *content,
                          size_t count)
{
    zmq_msg_t frame;
    if (zmq_msg_init_size (&frame, head.size) != 0)
        return false;
    memcpy (zmq_msg_data (&frame), head.data, head.size);
    if (!send_frame (line, &frame, count > 0))
        return false;
    for (size_t i = 0; i < count; i++) {
        zmq_msg_init (&frame);
        zmq_msg_copy (&frame, &((zf_sheet_t *) (void *) content[i])->message);
        send_frame (line, &frame, i + 1 < count);
    }
    return true;
}

/* Returns true if there is more that has room. */
static bool send_line (zf_node_t *self, zf_line_t *line)
{
    zf_bytes_t head;
    zf_frame_t *const *content;
    size_t count;
    line->is_blocked = false;
    for (int i = 0; i < SENT_A_TURN; i++) {
        if (!zf_roster_peek (self->roster, line->slot, &head, &content, &count)) {
            DL_DELETE (self->mail.due, line);
            line->is_due = false;
            return false;
        }
        if (line->socket.raw == NULL || !send_message (line, head, content, count)) {
            line->is_blocked = true;
            return false;
        }
        zf_roster_pop (self->roster, line->slot);
    }
    return true;
}

bool zf_mail_send (zf_node_t *self)
{
    bool more = false;
    zf_line_t *line, *next;
    DL_FOREACH_SAFE (self->mail.due, line, next)
        more |= send_line (self, line);
    return more;
}

size_t zf_mail_blocked (zf_node_t *self, struct pollfd *fds, size_t room, bool *others)
{
    size_t count = 0;
    zf_line_t *line;
    *others = false;
    DL_FOREACH (self->mail.due, line) {
        int fd = line->is_blocked ? zf_socket_fd (&line->socket) : -1;
        if (fd >= 0 && count < room)
            fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        else
            *others |= fd >= 0;
    }
    return count;
}

/* -- receiving --------------------------------------------------------------------------------- */

/* Receives a frame into slot i. Returns 1 if more follow, 0 if not, -1: none, or no memory. */
static int receive_sheet (zf_mail_t *mail, size_t i)
{
    if (mail->sheets[i] == NULL)
        mail->sheets[i] = malloc (sizeof **mail->sheets);
    zf_sheet_t *sheet = mail->sheets[i];
    if (sheet == NULL)
        return -1;
    zmq_msg_init (&sheet->message);
    if (zmq_msg_recv (&sheet->message, mail->mailbox.raw, ZMQ_DONTWAIT) < 0)
        return -1;
    look_at_sheet (sheet);
    return zmq_msg_more (&sheet->message);
}

static void recycle_sheet (zf_mail_t *mail, size_t i)
{
    zf_sheet_t *sheet = mail->sheets[i];
    if (sheet->frame.holders > 1) { /* whoever holds it gives it back */
        mail->sheets[i] = NULL;
        zf_frame_drop (&sheet->frame);
    } else {
        zmq_msg_close (&sheet->message);
    }
}

static void discard_rest (zf_mail_t *mail)
{
    int more = 1;
    while (more == 1) {
        zmq_msg_t frame;
        zmq_msg_init (&frame);
        more =
            zmq_msg_recv (&frame, mail->mailbox.raw, ZMQ_DONTWAIT) < 0 ? 0 : zmq_msg_more (&frame);
        zmq_msg_close (&frame);
    }
}

/* Returns how many frames it took; *whole: these are all. */
static size_t receive_sheets (zf_mail_t *mail, bool *whole)
{
    size_t count = 0;
    int more = 1;
    while (more == 1 && count < ZF_NODE_SHEETS_MAX) {
        more = receive_sheet (mail, count);
        count += more >= 0;
    }
    *whole = more == 0;
    if (more != 0)
        discard_rest (mail);
    return count;
}

/* Remembers by which connection a node writes to us. Asked of the first frame behind the identity:
 * an identity that ZeroMQ fetched early does not know. */
static void note_connection (zf_node_t *self, zf_bytes_t identity)
{
    if (identity.size != 1 + ZF_UUID_BYTES)
        return;
    zf_line_t *line = zf_mail_line_of (self, (const uint8_t *) identity.data + 1);
    if (line != NULL)
        line->fd = zmq_msg_get (&self->mail.sheets[0]->message, ZMQ_SRCFD);
}

static bool is_greeting (zf_bytes_t head)
{
    return head.size > 2 && ((const uint8_t *) head.data)[2] == ZF_ZRE_HELLO;
}

/* Our endpoint, for who greets us; nobody else needs it. */
static void own_for (zf_node_t *self, zf_bytes_t head, char *own, size_t size)
{
    zf_zre_t message;
    own[0] = '\0';
    if (is_greeting (head) && zf_zre_decode (head, &message))
        zf_node_own_towards (self, message.endpoint, own, size);
}

/* fe80::/10 */
static bool is_link_local (zf_bytes_t host)
{
    const char *at = host.data;
    return host.size > 4 && strncasecmp (at, "fe", 2) == 0 && strchr ("89abAB", at[2]) != NULL &&
           isxdigit (at[3]) != 0 && at[4] == ':';
}

/* Which of our interfaces leads to a link-local address its owner can't say: it is the one that he
 * has come by. Writes the HELLO with his address as we see it; false: it is right as it is. */
static bool put_scope (zf_node_t *self, zf_bytes_t head, zf_writer_t *w)
{
    char endpoint[ZF_NODE_ENDPOINT_MAX];
    zf_zre_t message;
    const char *peer = zmq_msg_gets (&self->mail.sheets[0]->message, "Peer-Address");
    if (peer == NULL || strchr (peer, '%') == NULL || !zf_zre_decode (head, &message) ||
        !is_link_local (zf_endpoint_host (message.endpoint)))
        return false;
    const char *from = message.endpoint.data;
    size_t size = message.endpoint.size;
    while (size > 0 && from[size - 1] != ':')
        size--;
    int length = snprintf (endpoint, sizeof endpoint, "tcp://[%s]:%.*s", peer,
                           (int) (message.endpoint.size - size), from + size);
    message.endpoint = zf_bytes (endpoint, (size_t) length);
    if (length >= (int) sizeof endpoint)
        return false;
    zf_zre_encode (w, &message);
    return !w->failed;
}

/* True if it came from a guest of our hub. */
static bool is_guests (zf_node_t *self, zf_bytes_t identity, size_t count, uint64_t now_ms)
{
    const zf_sheet_t *first = self->mail.sheets[0];
    zf_bytes_t frame = zf_bytes (first->frame.data, first->frame.size);
    int fd = zmq_msg_get (&first->message, ZMQ_SRCFD);
    return count == 1 && zf_guests_mail (self, identity, frame, fd, now_ms);
}

static void hand_over (zf_node_t *self, zf_bytes_t identity, size_t count, uint64_t now_ms)
{
    zf_frame_t *content[ZF_NODE_FRAMES_MAX];
    char own[ZF_NODE_ENDPOINT_MAX];
    zf_writer_t scoped = {0};
    const zf_frame_t *first = &self->mail.sheets[0]->frame;
    zf_bytes_t head = zf_bytes (first->data, first->size);
    if (is_greeting (head) && put_scope (self, head, &scoped))
        head = zf_bytes (scoped.data, scoped.size);
    for (size_t i = 1; i < count; i++)
        content[i - 1] = &self->mail.sheets[i]->frame;
    own_for (self, head, own, sizeof own);
    zf_roster_received (self->roster, identity, head, content, count - 1, zf_bytes_of (own),
                        now_ms);
    if (is_greeting (head)) /* its line may be opened by that */
        zf_node_settle (self);
    note_connection (self, identity);
    zf_writer_free (&scoped);
}

/* With a security an identity belongs to a key. */
static bool is_who_it_says (zf_node_t *self, zf_bytes_t identity)
{
    if (!zf_node_is_secured (self) || identity.size != 1 + ZF_UUID_BYTES)
        return true;
    const char *key = zf_socket_sender (&self->mail.sheets[0]->message);
    return key == NULL ||
           zf_node_prove_key (self, (const uint8_t *) identity.data + 1, key); /* NULL: inproc */
}

/* Receives and handles one message. Returns its bytes, or -1: there was none. */
static int64_t collect_one (zf_node_t *self, uint64_t now_ms)
{
    zf_mail_t *mail = &self->mail;
    zmq_msg_t identity;
    zmq_msg_init (&identity);
    if (zmq_msg_recv (&identity, mail->mailbox.raw, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (&identity);
        return -1;
    }
    bool whole = false;
    size_t count = zmq_msg_more (&identity) ? receive_sheets (mail, &whole) : 0;
    zf_bytes_t from = zf_bytes (zmq_msg_data (&identity), zmq_msg_size (&identity));
    if (!whole || !is_who_it_says (self, from))
        mail->strange++;
    else if (!is_guests (self, from, count, now_ms))
        hand_over (self, from, count, now_ms);
    int64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += (int64_t) mail->sheets[i]->frame.size;
        recycle_sheet (mail, i);
    }
    zmq_msg_close (&identity);
    return bytes;
}

/* The connection by which a node wrote to us is gone. */
static void lose (zf_node_t *self, int fd, uint64_t now_ms)
{
    zf_line_t *line, *next;
    HASH_ITER (hh, self->mail.by_uuid, line, next) {
        if (line->fd == fd) {
            line->fd = -1;
            zf_roster_lost (self->roster, line->slot, now_ms);
        }
    }
}

/* Lost connections are told before all is there that came by them. */
static void note_lost (zf_mail_t *mail, uint64_t now_ms)
{
    while (mail->lost_count < ZF_NODE_LOST_MAX) {
        int fd = zf_socket_lost (&mail->monitor);
        if (fd < 0)
            return;
        mail->lost[mail->lost_count++] = (zf_lost_t){fd, now_ms + LOST_MS};
    }
}

/* Those who have been heard to the end; what they said last must not look like an answer. */
static void lose_due (zf_node_t *self, uint64_t now_ms)
{
    zf_mail_t *mail = &self->mail;
    uint32_t left = 0;
    for (uint32_t i = 0; i < mail->lost_count; i++) {
        if (mail->lost[i].due_ms > now_ms)
            mail->lost[left++] = mail->lost[i];
        else
            lose (self, mail->lost[i].fd, now_ms);
    }
    mail->lost_count = left;
}

uint64_t zf_mail_due (const zf_node_t *self)
{
    return self->mail.lost_count > 0 ? self->mail.lost[0].due_ms : ZF_NEVER - LOST_LATE_MS;
}

void zf_mail_collect (zf_node_t *self, uint64_t now_ms)
{
    zf_mail_t *mail = &self->mail;
    int64_t bytes = 0;
    int64_t size = 0;
    note_lost (mail, now_ms);
    for (int i = 0; size >= 0 && i < MESSAGES_A_TURN && bytes < BYTES_A_TURN; i++) {
        size = collect_one (self, now_ms);
        bytes += size > 0 ? size : 0;
    }
    mail->has_more = size >= 0;
    if (!mail->has_more || now_ms > zf_mail_due (self) + LOST_LATE_MS)
        lose_due (self, now_ms);
}
