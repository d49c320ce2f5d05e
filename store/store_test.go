package store

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
)

func TestOpenMakesFolderAndFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home", "data", "vanth.db")
	mustOpen(t, path)
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir} {
		if i, err := os.Stat(name); err != nil || i.Mode() != want {
			t.Errorf("%s: mode %v, %v, want %v", name, i.Mode(), err, want)
		}
	}
}

func TestKilledFirstStart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vanth.db")
	if err := os.WriteFile(path+".123.new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, path)
	if err := s.PutPlugin(sample("a", 1)); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) != 1 {
		t.Errorf("files %q, want the store alone", names)
	}
}

func TestSecondHost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vanth.db")
	s := mustOpen(t, path)
	_, err := Open(path, WithLockTimeout(50*time.Millisecond))
	if !errors.Is(err, host.ErrInUse) || !strings.Contains(err.Error(), "another host uses this home") {
		t.Errorf("second Open: %v", err)
	}
	if err := s.PutPlugin(sample("a", 1)); err != nil {
		t.Errorf("the first host is disturbed: %v", err)
	}
}

// TestManyFirstStarts has several open one new home at once: one gets it.
func TestManyFirstStarts(t *testing.T) {
	for range 10 {
		path := filepath.Join(t.TempDir(), "vanth.db")
		type result struct {
			s   *Store
			err error
		}
		results := make(chan result)
		for range 4 {
			go func() {
				s, err := Open(path, WithLockTimeout(150*time.Millisecond))
				results <- result{s, err}
			}()
		}
		var won *Store
		for range 4 {
			r := <-results
			switch {
			case r.err == nil && won == nil:
				won = r.s
			case r.err == nil:
				t.Error("two have the store")
				_ = r.s.Close()
			case !errors.Is(r.err, host.ErrInUse):
				t.Error(r.err)
			}
		}
		if won == nil {
			t.Fatal("nobody has the store")
		}
		if err := errors.Join(won.PutPlugin(sample("a", 1)), won.Close()); err != nil {
			t.Fatal(err)
		}
		if text, errs := dump(mustOpen(t, path)); errs != nil || text == "" {
			t.Errorf("%q, %v", text, errs)
		}
	}
}

func TestClosed(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "vanth.db"))
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	errs := []error{
		s.PutPlugin(sample("a", 1)), s.DeletePlugin(wasmID("a")), s.DeletePlugin(wasmID("")),
		s.SaveState(wasmID("a"), []host.StateChange{value("k", nil)}), s.SaveState(wasmID("a"), nil),
	}
	_, yielded := dump(s, wasmID("a"))
	for i, err := range append(errs, yielded...) {
		if !errors.Is(err, host.ErrClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if len(yielded) != 2 {
		t.Errorf("iterators yielded %v", yielded)
	}
}

// TestCloseDuringCalls closes while calls run: each ends as done or as closed.
func TestCloseDuringCalls(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "vanth.db"))
	results := make(chan error)
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				err := s.PutPlugin(sample(fmt.Sprint("p", w), i))
				for _, e := range s.Plugins() {
					err = errors.Join(err, e)
				}
				if err != nil {
					results <- err
					return
				}
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 4 {
		if err := <-results; !errors.Is(err, host.ErrClosed) || errors.Is(err, host.ErrDamaged) {
			t.Error(err)
		}
	}
}

