package builtin

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host"
)

// request is how httppull and rest ask a server.
type request struct {
	secrets  secrets
	url      string
	method   string
	bodyType string
	headers  map[string]string
	timeout  time.Duration
	client   *http.Client
}

func readRequest(l *life, p *reader, method string) request {
	p.refuse("oAuth", "compression", "connectionSelector")
	r := request{
		secrets: readSecrets(l, p),
		url:     p.text("url", ""),
		method:  strings.ToUpper(p.choice("method", method, "get", "post", "put", "patch", "delete", "head")),
		headers: p.pairs("headers"),
		timeout: p.limit("timeout", 5*time.Second),
	}
	def := "json"
	if r.method == http.MethodGet || r.method == http.MethodHead {
		def = "none"
	}
	r.bodyType = p.choice("bodyType", def, "none", "json", "text", "html", "xml", "javascript", "form", "binary")
	if u, err := url.Parse(r.url); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		found := "nothing"
		if r.url != "" {
			found = strconv.Quote(shown(r.url))
		}
		p.fail(host.ErrInvalid, "url", "found %s, expected http:// or https:// with a host", found)
	}
	return r
}

// shown is a URL without its password.
func shown(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Redacted()
	}
	return "something that is no URL"
}

func (r *request) open() error {
	c, err := r.secrets.config()
	if err != nil {
		return err
	}
	dial := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	r.client = &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial.DialContext, TLSClientConfig: c,
		TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 2,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}}
	return nil
}

func (r *request) close() { r.client.CloseIdleConnections() }

// contentType is the media type of a bodyType.
func contentType(body string) string {
	switch body {
	case "text", "html":
		return "text/" + strings.Replace(body, "text", "plain", 1)
	case "form":
		return "application/x-www-form-urlencoded"
	case "binary":
		return "application/octet-stream"
	}
	return "application/" + body // json, xml, javascript
}

// do sends one request and reads the answer whole. Errors that may pass when
// tried again wrap ErrUnavailable; after says how long the server asks to wait.
func (r *request) do(ctx context.Context, target string, body []byte, most int64) (answer []byte, after time.Duration, err error) {
	var in io.Reader
	if r.bodyType != "none" && body != nil {
		in = bytes.NewReader(body)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, target, in)
	if err != nil {
		return nil, 0, host.Errorf(host.ErrInvalid, "%v", err)
	}
	if in != nil {
		q.Header.Set("Content-Type", contentType(r.bodyType))
	}
	for k, v := range r.headers {
		if q.Header.Set(k, v); strings.EqualFold(k, "host") {
			q.Host = v
		}
	}
	reply, err := r.client.Do(q)
	if err != nil {
		return nil, 0, r.failed(ctx, target, err)
	}
	defer reply.Body.Close()
	if reply.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(reply.Body, 200))
		return nil, retryAfter(reply), status(reply.StatusCode, r.method, shown(target), text)
	}
	if answer, err = io.ReadAll(io.LimitReader(reply.Body, most+1)); err != nil {
		return nil, 0, r.failed(ctx, target, err)
	}
	if int64(len(answer)) > most {
		return nil, 0, host.Errorf(host.ErrInvalid, "%s %s: the answer is larger than %d bytes", r.method, shown(target), most)
	}
	return answer, 0, nil
}

// failed words what went wrong on the way.
func (r *request) failed(ctx context.Context, target string, err error) error {
	var in *url.Error
	if errors.As(err, &in) {
		err = in.Err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return unavailable("%s %s: no answer within %v (property timeout)", r.method, shown(target), r.timeout)
	}
	if isCertificate(err) {
		return host.Errorf(host.ErrInvalid, "%s %s: %v", r.method, shown(target), advise(err))
	}
	return unavailable("%s %s: %w", r.method, shown(target), err)
}

func isCertificate(err error) bool {
	var c *tls.CertificateVerificationError
	return errors.As(err, &c)
}

func status(code int, method, target string, text []byte) error {
	err := fmt.Errorf("%s %s: found status %d, expected 2xx: %q", method, target, code, text)
	switch {
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		return unavailable("%w", err)
	}
	return host.Errorf(host.ErrInvalid, "%v", err)
}

func retryAfter(reply *http.Response) time.Duration {
	n, err := strconv.Atoi(reply.Header.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, 30*time.Second)
}
