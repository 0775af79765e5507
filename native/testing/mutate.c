/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes the IFP packets of one side of the in-memory line as no honest far end would, by a seed. Packets
 * of a real exchange are taken, so that every state of T.30 is reached, and spoilt in what spandsp may trust.
 */
#include <string.h>

#include "testing.h"

#define WIRE(octet) (bit_reverse8(octet)) /* T.38 carries the bit sent first in the highest place */
#define ROOM 600                          /* an IFP packet becomes no longer */

static const uint8_t fcfs[] = {T30_DIS, T30_CSI, T30_NSF, T30_DTC,     T30_CIG,     T30_NSC,     T30_PWD, T30_SEP,
                               T30_DCS, T30_TSI, T30_SUB, T30_SID,     T30_CFR,     T30_FTT,     T30_CTC, T30_CTR,
                               T30_EOM, T30_MPS, T30_EOP, T30_PRI_EOM, T30_PRI_MPS, T30_PRI_EOP, T30_PPS, T30_EOR,
                               T30_RR,  T30_MCF, T30_RTP, T30_RTN,     T30_PIP,     T30_PIN,     T30_PPR, T30_RNR,
                               T30_ERR, T30_FNV, T30_DCN, T30_CRP,     T30_NSS,     T30_CIA,     T30_ISP, T30_TSA,
                               T30_IRA, T30_CSA, T30_PSA, T4_FCD,      T4_RCP};

static unsigned below(uint64_t *random, unsigned n) { return n ? line_roll(random) % n : 0; }

/* Codes of T.4 and T.6 that no page has so many of: runs of length zero, passes, rows of one bit, rows begun anew. */
static void fill_image(uint64_t *random, uint32_t seed, uint8_t *out, size_t len) {
    static const char *const codes[] = {
        "001101010000110111", "001001101010000110111", "0001",     "1", "000000000001", "010",
        "0000110101",         "000000011111",          "00000010", "11"};
    /* Mostly one code for the whole exchange: what overflows takes more than a frame of it. */
    const char *code = codes[(below(random, 8) ? seed : line_roll(random)) % (sizeof codes / sizeof *codes)];
    size_t bits = strlen(code), at = below(random, 8);

    for (size_t i = 0; i < len; i++) {
        uint8_t octet = 0;
        for (int b = 7; b >= 0; b--)
            octet |= (uint8_t)((code[at++ % bits] == '1') << b);
        out[i] = below(random, 256) ? octet : (uint8_t)line_roll(random);
    }
}

static void fill(uint64_t *random, uint32_t seed, uint8_t *out, size_t len) {
    unsigned kind = below(random, 4);
    for (size_t i = 0; i < len; i++)
        out[i] = kind == 0 ? 0 : kind == 1 ? 0xff : (uint8_t)line_roll(random);
    if (kind == 3)
        fill_image(random, seed, out, len);
}

/* A frame of the far end's own making, or its own with another end. */
static size_t spoil_frame(uint64_t *random, uint32_t seed, uint8_t *frame, size_t len, size_t room) {
    size_t longest = below(random, 4) ? 40 : 256, wanted;

    if (room > longest + 4)
        room = longest + 4;
    switch (below(random, 5)) {
    case 0: /* another command, of any length */
        wanted = 3 + below(random, (unsigned)(room - 3));
        frame[0] = 0xff;
        frame[1] = below(random, 4) ? 0xc8 : 0xc0;
        frame[2] = WIRE((uint8_t)(fcfs[below(random, sizeof fcfs)] | below(random, 2)));
        fill(random, seed, frame + 3, wanted - 3);
        return wanted;
    case 1: /* shorter */
        return below(random, (unsigned)len + 1);
    case 2: /* longer */
        wanted = len + below(random, 30);
        if (wanted > room)
            return len;
        fill(random, seed, frame + len, wanted - len);
        return wanted;
    case 3: /* the information field alone */
        if (len > 3)
            fill(random, seed, frame + 3, len - 3);
        return len;
    default:
        frame[below(random, (unsigned)len)] ^= (uint8_t)(1u << below(random, 8));
        return len;
    }
}

/* An IFP packet with one field of data (version 0): its octet of type, the count of fields, the field, length, data. */
static bool is_one_field(const uint8_t *ifp, size_t len) {
    return len > 5 && (ifp[0] & 0xe0) == 0xc0 && ifp[1] == 1 && ifp[2] & 0x80 &&
           len >= 5 + ((size_t)ifp[3] << 8 | ifp[4]) + 1;
}

static size_t spoil_field(uint64_t *random, uint32_t seed, uint8_t *ifp) {
    size_t had = ((size_t)ifp[3] << 8 | ifp[4]) + 1, len = had, room = ROOM - 5;
    uint8_t *data = ifp + 5;
    bool hdlc = (ifp[2] & 0x70) == 0;

    if (hdlc && had > 4 && (data[2] == WIRE(T4_FCD)) && below(random, 8)) {
        fill_image(random, seed, data + 4, had - 4);
        if (!below(random, 8))
            data[3] = (uint8_t)line_roll(random);
    } else if (hdlc && data[0] == 0xff) {
        len = spoil_frame(random, seed, data, had, room);
        if (!len)
            len = 1;
    } else {
        fill_image(random, seed, data, len);
    }
    ifp[3] = (uint8_t)((len - 1) >> 8);
    ifp[4] = (uint8_t)(len - 1);
    return 5 + len;
}

static size_t mutate_ifp(uint64_t *random, uint32_t seed, uint8_t *ifp, size_t len) {
    unsigned kind = below(random, 10);

    if (!len)
        return len;
    if (kind < 6 && is_one_field(ifp, len))
        return spoil_field(random, seed, ifp);
    switch (kind) {
    case 6: /* an indicator */
        ifp[0] = (uint8_t)(below(random, 32) << 1);
        ifp[1] = (uint8_t)line_roll(random);
        return 1 + below(random, 2);
    case 7: /* another type of data, or of field */
        if (len > 2)
            ifp[2] = (uint8_t)((ifp[2] & 0x8f) | below(random, 8) << 4);
        return len;
    case 8:
        return 1 + below(random, (unsigned)len);
    default:
        ifp[below(random, (unsigned)len)] = (uint8_t)line_roll(random);
        return len;
    }
}

size_t mutate_datagram(uint64_t *random, uint32_t seed, uint8_t *datagram, size_t len) {
    uint8_t ifp[ROOM + 64];
    size_t at = 3, size;

    if (len < 4)
        return len;
    size = datagram[2];
    if (size & 0x80) {
        size = (size & 0x3f) << 8 | datagram[3];
        at = 4;
    }
    if (!size || size > ROOM || at + size > len)
        return len;
    memset(ifp, 0, sizeof ifp);
    memcpy(ifp, datagram + at, size);
    size = mutate_ifp(random, seed, ifp, size);
    at = 2;
    datagram[at++] = (uint8_t)(0x80 | size >> 8);
    datagram[at++] = (uint8_t)size;
    memcpy(datagram + at, ifp, size);
    at += size;
    datagram[at++] = 0; /* no packet again */
    datagram[at++] = 0;
    return at;
}
