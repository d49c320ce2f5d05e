package native

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// fakeNodes are the source and the sink of the suite hosttest.Nodes. What
// arrives is a byte a row in the file kept.
func fakeNodes(kept string) map[string]any {
	return map[string]any{
		"Count": func() api.Source { return fakeCount() },
		"Keep":  func() api.Sink { return fakeKeep(kept) },
	}
}

func fakeCount() api.Source {
	var props map[string]any
	s := &boundedPusher{}
	s.provision = func(_ api.StreamContext, configs map[string]any) error {
		props = configs
		return nil
	}
	s.subscribe = func(ctx api.StreamContext, in api.TupleIngest, fail api.ErrorIngest) error {
		if props["silent"] == true {
			return nil
		}
		count, _ := props["count"].(int)
		at, _ := props["errorAt"].(int)
		for n := 1; ctx.Err() == nil && (count == 0 || n <= count); n++ {
			if n == at {
				fail(ctx, errors.New("asked for"))
				continue
			}
			in(ctx, map[string]any{"n": int64(n)}, nil, time.Now())
		}
		if ctx.Err() == nil {
			s.eof(ctx, "")
		}
		return nil
	}
	return s
}

func fakeKeep(path string) api.Sink {
	var at any
	var kept *os.File
	s := &tupleSink{}
	s.provision = func(_ api.StreamContext, configs map[string]any) error {
		at = configs["errorAt"]
		return nil
	}
	s.connect = func(_ api.StreamContext, sch api.StatusChangeHandler) (err error) {
		kept, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		sch(api.ConnectionConnected, "")
		return err
	}
	s.shut = func(api.StreamContext) error { return kept.Close() }
	s.one = func(_ api.StreamContext, row api.MessageTuple) error {
		n, _ := row.Value("n", "")
		if i, ok := n.(int64); ok && at == int(i) {
			return errors.New("asked for")
		}
		_, err := kept.Write([]byte{0})
		return err
	}
	s.many = func(ctx api.StreamContext, rows api.MessageTupleList) error {
		var err error
		rows.RangeOfTuples(func(_ int, row api.MessageTuple) bool {
			err = s.one(ctx, row)
			return err == nil
		})
		return err
	}
	return s
}

// inside is a runtime whose modules are the fakes, in this process.
type inside struct{ *Runtime }

func (r inside) Load(ctx context.Context, b host.Bundle) (host.Module, error) {
	g, err := newGuest(b, guestOptions{})
	if err != nil {
		return nil, err
	}
	find, err := fakeOpen(filepath.Join(b.Dir, "kit.so"))
	if err != nil {
		return nil, err
	}
	m := newModule(r.Runtime, placed{}, g, find, b.Plugin.Manifest)
	return m, m.symbols.check(m.manifest)
}

// TestNodes: every sentence of host.Source and host.Sink, in the host's process
// and in a worker.
func TestNodes(t *testing.T) {
	for name, load := range map[string]func(*Runtime) host.Runtime{
		"inside": func(r *Runtime) host.Runtime { return inside{r} },
		"worker": func(r *Runtime) host.Runtime { return isolating{r} },
	} {
		t.Run(name, func(t *testing.T) {
			hosttest.Nodes(t, hosttest.NodeKit{
				New:      func() (host.Runtime, error) { return load(New(Options{})), nil },
				Files:    map[string][]byte{"kit.so": []byte("nodes")},
				Manifest: host.Manifest{Language: host.LanguageNative, Executable: "kit.so", Sources: []string{"count"}, Sinks: []string{"keep"}},
				Kept: func(b host.Bundle) int64 {
					i, err := os.Stat(filepath.Join(b.Dir, "kept"))
					if err != nil {
						return 0
					}
					return i.Size()
				},
			})
		})
	}
}
