package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
	"github.com/vanth-io/vanth/wasm"
)

// callWorks are calls of the guest on every lane.
func callWorks() []work {
	list := []work{
		{name: "add(f64,f64)", quick: true, subjects: scalar},
		{name: "add(f64,f64), boxed", subjects: boxed},
		{name: "16 callers: add(f64,f64)", quick: true, subjects: scalarCallers},
		{name: "16 callers: echo 256 B", subjects: echoCallers},
		{name: "map of 8 fields there and back", quick: true, subjects: func(t testing.TB) []subject { return mapEcho(t, 64) }},
		{name: "map of 8 fields there and back, the same each time", subjects: func(t testing.TB) []subject { return mapEcho(t, 1) }},
	}
	for _, c := range []struct {
		size     int
		name     string
		promises []promise
	}{
		{16, "16 B", nil},
		{256, "256 B", lean("P3: at most 1.3x, 0 allocations", 1.3)},
		{4 << 10, "4 KiB", nil},
		{64 << 10, "64 KiB", lean("P3: at most 1.2x", 1.2)},
	} {
		list = append(list, work{
			name: "echo " + c.name + " into the caller's buffer", quick: c.promises != nil,
			subjects: func(t testing.TB) []subject { return echoBytes(t, c.size, c.promises) },
		})
	}
	return list
}

// Arguments and result of every add.
const (
	addA   = 1.5
	addB   = 2.5
	addSum = 4.0
)

var errWrong = errors.New("found a wrong result")

// addLoop calls an add of words n times and checks each result.
func addLoop(call func(words []uint64) error) func(n int) error {
	return func(n int) error {
		words := make([]uint64, 2)
		for range n {
			words[0], words[1] = math.Float64bits(addA), math.Float64bits(addB)
			if err := call(words); err != nil {
				return err
			}
			if words[0] != math.Float64bits(addSum) {
				return fmt.Errorf("%w: %v", errWrong, math.Float64frombits(words[0]))
			}
		}
		return nil
	}
}

// scalarLane is a handle, or a pin.
type scalarLane interface {
	ExecScalar(ctx context.Context, c *host.Call, words []uint64) error
}

// laneWords calls on the scalar lane.
func laneWords(f scalarLane) func(words []uint64) error {
	ctx := context.Background()
	return func(words []uint64) error { return f.ExecScalar(ctx, nil, words) }
}

// pin pins a function for one goroutine. Pins keep instances from handles until those
// ask, so they have a host of their own.
func pin(t testing.TB, f *host.Handle) *host.Pin {
	t.Helper()
	p, err := f.Pin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func scalar(t testing.TB) []subject {
	f := function(t, guestHost(t), "add")
	return []subject{
		{name: "raw wazero", run: addLoop(newRaw(t, guest).call(t, "fn_add"))},
		{name: "pin", run: addLoop(laneWords(pin(t, function(t, guestHost(t), "add")))), promises: lean("P1: at most 1.2x, 0 allocations", 1.2)},
		{name: "handle", run: addLoop(laneWords(f)), promises: lean("P2: at most 1.6x, 0 allocations", 1.6)},
	}
}

func boxed(t testing.TB) []subject {
	call := newRaw(t, guest).call(t, "fn_add")
	f := function(t, guestHost(t), "add")
	args := []any{addA, addB}
	return []subject{
		{name: "raw wazero", run: addLoop(call)},
		{name: "Exec([]any)", run: execLoop(f, args, addSum)},
	}
}

// execLoop calls a function n times and compares each result, which must be
// comparable.
func execLoop(f *host.Handle, args []any, want any) func(n int) error {
	ctx := context.Background()
	return func(n int) error {
		for range n {
			v, err := f.Exec(ctx, nil, args)
			if err != nil {
				return err
			}
			if v != want {
				return fmt.Errorf("%w: %v, expected %v", errWrong, v, want)
			}
		}
		return nil
	}
}

// callers are how many call at the same time.
const callers = 16

// together has each of the callers do its share of n.
func together(runs []func(n int) error) func(n int) error {
	return func(n int) error {
		var wg sync.WaitGroup
		errs := make([]error, len(runs))
		for i, run := range runs {
			share := n / len(runs)
			if i < n%len(runs) {
				share++
			}
			wg.Go(func() { errs[i] = run(share) })
		}
		wg.Wait()
		return errors.Join(errs...)
	}
}

// times16 are as many of what make makes as there are callers.
func times16(make_ func() func(n int) error) func(n int) error {
	runs := make([]func(n int) error, callers)
	for i := range runs {
		runs[i] = make_()
	}
	return together(runs)
}

// roomyHost has an instance for each caller, as who pins as many sees to.
func roomyHost(t testing.TB) *host.Host {
	t.Helper()
	h := wasmHost(t, wasm.Options{PoolMax: callers})
	install(t, h, host.ClassWASM, "guest", guestFiles(host.ResetReuse))
	return h
}

func scalarCallers(t testing.TB) []subject {
	f, pinned := function(t, guestHost(t), "add"), function(t, roomyHost(t), "add")
	return []subject{
		{name: "raw wazero, own instance each", run: times16(func() func(int) error { return addLoop(newRaw(t, guest).call(t, "fn_add")) })},
		{name: "pin each", run: times16(func() func(int) error { return addLoop(laneWords(pin(t, pinned))) })},
		{
			name: "handle", run: times16(func() func(int) error { return addLoop(laneWords(f)) }),
			promises: most("P2: at least 80 % of the floor's calls/s", 1/0.8),
		},
	}
}

func echoCallers(t testing.TB) []subject {
	f, pinned := function(t, guestHost(t), "echo"), function(t, roomyHost(t), "echo")
	return []subject{
		{name: "raw wazero, own instance each", run: times16(func() func(int) error { return rawEcho(t, 256) })},
		{name: "pin each", run: times16(func() func(int) error { return laneEcho(t, pin(t, pinned), 256) })},
		{
			name: "handle", run: times16(func() func(int) error { return laneEcho(t, f, 256) }),
			promises: most("P2: at least 80 % of the floor's calls/s", 1/0.8),
		},
	}
}

// echoed is an argument list of so many bytes. Its last eight change with every
// call, so that no old answer passes for a new one.
type echoed struct {
	args  []byte
	calls uint64
}

func newEchoed(t testing.TB, size int) *echoed {
	t.Helper()
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(i)
	}
	args, err := frame.AppendArgs(nil, []any{payload})
	if err != nil {
		t.Fatal(err)
	}
	return &echoed{args: args}
}

