package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Option changes how Open works.
type Option func(*options)

type options struct {
	lockTimeout time.Duration
	steps       []migration
	openFile    func(string, int, fs.FileMode) (*os.File, error)
}

func (o options) filled() options {
	if o.lockTimeout <= 0 {
		o.lockTimeout = 1500 * time.Millisecond
	}
	if o.steps == nil {
		o.steps = migrations()
	}
	if o.openFile == nil {
		o.openFile = os.OpenFile
	}
	return o
}

// WithLockTimeout bounds how long Open waits for another process to give up
// the file. The default is 1.5 s: enough for a predecessor that is stopping.
func WithLockTimeout(d time.Duration) Option {
	return func(o *options) { o.lockTimeout = d }
}

// Open opens the store at path and brings it to today's format; where there is
// no file it makes one (mode 0600), and the folder too (mode 0700). It fails
// with host.ErrInUse when another process has the file open, host.ErrUnsupported
// when a newer host wrote it, and host.ErrDamaged when its structure is not
// sound. A record that is damaged does not keep the store from opening: the
// methods that read it say so.
func Open(path string, opts ...Option) (*Store, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	s := &Store{path: path}
	if err := s.open(o.filled()); err != nil {
		return nil, s.named(err)
	}
	return s, nil
}

func (s *Store) open(o options) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	// Another host may make or remove the file between a look and the next
	// step, so look again; it does not happen twice without an operator's hand.
	for range 3 {
		info, err := os.Stat(s.path)
		switch {
		case err == nil && info.Size() == 0:
			return broken("file is empty") // bbolt would make a new store of it
		case err == nil:
			return s.openExisting(o)
		case errors.Is(err, fs.ErrNotExist):
			err = create(s.path, o)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return host.ErrInUse
}

// create makes an empty store beside its place and links it there when it is
// complete, so that a kill never leaves half a store, and whatever is not sound
// at path is damage.
func create(path string, o options) (err error) {
	dir, base := filepath.Split(path)
	tmp, err := os.CreateTemp(dir, base+".*.new")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.Remove(tmp.Name()); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	if err := tmp.Close(); err != nil {
		return err
	}
	var file *os.File
	db, err := openBolt(tmp.Name(), o, &file, false)
	if err != nil {
		return err
	}
	err = commit(db, func(tx *bbolt.Tx) error { return migrate(tx, o.steps, true) })
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := place(tmp.Name(), path); err != nil {
		return err
	}
	// What a killed start left behind. A start that is under way loses its file
	// too, notices, and finds ours.
	left, _ := filepath.Glob(path + ".*.new")
	for _, name := range left {
		_ = os.Remove(name)
	}
	return syncDir(filepath.Dir(path), filepath.Dir(filepath.Dir(path)))
}

// place gives the file its name, unless the name is taken. A rename would
// replace what another host just made; it is for file systems without links.
func place(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(from, to)
}

// openExisting opens s.db for writing and migrates it.
func (s *Store) openExisting(o options) (err error) {
	if err := inspect(s.path, o); err != nil {
		return err
	}
	s.db, err = openBolt(s.path, o, &s.file, false)
	if err != nil {
		return err
	}
	current := false
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			have, err := readFormat(tx)
			current = have == o.steps[len(o.steps)-1].version
			return err
		})
	})
	if err == nil && !current {
		err = guard(func() error {
			return commit(s.db, func(tx *bbolt.Tx) error { return migrate(tx, o.steps, false) })
		})
	}
	if err != nil {
		return errors.Join(err, guard(s.db.Close))
	}
	return nil
}

// inspect walks the file while it holds the lock that readers share. Opened
// only for reading, bbolt follows no page reference.
func inspect(path string, o options) (err error) {
	var file *os.File
	db, err := openBolt(path, o, &file, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, guard(db.Close)) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return verify(file, info.Size())
}

// openBolt opens the file with bbolt and tells errors apart.
func openBolt(path string, o options, file **os.File, readOnly bool) (db *bbolt.DB, err error) {
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:      o.lockTimeout,
			ReadOnly:     readOnly,
			NoStatistics: true,
			// The free list is written with each commit. Without it bbolt finds
			// the free pages by walking the tree in a goroutine of its own, where
			// a damaged page ends the process.
			NoFreelistSync: false,
			OpenFile: func(name string, flag int, mode fs.FileMode) (*os.File, error) {
				// Never O_CREATE: a file that vanished is not a new store.
				f, err := o.openFile(name, flag&^os.O_CREATE, mode)
				*file = f
				return f, err
			},
		})
		return err
	})
	var p *panicked
	var errno syscall.Errno
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("another host uses this home: stop it or choose another home: %w", host.ErrInUse)
	case errors.As(err, &p):
		// bbolt was in the middle of opening: nobody else closes the file.
		return nil, errors.Join(err, (*file).Close())
	case *file != nil && !errors.As(err, &errno):
		// Not the system's error, so it is about what the file holds.
		return nil, fmt.Errorf("%w: %w", host.ErrDamaged, err)
	}
	return nil, err
}

// syncDir makes the names in the folders durable.
func syncDir(dirs ...string) error {
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}
