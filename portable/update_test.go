package portable_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable"
)

// sandboxes are the two ways to hold sockets apart: a /tmp for each process, or
// everybody's, where the kernel says who connects.
func sandboxes(t *testing.T, test func(t *testing.T, o portable.Options, suffix string)) {
	t.Run("private", func(t *testing.T) { test(t, testOptions(t), "") })
	t.Run("shared", func(t *testing.T) {
		o := testOptions(t)
		o.SharedTmp = true
		suffix := fmt.Sprintf("_%d", os.Getpid()) // other tests run on this machine
		t.Cleanup(func() {
			if left, _ := filepath.Glob("/tmp/*" + suffix + "*.ipc"); len(left) > 0 {
				t.Errorf("sockets are left: %v", left)
			}
		})
		test(t, o, suffix)
	})
}

// TestHotUpdate: two modules of one plugin side by side; the old one serves until
// it is closed, and what is open in it stays there.
func TestHotUpdate(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		sandboxes(t, func(t *testing.T, o portable.Options, suffix string) {
			rt := newRuntime(t, o)
			r := newRole(sdk)
			token, echo := "token"+suffix, "echo"+suffix
			r.Name, r.Functions = "kit"+suffix, []string{token, echo}
			old := load(t, rt, r)
			of, err := old.call(token)
			must(t, err)
			source, err := old.Source("rows", &host.Call{Rule: "old" + suffix}, host.Props{"count": 1 << 30, "every": 1})
			must(t, err)
			must(t, source.Open(t.Context()))
			fresh := load(t, rt, r)
			nf, err := fresh.call(token)
			must(t, err)
			for range 5 {
				old.want(t, of, token)
				fresh.want(t, nf, token)
				m, err := next(source)
				must(t, err)
				if row := m.Value.(map[string]any); row["p"] != of {
					t.Errorf("a row of the wrong process")
				}
			}
			if of == nf {
				t.Error("there is one process only")
			}
			must(t, source.Close(t.Context()))
			must(t, old.Close(t.Context()))
			fresh.want(t, nf, token)
			must(t, ownAnswers(fresh.function(t, echo), 4, 20))
		})
	})
}

// TestTwoHosts: two runtimes on one machine whose plugins export one name.
func TestTwoHosts(t *testing.T) {
	each(t, wires(), func(t *testing.T, sdk string) {
		r := newRole(sdk)
		r.Functions = []string{"token"}
		a := load(t, looseRuntime(t), r)
		b := load(t, looseRuntime(t), r)
		av, err := a.call("token")
		must(t, err)
		bv, err := b.call("token")
		must(t, err)
		if av == bv {
			t.Error("both hosts reach one process")
		}
		for range 20 {
			a.want(t, av, "token")
			b.want(t, bv, "token")
		}
		must(t, a.Close(t.Context()))
		b.want(t, bv, "token")
		must(t, b.Close(t.Context()))
	})
}

// looseRuntime is a runtime beside others, whose processes are not counted.
func looseRuntime(t *testing.T) *portable.Runtime {
	rt := portable.New(testOptions(t))
	t.Cleanup(func() { must(t, rt.Close(context.Background())) })
	return rt
}

// TestTwoHostsShared: in everybody's /tmp the second host is told who is in its
// way, and the first goes on.
func TestTwoHostsShared(t *testing.T) {
	o := testOptions(t)
	o.SharedTmp = true
	r := newRole("go")
	r.Name = fmt.Sprintf("kit_%d", os.Getpid())
	r.Functions = []string{fmt.Sprintf("echo_%d", os.Getpid())}
	a := load(t, newRuntime(t, o), r)
	o.Dir = t.TempDir()
	b := portable.New(o)
	if _, err := b.Load(t.Context(), bundle(t, r)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second host: %v", err)
	}
	must(t, b.Close(t.Context()))
	a.want(t, 1.0, r.Functions[0], 1.0)
}
