/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the INVITE of a call that came in was sent from, which its text cannot say. */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "auth.h"
#include "glue.h"

static pjsip_module module = {.name = {"mod-softfax-peer", 16}, .id = -1, .priority = PJSIP_MOD_PRIORITY_APPLICATION};

pj_status_t peer_start(void) {
    module.id = -1;
    return pjsip_endpt_register_module(pjsua_var.endpt, &module);
}

const struct peer *peer_of(const pjsip_dialog *dlg) { return module.id >= 0 ? dlg->mod_data[module.id] : NULL; }

pj_status_t __real_pjsip_dlg_create_uas_and_inc_lock(pjsip_user_agent *ua, pjsip_rx_data *rdata,
                                                     const pj_str_t *contact, pjsip_dialog **dlg);
pj_status_t __wrap_pjsip_dlg_create_uas_and_inc_lock(pjsip_user_agent *ua, pjsip_rx_data *rdata,
                                                     const pj_str_t *contact, pjsip_dialog **dlg);

pj_status_t __wrap_pjsip_dlg_create_uas_and_inc_lock(pjsip_user_agent *ua, pjsip_rx_data *rdata,
                                                     const pj_str_t *contact, pjsip_dialog **dlg) {
    pj_status_t status = __real_pjsip_dlg_create_uas_and_inc_lock(ua, rdata, contact, dlg);
    struct peer *peer;

    if (status != PJ_SUCCESS)
        return status;
    peer = PJ_POOL_ZALLOC_T((*dlg)->pool, struct peer);
    pj_sockaddr_cp(&peer->source, &rdata->pkt_info.src_addr);
    peer->by_connection = PJSIP_TRANSPORT_IS_RELIABLE(rdata->tp_info.transport);
    (*dlg)->mod_data[module.id] = peer;
    return status;
}

int sfx_sip_by_tls(int call_id) {
    const pjsua_call *call;

    if (call_id < 0 || call_id >= (int)pjsua_var.ua_cfg.max_calls)
        return 0;
    call = &pjsua_var.calls[call_id];
    return call->incoming_data && PJSIP_TRANSPORT_IS_SECURE(call->incoming_data->tp_info.transport);
}
