/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * softfax engine: fax sessions over RTP (G.711) or UDPTL (T.38) on a clock of their own.
 *
 * A small API of opaque handles, made for ctypes: no spandsp struct crosses it. All functions return 0 or a negative
 * errno value unless said otherwise. Every call is safe from any thread; a session belongs to one owner, who is the
 * only one to destroy it. Events are plain records, drained with sfx_engine_events() when the eventfd is readable.
 */
#ifndef SOFTFAX_ENGINE_H
#define SOFTFAX_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SFX_API __attribute__((visibility("default")))
#else
#define SFX_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define SFX_ABI_VERSION 16

typedef struct sfx_engine sfx_engine;
typedef struct sfx_session sfx_session;
typedef struct sfx_gateway sfx_gateway;

/* ---- events ------------------------------------------------------------------------------------------------- */

enum {
    SFX_EVENT_V21 = 1,    /* the far end's V.21 preamble was heard on audio (a fax answers) */
    SFX_EVENT_DIS,        /* the far end's DIS or DTC: `data` is the frame, code = enum sfx_dis */
    SFX_EVENT_NEGOTIATED, /* training is over (CFR): value[] = rate, ecm, encoding, x res, y res, width; text = far
                             ident; data = of a receiver, SUB and SID, each with a 0 after it */
    SFX_EVENT_PAGE,       /* a page is done (phase D): value[] as in enum sfx_page_value */
    SFX_EVENT_COMPLETE,   /* phase E: code = T.30 completion code; value[] as in enum sfx_complete_value */
    SFX_EVENT_HOSTILE,    /* a frame that would crash the T.30 stack was caught; code = enum sfx_hostile */
    SFX_EVENT_STALLED,    /* nothing came from the far end for stall_ms; sent once */
    SFX_EVENT_FRAME,      /* trace: a T.30 control frame; code 1 = received, 0 = sent; `data` is its beginning */
    SFX_EVENT_DISK,       /* a received page could not be brought to disk: code = errno; the call is ended */
    SFX_EVENT_SIGNAL,     /* trace: code as for a frame; value[] = enum sfx_signal, rate, page */
    SFX_EVENT_COMMANDED,  /* the first DCS of T.30 on this medium is out, or has come */
    SFX_EVENT_TURNED,     /* of a session with two files: the first fax is over and the pages of the other are next, or,
                             where value[0], its pages that were confirmed, is 0, come alone; pages count anew */
};

/* Signals of T.30 that are no frames. */
enum sfx_signal { SFX_SIGNAL_CNG = 1, SFX_SIGNAL_CED, SFX_SIGNAL_TCF, SFX_SIGNAL_IMAGE };

/* What became of a DIS (or DTC). A far end repeats it until it is answered (T.30 §5.4.3.1, timer T4), so a sender that
 * has no page for it yet lets it go by. */
enum sfx_dis {
    SFX_DIS_TAKEN = 1,
    SFX_DIS_UNFIT,   /* not answered: the far end cannot take the resolution, width or length of a page */
    SFX_DIS_WAITING, /* not answered: the next page is not made yet */
    SFX_DIS_OTHER,   /* not answered: a DTC for another document that is out, that of sfx_session_polled() named by
                        value[1] */
};

enum sfx_page_value {
    SFX_PAGE_NUMBER,
    SFX_PAGE_BYTES,
    SFX_PAGE_ROWS,
    SFX_PAGE_BAD_ROWS,
    SFX_PAGE_DURATION_MS,
    SFX_PAGE_FCF, /* the T.30 facsimile control field that ended it: MCF, RTP, RTN… sending; EOP, MPS… receiving */
    SFX_PAGE_RETRIES,
    SFX_PAGE_CONFIRMED, /* 1 unless the receiver rejected it (RTN, PIN); a receiver's file has it all the same */
};

