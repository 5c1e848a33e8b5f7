"""A library whose robot and drives take their time: many wait, and nobody waits who need not."""
import contextlib
import errno
import os
import random
import subprocess
import threading
import time

from harness import RSM, SEED, big_file, expect, expect_errno, read_file, test, wait_until, write_file


def slow_library(bench, **shape):
    library = bench.library(**shape)
    with open(f"{library}/library.conf", "a") as f:
        f.write("timing = real\nrobot_s = 0.2\nload_s = 0.2\nunload_s = 0.15\nlocate_mb_s = 2000\n"
                "rate_mb_s = 200\n")
    with open(f"{library}/library.conf") as f:
        lines = f.read().splitlines()
    seen = {}
    for line in lines:  # a key stands once: the last one counts here
        if "=" in line and not line.startswith("#"):
            seen[line.split("=")[0].strip()] = line
    write_file(f"{library}/library.conf", ("\n".join(seen.values()) + "\n").encode())
    return library


class Prober(threading.Thread):
    """Looks around elsewhere and remembers the slowest answer; what the disk itself takes to make
    something durable, with others at work on it, is nobody's waiting for a drive."""

    def __init__(self, mount, names):
        super().__init__(daemon=True)
        self.mount, self.names, self.slowest, self.rounds = mount, names, ("nothing", 0.0), 0
        self.tag = time.monotonic_ns()
        self.stopping, self.error, self.disk = False, None, 0.0

    def plain(self):
        began = time.monotonic()
        with open(f"{os.path.dirname(self.mount.point)}/durable", "ab") as f:
            f.write(b"12345")
            f.flush()
            os.fsync(f.fileno())
        self.disk = max(self.disk, time.monotonic() - began)

    def run(self):
        try:
            while not self.stopping:
                self.rounds += 1
                self.plain()
                i = self.rounds
                some = self.names[i % len(self.names)]
                self.timed("stat", os.stat, f"{some}/data")
                self.timed("ls", os.listdir, self.names[(i * 7) % len(self.names)])
                self.timed("df", os.statvfs, self.mount / "P")
                self.timed("df of a cartridge", os.statvfs, some)
                self.timed("mkdir of a pool", os.mkdir, self.mount / f"Pool{self.tag}{i}")
                self.timed("mkdir in a cartridge", os.mkdir, f"{some}/d{self.tag}{i}")
                self.timed("write", write_file, f"{some}/w{self.tag}{i}", b"12345" * 100)
                self.timed("read of staged data", read_file, f"{some}/w{self.tag}{i}")
                self.timed("rename", os.rename, f"{some}/w{self.tag}{i}", f"{some}/d{self.tag}{i}/w")
                self.timed("xattr", os.getxattr, some, "user.rsm.location")
                time.sleep(0.05)
        except OSError as e:
            self.error = e

    def timed(self, what, call, *args):
        began = time.monotonic()
        call(*args)
        self.slowest = max(self.slowest, (what, time.monotonic() - began), key=lambda x: x[1])

    def check(self, when):
        self.stopping = True
        self.join(30)
        expect(not self.is_alive() and not self.error, f"{when}: the prober: {self.error}")
        # a change of pools is made durable in a few steps
        expect(self.slowest[1] < 1.0 + 4 * self.disk, f"{when}: {self.slowest[0]} took {self.slowest[1]:.2f} s, "
               f"the disk {self.disk:.2f} s")
        return f"{when}: {self.rounds} rounds, slowest {self.slowest[0]} {self.slowest[1]:.2f} s"


class Exchanges:
    """Counts how often the robot brings a cartridge: each visit of a drive is two moves."""

    def __init__(self, bench, mount):
        self.bench, self.mount, self.before = bench, mount, bench.moves(mount)

    def since(self, what, most):
        count = (self.bench.moves(self.mount) - self.before + 1) // 2
        self.before += 2 * count
        expect(count <= most, f"{what}: cartridges were fetched {count} times, {most} are enough")
        return f"{what}: {count} fetches"


@test(timeout=300)
def a_slow_library_keeps_answering(bench):
    """24 writers, then 24 readers for two slow drives: all right; who needs no drive waits for none, and
    each cartridge is fetched once for each purpose, whatever else goes on."""
    count = 24
    library = slow_library(bench, cartridges=count, drives=2)
    mount = bench.mount(library)
    os.mkdir(mount / "P")
    names = [mount / f"P/c{i:02}" for i in range(count)]
    for i in range(count):
        big_file(bench.path(f"in{i}"), 6, SEED + i)
    # the library is still being looked through: who says so waits for what turns up
    fetches = Exchanges(bench, mount)
    makers = [subprocess.Popen([RSM, "-m", mount.point, "allocate", f"P/{os.path.basename(n)}", "--wait"],
                               stdout=subprocess.DEVNULL) for n in names]
    expect(all(m.wait() == 0 for m in makers), "an allocation failed")
    expect_errno(errno.ENOSPC, os.mkdir, mount / "P/one more")
    # those that were looked at before the first allocation come again for their labels
    told = [fetches.since("looking through and labels", count + 14)]
    writers = [subprocess.Popen(["cp", bench.path(f"in{i}"), f"{name}/data"]) for i, name in enumerate(names)]
    expect(all(w.wait() == 0 for w in writers), "a cp failed")
    prober = Prober(mount, names)
    prober.start()
    mount.rsm("sync", timeout=200)
    # the prober's files do not bring any of them a second time
    told += [fetches.since("sync", count + 8), prober.check("while syncing")]
    mount.unmount()
    mount = bench.mount(library)
    fetches = Exchanges(bench, mount)
    readers = [subprocess.Popen(["cmp", bench.path(f"in{i}"), f"{name}/data"])
               for i, name in enumerate(names) for _ in range(2)]
    prober = Prober(mount, names)
    prober.start()
    expect(all(r.wait(200) == 0 for r in readers), "a reader got other bytes or an error")
    told += [fetches.since("reading", count + 8), prober.check("while reading")]
    print("; ".join(told))


