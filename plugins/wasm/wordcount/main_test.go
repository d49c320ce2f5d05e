//go:build !wasip1

package main

import (
	"math"
	"strings"
	"testing"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		text, separator string
		want            int
	}{
		{"", "", 0},
		{"", ",", 0},
		{"  \t\n", "", 0},
		{"one", "", 1},
		{" one two\u00a0three\n", "", 3},
		{"a b  c", " ", 3},
		{",a,,b,", ",", 2},
		{",,,", ",", 0},
		{"a--b-c", "--", 2},
		{"a b", ",", 1},
		{"été, à la mer", ", ", 2},
	} {
		if got := words(c.text, c.separator); got != c.want {
			t.Errorf("%q by %q: %d, want %d", c.text, c.separator, got, c.want)
		}
	}
}

func TestAccumulate(t *testing.T) {
	defer vanth.Simulate(&vanth.Sim{})()
	for _, c := range []struct {
		text string
		want int64
	}{{"one two", 2}, {"", 2}, {"three", 3}} {
		if got, err := vanth.Call("accumulateWordCount", c.text, " "); err != nil || got != c.want {
			t.Errorf("%q: %v, %v, want %d", c.text, got, err, c.want)
		}
	}
	if kept, ok, err := vanth.Get(key); kept != int64(3) || !ok || err != nil {
		t.Errorf("kept: %v, %v, %v", kept, ok, err)
	}
}

// A total that cannot be read, kept or exceeded is an error, and stays as it is.
func TestAccumulateRefuses(t *testing.T) {
	for _, c := range []struct {
		kept any
		want string
	}{{"three", "fatal: state allwordcount is not a number"}, {int64(math.MaxInt64), "usage: the total is full"}} {
		restore := vanth.Simulate(&vanth.Sim{})
		if err := vanth.Put(key, c.kept); err != nil {
			t.Fatal(err)
		}
		_, err := vanth.Call("accumulateWordCount", "one", "")
		if e, ok := err.(*vanth.Error); !ok || string(e.Class)+": "+e.Msg != c.want {
			t.Errorf("%v: %v, want %s", c.kept, err, c.want)
		}
		if kept, _, _ := vanth.Get(key); kept != c.kept {
			t.Errorf("%v became %v", c.kept, kept)
		}
		restore()
	}
	defer vanth.Simulate(&vanth.Sim{Refuse: -4})()
	if v, err := vanth.Call("accumulateWordCount", "one", ""); v != nil || err == nil || !strings.Contains(err.Error(), "denied") {
		t.Errorf("without state: %v, %v", v, err)
	}
}
