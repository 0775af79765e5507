/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of T.30 in spandsp: set up over audio or T.38, watched, ended. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define ADDRESS_FIELD 0xff

/* States of spandsp 0.0.6 (t30.c). Where the training check was lost on the line, the sender says DCS again; in F_TCF
 * spandsp would answer that by DCN, in F_CFR it begins anew. */
enum { STATE_F_TCF = 7, STATE_F_CFR = 8 };

/* Its operations. After the last page (EOP) it closes the received file even when it refuses that page; a new DCS would
 * then begin the file anew and lose the pages before it. So the file is kept open until the far end has said what it
 * does. */
enum { OPERATION_NONE = 0, OPERATION_RECEIVING = RUN_RECEIVING };

static void emit(t30_run *run, sfx_event *event) {
    if (!run->muted)
        events_put(run->session, event);
}

/* ---- what spandsp reports -------------------------------------------------------------------------------------- */

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

static unsigned first_page(const t30_state_t *t) { return t->tx_start_page > 0 ? (unsigned)t->tx_start_page : 0; }

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
    unsigned first = first_page(t);

    if (!d->known || first >= d->count)
        return;
    document_plan(d, first, codes_allowed(t), run->rate_bps ? run->rate_bps : (int)run->max_rate_bps);
    if (d->plan[first])
        t->line_encoding = d->plan[first];
    t->tx_stop_page = document_run_end(d, first);
}

/* No page follows under this DCS: is there one under the next (EOM, T.30 §5.3.6.1.6)? */
static int on_document_end(t30_state_t *t, void *user, int status) {
    t30_run *run = user;
    const sfx_document *d = &run->session->document;
    int next = t4_tx_get_current_page_in_file(&t->t4.tx) + 1;

    (void)status;
    if (!d->known || (!d->more && (unsigned)next >= d->count))
        return FALSE;
    t->tx_start_page = next;
    return TRUE;
}

