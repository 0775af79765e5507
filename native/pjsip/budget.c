/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls of unknown sources: how many may begin in a second, and how many may wait for their ACK.
 *
 * An INVITE costs its sender nothing, and us a call that is held for half a minute when no ACK comes. Whose ACK has
 * come was there to read the answer. What is over the budget is refused below transactions (503 with Retry-After),
 * where it costs a few microseconds and leaves nothing behind, no message in a trace either.
 */
#include <string.h>
#include <sys/random.h>

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"
#include "sources.h"

#define PENDING_MAX 1024
#define PENDING_MS 40000u /* 64 times T1 until PJSIP gives up, and a little more */
#define SLOW_MS 1000u     /* a call not answered by then waits like one without its ACK */
#define BUCKETS 512
#define ADDRESS_PER_S 20.0
#define ADDRESS_BURST 120.0
#define ALL_PER_S 60.0
#define ALL_BURST 240.0
/* An ACK gives its call's place back: who reads our answers may begin more of them, as many as a big order takes. */
#define RETURNED_PER_S 60.0
#define RETURNED_BURST 600.0
#define RETRY_AFTER_S 10

/* A call that has not been acknowledged yet. */
typedef struct pending {
    uint64_t id, since_ms;
    source from;
    uint64_t answered; /* our tag, 0 before there is an answer */
} pending;

/* How many calls may begin: one is added each 1/rate seconds. */
typedef struct bucket {
    source from;
    double left;
    uint64_t at_ms;
} bucket;

static struct {
    pending list[PENDING_MAX];
    unsigned count, limit;
    bucket addresses[BUCKETS], in_all, returned;
    unsigned bucket_count;
    uint64_t seed;
    int refusing;
    atomic_int closed;
} calls = {.limit = 25};

void budget_limit(unsigned unacknowledged) { calls.limit = unacknowledged; }

void budget_close(int closed) { atomic_store(&calls.closed, closed); }

int budget_closed(void) { return atomic_load(&calls.closed); }

int budget_is_refusing(void) { return calls.refusing; }

/* ---- calls that wait for their ACK ----------------------------------------------------------------------------------
 */

