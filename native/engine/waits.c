/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every wait of T.30 ends, and by what T.30 means: spandsp 0.0.6 leaves some without a timer, takes a lost end of
 * signal for a far end that never stops, and gives a page up whose carrier was away for a moment.
 */
#include "internal.h"

#define UNTIMED_TICKS 150      /* 3 s, as T4; before the T2 of the far end */
#define UNTIMED_LONG_TICKS 500 /* 10 s, until the far end says its DIS again after EOM */

#define T2_SAMPLES (7 * 8000)
#define DIS_SAMPLES (3 * 8000) /* CSI and DIS after their preamble, and some */
#define LATE_DIS_SAMPLES (9 * 8000)
#define T4_TICKS 150                  /* 3 s after a command it is said again */
#define T4_LEAST_TICKS 25             /* … and not at once where the answer came late and damaged */
#define NO_TCF_SAMPLES (9 * 8000 / 2) /* training and its check are over 3 s after the DCS */

#define TRIES 3               /* of a command */
#define LAST_TICKS 2          /* of a timer that ends the call */
#define SLOW_TICKS 500        /* 10 s: a far end that is slow to say something has no longer than that */
#define SLOW_SILENT_US 500000 /* … and says something in this */
#define QUEUED_TICKS 75       /* 1.5 s: as long as a signal may go on once all has been said */
#define ENERGY_LEVEL 160      /* -40 dBm0: there is a signal on the line, whether or not a modem has it */
#define ENERGY_TICKS 10       /* for so long after it */
#define HOLD_TICKS 15000      /* 5 min: a page is held no longer */
#define TCF_SILENT_US 1000000 /* nothing comes over T.38: a training check has ended, or comes no more */
#define TRAINING_SILENT_US 3000000

/* Timers of spandsp 0.0.6 (t30.c). */
enum {
    TIMER_IS_T2 = 1,
    TIMER_IS_T1A = 2,
    TIMER_IS_T2A = 3,
    TIMER_IS_T2B = 4,
    TIMER_IS_T4 = 6,
    TIMER_IS_T4A = 7,
    TIMER_IS_T4B = 8,
};

void waits_heard(t30_run *run, const int16_t *amp, int samples) {
    int64_t energy = 0;

    for (int i = 0; i < samples; i++)
        energy += (int32_t)amp[i] * amp[i];
    if (energy > (int64_t)ENERGY_LEVEL * ENERGY_LEVEL * samples)
        run->quiet_ticks = 0;
}

static bool is_receiving_page(const t30_state_t *t) {
    return t->state >= STATE_F_DOC_NON_ECM && t->state <= STATE_F_POST_DOC_ECM;
}

/* Of T.38: what the far end sent has ended, though its packet that says so was lost. */
static void end_signal(t30_run *run) {
    static const uint8_t no_signal[1] = {T38_IND_NO_SIGNAL};
    t38_core_state_t *core = t38_terminal_get_t38_core_state(run->terminal);

    int expected = core->rx_expected_seq_no;

    t38_set_sequence_number_handling(core, FALSE);
    t38_core_rx_ifp_packet(core, no_signal, sizeof no_signal, 0);
    t38_set_sequence_number_handling(core, TRUE);
    core->rx_expected_seq_no = expected; /* none of the far end's */
}

static bool ends_call(const t30_state_t *t) {
    return t->timer_t2_t4_is == TIMER_IS_T1A || t->timer_t2_t4_is == TIMER_IS_T2A || t->timer_t2_t4_is == TIMER_IS_T4A;
}

/* A frame that lasts too long ends the call without a word (T1A, T2A, T4A). Over T.38 it is the end of the signal that
 * was lost: the command is said again instead. While packets come the far end is only slow, and would be met in the
 * middle of what it says. */
