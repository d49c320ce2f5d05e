package wasm

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// TestHostileStacks: each function that was deep once keeps the stack that it needed. However many there are, an instance
// keeps no more than a few.
func TestHostileStacks(t *testing.T) {
	const functions = 300
	var text strings.Builder
	var names []string
	text.WriteString(`(module (func $down (param i32) (result i32)
	  (if (result i32) (local.get 0)
	    (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
	    (else (i32.const 0))))`)
	for i := range functions {
		names = append(names, fmt.Sprint("f", i))
		fmt.Fprintf(&text, `(func (export "f%d") (result i32) (call $down (i32.const 5000)))`, i)
	}
	m := watModule(t, newRuntime(t, Options{PoolMax: 1}), text.String()+")", names...)
	before := heapInUse()
	for _, name := range names {
		if v := exec1(t, m, name); v != int64(5000) {
			t.Fatal(v)
		}
	}
	if grown := int(heapInUse()) - int(before); grown > 16*m.grant.stack {
		t.Errorf("%d functions keep %d KiB, the grant of one call is %d", functions, grown>>10, m.grant.stack>>10)
	}
}

// TestHostileWaitsWithoutASeat: a long call that waits for an answer of the network keeps no other long call waiting.
func TestHostileWaitsWithoutASeat(t *testing.T) {
	const limit = 2 * time.Second
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	at := silent.Addr().String()
	rt := newRuntime(t, Options{CallTimeout: limit, Grants: []string{capHTTP}, HTTP: HTTP{Allow: []string{at}}})
	rt.seats = &seats{free: make(chan struct{}, 1)} // as with two processors
	rt.seats.free <- struct{}{}
	const spin = `(func $spin (param $n i32) (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))`
	request := "\\81\\a3url" + fmt.Sprintf("\\%02x", 0xa0+len("http://"+at)) + "http://" + at
	size := 5 + 1 + len("http://"+at)
	waits := load(t, rt, watBundle(t, fmt.Sprintf(`(module (import "vanth" "http" (func $http (param i32 i32) (result i32)))
	  (memory 1) (data (i32.const 0) "%s") %s
	  (func (export "f") (result i32) (call $spin (i32.const 30000000)) (call $http (i32.const 0) (i32.const %d))))`, request, spin, size),
		host.Manifest{Functions: []string{"f"}, Requires: []string{capHTTP}, HTTP: []string{at}}))
	long := watModule(t, rt, `(module `+spin+`(func (export "f") (call $spin (i32.const 100000000))))`, "f")
	began := time.Now()
	exec1(t, long, "f")
	alone := time.Since(began)
	done := make(chan error)
	go func() {
		_, err := fn(t, waits, "f").Exec(context.Background(), nil, nil)
		done <- err
	}()
	if conn, err := silent.Accept(); err == nil {
		defer conn.Close()
	}
	began = time.Now()
	exec1(t, long, "f")
	if took := time.Since(began); took > limit/2 && took > 4*alone {
		t.Errorf("a long call took %v while another waited, and %v alone", took, alone)
	}
	runtime.Gosched()
	<-done
}

// TestHostileReferences: however often a guest asks for a reference to a function, the host keeps nothing for it.
func TestHostileReferences(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		m := watModule(t, newRuntime(t, Options{Engine: engine, PoolMax: 1, CallTimeout: 10 * time.Second}), `(module
		  (global $g (mut funcref) (ref.null func)) (elem declare func $f)
		  (func $f (export "f") (local $i i32) (local.set $i (i32.const 100000))
		    (loop $l (global.set $g (ref.func $f)) (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))`, "f")
		before := heapInUse()
		for range 10 {
			exec1(t, m, "f")
		}
		if grown := int(heapInUse()) - int(before); grown > 4<<20 {
			t.Errorf("a million references are %d KiB", grown>>10)
		}
	})
}
