# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the Makefiles of programs that use this folder.  Expects OUT, TOP, BASE and, if there is no xenlend.h on the compiler's
# paths, LEND_CFLAGS in BASE; gives COMMON_CFLAGS, COMMON_OBJ to link before LEND_LIBS, and COMMON_LIBS for after it.

COMMON_DIR    := $(TOP)/common
COMMON_CFLAGS := -I$(COMMON_DIR)
COMMON_OBJ    := $(patsubst $(COMMON_DIR)/%.c,$(OUT)/common/%.o,$(wildcard $(COMMON_DIR)/*.c))
COMMON_LIBS   := -lxenctrl -lxenforeignmemory -lxentoollog -lm

$(OUT)/common/%.o: $(COMMON_DIR)/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<
