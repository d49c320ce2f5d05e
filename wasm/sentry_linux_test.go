package wasm

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A machine may be one of several on another, which stops its processors now and then and does not always say so: the time
// then counts as the thread's that was running. Sentries know: one thread on each processor, before which nothing else
// there has a turn, that wakes every millisecond. When one is late its processor stood still. They are in a process of
// their own, whose scheduler has nothing else to do.

// sentryKey tells a process that it is the sentries', and sentryRound is how long each sleeps.
const (
	sentryKey   = "VANTH_TEST_SENTRY"
	sentryRound = time.Millisecond
)

// watching is the first line that sentries say, if they may be any.
const watching = "watching"

// stall is when a processor stood still, on the system's clock.
type stall struct {
	processor  int
	begin, end time.Duration
}

// sentries collect stalls. None do where the kernel does not let a program go before all others.
type sentries struct {
	mu   sync.Mutex // guards what follows
	list []stall
}

// postSentries starts them. They end with the test.
func postSentries(t testing.TB) *sentries {
	s := &sentries{}
	cmd := exec.Command(childBinary(t), "-test.run=^TestSentries$")
	cmd.Env = append(os.Environ(), sentryKey+"=on", "GOGC=off", "GODEBUG=asyncpreemptoff=1", fmt.Sprint("GOMAXPROCS=", runtime.NumCPU()+2))
	orders, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != watching {
		t.Logf("no sentries (%s): what a machine below this one takes counts as ours", lines.Text())
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines.Scan() {
			var one stall
			if _, err := fmt.Sscan(lines.Text(), &one.processor, (*int64)(&one.begin), (*int64)(&one.end)); err == nil {
				s.mu.Lock()
				s.list = append(s.list, one)
				s.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		orders.Close()
		reading.Wait()
		_ = cmd.Wait()
	})
	return s
}

// stood is for how long a processor stood still between two times.
func (s *sentries) stood(processor int, from, to time.Duration) (sum time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.list) - 1; i >= 0 && s.list[i].end > from-time.Second; i-- {
		if one := s.list[i]; one.processor == processor {
			sum += max(0, min(to, one.end)-max(from, one.begin))
		}
	}
	return sum
}

// TestSentries is no test: it is the process of the sentries. It ends with its input.
func TestSentries(t *testing.T) {
	if os.Getenv(sentryKey) == "" {
		t.Skip("is run by others")
	}
	ready := make(chan error)
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	var posts []chan<- struct{}
	for i := range 8 * int(unsafe.Sizeof(all)) {
		if !all.IsSet(i) {
			continue
		}
		begin := make(chan struct{})
		posts = append(posts, begin)
		go watch(i, ready, begin)
		if err := <-ready; err != nil {
			fmt.Println(err)
			os.Exit(0)
		}
	}
	fmt.Println(watching)
	for _, begin := range posts {
		close(begin)
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

// watch keeps its thread, and the processor of Go's scheduler that it came with. It says whether it may, and begins.
func watch(processor int, ready chan<- error, begin <-chan struct{}) {
	runtime.LockOSThread()
	var mine unix.CPUSet
	mine.Set(processor)
	err := unix.SchedSetaffinity(0, &mine)
	if err == nil {
		err = unix.SchedSetAttr(0, &unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	}
	ready <- err
	<-begin
	round := unix.NsecToTimespec(int64(sentryRound))
	var line [100]byte
	for {
		due := systemClock() + sentryRound
		_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&round)), 0, 0)
		if now := systemClock(); now-due > sentryRound/2 {
			text := fmt.Appendln(line[:0], processor, int64(due), int64(now))
			_, _, _ = unix.RawSyscall(unix.SYS_WRITE, 1, uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)))
		}
	}
}
