package builtin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
)

var _ host.Module = (*builtin.Module)(nil)

func TestSymbols(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	var names []string
	for _, s := range k.Symbols() {
		names = append(names, s.String())
	}
	want := "source memory, source simulator, source file, source httppull, source httppush, source mqtt, source host, " +
		"sink memory, sink file, sink rest, sink mqtt, sink log, sink nop"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("found %s", got)
	}
	for _, err := range []error{
		func() error { _, err := k.Function("memory"); return err }(),
		func() error { _, err := k.Source("kafka", nil, nil); return err }(),
		func() error { _, err := k.Sink("simulator", nil, nil); return err }(),
	} {
		fails(t, err, host.ErrNotFound, "not found")
	}
	_, err := builtin.New(builtin.Options{}).Sink("nop", nil, nil)
	fails(t, err, host.ErrInvalid, "absolute")
}

// kinds has properties for every source and sink, with which Next waits for ever
// and Write has nobody to wait for.
func kinds(t *testing.T, k *kit, b *broker) (sources, sinks map[string]host.Props) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hang.Close)
	k.put("lines.txt", "")
	sources = map[string]host.Props{
		"memory":    {"datasource": "a"},
		"simulator": {"interval": "1h", "data": []any{map[string]any{"a": 1}}},
		"file":      {"datasource": "lines.txt", "fileType": "lines", "follow": true},
		"httppull":  {"url": hang.URL, "timeout": "1h"},
		"httppush":  {"datasource": "/a"},
		"mqtt":      {"datasource": "a", "server": b.url},
		"host":      {"interval": "1h"},
	}
	sinks = map[string]host.Props{
		"memory": {"topic": "b"}, "file": {"path": "out.txt"}, "rest": {"url": hang.URL, "timeout": "1h"},
		"mqtt": {"server": b.url, "topic": "b"}, "log": {}, "nop": {},
	}
	if runtime.GOOS != "linux" {
		delete(sources, "host")
	}
	return sources, sinks
}

func TestLife(t *testing.T) {
	t.Parallel()
	b, k := newBroker(t, nil), newKit(t)
	sources, sinks := kinds(t, k, b)
	for _, y := range k.Symbols() {
		t.Run(y.String(), func(t *testing.T) {
			ctx := context.Background()
			if y.Kind == host.KindSink {
				s, err := k.Sink(y.Name, nil, sinks[y.Name])
				if err != nil {
					t.Fatal(err)
				}
				fails(t, s.Write(ctx, host.Message{Value: []byte("1")}), host.ErrInvalid, "not open")
				if err := s.Open(ctx); err != nil {
					t.Fatal(err)
				}
				fails(t, s.Open(ctx), host.ErrInvalid, "open already")
				fails(t, s.Write(ctx, host.Message{Value: 5}), host.ErrInvalid, "found int, expected an object")
				for range 2 {
					prompt(t, "close", func() { err = s.Close(ctx) })
					if err != nil {
						t.Errorf("close: %v", err)
					}
				}
				fails(t, s.Write(ctx, host.Message{Value: []byte("1")}), host.ErrClosed, "closed")
				fails(t, s.Open(ctx), host.ErrClosed)
				return
			}
			s, err := k.Source(y.Name, nil, sources[y.Name])
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Next(ctx)
			fails(t, err, host.ErrInvalid, "not open")
			if err := s.Open(ctx); err != nil {
				t.Fatal(err)
			}
			if y.Name == "simulator" {
				k.next(s) // the first is due at once
			}
			short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
			defer cancel()
			prompt(t, "next", func() { _, err = s.Next(short) })
			fails(t, err, context.DeadlineExceeded)
			got := make(chan error, 1)
			go func() { _, err := s.Next(ctx); got <- err }()
			time.Sleep(30 * time.Millisecond)
			for range 2 {
				prompt(t, "close", func() { err = s.Close(ctx) })
				if err != nil {
					t.Errorf("close: %v", err)
				}
			}
			prompt(t, "next", func() { err = <-got })
			fails(t, err, host.ErrClosed)
			_, err = s.Next(ctx)
			fails(t, err, host.ErrClosed)
			never, _ := k.Source(y.Name, nil, sources[y.Name])
			if err := never.Close(ctx); err != nil {
				t.Errorf("close of one that was never open: %v", err)
			}
		})
	}
}

