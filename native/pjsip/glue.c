/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event callback and the loop. */
#include "glue.h"

#include <pjsua-lib/pjsua.h>
#include <stdatomic.h>

#define STEP_MS 10 /* how late a command from another thread is noticed at most */

static sfx_sip_callback event_callback;
static atomic_int wake_requested;

void sfx_sip_set_callback(sfx_sip_callback callback) { event_callback = callback; }

void glue_emit(const sfx_sip_event *event) {
    if (event_callback)
        event_callback(event);
}

void sfx_sip_quiet(void) { pj_log_set_level(0); }

void sfx_sip_wake(void) { atomic_store(&wake_requested, 1); }

void sfx_sip_run(unsigned max_ms) {
    pj_timestamp start, now;
    pj_get_timestamp(&start);
    do {
        pjsua_handle_events(STEP_MS);
        pj_get_timestamp(&now);
    } while (!atomic_exchange(&wake_requested, 0) && pj_elapsed_msec(&start, &now) < max_ms);
}
