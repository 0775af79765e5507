/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page that passes a gateway, decoded beside: its octets from IFP packets where a leg has T.38, else by modems of
 * its own. Nothing that passes waits for it, and where it loses the thread the page is seen as far as it came.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway.h"

#define FCF 2 /* of a frame: 0xff, 0x03, then what it is */
#define NUMBER 3
#define DATA 4
#define NOTHING_ASKED (-1)

struct glimpse {
    t4_rx_state_t *t4;
    dcs_info dcs;
    int rate_code; /* bits 11 to 14 of the DCS, or of a CTC */
    bool begun;    /* a page */
    bool lost;     /* what has come of it cannot be gone on with */
    uint64_t octets;
    uint16_t len[BLOCK_FRAMES]; /* the block of error correction under way */
    uint8_t block[BLOCK_FRAMES][FRAME_OCTETS];
    int asked; /* T30_MPS and the like, 0 for the end of a block alone */
    t38_core_state_t *core;
    t38_frame frame;
    sfx_listener *listener;
};

/* ---- the decoder --------------------------------------------------------------------------------------------------
 */

/* spandsp's. It wants a file, in which nothing is ever written. */
static t4_rx_state_t *decoder_open(void) {
    char path[32];
    t4_rx_state_t *t4 = NULL;
    int fd = memfd_create("page", MFD_CLOEXEC);

    if (fd < 0)
        return NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    t4 = t4_rx_init(NULL, path, T4_COMPRESSION_ITU_T6);
    close(fd); /* libtiff has opened it again */
    return t4;
}

/* By hand: spandsp deletes a file without pages by its name. */
static void decoder_close(t4_rx_state_t *t4) {
    if (!t4)
        return;
    TIFFClose(t4->tiff.tiff_file);
    free((char *)(uintptr_t)t4->tiff.file);
    free(t4->image_buffer);
    free(t4->cur_runs);
    free(t4->ref_runs);
    free(t4);
}

static void put_octets(glimpse *p, const uint8_t *octets, int len) {
    if (!p->begun || p->lost || len <= 0)
        return;
    p->octets += (uint64_t)len;
    t4_rx_put_chunk(p->t4, octets, len);
    p->lost = decoder_caught() != 0;
}

static void begin_page(glimpse *p) {
    t4_rx_set_image_width(p->t4, p->dcs.width);
    t4_rx_set_rx_encoding(p->t4, p->dcs.encoding);
    t4_rx_set_x_resolution(p->t4, p->dcs.x_dpm);
    t4_rx_set_y_resolution(p->t4, p->dcs.y_dpm);
    p->begun = p->dcs.width > 0 && p->dcs.encoding && !t4_rx_start_page(p->t4);
    p->lost = false;
    p->octets = 0;
    memset(p->len, 0, sizeof p->len);
}

/* ---- what comes ---------------------------------------------------------------------------------------------------
 */

static void take_frame(glimpse *p, const uint8_t *frame, int len) {
    if (!p->begun || len <= DATA || len - DATA > FRAME_OCTETS || frame[FCF] != T4_FCD)
        return;
    p->len[frame[NUMBER]] = (uint16_t)(len - DATA);
    memcpy(p->block[frame[NUMBER]], frame + DATA, (size_t)(len - DATA));
}

static void on_heard(void *user, int kind, const uint8_t *octets, size_t len) {
    glimpse *p = user;

    if (kind == SFX_HEARD_IMAGE_FRAME)
        take_frame(p, octets, (int)len);
    else if (kind == SFX_HEARD_DATA && !p->dcs.ecm)
        put_octets(p, octets, (int)len);
}

static int on_indicator(t38_core_state_t *core, void *user, int indicator) {
    glimpse *p = user;

    (void)core;
    (void)indicator;
    t38_frame_begin(&p->frame);
    return 0;
}

/* Octets without error correction, which T.38 hands over in pieces of any length. */
static void add_data(glimpse *p, const uint8_t *octets, int len) {
    uint8_t turned[FRAME_OCTETS];

    while (len > 0) {
        int n = len < FRAME_OCTETS ? len : FRAME_OCTETS;
        bit_reverse(turned, octets, n);
        put_octets(p, turned, n);
        octets += n;
        len -= n;
    }
}

static int on_data(t38_core_state_t *core, void *user, int data_type, int field_type, const uint8_t *octets, int len) {
    glimpse *p = user;

    (void)core;
    if (data_type == T38_DATA_V21)
        return 0;
    if (field_type == T38_FIELD_T4_NON_ECM_DATA || field_type == T38_FIELD_T4_NON_ECM_SIG_END) {
        if (!p->dcs.ecm)
            add_data(p, octets, len);
        return 0;
    }
    if (t38_frame_take(&p->frame, FRAME_OCTETS + DATA, field_type, octets, len))
        take_frame(p, p->frame.octets, p->frame.len);
    if (field_type != T38_FIELD_HDLC_DATA)
        t38_frame_begin(&p->frame);
    return 0;
}

static int on_missing(t38_core_state_t *core, void *user, int got, int expected) {
    (void)core;
    (void)user;
    (void)got;
    (void)expected;
    return 0;
}

/* ---- by which way -------------------------------------------------------------------------------------------------
 */

