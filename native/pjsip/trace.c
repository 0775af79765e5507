/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SIP messages as they come and go, for a log. What is secret in them is taken out by who writes them down. */
#include <pjsua-lib/pjsua.h>

#include "glue.h"

static char text[PJSIP_MAX_PKT_LEN + 1];

static void report(int sent, const char *message, pj_ssize_t length, const char *host, int port) {
    sfx_sip_event event = {.type = SFX_SIP_MESSAGE,
                           .call_id = -1,
                           .fd = -1,
                           .code = sent,
                           .remote = host,
                           .port = port,
                           .remote_sdp = text};

    if (length <= 0 || budget_is_refusing())
        return;
    if (length > (pj_ssize_t)sizeof text - 1)
        length = sizeof text - 1;
    pj_memcpy(text, message, (pj_size_t)length);
    text[length] = '\0';
    glue_emit(&event);
}

/* Of a call, or of what may become one: OPTIONS and REGISTER are in no trace of a fax, and strangers send many. */
static int is_of_call(const pjsip_cseq_hdr *cseq) {
    const pj_str_t *name = &cseq->method.name;
    return pj_stricmp2(name, "OPTIONS") && pj_stricmp2(name, "REGISTER") && pj_stricmp2(name, "SUBSCRIBE") &&
           pj_stricmp2(name, "NOTIFY") && pj_stricmp2(name, "MESSAGE") && pj_stricmp2(name, "PUBLISH");
}

static pj_bool_t on_received(pjsip_rx_data *rdata) {
    if (!is_of_call(rdata->msg_info.cseq))
        return PJ_FALSE;
    report(0, rdata->msg_info.msg_buf, rdata->msg_info.len, rdata->pkt_info.src_name, rdata->pkt_info.src_port);
    return PJ_FALSE; /* not handled here */
}

static pj_status_t on_sent(pjsip_tx_data *tdata) {
    const pjsip_cseq_hdr *cseq = pjsip_msg_find_hdr(tdata->msg, PJSIP_H_CSEQ, NULL);
    if (cseq && !is_of_call(cseq))
        return PJ_SUCCESS;
    report(1, tdata->buf.start, tdata->buf.cur - tdata->buf.start, tdata->tp_info.dst_name, tdata->tp_info.dst_port);
    return PJ_SUCCESS;
}

/* Just above the transport: everything passes here, retransmissions too. */
static pjsip_module module = {.name = {"mod-softfax-trace", 17},
                              .id = -1,
                              .priority = PJSIP_MOD_PRIORITY_TRANSPORT_LAYER - 1,
                              .on_rx_request = on_received,
                              .on_rx_response = on_received,
                              .on_tx_request = on_sent,
                              .on_tx_response = on_sent};

int trace_start(void) { return glue_register(&module); }

void trace_stop(void) { glue_unregister(&module); }
