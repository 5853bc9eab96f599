#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts an emulator, watches its two serial ports, and says how the run ended.

usage: monitor.py --serial FILE --text FILE [--keys FIFO] [--qmp SOCKET --memory FILE] [--tells NAME] [--timeout S] [--quiet-timeout S] [--asleep S]
       [--first-failure] -- COMMAND...

Exit status: the job's own (0..98); 125: the machine or the job broke; 124: hung, asleep or out of time.  Nothing found
wrong in the logs is forgiven because the job said that all is well.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

BROKEN, HUNG, MOST = 125, 124, 98

# What must never be on the consoles of Xen and dom0.  The first group ends the run, the second is reported at its end.
FATAL = [
    (re.compile(r"Panic on CPU"), "Xen panicked"),
    (re.compile(r"Xen BUG at"), "Xen hit a BUG"),
    (re.compile(r"Assertion '.*' failed at"), "an assertion failed in Xen"),
    (re.compile(r"FATAL (TRAP|PAGE FAULT)"), "Xen took a fatal trap"),
    (re.compile(r"Kernel panic - not syncing"), "dom0's kernel panicked"),
    (re.compile(r"Hardware Dom0 (crashed|shutdown: rebooting|halted with error)"), "dom0 crashed or rebooted"),
]
BAD = [
    (re.compile(r"UBSAN:"), "undefined behaviour in Xen or the kernel"),
    # (except one at boot, in debug builds, about QEMU's processor: a size for XSAVEC, which it does not have)
    (re.compile(r"Xen WARN at (?!.*/arch/x86/xstate\.c:\d+$)"), "Xen WARN"),
    # KASAN, "sleeping function called", lockdep's "[ BUG: ... ]", pages in a bad state, all are a BUG:
    (re.compile(r"BUG: |kernel BUG at|Oops: |general protection fault.*(SMP|PREEMPT)"), "a bug in dom0's kernel"),
    # (6.1 and 6.12 have the processor first, newer ones the place)
    (re.compile(r"WARNING: (CPU: \d+ PID|\S+:\d+ at )"), "a kernel warning in dom0"),
    (re.compile(r"WARNING: (possible|bad|suspicious|inconsistent|held|lock held|Nested lock|(HARD|SOFT|RECLAIM)\S*-safe) "), "a lockdep report in dom0"),
    # from there on it is silent about everything
    (re.compile(r"turning off the locking correctness validator|register non-static key"), "lockdep gave up in dom0"),
    (re.compile(r"list_(add|del) corruption"), "a broken list in dom0's kernel"),
    (re.compile(r"rcu: INFO: rcu_\w+ (self-)?detected"), "RCU stall in dom0"),
    (re.compile(r"blocked for more than \d+ seconds"), "a hung task in dom0"),
    (re.compile(r"Watchdog timer detects that CPU\d+ is stuck"), "Xen's watchdog"),
]
# Lines that a guest wrote through Xen's console: its own affair.
GUEST = re.compile(r"\(d[1-9]\d*\)|\(XEN\) d[1-9]\d*v\d+ ")

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class Tail:
    """Lines of a file that grows."""

    def __init__(self, path):
        self.path, self.pos, self.part, self.grown = path, 0, b"", False

    def lines(self, last=False):
        self.grown = False
        try:
            with open(self.path, "rb") as f:
                f.seek(self.pos)
                data = f.read()
        except FileNotFoundError:
            return []
        self.grown = bool(data)
        self.pos += len(data)
        *whole, self.part = (self.part + data).split(b"\n")
        if last and self.part:
            whole.append(self.part)
            self.part = b""
        return [ESCAPES.sub(b"", l).decode("utf-8", "replace") for l in whole]


def say(message):
    t0 = int(os.environ.get("XENLEND_T0", time.time()))
    print(f"[{int(time.time()) - t0:4d}s] {message}", file=sys.stderr, flush=True)


def tail_of(path, count=40):
    try:
        with open(path, "rb") as f:
            lines = f.read().split(b"\n")
    except FileNotFoundError:
        lines = [b"(nothing)"]
    sys.stderr.write(f"--- last lines of {path}\n")
    for line in lines[-count:]:
        sys.stderr.write(ESCAPES.sub(b"", line).decode("utf-8", "replace") + "\n")
    sys.stderr.write("---\n")
    sys.stderr.flush()


