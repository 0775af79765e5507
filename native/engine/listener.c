/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Faxes of others that were captured: one side's audio becomes frames, a page's data a picture. No T.30 runs here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define FLAGS_SEEN 5 /* before frames are believed */

struct sfx_listener {
    sfx_heard *heard;
    void *user;
    int law;
    fsk_rx_state_t *v21;
    hdlc_rx_state_t *v21_hdlc, *fast_hdlc;
    int modem; /* T30_MODEM_*, 0 for none */
    v17_rx_state_t *v17;
    v29_rx_state_t *v29;
    v27ter_rx_state_t *v27ter;
    uint8_t octet; /* of data without error correction */
    int bits;
    bool frames;
};

static void on_v21(void *user, const uint8_t *msg, int len, int ok) {
    sfx_listener *l = user;
    if (len > 0)
        l->heard(l->user, ok ? SFX_HEARD_FRAME : SFX_HEARD_DAMAGED, msg, (size_t)len);
}

static void on_fast(void *user, const uint8_t *msg, int len, int ok) {
    sfx_listener *l = user;
    if (len > 0 && ok)
        l->heard(l->user, SFX_HEARD_IMAGE_FRAME, msg, (size_t)len);
}

static void tell_status(sfx_listener *l, int status) {
    if (status == SIG_STATUS_TRAINING_SUCCEEDED)
        l->heard(l->user, SFX_HEARD_TRAINED, NULL, 0);
    else if (status == SIG_STATUS_CARRIER_DOWN)
        l->heard(l->user, SFX_HEARD_CARRIER_DOWN, NULL, 0);
}

static void put_fast(void *user, int bit) {
    sfx_listener *l = user;

    if (bit < 0) {
        tell_status(l, bit);
        l->bits = 0;
    }
    if (l->frames) {
        hdlc_rx_put_bit(l->fast_hdlc, bit);
    } else if (bit >= 0) {
        l->octet = (uint8_t)(l->octet >> 1 | bit << 7);
        if (++l->bits % 8 == 0)
            l->heard(l->user, SFX_HEARD_DATA, &l->octet, 1);
    }
}

sfx_listener *sfx_listener_create(int law, sfx_heard *heard, void *user) {
    sfx_listener *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    law_init();
    l->heard = heard;
    l->user = user;
    l->law = law;
    l->v21_hdlc = hdlc_rx_init(NULL, FALSE, TRUE, FLAGS_SEEN, on_v21, l);
    l->fast_hdlc = hdlc_rx_init(NULL, FALSE, FALSE, FLAGS_SEEN, on_fast, l);
    l->v21 = fsk_rx_init(NULL, &preset_fsk_specs[FSK_V21CH2], FSK_FRAME_MODE_SYNC, (put_bit_func_t)hdlc_rx_put_bit,
                         l->v21_hdlc);
    l->v17 = v17_rx_init(NULL, 14400, put_fast, l);
    l->v29 = v29_rx_init(NULL, 9600, put_fast, l);
    l->v27ter = v27ter_rx_init(NULL, 4800, put_fast, l);
    if (!l->v21 || !l->v21_hdlc || !l->fast_hdlc || !l->v17 || !l->v29 || !l->v27ter) {
        sfx_listener_destroy(l);
        return NULL;
    }
    fsk_rx_signal_cutoff(l->v21, -45.5f);
    return l;
}

void sfx_listener_destroy(sfx_listener *l) {
    if (!l)
        return;
    free(l->v21);
    free(l->v21_hdlc);
    free(l->fast_hdlc);
    free(l->v17);
    free(l->v29);
    free(l->v27ter);
    free(l);
}

int sfx_listener_expect(sfx_listener *l, int dcs_rate, int short_train, int frames) {
    t30_rate rate;

    l->modem = 0;
    if (dcs_rate < 0)
        return 0;
    rate = rate_of((unsigned)dcs_rate);
    if (dcs_rate > 15 || !rate.modem)
        return -EINVAL;
    l->modem = rate.modem;
    l->frames = frames;
    l->bits = 0;
    hdlc_rx_init(l->fast_hdlc, FALSE, FALSE, FLAGS_SEEN, on_fast, l);
    if (l->modem == T30_MODEM_V17)
        v17_rx_restart(l->v17, rate.rate_bps, short_train);
    else if (l->modem == T30_MODEM_V29)
        v29_rx_restart(l->v29, rate.rate_bps, FALSE);
    else
        v27ter_rx_restart(l->v27ter, rate.rate_bps, FALSE);
    return 0;
}

void listener_hear_fast(sfx_listener *l, const int16_t *amp, int samples) {
    if (l->modem == T30_MODEM_V17)
        v17_rx(l->v17, amp, samples);
    else if (l->modem == T30_MODEM_V29)
        v29_rx(l->v29, amp, samples);
    else if (l->modem == T30_MODEM_V27TER)
        v27ter_rx(l->v27ter, amp, samples);
}

void sfx_listener_hear(sfx_listener *l, const uint8_t *payload, size_t len) {
    int16_t amp[RTP_MAX_PAYLOAD];

    while (len) {
        size_t part = len < RTP_MAX_PAYLOAD ? len : RTP_MAX_PAYLOAD;

        law_decode(l->law, payload, amp, part);
        listener_hear_fast(l, amp, (int)part);
        fsk_rx(l->v21, amp, (int)part);
        payload += part;
        len -= part;
    }
}

void sfx_listener_miss(sfx_listener *l, int samples) {
    if (l->modem == T30_MODEM_V17)
        v17_rx_fillin(l->v17, samples);
    else if (l->modem == T30_MODEM_V29)
        v29_rx_fillin(l->v29, samples);
    else if (l->modem == T30_MODEM_V27TER)
        v27ter_rx_fillin(l->v27ter, samples);
}

int sfx_page_write(const char *path, int encoding, int width, int x_dpm, int y_dpm, const uint8_t *data, size_t len) {
    t4_rx_state_t *t4;
    t4_stats_t stats;
    int err;

    if (encoding < T4_COMPRESSION_ITU_T4_1D || encoding > T4_COMPRESSION_ITU_T6 || width < 1 || width > 4864 ||
        len > 16u << 20)
        return -EINVAL;
    t4 = t4_rx_init(NULL, path, T4_COMPRESSION_ITU_T6);
    if (!t4)
        return -EIO;
    t4_rx_set_image_width(t4, width);
    t4_rx_set_rx_encoding(t4, encoding);
    t4_rx_set_x_resolution(t4, x_dpm);
    t4_rx_set_y_resolution(t4, y_dpm);
    err = t4_rx_start_page(t4) ? -EIO : 0;
    if (!err) {
        t4_rx_put_chunk(t4, data, (int)len);
        if (decoder_caught())
            err = -EBADMSG;
        else
            t4_rx_end_page(t4);
        t4_rx_get_transfer_statistics(t4, &stats);
        if (!err)
            err = stats.length;
    }
    t4_rx_free(t4);
    return err;
}

int sfx_maker(const uint8_t *facilities, size_t len, char *text, size_t room) {
    uint8_t octets[64] = {0}; /* spandsp reads two, however few there are */
    const char *country = NULL, *vendor = NULL, *model = NULL;

    if (!room)
        return -EINVAL;
    len = len < sizeof octets ? len : sizeof octets;
    memcpy(octets, facilities, len);
    if (len >= 3)
        t35_decode(octets, (int)len, &country, &vendor, &model);
    snprintf(text, room, "%s%s%s", vendor ? vendor : "", vendor && model ? " " : "", vendor && model ? model : "");
    return (int)strlen(text);
}
