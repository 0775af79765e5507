/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole session on T.38, receiving or sending nothing: datagrams, IFP packets, frames and pages of any kind. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    sfx_test_t38(data + 1, size - 1, data[0] & 1, fuzz_path());
    unlink(fuzz_path());
    return 0;
}
