package wasm

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
)

// columnVector is a line of sdk/abi/testdata/columns.json.
type columnVector struct {
	Name    string
	Args    []host.Type
	Returns host.Type
	Rows    [][]any
	Results []any
	In, Out string
}

// TestColumnVectors: the vectors of the guest contract are what the host makes of their
// rows, and what a guest makes of them.
func TestColumnVectors(t *testing.T) {
	text, err := os.ReadFile("../sdk/abi/testdata/columns.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []columnVector
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 4 {
		t.Fatal(vectors, err)
	}
	m := batchModule(t, Options{})
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			s, n := &host.Signature{Args: v.Args, Returns: v.Returns}, len(v.Rows)
			in, out := unhex(t, v.In), unhex(t, v.Out)
			if err := s.CheckColumns(n, in, out); err != nil {
				t.Fatal(err)
			}
			for k, row := range v.Rows {
				for i, ty := range v.Args {
					if got, want := cell(in[s.Column(i, n):], ty, k), word(t, ty, row[i]); got != want {
						t.Errorf("row %d, argument %d: %#x, want %#x", k, i, got, want)
					}
				}
			}
			judgeResults(t, v, out)
			name, _, guest := strings.Cut(v.Name, ":")
			if !guest {
				return
			}
			got := bytes.Repeat([]byte{0xaa}, len(out))
			if err := fn(t, m, name).(host.Columns).ExecColumns(context.Background(), nil, n, in, got); err != nil {
				t.Fatal(err)
			}
			judgeResults(t, v, got)
		})
	}
}

func judgeResults(t *testing.T, v columnVector, out []byte) {
	t.Helper()
	valid := out[len(out)-len(v.Rows):]
	for k, want := range v.Results {
		if want == nil {
			if valid[k] != 0 {
				t.Errorf("row %d is valid", k)
			}
			continue
		}
		if got, want := cell(out, v.Returns, k), word(t, v.Returns, want); got != want || valid[k] != 1 {
			t.Errorf("row %d: %#x, valid %d; want %#x", k, got, valid[k], want)
		}
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cell is value k of a column as a word.
func cell(column []byte, ty host.Type, k int) uint64 {
	var b [8]byte
	w := ty.Width()
	copy(b[:], column[w*k:][:w])
	return binary.LittleEndian.Uint64(b[:])
}

func word(t *testing.T, ty host.Type, v any) uint64 {
	t.Helper()
	w, err := ty.Word(v)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
