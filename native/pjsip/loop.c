/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop of the thread that owns PJSIP: begins and ends every part of the glue, and hands each its time. */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "auth.h"
#include "glue.h"

#define STEP_MS 500 /* PJSIP's own timers and packets end a step earlier */

void sfx_sip_limit(unsigned unacknowledged_calls, unsigned connections) {
    budget_limit(unacknowledged_calls);
    connections_limit(connections);
}

void sfx_sip_close_to_calls(int closed) { budget_close(closed); }

int sfx_sip_open(int trace, unsigned families) {
    static int (*const parts[])(void) = {requests_start, messages_start,    budget_start,  digest_start,
                                         servers_start,  unreachable_start, warnings_start};
    pj_status_t status = glue_start();

    if (status == PJ_SUCCESS)
        status = resolve_start(families);
    if (status == PJ_SUCCESS)
        status = peer_start(credentials_is_account);
    for (unsigned i = 0; status == PJ_SUCCESS && i < PJ_ARRAY_SIZE(parts); i++)
        status = parts[i]();
    connections_start();
    return status == PJ_SUCCESS && trace ? trace_start() : status;
}

void sfx_sip_close(void) {
    trace_stop();
    warnings_stop();
    unreachable_stop();
    servers_stop();
    budget_stop();
    messages_stop();
    credentials_stop();
    requests_stop();
    resolve_stop();
    connections_stop();
    glue_stop();
}

void sfx_sip_run(unsigned max_ms) {
    pj_timestamp start, now;
    pj_get_timestamp(&start);
    do {
        pjsua_handle_events(STEP_MS);
        resolve_deliver();
        connections_sweep();
        unreachable_sweep();
        pj_get_timestamp(&now);
    } while (!glue_is_woken() && pj_elapsed_msec(&start, &now) < max_ms);
}
