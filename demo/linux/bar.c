/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs in a Debian Linux guest: finds the ivshmem device, maps its BAR 2 and uses it, while the lender evicts pages.
 * What it finds it writes, as TAP, into the BAR too.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bar.h"

#define PCI "/sys/bus/pci/devices"

static char dir[280], *report;
static volatile unsigned char *bar;
static unsigned at, n, failed;

static void say(const char *fmt, ...)
{
    char line[200];
    va_list al;
    int len;

    va_start(al, fmt);
    len = vsnprintf(line, sizeof(line), fmt, al);
    va_end(al);
    fputs(line, stdout);
    if (report && len > 0) {
        memcpy(report + at, line, len);
        at += len;
    }
}

static void ok(int good, const char *what)
{
    say("%sok %u - %s\n", good ? "" : "not ", ++n, what);
    failed += !good;
}

static int open_in(const char *name, int flags)
{
    char path[320];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, flags);
    if (fd < 0) {
        printf("%s: %s\n", path, strerror(errno));
        exit(1);
    }
    return fd;
}

static unsigned config(unsigned offset, unsigned size)
{
    int fd = open_in("config", O_RDONLY);
    uint32_t v = 0;

    if (pread(fd, &v, size, offset) != (ssize_t)size)
        v = ~0u;
    close(fd);
    return v;
}

static void set_config(unsigned offset, unsigned size, uint32_t v)
{
    int fd = open_in("config", O_RDWR);

    if (pwrite(fd, &v, size, offset) != (ssize_t)size)
        perror("config");
    close(fd);
}

/* The first 1af4:1110 there is */
static int find(void)
{
    DIR *d = opendir(PCI);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(dir, sizeof(dir), PCI "/%s", e->d_name);
        if (config(0, 4) == 0x11101af4)
            return 1;
    }
    return 0;
}

static uint64_t word(uint64_t i, uint64_t round)
{
    return (i + 1) * 0x9e3779b97f4a7c15ull ^ round << 32;
}

static uint64_t rounds(unsigned count)
{
    volatile uint64_t *table = (void *)(bar + TABLE), *anon = (void *)(bar + ANON);
    uint64_t words = 4 * MIB / 8, wrong = 0;

    /* every 16th word: all pages, and no more time than needed */
    for (uint64_t r = 0; r < count; r++) {
        for (uint64_t i = r % 16; i < words; i += 16) {
            wrong += table[i] != word(i, 0);
            table[i] = word(i, r + 1);
            anon[i] = ~word(i, r + 1);
        }
        for (uint64_t i = r % 16; i < words; i += 16)
            wrong += table[i] != word(i, r + 1) || anon[i] != ~word(i, r + 1);
        for (uint64_t i = r % 16; i < words; i += 16)
            table[i] = word(i, 0);
    }
    return wrong;
}

int main(void)
{
    volatile uint64_t *counter;
    uint64_t first;
    struct stat st;
    unsigned command;
    char *lent;
    int fd, mem;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!find()) {
        puts("no device 1af4:1110");
        return 1;
    }
    fd = open_in("resource2", O_RDWR);
    bar = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bar == MAP_FAILED) {
        perror("resource2");
        return 1;
    }
    report = (char *)bar + REPORT;
    ok(!fstat(fd, &st) && st.st_size == (off_t)SIZE, "BAR 2 has its size");
    ok(config(0x0a, 2) == 0x0500 && config(0x08, 1) == 1 && config(0x18, 4) == 0xc, "class, revision, kind of BAR 2");
    ok(*(volatile uint32_t *)mmap(NULL, 4096, PROT_READ, MAP_SHARED, open_in("resource0", O_RDWR), 0) == 0,
       "BAR 0 answers");

    first = *(volatile uint64_t *)(bar + TABLE);
    ok(first == word(0, 0), "the file's first word");
    ok(!rounds(16), "16 rounds over 8 MiB: every word as it was left");

    counter = (void *)(bar + ANON + 64);
    *counter = 0;
    for (int i = 0; i < 100000; i++)
        __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
    ok(*counter == 100000, "100000 LOCKed additions");

    ok(*(volatile uint32_t *)(bar + HOLE) == 0xffffffff, "nothing placed: ones");
    *(volatile uint32_t *)(bar + HOLE) = 0;
    ok(*(volatile uint32_t *)(bar + HOLE) == 0xffffffff, "and a write there is dropped");

    command = config(4, 2);
    ok(command & 2, "memory decoding is on");
    set_config(4, 2, command & ~2u);
    first = *(volatile uint64_t *)(bar + TABLE);
    set_config(4, 2, command);
    ok(first == ~0ull, "off: ones");
    ok(*(volatile uint64_t *)(bar + TABLE) == word(0, 0) && *counter == 100000, "on again: everything is there");

    set_config(4, 2, command & ~2u);
    set_config(0x1c, 4, 3);     /* to 12 GiB */
    set_config(4, 2, command);
    first = *(volatile uint64_t *)(bar + TABLE);
    set_config(4, 2, command & ~2u);
    set_config(0x1c, 4, 2);
    set_config(4, 2, command);
    ok(first == ~0ull, "moved elsewhere: ones where it was");
    ok(*(volatile uint64_t *)(bar + TABLE) == word(0, 0), "moved back: everything is there");

    /* No driver of the guest knows this window: only its address is known. */
    mem = open("/dev/mem", O_RDWR | O_SYNC);
    lent = mem < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mem, LENT);
    ok(lent != MAP_FAILED && !memcmp(lent, LENT_TEXT, sizeof(LENT_TEXT) - 1), "a file lent by the command");
    if (lent != MAP_FAILED) {
        *(volatile char *)lent = 'X';
        ok(*(volatile char *)lent == LENT_TEXT[0], "is read-only");
    }

    ((volatile uint64_t *)(bar + TABLE))[1] = 0x64656873696e6966ull; /* "finished" */
    say("1..%u\n", n);
    return failed != 0;
}
