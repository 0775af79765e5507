/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OPTIONS to the server of an account (RFC 3261 §11), to know whether it is there. */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

#define REASON_OCTETS 128

static void on_answer(void *token, pjsip_event *e) {
    char reason[REASON_OCTETS] = "";
    sfx_sip_event event = {.type = SFX_SIP_OPTIONS, .call_id = (int)(pj_ssize_t)token, .fd = -1};
    event.code = PJSIP_SC_REQUEST_TIMEOUT;
    if (e->type == PJSIP_EVENT_TSX_STATE) {
        const pjsip_transaction *tsx = e->body.tsx_state.tsx;
        event.code = tsx->status_code;
        if (e->body.tsx_state.type == PJSIP_EVENT_RX_MSG) {
            const pjsip_retry_after_hdr *after =
                pjsip_msg_find_hdr(e->body.tsx_state.src.rdata->msg_info.msg, PJSIP_H_RETRY_AFTER, NULL);
            event.payload_type = 1;
            event.direction = after && after->ivalue > 0 ? after->ivalue : 0;
        }
        pj_ansi_snprintf(reason, sizeof reason, "%.*s", (int)tsx->status_text.slen, tsx->status_text.ptr);
    }
    event.remote_sdp = reason;
    glue_emit(&event);
}

int sfx_sip_options(int acc_id, const char *uri, int token) {
    pjsip_tx_data *tdata;
    pj_status_t status;
    pj_str_t target = pj_str((char *)(pj_size_t)uri);

    if (!pjsua_acc_is_valid(acc_id))
        return PJ_EINVAL;
    status = pjsua_acc_create_request(acc_id, &pjsip_options_method, &target, &tdata);
    if (status == PJ_SUCCESS)
        pjsua_process_msg_data(tdata, NULL); /* User-Agent */
    if (status == PJ_SUCCESS)
        status = pjsip_endpt_send_request(pjsua_var.endpt, tdata, -1, (void *)(pj_ssize_t)token, on_answer);
    return status;
}
