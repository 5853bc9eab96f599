/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests of what the GPU starts: a process beside the device, and the renderer's with its cache of shaders.  What is
 * started is this program once more, which tells what it finds.  TAP on stdout.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../virtio-gpu/spawn.h"
#include "../virtio-gpu/virglrenderer/server.h"
#include "tap.h"

#define PATIENCE    60000   /* ms; nothing is expected to take long */
#define SELF        "/proc/self/exe"

static char folder[] = "/tmp/check-spawn-XXXXXX";
static char *const words[] = { (char *)SELF, (char *)"--socket-fd", (char *)"3", NULL };
static struct identity nobody;
static const struct identity *id;   /* NULL: this is not root, who alone can be another */

/* In what is started ------------------------------------------------------ */

struct found {
    pid_t pid, group;
    uid_t uid;
    gid_t gid;
    int groups, no_new_privs, oom;
    uint64_t open;                  /* descriptors */
    ino_t inodes[SPAWN_FDS];        /* of 3 and those after it */
    bool blocked;                   /* SIGTERM */
    char cache[512], disable[8];    /* Mesa's variables; "-": there is none */
};

static int oom_score(void)
{
    FILE *f = fopen("/proc/self/oom_score_adj", "re");
    int score = -1;

    if (!f || fscanf(f, "%d", &score) != 1)
        score = -1;
    if (f)
        fclose(f);
    return score;
}

/* A bit for each; the last one for all that have none of their own */
static uint64_t descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    uint64_t bits = 0;

    while (d && (e = readdir(d))) {
        int fd = atoi(e->d_name);

        if (e->d_name[0] != '.' && fd != dirfd(d))
            bits |= (uint64_t)1 << (fd < 63 ? fd : 63);
    }
    closedir(d);
    return bits;
}

static ino_t inode(int fd)
{
    struct stat s;

    return fstat(fd, &s) ? 0 : s.st_ino;
}

static void variable(char *to, size_t size, const char *name)
{
    const char *value = getenv(name);

    snprintf(to, size, "%s", value ? value : "-");
}

static int tell(void)
{
    struct found f = { .pid = getpid(), .group = getpgid(0), .uid = getuid(), .gid = getgid(), .groups = getgroups(0, NULL),
                       .no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), .oom = oom_score(), .open = descriptors() };
    sigset_t blocked;
    char byte;

    for (unsigned i = 0; i < SPAWN_FDS; i++)
        f.inodes[i] = inode(3 + i);
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    f.blocked = sigismember(&blocked, SIGTERM);
    variable(f.cache, sizeof(f.cache), "MESA_SHADER_CACHE_DIR");
    variable(f.disable, sizeof(f.disable), "MESA_SHADER_CACHE_DISABLE");
    if (write(3, &f, sizeof(f)) != sizeof(f))
        return 1;
    return read(3, &byte, 1) != 0;  /* until the other end is closed */
}

/* The tests --------------------------------------------------------------- */

static bool hear(int fd, struct found *f)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    memset(f, 0, sizeof(*f));
    return poll(&p, 1, PATIENCE) == 1 && read(fd, f, sizeof(*f)) == sizeof(*f);
}

static bool ends(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char byte;

    return poll(&p, 1, PATIENCE) == 1 && read(fd, &byte, 1) <= 0;
}

static void reap(void)
{
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

static void pair(int ends_[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_))
        die("socketpair: %s", strerror(errno));
}

static int memory(int as)
{
    int fd = memfd_create("spawn", 0);

    if (fd < 0 || dup2(fd, as) < 0)
        die("memory: %s", strerror(errno));
    if (fd != as)
        close(fd);
    return as;
}

