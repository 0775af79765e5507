/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of V.21 on a line that loses packets. spandsp's receiver leaves out the bits of a lost packet, so that a frame
 * with one in it is lost: at 2 % loss nearly every PPR. Here the bit clock goes on and the lost bits are known as such:
 * six or seven a packet, fewer than the checksum has. They are put back where one way alone makes a frame of it, by its
 * checksum and by what T.30 knows of it, or from a copy of the frame that the far end sent before.
 */
#include <string.h>

#include "internal.h"

#define LOST V21_LOST
#define FLAG_BITS 8
#define LEAST_BITS 40     /* address, control, FCF, checksum */
#define MOST_OCTETS 128   /* a frame of T.30 lasts 3 s at most */
#define MOST_STEPS 600000 /* bits looked at for one frame: some 3 ms */
#define STEPS_A_SECOND 1000000
#define MOST_BUDGET 6000000
#define MOST_CANDIDATES 1024 /* so many frames looked at leave the checksum six bits in which to be wrong */
#define COMMON_LEAST 24      /* known bits of both that make two frames copies of each other */
#define GOOD_CRC 0xf0b8
#define CLOCK_TURN (8000 * 100) /* of fsk.c: a bit of the clock that it counts its rate by */
#define PPR_OCTETS 35
#define SPACES 3 /* flags that may have been lost at each end of a frame */

enum { ADDRESS = 0xff, CONTROL = 0x03, FINAL_BIT = 0x10 };

/* Frames that are an FCF alone, and those with a field of fixed length (T.30 §5.3.6, A.4). */
static const struct {
    uint8_t fcf;
    uint8_t octets; /* with address and control; 0: any number */
    bool final;
} kinds[] = {
    {T30_DIS, 0, true},     {T30_DTC, 0, true},     {T30_DCS, 0, true},     {T30_CSI, 0, false}, {T30_CIG, 0, false},
    {T30_TSI, 0, false},    {T30_NSF, 0, false},    {T30_NSC, 0, false},    {T30_NSS, 0, false}, {T30_SUB, 0, false},
    {T30_SEP, 0, false},    {T30_SID, 0, false},    {T30_PWD, 0, false},    {T30_CFR, 3, true},  {T30_FTT, 3, true},
    {T30_CTC, 5, true},     {T30_CTR, 3, true},     {T30_EOM, 3, true},     {T30_MPS, 3, true},  {T30_EOP, 3, true},
    {T30_PRI_EOM, 3, true}, {T30_PRI_MPS, 3, true}, {T30_PRI_EOP, 3, true}, {T30_PPS, 7, true},  {T30_EOR, 4, true},
    {T30_RR, 3, true},      {T30_MCF, 3, true},     {T30_RTP, 3, true},     {T30_RTN, 3, true},  {T30_PIP, 3, true},
    {T30_PIN, 3, true},     {T30_PPR, 35, true},    {T30_RNR, 3, true},     {T30_ERR, 3, true},  {T30_DCN, 3, true},
    {T30_CRP, 3, true},
};

static int kind_of(uint8_t fcf) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((kinds[i].fcf & 0xfe) == (fcf & 0xfe))
            return (int)i;
    return -1;
}

/* ---- one frame with lost bits ---------------------------------------------------------------------------------------
 */

typedef struct search {
    const t30_state_t *t30;
    bool sends_image;
    unsigned past_end;  /* see allowed() */
    const uint8_t *raw; /* what lies between two flags, with the bits that HDLC stuffs */
    unsigned count;
    unsigned steps, most_steps, candidates, found;
    uint8_t frame[MOST_OCTETS], best[MOST_OCTETS];
    unsigned best_len;
} search;

typedef struct place {
    unsigned at, ones, bits;
    uint8_t octet;
    uint16_t crc;
} place;

/* Whether a frame may begin with these octets. */
static bool may_begin(const uint8_t *frame, unsigned octets) {
    uint8_t last = frame[octets - 1];
    int kind;

    if (octets == 1)
        return last == ADDRESS;
    if (octets == 2)
        return (last & ~FINAL_BIT) == CONTROL;
    if (octets > 3)
        return true;
    kind = kind_of(last);
    return kind >= 0 && kinds[kind].final == !!(frame[1] & FINAL_BIT);
}

/* A PPS that makes the receiver take a page for complete has to fit what has come of it. */
static bool pps_fits(const t30_state_t *t, const uint8_t *frame) {
    int page = frame[4], block = frame[5], frames = frame[6] + 1;
    bool current = page == (t->rx_page_number & 0xff) && block == (t->ecm_block & 0xff);
    bool before = (page == (t->rx_page_number & 0xff) && block == ((t->ecm_block - 1) & 0xff)) ||
                  page == ((t->rx_page_number - 1) & 0xff);

    if (!current)
        return before;
    if (t->ecm_frames >= 0)
        return true;
    for (int i = frames; i < 256; i++)
        if (t->ecm_len[i] >= 0)
            return false;
    return true;
}

