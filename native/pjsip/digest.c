/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers to Digest challenges (RFC 7616, RFC 8760): SHA-2 before MD5, a cnonce of its own for each, nonces counted. */
#include <sys/random.h>

#include <pjsua-lib/pjsua.h>

#include "auth.h"
#include "glue.h"

/* What a server has reason to send; each is sent back. */
#define NONCE_OCTETS_MAX 512
#define OPAQUE_OCTETS_MAX 512
#define CNONCE_OCTETS 16
#define ANSWERS_MAX 3

static pjsip_module counter = {
    .name = {"mod-softfax-digest", 18}, .id = -1, .priority = PJSIP_MOD_PRIORITY_APPLICATION};

pj_status_t digest_start(void) { return glue_register(&counter); }

static pjsip_auth_algorithm_type algorithm_of(const pjsip_digest_challenge *challenge) {
    const pjsip_auth_algorithm *found = pjsip_auth_get_algorithm_by_iana_name(&challenge->algorithm);
    return found && pjsip_auth_is_algorithm_supported(found->algorithm_type) ? found->algorithm_type
                                                                             : PJSIP_AUTH_ALGORITHM_NOT_SET;
}

/* How good an algorithm is; 0 for none of ours. */
static int rank_of(const pjsip_digest_challenge *challenge) {
    switch (algorithm_of(challenge)) {
    case PJSIP_AUTH_ALGORITHM_SHA256:
    case PJSIP_AUTH_ALGORITHM_SHA512_256:
        return 2;
    case PJSIP_AUTH_ALGORITHM_MD5:
        return 1;
    default:
        return 0;
    }
}

/* Whether quality of protection includes "auth"; "auth-int" is another. */
static int has_auth(const pj_str_t *offered) {
    const char *at = offered->ptr, *end = at + offered->slen;

    while (at < end) {
        const char *from, *to;
        while (at < end && (*at == ' ' || *at == ',' || *at == '\t'))
            at++;
        from = at;
        while (at < end && *at != ',')
            at++;
        for (to = at; to > from && (to[-1] == ' ' || to[-1] == '\t');)
            to--;
        if (to - from == 4 && !pj_ansi_strnicmp(from, "auth", 4))
            return 1;
    }
    return 0;
}

static int is_usable(const pjsip_www_authenticate_hdr *header) {
    const pj_str_t digest = pj_str("Digest");
    const pjsip_digest_challenge *challenge = &header->challenge.digest;

    return !pj_stricmp(&header->scheme, &digest) && rank_of(challenge) && challenge->nonce.slen &&
           challenge->nonce.slen <= NONCE_OCTETS_MAX && challenge->opaque.slen <= OPAQUE_OCTETS_MAX &&
           (!challenge->qop.slen || has_auth(&challenge->qop));
}

int digest_wants_other_qop(const pjsip_msg *response) {
    for (const pjsip_hdr *h = response->hdr.next; h != &response->hdr; h = h->next) {
        const pjsip_www_authenticate_hdr *one = (const pjsip_www_authenticate_hdr *)h;
        if ((h->type == PJSIP_H_WWW_AUTHENTICATE || h->type == PJSIP_H_PROXY_AUTHENTICATE) &&
            one->challenge.digest.qop.slen && !has_auth(&one->challenge.digest.qop))
            return 1;
    }
    return 0;
}

unsigned digest_choose(const pjsip_msg *response, const pjsip_www_authenticate_hdr **chosen) {
    unsigned count = 0;

    for (const pjsip_hdr *h = response->hdr.next; h != &response->hdr; h = h->next) {
        const pjsip_www_authenticate_hdr *one = (const pjsip_www_authenticate_hdr *)h;
        unsigned i;
        if ((h->type != PJSIP_H_WWW_AUTHENTICATE && h->type != PJSIP_H_PROXY_AUTHENTICATE) || !is_usable(one))
            continue;
        for (i = 0; i < count; i++)
            if (chosen[i]->type == one->type &&
                !pj_strcmp(&chosen[i]->challenge.digest.realm, &one->challenge.digest.realm))
                break;
        if (i < count) {
            if (rank_of(&one->challenge.digest) > rank_of(&chosen[i]->challenge.digest))
                chosen[i] = one;
        } else if (count < CHALLENGES_MAX) {
            chosen[count++] = one;
        }
    }
    return count;
}

