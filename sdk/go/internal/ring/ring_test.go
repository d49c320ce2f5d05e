package ring

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pair maps one file twice, a side each.
func pair(t testing.TB, size int) (host, plugin *Ring) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "ring"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(2 * (page + size))); err != nil {
		t.Fatal(err)
	}
	host, err = Map(int(f.Fd()), true)
	if errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if plugin, err = Map(int(f.Fd()), false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		host.End()
		plugin.End()
	})
	return host, plugin
}

// What goes in comes out, in pieces that fit nothing, round the end and round the numbers' end.
func TestCarries(t *testing.T) {
	for _, size := range []int{1, 2, 64, 4096} {
		host, plugin := pair(t, size)
		near := uint32(0xffff_ff00)
		for _, word := range []*half{&host.out, &plugin.in} {
			word.own = near
		}
		host.out.head.Store(near)
		host.out.tail.Store(near)
		sent := make([]byte, 40*size+3000)
		r := rand.New(rand.NewPCG(1, uint64(size)))
		for i := range sent {
			sent[i] = byte(r.Uint32())
		}
		failed := make(chan error, 1)
		go func() {
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 1+r.IntN(2*size+10))
				if _, err := host.Write(rest[:n]); err != nil {
					failed <- err
					return
				}
				rest = rest[n:]
			}
			failed <- nil
		}()
		got, buf := []byte(nil), make([]byte, size+7)
		for len(got) < len(sent) {
			n, err := plugin.Read(buf[:1+len(got)%len(buf)])
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		if err := <-failed; err != nil || !bytes.Equal(got, sent) {
			t.Errorf("size %d: %v, equal: %v", size, err, bytes.Equal(got, sent))
		}
	}
}

func TestLies(t *testing.T) {
	for name, lie := range map[string]func(host, plugin *Ring) error{
		"head": func(host, plugin *Ring) error {
			host.out.head.Store(65)
			_, err := plugin.Read(make([]byte, 10))
			return err
		},
		"head behind": func(host, plugin *Ring) error {
			host.out.head.Store(0xffff_ffff)
			_, err := plugin.Read(make([]byte, 10))
			return err
		},
		"tail ahead": func(host, plugin *Ring) error {
			host.in.tail.Store(1)
			_, err := plugin.Write(make([]byte, 10))
			return err
		},
		"tail behind": func(host, plugin *Ring) error {
			host.in.tail.Store(0xffff_0000)
			_, err := plugin.Write(make([]byte, 10))
			return err
		},
		"own words changed": func(host, plugin *Ring) error { // they are not read back
			host.in.head.Store(77)
			host.out.tail.Store(77)
			if _, err := plugin.Write([]byte("x")); err != nil {
				return err
			}
			if _, err := host.Write([]byte("x")); !errors.Is(err, ErrLie) {
				return err
			}
			return ErrLie
		},
	} {
		if err := lie(pair(t, 64)); !errors.Is(err, ErrLie) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// End wakes who sleeps, and who is about to.
func TestEnd(t *testing.T) {
	for range 50 {
		_, plugin := pair(t, 64)
		read, written := make(chan error, 1), make(chan error, 1)
		go func() { _, err := plugin.Read(make([]byte, 1)); read <- err }()
		go func() { _, err := plugin.Write(make([]byte, 65)); written <- err }()
		time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
		plugin.End()
		if err := <-read; !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if err := <-written; !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, size := range []int{0, 1, 2 * page, 2*page + 2*3, 2*page + 3} {
		if _, err := attach(make([]byte, size), false); !errors.Is(err, ErrSize) {
			t.Errorf("%d: %v", size, err)
		}
	}
}

// A reader says how far it has read before it waits, when there was much, and when somebody waits for
// room; not each time.
func TestTells(t *testing.T) {
	host, plugin := pair(t, 4096)
	b := make([]byte, 4096)
	read := func(step string, n int, want uint32) {
		t.Helper()
		if got, err := plugin.Read(b[:n]); got != n || err != nil {
			t.Fatal(got, err)
		}
		if got := host.out.tail.Load(); got != want {
			t.Errorf("%s: found %d told, want %d", step, got, want)
		}
	}
	write := func(n int) {
		t.Helper()
		if _, err := host.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
	}
	write(100)
	read("a little", 10, 0)
	host.out.writer.Store(1)
	read("somebody waits", 10, 20)
	host.out.writer.Store(0)
	read("all of it", 80, 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = plugin.Read(make([]byte, 1))
	}()
	for host.out.tail.Load() != 100 {
		time.Sleep(time.Millisecond)
	}
	write(1)
	<-done
	write(4000)
	read("much", 4096/tellAfter, 101+4096/tellAfter)
}

// Offer stores all or nothing, and says when somebody sleeps.
func TestOffer(t *testing.T) {
	host, plugin := pair(t, 64)
	offer := func(step string, n int, want, asleep bool) {
		t.Helper()
		if all, rouse := plugin.Offer(make([]byte, n)); all != want || rouse != asleep {
			t.Errorf("%s: stored: %v, asleep: %v", step, all, rouse)
		}
	}
	offer("too much", 65, false, false)
	offer("some", 40, true, false)
	offer("no room", 25, false, false)
	if _, err := host.Read(make([]byte, 30)); err != nil {
		t.Fatal(err)
	}
	plugin.out.reader.Store(1)
	offer("room again", 54, true, true)
	plugin.out.reader.Store(0)
	plugin.out.tail.Store(1 << 31)
	offer("a lie", 1, false, false)
	if _, err := plugin.Write([]byte{1}); !errors.Is(err, ErrLie) {
		t.Error(err)
	}
}
