package archive

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
)

// header holds the fields that a local header and a directory entry share, and those of the latter.
type header struct {
	made, flags, method     uint16
	crc, packed, size       uint32
	name                    string
	extra                   []byte
	disk                    uint16
	attrs, offset           uint32
	nameLenLie, extraLenLie int // added to the true lengths
}

// rawEntry is one entry, written byte for byte. local and central change the one or the other copy
// of the header just before it is written; the offset is set by then.
type rawEntry struct {
	header
	content        []byte // as it lies in the file
	descriptor     []byte
	local, central func(*header)
	ghost          bool // a directory entry only
}

// endRecord is the end of directory record, in the order of its fields.
type endRecord struct {
	disk, startDisk, countHere, count uint16
	size, offset                      uint32
	commentLen                        uint16
}

// end64Record is its zip64 form, followed by the locator's fields.
type end64Record struct {
	recordSize                     uint64
	made, need                     uint16
	disk, startDisk                uint32
	countHere, count, size, offset uint64
	locatorDisk, locatorDisks      uint32
	locatorOffset                  uint64
	skipRecord, keepEnds           bool
}

// rawZip writes archives that archive/zip would refuse to write.
type rawZip struct {
	prefix  []byte // before everything, not counted in offsets
	entries []rawEntry
	gap     []byte // between the entries and the directory
	slack   []byte // inside the directory, after its entries
	comment string
	after   []byte
	zip64   func(*end64Record)
	end     func(*endRecord)
}

func (z rawZip) bytes() []byte {
	var body, dir bytes.Buffer
	le := binary.LittleEndian
	for _, e := range z.entries {
		h := e.header
		h.offset += uint32(body.Len())
		c := h
		if e.central != nil {
			e.central(&c)
		}
		dir.WriteString(centralSignature)
		for _, v := range []any{
			c.made, uint16(20), c.flags, c.method, uint16(0), uint16(0), c.crc, c.packed, c.size,
			uint16(len(c.name) + c.nameLenLie), uint16(len(c.extra) + c.extraLenLie), uint16(0), c.disk, uint16(0), c.attrs, c.offset,
		} {
			binary.Write(&dir, le, v)
		}
		dir.WriteString(c.name)
		dir.Write(c.extra)
		if e.ghost {
			continue
		}
		if e.local != nil {
			e.local(&h)
		}
		body.WriteString(localSignature)
		for _, v := range []any{
			uint16(20), h.flags, h.method, uint16(0), uint16(0), h.crc, h.packed, h.size,
			uint16(len(h.name) + h.nameLenLie), uint16(len(h.extra) + h.extraLenLie),
		} {
			binary.Write(&body, le, v)
		}
		body.WriteString(h.name)
		body.Write(h.extra)
		body.Write(e.content)
		body.Write(e.descriptor)
	}
	body.Write(z.gap)
	offset := body.Len()
	dir.Write(z.slack)
	body.Write(dir.Bytes())
	z.writeEnd(&body, uint64(offset), uint64(dir.Len()))
	return append(bytes.Clone(z.prefix), body.Bytes()...)
}

func (z rawZip) writeEnd(body *bytes.Buffer, offset, size uint64) {
	le := binary.LittleEndian
	n := len(z.entries)
	e := endRecord{countHere: uint16(n), count: uint16(n), size: uint32(size), offset: uint32(offset), commentLen: uint16(len(z.comment))}
	if z.zip64 != nil {
		w := end64Record{
			recordSize: end64Len - 12, made: 45, need: 45, countHere: uint64(n), count: uint64(n),
			size: size, offset: offset, locatorDisks: 1, locatorOffset: uint64(body.Len()),
		}
		z.zip64(&w)
		if !w.keepEnds {
			e.countHere, e.count, e.size, e.offset = 0xffff, 0xffff, 0xffffffff, 0xffffffff
		}
		if !w.skipRecord {
			body.WriteString(end64Signature)
			binary.Write(body, le, w.recordSize)
			for _, v := range []any{w.made, w.need, w.disk, w.startDisk, w.countHere, w.count, w.size, w.offset} {
				binary.Write(body, le, v)
			}
		}
		body.WriteString(locator64Signature)
		for _, v := range []any{w.locatorDisk, w.locatorOffset, w.locatorDisks} {
			binary.Write(body, le, v)
		}
	}
	if z.end != nil {
		z.end(&e)
	}
	body.WriteString(endSignature)
	binary.Write(body, le, e)
	body.WriteString(z.comment)
	body.Write(z.after)
}

const unixMade = 3<<8 | 20

// stored is a regular file, uncompressed.
func stored(name, content string) rawEntry {
	n := uint32(len(content))
	return rawEntry{
		header: header{
			made: unixMade, name: name, crc: crc32.ChecksumIEEE([]byte(content)), packed: n, size: n,
			attrs: 0o100644 << 16, method: methodStore,
		},
		content: []byte(content),
	}
}

// deflated is a regular file, compressed.
func deflated(name, content string) rawEntry {
	e := stored(name, content)
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write([]byte(content))
	w.Close()
	e.content, e.packed, e.method = b.Bytes(), uint32(b.Len()), methodDeflate
	return e
}

func folder(name string) rawEntry {
	e := stored(name, "")
	e.attrs = 0o040755<<16 | 0x10
	return e
}

func (e rawEntry) mode(mode uint32) rawEntry {
	e.attrs = mode << 16
	return e
}

func (e rawEntry) both(change func(*header)) rawEntry {
	change(&e.header)
	return e
}

func (e rawEntry) inLocal(change func(*header)) rawEntry {
	e.local = change
	return e
}

func (e rawEntry) inCentral(change func(*header)) rawEntry {
	e.central = change
	return e
}

// streamed moves sizes and checksum behind the contents. form: "PK\x07\x08" or "", and 4 or 8 bytes.
func (e rawEntry) streamed(signature string, width int) rawEntry {
	le := binary.LittleEndian
	d := le.AppendUint32([]byte(signature), e.crc)
	for _, v := range []uint32{e.packed, e.size} {
		if width == 8 {
			d = le.AppendUint64(d, uint64(v))
		} else {
			d = le.AppendUint32(d, v)
		}
	}
	e.flags |= flagDescriptor
	e.descriptor = d
	return e.inLocal(func(h *header) { h.crc, h.packed, h.size = 0, 0, 0 })
}

func archiveOf(entries ...rawEntry) []byte { return rawZip{entries: entries}.bytes() }

// field is one extra field.
func field(tag uint16, content []byte) []byte {
	le := binary.LittleEndian
	return append(le.AppendUint16(le.AppendUint16(nil, tag), uint16(len(content))), content...)
}

// wide64 is the content of a zip64 field.
func wide64(values ...uint64) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}
