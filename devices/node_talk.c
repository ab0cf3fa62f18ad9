/* What the application says, by its own thread. */
#include "devices/node_inside.h"

static bool is_name (const char *name)
{
    return name != NULL && name[0] != '\0' && strlen (name) <= ZF_PEER_NAME_MAX;
}

typedef int group_fn (zf_roster_t *roster, zf_bytes_t group);

static int change_group (zf_node_t *self, const char *group, group_fn *change)
{
    if (!is_name (group))
        return ZF_E_INVAL;
    pthread_mutex_lock (&self->lock);
    int rc = change (self->roster, zf_bytes_of (group));
    zf_node_act (self);
    pthread_mutex_unlock (&self->lock);
    return rc;
}

int zf_node_join (zf_node_t *self, const char *group)
{
    return change_group (self, group, zf_roster_join);
}

int zf_node_leave (zf_node_t *self, const char *group)
{
    return change_group (self, group, zf_roster_leave);
}

/* -- messages ---------------------------------------------------------------------------------- */

static void drop_content (zf_frame_t **content, size_t count)
{
    for (size_t i = 0; i < count; i++)
        zf_frame_drop (content[i]);
}

/* None but what the others take: one that is too large would end our connection. */
static bool are_frames (const zf_node_t *self, const zf_bytes_t *frames, size_t count)
{
    if (frames == NULL || count == 0 || count > ZF_NODE_FRAMES_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (frames[i].size > self->frame_bytes_max)
            return false;
    return true;
}

/* Copies the frames. Returns 0 or ZF_E_NOMEM. */
static int make_content (zf_frame_t **content, const zf_bytes_t *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        zf_sheet_t *sheet = zf_sheet_new (frames[i].size);
        if (sheet == NULL) {
            drop_content (content, i);
            return ZF_E_NOMEM;
        }
        if (frames[i].size > 0)
            memcpy (sheet->frame.data, frames[i].data, frames[i].size);
        content[i] = &sheet->frame;
    }
    return 0;
}

int zf_node_shout (zf_node_t *self, const char *group, const zf_bytes_t *frames, size_t count)
{
    zf_frame_t *content[ZF_NODE_FRAMES_MAX];
    if (!is_name (group) || !are_frames (self, frames, count))
        return ZF_E_INVAL;
    int rc = make_content (content, frames, count);
    if (rc != 0)
        return rc;
    pthread_mutex_lock (&self->lock);
    rc = zf_roster_shout (self->roster, zf_bytes_of (group), content, count);
    drop_content (content, count);
    zf_node_act (self);
    pthread_mutex_unlock (&self->lock);
    return rc;
}

typedef struct {
    const char *name;
    uint8_t uuid[ZF_UUID_BYTES];
    size_t count;
} namesake_t;

static bool compare_name (void *arg, const zf_node_view_t *view)
{
    namesake_t *sought = arg;
    if (strcmp (view->name, sought->name) != 0)
        return true;
    memcpy (sought->uuid, view->uuid, sizeof sought->uuid);
    return ++sought->count < 2;
}

/* An id, or a name that only one has. */
static bool find_node (zf_node_t *self, const char *to, uint8_t uuid[ZF_UUID_BYTES])
{
    zf_node_view_t view;
    namesake_t sought = {.name = to};
    if (zf_node_read_id (to, strlen (to), uuid) && zf_roster_find (self->roster, uuid, &view))
        return true;
    zf_roster_each (self->roster, compare_name, &sought);
    memcpy (uuid, sought.uuid, ZF_UUID_BYTES);
    return sought.count == 1;
}

int zf_node_whisper (zf_node_t *self, const char *to, const zf_bytes_t *frames, size_t count)
{
    zf_frame_t *content[ZF_NODE_FRAMES_MAX];
    uint8_t uuid[ZF_UUID_BYTES];
    if (to == NULL || !are_frames (self, frames, count))
        return ZF_E_INVAL;
    int rc = make_content (content, frames, count);
    if (rc != 0)
        return rc;
    pthread_mutex_lock (&self->lock);
    rc = find_node (self, to, uuid) ? zf_roster_whisper (self->roster, uuid, content, count)
                                    : ZF_E_NOT_FOUND;
    drop_content (content, count);
    zf_node_act (self);
    pthread_mutex_unlock (&self->lock);
    return rc;
}