@test(timeout=300)
def who_waits_can_be_interrupted(bench):
    """A reader that waits for a drive ends within a second of Ctrl-C, and the others go on."""
    library = slow_library(bench, cartridges=6, drives=1)
    mount = bench.mount(library, options="dismount_delay=0")
    os.mkdir(mount / "P")
    names = [mount / f"P/c{i}" for i in range(6)]
    for i, name in enumerate(names):
        mount.allocate(f"P/c{i}")
        write_file(f"{name}/data", bytes([i]) * 300_000)
    mount.rsm("sync", timeout=200)
    mount.unmount()
    mount = bench.mount(library, options="dismount_delay=0")
    readers = [subprocess.Popen(["sh", "-c", f"exec cat '{name}/data' | wc -c"], stdout=subprocess.PIPE,
                                start_new_session=True, text=True) for name in names]
    time.sleep(0.7)
    victims = [readers[i] for i in random.Random(SEED).sample(range(6), 3)]
    began = time.monotonic()
    for victim in victims:
        os.killpg(victim.pid, 2)
    for victim in victims:
        victim.wait(10)
    expect(time.monotonic() - began < 1.5, f"Ctrl-C took {time.monotonic() - began:.1f} s")
    for reader in readers:
        out = reader.communicate(timeout=120)[0]
        expect(reader in victims or out.strip() == "300000", f"a reader got {out!r} bytes")


@test(timeout=120)
def death_while_a_changed_folder_is_locked(bench):
    """kill -9 while a rmdir waits and the kernel has been told of another name in its folder: rsmfs ends."""
    library = bench.library(cartridges=2, drives=1)
    mount = bench.mount(library)
    os.mkdir(mount / "P")
    os.mkdir(mount / "P/first")
    os.mkdir(mount / "P/second")
    name = "first"
    used = os.open(mount / "P/second/file", os.O_CREAT | os.O_RDWR)
    os.unlink(mount / "P/second/file")
    for attempt in range(10):  # it waits for a second: a slow machine misses that
        second = subprocess.Popen(["rmdir", mount / "P/second"], stderr=subprocess.DEVNULL)
        time.sleep(0.1)
        mount.rsm("rename", f"P/{name}", f"renamed{attempt}")
        name = f"renamed{attempt}"
        time.sleep(0.2)
        if second.poll() is None:
            break
    expect(second.poll() is None, "a rmdir of what is in use did not wait")
    mount.kill()
    with contextlib.suppress(OSError):
        os.close(used)
    expect(second.wait(10) != 0, "a rmdir went well that nobody answered")
    mount = bench.mount(library)
    expect(os.path.isdir(mount / f"P/{name}"), "the cartridge has not got its new name")


@test()
def mkdir_waits_for_no_robot(bench):
    """No cartridge is known yet: mkdir says so at once, and keeps nobody from the pool; who says that he
    waits gets the first one that turns up, and mkdir the next."""
    library = slow_library(bench, cartridges=2, drives=1)
    write_file(f"{library}/library.conf",
               read_file(f"{library}/library.conf").replace(b"load_s = 0.2", b"load_s = 4"))
    mount = bench.mount(library)
    os.mkdir(mount / "P")
    began = time.monotonic()
    expect_errno(errno.ENOSPC, os.mkdir, mount / "P/early")
    expect(time.monotonic() - began < 1, f"mkdir took {time.monotonic() - began:.1f} s to say no")
    result = mount.rsm("allocate", "P/early", check=False)
    expect(result.returncode == 1 and "still to be looked at" in result.stderr, result.stderr)
    expect(time.monotonic() - began < 2, "rsm allocate waited though nobody said so")
    began = time.monotonic()
    mount.rsm("allocate", "P/early", "--wait=60")
    expect(time.monotonic() - began < 20, f"the first one came after {time.monotonic() - began:.1f} s")

    def made():
        with contextlib.suppress(OSError):
            os.mkdir(mount / "P/late")
        return os.path.isdir(mount / "P/late")

    wait_until("a mkdir goes well", made)
