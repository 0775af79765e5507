/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the engine share. Nothing of this leaves the library. */
#ifndef SOFTFAX_INTERNAL_H
#define SOFTFAX_INTERNAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* recvmmsg */
#endif

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h> /* spandsp.h and tiffio.h need it */
#include <sys/socket.h>

#include <tiffio.h>

#define SPANDSP_EXPOSE_INTERNAL_STRUCTURES 1
#include <spandsp.h>
#include <spandsp/expose.h>

#include "capture.h"
#include "disk.h"
#include "engine.h"
#include "parts.h"
#include "rtp.h"
#include "source.h"
#include "srtp.h"
#include "udptl.h"

#define TICK_US 20000
#define MAX_SHARDS 8
#define DATAGRAM_SIZE 2048
#define DEFAULT_MAX_PAGES 1000

/* ---- address.c ----------------------------------------------------------------------------------------------------
 */

/* A numeric IPv4 or IPv6 address. Returns 0 or -EINVAL. */
int address_parse(const char *text, uint16_t port, struct sockaddr_storage *out, socklen_t *len);
bool address_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
bool address_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
/* 0.0.0.0 or ::, by which a far end says that it wants nothing now (the old hold). */
bool address_is_nowhere(const struct sockaddr_storage *a);
/* Whether one host has it: neither multicast nor broadcast nor reserved, to which nothing is ever sent. */
bool address_is_host(const struct sockaddr_storage *a);
/* Whether what the far end says of itself holds in its own network alone, while its packets come from outside. */
bool address_behind_nat(const struct sockaddr_storage *signalled, const struct sockaddr_storage *seen);

/* ---- guard.c: frames are looked at before spandsp acts on them ----------------------------------------------- */

/* Returns 0 for a frame that spandsp survives, else enum sfx_hostile. `msg` begins with the HDLC address. */
int guard_check(const uint8_t *msg, int len);
/* Whether a DCS or CTC names a modem that there is; spandsp takes what it does not know for an index of -1. */
bool guard_rate_known(const uint8_t *msg, int len);

typedef struct t30_rate {
    int modem, rate_bps; /* T30_MODEM_*, 0 for none */
} t30_rate;

/* By bits 11 to 14 of a DCS (T.30 table 2), bit 11 lowest. */
t30_rate rate_of(unsigned code);

typedef struct dcs_info {
    int rate_bps, ecm, width, encoding;
    int x_dpm, y_dpm; /* dots per metre, as spandsp counts */
} dcs_info;

/* What a DCS says (T.30 table 2). Returns 0 or -EBADMSG. */
int dcs_decode(const uint8_t *msg, int len, dcs_info *out);

/* ---- decoder.c: spandsp's decoder of received pages, within bounds ----------------------------------------------- */

/* Lists of runs are this much longer than spandsp makes them. */
#define DECODER_SLACK 256
/* How long spandsp makes them. */
#define DECODER_RUNS(width) ((size_t)(width) + 4)

#define BLOCK_FRAMES 256 /* of a block with error correction, T.4 annex A */
#define FRAME_OCTETS 260 /* spandsp's room for a frame of it */

/* A decoder as it stood, and what it has not been given yet. */
typedef struct decoder_copy {
    t4_rx_state_t t4;
    unsigned frames;
    int16_t len[BLOCK_FRAMES];
    uint8_t data[BLOCK_FRAMES][FRAME_OCTETS];
} decoder_copy;

/* Its image and lists of runs are the copy's own, on failure too. Returns 0 or -ENOMEM. */
int decoder_take_copy(const t4_rx_state_t *from, decoder_copy *d);
/* What was caught in this thread since the last time: 0 or enum sfx_hostile. */
int decoder_caught(void);
/* Whether spandsp's calls come by there. */
bool decoder_works(void);

/* ---- document.c: the pages to send --------------------------------------------------------------------------------
 */

typedef struct sfx_document {
    sfx_page *pages;
    uint8_t *plan; /* T4_COMPRESSION_ITU_* of each page; 0 = as spandsp chooses */
    unsigned count;
    bool more;     /* pages are still being made */
    bool known;    /* count and more were set */
    unsigned held; /* DIS frames left unanswered, one after the other */
} sfx_document;

