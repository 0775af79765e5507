/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A gateway between T.38 and G.711: packets of any kind by both legs. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sfx_test_gateway(data, size);
    return 0;
}
