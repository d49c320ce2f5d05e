package sp

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// peer is a plugin's end written by hand.
type peer struct {
	t testing.TB
	net.Conn
}

func dial(t testing.TB, path string) *peer {
	t.Helper()
	c, err := connect(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return &peer{t, c}
}

// dialReq also says hello and hands over a first token.
func dialReq(t testing.TB, path string, id uint32) *peer {
	p := dial(t, path)
	p.say(hello(protoReq))
	p.hear(hello(protoRep))
	p.say(request(id, "handshake"))
	return p
}

func (p *peer) say(b ...[]byte) {
	p.t.Helper()
	if _, err := p.Write(bytes.Join(b, nil)); err != nil {
		p.t.Error(err)
	}
}

func (p *peer) hear(want []byte) {
	p.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(p, got); err != nil || !bytes.Equal(got, want) {
		p.t.Errorf("heard %x, want %x, %v", got, want, err)
	}
}

// gone waits for the host to hang up.
func (p *peer) gone() {
	p.t.Helper()
	if n, err := io.Copy(io.Discard, p); errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Errorf("still connected after %d bytes", n)
	}
}

type result struct {
	text string
	err  error
}

func goCall(c *Caller, ctx context.Context, text string) <-chan result {
	out := make(chan result, 1)
	go func() {
		b, err := c.Call(ctx, []byte(text), nil)
		out <- result{string(b), err}
	}()
	return out
}

func wantAnswer(t *testing.T, got <-chan result, want string) {
	t.Helper()
	if r := <-got; r.err != nil || r.text != want {
		t.Errorf("answer %q, %v; want %q", r.text, r.err, want)
	}
}

func wantError(t *testing.T, got <-chan result, want ...error) {
	t.Helper()
	r := <-got
	for _, w := range want {
		if !errors.Is(r.err, w) {
			t.Errorf("answer %q, %v; want %v", r.text, r.err, w)
		}
	}
}

func up(t testing.TB, c *Caller, n int) {
	t.Helper()
	eventually(t, "connections up", func() bool { return c.Conns() == n })
}

// The bytes are those of a Go plugin, from the contract.
func TestCallOnTheWire(t *testing.T) {
	noLeak(t)
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	p := dial(t, path)
	first, _ := hex.DecodeString("0053500000300000" + "01000000000000000de0bc636a68616e647368616b65")
	p.say(first)
	got := goCall(c, soon(t), "start")
	answer, _ := hex.DecodeString("0053500000310000" + "010000000000000009e0bc636a7374617274")
	p.hear(answer)
	p.say(request(0xe0bc636b, "ok"))
	wantAnswer(t, got, "ok")
}

func TestCallAppends(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	p := dialReq(t, path, 0x80000001)
	go func() {
		for id := uint32(0x80000001); id < 0x80000004; id++ {
			p.hear(request(id, "q"))
			p.say(request(id+1, "answer"))
		}
	}()
	dst := []byte("kept ")
	for _, want := range []string{"kept answer", "kept answeranswer", "kept answeransweranswer"} {
		var err error
		if dst, err = c.Call(soon(t), []byte("q"), dst); err != nil || string(dst) != want {
			t.Fatalf("%q, %v", dst, err)
		}
	}
}

func TestRepeatedRequestsAreDropped(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	p := dialReq(t, path, 0x80000001)
	for id := uint32(0x80000001); id < 0x80000010; id++ {
		p.say(bytes.Repeat(request(id, "handshake"), 20))
		got := goCall(c, soon(t), "q")
		p.hear(request(id, "q"))
		p.say(request(id, "handshake"), request(id+1, "answer"), request(id+1, "answer"), request(id, "handshake"))
		wantAnswer(t, got, "answer")
	}
}

