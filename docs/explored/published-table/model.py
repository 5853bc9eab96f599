#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""All interleavings of faults that take an entry of a published table, and a lender that withdraws it: see README.md."""

VALID, TAKEN = 1, 2
NOTHING = (0, 0)

# What the lender does, by frame.  Taking back: its notifier; when that has returned the frame is in other use.
SCRIPT = [('publish', 1), ('take back', 1), ('publish', 2), ('take back', 2), ('publish', 1), ('take back', 1)]

PROPOSED = 'as proposed'
DEVIATIONS = {
    'revoke without lock': "revoke does not take the window's lock",
    'fault without lock': "a fault does not take the window's lock",
    'map first': 'a fault maps the frame, then marks the entry',
    'store': 'a fault stores the mark, without a comparison',
}


class Wrong(Exception):
    """A state that must not be."""


def replaced(t, i, v):
    return t[:i] + (v,) + t[i + 1:]


class World:
    """entry, who has the lock, what the slot maps, references and other use by frame, the lender, the vCPUs."""

    def __init__(self, entry, lock, mapped, refs, reused, lender, vcpus):
        self.state = (entry, lock, mapped, refs, reused, lender, vcpus)
        self.entry, self.lock, self.mapped, self.refs, self.reused, self.lender, self.vcpus = self.state

    def but(self, **changed):
        names = ('entry', 'lock', 'mapped', 'refs', 'reused', 'lender', 'vcpus')
        return World(*(changed.get(n, v) for n, v in zip(names, self.state)))

    def ref(self, frame, by):
        return replaced(self.refs, frame, self.refs[frame] + by)


def lender_steps(w, deviation):
    step, at, seen = w.lender
    if step == len(SCRIPT):
        return
    what, frame = SCRIPT[step]
    if what == 'publish':
        yield w.but(entry=(frame, VALID), reused=replaced(w.reused, frame, 0), lender=(step + 1, 0, None))
    elif at == 0:       # exchange the entry with nothing
        yield w.but(entry=NOTHING, lender=(step, 1 if w.entry[1] & TAKEN else 4, w.entry))
    elif at == 1:       # it was taken: the hypercall
        if deviation == 'revoke without lock':
            yield w.but(lender=(step, 2, seen))
        elif w.lock is None:
            yield w.but(lock='lender', lender=(step, 2, seen))
    elif at == 2:       # unmap, flush, put
        refs = w.ref(w.mapped, -1) if w.mapped else w.refs
        yield w.but(mapped=0, refs=refs, lender=(step, 3, seen))
    elif at == 3:
        yield w.but(lock=None if w.lock == 'lender' else w.lock, lender=(step, 4, seen))
    else:               # the notifier has returned
        yield w.but(reused=replaced(w.reused, frame, 1), lender=(step + 1, 0, None))


def vcpu_steps(w, k, deviation):
    at, seen = w.vcpus[k]

    def go(to, see=seen, **changed):
        return w.but(vcpus=replaced(w.vcpus, k, (to, see)), **changed)

    if at == 'guest':
        if w.entry[1] == VALID and not w.mapped:
            yield go('reference', w.entry)
    elif at == 'reference':
        yield go('lock', refs=w.ref(seen[0], 1))
    elif at == 'lock':
        if deviation == 'fault without lock':
            yield go('take')
        elif w.lock is None:
            yield go('take', lock=k)
    elif at == 'take':
        if deviation == 'map first':
            yield go('mark', mapped=seen[0]) if not w.mapped else go('put')
        elif deviation == 'store' or w.entry == seen:
            yield go('map', entry=(seen[0], VALID | TAKEN))
        else:
            yield go('put')
    elif at == 'map':
        yield go('unlock', mapped=seen[0]) if not w.mapped else go('put')
    elif at == 'mark':
        if w.entry == seen:
            yield go('unlock', entry=(seen[0], VALID | TAKEN))
        else:
            yield go('put', mapped=0)
    elif at == 'put':
        yield go('unlock', refs=w.ref(seen[0], -1))
    else:
        yield go('guest', None, lock=None if w.lock == k else w.lock)


def explore(deviation, nr_vcpus):
    """How many states there are.  Wrong: one that must not be."""
    first = World(NOTHING, None, 0, (0, 0, 0), (0, 0, 0), (0, 0, None), (('guest', None),) * nr_vcpus)
    seen, todo = {first.state}, [first]
    while todo:
        w = todo.pop()
        if w.mapped and w.reused[w.mapped]:
            raise Wrong(f'a guest can reach frame {w.mapped}, which is in other use')
        following = list(lender_steps(w, deviation))
        for k in range(nr_vcpus):
            following += vcpu_steps(w, k, deviation)
        if not following and (w.mapped or any(w.refs)):
            raise Wrong('something is left at the end')
        for f in following:
            if f.state not in seen:
                seen.add(f.state)
                todo.append(f)
    return len(seen)


def main():
    for n in (1, 2):
        print(f'{PROPOSED}, {n} vCPU{"s" * (n > 1)}: {explore(PROPOSED, n)} states, none is wrong')
    missed = 0
    for deviation, text in DEVIATIONS.items():
        try:
            explore(deviation, 2)
            print(f'{text}: NOT FOUND to be wrong')
            missed += 1
        except Wrong as e:
            print(f'{text}: {e}')
    return missed


if __name__ == '__main__':
    raise SystemExit(main())
