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
    CONTROL = 0x03,
    FINAL_BIT = 0x10, /* of the control octet */
    FCF = 2,          /* offset of the facsimile control field; the facsimile information field follows */
    SHORTEST_FCD = 4, /* address, control, FCF, frame number */
    LAST_KNOWN_BITS = 5,
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

/* Frames of an identity or an address: digits by T.30 §5.3.6.2.4, text in practice. */
static bool has_text(const uint8_t *msg, int len) {
    static const uint8_t kinds[] = {T30_CSI, T30_TSI, T30_PWD, T30_SEP, T30_SUB, T30_SID, T30_PSA};

    for (size_t i = 0; len > FCF && !(msg[1] & FINAL_BIT) && i < sizeof kinds; i++)
        if (is_fcf(msg[FCF], kinds[i]))
            return true;
    return false;
}

static bool has_bits(const uint8_t *msg, int len) {
    return len > FCF && msg[1] & FINAL_BIT &&
           (is_fcf(msg[FCF], T30_DIS) || is_fcf(msg[FCF], T30_DTC) || is_fcf(msg[FCF], T30_DCS));
}

/* Over T.38 a far end may break a frame off in its middle and begin another without a word: there is no checksum that
 * would tell. Where the last one begins, 0 where it is one frame: no text has the octets of an address, nor have the
 * first three of a DIS or DCS. */
static int last_start(const uint8_t *msg, int len) {
    int at = len - 3;

    if (!has_text(msg, len) && at > LAST_KNOWN_BITS)
        at = has_bits(msg, len) ? LAST_KNOWN_BITS : 0;
    for (; at > FCF; at--)
        if (msg[at] == ADDRESS && (msg[at + 1] | FINAL_BIT) == (CONTROL | FINAL_BIT))
            return at;
    return 0;
}

static void make_printable(uint8_t *text, int len) {
    for (int i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~')
            text[i] = text[i] ? '?' : ' ';
}

static bool is_sending(int phase) {
    return phase == T30_PHASE_B_TX || phase == T30_PHASE_C_NON_ECM_TX || phase == T30_PHASE_C_ECM_TX ||
           phase == T30_PHASE_D_TX;
}

/* Over T.38 the far end is heard while we send, which no modem would do. What it says then was said before ours reached
 * it; spandsp would answer, in place of what is left of the frame being sent. Only its goodbye counts, a DCS that comes
 * while our DIS is said again, and who it is. */
static bool is_heard(const t30_state_t *t, const uint8_t *msg, int len) {
    bool final = len > FCF && msg[1] & FINAL_BIT;

    if (!is_sending(t->phase) || len < 0 || has_text(msg, len))
        return true;
    return final && (is_fcf(msg[FCF], T30_DCN) || (t->state == STATE_R && is_fcf(msg[FCF], T30_DCS)));
}

/* Frames on their way from a modem to T.30 (ld --wrap, see CMakeLists.txt). A DIS or DTC may grow with each edition of
 * T.30: it is clipped to what is known of it, and says so by the extend bit of its last octet. */
void __wrap_t30_hdlc_accept(void *user, const uint8_t *msg, int len, int ok) {
    uint8_t changed[LONGEST_FRAME];
    const t30_state_t *t = user;
    t30_run *run = t->real_time_frame_user_data;

    if (!is_heard(user, msg, len))
        return;
    if (run && ok && len > FCF && msg[1] & FINAL_BIT)
        v21_forget(&run->v21);
    if (ok && (has_text(msg, len) || has_bits(msg, len))) {
        int start = last_start(msg, len);
        msg += start;
        len -= start;
    }
    if (ok && len <= LONGEST_FRAME && has_text(msg, len)) {
        memcpy(changed, msg, (size_t)len);
        make_printable(changed + FCF + 1, len - FCF - 1);
        msg = changed;
    } else if (ok && len > LONGEST_DCS && has_bits(msg, len) && !is_fcf(msg[FCF], T30_DCS)) {
        memcpy(changed, msg, LONGEST_DCS);
        changed[LONGEST_DCS - 1] &= 0x7f;
        msg = changed;
        len = LONGEST_DCS;
    }
    __real_t30_hdlc_accept(user, msg, len, ok);
}

t30_rate rate_of(unsigned code) {
    static const t30_rate rates[16] = {
        [0x0] = {T30_MODEM_V27TER, 2400}, [0x2] = {T30_MODEM_V27TER, 4800}, [0x1] = {T30_MODEM_V29, 9600},
        [0x3] = {T30_MODEM_V29, 7200},    [0x8] = {T30_MODEM_V17, 14400},   [0xa] = {T30_MODEM_V17, 12000},
        [0x9] = {T30_MODEM_V17, 9600},    [0xb] = {T30_MODEM_V17, 7200},
    };
    return rates[code & 15];
}

bool guard_rate_known(const uint8_t *msg, int len) {
    return len > 4 ? rate_of((unsigned)msg[4] >> 2).modem != 0
                   : is_fcf(msg[FCF], T30_DCS); /* a short DCS is passed over */
}

int dcs_decode(const uint8_t *msg, int len, dcs_info *out) {
    static const int widths[3][3] = {{1728, 2048, 2432}, {2592, 3072, 3648}, {3456, 4096, 4864}};
    bool x400, x300;

    if (len < 6 || (msg[5] & 3) == 3)
        return -EBADMSG;
    out->rate_bps = rate_of((unsigned)msg[4] >> 2).rate_bps;
    out->ecm = t30_bit(msg, (size_t)len, 27);
    x400 = t30_bit(msg, (size_t)len, 43);
    x300 = t30_bit(msg, (size_t)len, 42);
    out->width = widths[x400 ? 2 : x300 ? 1 : 0][msg[5] & 3];
    out->x_dpm = x400 ? T4_X_RESOLUTION_R16 : x300 ? T4_X_RESOLUTION_300 : T4_X_RESOLUTION_R8;
    out->y_dpm = x400 || t30_bit(msg, (size_t)len, 41) ? T4_Y_RESOLUTION_SUPERFINE
                 : x300                                ? T4_Y_RESOLUTION_300
                 : t30_bit(msg, (size_t)len, 15)       ? T4_Y_RESOLUTION_FINE
                                                       : T4_Y_RESOLUTION_STANDARD;
    out->encoding = t30_bit(msg, (size_t)len, 31)   ? T4_COMPRESSION_ITU_T6
                    : t30_bit(msg, (size_t)len, 16) ? T4_COMPRESSION_ITU_T4_2D
                                                    : T4_COMPRESSION_ITU_T4_1D;
    return 0;
}