void document_free(sfx_document *d);
/* Whether a far end with this DIS or DTC (address octet first) takes the page. */
bool page_fits(const sfx_page *page, const uint8_t *dis, size_t len);
/* What to do with a DIS or DTC when page `first` is next: enum sfx_dis. */
int document_judge_dis(const sfx_document *d, unsigned first, const uint8_t *dis, int len);
/* Chooses the code of each page from `first` on; `allowed` is a mask of 1 << T4_COMPRESSION_ITU_*. */
void document_plan(sfx_document *d, unsigned first, unsigned allowed, int rate_bps);
/* The last page of the run of one code that begins at `first`, -1 where it is the last of all known. */
int document_run_end(const sfx_document *d, unsigned first);

/* Phases of spandsp 0.0.6 (t30.c). */
enum {
    T30_PHASE_A_CED = 1,
    T30_PHASE_A_CNG,
    T30_PHASE_B_RX,
    T30_PHASE_B_TX,
    T30_PHASE_C_NON_ECM_RX,
    T30_PHASE_C_NON_ECM_TX,
    T30_PHASE_C_ECM_RX,
    T30_PHASE_C_ECM_TX,
    T30_PHASE_D_RX,
    T30_PHASE_D_TX,
};

/* ---- t30.c, pages.c, frames.c: one run of T.30, over audio or T.38
 * ------------------------------------------------------------------ */

/* v21.c: frames of V.21 in which packets were lost. */
#define V21_LOST 2         /* beside 0 and 1: a bit that did not come */
#define V21_MOST_BITS 1024 /* 3.4 s */
#define V21_COPIES 2

typedef struct v21_frame {
    unsigned count; /* 0: none */
    uint8_t raw[V21_MOST_BITS];
} v21_frame;

typedef struct v21_rx {
    unsigned count, lost; /* bits since the last flag */
    bool framed;          /* there was one */
    bool doubtful;        /* the next bit is half lost */
    uint8_t raw[V21_MOST_BITS];
    v21_frame copies[V21_COPIES]; /* that could not be read */
    unsigned next_copy;
    unsigned budget; /* bits that may be looked at, and when there were more of them */
    uint64_t refilled_us;
} v21_rx;

/* A frame was understood: what is said next is another. */
void v21_forget(v21_rx *v);

enum media_kind { MEDIA_NONE, MEDIA_AUDIO, MEDIA_T38 };

typedef struct t30_run {
    sfx_session *session;
    t30_state_t *t30; /* inside fax or terminal */
    fax_state_t *fax;
    t38_terminal_state_t *terminal;
    modem_connect_tones_rx_state_t *preamble; /* a caller on audio listens for V.21 until it is heard */
    bool finished;                            /* phase E has been */
    bool muted;                               /* being replaced: no more events */
    bool preamble_heard;
    bool waits_for_dis, waits_before; /* longer than T4; and that once more */
    bool commanded;                   /* a DCS was said */
    bool sends;                       /* images go out; of a session with two files until, or from, its turn on */
    bool turn_due;                    /* the last page went with EOM: what the far end has put out is fetched next */
    bool local_tcf;                   /* over T.38 the gateways make the training check */
    unsigned training_ticks;          /* since one was to come */
    /* waits.c, in ticks: T.30 waits without a timer; a phase waits for the carrier to fall; no energy was on the line;
     * a page has been held; a frame has been waited for beyond its time */
    unsigned untimed_ticks, queued_ticks, quiet_ticks, held_ticks, slow_ticks, answer_ticks;
    unsigned farewell_ticks; /* DCN has been waited for */
    unsigned frames_tried;   /* of a block, since the last CTC */
    bool replays;            /* a frame of the far end is said to spandsp again */
    unsigned repeats_asked;  /* by CRP, one after the other */
    int last_command;        /* what ended the last page that was received and kept: T30_MPS, T30_EOM, T30_EOP … */
    bool last_confirmed;     /* we said MCF to EOP, and nothing else since */
    bool file_kept_open;     /* a last page was refused; spandsp believes the file closed */
    fsk_tx_state_t *goodbye; /* sends DCN once T.30 was ended by us, on audio */
    hdlc_tx_state_t *goodbye_hdlc;
    dcs_info dcs;
    v21_rx v21;
    unsigned ifps_sent; /* in this tick */
    bool unpaced;       /* over T.38, to one that has no modem behind it either */
    bool unpaced_anyhow;
    unsigned empty_ifps;
    unsigned since_gap; /* samples since the last that were lost */
    int16_t last_audio[RTP_FRAME];
    int last_samples;      /* of them */
    unsigned max_rate_bps; /* the session's, and of T.38 what both sides said */
    uint64_t page_began_us;
    uint64_t image_bytes;
    bool page_waits;                     /* a received page is being brought to disk; what confirms it waits */
    disk_job *storing;                   /* NULL where not even that could be begun */
    sfx_event stored;                    /* reported once it is there */
    uint32_t stored_link;                /* of the received file, see disk.c */
    bool page_lost;                      /* it could not be brought there */
    uint32_t preview_page, preview_rows; /* what was shown last */
    /* signals.c: what was last seen of signals that are no frames; audio is listened to for the first tone */
    int tx_modem, rx_indicator;
    bool rx_trained, tone_heard;
    modem_connect_tones_rx_state_t *tones;
    int pages_confirmed, page_now, bad_rows, rate_bps, ecm, pages_in_file, retries;
} t30_run;

