//go:build !wasip1

package vanth

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestState(t *testing.T) {
	defer Simulate(&Sim{})()
	if v, ok, err := Get("k"); v != nil || ok || err != nil {
		t.Errorf("%v, %v, %v", v, ok, err)
	}
	for _, v := range []any{int64(5), "text", nil, map[string]any{"a": []any{true}}, strings.Repeat("x", 10*minSpare), []byte{}} {
		if err := Put("k", v); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := Get("k"); !ok || err != nil || !same(got, v) {
			t.Errorf("%.50v, %v, %v", got, ok, err)
		}
	}
	if err := Delete("k"); err != nil {
		t.Error(err)
	}
	if err := Delete("k"); err != nil {
		t.Errorf("twice: %v", err)
	}
	if _, ok, _ := Get("k"); ok {
		t.Error("still there")
	}
	if err := Put("k", struct{}{}); err == nil {
		t.Error("a struct was kept")
	}
}

func TestStateRefused(t *testing.T) {
	for code, want := range map[int32]string{-2: "bad pointer", -3: "too large", -4: "denied", -5: "closed", -77: "refused"} {
		restore := Simulate(&Sim{Refuse: code})
		_, _, get := Get("k")
		for _, err := range []error{get, Put("k", 1), Delete("k")} {
			var h *HostError
			if !errors.As(err, &h) || h.Code != code || h.Key != "k" || !strings.Contains(err.Error(), want) {
				t.Errorf("%d: %v", code, err)
			}
		}
		restore()
	}
}

// An import is asked again until the buffer is large enough, even if the data grows between.
func TestFetchGrows(t *testing.T) {
	this.spare = nil
	sizes := []int{minSpare + 1, 3 * minSpare, 5 * minSpare}
	var room []int
	data, code := fetch(func(out []byte) int32 {
		room = append(room, len(out))
		n := sizes[min(len(room), len(sizes))-1]
		return fill(out, strings.Repeat("x", n))
	})
	defer giveBack(data)
	if code != 0 || len(data) != 5*minSpare || len(room) != 4 {
		t.Errorf("%d, %d bytes, rooms %v", code, len(data), room)
	}
}

func TestBorrow(t *testing.T) {
	a, b := borrow(), borrow()
	if &a[0] == &b[0] {
		t.Error("two borrowers have one buffer")
	}
	giveBack(a)
	giveBack(make([]byte, keepResult+1))
	if c := borrow(); &c[0] != &a[0] {
		t.Error("the buffer was not kept, or a huge one was")
	}
}

func TestCounters(t *testing.T) {
	defer Simulate(&Sim{})()
	if Counter("c") != 0 || Count("c", 5) != 5 || Count("c", -7) != -2 || Counter("c") != -2 {
		t.Errorf("%d", Counter("c"))
	}
	if Count("top", math.MaxInt64) != math.MaxInt64 || Count("top", 1) != math.MaxInt64 {
		t.Error("it wraps above")
	}
	if Count("low", math.MinInt64) != math.MinInt64 || Count("low", -1) != math.MinInt64 {
		t.Error("it wraps below")
	}
}

func TestContext(t *testing.T) {
	long := strings.Repeat("r", 3*minSpare)
	at := time.UnixMilli(1_700_000_000_123).UTC()
	defer Simulate(&Sim{Rule: long, Op: "op", Plugin: "plugin", Symbol: "symbol", Instance: 7, Now: at})()
	if Rule() != long || Op() != "op" || Plugin() != "plugin" || Symbol() != "symbol" || Instance() != 7 || !Now().Equal(at) {
		t.Errorf("%.20s %s %s %s %d %v", Rule(), Op(), Plugin(), Symbol(), Instance(), Now())
	}
	if s := contextString(99); s != "" {
		t.Errorf("a context that is not there: %q", s)
	}
}

func TestLog(t *testing.T) {
	s := &Sim{Level: LevelInfo}
	defer Simulate(s)()
	Log(LevelDebug, "not written")
	Log(LevelError, "written")
	Debugf("not %s", "written")
	Infof("%s %d %v %t %q 100%%", "a", 5, 2.5, true, "b")
	Warnf("%v %v %v %v %v", uint64(math.MaxUint64), int8(-3), nil, []byte("c"), errors.New("d"))
	Errorf("%d %f", 1)
	Errorf("x", 1)
	Errorf("%v %v%", time.Second, struct{}{})
	want := []string{
		"3: written", `1: a 5 2.5 true "b" 100%`, "2: 18446744073709551615 -3 null c d",
		"3: 1 %!missing", "3: x%!extra", "3: 1s (value)%",
	}
	if got := s.Lines(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", got)
	}
	if Enabled(LevelDebug) || !Enabled(LevelInfo) {
		t.Error("Enabled")
	}
}
