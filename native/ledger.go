package native

import (
	"fmt"
	"sync"
)

// ledger is the state that one context sees.
type ledger interface {
	put(key string, v any) error
	get(key string) (any, error)
	remove(key string) error
	add(key string, by int) error
	counter(key string) (int, error)
}

// scoped is a key space of a plugin's memory.
type scoped struct {
	memory *memory
	scope  string
}

func (s scoped) put(key string, v any) error     { return s.memory.put(place{s.scope, key}, v) }
func (s scoped) get(key string) (any, error)     { return s.memory.get(place{s.scope, key}) }
func (s scoped) remove(key string) error         { return s.memory.remove(place{s.scope, key}) }
func (s scoped) add(key string, by int) error    { return s.memory.add(place{s.scope, key}, by) }
func (s scoped) counter(key string) (int, error) { return s.memory.counter(place{s.scope, key}) }

// shared is the state of an operator in a store that came from elsewhere.
type shared struct{ values *sync.Map }

func (s shared) put(key string, v any) error {
	s.values.Store(key, v)
	return nil
}

func (s shared) get(key string) (any, error) {
	v, _ := s.values.Load(key)
	return v, nil
}

func (s shared) remove(key string) error {
	s.values.Delete(key)
	return nil
}

func (s shared) add(key string, by int) error {
	for {
		v, ok := s.values.Load(key)
		n, isInt := asInt(v)
		if ok && !isInt {
			return fmt.Errorf("state[%s] must be an int", key)
		}
		if !ok {
			if _, raced := s.values.LoadOrStore(key, by); !raced {
				return nil
			}
		} else if s.values.CompareAndSwap(key, v, int(n)+by) {
			return nil
		}
	}
}

func (s shared) counter(key string) (int, error) {
	v, ok := s.values.Load(key)
	if !ok {
		return 0, nil
	}
	n, isInt := asInt(v)
	if !isInt {
		return 0, fmt.Errorf("state[%s] is not a number, but %v", key, v)
	}
	return int(n), nil
}
