# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the Makefiles of programs that embed a device.  Expects OUT and TOP, after library/use.mk; gives DEVICE_CFLAGS,
# DEVICE_LIBS (to be linked before LEND_LIBS) and DEVICE_DEP, a target to depend on.

DEVICE_DIR    ?= $(abspath $(OUT)/../devices)
DEVICE_CFLAGS := -I$(TOP)/devices
DEVICE_DEP    := $(DEVICE_DIR)/libxenlend-device.a
DEVICE_LIBS   := $(DEVICE_DEP)
DEVICE_XEN    := -lxendevicemodel -lxenforeignmemory -lxenevtchn -lxentoollog

.PHONY: libxenlend-device
libxenlend-device:
	@$(MAKE) --no-print-directory -C $(TOP)/devices all O=$(DEVICE_DIR) >&2
$(DEVICE_DEP): libxenlend-device ;
