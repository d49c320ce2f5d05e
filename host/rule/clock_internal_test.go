package rule

import (
	"testing"
	"time"
)

// The clock is right when it is asked all the time, and after a long silence.
func TestClock(t *testing.T) {
	var c clock
	for range 3 {
		for end := time.Now().Add(5 * tick); time.Now().Before(end); time.Sleep(time.Millisecond) {
			before := time.Now()
			if now := c.millis(); before.UnixMilli()-now > 500 || now > time.Now().UnixMilli() {
				t.Fatalf("%d at %d", now, before.UnixMilli())
			}
		}
		for end := time.Now().Add(10 * time.Second); c.now.Load() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it still ticks")
			}
		}
	}
}
