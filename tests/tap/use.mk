# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the Makefiles of tests that run in user space.  Expects TOP; gives TAP_CFLAGS, TAP_SRC to compile along, with the
# same sanitizers as what is tested, and TAP_DEP, what to be made again for.

TAP_DIR    := $(TOP)/tests/tap
TAP_CFLAGS := -I$(TAP_DIR)
TAP_SRC    := $(TAP_DIR)/tap.c
TAP_DEP    := $(TAP_SRC) $(TAP_DIR)/tap.h
