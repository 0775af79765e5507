/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every HDLC frame, before spandsp acts on it. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define PPR_BEFORE_CTC 4 /* T.30 annex A */
#define WORTH_IT 4       /* one frame in so many came through: the rate stays */
#define CRP_MOST 6       /* a far end that asks more often is one that does not answer */

/* ---- reports of frames ---------------------------------------------------------------------------------------------
 */

static void emit_frame(t30_run *run, uint32_t type, bool received, const uint8_t *msg, int len) {
    sfx_event event = {.type = type, .code = received};
    event_frame(&event, msg, len);
    run_emit(run, &event);
}

/* A text and a 0, NULL as "". */
static void put_text(sfx_event *event, const char *text) {
    event->data_len +=
        (uint32_t)snprintf((char *)event->data + event->data_len, T30_MAX_IDENT_LEN + 1, "%s", text ? text : "") + 1;
}

static void emit_negotiated(t30_run *run) {
    const dcs_info *d = &run->dcs;
    const char *ident = t30_get_rx_ident(run->t30);
    sfx_event event = {.type = SFX_EVENT_NEGOTIATED,
                       .value = {d->rate_bps, d->ecm, d->encoding, d->x_dpm, d->y_dpm, d->width}};
    if (ident)
        snprintf(event.text, sizeof event.text, "%s", ident);
    put_text(&event, t30_get_rx_sub_address(run->t30));
    put_text(&event, t30_get_rx_sender_ident(run->t30));
    run->page_began_us = run->session->now_us;
    run_emit(run, &event);
}

static void tell_commanded(t30_run *run) {
    sfx_event event = {.type = SFX_EVENT_COMMANDED};

    if (!run->commanded)
        run_emit(run, &event);
    run->commanded = true;
}

/* ---- what becomes of frames ---------------------------------------------------------------------------------------
 */

/* Makes a frame one without meaning (a non-final NSF): a far end repeats what is not answered. `msg` is spandsp's own
 * receive buffer. */
static void blank(uint8_t *msg) {
    msg[1] &= 0xef;
    msg[2] = T30_NSF;
}

/* A DIS or DTC, before spandsp acts on it; let go by where the pages do not suit it, are not made yet, or are those of
 * another document than it is for. */