static void found(void)
{
    const int score = oom_score();
    struct found f;
    sigset_t term, before;
    int fds[2], status;

    /* not where they are to be, and in the way of each other; one that is nobody's business */
    pair(fds);
    if (dup3(fds[0], 30, O_CLOEXEC) < 0 || dup2(fds[1], 4) < 0)
        die("descriptors: %s", strerror(errno));
    for (int i = 0; i < 2; i++)
        if (fds[i] != 4 && fds[i] != 30)
            close(fds[i]);
    memory(3);
    memory(5);
    memory(6);
    memory(40);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    status = spawn(&(struct spawn){ .argv = words, .fds = { 4, 3, 6, 5 }, .n_fds = 4 });
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(4);
    if (status || !hear(30, &f))
        die("nothing is started");
    eqx(f.open, (descriptors() & 7) | 0x78, "it has the standard descriptors, and four");
    ok(f.inodes[1] == inode(3) && f.inodes[2] == inode(6) && f.inodes[3] == inode(5), "... each where it is to be");
    ok(!f.blocked, "it can be ended by a signal, whatever was blocked");
    eq(f.group, f.pid, "... but not by the terminal's");
    if (score == 1000)
        skip("who goes first", "the tests would already");
    else
        eq(f.oom, 1000, "it goes first when memory is short");
    eq(oom_score(), score, "... we do not");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))
        skip("new privileges", "the tests have none themselves");
    else
        eq(f.no_new_privs, 1, "it can gain no privileges");
    ok(f.uid == getuid() && f.gid == getgid(), "it is who we are");
    close(30);
    reap();

    pair(fds);
    status = spawn(&(struct spawn){ .argv = words, .fds = { fds[1] }, .n_fds = 1, .id = id });
    close(fds[1]);
    if (status || !hear(fds[0], &f))
        die("nothing is started with one descriptor");
    eqx(f.open, (descriptors() & 7) | 8, "with one descriptor it has no other");
    if (!id)
        skip("another user", "this is not root");
    else
        ok(f.uid == id->uid && f.gid == id->gid && f.groups == 0, "it is another user, of no other group: %u, %u, %d", f.uid, f.gid, f.groups);
    close(fds[0]);
    reap();
    for (int fd = 3; fd <= 6; fd++)
        close(fd);
    close(40);

    err(spawn(&(struct spawn){ .argv = words, .n_fds = SPAWN_FDS + 1 }) ? -errno : 0, -EINVAL, "five descriptors are too many");
    err(waitpid(-1, NULL, 0) < 0 ? -errno : 0, -ECHILD, "... and nothing is started");
    ok(!spawn(&(struct spawn){ .argv = (char *[]){ (char *)"/nowhere/program", NULL } }) && waitpid(-1, &status, 0) > 0 &&
       WIFEXITED(status) && WEXITSTATUS(status) == 127, "a program that is not there: who waits for it learns it");
}

static void with_us(const struct identity *as, const char *who)
{
    struct found f;
    pid_t starter;
    int fds[2];

    pair(fds);
    starter = fork();
    if (!starter) {
        if (spawn(&(struct spawn){ .argv = words, .fds = { fds[1] }, .n_fds = 1, .id = as }))
            _exit(1);
        close(fds[1]);
        for (;;)
            pause();
    }
    close(fds[1]);
    if (starter < 0 || !hear(fds[0], &f))
        die("nothing is started");
    kill(starter, SIGKILL);
    waitpid(starter, NULL, 0);
    if (!ok(ends(fds[0]), "when who has started it is killed it ends, %s", who))
        kill(f.pid, SIGKILL);
    close(fds[0]);
}

/* The renderer ------------------------------------------------------------ */

static char said[1024];     /* by the last start */

/* server_start(), with what it says on stderr */
static int started(const struct renderer_config *config)
{
    int log = memfd_create("said", MFD_CLOEXEC), was = fcntl(2, F_DUPFD_CLOEXEC, 3), fd;
    ssize_t n;

    fflush(stderr);
    if (log < 0 || was < 0 || dup2(log, 2) < 0)
        die("stderr: %s", strerror(errno));
    unsetenv("MESA_SHADER_CACHE_DIR");
    fd = server_start(config);
    fflush(stderr);
    dup2(was, 2);
    n = pread(log, said, sizeof(said) - 1, 0);
    said[n > 0 ? n : 0] = 0;
    close(log);
    close(was);
    return fd;
}

static bool renders(const struct renderer_config *config, struct found *f)
{
    int fd = started(config);
    bool heard = fd >= 0 && hear(fd, f);

    if (fd >= 0)
        close(fd);
    reap();
    return heard;
}

static void refused(const char *cache, const char *why, const char *what)
{
    int fd = started(&(struct renderer_config){ .server = SELF, .cache = cache, .id = id });

    ok(fd == -1 && strstr(said, why) && waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "no renderer: %s", what);
    note("%.*s", (int)strcspn(said, "\n"), said);
    ok(!getenv("MESA_SHADER_CACHE_DIR"), "... and Mesa is told of no folder");
    if (fd >= 0)
        close(fd);
    reap();
}

