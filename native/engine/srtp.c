/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "srtp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "rtp.h"

#define KEY_SIZE 16
#define SALT_SIZE 14
#define AUTH_SIZE 20
#define INDEX_LIMIT (UINT64_C(1) << 48) /* packets under one key (RFC 3711 §9.2) */

struct srtp_key {
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac;
    uint8_t salt[SALT_SIZE];
    size_t tag;
};

/* ---- keys (RFC 3711 §4.3) ---------------------------------------------------------------------------------------- */

static void key_free(srtp_key *k) {
    if (!k)
        return;
    EVP_CIPHER_CTX_free(k->cipher);
    EVP_MAC_CTX_free(k->mac);
    OPENSSL_cleanse(k->salt, sizeof k->salt);
    free(k);
}

/* XORs the key stream that begins at `iv` onto `data`. */
static int counter_mode(EVP_CIPHER_CTX *cipher, const uint8_t iv[16], uint8_t *data, size_t len) {
    int done;
    return EVP_EncryptInit_ex2(cipher, NULL, NULL, iv, NULL) == 1 &&
                   EVP_EncryptUpdate(cipher, data, &done, data, (int)len) == 1
               ? 0
               : -EIO;
}

static EVP_CIPHER_CTX *cipher_with(const uint8_t key[KEY_SIZE]) {
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    if (cipher && EVP_EncryptInit_ex2(cipher, EVP_aes_128_ctr(), key, NULL, NULL) != 1) {
        EVP_CIPHER_CTX_free(cipher);
        cipher = NULL;
    }
    return cipher;
}

static EVP_MAC_CTX *mac_with(const uint8_t key[AUTH_SIZE]) {
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA1", 0),
                           OSSL_PARAM_construct_end()};

    EVP_MAC_free(hmac);
    if (mac && EVP_MAC_init(mac, key, AUTH_SIZE, params) != 1) {
        EVP_MAC_CTX_free(mac);
        mac = NULL;
    }
    return mac;
}

enum { LABEL_CIPHER, LABEL_AUTH, LABEL_SALT };

static int derive(EVP_CIPHER_CTX *master, const uint8_t salt[SALT_SIZE], int label, uint8_t *out, size_t len) {
    uint8_t iv[16] = {0};
    memcpy(iv, salt, SALT_SIZE);
    iv[7] ^= (uint8_t)label;
    memset(out, 0, len);
    return counter_mode(master, iv, out, len);
}

static srtp_key *key_new(int suite, const uint8_t master[SFX_SRTP_KEY]) {
    srtp_key *k = calloc(1, sizeof *k);
    EVP_CIPHER_CTX *from = cipher_with(master);
    const uint8_t *salt = master + KEY_SIZE;
    uint8_t cipher[KEY_SIZE], auth[AUTH_SIZE];

    if (k && from && !derive(from, salt, LABEL_CIPHER, cipher, sizeof cipher) &&
        !derive(from, salt, LABEL_AUTH, auth, sizeof auth) && !derive(from, salt, LABEL_SALT, k->salt, SALT_SIZE)) {
        k->tag = suite == SFX_SRTP_SHA1_32 ? 4 : 10;
        k->cipher = cipher_with(cipher);
        k->mac = mac_with(auth);
    }
    EVP_CIPHER_CTX_free(from);
    OPENSSL_cleanse(cipher, sizeof cipher);
    OPENSSL_cleanse(auth, sizeof auth);
    if (k && (!k->cipher || !k->mac)) {
        key_free(k);
        k = NULL;
    }
    return k;
}

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

static int usable(const sfx_srtp_config *c) {
    return c && (c->suite == SFX_SRTP_SHA1_80 || c->suite == SFX_SRTP_SHA1_32);
}

int srtp_rekey(sfx_srtp *s, const sfx_srtp_config *config) {
    int suite_stays, tx_stays, rx_stays;
    srtp_key *tx, *rx;

    if (!usable(config))
        return -EINVAL;
    suite_stays = s->tx && s->config.suite == config->suite;
    tx_stays = suite_stays && !CRYPTO_memcmp(s->config.tx_key, config->tx_key, SFX_SRTP_KEY);
    rx_stays = suite_stays && !CRYPTO_memcmp(s->config.rx_key, config->rx_key, SFX_SRTP_KEY);
    tx = tx_stays ? s->tx : key_new(config->suite, config->tx_key);
    rx = rx_stays ? s->rx : key_new(config->suite, config->rx_key);
    if (!tx || !rx) {
        if (!tx_stays)
            key_free(tx);
        if (!rx_stays)
            key_free(rx);
        return -ENOMEM;
    }
    if (!tx_stays) {
        key_free(s->tx);
        s->tx_started = 0;
    }
    if (!rx_stays) {
        key_free(s->rx);
        s->source_count = 0;
        s->accepted = 0;
    }
    s->tx = tx;
    s->rx = rx;
    s->config = *config;
    return 0;
}

int srtp_create(const sfx_srtp_config *config, sfx_srtp **out) {
    sfx_srtp *s = calloc(1, sizeof *s);
    int err = s ? srtp_rekey(s, config) : -ENOMEM;

    if (err < 0)
        free(s);
    else
        *out = s;
    return err;
}

void srtp_destroy(sfx_srtp *s) {
    if (!s)
        return;
    key_free(s->tx);
    key_free(s->rx);
    OPENSSL_cleanse(s, sizeof *s);
    free(s);
}

/* ---- packets (RFC 3711 §3.3) --------------------------------------------------------------------------------------
 */

