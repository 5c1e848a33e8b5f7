"""Generations of a cartridge: rsm check --list, --view, --unview, --rollback."""
import errno
import json
import os
import pty
import shutil
import subprocess
import sys

from harness import (RSM, TOP, cartridge_folder, expect, expect_errno, read_file, rsm_xattr, same_tree,
                     test, write_file)

CHECK = os.path.join(TOP, "tests", "system", "ltfs_check.py")


def generations(mount, path="Backup/monday"):
    answer = json.loads(mount.rsm("check", path, "--list", "--json").stdout)
    return answer["generations"]


def current(mount):
    rows = [row for row in generations(mount) if row["current"]]
    expect(len(rows) == 1, f"{len(rows)} generations are the current one")
    return rows[0]


def three_versions(bench, mount, copies):
    """v1, v2, and without the file: {1: generation, 2: ..., 3: ...}; copies of 1 and 2."""
    os.makedirs(mount / "Backup/monday/sub")
    base = mount / "Backup/monday"
    found = {}
    for version in (1, 2):
        write_file(f"{base}/file", bytes([version]) * 700_000)
        write_file(f"{base}/sub/small of v{version}", b"%d" % version)
        os.setxattr(f"{base}/file", "user.version", b"%d" % version)
        if version == 1:
            os.symlink("sub/nowhere", f"{base}/link")
            os.chmod(f"{base}/file", 0o640)
        mount.rsm("sync", "Backup/monday")
        found[version] = current(mount)["generation"]
        shutil.copytree(base, copies[version], symlinks=True)
    os.unlink(f"{base}/file")
    mount.rsm("sync", "Backup/monday")
    found[3] = current(mount)["generation"]
    return found


def robot_moves(mount):
    return mount.rsm("events").stdout.count("event=move ")


@test()
def older_generations_can_be_listed_viewed_and_gone_back_to(bench):
    library = bench.library(cartridges=2, drives=1)
    mount = bench.mount(library)
    copies = {1: bench.path("copy1"), 2: bench.path("copy2")}
    versions = three_versions(bench, mount, copies)
    barcode = rsm_xattr(mount / "Backup/monday", "barcode")
    rows = {row["generation"]: row for row in generations(mount) if row["partition"] == "b"}
    expect(set(versions.values()) <= set(rows), f"{versions} are not all among {sorted(rows)}")
    expect(rows[versions[1]]["files"] == 2 and rows[versions[2]]["files"] == 3,
           "files are miscounted", rows)
    expect(rows[versions[2]]["place"] == f"b:{rows[versions[2]]['block']}", "no place", rows)
    table = mount.rsm("check", barcode, "--list").stdout
    expect("GENERATION" in table and "current" in table, "no table", table)

    # a view is the tree as it was, and making it changes nothing
    for version in (1, 2):
        path = mount.rsm("check", "Backup/monday", "--view", versions[version]).stdout.strip()
        expect(path == f".rsm/views/{barcode}/{versions[version]}", f"the view is at {path!r}")
        same_tree(mount / path, copies[version])
        expect(rsm_xattr(mount / path, "generation") == str(versions[version]), "generation")
    view = mount / f".rsm/views/{barcode}/{versions[1]}"
    expect_errno(errno.EROFS, os.mkdir, f"{view}/new")
    expect_errno(errno.EROFS, os.unlink, f"{view}/file")
    expect_errno(errno.EROFS, open, f"{view}/file", "r+b")
    expect_errno(errno.EROFS, os.rename, f"{view}/file", f"{view}/other")
    expect_errno(errno.ENOENT, os.stat, mount / f".rsm/views/{barcode}/77")
    expect(sorted(os.listdir(mount / f".rsm/views/{barcode}")) ==
           sorted(str(versions[v]) for v in (1, 2)), "the views are not listed")
    mount.rsm("dismount", "Backup/monday")
    moves = robot_moves(mount)
    for folder, _, files in os.walk(view):
        for name in files:
            os.lstat(f"{folder}/{name}")
    expect(os.getxattr(f"{view}/file", "user.version") == b"1", "an attribute")
    expect(robot_moves(mount) == moves, "a look at a view moved the robot")
    with open(f"{view}/sub/small of v1", "rb") as f:
        expect(f.read() == b"1", "a view does not read")
        refused = mount.rsm("check", "Backup/monday", "--unview", versions[1], check=False)
        expect(refused.returncode == 1 and "open" in refused.stderr, "--unview of what is open",
               refused.stderr)
    expect(robot_moves(mount) > moves, "reading did not fetch the cartridge")
    for version in (1, 2):
        mount.rsm("check", "Backup/monday", "--unview", versions[version])
    expect(os.listdir(mount / ".rsm/views") == [], "views stay")

    # back to v1, to v2, and to where it began
    for version in (1, 2):
        before = current(mount)["generation"]
        mount.rsm("check", "Backup/monday", "--rollback", versions[version], "--yes")
        same_tree(mount / "Backup/monday", copies[version])
        expect(current(mount)["generation"] > before, "the generation did not grow")
    mount.rsm("check", "Backup/monday", "--rollback", versions[3], "--yes")
    expect(sorted(os.listdir(mount / "Backup/monday")) == ["link", "sub"], "not as it was")
    mount.rsm("check", "Backup/monday", "--rollback", versions[2], "--yes")
    event = [line for line in mount.rsm("events").stdout.splitlines() if "event=rollback" in line][-1]
    expect(f"to={versions[2]} " in event and barcode in event, "the event", event)
    left = [row["state"] for row in generations(mount)]
    expect("left behind" in left, "nothing is left behind", left)
    expect(set(versions.values()) <= {row["generation"] for row in generations(mount)},
           "a rollback has lost generations")

    # written on, then with another process, and by an independent reader
    write_file(mount / "Backup/monday/after", b"after the rollback")
    shutil.copy2(mount / "Backup/monday/after", copies[2])
    mount.unmount()
    folder = cartridge_folder(library, barcode)
    bench.run(sys.executable, CHECK, folder, "--history", "--compare", copies[2])
    mount = bench.mount(library)
    same_tree(mount / "Backup/monday", copies[2])
    mount.unmount()
    expect(not os.path.exists(f"{library}/staging/.views") or
           not os.listdir(f"{library}/staging/.views"), "views stay in the staging area")


