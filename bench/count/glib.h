/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of glib as qemu-plugin.h names: the lab has no other use for it. */
#ifndef COUNT_GLIB_H
#define COUNT_GLIB_H

typedef struct _GArray GArray;
typedef struct _GByteArray GByteArray;

#endif
