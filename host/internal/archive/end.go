package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

const (
	endLen       = 22
	end64Len     = 56
	locator64Len = 20
	centralLen   = 46
	localLen     = 30

	endSignature        = "PK\x05\x06"
	end64Signature      = "PK\x06\x06"
	locator64Signature  = "PK\x06\x07"
	centralSignature    = "PK\x01\x02"
	localSignature      = "PK\x03\x04"
	descriptorSignature = "PK\x07\x08"
)

// directory says where the central directory lies. All offsets are absolute in the file.
type directory struct {
	count      uint64 // entries; at most what fits between start and end
	start, end int64
	base       int64 // what is added to the offsets that the archive declares
}

// ends are the fields of the end-of-directory record, from whichever of its two forms.
type ends struct {
	disk, startDisk        uint32
	countHere, count       uint64
	size, offset, position uint64 // position: absolute offset of the record, where the directory ends
}

// locate finds the directory from the end of the file, as every reader does, and checks the
// declared counts against the room there is before anyone allocates by them.
func locate(r io.ReaderAt, size int64) (directory, error) {
	e, err := findEnd(r, size)
	if err != nil {
		return directory{}, err
	}
	if e, err = widen(r, e); err != nil {
		return directory{}, err
	}
	switch {
	case e.disk != 0 || e.startDisk != 0 || e.countHere != e.count:
		return directory{}, malformed("it is a part of a split archive")
	case e.size > e.position || e.offset > e.position-e.size:
		return directory{}, malformed("directory of %d bytes at offset %d does not fit before its end record at %d", e.size, e.offset, e.position)
	case e.count > e.size/centralLen:
		return directory{}, malformed("%d entries do not fit into a directory of %d bytes", e.count, e.size)
	}
	d := directory{count: e.count, end: int64(e.position), start: int64(e.position - e.size)}
	d.base = d.start - int64(e.offset)
	return d, unambiguous(r, d, int64(e.offset))
}

// unambiguous refuses a file in which the declared offset, taken literally, leads to a directory
// too: some readers add the length of a prefix to all offsets, others do not.
func unambiguous(r io.ReaderAt, d directory, offset int64) error {
	if d.base == 0 || d.count == 0 {
		return nil
	}
	var sig [len(centralSignature)]byte
	if err := readAt(r, sig[:], offset); err != nil {
		return err
	}
	if string(sig[:]) == centralSignature {
		return malformed("two directories, at offsets %d and %d", offset, d.start)
	}
	return nil
}

// findEnd takes the last end record. A second one whose comment would reach exactly to the end of
// the file, hidden before it, is what stricter readers would take instead.
func findEnd(r io.ReaderAt, size int64) (ends, error) {
	tail := make([]byte, min(max(size, 0), endLen+math.MaxUint16))
	start := size - int64(len(tail))
	if err := readAt(r, tail, start); err != nil {
		return ends{}, err
	}
	at := bytes.LastIndex(tail, []byte(endSignature))
	if at < 0 {
		return ends{}, malformed("no end of directory record")
	}
	if end := commentEnd(tail, at); end < 0 || end > len(tail) {
		return ends{}, malformed("truncated in the end of directory record")
	}
	for i := at; ; {
		if i = bytes.LastIndex(tail[:i], []byte(endSignature)); i < 0 {
			break
		}
		if commentEnd(tail, i) == len(tail) {
			return ends{}, malformed("two end of directory records, at offsets %d and %d", start+int64(i), start+int64(at))
		}
	}
	le, b := binary.LittleEndian, tail[at:]
	return ends{
		disk:      uint32(le.Uint16(b[4:])),
		startDisk: uint32(le.Uint16(b[6:])),
		countHere: uint64(le.Uint16(b[8:])),
		count:     uint64(le.Uint16(b[10:])),
		size:      uint64(le.Uint32(b[12:])),
		offset:    uint64(le.Uint32(b[16:])),
		position:  uint64(start) + uint64(at),
	}, nil
}

// commentEnd returns where the record at offset at of tail ends, or -1 if it does not fit.
func commentEnd(tail []byte, at int) int {
	if len(tail)-at < endLen {
		return -1
	}
	return at + endLen + int(binary.LittleEndian.Uint16(tail[at+20:]))
}

// widen replaces the end record by its zip64 form where a locator precedes it. Readers differ in
// when they look for one, so the two forms may not contradict each other.
func widen(r io.ReaderAt, e ends) (ends, error) {
	var b [end64Len + locator64Len]byte
	if e.position < locator64Len {
		return e, nil
	}
	locator := b[end64Len:]
	if err := readAt(r, locator, int64(e.position)-locator64Len); err != nil {
		return e, err
	}
	if string(locator[:4]) != locator64Signature {
		return e, nil
	}
	if e.position < uint64(len(b)) {
		return e, malformed("zip64 locator without its record")
	}
	le, at := binary.LittleEndian, int64(e.position)-int64(len(b))
	if err := readAt(r, b[:end64Len], at); err != nil {
		return e, err
	}
	if string(b[:4]) != end64Signature || le.Uint64(b[4:]) != end64Len-12 {
		return e, malformed("no zip64 end record of %d bytes before its locator", end64Len)
	}
	if le.Uint32(locator[4:]) != 0 || le.Uint32(locator[16:]) > 1 {
		return e, malformed("it is a part of a split archive")
	}
	wide := ends{
		disk:      le.Uint32(b[16:]),
		startDisk: le.Uint32(b[20:]),
		countHere: le.Uint64(b[24:]),
		count:     le.Uint64(b[32:]),
		size:      le.Uint64(b[40:]),
		offset:    le.Uint64(b[48:]),
		position:  uint64(at),
	}
	// Here a prefix must be counted in all offsets: readers do not agree on how to find it otherwise.
	if p := le.Uint64(locator[8:]); wide.contradicts(e) || p != wide.position {
		return e, malformed("zip64 end record contradicts its locator or the end record")
	}
	return wide, nil
}

// contradicts reports whether a field of the narrow form is neither full, which means "see the wide
// form", nor the same.
func (e ends) contradicts(narrow ends) bool {
	differ := func(n, w, full uint64) bool { return n != full && n != w }
	return differ(uint64(narrow.disk), uint64(e.disk), math.MaxUint16) ||
		differ(uint64(narrow.startDisk), uint64(e.startDisk), math.MaxUint16) ||
		differ(narrow.countHere, e.countHere, math.MaxUint16) ||
		differ(narrow.count, e.count, math.MaxUint16) ||
		differ(narrow.size, e.size, math.MaxUint32) ||
		differ(narrow.offset, e.offset, math.MaxUint32)
}

// readAt fills b or fails; the end of the file is a fault of the archive.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	n, err := r.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		return malformed("truncated at offset %d", offset+int64(n))
	}
	return fmt.Errorf("read archive: %w", err)
}
