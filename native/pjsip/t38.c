/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * T.38 in the invite session, beside pjsua, which knows no m=image.
 *
 * Our callbacks stand before pjsua's (the linker wraps pjsip_inv_usage_init): offers and results that are T.38 stay
 * here, all else goes on to pjsua. The SDP negotiator holds the truth, so PJSIP still does authentication, glare,
 * session timers, versions, ACK and retransmission. All functions run under the dialog's lock, in the thread that owns
 * PJSIP.
 */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

#define SDP_TEXT_MAX PJSIP_MAX_PKT_LEN
#define BYE_WITHOUT_ACK_S 4

static pjsip_inv_callback pjsua_callbacks;
static pjsip_module mod_t38 = {.name = {"mod-softfax-t38", 15}, .id = -1, .priority = PJSIP_MOD_PRIORITY_APPLICATION};

typedef struct t38_state {
    int active;  /* the negotiated media is T.38 */
    int pending; /* our offer is under way */
    pjsip_transport *held;
    pjsip_transaction *bye; /* of a call without an ACK */
    pj_timer_entry bye_timer;
} t38_state;

static t38_state *state_of(pjsip_inv_session *inv) {
    t38_state *s = inv->dlg->mod_data[mod_t38.id];
    if (!s)
        inv->dlg->mod_data[mod_t38.id] = s = PJ_POOL_ZALLOC_T(inv->dlg->pool, t38_state);
    return s;
}

static pjsua_call *call_of(const pjsip_inv_session *inv) { return inv->dlg->mod_data[pjsua_var.mod.id]; }

/* ---- SDP ------------------------------------------------------------------------------------------------------------
 */

static int is_t38_alone(const pjmedia_sdp_session *sdp) { return sdp_active_lines(sdp) == 1 && sdp_t38_line(sdp) >= 0; }

static void print_sdp(const pjmedia_sdp_session *sdp, char *out, pj_size_t size) {
    int n = sdp ? pjmedia_sdp_print(sdp, out, size - 1) : 0;
    out[n > 0 ? n : 0] = '\0';
}

static void emit(pjsip_inv_session *inv, int type, int code, const pjmedia_sdp_session *local,
                 const pjmedia_sdp_session *remote) {
    /* One thread, and no event is delivered within another. A pool of the session would grow with every refused offer.
     */
    static char local_text[SDP_TEXT_MAX], remote_text[SDP_TEXT_MAX];
    pjsua_call *call = call_of(inv);
    sfx_sip_event event = {.type = type, .code = code, .fd = -1, .local_sdp = local_text, .remote_sdp = remote_text};

    if (!call)
        return;
    event.call_id = (pjsua_call_id)call->index;
    print_sdp(local, local_text, sizeof local_text);
    print_sdp(remote, remote_text, sizeof remote_text);
    glue_emit(&event);
}

/* ---- callbacks of the invite session
 * ---------------------------------------------------------------------------------- */

static void on_rx_offer2(pjsip_inv_session *inv, struct pjsip_inv_on_rx_offer_cb_param *param) {
    pjsua_call *call = call_of(inv);
    int in_response = param->rdata && param->rdata->msg_info.msg->type != PJSIP_REQUEST_MSG;

    if (!call || in_response) {
        (*pjsua_callbacks.on_rx_offer2)(inv, param);
        return;
    }
    if (call->hanging_up)
        return;
    warnings_forget();
    if (sdp_t38_line(param->offer) < 0) {
        if (media_reaches(call, param->offer))
            (*pjsua_callbacks.on_rx_offer2)(inv, param);
        return;
    }
    inv->sdp_neg_flags |= PJMEDIA_SDP_NEG_ALLOW_MEDIA_CHANGE;
    /* Without an answer from the callback PJSIP replies 488; audio that is offered beside the image may still be had.
     */
    emit(inv, SFX_SIP_T38_OFFER, 0, NULL, param->offer);
    if (pjmedia_sdp_neg_get_state(inv->neg) == PJMEDIA_SDP_NEG_STATE_REMOTE_OFFER && sdp_audio_lines(param->offer) &&
        media_reaches(call, param->offer))
        (*pjsua_callbacks.on_rx_offer2)(inv, param);
}

