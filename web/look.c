#include "web/look.h"

#include "devices/device.h"
#include "devices/socket.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* -- the list ---------------------------------------------------------------------------------- */

void zf_web_list_open (zf_web_list_t *self)
{
    memset (self, 0, sizeof *self);
    pthread_mutex_init (&self->lock, NULL);
    pthread_cond_init (&self->unused, NULL);
}

static void free_shown (zf_web_shown_t *shown)
{
    zf_client_close (&shown->client);
    for (size_t i = 0; shown->joins != NULL && i < shown->join_count; i++)
        free (shown->joins[i]);
    free (shown->joins);
    free (shown->name);
    free (shown->kind);
    free (shown->journal);
    free (shown->figures);
    free (shown->queues);
    pthread_mutex_destroy (&shown->lock);
    free (shown);
}

void zf_web_list_close (zf_web_list_t *self)
{
    while (self->first != NULL) {
        zf_web_shown_t *shown = self->first;
        self->first = shown->next;
        free_shown (shown);
    }
    pthread_cond_destroy (&self->unused);
    pthread_mutex_destroy (&self->lock);
}

/* Returns false when out of memory. */
static bool copy_joins (zf_web_shown_t *shown, const zf_web_device_t *device)
{
    shown->joins = calloc (device->join_count + 1, sizeof *shown->joins);
    if (shown->joins == NULL)
        return false;
    for (size_t i = 0; i < device->join_count; i++) {
        shown->joins[i] = strdup (device->joins[i]);
        if (shown->joins[i] == NULL)
            return false;
        shown->join_count++;
    }
    return true;
}

static zf_web_shown_t *new_shown (const zf_web_device_t *device)
{
    zf_web_shown_t *shown = calloc (1, sizeof *shown);
    if (shown == NULL)
        return NULL;
    pthread_mutex_init (&shown->lock, NULL);
    shown->device = device->device;
    shown->has_queues = zf_device_inside (device->device) != NULL;
    shown->name = strdup (device->name);
    shown->kind = strdup (device->kind);
    shown->journal = device->journal != NULL ? strdup (device->journal) : NULL;
    bool is_whole = shown->name != NULL && shown->kind != NULL &&
                    (device->journal == NULL || shown->journal != NULL);
    if (is_whole && copy_joins (shown, device))
        return shown;
    free_shown (shown);
    return NULL;
}

