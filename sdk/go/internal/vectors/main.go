// Vectors writes the test vectors of the value profile, sdk/abi/testdata/values.json. It lays every
// frame out by hand and shares no code with the codec, which is tested against them.
//
//	go run ./internal/vectors > ../abi/testdata/values.json
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// accepted is a frame that decodes to value; canonical if an encoder must make it of that value.
type accepted struct {
	Name      string `json:"name"`
	Frame     string `json:"frame"`
	Value     any    `json:"value"`
	Canonical bool   `json:"canonical"`
}

// rejected is a frame that is no value, and the word for why.
type rejected struct {
	Name  string `json:"name"`
	Frame string `json:"frame"`
	Error string `json:"error"`
}

func main() {
	if err := generate(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "vectors:", err)
		os.Exit(1)
	}
}

// generate writes one vector a line, always the same bytes.
func generate(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "{\n\"accept\": [")
	if err := lines(out, accepts()); err != nil {
		return err
	}
	fmt.Fprintln(out, "],\n\"reject\": [")
	if err := lines(out, rejects()); err != nil {
		return err
	}
	fmt.Fprintln(out, "]\n}")
	return out.Flush()
}

func lines[T any](w io.Writer, vectors []T) error {
	for i, v := range vectors {
		line, err := json.Marshal(v)
		if err != nil {
			return err
		}
		comma := ","
		if i == len(vectors)-1 {
			comma = ""
		}
		fmt.Fprintf(w, "%s%s\n", line, comma)
	}
	return nil
}

// cat joins bytes (ints), strings and byte slices to a frame.
func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		default:
			panic(fmt.Sprintf("cat: %T", p))
		}
	}
	return b
}

// be is the width low bytes of u, the highest first.
func be(width int, u uint64) []byte {
	b := make([]byte, width)
	for i := range b {
		b[width-1-i] = byte(u >> (8 * i))
	}
	return b
}

func times(n int, part []byte) []byte {
	var b []byte
	for range n {
		b = append(b, part...)
	}
	return b
}

type object = map[string]any

func yes(name string, value any, frame []byte) accepted {
	return accepted{name, hex.EncodeToString(frame), value, true}
}

// also is a frame that must be understood but that no encoder here makes.
func also(name string, value any, frame []byte) accepted {
	return accepted{name, hex.EncodeToString(frame), value, false}
}

func no(name, reason string, frame []byte) rejected {
	return rejected{name, hex.EncodeToString(frame), reason}
}
