package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

const (
	maxWaiting = 1 << 20         // bytes of rows that may wait for the next interval
	farewell   = 5 * time.Second // what Close gives the rows that wait
)

var errNotConnected = errors.New("sinks/file: not connected")

// sink lives as the host calls it:
//
//  1. Provision checks the properties and touches nothing.
//  2. Connect opens the file, and with an interval starts the goroutine that writes at each.
//  3. Collect and CollectList, by any number of goroutines, take rows. Without an interval they
//     return when the rows are in the file; with one, when the rows wait for it.
//  4. Close ends the goroutine, writes what waits and closes the file. A second Close does nothing.
type sink struct {
	props properties

	// mu guards what follows. It is held over the write on purpose: rows go to the file in the
	// order in which they were taken.
	mu      sync.Mutex
	file    *appender // nil unless connected
	waiting []byte    // rows that wait for the next interval, as lines
	ticks   *ticks    // nil unless connected with an interval
}

var _ api.TupleCollector = (*sink)(nil)

// Provision reads the properties. An error makes the rule's creation fail.
func (s *sink) Provision(ctx api.StreamContext, configs map[string]any) error {
	props, err := parse(configs)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(props.Path) {
		props.Path = filepath.Join(ctx.GetRootPath(), props.Path)
	}
	s.props = props
	return nil
}

// Connect opens the file. Its folder must be there.
func (s *sink) Connect(ctx api.StreamContext, status api.StatusChangeHandler) error {
	status(api.ConnectionConnecting, "")
	if err := s.open(ctx); err != nil {
		status(api.ConnectionDisconnected, err.Error())
		return err
	}
	status(api.ConnectionConnected, "")
	return nil
}

func (s *sink) open(ctx api.StreamContext) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return nil
	}
	file := &appender{path: s.props.Path, limit: s.props.RollingSize, keep: s.props.RollingCount, sync: s.props.Sync}
	if err := file.open(ctx); err != nil {
		return errors.Join(named(err), named(file.close()))
	}
	s.file = file
	if every := time.Duration(s.props.Interval); every > 0 {
		s.ticks = startTicks(every, func() { s.tick(ctx) })
	}
	return nil
}

// Collect takes one row.
func (s *sink) Collect(ctx api.StreamContext, item api.MessageTuple) error {
	return s.take(ctx, item.ToMap())
}

// CollectList takes rows, a line each. If one of them is no JSON, none is taken.
func (s *sink) CollectList(ctx api.StreamContext, items api.MessageTupleList) error {
	return s.take(ctx, items.ToMaps()...)
}

func (s *sink) take(ctx api.StreamContext, rows ...map[string]any) error {
	var lines bytes.Buffer
	e := json.NewEncoder(&lines)
	e.SetEscapeHTML(false)
	for i, row := range rows {
		if err := e.Encode(row); err != nil {
			return fmt.Errorf("sinks/file: row %d of %d: %w", i+1, len(rows), err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return errNotConnected
	}
	if s.props.Interval == 0 {
		n, err := s.file.append(ctx, lines.Bytes())
		return partly(lines.Bytes(), n, err)
	}
	if len(s.waiting) > 0 && len(s.waiting)+lines.Len() > maxWaiting {
		if err := s.flush(ctx); err != nil {
			return fmt.Errorf("%w: too many rows wait, %d refused", err, len(rows))
		}
	}
	s.waiting = append(s.waiting, lines.Bytes()...)
	return nil
}

// tick writes what waits. Nobody waits for its error, so that it goes to the log; the rows go on waiting.
func (s *sink) tick(ctx api.StreamContext) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.flush(ctx); err != nil {
		ctx.GetLogger().Errorf("%v: tried again at the next interval", err)
	}
}

// flush writes what waits; what could not be written goes on waiting. The caller holds mu.
func (s *sink) flush(ctx context.Context) error {
	n, err := s.file.append(ctx, s.waiting)
	err = partly(s.waiting, n, err)
	s.waiting = append(s.waiting[:0], s.waiting[n:]...)
	return err
}

// Close ends the sink. Rows that could not be written are lost, and the error counts them.
func (s *sink) Close(ctx api.StreamContext) error {
	s.mu.Lock()
	ticks := s.ticks
	s.ticks = nil
	s.mu.Unlock()
	ticks.stop()

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	// A rule that stops has a context that is done. What it has collected is due nonetheless.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	err := s.flush(last)
	if n := bytes.Count(s.waiting, []byte("\n")); n > 0 {
		err = fmt.Errorf("%w: %d rows lost", err, n)
	}
	err = errors.Join(err, named(s.file.close()))
	s.file, s.waiting = nil, nil
	return err
}

// partly adds to err how many of the lines are in the file after n bytes, if not none.
func partly(lines []byte, n int, err error) error {
	if err == nil || n == 0 {
		return named(err)
	}
	end := []byte("\n")
	return fmt.Errorf("%w: %d of %d rows written", named(err), bytes.Count(lines[:n], end), bytes.Count(lines, end))
}

func named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sinks/file: %w", err)
}
