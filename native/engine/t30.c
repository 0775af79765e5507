/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of T.30 in spandsp: set up over audio or T.38, fed, released. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define IFPS_AT_ONCE_MAX 256 /* a tick has a few */
#define TRAINING_TICKS 150   /* 3 s: as long as training and its check take */

void run_watch_decoder(t30_run *run) {
    int what = decoder_caught();
    if (what && run->t30 && !run->finished)
        run_end_hostile(run, what);
}

/* Where the training check is made by the gateways themselves (localTCF, T.38 §8.1), none comes after the DCS: what
 * would have come is made up, and CFR answers it. One that comes all the same counts. */
void run_watch_training(t30_run *run) {
    static const uint8_t zeros[64];
    t30_state_t *t = run->t30;
    bool waits = run->local_tcf && !run->finished && t->state == STATE_F_TCF && !t->rx_signal_present;

    run->training_ticks = waits ? run->training_ticks + 1 : 0;
    if (run->training_ticks < TRAINING_TICKS)
        return;
    run->training_ticks = 0;
    t30_non_ecm_put_bit(t, SIG_STATUS_TRAINING_SUCCEEDED);
    for (int octets = 0; octets < 14400 * 3 / 2 / 8; octets += (int)sizeof zeros)
        t30_non_ecm_put_chunk(t, zeros, sizeof zeros);
    t30_non_ecm_put_bit(t, SIG_STATUS_CARRIER_DOWN);
}

/* ---- set-up --------------------------------------------------------------------------------------------------- */

static int modems_for(unsigned max_rate_bps) {
    int modems = T30_SUPPORT_V27TER;
    if (max_rate_bps >= 7200)
        modems |= T30_SUPPORT_V29;
    if (max_rate_bps >= 12000)
        modems |= T30_SUPPORT_V17;
    return modems;
}

static int compressions_for(unsigned lacks, bool ecm) {
    return T30_SUPPORT_T4_1D_COMPRESSION | (lacks & SFX_LACKS_2D ? 0 : T30_SUPPORT_T4_2D_COMPRESSION) |
           (ecm && !(lacks & SFX_LACKS_T6) ? T30_SUPPORT_T6_COMPRESSION : 0);
}

static int resolutions_for(unsigned lacks) {
    int high = T30_SUPPORT_R16_RESOLUTION | T30_SUPPORT_300_300_RESOLUTION | T30_SUPPORT_400_400_RESOLUTION;
    return T30_SUPPORT_STANDARD_RESOLUTION | T30_SUPPORT_R8_RESOLUTION |
           (lacks & SFX_LACKS_FINE ? 0 : T30_SUPPORT_FINE_RESOLUTION) |
           (lacks & SFX_LACKS_SUPERFINE ? 0 : T30_SUPPORT_SUPERFINE_RESOLUTION) | (lacks & SFX_LACKS_HIGH ? 0 : high);
}

static int sizes_for(unsigned lacks) {
    int lengths = T30_SUPPORT_B4_LENGTH | T30_SUPPORT_US_LEGAL_LENGTH | T30_SUPPORT_UNLIMITED_LENGTH;
    return T30_SUPPORT_215MM_WIDTH | T30_SUPPORT_A4_LENGTH | T30_SUPPORT_US_LETTER_LENGTH |
           (lacks & SFX_LACKS_LONG ? 0 : lengths) |
           (lacks & SFX_LACKS_WIDE ? 0 : T30_SUPPORT_255MM_WIDTH | T30_SUPPORT_303MM_WIDTH);
}

/* Who a document is for or from, and which one is polled. */
static void configure_addresses(const sfx_session *s, t30_state_t *t) {
    /* A password is taken where a document is polled. */
    t30_set_supported_t30_features(t, (s->rx_file ? T30_SUPPORT_SUB_ADDRESSING : 0) |
                                          (s->tx_file ? T30_SUPPORT_SELECTIVE_POLLING : 0) |
                                          T30_SUPPORT_IDENTIFICATION);
    if (s->subaddress)
        t30_set_tx_sub_address(t, s->subaddress);
    if (s->sender_id)
        t30_set_tx_sender_ident(t, s->sender_id);
    if (s->selective)
        t30_set_tx_selective_polling_address(t, s->selective);
    if (s->password)
        t30_set_tx_password(t, s->password);
}

