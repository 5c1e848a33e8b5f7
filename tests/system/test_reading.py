"""Volumes as other software may make them, made by ltfs_make.py: any block size, order of the
partitions, version of the index and shape of a file; incremental indexes; elements that nobody knows."""
import errno
import os


import unicodedata

import ltfs_check
from harness import LONG, SEED, cartridge_folder, expect, expect_errno, read_file, rsm_xattr, test, wait_until, write_file
from ltfs_make import Node, Tape

UUID = "0a1b2c3d-4e5f-4789-8abc-{:012x}"


def random_times(rng):
    return tuple(rng.randrange(-2**33 * 10**9, 2**36 * 10**9) for _ in range(5))


class Maker:
    """A tree with the bytes of its files, and their places on a tape."""

    def __init__(self, tape, rng):
        self.tape, self.rng, self.uid = tape, rng, 1
        self.tree, self.bytes = {"": Node("D", 1, random_times(rng))}, {}
        self.data, self.index = tape.letters["data"], tape.letters["index"]

    def next_uid(self):
        self.uid += 1
        return self.uid

    def add(self, path, kind="D", **rest):
        self.tree[path] = Node(kind, self.next_uid(), random_times(self.rng), **rest)
        return self.tree[path]

    def file(self, path, pieces, length=None, **rest):
        """pieces: (offset, letter, block, skip, bytes)."""
        data = bytearray(length or 0)
        for offset, _, _, _, piece in pieces:
            data.extend(bytes(max(0, offset + len(piece) - len(data))))
            data[offset:offset + len(piece)] = piece
        extents = [(o, p, b, s, len(d)) for o, p, b, s, d in pieces]
        self.add(path, "F", length=len(data), extents=extents, **rest)
        self.bytes[path] = bytes(data)

    def some(self, length):
        return self.rng.randbytes(length)

    def shapes(self):
        """Files of every shape that an extent list can give them."""
        tape, size, data = self.tape, self.tape.block_size, self.data
        self.add("shapes")
        for name, length in (("one byte", 1), ("block less one", size - 1), ("block", size), ("block and one", size + 1),
                             ("blocks", 3 * size + 17)):
            body = self.some(length)
            self.file(f"shapes/{name}", [(0, data, tape.put(data, body), 0, body)])
        self.file("shapes/empty", [])
        # three files in one block, one more that goes on in it, one that begins in its middle
        shared = self.some(size)
        block, third = tape.put(data, shared), size // 3
        for i in range(3):
            self.file(f"shapes/shares {i}", [(0, data, block, i * third, shared[i * third:(i + 1) * third])])
        body = self.some(size)
        self.file("shapes/tail shared", [(0, data, tape.put(data, body), 0, body), (size, data, block, 5, shared[5:99])])
        body = self.some(3 * size)
        block = tape.put(data, body)
        self.file("shapes/from the middle", [(0, data, block, 77, body[77:2 * size + 300])])
        self.file("shapes/overlaps it", [(0, data, block, 100, body[100:3 * size])])
        self.file("shapes/beyond the block", [(0, data, block, size + 9, body[size + 9:2 * size + 9])])
        pieces = [self.some(n) for n in (100, size, 1, 200)]
        places, at = [], 0
        for piece in pieces:  # records that are shorter than they might be, an extent each
            places.append((at, data, tape.put(data, piece), 0, piece))
            at += len(piece)
        self.file("shapes/short records", places)
        body = self.some(size + 50)
        self.file("shapes/index partition", [(0, self.index, tape.put(self.index, body), 0, body)])
        one, other = self.some(2 * size), self.some(70)
        self.file("shapes/both partitions", [(0, self.index, tape.put(self.index, other), 0, other),
                                             (70, data, tape.put(data, one), 0, one)])
        if tape.old:
            return
        body = self.some(size)
        block = tape.put(data, body)
        self.file("shapes/hole first", [(123_456, data, block, 0, body)])
        self.file("shapes/hole last", [(0, data, block, 0, body)], length=size + 234_567)
        self.file("shapes/holes", [(10, data, block, 0, body[:10]), (3 * size, data, block, 10, body[10:30])], length=4 * size)
        self.file("shapes/nothing but a hole", [], length=2 * size + 1)
        pieces = [(i * 40, data, block, 1000 - 40 * i, body[1000 - 40 * i:1040 - 40 * i]) for i in range(20)]
        self.rng.shuffle(pieces)
        self.file("shapes/unsorted", pieces)

    def things(self):
        """Names, links, attributes, flags."""
        self.add("things", readonly=True, xattrs={"of a folder": b"x", "empty": b""})
        body = self.some(50)
        block = self.tape.put(self.data, body)
        names = ["a:b", "per%cent", "%41", "tab\there", "new\nline", "\x01\x02", "größe", "日本:x", "<&>\"'", "]]>", " ", "~",
                 "x" * 255, "é" * 255, "🎞" * 255, "ends in space "]
        for i, name in enumerate(names):
            self.file(f"things/{name}", [(0, self.data, block, i, body[i:])], readonly=i % 2 == 0)
        for i, target in enumerate(["x", "../a", "/abs/o:lute", "a/b:c/d", "größe", "t" * 4000, " "]):
            self.add(f"things/link {i}", "L", target=target)
        self.file("things/attributes", [], xattrs={
            "text": b"plain", "lines": b"a\r\nb\tc\n", "markup": b"<&>]]>", "bytes": bytes(range(256)), "empty": b"",
            "größe": "wert ü".encode(), "a:b": b"colon", "sp ace": b" x ", "large": self.some(3000)})

    def finish(self, generation=2):
        self.tape.full(self.data, self.tree, generation, self.uid)
        self.tape.full(self.index, self.tree, generation, self.uid)


