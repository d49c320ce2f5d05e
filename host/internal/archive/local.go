package archive

import (
	"cmp"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"strings"
)

// span is the part of the file that one entry occupies, header to descriptor.
type span struct {
	start, end int64
	name       string
}

// judgeLocals compares every local header with its directory entry, and the places of all entries
// with each other: contents that several entries share are how a small file becomes an endless one.
// Its error is a failure to read, or a structure in which nothing more can be judged.
func judgeLocals(r io.ReaderAt, d directory, records []record, f *faults) error {
	spans := make([]span, 0, len(records))
	for i := range records {
		rec := &records[i]
		end, reason, err := judgeLocal(r, d, rec)
		if err != nil {
			return err
		}
		if reason != "" {
			f.entry(rec.name, "%s", reason)
			continue
		}
		spans = append(spans, span{d.base + int64(rec.offset), end, rec.name})
	}
	// Stable: a header used twice is reported in the order of the directory.
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	var widest span // the one that reaches furthest so far
	for _, next := range spans {
		if next.start < widest.end {
			f.entry(next.name, "overlaps %s", quote(widest.name))
		}
		if next.end > widest.end {
			widest = next
		}
	}
	return nil
}

// local is a local header.
type local struct {
	flags, method    uint16
	crc              uint32
	compressed, size uint64
	name             string // enough of it to compare and to report
	nameLen          int
	len              int64 // of the whole header
}

const outside = "lies outside the archive"

// judgeLocal returns where the entry ends, or the reason to refuse it.
func judgeLocal(r io.ReaderAt, d directory, rec *record) (end int64, reason string, err error) {
	room := uint64(d.start - d.base)
	if rec.offset > room || rec.compressed > room-rec.offset {
		return 0, outside, nil
	}
	start := d.base + int64(rec.offset)
	h, reason, err := readLocal(r, d, start, rec)
	if reason != "" || err != nil {
		return 0, reason, err
	}
	if reason := h.differs(rec); reason != "" {
		return 0, reason, nil
	}
	rec.data = start + h.len
	end = rec.data + int64(rec.compressed)
	if end > d.start {
		return 0, outside, nil
	}
	if rec.flags&flagDescriptor == 0 {
		return end, "", nil
	}
	n, err := descriptorLen(r, d, rec, end)
	if err != nil {
		return 0, "", err
	}
	if n == 0 {
		return 0, "its data descriptor differs from the directory", nil
	}
	return end + n, "", nil
}

func readLocal(r io.ReaderAt, d directory, start int64, rec *record) (h local, reason string, err error) {
	var head [localLen]byte
	if d.start-start < localLen {
		return h, outside, nil
	}
	if err := readAt(r, head[:], start); err != nil {
		return h, "", err
	}
	if string(head[:4]) != localSignature {
		return h, "no local header where the directory says", nil
	}
	le := binary.LittleEndian
	name, extra := int(le.Uint16(head[26:])), int(le.Uint16(head[28:]))
	h = local{
		flags:      le.Uint16(head[6:]),
		method:     le.Uint16(head[8:]),
		crc:        le.Uint32(head[14:]),
		compressed: uint64(le.Uint32(head[18:])),
		size:       uint64(le.Uint32(head[22:])),
		len:        int64(localLen + name + extra),
	}
	if d.start-start < h.len {
		return h, outside, nil
	}
	// Many entries may point at one long header: read no more of it than is looked at.
	text := make([]byte, min(name, max(len(rec.name), maxNameQuoted+1)))
	if err := readAt(r, text, start+localLen); err != nil {
		return h, "", err
	}
	h.name, h.nameLen = string(text), name
	if h.size != math.MaxUint32 && h.compressed != math.MaxUint32 {
		return h, "", nil
	}
	wide := make([]byte, extra)
	if err := readAt(r, wide, start+localLen+int64(name)); err != nil {
		return h, "", err
	}
	h.widen(wide)
	return h, "", nil
}

// widen applies the zip64 field, which in a local header always holds both sizes.
func (h *local) widen(extra []byte) {
	for tag, field := range fields(extra) {
		if tag == extraZip64 && len(field) >= 16 {
			h.size, h.compressed = binary.LittleEndian.Uint64(field), binary.LittleEndian.Uint64(field[8:])
			return
		}
	}
}

// differs says how the local header contradicts the directory, or nothing.
func (h *local) differs(rec *record) string {
	const compared = flagEncrypted | flagDescriptor | flagPatch | flagStrong | flagMasked
	if h.nameLen != rec.nameLen || !strings.HasPrefix(h.name, rec.name) {
		return "its local header says " + quote(h.name)
	}
	if h.method != rec.method || h.flags&compared != rec.flags&compared {
		return "its local header has another method or other flags"
	}
	same := h.crc == rec.crc && h.size == rec.size && h.compressed == rec.compressed
	if rec.flags&flagDescriptor != 0 {
		// The writer did not know yet: zero, or full when it announced zip64.
		unknown := func(v, declared uint64) bool { return v == 0 || v == math.MaxUint32 || v == declared }
		same = (h.crc == 0 || h.crc == rec.crc) && unknown(h.size, rec.size) && unknown(h.compressed, rec.compressed)
	}
	if !same {
		return "its local header has another size or checksum"
	}
	return ""
}

// descriptorLen returns the length of the data descriptor at the offset, or 0 if none of its four
// forms is there: with or without signature, with narrow or wide sizes.
func descriptorLen(r io.ReaderAt, d directory, rec *record, at int64) (int64, error) {
	var buf [4 + 4 + 8 + 8]byte
	b := buf[:min(int64(len(buf)), d.start-at)]
	if err := readAt(r, b, at); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	narrow := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, rec.crc), uint32(rec.compressed)), uint32(rec.size))
	wide := le.AppendUint64(le.AppendUint64(le.AppendUint32(nil, rec.crc), rec.compressed), rec.size)
	for _, form := range [][]byte{
		append([]byte(descriptorSignature), narrow...),
		append([]byte(descriptorSignature), wide...),
		narrow,
		wide,
	} {
		if len(b) >= len(form) && string(b[:len(form)]) == string(form) {
			return int64(len(form)), nil
		}
	}
	return 0, nil
}
