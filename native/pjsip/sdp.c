/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SDP as far ends write it. PJSIP compares names by the letter and refuses what is of no consequence; so each
 * description is brought into the form that it knows, as it is read. And which lines of an offer may be taken.
 */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

#define DYNAMIC_PT 96
#define PT_MAX 127

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

/* A copy without blank lines and blanks at the end of lines. PJSIP wants a NUL behind it. */
static char *tidy(pj_pool_t *pool, const char *text, pj_size_t *len) {
    char *out = pj_pool_alloc(pool, *len * 3 + 1), *to = out;
    const char *end = text + *len;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text)), *stop = newline ? newline : end;
        const char *next = newline ? newline + 1 : end;
        while (stop > text && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        if (stop > text) {
            pj_memcpy(to, text, (pj_size_t)(stop - text));
            to += stop - text;
            *to++ = '\r';
            *to++ = '\n';
        }
        text = next;
    }
    *len = (pj_size_t)(to - out);
    *to = '\0';
    return out;
}

static void lower(pj_pool_t *pool, pj_str_t *s) {
    for (pj_ssize_t i = 0; i < s->slen; i++)
        if (pj_isupper((unsigned char)s->ptr[i])) {
            pj_str_t copy;
            pj_strdup(pool, &copy, s);
            for (; i < copy.slen; i++)
                copy.ptr[i] = (char)pj_tolower((unsigned char)copy.ptr[i]);
            *s = copy;
        }
}

static int is_image(const pjmedia_sdp_media *m) { return !pj_stricmp2(&m->desc.media, "image"); }

/* Names that PJSIP looks for; those of T.38 are read elsewhere, in any case. */
static void lower_names(pj_pool_t *pool, pjmedia_sdp_attr *const attrs[], unsigned count) {
    static const char *const names[] = {"rtpmap",   "fmtp",     "rtcp",     "crypto",   "ptime",
                                        "sendrecv", "sendonly", "recvonly", "inactive", "maxptime"};
    for (unsigned a = 0; a < count; a++)
        for (unsigned i = 0; i < PJ_ARRAY_SIZE(names); i++)
            if (!pj_stricmp2(&attrs[a]->name, names[i]))
                lower(pool, &attrs[a]->name);
}

/* Whether a format may be one; RFC 3551 §6: a dynamic payload type is nothing by itself. */
static int is_format(const pjmedia_sdp_media *m, const pj_str_t *fmt) {
    unsigned long pt;

    if (!fmt->slen || !pj_isdigit((unsigned char)*fmt->ptr))
        return 1;
    if (pj_strtoul3(fmt, &pt, 10) != PJ_SUCCESS || pt > PT_MAX)
        return 0;
    return pt < DYNAMIC_PT || pjmedia_sdp_media_find_attr2(m, "rtpmap", fmt) != NULL;
}

/* A line of which nothing is left stays, as one that is not to be had. */
static void drop_formats(pjmedia_sdp_media *m) {
    unsigned kept = 0;

    if (!m->desc.port || !m->desc.fmt_count)
        return;
    for (unsigned i = 0; i < m->desc.fmt_count; i++)
        if (is_format(m, &m->desc.fmt[i]))
            m->desc.fmt[kept++] = m->desc.fmt[i];
    if (!kept) {
        m->desc.fmt[kept++] = pj_str("0");
        m->desc.port = 0;
    }
    m->desc.fmt_count = kept;
}

static int is_connection(const pjmedia_sdp_conn *c) {
    return c && !pj_strcmp2(&c->net_type, "IN") && c->addr.slen &&
           (!pj_strcmp2(&c->addr_type, "IP4") || !pj_strcmp2(&c->addr_type, "IP6"));
}

/* A refused line needs no address; PJSIP wants one. */
static void give_address(pj_pool_t *pool, const pjmedia_sdp_session *sdp, pjmedia_sdp_media *m) {
    if (m->desc.port || is_connection(m->conn) || (!m->conn && is_connection(sdp->conn)))
        return;
    m->conn = PJ_POOL_ZALLOC_T(pool, pjmedia_sdp_conn);
    m->conn->net_type = pj_str("IN");
    m->conn->addr_type = pj_str("IP4");
    m->conn->addr = pj_str("0.0.0.0");
}

