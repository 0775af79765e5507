/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Passwords of accounts, and who may have an answer to a challenge made with one. PJSIP is given none: it would answer
 * every challenge within a call, from any server, and so help who calls us to guess the password, or to place a call
 * with it. Here a challenge is answered only
 *
 * - for a request that went to a server of the account, by its address and port, when the response came from one;
 * - in a call that the account placed, or that came in from one of its servers;
 * - for a realm that the account names, or, if it names none, that its server showed when it was asked first;
 * - within a call only if nothing lies behind the server (no Record-Route): a proxy passes challenges on from any far
 * end, and passes on what answers them.
 */
#include <stdlib.h>
#include <string.h>

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "auth.h"
#include "glue.h"

#define HOSTS_MAX 4
#define HOST_OCTETS_MAX 255
#define SERVERS_MAX 64
#define REALM_OCTETS_MAX 255
#define NONCES_MAX 32

typedef struct credentials {
    char *user, *password, *realms;
    struct {
        char name[HOST_OCTETS_MAX + 1];
        unsigned port; /* 0: as it is looked up */
    } hosts[HOSTS_MAX];
    unsigned host_count;
    pj_sockaddr servers[SERVERS_MAX];
    unsigned server_count, server_next;
    char learnt[REALM_OCTETS_MAX + 1]; /* the realm shown first; a registrar may change its own */
    int has_learnt, has_learnt_from_registrar;
    struct {
        uint64_t nonce;
        unsigned used;
    } nonces[NONCES_MAX];
    unsigned nonce_next;
} credentials;

static credentials *accounts[PJSUA_MAX_ACC];

static credentials *of_account(int acc_id) { return acc_id >= 0 && acc_id < PJSUA_MAX_ACC ? accounts[acc_id] : NULL; }

int credentials_is_account(int acc_id) { return of_account(acc_id) != NULL; }

/* ---- what the owner says -------------------------------------------------------------------------------------------
 */