void glimpse_ifp(glimpse *p, const uint8_t *ifp, size_t len, int version, bool gap) {
    if (!p)
        return;
    if (!p->core) {
        p->core = t38_core_init(NULL, on_indicator, on_data, on_missing, p, send_nothing, p);
        if (!p->core)
            return;
        t38_set_sequence_number_handling(p->core, FALSE);
    }
    p->frame.damaged = p->frame.damaged || gap;
    t38_set_t38_version(p->core, version);
    t38_core_rx_ifp_packet(p->core, ifp, (int)len, 0);
}

/* Modems are there from the first DCS heard on G.711 on: the training check sets them for what follows. */
static void expect(glimpse *p, bool image, bool short_train) {
    if (p->listener)
        sfx_listener_expect(p->listener, p->rate_code, short_train, image && p->dcs.ecm);
}

static void expect_nothing(glimpse *p) {
    if (p->listener)
        sfx_listener_expect(p->listener, -1, 0, 0);
}

void glimpse_hear(glimpse *p, const int16_t *amp, int samples) {
    if (!p)
        return;
    if (!p->listener) {
        p->listener = sfx_listener_create(SFX_LAW_PCMU, on_heard, p);
        expect(p, p->begun, p->begun);
    }
    if (!p->listener)
        return;
    if (amp)
        listener_hear_fast(p->listener, amp, samples);
    else
        sfx_listener_miss(p->listener, samples);
}

/* ---- what T.30 says of it -----------------------------------------------------------------------------------------
 */

glimpse *glimpse_create(void) {
    glimpse *p = calloc(1, sizeof *p);

    if (p)
        p->t4 = decoder_open();
    if (p && !p->t4) {
        free(p);
        return NULL;
    }
    return p;
}

void glimpse_destroy(glimpse *p) {
    if (!p)
        return;
    decoder_close(p->t4);
    if (p->core)
        t38_core_free(p->core);
    sfx_listener_destroy(p->listener);
    free(p);
}

void glimpse_dcs(glimpse *p, const dcs_info *dcs, const uint8_t *frame, int len) {
    if (!p)
        return;
    p->dcs = *dcs;
    p->rate_code = len > 4 ? frame[4] >> 2 & 15 : 0;
    p->begun = false;
    p->asked = NOTHING_ASKED;
    expect(p, false, false);
}

void glimpse_trained(glimpse *p) {
    if (!p)
        return;
    begin_page(p);
    expect(p, true, true);
}

void glimpse_command(glimpse *p, int command) {
    if (!p)
        return;
    p->asked = command;
    expect_nothing(p);
}

void glimpse_ctc(glimpse *p, const uint8_t *frame, int len) {
    if (p && len > 4)
        p->rate_code = frame[4] >> 2 & 15;
}

void glimpse_again(glimpse *p, bool short_train) {
    if (p)
        expect(p, true, short_train);
}

/* A block is whole: its frames in their order, up to the first that was not heard. */
static void put_block(glimpse *p) {
    int last = BLOCK_FRAMES;

    while (last > 0 && !p->len[last - 1])
        last--;
    for (int i = 0; i < last && !p->lost; i++) {
        p->lost = !p->len[i];
        put_octets(p, p->block[i], p->len[i]);
    }
    memset(p->len, 0, sizeof p->len);
}

void glimpse_answer(glimpse *p, bool confirmed, glimpsed *out) {
    t4_stats_t stats;

    memset(out, 0, sizeof *out);
    if (!p || p->asked == NOTHING_ASKED)
        return;
    if (p->dcs.ecm)
        put_block(p);
    if (p->asked && p->begun) {
        t4_rx_get_transfer_statistics(p->t4, &stats);
        out->octets = (uint32_t)p->octets;
        out->rows = (uint32_t)stats.length;
        out->bad_rows = (uint32_t)stats.bad_rows;
        begin_page(p);
    }
    if (confirmed && (!p->asked || p->asked == (T30_MPS & 0xfe) || p->asked == (T30_PRI_MPS & 0xfe)))
        expect(p, true, true);
    p->asked = NOTHING_ASKED;
}

/* ---- what is seen of it -------------------------------------------------------------------------------------------
 */

uint64_t glimpse_octets(const glimpse *p) {
    uint64_t octets = p && p->begun ? p->octets : 0;

    for (int i = 0; p && p->begun && i < BLOCK_FRAMES; i++)
        octets += p->len[i];
    return octets;
}

uint32_t glimpse_rows(const glimpse *p) {
    return p && p->begun && p->t4->bytes_per_row > 0 ? (uint32_t)(p->t4->image_size / p->t4->bytes_per_row) : 0;
}

int glimpse_copy(const glimpse *p, decoder_copy *copy) {
    int err = p && p->begun ? decoder_take_copy(p->t4, copy) : -ENODATA;

    while (!err && p->dcs.ecm && !p->lost && copy->frames < BLOCK_FRAMES && p->len[copy->frames]) {
        copy->len[copy->frames] = (int16_t)p->len[copy->frames];
        memcpy(copy->data[copy->frames], p->block[copy->frames], p->len[copy->frames]);
        copy->frames++;
    }
    return err;
}
