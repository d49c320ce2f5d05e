package builtin

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/vanth-io/vanth/host"
)

// machine yields how the machine itself is, one row an interval. Rates are those
// since the row before.
type machine struct {
	*life
	proc     string // /proc
	interval time.Duration
	last     reading
	due      time.Time
}

// reading is what the kernel has counted at one moment.
type reading struct {
	at       time.Time
	cpu      []cpuTimes // all first, then each core
	disks    map[string][2]uint64
	networks map[string][4]uint64
	row      map[string]any // what needs no reading before
}

// cpuTimes are in the kernel's ticks.
type cpuTimes struct{ busy, total uint64 }

func newMachine(l *life, p *reader) host.Source {
	s := &machine{life: l, proc: "/proc", interval: p.limit("interval", time.Second)}
	if runtime.GOOS != "linux" {
		p.fail(host.ErrUnsupported, "type", "this source reads /proc of Linux; found %s", runtime.GOOS)
	}
	return s
}

// Open implements host.Source. The first row comes after the first interval.
func (s *machine) Open(context.Context) error {
	return s.open(func() (err error) {
		s.due = time.Now().Add(s.interval)
		if s.last, err = s.read(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		return nil
	})
}

// Next implements host.Source.
func (s *machine) Next(ctx context.Context) (host.Message, error) {
	if err := s.enter(); err != nil {
		return host.Message{}, err
	}
	defer s.leave()
	if err := s.wait(ctx, time.Until(s.due)); err != nil {
		return host.Message{}, err
	}
	if s.due = s.due.Add(s.interval); s.due.Before(time.Now()) {
		s.due = time.Now().Add(s.interval)
	}
	now, err := s.read()
	if err != nil {
		return host.Message{}, fmt.Errorf("%s: %w", s.name, err)
	}
	row := now.since(s.last)
	s.last = now
	return host.Message{Value: row, Time: now.at}, nil
}

// Close implements host.Source.
func (s *machine) Close(ctx context.Context) error { return s.close(ctx, nil) }

// since is the row of a reading, with rates since the one before.
func (r reading) since(before reading) map[string]any {
	seconds := r.at.Sub(before.at).Seconds()
	rate := func(now, then uint64) float64 {
		if now < then || seconds <= 0 {
			return 0 // the counter began anew
		}
		return float64(now-then) / seconds
	}
	cores := []any{}
	all := 0.0
	for i, c := range r.cpu {
		var then cpuTimes
		if i < len(before.cpu) {
			then = before.cpu[i]
		}
		percent := 0.0
		if c.total > then.total && c.busy >= then.busy {
			percent = 100 * float64(c.busy-then.busy) / float64(c.total-then.total)
		}
		if i == 0 {
			all = percent
		} else {
			cores = append(cores, percent)
		}
	}
	row := r.row
	row["cpu"] = map[string]any{"percent": all, "cores": cores}
	disks := map[string]any{}
	for name, now := range r.disks {
		then := before.disks[name]
		disks[name] = map[string]any{
			"readBytes": whole(now[0]), "writtenBytes": whole(now[1]),
			"readPerSecond": rate(now[0], then[0]), "writtenPerSecond": rate(now[1], then[1]),
		}
	}
	row["disks"] = disks
	networks := map[string]any{}
	for name, now := range r.networks {
		then := before.networks[name]
		networks[name] = map[string]any{
			"receivedBytes": whole(now[0]), "sentBytes": whole(now[1]), "errors": whole(now[2]), "dropped": whole(now[3]),
			"receivedPerSecond": rate(now[0], then[0]), "sentPerSecond": rate(now[1], then[1]),
		}
	}
	row["networks"] = networks
	return row
}

// whole is a count as rows have it.
func whole(n uint64) any {
	if n > 1<<63-1 {
		return n
	}
	return int64(n)
}
