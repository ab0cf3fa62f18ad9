#include "mesh.h"

#include "log.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>

mesh_t mesh_begin (const cli_t *cli, bool always)
{
    bool wanted = always || log_is_verbose (cli);
    return (mesh_t){.cli = cli, .tells = wanted && !cli->quiet, .input = -1};
}

uint64_t mesh_deadline (const cli_t *cli, uint64_t fallback_ms)
{
    uint64_t ms = cli_number (cli, "timeout", fallback_ms);
    return ms == 0 || ms > UINT64_MAX / 2 ? UINT64_MAX : cli_now_ms () + ms;
}

/* -- the loop ---------------------------------------------------------------------------------- */

static void take_events (const mesh_t *mesh)
{
    zf_peer_event_t event;
    while (zf_peer_next (mesh->cli->peer, &event, 0) == 0) {
        if (event.type != ZF_PEER_NOTE && mesh->on_event != NULL)
            mesh->on_event (mesh->arg, &event);
        if (event.type == ZF_PEER_NOTE && mesh->tells)
            cli_note (mesh->cli, "discovery: %s", event.text);
        zf_peer_event_release (&event);
    }
}

static int time_left (uint64_t end_ms)
{
    uint64_t now_ms = cli_now_ms ();
    if (end_ms == UINT64_MAX)
        return -1;
    uint64_t left_ms = end_ms > now_ms ? end_ms - now_ms : 0;
    return left_ms < INT32_MAX ? (int) left_ms : INT32_MAX;
}

mesh_end_t mesh_run (const mesh_t *mesh, uint64_t end_ms)
{
    struct pollfd fds[3] = {{.fd = cli_stop_fd (), .events = POLLIN},
                            {.fd = zf_peer_fd (mesh->cli->peer), .events = POLLIN},
                            {.fd = mesh->input, .events = POLLIN}};
    for (;;) {
        take_events (mesh);
        if (cli_stopped () != 0)
            return MESH_STOP;
        if (mesh->is_done != NULL && mesh->is_done (mesh->arg))
            return MESH_DONE;
        int left_ms = time_left (end_ms);
        if (left_ms == 0)
            return MESH_LATE;
        if (poll (fds, 3, left_ms) > 0 && fds[2].revents != 0)
            return MESH_INPUT;
    }
}

/* -- printing ---------------------------------------------------------------------------------- */

char *mesh_visible (char *copy, size_t size, const char *text)
{
    size_t n = 0;
    for (; text[n] != '\0' && n + 1 < size; n++) {
        unsigned char c = (unsigned char) text[n];
        bool second = n > 0 && (unsigned char) text[n - 1] == 0xc2 && c < 0xa0; /* U+0080.. */
        copy[n] = c < ' ' || c == 0x7f || second ? '.' : text[n];
    }
    copy[n] = '\0';
    return copy;
}

static const char *word_of (zf_peer_event_type_t type)
{
    static const char *const words[] = {
        [ZF_PEER_ENTER] = "enter",       [ZF_PEER_EVASIVE] = "evasive", [ZF_PEER_BACK] = "back",
        [ZF_PEER_EXIT] = "exit",         [ZF_PEER_JOIN] = "join",       [ZF_PEER_LEAVE] = "leave",
        [ZF_PEER_WHISPER] = "whisper",   [ZF_PEER_SHOUT] = "shout",     [ZF_PEER_OFFER] = "offer",
        [ZF_PEER_WITHDRAW] = "withdraw", [ZF_PEER_NOTE] = "note",       [ZF_PEER_MISSED] = "missed",
        [ZF_PEER_SILENT] = "silent"};
    return type < sizeof words / sizeof words[0] && words[type] != NULL ? words[type] : "?";
}

static void add_text (json_t *row, const char *key, const char *text)
{
    if (*text != '\0')
        json_object_set_new (row, key, cli_json_bytes ((zf_bytes_t){text, strlen (text)}));
}

static void print_json (const zf_peer_event_t *event)
{
    json_t *row = json_pack ("{s:s}", "event", word_of (event->type));
    add_text (row, "name", event->name);
    add_text (row, "id", event->id);
    add_text (row, "endpoint", event->endpoint);
    add_text (row, "group", event->group);
    add_text (row, "text", event->text);
    if (event->type == ZF_PEER_MISSED)
        json_object_set_new (row, "count", json_integer ((json_int_t) event->count));
    json_dumpf (row, stdout, JSON_COMPACT);
    putchar ('\n');
    json_decref (row);
}

static void print_line (const zf_peer_event_t *event)
{
    char name[ZF_PEER_NAME_MAX + 1], rest[1024], clock[16];
    const char *parts[] = {event->group, event->text, event->endpoint, event->id};
    time_t now = time (NULL);
    struct tm local;
    localtime_r (&now, &local);
    strftime (clock, sizeof clock, "%H:%M:%S", &local);
    printf ("%s  %-8s  %s", clock, word_of (event->type),
            mesh_visible (name, sizeof name, event->name));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (*parts[i] != '\0')
            printf ("  %s", mesh_visible (rest, sizeof rest, parts[i]));
    if (event->type == ZF_PEER_MISSED)
        printf ("%" PRIu64 " events: too many at once", event->count);
    putchar ('\n');
}

int mesh_print_event (const cli_t *cli, const zf_peer_event_t *event)
{
    if (cli->json)
        print_json (event);
    else
        print_line (event);
    return cli_flush (cli);
}
