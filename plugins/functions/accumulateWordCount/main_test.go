package main

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/vanth-io/vanth/plugins/internal/fake"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		text, separator string
		want            int
	}{
		{"", "", 0},
		{"", ",", 0},
		{"  \t\n", "", 0},
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

// The total outlives the instance: it belongs to the context.
func TestAccumulate(t *testing.T) {
	ctx := fake.NewContext(context.Background())
	for _, c := range []struct {
		text string
		want int
	}{{"one two", 2}, {"", 2}, {"three", 3}} {
		if got, ok := AccumulateWordCount().Exec(ctx, []any{c.text, " "}); !ok || got != c.want {
			t.Errorf("%q: %v, %v, want %d", c.text, got, ok, c.want)
		}
	}
	if got, ok := AccumulateWordCount().Exec(fake.NewContext(context.Background()), []any{"one", ""}); !ok || got != 1 {
		t.Errorf("another context: %v, %v, want 1", got, ok)
	}
	if AccumulateWordCount().IsAggregate() {
		t.Error("an aggregate")
	}
}

// What is refused is an error that says why, and the total stays as it is.
func TestRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		kept any
		args []any
		want string
	}{
		{"no arguments", 1, nil, "accumulateWordCount: found 0 arguments, expected 2: text, separator"},
		{"three arguments", 1, []any{"", "", ""}, "accumulateWordCount: found 3 arguments, expected 2: text, separator"},
		{"text", 1, []any{nil, ""}, "accumulateWordCount: text: found <nil>, expected string"},
		{"separator", 1, []any{"", 1}, "accumulateWordCount: separator: found int, expected string"},
		{"state", "one", []any{"a", ""}, "accumulateWordCount: state allwordcount is not a number"},
		{"full", math.MaxInt, []any{"a", ""}, "accumulateWordCount: the total 9223372036854775807 is full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := fake.NewContext(context.Background())
			if err := ctx.PutState(key, c.kept); err != nil {
				t.Fatal(err)
			}
			v, ok := AccumulateWordCount().Exec(ctx, c.args)
			if err, _ := v.(error); ok || err == nil || err.Error() != c.want {
				t.Errorf("%v, %v, want %s", v, ok, c.want)
			}
			if kept, _ := ctx.GetState(key); kept != c.kept {
				t.Errorf("%v became %v", c.kept, kept)
			}
		})
	}
}

func TestStateRefused(t *testing.T) {
	ctx := fake.NewContext(context.Background())
	ctx.Refuse = errors.New("disk full")
	v, ok := AccumulateWordCount().Exec(ctx, []any{"a", ""})
	if err, _ := v.(error); ok || !errors.Is(err, ctx.Refuse) {
		t.Errorf("%v, %v", v, ok)
	}
}
