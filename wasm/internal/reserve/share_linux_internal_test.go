//go:build linux

package reserve

import (
	"bytes"
	"testing"
)

// TestKernelThatDoesNotTell has a kernel that does not tell a memory's own pages from those of the file: more is restored
// than need be, and nothing less.
func TestKernelThatDoesNotTell(t *testing.T) {
	want := images()["large"]
	p := New(4 << 20)
	defer p.Discard()
	i := captured(New(4<<20), want)
	if !i.mapped() {
		t.Skip("this kernel has no files without names")
	}
	i.shared.honest = false
	if err := p.Use(i); err != nil {
		t.Fatal(err)
	}
	for life := range 20 {
		lease, err := p.Lease()
		if err != nil {
			t.Fatal(err)
		}
		mem := lease.Allocate(0, 0).Reallocate(0)
		for range 3 {
			if !bytes.Equal(mem, want) {
				t.Fatalf("life %d: the first byte that differs is at %#x", life, differs(mem, want))
			}
			copy(mem[life*40_000:], bytes.Repeat([]byte{byte(life)}, 50_000))
			lease.Reset()
		}
		lease.Release()
	}
}

// TestSharingIsSealed: nobody can change what memories share.
func TestSharingIsSealed(t *testing.T) {
	i := captured(New(4<<20), images()["large"])
	if !i.mapped() {
		t.Skip("this kernel has no files without names")
	}
	defer i.shared.close()
	if _, err := i.shared.file.WriteAt([]byte{1}, 0); err == nil {
		t.Error("it was written to")
	}
	if err := i.shared.file.Truncate(0); err == nil {
		t.Error("it was cut off")
	}
}
