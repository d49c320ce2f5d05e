package reserve

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sharing is an image in a file without a name, which memories map.
type sharing struct {
	file   *os.File // nil when it is not shared
	mem    []byte   // the same, to be read
	honest bool     // the kernel tells pages of the file from those that a memory has of its own
}

func newSharing(i *Image) (s sharing, err error) {
	// Old kernels do not know the flag that keeps the file from being executed; new ones may demand it.
	fd, err := unix.MemfdCreate("vanth-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("vanth-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return s, err
	}
	s.file = os.NewFile(uintptr(fd), "vanth-image")
	defer func() {
		if err != nil {
			s.close()
			s = sharing{}
		}
	}()
	page := os.Getpagesize()
	size := (i.end() + page - 1) &^ (page - 1)
	if err = s.file.Truncate(int64(size)); err != nil {
		return s, err
	}
	for _, r := range i.runs {
		if _, err = s.file.WriteAt(r.b, int64(r.at)); err != nil {
			return s, err
		}
	}
	if _, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return s, err
	}
	if s.mem, err = unix.Mmap(fd, 0, size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return s, err
	}
	s.honest = s.tells()
	return s, nil
}

// tells tries whether the kernel tells a page that a memory has written to from one that it has only read.
func (s *sharing) tells() bool {
	page := os.Getpagesize()
	if len(s.mem) < 2*page {
		return false
	}
	file, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return false
	}
	defer file.Close()
	mem, err := reserveBytes(len(s.mem))
	if err != nil {
		return false
	}
	defer unreserve(mem)
	if s.place(mem) != nil {
		return false
	}
	mem[0] = mem[page] + 1 // the first becomes its own, the second is read
	own, err := pageState(file, mem, 0)
	if err != nil {
		return false
	}
	files, err := pageState(file, mem, page)
	return err == nil && own&pageTouched != 0 && own&pageOfFile == 0 && files&pageOfFile != 0
}

// place maps the file over the first bytes of a reservation, of which nothing was touched. After an error the reservation
// must be ended.
func (s *sharing) place(mem []byte) error {
	_, err := unix.MmapPtr(int(s.file.Fd()), 0, unsafe.Pointer(&mem[0]), uintptr(len(s.mem)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
	return err
}

// again makes a memory what it was when it was placed, whatever was written: its pages are given back.
func again(mem []byte) bool { return unix.Madvise(mem, unix.MADV_DONTNEED) == nil }

// close may be called when no memory is restored from it any more; those that are mapped stay.
func (s *sharing) close() {
	if s.mem != nil {
		_ = unix.Munmap(s.mem)
	}
	if s.file != nil {
		s.file.Close()
	}
	*s = sharing{}
}

// at is a part of the image.
func (s *sharing) at(from, to int) []byte { return s.mem[from:to:to] }

// in says whether the image is in a file.
func (s *sharing) in() bool { return s.file != nil }

// size is how much of a memory is the file's, in bytes.
func (s *sharing) size() int { return len(s.mem) }
