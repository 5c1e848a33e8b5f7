"""Random work on a cartridge and the same on a plain directory come to the same tree: names, kinds,
bytes, times, modes, owners, links, attributes; in several mounts, and as an independent reader finds
it on the tape. RSM_SEED repeats a run, RSM_LONG=1 makes it long."""
import ctypes
import errno
import mmap
import os
import shutil
import stat
import unicodedata

import ltfs_check
from harness import LONG, SEED, Failure, cartridge_folder, expect, rsm_xattr, test, wait_until

BLOCK = 524288
NAME_BYTES = 255  # of the plain directory's file system; a volume's names may be longer
RENAME_EXCHANGE = 2
libc = ctypes.CDLL(None, use_errno=True)


def exchange(one, other):
    if libc.renameat2(-100, one, -100, other, RENAME_EXCHANGE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


# ---- names ----

# what composes, decomposes, is put in order by the normal forms, or only looks so
PIECES = ["é", "e\u0301", "Å", "A\u030a", "\u212b", "ñ", "ü", "u\u0308", "한", "각", "\u1112\u1161\u11ab",
          "ｶﾞ", "が", "か\u3099", "a\u0323\u0307", "a\u0307\u0323", "\u0958", "\u2126", "ﬁ", "ß", "İ", "ı",
          "\u0344", "\u1e9b\u0323", "𝅗𝅥", "\U0001d15e", "日本", "русский", "עברית", "\u202e", "\u200b", "\ufeff",
          "🎞", "👩‍🚀", "\U000e0041", "\ue000", "\U0010fffd"]
AWKWARD = list("\\:*?\"<>|%&;'`$#!~^ ()[]{}=+,") + ["%41", "%zz", "&amp;", "]]>", "<!--", "\t", "\n", "\r",
                                                    "\x01", "\x1b", "\x7f", "\x85", "\u2028"]


def random_point(rng):
    """Any character that a name may have and whose properties are settled."""
    while True:
        point = rng.choice((rng.randrange(1, 0x250), rng.randrange(1, 0x3000), rng.randrange(1, 0x10000),
                            rng.randrange(1, 0x20000), rng.randrange(1, 0x110000)))
        char = chr(point)
        if char in "/\x1f" or 0xd800 <= point < 0xe000 or point & 0xfffe == 0xfffe:
            continue
        if unicodedata.category(char) != "Cn":
            return char


def random_name(rng):
    while True:
        parts = []
        for _ in range(rng.choice((1, 1, 2, 3, 8, 30))):
            parts.append(rng.choice((
                lambda: rng.choice(PIECES), lambda: rng.choice(AWKWARD), lambda: random_point(rng),
                lambda: "".join(rng.choices("abcdefghijklmnopqrstuvwxyzABC0123456789._-", k=rng.randrange(1, 9))),
            ))())
        name = "".join(parts)
        name = rng.choice((str, lambda n: unicodedata.normalize("NFC", n),
                           lambda n: unicodedata.normalize("NFD", n)))(name)
        if rng.random() < 0.03:
            name = (name * 255)[:255]
        # the form that counts may be longer than the name
        if name not in (".", "..") and len(name.encode()) <= NAME_BYTES and \
                len(unicodedata.normalize("NFC", name)) <= 255:
            return name.encode()


def random_size(rng):
    return max(0, rng.choice((
        lambda: rng.choice((0, 1, 2, 511, 512, 4095, 4096, 4097)),
        lambda: rng.randrange(0, 3000),
        lambda: rng.randrange(0, 200_000),
        lambda: BLOCK * rng.choice((1, 1, 2)) + rng.choice((-1, 0, 1, -4096, 4096, 17)),
    ))())


class Twins:
    """A cartridge and a plain directory to which the same happens."""

    def __init__(self, bench, rng):
        self.bench, self.rng = bench, rng
        self.plain = os.fsencode(bench.path("plain"))
        os.mkdir(self.plain)
        self.tape = os.fsencode(bench.point) + b"/P/c"
        self.open = []  # (descriptor on the tape, descriptor in the directory, size to stay below)
        self.count = 0

    def roots(self):
        return self.tape, self.plain

    # ---- choosing ----

    def all(self, kinds):
        found = []
        for folder, folders, files in os.walk(self.plain):
            for name in folders + files:
                full = os.path.join(folder, name)
                mode = os.lstat(full).st_mode
                kind = "L" if stat.S_ISLNK(mode) else "D" if stat.S_ISDIR(mode) else "F"
                if kind in kinds:
                    found.append(os.path.relpath(full, self.plain))
        return sorted(found)

    def choose(self, kinds):
        found = self.all(kinds)
        return self.rng.choice(found) if found else None

    def new_path(self):
        """A path whose name is new in its folder, or is there in another spelling; or not so new."""
        folders = [b""] + self.all("D")
        folder = self.rng.choice(folders)
        names = os.listdir(os.path.join(self.plain, folder))
        name = random_name(self.rng)
        if names and self.rng.random() < 0.1:
            other = self.rng.choice(names).decode()
            form = self.rng.choice(("NFC", "NFD"))
            name = unicodedata.normalize(form, other).encode()
            if len(name) > NAME_BYTES:
                name = other.encode()
        return os.path.join(folder, name)

    def spelled_otherwise(self, path):
        """Is there another name of the same normal form?"""
        folder, name = os.path.split(os.path.join(self.plain, path))
        key = unicodedata.normalize("NFC", name.decode())
        return any(n != name and unicodedata.normalize("NFC", n.decode()) == key for n in os.listdir(folder))

    # ---- doing ----

    def both(self, words, action):
        """The same error, or none, in both places."""
        results = []
        self.count += 1
        self.bench.note(f"{self.count} {words}")
        for root in self.roots():
            try:
                results.append(action(root))
            except OSError as e:
                results.append(errno.errorcode.get(e.errno, e.errno))
        expect(results[0] == results[1], f"{self.count} {words}: {results[0]!r} on the tape, "
                                         f"{results[1]!r} in the directory")
        return results[0]

    def refused(self, words, path, action):
        """A name that is taken in another spelling; True if it was one."""
        if not self.spelled_otherwise(path):
            return False
        try:
            action(self.tape)
        except OSError as e:
            expect(e.errno == errno.EEXIST, f"{words}: {e}, EEXIST was expected")
            return True
        raise Failure(f"{words}: went well beside another spelling of the name")

    def make(self, words, path, action):
        if not self.refused(words, path, action):
            self.both(words, action)

    def create(self):
        path, size = self.new_path(), random_size(self.rng)
        data = self.rng.randbytes(size)
        step = self.rng.choice((size or 1, 4096, 65536, 100_000, 131072))
        flags = os.O_CREAT | os.O_WRONLY | self.rng.choice((os.O_EXCL, os.O_TRUNC, 0))
        mode = self.rng.choice((0o644, 0o600, 0o755, 0o640))

        def action(root):
            fd = os.open(os.path.join(root, path), flags, mode)
            try:
                for at in range(0, size, step):
                    os.write(fd, data[at:at + step])
                if self.rng_sync:
                    os.fsync(fd)
            finally:
                os.close(fd)

        self.rng_sync = self.rng.random() < 0.1
        self.make(f"create {path!r}, {size} bytes in steps of {step}, flags {flags:o}", path, action)

    def overwrite(self):
        path = self.choose("F")
        if not path:
            return
        size = os.path.getsize(os.path.join(self.plain, path))
        at = self.rng.choice((0, self.rng.randrange(size + 1), size, size + self.rng.randrange(100_000),
                              max(0, BLOCK - 3)))
        data = self.rng.randbytes(self.rng.choice((1, 7, 4096, 10_000, 70_000)))

        def action(root):
            fd = os.open(os.path.join(root, path), os.O_RDWR)
            try:
                os.pwrite(fd, data, at)
                return os.pread(fd, 5000, max(0, at - 100))
            finally:
                os.close(fd)

        self.both(f"write {len(data)} at {at} of {path!r}", action)

    def write_mapped(self):
        path = self.choose("F")
        size = os.path.getsize(os.path.join(self.plain, path)) if path else 0
        if not size:
            return
        at = self.rng.randrange(size)
        data = self.rng.randbytes(min(size - at, 9000))

        def action(root):
            with open(os.path.join(root, path), "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
                m[at:at + len(data)] = data
                m.flush()

        self.both(f"map {path!r}, write {len(data)} at {at}", action)

    def truncate(self):
        path = self.choose("F")
        if not path:
            return
        size = os.path.getsize(os.path.join(self.plain, path))
        to = self.rng.choice((0, size // 2, size + self.rng.randrange(50_000), random_size(self.rng)))
        self.both(f"truncate {path!r} from {size} to {to}", lambda root: os.truncate(os.path.join(root, path), to))

    def rewrite(self):
        """As an editor or a log does: cut to nothing, or appended to, through a handle of its own."""
        path = self.choose("F")
        if not path:
            return
        flags = os.O_WRONLY | self.rng.choice((os.O_TRUNC, os.O_APPEND, os.O_APPEND, os.O_TRUNC | os.O_APPEND))
        pieces = [self.rng.randbytes(self.rng.choice((1, 333, 4096, 50_000))) for _ in range(self.rng.randrange(4))]

        def action(root):
            fd = os.open(os.path.join(root, path), flags)
            try:
                for piece in pieces:
                    os.write(fd, piece)
                    os.lseek(fd, 0, os.SEEK_CUR if flags & os.O_TRUNC else os.SEEK_SET)
            finally:
                os.close(fd)

        self.both(f"rewrite {path!r} with flags {flags:o}, {[len(p) for p in pieces]}", action)

    def allocate(self):
        path = self.choose("F")
        if not path:
            return
        at, count = self.rng.randrange(100_000), self.rng.randrange(1, 100_000)

        def action(root):
            fd = os.open(os.path.join(root, path), os.O_RDWR)
            try:
                os.posix_fallocate(fd, at, count)
            finally:
                os.close(fd)

        self.both(f"allocate {count} at {at} of {path!r}", action)

    def copy_range(self):
        """From one file to another, in the kernel."""
        one, other = self.choose("F"), self.choose("F")
        if not one or one == other:
            return
        size = os.path.getsize(os.path.join(self.plain, one))
        at, to, count = self.rng.randrange(size + 1), self.rng.randrange(9000), self.rng.randrange(1, 200_000)

        def action(root):
            left, right = os.open(os.path.join(root, one), os.O_RDONLY), os.open(os.path.join(root, other), os.O_RDWR)
            try:
                done = 0
                while step := os.copy_file_range(left, right, count - done, at + done, to + done):
                    done += step
                return done
            finally:
                os.close(left)
                os.close(right)

        self.both(f"copy {count} at {at} of {one!r} to {to} of {other!r}", action)

    def mkdir(self):
        path = self.new_path()
        if path.count(b"/") < 6:
            self.make(f"mkdir {path!r}", path, lambda root: os.mkdir(os.path.join(root, path)))

    def symlink(self):
        path = self.new_path()
        target = b"/".join(random_name(self.rng) for _ in range(self.rng.choice((1, 1, 2, 4))))
        # somebody may write to where it leads: that must not be outside of the two trees
        target = self.rng.choice((b"", b"/", b"../")) + b"there is no such folder/" + target
        self.make(f"symlink {target!r} {path!r}", path,
                  lambda root: os.symlink(target, os.path.join(root, path)))

    def rename(self):
        old = self.choose("DFL")
        if not old:
            return
        new = self.rng.choice((self.new_path, lambda: self.choose("DFL")))()
        if new == old or new.startswith(old + b"/"):
            return

        def action(root):
            os.rename(os.path.join(root, old), os.path.join(root, new))

        same_folder = os.path.dirname(old) == os.path.dirname(new)
        if same_folder and unicodedata.normalize("NFC", old.decode()) == unicodedata.normalize("NFC", new.decode()):
            self.both(f"respell {old!r} {new!r}", action)
        else:
            self.make(f"rename {old!r} {new!r}", new, action)

    def exchange(self):
        one, other = self.choose("DFL"), self.choose("DFL")
        if not one or one == other or one.startswith(other + b"/") or other.startswith(one + b"/"):
            return
        self.both(f"exchange {one!r} {other!r}",
                  lambda root: exchange(os.path.join(root, one), os.path.join(root, other)))

    def unlink(self):
        path = self.choose("FL")
        if path:
            self.both(f"unlink {path!r}", lambda root: os.unlink(os.path.join(root, path)))

    def rmdir(self):
        path = self.choose("D")
        if path:
            self.both(f"rmdir {path!r}", lambda root: os.rmdir(os.path.join(root, path)))

    def remove_tree(self):
        path = self.choose("D")
        if path and self.rng.random() < 0.3:
            self.both(f"rm -r {path!r}", lambda root: shutil.rmtree(os.path.join(root, path)))

    def xattr(self):
        path = self.choose("DF")
        if not path:
            return
        key = "user." + self.rng.choice(("a", "b", "größe", "gro\u0308ße", "x:y", "k%41", "<&>", "sp ace"))
        value = self.rng.choice((b"", b"text", "grün\n\t".encode(), b"\r", b"\0", b"]]>&", b"\xff\xfe",
                                 self.rng.randbytes(self.rng.randrange(300)), "e\u0301".encode()))
        if self.rng.random() < 0.3:
            self.both(f"removexattr {path!r} {key}", lambda root: os.removexattr(os.path.join(root, path), key))
        else:
            self.both(f"setxattr {path!r} {key} {value!r}",
                      lambda root: os.setxattr(os.path.join(root, path), key, value))

    def attributes(self):
        path = self.choose("DF")
        if not path:
            return
        mode = self.rng.choice((0o600, 0o644, 0o755, 0o777, 0o700, 0o4711, 0o2755, 0o1777, 0o640, 0o666))
        if self.rng.random() < 0.2:
            mode &= ~0o222
        mode |= 0o700 if os.path.isdir(os.path.join(self.plain, path)) else 0
        if os.geteuid():
            mode |= 0o200
        self.both(f"chmod {mode:o} {path!r}", lambda root: os.chmod(os.path.join(root, path), mode))
        if not os.geteuid() and self.rng.random() < 0.5:
            user, group = self.rng.randrange(70_000), self.rng.randrange(70_000)
            self.both(f"chown {user}:{group} {path!r}",
                      lambda root: os.chown(os.path.join(root, path), user, group))

    def hold(self):
        """A file stays open, whatever happens to its name."""
        path = self.choose("F")
        if path and len(self.open) < 4:
            self.bench.note(f"hold {path!r}")
            self.open.append([os.open(os.path.join(root, path), os.O_RDWR) for root in self.roots()])

    def use_held(self):
        if not self.open:
            return
        pair = self.rng.choice(self.open)
        fds = dict(zip(self.roots(), pair))
        size = os.fstat(pair[1]).st_size
        at, data = self.rng.randrange(size + 1), self.rng.randbytes(self.rng.choice((1, 3000, 80_000)))
        if self.rng.random() < 0.3:
            self.both(f"ftruncate held to {at}", lambda root: os.ftruncate(fds[root], at))
        else:
            self.both(f"write {len(data)} at {at} of a held one", lambda root: os.pwrite(fds[root], data, at))
        self.both("read it", lambda root: os.pread(fds[root], 3 << 20, 0))

    def let_go(self):
        if self.open and self.rng.random() < 0.5:
            self.bench.note("let go")
            for fd in self.open.pop(self.rng.randrange(len(self.open))):
                os.close(fd)

    def step(self):
        self.rng.choices((self.create, self.overwrite, self.write_mapped, self.truncate, self.mkdir, self.symlink,
                          self.rename, self.exchange, self.unlink, self.rmdir, self.remove_tree, self.xattr,
                          self.attributes, self.hold, self.use_held, self.let_go, self.rewrite, self.allocate,
                          self.copy_range),
                         (30, 14, 4, 8, 10, 5, 10, 3, 5, 2, 2, 10, 8, 3, 6, 2, 8, 2, 3))[0]()

    # ---- the end of a round ----

    def settle(self):
        """Closes what is open, and gives everything times that can be compared."""
        for pair in self.open:
            for fd in pair:
                os.close(fd)
        self.open = []
        for path in sorted(self.all("DFL"), key=lambda p: -p.count(b"/")) + [b""]:
            times = (self.rng.randrange(-2**31 * 10**9, 2**33 * 10**9), self.rng.randrange(2**33 * 10**9))
            for root in self.roots():
                os.utime(os.path.join(root, path), ns=times[::-1], follow_symlinks=False)

    def line(self, root, path):
        full = os.path.join(root, path)
        st = os.lstat(full)
        line = [oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns]
        if stat.S_ISLNK(st.st_mode):
            # the mode of a link is no mode
            return [os.readlink(full), *line[1:]]
        if stat.S_ISREG(st.st_mode):
            with open(full, "rb") as f:
                line += [st.st_size, hash(f.read())]
        line += [{k: os.getxattr(full, k) for k in os.listxattr(full)
                  if k.startswith("user.") and not k.startswith("user.ltfs.hash.")}]
        return line

    def compare(self, when):
        self.bench.note(f"compare {when}")
        listed = []
        for root in self.roots():
            found = set()
            for folder, folders, files in os.walk(root, onerror=raise_it):
                found |= {os.path.relpath(os.path.join(folder, n), root) for n in folders + files}
            listed.append(found)
        expect(listed[0] == listed[1], f"{when}: other names", f"tape only: {sorted(listed[0] - listed[1])[:5]}",
               f"directory only: {sorted(listed[1] - listed[0])[:5]}")
        wrong = []
        for path in sorted(listed[1]):
            tape, plain = (self.line(root, path) for root in self.roots())
            if tape != plain:
                wrong.append(f"{path!r}: {tape} on the tape, {plain} in the directory")
        expect(not wrong, f"{when}: {len(wrong)} objects differ", *wrong[:5])

    def compare_tape(self, library, barcode):
        """What stands on the medium, read by other means; of a cartridge at rest."""
        self.bench.note("compare the medium")
        volume = ltfs_check.Volume(cartridge_folder(library, barcode))
        volume.compare(self.plain)
        volume.compare_metadata(self.plain)
        volume.check_history()


def raise_it(error):
    raise error


def work(bench, rounds, steps, options=""):
    rng = bench.rng
    library = bench.library(cartridges=2, drives=1)
    mount = bench.mount(library, options=options)
    os.makedirs(mount / "P/c")
    barcode = rsm_xattr(mount / "P/c", "barcode")
    twins = Twins(bench, rng)
    for number in range(rounds):
        for _ in range(steps):
            twins.step()
        twins.settle()
        twins.compare(f"round {number}")
        ending = rng.choice(("nothing", "sync", "dismount", "mount", "mount", "kill", "reader", "reader"))
        if number == rounds - 1:
            ending = "lost" if LONG or rng.random() < 0.5 else "reader"
        bench.note(f"ending: {ending}")
        if ending == "sync":
            mount.rsm("sync")
        elif ending == "dismount":
            mount.rsm("dismount", mount / "P/c", check=False)  # it may have gone already
        elif ending == "mount":
            mount.unmount()
            mount = bench.mount(library, options=options)
        elif ending == "kill":  # what was closed is safe
            mount.kill()
            mount = bench.mount(library, options=options)
        elif ending in ("reader", "lost"):
            mount.rsm("sync")
            mount.unmount()
            twins.compare_tape(library, barcode)
            if ending == "lost":
                shutil.rmtree(f"{library}/catalog")
                shutil.rmtree(f"{library}/staging")
            mount = bench.mount(library, options=options)
            if ending == "lost":
                mount.rsm("inventory", "--full")
                wait_until("the cartridge is back", lambda m=mount: os.path.isdir(m / "P/c"), 30)
        twins.compare(f"round {number}, {ending}")
    mount.unmount()
    twins.compare_tape(library, barcode)
    print(f"seed {SEED}: {twins.count} changes")


@test(timeout=900 if LONG else 120)
def random_work_is_as_in_a_plain_directory(bench):
    """Random trees and changes of them, compared after each round, each mount, and on the medium."""
    if LONG:
        work(bench, 60, 120)
    else:
        work(bench, 5, 60)


@test(timeout=900 if LONG else 120)
def random_work_is_so_with_streaming_and_small_steps(bench):
    """The same while every file streams and the migration waits for nothing."""
    work(bench, 40 if LONG else 3, 60, "migrate_delay=0,stream_size=64k")
