package reserve

import (
	"encoding/binary"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The entries of /proc/self/pagemap: eight bytes for each page of address space.
const (
	pageEntry   = 8
	pageTouched = 1<<63 | 1<<62 // in memory, or swapped out
	pageOfFile  = 1 << 61       // shared with a file
)

// scanMost is the largest memory whose pages are looked through, in bytes: that takes about 7 us.
const scanMost = 16 << 20

// wiper makes memory what an image has by restoring the pages that were touched, which it learns from the kernel.
type wiper struct {
	blind   bool // never asks the kernel: for tests
	once    sync.Once
	pagemap *os.File  // nil when there is none to be believed
	entries sync.Pool // of *[512 * pageEntry]byte
}

// wipe makes mem what the image has, or zero for nil, unless that costs more than a new reservation. It returns the bytes of
// pages that the memory has of its own.
func (w *wiper) wipe(mem []byte, image *Image) (touched int, ok bool) {
	w.once.Do(w.open)
	if w.pagemap == nil {
		return wipeAll(mem, image)
	}
	if len(mem) > scanMost {
		return 0, false
	}
	entries, _ := w.entries.Get().(*[512 * pageEntry]byte)
	if entries == nil {
		entries = new([512 * pageEntry]byte)
	}
	defer w.entries.Put(entries)
	page := os.Getpagesize()
	shares := 0 // bytes at the start in which pages may be the file's
	if image.mapped() && image.shared.honest {
		shares = image.shared.size()
	}
	for at := 0; len(mem) > 0; {
		n := min(len(mem)/page, len(entries)/pageEntry)
		// A file that Discard has closed is an error too, and the memory is unmapped.
		if _, err := w.pagemap.ReadAt(entries[:n*pageEntry], entryOf(mem, page)); err != nil {
			return 0, false
		}
		for i := range n {
			entry := binary.NativeEndian.Uint64(entries[i*pageEntry:])
			here := at + i*page
			if entry&pageTouched == 0 || here < shares && entry&pageOfFile != 0 {
				continue
			}
			if touched += page; touched > oneBytes {
				return 0, false
			}
			image.restore(mem[i*page:(i+1)*page], here)
		}
		mem = mem[n*page:]
		at += n * page
	}
	return touched, true
}

// pageState is the entry of the page at a place of mem.
func pageState(file *os.File, mem []byte, at int) (uint64, error) {
	var entry [pageEntry]byte
	_, err := file.ReadAt(entry[:], entryOf(mem[at:], os.Getpagesize()))
	return binary.NativeEndian.Uint64(entry[:]), err
}

// entryOf is where the entries for mem begin.
func entryOf(mem []byte, page int) int64 {
	return int64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))/uintptr(page)) * pageEntry
}

// open opens the kernel's list, and believes it only if it is right about four pages: a sandbox may have none, and an
// emulator that of other addresses.
func (w *wiper) open() {
	if w.blind {
		return
	}
	file, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return
	}
	if !truthful(file) {
		file.Close()
		return
	}
	w.pagemap = file
}

func truthful(file *os.File) bool {
	page := os.Getpagesize()
	mem, err := reserveBytes(4 * page)
	if err != nil {
		return false
	}
	defer unreserve(mem)
	mem[1*page], mem[3*page] = 1, 1
	var entries [4 * pageEntry]byte
	if _, err := file.ReadAt(entries[:], entryOf(mem, page)); err != nil {
		return false
	}
	for i := range 4 {
		found := binary.NativeEndian.Uint64(entries[i*pageEntry:])&pageTouched != 0
		if found != (i%2 == 1) {
			return false
		}
	}
	return true
}

// close may be called again, and while wipe runs.
func (w *wiper) close() {
	w.once.Do(func() {}) // open is not to follow
	if w.pagemap != nil {
		w.pagemap.Close()
	}
}

// refuseHugePages keeps a touched byte from taking 2 MiB. Kernels without huge pages refuse, which is as good.
func refuseHugePages(mem []byte) { _ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE) }
