package portable_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// TestHostileHello: what is no hello fails Load with a reason, and nobody else.
func TestHostileHello(t *testing.T) {
	o := testOptions(t)
	o.InitTimeout = 300 * time.Millisecond
	rt := newRuntime(t, o)
	good := newRole("socket")
	good.Name = "good"
	p := load(t, rt, good)
	pid := p.pid(t)
	cases := map[string]string{
		"half": "receive time out", "huge": "at most", "op": "expected hello", "version": "expected hello",
		"name": `calls itself "other"`, "lacking": "does not have it", "bytes": "",
	}
	for hostile, want := range cases {
		r := newRole("socket")
		r.Hostile, r.Bytes = hostile, []byte(strings.Repeat("\x00\xff garbage ", 100))
		begun := time.Now()
		_, err := rt.Load(t.Context(), bundle(t, r))
		if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), want) || took > 2*time.Second {
			t.Errorf("%s: %v after %v", hostile, err, took)
		}
	}
	p.want(t, 1.0, "echo", 1.0)
	if p.pid(t) != pid {
		t.Error("another plugin was restarted")
	}
}

// TestHostileFrames: a plugin that breaks the protocol is ended, with nobody
// else; what asks for nothing is skipped.
func TestHostileFrames(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		rt := newRuntime(t, testOptions(t))
		good := newRole(sdk)
		good.Name = "good"
		p := load(t, rt, good)
		pid := p.pid(t)
		for name, c := range map[string]struct {
			bytes []byte
			ends  bool
		}{
			"an unknown op":         {laneFrame{op: 200, payload: []byte("x")}.bytes(), false},
			"an answer to nobody":   {laneFrame{op: 32, id: 77, payload: pack("x")}.bytes(), false},
			"an answer to id 0":     {laneFrame{op: 32, payload: pack("x")}.bytes(), false},
			"a message for nobody":  {laneFrame{op: 52, ctx: 9, payload: pack("x")}.bytes(), false},
			"a key that is no text": {laneFrame{op: 64, payload: packArgs([]any{int64(1)})}.bytes(), true},
			"no key":                {laneFrame{op: 65, payload: packArgs(nil)}.bytes(), true},
			"garbage for a key":     {laneFrame{op: 66, payload: []byte{0xc1}}.bytes(), true},
			"a count by text":       {laneFrame{op: 67, payload: packArgs([]any{"k", "x"})}.bytes(), true},
			"a length beyond all":   {[]byte{255, 255, 255, 255, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, true},
			"a value beyond bounds": {laneFrame{op: 65, id: 1, payload: packArgs([]any{strings.Repeat("k", 5000), nil})}.bytes(), false},
		} {
			t.Run(name, func(t *testing.T) {
				r := newRole(sdk)
				r.Bytes = c.bytes
				q, err := loadLoose(t, rt, r)
				if err != nil && c.ends {
					return // it was faster than Load
				}
				must(t, err)
				defer func() { must(t, q.Close(t.Context())) }()
				if c.ends {
					until(t, "it is ended", func() bool { return q.status().LastExit == "signal: killed" })
				} else {
					q.want(t, 1.0, "echo", 1.0)
				}
				p.want(t, 1.0, "echo", 1.0)
			})
		}
		if p.pid(t) != pid || p.status().Restarts != 0 {
			t.Errorf("another plugin was disturbed: %+v", p.status())
		}
	})
}

// loadLoose loads a plugin that may end at once.
func loadLoose(t *testing.T, rt host.Runtime, r role) (*plugin, error) {
	b := bundle(t, r)
	m, err := rt.Load(t.Context(), b)
	if err != nil {
		return nil, err
	}
	return &plugin{m, b.Dir, r}, nil
}

// TestGreedySource: one that does not look at its credit is ended.
func TestGreedySource(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		p := start(t, sdk)
		_ = p.open(t, "rows", host.Props{"count": 100_000, "greedy": true})
		until(t, "it is ended", func() bool { return p.status().LastExit == "signal: killed" })
	})
}

// TestFaultIsNotTheEnd: calls go on while other calls fail.
func TestFaultIsNotTheEnd(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		p := start(t, sdk)
		for range 100 {
			if g := guestError(t, "fail", callError(p, "fail")); g.Class != "usage" {
				t.Fatalf("class %q", g.Class)
			}
			p.want(t, 1.0, "echo", 1.0)
		}
		if p.status().Restarts != 0 {
			t.Error("a fault has cost the process")
		}
	})
}
