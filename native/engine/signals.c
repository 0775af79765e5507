/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traces: the signals of T.30 that are no frames. Looked for only where a trace is wanted. */
#include "internal.h"

static bool is_traced(const t30_run *run) {
    return run->t30 && !run->muted && run->session->config.flags & SFX_FLAG_TRACE;
}

static void put(t30_run *run, bool received, int signal) {
    sfx_event event = {
        .type = SFX_EVENT_SIGNAL, .code = received, .value = {signal, run->dcs.rate_bps, run->pages_confirmed + 1}};
    events_put(run->session, &event);
}

static bool is_fast(int modem) { return modem == T30_MODEM_V27TER || modem == T30_MODEM_V29 || modem == T30_MODEM_V17; }

static void see_sent(t30_run *run) {
    int modem = run->fax ? run->fax->modems.current_tx_type : run->terminal->t38_fe.current_tx_type;

    if (modem == run->tx_modem)
        return;
    run->tx_modem = modem;
    if (modem == T30_MODEM_CNG || modem == T30_MODEM_CED)
        put(run, false, modem == T30_MODEM_CNG ? SFX_SIGNAL_CNG : SFX_SIGNAL_CED);
    else if (is_fast(modem))
        put(run, false, run->t30->state == STATE_D_TCF ? SFX_SIGNAL_TCF : SFX_SIGNAL_IMAGE);
}

/* On audio: the modem of the image is trained. */
static void see_trained(t30_run *run) {
    bool trained = run->t30->rx_trained && is_fast(run->fax->modems.current_rx_type);

    if (trained && !run->rx_trained)
        put(run, true, run->t30->state == STATE_F_TCF ? SFX_SIGNAL_TCF : SFX_SIGNAL_IMAGE);
    run->rx_trained = trained;
}

void signals_tick(sfx_session *s) {
    t30_run *run = &s->run;

    if (!is_traced(run) || run->finished)
        return;
    see_sent(run);
    if (run->fax)
        see_trained(run);
    if (run->tones && (run->tone_heard || run->dcs.rate_bps)) {
        modem_connect_tones_rx_free(run->tones);
        run->tones = NULL;
    }
}

void signals_ifp(sfx_session *s, const uint8_t *ifp, size_t len) {
    t30_run *run = &s->run;
    int indicator;

    /* T.38 §7.2: no data field, of the two types of message the indicator, of 16 that are not extended. */
    if (!is_traced(run) || !len || ifp[0] & 0xe1)
        return;
    indicator = ifp[0] >> 1;
    if (indicator == run->rx_indicator)
        return;
    run->rx_indicator = indicator;
    if (indicator == T38_IND_CNG || indicator == T38_IND_CED)
        put(run, true, indicator == T38_IND_CNG ? SFX_SIGNAL_CNG : SFX_SIGNAL_CED);
    else if (indicator >= T38_IND_V27TER_2400_TRAINING)
        put(run, true, run->t30->state == STATE_F_TCF ? SFX_SIGNAL_TCF : SFX_SIGNAL_IMAGE);
}

static void on_tone(void *user, int code, int level, int delay) {
    t30_run *run = user;
    (void)level;
    (void)delay;
    if (code == MODEM_CONNECT_TONES_NONE || run->tone_heard || run->muted)
        return;
    run->tone_heard = true;
    put(run, true, code == MODEM_CONNECT_TONES_FAX_CNG ? SFX_SIGNAL_CNG : SFX_SIGNAL_CED);
}

void signals_listen(t30_run *run, bool caller) {
    if (is_traced(run))
        run->tones = modem_connect_tones_rx_init(NULL, caller ? MODEM_CONNECT_TONES_ANS : MODEM_CONNECT_TONES_FAX_CNG,
                                                 on_tone, run);
}
