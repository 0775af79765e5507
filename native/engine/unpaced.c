/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * T.38 between two that have no modem behind them: without the pace of one, with a training check of one octet. What
 * goes out in a tick is limited all the same, to what buffers of sockets and of the network take.
 */
#include <limits.h>

#include "internal.h"

#define IFPS_A_TICK 32    /* 3.4 Mbit/s */
#define EMPTY_IFP 8       /* octets: without data */
#define EMPTY_IFPS 256    /* one after the other */
#define OCTETS_AN_IFP 264 /* a frame of 256, and what spandsp still makes a time of (bits_to_us: an int) */
#define COPIES 3
#define CHUNKING_MERGE_FCS 1 /* of spandsp 0.0.6 (t38_terminal.c) */
#define BIT_DIRECT 123       /* of a DIS: a device on the internet itself (T.30 table 2) */

/* What matters is sent in copies, as it is with a pace. */
static void repeat(t38_core_state_t *core) {
    static const int categories[] = {T38_PACKET_CATEGORY_INDICATOR, T38_PACKET_CATEGORY_CONTROL_DATA_END,
                                     T38_PACKET_CATEGORY_IMAGE_DATA_END};

    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        t38_set_redundancy_control(core, categories[i], COPIES);
}

void unpaced_begin(t30_run *run, bool anyhow) {
    run->unpaced = true;
    run->unpaced_anyhow = anyhow;
    t38_terminal_set_config(run->terminal, T38_TERMINAL_OPTION_NO_PACING);
    repeat(t38_terminal_get_t38_core_state(run->terminal));
    /* A DCS goes on naming a rate, which says nothing here. */
    if (run->session->rx_file || !(run->session->config.flags & SFX_FLAG_CALLER)) /* says DIS or DTC */
        t30_set_iaf_mode(run->t30, run->t30->iaf | T30_IAF_MODE_CONTINUOUS_FLOW);
}

void unpaced_tick(t30_run *run) {
    t38_terminal_front_end_state_t *fe = &run->terminal->t38_fe;

    if (!run->unpaced)
        return;
    /* Told to end a transmission that has not begun, spandsp without pacing copies -1 octets. */
    if (fe->hdlc_tx.len < 0)
        fe->hdlc_tx.len = 0;
    fe->us_per_tx_chunk = 0;
    fe->hdlc_tx.extra_bits = 0;
    fe->octets_per_data_packet = OCTETS_AN_IFP;
    if (run->t30->state == STATE_D_TCF)
        run->t30->tcf_test_bits = 8;
}

bool unpaced_sent(t30_run *run, int len) {
    run->empty_ifps = len < EMPTY_IFP ? run->empty_ifps + 1 : 0;
    /* With a pace spandsp leaves its loop after each packet, and goes on when it is time: in the next tick. */
    if (run->ifps_sent >= IFPS_A_TICK)
        run->terminal->t38_fe.us_per_tx_chunk = 1;
    return run->empty_ifps <= EMPTY_IFPS;
}

void unpaced_judge_dis(t30_run *run, const uint8_t *dis, int len) {
    if (!run->unpaced || run->unpaced_anyhow || t30_bit(dis, (size_t)len, BIT_DIRECT))
        return;
    run->unpaced = false;
    t38_terminal_set_config(run->terminal, 0);
    run->terminal->t38_fe.chunking_modes &= ~CHUNKING_MERGE_FCS; /* which spandsp leaves as it was */
}

void unpaced_trained(t30_run *run) {
    if (run->unpaced)
        run->t30->tcf_most_zeros = INT_MAX;
}
