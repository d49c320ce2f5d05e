package portable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable/internal/sp"
)

// wireNode is a source or a sink on eKuiper's wire: sockets of its own, and a
// start command that tells the plugin to use them.
type wireNode struct {
	w    *wire
	n    *node
	gone chan struct{} // closed when it is stopped, or its process is

	rows *sp.Puller // a source's messages
	data *sp.Pusher // to a sink
	acks *sp.Puller // of a sink; always drained
	must bool       // the sink's acknowledgements are waited for
	over atomic.Bool
}

// target makes the inner object of the commands about a node.
func (n *node) target() *target {
	t := &target{SymbolName: n.symbol.Name, PluginType: n.symbol.Kind.String(), Config: n.props}
	t.Meta.RuleID, t.Meta.OpID, t.Meta.InstanceID = n.call.Rule, n.call.Op, n.call.Instance
	if n.symbol.Kind == host.KindSource {
		if ds, ok := n.props["datasource"].(string); ok {
			t.DataSource, t.Datasource = ds, ds
		}
	}
	return t
}

// attach implements link.
func (w *wire) attach(ctx context.Context, n *node) (_ attachment, err error) {
	a := &wireNode{w: w, n: n, gone: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.shut())
		}
	}()
	hub := w.p.m.engine.hub
	if n.symbol.Kind == host.KindSource {
		if a.rows, err = hub.Puller(w.claim(n.path()), a.row); err != nil {
			return nil, err
		}
		if err = w.tell(ctx, "start", n.target(), w.p.m.rt.opts.InitTimeout); err != nil {
			return nil, err
		}
		return &wireSource{a}, nil
	}
	a.must = truth(n.props["requireAck"])
	if a.acks, err = hub.Puller(w.claim(n.path()+"_ack"), a.ack); err != nil {
		return nil, err
	}
	if err = w.tell(ctx, "start", n.target(), w.p.m.rt.opts.InitTimeout); err != nil {
		return nil, err
	}
	claim := w.claim(n.path())
	a.data, err = sp.DialPusher(ctx, claim.Path, sp.Options{Owns: claim.Owns, WriteTimeout: w.p.m.rt.opts.SendTimeout, Log: w.p.m.rt.opts.Log})
	if err != nil {
		stop := w.tell(ctx, "stop", n.target(), w.p.m.rt.opts.RecvTimeout)
		return nil, errors.Join(fmt.Errorf("can't dial on push socket: %w", err), stop)
	}
	return &wireSink{a}, nil
}

// truth reads a property that is a bool, or the word for one.
func truth(v any) bool {
	b, ok := v.(bool)
	s, _ := v.(string)
	return ok && b || s == "true"
}

// detach implements attachment: the sockets close, then the plugin is told.
func (a *wireNode) detach(ctx context.Context) error {
	err := a.shut()
	return errors.Join(err, a.w.tell(ctx, "stop", a.n.target(), a.w.p.m.rt.opts.RecvTimeout))
}

// lastWords is how long what a process sent before it ended is waited for.
const lastWords = 200 * time.Millisecond

// drop implements attachment. What the process sent before it ended is taken
// first, as far as there is room.
func (a *wireNode) drop() {
	for begun := time.Now(); a.w.p.ended() != "" && time.Since(begun) < lastWords; time.Sleep(time.Millisecond) {
		if (a.rows == nil || a.rows.Conns() == 0) && (a.acks == nil || a.acks.Conns() == 0) {
			break
		}
	}
	_ = a.shut()
}

// shut closes the sockets, once.
func (a *wireNode) shut() error {
	if !a.over.CompareAndSwap(false, true) {
		return nil
	}
	close(a.gone)
	var errs []error
	if a.rows != nil {
		errs = append(errs, a.rows.Close())
	}
	if a.acks != nil {
		errs = append(errs, a.acks.Close())
	}
	if a.data != nil {
		errs = append(errs, a.data.Close())
	}
	return errors.Join(errs...)
}

// wireSource is a source on eKuiper's wire. It knows no credit: what the host
// does not read waits in the socket, and then the plugin does.
type wireSource struct{ *wireNode }

func (wireSource) credit(int) {}

// row takes one message of a source.
func (a *wireNode) row(_ sp.Peer, payload []byte) {
	a.w.p.useful.Store(true)
	message, err := decodeRow(payload)
	a.n.deliver(arrival{message: message, err: err}, a.gone)
}

// decodeRow reads what a source sent: {"message":{},"meta":{}}, or an error in
// either form, {"error":""} of Python's SDK and the same once more as a JSON
// string of Go's.
func decodeRow(payload []byte) (host.Message, error) {
	var inner string
	if len(payload) > 0 && payload[0] == '"' && json.Unmarshal(payload, &inner) == nil {
		payload = []byte(inner)
	}
	var row struct {
		Message map[string]any
		Meta    map[string]any
		Error   *string
	}
	err := json.Unmarshal(payload, &row)
	switch {
	case err == nil && row.Message == nil && row.Error != nil:
		return host.Message{}, &sourceError{*row.Error}
	case err == nil && row.Message == nil:
		err = errors.New("found no object called message")
	}
	if err != nil {
		return host.Message{}, &sourceError{fmt.Sprintf("Invalid data format, cannot decode %.1024s to json format with error %v", payload, err)}
	}
	if row.Meta == nil {
		row.Meta = map[string]any{}
	}
	return host.Message{Value: row.Message, Meta: row.Meta, Time: time.Now()}, nil
}

// sourceError is what a source says in place of a message.
type sourceError struct{ text string }

func (e *sourceError) Error() string { return e.text }

// wireSink is a sink on eKuiper's wire.
type wireSink struct{ *wireNode }

func (s wireSink) acknowledges() bool { return s.must }

func (s wireSink) write(ctx context.Context, p *parcel) error {
	payload, err := sinkPayload(p.message.Value)
	if err != nil {
		return err
	}
	if err := s.data.Send(ctx, payload); err != nil {
		if errors.Is(err, sp.ErrNotSent) {
			err = fmt.Errorf("%w: %w", errNotSent, err)
		}
		return err
	}
	if !s.must { // else its acknowledgement tells
		s.w.p.useful.Store(true)
	}
	return nil
}

// sinkPayload is what eKuiper's sinks get: bytes as they are, rows as JSON.
func sinkPayload(v any) ([]byte, error) {
	if b, ok := v.([]byte); ok {
		return b, nil
	}
	return appendJSON(nil, v, 0)
}

// ack takes an acknowledgement. They come in the order of the messages, and some
// SDKs send them although nobody waits.
func (a *wireNode) ack(_ sp.Peer, payload []byte) {
	if !a.must {
		return
	}
	a.w.p.useful.Store(true)
	var said struct {
		Error string `json:"error"`
	}
	var err error
	if json.Unmarshal(payload, &said) != nil {
		err = a.n.m.returned(a.n.symbol.Name, fmt.Sprintf("found acknowledgement %.256q, expected {} or {\"error\":\"\"}", payload))
	} else if said.Error != "" {
		g := a.n.m.returned(a.n.symbol.Name, said.Error)
		g.Class = "io"
		err = g
	}
	a.n.acked(0, err)
}
