/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of any length. PJSIP has one buffer for each message it sends, as long as the longest that it takes, and
 * believes that a datagram has the body that its Content-Length promises. Here a message gets a buffer of its own
 * length; one that is shorter than it says is refused, and one too long for TCP ends its connection.
 */
#include <string.h>

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "glue.h"

#define SPARE_OCTETS 512 /* for a header that is added when it is sent again */
#define ANSWER_OCTETS 4096
#define MIN_EXPIRES_LEAST_S 60u
#define MIN_EXPIRES_MOST_S (MIN_EXPIRES_LEAST_S << 11) /* more than a day */

/* ---- what is received -----------------------------------------------------------------------------------------------
 */

/* The octets after the header, or -1 where it has no end. */
static pj_ssize_t body_octets(const pjsip_rx_data *rdata) {
    const char *text = rdata->msg_info.msg_buf, *end;
    pj_ssize_t length = rdata->msg_info.len;

    end = memmem(text, (size_t)length, "\r\n\r\n", 4);
    if (end)
        return text + length - (end + 4);
    end = memmem(text, (size_t)length, "\n\n", 2);
    return end ? text + length - (end + 2) : -1;
}

/* Whether the body is there as Content-Length says; what follows it in a datagram is none of it (RFC 3261 §18.3). */
static int is_whole(pjsip_rx_data *rdata) {
    const pjsip_clen_hdr *said = rdata->msg_info.clen;
    pjsip_msg_body *body = rdata->msg_info.msg->body;
    pj_ssize_t octets;

    if (!said)
        return 1;
    octets = body_octets(rdata);
    if (octets >= 0 && said->len > octets)
        return 0;
    if (body && octets > said->len && body->print_body == &pjsip_print_text_body) {
        body->len = (unsigned)said->len;
        rdata->msg_info.len -= (int)(octets - said->len);
    }
    return 1;
}

static pj_bool_t on_request(pjsip_rx_data *rdata) {
    const pj_str_t reason = pj_str("Body Shorter Than Content-Length");

    if (is_whole(rdata))
        return PJ_FALSE;
    if (rdata->msg_info.msg->line.req.method.id != PJSIP_ACK_METHOD)
        pjsip_endpt_respond_stateless(pjsua_var.endpt, rdata, PJSIP_SC_BAD_REQUEST, &reason, NULL, NULL);
    return PJ_TRUE;
}

/* PJSIP registers again at once for as long as a registrar wants, and does so without end where one wants more each
 * time, or more than there is: what it wants is rounded up, so that it asks a dozen times at most. */
static void round_min_expires(pjsip_rx_data *rdata) {
    pjsip_min_expires_hdr *said = pjsip_msg_find_hdr(rdata->msg_info.msg, PJSIP_H_MIN_EXPIRES, NULL);
    unsigned rounded_s = MIN_EXPIRES_LEAST_S;

    if (!said)
        return;
    while (rounded_s < said->ivalue && rounded_s < MIN_EXPIRES_MOST_S)
        rounded_s *= 2;
    said->ivalue = rounded_s;
}

/* The far end says it again, whole. */
static pj_bool_t on_response(pjsip_rx_data *rdata) {
    if (rdata->msg_info.msg->line.status.code == PJSIP_SC_INTERVAL_TOO_BRIEF)
        round_min_expires(rdata);
    return !is_whole(rdata);
}

/* ---- what is too long -----------------------------------------------------------------------------------------------
 */

/* Whether a line of a header is needed in an answer. */
static int is_echoed(const char *line, size_t size) {
    static const char *const names[] = {"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", NULL};
    const char *colon = memchr(line, ':', size);
    size_t length = colon ? (size_t)(colon - line) : 0;

    while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    for (const char *const *name = names; *name; name++)
        if (strlen(*name) == length && !strncasecmp(line, *name, length))
            return 1;
    return 0;
}

