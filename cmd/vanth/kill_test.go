package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestKill kills the host with SIGKILL at random instants of installs, updates
// and deletions, and of its start. Afterwards every plugin is old or new, whole;
// what was answered stands; nothing is left over. VANTH_KILLS sets how often
// (`make kill`), VANTH_SEED the instants.
func TestKill(t *testing.T) {
	kills := number("VANTH_KILLS", 200)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("VANTH_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("%d kills, VANTH_SEED=%d", kills, seed)
	k := &killer{
		t: t, home: t.TempDir(), random: rand.New(rand.NewPCG(seed, 1)), known: map[string]int{},
		class: "wasm", longest: 60 * time.Millisecond, start: startServe, body: versioned,
	}
	k.run(kills)
}

// TestKillNative does the same to native plugins. Their updates run after the
// next start, which comes soon here.
func TestKillNative(t *testing.T) {
	nativeBinary(t)
	k := &killer{
		t: t, home: t.TempDir(), random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2)), known: map[string]int{},
		class: "functions", longest: 400 * time.Millisecond, body: versionedSo,
		start: func(t *testing.T, home string, args ...string) *process { p, _ := startNative(t, home); return p },
	}
	k.run(number("VANTH_KILLS", 25))
}

// run kills the host so many times.
func (k *killer) run(kills int) {
	t := k.t
	for i := range kills {
		if i%5 == 4 {
			k.killStart()
		}
		k.round()
		if t.Failed() {
			t.Fatalf("after %d kills", i)
		}
	}
	t.Logf("%d operations were answered, %d were cut off and %d of these had come to pass", k.answered, k.cut, k.passed)
	if k.answered == 0 || k.cut == 0 {
		t.Error("the kills hit nothing")
	}
}

// killer drives a host that it kills, and knows what must be true of it.
type killer struct {
	t       *testing.T
	home    string
	random  *rand.Rand
	class   string
	longest time.Duration // from the start of operations to the kill
	start   func(t *testing.T, home string, args ...string) *process
	body    func(t testing.TB, name string, version int) []byte

	next  int            // version of the next install
	known map[string]int // plugin to version; none for 0

	answered, cut, passed int
}

// operation is one change and what the plugin's version is after it.
type operation struct {
	method, path string
	body         []byte
	name         string
	version      int
}

func (k *killer) operation() operation {
	name := []string{"alfa", "beta", "gama"}[k.random.IntN(3)]
	k.next++
	o := operation{name: name, version: k.next}
	switch {
	case k.known[name] == 0:
		o.method, o.path = "POST", "/plugins/"+k.class+"?name="+name
	case k.random.IntN(3) == 0:
		o.method, o.path, o.version = "DELETE", "/plugins/"+k.class+"/"+name, 0
	default:
		o.method, o.path = "PUT", "/plugins/"+k.class+"/"+name
	}
	if o.version != 0 {
		o.body = k.body(k.t, name, o.version)
	}
	return o
}

// killStart kills a host while it starts.
func (k *killer) killStart() {
	p := launch(k.t, "serve", "--home", k.home, "--listen", "127.0.0.1:0")
	time.Sleep(time.Duration(k.random.IntN(30_000)) * time.Microsecond)
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// round starts the host, compares it with what is known, changes plugins until
// it is killed, and leaves with what is known then.
func (k *killer) round() {
	p := k.start(k.t, k.home)
	c := newPeer(p.address)
	defer c.close()
	k.compare(c)
	if k.t.Failed() {
		return
	}
	timer := time.AfterFunc(time.Duration(k.random.Int64N(int64(k.longest))), func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	for {
		o := k.operation()
		status, body, err := c.do(o.method, o.path, o.body)
		if err != nil {
			<-p.ended
			k.cut++
			k.settle(o)
			return
		}
		if status >= 300 {
			k.t.Errorf("%s %s: %d %s", o.method, o.path, status, body)
			return
		}
		k.answered++
		k.known[o.name] = o.version
	}
}

// settle finds out what became of an operation that was not answered: either
// outcome is right.
func (k *killer) settle(o operation) {
	p := k.start(k.t, k.home)
	defer func() { _ = p.cmd.Process.Kill(); <-p.ended }()
	c := newPeer(p.address)
	defer c.close()
	got, err := c.call(o.name)
	if err != nil {
		k.t.Error(err)
	}
	if got != k.known[o.name] && got != o.version {
		k.t.Errorf("%s %s was cut off: version %d became %d, want %d", o.method, o.name, k.known[o.name], got, o.version)
	}
	if got == o.version {
		k.passed++
	}
	k.known[o.name] = got
	k.compare(c)
}

// compare holds the host, and what stands on its disk, against what is known.
func (k *killer) compare(c *peer) {
	status, body, err := c.do("GET", "/functions", nil)
	var list []struct{ Name, Version, Status string }
	if err == nil && status == http.StatusOK {
		err = json.Unmarshal([]byte(body), &list)
	}
	if err != nil {
		k.t.Errorf("list: %d %s %v", status, body, err)
		return
	}
	var want, got []string
	for name, version := range k.known {
		if version != 0 {
			want = append(want, fmt.Sprintf("%s %d running", name, version))
		}
		if v, err := c.call(name); err != nil || v != version {
			k.t.Errorf("%s answers %d, %v; want %d", name, v, err, version)
		}
	}
	for _, p := range list {
		got = append(got, p.Name+" "+p.Version+" "+p.Status)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		k.t.Errorf("plugins %q, want %q", got, want)
	}
	found, _ := filepath.Glob(filepath.Join(k.home, "data", "bundles", "*", "*", "*"))
	if len(found) != len(want) {
		k.t.Errorf("bundles on disk %q, want those of %q", found, want)
	}
	if files, _ := filepath.Glob(filepath.Join(k.home, "etc", "functions", "*.json")); k.class == "functions" && len(files) != len(want) {
		k.t.Errorf("configuration files %q, want those of %q", files, want)
	}
	if left, _ := filepath.Glob(filepath.Join(k.home, "data", "tmp", "*")); len(left) != 0 {
		k.t.Errorf("left over: %q", left)
	}
}
