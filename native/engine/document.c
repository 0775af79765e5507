/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages to send: whether the far end takes them, and the code each is sent in. Pure, but for the memory. */
#include <stdlib.h>

#include "internal.h"

#define HELD_MAX 8       /* a DIS comes every 3 s; T1 of the far end is 35 s */
#define NEW_DCS_S 6      /* what EOM, DIS, DCS, training and CFR take */
#define A4_LENGTH_MM 305 /* 297 and what a header line adds */
#define B4_LENGTH_MM 372 /* 364, likewise */
#define CODES 3          /* T.4 1-D, T.4 2-D, T.6, as T4_COMPRESSION_ITU_* from 1 */

void document_free(sfx_document *d) {
    free(d->pages);
    free(d->plan);
    *d = (sfx_document){0};
}

/* T.30 table 2: bits 15, 41, 42, 43. */
static bool resolution_fits(const sfx_page *p, const uint8_t *dis, size_t len) {
    if (p->x_dpm == T4_X_RESOLUTION_R8)
        return p->y_dpm == T4_Y_RESOLUTION_STANDARD || (p->y_dpm == T4_Y_RESOLUTION_FINE && t30_bit(dis, len, 15)) ||
               (p->y_dpm == T4_Y_RESOLUTION_SUPERFINE && t30_bit(dis, len, 41));
    if (p->x_dpm == T4_X_RESOLUTION_300)
        return p->y_dpm == T4_Y_RESOLUTION_300 && t30_bit(dis, len, 42);
    /* spandsp asks for bit 41 too when rows are 15.4 to the millimetre. */
    return p->x_dpm == T4_X_RESOLUTION_R16 && p->y_dpm == T4_Y_RESOLUTION_SUPERFINE && t30_bit(dis, len, 41) &&
           t30_bit(dis, len, 43);
}

/* Bits 17 and 18: widths up to 215, 255 or 303 mm. */
static bool width_fits(const sfx_page *p, const uint8_t *dis, size_t len) {
    static const uint32_t widths[3][3] = {{1728, 2048, 2432}, {2592, 3072, 3648}, {3456, 4096, 4864}};
    int row = p->x_dpm == T4_X_RESOLUTION_R16 ? 2 : p->x_dpm == T4_X_RESOLUTION_300 ? 1 : 0;
    int widest = t30_bit(dis, len, 18) ? 2 : t30_bit(dis, len, 17) ? 1 : 0;

    for (int i = 0; i <= widest; i++)
        if (p->width == widths[row][i])
            return true;
    return false;
}

/* Bits 19 and 20: A4, A4 and B4, or any length. */
static bool length_fits(const sfx_page *p, const uint8_t *dis, size_t len) {
    uint64_t limit_mm = t30_bit(dis, len, 19) ? B4_LENGTH_MM : A4_LENGTH_MM;
    return t30_bit(dis, len, 20) || (uint64_t)p->rows * 1000 <= limit_mm * (uint64_t)p->y_dpm;
}

bool page_fits(const sfx_page *page, const uint8_t *dis, size_t len) {
    return page->y_dpm > 0 && resolution_fits(page, dis, len) && width_fits(page, dis, len) &&
           length_fits(page, dis, len);
}

int document_judge_dis(const sfx_document *d, unsigned first, const uint8_t *dis, int len) {
    if (d->held >= HELD_MAX)
        return SFX_DIS_TAKEN; /* nothing better came: T.30 says what is wrong */
    for (unsigned i = first; i < d->count; i++)
        if (!page_fits(&d->pages[i], dis, len > 0 ? (size_t)len : 0))
            return SFX_DIS_UNFIT;
    return first >= d->count && d->more ? SFX_DIS_WAITING : SFX_DIS_TAKEN;
}

static bool same_format(const sfx_page *a, const sfx_page *b) {
    return a->width == b->width && a->x_dpm == b->x_dpm && a->y_dpm == b->y_dpm;
}

/* The bytes of a page in a code; where they are unknown the better code is taken to be the smaller, as it is for text.
 */
static uint64_t size_in(const sfx_page *p, int code) {
    return p->bytes[code - 1] ? p->bytes[code - 1] : (uint64_t)(4 - code) << 10;
}

/* From the last page backwards: the cheapest way on from each page in each code, a change costing a new DCS unless the
 * format changes anyway. */
void document_plan(sfx_document *d, unsigned first, unsigned allowed, int rate_bps) {
    uint64_t change = (uint64_t)NEW_DCS_S * (unsigned)rate_bps / 8;
    uint64_t best[CODES + 1] = {0};
    uint8_t (*next)[CODES + 1] = calloc(d->count ? d->count : 1, sizeof *next);
    int code = 0;

    if (!next)
        return; /* spandsp's own choice stands */
    for (unsigned i = d->count; i-- > first;) {
        uint64_t now[CODES + 1] = {0};
        bool free_change = i + 1 >= d->count || d->pages[i].last || !same_format(&d->pages[i], &d->pages[i + 1]);
        for (int c = 1; c <= CODES; c++) {
            uint64_t onward = UINT64_MAX;
            for (int n = 1; n <= CODES; n++) {
                uint64_t cost = best[n] + (n == c || free_change ? 0 : change);
                /* Of equals the one without a change. */
                if (allowed & 1u << n && (cost < onward || (cost == onward && n == c))) {
                    onward = cost;
                    next[i][c] = (uint8_t)n;
                }
            }
            now[c] = size_in(&d->pages[i], c) + onward;
        }
        for (int c = 1; c <= CODES; c++)
            best[c] = now[c];
    }
    for (int c = 1; c <= CODES; c++)
        if (allowed & 1u << c && (!code || best[c] <= best[code]))
            code = c;
    for (unsigned i = first; i < d->count; i++) {
        d->plan[i] = (uint8_t)code;
        code = next[i][code];
    }
    free(next);
}

int document_run_end(const sfx_document *d, unsigned first) {
    for (unsigned i = first; i < d->count; i++)
        if (d->pages[i].last)
            return (int)i;
        else if (i + 1 < d->count && !same_format(&d->pages[i], &d->pages[i + 1]))
            return -1; /* spandsp sees that by itself */
        else if (i + 1 < d->count && d->plan[i + 1] != d->plan[first])
            return (int)i;
    return -1;
}
