package store

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Store is a host.Store in one file. Its methods may be called from many
// goroutines; after Close they fail with host.ErrClosed. An error of the file
// leaves it as it was before the call and names the file.
type Store struct {
	path string
	db   *bbolt.DB
	file *os.File // what db works on

	// writing admits one writer to db, which does the same itself but never
	// lets the next one in after it panicked in the middle.
	writing sync.Mutex

	fault   atomic.Pointer[error] // the first panic inside db: it is not used any more
	closed  atomic.Bool
	closing sync.Once
	failed  error // what closing failed with
}

var _ host.Store = (*Store)(nil)

// Close waits for the calls under way, gives up the lock and closes the file.
// Closing again waits for the first call and returns the same.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		s.writing.Lock()
		defer s.writing.Unlock()
		if s.fault.Load() != nil {
			// db may hold its own locks for ever, so close it from outside. The
			// mapping stays until the process ends.
			s.failed = s.named(errors.Join(unlock(s.file), s.file.Close()))
			return
		}
		s.failed = s.named(guard(s.db.Close))
	})
	return s.failed
}

// usable says why no transaction may start, nil when one may.
func (s *Store) usable() error {
	if s.closed.Load() {
		return s.named(host.ErrClosed)
	}
	if f := s.fault.Load(); f != nil {
		return *f
	}
	return nil
}

// view runs fn in a transaction that reads.
func (s *Store) view(fn func(*bbolt.Tx) error) error {
	return s.run(func() error { return s.db.View(fn) })
}

// update runs fn in a transaction that writes, and makes it durable.
func (s *Store) update(fn func(*bbolt.Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.run(func() error { return commit(s.db, fn) })
}

// run gives errors the file's name and remembers a panic inside db.
func (s *Store) run(fn func() error) error {
	if err := s.usable(); err != nil {
		return err
	}
	err := s.named(guard(fn))
	var p *panicked
	if errors.As(err, &p) {
		s.fault.CompareAndSwap(nil, &err)
	}
	return err
}

func (s *Store) named(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		err = host.ErrClosed
	}
	return fmt.Errorf("store %s: %w", s.path, err)
}

// commit runs fn in a transaction and commits that twice: the second, empty
// one makes bbolt's other meta page describe the same tree. Both pages then
// lead to what was acknowledged, whichever of them is damaged later. When only
// the second commit fails, the change is durable nonetheless, and with the next
// change it gets its second meta page too; so that is not an error.
func commit(db *bbolt.DB, fn func(*bbolt.Tx) error) error {
	if err := db.Update(fn); err != nil {
		return err
	}
	_ = db.Update(func(*bbolt.Tx) error { return nil })
	return nil
}

// panicked is a panic or a memory fault inside bbolt, which means that the
// file's pages are not what they were.
type panicked struct{ reason any }

func (p *panicked) Error() string { return fmt.Sprintf("%v: %v", host.ErrDamaged, p.reason) }
func (p *panicked) Unwrap() error { return host.ErrDamaged }

// guard runs fn and turns a panic, or a fault on the mapped file, into an error
// that wraps host.ErrDamaged.
func guard(fn func() error) (err error) {
	// The switch is per goroutine: set it for fn and put it back.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = &panicked{r}
		}
	}()
	return fn()
}
