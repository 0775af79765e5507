/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The in-memory line: sessions joined without sockets or a clock, with loss, duplication and jitter if wanted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line.h"

#define LINE_QUEUE 256    /* packets under way in one direction */
#define LINE_RED_TYPE 121 /* payload type */
#define SETTLE_US 2000000 /* after both ended: what is still under way arrives */

typedef struct line_packet {
    uint64_t due_us; /* 0 = free */
    size_t len;
    uint8_t data[DATAGRAM_SIZE];
} line_packet;

typedef struct line_end {
    const sfx_line_config *config;
    sfx_session *session; /* sends into it */
    uint64_t *now_us;
    uint64_t *random;
    line_packet *packets; /* LINE_QUEUE of them */
    unsigned next;
    uint64_t lost_until_us;
    skew *skew;              /* NULL where both have one sample clock */
    sound *own, *far;        /* what this side hears, and the other; NULL where a line leaves audio as it is */
    const line_hooks *hooks; /* NULL but in tests */
} line_end;

static bool chance(line_end *end, uint32_t ppm) { return ppm && line_roll(end->random) % 1000000u < ppm; }

static void line_put(line_end *end, const uint8_t *packet, size_t len) {
    line_packet *p = &end->packets[end->next++ % LINE_QUEUE];
    uint32_t jitter = end->config->jitter_ms ? line_roll(end->random) % (end->config->jitter_ms * 1000) : 0;

    p->due_us = *end->now_us + end->config->delay_ms * UINT64_C(1000) + jitter + 1;
    p->len = len;
    memcpy(p->data, packet, len);
}

/* Whether packets may get lost at this time. */
static bool is_lossy(const line_end *end) {
    const sfx_line_config *c = end->config;
    uint64_t now_ms = *end->now_us / 1000;
    return !c->loss_until_ms || (now_ms >= c->loss_from_ms && now_ms < c->loss_until_ms);
}

static bool is_lost(line_end *end) {
    if (*end->now_us < end->lost_until_us)
        return true;
    if (!is_lossy(end) || !chance(end, end->config->loss_ppm))
        return false;
    end->lost_until_us = *end->now_us + end->config->burst_ms * UINT64_C(1000);
    return true;
}

static void line_carry(void *user, const uint8_t *packet, size_t len) {
    line_end *end = user;

    if (len > DATAGRAM_SIZE || is_lost(end))
        return;
    line_put(end, packet, len);
    if (chance(end, end->config->duplicate_ppm))
        line_put(end, packet, len);
}

/* Audio comes out of the far end of an analogue line. */
static void line_sound(line_end *end, const uint8_t *packet, size_t len) {
    uint8_t heard[DATAGRAM_SIZE];

    if (end->own && len <= sizeof heard) {
        sound_said(end->own, packet, len);
        memcpy(heard, packet, len);
        sound_heard(end->far, heard, len);
        packet = heard;
    }
    if (end->skew)
        skew_packet(end->skew, packet, len, line_carry, end);
    else
        line_carry(end, packet, len);
}

static void line_sink(sfx_session *s, const uint8_t *packet, size_t len) {
    line_end *end = s->sink_user;

    if (end->hooks)
        end->hooks->packet(end->hooks->user, s, end->random, packet, len, line_carry, end);
    else
        line_sound(end, packet, len);
}

/* Hands what is due to `to`, in the order of its arrival. */
static void line_deliver(line_end *from, sfx_session *to) {
    for (;;) {
        line_packet *first = NULL;
        for (unsigned i = 0; i < LINE_QUEUE; i++) {
            line_packet *p = &from->packets[(from->next + i) % LINE_QUEUE];
            if (p->due_us && p->due_us <= *from->now_us + 1 && (!first || p->due_us < first->due_us))
                first = p;
        }
        if (!first)
            return;
        first->due_us = 0;
        session_packet(to, first->data, first->len);
    }
}

static int line_open(line_end *end, bool first) {
    const sfx_line_config *c = end->config;
    sfx_t38_config t38 = c->t38;
    sfx_session *s = end->session;
    int law = c->mode == 3 ? SFX_LAW_PCMA : SFX_LAW_PCMU;
    int err;

    if (end->hooks && end->hooks->one_unpaced)
        t38.no_pacing = first ? 2 : 0;
    end->packets = calloc(LINE_QUEUE, sizeof *end->packets);
    if (!end->packets)
        return -ENOMEM;
    pthread_mutex_lock(&s->lock);
    s->sink = line_sink;
    s->sink_user = end;
    if (c->red)
        s->red = (session_red){LINE_RED_TYPE, LINE_RED_TYPE, c->red};
    err = c->mode == 2 ? session_media_t38(s, &t38)
                       : session_media_audio(s, law, law, c->ptime_ms ? (int)c->ptime_ms : RTP_PTIME_MS);
    pthread_mutex_unlock(&s->lock);
    return err;
}

