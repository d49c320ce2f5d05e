package vanth

import "time"

// Request is a request over HTTP.
type Request struct {
	Method  string // GET, or POST if there is a body, when it is empty
	URL     string // http or https
	Headers map[string]string
	Body    []byte
	// Timeout bounds the request; 0 is what the host allows. It never outlasts the call that makes it.
	Timeout time.Duration
}

// Response is the answer, whatever its status.
type Response struct {
	Status int
	// Headers are some of them, in lower case: those of caching and redirects, content-type, date, link
	// and retry-after.
	Headers map[string]string
	Body    []byte
}

// HTTP makes a request and waits for the answer. The manifest's requires must have "http" and its
// "http" the host, and the operator must allow both. What the host refuses is an *Error of class
// Usage; that nobody answered in time is one of class IO. Redirects are followed within a host.
func HTTP(r Request) (*Response, error) {
	m := map[string]any{"url": r.URL}
	if r.Method != "" {
		m["method"] = r.Method
	}
	if r.Headers != nil {
		m["headers"] = r.Headers
	}
	if r.Body != nil {
		m["body"] = r.Body
	}
	if r.Timeout > 0 {
		m["timeout"] = int64((r.Timeout + time.Millisecond - 1) / time.Millisecond)
	}
	frame, err := Append(nil, m)
	if err != nil {
		return nil, err
	}
	answer, code := hostHTTP(frame)
	if code < 0 {
		return nil, &HostError{Op: "http", Key: r.URL, Code: code}
	}
	v, err := Value(answer)
	if err != nil {
		return nil, &Error{Msg: "http: " + err.Error(), Class: Fatal}
	}
	if e, ok := v.(*Error); ok {
		return nil, e
	}
	return response(v)
}

func response(v any) (*Response, error) {
	m, _ := v.(map[string]any)
	status, ok := m["status"].(int64)
	headers, ok2 := m["headers"].(map[string]any)
	body, ok3 := m["body"].([]byte)
	if !ok || !ok2 || !ok3 {
		return nil, &Error{Msg: "http: the answer is not understood", Class: Fatal}
	}
	p := &Response{Status: int(status), Headers: make(map[string]string, len(headers)), Body: body}
	for k, v := range headers {
		p.Headers[k], _ = v.(string)
	}
	return p, nil
}
