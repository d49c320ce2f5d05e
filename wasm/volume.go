package wasm

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
)

// How much a guest may say, a call and a second. What one call hands to the host,
// as its result or through imports, has one bound, and the call that passes it
// fails: that is the same for the same call, whatever is logged and however
// fast. What a plugin logs and keeps as state a second has bounds of its own, and
// what passes them is dropped: calls go on.

// errVolume is more than one call may hand to the host.
var errVolume = errors.New("too much for one call")

// renew makes ready for a call: what the one before printed and used is forgotten.
func (in *instance) renew() {
	in.out.n, in.handed = 0, 0
	in.begin(in.module.grant.fuel)
}

// fits reports whether the call may hand n more bytes to the host, and not when n
// alone are too many.
func (in *instance) fits(n int) (now, ever bool) {
	most := int64(in.module.grant.output)
	return in.handed+int64(n) <= most, int64(n) <= most
}

// hand counts n bytes that the call hands to the host.
func (in *instance) hand(what string, n int) error {
	in.handed += int64(n)
	if most := int64(in.module.grant.output); in.handed > most {
		return fmt.Errorf("%s: %w: found %d bytes for the host, expected at most %d: see limits.outputKiB of the manifest and wasm.outputKiB",
			what, errVolume, in.handed, most)
	}
	return nil
}

// mustHand is hand for imports, which end the call.
func (in *instance) mustHand(what string, n int) {
	if err := in.hand(what, n); err != nil {
		panic(err)
	}
}

// resultBytes returns the frame of a result, which counts as handed to the host. The
// fault belongs to the error.
func (in *instance) resultBytes(ptr, n uint32) ([]byte, host.Fault, error) {
	b, err := view(in.memory, ptr, n)
	if err != nil {
		return nil, host.FaultMemory, err
	}
	if err := in.hand("result", len(b)); err != nil {
		return nil, host.FaultResult, err
	}
	return b, "", nil
}

// printer is where a guest prints to.
type printer struct{ in *instance }

// Write implements io.Writer.
func (p printer) Write(b []byte) (int, error) {
	p.in.charge(int64(len(b))>>4 + 20)
	p.in.mustHand("print", len(b))
	return p.in.out.Write(b)
}

// bucket is a budget that refills with time: so much at once, and so much a second
// after that. A rate of 0 has no end.
type bucket struct {
	rate, most float64
	spent      float64
}

// fits reports whether n can be taken. What is larger than the bucket is taken
// from a full one, and paid for later.
func (b *bucket) fits(n float64) bool { return b.rate == 0 || b.spent == 0 || b.spent+n <= b.most }

func (b *bucket) take(n float64) { b.spent += n }

func (b *bucket) refill(d time.Duration) { b.spent = max(0, b.spent-b.rate*max(0, d.Seconds())) }

// throttle bounds what a plugin says a second: how often, and how many bytes.
type throttle struct {
	mu    sync.Mutex // guards what follows
	times bucket
	bytes bucket
	last  time.Time // of a refill
	told  time.Time // of what was dropped
	lost  dropped
}

// dropped is what a throttle did not let pass.
type dropped struct {
	times int
	bytes int64
}

// What a plugin may log: so many lines at once, and so many a second after that.
const (
	logBurst = 200
	logRate  = 50
)

// burst is how many seconds' worth of bytes may be said at once.
const burst = 4

// newThrottle makes one of so many KiB a second; times may be zero, for any
// number.
func newThrottle(times bucket, kib int) *throttle {
	rate := float64(kib) * 1024
	return &throttle{times: times, bytes: bucket{rate: rate, most: burst * rate}}
}

// pass reports whether n bytes may pass, and once a second what was dropped before
// that. While there is enough left it does not look at the clock.
func (t *throttle) pass(n int, clock func() time.Time) (ok bool, lost dropped) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := float64(n)
	if ok = t.fits(size); !ok || t.lost.times > 0 || t.last.IsZero() {
		now := clock()
		if !t.last.IsZero() {
			t.times.refill(now.Sub(t.last))
			t.bytes.refill(now.Sub(t.last))
		}
		t.last = now
		if ok = t.fits(size); !ok {
			t.lost.times++
			t.lost.bytes += int64(n)
		}
		if t.lost.times > 0 && now.Sub(t.told) >= time.Second {
			lost, t.lost, t.told = t.lost, dropped{}, now
		}
	}
	if ok {
		t.times.take(1)
		t.bytes.take(size)
	}
	return ok, lost
}

func (t *throttle) fits(size float64) bool { return t.times.fits(1) && t.bytes.fits(size) }
