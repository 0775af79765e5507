/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udptl.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "engine.h"

#define SLOT(w, s) (&(w)[(s) & (UDPTL_WINDOW - 1)])

#define STRAYS_AHEAD 2  /* datagrams in sequence far ahead that are a far end after an outage */
#define STRAYS_BEHIND 4 /* … from long ago that are one which counts anew, not only late */
#define STRAY_STEP 8
#define SLIGHT_IFP 8 /* octets: an indicator, or an octet of V.21 */

enum { RECOVERY_SECONDARY = 0x00, RECOVERY_FEC = 0x80 };

/* ---- sending ------------------------------------------------------------------------------------------------- */

void udptl_tx_init(udptl_tx *tx) { memset(tx, 0, sizeof *tx); }

void udptl_tx_set(udptl_tx *tx, int error_correction, unsigned entries, unsigned span, size_t max_datagram) {
    tx->error_correction = error_correction;
    tx->entries = entries > UDPTL_MAX_ENTRIES ? UDPTL_MAX_ENTRIES : entries;
    tx->span = span > UDPTL_MAX_ENTRIES ? UDPTL_MAX_ENTRIES : span;
    while (tx->span * tx->entries >= UDPTL_WINDOW)
        tx->span--;
    tx->max_datagram = max_datagram > 0 && max_datagram < UDPTL_MAX_DATAGRAM ? max_datagram : UDPTL_MAX_DATAGRAM;
}

void udptl_tx_pause(udptl_tx *tx) {
    for (unsigned i = 0; i < UDPTL_WINDOW; i++)
        tx->window[i].len = 0;
}

/* An open type: a PER length determinant (X.691 §11.9: one octet below 128, two below 16384), then the octets. */
static size_t open_type_size(size_t len) { return len + (len < 128 ? 1 : 2); }

static size_t put_open_type(uint8_t *out, const uint8_t *data, size_t len) {
    size_t n = 0;
    if (len >= 128)
        out[n++] = (uint8_t)(0x80 | len >> 8);
    out[n++] = (uint8_t)len;
    memcpy(out + n, data, len);
    return n + len;
}

/* V.21 is slow, and a lost octet of it costs a frame: what is slight goes with more packets than was asked for. */
static int is_carried(const udptl_tx *tx, const udptl_slot *slot, unsigned count) {
    return count < tx->entries || (count < UDPTL_MAX_ENTRIES && slot->len <= SLIGHT_IFP);
}

static size_t put_secondaries(const udptl_tx *tx, uint8_t *out, size_t room) {
    size_t n = 2;
    unsigned count = 0;
    out[0] = RECOVERY_SECONDARY;
    while (tx->error_correction == SFX_EC_REDUNDANCY && tx->entries) {
        uint16_t seq = (uint16_t)(tx->seq - 1 - count);
        const udptl_slot *slot = SLOT(tx->window, seq);
        if (!slot->len || slot->seq != seq || n + open_type_size(slot->len) > room || !is_carried(tx, slot, count))
            break;
        n += put_open_type(out + n, slot->data, slot->len);
        count++;
    }
    out[1] = (uint8_t)count;
    return n;
}

/* FEC entry m is the XOR of the packets seq + m - k * entries, k = 1 … span: neighbours go into different entries, so
 * that a burst of `entries` losses can be repaired. Returns its length, 0 if a packet of it is unknown. */
static size_t fec_entry(const udptl_tx *tx, unsigned m, uint8_t *out) {
    size_t longest = 0;
    for (unsigned k = tx->span; k >= 1; k--) {
        uint16_t seq = (uint16_t)(tx->seq + m - k * tx->entries);
        const udptl_slot *slot = SLOT(tx->window, seq);
        if (!slot->len || slot->seq != seq)
            return 0;
        if (slot->len > longest) {
            memset(out + longest, 0, slot->len - longest);
            longest = slot->len;
        }
        for (size_t i = 0; i < slot->len; i++)
            out[i] ^= slot->data[i];
    }
    return longest;
}

static size_t put_fec(const udptl_tx *tx, uint8_t *out, size_t room) {
    uint8_t parity[UDPTL_MAX_IFP];
    size_t n = 4;
    unsigned count = 0;
    out[0] = RECOVERY_FEC;
    for (unsigned m = 0; m < tx->entries; m++) {
        size_t len = fec_entry(tx, m, parity);
        if (!len || n + open_type_size(len) > room)
            break;
        n += put_open_type(out + n, parity, len);
        count++;
    }
    /* Entries are found by their number: a part of them would be read wrongly, so it is all or nothing. */
    if (count != tx->entries || !count) {
        n = 4;
        count = 0;
    }
    out[1] = 1; /* fec-npackets is an unconstrained INTEGER: its length, then its value */
    out[2] = (uint8_t)(count ? tx->span : 0);
    out[3] = (uint8_t)count;
    return n;
}