static bool is_plausible(const search *q, unsigned octets) {
    const uint8_t *frame = q->frame;
    int kind = kind_of(frame[2]);

    if (kind < 0 || (kinds[kind].octets && kinds[kind].octets != octets))
        return false;
    return kinds[kind].fcf != T30_PPS || pps_fits(q->t30, frame);
}

/* Which values a lost bit may have: 1 for 0, 2 for 1, 3 for both. Of PPR's, frames that were confirmed before are not
 * asked for again, and those after the last are all asked for, or none is (`past_end`). */
static unsigned allowed(const search *q, const place *p) {
    unsigned number = p->bits - 3 * 8;

    if (p->ones == 5)
        return 1;
    if (!q->sends_image || p->bits < 3 * 8 || number >= 256 || (q->frame[2] & 0xfe) != (T30_PPR & 0xfe))
        return 3;
    if (number >= (unsigned)q->t30->ecm_frames)
        return q->past_end;
    return q->t30->ecm_len[number] < 0 ? 1 : 3;
}

/* Takes one bit at a place; false where no frame has it there. */
static bool take(search *q, place *p, unsigned bit) {
    if (p->ones == 5) {
        p->ones = 0;
        return !bit; /* stuffed; a sixth would be a flag */
    }
    p->ones = bit ? p->ones + 1 : 0;
    p->octet = (uint8_t)(p->octet >> 1 | bit << 7);
    if (++p->bits % 8)
        return true;
    if (p->bits / 8 > MOST_OCTETS)
        return false;
    q->frame[p->bits / 8 - 1] = p->octet;
    p->crc = crc_itu16_calc(&p->octet, 1, p->crc);
    return may_begin(q->frame, p->bits / 8);
}

static void end(search *q, const place *p) {
    unsigned octets = p->bits / 8;

    if (p->bits % 8 || p->ones == 5 || octets < LEAST_BITS / 8)
        return;
    q->candidates++;
    if (p->crc != GOOD_CRC || !is_plausible(q, octets - 2))
        return;
    if (q->found && q->best_len == octets - 2 && !memcmp(q->best, q->frame, q->best_len))
        return;
    /* Of two ways to read a PPR all frames are sent that one of them asks for. */
    if (q->found && q->best_len == PPR_OCTETS && octets - 2 == PPR_OCTETS) {
        for (unsigned i = 3; i < PPR_OCTETS; i++)
            q->best[i] |= q->frame[i];
        return;
    }
    q->found++;
    q->best_len = octets - 2;
    memcpy(q->best, q->frame, q->best_len);
}

/* Bits that were lost are tried both ways; the depth is their number. */
static void walk(search *q, place p) { /* NOLINT(misc-no-recursion) */
    while (p.at < q->count) {
        unsigned bit = q->raw[p.at];

        if (++q->steps > q->most_steps || q->found > 1)
            return;
        p.at++;
        if (bit == LOST) {
            unsigned values = allowed(q, &p);
            place other = p;
            if (values == 3 && take(q, &other, 1))
                walk(q, other);
            bit = values == 2;
        }
        if (!take(q, &p, bit))
            return;
    }
    end(q, &p);
}

/* Whether some bits may have been flags. */
static bool may_be_flags(const uint8_t *raw, unsigned bits) {
    for (unsigned i = 0; i < bits; i++)
        if (raw[i] != LOST && raw[i] != (i % FLAG_BITS && i % FLAG_BITS != FLAG_BITS - 1))
            return false;
    return true;
}

static void search_all(search *q, const uint8_t *raw, unsigned count) {
    for (unsigned before = 0; before < SPACES * FLAG_BITS; before += FLAG_BITS) {
        if (before + LEAST_BITS > count || !may_be_flags(raw, before))
            break;
        for (unsigned after = 0; after < SPACES * FLAG_BITS; after += FLAG_BITS) {
            if (before + after + LEAST_BITS > count || !may_be_flags(raw + count - after, after))
                break;
            q->raw = raw + before;
            q->count = count - before - after;
            walk(q, (place){.crc = 0xffff});
        }
    }
}

/* The frame between two flags, of which some may have been lost too. Returns its length; 0 where there is none, or more
 * than one. */
static unsigned repair(t30_run *run, const uint8_t *raw, unsigned count, uint8_t *frame) {
    v21_rx *v = &run->v21;
    search q = {.most_steps = v->budget < MOST_STEPS ? v->budget : MOST_STEPS,
                .t30 = run->t30,
                .sends_image = run->sends && run->t30->ecm_frames > 0,
                .past_end = 2};

    search_all(&q, raw, count);
    if (!q.found && q.sends_image) {
        q.past_end = 1;
        search_all(&q, raw, count);
    }
    v->budget -= q.steps < v->budget ? q.steps : v->budget;
    if (q.found != 1 || q.steps > q.most_steps || (q.candidates > MOST_CANDIDATES && q.best_len != PPR_OCTETS))
        return 0;
    memcpy(frame, q.best, q.best_len);
    return q.best_len;
}

/* ---- copies -------------------------------------------------------------------------------------------------------
 */

