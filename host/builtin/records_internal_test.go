package builtin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
)

// readAll reads rows from a position; each with the position behind it.
func readAll(t *testing.T, open func(at int64) (records, error), at int64, limit int) (rows []string, ends []int64) {
	t.Helper()
	r, err := open(at)
	if err != nil {
		return []string{"no: " + err.Error()}, []int64{at}
	}
	for range limit {
		v, err := r.next(true)
		if errors.Is(err, io.EOF) {
			return rows, ends
		}
		if errors.Is(err, errMore) || errors.Is(err, errRead) {
			t.Fatalf("found %v", err)
		}
		rows, ends = append(rows, fmt.Sprintf("%v|%v", v, err != nil)), append(ends, r.position())
	}
	t.Fatalf("more than %d rows", limit)
	return nil, nil
}

// FuzzRecords reads whatever a file may hold, and again from behind each row: the
// rest must be the same.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{
		"", "\n", "a\nb", "a,b\r\n1,2\n\n3,4", "x\n\"a\nb\",\"\"\"\"\n", "\"open\n1,2\n", "a\"b,c\nd\n",
		`[{"a":1},{"b":[2]} , {}]`, `[`, `[1,{"a":"\u00e9"}]`, `{"a":1}{"b":2}`, ` [] x`, `[{}}`, "[{},\n{}", "\x00\xff\n\xfe", "\xef\xbb\xbf[{},{}]",
	} {
		for kind := range byte(4) {
			f.Add([]byte(s), kind)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, kind byte) {
		file := bytes.NewReader(text)
		open := func(at int64) (records, error) {
			if kind%4 == 0 {
				return newDocument(file, at, int64(len(text)))
			}
			l, err := newLines(file, at, kind%2 == 1)
			if err != nil || kind%4 == 1 {
				return l, err
			}
			return newTable(l, ';', kind%4 == 2 && at == 0, nil), err
		}
		limit := 2*len(text) + 2
		rows, ends := readAll(t, open, 0, limit)
		for i, at := range ends {
			if at < 0 || at > int64(len(text)) || i > 0 && at < ends[i-1] {
				t.Fatalf("row %d ends at %d of %d", i, at, len(text))
			}
			if i == len(ends)-1 || kind%4 == 2 || rows[i][len(rows[i])-4:] == "true" && kind%4 == 0 {
				continue // behind an error in JSON nothing is read
			}
			if rest, _ := readAll(t, open, at, limit); fmt.Sprint(rest) != fmt.Sprint(rows[i+1:]) {
				t.Fatalf("from %d: found %q, expected %q", at, rest, rows[i+1:])
			}
		}
	})
}
