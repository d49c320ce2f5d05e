package native

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

func TestSourceOpenFails(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name  string
		s     *tuplePusher
		text  string
		steps []string
	}{
		{"provision", &tuplePusher{fakeNode: fakeNode{provision: func(api.StreamContext, map[string]any) error { return boom }}}, "Provision: boom", []string{"provision"}},
		{"provision panics", &tuplePusher{fakeNode: fakeNode{provision: func(api.StreamContext, map[string]any) error { panic("boom") }}}, "Provision: panic: boom", []string{"provision"}},
		{"connect", &tuplePusher{fakeNode: fakeNode{connect: func(api.StreamContext, api.StatusChangeHandler) error { return boom }}}, "Connect: boom", []string{"provision", "connect", "close"}},
		{"connect panics", &tuplePusher{fakeNode: fakeNode{connect: func(api.StreamContext, api.StatusChangeHandler) error { panic("boom") }}}, "Connect: panic: boom", []string{"provision", "connect", "close"}},
		{"connect takes too long", &tuplePusher{fakeNode: fakeNode{connect: func(ctx api.StreamContext, _ api.StatusChangeHandler) error {
			<-ctx.Done()
			return ctx.Err()
		}}}, "has not returned: context deadline exceeded", []string{"provision", "connect", "close"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newKit(t, guestOptions{}).source(t, c.s, nil)
			if err := src.Open(timeout(t, 50*time.Millisecond)); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v", err)
			}
			if _, err := src.Next(t.Context()); !errors.Is(err, host.ErrClosed) {
				t.Errorf("next: %v", err)
			}
			if err := src.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if got := c.s.steps(); !slices.Equal(got, c.steps) {
				t.Errorf("steps %v", got)
			}
		})
	}
}

func TestSourceCloseFails(t *testing.T) {
	k := newKit(t, guestOptions{})
	for _, shut := range []func(api.StreamContext) error{
		func(api.StreamContext) error { return errors.New("boom") },
		func(api.StreamContext) error { panic("boom") },
	} {
		src := k.opened(t, &tuplePusher{fakeNode: fakeNode{shut: shut}}, nil)
		if err := src.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "boom") {
			t.Errorf("got %v", err)
		}
	}
}

// TestSourceHangs closes sources whose methods never return by themselves.
func TestSourceHangs(t *testing.T) {
	for _, method := range []string{"Pull", "Subscribe", "Close", "Connect", "freed by Close"} {
		t.Run(method, func(t *testing.T) {
			k := newKit(t, guestOptions{Grace: 20 * time.Millisecond})
			release := make(chan struct{})
			left := make(chan struct{}, 1)
			hang := func() {
				<-release
				left <- struct{}{}
			}
			var s api.Source
			switch method {
			case "Pull":
				s = &tuplePuller{pull: func(api.StreamContext, time.Time, api.TupleIngest, api.ErrorIngest) { hang() }}
			case "Subscribe":
				s = &tuplePusher{subscribe: func(api.StreamContext, api.TupleIngest, api.ErrorIngest) error { hang(); return nil }}
			case "Close":
				s = &tuplePusher{
					fakeNode:  fakeNode{shut: func(api.StreamContext) error { hang(); return nil }},
					subscribe: func(api.StreamContext, api.TupleIngest, api.ErrorIngest) error { return nil },
				}
			case "Connect":
				s = &tuplePusher{fakeNode: fakeNode{connect: func(api.StreamContext, api.StatusChangeHandler) error { hang(); return nil }}}
			case "freed by Close":
				s = &tuplePusher{
					fakeNode:  fakeNode{shut: func(api.StreamContext) error { close(release); return nil }},
					subscribe: func(api.StreamContext, api.TupleIngest, api.ErrorIngest) error { hang(); return nil },
				}
			}
			src := k.source(t, s, nil)
			err := src.Open(timeout(t, 20*time.Millisecond))
			if err == nil {
				if _, err := src.Next(timeout(t, 20*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				begun := time.Now()
				err = src.Close(t.Context())
				if d := time.Since(begun); d > time.Second {
					t.Errorf("close took %v", d)
				}
			}
			if method == "freed by Close" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			what := method
			if method == "Connect" {
				what = "Provision" // the task that both are
			}
			if err == nil || !strings.Contains(err.Error(), what+" has not returned") || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			close(release)
			<-left
		})
	}
}

func TestSourceCloseWhileItPushes(t *testing.T) {
	k := newKit(t, guestOptions{Queue: 1, Grace: 5 * time.Second})
	var wg sync.WaitGroup
	src := k.opened(t, &tuplePusher{subscribe: func(ctx api.StreamContext, in api.TupleIngest, e api.ErrorIngest) error {
		for range 4 {
			wg.Go(func() {
				for range 10_000 { // it does not look at its context
					in(ctx, row(1), nil, time.Time{})
					e(ctx, errors.New("x"))
				}
			})
		}
		return nil
	}}, nil)
	_, _ = src.Next(t.Context())
	if err := src.Close(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestSourceErrorStorm(t *testing.T) {
	const storm = 20_000
	k := newKit(t, guestOptions{Queue: 8})
	s := &tuplePusher{}
	s.connect = func(ctx api.StreamContext, sch api.StatusChangeHandler) error {
		for i := range storm { // nobody reads yet: this must not wait
			sch(api.ConnectionDisconnected, fmt.Sprint(i))
			ctx.SetError(errors.New("x"))
		}
		return nil
	}
	s.subscribe = func(ctx api.StreamContext, in api.TupleIngest, e api.ErrorIngest) error {
		for range storm {
			e(ctx, errors.New("storm"))
		}
		in(ctx, row(1), nil, time.Time{})
		return nil
	}
	src := k.opened(t, s, nil)
	seen := 0
	for {
		m, err := src.Next(timeout(t, 20*time.Second))
		if err == nil {
			if !reflect.DeepEqual(m.Value, row(1)) {
				t.Error(m)
			}
			break
		}
		if strings.Contains(err.Error(), "storm") {
			seen++
		}
	}
	if seen != storm {
		t.Errorf("%d errors of %d", seen, storm)
	}
}
