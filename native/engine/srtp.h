/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SRTP (RFC 3711) for one call: AES counter mode with HMAC-SHA1, no MKI, key derivation rate 0. RTCP is neither sent
 * nor read, so there is no SRTCP. Packets in, packets out; the cryptography is libcrypto's.
 */
#ifndef SOFTFAX_SRTP_H
#define SOFTFAX_SRTP_H

#include <stddef.h>
#include <stdint.h>

#include "engine.h"

#define SRTP_TAG_MAX 10
#define SRTP_WINDOW 64  /* packets back that a replay is told by (RFC 3711 §3.3.2: 64 at least) */
#define SRTP_SOURCES 16 /* synchronisation sources of the far end in one call; more are refused */

typedef struct srtp_key srtp_key; /* the session keys of one direction */

typedef struct srtp_source {
    uint32_t ssrc;
    uint64_t index;  /* the highest packet index seen: roll-over counter and sequence number */
    uint64_t window; /* bit n: index - n has been seen */
} srtp_source;

typedef struct sfx_srtp {
    sfx_srtp_config config;
    srtp_key *tx, *rx;
    uint32_t tx_ssrc;
    uint64_t tx_index;
    int tx_started;
    srtp_source sources[SRTP_SOURCES];
    unsigned source_count;
    uint64_t accepted, rejected, replayed;
} sfx_srtp;

int srtp_create(const sfx_srtp_config *config, sfx_srtp **out);
void srtp_destroy(sfx_srtp *srtp);
/* Both return the new length, or -EBADMSG, -EALREADY for a packet seen before, -EINVAL where `size` octets are too few.
 */
int srtp_protect(sfx_srtp *srtp, uint8_t *packet, size_t len, size_t size);
int srtp_unprotect(sfx_srtp *srtp, uint8_t *packet, size_t len);
/* Takes new keys; a direction whose key stays goes on where it was. On failure nothing changes. */
int srtp_rekey(sfx_srtp *srtp, const sfx_srtp_config *config);

#endif
