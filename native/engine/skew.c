/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line between two sample clocks, as behind an analogue adapter: G.711 is resampled by windowed sinc, from a fraction
 * of a sample on, a little faster or slower, and put into packets anew.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "line.h"

#define TAPS 48
#define PHASES 512
#define PI 3.14159265358979323846

struct skew {
    int law;
    double step, at; /* input samples between two of the output; of the next one, from the newest input sample */
    double past[TAPS];
    uint8_t header[RTP_HEADER];
    bool started;
    uint16_t seq;
    uint32_t timestamp;
    int count;
    int16_t out[RTP_FRAME];
    float kernel[PHASES + 1][TAPS];
};

static double kernel_at(double x) {
    const double half = TAPS / 2 + 0.5;

    if (fabs(x) >= half)
        return 0.0;
    return (0.5 + 0.5 * cos(PI * x / half)) * (fabs(x) < 1e-9 ? 1.0 : sin(PI * x) / (PI * x));
}

skew *skew_create(int law, int32_t ppm, uint32_t phase_permille) {
    skew *k = calloc(1, sizeof *k);

    if (!k)
        return NULL;
    k->law = law;
    k->step = 1.0 - ppm * 1e-6;
    k->at = phase_permille / 1000.0;
    for (int p = 0; p <= PHASES; p++)
        for (int i = 0; i < TAPS; i++)
            k->kernel[p][i] = (float)kernel_at(i - (TAPS / 2 - 1) - (double)p / PHASES);
    return k;
}

void skew_destroy(skew *k) { free(k); }

static int16_t sample_at(const skew *k, double t) {
    double place = t * PHASES, sum = 0;
    int p = (int)place;
    double part = place - p;

    for (int i = 0; i < TAPS; i++)
        sum += k->past[i] * (k->kernel[p][i] * (1.0 - part) + k->kernel[p + 1][i] * part);
    return (int16_t)lrint(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum);
}

static void put_sample(skew *k, int16_t sample, line_forward *forward, void *user) {
    uint8_t packet[RTP_HEADER + RTP_FRAME];

    k->out[k->count++] = sample;
    if (k->count < RTP_FRAME)
        return;
    k->count = 0;
    memcpy(packet, k->header, RTP_HEADER);
    packet[2] = (uint8_t)(k->seq >> 8);
    packet[3] = (uint8_t)k->seq;
    for (int i = 0; i < 4; i++)
        packet[4 + i] = (uint8_t)(k->timestamp >> (24 - 8 * i));
    law_encode(k->law, k->out, packet + RTP_HEADER, RTP_FRAME);
    k->seq++;
    k->timestamp += RTP_FRAME;
    forward(user, packet, sizeof packet);
}

void skew_packet(skew *k, const uint8_t *packet, size_t len, line_forward *forward, void *user) {
    int16_t amp[RTP_MAX_PAYLOAD];
    size_t n;

    if (len < RTP_HEADER || len > RTP_HEADER + RTP_MAX_PAYLOAD)
        return;
    n = len - RTP_HEADER;
    memcpy(k->header, packet, RTP_HEADER);
    if (k->started)
        k->header[1] &= 0x7F; /* the marker is the first packet's */
    k->started = true;
    law_decode(k->law, packet + RTP_HEADER, amp, n);
    for (size_t i = 0; i < n; i++) {
        memmove(k->past, k->past + 1, sizeof k->past - sizeof k->past[0]);
        k->past[TAPS - 1] = amp[i];
        for (; k->at < 1.0; k->at += k->step)
            put_sample(k, sample_at(k, k->at), forward, user);
        k->at -= 1.0;
    }
}