/* States of spandsp 0.0.6 (t30.c). */
enum {
    STATE_D_TCF = 5,
    STATE_D_POST_TCF = 6,
    STATE_F_TCF = 7,
    STATE_F_CFR = 8,
    STATE_F_DOC_NON_ECM = 10,
    STATE_F_POST_DOC_ECM = 13,
    STATE_F_POST_RCP_MCF = 14,
    STATE_F_POST_RCP_RNR = 16,
    STATE_R = 17,
    STATE_T = 18,
    STATE_III_Q = 22,
    STATE_IV_PPS_Q = 25,
    STATE_IV_CTC = 27,
};

/* Its operations: what its file is used for. */
enum { OPERATION_NONE = 0, OPERATION_RECEIVING = 1, OPERATION_SENDING = 2, OPERATION_RECEIVED = 3 };

int run_start(sfx_session *s, enum media_kind kind, const sfx_t38_config *t38);
/* Ends it (phase E is reported unless muted) and frees what spandsp holds. */
void run_end(sfx_session *s, bool muted);
/* The document grew or was replaced. */
int run_document(sfx_session *s, bool replaced);
/* Ends T.30 and sends DCN. */
void run_cancel(sfx_session *s);
/* False while a received page is not on disk yet: nothing may be said. Once a tick. */
bool run_may_send(sfx_session *s);
/* The next samples to send; always RTP_FRAME of them. */
void run_fetch_audio(sfx_session *s, int16_t *amp);
/* Sends what is due over T.38; 20 ms pass. */
void run_send_t38(t30_run *run);
/* Time passes for T.30's timers alone. */
void run_pass_time(sfx_session *s, int samples);
void run_feed_audio(sfx_session *s, int16_t *amp, int samples);
/* Ends T.30 where the far end was caught at what would harm the decoder. Once a tick. */
void run_watch_decoder(t30_run *run);
/* waits.c: every wait of T.30 ends. Once a tick. */
void run_watch_timers(t30_run *run);
/* Samples came from the line. */
void waits_heard(t30_run *run, const int16_t *amp, int samples);

/* losses.c: samples came, or were lost, on audio. */
void losses_heard(t30_run *run, const int16_t *amp, int samples);
void losses_fill(t30_run *run, int samples);

/* Makes up for a training check that is made elsewhere. Once a tick. */
void run_watch_training(t30_run *run);

/* Queues an event unless the run is muted. */
void run_emit(t30_run *run, sfx_event *event);
/* Reports what the far end did, and ends T.30: in its last state no frame is acted on. */
void run_end_hostile(t30_run *run, int what);

