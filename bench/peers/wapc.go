package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"time"

	"github.com/tinylib/msgp/msgp"
	"github.com/wapc/wapc-go"
	engine "github.com/wapc/wapc-go/engines/wazero"
)

// poolWait is how long a caller waits for an instance of waPC's pool.
const poolWait = 5 * time.Second

// openWaPC invokes one instance, and from several goroutines those of waPC's pool.
// A row is JSON.
func openWaPC(ctx context.Context, s *subject, b *bench) error {
	module, instance, err := newWaPC(ctx, s, b)
	if err != nil {
		return err
	}
	request := make([]byte, 16)
	s.add = func(a, b int64) (int64, error) {
		binary.LittleEndian.PutUint64(request, uint64(a))
		binary.LittleEndian.PutUint64(request[8:], uint64(b))
		return littleEndian(instance.Invoke(ctx, "add", request))
	}
	s.fib = func(n int64) (int64, error) {
		binary.LittleEndian.PutUint64(request, uint64(n))
		return littleEndian(instance.Invoke(ctx, "fib", request[:8]))
	}
	s.row = jsonRow(func(row []byte) ([]byte, error) { return instance.Invoke(ctx, "echo", row) })
	var pool *wapc.Pool
	s.echo = func(size int, own bool) (*echoer, error) {
		if !own {
			return newEchoer(size, func(dst, payload []byte) ([]byte, error) {
				view, err := instance.Invoke(ctx, "echo", payload)
				return append(dst, view...), err
			}), nil
		}
		if pool == nil {
			var err error
			if pool, err = wapc.NewPool(ctx, module, callers); err != nil {
				return nil, err
			}
			s.onClose(func() error {
				pool.Close(ctx)
				return nil
			})
		}
		return newEchoer(size, func(dst, payload []byte) ([]byte, error) {
			i, err := pool.Get(poolWait)
			if err != nil {
				return nil, err
			}
			// What it returns is the instance's memory, so it is copied first.
			view, err := i.Invoke(ctx, "echo", payload)
			dst = append(dst, view...)
			return dst, errors.Join(err, giveBack(pool, i))
		}), nil
	}
	return nil
}

// giveBack returns an instance to the pool. That refuses one for a moment when the
// goroutine that takes another stands still halfway, so it is tried again.
func giveBack(pool *wapc.Pool, i wapc.Instance) error {
	err := pool.Return(i)
	if err == nil {
		return nil
	}
	for until := time.Now().Add(poolWait); err != nil && time.Now().Before(until); err = pool.Return(i) {
		runtime.Gosched()
	}
	return err
}

// openWaPCMsgp sends rows as MessagePack, as waPC's kits for guests do.
func openWaPCMsgp(ctx context.Context, s *subject, b *bench) error {
	_, instance, err := newWaPC(ctx, s, b)
	if err != nil {
		return err
	}
	var row []byte
	s.row = rowOf(func(m map[string]any) (any, error) {
		var err error
		if row, err = msgp.AppendIntf(row[:0], m); err != nil {
			return nil, err
		}
		view, err := instance.Invoke(ctx, "echo", row)
		if err != nil {
			return nil, err
		}
		got, _, err := msgp.ReadMapStrIntfBytes(view, nil)
		return got, err
	})
	return nil
}

func newWaPC(ctx context.Context, s *subject, b *bench) (wapc.Module, wapc.Instance, error) {
	module, err := engine.Engine().New(ctx, wapc.NoOpHostCallHandler, b.guests.wapc, &wapc.ModuleConfig{
		Logger: func(string) {}, Stdout: io.Discard, Stderr: io.Discard,
	})
	if err != nil {
		return nil, nil, err
	}
	s.onClose(func() error { return module.Close(ctx) })
	instance, err := module.Instantiate(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.onClose(func() error { return instance.Close(ctx) })
	return module, instance, nil
}

// littleEndian reads a number of 8 bytes.
func littleEndian(b []byte, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, io.ErrUnexpectedEOF
	}
	return int64(binary.LittleEndian.Uint64(b)), nil
}

// jsonRow makes the work of a function that takes JSON and returns it.
func jsonRow(exchange func(row []byte) ([]byte, error)) func(id int64, all bool) error {
	return rowOf(func(m map[string]any) (any, error) {
		row, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		answer, err := exchange(row)
		if err != nil {
			return nil, err
		}
		var got map[string]any
		err = json.Unmarshal(answer, &got)
		return got, err
	})
}
