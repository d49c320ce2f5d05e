package builtin_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
)

func TestMain(m *testing.M) {
	if home := os.Getenv("VANTH_FULL_DISK"); home != "" {
		childFull(home)
		return
	}
	goleak.VerifyTestMain(m)
}

// kit is a module in a home of its own.
type kit struct {
	*builtin.Module
	t    *testing.T
	home string
	log  *syncBuffer
}

// syncBuffer is a buffer that a log may write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newKit(t *testing.T, change ...func(*builtin.Options)) *kit {
	t.Helper()
	k := &kit{t: t, home: t.TempDir(), log: &syncBuffer{}}
	if err := os.MkdirAll(filepath.Join(k.home, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	o := builtin.Options{Home: k.home, Log: slog.New(slog.NewTextHandler(k.log, nil)), PushAddr: "127.0.0.1:0"}
	for _, f := range change {
		f(&o)
	}
	k.Module = builtin.New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := k.Module.Close(ctx); err != nil {
			t.Logf("module: close: %v", err)
		}
	})
	return k
}

func (k *kit) data(name string) string { return filepath.Join(k.home, "data", name) }

func (k *kit) put(name, text string) {
	k.t.Helper()
	if err := os.WriteFile(k.data(name), []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) add(name, text string) {
	k.t.Helper()
	f, err := os.OpenFile(k.data(name), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		f.Close()
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) get(name string) string {
	k.t.Helper()
	b, err := os.ReadFile(k.data(name))
	if err != nil {
		k.t.Fatal(err)
	}
	return string(b)
}

// source makes and opens a source.
func (k *kit) source(name string, p host.Props) host.Source {
	k.t.Helper()
	s, err := k.Source(name, nil, p)
	if err == nil {
		err = s.Open(k.soon())
	}
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func (k *kit) sink(name string, p host.Props) host.Sink {
	k.t.Helper()
	s, err := k.Sink(name, nil, p)
	if err == nil {
		err = s.Open(k.soon())
	}
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// soon is a context for what must not take long.
func (k *kit) soon() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	k.t.Cleanup(cancel)
	return ctx
}

func (k *kit) next(s host.Source) host.Message {
	k.t.Helper()
	m, err := s.Next(k.soon())
	if err != nil {
		k.t.Fatalf("next: %v", err)
	}
	return m
}

// text is the next payload.
func (k *kit) text(s host.Source) string {
	k.t.Helper()
	m := k.next(s)
	b, ok := m.Value.([]byte)
	if !ok {
		k.t.Fatalf("found %T, expected bytes", m.Value)
	}
	return string(b)
}

func (k *kit) write(s host.Sink, v any) {
	k.t.Helper()
	if err := s.Write(k.soon(), host.Message{Value: v}); err != nil {
		k.t.Fatalf("write: %v", err)
	}
}

// fails checks the sentinel and the words of an error.
func fails(t *testing.T, err, sentinel error, words ...string) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Fatalf("found error %v, expected one that wraps %v", err, sentinel)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("found error %q, expected it to say %q", err, w)
		}
	}
}

// quiet checks that a source has nothing for a while.
func (k *kit) quiet(s host.Source, d time.Duration) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if m, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		k.t.Fatalf("found %v %s (%v), expected nothing", m, m.Value, err)
	}
}

// prompt checks that f returns soon.
func prompt(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Fatalf("%s does not return", what)
	}
}
