/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A received page is on disk before it is confirmed. spandsp has written it, strip and directory, when it reports the
 * page; here it is synced and looked for in the file, by threads of their own, because a disk may take its time.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "internal.h"

#define MAX_ENTRIES 128 /* tags in a directory of spandsp's files: some 25 */
#define LITTLE_ROOM (1u << 20)

enum { TAG_STRIP_OFFSETS = 273, TAG_STRIP_BYTE_COUNTS = 279, TYPE_SHORT = 3 };

struct disk_job {
    atomic_int status; /* DISK_UNDER_WAY, 0, or a negative errno */
    atomic_uint holders;
    int fd;
    char *path;
    uint32_t link;
    disk_hook *hook;
    disk_job *next;
};

/* ---- what is in the file --------------------------------------------------------------------------------------- */

typedef struct tiff_entry { /* TIFF 6.0, section 2; in our own byte order, as libtiff writes */
    uint16_t tag, type;
    uint32_t count, value;
} tiff_entry;

static uint32_t value_of(const tiff_entry *e) {
    uint16_t half;
    if (e->type != TYPE_SHORT)
        return e->value;
    memcpy(&half, &e->value, sizeof half);
    return half;
}

/* Whether the one strip of a directory lies whole in the file. `*after` is where the place of the next one stands. */
static int check_directory(int fd, uint32_t at, off_t size, uint32_t *after) {
    tiff_entry entries[MAX_ENTRIES];
    uint16_t count;
    uint32_t offset = 0, bytes = 0;
    ssize_t len;

    if (pread(fd, &count, sizeof count, at) != sizeof count || count > MAX_ENTRIES)
        return -EIO;
    len = (ssize_t)(count * sizeof *entries);
    if (pread(fd, entries, (size_t)len, at + 2) != len)
        return -EIO;
    for (unsigned i = 0; i < count; i++) {
        if (entries[i].tag == TAG_STRIP_OFFSETS)
            offset = value_of(&entries[i]);
        if (entries[i].tag == TAG_STRIP_BYTE_COUNTS)
            bytes = value_of(&entries[i]);
    }
    *after = at + 2 + (uint32_t)len;
    return offset && bytes && (off_t)offset + bytes <= size ? 0 : -EIO;
}

/* Follows the directories from where `*link` stands, and moves it on; there must be a new one. */
static int check_pages(int fd, uint32_t *link) {
    uint32_t at = *link, next;
    struct stat st;
    int err;

    if (fstat(fd, &st) < 0)
        return -errno;
    for (;;) {
        if (pread(fd, &next, sizeof next, at) != sizeof next)
            return -EIO;
        if (!next)
            break;
        if (next < 8 || (off_t)next >= st.st_size || (next <= at && at != DISK_FIRST_LINK))
            return -EIO;
        err = check_directory(fd, next, st.st_size, &at);
        if (err < 0)
            return err;
    }
    if (at == *link)
        return -ENODATA;
    *link = at;
    return 0;
}

/* spandsp does not look whether its writing succeeds: what is missing mostly is for want of room. */
static int why_not(int fd) {
    struct statvfs fs;
    return !fstatvfs(fd, &fs) && (uint64_t)fs.f_bavail * fs.f_frsize < LITTLE_ROOM ? -ENOSPC : -EIO;
}

/* The name of a new file is on disk when its folder is. */
static int sync_folder(const char *path) {
    char *copy = strdup(path);
    int fd, err = 0;

    if (!copy)
        return -ENOMEM;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        err = -errno;
    else {
        if (fsync(fd) < 0 && errno != EINVAL)
            err = -errno;
        close(fd);
    }
    free(copy);
    return err;
}

static int sync_pages(disk_job *job) {
    bool first = job->link == DISK_FIRST_LINK;
    int err = check_pages(job->fd, &job->link);

    if (err == -ENODATA || err == -EIO)
        err = why_not(job->fd);
    /* EINVAL: a kind of file that cannot be synced. */
    if (!err && fdatasync(job->fd) < 0 && errno != EINVAL)
        err = -errno;
    return err || !first ? err : sync_folder(job->path);
}

/* ---- jobs ------------------------------------------------------------------------------------------------------ */

void disk_drop(disk_job *job) {
    if (!job || atomic_fetch_sub(&job->holders, 1) > 1)
        return;
    close(job->fd);
    free(job->path);
    free(job);
}

int disk_status(const disk_job *job, uint32_t *link) {
    int status = atomic_load_explicit(&job->status, memory_order_acquire);
    if (!status)
        *link = job->link;
    return status;
}

static void carry_out(disk_job *job) {
    int err = job->hook ? job->hook() : 0;
    atomic_store_explicit(&job->status, err ? err : sync_pages(job), memory_order_release);
    disk_drop(job);
}

static void *disk_main(void *arg) {
    disk *d = arg;

    pthread_mutex_lock(&d->lock);
    for (;;) {
        disk_job *job = d->first;
        if (job) {
            d->first = job->next;
            if (!d->first)
                d->last = &d->first;
            pthread_mutex_unlock(&d->lock);
            carry_out(job);
            pthread_mutex_lock(&d->lock);
        } else if (d->stop) {
            break;
        } else {
            d->idle++;
            pthread_cond_wait(&d->wake, &d->lock);
            d->idle--;
        }
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* Hands it to a thread; false where there is none. */
static bool enqueue(disk *d, disk_job *job) {
    bool taken;

    pthread_mutex_lock(&d->lock);
    if (!d->idle && d->running < DISK_THREADS && !pthread_create(&d->threads[d->running], NULL, disk_main, d))
        d->running++;
    taken = d->running > 0;
    if (taken) {
        *d->last = job;
        d->last = &job->next;
        pthread_cond_signal(&d->wake);
    }
    pthread_mutex_unlock(&d->lock);
    return taken;
}

disk_job *disk_begin(disk *d, int fd, const char *path, uint32_t link, disk_hook *hook, bool at_once) {
    disk_job *job = calloc(1, sizeof *job);

    if (!job)
        return NULL;
    job->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    job->path = strdup(path);
    job->link = link;
    job->hook = hook;
    atomic_init(&job->status, DISK_UNDER_WAY);
    atomic_init(&job->holders, 2);
    if (job->fd < 0 || !job->path) {
        atomic_store(&job->holders, 1);
        disk_drop(job);
        return NULL;
    }
    if (at_once || !enqueue(d, job))
        carry_out(job);
    return job;
}

void disk_init(disk *d) {
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->wake, NULL);
    d->last = &d->first;
}

void disk_release(disk *d) {
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_broadcast(&d->wake);
    pthread_mutex_unlock(&d->lock);
    for (unsigned i = 0; i < d->running; i++)
        pthread_join(d->threads[i], NULL);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->wake);
}
