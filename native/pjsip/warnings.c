/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A refusal says why (Warning, RFC 3261 §20.43): one of media always, others where the owner has a reason. A
 * redirection leads where the owner says. */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

#define NO_MEDIA 304 /* media type not available */

/* For the response that follows at once, in the one thread there is. */
static struct {
    int call_id; /* -1: none */
    int code;
    char text[128];
} wanted = {.call_id = -1};

void sfx_sip_warn(int call_id, int code, const char *text) {
    wanted.call_id = call_id;
    wanted.code = code;
    pj_ansi_strxcpy(wanted.text, text, sizeof wanted.text);
}

void warnings_forget(void) { wanted.call_id = -1; }

static int is_wanted(const pjsip_tx_data *tdata) {
    const pjsip_cid_hdr *id = PJSIP_MSG_CID_HDR(tdata->msg);
    const pjsua_call *call;

    if (!id || wanted.call_id < 0 || wanted.call_id >= (int)pjsua_var.ua_cfg.max_calls)
        return 0;
    call = &pjsua_var.calls[wanted.call_id];
    return call->inv && call->inv->dlg && !pj_strcmp(&call->inv->dlg->call_id->id, &id->id);
}

/* The dialog has put in a Contact of its own; the owner's is a header of no type. */
static void leave_owners_contact(pjsip_msg *msg) {
    static const pj_str_t name = {(char *)(pj_size_t) "Contact", 7};
    pjsip_hdr *dialogs = pjsip_msg_find_hdr(msg, PJSIP_H_CONTACT, NULL);
    pjsip_hdr *first = dialogs ? pjsip_msg_find_hdr_by_name(msg, &name, NULL) : NULL;

    if (first == dialogs && dialogs)
        first = pjsip_msg_find_hdr_by_name(msg, &name, dialogs->next);
    if (first)
        pj_list_erase(dialogs);
}

static pj_status_t on_tx_response(pjsip_tx_data *tdata) {
    const pjsip_cseq_hdr *cseq = PJSIP_MSG_CSEQ_HDR(tdata->msg);
    static const pj_str_t name = {(char *)(pj_size_t) "Warning", 7};
    pj_str_t text = pj_str((char *)(pj_size_t) "no audio or T.38 that can be taken");
    pjsip_hdr *there;
    int code = NO_MEDIA, ours;

    const int status = tdata->msg->line.status.code;

    if (status < 300 || !cseq || tdata->buf.cur > tdata->buf.start ||
        (cseq->method.id != PJSIP_INVITE_METHOD && pj_strcmp2(&cseq->method.name, "UPDATE")))
        return PJ_SUCCESS;
    if (status < 400)
        leave_owners_contact(tdata->msg);
    ours = is_wanted(tdata);
    if (!ours && status != PJSIP_SC_NOT_ACCEPTABLE_HERE)
        return PJ_SUCCESS;
    if (ours) {
        code = wanted.code;
        pj_strdup2(tdata->pool, &text, wanted.text);
        warnings_forget();
    }
    there = pjsip_msg_find_hdr_by_name(tdata->msg, &name, NULL);
    if (ours && there)
        pj_list_erase(there);
    if (ours || !there)
        pjsip_msg_add_hdr(tdata->msg, (pjsip_hdr *)pjsip_warning_hdr_create(tdata->pool, code,
                                                                            pjsip_endpt_name(pjsua_var.endpt), &text));
    return PJ_SUCCESS;
}

static pjsip_module module = {.name = {(char *)(pj_size_t) "mod-softfax-warnings", 20},
                              .id = -1,
                              .priority = PJSIP_MOD_PRIORITY_APPLICATION,
                              .on_tx_response = on_tx_response};

int warnings_start(void) { return glue_register(&module); }

void warnings_stop(void) { glue_unregister(&module); }
