#!/usr/bin/env python3
"""ltfs_strict.py - is this cartridge just as an LTFS writer has to leave it?

  ltfs_strict.py CARTRIDGE...

ltfs_check.py asks whether a volume is consistent; this asks more of one that rsmfs alone wrote: the
order of elements, their text forms, the layout of both partitions block by block, each attribute of
the medium's memory in its form. Written from the format's description; shares no code with rsmfs.
"""
import re
import struct
import sys
import xml.etree.ElementTree as ET

from ltfs_check import Bad, Volume, decoded, only, text

# in the order to write; ?: need not be there
LABEL = "creator formattime volumeuuid location partitions blocksize compression".split()
INDEX = ("creator comment? volumeuuid generationnumber updatetime location previousgenerationlocation? "
         "allowpolicyupdate dataplacementpolicy? highestfileuid volumelockstate directory").split()
COMMON = "readonly creationtime changetime modifytime accesstime backuptime fileuid extendedattributes?".split()
DIRECTORY = ["name", *COMMON, "contents"]
FILE = ["name", "length", "readonly", "openforwrite?", *COMMON[1:], "symlink?", "extentinfo?"]
EXTENT = "fileoffset partition startblock byteoffset bytecount".split()
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f]")
ROOT_KEYS = {"pool", "name", "owner", "mode", "lmid", "side", "state"}
NODE_KEYS = {"unix", "name", "acl_access", "acl_default", "hash"}


def expect(condition, words):
    if not condition:
        raise Bad(words)


def in_order(element, wanted):
    tags, at = [child.tag for child in element], 0
    for name in wanted:
        if at < len(tags) and tags[at] == name.rstrip("?"):
            at += 1
        elif not name.endswith("?"):
            raise Bad(f"<{element.tag}> has {tags}, <{name}> is missing or in the wrong place")
    expect(at == len(tags), f"<{element.tag}> has {tags}, <{tags[at] if at < len(tags) else ''}> is too much")


# ---- the document ----


def check_bytes(xml, words):
    """What the reference's reader is known to take badly, whatever the parser here says."""
    expect(xml.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<'), f"{words}: the declaration")
    body = xml[xml.index(b"?>") + 2:]
    expect(b"<!" not in body and b"<?" not in body, f"{words}: a comment, CDATA, DOCTYPE or instruction")
    expect(b"xmlns" not in body.split(b">")[0], f"{words}: a name space")
    expect(not re.search(rb"&(?!(amp|lt|gt|quot|apos|#13);)", body), f"{words}: an entity")
    expect(b"\r" not in body and b"\0" not in body, f"{words}: a raw carriage return or NUL")
    expect(re.search(rb"</\w+>\n?$", body), f"{words}: something follows the document")


def check_name(element, is_link=False):
    value, encoded = element.text or "", element.get("percentencoded")
    expect(set(element.attrib) <= {"percentencoded"} and encoded in (None, "true"), f"{element.attrib}")
    plain = decoded(element)
    needs = bool(CONTROL.search(plain)) or (":" in plain and not is_link)
    expect(bool(encoded) == needs, f"{plain!r} is {'' if encoded else 'not '}percent-encoded")
    if encoded:
        expect(re.fullmatch(r"([!-$&-9;-~]|%[0-9A-F]{2})*", value), f"{value!r}")


def check_xattrs(element):
    seen = set()
    for xattr in element if element is not None else ():
        expect(xattr.tag == "xattr", f"<{xattr.tag}> among attributes")
        in_order(xattr, ["key", "value"])
        check_name(only(xattr, "key"))
        key, value = decoded(only(xattr, "key")), only(xattr, "value")
        expect(key not in seen, f"the attribute {key} is there twice")
        seen.add(key)
        expect(value.get("type") in (None, "text", "base64"), f"{key} is of type {value.get('type')}")
        if value.get("type") == "base64":
            expect(re.fullmatch(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}[A-Za-z0-9+/=]=)?", value.text or "-"),
                   f"{key}: base64 with breaks, or empty")
    return seen


def check_object(element, is_root=False):
    in_order(element, DIRECTORY if element.tag == "directory" else FILE)
    if text(element, "name") or not is_root:
        check_name(only(element, "name"))
    for tag in ("creationtime", "changetime", "modifytime", "accesstime", "backuptime"):
        expect(re.fullmatch(TIME, text(element, tag)), f"{tag} {text(element, tag)!r}")
    keys = check_xattrs(only(element, "extendedattributes", False))
    ours = {k[len("ltfs.vendor.rsmfs."):] for k in keys if k.startswith("ltfs.vendor.rsmfs.")}
    if is_root:
        expect(ours - {"acl"} == ROOT_KEYS, f"the root has our keys {sorted(ours)}")
    else:
        expect("unix" in ours and ours <= NODE_KEYS, f"{text(element, 'name')!r} has our keys {sorted(ours)}")
    if element.tag == "file":
        check_file(element, keys)


def check_file(element, keys):
    link, extents = only(element, "symlink", False), only(element, "extentinfo", False)
    if link is not None:
        check_name(link, True)
        expect(extents is None and text(element, "length") == "0", "a link with a length or extents")
        return
    expect(extents is None or len(extents), "an empty <extentinfo>")
    end = 0
    for extent in extents if extents is not None else ():
        in_order(extent, EXTENT)
        offset, count = int(text(extent, "fileoffset")), int(text(extent, "bytecount"))
        expect(count and offset >= end, f"{text(element, 'name')!r}: extents in another order")
        end = offset + count
    expect(("ltfs.vendor.rsmfs.hash" in keys) <= any(k.startswith("ltfs.hash.") for k in keys),
           f"{text(element, 'name')!r}: a place without its digest")


def check_index(volume, index, xml):
    words = f"index {index['self']}"
    check_bytes(xml, words)
    root = index["root"]
    expect(root.attrib == {"version": "2.4.0"}, f"{words}: {root.attrib}")
    in_order(root, INDEX)
    expect(re.fullmatch(r"rsmfs \S+ - Linux - rsmfs - (Format|Sync|Unmount)", text(root, "creator")),
           f"{words}: creator {text(root, 'creator')!r}")
    expect(re.fullmatch(TIME, text(root, "updatetime")), f"{words}: {text(root, 'updatetime')}")
    expect(text(root, "volumeuuid") == volume.label["uuid"], f"{words}: uuid")
    expect(text(root, "allowpolicyupdate") in ("true", "false"), f"{words}: allowpolicyupdate")
    expect(text(root, "volumelockstate") in ("unlocked", "locked", "permlocked"), f"{words}: lock")
    stack = [(only(root, "directory"), True)]
    while stack:
        element, is_root = stack.pop()
        check_object(element, is_root)
        if element.tag == "directory":
            for child in only(element, "contents"):
                stack.append((child, False))


# ---- the two partitions ----


def check_label(partition, other):
    vol1 = partition.read(0)
    expect(len(vol1) == 80 and vol1[:4] == b"VOL1" and vol1[10:24] == b"L" + b" " * 13 and
           vol1[24:37] == b"LTFS".ljust(13) and vol1[37:79] == b" " * 42 and vol1[79:] == b"4", f"{vol1!r}")
    expect(vol1 == other.read(0), "the VOL1 labels differ")
    xml, twin = partition.read(2), other.read(2)
    check_bytes(xml, "label")
    root = ET.fromstring(xml)
    in_order(root, LABEL)
    in_order(only(root, "partitions"), ["index", "data"])
    expect(root.attrib == {"version": "2.4.0"}, f"label {root.attrib}")
    expect(re.sub(rb"<location>.*?</location>", b"", xml, flags=re.S) ==
           re.sub(rb"<location>.*?</location>", b"", twin, flags=re.S), "the labels differ elsewhere than in location")


def constructs(volume, n):
    """What stands behind the label: ("data", first, count) and ("index", first, records)."""
    partition, block, found = volume.partitions[n], 4, []
    while block < len(partition.blocks):
        first = block
        if not partition.is_filemark(block):
            while block < len(partition.blocks) and not partition.is_filemark(block):
                block += 1
            found.append(("data", first, block - first))
            continue
        block += 1
        while block < len(partition.blocks) and not partition.is_filemark(block):
            block += 1
        expect(block < len(partition.blocks), f"partition {n}: no filemark behind what begins at {first}")
        expect(block > first + 1, f"partition {n}: two filemarks at {first} without an index between them")
        found.append(("index", first + 1, block - first - 1))
        block += 1
    return found


def document(volume, n, first, records):
    parts = [volume.partitions[n].read(first + i) for i in range(records)]
    expect(all(len(p) == volume.block_size for p in parts[:-1]) and 0 < len(parts[-1]) <= volume.block_size,
           f"the records of the index at {first} are {[len(p) for p in parts]} bytes long")
    return b"".join(parts)


def check_layout(volume):
    for n in (0, 1):
        check_label(volume.partitions[n], volume.partitions[1 - n])
    index = constructs(volume, volume.index_at)
    expect([(c[0], c[1]) for c in index] == [("index", 5)], f"the index partition holds {index}")
    data = constructs(volume, volume.data_at)
    expect(data[0][:2] == ("index", 5) and data[-1][0] == "index", f"the data partition holds {data}")
    generation, back = 0, None
    for kind, first, count in data:
        if kind != "index":
            continue
        found = volume.read_index(volume.data_at, first)
        expect(found["generation"] > generation, f"generation {found['generation']} behind {generation}")
        expect(found["back"] == back, f"the index at {first} points back at {found['back']}, not {back}")
        generation, back = found["generation"], (volume.label["data"], first)
        check_index(volume, found, document(volume, volume.data_at, first, count))
    check_index(volume, volume.index, document(volume, volume.index_at, 5, index[0][2]))
    expect(volume.index["generation"] == generation, "the partitions are of two generations")
    return data


def check_records(volume, data):
    """Records are full but for the last of an extent, and nothing that a file has lies outside of them."""
    blocks = {b for kind, first, count in data if kind == "data" for b in range(first, first + count)}
    for node in volume.nodes.values():
        for _, letter, block, skip, count in node.extents:
            expect(letter == volume.label["data"], f"{node.path!r} is on partition {letter}")
            last = block + (skip + count - 1) // volume.block_size
            for b in range(block, last + 1):
                expect(b in blocks, f"{node.path!r}: block {b} is no data")
                length = volume.partitions[volume.data_at].blocks[b][1]
                expect(length == volume.block_size or b == last, f"{node.path!r}: record {b} is short")


# ---- the medium's memory ----

MEMORY = {  # flags, form of the value
    0x0800: (1, rb"RSMFS   "),
    0x0801: (1, rb"LTFS {28}"),
    0x0802: (1, rb"[ -~]{8}"),
    0x0803: (2, rb"[^\0]*\0+"),
    0x0805: (0, rb"\x81"),
    0x0806: (1, rb"[ -~]{32}"),
    0x0808: (2, rb"[^\0]*\0+"),
    0x080B: (1, rb"2\.4\.0 {11}"),
    0x1623: (0, rb"[\0\1\3]"),
}
LENGTHS = {0x0803: 160, 0x0808: 160}


def check_memory(volume, cartridge):
    references = set()
    for n in (0, 1):
        with open(f"{cartridge}/partition{n}.mam", "rb") as f:
            raw, at, flags = f.read(), 0, {}
        while at < len(raw):
            ident, flag, length = struct.unpack_from(">HBH", raw, at)
            flags[ident] = flag
            at += 5 + length
        mam = volume.mam[n]
        host = {i for i in mam if 0x0800 <= i < 0x1000 or 0x1400 <= i < 0x1800}
        expect(host == ({*MEMORY, 0x080C} if n == 0 else {0x080C}),
               f"partition {n} has the attributes {sorted(hex(i) for i in host)}")
        for ident, (flag, form) in MEMORY.items() if n == 0 else ():
            expect(flags[ident] == flag, f"{ident:04x}h has the flags {flags[ident]}")
            expect(re.fullmatch(form, mam[ident], re.S) and len(mam[ident]) == LENGTHS.get(ident, len(mam[ident])),
                   f"{ident:04x}h is {mam[ident]!r}")
        vci = mam[0x080C]
        expect(flags[0x080C] == 0 and vci[0] == 8 and vci[31] == 0 and vci[69] == 1, f"{vci!r}")
        references.add(vci[1:9])
        expect(mam[0x0009] != bytes(4) and vci[1:9] == mam[0x0009].rjust(8, b"\0"), "the change reference")
    expect(len(references) == 1, "two change references")
    keys = volume.nodes[""].xattrs
    for ident, key in ((0x0808, "pool"), (0x0803, "name")):
        value = volume.mam[0][ident].rstrip(b"\0").decode()
        expect(keys[f"ltfs.vendor.rsmfs.{key}"].decode().startswith(value) and value, f"{ident:04x}h: {value!r}")


def strict(cartridge):
    """Raises Bad; otherwise the volume."""
    volume = Volume(cartridge)
    volume.check_history()
    data = check_layout(volume)
    check_records(volume, data)
    check_memory(volume, cartridge)
    return volume


if __name__ == "__main__":
    for name in sys.argv[1:]:
        try:
            print(f"{name}: strictly LTFS, {len(strict(name).nodes) - 1} objects")
        except (Bad, ET.ParseError, OSError) as e:
            sys.exit(f"{name}: {e}")
