//go:build !wasip1

package vanth

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// scripted is a source and a sink that does what a test says.
type scripted struct {
	config Config
	poll   func(now time.Time, out *Out) (time.Duration, error)
	took   []any
	fail   error
	closed int
}

func (p *scripted) Poll(now time.Time, out *Out) (time.Duration, error) { return p.poll(now, out) }

func (p *scripted) Collect(row map[string]any) error { return p.take(row) }

func (p *scripted) take(v any) error {
	if p.fail == nil {
		p.took = append(p.took, v)
	}
	return p.fail
}

func (p *scripted) Close() error { p.closed++; return nil }

// able does all that a source or a sink can do.
type able struct{ scripted }

func (a *able) Rewind(offset any) error                 { return a.take(offset) }
func (a *able) CollectList(rows []map[string]any) error { return a.take(rows) }
func (a *able) CollectBytes(payload []byte) error       { return a.take(payload) }
func (a *able) Flush() error                            { return a.take("flush") }
func withNodes(t *testing.T) {
	old := nodes
	nodes.registered, nodes.open = nil, nil
	t.Cleanup(func() { nodes = old })
}

func TestNodesTellWhatTheyDo(t *testing.T) {
	withNodes(t)
	SourceFunc("plain", func(Config) (*scripted, error) { return nil, nil })
	SinkFunc("plain", func(Config) (*scripted, error) { return nil, nil })
	SourceFunc("able", func(Config) (*able, error) { return nil, nil })
	SinkFunc("able", func(Config) (*able, error) { return nil, nil })
	v, err := Value(this.nodeList())
	want := []any{
		[]any{"source", "plain"},
		[]any{"sink", "plain", "collect"},
		[]any{"source", "able", "rewind"},
		[]any{"sink", "able", "collect", "list", "bytes", "flush"},
	}
	if err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("%v, %v", v, err)
	}
	for text, register := range map[string]func(){
		"source plain is registered twice": func() { SourceFunc("plain", func(Config) (*scripted, error) { return nil, nil }) },
		"sink x is nil":                    func() { SinkFunc[*scripted]("x", nil) },
		"without a name":                   func() { SinkFunc("", func(Config) (*scripted, error) { return nil, nil }) },
	} {
		func() {
			defer func() {
				if p, _ := recover().(string); !strings.Contains(p, text) {
					t.Errorf("%q, want %q", p, text)
				}
			}()
			register()
		}()
	}
}