def shown(root, path):
    return os.fsencode(root) + (b"/" + path.encode() if path else b"")


def read_time(path, name):
    return ltfs_check.nanoseconds(os.getxattr(path, f"user.ltfs.{name}").decode())


def check_tree(root, maker, old=False, changed=()):
    """The tree is the maker's, to the last attribute."""
    wrong, tree = [], maker.tree
    listed = {""}
    for folder, folders, files in os.walk(os.fsencode(root)):
        listed |= {os.path.relpath(os.path.join(folder, n), os.fsencode(root)).decode() for n in folders + files}
    expect(listed == set(tree), f"{root}: other names", listed ^ set(tree))
    for path, node in tree.items():
        full = shown(root, path)
        st = os.lstat(full)
        created, altered, modified, accessed, saved = node.times
        facts = {"kind": ({"D": 0o04, "F": 0o10, "L": 0o12}[node.kind], st.st_mode >> 12),
                 "mtime": (modified, st.st_mtime_ns), "atime": (accessed, st.st_atime_ns), "ctime": (altered, st.st_ctime_ns)}
        if path in changed:
            facts = {}
        if node.kind == "L":
            facts["target"] = (unicodedata.normalize("NFC", node.target).encode(), os.readlink(full))
        else:
            if path:  # the root's mode is the cartridge's
                facts["readonly"] = (node.readonly, not st.st_mode & 0o222)
            facts["xattrs"] = ({f"user.{k}": v for k, v in node.xattrs.items()},
                               {k: os.getxattr(full, k) for k in os.listxattr(full) if k.startswith("user.")
                                and ".hash." not in k})
            facts["birth"] = (created, read_time(full, "createTime"))
            facts["backup"] = (created if old else saved, read_time(full, "backupTime"))
            if not old:
                facts["uid"] = (str(node.uid).encode(), os.getxattr(full, "user.ltfs.fileUID"))
        if node.kind == "F":
            facts["size"] = (node.length, st.st_size)
            facts["bytes"] = (maker.bytes[path], read_file(full))
        wrong += [f"{path!r}: {key} is {str(got)[:200]}, {str(want)[:200]} was expected"
                  for key, (want, got) in facts.items() if want != got]
    expect(not wrong, f"{root}: {len(wrong)} things are not as they were made", *wrong[:20])


