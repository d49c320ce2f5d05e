package archive

import "math"

// judge reports what one directory entry declares and may not. Links and the like are told by the
// upper half of the attributes: it is a Unix mode, and some extractors follow it whoever wrote it.
func judge(r *record, l Limits, f *faults) {
	bad := func(format string, args ...any) { f.entry(r.name, format, args...) }
	if r.nameLen > l.PathBytes {
		bad("path too long: found %d bytes, limit %d", r.nameLen, l.PathBytes)
	} else if reason := nameReason(r.name, l.Depth); reason != "" {
		bad("%s", reason)
	}
	if r.unicode != "" && r.nameLen <= l.PathBytes && r.unicode != r.name {
		bad("second name %s", quote(r.unicode))
	}
	if reason := modeReason(r); reason != "" {
		bad("%s", reason)
	}
	if reason := storageReason(r); reason != "" {
		bad("%s", reason)
	}
	if r.problem != "" {
		bad("%s", r.problem)
	}
	if r.disk != 0 {
		bad("on disk %d of a split archive", r.disk)
	}
	switch {
	case r.size > uint64(l.EntryBytes):
		bad("too large: found %d bytes, limit %d", r.size, l.EntryBytes)
	case r.compressed <= math.MaxInt64 && l.inflated(int64(r.size), int64(r.compressed)):
		bad("compressed too well: %d bytes in %d, limit %d to 1", r.size, r.compressed, l.Ratio)
	}
}

func modeReason(r *record) string {
	const (
		typeMask = 0o170000
		special  = 0o7000
		dosDir   = 0x10
	)
	mode := r.attrs >> 16
	switch mode & typeMask {
	case 0:
		// No Unix type: an MS-DOS writer, or one that left it out.
		if r.attrs&dosDir != 0 && !r.isDir() {
			return "a folder by its mode, a file by its name"
		}
	case 0o100000:
		if r.isDir() {
			return "a file by its mode, a folder by its name"
		}
	case 0o040000:
		if !r.isDir() {
			return "a folder by its mode, a file by its name"
		}
	case 0o120000:
		return "symbolic link"
	case 0o060000, 0o020000:
		return "device"
	case 0o010000:
		return "named pipe"
	case 0o140000:
		return "socket"
	default:
		return "unknown file type"
	}
	if mode&special != 0 {
		return "setuid, setgid or sticky bit"
	}
	return ""
}

func storageReason(r *record) string {
	switch {
	case r.flags&(flagEncrypted|flagStrong|flagMasked) != 0:
		return "encrypted"
	case r.flags&flagPatch != 0:
		return "holds a patch, not a file"
	case r.method != methodStore && r.method != methodDeflate:
		return "unknown compression method: expected 0 (store) or 8 (deflate)"
	case r.isDir() && r.size != 0:
		return "folder with contents"
	case r.method == methodStore && r.size != r.compressed:
		return "stored, but its two sizes differ"
	}
	return ""
}

// judgeTotals adds up what each file on its own may have; one that may not is reported already.
func judgeTotals(records []record, l Limits, f *faults) {
	var size, compressed int64
	for i := range records {
		if r := &records[i]; r.size <= uint64(l.EntryBytes) && r.compressed <= math.MaxInt64 {
			size += min(int64(r.size), math.MaxInt64-size)
			compressed += min(int64(r.compressed), math.MaxInt64-compressed)
		}
	}
	switch {
	case size > l.TotalBytes:
		f.add("contents too large: found %d bytes, limit %d", size, l.TotalBytes)
	case l.inflated(size, compressed):
		f.add("contents compressed too well: %d bytes in %d, limit %d to 1", size, compressed, l.Ratio)
	}
}
