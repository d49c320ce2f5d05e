package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/vanth-io/vanth/host"
)

// sentinels are the errors that keep their identity across the wire, by their
// place in the list.
func sentinels() []error {
	return []error{
		nil, io.EOF, context.Canceled, context.DeadlineExceeded,
		host.ErrNotFound, host.ErrExists, host.ErrInvalid, host.ErrUnsupported, host.ErrInUse,
		host.ErrUnavailable, host.ErrBusy, host.ErrClosed, host.ErrRestart, host.ErrDamaged, host.ErrInterrupted,
	}
}

// encodeError makes the fields of opFail: the place of the sentinel that err
// wraps, its text and, of a fault, its symbol, kind, class and output.
func encodeError(err error) []any {
	var place int
	for i, s := range sentinels() {
		if s != nil && errors.Is(err, s) {
			place = i
		}
	}
	if g, ok := errors.AsType[*host.GuestError](err); ok {
		return []any{place, valid(g.Err.Error()), valid(g.Symbol), string(g.Fault), g.Class, valid(g.Output)}
	}
	return []any{place, valid(err.Error()), "", "", "", ""}
}

// valid makes text that a frame can hold.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// decodeError makes the error that opFail tells, in the name of the plugin. A
// worker that tells something else broke the protocol.
func (g *guest) decodeError(f fields) (told_, broken error) {
	place, text := field[int64](&f), field[string](&f)
	symbol, fault := field[string](&f), field[string](&f)
	class, output := field[string](&f), field[string](&f)
	if err := f.end("an error"); err != nil {
		return nil, err
	}
	all := sentinels()
	if place < 0 || place >= int64(len(all)) {
		return nil, fmt.Errorf("%w: an error of no known kind", errProtocol)
	}
	sentinel := all[place]
	if fault != "" {
		e := g.fault(symbol, host.Fault(fault), &told{text: text, ended: sentinel})
		e.Class, e.Output = class, output
		return e, nil
	}
	switch place {
	case 0:
		return errors.New(text), nil
	case 1: // io.EOF: readers compare it
		return sentinel, nil
	}
	return host.Errorf(sentinel, "%s", text), nil
}
