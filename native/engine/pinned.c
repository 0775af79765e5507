/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine knows of the inside of spandsp 0.0.6. Another spandsp does not compile here: compare what the engine
 * reaches into (the fields and states named below), then bring internal.h and these lines up to date.
 */
#include <stddef.h>

#include <spandsp_states.h> /* made of spandsp's source as it was built */

#include "internal.h"

#define PINNED(condition) _Static_assert(condition, "not the spandsp that this engine was written for")

PINNED(STATE_D_TCF == SPANDSP_T30_STATE_D_TCF);
PINNED(STATE_F_TCF == SPANDSP_T30_STATE_F_TCF);
PINNED(STATE_F_CFR == SPANDSP_T30_STATE_F_CFR);
PINNED(STATE_F_DOC_NON_ECM == SPANDSP_T30_STATE_F_DOC_NON_ECM);
PINNED(STATE_F_POST_DOC_ECM == SPANDSP_T30_STATE_F_POST_DOC_ECM);
PINNED(STATE_F_POST_RCP_MCF == SPANDSP_T30_STATE_F_POST_RCP_MCF);
PINNED(STATE_R == SPANDSP_T30_STATE_R);
PINNED(STATE_T == SPANDSP_T30_STATE_T);
PINNED(STATE_III_Q == SPANDSP_T30_STATE_III_Q);
PINNED(STATE_IV_PPS_Q == SPANDSP_T30_STATE_IV_PPS_Q);
PINNED(STATE_IV_CTC == SPANDSP_T30_STATE_IV_CTC);

PINNED(OPERATION_NONE == SPANDSP_OPERATION_IN_PROGRESS_NONE);
PINNED(OPERATION_RECEIVING == SPANDSP_OPERATION_IN_PROGRESS_T4_RX);
PINNED(OPERATION_SENDING == SPANDSP_OPERATION_IN_PROGRESS_T4_TX);
PINNED(OPERATION_RECEIVED == SPANDSP_OPERATION_IN_PROGRESS_POST_T4_RX);

#ifdef __LP64__
PINNED(sizeof(t30_state_t) == 79368);
PINNED(offsetof(t30_state_t, state) == 11388);
PINNED(offsetof(t30_state_t, phase) == 11380);
PINNED(offsetof(t30_state_t, operation_in_progress) == 392);
PINNED(offsetof(t30_state_t, next_tx_step) == 78764);
PINNED(offsetof(t30_state_t, timer_t2_t4) == 11536);
PINNED(offsetof(t30_state_t, timer_t2_t4_is) == 11540);
PINNED(offsetof(t30_state_t, ecm_data) == 11624);
PINNED(offsetof(t30_state_t, rx_signal_present) == 11512);
PINNED(offsetof(t30_state_t, t4) == 0);
PINNED(sizeof(t4_rx_state_t) == 392);
PINNED(offsetof(t4_rx_state_t, cur_runs) == 88);
PINNED(offsetof(t4_rx_state_t, image_size) == 40);
PINNED(offsetof(t4_rx_state_t, t4_t6_rx.a_cursor) == 316);
PINNED(sizeof(t4_tx_state_t) == 392);
PINNED(sizeof(fax_state_t) == 90520);
PINNED(offsetof(fax_state_t, t30) == 0);
PINNED(offsetof(fax_state_t, modems.current_tx_type) == 90328);
PINNED(offsetof(fax_state_t, modems.current_rx_type) == 90324);
PINNED(sizeof(t38_terminal_state_t) == 80232);
PINNED(offsetof(t38_terminal_state_t, t30) == 0);
PINNED(offsetof(t38_terminal_state_t, t38_fe) == 79368);
PINNED(offsetof(t38_terminal_state_t, t38_fe.current_tx_type) == 80156);
PINNED(offsetof(t38_terminal_state_t, t38_fe.us_per_tx_chunk) == 79372);
PINNED(sizeof(hdlc_tx_state_t) == 504);
PINNED(sizeof(t38_gateway_state_t) == 99656);
PINNED(offsetof(t38_gateway_state_t, t38x.corrupt_current_frame) == 208);
PINNED(offsetof(t38_gateway_state_t, audio.modems.hdlc_rx.len) == 1240);
PINNED(offsetof(t38_gateway_state_t, audio.modems.hdlc_rx.rx_length_errors) == 1272);
PINNED(offsetof(t38_gateway_state_t, core.hdlc_to_modem.in) == 83124);
PINNED(offsetof(t38_gateway_state_t, core.to_t38.data_ptr) == 13456);
PINNED(sizeof(t38_gateway_hdlc_buf_t) == 272);
#endif
