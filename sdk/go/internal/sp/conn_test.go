package sp

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Whatever comes, Receive returns messages or an error, and takes no memory for what does not come.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x03abc"))
	f.Add([]byte("\x01\x00\x00\x00\x00\x3f\xff\xff\xff" + "a"))
	f.Add([]byte("\x02"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go func() {
			defer theirs.Close()
			var h [8]byte
			_, _ = theirs.Read(h[:])
			_, _ = theirs.Write([]byte{0, 'S', 'P', 0, 0, byte(Push), 0, 0})
			_, _ = theirs.Write(stream)
		}()
		c, err := greet(ours, Pull)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; ; {
			m, err := c.Receive()
			if err != nil {
				return
			}
			want := binary.BigEndian.AppendUint64([]byte{1}, uint64(len(m)))
			if want = append(want, m...); !bytes.HasPrefix(stream[at:], want) {
				t.Fatalf("%x of %x", m, stream)
			}
			at += len(want)
		}
	})
}

func TestListenPull(t *testing.T) {
	dir, err := os.MkdirTemp("", "sp")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s.ipc")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ListenPull(t.Context(), path); err == nil {
		t.Error("two listen at one path")
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = stale.Close()
	p, err := ListenPull(t.Context(), path)
	if err != nil {
		t.Fatalf("a socket that nobody listens at: %v", err)
	}
	to := NewPusher(path)
	defer to.Close()
	large := bytes.Repeat([]byte("x"), 5<<20)
	go func() {
		_ = to.Push(t.Context(), large)
		_ = to.Push(t.Context(), nil)
	}()
	if m := <-p.Messages(); !bytes.Equal(m, large) {
		t.Errorf("%d bytes", len(m))
	}
	if m := <-p.Messages(); len(m) != 0 {
		t.Errorf("%x", m)
	}
	p.Stop(time.Millisecond)
	p.Stop(time.Millisecond)
	if m, more := <-p.Messages(); more {
		t.Errorf("%x after the end", m)
	}
}