/* Takes our last answer to the realm out of a request; NULL for none. */
static const pjsip_authorization_hdr *take_last(const pjsip_www_authenticate_hdr *challenge, pjsip_tx_data *request) {
    int type = challenge->type == PJSIP_H_WWW_AUTHENTICATE ? PJSIP_H_AUTHORIZATION : PJSIP_H_PROXY_AUTHORIZATION;

    for (pjsip_hdr *h = request->msg->hdr.next; h != &request->msg->hdr; h = h->next) {
        pjsip_authorization_hdr *one = (pjsip_authorization_hdr *)h;
        if ((int)h->type != type || pj_strcmp(&one->credential.digest.realm, &challenge->challenge.digest.realm))
            continue;
        pj_list_erase(h);
        return one;
    }
    return NULL;
}

pj_status_t digest_may_answer(const pjsip_www_authenticate_hdr *challenge, pjsip_tx_data *request) {
    const pjsip_authorization_hdr *last = take_last(challenge, request);
    pj_ssize_t answers = (pj_ssize_t)request->mod_data[counter.id];

    /* A new nonce without `stale` is from a server that forgets to say so, or the password is wrong: once more. */
    if (last && !challenge->challenge.digest.stale &&
        (answers > 1 || !pj_strcmp(&last->credential.digest.nonce, &challenge->challenge.digest.nonce)))
        return PJSIP_EFAILEDCREDENTIAL;
    if (answers >= ANSWERS_MAX)
        return PJSIP_EAUTHSTALECOUNT;
    request->mod_data[counter.id] = (void *)(answers + 1);
    return PJ_SUCCESS;
}

static pj_status_t draw(pj_pool_t *pool, pj_str_t *cnonce) {
    unsigned char noise[CNONCE_OCTETS];

    if (getrandom(noise, sizeof noise, 0) != sizeof noise)
        return PJ_EUNKNOWN;
    cnonce->ptr = pj_pool_alloc(pool, 2 * sizeof noise);
    cnonce->slen = 2 * sizeof noise;
    for (unsigned i = 0; i < sizeof noise; i++)
        pj_val_to_hex_digit(noise[i], &cnonce->ptr[2 * i]);
    return PJ_SUCCESS;
}

pj_status_t digest_answer(const pjsip_www_authenticate_hdr *header, pjsip_tx_data *request, const char *user,
                          const char *password, unsigned nonce_count, pjsip_authorization_hdr **out) {
    const pjsip_digest_challenge *challenge = &header->challenge.digest;
    pj_pool_t *pool = request->pool;
    pjsip_authorization_hdr *answer = header->type == PJSIP_H_WWW_AUTHENTICATE
                                          ? pjsip_authorization_hdr_create(pool)
                                          : pjsip_proxy_authorization_hdr_create(pool);
    pjsip_digest_credential *d = &answer->credential.digest;
    pjsip_cred_info secret = {.data_type = PJSIP_CRED_DATA_PLAIN_PASSWD};
    char response[2 * 64];
    pj_str_t made = {response, sizeof response};
    char *uri = pj_pool_alloc(pool, PJSIP_MAX_URL_SIZE);
    pj_status_t status = PJ_SUCCESS;

    d->uri.ptr = uri;
    d->uri.slen = pjsip_uri_print(PJSIP_URI_IN_REQ_URI, request->msg->line.req.uri, uri, PJSIP_MAX_URL_SIZE);
    if (d->uri.slen < 1)
        return PJSIP_EURITOOLONG;
    answer->scheme = pj_str("Digest");
    pj_strdup2(pool, &d->username, user);
    pj_strdup(pool, &d->realm, &challenge->realm);
    pj_strdup(pool, &d->nonce, &challenge->nonce);
    pj_strdup(pool, &d->algorithm, &challenge->algorithm);
    pj_strdup(pool, &d->opaque, &challenge->opaque);
    if (challenge->qop.slen) {
        d->qop = pj_str("auth");
        d->nc.ptr = pj_pool_alloc(pool, 9);
        d->nc.slen = pj_ansi_snprintf(d->nc.ptr, 9, "%08x", nonce_count);
        status = draw(pool, &d->cnonce);
    }
    secret.username = d->username;
    secret.data = pj_str((char *)(pj_size_t)password);
    if (status == PJ_SUCCESS)
        status =
            pjsip_auth_create_digest2(&made, &d->nonce, d->qop.slen ? &d->nc : NULL, d->qop.slen ? &d->cnonce : NULL,
                                      d->qop.slen ? &d->qop : NULL, &d->uri, &d->realm, &secret,
                                      &request->msg->line.req.method.name, algorithm_of(challenge));
    if (status == PJ_SUCCESS) {
        pj_strdup(pool, &d->response, &made);
        *out = answer;
    }
    return status;
}
