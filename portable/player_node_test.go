package portable_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/pull"
	"go.nanomsg.org/mangos/v3/protocol/push"
)

// playerNode is a source or a sink that runs in a plugin.
type playerNode struct {
	sockets []mangos.Socket
	over    chan struct{}
	once    sync.Once
}

func (n *playerNode) close() {
	n.once.Do(func() {
		close(n.over)
		for _, s := range n.sockets {
			s.Close()
		}
	})
}

func (p *player) startNode(o *order) string {
	if base(o.SymbolName) == "unwilling" || len(notes(p.dir, "refuse")) > 0 {
		return "have no such topic" // begins as handshake does
	}
	if p.python() && o.PluginType == "source" && o.Config["wants"] != nil && o.Datasource != o.Config["wants"] ||
		!p.python() && o.PluginType == "source" && o.Config["wants"] != nil && o.DataSource != o.Config["wants"] {
		return fmt.Sprintf("topic %q %q", o.DataSource, o.Datasource)
	}
	n := &playerNode{over: make(chan struct{})}
	var err error
	if o.PluginType == "source" {
		err = p.openSource(n, o)
	} else {
		err = p.openSink(n, o)
	}
	if err != nil {
		n.close()
		return err.Error()
	}
	p.mu.Lock()
	p.nodes[o.key()] = n
	p.mu.Unlock()
	return "ok"
}

func (p *player) stopNode(o *order) string {
	p.mu.Lock()
	n := p.nodes[o.key()]
	delete(p.nodes, o.key())
	p.mu.Unlock()
	switch {
	case n != nil:
		n.close()
	case !p.python():
		return "symbol " + o.key() + " not found"
	}
	return "ok"
}

// dialPUSH connects a PUSH socket with the SDK's deadline.
func (n *playerNode) dialPUSH(url string) (mangos.Socket, error) {
	s, err := push.NewSocket()
	if err != nil {
		return nil, err
	}
	n.sockets = append(n.sockets, s)
	_ = s.SetOption(mangos.OptionSendDeadline, time.Second)
	return s, s.DialOptions(url, map[string]any{mangos.OptionDialAsynch: false})
}

func (p *player) openSource(n *playerNode, o *order) error {
	s, err := n.dialPUSH(o.url() + ".ipc")
	if err != nil {
		return err
	}
	send := func(b []byte) error {
		for {
			err := s.Send(b)
			if !errors.Is(err, mangos.ErrSendTimeout) {
				return err
			}
		}
	}
	go func() {
		if err := p.emit(n, o.Config, send); err != nil {
			fmt.Println("source:", err)
		}
	}()
	return nil
}

// emit is the code of the source rows: the messages of "raw" as they are, those
// of "errors" as the SDK tells errors, then "count" rows of "pad" bytes, one each
// "every" milliseconds.
func (p *player) emit(n *playerNode, config map[string]any, send func([]byte) error) error {
	raw, _ := config["raw"].([]any)
	for _, r := range raw {
		if err := send([]byte(word(r))); err != nil {
			return err
		}
	}
	list, _ := config["errors"].([]any)
	for _, e := range list {
		b, _ := json.Marshal(map[string]any{"error": e})
		if !p.python() {
			b, _ = json.Marshal(string(b)) // once more
		}
		if err := send(b); err != nil {
			return err
		}
	}
	pad := strings.Repeat("x", int(num(config["pad"])))
	for i := range int(num(config["count"])) {
		b, _ := json.Marshal(map[string]any{"message": map[string]any{"n": i, "p": p.token, "pad": pad}, "meta": map[string]any{"topic": "t"}})
		if err := send(b); err != nil {
			return err
		}
		if i%100 == 0 && config["progress"] != nil {
			note(p.dir, "sent", fmt.Sprint(i))
		}
		if i+1 == int(num(config["dieAfter"])) {
			time.Sleep(20 * time.Millisecond) // the SDK's queue is written
			os.Exit(0)
		}
		if every := num(config["every"]); every > 0 {
			select {
			case <-n.over:
				return nil
			case <-time.After(time.Duration(every * float64(time.Millisecond))):
			}
		}
	}
	return nil
}

// openSink runs the sink file, which appends each payload to a file as a line
// and then acknowledges: "ack" is "never", "ok", "always" (as Go's SDK once did),
// "garbage" or the text of an error.
func (p *player) openSink(n *playerNode, o *order) error {
	data, err := pull.NewSocket()
	if err != nil {
		return err
	}
	n.sockets = append(n.sockets, data)
	path := strings.TrimPrefix(o.url()+".ipc", "ipc://")
	_ = os.Remove(path)
	_ = data.SetOption(mangos.OptionMaxRecvSize, 0)
	if err := data.Listen(o.url() + ".ipc"); err != nil {
		return err
	}
	acks, err := n.dialPUSH(o.url() + "_ack.ipc")
	if err != nil {
		return err
	}
	how := word(o.Config["ack"])
	taken := 0
	go func() {
		for {
			b, err := data.Recv()
			if err != nil {
				return
			}
			taken++
			p.collect(o.Config, b, taken)
			if reply := ackOf(how); reply != "" {
				if err := acks.Send([]byte(reply)); err != nil {
					fmt.Println("ack error:", err)
					n.close() // as Go's SDK: the sink stops itself
					return
				}
			}
		}
	}()
	return nil
}

func ackOf(how string) string {
	switch how {
	case "", "never":
		return ""
	case "ok":
		return "{}"
	case "always":
		return `{"error":""}`
	case "garbage":
		return "garbage"
	}
	b, _ := json.Marshal(map[string]any{"error": how})
	return string(b)
}

// collect is the code of the sink. "drop" makes it a broken one, "dieAt" ends the
// process at that message, before it is written.
func (p *player) collect(config map[string]any, payload []byte, taken int) {
	if at := int(num(config["dieAt"])); at > 0 && taken == at {
		os.Exit(5)
	}
	if delay := num(config["delay"]); delay > 0 {
		time.Sleep(time.Duration(delay) * time.Millisecond)
	}
	if every := int(num(config["drop"])); every > 0 && taken%every == 0 {
		return
	}
	if file := word(config["file"]); file != "" {
		note(p.dir, file, string(payload))
	}
}
