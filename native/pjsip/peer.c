/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a call comes from, which its text cannot say, and where its far end can make us send to. Contact, Record-Route
 * and SDP name addresses; none of them may be one that is nearer to us than the far end itself is, or many at once.
 */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "auth.h"
#include "glue.h"

static pjsip_module module = {.name = {"mod-softfax-peer", 16}, .id = -1, .priority = PJSIP_MOD_PRIORITY_APPLICATION};

static int (*is_account)(int acc_id);

pj_status_t peer_start(int (*account_test)(int acc_id)) {
    is_account = account_test;
    return glue_register(&module);
}

const struct peer *peer_of(const pjsip_dialog *dlg) { return module.id >= 0 ? dlg->mod_data[module.id] : NULL; }

pj_status_t __real_pjsip_dlg_create_uas_and_inc_lock(pjsip_user_agent *ua, pjsip_rx_data *rdata,
                                                     const pj_str_t *contact, pjsip_dialog **dlg);
pj_status_t __wrap_pjsip_dlg_create_uas_and_inc_lock(pjsip_user_agent *ua, pjsip_rx_data *rdata,
                                                     const pj_str_t *contact, pjsip_dialog **dlg);

pj_status_t __wrap_pjsip_dlg_create_uas_and_inc_lock(pjsip_user_agent *ua, pjsip_rx_data *rdata,
                                                     const pj_str_t *contact, pjsip_dialog **dlg) {
    pj_status_t status = __real_pjsip_dlg_create_uas_and_inc_lock(ua, rdata, contact, dlg);
    struct peer *peer;

    if (status != PJ_SUCCESS)
        return status;
    peer = PJ_POOL_ZALLOC_T((*dlg)->pool, struct peer);
    pj_sockaddr_cp(&peer->source, &rdata->pkt_info.src_addr);
    peer->type = (pjsip_transport_type_e)rdata->tp_info.transport->key.type;
    peer->by_connection = PJSIP_TRANSPORT_IS_RELIABLE(rdata->tp_info.transport);
    (*dlg)->mod_data[module.id] = peer;
    return status;
}

/* ---- what may be sent to -------------------------------------------------------------------------------------------
 */

#define LEAST_PORT 1024u

/* From the inside out: who is at one may name addresses of it, and of those below it. */
enum scope { SCOPE_NOBODY, SCOPE_LOOPBACK, SCOPE_LINK, SCOPE_PRIVATE, SCOPE_PUBLIC };

static enum scope scope_4(const unsigned char *a) {
    if (a[0] == 127)
        return SCOPE_LOOPBACK;
    if (!a[0] || a[0] >= 224)
        return SCOPE_NOBODY;
    if (a[0] == 169 && a[1] == 254)
        return SCOPE_LINK;
    return a[0] == 10 || (a[0] == 172 && a[1] >> 4 == 1) || (a[0] == 192 && a[1] == 168) ||
                   (a[0] == 100 && a[1] >> 6 == 1)
               ? SCOPE_PRIVATE
               : SCOPE_PUBLIC;
}

static enum scope scope_of(const pj_sockaddr *address) {
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff}, loopback[16] = {[15] = 1};
    const unsigned char *a = pj_sockaddr_get_addr(address);

    if (address->addr.sa_family == pj_AF_INET())
        return scope_4(a);
    if (!pj_memcmp(a, mapped, sizeof mapped))
        return scope_4(a + 12);
    if (!pj_memcmp(a, loopback, sizeof loopback))
        return SCOPE_LOOPBACK;
    if (!pj_memcmp(a, (const unsigned char[15]){0}, 15) || a[0] == 0xff)
        return SCOPE_NOBODY;
    if (a[0] == 0xfe && a[1] >> 6 == 2)
        return SCOPE_LINK;
    return a[0] >> 1 == 0x7e ? SCOPE_PRIVATE : SCOPE_PUBLIC;
}

int host_same(const pj_sockaddr *a, const pj_sockaddr *b) {
    return a->addr.sa_family == b->addr.sa_family &&
           !pj_memcmp(pj_sockaddr_get_addr(a), pj_sockaddr_get_addr(b), pj_sockaddr_get_addr_len(a));
}

int peer_may_name(const pj_sockaddr *target, const pj_sockaddr *from, int itself_alone) {
    unsigned port = pj_sockaddr_get_port(target);

    if (port < LEAST_PORT && port != pj_sockaddr_get_port(from))
        return 0;
    if (host_same(target, from))
        return 1;
    return !itself_alone && scope_of(target) != SCOPE_NOBODY && scope_of(target) >= scope_of(from);
}

int host_parse(const pj_str_t *host, unsigned port, pj_sockaddr *out) {
    int family = pj_strchr(host, ':') ? pj_AF_INET6() : pj_AF_INET();

    pj_sockaddr_init(family, out, NULL, (pj_uint16_t)port);
    return pj_inet_pton(family, host, pj_sockaddr_get_addr(out)) == PJ_SUCCESS;
}

/* Where the far end of a call is: where its INVITE came from, or where ours went. NULL before that. */
static const pj_sockaddr *far_end_of(pjsip_dialog *dlg, const pjsip_inv_session *inv, pjsip_transport_type_e *type) {
    const struct peer *peer = peer_of(dlg);
    const pjsip_server_addresses *went;

    if (peer) {
        *type = peer->type;
        return &peer->source;
    }
    if (!inv || !inv->invite_req || !inv->invite_req->dest_info.addr.count)
        return NULL;
    went = &inv->invite_req->dest_info.addr;
    *type = went->entry[inv->invite_req->dest_info.cur_addr].type;
    return &went->entry[inv->invite_req->dest_info.cur_addr].addr;
}

