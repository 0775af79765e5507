/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Training on a line that loses packets. What was lost while a modem trains is filled with what was before it: carrier
 * and symbols go on (a packet of 20 ms is a whole number of both), and the modem loses no count of its sequence. A loss
 * in the training check says nothing of the modem, which T.30 wants to know of.
 */
#include <string.h>

#include "internal.h"

#define LONGEST_FILL 480 /* samples: more than 60 ms is a modem that has to train anew */
#define SHADOW 240       /* samples after a loss in which a modem finds its place again */

/* Stages of training in spandsp 0.0.6 (v17rx.c, v29rx.c, v27ter_rx.c). */
enum { STAGE_NORMAL = 0, V17_PARKED = 12, V29_PARKED = 7, V27TER_PARKED = 6 };

static bool trains(int signal, int stage, int parked) { return signal > 0 && stage != STAGE_NORMAL && stage != parked; }

static bool feed_training(fax_state_t *fax, const int16_t *amp, int samples) {
    fax_modems_state_t *m = &fax->modems;

    switch (m->current_rx_type) {
    case T30_MODEM_V17:
        if (!trains(m->fast_modems.v17_rx.signal_present, m->fast_modems.v17_rx.training_stage, V17_PARKED))
            return false;
        v17_rx(&m->fast_modems.v17_rx, amp, samples);
        return true;
    case T30_MODEM_V29:
        if (!trains(m->fast_modems.v29_rx.signal_present, m->fast_modems.v29_rx.training_stage, V29_PARKED))
            return false;
        v29_rx(&m->fast_modems.v29_rx, amp, samples);
        return true;
    case T30_MODEM_V27TER:
        if (!trains(m->fast_modems.v27ter_rx.signal_present, m->fast_modems.v27ter_rx.training_stage, V27TER_PARKED))
            return false;
        v27ter_rx(&m->fast_modems.v27ter_rx, amp, samples);
        return true;
    default:
        return false;
    }
}

void losses_heard(t30_run *run, const int16_t *amp, int samples) {
    run->last_samples = samples < RTP_FRAME ? samples : RTP_FRAME;
    memcpy(run->last_audio, amp + samples - run->last_samples, (size_t)run->last_samples * sizeof *amp);
    run->since_gap += (unsigned)samples;
}

void losses_fill(t30_run *run, int samples) {
    run->since_gap = 0;
    while (samples > 0) {
        int part = samples < run->last_samples ? samples : run->last_samples;

        if (samples > LONGEST_FILL || !part || !feed_training(run->fax, run->last_audio, part)) {
            fax_rx_fillin(run->fax, samples);
            return;
        }
        fsk_rx_fillin(&run->fax->modems.v21_rx, part); /* it listens beside */
        t30_timer_update(run->t30, part);
        samples -= part;
    }
}

void __real_t30_non_ecm_put_bit(void *user, int bit);
void __wrap_t30_non_ecm_put_bit(void *user, int bit);

void __wrap_t30_non_ecm_put_bit(void *user, int bit) {
    const t30_state_t *t = user;
    t30_run *run = t->real_time_frame_user_data;

    if (bit > 0 && t->state == STATE_F_TCF && run && run->fax && run->since_gap < SHADOW)
        bit = 0;
    __real_t30_non_ecm_put_bit(user, bit);
    if (bit == SIG_STATUS_TRAINING_SUCCEEDED && run)
        unpaced_trained(run);
}
