// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-lend: the module.
 *
 * Lends pageable memory of processes to Xen guests.  Which file may use which:
 *
 *   ioctl     the device and its descriptors
 *   serve     what becomes of a request
 *   window    windows; borrower: domains and the holders of descriptors
 *   resolve   find the page; present: if it is there, in the interrupt
 *   notify    what memory management wants back; page: what can be lent
 *   worker    who works on requests
 *   books     what is lent; event: what holders are told
 *   request   requests of vCPUs
 *   hcall     all that talks to Xen
 *
 * A file uses those below it, through their headers, which say what they
 * promise.  (notify and serve know struct xlend_window; it has no functions
 * that they call but those that are about itself.)
 */
#define pr_fmt(fmt) "xen-lend: " fmt

#include "hcall.h"

#include <linux/module.h>

#include "borrower.h"
#include "ioctl.h"
#include "param.h"
#include "window.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

unsigned int xlend_max_windows = 64;
module_param_named(max_windows, xlend_max_windows, uint, 0444);
MODULE_PARM_DESC(max_windows, "windows of one borrower domain (64)");

unsigned long xlend_max_pages = 1UL << 22;
module_param_named(max_pages, xlend_max_pages, ulong, 0444);
MODULE_PARM_DESC(max_pages, "pages of one window (4194304, that is 16 GiB)");

unsigned int xlend_fault_around = 16;
module_param_named(fault_around, xlend_fault_around, uint, 0644);
MODULE_PARM_DESC(fault_around,
		 "pages looked at by a fault, those present are lent (16; 1 to 64)");

unsigned int xlend_interrupt_faults = 64;
module_param_named(interrupt_faults, xlend_interrupt_faults, uint, 0644);
MODULE_PARM_DESC(interrupt_faults,
		 "faults on present pages served by the interrupt itself, per window and tick (64; 0: none)");

unsigned int xlend_stall_limit = 1000;
module_param_named(stall_limit, xlend_stall_limit, uint, 0644);
MODULE_PARM_DESC(stall_limit,
		 "faults without progress before the vCPU is held (1000; 0: never)");

unsigned int xlend_workers = 8;
module_param_named(workers, xlend_workers, uint, 0444);
MODULE_PARM_DESC(workers,
		 "threads of one window, and no more than its borrower has vCPUs (8; 1 to 64)");

u32 xlend_hv_version;

static int __init xlend_init(void)
{
	struct xen_mem_lend_info info;
	int rc;

	rc = xlend_hc_probe(&info);
	if (rc == -ENODEV) {
		pr_info("not running on Xen\n");
		return -ENODEV;
	}
	if (rc) {
		pr_info("this Xen cannot lend memory (%d)\n", rc);
		return -ENODEV;
	}
	if (info.version != XENMEM_LEND_VERSION) {
		pr_info("Xen lends memory by version %u, this module knows %u\n",
			info.version, XENMEM_LEND_VERSION);
		return -ENODEV;
	}
	xlend_hv_version = info.version;
	xlend_max_windows = min(xlend_max_windows, info.max_windows);
	xlend_max_pages = min_t(u64, xlend_max_pages, info.max_slots);

	xlend_workers = clamp(xlend_workers, 1U, 64U);

	rc = xlend_present_init();
	if (rc)
		return rc;
	rc = xlend_workers_init();
	if (rc)
		goto present;
	rc = xlend_death_init();
	if (rc)
		goto workers;
	rc = xlend_device_init();
	if (rc)
		goto death;
	return 0;

death:
	xlend_death_exit();
workers:
	xlend_workers_exit();
present:
	xlend_present_exit();
	return rc;
}

static void __exit xlend_exit(void)
{
	/* No file is open and no worker runs: both hold the module. */
	xlend_device_exit();
	xlend_death_exit();
	xlend_workers_exit();
	xlend_present_exit();
	WARN_ON(!xlend_windows_none());
}

module_init(xlend_init);
module_exit(xlend_exit);

MODULE_DESCRIPTION("Lend pageable memory to Xen guests");
MODULE_LICENSE("GPL");
