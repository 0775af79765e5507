/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IFP packets of ours on their way: a datagram each, said again where one alone might be lost. */
#include "internal.h"

#define PLAIN_COPIES 3
#define LONGEST_REST_US 1500000 /* between packets of one turn: V.21 begins with a second of preamble */
#define IFP_V21_DATA 0xc0       /* T.38 §7.2: with a field of data, V.21 */

/* Without error correction in UDPTL each octet of a frame is a packet that must not be lost: V.21 is slow enough to
 * send it three times. Copies have the same number, by which they are recognized. */
static unsigned copies_of(const udptl_tx *tx, const uint8_t *ifp, unsigned count) {
    bool protected = tx->error_correction != SFX_EC_NONE && tx->entries;
    return !protected && ifp[0] == IFP_V21_DATA && count < PLAIN_COPIES ? PLAIN_COPIES : count;
}

int ifp_send(sfx_session *s, const uint8_t *ifp, size_t len, unsigned count) {
    uint8_t datagram[DATAGRAM_SIZE];
    int n;

    /* A far end that lost the end of what was said last must not hear it as the beginning of this. */
    if (s->now_us - s->ifp_us > LONGEST_REST_US)
        udptl_tx_pause(s->udptl_tx);
    s->ifp_us = s->now_us;
    n = udptl_build(s->udptl_tx, ifp, len, datagram, sizeof datagram);
    if (n < 0)
        return n;
    if (s->hooks && s->hooks->loses_ifp && s->hooks->loses_ifp(&s->run))
        return 0;
    /* `count` copies of the same datagram: what matters (indicators, ends of frames) survives without a reply to it. */
    count = copies_of(s->udptl_tx, ifp, count);
    for (unsigned i = 0; i < count; i++) {
        path_send(s, datagram, (size_t)n);
        s->udptl_sent++;
    }
    return 0;
}
