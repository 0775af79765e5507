/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stubs for the sound devices, conference bridge and players of pjsua's API, which pjsua2 refers to and a fax machine
 * has none of. PJSIP's own headers declare them, so the compiler checks each prototype.
 */
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define STUB(type, name, result, ...)                                                                                  \
    PJ_DEF(type) name(__VA_ARGS__) { return result; }
#define NOT_SUPPORTED(name, ...) STUB(pj_status_t, name, PJ_ENOTSUP, __VA_ARGS__)
#define DOES_NOTHING(name, ...) STUB(pj_status_t, name, PJ_SUCCESS, __VA_ARGS__)
#define NO_PORT(name, ...) STUB(pjsua_conf_port_id, name, PJSUA_INVALID_ID, __VA_ARGS__)

/* ---- streams and text of a call ---------------------------------------------------------------------------------- */

STUB(pj_bool_t, pjsua_call_has_media, PJ_FALSE, pjsua_call_id call_id)
NOT_SUPPORTED(pjsua_call_aud_stream_modify_codec_param, pjsua_call_id call_id, int med_idx,
              const pjmedia_codec_param *param)
NOT_SUPPORTED(pjsua_call_dial_dtmf, pjsua_call_id call_id, const pj_str_t *digits)
NOT_SUPPORTED(pjsua_call_dial_dtmf2, pjsua_call_id call_id, const pj_str_t *digits, unsigned duration)
NOT_SUPPORTED(pjsua_call_get_stream_info, pjsua_call_id call_id, unsigned med_idx, pjsua_stream_info *psi)
NOT_SUPPORTED(pjsua_call_get_stream_stat, pjsua_call_id call_id, unsigned med_idx, pjsua_stream_stat *stat)
NOT_SUPPORTED(pjsua_call_send_text, pjsua_call_id call_id, const pjsua_call_send_text_param *param)

/* ---- the conference bridge --------------------------------------------------------------------------------------- */

STUB(unsigned, pjsua_conf_get_active_ports, 0, void)
STUB(unsigned, pjsua_conf_get_max_ports, 0, void)
NOT_SUPPORTED(pjsua_conf_add_port, pj_pool_t *pool, pjmedia_port *port, pjsua_conf_port_id *p_id)
NOT_SUPPORTED(pjsua_conf_adjust_rx_level, pjsua_conf_port_id slot, float level)
NOT_SUPPORTED(pjsua_conf_adjust_tx_level, pjsua_conf_port_id slot, float level)
NOT_SUPPORTED(pjsua_conf_connect, pjsua_conf_port_id source, pjsua_conf_port_id sink)
NOT_SUPPORTED(pjsua_conf_connect2, pjsua_conf_port_id source, pjsua_conf_port_id sink,
              const pjsua_conf_connect_param *prm)
NOT_SUPPORTED(pjsua_conf_disconnect, pjsua_conf_port_id source, pjsua_conf_port_id sink)
NOT_SUPPORTED(pjsua_conf_get_port_info, pjsua_conf_port_id port_id, pjsua_conf_port_info *info)
NOT_SUPPORTED(pjsua_conf_get_signal_level, pjsua_conf_port_id slot, unsigned *tx_level, unsigned *rx_level)
NOT_SUPPORTED(pjsua_conf_remove_port, pjsua_conf_port_id port_id)
NOT_SUPPORTED(pjsua_enum_conf_ports, pjsua_conf_port_id id[], unsigned *count)

PJ_DEF(void) pjsua_conf_connect_param_default(pjsua_conf_connect_param *prm) { pj_bzero(prm, sizeof *prm); }

/* ---- sound devices ----------------------------------------------------------------------------------------------- */

STUB(pj_bool_t, pjsua_snd_is_active, PJ_FALSE, void)
STUB(pjmedia_port *, pjsua_set_no_snd_dev, NULL, void)
DOES_NOTHING(pjsua_set_null_snd_dev, void)
DOES_NOTHING(pjsua_set_snd_dev, int capture_dev, int playback_dev)
DOES_NOTHING(pjsua_set_snd_dev2, const pjsua_snd_dev_param *snd_param)
NO_PORT(pjsua_ext_snd_dev_get_conf_port, pjsua_ext_snd_dev *snd)
NOT_SUPPORTED(pjsua_enum_aud_devs, pjmedia_aud_dev_info info[], unsigned *count)
NOT_SUPPORTED(pjsua_ext_snd_dev_create, pjmedia_snd_port_param *param, pjsua_ext_snd_dev **p_snd)
NOT_SUPPORTED(pjsua_ext_snd_dev_destroy, pjsua_ext_snd_dev *snd)
NOT_SUPPORTED(pjsua_get_ec_tail, unsigned *p_tail_ms)
NOT_SUPPORTED(pjsua_get_snd_dev, int *capture_dev, int *playback_dev)
NOT_SUPPORTED(pjsua_get_snd_dev2, pjsua_snd_dev_param *snd_param)
NOT_SUPPORTED(pjsua_set_ec, unsigned tail_ms, unsigned options)
NOT_SUPPORTED(pjsua_snd_get_setting, pjmedia_aud_dev_cap cap, void *pval)
NOT_SUPPORTED(pjsua_snd_set_setting, pjmedia_aud_dev_cap cap, const void *pval, pj_bool_t keep)

PJ_DEF(void) pjsua_snd_dev_param_default(pjsua_snd_dev_param *prm) { pj_bzero(prm, sizeof *prm); }
void pjsua_check_snd_dev_idle(void) {}

/* ---- players and recorders --------------------------------------------------------------------------------------- */

STUB(pj_ssize_t, pjsua_player_get_pos, -PJ_ENOTSUP, pjsua_player_id id)
NO_PORT(pjsua_player_get_conf_port, pjsua_player_id id)
NO_PORT(pjsua_recorder_get_conf_port, pjsua_recorder_id id)
NOT_SUPPORTED(pjsua_player_create, const pj_str_t *filename, unsigned options, pjsua_player_id *p_id)
NOT_SUPPORTED(pjsua_player_destroy, pjsua_player_id id)
NOT_SUPPORTED(pjsua_player_get_info, pjsua_player_id id, pjmedia_wav_player_info *info)
NOT_SUPPORTED(pjsua_player_get_port, pjsua_player_id id, pjmedia_port **p_port)
NOT_SUPPORTED(pjsua_player_set_pos, pjsua_player_id id, pj_uint32_t samples)
NOT_SUPPORTED(pjsua_playlist_create, const pj_str_t file_names[], unsigned file_count, const pj_str_t *label,
              unsigned options, pjsua_player_id *p_id)
NOT_SUPPORTED(pjsua_recorder_create, const pj_str_t *filename, unsigned enc_type, void *enc_param, pj_ssize_t max_size,
              unsigned options, pjsua_recorder_id *p_id)
NOT_SUPPORTED(pjsua_recorder_destroy, pjsua_recorder_id id)
