/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Payloads of redundant audio: blocks lie within them, what is built is read as it was, and a stream of such packets
 * plays no more than came. */
#include "fuzz.h"

static void within(const red_block *b, const uint8_t *payload, size_t len) {
    volatile uint8_t sum = 0;

    MUST(b->octets >= payload && b->len <= len && (size_t)(b->octets - payload) <= len - b->len);
    for (size_t i = 0; i < b->len; i++)
        sum ^= b->octets[i];
    (void)sum;
}

/* What we send of it: the newest blocks, for which there is room. */
static void build_again(const red_blocks *blocks) {
    static uint8_t out[RED_ROOM];
    red_blocks read;
    size_t len;

    if (blocks->own.len > RTP_MAX_PAYLOAD)
        return;
    len = red_build(blocks, out, sizeof out);
    MUST(len <= sizeof out && !red_parse(out, len, &read));
    MUST(read.count <= blocks->count && read.own.len == blocks->own.len);
    MUST(!memcmp(read.own.octets, blocks->own.octets, read.own.len));
    for (unsigned i = 0; i < read.count; i++) {
        const red_block *was = &blocks->earlier[blocks->count - read.count + i], *is = &read.earlier[i];
        MUST(is->back == was->back && is->len == was->len && is->payload_type == was->payload_type);
        MUST(!memcmp(is->octets, was->octets, is->len));
    }
}

static void deliver(void *user, int16_t *amp, int samples) { *(uint64_t *)user += amp ? (uint64_t)samples : 0; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rtp_rx rx;
    fuzz_input in = {data, size};
    uint64_t played = 0, came = 0;
    uint16_t seq = 0;

    law_init();
    rtp_rx_init(&rx, 0, SFX_LAW_PCMU);
    rx.red_type = 121;
    while (in.size) {
        unsigned step = fuzz_octet(&in);
        size_t len;
        uint8_t *payload = fuzz_piece(&in, 1400, &len), *packet = calloc(1, RTP_HEADER + len);
        red_blocks blocks;

        MUST(packet);
        came += len;
        if (!red_parse(payload, len, &blocks)) {
            MUST(blocks.count <= RED_MOST);
            within(&blocks.own, payload, len);
            for (unsigned i = 0; i < blocks.count; i++)
                within(&blocks.earlier[i], payload, len);
            build_again(&blocks);
        }
        /* Numbers and times go on as those of packets of 20 ms, some of which are lost. */
        seq = (uint16_t)(seq + 1 + (step & 3));
        packet[0] = 0x80;
        packet[1] = 121;
        packet[2] = (uint8_t)(seq >> 8);
        packet[3] = (uint8_t)seq;
        packet[5] = (uint8_t)(seq * 160u >> 16);
        packet[6] = (uint8_t)(seq * 160u >> 8);
        packet[7] = (uint8_t)(seq * 160u);
        memcpy(packet + RTP_HEADER, payload, len);
        rtp_receive(&rx, packet, RTP_HEADER + len, deliver, &played);
        if (step & 4)
            rtp_tick(&rx, deliver, &played);
        free(packet);
        free(payload);
    }
    MUST(played <= came);
    return 0;
}
