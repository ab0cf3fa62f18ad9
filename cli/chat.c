/* zferry chat: joins a group; lines of the input are shouted, what comes is printed. */
#include "mesh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 8192 /* a longer line is sent in pieces */

static const cli_option_t options[] = {
    {.name = "name",
     .letter = 'n',
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "what we are called (default: host and some digits)"},
    {.name = NULL}};

typedef struct {
    const cli_t *cli;
    const char *group;
    char line[LINE_BYTES]; /* typed, and not sent yet */
    size_t size;
    int rc;                      /* of printing */
    char (*members)[ZF_PEER_ID]; /* ids of those in the group; owned */
    size_t member_count;
} chat_t;

/* -- who is here ------------------------------------------------------------------------------- */

/* Who is in the group may go without leaving it. Returns true if it was there. */
static bool remove_member (chat_t *chat, const char *id)
{
    size_t i = 0;
    while (i < chat->member_count && strcmp (chat->members[i], id) != 0)
        i++;
    if (i == chat->member_count)
        return false;
    memcpy (chat->members[i], chat->members[--chat->member_count], ZF_PEER_ID);
    return true;
}

static void add_member (chat_t *chat, const char *id)
{
    remove_member (chat, id);
    void *more = realloc (chat->members, (chat->member_count + 1) * sizeof *chat->members);
    if (more == NULL)
        return; /* its end will not be told */
    chat->members = more;
    snprintf (chat->members[chat->member_count++], ZF_PEER_ID, "%s", id);
}

/* -- what comes -------------------------------------------------------------------------------- */

/* The first frame; others are of programs that mean something else. */
static void print_message (const chat_t *chat, const zf_peer_event_t *event)
{
    char name[ZF_PEER_NAME_MAX + 1], text[LINE_BYTES + 1], shown[LINE_BYTES + 1];
    zf_bytes_t body = event->frame_count > 0 ? event->frames[0] : (zf_bytes_t){0};
    snprintf (text, sizeof text, "%.*s", body.size < LINE_BYTES ? (int) body.size : LINE_BYTES,
              body.size > 0 ? (const char *) body.data : "");
    mesh_visible (shown, sizeof shown, text);
    mesh_visible (name, sizeof name, event->name);
    if (chat->cli->json_asked) {
        json_t *row =
            json_pack ("{s:s, s:o, s:o, s:b}", "event", "message", "name",
                       cli_json_bytes ((zf_bytes_t){event->name, strlen (event->name)}), "text",
                       cli_json_bytes (body), "private", event->type == ZF_PEER_WHISPER);
        json_dumpf (row, stdout, JSON_COMPACT);
        putchar ('\n');
        json_decref (row);
    } else {
        printf ("%s%s: %s\n", name, event->type == ZF_PEER_WHISPER ? " (to you)" : "", shown);
    }
}

static void print_move (const chat_t *chat, const zf_peer_event_t *event, const char *what)
{
    char name[ZF_PEER_NAME_MAX + 1];
    if (chat->cli->json_asked)
        mesh_print_event (chat->cli, event);
    else
        printf ("* %s %s\n", mesh_visible (name, sizeof name, event->name), what);
}

static void take_event (void *arg, const zf_peer_event_t *event)
{
    chat_t *chat = arg;
    bool ours = strcmp (event->group, chat->group) == 0;
    bool goes = event->type == ZF_PEER_EXIT || (event->type == ZF_PEER_LEAVE && ours);
    if (event->type == ZF_PEER_JOIN && ours)
        add_member (chat, event->id);
    if (event->type == ZF_PEER_WHISPER || (event->type == ZF_PEER_SHOUT && ours))
        print_message (chat, event);
    else if (event->type == ZF_PEER_JOIN && ours)
        print_move (chat, event, "is here");
    else if (goes && remove_member (chat, event->id))
        print_move (chat, event, "has left");
    else if (event->type == ZF_PEER_MISSED)
        print_move (chat, event, "some messages were missed: too many at once");
    else
        return;
    chat->rc = cli_flush (chat->cli);
}

