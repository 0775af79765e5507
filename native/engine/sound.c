/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an analogue line does to the audio of the in-memory line: level, noise, and an echo of the far end's own voice.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "line.h"

#define ECHO_RING 16384  /* samples: 2 s; a power of two */
#define MODEM_RMS 1618.0 /* -14 dBm0, at which modems send */

struct sound {
    int law;
    double gain, noise_rms, echo_gain;
    unsigned echo_samples;
    uint64_t random;
    int16_t said[ECHO_RING]; /* by the side that hears */
    uint32_t said_at, heard_at;
};

sound *sound_create(const sfx_line_config *c, int law, uint64_t seed) {
    sound *s;

    if (c->echo_ms * 8u >= ECHO_RING / 2)
        return NULL;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->law = law;
    s->gain = pow(10, c->gain_db / 20.0);
    s->noise_rms = c->snr_db ? MODEM_RMS * s->gain * pow(10, -(double)c->snr_db / 20.0) : 0;
    s->echo_gain = c->echo_db ? pow(10, -(double)c->echo_db / 20.0) : 0;
    s->echo_samples = c->echo_ms * 8;
    s->random = seed | 1;
    return s;
}

void sound_destroy(sound *s) { free(s); }

/* The sum of twelve, less six: as good as normal. */
static double hiss(sound *s) {
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += line_roll(&s->random) / 4294967296.0;
    return sum;
}

void sound_said(sound *s, const uint8_t *packet, size_t len) {
    int16_t amp[RTP_MAX_PAYLOAD];
    size_t n = len > RTP_HEADER && len <= RTP_HEADER + RTP_MAX_PAYLOAD ? len - RTP_HEADER : 0;

    law_decode(s->law, packet + RTP_HEADER, amp, n);
    for (size_t i = 0; i < n; i++)
        s->said[s->said_at++ % ECHO_RING] = amp[i];
}

void sound_heard(sound *s, uint8_t *packet, size_t len) {
    int16_t amp[RTP_MAX_PAYLOAD];
    size_t n = len > RTP_HEADER && len <= RTP_HEADER + RTP_MAX_PAYLOAD ? len - RTP_HEADER : 0;

    law_decode(s->law, packet + RTP_HEADER, amp, n);
    for (size_t i = 0; i < n; i++) {
        double v = amp[i] * s->gain;
        uint32_t at = s->heard_at++ - s->echo_samples;

        if (s->echo_gain > 0 && s->heard_at > s->echo_samples)
            v += s->said[at % ECHO_RING] * s->echo_gain;
        if (s->noise_rms > 0)
            v += hiss(s) * s->noise_rms;
        amp[i] = (int16_t)lrint(v > 32767 ? 32767 : v < -32768 ? -32768 : v);
    }
    law_encode(s->law, amp, packet + RTP_HEADER, n);
}