static void wipe(char **secret) {
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

void sfx_sip_forget(int acc_id) {
    credentials *c = of_account(acc_id);

    if (!c)
        return;
    wipe(&c->password);
    free(c->user);
    free(c->realms);
    free(c);
    accounts[acc_id] = NULL;
}

void credentials_stop(void) {
    for (int i = 0; i < PJSUA_MAX_ACC; i++)
        sfx_sip_forget(i);
}

static void add_server(credentials *c, const pj_sockaddr *address) {
    for (unsigned i = 0; i < c->server_count; i++)
        if (!pj_sockaddr_cmp(&c->servers[i], address))
            return;
    pj_sockaddr_cp(&c->servers[c->server_next], address);
    c->server_next = (c->server_next + 1) % SERVERS_MAX;
    if (c->server_count < SERVERS_MAX)
        c->server_count++;
}

int sfx_sip_servers(int acc_id, const char *const *hosts, const int *ports, int count) {
    credentials *c = of_account(acc_id);

    if (!c || count < 0)
        return PJ_EINVAL;
    c->host_count = 0;
    for (int i = 0; i < count; i++) {
        pj_str_t text = pj_str((char *)(pj_size_t)hosts[i]);
        pj_sockaddr address;
        if (host_parse(&text, (unsigned)ports[i], &address)) {
            if (ports[i])
                add_server(c, &address);
        } else if (c->host_count < HOSTS_MAX && strlen(hosts[i]) <= HOST_OCTETS_MAX) {
            strcpy(c->hosts[c->host_count].name, hosts[i]);
            c->hosts[c->host_count++].port = (unsigned)ports[i];
        }
    }
    return PJ_SUCCESS;
}

int sfx_sip_credentials(int acc_id, const char *user, const char *password, const char *realms) {
    credentials *c;

    if (acc_id < 0 || acc_id >= PJSUA_MAX_ACC)
        return PJ_EINVAL;
    sfx_sip_forget(acc_id);
    accounts[acc_id] = c = calloc(1, sizeof *c);
    if (!c)
        return PJ_ENOMEM;
    c->user = strdup(user);
    c->password = strdup(password);
    c->realms = strdup(realms);
    if (c->user && c->password && c->realms)
        return PJ_SUCCESS;
    sfx_sip_forget(acc_id);
    return PJ_ENOMEM;
}

/* What PJSIP is about to send to: the addresses of a server change between two of the owner's own looks. */
void credentials_resolved(const char *name, unsigned port, const pjsip_server_addresses *found) {
    for (int i = 0; i < PJSUA_MAX_ACC; i++)
        for (unsigned h = 0; accounts[i] && h < accounts[i]->host_count; h++)
            if (accounts[i]->hosts[h].port == port && !strcasecmp(accounts[i]->hosts[h].name, name))
                for (unsigned k = 0; k < found->count; k++)
                    add_server(accounts[i], &found->entry[k].addr);
}

/* ---- who may have an answer ----------------------------------------------------------------------------------------
 */

static int is_server(const credentials *c, const pj_sockaddr *address, int at_its_port) {
    for (unsigned i = 0; i < c->server_count; i++)
        if (at_its_port ? !pj_sockaddr_cmp(&c->servers[i], address) : host_same(&c->servers[i], address))
            return 1;
    return 0;
}

/* The account of a session and, of a call's, its dialog; -1 for what is neither a registration nor a call of ours. */
static int account_of(const pjsip_auth_clt_sess *sess, const pjsip_rx_data *rdata, pjsip_dialog **dlg) {
    pjsua_call *call;

    *dlg = pjsip_rdata_get_dlg((pjsip_rx_data *)(pj_size_t)rdata);
    if (!*dlg) {
        for (int i = 0; i < PJSUA_MAX_ACC; i++)
            if (pjsua_var.acc[i].valid && pjsua_var.acc[i].regc &&
                pjsip_regc_get_auth_sess(pjsua_var.acc[i].regc) == sess)
                return i;
        return -1;
    }
    call = (*dlg)->mod_data[pjsua_var.mod.id];
    return sess == &(*dlg)->auth_sess && call && call->inv && call->inv->dlg == *dlg ? call->acc_id : -1;
}

static int within_call(const pjsip_tx_data *request) {
    const pjsip_to_hdr *to = pjsip_msg_find_hdr(request->msg, PJSIP_H_TO, NULL);
    return !to || to->tag.slen;
}

static enum sfx_sip_unanswered why_not(const credentials *c, pjsip_dialog *dlg, const pjsip_rx_data *rdata,
                                       const pjsip_tx_data *request) {
    const struct peer *peer = dlg ? peer_of(dlg) : NULL;

    if (!is_server(c, &request->tp_info.dst_addr, 1) || !is_server(c, &rdata->pkt_info.src_addr, 0))
        return SFX_SIP_NOT_THE_SERVER;
    if (dlg && dlg->role == PJSIP_ROLE_UAS && (!peer || !is_server(c, &peer->source, !peer->by_connection)))
        return SFX_SIP_CALL_OF_A_STRANGER;
    if (dlg && within_call(request) && !pj_list_empty(&dlg->route_set))
        return SFX_SIP_BEHIND_A_PROXY;
    return SFX_SIP_ANSWERED;
}

static int names(const char *realms, const pj_str_t *realm) {
    for (const char *line = realms; *line;) {
        size_t size = strcspn(line, "\n");
        if ((pj_ssize_t)size == realm->slen && !memcmp(line, realm->ptr, size))
            return 1;
        line += size + (line[size] == '\n');
    }
    return 0;
}

/* Whether the account has a password for a realm. A request outside a call teaches the realm of a server. */
static int has_realm(credentials *c, const pj_str_t *realm, const pjsip_tx_data *request) {
    int registers = request->msg->line.req.method.id == PJSIP_REGISTER_METHOD;

    if (realm->slen > REALM_OCTETS_MAX || pj_strchr(realm, '\0'))
        return 0;
    if (c->realms[0])
        return names(c->realms, realm);
    if (registers ? !c->has_learnt_from_registrar || pj_strcmp2(realm, c->learnt)
                  : !c->has_learnt && !within_call(request)) {
        pj_memcpy(c->learnt, realm->ptr, (pj_size_t)realm->slen);
        c->learnt[realm->slen] = '\0';
        c->has_learnt = 1;
        c->has_learnt_from_registrar |= registers;
    }
    return c->has_learnt && !pj_strcmp2(realm, c->learnt);
}

/* How often a nonce has been used, this time included (RFC 7616 §3.4: the server counts, too). */
static unsigned count_of(credentials *c, const pj_str_t *nonce) {
    uint64_t key = 14695981039346656037u;

    for (pj_ssize_t i = 0; i < nonce->slen; i++)
        key = (key ^ (unsigned char)nonce->ptr[i]) * 1099511628211u;
    for (unsigned i = 0; i < NONCES_MAX; i++)
        if (c->nonces[i].used && c->nonces[i].nonce == key)
            return ++c->nonces[i].used;
    c->nonces[c->nonce_next].nonce = key;
    c->nonces[c->nonce_next].used = 1;
    c->nonce_next = (c->nonce_next + 1) % NONCES_MAX;
    return 1;
}

/* ---- answering -----------------------------------------------------------------------------------------------------
 */

static pj_status_t unanswered(int acc_id, enum sfx_sip_unanswered why, const pjsip_rx_data *rdata,
                              const pj_str_t *realm) {
    char text[REALM_OCTETS_MAX + 1] = "";
    sfx_sip_event event = {.type = SFX_SIP_UNANSWERED,
                           .call_id = acc_id,
                           .code = (int)why,
                           .fd = -1,
                           .remote = rdata->pkt_info.src_name,
                           .port = rdata->pkt_info.src_port,
                           .remote_sdp = text};

    if (realm)
        pj_memcpy(text, realm->ptr, realm->slen < REALM_OCTETS_MAX ? (pj_size_t)realm->slen : REALM_OCTETS_MAX);
    glue_emit(&event);
    return PJSIP_ENOCREDENTIAL;
}

pj_status_t __real_pjsip_auth_clt_reinit_req(pjsip_auth_clt_sess *sess, const pjsip_rx_data *rdata,
                                             pjsip_tx_data *old_request, pjsip_tx_data **new_request);
pj_status_t __wrap_pjsip_auth_clt_reinit_req(pjsip_auth_clt_sess *sess, const pjsip_rx_data *rdata,
                                             pjsip_tx_data *old_request, pjsip_tx_data **new_request);

/* In place of PJSIP's: makes the request once more, with an answer to the challenges in a 401 or 407. */
pj_status_t __wrap_pjsip_auth_clt_reinit_req(pjsip_auth_clt_sess *sess, const pjsip_rx_data *rdata,
                                             pjsip_tx_data *old_request, pjsip_tx_data **new_request) {
    const pjsip_www_authenticate_hdr *chosen[CHALLENGES_MAX];
    const pj_str_t *other_realm = NULL;
    pjsip_dialog *dlg;
    int acc_id = account_of(sess, rdata, &dlg);
    credentials *c = of_account(acc_id);
    enum sfx_sip_unanswered why;
    unsigned count, answered = 0;
    pjsip_via_hdr *via;
    pj_status_t status = PJSIP_EAUTHNOAUTH;

    old_request->auth_retry = PJ_FALSE;
    if (!c || !c->user[0])
        return PJSIP_ENOCREDENTIAL;
    why = why_not(c, dlg, rdata, old_request);
    if (why != SFX_SIP_ANSWERED)
        return unanswered(acc_id, why, rdata, NULL);
    count = digest_choose(rdata->msg_info.msg, chosen);
    if (!count && digest_wants_other_qop(rdata->msg_info.msg))
        return unanswered(acc_id, SFX_SIP_ANOTHER_QOP, rdata, NULL);
    for (unsigned i = 0; i < count; i++) {
        const pjsip_digest_challenge *challenge = &chosen[i]->challenge.digest;
        pjsip_authorization_hdr *answer;
        if (!has_realm(c, &challenge->realm, old_request)) {
            other_realm = &challenge->realm;
            continue;
        }
        status = digest_may_answer(chosen[i], old_request);
        if (status == PJ_SUCCESS)
            status =
                digest_answer(chosen[i], old_request, c->user, c->password, count_of(c, &challenge->nonce), &answer);
        if (status != PJ_SUCCESS)
            continue;
        pjsip_msg_add_hdr(old_request->msg, (pjsip_hdr *)answer);
        answered++;
    }
    if (!answered)
        return other_realm ? unanswered(acc_id, SFX_SIP_ANOTHER_REALM, rdata, other_realm) : status;

    via = pjsip_msg_find_hdr(old_request->msg, PJSIP_H_VIA, NULL);
    via->branch_param.slen = 0;
    pjsip_restore_strict_route_set(old_request);
    pjsip_tx_data_invalidate_msg(old_request);
    old_request->auth_retry = PJ_TRUE;
    pjsip_tx_data_add_ref(old_request);
    *new_request = old_request;
    return PJ_SUCCESS;
}
