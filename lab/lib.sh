# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shared by the scripts of the lab: where things are, how they talk, how they become root, how they run
# something inside the Debian tree.  Sourced, never run.

set -euo pipefail

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$LAB/.." && pwd)
BUILD=$TOP/build
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/xenlend
# shellcheck disable=SC2034 # for the scripts
SUITE=trixie
JOBS=${JOBS:-$(nproc)}

# Which of the series in hypervisor/patches, each for another Xen; its "base" says which one.  The plain copies of the
# new files, in hypervisor/xen and hypervisor/tools, are those of one of them.
export XEN_SERIES=${XEN_SERIES:-4.20}
PATCHES=$TOP/hypervisor/patches/$XEN_SERIES
PLAIN=
# shellcheck disable=SC2034 # for the scripts
if [ "$XEN_SERIES" = 4.20 ]; then PLAIN=$TOP/hypervisor; fi
series_names() { sed -e 's/[[:space:]]*#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$PATCHES/series"; }

# Which kernel dom0 has, and modules are built for: see lab/kernel.
export KERNEL=${KERNEL:-6.12}
known_kernel() {
	case $1 in
	6.12 | 6.1 | newest | debug | kasan) ;;
	*) die "kernel $1: 6.12, 6.1, newest, debug or kasan" ;;
	esac
}

# Seconds since the first script of this run started: children inherit it, so that all steps share one clock.
export XENLEND_T0=${XENLEND_T0:-$(date +%s)}

note() { printf '[%4ds] %s\n' "$(($(date +%s) - XENLEND_T0))" "$*" >&2; }
warn() { printf '[%4ds] warning: %s\n' "$(($(date +%s) - XENLEND_T0))" "$*" >&2; }
die() {
	printf '[%4ds] error: %s\n' "$(($(date +%s) - XENLEND_T0))" "$*" >&2
	exit 1
}

# The tree, the initramfs and chroot need root.  $1: the script to start again, the rest: its arguments.
become_root() {
	if [ "$(id -u)" = 0 ]; then return; fi
	command -v sudo >/dev/null || die "this needs root: run it as root, or install sudo"
	exec sudo env HOME="$HOME" XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XENLEND_T0="$XENLEND_T0" \
		XENLEND_MIRROR="${XENLEND_MIRROR:-}" XEN_SOURCE="${XEN_SOURCE:-}" XEN_SERIES="$XEN_SERIES" KERNEL="$KERNEL" JOBS="$JOBS" "$@"
}

# What a run through sudo leaves in build/ belongs to whoever owns the checkout.
give_back() {
	local owner
	owner=$(stat -c %u:%g "$TOP")
	if [ "$(id -u)" = 0 ] && [ "$owner" != 0:0 ] && [ -d "$BUILD" ]; then
		chown -R "$owner" "$BUILD"
	fi
}

# quiet LOGFILE COMMAND...: output to the log; on failure say so and show its end.
quiet() {
	local log=$1
	shift
	mkdir -p "$(dirname "$log")"
	if ! "$@" >"$log" 2>&1 </dev/null; then
		echo "--- last lines of $log" >&2
		tail -n 40 "$log" >&2
		die "failed: $* (whole log: $log)"
	fi
}

# One builder at a time for things in the cache, and one for things in build/.
lock() {
	mkdir -p "$(dirname "$2")"
	eval "exec $1>>\"\$2\""
	if ! flock -n "$1"; then
		note "waiting for another run that holds $2"
		flock "$1"
	fi
}

hash_of() { sha256sum | cut -c1-16; }

# in_tree TREE COMMAND...: run it inside the Debian tree.  The checkout is /src there, the cache /cache.  Mounts live
# in a private namespace and processes in their own PID namespace: both vanish with the command, however it ends.
in_tree() {
	local tree=$1
	shift
	mkdir -p "$tree/src" "$tree/cache"
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --kill-child --propagation private bash -c '
		set -e
		tree=$1 top=$2 cache=$3
		shift 3
		mount -t proc proc "$tree/proc"
		mount --rbind /dev "$tree/dev"
		mount --rbind /sys "$tree/sys" 2>/dev/null || :
		mount -t tmpfs tmpfs "$tree/tmp"
		mount --bind "$top" "$tree/src"
		mount --bind "$cache" "$tree/cache"
		# not exec: the first process of a namespace cannot end itself by a signal, and make spins when it tries
		chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" "$@" || exit
	' in_tree "$tree" "$TOP" "$CACHE" "$@"
}

split_mutation() { # PATCH OURS XEN: what one of tests/mutations changes in this project goes to OURS, and in Xen to XEN
	: >"$2"
	: >"$3"
	awk -v ours="$2" -v xen="$3" '/^--- / { out = $2 ~ "^a/xen/" ? xen : ours } out { print >out }' "$1"
}
