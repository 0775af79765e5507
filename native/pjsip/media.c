/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Media as pjsua wants it negotiated and as we want it carried: the sockets are bound here, and handed over once audio
 * is agreed. PJSIP never reads or writes a packet of them.
 */
#include <fcntl.h>
#include <unistd.h>

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

#if PJSUA_MEDIA_HAS_PJMEDIA
#error "build PJSIP with native/pjsip/config_site.h"
#endif

/* Much of what PJSIP wants of media has nothing to do here. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define PTIME_MS 20
#define PTIME_MAX_MS 60

/* ---- a media transport that only owns its sockets ------------------------------------------------------------------
 */

typedef struct socket_transport {
    pjmedia_transport base;
    pj_pool_t *pool;
    pjmedia_sock_info sockets;
} socket_transport;

static pj_status_t st_get_info(pjmedia_transport *tp, pjmedia_transport_info *info) {
    socket_transport *st = (socket_transport *)tp;
    info->sock_info = st->sockets;
    return PJ_SUCCESS;
}

static void st_detach(pjmedia_transport *tp, void *stream) {}

static pj_status_t st_attach2(pjmedia_transport *tp, pjmedia_transport_attach_param *param) { return PJ_SUCCESS; }

static pj_status_t st_send(pjmedia_transport *tp, const void *packet, pj_size_t size) { return PJ_SUCCESS; }

static pj_status_t st_send_rtcp2(pjmedia_transport *tp, const pj_sockaddr_t *to, unsigned to_len, const void *packet,
                                 pj_size_t size) {
    return PJ_SUCCESS;
}

static pj_status_t st_media_create(pjmedia_transport *tp, pj_pool_t *pool, unsigned options,
                                   const pjmedia_sdp_session *remote, unsigned index) {
    return PJ_SUCCESS;
}

static pj_status_t st_encode_sdp(pjmedia_transport *tp, pj_pool_t *pool, pjmedia_sdp_session *local,
                                 const pjmedia_sdp_session *remote, unsigned index) {
    return PJ_SUCCESS;
}

static pj_status_t st_media_start(pjmedia_transport *tp, pj_pool_t *pool, const pjmedia_sdp_session *local,
                                  const pjmedia_sdp_session *remote, unsigned index) {
    return PJ_SUCCESS;
}

static pj_status_t st_media_stop(pjmedia_transport *tp) { return PJ_SUCCESS; }

static pj_status_t st_simulate_lost(pjmedia_transport *tp, pjmedia_dir dir, unsigned percent) { return PJ_SUCCESS; }

static pj_status_t st_destroy(pjmedia_transport *tp) {
    socket_transport *st = (socket_transport *)tp;
    pj_pool_t *pool = st->pool;
    if (st->sockets.rtp_sock != PJ_INVALID_SOCKET)
        pj_sock_close(st->sockets.rtp_sock);
    if (st->sockets.rtcp_sock != PJ_INVALID_SOCKET)
        pj_sock_close(st->sockets.rtcp_sock);
    pj_pool_release(pool);
    return PJ_SUCCESS;
}

static pjmedia_transport_op socket_transport_op = {
    .get_info = st_get_info,
    .detach = st_detach,
    .send_rtp = st_send,
    .send_rtcp = st_send,
    .send_rtcp2 = st_send_rtcp2,
    .media_create = st_media_create,
    .encode_sdp = st_encode_sdp,
    .media_start = st_media_start,
    .media_stop = st_media_stop,
    .simulate_lost = st_simulate_lost,
    .destroy = st_destroy,
    .attach2 = st_attach2,
};

pj_status_t __wrap_pjmedia_transport_udp_attach(pjmedia_endpt *endpt, const char *name, const pjmedia_sock_info *si,
                                                unsigned options, pjmedia_transport **out);