static void watch_lost_end(t30_run *run) {
    t30_state_t *t = run->t30;

    if (!run->terminal || !ends_call(t)) {
        run->slow_ticks = 0;
        return;
    }
    if (t->timer_t2_t4 <= 0 || t->timer_t2_t4 > LAST_TICKS * RTP_FRAME)
        return;
    if (run->session->quiet_us < SLOW_SILENT_US && run->slow_ticks < SLOW_TICKS) {
        t->timer_t2_t4 = LAST_TICKS * RTP_FRAME + 1;
        run->slow_ticks++;
        return;
    }
    end_signal(run);
    if (ends_call(t))
        t30_hdlc_accept(t, NULL, SIG_STATUS_CARRIER_DOWN, TRUE);
}

/* Likewise a training check, or its end: the answer comes before the far end says its DCS again, not into it. Between
 * the indicator of training and the first data of its check nothing comes for as long as a modem trains. */
static void watch_lost_training(t30_run *run) {
    t30_state_t *t = run->t30;
    uint64_t silent_us = run->session->quiet_us;

    if (!run->terminal || run->local_tcf || t->state != STATE_F_TCF || !t->rx_signal_present ||
        silent_us < (t->rx_trained ? TCF_SILENT_US : TRAINING_SILENT_US))
        return;
    if (t->rx_trained) {
        t30_non_ecm_put_bit(t, SIG_STATUS_CARRIER_DOWN);
        return;
    }
    end_signal(run);
    t->rx_signal_present = FALSE;
    t->timer_t2_t4 = 1;
    t->timer_t2_t4_is = TIMER_IS_T2;
}

/* What follows a command waits for the carrier to fall, which noise holds up for ever. */
static void watch_queued_phase(t30_run *run) {
    t30_state_t *t = run->t30;
    bool waits = run->fax && t->next_phase && t->rx_signal_present;

    run->queued_ticks = waits ? run->queued_ticks + 1 : 0;
    if (run->queued_ticks < QUEUED_TICKS)
        return;
    run->queued_ticks = 0;
    t30_hdlc_accept(t, NULL, SIG_STATUS_CARRIER_DOWN, TRUE);
}

/* While there is a signal on the line a page goes on, whether or not the modem still has it: what was lost is asked for
 * after it (PPR). T2 begins with the silence. */
static void hold_page(t30_run *run) {
    t30_state_t *t = run->t30;

    if (!run->fax || !is_receiving_page(t)) {
        run->held_ticks = 0;
        return;
    }
    if (t->timer_t2_t4_is == TIMER_IS_T2 && t->timer_t2_t4 > 0 && run->quiet_ticks < ENERGY_TICKS &&
        run->held_ticks < HOLD_TICKS) {
        t->timer_t2_t4 = T2_SAMPLES;
        run->held_ticks++;
    }
}

/* An answer that came damaged is none: the command is said again when T4 ends, as if nothing had come. spandsp says it
 * 200 ms after the carrier, when the far end may still be speaking. */
static void watch_damaged_answer(t30_run *run) {
    t30_state_t *t = run->t30;
    bool listens = t->phase == T30_PHASE_B_RX || t->phase == T30_PHASE_D_RX;
    unsigned left;

    run->answer_ticks = listens ? run->answer_ticks + 1 : 0;
    if (!listens || !t->calling_party || t->timer_t2_t4_is != TIMER_IS_T4B || t->timer_t2_t4 <= 0)
        return;
    left = run->answer_ticks + T4_LEAST_TICKS < T4_TICKS ? T4_TICKS - run->answer_ticks : T4_LEAST_TICKS;
    t->timer_t2_t4 = (int)left * RTP_FRAME;
    t->timer_t2_t4_is = TIMER_IS_T4;
}

/* CTC that is not answered is said again when T4 ends, as any command. */
static void watch_unanswered_ctc(t30_run *run) {
    t30_state_t *t = run->t30;

    if (t->state != STATE_IV_CTC || t->timer_t2_t4_is != TIMER_IS_T4 || t->timer_t2_t4 <= 0 ||
        t->timer_t2_t4 > LAST_TICKS * RTP_FRAME || t->retries + 1 >= TRIES)
        return;
    frames_repeat_ctc(run);
}

