package rule_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/host/rule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is where the sinks of a test put rows, by their property "to".
type shelf struct {
	mu      sync.Mutex
	rows    map[string][]any
	changed chan struct{}
}

func (s *shelf) put(to string, v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[to] = append(s.rows[to], v)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *shelf) len(to string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows[to])
}

// await waits for n rows and returns them as JSON.
func (s *shelf) await(t *testing.T, to string, n int) []string {
	t.Helper()
	end := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		rows, changed := s.rows[to], s.changed
		s.mu.Unlock()
		if len(rows) >= n {
			list := make([]string, len(rows))
			for i, r := range rows {
				b, _ := json.Marshal(r)
				list[i] = string(b)
			}
			return list
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("%d rows in %s, expected %d", len(rows), to, n)
		}
	}
}

// module has the sources and sinks of the tests; it is the built-in one, and that
// of each plugin of class portables.
type module struct {
	k    *kit
	b    host.Bundle
	life context.Context
	end  context.CancelFunc
}

func (m *module) Symbols() []host.Symbol {
	if m.b.Dir != "" {
		return m.b.Plugin.Manifest.List()
	}
	return []host.Symbol{{Kind: host.KindSource, Name: "numbers"}, {Kind: host.KindSink, Name: "shelf"}}
}

func (m *module) Function(name string) (host.Function, error) { return nil, host.ErrNotFound }

func (m *module) Close(context.Context) error { m.end(); return nil }

func (m *module) has(s host.Symbol) error {
	for _, y := range m.Symbols() {
		if y == s {
			return nil
		}
	}
	return host.Errorf(host.ErrNotFound, "%s: not found", s)
}

func (m *module) Source(name string, c *host.Call, p host.Props) (host.Source, error) {
	if err := m.has(host.Symbol{Kind: host.KindSource, Name: name}); err != nil {
		return nil, err
	}
	return &numbers{m: m, props: p, version: m.b.Plugin.Manifest.Version}, nil
}

func (m *module) Sink(name string, c *host.Call, p host.Props) (host.Sink, error) {
	if err := m.has(host.Symbol{Kind: host.KindSink, Name: name}); err != nil {
		return nil, err
	}
	return &keep{m: m, props: p}, nil
}

// numbers is a source of messages {"n":0...}: count of them, as bytes if asked, with a
// pause between; one of them may be a fault. Each may be a list of rows, which are
// then numbered by "i".
type numbers struct {
	m       *module
	props   host.Props
	version string
	n       int64
	began   bool
}

func number(p host.Props, key string, otherwise int64) int64 {
	switch v := p[key].(type) {
	case float64:
		return int64(v)
	case int:
		return int64(v)
	}
	return otherwise
}

func (s *numbers) Open(context.Context) error {
	if text, _ := s.props["openError"].(string); text != "" {
		return errors.New(text)
	}
	s.m.k.opened.Add(1)
	return nil
}

func (s *numbers) Close(context.Context) error { return nil }

func (s *numbers) Next(ctx context.Context) (host.Message, error) {
	if s.m.life.Err() != nil {
		return host.Message{}, host.ErrClosed
	}
	if s.n == number(s.props, "count", -1) {
		if s.props["wait"] == true {
			select {
			case <-ctx.Done():
				return host.Message{}, ctx.Err()
			case <-s.m.life.Done():
				return host.Message{}, host.ErrClosed
			}
		}
		return host.Message{}, io.EOF
	}
	if pause := time.Duration(number(s.props, "pause", 0)) * time.Millisecond; pause > 0 && s.began {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return host.Message{}, ctx.Err()
		case <-s.m.life.Done():
			return host.Message{}, host.ErrClosed
		}
	}
	s.began = true
	n := s.n
	s.n++
	s.m.k.read.Add(1)
	if n == number(s.props, "bad", -1) {
		return host.Message{}, errors.New("a bad message")
	}
	if size := number(s.props, "list", 0); size > 0 {
		list := make([]map[string]any, size)
		for i := range list {
			list[i] = map[string]any{"n": n, "i": int64(i)}
		}
		return host.Message{Value: list}, nil
	}
	if s.props["bytes"] == true {
		return host.Message{Value: fmt.Appendf(nil, `[{"n":%d}]`, n)}, nil
	}
	return host.Message{Value: map[string]any{"n": n, "v": s.version}, Meta: map[string]any{"topic": "t"}}, nil
}

func (s *numbers) Offset() (any, error) { return s.n, nil }

func (s *numbers) Rewind(offset any) error { s.n = offset.(int64); return nil }

// keep is a sink that puts rows on the shelf.
type keep struct {
	m     *module
	props host.Props
}

