package builtin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/vanth-io/vanth/host"
)

// poll is how often a file that is followed is looked at, and settle how long a
// rotated one is still read: its writer may not have noticed yet.
const (
	poll   = 100 * time.Millisecond
	settle = 4 * poll
)

// fileSource reads a file: once, again and again, or on and on.
type fileSource struct {
	*life
	place     place
	kind      string
	delimiter rune
	header    bool
	columns   []string
	skip      int64
	interval  time.Duration // 0: once
	pace      time.Duration
	follow    bool

	file   *os.File
	rows   records
	began  time.Time // this pass
	due    time.Time // of the next row
	at     int64     // behind the last row that was returned
	any    bool      // a row was returned
	left   time.Time // when another file was seen at the path; zero while it is this one
	lines  *lines    // of rows; nil for JSON
	notice error     // what Next has to say first
}

// fingerprint tells a file from another that got its inode, or its place.
type fingerprint struct {
	inode string
	bytes int64
	sum   string
}

func newFileSource(l *life, p *reader) host.Source {
	p.refuse("actionAfterRead", "ignoreEndLines", "decompression", "decompress", "parallel")
	s := &fileSource{
		life:      l,
		kind:      p.choice("fileType", "json", "json", "lines", "csv"),
		delimiter: p.delimiter(','),
		header:    p.boolean("hasHeader", false),
		columns:   p.names("columns"),
		skip:      p.integer("ignoreStartLines", 0, 0, 1<<30),
		interval:  p.millis("interval", 0),
		pace:      p.millis("sendInterval", 0),
		follow:    p.boolean("follow", false),
	}
	path := p.text("path", "")
	if name := p.text("datasource", ""); filepath.IsAbs(name) {
		path = name
	} else {
		path = filepath.Join(path, name)
	}
	if path == "" {
		p.fail(host.ErrInvalid, "datasource", "missing: expected the name of a file")
		return s
	}
	var expected string
	if s.place, expected = l.owner.resolve(path); expected != "" {
		p.wrong("datasource", path, expected)
	}
	if s.follow && s.kind == "json" {
		p.fail(host.ErrUnsupported, "follow", "a file of type json ends; expected fileType lines or csv")
	}
	if s.skip > 0 && s.kind == "json" {
		p.fail(host.ErrUnsupported, "ignoreStartLines", "expected fileType lines or csv")
	}
	return s
}

// Open implements host.Source.
func (s *fileSource) Open(context.Context) error {
	return s.open(func() error {
		err := s.place.enter(s.owner)
		if err == nil {
			if err = s.begin(nil, 0); err == nil {
				return nil
			}
			s.place.leave()
		}
		return fmt.Errorf("%s: %w", s.name, err)
	})
}

// begin reads a file, nil for the one at the path, from a position.
func (s *fileSource) begin(f *os.File, at int64) error {
	if f == nil {
		var err error
		if f, err = s.place.open(os.O_RDONLY); err != nil {
			return err
		}
	}
	rows, err := s.records(f, at)
	if err != nil {
		f.Close()
		return err
	}
	if s.file != nil {
		s.file.Close()
	}
	s.file, s.rows, s.at = f, rows, at
	s.began, s.left = time.Now(), time.Time{}
	return nil
}

func (s *fileSource) records(f *os.File, at int64) (records, error) {
	if s.kind == "json" {
		info, err := f.Stat()
		if err != nil {
			return nil, s.place.failed(err)
		}
		s.lines = nil
		d, err := newDocument(f, at, info.Size())
		if err != nil {
			return nil, host.Errorf(host.ErrInvalid, "%s: %v", s.place.path, err)
		}
		return d, nil
	}
	l, err := newLines(f, at, s.follow)
	if err != nil {
		return nil, s.place.failed(err)
	}
	s.lines = l
	if at == 0 {
		l.skip = s.skip
	}
	if s.kind == "lines" {
		return l, nil
	}
	t := newTable(l, s.delimiter, s.header && at == 0, s.columns)
	if s.header && at > 0 {
		top := newTable(&lines{f: f, skip: s.skip}, s.delimiter, false, nil)
		columns, err := top.row(true)
		if err != nil {
			return nil, host.Errorf(host.ErrInvalid, "%s: header: %v", s.place.path, err)
		}
		t.columns = columns
	}
	return t, nil
}

// Next implements host.Source.
func (s *fileSource) Next(ctx context.Context) (host.Message, error) {
	if err := s.enter(); err != nil {
		return host.Message{}, err
	}
	defer s.leave()
	if err := s.notice; err != nil {
		s.notice = nil
		return host.Message{}, err
	}
	if err := s.wait(ctx, time.Until(s.due)); err != nil {
		return host.Message{}, err
	}
	for {
		if err := s.interrupted(ctx); err != nil {
			return host.Message{}, err
		}
		final := !s.follow || !s.left.IsZero() && time.Since(s.left) > settle
		v, err := s.rows.next(final)
		switch {
		case err == nil:
			s.at, s.any = s.rows.position(), true
			if s.pace > 0 {
				s.due = time.Now().Add(s.pace)
			}
			return host.Message{Value: v, Meta: map[string]any{"file": s.place.path}}, nil
		case errors.Is(err, errMore):
			err = s.look(ctx)
		case errors.Is(err, errRead):
			s.due = time.Now().Add(time.Second)
			return host.Message{}, unavailable("%s: %s: %w", s.name, s.place.path, err)
		case errors.Is(err, io.EOF):
			err = s.again(ctx)
		default:
			s.at, s.any = s.rows.position(), true
			err = host.Errorf(host.ErrInvalid, "%s: %s: %v", s.name, s.place.path, err)
		}
		if err != nil {
			return host.Message{}, err
		}
	}
}

