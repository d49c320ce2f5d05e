package native

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"
	"go.uber.org/goleak"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logs is a log that tests read.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// kit is a guest with what it stands on.
type kit struct {
	*guest
	logs  *logs
	store *hosttest.MemStore
	state *host.State
}

func testID() host.ID { return host.ID{Class: host.ClassFunctions, Name: "kit"} }

func newKit(t testing.TB, o guestOptions) *kit {
	return kitOn(t, &hosttest.MemStore{}, o)
}

func kitOn(t testing.TB, store *hosttest.MemStore, o guestOptions) *kit {
	t.Helper()
	k := &kit{logs: new(logs), store: store}
	var err error
	if k.state, err = host.NewState(store, testID()); err != nil {
		t.Fatal(err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(k.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if o.Grace == 0 {
		o.Grace = 50 * time.Millisecond
	}
	b := host.Bundle{Plugin: host.Plugin{ID: testID(), Manifest: host.Manifest{Version: "1.2.3"}}, State: k.state}
	if k.guest, err = newGuest(b, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.close(context.Background()) })
	return k
}

// fakeFunc is an api.Function.
type fakeFunc struct {
	validate  func(args []any) error
	exec      func(ctx api.FunctionContext, args []any) (any, bool)
	aggregate func() bool
}

func (f *fakeFunc) Validate(args []any) error {
	if f.validate == nil {
		return nil
	}
	return f.validate(args)
}

func (f *fakeFunc) Exec(ctx api.FunctionContext, args []any) (any, bool) { return f.exec(ctx, args) }

func (f *fakeFunc) IsAggregate() bool { return f.aggregate != nil && f.aggregate() }

// fakeNode is what fake sources and sinks have in common; a nil func does
// nothing.
type fakeNode struct {
	provision func(ctx api.StreamContext, configs map[string]any) error
	connect   func(ctx api.StreamContext, sch api.StatusChangeHandler) error
	shut      func(ctx api.StreamContext) error

	mu    sync.Mutex
	trace []string
}

func (n *fakeNode) note(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trace = append(n.trace, what)
}

func (n *fakeNode) steps() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.trace...)
}

func (n *fakeNode) Provision(ctx api.StreamContext, configs map[string]any) error {
	n.note("provision")
	if n.provision == nil {
		return nil
	}
	return n.provision(ctx, configs)
}

func (n *fakeNode) Connect(ctx api.StreamContext, sch api.StatusChangeHandler) error {
	n.note("connect")
	if n.connect == nil {
		return nil
	}
	return n.connect(ctx, sch)
}

func (n *fakeNode) Close(ctx api.StreamContext) error {
	n.note("close")
	if n.shut == nil {
		return nil
	}
	return n.shut(ctx)
}

type tuplePusher struct {
	fakeNode
	subscribe func(api.StreamContext, api.TupleIngest, api.ErrorIngest) error
}

func (s *tuplePusher) Subscribe(ctx api.StreamContext, in api.TupleIngest, e api.ErrorIngest) error {
	s.note("subscribe")
	return s.subscribe(ctx, in, e)
}

type bytesPusher struct {
	fakeNode
	subscribe func(api.StreamContext, api.BytesIngest, api.ErrorIngest) error
}

func (s *bytesPusher) Subscribe(ctx api.StreamContext, in api.BytesIngest, e api.ErrorIngest) error {
	return s.subscribe(ctx, in, e)
}

type tuplePuller struct {
	fakeNode
	pull func(api.StreamContext, time.Time, api.TupleIngest, api.ErrorIngest)
}

func (s *tuplePuller) Pull(ctx api.StreamContext, at time.Time, in api.TupleIngest, e api.ErrorIngest) {
	s.pull(ctx, at, in, e)
}

type bytesPuller struct {
	fakeNode
	pull func(api.StreamContext, time.Time, api.BytesIngest, api.ErrorIngest)
}

func (s *bytesPuller) Pull(ctx api.StreamContext, at time.Time, in api.BytesIngest, e api.ErrorIngest) {
	s.pull(ctx, at, in, e)
}

// boundedPusher has an end.
type boundedPusher struct {
	tuplePusher
	eof api.EOFIngest
}

func (s *boundedPusher) SetEofIngest(eof api.EOFIngest) { s.note("eof"); s.eof = eof }

// rewinder counts rows and can go back.
type rewinder struct {
	tuplePusher
	omu    sync.Mutex
	offset any
	err    error
}

func (s *rewinder) GetOffset() (any, error) {
	s.omu.Lock()
	defer s.omu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	return s.offset, nil
}

func (s *rewinder) set(offset any) {
	s.omu.Lock()
	defer s.omu.Unlock()
	s.offset = offset
}

func (s *rewinder) Rewind(offset any) error {
	s.note("rewind")
	s.set(offset)
	return s.err
}

func (s *rewinder) ResetOffset(input map[string]any) error {
	s.set(input["to"])
	return nil
}

type lookupFake struct {
	fakeNode
	lookup func(api.StreamContext, []string, []string, []any) ([]map[string]any, error)
}

func (s *lookupFake) Lookup(ctx api.StreamContext, fields, keys []string, values []any) ([]map[string]any, error) {
	return s.lookup(ctx, fields, keys, values)
}

type lookupBytesFake struct {
	fakeNode
	lookup func(api.StreamContext, []string, []string, []any) ([][]byte, error)
}

func (s *lookupBytesFake) Lookup(ctx api.StreamContext, fields, keys []string, values []any) ([][]byte, error) {
	return s.lookup(ctx, fields, keys, values)
}

type tupleSink struct {
	fakeNode
	one  func(api.StreamContext, api.MessageTuple) error
	many func(api.StreamContext, api.MessageTupleList) error
}

func (s *tupleSink) Collect(ctx api.StreamContext, item api.MessageTuple) error {
	return s.one(ctx, item)
}

func (s *tupleSink) CollectList(ctx api.StreamContext, items api.MessageTupleList) error {
	return s.many(ctx, items)
}

type bytesSink struct {
	fakeNode
	one func(api.StreamContext, api.RawTuple) error
}

func (s *bytesSink) Collect(ctx api.StreamContext, item api.RawTuple) error { return s.one(ctx, item) }

func timeout(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
