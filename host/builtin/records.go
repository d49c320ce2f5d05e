package builtin

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vanth-io/vanth/host"
)

// records are the rows of a file.
type records interface {
	// next returns a row, or errMore when what is there so far holds no whole one,
	// or with final, when nothing can follow, io.EOF. Other errors are those of one
	// row, except for errRead.
	next(final bool) (any, error)
	// position is the byte behind the last row.
	position() int64
	// seen is the byte up to which the file was read.
	seen() int64
}

var (
	errMore = errors.New("no whole row yet")
	errRead = errors.New("the file cannot be read")
)

// lines are the lines of a file, without empty ones.
type lines struct {
	f       io.ReaderAt
	pos     int64 // of buf[0]
	buf     []byte
	scanned int   // how much of buf has no line feed
	skip    int64 // lines to ignore
	tooLong bool  // the rest of the line is being dropped
	follow  bool  // the file may change while it is read
	first   []byte
}

// byteOrderMark is what some systems put in front of UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

// headBytes are how much of the beginning of a file tells it from another.
const headBytes = 256

// newLines reads from pos.
func newLines(f io.ReaderAt, pos int64, follow bool) (*lines, error) {
	l := &lines{f: f, pos: pos, follow: follow, first: make([]byte, min(pos, headBytes))}
	_, err := f.ReadAt(l.first, 0)
	if len(l.first) == 0 || errors.Is(err, io.EOF) {
		err = nil
	}
	return l, err
}

// intact reports whether the file still begins as it did when it was read.
func (l *lines) intact() bool {
	now := make([]byte, len(l.first))
	n, _ := l.f.ReadAt(now, 0)
	return bytes.Equal(now[:n], l.first)
}

func (l *lines) position() int64 { return l.pos }
func (l *lines) seen() int64     { return l.pos + int64(len(l.buf)) }

func (l *lines) next(final bool) (any, error) {
	line, err := l.line(final)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(line), nil
}

// line returns the next line; it is valid until the next call.
func (l *lines) line(final bool) ([]byte, error) {
	for {
		line, err := l.cut(final)
		switch {
		case err != nil:
			return nil, err
		case len(line) == 0:
		case l.skip > 0:
			l.skip--
		default:
			return line, nil
		}
	}
}

func (l *lines) cut(final bool) ([]byte, error) {
	for {
		if i := bytes.IndexByte(l.buf[l.scanned:], '\n'); i >= 0 {
			return l.advance(l.scanned+i, l.scanned+i+1)
		}
		l.scanned = len(l.buf)
		if len(l.buf) > maxBytes {
			l.pos, l.buf, l.scanned, l.tooLong = l.seen(), nil, 0, true
		}
		n, err := l.fill()
		if n > 0 {
			continue
		}
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("%w: %w", errRead, err)
		case !final:
			return nil, errMore
		case len(l.buf) == 0 && !l.tooLong:
			return nil, io.EOF
		}
		return l.advance(len(l.buf), len(l.buf))
	}
}

func (l *lines) advance(end, next int) ([]byte, error) {
	line := bytes.TrimSuffix(l.buf[:end], []byte("\r"))
	if l.pos == 0 {
		line = bytes.TrimPrefix(line, []byte(byteOrderMark))
	}
	l.buf, l.pos, l.scanned = l.buf[next:], l.pos+int64(next), 0
	if l.tooLong || end > maxBytes {
		l.tooLong = false
		return nil, host.Errorf(host.ErrInvalid, "the line that ends at byte %d is larger than %d bytes, and was left out", l.pos, maxBytes)
	}
	return line, nil
}

func (l *lines) fill() (int, error) {
	const block = 64 << 10
	if cap(l.buf)-len(l.buf) < block/2 {
		grown := make([]byte, len(l.buf), max(block, 2*len(l.buf)+block))
		copy(grown, l.buf)
		l.buf = grown
	}
	if l.follow && !l.intact() {
		return 0, io.EOF
	}
	at, end := l.seen(), len(l.buf)
	n, err := l.f.ReadAt(l.buf[end:cap(l.buf)], at)
	l.buf = l.buf[:end+n]
	if at == int64(len(l.first)) {
		l.first = append(l.first, l.buf[end:end+min(n, headBytes-len(l.first))]...)
	}
	return n, err
}

// table are the rows of a CSV file, as objects of texts.
type table struct {
	lines     *lines
	columns   []string
	header    bool // the next row has the columns
	delimiter rune

	part   []byte // the lines of a row whose quotes are open
	quoted bool   // at the end of part
	start  int64  // of part
	text   *bytes.Reader
	parser *csv.Reader
}

func newTable(l *lines, delimiter rune, header bool, columns []string) *table {
	t := &table{lines: l, delimiter: delimiter, header: header, columns: columns, text: bytes.NewReader(nil)}
	t.parser = csv.NewReader(bufio.NewReader(t.text))
	t.parser.Comma, t.parser.FieldsPerRecord = delimiter, -1
	return t
}

func (t *table) seen() int64 { return t.lines.seen() }

func (t *table) position() int64 {
	if len(t.part) > 0 {
		return t.start
	}
	return t.lines.pos
}

func (t *table) next(final bool) (any, error) {
	for {
		fields, err := t.row(final)
		if err != nil {
			return nil, err
		}
		if t.header {
			t.header, t.columns = false, fields
			continue
		}
		if len(t.columns) > 0 && len(t.columns) != len(fields) {
			return nil, host.Errorf(host.ErrInvalid, "the row that ends at byte %d: found %d columns, expected %d", t.lines.pos, len(fields), len(t.columns))
		}
		m := make(map[string]any, len(fields))
		for i, f := range fields {
			if i < len(t.columns) {
				m[t.columns[i]] = f
			} else {
				m["col"+strconv.Itoa(i)] = f
			}
		}
		return m, nil
	}
}

