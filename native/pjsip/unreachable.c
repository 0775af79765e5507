/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far ends that ICMP reports as unreachable, over UDP, and servers that are silent or refuse (503) while others are
 * left.
 *
 * PJSIP repeats a request for half a minute whatever ICMP says. Here the socket keeps these errors (IP_RECVERR) with
 * the address that they are about, and a request that has had no response ends at the second, of which each needs a
 * transmission: the second is due half a second after the first, and a single error, stray or forged, ends nothing.
 *
 * A server that says nothing is waited for as long as RFC 3261 says only where it is the last (servers.c).
 *
 * An error is also pending on the socket, where it would fail the next read or the next message to any other far end.
 * PJSIP sees none of that: the linker wraps pj_sock_sendto and pj_sock_recvfrom.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h>

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "auth.h"
#include "glue.h"

#define REQUESTS_MAX (PJSUA_MAX_CALLS + 2 * PJSUA_MAX_ACC)
#define KEY_OCTETS 128
#define ERRORS_MAX 64 /* addresses at a time; of what is beyond, the next transmission brings another */
#define ERRORS_WANTED 2u
#define TRIES 8
#define REQUEST_MS 35000u           /* PJSIP's own end of a request without a response, and a little */
#define SILENT_MS 6000u             /* four transmissions */
#define SILENT_CONNECTION_MS 10000u /* it may take 7 s to come about */

/* A request without a final response. */
typedef struct request {
    char key[KEY_OCTETS]; /* of its transaction */
    size_t key_size;
    pj_sockaddr to;
    uint64_t sent_ms;
    unsigned transmissions, errors;
    int by_udp, has_others; /* servers to ask instead */
    int is_answered;        /* by a provisional response at least: it goes on */
    int is_silent;          /* and known to be */
} request;

/* What is about a port says that the host is there. */
typedef struct icmp_error {
    pj_sockaddr to;
    int is_port;
    unsigned count;
} icmp_error;

static struct {
    pj_sock_t socks[2]; /* of IPv4 and IPv6 */
    request requests[REQUESTS_MAX];
    unsigned request_count;
    icmp_error errors[ERRORS_MAX];
    unsigned error_count;
} all = {.socks = {PJ_INVALID_SOCKET, PJ_INVALID_SOCKET}};

/* ---- errors of the socket -------------------------------------------------------------------------------------------
 */

static void keep(const pj_sockaddr *to, int is_port) {
    for (unsigned i = 0; i < all.error_count; i++)
        if (!pj_sockaddr_cmp(&all.errors[i].to, to)) {
            all.errors[i].count++;
            return;
        }
    if (all.error_count == ERRORS_MAX)
        return;
    pj_sockaddr_cp(&all.errors[all.error_count].to, to);
    all.errors[all.error_count].count = 1;
    all.errors[all.error_count++].is_port = is_port;
}

/* Whether an error says that the far end cannot be reached; others (a message too big, a hop too many) do not. */
static int is_unreachable(const struct sock_extended_err *error, int *is_port) {
    if (error->ee_origin == SO_EE_ORIGIN_ICMP && error->ee_type == ICMP_DEST_UNREACH) {
        *is_port = error->ee_code == ICMP_PORT_UNREACH;
        return error->ee_code != ICMP_FRAG_NEEDED && error->ee_code != ICMP_SR_FAILED;
    }
    if (error->ee_origin == SO_EE_ORIGIN_ICMP6 && error->ee_type == ICMP6_DST_UNREACH) {
        *is_port = error->ee_code == ICMP6_DST_UNREACH_NOPORT;
        return 1;
    }
    return 0;
}

