#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How each C file of ours is compiled, and what can be done with that.  Runs inside the Debian tree; see compile-db.

usage: compile-db.py collect FILE INCLUDE        asks the Makefiles, and what Kbuild left of the driver; headers that the
                                                 tree does not have are in folder INCLUDE
       compile-db.py check FILE CC [JOBS]        compiles each file with CC and -Werror, to nowhere: TAP's lines for what fails
       compile-db.py headers FILE [JOBS]         ... each header alone
       compile-db.py export FILE TOP TREE CACHE KERNEL-TREE
                                                 compile_commands.json for clangd on the host, to standard output
"""

import concurrent.futures
import glob
import json
import os
import re
import shlex
import subprocess
import sys

SRC = "/src"
OUT = SRC + "/build/lint/db"  # what the Makefiles are told; nothing is made there but headers
MODULES = SRC + "/build/lint/modules/"  # what "compile-db driver" built
KBUILD = {"driver": "driver", "module": "tests/module"}  # folders there, and where they come from
# Makefiles, and the targets that name all their sources.
COMPONENTS = {
    "library": ["all", "check"],
    "tools": ["all", "check"],
    "devices": ["all", "check"],
    "common": ["check"],
    "demo": ["all"],
    "demo/gpu": ["all", "check"],
    "tests": ["all"],
    "bench": ["all", "check"],
    "guests": ["all"],
    "hypervisor/tests": ["all", OUT + "/hypervisor-tests/fuzz"],
    "driver/tests": ["check"],
}
HEADERS = {"driver/tests": "headers"}  # targets that make those that sources need
# What only gcc knows, of the kernel's flags and the guests'.
GCC_ONLY = re.compile(
    r"-m(preferred-stack-boundary|skip-rax-setup|indirect-branch|function-return|record-mcount|harden-sls)|-fconserve-stack"
    r"|-fno-allow-store-data-races|-fmin-function-alignment|-W(no-)?(dangling-pointer|stringop-overflow|alloc-size|maybe-uninit)"
    r"|-fpatchable-function-entry|-fno-stack-clash|-f(no-)?var-tracking|-Wimplicit-fallthrough=|-fmacro-prefix-map|-Wp,"
    r"|-falign-|-fstrict-flex-arrays|-Werror=designated-init|-fno-stack-check|-ftrivial-auto-var-init=zero"
)


def clean(words, directory):
    """A compiler's arguments without the sources, outputs, dependencies and what is for the linker; and the sources."""
    kept, sources = [], []
    skip = False
    for w in words:
        if skip:
            skip = False
        elif w in ("-o", "-MF", "-MT", "-MQ"):
            skip = True
        elif w in ("-c", "-MMD", "-MD", "-MP", "-static", "-shared") or w.startswith(("-Wp,-M", "-Wl,", "-l", "-L")):
            pass
        elif w.endswith((".o", ".a", ".so")) and not w.startswith("-"):
            pass
        elif w.endswith(".c") and not w.startswith("-"):
            sources.append(os.path.normpath(os.path.join(directory, w)))
        else:
            kept.append(w)
    return kept, sources


def of_makefile(component, targets, include):
    folder = f"{SRC}/{component}"
    if not os.path.exists(folder + "/Makefile"):
        return
    out = f"{OUT}/{component.replace('/', '-')}"
    said = subprocess.run(
        ["make", "-n", "-B", "-C", folder, f"O={out}", "LIBXENLEND=/nowhere", f"CC=cc -idirafter {include}", "CLANG=cc",
         "GLSL=true", *targets],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, check=False)
    if said.returncode:
        sys.exit(f"make -n in {component}:\n{said.stdout}")
    if component in HEADERS:
        subprocess.run(["make", "-s", "-C", folder, f"O={out}", HEADERS[component]], stdin=subprocess.DEVNULL, check=True)
    directory = folder
    for line in said.stdout.replace("\\\n", " ").split("\n"):
        entered = re.match(r"make(?:\[\d+\])?: Entering directory '(.*)'", line)
        if entered:
            directory = entered.group(1)
        if not re.match(r"\s*cc .*\.c\b", line):
            continue
        kept, sources = clean(shlex.split(re.sub(r"\s*(>|\|\||&&|;).*", "", line))[1:], directory)
        for s in sources:
            yield {"file": s, "directory": directory, "arguments": kept, "component": component}


def of_kbuild():
    for name in sorted(glob.glob(MODULES + "*/.*.o.cmd")):
        built = os.path.dirname(name)
        ours = f"{SRC}/{KBUILD[os.path.basename(built)]}"
        line = open(name, encoding="utf-8").readline()
        words = shlex.split(line.partition(":=")[2].partition(";")[0])
        headers = next((w for w in words if re.match(r"-I/usr/src/linux-headers-.*-common/include$", w)), "")
        directory = headers[2:].replace("-common/include", "-amd64")
        kept, sources = clean(words[1:], directory)
        for s in sources:
            real = s.replace(built, ours)
            if real.startswith(ours + "/") and os.path.exists(real):
                kept = [w.replace(built + "/..", SRC).replace(built, ours) for w in kept if w != "-Werror"]
                yield {"file": real, "directory": directory, "arguments": kept, "component": "driver"}


