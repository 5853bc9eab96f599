# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the Makefiles of all programs agree on.  Each sets TOP, the top of the checkout, and PART, its own folder there,
# includes this, and has the targets all, install and clean, and check where it has unit tests.
#
#   O=DIR            where everything is built (default: build/PART)
#   CC, CFLAGS       the compiler, and what it is to do beyond what the sources need
#   SANITIZE=a,b     what unit tests run under
#   DESTDIR, PREFIX  where install puts things

O        ?= $(TOP)/build/$(PART)
OUT      := $(abspath $(O))
PREFIX   ?= /usr
ifeq ($(origin CC),default)
CC       := gcc
endif
CFLAGS   ?= -O2 -g
SANITIZE ?= address,undefined

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
SAN  := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer

# No -Werror: warnings are for lint to refuse, not for whoever builds with another compiler.
.DELETE_ON_ERROR:
