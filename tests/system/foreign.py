"""foreign.py - another LTFS system, as far as tests need one: it changes volumes that rsmfs wrote.

It knows cartridges of a virtual library by their format alone (ltfs_check.py reads them), keeps what
it does not know, and writes as the reference does: data at the end of the data partition, an index
behind it, the same over the last index of the index partition, then the coherency information with a
new volume change reference.
"""
import copy
import os
import struct
import xml.etree.ElementTree as ET

from ltfs_check import Volume, number, only, text


def image(records):
    """A tape image: None is a filemark."""
    out = bytearray()
    for record in records:
        if record is None:
            out += bytes(4)
            continue
        length = struct.pack("<I", len(record))
        out += length + record + bytes(len(record) & 1) + length
    return bytes(out)


def write_mam(path, attributes):
    with open(path, "wb") as f:
        for ident, (flags, value) in sorted(attributes.items()):
            f.write(struct.pack(">HBH", ident, flags, len(value)) + value)


def read_mam_raw(path):
    with open(path, "rb") as f:
        data = f.read()
    attributes, at = {}, 0
    while at < len(data):
        ident, flags, length = struct.unpack_from(">HBH", data, at)
        attributes[ident] = (flags, data[at + 5:at + 5 + length])
        at += 5 + length
    return attributes


class Foreign:
    """The volume on a cartridge; what is changed is written by commit()."""

    def __init__(self, cartridge):
        self.folder = cartridge
        self.volume = Volume(cartridge)
        self.tapes = []
        for partition in self.volume.partitions:
            self.tapes.append([None if b is None else partition.read(n)
                               for n, b in enumerate(partition.blocks)])
        self.root = copy.deepcopy(self.volume.index["root"])
        self.block_size = self.volume.block_size

    def data(self, contents):
        """Appends records; the number of the first one."""
        tape = self.tapes[self.volume.data_at]
        first = len(tape)
        for at in range(0, len(contents), self.block_size):
            tape.append(contents[at:at + self.block_size])
        return first

    def find(self, path):
        """The element of a file or folder."""
        at = only(self.root, "directory")
        for name in path.split("/"):
            at = next(c for c in only(at, "contents") if text(c, "name") == name)
        return at

    def rewrite(self, path, contents):
        """Other contents for a file, in other blocks; everything else of it stays as it is."""
        element, first = self.find(path), self.data(contents)
        only(element, "length").text = str(len(contents))
        for old in element.findall("extentinfo"):
            element.remove(old)
        info = ET.SubElement(element, "extentinfo")
        extent = ET.SubElement(info, "extent")
        for tag, value in (("fileoffset", 0), ("partition", self.volume.label["data"]), ("startblock", first),
                           ("byteoffset", 0), ("bytecount", len(contents))):
            ET.SubElement(extent, tag).text = str(value)

    def document(self, letter, block, back):
        here = only(self.root, "location")
        only(here, "partition").text, only(here, "startblock").text = letter, str(block)
        for old in self.root.findall("previousgenerationlocation"):
            self.root.remove(old)
        place = ET.Element("previousgenerationlocation")
        ET.SubElement(place, "partition").text = self.volume.label["data"]
        ET.SubElement(place, "startblock").text = str(back)
        self.root.insert(list(self.root).index(here) + 1, place)
        xml = b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(self.root, encoding="utf-8")
        return [xml[at:at + self.block_size] for at in range(0, len(xml), self.block_size)]

    def commit(self):
        volume = self.volume
        generation = number(self.root, "generationnumber") + 1
        only(self.root, "generationnumber").text = str(generation)
        data, index = self.tapes[volume.data_at], self.tapes[volume.index_at]
        data.append(None)
        on_data = len(data)
        data += self.document(volume.label["data"], on_data, volume.index["back"][1]) + [None]
        del index[volume.index["first"] - 1:]
        index.append(None)
        on_index = len(index)
        index += self.document(volume.label["index"], on_index, on_data) + [None]
        for n, block in ((volume.data_at, on_data), (volume.index_at, on_index)):
            with open(f"{self.folder}/partition{n}.tap", "wb") as f:
                f.write(image(self.tapes[n]))
            self.write_coherency(n, generation, block)
        for name in os.listdir(self.folder):
            if not name.startswith("partition"):
                os.unlink(f"{self.folder}/{name}")

    def write_coherency(self, n, generation, block):
        path = f"{self.folder}/partition{n}.mam"
        attributes = read_mam_raw(path)
        flags, reference = attributes[0x0009]
        count = int.from_bytes(reference, "big") + 1
        attributes[0x0009] = flags, count.to_bytes(len(reference), "big")
        flags, old = attributes[0x080C]
        attributes[0x080C] = flags, old[:1] + struct.pack(">QQQ", count, generation, block) + old[25:]
        write_mam(path, attributes)
