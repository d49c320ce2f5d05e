package hosttest

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// rowsFunction gives a fake function the lanes for many rows, by calling it for each,
// with one fault.
type rowsFunction struct {
	host.Function
	fault string
}

func (f *rowsFunction) ExecBatch(ctx context.Context, c *host.Call, dst, rows []byte) ([]byte, error) {
	v, err := frame.Decode(rows)
	if err != nil {
		return dst, err
	}
	list := v.([]any)
	results := []any{}
	for _, row := range list {
		r, err := f.Exec(ctx, c, row.([]any))
		switch {
		case f.fault == "an error spoils the buffer" && err != nil:
			return append(dst, "spoilt"...), err
		case f.fault == "a fault is nobody's" && err != nil:
			return dst, errors.New("something went wrong")
		case f.fault == "a batch cannot be closed":
			r, err = row, nil
		}
		if err != nil {
			return dst, err
		}
		results = append(results, r)
	}
	switch {
	case f.fault == "a result is missing" && len(results) > 0:
		results = results[1:]
	case f.fault == "the rows are changed" && len(rows) > 1:
		rows[1] = 0x90
	}
	return frame.Append(dst, results)
}

func (f *rowsFunction) ExecColumns(ctx context.Context, c *host.Call, rows int, in, out []byte) error {
	if err := f.Signature().CheckColumns(rows, in, out); err != nil {
		if f.fault == "sizes are not looked at" {
			err = nil
		}
		return err
	}
	le := binary.LittleEndian
	for k := range rows {
		v, err := f.Exec(ctx, c, []any{math.Float64frombits(le.Uint64(in[8*k:])), math.Float64frombits(le.Uint64(in[8*(rows+k):]))})
		if err != nil {
			if f.fault == "columns do not end" {
				continue
			}
			return &host.RowsError{First: k, Count: 1, Err: err}
		}
		le.PutUint64(out[8*k:], math.Float64bits(v.(float64)))
		if out[8*rows+k] = 1; f.fault == "nothing is valid" {
			out[8*rows+k] = 0
		}
		if f.fault == "arguments are changed" {
			in[0] = 7
		}
	}
	return nil
}

// TestRowsChecks: lanes as they should be pass, and each fault is caught by the check
// that is named.
func TestRowsChecks(t *testing.T) {
	for fault, caught := range map[string]string{
		"":                           "",
		"a result is missing":        "B a batch is answered row by row",
		"the rows are changed":       "B a batch is answered row by row",
		"an error spoils the buffer": "B a batch that fails leaves the buffer and the others as they were",
		"a fault is nobody's":        "B a batch that fails leaves the buffer and the others as they were",
		"a batch cannot be closed":   "B a batch after close fails",
		"nothing is valid":           "C columns are answered row by row",
		"arguments are changed":      "C columns are answered row by row",
		"sizes are not looked at":    "C buffers of other sizes are refused",
		"columns do not end":         "C columns end with their context and their module",
	} {
		fake := &FakeRuntime{BeforeLoad: refuseDamaged, Funcs: map[string]FakeFunc{
			"sum": func(_ context.Context, _ host.Bundle, _ *host.Call, args []any) (any, error) {
				return args[0].(float64) + args[1].(float64), nil
			},
		}}
		kit := fakeKit(func() host.Runtime {
			return &brokenRuntime{fake, func(m host.Module) host.Module {
				return &brokenModule{Module: m, function: func(f host.Function) host.Function { return &rowsFunction{f, fault} }}
			}}
		})
		kit.Sums = []string{"sum"}
		found := caught == ""
		for _, c := range rowsChecks() {
			fake.closed = false
			err := c.check(t.TempDir(), kit)
			if err != nil && fault == "" {
				t.Errorf("lanes as they should be: %s: %v", c.name, err)
			}
			found = found || err != nil && c.name == caught
		}
		if !found {
			t.Errorf("%s: not caught", fault)
		}
	}
}