/* 513 from the beginning of a request; 0 where there is no room for it. */
static size_t answer_too_long(const char *text, size_t size, char *out, size_t room) {
    static const char status[] = "SIP/2.0 513 Message Too Large\r\n", last[] = "Content-Length: 0\r\n\r\n";
    size_t used = sizeof status - 1;

    memcpy(out, status, used);
    for (const char *line = text, *next; line < text + size; line = next) {
        const char *end = memchr(line, '\n', (size_t)(text + size - line));
        if (!end || end - line < 2)
            break;
        next = end + 1;
        if (!is_echoed(line, (size_t)(end - line)))
            continue;
        if (used + (size_t)(next - line) + sizeof last > room)
            return 0;
        memcpy(out + used, line, (size_t)(next - line));
        used += (size_t)(next - line);
    }
    memcpy(out + used, last, sizeof last - 1);
    return used + sizeof last - 1;
}

/* Of what else comes over the connection nobody knows where a message begins. */
static void on_dropped(pjsip_tp_dropped_data *dropped) {
    static char answer[ANSWER_OCTETS];
    pjsip_transport *transport = dropped->tp;
    pjsip_tpselector by = {.type = PJSIP_TPSELECTOR_TRANSPORT, .u.transport = transport};
    const char *text = dropped->data;
    size_t size = 0;

    if (dropped->status != PJSIP_ERXOVERFLOW || (transport->flag & PJSIP_TRANSPORT_DATAGRAM))
        return;
    if (dropped->len > 8 && strncmp(text, "SIP/2.0 ", 8) != 0)
        size = answer_too_long(text, dropped->len, answer, sizeof answer);
    if (size && !connections_is_ending(transport))
        pjsip_tpmgr_send_raw(transport->tpmgr, (pjsip_transport_type_e)transport->key.type, &by, NULL, answer, size,
                             &transport->key.rem_addr, transport->addr_len, NULL, NULL);
    if (transport->dir == PJSIP_TP_DIR_INCOMING) {
        connections_end(transport);
        return;
    }
    pjsip_transport_add_ref(transport);
    pjsip_transport_shutdown(transport);
    pjsip_transport_dec_ref(transport);
}

/* ---- what is sent ---------------------------------------------------------------------------------------------------
 */

/* Prints the message as it is about to be sent; PJSIP finds it printed. */
static pj_status_t on_sent(pjsip_tx_data *tdata) {
    static char text[PJSIP_MAX_PKT_LEN];
    pj_ssize_t size;

    if (tdata->buf.start && pjsip_tx_data_is_valid(tdata))
        return PJ_SUCCESS;
    size = pjsip_msg_print(tdata->msg, text, sizeof text - 1);
    if (size <= 0)
        return PJSIP_EMSGTOOLONG;
    if (!tdata->buf.start || tdata->buf.end - tdata->buf.start <= size) {
        tdata->buf.start = pj_pool_alloc(tdata->pool, (pj_size_t)size + SPARE_OCTETS);
        tdata->buf.end = tdata->buf.start + size + SPARE_OCTETS;
    }
    memcpy(tdata->buf.start, text, (size_t)size);
    tdata->buf.start[size] = '\0';
    tdata->buf.cur = tdata->buf.start + size;
    return PJ_SUCCESS;
}

/* Below transactions, which need not know of what is refused, and above the transport, which prints. */
static pjsip_module module = {.name = {"mod-softfax-messages", 20},
                              .id = -1,
                              .priority = PJSIP_MOD_PRIORITY_TSX_LAYER - 1,
                              .on_rx_request = on_request,
                              .on_rx_response = on_response,
                              .on_tx_request = on_sent,
                              .on_tx_response = on_sent};

int messages_start(void) {
    pjsip_tpmgr_set_drop_data_cb(pjsip_endpt_get_tpmgr(pjsua_var.endpt), on_dropped);
    return glue_register(&module);
}

void messages_stop(void) { glue_unregister(&module); }
