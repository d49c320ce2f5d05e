package wasm

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// cache keeps compiled code on disk: a folder for each module, named by its key
// (see terms), with what the gate and the meter made of it and a file of
// checksums. What is in it is executed, and wazero checks only part of it, so a
// folder that is not exactly what was written is thrown away unseen. Folders that
// no plugin uses any more are removed.
type cache struct {
	dir     string
	started time.Time

	mu     sync.Mutex // guards places
	places map[string]*place
}

// place is the folder of one module.
type place struct {
	cache *cache
	key   string
	using chan struct{} // to fill it

	// Guarded by cache.mu.
	users int
	idle  time.Time // since when there are no users
}

// newCache makes the folder, for its owner only.
func newCache(dir string) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	return &cache{dir: dir, started: time.Now(), places: map[string]*place{}}, nil
}

// take counts a user of the place of a module; giveBack must follow.
func (c *cache) take(key string) *place {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.places[key]
	if p == nil {
		p = &place{cache: c, key: key, using: make(chan struct{}, 1)}
		c.places[key] = p
	}
	p.users++
	c.evict()
	return p
}

// spare is how many folders without users are kept until the next prune: a
// series of updates must not fill the disk.
const spare = 4

// evict requires c.mu. Only a load calls it, so that a host that stops, and
// gives all places back, keeps them for its next start.
func (c *cache) evict() {
	var idle []*place
	for _, p := range c.places {
		if p.users == 0 {
			idle = append(idle, p)
		}
	}
	slices.SortFunc(idle, func(a, b *place) int { return a.idle.Compare(b.idle) })
	for _, p := range idle[:max(0, len(idle)-spare)] {
		delete(c.places, p.key)
		_ = os.RemoveAll(filepath.Join(c.dir, p.key))
	}
}

func (c *cache) giveBack(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.places[key]; p != nil {
		p.users--
		p.idle = time.Now()
	}
}

// use has the folder read, where there is something in it, and filled where there is
// not, or read says that it is of no use: read by any number at once, filled by one.
// What is damaged is not shown to read, and what fill left with an error is removed.
func (p *place) use(ctx context.Context, read, fill func(dir string) error) error {
	dir := filepath.Join(p.cache.dir, p.key)
	if sound(dir) && read(dir) == nil {
		return nil
	}
	select {
	case p.using <- struct{}{}:
		defer func() { <-p.using }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if sound(dir) && read(dir) == nil { // another filled it meanwhile
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err := fill(dir)
	if err == nil {
		var sums string
		if sums, err = checksums(dir); err == nil {
			err = writeSums(dir, sums)
		}
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

// sound says that a folder has in it what was written.
func sound(dir string) bool {
	kept, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil || len(kept) == 0 {
		return false
	}
	sums, err := checksums(dir)
	return err == nil && string(kept) == sums
}

// sumsName is the file of checksums in a place.
const sumsName = "checksums"

// checksums lists the files of a folder with their lengths and checksums.
func checksums(dir string) (string, error) {
	text := ""
	buffer := make([]byte, 64<<10)
	table := crc32.MakeTable(crc32.Castagnoli)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return nil
		}
		if err != nil || d.IsDir() || d.Name() == sumsName {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := crc32.New(table)
		n, err := io.CopyBuffer(h, struct{ io.Reader }{f}, buffer) // a file has its own ways, in smaller pieces
		rel, _ := filepath.Rel(dir, path)
		text += fmt.Sprintf("%s %d %08x\n", rel, n, h.Sum32())
		return err
	})
	return text, err
}

func writeSums(dir, text string) error {
	tmp := filepath.Join(dir, sumsName+".tmp")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, sumsName))
}

// strangerAge is how long folders that this process never used are kept: the
// plugins of a host are all loaded by then.
const strangerAge = 10 * time.Minute

// prune removes the folders that nobody has used for a while.
func (c *cache) prune(idle time.Duration) error {
	list, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		c.mu.Lock()
		p := c.places[e.Name()]
		stale := p == nil && time.Since(c.started) > strangerAge ||
			p != nil && p.users == 0 && time.Since(p.idle) > idle
		if stale {
			delete(c.places, e.Name())
			err = errors.Join(err, os.RemoveAll(filepath.Join(c.dir, e.Name())))
		}
		c.mu.Unlock()
	}
	return err
}