int udptl_build(udptl_tx *tx, const uint8_t *ifp, size_t len, uint8_t *out, size_t size) {
    size_t n = 0, limit = size < tx->max_datagram ? size : tx->max_datagram;
    udptl_slot *slot;

    if (!len || len > UDPTL_MAX_IFP || 2 + open_type_size(len) + 4 > size)
        return -EMSGSIZE;
    out[n++] = (uint8_t)(tx->seq >> 8);
    out[n++] = (uint8_t)tx->seq;
    n += put_open_type(out + n, ifp, len);
    /* A primary alone may exceed a far end's tiny limit; then it goes without recovery data rather than not at all. */
    if (limit < n + 4)
        limit = n + 4;
    n += tx->error_correction == SFX_EC_FEC ? put_fec(tx, out + n, limit - n) : put_secondaries(tx, out + n, limit - n);
    slot = SLOT(tx->window, tx->seq);
    slot->seq = tx->seq++;
    slot->len = (uint16_t)len;
    memcpy(slot->data, ifp, len);
    return (int)n;
}

/* ---- receiving ----------------------------------------------------------------------------------------------- */

typedef struct span_view {
    const uint8_t *data;
    size_t len;
} span_view;

/* Reads an open type at *at; 0 or -EBADMSG. Fragmented ones (16384 octets and more) do not occur in T.38. */
static int get_open_type(const uint8_t *p, size_t size, size_t *at, span_view *out) {
    size_t len;
    if (*at >= size)
        return -EBADMSG;
    len = p[(*at)++];
    if (len & 0x80) {
        if ((len & 0x40) || *at >= size)
            return -EBADMSG;
        len = (len & 0x3f) << 8 | p[(*at)++];
    }
    if (len > UDPTL_MAX_IFP || len > size - *at)
        return -EBADMSG;
    out->data = p + *at;
    out->len = len;
    *at += len;
    return 0;
}

static int in_window(const udptl_rx *rx, uint16_t seq) {
    int16_t ahead = (int16_t)(seq - rx->expected);
    return ahead >= 0 && ahead < UDPTL_WINDOW;
}

static udptl_slot *held(udptl_rx *rx, uint16_t seq) {
    udptl_slot *slot = SLOT(rx->window, seq);
    return slot->len && slot->seq == seq ? slot : NULL;
}

static int store(udptl_rx *rx, uint16_t seq, const uint8_t *data, size_t len) {
    udptl_slot *slot = SLOT(rx->window, seq);
    if (!len || !in_window(rx, seq) || held(rx, seq))
        return 0;
    slot->seq = seq;
    slot->len = (uint16_t)len;
    memcpy(slot->data, data, len);
    return 1;
}

static void deliver_due(udptl_rx *rx, udptl_deliver deliver, void *user) {
    udptl_slot *slot;
    while ((slot = held(rx, rx->expected)) != NULL) {
        rx->waiting = 0;
        rx->expected++;
        deliver(user, slot->data, slot->len, slot->seq);
    }
}

/* Gives up on the packets missing before the next one held. */
static void skip_gap(udptl_rx *rx, udptl_deliver deliver, void *user) {
    while ((int16_t)(rx->newest - rx->expected) >= 0 && !held(rx, rx->expected)) {
        rx->lost++;
        rx->expected++;
    }
    rx->waiting = 0;
    deliver_due(rx, deliver, user);
}

static int parse_secondaries(udptl_rx *rx, uint16_t seq, const uint8_t *p, size_t size, size_t at) {
    unsigned count;
    if (at >= size || p[at] > UDPTL_WINDOW)
        return 0;
    count = p[at++];
    for (unsigned i = 1; i <= count; i++) {
        span_view ifp;
        if (get_open_type(p, size, &at, &ifp) < 0)
            return 0;
        rx->recovered += (uint64_t)store(rx, (uint16_t)(seq - i), ifp.data, ifp.len);
    }
    return (int)count;
}

/* Repairs the one packet that is missing of a FEC entry, if it is one. */
static int repair(udptl_rx *rx, uint16_t seq, unsigned m, unsigned span, unsigned entries, const span_view *parity) {
    uint8_t data[UDPTL_MAX_IFP];
    uint16_t missing = 0;
    unsigned holes = 0;

    memcpy(data, parity->data, parity->len);
    for (unsigned k = 1; k <= span; k++) {
        uint16_t s = (uint16_t)(seq + m - k * entries);
        const udptl_slot *slot = held(rx, s);
        if (!slot) {
            missing = s;
            if (++holes > 1)
                return 0;
            continue;
        }
        for (size_t i = 0; i < slot->len && i < parity->len; i++)
            data[i] ^= slot->data[i];
    }
    return holes == 1 && store(rx, missing, data, parity->len);
}

static int parse_fec(udptl_rx *rx, uint16_t seq, const uint8_t *p, size_t size, size_t at) {
    span_view parity[UDPTL_WINDOW];
    unsigned span, entries, again;

    if (size - at < 3 || p[at] != 1)
        return 0;
    span = p[at + 1];
    entries = p[at + 2];
    at += 3;
    if (!span || !entries || entries >= UDPTL_WINDOW || span * entries >= UDPTL_WINDOW)
        return 0;
    for (unsigned m = 0; m < entries; m++)
        if (get_open_type(p, size, &at, &parity[m]) < 0)
            return 0;
    /* One repair may enable the next. */
    do {
        again = 0;
        for (unsigned m = 0; m < entries; m++)
            if (parity[m].len && repair(rx, seq, m, span, entries, &parity[m])) {
                rx->recovered++;
                again = 1;
            }
    } while (again);
    return (int)entries;
}

