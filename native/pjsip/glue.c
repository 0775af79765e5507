/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all parts of the glue use: the event callback, the wake-up, the clock, the counters. */
#include "glue.h"

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>
#include <pthread.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static sfx_sip_callback event_callback;

/* A byte from any thread to a socket that PJSIP polls ends its waiting. The lock keeps a wake-up from a socket that is
 * being closed, or worse, from another's with the same number. */
static struct {
    pthread_mutex_t lock;
    atomic_int wanted;
    int sockets[2];
    pj_ioqueue_key_t *key;
    pj_ioqueue_op_key_t read_op;
    char byte;
} wake = {.lock = PTHREAD_MUTEX_INITIALIZER, .sockets = {-1, -1}};

sfx_sip_counters sfx_counters;

int glue_register(pjsip_module *module) {
    module->id = -1; /* pjsua may have been shut down and started again */
    return pjsip_endpt_register_module(pjsua_var.endpt, module);
}

void glue_unregister(pjsip_module *module) {
    if (module->id >= 0)
        pjsip_endpt_unregister_module(pjsua_var.endpt, module);
    module->id = -1;
}

uint64_t glue_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

unsigned share_of(unsigned limit, unsigned parts) { return limit / parts ? limit / parts : 1; }

unsigned sfx_sip_calls_max(void) { return PJSUA_MAX_CALLS; }

void sfx_sip_set_callback(sfx_sip_callback callback) { event_callback = callback; }

void glue_emit(const sfx_sip_event *event) {
    if (event_callback)
        event_callback(event);
}

void sfx_sip_quiet(void) { pj_log_set_level(0); }

static void on_wake(pj_ioqueue_key_t *key, pj_ioqueue_op_key_t *op, pj_ssize_t bytes) {
    pj_ssize_t size = sizeof wake.byte;
    pj_status_t status;
    PJ_UNUSED_ARG(bytes);
    do
        status = pj_ioqueue_recv(key, op, &wake.byte, &size, 0);
    while (status == PJ_SUCCESS);
}

int glue_start(void) {
    pj_ioqueue_callback callback = {.on_read_complete = on_wake};
    pj_status_t status;

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, wake.sockets) < 0)
        return PJ_STATUS_FROM_OS(errno);
    status = pj_ioqueue_register_sock(pjsua_var.pool, pjsip_endpt_get_ioqueue(pjsua_var.endpt), wake.sockets[0], NULL,
                                      &callback, &wake.key);
    if (status == PJ_SUCCESS) {
        pj_ioqueue_op_key_init(&wake.read_op, sizeof wake.read_op);
        on_wake(wake.key, &wake.read_op, 0);
    }
    return status;
}

void glue_stop(void) {
    pthread_mutex_lock(&wake.lock);
    if (wake.key)
        pj_ioqueue_unregister(wake.key); /* closes its socket */
    else if (wake.sockets[0] >= 0)
        close(wake.sockets[0]);
    wake.key = NULL;
    if (wake.sockets[1] >= 0)
        close(wake.sockets[1]);
    wake.sockets[0] = wake.sockets[1] = -1;
    pthread_mutex_unlock(&wake.lock);
}

void glue_stir(void) {
    pthread_mutex_lock(&wake.lock);
    if (wake.sockets[1] >= 0 && send(wake.sockets[1], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        /* Full: it is being woken already. */
    }
    pthread_mutex_unlock(&wake.lock);
}

void sfx_sip_wake(void) {
    atomic_store(&wake.wanted, 1);
    glue_stir();
}

int glue_is_woken(void) { return atomic_exchange(&wake.wanted, 0); }
