package archive

import (
	"io"
	"strings"
)

// Entry is one file or folder of an archive that was accepted.
type Entry struct {
	Name string // slash-separated, relative, clean; no slash at the end
	Size int64  // bytes, uncompressed; 0 for folders
	Dir  bool
	Exec bool // a file with any executable bit
}

// List judges the archive in the first size bytes of r and returns its entries in the order of its
// directory; there may be none. It reads headers only: whether the contents are what they declare, Extract finds out.
// Errors match ErrRefused, unless reading r failed; "zip: not a valid zip file" begins those about
// the archive's structure (they match zip.ErrFormat too).
func List(r io.ReaderAt, size int64, l Limits) ([]Entry, error) {
	records, err := walk(r, size, l.filled())
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(records))
	for i := range records {
		entries[i] = records[i].entry()
	}
	return entries, nil
}

// Strip returns the one top-level folder that holds all entries, or "" when there is no such
// folder: packing the folder instead of its content is a common mistake. Extract takes it as its
// prefix.
func Strip(entries []Entry) string {
	folder, below := "", false
	for _, e := range entries {
		first, _, inside := strings.Cut(e.Name, "/")
		if folder == "" {
			folder = first
		}
		if first != folder || !inside && !e.Dir {
			return ""
		}
		below = below || inside
	}
	if !below {
		return ""
	}
	return folder
}

// walk reads the directory and every local header, and judges them all.
func walk(r io.ReaderAt, size int64, l Limits) ([]record, error) {
	d, err := locate(r, size)
	if err != nil {
		return nil, err
	}
	f := &faults{}
	if d.count > uint64(l.Entries) {
		f.add("too many entries: found %d, limit %d", d.count, l.Entries)
		return nil, f.err()
	}
	records, err := readDirectory(r, d, l)
	if err != nil {
		return nil, err
	}
	for i := range records {
		judge(&records[i], l, f)
	}
	judgeTotals(records, l, f)
	judgeTree(records, l, f)
	if err := judgeLocals(r, d, records, f); err != nil {
		return nil, err
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	return records, nil
}