func (k *keep) Open(context.Context) error  { return nil }
func (k *keep) Close(context.Context) error { return nil }
func (k *keep) Write(ctx context.Context, m host.Message) error {
	if k.m.life.Err() != nil {
		return host.ErrClosed
	}
	if d := time.Duration(number(k.props, "pause", 0)) * time.Millisecond; d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	to, _ := k.props["to"].(string)
	k.m.k.shelf.put(to, m.Value)
	return nil
}

// kit is a host with rules.
type kit struct {
	t            *testing.T
	home         string
	store        *hosttest.MemStore
	shelf        shelf
	host         *host.Host
	rules        *rule.Rules
	own          *module
	functional   host.Runtime
	opened, read counter
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) Add(n int) { c.mu.Lock(); c.n += n; c.mu.Unlock() }
func (c *counter) Load() int { c.mu.Lock(); defer c.mu.Unlock(); return c.n }

// programs is a runtime whose plugins are modules of the kit.
type programs struct{ k *kit }

func (programs) Name() string                { return "kit" }
func (programs) Accepts(b host.Bundle) bool  { return b.Plugin.Manifest.IsProgram() }
func (programs) Close(context.Context) error { return nil }
func (p programs) Load(_ context.Context, b host.Bundle) (host.Module, error) {
	return p.k.module(b), nil
}

func (k *kit) module(b host.Bundle) *module {
	m := &module{k: k, b: b}
	m.life, m.end = context.WithCancel(context.Background())
	return m
}

func newKit(t *testing.T) *kit {
	t.Helper()
	return newKitOf(t, &hosttest.FakeRuntime{})
}

// newKitOf is a kit with another runtime for plugins of class wasm.
func newKitOf(t *testing.T, rt host.Runtime) *kit {
	t.Helper()
	k := &kit{t: t, home: t.TempDir(), store: &hosttest.MemStore{}, functional: rt}
	k.shelf.rows, k.shelf.changed = map[string][]any{}, make(chan struct{})
	k.start()
	t.Cleanup(k.stop)
	return k
}

func (k *kit) start() {
	k.t.Helper()
	ctx := context.Background()
	k.own = k.module(host.Bundle{})
	var err error
	k.host, err = host.Open(ctx, host.Options{
		Home: k.home, Store: k.store, Builtin: k.own,
		Runtimes: []host.Runtime{programs{k}, k.functional},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	if k.rules, err = rule.Open(ctx, rule.Options{Host: k.host, Store: k.store, Drain: 2 * time.Second}); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(k.rules.Close(ctx), k.host.Close(ctx)); err != nil {
		k.t.Error(err)
	}
	k.own.end()
}

// plugin installs a bundle.
func (k *kit) plugin(class host.Class, name string, files map[string]string) {
	k.t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for file, content := range files {
		w, err := z.Create(file)
		if err == nil {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			k.t.Fatal(err)
		}
	}
	z.Close()
	r := host.Request{ID: host.ID{Class: class, Name: name}, Archive: &b}
	install := k.host.Install
	if _, err := k.host.Get(r.ID); err == nil {
		install = k.host.Replace
	}
	if _, err := install(context.Background(), r); err != nil {
		k.t.Fatal(err)
	}
}

// functions installs echo, fail and version of the fake runtime.
func (k *kit) functions() {
	k.t.Helper()
	k.plugin(host.ClassWASM, "fn", map[string]string{"fn.json": `{"version":"1","functions":["echo","fail","version"]}`, "fn.wasm": "x"})
}

// program installs a plugin with the source ticks and the sink tray.
func (k *kit) program(version string) {
	k.t.Helper()
	k.plugin(host.ClassPortables, "prog", map[string]string{
		"prog.json": `{"version":"` + version + `","language":"go","executable":"run","sources":["ticks"],"sinks":["tray"]}`,
		"run":       "x", "sources/ticks.yaml": "default: {}",
	})
}

func (k *kit) stream(sql string) {
	k.t.Helper()
	if _, err := k.rules.CreateStream(sql); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) create(text string) {
	k.t.Helper()
	if _, err := k.rules.Create([]byte(text)); err != nil {
		k.t.Fatal(err)
	}
}

// awaitState waits for a state, and returns the message.
func (k *kit) awaitState(id string, want rule.State) rule.Status {
	k.t.Helper()
	end := time.Now().Add(20 * time.Second)
	for {
		s, err := k.rules.Status(id)
		if err != nil {
			k.t.Fatal(err)
		}
		if s.State == want {
			return s
		}
		if time.Now().After(end) {
			k.t.Fatalf("rule %s is %q (%s), expected %q", id, s.State, s.Message, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func node(s rule.Status, key string) rule.NodeStatus {
	for _, n := range s.Nodes {
		if n.Key() == key+"_0_" {
			return n
		}
	}
	return rule.NodeStatus{}
}
