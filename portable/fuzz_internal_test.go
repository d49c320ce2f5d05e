package portable

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
	"github.com/vanth-io/vanth/host/gate"
	"github.com/vanth-io/vanth/host/hosttest"
)

// What plugins send is decoded here; the rest of the tests see it from outside.

func FuzzDecodeRow(f *testing.F) {
	for _, s := range []string{
		`{"message":{"a":1},"meta":null}`, `{"message":{},"meta":{"traceId":"x"}}`, `{"error":"boom"}`, `"{\"error\":\"boom\"}"`,
		`{"message":[1]}`, `{"message":null}`, `{"MESSAGE":{}}`, `[]`, `null`, ``, `"`, `"\""`, `{"message":{"a":`, "\xff", `{"error":null}`, `{"error":3}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, err := decodeRow(payload)
		if err != nil {
			if _, ok := errors.AsType[*sourceError](err); !ok || m.Value != nil {
				t.Fatalf("%q: %+v, %v", payload, m, err)
			}
			return
		}
		row, ok := m.Value.(map[string]any)
		if !ok || row == nil || m.Meta == nil || m.Time.IsZero() {
			t.Fatalf("%q: %+v", payload, m)
		}
	})
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{
		`{"state":true,"result":1}`, `{"state":false,"result":"boom"}`, `{"state":false,"result":null}`, `{}`, `null`, `{"state":1}`,
		`{"result":{}}`, `hello`, `handshake`, ``, `{"state":true,"result":[1,{"a":null}]}`, "{\"state\":false,\"result\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	for _, s := range []string{`1-2`, `-`, `1e5`, `01`, `"a\\b"`, `"é"`, `true`, `"a","x":"b"`, `1},"y":{"z":2`, ` "x" `, `""`, `-0`, `0.`, `1.5E+07`, `1e999`, `false`, `null`, `0x1`, `1_0`} {
		for _, around := range successes() {
			f.Add([]byte(around[0] + s + around[1]))
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		var want struct {
			State  bool
			Result any
		}
		wantErr := json.Unmarshal(answer, &want)
		r, err := decodeReply(answer)
		var got any
		if err == nil {
			got, err = decodeResult(r.Result)
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, encoding/json %v", answer, err, wantErr)
		}
		if err == nil && (r.State != want.State || !reflect.DeepEqual(got, want.Result)) {
			t.Fatalf("%q: %v %#v, encoding/json %v %#v", answer, r.State, got, want.State, want.Result)
		}
		if s, ok := got.(string); ok && err == nil && text(r.Result) != s {
			t.Fatalf("%q: text %q, want %q", answer, text(r.Result), s)
		}
	})
}

// FuzzAppendJSON: what is appended decodes to what encoding/json's form does.
func FuzzAppendJSON(f *testing.F) {
	for _, s := range []string{
		`null`, `[1,2.5,-3e-9,1e21,true,null,"\u0000\u001f\"\\\/\u2028é"]`, `{"a":{"b":[]},"":{}}`, `"` + "\xff" + `"`, `1e-7`, `123456789012345678901234567890`,
	} {
		f.Add(s, []byte("x"), int64(-1)<<63, 0.1, true)
	}
	f.Fuzz(func(t *testing.T, doc string, b []byte, i int64, x float64, more bool) {
		var v any
		if json.Unmarshal([]byte(doc), &v) != nil {
			v = doc
		}
		if more {
			v = []any{v, b, i, x, float32(x), uint64(i), int(i), int8(i), uint16(i), map[string]any{doc: string(b)}, []map[string]any{{doc: v}}}
		}
		got, err := appendJSON(nil, v, 0)
		want, wantErr := json.Marshal(v)
		if (err == nil) != (wantErr == nil) {
			if err == nil || !errors.Is(err, host.ErrInvalid) || wantErr == nil && json.Valid([]byte(doc)) && len(doc) > maxNest {
				return // nested deeper than we go
			}
			t.Fatalf("%#v: %v, encoding/json %v", v, err, wantErr)
		}
		if err != nil {
			return
		}
		var a, c any
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatalf("%#v: %q: %v", v, got, err)
		}
		if err := json.Unmarshal(want, &c); err != nil || !reflect.DeepEqual(a, c) {
			t.Fatalf("%#v: %q, encoding/json %q", v, got, want)
		}
		if !utf8.Valid(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
	})
}

func TestJSONForms(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	for _, v := range []any{at, []byte{}, []byte("abc"), []any{}, map[string]any{}, []map[string]any{}, 1e20, 1e21, -0.0, float32(0.1)} {
		got, err := appendJSON(nil, v, 0)
		want, _ := json.Marshal(v)
		var a, c any
		if err != nil || json.Unmarshal(got, &a) != nil || json.Unmarshal(want, &c) != nil || !reflect.DeepEqual(a, c) {
			t.Errorf("%v: %s, %v; encoding/json %s", v, got, err, want)
		}
	}
	deep := any("x")
	for range 2 * maxNest {
		deep = []any{deep}
	}
	for _, v := range []any{deep, func() {}, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), complex(1, 1)} {
		if _, err := appendJSON(nil, v, 0); !errors.Is(err, host.ErrInvalid) {
			t.Errorf("%.50v: %v", v, err)
		}
	}
	if got, _ := appendJSON(nil, []byte("ab"), 0); string(got) != `"`+base64.StdEncoding.EncodeToString([]byte("ab"))+`"` {
		t.Errorf("%s", got)
	}
}

// TestCallContext: whatever a rule is called, its name arrives.
func TestCallContext(t *testing.T) {
	for _, c := range []*host.Call{
		nil, {}, {Rule: "r1", Op: "2_project", Instance: 3, Func: 4}, {Rule: `a"b\c`, Op: "é\n\x01<", Instance: -1}, {Rule: "\xff", Op: "o"},
	} {
		want := host.Call{Rule: noRule, Op: noOp}
		if c != nil {
			want = host.Call{Rule: cmp.Or(c.Rule, noRule), Op: cmp.Or(c.Op, noOp), Instance: c.Instance, Func: c.Func}
		}
		want.Rule = strings.ToValidUTF8(want.Rule, "\ufffd")
		var inner string
		var got struct {
			RuleID, OpID       string
			InstanceID, FuncID int64
		}
		b := appendContext(nil, c)
		if json.Unmarshal(b, &inner) != nil || json.Unmarshal([]byte(inner), &got) != nil ||
			got.RuleID != want.Rule || got.OpID != want.Op || got.InstanceID != want.Instance || got.FuncID != want.Func {
			t.Errorf("%+v: found %s", c, b)
		}
	}
}