/* DCN that does not come once the last page was confirmed ends the call by T2, as T.30 has it; spandsp would say its
 * DIS. */
static bool watch_farewell(t30_run *run) {
    const t30_state_t *t = run->t30;
    bool waits = run->last_confirmed && !t->rx_signal_present && t->phase == T30_PHASE_D_RX;

    run->farewell_ticks = waits ? run->farewell_ticks + 1 : 0;
    if (run->farewell_ticks < T2_SAMPLES / RTP_FRAME)
        return false;
    t30_terminate(run->t30);
    return true;
}

/* Who calls to receive says DIS, as a sender expects that is called. A far end that has nothing to send says its own at
 * the same time, and again after T4, or ten seconds: it is heard in a longer wait, and T.30 ends. */
static void wait_for_dis(t30_run *run) {
    t30_state_t *t = run->t30;

    if (!(run->session->config.flags & SFX_FLAG_POLLER) || t->state != STATE_R || t->phase != T30_PHASE_B_RX)
        run->waits_for_dis = false;
    else if (!run->waits_for_dis && t->timer_t2_t4_is == TIMER_IS_T4 && t->timer_t2_t4 > 0) {
        t->timer_t2_t4 += run->waits_before ? LATE_DIS_SAMPLES : DIS_SAMPLES;
        run->waits_for_dis = run->waits_before = true;
    }
}

/* Each frame stops T2 and T4, and spandsp starts none where what was to follow does not come, or where it returns to
 * phase B: both sides would wait for each other until the call is too long. */
static void watch_untimed(t30_run *run) {
    t30_state_t *t = run->t30;
    bool waits = !t->rx_signal_present && !t->timer_t0_t1 && !t->timer_t2_t4 && !t->timer_t3 && !t->timer_t5 &&
                 (t->phase == T30_PHASE_B_RX || t->phase == T30_PHASE_D_RX);

    run->untimed_ticks = waits ? run->untimed_ticks + 1 : 0;
    if (run->untimed_ticks < (t->calling_party && t->state != STATE_T ? UNTIMED_TICKS : UNTIMED_LONG_TICKS))
        return;
    run->untimed_ticks = 0;
    t->timer_t2_t4 = 1;
    t->timer_t2_t4_is = t->calling_party ? TIMER_IS_T4 : TIMER_IS_T2;
}

void run_watch_timers(t30_run *run) {
    t30_state_t *t = run->t30;

    if (!t || run->finished)
        return;
    if (run->quiet_ticks < ENERGY_TICKS)
        run->quiet_ticks++;
    if (watch_farewell(run))
        return;
    watch_lost_end(run);
    watch_lost_training(run);
    watch_queued_phase(run);
    hold_page(run);
    watch_damaged_answer(run);
    watch_unanswered_ctc(run);
    wait_for_dis(run);
    /* A command that was not understood is said again after T4, 3 s; spandsp gives up 200 ms after its carrier. */
    if (t->timer_t2_t4_is == TIMER_IS_T2B && is_receiving_page(t)) {
        t->timer_t2_t4 = T2_SAMPLES;
        t->timer_t2_t4_is = TIMER_IS_T2;
    }
    /* A training check that never came is answered by FTT. At the end of T2 that would meet the DCS that the far end
     * repeats after T4. */
    if (!run->local_tcf && t->state == STATE_F_TCF && t->timer_t2_t4_is == TIMER_IS_T2 && !t->rx_signal_present &&
        t->timer_t2_t4 > 1 && t->timer_t2_t4 <= T2_SAMPLES - NO_TCF_SAMPLES)
        t->timer_t2_t4 = 1;
    watch_untimed(run);
}
