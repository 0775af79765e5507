/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that are no calls. A fax machine is asked whether it is there (OPTIONS) and may be told things within a call
 * (INFO, and NOTIFY of its own REFER); it takes no orders to make calls (REFER), no subscriptions and no messages.
 * pjsua would do all of that, and leaves what it does not know without an answer, so that the far end repeats it for
 * half a minute.
 */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

static const char *const allowed[] = {"INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "OPTIONS", "INFO", NULL};
static const char *const accepted[] = {"application/sdp", NULL};
static const char *const supported[] = {"100rel", "timer", NULL};

/* Leaves of what modules of pjsua say we can do only what we do. */
static void keep(int type, const char *const *wanted) {
    const pjsip_hdr *found = pjsip_endpt_get_capability(pjsua_var.endpt, type, NULL);
    pjsip_generic_array_hdr *header = (pjsip_generic_array_hdr *)(pj_size_t)found; /* the endpoint's own */
    unsigned kept = 0, i;
    const char *const *name;

    if (!header)
        return;
    for (i = 0; i < header->count; i++)
        for (name = wanted; *name; name++)
            if (!pj_stricmp2(&header->values[i], *name)) {
                header->values[kept++] = header->values[i];
                break;
            }
    header->count = kept;
}

static void add_capability(pjsip_hdr *list, pj_pool_t *pool, int type) {
    const pjsip_hdr *header = pjsip_endpt_get_capability(pjsua_var.endpt, type, NULL);
    if (header)
        pj_list_push_back(list, pjsip_hdr_clone(pool, header));
}

static pj_bool_t answer(pjsip_rx_data *rdata, int code) {
    pj_str_t user_agent = pj_str("User-Agent");
    pj_pool_t *pool = rdata->tp_info.pool;
    pjsip_hdr list;

    pj_list_init(&list);
    if (code == PJSIP_SC_OK || code == PJSIP_SC_METHOD_NOT_ALLOWED)
        add_capability(&list, pool, PJSIP_H_ALLOW);
    if (code == PJSIP_SC_OK || code == PJSIP_SC_UNSUPPORTED_MEDIA_TYPE) {
        add_capability(&list, pool, PJSIP_H_ACCEPT);
        add_capability(&list, pool, PJSIP_H_SUPPORTED);
    }
    if (pjsua_var.ua_cfg.user_agent.slen)
        pj_list_push_back(&list, pjsip_generic_string_hdr_create(pool, &user_agent, &pjsua_var.ua_cfg.user_agent));
    pjsip_endpt_respond_stateless(pjsua_var.endpt, rdata, code, NULL, &list, NULL);
    return PJ_TRUE;
}

/* The call that a request is within; NULL for none. */
static pjsip_dialog *dialog_of(const pjsip_rx_data *rdata) {
    return rdata->msg_info.to->tag.slen ? pjsip_ua_find_dialog(&rdata->msg_info.cid->id, &rdata->msg_info.to->tag,
                                                               &rdata->msg_info.from->tag, PJ_FALSE)
                                        : NULL;
}

/* What asks for something within a call that is not there goes on: PJSIP says 481. */
static pj_bool_t of_no_call(const pjsip_rx_data *rdata) { return rdata->msg_info.to->tag.slen && !dialog_of(rdata); }

/* A call that has ended, while PJSIP still keeps it for what is repeated: its re-INVITEs would get no answer, and
 * UPDATE a 500. */
static pj_bool_t of_ended_call(const pjsip_rx_data *rdata) {
    pjsip_dialog *dlg = dialog_of(rdata);
    pjsip_inv_session *inv = dlg ? pjsip_dlg_get_inv_session(dlg) : NULL;
    return dlg && (!inv || inv->state == PJSIP_INV_STATE_DISCONNECTED);
}

/* A call in which we have sent REFER (RFC 3515 §2.4.4). */
static pj_bool_t of_referring_call(const pjsip_rx_data *rdata) {
    const pjsip_dialog *dlg = dialog_of(rdata);

    for (unsigned i = 0; dlg && i < dlg->usage_cnt; i++)
        if (dlg->usage[i] == pjsip_evsub_instance())
            return PJ_TRUE;
    return PJ_FALSE;
}

static pj_bool_t is(const pjsip_method *method, const char *name) { return !pj_strcmp2(&method->name, name); }

/* INFO: an empty one asks whether the call is there; keys that were pressed say nothing to a fax (RFC 2976 §2.2). */
static int answer_to_info(const pjsip_rx_data *rdata) {
    const pjsip_ctype_hdr *type = rdata->msg_info.ctype;
    if (!rdata->msg_info.to->tag.slen)
        return PJSIP_SC_CALL_TSX_DOES_NOT_EXIST;
    if (!rdata->msg_info.msg->body || (type && !pj_strnicmp2(&type->media.subtype, "dtmf", 4)))
        return PJSIP_SC_OK;
    return PJSIP_SC_UNSUPPORTED_MEDIA_TYPE;
}

static pj_bool_t on_request(pjsip_rx_data *rdata) {
    const pjsip_method *method = &rdata->msg_info.msg->line.req.method;
    const pj_str_t replaces = pj_str("Replaces");
    pjsip_hdr *header;

    if (method->id != PJSIP_ACK_METHOD && method->id != PJSIP_CANCEL_METHOD && method->id != PJSIP_BYE_METHOD &&
        of_ended_call(rdata))
        return answer(rdata, PJSIP_SC_CALL_TSX_DOES_NOT_EXIST);
    switch (method->id) {
    case PJSIP_INVITE_METHOD:
        /* Not supported, so passed over (RFC 3891 §3): nobody takes over the call of another. */
        while ((header = pjsip_msg_find_hdr_by_name(rdata->msg_info.msg, &replaces, NULL)) != NULL)
            pj_list_erase(header);
        return PJ_FALSE;
    case PJSIP_ACK_METHOD:
    case PJSIP_CANCEL_METHOD:
        return PJ_FALSE;
    case PJSIP_OPTIONS_METHOD:
        if (of_no_call(rdata))
            return PJ_FALSE;
        /* Who spreads calls over stations asks whether this one takes any. */
        return answer(rdata,
                      rdata->msg_info.to->tag.slen || !budget_closed() ? PJSIP_SC_OK : PJSIP_SC_SERVICE_UNAVAILABLE);
    default:
        break;
    }
    if (method->id == PJSIP_BYE_METHOD || is(method, "UPDATE") || is(method, "PRACK"))
        return rdata->msg_info.to->tag.slen ? PJ_FALSE : answer(rdata, PJSIP_SC_CALL_TSX_DOES_NOT_EXIST);
    if (is(method, "INFO"))
        return of_no_call(rdata) ? PJ_FALSE : answer(rdata, answer_to_info(rdata));
    if (is(method, "NOTIFY") && of_referring_call(rdata))
        return PJ_FALSE;
    return answer(rdata, PJSIP_SC_METHOD_NOT_ALLOWED);
}

/* Above transactions, which take what is repeated, and below dialogs. */
static pjsip_module module = {.name = {"mod-softfax-requests", 20},
                              .id = -1,
                              .priority = PJSIP_MOD_PRIORITY_TSX_LAYER + 1,
                              .on_rx_request = on_request};

int requests_start(void) {
    keep(PJSIP_H_ALLOW, allowed);
    keep(PJSIP_H_ACCEPT, accepted);
    keep(PJSIP_H_SUPPORTED, supported);
    return glue_register(&module);
}

void requests_stop(void) { glue_unregister(&module); }
