// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S4: what is lent is in no table of the IOMMU.
 */
#include "suites.h"

/* Does Xen's dump of the IOMMU's tables say that this frame number is mapped there?  -1: no dump. */
static int in_iommu(uint32_t domid, uint64_t first, uint64_t nr, unsigned *lines)
{
	static char ring[1 << 20];
	unsigned n = sizeof(ring) - 1;
	uint32_t index = 0;
	char *s, *p, head[40];
	uint64_t dfn, mfn;
	bool mine = false;
	int found = 0, seen = 0;

	xc_readconsolering(xch, ring, &(unsigned){ sizeof(ring) - 1 }, 1, 0, &index);	/* clears */
	if (xc_send_debug_keys(xch, "o"))
		return -1;
	usleep(500000);
	index = 0;
	if (xc_readconsolering(xch, ring, &n, 0, 0, &index))
		return -1;
	ring[n] = 0;
	*lines = 0;
	snprintf(head, sizeof(head), "IOMMU d%u table", domid);
	for (s = strtok(ring, "\n"); s; s = strtok(NULL, "\n")) {
		if (strstr(s, "IOMMU d")) {
			mine = strstr(s, head);
			seen |= mine;
		}
		p = strstr(s, "dfn: ");
		if (mine && p && sscanf(p, "dfn: %lx  mfn: %lx", &dfn, &mfn) == 2) {
			++*lines;
			/* one line may stand for a larger page; none of those starts inside a window */
			if (dfn >= first && dfn < first + nr)
				found = 1;
		}
	}
	return seen ? found : -1;
}

void suite_iommu(void)
{
	struct guest *g;
	struct raw *r;
	struct win *w;
	struct pool *p;
	unsigned lines = 0;
	xc_physinfo_t phys;
	int rc, i;

	xen_open();
	xc_physinfo(xch, &phys);
	if (!(phys.capabilities & XEN_SYSCTL_PHYSCAP_directio)) {
		skip("a borrower with an IOMMU", "this machine has none");
		return;
	}
	rc = guest_try_new(&(struct guest_options){ .iommu = true }, &g);
	if (!eq(rc, 0, "a PVH domain with an IOMMU context"))
		return;
	r = raw_open(g);
	p = pool_new(8);
	w = raw_window(r, WIN_GFN, 8);
	ok(true, "a window in it: page tables and IOMMU tables are separate on this machine");
	raw_back(w, 0, 8, p, 0);
	gop(g, 0, GOP_TOUCH, W(0), 8, 1, 1);
	rc = in_iommu(g->domid, 0, 2048, &lines);
	if (rc < 0)
		skip("what the IOMMU maps", "no dump of this domain's IOMMU tables");
	else {
		eq(rc, 1, "the IOMMU's tables map the guest's RAM (%u lines)", lines);
		eq(in_iommu(g->domid, WIN_GFN, 8, &lines), 0, "... and no lent slot");
		win_revoke(w, 0, 8);
		for (i = 0; i < 8; i++)
			win_lend(w, i, i & 1);
		eq(in_iommu(g->domid, WIN_GFN, 8, &lines), 0, "... neither after revoke and lend, writable or not");
	}
	eq(gop(g, 0, GOP_TOUCH, W(0), 8, 0), 8 + 28, "the guest uses its slots");
	raw_close(r);
	ok(guest_free(g), "the guest goes away");
	pool_free(p);
}
