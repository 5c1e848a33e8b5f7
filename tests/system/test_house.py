"""The sources keep the order of the house: what README names exists, includes point down."""
import os
import re
import subprocess

from harness import TOP, expect, test


def sources(*endings):
    files = subprocess.run(["git", "-C", TOP, "ls-files"], stdout=subprocess.PIPE, text=True, check=False)
    names = files.stdout.splitlines()
    if files.returncode != 0:  # a tarball
        names = [os.path.relpath(os.path.join(d, n), TOP) for d, _, ns in os.walk(TOP) for n in ns
                 if "/build" not in d]
    return [n for n in names if n.endswith(endings) and os.path.exists(os.path.join(TOP, n))]


def text_of(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        return f.read()


@test(mounts=False)
def readme_names_what_exists(bench):
    """Each `file: function` of README.md is there, and each file it links to."""
    text = text_of("README.md")
    named = re.findall(r"`([\w./-]+\.(?:c|h|py|sh)): (\w+)`", text)
    expect(len(named) >= 16, f"only {len(named)} functions are named")
    for file, function in named:
        path = os.path.join(TOP, file)
        expect(os.path.exists(path), f"README names {file}, which is not there")
        expect(re.search(rf"\b{function}\(", text_of(file)), f"README names {file}: {function}, which is not there")
    for path in re.findall(r"\]\(([\w./-]+)\)", text):
        expect(os.path.exists(os.path.join(TOP, path)), f"README links to {path}")


@test(mounts=False)
def includes_point_down(bench):
    """fs -> core -> changer -> base; FUSE only in fs, SQLite only in core, SCSI's headers in changer."""
    rank = {"base": 0, "changer": 1, "core": 2, "fs": 3}
    bad = []
    for name in sources(".c", ".h"):
        floor = name.split("/")[0]
        if floor not in rank:
            continue
        for include in re.findall(r'^#include\s+["<]([^">]+)[">]', text_of(name), re.M):
            to = include.split("/")[0]
            if to in rank and rank[to] > rank[floor]:
                bad.append(f"{name} includes {include}, which is above it")
            if to.startswith("fuse") and floor != "fs":
                bad.append(f"{name} includes {include}")
            if include.startswith("sqlite3") and floor != "core":
                bad.append(f"{name} includes {include}")
            if include.startswith("scsi/") and floor != "changer":
                bad.append(f"{name} includes {include}")
    expect(not bad, "includes that do not point down", *bad)


@test(mounts=False)
def headers_begin_with_a_sentence(bench):
    """Line 1 of every header tells what the room is: head -qn1 core/*.h is the floor plan."""
    bad = [n for n in sources(".h") if n.split("/")[0] in ("base", "changer", "core", "fs") and
           not re.match(rf"/\* {re.escape(os.path.basename(n))} - \S.*", text_of(n))]
    expect(not bad, "headers without their sentence", *bad)
