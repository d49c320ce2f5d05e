package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
)

// echoer is one caller of an echo. It sends a payload of arbitrary bytes and gets
// as many back, its own to keep: who is lent the plugin's memory copies it.
type echoer struct {
	payload []byte // sent by every call, and changed before each
	call    func(dst []byte) ([]byte, error)

	dst   []byte // where results are appended, by those who can
	count uint64
}

// newEchoer makes one of a function that takes its payload from anywhere.
func newEchoer(size int, call func(dst, payload []byte) ([]byte, error)) *echoer {
	payload := make([]byte, size)
	return &echoer{payload: payload, call: func(dst []byte) ([]byte, error) { return call(dst, payload) }}
}

// run calls n times. The payload's first and last 8 bytes are different in each
// call and are looked for in what came back; of the first call all bytes are.
func (e *echoer) run(n int) error {
	size := len(e.payload)
	if e.dst == nil {
		e.dst = make([]byte, 0, size+64)
		for i := range e.payload {
			e.payload[i] = byte(i*7 + i>>8)
		}
	}
	for k := range n {
		e.count++
		binary.LittleEndian.PutUint64(e.payload, e.count)
		binary.LittleEndian.PutUint64(e.payload[size-8:], ^e.count)
		out, err := e.call(e.dst)
		if err != nil {
			return err
		}
		if len(out) != size || binary.LittleEndian.Uint64(out) != e.count || binary.LittleEndian.Uint64(out[size-8:]) != ^e.count {
			return fmt.Errorf("echo %d: found %d bytes that begin with % x, expected %d of call %d", size, len(out), out[:min(8, len(out))], size, e.count)
		}
		if k == 0 && !bytes.Equal(out, e.payload) {
			return fmt.Errorf("echo %d: found other bytes than those sent", size)
		}
	}
	return nil
}

// together has the echoers share n calls and waits for the last.
func together(callers []*echoer) func(n int) error {
	return func(n int) error {
		var wait sync.WaitGroup
		failed := make(chan error, len(callers))
		for i, e := range callers {
			share := n / len(callers)
			if i < n%len(callers) {
				share++
			}
			wait.Go(func() {
				if err := e.run(share); err != nil {
					failed <- err
				}
			})
		}
		wait.Wait()
		select {
		case err := <-failed:
			return err
		default:
			return nil
		}
	}
}
