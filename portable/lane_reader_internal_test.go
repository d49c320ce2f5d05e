package portable

import (
	"context"
	"testing"
)

// TestReader: who reads, from one step to the next. The watcher is told whenever it
// becomes its turn again.
func TestReader(t *testing.T) {
	p := &pending{handed: make(chan struct{}, 1)}
	soon, cancel := context.WithTimeout(t.Context(), patrol)
	defer cancel()
	call := func(ctx context.Context) *waiter {
		t.Helper()
		w, err := p.call(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	expect := func(step string, want reader, told bool) {
		t.Helper()
		if p.who() != want {
			t.Errorf("%s: %d reads, want %d", step, p.who(), want)
		}
		select {
		case <-p.handed:
			if !told {
				t.Errorf("%s: the watcher was told to read", step)
			}
		default:
			if told {
				t.Errorf("%s: the watcher was not told to read", step)
			}
		}
	}
	lone := func(last bool) (free bool) {
		w := call(t.Context())
		free = p.answer(head{id: w.id}, nil, last)
		<-w.done
		p.drop(w, false)
		return free
	}
	// settle is as many lone calls as the watcher answers before it stands by.
	settle := func() {
		t.Helper()
		for i := range soloFor {
			if free := lone(true); free != (i == soloFor-1) {
				t.Fatalf("after %d lone calls: %v", i+1, free)
			}
		}
	}

	for range 2 * soloFor {
		if lone(true) {
			t.Fatal("the watcher stands by where calls do not read")
		}
	}
	p.lead()
	settle()
	expect("lone calls", nobody, false)

	w := call(t.Context())
	expect("the next", caller, false)
	second := call(t.Context())
	if !w.leads || second.leads {
		t.Error("not the first call of two reads")
	}
	w.take(head{}, nil)
	p.drop(w, false)
	expect("another waits", watcher, true)
	p.answer(head{id: second.id}, nil, true)
	<-second.done
	p.drop(second, false)

	for range soloFor - 2 {
		lone(true)
	}
	lone(false) // something else is here to be read
	for range soloFor - 1 {
		lone(true)
	}
	expect("not enough lone calls", watcher, false)
	lone(true)
	expect("enough", nobody, false)

	w = call(soon)
	expect("a call that cannot read", watcher, true)
	p.answer(head{id: w.id}, nil, true)
	<-w.done
	p.drop(w, false)

	for range soloFor - 1 {
		lone(true)
	}
	expect("lone calls again", nobody, false)
	p.opened(1)
	expect("a source", watcher, true)
	for range 2 * soloFor {
		lone(true)
	}
	expect("lone calls beside it", watcher, false)
	p.opened(-1)
	settle()

	w = call(t.Context())
	p.handOver(w)
	expect("a slow call", watcher, true)
	if w.leads {
		t.Error("it reads still")
	}
	p.drop(w, false)
	settle()
	w = call(t.Context())
	w.take(head{}, nil)
	p.drop(w, true)
	expect("something is left to be read", watcher, true)
}

// TestReaderSends: the watcher reads when a call that was to read has to wait for room
// first, and for what is no call.
func TestReaderSends(t *testing.T) {
	p := &pending{handed: make(chan struct{}, 1), led: true}
	p.set(nobody)
	other, _, _ := p.add(nil, nil)
	if other.leads || p.who() != nobody {
		t.Error("what is no call reads")
	}
	p.drop(other, false)
	p.yield(nil)
	w, _ := p.call(t.Context(), nil)
	if p.yield(w); w.leads || p.who() != watcher || len(p.handed) != 1 {
		t.Error("it reads though it waits for room")
	}
	p.yield(w)
	p.answer(head{id: w.id}, nil, false)
	<-w.done
	p.drop(w, false)
	if p.who() != watcher {
		t.Error(p.who(), "reads after it")
	}
}

// TestReaderLook: what the watcher sees while it stands by.
func TestReaderLook(t *testing.T) {
	p := &pending{handed: make(chan struct{}, 1), led: true}
	p.set(nobody)
	var seen uint64
	w, _ := p.call(t.Context(), nil)
	for i, want := range []struct{ reads, late bool }{{false, false}, {false, true}, {false, true}} {
		if reads, late := p.look(&seen); reads != want.reads || late != want.late {
			t.Errorf("look %d at a call: %v, %v, want %v", i, reads, late, want)
		}
	}
	w.take(head{}, nil)
	p.drop(w, false)
	w, _ = p.call(t.Context(), nil)
	w.take(head{}, nil)
	p.drop(w, false)
	if reads, late := p.look(&seen); reads || late {
		t.Error("a call has come meanwhile:", reads, late)
	}
	if reads, late := p.look(&seen); !reads || late || p.who() != watcher {
		t.Error("no call has come:", reads, late)
	}
}
