/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What softfax adds to pjsua: T.38 in the invite session, and media that is only negotiated here and lives elsewhere.
 *
 * Everything runs in the one thread that owns PJSIP. Events are delivered synchronously to one callback, in that
 * thread.
 */
#ifndef SOFTFAX_GLUE_H
#define SOFTFAX_GLUE_H

#include <stdatomic.h>
#include <stdint.h>

#define SFX_SIP_API __attribute__((visibility("default")))

enum sfx_sip_event_type {
    SFX_SIP_AUDIO = 1,   /* audio is negotiated: fd (a dup of the RTP socket, the receiver's), remote, port, codec … */
    SFX_SIP_T38_OFFER,   /* the far end offers T.38: `remote_sdp`; answer with sfx_sip_answer() before returning, or 488
                          */
    SFX_SIP_T38_ACTIVE,  /* T.38 is negotiated or confirmed: both SDPs */
    SFX_SIP_T38_REFUSED, /* our offer failed with `code`; what was in force goes on */
    SFX_SIP_T38_EMPTY,   /* our offer was accepted with every line refused: the call has no media until audio is offered
                          */
    SFX_SIP_SDP,         /* our SDP of an account asked for with sfx_sip_describe(): an offer, or with `direction` 1 the
                            answer to `remote_sdp`; `code` is the account. sfx_sip_sdp() before returning puts another
                            in its place, else 488 */
    SFX_SIP_OPTIONS,     /* the sfx_sip_options() with the token `call_id` was answered with `code`; `remote_sdp` is the
                            reason, `payload_type` 1 if a server gave it, `direction` the seconds of its Retry-After */
    SFX_SIP_MESSAGE,     /* a SIP message, `code` 1 sent, 0 received; `remote`, `port`, its text in `remote_sdp` */
    SFX_SIP_UNANSWERED,  /* a challenge to the account `call_id` by `remote`, `port` gets no answer: `code` is an
                            sfx_sip_unanswered, `remote_sdp` the realm where that is why */
    SFX_SIP_ENDED,       /* a call ends, before its owner is told: `code` and `remote` are why; `direction` is an
                            sfx_sip_ended_by, `remote_sdp` the head of the far end's message */
    SFX_SIP_UNREGISTERED, /* the connection is gone that the account `call_id` was registered by */
};

enum sfx_sip_unanswered {
    SFX_SIP_ANSWERED,
    SFX_SIP_NOT_THE_SERVER,     /* the request, or its response, is of another than the account's server */
    SFX_SIP_CALL_OF_A_STRANGER, /* within a call that came in from elsewhere */
    SFX_SIP_BEHIND_A_PROXY,     /* within a call, by a party behind the server */
    SFX_SIP_ANOTHER_REALM,      /* a realm that is not the server's */
    SFX_SIP_ANOTHER_QOP,        /* a quality of protection that is not spoken (auth-int) */
};

enum sfx_sip_ended_by {
    SFX_SIP_BY_NOBODY,  /* no response, or nothing could be sent */
    SFX_SIP_BY_FAR_END, /* its BYE or final response */
    SFX_SIP_BY_US,      /* our BYE or refusal, PJSIP's own included */
};

typedef struct sfx_sip_event {
    int32_t type;
    int32_t call_id;
    int32_t code;
    int32_t fd;
    int32_t port;
    int32_t payload_type;
    int32_t law;       /* 0 PCMU, 8 PCMA */
    int32_t direction; /* 1 we send, 2 we receive, 3 both */
    int32_t ptime_ms;  /* of SFX_SIP_AUDIO: what the far end wants in a packet */
    int32_t red_rx,
        red_tx;        /* of SFX_SIP_AUDIO: payload types of redundant audio that we and the far end take, 0: none */
    int32_t red_again; /* … and the earlier packets that go with each */
    const char *remote;
    const char *local_sdp;
    const char *remote_sdp;
} sfx_sip_event;

typedef void (*sfx_sip_callback)(const sfx_sip_event *event);

