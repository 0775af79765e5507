/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a call: whose it was, and what the far end said of it. PJSIP sends BYE and refusals of its own accord,
 * too. */
#include <string.h>

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

/* The message of the far end that ends the call: its BYE, or its final response to our INVITE; NULL for none. */
static const pjsip_rx_data *message_of(const pjsip_event *e) {
    const pjsip_transaction *tsx;

    if (!e || e->type != PJSIP_EVENT_TSX_STATE || e->body.tsx_state.type != PJSIP_EVENT_RX_MSG)
        return NULL;
    tsx = e->body.tsx_state.tsx;
    return tsx->role == PJSIP_ROLE_UAS ? tsx->method.id == PJSIP_BYE_METHOD ? e->body.tsx_state.src.rdata : NULL
           : tsx->method.id == PJSIP_INVITE_METHOD ? e->body.tsx_state.src.rdata
                                                   : NULL;
}

/* By our BYE, or our refusal of the far end's INVITE; 487 is what its own CANCEL gets. */
static int is_ours(const pjsip_event *e) {
    const pjsip_transaction *tsx = e && e->type == PJSIP_EVENT_TSX_STATE ? e->body.tsx_state.tsx : NULL;

    return tsx && (tsx->role == PJSIP_ROLE_UAC ? tsx->method.id == PJSIP_BYE_METHOD
                                               : tsx->method.id == PJSIP_INVITE_METHOD && tsx->status_code >= 300 &&
                                                     tsx->status_code != PJSIP_SC_REQUEST_TERMINATED &&
                                                     e->body.tsx_state.type != PJSIP_EVENT_TIMER);
}

void ended_report(pjsip_inv_session *inv, const pjsip_event *e) {
    static char reason[128], head[PJSIP_MAX_PKT_LEN];
    const pjsip_rx_data *rdata = message_of(e);
    const pjsua_call *call = inv->dlg->mod_data[pjsua_var.mod.id];
    sfx_sip_event event = {.type = SFX_SIP_ENDED, .code = inv->cause, .fd = -1, .remote = reason, .remote_sdp = head};

    if (!call)
        return;
    event.call_id = (int)call->index;
    event.direction = rdata ? SFX_SIP_BY_FAR_END : is_ours(e) ? SFX_SIP_BY_US : SFX_SIP_BY_NOBODY;
    pj_ansi_snprintf(reason, sizeof reason, "%.*s", (int)inv->cause_text.slen, inv->cause_text.ptr);
    head[0] = '\0';
    if (rdata && rdata->msg_info.len < (int)sizeof head) {
        char *end;
        memcpy(head, rdata->msg_info.msg_buf, (size_t)rdata->msg_info.len);
        head[rdata->msg_info.len] = '\0';
        end = strstr(head, "\r\n\r\n");
        if (end)
            *end = '\0';
    }
    glue_emit(&event);
}
