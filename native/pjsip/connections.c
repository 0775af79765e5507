/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that far ends open, over TCP and TLS: how many there may be, and how long they may keep silent.
 *
 * PJSIP takes as many as come, keeps each for ten minutes, and stops listening when it can take no more. Here each is
 * counted as it is accepted (the linker wraps pj_sock_accept and pj_sock_close), which holds for TLS before its
 * handshake too. One that is to end is shut down below PJSIP, which then sees its end as if the far end had closed it.
 *
 * One that we open may take SYN_REPEATS repetitions and no longer (around pj_sock_connect): where a firewall swallows
 * them, PJSIP would wait for half a minute, and say that nobody answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pjsua-lib/pjsua.h>

#include "glue.h"
#include "sources.h"

#define CONNECTIONS_MAX 2048
#define KNOWN_MAX 1024        /* from servers of accounts, in all */
#define KNOWN_ADDRESS_MAX 128 /* from one of their addresses */
#define FIRST_MESSAGE_MS 10000u
#define SILENCE_MS 60000u /* of an unknown source without a call; PJSIP ends the others after ten minutes */
#define UNREAD_OCTETS_MAX (256 * 1024)
#define REFUSED_AT_ONCE 64
#define SYN_REPEATS 2 /* after 1 and 3 s; the end is after 7 s */

typedef struct connection {
    pj_sock_t sock;
    pj_sockaddr peer;
    source from;
    int known, spoken, ending;
    unsigned calls;
    uint64_t accepted_ms, heard_ms;
} connection;

static struct {
    connection list[CONNECTIONS_MAX];
    unsigned count, unknown_max;
    int reserve; /* a descriptor given up to accept and refuse when there is none left */
} all = {.unknown_max = 256, .reserve = -1};

void connections_limit(unsigned unknown_max) {
    all.unknown_max = unknown_max < CONNECTIONS_MAX - KNOWN_MAX ? unknown_max : CONNECTIONS_MAX - KNOWN_MAX;
}

static connection *of_peer(const pj_sockaddr *peer) {
    for (unsigned i = 0; i < all.count; i++)
        if (!pj_sockaddr_cmp(&all.list[i].peer, peer))
            return &all.list[i];
    return NULL;
}

