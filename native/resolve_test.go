package native

import (
	"errors"
	"testing"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

func TestResolve(t *testing.T) {
	k := newKit(t, guestOptions{})
	function, puller, looker, sink := returns(nil, true), &tuplePuller{}, &lookupFake{}, &bytesSink{}
	exported := map[string]any{
		"One": function, "Made": func() api.Function { return returns(nil, true) },
		"Random": puller, "RandomLookup": func() api.Source { return looker }, "File": func() api.Sink { return sink },
		"Text": new(string), "Typed": func() *fakeFunc { return function }, "Fails": func() api.Function { panic("boom") },
		"Nothing": func() api.Function { return nil }, "Nil": (func() api.Source)(nil), "Éclair": function,
	}
	s := symbols{k.guest, func(symbol string) (any, error) {
		v, ok := exported[symbol]
		if !ok {
			return nil, errors.New("symbol not found")
		}
		return v, nil
	}}

	one, _ := s.function("one")
	made, _ := s.function("made")
	a, _ := one()
	b, _ := one()
	c, _ := made()
	d, _ := made()
	if a != b || a != api.Function(function) || c == d {
		t.Error("a singleton is one, a constructor makes another each time")
	}
	for name, find := range map[string]func() (bool, error){
		"Random":       func() (bool, error) { f, err := s.source("random"); return f != nil, err },
		"RandomLookup": func() (bool, error) { f, err := s.lookup("random"); return f != nil, err },
		"File":         func() (bool, error) { f, err := s.sink("file"); return f != nil, err },
		"Éclair":       func() (bool, error) { f, err := s.function("éclair"); return f != nil, err },
	} {
		if ok, err := find(); !ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	for _, name := range []string{"absent", ""} {
		if f, err := s.function(name); f != nil || err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}

	_, source := s.source("text")
	_, lookup := symbols{k.guest, func(string) (any, error) { return 1, nil }}.lookup("text")
	_, snk := s.sink("random2")
	_, fn := s.function("text")
	_, typed := s.function("typed")
	_, wrongSink := symbols{k.guest, func(string) (any, error) { return function, nil }}.sink("text")
	for want, err := range map[string]error{
		"exported symbol Text is not type of api.Source or function that return api.Source":                   source,
		"exported symbol TextLookup is not type of api.LookupSource or function that return api.LookupSource": lookup,
		"exported symbol Text is not type of api.Function or function that return api.Function":               fn,
		"exported symbol Typed is not type of api.Function or function that return api.Function":              typed,
		"exported symbol Text is not type of api.Sink or function that return api.Sink":                       wrongSink,
	} {
		if !errors.Is(err, host.ErrInvalid) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if snk != nil {
		t.Error(snk)
	}

	for _, name := range []string{"fails", "nothing"} {
		f, err := s.function(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f()
		if _, ok := errors.AsType[*host.GuestError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	f, _ := s.source("nil")
	if _, err := f(); err == nil {
		t.Error("a nil constructor made a source")
	}

	if _, err := newSource(k.guest, "random", looker, nil, nil); !errors.Is(err, host.ErrInvalid) || err.Error() != "got non stream source random" {
		t.Error(err)
	}
	if _, err := newLookup(k.guest, "random", puller, nil, nil); !errors.Is(err, host.ErrInvalid) || err.Error() != "got non lookup source random" {
		t.Error(err)
	}
	if _, err := newSink(k.guest, "file", &looker.fakeNode, nil, nil); !errors.Is(err, host.ErrInvalid) || err.Error() != "sink type file does not implement any collector" {
		t.Error(err)
	}
}
