package portable_test

import (
	"fmt"
	"os"
	"time"

	"github.com/vanth-io/vanth/host/frame"
)

// Sources and sinks of the plugin on the fast lane.

func (e *laneEnd) open(f laneFrame) {
	v, _ := frame.Decode(f.payload)
	fields, _ := v.(map[string]any)
	config, _ := fields["config"].(map[string]any)
	names := e.p.Sinks
	if f.op == 48 {
		names = e.p.Sources
	}
	switch {
	case base(names[f.symbol]) == "unwilling":
		e.result(f.id, usage("have no such topic"))
		return
	case config["wants"] != nil && fields["datasource"] != config["wants"]:
		e.result(f.id, usage(fmt.Sprintf("topic %q", fields["datasource"])))
		return
	}
	s := &laneStream{config: config, credit: make(chan int, 1000), over: make(chan struct{})}
	e.mu.Lock()
	e.nodes[f.id] = s
	e.mu.Unlock()
	e.result(f.id, nil)
	if f.op == 48 {
		go e.emit(f.id, s)
	}
}

func (e *laneEnd) onStream(f laneFrame) {
	e.mu.Lock()
	s := e.nodes[f.ctx]
	if f.op == 50 {
		delete(e.nodes, f.ctx)
	}
	e.mu.Unlock()
	if s == nil {
		e.result(f.id, usage("nothing is open"))
		return
	}
	switch f.op {
	case 50:
		close(s.over)
		e.result(f.id, nil)
	case 51:
		s.credit <- int(f.id)
	case 55:
		list, err := frame.DecodeArgs(f.payload)
		if err != nil || len(list) != 3 {
			e.result(f.id, usage("a write of another shape"))
			return
		}
		s.taken++
		e.p.collect(s.config, asJSON(list[0]), s.taken)
		if how := word(s.config["ack"]); how != "" && how != "ok" && how != "always" {
			e.result(f.id, &frame.Error{Msg: how, Class: "io"})
			return
		}
		e.result(f.id, nil)
	}
}

// emit is the source rows; "greedy" does not look at its credit, and "end" ends
// the source by itself.
func (e *laneEnd) emit(handle uint32, s *laneStream) {
	credit := 0
	allowed := func() bool {
		for credit == 0 && s.config["greedy"] == nil {
			select {
			case n := <-s.credit:
				credit += n
			case <-s.over:
				return false
			}
		}
		credit--
		return true
	}
	list, _ := s.config["errors"].([]any)
	for _, t := range list {
		e.send(laneFrame{op: 53, ctx: handle, payload: pack(t)})
	}
	for i := range int(num(s.config["count"])) {
		if !allowed() {
			return
		}
		row := map[string]any{"n": int64(i), "p": e.p.token, "pad": make([]byte, int(num(s.config["pad"])))}
		e.send(laneFrame{op: 52, ctx: handle, payload: packArgs([]any{row, map[string]any{"topic": "t"}, nil})})
		if i+1 == int(num(s.config["dieAfter"])) {
			os.Exit(0)
		}
		if i%100 == 0 && s.config["progress"] != nil {
			note(e.p.dir, "sent", fmt.Sprint(i))
		}
		if every := num(s.config["every"]); every > 0 {
			time.Sleep(time.Duration(every * float64(time.Millisecond)))
		}
	}
	switch end := s.config["end"].(type) {
	case string:
		if end != "" {
			e.send(laneFrame{op: 54, flags: 1, ctx: handle, payload: pack(usage(end))})
		} else {
			e.send(laneFrame{op: 54, ctx: handle})
		}
	}
}
