/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packets of a session, kept in a pcap file. The session puts them into a ring, without waiting; a thread of the
 * engine gives them the headers they had on the network and writes them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define RING_SIZE (1u << 17) /* five seconds of audio, both ways; a power of two */
#define WRITE_EVERY_MS 200
#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define UDP_HEADER 8
#define LINKTYPE_RAW 101 /* packets begin with their IP header */

typedef struct end_point {
    uint8_t address[16]; /* IPv4 in the first four */
    uint16_t port;       /* in the order of the network, as all here */
} end_point;

typedef struct record {
    uint64_t time_us;
    uint32_t len;
    uint16_t family;
    end_point from, to;
} record;

typedef struct pcap_header {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, snap_len, link_type;
} pcap_header;

typedef struct pcap_record {
    uint32_t seconds, microseconds, kept, len;
} pcap_record;

struct capture {
    capture *next;   /* in the list of the writer; guarded by its lock */
    end_point local; /* guarded by the session's lock */
    _Atomic uint64_t packets, left_out;
    _Atomic uint64_t head, tail; /* octets put in by the session, and taken out */
    pthread_mutex_t taking;      /* all below: who takes them out */
    FILE *file;
    uint64_t written, max_bytes;
    uint16_t number;
    uint8_t ring[RING_SIZE];
};

/* ---- putting in ------------------------------------------------------------------------------------------------- */

/* Returns the family. */
static int end_point_of(const struct sockaddr_storage *address, end_point *out) {
    memset(out, 0, sizeof *out);
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        memcpy(out->address, &v4->sin_addr, 4);
        out->port = v4->sin_port;
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        memcpy(out->address, &v6->sin6_addr, 16);
        out->port = v6->sin6_port;
    }
    return address->ss_family;
}

void capture_packet(capture *c, bool sent, const struct sockaddr_storage *far, uint64_t time_us, const uint8_t *packet,
                    size_t len) {
    uint64_t head = atomic_load_explicit(&c->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&c->tail, memory_order_acquire);
    record r = {.time_us = time_us ? time_us : clock_us(CLOCK_REALTIME), .len = (uint32_t)len};

    atomic_fetch_add_explicit(&c->packets, 1, memory_order_relaxed);
    if (len > DATAGRAM_SIZE || head - tail + sizeof r + len > RING_SIZE) {
        atomic_fetch_add_explicit(&c->left_out, 1, memory_order_relaxed);
        return;
    }
    r.family = (uint16_t)end_point_of(far, sent ? &r.to : &r.from);
    *(sent ? &r.from : &r.to) = c->local;
    ring_put(c->ring, RING_SIZE, head % RING_SIZE, &r, sizeof r);
    ring_put(c->ring, RING_SIZE, (head + sizeof r) % RING_SIZE, packet, len);
    atomic_store_explicit(&c->head, head + sizeof r + len, memory_order_release);
}

void capture_path(capture *c, int fd, const struct sockaddr_storage *far, socklen_t far_len) {
    struct sockaddr_storage own = {0}, route = {0};
    socklen_t len = sizeof own, route_len = sizeof route;
    static const uint8_t any[16] = {0};
    end_point by_route;
    int on = 1, probe;

    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
        return;
    end_point_of(&own, &c->local);
    if (memcmp(c->local.address, any, sizeof any))
        return;
    /* Bound to every address: which one the far end sees, the routes say. */
    probe = socket(far->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (!connect(probe, (const struct sockaddr *)far, far_len) &&
        !getsockname(probe, (struct sockaddr *)&route, &route_len)) {
        end_point_of(&route, &by_route);
        memcpy(c->local.address, by_route.address, sizeof by_route.address);
    }
    close(probe);
}

uint64_t capture_time(const struct msghdr *message) {
    struct timespec t;

    for (struct cmsghdr *m = CMSG_FIRSTHDR(message); m; m = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, m))
        if (m->cmsg_level == SOL_SOCKET && m->cmsg_type == SO_TIMESTAMPNS) {
            memcpy(&t, CMSG_DATA(m), sizeof t);
            return time_us(&t);
        }
    return 0;
}

void capture_count(const capture *c, uint64_t *packets, uint64_t *left_out) {
    *packets = atomic_load_explicit(&c->packets, memory_order_relaxed);
    *left_out = atomic_load_explicit(&c->left_out, memory_order_relaxed);
}

/* ---- headers: RFC 791, 8200, 768 -------------------------------------------------------------------------------- */

static uint32_t sum_of(uint32_t sum, const uint8_t *data, size_t len) {
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)data[i] << 8 | data[i + 1];
    return len & 1 ? sum + ((uint32_t)data[len - 1] << 8) : sum;
}

