/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A gateway's legs: what comes by one is handed to the other, or through modems. */
#include "gateway.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_AT_ONCE 64 /* packets sent by a leg in one tick */
#define RATE 8000
#define RING_HZ 425
#define RING_PEAK 3600.0f /* 16 dB below a full tone */
#define SPEAKS_TICKS 50   /* a leg that is sent to within this time is not to be waited for */

/* What waits for a leg. */
typedef struct waiting {
    uint16_t len;
    bool audio;
    uint8_t count;    /* T.38: copies */
    uint16_t seq;     /* T.38: its number on the leg by which it came */
    uint16_t missing; /* packets lost before it */
    uint32_t skip;    /* G.711: samples between the packet before and this one */
    bool paused;      /* … which were not lost: nothing was sent */
} waiting;

/* ---- queues -------------------------------------------------------------------------------------------------------
 */

static void put_octets(gateway_leg *leg, const void *data, size_t len) {
    ring_put(leg->queue, LEG_QUEUE, (leg->head + leg->used) % LEG_QUEUE, data, len);
    leg->used += len;
}

static void take_octets(gateway_leg *leg, void *data, size_t len) {
    ring_get(leg->queue, LEG_QUEUE, leg->head, data, len);
    leg->head = (leg->head + len) % LEG_QUEUE;
    leg->used -= len;
}

static void push(gateway_leg *leg, const waiting *w, const uint8_t *data) {
    if (sizeof *w + w->len > LEG_QUEUE - leg->used)
        return;
    put_octets(leg, w, sizeof *w);
    put_octets(leg, data, w->len);
}

static bool pop(gateway_leg *leg, waiting *w, uint8_t *data) {
    if (leg->used < sizeof *w)
        return false;
    take_octets(leg, w, sizeof *w);
    take_octets(leg, data, w->len);
    return true;
}

/* ---- G.711 to G.711 -----------------------------------------------------------------------------------------------
 */

static void push_part(gateway_leg *to) {
    waiting w = {.len = (uint16_t)to->part_len, .audio = true};

    w.skip = to->skip;
    w.missing = to->missing;
    w.paused = to->paused;
    if (!to->part_len)
        return;
    push(to, &w, to->part);
    to->part_len = to->skip = 0;
    to->missing = 0;
    to->paused = false;
}

static void skip_samples(gateway_leg *to, int samples, bool lost) {
    push_part(to);
    to->skip += (uint32_t)samples;
    if (lost)
        to->missing = (uint16_t)(to->missing + (samples + (int)to->packet - 1) / (int)to->packet);
    to->paused = !lost;
}

/* The octets are the far end's own where both legs have one law; `amp` NULL is a gap. */
static void pass_audio(const gateway_leg *from, gateway_leg *to, const int16_t *amp, int samples, bool silence) {
    const rtp_rx *rx = &from->session->rtp_rx;
    uint8_t octets[RTP_MAX_PAYLOAD];

    if (!amp) {
        skip_samples(to, samples, true);
        return;
    }
    if (rx->paused > 0)
        skip_samples(to, rx->paused, false);
    if (silence)
        memset(octets, law_silence(to->law), (size_t)samples);
    else if (rx->octets && rx->octets_law == to->law)
        memcpy(octets, rx->octets, (size_t)samples);
    else
        law_encode(to->law, amp, octets, (size_t)samples);
    for (int at = 0; at < samples;) {
        int room = (int)(to->packet - to->part_len), n = room < samples - at ? room : samples - at;
        memcpy(to->part + to->part_len, octets + at, (size_t)n);
        to->part_len += (unsigned)n;
        at += n;
        if (to->part_len == to->packet)
            push_part(to);
    }
}

/* ---- T.38 to T.38, and through modems ------------------------------------------------------------------------------
 */

/* T.38 §7.2: data of another type than V.21. */
static bool is_image(const uint8_t *ifp, size_t len) { return len && (ifp[0] & 0xc0) == 0xc0 && (ifp[0] & 0x3e); }

static void push_ifp(gateway_leg *to, const uint8_t *ifp, size_t len, unsigned count, uint16_t seq, uint16_t missing) {
    waiting w = {.len = (uint16_t)len, .count = (uint8_t)count, .seq = seq, .missing = missing};

    if (len && len <= UDPTL_MAX_IFP)
        push(to, &w, ifp);
}

static gateway_leg *leg_of(sfx_gateway *g, enum media_kind kind) {
    return g->legs[0].kind == kind ? &g->legs[0] : &g->legs[1];
}

static void on_remodulated(void *user, const uint8_t *ifp, size_t len, unsigned count) {
    sfx_gateway *g = user;

    gateway_leg *to = leg_of(g, MEDIA_T38);

    if (is_image(ifp, len))
        overhear_image(g, ifp, len, to->t38.version, false);
    push_ifp(to, ifp, len, count, 0, 0);
}

static void on_frame(void *user, bool from_modem, const uint8_t *frame, int len) {
    sfx_gateway *g = user;

    overhear_frame(g, (int)(leg_of(g, from_modem ? MEDIA_AUDIO : MEDIA_T38) - g->legs), frame, len);
}

