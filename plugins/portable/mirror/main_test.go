package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// rule is a context that can be cancelled and does nothing else.
type rule struct {
	api.StreamContext
	context.Context
}

func (r rule) Done() <-chan struct{}       { return r.Context.Done() }
func (r rule) Err() error                  { return r.Context.Err() }
func (r rule) Value(any) any               { return nil }
func (r rule) Deadline() (time.Time, bool) { return time.Time{}, false }

func TestEcho(t *testing.T) {
	for _, v := range []any{nil, 1.5, "a", []any{true}} {
		if got, ok := (echo{}).Exec([]any{v}, nil); !ok || !reflect.DeepEqual(got, v) {
			t.Errorf("%v: %v, %v", v, got, ok)
		}
	}
	if got, ok := (echo{}).Exec(nil, nil); ok || !errors.Is(got.(error), errOne) {
		t.Errorf("no argument: %v, %v", got, ok)
	}
	if (echo{}).Validate(make([]any, 1)) != nil || (echo{}).Validate(nil) == nil || (echo{}).Validate(make([]any, 2)) == nil || (echo{}).IsAggregate() {
		t.Error("what it says about itself")
	}
}

func TestRandomRefuses(t *testing.T) {
	pattern := map[string]any{"n": 1.0}
	for want, props := range map[string]map[string]any{
		"pattern":  {},
		"interval": {"pattern": pattern, "interval": -1.0},
		"seed":     {"pattern": pattern, "seed": 0.0},
		"count":    {"pattern": pattern, "count": 1.5},
	} {
		if err := newRandom().Configure("", props); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %v", props, err)
		}
	}
	if err := newRandom().Configure("", map[string]any{"pattern": pattern, "interval": "10"}); err == nil {
		t.Error("an interval that is text")
	}
}

func TestRandom(t *testing.T) {
	r := newRandom()
	r.draw = func(n int64) int64 { return n - 1 }
	props := map[string]any{"interval": 1.0, "seed": 10.0, "count": 3.0, "pattern": map[string]any{"n": 50.0, "s": "x"}}
	if err := r.Configure("", props); err != nil {
		t.Fatal(err)
	}
	consumer, errs := make(chan api.SourceTuple), make(chan error)
	go r.Open(rule{Context: t.Context()}, consumer, errs)
	for range 3 {
		if m := (<-consumer).Message(); m["n"] != 59.0 || m["s"] != "x" || len(m) != 2 {
			t.Errorf("%v", m)
		}
	}
	if err := <-errs; !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

// It ends with the rule, whether it waits for the next interval or for somebody to take a message.
func TestRandomEnds(t *testing.T) {
	for _, interval := range []float64{0, 60_000} {
		r := newRandom()
		if err := r.Configure("", map[string]any{"interval": interval, "pattern": map[string]any{"n": 1.0}}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			r.Open(rule{Context: ctx}, make(chan api.SourceTuple), make(chan error))
			close(ended)
		}()
		cancel()
		<-ended
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	for range 2 { // the second time it appends
		f := new(file)
		if err := f.Configure(map[string]any{"path": path, "sync": true}); err != nil {
			t.Fatal(err)
		}
		if err := f.Collect(nil, []byte("early")); !errors.Is(err, errNotOpen) {
			t.Errorf("early: %v", err)
		}
		if err := f.Open(nil); err != nil {
			t.Fatal(err)
		}
		if err := f.Collect(nil, []byte(`[{"a":1}]`)); err != nil {
			t.Error(err)
		}
		if b, _ := os.ReadFile(path); !strings.HasSuffix(string(b), "[{\"a\":1}]\n") {
			t.Errorf("acknowledged and not there: %q", b)
		}
		if err := f.Collect(nil, "text"); err == nil {
			t.Error("a message that is no bytes")
		}
		if err := errors.Join(f.Close(nil), f.Close(nil)); err != nil {
			t.Error(err)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != "[{\"a\":1}]\n[{\"a\":1}]\n" {
		t.Errorf("%q", b)
	}
}

func TestFileRefuses(t *testing.T) {
	for _, props := range []map[string]any{{}, {"path": 5.0}, {"path": "x", "sync": "yes"}} {
		if new(file).Configure(props) == nil {
			t.Errorf("%v", props)
		}
	}
	f := &file{path: filepath.Join(t.TempDir(), "absent", "out")}
	if f.Open(nil) == nil {
		t.Error("a folder that is not there")
	}
}

// A full disk: the row is not acknowledged.
func TestFileFull(t *testing.T) {
	f := &file{path: "/dev/full"}
	if f.Open(nil) != nil {
		t.Skip("no /dev/full here")
	}
	if f.Collect(nil, []byte("x")) == nil {
		t.Error("written to a full disk")
	}
	if err := f.Close(nil); err != nil {
		t.Error(err)
	}
}

// The manifest names what main exports.
func TestManifest(t *testing.T) {
	b, err := os.ReadFile("mirror.json")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Name, Version, Language, Executable string
		Sources, Sinks, Functions           []string
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if m.Name != "mirror" || m.Executable != "mirror" || m.Language != "go" || m.Version == "" ||
		!slices.Equal(m.Sources, []string{"random"}) || !slices.Equal(m.Sinks, []string{"file"}) || !slices.Equal(m.Functions, []string{"echo"}) {
		t.Errorf("%+v", m)
	}
	if _, err := os.Stat("sources/random.yaml"); err != nil {
		t.Error(err)
	}
}
