/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions that misbehave, for the tests of the other side. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "testing.h"

#define ADDRESS_FIELD 0xff
#define SLOW_DISK_US 1500000

typedef struct faulty {
    session_hooks hooks; /* first: the session knows it by this */
    int fault;
    bool done;
} faulty;

static void send_short_fcd(t30_run *run) {
    static const uint8_t frame[3] = {ADDRESS_FIELD, 0x03, T4_FCD};
    if (run->terminal) {
        /* On the wire of T.38 octets go with their first bit highest. */
        static const uint8_t wire[3] = {0xff, 0xc0, 0x60};
        t38_core_state_t *core = t38_terminal_get_t38_core_state(run->terminal);
        t38_core_send_data(core, T38_DATA_V17_14400, T38_FIELD_HDLC_DATA, wire, sizeof wire,
                           T38_PACKET_CATEGORY_IMAGE_DATA);
        t38_core_send_data(core, T38_DATA_V17_14400, T38_FIELD_HDLC_FCS_OK, NULL, 0, T38_PACKET_CATEGORY_IMAGE_DATA);
    } else if (run->fax) {
        hdlc_tx_frame(&run->fax->modems.hdlc_tx, frame, sizeof frame);
    }
}

/* The information of an image frame becomes one code of T.6 again and again; the first bit is the lowest. */
static void repeat_code(uint8_t *frame, int len, const char *code) {
    size_t bits = strlen(code), at = (size_t)frame[3] * 8 * 256;

    for (int i = 4; i < len; i++) {
        frame[i] = 0;
        for (int b = 0; b < 8; b++)
            frame[i] |= (uint8_t)((code[at++ % bits] == '1') << b);
    }
}

static void send_long_dcs(t30_run *run) {
    /* More octets of the same frame, ahead of what the terminal sends: one DCS of some 200 octets arrives. */
    uint8_t wire[200];
    t38_core_state_t *core = t38_terminal_get_t38_core_state(run->terminal);

    memset(wire, 0x01, sizeof wire);
    memcpy(wire, "\xff\xc8", 2);
    wire[2] = 0xc1;
    t38_core_send_data(core, T38_DATA_V21, T38_FIELD_HDLC_DATA, wire, sizeof wire, T38_PACKET_CATEGORY_CONTROL_DATA);
    t38_core_send_data(core, T38_DATA_V21, T38_FIELD_HDLC_FCS_OK, NULL, 0, T38_PACKET_CATEGORY_CONTROL_DATA);
}

static void on_frame(session_hooks *hooks, t30_run *run, uint8_t *frame, int len) {
    faulty *f = (faulty *)hooks;
    bool is_dcs = len >= 6 && (frame[2] & 0xfe) == T30_DCS, is_fcd = len >= 6 && frame[2] == T4_FCD;

    if (f->done)
        return;
    if (f->fault == SFX_TEST_LOST_MCF && len >= 3 && (frame[2] & 0xfe) == T30_MCF) {
        f->done = true;
        frame[0] = 0;
    } else if (f->fault == SFX_TEST_RUNS && is_fcd) {
        repeat_code(frame, len, "001001101010000110111");
    } else if (f->fault == SFX_TEST_ROWS && is_fcd) {
        repeat_code(frame, len, "1");
    } else if (f->fault == SFX_TEST_SHORT_FCD && is_fcd) {
        f->done = true;
        send_short_fcd(run);
    } else if (f->fault == SFX_TEST_DCS_WIDTH && is_dcs) {
        frame[5] |= 3;
    } else if (f->fault == SFX_TEST_DCS_LENGTH && is_dcs && run->terminal) {
        f->done = true;
        send_long_dcs(run);
    }
}

static bool loses_tcf(const t30_run *run) { return run->t30->state == STATE_D_TCF; }

static int slow_disk(void) {
    usleep(SLOW_DISK_US);
    return 0;
}

static int full_disk(void) { return -ENOSPC; }

static void release(session_hooks *hooks) { free(hooks); }

int sfx_test_misbehave(sfx_session *s, int fault) {
    faulty *f = s->hooks ? NULL : calloc(1, sizeof *f);

    if (!f)
        return s->hooks ? -EBUSY : -ENOMEM;
    f->fault = fault;
    f->hooks.release = release;
    f->hooks.frame = on_frame;
    f->hooks.loses_ifp = fault == SFX_TEST_NO_TCF ? loses_tcf : NULL;
    f->hooks.disk = fault == SFX_TEST_SLOW_DISK ? slow_disk : fault == SFX_TEST_DISK_FULL ? full_disk : NULL;
    f->hooks.unguarded = fault == SFX_TEST_UNGUARDED;
    pthread_mutex_lock(&s->lock);
    s->hooks = &f->hooks;
    pthread_mutex_unlock(&s->lock);
    return 0;
}
