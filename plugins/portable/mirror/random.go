package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// random is a source of messages of a pattern with random numbers. It lives as the runtime calls
// it: Configure, Open on a goroutine of its own, Close.
type random struct {
	draw     func(n int64) int64 // a number from 0 to n-1
	interval time.Duration
	seed     int64
	count    int64 // 0: without end
	pattern  map[string]interface{}
}

func newRandom() *random { return &random{draw: rand.Int64N} }

// Configure reads the properties and refuses what it cannot do.
func (r *random) Configure(_ string, props map[string]interface{}) error {
	r.seed, r.count, r.interval = 1, 0, time.Second
	if v, ok := props["interval"]; ok {
		n, err := whole("interval", v, 0)
		if err != nil {
			return err
		}
		r.interval = time.Duration(n) * time.Millisecond
	}
	var err error
	if v, ok := props["seed"]; ok {
		if r.seed, err = whole("seed", v, 1); err != nil {
			return err
		}
	}
	if v, ok := props["count"]; ok {
		if r.count, err = whole("count", v, 0); err != nil {
			return err
		}
	}
	pattern, ok := props["pattern"].(map[string]interface{})
	if !ok || len(pattern) == 0 {
		return fmt.Errorf("pattern: %v is not a map of fields", props["pattern"])
	}
	r.pattern = pattern
	return nil
}

// whole reads a number that JSON carries as a float.
func whole(name string, v interface{}, least int64) (int64, error) {
	f, ok := v.(float64)
	if !ok || f != math.Trunc(f) || f < float64(least) || f > math.MaxInt32 {
		return 0, fmt.Errorf("%s: %v is not a whole number from %d up", name, v, least)
	}
	return int64(f), nil
}

// Open sends a message at each interval until the rule stops or count is reached.
func (r *random) Open(ctx api.StreamContext, consumer chan<- api.SourceTuple, errCh chan<- error) {
	var tick <-chan time.Time
	if r.interval > 0 {
		t := time.NewTicker(r.interval)
		defer t.Stop()
		tick = t.C
	}
	for n := int64(0); r.count == 0 || n < r.count; n++ {
		if tick != nil {
			select {
			case <-tick:
			case <-ctx.Done():
				return
			}
		}
		select {
		case consumer <- api.NewDefaultSourceTuple(r.next(), nil):
		case <-ctx.Done():
			return
		}
	}
	select {
	case errCh <- io.EOF:
	case <-ctx.Done():
	}
}

// next makes a message of the pattern: numbers grow by a random one, other values stay.
func (r *random) next() map[string]interface{} {
	message := make(map[string]interface{}, len(r.pattern))
	for name, v := range r.pattern {
		if f, ok := v.(float64); ok {
			v = f + float64(r.draw(r.seed))
		}
		message[name] = v
	}
	return message
}

// Close has nothing to give back.
func (r *random) Close(api.StreamContext) error { return nil }