/* pjsua's audio rests while T.38 is in force; its transport stays, so that audio can come back to the same port. */
static void park_audio(pjsua_call *call) {
    for (unsigned i = 0; i < call->med_cnt; i++)
        if (call->media[i].type == PJMEDIA_TYPE_AUDIO) {
            pjsua_aud_stop_stream(&call->media[i]);
            call->media[i].state = PJSUA_CALL_MEDIA_NONE;
            call->media[i].dir = PJMEDIA_DIR_NONE;
        }
}

/* pjsua asserts that it has at least as many media as the SDP has lines, and the negotiator may have added dead ones.
 */
static void pad_provisional_media(pjsua_call *call, const pjmedia_sdp_session *local) {
    while (local && call->med_prov_cnt < local->media_count && call->med_prov_cnt < PJSUA_MAX_CALL_MEDIA) {
        pj_memcpy(&call->media_prov[call->med_prov_cnt], &call->media[call->med_prov_cnt], sizeof call->media[0]);
        call->med_prov_cnt++;
    }
}

static void on_media_update(pjsip_inv_session *inv, pj_status_t status) {
    const pjmedia_sdp_session *local = NULL, *remote = NULL;
    pjsua_call *call = call_of(inv);
    t38_state *s = state_of(inv);

    if (call && s->pending && status != PJ_SUCCESS) {
        /* 200 with every line refused, or an answer that is none: what was in force is so here alone. */
        s->pending = s->active = 0;
        (*pjsua_callbacks.on_media_update)(inv, status);
        emit(inv, SFX_SIP_T38_EMPTY, PJSIP_SC_NOT_ACCEPTABLE_HERE, NULL, NULL);
        return;
    }
    if (!call || status != PJ_SUCCESS || pjmedia_sdp_neg_get_active_local(inv->neg, &local) != PJ_SUCCESS ||
        pjmedia_sdp_neg_get_active_remote(inv->neg, &remote) != PJ_SUCCESS) {
        (*pjsua_callbacks.on_media_update)(inv, status);
        return;
    }
    /* What else was offered beside it is refused by our answer. */
    if (is_t38_alone(local) && sdp_t38_line(remote) >= 0) {
        if (!s->active)
            park_audio(call);
        pjsua_media_prov_revert((pjsua_call_id)call->index);
        call->med_update_success = PJ_TRUE;
        s->active = 1;
        s->pending = 0;
        emit(inv, SFX_SIP_T38_ACTIVE, 0, local, remote);
        return;
    }
    pad_provisional_media(call, local);
    s->active = 0;
    (*pjsua_callbacks.on_media_update)(inv, status);
}

/* A re-INVITE without an offer while T.38 is in force: what is in force is offered again. */
static void on_create_offer(pjsip_inv_session *inv, pjmedia_sdp_session **out) {
    const pjmedia_sdp_session *local;
    if (state_of(inv)->active && pjmedia_sdp_neg_get_active_local(inv->neg, &local) == PJ_SUCCESS) {
        *out = pjmedia_sdp_session_clone(inv->pool_prov, local);
        return;
    }
    if (pjsua_callbacks.on_create_offer)
        (*pjsua_callbacks.on_create_offer)(inv, out);
}

static void on_bye_late(pj_timer_heap_t *heap, pj_timer_entry *entry) {
    t38_state *s = entry->user_data;

    PJ_UNUSED_ARG(heap);
    pjsip_tsx_terminate(s->bye, PJSIP_SC_REQUEST_TIMEOUT);
}

/* Nobody need be at the other end of a call without an ACK, and it holds its channel slot: the answer to our BYE is not
 * waited for as long as it was. */
static void limit_bye(pjsip_inv_session *inv, pjsip_transaction *tsx) {
    t38_state *s = state_of(inv);
    pj_time_val wait = {BYE_WITHOUT_ACK_S, 0};

    if (inv->role != PJSIP_ROLE_UAS || inv->state >= PJSIP_INV_STATE_CONFIRMED || tsx->role != PJSIP_ROLE_UAC ||
        tsx->method.id != PJSIP_BYE_METHOD || tsx->state != PJSIP_TSX_STATE_CALLING)
        return;
    s->bye = tsx;
    if (!pj_timer_entry_running(&s->bye_timer)) {
        pj_timer_entry_init(&s->bye_timer, 0, s, on_bye_late);
        pjsip_endpt_schedule_timer(pjsua_var.endpt, &s->bye_timer, &wait);
    }
}

