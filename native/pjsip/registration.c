/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registrations: when they are made is decided by the owner alone. PJSIP would refresh them, try again where they fail,
 * and make them anew when a connection is lost, behind its back.
 */
#include <string.h>

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "auth.h"
#include "glue.h"

pj_status_t __real_pjsip_regc_register(pjsip_regc *regc, pj_bool_t refresh, pjsip_tx_data **tdata);
pj_status_t __wrap_pjsip_regc_register(pjsip_regc *regc, pj_bool_t refresh, pjsip_tx_data **tdata);

pj_status_t __wrap_pjsip_regc_register(pjsip_regc *regc, pj_bool_t refresh, pjsip_tx_data **tdata) {
    PJ_UNUSED_ARG(refresh);
    return __real_pjsip_regc_register(regc, PJ_FALSE, tdata);
}

void __real_pjsua_acc_on_tp_state_changed(pjsip_transport *transport, pjsip_transport_state state,
                                          const pjsip_transport_state_info *info);
void __wrap_pjsua_acc_on_tp_state_changed(pjsip_transport *transport, pjsip_transport_state state,
                                          const pjsip_transport_state_info *info);

/* The next Contact is made anew: the last may name the port of the connection, which nothing listens at any more. */
static void forget_contact(pjsua_acc *acc) {
    pjsip_regc_destroy2(acc->regc, PJ_TRUE);
    acc->regc = NULL;
    acc->contact.slen = acc->reg_contact.slen = 0;
}

/* The owner registers again those whose connection is gone: calls come by it. */
void __wrap_pjsua_acc_on_tp_state_changed(pjsip_transport *transport, pjsip_transport_state state,
                                          const pjsip_transport_state_info *info) {
    int lost[PJSUA_MAX_ACC], count = 0;

    /* It did not come about, or nothing ever came by it. */
    if (state == PJSIP_TP_STATE_DISCONNECTED && transport->dir == PJSIP_TP_DIR_OUTGOING && !transport->last_recv_len)
        servers_failed(&transport->key.rem_addr, 0);
    for (int i = 0; i < PJSUA_MAX_ACC && state == PJSIP_TP_STATE_DISCONNECTED; i++) {
        pjsip_regc_info registered;
        if (!pjsua_var.acc[i].valid || !pjsua_var.acc[i].regc ||
            pjsip_regc_get_info(pjsua_var.acc[i].regc, &registered) != PJ_SUCCESS || registered.transport != transport)
            continue;
        lost[count++] = i;
    }
    __real_pjsua_acc_on_tp_state_changed(transport, state, info);
    for (int i = 0; i < count; i++) {
        if (pjsua_var.acc[lost[i]].regc)
            forget_contact(&pjsua_var.acc[lost[i]]);
    }
    for (int i = 0; i < count; i++) {
        const sfx_sip_event event = {.type = SFX_SIP_UNREGISTERED, .call_id = lost[i], .fd = -1};
        glue_emit(&event);
    }
}

int sfx_sip_contact(int acc_id, char *out, int size) {
    const pj_str_t *contact;

    if (!pjsua_acc_is_valid(acc_id) || size < 1)
        return PJ_EINVAL;
    contact =
        pjsua_var.acc[acc_id].reg_contact.slen ? &pjsua_var.acc[acc_id].reg_contact : &pjsua_var.acc[acc_id].contact;
    if (contact->slen >= size)
        return PJ_ETOOSMALL;
    memcpy(out, contact->ptr, (size_t)contact->slen);
    out[contact->slen] = '\0';
    return PJ_SUCCESS;
}