static void normalise(pj_pool_t *pool, pjmedia_sdp_session *sdp) {
    if (!sdp->name.slen)
        sdp->name = pj_str("-");
    lower_names(pool, sdp->attr, sdp->attr_count);
    for (unsigned i = 0; i < sdp->media_count; i++) {
        pjmedia_sdp_media *m = sdp->media[i];
        lower(pool, &m->desc.media);
        lower_names(pool, m->attr, m->attr_count);
        if (is_image(m)) {
            if (!pj_stricmp2(&m->desc.transport, "udptl"))
                lower(pool, &m->desc.transport);
            for (unsigned f = 0; f < m->desc.fmt_count; f++)
                lower(pool, &m->desc.fmt[f]);
        }
        drop_formats(m);
        red_last(m);
        give_address(pool, sdp, m);
    }
}

pj_status_t __real_pjmedia_sdp_parse(pj_pool_t *pool, char *buf, pj_size_t len, pjmedia_sdp_session **out);
pj_status_t __wrap_pjmedia_sdp_parse(pj_pool_t *pool, char *buf, pj_size_t len, pjmedia_sdp_session **out);

pj_status_t __wrap_pjmedia_sdp_parse(pj_pool_t *pool, char *buf, pj_size_t len, pjmedia_sdp_session **out) {
    char *text = tidy(pool, buf, &len);
    pj_status_t status = __real_pjmedia_sdp_parse(pool, text, len, out);

    if (status == PJ_SUCCESS && *out)
        normalise(pool, *out);
    return status;
}

/* ---- what an offer has ---------------------------------------------------------------------------------------------
 */

static int is_udptl(const pjmedia_sdp_media *m) {
    return m->desc.port && is_image(m) && !pj_stricmp2(&m->desc.transport, "udptl");
}

static int is_inactive(const pjmedia_sdp_media *m) { return pjmedia_sdp_media_find_attr2(m, "inactive", NULL) != NULL; }

int sdp_active_lines(const pjmedia_sdp_session *sdp) {
    int n = 0;
    for (unsigned i = 0; sdp && i < sdp->media_count; i++)
        n += sdp->media[i]->desc.port != 0;
    return n;
}

int sdp_t38_line(const pjmedia_sdp_session *sdp) {
    int resting = -1, others = 0;

    for (unsigned i = 0; sdp && i < sdp->media_count; i++) {
        const pjmedia_sdp_media *m = sdp->media[i];
        if (is_udptl(m) && !is_inactive(m))
            return (int)i;
        if (is_udptl(m) && resting < 0)
            resting = (int)i;
        others += m->desc.port && !is_image(m) && !is_inactive(m);
    }
    return others ? -1 : resting;
}

int sdp_audio_lines(const pjmedia_sdp_session *sdp) {
    int n = 0;

    for (unsigned i = 0; sdp && i < sdp->media_count; i++) {
        const pjmedia_sdp_media *m = sdp->media[i];
        pj_uint32_t proto = pjmedia_sdp_transport_get_proto(&m->desc.transport);
        int law = -1;
        for (unsigned f = 0; f < m->desc.fmt_count && law < 0; f++)
            law = glue_law_of(m, &m->desc.fmt[f]);
        n += m->desc.port && law >= 0 && !is_inactive(m) && !pj_stricmp2(&m->desc.media, "audio") &&
             (PJMEDIA_TP_PROTO_HAS_FLAG(proto, PJMEDIA_TP_PROTO_RTP_AVP) ||
              PJMEDIA_TP_PROTO_HAS_FLAG(proto, PJMEDIA_TP_PROTO_RTP_SAVP));
    }
    return n;
}

/* ---- the first offer -----------------------------------------------------------------------------------------------
 */

static char first_offers[PJSUA_MAX_CALLS];

int sfx_sip_first_offer(int call_id) {
    return call_id >= 0 && call_id < PJSUA_MAX_CALLS ? first_offers[call_id] : SFX_SIP_OFFERS_AUDIO;
}