/* Whether numbers from elsewhere are to be believed: a single one is forged or stray, and would cost what is due. */
static int is_believed(udptl_rx *rx, uint16_t seq, unsigned needed) {
    uint16_t step = (uint16_t)(seq - rx->stray_seq);

    rx->stray = rx->stray && step <= STRAY_STEP ? rx->stray + 1 : 1;
    rx->stray_seq = seq;
    return rx->stray >= needed || rx->moved;
}

static void begin_at(udptl_rx *rx, uint16_t seq) {
    memset(rx->window, 0, sizeof rx->window);
    /* Numbers start at 0: what was lost before the first datagram may be among its secondaries. */
    rx->expected = !rx->started && seq < UDPTL_MAX_ENTRIES ? 0 : seq;
    rx->newest = seq;
    rx->started = 1;
    rx->stray = 0;
    rx->moved = 0;
}

/* Brings the window to `seq`. Returns 0 if the packet is too late, or from too far ahead, to be of use. */
static int place(udptl_rx *rx, uint16_t seq, udptl_deliver deliver, void *user) {
    int16_t ahead = (int16_t)(seq - rx->expected);

    if (!rx->started || (ahead <= -UDPTL_WINDOW && is_believed(rx, seq, STRAYS_BEHIND))) {
        begin_at(rx, seq);
        return 1;
    }
    if (ahead < 0 || (ahead >= UDPTL_WINDOW && !is_believed(rx, seq, STRAYS_AHEAD)))
        return 0;
    rx->stray = 0;
    rx->moved = 0;
    if (ahead >= UDPTL_WINDOW) {
        /* Far ahead: deliver what is held, then go on from here, keeping room for what its recovery data holds. */
        while ((int16_t)(rx->newest - rx->expected) >= 0)
            skip_gap(rx, deliver, user);
        ahead = (int16_t)(seq - rx->expected);
        if (ahead > UDPTL_MAX_ENTRIES) {
            rx->lost += (uint64_t)(ahead - UDPTL_MAX_ENTRIES);
            rx->expected = (uint16_t)(seq - UDPTL_MAX_ENTRIES);
        }
    }
    if ((int16_t)(seq - rx->newest) > 0)
        rx->newest = seq;
    return 1;
}

int udptl_receive(udptl_rx *rx, const uint8_t *datagram, size_t len, udptl_deliver deliver, void *user) {
    size_t at = 2;
    span_view primary;
    uint16_t seq;
    int found = 1;

    if (len < 4 || len > UDPTL_MAX_DATAGRAM || get_open_type(datagram, len, &at, &primary) < 0 || !primary.len) {
        rx->bad++;
        return -EBADMSG;
    }
    rx->packets++;
    seq = (uint16_t)(datagram[0] << 8 | datagram[1]);
    if (!place(rx, seq, deliver, user))
        return found;
    store(rx, seq, primary.data, primary.len);
    /* Recovery data that does not parse costs only itself. */
    if (at < len && rx->expected != seq)
        found += datagram[at] & RECOVERY_FEC ? parse_fec(rx, seq, datagram, len, at + 1)
                                             : parse_secondaries(rx, seq, datagram, len, at + 1);
    deliver_due(rx, deliver, user);
    if ((int16_t)(rx->newest - rx->expected) >= UDPTL_REORDER)
        skip_gap(rx, deliver, user);
    return found;
}

void udptl_tick(udptl_rx *rx, udptl_deliver deliver, void *user) {
    if (rx->started && (int16_t)(rx->newest - rx->expected) >= 0 && ++rx->waiting > UDPTL_PATIENCE)
        skip_gap(rx, deliver, user);
}

void udptl_rx_init(udptl_rx *rx) { memset(rx, 0, sizeof *rx); }

void udptl_rx_moved(udptl_rx *rx) { rx->moved = 1; }

int udptl_primary(const uint8_t *datagram, size_t len, const uint8_t **ifp, size_t *ifp_len) {
    size_t at = 2;
    span_view primary;

    if (len < 4 || get_open_type(datagram, len, &at, &primary) < 0)
        return -EBADMSG;
    *ifp = primary.data;
    *ifp_len = primary.len;
    return 0;
}

int udptl_is_one(const uint8_t *datagram, size_t len, int strictly) {
    size_t at = 2;
    span_view part;
    unsigned count;

    if (len < 4 || len > UDPTL_MAX_DATAGRAM || get_open_type(datagram, len, &at, &part) < 0 || !part.len)
        return 0;
    if (!strictly)
        return 1;
    if (len - at < 2)
        return 0;
    if (datagram[at++] & RECOVERY_FEC) {
        if (len - at < 3 || datagram[at] != 1)
            return 0;
        at += 2;
    }
    count = datagram[at++];
    while (count-- && !get_open_type(datagram, len, &at, &part))
        ;
    return count == UINT_MAX && at == len;
}
