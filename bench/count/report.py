#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions per operation, from what insncount.c wrote.

usage: report.py [-o DIR] [--profile] NAME=LOGDIR...

NAME: kvm, pv, pvh; many, of --count-totals.  LOGDIR: a log folder of lab/run --count, with "count" and results/kallsyms in it, and xen-syms
unless it is KVM's.  Prints the table (DIR/count.md, .json); with --profile also, for each section, the functions (text) and
a picture of components and functions (SVG), to DIR.
"""
import argparse
import bisect
import collections
import html
import json
import os
import re
import subprocess
import sys

# what is shown: title, section, which of its numbers, how many pages that is
CHAIN, NEXT, WINDOW, EACH = 'chain', 'next', 'window', 'each'
ROWS = [
    ('fault, page present: what the guest waits for', 1, CHAIN, 1),
    ('... both processors, to the next fault', 1, NEXT, 1),
    ('fault, page absent: what the guest waits for', 2, CHAIN, 1),
    ('... both processors, to the next fault', 2, NEXT, 1),
    ('fault, anonymous, present: what the guest waits for', 3, CHAIN, 1),
    ('fault, anonymous, absent: what the guest waits for', 4, CHAIN, 1),
    ('fault, in the cache, not mapped: what the guest waits for', 5, CHAIN, 1),
    ('touch in sequence, present, default settings, per page', 6, EACH, 1),
    ('touch in sequence, absent, default settings, per page', 7, EACH, 1),
    ('first touch of every 16th page, 16 a fault, per page', 8, EACH, 16),
    ('first touch of every 64th page, 64 a fault, per page', 9, EACH, 64),
    ('revoke of one page, guest spins', 10, WINDOW, 1),
    ('revoke of one page, guest halted', 11, WINDOW, 1),
    ('the same call, guest has none', 12, WINDOW, 1),
    ('revoke of 256 pages, guest spins, per page', 13, WINDOW, 256),
    ('revoke of 256 pages, guest halted, per page', 14, WINDOW, 256),
    ('the same call, guest has none, per page', 15, WINDOW, 256),
    ('revoke of 256 pages of which one is lent, per call', 16, WINDOW, 1),
    ('populate of 256 pages that are present, per page', 17, WINDOW, 256),
    ('populate of 256 pages that are absent, per page', 18, WINDOW, 256),
    ('touch in sequence, present in pages of 2 MiB, per 4 KiB', 31, EACH, 1),
    ('a fault that brings such a page, per 4 KiB', 33, NEXT, 512),
    ('revoke of such a page, guest halted, per 4 KiB', 32, WINDOW, 512),
]
# what one would do without lending: name, machine, and for each cell what is added up; see others.c
OTHERS_HEAD = ['instructions, both processors', 'first access to a page', '... many pages in a row, per page',
               'each access after that', 'taking 256 pages back, per page']
OTHERS = [
    ('xenlend, PV lender', 'pv', [(1, NEXT, 1)], [(6, EACH, 1)], [(30, NEXT, 1)], [(14, WINDOW, 256)]),
    ('xenlend, PVH lender', 'pvh', [(1, NEXT, 1)], [(6, EACH, 1)], [(30, NEXT, 1)], [(14, WINDOW, 256)]),
    ('KVM', 'kvm', [(1, NEXT, 1)], [(6, EACH, 1)], [(30, NEXT, 1)], [(14, WINDOW, 256)]),
    ('grants that the guest maps, PV lender', 'pv', [(20, WINDOW, 512), (21, NEXT, 1)], [(25, WINDOW, 512), (26, NEXT, 64)],
     [(27, NEXT, 1)], [(28, NEXT, 64), (29, WINDOW, 512)]),
    ('each access traps to a program, PV lender', 'pv', [(19, NEXT, 1)], [(19, EACH, 1)], [(19, NEXT, 1)], []),
]
FIELDS = {CHAIN: 0, 'before': 1, 'between': 2, 'after': 3, WINDOW: 4, NEXT: 5}

# (component, pattern of the functions): the first that matches
XEN = [
    ('idle', r'^(idle_loop|default_idle|acpi_idle|acpi_processor_idle|mwait_idle|pm_idle|cpu_is_haltable|scrub_free)'),
    ('lend', r'lend|^(get_pv_frame|get_hvm_frame|window_|cursor_|table_search)'),
    ('PV emulation', r'^(x86_emul|x86emul|x86_decode|pv_emul|guest_(rd|wr)msr|(read|write)_msr|do_general_protection|emul_|gdt_ldt|do_page_fault|ptwr|do_invalid_op)'),
    ('p2m', r'p2m|^(do_recalc|hap_|ept_|get_gfn|paging_|(un)?map_domain_page|domain_page)'),
    ('page references', r'^_?(get|put)_page|^(page_|free_page|alloc_page|validate_page)'),
    ('PV page tables', r'^(mod_l|do_mmu|l1e|do_update_va|adjust_guest|update_intpte|guest_get_eff|mmu_|map_guest)'),
    ('TLB', r'flush|^(invalidate|switch_cr3|new_tlb|tlbclock)'),
    ('hypercall', r'^(lstar|pv_hypercall|hvm_hypercall|restore_all|create_bounce|syscall|do_iret|toggle|iret|test_all|copy_(from|to)|raw_copy|_copy|do_multicall|do_set_|do_stack|do_fpu|do_memory|do_event|do_sched|do_xen_version|do_update_desc|hypercall)'),
    ('events', r'^(evtchn|notify_via|send_guest|port_|kick|ioreq|wait_for_io|get_ioreq|vcpu_ioreq|vcpu_mark|vcpu_kick|xsm|hvm_assert|hvm_maybe|get_pending|prepare_wait)'),
    ('VM entry and exit', r'^(svm_|vmx_|hvm_|vmcb|nsvm|vmexit|nested|vlapic|pt_|handle_)'),
    ('interrupts', r'^(send_IPI|apic|smp_|call_function|event_check|do_IRQ|irq_|ack_|end_|common_interrupt|ret_from_intr|cpu_raise|raise_softirq|do_softirq|__do_softirq|process_pending|softirq|tasklet|rcu_)'),
    ('scheduler', r'^(sched|csched|vcpu_|context_switch|__context|tickle|runq|burn_|reset_|balance|migrate|sync_|unit|do_block|do_poll|timer|set_timer|stop_timer|add_entry|remove_|reprogram|get_s_time|scale_delta|update_|runstate|load_|save_|fpu|xs|xr|tsc|stime|local_time|pick_|continue_|ctxt|paravirt|a2c|insert_|__runq|is_runnable)'),
    ('locks', r'^_?(spin|read|write|rspin|nrspin|queue)_|percpu|^check_lock'),
]
LINUX = [
    ('idle', r'^(default_idle|arch_cpu_idle|cpuidle|do_idle|cpu_startup_entry|xen_safe_halt|pv_native_safe_halt|tick_nohz|menu_|ct_|need_resched|quiet_vmstat|nohz_|sched_idle|call_cpuidle)'),
    ('PV page tables', r'^(mfn_to_pfn|pfn_to_mfn|__?(pte|xen_pte)|xen_(pte|make|set_p|pmd|pud|ptep|p4d|pgd)|__xen_set|get_phys_to|__raw_callee_save_xen)'),
    ('hypercalls', r'^(xen_hypercall|__xen_hypercall|hypercall_page|xen_mc_|xen_load|xen_write_cr|xen_(start|end)_context|paravirt_|xen_(enter|leave)_lazy)'),
    ('entry and interrupts', r'^(asm_|exc_|sysvec_|irq|__irq|handle_|generic_handle|evtchn|__evtchn|do_softirq|__do_softirq|entry_|error_|ret_from|common_interrupt|syscall|do_syscall|__sysvec|ack_|mask_|unmask_|lateeoi|xen_irq|info_for|x64_sys|__x64|native_iret|hrtimer|__hrtimer|tick_|timer|run_timer|rcu_|__rcu|account_|clockevents|ktime_get|timekeeping|pvclock|xen_evtchn)'),
    ('scheduler and threads', r'^(schedule|__schedule|pick_|put_prev|set_next|context_switch|finish_task|prepare_task|switch_|__switch|try_to_wake|ttwu|wake_up|__wake|select_|enqueue|dequeue|update_|__update|activate|resched|check_preempt|wakeup|queue_work|__queue|worker|process_one|kick_pool|vhost_task|place_entity|avg_vruntime|reweight|sched|mm_cid|psi|task_|newidle|rb_|hrtick|kthread|yield|fpregs|save_fpregs|cpuacct|default_wake)'),
    ('locks', r'^(_raw_|mutex|__mutex|up_|down_|rwsem|osq_|queued_)'),
    ('memory', r'.'),
]


class Symbols:
    def __init__(self, items):
        self.items = sorted(items)
        self.addrs = [i[0] for i in self.items]

    def find(self, addr):
        i = bisect.bisect_right(self.addrs, addr) - 1
        return self.items[i][1:] if i >= 0 else ('?', '')


class Machine:
    """What one log folder has."""

    def __init__(self, name, log):
        self.name, self.log = name, log
        self.sections, self.blocks, self.events, self.steps = {}, {}, {}, {}
        self.cpus, self.waits, self.callers = {}, {}, {}    # of a machine that has only sums
        self.linux = self.xen = None
        self.read()

    def read(self):
        for line in open(os.path.join(self.log, 'count'), encoding='ascii'):
            f = line.split()
            if f[0] == 'section':
                n = int(f[1])
                if int(f[3]):
                    raise SystemExit(f'{self.name}: section {n} lost {f[3]} notes: more are wanted (max=)')
                self.sections[n] = ops = []
                self.blocks[n] = {'c': collections.Counter(), 'w': collections.Counter()}
                self.events[n] = {'c': {}, 'w': {}}
                self.steps[n] = []
            elif f[0] == 'op':
                ops.append([int(x) for x in f[1:]])
            elif f[0] == 'block':
                self.blocks[n].setdefault(f[1], collections.Counter())[int(f[2], 16)] += float(f[3])
            elif f[0] == 'cpu':
                self.cpus.setdefault(n, {})[int(f[1])] = (int(f[2]), int(f[3]))
            elif f[0] == 'wait':
                self.waits.setdefault(n, collections.Counter())[int(f[1], 16)] += int(f[2])
            elif f[0] == 'from':
                self.callers.setdefault(n, []).append((int(f[1], 16), int(f[2], 16), int(f[3])))
            elif f[0] == 'event':
                self.events[n][f[1]][f[2]] = float(f[3])
            elif f[0] == 'step':
                self.steps[n].append((int(f[1]), int(f[2], 16), int(f[3])))

    def values(self, section, what):
        ops = self.sections.get(section, [])
        if what == CHAIN and self.name != 'kvm':
            # only where the guest's processor went idle, and the lender's was seen to work for it
            ops = [o for o in ops if o[FIELDS['between']]]
        elif what != EACH:
            # what comes after the last operation is no part of it
            ops = ops[:-1] or ops
        return sorted(o[FIELDS[NEXT if what == EACH else what]] for o in ops)

    def value(self, section, what):
        """The least, or for EACH the mean: from the first access to the last, by their number."""
        v = self.values(section, what)
        if not v:
            return None
        return sum(v) / len(v) if what == EACH else v[0]

    def median(self, section, what):
        v = self.values(section, what)
        return v[len(v) // 2] if v else None

    def symbols(self):
        items = []
        for line in open(os.path.join(self.log, 'results/kallsyms'), encoding='utf-8', errors='replace'):
            f = line.split()
            if f[1] in 'tTwW' and not f[2].startswith(('__pfx_', '__cfi_')):
                items.append((int(f[0], 16), f[2], f[3].strip('[]') if len(f) > 3 else ''))
        self.linux = Symbols(items)
        items = []
        path = os.path.join(self.log, 'xen-syms')
        if self.name != 'kvm' and os.path.exists(path):
            for line in subprocess.run(['nm', path], capture_output=True, text=True, check=True).stdout.splitlines():
                f = line.split()
                if len(f) == 3 and f[1] in 'tT' and not f[2].startswith('.'):
                    items.append((int(f[0], 16), f[2].split('#')[-1], 'xen'))
        self.xen = Symbols(items)

    def function(self, addr):
        """(component, function)"""
        if 0xffff82d000000000 <= addr < 0xffff82e000000000 and self.xen.items:
            name, _ = self.xen.find(addr)
            return 'xen: ' + classify(XEN, name, 'other'), name
        if addr >> 47:
            name, module = self.linux.find(addr)
            if module in ('xen_lend', 'kvm', 'kvm_amd'):
                return 'linux: ' + module.replace('_', '-'), name
            return 'linux: ' + classify(LINUX, name, 'other'), name
        return ('guest', 'guest') if addr < 0x1000000 else ('lender', 'user space')

    def functions(self, section, which):
        total = collections.Counter()
        for addr, n in self.blocks[section][which].items():
            total[self.function(addr)] += n
        return total


def classify(table, name, default):
    for component, pattern in table:
        if re.search(pattern, name):
            return component
    return default


def number(v):
    if v is None:
        return ''
    return f'{v:,.0f}'


def table(machines):
    kvm = machines.get('kvm')
    others = [m for n, m in machines.items() if n != 'kvm']
    head = ['instructions, least (sequences: mean)'] + (['KVM'] if kvm else [])
    for m in others:
        head += [m.name.upper()] + (['ratio'] if kvm else [])
    lines = ['| ' + ' | '.join(head) + ' |', '| --- |' + ' ---: |' * (len(head) - 1)]
    for title, section, what, pages in ROWS:
        base = kvm.value(section, what) if kvm else None
        # around a fault KVM brings nothing: one fault is one page
        per = 1 if section in (8, 9) else pages
        if kvm and section in (8, 9):
            base = kvm.value(1, NEXT)
        cells = [title] + ([number(base / per if base else None)] if kvm else [])
        for m in others:
            v = m.value(section, what)
            cells.append(number(v / pages if v is not None else None))
            if kvm:
                cells.append(f'{v / pages / (base / per):.2f}' if v is not None and base else '')
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def others(machines):
    """Beside lending: the table of what one would do instead."""
    lines = ['| ' + ' | '.join(OTHERS_HEAD) + ' |', '| --- |' + ' ---: |' * (len(OTHERS_HEAD) - 1)]
    for title, name, *cells in OTHERS:
        m = machines.get(name)
        if not m or any(s not in m.sections for c in cells for s, _, _ in c):
            continue
        lines.append('| ' + ' | '.join([title] + [
            number(sum(m.value(s, what) / pages for s, what, pages in c)) if c else 'nothing to take' for c in cells]) + ' |')
    return '\n'.join(lines) + '\n' if len(lines) > 2 else ''


LENDER_CPUS = 4


def many(m):
    """Many vCPUs: by section, as the lender's program said; see many.c."""
    m.symbols()
    lines = ['| faults of many vCPUs at once | vCPUs | all processors, per fault | the busiest of the lender\'s, per fault |'
             ' times that a processor waited for another, per fault | where |',
             '| --- | ---: | ---: | ---: | ---: | --- |']
    for line in open(os.path.join(m.log, 'results/many'), encoding='ascii'):
        section, vcpus, faults, what = line.rstrip('\n').split(' ', 3)
        cpus, faults = m.cpus[int(section)], int(faults)
        waits = collections.Counter()
        for addr, n in m.waits.get(int(section), {}).items():
            waits[m.function(addr)[1]] += n
        # a lock's function says nothing: who called it does
        for addr, caller, n in m.callers.get(int(section), []):
            waits[m.function(addr)[1]] -= n
            waits[m.function(caller)[1]] += n
        where = ', '.join(f'{f} {n / faults:.2f}' for f, n in waits.most_common(5) if n)
        lines.append(f'| {what} | {vcpus} | {sum(i for i, _ in cpus.values()) / faults:,.0f} | '
                     f'{max(cpus[c][0] for c in range(LENDER_CPUS)) / faults:,.0f} | '
                     f'{sum(w for _, w in cpus.values()) / faults:.2f} | {where} |')
    return '\n'.join(lines) + '\n'


