/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose packets count as the far end's, and where ours go. Pure: addresses in, decisions out; no socket, no clock.
 *
 * The signalled address has the first word. Packets from elsewhere (NAT, an SBC's other port) count once nothing has
 * come of this medium, though it was to come, for SOURCE_SILENCE_US, and only where they could open it: a datagram that
 * merely passes for the medium teaches nothing. An address that has answered us is kept for the call.
 */
#ifndef SOFTFAX_SOURCE_H
#define SOFTFAX_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define SOURCE_SILENCE_US 1000000 /* of the far end before another source counts */
/* … of one that has answered us: longer than T4 (T.30 §5.4.3.1), so that a question has gone unanswered. */
#define SOURCE_KEPT_SILENCE_US 3600000
#define SOURCE_CANDIDATES 8 /* sources that are on probation at a time */
#define SOURCE_SEQ_STEP 8   /* how far numbers of two packets of a candidate may lie apart */
/* Packets sent to a third party that has not answered: one second of audio; and to all that a call names. */
#define SOURCE_CONSENT 50
#define SOURCE_CONSENT_IN_ALL 150

/* What a packet shows of its sender. */
typedef struct source_mark {
    bool opens; /* it could be the far end's first on this medium, in this phase */
    uint16_t seq;
    uint32_t ssrc; /* of RTP; 0 for UDPTL */
} source_mark;

typedef struct source_candidate {
    struct sockaddr_storage address; /* ss_family 0 = free */
    source_mark mark;
} source_candidate;

typedef struct far_source {
    struct sockaddr_storage signalled;
    struct sockaddr_storage named; /* the last one signalled that was not "nowhere" */
    socklen_t signalled_len;
    struct sockaddr_storage seen; /* whose packets count */
    socklen_t seen_len;
    bool has_seen, confirmed;
    /* The host that was proved to be the far end while `known_for` was signalled. */
    bool has_known;
    struct sockaddr_storage known, known_for;
    uint64_t silent_us; /* for so long nothing came, though it was to come */
    source_candidate candidates[SOURCE_CANDIDATES];
    unsigned next_candidate;
    /* Where the call is signalled, where that is to limit what others are sent. */
    bool has_peer;
    struct sockaddr_storage peer;
    /* Packets sent to third parties that had not answered, and how many may be: some for each one that is named. */
    unsigned unanswered, allowed;
} far_source;

enum source_verdict { SOURCE_IGNORED, SOURCE_TAKEN, SOURCE_MOVED };

/* A medium begins, or an address was signalled for the one that runs. What is signalled again changes nothing. */
void source_signalled(far_source *s, const struct sockaddr_storage *address, socklen_t len, bool new_medium);
/* Media to another host than this one stop where it does not answer. */
void source_peer(far_source *s, const struct sockaddr_storage *peer);
/* Time passes; `awaited`: the far end is to send now. */
void source_tick(far_source *s, unsigned us, bool awaited);
/* Whether a packet of this medium counts; SOURCE_MOVED: from here on, and not those from where they came before. */
enum source_verdict source_judge(far_source *s, const struct sockaddr_storage *from, socklen_t len,
                                 const source_mark *mark);
/* The far end answered a packet of ours. */
void source_confirm(far_source *s);
/* Whether the far end is where it said, or has answered us: only then it may end the call. */
bool source_trusted(const far_source *s);
/* Where the next packet goes; NULL for nowhere. `symmetric`: to where packets come from, whatever was signalled. */
const struct sockaddr_storage *source_target(far_source *s, bool symmetric, socklen_t *len);

#endif