int run_document(sfx_session *s, bool replaced) {
    t30_state_t *t = s->run.t30;
    TIFF *fresh, *old;

    if (!t || s->run.finished || !s->tx_file)
        return 0;
    old = t->t4.tx.tiff.tiff_file;
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

static int on_phase_b(t30_state_t *t, void *user, int result) {
    t30_run *run = user;
    (void)t;
    if ((result & 0xfe) == T30_DIS) {
        limit_rate(run);
        if (run->session->tx_file)
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

/* Reports the page that was being stored; as confirmed only where it is on disk. Returns 0 or why it is not. */
static int settle_page(t30_run *run) {
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
    emit(run, &run->stored);
    return status;
}

/* spandsp has written the page. What it says next waits (run_may_send); on the in-memory line the clock stands still
 * meanwhile. */
static void store_page(t30_run *run, const sfx_event *page) {
    sfx_session *s = run->session;
    TIFF *file = run->t30->t4.rx.tiff.tiff_file;

    if (run->page_waits) { /* a far end that waits for nothing: the job that follows is for both */
        emit(run, &run->stored);
        disk_drop(run->storing);
    }
    run->stored = *page;
    run->page_waits = true;
    run->storing = disk_begin(&s->engine->disk, file ? TIFFFileno(file) : -1, s->rx_file, run->stored_link,
                              s->config.fault, s->sink != NULL);
}

bool run_may_send(sfx_session *s) {
    t30_run *run = &s->run;
    int err;

    if (run->storing && disk_status(run->storing, &run->stored_link) == DISK_UNDER_WAY)
        return false;
    err = settle_page(run);
    if (err) {
        sfx_event event = {.type = SFX_EVENT_DISK, .code = -err};
        emit(run, &event);
        run->page_lost = true;
        run_cancel(s);
    }
    return true;
}

static int on_phase_d(t30_state_t *t, void *user, int result) {
    t30_run *run = user;
    sfx_session *s = run->session;
    t30_stats_t stats;
    bool sending = s->tx_file != NULL;
    int done;
    sfx_event event = {.type = SFX_EVENT_PAGE, .code = result & 0xfe};

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
    /* A page refused for its bad rows (RTN) is still the best there may ever be: it goes into the file, marked here. */
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
        emit(run, &event);
    else
        store_page(run, &event);
    run->pages_confirmed = done;
    run->bad_rows += stats.bad_rows;
    run->page_began_us = s->now_us;
    run->image_bytes = 0;
    if (!sending && (unsigned)done >= (s->config.max_pages ? s->config.max_pages : DEFAULT_MAX_PAGES)) {
        sfx_event limit = {.type = SFX_EVENT_HOSTILE, .code = SFX_HOSTILE_TOO_MANY};
        emit(run, &limit);
        t30_terminate(run->t30);
    }
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
    if (run->page_lost)
        event.code = T30_ERR_FILEERROR;
    settle_page(run);
    note_statistics(run, &stats);
    event.value[SFX_COMPLETE_PAGES] = run->session->tx_file ? stats.pages_tx : run->pages_confirmed;
    event.value[SFX_COMPLETE_PAGES_IN_FILE] = run->pages_in_file;
    event.value[SFX_COMPLETE_RATE] = run->rate_bps;
    event.value[SFX_COMPLETE_ECM] = run->ecm;
    event.value[SFX_COMPLETE_BAD_ROWS] = run->bad_rows;
    event.value[SFX_COMPLETE_RETRIES] = run->retries;
    if (ident)
        snprintf(event.text, sizeof event.text, "%s", ident);
    emit(run, &event);
}

static void emit_frame(t30_run *run, uint32_t type, bool received, const uint8_t *msg, int len) {
    sfx_event event = {.type = type, .code = received};
    event.data_len = (uint32_t)len < sizeof event.data ? (uint32_t)len : sizeof event.data;
    memcpy(event.data, msg, event.data_len);
    emit(run, &event);
}

static void emit_negotiated(t30_run *run) {
    const dcs_info *d = &run->dcs;
    const char *ident = t30_get_rx_ident(run->t30);
    sfx_event event = {.type = SFX_EVENT_NEGOTIATED,
                       .value = {d->rate_bps, d->ecm, d->encoding, d->x_dpm, d->y_dpm, d->width}};
    if (ident)
        snprintf(event.text, sizeof event.text, "%s", ident);
    run->page_began_us = run->session->now_us;
    emit(run, &event);
}

static void inject_fault(t30_run *run, const uint8_t *msg, int len);

/* A DIS or DTC, before spandsp acts on it. Where the pages do not suit it, or are not made yet, it is made a frame
 * without meaning (a non-final NSF): the far end repeats it. `msg` is spandsp's own receive buffer. */
static void on_dis(t30_run *run, uint8_t *msg, int len) {
    sfx_document *d = &run->session->document;
    bool sending = run->session->tx_file && run->session->config.flags & SFX_FLAG_CALLER;
    int verdict = sending && d->known ? document_judge_dis(d, first_page(run->t30), msg, len) : SFX_DIS_TAKEN;
    sfx_event event = {.type = SFX_EVENT_DIS, .code = verdict, .value = {(int32_t)first_page(run->t30)}};

    event.data_len = (uint32_t)len < sizeof event.data ? (uint32_t)len : sizeof event.data;
    memcpy(event.data, msg, event.data_len);
    emit(run, &event);
    if (verdict == SFX_DIS_TAKEN) {
        d->held = 0;
        return;
    }
    d->held++;
    msg[1] &= 0xef;
    msg[2] = T30_NSF;
}

static void resume_receiving(t30_run *run) {
    if (!run->file_kept_open)
        return;
    run->file_kept_open = false;
    run->t30->operation_in_progress = OPERATION_RECEIVING;
}

/* A DCS where spandsp does not expect one: the training check was lost, or a refused last page comes again. */
static void expect_dcs(t30_run *run) {
    t30_state_t *t = run->t30;
    if (t->state == STATE_F_TCF || run->file_kept_open) {
        t->state = STATE_F_CFR;
        t->end_of_procedure_detected = FALSE;
    }
}

/* Every HDLC frame, before spandsp acts on it. */
static void on_frame(t30_state_t *t, void *user, int received, const uint8_t *msg, int len) {
    t30_run *run = user;
    int hostile = received ? guard_check(msg, len) : 0;
    uint8_t fcf;

    if (!received && run->session->config.fault)
        inject_fault(run, msg, len);
    if (hostile && !(run->session->config.flags & SFX_FLAG_NO_GUARD)) {
        sfx_event event = {.type = SFX_EVENT_HOSTILE, .code = hostile};
        emit(run, &event);
        /* Leaves T.30 in its last state, where no frame is acted on. */
        t30_terminate(t);
        return;
    }
    if (len < 3)
        return;
    fcf = msg[2] & 0xfe;
    if (!(msg[1] & 0x10) && fcf == T4_FCD) {
        run->image_bytes += (uint64_t)(len > 4 ? len - 4 : 0);
        return;
    }
    if (run->session->config.flags & SFX_FLAG_TRACE)
        emit_frame(run, SFX_EVENT_FRAME, received, msg, len);
    if (fcf == (T30_DIS & 0xfe) && received)
        on_dis(run, (uint8_t *)(uintptr_t)msg, len);
    else if (fcf == T30_DCS) {
        dcs_decode(msg, len, &run->dcs);
        if (received)
            expect_dcs(run);
    } else if (fcf == T30_CFR && (msg[1] & 0x10))
        emit_negotiated(run);
    /* A repeated EOP asks for our answer again and changes nothing. */
    if (received && (msg[1] & 0x10) && fcf != T30_EOP)
        resume_receiving(run);
}

/* ---- faults, for the tests of the other side -------------------------------------------------------------------- */

static void send_short_fcd(t30_run *run) {
    static const uint8_t frame[3] = {ADDRESS_FIELD, 0x03, T4_FCD};
    if (run->terminal) {
        /* On the wire of T.38 octets go with their first bit highest. */
        static const uint8_t wire[3] = {0xff, 0xc0, 0x60};
        t38_core_state_t *core = t38_terminal_get_t38_core_state(run->terminal);
        t38_core_send_data(core, T38_DATA_V17_14400, T38_FIELD_HDLC_DATA, wire, sizeof wire,
                           T38_PACKET_CATEGORY_IMAGE_DATA);
        t38_core_send_data(core, T38_DATA_V17_14400, T38_FIELD_HDLC_FCS_OK, NULL, 0, T38_PACKET_CATEGORY_IMAGE_DATA);
    } else if (run->fax) {
        hdlc_tx_frame(&run->fax->modems.hdlc_tx, frame, sizeof frame);
    }
}

/* Called with a frame of ours that is about to be sent; spandsp keeps it in a buffer that can be written. */
static void inject_fault(t30_run *run, const uint8_t *msg, int len) {
    uint8_t *frame = (uint8_t *)(uintptr_t)msg;
    int fault = run->session->config.fault;

    if (run->fault_done || len < 6)
        return;
    if (fault == SFX_FAULT_SHORT_FCD && msg[2] == T4_FCD) {
        run->fault_done = true;
        send_short_fcd(run);
    } else if (fault == SFX_FAULT_DCS_WIDTH && (msg[2] & 0xfe) == T30_DCS) {
        frame[5] |= 3;
    } else if (fault == SFX_FAULT_DCS_LENGTH && (msg[2] & 0xfe) == T30_DCS && run->terminal) {
        /* More octets of the same frame, ahead of what the terminal sends: one DCS of some 200 octets arrives. */
        uint8_t wire[200];
        t38_core_state_t *core = t38_terminal_get_t38_core_state(run->terminal);
        memset(wire, 0x01, sizeof wire);
        memcpy(wire, "\xff\xc8", 2);
        wire[2] = 0xc1;
        run->fault_done = true;
        t38_core_send_data(core, T38_DATA_V21, T38_FIELD_HDLC_DATA, wire, sizeof wire,
                           T38_PACKET_CATEGORY_CONTROL_DATA);
        t38_core_send_data(core, T38_DATA_V21, T38_FIELD_HDLC_FCS_OK, NULL, 0, T38_PACKET_CATEGORY_CONTROL_DATA);
    }
}

/* ---- set-up --------------------------------------------------------------------------------------------------- */

static int modems_for(unsigned max_rate_bps) {
    int modems = T30_SUPPORT_V27TER;
    if (max_rate_bps >= 7200)
        modems |= T30_SUPPORT_V29;
    if (max_rate_bps >= 12000)
        modems |= T30_SUPPORT_V17;
    return modems;
}

static int compressions_for(unsigned lacks, bool ecm) {
    return T30_SUPPORT_T4_1D_COMPRESSION | (lacks & SFX_LACKS_2D ? 0 : T30_SUPPORT_T4_2D_COMPRESSION) |
           (ecm && !(lacks & SFX_LACKS_T6) ? T30_SUPPORT_T6_COMPRESSION : 0);
}

static int resolutions_for(unsigned lacks) {
    int high = T30_SUPPORT_R16_RESOLUTION | T30_SUPPORT_300_300_RESOLUTION | T30_SUPPORT_400_400_RESOLUTION;
    return T30_SUPPORT_STANDARD_RESOLUTION | T30_SUPPORT_R8_RESOLUTION |
           (lacks & SFX_LACKS_FINE ? 0 : T30_SUPPORT_FINE_RESOLUTION) |
           (lacks & SFX_LACKS_SUPERFINE ? 0 : T30_SUPPORT_SUPERFINE_RESOLUTION) | (lacks & SFX_LACKS_HIGH ? 0 : high);
}

static int sizes_for(unsigned lacks) {
    int lengths = T30_SUPPORT_B4_LENGTH | T30_SUPPORT_US_LEGAL_LENGTH | T30_SUPPORT_UNLIMITED_LENGTH;
    return T30_SUPPORT_215MM_WIDTH | T30_SUPPORT_A4_LENGTH | T30_SUPPORT_US_LETTER_LENGTH |
           (lacks & SFX_LACKS_LONG ? 0 : lengths) |
           (lacks & SFX_LACKS_WIDE ? 0 : T30_SUPPORT_255MM_WIDTH | T30_SUPPORT_303MM_WIDTH);
}

static void configure(t30_run *run) {
    const sfx_session *s = run->session;
    t30_state_t *t = run->t30;
    bool ecm = s->config.flags & SFX_FLAG_ECM;
    unsigned lacks = s->config.lacks;

    t30_set_supported_modems(t, modems_for(run->max_rate_bps));
    t30_set_ecm_capability(t, ecm);
    t30_set_supported_compressions(t, compressions_for(lacks, ecm));
    t30_set_supported_resolutions(t, resolutions_for(lacks));
    t30_set_supported_image_sizes(t, sizes_for(lacks));
    /* Received pages are written as one G4 strip each, which a PDF can carry as it is. */
    t30_set_rx_encoding(t, T4_COMPRESSION_ITU_T6);
    t30_set_minimum_scan_line_time(t, 0);
    if (s->ident)
        t30_set_tx_ident(t, s->ident);
    if (s->header) {
        t30_set_tx_page_header_info(t, s->header);
        t30_set_tx_page_header_overlays_image(t, (s->config.flags & SFX_FLAG_HEADER_OVERLAY) != 0);
    }
    if (s->tx_file)
        t30_set_tx_file(t, s->tx_file, -1, -1);
    if (s->rx_file)
        t30_set_rx_file(t, s->rx_file, -1);
    t30_set_phase_b_handler(t, on_phase_b, run);
    t30_set_phase_d_handler(t, on_phase_d, run);
    t30_set_phase_e_handler(t, on_phase_e, run);
    t30_set_real_time_frame_handler(t, on_frame, run);
    if (s->tx_file)
        t30_set_document_handler(t, on_document_end, run);
    t->retransmit_capable = TRUE; /* a page answered by RTN is sent again */
}

static void on_preamble(void *user, int code, int level, int delay) {
    t30_run *run = user;
    sfx_event event = {.type = SFX_EVENT_V21};
    (void)level;
    (void)delay;
    if (code != MODEM_CONNECT_TONES_FAX_PREAMBLE || run->preamble_heard)
        return;
    run->preamble_heard = true;
    emit(run, &event);
}

static int start_audio(t30_run *run, bool caller) {
    run->fax = fax_init(NULL, caller);
    if (!run->fax)
        return -ENOMEM;
    fax_set_transmit_on_idle(run->fax, TRUE);
    run->t30 = fax_get_t30_state(run->fax);
    if (caller)
        run->preamble = modem_connect_tones_rx_init(NULL, MODEM_CONNECT_TONES_FAX_PREAMBLE, on_preamble, run);
    return 0;
}

static int on_ifp(t38_core_state_t *core, void *user, const uint8_t *ifp, int len, int count) {
    sfx_session *s = user;
    uint8_t datagram[DATAGRAM_SIZE];
    int n = udptl_build(s->udptl_tx, ifp, (size_t)(len > 0 ? len : 0), datagram, sizeof datagram);

    (void)core;
    if (n < 0)
        return -1;
    /* `count` copies of the same datagram: what matters (indicators, ends of frames) survives without a reply to it. */
    for (int i = 0; i < count; i++) {
        session_send(s, datagram, (size_t)n);
        s->udptl_sent++;
    }
    return 0;
}

static int start_t38(t30_run *run, bool caller, const sfx_t38_config *c) {
    t38_core_state_t *core;

    run->terminal = t38_terminal_init(NULL, caller, on_ifp, run->session);
    if (!run->terminal)
        return -ENOMEM;
    run->t30 = t38_terminal_get_t30_state(run->terminal);
    core = t38_terminal_get_t38_core_state(run->terminal);
    t38_set_t38_version(core, c->version);
    t38_set_data_rate_management_method(core, c->local_tcf ? T38_DATA_RATE_MANAGEMENT_LOCAL_TCF
                                                           : T38_DATA_RATE_MANAGEMENT_TRANSFERRED_TCF);
    if (c->max_datagram > 0)
        t38_set_max_datagram_size(core, c->max_datagram);
    if (c->max_rate_bps > 0)
        t38_set_fastest_image_data_rate(core, c->max_rate_bps);
    /* Paced: indicators and ends of data go out three times, on top of what UDPTL recovers. */
    t38_terminal_set_config(run->terminal, c->no_pacing ? T38_TERMINAL_OPTION_NO_PACING : 0);
    return 0;
}

/* The T38MaxBitRate that both sides said holds for T.30 too (T.38 annex D); fax begins at 2400 bit/s. */
static unsigned lower_rate(unsigned own_bps, unsigned agreed_bps) {
    unsigned rate_bps = agreed_bps < own_bps ? agreed_bps : own_bps;
    return rate_bps < 2400 ? 2400 : rate_bps;
}

int run_start(sfx_session *s, enum media_kind kind, const sfx_t38_config *t38) {
    t30_run *run = &s->run;
    bool caller = s->config.flags & SFX_FLAG_CALLER;
    int err;

    memset(run, 0, sizeof *run);
    run->session = s;
    run->stored_link = DISK_FIRST_LINK;
    run->max_rate_bps = s->config.max_rate_bps;
    if (kind == MEDIA_T38 && t38->max_rate_bps > 0)
        run->max_rate_bps = lower_rate(run->max_rate_bps, (unsigned)t38->max_rate_bps);
    err = kind == MEDIA_T38 ? start_t38(run, caller, t38) : start_audio(run, caller);
    if (err < 0)
        return err;
    configure(run);
    if (run->fax)
        signals_listen(run, caller);
    return 0;
}

void run_end(sfx_session *s, bool muted) {
    t30_run *run = &s->run;

    if (!run->t30)
        return;
    run->muted = run->muted || muted;
    resume_receiving(run);
    if (!run->finished)
        t30_terminate(run->t30);
    if (run->fax) {
        fax_release(run->fax);
        fax_free(run->fax);
    }
    if (run->terminal) {
        t38_terminal_release(run->terminal);
        t38_terminal_free(run->terminal);
    }
    if (run->preamble)
        modem_connect_tones_rx_free(run->preamble);
    if (run->tones)
        modem_connect_tones_rx_free(run->tones);
    if (run->goodbye)
        fsk_tx_free(run->goodbye);
    if (run->goodbye_hdlc)
        hdlc_tx_free(run->goodbye_hdlc);
    run->goodbye = NULL;
    run->goodbye_hdlc = NULL;
    run->fax = NULL;
    run->terminal = NULL;
    run->preamble = NULL;
    run->tones = NULL;
    run->t30 = NULL;
}

/* ---- ending it ourselves: T.30 §5.3.6.1.8 DCN ------------------------------------------------------------------- */

static void end_of_goodbye(void *user) {
    t30_run *run = user;
    hdlc_tx_frame(run->goodbye_hdlc, NULL, 0);
}

static void say_goodbye_audio(t30_run *run, const uint8_t *dcn, size_t len) {
    run->goodbye_hdlc = hdlc_tx_init(NULL, FALSE, 2, FALSE, end_of_goodbye, run);
    if (!run->goodbye_hdlc)
        return;
    hdlc_tx_flags(run->goodbye_hdlc, 32); /* one second of preamble, as for any V.21 frame */
    hdlc_tx_frame(run->goodbye_hdlc, dcn, len);
    run->goodbye = fsk_tx_init(NULL, &preset_fsk_specs[FSK_V21CH2], (get_bit_func_t)hdlc_tx_get_bit, run->goodbye_hdlc);
}

static void say_goodbye_t38(t30_run *run, const uint8_t *dcn, size_t len) {
    uint8_t wire[3];
    t38_core_state_t *core = t38_terminal_get_t38_core_state(run->terminal);

    bit_reverse(wire, dcn, (int)len); /* T.38 carries the bit sent first in the highest place */
    t38_core_send_indicator(core, T38_IND_V21_PREAMBLE);
    t38_core_send_data(core, T38_DATA_V21, T38_FIELD_HDLC_DATA, wire, (int)len, T38_PACKET_CATEGORY_CONTROL_DATA);
    t38_core_send_data(core, T38_DATA_V21, T38_FIELD_HDLC_FCS_OK_SIG_END, NULL, 0,
                       T38_PACKET_CATEGORY_CONTROL_DATA_END);
    t38_core_send_indicator(core, T38_IND_NO_SIGNAL);
}

void run_cancel(sfx_session *s) {
    t30_run *run = &s->run;
    uint8_t dcn[3] = {ADDRESS_FIELD, 0x13, T30_DCN};

    if (!run->t30 || run->finished)
        return;
    dcn[2] |= run->t30->dis_received ? 1 : 0;
    t30_terminate(run->t30);
    if (run->terminal)
        say_goodbye_t38(run, dcn, sizeof dcn);
    else
        say_goodbye_audio(run, dcn, sizeof dcn);
}

void run_fetch_audio(sfx_session *s, int16_t *amp) {
    t30_run *run = &s->run;
    int n = 0;

    if (run->goodbye)
        n = fsk_tx(run->goodbye, amp, RTP_FRAME);
    else if (run->fax)
        n = fax_tx(run->fax, amp, RTP_FRAME);
    if (n < RTP_FRAME)
        memset(amp + n, 0, (size_t)(RTP_FRAME - n) * sizeof *amp);
}

void run_pass_time(sfx_session *s, int samples) {
    if (s->run.t30 && !s->run.finished)
        t30_timer_update(s->run.t30, samples);
}

void run_feed_audio(sfx_session *s, int16_t *amp, int samples) {
    t30_run *run = &s->run;
    int16_t copy[RTP_MAX_PAYLOAD];

    if (!run->fax)
        return;
    if (amp && run->preamble && !run->preamble_heard) {
        memcpy(copy, amp, (size_t)samples * sizeof *amp); /* the detector filters in place */
        modem_connect_tones_rx(run->preamble, copy, samples);
    }
    if (amp && run->tones) {
        memcpy(copy, amp, (size_t)samples * sizeof *amp);
        modem_connect_tones_rx(run->tones, copy, samples);
    }
    if (amp && !s->held)
        fax_rx(run->fax, amp, samples);
    else
        fax_rx_fillin(run->fax, samples);
}

const char *sfx_t30_completion_text(int code) {
    const char *text = t30_completion_code_to_str(code);
    return text ? text : "???";
}