func TestRefused(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "vanth.db"))
	long := value(strings.Repeat("k", bbolt.MaxKeySize), []byte("x"))
	cases := map[string]error{
		"no class": s.PutPlugin(host.Record{ID: host.ID{Name: "a"}}),
		"escape":   s.PutPlugin(host.Record{ID: wasmID("../x")}),
		"NUL":      s.SaveState(wasmID("a\x00b"), []host.StateChange{value("k", nil)}),
		"long key": s.SaveState(wasmID("a"), []host.StateChange{value("first", []byte("x")), long}),
	}
	for name, err := range cases {
		if !errors.Is(err, host.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, errs := dump(s, wasmID("a"), wasmID("")); text != "" || errs != nil {
		t.Errorf("a refused change left %q, %v", text, errs)
	}
}

func TestFileThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte(strings.Repeat("not a store ", 9000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"folder": dir, "below a file": filepath.Join(plain, "vanth.db")} {
		if s, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if _, err := Open(plain); !errors.Is(err, host.ErrDamaged) {
		t.Errorf("another program's file: %v", err)
	}
}

// TestReadOnlyFile gives the store a file it cannot write: reading goes on.
func TestReadOnlyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vanth.db")
	s := mustOpen(t, path)
	if err := errors.Join(s.PutPlugin(sample("a", 1)), s.Close()); err != nil {
		t.Fatal(err)
	}
	readOnly := func(o *options) {
		o.openFile = func(name string, _ int, mode fs.FileMode) (*os.File, error) {
			return os.OpenFile(name, os.O_RDONLY, mode)
		}
	}
	s = mustOpen(t, path, readOnly)
	for range 2 {
		if err := s.PutPlugin(sample("b", 1)); err == nil || errors.Is(err, host.ErrDamaged) || !strings.Contains(err.Error(), path) {
			t.Errorf("PutPlugin: %v", err)
		}
	}
	if text, errs := dump(s); errs != nil || text != fmt.Sprintf("%+v\n", sample("a", 1)) {
		t.Errorf("%q, %v", text, errs)
	}
}

// child runs the test binary as what and returns its output by lines.
func child(t *testing.T, what, arg string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, arg)
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// childWrite puts and saves numbers, going on from where the store stands, and
// prints each when it is acknowledged.
func childWrite(path string) {
	s, err := Open(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	st := stored(s)
	for n := st.first; n >= 0 && n <= st.next-21; n++ { // what the kill left over
		if err := s.DeletePlugin(wasmID(fmt.Sprintf("n%06d", n))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	for n := st.next; ; n++ {
		id := wasmID("counted")
		v := []byte(strconv.Itoa(n))
		err := errors.Join(
			s.PutPlugin(sample(fmt.Sprintf("n%06d", n), n)),
			s.SaveState(id, []host.StateChange{value("a", v), value(fmt.Sprint("b", n%7), v), value(fmt.Sprint("b", (n+3)%7), nil), value("c", v)}))
		if n >= 20 {
			err = errors.Join(err, s.DeletePlugin(wasmID(fmt.Sprintf("n%06d", n-20))))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

type standing struct {
	next   int // the first number that has no record
	first  int // the first that has one, and so have all between
	saved  int // the number that state holds, -1 for none
	faults []string
}

// stored reads what childWrite left and holds it to what one kill may leave.
func stored(s *Store) (st standing) {
	st.saved, st.first = -1, -1
	for r, err := range s.Plugins() {
		n, _ := strconv.Atoi(strings.TrimPrefix(r.ID.Name, "n"))
		if err != nil || st.first >= 0 && n != st.next || r.SHA256 != fmt.Sprintf("%064x", n) {
			st.faults = append(st.faults, fmt.Sprintf("record %s after %d: %v", r.ID, st.next-1, err))
		}
		if st.first < 0 {
			st.first = n
		}
		st.next = n + 1
	}
	got := map[string]string{}
	for c, err := range s.State(wasmID("counted")) {
		got[c.Key] = string(c.Value)
		if err != nil {
			st.faults = append(st.faults, err.Error())
		}
	}
	if a := got["a"]; a != "" {
		st.saved, _ = strconv.Atoi(a)
		if got["c"] != a || got[fmt.Sprint("b", st.saved%7)] != a {
			st.faults = append(st.faults, fmt.Sprintf("half a save: %v", got))
		}
	}
	return st
}

func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vanth.db")
	rng := rand.New(rand.NewPCG(7, 8))
	last, total := -1, 0 // the last number that must be there
	for round := range 50 {
		acked := -1
		cmd, lines := child(t, "write", path)
		time.AfterFunc(time.Duration(20+rng.IntN(60))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines.Scan() {
			n, err := strconv.Atoi(lines.Text())
			if err != nil || n <= last {
				t.Fatalf("round %d: the child says %q after %d", round, lines.Text(), last)
			}
			last, acked, total = n, n, total+1
		}
		_ = cmd.Wait() // killed
		s, err := Open(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		st := stored(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		// What was written and not yet acknowledged may be there too.
		if st.faults != nil || st.next <= last || st.next > last+2 || st.saved < last-1 || st.saved < acked || st.saved > last+1 ||
			(last >= 20 && (st.first < last-20 || st.first > last-18)) {
			t.Fatalf("round %d: acknowledged up to %d, found %+v", round, last, st)
		}
		last = st.next - 1 // what is there now must stay
	}
	t.Logf("50 kills, %d acknowledged", total)
	if total < 50 {
		t.Errorf("only %d writes were acknowledged: the kills come too early to test anything", total)
	}
}
