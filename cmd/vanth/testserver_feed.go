package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host"
)

const (
	maxLine = 16 << 20
	// slow is after which time the plugin is told to be slow: perhaps it stands at
	// a breakpoint.
	slow = 5 * time.Second
)

// feed gives the lines of in, one by one, to functions and sinks, until there is
// no more or ctx ends.
func (s *stage) feed(ctx context.Context, in io.Reader) {
	lines := make(chan []byte)
	// Not waited for: the read of a terminal cannot be interrupted, and ends with
	// the process.
	go func() {
		defer close(lines)
		r := bufio.NewScanner(in)
		r.Buffer(nil, maxLine)
		for r.Scan() {
			select {
			case lines <- bytes.Clone(bytes.TrimSpace(r.Bytes())):
			case <-ctx.Done():
				return
			}
		}
		if err := r.Err(); err != nil && ctx.Err() == nil {
			s.log.Error("the input ends", "err", err)
		}
	}()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return
			}
			if err := s.take(ctx, line); err != nil && ctx.Err() == nil {
				s.log.Error("input", "line", string(line[:min(len(line), 200)]), "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// take gives one line to the function or sink it is for. The error is the
// line's; what the plugin says is printed.
func (s *stage) take(ctx context.Context, line []byte) error {
	if len(line) == 0 {
		return nil
	}
	label := ""
	data := line
	if i := bytes.IndexAny(line, "[{"); i > 0 {
		before, colon := bytes.CutSuffix(bytes.TrimSpace(line[:i]), []byte(":"))
		if !colon {
			return errors.New("expected an array or an object, or NAME: before it")
		}
		label, data = string(before), line[i:]
	}
	if !json.Valid(data) || data[0] != '[' && data[0] != '{' {
		return errors.New("expected an array or an object in JSON, perhaps with NAME: before it")
	}
	a, err := s.pick(ctx, label)
	if err != nil {
		return err
	}
	late := time.AfterFunc(slow, func() { s.log.Info("no answer yet", a.symbol.Kind.String(), a.label) })
	defer late.Stop()
	if a.function == nil {
		s.say(s.write(ctx, a, data))
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var args []any
	if err := d.Decode(&args); err != nil {
		return fmt.Errorf("function %s: expected an array of arguments", a.label)
	}
	s.say(a.exec(ctx, args, data))
	return nil
}

// exec calls a function. Validate comes first where the host's planner would have
// it: at the first call, and when the number of arguments is another.
func (a *act) exec(ctx context.Context, args []any, data []byte) (printed, error) {
	p := printed{Function: a.label, Args: data}
	for i, v := range args {
		args[i] = numbers(v)
	}
	if a.agreed != len(args) {
		if err := a.function.Validate(args); err != nil {
			return p, fmt.Errorf("validate: %w", err)
		}
		a.agreed = len(args)
	}
	result, err := a.function.Exec(ctx, &a.call, args)
	if err == nil {
		p.Result = &result
	}
	return p, err
}

// write gives a sink a row, as it was typed.
func (s *stage) write(ctx context.Context, a *act, row []byte) (printed, error) {
	p := printed{Sink: a.label, Row: row}
	err := a.sink.Write(ctx, host.Message{Value: row})
	if f, ok := a.sink.(host.Flusher); ok && err == nil {
		err = f.Flush(ctx)
	}
	if err == nil {
		p.Delivery = s.delivery(a.symbol)
	}
	return p, err
}

// delivery says what is known of a row that a sink took.
func (s *stage) delivery(symbol host.Symbol) string {
	s.mu.Lock()
	m := s.module
	s.mu.Unlock()
	for _, st := range m.(host.Supervised).Status().Symbols {
		if st.Symbol == symbol && st.Delivery == "at least once" {
			return "acknowledged"
		}
	}
	return "sent"
}

// pick returns the function or sink that a label picks, or the only one for no
// label. It waits for one while ctx lives.
func (s *stage) pick(ctx context.Context, label string) (*act, error) {
	for told := false; ; told = true {
		s.mu.Lock()
		var fit []*act
		var labels []string
		for _, a := range s.acts {
			if a.source == nil && (label == "" || a.label == label) {
				fit = append(fit, a)
				labels = append(labels, a.label+":")
			}
		}
		changed := s.changed
		s.mu.Unlock()
		switch {
		case len(fit) == 1:
			return fit[0], nil
		case len(fit) > 1:
			return nil, fmt.Errorf("several are started: begin the line with one of %s", strings.Join(labels, " "))
		case label != "" && !s.knows(label):
			return nil, fmt.Errorf("the manifest has no function or sink %q", label)
		case !told:
			s.log.Info("a line of the input waits for the start of a function or sink", "name", label)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// knows tells whether a label can be one of the plugin's.
func (s *stage) knows(label string) bool {
	_, name, long := strings.Cut(label, "/")
	if !long {
		name = label
	}
	name, _, _ = strings.Cut(name, "@")
	return slices.Contains(s.manifest.Functions, name) || slices.Contains(s.manifest.Sinks, name)
}

// numbers makes what a plugin understands of the numbers in v, whole ones exact.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}