func TestHostilePeers(t *testing.T) {
	for name, c := range map[string]struct {
		say  []byte
		want string
	}{
		"wrong protocol":  {hello(protoPush), "hello"},
		"not SP":          {[]byte("GET / HTTP/1.1\r\n\r\n"), "hello"},
		"other version":   {[]byte{0, 'S', 'P', 1, 0, protoReq, 0, 0}, "hello"},
		"half a hello":    {[]byte{0, 'S', 'P'}, "timeout"},
		"silence":         {nil, "timeout"},
		"length 2^63":     {append(hello(protoReq), 1, 0x80, 0, 0, 0, 0, 0, 0, 0), "announced"},
		"length 2^40":     {append(hello(protoReq), 1, 0, 0, 1, 0, 0, 0, 0, 0), "announced"},
		"length -1":       {append(hello(protoReq), 1, 255, 255, 255, 255, 255, 255, 255, 255), "announced"},
		"one byte more":   {append(hello(protoReq), 1, 0, 0, 0, 0, 0, 0, 0x10, 5), "announced"},
		"type 0":          {append(hello(protoReq), make([]byte, 9)...), "type"},
		"no id":           {append(hello(protoReq), message("abc")...), "request id"},
		"id without sign": {append(hello(protoReq), request(1, "handshake")...), "request id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			noneYet := &lockedBuffer{}
			path := sock(t)
			h := newHub(t, Options{MaxFrame: 4096, HelloTimeout: 50 * time.Millisecond, Log: slog.New(slog.NewTextHandler(noneYet, nil))})
			r := newCaller(t, h, path)
			good := dialReq(t, path, 0x80000001)
			up(t, r, 1)
			bad := dial(t, path)
			bad.say(c.say)
			bad.gone()
			eventually(t, "a reason in the log", func() bool { return strings.Contains(noneYet.String(), c.want) })
			got := goCall(r, soon(t), "q")
			good.hear(request(0x80000001, "q"))
			good.say(request(0x80000002, strings.Repeat("x", 4096)))
			wantAnswer(t, got, strings.Repeat("x", 4096))
		})
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestSlowPeerHoldsOnlyItself(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	slow := dial(t, path)
	slow.say(hello(protoReq))
	slow.hear(hello(protoRep))
	frame := request(0x80000009, "handshake")
	slow.say(frame[:5])
	quick := dialReq(t, path, 0x80000001)
	for id := uint32(0x80000001); id < 0x80000005; id++ {
		slow.say(frame[id&15+4 : id&15+5])
		got := goCall(c, soon(t), "q")
		quick.hear(request(id, "q"))
		quick.say(request(id+1, "a"))
		wantAnswer(t, got, "a")
	}
	quick.Close()
	up(t, c, 0)
	slow.say(frame[9:])
	got := goCall(c, soon(t), "q")
	slow.hear(request(0x80000009, "q"))
	slow.say(request(0x8000000a, "late but well"))
	wantAnswer(t, got, "late but well")
}

func TestLateAnswerIsDropped(t *testing.T) {
	for name, late := range map[string]string{"answer": "late", "handshake": "handshake"} {
		t.Run(name, func(t *testing.T) {
			path := sock(t)
			c := newCaller(t, newHub(t, Options{}), path)
			p := dialReq(t, path, 0x80000001)
			for i, id := 0, uint32(0x80000001); i < 3; i, id = i+1, id+2 { // the second round reads on the caller's goroutine
				ctx, cancel := context.WithCancel(context.Background())
				got := goCall(c, ctx, "slow")
				p.hear(request(id, "slow"))
				cancel()
				wantError(t, got, context.Canceled)
				short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
				if _, err := c.Call(short, []byte("early"), nil); !errors.Is(err, ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
				got = goCall(c, soon(t), "next")
				p.say(request(id+1, late))
				p.hear(request(id+1, "next"))
				p.say(request(id+2, "right"))
				wantAnswer(t, got, "right")
			}
		})
	}
}

func TestAnswersThatLookLikeHandshakes(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	p := dialReq(t, path, 0x80000001)
	for i, text := range []string{"h", "hopeless", "handshake ", "handshak", "", "Handshake"} {
		id := 0x80000001 + uint32(i)
		got := goCall(c, soon(t), "q")
		p.hear(request(id, "q"))
		p.say(request(id+1, text))
		wantAnswer(t, got, text)
	}
}

func TestGivenUpRequestIsSentAgain(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	p := dialReq(t, path, 0x80000000)
	for id := uint32(0x80000000); id < 0x80000020; id += 3 {
		got := goCall(c, soon(t), "q")
		p.hear(request(id, "q"))
		p.say(request(id+1, "handshake"))
		p.hear(request(id+1, "q"))
		p.say(request(id+2, "handshake"))
		p.hear(request(id+2, "q"))
		p.say(request(id+3, "a"))
		wantAnswer(t, got, "a")
	}
}

func TestHandshakesForEver(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	p := dialReq(t, path, 0x80000000)
	for round := range uint32(3) {
		got := goCall(c, soon(t), "q")
		base := 0x80000000 + round*(maxResends+1)
		for i := range uint32(maxResends + 1) {
			p.hear(request(base+i, "q"))
			p.say(request(base+i+1, "handshake"))
		}
		wantError(t, got, ErrRestless)
	}
	got := goCall(c, soon(t), "q") // the connection is as good as before
	id := uint32(0x80000000 + 3*(maxResends+1))
	p.hear(request(id, "q"))
	p.say(request(id+1, "a"))
	wantAnswer(t, got, "a")
}

func TestSeveralInFlight(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	a, b := dialReq(t, path, 0x80000001), dialReq(t, path, 0x80000001)
	up(t, c, 2)
	one, two := goCall(c, soon(t), "q"), goCall(c, soon(t), "q")
	a.hear(request(0x80000001, "q"))
	b.hear(request(0x80000001, "q"))
	three := goCall(c, soon(t), "q") // waits for whoever is first
	a.say(request(0x80000002, "a"))
	a.hear(request(0x80000002, "q"))
	b.say(request(0x80000002, "b"))
	if x, y := (<-one).text, (<-two).text; x+y != "ab" && x+y != "ba" {
		t.Error(x, y)
	}
	a.say(request(0x80000003, "third"))
	wantAnswer(t, three, "third")
}

func TestQueueIsFairAndBounded(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{MaxQueue: 3}), path)
	var waiting []<-chan result
	for i, text := range []string{"a", "b", "c"} {
		waiting = append(waiting, goCall(c, soon(t), text))
		eventually(t, "in the queue", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.waiting.len == i+1
		})
	}
	if _, err := c.Call(soon(t), nil, nil); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	p := dialReq(t, path, 0x80000001)
	for i, text := range []string{"a", "b", "c"} {
		id := 0x80000001 + uint32(i)
		p.hear(request(id, text))
		p.say(request(id+1, text+text))
		wantAnswer(t, waiting[i], text+text)
	}
}

