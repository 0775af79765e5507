/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fax session: its settings, its socket, what one tick of 20 ms does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "internal.h"

/* ---- life ------------------------------------------------------------------------------------------------------- */

static char *copy_or_null(const char *text) { return text && *text ? strdup(text) : NULL; }

/* T.30 §5.3.6.2.4 */
static bool is_too_long(const char *text) { return text && strlen(text) > T30_MAX_IDENT_LEN; }

int sfx_session_create(sfx_engine *engine, const sfx_session_config *config, sfx_session **out) {
    sfx_session *s;
    bool leg = config && config->flags & SFX_FLAG_LEG;

    if (!engine || !config || !out || (!config->tx_file && !config->rx_file) != leg ||
        (leg && (config->tx_file || config->rx_file)))
        return -EINVAL;
    if (config->max_rate_bps < 2400 || is_too_long(config->ident) || is_too_long(config->subaddress) ||
        is_too_long(config->sender_id) || is_too_long(config->selective) || is_too_long(config->password))
        return -EINVAL;
    s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    law_init();
    pthread_mutex_init(&s->lock, NULL);
    s->engine = engine;
    s->config = *config;
    s->fd = s->aside = -1;
    s->id = atomic_fetch_add(&engine->next_id, 1) + 1;
    s->tx_file = copy_or_null(config->tx_file);
    s->rx_file = copy_or_null(config->rx_file);
    s->ident = copy_or_null(config->ident);
    s->header = copy_or_null(config->header);
    s->subaddress = copy_or_null(config->subaddress);
    s->sender_id = copy_or_null(config->sender_id);
    s->selective = copy_or_null(config->selective);
    s->password = copy_or_null(config->password);
    s->config.tx_file = s->config.rx_file = s->config.ident = s->config.header = NULL;
    s->config.subaddress = s->config.sender_id = s->config.selective = s->config.password = NULL;
    if ((config->tx_file && !s->tx_file) || (config->rx_file && !s->rx_file)) {
        sfx_session_destroy(s);
        return -ENOMEM;
    }
    *out = s;
    return 0;
}

static void udptl_close(sfx_session *s) {
    if (s->udptl_rx) {
        s->udptl_before.packets += s->udptl_rx->packets;
        s->udptl_before.lost += s->udptl_rx->lost;
        s->udptl_before.recovered += s->udptl_rx->recovered;
        s->udptl_before.bad += s->udptl_rx->bad;
    }
    free(s->udptl_rx);
    free(s->udptl_tx);
    s->udptl_rx = NULL;
    s->udptl_tx = NULL;
}

static void media_close(sfx_session *s, bool muted) {
    run_end(s, muted);
    if (s->leg)
        gateway_media(s, MEDIA_NONE, 0, 0, NULL);
    path_close(s);
    s->kind = MEDIA_NONE;
    udptl_close(s);
    srtp_destroy(s->srtp);
    s->srtp = NULL;
}

