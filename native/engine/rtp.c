/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rtp.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <tiffio.h>

#include <spandsp.h>

#include "engine.h"

/* ---- G.711 by table: spandsp's inline functions fill them once ------------------------------------------------ */

static int16_t decode_table[2][256];
static uint8_t encode_table[2][1 << 14]; /* by the upper 14 bits: no step is finer than 8 */
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_tables(void) {
    for (int i = 0; i < 256; i++) {
        decode_table[0][i] = ulaw_to_linear((uint8_t)i);
        decode_table[1][i] = alaw_to_linear((uint8_t)i);
    }
    for (int i = 0; i < 1 << 14; i++) {
        int linear = (int16_t)(i << 2 | 2); /* the middle of the four */
        encode_table[0][i] = linear_to_ulaw(linear);
        encode_table[1][i] = linear_to_alaw(linear);
    }
}

void law_init(void) { pthread_once(&tables_once, make_tables); }

void law_encode(int law, const int16_t *amp, uint8_t *out, size_t n) {
    const uint8_t *table = encode_table[law == SFX_LAW_PCMA];
    for (size_t i = 0; i < n; i++)
        out[i] = table[(uint16_t)amp[i] >> 2];
}

void law_decode(int law, const uint8_t *in, int16_t *amp, size_t n) {
    const int16_t *table = decode_table[law == SFX_LAW_PCMA];
    for (size_t i = 0; i < n; i++)
        amp[i] = table[in[i]];
}

int law_silence(int law) { return encode_table[law == SFX_LAW_PCMA][0]; }

/* ---- sending ------------------------------------------------------------------------------------------------- */

void rtp_tx_init(rtp_tx *tx, int payload_type, int law, uint32_t random) {
    memset(tx, 0, sizeof *tx);
    tx->payload_type = payload_type;
    tx->law = law;
    tx->first = 1;
    tx->ssrc = random;
    tx->seq = (uint16_t)(random >> 7 & 0x7fff); /* below 2^15, as RFC 3550 advises for SRTP's sake */
    tx->timestamp = random * 2654435761u;
    tx->octets = RTP_FRAME;
}

int rtp_tx_ptime(rtp_tx *tx, int ptime_ms) {
    if (ptime_ms < 10 || ptime_ms % 10 || ptime_ms * 8 > RTP_MAX_PAYLOAD)
        return -EINVAL;
    tx->octets = (unsigned)ptime_ms * 8;
    return 0;
}

