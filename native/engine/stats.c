/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session's counters, of its media and of the fax under way. */
#include <string.h>

#include "internal.h"

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
    out->rtp_rx_restored = s->rtp_rx.restored;
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
    if (s->leg)
        gateway_stats(s, out);
    if (out->active && !s->leg) {
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
