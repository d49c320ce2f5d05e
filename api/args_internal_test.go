package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
)

// White box: the decoder and the encoder are compared with encoding/json,
// which nothing outside the package can do value by value.

// same compares what we decoded with what encoding/json did under UseNumber.
func same(t *testing.T, ours, std any) {
	t.Helper()
	ok := false
	switch s := std.(type) {
	case json.Number:
		text := s.String()
		switch n := ours.(type) {
		case int64:
			i, err := strconv.ParseInt(text, 10, 64)
			ok = err == nil && i == n
		case uint64:
			u, err := strconv.ParseUint(text, 10, 64)
			ok = err == nil && u == n && u > math.MaxInt64
		case float64:
			f, err := strconv.ParseFloat(text, 64)
			ok = err == nil && math.Float64bits(f) == math.Float64bits(n) && strings.ContainsAny(text, ".eE")
		}
	case []any:
		list, _ := ours.([]any)
		if ok = ours != nil && len(list) == len(s); ok {
			for i := range s {
				same(t, list[i], s[i])
			}
		}
	case map[string]any:
		m, _ := ours.(map[string]any)
		if ok = ours != nil && len(m) == len(s); ok {
			for k := range s {
				same(t, m[k], s[k])
			}
		}
	default:
		ok = ours == std
	}
	if !ok {
		t.Errorf("found %#v, encoding/json has %#v", ours, std)
	}
}

