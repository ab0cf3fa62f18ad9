#include "core/log.h"
#include "discovery/roster_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* -- texts ------------------------------------------------------------------------------------- */

zf_text_t *zf_text_new (zf_bytes_t bytes)
{
    zf_text_t *text = malloc (sizeof *text + bytes.size + 1);
    if (text == NULL)
        return NULL;
    text->holders = 1;
    text->size = (uint32_t) bytes.size;
    if (bytes.size > 0)
        memcpy (text->at, bytes.data, bytes.size);
    text->at[bytes.size] = 0;
    return text;
}

void zf_text_drop (zf_text_t *text)
{
    if (text != NULL && --text->holders == 0)
        free (text);
}

/* -- content ----------------------------------------------------------------------------------- */

static void drop_parcel (zf_parcel_t *parcel)
{
    for (size_t i = 0; parcel != NULL && i < parcel->count; i++)
        zf_frame_drop (parcel->frames[i]);
    free (parcel);
}

zf_parcel_t *zf_parcel_new (zf_frame_t *const *content, size_t count)
{
    zf_parcel_t *parcel = malloc (sizeof *parcel + count * sizeof (zf_frame_t *));
    if (parcel == NULL)
        return NULL;
    for (parcel->count = 0; parcel->count < count; parcel->count++) {
        zf_frame_t *frame = content[parcel->count];
        bool small = frame->size < ZF_SMALL_FRAME;
        frame = small ? zf_frame_of (zf_bytes (frame->data, frame->size)) : zf_frame_hold (frame);
        if (frame == NULL) {
            drop_parcel (parcel);
            return NULL;
        }
        parcel->frames[parcel->count] = frame;
    }
    return parcel;
}

/* -- effects ----------------------------------------------------------------------------------- */

static void drop_deed (zf_deed_t *deed)
{
    zf_text_drop (deed->name);
    zf_text_drop (deed->endpoint);
    zf_text_drop (deed->group);
    zf_text_drop (deed->text);
    drop_parcel (deed->parcel);
    memset (deed, 0, sizeof *deed);
}

/* The ring's content moves to the beginning of a larger one. */
static bool enlarge (zf_deeds_t *deeds, uint32_t capacity)
{
    zf_deed_t *ring = malloc (capacity * sizeof *ring);
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < deeds->count; i++)
        ring[i] = deeds->ring[(deeds->first + i) & (deeds->capacity - 1)];
    free (deeds->ring);
    deeds->ring = ring;
    deeds->first = 0;
    deeds->capacity = capacity;
    return true;
}

bool zf_deeds_reserve (zf_roster_t *roster, uint32_t count)
{
    zf_deeds_t *deeds = &roster->deeds;
    uint32_t capacity = deeds->capacity != 0 ? deeds->capacity : 64;
    while (capacity - deeds->count < count + ZF_ROSTER_NOTES) /* notes may come in between */
        capacity *= 2;
    return capacity == deeds->capacity || enlarge (deeds, capacity);
}

zf_deed_t *zf_deeds_add (zf_roster_t *roster, zf_roster_effect_type_t type, const zf_known_t *known)
{
    zf_deeds_t *deeds = &roster->deeds;
    zf_deed_t *deed = &deeds->ring[(deeds->first + deeds->count++) & (deeds->capacity - 1)];
    memset (deed, 0, sizeof *deed);
    deed->type = type;
    deed->slot = ZF_ROSTER_NONE;
    if (known == NULL)
        return deed;
    memcpy (deed->uuid, known->uuid, sizeof deed->uuid);
    deed->slot = known->slot;
    deed->name = zf_text_hold (known->name);
    if (known->spot_count > 0)
        deed->endpoint = zf_text_hold (known->spots[known->at].endpoint);
    return deed;
}

/* The ring that was made for many at once is not kept. */
static void shrink (zf_deeds_t *deeds)
{
    if (deeds->count > 0 || deeds->capacity <= 1024)
        return;
    free (deeds->ring);
    deeds->ring = NULL;
    deeds->first = deeds->capacity = 0;
}

void zf_deeds_free (zf_roster_t *roster)
{
    zf_deeds_t *deeds = &roster->deeds;
    drop_deed (&deeds->shown);
    for (uint32_t i = 0; i < deeds->count; i++)
        drop_deed (&deeds->ring[(deeds->first + i) & (deeds->capacity - 1)]);
    free (deeds->ring);
}

static const char *show (const zf_text_t *text)
{
    return text != NULL ? text->at : "";
}

/* A slot can be used again when the shell knows that it is closed. */
static void free_slot (zf_roster_t *roster, uint32_t slot)
{
    roster->free_slots[roster->free_count++] = slot;
}

bool zf_roster_next (zf_roster_t *roster, zf_roster_effect_t *effect)
{
    zf_deeds_t *deeds = &roster->deeds;
    drop_deed (&deeds->shown);
    if (deeds->count == 0) {
        shrink (deeds);
        return false;
    }
    deeds->shown = deeds->ring[deeds->first];
    deeds->first = (deeds->first + 1) & (deeds->capacity - 1);
    deeds->count--;
    const zf_deed_t *deed = &deeds->shown;
    memset (effect, 0, sizeof *effect);
    effect->type = deed->type;
    effect->slot = deed->slot;
    memcpy (effect->uuid, deed->uuid, sizeof effect->uuid);
    effect->name = show (deed->name);
    effect->endpoint = show (deed->endpoint);
    effect->group = show (deed->group);
    effect->text = deed->why != NULL ? deed->why : show (deed->text);
    if (deed->parcel != NULL) {
        effect->content = deed->parcel->frames;
        effect->count = deed->parcel->count;
    }
    if (deed->type == ZF_ROSTER_CLOSE)
        free_slot (roster, deed->slot);
    return true;
}

/* -- notes ------------------------------------------------------------------------------------- */

static bool may_note (zf_roster_t *roster)
{
    if (roster->now_ms - roster->notes_ms >= 1000) {
        roster->notes_ms = roster->now_ms;
        roster->notes = 0;
    }
    return roster->notes++ < ZF_ROSTER_NOTES;
}

void zf_roster_note (zf_roster_t *roster, const zf_known_t *known, const char *format, ...)
{
    char words[512];
    va_list arguments;
    if (roster->deeds.count == roster->deeds.capacity || !may_note (roster))
        return;
    va_start (arguments, format);
    vsnprintf (words, sizeof words, format, arguments);
    va_end (arguments);
    zf_text_t *text = zf_text_new (zf_bytes_of (words));
    if (text != NULL)
        zf_deeds_add (roster, ZF_ROSTER_NOTE, known)->text = text;
}