enum sfx_complete_value {
    SFX_COMPLETE_PAGES, /* confirmed: sent, or received */
    SFX_COMPLETE_PAGES_IN_FILE,
    SFX_COMPLETE_RATE,
    SFX_COMPLETE_ECM,
    SFX_COMPLETE_BAD_ROWS,
    SFX_COMPLETE_RETRIES,
};

enum sfx_hostile {
    SFX_HOSTILE_SHORT_FCD = 1, /* ECM frame of less than four octets (T.4 Annex A): memcpy of a negative length */
    SFX_HOSTILE_DCS_WIDTH,     /* DCS with both width bits (17, 18) set: width -1 */
    SFX_HOSTILE_DCS_LENGTH,    /* DIS, DTC or DCS longer than T.30 allows: overflow of a text buffer */
    SFX_HOSTILE_FRAME_LENGTH,  /* any frame too short to have a facsimile control field */
    SFX_HOSTILE_TOO_MANY,      /* more pages than the limit of the session, or more rows than a page has */
    SFX_HOSTILE_RUNS,          /* a row of more runs than it has dots: overflow of a list */
};

typedef struct sfx_event {
    uint64_t time_us; /* since the session's media began; simulated time on the in-memory line */
    uint32_t session;
    uint32_t type;
    int32_t code;
    int32_t value[8];
    uint32_t data_len;
    uint8_t data[64];
    char text[64];
} sfx_event;

/* ---- engine ------------------------------------------------------------------------------------------------- */

SFX_API int sfx_abi_version(void);
/* Creates an engine with `shards` threads, started when the first session goes live; 0 shards = one per core, at
 * most 8. */
SFX_API int sfx_engine_create(unsigned shards, sfx_engine **out);
/* Destroys the engine and every session it still has. */
SFX_API void sfx_engine_destroy(sfx_engine *engine);
/* The eventfd that becomes readable when events wait. Owned by the engine. */
SFX_API int sfx_engine_event_fd(const sfx_engine *engine);
/* Takes up to `max` events, oldest first; returns their number. Resets the eventfd once all are taken. */
SFX_API int sfx_engine_events(sfx_engine *engine, sfx_event *out, int max);
/* CPU time used by all shard threads so far, in microseconds. */
SFX_API uint64_t sfx_engine_cpu_us(sfx_engine *engine);

/* How one of the engine's threads keeps up, counted since its start but for the last two. */
typedef struct sfx_load {
    uint64_t ticks;       /* given to all its sessions */
    uint64_t late_us;     /* sum of how late they began */
    uint64_t busy_us;     /* CPU time that they took */
    uint32_t late_max_us; /* the latest since it was asked before */
    uint32_t sessions;    /* now */
} sfx_load;

/* The load of thread `shard`, from 0. -EINVAL beyond the last. Any thread may ask. */
SFX_API int sfx_engine_load(sfx_engine *engine, unsigned shard, sfx_load *out);

/* ---- sessions ----------------------------------------------------------------------------------------------- */

enum {
    SFX_FLAG_ECM = 1 << 0,    /* error correction mode (T.30 Annex A) allowed */
    SFX_FLAG_CALLER = 1 << 1, /* this side placed the call (sends CNG; T.30 "calling party") */
    SFX_FLAG_TRACE = 1 << 2,  /* SFX_EVENT_FRAME for every control frame */
    SFX_FLAG_POLLER = 1 << 4, /* this side placed the call to receive: the far end may say its DIS at the same time */
    SFX_FLAG_SYMMETRIC = 1 << 3, /* send to where packets come from, whatever address is signalled */
    SFX_FLAG_LEG = 1 << 5,       /* no T.30 of its own: a leg of a gateway, without files */
};

/* What a receiver shall not say that it can do in its DIS, though it could. */
enum sfx_lacks {
    SFX_LACKS_FINE = 1 << 0,
    SFX_LACKS_SUPERFINE = 1 << 1,
    SFX_LACKS_HIGH = 1 << 2, /* 300 and 400 dpi */
    SFX_LACKS_WIDE = 1 << 3, /* B4 and A3 */
    SFX_LACKS_LONG = 1 << 4, /* longer than A4 */
    SFX_LACKS_2D = 1 << 5,
    SFX_LACKS_T6 = 1 << 6,
};

