//go:build !wasip1

package vanth

import (
	"fmt"
	"math"
)

// answer is what the host says to ask.
type answer struct {
	v   any
	err error
}

// ask puts a question about u to the host and waits for the answer.
func (l *lane) ask(op uint8, u *use, list []any) (any, error) {
	reply := make(chan answer, 1)
	l.mu.Lock()
	for l.lastID++; l.lastID == 0 || l.asks[l.lastID] != nil; {
		l.lastID++
	}
	id := l.lastID
	l.asks[id] = reply
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.asks, id)
		l.mu.Unlock()
	}()
	l.asking.Add(1)
	defer l.asking.Add(-1)
	if err := l.post(head{op: op, id: id, context: u.id}, list); err != nil {
		return nil, err
	}
	if role, ok := l.borrowRole(); ok { // nobody reads: then this goroutine does
		for len(reply) == 0 {
			if _, err := l.step(); err != nil {
				l.finish(quiet(err))
				break // with the role: nobody shall read any more
			}
		}
		if len(reply) > 0 {
			l.giveBackRole(role)
		}
	}
	select {
	case a := <-reply:
		return a.v, a.err
	case <-l.ended:
		return nil, &HostError{Op: askNames[op-opGet], Key: fmt.Sprint(list[0]), Code: codeClosed}
	}
}

var askNames = [...]string{"get", "put", "delete", "add", "count"}

func (l *lane) answered(h head, payload []byte) {
	l.mu.Lock()
	reply := l.asks[h.id]
	delete(l.asks, h.id)
	l.mu.Unlock()
	if reply == nil {
		return
	}
	a := answer{}
	if len(payload) > 0 {
		a.v, a.err = Value(payload)
	}
	if e, ok := a.v.(*Error); ok && h.flags&flagError != 0 {
		a = answer{err: e}
	}
	l.woke = true
	reply <- a
}

var _ keeper = (*lane)(nil)

// get cannot tell a kept null from nothing: the lane does not.
func (l *lane) get(u *use, key string) (any, bool, error) {
	v, err := l.ask(opGet, u, []any{key})
	return v, v != nil, err
}

func (l *lane) put(u *use, key string, v any) error {
	_, err := l.ask(opPut, u, []any{key, v})
	return err
}

func (l *lane) remove(u *use, key string) error {
	_, err := l.ask(opDelete, u, []any{key})
	return err
}

func (l *lane) add(u *use, key string, by int64) (int64, error) {
	return count(l.ask(opAdd, u, []any{key, by}))
}

func (l *lane) count(u *use, key string) (int64, error) {
	return count(l.ask(opCount, u, []any{key}))
}

func count(v any, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	switch n := v.(type) {
	case nil:
		return 0, nil
	case int64:
		return n, nil
	case uint64:
		return math.MaxInt64, nil
	}
	return 0, &Error{Msg: "the host's count is no integer", Class: Fatal}
}
