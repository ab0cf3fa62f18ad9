/* Which DEALERs have got through, and whether by a way on which much is lost: the roster is patient
 * with those. They are looked at by time and before the roster decides, not by their descriptors:
 * nothing else depends on it. */
#include "devices/node_inside.h"

#define LOOK_MS 200

void zf_reach_begin (zf_node_t *self, zf_line_t *line)
{
    if (zf_socket_monitor_through (&line->monitor, &line->socket, NULL) != 0) {
        zf_socket_unmonitor (&line->socket, &line->monitor); /* it is done without */
        return;
    }
    if (self->mail.awaited++ == 0)
        self->mail.reach_ms = zf_clock_ms () + LOOK_MS;
}

static void hear_monitor (zf_line_t *line)
{
    int turn = zf_socket_through (&line->monitor, &line->way);
    while (turn >= 0) {
        line->is_cut |= line->is_through; /* whatever it is now */
        line->is_through = turn == 1;
        turn = zf_socket_through (&line->monitor, &line->way);
    }
}

static zf_reach_t reach_of (const zf_line_t *line)
{
    bool loses, stuck;
    if (line->is_cut)
        return ZF_REACH_CUT;
    if (!line->is_through)
        return ZF_REACH_NOT;
    zf_socket_losses (line->way, &loses, &stuck);
    if (!loses)
        return ZF_REACH_FINE;
    return stuck ? ZF_REACH_STUCK : ZF_REACH_LOSSY;
}

static void end (zf_node_t *self, zf_line_t *line)
{
    zf_socket_unmonitor (&line->socket, &line->monitor);
    self->mail.awaited--;
}

/* Who is given up unreached must not hear of us in the last moment. But when we end ourselves, what
 * was said may still be on its way. */
void zf_reach_end (zf_node_t *self, zf_line_t *line)
{
    if (line->monitor.raw == NULL)
        return;
    hear_monitor (line);
    if (!line->is_through && !self->stops)
        zf_socket_discard (&line->socket);
    end (self, line);
}

/* False: nobody wants to know any more. */
static bool look_at (zf_node_t *self, zf_line_t *line, uint64_t now_ms)
{
    hear_monitor (line);
    return zf_roster_reached (self->roster, line->slot, reach_of (line), now_ms);
}

void zf_reach_collect (zf_node_t *self, uint64_t now_ms)
{
    zf_mail_t *mail = &self->mail;
    if (mail->awaited == 0 || (now_ms < mail->reach_ms && now_ms < self->tick_ms))
        return;
    for (uint32_t slot = 0; slot < mail->line_count; slot++) {
        zf_line_t *line = mail->lines[slot];
        if (line != NULL && line->monitor.raw != NULL && !look_at (self, line, now_ms))
            end (self, line);
    }
    mail->reach_ms = now_ms + LOOK_MS;
}

uint64_t zf_reach_due (const zf_node_t *self)
{
    return self->mail.awaited > 0 ? self->mail.reach_ms : ZF_NEVER;
}
