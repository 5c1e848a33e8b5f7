"""Allocation as programs and operators meet it: waiting, limits, moves in advance, the end of a medium."""
import json
import os
import signal
import subprocess
import time

from harness import RSM, cartridge_folder, expect, expect_errno, rsm_xattr, test, wait_until, write_file
from test_tool import table


def start(mount, *args):
    return subprocess.Popen([RSM, "-m", mount.point, *args], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def open_requests(mount):
    return [r for r in table(mount, "view", "requests") if r["state"] not in ("complete", "refused")]


def given_one_on_the_shelf(bench, library, barcode):
    os.makedirs(f"{library}/shelf", exist_ok=True)
    bench.run("mv", cartridge_folder(library, barcode), f"{library}/shelf/")


@test()
def satisfied_by_the_cartridges_mere_arrival_the_waiter_goes_on_with_no_typing(bench):
    """Promise 14: and one that is satisfied falsely is asked again, with what was found."""
    library = bench.library(cartridges=3)
    given_one_on_the_shelf(bench, library, "A00002L8")
    given_one_on_the_shelf(bench, library, "A00003L8")
    mount = bench.mount(library)
    os.makedirs(mount / "P/a")
    waiter = start(mount, "allocate", "P/b", "--wait")
    wait_until("the operator is asked", lambda: open_requests(mount))
    first = open_requests(mount)[0]
    expect(first["kind"] == "new-media" and "P/b" in first["text"], str(first))
    mount.rsm("requests", "satisfy", str(first["id"]))
    wait_until("it is asked again", lambda: any(r["id"] != first["id"] for r in open_requests(mount)))
    second = open_requests(mount)[0]
    expect(f"request {first['id']} " in second["text"] and "none came" in second["text"], str(second))
    bench.run("mv", f"{library}/shelf/A00002L8", f"{library}/ports/10/")
    out, err = waiter.communicate(timeout=30)
    expect(waiter.returncode == 0 and "P/b\t" in out, f"{waiter.returncode} {out} {err}")
    expect(rsm_xattr(mount / "P/b", "barcode") == "A00002L8", "another one")
    expect(not open_requests(mount), "the request stays open")

    # a deallocation serves as well; of two who wait for one, one goes on waiting
    waiters = [start(mount, "allocate", f"P/{name}", "--wait") for name in "cd"]
    wait_until("it is asked", lambda: open_requests(mount))
    expect(len(open_requests(mount)) == 1, "one request a pool is enough")
    os.rmdir(mount / "P/a")
    wait_until("one has it", lambda: any(w.poll() is not None for w in waiters))
    loser = [w for w in waiters if w.poll() is None]
    expect(len(loser) == 1, "both have one")
    expect(len(open_requests(mount)) == 1, "nobody is asked for the other")
    mount.rsm("requests", "refuse", str(open_requests(mount)[0]["id"]))
    out, err = loser[0].communicate(timeout=10)
    expect(loser[0].returncode == 1 and "refused" in err and len(err.splitlines()) == 1, err)


@test()
def a_wait_for_a_cartridge_ends_within_a_second_of_ctrl_c(bench):
    mount = bench.mount(bench.library(cartridges=1))
    os.makedirs(mount / "P/a")
    expect_errno(28, os.mkdir, mount / "P/b")
    waiter = start(mount, "allocate", "P/b", "--wait")
    wait_until("the operator is asked", lambda: open_requests(mount))
    began = time.monotonic()
    waiter.send_signal(signal.SIGINT)
    waiter.communicate(timeout=10)
    expect(time.monotonic() - began < 1, f"it took {time.monotonic() - began:.1f} s")
    wait_until("the request is withdrawn", lambda: not open_requests(mount), 2)
    began = time.monotonic()
    result = mount.rsm("allocate", "P/b", "--wait=1", check=False)
    took = time.monotonic() - began
    expect(result.returncode == 1 and 0.9 < took < 2, f"{took:.1f} s, {result.stderr}")
    expect(not open_requests(mount), "the request stays open")


@test()
def limits_of_a_pool_hold_and_the_worn_out_are_listed(bench):
    """Promise 16: a side at its allocation limit is decommissioned by deallocation, listed, never allocated."""
    mount = bench.mount(bench.library(cartridges=2))
    os.mkdir(mount / "P")
    os.setxattr(mount / "P", "user.rsm.max_allocations", b"1")
    os.setxattr(mount / "P", "user.rsm.allocation_limit", b"1")
    os.mkdir(mount / "P/a")
    barcode = rsm_xattr(mount / "P/a", "barcode")
    expect_errno(122, os.mkdir, mount / "P/b")
    os.rmdir(mount / "P/a")
    media = {m["barcode"]: m for m in table(mount, "view", "media")}
    expect(media[barcode]["state"] == "decommissioned" and media[barcode]["pool"] == "P", str(media[barcode]))
    os.mkdir(mount / "P/b")
    expect(rsm_xattr(mount / "P/b", "barcode") != barcode, "it was allocated again")
    os.rmdir(mount / "P/b")
    expect_errno(28, os.mkdir, mount / "P/c")
    result = mount.rsm("allocate", "P/c", "--medium", barcode, check=False)
    expect(result.returncode == 1 and "decommissioned" in result.stderr, result.stderr)
    result = mount.rsm("free", "--yes", barcode, check=False)
    expect(result.returncode == 1 and "decommissioned" in result.stderr, result.stderr)
