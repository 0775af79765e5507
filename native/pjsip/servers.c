/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Servers that have failed (RFC 3263 §4.3): silent, unreachable, or 503. While another of the same name is left, they
 * come last. PJSIP by itself takes the first address for ever, over UDP whatever becomes of it.
 */
#include <pthread.h>

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "auth.h"
#include "glue.h"

#define FAILED_MAX 128
#define FIRST_S 60u /* doubled each time it fails again */
#define LONGEST_S 600u
#define RETRY_AFTER_MAX_S 3600u

typedef struct failed_server {
    pj_sockaddr address;
    unsigned times;
    uint64_t until_ms;
} failed_server;

/* Written in the thread of PJSIP, read in any. */
static struct {
    pthread_mutex_t lock;
    failed_server all[FAILED_MAX];
    unsigned count;
} failed = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Keeps with each request the servers that its account has no family for, and another may. */
static pjsip_module module = {
    .name = {"mod-softfax-servers", 19}, .id = -1, .priority = PJSIP_MOD_PRIORITY_APPLICATION};

void servers_note_others(pjsip_tx_data *tdata, pjsip_server_addresses *others) {
    if (module.id >= 0)
        tdata->mod_data[module.id] = others;
}

static failed_server *find(const pj_sockaddr *address) {
    for (unsigned i = 0; i < failed.count; i++)
        if (!pj_sockaddr_cmp(&failed.all[i].address, address))
            return &failed.all[i];
    return NULL;
}

static failed_server *oldest(void) {
    failed_server *found = &failed.all[0];

    for (unsigned i = 1; i < failed.count; i++)
        if (failed.all[i].until_ms < found->until_ms)
            found = &failed.all[i];
    return found;
}

void servers_failed(const pj_sockaddr *address, unsigned retry_after_s) {
    uint64_t now_ms = glue_now_ms();
    unsigned wait_s;
    failed_server *f;

    pthread_mutex_lock(&failed.lock);
    f = find(address);
    if (!f) {
        f = failed.count < FAILED_MAX ? &failed.all[failed.count++] : oldest();
        pj_bzero(f, sizeof *f);
        pj_sockaddr_cp(&f->address, address);
    }
    wait_s = f->times < 4 ? FIRST_S << f->times : LONGEST_S;
    if (wait_s > LONGEST_S)
        wait_s = LONGEST_S;
    if (retry_after_s)
        wait_s = retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S;
    /* Failures of requests that were under way together are one. */
    if (f->until_ms <= now_ms)
        f->times++;
    if (f->until_ms < now_ms + wait_s * 1000u)
        f->until_ms = now_ms + wait_s * 1000u;
    pthread_mutex_unlock(&failed.lock);
}

void servers_answered(const pj_sockaddr *address) {
    failed_server *f;

    pthread_mutex_lock(&failed.lock);
    f = find(address);
    if (f)
        *f = failed.all[--failed.count];
    pthread_mutex_unlock(&failed.lock);
}

int servers_is_failed(const pj_sockaddr *address) {
    const failed_server *f;
    int is;

    pthread_mutex_lock(&failed.lock);
    f = find(address);
    is = f && f->until_ms > glue_now_ms();
    pthread_mutex_unlock(&failed.lock);
    return is;
}

void servers_order(pjsip_server_addresses *found) {
    pjsip_server_addresses ordered = {0};

    for (int want = 0; want <= 1; want++)
        for (unsigned i = 0; i < found->count; i++)
            if (servers_is_failed(&found->entry[i].addr) == want)
                ordered.entry[ordered.count++] = found->entry[i];
    *found = ordered;
}

unsigned servers_left(const pjsip_tx_data *tdata) {
    const pjsip_server_addresses *all = &tdata->dest_info.addr;
    unsigned left = 0;

    for (unsigned i = 0; i < all->count; i++)
        left += i != tdata->dest_info.cur_addr && !servers_is_failed(&all->entry[i].addr);
    all = module.id >= 0 ? tdata->mod_data[module.id] : NULL;
    for (unsigned i = 0; all && i < all->count; i++)
        left += !servers_is_failed(&all->entry[i].addr);
    return left;
}

int sfx_sip_next_server(int call_id) {
    const pjsua_call *call;
    const pjsip_tx_data *invite;
    const pj_sockaddr *server;

    if (call_id < 0 || call_id >= (int)pjsua_var.ua_cfg.max_calls)
        return 0;
    call = &pjsua_var.calls[call_id];
    invite = call->inv ? call->inv->invite_req : NULL;
    if (!invite || call->inv->role != PJSIP_ROLE_UAC || invite->dest_info.cur_addr >= invite->dest_info.addr.count)
        return 0;
    server = &invite->dest_info.addr.entry[invite->dest_info.cur_addr].addr;
    if (call->inv->invite_tsx && call->inv->invite_tsx->transport_err != PJ_SUCCESS)
        servers_failed(server, 0); /* no connection came about */
    return servers_is_failed(server) && servers_left(invite);
}

int sfx_sip_is_failed(const char *host, int port) {
    pj_str_t text = pj_str((char *)(pj_size_t)host);
    pj_sockaddr address;

    return host_parse(&text, (unsigned)port, &address) && servers_is_failed(&address);
}

pj_status_t servers_start(void) {
    pthread_mutex_lock(&failed.lock);
    failed.count = 0;
    pthread_mutex_unlock(&failed.lock);
    return glue_register(&module);
}

void servers_stop(void) { glue_unregister(&module); }
