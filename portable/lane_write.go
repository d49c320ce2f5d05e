package portable

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// maxUnwritten bounds what waits for the process to read, in bytes; one frame
// may be longer.
const maxUnwritten = 8 << 20

// send queues a frame whose payload build appends, and writes what is queued
// unless somebody does so.
func (l *lane) send(h head, build func([]byte) ([]byte, error)) error { return l.sendAs(nil, h, build) }

// sendAs is send for a request of the waiter w, which reads no more if it has to wait.
func (l *lane) sendAs(w *waiter, h head, build func([]byte) ([]byte, error)) error {
	l.out.Lock()
	for len(l.queue) > maxUnwritten && l.alive() {
		l.pending.yield(w)
		l.room.Wait()
	}
	if !l.alive() {
		l.out.Unlock()
		return fmt.Errorf("%w: %w", errNotSent, errGone)
	}
	if err := l.append(h, build); err != nil {
		l.out.Unlock()
		return err
	}
	return l.flush(w)
}

// maxUnread is how many bytes of answers a plugin may leave unread that asks for more.
const maxUnread = 4 * maxUnwritten

// enqueue queues an answer that the next frame takes along.
func (l *lane) enqueue(h head, build func([]byte) ([]byte, error)) error {
	l.out.Lock()
	defer l.out.Unlock()
	if n := len(l.queue); n > maxUnread {
		return fmt.Errorf("%w: it asks on, and has not read %d bytes of answers, of at most %d", errProtocol, n, maxUnread)
	}
	return l.append(h, build)
}

// append puts a frame into the queue. It requires l.out.
func (l *lane) append(h head, build func([]byte) ([]byte, error)) error {
	start := len(l.queue)
	b := begin(l.queue, h)
	if build != nil {
		var err error
		if b, err = build(b); err != nil {
			l.queue = b[:start]
			return err
		}
	}
	l.queue = end(b, start)
	return nil
}

func (l *lane) alive() bool {
	select {
	case <-l.down:
		return false
	default:
		return true
	}
}

// push writes what the reader has queued if that does not block. When somebody
// writes already it does the rest too.
func (l *lane) push() bool {
	l.out.Lock()
	done := len(l.queue) == 0 || l.writing
	asleep := false
	if !done {
		done, asleep = l.store()
	}
	l.out.Unlock()
	if asleep {
		l.ring.rouse()
	}
	return done
}

// kick writes what the reader has queued. The reader must not wait for a process
// that waits for it.
func (l *lane) kick() {
	if l.push() {
		return
	}
	l.reader.Go(func() {
		l.out.Lock()
		_ = l.flush(nil)
	})
}

// store puts what is queued into the ring if there is room for all of it. It
// requires l.out, and that nobody writes.
func (l *lane) store() (all, asleep bool) {
	if l.ring == nil {
		return false, false
	}
	if all, asleep = l.ring.offer(l.queue); all {
		if l.queue = l.queue[:0]; cap(l.queue) > keepBytes {
			l.queue = nil
		}
	}
	return all, asleep
}

// flush writes until the queue is empty, unless somebody does. It requires l.out
// and gives it up. w, if any, reads no more if that may take long.
func (l *lane) flush(w *waiter) error {
	if l.writing {
		l.out.Unlock()
		return nil
	}
	if all, asleep := l.store(); all {
		l.out.Unlock()
		if asleep {
			l.ring.rouse()
		}
		return nil
	}
	l.pending.yield(w)
	l.writing = true
	for len(l.queue) > 0 && l.alive() {
		b := l.queue
		l.queue = l.spare[:0]
		l.room.Broadcast()
		l.out.Unlock()
		err := l.write(b)
		l.out.Lock()
		if cap(b) <= keepBytes {
			l.spare = b[:0]
		} else {
			l.spare = nil
		}
		if err != nil {
			l.writing, l.queue = false, nil
			l.room.Broadcast()
			l.out.Unlock()
			// A process that is gone may have said more before: who reads comes to the end of it.
			if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
				l.fail(fmt.Errorf("%w: %w", errGone, err))
			}
			l.kill()   // half a frame may be out
			return nil // the wait for the answer tells
		}
	}
	l.writing = false
	l.out.Unlock()
	return nil
}

func (l *lane) write(b []byte) error {
	if l.ring != nil {
		return l.ring.write(b, l.p.m.rt.opts.SendTimeout)
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.p.m.rt.opts.SendTimeout)); err != nil {
		return err
	}
	_, err := l.conn.Write(b)
	return err
}