static void configure(t30_run *run) {
    const sfx_session *s = run->session;
    t30_state_t *t = run->t30;
    bool ecm = s->config.flags & SFX_FLAG_ECM;
    unsigned lacks = s->config.lacks;

    t30_set_supported_modems(t, modems_for(run->max_rate_bps));
    t30_set_ecm_capability(t, ecm);
    t30_set_supported_compressions(t, compressions_for(lacks, ecm));
    t30_set_supported_resolutions(t, resolutions_for(lacks));
    t30_set_supported_image_sizes(t, sizes_for(lacks));
    /* Received pages are written as one G4 strip each, which a PDF can carry as it is. */
    t30_set_rx_encoding(t, T4_COMPRESSION_ITU_T6);
    t30_set_minimum_scan_line_time(t, 0);
    if (s->ident)
        t30_set_tx_ident(t, s->ident);
    if (s->header)
        t30_set_tx_page_header_info(t, s->header);
    configure_addresses(s, t);
    if (s->tx_file)
        t30_set_tx_file(t, s->tx_file, -1, -1);
    /* A file to receive into says in a DIS that we receive: a caller that fetches later has it from then on. */
    if (s->rx_file && !run->sends)
        t30_set_rx_file(t, s->rx_file, -1);
    pages_watch(run);
    frames_watch(run);
}

static void on_preamble(void *user, int code, int level, int delay) {
    t30_run *run = user;
    sfx_event event = {.type = SFX_EVENT_V21};
    (void)level;
    (void)delay;
    if (code != MODEM_CONNECT_TONES_FAX_PREAMBLE || run->preamble_heard)
        return;
    run->preamble_heard = true;
    run_emit(run, &event);
}

static int start_audio(t30_run *run, bool caller) {
    run->fax = fax_init(NULL, caller);
    if (!run->fax)
        return -ENOMEM;
    fax_set_transmit_on_idle(run->fax, TRUE);
    run->t30 = fax_get_t30_state(run->fax);
    if (caller)
        run->preamble = modem_connect_tones_rx_init(NULL, MODEM_CONNECT_TONES_FAX_PREAMBLE, on_preamble, run);
    return 0;
}

static int on_ifp(t38_core_state_t *core, void *user, const uint8_t *ifp, int len, int count) {
    t30_run *run = &((sfx_session *)user)->run;

    (void)core;
    /* With neither a next frame nor an end of the signal spandsp would send empty fields for ever; this ends the call.
     */
    run->ifps_sent++;
    if (run->unpaced ? !unpaced_sent(run, len) : run->ifps_sent > IFPS_AT_ONCE_MAX)
        return -1;
    return ifp_send(user, ifp, (size_t)(len > 0 ? len : 0), count > 0 ? (unsigned)count : 0) < 0 ? -1 : 0;
}

static int start_t38(t30_run *run, bool caller, const sfx_t38_config *c) {
    t38_core_state_t *core;

    run->local_tcf = c->local_tcf;
    run->terminal = t38_terminal_init(NULL, caller, on_ifp, run->session);
    if (!run->terminal)
        return -ENOMEM;
    run->t30 = t38_terminal_get_t30_state(run->terminal);
    core = t38_terminal_get_t38_core_state(run->terminal);
    t38_set_t38_version(core, c->version);
    t38_set_data_rate_management_method(core, c->local_tcf ? T38_DATA_RATE_MANAGEMENT_LOCAL_TCF
                                                           : T38_DATA_RATE_MANAGEMENT_TRANSFERRED_TCF);
    if (c->max_datagram > 0)
        t38_set_max_datagram_size(core, c->max_datagram);
    if (c->max_rate_bps > 0)
        t38_set_fastest_image_data_rate(core, c->max_rate_bps);
    /* Paced: indicators and ends of data go out three times, on top of what UDPTL recovers. */
    t38_terminal_set_config(run->terminal, 0);
    if (c->no_pacing)
        unpaced_begin(run, c->no_pacing > 1);
    return 0;
}

