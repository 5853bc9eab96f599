/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event.h"
#include "text.h"
#include "tracefs.h"
#include "windows.h"

#define MOUNTS  "/proc/self/mounts"
#define OURS    "xenlend-"      /* and the process's number: an instance */

/* --- where */

int tracefs_find(const char *mounts, char *dir, size_t size)
{
    FILE *f = setmntent(mounts, "re");
    const struct mntent *m;
    int found = 0;

    if (!f)
        return -1;
    while (found < 2 && (m = getmntent(f))) {
        int n = 0;

        if (!strcmp(m->mnt_type, "tracefs")) {
            n = snprintf(dir, size, "%s", m->mnt_dir);
            found = 2;
        } else if (!strcmp(m->mnt_type, "debugfs") && !found) {
            /* Mounted there as soon as somebody looks, so not yet listed. */
            n = snprintf(dir, size, "%s/tracing", m->mnt_dir);
            found = 1;
        }
        if (n < 0 || (size_t)n >= size)
            found = 0;
    }
    endmntent(f);
    if (!found)
        errno = ENOENT;
    return found ? 0 : -1;
}

void tracefs_filter(char *text, size_t size, uint32_t domid, uint64_t window)
{
    char domain[32] = "", serial[48] = "";

    if (domid != ALL_DOMAINS)
        snprintf(domain, sizeof(domain), "domid == %u", domid);
    if (window)
        snprintf(serial, sizeof(serial), "serial == %llu",
                 (unsigned long long)window);
    snprintf(text, size, "%s%s%s", domain, *domain && *serial ? " && " : "",
             *domain || *serial ? serial : "0");
}

/* --- files */

static int path_in(char *path, const char *dir, const char *name)
{
    if (snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

static int write_file(const char *dir, const char *name, const char *text)
{
    char path[PATH_MAX];
    ssize_t n;
    int fd, err = 0;

    if (path_in(path, dir, name))
        return -1;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = write(fd, text, strlen(text));
    if (n < 0)
        err = errno;
    else if ((size_t)n != strlen(text))
        err = EIO;
    close(fd);
    errno = err;
    return err ? -1 : 0;
}

/*
 * One that was killed without a chance to clean up has left its instance, and
 * that still costs what tracing costs.  One that is in use stays: it is busy.
 */
static void remove_left_behind(const char *instances)
{
    DIR *d = opendir(instances);
    const struct dirent *entry;

    if (!d)
        return;
    while ((entry = readdir(d))) {
        char path[PATH_MAX];
        uint64_t pid;

        if (!strncmp(entry->d_name, OURS, strlen(OURS)) &&
            !parse_u64(entry->d_name + strlen(OURS), &pid) && pid &&
            pid <= INT32_MAX && kill(pid, 0) && errno == ESRCH &&
            !path_in(path, instances, entry->d_name))
            rmdir(path);
    }
    closedir(d);
}

/* --- instances */

static int enable(struct tracefs *t, enum event_kind kind, uint32_t domid,
                  uint64_t window)
{
    char name[64], filter[96];

    tracefs_filter(filter, sizeof(filter), domid, window);
    snprintf(name, sizeof(name), "events/xen_lend/xen_lend_%s/filter",
             event_name(kind));
    if (write_file(t->dir, name, filter))
        return -1;
    snprintf(name, sizeof(name), "events/xen_lend/xen_lend_%s/enable",
             event_name(kind));
    return write_file(t->dir, name, "1");
}

int tracefs_open(struct tracefs *t, uint32_t domid, uint64_t window)
{
    char root[PATH_MAX], path[PATH_MAX], name[32];

    t->dir[0] = 0;
    t->pipe = -1;
    if (tracefs_find(MOUNTS, root, sizeof(root))) {
        if (errno == ENOENT)
            say(0, "tracefs is not mounted: mount -t tracefs tracefs "
                "/sys/kernel/tracing");
        else
            say(errno, MOUNTS);
        return -1;
    }
    if (path_in(path, root, "events/xen_lend") || access(path, X_OK)) {
        /* Only root may look into it. */
        if (errno == ENOENT && !access(root, X_OK))
            say(0, "%s has no events of xen-lend: is the module loaded?", root);
        else
            say(errno, "%s", root);
        return -1;
    }
    if (path_in(path, root, "instances"))
        goto failed;
    remove_left_behind(path);
    snprintf(name, sizeof(name), "instances/" OURS "%d", (int)getpid());
    if (path_in(path, root, name) || mkdir(path, 0700)) {
        say(errno, "%s/%s", root, name);
        return -1;
    }
    strcpy(t->dir, path);
    /* One clock for all processors, and for who asks the time. */
    if (write_file(t->dir, "trace_clock", "mono"))
        goto failed;
    /* Wake up for the first event, not when the buffer is half full. */
    if (write_file(t->dir, "buffer_percent", "0") && errno != ENOENT)
        goto failed;
    if (path_in(path, t->dir, "trace_pipe"))
        goto failed;
    t->pipe = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (t->pipe < 0)
        goto failed;
    for (unsigned k = 0; k < EVENT_TRACEPOINTS; k++)
        /* An answer is to a vCPU, of whichever window. */
        if (!(k == EVENT_ANSWER && window) && enable(t, k, domid, window))
            goto failed;
    return 0;

failed:
    say(errno, "tracing in %s", *t->dir ? t->dir : root);
    tracefs_close(t);
    return -1;
}

void tracefs_stop(struct tracefs *t)
{
    write_file(t->dir, "tracing_on", "0");
}

int tracefs_close(struct tracefs *t)
{
    int bad;

    if (!*t->dir)
        return 0;
    /* It cannot be removed while a file of it is open. */
    if (t->pipe >= 0)
        close(t->pipe);
    t->pipe = -1;
    bad = rmdir(t->dir);
    if (bad)
        say(errno, "%s stays", t->dir);
    t->dir[0] = 0;
    return bad;
}
