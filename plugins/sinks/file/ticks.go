package main

import "time"

// ticks is a goroutine that calls a function at each interval.
type ticks struct {
	quit, done chan struct{}
}

// startTicks begins to call f. The caller stops it.
func startTicks(every time.Duration, f func()) *ticks {
	t := &ticks{quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-t.quit:
				return
			case <-ticker.C:
				f()
			}
		}
	}()
	return t
}

// stop waits for a call that runs; after it there is none. It is called once, or on nil.
func (t *ticks) stop() {
	if t != nil {
		close(t.quit)
		<-t.done
	}
}
