package portable_test

import (
	"fmt"
	"testing"
	"time"
)

// TestIdle: three generations of plugin sockets, contract 4.8. After a silence
// the first call gets its own answer, and so does everything that follows.
func TestIdle(t *testing.T) {
	t.Parallel()
	generations := []struct {
		name, sdk   string
		retry, keep time.Duration
	}{
		{"1 the last message is sent again and again", "go", 20 * time.Millisecond, 0},
		{"2 quiet", "python", 0, 0},
		{"3 go: control sent again, functions say handshake", "go", 20 * time.Millisecond, 10 * time.Millisecond},
		{"3 python: control and functions say handshake", "python", 0, 10 * time.Millisecond},
	}
	for _, g := range generations {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			r := newRole(g.sdk)
			r.Retry, r.Keep = g.retry, g.keep
			p := load(t, looseRuntime(t), r)
			for i := range 4 {
				p.want(t, fmt.Sprint(i), "echo", fmt.Sprint(i))
				time.Sleep(time.Duration(i) * 60 * time.Millisecond) // many re-sends or keep-alives
				for n := range 5 {
					want := fmt.Sprintf("%d-%d", i, n)
					p.want(t, want, "echo", want)
				}
				// Commands too: each start and stop reaches the plugin.
				s := p.open(t, "rows", nil)
				must(t, s.Close(t.Context()))
				if got := commands(p, "source"); got != 2*(i+1) {
					t.Fatalf("%d commands have reached the plugin, want %d", got, 2*(i+1))
				}
			}
			if st := p.status(); st.Restarts != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestKeepAliveStorm: more handshakes than a kernel buffer holds, while nobody
// calls: eKuiper's function is dead after 281.
func TestKeepAliveStorm(t *testing.T) {
	t.Parallel()
	each(t, wires(), func(t *testing.T, sdk string) {
		t.Parallel()
		r := newRole(sdk)
		r.Keep = time.Millisecond
		p := load(t, looseRuntime(t), r)
		time.Sleep(500 * time.Millisecond)
		p.want(t, "alive", "echo", "alive")
		// A call that takes longer than the keep-alive goes through too.
		p.want(t, 30.0, "sleep", 30.0)
	})
}

// TestResentAmidCalls: messages that are sent again cross the calls on their way.
func TestResentAmidCalls(t *testing.T) {
	r := newRole("go")
	r.Retry = 500 * time.Microsecond
	p := load(t, newRuntime(t, testOptions(t)), r)
	for i := range scale("VANTH_CALLS", 300, 1000) {
		want := fmt.Sprint(i)
		p.want(t, want, "echo", want)
		time.Sleep(time.Duration(i%7) * 100 * time.Microsecond)
	}
}
