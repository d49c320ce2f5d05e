package main

import (
	"context"
	"reflect"
	"testing"

	"github.com/vanth-io/vanth/plugins/internal/fake"
)

func TestEcho(t *testing.T) {
	f, ctx := Echo(), fake.NewContext(context.Background())
	for _, v := range []any{nil, int64(-1), 2.5, "ü", []byte{0}, map[string]any{"a": []any{1}}} {
		if got, ok := f.Exec(ctx, []any{v}); !ok || !reflect.DeepEqual(got, v) {
			t.Errorf("%v: %v, %v", v, got, ok)
		}
	}
	if f.IsAggregate() {
		t.Error("an aggregate")
	}
}

func TestArguments(t *testing.T) {
	f, ctx := Echo(), fake.NewContext(context.Background())
	for _, c := range []struct {
		args []any
		want string
	}{
		{nil, "echo: found 0 arguments, expected 1"},
		{[]any{1}, ""},
		{[]any{1, 2}, "echo: found 2 arguments, expected 1"},
	} {
		err := f.Validate(c.args)
		if got := text(err); got != c.want {
			t.Errorf("Validate of %v: %q, want %q", c.args, got, c.want)
		}
		v, ok := f.Exec(ctx, c.args)
		if e, _ := v.(error); ok != (c.want == "") || text(e) != c.want {
			t.Errorf("Exec of %v: %v, %v", c.args, v, ok)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