// again goes on at the end of a file to which nothing is added.
func (s *fileSource) again(ctx context.Context) error {
	switch {
	case s.follow:
		if _, err := s.place.stat(); err != nil {
			return s.wait(ctx, poll) // rotated, and not yet made anew
		}
	case s.interval == 0:
		return io.EOF
	default:
		if err := s.wait(ctx, time.Until(s.began.Add(s.interval))); err != nil {
			return err
		}
	}
	if err := s.begin(nil, 0); err != nil {
		s.due = time.Now().Add(max(s.interval, poll))
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// look finds out why a file that is followed has no more rows, and returns when
// it is worth reading again. What was added is read only when the file still
// begins as it did: it may have been truncated and grown since.
func (s *fileSource) look(ctx context.Context) error {
	for {
		mine, err := s.file.Stat()
		if err != nil {
			return s.place.failed(err)
		}
		there, err := s.place.stat()
		switch {
		case err != nil || !os.SameFile(mine, there):
			if s.left.IsZero() {
				s.left = time.Now()
			}
			return s.wait(ctx, poll)
		case mine.Size() < s.rows.seen() || !s.lines.intact():
			s.owner.opts.Log.Warn("a file that is followed was truncated: reading it from its beginning", "file", s.place.path, "rule", s.rule())
			if f, err := s.place.open(os.O_RDONLY); err == nil {
				return s.begin(f, 0)
			}
		case mine.Size() > s.rows.seen():
			return nil
		}
		s.left = time.Time{}
		if err := s.wait(ctx, poll); err != nil {
			return err
		}
	}
}

// head is the fingerprint of the file as it was read.
func (s *fileSource) head() (fingerprint, error) {
	info, err := s.file.Stat()
	if err != nil {
		return fingerprint{}, s.place.failed(err)
	}
	if s.lines != nil {
		return fingerprint{inode(info), int64(len(s.lines.first)), sum(s.lines.first)}, nil
	}
	n := min(headBytes, s.at)
	text, _ := sumHead(s.file, n)
	return fingerprint{inode(info), n, text}, nil
}

func sum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

func sumHead(f *os.File, n int64) (string, bool) {
	b := make([]byte, n)
	if _, err := f.ReadAt(b, 0); err != nil && (n > 0 || !errors.Is(err, io.EOF)) {
		return "", false
	}
	return sum(b), true
}

// Offset implements host.Rewinder.
func (s *fileSource) Offset() (any, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if !s.any {
		return nil, nil
	}
	h, err := s.head()
	if err != nil {
		return nil, err
	}
	return map[string]any{"file": s.place.path, "inode": h.inode, "head": h.bytes, "sum": h.sum, "position": s.at}, nil
}

// Rewind implements host.Rewinder. A file that was rotated meanwhile is looked
// for beside its old name; when it is gone, the first Next says so, and reading
// begins with the file that is there.
func (s *fileSource) Rewind(offset any) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	o, ok := offset.(map[string]any)
	at, okAt := number(o["position"])
	bytes, okBytes := number(o["head"])
	ino, okIno := o["inode"].(string)
	sum, okSum := o["sum"].(string)
	if !ok || !okAt || !okBytes || !okIno || !okSum || at < 0 || bytes < 0 || bytes > headBytes {
		return host.Errorf(host.ErrInvalid, "%s: offset: found %v, expected one that Offset gave", s.name, offset)
	}
	h := fingerprint{ino, int64(bytes), sum}
	if !isAt(s.file, h, int64(at)) {
		f := s.rotated(h, int64(at))
		if f == nil {
			s.notice = host.Errorf(host.ErrNotFound, "%s: %s: the file that was read up to byte %.0f is gone: reading the one that is there from its beginning", s.name, s.place.path, at)
			return nil
		}
		return s.begin(f, int64(at))
	}
	f, err := s.place.open(os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return s.begin(f, int64(at))
}

// isAt reports whether a file is the one that was read up to a position.
func isAt(f *os.File, h fingerprint, at int64) bool {
	info, err := f.Stat()
	if err != nil || inode(info) != h.inode || info.Size() < at {
		return false
	}
	text, ok := sumHead(f, h.bytes)
	return ok && text == h.sum
}

// rotated finds a file that was followed under its new name.
func (s *fileSource) rotated(h fingerprint, at int64) *os.File {
	if !s.follow {
		return nil
	}
	for _, base := range s.place.siblings() {
		beside := s.place.beside(base)
		info, err := beside.stat()
		if err != nil || !info.Mode().IsRegular() || inode(info) != h.inode {
			continue
		}
		f, err := beside.open(os.O_RDONLY)
		if err != nil {
			continue
		}
		if isAt(f, h, at) {
			return f
		}
		f.Close()
	}
	return nil
}

// Close implements host.Source.
func (s *fileSource) Close(ctx context.Context) error {
	return s.close(ctx, func(context.Context) error {
		s.file.Close()
		s.place.leave()
		return nil
	})
}