static void on_dis(t30_run *run, uint8_t *msg, int len) {
    sfx_session *s = run->session;
    sfx_document *d = &s->document;
    /* A far end whose DTC was let go by may go on with a DIS, and is meant by what it named before. */
    int polled = s->polled && !(s->config.flags & SFX_FLAG_CALLER) ? pages_polled(s, run->t30) : -1;
    bool judged = d->known && s->tx_file && !run->turn_due && (run->sends || !(s->config.flags & SFX_FLAG_CALLER));
    int verdict = polled >= 0 && polled != s->chosen ? SFX_DIS_OTHER
                  : judged                           ? document_judge_dis(d, pages_first(run->t30), msg, len)
                                                     : SFX_DIS_TAKEN;
    sfx_event event = {.type = SFX_EVENT_DIS, .code = verdict, .value = {(int32_t)pages_first(run->t30), polled}};

    if (verdict == SFX_DIS_OTHER)
        s->chosen = -1;

    event_frame(&event, msg, len);
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
    static const uint8_t first[] = {T30_DIS, T30_CSI, T30_NSF, T30_DTC, T30_CIG, T30_NSC, T30_DCS, T30_TSI,
                                    T30_NSS, T30_SUB, T30_SID, T30_SEP, T30_PWD, T30_CFR, T30_FTT};

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

/* The next rate below (T.30 table 2) with a modem that both sides have. False where there is none. */
static bool lower_rate(t30_state_t *t) {
    /* By spandsp's table of rates, from 14400 on. */
    static const int modems[] = {T30_SUPPORT_V17, T30_SUPPORT_V17, T30_SUPPORT_V17,    T30_SUPPORT_V29,
                                 T30_SUPPORT_V17, T30_SUPPORT_V29, T30_SUPPORT_V27TER, T30_SUPPORT_V27TER};

    for (int i = t->current_fallback + 1; i < (int)(sizeof modems / sizeof *modems); i++)
        if (modems[i] & t->current_permitted_modems) {
            t->current_fallback = i;
            return true;
        }
    return false;
}

/* The fourth PPR is answered by CTC, or by EOR where nothing came through. Where little or nothing did, CTC names a
 * lower rate, until there is none. */
static void choose_rate(t30_run *run, unsigned gained) {
    t30_state_t *t = run->t30;

    if (t->ppr_count + 1 < PPR_BEFORE_CTC || gained * WORTH_IT >= run->frames_tried)
        return;
    if (lower_rate(t) && !gained)
        t->ecm_progress = 1;
}

/* Frames that PPR asks for and that were taken for received are sent again: they are still there. */
static void on_ppr(t30_run *run, const uint8_t *msg, int len) {
    t30_state_t *t = run->t30;
    unsigned gained = (unsigned)t->ecm_progress;

    t->retries = 0; /* an answer: tries of different rounds do not add up */
    if (len != 35)
        return;
    if (!t->ppr_count)
        run->frames_tried = 0;
    for (int i = 0; i < t->ecm_frames && i < 256; i++) {
        bool asked = msg[3 + i / 8] & 1 << i % 8;

        run->frames_tried += t->ecm_len[i] >= 0;
        gained += t->ecm_len[i] >= 0 && !asked;
        if (asked && t->ecm_len[i] < 0)
            t->ecm_len[i] = (int16_t)(t->octets_per_ecm_frame + 4);
    }
    choose_rate(run, gained);
}

/* As if the PPR came again that it answers. */
void frames_repeat_ctc(t30_run *run) {
    t30_state_t *t = run->t30;
    uint8_t ppr[35] = {0xff, 0x13, T30_PPR};

    for (int i = 0; i < t->ecm_frames && i < 256; i++)
        if (t->ecm_len[i] >= 0)
            ppr[3 + i / 8] |= (uint8_t)(1 << i % 8);
    t->retries++;
    t->state = STATE_IV_PPS_Q;
    t->ppr_count = PPR_BEFORE_CTC - 1;
    t->ecm_progress = 1;
    run->replays = true;
    t30_hdlc_accept(t, ppr, sizeof ppr, TRUE);
    run->replays = false;
}

/* A final frame of the far end. */
static void on_command(t30_run *run, uint8_t *msg, int len) {
    t30_state_t *t = run->t30;
    int fcf = msg[2] & 0xfe;
    bool fetches = msg[2] == T30_DTC && pages_turns(run->session) && !run->sends &&
                   (run->last_command == T30_EOM || run->last_command == T30_EOP);

    if (fcf == (T30_DIS & 0xfe)) {
        unpaced_judge_dis(run, msg, len);
        /* One that fetches may say so right after our MCF, without waiting for our DIS; HylaFAX does, after EOP. */
        if (fetches && (t->state == STATE_III_Q || t->state == STATE_F_POST_RCP_MCF))
            t->state = STATE_R;
        on_dis(run, msg, len);
        /* What has been received is not to be written over. */
        if (t->operation_in_progress == OPERATION_RECEIVED && !fetches)
            blank(msg);
    } else if ((fcf == T30_DCS || fcf == (T30_CTC & 0xfe)) && !guard_rate_known(msg, len)) {
        blank(msg);
    } else if (fcf == T30_DCS) {
        expect_dcs(run);
    } else if (fcf == (T30_PPS & 0xfe)) {
        expect_pps(t, msg, len);
        t->short_train = true; /* long training after CTC was once, whether or not it was heard */
    } else if (fcf == (T30_CRP & 0xfe) && run->repeats_asked < CRP_MOST) {
        t->retries--; /* spandsp counts it as a try of ours that went unanswered */
        run->repeats_asked++;
        return;
    } else if (fcf == (T30_PPR & 0xfe)) {
        on_ppr(run, msg, len);
    }
    run->repeats_asked = 0;
    /* A repeated EOP asks for our answer again and changes nothing. */
    if (fcf != T30_EOP)
        pages_resume(run);
}

/* Every HDLC frame, before spandsp acts on it. */
static void on_frame(t30_state_t *t, void *user, int received, const uint8_t *msg, int len) {
    t30_run *run = user;
    session_hooks *hooks = run->session->hooks;
    int hostile = received ? guard_check(msg, len) : 0;
    bool final;
    int fcf;

    if (run->replays && received)
        return;
    if (!received && hooks && hooks->frame)
        hooks->frame(hooks, run, (uint8_t *)(uintptr_t)msg, len); /* in a buffer of spandsp's that can be written */
    if (hostile && !(hooks && hooks->unguarded)) {
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
    if (!received && fcf == T30_DCS)
        tell_commanded(run);
    if (received && !is_believed(run, fcf)) {
        blank((uint8_t *)(uintptr_t)msg);
        return;
    }
    if (received)
        run->untimed_ticks = 0;
    else if (final && fcf != (T30_DCN & 0xfe)) /* which is said where none came */
        run->last_confirmed = fcf == T30_MCF && run->last_command == T30_EOP;
    if (received && final)
        on_command(run, (uint8_t *)(uintptr_t)msg, len);
    if (received && final && (msg[2] & 0xfe) == T30_DCS)
        tell_commanded(run);
    if (received && !(msg[1] & 0x10))
        forget_facilities(t, msg[2] & 0xfe);
}

void frames_watch(t30_run *run) { t30_set_real_time_frame_handler(run->t30, on_frame, run); }