static bool has_failed (void *arg)
{
    const chat_t *chat = arg;
    return chat->rc != 0;
}

/* -- what is said ------------------------------------------------------------------------------ */

static int say (const chat_t *chat, const char *text, size_t size)
{
    zf_error_t err = {0};
    zf_bytes_t frame = {text, size};
    int rc = size > 0 ? zf_peer_shout (chat->cli->peer, chat->group, &frame, 1) : 0;
    zf_error_set (&err, rc, "%s", zf_strerror (rc));
    return rc == 0 ? 0 : cli_fail_call (chat->cli, &err, true);
}

/* Says the lines that are whole, or all of it if there is no room for more. */
static int say_lines (chat_t *chat, bool all)
{
    size_t from = 0;
    int rc = 0;
    char *end = NULL;
    while (rc == 0 && (end = memchr (chat->line + from, '\n', chat->size - from)) != NULL) {
        size_t at = (size_t) (end - chat->line);
        rc = say (chat, chat->line + from, at - from);
        from = at + 1;
    }
    chat->size -= from;
    memmove (chat->line, chat->line + from, chat->size);
    if (rc == 0 && (all || chat->size == LINE_BYTES)) {
        rc = say (chat, chat->line, chat->size);
        chat->size = 0;
    }
    return rc;
}

/* Reads what was typed. Returns false at the end of the input. */
static bool read_input (chat_t *chat)
{
    ssize_t n = read (STDIN_FILENO, chat->line + chat->size, LINE_BYTES - chat->size);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    chat->size += n > 0 ? (size_t) n : 0;
    chat->rc = say_lines (chat, n <= 0);
    return n > 0;
}

static bool is_company (void *arg)
{
    const chat_t *chat = arg;
    return chat->member_count > 0 || chat->rc != 0;
}

/* A pipe talks at once, and would talk to nobody: those who are there have to be found first. */
static void await_company (mesh_t mesh)
{
    mesh.input = -1;
    mesh.is_done = is_company;
    if (isatty (STDIN_FILENO) != 1)
        mesh_run (&mesh, cli_now_ms () + MESH_LOOK_MS);
}

/* -- the verb ---------------------------------------------------------------------------------- */

static int run (cli_t *cli)
{
    static chat_t chat;
    chat.cli = cli;
    chat.group = cli->args[0];
    mesh_t mesh = mesh_begin (cli, false);
    mesh.input = STDIN_FILENO;
    mesh.on_event = take_event;
    mesh.is_done = has_failed;
    mesh.arg = &chat;
    zf_error_t err = {0};
    if (zf_peer_join (cli->peer, chat.group) != 0) {
        zf_error_set (&err, ZF_E_INVAL, "a group has from 1 to %d bytes", ZF_PEER_NAME_MAX);
        return cli_fail_call (cli, &err, true);
    }
    cli_note (cli, "you are %s, in %s; Ctrl-D ends", zf_peer_name (cli->peer), chat.group);
    await_company (mesh);
    while (mesh_run (&mesh, mesh_deadline (cli, 0)) == MESH_INPUT && read_input (&chat))
        continue;
    free (chat.members);
    return chat.rc;
}

const cli_verb_t verbs_chat[] = {
    {.name = "chat",
     .usage = "GROUP",
     .summary = "Talk with all who are in a group",
     .details = "Lines of the input go to all others, whom it finds by itself; what they say, who "
                "comes and who\n"
                "goes is printed. Ends with the input (Ctrl-D), Ctrl-C, or after --timeout of "
                "silence at the\n"
                "keyboard, if that is given. A pipe is read when somebody is there, or nobody was "
                "found in 1.5s.\n",
     .example = "  zferry chat lobby --name anna\n",
     .options = options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_NODE,
     .run = run},
    {.name = NULL}};