// FuzzFrames: what is read is what was written, and no length is believed.
func FuzzFrames(f *testing.F) {
	f.Add(end(append(begin(nil, head{op: 1, id: 2, context: 3}), "payload"...), 0), uint8(1))
	f.Add(end(append(begin(nil, head{op: 52}), make([]byte, readBuffer)...), 0), uint8(255))
	f.Add([]byte{255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(0))
	f.Add([]byte{0, 0, 0, 3, 1}, uint8(9))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		r := newFrameReader(&steps{bytes.NewReader(stream), int(step) + 1})
		at := 0
		for {
			h, payload, err := r.next()
			if err != nil {
				return
			}
			want := end(append(begin(nil, h), payload...), 0)
			if !bytes.Equal(want, stream[at:at+len(want)]) {
				t.Fatalf("frame at %d: %x, want %x", at, want, stream[at:at+len(want)])
			}
			at += len(want)
		}
	})
}

// steps reads a few bytes at a time.
type steps struct {
	r io.Reader
	n int
}

func (s *steps) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.n)]) }

// FuzzLane: a lane whose plugin sends anything ends, and nothing panics or waits.
func FuzzLane(f *testing.F) {
	hello, err := frame.Append(nil, map[string]any{
		"lane": int64(1), "name": "p", "ring": false,
		"functions": []any{"echo"}, "sources": []any{"rows"}, "sinks": []any{"file"}, "aggregate": []any{},
	})
	if err != nil {
		f.Fatal(err)
	}
	said := end(append(begin(nil, head{op: opHello}), hello...), 0)
	key, _ := frame.AppendArgs(nil, []any{"k", int64(1)})
	one := func(h head, payload []byte) []byte { return end(append(begin(nil, h), payload...), 0) }
	for _, h := range []head{
		{op: opResult, id: 1 << 16},
		{op: opResult, flags: flagError, id: 1 << 16},
		{op: opMessage, context: 1 << 16},
		{op: opEnd, context: 1},
		{op: opGet, id: 1},
		{op: opPut, id: 1},
		{op: opAdd, id: 1},
		{op: opCount},
		{op: opDelete},
		{op: 250},
		{op: opHello},
	} {
		f.Add(append(bytes.Clone(said), one(h, key)...))
	}
	f.Add([]byte("garbage"))
	f.Add(said[:20])
	rt := New(Options{SendTimeout: time.Second})
	state, err := host.NewState(&hosttest.MemStore{}, host.ID{Name: "p"})
	if err != nil {
		f.Fatal(err)
	}
	m := &module{
		rt: rt, id: host.ID{Name: "p"}, log: slog.New(slog.DiscardHandler), calls: gate.New(), state: state,
		manifest: host.Manifest{Functions: []string{"echo"}, Sources: []string{"rows"}, Sinks: []string{"file"}},
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		p := &process{m: m, forked: make(chan struct{})}
		close(p.forked)
		l, files, err := newLane(p)
		if err != nil {
			t.Fatal(err)
		}
		peer, err := net.FileConn(files[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			_ = f.Close()
		}
		go func() { // it reads what it is told, as a plugin would
			_, _ = io.Copy(io.Discard, peer)
		}()
		_ = peer.SetWriteDeadline(time.Now().Add(2 * time.Second))
		_, _ = peer.Write(stream)
		_ = peer.(*net.UnixConn).CloseWrite()
		select {
		case <-l.down:
		case <-time.After(5 * time.Second):
			t.Fatalf("%q: the lane goes on", stream)
		}
		l.close()
		_ = peer.Close()
	})
}