pj_status_t __wrap_pjmedia_transport_udp_attach(pjmedia_endpt *endpt, const char *name, const pjmedia_sock_info *si,
                                                unsigned options, pjmedia_transport **out) {
    pj_pool_t *pool = pjmedia_endpt_create_pool(endpt, "softfax", 512, 512);
    socket_transport *st;

    if (!pool)
        return PJ_ENOMEM;
    st = PJ_POOL_ZALLOC_T(pool, socket_transport);
    pj_ansi_strncpy(st->base.name, "softfax", sizeof st->base.name - 1);
    st->base.type = PJMEDIA_TRANSPORT_TYPE_UDP;
    st->base.op = &socket_transport_op;
    st->pool = pool;
    st->sockets = *si;
    *out = &st->base;
    return PJ_SUCCESS;
}

/* ---- codecs: PCMU and PCMA, named for the SDP and never run
 * ---------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned payload_type;
} codecs[] = {{"PCMU", PJMEDIA_RTP_PT_PCMU}, {"PCMA", PJMEDIA_RTP_PT_PCMA}};

static pj_status_t codec_test(pjmedia_codec_factory *factory, const pjmedia_codec_info *info) {
    for (unsigned i = 0; i < PJ_ARRAY_SIZE(codecs); i++)
        if (!pj_stricmp2(&info->encoding_name, codecs[i].name) && info->clock_rate == 8000)
            return PJ_SUCCESS;
    return PJMEDIA_CODEC_EUNSUP;
}

static pj_status_t codec_attr(pjmedia_codec_factory *factory, const pjmedia_codec_info *info,
                              pjmedia_codec_param *attr) {
    pj_bzero(attr, sizeof *attr);
    attr->info.clock_rate = 8000;
    attr->info.channel_cnt = 1;
    attr->info.avg_bps = attr->info.max_bps = 64000;
    attr->info.pcm_bits_per_sample = 16;
    attr->info.frm_ptime = 20;
    attr->info.pt = (pj_uint8_t)info->pt;
    attr->setting.frm_per_pkt = 1;
    return PJ_SUCCESS;
}

static pj_status_t codec_enum(pjmedia_codec_factory *factory, unsigned *count, pjmedia_codec_info out[]) {
    unsigned n = 0;
    for (; n < *count && n < PJ_ARRAY_SIZE(codecs); n++) {
        pj_bzero(&out[n], sizeof out[n]);
        out[n].type = PJMEDIA_TYPE_AUDIO;
        out[n].encoding_name = pj_str((char *)(pj_size_t)codecs[n].name);
        out[n].pt = codecs[n].payload_type;
        out[n].clock_rate = 8000;
        out[n].channel_cnt = 1;
    }
    *count = n;
    return PJ_SUCCESS;
}

static pj_status_t codec_alloc(pjmedia_codec_factory *factory, const pjmedia_codec_info *info, pjmedia_codec **out) {
    return PJ_ENOTSUP;
}

static pj_status_t codec_dealloc(pjmedia_codec_factory *factory, pjmedia_codec *codec) { return PJ_ENOTSUP; }

static pjmedia_codec_factory codec_factory;

static pj_status_t codec_destroy(void) {
    return pjmedia_codec_mgr_unregister_factory(pjmedia_endpt_get_codec_mgr(pjsua_var.med_endpt), &codec_factory);
}

static pjmedia_codec_factory_op codec_factory_op = {codec_test,  codec_attr,    codec_enum,
                                                    codec_alloc, codec_dealloc, codec_destroy};

/* ---- pjsua's entry points for audio --------------------------------------------------------------------------------
 */

pj_status_t pjsua_aud_subsys_init(void) {
    codec_factory.op = &codec_factory_op;
    return pjmedia_codec_mgr_register_factory(pjmedia_endpt_get_codec_mgr(pjsua_var.med_endpt), &codec_factory);
}

pj_status_t pjsua_aud_subsys_start(void) { return PJ_SUCCESS; }

