package wasm

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// chatter says as much as it is asked to. At 8192 is a frame of 1,024 bytes, at
// 16384 one of 1,025.
const chatter = `(module
  (import "vanth" "log" (func $log (param i32 i32 i32)))
  (import "vanth" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8192) "\c5\03\fd")
  (data (i32.const 16384) "\c5\03\fe")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 32768))
  (func $logs (export "fn_log") (param $times i32) (param $len i32)
    (block $out (loop $l
      (br_if $out (i32.eqz (local.get $times)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (call $log (i32.const 1) (i32.const 4096) (local.get $len))
      (br $l))))
  (func (export "fn_put") (param $times i32) (param $len i32) (result i32) (local $code i32)
    (block $out (loop $l
      (br_if $out (i32.eqz (local.get $times)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (local.set $code (i32.or (local.get $code) (call $put (i32.const 4096) (i32.const 4) (i32.const 4096) (i32.sub (local.get $len) (i32.const 4)))))
      (br $l)))
    (local.get $code))
  (func (export "fn_print") (param $times i32) (param $len i32) (result i32)
    (i32.store (i32.const 0) (i32.const 4096))
    (i32.store (i32.const 4) (local.get $len))
    (block $out (loop $l
      (br_if $out (i32.eqz (local.get $times)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
      (br $l)))
    (i32.const 7))
  (func (export "fx_whole") (param i32 i32) (result i64) (i64.const 0x200000000400))
  (func (export "fx_over") (param i32 i32) (result i64) (i64.const 0x400000000401))
  (func (export "fx_both") (param i32 i32) (result i64) (call $logs (i32.const 1) (i32.const 1)) (i64.const 0x200000000400)))`

func chatters(t *testing.T, rt *Runtime, l host.Limits) *module {
	t.Helper()
	return load(t, rt, watBundle(t, chatter, host.Manifest{
		Functions: []string{"log", "put", "print", "whole", "over", "both"}, Requires: []string{"state"}, Limits: l,
	}))
}

// tooMuch judges the error of a call that hands more than 1 KiB to the host.
func tooMuch(t *testing.T, name, found string, err error) {
	t.Helper()
	g, ok := errors.AsType[*host.GuestError](err)
	if !ok || g.Fault != host.FaultResult || !strings.Contains(err.Error(), "found "+found+" bytes for the host, expected at most 1024: see limits.outputKiB") {
		t.Errorf("%s: %v, want that %s bytes are too many", name, err, found)
	}
}

// TestOutputOfACall: a call that hands more to the host than it may fails, by
// whatever way it does, and one that hands as much as it may does not.
func TestOutputOfACall(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		m := chatters(t, newRuntime(t, Options{Engine: engine, PoolMax: 1}), host.Limits{OutputKiB: 1})
		for _, c := range []struct {
			name  string
			args  []any
			found string // "" for a call that passes
		}{
			{"log", []any{int64(16), int64(64)}, ""},
			{"log", []any{int64(16), int64(64)}, ""}, // each call has as much
			{"log", []any{int64(17), int64(64)}, "1088"},
			{"log", []any{int64(1), int64(1025)}, "1025"},
			{"print", []any{int64(1), int64(1024)}, ""},
			{"print", []any{int64(2), int64(513)}, "1026"},
			{"put", []any{int64(16), int64(64)}, ""},
			{"put", []any{int64(17), int64(64)}, "1088"},
			{"whole", nil, ""},
			{"over", nil, "1025"},
			{"both", nil, "1025"},
			{"whole", nil, ""},
		} {
			_, err := fn(t, m, c.name).Exec(context.Background(), nil, c.args)
			if c.found != "" {
				tooMuch(t, c.name, c.found, err)
			} else if err != nil {
				t.Errorf("%s%v: %v", c.name, c.args, err)
			}
			lane, ok := fn(t, m, c.name).(host.Bytes)
			if !ok {
				continue
			}
			out, err := lane.ExecBytes(context.Background(), nil, []byte("kept"), []byte{0x90})
			if c.found != "" && string(out) == "kept" {
				tooMuch(t, c.name, c.found, err)
			} else if err != nil || len(out) != 4+1024 {
				t.Errorf("%s in bytes: %d bytes, %v", c.name, len(out), err)
			}
		}
	})
}

// TestOutputOfAStart: the bound holds for what runs at the start too.
func TestOutputOfAStart(t *testing.T) {
	_, err := newRuntime(t, Options{OutputKiB: 1}).Load(context.Background(), watBundle(t, `(module
	  (import "vanth" "log" (func $log (param i32 i32 i32))) (memory (export "memory") 1)
	  (func (export "vanth_abi_1") (result i32) (i32.const 0))
	  (func (export "_initialize") (loop $l (call $log (i32.const 0) (i32.const 0) (i32.const 100)) (br $l)))
	  (func (export "fn_f")))`, host.Manifest{Functions: []string{"f"}}))
	tooMuch(t, "start", "1100", err)
}

