/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of far ends, and which of them belong to accounts. In the thread that owns PJSIP. */
#ifndef SOFTFAX_SOURCES_H
#define SOFTFAX_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

/* An IPv6 address, or an IPv4 address mapped into IPv6. */
typedef struct source {
    unsigned char octets[16];
} source;

/* The address in a sockaddr. */
source source_of(const void *address);
int source_within(const source *s, const source *network, unsigned bits);
/* One /24, or one /64 of IPv6. */
bool source_same_network(const source *a, const source *b);
/* An address of an account's servers or trusted networks. */
int source_is_known(const source *s);
/* The parameter of a contact that one of our accounts registered. */
int source_token_is_known(const char *token, size_t size);

#endif
