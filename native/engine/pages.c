/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What spandsp reports of phases and pages: which pages go out in which code, and what became of those received. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "internal.h"

/* The rate is limited where the DCS is about to be built: spandsp 0.0.6 itself knows only modems. */
static void limit_rate(t30_run *run) {
    static const struct {
        int rate_bps, v17, other;
    } steps[] = {{12000, 1, 3}, {9600, 2, 3}, {7200, 4, 5}, {4800, 6, 6}, {2400, 7, 7}};
    int limit = (int)run->max_rate_bps;
    t30_state_t *t = run->t30;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (limit >= steps[i].rate_bps && limit < (i ? steps[i - 1].rate_bps : 14400)) {
            int wanted = t->current_permitted_modems & T30_SUPPORT_V17 ? steps[i].v17 : steps[i].other;
            if (t->current_fallback < wanted)
                t->current_fallback = wanted;
        }
}

/* ---- which page, in which code -------------------------------------------------------------------------------- */

unsigned pages_first(const t30_state_t *t) { return t->tx_start_page > 0 ? (unsigned)t->tx_start_page : 0; }

static unsigned codes_allowed(const t30_state_t *t) {
    const uint8_t *dis = t->far_dis_dtc_frame;
    unsigned codes = 1u << T4_COMPRESSION_ITU_T4_1D;
    if (dis[4] & 0x80) /* bit 16 */
        codes |= 1u << T4_COMPRESSION_ITU_T4_2D;
    if (t->error_correcting_mode && dis[6] & 0x40) /* bit 31 */
        codes |= 1u << T4_COMPRESSION_ITU_T6;
    return codes;
}

/* A DIS is about to be answered: the run of pages that goes out under one DCS is settled here. */
static void choose_pages(t30_run *run) {
    sfx_document *d = &run->session->document;
    t30_state_t *t = run->t30;
    unsigned first = pages_first(t);

    if (!d->known || first >= d->count)
        return;
    document_plan(d, first, codes_allowed(t), run->rate_bps ? run->rate_bps : (int)run->max_rate_bps);
    if (d->plan[first])
        t->line_encoding = d->plan[first];
    t->tx_stop_page = document_run_end(d, first);
}

bool pages_turns(const sfx_session *s) { return s->tx_file && s->rx_file; }

/* Whether the far end's DIS says that it has put something out (bit 9), which is to be fetched after this. */
static bool is_to_fetch(const t30_run *run) {
    return pages_turns(run->session) && run->sends && run->session->config.flags & SFX_FLAG_CALLER &&
           run->t30->far_dis_dtc_frame[4] & 1;
}

/* No page follows under this DCS: is there one under the next (EOM, T.30 §5.3.6.1.6)? */
static int on_document_end(t30_state_t *t, void *user, int status) {
    t30_run *run = user;
    const sfx_document *d = &run->session->document;
    int next = t4_tx_get_current_page_in_file(&t->t4.tx) + 1;

    (void)status;
    run->turn_due = false;
    if (!d->known || (!d->more && (unsigned)next >= d->count)) {
        run->turn_due = is_to_fetch(run);
        return run->turn_due;
    }
    t->tx_start_page = next;
    return TRUE;
}

int run_document(sfx_session *s, bool replaced) {
    t30_state_t *t = s->run.t30;
    TIFF *fresh, *old;

    if (!t || s->run.finished || !s->tx_file || (!s->run.sends && s->config.flags & SFX_FLAG_CALLER))
        return 0;
    /* What is received is in the same place. */
    old = t->operation_in_progress == OPERATION_SENDING ? t->t4.tx.tiff.tiff_file : NULL;
    if (replaced) {
        if (old)
            return -EBUSY;
        t30_set_tx_file(t, s->tx_file, t->tx_start_page, t->tx_stop_page);
        return 0;
    }
    if (!old)
        return 0;
    /* libtiff has mapped the file as it was: open it again, and let the run go on where the code stays the same. */
    fresh = TIFFOpen(s->tx_file, "r");
    if (!fresh)
        return -EIO;
    TIFFClose(old);
    t->t4.tx.tiff.tiff_file = fresh;
    if (s->document.plan) {
        int end = document_run_end(&s->document, (unsigned)t4_tx_get_current_page_in_file(&t->t4.tx));
        t->t4.tx.tiff.stop_page = end < 0 ? INT_MAX : end;
    }
    return 0;
}

static bool is_said(const char *wanted, const char *said) {
    return !wanted || !*wanted || (said && !strcmp(wanted, said));
}

