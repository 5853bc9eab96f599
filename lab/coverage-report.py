#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of our lines in the hypervisor ran: in the emulated machines, in unit tests, in any of them.

usage: coverage-report.py --xen DIR [--machine NAME=FILE]... [--unit NAME=DIR]... --reasons FILE --out DIR [--least PERCENT]

DIR of --xen is what `lab/xen coverage` made: ours.diff says which lines are ours (whole files and lines added to existing
ones), notes/ has what gcc noted about each object.  FILE is what `xencov read` wrote, DIR of --unit has the .gcno and
.gcda files of programs that ran.  A line counts if gcc made code from it in Xen.

Exit status: 0; 1: fewer than PERCENT of the lines ran, or a reason fits no line any more; 2: the data is of no use.
"""

import argparse
import fnmatch
import html
import json
import os
import re
import shutil
import struct
import subprocess
import sys


class Useless(Exception):
    """The data cannot be read, or is of another build."""


# --- our lines

def read_diff(lines):
    """{path: {line number: text}} of what a diff with -U0 adds, and the set of the paths that are new."""
    ours, new = {}, set()
    here, number, left = None, 0, 0
    for line in lines:
        line = line.rstrip("\n")
        if left and line.startswith("+"):
            here[number] = line[1:]
            number, left = number + 1, left - 1
        elif line.startswith("+++ "):
            # the first component is the folder that was compared
            path = line[4:].split("\t")[0].split("/", 1)[1]
            here = ours.setdefault(path, {})
        elif line.startswith("@@ "):
            old, plus = re.match(r"@@ -(\S+) \+(\S+) @@", line).groups()
            if old == "0,0":
                new.add(path)
            start, _, count = plus.partition(",")
            number, left = int(start), int(count or 1)
    return {p: l for p, l in ours.items() if l and p.endswith((".c", ".h"))}, new


class Line:
    def __init__(self, text):
        self.text = text
        self.runs = {}        # name of a run: how often
        self.functions = set()
        self.reason = None

    @property
    def count(self):
        return sum(self.runs.values())


# --- gcov

def gcov(files, cwd):
    """What gcov says of each of these .gcda files."""
    for i in range(0, len(files), 40):
        done = subprocess.run(["gcov", "--json-format", "--stdout", "--"] + files[i:i + 40], cwd=cwd,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # it says "stamp mismatch" or "cannot open notes file", leaves the file away, and exits with 0
        if done.returncode or done.stderr.strip():
            raise Useless(f"gcov, on {cwd}: {done.stderr.strip()[:600] or done.returncode}")
        for line in done.stdout.splitlines():
            if line:
                yield json.loads(line)


def counts(objects, path_of):
    """{path: {line: [count, functions]}} summed over all objects: a header's line may be in many of them."""
    sums = {}
    for o in objects:
        for f in o["files"]:
            path = path_of(os.path.normpath(os.path.join(o["current_working_directory"], f["file"])))
            if not path:
                continue
            lines = sums.setdefault(path, {})
            for l in f["lines"]:
                entry = lines.setdefault(l["line_number"], [0, set()])
                entry[0] += l["count"]
                entry[1].add(l.get("function_name", ""))
    return sums


def split(data, notes, work):
    """Makes .gcda files beside copies of their notes, from what Xen hands out: a magic number, then for each object its
    name, a zero, a length, the file's contents.  Returns their paths in `work`."""
    def cut(n):
        nonlocal at
        if at + n > len(data):
            raise Useless("the data from Xen ends too early")
        at += n
        return data[at - n:at]

    at, files = 0, []
    if len(data) < 4 or struct.unpack("<I", cut(4))[0] != 0x58434F56:
        raise Useless("no coverage data of Xen: the magic number is missing")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(notes, work)
    while at < len(data):
        end = data.find(b"\0", at)
        if end < 0:
            raise Useless("the data from Xen ends within a name")
        name = cut(end - at).decode()
        cut(1)
        contents = cut(struct.unpack("<I", cut(4))[0])
        path = name.partition(".obj/")[2]
        if not os.path.exists(os.path.join(work, path[:-5] + ".gcno")):
            raise Useless(f"no notes about {name}: the data is of another build")
        with open(os.path.join(work, path), "wb") as f:
            f.write(contents)
        files.append(path)
    return files


# --- reasons

class Reason:
    def __init__(self, where, file, function, text):
        self.where, self.file, self.function, self.text = where, file, function, text
        self.why = ""
        self.fits = self.needed = 0


