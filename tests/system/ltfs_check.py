#!/usr/bin/env python3
"""ltfs_check.py - an independent reader of LTFS cartridges: is this one consistent, what is on it?

  ltfs_check.py CARTRIDGE                  checks, prints a summary
  ltfs_check.py CARTRIDGE --list           ... and what the volume holds
  ltfs_check.py CARTRIDGE --compare DIR    ... and that it holds just what DIR does
  ltfs_check.py CARTRIDGE --history        ... and that all generations can be listed by filemarks

CARTRIDGE is the folder of one in a virtual library (two tape images in SIMH's format, two attribute
lists). Written from the format's description alone; shares no code with rsmfs.
"""
import argparse
import base64
import datetime
import os
import re
import struct
import sys
import unicodedata
import urllib.parse
import xml.etree.ElementTree as ET

FILEMARK = None


class Bad(Exception):
    pass


class Partition:
    """A tape image: block number -> record or filemark."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.blocks = []  # (offset, length) or FILEMARK
        size = os.fstat(self.file.fileno()).st_size
        at = 0
        while at + 4 <= size:
            (length,) = struct.unpack("<I", self.pread(4, at))
            if length == 0xFFFFFFFF:
                break
            if length == 0:
                self.blocks.append(FILEMARK)
                at += 4
                continue
            if length > 0x00FFFFFF:
                raise Bad(f"{path}: record of {length} bytes at offset {at}")
            padded = length + (length & 1)
            if at + 8 + padded > size:
                raise Bad(f"{path}: torn record at offset {at}")
            if self.pread(4, at + 4 + padded) != struct.pack("<I", length):
                raise Bad(f"{path}: lengths around the record at offset {at} differ")
            self.blocks.append((at + 4, length))
            at += 8 + padded

    def pread(self, length, at):
        return os.pread(self.file.fileno(), length, at)

    def read(self, block):
        if block >= len(self.blocks):
            raise Bad(f"block {block} lies behind the end of data, {len(self.blocks)}")
        if self.blocks[block] is FILEMARK:
            raise Bad(f"block {block} is a filemark, a record was expected")
        at, length = self.blocks[block]
        return self.pread(length, at)

    def is_filemark(self, block):
        return 0 <= block < len(self.blocks) and self.blocks[block] is FILEMARK


def read_mam(path):
    with open(path, "rb") as f:
        data = f.read()
    attributes, at, last = {}, 0, -1
    while at < len(data):
        if at + 5 > len(data):
            raise Bad(f"{path}: torn attribute")
        ident, _, length = struct.unpack_from(">HBH", data, at)
        if ident <= last:
            raise Bad(f"{path}: attribute {ident:04x}h is not in order")
        last = ident
        attributes[ident] = data[at + 5:at + 5 + length]
        at += 5 + length
    return attributes


def only(parent, tag, needed=True):
    found = parent.findall(tag)
    if len(found) > 1 or (needed and not found):
        raise Bad(f"<{parent.tag}> has {len(found)} <{tag}>")
    return found[0] if found else None


def known(parent):
    """Its children, but for those that a test has put there to see whether they stay."""
    return [e for e in parent if not e.tag.startswith("unknown")] if parent is not None else []


def text(parent, tag):
    return only(parent, tag).text or ""


def number(parent, tag):
    value = text(parent, tag)
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise Bad(f"<{tag}> is {value!r}, a number was expected")
    return int(value)


def decoded(element):
    value = element.text or ""
    if element.get("percentencoded") == "true":
        value = urllib.parse.unquote(value, errors="strict")
    return value


class Node:
    def __init__(self, kind, path):
        self.kind, self.path = kind, path
        self.target, self.length, self.extents, self.xattrs, self.mtime = None, 0, [], {}, ""


class Volume:
    def __init__(self, cartridge):
        self.partitions = [Partition(f"{cartridge}/partition{n}.tap") for n in (0, 1)]
        self.mam = [read_mam(f"{cartridge}/partition{n}.mam") for n in (0, 1)]
        labels = [self.read_label(p) for p in self.partitions]
        self.check_labels(labels)
        self.label = labels[0]
        self.letters = {label["location"]: n for n, label in enumerate(labels)}
        self.index_at, self.data_at = self.letters[self.label["index"]], self.letters[self.label["data"]]
        self.block_size = self.label["blocksize"]
        index, data = (self.last_index(n) for n in (self.index_at, self.data_at))
        self.check_pair(index, data)
        self.check_chain(data)
        self.check_mam(index, data)
        self.index = index
        self.nodes = {}
        self.uids = {}
        self.read_tree(only(index["root"], "directory"))
        if max(self.uids) > index["highest"]:
            raise Bad("a fileuid is above highestfileuid")
        for node in self.nodes.values():
            self.check_extents(node)

    # ---- labels ----

    @staticmethod
    def read_label(partition):
        vol1 = partition.read(0)
        if len(vol1) != 80 or vol1[:4] != b"VOL1" or vol1[24:37] != b"LTFS         " or \
                vol1[10:11] != b"L" or vol1[79:] != b"4" or not vol1.isascii():
            raise Bad(f"VOL1 is {vol1!r}")
        if not re.fullmatch(rb"[0-9A-Z]{6}| {6}", vol1[4:10]):
            raise Bad(f"serial {vol1[4:10]!r}")
        if not partition.is_filemark(1) or not partition.is_filemark(3):
            raise Bad("the filemarks of the label construct are not there")
        record = partition.read(2)
        if len(record) > 4096 or b'encoding="UTF-8"' not in record[:80]:
            raise Bad("the label is too long or does not declare its encoding")
        root = ET.fromstring(record)
        if root.tag != "ltfslabel" or not re.fullmatch(r"1\.0|[12]\.\d+\.\d+", root.get("version", "")):
            raise Bad(f"label <{root.tag} {root.attrib}>")
        return {
            "serial": vol1[4:10], "version": root.get("version"), "uuid": text(root, "volumeuuid"),
            "formattime": text(root, "formattime"), "blocksize": number(root, "blocksize"),
            "compression": text(root, "compression"), "creator": text(root, "creator"),
            "index": text(only(root, "partitions"), "index"),
            "data": text(only(root, "partitions"), "data"),
            "location": text(only(root, "location"), "partition"),
        }

    @staticmethod
    def check_labels(labels):
        for key in labels[0]:
            if key not in ("location", "creator") and labels[0][key] != labels[1][key]:
                raise Bad(f"the labels differ in {key}: {labels[0][key]!r}, {labels[1][key]!r}")
        if {label["location"] for label in labels} != {labels[0]["index"], labels[0]["data"]}:
            raise Bad("the labels' locations are not the two partitions")

    # ---- indexes ----

    def read_index(self, n, first):
        """The index whose first record is `first`, which ends with a filemark."""
        partition, block, data = self.partitions[n], first, bytearray()
        while not partition.is_filemark(block):
            record = partition.read(block)
            if len(record) != self.block_size and not partition.is_filemark(block + 1):
                raise Bad(f"record {block} of the index at {first} is short")
            data += record
            block += 1
        root = ET.fromstring(bytes(data))
        if root.tag != "ltfsindex" or text(root, "volumeuuid").lower() != self.label["uuid"].lower():
            raise Bad(f"at block {first} of partition {n} is no index of this volume")
        back = only(root, "previousgenerationlocation", False)
        here = only(root, "location")
        index = {
            "root": root, "first": first, "end": block + 1, "generation": number(root, "generationnumber"),
            "self": (text(here, "partition"), number(here, "startblock")),
            "back": back is not None and (text(back, "partition"), number(back, "startblock")) or None,
            "highest": 0 if root.get("version", "").startswith("1.") else number(root, "highestfileuid"),
        }
        letter = self.label["index"] if n == self.index_at else self.label["data"]
        if index["self"] != (letter, first):
            raise Bad(f"the index at {letter}:{first} says that it is at {index['self']}")
        return index

    def last_index(self, n):
        """A complete partition ends with filemark, index, filemark."""
        partition = self.partitions[n]
        last = len(partition.blocks) - 1
        if not partition.is_filemark(last) or last < 6:
            raise Bad(f"partition {n} does not end with an index construct")
        first = last
        while not partition.is_filemark(first - 1):
            first -= 1
        if first == last or first < 5:
            raise Bad(f"partition {n} does not end with an index construct")
        return self.read_index(n, first)

    def check_pair(self, index, data):
        expected = (self.label["data"], data["first"])
        if index["back"] != expected:
            raise Bad(f"the index partition's back pointer is {index['back']}, the last index of the "
                      f"data partition is at {expected}")
        if index["generation"] < data["generation"]:
            raise Bad("the index partition is older than the data partition")

    def check_chain(self, index):
        """Every generation is there, back to the first."""
        self.generations = [index["generation"]]
        while index["back"]:
            letter, block = index["back"]
            if letter != self.label["data"] or block >= index["first"]:
                raise Bad(f"back pointer {letter}:{block} of the index at {index['first']}")
            index = self.read_index(self.data_at, block)
            if index["generation"] >= self.generations[-1]:
                raise Bad(f"generation {index['generation']} lies before {self.generations[-1]}")
            self.generations.append(index["generation"])
        if index["first"] != 5:
            raise Bad(f"the chain of indexes ends at block {index['first']}")

    def check_history(self):
        """Raises Bad unless the data partition is but data and whole index constructs. The reference
        lists generations by counting filemarks, back from the end: one too many or a torn index,
        as crashes leave them (and mounts do not mind), hides all that lie before it.
        """
        partition, block, found = self.partitions[self.data_at], 4, []
        while block < len(partition.blocks):
            if partition.is_filemark(block):
                index = self.read_index(self.data_at, block + 1)
                found.append(index["generation"])
                block = index["end"]
            else:
                block += 1
        if not set(self.generations) <= {*found, self.index["generation"]}:
            raise Bad(f"of the generations {self.generations} only {found} are found by filemarks")

    def check_mam(self, index, data):
        for n, current in ((self.index_at, index), (self.data_at, data)):
            mam = self.mam[n]
            if 0x080C not in mam:
                raise Bad(f"partition {n} has no volume coherency information")
            vci = mam[0x080C]
            if len(vci) != 70 or vci[0] != 8 or struct.unpack(">H", vci[25:27]) != (43,):
                raise Bad(f"partition {n}: volume coherency information {vci!r}")
            vcr, count, first = struct.unpack(">QQQ", vci[1:25])
            if mam.get(0x0009) is None or int.from_bytes(mam[0x0009], "big") != vcr:
                raise Bad(f"partition {n}: the volume was changed after its coherency was noted")
            if (count, first) != (current["generation"], current["first"]):
                raise Bad(f"partition {n}: coherency tells of generation {count} at {first}")
            if vci[27:32] != b"LTFS\0" or vci[32:69] != self.label["uuid"].encode() + b"\0" or \
                    vci[69] != 1:
                raise Bad(f"partition {n}: coherency's rest is {vci[27:]!r}")
        for ident, length in ((0x0800, 8), (0x0801, 32), (0x0802, 8), (0x0803, 160), (0x0805, 1),
                              (0x0806, 32), (0x0808, 160), (0x080B, 16)):
            if len(self.mam[0].get(ident, b"")) != length:
                raise Bad(f"attribute {ident:04x}h is missing or of another length than {length}")
        if not self.mam[0][0x0801].startswith(b"LTFS"):
            raise Bad("the application name does not begin with LTFS")

    # ---- the tree ----

    def read_tree(self, root):
        stack = [(root, "")]
        while stack:
            directory, path = stack.pop()
            node = self.add(directory, "D", path)
            if path == "" and self.uids.get(1) != "":
                raise Bad("the root's fileuid is not 1")
            names = set()
            for child in known(only(directory, "contents")):
                if child.tag not in ("directory", "file"):
                    raise Bad(f"<{child.tag}> among the contents of {path or '/'}")
                name = self.name_of(child)
                if name in names:
                    raise Bad(f"{path}/{name} is there twice")
                names.add(name)
                where = f"{path}/{name}" if path else name
                if child.tag == "directory":
                    stack.append((child, where))
                else:
                    self.add_file(child, where)
            node.length = len(names)

    @staticmethod
    def name_of(element):
        name = decoded(only(element, "name"))
        if not name or "/" in name or "\0" in name or name in (".", "..") or len(name) > 255:
            raise Bad(f"name {name!r}")
        if unicodedata.normalize("NFC", name) != name:
            raise Bad(f"name {name!r} is not in normal form C")
        return name

    def add(self, element, kind, path):
        uid = number(element, "fileuid")
        if uid in self.uids or uid < 1:
            raise Bad(f"{path!r} has fileuid {uid}, as has {self.uids.get(uid)!r}")
        self.uids[uid] = path
        for tag in ("creationtime", "changetime", "modifytime", "accesstime", "backuptime"):
            if not re.fullmatch(r"-?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", text(element, tag)):
                raise Bad(f"{path!r}: {tag} is {text(element, tag)!r}")
        if text(element, "readonly") not in ("true", "false"):
            raise Bad(f"{path!r}: readonly is {text(element, 'readonly')!r}")
        node = Node(kind, path)
        node.mtime = text(element, "modifytime")
        attributes = only(element, "extendedattributes", False)
        for xattr in known(attributes):
            value = only(xattr, "value")
            raw = (value.text or "").encode()
            if value.get("type") == "base64":
                if not raw or re.search(rb"\s$", raw):
                    raise Bad(f"{path!r}: base64 value that the reference refuses")
                raw = base64.b64decode(b"".join(raw.split()), validate=True)
            node.xattrs[decoded(only(xattr, "key"))] = raw
        self.nodes[path] = node
        return node

    def add_file(self, element, path):
        node = self.add(element, "F", path)
        node.length = number(element, "length")
        link, extents = only(element, "symlink", False), only(element, "extentinfo", False)
        if link is not None:
            if extents is not None:
                raise Bad(f"{path!r} is a link with extents")
            node.kind, node.target = "L", decoded(link)
            return
        if only(element, "openforwrite", False) is not None and text(element, "openforwrite") == "true":
            node.kind = "O"
        for extent in known(extents):
            node.extents.append((number(extent, "fileoffset"), text(extent, "partition"),
                                 number(extent, "startblock"), number(extent, "byteoffset"),
                                 number(extent, "bytecount")))
        node.extents.sort()

    def check_extents(self, node):
        end = 0
        for offset, letter, block, skip, count in node.extents:
            if offset < end or letter not in self.letters or block < 4 or skip >= self.block_size:
                raise Bad(f"{node.path!r}: extent {(offset, letter, block, skip, count)}")
            end = offset + count
            last = block + (skip + count - 1) // self.block_size
            if last >= len(self.partitions[self.letters[letter]].blocks):
                raise Bad(f"{node.path!r}: extent ends behind the end of data")
        if end > node.length:
            raise Bad(f"{node.path!r}: its extents end at {end}, its length is {node.length}")

    def contents(self, node):
        """Yields the file's bytes in pieces."""
        at = 0
        for offset, letter, block, skip, count in node.extents:
            yield from zeros(offset - at)
            at = offset + count
            partition = self.partitions[self.letters[letter]]
            while count:
                record = partition.read(block)
                piece = record[skip:skip + count]
                if len(piece) < min(count, self.block_size - skip):
                    raise Bad(f"{node.path!r}: record {block} is shorter than its extent")
                yield piece
                count -= len(piece)
                block, skip = block + 1, 0
        yield from zeros(node.length - at)

    def shown_path(self, node):
        """With the byte-exact names that rsmfs keeps beside those of the format."""
        parts, shown = node.path.split("/"), []
        for i in range(len(parts)):
            own = self.nodes["/".join(parts[:i + 1])].xattrs.get("ltfs.vendor.rsmfs.name")
            shown.append(own or parts[i].encode())
        return b"/".join(shown)

    def compare(self, folder):
        """Raises Bad unless the volume holds just what the folder does."""
        folder = os.fsencode(folder)
        there = {self.shown_path(n): n for n in self.nodes.values() if n.path}
        for path, folders, files in os.walk(folder):
            for name in folders + files:
                full = os.path.join(path, name)
                node = there.pop(os.path.relpath(full, folder), None)
                if node is None:
                    raise Bad(f"{full!r} is not on the volume")
                self.compare_one(node, full)
        if there:
            raise Bad(f"on the volume only: {sorted(there)[:5]}")

    def compare_one(self, node, full):
        kind = "L" if os.path.islink(full) else "D" if os.path.isdir(full) else "F"
        if node.kind != kind:
            raise Bad(f"{full!r} is {kind}, on the volume {node.kind}")
        if kind == "L" and os.readlink(full) != node.target.encode():
            raise Bad(f"{full!r} points elsewhere than on the volume: {node.target!r}")
        if kind == "F":
            with open(full, "rb") as f:
                for piece in self.contents(node):
                    if f.read(len(piece)) != piece:
                        raise Bad(f"{full!r} has other bytes than on the volume")
                if f.read(1):
                    raise Bad(f"{full!r} is longer than on the volume")


    def compare_metadata(self, folder):
        """Raises Bad unless modes, times and attributes of all objects are the folder's as well."""
        folder = os.fsencode(folder)
        for node in self.nodes.values():
            if not node.path:
                continue
            full = os.path.join(folder, self.shown_path(node))
            st = os.lstat(full)
            if nanoseconds(node.mtime) != st.st_mtime_ns:
                raise Bad(f"{full!r} was modified at {st.st_mtime_ns}, on the volume at {node.mtime}")
            if node.kind == "L":
                continue
            unix = node.xattrs.get("ltfs.vendor.rsmfs.unix", b"").split()[:3]
            if unix != [f"{st.st_mode & 0o7777:04o}".encode(), b"%d" % st.st_uid, b"%d" % st.st_gid]:
                raise Bad(f"{full!r} has mode {st.st_mode:o} of {st.st_uid}:{st.st_gid}, on the volume {unix}")
            there = {k: v for k, v in node.xattrs.items() if not k.startswith("ltfs.")}
            here = {k.removeprefix("user."): os.getxattr(full, k, follow_symlinks=False)
                    for k in os.listxattr(full, follow_symlinks=False) if k.startswith("user.")}
            if there != here:
                raise Bad(f"{full!r} has the attributes {here}, on the volume {there}")


def nanoseconds(time):
    """Since 1970, of a time as the format writes it."""
    seconds, fraction = time[:-1].split(".")
    days = datetime.datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S") - datetime.datetime(1970, 1, 1)
    return (days.days * 86400 + days.seconds) * 10**9 + int(fraction)


def zeros(count):
    while count > 0:
        yield bytes(min(count, 1 << 20))
        count -= 1 << 20


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cartridge")
    parser.add_argument("--compare", metavar="DIR")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--history", action="store_true")
    args = parser.parse_args()
    try:
        volume = Volume(args.cartridge)
        if args.list:
            for path, node in sorted(volume.nodes.items()):
                print(f"{node.kind} {node.length:12} {path}" + (f" -> {node.target}" if node.target else ""))
        if args.compare:
            volume.compare(args.compare)
        if args.history:
            volume.check_history()
    except (Bad, ET.ParseError, OSError) as e:
        sys.exit(f"{args.cartridge}: {e}")
    print(f"consistent: volume {volume.label['uuid']}, generation {volume.generations[0]}, "
          f"{len(volume.nodes) - 1} objects")


if __name__ == "__main__":
    main()