/* The name in a Contact that is being looked up is the far end's, so what it leads to is held to the same. */
static const pj_sockaddr *named_by;

const pj_sockaddr *peer_named_by(void) { return named_by; }

static void send_to(pjsip_tx_data *tdata, const pj_sockaddr *to, pjsip_transport_type_e type) {
    char text[PJ_INET6_ADDRSTRLEN];
    pjsip_server_addresses *all = &tdata->dest_info.addr;

    pj_bzero(all, sizeof *all);
    pj_sockaddr_print(to, text, sizeof text, 0);
    pj_strdup2(tdata->pool, &tdata->dest_info.name, text);
    all->count = 1;
    all->entry[0].name = tdata->dest_info.name;
    all->entry[0].type = type;
    pj_sockaddr_cp(&all->entry[0].addr, to);
    all->entry[0].addr_len = (int)pj_sockaddr_get_len(to);
    tdata->dest_info.cur_addr = 0;
}

pj_status_t __real_pjsip_dlg_send_request(pjsip_dialog *dlg, pjsip_tx_data *tdata, int mod_data_id, void *mod_data);
pj_status_t __wrap_pjsip_dlg_send_request(pjsip_dialog *dlg, pjsip_tx_data *tdata, int mod_data_id, void *mod_data);

/* PJSIP ends a call whose answer it cannot use by a BYE, and only then acknowledges the answer (RFC 3261 §13.2.2.4). */
static void acknowledge_first(pjsip_dialog *dlg, const pjsip_tx_data *tdata) {
    pjsip_inv_session *inv = pjsip_dlg_get_inv_session(dlg);
    pjsip_tx_data *ack = NULL;

    if (tdata->msg->line.req.method.id != PJSIP_BYE_METHOD || !inv || inv->role != PJSIP_ROLE_UAC || inv->last_ack ||
        !inv->invite_tsx || inv->invite_tsx->status_code / 100 != 2)
        return;
    if (pjsip_inv_create_ack(inv, inv->invite_tsx->cseq, &ack) == PJ_SUCCESS)
        pjsip_dlg_send_request(dlg, ack, -1, NULL);
}

/* A request within a call goes to where the far end is, when it names an address that it may not, or, a stranger who
 * called us, any but its own. That is also what a far end behind NAT wants. */
pj_status_t __wrap_pjsip_dlg_send_request(pjsip_dialog *dlg, pjsip_tx_data *tdata, int mod_data_id, void *mod_data) {
    const pjsip_to_hdr *to = pjsip_msg_find_hdr(tdata->msg, PJSIP_H_TO, NULL);
    const pjsua_call *call = dlg->mod_data[pjsua_var.mod.id];
    pjsip_transport_type_e type = PJSIP_TRANSPORT_UDP;
    const pj_sockaddr *from = far_end_of(dlg, pjsip_dlg_get_inv_session(dlg), &type);
    pjsip_host_info dest;
    pj_sockaddr target;
    pj_status_t status;
    int stranger = dlg->role == PJSIP_ROLE_UAS && !(call && is_account(call->acc_id));

    acknowledge_first(dlg, tdata);
    if (!from || !to || !to->tag.slen || pjsip_get_request_dest(tdata, &dest) != PJ_SUCCESS)
        return __real_pjsip_dlg_send_request(dlg, tdata, mod_data_id, mod_data);
    if (host_parse(&dest.addr.host,
                   dest.addr.port ? (unsigned)dest.addr.port
                                  : (unsigned)pjsip_transport_get_default_port_for_type(dest.type),
                   &target)) {
        if (!peer_may_name(&target, from, stranger))
            send_to(tdata, from, type);
    } else if (stranger) {
        send_to(tdata, from, type);
    }
    named_by = from;
    status = __real_pjsip_dlg_send_request(dlg, tdata, mod_data_id, mod_data);
    named_by = NULL;
    return status;
}

int may_send_media(const pjsua_call *call, const pj_str_t *host, unsigned port) {
    pjsip_transport_type_e type;
    const pj_sockaddr *from;
    pj_sockaddr target;
    enum scope scope;

    if (!host_parse(host, port, &target))
        return 0;
    if (!pj_sockaddr_has_addr(&target))
        return 1; /* on hold (RFC 2543): nothing is sent */
    scope = scope_of(&target);
    from = call->inv ? far_end_of(call->inv->dlg, call->inv, &type) : NULL;
    if (scope == SCOPE_NOBODY || port < LEAST_PORT)
        return 0;
    return scope != SCOPE_LOOPBACK || (from && scope_of(from) == SCOPE_LOOPBACK);
}

int sfx_sip_may_send_media(int call_id, const char *host, int port) {
    pj_str_t text = pj_str((char *)(pj_size_t)host);

    return call_id >= 0 && call_id < (int)pjsua_var.ua_cfg.max_calls &&
           may_send_media(&pjsua_var.calls[call_id], &text, (unsigned)port);
}

/* ---- what a call came over -----------------------------------------------------------------------------------------
 */

int sfx_sip_by_tls(int call_id) {
    const pjsua_call *call;

    if (call_id < 0 || call_id >= (int)pjsua_var.ua_cfg.max_calls)
        return 0;
    call = &pjsua_var.calls[call_id];
    return call->incoming_data && PJSIP_TRANSPORT_IS_SECURE(call->incoming_data->tp_info.transport);
}
