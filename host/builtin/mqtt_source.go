package builtin

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/vanth-io/vanth/host"
)

// mqttSource reads a topic of a broker. Messages of QoS 1 and 2 are acknowledged
// when they are taken. A source that is behind reads nothing from the connection,
// and goes on to ping. A connection that was lost is an error of Next, and is made
// anew for ever.
type mqttSource struct {
	*life
	link  link
	topic string

	inbox    chan arrival
	budget   *budget
	problems chan error
	current  atomic.Pointer[session]
	done     chan struct{} // closed when run has returned

	mu       sync.Mutex      // guards released
	released map[uint16]bool // QoS 2: taken, while the broker may send it again
}

// arrival is a message that waits to be taken.
type arrival struct {
	m *packets.PublishPacket
	c *session
}

func newMQTTSource(l *life, p *reader) host.Source {
	s := &mqttSource{
		life: l, link: readLink(l, p), topic: p.constant("datasource"),
		budget: newBudget(2 * maxBytes), problems: make(chan error, 16), done: make(chan struct{}), released: map[uint16]bool{},
	}
	if expected := checkFilter(s.topic, true); expected != "" {
		p.wrong("datasource", s.topic, expected)
	}
	s.inbox = make(chan arrival, p.integer("bufferLength", 1024, 1, 1<<20))
	return s
}

// Open implements host.Source: it returns when the broker has accepted the
// subscription.
func (s *mqttSource) Open(ctx context.Context) error {
	return s.open(func() error {
		ctx, cancel := s.bind(ctx, 2*s.link.patience)
		defer cancel()
		c, err := s.link.dial(ctx, s.over)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		ready := make(chan error, 1)
		go s.run(c, ready)
		select {
		case err = <-ready:
		case <-ctx.Done():
			err = unavailable("broker %s: no answer to SUBSCRIBE: %w", s.link.server, ctx.Err())
		}
		if err != nil {
			// The subscription was refused: nothing goes on.
			s.end()
			c.fail(err)
			<-s.done
			return fmt.Errorf("%s: %w", s.name, err)
		}
		return nil
	})
}

// run owns the connection. It ends with the source, or when the first
// subscription is refused.
func (s *mqttSource) run(c *session, ready chan<- error) {
	defer close(s.done)
	var b backoff
	for c != nil {
		began := time.Now()
		s.current.Store(c)
		if !c.present {
			s.mu.Lock()
			clear(s.released)
			s.mu.Unlock()
		}
		err := s.listen(c, ready)
		if s.over.Err() != nil {
			return
		}
		s.report(err)
		if time.Since(began) > 10*time.Second {
			b = backoff{}
		}
		c = s.link.redial(s.over, &b, s.report)
	}
}

// report tells Next what is wrong.
func (s *mqttSource) report(err error) {
	select {
	case s.problems <- fmt.Errorf("%s: %w; it is tried again", s.name, err):
	default:
		s.owner.opts.Log.Warn("mqtt source", "rule", s.rule(), "err", err)
	}
}

// listen subscribes and reads until the session ends.
func (s *mqttSource) listen(c *session, ready chan<- error) error {
	var wg sync.WaitGroup
	wg.Go(func() { c.keep(s.over) })
	defer wg.Wait()
	ask := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	// Some brokers take an id that they use themselves for one of ours: the last is
	// the least likely.
	ask.MessageID, ask.Topics, ask.Qoss = math.MaxUint16, []string{s.topic}, []byte{s.link.qos}
	c.post(s.over, ask)
	for {
		p, large, err := c.read()
		if err != nil {
			c.fail(err)
			return c.why()
		}
		switch t := p.(type) {
		case *packets.PublishPacket:
			if large {
				s.report(host.Errorf(host.ErrInvalid, "topic %s: a message larger than %d bytes was left out", t.TopicName, maxBytes))
				s.acknowledge(s.over, c, t)
			} else {
				s.put(c, t)
			}
		case *packets.PubrelPacket:
			s.mu.Lock()
			delete(s.released, t.MessageID)
			s.mu.Unlock()
			c.post(s.over, reply(packets.Pubcomp, t.MessageID))
		case *packets.SubackPacket:
			if len(t.ReturnCodes) != 1 || t.ReturnCodes[0] > 2 {
				err = host.Errorf(host.ErrInvalid, "broker %s: subscription to %s refused", s.link.server, s.topic)
				c.fail(err)
			}
			select {
			case ready <- err:
			default: // of a later session
			}
			if err != nil {
				return err
			}
		}
	}
}

// put waits for a place in the inbox. What has none when the session ends is sent
// again by the broker, if its QoS is not 0.
func (s *mqttSource) put(c *session, m *packets.PublishPacket) {
	s.mu.Lock()
	twice := m.Qos == 2 && m.Dup && s.released[m.MessageID]
	s.mu.Unlock()
	if twice {
		c.post(s.over, reply(packets.Pubrec, m.MessageID))
		return
	}
	if !s.budget.take(c.life, size(m)) {
		return
	}
	select {
	case s.inbox <- arrival{m, c}:
	case <-c.life.Done():
		s.budget.give(size(m))
		if s.over.Err() == nil && m.Qos == 0 {
			s.report(host.Errorf(host.ErrBusy, "topic %s: a message of QoS 0 was lost with the connection, before there was room for it", m.TopicName))
		}
	}
}

// size is what a message counts; also one without a payload takes room.
func size(m *packets.PublishPacket) int64 { return int64(len(m.Payload)+len(m.TopicName)) + 64 }

func (s *mqttSource) acknowledge(ctx context.Context, c *session, m *packets.PublishPacket) {
	switch m.Qos {
	case 1:
		c.post(ctx, reply(packets.Puback, m.MessageID))
	case 2:
		s.mu.Lock()
		s.released[m.MessageID] = true
		s.mu.Unlock()
		c.post(ctx, reply(packets.Pubrec, m.MessageID))
	}
}

// Next implements host.Source.
func (s *mqttSource) Next(ctx context.Context) (host.Message, error) {
	if err := s.enter(); err != nil {
		return host.Message{}, err
	}
	defer s.leave()
	for {
		select {
		case a := <-s.inbox:
			s.budget.give(size(a.m))
			if now := s.current.Load(); a.c != now && now.present && a.m.Qos > 0 {
				continue // the broker sends it again
			}
			s.acknowledge(ctx, a.c, a.m)
			return host.Message{
				Value: a.m.Payload, Time: time.Now(),
				Meta: map[string]any{"topic": a.m.TopicName, "qos": int64(a.m.Qos), "messageid": int64(a.m.MessageID)},
			}, nil
		case err := <-s.problems:
			return host.Message{}, err
		case <-ctx.Done():
		case <-s.over.Done():
		}
		return host.Message{}, s.interrupted(ctx)
	}
}

// Close implements host.Source.
func (s *mqttSource) Close(ctx context.Context) error {
	return s.close(ctx, func(ctx context.Context) error {
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-s.done:
			return nil
		case <-t.C:
		case <-ctx.Done():
		}
		s.current.Load().fail(s.gone()) // the broker takes no leave
		<-s.done
		return nil
	})
}
