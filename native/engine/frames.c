/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every HDLC frame, before spandsp acts on it. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define ADDRESS_FIELD 0xff

/* ---- faults, for the tests of the other side -------------------------------------------------------------------- */

static void send_short_fcd(t30_run *run) {
    static const uint8_t frame[3] = {ADDRESS_FIELD, 0x03, T4_FCD};
    if (run->terminal) {
        /* On the wire of T.38 octets go with their first bit highest. */
        static const uint8_t wire[3] = {0xff, 0xc0, 0x60};
        t38_core_state_t *core = t38_terminal_get_t38_core_state(run->terminal);
        t38_core_send_data(core, T38_DATA_V17_14400, T38_FIELD_HDLC_DATA, wire, sizeof wire,
                           T38_PACKET_CATEGORY_IMAGE_DATA);
        t38_core_send_data(core, T38_DATA_V17_14400, T38_FIELD_HDLC_FCS_OK, NULL, 0, T38_PACKET_CATEGORY_IMAGE_DATA);
    } else if (run->fax) {
        hdlc_tx_frame(&run->fax->modems.hdlc_tx, frame, sizeof frame);
    }
}

/* The information of an image frame becomes one code of T.6 again and again; the first bit is the lowest. */
static void repeat_code(uint8_t *frame, int len, const char *code) {
    size_t bits = strlen(code), at = (size_t)frame[3] * 8 * 256;

    for (int i = 4; i < len; i++) {
        frame[i] = 0;
        for (int b = 0; b < 8; b++)
            frame[i] |= (uint8_t)((code[at++ % bits] == '1') << b);
    }
}

/* Called with a frame of ours that is about to be sent; spandsp keeps it in a buffer that can be written. */
static void inject_fault(t30_run *run, const uint8_t *msg, int len) {
    uint8_t *frame = (uint8_t *)(uintptr_t)msg;
    int fault = run->session->config.fault;

    if (fault == SFX_FAULT_LOST_MCF && (msg[2] & 0xfe) == T30_MCF && !run->fault_done) {
        run->fault_done = true;
        frame[0] = 0;
    }
    if (run->fault_done || len < 6)
        return;
    if ((fault == SFX_FAULT_RUNS || fault == SFX_FAULT_ROWS) && msg[2] == T4_FCD)
        repeat_code(frame, len, fault == SFX_FAULT_RUNS ? "001001101010000110111" : "1");
    if (fault == SFX_FAULT_SHORT_FCD && msg[2] == T4_FCD) {
        run->fault_done = true;
        send_short_fcd(run);
    } else if (fault == SFX_FAULT_DCS_WIDTH && (msg[2] & 0xfe) == T30_DCS) {
        frame[5] |= 3;
    } else if (fault == SFX_FAULT_DCS_LENGTH && (msg[2] & 0xfe) == T30_DCS && run->terminal) {
        /* More octets of the same frame, ahead of what the terminal sends: one DCS of some 200 octets arrives. */
        uint8_t wire[200];
        t38_core_state_t *core = t38_terminal_get_t38_core_state(run->terminal);
        memset(wire, 0x01, sizeof wire);
        memcpy(wire, "\xff\xc8", 2);
        wire[2] = 0xc1;
        run->fault_done = true;
        t38_core_send_data(core, T38_DATA_V21, T38_FIELD_HDLC_DATA, wire, sizeof wire,
                           T38_PACKET_CATEGORY_CONTROL_DATA);
        t38_core_send_data(core, T38_DATA_V21, T38_FIELD_HDLC_FCS_OK, NULL, 0, T38_PACKET_CATEGORY_CONTROL_DATA);
    }
}

/* ---- what is said of frames -------------------------------------------------------------------------------------- */

static void emit_frame(t30_run *run, uint32_t type, bool received, const uint8_t *msg, int len) {
    sfx_event event = {.type = type, .code = received};
    event.data_len = (uint32_t)len < sizeof event.data ? (uint32_t)len : sizeof event.data;
    memcpy(event.data, msg, event.data_len);
    run_emit(run, &event);
}

static void emit_negotiated(t30_run *run) {
    const dcs_info *d = &run->dcs;
    const char *ident = t30_get_rx_ident(run->t30);
    sfx_event event = {.type = SFX_EVENT_NEGOTIATED,
                       .value = {d->rate_bps, d->ecm, d->encoding, d->x_dpm, d->y_dpm, d->width}};
    if (ident)
        snprintf(event.text, sizeof event.text, "%s", ident);
    run->page_began_us = run->session->now_us;
    run_emit(run, &event);
}

/* ---- what becomes of frames ---------------------------------------------------------------------------------------
 */

/* Makes a frame one without meaning (a non-final NSF): a far end repeats what is not answered. `msg` is spandsp's own
 * receive buffer. */
static void blank(uint8_t *msg) {
    msg[1] &= 0xef;
    msg[2] = T30_NSF;
}

/* A DIS or DTC, before spandsp acts on it; let go by where the pages do not suit it, or are not made yet. */
static void on_dis(t30_run *run, uint8_t *msg, int len) {
    sfx_document *d = &run->session->document;
    bool sending = run->session->tx_file && run->session->config.flags & SFX_FLAG_CALLER;
    int verdict = sending && d->known ? document_judge_dis(d, pages_first(run->t30), msg, len) : SFX_DIS_TAKEN;
    sfx_event event = {.type = SFX_EVENT_DIS, .code = verdict, .value = {(int32_t)pages_first(run->t30)}};

    event.data_len = (uint32_t)len < sizeof event.data ? (uint32_t)len : sizeof event.data;
    memcpy(event.data, msg, event.data_len);
    run_emit(run, &event);
    if (verdict == SFX_DIS_TAKEN) {
        d->held = 0;
        return;
    }
    d->held++;
    blank(msg);
}