typedef struct sfx_session_config {
    uint32_t flags;
    uint32_t max_rate_bps; /* 2400 … 14400 */
    uint32_t stall_ms;     /* SFX_EVENT_STALLED after that long without a packet; 0 = never */
    uint32_t max_pages;    /* a receiver ends the call beyond that; 0 = 1000 */
    uint32_t lacks;        /* enum sfx_lacks */
    /* One of them, or both: a caller sends, and then fetches (DTC) what the far end has put out, if its DIS says that
     * it has; an answerer receives, and sends to who fetches, at once or after that (turnaround polling). */
    const char *tx_file; /* TIFF to send, NULL to receive; copied */
    const char *rx_file; /* TIFF to write, NULL to send; copied */
    const char *ident;   /* local station id (CSI/TSI), at most 20 characters; copied */
    const char *header;  /* header line drawn by spandsp, NULL or "" for none; copied */
    /* Of a sender, to a far end whose DIS takes them, NULL or "" for none, at most 20 characters; copied: */
    const char *subaddress; /* SUB */
    const char *sender_id;  /* SID */
    /* Of one that polls, likewise; of a sender without SFX_FLAG_CALLER, whose document is polled, what it asks for: */
    const char *selective; /* SEP */
    const char *password;  /* PWD */
} sfx_session_config;

typedef struct sfx_session_stats {
    uint64_t media_us; /* since the media began */
    uint64_t rtp_rx_packets, rtp_rx_lost, rtp_rx_late, rtp_rx_filled_samples, rtp_tx_packets, rtp_rx_restored;
    uint64_t udptl_rx_packets, udptl_rx_lost, udptl_rx_recovered, udptl_rx_bad, udptl_tx_packets;
    uint64_t srtp_rejected, srtp_replayed; /* packets of wrong authentication; packets seen before */
    uint64_t captured, capture_left_out;   /* packets for sfx_session_capture(), and those there was no room for */
    uint64_t image_bytes;                  /* of the page being sent or received, so far, on the line */
    uint32_t page;                         /* number of that page, 1 first; 0 before the first */
    uint32_t pages_done;
    uint32_t rate_bps;
    uint32_t ecm;
    uint32_t bad_rows;
    uint32_t retries;
    uint32_t active; /* T.30 runs */
    uint32_t media;  /* 0 none, 1 audio, 2 T.38 */
    uint32_t rows;   /* of the page being received, so far; with ECM as many as sfx_session_preview() gave last */
} sfx_session_stats;

SFX_API int sfx_session_create(sfx_engine *engine, const sfx_session_config *config, sfx_session **out);
/* Ends T.30 where it still runs (SFX_EVENT_COMPLETE follows), closes the media and frees the session. */
SFX_API void sfx_session_destroy(sfx_session *session);
SFX_API uint32_t sfx_session_id(const sfx_session *session);

enum sfx_law { SFX_LAW_PCMU = 0, SFX_LAW_PCMA = 8 };

/*
 * Starts T.30 over G.711, or, if audio already runs, moves it to the new address. `fd` is a bound UDP socket; the
 * session takes it over and closes it, on failure too. `remote` is a numeric IPv4 or IPv6 address; nothing is sent to
 * 0.0.0.0, ::, multicast or broadcast. Each packet has `ptime_ms` of audio: whole 10 ms, up to 60.
 */
SFX_API int sfx_session_start_audio(sfx_session *session, int fd, const char *remote, uint16_t port, int law,
                                    int payload_type, int ptime_ms);

/* ---- SRTP (RFC 3711), for audio alone ----------------------------------------------------------------------- */

/* Redundant audio (RFC 2198) of the audio that is started next: the payload types by which it comes and goes (96 to
 * 127, 0 for none), and how many earlier packets go with each, at most 3. */
SFX_API int sfx_session_red(sfx_session *session, int rx_type, int tx_type, int again);

