//go:build unix

package vanth

import (
	"encoding/binary"
	"strings"
	"testing"
)

// What breaks the rules and cannot be answered ends the process, with a reason.
func TestLaneHostile(t *testing.T) {
	raw := func(h head, size uint32, payload ...byte) []byte {
		f := sealed(append(append([]byte(nil), noHead[:]...), payload...), h)
		if size > 0 {
			binary.LittleEndian.PutUint32(f, size)
		}
		return f
	}
	for name, c := range map[string]struct {
		frame  []byte
		before bool // instead of welcome
		want   string
	}{
		"too large":           {raw(head{op: opCall, id: 1}, maxPayload+1), false, "too large"},
		"largest there is":    {raw(head{op: opCall, id: 1}, 1<<32-1), false, "too large"},
		"too large, unknown":  {raw(head{op: 99}, 1<<31), false, "too large"},
		"context of two":      {raw(head{op: opContext, context: 3}, 0, 0x92, 1, 2), false, "context 3"},
		"context of numbers":  {raw(head{op: opContext, context: 3}, 0, 0x95, 1, 2, 3, 4, 5), false, "context 3"},
		"context of nothing":  {raw(head{op: opContext, context: 3}, 0), false, "context 3"},
		"context 0":           {raw(head{op: opContext}, 0, 0x95, 0xa0, 0xa0, 0, 0, 0), false, "context 0"},
		"call before welcome": {raw(head{op: opCall, id: 1}, 0, 0x90), true, "before welcome"},
		"welcome to lane 2":   {raw(head{op: opWelcome}, 0, 0x81, 0xa4, 'l', 'a', 'n', 'e', 2), true, "not lane 1"},
		"welcome of nothing":  {raw(head{op: opWelcome}, 0), true, "not lane 1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := bare(t, 0)
			if f := h.next(); f.op != opHello {
				t.Fatal(f)
			}
			if !c.before {
				h.send(head{op: opWelcome}, map[string]any{"lane": 1})
			}
			_, _ = h.socket.Write(c.frame)
			if got := h.status(t); got != 1 || !strings.Contains(h.stderr.String(), c.want) {
				t.Errorf("status %d, %s", got, h.stderr)
			}
		})
	}
}

// What has an id is answered, whatever the payload.
func TestLaneBadPayloads(t *testing.T) {
	h := connect(t, 0)
	for _, payload := range [][]byte{nil, {0xc1}, {0xc0}, {0x92, 1}, {0xdd, 0xff, 0xff, 0xff, 0xff}, {0x91, 0xa1}, {0x90, 0x90}} {
		for _, op := range []uint8{opCall, opBatch, opValidate, opOpenSource, opOpenSink, opWrite} {
			x := head{op: op, symbol: h.index("functions", "add"), id: h.id()}
			if op == opOpenSink || op == opOpenSource {
				x.symbol = 0
			}
			_ = h.out.send(sealed(append(append([]byte(nil), noHead[:]...), payload...), x), false)
			if f := h.await(opResult, x.id); f.flags != flagError {
				t.Errorf("op %d, %x: %v", op, payload, f.value)
			}
		}
	}
	if v, err := h.callIn(0, "add", 1, 2); v != 3.0 || err != nil {
		t.Errorf("after: %v, %v", v, err)
	}
}

func TestLaneBadEnvironment(t *testing.T) {
	for _, env := range []string{"VANTH_LANE=x", "VANTH_LANE=-1", "VANTH_LANE=77"} {
		if got := startChild(t, nil, env).status(t); got != 1 {
			t.Errorf("%s: status %d", env, got)
		}
	}
}

// A ring that does not fit is left alone.
func TestLaneRingRefused(t *testing.T) {
	h := bare(t, 0, "VANTH_RING=0")
	if f := h.next(); f.op != opHello || f.value.(map[string]any)["ring"] != false {
		t.Errorf("%v", f.value)
	}
}