def collect(name, include):
    entries, seen = list(of_kbuild()), set()
    for component, targets in COMPONENTS.items():
        entries += of_makefile(component, targets, include)
    # built by nobody until it is copied: it is to compile then
    suite = next((e for e in entries if e["file"] == SRC + "/tests/suites/smoke.c"), None)
    template = SRC + "/tests/template.c"
    if suite and os.path.exists(template):
        words = [w for w in suite["arguments"] if w != "-Wmissing-prototypes"] + [f"-I{SRC}/tests/suites", "-Wno-missing-prototypes"]
        entries.append({**suite, "file": template, "arguments": words})
    whole = []
    for e in entries:  # the first way that a file is compiled is how it is used, others are its unit tests
        if e["file"] not in seen:
            seen.add(e["file"])
            whole.append(e)
    with open(name, "w", encoding="utf-8") as f:
        json.dump(whole, f, indent=1)


def run_all(jobs, work):
    """work: (name, arguments, directory, input)"""

    def one(w):
        r = subprocess.run(w[1], cwd=w[2], input=w[3], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return w[0], r.returncode, r.stdout

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for name, status, said in pool.map(one, work):
            if status:
                bad += 1
                print(f"{name}:\n{said}")
    print(f"{len(work)} looked at, {bad} bad")
    return bad != 0


def check(name, cc, jobs):
    work = []
    for e in json.load(open(name, encoding="utf-8")):
        # what gcc has to say of the driver comes from the kernel's own build
        if e["component"] == "driver" and cc.startswith("gcc"):
            continue
        args = [w for w in e["arguments"] if cc.startswith("gcc") or not GCC_ONLY.match(w)]
        args = [w for w in args if not (w.startswith("-fsanitize=") and "fuzzer" in w)]
        if e["component"] == "driver":
            # the kernel's headers were configured for gcc: what clang has to say of them is nobody's business here
            args = [re.sub(r"^-I(?=/usr/src/|\./)", "-isystem", w) for w in args]
        else:
            args = ["-Wall", "-Wextra", *args]  # for clang the last word counts: what a Makefile switches off stays off
        # gcc says some things only when it optimizes
        how = ["-c", "-o", "/dev/null"] if cc.startswith("gcc") else ["-fsyntax-only"]
        work.append((e["file"], [cc, *args, "-Werror", *how, e["file"]], e["directory"], ""))
    return run_all(jobs, work)


def headers(name, jobs):
    """A header is looked at as the files of its folder are, or of the nearest one that has any."""
    entries = json.load(open(name, encoding="utf-8"))
    tracked = sys.stdin.read().split()
    work = []
    for h in tracked:
        path = f"{SRC}/{h}"
        folder, like = os.path.dirname(path), None
        if h.startswith("include/"):  # for programs; the driver's build takes them as they are for the kernel
            folder = SRC + "/library"
        while folder != SRC and not like:
            like = next((e for e in entries if e["file"].startswith(folder + "/")), None)
            folder = os.path.dirname(folder)
        if not like:
            continue
        cc = "gcc"
        args = [w for w in like["arguments"] if not w.startswith(("-fsanitize", "-D__KBUILD", "-DKBUILD"))]
        if like["component"] == "driver":
            args += ['-DKBUILD_BASENAME="header"', '-DKBUILD_MODNAME="header"', "-D__KBUILD_MODNAME=header"]
        elif "/public/" in h:
            args += ["-include", "stdint.h"]  # Xen's public headers leave that to who includes them
        elif h.startswith("hypervisor/xen/"):
            continue  # only within Xen's tree
        if like["component"] != "driver":
            args += ["-Wall", "-Wno-unused", "-Werror"]
        # twice: what guards it is a part of it
        work.append((h, [cc, *args, "-fsyntax-only", "-x", "c", "-"], like["directory"],
                     f'#include "{path}"\n#include "{path}"\nstruct only_to_have_something;\n'))
    return run_all(jobs, work)


def export(name, top, tree, cache, kernel_tree):
    where = {SRC: top, "/cache": cache, "/usr/src": kernel_tree + "/usr/src"}

    def host(text):
        return re.sub(r"^(-I|-include|-isystem|-T)?(/src|/cache|/usr/src)(?=/|$)", lambda m: (m.group(1) or "") + where[m.group(2)], text)

    for e in (entries := json.load(open(name, encoding="utf-8"))):
        system = [] if e["component"] == "driver" else [f"--sysroot={tree}"]
        shared = [f"-I{SRC}/include", f"-I{SRC}/library/include"] if system else []
        e["directory"] = host(e["directory"])
        e["file"] = host(e["file"])
        words = [w for w in e["arguments"] if not GCC_ONLY.match(w) and not w.startswith("-fsanitize")]
        e["arguments"] = [host(w) for w in ["clang", *system, *words, *shared, "-c"]] + [e["file"]]
        del e["component"]
    json.dump(entries, sys.stdout, indent=1)
    print()


def main():
    what, name, *rest = sys.argv[1:]
    if what == "collect":
        collect(name, rest[0])
    elif what == "check":
        sys.exit(check(name, rest[0], int(rest[1]) if len(rest) > 1 else 1))
    elif what == "headers":
        sys.exit(headers(name, int(rest[0]) if rest else 1))
    elif what == "export":
        export(name, *rest)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
