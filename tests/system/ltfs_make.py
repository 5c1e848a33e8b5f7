"""ltfs_make.py - makes LTFS cartridges as other software might: any block size, either order of the
partitions, any version of the format, extents wherever one wants them, full and incremental indexes.

Written from the format's description alone; shares no code with rsmfs. A tree is a dict of paths to
Node; "" is the root.
"""
import base64
import datetime
import os
import struct

DENSITY_LTO5, MIB_LTO5 = 0x58, 1430511
FILEMARK = None


def stamp(ns):
    seconds, rest = divmod(ns, 10**9)
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return f"{when.year:04d}-{when.month:02d}-{when.day:02d}T{when:%H:%M:%S}.{rest:09d}Z"


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def named(tag, text, link=False):
    """A name, key or link target, percent-encoded where it has to be."""
    odd = any(ord(c) < 32 and c not in "\t\n\r" for c in text) or (":" in text and not link)
    if not odd:
        return f"<{tag}>{escape(text)}</{tag}>"
    coded = "".join(chr(b) if 0x21 <= b < 0x7f and chr(b) not in "%:&<>" else f"%{b:02X}" for b in text.encode())
    return f'<{tag} percentencoded="true">{coded}</{tag}>'


class Node:
    """times: created, changed, modified, accessed, backed up, in nanoseconds since 1970; extents:
    (offset, partition letter, block, byte offset, count). `more` is XML that goes in as it is."""

    def __init__(self, kind, uid, times, readonly=False, xattrs=None, length=0, extents=(), target=None, more=""):
        self.kind, self.uid, self.times, self.readonly = kind, uid, times, readonly
        self.xattrs, self.length, self.extents, self.target, self.more = dict(xattrs or {}), length, list(extents), target, more

    def same(self, other):
        return vars(self) == vars(other)


