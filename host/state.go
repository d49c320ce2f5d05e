package host

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
)

// Bounds of a plugin's state. A value or key beyond them is ErrInvalid.
const (
	MaxStateKey   = 1 << 10  // bytes of a key
	MaxStateScope = 1 << 10  // bytes of a scope
	MaxStateValue = 1 << 20  // bytes of a value
	MaxStateBytes = 16 << 20 // keys and values of one plugin together
)

// stateEntry is what an entry costs beside its key and value, in bytes: an
// empty value is not free.
const stateEntry = 128

// maxBehind bounds what there is to save, in bytes of entries without their values:
// keys that are put and deleted again and again would else pile up until the next
// save.
const maxBehind = 2 * MaxStateBytes

// size is what an entry counts for.
func (k StateKey) size(value []byte) int { return stateEntry + len(k.Scope) + len(k.Key) + len(value) }

// State is the memory of one plugin that outlives its modules: values and
// counters by scope and key. Reads and writes are served from memory and cost
// no I/O; writes are saved to the store every checkpoint and when the host
// closes, so a kill loses at most the writes since the last checkpoint. All
// generations of a plugin share one State.
type State struct {
	id    ID
	store StateStore

	mu     sync.RWMutex // guards what follows
	values map[StateKey][]byte
	dirty  map[StateKey]struct{}
	bytes  int
	behind int // bytes that dirty holds

	saving  sync.Mutex // one save at a time, so that older writes never win
	dropped bool       // the plugin is being removed: nothing is saved; guarded by saving
}

// NewState reads a plugin's state from the store.
func NewState(store StateStore, id ID) (*State, error) {
	s := &State{id: id, store: store, values: map[StateKey][]byte{}, dirty: map[StateKey]struct{}{}}
	for c, err := range store.State(id) {
		if err != nil {
			return nil, fmt.Errorf("state: %w", err)
		}
		s.values[c.StateKey] = c.Value
		s.bytes += c.size(c.Value)
	}
	return s, nil
}

// Append appends the value of a key to dst; ok is false when there is none.
func (s *State) Append(dst []byte, scope, key string) (_ []byte, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.values[StateKey{Scope: scope, Key: key}]
	return append(dst, v...), ok
}

// Put keeps a copy of value.
func (s *State) Put(scope, key string, value []byte) error {
	if len(value) > MaxStateValue {
		return invalid("state value of %d bytes: at most %d are allowed", len(value), MaxStateValue)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set(StateKey{Scope: scope, Key: key}, value)
}

// Delete removes a key and reports whether it was there.
func (s *State) Delete(scope, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := StateKey{Scope: scope, Key: key}
	v, ok := s.values[k]
	if ok {
		s.bytes -= k.size(v)
		delete(s.values, k)
		s.touch(k)
	}
	return ok
}

// touch notes that an entry changed. It requires s.mu.
func (s *State) touch(k StateKey) {
	if _, ok := s.dirty[k]; !ok {
		s.dirty[k] = struct{}{}
		s.behind += k.size(nil)
	}
}

// Add adds by to a counter, in one step, and returns its new value. Counters
// have key spaces of their own, start at 0 and stop at the ends of int64.
func (s *State) Add(scope, key string, by int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := StateKey{Scope: scope, Key: key, Counter: true}
	was := counterValue(s.values[k])
	n := was + by
	switch {
	case by > 0 && n < was:
		n = math.MaxInt64
	case by < 0 && n > was:
		n = math.MinInt64
	}
	return n, s.set(k, binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

// Counter returns the value of a counter.
func (s *State) Counter(scope, key string) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return counterValue(s.values[StateKey{Scope: scope, Key: key, Counter: true}])
}

func counterValue(b []byte) int64 {
	if len(b) != 8 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// set requires s.mu.
func (s *State) set(k StateKey, value []byte) error {
	if len(k.Key) > MaxStateKey {
		return invalid("state key of %d bytes: at most %d are allowed", len(k.Key), MaxStateKey)
	}
	if len(k.Scope) > MaxStateScope {
		return invalid("state scope of %d bytes (rule and operator): at most %d are allowed", len(k.Scope), MaxStateScope)
	}
	old, had := s.values[k]
	grown := k.size(value)
	if had {
		grown -= k.size(old)
	}
	if _, ok := s.dirty[k]; !ok && s.behind > maxBehind {
		return Errorf(ErrBusy, "state changes faster than it is saved: %d entries wait", len(s.dirty))
	}
	if s.bytes+grown > MaxStateBytes {
		return invalid("state of %d bytes: at most %d are allowed", s.bytes+grown, MaxStateBytes)
	}
	s.bytes += grown
	// Counters and values of a fixed size are updated in place: no garbage.
	if had && len(old) == len(value) {
		copy(old, value)
	} else {
		s.values[k] = bytes.Clone(value)
	}
	s.touch(k)
	return nil
}

// drop(true) has later saves write nothing, since the plugin is being removed;
// drop(false) takes it back.
func (s *State) drop(yes bool) {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.dropped = yes
}

// Save writes what changed since the last save.
func (s *State) Save() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	if s.dropped {
		return nil
	}
	s.mu.Lock()
	if len(s.dirty) == 0 {
		s.mu.Unlock()
		return nil
	}
	changes := make([]StateChange, 0, len(s.dirty))
	for k := range s.dirty {
		// A nil value deletes; an empty one must stay a value.
		v, ok := s.values[k]
		if ok {
			v = append(make([]byte, 0, len(v)+1), v...)
		}
		changes = append(changes, StateChange{k, v})
	}
	saved := s.dirty
	s.dirty, s.behind = map[StateKey]struct{}{}, 0
	s.mu.Unlock()

	sortBy(changes, func(c *StateChange) string { return c.Scope + "\x00" + c.Key })
	err := s.store.SaveState(s.id, changes)
	if err != nil { // keep what is unsaved for the next checkpoint
		s.mu.Lock()
		for k := range saved {
			s.touch(k)
		}
		s.mu.Unlock()
	}
	return err
}