static void on_tsx_state_changed(pjsip_inv_session *inv, pjsip_transaction *tsx, pjsip_event *e) {
    t38_state *s = state_of(inv);
    int ours = tsx->role == PJSIP_ROLE_UAC && tsx->method.id == PJSIP_INVITE_METHOD && s->pending;
    int ended = tsx->state >= PJSIP_TSX_STATE_COMPLETED && e->body.tsx_state.prev_state < PJSIP_TSX_STATE_COMPLETED;
    /* A challenge that PJSIP answers by itself is no refusal. */
    int challenged =
        (tsx->status_code == PJSIP_SC_UNAUTHORIZED || tsx->status_code == PJSIP_SC_PROXY_AUTHENTICATION_REQUIRED) &&
        tsx->last_tx && tsx->last_tx->auth_retry;

    limit_bye(inv, tsx);
    (*pjsua_callbacks.on_tsx_state_changed)(inv, tsx, e);
    if (!ours || !s->pending || !ended || challenged || inv->state >= PJSIP_INV_STATE_DISCONNECTED)
        return;
    s->pending = 0;
    if (tsx->status_code >= 300) {
        emit(inv, SFX_SIP_T38_REFUSED, tsx->status_code, NULL, NULL);
    } else {
        /* 200 without an answer in it: the offer is open until it is taken back. */
        if (pjmedia_sdp_neg_get_state(inv->neg) == PJMEDIA_SDP_NEG_STATE_LOCAL_OFFER)
            pjmedia_sdp_neg_cancel_offer(inv->neg);
        emit(inv, SFX_SIP_T38_EMPTY, PJSIP_SC_NOT_ACCEPTABLE_HERE, NULL, NULL);
    }
}

/* A call keeps the connection that its ACK came by, so that it is not taken for an idle one. */
static void on_state_changed(pjsip_inv_session *inv, pjsip_event *e) {
    t38_state *s = state_of(inv);

    if (inv->state == PJSIP_INV_STATE_CONFIRMED && !s->held && inv->role == PJSIP_ROLE_UAS && e &&
        e->type == PJSIP_EVENT_RX_MSG)
        s->held = connections_hold(e->body.rx_msg.rdata->tp_info.transport);
    if (inv->state == PJSIP_INV_STATE_DISCONNECTED) {
        connections_release(s->held);
        s->held = NULL;
        pjsip_endpt_cancel_timer(pjsua_var.endpt, &s->bye_timer);
        ended_report(inv, e);
    }
    (*pjsua_callbacks.on_state_changed)(inv, e);
}

pj_status_t __real_pjsip_inv_usage_init(pjsip_endpoint *endpt, const pjsip_inv_callback *callbacks);
pj_status_t __wrap_pjsip_inv_usage_init(pjsip_endpoint *endpt, const pjsip_inv_callback *callbacks);

pj_status_t __wrap_pjsip_inv_usage_init(pjsip_endpoint *endpt, const pjsip_inv_callback *callbacks) {
    pjsip_inv_callback ours = *callbacks;
    pj_status_t status;

    pjsua_callbacks = *callbacks;
    ours.on_rx_offer2 = on_rx_offer2;
    ours.on_media_update = on_media_update;
    ours.on_create_offer = on_create_offer;
    ours.on_tsx_state_changed = on_tsx_state_changed;
    ours.on_state_changed = on_state_changed;
    status = __real_pjsip_inv_usage_init(endpt, &ours);
    mod_t38.id = -1; /* pjsua may have been shut down and started again */
    return status == PJ_SUCCESS ? pjsip_endpt_register_module(endpt, &mod_t38) : status;
}

/* ---- what the owner asks for
 * --------------------------------------------------------------------------------------------- */