def read_reasons(lines, name):
    """A reason: "FILE FUNCTION: piece of the line", both as patterns of the shell, then indented lines that say why."""
    reasons = []
    for number, line in enumerate(lines, 1):
        line = line.rstrip()
        if not line or line.startswith("#"):
            continue
        if line[0].isspace():
            if not reasons:
                raise Useless(f"{name}:{number}: whose reason is this?")
            reasons[-1].why = f"{reasons[-1].why} {line.strip()}".strip()
            continue
        m = re.match(r"(\S+) (\S+): +(.+)$", line)
        if not m:
            raise Useless(f"{name}:{number}: not FILE FUNCTION: TEXT")
        reasons.append(Reason(f"{name}:{number}", *m.groups()))
    for r in reasons:
        if not r.why:
            raise Useless(f"{r.where}: no reason is given")
    return reasons


def indent(text):
    return len(text.expandtabs()) - len(text.expandtabs().lstrip())


def give_reasons(lines, reasons):
    """A reason holds for the line that it fits and the rest of that line's block, or, if the line ran, for the block that
    depends on it; as far as nothing of these ran."""
    for path, here in sorted(lines.items()):
        numbers = sorted(here)
        for i, n in enumerate(numbers):
            line = here[n]
            for r in reasons:
                if not (fnmatch.fnmatchcase(path, r.file) and r.text in line.text and
                        any(fnmatch.fnmatchcase(f, r.function) for f in line.functions)):
                    continue
                r.fits += 1
                ran = line.count > 0
                for m in numbers[i + ran:]:
                    after = here[m]
                    if after.count or not after.functions & line.functions or indent(after.text) < indent(line.text) + ran:
                        break
                    r.needed += 1
                    after.reason = after.reason or r


# --- what is printed

def percent(part, whole):
    return f"{100 * part / whole:5.1f}" if whole else "    -"


def table(lines, new, runs, out):
    width = max(len(p) for p in lines) + 2
    print(f"{'':{width}} lines    ran     %" + "".join(f"{r:>9}" for r in runs), file=out)

    def row(name, some):
        some = list(some)
        ran = sum(1 for l in some if l.count)
        each = "".join(f"{percent(sum(1 for l in some if l.runs.get(r)), len(some)) if any(r in l.runs for l in some) else '-':>9}"
                       for r in runs)
        print(f"{name:{width}}{len(some):6} {ran:6} {percent(ran, len(some))}{each}", file=out)
        return ran, len(some)

    for kind, title in ((True, "new files"), (False, "lines added to existing files")):
        paths = [p for p in sorted(lines) if (p in new) == kind]
        for p in paths:
            row(p, lines[p].values())
        row(title, (l for p in paths for l in lines[p].values()))
        print(file=out)
    return row("our hypervisor lines", (l for here in lines.values() for l in here.values()))


def listing(lines, out):
    """The lines that did not run, those without a reason first."""
    for wanted, title in ((False, "Did not run, for no known reason:"), (True, "Did not run, for these reasons:")):
        some = [(p, n, l) for p in sorted(lines) for n, l in sorted(lines[p].items()) if not l.count and bool(l.reason) == wanted]
        if not some:
            continue
        print(f"\n{title} {len(some)}", file=out)
        before = None
        for p, n, l in some:
            place = p, sorted(l.functions)
            if place != before:
                print(f"  {p}, {', '.join(place[1])}()", file=out)
                before, said = place, None
            print(f"  {n:6}  {l.text}", file=out)
            if l.reason and l.reason is not said:
                print(f"          = {l.reason.why}", file=out)
                said = l.reason


def write_info(lines, path):
    with open(path, "w") as f:
        for p in sorted(lines):
            ran = sum(1 for l in lines[p].values() if l.count)
            f.write(f"TN:\nSF:{p}\n")
            for n, l in sorted(lines[p].items()):
                f.write(f"DA:{n},{l.count}\n")
            f.write(f"LF:{len(lines[p])}\nLH:{ran}\nend_of_record\n")


