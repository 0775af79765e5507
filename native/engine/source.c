/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "source.h"

#include <string.h>

#include "internal.h"

void source_signalled(far_source *s, const struct sockaddr_storage *address, socklen_t len, bool new_medium) {
    bool same = s->named.ss_family && address_same(address, &s->named);

    s->signalled = *address;
    s->signalled_len = len;
    s->silent_us = 0;
    /* On hold: who was there comes back, and nobody else. */
    if (address_is_nowhere(address) && !new_medium)
        return;
    s->named = *address;
    if (same && !new_medium)
        return;
    s->has_seen = s->confirmed = false;
    if (s->allowed < SOURCE_CONSENT_IN_ALL)
        s->allowed += SOURCE_CONSENT;
    memset(s->candidates, 0, sizeof s->candidates);
    if (s->has_known && !address_same_host(address, &s->known_for))
        s->has_known = false;
}

void source_peer(far_source *s, const struct sockaddr_storage *peer) {
    s->has_peer = true;
    s->peer = *peer;
}

void source_tick(far_source *s, unsigned us, bool awaited) {
    if (awaited)
        s->silent_us += us;
}

static void know(far_source *s) {
    s->has_known = true;
    s->known = s->seen;
    s->known_for = s->named;
}

static enum source_verdict take(far_source *s, const struct sockaddr_storage *from, socklen_t len) {
    enum source_verdict verdict = s->has_seen ? SOURCE_MOVED : SOURCE_TAKEN;

    s->seen = *from;
    s->seen_len = len;
    s->has_seen = true;
    s->confirmed = false;
    s->silent_us = 0;
    memset(s->candidates, 0, sizeof s->candidates);
    if (address_same(from, &s->signalled))
        know(s);
    return verdict;
}

/* Whether a packet from elsewhere may be the far end's at all. */
static bool is_possible(const far_source *s, const struct sockaddr_storage *from) {
    bool settled = s->silent_us >= (s->confirmed ? SOURCE_KEPT_SILENCE_US : SOURCE_SILENCE_US);

    if (!settled || address_is_nowhere(&s->signalled))
        return false;
    if (s->has_seen)
        return address_same_host(from, &s->seen);
    return !s->has_known || address_same_host(from, &s->known) || address_same_host(from, &s->signalled);
}

/* One packet is easily forged or stray: a source counts with its second in sequence. */
static bool has_passed(far_source *s, const struct sockaddr_storage *from, const source_mark *mark) {
    for (unsigned i = 0; i < SOURCE_CANDIDATES; i++) {
        source_candidate *c = &s->candidates[i];
        if (c->address.ss_family && address_same(&c->address, from)) {
            uint16_t step = (uint16_t)(mark->seq - c->mark.seq);
            bool passed = mark->ssrc == c->mark.ssrc && step <= SOURCE_SEQ_STEP;
            c->mark = *mark;
            return passed;
        }
    }
    s->candidates[s->next_candidate++ % SOURCE_CANDIDATES] = (source_candidate){*from, *mark};
    return false;
}

enum source_verdict source_judge(far_source *s, const struct sockaddr_storage *from, socklen_t len,
                                 const source_mark *mark) {
    if (s->has_seen && address_same(from, &s->seen)) {
        s->silent_us = 0;
        return SOURCE_TAKEN;
    }
    if (address_same(from, &s->signalled) && (!s->confirmed || s->silent_us >= SOURCE_KEPT_SILENCE_US))
        return take(s, from, len);
    if (mark->opens && is_possible(s, from) && has_passed(s, from, mark))
        return take(s, from, len);
    return SOURCE_IGNORED;
}

void source_confirm(far_source *s) {
    if (!s->has_seen || s->confirmed)
        return;
    s->confirmed = true;
    know(s);
}

bool source_trusted(const far_source *s) {
    return !s->has_seen || s->confirmed || address_same(&s->seen, &s->signalled) ||
           (s->has_known && address_same(&s->seen, &s->known));
}

const struct sockaddr_storage *source_target(far_source *s, bool symmetric, socklen_t *len) {
    bool seen = s->has_seen && (symmetric || address_behind_nat(&s->signalled, &s->seen));
    const struct sockaddr_storage *to = seen ? &s->seen : &s->signalled;

    *len = seen ? s->seen_len : s->signalled_len;
    if (address_is_nowhere(&s->signalled) || !address_is_host(to))
        return NULL;
    if (s->has_peer && !address_same_host(to, &s->peer)) {
        bool answers =
            (s->has_seen && address_same_host(to, &s->seen)) || (s->has_known && address_same_host(to, &s->known));
        if (!answers && s->unanswered >= s->allowed)
            return NULL;
        s->unanswered += !answers;
    }
    return to;
}