func TestPeerDies(t *testing.T) {
	path := sock(t)
	events := make(chan string, 10)
	h := newHub(t, Options{})
	c, err := h.Caller(Claim{Path: path}, CallerEvents{
		Up: func(p Peer) {
			if p.PID != os.Getpid() || p.UID != os.Getuid() {
				t.Error(p)
			}
			events <- "up"
		},
		Down: func(_ Peer, err error) { events <- "down " + err.Error() },
	})
	if err != nil {
		t.Fatal(err)
	}
	for rounds := range 3 { // with no, one and two calls before, so that the death is met by each reader
		p := dialReq(t, path, 0x80000001)
		if e := <-events; e != "up" {
			t.Fatal(e)
		}
		id := uint32(0x80000001)
		for range rounds {
			got := goCall(c, soon(t), "q")
			p.hear(request(id, "q"))
			id++
			p.say(request(id, "a"))
			wantAnswer(t, got, "a")
		}
		got := goCall(c, soon(t), "q")
		p.hear(request(id, "q"))
		p.Close()
		wantError(t, got, ErrPeerGone, io.EOF)
		if e := <-events; e != "down EOF" {
			t.Fatal(e)
		}
	}
	p := dialReq(t, path, 0x80000001)
	<-events
	p.Close() // idle
	if e := <-events; e != "down EOF" {
		t.Fatal(e)
	}
	// A connection that never was up is not spoken of.
	dial(t, path).Close()
	time.Sleep(5 * time.Millisecond)
	select {
	case e := <-events:
		t.Fatal(e)
	default:
	}
}

func TestRequestThatIsNotRead(t *testing.T) {
	big := string(make([]byte, 4<<20))
	t.Run("times out", func(t *testing.T) {
		path := sock(t)
		c := newCaller(t, newHub(t, Options{WriteTimeout: 30 * time.Millisecond}), path)
		dialReq(t, path, 0x80000001)
		wantError(t, goCall(c, soon(t), big), ErrNotSent, os.ErrDeadlineExceeded)
		up(t, c, 0) // half a message cannot be taken back
	})
	t.Run("is cancelled", func(t *testing.T) {
		path := sock(t)
		c := newCaller(t, newHub(t, Options{}), path)
		dialReq(t, path, 0x80000001)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		defer cancel()
		wantError(t, goCall(c, ctx, big), ErrNotSent, context.DeadlineExceeded)
	})
	t.Run("because the peer has gone", func(t *testing.T) {
		path := sock(t)
		c := newCaller(t, newHub(t, Options{}), path)
		p := dialReq(t, path, 0x80000001)
		up(t, c, 1)
		go func() {
			_, _ = io.CopyN(io.Discard, p, 1<<20)
			p.Close()
		}()
		wantError(t, goCall(c, soon(t), big), ErrNotSent)
	})
}

