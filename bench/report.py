#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the two halves of the benchmark.

    report.py [-o DIR] XEN KVM      XEN, KVM: bench-xen.jsonl and bench-kvm.jsonl, or the folders they are in
    report.py --self-test

Prints the table and writes it to DIR/bench.md, the numbers behind it to DIR/bench.json (default: build/bench).
Exits with 1 and one line on stderr when the records are broken, incomplete or do not fit together.
"""
import argparse
import json
import os
import struct
import sys
import tempfile

VERSION = 1
KINDS = ("memfd", "anon")


class Broken(Exception):
    """The input is not what the benchmark writes."""


def quantile(values, q):
    """The value below which a share q lies, interpolated."""
    s = sorted(values)
    pos = (len(s) - 1) * q
    low = int(pos)
    high = min(low + 1, len(s) - 1)
    return s[low] + (s[high] - s[low]) * (pos - low)


def median(values):
    return quantile(values, 0.5)


# --- reading

def number(record, key, where, least=0):
    v = record.get(key)
    if isinstance(v, bool) or not isinstance(v, int) or v < least:
        raise Broken(f"{where}: {key!r} is {v!r}, not a number of at least {least}")
    return v


def check(record, where):
    for key in ("metric", "kind"):
        if not isinstance(record.get(key), str):
            raise Broken(f"{where}: no {key!r}")
    number(record, "around", where)
    r = record.get("round")
    if isinstance(r, bool) or not isinstance(r, int):
        raise Broken(f"{where}: no 'round'")
    counters = record.get("counters", {})
    if not isinstance(counters, dict) or any(
            isinstance(v, bool) or not isinstance(v, int) for v in counters.values()):
        raise Broken(f"{where}: 'counters' are not numbers")


class Half:
    """One file: head, values by (metric, kind, around), samples the same way."""

    def __init__(self, path, name):
        if os.path.isdir(path):
            path = os.path.join(path, "bench-xen.jsonl" if name == "xenlend" else "bench-kvm.jsonl")
        self.path, self.name = path, name
        self.head, self.values, self.samples, self.counters, self.trace = None, {}, {}, {}, None
        ended = False
        try:
            with open(path, encoding="utf-8") as f:
                lines = f.read().splitlines()
        except (OSError, UnicodeDecodeError) as e:
            raise Broken(f"{path}: {e}") from None
        for nr, line in enumerate(lines, 1):
            where = f"{path}:{nr}"
            if ended:
                raise Broken(f"{where}: goes on after its end")
            try:
                r = json.loads(line)
            except ValueError as e:
                raise Broken(f"{where}: {e}") from None
            if not isinstance(r, dict) or r.get("bench") != name:
                raise Broken(f"{where}: not a record of {name}")
            rec = r.get("rec")
            if rec == "head":
                if self.head:
                    raise Broken(f"{where}: a second head")
                if r.get("version") != VERSION:
                    raise Broken(f"{where}: version {r.get('version')!r}, this report knows {VERSION}")
                for key in ("pages", "rounds", "tsc_khz", "around"):
                    number(r, key, where, 1)
                self.head = r
            elif not self.head:
                raise Broken(f"{where}: no head before it")
            elif rec == "value":
                check(r, where)
                number(r, "ticks", where)
                n = number(r, "n", where, 1)
                if r["round"] >= 0:
                    key = (r["metric"], r["kind"], r["around"])
                    self.values.setdefault(key, []).append(r["ticks"] / n)
                    c = self.counters.setdefault(key, {"": 0})
                    c[""] += n
                    for k, v in r.get("counters", {}).items():
                        c[k] = c.get(k, 0) + v
            elif rec == "samples":
                check(r, where)
                s = r.get("samples")
                if not isinstance(s, list) or not s or any(
                        isinstance(v, bool) or not isinstance(v, int) or v < 0 for v in s):
                    raise Broken(f"{where}: 'samples' is not a list of numbers")
                if r["round"] >= 0:
                    key = (r["metric"], r["kind"], r["around"])
                    self.samples.setdefault(key, []).append(s)
            elif rec == "trace":
                for key in ("t0", "t1", "n"):
                    number(r, key, where, 1)
                self.trace = r
            elif rec == "end":
                ended = True
            else:
                raise Broken(f"{where}: unknown record {rec!r}")
        if not ended:
            raise Broken(f"{path}: incomplete: the run did not get to its end")
        for store in (self.values, self.samples):
            for key, v in store.items():
                if len(v) != self.head["rounds"]:
                    raise Broken(f"{path}: {'/'.join(map(str, key))}: {len(v)} of {self.head['rounds']} rounds")

    def us(self, ticks):
        return ticks * 1000 / self.head["tsc_khz"]

    def per_round(self, metric, kind="", around=0):
        """Microseconds for one, in each round; samples count by their median.  None if not measured."""
        key = (metric, kind, around)
        if key in self.values:
            return [self.us(v) for v in self.values[key]]
        if key in self.samples:
            return [self.us(median(s)) for s in self.samples[key]]
        return None

    def pooled(self, metric, kind, around):
        s = self.samples.get((metric, kind, around))
        return [self.us(v) for one in s for v in one] if s else None


# --- Xen's trace buffer: exits of the guest, hypercalls of dom0

HYPERCALLS = {
    0: "set_trap_table", 1: "mmu_update", 3: "stack_switch", 5: "fpu_taskswitch", 7: "platform_op",
    12: "memory_op", 13: "multicall", 14: "update_va_mapping", 15: "set_timer_op", 17: "xen_version",
    20: "grant_table_op", 21: "vm_assist", 23: "iret", 24: "vcpu_op", 25: "set_segment_base", 26: "mmuext_op",
    29: "sched_op", 32: "event_channel_op", 33: "physdev_op", 35: "sysctl", 36: "domctl", 41: "dm_op",
}
# SVM's codes: there is no VMX in this machine.
EXITS = {0x60: "interrupt", 0x72: "cpuid", 0x77: "pause", 0x78: "hlt", 0x7b: "port", 0x7c: "msr", 0x81: "vmmcall",
         0x400: "nested page fault"}

TRC_LOST = 0x1F001
TRC_CPU_CHANGE = 0x1F003
TRC_SVM_EXIT = (0x81003, 0x81103)
TRC_HYPERCALL = 0x20100D
TRC_SUBCALL = 0x20200E


def read_trace(path, t0, t1):
    """Counts between two times: exits by reason, hypercalls by name."""
    exits, calls, seen = {}, {}, 0
    try:
        with open(path, "rb") as f:
            data = f.read()
    except OSError as e:
        raise Broken(f"{path}: {e}") from None
    at = 0
    while at + 4 <= len(data):
        head, = struct.unpack_from("<I", data, at)
        at += 4
        event, extra, timed = head & 0xFFFFFFF, head >> 28 & 7, head >> 31
        size = (8 if timed else 0) + extra * 4
        if at + size > len(data):
            raise Broken(f"{path}: ends inside a record")
        tsc = 0
        if timed:
            tsc, = struct.unpack_from("<Q", data, at)
        words = struct.unpack_from(f"<{extra}I", data, at + (8 if timed else 0))
        at += size
        if event == TRC_CPU_CHANGE or not timed:
            continue
        if not t0 <= tsc <= t1:
            continue
        if event == TRC_LOST:
            raise Broken(f"{path}: Xen lost trace records")
        seen += 1
        if event in TRC_SVM_EXIT and words:
            name = EXITS.get(words[0], f"exit {words[0]:#x}")
            exits[name] = exits.get(name, 0) + 1
        elif event in (TRC_HYPERCALL, TRC_SUBCALL) and words:
            nr = words[0] & 0xFFFFF
            name = HYPERCALLS.get(nr, f"hypercall {nr}")
            calls[name] = calls.get(name, 0) + 1
    if not seen:
        raise Broken(f"{path}: no trace records in the measured time")
    return exits, calls


# --- the tables

UNITS = ((1e3, "ms", 1e3), (1, "µs", 1), (0, "ns", 1e-3))


def three(v):
    """Three significant digits, without an exponent."""
    return f"{v:.0f}" if v >= 100 else f"{v:.1f}" if v >= 10 else f"{v:.2f}"


def show(us):
    unit, scale = next((u, s) for least, u, s in UNITS if us >= least)
    return f"{three(us / scale)} {unit}"


def cell(values):
    """Median (least to greatest), all in the median's unit."""
    m = median(values)
    unit, scale = next((u, s) for least, u, s in UNITS if m >= least)
    return f"{three(m / scale)} ({three(min(values) / scale)} to {three(max(values) / scale)}) {unit}"