/* pages.c: what spandsp reports of phases and pages. */
void pages_watch(t30_run *run);
/* The page that is to be sent next. */
unsigned pages_first(const t30_state_t *t);
/* The document that a DTC is for: its index, or -T30_ERR_SEP_UNACCEPTABLE or -T30_ERR_PWD_UNACCEPTABLE. */
int pages_polled(const sfx_session *s, t30_state_t *t);
/* Of a session with two files. */
bool pages_turns(const sfx_session *s);
/* Reports the page that was being stored; as confirmed only where it is on disk. Returns 0 or why it is not. */
int pages_settle(t30_run *run);
/* A refused last page left the received file open: T.30 goes on. */
void pages_resume(t30_run *run);

/* frames.c: frames, before spandsp acts on them. */
/* Sends CTC again, which was not answered; spandsp does not. */
void frames_repeat_ctc(t30_run *run);
void frames_watch(t30_run *run);

/* ---- signals.c: for traces ----------------------------------------------------------------------------------------
 */

void signals_tick(sfx_session *s);
/* An IFP packet was received. */
void signals_ifp(sfx_session *s, const uint8_t *ifp, size_t len);
/* Has the far end's first tone looked for: CNG, or, by the caller, CED. */
void signals_listen(t30_run *run, bool caller);

/* ---- hooks of the test library (native/testing), where nothing is changed without them --------------------------- */

typedef struct session_hooks session_hooks;
struct session_hooks {
    void (*release)(session_hooks *hooks);
    /* A frame of ours is about to be sent; it may be written to. */
    void (*frame)(session_hooks *hooks, t30_run *run, uint8_t *frame, int len);
    /* Whether an IFP packet of ours is lost. */
    bool (*loses_ifp)(const t30_run *run);
    disk_hook *disk;
    bool unguarded; /* hostile frames get through to spandsp */
};

/* ---- preview.c ----------------------------------------------------------------------------------------------------
 */

/* Rows of the page being received; with error correction as many as were shown last. */
uint32_t preview_rows(const sfx_session *s);

/* ---- events.c -------------------------------------------------------------------------------------------------- */

typedef struct event_queue {
    pthread_mutex_t lock;
    sfx_event *ring;
    size_t size, head, count;
    int fd;
} event_queue;

int events_init(event_queue *q);
void events_release(event_queue *q);
/* Fills in session and time, and queues. */
void events_put(sfx_session *s, sfx_event *event);
int events_take(event_queue *q, sfx_event *out, int max);

/* ---- path.c: a session's packets, from and to its socket --------------------------------------------------------- */

/* Takes a session's packet: one that came, or, on the in-memory line, one that is sent. */
typedef void packet_sink(sfx_session *s, const uint8_t *packet, size_t len);

/* Takes over the socket and the address that was signalled; T.38 after audio leaves audio's socket open. */
void path_set(sfx_session *s, int fd, const struct sockaddr_storage *remote, socklen_t len, bool new_medium);
/* What waited in the socket before a medium was agreed is thrown away; T.38 that the far end began at once is kept. */
void path_begin(sfx_session *s, packet_sink *deliver);
/* Reads what waits in the socket. */
void path_receive(sfx_session *s, packet_sink *deliver);
void path_close(sfx_session *s);
void path_send(sfx_session *s, const uint8_t *packet, size_t len);
/* Sends RTP_FRAME samples in packets as long as the far end asks for. */
void path_send_audio(sfx_session *s, const int16_t *amp);
/* Whether the far end is known to be who sends: a stranger's frames end no call. */
bool path_trusted(const sfx_session *s);

/* ---- unpaced.c: T.38 as fast as the network goes ------------------------------------------------------------------
 */

void unpaced_begin(t30_run *run, bool anyhow);
/* Before something is sent. Once a tick. */
void unpaced_tick(t30_run *run);
/* An IFP packet is sent; false where nothing but empty ones come. */
bool unpaced_sent(t30_run *run, int len);
/* Paces all the same where the far end's DIS does not say that it has no modem behind it. */
void unpaced_judge_dis(t30_run *run, const uint8_t *dis, int len);
/* A training check begins, which says nothing. */
void unpaced_trained(t30_run *run);

/* ---- ifp.c: IFP packets of ours on their way --------------------------------------------------------------------- */

/* Sends an IFP packet in `count` copies of one datagram. Returns 0 or -EMSGSIZE. */
int ifp_send(sfx_session *s, const uint8_t *ifp, size_t len, unsigned count);

/* ---- gateway.c: what a session does that is a leg of a gateway ----------------------------------------------------
 */

