package hosttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// NodeKit is what [Nodes] needs to know of a runtime under test.
type NodeKit struct {
	// New starts a runtime; the suite closes it.
	New func() (host.Runtime, error)
	// Files are the files of a bundle called "kit", beside its manifest, with a
	// source count and a sink keep.
	//
	// count emits rows {"n": 1}, {"n": 2} ... up to its property count, and then
	// ends; 0 is without end. In place of the row whose n is its property errorAt it
	// has an error of one message. With the property silent it emits nothing and
	// does not end.
	//
	// keep takes rows. For the row whose n is its property errorAt it has an
	// error.
	Files map[string][]byte
	// Manifest is that of the bundle, with a source count and a sink keep.
	Manifest host.Manifest
	// Kept tells how many rows have arrived in sinks of the bundle, those that were
	// refused not among them.
	Kept func(host.Bundle) int64
	// Emitted tells how many rows sources of the bundle have emitted, read or not;
	// nil where that is not known.
	Emitted func(host.Bundle) int64
	// Ahead is how many of them may be unread.
	Ahead int64
	// Endless is true if a source cannot say that it has ended.
	Endless bool
	// Deaf is true if a sink cannot say that it has refused a row.
	Deaf bool
	// Rewinds is true if count is a host.Rewinder.
	Rewinds bool
}

// Nodes checks that the sources and sinks of a runtime keep the sentences of
// host.Source, host.Rewinder, host.Sink, host.Flusher and, of host.Module, those
// about them.
func Nodes(t *testing.T, kit NodeKit) {
	for _, c := range nodeChecks() {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t.TempDir(), kit); err != nil {
				t.Error(err)
			}
		})
	}
}

// nodeCheck is one check, as a function that returns what is wrong, see
// runtimeCheck.
type nodeCheck struct {
	name string
	run  func(*nodeBench) error
}

func (c nodeCheck) check(dir string, kit NodeKit) error {
	rt, err := kit.New()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := &runtimeBench{Runtime: rt, dir: dir, ctx: ctx}
	b := &nodeBench{kit: kit, ctx: ctx}
	if b.bundle, err = r.bundle(kit.Files, kit.Manifest); err == nil {
		if b.Module, err = rt.Load(ctx, b.bundle); err == nil {
			err = c.run(b)
		}
	}
	return errors.Join(err, rt.Close(ctx))
}

// nodeBench is a loaded kit.
type nodeBench struct {
	host.Module
	kit    NodeKit
	bundle host.Bundle
	ctx    context.Context
	opened int64 // sources: two of one rule, node and instance cannot be
}

// soon bounds what is to happen at once, on a machine that is busy.
const soon = 3 * time.Second

func nodeChecks() []nodeCheck {
	return []nodeCheck{
		{"a name that is not there is not found", checkNodeNames},
		{"rows come in order, then io.EOF", checkOrder},
		{"an error is that of one message", checkSourceError},
		{"the end of ctx ends Next at once, and not the source", checkNextContext},
		{"sources do not disturb each other", checkSourcesApart},
		{"closing a source twice is fine, and ends Next", checkSourceClose},
		{"a source ends with its module", checkSourceClosed},
		{"what is emitted and not read is bounded", checkAhead},
		{"a source goes on behind its offset", checkRewind},
		{"rows arrive in a sink", checkKept},
		{"an error of a sink is that of one message", checkSinkError},
		{"closing a sink twice is fine, and what it holds arrives", checkSinkClose},
		{"a sink ends with its module", checkSinkClosed},
	}
}

// source opens count.
func (b *nodeBench) source(props host.Props) (host.Source, error) {
	b.opened++
	s, err := b.Source("count", &host.Call{Rule: "rule", Op: "source", Instance: b.opened}, props)
	if err != nil {
		return nil, err
	}
	return s, s.Open(b.ctx)
}

// sink opens keep.
func (b *nodeBench) sink(props host.Props) (host.Sink, error) {
	s, err := b.Sink("keep", &host.Call{Rule: "rule", Op: "sink"}, props)
	if err != nil {
		return nil, err
	}
	return s, s.Open(b.ctx)
}

// row reads a row, and returns its n.
func (b *nodeBench) row(s host.Source) (int64, error) {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	m, err := s.Next(ctx)
	if err != nil {
		return 0, err
	}
	row, _ := m.Value.(map[string]any)
	switch n := row["n"].(type) {
	case int64:
		return n, nil
	case float64:
		return int64(n), nil
	}
	return 0, fmt.Errorf("a row %v, want one with n", m.Value)
}

// wantRow reads a row whose n is n.
func (b *nodeBench) wantRow(s host.Source, n int64) error {
	got, err := b.row(s)
	if err == nil && got != n {
		err = fmt.Errorf("row %d", got)
	}
	if err != nil {
		return fmt.Errorf("in place of row %d: %w", n, err)
	}
	return nil
}

func (b *nodeBench) wantRows(s host.Source, from, to int64) error {
	for n := from; n <= to; n++ {
		if err := b.wantRow(s, n); err != nil {
			return err
		}
	}
	return nil
}

