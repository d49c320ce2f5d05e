package portable

import (
	"fmt"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// state answers what the plugin asks of its memory.
func (l *lane) state(h head, payload []byte) error {
	list, err := frame.DecodeArgs(payload)
	if err != nil || len(list) == 0 {
		return fmt.Errorf("%w: op %d without a key", errProtocol, h.op)
	}
	key, ok := list[0].(string)
	if !ok {
		return fmt.Errorf("%w: op %d with a key that is no text", errProtocol, h.op)
	}
	scope := l.seats.of(h.context).Scope()
	kept := l.p.m.state
	answer := head{op: opValue, id: h.id}
	build := func(b []byte) ([]byte, error) { return frame.AppendNil(b), nil }
	var fault error
	switch {
	case h.op == opGet:
		build = func(b []byte) ([]byte, error) {
			b, _ = kept.Append(b, scope, key) // empty for none
			return b, nil
		}
	case h.op == opPut && len(list) == 2:
		var value []byte
		if value, fault = frame.Append(nil, list[1]); fault == nil {
			fault = kept.Put(scope, key, value)
		}
	case h.op == opDelete:
		kept.Delete(scope, key)
	case h.op == opAdd && len(list) == 2:
		by, ok := list[1].(int64)
		if !ok {
			return fmt.Errorf("%w: a counter is added to by %.64s", errProtocol, host.Describe(list[1]))
		}
		var n int64
		n, fault = kept.Add(scope, key, by)
		build = func(b []byte) ([]byte, error) { return frame.AppendInt(b, n), nil }
	case h.op == opCount:
		n := kept.Counter(scope, key)
		build = func(b []byte) ([]byte, error) { return frame.AppendInt(b, n), nil }
	default:
		return fmt.Errorf("%w: op %d with %d fields", errProtocol, h.op, len(list))
	}
	if fault != nil {
		answer.flags = flagError
		build = func(b []byte) ([]byte, error) {
			return frame.Append(b, &frame.Error{Msg: fault.Error(), Class: "usage"})
		}
	}
	return l.enqueue(answer, build)
}
