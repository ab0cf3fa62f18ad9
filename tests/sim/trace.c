#include "tests/sim/peer.h"

#include <stdarg.h>

#define LINES    60
#define HEAD_MAX 96 /* bytes kept of a control frame */

/* One event; only what is printed is put into words. */
typedef struct {
    uint64_t now_ms;
    char text[96]; /* or a frame: */
    uint32_t conn; /* 0: it is text */
    const char *who;
    uint32_t peer;
    bool in;
    size_t size; /* of the control frame */
    uint8_t head[HEAD_MAX];
    uint32_t records; /* of its batch */
    uint64_t first;
} line_t;

static line_t lines[LINES]; /* of the run under way */
static size_t line_count;

static const char *const names[] = {
    [ZF_CMD_HELLO] = "HELLO",
    [ZF_CMD_WELCOME] = "WELCOME",
    [ZF_CMD_PING] = "PING",
    [ZF_CMD_PONG] = "PONG",
    [ZF_CMD_BYE] = "BYE",
    [ZF_CMD_RESET] = "RESET",
    [ZF_CMD_ERROR] = "ERROR",
    [ZF_CMD_POST] = "POST",
    [ZF_CMD_CONFIRM] = "CONFIRM",
    [ZF_CMD_DONE] = "DONE",
    [ZF_CMD_REQUEST] = "REQUEST",
    [ZF_CMD_POST_MANY] = "POST_MANY",
    [ZF_CMD_REPLY] = "REPLY",
    [ZF_CMD_CONSUME] = "CONSUME",
    [ZF_CMD_DELIVER] = "DELIVER",
    [ZF_CMD_ACK] = "ACK",
    [ZF_CMD_NACK] = "NACK",
    [ZF_CMD_REJECT] = "REJECT",
    [ZF_CMD_RELEASE] = "RELEASE",
    [ZF_CMD_EXTEND] = "EXTEND",
    [ZF_CMD_ANSWER] = "ANSWER",
    [ZF_CMD_ADMIN] = "ADMIN",
    [ZF_CMD_RESULT] = "RESULT",
    [ZF_CMD_SUBSCRIBE] = "SUBSCRIBE",
    [ZF_CMD_EVENTS] = "EVENTS",
    [ZF_CMD_READ] = "READ",
    [ZF_CMD_SUBSCRIBED] = "SUBSCRIBED",
    [ZF_CMD_UNSUBSCRIBE] = "UNSUBSCRIBE",
};

static void print_argument (zf_reader_t *r)
{
    uint8_t tag = *r->at;
    zf_reader_t copy = *r;
    if (tag <= 0x7f || (tag >= 0xcc && tag <= 0xcf)) {
        fprintf (stderr, " %" PRIu64, zf_mp_uint (r));
    } else if ((tag | 1) == 0xc3) {
        fputs (zf_mp_bool (r) ? " true" : " false", stderr);
    } else if (tag >= 0xd0) {
        zf_mp_int (&copy);
        if (copy.failed)
            zf_mp_skip (r);
        else
            fprintf (stderr, " %" PRIi64, zf_mp_int (r));
    } else if ((tag & 0xe0) == 0xa0) {
        zf_bytes_t text = zf_mp_bytes (r);
        fprintf (stderr, " '%.*s'", (int) text.size, (const char *) text.data);
    } else {
        zf_mp_skip (r);
        fputs (" ...", stderr);
    }
}

static void print_frame (const line_t *line)
{
    zf_reader_t r =
        zf_reader (zf_bytes (line->head, line->size < HEAD_MAX ? line->size : HEAD_MAX));
    fprintf (stderr, "%s %u (connection %u) %s ", line->who, line->peer, line->conn,
             line->in ? "->" : "<-");
    zf_mp_array (&r);
    uint64_t command = zf_mp_uint (&r);
    if (line->size == 0)
        fputs ("(probe)", stderr);
    else if (!r.failed && command < sizeof names / sizeof names[0] && names[command] != NULL)
        fputs (names[command], stderr);
    while (zf_reader_left (&r) > 0 && !r.failed)
        print_argument (&r);
    if (line->records > 0)
        fprintf (stderr, " [%u records from %" PRIx64 "]", line->records, line->first);
}

static void print_line (const line_t *line)
{
    fprintf (stderr, "%10" PRIu64 "  ", line->now_ms);
    if (line->conn != 0)
        print_frame (line);
    else
        fputs (line->text, stderr);
    fputc ('\n', stderr);
}

static line_t *next_line (const sim_t *sim)
{
    if (sim->verbose && line_count > 0)
        print_line (&lines[(line_count - 1) % LINES]);
    line_t *line = &lines[line_count++ % LINES];
    line->now_ms = sim->now_ms;
    return line;
}

void trace (sim_t *sim, const char *format, ...)
{
    line_t *line = next_line (sim);
    va_list args;
    va_start (args, format);
    vsnprintf (line->text, sizeof line->text, format, args);
    va_end (args);
    line->conn = 0;
}

void trace_frame (sim_t *sim, const conn_t *conn, bool in, zf_bytes_t control, zf_bytes_t body)
{
    if (conn == NULL)
        return;
    line_t *line = next_line (sim);
    line->conn = conn->number;
    line->who = conn->peer->role->name;
    line->peer = conn->peer->index;
    line->in = in;
    line->size = control.size;
    if (control.size > 0)
        memcpy (line->head, control.data, control.size < HEAD_MAX ? control.size : HEAD_MAX);
    line->records = 0;
    if (body.size >= ZF_BATCH_HEADER) {
        line->records = zf_load_u32le ((const uint8_t *) body.data + 4);
        line->first = zf_load_u64le ((const uint8_t *) body.data + 16);
    }
}

void trace_clear (void)
{
    line_count = 0;
}

void sim_fail (sim_t *sim, const char *format, ...)
{
    va_list args;
    size_t first = line_count > LINES ? line_count - LINES : 0;
    if (sim->quiet)
        longjmp (sim->failed, 1);
    for (size_t i = sim->verbose ? line_count - 1 : first; i < line_count; i++)
        print_line (&lines[i % LINES]);
    fprintf (stderr, "seed %" PRIu64 ", turn %" PRIu64 ", %" PRIu64 " ms: ", sim->seed, sim->turn,
             sim->now_ms);
    va_start (args, format);
    vfprintf (stderr, format, args);
    va_end (args);
    fputc ('\n', stderr);
    longjmp (sim->failed, 1);
}