func checkNodeNames(b *nodeBench) error {
	_, e1 := b.Source("nobody", nil, nil)
	_, e2 := b.Sink("nobody", nil, nil)
	_, e3 := b.Source("keep", nil, nil)
	for _, e := range []error{e1, e2, e3} {
		if !errors.Is(e, host.ErrNotFound) {
			return fmt.Errorf("%w; %w; %w", e1, e2, e3)
		}
	}
	return nil
}

func checkOrder(b *nodeBench) error {
	const rows = 3000
	s, err := b.source(host.Props{"count": rows})
	if err != nil {
		return err
	}
	if err := b.wantRows(s, 1, rows); err != nil {
		return err
	}
	for range 2 {
		if b.kit.Endless {
			break
		}
		if m, err := s.Next(b.ctx); !errors.Is(err, io.EOF) {
			return fmt.Errorf("in place of the end: %v, %w", m, err)
		}
	}
	return s.Close(b.ctx)
}

func checkSourceError(b *nodeBench) error {
	s, err := b.source(host.Props{"count": 5, "errorAt": 3})
	if err != nil {
		return err
	}
	var rows []int64
	faults := 0
	for len(rows) < 4 || faults < 1 { // the error may overtake rows
		switch n, err := b.row(s); {
		case err == nil:
			rows = append(rows, n)
		case faults > 0, errors.Is(err, io.EOF), errors.Is(err, host.ErrClosed), errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("after rows %v and %d errors: %w", rows, faults, err)
		default:
			faults++
		}
	}
	if !slices.Equal(rows, []int64{1, 2, 4, 5}) {
		return fmt.Errorf("rows %v, want 1, 2, 4 and 5", rows)
	}
	return s.Close(b.ctx)
}

func checkNextContext(b *nodeBench) error {
	silent, err := b.source(host.Props{"silent": true})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = silent.Next(ctx)
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > soon {
		return fmt.Errorf("a source that is silent: %w after %v", err, took)
	}
	if err := silent.Close(b.ctx); err != nil {
		return err
	}
	s, err := b.source(host.Props{"count": 0})
	if err != nil {
		return err
	}
	if err := b.wantRows(s, 1, 3); err != nil {
		return err
	}
	ended, end := context.WithCancel(b.ctx)
	end()
	// What is there already may come; a context that has ended is seen in the end.
	n := int64(4)
	for ; ; n++ {
		if _, err = s.Next(ended); err != nil {
			break
		}
		if n > 1_000_000 {
			return errors.New("a context that has ended is not looked at")
		}
	}
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("a context that has ended: %w", err)
	}
	return errors.Join(b.wantRows(s, n, n+3), s.Close(b.ctx))
}

func checkSourcesApart(b *nodeBench) error {
	one, err := b.source(host.Props{"count": 4})
	if err != nil {
		return err
	}
	two, err := b.source(host.Props{"count": 0})
	if err != nil {
		return err
	}
	err = errors.Join(b.wantRow(one, 1), b.wantRow(two, 1), b.wantRow(one, 2), b.wantRow(two, 2), one.Close(b.ctx))
	return errors.Join(err, b.wantRow(two, 3), two.Close(b.ctx))
}

func checkSourceClose(b *nodeBench) error {
	for _, props := range []host.Props{{"count": 0}, {"silent": true}} {
		s, err := b.source(props)
		if err != nil {
			return err
		}
		if err := errors.Join(s.Close(b.ctx), s.Close(b.ctx)); err != nil {
			return err
		}
		if err := b.wantClosed(s); err != nil {
			return err
		}
	}
	return nil
}

// wantClosed reads until ErrClosed comes: what was emitted before may come
// first.
func (b *nodeBench) wantClosed(s host.Source) error {
	start := time.Now()
	for range 1_000_000 {
		ctx, cancel := context.WithTimeout(b.ctx, soon)
		_, err := s.Next(ctx)
		late := ctx.Err() != nil
		cancel()
		if errors.Is(err, host.ErrClosed) {
			return nil
		}
		if errors.Is(err, io.EOF) || late || time.Since(start) > 3*soon {
			return fmt.Errorf("in place of ErrClosed after %v: %w", time.Since(start), err)
		}
	}
	return errors.New("it goes on after close")
}

func checkSourceClosed(b *nodeBench) error {
	endless, err := b.source(host.Props{"count": 0})
	if err != nil {
		return err
	}
	silent, err := b.source(host.Props{"silent": true})
	if err != nil {
		return err
	}
	if err := b.wantRow(endless, 1); err != nil {
		return err
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := silent.Next(b.ctx)
		waiting <- err
	}()
	time.Sleep(50 * time.Millisecond)
	if err := b.Close(b.ctx); err != nil {
		return err
	}
	select {
	case err := <-waiting:
		if !errors.Is(err, host.ErrClosed) {
			return fmt.Errorf("who waited: %w", err)
		}
	case <-time.After(soon):
		return errors.New("who waited still does")
	}
	if err := b.wantClosed(endless); err != nil {
		return err
	}
	if s, err := b.source(host.Props{"count": 1}); !errors.Is(err, host.ErrClosed) {
		return fmt.Errorf("another after it: %v, %w", s, err)
	}
	return errors.Join(endless.Close(b.ctx), silent.Close(b.ctx))
}