pj_status_t pjsua_aud_subsys_destroy(void) { return PJ_SUCCESS; }

void pjsua_aud_stop_stream(pjsua_call_media *call_med) {}

/* 0 for PCMU, 8 for PCMA, by number or, for a dynamic payload type, by its rtpmap; -1 for anything else. */
int glue_law_of(const pjmedia_sdp_media *m, const pj_str_t *format) {
    unsigned pt = (unsigned)pj_strtoul(format);
    const pjmedia_sdp_attr *attr;
    pjmedia_sdp_rtpmap map;

    for (unsigned i = 0; i < PJ_ARRAY_SIZE(codecs); i++)
        if (pt == codecs[i].payload_type)
            return (int)pt;
    attr = pjmedia_sdp_media_find_attr2(m, "rtpmap", format);
    if (pt < 96 || pt > 127 || !attr || pjmedia_sdp_attr_get_rtpmap(attr, &map) != PJ_SUCCESS || map.clock_rate != 8000)
        return -1;
    for (unsigned i = 0; i < PJ_ARRAY_SIZE(codecs); i++)
        if (!pj_stricmp2(&map.enc_name, codecs[i].name))
            return (int)codecs[i].payload_type;
    return -1;
}

/* The payload type the far end wants for `law`, -1 where it wants none. */
static int payload_type_for(const pjmedia_sdp_media *m, int law) {
    for (unsigned i = 0; i < m->desc.fmt_count; i++)
        if (glue_law_of(m, &m->desc.fmt[i]) == law)
            return (int)pj_strtoul(&m->desc.fmt[i]);
    return -1;
}

/* What we do (1 send, 2 receive) by what the far end says of itself, for the line or for the whole session. */
static int direction_by(const pjmedia_sdp_session *sdp, const pjmedia_sdp_media *m) {
    static const struct {
        const char *name;
        int ours;
    } said[] = {{"sendrecv", 3}, {"sendonly", 2}, {"recvonly", 1}, {"inactive", 0}};

    for (unsigned i = 0; i < PJ_ARRAY_SIZE(said); i++)
        if (pjmedia_sdp_media_find_attr2(m, said[i].name, NULL))
            return said[i].ours;
    for (unsigned i = 0; i < PJ_ARRAY_SIZE(said); i++)
        if (pjmedia_sdp_attr_find2(sdp->attr_count, sdp->attr, said[i].name, NULL))
            return said[i].ours;
    return 3;
}

/* An attribute of the line, or of the whole session, as a number; 0 where there is none. */
static int number_of(const pjmedia_sdp_session *sdp, const pjmedia_sdp_media *m, const char *name) {
    const pjmedia_sdp_attr *attr = pjmedia_sdp_media_find_attr2(m, name, NULL);
    unsigned long value = 0;

    if (!attr)
        attr = pjmedia_sdp_attr_find2(sdp->attr_count, sdp->attr, name, NULL);
    if (!attr || pj_strtoul3(&attr->value, &value, 10) != PJ_SUCCESS || value > 1000)
        return 0;
    return (int)value;
}

/* Milliseconds of audio in a packet, as the far end asks for (RFC 4566 §6): whole tens that the engine has. */
static int ptime_of(const pjmedia_sdp_session *sdp, const pjmedia_sdp_media *m) {
    int ptime = number_of(sdp, m, "ptime"), most = number_of(sdp, m, "maxptime");

    if (!ptime)
        ptime = PTIME_MS;
    if (most && ptime > most)
        ptime = most;
    if (ptime > PTIME_MAX_MS)
        ptime = PTIME_MAX_MS;
    return ptime < 10 ? 10 : ptime / 10 * 10;
}

/* Returns 0 unless the address is written in digits, else 1, or 2 for one that means "nowhere" (0.0.0.0, the old hold).
 * A name would have to be looked up, and be waited for by every call there is. */
