/* The file log's reader: answers questions one after another. */
#include "persist/wal_file.h"
#include "persist/wal_frame.h"

#include <stdio.h>

void zf_wal_reads_add (zf_wal_reads_t *list, zf_wal_read_t *read)
{
    read->next = NULL;
    *list->last = read;
    list->last = &read->next;
}

zf_wal_read_t *zf_wal_reads_take (zf_wal_reads_t *list)
{
    zf_wal_read_t *read = list->first;
    if (read == NULL)
        return NULL;
    list->first = read->next;
    if (list->first == NULL)
        list->last = &list->first;
    return read;
}

static void answer (zf_journal_t *journal, zf_wal_read_t *read)
{
    zf_wal_event_t *event = &read->event;
    zf_error_t err = {0};
    event->frame = zf_wal_frame_new (read->size);
    if (event->frame == NULL) {
        event->code = zf_error_set (&err, ZF_E_NOMEM, "out of memory");
    } else {
        event->code = zf_journal_fetch (journal, event->lsn, read->offset, event->frame->data,
                                        read->size, &err);
    }
    if (event->code == 0)
        return;
    snprintf (event->text, sizeof event->text, "%s", err.text);
    zf_frame_drop (event->frame);
    event->frame = NULL;
}

/* Waits; NULL: it is to end. */
static zf_wal_read_t *take_question (zf_wal_file_t *self)
{
    pthread_mutex_lock (&self->lock);
    while (self->reads.first == NULL && !self->closing)
        pthread_cond_wait (&self->asked, &self->lock);
    zf_wal_read_t *read = self->closing ? NULL : zf_wal_reads_take (&self->reads);
    pthread_mutex_unlock (&self->lock);
    return read;
}

void *zf_wal_reader (void *arg)
{
    zf_wal_file_t *self = arg;
    zf_wal_read_t *read;
    while ((read = take_question (self)) != NULL) {
        answer (self->journal, read);
        pthread_mutex_lock (&self->lock);
        zf_wal_reads_add (&self->answers, read);
        zf_wal_raise (self);
        pthread_mutex_unlock (&self->lock);
    }
    return NULL;
}
