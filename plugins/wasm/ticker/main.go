// Ticker is a sample plugin with a source that can go back. See readme.md.
package main

import (
	"io"
	"maps"
	"time"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

func init() { vanth.SourceFunc("ticker", open) }

func main() {}

// ticker emits rows that are counted. n is the last one that the host took.
type ticker struct {
	interval time.Duration  // 0: as fast as they are read
	count    int64          // 0: without end
	row      map[string]any // made once: what is emitted is copied
	n        int64
}

func open(c vanth.Config) (*ticker, error) {
	t := &ticker{row: map[string]any{}}
	var err error
	if t.interval, err = c.Duration("interval", time.Second); err != nil {
		return nil, err
	}
	if t.count, err = c.Int("count", 0); err != nil {
		return nil, err
	}
	switch fields := c.Props["fields"].(type) {
	case nil:
	case map[string]any:
		maps.Copy(t.row, fields)
	default:
		return nil, &vanth.Error{Msg: "property fields: expected an object", Class: vanth.Usage}
	}
	if t.count < 0 {
		return nil, &vanth.Error{Msg: "property count: expected 0 (without end) or more", Class: vanth.Usage}
	}
	return t, nil
}

// Poll emits one row, or as many as the host takes where no interval keeps it.
func (t *ticker) Poll(now time.Time, out *vanth.Out) (time.Duration, error) {
	t.row["time"] = now
	for t.count == 0 || t.n < t.count {
		t.row["n"] = t.n + 1
		if !out.Emit(t.row) {
			return t.interval, nil
		}
		t.n++
		out.Mark(t.n)
		if t.interval > 0 && t.n != t.count {
			return t.interval, nil
		}
	}
	return 0, io.EOF
}

// Rewind goes back, or on, to behind row number offset.
func (t *ticker) Rewind(offset any) error {
	n, ok := offset.(int64)
	if !ok || n < 0 {
		return &vanth.Error{Msg: "offset: expected the number of a row", Class: vanth.Usage}
	}
	t.n = n
	return nil
}