static int address_kind(const pjmedia_sdp_conn *conn) {
    pj_sockaddr parsed;
    int v6 = !pj_stricmp2(&conn->addr_type, "IP6");

    if (conn->addr.slen <= 0 || conn->addr.slen >= PJ_INET6_ADDRSTRLEN)
        return 0;
    pj_sockaddr_init(v6 ? pj_AF_INET6() : pj_AF_INET(), &parsed, NULL, 0);
    if (pj_inet_pton(v6 ? pj_AF_INET6() : pj_AF_INET(), &conn->addr, pj_sockaddr_get_addr(&parsed)) != PJ_SUCCESS)
        return 0;
    return pj_sockaddr_has_addr(&parsed) ? 1 : 2;
}

static const pjmedia_sdp_conn *connection_of(const pjmedia_sdp_session *sdp, unsigned index) {
    return sdp->media[index]->conn ? sdp->media[index]->conn : sdp->conn;
}

static int media_accounts[] = {-1, -1};

/* What an account has, while it is lent other. */
static struct {
    pjsua_transport_config sockets;
    pjsua_ipv6_use ipv6;
} own;

void sfx_sip_media_accounts(int ipv4, int ipv6) {
    media_accounts[0] = ipv4;
    media_accounts[1] = ipv6;
}

static int is_v6(const pjmedia_sdp_conn *conn) { return !pj_stricmp2(&conn->addr_type, "IP6"); }

void media_lend(int acc_id, const pjmedia_sdp_session *offer) {
    pjsua_acc_config *config = &pjsua_var.acc[acc_id].cfg;
    const pjmedia_sdp_conn *conn = NULL;
    int account;

    own.sockets = config->rtp_cfg;
    own.ipv6 = config->ipv6_media_use;
    for (unsigned i = 0; offer && !conn && i < offer->media_count; i++)
        if (offer->media[i]->desc.port)
            conn = connection_of(offer, i);
    account = conn ? media_accounts[is_v6(conn)] : -1;
    if (account < 0 || pjsua_var.acc[account].cfg.ipv6_media_use == own.ipv6)
        return;
    config->rtp_cfg = pjsua_var.acc[account].cfg.rtp_cfg;
    config->ipv6_media_use = pjsua_var.acc[account].cfg.ipv6_media_use;
}

void media_take_back(int acc_id) {
    pjsua_var.acc[acc_id].cfg.rtp_cfg = own.sockets;
    pjsua_var.acc[acc_id].cfg.ipv6_media_use = own.ipv6;
}

int media_reaches(const pjsua_call *call, const pjmedia_sdp_session *offer) {
    pjmedia_transport_info info;
    pjmedia_transport *tp = call->audio_idx >= 0 ? call->media[call->audio_idx].tp : NULL;
    int v6 = 0;

    pjmedia_transport_info_init(&info);
    if (tp && pjmedia_transport_get_info(tp, &info) == PJ_SUCCESS)
        v6 = info.sock_info.rtp_addr_name.addr.sa_family == pj_AF_INET6();
    for (unsigned i = 0; i < offer->media_count; i++) {
        const pjmedia_sdp_conn *conn = connection_of(offer, i);
        if (!offer->media[i]->desc.port || pj_stricmp2(&offer->media[i]->desc.media, "audio") || !conn)
            continue;
        if (!address_kind(conn)) {
            sfx_sip_warn((int)call->index, 301, "media is sent to numeric addresses alone");
            return 0;
        }
        if (tp && v6 != is_v6(conn)) {
            sfx_sip_warn((int)call->index, 300, v6 ? "this call has IPv6" : "this call has IPv4");
            return 0;
        }
        if (!may_send_media(call, &conn->addr, offer->media[i]->desc.port)) {
            sfx_sip_warn((int)call->index, 399, "no media is sent to this address and port");
            return 0;
        }
    }
    return 1;
}