/* What one copy lacks the other may have. False where they are not of one frame. */
static bool merge(const v21_frame *a, const uint8_t *b, unsigned count, uint8_t *out) {
    unsigned common = 0;

    if (a->count != count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (a->raw[i] != LOST && b[i] != LOST) {
            if (a->raw[i] != b[i])
                return false;
            common++;
        }
        out[i] = a->raw[i] == LOST ? b[i] : a->raw[i];
    }
    return common >= COMMON_LEAST;
}

static void keep(v21_rx *v, const uint8_t *raw, unsigned count) {
    v21_frame *copy = &v->copies[v->next_copy++ % V21_COPIES];

    copy->count = count;
    memcpy(copy->raw, raw, count);
}

void v21_forget(v21_rx *v) {
    for (unsigned i = 0; i < V21_COPIES; i++)
        v->copies[i].count = 0;
}

/* However many damaged frames a far end sends, looking at them takes no more than a hundredth of a processor. */
static void refill(t30_run *run) {
    v21_rx *v = &run->v21;
    uint64_t passed_us = run->session->now_us - v->refilled_us, steps = passed_us * STEPS_A_SECOND / 1000000;

    v->refilled_us = run->session->now_us;
    v->budget = v->budget + steps < MOST_BUDGET ? v->budget + (unsigned)steps : MOST_BUDGET;
}

/* A flag: what came since the last one was a frame, and had lost bits in it. */
static void end_frame(t30_run *run, hdlc_rx_state_t *h, unsigned count) {
    v21_rx *v = &run->v21;
    uint8_t merged[V21_MOST_BITS], frame[MOST_OCTETS];
    unsigned len;

    refill(run);
    len = repair(run, v->raw, count, frame);

    for (unsigned i = 0; !len && i < V21_COPIES; i++)
        if (merge(&v->copies[i], v->raw, count, merged))
            len = repair(run, merged, count, frame);
    if (!len) {
        keep(v, v->raw, count);
        return;
    }
    h->len = 0; /* nor is it a bad one */
    h->frame_handler(h->frame_user_data, frame, (int)len, TRUE);
}

/* ---- bits ---------------------------------------------------------------------------------------------------------
 */

static bool is_flag(const uint8_t *last) {
    static const uint8_t flag[FLAG_BITS] = {0, 1, 1, 1, 1, 1, 1, 0};
    return !memcmp(last, flag, sizeof flag);
}

static void restart(v21_rx *v) {
    v->count = v->lost = 0;
    v->framed = false;
}

static void put(t30_run *run, hdlc_rx_state_t *h, uint8_t bit) {
    v21_rx *v = &run->v21;
    unsigned count;

    if (v->count == V21_MOST_BITS)
        restart(v);
    v->raw[v->count++] = bit;
    v->lost += bit == LOST;
    if (v->count < FLAG_BITS || bit || !is_flag(v->raw + v->count - FLAG_BITS))
        return;
    count = v->count - FLAG_BITS;
    if (v->framed && v->lost && count >= LEAST_BITS)
        end_frame(run, h, count);
    v->count = v->lost = 0;
    v->framed = true;
}

/* The run whose V.21 a receiver of HDLC has: not of a gateway, nor of a modem that carries pages. */
static t30_run *run_of(const hdlc_rx_state_t *h) {
    const t30_state_t *t = h->frame_handler == t30_hdlc_accept ? h->frame_user_data : NULL;
    t30_run *run = t ? t->real_time_frame_user_data : NULL;

    if (!run || !run->fax || (t->rx_trained && run->fax->modems.current_rx_type != T30_MODEM_V21))
        return NULL;
    return run;
}

void __real_hdlc_rx_put_bit(hdlc_rx_state_t *h, int bit);
void __wrap_hdlc_rx_put_bit(hdlc_rx_state_t *h, int bit);

void __wrap_hdlc_rx_put_bit(hdlc_rx_state_t *h, int bit) {
    t30_run *run = run_of(h);

    if (run && bit < 0)
        restart(&run->v21);
    else if (run)
        put(run, h, run->v21.doubtful ? LOST : (uint8_t)bit);
    if (run)
        run->v21.doubtful = false;
    __real_hdlc_rx_put_bit(h, bit);
}

int __wrap_fsk_rx_fillin(fsk_rx_state_t *s, int samples);

/* Samples that were lost: the clock goes on. The first bit after them is half of what was before. */
int __wrap_fsk_rx_fillin(fsk_rx_state_t *s, int samples) {
    hdlc_rx_state_t *h = s->put_bit_user_data;
    t30_run *run = s->put_bit == (put_bit_func_t)hdlc_rx_put_bit ? run_of(h) : NULL;

    if (!run || !s->signal_present)
        return 0;
    for (int i = 0; i < samples; i++) {
        s->baud_phase += s->baud_rate;
        if (s->baud_phase < CLOCK_TURN)
            continue;
        s->baud_phase -= CLOCK_TURN;
        put(run, h, LOST);
    }
    run->v21.doubtful = true;
    return 0;
}
