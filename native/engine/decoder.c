/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bounds that spandsp 0.0.6 has not when it decodes a received page. Its lists of runs have room for one row, but
 * runs of length zero are added without end, pass codes read on past the reference row, and rows of one bit each make
 * a bitmap of hundreds of megabytes of a block of 64 kB, at last one whose size overflows.
 *
 * spandsp is linked in statically, and the linker leads its calls here (ld --wrap, see CMakeLists.txt): t30.c calls
 * __wrap_NAME for NAME, and __real_NAME is spandsp's own. decoder_works() says whether they do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MOST_ROWS 65535
#define MOST_OCTETS (40 << 20) /* of a page's bitmap: MOST_ROWS of the widest there is */
#define ROOM_ROWS 100          /* what spandsp adds at a time */
#define SLICE 16               /* octets decoded between two looks */
/* Runs and cursor beyond a whole row: pairs that end it with length zero, and steps of two in the reference row. */
#define RUNS_BEYOND 3
#define CURSOR_BEYOND 8

int __real_t4_rx_put_bit(t4_rx_state_t *s, int bit);
int __real_t4_rx_put_byte(t4_rx_state_t *s, uint8_t byte);
int __real_t4_rx_put_chunk(t4_rx_state_t *s, const uint8_t buf[], int len);
int __real_t4_rx_start_page(t4_rx_state_t *s);
int __wrap_t4_rx_put_bit(t4_rx_state_t *s, int bit);
int __wrap_t4_rx_put_byte(t4_rx_state_t *s, uint8_t byte);
int __wrap_t4_rx_put_chunk(t4_rx_state_t *s, const uint8_t buf[], int len);
int __wrap_t4_rx_start_page(t4_rx_state_t *s);

static _Thread_local int caught;     /* enum sfx_hostile */
static _Thread_local bool passed_by; /* a call from within spandsp came here */

/* Whether the decoder may go on; what it is caught at is remembered. */
static inline bool may_go_on(const t4_rx_state_t *s) {
    if (s->t4_t6_rx.a_cursor <= s->image_width + RUNS_BEYOND &&
        s->t4_t6_rx.b_cursor <= s->image_width + CURSOR_BEYOND && s->image_length <= MOST_ROWS &&
        s->image_size <= MOST_OCTETS)
        return s->cur_runs && s->ref_runs;
    caught = s->image_length <= MOST_ROWS && s->image_size <= MOST_OCTETS ? SFX_HOSTILE_RUNS : SFX_HOSTILE_TOO_MANY;
    return false;
}

/* TRUE is the end of the page. */
int __wrap_t4_rx_put_bit(t4_rx_state_t *s, int bit) { return may_go_on(s) ? __real_t4_rx_put_bit(s, bit) : TRUE; }

int __wrap_t4_rx_put_byte(t4_rx_state_t *s, uint8_t byte) {
    return may_go_on(s) ? __real_t4_rx_put_byte(s, byte) : TRUE;
}

int __wrap_t4_rx_put_chunk(t4_rx_state_t *s, const uint8_t buf[], int len) {
    int end = FALSE;

    passed_by = true;
    for (int at = 0; at < len && !end; at += SLICE)
        end = may_go_on(s) ? __real_t4_rx_put_chunk(s, buf + at, len - at < SLICE ? len - at : SLICE) : TRUE;
    return end;
}

/* spandsp makes the lists as long as a row may be; what is decoded between two looks needs a little more,
 * as do the 13 bits that t4_rx_end_page() adds by itself. */
static bool lengthen(uint32_t **runs, size_t len) {
    uint32_t *longer = realloc(*runs, (len + DECODER_SLACK) * sizeof **runs);
    if (!longer)
        return false;
    memset(longer + len, 0, DECODER_SLACK * sizeof **runs);
    *runs = longer;
    return true;
}

int __wrap_t4_rx_start_page(t4_rx_state_t *s) {
    int status = __real_t4_rx_start_page(s);
    size_t len = DECODER_RUNS(s->image_width);

    return status ? status : lengthen(&s->cur_runs, len) && lengthen(&s->ref_runs, len) ? 0 : -1;
}

int decoder_caught(void) {
    int what = caught;
    caught = 0;
    return what;
}

static void *copy_of(const void *data, size_t len, size_t room) {
    uint8_t *copy = calloc(1, room ? room : 1);
    if (copy && len)
        memcpy(copy, data, len);
    return copy;
}

int decoder_take_copy(const t4_rx_state_t *from, decoder_copy *d) {
    size_t runs = DECODER_RUNS(from->image_width) * sizeof *from->cur_runs;
    size_t room = runs + DECODER_SLACK * sizeof *from->cur_runs;

    d->t4 = *from;
    d->t4.tiff.tiff_file = NULL;
    d->t4.image_buffer_size = from->image_size + ROOM_ROWS * from->bytes_per_row;
    d->t4.image_buffer = copy_of(from->image_buffer, (size_t)from->image_size, (size_t)d->t4.image_buffer_size);
    d->t4.cur_runs = copy_of(from->cur_runs, runs, room);
    d->t4.ref_runs = copy_of(from->ref_runs, runs, room);
    return d->t4.image_buffer && d->t4.cur_runs && d->t4.ref_runs ? 0 : -ENOMEM;
}

bool decoder_works(void) {
    t30_state_t *t = calloc(1, sizeof *t);
    static const uint8_t nothing[1];

    if (!t)
        return false;
    passed_by = false;
    t->state = STATE_F_DOC_NON_ECM;
    t30_non_ecm_put_chunk(t, nothing, 0);
    free(t);
    return passed_by;
}

int sfx_decoder_guarded(void) { return decoder_works(); }
