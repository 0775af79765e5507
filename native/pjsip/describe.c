/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our SDP as the owner wants it, for accounts whose audio may be encrypted: keys are its business, and so are refusals.
 */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

#define SDP_TEXT_MAX 8192

static char wanted[PJSUA_MAX_ACC];
/* One thread, and no event is delivered within another. */
static char local_text[SDP_TEXT_MAX], remote_text[SDP_TEXT_MAX];
static struct {
    pj_pool_t *pool; /* NULL: no event is being delivered */
    pjmedia_sdp_session *ours;
    int done;
} asking;

int sfx_sip_describe(int acc_id, int on) {
    if (acc_id < 0 || acc_id >= PJSUA_MAX_ACC)
        return PJ_EINVAL;
    wanted[acc_id] = on != 0;
    return PJ_SUCCESS;
}

static int is_wanted(int call_id) {
    int acc_id = pjsua_var.calls[call_id].acc_id;
    return acc_id >= 0 && acc_id < PJSUA_MAX_ACC && wanted[acc_id];
}

/* 0 where it does not fit. */
static int print(const pjmedia_sdp_session *sdp, char *out) {
    int n = sdp ? pjmedia_sdp_print(sdp, out, SDP_TEXT_MAX - 1) : 0;
    out[n > 0 ? n : 0] = '\0';
    return n >= 0;
}

pj_status_t describe_sdp(int call_id, pj_pool_t *pool, const pjmedia_sdp_session *remote, pjmedia_sdp_session *ours,
                         int *code) {
    sfx_sip_event event = {.type = SFX_SIP_SDP,
                           .call_id = call_id,
                           .code = pjsua_var.calls[call_id].acc_id,
                           .fd = -1,
                           .direction = remote != NULL,
                           .local_sdp = local_text,
                           .remote_sdp = remote_text};

    if (!is_wanted(call_id))
        return PJ_SUCCESS;
    asking.pool = pool;
    asking.ours = ours;
    asking.done = 0;
    if (print(ours, local_text) && print(remote, remote_text))
        glue_emit(&event);
    asking.pool = NULL;
    if (asking.done)
        return PJ_SUCCESS;
    if (code)
        *code = PJSIP_SC_NOT_ACCEPTABLE_HERE;
    return PJMEDIA_SDPNEG_ENOMEDIA;
}

int sfx_sip_sdp(const char *text) {
    pjmedia_sdp_session *made;
    pj_status_t status;
    pj_str_t copy;

    if (!asking.pool)
        return PJ_EINVALIDOP;
    pj_strdup2_with_null(asking.pool, &copy, text);
    status = pjmedia_sdp_parse(asking.pool, copy.ptr, (pj_size_t)copy.slen, &made);
    if (status == PJ_SUCCESS) {
        *asking.ours = *made;
        asking.done = 1;
    }
    return status;
}

void describe_audio(int call_id, sfx_sip_event *event, const pjmedia_sdp_session *local,
                    const pjmedia_sdp_session *remote) {
    if (is_wanted(call_id) && print(local, local_text) && print(remote, remote_text)) {
        event->local_sdp = local_text;
        event->remote_sdp = remote_text;
    }
}
