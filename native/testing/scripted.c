/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session whose far end over T.38 is a script of the test's, without sockets or a clock. */
#include <errno.h>

#include "testing.h"

#define SETTLE_TICKS 100 /* after T.30 has ended: what it still has to say */

typedef struct scripted {
    sfx_test_packet *packet;
    void *user;
} scripted;

static void sink(sfx_session *s, const uint8_t *packet, size_t len) {
    scripted *end = s->sink_user;
    end->packet(end->user, packet, len);
}

int sfx_test_scripted(sfx_session *s, const sfx_t38_config *t38, uint64_t limit_us, sfx_test_packet *packet,
                      sfx_test_tick *tick, void *user, uint64_t *simulated_us) {
    scripted end = {packet, user};
    uint64_t now = 0;
    unsigned settled = 0;
    int err;

    pthread_mutex_lock(&s->lock);
    s->sink = sink;
    s->sink_user = &end;
    err = session_media_t38(s, t38);
    pthread_mutex_unlock(&s->lock);
    while (!err && settled < SETTLE_TICKS && !tick(user, now)) {
        now += TICK_US;
        pthread_mutex_lock(&s->lock);
        session_tick(s);
        settled += s->run.finished;
        pthread_mutex_unlock(&s->lock);
        if (now > limit_us)
            err = -ETIMEDOUT;
    }
    sfx_session_stop_media(s);
    s->sink = NULL;
    *simulated_us = now;
    return err;
}

void sfx_test_say(sfx_session *s, const uint8_t *packet, size_t len) {
    pthread_mutex_lock(&s->lock);
    session_packet(s, packet, len);
    pthread_mutex_unlock(&s->lock);
}
