/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The layout of BAR 2 that the job and the program in the guest agree on; the job repeats it for the shell. */
#ifndef BAR_H
#define BAR_H

#define MIB     (1ul << 20)
#define SIZE    (16 * MIB)
#define TABLE   (0 * MIB)   /* 4 MiB, a file: word i is word(i) at first */
#define ANON    (4 * MIB)   /* 4 MiB, anonymous: zeros at first */
#define REPORT  (8 * MIB)   /* 64 KiB, a file: what the program has to say */
#define HOLE    (12 * MIB)  /* nothing from here on */

/* Another window, lent by "xenlend lend": one page of a file, read-only */
#define LENT    0x400000000ul   /* 16 GiB */
#define LENT_TEXT "A page of a file, read-only.\n"

#endif