enum sfx_srtp_suite { SFX_SRTP_SHA1_80 = 1, SFX_SRTP_SHA1_32 = 2 }; /* AES_CM_128_HMAC_SHA1_80, …_32 (RFC 4568 §6.2) */

#define SFX_SRTP_KEY 30 /* master key and salt */

typedef struct sfx_srtp_config {
    int32_t suite; /* enum sfx_srtp_suite */
    uint8_t tx_key[SFX_SRTP_KEY], rx_key[SFX_SRTP_KEY];
    uint64_t rx_lifetime; /* packets the far end's key is good for; 0 = 2^48 */
} sfx_srtp_config;

/* Audio of this session is encrypted from here on; said before it starts, and for every change of keys. A direction
 * whose key stays goes on where it was. NULL ends it. */
SFX_API int sfx_session_srtp(sfx_session *session, const sfx_srtp_config *config);

enum sfx_error_correction { SFX_EC_NONE = 0, SFX_EC_REDUNDANCY = 1, SFX_EC_FEC = 2 };

typedef struct sfx_t38_config {
    int32_t version;          /* T38FaxVersion, 0 … 3 */
    int32_t error_correction; /* enum sfx_error_correction, what we send */
    int32_t redundancy;       /* secondary packets a datagram, or FEC entries; 0 … 7 */
    int32_t fec_span;         /* packets an FEC entry covers, 1 … 7 */
    int32_t max_datagram;     /* the far end's T38FaxMaxDatagram in octets, 0 = unknown */
    int32_t max_rate_bps;     /* T38MaxBitRate */
    int32_t local_tcf;        /* 1 = localTCF, 0 = transferredTCF */
    int32_t no_pacing;        /* 1 = as fast as the network goes, if the far end's DIS says so too; 2 = in any case */
} sfx_t38_config;

/* Starts T.30 over T.38, in place of audio if that runs (its T.30 is dropped silently), or moves a running T.38, which
 * goes on with another error correction and datagram limit, but the same version and rate. */
SFX_API int sfx_session_start_t38(sfx_session *session, int fd, const char *remote, uint16_t port,
                                  const sfx_t38_config *config);
/* Where the call is signalled from, for a call by a stranger: media to any other host stop once a second of them has
 * gone unanswered, so that no caller can have a third party flooded by naming it. A numeric address; before the media.
 */
SFX_API int sfx_session_peer(sfx_session *session, const char *host);
/* While held, what comes by audio does not reach T.30: used while an offer of T.38 is under way. Timers go on. */
SFX_API int sfx_session_hold(sfx_session *session, int hold);
/* Ends T.30 politely: SFX_EVENT_COMPLETE follows at once, DCN goes out, which takes 1.2 s on audio. Then stop the
 * media. */
SFX_API int sfx_session_cancel(sfx_session *session);
/* Closes the media; T.30 is ended if it still runs. */
SFX_API int sfx_session_stop_media(sfx_session *session);
/* Keeps the session's packets, as they are before SRTP, in a pcap file of at most `max_bytes` (LINKTYPE_RAW, for its
 * owner alone); whole once the session is destroyed. Before the media begins. */
SFX_API int sfx_session_capture(sfx_session *session, const char *path, uint64_t max_bytes);
SFX_API int sfx_session_stats_get(sfx_session *session, sfx_session_stats *out);

/* ---- gateways --------------------------------------------------------------------------------------------------- */

/*
 * Joins two sessions with SFX_FLAG_LEG whose media have not begun. From then on what comes by one leg goes out by the
 * other: G.711 to G.711 sample for sample (and octet for octet under one law), T.38 to T.38 packet by packet under each
 * leg's own numbers, and through modems where one leg has T.38 and the other G.711. Either leg's media may begin,
 * change and end at any time.
 *
 * Events tell what passes, of the leg by which it came: V21 (over G.711), SIGNAL (CNG, CED), FRAME (with
 * SFX_FLAG_TRACE), COMMANDED (by DCS), NEGOTIATED (by CFR; text = sender's ident, data = receiver's), PAGE (by its
 * answer; code 1 for the last) and COMPLETE (by DCN; code 0 where MCF to the last page came before).
 */
