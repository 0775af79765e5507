/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fax session: its settings, its socket, what one tick of 20 ms does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "internal.h"

#define BATCH 16                 /* packets read from a socket in one system call */
#define BATCHES_A_TICK 8         /* a flood must not hold up the other calls; the kernel drops what is too much */
#define SOURCE_SETTLE_US 1000000 /* how long the signalled address has the first word */

/* ---- life ------------------------------------------------------------------------------------------------------- */

static char *copy_or_null(const char *text) { return text && *text ? strdup(text) : NULL; }

int sfx_session_create(sfx_engine *engine, const sfx_session_config *config, sfx_session **out) {
    sfx_session *s;

    if (!engine || !config || !out || (!config->tx_file == !config->rx_file))
        return -EINVAL;
    if (config->max_rate_bps < 2400 || (config->ident && strlen(config->ident) > 20))
        return -EINVAL;
    s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    law_init();
    pthread_mutex_init(&s->lock, NULL);
    s->engine = engine;
    s->config = *config;
    s->fd = -1;
    s->id = atomic_fetch_add(&engine->next_id, 1) + 1;
    s->tx_file = copy_or_null(config->tx_file);
    s->rx_file = copy_or_null(config->rx_file);
    s->ident = copy_or_null(config->ident);
    s->header = copy_or_null(config->header);
    s->config.tx_file = s->config.rx_file = s->config.ident = s->config.header = NULL;
    if (!s->tx_file && !s->rx_file) {
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
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->kind = MEDIA_NONE;
    udptl_close(s);
    sfx_srtp_destroy(s->srtp);
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
    document_free(&s->document);
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

/* ---- media ------------------------------------------------------------------------------------------------------ */

int session_media_audio(sfx_session *s, int law, int payload_type) {
    uint32_t random = 0;
    int err = 0;

    if (getrandom(&random, sizeof random, 0) < 0)
        return -errno;
    rtp_rx_init(&s->rtp_rx, payload_type, law);
    if (s->kind != MEDIA_AUDIO) {
        rtp_tx_init(&s->rtp_tx, payload_type, law, random);
        run_end(s, true);
        udptl_close(s);
        err = run_start(s, MEDIA_AUDIO, NULL);
    }
    s->rtp_tx.payload_type = payload_type;
    s->rtp_tx.law = law;
    s->kind = err ? MEDIA_NONE : MEDIA_AUDIO;
    s->held = false;
    return err;
}

int session_media_t38(sfx_session *s, const sfx_t38_config *c) {
    int err = 0;

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
        err = run_start(s, MEDIA_T38, c);
    }
    udptl_tx_set(s->udptl_tx, c->error_correction, (unsigned)c->redundancy, (unsigned)c->fec_span,
                 (size_t)(c->max_datagram > 0 ? c->max_datagram : 0));
    s->kind = err ? MEDIA_NONE : MEDIA_T38;
    s->held = false;
    return err;
}

/* Takes over the socket and the far end's address; the lock is held. */
static void set_path(sfx_session *s, int fd, const struct sockaddr_storage *remote, socklen_t len) {
    if (s->fd >= 0 && s->fd != fd)
        close(s->fd);
    if (s->udptl_rx && !address_same(&s->remote, remote))
        udptl_rx_moved(s->udptl_rx);
    s->fd = fd;
    s->remote = *remote;
    s->remote_len = len;
    s->source_locked = false;
    s->stalled = false;
    s->quiet_us = 0;
    s->sink = NULL;
    if (s->capture)
        capture_path(s->capture, fd, remote, len);
}

int sfx_session_start_audio(sfx_session *s, int fd, const char *remote, uint16_t port, int law, int payload_type) {
    struct sockaddr_storage address;
    socklen_t len = 0;
    int err = address_parse(remote, port, &address, &len);

    if (err < 0 || fd < 0 || (law != SFX_LAW_PCMU && law != SFX_LAW_PCMA) || payload_type < 0 || payload_type > 127) {
        if (fd >= 0)
            close(fd);
        return -EINVAL;
    }
    pthread_mutex_lock(&s->lock);
    set_path(s, fd, &address, len);
    err = session_media_audio(s, law, payload_type);
    pthread_mutex_unlock(&s->lock);
    return err < 0 ? err : shard_attach(s);
}

int sfx_session_start_t38(sfx_session *s, int fd, const char *remote, uint16_t port, const sfx_t38_config *config) {
    struct sockaddr_storage address;
    socklen_t len = 0;
    int err = address_parse(remote, port, &address, &len);

    if (err < 0 || fd < 0 || !config) {
        if (fd >= 0)
            close(fd);
        return -EINVAL;
    }
    pthread_mutex_lock(&s->lock);
    set_path(s, fd, &address, len);
    err = session_media_t38(s, config);
    pthread_mutex_unlock(&s->lock);
    return err < 0 ? err : shard_attach(s);
}

int sfx_session_srtp(sfx_session *s, const sfx_srtp_config *config) {
    int err = 0;

    pthread_mutex_lock(&s->lock);
    if (config && s->srtp) {
        err = srtp_rekey(s->srtp, config);
    } else if (config) {
        err = sfx_srtp_create(config, &s->srtp);
    } else {
        sfx_srtp_destroy(s->srtp);
        s->srtp = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    return err;
}

/* ---- packets ---------------------------------------------------------------------------------------------------- */

void session_send(sfx_session *s, const uint8_t *packet, size_t len) {
    const struct sockaddr_storage *to = &s->remote;
    socklen_t to_len = s->remote_len;
    uint8_t sealed[RTP_HEADER + RTP_FRAME + SRTP_TAG_MAX];
    int size;

    if (s->sink) {
        s->sink(s, packet, len);
        return;
    }
    if (s->fd < 0 || address_is_nowhere(to))
        return;
    if (s->source_locked && (s->config.flags & SFX_FLAG_SYMMETRIC || address_behind_nat(to, &s->source))) {
        to = &s->source;
        to_len = s->source_len;
    }
    if (s->capture)
        capture_packet(s->capture, true, to, 0, packet, len);
    if (s->srtp && s->kind == MEDIA_AUDIO) {
        if (len > RTP_HEADER + RTP_FRAME)
            return;
        memcpy(sealed, packet, len);
        size = sfx_srtp_protect(s->srtp, sealed, len, sizeof sealed);
        if (size < 0)
            return;
        packet = sealed;
        len = (size_t)size;
    }
    /* A full socket buffer or an ICMP error is a lost packet, which the protocol above recovers. */
    if (sendto(s->fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to, to_len) < 0)
        return;
}

static void deliver_audio(void *user, int16_t *amp, int samples) { run_feed_audio(user, amp, samples); }

static void deliver_ifp(void *user, const uint8_t *ifp, size_t len, uint16_t seq) {
    sfx_session *s = user;
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

/* Whether a datagram is of the medium that runs: what is not must neither be taken for it nor draw the far end's
 * address to itself. RTP goes on coming for a while after a change to T.38, and half of it would pass for UDPTL. */
static bool is_of_medium(const sfx_session *s, const uint8_t *packet, size_t len) {
    bool rtp = rtp_header_length(packet, len) >= 0;

    if (s->kind == MEDIA_AUDIO)
        return rtp;
    if (rtp && s->rtp_rx.started && rtp_ssrc(packet) == s->rtp_rx.ssrc)
        return false;
    return udptl_is_one(packet, len, rtp);
}

/* Whose packets count: the address signalled; where nothing comes from it (NAT), the first other one; another port of
 * the same host where that falls silent (NAT that has forgotten). */
static bool source_accepted(sfx_session *s, const struct sockaddr_storage *from, socklen_t len) {
    bool settled = s->now_us >= SOURCE_SETTLE_US;

    if (s->source_locked && address_same(from, &s->source))
        return true;
    if (address_same(from, &s->remote) ||
        (settled && (!s->source_locked || (s->quiet_us >= SOURCE_SETTLE_US && address_same_host(from, &s->source))))) {
        s->source = *from;
        s->source_len = len;
        s->source_locked = true;
        return true;
    }
    return false;
}

/* Buffers of a thread for reading packets; the headers are laid out once. */
typedef struct packet_batch {
    bool ready;
    uint8_t buffers[BATCH][DATAGRAM_SIZE];
    struct sockaddr_storage from[BATCH];
    struct iovec iov[BATCH];
    struct mmsghdr msgs[BATCH];
    uint8_t control[BATCH][CMSG_SPACE(sizeof(struct timespec))]; /* when it came, for the capture */
} packet_batch;

static void prepare_batch(packet_batch *b) {
    for (int i = 0; i < BATCH; i++) {
        b->iov[i] = (struct iovec){b->buffers[i], DATAGRAM_SIZE};
        b->msgs[i].msg_hdr = (struct msghdr){.msg_name = &b->from[i], .msg_iov = &b->iov[i], .msg_iovlen = 1};
        b->msgs[i].msg_hdr.msg_namelen = sizeof b->from[i];
        b->msgs[i].msg_hdr.msg_control = b->control[i];
    }
    b->ready = true;
}

static void with_times(packet_batch *b, bool wanted) {
    for (int i = 0; i < BATCH; i++)
        b->msgs[i].msg_hdr.msg_controllen = wanted ? sizeof b->control[i] : 0;
}

static void receive_waiting(sfx_session *s) {
    static _Thread_local packet_batch batch;
    int n, batches = 0;

    if (!batch.ready)
        prepare_batch(&batch);
    do {
        with_times(&batch, s->capture != NULL);
        n = recvmmsg(s->fd, batch.msgs, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++) {
            struct msghdr *header = &batch.msgs[i].msg_hdr;
            int len = header->msg_flags & MSG_TRUNC ? -EMSGSIZE : (int)batch.msgs[i].msg_len;
            /* Before its source is believed: a forged packet must not draw the far end's address to itself. */
            if (len >= 0 && s->srtp && s->kind == MEDIA_AUDIO)
                len = sfx_srtp_unprotect(s->srtp, batch.buffers[i], (size_t)len);
            if (len >= 0 && s->capture)
                capture_packet(s->capture, false, &batch.from[i], capture_time(header), batch.buffers[i], (size_t)len);
            if (len >= 0 && is_of_medium(s, batch.buffers[i], (size_t)len) &&
                source_accepted(s, &batch.from[i], header->msg_namelen))
                session_packet(s, batch.buffers[i], (size_t)len);
            header->msg_namelen = sizeof batch.from[i];
        }
    } while (n == BATCH && ++batches < BATCHES_A_TICK);
}

/* ---- the tick --------------------------------------------------------------------------------------------------- */

static void send_audio(sfx_session *s, bool may_send) {
    int16_t amp[RTP_FRAME] = {0};
    uint8_t packet[RTP_HEADER + RTP_FRAME];

    if (may_send)
        run_fetch_audio(s, amp);
    session_send(s, packet, rtp_build(&s->rtp_tx, amp, packet));
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

void session_tick(sfx_session *s) {
    s->now_us += TICK_US;
    /* T.38 has no sample clock: every second tick is soon enough, and half the system calls. */
    if (s->fd >= 0 && (s->kind == MEDIA_AUDIO || s->now_us % (2 * TICK_US) == 0))
        receive_waiting(s);
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

int sfx_session_stats_get(sfx_session *s, sfx_session_stats *out) {
    t30_stats_t t;

    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&s->lock);
    out->media_us = s->now_us;
    out->media = s->kind;
    out->rtp_rx_packets = s->rtp_rx.packets;
    out->rtp_rx_lost = s->rtp_rx.lost;
    out->rtp_rx_late = s->rtp_rx.late;
    out->rtp_rx_filled_samples = s->rtp_rx.filled;
    out->rtp_tx_packets = s->rtp_tx.packets;
    out->udptl_rx_packets = s->udptl_before.packets + (s->udptl_rx ? s->udptl_rx->packets : 0);
    out->udptl_rx_lost = s->udptl_before.lost + (s->udptl_rx ? s->udptl_rx->lost : 0);
    out->udptl_rx_recovered = s->udptl_before.recovered + (s->udptl_rx ? s->udptl_rx->recovered : 0);
    out->udptl_rx_bad = s->udptl_before.bad + (s->udptl_rx ? s->udptl_rx->bad : 0);
    out->udptl_tx_packets = s->udptl_sent;
    if (s->srtp) {
        out->srtp_rejected = s->srtp->rejected;
        out->srtp_replayed = s->srtp->replayed;
    }
    out->active = s->run.t30 && !s->run.finished;
    out->bad_rows = (uint32_t)s->run.bad_rows;
    out->pages_done = (uint32_t)s->run.pages_confirmed;
    out->retries = (uint32_t)s->run.retries;
    if (s->capture)
        capture_count(s->capture, &out->captured, &out->capture_left_out);
    if (out->active) {
        t30_get_transfer_statistics(s->run.t30, &t);
        out->rate_bps = (uint32_t)t.bit_rate;
        out->rows = preview_rows(s);
        out->ecm = (uint32_t)t.error_correcting_mode;
        out->retries = (uint32_t)t.error_correcting_mode_retries;
        out->page = s->run.page_began_us ? (uint32_t)s->run.pages_confirmed + 1 : 0;
        /* With ECM, blocks of up to 64 kB are prepared at once: what went over the line is counted in frames. */
        out->image_bytes =
            t.error_correcting_mode ? s->run.image_bytes : (uint64_t)(t.image_size > 0 ? t.image_size : 0);
    }
    pthread_mutex_unlock(&s->lock);
    return 0;
}
