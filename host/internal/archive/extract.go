package archive

import (
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

const (
	folderMode = 0o755
	fileMode   = 0o644
	execMode   = 0o755
)

// Extract judges the archive as List does, then unpacks it into root, which must be empty, and
// returns what is there now. prefix is a top-level folder to leave out (see Strip), or empty; every
// entry must then be below it. Errors are those of List, more of the same kind for contents that
// are not what they were declared to be, and those of the disk and of ctx. After an error the
// caller deletes the folder.
func Extract(ctx context.Context, r io.ReaderAt, size int64, prefix string, root *os.Root, l Limits) ([]Entry, error) {
	records, err := walk(r, size, l.filled())
	if err != nil {
		return nil, err
	}
	x := &extraction{root: root, src: r}
	if err := x.choose(records, prefix); err != nil {
		return nil, err
	}
	if err := x.emptyRoot(); err != nil {
		return nil, err
	}
	if err := x.run(ctx); err != nil {
		return nil, err
	}
	return x.entries, nil
}

// extraction is one run of Extract. Its buffers serve all entries.
type extraction struct {
	root    *os.Root
	src     io.ReaderAt
	entries []Entry
	records []*record // of entries, by index
	faults  faults

	in       *bufio.Reader
	inflater io.Reader
	buf      []byte
}

// choose names the entries as they shall be on disk.
func (x *extraction) choose(records []record, prefix string) error {
	for i := range records {
		e := records[i].entry()
		if prefix != "" {
			name, ok := strings.CutPrefix(e.Name, prefix+"/")
			if !ok && (!e.Dir || e.Name != prefix) {
				x.faults.entry(e.Name, "not below the folder %s", quote(prefix))
			}
			if !ok {
				continue
			}
			e.Name = name
		}
		x.entries = append(x.entries, e)
		x.records = append(x.records, &records[i])
	}
	return x.faults.err()
}

func (x *extraction) emptyRoot() error {
	dir, err := x.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	switch names, err := dir.Readdirnames(1); {
	case len(names) > 0:
		return fmt.Errorf("%s: %w", x.root.Name(), fs.ErrExist)
	case err != io.EOF:
		return err
	}
	return nil
}

// run creates the folders, fills them with synced files and syncs the folders, children before
// parents: what a synced folder names is then on the disk.
func (x *extraction) run(ctx context.Context) error {
	const bufferBytes = 64 << 10
	x.buf = make([]byte, bufferBytes)
	dirs := folders(x.entries)
	for _, dir := range dirs {
		if err := x.root.Mkdir(dir, folderMode); err != nil {
			return err
		}
	}
	for i, e := range x.entries {
		if e.Dir {
			continue
		}
		if err := x.file(ctx, e, x.records[i]); err != nil {
			return err
		}
	}
	if err := x.faults.err(); err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := x.finish(ctx, dir, true); err != nil {
			return err
		}
	}
	return x.finish(ctx, ".", false) // the mode of the root is the caller's
}

// finish syncs a folder, and forces its mode if it is ours, whatever the umask took.
func (x *extraction) finish(ctx context.Context, path string, ours bool) (err error) {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	dir, err := x.root.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if ours {
		if err := dir.Chmod(folderMode); err != nil {
			return err
		}
	}
	return dir.Sync()
}

// file unpacks one entry. Contents that are not as declared are noted, so that the rest is judged
// too; an error ends the run.
func (x *extraction) file(ctx context.Context, e Entry, rec *record) (err error) {
	f, err := x.root.OpenFile(e.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	reason, err := x.content(ctx, f, rec)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(rec.name), err)
	}
	if reason != "" {
		x.faults.entry(rec.name, "%s", reason)
		return nil
	}
	mode := fs.FileMode(fileMode)
	if e.Exec {
		mode = execMode
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	return f.Sync()
}

// content copies what the entry holds, counting: never a byte more than declared, and in the end
// exactly as many, with the declared checksum.
func (x *extraction) content(ctx context.Context, dst io.Writer, rec *record) (reason string, err error) {
	src := x.open(ctx, rec)
	sum := crc32.NewIEEE()
	var n uint64
	for err != io.EOF {
		var k int
		k, err = src.Read(x.buf)
		if err != nil && err != io.EOF {
			return damage(err)
		}
		if n += uint64(k); n > rec.size {
			return fmt.Sprintf("holds more than the %d bytes declared", rec.size), nil
		}
		sum.Write(x.buf[:k])
		if _, err := dst.Write(x.buf[:k]); err != nil {
			return "", err
		}
	}
	if n != rec.size {
		return fmt.Sprintf("holds %d bytes, %d declared", n, rec.size), nil
	}
	if sum.Sum32() != rec.crc {
		return "checksum error", nil
	}
	switch _, err := x.in.ReadByte(); err {
	case io.EOF:
		return "", nil
	case nil:
		return "bytes after the end of its contents", nil
	default:
		return "", err
	}
}

// open returns the contents of an entry. x.in is what they come from; it stands behind the last
// byte that was needed, since flate takes single bytes from an io.ByteReader.
func (x *extraction) open(ctx context.Context, rec *record) io.Reader {
	raw := bound(ctx, io.NewSectionReader(x.src, rec.data, int64(rec.compressed)))
	if x.in == nil {
		x.in = bufio.NewReaderSize(raw, len(x.buf))
	}
	x.in.Reset(raw)
	if rec.method == methodStore {
		return x.in
	}
	if z, ok := x.inflater.(flate.Resetter); ok && z.Reset(x.in, nil) == nil {
		return x.inflater
	}
	x.inflater = flate.NewReader(x.in)
	return x.inflater
}

// damage tells broken contents from an archive that could not be read.
func damage(err error) (reason string, _ error) {
	var corrupt flate.CorruptInputError
	var internal flate.InternalError
	if errors.As(err, &corrupt) || errors.As(err, &internal) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "damaged contents: " + err.Error(), nil
	}
	return "", err
}

// bound ends a reader with ctx. It sits below the decompressor, which can consume much input before
// it has anything to return.
func bound(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return r.Read(p)
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
