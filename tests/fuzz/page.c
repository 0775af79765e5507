/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder of received pages: bits of any kind in each coding scheme, within its bounds, up to the file. */
#include "fuzz.h"

#define MOST_REPEATS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int codings[] = {T4_COMPRESSION_ITU_T4_1D, T4_COMPRESSION_ITU_T4_2D, T4_COMPRESSION_ITU_T6};
    static const int widths[] = {1728, 2048, 2432, 4864};
    fuzz_input in = {data, size};
    unsigned how = fuzz_octet(&in), repeats = 1 + fuzz_octet(&in) % MOST_REPEATS;
    t4_rx_state_t *t = t4_rx_init(NULL, fuzz_path(), T4_COMPRESSION_ITU_T6);
    uint8_t *bits;

    MUST(t);
    t4_rx_set_rx_encoding(t, codings[how % 3]);
    t4_rx_set_image_width(t, widths[how >> 2 & 3]);
    t4_rx_set_x_resolution(t, T4_X_RESOLUTION_R8);
    t4_rx_set_y_resolution(t, T4_Y_RESOLUTION_FINE);
    bits = malloc(in.size ? in.size : 1);
    MUST(bits);
    memcpy(bits, in.data, in.size);
    if (!t4_rx_start_page(t)) {
        /* What harms takes more of one code than an input is long. */
        for (unsigned i = 0; i < repeats && !decoder_caught(); i++)
            if (t4_rx_put_chunk(t, bits, (int)in.size))
                break;
        t4_rx_end_page(t);
    }
    free(bits);
    decoder_caught();
    t4_rx_free(t);
    unlink(fuzz_path());
    return 0;
}
