# SPDX-License-Identifier: GPL-2.0-or-later
"""As tap.h, for tests in Python: TAP on standard output, the plan at the end."""

_count = _failed = 0


def begin(suite):
    print(f"# suite: {suite}", flush=True)


def ok(good, what, said=""):
    """A test: whether it is so, its words, and what is to be shown if it is not."""
    global _count, _failed
    _count += 1
    print(f"{'ok' if good else 'not ok'} {_count} - {what}", flush=True)
    if not good:
        _failed += 1
        for line in str(said).splitlines():
            print("#", line)


def end():
    """Prints the plan; the exit status of the suite: 0 if all passed."""
    print(f"1..{_count}")
    return 1 if _failed else 0
