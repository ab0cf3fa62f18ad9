#include "discovery/roster_inside.h"

#include <stdlib.h>

/* -- letters ----------------------------------------------------------------------------------- */

static uint8_t *first_frame (zf_letter_t *letter)
{
    return (uint8_t *) (letter->content + letter->count);
}

static bool is_vital (zf_zre_id_t id)
{
    return id != ZF_ZRE_WHISPER && id != ZF_ZRE_SHOUT;
}

static zf_letter_t *letter_of (zf_bytes_t frame, zf_frame_t *const *content, size_t count)
{
    zf_letter_t *letter = malloc (sizeof *letter + count * sizeof (zf_frame_t *) + frame.size);
    if (letter == NULL)
        return NULL;
    *letter = (zf_letter_t){.holders = 1, .count = (uint32_t) count, .size = frame.size};
    letter->cost = ZF_LETTER_BYTES + frame.size;
    for (size_t i = 0; i < count; i++) {
        letter->content[i] = zf_frame_hold (content[i]);
        letter->cost += content[i]->size;
    }
    memcpy (first_frame (letter), frame.data, frame.size);
    return letter;
}

zf_letter_t *zf_letter_new (const zf_zre_t *message, zf_frame_t *const *content, size_t count)
{
    zf_writer_t w = {0};
    zf_letter_t *letter = NULL;
    zf_zre_encode (&w, message);
    if (!w.failed)
        letter = letter_of (zf_bytes (w.data, w.size), content, count);
    if (letter != NULL)
        letter->is_vital = is_vital (message->id);
    if (letter != NULL && message->id == ZF_ZRE_HELLO)
        letter->cost = 0; /* one in each line: it never lacks room */
    zf_writer_free (&w);
    return letter;
}

void zf_letter_drop (zf_letter_t *letter)
{
    if (letter == NULL || --letter->holders > 0)
        return;
    for (uint32_t i = 0; i < letter->count; i++)
        zf_frame_drop (letter->content[i]);
    free (letter);
}

/* -- lines ------------------------------------------------------------------------------------- */

static zf_letter_t **place_of (zf_line_ring_t *line, uint32_t index)
{
    return &line->ring[(line->first + index) & (line->capacity - 1)];
}

bool zf_line_reserve (zf_line_ring_t *line, uint32_t count)
{
    uint32_t capacity = line->capacity != 0 ? line->capacity : 4;
    while (capacity - line->count < count)
        capacity *= 2;
    if (capacity == line->capacity)
        return true;
    zf_letter_t **ring = malloc (capacity * sizeof (zf_letter_t *));
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < line->count; i++)
        ring[i] = *place_of (line, i);
    free (line->ring);
    line->ring = ring;
    line->first = 0;
    line->capacity = capacity;
    return true;
}

/* Lines that are empty have no memory. */
static void let_go (zf_line_ring_t *line)
{
    if (line->count > 0)
        return;
    free (line->ring);
    line->ring = NULL;
    line->first = line->capacity = 0;
}

static uint64_t *bytes_of (zf_line_ring_t *line, const zf_letter_t *letter)
{
    return letter->is_vital ? &line->vital_bytes : &line->bytes;
}

/* How many at the head nothing may be put before: HELLO, and what may be on its way. */
static uint32_t fixed (const zf_known_t *known)
{
    uint32_t count = known->is_peeked || known->sent == 0 ? 1 : 0;
    return count < known->line.count ? count : known->line.count;
}

/* Those at the head make room for one behind them. */
static uint32_t make_gap (zf_line_ring_t *line, uint32_t head)
{
    line->first = (line->first + line->capacity - 1) & (line->capacity - 1);
    for (uint32_t i = 0; i < head; i++)
        *place_of (line, i) = *place_of (line, i + 1);
    return head;
}

void zf_line_put (zf_known_t *known, zf_letter_t *letter, bool soon)
{
    zf_line_ring_t *line = &known->line;
    uint32_t index = soon ? make_gap (line, fixed (known)) : line->count;
    line->count++;
    letter->holders++;
    *place_of (line, index) = letter;
    *bytes_of (line, letter) += letter->cost;
    if (!known->is_told)
        zf_deeds_add (known->roster, ZF_ROSTER_SEND, known);
    known->is_told = true;
}

static bool has_room (const zf_known_t *known, const zf_letter_t *letter)
{
    const zf_line_ring_t *line = &known->line;
    uint64_t most = known->roster->line_bytes;
    if (letter->is_vital)
        return line->vital_bytes + letter->cost <= most / 2 || line->vital_bytes == 0;
    return line->bytes + letter->cost <= most || line->bytes == 0;
}

bool zf_line_offer (zf_known_t *known, zf_letter_t *letter)
{
    if (has_room (known, letter)) {
        zf_line_put (known, letter, false);
        return true;
    }
    if (letter->is_vital) {
        known->is_choked = true;
        zf_known_arm (known);
        return false;
    }
    known->roster->stats.dropped++;
    if (known->line.dropped++ == 0)
        zf_roster_note (known->roster, known, "%s does not read fast enough: it misses messages",
                        known->name->at);
    return false;
}

void zf_line_answer (zf_known_t *known)
{
    if (has_room (known, known->roster->ping_ok)) {
        zf_line_put (known, known->roster->ping_ok, true);
        return;
    }
    known->is_choked = true;
    zf_known_arm (known);
}

static void take_head (zf_known_t *known)
{
    zf_line_ring_t *line = &known->line;
    zf_letter_t *letter = *place_of (line, 0);
    *bytes_of (line, letter) -= letter->cost;
    line->first = (line->first + 1) & (line->capacity - 1);
    line->count--;
    zf_letter_drop (letter);
}

void zf_line_clear (zf_known_t *known)
{
    while (known->line.count > 0) {
        if (!(*place_of (&known->line, 0))->is_vital)
            known->roster->stats.dropped++;
        take_head (known);
    }
    let_go (&known->line);
    known->is_told = known->is_peeked = known->is_choked = false;
}

static zf_known_t *known_at (const zf_roster_t *roster, uint32_t slot)
{
    return slot < roster->slot_count ? roster->slots[slot] : NULL;
}

bool zf_roster_peek (zf_roster_t *roster, uint32_t slot, zf_bytes_t *frame,
                     zf_frame_t *const **content, size_t *count)
{
    zf_known_t *known = known_at (roster, slot);
    if (known == NULL || known->line.count == 0)
        return false;
    zf_letter_t *letter = *place_of (&known->line, 0);
    zf_zre_set_sequence (first_frame (letter), (uint16_t) (known->sent + 1));
    known->is_peeked = true;
    *frame = zf_bytes (first_frame (letter), letter->size);
    *content = letter->content;
    *count = letter->count;
    return true;
}

void zf_roster_pop (zf_roster_t *roster, uint32_t slot)
{
    zf_known_t *known = known_at (roster, slot);
    if (known == NULL || known->line.count == 0)
        return;
    take_head (known);
    let_go (&known->line);
    known->sent++;
    known->is_peeked = false;
    known->is_told = known->line.count > 0;
    roster->stats.messages_out++;
}