def check_pieces(root, maker, rng):
    """Reads that begin and end anywhere."""
    for path, body in maker.bytes.items():
        fd = os.open(shown(root, path), os.O_RDONLY)
        for _ in range(3):
            at, length = rng.randrange(len(body) + 2), rng.choice((1, 100, 5000, 600_000))
            got = b""
            while len(got) < len(body[at:at + length]):
                piece = os.pread(fd, length - len(got), at + len(got))
                expect(piece, f"{path}: ends at {at + len(got)}")
                got += piece
            expect(got == body[at:at + length], f"{path}: {length} bytes at {at} differ")
        os.close(fd)


def check_cartridge(library, barcode, maker, gone=()):
    """An independent reader finds the same on the medium."""
    volume = ltfs_check.Volume(cartridge_folder(library, barcode))
    for path, body in maker.bytes.items():
        if path not in gone:
            expect(b"".join(volume.contents(volume.nodes[path])) == body, f"{barcode}: {path} differs on the medium")
    return volume


LAYOUTS = [  # block size, index partition is physical 1, letters of index and data partition, version
    (524288, False, "a", "b", "2.4.0"), (4096, True, "a", "b", "2.0.0"), (5003, False, "b", "a", "2.1.0"),
    (65536, True, "b", "a", "2.2.0"), (1048576, False, "a", "b", "2.3.0"), (333333, True, "x", "c", "2.5.0"),
    (131072, False, "a", "b", "1.0.0"), (16384, True, "b", "a", "1.0"), (2097152, False, "a", "z", "2.4.0"),
    (512, False, "a", "b", "2.0.1"),
]


@test()
def tapes_of_any_layout_read_as_they_were_made(bench):
    """Block sizes, partition orders, letters, versions 1.0 to 2.5; then they are taken over and written to."""
    rng = bench.rng
    library = bench.library(type="LTO-5", cartridges=2, slots=20)
    made = {}
    for n, (size, swapped, index, data, version) in enumerate(LAYOUTS):
        tape = Tape(UUID.format(n), size, swapped, index, data, version)
        maker = Maker(tape, rng)
        tape.full(data, {"": maker.tree[""]}, 1, 1)
        maker.shapes()
        maker.things()
        maker.finish()
        made[f"MADE{n:02}L5"] = maker
        tape.write(f"{library}/slots/{1006 + n}/MADE{n:02}L5", f"MADE{n:02}L5")
    mount = bench.mount(library)
    os.mkdir(mount / "Pool")
    for barcode, maker in made.items():
        path = mount / f"Import/LTO-5/{barcode}"
        wait_until(f"{barcode} is in Import", lambda p=path: os.path.isdir(p), 30)
        check_tree(path, maker, maker.tape.old)
        check_pieces(path, maker, rng)
        expect_errno(errno.EROFS, os.mkdir, f"{path}/no such")
        os.rename(path, mount / f"Pool/{barcode}")
    for barcode, maker in made.items():
        tape = mount / f"Pool/{barcode}"
        write_file(f"{tape}/new", b"new" * 1000)
        maker.bytes["shapes/blocks"] = maker.bytes["shapes/blocks"][:-1] + b"more"
        with open(f"{tape}/shapes/blocks", "r+b") as f:
            f.seek(len(maker.bytes["shapes/blocks"]) - 4)
            f.write(b"more")
        os.rename(f"{tape}/shapes/from the middle", f"{tape}/moved")
    mount.rsm("sync")
    mount.unmount()
    for barcode, maker in made.items():
        volume = check_cartridge(library, barcode, maker, ("shapes/from the middle",))
        expect(b"".join(volume.contents(volume.nodes["moved"])) == maker.bytes["shapes/from the middle"], "the moved one")
        expect(volume.index["root"].get("version") == "2.4.0", "the version that was written")


# ---- incremental indexes ----


