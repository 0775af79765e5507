/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An in-memory line that spoils packets, or lies between two sample clocks. */
#include <errno.h>
#include <string.h>

#include "testing.h"

typedef struct impairment {
    const sfx_test_impairments *wanted;
    const sfx_session *a; /* whose packets are spoilt */
    uint32_t seed;
    skew *from_a, *from_b; /* NULL where both have one sample clock */
} impairment;

static void on_packet(void *user, const sfx_session *from, uint64_t *random, const uint8_t *packet, size_t len,
                      line_forward *forward, void *forward_user) {
    impairment *i = user;
    bool of_a = from == i->a;
    uint8_t spoilt[DATAGRAM_SIZE];

    if (i->from_a) {
        skew_packet(of_a ? i->from_a : i->from_b, packet, len, forward, forward_user);
    } else if (of_a && from->kind == MEDIA_T38 && len <= sizeof spoilt && i->wanted->mutate_ppm &&
               line_roll(random) % 1000000u < i->wanted->mutate_ppm) {
        memcpy(spoilt, packet, len);
        len = mutate_datagram(random, i->seed, spoilt, len);
        forward(forward_user, spoilt, len);
    } else {
        forward(forward_user, packet, len);
    }
}

int sfx_test_line_run(sfx_session *a, sfx_session *b, const sfx_line_config *config,
                      const sfx_test_impairments *impairments, uint64_t *simulated_us) {
    bool skewed = config->mode != 2 && (impairments->skew_ppm || impairments->phase_permille);
    int law = config->mode == 3 ? SFX_LAW_PCMA : SFX_LAW_PCMU, err = -ENOMEM;
    impairment i = {.wanted = impairments, .a = a, .seed = config->seed};
    /* Packets that are spoilt have whole frames in them; who gets them is as in earnest. */
    line_hooks hooks = {.packet = on_packet, .user = &i, .one_unpaced = impairments->mutate_ppm != 0};

    if (impairments->phase_permille >= 1000)
        return -EINVAL;
    if (skewed) {
        i.from_a = skew_create(law, impairments->skew_ppm, impairments->phase_permille);
        i.from_b = skew_create(law, -impairments->skew_ppm, impairments->phase_permille);
    }
    if (!skewed || (i.from_a && i.from_b))
        err = line_run(a, b, config, &hooks, simulated_us);
    skew_destroy(i.from_a);
    skew_destroy(i.from_b);
    return err;
}
