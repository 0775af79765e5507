/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a gateway hears of the fax that passes: tones and V.21 on G.711, control frames by any way. Nothing of it is
 * changed; events of it are those of the leg by which a signal or frame came.
 */
#include <errno.h>
#include <string.h>

#include "gateway.h"

#define FLAGS_FOR_FRAMES 2 /* the preamble was recognized by many more */
#define CALL_DROPPED T30_ERR_CALLDROPPED
#define LONGEST_CONTROL 256 /* octets of a control frame */

static void put(sfx_gateway *g, int leg, sfx_event *event) { events_put(g->legs[leg].session, event); }

static int index_of(const gateway_leg *leg) { return (int)(leg - leg->gateway->legs); }

/* ---- T.30 ---------------------------------------------------------------------------------------------------------
 */

enum { FCF = 2, FIF = 3, FCF_BITS = 0xfe }; /* bit 0 is the X bit of T.30 §5.3.6.1 */

static void trace(sfx_gateway *g, int leg, const uint8_t *frame, int len) {
    sfx_event event = {.type = SFX_EVENT_FRAME, .code = 1};

    if (!(g->legs[leg].session->config.flags & SFX_FLAG_TRACE))
        return;
    event_frame(&event, frame, len);
    put(g, leg, &event);
}

/* TSI and CSI: up to twenty characters, the last first (T.30 §5.3.6.2.4). */
static void note_ident(overheard_side *side, const uint8_t *frame, int len) {
    int n = 0;

    for (int i = len - 1; i >= FIF && n < 20; i--)
        if (frame[i] >= ' ' && frame[i] <= '~' && (n || frame[i] != ' '))
            side->ident[n++] = (char)frame[i];
    side->ident[n] = 0;
}

static void note_dcs(sfx_gateway *g, int leg, const uint8_t *frame, int len) {
    overheard *o = &g->overheard;
    sfx_event event = {.type = SFX_EVENT_COMMANDED};

    o->sender = leg;
    o->command = 0;
    o->last_confirmed = false;
    if (dcs_decode(frame, len, &o->dcs) < 0)
        memset(&o->dcs, 0, sizeof o->dcs);
    if (!o->page)
        o->page = glimpse_create();
    glimpse_dcs(o->page, &o->dcs, frame, len);
    if (!o->commanded)
        put(g, leg, &event);
    o->commanded = true;
}

static void note_trained(sfx_gateway *g, int leg) {
    overheard *o = &g->overheard;
    sfx_event event = {
        .type = SFX_EVENT_NEGOTIATED,
        .value = {o->dcs.rate_bps, o->dcs.ecm, o->dcs.encoding, o->dcs.x_dpm, o->dcs.y_dpm, o->dcs.width}};
    const overheard_side *receiver = &o->side[!o->sender];

    if (!o->commanded || leg == o->sender)
        return;
    o->trained = true;
    o->page_began_us = g->legs[leg].session->now_us;
    glimpse_trained(o->page);
    memcpy(event.text, o->side[o->sender].ident, sizeof o->side[o->sender].ident);
    event.data_len = (uint32_t)strlen(receiver->ident);
    memcpy(event.data, receiver->ident, event.data_len);
    put(g, leg, &event);
}

/* The end of a page, MPS and the like or with error correction PPS (T.30 Annex A), which says more. */
static void note_command(overheard *o, const uint8_t *frame, int len) {
    bool pps = (frame[FCF] & FCF_BITS) == T30_PPS;

    memset(o->asked, 0, sizeof o->asked);
    if (pps && len >= FIF + 3)
        memcpy(o->asked, frame + FIF, 3);
    o->command = pps ? (len > FIF ? frame[FIF] & FCF_BITS : 0) : frame[FCF] & FCF_BITS;
    glimpse_command(o->page, o->command);
}

/* A command that is said again, because its answer was lost, is about a page that counts already. */
static bool is_said_again(const overheard *o) {
    return o->asked[0] ? !memcmp(o->asked, o->confirmed, sizeof o->asked) : !o->image_seen;
}