static void end(connection *c, atomic_ulong *counter) {
    if (c->ending)
        return;
    c->ending = 1;
    shutdown((int)c->sock, SHUT_RDWR);
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- how many there may be ------------------------------------------------------------------------------------------
 */

/* Whether `a` is given up before `b`: one that never said anything before others, then the one silent for longest. */
static int goes_before(const connection *a, const connection *b) {
    if (a->spoken != b->spoken)
        return !a->spoken;
    return a->spoken ? a->heard_ms < b->heard_ms : a->accepted_ms < b->accepted_ms;
}

/* With all places taken, the newcomer gets that of the unknown source that has kept silent for longest. */
static int make_room(void) {
    connection *least = NULL;
    for (unsigned i = 0; i < all.count; i++) {
        connection *c = &all.list[i];
        if (!c->known && !c->ending && !c->calls && (!least || goes_before(c, least)))
            least = c;
    }
    if (!least)
        return 0;
    end(least, &sfx_counters.connections_ended);
    return 1;
}

static int has_room(const source *from, int is_known) {
    unsigned address = 0, network = 0, in_all = 0;
    for (unsigned i = 0; i < all.count; i++) {
        const connection *c = &all.list[i];
        if (c->ending || c->known != is_known)
            continue;
        in_all++;
        address += !memcmp(&c->from, from, sizeof *from);
        network += source_same_network(&c->from, from);
    }
    if (all.count == CONNECTIONS_MAX)
        return 0;
    if (is_known)
        return in_all < KNOWN_MAX && address < KNOWN_ADDRESS_MAX;
    if (address >= share_of(all.unknown_max, 16) || network >= share_of(all.unknown_max, 4))
        return 0;
    return in_all < all.unknown_max || make_room();
}

static void refuse(int fd) {
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    atomic_fetch_add_explicit(&sfx_counters.connections_refused, 1, memory_order_relaxed);
}

static int take(pj_sock_t sock, const pj_sockaddr *peer) {
    source from = source_of(peer);
    int is_known = source_is_known(&from);
    connection *c;

    if (!has_room(&from, is_known))
        return 0;
    c = &all.list[all.count++];
    memset(c, 0, sizeof *c);
    c->sock = sock;
    pj_sockaddr_cp(&c->peer, peer);
    c->from = from;
    c->known = is_known;
    c->accepted_ms = glue_now_ms();
    return 1;
}

/* No descriptor is left: the one kept for this takes the connection, to refuse it. Otherwise it would be offered again
 * and again. */
static void refuse_without_descriptor(pj_sock_t listener) {
    int fd;
    if (all.reserve < 0)
        return;
    close(all.reserve);
    fd = accept((int)listener, NULL, NULL);
    if (fd >= 0)
        refuse(fd);
    all.reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

pj_status_t __real_pj_sock_accept(pj_sock_t listener, pj_sock_t *sock, pj_sockaddr_t *address, int *size);
pj_status_t __wrap_pj_sock_accept(pj_sock_t listener, pj_sock_t *sock, pj_sockaddr_t *address, int *size);
pj_status_t __real_pj_sock_close(pj_sock_t sock);
pj_status_t __wrap_pj_sock_close(pj_sock_t sock);

/* PJSIP stops listening after errors: it sees none but that nobody waits. */
pj_status_t __wrap_pj_sock_accept(pj_sock_t listener, pj_sock_t *sock, pj_sockaddr_t *address, int *size) {
    const pj_status_t nobody = PJ_STATUS_FROM_OS(EWOULDBLOCK);
    int room = size ? *size : 0;

    if (!address || !size)
        return __real_pj_sock_accept(listener, sock, address, size);
    for (unsigned tries = 0; tries < REFUSED_AT_ONCE; tries++) {
        pj_status_t status;
        *size = room;
        status = __real_pj_sock_accept(listener, sock, address, size);
        if (status == PJ_SUCCESS) {
            if (take(*sock, address))
                return status;
            refuse((int)*sock);
        } else if (status == PJ_STATUS_FROM_OS(EMFILE) || status == PJ_STATUS_FROM_OS(ENFILE)) {
            refuse_without_descriptor(listener);
        } else if (status == nobody || status == PJ_STATUS_FROM_OS(EBADF) || status == PJ_STATUS_FROM_OS(EINVAL)) {
            break;
        }
    }
    *sock = PJ_INVALID_SOCKET;
    return nobody;
}

pj_status_t __real_pj_sock_connect(pj_sock_t sock, const pj_sockaddr_t *address, int size);
pj_status_t __wrap_pj_sock_connect(pj_sock_t sock, const pj_sockaddr_t *address, int size);

pj_status_t __wrap_pj_sock_connect(pj_sock_t sock, const pj_sockaddr_t *address, int size) {
    const int repeats = SYN_REPEATS;
    int type = 0;
    socklen_t room = sizeof type;

    if (!getsockopt((int)sock, SOL_SOCKET, SO_TYPE, &type, &room) && type == SOCK_STREAM)
        setsockopt((int)sock, IPPROTO_TCP, TCP_SYNCNT, &repeats, sizeof repeats);
    return __real_pj_sock_connect(sock, address, size);
}

pj_status_t __wrap_pj_sock_close(pj_sock_t sock) {
    for (unsigned i = 0; i < all.count; i++)
        if (all.list[i].sock == sock) {
            all.list[i] = all.list[--all.count];
            break;
        }
    return __real_pj_sock_close(sock);
}

/* ---- how long they may keep silent ----------------------------------------------------------------------------------
 */

void connections_heard(const pjsip_rx_data *rdata) {
    connection *c;
    int unread = 0;

    if (rdata->tp_info.transport->flag & PJSIP_TRANSPORT_DATAGRAM)
        return;
    c = of_peer(&rdata->pkt_info.src_addr);
    if (!c)
        return;
    c->spoken = 1;
    c->heard_ms = glue_now_ms();
    /* What it does not read would fill memory. */
    if (!ioctl((int)c->sock, SIOCOUTQ, &unread) && unread > UNREAD_OCTETS_MAX)
        end(c, &sfx_counters.connections_ended);
}

int connections_is_ending(const pjsip_transport *transport) {
    const connection *c = of_peer(&transport->key.rem_addr);
    return c && c->ending;
}

void connections_end(const pjsip_transport *transport) {
    connection *c = of_peer(&transport->key.rem_addr);
    if (c)
        end(c, &sfx_counters.connections_ended);
}

pjsip_transport *connections_hold(pjsip_transport *transport) {
    connection *c;
    if ((transport->flag & PJSIP_TRANSPORT_DATAGRAM) || transport->dir != PJSIP_TP_DIR_INCOMING)
        return NULL;
    pjsip_transport_add_ref(transport);
    c = of_peer(&transport->key.rem_addr);
    if (c)
        c->calls++;
    return transport;
}

void connections_release(pjsip_transport *transport) {
    connection *c;
    if (!transport)
        return;
    c = of_peer(&transport->key.rem_addr);
    if (c && c->calls)
        c->calls--;
    pjsip_transport_dec_ref(transport);
}

void connections_sweep(void) {
    uint64_t now_ms = glue_now_ms();
    for (unsigned i = 0; i < all.count; i++) {
        connection *c = &all.list[i];
        if (!c->spoken && now_ms - c->accepted_ms > FIRST_MESSAGE_MS)
            end(c, &sfx_counters.connections_ended);
        else if (c->spoken && !c->known && !c->calls && now_ms - c->heard_ms > SILENCE_MS)
            end(c, &sfx_counters.connections_ended);
    }
}

void connections_start(void) {
    if (all.reserve < 0)
        all.reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void connections_stop(void) {
    all.count = 0;
    if (all.reserve >= 0)
        close(all.reserve);
    all.reserve = -1;
}