def random_change(maker, rng):
    """Does something to the tree, as software that keeps uids would."""
    tree, tape = maker.tree, maker.tape
    folders = [p for p in tree if tree[p].kind == "D"]
    others = [p for p in tree if p]
    folder = rng.choice(folders)
    name = rng.choice(("a", "b", "c", "größe", "x:y", "日本", "z")) + rng.choice(("", "", str(rng.randrange(30))))
    new = f"{folder}/{name}" if folder else name

    def below(path):
        return [p for p in tree if p == path or p.startswith(path + "/")]

    def drop(path):
        for p in below(path):
            del tree[p]
            maker.bytes.pop(p, None)

    def touch(path, **what):
        node = tree[path]
        tree[path] = Node(node.kind, node.uid, random_times(rng), what.get("readonly", node.readonly),
                          what.get("xattrs", node.xattrs), what.get("length", node.length),
                          what.get("extents", node.extents), what.get("target", node.target))

    def make():
        if new in tree:
            drop(new)
        kind = rng.choice("DFFFL")
        if kind == "D":
            maker.add(new)
        elif kind == "L":
            maker.add(new, "L", target=f"to/{name}")
        else:
            body = rng.randbytes(rng.choice((0, 1, 500, 5000)))
            maker.file(new, [(0, maker.data, tape.put(maker.data, body), 0, body)] if body else [],
                       xattrs=rng.choice((None, {"k": b"v"})))

    def remove():
        if others:
            drop(rng.choice(others))

    def move():
        if not others:
            return
        old = rng.choice(others)
        if new == old or new.startswith(old + "/"):
            return
        if new in tree:
            if old.startswith(new + "/"):
                return
            drop(new)
        for p in below(old):
            there = new + p[len(old):]
            tree[there] = tree.pop(p)
            if p in maker.bytes:
                maker.bytes[there] = maker.bytes.pop(p)

    def change():
        path = rng.choice(list(tree))
        node = tree[path]
        if node.kind == "F" and rng.random() < 0.6:
            body = rng.randbytes(rng.choice((0, 70, 9000)))
            extents = [(0, maker.data, tape.put(maker.data, body), 0, len(body))] if body else []
            touch(path, length=len(body), extents=extents)
            maker.bytes[path] = body
        elif node.kind == "L":
            touch(path, target=f"else{rng.randrange(100)}")
        else:
            touch(path, readonly=rng.random() < 0.3,
                  xattrs=rng.choice(({}, {"k": b"\0\1"}, {"größe": b"x", "k": b""}, node.xattrs)))

    rng.choices((make, remove, move, change), (5, 2, 3, 4))[0]()


@test(timeout=600 if LONG else 120)
def incremental_indexes_come_to_the_tree_they_describe(bench):
    """Random histories of full and incremental indexes, an incremental one last; then we write to them."""
    rng = bench.rng
    library = bench.library(type="LTO-5", cartridges=2, slots=20)
    count = 12 if LONG else 8
    made = {}
    for n in range(count):
        tape = Tape(UUID.format(100 + n), rng.choice((512, 4096, 524288)), rng.random() < 0.5, version="2.5.0")
        maker = Maker(tape, rng)
        tape.full(maker.data, maker.tree, 1, 1)
        tape.full(maker.index, maker.tree, 1, 1)
        generation, steps = 1, rng.randrange(1, 30 if LONG else 12)
        for step in range(steps):
            was = dict(maker.tree)
            for _ in range(rng.choice((0, 1, 3, 10, 40))):
                random_change(maker, rng)
            generation += rng.choice((1, 1, 3))
            if rng.random() < 0.2 and step + 1 < steps:
                tape.full(maker.data, maker.tree, generation, maker.uid)
            else:
                tape.incremental(was, maker.tree, generation, maker.uid, rng)
        made[f"INCR{n:02}L5"] = maker
        tape.write(f"{library}/slots/{1006 + n}/INCR{n:02}L5", f"INCR{n:02}L5")
    mount = bench.mount(library)
    os.mkdir(mount / "Pool")
    for barcode, maker in made.items():
        path = mount / f"Import/LTO-5/{barcode}"
        wait_until(f"{barcode} is in Import", lambda p=path: os.path.isdir(p), 30)
        check_tree(path, maker)
        expect(os.getxattr(path, "user.ltfs.indexVersion") == b"2.5.0", "the version of the index")
        os.rename(path, mount / f"Pool/{barcode}")
    for barcode in made:
        write_file(mount / f"Pool/{barcode}/ours", b"ours")
    mount.rsm("sync")
    mount.unmount()
    for barcode, maker in made.items():
        volume = check_cartridge(library, barcode, maker)
        expect(set(volume.nodes) == set(maker.tree) | {"ours"}, "other names on the medium")
    mount = bench.mount(library)
    for barcode, maker in made.items():
        os.unlink(mount / f"Pool/{barcode}/ours")
        check_tree(mount / f"Pool/{barcode}", maker, changed=("",))
    print(f"seed {SEED}: {count} histories")