static zf_web_shown_t **place_of (zf_web_list_t *self, const char *name)
{
    zf_web_shown_t **at = &self->first;
    while (*at != NULL && strcmp ((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

int zf_web_list_add (zf_web_list_t *self, const zf_web_device_t *device, zf_error_t *err)
{
    zf_web_shown_t *shown = new_shown (device);
    if (shown == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    pthread_mutex_lock (&self->lock);
    zf_web_shown_t **at = place_of (self, device->name);
    int rc = 0;
    if (*at != NULL)
        rc = zf_error_set (err, ZF_E_INVAL, "a device named %s is shown already", device->name);
    else if (self->count == ZF_WEB_DEVICES_MAX)
        rc = zf_error_set (err, ZF_E_LIMIT, "%d devices are shown already", ZF_WEB_DEVICES_MAX);
    else
        *at = shown;
    self->count += rc == 0;
    pthread_mutex_unlock (&self->lock);
    if (rc != 0)
        free_shown (shown);
    return rc;
}

void zf_web_list_remove (zf_web_list_t *self, const char *name)
{
    pthread_mutex_lock (&self->lock);
    zf_web_shown_t **at = place_of (self, name);
    zf_web_shown_t *shown = *at;
    if (shown != NULL) {
        *at = shown->next;
        self->count--;
    }
    while (shown != NULL && shown->users > 0)
        pthread_cond_wait (&self->unused, &self->lock);
    pthread_mutex_unlock (&self->lock);
    if (shown != NULL)
        free_shown (shown);
}

void zf_web_hold (zf_web_list_t *self, zf_web_held_t *held)
{
    held->list = self;
    held->count = 0;
    pthread_mutex_lock (&self->lock);
    for (zf_web_shown_t *shown = self->first; shown != NULL; shown = shown->next) {
        shown->users++;
        held->at[held->count++] = shown;
    }
    pthread_mutex_unlock (&self->lock);
}

void zf_web_release (zf_web_held_t *held)
{
    pthread_mutex_lock (&held->list->lock);
    for (size_t i = 0; i < held->count; i++)
        held->at[i]->users--;
    pthread_cond_broadcast (&held->list->unused);
    pthread_mutex_unlock (&held->list->lock);
    held->count = 0;
}

zf_web_shown_t *zf_web_find (const zf_web_held_t *held, const char *name)
{
    for (size_t i = 0; i < held->count; i++)
        if (strcmp (held->at[i]->name, name) == 0)
            return held->at[i];
    return NULL;
}

/* -- asking a device --------------------------------------------------------------------------- */

/* Makes room for one more of that size. */
static bool has_room (void **array, size_t *room, size_t count, size_t size)
{
    if (count < *room)
        return true;
    size_t more = *room != 0 ? 2 * *room : 64;
    void *larger = realloc (*array, more * size);
    if (larger == NULL)
        return false;
    *array = larger;
    *room = more;
    return true;
}

static void note_figure (void *arg, const char *name, uint64_t value)
{
    zf_web_shown_t *shown = arg;
    void *figures = shown->figures;
    if (!has_room (&figures, &shown->figure_room, shown->figure_count, sizeof *shown->figures)) {
        shown->code = ZF_E_NOMEM;
        return;
    }
    shown->figures = figures;
    zf_web_figure_t *figure = &shown->figures[shown->figure_count++];
    snprintf (figure->name, sizeof figure->name, "%s", name);
    figure->value = value;
}

static void note_queue (void *arg, const zf_queue_info_t *info)
{
    zf_web_shown_t *shown = arg;
    void *queues = shown->queues;
    if (!has_room (&queues, &shown->queue_room, shown->queue_count, sizeof *shown->queues)) {
        shown->code = ZF_E_NOMEM;
        return;
    }
    shown->queues = queues;
    shown->queues[shown->queue_count++] = *info;
}

static int ensure_client (zf_web_shown_t *shown, zf_error_t *err)
{
    zf_client_options_t options;
    if (!shown->has_queues)
        return zf_error_set (err, ZF_E_INVAL, "%s has no queues: it is a %s", shown->name,
                             shown->kind);
    if (shown->client != NULL)
        return 0;
    zf_client_defaults (&options);
    options.device = shown->device;
    options.name = "admin";
    options.timeout_ms = ZF_WEB_PATIENCE_MS;
    return zf_client_open (&shown->client, &options, err);
}

/* Counts the files of the journal and their bytes. */
static void count_segments (zf_web_shown_t *shown)
{
    DIR *dir = shown->journal != NULL ? opendir (shown->journal) : NULL;
    shown->segments = 0;
    shown->segment_bytes = 0;
    if (dir == NULL)
        return;
    const struct dirent *entry = NULL;
    while ((entry = readdir (dir)) != NULL) {
        size_t size = strlen (entry->d_name);
        struct stat file;
        if (size < 4 || strcmp (entry->d_name + size - 4, ".zfj") != 0 ||
            fstatat (dirfd (dir), entry->d_name, &file, 0) != 0)
            continue;
        shown->segments++;
        shown->segment_bytes += (uint64_t) file.st_size;
    }
    closedir (dir);
}

/* Figures come from the device's own thread: they are asked for once it has answered the client,
 * whose patience has an end. */
static void ask (zf_web_shown_t *shown)
{
    int rc = 0;
    shown->code = 0;
    shown->figure_count = 0;
    shown->queue_count = 0;
    if (shown->has_queues) {
        rc = ensure_client (shown, &shown->err);
        if (rc == 0)
            rc = zf_admin_queues (shown->client, note_queue, shown, &shown->err);
    }
    if (rc == 0) {
        rc = zf_device_stats (shown->device, note_figure, shown);
        if (rc != 0)
            zf_error_set (&shown->err, rc, "%s has stopped", shown->name);
    }
    if (rc == 0 && shown->code != 0)
        rc = zf_error_set (&shown->err, shown->code, "out of memory");
    shown->code = rc;
    count_segments (shown);
}

void zf_web_look (zf_web_shown_t *shown)
{
    pthread_mutex_lock (&shown->lock);
    uint64_t age = shown->code == 0 ? ZF_WEB_LOOK_MS : ZF_WEB_PATIENCE_MS;
    uint64_t now = zf_clock_ms ();
    if (shown->looked_ms != 0 && now - shown->looked_ms < age)
        return;
    ask (shown);
    shown->looked_ms = zf_clock_ms ();
}

void zf_web_unlook (zf_web_shown_t *shown)
{
    pthread_mutex_unlock (&shown->lock);
}

zf_client_t *zf_web_call (zf_web_shown_t *shown, zf_error_t *err)
{
    pthread_mutex_lock (&shown->lock);
    return ensure_client (shown, err) == 0 ? shown->client : NULL;
}

void zf_web_forget (zf_web_shown_t *shown)
{
    shown->looked_ms = 0;
}

uint64_t zf_web_figure (const zf_web_shown_t *shown, const char *name)
{
    for (size_t i = 0; i < shown->figure_count; i++)
        if (strcmp (shown->figures[i].name, name) == 0)
            return shown->figures[i].value;
    return 0;
}

static int compare_name (const void *name, const void *info)
{
    return strcmp (name, ((const zf_queue_info_t *) info)->name);
}

const zf_queue_info_t *zf_web_queue (const zf_web_shown_t *shown, const char *name)
{
    if (shown->queue_count == 0)
        return NULL;
    return bsearch (name, shown->queues, shown->queue_count, sizeof *shown->queues, compare_name);
}
