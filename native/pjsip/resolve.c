/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of SIP servers (RFC 3263): SRV, then A or AAAA, in threads of their own. PJSIP would call getaddrinfo() in the
 * thread of all calls, and its own resolver knows neither /etc/hosts nor what else the system is set up with.
 */
#include <arpa/nameser.h>
#include <math.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <pjsua-lib/pjsua.h>

#include "auth.h"
#include "glue.h"

#define LOOKUPS_MAX 64
#define NAME_MAX_OCTETS 255
#define SERVERS_MAX 16
#define STACK_OCTETS (512 * 1024)

typedef struct server {
    char name[NAME_MAX_OCTETS + 1];
    unsigned priority, weight, port;
    double draw;
} server;

typedef struct lookup {
    struct lookup *next;
    unsigned generation;
    char name[NAME_MAX_OCTETS + 1];
    pj_str_t asked; /* in the pool of who asks: what it gets may point there */
    pjsip_transport_type_e type;
    unsigned port, families;
    void *token;
    pjsip_resolver_callback *cb;
    pj_status_t status;
    pjsip_server_addresses found;
    pj_sockaddr named_by; /* with `guarded`, the far end that named it */
    int guarded, literal;
} lookup;

static struct {
    pthread_mutex_t lock;
    unsigned generation, under_way, families;
    int open;
    lookup *done;
} names = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- looking up, in any thread ------------------------------------------------------------------------------------
 */

/* UDP, TCP or TLS, whichever version of IP. */
static pjsip_transport_type_e ipv4_type(pjsip_transport_type_e type) {
    return (pjsip_transport_type_e)((unsigned)type & ~(unsigned)PJSIP_TRANSPORT_IPV6);
}

static unsigned port_of(const lookup *l) {
    return l->port ? l->port : (unsigned)pjsip_transport_get_default_port_for_type(l->type);
}

static void add(lookup *l, const struct sockaddr *address, socklen_t size, unsigned port, const server *s) {
    pjsip_server_address_record *entry = &l->found.entry[l->found.count];

    if (l->found.count >= PJSIP_MAX_RESOLVED_ADDRESSES || size > sizeof entry->addr)
        return;
    pj_memcpy(&entry->addr, address, size);
    pj_sockaddr_set_port(&entry->addr, (pj_uint16_t)port);
    entry->addr_len = (int)size;
    entry->name = l->asked;
    entry->priority = s ? s->priority : 0;
    entry->weight = s ? s->weight : 0;
    entry->type = address->sa_family == AF_INET6 ? l->type | PJSIP_TRANSPORT_IPV6 : ipv4_type(l->type);
    l->found.count++;
}

static void add_host(lookup *l, const char *name, unsigned port, const server *s) {
    struct addrinfo hints = {.ai_family = names.families == SFX_SIP_IPV4   ? AF_INET
                                          : names.families == SFX_SIP_IPV6 ? AF_INET6
                                                                           : AF_UNSPEC,
                             .ai_socktype = SOCK_DGRAM},
                    *all = NULL;

    if (getaddrinfo(name, NULL, &hints, &all))
        return;
    for (struct addrinfo *one = all; one; one = one->ai_next)
        add(l, one->ai_addr, one->ai_addrlen, port, s);
    freeaddrinfo(all);
}

static int by_priority(const void *a, const void *b) {
    const server *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    return x->draw < y->draw ? -1 : x->draw > y->draw;
}

static unsigned servers_in(const unsigned char *answer, int size, server *out) {
    ns_msg message;
    ns_rr rr;
    unsigned n = 0;

    if (ns_initparse(answer, size, &message) < 0)
        return 0;
    for (int i = 0; i < ns_msg_count(message, ns_s_an) && n < SERVERS_MAX; i++) {
        unsigned noise = 0;
        const unsigned char *data;
        server *s = &out[n];
        if (ns_parserr(&message, ns_s_an, i, &rr) < 0 || ns_rr_type(rr) != ns_t_srv || ns_rr_rdlen(rr) < 7)
            continue;
        data = ns_rr_rdata(rr);
        s->priority = ns_get16(data);
        s->weight = ns_get16(data + 2);
        s->port = ns_get16(data + 4);
        if (ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), data + 6, s->name, sizeof s->name) < 0 ||
            !s->name[0] || !strcmp(s->name, ".") || !s->port)
            continue;
        /* RFC 2782: among equals by lot, as often as the weight says; the least of exponential draws is just that. */
        if (getrandom(&noise, sizeof noise, 0) < 0)
            noise = 0;
        s->draw = -log((noise + 1.0) / 4294967297.0) / (s->weight ? s->weight : 0.01);
        n++;
    }
    qsort(out, n, sizeof *out, by_priority);
    return n;
}

