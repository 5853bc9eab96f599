/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The domains that a domain has privilege over, as their device model: the one
 * of XEN_DOMCTL_set_target, which is for good, and a list of others, which the
 * toolstack may change.
 */
#ifndef XEN_TARGET_H
#define XEN_TARGET_H

#include <xen/sched.h>

#ifdef CONFIG_MEMORY_LENDING

/*
 * All with the domctl lock held, but for the first, which takes no lock and is
 * right for no longer than it takes.
 */

static inline bool domain_is_target(const struct domain *src,
                                    const struct domain *target)
{
    const unsigned long *list = ACCESS_ONCE(src->targets);

    return src->target == target ||
           (unlikely(list) && target->domain_id < DOMID_FIRST_RESERVED &&
            test_bit(target->domain_id, list));
}

/*
 * 0, also if it is one; -EINVAL (itself), -EOPNOTSUPP (not HVM, or dom0), -ESRCH
 * (dying) or -ENOMEM.
 */
int domain_add_target(struct domain *d, struct domain *target);

/*
 * 0, also if it is none; -EINVAL (it would have to wait for its own vCPUs), or
 * -ERESTART: to be called again.  When it returns 0, what d did to the target by
 * ways that need privilege for each step is over: it emulates nothing there any
 * more, and lends nothing.  Unless it has privilege there by other means: then
 * all stays.
 */
int domain_remove_target(struct domain *d, struct domain *target);

/* The target is dying: its number may be another's soon. */
void domain_forget_target(const struct domain *target);

void domain_free_targets(struct domain *d);

#else

static inline bool domain_is_target(const struct domain *src,
                                    const struct domain *target)
{
    return src->target == target;
}
static inline void domain_forget_target(const struct domain *target) {}
static inline void domain_free_targets(struct domain *d) {}

#endif /* CONFIG_MEMORY_LENDING */

#endif /* XEN_TARGET_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
