// The portable plugin of the suite hosttest.Nodes: a source count and a sink
// keep. What arrives there is a byte a row in the file kept beside the program.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/vanth-io/vanth/sdk/go/api"
	"github.com/vanth-io/vanth/sdk/go/runtime"
)

type props struct {
	Count   int  `json:"count"`
	ErrorAt int  `json:"errorAt"`
	Silent  bool `json:"silent"`
}

func (p *props) read(m map[string]any) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, p)
}

type count struct{ props }

func (s *count) Configure(_ string, m map[string]any) error { return s.read(m) }

func (s *count) Open(ctx api.StreamContext, rows chan<- api.SourceTuple, errs chan<- error) {
	for n := 1; !s.Silent && (s.Count == 0 || n <= s.Count); n++ {
		if n == s.ErrorAt {
			select {
			case errs <- passing{errors.New("asked for")}:
			case <-ctx.Done():
				return
			}
			continue
		}
		select {
		case rows <- api.NewDefaultSourceTuple(map[string]any{"n": n}, nil):
		case <-ctx.Done():
			return
		}
	}
	if s.Silent {
		return // it goes on without a row
	}
	select {
	case errs <- io.EOF:
	case <-ctx.Done():
	}
}

// passing is an error after which a source goes on.
type passing struct{ error }

func (passing) Passing() bool { return true }

func (s *count) Close(api.StreamContext) error { return nil }

type keep struct {
	props
	kept *os.File
}

func (s *keep) Configure(m map[string]any) error { return s.read(m) }

func (s *keep) Open(api.StreamContext) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s.kept, err = os.OpenFile(filepath.Join(filepath.Dir(self), "kept"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return err
}

func (s *keep) Close(api.StreamContext) error { return s.kept.Close() }

func (s *keep) Collect(_ api.StreamContext, data any) error {
	b := data.([]byte)
	var rows []map[string]float64
	if json.Unmarshal(b, &rows) != nil {
		rows = make([]map[string]float64, 1)
		if err := json.Unmarshal(b, &rows[0]); err != nil {
			return err
		}
	}
	for _, row := range rows {
		if int(row["n"]) == s.ErrorAt {
			return errors.New("asked for")
		}
	}
	_, err := s.kept.Write(make([]byte, len(rows)))
	return err
}

func main() {
	runtime.Start(os.Args, &runtime.PluginConfig{
		Name:    "kit",
		Sources: map[string]runtime.NewSourceFunc{"count": func() api.Source { return &count{} }},
		Sinks:   map[string]runtime.NewSinkFunc{"keep": func() api.Sink { return &keep{} }},
	})
}