SFX_API int sfx_gateway_create(sfx_session *a, sfx_session *b, sfx_gateway **out);
/* Stops the media of both legs and parts them; before either session is destroyed. */
SFX_API void sfx_gateway_destroy(sfx_gateway *gateway);
/* While held, voice is replaced by silence, and T.38 that would go through modems waits: used while an offer of T.38 is
 * under way. */
SFX_API int sfx_gateway_hold(sfx_gateway *gateway, int hold);
/* Begins or ends ring-back to the far end of a leg (0, 1) that has G.711; meanwhile it hears nothing of the other's. */
SFX_API int sfx_gateway_ring(sfx_gateway *gateway, int leg, int on);

/* ---- the page being received ------------------------------------------------------------------------------------ */

typedef struct sfx_preview {
    uint32_t page, width, rows, bytes_per_row;
    int32_t x_dpm, y_dpm; /* as in sfx_page */
    uint8_t *dots;        /* a bit each, black 1, the first in the highest place; sfx_preview_free() frees them */
} sfx_preview;

/* The page being received, as far as its rows have come. -ENODATA where there is none. Takes some milliseconds, not of
 * the session's. */
SFX_API int sfx_session_preview(sfx_session *session, sfx_preview *out);
SFX_API void sfx_preview_free(sfx_preview *preview);

/* ---- the pages to send -------------------------------------------------------------------------------------- */

typedef struct sfx_page {
    uint32_t width, rows;
    int32_t x_dpm, y_dpm; /* dots per metre as T.30 counts: 8031 (R8), 11811, 16063 (R16); 3850, 7700, 11811, 15400 */
    uint32_t bytes[3];    /* compressed by T.4 1-D, T.4 2-D and T.6; 0 = unknown */
    uint32_t last;        /* 1: of one of several faxes on the call; a page after it comes under a new DCS (EOM) */
} sfx_page;

/*
 * Says which pages the document has so far (all of them, from the first), and whether more will be appended to the same
 * file; a page must be in the file before it is named here. With it the engine sends while later pages are made, leaves
 * a DIS unanswered that asks for other pages (SFX_EVENT_DIS), and takes for each run of pages the code that is
 * smallest. `path`, where not NULL, replaces the file; -EBUSY while a page of the old one is being sent.
 */
SFX_API int sfx_session_document(sfx_session *session, const char *path, const sfx_page *pages, unsigned count,
                                 int more);

/* A document that is put out for polling: what a far end has to name, "" for nothing. */
typedef struct sfx_polled {
    char selective[21]; /* SEP */
    char password[21];  /* PWD */
} sfx_polled;

#define SFX_POLLED_MAX 2000

/*
 * Of a session whose document is polled, before its media: all documents that are out, that of its file first. A DTC is
 * for the first that has its SEP, or else has none, and its PWD. One for another than the file's is let go by
 * (SFX_DIS_OTHER) until that one is the session's document and sfx_session_chosen() has said so.
 */
SFX_API int sfx_session_polled(sfx_session *session, const sfx_polled *documents, unsigned count);
SFX_API int sfx_session_chosen(sfx_session *session, unsigned index);

/* ---- the in-memory line ------------------------------------------------------------------------------------- */

