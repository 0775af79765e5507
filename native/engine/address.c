/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of media: read, compared, and told apart by where they can be reached from. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "internal.h"

int address_parse(const char *text, uint16_t port, struct sockaddr_storage *out, socklen_t *len) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (!text || !port)
        return -EINVAL;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(out, &v4, *len = sizeof v4);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(out, &v6, *len = sizeof v6);
        return 0;
    }
    return -EINVAL;
}

static const struct in6_addr *host_6(const struct sockaddr_storage *a) {
    return &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
}

static uint32_t host_4(const struct sockaddr_storage *a) {
    return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr);
}

static in_port_t port_of(const struct sockaddr_storage *a) {
    return a->ss_family == AF_INET ? ((const struct sockaddr_in *)(const void *)a)->sin_port
                                   : ((const struct sockaddr_in6 *)(const void *)a)->sin6_port;
}

bool address_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b) {
    if (a->ss_family != b->ss_family)
        return false;
    return a->ss_family == AF_INET ? host_4(a) == host_4(b) : !memcmp(host_6(a), host_6(b), sizeof(struct in6_addr));
}

bool address_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b) {
    return address_same_host(a, b) && port_of(a) == port_of(b);
}

bool address_is_nowhere(const struct sockaddr_storage *a) {
    return a->ss_family == AF_INET ? !host_4(a) : IN6_IS_ADDR_UNSPECIFIED(host_6(a));
}

/* The IPv4 address within ::ffff:0:0/96 (RFC 4291 §2.5.5.2), by which a socket of both families names it. */
static bool mapped_4(const struct sockaddr_storage *a, uint32_t *host) {
    uint32_t last;

    if (a->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(host_6(a)))
        return false;
    memcpy(&last, host_6(a)->s6_addr + 12, sizeof last);
    *host = ntohl(last);
    return true;
}

/* 0/8, multicast, what is reserved, and broadcast (RFC 1122 §3.2.1.3). */
static bool is_no_host_4(uint32_t host) { return !(host >> 24) || host >> 28 >= 0xe; }

bool address_is_host(const struct sockaddr_storage *a) {
    uint32_t host;

    if (a->ss_family == AF_INET)
        return !is_no_host_4(host_4(a));
    if (mapped_4(a, &host))
        return !is_no_host_4(host);
    return !IN6_IS_ADDR_MULTICAST(host_6(a)) && !IN6_IS_ADDR_UNSPECIFIED(host_6(a));
}

/* Addresses of one network alone: RFC 1918, 6598, 3927, 4193, 4291. */
static bool is_local(const struct sockaddr_storage *a) {
    static const struct {
        uint32_t net, mask;
    } local[] = {{0x0a000000, 0xff000000}, {0xac100000, 0xfff00000}, {0xc0a80000, 0xffff0000},
                 {0x64400000, 0xffc00000}, {0xa9fe0000, 0xffff0000}, {0x7f000000, 0xff000000}};

    if (a->ss_family == AF_INET6)
        return (host_6(a)->s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_LINKLOCAL(host_6(a)) ||
               IN6_IS_ADDR_LOOPBACK(host_6(a));
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if ((host_4(a) & local[i].mask) == local[i].net)
            return true;
    return false;
}

bool address_behind_nat(const struct sockaddr_storage *signalled, const struct sockaddr_storage *seen) {
    return !address_same_host(signalled, seen) && is_local(signalled) && !is_local(seen);
}
