/* SPDX-License-Identifier: GPL-2.0-or-later */
/* T.30: frames as a modem hands them over, signals, bits of a page and time, in any order, past the guard. */
#include "fuzz.h"

enum { OP_FRAME, OP_BAD_FRAME, OP_SIGNAL, OP_BITS, OP_TRAINING, OP_TIME, OPS };

static void check_alone(const uint8_t *frame, size_t len) {
    static const sfx_page page = {1728, 2200, 8031, 7700, {1000, 900, 800}, 0};
    dcs_info dcs;

    guard_check(frame, (int)len);
    if (len >= 3)
        guard_rate_known(frame, (int)len);
    if (len >= 3 && !dcs_decode(frame, (int)len, &dcs))
        MUST(dcs.width >= 1728 && dcs.width <= 4864 && dcs.y_dpm > 0);
    page_fits(&page, frame, len);
}

static void step(sfx_session *s, fuzz_input *in) {
    static const int signals[] = {SIG_STATUS_CARRIER_UP,         SIG_STATUS_CARRIER_DOWN,    SIG_STATUS_FRAMING_OK,
                                  SIG_STATUS_TRAINING_SUCCEEDED, SIG_STATUS_TRAINING_FAILED, SIG_STATUS_ABORT};
    uint8_t buffer[HDLC_MAXFRAME_LEN + 4] = {0};
    unsigned op = fuzz_octet(in), what = op / OPS;
    t30_state_t *t = s->run.t30;
    size_t len;
    uint8_t *piece;

    switch (op % OPS) {
    case OP_FRAME:
    case OP_BAD_FRAME:
        piece = fuzz_piece(in, HDLC_MAXFRAME_LEN, &len);
        check_alone(piece, len);
        /* As it stands in the buffer of a modem: spandsp may read what was there before, but not beyond. */
        memcpy(buffer, piece, len);
        t30_hdlc_accept(t, buffer, (int)len, op % OPS == OP_FRAME);
        free(piece);
        break;
    case OP_SIGNAL:
        t30_hdlc_accept(t, NULL, signals[what % (sizeof signals / sizeof *signals)], TRUE);
        break;
    case OP_BITS:
        piece = fuzz_piece(in, 1024, &len);
        for (unsigned i = 0; i <= what; i++)
            t30_non_ecm_put_chunk(t, piece, (int)len);
        free(piece);
        break;
    case OP_TRAINING:
        t30_non_ecm_put_bit(t, what & 1 ? SIG_STATUS_TRAINING_SUCCEEDED : SIG_STATUS_CARRIER_DOWN);
        break;
    default:
        for (unsigned i = 0; i <= what * 8; i++)
            session_tick(s);
    }
    run_watch_decoder(&s->run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static sfx_engine *engine;
    fuzz_input in = {data, size};
    sfx_session_config config = {.flags = SFX_FLAG_ECM, .max_rate_bps = 14400, .rx_file = fuzz_path()};
    sfx_t38_config t38 = {.error_correction = SFX_EC_REDUNDANCY, .redundancy = 3, .fec_span = 3};
    sfx_event events[64];
    sfx_session *s;
    unsigned how = fuzz_octet(&in);

    if (!engine)
        MUST(!sfx_engine_create(1, &engine));
    config.flags |= how & 1 ? SFX_FLAG_CALLER : 0;
    MUST(!sfx_session_create(engine, &config, &s));
    pthread_mutex_lock(&s->lock);
    MUST(!(how & 2 ? session_media_audio(s, SFX_LAW_PCMU, 0, RTP_PTIME_MS) : session_media_t38(s, &t38)));
    while (in.size)
        step(s, &in);
    pthread_mutex_unlock(&s->lock);
    sfx_session_destroy(s);
    while (sfx_engine_events(engine, events, 64))
        ;
    unlink(fuzz_path());
    return 0;
}