class Tape:
    def __init__(self, uuid, block_size=524288, swapped=False, index="a", data="b", version="2.4.0", serial="MADE01"):
        self.uuid, self.block_size, self.version, self.serial = uuid, block_size, version, serial
        self.letters = {"index": index, "data": data}
        self.blocks = {index: [], data: []}
        self.number = {index: int(swapped), data: int(not swapped)}
        self.last_full, self.last_incremental, self.name = None, None, "made"
        self.edit = lambda xml: xml  # the last that happens to an index
        self.old = tuple(int(n) for n in version.split(".")) < (2, 0, 0)
        for letter in (data, index):
            self.label(letter)

    # ---- blocks ----

    def label(self, letter):
        vol1 = f"VOL1{self.serial:<6}L".encode().ljust(24) + b"LTFS".ljust(55) + b"4"
        xml = (f'<?xml version="1.0" encoding="UTF-8"?>\n<ltfslabel version="{self.version}"><creator>made by a test'
               f"</creator><formattime>{stamp(10**18 + 7)}</formattime><volumeuuid>{self.uuid}</volumeuuid><location>"
               f"<partition>{letter}</partition></location><partitions><index>{self.letters['index']}</index><data>"
               f"{self.letters['data']}</data></partitions><blocksize>{self.block_size}</blocksize><compression>true"
               f"</compression></ltfslabel>")
        self.blocks[letter] += [vol1, FILEMARK, xml.encode(), FILEMARK]

    def put(self, letter, data, first=None):
        """Records of the block size, the last (or the first, if given a size) shorter. Returns the block."""
        start = len(self.blocks[letter])
        at = 0
        while at < len(data):
            step = first if at == 0 and first else self.block_size
            self.blocks[letter].append(data[at:at + step])
            at += step
        return start

    # ---- indexes ----

    def place(self, tag, at):
        return f"<{tag}><partition>{at[0]}</partition><startblock>{at[1]}</startblock></{tag}>" if at else ""

    def times(self, times, needed=True):
        tags = ("creationtime", "changetime", "modifytime", "accesstime", "backuptime")
        if self.old:
            tags = tags[:4]
        return "".join(f"<{tag}>{stamp(ns)}</{tag}>" for tag, ns in zip(tags, times))

    def xattr(self, key, value):
        try:
            text = value.decode()
            plain = all(c >= " " or c in "\t\n\r" for c in text) and "\ufffe" not in text and "\uffff" not in text
        except UnicodeDecodeError:
            plain = False
        body = (f"<value>{escape(text)}</value>" if plain and value else "<value/>" if not value else
                f'<value type="base64">{base64.b64encode(value).decode()}</value>')
        return f"<xattr>{named('key', key)}{body}</xattr>"

    def extents(self, node):
        out = []
        for offset, letter, block, skip, count in node.extents:
            out.append("<extent>" + ("" if self.old else f"<fileoffset>{offset}</fileoffset>") +
                       f"<partition>{letter}</partition><startblock>{block}</startblock><byteoffset>{skip}</byteoffset>"
                       f"<bytecount>{count}</bytecount></extent>")
        return f"<extentinfo>{''.join(out)}</extentinfo>"

    def body(self, node, was=None):
        """The elements of an object but for its name and contents; `was`: only what differs."""
        out = []
        if node.kind == "F" and (not was or was.length != node.length):
            out.append(f"<length>{node.length}</length>")
        if node.kind == "L" and not was:
            out.append("<length>0</length>")
        if not was or was.readonly != node.readonly:
            out.append(f"<readonly>{str(node.readonly).lower()}</readonly>")
        if not was or was.times != node.times:
            out.append(self.times(node.times))
        if not self.old:
            out.append(f"<fileuid>{node.uid}</fileuid>")
        if node.xattrs or (was and was.xattrs):
            if not was or was.xattrs != node.xattrs:
                out.append("<extendedattributes>" + "".join(self.xattr(*x) for x in node.xattrs.items()) +
                           "</extendedattributes>")
        if node.kind == "L" and (not was or was.target != node.target):
            out.append(named("symlink", node.target, link=True))
        if node.kind == "F" and (not was or was.extents != node.extents) and (node.extents or was):
            out.append(self.extents(node))
        return "".join(out) + node.more

    def children(self, tree, path):
        depth = path.count("/") + 1 if path else 0
        return sorted(p for p in tree if p and p.count("/") == depth and (not path or p.startswith(path + "/")))

    def whole(self, tree, path):
        node, name = tree[path], os.path.basename(path) if path else self.name
        tag = "directory" if node.kind == "D" else "file"
        inside = ""
        if node.kind == "D":
            inside = "<contents>" + "".join(self.whole(tree, p) for p in self.children(tree, path)) + "</contents>"
        return f"<{tag}>{named('name', name)}{self.body(node)}{inside}</{tag}>\n"

    def header(self, letter, generation, back, uid, incremental=None, more=""):
        here = (letter, len(self.blocks[letter]) + 1)
        full = incremental is None
        return here, (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<ltfs{"" if full else "incremental"}index version="{self.version}">\n'
            f"<creator>made by a test</creator><volumeuuid>{self.uuid}</volumeuuid><generationnumber>{generation}"
            f"</generationnumber><updatetime>{stamp(10**18 + generation)}</updatetime>{self.place('location', here)}"
            f"{self.place('previousgenerationlocation', back)}{self.place('previousincrementallocation', incremental)}"
            + ("<allowpolicyupdate>true</allowpolicyupdate>" if full else "")
            + ("" if self.old else f"<highestfileuid>{uid}</highestfileuid>")
            + more)

    def construct(self, letter, xml):
        data = self.edit(xml).encode()
        self.blocks[letter].append(FILEMARK)
        self.put(letter, data)
        self.blocks[letter].append(FILEMARK)

    def full(self, letter, tree, generation, uid, more=""):
        """An index of the whole tree, behind all there is on the partition."""
        here, head = self.header(letter, generation, self.last_full, uid, more=more)
        self.construct(letter, head + self.whole(tree, "") + "</ltfsindex>\n")
        if letter == self.letters["data"]:
            self.last_full, self.last_incremental = here, None

    def change(self, was, tree, path, rng):
        """What an incremental index says below a folder; "" if nothing. In any order."""
        out = []
        before = set(self.children(was, path))
        for child in sorted(before | set(self.children(tree, path))):
            old, new = was.get(child), tree.get(child)
            name = named("name", os.path.basename(child))
            if not new:
                tag = "directory" if old.kind == "D" else "file"
                out.append(f"<{tag}>{name}<deleted/></{tag}>")
            elif not old or old.uid != new.uid:
                out.append(self.whole(tree, child))
            else:
                inside = self.change(was, tree, child, rng) if new.kind == "D" else ""
                if not old.same(new):
                    body = self.body(new, was=old)
                elif inside:
                    body = ""
                else:
                    continue
                if new.kind == "D":
                    inside = f"<contents>{inside}</contents>"
                tag = "directory" if new.kind == "D" else "file"
                out.append(f"<{tag}>{name}{body}{inside}</{tag}>\n")
        rng.shuffle(out)
        return "".join(out)

    def incremental(self, was, tree, generation, uid, rng):
        letter = self.letters["data"]
        inside = self.change(was, tree, "", rng)
        root = "" if was[""].same(tree[""]) else self.body(tree[""], was=was[""])
        here, head = self.header(letter, generation, self.last_full, uid, incremental=self.last_incremental or ())
        self.construct(letter, f"{head}<directory>{named('name', self.name)}{root}<contents>{inside}</contents></directory>"
                               "</ltfsincrementalindex>\n")
        self.last_incremental = here

    # ---- the cartridge ----

    def write(self, folder, barcode):
        os.makedirs(folder)
        for letter, n in self.number.items():
            with open(f"{folder}/partition{n}.tap", "wb") as out:
                for block in self.blocks[letter]:
                    size = struct.pack("<I", 0 if block is FILEMARK else len(block))
                    out.write(size if block is FILEMARK else size + block + b"\0" * (len(block) & 1) + size)
            mib = MIB_LTO5 if n else MIB_LTO5 // 20
            attributes = {0x0000: (0x80, struct.pack(">Q", mib)), 0x0001: (0x80, struct.pack(">Q", mib)),
                          0x0009: (0x80, struct.pack(">I", 1))}
            if n == 0:
                attributes |= {0x0401: (0x81, f"{barcode:<32}".encode()), 0x0405: (0x80, bytes([DENSITY_LTO5])),
                               0x0408: (0x80, b"\0"), 0x0800: (0x01, b"TEST".ljust(8)), 0x0801: (0x01, b"LTFS".ljust(32)),
                               0x0802: (0x01, b"1".ljust(8)), 0x0803: (0x02, b"made".ljust(160, b"\0")),
                               0x0805: (0x00, b"\x81"), 0x0806: (0x01, f"{barcode:<32}".encode()),
                               0x0808: (0x02, bytes(160)), 0x080B: (0x01, b"2.4.0".ljust(16))}
            with open(f"{folder}/partition{n}.mam", "wb") as out:
                for ident, (flags, value) in sorted(attributes.items()):
                    out.write(struct.pack(">HBH", ident, flags, len(value)) + value)
