/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The in-memory line: line.c, and what it does to packets of audio on their way. */
#ifndef SOFTFAX_LINE_H
#define SOFTFAX_LINE_H

#include "internal.h"

/* random.c: xorshift64*, repeatable by its seed. */
uint32_t line_roll(uint64_t *state);

typedef void line_forward(void *user, const uint8_t *packet, size_t len);

/* skew.c: a line between two sample clocks. `ppm`: the far clock is that much faster. */
typedef struct skew skew;
skew *skew_create(int law, int32_t ppm, uint32_t phase_permille);
void skew_destroy(skew *k);
/* Takes an RTP packet of G.711; what becomes of it goes to `forward`, in none, one or two packets. */
void skew_packet(skew *k, const uint8_t *packet, size_t len, line_forward *forward, void *user);

/* sound.c: what one side hears. NULL where memory is short, or the echo too late. */
typedef struct sound sound;
sound *sound_create(const sfx_line_config *config, int law, uint64_t seed);
void sound_destroy(sound *s);
/* That side sends a packet, which comes back as its echo. */
void sound_said(sound *s, const uint8_t *packet, size_t len);
/* A packet for that side, which is changed. */
void sound_heard(sound *s, uint8_t *packet, size_t len);

/* What the test library does to packets on their way. */
typedef struct line_hooks {
    /* A packet is sent: what becomes of it goes to `forward`, in none, one or more packets. */
    void (*packet)(void *user, const sfx_session *from, uint64_t *random, const uint8_t *packet, size_t len,
                   line_forward *forward, void *forward_user);
    void *user;
    bool one_unpaced; /* over T.38 the first session sends whole frames, the second as ever */
} line_hooks;

/* As sfx_line_run() and sfx_line_run_gateway(); `hooks` may be NULL. */
int line_run(sfx_session *a, sfx_session *b, const sfx_line_config *config, const line_hooks *hooks,
             uint64_t *simulated_us);
int line_run_gateway(sfx_session *const sessions[4], const sfx_line_config *const configs[2], const line_hooks *hooks,
                     uint64_t *simulated_us);

#endif
