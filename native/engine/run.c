/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run of T.30 as its parts see it: its events, and its end, with DCN or at once. */
#include "internal.h"

#define ADDRESS_FIELD 0xff

void run_emit(t30_run *run, sfx_event *event) {
    if (!run->muted)
        events_put(run->session, event);
}

void run_end_hostile(t30_run *run, int what) {
    sfx_event event = {.type = SFX_EVENT_HOSTILE, .code = what};
    run_emit(run, &event);
    t30_terminate(run->t30);
}

/* ---- ending it ourselves: T.30 §5.3.6.1.8 DCN ------------------------------------------------------------------- */

static void end_of_goodbye(void *user) {
    t30_run *run = user;
    hdlc_tx_frame(run->goodbye_hdlc, NULL, 0);
}

static void say_goodbye_audio(t30_run *run, const uint8_t *dcn, size_t len) {
    run->goodbye_hdlc = hdlc_tx_init(NULL, FALSE, 2, FALSE, end_of_goodbye, run);
    if (!run->goodbye_hdlc)
        return;
    hdlc_tx_flags(run->goodbye_hdlc, 32); /* one second of preamble, as for any V.21 frame */
    hdlc_tx_frame(run->goodbye_hdlc, dcn, len);
    run->goodbye = fsk_tx_init(NULL, &preset_fsk_specs[FSK_V21CH2], (get_bit_func_t)hdlc_tx_get_bit, run->goodbye_hdlc);
}

static void say_goodbye_t38(t30_run *run, const uint8_t *dcn, size_t len) {
    uint8_t wire[3];
    t38_core_state_t *core = t38_terminal_get_t38_core_state(run->terminal);

    bit_reverse(wire, dcn, (int)len); /* T.38 carries the bit sent first in the highest place */
    t38_core_send_indicator(core, T38_IND_V21_PREAMBLE);
    t38_core_send_data(core, T38_DATA_V21, T38_FIELD_HDLC_DATA, wire, (int)len, T38_PACKET_CATEGORY_CONTROL_DATA);
    t38_core_send_data(core, T38_DATA_V21, T38_FIELD_HDLC_FCS_OK_SIG_END, NULL, 0,
                       T38_PACKET_CATEGORY_CONTROL_DATA_END);
    t38_core_send_indicator(core, T38_IND_NO_SIGNAL);
}

void run_cancel(sfx_session *s) {
    t30_run *run = &s->run;
    uint8_t dcn[3] = {ADDRESS_FIELD, 0x13, T30_DCN};

    if (!run->t30 || run->finished)
        return;
    dcn[2] |= run->t30->dis_received ? 1 : 0;
    t30_terminate(run->t30);
    if (run->terminal)
        say_goodbye_t38(run, dcn, sizeof dcn);
    else
        say_goodbye_audio(run, dcn, sizeof dcn);
}
