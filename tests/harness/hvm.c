// SPDX-License-Identifier: GPL-2.0-or-later
/* See hvm.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "hvm.h"
#include "tap.h"

bool guests_hvm;

bool hvm_wanted(const struct guest_options *o)
{
	/* what xl would not do, or not so, is done by hand */
	return o->hvm || (guests_hvm && !o->domid && !o->iommu && !o->pv && !o->empty && !o->nested && !o->altp2m && !o->no_xenstore);
}

pid_t guest_qemu(uint32_t domid)
{
	struct xs_handle *x = xsh ? xsh : xs_open(0);
	pid_t pid = 0;
	char path[64];
	char *s;

	if (!x)
		return 0;
	snprintf(path, sizeof(path), "/local/domain/%u/image/device-model-pid", domid);
	s = xs_read(x, XBT_NULL, path, NULL);
	if (s)
		pid = atoi(s);
	free(s);
	if (x != xsh)
		xs_close(x);
	return pid;
}

/*
 * A domain with what every HVM guest has, but a display and disks.  Its first program is ours, in hvmloader's place, which
 * the builder enters as it enters a PVH kernel.  The name tells which domain it has become.
 */
int hvm_build(const struct guest_options *o, uint32_t *domid)
{
	unsigned mb = o->mem_mb ? o->mem_mb : 8;
	static unsigned serial;
	char name[40], cfg[64], log[64], line[160];
	FILE *f;
	int rc;

	snprintf(name, sizeof(name), "xltest-%d-%u", getpid(), serial++);
	snprintf(cfg, sizeof(cfg), "/tmp/%s.cfg", name);
	snprintf(log, sizeof(log), "/tmp/%s.log", name);
	f = fopen(cfg, "we");
	if (!f)
		return -errno;
	fprintf(f, "name = \"%s\"\ntype = \"hvm\"\nmemory = %u\nvcpus = %u\nshadow_memory = 4\nfirmware_override = \"%s\"\n",
		name, mb + (o->vga ? 16 : 0), MBOX_CPUS, TESTGUEST_HVM);
	fprintf(f, "vga = \"%s\"\nvideoram = %u\nvnc = 0\nusb = 0\nserial = \"none\"\non_poweroff = \"preserve\"\n"
		"on_reboot = \"preserve\"\non_crash = \"preserve\"\n", o->vga ? "stdvga" : "none", o->vga ? 16 : 0);
	if (o->qemu)
		fprintf(f, "device_model_args_hvm = [ %s ]\n", o->qemu);
	if (fclose(f))
		return -errno;
	at("xl create of an HVM guest");
	rc = shell("xl create -e -p %s >%s 2>&1 </dev/null", cfg, log);
	if (!rc) {
		f = NULL;
		snprintf(line, sizeof(line), "xl domid %s", name);
		f = popen(line, "re");
		if (!f || fscanf(f, "%u", domid) != 1)
			rc = -1;
		if (f)
			pclose(f);
	}
	if (rc) {
		f = fopen(log, "re");
		while (f && fgets(line, sizeof(line), f))
			note("%.*s", (int)strcspn(line, "\n"), line);
		if (f)
			fclose(f);
		rc = shell("sed 's/^/# /' /var/log/xen/qemu-dm-%s.log", name);
		rc = -EIO;
	}
	unlink(cfg);
	unlink(log);
	return rc;
}

int hvm_destroy(uint32_t domid)
{
	return shell("xl destroy %u >/dev/null 2>&1 </dev/null", domid) ? -EIO : 0;
}