/* Locks the call and parses the SDP into its pool; on success the caller releases the dialog's lock. */
static pj_status_t open_call(int call_id, const char *text, pjsua_call **call, pjsip_dialog **dlg,
                             pjmedia_sdp_session **sdp) {
    pj_status_t status;
    pj_str_t copy;

    if (call_id < 0 || call_id >= (int)pjsua_var.ua_cfg.max_calls)
        return PJ_EINVAL;
    status = acquire_call("softfax", call_id, call, dlg);
    if (status != PJ_SUCCESS)
        return status;
    status = (*call)->inv && (*call)->inv->state < PJSIP_INV_STATE_DISCONNECTED ? PJ_SUCCESS : PJ_EINVALIDOP;
    if (status == PJ_SUCCESS && text) {
        pj_strdup2_with_null((*call)->inv->pool_prov, &copy, text);
        status = pjmedia_sdp_parse((*call)->inv->pool_prov, copy.ptr, (pj_size_t)copy.slen, sdp);
    }
    if (status != PJ_SUCCESS)
        pjsip_dlg_dec_lock(*dlg);
    return status;
}

int sfx_sip_answer(int call_id, const char *text) {
    pjsua_call *call;
    pjsip_dialog *dlg;
    pjmedia_sdp_session *sdp;
    pj_status_t status = open_call(call_id, text, &call, &dlg, &sdp);

    if (status != PJ_SUCCESS)
        return status;
    call->inv->sdp_neg_flags |= PJMEDIA_SDP_NEG_ALLOW_MEDIA_CHANGE;
    status = pjsip_inv_set_sdp_answer(call->inv, sdp);
    pjsip_dlg_dec_lock(dlg);
    return status;
}

/* PJ_SUCCESS if a re-INVITE may be sent now (RFC 3261 §14.1, RFC 3264 §4). */
static pj_status_t may_offer(pjsip_inv_session *inv) {
    return !inv->invite_tsx && inv->state == PJSIP_INV_STATE_CONFIRMED && inv->neg &&
                   pjmedia_sdp_neg_get_state(inv->neg) == PJMEDIA_SDP_NEG_STATE_DONE
               ? PJ_SUCCESS
               : PJ_EPENDING;
}

int sfx_sip_may_offer(int call_id) {
    pjsua_call *call;
    pjsip_dialog *dlg;
    pj_status_t status = open_call(call_id, NULL, &call, &dlg, NULL);

    if (status != PJ_SUCCESS)
        return status;
    status = may_offer(call->inv);
    pjsip_dlg_dec_lock(dlg);
    return status;
}

int sfx_sip_reinvite(int call_id, const char *text) {
    pjsua_call *call;
    pjsip_dialog *dlg;
    pjmedia_sdp_session *sdp;
    pjsip_tx_data *tdata = NULL;
    pj_status_t status = open_call(call_id, text, &call, &dlg, &sdp);

    if (status != PJ_SUCCESS)
        return status;
    status = may_offer(call->inv);
    if (status != PJ_SUCCESS) {
        pjsip_dlg_dec_lock(dlg);
        return status;
    }
    call->inv->sdp_neg_flags |= PJMEDIA_SDP_NEG_ALLOW_MEDIA_CHANGE;
    status = pjsip_inv_reinvite(call->inv, NULL, sdp, &tdata);
    if (status == PJ_SUCCESS && tdata) {
        state_of(call->inv)->pending = 1;
        status = pjsip_inv_send_msg(call->inv, tdata);
        if (status != PJ_SUCCESS)
            state_of(call->inv)->pending = 0;
    }
    pjsip_dlg_dec_lock(dlg);
    return status;
}

int sfx_sip_cancel_offer(int call_id) {
    pjsua_call *call;
    pjsip_dialog *dlg;
    pjsip_tx_data *tdata = NULL;
    pj_status_t status = open_call(call_id, NULL, &call, &dlg, NULL);

    if (status != PJ_SUCCESS)
        return status;
    if (call->inv->invite_tsx && state_of(call->inv)->pending) {
        status = pjsip_inv_cancel_reinvite(call->inv, &tdata);
        if (status == PJ_SUCCESS && tdata)
            status = pjsip_inv_send_msg(call->inv, tdata);
    }
    pjsip_dlg_dec_lock(dlg);
    return status;
}
