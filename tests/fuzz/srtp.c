/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SRTP: nothing that was not made with the key is taken, nothing twice; what we make is read as it was. */
#include "fuzz.h"

static sfx_srtp *make(int suite) {
    sfx_srtp_config config = {.suite = suite};
    sfx_srtp *made = NULL;

    memset(config.tx_key, 7, sizeof config.tx_key);
    memset(config.rx_key, 7, sizeof config.rx_key);
    MUST(!srtp_create(&config, &made));
    return made;
}

static void round_trip(sfx_srtp *s, const uint8_t *packet, size_t len) {
    uint8_t sealed[800], spoilt[800];
    uint64_t known = s->accepted;
    int n;

    memcpy(sealed, packet, len);
    n = srtp_protect(s, sealed, len, sizeof sealed);
    if (n < 0)
        return;
    memcpy(spoilt, sealed, (size_t)n);
    spoilt[n - 1] ^= 1;
    MUST(srtp_unprotect(s, spoilt, (size_t)n) < 0);
    memcpy(spoilt, sealed, (size_t)n);
    n = srtp_unprotect(s, sealed, (size_t)n);
    if (n >= 0) {
        MUST((size_t)n == len && !memcmp(sealed, packet, len) && s->accepted == known + 1);
        MUST(srtp_unprotect(s, spoilt, len + 4) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input in = {data, size};
    sfx_srtp *s = make(fuzz_octet(&in) & 1 ? SFX_SRTP_SHA1_32 : SFX_SRTP_SHA1_80);

    while (in.size) {
        unsigned how = fuzz_octet(&in);
        size_t len;
        uint8_t *packet = fuzz_piece(&in, 700, &len);

        if (how & 1)
            round_trip(s, packet, len);
        else if (srtp_unprotect(s, packet, len) >= 0)
            MUST(how & 2); /* a tag of four octets is guessed once in 2^32 */
        free(packet);
    }
    srtp_destroy(s);
    return 0;
}