typedef struct gateway_leg gateway_leg;

/* Its media begin, change, or end (MEDIA_NONE). */
int gateway_media(sfx_session *s, enum media_kind kind, int law, int ptime_ms, const sfx_t38_config *t38);
/* Samples came by it; `amp` NULL: samples that were lost. They may be written to. */
void gateway_hear(sfx_session *s, int16_t *amp, int samples);
/* An IFP packet came by it. */
void gateway_take(sfx_session *s, const uint8_t *ifp, size_t len, uint16_t seq);
/* Nothing has come by it for so long that it is silence. */
void gateway_starve(sfx_session *s);
/* Sends what is due. Once a tick. */
void gateway_tick(sfx_session *s);
/* Whether something is to come by it now. */
bool gateway_awaits(const sfx_session *s);
void gateway_stats(sfx_session *s, sfx_session_stats *out);
/* The page that passes, as far as it has come, and its number. Returns 0, -ENODATA or -ENOMEM. */
int gateway_page(sfx_session *s, decoder_copy *copy, uint32_t *page);

/* ---- listener.c -------------------------------------------------------------------------------------------------- */

/* The expected modem alone hears it. */
void listener_hear_fast(sfx_listener *l, const int16_t *amp, int samples);

/* ---- session.c, shard.c, engine.c -------------------------------------------------------------------------------- */

typedef struct shard shard;
typedef void shard_tick(sfx_session *s);

typedef struct session_red {
    int rx_type, tx_type; /* 0: none */
    unsigned again;
} session_red;

struct sfx_session {
    pthread_mutex_t lock; /* all below; taken by the shard once a tick */
    sfx_engine *engine;
    shard *shard;
    sfx_session *next; /* in its shard's list; guarded by the shard's lock */
    uint32_t id;
    sfx_session_config config;
    char *tx_file, *rx_file, *ident, *header;
    char *subaddress, *sender_id, *selective, *password;
    sfx_polled *polled; /* NULL: one document at most is out */
    unsigned polled_count;
    int chosen; /* whose pages are in tx_file; -1 while it changes */
    sfx_document document;

    enum media_kind kind;
    int fd;
    int aside;            /* of audio before T.38, where UDPTL may come too; -1 */
    unsigned aside_ticks; /* since something was heard there */
    far_source source;
    capture *capture; /* NULL where packets are not kept */
    packet_sink *sink;
    void *sink_user;

    gateway_leg *leg; /* NULL: it has T.30 of its own */
    t30_run run;
    rtp_rx rtp_rx;
    rtp_tx rtp_tx;
    session_red red;      /* of the next audio */
    sfx_srtp *srtp;       /* NULL: audio goes in the clear */
    session_hooks *hooks; /* NULL but in tests */
    udptl_rx *udptl_rx;
    udptl_tx *udptl_tx;
    bool held;
    bool stalled;
    uint64_t now_us;   /* ticks since the media began */
    uint64_t quiet_us; /* since the last packet */
    uint64_t udptl_sent;
    uint64_t ifp_us; /* when one was sent last, by now_us */
    struct {
        uint64_t packets, lost, recovered, bad;
    } udptl_before; /* of media that ended */
};

struct shard {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool running, stop;
    shard_tick *tick; /* once for each session; its lock is held */
    sfx_session *sessions;
    unsigned count;
    _Atomic uint64_t cpu_us, ticks, late_us;
    atomic_uint late_max_us, live;
};

struct sfx_engine {
    event_queue events;
    disk disk;
    capture_writer capture_writer;
    shard shards[MAX_SHARDS];
    unsigned shard_count;
    atomic_uint next_id;
    pthread_mutex_t lock; /* of the placement of sessions on shards */
};

/* The session's lock is held in all of these. */
void session_tick(sfx_session *s);
void session_packet(sfx_session *s, const uint8_t *packet, size_t len);
int session_media_audio(sfx_session *s, int law, int payload_type, int ptime_ms);
int session_media_t38(sfx_session *s, const sfx_t38_config *config);

void shard_init(shard *h, shard_tick *tick);
int shard_attach(sfx_session *s);
void shard_detach(sfx_session *s);
void shard_stop(shard *h);

#endif
