/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spandsp 0.0.6 trusts the frames of the far end in places where one frame can crash it. Each frame is looked at here
 * first; what would do harm ends the call instead (t30.c).
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

enum {
    ADDRESS = 0xff,
    FINAL_BIT = 0x10, /* of the control octet */
    FCF = 2,          /* offset of the facsimile control field; the facsimile information field follows */
    SHORTEST_FCD = 4, /* address, control, FCF, frame number */
    LONGEST_DCS = 22, /* address, control, FCF and 19 octets: what spandsp's copies and texts of it have room for */
    LONGEST_FRAME = 260,
};

/* FCFs as spandsp sees them, first bit sent = lowest bit; bit 0 is the X bit of T.30 §5.3.6.1. */
static bool is_fcf(uint8_t fcf, int wanted) { return (fcf & 0xfe) == (wanted & 0xfe); }

int guard_check(const uint8_t *msg, int len) {
    if (len < 3)
        return SFX_HOSTILE_FRAME_LENGTH;
    if (!(msg[1] & FINAL_BIT))
        return is_fcf(msg[FCF], T4_FCD) && len < SHORTEST_FCD ? SFX_HOSTILE_SHORT_FCD
               : len > LONGEST_FRAME                          ? SFX_HOSTILE_FRAME_LENGTH
                                                              : 0;
    if (is_fcf(msg[FCF], T30_DIS) || is_fcf(msg[FCF], T30_DTC) || is_fcf(msg[FCF], T30_DCS)) {
        if (len > LONGEST_DCS)
            return SFX_HOSTILE_DCS_LENGTH;
        /* Recording width, bits 17 and 18: both set is reserved, and spandsp makes a width of -1 of it. */
        if (is_fcf(msg[FCF], T30_DCS) && len >= 6 && (msg[5] & 3) == 3)
            return SFX_HOSTILE_DCS_WIDTH;
    }
    return 0;
}

void __real_t30_hdlc_accept(void *user, const uint8_t *msg, int len, int ok);
void __wrap_t30_hdlc_accept(void *user, const uint8_t *msg, int len, int ok);

/* Frames on their way from a modem to T.30 (ld --wrap, see CMakeLists.txt). A DIS or DTC may grow with each edition of
 * T.30: it is clipped to what is known of it, and says so by the extend bit of its last octet. */
void __wrap_t30_hdlc_accept(void *user, const uint8_t *msg, int len, int ok) {
    uint8_t clipped[LONGEST_DCS];

    if (ok && len > LONGEST_DCS && (is_fcf(msg[FCF], T30_DIS) || is_fcf(msg[FCF], T30_DTC))) {
        memcpy(clipped, msg, sizeof clipped);
        clipped[LONGEST_DCS - 1] &= 0x7f;
        msg = clipped;
        len = LONGEST_DCS;
    }
    __real_t30_hdlc_accept(user, msg, len, ok);
}

static bool bit(const uint8_t *msg, int len, int number) {
    int octet = 3 + (number - 1) / 8;
    return octet < len && msg[octet] & 1 << (number - 1) % 8;
}

/* Bits 11 to 14 of a DCS (T.30 table 2), bit 11 lowest. */
static int rate_of(unsigned code) {
    static const int rates[16] = {
        [0x0] = 2400,  [0x2] = 4800,  [0x1] = 9600, [0x3] = 7200, /* V.27ter, V.29 */
        [0x8] = 14400, [0xa] = 12000, [0x9] = 9600, [0xb] = 7200, /* V.17 */
    };
    return rates[code & 15];
}

bool guard_rate_known(const uint8_t *msg, int len) {
    return len > 4 ? rate_of((unsigned)msg[4] >> 2) > 0 : is_fcf(msg[FCF], T30_DCS); /* a short DCS is passed over */
}

int dcs_decode(const uint8_t *msg, int len, dcs_info *out) {
    static const int widths[3][3] = {{1728, 2048, 2432}, {2592, 3072, 3648}, {3456, 4096, 4864}};
    bool x400, x300;

    if (len < 6 || (msg[5] & 3) == 3)
        return -EBADMSG;
    out->rate_bps = rate_of((unsigned)msg[4] >> 2);
    out->ecm = bit(msg, len, 27);
    x400 = bit(msg, len, 43);
    x300 = bit(msg, len, 42);
    out->width = widths[x400 ? 2 : x300 ? 1 : 0][msg[5] & 3];
    out->x_dpm = x400 ? T4_X_RESOLUTION_R16 : x300 ? T4_X_RESOLUTION_300 : T4_X_RESOLUTION_R8;
    out->y_dpm = x400 || bit(msg, len, 41) ? T4_Y_RESOLUTION_SUPERFINE
                 : x300                    ? T4_Y_RESOLUTION_300
                 : bit(msg, len, 15)       ? T4_Y_RESOLUTION_FINE
                                           : T4_Y_RESOLUTION_STANDARD;
    out->encoding = bit(msg, len, 31)   ? T4_COMPRESSION_ITU_T6
                    : bit(msg, len, 16) ? T4_COMPRESSION_ITU_T4_2D
                                        : T4_COMPRESSION_ITU_T4_1D;
    return 0;
}