@test()
def an_incremental_index_of_no_use_is_not_buried(bench):
    """The state before it is shown, read-only; why, the health says; nothing is written, taken over or not."""
    rng = bench.rng
    library = bench.library(type="LTO-5", cartridges=2, slots=8)
    tape = Tape(UUID.format(88), 4096, version="2.5.0")
    maker = Maker(tape, rng)
    for letter in "ba":
        tape.full(letter, maker.tree, 1, 1)
    was = dict(maker.tree)
    maker.add("first")
    tape.incremental(was, maker.tree, 2, maker.uid, rng)
    later = {**maker.tree, "second": Node("D", 99, random_times(rng))}
    tape.edit = lambda xml: xml.replace("<name>second</name>", "<name>first</name><deleted/>")
    tape.incremental(maker.tree, later, 3, 99, rng)
    tape.write(f"{library}/slots/1006/MADE88L5", "MADE88L5")
    images = [f"partition{n}.tap" for n in (0, 1)]
    before = [read_file(f"{library}/slots/1006/MADE88L5/{n}") for n in images]
    mount = bench.mount(library)
    path = mount / "Import/LTO-5/MADE88L5"
    wait_until("the cartridge is in Import", lambda: os.path.isdir(path), 30)
    check_tree(path, maker)
    expect("incremental index at b:11" in rsm_xattr(path, "health"), rsm_xattr(path, "health"))
    os.mkdir(mount / "P")
    bench.allow_error("incremental index at b:11 cannot be used")  # what it is called now is not written
    os.rename(path, mount / "P/c")
    expect_errno(errno.EROFS, os.mkdir, mount / "P/c/new")
    mount.rsm("sync", check=False)
    mount.unmount()
    mount = bench.mount(library)
    check_tree(mount / "P/c", maker, changed=("",))
    mount.unmount()
    folder = cartridge_folder(library, "MADE88L5")
    expect([read_file(f"{folder}/{n}") for n in images] == before, "something was written")


# ---- what nobody knows ----