static uint64_t mix(uint64_t hash, const pj_str_t *text) {
    for (pj_ssize_t i = 0; i < text->slen; i++)
        hash = (hash ^ (unsigned char)text->ptr[i]) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

static uint64_t call_id(const pj_str_t *call_id_text, const pj_str_t *far_tag) {
    return mix(mix(calls.seed, call_id_text), far_tag);
}

static pending *find(uint64_t id) {
    for (unsigned i = 0; i < calls.count; i++)
        if (calls.list[i].id == id)
            return &calls.list[i];
    return NULL;
}

static void forget(uint64_t id) {
    pending *p = find(id);
    if (p)
        *p = calls.list[--calls.count];
}

static void forget_old(uint64_t now_ms) {
    for (unsigned i = 0; i < calls.count;)
        if (now_ms - calls.list[i].since_ms > PENDING_MS)
            calls.list[i] = calls.list[--calls.count];
        else
            i++;
}

static int may_wait(const source *from, uint64_t now_ms) {
    unsigned address = 0, network = 0, in_all = 0;

    forget_old(now_ms);
    for (unsigned i = 0; i < calls.count; i++) {
        const pending *p = &calls.list[i];
        if (!p->answered && now_ms - p->since_ms < SLOW_MS)
            continue; /* a burst of calls that are about to be answered */
        in_all++;
        address += !memcmp(&p->from, from, sizeof *from);
        network += source_same_network(&p->from, from);
    }
    return calls.count < PENDING_MAX && in_all < calls.limit && address < share_of(calls.limit, 2) &&
           network < calls.limit - calls.limit / 4;
}

/* ---- how often they begin -------------------------------------------------------------------------------------------
 */

static void refill(bucket *b, double per_s, double burst, uint64_t now_ms) {
    b->left += (double)(now_ms - b->at_ms) / 1000.0 * per_s;
    b->at_ms = now_ms;
    if (b->left > burst)
        b->left = burst;
}

/* The bucket of an address; the one unused for longest becomes that of a new address. */
static bucket *bucket_of(const source *from, uint64_t now_ms) {
    bucket *oldest = &calls.addresses[0];

    for (unsigned i = 0; i < calls.bucket_count; i++) {
        bucket *b = &calls.addresses[i];
        if (!memcmp(&b->from, from, sizeof *from))
            return b;
        if (b->at_ms < oldest->at_ms)
            oldest = b;
    }
    if (calls.bucket_count < BUCKETS)
        oldest = &calls.addresses[calls.bucket_count++];
    *oldest = (bucket){.from = *from, .left = ADDRESS_BURST, .at_ms = now_ms};
    return oldest;
}

static int may_begin(const source *from, uint64_t now_ms) {
    bucket *b = bucket_of(from, now_ms);

    refill(b, ADDRESS_PER_S, ADDRESS_BURST, now_ms);
    refill(&calls.in_all, ALL_PER_S, ALL_BURST, now_ms);
    if (b->left < 1.0 || calls.in_all.left < 1.0)
        return 0;
    b->left -= 1.0;
    calls.in_all.left -= 1.0;
    return 1;
}

/* Only who has read the answer knows our tag. */
static void acknowledged(uint64_t id, const pj_str_t *our_tag) {
    pending *p = find(id);
    uint64_t now_ms;
    bucket *b;

    if (!p || !p->answered || p->answered != mix(calls.seed, our_tag))
        return;
    now_ms = glue_now_ms();
    b = bucket_of(&p->from, now_ms);
    *p = calls.list[--calls.count];
    refill(&calls.returned, RETURNED_PER_S, RETURNED_BURST, now_ms);
    if (calls.returned.left < 1.0)
        return;
    calls.returned.left -= 1.0;
    b->left += 1.0;
    calls.in_all.left += 1.0;
}

/* ---- messages -------------------------------------------------------------------------------------------------------
 */

static int is_retransmission(const pjsip_rx_data *rdata) {
    pj_str_t key;
    pjsip_transaction *tsx;

    if (pjsip_tsx_create_key(rdata->tp_info.pool, &key, PJSIP_ROLE_UAS, &rdata->msg_info.msg->line.req.method, rdata))
        return 0;
    tsx = pjsip_tsx_layer_find_tsx(&key, PJ_FALSE);
    return tsx != NULL;
}

/* Called by the contact that an account registered, which only its registrar knows. */
static int names_our_contact(const pjsip_msg *msg) {
    const pj_str_t name = pj_str("line");
    const pjsip_param *line;

    if (!PJSIP_URI_SCHEME_IS_SIP(msg->line.req.uri) && !PJSIP_URI_SCHEME_IS_SIPS(msg->line.req.uri))
        return 0;
    line = pjsip_param_find(&((pjsip_sip_uri *)pjsip_uri_get_uri(msg->line.req.uri))->other_param, &name);
    return line && line->value.slen > 0 && source_token_is_known(line->value.ptr, (size_t)line->value.slen);
}

static void refuse(pjsip_rx_data *rdata, atomic_ulong *counter) {
    pjsip_hdr list;

    pj_list_init(&list);
    pj_list_push_back(&list, pjsip_retry_after_hdr_create(rdata->tp_info.pool, RETRY_AFTER_S));
    calls.refusing = 1;
    pjsip_endpt_respond_stateless(pjsua_var.endpt, rdata, PJSIP_SC_SERVICE_UNAVAILABLE, NULL, &list, NULL);
    calls.refusing = 0;
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static pj_bool_t on_invite(pjsip_rx_data *rdata) {
    source from = source_of(&rdata->pkt_info.src_addr);
    uint64_t now_ms = glue_now_ms();

    if (rdata->msg_info.to->tag.slen || is_retransmission(rdata))
        return PJ_FALSE;
    if (budget_closed() == SFX_SIP_FULL) {
        refuse(rdata, &sfx_counters.calls_overload);
        return PJ_TRUE;
    }
    if (source_is_known(&from) || names_our_contact(rdata->msg_info.msg))
        return PJ_FALSE;
    if (!may_wait(&from, now_ms) || !may_begin(&from, now_ms)) {
        refuse(rdata, &sfx_counters.calls_refused);
        return PJ_TRUE;
    }
    calls.list[calls.count++] = (pending){
        .id = call_id(&rdata->msg_info.cid->id, &rdata->msg_info.from->tag), .since_ms = now_ms, .from = from};
    return PJ_FALSE;
}

static pj_bool_t on_request(pjsip_rx_data *rdata) {
    const pj_str_t *to_tag = &rdata->msg_info.to->tag;

    connections_heard(rdata);
    switch (rdata->msg_info.msg->line.req.method.id) {
    case PJSIP_INVITE_METHOD:
        return on_invite(rdata);
    case PJSIP_ACK_METHOD:
        acknowledged(call_id(&rdata->msg_info.cid->id, &rdata->msg_info.from->tag), to_tag);
        /* What is answered without a transaction carries the branch as its tag, and nobody waits for its ACK. */
        return to_tag->slen && !pj_strcmp(to_tag, &rdata->msg_info.via->branch_param);
    default:
        return PJ_FALSE;
    }
}

static pj_bool_t on_response(pjsip_rx_data *rdata) {
    connections_heard(rdata);
    return PJ_FALSE;
}

/* Our answer to an INVITE, or to the BYE that ends the call. */
static pj_status_t on_answer(pjsip_tx_data *tdata) {
    const pjsip_cid_hdr *cid = pjsip_msg_find_hdr(tdata->msg, PJSIP_H_CALL_ID, NULL);
    const pjsip_from_hdr *from = pjsip_msg_find_hdr(tdata->msg, PJSIP_H_FROM, NULL);
    const pjsip_to_hdr *to = pjsip_msg_find_hdr(tdata->msg, PJSIP_H_TO, NULL);
    const pjsip_cseq_hdr *cseq = pjsip_msg_find_hdr(tdata->msg, PJSIP_H_CSEQ, NULL);
    int code = tdata->msg->line.status.code, invited;
    pending *p;

    if (!calls.count || calls.refusing || code < 200 || !cid || !from || !to || !cseq)
        return PJ_SUCCESS;
    invited = cseq->method.id == PJSIP_INVITE_METHOD;
    p = find(call_id(&cid->id, &from->tag));
    if (p && ((invited && code >= 300) || (cseq->method.id == PJSIP_BYE_METHOD && code < 300)))
        *p = calls.list[--calls.count];
    else if (p && invited)
        p->answered = mix(calls.seed, &to->tag);
    return PJ_SUCCESS;
}

/* Our BYE, after half a minute without an ACK. */
static pj_status_t on_sent(pjsip_tx_data *tdata) {
    const pjsip_cid_hdr *cid = pjsip_msg_find_hdr(tdata->msg, PJSIP_H_CALL_ID, NULL);
    const pjsip_to_hdr *to = pjsip_msg_find_hdr(tdata->msg, PJSIP_H_TO, NULL);

    if (calls.count && tdata->msg->line.req.method.id == PJSIP_BYE_METHOD && cid && to)
        forget(call_id(&cid->id, &to->tag));
    return PJ_SUCCESS;
}

/* Before the trace, and before transactions. */
static pjsip_module module = {.name = {"mod-softfax-budget", 18},
                              .id = -1,
                              .priority = PJSIP_MOD_PRIORITY_TRANSPORT_LAYER - 2,
                              .on_rx_request = on_request,
                              .on_rx_response = on_response,
                              .on_tx_request = on_sent,
                              .on_tx_response = on_answer};

int budget_start(void) {
    uint64_t now_ms = glue_now_ms();
    calls.count = calls.bucket_count = 0;
    atomic_store(&calls.closed, 0);
    calls.in_all = (bucket){.left = ALL_BURST, .at_ms = now_ms};
    calls.returned = (bucket){.left = RETURNED_BURST, .at_ms = now_ms};
    if (getrandom(&calls.seed, sizeof calls.seed, 0) < 0)
        calls.seed = now_ms;
    return glue_register(&module);
}

void budget_stop(void) { glue_unregister(&module); }
