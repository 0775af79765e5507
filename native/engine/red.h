/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Redundant audio in RTP (RFC 2198): each packet has earlier ones with it. Pure: octets in, octets out.
 */
#ifndef SOFTFAX_RED_H
#define SOFTFAX_RED_H

#include <stddef.h>
#include <stdint.h>

#define RED_MOST 3         /* earlier blocks of a packet that count, and that we send */
#define RED_BLOCK_HEADER 4 /* octets, of an earlier block */
#define RED_LONGEST 1023   /* octets of an earlier block */
#define RED_OLDEST 16383   /* samples that an earlier block may be back */
#define RED_ROOM 1200      /* octets of a payload that we send: one packet of any network */

/* A block of a payload: `back` samples before the packet's timestamp, 0 for the packet's own. */
typedef struct red_block {
    int payload_type;
    uint32_t back;
    const uint8_t *octets;
    size_t len;
} red_block;

typedef struct red_blocks {
    red_block own;
    red_block earlier[RED_MOST]; /* the newest of them, the oldest first */
    unsigned count;
} red_blocks;

/* Takes a payload apart; 0, or -EBADMSG for what is none of RFC 2198. */
int red_parse(const uint8_t *payload, size_t len, red_blocks *out);
/* Writes a payload of at most `size` octets, which is room for its own block; returns its length. Earlier blocks are
 * left out, the oldest first, where there is no room, and from one on that is too long or too long ago for the format.
 */
size_t red_build(const red_blocks *blocks, uint8_t *out, size_t size);

#endif
