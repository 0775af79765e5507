/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: its threads, its events, the disk and the captures of all sessions. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

int sfx_abi_version(void) { return SFX_ABI_VERSION; }

int sfx_engine_create(unsigned shards, sfx_engine **out) {
    sfx_engine *e = calloc(1, sizeof *e);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int err;

    if (!e)
        return -ENOMEM;
    err = events_init(&e->events);
    if (err < 0) {
        free(e);
        return err;
    }
    if (!shards)
        shards = cores > 0 ? (unsigned)cores : 1;
    e->shard_count = shards > MAX_SHARDS ? MAX_SHARDS : shards;
    disk_init(&e->disk);
    capture_writer_init(&e->capture_writer);
    pthread_mutex_init(&e->lock, NULL);
    for (unsigned i = 0; i < e->shard_count; i++)
        shard_init(&e->shards[i], session_tick);
    *out = e;
    return 0;
}

void sfx_engine_destroy(sfx_engine *e) {
    if (!e)
        return;
    for (unsigned i = 0; i < e->shard_count; i++) {
        while (e->shards[i].sessions)
            sfx_session_destroy(e->shards[i].sessions);
        shard_stop(&e->shards[i]);
    }
    disk_release(&e->disk);
    capture_writer_release(&e->capture_writer);
    events_release(&e->events);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

int sfx_engine_event_fd(const sfx_engine *e) { return e->events.fd; }

int sfx_engine_events(sfx_engine *e, sfx_event *out, int max) { return events_take(&e->events, out, max); }

uint64_t sfx_engine_cpu_us(sfx_engine *e) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < e->shard_count; i++)
        sum += atomic_load_explicit(&e->shards[i].cpu_us, memory_order_relaxed);
    return sum;
}

int sfx_engine_load(sfx_engine *e, unsigned shard_number, sfx_load *out) {
    shard *h;

    if (shard_number >= e->shard_count)
        return -EINVAL;
    h = &e->shards[shard_number];
    out->ticks = atomic_load_explicit(&h->ticks, memory_order_relaxed);
    out->late_us = atomic_load_explicit(&h->late_us, memory_order_relaxed);
    out->busy_us = atomic_load_explicit(&h->cpu_us, memory_order_relaxed);
    out->late_max_us = atomic_exchange_explicit(&h->late_max_us, 0, memory_order_relaxed);
    out->sessions = atomic_load_explicit(&h->live, memory_order_relaxed); /* its lock is held for whole ticks */
    return 0;
}
