/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PJSIP as a fax endpoint needs it: signalling, and no media of its own. */
#define PJSUA_MEDIA_HAS_PJMEDIA 0
#define PJMEDIA_HAS_VIDEO 0
#define PJMEDIA_HAS_SRTP 0 /* packets are the engine's, so SRTP would be too */
#define PJMEDIA_AUDIO_DEV_HAS_PORTAUDIO 0
#define PJMEDIA_AUDIO_DEV_HAS_ALSA 0

#define PJSUA_MAX_CALLS 2048
#define PJSUA_MAX_ACC 64
#define PJ_IOQUEUE_MAX_HANDLES 8192
#define PJSIP_MAX_TSX_COUNT 16383
#define PJSIP_MAX_DIALOG_COUNT 8191
/* Timers that are due and handled at a time: a second of a thousand calls. */
#define PJSIP_MAX_TIMED_OUT_ENTRIES 64
/* What arrives while something else is done, a thousand messages; the kernel's own limit is below. */
#define PJSIP_UDP_SO_RCVBUF_SIZE (1024 * 1024)
/* Sockets of SIP, which all stand in one table: connections.c allows half of them. */
#define PJSIP_MAX_TRANSPORTS 4096
/* SIP over TCP and TLS has no limit of its own; over UDP 65,507 octets go into a datagram. One more ends the text. */
#define PJSIP_MAX_PKT_LEN 65536

#define PJ_HAS_IPV6 1
#define PJ_LOG_MAX_LEVEL 5
/* Requests above 1300 octets would move from UDP to TCP (RFC 3261 §18.1.1), which many PBXs do not listen on. */
#define PJSIP_DONT_SWITCH_TO_TCP 1
/* A restart on the same port must not wait for the last connections to time out. */
#define PJSIP_TCP_TRANSPORT_REUSEADDR 1
#define PJSIP_TLS_TRANSPORT_REUSEADDR 1
/* More than a handful connect at once; errors of accept() never end the listening (connections.c). */
#define PJSIP_TCP_TRANSPORT_BACKLOG 511
#define PJSIP_TLS_TRANSPORT_BACKLOG 511
#define PJ_ACTIVESOCK_MAX_CONSECUTIVE_ACCEPT_ERROR 0x7fffffff
