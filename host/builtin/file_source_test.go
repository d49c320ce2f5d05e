package builtin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
)

// all reads to the end: rows as JSON or text, errors as they are.
func (k *kit) all(s host.Source) []string {
	k.t.Helper()
	var list []string
	for {
		m, err := s.Next(k.soon())
		switch {
		case errors.Is(err, io.EOF):
			return list
		case err != nil:
			list = append(list, "error: "+err.Error())
		default:
			list = append(list, show(k.t, m.Value))
		}
		if len(list) > 100 {
			k.t.Fatalf("it does not end: %q", list[:10])
		}
	}
}

func show(t *testing.T, v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFileKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		text  string
		props host.Props
		want  []string
	}{
		{"json list", `[{"a":1},{"a":2.5}, {"b":18446744073709551615}]`, host.Props{}, []string{`{"a":1}`, `{"a":2.5}`, `{"b":18446744073709551615}`}},
		{"json object", "\n {\"a\":1}\n", host.Props{}, []string{`{"a":1}`}},
		{"json objects", `{"a":1} {"a":2}`, host.Props{}, []string{`{"a":1}`, `{"a":2}`}},
		{"json with a byte order mark", "\xef\xbb\xbf[{\"a\":1}]", host.Props{}, []string{`{"a":1}`}},
		{"csv with a byte order mark", "\xef\xbb\xbfa\n1\n", host.Props{"fileType": "csv", "hasHeader": true}, []string{`{"a":"1"}`}},
		{"json empty", ``, host.Props{}, nil},
		{"json empty list", ` [ ] `, host.Props{}, nil},
		{"json torn", `[{"a":1},{"a":`, host.Props{}, []string{`{"a":1}`, "what follows was left out"}},
		{"json without end", `[{"a":1}`, host.Props{}, []string{`{"a":1}`, "the list does not end"}},
		{"json of numbers", `[1,{"a":1}]`, host.Props{}, []string{"expected an object", `{"a":1}`}},
		{"json that is none", `hello`, host.Props{}, []string{"invalid character"}},
		{"lines", "a\n\nb\r\nc", host.Props{"fileType": "lines"}, []string{"a", "b", "c"}},
		{"lines ignored", "a\n\nb\nc\n", host.Props{"fileType": "lines", "ignoreStartLines": 2}, []string{"c"}},
		{"csv", "a,b\n1,\"x,\"\"y\"\"\nz\"\n2,\n", host.Props{"fileType": "csv", "hasHeader": true}, []string{`{"a":"1","b":"x,\"y\"\nz"}`, `{"a":"2","b":""}`}},
		{"csv without header", "1;2\n", host.Props{"fileType": "csv", "delimiter": ";"}, []string{`{"col0":"1","col1":"2"}`}},
		{"csv columns", "1\t2", host.Props{"fileType": "csv", "delimiter": `\t`, "columns": []any{"a", "b"}}, []string{`{"a":"1","b":"2"}`}},
		{"csv wrong row", "a,b\n1\n2,3\n", host.Props{"fileType": "csv", "hasHeader": true}, []string{"found 1 columns, expected 2", `{"a":"2","b":"3"}`}},
		{"csv bare quote", "a,b\n5\" pipe,x\n2,3\n", host.Props{"fileType": "csv", "hasHeader": true}, []string{"bare", `{"a":"2","b":"3"}`}},
		{"csv open quote", "a\n\"x\ny", host.Props{"fileType": "csv", "hasHeader": true}, []string{"error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t)
			k.put("in", c.text)
			c.props["datasource"] = "in"
			got := k.all(k.source("file", c.props))
			if len(got) != len(c.want) {
				t.Fatalf("found %q", got)
			}
			for i := range got {
				if got[i] != c.want[i] && (!strings.HasPrefix(got[i], "error") || !strings.Contains(got[i], c.want[i])) {
					t.Errorf("row %d: found %s, expected %s", i, got[i], c.want[i])
				}
			}
		})
	}
}

