/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An in-memory line that spoils packets. */
#include <string.h>

#include "testing.h"

typedef struct impairment {
    const sfx_test_impairments *wanted;
    const sfx_session *a; /* whose packets are spoilt */
    uint32_t seed;
} impairment;

static void on_packet(void *user, const sfx_session *from, uint64_t *random, const uint8_t *packet, size_t len,
                      line_forward *forward, void *forward_user) {
    impairment *i = user;
    bool of_a = from == i->a;
    uint8_t spoilt[DATAGRAM_SIZE];

    if (of_a && from->kind == MEDIA_T38 && len <= sizeof spoilt && i->wanted->mutate_ppm &&
        line_roll(random) % 1000000u < i->wanted->mutate_ppm) {
        memcpy(spoilt, packet, len);
        len = mutate_datagram(random, i->seed, spoilt, len);
        forward(forward_user, spoilt, len);
    } else {
        forward(forward_user, packet, len);
    }
}

int sfx_test_line_run_gateway(sfx_session *caller, sfx_session *leg_a, sfx_session *leg_b, sfx_session *answerer,
                              const sfx_line_config *a, const sfx_line_config *b,
                              const sfx_test_impairments *impairments, uint64_t *simulated_us) {
    sfx_session *const sessions[4] = {caller, leg_a, leg_b, answerer};
    const sfx_line_config *const configs[2] = {a, b};
    impairment i = {.wanted = impairments, .a = a->mode == 2 ? caller : answerer, .seed = a->seed};
    line_hooks hooks = {.packet = on_packet, .user = &i};

    return line_run_gateway(sessions, configs, &hooks, simulated_us);
}

int sfx_test_line_run(sfx_session *a, sfx_session *b, const sfx_line_config *config,
                      const sfx_test_impairments *impairments, uint64_t *simulated_us) {
    sfx_line_config changed = *config;
    impairment i = {.wanted = impairments, .a = a, .seed = config->seed};
    /* Packets that are spoilt have whole frames in them; who gets them is as in earnest. */
    line_hooks hooks = {.packet = on_packet, .user = &i, .one_unpaced = true};

    if (impairments->skew_ppm || impairments->phase_permille) {
        changed.skew_ppm = impairments->skew_ppm;
        changed.phase_permille = impairments->phase_permille;
    }
    return line_run(a, b, &changed, impairments->mutate_ppm ? &hooks : NULL, simulated_us);
}

typedef struct tap {
    const sfx_session *a;
    sfx_test_tapped *tapped;
    void *user;
} tap;

static void on_tapped(void *user, const sfx_session *from, uint64_t *random, const uint8_t *packet, size_t len,
                      line_forward *forward, void *forward_user) {
    const tap *t = user;

    (void)random;
    t->tapped(t->user, from == t->a, from->now_us, packet, len);
    forward(forward_user, packet, len);
}

int sfx_test_line_tap(sfx_session *a, sfx_session *b, const sfx_line_config *config, sfx_test_tapped *tapped,
                      void *user, uint64_t *simulated_us) {
    tap t = {a, tapped, user};
    line_hooks hooks = {.packet = on_tapped, .user = &t};

    return line_run(a, b, config, &hooks, simulated_us);
}
