package builtin

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host"
)

// fileSink appends rows to a file. A message is written with one system call; one
// that fails leaves nothing of it.
type fileSink struct {
	*life
	place     place
	kind      string
	delimiter rune
	header    bool
	fields    []string
	appends   bool
	prefix    bool // rolled files have the time in front of their name
	every     time.Duration
	size      int64
	count     int64

	file    *os.File
	end     int64 // of what is whole
	rows    int64 // since the file was begun
	began   time.Time
	columns []string
	buf     []byte
	fresh   bool // its name is not on the disk yet
}

func newFileSink(l *life, p *reader) host.Sink {
	p.refuse("compression", "encryption")
	s := &fileSink{
		life:      l,
		kind:      p.choice("fileType", "lines", "lines", "json", "csv"),
		delimiter: p.delimiter(','),
		header:    p.boolean("hasHeader", false),
		fields:    p.names("fields"),
		appends:   p.boolean("append", true),
		every:     p.millis("rollingInterval", 0),
		size:      p.integer("rollingSize", 0, 0, 1<<50),
		count:     p.integer("rollingCount", 0, 0, 1<<50),
		prefix:    p.choice("rollingNamePattern", "suffix", "prefix", "suffix") == "prefix",
	}
	path := p.constant("path")
	var expected string
	if s.place, expected = l.owner.resolve(path); expected != "" {
		p.wrong("path", path, expected)
	}
	return s
}

// Open implements host.Sink.
func (s *fileSink) Open(context.Context) error {
	return s.open(func() error {
		if err := s.place.enter(s.owner); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if !s.owner.claim(s.place.path, s.life) {
			s.place.leave()
			return host.Errorf(host.ErrInUse, "%s: %s: another sink writes this file: give each a path of its own", s.name, s.place.path)
		}
		err := s.place.mkdir()
		if err == nil {
			err = s.begin(s.appends)
		}
		if err != nil {
			s.owner.release(s.place.path, s.life)
			s.place.leave()
			return fmt.Errorf("%s: %w", s.name, err)
		}
		return nil
	})
}

// begin opens the file, to go on with what it has.
func (s *fileSink) begin(appends bool) error {
	flag := os.O_RDWR | os.O_CREATE
	if s.kind != "json" {
		flag |= os.O_APPEND // also when something else truncates the file
	}
	if !appends {
		flag |= os.O_TRUNC
	}
	f, err := s.place.open(flag)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		s.file, s.end, s.rows, s.began, s.columns = f, info.Size(), 0, time.Now(), s.fields
		s.fresh = s.end == 0
		err = s.resume()
	}
	if err != nil {
		f.Close()
		s.file = nil
	}
	return err
}

// resume finds out where a file that has rows goes on.
func (s *fileSink) resume() error {
	if s.end == 0 {
		return nil
	}
	tail := make([]byte, min(s.end, 4096))
	if _, err := s.file.ReadAt(tail, s.end-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return s.place.failed(err)
	}
	if s.kind == "json" {
		trimmed := bytes.TrimRight(tail, " \t\r\n")
		if !bytes.HasSuffix(trimmed, []byte("]")) {
			return host.Errorf(host.ErrInvalid, "%s: found a file that does not end with ], expected a JSON list: move it away, or use append: false", s.place.path)
		}
		s.end -= int64(len(tail) - len(trimmed) + 1)
		s.rows = 1 // a comma comes first
		if before := bytes.TrimRight(trimmed[:len(trimmed)-1], " \t\r\n"); bytes.HasSuffix(before, []byte("[")) {
			s.rows = 0
		}
		return nil
	}
	if tail[len(tail)-1] != '\n' { // torn by a kill
		if _, err := s.file.Write([]byte("\n")); err != nil {
			return s.place.failed(err)
		}
		s.end++
	}
	if s.kind == "csv" && s.header {
		top, err := newTable(&lines{f: s.file}, s.delimiter, false, nil).row(true)
		if err != nil {
			return host.Errorf(host.ErrInvalid, "%s: header: %v", s.place.path, err)
		}
		if s.fields != nil && !slices.Equal(top, s.fields) {
			return host.Errorf(host.ErrInvalid, "%s: found the header %q, expected %q: move the file away, or use append: false", s.place.path, top, s.fields)
		}
		s.columns = top
	}
	return nil
}

