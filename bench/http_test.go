package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/vanth-io/vanth/api"
)

// connections are how many clients post at the same time, each on a connection of
// its own that is kept.
const connections = 16

// exchange is a request and its answer.
type exchange struct{ path, contentType, body, answer string }

// The content types of calls and of their answers.
const (
	jsonType   = "application/json"
	ndjsonType = "application/x-ndjson"
	binaryType = "application/msgpack"
)

// addCall adds two floats.
func addCall() exchange {
	return exchange{"/functions/add/call", jsonType, `{"args":[1.5,2.5]}`, `{"result":4.0}`}
}

// echoCall sends 256 bytes there and back, as frames.
func echoCall(t testing.TB) exchange {
	payload := bytes.Repeat([]byte("0123456789abcdef"), 16)
	args, answer := frames(t, []any{payload}, map[string]any{"result": payload})
	return exchange{"/functions/echo/call", binaryType, string(args), string(answer)}
}

// httpWorks are calls over HTTP. The floor is a bare fasthttp server that answers
// the same bytes to the same clients.
func httpWorks() []work {
	works := []work{
		{name: "HTTP call of add over TCP", quick: true, subjects: func(t testing.TB) []subject { return httpCalls(t, "tcp", addCall()) }},
		{name: "HTTP call of add over a Unix socket", subjects: func(t testing.TB) []subject { return httpCalls(t, "unix", addCall()) }},
		{name: "HTTP call of echo 256 B, binary, over TCP", subjects: func(t testing.TB) []subject { return httpCalls(t, "tcp", echoCall(t)) }},
		{name: "HTTP batch of 1,000 calls, a call", subjects: httpBatch},
	}
	for i := range works {
		works[i].rounds, works[i].round = 100, 20*time.Millisecond
	}
	return works
}

func httpCalls(t testing.TB, network string, x exchange) []subject {
	return []subject{
		{name: "bare fasthttp", run: bare(t, network, x).loop(t, x)},
		{name: "POST " + x.path, run: served(t, network).loop(t, x), promises: most("P12: at least 85 % of the floor's requests/s", 1/0.85)},
	}
}

// httpBatch sends a thousand calls in a request, each a row.
func httpBatch(t testing.TB) []subject {
	const calls = 1000
	lines := exchange{"/functions/add/batch", ndjsonType, strings.Repeat("[1.5,2.5]\n", calls), strings.Repeat(addCall().answer+"\n", calls)}
	rows, results := make([]any, calls), make([]any, calls)
	for i := range rows {
		rows[i], results[i] = []any{addA, addB}, addSum
	}
	body, answer := frames(t, rows, results)
	binary := exchange{"/functions/add/batch", binaryType, string(body), string(answer)}
	return []subject{
		{name: "bare fasthttp, a request of one call", run: bare(t, "tcp", addCall()).loop(t, addCall())},
		{name: "POST .../batch, JSON lines", per: calls, run: served(t, "tcp").loop(t, lines), promises: within("P12: at least 1 M calls/s as JSON", 1000)},
		{name: "POST .../batch, binary", per: calls, run: served(t, "tcp").loop(t, binary), promises: within("P12: at least 10 M calls/s binary", 100)},
	}
}

// server is where requests go.
type server struct{ network, address string }

// listen answers with run on a network until t ends.
func listen(t testing.TB, network string, run func(net.Listener) error, stop func()) server {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = run(l) }()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return server{network, l.Addr().String()}
}

// bare answers every request with the same.
func bare(t testing.TB, network string, x exchange) server {
	s := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType(x.contentType)
		ctx.SetBodyString(x.answer)
	}}
	return listen(t, network, s.Serve, func() { _ = s.Shutdown() })
}

// served is the product's API in front of a host with the guest.
func served(t testing.TB, network string) server {
	s, err := api.New(guestHost(t), api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, network, s.Serve, func() { _ = s.Close(context.Background()) })
}

// loop returns what makes n requests, from all clients together, and compares each
// answer.
func (s server) loop(t testing.TB, x exchange) func(n int) error {
	t.Helper()
	runs := make([]func(n int) error, connections)
	for i := range runs {
		conn, err := net.Dial(s.network, s.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		c := &client{conn: conn, from: bufio.NewReaderSize(conn, 64<<10), want: []byte(x.answer)}
		c.request = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			x.path, x.contentType, len(x.body), x.body)
		runs[i] = c.run
	}
	return together(runs)
}

// client posts the same request again and again. It does as little as a client can,
// so that the servers are what is measured.
type client struct {
	conn    net.Conn
	from    *bufio.Reader
	request []byte
	want    []byte
	body    []byte
}

func (c *client) run(n int) error {
	for range n {
		if _, err := c.conn.Write(c.request); err != nil {
			return err
		}
		if err := c.answer(); err != nil {
			return err
		}
		if !bytes.Equal(c.body, c.want) && !bytes.Equal(c.body, append(c.want, '\n')) {
			return fmt.Errorf("%w: %.200q", errWrong, c.body)
		}
	}
	return nil
}

// line reads one line, without its end.
func (c *client) line() ([]byte, error) {
	b, err := c.from.ReadSlice('\n')
	return bytes.TrimRight(b, "\r\n"), err
}

// answer reads a response into body.
func (c *client) answer() error {
	status, err := c.line()
	if err != nil {
		return err
	}
	failed := ""
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		failed = string(status)
	}
	length := -1
	for {
		l, err := c.line()
		if err != nil {
			return err
		}
		if len(l) == 0 {
			break
		}
		const key = "Content-Length:"
		if len(l) > len(key) && strings.EqualFold(string(l[:len(key)]), key) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(l[len(key):]))); err != nil {
				return err
			}
		}
	}
	c.body = c.body[:0]
	if length >= 0 {
		err = c.take(length)
	} else {
		err = c.chunks()
	}
	if err == nil && failed != "" {
		err = fmt.Errorf("found %s: %.200s", failed, c.body)
	}
	return err
}

// chunks reads a body in chunks.
func (c *client) chunks() error {
	for {
		l, err := c.line()
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(l), 16, 31)
		if err != nil {
			return err
		}
		if err := c.take(int(n)); err != nil {
			return err
		}
		if end, err := c.line(); err != nil || len(end) > 0 {
			return errors.Join(errors.New("found a chunk without its end"), err)
		}
		if n == 0 {
			return nil
		}
	}
}

// take appends n bytes to the body.
func (c *client) take(n int) error {
	for n > 0 {
		b, err := c.from.Peek(min(n, c.from.Size()))
		if err != nil {
			return err
		}
		c.body = append(c.body, b...)
		_, _ = c.from.Discard(len(b)) // they are there
		n -= len(b)
	}
	return nil
}
