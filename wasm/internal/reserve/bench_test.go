package reserve_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/wasm/internal/reserve"
)

// subjects start an instance of c on a memory of a pool, of a pool that never keeps one, and of the engine itself.
func subjects(b *testing.B, c *compiled) map[string]func() (m api.Module, end func()) {
	ctx := context.Background()
	pooled := func(p *reserve.Pool, trim bool) func() (api.Module, func()) {
		return func() (api.Module, func()) {
			m, lease, err := c.start(ctx, b, p)
			if err != nil {
				b.Fatal(err)
			}
			return m, func() {
				m.Close(ctx)
				lease.Release()
				if trim {
					p.Trim()
				}
			}
		}
	}
	return map[string]func() (api.Module, func()){
		"pool":  pooled(reserve.New(limit), false),
		"fresh": pooled(reserve.New(limit), true),
		"engine": func() (api.Module, func()) {
			m, err := c.InstantiateModule(ctx, c.code, config)
			if err != nil {
				b.Fatal(err)
			}
			return m, func() { m.Close(ctx) }
		},
	}
}

var order = []string{"engine", "fresh", "pool"}

// BenchmarkInstance starts and ends a guest whose memory is small, and writes to two of its pages. start-ns is the part
// of it until the instance is there.
func BenchmarkInstance(b *testing.B) {
	for _, pages := range []int{0, 1, 4, 17, 64} {
		text := fmt.Sprintf(`(module (memory %d) (data (i32.const 8) "hello"))`, pages)
		if pages == 0 {
			text = `(module (func (export "f")))`
		}
		c := compile(b, engines["default"](), text)
		subject := subjects(b, c)
		for _, name := range order {
			b.Run(fmt.Sprintf("pages=%d/%s", pages, name), func(b *testing.B) {
				b.ReportAllocs()
				var started time.Duration
				for b.Loop() {
					begin := time.Now()
					m, end := subject[name]()
					started += time.Since(begin)
					if pages > 0 {
						m.Memory().WriteByte(uint32(pages)*page-1, 1)
					}
					end()
				}
				b.ReportMetric(float64(started)/float64(b.N), "start-ns/op")
			})
		}
	}
}

// BenchmarkGrow has a guest grow from 1 page to 256, page by page, and touch none.
func BenchmarkGrow(b *testing.B) {
	c := compile(b, engines["default"](), guest)
	subject := subjects(b, c)
	for _, name := range order {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m, end := subject[name]()
				if _, err := m.ExportedFunction("growAll").Call(context.Background()); err != nil || m.Memory().Size() != limit {
					b.Fatal(m.Memory().Size(), err)
				}
				end()
			}
		})
	}
}

// BenchmarkTouch has a new guest write to one byte of each 4 KiB of some memory, and ends it.
func BenchmarkTouch(b *testing.B) {
	for _, kib := range []int{64, 512, 1024, 4096, 16384} {
		c := compile(b, engines["default"](), fmt.Sprintf(`(module (memory %d))`, kib/64))
		subject := subjects(b, c)
		for _, name := range order {
			b.Run(fmt.Sprintf("KiB=%d/%s", kib, name), func(b *testing.B) {
				for b.Loop() {
					m, end := subject[name]()
					mem, _ := m.Memory().Read(0, uint32(kib)<<10)
					for at := 0; at < len(mem); at += 4096 {
						mem[at] = 1
					}
					end()
				}
			})
		}
	}
}

// BenchmarkLease is a lease without an engine.
func BenchmarkLease(b *testing.B) {
	p := reserve.New(limit)
	b.ReportAllocs()
	for b.Loop() {
		lease, err := p.Lease()
		if err != nil {
			b.Fatal(err)
		}
		lease.Allocate(page, limit).Reallocate(page)[0] = 1
		lease.Release()
	}
}