COLOURS = {'xen': '#4c78a8', 'linux': '#e39b4b', 'guest': '#7fb77e', 'lender': '#b07aa1'}


def icicle(title, functions):
    """An SVG: components, and below each its functions, as wide as they are dear."""
    width, row = 1200, 26
    total = sum(functions.values()) or 1
    by = collections.defaultdict(list)
    for (component, name), n in functions.items():
        by[component].append((n, name))
    out, x = [], 0.0

    def box(x, y, w, text, n, colour, light):
        tip = html.escape(f'{text}: {n:,.0f} ({100 * n / total:.1f} %)')
        out.append(f'<g><title>{tip}</title><rect x="{x:.1f}" y="{y}" width="{max(w - .5, .5):.1f}" height="{row - 1}" '
                   f'fill="{colour}" fill-opacity="{.55 if light else 1}"/>')
        if w > 40:
            shown = text if len(text) * 6.6 < w else text[:max(1, int(w / 6.6) - 1)] + '…'
            out.append(f'<text x="{x + 3:.1f}" y="{y + 17}">{html.escape(shown)}</text>')
        out.append('</g>')

    for component, fs in sorted(by.items(), key=lambda c: -sum(n for n, _ in c[1])):
        n = sum(v for v, _ in fs)
        colour = COLOURS[component.split(':')[0]]
        box(x, 30, n / total * width, component, n, colour, False)
        fx = x
        for v, name in sorted(fs, reverse=True):
            box(fx, 30 + row, v / total * width, name, v, colour, True)
            fx += v / total * width
        x += n / total * width
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{30 + 2 * row + 6}" font-family="sans-serif" '
            f'font-size="11"><text x="3" y="18" font-size="13">{html.escape(title)}: {total:,.0f} instructions</text>'
            + ''.join(out) + '</svg>\n')