SFX_SIP_API void sfx_sip_set_callback(sfx_sip_callback callback);
/* Families of addresses. */
enum { SFX_SIP_IPV4 = 1, SFX_SIP_IPV6 = 2 };

/* After pjsua_init(): makes sfx_sip_wake() work, looks names up as addresses of `families`, and with `trace` reports
 * every SIP message. Returns a pj_status_t. */
SFX_SIP_API int sfx_sip_open(int trace, unsigned families);
/* Accounts whose media are of IPv4 and of IPv6, for offers of the other family than the account of a call; -1 for none.
 */
SFX_SIP_API void sfx_sip_media_accounts(int ipv4, int ipv6);
/* Before pjsua_destroy(). */
SFX_SIP_API void sfx_sip_close(void);
/* Answers the T.38 offer being delivered. Returns 0 or a pj_status_t. */
SFX_SIP_API int sfx_sip_answer(int call_id, const char *sdp);
/* Sends a re-INVITE that offers `sdp`. PJ_EPENDING while another INVITE transaction is under way. */
SFX_SIP_API int sfx_sip_reinvite(int call_id, const char *sdp);
/* Whether an offer may be sent now: 0, PJ_EPENDING while another INVITE is under way, or another pj_status_t. */
SFX_SIP_API int sfx_sip_may_offer(int call_id);
/* Gives up waiting for the answer to our offer: CANCELs the re-INVITE. */
SFX_SIP_API int sfx_sip_cancel_offer(int call_id);
/* Audio of an account's calls: `laws` (0 PCMU, 8 PCMA) in the order of preference, at most two; none for both. 0 or a
 * pj_status_t. */
SFX_SIP_API int sfx_sip_codecs(int acc_id, const int *laws, int count);
/* Redundant audio (RFC 2198) of an account's calls: earlier packets with each, at most 3; 0: none is offered or taken.
 * 0 or a pj_status_t. */
SFX_SIP_API int sfx_sip_red(int acc_id, int again);
/* Whether SFX_SIP_SDP is asked for the calls of an account; SFX_SIP_AUDIO has both SDPs then. Returns a pj_status_t. */
SFX_SIP_API int sfx_sip_describe(int acc_id, int wanted);
/* Our SDP instead of the one being delivered. Returns a pj_status_t. */
SFX_SIP_API int sfx_sip_sdp(const char *sdp);
/* User (empty for none) and password of an account, and the realms they are for, a line each; none for the one its
 * server shows first. Returns a pj_status_t. */
SFX_SIP_API int sfx_sip_credentials(int acc_id, const char *user, const char *password, const char *realms);
/* The servers of an account that has credentials: names, with the port 0 where it is looked up, and addresses. Returns
 * a pj_status_t. */
SFX_SIP_API int sfx_sip_servers(int acc_id, const char *const *hosts, const int *ports, int count);
/* Wipes the credentials of an account that is given up. */
SFX_SIP_API void sfx_sip_forget(int acc_id);
/* The addresses of a SIP server by its name, its port (0: looked up as well) and transport (0 UDP, 1 TCP, 2 TLS), a
 * line "ADDRESS PORT" each; in any thread, and it blocks. */
SFX_SIP_API void sfx_sip_look_up(const char *name, int port, int transport, char *out, int size);
enum sfx_sip_first_offer {
    SFX_SIP_OFFERS_AUDIO,  /* audio that we have, or nothing at all; T.38 beside one line of it comes later */
    SFX_SIP_OFFERS_T38,    /* T.38, and no audio that we have */
    SFX_SIP_OFFERS_EITHER, /* T.38 and several lines of audio */
};
/* What the INVITE of a call that is coming in offers; only while that is reported. */
SFX_SIP_API int sfx_sip_first_offer(int call_id);
/* Why the offer being delivered, or the call coming in, is refused by what follows: a warn-code and text. */
SFX_SIP_API void sfx_sip_warn(int call_id, int code, const char *text);
/* Whether the INVITE of a call that is coming in came over TLS; only while that is reported. */
SFX_SIP_API int sfx_sip_by_tls(int call_id);
/* Whether a far end may have its media sent to an address: to none that is not one host's, none of our own unless it is
 * here, and to no port below 1024. */
