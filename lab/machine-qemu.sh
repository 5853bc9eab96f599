# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The AMD machine: QEMU's TCG.  Sourced by run, whose variables these functions use; they set "launch", the command that is
# the machine, "watch", what monitor.py is to know of it, and "keys", whether it can type on Xen's console.
# shellcheck disable=SC2034,SC2154

LOCK=/tmp/xenlend-lab.lock

machine_options() {
	qemu=${qemu:-patched} thread=${thread:-multi} quiet_timeout=${quiet_timeout:-300} nested_tlb=${nested_tlb:-1}
	case $qemu in
	patched | tree | host) ;;
	*/*) [ -x "$qemu" ] || die "$qemu: no such program" ;;
	*) die "--qemu is patched, tree, host or a path" ;;
	esac
	case $nested_tlb in 0 | 1 | 2) ;; *) die "--nested-tlb is 0, 1 or 2" ;; esac
	if [ -n "$ept_cache$model" ]; then die "--ept-cache and --model are the Intel machine's"; fi
	case "$args$linux_opts$job" in *,*) die "no commas in a job's name or arguments, nor in --linux-opts: QEMU's -initrd splits there" ;; esac
}

# Everything is known: $kernel, $initrd, $linux; and $xen with $xen_line, and $policy if there is one, unless the lender is bare.
machine_make() {
	local program=qemu-system-x86_64 cpu serial console plugin
	case $qemu in
	patched) program=$("$LAB/qemu") ;;
	*/*)
		cp "$qemu" "$log/qemu-system-x86_64"
		program=$(inside "$log/qemu-system-x86_64")
		;;
	esac
	#  -rdtscp: TCG reports RDTSCP as RDTSC, and Xen then crashes a PVH dom0 that uses it
	#  -v-vmsave-vmload: seen with more deaths of a PVH dom0, before qemu-patches/ignne-race.patch; not tried since
	cpu=max,+svm,+npt,-rdtscp,-v-vmsave-vmload
	case $program in
	/*) cpu+=,+invtsc,x-nested-tlb=$nested_tlb ;; # ours knows both
	*) if [ "$nested_tlb" = 2 ]; then die "--nested-tlb 2 needs our QEMU"; fi ;;
	esac
	cpu+=${cpu_flags:+,$cpu_flags}
	# shellcheck disable=SC2054 # commas within the values
	launch=(
		"$program" -L /usr/share/qemu -L /usr/share/seabios -accel "tcg,thread=$thread" -M q35 -cpu "$cpu" -device amd-iommu -m "$mem" -smp "$smp"
		-no-reboot -nic none -display none -vga none
		-drive "file=$(inside "$log/results.img"),format=raw,if=none,id=results,cache=unsafe"
		-device ide-hd,drive=results,bus=ide.0,model=XLRESULTS
		-drive "file=$(inside "$log/swap.img"),format=raw,if=none,id=swap,cache=unsafe"
		-device ide-hd,drive=swap,bus=ide.1,model=XLSWAP
		-device bochs-display,vgamem=32M # for its memory, which is lent
		-device edu,dma_mask=0xffffffffffff # for its DMA
	)
	if [ -n "$gpu_root" ]; then # never written to
		# shellcheck disable=SC2054 # commas within the values
		launch+=(-drive "file=$(inside "$gpu_root/gpu.img"),format=raw,if=none,id=gpu,snapshot=on"
			-device ide-hd,drive=gpu,bus=ide.2,model=XLGPU)
	fi
	serial=$(inside "$log/serial.log")
	if [ "$interactive" = yes ]; then
		launch+=(-chardev "stdio,id=console,mux=on,signal=off,logfile=$serial" -serial chardev:console -mon chardev=console)
	else
		console=file,id=console,path=$serial
		# input comes from the monitor, when it asks a hanging Xen what it waits for
		if [ "$lender" != bare ]; then
			console+=,input-path=$(inside "$log/keys")
			keys=yes
		fi
		launch+=(-monitor none -chardev "$console" -serial chardev:console)
		launch+=(-qmp "unix:$(inside "$log/qmp"),server=on,wait=off")
	fi
	launch+=(-serial "file:$(inside "$log/text.log")")
	if [ "$lender" = bare ]; then
		launch+=(-kernel "$(inside "$kernel")" -initrd "$(inside "$initrd")" -append "console=ttyS0 $linux")
	else
		# eager-fpu: TCG executes XSAVE and XRSTOR also when CR0.TS is set.  Xen's lazy switching then never hears of it, and
		# SSE and AVX registers leak from one domain into the other: seen as garbage in what programs of dom0 print.
		launch+=(-kernel "$(inside "$xen/xen")" -initrd "$(inside "$kernel") console=hvc0 $linux,$(inside "$initrd")${policy:+,$(inside "$policy")}"
			-append "console=com1 $xen_line spec-ctrl=eager-fpu${xen_opts:+ $xen_opts}")
	fi
	if [ -n "$count" ]; then
		case $program in */qemu-*/*) ;; *) die "--count needs our QEMU" ;; esac
		plugin=$(counter "$program") || die "bench/count does not build (build/logs/count.log)"
		if [ "$count" = totals ]; then plugin+=,totals=on; fi
		launch+=(-plugin "file=$plugin,out=$(inside "$log/count")$(counted_ranges)")
	fi
	watch=(--asleep 90 --qmp "$log/qmp" --memory "$log/memory" --memory-in-qemu "$(inside "$log/memory")")
	printf '%q ' "${launch[@]}" >"$log/command"
	if [ "$qemu" != host ]; then launch=("$LAB/in-tree" "${launch[@]}"); fi
}

counter() { # QEMU: the plugin that counts instructions, built against it
	local dir=build/obj/count
	mkdir -p "$TOP/$dir" "$BUILD/logs"
	in_tree "$tree" gcc -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -fPIC -shared -I "${1%/*}" -I /src/bench/count \
		-o "/src/$dir/insncount.so" /src/bench/count/insncount.c >"$BUILD/logs/count.log" 2>&1 || return
	echo "/src/$dir/insncount.so"
}

counted_ranges() { # where Xen interrupts another processor, where it begins when it was, and its locks
	if [ "$lender" = bare ]; then return; fi
	in_tree "$tree" nm -n "$(inside "$xen/xen-syms")" | awk '
		$2 !~ /[tT]/ { next }
		key { print "," key "=" from "-" $1; key = "" }
		$3 ~ /(^|#)send_IPI_mask/ { key = "ipi" }
		$3 ~ /(^|#)_r?(spin|read|write)_lock/ { key = "lock" }
		$3 ~ /(^|#)(common_interrupt|event_check_interrupt|do_IRQ)$/ { key = "wake" }
		key { from = $1 }' | tr -d '\n'
}

inside() { # a path of the host as QEMU sees it
	if [ "$qemu" = host ]; then echo "$1"; else tree_path "$1"; fi
}

machine_ended() { :; }
