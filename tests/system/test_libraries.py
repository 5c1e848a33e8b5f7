"""Libraries: several in one mount, ports, doors, cleaning, and drives that a person feeds."""
import json
import os

from harness import expect, places, random_bytes, read_file, rsm_xattr, test, write_file


def rows(mount, *args):
    """What a table of `rsm --json` tells, as a list."""
    data = json.loads(mount.rsm("--json", *args).stdout)
    return next(iter(data.values())) if isinstance(data, dict) else data


@test()
def several_libraries_share_the_pools_of_one_mount(bench):
    one = bench.library("one", drives=1, slots=4, ports=2, cartridges=1, capacity="200M")
    two = bench.library("two", drives=1, slots=4, ports=2, cartridges=3, capacity="200M")
    for barcode, place in places(two).items():
        os.rename(os.path.join(two, place, barcode),
                  os.path.join(two, place, barcode.replace("A", "B")))
    mount = bench.mount(one, options=f"library={two}")
    os.mkdir(mount / "Backup")
    data = {}
    for name in ("a", "b", "c"):
        os.mkdir(mount / f"Backup/{name}")
        data[name] = random_bytes(100_000, ord(name))
        write_file(mount / f"Backup/{name}/file", data[name])
    mount.rsm("sync")
    barcodes = {name: rsm_xattr(mount / f"Backup/{name}", "barcode") for name in data}
    expect(sorted(b[0] for b in barcodes.values()) == ["A", "B", "B"], "the pool spans both", barcodes)
    for name in data:
        mount.rsm("mount", f"Backup/{name}", "--drive", "256", "--timeout", "20")
        home = one if barcodes[name][0] == "A" else two
        expect(places(home)[barcodes[name]] == "drives/256", "in a drive of its own library", places(home))
        mount.rsm("dismount", f"Backup/{name}")

    libraries = rows(mount, "view", "libraries")
    expect([x["source"] for x in libraries] == [one, two], "view libraries names both", libraries)
    for what in ("drives", "slots"):
        expect({x["source"] for x in rows(mount, "view", what)} == {one, two}, f"view {what} names the library")
        expect(two in mount.rsm("view", what).stdout, f"the table of {what} as well")

    # one number, two drives: which is meant has to be said
    result = mount.rsm("disable", "drive", "256", check=False)
    expect(result.returncode == 1 and "several libraries" in result.stderr, result.stderr)
    mount.rsm("disable", "drive", f"{two}:256")
    states = {x["source"]: x["state"] for x in rows(mount, "view", "drives")}
    expect(states[two] == "disabled" and states[one] != "disabled", "the one that was named", states)
    mount.rsm("enable", "drive", f"{libraries[1]['id']}:256")

    # each of them is locked
    result = bench.rsmfs(two, bench.path("elsewhere"), check=False)
    expect(result.returncode == 1 and mount.point in result.stderr, result.stderr)

    # state is with the first; without the other its cartridges are off-line, names and trees stay
    mount.unmount()
    mount = bench.mount(one)
    for name in data:
        there = barcodes[name][0] == "A"
        expect(os.listdir(mount / f"Backup/{name}") == ["file"], "listed in any case")
        expect(rsm_xattr(mount / f"Backup/{name}", "location").startswith("slot") == there, name)
    mount.unmount()
    mount = bench.mount(one, options=f"library={two}")
    for name in data:
        expect(read_file(mount / f"Backup/{name}/file") == data[name], name)
