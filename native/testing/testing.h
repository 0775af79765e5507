/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's test library, which is not shipped: the engine's own objects, and with them far ends that misbehave,
 * lines that do harm, and parts of the engine by themselves. Functions return 0 or a negative errno value unless said
 * otherwise.
 */
#ifndef SOFTFAX_TESTING_H
#define SOFTFAX_TESTING_H

#include "../engine/line.h"

/* Deliberate misbehaviour of one side, for the tests of the other. */
enum sfx_test_fault {
    SFX_TEST_SHORT_FCD = 1,
    SFX_TEST_DCS_WIDTH,
    SFX_TEST_DCS_LENGTH,
    SFX_TEST_SLOW_DISK, /* of a receiver: a page takes a second and a half */
    SFX_TEST_DISK_FULL,
    SFX_TEST_RUNS,      /* of a sender with error correction: image frames of nothing but runs of length zero */
    SFX_TEST_ROWS,      /* … of rows of one bit each */
    SFX_TEST_LOST_MCF,  /* of a receiver: its first MCF is lost on the line */
    SFX_TEST_NO_TCF,    /* of a sender over T.38: no training check comes, as from a gateway that makes it itself */
    SFX_TEST_UNGUARDED, /* hostile frames get through to spandsp */
};

/* Makes a session misbehave; before its media begin. */
SFX_API int sfx_test_misbehave(sfx_session *session, int fault);

typedef struct sfx_test_impairments {
    uint32_t mutate_ppm;     /* IFP packets of `a` that are changed, per million; its seed is the line's */
    int32_t skew_ppm;        /* audio: the sample clock of `b` is that much faster than that of `a` */
    uint32_t phase_permille; /* audio: by so much of a sample their clocks are apart at first */
} sfx_test_impairments;

/* As sfx_line_run(), on a line that does more than lose packets. */
SFX_API int sfx_test_line_run(sfx_session *a, sfx_session *b, const sfx_line_config *config,
                              const sfx_test_impairments *impairments, uint64_t *simulated_us);

/* As sfx_line_run_gateway(), with packets spoilt of the caller, or of the answerer where the caller has no T.38. */
SFX_API int sfx_test_line_run_gateway(sfx_session *caller, sfx_session *leg_a, sfx_session *leg_b,
                                      sfx_session *answerer, const sfx_line_config *a, const sfx_line_config *b,
                                      const sfx_test_impairments *impairments, uint64_t *simulated_us);

/* scripted.c: runs one session over T.38 against a script: `tick` comes every 20 ms of simulated time, and ends it by
 * another value than 0; `packet` has what the session sends; sfx_test_say() is for what the script says. -ETIMEDOUT at
 * the limit. */
typedef void sfx_test_packet(void *user, const uint8_t *packet, size_t len);
typedef int sfx_test_tick(void *user, uint64_t now_us);
SFX_API int sfx_test_scripted(sfx_session *session, const sfx_t38_config *t38, uint64_t limit_us,
                              sfx_test_packet *packet, sfx_test_tick *tick, void *user, uint64_t *simulated_us);
SFX_API void sfx_test_say(sfx_session *session, const uint8_t *packet, size_t len);

/* As sfx_line_run(), with each packet shown as it is sent. */
typedef void sfx_test_tapped(void *user, int of_a, uint64_t time_us, const uint8_t *packet, size_t len);
SFX_API int sfx_test_line_tap(sfx_session *a, sfx_session *b, const sfx_line_config *config, sfx_test_tapped *tapped,
                              void *user, uint64_t *simulated_us);

/* Feeds one UDPTL datagram to a decoder made and dropped for it; returns the number of IFP packets in it or -EBADMSG.
 */
SFX_API int sfx_test_udptl(const uint8_t *datagram, size_t len);
/* Feeds `count` length-prefixed (16 bit, big endian) datagrams to one T.38 terminal. */
SFX_API int sfx_test_t38(const uint8_t *datagrams, size_t len, int caller, const char *rx_file);
/* Feeds packets to a gateway, as many as there are: each begins with an octet (bit 0: by the leg with G.711, else T.38;
 * bit 1: nothing but so many ticks), then a length of 16 bits. */
SFX_API int sfx_test_gateway(const uint8_t *packets, size_t len);
enum { SFX_TEST_HEARD_CNG = 1, SFX_TEST_HEARD_CED = 2, SFX_TEST_HEARD_V21 = 4 };

/* What a gateway's leg on G.711 hears in samples: a mask of the above, or a negative errno value. */
SFX_API int sfx_test_overhear(const int16_t *amp, size_t samples);
/* Whether packets go to where those of the far end are seen to come from, since the address it says is of its own
 * network alone. */
SFX_API int sfx_test_behind_nat(const char *signalled, const char *seen);

/* Whether a far end with this DIS or DTC (address octet first) takes the page. */
SFX_API int sfx_test_page_fits(const sfx_page *page, const uint8_t *dis, size_t len);
/* SRTP by itself, as in srtp.h. */
SFX_API int sfx_test_srtp_create(const sfx_srtp_config *config, sfx_srtp **out);
SFX_API void sfx_test_srtp_destroy(sfx_srtp *srtp);
SFX_API int sfx_test_srtp_protect(sfx_srtp *srtp, uint8_t *packet, size_t len, size_t size);
SFX_API int sfx_test_srtp_unprotect(sfx_srtp *srtp, uint8_t *packet, size_t len);

/* mutate.c: spoils the IFP packet of a UDPTL datagram (in a buffer of DATAGRAM_SIZE); returns its new length. */
size_t mutate_datagram(uint64_t *random, uint32_t seed, uint8_t *datagram, size_t len);

#endif