func checkAhead(b *nodeBench) error {
	if b.kit.Emitted == nil {
		return nil
	}
	s, err := b.source(host.Props{"count": 0})
	if err != nil {
		return err
	}
	if err := b.wantRow(s, 1); err != nil {
		return err
	}
	var before, after int64
	for range 20 { // until it waits
		before = b.kit.Emitted(b.bundle)
		time.Sleep(100 * time.Millisecond)
		if after = b.kit.Emitted(b.bundle); after == before {
			break
		}
	}
	if after != before || after > b.kit.Ahead+1 {
		return fmt.Errorf("%d, then %d rows were emitted and one read, at most %d may wait", before, after, b.kit.Ahead)
	}
	return errors.Join(b.wantRows(s, 2, after+2), s.Close(b.ctx))
}

func checkRewind(b *nodeBench) error {
	if !b.kit.Rewinds {
		return nil
	}
	first, err := b.source(host.Props{"count": 10})
	if err != nil {
		return err
	}
	r, ok := first.(host.Rewinder)
	if !ok {
		return fmt.Errorf("%T is no Rewinder", first)
	}
	if offset, err := r.Offset(); offset != nil || err != nil {
		return fmt.Errorf("before the first message: offset %v, %w", offset, err)
	}
	for n := int64(1); n <= 4; n++ {
		if err := b.wantRow(first, n); err != nil {
			return err
		}
		offset, err := r.Offset()
		if err != nil {
			return err
		}
		again, err := b.source(host.Props{"count": 10})
		if err != nil {
			return err
		}
		if err := again.(host.Rewinder).Rewind(offset); err != nil {
			return err
		}
		if err := errors.Join(b.wantRows(again, n+1, 10), again.Close(b.ctx)); err != nil {
			return fmt.Errorf("rewound to %v, behind row %d: %w", offset, n, err)
		}
	}
	return first.Close(b.ctx)
}

func (b *nodeBench) write(s host.Sink, from, to int) error {
	for n := from; n <= to; n++ {
		if err := s.Write(b.ctx, host.Message{Value: map[string]any{"n": int64(n)}}); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
	}
	return nil
}

// wantKept waits until so many rows have arrived.
func (b *nodeBench) wantKept(rows int64) error {
	var n int64
	for start := time.Now(); time.Since(start) < soon; time.Sleep(5 * time.Millisecond) {
		if n = b.kit.Kept(b.bundle); n >= rows {
			break
		}
	}
	if n != rows {
		return fmt.Errorf("%d rows arrived, want %d", n, rows)
	}
	return nil
}

// flush has a sink write what it holds.
func (b *nodeBench) flush(s host.Sink) error {
	if f, ok := s.(host.Flusher); ok {
		return f.Flush(b.ctx)
	}
	return nil
}

func checkKept(b *nodeBench) error {
	s, err := b.sink(nil)
	if err != nil {
		return err
	}
	rows := host.Message{Value: []any{map[string]any{"n": int64(8)}, map[string]any{"n": int64(9)}}}
	return errors.Join(b.write(s, 1, 7), s.Write(b.ctx, rows), b.flush(s), b.wantKept(9), s.Close(b.ctx))
}

func checkSinkError(b *nodeBench) error {
	s, err := b.sink(host.Props{"errorAt": 3})
	if err != nil {
		return err
	}
	if err := errors.Join(b.write(s, 1, 2), b.flush(s)); err != nil {
		return err
	}
	if err := errors.Join(b.write(s, 3, 3), b.flush(s)); err == nil && !b.kit.Deaf || errors.Is(err, host.ErrClosed) {
		return fmt.Errorf("in place of an error: %w", err)
	}
	return errors.Join(b.write(s, 4, 6), b.flush(s), b.wantKept(5), s.Close(b.ctx))
}

func checkSinkClose(b *nodeBench) error {
	s, err := b.sink(nil)
	if err != nil {
		return err
	}
	if err := errors.Join(b.write(s, 1, 5), s.Close(b.ctx), s.Close(b.ctx), b.wantKept(5)); err != nil {
		return err
	}
	if err := s.Write(b.ctx, host.Message{Value: map[string]any{"n": int64(6)}}); !errors.Is(err, host.ErrClosed) {
		return fmt.Errorf("a row after close: %w", err)
	}
	return nil
}

func checkSinkClosed(b *nodeBench) error {
	s, err := b.sink(nil)
	if err != nil {
		return err
	}
	if err := errors.Join(b.write(s, 1, 5), b.flush(s), b.Close(b.ctx), b.wantKept(5)); err != nil {
		return err
	}
	if err := s.Write(b.ctx, host.Message{Value: map[string]any{"n": int64(6)}}); !errors.Is(err, host.ErrClosed) {
		return fmt.Errorf("a row after the module's close: %w", err)
	}
	if other, err := b.sink(nil); !errors.Is(err, host.ErrClosed) {
		return fmt.Errorf("another after it: %v, %w", other, err)
	}
	return s.Close(b.ctx)
}
