package archive

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// record is one entry as the central directory declares it.
type record struct {
	name    string // as stored; cut to one byte over the limit when it is longer
	nameLen int    // as stored
	flags   uint16
	method  uint16
	crc     uint32
	attrs   uint32
	disk    uint32

	compressed, size, offset uint64 // declared

	unicode string // another name, from the Info-ZIP Unicode path field
	problem string // of the extra fields
	data    int64  // absolute offset of the contents, once the local header was judged
}

const (
	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3
	flagPatch      = 1 << 5
	flagStrong     = 1 << 6
	flagMasked     = 1 << 13

	extraZip64   = 0x0001
	extraUnicode = 0x7075

	methodStore   = 0
	methodDeflate = 8
)

func (r *record) isDir() bool  { return strings.HasSuffix(r.name, "/") }
func (r *record) path() string { return strings.TrimSuffix(r.name, "/") }

func (r *record) entry() Entry {
	e := Entry{Name: r.path(), Dir: r.isDir()}
	if !e.Dir {
		e.Size = int64(r.size)
		e.Exec = r.attrs>>16&0o111 != 0
	}
	return e
}

// readDirectory reads exactly the records that d declares; they must fill the directory exactly.
// Names are the only thing kept whose length the archive chooses, and they are cut.
func readDirectory(r io.ReaderAt, d directory, l Limits) ([]record, error) {
	const bufferBytes = 32 << 10
	section := &io.LimitedReader{R: bufio.NewReaderSize(io.NewSectionReader(r, d.start, d.end-d.start), bufferBytes), N: d.end - d.start}
	var (
		records []record
		head    [centralLen]byte
		rest    = make([]byte, 0, 256)
	)
	for i := range d.count {
		if err := readFull(section, head[:], i); err != nil {
			return nil, err
		}
		if string(head[:4]) != centralSignature {
			return nil, malformed("directory entry %d has no signature", i)
		}
		le := binary.LittleEndian
		name, extra, comment := int(le.Uint16(head[28:])), int(le.Uint16(head[30:])), int(le.Uint16(head[32:]))
		// At most 3 x 64 KiB, and one buffer for all.
		if n := name + extra + comment; cap(rest) < n {
			rest = make([]byte, 0, n)
		}
		rest = rest[:name+extra+comment]
		if err := readFull(section, rest, i); err != nil {
			return nil, err
		}
		rec := record{
			name:       string(rest[:min(name, l.PathBytes+1)]),
			nameLen:    name,
			flags:      le.Uint16(head[8:]),
			method:     le.Uint16(head[10:]),
			crc:        le.Uint32(head[16:]),
			compressed: uint64(le.Uint32(head[20:])),
			size:       uint64(le.Uint32(head[24:])),
			disk:       uint32(le.Uint16(head[34:])),
			attrs:      le.Uint32(head[38:]),
			offset:     uint64(le.Uint32(head[42:])),
		}
		rec.readExtra(rest[name : name+extra])
		records = append(records, rec)
	}
	if section.N != 0 {
		return nil, malformed("%d bytes after the last directory entry", section.N)
	}
	return records, nil
}

func readFull(r io.Reader, b []byte, entry uint64) error {
	_, err := io.ReadFull(r, b)
	switch err {
	case nil:
		return nil
	case io.EOF, io.ErrUnexpectedEOF:
		return malformed("truncated in directory entry %d", entry)
	}
	return fmt.Errorf("read archive: %w", err)
}

// readExtra applies the zip64 field to the values that refer to it. Fields that are cut off end the
// list, as they do for every reader: some tools pad with zeros.
func (r *record) readExtra(extra []byte) {
	wide := false
	for tag, field := range fields(extra) {
		switch {
		case tag == extraZip64 && wide:
			r.problem = "two zip64 fields"
		case tag == extraZip64:
			wide = true
			if !r.widen(field) {
				r.problem = "zip64 field too short"
			}
		case tag == extraUnicode && len(field) > 5:
			r.unicode = string(field[5:])
		}
	}
	if !wide && (r.compressed == math.MaxUint32 || r.offset == math.MaxUint32) {
		r.problem = "zip64 field missing"
	}
}

// widen reads those of size, compressed size, offset and disk that are full, in this order.
func (r *record) widen(field []byte) bool {
	le := binary.LittleEndian
	for _, v := range []*uint64{&r.size, &r.compressed, &r.offset} {
		if *v != math.MaxUint32 {
			continue
		}
		if len(field) < 8 {
			return false
		}
		*v, field = le.Uint64(field), field[8:]
	}
	if r.disk == math.MaxUint16 {
		if len(field) < 4 {
			return false
		}
		r.disk = le.Uint32(field)
	}
	return true
}

// fields iterates over the tags and contents of an extra block.
func fields(extra []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		le := binary.LittleEndian
		for len(extra) >= 4 {
			tag, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
			if extra = extra[4:]; n > len(extra) {
				return
			}
			if !yield(tag, extra[:n]) {
				return
			}
			extra = extra[n:]
		}
	}
}
