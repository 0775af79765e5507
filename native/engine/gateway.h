/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gateway: two sessions without T.30 of their own (SFX_FLAG_LEG), joined. What comes by one leg goes out by the
 * other: G.711 to G.711 sample for sample, T.38 to T.38 packet by packet, and through modems where one leg has T.38 and
 * the other G.711.
 *
 * A leg is worked on by the thread of its session, with the session's lock held; the gateway's own lock is taken after
 * it and guards all that the two share. What is for the other leg waits in a queue until that one's next tick.
 */
#ifndef SOFTFAX_GATEWAY_H
#define SOFTFAX_GATEWAY_H

#include "internal.h"

#define GATEWAY_LEGS 2
#define LEG_QUEUE 32768 /* octets that wait for a leg: some seconds of T.38, or of G.711 */

/* Of a T.38 core that listens alone. */
static inline int send_nothing(t38_core_state_t *core, void *user, const uint8_t *ifp, int len, int count) {
    (void)core;
    (void)user;
    (void)ifp;
    (void)len;
    (void)count;
    return 0;
}

/* ---- t38frame.c -------------------------------------------------------------------------------------------------- */

/* A frame of HDLC over T.38 (§7.3.1.3), put together of the pieces that it comes in. */
typedef struct t38_frame {
    uint8_t octets[264];
    int len;
    bool damaged; /* octets of it are missing */
} t38_frame;

/* Another begins. */
void t38_frame_begin(t38_frame *f);
/* Takes a field of T.38; true where it ends a frame that is there whole, of `most` octets. */
bool t38_frame_take(t38_frame *f, size_t most, int field_type, const uint8_t *octets, int len);

/* ---- overhear.c: what passes is listened to, and changed by nothing of it -----------------------------------------
 */

typedef struct overheard_side {
    modem_connect_tones_rx_state_t *tones, *cng; /* G.711: what the far end of this leg begins with */
    fsk_rx_state_t *v21;                         /* G.711: its control frames, once V.21 was heard */
    hdlc_rx_state_t *hdlc;
    t38_core_state_t *core; /* T.38: its control frames */
    t38_frame frame;
    bool preamble_heard, cng_heard, ced_heard;
    char ident[21]; /* TSI or CSI */
} overheard_side;

/* ---- glimpse.c: the page that passes, decoded beside. NULL is taken everywhere, and does nothing.
 * --------------------
 */

typedef struct glimpse glimpse;

typedef struct glimpsed {
    uint32_t octets, rows, bad_rows;
} glimpsed;

glimpse *glimpse_create(void);
void glimpse_destroy(glimpse *p);
/* An IFP packet with data of the image; `gap`: packets are missing before it. */
void glimpse_ifp(glimpse *p, const uint8_t *ifp, size_t len, int version, bool gap);
/* Samples of the sender where both legs have G.711; `amp` NULL: they were lost. */
void glimpse_hear(glimpse *p, const int16_t *amp, int samples);
/* Control frames: DCS, CFR, what ends a page or block, what asks for frames again or at another rate, an answer. */
void glimpse_dcs(glimpse *p, const dcs_info *dcs, const uint8_t *frame, int len);
void glimpse_trained(glimpse *p);
void glimpse_command(glimpse *p, int command);
void glimpse_ctc(glimpse *p, const uint8_t *frame, int len);
void glimpse_again(glimpse *p, bool short_train);
/* `out` is of the page that has ended, zeros where none has. */
void glimpse_answer(glimpse *p, bool confirmed, glimpsed *out);
uint64_t glimpse_octets(const glimpse *p);
uint32_t glimpse_rows(const glimpse *p);
int glimpse_copy(const glimpse *p, decoder_copy *copy);

/* T.30 between the two far ends, as far as control frames tell. */
typedef struct overheard {
    overheard_side side[GATEWAY_LEGS];
    bool commanded, trained, ended;
    int sender; /* the leg by which the last DCS came */
    dcs_info dcs;
    int command;          /* what ends a page, until it is answered: T30_MPS, T30_EOM, T30_EOP …; 0 for none */
    uint8_t confirmed[3]; /* fields of the PPS that was confirmed last */
    uint8_t asked[3];     /* of the one under way */
    bool image_seen;      /* since the last page was confirmed */
    bool last_confirmed;  /* MCF to EOP */
    int pages;
    uint64_t page_began_us;
    glimpse *page;
} overheard;

void overhear_release(overheard *o);

/* ---- remodulate.c: spandsp's gateway between T.38 and G.711, within bounds ----------------------------------------
 */

typedef struct remodulator remodulator;

typedef void remodulated_ifp(void *user, const uint8_t *ifp, size_t len, unsigned count);
/* A control frame passed; `from_modem` tells where it came from. */
typedef void remodulated_frame(void *user, bool from_modem, const uint8_t *frame, int len);

int remodulator_create(const sfx_t38_config *t38, remodulated_ifp *on_ifp, remodulated_frame *on_frame, void *user,
                       remodulator **out);
void remodulator_destroy(remodulator *r);
/* Samples of the G.711 leg; `amp` NULL: samples that were lost. They are written to. */
void remodulator_hear(remodulator *r, int16_t *amp, int samples);
/* An IFP packet of the T.38 leg. */
void remodulator_take(remodulator *r, const uint8_t *ifp, size_t len, uint16_t seq);
/* The next samples for the G.711 leg. */
void remodulator_fetch(remodulator *r, int16_t *amp, int samples);

/* ---- gateway.c ----------------------------------------------------------------------------------------------------
 */

typedef struct gateway_leg {
    struct sfx_gateway *gateway;
    sfx_session *session;
    enum media_kind kind;
    int law;
    sfx_t38_config t38;
    int last_seq;                  /* of the IFP packets that came by it; -1 before the first */
    unsigned packet;               /* octets of G.711 in one of its packets */
    uint8_t part[RTP_MAX_PAYLOAD]; /* G.711 for it that fills no packet yet */
    unsigned part_len;
    uint32_t skip; /* samples between what was handed on and what comes next, … */
    uint16_t missing;
    bool paused;           /* … lost, or never sent */
    unsigned silent_ticks; /* since anything was sent to it */
    bool rings;            /* its far end hears ring-back */
    unsigned ring_at;      /* … samples of it so far */
    size_t head, used;     /* of the queue */
    uint8_t queue[LEG_QUEUE];
} gateway_leg;

struct sfx_gateway {
    pthread_mutex_t lock;
    gateway_leg legs[GATEWAY_LEGS];
    bool held;
    remodulator *remodulator; /* NULL but between T.38 and G.711 */
    overheard overheard;
};

/* overhear.c, with the gateway's lock held; `leg` is the one by which it came. */
void overhear_audio(sfx_gateway *g, int leg, const int16_t *amp, int samples);
void overhear_ifp(sfx_gateway *g, int leg, const uint8_t *ifp, size_t len, uint16_t seq);
void overhear_frame(sfx_gateway *g, int leg, const uint8_t *frame, int len);
/* Data of the image, in an IFP packet. */
void overhear_image(sfx_gateway *g, const uint8_t *ifp, size_t len, int version, bool gap);

#endif
