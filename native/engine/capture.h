/* SPDX-License-Identifier: GPL-2.0-or-later */
/* capture.c: the packets of a session, in a pcap file. */
#ifndef SOFTFAX_CAPTURE_H
#define SOFTFAX_CAPTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct capture capture;

typedef struct capture_writer {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool running, stop;
    capture *first;
} capture_writer;

void capture_writer_init(capture_writer *w);
void capture_writer_release(capture_writer *w);
int capture_open(capture_writer *w, const char *path, uint64_t max_bytes, capture **out);
/* The file is whole when it returns. */
void capture_close(capture_writer *w, capture *c);
/* The session has another socket. */
void capture_path(capture *c, int fd, const struct sockaddr_storage *far, socklen_t far_len);
/* Never waits; what there is no room for is counted. `time_us` since 1970, 0 for now. */
void capture_packet(capture *c, bool sent, const struct sockaddr_storage *far, uint64_t time_us, const uint8_t *packet,
                    size_t len);
/* When the kernel got a packet; 0 where it does not say. */
uint64_t capture_time(const struct msghdr *message);
void capture_count(const capture *c, uint64_t *packets, uint64_t *left_out);

#endif