static unsigned find_servers(const lookup *l, server *out) {
    pjsip_transport_type_e type = ipv4_type(l->type);
    const char *service = type == PJSIP_TRANSPORT_TLS   ? "_sips._tcp"
                          : type == PJSIP_TRANSPORT_TCP ? "_sip._tcp"
                                                        : "_sip._udp";
    unsigned char answer[4096];
    char name[NAME_MAX_OCTETS + 16];
    struct __res_state state;
    int size;

    memset(&state, 0, sizeof state);
    if (res_ninit(&state) < 0)
        return 0;
    state.retrans = state.retry = 2;
    snprintf(name, sizeof name, "%s.%s", service, l->name);
    size = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, sizeof answer);
    res_nclose(&state);
    return size > 0 ? servers_in(answer, size < (int)sizeof answer ? size : (int)sizeof answer, out) : 0;
}

static void look_up(lookup *l) {
    server servers[SERVERS_MAX];
    /* A port, or a name of one label (localhost, one of the local network), has no SRV. */
    unsigned n = l->port || !strchr(l->name, '.') ? 0 : find_servers(l, servers);

    for (unsigned i = 0; i < n; i++)
        add_host(l, servers[i].name, servers[i].port, &servers[i]);
    if (!n)
        add_host(l, l->name, port_of(l), NULL);
    l->status = l->found.count ? PJ_SUCCESS : PJ_ERESOLVE;
}

static void *look_up_apart(void *arg) {
    lookup *l = arg;

    look_up(l);
    pthread_mutex_lock(&names.lock);
    names.under_way--;
    if (l->generation == names.generation) {
        l->next = names.done;
        names.done = l;
        l = NULL;
    }
    pthread_mutex_unlock(&names.lock);
    free(l);
    glue_stir();
    return NULL;
}

void sfx_sip_look_up(const char *name, int port, int transport, char *out, int size) {
    static const pjsip_transport_type_e types[] = {PJSIP_TRANSPORT_UDP, PJSIP_TRANSPORT_TCP, PJSIP_TRANSPORT_TLS};
    lookup *l = calloc(1, sizeof *l);
    int used = 0;

    out[0] = '\0';
    if (l && strlen(name) <= NAME_MAX_OCTETS && transport >= 0 && transport < (int)PJ_ARRAY_SIZE(types)) {
        strcpy(l->name, name);
        l->type = types[transport];
        l->port = (unsigned)port;
        look_up(l);
    }
    for (unsigned i = 0; l && i < l->found.count; i++) {
        char text[PJ_INET6_ADDRSTRLEN];
        const pj_sockaddr *address = &l->found.entry[i].addr;
        int n;
        pj_sockaddr_print(address, text, sizeof text, 0);
        n = snprintf(out + used, (size_t)(size - used), "%s %u\n", text, pj_sockaddr_get_port(address));
        if (n < 0 || n >= size - used) {
            out[used] = '\0'; /* what fits */
            break;
        }
        used += n;
    }
    free(l);
}

/* ---- what PJSIP asks, in the thread that owns it -------------------------------------------------------------------
 */

/* A name that a far end has given leads only to what it could have named as well. */
static void leave_out(lookup *l) {
    unsigned kept = 0;

    for (unsigned i = 0; i < l->found.count; i++)
        if (peer_may_name(&l->found.entry[i].addr, &l->named_by, 0))
            l->found.entry[kept++] = l->found.entry[i];
    l->found.count = kept;
    if (!kept)
        l->status = PJ_ERESOLVE;
}

/* Keeps those of the families that the request can be sent over; the others are noted with it. */
static void divide(lookup *l) {
    pjsip_tx_data *tdata = ((const pjsip_send_state *)l->token)->tdata;
    pjsip_server_addresses *others = NULL;
    unsigned kept = 0;

    for (unsigned i = 0; i < l->found.count; i++) {
        const pjsip_server_address_record *one = &l->found.entry[i];
        if (l->families & (one->type & PJSIP_TRANSPORT_IPV6 ? SFX_SIP_IPV6 : SFX_SIP_IPV4)) {
            l->found.entry[kept++] = *one;
            continue;
        }
        if (!others)
            others = PJ_POOL_ZALLOC_T(tdata->pool, pjsip_server_addresses);
        others->entry[others->count++] = *one;
    }
    l->found.count = kept;
    if (!kept)
        l->status = PJ_ERESOLVE;
    servers_note_others(tdata, others);
}

