package wasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// The corpus of hostile guests: testdata/hostile has those that are short to write, one way to misbehave each, and
// corpus_made_test.go those that are long. Directives say what becomes of them:
//
//	;; end: deadline|trap      faults of which one ends a call, or "returns" if none does
//	;; load: text              it is refused, and the error has this text
//	;; callMs: 1000            its limit, corpusLimit by default
//	;; requires: state clock   capabilities
//	;; output: 1024            KiB it may hand to the host
//	;; engine: compiler        for one engine only
//	;; symbol: source          or sink; function by default. The name is f
type hostile struct {
	name       string
	code       []byte
	directives map[string]string
}

// corpusLimit is how long a call may take.
const corpusLimit = 20 * time.Millisecond

func (h *hostile) refused() bool { return h.directives["load"] != "" }

func (h *hostile) limit() time.Duration {
	limit := corpusLimit
	if ms := h.directives["callMs"]; ms != "" {
		var n int
		fmt.Sscan(ms, &n)
		limit = time.Duration(n) * time.Millisecond
	}
	return limit
}

func (h *hostile) manifest() host.Manifest {
	m := host.Manifest{Version: h.name, Limits: host.Limits{CallMs: int(h.limit() / time.Millisecond)}, Requires: strings.Fields(h.directives["requires"])}
	fmt.Sscan(h.directives["output"], &m.Limits.OutputKiB)
	switch h.directives["symbol"] {
	case "source":
		m.Sources = []string{"f"}
	case "sink":
		m.Sinks = []string{"f"}
	default:
		m.Functions = []string{"f"}
	}
	return m
}

// corpus is all of it, in order.
func corpus(t testing.TB) []hostile {
	files, err := filepath.Glob("testdata/hostile/*.wat")
	if err != nil || len(files) < 60 {
		t.Fatal(files, err)
	}
	var list []hostile
	for _, f := range files {
		code, d := assemble(t, f)
		list = append(list, hostile{strings.TrimSuffix(filepath.Base(f), ".wat"), code, d})
	}
	for _, m := range madeHostile() {
		code := m.code
		if m.text != "" {
			var err error
			if code, err = wat.Assemble([]byte(m.text)); err != nil {
				t.Fatal(m.name, err)
			}
		}
		list = append(list, hostile{m.name, code, m.directives})
	}
	if only := os.Getenv("VANTH_HOSTILE_KIND"); only != "" { // to look for what is wrong with one
		list = slices.DeleteFunc(list, func(h hostile) bool { return !strings.Contains(h.name, only) })
	}
	slices.SortFunc(list, func(a, b hostile) int { return strings.Compare(a.name, b.name) })
	return list
}

// corpusOptions are those of all its tests. Logging goes through the handler, into nothing.
func corpusOptions(engine string) Options {
	return Options{
		Engine: engine, StartTimeout: 500 * time.Millisecond, PoolMax: 2, PoolWait: 10 * time.Second, Quarantine: -1,
		Log: slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// enemy is a hostile guest that is loaded. It has what open sources and sinks are.
type enemy struct {
	*hostile
	module *module
	call   func(context.Context) error
	close  func()
}

// arm loads a hostile guest and makes it ready to be called.
func (h *hostile) arm(t testing.TB, rt *Runtime) *enemy {
	t.Helper()
	b := bundle(t, "m", h.code, h.manifest())
	at := &host.Call{Rule: "r", Op: "o"}
	if strings.Contains(h.directives["requires"], capState) {
		if err := b.State.Put(at.Scope(), "k", make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	m := load(t, rt, b)
	e := &enemy{hostile: h, module: m, close: func() {}}
	switch h.directives["symbol"] {
	case "source":
		e.call = func(ctx context.Context) error { return pollOnce(ctx, m, at) }
	case "sink":
		e.call = func(ctx context.Context) error { return writeOnce(ctx, m, at) }
	default:
		f := fn(t, m, "f")
		e.call = func(ctx context.Context) error {
			_, err := f.Exec(ctx, at, nil)
			return err
		}
	}
	return e
}

// pollOnce opens a source and reads it until the first error, which it returns.
func pollOnce(ctx context.Context, m *module, at *host.Call) error {
	s, err := m.Source("f", at, nil)
	if err == nil {
		err = s.Open(ctx)
	}
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	for {
		if _, err := s.Next(ctx); err != nil {
			return err
		}
	}
}

// writeOnce opens a sink and writes one row.
func writeOnce(ctx context.Context, m *module, at *host.Call) error {
	s, err := m.Sink("f", at, nil)
	if err == nil {
		err = s.Open(ctx)
	}
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	return s.Write(ctx, host.Message{Value: map[string]any{"n": int64(1)}})
}

// judge says whether a call ended as it should.
func (h *hostile) judge(err error) error {
	got := "returns"
	if err != nil {
		g, ok := errors.AsType[*host.GuestError](err)
		if !ok {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		got = string(g.Fault)
	}
	if !slices.Contains(strings.Split(h.directives["end"], "|"), got) {
		return fmt.Errorf("%s: ended by %q, %w; want %q", h.name, got, err, h.directives["end"])
	}
	return nil
}
