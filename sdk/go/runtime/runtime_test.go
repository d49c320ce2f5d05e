//go:build unix

package runtime

import (
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	vanth "github.com/vanth-io/vanth/sdk/go"
	"github.com/vanth-io/vanth/sdk/go/api"
)

type echo struct{}

func (echo) Validate([]interface{}) error { return nil }
func (echo) Exec(args []interface{}, _ api.FunctionContext) (interface{}, bool) {
	return args[0], true
}
func (echo) IsAggregate() bool { return false }

type nothing struct{}

func (nothing) Configure(string, map[string]interface{}) error { return nil }
func (nothing) Open(api.StreamContext, chan<- api.SourceTuple, chan<- error) {
}
func (nothing) Close(api.StreamContext) error { return nil }

type hole struct{}

func (hole) Configure(map[string]interface{}) error             { return nil }
func (hole) Open(api.StreamContext) error                       { return nil }
func (hole) Collect(ctx api.StreamContext, d interface{}) error { return nil }
func (hole) Close(api.StreamContext) error                      { return nil }

func TestMain(m *testing.M) {
	if os.Getenv("VANTH_TEST_CHILD") != "" {
		Start(os.Args, &PluginConfig{
			Name:      "started",
			Sources:   map[string]NewSourceFunc{"nothing": func() api.Source { return nothing{} }},
			Functions: map[string]NewFunctionFunc{"echo": func() api.Function { return echo{} }, "again": func() api.Function { return echo{} }},
			Sinks:     map[string]NewSinkFunc{"hole": func() api.Sink { return hole{} }},
		})
	}
	os.Exit(m.Run())
}

// Start says what the config has, and leaves with its host.
func TestStart(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fds[0])
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "VANTH_TEST_CHILD=1", "VANTH_LANE=3")
	c.ExtraFiles = []*os.File{theirs}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(20*time.Second, func() { _ = c.Process.Kill() })
	defer late.Stop()
	_ = theirs.Close()
	var head [16]byte
	if _, err := io.ReadFull(ours, head[:]); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, binary.LittleEndian.Uint32(head[:]))
	if _, err := io.ReadFull(ours, payload); err != nil {
		t.Fatal(err)
	}
	v, err := vanth.Value(payload)
	if err != nil {
		t.Fatal(err)
	}
	hello := v.(map[string]any)
	for kind, want := range map[string][]any{"functions": {"again", "echo"}, "sources": {"nothing"}, "sinks": {"hole"}} {
		if !slices.Equal(hello[kind].([]any), want) {
			t.Errorf("%s: %v", kind, hello[kind])
		}
	}
	if hello["name"] != "started" {
		t.Errorf("%v", hello)
	}
	_ = ours.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