int sfx_session_stop_media(sfx_session *s) {
    shard_detach(s);
    pthread_mutex_lock(&s->lock);
    media_close(s, false);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

void sfx_session_destroy(sfx_session *s) {
    if (!s)
        return;
    sfx_session_stop_media(s);
    capture_close(&s->engine->capture_writer, s->capture);
    pthread_mutex_destroy(&s->lock);
    free(s->tx_file);
    free(s->rx_file);
    free(s->ident);
    free(s->header);
    free(s->subaddress);
    free(s->sender_id);
    free(s->selective);
    free(s->password);
    free(s->polled);
    document_free(&s->document);
    if (s->hooks)
        s->hooks->release(s->hooks);
    free(s);
}

uint32_t sfx_session_id(const sfx_session *s) { return s->id; }

int sfx_session_hold(sfx_session *s, int hold) {
    pthread_mutex_lock(&s->lock);
    s->held = hold != 0;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

int sfx_session_cancel(sfx_session *s) {
    pthread_mutex_lock(&s->lock);
    run_cancel(s);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

int sfx_session_capture(sfx_session *s, const char *path, uint64_t max_bytes) {
    int err;

    if (!path || !max_bytes)
        return -EINVAL;
    pthread_mutex_lock(&s->lock);
    err = s->capture || s->kind != MEDIA_NONE ? -EBUSY
                                              : capture_open(&s->engine->capture_writer, path, max_bytes, &s->capture);
    pthread_mutex_unlock(&s->lock);
    return err;
}

int sfx_session_document(sfx_session *s, const char *path, const sfx_page *pages, unsigned count, int more) {
    sfx_page *copy = calloc(count ? count : 1, sizeof *copy);
    uint8_t *plan = calloc(count ? count : 1, 1);
    char *file = path ? strdup(path) : NULL, *old = NULL;
    sfx_document *d = &s->document;
    int err = 0;

    if (!copy || !plan || (path && !file) || (count && !pages)) {
        free(copy);
        free(plan);
        free(file);
        return -ENOMEM;
    }
    if (count)
        memcpy(copy, pages, count * sizeof *copy);
    pthread_mutex_lock(&s->lock);
    if (file) {
        old = s->tx_file;
        s->tx_file = file;
        err = run_document(s, true);
        if (err < 0)
            s->tx_file = old;
    }
    if (!err) {
        /* What is being sent keeps its code; new pages go on in it unless a new DCS comes between. */
        for (unsigned i = 0; i < count; i++)
            plan[i] = i < d->count ? d->plan[i] : d->count ? d->plan[d->count - 1] : 0;
        free(d->pages);
        free(d->plan);
        *d = (sfx_document){copy, plan, count, more != 0, true, d->held};
        if (!file)
            err = run_document(s, false);
    }
    pthread_mutex_unlock(&s->lock);
    free(err && file ? file : old);
    if (err && file) {
        free(copy);
        free(plan);
    }
    return err;
}

int sfx_session_polled(sfx_session *s, const sfx_polled *documents, unsigned count) {
    sfx_polled *copy = count && count <= SFX_POLLED_MAX ? calloc(count, sizeof *copy) : NULL;

    if (!copy)
        return count && count <= SFX_POLLED_MAX ? -ENOMEM : -EINVAL;
    memcpy(copy, documents, count * sizeof *copy);
    for (unsigned i = 0; i < count; i++)
        copy[i].selective[T30_MAX_IDENT_LEN] = copy[i].password[T30_MAX_IDENT_LEN] = '\0';
    pthread_mutex_lock(&s->lock);
    free(s->polled);
    s->polled = copy;
    s->polled_count = count;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

int sfx_session_chosen(sfx_session *s, unsigned index) {
    int err;

    pthread_mutex_lock(&s->lock);
    err = index < s->polled_count ? 0 : -EINVAL;
    if (!err)
        s->chosen = (int)index;
    pthread_mutex_unlock(&s->lock);
    return err;
}

/* ---- media ------------------------------------------------------------------------------------------------------ */

/* Whether there is something to be run: a leg has to be joined first. */
static bool may_run(const sfx_session *s) { return s->leg || !(s->config.flags & SFX_FLAG_LEG); }

int session_media_audio(sfx_session *s, int law, int payload_type, int ptime_ms) {
    uint32_t random = 0;
    int err = 0;

    if (!may_run(s) || rtp_tx_ptime(&s->rtp_tx, ptime_ms) < 0)
        return -EINVAL;
    if (getrandom(&random, sizeof random, 0) < 0)
        return -errno;
    rtp_rx_init(&s->rtp_rx, payload_type, law);
    if (s->kind != MEDIA_AUDIO) {
        rtp_tx_init(&s->rtp_tx, payload_type, law, random);
        run_end(s, true);
        udptl_close(s);
        if (!s->leg)
            err = run_start(s, MEDIA_AUDIO, NULL);
    }
    if (s->leg)
        err = gateway_media(s, MEDIA_AUDIO, law, ptime_ms, NULL);
    rtp_tx_ptime(&s->rtp_tx, ptime_ms);
    s->rtp_tx.payload_type = payload_type;
    s->rtp_tx.law = law;
    s->rtp_rx.red_type = s->red.rx_type;
    rtp_tx_red(&s->rtp_tx, s->red.tx_type, s->red.again);
    s->kind = err ? MEDIA_NONE : MEDIA_AUDIO;
    s->held = false;
    return err;
}

int session_media_t38(sfx_session *s, const sfx_t38_config *c) {
    int err = 0;

    if (!may_run(s))
        return -EINVAL;
    if (c->error_correction < SFX_EC_NONE || c->error_correction > SFX_EC_FEC || c->redundancy < 0 || c->fec_span < 0)
        return -EINVAL;
    if (s->kind != MEDIA_T38) {
        udptl_close(s);
        s->udptl_rx = calloc(1, sizeof *s->udptl_rx);
        s->udptl_tx = calloc(1, sizeof *s->udptl_tx);
        if (!s->udptl_rx || !s->udptl_tx)
            return -ENOMEM;
        udptl_rx_init(s->udptl_rx);
        udptl_tx_init(s->udptl_tx);
        run_end(s, true);
        if (!s->leg)
            err = run_start(s, MEDIA_T38, c);
    }
    if (s->leg)
        err = gateway_media(s, MEDIA_T38, 0, 0, c);
    udptl_tx_set(s->udptl_tx, c->error_correction, (unsigned)c->redundancy, (unsigned)c->fec_span,
                 (size_t)(c->max_datagram > 0 ? c->max_datagram : 0));
    s->kind = err ? MEDIA_NONE : MEDIA_T38;
    s->held = false;
    return err;
}

int sfx_session_start_audio(sfx_session *s, int fd, const char *remote, uint16_t port, int law, int payload_type,
                            int ptime_ms) {
    struct sockaddr_storage address;
    socklen_t len = 0;
    bool fresh;
    int err = address_parse(remote, port, &address, &len);

    if (err < 0 || fd < 0 || (law != SFX_LAW_PCMU && law != SFX_LAW_PCMA) || payload_type < 0 || payload_type > 127) {
        if (fd >= 0)
            close(fd);
        return -EINVAL;
    }
    pthread_mutex_lock(&s->lock);
    fresh = s->kind != MEDIA_AUDIO;
    path_set(s, fd, &address, len, fresh);
    err = session_media_audio(s, law, payload_type, ptime_ms);
    if (!err && fresh)
        path_begin(s, session_packet);
    pthread_mutex_unlock(&s->lock);
    return err < 0 ? err : shard_attach(s);
}

int sfx_session_start_t38(sfx_session *s, int fd, const char *remote, uint16_t port, const sfx_t38_config *config) {
    struct sockaddr_storage address;
    socklen_t len = 0;
    bool fresh;
    int err = address_parse(remote, port, &address, &len);

    if (err < 0 || fd < 0 || !config) {
        if (fd >= 0)
            close(fd);
        return -EINVAL;
    }
    pthread_mutex_lock(&s->lock);
    fresh = s->kind != MEDIA_T38;
    path_set(s, fd, &address, len, fresh);
    err = session_media_t38(s, config);
    if (!err && fresh)
        path_begin(s, session_packet);
    pthread_mutex_unlock(&s->lock);
    return err < 0 ? err : shard_attach(s);
}

int sfx_session_peer(sfx_session *s, const char *host) {
    struct sockaddr_storage peer;
    socklen_t len;
    int err = address_parse(host, 1, &peer, &len);

    if (err < 0)
        return err;
    pthread_mutex_lock(&s->lock);
    source_peer(&s->source, &peer);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static bool is_red_type(int type) { return !type || (type >= 96 && type <= 127); }

int sfx_session_red(sfx_session *s, int rx_type, int tx_type, int again) {
    if (!is_red_type(rx_type) || !is_red_type(tx_type) || again < 0 || again > RED_MOST)
        return -EINVAL;
    pthread_mutex_lock(&s->lock);
    s->red = (session_red){rx_type, tx_type, (unsigned)again};
    pthread_mutex_unlock(&s->lock);
    return 0;
}

int sfx_session_srtp(sfx_session *s, const sfx_srtp_config *config) {
    int err = 0;

    pthread_mutex_lock(&s->lock);
    if (config && s->srtp) {
        err = srtp_rekey(s->srtp, config);
    } else if (config) {
        err = srtp_create(config, &s->srtp);
    } else {
        srtp_destroy(s->srtp);
        s->srtp = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    return err;
}

/* ---- packets ---------------------------------------------------------------------------------------------------- */

static void deliver_audio(void *user, int16_t *amp, int samples) {
    sfx_session *s = user;
    if (s->leg)
        gateway_hear(s, amp, samples);
    else
        run_feed_audio(s, amp, samples);
}

static void deliver_ifp(void *user, const uint8_t *ifp, size_t len, uint16_t seq) {
    sfx_session *s = user;
    if (s->leg) {
        gateway_take(s, ifp, len, seq);
        return;
    }
    signals_ifp(s, ifp, len);
    if (s->run.terminal)
        t38_core_rx_ifp_packet(t38_terminal_get_t38_core_state(s->run.terminal), ifp, (int)len, seq);
}

void session_packet(sfx_session *s, const uint8_t *packet, size_t len) {
    int err = -EBADMSG;
    if (s->kind == MEDIA_AUDIO)
        err = rtp_receive(&s->rtp_rx, packet, len, deliver_audio, s);
    else if (s->kind == MEDIA_T38)
        err = udptl_receive(s->udptl_rx, packet, len, deliver_ifp, s);
    if (err >= 0)
        s->quiet_us = 0;
}

/* ---- the tick --------------------------------------------------------------------------------------------------- */

static void send_audio(sfx_session *s, bool may_send) {
    int16_t amp[RTP_FRAME] = {0};

    if (may_send)
        run_fetch_audio(s, amp);
    path_send_audio(s, amp);
}

static void watch_stall(sfx_session *s) {
    s->quiet_us += TICK_US;
    if (s->config.stall_ms && !s->stalled && s->quiet_us > s->config.stall_ms * UINT64_C(1000)) {
        sfx_event event = {.type = SFX_EVENT_STALLED};
        s->stalled = true;
        events_put(s, &event);
    }
}

/* T.30's timers run on samples. When none come, time passes for them at once, but for the modem only after a second:
 * should the far end have stood still, its signal goes on to the sample. */
static void pass_silence(sfx_session *s) {
    int16_t zeros[RTP_FRAME] = {0};
    if (s->rtp_rx.starved > RTP_SILENT)
        run_feed_audio(s, zeros, RTP_FRAME);
    else if (s->rtp_rx.starved > RTP_STARVED)
        run_pass_time(s, RTP_FRAME);
}

/* Whether the far end is to send something now. Audio comes all the time; over T.38 nothing comes from a receiver while
 * a page is sent to it. */
static bool is_awaited(const sfx_session *s) {
    const t30_state_t *t = s->run.t30;

    if (s->leg)
        return gateway_awaits(s);
    if (s->kind != MEDIA_T38 || !t)
        return true;
    return t->phase <= T30_PHASE_B_RX || t->phase == T30_PHASE_C_NON_ECM_RX || t->phase == T30_PHASE_C_ECM_RX ||
           t->phase == T30_PHASE_D_RX;
}

/* A leg has no T.30 whose time passes; its packets are not to wait here. */
static void tick_leg(sfx_session *s) {
    if (s->fd >= 0)
        path_receive(s, session_packet);
    if (s->kind == MEDIA_AUDIO) {
        rtp_tick(&s->rtp_rx, deliver_audio, s);
        if (s->rtp_rx.starved > RTP_SILENT)
            gateway_starve(s);
    } else if (s->kind == MEDIA_T38) {
        udptl_tick(s->udptl_rx, deliver_ifp, s);
    }
    gateway_tick(s);
    watch_stall(s);
}

void session_tick(sfx_session *s) {
    s->now_us += TICK_US;
    source_tick(&s->source, TICK_US, is_awaited(s));
    if (s->leg) {
        tick_leg(s);
        return;
    }
    /* T.38 has no sample clock: every second tick is soon enough, and half the system calls. */
    if (s->fd >= 0 && (s->kind == MEDIA_AUDIO || s->run.unpaced || s->now_us % (2 * TICK_US) == 0))
        path_receive(s, session_packet);
    if (s->kind == MEDIA_AUDIO) {
        rtp_tick(&s->rtp_rx, deliver_audio, s);
        pass_silence(s);
        send_audio(s, run_may_send(s));
    } else if (s->kind == MEDIA_T38) {
        udptl_tick(s->udptl_rx, deliver_ifp, s);
        run_watch_training(&s->run);
        if (run_may_send(s))
            run_send_t38(&s->run);
    }
    run_watch_decoder(&s->run);
    run_watch_timers(&s->run);
    signals_tick(s);
    watch_stall(s);
}
