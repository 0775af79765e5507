/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDPTL (T.38 §9.1): IFP packets in UDP datagrams with redundancy or parity FEC. Pure: bytes in, bytes out, no clock.
 */
#ifndef SOFTFAX_UDPTL_H
#define SOFTFAX_UDPTL_H

#include <stddef.h>
#include <stdint.h>

#define UDPTL_MAX_IFP 1024      /* an IFP packet of more octets is refused */
#define UDPTL_MAX_DATAGRAM 2048 /* likewise a datagram */
#define UDPTL_WINDOW 32         /* packets remembered, each way; a power of two */
#define UDPTL_MAX_ENTRIES 7     /* secondaries or FEC entries we send */
#define UDPTL_REORDER 10        /* packets that may overtake a missing one before it is given up */
#define UDPTL_PATIENCE 10       /* udptl_tick() calls before a missing one is given up */

typedef struct udptl_slot {
    uint16_t seq;
    uint16_t len; /* 0 = empty */
    uint8_t data[UDPTL_MAX_IFP];
} udptl_slot;

typedef struct udptl_tx {
    int error_correction; /* enum sfx_error_correction */
    unsigned entries, span;
    size_t max_datagram;
    uint16_t seq; /* of the next packet */
    udptl_slot window[UDPTL_WINDOW];
} udptl_tx;

typedef void (*udptl_deliver)(void *user, const uint8_t *ifp, size_t len, uint16_t seq);

typedef struct udptl_rx {
    int started;
    uint16_t expected; /* the next one to deliver */
    uint16_t newest;   /* the highest one seen */
    unsigned waiting;  /* ticks since a gap holds up delivery */
    unsigned stray;    /* datagrams in sequence with numbers from elsewhere: the far end may have started anew */
    uint16_t stray_seq;
    int moved; /* the far end is elsewhere now: the next number counts */
    uint64_t packets, lost, recovered, bad;
    udptl_slot window[UDPTL_WINDOW];
} udptl_rx;

void udptl_tx_init(udptl_tx *tx);
/* How it is sent from now on; packets are counted on. */
void udptl_tx_set(udptl_tx *tx, int error_correction, unsigned entries, unsigned span, size_t max_datagram);
/* What was sent is old by now, and goes with no later packet: it would be taken for new. */
void udptl_tx_pause(udptl_tx *tx);
/* Builds the datagram for one IFP packet; returns its length, -EMSGSIZE if the packet does not fit. */
int udptl_build(udptl_tx *tx, const uint8_t *ifp, size_t len, uint8_t *out, size_t size);

/* Whether this is a datagram of UDPTL; `strictly`: to its last octet. */
int udptl_is_one(const uint8_t *datagram, size_t len, int strictly);

/* The packet a datagram was sent for; 0, or -EBADMSG for what is no UDPTL. */
int udptl_primary(const uint8_t *datagram, size_t len, const uint8_t **ifp, size_t *ifp_len);

void udptl_rx_init(udptl_rx *rx);
/* The far end is elsewhere now, and may count from another number. */
void udptl_rx_moved(udptl_rx *rx);
/* Takes a datagram and delivers, in order, every packet that is due. Returns the number of IFP packets found in it, or
 * -EBADMSG for garbage, of which nothing is used. */
int udptl_receive(udptl_rx *rx, const uint8_t *datagram, size_t len, udptl_deliver deliver, void *user);
/* Time passes (20 ms a call): gives up on what is missing for too long. */
void udptl_tick(udptl_rx *rx, udptl_deliver deliver, void *user);

#endif
