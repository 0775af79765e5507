/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What pjsua's API has for sound devices, mixing and files, and a fax machine has not: each answers "not supported", or
 * "none". pjsua2 refers to them all. The headers are left out on purpose, so that one shape serves every signature.
 */
#define PJ_ENOTSUP 70012
#define REFUSED(name)                                                                                                  \
    int name(void);                                                                                                    \
    int name(void) { return PJ_ENOTSUP; }
#define INVALID_ID(name)                                                                                               \
    int name(void);                                                                                                    \
    int name(void) { return -1; }
#define NOTHING(name)                                                                                                  \
    int name(void);                                                                                                    \
    int name(void) { return 0; }

REFUSED(pjsua_call_aud_stream_modify_codec_param)
REFUSED(pjsua_call_dial_dtmf)
REFUSED(pjsua_call_dial_dtmf2)
REFUSED(pjsua_call_get_stream_info)
REFUSED(pjsua_call_get_stream_stat)
REFUSED(pjsua_call_send_text)
REFUSED(pjsua_conf_add_port)
REFUSED(pjsua_conf_adjust_rx_level)
REFUSED(pjsua_conf_adjust_tx_level)
REFUSED(pjsua_conf_connect)
REFUSED(pjsua_conf_connect2)
REFUSED(pjsua_conf_disconnect)
REFUSED(pjsua_conf_get_port_info)
REFUSED(pjsua_conf_get_signal_level)
REFUSED(pjsua_conf_remove_port)
REFUSED(pjsua_enum_aud_devs)
REFUSED(pjsua_enum_conf_ports)
REFUSED(pjsua_ext_snd_dev_create)
REFUSED(pjsua_ext_snd_dev_destroy)
REFUSED(pjsua_get_ec_tail)
REFUSED(pjsua_get_snd_dev)
REFUSED(pjsua_get_snd_dev2)
REFUSED(pjsua_player_create)
REFUSED(pjsua_player_destroy)
REFUSED(pjsua_player_get_info)
REFUSED(pjsua_player_get_port)
REFUSED(pjsua_player_set_pos)
REFUSED(pjsua_playlist_create)
REFUSED(pjsua_recorder_create)
REFUSED(pjsua_recorder_destroy)
REFUSED(pjsua_set_ec)
REFUSED(pjsua_snd_get_setting)
REFUSED(pjsua_snd_set_setting)

INVALID_ID(pjsua_ext_snd_dev_get_conf_port)
INVALID_ID(pjsua_player_get_conf_port)
INVALID_ID(pjsua_recorder_get_conf_port)

NOTHING(pjsua_call_has_media)
NOTHING(pjsua_check_snd_dev_idle)
NOTHING(pjsua_conf_connect_param_default)
NOTHING(pjsua_conf_get_active_ports)
NOTHING(pjsua_conf_get_max_ports)
NOTHING(pjsua_set_null_snd_dev)
NOTHING(pjsua_set_snd_dev)
NOTHING(pjsua_set_snd_dev2)
NOTHING(pjsua_snd_dev_param_default)
NOTHING(pjsua_snd_is_active)

/* These return pointers or wider integers. */
void *pjsua_set_no_snd_dev(void);
void *pjsua_set_no_snd_dev(void) { return 0; }
long pjsua_player_get_pos(void);
long pjsua_player_get_pos(void) { return -PJ_ENOTSUP; }
