/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session's packets, from and to its socket: what is of the medium, and from whom it counts (source.c). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define BATCH 16           /* packets read from a socket in one system call */
#define BATCHES_A_TICK 8   /* a flood must not hold up the other calls; the kernel drops what is too much */
#define BATCHES_AT_ONCE 64 /* what a socket has room for, when a medium begins */
#define ASIDE_TICKS 10     /* audio's socket is looked at so often unless it is where UDPTL comes */

static void close_aside(sfx_session *s) {
    if (s->aside >= 0)
        close(s->aside);
    s->aside = -1;
}

void path_close(sfx_session *s) {
    close_aside(s);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void path_set(sfx_session *s, int fd, const struct sockaddr_storage *remote, socklen_t len, bool new_medium) {
    if (new_medium)
        close_aside(s);
    /* A far end may have learnt where our audio comes from, and send T.38 there. */
    if (new_medium && s->kind == MEDIA_AUDIO && s->fd >= 0 && s->fd != fd)
        s->aside = s->fd;
    else if (s->fd >= 0 && s->fd != fd)
        close(s->fd);
    if (s->udptl_rx && !address_same(&s->source.named, remote))
        udptl_rx_moved(s->udptl_rx);
    if (s->kind == MEDIA_AUDIO && !address_same(&s->source.named, remote))
        rtp_rx_moved(&s->rtp_rx);
    s->fd = fd;
    source_signalled(&s->source, remote, len, new_medium);
    s->stalled = false;
    s->quiet_us = 0;
    s->sink = NULL;
    if (s->capture)
        capture_path(s->capture, fd, remote, len);
}

bool path_trusted(const sfx_session *s) {
    return s->fd < 0 || (s->srtp && s->kind == MEDIA_AUDIO) || source_trusted(&s->source);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

void path_send(sfx_session *s, const uint8_t *packet, size_t len) {
    const struct sockaddr_storage *to;
    socklen_t to_len;
    uint8_t sealed[RTP_PACKET + SRTP_TAG_MAX];
    int size;

    if (s->sink) {
        s->sink(s, packet, len);
        return;
    }
    if (s->fd < 0)
        return;
    to = source_target(&s->source, s->config.flags & SFX_FLAG_SYMMETRIC, &to_len);
    if (!to)
        return;
    if (s->capture)
        capture_packet(s->capture, true, to, 0, packet, len);
    if (s->srtp && s->kind == MEDIA_AUDIO) {
        if (len > RTP_PACKET)
            return;
        memcpy(sealed, packet, len);
        size = srtp_protect(s->srtp, sealed, len, sizeof sealed);
        if (size < 0)
            return;
        packet = sealed;
        len = (size_t)size;
    }
    /* A full socket buffer or an ICMP error is a lost packet, which the protocol above recovers. */
    if (sendto(s->fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to, to_len) < 0)
        return;
}

void path_send_audio(sfx_session *s, const int16_t *amp) {
    uint8_t packet[RTP_PACKET];
    size_t len;

    rtp_put(&s->rtp_tx, amp);
    while ((len = rtp_next(&s->rtp_tx, packet)) > 0)
        path_send(s, packet, len);
}

/* ---- receiving --------------------------------------------------------------------------------------------------- */

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

/* Whether an IFP packet could be the first of a far end in this phase: each signal begins with its indicator (T.38
 * §7.2), and only while a page comes may it have begun before. A frame by itself, as a DCN, opens nothing. */
static bool ifp_opens(const t30_run *run, const uint8_t *ifp, size_t len) {
    const t30_state_t *t = run->t30;
    bool fast = t && (t->state == STATE_F_TCF || t->phase == T30_PHASE_C_NON_ECM_RX || t->phase == T30_PHASE_C_ECM_RX);

    if (!len)
        return false;
    if (ifp[0] & 0x80)
        return fast && (ifp[0] & 0xe0) == 0xc0 && ifp[0] >> 1 & 0x0f;
    return len == 1 && !(ifp[0] & 0xe1) && (fast || ifp[0] >> 1 <= T38_IND_V21_PREAMBLE);
}

static source_mark mark_of(const sfx_session *s, const uint8_t *packet, size_t len) {
    source_mark mark = {.seq = (uint16_t)(packet[0] << 8 | packet[1])};
    const uint8_t *ifp;
    size_t ifp_len;

    if (s->kind == MEDIA_AUDIO)
        return (source_mark){rtp_has_samples(&s->rtp_rx, packet, len), rtp_seq(packet), rtp_ssrc(packet)};
    mark.opens =
        udptl_is_one(packet, len, 1) && !udptl_primary(packet, len, &ifp, &ifp_len) && ifp_opens(&s->run, ifp, ifp_len);
    return mark;
}

/* Whether it counts. */
static bool take_packet(sfx_session *s, packet_sink *deliver, const struct sockaddr_storage *from, socklen_t from_len,
                        const uint8_t *packet, size_t len) {
    source_mark mark;
    enum source_verdict verdict;

    if (!is_of_medium(s, packet, len))
        return false;
    mark = mark_of(s, packet, len);
    verdict = source_judge(&s->source, from, from_len, &mark);
    if (verdict == SOURCE_IGNORED)
        return false;
    if (verdict == SOURCE_MOVED && s->kind == MEDIA_AUDIO)
        rtp_rx_moved(&s->rtp_rx);
    else if (verdict == SOURCE_MOVED)
        udptl_rx_moved(s->udptl_rx);
    deliver(s, packet, len);
    return true;
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

/* Returns whether anything counted. */
static bool read_batches(sfx_session *s, packet_sink *deliver, int fd, int most, bool keep) {
    static _Thread_local packet_batch batch;
    int n, batches = 0;
    bool counted = false;

    if (!batch.ready)
        prepare_batch(&batch);
    do {
        with_times(&batch, s->capture != NULL);
        n = recvmmsg(fd, batch.msgs, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++) {
            struct msghdr *header = &batch.msgs[i].msg_hdr;
            int len = header->msg_flags & MSG_TRUNC || !keep ? -EMSGSIZE : (int)batch.msgs[i].msg_len;
            /* Before its source is believed: a forged packet must not draw the far end's address to itself. */
            if (len >= 0 && s->srtp && s->kind == MEDIA_AUDIO)
                len = srtp_unprotect(s->srtp, batch.buffers[i], (size_t)len);
            if (len >= 0 && s->capture)
                capture_packet(s->capture, false, &batch.from[i], capture_time(header), batch.buffers[i], (size_t)len);
            if (len >= 0 && take_packet(s, deliver, &batch.from[i], header->msg_namelen, batch.buffers[i], (size_t)len))
                counted = true;
            header->msg_namelen = sizeof batch.from[i];
        }
    } while (n == BATCH && ++batches < most);
    return counted;
}

void path_receive(sfx_session *s, packet_sink *deliver) {
    bool looks = s->aside >= 0 && s->aside_ticks % ASIDE_TICKS == 0;

    read_batches(s, deliver, s->fd, BATCHES_A_TICK, true);
    if (looks && read_batches(s, deliver, s->aside, BATCHES_A_TICK, true))
        s->aside_ticks = 0;
    else
        s->aside_ticks++;
}

/* At this moment the signalled address alone counts: what others sent ahead of the medium goes by here. Audio from
 * before is ringing and announcements. */
void path_begin(sfx_session *s, packet_sink *deliver) {
    read_batches(s, deliver, s->fd, BATCHES_AT_ONCE, s->kind == MEDIA_T38);
    if (s->aside >= 0)
        read_batches(s, deliver, s->aside, BATCHES_AT_ONCE, true);
    s->aside_ticks = 0;
}
