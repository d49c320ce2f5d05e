package archive

// Limits bound what an archive may hold. A zero or negative value means the default.
type Limits struct {
	Entries    int   // files and folders, with folders that only paths name
	EntryBytes int64 // one file, uncompressed
	TotalBytes int64 // all files, uncompressed
	Ratio      int   // uncompressed to compressed, of one file and of all; the first MiB is free
	PathBytes  int   // one path
	Depth      int   // components of one path
}

// ratioFree is how much may come out of next to nothing: small files of zeros are legitimate.
const ratioFree = 1 << 20

// DefaultLimits fit a Python plugin with its libraries on a small machine.
func DefaultLimits() Limits {
	return Limits{
		Entries:    20_000,
		EntryBytes: 512 << 20,
		TotalBytes: 1 << 30,
		Ratio:      200,
		PathBytes:  512,
		Depth:      32,
	}
}

func (l Limits) filled() Limits {
	d := DefaultLimits()
	return Limits{
		Entries:    positive(l.Entries, d.Entries),
		EntryBytes: positive(l.EntryBytes, d.EntryBytes),
		TotalBytes: positive(l.TotalBytes, d.TotalBytes),
		Ratio:      positive(l.Ratio, d.Ratio),
		PathBytes:  positive(l.PathBytes, d.PathBytes),
		Depth:      positive(l.Depth, d.Depth),
	}
}

func positive[T int | int64](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// inflated reports whether size bytes out of compressed ones break the ratio. By division, as the
// product could overflow.
func (l Limits) inflated(size, compressed int64) bool {
	return size > ratioFree && (size-1)/int64(l.Ratio) >= compressed
}