SFX_SIP_API int sfx_sip_may_send_media(int call_id, const char *host, int port);
/* Sends OPTIONS to `uri` as an account does; SFX_SIP_OPTIONS follows, unless a pj_status_t other than 0 is returned. */
SFX_SIP_API int sfx_sip_options(int acc_id, const char *uri, int token);
/* Whether a call that ends before it was answered has another server to be placed at; only while its end is reported.
 */
SFX_SIP_API int sfx_sip_next_server(int call_id);
/* Whether a server has failed and is left for last, by its address; from any thread. */
SFX_SIP_API int sfx_sip_is_failed(const char *host, int port);
/* The Contact that an account registers. Returns a pj_status_t. */
SFX_SIP_API int sfx_sip_contact(int acc_id, char *out, int size);
/* Networks (ADDRESS/BITS) of accounts, and the parameters of the contacts they registered: what comes from elsewhere is
 * limited. PJ_EINVAL if one of them is none; the others hold. */
SFX_SIP_API int sfx_sip_known(const char *const *networks, int network_count, const char *const *tokens,
                              int token_count);
/* What unknown sources may have in all: calls that wait for their ACK, and connections. */
SFX_SIP_API void sfx_sip_limit(unsigned unacknowledged_calls, unsigned connections);

/* While `closed`, OPTIONS of no call are answered 503, and while full, calls that come in are refused (503 with
 * Retry-After) before anything is made of them. From any thread. */
enum { SFX_SIP_OPEN, SFX_SIP_FULL, SFX_SIP_DRAINING };
SFX_SIP_API void sfx_sip_close_to_calls(int closed);
/* The calls at a time that this build has room for. */
SFX_SIP_API unsigned sfx_sip_calls_max(void);

/* What was refused since the start; read from any thread. */
typedef struct sfx_sip_counters {
    atomic_ulong calls_refused;       /* over the budget of unknown sources */
    atomic_ulong calls_overload;      /* from any source, while there is no room */
    atomic_ulong connections_refused; /* as they were accepted */
    atomic_ulong connections_ended;   /* silent for too long, or to make room */
} sfx_sip_counters;
extern SFX_SIP_API sfx_sip_counters sfx_counters;

/* Handles events for up to `max_ms`, less if sfx_sip_wake() is called. */
SFX_SIP_API void sfx_sip_run(unsigned max_ms);
/* Ends a sfx_sip_run() under way, or the next; from any thread. */
SFX_SIP_API void sfx_sip_wake(void);

/* Silences PJSIP's console log; before anything else of PJSIP is called. */
SFX_SIP_API void sfx_sip_quiet(void);

/* glue.c → media.c, t38.c, trace.c */
void glue_emit(const sfx_sip_event *event);
/* describe.c → codecs.c: what the owner makes of an SDP of ours; on failure `*code` is a SIP status. */
struct pj_pool_t;
struct pj_str_t;
struct pjmedia_sdp_session;
int describe_sdp(int call_id, struct pj_pool_t *pool, const struct pjmedia_sdp_session *remote,
                 struct pjmedia_sdp_session *ours, int *code);
/* describe.c → media.c: adds both SDPs to an event of such an account's call. */
void describe_audio(int call_id, sfx_sip_event *event, const struct pjmedia_sdp_session *local,
                    const struct pjmedia_sdp_session *remote);
/* sdp.c → t38.c: lines of a description whose port is not 0; the line of T.38 that may be taken, or -1; lines of audio
 * in PCMU or PCMA. */