func TestModuleClose(t *testing.T) {
	t.Parallel()
	b, k := newBroker(t, nil), newKit(t)
	sources, sinks := kinds(t, k, b)
	ended := make(chan error, len(sources))
	for name, p := range sources {
		s := k.source(name, p)
		go func() {
			for {
				if _, err := s.Next(context.Background()); err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	for name, p := range sinks {
		k.sink(name, p)
	}
	time.Sleep(50 * time.Millisecond)
	prompt(t, "close", func() {
		for range 2 {
			if err := k.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	for range sources {
		if err := <-ended; !errors.Is(err, host.ErrClosed) {
			t.Errorf("found %v, expected ErrClosed", err)
		}
	}
	_, err := k.Sink("nop", nil, nil)
	fails(t, err, host.ErrClosed)
}

func TestProps(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, c := range []struct {
		kind, name string
		props      host.Props
		sentinel   error
		words      string
	}{
		{"source", "memory", host.Props{}, host.ErrInvalid, "source memory: property datasource: missing"},
		{"source", "memory", host.Props{"datasource": 5.5, "bufferLength": "x"}, host.ErrInvalid, `property bufferLength: found string x, expected a whole number`},
		{"source", "memory", host.Props{"datasource": "a/#/b"}, host.ErrInvalid, "# at the end only"},
		{"source", "memory", host.Props{"datasource": []any{}}, host.ErrInvalid, "found []interface {}, expected text"},
		{"sink", "memory", host.Props{"topic": "a/+"}, host.ErrInvalid, "without + and #"},
		{"sink", "memory", host.Props{"topic": "{{.a}}"}, host.ErrUnsupported, "templates are not supported"},
		{"source", "simulator", host.Props{"data": 5}, host.ErrInvalid, "property data: found int 5, expected a list of objects"},
		{"source", "simulator", host.Props{"data": []any{5}}, host.ErrInvalid, "a list of objects"},
		{"source", "simulator", host.Props{"interval": -1}, host.ErrInvalid, "expected milliseconds"},
		{"source", "simulator", host.Props{"loop": "maybe"}, host.ErrInvalid, "expected true or false"},
		{"source", "file", host.Props{}, host.ErrInvalid, "datasource: missing"},
		{"source", "file", host.Props{"datasource": "../x"}, host.ErrInvalid, "allowExternalFileAccess"},
		{"source", "file", host.Props{"datasource": "/etc/passwd"}, host.ErrInvalid, "allowExternalFileAccess"},
		{"source", "file", host.Props{"path": "data", "datasource": "Bundles/x"}, host.ErrInvalid, "the host's own"},
		{"source", "file", host.Props{"datasource": "vanth.db"}, host.ErrInvalid, "the host's own"},
		{"source", "file", host.Props{"datasource": "a", "fileType": "xls"}, host.ErrInvalid, "one of json, lines, csv"},
		{"source", "file", host.Props{"datasource": "a", "decompression": "gzip"}, host.ErrUnsupported, "decompression"},
		{"source", "file", host.Props{"datasource": "a", "follow": true}, host.ErrUnsupported, "follow"},
		{"source", "file", host.Props{"datasource": "a", "delimiter": "ab"}, host.ErrInvalid, "one character"},
		{"sink", "file", host.Props{"path": "tmp/x"}, host.ErrInvalid, "the host's own"},
		{"sink", "file", host.Props{"path": "{{.a}}.txt"}, host.ErrUnsupported, "constant"},
		{"source", "httppull", host.Props{"url": "ftp://x"}, host.ErrInvalid, "expected http://"},
		{"source", "httppull", host.Props{"url": "http://x", "oAuth": map[string]any{"a": 1}}, host.ErrUnsupported, "oAuth"},
		{"source", "httppull", host.Props{"url": "http://x", "headers": 5}, host.ErrInvalid, "an object of texts"},
		{"source", "httppush", host.Props{"datasource": "x"}, host.ErrInvalid, "begins with /"},
		{"sink", "rest", host.Props{}, host.ErrInvalid, "url: found nothing"},
		{"sink", "rest", host.Props{"url": "http://u:secret@h:x/"}, host.ErrInvalid, "no URL"},
		{"sink", "rest", host.Props{"url": "http://x", "method": "brew"}, host.ErrInvalid, "one of get, post"},
		{"sink", "rest", host.Props{"url": "http://x", "certificationPath": "a"}, host.ErrInvalid, "privateKeyPath"},
		{"source", "mqtt", host.Props{"datasource": "a"}, host.ErrInvalid, "the broker's address"},
		{"source", "mqtt", host.Props{"datasource": "a", "server": "ws://x"}, host.ErrUnsupported, "scheme ws"},
		{"source", "mqtt", host.Props{"datasource": "a", "server": "x", "qos": 3}, host.ErrInvalid, "from 0 to 2"},
		{"source", "mqtt", host.Props{"datasource": "a", "server": "x", "password": []any{"secret"}}, host.ErrInvalid, "found []interface {}, expected text"},
	} {
		var err error
		if c.kind == "source" {
			_, err = k.Source(c.name, nil, c.props)
		} else {
			_, err = k.Sink(c.name, nil, c.props)
		}
		fails(t, err, c.sentinel, c.words)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v has the password", err)
		}
	}
	// Whatever the case of the key, and as the options of SQL are.
	s := k.source("simulator", host.Props{"INTERVAL": "0", "Loop": "FALSE", "data": `[{"a":1}]`, "unknown": []int{}})
	if v := k.next(s).Value.(map[string]any)["a"]; v != int64(1) {
		t.Errorf("found %T %v", v, v)
	}
}