// next returns the arguments of the next call, and what it is to answer: a frame
// that begins one byte into them.
func (e *echoed) next() (args, want []byte) {
	e.calls++
	binary.LittleEndian.PutUint64(e.args[len(e.args)-8:], e.calls)
	return e.args, e.args[1:]
}

// rawEcho copies in, calls, and copies out into a buffer that is kept.
func rawEcho(t testing.TB, size int) func(n int) error {
	r, e := newRaw(t, guest), newEchoed(t, size)
	call := r.call(t, "fx_echo")
	dst := make([]byte, 0, len(e.args))
	return func(n int) error {
		words := make([]uint64, 2)
		for range n {
			args, want := e.next()
			r.memory.Write(131072, args)
			words[0], words[1] = 131072, uint64(len(args))
			if err := call(words); err != nil {
				return err
			}
			out, _ := r.memory.Read(uint32(words[0]>>32), uint32(words[0]))
			if dst = append(dst[:0], out...); !same(dst, want) {
				return errWrong
			}
		}
		return nil
	}
}

// same compares the whole of what is small. Of what is large it compares both
// ends: to read all of it again would cost as much as the work.
func same(got, want []byte) bool {
	const most = 256
	if len(got) != len(want) {
		return false
	}
	if len(got) <= 2*most {
		return bytes.Equal(got, want)
	}
	return bytes.Equal(got[:most], want[:most]) && bytes.Equal(got[len(got)-most:], want[len(want)-most:])
}

// bytesLane is a handle, or a pin.
type bytesLane interface {
	ExecBytes(ctx context.Context, c *host.Call, dst, args []byte) ([]byte, error)
}

func laneEcho(t testing.TB, f bytesLane, size int) func(n int) error {
	ctx, e := context.Background(), newEchoed(t, size)
	dst := make([]byte, 0, len(e.args))
	return func(n int) (err error) {
		for range n {
			args, want := e.next()
			if dst, err = f.ExecBytes(ctx, nil, dst[:0], args); err != nil {
				return err
			}
			if !same(dst, want) {
				return errWrong
			}
		}
		return nil
	}
}

func echoBytes(t testing.TB, size int, promises []promise) []subject {
	f := function(t, guestHost(t), "echo")
	return []subject{
		{name: "raw wazero, copied out", run: rawEcho(t, size)},
		{name: "pin", run: laneEcho(t, pin(t, function(t, guestHost(t), "echo")), size), promises: promises},
		{name: "handle", run: laneEcho(t, f, size), promises: []promise{{text: "P3: 0 allocations", noAllocs: true}}},
	}
}

// reading is what a map of 8 fields is built from: values that somebody else has,
// as a decoder does.
type reading struct {
	id, count             int64
	name, site, unit      []byte
	temperature, humidity float64
	ok                    bool
}

// newReading is the reading after n others of the same sensor: its count and what it measured are others.
func newReading(n int) *reading {
	return &reading{
		id: 1001, count: int64(100000 + n), name: []byte("sensor-17"), site: []byte("north"), unit: []byte("C"),
		temperature: 21.5 + float64(n)/8, humidity: 0.4 + float64(n)/100, ok: true,
	}
}

// row builds the map. It is the least that anybody must do who hands one out.
//
//go:noinline
func (r *reading) row() map[string]any {
	return map[string]any{
		"id": r.id, "name": string(r.name), "temperature": r.temperature, "humidity": r.humidity,
		"ok": r.ok, "site": string(r.site), "count": r.count, "unit": string(r.unit),
	}
}

// mapEcho sends so many readings in turns, a power of two.
func mapEcho(t testing.TB, count int) []subject {
	f := function(t, guestHost(t), "echo")
	ctx := context.Background()
	readings, rows := make([]*reading, count), make([]any, count)
	for i := range readings {
		readings[i] = newReading(i)
		rows[i] = readings[i].row()
		if v, err := f.Exec(ctx, nil, rows[i:i+1]); err != nil || !reflect.DeepEqual(v, rows[i]) {
			t.Fatalf("found %v (%v), expected %v", v, err, rows[i])
		}
	}
	check := func(v any, i int) error {
		if m, ok := v.(map[string]any); !ok || len(m) != 8 || m["count"] != readings[i].count {
			return fmt.Errorf("%w: %v", errWrong, v)
		}
		return nil
	}
	build := func(n int) error {
		for i := range n {
			i &= count - 1
			if err := check(readings[i].row(), i); err != nil {
				return err
			}
		}
		return nil
	}
	echo := func(n int) error {
		for i := range n {
			i &= count - 1
			v, err := f.Exec(ctx, nil, rows[i:i+1])
			if err == nil {
				err = check(v, i)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return []subject{
		{name: "building the map", run: build},
		{name: "Exec([]any)", run: echo, promises: most("P4: at most 1.7x", 1.7)},
	}
}
