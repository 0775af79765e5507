/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digest authentication and where calls come from: credentials.c, digest.c, peer.c. */
#ifndef SOFTFAX_AUTH_H
#define SOFTFAX_AUTH_H

#include <pjsua-lib/pjsua.h>

/* The realms of a response that are looked at. */
#define CHALLENGES_MAX 4

/* digest.c: the challenges worth an answer, the best algorithm of each realm; returns how many. */
unsigned digest_choose(const pjsip_msg *response, const pjsip_www_authenticate_hdr **chosen);
/* Whether a challenge is of no use for its quality of protection alone. */
int digest_wants_other_qop(const pjsip_msg *response);
/* Takes the last answer out of the request; an error where another would be of no use. */
pj_status_t digest_may_answer(const pjsip_www_authenticate_hdr *challenge, pjsip_tx_data *request);
/* The answer, for the nonce_count-th use of the nonce. */
pj_status_t digest_answer(const pjsip_www_authenticate_hdr *challenge, pjsip_tx_data *request, const char *user,
                          const char *password, unsigned nonce_count, pjsip_authorization_hdr **out);
pj_status_t digest_start(void);

/* peer.c: where the INVITE of a dialog came from; NULL for dialogs of our own. */
struct peer {
    pj_sockaddr source;
    pjsip_transport_type_e type;
    int by_connection; /* TCP or TLS, whose source port says nothing */
};
const struct peer *peer_of(const pjsip_dialog *dlg);
/* `account_test` says whether calls of a PJSIP account are of one that has servers, and no stranger's. */
pj_status_t peer_start(int (*account_test)(int acc_id));
/* A host written in digits; false for a name. Whether two addresses are of one host. */
int host_parse(const pj_str_t *host, unsigned port, pj_sockaddr *out);
int host_same(const pj_sockaddr *a, const pj_sockaddr *b);
/* Whether a far end may name an address for us to send to; `itself_alone`: only one of its own. */
int peer_may_name(const pj_sockaddr *target, const pj_sockaddr *from, int itself_alone);
/* The far end that named what PJSIP asks for just now; NULL for what is ours. */
const pj_sockaddr *peer_named_by(void);

/* credentials.c: a name was looked up with this port, 0 for none. */
void credentials_resolved(const char *name, unsigned port, const pjsip_server_addresses *found);
void credentials_stop(void);
int credentials_is_account(int acc_id);

/* servers.c: a server has failed, for so long as it said itself (0: it did not); has answered; whether it has failed.
 */
void servers_failed(const pj_sockaddr *address, unsigned retry_after_s);
void servers_answered(const pj_sockaddr *address);
int servers_is_failed(const pj_sockaddr *address);
/* Puts those that have failed last. */
void servers_order(pjsip_server_addresses *found);
/* How many others there are to send a request to that have not failed. */
unsigned servers_left(const pjsip_tx_data *tdata);
/* servers.c → resolve.c: servers of the name of a request that its account has no family for, and another may; or NULL.
 */
void servers_note_others(pjsip_tx_data *tdata, pjsip_server_addresses *others);
/* servers.c → loop.c: returns a pj_status_t. */
pj_status_t servers_start(void);
void servers_stop(void);

#endif
