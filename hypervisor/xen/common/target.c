/* SPDX-License-Identifier: GPL-2.0-only */
/* Domains that serve several others as their device model. */

#include <xen/bitops.h>
#include <xen/ioreq.h>
#include <xen/lend.h>
#include <xen/rcupdate.h>
#include <xen/sched.h>
#include <xen/target.h>
#include <xen/xmalloc.h>

/*
 * A bit for each number a domain can have.  No references are held to targets,
 * which would keep them from going away; and no bit can fail to be cleared.
 */
int domain_add_target(struct domain *d, struct domain *target)
{
    unsigned long *list = d->targets;

    if ( d == target )
        return -EINVAL;

    /* Nobody serves who rules; and who calls could not be paused later. */
    if ( !is_hvm_domain(target) || is_control_domain(target) ||
         is_hardware_domain(target) )
        return -EOPNOTSUPP;

    if ( target->is_dying || d->is_dying )
        return -ESRCH;

    if ( !list )
    {
        list = xzalloc_array(unsigned long, BITS_TO_LONGS(DOMID_FIRST_RESERVED));
        if ( !list )
            return -ENOMEM;

        smp_wmb();
        ACCESS_ONCE(d->targets) = list;
    }

    set_bit(target->domain_id, list);

    return 0;
}

int domain_remove_target(struct domain *d, struct domain *target)
{
    int rc;

    if ( d == current->domain )
        return -EINVAL;

    if ( !d->targets )
        return 0;

    clear_bit(target->domain_id, d->targets);

    /* Privilege of another kind cannot be taken back, and what rests on it. */
    if ( d->target == target || is_control_domain(d) )
        return 0;

    /* Calls of d's that saw the bit are over, or come back and look again. */
    domain_pause(d);
    domain_unpause(d);

    rc = ioreq_emulator_end(target, d);
    if ( rc )
        return rc;

    return lend_lender_teardown(d, target);
}

void domain_forget_target(const struct domain *target)
{
    struct domain *d;

    rcu_read_lock(&domlist_read_lock);

    for_each_domain ( d )
        if ( d->targets )
            clear_bit(target->domain_id, d->targets);

    rcu_read_unlock(&domlist_read_lock);
}

void domain_free_targets(struct domain *d)
{
    XFREE(d->targets);
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