// Write implements host.Sink.
func (s *fileSink) Write(_ context.Context, m host.Message) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.roll(); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.buf = s.buf[:0]
	rows := s.rows
	err := eachRow(s.name, m.Value, func(row any) (err error) {
		s.buf, err = s.append(s.buf, row, rows)
		rows++
		return err
	})
	if err != nil || len(s.buf) == 0 {
		return err
	}
	whole := int64(len(s.buf))
	if s.kind == "json" {
		s.buf = append(s.buf, ']')
	}
	if err := s.put(); err != nil {
		// Nothing of the message may remain, or the next would join its torn row.
		if s.kind == "json" && s.end > 0 {
			_, _ = s.file.WriteAt([]byte("]"), s.end)
			_ = s.file.Truncate(s.end + 1)
		} else {
			_ = s.file.Truncate(s.end)
		}
		return fmt.Errorf("%s: %w", s.name, s.place.failed(err))
	}
	s.end, s.rows = s.end+whole, rows
	if cap(s.buf) > 1<<20 {
		s.buf = nil
	}
	return nil
}

// put writes buf with one system call.
func (s *fileSink) put() (err error) {
	if s.kind == "json" {
		_, err = s.file.WriteAt(s.buf, s.end)
	} else {
		_, err = s.file.Write(s.buf)
	}
	return err
}

func (s *fileSink) append(dst []byte, row any, rows int64) ([]byte, error) {
	if m, ok := row.(map[string]any); ok && s.fields != nil && s.kind != "csv" {
		picked := make(map[string]any, len(s.fields))
		for _, f := range s.fields {
			picked[f] = m[f]
		}
		row = picked
	}
	switch s.kind {
	case "json":
		if rows > 0 {
			dst = append(dst, ",\n"...)
		} else if s.end == 0 {
			dst = append(dst, '[')
		}
		if raw, ok := row.([]byte); ok && !json.Valid(raw) {
			return dst, host.Errorf(host.ErrInvalid, "%s: found bytes that are not JSON, expected JSON for fileType json", s.name)
		}
		return appendJSON(s.name, dst, row)
	case "csv":
		if m, ok := row.(map[string]any); ok {
			return s.appendCSV(dst, m)
		}
	}
	dst, err := appendJSON(s.name, dst, row)
	return append(bytes.TrimSuffix(dst, []byte("\n")), '\n'), err
}

func (s *fileSink) appendCSV(dst []byte, m map[string]any) ([]byte, error) {
	if s.columns == nil {
		s.columns = slices.Sorted(maps.Keys(m))
	}
	b := bytes.NewBuffer(dst)
	w := csv.NewWriter(b)
	w.Comma = s.delimiter
	if s.header && s.end == 0 && len(dst) == 0 {
		_ = w.Write(s.columns) // a buffer takes everything
	}
	cells := make([]string, len(s.columns))
	for i, c := range s.columns {
		var err error
		if cells[i], err = cell(s.name, m[c]); err != nil {
			return dst, err
		}
	}
	_ = w.Write(cells)
	w.Flush()
	return b.Bytes(), w.Error()
}

// roll puts a file away that is full or old, and begins another.
func (s *fileSink) roll() error {
	full := s.count > 0 && s.rows >= s.count || s.size > 0 && s.end >= s.size ||
		s.every > 0 && time.Since(s.began) >= s.every
	switch {
	case s.file == nil: // the last roll failed half-way
		return s.begin(true)
	case !full || s.rows == 0:
		return nil
	}
	to, err := s.rolled()
	if err != nil {
		return err
	}
	err = s.file.Sync()
	if err == nil {
		err = s.place.rename(to)
	}
	if err != nil {
		return s.place.failed(err)
	}
	s.file.Close()
	s.file = nil
	return s.begin(false)
}

// rolled is a name that is free: the file's with the time, as eKuiper has it.
func (s *fileSink) rolled() (*place, error) {
	base := filepath.Base(s.place.path)
	ext := filepath.Ext(base)
	for stamp := time.Now().UnixMilli(); ; stamp++ {
		name := strings.TrimSuffix(base, ext) + "-" + strconv.FormatInt(stamp, 10) + ext
		if s.prefix {
			name = strconv.FormatInt(stamp, 10) + "_" + base
		}
		to := s.place.beside(name)
		if _, err := to.stat(); errors.Is(err, os.ErrNotExist) {
			return to, nil
		} else if err != nil {
			return nil, s.place.failed(err)
		}
	}
}

// Flush implements host.Flusher: what was written is on the disk.
func (s *fileSink) Flush(context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.sync()
}

func (s *fileSink) sync() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Sync()
	if err == nil && s.fresh {
		err = s.place.sync()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, s.place.failed(err))
	}
	s.fresh = false
	return nil
}

// Close implements host.Sink.
func (s *fileSink) Close(ctx context.Context) error {
	return s.close(ctx, func(context.Context) error {
		defer s.place.leave()
		defer s.owner.release(s.place.path, s.life)
		err := s.sync()
		if s.file != nil {
			s.file.Close()
		}
		return err
	})
}
