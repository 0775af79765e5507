/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"

#define FIRST_SIZE 256
#define MOST_EVENTS 65536 /* a reader that far behind loses trace frames, never anything else */

int events_init(event_queue *q) {
    memset(q, 0, sizeof *q);
    q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (q->fd < 0)
        return -errno;
    q->ring = calloc(FIRST_SIZE, sizeof *q->ring);
    if (!q->ring) {
        close(q->fd);
        return -ENOMEM;
    }
    q->size = FIRST_SIZE;
    pthread_mutex_init(&q->lock, NULL);
    return 0;
}

void events_release(event_queue *q) {
    close(q->fd);
    free(q->ring);
    pthread_mutex_destroy(&q->lock);
}

static bool grow(event_queue *q) {
    sfx_event *ring = calloc(q->size * 2, sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < q->count; i++)
        ring[i] = q->ring[(q->head + i) % q->size];
    free(q->ring);
    q->ring = ring;
    q->head = 0;
    q->size *= 2;
    return true;
}

void events_put(sfx_session *s, sfx_event *event) {
    event_queue *q = &s->engine->events;
    uint64_t one = 1;

    event->session = s->id;
    event->time_us = s->now_us;
    pthread_mutex_lock(&q->lock);
    if ((q->count < MOST_EVENTS || event->type != SFX_EVENT_FRAME) && (q->count < q->size || grow(q))) {
        q->ring[(q->head + q->count++) % q->size] = *event;
        if (q->count == 1 && write(q->fd, &one, sizeof one) < 0) {
            /* The counter cannot overflow: it is at most one. */
        }
    }
    pthread_mutex_unlock(&q->lock);
}

int events_take(event_queue *q, sfx_event *out, int max) {
    int n = 0;
    uint64_t drained;

    pthread_mutex_lock(&q->lock);
    while (n < max && q->count) {
        out[n++] = q->ring[q->head];
        q->head = (q->head + 1) % q->size;
        q->count--;
    }
    if (!q->count && read(q->fd, &drained, sizeof drained) < 0) {
        /* Nothing was written since the last time. */
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}
