/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chance that is the same again by its seed. */
#include "line.h"

uint32_t line_roll(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(*state * UINT64_C(0x2545F4914F6CDD1D) >> 32);
}
