package sp

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	mangospull "go.nanomsg.org/mangos/v3/protocol/pull"
	mangosrep "go.nanomsg.org/mangos/v3/protocol/rep"
)

// What a call costs, with the plugin in another process. floor is a bare socket with no protocol, lockstep is how
// eKuiper calls: a mangos REP socket under a lock. The plugin is a mangos REQ socket ("req"), or a bare one ("raw").
// handed is sp with the answer read by the watcher for every call. They take turns of 100 calls, so that what else the
// machine does hits all alike; what is reported are medians of the turns, and how many times faster than lockstep sp is.
func BenchmarkCall(b *testing.B) {
	for _, peer := range []string{"req", "raw"} {
		b.Run(peer, func(b *testing.B) {
			text := bytes.Repeat([]byte("x"), 256)
			subjects := []struct {
				name string
				call func() (int, error)
				took []float64
			}{
				{name: "floor", call: floorCall(b, text)},
				{name: "sp", call: spCall(b, context.Background(), peer, text)},
				{name: "lockstep", call: lockstepCall(b, peer, text)},
				{name: "handed", call: spCall(b, hurried{context.Background()}, peer, text)},
			}
			const turn = 100
			for b.Loop() {
				for i := range subjects {
					s := &subjects[i]
					start := time.Now()
					for range turn {
						if n, err := s.call(); err != nil || n != len(text) {
							b.Fatal(s.name, n, err)
						}
					}
					s.took = append(s.took, float64(time.Since(start).Nanoseconds())/turn)
				}
			}
			median := map[string]float64{}
			for _, s := range subjects {
				slices.Sort(s.took)
				median[s.name] = s.took[len(s.took)/2]
				b.ReportMetric(median[s.name], s.name+"-ns")
			}
			b.ReportMetric(median["lockstep"]/median["sp"], "lockstep/sp")
			b.ReportMetric(median["sp"]/median["floor"], "sp/floor")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// hurried is a context that always ends soon, so that calls do not read for themselves.
type hurried struct{ context.Context }

func (hurried) Deadline() (time.Time, bool) { return time.Now(), true }

func floorCall(b *testing.B, text []byte) func() (int, error) {
	path := sock(b)
	ln, err := net.Listen("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	play(b, "pingpong", path)
	c, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	buf := make([]byte, len(text))
	return func() (int, error) {
		if _, err := c.Write(text); err != nil {
			return 0, err
		}
		return io.ReadFull(c, buf)
	}
}

func spCall(b *testing.B, ctx context.Context, peer string, text []byte) func() (int, error) {
	path := sock(b)
	c := newCaller(b, newHub(b, Options{}), path)
	play(b, peer, path)
	up(b, c, 1)
	var dst []byte
	return func() (n int, err error) {
		dst, err = c.Call(ctx, text, dst[:0])
		return len(dst), err
	}
}

func lockstepCall(b *testing.B, peer string, text []byte) func() (int, error) {
	path := sock(b)
	s, err := mangosrep.NewSocket()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	for _, o := range []string{mangos.OptionSendDeadline, mangos.OptionRecvDeadline} { // as eKuiper has them
		if err := s.SetOption(o, 5*time.Second); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Listen("ipc://" + path); err != nil {
		b.Fatal(err)
	}
	play(b, peer, path)
	if _, err := s.Recv(); err != nil {
		b.Fatal(err)
	}
	var mu sync.Mutex
	return func() (int, error) {
		mu.Lock()
		defer mu.Unlock()
		if err := s.Send(text); err != nil {
			return 0, err
		}
		got, err := s.Recv()
		return len(got), err
	}
}

// What a call costs when four processes of a plugin answer eight callers.
func BenchmarkCallParallel(b *testing.B) {
	path := sock(b)
	c := newCaller(b, newHub(b, Options{}), path)
	for range 4 {
		play(b, "req", path)
	}
	up(b, c, 4)
	text := make([]byte, 256)
	b.ReportAllocs()
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for dst := []byte(nil); pb.Next(); {
			var err error
			if dst, err = c.Call(context.Background(), text, dst[:0]); err != nil || len(dst) != len(text) {
				b.Error(err, len(dst))
			}
		}
	})
}

// What it costs to take one message of a source, sent as fast as a bare socket can.
func BenchmarkPull(b *testing.B) {
	batch := bytes.Repeat(message(string(make([]byte, 256))), 64)
	send := func(b *testing.B, path string) {
		c, err := net.Dial("unix", path)
		if err != nil {
			b.Error(err)
			return
		}
		b.Cleanup(func() { c.Close() })
		_, _ = c.Write(hello(protoPush))
		_, _ = io.ReadFull(c, make([]byte, 8))
		for i := 0; i < b.N; i += 64 {
			if _, err := c.Write(batch); err != nil {
				return
			}
		}
	}
	b.Run("sp", func(b *testing.B) {
		path, n, done := sock(b), 0, make(chan struct{})
		_, err := newHub(b, Options{}).Puller(Claim{Path: path}, func(Peer, []byte) {
			if n++; n == b.N {
				close(done)
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		send(b, path)
		<-done
	})
	b.Run("mangos", func(b *testing.B) {
		path := sock(b)
		s, err := mangospull.NewSocket()
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		if err := s.Listen("ipc://" + path); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		go send(b, path)
		for range b.N {
			if _, err := s.Recv(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