typedef struct sfx_line_config {
    int32_t mode;      /* 1 audio (µ-law), 2 T.38, 3 audio (A-law) */
    uint32_t seed;     /* of loss, duplication and jitter */
    uint32_t loss_ppm; /* packets lost, per million */
    uint32_t duplicate_ppm;
    uint32_t jitter_ms; /* extra delay of up to that much, reorders packets */
    uint32_t delay_ms;
    uint32_t pace_us;  /* real time each 20 ms of simulated time take at least, so that an owner can react; 0 = none */
    uint32_t burst_ms; /* each loss takes all packets of one direction for so long */
    uint32_t loss_from_ms, loss_until_ms; /* packets are lost between these times only; 0 and 0 = always */
    uint64_t limit_us;                    /* simulated time at which the call is cut */
    sfx_t38_config t38;
    /* Of audio, as an analogue line has them; 0 for none. */
    int32_t skew_ppm;        /* the sample clock of `b` is that much faster than that of `a` */
    uint32_t phase_permille; /* by so much of a sample their clocks are apart at first */
    int32_t gain_db;         /* below 0: a quiet line */
    uint32_t snr_db;         /* noise, below what a modem sends on that line */
    uint32_t echo_db;        /* an echo of what each side sends, so much quieter */
    uint32_t echo_ms;        /* … and so late; 1000 at most */
    uint32_t ptime_ms;       /* of a packet; 0 for 20 */
    uint32_t red;            /* audio: earlier packets with each (RFC 2198), at most 3; not on an analogue line */
} sfx_line_config;

/* Joins two fresh sessions (one SFX_FLAG_CALLER) and runs them to the end without sockets or a clock. Returns 0 when
 * both reached phase E, -ETIMEDOUT at the limit. `*simulated_us` is how long the call took. */
SFX_API int sfx_line_run(sfx_session *a, sfx_session *b, const sfx_line_config *config, uint64_t *simulated_us);

/* Joins four: a caller and an answerer, each on a line of its own to a leg of one gateway. As sfx_line_run(). */
SFX_API int sfx_line_run_gateway(sfx_session *caller, sfx_session *leg_a, sfx_session *leg_b, sfx_session *answerer,
                                 const sfx_line_config *a, const sfx_line_config *b, uint64_t *simulated_us);

/* ---- faxes of others, for captures ------------------------------------------------------------------------------ */

enum sfx_heard_kind {
    SFX_HEARD_FRAME = 1,    /* of V.21; from its address on, without checksum */
    SFX_HEARD_DAMAGED,      /* likewise, its checksum wrong */
    SFX_HEARD_IMAGE_FRAME,  /* of the modem of the page */
    SFX_HEARD_DATA,         /* of it, without error correction: an octet, first bit lowest */
    SFX_HEARD_TRAINED,      /* that modem */
    SFX_HEARD_CARRIER_DOWN, /* of it */
};

/* One side of a call in G.711. */
typedef struct sfx_listener sfx_listener;
typedef void sfx_heard(void *user, int kind, const uint8_t *data, size_t len);

SFX_API sfx_listener *sfx_listener_create(int law, sfx_heard *heard, void *user);
SFX_API void sfx_listener_destroy(sfx_listener *listener);
/* Bits 11 to 14 of the DCS whose modem comes next, -1 for none; whether its training is short, and frames are in it. */
SFX_API int sfx_listener_expect(sfx_listener *listener, int dcs_rate, int short_train, int frames);
SFX_API void sfx_listener_hear(sfx_listener *listener, const uint8_t *payload, size_t len);
/* Samples that were lost. */
SFX_API void sfx_listener_miss(sfx_listener *listener, int samples);
/* Writes a TIFF of one page of its data on the line, the bit sent first lowest: `encoding` is 1 (1-D), 2 or 3 (T.6).
 * Returns its rows. */
SFX_API int sfx_page_write(const char *path, int encoding, int width, int x_dpm, int y_dpm, const uint8_t *data,
                           size_t len);

/* Writes the maker and model that own facilities (NSF, NSS, NSC) name, from their country code on; nothing where they
 * name none. Returns the length. */
SFX_API int sfx_maker(const uint8_t *facilities, size_t len, char *text, size_t room);

/* ---- spandsp ---------------------------------------------------------------------------------------------------- */

/* Whether the decoder of received pages is kept within its bounds (decoder.c). */
SFX_API int sfx_decoder_guarded(void);
/* The name of spandsp's completion code, never NULL. */
SFX_API const char *sfx_t30_completion_text(int code);

#ifdef __cplusplus
}
#endif
#endif