static void remodulate_ifp(sfx_gateway *g, const uint8_t *ifp, size_t len, uint16_t seq, bool gap) {
    if (is_image(ifp, len))
        overhear_image(g, ifp, len, leg_of(g, MEDIA_T38)->t38.version, gap);
    remodulator_take(g->remodulator, ifp, len, seq);
}

/* What came by T.38 while it was not known yet how it goes on. */
static void remodulate_kept(sfx_gateway *g, gateway_leg *audio) {
    uint8_t ifp[UDPTL_MAX_IFP];
    waiting w;

    while (g->remodulator && pop(audio, &w, ifp))
        if (!w.audio)
            remodulate_ifp(g, ifp, w.len, w.seq, w.missing > 0);
}

/* ---- media --------------------------------------------------------------------------------------------------------
 */

/* Modems run where they are needed. */
static int settle(sfx_gateway *g) {
    enum media_kind a = g->legs[0].kind, b = g->legs[1].kind;
    bool needed = a != b && a != MEDIA_NONE && b != MEDIA_NONE;

    if (!needed && g->remodulator) {
        remodulator_destroy(g->remodulator);
        g->remodulator = NULL;
    }
    if (needed && !g->held && !g->remodulator)
        return remodulator_create(&leg_of(g, MEDIA_T38)->t38, on_remodulated, on_frame, g, &g->remodulator);
    return 0;
}

int gateway_media(sfx_session *s, enum media_kind kind, int law, int ptime_ms, const sfx_t38_config *t38) {
    gateway_leg *leg = s->leg;
    sfx_gateway *g = leg->gateway;
    int err;

    pthread_mutex_lock(&g->lock);
    if (leg->kind != kind) {
        leg->last_seq = -1;
        leg->part_len = leg->skip = 0;
        leg->missing = 0;
        /* Another leg's T.38 may have become this one's G.711: its modems begin anew. */
        remodulator_destroy(g->remodulator);
        g->remodulator = NULL;
    }
    leg->kind = kind;
    leg->law = law;
    if (kind == MEDIA_AUDIO && leg->packet != (unsigned)ptime_ms * 8) {
        leg->packet = (unsigned)ptime_ms * 8;
        leg->part_len = 0;
    }
    if (t38)
        leg->t38 = *t38;
    err = settle(g);
    pthread_mutex_unlock(&g->lock);
    return err;
}

void gateway_hear(sfx_session *s, int16_t *amp, int samples) {
    gateway_leg *leg = s->leg, *other;
    sfx_gateway *g = leg->gateway;
    int index = (int)(leg - g->legs);

    pthread_mutex_lock(&g->lock);
    other = &g->legs[!index];
    if (!g->remodulator && other->kind != MEDIA_T38)
        overhear_audio(g, index, amp, samples);
    if (g->remodulator)
        remodulator_hear(g->remodulator, amp, samples);
    else if (other->kind == MEDIA_AUDIO)
        pass_audio(leg, other, amp, samples, g->held);
    pthread_mutex_unlock(&g->lock);
}

void gateway_take(sfx_session *s, const uint8_t *ifp, size_t len, uint16_t seq) {
    gateway_leg *leg = s->leg, *other;
    sfx_gateway *g = leg->gateway;
    int index = (int)(leg - g->legs);
    uint16_t missing;

    pthread_mutex_lock(&g->lock);
    other = &g->legs[!index];
    missing = leg->last_seq < 0 ? 0 : (uint16_t)(seq - (uint16_t)leg->last_seq - 1);
    if (missing >= UDPTL_WINDOW) /* it counts anew */
        missing = 0;
    leg->last_seq = seq;
    if (g->remodulator) {
        remodulate_kept(g, other);
        remodulate_ifp(g, ifp, len, seq, missing > 0);
    } else {
        if (other->kind == MEDIA_T38)
            overhear_ifp(g, index, ifp, len, seq);
        if (other->kind == MEDIA_T38 && is_image(ifp, len))
            overhear_image(g, ifp, len, leg->t38.version, missing > 0);
        push_ifp(other, ifp, len, 1, seq, missing);
    }
    pthread_mutex_unlock(&g->lock);
}

/* ---- once a tick --------------------------------------------------------------------------------------------------
 */

static bool next_for(gateway_leg *leg, bool audio, waiting *w, uint8_t *data) {
    sfx_gateway *g = leg->gateway;
    bool found;

    pthread_mutex_lock(&g->lock);
    do
        found = pop(leg, w, data);
    while (found && w->audio != audio);
    pthread_mutex_unlock(&g->lock);
    return found;
}

/* Ring-back as most networks have it (ITU-T E.180): 425 Hz, one second of five. */
static void ring_back(gateway_leg *leg, int16_t *amp) {
    for (int i = 0; i < RTP_FRAME; i++, leg->ring_at = (leg->ring_at + 1) % (5 * RATE))
        amp[i] = leg->ring_at < RATE
                     ? (int16_t)lrintf(RING_PEAK * sinf(2 * (float)M_PI * RING_HZ * (float)leg->ring_at / RATE))
                     : 0;
    leg->head = leg->used = 0; /* nothing of the other leg's is kept for later */
}