# What Xen is asked when its machine hangs: domains and their vCPUs, the scheduler, timers, event channels, interrupts of
# HVM domains, dom0's registers, VMCBs.
QUESTIONS = b"qraeI0v"
XEN_LISTENS = b"\x01" * 3  # Ctrl-A three times: the console's input goes to Xen, or back to dom0


def ask(keys, serial, patience=20):
    """Has Xen say on the console what its vCPUs wait for; waits until it has said it, or for so many seconds."""
    os.write(keys, XEN_LISTENS)
    time.sleep(0.5)
    quiet_since = deadline = None
    for key in QUESTIONS:
        os.write(keys, bytes([key]))
        deadline = time.monotonic() + patience / len(QUESTIONS)
        quiet_since = time.monotonic()
        # the next one when this is answered: the UART that hears them has room for few
        size = os.path.getsize(serial)
        while time.monotonic() < deadline and time.monotonic() < quiet_since + 0.7:
            time.sleep(0.1)
            if os.path.getsize(serial) != size:
                size, quiet_since = os.path.getsize(serial), time.monotonic()


def keep(qmp, memory, seen_as, patience=180):
    """Has QEMU write the machine's memory and registers to files: what Xen's own words leave open is in there."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(patience)
        sock.connect(qmp)
        answers = sock.makefile()
        answers.readline()

        def do(command, **arguments):
            sock.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            for line in answers:
                answer = json.loads(line)
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    raise OSError(answer["error"]["desc"])
            raise OSError("QEMU is gone")

        do("qmp_capabilities")
        do("stop")
        registers = do("human-monitor-command", **{"command-line": "info registers -a"})
        with open(memory + ".registers", "w") as f:
            f.write(registers.replace("\r", ""))
        do("dump-guest-memory", paging=False, protocol="file:" + seen_as)
    subprocess.run(["gzip", "-1f", memory], check=True)


def processes(session):
    """Number, name and processor time in ticks of each process of a session."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                name, _, rest = f.read().partition("(")[2].rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        if int(fields[3]) == session:
            yield int(pid), name, int(fields[11]) + int(fields[12])


def cpu_seconds(session):
    """What the processes of a session have used so far."""
    return sum(ticks for _, _, ticks in processes(session)) / os.sysconf("SC_CLK_TCK")


def have_told(session, name, times=5):
    """Has the emulator of that name say, some times, where its processors are."""
    for _ in range(times):
        for pid, process, _ in list(processes(session)):
            if process == name:
                os.kill(pid, signal.SIGUSR1)
        time.sleep(1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--serial", required=True)
    p.add_argument("--text", required=True)
    p.add_argument("--keys", help="a FIFO that the first serial port reads from: Xen is asked for its state when the machine hangs")
    p.add_argument("--qmp", help="QEMU's socket for commands: the machine's memory is kept when it hangs")
    p.add_argument("--tells", metavar="NAME", help="a process that says on SIGUSR1 where the machine's processors are")
    p.add_argument("--memory", help="where, as FILE.gz and FILE.registers")
    p.add_argument("--memory-in-qemu", help="the same file as QEMU sees it")
    p.add_argument("--timeout", type=float, default=1800)
    p.add_argument("--quiet-timeout", type=float, default=300)
    p.add_argument("--asleep", type=float, help="a machine that is silent for so many seconds, and uses a twentieth of a "
                   "processor or less in the second half of them, sleeps for ever: no program of ours waits that long")
    p.add_argument("--first-failure", action="store_true", help="the machine is stopped when a test has failed; status 1")
    p.add_argument("--grace", type=float, default=15, help="seconds that a dead machine gets to print why")
    p.add_argument("command", nargs="+")
    a = p.parse_args()

    # open for reading too: QEMU waits for a writer, and a write without a reader would be the end of this program
    keys = os.open(a.keys, os.O_RDWR | os.O_NONBLOCK) if a.keys else None
    child = subprocess.Popen(a.command, stdin=subprocess.DEVNULL, start_new_session=True)

    def kill(*_):
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def interrupted(*_):
        kill()
        say("interrupted")
        sys.exit(130)

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)

    serial, text = Tail(a.serial), Tail(a.text)
    started = last_output = time.monotonic()
    job_exit, fatal, findings, hung = None, None, [], None
    halfway, failed = None, False
    deadline_after_fatal = None

    def look(last=False):
        nonlocal last_output, job_exit, fatal, failed, deadline_after_fatal
        for line in text.lines(last):
            m = re.match(r"xenlend-job: exit (\d+)$", line)
            if m:
                job_exit = int(m.group(1))
            if a.first_failure and re.match(r"not ok\b(?!.*# (?:TODO|SKIP)\b)", line):
                failed = True
            print(line, flush=True)
        for line in serial.lines(last):
            if GUEST.match(line):
                continue
            for pattern, what in FATAL:
                if pattern.search(line):
                    # what follows on the console is wanted in the log: give it a moment
                    if not fatal:
                        fatal = f"{what}: {line.strip()}"
                        deadline_after_fatal = time.monotonic() + a.grace
            for pattern, what in BAD:
                if pattern.search(line):
                    findings.append(f"{what}: {line.strip()}")
        if serial.grown or text.grown:
            last_output = time.monotonic()

    while child.poll() is None:
        look()
        now = time.monotonic()
        if failed:
            kill()
            break
        if deadline_after_fatal and now > deadline_after_fatal:
            kill()
            break
        if now - started > a.timeout:
            hung = f"out of time after {a.timeout:.0f} s"
        elif a.asleep and now - last_output > a.asleep and halfway:
            used, over = cpu_seconds(child.pid) - halfway[1], now - halfway[0]
            if used < over / 20:
                hung = f"asleep: silent for {a.asleep:.0f} s, and the emulator used {used:.1f} s of processor time in the last {over:.0f} s"
            halfway = None
        elif now - last_output > a.quiet_timeout:
            hung = f"hung: nothing on either serial port for {a.quiet_timeout:.0f} s"
        if now - last_output < (a.asleep or 0) / 2:
            halfway = None
        elif a.asleep and now - last_output < a.asleep and not halfway:
            halfway = now, cpu_seconds(child.pid)
        if hung:
            if keys is not None and os.path.exists(a.serial):
                tail_of(a.serial)
                ask(keys, a.serial)
            if a.tells:
                have_told(child.pid, a.tells)
            if a.qmp and os.path.exists(a.qmp):
                try:
                    keep(a.qmp, a.memory, a.memory_in_qemu or a.memory)
                    say(f"its memory is in {a.memory}.gz")
                except (OSError, ValueError, KeyError, subprocess.SubprocessError) as e:
                    say(f"its memory cannot be kept: {e}")
            kill()
            break
        time.sleep(0.1)
    child.wait()
    time.sleep(0.1)
    look(last=True)

    elapsed = time.monotonic() - started
    for f in findings[:20]:
        say(f"on the console: {f}")
    if fatal:
        tail_of(a.serial)
        say(f"FAILED after {elapsed:.0f} s: {fatal}")
        return BROKEN
    if hung:
        if keys is None:
            tail_of(a.serial)
        else:
            say(f"what Xen said of its domains and vCPUs then is at the end of {a.serial}")
        tail_of(a.text)
        say(f"FAILED: {hung}")
        return HUNG
    if failed:
        say(f"stopped after {elapsed:.0f} s: a test has failed")
        return 1
    if findings:
        say(f"FAILED: {len(findings)} line(s) that must not be there, see {a.serial}")
        return BROKEN
    if job_exit is None:
        tail_of(a.serial)
        say(f"FAILED after {elapsed:.0f} s: the machine stopped before the job ended (the emulator's status {child.returncode})")
        return BROKEN
    say(f"the job ended with {job_exit} after {elapsed:.0f} s")
    # what is above has meanings of its own
    return job_exit if job_exit <= MOST else BROKEN


if __name__ == "__main__":
    sys.exit(main())