// row gathers the lines of one row.
func (t *table) row(final bool) ([]string, error) {
	for {
		at := t.lines.pos
		line, err := t.lines.line(final)
		switch {
		case err == io.EOF && len(t.part) > 0: //nolint:errorlint // it comes from lines.cut
		case err != nil:
			return nil, err
		default:
			if len(t.part) == 0 {
				t.start = at
			}
			t.quoted = openQuote(line, t.delimiter, t.quoted)
			t.part = append(append(t.part, line...), '\n')
			if t.quoted && len(t.part) < maxBytes {
				continue
			}
		}
		t.text.Reset(t.part)
		fields, err := t.parser.Read()
		rest := t.text.Len()
		t.part, t.quoted = t.part[:0], false
		if err != nil || rest > 0 {
			t.text.Reset(nil)
			t.parser = csv.NewReader(bufio.NewReader(t.text))
			t.parser.Comma, t.parser.FieldsPerRecord = t.delimiter, -1
			if err == nil {
				err = errors.New("quotes do not match")
			}
			return nil, host.Errorf(host.ErrInvalid, "the row that ends at byte %d: %v", t.lines.pos, err)
		}
		return fields, nil
	}
}

// openQuote reports whether a quoted field goes on behind the line.
func openQuote(line []byte, delimiter rune, quoted bool) bool {
	begin := !quoted
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		line = line[n:]
		switch {
		case r == '"' && (begin || quoted):
			quoted, begin = !quoted, quoted // "" within quotes opens them again
		case !quoted:
			begin = r == delimiter
		}
	}
	return quoted
}

// document are the elements of a JSON array, or JSON values in a row.
type document struct {
	dec  *json.Decoder
	base int64 // what dec's offset counts from
	pos  int64
	end  int64
	list bool
	over bool
	// Where reading begins behind an element: what is wrong there, and that another
	// must follow.
	bad   error
	comma bool
	in    *allowance
}

// allowance bounds what is read for one value.
type allowance struct {
	r    io.Reader
	left int64
}

func (a *allowance) Read(b []byte) (int, error) {
	if a.left <= 0 {
		return 0, fmt.Errorf("a value is larger than %d bytes", maxBytes)
	}
	n, err := a.r.Read(b[:min(int64(len(b)), a.left)])
	a.left -= int64(n)
	return n, err
}

// newDocument reads from pos, which is 0 or behind an element.
func newDocument(f io.ReaderAt, pos, size int64) (*document, error) {
	first := bufio.NewReader(io.NewSectionReader(f, 0, size))
	begin := int64(0)
	if b, _ := first.Peek(len(byteOrderMark)); string(b) == byteOrderMark {
		begin, _ = io.CopyN(io.Discard, first, int64(len(b)))
	}
	pos = max(pos, begin)
	c, err := skipSpace(first)
	if err != nil && err != io.EOF { //nolint:errorlint // bufio returns it as it is
		return nil, err
	}
	d := &document{pos: pos, base: pos, end: size, list: c == '['}
	rest := bufio.NewReader(io.NewSectionReader(f, pos, size-pos))
	d.in = &allowance{rest, maxBytes}
	if !d.list || pos == begin {
		d.dec = decoder(d.in)
		if d.list {
			_, err = d.dec.Token()
		}
		if err == io.EOF { //nolint:errorlint // bufio returns it as it is
			err = nil
		}
		return d, err
	}
	// Behind an element comes a comma or the end; an array is opened anew.
	n, b := int64(0), byte(' ')
	for ended := false; !ended && strings.IndexByte(" \t\r\n", b) >= 0; n++ {
		if b, err = rest.ReadByte(); err != nil {
			b, ended = 0, true
		}
	}
	if d.over = b == ']'; d.over {
		return d, nil
	}
	if b != ',' {
		d.bad = host.Errorf(host.ErrInvalid, "at byte %d: found no comma and no end of the list; what follows was left out", pos+n)
		return d, nil
	}
	d.comma = true
	d.dec = decoder(io.MultiReader(strings.NewReader("["), d.in))
	d.base = pos + n - 1
	_, err = d.dec.Token()
	return d, err
}

func skipSpace(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil || !strings.ContainsRune(" \t\r\n", rune(b)) {
			return b, err
		}
	}
}

func (d *document) position() int64 { return d.pos }
func (d *document) seen() int64     { return d.end }

func (d *document) next(bool) (any, error) {
	d.in.left = maxBytes
	if err := d.bad; err != nil {
		d.bad, d.over = nil, true
		return nil, err
	}
	more := d.comma
	d.comma = false
	if d.over || !more && d.list && !d.dec.More() {
		if !d.over && d.list {
			d.over = true
			if _, err := d.dec.Token(); err != nil {
				return nil, host.Errorf(host.ErrInvalid, "at byte %d: the list does not end: %v; what follows was left out", d.base+d.dec.InputOffset(), err)
			}
		}
		return nil, io.EOF
	}
	var v any
	if err := d.dec.Decode(&v); err != nil {
		d.over = true
		if err == io.EOF { //nolint:errorlint // the decoder returns it as it is
			return nil, err
		}
		return nil, host.Errorf(host.ErrInvalid, "at byte %d: %v; what follows was left out", d.base+d.dec.InputOffset(), err)
	}
	d.pos = d.base + d.dec.InputOffset()
	m, ok := plain(v).(map[string]any)
	if !ok {
		return nil, host.Errorf(host.ErrInvalid, "at byte %d: found %T, expected an object", d.pos, v)
	}
	return m, nil
}
