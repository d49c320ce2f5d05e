package reserve_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/wasm/internal/reserve"
)

// shares is what the kernel says of this process in KiB: what it has for itself, and its part of what is shared.
func shares(t *testing.T) (private, proportional int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		key, rest, _ := strings.Cut(line, ":")
		n := 0
		fmt.Sscan(rest, &n)
		switch key {
		case "Private_Dirty", "Private_Clean":
			private += n
		case "Pss":
			proportional = n
		}
	}
	return private, proportional
}

// captured is the image of a guest of a pool whose memory is like this.
func captured(t *testing.T, p *reserve.Pool, mem []byte) *reserve.Image {
	lease, err := p.Lease()
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	copy(lease.Allocate(0, 0).Reallocate(uint64(len(mem))), mem)
	return lease.Capture()
}

// TestMemoriesShareTheImage: a hundred memories whose image is read cost little more than one, until they are written to.
func TestMemoriesShareTheImage(t *testing.T) {
	const count, size = 100, 4 << 20
	p := reserve.New(16 << 20)
	defer p.Discard()
	if err := p.Use(captured(t, p, bytes.Repeat([]byte{7}, size))); err != nil {
		t.Fatal(err)
	}
	before, _ := shares(t)
	leases := make([]*reserve.Lease, count)
	mems := make([][]byte, count)
	for i := range leases {
		var err error
		if leases[i], err = p.Lease(); err != nil {
			t.Fatal(err)
		}
		mems[i] = leases[i].Allocate(0, 0).Reallocate(0)
		if bytes.Count(mems[i], []byte{7}) != size {
			t.Fatal("a memory is not what the image has")
		}
	}
	read, _ := shares(t)
	for _, mem := range mems {
		mem[size/2] = 1
	}
	written, _ := shares(t)
	t.Logf("private: %d KiB, with %d memories read %d, with a page written in each %d", before, count, read, written)
	// The image itself and the tables of pages are private too, or may be: 4 MiB and 8 KiB for each.
	if each := (read - before - size>>10) / count; each > 20 && !raced {
		t.Errorf("%d KiB for a memory that was read only", each)
	}
	if each := (written - read) / count; each > 4*os.Getpagesize()>>10 {
		t.Errorf("%d KiB for a page that was written", each)
	}
	for _, l := range leases {
		l.Release()
	}
}

// TestImagesEnd: neither files nor mappings stay.
func TestImagesEnd(t *testing.T) {
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	image := bytes.Repeat([]byte{7}, 1<<20)
	life := func(late bool) {
		p := reserve.New(16 << 20)
		if err := p.Use(captured(t, p, image)); err != nil {
			t.Fatal(err)
		}
		lease, err := p.Lease()
		if err != nil {
			t.Fatal(err)
		}
		mem := lease.Allocate(0, 0).Reallocate(0)
		mem[5] = 1
		if late {
			p.Discard()
			if !lease.Reset() || mem[5] != 7 {
				t.Error("a memory cannot be reset when its pool has ended")
			}
		}
		lease.Release()
		p.Discard()
	}
	life(false)
	files, before := open(), processNow(t)
	for i := range 500 {
		life(i%2 == 0)
	}
	after := processNow(t)
	if n := open(); n > files {
		t.Errorf("%d open files, then %d", files, n)
	}
	if after.mappings > before.mappings+20 || after.virtual > before.virtual+64<<10 {
		t.Errorf("%+v, then %+v", before, after)
	}
}
