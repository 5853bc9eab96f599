# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The Intel machine: Bochs.  Sourced by run, like machine-qemu.sh.
# shellcheck disable=SC2034,SC2154

# one host thread, whatever the number of emulated processors: it may run beside the AMD machine
LOCK=/tmp/xenlend-lab-intel.lock

machine_options() {
	# Bochs may say nothing for long where the host is busy; an emulated machine that idles still burns a processor
	quiet_timeout=${quiet_timeout:-900} ept_cache=${ept_cache:-1} model=${model:-broadwell_ult}
	if [ "$lender" != pv ]; then die "the Intel machine has no IOMMU, and no KVM was tried there: --lender pv only"; fi
	if [ -n "$qemu$cpu_flags$thread$nested_tlb" ]; then die "--qemu, --cpu-flags, --thread and --nested-tlb are the AMD machine's"; fi
	if [ "$interactive" = yes ]; then die "no terminal in the Intel machine: --script FILE"; fi
	case $ept_cache in 0 | 1 | 2) ;; *) die "--ept-cache is 0, 1 or 2" ;; esac
	mem=$(numfmt --from=iec "$mem") || die "--mem $mem: a number with K, M or G"
	mem=$((mem >> 20))
}

machine_make() {
	local bochs here
	bochs=$("$LAB/bochs")
	here=$(tree_path "$log")
	# Mitigations cost a tenth of the time, and there is nothing here that a processor could leak.
	# MONITOR walks the whole TLB in Bochs: idle processors are to halt (with four, powering off took minutes).
	# GRUB reads the second disk as the tar that it is.
	rm -rf "${log:?}/boot"
	mkdir "$log/boot"
	ln -s "$xen/xen" "$log/boot/xen"
	ln -s "$kernel" "$log/boot/vmlinuz"
	ln -s "$initrd" "$log/boot/initrd"
	if [ -n "$policy" ]; then ln -s "$policy" "$log/boot/policy"; fi
	cat >"$log/boot/grub.cfg" <<-END
		serial --unit=0 --speed=115200
		terminal_output serial
		echo loading Xen
		multiboot2 (hd1)/xen xen console=com1 com1=115200,8n1 $xen_line spec-ctrl=no xpti=no mwait-idle=no $xen_opts
		echo loading Linux
		module2 (hd1)/vmlinuz vmlinuz console=hvc0 mitigations=off $linux
		echo loading the initrd
		module2 --nounzip (hd1)/initrd
		${policy:+module2 --nounzip (hd1)/policy}
		echo booting
		boot
	END
	tar -C "$log/boot" -chf "$log/boot.img" grub.cfg xen vmlinuz initrd ${policy:+policy}
	cp "$log/boot/grub.cfg" "$log/command"
	rm -rf "${log:?}/boot"
	cp "$bochs/grub.img" "$log/grub.img"
	# whole cylinders
	truncate -s %516096 "$log/grub.img" "$log/boot.img"

	# Emulated time is executed instructions, 200 million to a second: it does not depend on how busy the host is.
	cat >"$log/bochsrc" <<-END
		config_interface: textconfig
		display_library: nogui
		cpu: model=$model, count=$smp, ips=200000000, quantum=16, reset_on_triple_fault=0
		memory: guest=$mem, host=$mem, block_size=2048
		romimage: file=$(tree_path "$bochs")/BIOS-bochs-latest, options=fastboot
		vgaromimage: file=$(tree_path "$bochs")/vgabios.bin
		pci: enabled=1, chipset=i440fx, slot1=pcivga
		vga: extension=vbe, update_freq=1, realtime=0
		clock: sync=none, rtc_sync=0, time0=1700000000
		ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
		ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
		ata0-master: type=disk, mode=flat, path=$here/grub.img, model=XLGRUB
		ata0-slave: type=disk, mode=flat, path=$here/boot.img, model=XLBOOT
		ata1-master: type=disk, mode=flat, path=$here/results.img, model=XLRESULTS
		ata1-slave: type=disk, mode=flat, path=$here/swap.img, model=XLSWAP
		boot: disk
		com1: enabled=1, mode=file, dev=$here/serial.log
		com2: enabled=1, mode=file, dev=$here/text.log
		parport1: enabled=0
		log: $here/bochs.log
		panic: action=fatal
		error: action=ignore
		info: action=report
		debug: action=ignore
	END
	# a Bochs that was killed leaves these, and the next one refuses the disks
	rm -f "$log"/*.img.lock
	# it never idles: if it uses no time it waits for itself
	watch=(--asleep 120 --tells bochs)
	# what it says goes to a file of its own: standard output is the job's
	# shellcheck disable=SC2016
	launch=("$LAB/in-tree" env "BOCHS_QUANTUM=128" "BOCHS_EPT_CACHE=$ept_cache" sh -c 'out=$1; shift; exec "$@" >"$out" 2>&1' sh
		"$here/bochs.out" "$(tree_path "$bochs")/bochs" -q -f "$here/bochsrc")
	printf '\n' >>"$log/command"
	printf '%q ' "${launch[@]}" >>"$log/command"
}

machine_ended() {
	rm -f "$log"/{grub.img,boot.img} "$log"/*.img.lock
	grep '^EPT cache of' "$log/bochs.out" >&2 || :
	if grep -m 3 'late: stale EPT mapping' "$log/bochs.out" >&2; then
		note "FAILED: a mapping was used long after it was gone from the tables: $log/bochs.out"
		return 1
	fi
}