def write_html(ours, lines, new, runs, report, path):
    with open(path, "w") as f:
        f.write("<!doctype html><meta charset=utf-8><title>xenlend: coverage of the hypervisor's lines</title><style>"
                "body{font:13px monospace}pre{margin:0}.y{background:#dfd}.n{background:#fcc}.r{background:#fe9}"
                "td{padding:0 .6em;white-space:pre;vertical-align:top}.c{text-align:right;color:#666}</style>\n")
        f.write(f"<pre>{html.escape(report)}</pre>\n<p><span class=y>ran</span> <span class=n>did not run</span> "
                "<span class=r>did not run, with a reason</span>; counts: " + html.escape(", ".join(runs)) + "\n")
        for p in sorted(ours):
            here = lines.get(p, {})
            ran = sum(1 for l in here.values() if l.count)
            f.write(f"<h3>{html.escape(p)}{'' if p in new else ' (our lines)'}: {ran} of {len(here)}</h3><table cellspacing=0>\n")
            before = None
            for n, text in sorted(ours[p].items()):
                if before is not None and n != before + 1:
                    f.write("<tr><td class=c>...</td></tr>\n")
                before = n
                l, kind, told = here.get(n), "", ""
                if l:
                    kind = "y" if l.count else "r" if l.reason else "n"
                    told = " ".join(str(l.runs.get(r, "-")) for r in runs)
                why = f"   = {l.reason.why}" if l and l.reason and not l.count else ""
                f.write(f"<tr class='{kind}'><td class=c>{n}</td><td class=c>{told}</td><td>{html.escape(text)}"
                        f"<i>{html.escape(why)}</i></td></tr>\n")
            f.write("</table>\n")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--xen", required=True)
    ap.add_argument("--machine", action="append", default=[])
    ap.add_argument("--unit", action="append", default=[])
    ap.add_argument("--reasons", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--least", type=float, default=95)
    a = ap.parse_args()

    with open(os.path.join(a.xen, "ours.diff"), errors="replace") as f:
        ours, new = read_diff(f)
    lines, runs = {p: {} for p in ours}, []

    def add(run, path, n, count, functions, may_add):
        if n not in ours.get(path, {}) or not (may_add or n in lines[path]):
            return
        line = lines[path].setdefault(n, Line(ours[path][n]))
        line.runs[run] = line.runs.get(run, 0) + count
        line.functions |= functions

    def in_xen(path):
        return "xen/" + path.partition(".src/xen/")[2] if ".src/xen/" in path else None

    for m in a.machine:
        run, _, name = m.partition("=")
        runs.append(run)
        work = os.path.join(a.out, "gcov-" + run)
        with open(name, "rb") as f:
            files = split(f.read(), os.path.join(a.xen, "notes"), work)
        for path, here in counts(gcov(files, work), in_xen).items():
            for n, (count, functions) in here.items():
                add(run, path, n, count, functions, True)
        shutil.rmtree(work)
    if not a.machine:
        raise Useless("no machine handed out its data: without one it is not known which lines there are")

    # A unit test's compiler has other macros: the machines say which lines there are.
    for u in a.unit:
        run, _, name = u.partition("=")
        runs.append(run)
        files = sorted(os.path.relpath(os.path.join(d, f), name) for d, _, fs in os.walk(name) for f in fs if f.endswith(".gcda"))
        if not files:
            raise Useless(f"no coverage data in {name}")
        sums = counts(gcov(files, name), lambda p: "xen/" + p.rpartition("/hypervisor/xen/")[2] if "/hypervisor/xen/" in p else None)
        for path, here in sums.items():
            for n, (count, _) in here.items():
                add(run, path, n, count, set(), False)

    lines = {p: here for p, here in lines.items() if here}
    with open(a.reasons) as f:
        reasons = read_reasons(f, os.path.basename(a.reasons))
    give_reasons(lines, reasons)

    os.makedirs(a.out, exist_ok=True)
    text = os.path.join(a.out, "report.txt")
    with open(text, "w") as out:
        ran, total = table(lines, new, runs, out)
        explained = sum(1 for here in lines.values() for l in here.values() if not l.count and l.reason)
        print(f"{total - ran} did not run: {explained} with a reason, {total - ran - explained} without", file=out)
        listing(lines, out)
        stale = [r for r in reasons if not r.fits]
        idle = [r for r in reasons if r.fits and not r.needed]
        if idle:
            print("\nReasons that were not needed this time (the lines ran):", file=out)
            for r in idle:
                print(f"  {r.where}: {r.file} {r.function}: {r.text}", file=out)
        if stale:
            print("\nReasons that fit no line any more:", file=out)
            for r in stale:
                print(f"  {r.where}: {r.file} {r.function}: {r.text}", file=out)
        print(f"\n{percent(ran, total).strip()} % of our {total} hypervisor lines ran"
              f" (at least {a.least:g} % wanted){'; stale reasons: ' + str(len(stale)) if stale else ''}", file=out)
    with open(text) as f:
        report = f.read()
    write_info(lines, os.path.join(a.out, "xen.info"))
    write_html(ours, lines, new, runs, report, os.path.join(a.out, "index.html"))
    print(report, end="")
    return 1 if stale or not total or 100 * ran < a.least * total else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Useless, OSError) as e:
        print(f"coverage: {e}", file=sys.stderr)
        sys.exit(2)
