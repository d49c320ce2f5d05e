package portable

import (
	"context"
	"errors"
	"fmt"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// ask sends a request and waits for its answer, which is appended to dst.
func (l *lane) ask(ctx context.Context, dst []byte, h head, build func([]byte) ([]byte, error)) ([]byte, error) {
	w, err := l.pending.call(ctx, dst)
	if err != nil {
		return dst, err
	}
	return l.askAs(ctx, w, dst, h, build)
}

// askAs sends a request as the waiter w, which it drops. dst is what w was made with:
// whoever reads may be at it by now.
func (l *lane) askAs(ctx context.Context, w *waiter, dst []byte, h head, build func([]byte) ([]byte, error)) ([]byte, error) {
	h.id = w.id
	if err := l.sendAs(w, h, build); err != nil {
		l.pending.drop(w, false)
		return dst, err
	}
	answered := w.leads && l.lead(w)
	if !answered && !w.await(ctx) {
		if l.pending.giveUp(w) {
			_ = l.send(head{op: opCancel, id: h.id}, nil)
			return dst, ctx.Err()
		}
		<-w.done // the answer was being written down
	}
	var err error
	more := false
	if answered {
		more = l.frames.buffered()
	} else {
		err = w.err
	}
	out, failed := w.dst, w.failed
	l.pending.drop(w, more)
	if err != nil {
		return dst, err
	}
	if failed {
		return dst, l.refused(out[len(dst):])
	}
	return out, nil
}

// laneError is an error value of the plugin.
type laneError struct{ text, class string }

func (e *laneError) Error() string { return e.text }

// refused decodes an error value.
func (l *lane) refused(payload []byte) error {
	v, err := frame.Decode(payload)
	if e, ok := v.(*frame.Error); ok && err == nil {
		return &laneError{e.Msg, e.Class}
	}
	return fmt.Errorf("%w: found %.200s where an error value must be", errProtocol, host.Describe(v))
}

// said turns the error of a request about a symbol into one of the host.
func (l *lane) said(symbol string, err error) error {
	e, ok := errors.AsType[*laneError](err)
	if !ok {
		return err
	}
	g := l.p.m.returned(symbol, e.text)
	g.Class = e.class
	if g.Class == "fatal" {
		g.Output = l.p.m.out.Last(outputTail)
	}
	return g
}

// function implements link: the lane knows all functions from the start.
func (l *lane) function(context.Context, string) error { return nil }

func (l *lane) aggregate(_ context.Context, name string) (bool, error) {
	return l.collects[name], nil
}

func (l *lane) number(k host.Kind, name string) uint16 {
	return l.symbols[host.Symbol{Kind: k, Name: name}]
}

func (l *lane) validate(ctx context.Context, name string, args []any) error {
	_, err := l.ask(ctx, nil, head{op: opValidate, symbol: l.number(host.KindFunction, name)}, arguments(args))
	if e, ok := errors.AsType[*laneError](err); ok {
		return host.Errorf(host.ErrInvalid, "%s", e.text)
	}
	return err
}

// arguments builds the payload of a list of arguments.
func arguments(args []any) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		b, err := frame.AppendArgs(b, args)
		if err != nil {
			err = host.Errorf(host.ErrInvalid, "%v", err)
		}
		return b, err
	}
}

func (l *lane) exec(ctx context.Context, f *function, b *buffers, c *host.Call, args []any) (any, error) {
	var err error
	b.answer, err = l.execBytes(ctx, opCall, f, c, b.answer[:0], arguments(args))
	if err != nil {
		return nil, err
	}
	if len(b.answer) == 0 {
		return nil, nil
	}
	v, err := frame.Decode(b.answer)
	if err != nil {
		return nil, l.p.m.fault(f.name, host.FaultResult, err)
	}
	return v, nil
}

// execBytes calls a function, and appends the encoded result.
func (l *lane) execBytes(ctx context.Context, op byte, f *function, c *host.Call, dst []byte, build func([]byte) ([]byte, error)) ([]byte, error) {
	seat, err := l.seat(c)
	if err != nil {
		return dst, err
	}
	out, err := l.ask(ctx, dst, head{op: op, symbol: l.numbers[f.index], context: seat}, build)
	if err != nil {
		err = l.said(f.name, err)
	}
	return out, err
}
