/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of PCMU and PCMA an account speaks, and which it would rather: pjsua has one list of codecs for all of them. */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

#define LAWS 2

static struct {
    int count; /* 0: as PJSIP has it */
    int law[LAWS];
} wanted[PJSUA_MAX_ACC];

int sfx_sip_codecs(int acc_id, const int *laws, int count) {
    if (acc_id < 0 || acc_id >= PJSUA_MAX_ACC || count < 0 || count > LAWS)
        return PJ_EINVAL;
    wanted[acc_id].count = count;
    for (int i = 0; i < count; i++)
        wanted[acc_id].law[i] = laws[i];
    return PJ_SUCCESS;
}

static int has_law(const pjmedia_sdp_media *m, int law) {
    for (unsigned i = 0; i < m->desc.fmt_count; i++)
        if (glue_law_of(m, &m->desc.fmt[i]) == law)
            return 1;
    return 0;
}

/* Leaves the account's codecs in their order, then what is none (telephone-event). The answer to an offer has but the
 * first that the offer has too: PJSIP would go by the offer's order. */
static unsigned arrange(pjmedia_sdp_media *m, const pjmedia_sdp_media *remote, int acc_id) {
    pj_str_t fmt[PJMEDIA_MAX_SDP_FMT];
    unsigned n = 0, found = 0;

    for (int w = 0; w < wanted[acc_id].count; w++) {
        int law = wanted[acc_id].law[w];
        if (remote && (found || !has_law(remote, law)))
            continue;
        for (unsigned i = 0; i < m->desc.fmt_count; i++)
            if (glue_law_of(m, &m->desc.fmt[i]) == law) {
                fmt[n++] = m->desc.fmt[i];
                found++;
            }
    }
    for (unsigned i = 0; i < m->desc.fmt_count; i++) {
        if (glue_law_of(m, &m->desc.fmt[i]) < 0) {
            fmt[n++] = m->desc.fmt[i];
        } else {
            unsigned kept = 0;
            for (unsigned k = 0; k < n; k++)
                kept |= !pj_strcmp(&fmt[k], &m->desc.fmt[i]);
            if (!kept) {
                pjmedia_sdp_attr *attr = pjmedia_sdp_media_find_attr2(m, "rtpmap", &m->desc.fmt[i]);
                if (attr)
                    pjmedia_sdp_media_remove_attr(m, attr);
            }
        }
    }
    m->desc.fmt_count = n;
    for (unsigned i = 0; i < n; i++)
        m->desc.fmt[i] = fmt[i];
    return found;
}

static int is_audio(const pjmedia_sdp_media *m) { return m->desc.port && !pj_stricmp2(&m->desc.media, "audio"); }

pj_status_t __real_pjsua_media_channel_create_sdp(pjsua_call_id id, pj_pool_t *pool, const pjmedia_sdp_session *remote,
                                                  pjmedia_sdp_session **out, int *code);
pj_status_t __wrap_pjsua_media_channel_create_sdp(pjsua_call_id id, pj_pool_t *pool, const pjmedia_sdp_session *remote,
                                                  pjmedia_sdp_session **out, int *code);

pj_status_t __wrap_pjsua_media_channel_create_sdp(pjsua_call_id id, pj_pool_t *pool, const pjmedia_sdp_session *remote,
                                                  pjmedia_sdp_session **out, int *code) {
    pj_status_t status = __real_pjsua_media_channel_create_sdp(id, pool, remote, out, code);
    int acc_id = pjsua_var.calls[id].acc_id;

    if (status != PJ_SUCCESS || acc_id < 0 || acc_id >= PJSUA_MAX_ACC)
        return status;
    for (unsigned i = 0; i < (*out)->media_count; i++) {
        pjmedia_sdp_media *m = (*out)->media[i];
        const pjmedia_sdp_media *theirs = remote && i < remote->media_count ? remote->media[i] : NULL;
        if (!is_audio(m) || (theirs && !is_audio(theirs)))
            continue;
        if (wanted[acc_id].count && !arrange(m, theirs, acc_id)) {
            if (code)
                *code = PJSIP_SC_NOT_ACCEPTABLE_HERE;
            return PJMEDIA_SDPNEG_ENOMEDIA;
        }
        if (m->desc.fmt_count && glue_law_of(m, &m->desc.fmt[0]) >= 0)
            red_describe(acc_id, pool, m, theirs);
    }
    return describe_sdp(id, pool, remote, *out, code);
}
