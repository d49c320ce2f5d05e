//go:build linux

package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
	"github.com/vanth-io/vanth/portable"
)

// portableWorks are calls of functions in other processes: over eKuiper's wire and
// over the fast lane.
func portableWorks() []work {
	works := []work{
		{name: "eKuiper's wire, its own plugin, one caller", subjects: wireSubjects},
		{name: "portable Go, one caller", subjects: laneSubjects},
		{name: "portable Go, 16 callers", subjects: laneCallers},
		{name: "portable Go, a record of a batch of 1,000", subjects: laneBatch},
		{name: "portable Python, one caller", subjects: pythonSubjects},
	}
	for i := range works {
		works[i].rounds, works[i].round = 80, 20*time.Millisecond
	}
	return works
}

// ownSuffix ends the names of plugins and functions: eKuiper's wire has sockets of
// these names in the machine's /tmp, where others may run the same.
func ownSuffix() string { return strconv.Itoa(os.Getpid()) }

// text is what the functions are called with, and what they answer.
const text = "abc"

// wireSubjects have as their plugin the loop of eKuiper's SDK for Go on a mangos
// socket, see peer. It answers with a bool, which nobody allocates. The floor of what it can cost is a bare Unix socket; what is
// promised is how much faster the host is than eKuiper's, so that is the floor here.
func wireSubjects(t testing.TB) []subject {
	args := []any{text, int64(3)}
	return []subject{
		{name: "lock-step host as eKuiper 2.4", run: anyLoop(lockstep(t, args), true)},
		{
			name: "Exec([]any)", run: execLoop(wireFunction(t), args, true),
			promises: []promise{{text: "P10: at least 1.5x the floor's calls/s, 0 allocations on the wire", bound: 1 / 1.5, noAllocs: true}},
		},
		{name: "the bytes over a bare Unix socket", run: anyLoop(pingpong(t), true)},
	}
}

// anyLoop makes a call n times and compares each result.
func anyLoop(call func() (any, error), want any) func(n int) error {
	return func(n int) error {
		for range n {
			v, err := call()
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

func laneSubjects(t testing.TB) []subject {
	code := buildGoGuest(t, false, ownSuffix())
	lane := goPlugin(t, code, portable.Options{})
	wire := goPlugin(t, code, portable.Options{EKuiperOnly: true})
	return []subject{
		{name: "futex ping-pong between two processes", run: futex(t)},
		{name: "fast lane", run: execLoop(lane, []any{text}, text), promises: []promise{
			{text: "P11: at most 1.5x", bound: 1.5},
			{text: "P11: at most 0.5 us hot", bound: 500, of: "median_ns"},
		}},
		{name: "eKuiper's wire", run: execLoop(wire, []any{text}, text)},
	}
}

func laneCallers(t testing.TB) []subject {
	lane := goPlugin(t, buildGoGuest(t, false, ownSuffix()), portable.Options{})
	slow := lockstep(t, []any{text, int64(3)})
	return []subject{
		{name: "lock-step host as eKuiper 2.4", run: times16(func() func(int) error { return anyLoop(slow, true) })},
		{
			name: "fast lane", run: times16(func() func(int) error { return execLoop(lane, []any{text}, text) }),
			promises: most("P11: at least 20x the floor's calls/s", 1.0/20),
		},
	}
}

// laneBatch carries 1,000 records in one crossing. The floor is the same crossing
// with one.
func laneBatch(t testing.TB) []subject {
	lane := goPlugin(t, buildGoGuest(t, false, ownSuffix()), portable.Options{})
	return []subject{
		{name: "a batch of one record", run: batchLoop(t, lane, 1)},
		{
			name: "fast lane", run: batchLoop(t, lane, 1000), per: 1000,
			promises: within("P11: at most 100 ns a record", 100),
		},
	}
}

// batchLoop sends so many records of one argument each and compares what comes
// back, all of it.
func batchLoop(t testing.TB, f *host.Handle, records int) func(n int) error {
	batch, want := frame.AppendArrayHeader(nil, records), frame.AppendArrayHeader(nil, records)
	for range records {
		batch = frame.AppendString(frame.AppendArrayHeader(batch, 1), text)
		want = frame.AppendString(want, text)
	}
	var out []byte
	return func(n int) (err error) {
		for range n {
			if out, err = f.ExecBatch(context.Background(), nil, out[:0], batch); err != nil {
				return err
			}
			if string(out) != string(want) {
				return errWrong
			}
		}
		return nil
	}
}

func pythonSubjects(t testing.TB) []subject {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: found no python3")
	}
	plugin := func(o portable.Options) *host.Handle {
		o.Python = python
		program, err := os.ReadFile("testdata/pyguest.py")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"bench", "echo"} {
			program = bytes.ReplaceAll(program, fmt.Appendf(nil, "%q", name), fmt.Appendf(nil, "%q", name+ownSuffix()))
		}
		f := files{"pyguest.py": program}
		sdk, err := filepath.Glob("../sdk/python/vanth/*.py")
		if err != nil || len(sdk) == 0 {
			t.Fatal("found no SDK", err)
		}
		for _, name := range sdk {
			if f["vanth/"+filepath.Base(name)], err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
		return portableFunction(t, o, "python", "pyguest.py", f)
	}
	return []subject{
		{name: "futex ping-pong between two processes", run: futex(t)},
		{name: "fast lane", run: execLoop(plugin(portable.Options{}), []any{text}, text)},
		{name: "eKuiper's wire", run: execLoop(plugin(portable.Options{EKuiperOnly: true}), []any{text}, text)},
	}
}

// goPlugin installs the guest in Go as a portable plugin and returns its echo.
func goPlugin(t testing.TB, code []byte, o portable.Options) *host.Handle {
	t.Helper()
	name := "bench" + ownSuffix() // the plugin takes the program's name for its own
	return portableFunction(t, o, "go", name, files{name: code})
}

// wireFunction installs a plugin that speaks eKuiper's wire.
func wireFunction(t testing.TB) *host.Handle {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nexec " + self + " " + peerWord + " plugin " + ownSuffix() + "\n"
	return portableFunction(t, portable.Options{}, "executable", "run.sh", files{"run.sh": []byte(script)})
}

// portableFunction installs a portable plugin, which is named "bench" with the
// suffix, in a host of its own, and returns its function echo.
func portableFunction(t testing.TB, o portable.Options, language, program string, f files) *host.Handle {
	t.Helper()
	o.SharedTmp = true // where this binary is
	rt := portable.New(o)
	t.Cleanup(func() { rt.Close(context.Background()) })
	h := openHost(t, rt)
	name, echo := "bench"+ownSuffix(), "echo"+ownSuffix()
	f[name+".json"] = fmt.Appendf(nil, `{"version":"1","language":%q,"executable":%q,"functions":[%q]}`, language, program, echo)
	install(t, h, host.ClassPortables, name, f)
	return function(t, h, echo)
}