/* The next samples where there is nothing to be handed on: of the modems, ring-back or silence. False where G.711 is
 * handed on.
 */
static bool fetch_audio(gateway_leg *leg, int16_t *amp) {
    sfx_gateway *g = leg->gateway;
    const gateway_leg *other = &g->legs[leg == g->legs];
    bool fetched;

    pthread_mutex_lock(&g->lock);
    fetched = g->remodulator || other->kind == MEDIA_T38 || leg->rings;
    if (leg->rings)
        ring_back(leg, amp);
    if (g->remodulator)
        remodulator_fetch(g->remodulator, amp, RTP_FRAME);
    pthread_mutex_unlock(&g->lock);
    return fetched;
}

static void send_audio(sfx_session *s) {
    int16_t amp[RTP_FRAME] = {0};
    uint8_t packet[RTP_PACKET], octets[UDPTL_MAX_IFP];
    waiting w;

    if (fetch_audio(s->leg, amp)) {
        path_send_audio(s, amp);
        return;
    }
    for (int i = 0; i < MOST_AT_ONCE && next_for(s->leg, true, &w, octets); i++) {
        rtp_tx_skip(&s->rtp_tx, w.missing, w.skip, w.paused);
        path_send(s, packet, rtp_build_octets(&s->rtp_tx, octets, w.len, packet));
    }
}

/* What is lost on the one leg is lost on the other: numbers go on by as many, so that the far end knows. */
static void send_t38(sfx_session *s) {
    uint8_t ifp[UDPTL_MAX_IFP];
    waiting w;

    s->leg->silent_ticks++;
    for (int i = 0; i < MOST_AT_ONCE && next_for(s->leg, false, &w, ifp); i++) {
        s->udptl_tx->seq = (uint16_t)(s->udptl_tx->seq + w.missing);
        ifp_send(s, ifp, w.len, w.count);
        s->leg->silent_ticks = 0;
    }
}

/* Where the T.38 leg is quiet, what was kept of it is remodulated all the same. */
static void remodulate_waiting(sfx_session *s) {
    sfx_gateway *g = s->leg->gateway;

    pthread_mutex_lock(&g->lock);
    if (g->remodulator)
        remodulate_kept(g, &g->legs[s->leg == g->legs]);
    pthread_mutex_unlock(&g->lock);
}

void gateway_tick(sfx_session *s) {
    if (s->kind == MEDIA_AUDIO) {
        send_audio(s);
    } else if (s->kind == MEDIA_T38) {
        remodulate_waiting(s);
        send_t38(s);
    }
}

void gateway_starve(sfx_session *s) {
    sfx_gateway *g = s->leg->gateway;
    int16_t zeros[RTP_FRAME] = {0};

    pthread_mutex_lock(&g->lock);
    if (g->remodulator)
        remodulator_hear(g->remodulator, zeros, RTP_FRAME);
    pthread_mutex_unlock(&g->lock);
}

bool gateway_awaits(const sfx_session *s) { return s->kind != MEDIA_T38 || s->leg->silent_ticks > SPEAKS_TICKS; }

void gateway_stats(sfx_session *s, sfx_session_stats *out) {
    sfx_gateway *g = s->leg->gateway;
    const overheard *o = &g->overheard;

    pthread_mutex_lock(&g->lock);
    out->active = o->trained && !o->ended;
    out->pages_done = (uint32_t)o->pages;
    out->page = out->active ? (uint32_t)o->pages + 1 : 0;
    out->rate_bps = (uint32_t)o->dcs.rate_bps;
    out->ecm = (uint32_t)o->dcs.ecm;
    if (out->active) {
        uint32_t rows = glimpse_rows(o->page), shown = s->run.preview_page == out->page ? s->run.preview_rows : 0;
        out->image_bytes = glimpse_octets(o->page);
        out->rows = rows > shown ? rows : shown;
    }
    pthread_mutex_unlock(&g->lock);
}

int sfx_gateway_ring(sfx_gateway *g, int leg, int on) {
    if (leg < 0 || leg >= GATEWAY_LEGS)
        return -EINVAL;
    pthread_mutex_lock(&g->lock);
    g->legs[leg].rings = on != 0;
    g->legs[leg].ring_at = 0;
    pthread_mutex_unlock(&g->lock);
    return 0;
}

int gateway_page(sfx_session *s, decoder_copy *copy, uint32_t *page) {
    sfx_gateway *g = s->leg->gateway;
    const overheard *o = &g->overheard;
    int err;

    pthread_mutex_lock(&g->lock);
    err = o->trained && !o->ended ? glimpse_copy(o->page, copy) : -ENODATA;
    *page = (uint32_t)o->pages + 1;
    pthread_mutex_unlock(&g->lock);
    return err;
}

int sfx_gateway_hold(sfx_gateway *g, int hold) {
    int err;

    pthread_mutex_lock(&g->lock);
    g->held = hold != 0;
    err = settle(g);
    pthread_mutex_unlock(&g->lock);
    return err;
}
