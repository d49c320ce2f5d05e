package native

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// TestSetErrorEndsWithItsCall: what a plugin sets is Err's answer in that call,
// and not in those that follow with the same context.
func TestSetErrorEndsWithItsCall(t *testing.T) {
	boom := errors.New("boom")
	// begin is what a call of a plugin finds, and does: every other sets an error.
	var found, within []error
	begin := func(ctx api.StreamContext) {
		found = append(found, ctx.Err())
		if len(found)%2 == 1 {
			ctx.SetError(boom)
			within = append(within, ctx.Err())
		}
	}
	check := func(t *testing.T, calls int) {
		t.Helper()
		if len(found) < calls {
			t.Errorf("%d calls, want %d", len(found), calls)
		}
		for i, err := range found {
			if err != nil {
				t.Errorf("call %d begins with %v", i, err)
			}
		}
		for _, err := range within {
			if !errors.Is(err, boom) {
				t.Errorf("the call that set it sees %v", err)
			}
		}
	}
	for name, c := range map[string]*host.Call{"outside": nil, "rule": {Rule: "r", Op: "o"}} {
		t.Run("function "+name, func(t *testing.T) {
			found, within = nil, nil
			fn := newKit(t, guestOptions{}).function(t, execs(func(ctx api.FunctionContext, _ []any) (any, bool) {
				begin(ctx)
				return nil, true
			}))
			ctx, cancel := context.WithCancel(t.Context()) // one for all calls, as a rule has
			defer cancel()
			for range 4 {
				if _, err := fn.Exec(ctx, c, nil); err != nil {
					t.Error(err)
				}
			}
			check(t, 4)
		})
	}
	t.Run("sink", func(t *testing.T) {
		found, within = nil, nil
		snk := newKit(t, guestOptions{}).sink(t, &bytesSink{
			fakeNode: fakeNode{
				provision: func(ctx api.StreamContext, _ map[string]any) error { begin(ctx); return nil },
				connect:   func(ctx api.StreamContext, _ api.StatusChangeHandler) error { begin(ctx); return nil },
				shut:      func(ctx api.StreamContext) error { found = append(found, ctx.(*streamContext).ended()); return nil },
			},
			one: func(ctx api.StreamContext, _ api.RawTuple) error { begin(ctx); return nil },
		}, nil)
		for i := range 4 {
			err := snk.Write(t.Context(), host.Message{Value: []byte("x")})
			if i%2 == 0 != (err != nil) {
				t.Errorf("write %d: %v", i, err)
			}
		}
		if err := snk.Close(t.Context()); err != nil {
			t.Error(err)
		}
		check(t, 7)
	})
	t.Run("source", func(t *testing.T) {
		found, within = nil, nil
		src := newKit(t, guestOptions{}).opened(t, &tuplePuller{pull: func(ctx api.StreamContext, _ time.Time, in api.TupleIngest, _ api.ErrorIngest) {
			begin(ctx)
			in(ctx, row(len(found)), nil, time.Time{})
		}}, host.Props{"interval": 1})
		for range 6 { // each other pull has an error before its row
			_, _ = src.Next(timeout(t, 5*time.Second))
		}
		if err := src.Close(t.Context()); err != nil {
			t.Error(err)
		}
		check(t, 4)
	})
}

// ended is Err without what says that the context has ended, as at a Close.
func (c *streamContext) ended() error {
	if err := c.Err(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