/* One line of audio comes first, and T.38 by a re-INVITE: so a far end that names all it can do is not led astray. */
static int kind_of(const pjmedia_sdp_session *offer) {
    int audio = sdp_audio_lines(offer);

    if (sdp_t38_line(offer) < 0 || audio == 1)
        return SFX_SIP_OFFERS_AUDIO;
    return audio ? SFX_SIP_OFFERS_EITHER : SFX_SIP_OFFERS_T38;
}

static int is_first(pjsua_call_id id) {
    const pjsip_inv_session *inv = pjsua_var.calls[id].inv;
    return !inv || inv->state < PJSIP_INV_STATE_CONFIRMED;
}

pj_status_t __real_pjsua_media_channel_init(pjsua_call_id id, pjsip_role_e role, int level, pj_pool_t *pool,
                                            const pjmedia_sdp_session *remote, int *code, pj_bool_t async,
                                            pjsua_med_tp_state_cb cb);
pj_status_t __wrap_pjsua_media_channel_init(pjsua_call_id id, pjsip_role_e role, int level, pj_pool_t *pool,
                                            const pjmedia_sdp_session *remote, int *code, pj_bool_t async,
                                            pjsua_med_tp_state_cb cb);

/* pjsua would refuse an image; shown a line of audio in its place, and nothing else, it reserves a transport instead.
 * The answer is ours. */
pj_status_t __wrap_pjsua_media_channel_init(pjsua_call_id id, pjsip_role_e role, int level, pj_pool_t *pool,
                                            const pjmedia_sdp_session *remote, int *code, pj_bool_t async,
                                            pjsua_med_tp_state_cb cb) {
    const int acc_id = pjsua_var.calls[id].acc_id;
    pj_status_t status;

    if (remote && is_first(id)) {
        first_offers[id] = (char)kind_of(remote);
        if (first_offers[id] == SFX_SIP_OFFERS_T38) {
            pjmedia_sdp_session *shown = pjmedia_sdp_session_clone(pool, remote);
            for (unsigned i = 0; i < shown->media_count; i++)
                if ((int)i != sdp_t38_line(remote)) {
                    shown->media[i]->desc.port = 0;
                } else {
                    shown->media[i]->desc.media = pj_str("audio");
                    shown->media[i]->desc.transport = pj_str("RTP/AVP");
                    shown->media[i]->desc.fmt[0] = pj_str("0");
                    shown->media[i]->desc.fmt_count = 1;
                }
            remote = shown;
        }
    }
    media_lend(acc_id, remote);
    status = __real_pjsua_media_channel_init(id, role, level, pool, remote, code, async, cb);
    media_take_back(acc_id);
    return status;
}

pj_status_t __real_pjsip_inv_verify_request3(pjsip_rx_data *rdata, pj_pool_t *pool, unsigned *options,
                                             const pjmedia_sdp_session *remote, const pjmedia_sdp_session *local,
                                             pjsip_dialog *dlg, pjsip_endpoint *endpt, pjsip_tx_data **tdata);
pj_status_t __wrap_pjsip_inv_verify_request3(pjsip_rx_data *rdata, pj_pool_t *pool, unsigned *options,
                                             const pjmedia_sdp_session *remote, const pjmedia_sdp_session *local,
                                             pjsip_dialog *dlg, pjsip_endpoint *endpt, pjsip_tx_data **tdata);

/* pjsua tries an answer of audio out, which an image does not need. */
pj_status_t __wrap_pjsip_inv_verify_request3(pjsip_rx_data *rdata, pj_pool_t *pool, unsigned *options,
                                             const pjmedia_sdp_session *remote, const pjmedia_sdp_session *local,
                                             pjsip_dialog *dlg, pjsip_endpoint *endpt, pjsip_tx_data **tdata) {
    if (remote && kind_of(remote) == SFX_SIP_OFFERS_T38)
        local = NULL;
    return __real_pjsip_inv_verify_request3(rdata, pool, options, remote, local, dlg, endpt, tdata);
}
