/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spandsp's gateway between T.38 and G.711. That of 0.0.6 trusts its far ends in places where they are not to be
 * trusted: it goes on with a frame whose beginning it has dropped, with offsets from before. What it would go astray by
 * is put right before it gets to read it.
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway.h"

#define FLAG_DATA 0x200 /* of a buffer's contents (t38_gateway.c) */
/* A frame from the modem is dropped when it is longer than this; below it no packet of audio makes it so long. */
#define FRAME_LIMIT ((size_t)HDLC_MAXFRAME_LEN + 4)
#define FRAME_MARGIN 160 /* octets in RTP_MAX_PAYLOAD samples at 14,400 bit/s: 108 */
#define SLICE 8          /* samples in which less than three octets come */

struct remodulator {
    t38_gateway_state_t *gateway;
    remodulated_ifp *on_ifp;
    remodulated_frame *on_frame;
    void *user;
};

static int on_ifp(t38_core_state_t *core, void *user, const uint8_t *ifp, int len, int count) {
    remodulator *r = user;

    (void)core;
    if (len > 0)
        r->on_ifp(r->user, ifp, (size_t)len, count > 0 ? (unsigned)count : 1);
    return 0;
}

static void on_frame(t38_gateway_state_t *gateway, void *user, int from_modem, const uint8_t *frame, int len) {
    remodulator *r = user;

    (void)gateway;
    r->on_frame(r->user, from_modem, frame, len);
}

static int modems_for(int max_rate_bps) {
    int modems = T30_SUPPORT_V27TER;
    if (max_rate_bps >= 9600)
        modems |= T30_SUPPORT_V29;
    if (max_rate_bps >= 14400)
        modems |= T30_SUPPORT_V17;
    return modems;
}

int remodulator_create(const sfx_t38_config *t38, remodulated_ifp *ifp_sink, remodulated_frame *frame_sink, void *user,
                       remodulator **out) {
    remodulator *r = calloc(1, sizeof *r);
    t38_core_state_t *core;

    if (!r)
        return -ENOMEM;
    r->on_ifp = ifp_sink;
    r->on_frame = frame_sink;
    r->user = user;
    r->gateway = t38_gateway_init(NULL, on_ifp, r);
    if (!r->gateway) {
        free(r);
        return -ENOMEM;
    }
    t38_gateway_set_transmit_on_idle(r->gateway, TRUE);
    t38_gateway_set_ecm_capability(r->gateway, TRUE);
    t38_gateway_set_supported_modems(r->gateway, modems_for(t38->max_rate_bps > 0 ? t38->max_rate_bps : 14400));
    t38_gateway_set_real_time_frame_handler(r->gateway, on_frame, r);
    core = t38_gateway_get_t38_core_state(r->gateway);
    t38_set_t38_version(core, t38->version);
    if (t38->max_datagram > 0)
        t38_set_max_datagram_size(core, t38->max_datagram);
    *out = r;
    return 0;
}

void remodulator_destroy(remodulator *r) {
    if (!r)
        return;
    t38_gateway_release(r->gateway);
    t38_gateway_free(r->gateway);
    free(r);
}

/* A frame that is to be made unreadable (NSF, NSS, NSC) is counted from its fourth octet on. Where another has begun,
 * spandsp would count from before it. */
static void mend_suppression(t38_gateway_state_t *g) {
    const t38_gateway_hdlc_buf_t *to_modem = &g->core.hdlc_to_modem.buf[g->core.hdlc_to_modem.in];

    if (to_modem->contents != (T38_DATA_V21 | FLAG_DATA) || to_modem->len < 3)
        g->t38x.corrupt_current_frame[0] = FALSE;
    if (g->audio.modems.hdlc_rx.len < 3)
        g->t38x.corrupt_current_frame[1] = FALSE;
}

/* Octets of a frame that are still to be sent are counted back from its end; of one that was dropped for its length
 * they are none. */
static void mend_pending(t38_gateway_state_t *g, unsigned long length_errors) {
    if (g->audio.modems.hdlc_rx.rx_length_errors != length_errors)
        g->core.to_t38.data_ptr = 0;
}

static void hear_slice(t38_gateway_state_t *g, int16_t *amp, int samples) {
    unsigned long before = g->audio.modems.hdlc_rx.rx_length_errors;

    t38_gateway_rx(g, amp, samples);
    mend_pending(g, before);
    mend_suppression(g);
}

void remodulator_hear(remodulator *r, int16_t *amp, int samples) {
    t38_gateway_state_t *g = r->gateway;

    if (!amp) {
        t38_gateway_rx_fillin(g, samples);
        return;
    }
    mend_suppression(g);
    while (samples > 0) {
        bool near = g->audio.modems.hdlc_rx.len + FRAME_MARGIN > FRAME_LIMIT;
        int n = near && samples > SLICE ? SLICE : samples;
        hear_slice(g, amp, n);
        amp += n;
        samples -= n;
    }
}

void remodulator_take(remodulator *r, const uint8_t *ifp, size_t len, uint16_t seq) {
    mend_suppression(r->gateway);
    t38_core_rx_ifp_packet(t38_gateway_get_t38_core_state(r->gateway), ifp, (int)len, seq);
}

void remodulator_fetch(remodulator *r, int16_t *amp, int samples) {
    int n = t38_gateway_tx(r->gateway, amp, samples);
    for (; n < samples; n++)
        amp[n] = 0;
}
