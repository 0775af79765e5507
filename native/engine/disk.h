/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk.c: a received page is on disk before it is confirmed. */
#ifndef SOFTFAX_DISK_H
#define SOFTFAX_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define DISK_THREADS 4    /* so many pages are synced at a time */
#define DISK_FIRST_LINK 4 /* where a TIFF says where its first directory is */
#define DISK_UNDER_WAY 1

typedef struct disk_job disk_job;
/* Comes before the work of a job, in its thread; what it returns other than 0 is the job's status. */
typedef int disk_hook(void);

typedef struct disk {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[DISK_THREADS];
    unsigned running, idle;
    bool stop;
    disk_job *first, **last;
} disk;

void disk_init(disk *d);
/* What was begun is ended first. */
void disk_release(disk *d);
/*
 * Begins to bring to disk what was written to a TIFF, and to look whether its new pages are there whole. `link` is
 * where the place of the next directory stands (DISK_FIRST_LINK at first); `at_once`: before it returns. NULL where
 * memory or descriptors are short.
 */
disk_job *disk_begin(disk *d, int fd, const char *path, uint32_t link, disk_hook *hook, bool at_once);
/* DISK_UNDER_WAY, 0 (`*link` moves on) or a negative errno. */
int disk_status(const disk_job *job, uint32_t *link);
/* The owner does not ask any more. */
void disk_drop(disk_job *job);

#endif
