package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds an answer of the server, in bytes.
const maxAnswer = 256 << 20

// client talks to one server. It uses net/http, which the host's downloads
// link anyway.
type client struct {
	name  string // of the server, for errors
	base  string
	token string
	http  *http.Client
}

// newClient makes a client of http://, https:// or unix:///path.
func newClient(server, token string) (*client, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	t := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	c := &client{name: server, token: token, http: &http.Client{Transport: t}}
	u, err := url.Parse(server)
	switch {
	case err != nil:
		return nil, usagef("--server: %w", err)
	case u.Scheme == "unix" && u.Host == "" && u.Path != "":
		c.base = "http://vanth"
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", u.Path)
		}
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "":
		c.base = strings.TrimSuffix(u.String(), "/")
		t.Proxy = http.ProxyFromEnvironment
	default:
		return nil, usagef("--server: found %q, expected http://host:port, https://host:port or unix:///path", server)
	}
	return c, nil
}

// request is one request to the server.
type request struct {
	method string
	path   []string // its parts, not escaped
	query  url.Values
	body   io.Reader
	size   int64  // of the body; 0 for one whose type tells it
	kind   string // content type of the body
}

// do sends a request and returns the body of a good answer. Other answers are
// errors with the exit code that belongs to them.
func (c *client) do(ctx context.Context, r request) ([]byte, error) {
	body, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return c.read(body)
}

// read reads a whole answer.
func (c *client) read(body io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, c.unreachable(err)
	case len(b) > maxAnswer:
		return nil, fmt.Errorf("%s: the answer is longer than %d MiB", c.name, maxAnswer>>20)
	}
	return b, nil
}

// open sends a request and returns the body of a good answer as it comes.
func (c *client) open(ctx context.Context, r request) (io.ReadCloser, error) {
	parts := make([]string, len(r.path))
	for i, p := range r.path {
		parts[i] = url.PathEscape(p)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, c.base+"/"+strings.Join(parts, "/"), r.body)
	if err != nil {
		return nil, coded(exitUsage, err)
	}
	q.URL.RawQuery = r.query.Encode()
	if r.size > 0 {
		q.ContentLength = r.size
	}
	if r.kind != "" {
		q.Header.Set("Content-Type", r.kind)
	}
	if c.token != "" {
		q.Header.Set("Authorization", c.token) // eKuiper's form, without "Bearer "
	}
	a, err := c.http.Do(q)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if a.StatusCode/100 == 2 {
		return a.Body, nil
	}
	defer a.Body.Close()
	b, err := c.read(a.Body)
	if err != nil {
		return nil, err
	}
	return nil, refusal(a.StatusCode, q.URL.Path, b)
}

// unreachable says what to do about a server that did not answer.
func (c *client) unreachable(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without method and URL, which hide the reason
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return coded(exitUnreachable, fmt.Errorf("%s did not answer in time: wait longer with --timeout", c.name))
	}
	return coded(exitUnreachable, fmt.Errorf("cannot reach %s: %w: is `vanth serve` running? set --server or VANTH_SERVER", c.name, err))
}

// refusal turns an answer that is an error into ours. The server speaks
// eKuiper's form, {"error":1002,"message":"..."}, or plain text.
func refusal(status int, path string, body []byte) error {
	const notFound = 1002
	var said struct {
		Error   int    `json:"error"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Message == "" {
		if status == http.StatusNotFound {
			// Not the plugin is missing, but the whole route.
			return coded(exitFailed, fmt.Errorf("the server has no %s: it is no Vanth server, or its build has no such class of plugins", path))
		}
		said.Message = string(bytes.TrimSpace(body))
	}
	text := printable(said.Message)
	if text == "" {
		text = fmt.Sprintf("the server answered %d %s", status, http.StatusText(status))
	}
	switch {
	case status == http.StatusUnauthorized:
		return coded(exitFailed, fmt.Errorf("%s: set --token or VANTH_TOKEN", text))
	// eKuiper's delete of an unknown plugin is a 400 with this sentence.
	case status == http.StatusNotFound, said.Error == notFound,
		status == http.StatusBadRequest && strings.HasSuffix(text, " is not found"):
		return coded(exitNotFound, errors.New(text))
	}
	return coded(exitFailed, errors.New(text))
}
