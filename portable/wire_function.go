package portable

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/vanth-io/vanth/host"
)

// How a function is called on eKuiper's wire. Every row of a rule passes here,
// so that nothing is allocated but the result.

// ask sends b.request to a function. The reply points into b.
func (w *wire) ask(ctx context.Context, name string, b *buffers) (reply, error) {
	w.mu.Lock()
	f := w.functions[name]
	w.mu.Unlock()
	if f == nil {
		return reply{}, fmt.Errorf("%w: %w", errNotSent, errGone)
	}
	var err error
	if b.answer, err = f.caller.Call(ctx, b.request, b.answer[:0]); err != nil {
		return reply{}, w.broken(ctx, err)
	}
	r, err := decodeReply(b.answer)
	if err != nil {
		err = w.p.m.fault(name, host.FaultResult, fmt.Errorf("Failed to unmarshal function result %.1024s", b.answer)) //nolint:staticcheck // eKuiper's sentence
	}
	return r, err
}

func (w *wire) aggregate(ctx context.Context, name string) (is bool, err error) {
	b := w.p.m.rt.borrow()
	defer w.p.m.rt.keep(b)
	b.request = append(b.request[:0], `{"func":"IsAggregate","arg":null}`...)
	r, err := w.ask(ctx, name, b)
	switch {
	case err != nil:
		return false, err
	case !r.State:
		return false, &refusal{"IsAggregate: " + text(r.Result)}
	}
	if err := json.Unmarshal(r.Result, &is); err != nil {
		return false, &refusal{fmt.Sprintf("IsAggregate: found %.64s, expected true or false", r.Result)}
	}
	return is, nil
}

// validate gives the plugin as many arguments as there are; where eKuiper has
// the nodes of its parser, of which plugins use the number only, it sees values.
func (w *wire) validate(ctx context.Context, name string, args []any) (err error) {
	b := w.p.m.rt.borrow()
	defer w.p.m.rt.keep(b)
	if b.request, err = appendArguments(append(b.request[:0], `{"func":"Validate","arg":`...), args, false, nil); err != nil {
		return err
	}
	b.request = append(b.request, '}')
	r, err := w.ask(ctx, name, b)
	if err == nil && !r.State {
		err = host.Errorf(host.ErrInvalid, "%s", text(r.Result))
	}
	return err
}

func (w *wire) exec(ctx context.Context, f *function, b *buffers, c *host.Call, args []any) (v any, err error) {
	if b.request, err = appendArguments(append(b.request[:0], `{"func":"Exec","arg":`...), args, true, c); err != nil {
		return nil, err
	}
	b.request = append(b.request, '}')
	r, err := w.ask(ctx, f.name, b)
	switch {
	case err != nil:
		return nil, err
	case r.State:
		if v, err = decodeResult(r.Result); err != nil {
			return nil, w.p.m.fault(f.name, host.FaultResult, fmt.Errorf("found result %.256q: %w", r.Result, err))
		}
		return v, nil
	case len(r.Result) == 0 || string(r.Result) == "null":
		return nil, nil // no value
	}
	return nil, w.p.m.returned(f.name, text(r.Result))
}

// reply is the answer to a call.
type reply struct {
	State  bool            `json:"state"`
	Result json.RawMessage `json:"result"`
}

// successes are how plugins write success around its value: eKuiper's SDK for Go,
// that for Python, and whoever sorts the names.
func successes() [3][2]string {
	return [...][2]string{
		{`{"state":true,"result":`, `}`},
		{`{"state": true, "result": `, `}`},
		{`{"result":`, `,"state":true}`},
	}
}

// decodeReply reads an answer. The result points into it. What most answers look
// like, success and a text, a number or a word, is taken apart at sight.
func decodeReply(b []byte) (reply, error) {
	for _, around := range successes() {
		first, last := len(around[0]), len(b)-len(around[1])
		if first > last || string(b[:first]) != around[0] || string(b[last:]) != around[1] {
			continue
		}
		if v := b[first:last]; isPlain(v) || isNumber(v) || string(v) == "true" || string(v) == "false" || string(v) == "null" {
			return reply{State: true, Result: v}, nil
		}
	}
	return decodeAnyReply(b)
}

// decodeAnyReply is apart so that decodeReply's result stays on the stack.
func decodeAnyReply(b []byte) (r reply, err error) {
	err = json.Unmarshal(b, &r)
	return r, err
}

// decodeResult decodes the result of a call.
func decodeResult(b []byte) (any, error) {
	switch string(b) {
	case "", "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	if isPlain(b) {
		return string(b[1 : len(b)-1]), nil
	}
	if isNumber(b) {
		if f, err := strconv.ParseFloat(string(b), 64); err == nil {
			return f, nil
		}
	}
	return decodeAnyResult(b)
}

func decodeAnyResult(b []byte) (v any, err error) {
	err = json.Unmarshal(b, &v)
	return v, err
}

// isNumber tells whether b is a number as JSON writes it.
func isNumber(b []byte) bool {
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	whole := digits(b)
	if whole == 0 || whole > 1 && b[0] == '0' {
		return false
	}
	if b = b[whole:]; len(b) > 0 && b[0] == '.' {
		n := digits(b[1:])
		if n == 0 {
			return false
		}
		b = b[1+n:]
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		b = b[1:]
		if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		return len(b) > 0 && digits(b) == len(b)
	}
	return len(b) == 0
}

// digits is how many digits b begins with.
func digits(b []byte) int {
	n := 0
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	return n
}

// isPlain tells whether b is one JSON string whose inside stands for itself.
func isPlain(b []byte) bool {
	n := len(b)
	return n >= 2 && b[0] == '"' && b[n-1] == '"' && isClean(b[1:n-1])
}

// isClean tells whether b means the same inside the quotes of JSON.
func isClean[B []byte | string](b B) bool {
	for i := range len(b) {
		if c := b[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