// TestOutputOfAPoll: what a source cannot hand over in this poll it is told to keep
// for the next, and what it never can is too large.
func TestOutputOfAPoll(t *testing.T) {
	const text = `(module
	  (import "vanth" "emit_bytes" (func $emit (param i32 i32 i32 i32 i32 i64) (result i32)))
	  (import "vanth" "mark" (func $mark (param i32 i32 i32) (result i32)))
	  (import "vanth" "fail" (func $fail (param i32 i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (data (i32.const 0) "\c5\03\00")
	  (global $polls (mut i32) (i32.const 0))
	  (func (export "vanth_abi_1") (result i32) (i32.const 0))
	  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
	  (func (export "so_s_poll") (param $h i32) (param i64) (result i64) (local $code i32)
	    ;; Each message tells its poll.
	    (i32.store8 (i32.const 99) (global.get $polls))
	    (global.set $polls (i32.add (global.get $polls) (i32.const 1)))
	    ;; Never in one poll: bytes, an offset, an error.
	    (if (i32.ne (i32.const -3) (call $emit (local.get $h) (i32.const 0) (i32.const 1025) (i32.const 0) (i32.const 0) (i64.const 0))) (then unreachable))
	    (if (i32.ne (i32.const -3) (call $mark (local.get $h) (i32.const 0) (i32.const 1025))) (then unreachable))
	    (if (i32.ne (i32.const -3) (call $fail (local.get $h) (i32.const 0) (i32.const 1025))) (then unreachable))
	    ;; Once in one poll: an offset of 771 bytes, beside 100 and 100 of messages.
	    (if (call $mark (local.get $h) (i32.const 0) (i32.const 771)) (then unreachable))
	    (loop $l
	      (local.set $code (call $emit (local.get $h) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 0) (i64.const 0)))
	      (br_if $l (i32.eqz (local.get $code))))
	    (if (i32.ne (i32.const 1) (local.get $code)) (then unreachable))
	    (if (i32.ne (i32.const 1) (call $mark (local.get $h) (i32.const 0) (i32.const 771))) (then unreachable))
	    (if (i32.ne (i32.const 1) (call $fail (local.get $h) (i32.const 0) (i32.const 771))) (then unreachable))
	    (i64.const 0)))`
	engines(t, func(t *testing.T, engine string) {
		m := load(t, newRuntime(t, Options{Engine: engine}), watBundle(t, text, host.Manifest{Sources: []string{"s"}, Limits: host.Limits{OutputKiB: 1}}))
		s, err := m.Source("s", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 20 { // two a poll
			msg, err := s.Next(t.Context())
			if b, ok := msg.Value.([]byte); err != nil || !ok || len(b) != 100 || int(b[99]) != i/2 {
				t.Fatalf("message %d: %v, %v", i, msg, err)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestVolumeASecond: lines and state beyond what a plugin may say a second are
// dropped, told of, and earned again.
func TestVolumeASecond(t *testing.T) {
	var log bytes.Buffer
	rt := newRuntime(t, Options{LogKiBs: 1, StateKiBs: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	m := chatters(t, rt, host.Limits{})

	exec1(t, m, "log", int64(10), int64(1000)) // four seconds' worth at once
	if n := strings.Count(log.String(), "level=INFO"); n != 4 {
		t.Errorf("%d lines passed, want 4:\n%s", n, log.String())
	}
	if !strings.Contains(log.String(), "the plugin logs too much") || !strings.Contains(log.String(), "lines=1 bytes=1000") {
		t.Errorf("what was dropped is not told: %s", log.String())
	}
	if v := exec1(t, m, "put", int64(4), int64(1000)); v != int64(0) {
		t.Errorf("put: %v", v)
	}
	if v := exec1(t, m, "put", int64(1), int64(1000)); v != int64(codeLater) {
		t.Errorf("a put too much: %v, want %d", v, codeLater)
	}
	if !strings.Contains(log.String(), "the plugin writes too much") {
		t.Errorf("what was refused is not told: %s", log.String())
	}
	time.Sleep(1100 * time.Millisecond)
	log.Reset()
	if v := exec1(t, m, "put", int64(1), int64(1000)); v != int64(0) {
		t.Errorf("a second later: %v", v)
	}
	exec1(t, m, "log", int64(1), int64(1000))
	if !strings.Contains(log.String(), "lines=5 bytes=5000") || strings.Count(log.String(), "level=INFO") != 1 {
		t.Errorf("a second later: %s", log.String())
	}
}

func TestThrottle(t *testing.T) {
	now := time.Unix(1000, 0)
	clock := func() time.Time { return now }
	th := newThrottle(bucket{rate: 2, most: 10}, 1)
	steps := []struct {
		after  time.Duration
		bytes  int
		passes bool
		lost   dropped
	}{
		{0, 5000, true, dropped{}}, // more than the bucket holds, from a full one
		{0, 1, false, dropped{1, 1}},
		{500 * time.Millisecond, 100, false, dropped{}},
		{450 * time.Millisecond, 50, true, dropped{}},      // 973 of 5000 are paid
		{50 * time.Millisecond, 10, true, dropped{1, 100}}, // a second after it was told
		{time.Hour, 0, true, dropped{}},                    // full again, and not fuller
		{0, 4096, true, dropped{}},
		{0, 1, false, dropped{1, 1}},
	}
	for i, s := range steps {
		now = now.Add(s.after)
		if ok, lost := th.pass(s.bytes, clock); ok != s.passes || lost != s.lost {
			t.Errorf("step %d: %t, %+v; want %t, %+v", i, ok, lost, s.passes, s.lost)
		}
	}
	// The number of lines has a bound of its own.
	th = newThrottle(bucket{rate: 2, most: 10}, 1)
	for i := range 10 {
		if ok, _ := th.pass(1, clock); !ok {
			t.Errorf("line %d was dropped", i)
		}
	}
	if ok, _ := th.pass(1, clock); ok {
		t.Error("an eleventh line passed")
	}
	now = now.Add(500 * time.Millisecond)
	if ok, _ := th.pass(1, clock); !ok {
		t.Error("no line was earned")
	}
	// While there is enough left nobody looks at the clock.
	th = newThrottle(bucket{}, 1)
	th.pass(1, clock)
	if ok, _ := th.pass(1, nil); !ok {
		t.Error("a byte was dropped")
	}
}