def table(head, rows, align=" ---: |"):
    out = ["| " + " | ".join(head) + " |", "| --- |" + align * (len(head) - 1)]
    return out + ["| " + " | ".join(r) + " |" for r in rows]


TOUCH = (
    ("cold_present", "cold touch, pages present in the lender"),
    ("cold_absent", "cold touch, nothing present in the lender"),
    ("warm_write", "warm touch, write"),
    ("warm_read", "warm touch, read"),
    ("again_dropped", "touch again after MADV_DONTNEED"),
    ("again_forbidden", "touch again after mprotect"),
)
REVOKE = (
    ("drop_spin", "MADV_DONTNEED of the range, guest spins"),
    ("drop_idle", "MADV_DONTNEED of the range, guest halted"),
    ("drop_unlent", "MADV_DONTNEED of the range, guest has none of it"),
    ("forbid_spin", "mprotect of the range, guest spins"),
    ("forbid_idle", "mprotect of the range, guest halted"),
    ("forbid_unlent", "mprotect of the range, guest has none of it"),
)
REVOKE_ONE = (
    ("drop_one_spin", "MADV_DONTNEED of one page, guest spins"),
    ("drop_one_idle", "MADV_DONTNEED of one page, guest halted"),
    ("drop_one_unlent", "MADV_DONTNEED of one page, guest has none of it"),
)
CALIBRATION = (
    ("cal_guest_compute", "guest: one round of arithmetic"),
    ("cal_guest_walk", "guest: touch of its own RAM"),
    ("cal_guest_rdtsc", "guest: taking a time"),
    ("cal_guest_cpuid", "guest: CPUID (an exit)"),
    ("cal_lender_compute", "lender: one round of arithmetic"),
    ("cal_lender_rdtsc", "lender: taking a time"),
    ("cal_lender_syscall", "lender: getppid()"),
    ("cal_lender_fault", "lender: its own page fault"),
    ("cal_lender_drop", "lender: MADV_DONTNEED, per page, no guest"),
)