static void renderer(void)
{
    char dir[128], name[512], link[128], file[128], text[64];
    static const struct { unsigned mode; bool good; } modes[] = {
        { 0755, true }, { 02750, true }, { 0720, false }, { 0702, false }, { 01777, false }, { 0500, false }, { 0600, false },
    };
    struct renderer_config with = { .server = SELF, .cache = dir, .id = id };
    const uid_t owner = id ? id->uid : geteuid();
    struct found f;
    struct stat s;
    int fd;

    snprintf(dir, sizeof(dir), "%s/cache", folder);
    snprintf(file, sizeof(file), "%s/file", folder);
    snprintf(link, sizeof(link), "%s/link", folder);

    unsetenv("MESA_SHADER_CACHE_DISABLE");
    ok(renders(&(struct renderer_config){ .server = SELF, .id = id }, &f) && !strcmp(f.disable, "true") && !strcmp(f.cache, "-"),
       "a renderer without a cache");
    eqx(f.open, (descriptors() & 7) | 8, "... has one descriptor");
    eq(f.uid, owner, "... is who it shall be");
    setenv("MESA_SHADER_CACHE_DISABLE", "false", 1);
    ok(renders(&(struct renderer_config){ .server = SELF, .id = id }, &f) && !strcmp(f.disable, "false"), "... unless Mesa is told otherwise");
    unsetenv("MESA_SHADER_CACHE_DISABLE");
    fd = started(&(struct renderer_config){ .server = "/nowhere/server" });
    ok(fd == -1 && strstr(said, "/nowhere/server") && strstr(said, "No such file"), "no renderer: its program is not there");

    at("--shader-cache");
    umask(0);
    ok(renders(&with, &f) && !strcmp(f.cache, dir) && !strcmp(f.disable, "-"), "a folder that is not there");
    ok(!lstat(dir, &s) && S_ISDIR(s.st_mode) && s.st_uid == owner, "... is made, for who renders");
    eqx(s.st_mode & 07777, 0700, "... and for nobody else");
    umask(022);
    ok(renders(&with, &f) && !strcmp(f.cache, dir), "it is there");

    snprintf(name, sizeof(name), "%s/nowhere/cache", folder);
    refused(name, "No such file", "no folder to make it in");
    fd = open(file, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);
    close(fd);
    refused(file, "Not a directory", "a file");
    snprintf(name, sizeof(name), "%s/cache", file);
    refused(name, "Not a directory", "within a file");
    if (symlink(dir, link))
        die("%s: %s", link, strerror(errno));
    refused(link, "Not a directory", "a link to one");
    snprintf(name, sizeof(name), "%s/%0256d", folder, 0);
    refused(name, "File name too long", "a name of 256 bytes");
    refused("", "No such file", "no name");
    snprintf(text, sizeof(text), "it is not user %u's", owner);
    if (geteuid()) {
        refused("/", text, "another user's");
    } else {
        if (chown(dir, owner + 1, 0))
            die("%s: %s", dir, strerror(errno));
        refused(dir, text, "another user's");
        ok(!lstat(dir, &s) && s.st_uid == owner + 1, "... whose it stays");
        if (chown(dir, owner, 0))
            die("%s: %s", dir, strerror(errno));
    }
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        chmod(dir, modes[i].mode);
        snprintf(text, sizeof(text), "mode %03o", modes[i].mode);
        if (modes[i].good)
            ok(renders(&with, &f) && !strcmp(f.cache, dir), "%s is no matter", text);
        else
            refused(dir, "chmod 700", text);
        eqx(lstat(dir, &s) ? 0 : s.st_mode & 07777, modes[i].mode, "... which it stays");
    }
    unlink(link);
    unlink(file);
    rmdir(dir);
    at(" ");
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], words[1]) && !strcmp(argv[2], words[2]))
        return tell();
    tap_begin("spawn");
    tap_limit(300);
    if (!geteuid()) {
        if (identity_find("nobody", &nobody))
            die("no user nobody: %s", strerror(errno));
        id = &nobody;
        /* to be lost */
        if (setgroups(1, &(gid_t){ 1 }))
            die("setgroups: %s", strerror(errno));
    }
    if (!mkdtemp(folder))
        die("%s: %s", folder, strerror(errno));
    found();
    with_us(NULL, "the same user");
    if (id)
        with_us(id, "another one");
    else
        skip("another user that ends", "this is not root");
    renderer();
    rmdir(folder);
    return tap_end();
}