@test()
def a_rollback_is_asked_for_and_refused_while_it_would_lose_something(bench):
    library = bench.library(cartridges=2, drives=1)
    mount = bench.mount(library, options="migrate_delay=600000")
    copies = {1: bench.path("copy1"), 2: bench.path("copy2")}
    versions = three_versions(bench, mount, copies)
    target = ("check", "Backup/monday", "--rollback", versions[1])

    refused = mount.rsm(*target, check=False)
    expect(refused.returncode == 1 and "--yes" in refused.stderr, "no terminal", refused.stderr)
    answer = on_terminal(mount, target, b"n\n")
    expect(answer[0] == 1, "an answer of no", answer)
    expect(not os.path.exists(mount / "Backup/monday/file"), "rolled back without consent")

    write_file(mount / "Backup/monday/staged", b"only here")
    refused = mount.rsm(*target, "--yes", check=False)
    expect(refused.returncode == 1 and "rsm sync" in refused.stderr, "staged", refused.stderr)
    expect(read_file(mount / "Backup/monday/staged") == b"only here", "a staged file is lost")
    mount.rsm("sync", "Backup/monday")
    newest = current(mount)["generation"]
    with open(mount / "Backup/monday/staged", "rb"):
        refused = mount.rsm(*target, "--yes", check=False)
        expect(refused.returncode == 1 and "open" in refused.stderr, "open", refused.stderr)
    refused = mount.rsm("check", "Backup/monday", "--rollback", 99, "--yes", check=False)
    expect(refused.returncode == 1 and "generation 99" in refused.stderr, "99", refused.stderr)
    expect(current(mount)["generation"] == newest, "a refused rollback wrote something")

    answer = on_terminal(mount, target, b"y\n")
    expect(answer[0] == 0, "an answer of yes", answer)
    same_tree(mount / "Backup/monday", copies[1])
    mount.rsm("check", "Backup/monday", "--rollback", newest, "--yes")
    expect(read_file(mount / "Backup/monday/staged") == b"only here", "the newest did not come back")
    mount.rsm("complete", "Backup/monday")
    refused = mount.rsm(*target, "--yes", check=False)
    expect(refused.returncode == 1 and "complete" in refused.stderr, "complete", refused.stderr)
    mount.unmount()


def on_terminal(mount, words, answer):
    """Exit code and output of rsm with a terminal, at which somebody types."""
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    process = subprocess.Popen([RSM, "-m", mount.point, *map(str, words)], stdin=theirs,
                               stdout=subprocess.PIPE, stderr=theirs, text=True)
    output = process.communicate(timeout=60)[0]
    os.close(theirs)
    os.close(ours)
    return process.returncode, output


@test()
def views_end_with_the_daemon_and_with_the_volume(bench):
    library = bench.library(cartridges=2, drives=1)
    mount = bench.mount(library)
    copies = {1: bench.path("copy1"), 2: bench.path("copy2")}
    versions = three_versions(bench, mount, copies)
    barcode = rsm_xattr(mount / "Backup/monday", "barcode")
    view = mount / f".rsm/views/{barcode}/{versions[1]}"

    mount.rsm("check", "Backup/monday", "--view", versions[1])
    expect(os.listdir(f"{library}/staging/.views"), "where is the view's tree?")
    mount.kill()
    mount = bench.mount(library)
    expect(not os.path.exists(f"{library}/staging/.views"), "a crash leaves a view's tree")
    expect(os.listdir(mount / ".rsm/views") == [], "a view without a tree")

    mount.rsm("check", "Backup/monday", "--view", versions[1])
    mount.rsm("deallocate", "Backup/monday", "--force")
    expect_errno(errno.ESTALE, read_file, f"{view}/file")
    mount.unmount()
