package portable_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The plugin's end of the ring, which is the host's seen from the other side.

const (
	peerPage = 4096
	peerBuf  = 1 << 20
)

// peerRing is an io.ReadWriter on a ring.
type peerRing struct{ in, out []byte }

func mapRing(fd int) *peerRing {
	mem, err := unix.Mmap(fd, 0, 2*(peerPage+peerBuf), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		fmt.Println("ring:", err)
		os.Exit(6)
	}
	return &peerRing{in: mem[:peerPage+peerBuf], out: mem[peerPage+peerBuf:]}
}

// at is the word of a half: 0 head, 64 tail, 128 the reader waits, 192 the writer.
func at32(half []byte, offset int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&half[offset]))
}

func futex(word *atomic.Uint32, op, v uintptr) {
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), op, v, 0, 0, 0)
}

// await sleeps on word until ready's value is not 0.
func awaitRing(half []byte, word, flag int, ready func() uint32) uint32 {
	for {
		seen := at32(half, word).Load()
		at32(half, flag).Store(1)
		if n := ready(); n != 0 {
			at32(half, flag).Store(0)
			return n
		}
		futex(at32(half, word), 0, uintptr(seen))
		at32(half, flag).Store(0)
		runtime.Gosched()
	}
}

func (r *peerRing) Read(p []byte) (int, error) {
	head, tail := at32(r.in, 0), at32(r.in, 64)
	n := awaitRing(r.in, 0, 128, func() uint32 { return head.Load() - tail.Load() })
	from := tail.Load() % peerBuf
	c := copy(p, r.in[peerPage+from:peerPage+min(from+n, peerBuf)])
	tail.Add(uint32(c))
	if at32(r.in, 192).Load() != 0 {
		futex(tail, 1, 1)
	}
	return c, nil
}

func (r *peerRing) Write(p []byte) (written int, _ error) {
	head, tail := at32(r.out, 0), at32(r.out, 64)
	for len(p) > 0 {
		room := awaitRing(r.out, 64, 192, func() uint32 { return peerBuf - (head.Load() - tail.Load()) })
		from := head.Load() % peerBuf
		c := copy(r.out[peerPage+from:peerPage+min(from+room, peerBuf)], p)
		head.Add(uint32(c))
		if at32(r.out, 128).Load() != 0 {
			futex(head, 1, 1)
		}
		p, written = p[c:], written+c
	}
	return written, nil
}

// pong is the other side of a bare ping-pong with futexes in a file.
func (p *player) pong() {
	words, err := mapWords(filepath.Join(p.dir, wordsFile))
	if err != nil {
		fmt.Println("pong:", err)
		os.Exit(6)
	}
	for n := uint32(0); ; n++ {
		for words.ping.Load() == n {
			futex(words.ping, 0, uintptr(n))
		}
		words.pong.Store(n + 1)
		futex(words.pong, 1, 1)
	}
}

const wordsFile = "words"

// words are what the two sides of a ping-pong wait on.
type words struct{ ping, pong *atomic.Uint32 }

func mapWords(path string) (w words, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return w, err
	}
	defer f.Close()
	if err := f.Truncate(peerPage); err != nil {
		return w, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, peerPage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return words{at32(mem, 0), at32(mem, 64)}, err
}

// call is a round trip.
func (w words) call() {
	n := w.ping.Add(1)
	futex(w.ping, 1, 1)
	for w.pong.Load() != n {
		futex(w.pong, 0, uintptr(n-1))
	}
}
