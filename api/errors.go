package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host"
)

// eKuiper's codes, for its routes.
const (
	codeUndefined = 1000
	codeNotFound  = 1002
	codeExecutor  = 2201
	codeStream    = 3000
)

// problem is a kind of failure. It decides status, code and advice.
type problem uint8

const (
	problemInternal problem = iota
	problemJSON
	problemUnknown
	problemArguments
	problemGuestError
	problemGuestFault
	problemDeadline
	problemBusy
	problemUnavailable
	problemClosing
	problemBodySize
	problemHeaderSize
	problemSlow
	problemMalformed
	problemOrigin
	problemResult
	problemInterrupted
	problemHost
	problemAbsent
	problemFuel
	problemFull
)

// answers is the one table of statuses. Codes are part of the API: a code is
// never given another meaning.
var answers = [...]struct {
	status, code int
	advice       string // what the client can do, after the sentence that says what happened
}{
	problemInternal:    {500, 6000, ""},
	problemJSON:        {400, 6001, ""},
	problemUnknown:     {404, 6002, "GET /functions lists what there is"},
	problemArguments:   {422, 6003, "GET /functions/{name} shows the signature"},
	problemGuestError:  {500, 6004, ""},
	problemGuestFault:  {502, 6005, "the instance was discarded and other calls are not affected; the plugin needs mending"},
	problemDeadline:    {504, 6006, "send less work, or raise limits.callMs of the plugin and the operator's ceiling"},
	problemBusy:        {429, 6007, "retry after 1 s, or raise limits.concurrency of the plugin"},
	problemUnavailable: {503, 6008, "GET /functions shows what is wrong; install a version that works"},
	problemClosing:     {503, 6009, "the host is stopping; retry when it is back"},
	problemBodySize:    {413, 6010, ""},
	problemHeaderSize:  {431, 6011, ""},
	problemSlow:        {408, 6012, "send the request faster, or split it"},
	problemMalformed:   {400, 6013, ""},
	problemOrigin:      {403, 6014, "call from the same origin, or from outside a browser"},
	problemResult:      {500, 6015, "the function would have to return a value that JSON can carry"},
	problemInterrupted: {503, 6016, "the plugin was replaced or removed meanwhile: retry if running it twice does no harm"},
	problemHost:        {403, 6017, "call it by localhost, 127.0.0.1 or [::1], or list the name under basic.allowedHosts"},
	problemAbsent:      {503, 6018, "POST /plugins/functions/{name}/register sets the names that the .so file exports"},
	problemFuel:        {504, 6019, "the same call would fail again: send less work, or raise limits.fuel of the plugin and the operator's ceiling"},
	problemFull:        {429, 6020, "retry after 1 s, or send less at once"},
}

// failure is an error whose kind is already known.
type failure struct {
	problem problem
	text    string
}

func (f *failure) Error() string { return f.text }

func failf(p problem, format string, a ...any) error {
	return &failure{p, fmt.Sprintf(format, a...)}
}

// judge decides what kind of problem an error is.
func judge(err error) problem {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.problem
	}
	if g, ok := errors.AsType[*host.GuestError](err); ok {
		switch g.Fault {
		case host.FaultReturned:
			return problemGuestError
		case host.FaultDeadline:
			return problemDeadline
		case host.FaultFuel:
			return problemFuel
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return problemDeadline
		}
		return problemGuestFault
	}
	for _, m := range [...]struct {
		err error
		is  problem
	}{
		{context.DeadlineExceeded, problemDeadline},
		{context.Canceled, problemClosing}, // only Close cancels
		{host.ErrClosed, problemClosing},
		{host.ErrInterrupted, problemInterrupted},
		{host.ErrBusy, problemBusy},
		{host.ErrUnavailable, problemUnavailable},
		{host.ErrNotFound, problemUnknown},
		{host.ErrInvalid, problemArguments},
	} {
		if errors.Is(err, m.err) {
			return m.is
		}
	}
	return problemInternal
}

// explain says what happened and what to do about it.
func explain(p problem, err error) string {
	text := err.Error()
	if g, ok := errors.AsType[*host.GuestError](err); ok && g.Class != "" {
		text += " (class " + g.Class + ")"
		if g.Class == "io" {
			text += "; it may pass when retried"
		}
	}
	if a := answers[p].advice; a != "" {
		text += "; " + a
	}
	return text
}

// appendError appends the body of every error answer, and of a failed row.
func appendError(dst []byte, code int, message string) []byte {
	dst = append(dst, `{"error":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, message)
	return append(dst, '}')
}

// ekuiperError is an answer in eKuiper's words: 404 when its code says not
// found, else 400, as its one error function does it.
type ekuiperError struct {
	code int
	text string
}

func (e *ekuiperError) Error() string { return e.text }

// refuse turns the error of a handler into its answer. The routes of eKuiper
// have its content type, which is not that of JSON.
func (s *Server) refuse(r *request, err error) {
	if e, ok := errors.AsType[*ekuiperError](err); ok {
		status := fasthttp.StatusBadRequest
		if e.code == codeNotFound {
			status = fasthttp.StatusNotFound
		}
		r.out = append(appendError(r.out[:0], e.code, e.text), '\n')
		r.write(status, contentText, r.out)
		return
	}
	p := judge(err)
	if p == problemInternal {
		// No client is told enough to find it.
		s.opts.Log.Error("request failed", "path", string(r.ctx.Path()), "err", err)
	}
	if p == problemBusy || p == problemFull {
		r.ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
	}
	kind := contentJSON
	if r.route != nil && r.route.is(ekuiper) {
		kind = contentText
	}
	if r.binary {
		r.out = appendFrameError(r.out[:0], answers[p].code, explain(p, err))
		r.write(answers[p].status, contentFrame, r.out)
		return
	}
	r.out = append(appendError(r.out[:0], answers[p].code, explain(p, err)), '\n')
	r.write(answers[p].status, kind, r.out)
}

// fullAnswer is what a connection beyond the limit hears.
func fullAnswer(limit int) []byte {
	return lastAnswer("503 Service Unavailable\r\nRetry-After: 1", problemBusy,
		fmt.Sprintf("found %d open connections, which is the limit; retry after 1 s", limit))
}

// goneAnswer is what is heard of a handler that ended its goroutine.
func goneAnswer() []byte {
	return lastAnswer("500 Internal Server Error", problemInternal, "the plugin ended the goroutine of the call")
}

// lastAnswer is an answer past fasthttp, after which the connection ends.
func lastAnswer(status string, p problem, text string) []byte {
	body := append(appendError(nil, answers[p].code, text), '\n')
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nConnection: close\r\n"+
		"X-Content-Type-Options: nosniff\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", status, contentJSON, len(body), body)
}