// The peer is quick, then slow, then quick: answers are read by the call, by the watcher, and by the call again.
func TestReadersTakeTurns(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	p := dialReq(t, path, 0x80000001)
	go func() {
		buf := make([]byte, headLen+idLen+1)
		for id := uint32(0x80000002); ; id++ {
			if _, err := io.ReadFull(p, buf); err != nil {
				return
			}
			switch id % 20 {
			case 5:
				time.Sleep(3 * patrol)
			case 10:
				time.Sleep(patrol)
			}
			p.say(request(id, string(buf[headLen+idLen:])))
		}
	}()
	for i := range 200 {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		if i%3 == 0 {
			ctx = context.Background()
		}
		got, err := c.Call(ctx, []byte{byte(i)}, nil)
		if err != nil || len(got) != 1 || got[0] != byte(i) {
			t.Fatal(i, got, err)
		}
		cancel()
		if i%50 == 0 {
			time.Sleep(4 * patrol)
		}
	}
}

// Many callers, some of whom lose patience: each answer is the caller's own.
func TestManyCallers(t *testing.T) {
	noLeak(t)
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	for range 3 {
		p := dialReq(t, path, 0x80000001)
		go func() {
			buf := make([]byte, headLen+idLen+8)
			for id := uint32(0x80000002); ; id++ {
				if _, err := io.ReadFull(p, buf); err != nil {
					return
				}
				if id%64 == 0 {
					time.Sleep(2 * time.Millisecond)
				}
				said := string(buf[headLen+idLen:])
				if id%50 == 0 {
					said = "handshake"
				}
				if _, err := p.Write(request(id, said)); err != nil {
					return // to a call that lost patience, after the test's end
				}
			}
		}()
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 300 {
				text := binary.BigEndian.AppendUint64(nil, uint64(n)<<32|uint64(i))
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				if i%17 == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Millisecond)
				}
				got, err := c.Call(ctx, text, nil)
				cancel()
				if err == nil && !bytes.Equal(got, text) || err != nil && i%17 != 0 {
					t.Errorf("%x answered by %x, %v", text, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestLargeMessages(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	play(t, "raw", path)
	for _, n := range []int{0, 1, copyMax - 1, copyMax, copyMax + 1, 1<<20 - 100} {
		text := bytes.Repeat([]byte{byte(n)}, n)
		got, err := c.Call(soon(t), text, nil)
		if err != nil || !bytes.Equal(got, text) {
			t.Fatal(n, len(got), err)
		}
	}
}

func TestCloseEndsCalls(t *testing.T) {
	noLeak(t)
	path := sock(t)
	c, err := NewHub(Options{}).Caller(Claim{Path: path}, CallerEvents{Down: func(Peer, error) { t.Error("down") }})
	if err != nil {
		t.Fatal(err)
	}
	p := dialReq(t, path, 0x80000001)
	sent := goCall(c, soon(t), "q")
	p.hear(request(0x80000001, "q"))
	waiting := goCall(c, soon(t), "q")
	eventually(t, "in the queue", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.waiting.len == 1
	})
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	wantError(t, sent, ErrPeerGone, ErrClosed)
	wantError(t, waiting, ErrNotSent, ErrClosed)
	wantError(t, goCall(c, soon(t), "q"), ErrNotSent, ErrClosed)
	p.gone()
	p.Close()
}

func TestCallAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	play(t, "raw", path)
	ctx, text, dst := soon(t), make([]byte, 256), make([]byte, 0, 256)
	if n := testing.AllocsPerRun(2000, func() {
		if _, err := c.Call(ctx, text, dst); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Calls whose time is short do not read for themselves, and do not wait for the watcher to look by.
func TestHurriedCallsAreQuick(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	play(t, "raw", path)
	start := time.Now()
	for range 200 {
		if _, err := c.Call(hurried{soon(t)}, []byte("q"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > 200*patrol/2 {
		t.Errorf("200 calls took %v", took)
	}
}

// White-box: a connection may end between the answer and the moment when its call lets go of it.
func TestEndedConnectionIsNotIdle(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	dialReq(t, path, 0x80000001)
	up(t, c, 1)
	l, k, err := c.enter(nil)
	if err != nil || k == nil || k.call != l {
		t.Fatal(k, err)
	}
	k.call = nil // as by an answer
	k.close()
	up(t, c, 0)
	eventually(t, "the end", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return k.dead
	})
	if c.rest(k); len(c.idle) != 0 {
		t.Error("a dead connection waits for calls")
	}
}