pj_status_t __real_pjmedia_stream_info_from_sdp(pjmedia_stream_info *si, pj_pool_t *pool, pjmedia_endpt *endpt,
                                                const pjmedia_sdp_session *local, const pjmedia_sdp_session *remote,
                                                unsigned index);
pj_status_t __wrap_pjmedia_stream_info_from_sdp(pjmedia_stream_info *si, pj_pool_t *pool, pjmedia_endpt *endpt,
                                                const pjmedia_sdp_session *local, const pjmedia_sdp_session *remote,
                                                unsigned index);

/* PJMEDIA would look the name up. */
pj_status_t __wrap_pjmedia_stream_info_from_sdp(pjmedia_stream_info *si, pj_pool_t *pool, pjmedia_endpt *endpt,
                                                const pjmedia_sdp_session *local, const pjmedia_sdp_session *remote,
                                                unsigned index) {
    const pjmedia_sdp_conn *conn = index < remote->media_count ? connection_of(remote, index) : NULL;
    if (conn && !address_kind(conn))
        return PJMEDIA_SDP_EINCONN;
    return __real_pjmedia_stream_info_from_sdp(si, pool, endpt, local, remote, index);
}

/* Audio is agreed (again): where to send, which law, and a descriptor of the RTP socket go to the engine. */
pj_status_t pjsua_aud_channel_update(pjsua_call_media *call_med, pj_pool_t *tmp_pool, pjmedia_stream_info *si,
                                     const pjmedia_sdp_session *local_sdp, const pjmedia_sdp_session *remote_sdp) {
    const pjmedia_sdp_media *local = local_sdp->media[call_med->idx], *remote = remote_sdp->media[call_med->idx];
    const pjmedia_sdp_conn *conn = connection_of(remote_sdp, call_med->idx);
    pjmedia_transport_info info;
    char address[PJ_INET6_ADDRSTRLEN + 1];
    sfx_sip_event event = {.type = SFX_SIP_AUDIO, .call_id = (pjsua_call_id)call_med->call->index, .fd = -1};

    if (!local->desc.port || !remote->desc.port || !conn || !local->desc.fmt_count)
        return PJ_SUCCESS;
    if (!address_kind(conn))
        return PJMEDIA_SDP_EINCONN;
    event.law = glue_law_of(local, &local->desc.fmt[0]);
    event.payload_type = event.law < 0 ? -1 : payload_type_for(remote, event.law);
    if (event.payload_type < 0)
        return PJMEDIA_CODEC_EUNSUP;
    pj_memcpy(address, conn->addr.ptr, (pj_size_t)conn->addr.slen);
    address[conn->addr.slen] = '\0';
    pjmedia_transport_info_init(&info);
    pjmedia_transport_get_info(call_med->tp, &info);
    event.fd = fcntl((int)info.sock_info.rtp_sock, F_DUPFD_CLOEXEC, 0);
    if (event.fd < 0)
        return PJ_STATUS_FROM_OS(errno);
    event.remote = address;
    event.port = remote->desc.port;
    event.direction = direction_by(remote_sdp, remote);
    event.ptime_ms = ptime_of(remote_sdp, remote);
    event.red_again = red_wanted(call_med->call->acc_id);
    event.red_rx = event.red_again && red_type_of(remote) ? red_type_of(local) : 0;
    event.red_tx = event.red_rx ? red_type_of(remote) : 0;
    if (address_kind(conn) == 2)
        event.direction &= 2;
    describe_audio(event.call_id, &event, local_sdp, remote_sdp);
    glue_emit(&event);
    return PJ_SUCCESS;
}

void pjsua_txt_stop_stream(pjsua_call_media *call_med) {}

pj_status_t pjsua_txt_channel_update(pjsua_call_media *call_med, pj_pool_t *tmp_pool, pjmedia_txt_stream_info *si,
                                     const pjmedia_sdp_session *local_sdp, const pjmedia_sdp_session *remote_sdp) {
    return PJ_SUCCESS;
}
