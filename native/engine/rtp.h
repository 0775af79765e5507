/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTP (RFC 3550) with G.711, as a modem needs it: every sample once, in order, a gap filled to the sample. Pure:
 * packets in, samples out; no playout clock, nothing is stretched or smoothed.
 */
#ifndef SOFTFAX_RTP_H
#define SOFTFAX_RTP_H

#include <stddef.h>
#include <stdint.h>

#include "red.h"

#define RTP_HEADER 12
#define RTP_FRAME 160       /* samples in 20 ms */
#define RTP_MAX_PAYLOAD 480 /* 60 ms */
#define RTP_PACKET (RTP_HEADER + RED_ROOM)
#define RTP_PTIME_MS 20          /* of a packet, where the far end asks for nothing else */
#define RTP_WINDOW 16            /* packets held while an earlier one is missing; a power of two */
#define RTP_REORDER 4            /* later packets that may overtake a missing one before it is given up */
#define RTP_PATIENCE 4           /* ticks (20 ms) before a missing one is given up */
#define RTP_STARVED 10           /* ticks without a packet before T.30's timers go on without samples */
#define RTP_LONGEST_GAP 8000     /* samples of a burst of losses that are filled: 1 s */
#define RTP_OTHER 3              /* ticks without a packet before another SSRC of the far end counts */
#define RTP_LONGEST_PAUSE 480000 /* samples: a minute */
#define RTP_STRAYS 3             /* packets in sequence from elsewhere that are a far end which counts anew */
#define RTP_SILENT 50            /* ticks without a packet that are silence: the far end sends none while it is quiet */

/* `samples` linear samples, or a gap of that length where `amp` is NULL. */
typedef void (*rtp_deliver)(void *user, int16_t *amp, int samples);

typedef struct rtp_held {
    uint16_t seq;
    uint16_t len; /* 0 = empty */
    uint32_t timestamp;
    int law;
    uint8_t payload[RTP_MAX_PAYLOAD];
} rtp_held;

typedef struct rtp_rx {
    int payload_type;
    int law;
    int red_type; /* of redundant audio (RFC 2198); 0 where none was agreed */
    int started;
    uint16_t expected;
    uint32_t timestamp; /* expected */
    uint32_t ssrc;
    unsigned waiting, starved, stray, skipped;
    uint16_t stray_seq;    /* of the last one from elsewhere */
    int moved;             /* the far end is elsewhere now: the next packet counts, whatever its SSRC */
    const uint8_t *octets; /* of the samples that are being delivered, and their law */
    int octets_law;
    int paused; /* samples of time before them in which the far end sent nothing */
    unsigned held_count;
    uint64_t packets, lost, late, filled, restored;
    rtp_held held[RTP_WINDOW];
} rtp_rx;

typedef struct rtp_sent {
    uint32_t timestamp;
    int payload_type;
    size_t len;
    uint8_t octets[RTP_MAX_PAYLOAD];
} rtp_sent;

typedef struct rtp_tx {
    int payload_type;
    int law;
    int red_type;   /* of redundant audio (RFC 2198); 0 where none was agreed */
    unsigned again; /* earlier packets that go with each then */
    int first;
    uint16_t seq;
    uint32_t timestamp, ssrc;
    uint64_t packets;
    unsigned octets, used; /* of a packet; of what waits for the next */
    uint8_t waiting[RTP_MAX_PAYLOAD + RTP_FRAME];
    unsigned earlier_count;
    rtp_sent earlier[RED_MOST]; /* the oldest first */
} rtp_tx;

/* The length of a packet's header with CSRCs and extension (RFC 3550 §5.1); -EBADMSG for what is no RTP. */
int rtp_header_length(const uint8_t *packet, size_t len);
/* Whose stream it is of; of a packet with a header. */
uint32_t rtp_ssrc(const uint8_t *packet);
uint16_t rtp_seq(const uint8_t *packet);

void rtp_rx_init(rtp_rx *rx, int payload_type, int law);
/* The far end is elsewhere now, and may count from another number. */
void rtp_rx_moved(rtp_rx *rx);
/* Whether a packet has samples for us: the agreed payload type or one of the laws, 10 to 60 ms. */
int rtp_has_samples(const rtp_rx *rx, const uint8_t *packet, size_t len);
/* Takes a packet; returns 0, or -EBADMSG for what is no RTP of ours (counted nowhere, silently dropped). */
int rtp_receive(rtp_rx *rx, const uint8_t *packet, size_t len, rtp_deliver deliver, void *user);
/* 20 ms have passed: gives up on what is missing for too long. */
void rtp_tick(rtp_rx *rx, rtp_deliver deliver, void *user);

void rtp_tx_init(rtp_tx *tx, int payload_type, int law, uint32_t random);
/* Samples of a packet: whole 10 ms, up to 60. Returns 0, or -EINVAL. */
int rtp_tx_ptime(rtp_tx *tx, int ptime_ms);
/* From now on packets have `again` earlier ones with them, by a payload type of redundant audio; 0: they go alone. */
void rtp_tx_red(rtp_tx *tx, int red_type, unsigned again);
/* Takes RTP_FRAME samples to send; rtp_next() follows until it returns 0. */
void rtp_put(rtp_tx *tx, const int16_t *amp);
/* Writes the next packet that is full to `out` (RTP_PACKET octets); returns its length, 0 where there is none. */
size_t rtp_next(rtp_tx *tx, uint8_t *out);
/* Writes a packet of at most RTP_MAX_PAYLOAD octets that are encoded already. */
size_t rtp_build_octets(rtp_tx *tx, const uint8_t *octets, size_t len, uint8_t *out);
/* Time in which nothing was sent, and numbers of packets that were lost before they came here. `paused`: the far end
 * said nothing, and begins anew (RFC 3551 §4.1). */
void rtp_tx_skip(rtp_tx *tx, unsigned packets, uint32_t samples, int paused);

void law_init(void);
int law_silence(int law);
void law_encode(int law, const int16_t *amp, uint8_t *out, size_t n);
void law_decode(int law, const uint8_t *in, int16_t *amp, size_t n);

#endif
