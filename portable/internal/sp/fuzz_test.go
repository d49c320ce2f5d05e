package sp

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/iotest"
	"time"
)

func FuzzFrames(f *testing.F) {
	f.Add(append(request(0x80000001, "handshake"), request(0x80000002, "ok")...), false)
	f.Add([]byte("\x01\x80\x00\x00\x00\x00\x00\x00\x00"), true)
	f.Add(message("")[:3], true)
	f.Fuzz(func(t *testing.T, data []byte, bytewise bool) {
		var src io.Reader = bytes.NewReader(data)
		if bytewise {
			src = iotest.OneByteReader(src)
		}
		r, again := frames{src: src, max: 1 << 30}, []byte{}
		for {
			payload, err := r.next()
			if err != nil {
				break
			}
			again = append(again, message(string(payload))...)
		}
		if !bytes.HasPrefix(data, again) {
			t.Errorf("%x read as %x", data, again)
		}
		if len(r.buf) > max(firstSize, 2*len(data)) {
			t.Errorf("%d bytes came, %d allocated", len(data), len(r.buf))
		}
	})
}

// Each byte is an event: who waits, whether something was sent, which id comes. The rules are those of the contract.
func FuzzExchange(f *testing.F) {
	f.Add([]byte("\x00\x11\x22\x93\x44\xd5"))
	f.Fuzz(func(t *testing.T, events []byte) {
		var e exchange
		var recent []uint32
		for _, b := range events {
			sent, waited, handshake := b&0x80 != 0, b&0x40 != 0, b&0x20 != 0
			if sent && e.state != silent { // only what has a token can be sent to
				e.state = out
			}
			was, token := e.state, e.token
			waited = waited && (was == out || was == again)
			if was == again && !waited {
				e.state, was = ready, ready // what detach does
			}
			id := 0x80000000 | uint32(b&0x1f)
			seen := bytes.Contains(ids(recent), ids([]uint32{id}))
			n := e.take(id, handshake, waited)
			switch {
			case seen && (n != nothing || e.state != was || e.token != token):
				t.Fatal("a repeated request was looked at")
			case !seen && e.token != id:
				t.Fatal("the token is not the newest request")
			case n == answer && (was != out || !waited || handshake):
				t.Fatal("an answer to nothing")
			case n == retry && (was != out || !waited || !handshake):
				t.Fatal("sent again for nothing")
			case n == free && (was == ready || waited):
				t.Fatal("freed what was free")
			case !seen && !waited && e.state != ready:
				t.Fatal("a token that nobody may use")
			}
			if !seen {
				if recent = append(recent, id); len(recent) > seenLen {
					recent = recent[1:]
				}
			}
		}
	})
}

func ids(list []uint32) (b []byte) {
	for _, id := range list {
		b = append(b, byte(id), 0xff) // 0xff is no id
	}
	return b
}

// Anything after a good hello, while calls are made: they end in time, with an answer that the peer has sent.
func FuzzConn(f *testing.F) {
	f.Add(append(request(0x80000001, "handshake"), request(0x80000002, "ok")...))
	f.Add(append(request(0x80000001, "ok"), request(0x80000002, "handshake")...))
	f.Add(append(request(0x80000001, "a"), 1, 0xff, 0, 0, 0, 0, 0, 0, 0))
	f.Add(bytes.Repeat(request(0xffffffff, "handshake"), 3))
	h := newHub(f, Options{MaxFrame: 1 << 16})
	path := sock(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newCaller(t, h, path)
		p := dial(t, path)
		_, _ = p.Write(hello(protoReq))
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
		defer cancel()
		calls := []<-chan result{goCall(c, ctx, "one"), goCall(c, ctx, "two")}
		half := len(data) / 2
		_, _ = p.Write(data[:half])
		_, _ = p.Write(data[half:])
		for _, call := range calls {
			select {
			case r := <-call:
				if r.err == nil && !bytes.Contains(data, []byte(r.text)) {
					t.Errorf("%q was never sent", r.text)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("a call that never ends")
			}
		}
		p.Close()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
