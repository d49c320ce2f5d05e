package portable_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable"
)

// TestCloseWaits: calls in flight end well, those that come late are refused.
func TestCloseWaits(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		source := p.open(t, "rows", nil)
		sink := p.openSink(t, nil)
		var wg sync.WaitGroup
		wg.Go(func() { p.want(t, 200.0, "sleep", 200.0) })
		time.Sleep(50 * time.Millisecond)
		f := p.function(t, "echo")
		must(t, p.Close(t.Context()))
		wg.Wait()
		must(t, p.Close(t.Context()))
		_, nextErr := next(source)
		_, execErr := f.Exec(t.Context(), nil, []any{1.0})
		late, err := p.Source("rows", nil, nil)
		must(t, err)
		for what, err := range map[string]error{
			"next": nextErr, "write": write(sink, "x"), "exec": execErr, "validate": f.Validate([]any{1.0}), "open": late.Open(t.Context()),
		} {
			if !errors.Is(err, host.ErrClosed) {
				t.Errorf("%s after close: %v", what, err)
			}
		}
		quick(t, "closing what is closed", func() error { return errors.Join(source.Close(t.Context()), sink.Close(t.Context())) })
		if left := children(t); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
	})
}

// TestCloseForces: calls that do not end are ended.
func TestCloseForces(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		o := testOptions(t)
		o.RecvTimeout = 20 * time.Second
		r := newRole(sdk)
		r.Functions = []string{"spin", "sleep"}
		p := load(t, newRuntime(t, o), r)
		failed := make(chan error, 3)
		for range 3 { // one runs, two wait for it
			go func() { failed <- callError(p, "spin") }()
		}
		time.Sleep(50 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begun := time.Now()
		must(t, p.Close(ctx))
		if took := time.Since(begun); took < 90*time.Millisecond || took > time.Second {
			t.Errorf("close took %v", took)
		}
		interrupted := 0
		for range 3 {
			select {
			case err := <-failed:
				if errors.Is(err, host.ErrInterrupted) {
					interrupted++
				} else if !errors.Is(err, host.ErrClosed) {
					t.Errorf("a call that was forced to end: %v", err)
				}
			case <-time.After(time.Second):
				t.Fatal("a call goes on")
			}
		}
		if interrupted == 0 {
			t.Error("the call that ran was not told so")
		}
	})
}

// TestCloseQuick: in a pause between starts, and in the middle of one.
func TestCloseQuick(t *testing.T) {
	each(t, []string{"go", "ring"}, func(t *testing.T, sdk string) {
		r := newRole(sdk)
		r.First = []string{"sick"}
		rt := newRuntime(t, testOptions(t))
		p := load(t, rt, r)
		source := p.open(t, "rows", nil)
		note(p.dir, "sick", "")
		must(t, syscall.Kill(p.pid(t), syscall.SIGKILL))
		until(t, "it is in a pause", func() bool { return len(notes(p.dir, "starts")) >= 4 })
		quick(t, "a source without a process", func() error { return source.Close(t.Context()) })
		quick(t, "close in a pause", func() error { return p.Close(t.Context()) })
		r = newRole("mute")
		failed := make(chan error, 1)
		go func() {
			_, err := rt.Load(context.Background(), bundle(t, r))
			failed <- err
		}()
		until(t, "it starts", func() bool { return len(children(t)) == 1 })
		quick(t, "close in a start", func() error { return rt.Close(t.Context()) })
		select {
		case err := <-failed:
			if err == nil {
				t.Error("a load goes on after close")
			}
		case <-time.After(time.Second):
			t.Error("a load hangs after close")
		}
	})
}

// TestLoadWhileClosing: whatever the order, both return.
func TestLoadWhileClosing(t *testing.T) {
	for i := range scale("VANTH_CLOSES", 5, 20) {
		rt := portable.New(testOptions(t))
		done := make(chan struct{})
		b := bundle(t, newRole("socket"))
		go func() {
			defer close(done)
			if m, err := rt.Load(context.Background(), b); (m == nil) == (err == nil) {
				t.Errorf("module %v, error %v", m, err)
			}
		}()
		time.Sleep(time.Duration(i) * 300 * time.Microsecond)
		must(t, rt.Close(t.Context()))
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Fatal("load hangs")
		}
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// TestSlowStop: a plugin that answers nothing is not waited for longer than
// allowed.
func TestSlowStop(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		o := testOptions(t)
		o.RecvTimeout, o.Grace = 100*time.Millisecond, 100*time.Millisecond
		p := load(t, newRuntime(t, o), newRole(sdk))
		source := p.open(t, "rows", nil)
		halt(t, p.pid(t))
		begun := time.Now()
		if err := source.Close(t.Context()); err == nil {
			t.Error("a stop that nobody heard is no error")
		}
		if took := time.Since(begun); took > 1500*time.Millisecond {
			t.Errorf("closing a source of a stopped process took %v", took)
		}
		if err := callError(p, "echo", 1.0); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("a call: ", err)
		}
		begun = time.Now()
		must(t, p.Close(t.Context()))
		if took := time.Since(begun); took > 1500*time.Millisecond {
			t.Errorf("closing a stopped process took %v", took)
		}
	})
}

// halt stops a process, and waits until it is.
func halt(t *testing.T, pid int) {
	must(t, syscall.Kill(pid, syscall.SIGSTOP))
	until(t, "it is stopped", func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := bytes.Cut(b, []byte(") "))
		return bytes.HasPrefix(rest, []byte("T"))
	})
}