// TestFileResumes stops behind each row, as a kill would, and goes on with a new
// source: nothing is missing and nothing comes twice.
func TestFileResumes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		props      host.Props
	}{
		{"json", `[ {"a":1} , {"a":2},{"a":3}` + "\n" + `,{"a":4} ]`, host.Props{}},
		{"objects", `{"a":1} {"a":2}` + "\n" + `{"a":3}`, host.Props{}},
		{"lines", "a\n\nb\nc", host.Props{"fileType": "lines", "ignoreStartLines": 1}},
		{"csv", "x,y\n1,\"a\nb\"\n2,3\nbad\n4,5", host.Props{"fileType": "csv", "hasHeader": true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t)
			k.put("in", c.text)
			c.props["datasource"] = "in"
			whole := k.all(k.source("file", c.props))
			var offset any
			for i := range len(whole) + 1 {
				s := k.source("file", c.props)
				r := s.(host.Rewinder)
				if now, err := r.Offset(); now != nil || err != nil {
					t.Fatalf("found offset %v (%v) before the first row", now, err)
				}
				if i > 0 {
					if err := r.Rewind(offset); err != nil {
						t.Fatal(err)
					}
				}
				m, err := s.Next(k.soon())
				switch {
				case errors.Is(err, io.EOF):
					if i != len(whole) {
						t.Fatalf("it ends at row %d", i)
					}
					continue
				case i == len(whole):
					t.Fatalf("found %v %v behind the last row", m, err)
				case err == nil && show(t, m.Value) != whole[i] || err != nil && "error: "+err.Error() != whole[i]:
					t.Fatalf("row %d: found %v %v, expected %s", i, m.Value, err, whole[i])
				}
				if offset, err = r.Offset(); err != nil {
					t.Fatal(err)
				}
				b, err := json.Marshal(offset) // as a store may keep it
				if err != nil || json.Unmarshal(b, &offset) != nil {
					t.Fatal(err)
				}
				s.Close(k.soon())
			}
		})
	}
	k := newKit(t)
	k.put("in", "{}")
	fails(t, k.source("file", host.Props{"datasource": "in"}).(host.Rewinder).Rewind("x"), host.ErrInvalid, "found x")
}

func TestFileAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.put("in", `[{"a":1},{"a":2}]`)
	s := k.source("file", host.Props{"datasource": "in", "interval": 60, "sendInterval": 5})
	began := time.Now()
	for i := range 6 {
		if v := k.next(s).Value.(map[string]any)["a"]; v != int64(i%2+1) {
			t.Fatalf("row %d: found %v", i, v)
		}
	}
	if d := time.Since(began); d < 120*time.Millisecond {
		t.Errorf("three passes took %v", d)
	}
	os.Remove(k.data("in"))
	_, err := s.Next(k.soon())
	fails(t, err, host.ErrUnavailable, k.data("in"), "no such file")
	k.put("in", `{"a":9}`)
	if v := k.next(s).Value.(map[string]any)["a"]; v != int64(9) {
		t.Errorf("found %v", v)
	}
}