def profile(m, out):
    m.symbols()
    titles = {}
    for title, section, what, _ in ROWS:
        titles.setdefault(section, (title, 'c' if what in (CHAIN, NEXT, EACH) else 'w'))
    with open(os.path.join(out, f'count-{m.name}.txt'), 'w', encoding='utf-8') as f:
        for section, (title, which) in titles.items():
            if section not in m.blocks:
                continue
            functions = m.functions(section, which)
            total = sum(functions.values())
            f.write(f'\n## {section} {title.split(":")[0]}: {total:,.0f}\n')
            components = collections.Counter()
            for (c, _), n in functions.items():
                components[c] += n
            f.write(', '.join(f'{c} {n:,.0f}' for c, n in components.most_common()) + '\n')
            f.write('events: ' + ', '.join(f'{e} {n:g}' for e, n in sorted(m.events[section][which].items())) + '\n')
            for (c, name), n in functions.most_common(60):
                f.write(f'{n:9,.0f}  {c:30} {name}\n')
            if section == 1:
                f.write('the way of the cheapest:\n')
                last, acc = None, 0
                for cpu, addr, n in m.steps[section] + [(None, 0, 0)]:
                    key = (cpu,) + m.function(addr) if cpu is not None else None
                    if key != last:
                        if last:
                            f.write(f'  CPU{last[0]} {acc:6}  {last[1]:30} {last[2]}\n')
                        last, acc = key, 0
                    acc += n
            svg = os.path.join(out, f'count-{m.name}-{section}.svg')
            with open(svg, 'w', encoding='utf-8') as s:
                s.write(icicle(f'{m.name}, {title.split(":")[0]}', functions))


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split('usage: ')[1].split('\n')[0])
    ap.add_argument('-o', dest='out')
    ap.add_argument('--profile', action='store_true')
    ap.add_argument('logs', nargs='+')
    o = ap.parse_args()
    machines = {}
    for arg in o.logs:
        name, eq, log = arg.partition('=')
        if not eq:
            ap.error(f'{arg}: NAME=LOGDIR')
        machines[name] = Machine(name, log)
    crowd = machines.pop('many', None)
    text = table(machines) if machines else ''
    if others(machines):
        text += '\n' + others(machines)
    if crowd:
        text += '\n' + many(crowd)
    sys.stdout.write(text)
    if o.out:
        with open(os.path.join(o.out, 'count.md'), 'w', encoding='utf-8') as f:
            f.write(text)
        data = {n: {f'{t} ({s})': dict(least=m.value(s, w), median=m.median(s, w)) for t, s, w, _ in ROWS if m.sections.get(s)}
                for n, m in machines.items()}
        with open(os.path.join(o.out, 'count.json'), 'w', encoding='utf-8') as f:
            json.dump(data, f, indent=1)
    if o.profile:
        for m in machines.values():
            profile(m, o.out or '.')


if __name__ == '__main__':
    main()
