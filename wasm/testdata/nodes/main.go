// The plugin of the conformance suite of sources and sinks, see hosttest.NodeKit.
package main

import (
	"errors"
	"io"
	"time"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

func init() {
	vanth.SourceFunc("count", openCount)
	vanth.SinkFunc("keep", openKeep)
}

func main() {}

type count struct {
	count, errorAt, n int64
	silent            bool
}

func openCount(c vanth.Config) (*count, error) {
	s := &count{}
	var e1, e2, e3 error
	s.count, e1 = c.Int("count", 0)
	s.errorAt, e2 = c.Int("errorAt", 0)
	s.silent, e3 = c.Bool("silent", false)
	return s, errors.Join(e1, e2, e3)
}

func (s *count) Poll(_ time.Time, out *vanth.Out) (time.Duration, error) {
	if s.silent {
		return time.Hour, nil
	}
	for s.count == 0 || s.n < s.count {
		if s.n+1 == s.errorAt {
			s.n++
			out.Fail(errors.New("no row"))
			continue
		}
		if !out.Emit(map[string]any{"n": s.n + 1}) {
			return 0, nil
		}
		s.n++
		vanth.Count("emitted", 1)
		out.Mark(s.n)
	}
	return 0, io.EOF
}

func (s *count) Rewind(offset any) error {
	s.n, _ = offset.(int64)
	return nil
}

type keep struct{ errorAt, held int64 }

func openKeep(c vanth.Config) (*keep, error) {
	s := &keep{}
	var err error
	s.errorAt, err = c.Int("errorAt", 0)
	return s, err
}

func (s *keep) Collect(row map[string]any) error {
	if n, _ := row["n"].(int64); n == s.errorAt {
		return errors.New("no")
	}
	s.held++
	return nil
}

func (s *keep) Flush() error {
	vanth.Count("kept", s.held)
	s.held = 0
	return nil
}
