/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RTP: packets of any kind. What is played is at most what came, and gaps are filled for a second at most. */
#include "fuzz.h"

static void deliver(void *user, int16_t *amp, int samples) {
    uint64_t *played = user;
    volatile int16_t sum = 0;

    MUST(samples > 0 && samples <= (amp ? RTP_MAX_PAYLOAD : RTP_WINDOW * RTP_MAX_PAYLOAD + RTP_LONGEST_GAP));
    for (int i = 0; amp && i < samples; i++)
        sum ^= amp[i];
    (void)sum;
    *played += amp ? (uint64_t)samples : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rtp_rx rx;
    fuzz_input in = {data, size};
    uint64_t played = 0, came = 0;

    law_init();
    rtp_rx_init(&rx, (int)(fuzz_octet(&in) & 0x7f), in.size & 1 ? SFX_LAW_PCMU : SFX_LAW_PCMA);
    while (in.size) {
        unsigned how = fuzz_octet(&in);
        size_t len;
        uint8_t *packet = fuzz_piece(&in, 700, &len);

        came += len;
        if (rtp_header_length(packet, len) >= 0)
            (void)(rtp_ssrc(packet) ^ rtp_seq(packet));
        rtp_has_samples(&rx, packet, len);
        rtp_receive(&rx, packet, len, deliver, &played);
        for (unsigned i = 0; i < (how & 7); i++)
            rtp_tick(&rx, deliver, &played);
        if (how & 8)
            rtp_rx_moved(&rx);
        free(packet);
    }
    MUST(played <= came);
    return 0;
}
