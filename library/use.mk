# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For the Makefiles of what uses libxenlend in this tree.  Expects OUT and TOP; gives LEND_CFLAGS, LEND_LIBS and
# LEND_DEP, a target to depend on.  A library built elsewhere: LIBXENLEND=DIR, which holds libxenlend.so.

LIBXENLEND  ?= $(abspath $(OUT)/../library)
LEND_CFLAGS := -I$(TOP)/library/include
LEND_LIBS   := -L$(LIBXENLEND) -lxenlend
LEND_DEP    := $(LIBXENLEND)/libxenlend.so

# Its own Makefile knows best whether it is up to date.
.PHONY: libxenlend
libxenlend:
	@$(MAKE) --no-print-directory -C $(TOP)/library all O=$(LIBXENLEND) >&2
$(LEND_DEP): libxenlend ;