int sdp_active_lines(const struct pjmedia_sdp_session *sdp);
int sdp_t38_line(const struct pjmedia_sdp_session *sdp);
int sdp_audio_lines(const struct pjmedia_sdp_session *sdp);
/* media.c → t38.c: whether audio can be sent where an offer wants it; says why not, for the 488. */
struct pjsua_call;
/* media.c → sdp.c: while the media of a call are made, its account has those of the family that the offer names. */
void media_lend(int acc_id, const struct pjmedia_sdp_session *offer);
void media_take_back(int acc_id);
int media_reaches(const struct pjsua_call *call, const struct pjmedia_sdp_session *offer);
/* As sfx_sip_may_send_media. */
int may_send_media(const struct pjsua_call *call, const struct pj_str_t *host, unsigned port);
/* ended.c → t38.c: reports a call that has been disconnected by an event. */
struct pjsip_inv_session;
struct pjsip_event;
void ended_report(struct pjsip_inv_session *inv, const struct pjsip_event *e);
/* warnings.c → loop.c, t38.c. */
int warnings_start(void);
void warnings_stop(void);
void warnings_forget(void);
/* media.c → codecs.c, sdp.c: 0 for PCMU, 8 for PCMA, -1 for anything else. */
struct pjmedia_sdp_media;
int glue_law_of(const struct pjmedia_sdp_media *m, const struct pj_str_t *format);
/* red.c → sdp.c: puts redundant audio behind the formats it is made of; → codecs.c: adds it to a line of ours whose
 * first format is G.711, of an answer if the far end's is given; → media.c: the payload type of it in a line, 0 for
 * none; what an account wants. */
void red_last(struct pjmedia_sdp_media *m);
void red_describe(int acc_id, struct pj_pool_t *pool, struct pjmedia_sdp_media *ours,
                  const struct pjmedia_sdp_media *theirs);
int red_type_of(const struct pjmedia_sdp_media *m);
int red_wanted(int acc_id);
/* glue.c → loop.c: the wake-up begins, ends; whether the loop is to return. */
int glue_start(void);
void glue_stop(void);
int glue_is_woken(void);
/* glue.c → resolve.c: ends the waiting of sfx_sip_run(), which goes on; from any thread. */
void glue_stir(void);
/* resolve.c → loop.c: begins; hands out, in the thread of PJSIP, what has been found; ends. */
int resolve_start(unsigned families);
void resolve_deliver(void);
void resolve_stop(void);
/* requests.c → loop.c: says what we can do, and answers requests that are no calls. Returns a pj_status_t. */
int requests_start(void);
void requests_stop(void);
/* glue.c: a part that is a module of PJSIP's begins, ends. Returns a pj_status_t. */
struct pjsip_module;
int glue_register(struct pjsip_module *module);
void glue_unregister(struct pjsip_module *module);
/* glue.c → budget.c, connections.c: a clock that only goes forward; a part of a limit, at least one. */
uint64_t glue_now_ms(void);
unsigned share_of(unsigned limit, unsigned parts);
/* budget.c → loop.c, requests.c, trace.c. */
int budget_start(void);
void budget_stop(void);
void budget_limit(unsigned unacknowledged);
void budget_close(int closed);
int budget_closed(void);
int budget_is_refusing(void);
/* connections.c → loop.c, budget.c: a message came; the owner's timer. */
struct pjsip_rx_data;
void connections_start(void);
void connections_stop(void);
void connections_limit(unsigned unknown_max);
void connections_sweep(void);
void connections_heard(const struct pjsip_rx_data *rdata);
/* connections.c → t38.c: keeps what a call came by for as long as it is up. NULL where there is nothing to keep. */
struct pjsip_transport;
struct pjsip_transport *connections_hold(struct pjsip_transport *transport);
void connections_release(struct pjsip_transport *transport);
/* connections.c → messages.c: ends what a far end opened; what has been sent goes out. */
int connections_is_ending(const struct pjsip_transport *transport);
void connections_end(const struct pjsip_transport *transport);
/* messages.c → loop.c. */
int messages_start(void);
void messages_stop(void);
/* unreachable.c → loop.c: begins; ends requests that ICMP says arrive nowhere; ends. */
int unreachable_start(void);
void unreachable_sweep(void);
void unreachable_stop(void);
/* trace.c → loop.c: returns a pj_status_t. */
int trace_start(void);
void trace_stop(void);

#endif