static void note_answer(sfx_gateway *g, int leg, int fcf) {
    overheard *o = &g->overheard;
    bool confirmed = fcf == T30_MCF || fcf == T30_RTP || fcf == T30_PIP;
    uint64_t now_us = g->legs[leg].session->now_us;
    sfx_event event = {.type = SFX_EVENT_PAGE};
    glimpsed seen;

    if (leg == o->sender)
        return;
    glimpse_answer(o->page, confirmed, &seen);
    if (!o->command)
        return;
    if (!is_said_again(o)) {
        event.value[SFX_PAGE_BYTES] = (int32_t)seen.octets;
        event.value[SFX_PAGE_ROWS] = (int32_t)seen.rows;
        event.value[SFX_PAGE_BAD_ROWS] = (int32_t)seen.bad_rows;
        event.value[SFX_PAGE_NUMBER] = o->pages + 1;
        event.value[SFX_PAGE_DURATION_MS] = (int32_t)((now_us - o->page_began_us) / 1000);
        event.value[SFX_PAGE_FCF] = fcf;
        event.value[SFX_PAGE_CONFIRMED] = confirmed;
        event.code = o->command == T30_EOP || o->command == T30_PRI_EOP;
        o->pages += confirmed;
        put(g, leg, &event);
        memcpy(o->confirmed, o->asked, sizeof o->confirmed);
        o->page_began_us = now_us;
    }
    o->last_confirmed = confirmed && (o->command == T30_EOP || o->command == T30_PRI_EOP);
    o->image_seen = false;
    o->command = 0;
}

static void note_end(sfx_gateway *g, int leg) {
    overheard *o = &g->overheard;
    sfx_event event = {.type = SFX_EVENT_COMPLETE, .code = o->last_confirmed ? 0 : CALL_DROPPED};

    if (o->ended)
        return;
    o->ended = true;
    event.value[SFX_COMPLETE_PAGES] = event.value[SFX_COMPLETE_PAGES_IN_FILE] = o->pages;
    event.value[SFX_COMPLETE_RATE] = o->dcs.rate_bps;
    event.value[SFX_COMPLETE_ECM] = o->dcs.ecm;
    put(g, leg, &event);
}

void overhear_frame(sfx_gateway *g, int leg, const uint8_t *frame, int len) {
    int fcf = len > FCF ? frame[FCF] & FCF_BITS : 0;

    if (len <= FCF || guard_check(frame, len))
        return;
    trace(g, leg, frame, len);
    switch (fcf) {
    case T30_CSI &FCF_BITS:
    case T30_TSI &FCF_BITS:
        note_ident(&g->overheard.side[leg], frame, len);
        break;
    case T30_DCS &FCF_BITS:
        note_dcs(g, leg, frame, len);
        break;
    case T30_CFR &FCF_BITS:
        note_trained(g, leg);
        break;
    case T30_MPS &FCF_BITS:
    case T30_EOM &FCF_BITS:
    case T30_EOP &FCF_BITS:
    case T30_PRI_MPS &FCF_BITS:
    case T30_PRI_EOM &FCF_BITS:
    case T30_PRI_EOP &FCF_BITS:
    case T30_PPS &FCF_BITS:
        note_command(&g->overheard, frame, len);
        break;
    case T30_MCF &FCF_BITS:
    case T30_RTP &FCF_BITS:
    case T30_PIP &FCF_BITS:
    case T30_RTN &FCF_BITS:
    case T30_PIN &FCF_BITS:
        note_answer(g, leg, fcf);
        break;
    case T30_CTC &FCF_BITS:
        glimpse_ctc(g->overheard.page, frame, len);
        break;
    case T30_PPR &FCF_BITS:
    case T30_CTR &FCF_BITS:
        glimpse_again(g->overheard.page, fcf == (T30_PPR & FCF_BITS));
        break;
    case T30_DCN &FCF_BITS:
        note_end(g, leg);
        break;
    default:
        break;
    }
}

void overhear_image(sfx_gateway *g, const uint8_t *ifp, size_t len, int version, bool gap) {
    g->overheard.image_seen = true;
    glimpse_ifp(g->overheard.page, ifp, len, version, gap);
}

/* ---- on G.711 -----------------------------------------------------------------------------------------------------
 */

static void on_frame(void *user, const uint8_t *frame, int len, int ok) {
    gateway_leg *leg = user;

    if (len > 0 && ok)
        overhear_frame(leg->gateway, index_of(leg), frame, len);
}

/* A fax it is: both far ends' control frames are of interest. */
static void hear_frames(sfx_gateway *g) {
    for (int i = 0; i < GATEWAY_LEGS; i++) {
        overheard_side *side = &g->overheard.side[i];
        if (side->v21)
            continue;
        side->hdlc = hdlc_rx_init(NULL, FALSE, FALSE, FLAGS_FOR_FRAMES, on_frame, &g->legs[i]);
        if (side->hdlc)
            side->v21 = fsk_rx_init(NULL, &preset_fsk_specs[FSK_V21CH2], FSK_FRAME_MODE_SYNC,
                                    (put_bit_func_t)hdlc_rx_put_bit, side->hdlc);
    }
}