/* Empties a socket's queue of errors; how many there were. */
static unsigned read_errors(pj_sock_t sock) {
    unsigned count = 0;

    for (; count < ERRORS_MAX; count++) {
        pj_sockaddr to;
        char control[512], quoted;
        struct iovec part = {.iov_base = &quoted, .iov_len = 1};
        struct msghdr message = {.msg_name = &to,
                                 .msg_namelen = sizeof to,
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};

        memset(&to, 0, sizeof to);
        if (recvmsg((int)sock, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            break;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
            struct sock_extended_err error;
            int is_port;

            if (!((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                  (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) ||
                c->cmsg_len < CMSG_LEN(sizeof error) || !message.msg_namelen)
                continue;
            memcpy(&error, CMSG_DATA(c), sizeof error);
            if (is_unreachable(&error, &is_port))
                keep(&to, is_port);
        }
    }
    return count;
}

static int is_socket_error(pj_sock_t sock, pj_status_t status) {
    return (sock == all.socks[0] || sock == all.socks[1]) && sock != PJ_INVALID_SOCKET && status != PJ_SUCCESS &&
           status != PJ_STATUS_FROM_OS(EWOULDBLOCK) && status != PJ_STATUS_FROM_OS(EBADF);
}

pj_status_t __real_pj_sock_sendto(pj_sock_t sock, const void *data, pj_ssize_t *size, unsigned flags,
                                  const pj_sockaddr_t *to, int to_size);
pj_status_t __wrap_pj_sock_sendto(pj_sock_t sock, const void *data, pj_ssize_t *size, unsigned flags,
                                  const pj_sockaddr_t *to, int to_size);
pj_status_t __real_pj_sock_recvfrom(pj_sock_t sock, void *data, pj_ssize_t *size, unsigned flags, pj_sockaddr_t *from,
                                    int *from_size);
pj_status_t __wrap_pj_sock_recvfrom(pj_sock_t sock, void *data, pj_ssize_t *size, unsigned flags, pj_sockaddr_t *from,
                                    int *from_size);

/* An error of this very message comes again, and is PJSIP's; what was pending is gone. */
pj_status_t __wrap_pj_sock_sendto(pj_sock_t sock, const void *data, pj_ssize_t *size, unsigned flags,
                                  const pj_sockaddr_t *to, int to_size) {
    const pj_ssize_t whole = *size;
    pj_status_t status = __real_pj_sock_sendto(sock, data, size, flags, to, to_size);

    for (unsigned tries = 0; tries < TRIES && is_socket_error(sock, status); tries++) {
        if (!read_errors(sock) && tries)
            break;
        *size = whole;
        status = __real_pj_sock_sendto(sock, data, size, flags, to, to_size);
    }
    return status;
}

pj_status_t __wrap_pj_sock_recvfrom(pj_sock_t sock, void *data, pj_ssize_t *size, unsigned flags, pj_sockaddr_t *from,
                                    int *from_size) {
    const pj_ssize_t room = *size;
    const int from_room = from_size ? *from_size : 0;
    pj_status_t status = __real_pj_sock_recvfrom(sock, data, size, flags, from, from_size);

    for (unsigned tries = 0; tries < TRIES && is_socket_error(sock, status); tries++) {
        if (!read_errors(sock) && tries)
            break;
        *size = room;
        if (from_size)
            *from_size = from_room;
        status = __real_pj_sock_recvfrom(sock, data, size, flags, from, from_size);
    }
    return status;
}

/* ---- requests without a response ------------------------------------------------------------------------------------
 */

static request *find(const pj_str_t *key) {
    for (unsigned i = 0; i < all.request_count; i++)
        if (all.requests[i].key_size == (size_t)key->slen && !memcmp(all.requests[i].key, key->ptr, (size_t)key->slen))
            return &all.requests[i];
    return NULL;
}

static void drop(request *r) {
    const request *last = &all.requests[--all.request_count];
    if (r != last)
        *r = *last;
}

static request *add(const pj_str_t *key) {
    request *r;
    uint64_t now_ms = glue_now_ms();

    for (unsigned i = all.request_count; all.request_count == REQUESTS_MAX && i-- > 0;)
        if (now_ms - all.requests[i].sent_ms > REQUEST_MS)
            drop(&all.requests[i]);
    if (all.request_count == REQUESTS_MAX || key->slen > KEY_OCTETS)
        return NULL;
    r = &all.requests[all.request_count++];
    memset(r, 0, sizeof *r);
    memcpy(r->key, key->ptr, (size_t)key->slen);
    r->key_size = (size_t)key->slen;
    r->sent_ms = now_ms;
    return r;
}

/* A request that is watched: none within a call. */
static int is_first(const pjsip_tx_data *tdata) {
    const pjsip_to_hdr *to = pjsip_msg_find_hdr(tdata->msg, PJSIP_H_TO, NULL);
    const pjsip_method_e method = tdata->msg->line.req.method.id;

    return to && !to->tag.slen &&
           (method == PJSIP_INVITE_METHOD || method == PJSIP_REGISTER_METHOD || method == PJSIP_OPTIONS_METHOD);
}

/* An INVITE sent again with a password was answered, and may not be ended. */
static int was_answered(const pjsip_tx_data *tdata) {
    return tdata->msg->line.req.method.id == PJSIP_INVITE_METHOD &&
           (pjsip_msg_find_hdr(tdata->msg, PJSIP_H_AUTHORIZATION, NULL) ||
            pjsip_msg_find_hdr(tdata->msg, PJSIP_H_PROXY_AUTHORIZATION, NULL));
}

/* The socket is PJSIP's, and may be another after a start. */
static void watch(pjsip_transport *transport) {
    const pj_sock_t sock = pjsip_udp_transport_get_socket(transport);
    const int on = 1, is_v6 = (transport->key.type & PJSIP_TRANSPORT_IPV6) != 0;

    if (sock == all.socks[is_v6])
        return;
    all.socks[is_v6] = sock;
    if (is_v6)
        setsockopt((int)sock, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    else
        setsockopt((int)sock, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
}

/* The key of our request's transaction, which PJSIP makes from what is received alone. */
static int key_of(pj_pool_t *pool, const pjsip_method *method, const pjsip_via_hdr *via, pj_str_t *key) {
    static const pj_str_t prefix = {PJSIP_RFC3261_BRANCH_ID, PJSIP_RFC3261_BRANCH_LEN};
    static pjsip_rx_data received;

    if (pj_strnicmp(&via->branch_param, &prefix, PJSIP_RFC3261_BRANCH_LEN) != 0)
        return 0;
    received.msg_info.via = (pjsip_via_hdr *)(pj_size_t)via;
    return pjsip_tsx_create_key(pool, key, PJSIP_ROLE_UAC, method, &received) == PJ_SUCCESS;
}

static pj_status_t on_request_sent(pjsip_tx_data *tdata) {
    const pjsip_via_hdr *via = pjsip_msg_find_hdr(tdata->msg, PJSIP_H_VIA, NULL);
    pjsip_transport *transport = tdata->tp_info.transport;
    pj_str_t key;
    request *r;
    int by_udp;

    if (!transport || !via || !is_first(tdata))
        return PJ_SUCCESS;
    by_udp = (transport->key.type & ~(unsigned)PJSIP_TRANSPORT_IPV6) == PJSIP_TRANSPORT_UDP;
    if (by_udp)
        watch(transport);
    /* Those before it PJSIP could not even send to. */
    for (unsigned i = 0; i < tdata->dest_info.cur_addr && i < tdata->dest_info.addr.count; i++)
        servers_failed(&tdata->dest_info.addr.entry[i].addr, 0);
    if (!key_of(tdata->pool, &tdata->msg->line.req.method, via, &key))
        return PJ_SUCCESS;
    r = find(&key);
    if (!r)
        r = add(&key);
    if (r) {
        pj_sockaddr_cp(&r->to, &tdata->tp_info.dst_addr);
        r->transmissions++;
        r->by_udp = by_udp;
        r->has_others = servers_left(tdata) > 0;
        r->is_answered |= was_answered(tdata);
    }
    return PJ_SUCCESS;
}

static void heard(const pj_sockaddr *server, const pjsip_msg *response) {
    const pjsip_retry_after_hdr *after = pjsip_msg_find_hdr(response, PJSIP_H_RETRY_AFTER, NULL);

    if (response->line.status.code == PJSIP_SC_SERVICE_UNAVAILABLE)
        servers_failed(server, after && after->ivalue > 0 ? (unsigned)after->ivalue : 0);
    else
        servers_answered(server);
}

static pj_bool_t on_response(pjsip_rx_data *rdata) {
    pj_str_t key;
    request *r;

    if (all.request_count && key_of(rdata->tp_info.pool, &rdata->msg_info.cseq->method, rdata->msg_info.via, &key)) {
        r = find(&key);
        if (r) {
            heard(&r->to, rdata->msg_info.msg);
            r->is_answered = 1;
            if (rdata->msg_info.msg->line.status.code >= 200)
                drop(r);
        }
    }
    return PJ_FALSE;
}

/* ---- their end ------------------------------------------------------------------------------------------------------
 */

/* softfax.reasons has the same words, and what to do about it. */
static char port_text[] = "nothing listens at the far end's address and port (ICMP: port unreachable)",
            host_text[] = "the far end's address cannot be reached (ICMP: host unreachable)",
            silent_text[] = "the server does not answer";
static const pj_str_t port_reason = {port_text, sizeof port_text - 1}, host_reason = {host_text, sizeof host_text - 1},
                      silent_reason = {silent_text, sizeof silent_text - 1};

const pj_str_t *__real_pjsip_get_status_text(int code);
const pj_str_t *__wrap_pjsip_get_status_text(int code);

/* Of the transaction that is being ended, for which PJSIP would say "Service Unavailable" as a server does. */
static const pj_str_t *reason;

const pj_str_t *__wrap_pjsip_get_status_text(int code) {
    const pj_str_t *ours = code == PJSIP_SC_TSX_TRANSPORT_ERROR ? reason : NULL;

    if (!ours)
        return __real_pjsip_get_status_text(code);
    reason = NULL;
    return ours;
}

static void end(const request *r, const pj_str_t *why) {
    pj_str_t key = {(char *)(pj_size_t)r->key, (pj_ssize_t)r->key_size};
    pjsip_transaction *tsx = pjsip_tsx_layer_find_tsx2(&key, PJ_TRUE);

    if (!tsx)
        return;
    if (tsx->role == PJSIP_ROLE_UAC && tsx->state == PJSIP_TSX_STATE_CALLING && !tsx->status_code) {
        reason = why;
        pjsip_tsx_terminate(tsx, PJSIP_SC_TSX_TRANSPORT_ERROR);
        reason = NULL;
    }
    pj_grp_lock_dec_ref(tsx->grp_lock);
}

/* The next server is asked while there is one; of the last, it is noted. */
static void end_silent(void) {
    const uint64_t now_ms = glue_now_ms();

    for (unsigned i = all.request_count; i-- > 0;) {
        request *r = &all.requests[i], ended;

        if (i >= all.request_count || r->is_answered || r->is_silent ||
            now_ms - r->sent_ms < (r->by_udp ? SILENT_MS : SILENT_CONNECTION_MS))
            continue;
        r->is_silent = 1;
        servers_failed(&r->to, 0);
        if (!r->has_others)
            continue;
        ended = *r;
        drop(r);
        end(&ended, &silent_reason);
    }
}

void unreachable_sweep(void) {
    for (unsigned i = 0; i < PJ_ARRAY_SIZE(all.socks); i++)
        if (all.socks[i] != PJ_INVALID_SOCKET)
            read_errors(all.socks[i]);
    for (unsigned e = 0; e < all.error_count; e++)
        for (unsigned i = all.request_count; i-- > 0;) {
            request *r = &all.requests[i], ended;

            if (i >= all.request_count) /* what ended sent something */
                continue;
            if (r->is_answered || !r->by_udp || pj_sockaddr_cmp(&r->to, &all.errors[e].to))
                continue;
            r->errors += all.errors[e].count;
            if (r->errors > r->transmissions)
                r->errors = r->transmissions; /* others are of other requests */
            if (r->errors < ERRORS_WANTED)
                continue;
            ended = *r;
            drop(r);
            servers_failed(&ended.to, 0);
            end(&ended, all.errors[e].is_port ? &port_reason : &host_reason);
        }
    all.error_count = 0;
    end_silent();
}

/* Below transactions, where the address is known. */
static pjsip_module module = {.name = {"mod-softfax-unreachable", 23},
                              .id = -1,
                              .priority = PJSIP_MOD_PRIORITY_TSX_LAYER - 1,
                              .on_rx_response = on_response,
                              .on_tx_request = on_request_sent};

int unreachable_start(void) {
    all.socks[0] = all.socks[1] = PJ_INVALID_SOCKET;
    all.request_count = all.error_count = 0;
    return glue_register(&module);
}

void unreachable_stop(void) { glue_unregister(&module); }