static void put32(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

void rtp_tx_skip(rtp_tx *tx, unsigned packets, uint32_t samples, int paused) {
    tx->seq = (uint16_t)(tx->seq + packets);
    tx->timestamp += samples;
    tx->first = tx->first || paused;
    if (paused)
        tx->earlier_count = 0;
}

void rtp_tx_red(rtp_tx *tx, int red_type, unsigned again) {
    tx->red_type = red_type;
    tx->again = again < RED_MOST ? again : RED_MOST;
    tx->earlier_count = 0;
}

static void keep(rtp_tx *tx, const uint8_t *octets, size_t len) {
    rtp_sent *kept;

    if (tx->earlier_count == tx->again)
        memmove(tx->earlier, tx->earlier + 1, --tx->earlier_count * sizeof *tx->earlier);
    kept = &tx->earlier[tx->earlier_count++];
    kept->timestamp = tx->timestamp;
    kept->payload_type = tx->payload_type;
    kept->len = len;
    memcpy(kept->octets, octets, len);
}

static size_t put_redundant(rtp_tx *tx, const uint8_t *octets, size_t len, uint8_t *out) {
    red_blocks blocks = {.own = {tx->payload_type, 0, octets, len}, .count = tx->earlier_count};
    size_t size;

    for (unsigned i = 0; i < tx->earlier_count; i++) {
        const rtp_sent *e = &tx->earlier[i];
        blocks.earlier[i] = (red_block){e->payload_type, tx->timestamp - e->timestamp, e->octets, e->len};
    }
    size = red_build(&blocks, out, RED_ROOM);
    keep(tx, octets, len);
    return size;
}

static size_t put_packet(rtp_tx *tx, const uint8_t *octets, size_t len, uint8_t *out) {
    int redundant = tx->red_type && tx->again;
    size_t size = len;

    if (redundant)
        size = put_redundant(tx, octets, len, out + RTP_HEADER);
    else
        memcpy(out + RTP_HEADER, octets, len);
    out[0] = 0x80;
    out[1] = (uint8_t)((redundant ? tx->red_type : tx->payload_type) | (tx->first ? 0x80 : 0));
    out[2] = (uint8_t)(tx->seq >> 8);
    out[3] = (uint8_t)tx->seq;
    put32(out + 4, tx->timestamp);
    put32(out + 8, tx->ssrc);
    tx->first = 0;
    tx->seq++;
    tx->timestamp += (uint32_t)len;
    tx->packets++;
    return RTP_HEADER + size;
}

void rtp_put(rtp_tx *tx, const int16_t *amp) {
    law_encode(tx->law, amp, tx->waiting + tx->used, RTP_FRAME);
    tx->used += RTP_FRAME;
}

size_t rtp_next(rtp_tx *tx, uint8_t *out) {
    size_t len;

    if (tx->used < tx->octets)
        return 0;
    len = put_packet(tx, tx->waiting, tx->octets, out);
    tx->used -= tx->octets;
    memmove(tx->waiting, tx->waiting + tx->octets, tx->used);
    return len;
}

size_t rtp_build_octets(rtp_tx *tx, const uint8_t *octets, size_t len, uint8_t *out) {
    tx->used = 0;
    return put_packet(tx, octets, len, out);
}

/* ---- receiving ----------------------------------------------------------------------------------------------- */

typedef struct rtp_view {
    uint16_t seq;
    uint32_t timestamp, ssrc;
    int law;
    const uint8_t *payload;
    size_t len;
    red_blocks red; /* whose own block is the payload; none where the packet is of one block */
} rtp_view;

static uint32_t get32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int rtp_header_length(const uint8_t *p, size_t len) {
    size_t header;
    if (len < RTP_HEADER || p[0] >> 6 != 2)
        return -EBADMSG;
    header = RTP_HEADER + 4u * (p[0] & 0x0f);
    if (p[0] & 0x10) {
        if (len < header + 4)
            return -EBADMSG;
        header += 4 + 4u * (size_t)(p[header + 2] << 8 | p[header + 3]);
    }
    return header <= len ? (int)header : -EBADMSG;
}

uint32_t rtp_ssrc(const uint8_t *packet) { return get32(packet + 8); }

uint16_t rtp_seq(const uint8_t *packet) { return (uint16_t)(packet[2] << 8 | packet[3]); }

/* A far end that was offered both laws may change over without a word; other payload types (events of RFC 4733, comfort
 * noise) are no samples. */
static int law_of(const rtp_rx *rx, int type) {
    if (type == rx->payload_type)
        return rx->law;
    return type == SFX_LAW_PCMU || type == SFX_LAW_PCMA ? type : -1;
}

/* Header, then padding (RFC 3550 §5.1), then blocks if it is of several. */
static int parse(const uint8_t *p, size_t len, const rtp_rx *rx, rtp_view *v) {
    int length = rtp_header_length(p, len), type = length < 0 ? -1 : p[1] & 0x7f;
    size_t header = (size_t)length;
    if (length < 0)
        return -EBADMSG;
    if (p[0] & 0x20) {
        if (p[len - 1] == 0 || p[len - 1] > len)
            return -EBADMSG;
        len -= p[len - 1];
    }
    if (len <= header)
        return -EBADMSG;
    v->seq = rtp_seq(p);
    v->timestamp = get32(p + 4);
    v->ssrc = rtp_ssrc(p);
    v->payload = p + header;
    v->len = len - header;
    v->red.count = 0;
    if (rx->red_type && type == rx->red_type) {
        if (red_parse(v->payload, v->len, &v->red) < 0)
            return -EBADMSG;
        type = v->red.own.payload_type;
        v->payload = v->red.own.octets;
        v->len = v->red.own.len;
    }
    v->law = law_of(rx, type);
    return v->law < 0 || !v->len || v->len > RTP_MAX_PAYLOAD ? -EBADMSG : 0;
}

int rtp_has_samples(const rtp_rx *rx, const uint8_t *packet, size_t len) {
    rtp_view v;
    return !parse(packet, len, rx, &v) && v.len >= RTP_FRAME / 2;
}

void rtp_rx_init(rtp_rx *rx, int payload_type, int law) {
    memset(rx, 0, sizeof *rx);
    rx->payload_type = payload_type;
    rx->law = law;
}

static void fill(rtp_rx *rx, int samples, rtp_deliver deliver, void *user) {
    if (samples <= 0)
        return;
    rx->filled += (uint64_t)samples;
    deliver(user, NULL, samples);
}

/* The next packet in order. What is filled is what was lost, by number and no longer than the timestamps say. A
 * timestamp that jumps without a loss is a far end that stood still or kept silence: its signal goes on where it was.
 */
static void play(rtp_rx *rx, uint32_t timestamp, int law, const uint8_t *payload, size_t len, rtp_deliver deliver,
                 void *user) {
    int16_t amp[RTP_MAX_PAYLOAD];
    int64_t gap = (int32_t)(timestamp - rx->timestamp), missing = (int64_t)(rx->skipped * len);

    fill(rx, (int32_t)(gap < missing ? gap : missing), deliver, user);
    rx->skipped = 0;
    law_decode(law, payload, amp, len);
    rx->paused = gap - missing > 0 && gap <= RTP_LONGEST_PAUSE ? (int32_t)(gap - missing) : 0;
    rx->octets = payload;
    rx->octets_law = law;
    deliver(user, amp, (int)len);
    rx->octets = NULL;
    rx->paused = 0;
    rx->timestamp = timestamp + (uint32_t)len;
    rx->expected++;
    rx->waiting = 0;
}

static void play_held(rtp_rx *rx, rtp_deliver deliver, void *user) {
    rtp_held *h;
    while (rx->held_count && (h = &rx->held[rx->expected & (RTP_WINDOW - 1)])->len && h->seq == rx->expected) {
        size_t len = h->len;
        h->len = 0;
        rx->held_count--;
        play(rx, h->timestamp, h->law, h->payload, len, deliver, user);
    }
}

static void skip_gap(rtp_rx *rx, rtp_deliver deliver, void *user) {
    for (unsigned i = 0; rx->held_count && i < RTP_WINDOW; i++) {
        const rtp_held *h = &rx->held[rx->expected & (RTP_WINDOW - 1)];
        if (h->len && h->seq == rx->expected)
            break;
        rx->expected++;
        rx->skipped++;
        rx->lost++;
    }
    rx->waiting = 0;
    play_held(rx, deliver, user);
}

static void restart(rtp_rx *rx, const rtp_view *v) {
    memset(rx->held, 0, sizeof rx->held);
    rx->held_count = 0;
    rx->stray = rx->skipped = 0;
    rx->expected = v->seq;
    rx->timestamp = v->timestamp;
    rx->ssrc = v->ssrc;
    rx->started = 1;
}

/* After more losses in a row than the window has room for the modem goes on to the sample all the same, where number
 * and timestamp agree on how much it was. What is held by then comes before it. */
static void fill_burst(rtp_rx *rx, const rtp_view *v, int16_t ahead, rtp_deliver deliver, void *user) {
    while (rx->held_count)
        skip_gap(rx, deliver, user);
    if (ahead >= RTP_WINDOW) {
        int32_t gap = (int32_t)(v->timestamp - rx->timestamp);
        if (gap == (int32_t)((uint16_t)(v->seq - rx->expected) * v->len) && gap <= RTP_LONGEST_GAP) {
            rx->lost += (uint64_t)gap / v->len;
            fill(rx, gap, deliver, user);
        }
    }
}

void rtp_rx_moved(rtp_rx *rx) { rx->moved = 1; }

/* Numbers from elsewhere: only several in sequence are a far end that counts anew, not each by itself. */
static int is_new_count(rtp_rx *rx, uint16_t seq) {
    uint16_t step = (uint16_t)(seq - rx->stray_seq);

    rx->stray = rx->stray && step && step <= RTP_REORDER ? rx->stray + 1 : 1;
    rx->stray_seq = seq;
    return rx->stray >= RTP_STRAYS || rx->moved;
}

/* Keeps a packet for later unless it is there already; returns whether it was not. */
static int hold(rtp_rx *rx, uint16_t seq, uint32_t timestamp, int law, const uint8_t *payload, size_t len) {
    rtp_held *h = &rx->held[seq & (RTP_WINDOW - 1)];

    if (h->len)
        return 0;
    h->seq = seq;
    h->len = (uint16_t)len;
    h->timestamp = timestamp;
    h->law = law;
    memcpy(h->payload, payload, len);
    rx->held_count++;
    return 1;
}

/* What is missing before a packet, as far as it has that with it. Blocks have times and no numbers: those follow where
 * number and time went on together. */
static void take_earlier(rtp_rx *rx, const rtp_view *v, uint16_t ahead, rtp_deliver deliver, void *user) {
    if (v->timestamp - rx->timestamp != (uint32_t)(ahead * v->len))
        return;
    for (unsigned i = 0; i < v->red.count; i++) {
        const red_block *b = &v->red.earlier[i];
        uint32_t back = b->back / (uint32_t)v->len;
        int law = law_of(rx, b->payload_type);

        if (law >= 0 && b->len == v->len && b->back % v->len == 0 && back > 0 && back <= ahead)
            rx->restored +=
                (uint64_t)hold(rx, (uint16_t)(v->seq - back), v->timestamp - b->back, law, b->octets, b->len);
    }
    play_held(rx, deliver, user);
}

int rtp_receive(rtp_rx *rx, const uint8_t *packet, size_t len, rtp_deliver deliver, void *user) {
    rtp_view v;
    int16_t ahead;

    if (parse(packet, len, rx, &v) < 0)
        return -EBADMSG;
    /* A stream that goes on is not broken into by another. */
    if (rx->started && v.ssrc != rx->ssrc && rx->starved < RTP_OTHER && !rx->moved) {
        rx->late++;
        return 0;
    }
    rx->starved = 0;
    rx->packets++;
    if (!rx->started || v.ssrc != rx->ssrc)
        restart(rx, &v);
    ahead = (int16_t)(v.seq - rx->expected);
    if ((ahead < -RTP_WINDOW || ahead >= RTP_WINDOW) && is_new_count(rx, v.seq)) {
        fill_burst(rx, &v, ahead, deliver, user);
        restart(rx, &v);
        ahead = 0;
    }
    if (ahead < 0 || ahead >= RTP_WINDOW) {
        rx->late++;
        return 0;
    }
    rx->stray = 0;
    rx->moved = 0;
    if (ahead > 0 && v.red.count) {
        take_earlier(rx, &v, (uint16_t)ahead, deliver, user);
        ahead = (int16_t)(v.seq - rx->expected);
    }
    if (ahead == 0) {
        play(rx, v.timestamp, v.law, v.payload, v.len, deliver, user);
        play_held(rx, deliver, user);
    } else if (ahead > 0) {
        hold(rx, v.seq, v.timestamp, v.law, v.payload, v.len);
        if (rx->held_count >= RTP_REORDER)
            skip_gap(rx, deliver, user);
    }
    return 0;
}

void rtp_tick(rtp_rx *rx, rtp_deliver deliver, void *user) {
    if (rx->held_count && ++rx->waiting > RTP_PATIENCE)
        skip_gap(rx, deliver, user);
    if (rx->starved <= RTP_SILENT)
        rx->starved++;
}