/* The T38MaxBitRate that both sides said holds for T.30 too (T.38 annex D); fax begins at 2400 bit/s. */
static unsigned lower_rate(unsigned own_bps, unsigned agreed_bps) {
    unsigned rate_bps = agreed_bps < own_bps ? agreed_bps : own_bps;
    return rate_bps < 2400 ? 2400 : rate_bps;
}

int run_start(sfx_session *s, enum media_kind kind, const sfx_t38_config *t38) {
    t30_run *run = &s->run;
    bool caller = s->config.flags & SFX_FLAG_CALLER;
    int err;

    memset(run, 0, sizeof *run);
    run->session = s;
    run->sends = s->tx_file && (caller || !s->rx_file);
    run->since_gap = RTP_LONGEST_GAP;
    run->stored_link = DISK_FIRST_LINK;
    run->max_rate_bps = s->config.max_rate_bps;
    if (kind == MEDIA_T38 && t38->max_rate_bps > 0)
        run->max_rate_bps = lower_rate(run->max_rate_bps, (unsigned)t38->max_rate_bps);
    err = kind == MEDIA_T38 ? start_t38(run, caller, t38) : start_audio(run, caller);
    if (err < 0)
        return err;
    configure(run);
    if (run->fax)
        signals_listen(run, caller);
    return 0;
}

void run_end(sfx_session *s, bool muted) {
    t30_run *run = &s->run;

    if (!run->t30)
        return;
    run->muted = run->muted || muted;
    pages_resume(run);
    if (!run->finished)
        t30_terminate(run->t30);
    if (run->fax) {
        fax_release(run->fax);
        fax_free(run->fax);
    }
    if (run->terminal) {
        t38_terminal_release(run->terminal);
        t38_terminal_free(run->terminal);
    }
    if (run->preamble)
        modem_connect_tones_rx_free(run->preamble);
    if (run->tones)
        modem_connect_tones_rx_free(run->tones);
    if (run->goodbye)
        fsk_tx_free(run->goodbye);
    if (run->goodbye_hdlc)
        hdlc_tx_free(run->goodbye_hdlc);
    run->goodbye = NULL;
    run->goodbye_hdlc = NULL;
    run->fax = NULL;
    run->terminal = NULL;
    run->preamble = NULL;
    run->tones = NULL;
    run->t30 = NULL;
}

/* ---- once a tick ------------------------------------------------------------------------------------------------- */

void run_fetch_audio(sfx_session *s, int16_t *amp) {
    t30_run *run = &s->run;
    int n = 0;

    if (run->goodbye)
        n = fsk_tx(run->goodbye, amp, RTP_FRAME);
    else if (run->fax)
        n = fax_tx(run->fax, amp, RTP_FRAME);
    if (n < RTP_FRAME)
        memset(amp + n, 0, (size_t)(RTP_FRAME - n) * sizeof *amp);
}

void run_send_t38(t30_run *run) {
    if (!run->terminal)
        return;
    unpaced_tick(run);
    run->ifps_sent = 0;
    t38_terminal_send_timeout(run->terminal, RTP_FRAME);
}

void run_pass_time(sfx_session *s, int samples) {
    if (s->run.t30 && !s->run.finished)
        t30_timer_update(s->run.t30, samples);
}

void run_feed_audio(sfx_session *s, int16_t *amp, int samples) {
    t30_run *run = &s->run;
    int16_t copy[RTP_MAX_PAYLOAD];

    if (!run->fax)
        return;
    if (amp && run->preamble && !run->preamble_heard) {
        memcpy(copy, amp, (size_t)samples * sizeof *amp); /* the detector filters in place */
        modem_connect_tones_rx(run->preamble, copy, samples);
    }
    if (amp && run->tones) {
        memcpy(copy, amp, (size_t)samples * sizeof *amp);
        modem_connect_tones_rx(run->tones, copy, samples);
    }
    if (!amp || s->held) {
        losses_fill(run, samples);
        return;
    }
    waits_heard(run, amp, samples);
    losses_heard(run, amp, samples);
    fax_rx(run->fax, amp, samples);
}

const char *sfx_t30_completion_text(int code) {
    const char *text = t30_completion_code_to_str(code);
    return text ? text : "???";
}
