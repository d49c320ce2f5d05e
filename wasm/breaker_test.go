package wasm

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

const moody = header + `(func (export "fn_f") (param i32) (result i32)
  (if (local.get 0) (then unreachable)) (i32.const 7))
  (func (export "fn_spin") (loop $l (br $l))))`

// TestQuarantine: a plugin that only fails is refused after a while, then tried now
// and then, and serves again when it is well.
func TestQuarantine(t *testing.T) {
	rt := newRuntime(t, Options{Quarantine: 5})
	m := load(t, rt, watBundle(t, moody, host.Manifest{Functions: []string{"f", "spin"}}))
	call := func(bad int64) error {
		_, err := fn(t, m, "f").Exec(t.Context(), nil, []any{bad})
		return err
	}
	now := time.Duration(1)
	m.breaker.clock = func() time.Duration { return now }
	for range 20 { // never five in a row
		for range 4 {
			if err := call(1); err == nil || errors.Is(err, host.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if err := call(0); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		_ = call(1)
	}
	refused := func(term time.Duration) {
		t.Helper()
		err := call(0)
		if !errors.Is(err, host.ErrUnavailable) || !strings.Contains(err.Error(), "quarantined for "+term.String()) || !strings.Contains(err.Error(), "unreachable") {
			t.Fatalf("%v, expected a quarantine of %v", err, term)
		}
	}
	refused(time.Second)
	faults, quarantine := m.breaker.state()
	if faults != 85 || quarantine == nil {
		t.Error(faults, quarantine)
	}
	now += time.Second
	if err := call(1); errors.Is(err, host.ErrUnavailable) { // the one that is let through
		t.Fatal(err)
	}
	refused(2 * time.Second)
	now += 2 * time.Second
	if err := call(0); err != nil {
		t.Fatal(err)
	}
	if err := call(0); err != nil {
		t.Fatal("not healed:", err)
	}
	for range 5 { // again, before a good minute
		_ = call(1)
	}
	refused(4 * time.Second)
	m.breaker.reset()
	if err := call(0); err != nil {
		t.Error(err)
	}
}

// TestQuarantineOfWaste: a plugin whose calls end at their deadline now and then is
// quarantined for the time that it takes, however many are well.
func TestQuarantineOfWaste(t *testing.T) {
	b := breaker{after: 50, clock: func() time.Duration { return 1 }}
	late := &host.GuestError{Fault: host.FaultDeadline, Err: errors.New("late")}
	n := 0
	for ; b.enter() == nil && n < 100; n++ {
		b.sound()
		b.fault(late, time.Second)
	}
	if n != 5 {
		t.Errorf("quarantined after %d s of waste", n)
	}
	b = breaker{after: 50}
	now := time.Duration(1)
	b.clock = func() time.Duration { return now }
	for range 100 { // a tenth of the time may be wasted for good
		b.sound()
		b.fault(late, time.Second)
		now += 10 * time.Second
	}
	if err := b.enter(); err != nil {
		t.Error(err)
	}
}

// TestNoQuarantine: it can be switched off.
func TestNoQuarantine(t *testing.T) {
	rt := newRuntime(t, Options{Quarantine: -1})
	m := load(t, rt, watBundle(t, moody, host.Manifest{Functions: []string{"f", "spin"}}))
	for range 200 {
		if _, err := fn(t, m, "f").Exec(t.Context(), nil, []any{int64(1)}); errors.Is(err, host.ErrUnavailable) {
			t.Fatal(err)
		}
	}
}