int pages_polled(const sfx_session *s, t30_state_t *t) {
    const char *sep = t30_get_rx_selective_polling_address(t), *pwd = t30_get_rx_password(t);
    int why = -T30_ERR_SEP_UNACCEPTABLE;

    for (int named = 1; named >= 0; named--)
        for (unsigned i = 0; i < (s->polled ? s->polled_count : 1); i++) {
            const char *wanted = s->polled ? s->polled[i].selective : s->selective;
            if ((wanted && *wanted) != named || !is_said(wanted, sep))
                continue;
            if (is_said(s->polled ? s->polled[i].password : s->password, pwd))
                return (int)i;
            why = -T30_ERR_PWD_UNACCEPTABLE;
        }
    return why;
}

/* A DIS or DTC after which images go the other way. */
static void turn(t30_run *run) {
    t30_state_t *t = run->t30;
    sfx_event event = {.type = SFX_EVENT_TURNED, .value = {run->pages_confirmed}};

    if (run->sends) {
        t30_set_tx_file(t, "", -1, -1);
        t30_set_rx_file(t, run->session->rx_file, -1);
    } else if (t->operation_in_progress == OPERATION_RECEIVING) {
        t4_rx_release(&t->t4.rx);
        t->operation_in_progress = OPERATION_NONE;
    }
    run->sends = !run->sends;
    run->turn_due = run->last_confirmed = false;
    t->end_of_procedure_detected = FALSE;
    run->pages_confirmed = run->bad_rows = run->retries = run->pages_in_file = run->last_command = 0;
    run->stored_link = DISK_FIRST_LINK;
    run_emit(run, &event);
}

static int on_phase_b(t30_state_t *t, void *user, int result) {
    t30_run *run = user;
    const sfx_session *s = run->session;
    bool polled = s->tx_file && !(s->config.flags & SFX_FLAG_CALLER);

    if ((result & 0xfe) == T30_DIS && (run->turn_due || (pages_turns(s) && polled && !run->sends)))
        turn(run);
    if (polled && (result & 0xfe) == T30_DIS && pages_polled(s, t) < 0)
        return -pages_polled(s, t);
    if ((result & 0xfe) == T30_DIS) {
        /* spandsp is about to open the file, whether or not it is open (a DIS repeated). */
        if (t->operation_in_progress == OPERATION_SENDING)
            t4_tx_release(&t->t4.tx);
        limit_rate(run);
        if (run->sends)
            choose_pages(run);
    }
    return T30_ERR_OK;
}

static void note_statistics(t30_run *run, t30_stats_t *stats) {
    t30_get_transfer_statistics(run->t30, stats);
    if (stats->bit_rate > 0)
        run->rate_bps = stats->bit_rate;
    run->ecm = stats->error_correcting_mode;
    run->retries = stats->error_correcting_mode_retries;
    if (stats->pages_in_file > 0)
        run->pages_in_file = stats->pages_in_file;
}

/* ---- a received page is on disk before MCF confirms it -------------------------------------------------------- */

int pages_settle(t30_run *run) {
    int status;

    if (!run->page_waits)
        return 0;
    status = run->storing ? disk_status(run->storing, &run->stored_link) : -EMFILE;
    disk_drop(run->storing);
    run->storing = NULL;
    run->page_waits = false;
    if (status) {
        run->stored.value[SFX_PAGE_CONFIRMED] = 0;
        run->pages_confirmed--;
    }
    run_emit(run, &run->stored);
    return status;
}

/* spandsp has written the page. What it says next waits (run_may_send); on the in-memory line the clock stands still
 * meanwhile. */
static void store_page(t30_run *run, const sfx_event *page) {
    sfx_session *s = run->session;
    TIFF *file = run->t30->t4.rx.tiff.tiff_file;

    if (run->page_waits) { /* a far end that waits for nothing: the job that follows is for both */
        run_emit(run, &run->stored);
        disk_drop(run->storing);
    }
    run->stored = *page;
    run->page_waits = true;
    run->storing = disk_begin(&s->engine->disk, file ? TIFFFileno(file) : -1, s->rx_file, run->stored_link,
                              s->hooks ? s->hooks->disk : NULL, s->sink != NULL);
}

bool run_may_send(sfx_session *s) {
    t30_run *run = &s->run;
    int err;

    if (run->storing && disk_status(run->storing, &run->stored_link) == DISK_UNDER_WAY)
        return false;
    err = pages_settle(run);
    if (err) {
        sfx_event event = {.type = SFX_EVENT_DISK, .code = -err};
        run_emit(run, &event);
        run->page_lost = true;
        run_cancel(s);
    }
    return true;
}

