/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Redundant audio (RFC 2198) beside G.711: offered for the accounts that want it, and answered where the far end offers
 * it. PJSIP has no such codec, and its negotiator leaves one format to an answer: ours gets this one afterwards.
 */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

#define AGAIN_MAX 3
#define PT_FIRST 96
#define PT_LAST 127

static int wanted[PJSUA_MAX_ACC]; /* earlier packets with each; 0: none is offered or taken */

int sfx_sip_red(int acc_id, int again) {
    if (acc_id < 0 || acc_id >= PJSUA_MAX_ACC || again < 0 || again > AGAIN_MAX)
        return PJ_EINVAL;
    wanted[acc_id] = again;
    return PJ_SUCCESS;
}

int red_wanted(int acc_id) { return acc_id >= 0 && acc_id < PJSUA_MAX_ACC ? wanted[acc_id] : 0; }

static int is_red(const pjmedia_sdp_media *m, const pj_str_t *format) {
    unsigned long pt = pj_strtoul(format);
    const pjmedia_sdp_attr *attr = pjmedia_sdp_media_find_attr2(m, "rtpmap", format);
    pjmedia_sdp_rtpmap map;

    return pt >= PT_FIRST && pt <= PT_LAST && attr && pjmedia_sdp_attr_get_rtpmap(attr, &map) == PJ_SUCCESS &&
           map.clock_rate == 8000 && !pj_stricmp2(&map.enc_name, "red");
}

int red_type_of(const pjmedia_sdp_media *m) {
    for (unsigned i = 0; i < m->desc.fmt_count; i++)
        if (is_red(m, &m->desc.fmt[i]))
            return (int)pj_strtoul(&m->desc.fmt[i]);
    return 0;
}

void red_last(pjmedia_sdp_media *m) {
    pj_str_t red[PJMEDIA_MAX_SDP_FMT];
    unsigned kept = 0, found = 0;

    for (unsigned i = 0; i < m->desc.fmt_count; i++)
        if (is_red(m, &m->desc.fmt[i]))
            red[found++] = m->desc.fmt[i];
        else
            m->desc.fmt[kept++] = m->desc.fmt[i];
    for (unsigned i = 0; i < found; i++)
        m->desc.fmt[kept++] = red[i];
}

/* a=fmtp of earlier blocks and the packet's own, all in the line's first codec. */
static pj_str_t blocks_of(pj_pool_t *pool, const pjmedia_sdp_media *m, int type, int again) {
    int primary = (int)pj_strtoul(&m->desc.fmt[0]), n;
    char text[64];
    pj_str_t made;

    n = pj_ansi_snprintf(text, sizeof text, "%d %d", type, primary);
    for (int i = 0; i < again; i++)
        n += pj_ansi_snprintf(text + n, sizeof text - (size_t)n, "/%d", primary);
    pj_strdup2(pool, &made, text);
    return made;
}

static void describe(pj_pool_t *pool, pjmedia_sdp_media *m, int type, int again) {
    pj_str_t blocks = blocks_of(pool, m, type, again), map;
    char text[32];

    pj_ansi_snprintf(text, sizeof text, "%d red/8000", type);
    map = pj_str(text);
    pjmedia_sdp_media_add_attr(m, pjmedia_sdp_attr_create(pool, "rtpmap", &map));
    pjmedia_sdp_media_add_attr(m, pjmedia_sdp_attr_create(pool, "fmtp", &blocks));
}

static int free_type(const pjmedia_sdp_media *m) {
    for (int pt = PT_LAST; pt >= PT_FIRST; pt--) {
        unsigned i = 0;
        while (i < m->desc.fmt_count && (int)pj_strtoul(&m->desc.fmt[i]) != pt)
            i++;
        if (i == m->desc.fmt_count)
            return pt;
    }
    return 0;
}

/* An answer has attributes alone: as a format beside the law, the negotiator would choose it where the far end has it
 * first, and leave the law out. */
void red_describe(int acc_id, pj_pool_t *pool, pjmedia_sdp_media *ours, const pjmedia_sdp_media *theirs) {
    int again = red_wanted(acc_id), type = theirs ? red_type_of(theirs) : free_type(ours);

    if (!again || !type || ours->desc.fmt_count >= PJMEDIA_MAX_SDP_FMT || ours->attr_count + 2 > PJMEDIA_MAX_SDP_ATTR)
        return;
    describe(pool, ours, type, again);
    if (!theirs) {
        char text[8];
        pj_ansi_snprintf(text, sizeof text, "%d", type);
        pj_strdup2(pool, &ours->desc.fmt[ours->desc.fmt_count++], text);
    }
}

/* The answer takes the format that its attributes describe, if the offer has it. */
static void complete(pj_pool_t *pool, pjmedia_sdp_media *ours, const pjmedia_sdp_media *theirs) {
    int type = red_type_of(theirs);
    char text[8];
    pj_str_t format;
    pjmedia_sdp_attr *fmtp;
    int again = 0;

    if (!type || !ours->desc.port || !theirs->desc.port || ours->desc.fmt_count >= PJMEDIA_MAX_SDP_FMT)
        return;
    pj_ansi_snprintf(text, sizeof text, "%d", type);
    pj_strdup2(pool, &format, text);
    fmtp = pjmedia_sdp_media_find_attr2(ours, "fmtp", &format);
    if (!is_red(ours, &format) || !fmtp || red_type_of(ours) == type)
        return;
    for (pj_ssize_t i = 0; i < fmtp->value.slen; i++)
        again += fmtp->value.ptr[i] == '/';
    fmtp->value = blocks_of(pool, ours, type, again);
    ours->desc.fmt[ours->desc.fmt_count++] = format;
}

pj_status_t __real_pjmedia_sdp_neg_negotiate(pj_pool_t *pool, pjmedia_sdp_neg *neg, pj_bool_t asymmetric);
pj_status_t __wrap_pjmedia_sdp_neg_negotiate(pj_pool_t *pool, pjmedia_sdp_neg *neg, pj_bool_t asymmetric);

pj_status_t __wrap_pjmedia_sdp_neg_negotiate(pj_pool_t *pool, pjmedia_sdp_neg *neg, pj_bool_t asymmetric) {
    pj_status_t status = __real_pjmedia_sdp_neg_negotiate(pool, neg, asymmetric);
    const pjmedia_sdp_session *ours, *theirs;

    if (status != PJ_SUCCESS || pjmedia_sdp_neg_was_answer_remote(neg) ||
        pjmedia_sdp_neg_get_active_local(neg, &ours) != PJ_SUCCESS ||
        pjmedia_sdp_neg_get_active_remote(neg, &theirs) != PJ_SUCCESS)
        return status;
    for (unsigned i = 0; i < ours->media_count && i < theirs->media_count; i++)
        complete(pool, ours->media[i], theirs->media[i]);
    return status;
}
