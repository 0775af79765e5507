/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of HDLC over T.38, put together of the pieces that they come in. */
#include "gateway.h"

void t38_frame_begin(t38_frame *f) {
    f->len = 0;
    f->damaged = false;
}

static void add_octets(t38_frame *f, size_t most, const uint8_t *octets, int len) {
    if (len <= 0)
        return;
    if ((size_t)len > most - (size_t)f->len) {
        f->damaged = true;
        return;
    }
    bit_reverse(f->octets + f->len, octets, len); /* T.38 carries the bit sent first in the highest place */
    f->len += len;
}

bool t38_frame_take(t38_frame *f, size_t most, int field_type, const uint8_t *octets, int len) {
    bool good = field_type == T38_FIELD_HDLC_FCS_OK || field_type == T38_FIELD_HDLC_FCS_OK_SIG_END;

    if (field_type == T38_FIELD_HDLC_DATA || good)
        add_octets(f, most, octets, len);
    return good && !f->damaged && f->len;
}