/* What an analogue line does to audio, each way. */
static int line_distort(line_end ends[2], const sfx_line_config *c) {
    int law = c->mode == 3 ? SFX_LAW_PCMA : SFX_LAW_PCMU;
    bool skewed = c->skew_ppm || c->phase_permille, sounds = c->gain_db || c->snr_db || c->echo_db;

    if (c->mode == 2)
        return 0;
    if (c->phase_permille >= 1000 || c->echo_ms > 1000 || c->red > RED_MOST || (c->red && (skewed || sounds)))
        return -EINVAL;
    for (int i = 0; i < 2; i++) {
        if (skewed && !(ends[i].skew = skew_create(law, i ? -c->skew_ppm : c->skew_ppm, c->phase_permille)))
            return -ENOMEM;
        if (sounds && !(ends[i].own = ends[!i].far = sound_create(c, law, c->seed * 2ull + (unsigned)i)))
            return -ENOMEM;
    }
    return 0;
}

/* Ends 0 and 1 are those of one line, 2 and 3 of another. */
static void line_step(line_end *ends, int count) {
    *ends->now_us += TICK_US;
    for (int i = 0; i < count; i++) {
        sfx_session *s = ends[i].session;
        pthread_mutex_lock(&s->lock);
        line_deliver(&ends[i ^ 1], s);
        session_tick(s);
        pthread_mutex_unlock(&s->lock);
    }
}

static void line_close(line_end *end) {
    sfx_session_stop_media(end->session);
    end->session->sink = NULL;
    free(end->packets);
    skew_destroy(end->skew);
    sound_destroy(end->own);
}

static int open_all(line_end *ends, int count) {
    int err = 0;

    for (int i = 0; i < count && !err; i++)
        err = line_open(&ends[i], i == 0);
    for (int i = 0; i < count && !err; i += 2)
        err = line_distort(&ends[i], ends[i].config);
    return err;
}

/* Until the first and the last session have ended. */
static int run_all(line_end *ends, int count, uint64_t *now) {
    const sfx_line_config *config = ends->config;
    const sfx_session *a = ends[0].session, *b = ends[count - 1].session;
    uint64_t over_at = 0;
    int err = open_all(ends, count);

    while (!err && (!over_at || *now < over_at)) {
        line_step(ends, count);
        if (config->pace_us)
            usleep(config->pace_us);
        if (!over_at && a->run.finished && b->run.finished)
            over_at = *now + 1;
        /* One side has ended: the other gets the time a far end's hang-up takes to come, then the call is cut. */
        else if (!over_at && (a->run.finished || b->run.finished))
            over_at = *now + SETTLE_US;
        else if (over_at > *now + 1 && a->run.finished && b->run.finished)
            over_at = *now;
        if (*now > config->limit_us)
            err = -ETIMEDOUT;
    }
    for (int i = 0; i < count; i++)
        line_close(&ends[i]);
    return err;
}

static bool is_line(const sfx_line_config *config) { return config->mode >= 1 && config->mode <= 3; }

/* Two sessions on one line, or four on two. */
static int run_lines(sfx_session *const sessions[], int count, const sfx_line_config *const configs[],
                     const line_hooks *hooks, uint64_t *simulated_us) {
    uint64_t now = 0, random = configs[0]->seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    line_end ends[4];
    int err;

    for (int i = 0; i < count; i++)
        ends[i] = (line_end){
            .config = configs[i / 2], .session = sessions[i], .now_us = &now, .random = &random, .hooks = hooks};
    err = run_all(ends, count, &now);
    if (simulated_us)
        *simulated_us = now;
    return err;
}

int line_run(sfx_session *a, sfx_session *b, const sfx_line_config *config, const line_hooks *hooks,
             uint64_t *simulated_us) {
    if (!is_line(config) || a == b)
        return -EINVAL;
    return run_lines((sfx_session *const[]){a, b}, 2, &config, hooks, simulated_us);
}

int line_run_gateway(sfx_session *const sessions[4], const sfx_line_config *const configs[2], const line_hooks *hooks,
                     uint64_t *simulated_us) {
    if (!is_line(configs[0]) || !is_line(configs[1]) || !sessions[1]->leg || !sessions[2]->leg)
        return -EINVAL;
    return run_lines(sessions, 4, configs, hooks, simulated_us);
}

int sfx_line_run(sfx_session *a, sfx_session *b, const sfx_line_config *config, uint64_t *simulated_us) {
    return line_run(a, b, config, NULL, simulated_us);
}

int sfx_line_run_gateway(sfx_session *caller, sfx_session *leg_a, sfx_session *leg_b, sfx_session *answerer,
                         const sfx_line_config *a, const sfx_line_config *b, uint64_t *simulated_us) {
    sfx_session *const sessions[4] = {caller, leg_a, leg_b, answerer};
    const sfx_line_config *const configs[2] = {a, b};

    return line_run_gateway(sessions, configs, NULL, simulated_us);
}