func TestPolls(t *testing.T) {
	withNodes(t)
	p := &scripted{}
	SourceFunc("s", func(c Config) (*scripted, error) { p.config = c; return p, nil })
	now := time.UnixMilli(1_700_000_000_123).UTC()
	defer Simulate(&Sim{Now: now, Room: 2})()
	s, err := OpenSource("s", Config{DataSource: "topic", Props: map[string]any{"a": 1}})
	if err != nil || p.config.DataSource != "topic" || p.config.Props["a"] != int64(1) {
		t.Fatal(p.config, err)
	}
	row := map[string]any{"n": int64(1)}
	rows := []Emitted{{Value: row}}
	noRow := &Error{Msg: "no row", Class: IO}
	for name, c := range map[string]struct {
		poll func(time.Time, *Out) (time.Duration, error)
		want Polled
	}{
		"waits": {func(_ time.Time, out *Out) (time.Duration, error) {
			out.Emit(row)
			out.Mark([]any{"a", 7})
			return 1500*time.Microsecond + 1, nil
		}, Polled{Messages: rows, Offset: []any{"a", int64(7)}, Next: 2 * time.Millisecond}},
		"a wait below 0":   {func(time.Time, *Out) (time.Duration, error) { return -time.Hour, nil }, Polled{}},
		"the longest wait": {func(time.Time, *Out) (time.Duration, error) { return 1<<63 - 1, nil }, Polled{Next: (1<<63 - 1) / time.Millisecond * time.Millisecond}},
		"full": {func(_ time.Time, out *Out) (time.Duration, error) {
			if !out.Emit(row) || !out.Emit(row) || out.Emit(row) || out.EmitBytes(nil, nil, now) {
				return 0, errors.New("what is full is not said")
			}
			return 0, nil
		}, Polled{Messages: []Emitted{{Value: row}, {Value: row}}}},
		"ends": {func(_ time.Time, out *Out) (time.Duration, error) { out.Emit(row); return 0, io.EOF }, Polled{Messages: rows, End: true}},
		"all forms": {func(at time.Time, out *Out) (time.Duration, error) {
			out.EmitMessage([]map[string]any{row, row}, map[string]any{"m": true}, at)
			out.EmitBytes([]byte{1}, map[string]any{"m": nil}, time.Time{})
			return 0, nil
		}, Polled{Messages: []Emitted{
			{Value: []any{row, row}, Meta: map[string]any{"m": true}, Time: now},
			{Value: []byte{1}, Meta: map[string]any{"m": nil}},
		}}},
		"fails":   {func(_ time.Time, out *Out) (time.Duration, error) { return time.Hour, noRow }, Polled{Errors: []error{noRow}}},
		"goes on": {func(_ time.Time, out *Out) (time.Duration, error) { out.Fail(noRow); return time.Second, nil }, Polled{Errors: []error{noRow}, Next: time.Second}},
		"fatal":   {func(time.Time, *Out) (time.Duration, error) { return 0, &Error{Msg: "x", Class: Fatal} }, Polled{Errors: []error{&Error{Msg: "x", Class: Fatal}}, End: true}},
		"panics":  {func(time.Time, *Out) (time.Duration, error) { panic("oh") }, Polled{Errors: []error{&Error{Msg: "panic: oh", Class: Usage}}}},
		"what has no frame": {func(_ time.Time, out *Out) (time.Duration, error) {
			out.Emit(map[string]any{"x": struct{}{}})
			out.Emit(row)
			return 0, nil
		}, Polled{Errors: []error{&Error{Msg: "a value of this Go type has no frame", Class: Fatal}}, End: true}},
	} {
		p.poll = c.poll
		if got := s.Poll(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if s.Rewind(1) == nil {
		t.Error("it says that it can go back")
	}
	if err := s.Close(); err != nil || p.closed != 1 {
		t.Error(err, p.closed)
	}
	if got := s.Poll(); len(got.Errors) != 1 || !got.End {
		t.Errorf("after close: %+v", got)
	}
}

func TestSinks(t *testing.T) {
	withNodes(t)
	plain, all := &scripted{}, &able{}
	SinkFunc("plain", func(Config) (*scripted, error) { return plain, nil })
	SinkFunc("able", func(Config) (*able, error) { return all, nil })
	SinkFunc("refuses", func(Config) (*able, error) { return nil, &Error{Msg: "away", Class: IO} })
	row := map[string]any{"a": int64(1)}
	for _, name := range []string{"plain", "able"} {
		s, err := OpenSink(name, Config{})
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(s.Write(row), s.Write([]any{row, row}), s.Flush())
		bytesErr := s.Write([]byte("x"))
		if err != nil || (bytesErr == nil) != (name == "able") {
			t.Errorf("%s: %v, %v", name, err, bytesErr)
		}
		if err := s.Write([]any{1}); err == nil {
			t.Error("a list of numbers is taken for rows")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if want := []any{row, row, row}; !reflect.DeepEqual(plain.took, want) {
		t.Errorf("plain: %v", plain.took)
	}
	if want := []any{row, []map[string]any{row, row}, "flush", []byte("x"), "flush"}; !reflect.DeepEqual(all.took, want) {
		t.Errorf("able: %v", all.took)
	}
	if _, err := OpenSink("refuses", Config{}); err == nil || err.(*Error).Class != IO {
		t.Error(err)
	}
	if _, err := OpenSink("nobody", Config{}); err == nil {
		t.Error("nobody is registered")
	}
	if _, err := newPlugin(nil); err == nil || !strings.Contains(err.Error(), "sink plain: SourceFunc and SinkFunc are for WebAssembly modules") {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	c := Config{Props: map[string]any{"s": "x", "i": 7, "f": 1.5, "b": true, "d": "1.5s", "ms": 250, "whole": 3.0, "neg": -1}}
	s, e1 := c.String("s", "")
	i, e2 := c.Int("i", 0)
	w, e3 := c.Int("whole", 0)
	f, e4 := c.Float("i", 0)
	b, e5 := c.Bool("b", false)
	d, e6 := c.Duration("d", 0)
	ms, e7 := c.Duration("ms", 0)
	other, e8 := c.Duration("none", 1500*time.Microsecond)
	if err := errors.Join(e1, e2, e3, e4, e5, e6, e7, e8); err != nil || s != "x" || i != 7 || w != 3 || f != 7 || !b || d != 1500*time.Millisecond || ms != 250*time.Millisecond || other != 1500*time.Microsecond {
		t.Error(err, s, i, w, f, b, d, ms, other)
	}
	_, e1 = c.Int("f", 0)
	_, e2 = c.String("i", "")
	_, e3 = c.Duration("s", 0)
	_, e4 = c.Duration("neg", 0)
	_, e5 = c.Duration("f", 0)
	for _, err := range []error{e1, e2, e3, e4, e5} {
		var e *Error
		if !errors.As(err, &e) || e.Class != Usage || !strings.HasPrefix(e.Msg, "property ") {
			t.Errorf("%v", err)
		}
	}
}

func TestHTTP(t *testing.T) {
	restore := Simulate(&Sim{})
	if _, err := HTTP(Request{URL: "http://x"}); err == nil || err.Error() != "http: http://x: denied: the manifest must require it and the host grant it" {
		t.Error(err)
	}
	restore()
	var seen Request
	defer Simulate(&Sim{HTTP: func(r Request) (*Response, error) {
		seen = r
		switch r.URL {
		case "http://away":
			return nil, &Error{Msg: "away", Class: IO}
		case "http://nothing":
			return &Response{Status: 204}, nil
		}
		return &Response{Status: 200, Headers: map[string]string{"etag": "1"}, Body: r.Body}, nil
	}})()
	got, err := HTTP(Request{URL: "http://x", Body: []byte("b"), Headers: map[string]string{"a": "b"}, Timeout: 1500 * time.Microsecond})
	if err != nil || got.Status != 200 || got.Headers["etag"] != "1" || !bytes.Equal(got.Body, []byte("b")) {
		t.Error(got, err)
	}
	if want := (Request{Method: "POST", URL: "http://x", Body: []byte("b"), Headers: map[string]string{"a": "b"}, Timeout: 2 * time.Millisecond}); !reflect.DeepEqual(seen, want) {
		t.Errorf("%+v", seen)
	}
	if got, err := HTTP(Request{URL: "http://nothing"}); err != nil || got.Status != 204 || seen.Method != "GET" {
		t.Error(got, err)
	}
	var e *Error
	if _, err := HTTP(Request{URL: "http://away"}); !errors.As(err, &e) || e.Class != IO {
		t.Error(err)
	}
}
