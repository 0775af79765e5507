/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page being received, as far as it has come. Costs nothing unless it is asked for: spandsp's decoder is copied as
 * it stands, and, since with error correction it gets a block of frames only when all of them are there, the copy is
 * fed those that are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static void copy_free(decoder_copy *d) {
    if (!d)
        return;
    free(d->t4.image_buffer);
    free(d->t4.cur_runs);
    free(d->t4.ref_runs);
    free(d);
}

/* The session's lock is held. */
static int copy_received(const t30_state_t *t, decoder_copy *d) {
    int err = decoder_take_copy(&t->t4.rx, d);

    while (!err && t->error_correcting_mode && d->frames < BLOCK_FRAMES && t->ecm_len[d->frames] > 0) {
        d->len[d->frames] = t->ecm_len[d->frames];
        memcpy(d->data[d->frames], t->ecm_data[d->frames], sizeof d->data[0]);
        d->frames++;
    }
    return err;
}

static bool is_receiving(const sfx_session *s) {
    const t30_state_t *t = s->run.t30;
    return s->rx_file && !s->run.sends && t && !s->run.finished && s->run.page_began_us &&
           t->operation_in_progress == OPERATION_RECEIVING && t->t4.rx.cur_runs && t->t4.rx.ref_runs &&
           (t->t4.rx.image_width + 7) / 8 == t->t4.rx.bytes_per_row;
}

int sfx_session_preview(sfx_session *s, sfx_preview *out) {
    decoder_copy *d = calloc(1, sizeof *d);
    int err = d ? 0 : -ENOMEM;

    memset(out, 0, sizeof *out);
    if (err)
        return err;
    pthread_mutex_lock(&s->lock);
    out->page = (uint32_t)s->run.pages_confirmed + 1;
    if (s->leg)
        err = gateway_page(s, d, &out->page);
    else
        err = is_receiving(s) ? copy_received(s->run.t30, d) : -ENODATA;
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; !err && i < d->frames; i++)
        if (t4_rx_put_chunk(&d->t4, d->data[i], d->len[i]))
            break;
    decoder_caught(); /* the session sees it when the block is whole */
    if (!err && d->t4.image_size <= 0)
        err = -ENODATA;
    if (!err) {
        out->width = (uint32_t)d->t4.image_width;
        out->bytes_per_row = (uint32_t)d->t4.bytes_per_row;
        out->rows = (uint32_t)(d->t4.image_size / d->t4.bytes_per_row);
        out->x_dpm = d->t4.x_resolution;
        out->y_dpm = d->t4.y_resolution;
        out->dots = d->t4.image_buffer;
        d->t4.image_buffer = NULL;
        pthread_mutex_lock(&s->lock);
        s->run.preview_page = out->page;
        s->run.preview_rows = out->rows;
        pthread_mutex_unlock(&s->lock);
    }
    copy_free(d);
    return err;
}

void sfx_preview_free(sfx_preview *preview) {
    free(preview->dots);
    preview->dots = NULL;
}

uint32_t preview_rows(const sfx_session *s) {
    const t4_rx_state_t *t4 = s->run.t30 ? &s->run.t30->t4.rx : NULL;
    uint32_t rows, seen = s->run.preview_page == (uint32_t)s->run.pages_confirmed + 1 ? s->run.preview_rows : 0;

    if (!is_receiving(s))
        return 0;
    rows = t4->bytes_per_row > 0 && t4->image_size > 0 ? (uint32_t)(t4->image_size / t4->bytes_per_row) : 0;
    return rows > seen ? rows : seen;
}
