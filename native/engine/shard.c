/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clock: threads that each give a tick to their sessions every 20 ms. */
#include <errno.h>
#include <sys/resource.h>

#include "internal.h"

#define MEDIA_NICE (-10)
#define CATCH_UP_TICKS 50 /* after a stall (a suspended machine, a stopped process) at most one second is made up */

static void sleep_until(uint64_t when_us) {
    struct timespec t = {.tv_sec = (time_t)(when_us / 1000000u), .tv_nsec = (long)(when_us % 1000000u) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static void tick_all(shard *h) {
    for (sfx_session *s = h->sessions; s; s = s->next) {
        pthread_mutex_lock(&s->lock);
        h->tick(s);
        pthread_mutex_unlock(&s->lock);
    }
}

/* How late a tick that was `due` began, and what all took of the processor so far. */
static void count_tick(shard *h, uint64_t due, uint64_t began) {
    uint64_t late = began > due ? began - due : 0;

    atomic_fetch_add_explicit(&h->ticks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->late_us, late, memory_order_relaxed);
    if (late > atomic_load_explicit(&h->late_max_us, memory_order_relaxed))
        atomic_store_explicit(&h->late_max_us, (unsigned)late, memory_order_relaxed);
    atomic_store_explicit(&h->cpu_us, clock_us(CLOCK_THREAD_CPUTIME_ID), memory_order_relaxed);
}

static void *shard_main(void *arg) {
    shard *h = arg;
    uint64_t due = clock_us(CLOCK_MONOTONIC) + TICK_US, began;

    /* This thread alone (Linux), where RLIMIT_NICE or CAP_SYS_NICE allows it: pages that are being made can wait, a
     * modem cannot. */
    (void)setpriority(PRIO_PROCESS, 0, MEDIA_NICE);
    pthread_mutex_lock(&h->lock);
    while (!h->stop) {
        if (!h->sessions) {
            pthread_cond_wait(&h->wake, &h->lock);
            due = clock_us(CLOCK_MONOTONIC) + TICK_US;
            continue;
        }
        pthread_mutex_unlock(&h->lock);
        sleep_until(due);
        pthread_mutex_lock(&h->lock);
        began = clock_us(CLOCK_MONOTONIC);
        if (began > due + CATCH_UP_TICKS * (uint64_t)TICK_US)
            due = began - CATCH_UP_TICKS * (uint64_t)TICK_US;
        tick_all(h);
        count_tick(h, due, began);
        due += TICK_US;
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static int shard_start(shard *h) {
    int err = 0;
    if (!h->running) {
        err = -pthread_create(&h->thread, NULL, shard_main, h);
        h->running = !err;
        if (!err)
            pthread_setname_np(h->thread, "softfax-media"); /* as top -H shows it */
    }
    return err;
}

int shard_attach(sfx_session *s) {
    sfx_engine *e = s->engine;
    int err = 0;

    pthread_mutex_lock(&e->lock);
    if (!s->shard) {
        shard *least = &e->shards[0];
        for (unsigned i = 1; i < e->shard_count; i++)
            if (e->shards[i].count < least->count)
                least = &e->shards[i];
        pthread_mutex_lock(&least->lock);
        err = shard_start(least);
        if (!err) {
            s->shard = least;
            s->next = least->sessions;
            least->sessions = s;
            atomic_store_explicit(&least->live, ++least->count, memory_order_relaxed);
            pthread_cond_signal(&least->wake);
        }
        pthread_mutex_unlock(&least->lock);
    }
    pthread_mutex_unlock(&e->lock);
    return err;
}

void shard_detach(sfx_session *s) {
    sfx_engine *e = s->engine;
    shard *h;

    pthread_mutex_lock(&e->lock);
    h = s->shard;
    if (h) {
        pthread_mutex_lock(&h->lock);
        for (sfx_session **p = &h->sessions; *p; p = &(*p)->next)
            if (*p == s) {
                *p = s->next;
                atomic_store_explicit(&h->live, --h->count, memory_order_relaxed);
                break;
            }
        s->shard = NULL;
        s->next = NULL;
        pthread_mutex_unlock(&h->lock);
    }
    pthread_mutex_unlock(&e->lock);
}

void shard_init(shard *h, shard_tick *tick) {
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->wake, NULL);
    h->tick = tick;
}

void shard_stop(shard *h) {
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    if (h->running)
        pthread_join(h->thread, NULL);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->wake);
}
