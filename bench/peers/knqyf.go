package main

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	pb "github.com/vanth-io/vanth/bench/peers/proto/knqyf"
)

// openKnqyf calls the generated client of one loaded plugin. Nothing is said of
// several goroutines, so each of them loads its own; the compiled code is shared,
// which changes nothing in a call.
func openKnqyf(ctx context.Context, s *subject, b *bench) error {
	guest, err := buildKnqyf(ctx, b.dir)
	if err != nil {
		return err
	}
	cache := wazero.NewCompilationCache()
	s.onClose(func() error { return cache.Close(ctx) })
	loader, err := pb.NewWorkPlugin(ctx, pb.WazeroRuntime(func(ctx context.Context) (wazero.Runtime, error) {
		rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache))
		_, err := wasi_snapshot_preview1.Instantiate(ctx, rt)
		return rt, err
	}))
	if err != nil {
		return err
	}
	load := func() (pb.Work, error) {
		p, err := loader.Load(ctx, guest)
		if err != nil {
			return nil, err
		}
		s.onClose(func() error { return p.Close(ctx) })
		return p, nil
	}
	p, err := load()
	if err != nil {
		return err
	}
	s.add = func(a, b int64) (int64, error) {
		n, err := p.Add(ctx, &pb.Terms{A: a, B: b})
		return n.GetValue(), err
	}
	s.fib = func(n int64) (int64, error) {
		v, err := p.Fib(ctx, &pb.Number{Value: n})
		return v.GetValue(), err
	}
	s.echo = func(size int, own bool) (*echoer, error) {
		p := p
		if own {
			if p, err = load(); err != nil {
				return nil, err
			}
		}
		return newEchoer(size, func(_, payload []byte) ([]byte, error) {
			v, err := p.Echo(ctx, &pb.Payload{Bytes: payload})
			return v.GetBytes(), err
		}), nil
	}
	r := newRecord()
	s.row = func(id int64, all bool) error {
		r.ID = id
		v, err := p.Row(ctx, &pb.Record{
			Id: r.ID, Name: r.Name, Temperature: r.Temperature, Humidity: r.Humidity,
			Ok: r.OK, Site: r.Site, Count: r.Count, Unit: r.Unit,
		})
		if err != nil {
			return err
		}
		return r.check(Record{
			ID: v.GetId(), Name: v.GetName(), Temperature: v.GetTemperature(), Humidity: v.GetHumidity(),
			OK: v.GetOk(), Site: v.GetSite(), Count: v.GetCount(), Unit: v.GetUnit(),
		}, all)
	}
	return nil
}
