/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of the engine by themselves, for tests and fuzzing. */
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
