/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "red.h"

#include <errno.h>
#include <string.h>

#define MORE 0x80

/* RFC 2198 §3: headers of four octets, of the last block one; then the blocks in the same order. */
int red_parse(const uint8_t *p, size_t len, red_blocks *out) {
    size_t at = 0, blocks = 0, data, octets = 0;

    memset(out, 0, sizeof *out);
    for (; at < len && p[at] & MORE; at += RED_BLOCK_HEADER, blocks++) {
        if (len - at < RED_BLOCK_HEADER)
            return -EBADMSG;
        octets += (size_t)(p[at + 2] & 3) << 8 | p[at + 3];
    }
    if (at >= len || octets > len - at - 1)
        return -EBADMSG;
    out->own.payload_type = p[at];
    data = at + 1;
    for (size_t i = 0; i < blocks; i++) {
        const uint8_t *h = p + i * RED_BLOCK_HEADER;
        size_t size = (size_t)(h[2] & 3) << 8 | h[3];

        if (blocks - i <= RED_MOST)
            out->earlier[out->count++] = (red_block){h[0] & 0x7f, (uint32_t)h[1] << 6 | h[2] >> 2, p + data, size};
        data += size;
    }
    out->own.octets = p + data;
    out->own.len = len - data;
    return 0;
}

static int fits(const red_block *b) { return b->len && b->len <= RED_LONGEST && b->back && b->back <= RED_OLDEST; }

size_t red_build(const red_blocks *blocks, uint8_t *out, size_t size) {
    size_t n = 0, total = 1 + blocks->own.len;
    unsigned first = blocks->count;

    while (first && fits(&blocks->earlier[first - 1]) &&
           total + RED_BLOCK_HEADER + blocks->earlier[first - 1].len <= size)
        total += RED_BLOCK_HEADER + blocks->earlier[--first].len;
    for (unsigned i = first; i < blocks->count; i++) {
        const red_block *b = &blocks->earlier[i];

        out[n++] = (uint8_t)(MORE | b->payload_type);
        out[n++] = (uint8_t)(b->back >> 6);
        out[n++] = (uint8_t)((b->back & 0x3f) << 2 | b->len >> 8);
        out[n++] = (uint8_t)b->len;
    }
    out[n++] = (uint8_t)blocks->own.payload_type;
    for (unsigned i = first; i < blocks->count; i++) {
        memcpy(out + n, blocks->earlier[i].octets, blocks->earlier[i].len);
        n += blocks->earlier[i].len;
    }
    memcpy(out + n, blocks->own.octets, blocks->own.len);
    return total;
}