static void put_signal(gateway_leg *leg, int signal) {
    sfx_event event = {.type = SFX_EVENT_SIGNAL, .code = 1, .value = {signal, 0, 1}};
    put(leg->gateway, index_of(leg), &event);
}

static void on_tone(void *user, int code, int level, int delay) {
    gateway_leg *leg = user;
    overheard_side *side = &leg->gateway->overheard.side[index_of(leg)];
    sfx_event event = {.type = SFX_EVENT_V21};

    (void)level;
    (void)delay;
    if (code == MODEM_CONNECT_TONES_FAX_PREAMBLE && !side->preamble_heard) {
        side->preamble_heard = true;
        put(leg->gateway, index_of(leg), &event);
        hear_frames(leg->gateway);
    } else if (code == MODEM_CONNECT_TONES_FAX_CNG && !side->cng_heard) {
        side->cng_heard = true;
        put_signal(leg, SFX_SIGNAL_CNG);
    } else if (code != MODEM_CONNECT_TONES_NONE && code != MODEM_CONNECT_TONES_FAX_PREAMBLE &&
               code != MODEM_CONNECT_TONES_FAX_CNG && !side->ced_heard) {
        side->ced_heard = true;
        put_signal(leg, SFX_SIGNAL_CED);
    }
}

void overhear_audio(sfx_gateway *g, int leg, const int16_t *amp, int samples) {
    overheard_side *side = &g->overheard.side[leg];

    if (g->overheard.page && leg == g->overheard.sender)
        glimpse_hear(g->overheard.page, amp, samples);
    if (!amp)
        return;
    if (!side->tones)
        side->tones =
            modem_connect_tones_rx_init(NULL, MODEM_CONNECT_TONES_FAX_CED_OR_PREAMBLE, on_tone, &g->legs[leg]);
    if (!side->cng)
        side->cng = modem_connect_tones_rx_init(NULL, MODEM_CONNECT_TONES_FAX_CNG, on_tone, &g->legs[leg]);
    if (side->tones && !side->preamble_heard)
        modem_connect_tones_rx(side->tones, amp, samples);
    if (side->cng && !side->cng_heard && !side->preamble_heard)
        modem_connect_tones_rx(side->cng, amp, samples);
    if (side->v21)
        fsk_rx(side->v21, amp, samples);
    g->overheard.image_seen = true; /* there is no telling */
}

/* ---- on T.38 ------------------------------------------------------------------------------------------------------
 */

static t38_frame *frame_of(const gateway_leg *leg) { return &leg->gateway->overheard.side[index_of(leg)].frame; }

static int on_indicator(t38_core_state_t *core, void *user, int indicator) {
    (void)core;
    (void)indicator;
    t38_frame_begin(frame_of(user));
    return 0;
}

static int on_missing(t38_core_state_t *core, void *user, int got, int expected) {
    (void)core;
    (void)got;
    (void)expected;
    frame_of(user)->damaged = true;
    return 0;
}

static int on_data(t38_core_state_t *core, void *user, int data_type, int field_type, const uint8_t *octets, int len) {
    gateway_leg *leg = user;
    t38_frame *frame = frame_of(leg);

    (void)core;
    if (data_type != T38_DATA_V21)
        return 0;
    if (t38_frame_take(frame, LONGEST_CONTROL, field_type, octets, len))
        overhear_frame(leg->gateway, index_of(leg), frame->octets, frame->len);
    if (field_type != T38_FIELD_HDLC_DATA)
        t38_frame_begin(frame);
    return 0;
}

void overhear_ifp(sfx_gateway *g, int leg, const uint8_t *ifp, size_t len, uint16_t seq) {
    overheard_side *side = &g->overheard.side[leg];

    if (!side->core)
        side->core = t38_core_init(NULL, on_indicator, on_data, on_missing, &g->legs[leg], send_nothing, &g->legs[leg]);
    if (!side->core)
        return;
    t38_set_t38_version(side->core, g->legs[leg].t38.version);
    t38_core_rx_ifp_packet(side->core, ifp, (int)len, seq);
}

void overhear_release(overheard *o) {
    glimpse_destroy(o->page);
    for (int i = 0; i < GATEWAY_LEGS; i++) {
        overheard_side *side = &o->side[i];
        if (side->tones)
            modem_connect_tones_rx_free(side->tones);
        if (side->cng)
            modem_connect_tones_rx_free(side->cng);
        if (side->v21)
            fsk_rx_free(side->v21);
        if (side->hdlc)
            hdlc_rx_free(side->hdlc);
        if (side->core)
            t38_core_free(side->core);
    }
}
