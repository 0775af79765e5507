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
#define PJSIP_MAX_TRANSPORTS 1024

#define PJ_HAS_IPV6 1
#define PJ_LOG_MAX_LEVEL 5
/* Requests above 1300 octets would move from UDP to TCP (RFC 3261 §18.1.1), which many PBXs do not listen on. */
#define PJSIP_DONT_SWITCH_TO_TCP 1
/* A restart on the same port must not wait for the last connections to time out. */
#define PJSIP_TCP_TRANSPORT_REUSEADDR 1
#define PJSIP_TLS_TRANSPORT_REUSEADDR 1