/* A DCS where spandsp does not expect one: the training check was lost on the line, so that the sender says DCS again,
 * which spandsp would answer by DCN; or a refused last page comes again. In F_CFR it begins anew. */
static void expect_dcs(t30_run *run) {
    t30_state_t *t = run->t30;
    if (t->state == STATE_F_TCF || run->file_kept_open) {
        t->state = STATE_F_CFR;
        t->end_of_procedure_detected = FALSE;
    }
}

/* Our MCF for the last page before EOM or EOP was lost, and what asks for it comes again: spandsp would say DCN. */
static void expect_pps(t30_state_t *t, const uint8_t *msg, int len) {
    if (t->state == STATE_F_POST_RCP_MCF && len >= 7 && !t->ecm_block && msg[4] == ((t->rx_page_number - 1) & 0xff))
        t->state = STATE_F_POST_DOC_ECM;
}

/* What spandsp keeps of a frame it keeps anew for each. */
static void forget_facilities(t30_state_t *t, int fcf) {
    uint8_t **kept[] = {&t->rx_info.nsf, &t->rx_info.nsc, &t->rx_info.nss};

    if (fcf != (T30_NSF & 0xfe) && fcf != (T30_NSS & 0xfe))
        return;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        free(*kept[i]);
        *kept[i] = NULL;
    }
    t->rx_info.nsf_len = t->rx_info.nsc_len = t->rx_info.nss_len = 0;
}

/* The frames with which a far end introduces itself (T.30 §5.3.6.1.1 to .3), or answers our training. */
static bool is_introduction(int fcf) {
    static const uint8_t first[] = {T30_DIS, T30_CSI, T30_NSF, T30_DTC, T30_CIG, T30_NSC, T30_DCS,
                                    T30_TSI, T30_NSS, T30_SUB, T30_SEP, T30_PWD, T30_CFR, T30_FTT};

    for (size_t i = 0; i < sizeof first; i++)
        if (fcf == (first[i] & 0xfe))
            return true;
    return false;
}

/* A far end that sends from another address than it said: until it has answered what only who hears us can answer, it
 * may introduce itself, but end nothing. Returns whether the frame counts. */
static bool is_believed(t30_run *run, int fcf) {
    const t30_state_t *t = run->t30;

    if (path_trusted(run->session))
        return true;
    if ((t->state == STATE_D_POST_TCF && (fcf == T30_CFR || fcf == T30_FTT)) ||
        (t->state >= STATE_F_DOC_NON_ECM && t->state <= STATE_F_POST_RCP_RNR && fcf != (T30_DCN & 0xfe)))
        source_confirm(&run->session->source);
    return is_introduction(fcf) || path_trusted(run->session);
}

/* A final frame of the far end. */
static void on_command(t30_run *run, uint8_t *msg, int len) {
    t30_state_t *t = run->t30;
    int fcf = msg[2] & 0xfe;

    if (fcf == (T30_DIS & 0xfe)) {
        on_dis(run, msg, len);
        /* What has been received is not to be written over. */
        if (t->operation_in_progress == OPERATION_RECEIVED)
            blank(msg);
    } else if ((fcf == T30_DCS || fcf == (T30_CTC & 0xfe)) && !guard_rate_known(msg, len)) {
        blank(msg);
    } else if (fcf == T30_DCS) {
        expect_dcs(run);
    } else if (fcf == (T30_PPS & 0xfe)) {
        expect_pps(t, msg, len);
    } else if (fcf == (T30_PPR & 0xfe)) {
        t->retries = 0; /* an answer: tries of different rounds do not add up */
    }
    /* A repeated EOP asks for our answer again and changes nothing. */
    if (fcf != T30_EOP)
        pages_resume(run);
}

/* Every HDLC frame, before spandsp acts on it. */
static void on_frame(t30_state_t *t, void *user, int received, const uint8_t *msg, int len) {
    t30_run *run = user;
    int hostile = received ? guard_check(msg, len) : 0;
    bool final;
    int fcf;

    if (!received && run->session->config.fault)
        inject_fault(run, msg, len);
    if (hostile && !(run->session->config.flags & SFX_FLAG_NO_GUARD)) {
        run_end_hostile(run, hostile);
        return;
    }
    if (len < 3)
        return;
    fcf = msg[2] & 0xfe;
    final = msg[1] & 0x10;
    if (!final && fcf == T4_FCD) {
        run->image_bytes += (uint64_t)(len > 4 ? len - 4 : 0);
        return;
    }
    if (run->session->config.flags & SFX_FLAG_TRACE)
        emit_frame(run, SFX_EVENT_FRAME, received, msg, len);
    if (fcf == T30_DCS)
        dcs_decode(msg, len, &run->dcs);
    else if (final && fcf == T30_CFR)
        emit_negotiated(run);
    if (received && !is_believed(run, fcf)) {
        blank((uint8_t *)(uintptr_t)msg);
        return;
    }
    if (received)
        run->untimed_ticks = 0;
    else if (final)
        run->last_confirmed = fcf == T30_MCF && run->last_command == T30_EOP;
    if (received && final)
        on_command(run, (uint8_t *)(uintptr_t)msg, len);
    if (received && !(msg[1] & 0x10))
        forget_facilities(t, msg[2] & 0xfe);
}

void frames_watch(t30_run *run) { t30_set_real_time_frame_handler(run->t30, on_frame, run); }
