package child

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// The bounds of the copy on disk.
const (
	filePending = 1 << 20 // bytes that wait for the disk
	fileRate    = 8 << 20 // bytes a second; a flood is not to wear the disk out
)

// logFile is a log's copy on disk. It is written by a goroutine of its own, and
// what the disk does not take in time is lost to it.
type logFile struct {
	path string
	max  int64
	old  int // files besides the current one
	log  *slog.Logger
	done chan struct{}
	more chan struct{} // has one element if there is something to do
	end  chan struct{} // closed by close
	once sync.Once

	mu      sync.Mutex // guards what follows
	pending []byte
	lost    uint64 // lines that pending had no room for
	begun   bool   // pending, or the file, ends within a line
	losing  bool   // the line that goes on is lost
}

func openLogFile(path string, o LogOptions) (*logFile, error) {
	f := &logFile{
		path: path, max: o.FileMax, old: o.Files - 1, log: o.Log,
		done: make(chan struct{}), more: make(chan struct{}, 1), end: make(chan struct{}),
	}
	file, size, err := f.open()
	if err != nil {
		return nil, err
	}
	go f.run(file, size) // close waits for it
	return f, nil
}

func (f *logFile) open() (*os.File, int64, error) {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// add takes a piece of a line, for later.
func (f *logFile) add(p []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ends := p[len(p)-1] == '\n'
	if f.losing || f.lost > 0 || len(f.pending)+len(p) > filePending {
		if f.begun {
			f.pending = append(f.pending, '\n')
			f.begun = false
		}
		if f.losing = !ends; ends {
			f.lost++
		}
	} else {
		f.pending = append(f.pending, p...)
		f.begun = !ends
	}
	select {
	case f.more <- struct{}{}:
	default:
	}
}

// take returns what is to be written.
func (f *logFile) take() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.pending
	if f.lost > 0 {
		b = append(b, lostLines(f.lost)+"\n"...)
	}
	f.pending, f.lost = nil, 0
	return b
}

// run writes until close is called and all is written.
func (f *logFile) run(file *os.File, size int64) {
	defer close(f.done)
	warned := false
	for ending := false; !ending; {
		select {
		case <-f.more:
		case <-f.end:
			ending = true
		}
		b := f.take()
		if len(b) == 0 {
			continue
		}
		var err error
		if file, size, err = f.write(file, size, b); err != nil && !warned {
			warned = true
			f.log.Warn("a plugin's output is not kept on disk", "file", f.path, "err", err)
		}
		if !ending && len(b) > fileRate/100 {
			f.rest(time.Duration(len(b)) * time.Second / fileRate)
		}
	}
	if file != nil {
		file.Close()
	}
}

func (f *logFile) rest(d time.Duration) {
	select {
	case <-time.After(d):
	case <-f.end:
	}
}

// write appends whole lines, and starts a new file where one is full. After an
// error the file is nil and opened again when there is something else to write.
func (f *logFile) write(file *os.File, size int64, b []byte) (*os.File, int64, error) {
	for len(b) > 0 {
		var err error
		if size >= f.max && file != nil {
			file.Close()
			f.rotate()
			file = nil
		}
		if file == nil {
			if file, size, err = f.open(); err != nil {
				return nil, 0, err
			}
			if size >= f.max { // it could not be renamed
				if err := file.Truncate(0); err != nil {
					file.Close()
					return nil, 0, err
				}
				size = 0
			}
		}
		part := b
		if room := f.max - size; int64(len(b)) > room {
			if part = b[:bytes.LastIndexByte(b[:room], '\n')+1]; len(part) == 0 {
				if size > 0 {
					size = f.max // the line goes to the next one
					continue
				}
				part = b[:bytes.IndexByte(b, '\n')+1] // or it is longer than a file
				if len(part) == 0 {
					part = b
				}
			}
		}
		n, err := file.Write(part)
		if size += int64(n); err != nil {
			file.Close()
			return nil, 0, err
		}
		b = b[len(part):]
	}
	return file, size, nil
}

// rotate renames the files; what cannot be renamed is overwritten by the next.
func (f *logFile) rotate() {
	name := func(i int) string {
		if i == 0 {
			return f.path
		}
		return fmt.Sprintf("%s.%d", f.path, i)
	}
	if f.old == 0 {
		_ = os.Remove(f.path)
	}
	for i := f.old; i > 0; i-- {
		_ = os.Rename(name(i-1), name(i))
	}
}

func (f *logFile) close() {
	f.once.Do(func() { close(f.end) })
	<-f.done
}
