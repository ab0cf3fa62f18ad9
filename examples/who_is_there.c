/* Nodes that meet: each joins a group, greets whoever joins it, thanks for a greeting, and goes
 * when both has happened. A node of Zyre or Pyre may be the other one.
 *
 *   who_is_there NAME [NETWORK PORT]
 *
 * NETWORK (127.0.0.0/8: this machine only) and the UDP PORT say where to look; by default it is
 * everywhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zferry/zferry.h>

#define GROUP    "lobby"
#define WAIT_MS  30000
#define HEADER   "X-FAVOURITE"
#define THANKS   "thank you"
#define GREETING "hello, "

/* What has happened. */
typedef struct {
    zf_peer_t *peer;
    bool was_greeted;
    bool was_thanked;
} guest_t;

static zf_bytes_t frame_of (const zf_peer_event_t *event)
{
    return event->frame_count > 0 ? event->frames[0] : (zf_bytes_t){.data = "", .size = 0};
}

static void print_message (const zf_peer_event_t *event, const char *how)
{
    zf_bytes_t text = frame_of (event);
    printf ("%s %s: %.*s\n", event->name, how, (int) text.size, (const char *) text.data);
}

/* To all in the group. */
static int greet (const guest_t *self, const char *name)
{
    char text[300];
    int size = snprintf (text, sizeof text, GREETING "%.200s", name);
    zf_bytes_t frame = {.data = text, .size = (size_t) size};
    return zf_peer_shout (self->peer, GROUP, &frame, 1);
}

static int thank (guest_t *self, const zf_peer_event_t *event)
{
    zf_bytes_t frame = {.data = THANKS, .size = strlen (THANKS)};
    print_message (event, "shouts");
    self->was_greeted = true;
    return zf_peer_whisper (self->peer, event->id, &frame, 1);
}

static int take_event (guest_t *self, const zf_peer_event_t *event)
{
    switch (event->type) {
    case ZF_PEER_JOIN:
        printf ("%s is there\n", event->name);
        return greet (self, event->name);
    case ZF_PEER_SHOUT:
        return thank (self, event);
    case ZF_PEER_WHISPER:
        print_message (event, "whispers");
        self->was_thanked = true;
        return 0;
    case ZF_PEER_EXIT:
        printf ("%s has gone: %s\n", event->name, event->text);
        return 0;
    case ZF_PEER_ENTER: /* and all that is not of interest here */
    case ZF_PEER_EVASIVE:
    case ZF_PEER_BACK:
    case ZF_PEER_LEAVE:
    case ZF_PEER_OFFER:
    case ZF_PEER_WITHDRAW:
    case ZF_PEER_NOTE:
    case ZF_PEER_MISSED:
    case ZF_PEER_SILENT:
        break;
    }
    return 0;
}

static int meet (guest_t *self, zf_error_t *err)
{
    int rc = zf_peer_join (self->peer, GROUP);
    while (rc == 0 && !(self->was_greeted && self->was_thanked)) {
        zf_peer_event_t event;
        rc = zf_peer_next (self->peer, &event, WAIT_MS);
        if (rc != 0)
            break;
        rc = take_event (self, &event);
        zf_peer_event_release (&event);
    }
    return rc == 0 ? 0 : zf_error_set (err, rc, "%s", zf_strerror (rc));
}

int main (int argc, char **argv)
{
    zf_error_t err = {0};
    guest_t self = {.peer = NULL};
    zf_peer_header_t header = {.name = HEADER, .value = "tea"};
    zf_peer_options_t options;
    if (argc != 2 && argc != 4) {
        fprintf (stderr, "usage: who_is_there NAME [NETWORK PORT]\n");
        return 64;
    }
    const char *const network = argc > 2 ? argv[2] : NULL;
    zf_peer_defaults (&options);
    options.name = argv[1];
    options.headers = &header;
    options.header_count = 1;
    if (argc > 2) {
        options.interfaces = &network;
        options.interface_count = 1;
        options.port = (uint16_t) strtoul (argv[3], NULL, 10);
    }
    int rc = zf_peer_start (&self.peer, &options, &err);
    if (rc == 0)
        rc = meet (&self, &err);
    if (rc != 0)
        fprintf (stderr, "who_is_there: %s\n", err.text);
    zf_peer_stop (&self.peer);
    return rc != 0;
}
