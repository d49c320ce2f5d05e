package portable

import (
	"context"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// laneFunction is a function whose processes all speak the fast lane, on which
// encoded values pass as they are.
type laneFunction struct{ *function }

var (
	_ host.Bytes = (*laneFunction)(nil)
	_ host.Batch = (*laneFunction)(nil)
)

// ExecBytes implements host.Bytes.
func (f *laneFunction) ExecBytes(ctx context.Context, c *host.Call, dst, args []byte) ([]byte, error) {
	out, err := f.pass(ctx, opCall, c, dst, args)
	if err == nil && len(out) == len(dst) {
		out = frame.AppendNil(out)
	}
	return out, err
}

// ExecBatch implements host.Batch.
func (f *laneFunction) ExecBatch(ctx context.Context, c *host.Call, dst, rows []byte) ([]byte, error) {
	return f.pass(ctx, opBatch, c, dst, rows)
}

func (f *laneFunction) pass(ctx context.Context, op byte, c *host.Call, dst, payload []byte) ([]byte, error) {
	b := f.m.rt.borrow()
	defer f.m.rt.keep(b)
	ctx = f.limit(ctx, b)
	out := dst
	err := f.call(ctx, func(p *process) error {
		l, ok := p.link.(*lane)
		if !ok {
			return host.Errorf(host.ErrUnsupported, "%s: the plugin came back without the fast lane", f.name)
		}
		var err error
		out, err = l.execBytes(ctx, op, f.function, c, dst, func(b []byte) ([]byte, error) { return append(b, payload...), nil })
		return err
	})
	return out, err
}