func TestFileFollows(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.put("in", "one\ntw")
	s := k.source("file", host.Props{"datasource": "in", "fileType": "lines", "follow": true})
	expect := func(want string) {
		t.Helper()
		if got := k.text(s); got != want {
			t.Fatalf("found %q, expected %q", got, want)
		}
	}
	expect("one")
	k.quiet(s, 20*time.Millisecond) // a partial line is no line yet
	k.add("in", "o\nthree\n")
	expect("two")
	expect("three")
	// Rotated: what the writer still adds to the old file comes before the new one.
	f, err := os.OpenFile(k.data("in"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	os.Rename(k.data("in"), k.data("in.1"))
	k.put("in", "new one\n")
	go func() { time.Sleep(150 * time.Millisecond); io.WriteString(f, "late\npartial") }()
	expect("late")
	expect("partial")
	expect("new one")
	// Truncated, to something shorter and to something longer.
	k.put("in", "x\n")
	expect("x")
	k.put("in", strings.Repeat("longer\n", 5))
	for range 5 {
		expect("longer")
	}
	if n := strings.Count(k.log.String(), "truncated"); n != 2 {
		t.Errorf("found %d warnings:\n%s", n, k.log)
	}
	// Removed, and made later.
	os.Remove(k.data("in"))
	k.quiet(s, 600*time.Millisecond)
	k.put("in", "back\n")
	expect("back")
}

func TestFileFollowResumes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	props := host.Props{"datasource": "in.csv", "fileType": "csv", "hasHeader": true, "follow": true}
	k.put("in.csv", "a,b\n1,x\n2,y\n")
	s := k.source("file", props)
	k.next(s)
	offset, err := s.(host.Rewinder).Offset()
	if err != nil {
		t.Fatal(err)
	}
	s.Close(k.soon())
	again := func() host.Source {
		t.Helper()
		s := k.source("file", props)
		if err := s.(host.Rewinder).Rewind(offset); err != nil {
			t.Fatal(err)
		}
		return s
	}
	expect := func(s host.Source, want string) {
		t.Helper()
		if got := show(t, k.next(s).Value); got != want {
			t.Fatalf("found %s, expected %s", got, want)
		}
	}
	// Rotated while nobody read: the rest of the old file comes first.
	os.Rename(k.data("in.csv"), k.data("in.csv.1"))
	k.put("in.csv", "b,a\nz,3\n")
	s = again()
	expect(s, `{"a":"2","b":"y"}`)
	expect(s, `{"a":"3","b":"z"}`)
	s.Close(k.soon())
	// Gone, or another of the same name: that is said, and reading begins anew.
	os.Remove(k.data("in.csv.1"))
	s = again()
	_, err = s.Next(k.soon())
	fails(t, err, host.ErrNotFound, "is gone", "from its beginning")
	expect(s, `{"a":"3","b":"z"}`)
	// The same file with other content.
	k.put("same", "a\nb\n")
	props = host.Props{"datasource": "same", "fileType": "lines"}
	s = k.source("file", props)
	k.next(s)
	offset, _ = s.(host.Rewinder).Offset()
	k.put("same", "x\ny\nz\n")
	s = again()
	_, err = s.Next(k.soon())
	fails(t, err, host.ErrNotFound)
	if got := k.text(s); got != "x" {
		t.Errorf("found %q", got)
	}
}

func TestFileLongLine(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	f, err := os.Create(k.data("in"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString("short\n")
	block := bytes.Repeat([]byte("x"), 1<<20)
	for range builtin.MaxBytes>>20 + 2 {
		f.Write(block)
	}
	f.WriteString("\nend\n")
	got := k.all(k.source("file", host.Props{"datasource": "in", "fileType": "lines"}))
	if len(got) != 3 || got[0] != "short" || got[2] != "end" || !strings.Contains(got[1], "was left out") {
		t.Errorf("found %d rows: %.200q", len(got), got)
	}
}

func TestFilePolicy(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	outside := filepath.Join(t.TempDir(), "secret")
	os.WriteFile(outside, []byte(`{"a":1}`), 0o600)
	if err := os.Symlink(outside, k.data("link")); err != nil {
		t.Fatal(err)
	}
	os.Mkdir(k.data("folder"), 0o700)
	for name, words := range map[string]string{"link": "escapes", "none": "no such file", "folder": "expected a regular file"} {
		s, err := k.Source("file", nil, host.Props{"datasource": name})
		if err != nil {
			t.Fatal(err)
		}
		if err = s.Open(context.Background()); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: found %v, expected %q", name, err, words)
		}
	}
	open := newKit(t, func(o *builtin.Options) { o.ExternalFiles = true })
	s := open.source("file", host.Props{"datasource": filepath.Base(outside), "path": filepath.Dir(outside)})
	if got := show(t, open.next(s).Value); got != `{"a":1}` {
		t.Error(got)
	}
	_, err := open.Source("file", nil, host.Props{"datasource": filepath.Join(open.home, "data", "vanth.db")})
	fails(t, err, host.ErrInvalid, "the host's own")
	// As in eKuiper, path may name the data folder.
	k.put("x", `{}`)
	k.source("file", host.Props{"path": "data", "datasource": "x"})
}

func TestFileReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"lines", "json", "csv"} {
		k := newKit(t)
		out := k.sink("file", host.Props{"path": "sub/x", "fileType": kind, "hasHeader": true})
		for i := range 20 {
			k.write(out, map[string]any{"i": fmt.Sprint(i), "t": "a,\"b\""})
		}
		if err := out.(host.Flusher).Flush(k.soon()); err != nil {
			t.Fatal(err)
		}
		got := k.all(k.source("file", host.Props{"datasource": "sub/x", "fileType": kind, "hasHeader": true}))
		if len(got) != 20 || got[19] != `{"i":"19","t":"a,\"b\""}` {
			t.Errorf("%s: found %q", kind, got)
		}
	}
}
