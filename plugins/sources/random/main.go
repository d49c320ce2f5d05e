// Random is a sample of a native source that the host pulls. See readme.md.
package main

import (
	"math/rand/v2"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// Random is the symbol that the host looks up: a constructor. The host calls it once for each use.
func Random() api.Source { return &source{draw: rand.Int64N} }

func main() {}

// source lives as the host calls it: Provision, Connect, Pull at each interval, Close. It is not
// safe for use by several goroutines at once.
type source struct {
	draw  func(n int64) int64 // a number from 0 to n-1
	props properties
	seen  *history // nil: duplicates are as good as others
}

var _ api.PullTupleSource = (*source)(nil)

// Provision reads the properties. An error makes the rule's creation fail.
func (s *source) Provision(_ api.StreamContext, configs map[string]any) error {
	props, err := parse(configs)
	if err != nil {
		return err
	}
	s.props, s.seen = props, nil
	if props.deduplicate != 0 {
		s.seen = newHistory(props.deduplicate)
	}
	return nil
}

// Connect has nothing to connect to, and says that it is connected: the host waits for that.
func (s *source) Connect(_ api.StreamContext, status api.StatusChangeHandler) error {
	status(api.ConnectionConnected, "")
	return nil
}

// Pull hands one tuple to ingest, or none if it is a duplicate.
func (s *source) Pull(ctx api.StreamContext, trigger time.Time, ingest api.TupleIngest, ingestError api.ErrorIngest) {
	tuple := s.next()
	if s.seen != nil {
		fresh, err := s.seen.add(tuple)
		if err != nil {
			ingestError(ctx, err)
			return
		}
		if !fresh {
			return
		}
	}
	ingest(ctx, tuple, nil, trigger)
}

// next makes a tuple of the pattern: integers grow by a random number, other values stay. The host
// owns the result.
func (s *source) next() map[string]any {
	tuple := make(map[string]any, len(s.props.pattern))
	for name, v := range s.props.pattern {
		if n, ok := v.(int64); ok {
			v = n + s.draw(s.props.seed)
		}
		tuple[name] = v
	}
	return tuple
}

// Close forgets what was seen.
func (s *source) Close(api.StreamContext) error {
	s.seen = nil
	return nil
}
