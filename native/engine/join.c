/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two sessions are joined to a gateway, and parted. */
#include <errno.h>
#include <stdlib.h>

#include "gateway.h"

static bool is_free_leg(const sfx_session *s) {
    return s && s->config.flags & SFX_FLAG_LEG && !s->leg && s->kind == MEDIA_NONE;
}

int sfx_gateway_create(sfx_session *a, sfx_session *b, sfx_gateway **out) {
    sfx_session *sessions[GATEWAY_LEGS] = {a, b};
    sfx_gateway *g;

    if (!out || a == b || !is_free_leg(a) || !is_free_leg(b))
        return -EINVAL;
    g = calloc(1, sizeof *g);
    if (!g)
        return -ENOMEM;
    pthread_mutex_init(&g->lock, NULL);
    for (int i = 0; i < GATEWAY_LEGS; i++) {
        g->legs[i].gateway = g;
        g->legs[i].session = sessions[i];
        g->legs[i].last_seq = -1;
        sessions[i]->leg = &g->legs[i];
    }
    *out = g;
    return 0;
}

void sfx_gateway_destroy(sfx_gateway *g) {
    if (!g)
        return;
    for (int i = 0; i < GATEWAY_LEGS; i++) {
        sfx_session *s = g->legs[i].session;
        sfx_session_stop_media(s);
        pthread_mutex_lock(&s->lock);
        s->leg = NULL;
        pthread_mutex_unlock(&s->lock);
    }
    remodulator_destroy(g->remodulator);
    overhear_release(&g->overheard);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
