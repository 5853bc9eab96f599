# SPDX-License-Identifier: GPL-2.0-or-later
#
# The project's front door.  The work is done by the scripts in lab/; lab/README.md says how.

SHELL = /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo check check-unit check-lab lint compile-db bench shell build clean distclean

CACHE = $${XDG_CACHE_HOME:-$$HOME/.cache}/xenlend
LENDER ?= pv
XEN ?=
# XEN=release or XEN=debug: each target has its own default

help:
	@echo 'xenlend: memory lending for Xen'
	@echo
	@echo '  make demo        a guest draws into memory that dom0 keeps taking away; ends with build/demo.png'
	@echo '  make demo-gpu    a Linux guest renders by Vulkan, dom0 executes it; ends with build/gpu-demo.apng (LENDER=pvh, MEMORY=udmabuf)'
	@echo '                     VRAM=yes: into a device\'\''s memory, from which it is moved'
	@echo '  make check       all tests: unit tests; in an emulated AMD machine, PV and PVH dom0, a driver domain, and PV with FLASK; in an Intel one, PV dom0'
	@echo '  make check-unit  the unit tests alone'
	@echo '  make check-lab   the tests in the emulated machines alone (LENDERS="pv pvh domu flask intel" SUITES="a b" XEN=debug INTEL=short|full KERNEL=6.12|6.1|newest|debug|kasan)'
	@echo '  make check-gpu   what of the virtio GPU takes longer: a guest that renders in many ways, a hostile one, fuzzers; with a table of figures'
	@echo '                     (PARTS="modes pvh trap life qemu hostile fuzz")'
	@echo '  make check-debug the tests of the driver: PV with lockdep, PVH with KASAN, too (SUITES="a b")'
	@echo '  make lint        what can be said of the sources without running them; BUILD=all: Xen after each patch, too'
	@echo '  make compile-db  compile_commands.json, for clangd'
	@echo '  make bench       the same workload on Xen with lending and on KVM: instructions and times'
	@echo '  make bench-profile  instructions only, and whose they are, with pictures'
	@echo '  make bench-many  instructions of faults of many vCPUs at once'
	@echo '  make shell       a root shell in dom0 of that machine (AMD; LENDER=pv|pvh|bare XEN=debug|release)'
	@echo '  make build       build everything, run nothing'
	@echo '  make coverage    the tests on a Xen that counts: which of our lines in Xen ran (LENDERS, SUITES as for check-lab)'
	@echo '  make clean       remove build/'
	@echo '  make distclean   remove build/ and the cache ('"$(CACHE)"')'
	@echo
	@echo 'What is missing on this machine is installed or built first (Debian 12 or 13; root, or sudo).'

demo:
	@lab/demo $(if $(filter yes,$(VRAM)),vram)

.PHONY: demo-gpu
demo-gpu:
	@LENDER=$(LENDER) MEMORY=$(MEMORY) lab/demo-gpu

check:
	@XEN=$(XEN) lab/check unit lab

check-unit:
	@lab/check unit

check-lab:
	@XEN=$(XEN) lab/check lab

.PHONY: check-debug
check-debug:
	@KERNEL=debug LENDERS=pv SUITES="$(or $(SUITES),driver)" XEN=$(XEN) lab/check lab
	@KERNEL=kasan LENDERS=pvh SUITES="$(or $(SUITES),driver)" XEN=$(XEN) lab/check lab

.PHONY: check-gpu
check-gpu:
	@XEN=$(XEN) lab/check-gpu $(PARTS)

lint:
	@lab/lint $(BUILD)

compile-db:
	@lab/compile-db

bench:
	@lab/bench

.PHONY: bench-many
bench-many:
	@lab/bench --many

.PHONY: bench-profile
bench-profile:
	@lab/bench --profile

shell:
	@lab/run --interactive --lender $(LENDER) --xen $(or $(XEN),debug)

build:
	@lab/build

.PHONY: coverage
coverage:
	@lab/coverage

clean:
	@lab/clean

distclean:
	@lab/clean --cache
