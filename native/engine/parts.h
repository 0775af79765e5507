/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small things that several files of the engine need. */
#ifndef SOFTFAX_PARTS_H
#define SOFTFAX_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "engine.h"

static inline uint64_t time_us(const struct timespec *t) {
    return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_nsec / 1000u;
}

static inline uint64_t clock_us(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return time_us(&t);
}

/* Octets to and from a ring of `size`, from `at` on. */
static inline void ring_put(uint8_t *ring, size_t size, size_t at, const void *data, size_t len) {
    size_t first = size - at < len ? size - at : len;
    memcpy(ring + at, data, first);
    memcpy(ring, (const uint8_t *)data + first, len - first);
}

static inline void ring_get(const uint8_t *ring, size_t size, size_t at, void *data, size_t len) {
    size_t first = size - at < len ? size - at : len;
    memcpy(data, ring + at, first);
    memcpy((uint8_t *)data + first, ring, len - first);
}

/* Gives an event the beginning of a frame. */
static inline void event_frame(sfx_event *event, const uint8_t *frame, int len) {
    event->data_len = (uint32_t)len < sizeof event->data ? (uint32_t)len : (uint32_t)sizeof event->data;
    memcpy(event->data, frame, event->data_len);
}

/* A bit of the field of a DIS, DTC or DCS, which begins with its address, as T.30 table 2 counts. */
static inline bool t30_bit(const uint8_t *frame, size_t len, unsigned number) {
    size_t octet = 3 + (number - 1) / 8;
    return octet < len && frame[octet] & 1 << (number - 1) % 8;
}

#endif
