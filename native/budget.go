package native

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/vanth-io/vanth/host/frame"
)

// maxNodes is how many values one value of a plugin may hold. Its texts and
// bytes together are at most frame.MaxBytes, and it nests frame.MaxDepth deep, as
// in the other runtimes.
const maxNodes = 1 << 20

// budget is what may still be made of a value of a plugin. A part that the value
// holds twice is made twice: a few lists that share their items would fill any
// memory.
type budget struct{ nodes, bytes int }

func newBudget() budget { return budget{maxNodes, frame.MaxBytes} }

// take spends. It is asked before anything is made.
func (b *budget) take(nodes, bytes int) error {
	if b.nodes -= nodes; b.nodes < 0 {
		return fmt.Errorf("value holds more than %d values", maxNodes)
	}
	if b.bytes -= bytes; b.bytes < 0 {
		return fmt.Errorf("value has more than %d bytes of text and bytes", frame.MaxBytes)
	}
	return nil
}

// items spends what n items of a list or map cost that lies inside depth others.
func (b *budget) items(n, depth int) error {
	if depth >= frame.MaxDepth {
		return errDepth()
	}
	return b.take(n, 0)
}

func errDepth() error { return fmt.Errorf("value nests deeper than %d", frame.MaxDepth) }

// maxHops is how many pointers in a row lead to a value; a circle has no end.
const maxHops = 1000

// json spends what encoding/json would write of v, which knows no bounds itself.
// What types write that encode themselves is theirs to bound.
func (b *budget) json(v reflect.Value, depth int) error {
	for hops := 0; v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface; hops++ {
		switch {
		case hops > maxHops:
			return errDepth()
		case v.IsNil(), v.Kind() == reflect.Pointer && writesItself(v.Type()):
			return b.take(1, 0)
		}
		v = v.Elem()
	}
	if !v.IsValid() || writesItself(v.Type()) || v.CanAddr() && writesItself(reflect.PointerTo(v.Type())) {
		return b.take(1, 0)
	}
	switch kind := v.Kind(); kind {
	case reflect.String:
		return b.take(1, v.Len())
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Struct:
		if depth >= frame.MaxDepth {
			return errDepth()
		}
		if err := b.take(1, 0); err != nil {
			return err
		}
		switch kind {
		case reflect.Map:
			return b.jsonMap(v, depth+1)
		case reflect.Struct:
			return b.jsonStruct(v, depth+1)
		}
		return b.jsonList(v, depth+1)
	}
	return b.take(1, 0)
}

func (b *budget) jsonMap(v reflect.Value, depth int) error {
	for it := v.MapRange(); it.Next(); {
		if k := it.Key(); k.Kind() == reflect.String {
			if err := b.take(0, k.Len()); err != nil {
				return err
			}
		}
		if err := b.json(it.Value(), depth); err != nil {
			return err
		}
	}
	return nil
}

func (b *budget) jsonList(v reflect.Value, depth int) error {
	switch kind := v.Type().Elem().Kind(); {
	case kind == reflect.Uint8: // as text, if it is a slice
		return b.take(0, v.Len())
	case kind < reflect.Array: // numbers and bools
		return b.take(v.Len(), 0)
	}
	for i := range v.Len() {
		if err := b.json(v.Index(i), depth); err != nil {
			return err
		}
	}
	return nil
}

func (b *budget) jsonStruct(v reflect.Value, depth int) error {
	t := v.Type()
	for i := range t.NumField() {
		// What is not written may well be a circle: the way back to a parent.
		if f := t.Field(i); !f.IsExported() && !f.Anonymous || f.Tag.Get("json") == "-" {
			continue
		}
		if err := b.json(v.Field(i), depth); err != nil {
			return err
		}
	}
	return nil
}

// writesItself reports whether a type has JSON of its own making.
func writesItself(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// text spends what JSON becomes when it is decoded: each value but the first
// follows one of four marks.
func (b *budget) text(encoded []byte) error {
	if err := b.take(0, len(encoded)); err != nil {
		return err
	}
	values, inText := 1, false
	for i := 0; i < len(encoded); i++ {
		switch c := encoded[i]; {
		case c == '"':
			inText = !inText
		case inText && c == '\\':
			i++
		case !inText && (c == ',' || c == '[' || c == '{'):
			values++
		}
	}
	return b.take(values, 0)
}
