/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of the engine by themselves, for tests and fuzzing. */
#include <errno.h>
#include <string.h>

#include "testing.h"

static void drop(void *user, const uint8_t *ifp, size_t len, uint16_t seq) {
    (void)user;
    (void)ifp;
    (void)len;
    (void)seq;
}

int sfx_test_udptl(const uint8_t *datagram, size_t len) {
    udptl_rx rx;

    udptl_rx_init(&rx);
    return udptl_receive(&rx, datagram, len, drop, NULL);
}

int sfx_test_behind_nat(const char *signalled, const char *seen) {
    struct sockaddr_storage a, b;
    socklen_t len;

    return !address_parse(signalled, 1, &a, &len) && !address_parse(seen, 1, &b, &len) && address_behind_nat(&a, &b);
}

int sfx_test_page_fits(const sfx_page *page, const uint8_t *dis, size_t len) { return page_fits(page, dis, len); }

int sfx_test_srtp_create(const sfx_srtp_config *config, sfx_srtp **out) { return srtp_create(config, out); }

void sfx_test_srtp_destroy(sfx_srtp *srtp) { srtp_destroy(srtp); }

int sfx_test_srtp_protect(sfx_srtp *srtp, uint8_t *packet, size_t len, size_t size) {
    return srtp_protect(srtp, packet, len, size);
}

int sfx_test_srtp_unprotect(sfx_srtp *srtp, uint8_t *packet, size_t len) { return srtp_unprotect(srtp, packet, len); }

int sfx_test_t38(const uint8_t *datagrams, size_t len, int caller, const char *rx_file) {
    sfx_engine *engine;
    sfx_session *s;
    sfx_session_config config = {
        .flags = SFX_FLAG_ECM | (caller ? SFX_FLAG_CALLER : 0), .max_rate_bps = 14400, .rx_file = rx_file};
    sfx_t38_config t38 = {.error_correction = SFX_EC_REDUNDANCY, .redundancy = 3, .fec_span = 3};
    size_t at = 0;
    int err = sfx_engine_create(1, &engine);

    if (err < 0)
        return err;
    err = sfx_session_create(engine, &config, &s);
    if (!err) {
        pthread_mutex_lock(&s->lock);
        err = session_media_t38(s, &t38);
        while (!err && at + 2 <= len) {
            size_t n = (size_t)datagrams[at] << 8 | datagrams[at + 1];
            at += 2;
            if (n > len - at)
                n = len - at;
            session_packet(s, datagrams + at, n);
            session_tick(s);
            at += n;
        }
        pthread_mutex_unlock(&s->lock);
        sfx_session_destroy(s);
    }
    sfx_engine_destroy(engine);
    return err;
}

static sfx_session *leg_create(sfx_engine *engine) {
    sfx_session_config config = {.flags = SFX_FLAG_LEG | SFX_FLAG_TRACE, .max_rate_bps = 14400};
    sfx_session *s = NULL;

    return sfx_session_create(engine, &config, &s) < 0 ? NULL : s;
}

static void leg_step(sfx_session *s, const uint8_t *packet, size_t len) {
    pthread_mutex_lock(&s->lock);
    if (len)
        session_packet(s, packet, len);
    session_tick(s);
    pthread_mutex_unlock(&s->lock);
}

static void feed_legs(sfx_session *t38, sfx_session *audio, const uint8_t *packets, size_t len) {
    size_t at = 0;

    while (at + 3 <= len) {
        uint8_t kind = packets[at];
        size_t n = (size_t)packets[at + 1] << 8 | packets[at + 2];
        at += 3;
        if (kind & 2) {
            for (size_t i = 0; i < (n & 63); i++) {
                leg_step(t38, NULL, 0);
                leg_step(audio, NULL, 0);
            }
            continue;
        }
        if (n > len - at)
            n = len - at;
        leg_step(t38, packets + at, kind & 1 ? 0 : n);
        leg_step(audio, packets + at, kind & 1 ? n : 0);
        at += n;
    }
}

/* An engine with a gateway whose second leg has G.711, and the first T.38 if wanted. */
typedef struct two_legs {
    sfx_engine *engine;
    sfx_session *a, *b;
    sfx_gateway *gateway;
} two_legs;

static int legs_open(two_legs *legs, bool with_t38) {
    sfx_t38_config t38 = {.error_correction = SFX_EC_REDUNDANCY, .redundancy = 3, .fec_span = 3};
    int err = sfx_engine_create(1, &legs->engine);

    if (err < 0)
        return err;
    legs->a = leg_create(legs->engine);
    legs->b = leg_create(legs->engine);
    err = legs->a && legs->b ? sfx_gateway_create(legs->a, legs->b, &legs->gateway) : -ENOMEM;
    if (!err && with_t38)
        err = session_media_t38(legs->a, &t38);
    if (!err)
        err = session_media_audio(legs->b, SFX_LAW_PCMU, SFX_LAW_PCMU, RTP_PTIME_MS);
    return err;
}

static void legs_close(two_legs *legs) {
    sfx_gateway_destroy(legs->gateway);
    sfx_session_destroy(legs->a);
    sfx_session_destroy(legs->b);
    if (legs->engine)
        sfx_engine_destroy(legs->engine);
}

int sfx_test_gateway(const uint8_t *packets, size_t len) {
    two_legs legs = {0};
    int err = legs_open(&legs, true);

    if (!err)
        feed_legs(legs.a, legs.b, packets, len);
    legs_close(&legs);
    return err;
}

static int heard(sfx_engine *engine) {
    sfx_event event;
    int mask = 0;

    while (sfx_engine_events(engine, &event, 1) == 1) {
        if (event.type == SFX_EVENT_V21)
            mask |= SFX_TEST_HEARD_V21;
        else if (event.type == SFX_EVENT_SIGNAL)
            mask |= event.value[0] == SFX_SIGNAL_CNG ? SFX_TEST_HEARD_CNG : SFX_TEST_HEARD_CED;
    }
    return mask;
}

int sfx_test_overhear(const int16_t *amp, size_t samples) {
    two_legs legs = {0};
    int16_t frame[RTP_FRAME];
    int mask = legs_open(&legs, false);

    for (size_t at = 0; !mask && at + RTP_FRAME <= samples; at += RTP_FRAME) {
        memcpy(frame, amp + at, sizeof frame);
        pthread_mutex_lock(&legs.b->lock);
        gateway_hear(legs.b, frame, RTP_FRAME);
        pthread_mutex_unlock(&legs.b->lock);
    }
    if (!mask)
        mask = heard(legs.engine);
    legs_close(&legs);
    return mask;
}
