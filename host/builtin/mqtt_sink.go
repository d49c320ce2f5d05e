package builtin

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/vanth-io/vanth/host"
)

// window bounds the messages that a sink has written and the broker has not
// acknowledged; together they have at most maxBytes.
const window = 256

// mqttSink publishes each message to a topic. Write returns when the message has
// its place in the window; what the broker has not acknowledged when a connection
// is lost is sent again on the next.
type mqttSink struct {
	*life
	link     link
	topic    string
	retained bool
	timeout  time.Duration

	alive context.Context // ends when Close has given up waiting for the broker
	quit  context.CancelFunc
	done  chan struct{} // closed when run has returned
	now   atomic.Pointer[session]
	wake  chan struct{} // there is something to send

	mu      sync.Mutex // guards what follows
	pending []*packets.PublishPacket
	sent    int // of pending, on this session
	bytes   int64
	id      uint16
	lost    error         // why there is no connection
	changed chan struct{} // closed when any of this changes for those who wait
}

func newMQTTSink(l *life, p *reader) host.Sink {
	s := &mqttSink{
		life: l, link: readLink(l, p), topic: p.constant("topic"), retained: p.boolean("retained", false),
		timeout: p.limit("timeout", 5*time.Second), done: make(chan struct{}), wake: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	// What was not acknowledged is kept here, and not by the broker.
	s.link.clean = true
	if expected := checkFilter(s.topic, false); expected != "" {
		p.wrong("topic", s.topic, expected)
	}
	return s
}

// Open implements host.Sink.
func (s *mqttSink) Open(ctx context.Context) error {
	return s.open(func() error {
		ctx, cancel := s.bind(ctx, 2*s.link.patience)
		defer cancel()
		s.alive, s.quit = context.WithCancel(context.Background())
		c, err := s.link.dial(ctx, s.alive)
		if err != nil {
			s.quit()
			return fmt.Errorf("%s: %w", s.name, err)
		}
		go s.run(c)
		return nil
	})
}

// run owns the connection.
func (s *mqttSink) run(c *session) {
	defer close(s.done)
	var b backoff
	for c != nil {
		began := time.Now()
		s.now.Store(c)
		s.update(func() { s.lost, s.sent = nil, 0 })
		var wg sync.WaitGroup
		wg.Go(func() { c.keep(s.alive) })
		wg.Go(func() { s.feed(c) })
		s.listen(c)
		wg.Wait()
		s.report(c.why())
		if time.Since(began) > 10*time.Second {
			b = backoff{}
		}
		c = s.link.redial(s.alive, &b, s.report)
	}
}

// update changes what mu guards, and tells those who wait.
func (s *mqttSink) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *mqttSink) report(err error) {
	if s.alive.Err() != nil {
		return
	}
	s.owner.opts.Log.Warn("mqtt sink", "rule", s.rule(), "err", err)
	s.update(func() { s.lost = err })
}

// feed sends what is pending, in order, until the session ends.
func (s *mqttSink) feed(c *session) {
	for {
		s.mu.Lock()
		var m *packets.PublishPacket
		if s.sent < len(s.pending) {
			m = s.pending[s.sent]
			if m.Qos > 0 {
				s.sent++
			}
		}
		s.mu.Unlock()
		if m == nil {
			select {
			case <-s.wake:
				continue
			case <-c.life.Done():
				return
			}
		}
		if c.send(m, s.link.patience) != nil {
			return
		}
		if m.Qos == 0 {
			s.settle(m.MessageID)
		}
	}
}

// listen takes acknowledgements until the session ends.
func (s *mqttSink) listen(c *session) {
	for {
		p, _, err := c.read()
		if err != nil {
			c.fail(err)
			return
		}
		switch t := p.(type) {
		case *packets.PubackPacket:
			s.settle(t.MessageID)
		case *packets.PubrecPacket:
			c.post(s.alive, reply(packets.Pubrel, t.MessageID))
		case *packets.PubcompPacket:
			s.settle(t.MessageID)
		}
	}
}

// settle lets go of a message that has arrived.
func (s *mqttSink) settle(id uint16) {
	s.update(func() {
		i := slices.IndexFunc(s.pending, func(m *packets.PublishPacket) bool { return m.MessageID == id })
		if i < 0 {
			return // acknowledged twice
		}
		s.bytes -= int64(len(s.pending[i].Payload))
		s.pending = slices.Delete(s.pending, i, i+1)
		if i < s.sent {
			s.sent--
		}
	})
}

// Write implements host.Sink.
func (s *mqttSink) Write(ctx context.Context, m host.Message) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := eachRow(s.name, m.Value, func(any) error { return nil }); err != nil {
		return err
	}
	body, err := appendJSON(s.name, nil, m.Value)
	if err != nil {
		return err
	}
	if len(body)+len(s.topic)+4 > maxBytes {
		return host.Errorf(host.ErrInvalid, "%s: message: found %d bytes, expected at most %d", s.name, len(body), maxBytes)
	}
	var late <-chan time.Time
	for {
		changed, lost := s.accept(body)
		if changed == nil {
			select {
			case s.wake <- struct{}{}:
			default:
			}
			return nil
		}
		if late == nil {
			t := time.NewTimer(s.timeout)
			defer t.Stop()
			late = t.C
		}
		select {
		case <-changed:
			continue
		case <-late:
			if lost == nil {
				lost = unavailable("broker %s: %d messages wait for its acknowledgement", s.link.server, window)
			}
			return fmt.Errorf("%s: not sent within %v (property timeout): %w", s.name, s.timeout, lost)
		case <-ctx.Done():
		case <-s.over.Done():
		}
		return s.interrupted(ctx)
	}
}

// accept gives a message its place in the window, or says what to wait for.
func (s *mqttSink) accept(body []byte) (<-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(len(body))
	if s.lost != nil || len(s.pending) >= window || len(s.pending) > 0 && s.bytes+n > maxBytes {
		return s.changed, s.lost
	}
	for {
		if s.id++; s.id != 0 && !slices.ContainsFunc(s.pending, func(m *packets.PublishPacket) bool { return m.MessageID == s.id }) {
			break
		}
	}
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.Qos, m.Retain, m.TopicName, m.MessageID, m.Payload = s.link.qos, s.retained, s.topic, s.id, body
	s.pending = append(s.pending, m)
	s.bytes += n
	return nil, nil
}

// settled waits until the broker has everything.
func (s *mqttSink) settled(ctx context.Context, while func(lost error) bool) error {
	for {
		s.mu.Lock()
		left, changed, lost := len(s.pending), s.changed, s.lost
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		if while(lost) {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
			}
		}
		if lost == nil {
			lost = unavailable("broker %s: no answer", s.link.server)
		}
		return fmt.Errorf("%s: %d messages are not acknowledged: %w", s.name, left, lost)
	}
}

// Flush implements host.Flusher.
func (s *mqttSink) Flush(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	bound, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.over, cancel)()
	err := s.settled(bound, func(error) bool { return true })
	if err != nil {
		if stopped := s.interrupted(ctx); stopped != nil {
			err = fmt.Errorf("%w: %w", err, stopped)
		}
	}
	return err
}

// Close implements host.Sink. It waits a second for the broker, if there is a
// connection.
func (s *mqttSink) Close(ctx context.Context) error {
	return s.close(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err := s.settled(ctx, func(lost error) bool { return lost == nil })
		s.quit()
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-s.done:
		case <-t.C:
			s.now.Load().fail(s.gone()) // the broker takes no leave
			<-s.done
		}
		return err
	})
}