/* Encrypts or decrypts what follows the header (§4.1.1). */
static int crypt_payload(srtp_key *k, uint32_t ssrc, uint64_t index, uint8_t *payload, size_t len) {
    uint8_t iv[16] = {0};
    memcpy(iv, k->salt, SALT_SIZE);
    for (int i = 0; i < 4; i++)
        iv[4 + i] ^= (uint8_t)(ssrc >> (24 - 8 * i));
    for (int i = 0; i < 6; i++)
        iv[8 + i] ^= (uint8_t)(index >> (40 - 8 * i));
    return counter_mode(k->cipher, iv, payload, len);
}

/* The tag of a packet and its roll-over counter (§4.2). */
static int tag_of(srtp_key *k, const uint8_t *packet, size_t len, uint64_t index, uint8_t out[AUTH_SIZE]) {
    uint32_t roc = (uint32_t)(index >> 16);
    uint8_t counter[4] = {(uint8_t)(roc >> 24), (uint8_t)(roc >> 16), (uint8_t)(roc >> 8), (uint8_t)roc};
    size_t made;

    return EVP_MAC_init(k->mac, NULL, 0, NULL) == 1 && EVP_MAC_update(k->mac, packet, len) == 1 &&
                   EVP_MAC_update(k->mac, counter, sizeof counter) == 1 &&
                   EVP_MAC_final(k->mac, out, &made, AUTH_SIZE) == 1
               ? 0
               : -EIO;
}

int srtp_protect(sfx_srtp *s, uint8_t *packet, size_t len, size_t size) {
    int header = rtp_header_length(packet, len);
    uint8_t tag[AUTH_SIZE];
    uint16_t seq;
    uint32_t ssrc;
    uint64_t index;

    if (header < 0 || size < len + s->tx->tag)
        return -EINVAL;
    seq = rtp_seq(packet);
    ssrc = rtp_ssrc(packet);
    index = seq;
    if (s->tx_started && ssrc == s->tx_ssrc) {
        /* Never back: a key stream must not be used twice. */
        index |= s->tx_index & ~UINT64_C(0xffff);
        if (index <= s->tx_index)
            index += 0x10000;
    }
    if (index >= INDEX_LIMIT)
        return -EKEYEXPIRED;
    if (crypt_payload(s->tx, ssrc, index, packet + header, len - (size_t)header) < 0 ||
        tag_of(s->tx, packet, len, index, tag) < 0)
        return -EIO;
    s->tx_started = 1;
    s->tx_ssrc = ssrc;
    s->tx_index = index;
    memcpy(packet + len, tag, s->tx->tag);
    return (int)(len + s->tx->tag);
}

static srtp_source *source_of(sfx_srtp *s, uint32_t ssrc) {
    for (unsigned i = 0; i < s->source_count; i++)
        if (s->sources[i].ssrc == ssrc)
            return &s->sources[i];
    return NULL;
}

/* The index a sequence number stands for (§3.3.1, Appendix A); -1 for one before the first. */
static int64_t index_of(const srtp_source *source, uint16_t seq) {
    int64_t roc = (int64_t)(source->index >> 16);
    int last = (int)(source->index & 0xffff);

    if (last < 0x8000 && seq - last > 0x8000)
        roc--;
    else if (last >= 0x8000 && last - 0x8000 > seq)
        roc++;
    return roc < 0 || roc > UINT32_MAX ? -1 : roc << 16 | seq;
}

/* Whether that packet has been seen, or is too old to tell (§3.3.2). */
static int is_replayed(const srtp_source *source, uint64_t index) {
    uint64_t back = source->index - index;
    return index <= source->index && (back >= SRTP_WINDOW || source->window >> back & 1);
}

static void mark(srtp_source *source, uint64_t index) {
    if (index > source->index) {
        uint64_t on = index - source->index;
        source->window = on >= SRTP_WINDOW ? 1 : source->window << on | 1;
        source->index = index;
    } else {
        source->window |= UINT64_C(1) << (source->index - index);
    }
}

int srtp_unprotect(sfx_srtp *s, uint8_t *packet, size_t len) {
    size_t body = len > s->rx->tag ? len - s->rx->tag : 0;
    int header = rtp_header_length(packet, body);
    uint8_t tag[AUTH_SIZE];
    srtp_source *source;
    uint32_t ssrc;
    int64_t index;

    if (header < 0)
        goto rejected;
    ssrc = rtp_ssrc(packet);
    source = source_of(s, ssrc);
    index = rtp_seq(packet);
    if (source && (index = index_of(source, (uint16_t)index)) >= 0 && is_replayed(source, (uint64_t)index)) {
        s->replayed++;
        return -EALREADY;
    }
    if (index < 0 || (!source && s->source_count == SRTP_SOURCES))
        goto rejected;
    if (s->config.rx_lifetime && s->accepted >= s->config.rx_lifetime)
        goto rejected;
    if (tag_of(s->rx, packet, body, (uint64_t)index, tag) < 0 || CRYPTO_memcmp(tag, packet + body, s->rx->tag) ||
        crypt_payload(s->rx, ssrc, (uint64_t)index, packet + header, body - (size_t)header) < 0)
        goto rejected;
    if (!source) {
        source = &s->sources[s->source_count++];
        *source = (srtp_source){.ssrc = ssrc, .index = (uint64_t)index};
    }
    mark(source, (uint64_t)index);
    s->accepted++;
    return (int)body;

rejected:
    s->rejected++;
    return -EBADMSG;
}