static void tell(lookup *l) {
    if (!l->literal)
        divide(l);
    if (l->guarded)
        leave_out(l);
    if (l->status == PJ_SUCCESS && !l->guarded) {
        credentials_resolved(l->name, l->port, &l->found);
        servers_order(&l->found);
    }
    (*l->cb)(l->status, l->token, l->status == PJ_SUCCESS ? &l->found : NULL);
}

static int begin(lookup *l) {
    pthread_attr_t attr;
    pthread_t thread;
    int started = 0;

    pthread_mutex_lock(&names.lock);
    l->generation = names.generation;
    if (names.open && names.under_way < LOOKUPS_MAX) {
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attr, STACK_OCTETS);
        started = !pthread_create(&thread, &attr, look_up_apart, l);
        pthread_attr_destroy(&attr);
        names.under_way += (unsigned)started;
    }
    pthread_mutex_unlock(&names.lock);
    return started;
}

static pjsip_transport_type_e type_of(const pjsip_host_info *target) {
    if (target->type != PJSIP_TRANSPORT_UNSPECIFIED)
        return target->type;
    return target->flag & PJSIP_TRANSPORT_SECURE     ? PJSIP_TRANSPORT_TLS
           : target->flag & PJSIP_TRANSPORT_RELIABLE ? PJSIP_TRANSPORT_TCP
                                                     : PJSIP_TRANSPORT_UDP;
}

/* The families that a request can be sent over: its account has one (pjsua_init_tpselector). Names of SIP are resolved
 * for requests and responses alone, so `token` is their pjsip_send_state. */
static unsigned families_of(const void *token) {
    const pjsip_tpselector *by = &((const pjsip_send_state *)token)->tdata->tp_sel;
    pjsip_transport_type_e type;

    if (by->type == PJSIP_TPSELECTOR_IP_VER)
        return by->u.ip_ver == PJSIP_TPSELECTOR_USE_IPV6_ONLY ? SFX_SIP_IPV6 : SFX_SIP_IPV4;
    if (by->type == PJSIP_TPSELECTOR_LISTENER)
        type = by->u.listener->type;
    else if (by->type == PJSIP_TPSELECTOR_TRANSPORT)
        type = (pjsip_transport_type_e)by->u.transport->key.type;
    else
        return names.families;
    return type & PJSIP_TRANSPORT_IPV6 ? SFX_SIP_IPV6 : SFX_SIP_IPV4;
}

static void resolve(pjsip_resolver_t *resolver, pj_pool_t *pool, const pjsip_host_info *target, void *token,
                    pjsip_resolver_callback *cb) {
    lookup *l = calloc(1, sizeof *l);
    pj_sockaddr literal;

    PJ_UNUSED_ARG(resolver);
    if (!l || target->addr.host.slen <= 0 || target->addr.host.slen > NAME_MAX_OCTETS) {
        free(l);
        (*cb)(PJ_ERESOLVE, token, NULL);
        return;
    }
    pj_memcpy(l->name, target->addr.host.ptr, (pj_size_t)target->addr.host.slen);
    pj_strdup_with_null(pool, &l->asked, &target->addr.host);
    l->type = type_of(target);
    l->port = (unsigned)target->addr.port;
    l->families = families_of(token);
    l->token = token;
    l->cb = cb;
    l->guarded = peer_named_by() != NULL;
    if (l->guarded)
        pj_sockaddr_cp(&l->named_by, peer_named_by());
    if (host_parse(&l->asked, 0, &literal)) {
        add(l, (struct sockaddr *)&literal, (socklen_t)pj_sockaddr_get_len(&literal), port_of(l), NULL);
        l->status = PJ_SUCCESS;
        l->literal = 1;
    } else if (begin(l)) {
        return;
    } else {
        l->status = PJ_ERESOLVE;
    }
    tell(l);
    free(l);
}

static pjsip_ext_resolver resolver_of_ours = {resolve};

int resolve_start(unsigned families) {
    pthread_mutex_lock(&names.lock);
    names.open = 1;
    names.families = families;
    pthread_mutex_unlock(&names.lock);
    return pjsip_endpt_set_ext_resolver(pjsua_get_pjsip_endpt(), &resolver_of_ours);
}

void resolve_deliver(void) {
    lookup *l, *next;

    pthread_mutex_lock(&names.lock);
    l = names.done;
    names.done = NULL;
    pthread_mutex_unlock(&names.lock);
    for (; l; l = next) {
        next = l->next;
        tell(l);
        free(l);
    }
}

/* Lookups under way are nobody's any more: PJSIP is about to end, and with it who asked. */
void resolve_stop(void) {
    pthread_mutex_lock(&names.lock);
    names.open = 0;
    names.generation++;
    pthread_mutex_unlock(&names.lock);
    resolve_deliver();
}