static int on_phase_d(t30_state_t *t, void *user, int result) {
    t30_run *run = user;
    sfx_session *s = run->session;
    t30_stats_t stats;
    bool sending = run->sends;
    int done, caught = sending ? 0 : decoder_caught();
    sfx_event event = {.type = SFX_EVENT_PAGE, .code = result & 0xfe};

    if (caught) {
        run_end_hostile(run, caught);
        return T30_ERR_OK;
    }
    note_statistics(run, &stats);
    if (sending && (result & 0xfe) == T30_RTN) {
        /* The page is sent again: at once after MPS and EOP, after a new DIS where EOM was said. */
        bool eom = t->next_tx_step == T30_EOM || t->next_tx_step == T30_PRI_EOM;
        t->retransmit_capable = !eom;
        if (eom)
            t->tx_start_page = t4_tx_get_current_page_in_file(&t->t4.tx);
    }
    done = sending ? stats.pages_tx : stats.pages_rx;
    if (result == T30_PIP)
        return T30_ERR_OK; /* an operator's interruption; the page itself is reported with its answer */
    /* A page refused for its bad rows (RTN) is still the best there may ever be: it goes into the file, marked here.
     * After the last page (EOP) spandsp closes the file even when it refuses that page; a new DCS would then begin the
     * file anew and lose the pages before it. So it is kept open until the far end has said what it does. */
    if (!sending && done == run->pages_confirmed) {
        t4_rx_end_page(&t->t4.rx);
        if ((result & 0xfe) == T30_EOP && t->operation_in_progress == OPERATION_RECEIVING) {
            t->operation_in_progress = OPERATION_NONE;
            run->file_kept_open = true;
        }
    }
    event.value[SFX_PAGE_CONFIRMED] = done > run->pages_confirmed;
    event.value[SFX_PAGE_NUMBER] = done > run->pages_confirmed ? done : run->pages_confirmed + 1;
    event.value[SFX_PAGE_BYTES] = stats.image_size;
    event.value[SFX_PAGE_ROWS] = stats.length;
    event.value[SFX_PAGE_BAD_ROWS] = stats.bad_rows;
    event.value[SFX_PAGE_DURATION_MS] = (int32_t)((s->now_us - run->page_began_us) / 1000);
    event.value[SFX_PAGE_FCF] = result & 0xfe;
    event.value[SFX_PAGE_RETRIES] = stats.error_correcting_mode_retries;
    if (sending || done == run->pages_confirmed)
        run_emit(run, &event);
    else
        store_page(run, &event);
    run->last_command = !sending && event.value[SFX_PAGE_CONFIRMED] ? result & 0xfe : 0;
    run->turn_due = run->turn_due && event.value[SFX_PAGE_CONFIRMED];
    run->pages_confirmed = done;
    run->bad_rows += stats.bad_rows;
    run->page_began_us = s->now_us;
    run->image_bytes = 0;
    if (!sending && (unsigned)done >= (s->config.max_pages ? s->config.max_pages : DEFAULT_MAX_PAGES))
        run_end_hostile(run, SFX_HOSTILE_TOO_MANY);
    return T30_ERR_OK;
}

static void on_phase_e(t30_state_t *t, void *user, int result) {
    t30_run *run = user;
    t30_stats_t stats;
    sfx_event event = {.type = SFX_EVENT_COMPLETE, .code = result};
    const char *ident = t30_get_rx_ident(t);

    if (run->finished)
        return;
    run->finished = true;
    /* A DCN or BYE that was lost after our MCF for the last page takes nothing away. */
    if (run->last_confirmed)
        event.code = T30_ERR_OK;
    if (run->page_lost)
        event.code = T30_ERR_FILEERROR;
    pages_settle(run);
    note_statistics(run, &stats);
    event.value[SFX_COMPLETE_PAGES] = run->sends ? stats.pages_tx : run->pages_confirmed;
    event.value[SFX_COMPLETE_PAGES_IN_FILE] = run->pages_in_file;
    event.value[SFX_COMPLETE_RATE] = run->rate_bps;
    event.value[SFX_COMPLETE_ECM] = run->ecm;
    event.value[SFX_COMPLETE_BAD_ROWS] = run->bad_rows;
    event.value[SFX_COMPLETE_RETRIES] = run->retries;
    if (ident)
        snprintf(event.text, sizeof event.text, "%s", ident);
    run_emit(run, &event);
}

void pages_resume(t30_run *run) {
    if (!run->file_kept_open)
        return;
    run->file_kept_open = false;
    run->t30->operation_in_progress = OPERATION_RECEIVING;
}

void pages_watch(t30_run *run) {
    t30_set_phase_b_handler(run->t30, on_phase_b, run);
    t30_set_phase_d_handler(run->t30, on_phase_d, run);
    t30_set_phase_e_handler(run->t30, on_phase_e, run);
    if (run->session->tx_file)
        t30_set_document_handler(run->t30, on_document_end, run);
    run->t30->retransmit_capable = TRUE; /* a page answered by RTN is sent again */
}
