package wasm

import (
	"errors"
	"fmt"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// The bounds of what a source emits in one poll. It is polled again when all of
// that was read.
const (
	maxEmits     = 1024
	maxEmitBytes = 4 << 20
)

// What emit answers beside the codes of all imports.
const (
	emitFull    = 1 // not taken: return, and emit it at the next poll
	emitClosing = 2 // not taken: the source is being closed
)

// outbox has what a source emitted and nobody has read yet.
type outbox struct {
	items  []emitted
	at     int    // items before it are read
	bytes  int    // of frames
	arena  []byte // the last offsets
	marks  int    // bytes of all offsets
	marked int    // items before it have an offset at or behind them
	failed int    // errors among them
	fatal  bool
}

// emitted is a message or an error, and the offset behind it.
type emitted struct {
	message host.Message
	err     error
	offset  []byte // nil for none
}

// reset makes the box empty for the next poll.
func (b *outbox) reset() {
	clear(b.items)
	*b = outbox{items: b.items[:0], arena: b.arena[:0]}
}

func (b *outbox) full(bytes int) bool {
	return len(b.items) >= maxEmits || len(b.items) > 0 && b.bytes+bytes > maxEmitBytes
}

func (b *outbox) add(it emitted, bytes int) {
	b.items = append(b.items, it)
	b.bytes += bytes
}

// The arena of offsets grows by pieces of these sizes, in bytes, and never by copying: to allocate much at once takes
// milliseconds while the collector runs, of a call that cannot look up meanwhile.
const minPiece, maxPiece = 512, 64 << 10

// mark keeps a copy of data as the offset behind the last item.
func (b *outbox) mark(data []byte) {
	b.marked = len(b.items)
	it := &b.items[b.marked-1]
	b.arena = b.arena[:len(b.arena)-len(it.offset)] // the last one is at its end
	b.marks += len(data) - len(it.offset)
	if len(b.arena)+len(data) > cap(b.arena) {
		b.arena = make([]byte, 0, max(minPiece, min(2*cap(b.arena), maxPiece), len(data)))
	}
	from := len(b.arena)
	b.arena = append(b.arena, data...)
	it.offset = b.arena[from:len(b.arena):len(b.arena)]
}

// offset is the last offset that was marked, nil for none.
func (b *outbox) offset() []byte {
	if b.marked == 0 {
		return nil
	}
	return b.items[b.marked-1].offset
}

// openBox returns the box of a source that is being polled, or the code for the
// guest why there is none.
func (in *instance) openBox(handle uint64) (*outbox, int) {
	n := in.node
	switch {
	case n == nil || n.box == nil:
		return nil, codeDenied
	case uint32(handle) != n.handle:
		return nil, codeAbsent
	}
	return n.box, 0
}

func importEmit(in *instance, stack []uint64) {
	stack[0] = code(in.emit(stack, func(b []byte) any {
		v, err := in.decoder.Decode(b)
		if err != nil && in.late() {
			in.over(in.now())
		}
		if err == nil {
			err = checkRows(v)
		}
		if err != nil {
			panic(fmt.Errorf("emit: %w: %w", errFrame, err))
		}
		return v
	}))
}

func importEmitBytes(in *instance, stack []uint64) {
	stack[0] = code(in.emit(stack, func(b []byte) any { return append([]byte{}, b...) }))
}

// checkRows judges what is emitted as rows.
func checkRows(v any) error {
	switch v := v.(type) {
	case map[string]any:
		return nil
	case []any:
		for i, item := range v {
			if _, ok := item.(map[string]any); !ok {
				return fmt.Errorf("item %d is %s, expected a map", i, host.Describe(item))
			}
		}
		return nil
	}
	return fmt.Errorf("found %s, expected a map or a list of maps", host.Describe(v))
}

// emit takes a message: handle, data, meta, time.
func (in *instance) emit(stack []uint64, value func([]byte) any) int {
	box, no := in.openBox(stack[0])
	if no != 0 {
		return no
	}
	data, ok := in.guestBytes(stack[1], stack[2])
	meta, ok2 := in.guestBytes(stack[3], stack[4])
	if uint32(stack[2]) == 0 {
		data, ok = nil, true
	}
	if uint32(stack[4]) == 0 {
		meta, ok2 = nil, true
	}
	size := len(data) + len(meta)
	now, ever := in.fits(size)
	switch {
	case !ok || !ok2:
		return codePointer
	case size > maxEmitBytes || !ever:
		return codeTooLarge
	case in.node.life.Err() != nil:
		return emitClosing
	case box.full(size) || !now:
		return emitFull
	}
	in.handed += int64(size)
	in.charge(int64(size)) // it is decoded
	it := emitted{message: host.Message{Value: value(data)}}
	if len(meta) > 0 {
		v, err := in.decoder.Decode(meta)
		if it.message.Meta, ok = v.(map[string]any); err == nil && !ok && v != nil {
			err = fmt.Errorf("found %s, expected a map", host.Describe(v))
		}
		if err != nil {
			panic(fmt.Errorf("emit: meta: %w: %w", errFrame, err))
		}
	}
	if ms := int64(stack[5]); ms != 0 {
		it.message.Time = time.UnixMilli(ms)
	}
	box.add(it, size)
	return 0
}

// maxOffset bounds an offset, in bytes.
const maxOffset = 16 << 10

// importMark notes the offset behind what the poll emitted so far.
func importMark(in *instance, stack []uint64) {
	box, no := in.openBox(stack[0])
	data, ok := in.guestBytes(stack[1], stack[2])
	now, ever := in.fits(len(data))
	switch {
	case no != 0:
	case !ok:
		no = codePointer
	case len(data) > maxOffset || !ever:
		no = codeTooLarge
	case !now || box.marks+len(data) > maxEmitBytes:
		no = emitFull
	default:
		in.handed += int64(len(data))
		in.charge(int64(len(data)))
		if err := frame.Valid(data); err != nil {
			panic(fmt.Errorf("mark: %w: %w", errFrame, err))
		}
		if len(box.items) == 0 { // it went on and had nothing to emit
			box.add(emitted{}, 0)
		}
		box.mark(data)
	}
	stack[0] = code(no)
}

// importFail takes an error of one message; one of class fatal ends the source.
func importFail(in *instance, stack []uint64) {
	box, no := in.openBox(stack[0])
	data, ok := in.guestBytes(stack[1], stack[2])
	now, ever := in.fits(len(data))
	switch {
	case no != 0:
	case !ok:
		no = codePointer
	case !ever:
		no = codeTooLarge
	case len(box.items) >= maxEmits+1 || !now: // one more than messages, so that a full box can fail
		no = emitFull
	default:
		in.handed += int64(len(data))
		v, err := frame.Decode(data)
		said, isError := v.(*frame.Error)
		if err == nil && !isError {
			err = errors.New("found " + host.Describe(v) + ", expected an error value")
		}
		if err != nil {
			panic(fmt.Errorf("fail: %w: %w", errFrame, err))
		}
		box.add(emitted{err: in.module.badResult(in.symbol(), in, host.FaultReturned, said)}, len(data))
		box.failed++
		box.fatal = box.fatal || said.Class == frame.ClassFatal
	}
	stack[0] = code(no)
}
