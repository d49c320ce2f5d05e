//go:build linux

package reserve

import (
	"os"
	"testing"
)

// asks tells whether memories are wiped by what the kernel says.
func (w *wiper) asks() bool {
	w.once.Do(w.open)
	return w.pagemap != nil
}

// liar answers that no page was ever touched.
func liar(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestLeftoversAreFound has the check of TestReusedMemoryIsZero find a pool that cleans nothing.
func TestLeftoversAreFound(t *testing.T) {
	p := New(1 << 20)
	p.wiper.once.Do(func() { p.wiper.pagemap = liar(t) })
	soil(t, p, 1<<20, 1, 70000)
	if at := leftover(t, p, 1<<20); at != 70000 {
		t.Errorf("leftover at %d, want 70000", at)
	}
}

func TestKernelIsTriedBeforeItIsBelieved(t *testing.T) {
	if truthful(liar(t)) {
		t.Error("a list without a touched page was believed")
	}
	ones, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer ones.Close()
	if truthful(ones) {
		t.Error("an empty list was believed")
	}
	kernel, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skip(err)
	}
	defer kernel.Close()
	if !truthful(kernel) {
		t.Error("the kernel's list was not believed")
	}
}
