/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stats.h"

void xenlend_stats_from_kernel(struct xenlend_stats *to,
                               const struct lenddev_stats *from)
{
    memset(to, 0, sizeof(*to));
    to->pages_lent = from->pages_lent;
    to->vcpus_held = from->vcpus_held;
    to->faults_read = from->faults_read;
    to->faults_write = from->faults_write;
    to->upgrades = from->upgrades;
    to->around = from->around;
    to->copies = from->copies;
    to->lends = from->lends;
    to->lend_calls = from->lend_calls;
    to->revokes = from->revokes;
    to->revoke_calls = from->revoke_calls;
    to->invalidations = from->invalidations;
    to->refaults = from->refaults;
    to->retries = from->retries;
    to->errors = from->errors;
    to->holds = from->holds;
    to->stalls = from->stalls;
    to->fault_max_ns = from->fault_max_ns;
    to->fault_total_ns = from->fault_total_ns;
    to->revoke_max_ns = from->revoke_max_ns;
    to->revoke_total_ns = from->revoke_total_ns;
    _Static_assert(sizeof(to->fault_us) == sizeof(from->fault_us), "buckets");
    memcpy(to->fault_us, from->fault_us, sizeof(to->fault_us));
    memcpy(to->revoke_us, from->revoke_us, sizeof(to->revoke_us));
    to->interrupts = from->interrupts;
    to->ahead = from->ahead;
    to->unused = from->unused;
    to->to_device = from->to_device;
    to->to_ram = from->to_ram;
    to->large = from->large;
}
