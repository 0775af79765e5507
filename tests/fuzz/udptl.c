/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDPTL: datagrams of any kind. No more packets come out than there were numbers for; what we build is read as it was.
 */
#include "fuzz.h"

static void deliver(void *user, const uint8_t *ifp, size_t len, uint16_t seq) {
    unsigned *count = user;
    volatile uint8_t sum = 0;

    MUST(len > 0 && len <= UDPTL_MAX_IFP);
    for (size_t i = 0; i < len; i++)
        sum ^= ifp[i];
    (void)sum;
    (void)seq;
    ++*count;
}

static void expect(void *user, const uint8_t *ifp, size_t len, uint16_t seq) {
    fuzz_input *sent = user;
    (void)seq;
    if (len == sent->size && !memcmp(ifp, sent->data, len))
        sent->data = NULL;
}

static void round_trip(const uint8_t *ifp, size_t len, unsigned how) {
    udptl_tx tx;
    udptl_rx rx;
    uint8_t out[UDPTL_MAX_DATAGRAM];
    fuzz_input sent = {ifp, len};
    int n;

    udptl_tx_init(&tx);
    udptl_tx_set(&tx, (int)(how % 3), how >> 2 & 7, how >> 5, 0);
    udptl_rx_init(&rx);
    for (unsigned i = 0; i < 12; i++) {
        n = udptl_build(&tx, ifp, len, out, sizeof out);
        if (n < 0) {
            MUST(!len || len > UDPTL_MAX_IFP);
            return;
        }
        MUST(udptl_is_one(out, (size_t)n, 1));
        sent.data = ifp;
        MUST(udptl_receive(&rx, out, (size_t)n, expect, &sent) >= 1 && !sent.data);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static udptl_rx rx;
    fuzz_input in = {data, size};
    unsigned count = 0;

    udptl_rx_init(&rx);
    while (in.size) {
        unsigned how = fuzz_octet(&in);
        size_t len;
        uint8_t *datagram = fuzz_piece(&in, UDPTL_MAX_DATAGRAM + 1, &len);
        const uint8_t *ifp;
        size_t ifp_len;
        int found = udptl_receive(&rx, datagram, len, deliver, &count);

        MUST(found >= 1 || found == -EBADMSG);
        MUST(!udptl_is_one(datagram, len, 1) || found >= 1);
        if (!udptl_primary(datagram, len, &ifp, &ifp_len))
            MUST(ifp + ifp_len <= datagram + len);
        if (how & 1)
            udptl_tick(&rx, deliver, &count);
        if (how & 2)
            udptl_rx_moved(&rx);
        if (how & 4)
            round_trip(datagram, len, how);
        free(datagram);
    }
    MUST(rx.lost <= 65536 * (rx.packets + 1));
    MUST(count <= UDPTL_WINDOW * rx.packets);
    return 0;
}