@test()
def unknown_elements_survive_a_rewrite(bench):
    """Of the volume, folders, files, with attributes, nesting, CDATA and references."""
    rng = bench.rng
    library = bench.library(type="LTO-5", cartridges=2, slots=8)
    tape = Tape(UUID.format(77), 4096)
    maker = Maker(tape, rng)
    unknown = ('<other{0} one="1 &lt; &quot;2&quot;" two="&#10;"><inner>te&amp;xt {0}<empty/></inner>'
               "<![CDATA[<raw> & {0}]]><!-- a remark --><extent>{0}</extent></other{0}><again{0}/>")
    tape.full("b", maker.tree, 1, 1)
    maker.tree[""].more = unknown.format("root")
    maker.add("d", more=unknown.format("folder"))
    body = rng.randbytes(5000)
    block = tape.put("b", body)
    maker.file("d/f", [(0, "b", block, 0, body[:4096]), (9000, "b", block + 1, 0, body[4096:])],
               xattrs={"k": b"v", "x:y": b"z"}, more=unknown.format("file"))
    maker.add("l", "L", target="d/f", more=unknown.format("link"))
    parts = {"extent": 2, "extentinfo": 1, "xattr": 2, "extendedattributes": 1}
    paths = {"extent": "extentinfo/extent", "xattr": "extendedattributes/xattr"}
    for part in parts:
        tape.edit = lambda xml, before=tape.edit, part=part: before(xml).replace(
            f"</{part}>", f'<unknown-{part} a="{part}">t</unknown-{part}></{part}>')
    tape.edit = lambda xml, before=tape.edit: before(xml).replace("<contents>", "<contents><unknown>c</unknown>")
    for letter in "ba":
        tape.full(letter, maker.tree, 2, maker.uid, more=unknown.format("volume"))
    tape.write(f"{library}/slots/1006/MADE77L5", "MADE77L5")
    mount = bench.mount(library)
    path = mount / "Import/LTO-5/MADE77L5"
    wait_until("the cartridge is in Import", lambda: os.path.isdir(path), 30)
    check_tree(path, maker)
    os.mkdir(mount / "P")
    os.rename(path, mount / "P/c")
    for generation in range(3):
        write_file(mount / "P/c/new", b"%d" % generation)
        os.rename(mount / "P/c/d/f", mount / "P/c/d/g")
        os.rename(mount / "P/c/d/g", mount / "P/c/d/f")
        os.chmod(mount / "P/c/d", 0o700)
        mount.rsm("sync")
        mount.unmount()
        volume = check_cartridge(library, "MADE77L5", maker)
        root = volume.index["root"]
        places = {"volume": root, "root": root.find("directory"), "folder": root.find("directory/contents/directory"),
                  "file": root.find("directory/contents/directory/contents/file"),
                  "link": next(f for f in root.iter("file") if f.findtext("name") == "l")}
        for where, element in places.items():
            found = element.findall(f"other{where}")
            expect(len(found) == 1 and len(element.findall(f"again{where}")) == 1, f"of the {where} it is lost")
            other = found[0]
            expect(other.attrib == {"one": '1 < "2"', "two": "\n"}, f"{where}: its attributes are {other.attrib}")
            expect(other.findtext("inner") == f"te&xt {where}" and other.find("inner/empty") is not None,
                   f"{where}: what is in it")
            expect(other.find("inner").tail == f"<raw> & {where}", f"{where}: {other.find('inner').tail!r}")
            expect(other.find("extent").text == where, f"{where}: a name of the format's within it")
        for part, count in parts.items():
            found = [e for e in places["file"].findall(paths.get(part, part)) if e.findtext(f"unknown-{part}") == "t"]
            expect(len(found) == count, f"of {count} <{part}> {len(found)} have what is unknown in them")
        for where in ("root", "folder"):
            expect(places[where].findtext("contents/unknown") == "c", f"of the {where}'s contents it is lost")
        mount = bench.mount(library)


# ---- the volume's name ----


def volume_name(library, barcode):
    cartridge = cartridge_folder(library, barcode)
    volume = ltfs_check.Volume(cartridge)
    text = volume.mam[0][0x0803].rstrip(b"\0").decode()
    pool = volume.mam[0][0x0808].rstrip(b"\0").decode()
    return ltfs_check.decoded(volume.index["root"].find("directory/name")), text, pool


@test()
def the_volume_is_called_as_its_cartridge(bench):
    """In the index and in MAM; a rename and a move reach both; a name of its own stays."""
    library = bench.library(cartridges=3)
    mount = bench.mount(library)
    os.mkdir(mount / "P")
    os.mkdir(mount / "P/größe: 1")
    barcode = rsm_xattr(mount / "P/größe: 1", "barcode")
    mount.rsm("sync")
    expect(os.getxattr(mount / "P/größe: 1", "user.ltfs.volumeName").decode() == "größe: 1", "the name that is shown")
    mount.unmount()
    expect(volume_name(library, barcode) == ("größe: 1", "größe: 1", "P"), volume_name(library, barcode))

    mount = bench.mount(library)
    os.mkdir(mount / "Q")
    os.rename(mount / "P/größe: 1", mount / ("P/" + "é" * 100))
    mount.rsm("move", mount / ("P/" + "é" * 100), mount / "Q")
    mount.rsm("sync")
    mount.unmount()
    expect(volume_name(library, barcode) == ("é" * 100, "é" * 79, "Q"), volume_name(library, barcode))

    mount = bench.mount(library)
    tape = mount / ("Q/" + "é" * 100)
    os.setxattr(tape, "user.ltfs.volumeName", b"its own")
    mount.rsm("sync")
    os.rename(tape, mount / "Q/short")
    mount.rsm("sync")
    mount.unmount()
    expect(volume_name(library, barcode) == ("its own", "its own", "Q"), volume_name(library, barcode))