class Report:
    def __init__(self, xen, kvm):
        self.xen, self.kvm = xen, kvm
        self.out, self.data = [], {"version": VERSION, "rows": [], "latency": [], "calibration": [], "counts": []}
        if xen.head["pages"] != kvm.head["pages"]:
            raise Broken(f"{xen.head['pages']} pages on Xen, {kvm.head['pages']} on KVM: not the same workload")
        self.around = xen.head["around"]
        self.speed = self.speed_ratio()

    def speed_ratio(self):
        """How much slower the machine computed in Xen's boot: by the loop that no hypervisor takes part in."""
        pair = [h.per_round("cal_guest_compute") for h in (self.xen, self.kvm)]
        if None in pair or min(min(p) for p in pair) <= 0:
            raise Broken("no calibration in the records")
        return median(pair[0]) / median(pair[1])

    @staticmethod
    def ratio(x, k, of=median):
        return of(x) / of(k) if of(k) else None

    def ratios(self, x, k):
        """Of the medians (of the least) [of the medians, if both boots had computed equally fast]."""
        r = [self.ratio(x, k, of) for of in (median, min)]
        return "-" if None in r else f"{three(r[0])} ({three(r[1])}) [{three(r[0] / self.speed)}]"

    def comparison(self, title, metrics, per):
        head = [title, "KVM", "xenlend, 1 page a fault", "ratio"]
        both = self.around > 1
        if both:
            head += [f"xenlend, {self.around} a fault", "ratio"]
        rows = []
        for kind in KINDS:
            for metric, text in metrics:
                k = self.kvm.per_round(metric, kind, 1)
                x = self.xen.per_round(metric, kind, 1)
                a = self.xen.per_round(metric, kind, self.around) if both else None
                if not k or not x or (both and not a):
                    raise Broken(f"{metric}/{kind}: not measured in both halves")
                row = [f"{kind}: {text}", cell(k), cell(x), self.ratios(x, k)]
                if both:
                    row += [cell(a), self.ratios(a, k)]
                rows.append(row)
                self.data["rows"].append({
                    "metric": metric, "kind": kind, "per": per, "kvm_us": k, "xenlend_us": x,
                    "xenlend_around_us": a, "ratio": self.ratio(x, k), "ratio_of_least": self.ratio(x, k, min),
                    "ratio_same_speed": self.ratio(x, k) / self.speed,
                    "ratio_around_same_speed": self.ratio(a, k) / self.speed if both else None,
                    "ratio_around": self.ratio(a, k) if both else None,
                    "ratio_around_of_least": self.ratio(a, k, min) if both else None})
        self.out += table(head, rows) + [""]

    def latency(self):
        rows = []

        def row(text, half, metric, kind, around, base=None):
            s = half.pooled(metric, kind, around)
            if not s:
                raise Broken(f"{metric}/{kind}: not measured by {half.name}")
            q = [min(s)] + [quantile(s, x) for x in (0.5, 0.9, 0.99)]
            ratio = [f"{a / b:.1f}" if b else "-" for a, b in zip(q, base)][:2] if base else ["", ""]
            rows.append([text, str(len(s))] + [show(v) for v in q] + ratio)
            self.data["latency"].append({
                "metric": metric, "kind": kind, "bench": half.name, "around": around, "n": len(s),
                "min_us": q[0], "p50_us": q[1], "p90_us": q[2], "p99_us": q[3]})
            return q

        for kind in KINDS:
            for metric, text in (("fault_present", "present"), ("fault_absent", "absent")):
                base = row(f"{kind}, {text}: KVM", self.kvm, metric, kind, 1)
                row(f"{kind}, {text}: xenlend", self.xen, metric, kind, 1, base)
            if self.around > 1:
                row(f"{kind}, present: xenlend, a fault that brings {self.around}", self.xen, "fault_group", kind,
                    self.around)
        self.out += table(["one fault, as the guest sees it", "faults", "min", "median", "p90", "p99", "ratio of min",
                           "of median"], rows) + [""]

    def calibration(self):
        rows = []
        for metric, text in CALIBRATION:
            x, k = self.xen.per_round(metric), self.kvm.per_round(metric)
            if not x or not k:
                raise Broken(f"{metric}: not measured in both halves")
            rows.append([text, cell(k), cell(x), self.ratios(x, k)])
            self.data["calibration"].append({"metric": metric, "kvm_us": k, "xenlend_us": x, "ratio": self.ratio(x, k)})
        self.out += table(["calibration", "KVM's boot", "Xen's boot", "ratio"], rows) + [""]

    def counts(self):
        rows = []

        def add(text, half, key, names, calls=False):
            c = half.counters.get(key)
            if not c:
                return
            n = half.head["rounds"] if calls else c[""]
            found = {name: c.get(name, 0) / n for name in names}
            rows.append([text, ", ".join(f"{k} {three(v)}" for k, v in found.items())])
            self.data["counts"].append({"bench": half.name, "metric": key[0], "kind": key[1], "around": key[2],
                                        "per": "call" if calls else "page", **found})

        lend = ("faults_write", "interrupts", "lend_calls", "lends", "retries")
        for kind in KINDS:
            add(f"{kind}, cold touch, each page: KVM", self.kvm, ("cold_present", kind, 1),
                ("pf_taken", "pf_fixed", "exits", "irq_exits"))
            for around in sorted({1, self.around}):
                add(f"{kind}, cold touch, each page: xenlend, {around} a fault", self.xen,
                    ("cold_present", kind, around), lend)
            if self.around > 1:
                add(f"{kind}, again after MADV_DONTNEED, each page: xenlend, {self.around} a fault", self.xen,
                    ("again_dropped", kind, self.around), lend)
            for metric, text in (("drop_spin", "MADV_DONTNEED of the range"), ("forbid_spin", "mprotect of the range")):
                add(f"{kind}, {text}, each call: KVM", self.kvm, (metric, kind, 1), ("exits", "tlb_flush"), True)
                add(f"{kind}, {text}, each call: xenlend", self.xen, (metric, kind, 1),
                    ("invalidations", "revoke_calls", "revokes"), True)
        t = self.xen.trace
        if t:
            path = os.path.join(os.path.dirname(self.xen.path), "bench-xen.trace")
            exits, calls = read_trace(path, t["t0"], t["t1"])
            n = t["n"]
            for text, what in (("exits of the guest", exits), ("hypercalls of dom0", calls)):
                rows.append([f"{t.get('kind', '?')}, cold touch, each page: xenlend, 1 a fault: all {text} by Xen's "
                             f"trace of {n} pages", f"{three(sum(what.values()) / n)}: " + ", ".join(
                                 f"{k} {three(v / n)}" for k, v in sorted(what.items(), key=lambda i: -i[1]))])
            self.data["trace"] = {"n": n, "exits": exits, "hypercalls": calls}
        if rows:
            self.out += table(["events", "number"], rows, " --- |") + [""]

    def build(self):
        x, k = self.xen.head, self.kvm.head
        self.out += ["# xenlend and KVM, the same guest program", ""]
        self.out += [
            f"A window of {x['pages']} pages of 4 KiB; {x['rounds']} rounds on Xen and {k['rounds']} on KVM, after "
            "warm-up. A cell is the median of the rounds (least to greatest), a ratio xenlend/KVM that of the medians "
            "(of the least). Two boots of the same emulated machine: only ratios mean anything, and the host's other "
            "work is in the spread. "
            f"The guest's arithmetic, in which no hypervisor takes part, took {self.speed:.2f} times as long in Xen's boot "
            "as in KVM's: in brackets, the ratio of the medians divided by that.", ""]
        if not 0.8 < self.speed < 1.25:
            self.out += ["**The two boots did not run at the same speed (other work on the host, or emulated processors that "
                         "share one of its cores): no ratio is known better than the raw one and the one in brackets "
                         "agree.**", ""]
        for what, h, cpus in (("Xen's", x, "dom0 CPU(s)"), ("KVM's", k, "CPU(s)")):
            self.out += [f"{what} boot: Linux {h.get('kernel')}, {h.get('cpus')} {cpus}, transparent huge pages: "
                         f"{h.get('thp') or 'none'}, for shmem: {h.get('shmem_thp') or 'none'}.", ""]
        self.out += ["The window's memory is small pages in both (MADV_NOHUGEPAGE).", ""]
        self.out += ["## Touching, for each page, as the guest sees it", ""]
        self.comparison("touch", TOUCH, "page")
        self.out += ["## One fault", ""]
        self.latency()
        self.out += ["## Taking memory back: the lender's system call, for each page", ""]
        self.comparison("whole range", REVOKE, "page")
        self.comparison("one page", REVOKE_ONE, "call")
        self.out += ["## Events", ""]
        self.counts()
        self.out += ["## Calibration", ""]
        self.calibration()
        self.data["speed_ratio"] = self.speed
        self.data["xen"], self.data["kvm"] = x, k
        return "\n".join(self.out)


