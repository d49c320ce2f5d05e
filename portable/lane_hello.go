package portable

import (
	"fmt"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// shake takes hello and answers welcome.
func (l *lane) shake() error {
	h, payload, err := l.frames.next()
	if err != nil {
		return err
	}
	said, err := frame.Decode(payload)
	m, ok := said.(map[string]any)
	if err != nil || !ok || h.op != opHello || m["lane"] != int64(1) {
		return fmt.Errorf("%w: found op %d with %.200s first, expected hello of lane 1", errProtocol, h.op, host.Describe(said))
	}
	l.symbols, l.collects = map[host.Symbol]uint16{}, map[string]bool{}
	for key, k := range map[string]host.Kind{"functions": host.KindFunction, "sources": host.KindSource, "sinks": host.KindSink} {
		names, _ := m[key].([]any)
		for i, n := range names {
			if name, ok := n.(string); ok && i < 1<<16 {
				l.symbols[host.Symbol{Kind: k, Name: name}] = uint16(i)
			}
		}
	}
	list, _ := m["aggregate"].([]any)
	for _, n := range list {
		if name, ok := n.(string); ok {
			l.collects[name] = true
		}
	}
	if name, _ := m["name"].(string); name != l.p.m.id.Name {
		return fmt.Errorf("%w: the plugin calls itself %.64q, and is installed as %s", errProtocol, name, l.p.m.id.Name)
	}
	for _, s := range l.p.m.manifest.List() {
		if _, ok := l.symbols[s]; !ok {
			return fmt.Errorf("%s is in the manifest, but the plugin does not have it", s)
		}
	}
	l.numbers = nil
	for _, name := range l.p.m.manifest.Functions {
		l.numbers = append(l.numbers, l.number(host.KindFunction, name))
	}
	if m["ring"] != true && l.ring != nil {
		l.ring.free()
		l.ring = nil
	}
	welcome, err := frame.Append(nil, map[string]any{"lane": int64(1), "host": "vanth", "ring": l.ring != nil})
	if err != nil {
		return err
	}
	b := end(append(begin(nil, head{op: opWelcome}), welcome...), 0)
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.p.m.rt.opts.SendTimeout)); err != nil {
		return err
	}
	if _, err := l.conn.Write(b); err != nil {
		return err
	}
	if l.ring != nil {
		l.reader.Go(func() { // the socket stays to tell the end
			_, _ = l.conn.Read(make([]byte, 1))
			l.exhaust()
			l.fail(errGone)
		})
	}
	return nil
}