func FuzzArgs(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[1,-2,3.5,"x",null,true,false,[],{}]`, `[9223372036854775808,18446744073709551615,-9223372036854775808]`,
		`[1e3,0.1,123456789012345.6,1.7976931348623157e308,5e-324,-0.0]`, `["\ud83d\ude00\u0000\n\"","é"]`,
		`[{"a":{"b":[1]},"a":2}]`, ` [ 1 , 2 ] `, `[1,]`, `[01]`, `[1`, `["\ud800"]`, "[\"\xff\"]", `[18446744073709551616]`,
		strings.Repeat("[", 65), `[1e999]`, `["AAE=","A"]`, `[.5]`, `[+1]`, `[1.]`, `[1e]`, "[\"\x01\"]", `["\x"]`,
	} {
		f.Add([]byte(seed))
	}
	variadic := &host.Signature{Variadic: true}
	binary := &host.Signature{Args: []host.Type{host.TypeBytes, host.TypeAny}}
	f.Fuzz(func(t *testing.T, data []byte) {
		kept := bytes.Clone(data)
		args, err := decodeRow(nil, data, variadic)
		call, callErr := decodeCall(nil, []byte(`{"args":`+string(data)+`}`), variadic)
		if (err == nil) != (callErr == nil) || err == nil && !reflect.DeepEqual(args, call) {
			t.Fatalf("a row is %v, %v; a call is %v, %v", args, err, call, callErr)
		}
		_, binaryErr := decodeRow(nil, data, binary)
		if err != nil && binaryErr == nil {
			t.Fatal("bytes made it right")
		}
		if err != nil {
			if p, ok := errors.AsType[*failure](err); !ok || p.problem != problemJSON && p.problem != problemBodySize {
				t.Fatalf("found %#v", err)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var std []any
		if err := d.Decode(&std); err != nil {
			t.Fatalf("accepted what is not JSON: %v", err)
		}
		same(t, args, std)
		text, err := appendResult(nil, args)
		if err != nil || !json.Valid(text) {
			t.Fatalf("encoded: %s, %v", text, err)
		}
		again, err := decodeRow(nil, text, variadic)
		if err != nil || len(again) != len(args) || len(args) > 0 && !reflect.DeepEqual(again, args) {
			t.Fatalf("%s: came back as %#v, %v", text, again, err)
		}
		clear(data) // nothing may share memory with the request
		if after, err := appendResult(nil, args); err != nil || !bytes.Equal(after, text) {
			t.Fatalf("%s became %s after the request's memory was used again", text, after)
		}
		copy(data, kept)
	})
}

func FuzzBatch(f *testing.F) {
	for _, seed := range []string{
		`[[1],[2]]`, "[1]\n[2]\n", `[]`, ` [ ] `, `[["a]\"b"],{"x":[1]},3 , null]`, "\r\n[1]\r\n\r\n", `[[1],`, "[[1],2]\n[[3]]", "", "x", `[[[[]]]]`,
	} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(1))
		f.Add(seed, uint8(2))
	}
	f.Fuzz(func(t *testing.T, body string, kind uint8) {
		lines, err := framing([]string{"", contentJSON, contentLines}[kind%3], []byte(body))
		if err != nil {
			return
		}
		b := &rows{rest: []byte(body), lines: lines}
		var want []json.RawMessage
		if lines {
			for line := range strings.SplitSeq(body, "\n") {
				if line = strings.Trim(line, jsonSpace); line != "" {
					want = append(want, json.RawMessage(line))
				}
			}
		} else {
			b.rest = bytes.TrimLeft(b.rest, jsonSpace)[1:]
			if err := json.Unmarshal([]byte(body), &want); err != nil {
				t.Fatalf("took for an array what is none: %v", err)
			}
		}
		for i := 0; ; i++ {
			row, ok := b.next()
			if !ok {
				if i != len(want) {
					t.Fatalf("found %d rows, expected %d", i, len(want))
				}
				return
			}
			if i >= len(want) || !bytes.Equal(bytes.Trim(row, jsonSpace), want[i]) {
				t.Fatalf("row %d: found %q, expected %q", i, row, want[min(i, len(want)-1)])
			}
			_, _ = decodeRow(nil, row, &host.Signature{Variadic: true})
		}
	})
}

// FuzzString holds that every message is JSON that reads back, also one made of
// bytes that are no text.
func FuzzString(f *testing.F) {
	for _, seed := range []string{"", "a\"b\\c\n\r\t\x00\x1f\x7f", "é😀\u2028", "\xff\xc3", "\ufffd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		text := appendString(nil, s)
		if err := json.Unmarshal(text, &back); err != nil || back != strings.ToValidUTF8(s, "\x00") && back != string([]rune(s)) {
			t.Fatalf("%q: %s: %q, %v", s, text, back, err)
		}
	})
}

func TestResultBounds(t *testing.T) {
	loop := []any{nil}
	loop[0] = loop
	for _, v := range []any{loop, math.NaN(), math.Inf(-1), []any{make(chan int)}, map[string]any{"x": math.Inf(1)}} {
		dst, err := appendResult([]byte("kept"), v)
		if p, ok := errors.AsType[*failure](err); !ok || p.problem != problemResult || string(dst) != "kept" {
			t.Errorf("found %q, %v", dst, err)
		}
	}
	big := strings.Repeat("x", maxResult/2)
	if _, err := appendResult(nil, []any{big, big, big}); err == nil {
		t.Error("a result above the bound")
	}
	got, err := appendResult(nil, []any{int(1), int8(-1), int16(2), int32(3), uint(4), uint8(5), uint16(6), uint32(7), float32(0.1), uint64(math.MaxUint64)})
	if want := `[1,-1,2,3,4,5,6,7,0.1,18446744073709551615]`; err != nil || string(got) != want {
		t.Errorf("found %s, %v", got, err)
	}
}

func TestAggregateBytes(t *testing.T) {
	sig := &host.Signature{Args: []host.Type{host.TypeBytes}, Aggregate: true}
	args, err := decodeRow(nil, []byte(`[["AA==","AQ==",null]]`), sig)
	if want := []any{[]any{[]byte{0}, []byte{1}, nil}}; err != nil || !reflect.DeepEqual(args, want) {
		t.Errorf("found %v, %v", args, err)
	}
	if _, err := decodeRow(nil, []byte(`[["*"]]`), sig); judge(err) != problemArguments {
		t.Errorf("found %v", err)
	}
}

// Each kind of problem has an answer, and no two share a code.
func TestAnswersTable(t *testing.T) {
	seen := map[int]bool{}
	for p := problemInternal; p <= problemFull; p++ {
		a := answers[p]
		if a.status < 400 || a.code != 6000+int(p) || seen[a.code] {
			t.Errorf("problem %d: %+v", p, a)
		}
		seen[a.code] = true
	}
}