def report(xen, kvm, out):
    r = Report(Half(xen, "xenlend"), Half(kvm, "kvm"))
    text = r.build()
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "bench.md"), "w", encoding="utf-8") as f:
        f.write(text)
    with open(os.path.join(out, "bench.json"), "w", encoding="utf-8") as f:
        json.dump(r.data, f, indent=1)
        f.write("\n")
    return text


# --- its own tests

def synthetic(name, factor, around):
    """Records of a run in which everything took factor ticks a page."""
    lines = [{"bench": name, "rec": "head", "version": VERSION, "pages": 64, "rounds": 2, "tsc_khz": 1000000,
              "around": around}]

    def add(rec, metric, kind, a, **more):
        for rnd in (-1, 0, 1):
            f = 1000 if rnd < 0 else 1 + rnd    # the warm-up must not count
            r = {"bench": name, "rec": rec, "metric": metric, "kind": kind, "around": a, "round": rnd}
            r.update({k: v(f) for k, v in more.items()})
            lines.append(r)

    for metric, _ in CALIBRATION:
        add("value", metric, "", 0, ticks=lambda f: 100 * f, n=lambda f: 100)
    for kind in KINDS:
        for a in sorted({1, around}):
            for metric, _ in TOUCH + REVOKE:
                add("value", metric, kind, a, ticks=lambda f: 6400 * factor * f, n=lambda f: 64,
                    counters=lambda f: {"exits": 64, "lend_calls": 64})
            for metric, _ in REVOKE_ONE:
                add("samples", metric, kind, a, samples=lambda f: [100 * factor * f] * 8)
        for metric in ("fault_present", "fault_absent"):
            add("samples", metric, kind, 1, samples=lambda f: [100 * factor, 100 * factor + 1, 900])
        if around > 1:
            add("samples", "fault_group", kind, around, samples=lambda f: [100 * factor * around] * 4)
    lines.append({"bench": name, "rec": "end"})
    return lines


