package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/bench/internal/report"
)

func TestMain(m *testing.M) {
	if role(os.Args) {
		return
	}
	os.Exit(m.Run())
}

// Every subject does every work that it has, and all results are right.
func TestSubjects(t *testing.T) {
	ctx := t.Context()
	b, err := newBench(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(b.dir)
	v, err := readVersions()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range openers(v) {
		t.Run(o.name, func(t *testing.T) {
			subjects, skipped, err := openAll(b, []opener{o})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := closeAll(subjects); err != nil {
					t.Error(err)
				}
			}()
			if skipped != nil {
				t.Skip(skipped)
			}
			done := 0
			for _, w := range works() {
				run, err := w.loop(subjects[0])
				if err != nil {
					t.Fatalf("%s: %v", w.name, err)
				}
				if run == nil {
					continue
				}
				done++
				for _, n := range []int{1, 2, 2 * callers} {
					if err := run(n); err != nil {
						t.Errorf("%s: %v", w.name, err)
					}
				}
			}
			if done == 0 {
				t.Error("it does nothing")
			}
		})
	}
}

// faulty answers right until the given call, then wrong.
func faulty(right int) *subject {
	calls := 0
	wrong := func() bool { calls++; return calls > right }
	return &subject{
		add: func(a, b int64) (int64, error) {
			if wrong() {
				a++
			}
			return a + b, nil
		},
		fib: func(int64) (int64, error) {
			if wrong() {
				return 6764, nil
			}
			return 6765, nil
		},
		row: rowOf(func(m map[string]any) (any, error) {
			if wrong() {
				return newRow(), nil // that of no call
			}
			return m, nil
		}),
		echo: func(size int, _ bool) (*echoer, error) {
			return newEchoer(size, func(dst, payload []byte) ([]byte, error) {
				dst = append(dst, payload...)
				if wrong() {
					dst[len(dst)-1]++
				}
				return dst, nil
			}), nil
		},
	}
}

// A wrong result of any call fails the work.
func TestChecks(t *testing.T) {
	const n = 50
	for _, w := range works() {
		for _, right := range []int{n, n - 1, n / 2, 0} {
			run, err := w.loop(faulty(right))
			if err != nil {
				t.Fatal(err)
			}
			if w.name == fmt.Sprintf("%d callers, echo 256 B", callers) {
				// The subject is not safe for several goroutines: one after the other.
				e, err := faulty(right).echo(256, true)
				if err != nil {
					t.Fatal(err)
				}
				run = together([]*echoer{e})
			}
			if err := run(n); (err == nil) != (right == n) {
				t.Errorf("%s, %d of %d right: found the error %v", w.name, right, n, err)
			}
		}
	}
}

// What is not the whole row, or not all of the bytes, is found at the first call of
// a turn.
func TestChecksAll(t *testing.T) {
	s := faulty(100)
	s.row = rowOf(func(m map[string]any) (any, error) {
		got := newRow()
		got["id"], got["unit"] = m["id"], "F"
		return got, nil
	})
	s.echo = func(size int, _ bool) (*echoer, error) {
		return newEchoer(size, func(dst, payload []byte) ([]byte, error) {
			dst = append(dst, payload...)
			dst[size/2]++
			return dst, nil
		}), nil
	}
	for name, loop := range map[string]func(*subject) (func(int) error, error){
		"row": rowLoop, "echo": echoLoop(256), "callers": callersLoop,
	} {
		run, err := loop(s)
		if err != nil {
			t.Fatal(err)
		}
		if run(callers) == nil {
			t.Errorf("%s: found no error", name)
		}
	}
	r := newRecord()
	other := r
	other.Unit = "F"
	if r.check(other, false) != nil || r.check(other, true) == nil {
		t.Error("a record is not checked whole, or always")
	}
}

// A promise is held against Vanth, not against the floor, and a row says which.
func TestPromises(t *testing.T) {
	list := openers(versions{})
	w := works()[0]
	rows := w.rows([]report.Figure{
		{Name: floorName, MedianNS: 10, Ratio: 1},
		{Name: handleName, MedianNS: 30, Ratio: 3},
		{Name: pinnedName, MedianNS: 20, Ratio: 2},
		{Name: "waPC-go", MedianNS: 300, Ratio: 30},
		{Name: "goja", MedianNS: 100, Ratio: 10},
	}, list)
	var promised []report.Row
	for _, r := range rows {
		if r.Promise != "" {
			promised = append(promised, r)
		}
	}
	if len(rows) != 5 || len(promised) != 1 {
		t.Fatalf("found %+v", rows)
	}
	p := promised[0]
	if p.Subject != "waPC-go" || p.Floor != pinnedName || p.Ratio != 15 || p.Bound != 10 || !p.AtLeast || p.FloorNS != 20 {
		t.Errorf("found %+v", p)
	}
	for _, o := range list {
		if o.peer != nobody && w.promised[o.peer] == 0 {
			t.Errorf("%s: add has no promise", o.name)
		}
	}
}

// Every peer is named with the version that go.mod pins.
func TestVersions(t *testing.T) {
	v, err := readVersions()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range openers(v) {
		if o.peer != nobody && o.peer != peerEKuiper && !strings.Contains(o.name, " v") {
			t.Errorf("found %q", o.name)
		}
	}
}

// What a machine lacks is told by name; everything else is an error, and what was
// started before it is closed.
func TestSkipped(t *testing.T) {
	closed := 0
	good := opener{"good", nobody, func(_ context.Context, s *subject, _ *bench) error {
		s.onClose(func() error { closed++; return nil })
		return nil
	}}
	fails := func(name string, err error) opener {
		return opener{name, nobody, func(_ context.Context, s *subject, _ *bench) error {
			s.onClose(func() error { closed++; return nil })
			return err
		}}
	}
	lacks := fails("lacking", fmt.Errorf("%w: no such tool", errLacks))
	subjects, skipped, err := openAll(nil, []opener{good, lacks, good})
	if err != nil || len(subjects) != 2 || closed != 1 || len(skipped) != 1 || !strings.Contains(skipped[0], "lacking: ") {
		t.Fatalf("found %d subjects, %d closed, %q, %v", len(subjects), closed, skipped, err)
	}
	if n := notes(skipped); !strings.HasPrefix(n[len(n)-1], "Not measured: lacking: ") {
		t.Errorf("found the notes %q", n)
	}
	closed = 0
	if _, _, err := openAll(nil, []opener{good, fails("broken", errors.ErrUnsupported)}); err == nil || closed != 2 {
		t.Errorf("found %d closed and the error %v", closed, err)
	}
}

// The report of a short run has a row for every work.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("starts everything again")
	}
	dir := t.TempDir()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	if err := run(ctx, []string{"-rounds", "1", "-round", "1ms", "-work", "add", "-out", dir}); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(dir + "/table.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| add(i64,i64) |", "P13: at least 3000x", "knqyf263/go-plugin v"} {
		if !strings.Contains(string(table), want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
}