static uint16_t folded(uint32_t sum) {
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void ipv4_header(uint8_t *p, const record *r, size_t udp_len, uint16_t number) {
    memset(p, 0, IPV4_HEADER);
    p[0] = 0x45;
    put16(p + 2, (unsigned)(IPV4_HEADER + udp_len));
    put16(p + 4, number);
    p[6] = 0x40; /* not to be fragmented */
    p[8] = 64;
    p[9] = IPPROTO_UDP;
    memcpy(p + 12, r->from.address, 4);
    memcpy(p + 16, r->to.address, 4);
    put16(p + 10, folded(sum_of(0, p, IPV4_HEADER)));
}

static void ipv6_header(uint8_t *p, const record *r, size_t udp_len) {
    memset(p, 0, IPV6_HEADER);
    p[0] = 0x60;
    put16(p + 4, (unsigned)udp_len);
    p[6] = IPPROTO_UDP;
    p[7] = 64;
    memcpy(p + 8, r->from.address, 16);
    memcpy(p + 24, r->to.address, 16);
}

/* In front of the payload, which is at packet + headers. */
static void build_headers(uint8_t *packet, size_t headers, const record *r, uint16_t number) {
    size_t addresses = r->family == AF_INET6 ? 16 : 4, udp_len = UDP_HEADER + r->len;
    uint8_t *udp = packet + headers - UDP_HEADER;
    uint32_t sum = IPPROTO_UDP + (uint32_t)udp_len;
    uint16_t checksum;

    memcpy(udp, &r->from.port, 2);
    memcpy(udp + 2, &r->to.port, 2);
    put16(udp + 4, (unsigned)udp_len);
    put16(udp + 6, 0);
    sum = sum_of(sum_of(sum, r->from.address, addresses), r->to.address, addresses);
    checksum = folded(sum_of(sum, udp, udp_len));
    put16(udp + 6, checksum ? checksum : 0xffff);
    if (r->family == AF_INET6)
        ipv6_header(packet, r, udp_len);
    else
        ipv4_header(packet, r, udp_len, number);
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static void write_record(capture *c, const record *r, uint64_t at) {
    uint8_t packet[IPV6_HEADER + UDP_HEADER + DATAGRAM_SIZE];
    size_t headers = (r->family == AF_INET6 ? IPV6_HEADER : IPV4_HEADER) + UDP_HEADER, len = headers + r->len;
    pcap_record head = {(uint32_t)(r->time_us / 1000000u), (uint32_t)(r->time_us % 1000000u), (uint32_t)len,
                        (uint32_t)len};

    if (!c->file || c->written + sizeof head + len > c->max_bytes) {
        atomic_fetch_add_explicit(&c->left_out, 1, memory_order_relaxed);
        return;
    }
    ring_get(c->ring, RING_SIZE, at % RING_SIZE, packet + headers, r->len);
    build_headers(packet, headers, r, c->number++);
    if (fwrite(&head, sizeof head, 1, c->file) != 1 || fwrite(packet, len, 1, c->file) != 1) {
        /* A full disk: what is there stays. */
        fclose(c->file);
        c->file = NULL;
    }
    c->written += sizeof head + len;
}

static void take_out(capture *c) {
    uint64_t tail, head;
    record r;

    pthread_mutex_lock(&c->taking);
    tail = atomic_load_explicit(&c->tail, memory_order_relaxed);
    head = atomic_load_explicit(&c->head, memory_order_acquire);
    while (tail != head) {
        ring_get(c->ring, RING_SIZE, tail % RING_SIZE, &r, sizeof r);
        write_record(c, &r, tail + sizeof r);
        tail += sizeof r + r.len;
        atomic_store_explicit(&c->tail, tail, memory_order_release);
    }
    if (c->file)
        fflush(c->file);
    pthread_mutex_unlock(&c->taking);
}

static void *writer_main(void *arg) {
    capture_writer *w = arg;
    struct timespec pause = {.tv_nsec = WRITE_EVERY_MS * 1000000L};

    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        if (!w->first) {
            pthread_cond_wait(&w->wake, &w->lock);
            continue;
        }
        /* The list only changes under the lock, which is not kept for long: files are on the page cache. */
        for (capture *c = w->first; c; c = c->next)
            take_out(c);
        pthread_mutex_unlock(&w->lock);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int capture_open(capture_writer *w, const char *path, uint64_t max_bytes, capture **out) {
    static const pcap_header header = {0xa1b2c3d4, 2, 4, 0, 0, 65535, LINKTYPE_RAW};
    capture *c = calloc(1, sizeof *c);
    int fd, err = 0;

    if (!c)
        return -ENOMEM;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    c->file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!c->file || fwrite(&header, sizeof header, 1, c->file) != 1) {
        err = -errno;
        if (c->file)
            fclose(c->file);
        else if (fd >= 0)
            close(fd);
        free(c);
        return err;
    }
    c->written = sizeof header;
    c->max_bytes = max_bytes;
    pthread_mutex_init(&c->taking, NULL);
    pthread_mutex_lock(&w->lock);
    if (!w->running)
        err = -pthread_create(&w->thread, NULL, writer_main, w);
    w->running = w->running || !err;
    c->next = w->first;
    w->first = c;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    *out = c;
    return 0; /* without the thread the ring is written at the end */
}

void capture_close(capture_writer *w, capture *c) {
    if (!c)
        return;
    pthread_mutex_lock(&w->lock);
    for (capture **p = &w->first; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    pthread_mutex_unlock(&w->lock);
    take_out(c);
    if (c->file)
        fclose(c->file);
    pthread_mutex_destroy(&c->taking);
    free(c);
}

void capture_writer_init(capture_writer *w) {
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
}

void capture_writer_release(capture_writer *w) {
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    if (w->running)
        pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
}