def self_test():
    failures = []
    count = 0
    print("# suite: report", flush=True)

    def expect(ok, what):
        nonlocal count
        count += 1
        print(f"{'ok' if ok else 'not ok'} {count} - {what}")
        if not ok:
            failures.append(what)

    with tempfile.TemporaryDirectory() as d:
        def put(name, lines):
            path = os.path.join(d, name)
            with open(path, "wb") as f:
                f.write(lines if isinstance(lines, bytes) else
                        "".join(json.dumps(r) + "\n" for r in lines).encode())
            return path

        good_x, good_k = synthetic("xenlend", 3, 16), synthetic("kvm", 1, 1)
        put("bench-kvm.jsonl", good_k)
        put("bench-xen.jsonl", good_x)
        text = report(d, d, os.path.join(d, "out"))
        with open(os.path.join(d, "out", "bench.json"), encoding="utf-8") as f:
            data = json.load(f)
        rows = {(r["metric"], r["kind"]): r for r in data["rows"]}
        expect(abs(rows["cold_present", "memfd"]["ratio"] - 3) < 1e-9, "the ratio is the ratio")
        expect(abs(median(rows["drop_spin", "anon"]["kvm_us"]) - 0.15) < 1e-9, "ticks become microseconds a page")
        expect("3.00 (3.00) [3.00]" in text and len(text.splitlines()) > 40, "the table is printed")
        expect(len(rows) == len(KINDS) * len(TOUCH + REVOKE + REVOKE_ONE), "every row is there")
        one = [r for r in data["latency"] if r["bench"] == "xenlend" and r["metric"] == "fault_present"][0]
        expect(one["min_us"] == 0.3 and one["n"] == 6, "latencies are pooled over the rounds, without the warm-up")

        def bad(what, xen=None, kvm=None):
            """Must end in Broken, whatever is wrong."""
            px = put("x.jsonl", good_x if xen is None else xen)
            pk = put("k.jsonl", good_k if kvm is None else kvm)
            try:
                report(px, pk, os.path.join(d, "out2"))
            except Broken as e:
                expect(bool(str(e)), what)
            except Exception as e:  # pylint: disable=broad-except
                expect(False, f"{what}: {type(e).__name__}: {e}")
            else:
                expect(False, f"{what}: accepted")

        def changed(i, **kw):
            lines = [dict(r) for r in good_x]
            lines[i].update(kw)
            return lines

        bad("an empty file", xen=b"")
        bad("no JSON", xen=b"hello\n")
        bad("not UTF-8", xen=b"\xff\xfe\x00\n")
        bad("JSON, but no record", xen=b"[1, 2]\n")
        bad("the other half's file", xen=good_k)
        bad("no end", xen=good_x[:-1])
        bad("cut in a line", xen="".join(json.dumps(r) + "\n" for r in good_x).encode()[:-9])
        bad("something after the end", xen=good_x + good_x[-1:])
        bad("no head", xen=good_x[1:])
        bad("two heads", xen=good_x[:1] + good_x)
        bad("another version", xen=changed(0, version=2))
        bad("a clock that stands still", xen=changed(0, tsc_khz=0))
        bad("a round missing", xen=good_x[:3] + good_x[4:])
        bad("n of 0", xen=changed(2, n=0))
        bad("negative ticks", xen=changed(2, ticks=-1))
        bad("ticks as text", xen=changed(2, ticks="many"))
        bad("ticks as a truth value", xen=changed(2, ticks=True))
        bad("no metric", xen=changed(2, metric=None))
        bad("counters of the wrong kind", xen=changed(2, counters=[1]))
        bad("an unknown record", xen=changed(2, rec="surprise"))
        bad("no samples", xen=[{**r, "samples": []} if r["rec"] == "samples" else r for r in good_x])
        bad("no latencies", kvm=[r for r in good_k if r.get("metric") != "fault_present"])
        bad("another workload", xen=changed(0, pages=128))
        bad("only calibration", xen=[r for r in good_x if r["rec"] != "value" or r["kind"] == ""])
        bad("no calibration", xen=[r for r in good_x if not r.get("metric", "").startswith("cal_")])
        bad("calibration of nothing", kvm=[{**r, "ticks": 0} if r.get("metric") == "cal_guest_compute" else r
                                          for r in good_k])
        try:
            Half(os.path.join(d, "absent"), "kvm")
            expect(False, "a missing file: accepted")
        except Broken:
            expect(True, "a missing file")

        def rec(event, tsc, *words):
            return struct.pack(f"<IQ{len(words)}I", 1 << 31 | len(words) << 28 | event, tsc, *words)

        trace = struct.pack("<III", 2 << 28 | TRC_CPU_CHANGE, 0, 100)
        trace += rec(TRC_SVM_EXIT[0], 5, 0x400, 0) + rec(TRC_SVM_EXIT[1], 15, 0x400, 0, 0) + rec(TRC_HYPERCALL, 16, 12)
        got = read_trace(put("t", trace), 10, 20)
        expect(got == ({"nested page fault": 1}, {"memory_op": 1}), "a trace is counted between its times")
        for what, data_, t0, t1 in (("cut", trace[:-1], 10, 20), ("empty", b"", 10, 20), ("of another time", trace, 90, 99),
                                    ("with lost records", trace + rec(TRC_LOST, 17, 1, 2, 3, 4), 10, 20)):
            try:
                read_trace(put("t", data_), t0, t1)
                expect(False, f"a trace {what}: accepted")
            except Broken:
                expect(True, f"a trace {what}")
    print(f"1..{count}")
    return 1 if failures else 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-o", "--out", default="build/bench", help="where bench.md and bench.json go (build/bench)")
    p.add_argument("--self-test", action="store_true")
    p.add_argument("xen", nargs="?")
    p.add_argument("kvm", nargs="?")
    a = p.parse_args()
    if a.self_test:
        return self_test()
    if not a.xen or not a.kvm:
        p.error("two files or folders are wanted")
    try:
        print(report(a.xen, a.kvm, a.out))
    except (Broken, OSError) as e:
        print(f"report.py: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
