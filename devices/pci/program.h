/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs of all devices have in common: the options that say where
 * the device is, and how it starts. */
#ifndef DEVICES_PROGRAM_H
#define DEVICES_PROGRAM_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include <xentoollog.h>

struct program {
    const char *help;
    /* Where the options' values go, and their defaults are */
    uint32_t *domid;
    unsigned *slot;
    uint64_t *address, *size;
    unsigned *policy;
    bool *detach;
    bool have_domain;
};

/* For getopt_long(), with the program's own from PROGRAM_OWN on */
enum {
    PROGRAM_DOMAIN = 256, PROGRAM_SIZE, PROGRAM_ADDRESS, PROGRAM_SLOT,
    PROGRAM_POLICY, PROGRAM_DETACH, PROGRAM_HELP, PROGRAM_OWN,
};
#define PROGRAM_OPTIONS \
    { "domain", required_argument, NULL, PROGRAM_DOMAIN }, \
    { "size", required_argument, NULL, PROGRAM_SIZE }, \
    { "address", required_argument, NULL, PROGRAM_ADDRESS }, \
    { "slot", required_argument, NULL, PROGRAM_SLOT }, \
    { "policy", required_argument, NULL, PROGRAM_POLICY }, \
    { "detach", no_argument, NULL, PROGRAM_DETACH }, \
    { "help", no_argument, NULL, PROGRAM_HELP }

/* What getopt_long() has found and is none of the program's own.  0, or the
 * exit status, after a message.  Does not return from --help. */
int program_option(struct program *p, int opt);
/* There are no more options.  The same. */
int program_options_end(const struct program *p, int argc, char **argv);

struct started {
    xentoollog_logger *logger;
    int ready;      /* for keeper_ready() */
    int signals;    /* a signalfd */
};

/*
 * Returns in the process that is to be the device (keeper.h), in which SIGINT,
 * SIGTERM, SIGHUP and `more` (0: none) are to be read.  0, or -1 after a message.
 */
int program_start(struct started *s, uint32_t domid, bool detach, int more);

/* Says what can be said of why no memory can be lent at its address. */
void program_refused(uint32_t domid, uint64_t address, uint64_t size, int err);

#endif
