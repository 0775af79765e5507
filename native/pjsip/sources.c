/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where messages and connections come from: from the servers of accounts, or from an unknown source. Unknown sources
 * are limited by address, by network (/24, or /64 of IPv6) and in all, so that they take nothing from the accounts.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <pjsua-lib/pjsua.h>

#include "glue.h"
#include "sources.h"

#define NETWORKS_MAX 8192
#define TOKENS_MAX 64
#define TOKEN_OCTETS 64
#define LINE_OCTETS 64
#define V4_BITS 96 /* of ::ffff:0:0/96 */

static struct {
    struct {
        source address;
        unsigned bits;
    } networks[NETWORKS_MAX];
    char tokens[TOKENS_MAX][TOKEN_OCTETS + 1];
    unsigned network_count, token_count;
} known;

static const unsigned char v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

static int is_v4(const source *s) { return !memcmp(s->octets, v4_prefix, sizeof v4_prefix); }

source source_of(const void *address) {
    const pj_sockaddr *a = address;
    source s = {{0}};
    if (a->addr.sa_family == pj_AF_INET6()) {
        memcpy(s.octets, &a->ipv6.sin6_addr, sizeof s.octets);
    } else {
        memcpy(s.octets, v4_prefix, sizeof v4_prefix);
        memcpy(s.octets + sizeof v4_prefix, &a->ipv4.sin_addr, 4);
    }
    return s;
}

int source_within(const source *s, const source *network, unsigned bits) {
    unsigned whole = bits / 8, rest = bits % 8;
    unsigned char mask = (unsigned char)(0xff00u >> rest);
    return !memcmp(s->octets, network->octets, whole) &&
           (!rest || !((s->octets[whole] ^ network->octets[whole]) & mask));
}

bool source_same_network(const source *a, const source *b) { return source_within(a, b, is_v4(a) ? V4_BITS + 24 : 64); }

int source_is_known(const source *s) {
    for (unsigned i = 0; i < known.network_count; i++)
        if (source_within(s, &known.networks[i].address, known.networks[i].bits))
            return 1;
    return 0;
}

int source_token_is_known(const char *token, size_t size) {
    for (unsigned i = 0; i < known.token_count; i++)
        if (strlen(known.tokens[i]) == size && !memcmp(known.tokens[i], token, size))
            return 1;
    return 0;
}

/* ADDRESS/BITS. */
static int add_network(const char *text) {
    char address[LINE_OCTETS], *slash;
    unsigned bits;
    source *s = &known.networks[known.network_count].address;

    if (known.network_count == NETWORKS_MAX || strlen(text) >= sizeof address)
        return -1;
    strcpy(address, text);
    slash = strchr(address, '/');
    if (!slash)
        return -1;
    *slash = '\0';
    bits = (unsigned)strtoul(slash + 1, NULL, 10);
    if (inet_pton(AF_INET, address, s->octets + sizeof v4_prefix) == 1) {
        memcpy(s->octets, v4_prefix, sizeof v4_prefix);
        bits += V4_BITS;
    } else if (inet_pton(AF_INET6, address, s->octets) != 1) {
        return -1;
    }
    if (bits > 128)
        return -1;
    known.networks[known.network_count++].bits = bits;
    return 0;
}

int sfx_sip_known(const char *const *networks, int network_count, const char *const *tokens, int token_count) {
    int status = PJ_SUCCESS;
    known.network_count = known.token_count = 0;
    for (int i = 0; i < network_count; i++)
        if (add_network(networks[i]))
            status = PJ_EINVAL;
    for (int i = 0; i < token_count && known.token_count < TOKENS_MAX; i++)
        if (tokens[i][0] && strlen(tokens[i]) <= TOKEN_OCTETS)
            strcpy(known.tokens[known.token_count++], tokens[i]);
    return status;
}
