/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets share: input that is read piece by piece, and invariants that hold. */
#ifndef SOFTFAX_FUZZ_H
#define SOFTFAX_FUZZ_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../native/testing/testing.h"

#define MUST(holds)                                                                                                    \
    do {                                                                                                               \
        if (!(holds))                                                                                                  \
            abort();                                                                                                   \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct fuzz_input {
    const uint8_t *data;
    size_t size;
} fuzz_input;

static inline unsigned fuzz_octet(fuzz_input *in) {
    unsigned value = in->size ? in->data[0] : 0;

    if (in->size) {
        in->data++;
        in->size--;
    }
    return value;
}

/* The next piece: two octets of length (at most `most`), then so much in memory of its own, whose bounds are watched.
 */
static inline uint8_t *fuzz_piece(fuzz_input *in, size_t most, size_t *len) {
    size_t wanted = (size_t)fuzz_octet(in) << 8;
    uint8_t *piece;

    wanted |= fuzz_octet(in);
    wanted = wanted > most ? most : wanted;
    *len = wanted < in->size ? wanted : in->size;
    piece = malloc(*len ? *len : 1);
    MUST(piece);
    memcpy(piece, in->data, *len);
    in->data += *len;
    in->size -= *len;
    return piece;
}

/* A path for a received file, of this process alone. */
static inline const char *fuzz_path(void) {
    static char path[64];

    if (!*path)
        snprintf(path, sizeof path, "%s/softfax-fuzz-%d.tif", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", getpid());
    return path;
}

#endif
