package native

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// opStore is an api.Store of one operator.
type opStore struct {
	values *sync.Map
	err    error
}

func (opStore) SaveState(int64, string, map[string]any) error { return nil }
func (opStore) SaveCheckpoint(int64) error                    { return nil }
func (s opStore) GetOpState(string) (*sync.Map, error)        { return s.values, s.err }
func (opStore) Clean() error                                  { return nil }

func TestContextDerived(t *testing.T) {
	k := newKit(t, guestOptions{})
	base := k.context(&host.Call{Rule: "r", Op: "o", Instance: 1, Run: 2})
	if base.WithInstance(7).GetInstanceId() != 7 || base.WithRun(8).GetRunId() != 8 || base.GetInstanceId() != 1 || base.GetRunId() != 2 {
		t.Error("instance or run")
	}
	base.EnableTracer(true)
	if !base.WithRun(1).IsTraceEnabled() {
		t.Error("the tracer's switch is not shared")
	}

	child, cancel := base.WithCancel()
	cancel()
	if !errors.Is(child.Err(), context.Canceled) || base.Err() != nil {
		t.Error(child.Err(), base.Err())
	}

	boom := errors.New("boom")
	base.SetError(boom)
	if !errors.Is(base.Err(), boom) || base.WithRun(1).Err() != nil || !strings.Contains(k.logs.String(), "boom") {
		t.Errorf("%v; %s", base.Err(), k.logs)
	}
	base.SetError(nil)
	if base.Err() != nil {
		t.Error(base.Err())
	}

	k.end()
	select {
	case <-base.Done():
	case <-time.After(time.Second):
		t.Error("the end of the guest does not reach its contexts")
	}
}

func TestContextWithMeta(t *testing.T) {
	k := newKit(t, guestOptions{})
	base := k.context(nil)
	m := base.WithMeta("r", "o", nil)
	_ = m.PutState("k", 1)
	if v, _ := k.context(&host.Call{Rule: "r", Op: "o"}).GetState("k"); v != 1 || m.GetRuleId() != "r" || m.GetOpId() != "o" {
		t.Errorf("got %v of %s %s", v, m.GetRuleId(), m.GetOpId())
	}
	values := new(sync.Map)
	m = base.WithMeta("r", "o", opStore{values: values})
	_ = m.PutState("k", 2)
	if v, _ := values.Load("k"); v != 2 {
		t.Errorf("the store holds %v", v)
	}
	_ = m.DeleteState("k")
	if v, _ := m.GetState("k"); v != nil {
		t.Error(v)
	}
	m = base.WithMeta("r", "o", opStore{err: errors.New("no store")})
	if v, _ := m.GetState("k"); v != 1 || !strings.Contains(k.logs.String(), "Initialize context store error for o: no store") {
		t.Errorf("got %v; %s", v, k.logs)
	}
}

func TestLogger(t *testing.T) {
	out := new(logs)
	k := newKit(t, guestOptions{Log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelInfo}))})
	l := k.context(&host.Call{Rule: "r1", Op: "o1"}).GetLogger()
	l.Debug("hidden", shy{t})
	l.Debugf("hidden %v", shy{t})
	l.Info("a", 1)
	l.Infof("b %d", 2)
	l.Warn("c")
	l.Warnf("d %s", "x")
	l.Error(errors.New("e"))
	l.Errorf("f %v", true)
	got := out.String()
	for _, want := range []string{"INFO msg=a1 ", `INFO msg="b 2"`, "WARN msg=c ", `WARN msg="d x"`, "ERROR msg=e ", `ERROR msg="f true"`, "plugin=functions/kit rule=r1 op=o1"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "hidden") {
		t.Error(got)
	}
}

// shy must not be formatted.
type shy struct{ t *testing.T }

func (s shy) String() string { s.t.Error("formatted what is not logged"); return "" }

func TestJoined(t *testing.T) {
	life, end := context.WithCancel(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	a := &joined{Context: ctx, life: life}
	b := &joined{Context: context.Background(), life: life}
	if a.Err() != nil || b.Done() != life.Done() {
		t.Error("ended at once")
	}
	c := &joined{Context: ctx, life: life}
	cDone := c.Done()
	end()
	<-cDone
	<-a.Done()
	if !errors.Is(a.Err(), context.Canceled) || !errors.Is(b.Err(), context.Canceled) {
		t.Error(a.Err(), b.Err())
	}
	cancel()
}
