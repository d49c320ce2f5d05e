package gate_test

import (
	"os"
	"testing"

	"github.com/vanth-io/vanth/wasm/internal/gate"
)

// bomb is a kind of module whose size is free: what a compiler may find hard.
type bomb struct {
	name string
	make func(n int) []byte
}

func get(local int) []byte { return cat([]byte{0x20}, u32(local)) }
func set(local int) []byte { return cat([]byte{0x21}, u32(local)) }

func each(n int, f func(i int) []byte) []byte {
	var out []byte
	for i := range n {
		out = append(out, f(i)...)
	}
	return out
}

// What keeps local 0 of a type from being dead.
var (
	keep32 = []byte{0x41, 0, 0x20, 0, 0x36, 2, 0}
	keep64 = []byte{0x41, 0, 0x20, 0, 0x39, 3, 0}
	keepV  = []byte{0x41, 0, 0x20, 0, 0xfd, 0x0b, 4, 0}
)

// bombs are kinds of one or few functions that cost time or memory to compile. Each takes a size.
var bombs = []bomb{
	{"adds", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, []byte{0x41, 1}, repeat(n, 0x20, 0, 0x6a), set(0), keep32))
	}},
	{"adds of locals", func(n int) []byte {
		return program(1, body([][]byte{locals(64, tI64)}, each(n, func(i int) []byte {
			return cat(get(i%64), get((i*7+1)%64), []byte{0x7c}, set((i*5+3)%64))
		}), each(64, func(i int) []byte { return cat([]byte{0x41, 0}, get(i), []byte{0x37, 3, 0}) })))
	}},
	{"ifs", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x20, 0, 0x04, 0x40, 0x0b)))
	}},
	{"ifs that set 64 locals", func(n int) []byte {
		return program(1, body([][]byte{locals(64, tI32)}, each(n, func(i int) []byte {
			return cat(get((i*7)%64), []byte{0x04, 0x40, 0x41, 1}, set(i%64), []byte{0x0b})
		})))
	}},
	{"ifs that set 1,000 locals", func(n int) []byte {
		return program(1, body([][]byte{locals(1000, tI32)}, each(n, func(i int) []byte {
			return cat(get((i*7)%1000), []byte{0x04, 0x40, 0x41, 1}, set(i%1000), []byte{0x0b})
		})))
	}},
	{"loops", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x03, 0x40, 0x20, 0, 0x0d, 0, 0x0b)))
	}},
	{"loops that use 64 locals", func(n int) []byte {
		return program(1, body([][]byte{locals(64, tI32)}, each(n, func(i int) []byte {
			return cat([]byte{0x03, 0x40}, get((i*7)%64), set((i+1)%64), get(i%64), []byte{0x0d, 0, 0x0b})
		})))
	}},
	{"loops that use 1,000 locals", func(n int) []byte {
		return program(1, body([][]byte{locals(1000, tI32)}, each(n, func(i int) []byte {
			return cat([]byte{0x03, 0x40}, get((i*7)%1000), set((i+1)%1000), get(i%1000), []byte{0x0d, 0, 0x0b})
		})))
	}},
	{"nested blocks", func(n int) []byte {
		return program(1, body(nil, repeat(n, 0x02, 0x40), repeat(n, 0x0b)))
	}},
	{"nested blocks that branch", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x02, 0x40), each(n, func(i int) []byte {
			return cat(get(0), []byte{0x0d}, u32(n-i-1), []byte{0x0b})
		})))
	}},
	{"nested loops", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x03, 0x40), each(n, func(i int) []byte {
			return cat(get(0), []byte{0x0d, 0, 0x0b})
		})))
	}},
	{"nested loops that set 64 locals", func(n int) []byte {
		return program(1, body([][]byte{locals(64, tI32)}, repeat(n, 0x03, 0x40), each(n, func(i int) []byte {
			return cat(get(i%64), set((i*7+1)%64), get((i*5)%64), []byte{0x0d, 0, 0x0b})
		})))
	}},
	{"nested ifs", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x20, 0, 0x04, 0x40), repeat(n, 0x0b)))
	}},
	{"br_table of n", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(200, 0x02, 0x40), get(0), []byte{0x0e}, u32(n),
			each(n, func(i int) []byte { return u32(i % 200) }), []byte{0}, repeat(200, 0x0b)))
	}},
	{"100 br_tables of n", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(100, 0x02, 0x40), each(100, func(i int) []byte {
			return cat(get(0), []byte{0x0e}, u32(n), each(n, func(k int) []byte { return u32(k % (100 - i)) }), []byte{0, 0x0b})
		})))
	}},
	{"n functions of 50,000 locals", func(n int) []byte { return program(n, body([][]byte{locals(50000, tI32)})) }},
	{"n functions of 1,000 locals", func(n int) []byte { return program(n, body([][]byte{locals(1000, tI64)})) }},
	{"n functions of 50,000 locals of v128", func(n int) []byte { return program(n, body([][]byte{locals(50000, tV)})) }},
	{"memory.fill", func(n int) []byte {
		return program(1, body(nil, repeat(n, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0)))
	}},
	{"memory.copy", func(n int) []byte {
		return program(1, body(nil, repeat(n, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 10, 0, 0)))
	}},
	{"memory.init", func(n int) []byte {
		return program(1, body(nil, repeat(n, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0)))
	}},
	{"table.fill", func(n int) []byte {
		return program(1, body(nil, repeat(n, 0x41, 0, 0xd0, 0x70, 0x41, 0, 0xfc, 17, 0)))
	}},
	{"table.copy", func(n int) []byte {
		return program(1, body(nil, repeat(n, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 14, 0, 0)))
	}},
	{"table.get", func(n int) []byte { return program(1, body(nil, repeat(n, 0x41, 0, 0x25, 0, 0x1a))) }},
	{"memory.grow", func(n int) []byte { return program(1, body(nil, repeat(n, 0x41, 0, 0x40, 0, 0x1a))) }},
	{"calls", func(n int) []byte { return program(1, body(nil, repeat(n, 0x10, 0))) }},
	{"calls of 1,000 parameters", func(n int) []byte {
		return programOf(funcType(repeat(1000, tI64), nil), 1, body(nil, each(n, func(int) []byte {
			return cat(each(1000, get), []byte{0x10, 0})
		})))
	}},
	{"calls of 1,000 results", func(n int) []byte {
		return programOf(funcType(nil, repeat(1000, tI64)), 1, body(nil, repeat(n, 0x10, 0), []byte{0}))
	}},
	{"indirect calls", func(n int) []byte { return program(1, body(nil, repeat(n, 0x41, 0, 0x11, 0, 0))) }},
	{"loads", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x20, 0, 0x28, 2, 4, 0x21, 0)))
	}},
	{"stores", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x20, 0, 0x20, 0, 0x36, 2, 4)))
	}},
	{"globals", func(n int) []byte { return program(1, body(nil, repeat(n, 0x23, 0, 0x24, 0))) }},
	{"divisions", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x20, 0, 0x20, 0, 0x6d, 0x21, 0), keep32))
	}},
	{"truncations", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tF64), locals(1, tI64)}, repeat(n, 0x20, 0, 0xb0, 0x21, 1, 0x20, 1, 0xb9, 0x21, 0), keep64))
	}},
	{"saturating truncations", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tF64), locals(1, tI64)}, repeat(n, 0x20, 0, 0xfc, 6, 0x21, 1, 0x20, 1, 0xba, 0x21, 0), keep64))
	}},
	{"minima", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tF64)}, repeat(n, 0x20, 0, 0x20, 0, 0xa4, 0x21, 0), keep64))
	}},
	{"copysigns", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tF64)}, repeat(n, 0x20, 0, 0x20, 0, 0xa6, 0x21, 0), keep64))
	}},
	{"nearest", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tF64)}, repeat(n, 0x20, 0, 0x9e, 0x21, 0), keep64))
	}},
	{"shuffles", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tV)}, each(n, func(i int) []byte {
			return []byte{0x20, 0, 0x20, 0, 0xfd, 0x0d, byte(i) % 32, byte(i>>5) % 32, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x21, 0}
		}), keepV))
	}},
	{"v128 constants", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tV)}, each(n, func(i int) []byte {
			return []byte{0x20, 0, 0xfd, 0x0c, byte(i), byte(i >> 8), 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xfd, 0x51, 0x21, 0}
		}), keepV))
	}},
	{"popcounts of vectors", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tV)}, repeat(n, 0x20, 0, 0xfd, 0x62, 0x21, 0), keepV))
	}},
	{"deep stack", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x20, 0, 0x20, 0, 0x6a), repeat(n-1, 0x6a), set(0), keep32))
	}},
	{"deep stack of loads", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x20, 0, 0x28, 2, 0), repeat(n-1, 0x6a), set(0), keep32))
	}},
	{"deep stack across ifs", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x20, 0, 0x28, 2, 0), repeat(n, 0x20, 0, 0x04, 0x40, 0x0b), repeat(n-1, 0x6a), set(0), keep32))
	}},
	{"loads of different addresses", func(n int) []byte {
		return program(1, body([][]byte{locals(2, tI32)}, repeat(n, 0x20, 0, 0x28, 2, 4, 0x22, 0, 0x20, 1, 0x6a, 0x21, 1), keep32))
	}},
	{"long functions", func(n int) []byte {
		return program(n, body([][]byte{locals(8, tI32)}, each(100, func(i int) []byte {
			return cat(get(i%8), []byte{0x28, 2, 4}, get((i+3)%8), []byte{0x6c}, set((i+5)%8), get(i%8), []byte{0x04, 0x40, 0x10, 0, 0x0b})
		})))
	}},
	{"functions of 100 locals in 20 loops", func(n int) []byte {
		return program(n, body([][]byte{locals(100, tI32)}, repeat(20, 0x03, 0x40), each(100, func(i int) []byte {
			return cat(get((i+1)%100), set(i))
		}), each(20, func(i int) []byte { return cat(get(i), []byte{0x0d, 0, 0x0b}) })))
	}},
	{"functions of 64 locals in 64 ifs", func(n int) []byte {
		return program(n, body([][]byte{locals(64, tI32)}, each(64, func(i int) []byte { return cat(get(0), []byte{0x28, 2, 0}, set(i)) }),
			repeat(64, 0x20, 0, 0x04, 0x40, 0x10, 0, 0x0b), each(64, func(i int) []byte { return cat(get(0), get(i), []byte{0x36, 2, 0}) })))
	}},
	{"n locals in 20 loops", func(n int) []byte {
		return program(1, body([][]byte{locals(n, tI32)}, repeat(20, 0x03, 0x40), each(n, func(i int) []byte {
			return cat(get((i+1)%n), set(i))
		}), each(20, func(i int) []byte { return cat(get(i%n), []byte{0x0d, 0, 0x0b}) })))
	}},
	{"n locals swapped in 3 loops", func(n int) []byte {
		return program(1, body([][]byte{locals(n, tI32)}, repeat(3, 0x03, 0x40), each(n, func(i int) []byte {
			return cat(get(i), get((i+1)%n), set(i), set((i+1)%n))
		}), each(3, func(i int) []byte { return cat(get(i%n), []byte{0x0d, 0, 0x0b}) }),
			each(n, func(i int) []byte { return cat(get(0), get(i), []byte{0x36, 2, 0}) })))
	}},
	{"n locals in one block", func(n int) []byte {
		return program(1, body([][]byte{locals(n, tI32), locals(1, tI32)}, each(n, func(i int) []byte {
			return cat(get(n), []byte{0x28, 2, 0}, set(i))
		}), each(n, func(i int) []byte { return cat(get(n), get(i), []byte{0x36, 2, 0}) })))
	}},
	{"deep stack across calls", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x20, 0, 0x28, 2, 0), repeat(n, 0x10, 0), repeat(n-1, 0x6a), set(0), keep32))
	}},
	{"locals live across ifs", func(n int) []byte {
		return program(1, body([][]byte{locals(n, tI32)}, each(n, func(i int) []byte { return cat(get(0), []byte{0x28, 2, 0}, set(i)) }),
			repeat(n, 0x20, 0, 0x04, 0x40, 0x10, 0, 0x0b), each(n, func(i int) []byte { return cat(get(0), get(i), []byte{0x36, 2, 0}) })))
	}},
	{"locals live across loops", func(n int) []byte {
		return program(1, body([][]byte{locals(n, tI32)}, each(n, func(i int) []byte { return cat(get(0), []byte{0x28, 2, 0}, set(i)) }),
			repeat(n, 0x03, 0x40, 0x20, 0, 0x0d, 0, 0x0b), each(n, func(i int) []byte { return cat(get(0), get(i), []byte{0x36, 2, 0}) })))
	}},
	{"locals set in nested loops", func(n int) []byte {
		return program(1, body([][]byte{locals(n, tI32)}, repeat(n, 0x03, 0x40), each(n, func(i int) []byte {
			return cat(get((i+1)%n), set(i), get(i), []byte{0x0d, 0, 0x0b})
		})))
	}},
	{"locals live across br_table", func(n int) []byte {
		return program(1, body([][]byte{locals(n, tI32)}, repeat(100, 0x02, 0x40), each(n, func(i int) []byte { return cat(get(0), []byte{0x28, 2, 0}, set(i)) }),
			get(0), []byte{0x0e}, u32(n), each(n, func(k int) []byte { return u32(k % 100) }), []byte{0},
			repeat(100, 0x0b), each(n, func(i int) []byte { return cat(get(0), get(i), []byte{0x36, 2, 0}) })))
	}},
	{"selects", func(n int) []byte {
		return program(1, body([][]byte{locals(1, tI32)}, repeat(n, 0x20, 0, 0x41, 1, 0x20, 0, 0x1b, 0x21, 0), keep32))
	}},
	{"unreachable code", func(n int) []byte {
		return program(1, body(nil, []byte{0}, repeat(n, 0x41, 1, 0x1a)))
	}},
	{"blocks in unreachable code", func(n int) []byte {
		return program(1, body(nil, []byte{0}, repeat(n, 0x02, 0x40, 0x0b)))
	}},
	{"nops", func(n int) []byte { return program(1, body(nil, repeat(n, 0x01))) }},
	{"small functions", func(n int) []byte { return program(n, body(nil)) }},
	{"functions of one if", func(n int) []byte {
		return program(n, body([][]byte{locals(1, tI32)}, []byte{0x20, 0, 0x04, 0x40, 0x0b}))
	}},
	{"loops of 1,000 parameters", func(n int) []byte {
		return programOf(funcType(repeat(1000, tI32), repeat(1000, tI32)), 1,
			body(nil, each(1000, get), repeat(n, 0x03, 0, 0x0b)))
	}},
	{"ifs of 100 parameters", func(n int) []byte {
		return programOf(funcType(repeat(100, tI32), repeat(100, tI32)), 1,
			body(nil, each(100, get), repeat(n, 0x20, 0, 0x04, 0, 0x0b)))
	}},
}

// worst are the bombs whose cost is closest to what is allowed. GATE_BOMBS=all tries all.
var worst = map[string]bool{
	"memory.fill": true, "locals set in nested loops": true, "100 br_tables of n": true, "n functions of 50,000 locals": true,
	"nested blocks that branch": true, "locals live across ifs": true, "deep stack": true, "long functions": true,
}

// TestBombs: the largest bomb of each kind that passes is compiled in about the time that a small module may take, and
// less memory than 300 MiB.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, b := range bombs {
		if !worst[b.name] && os.Getenv("GATE_BOMBS") != "all" {
			continue
		}
		n, m := largest(t, b)
		code := b.make(n)
		c := compile(t, code)
		t.Logf("%-38s n=%-7d %8d bytes, estimated %4d ms %3d MiB, took %4d ms %3d MiB %s", b.name, n, len(code), m.Work/1000, m.WorkKiB>>10, c.ms, c.mib, c.err)
		if c.ms < 0 || c.ms > 4000 || c.mib > 300 || c.err != "" {
			t.Errorf("%s: %+v", b.name, c)
		}
	}
}

// TestBombsKill: the estimate is needed. Within all other caps these are beyond what a host can give.
func TestBombsKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, b := range bombs {
		n := map[string]int{"locals live across ifs": 2000, "n functions of 50,000 locals": 5_000}[b.name]
		if n == 0 {
			continue
		}
		code := b.make(n)
		if _, err := gate.Walk(code, gate.Caps{Work: 1 << 30, Memory: 1 << 30, Declared: 1 << 30}); err != nil {
			t.Error(b.name, err)
		}
		if _, err := gate.Walk(code, gate.Caps{}); err == nil {
			t.Error(b.name, "passes")
		}
		if c := compile(t, code); c.ms >= 0 && c.ms < 3000 && c.mib < 1500 {
			t.Errorf("%s: %+v", b.name, c)
		}
	}
}

// largest is the greatest size of a bomb that passes.
func largest(t *testing.T, b bomb) (int, *gate.Module) {
	lo, hi := 1, 150_000
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if _, err := gate.Walk(b.make(mid), gate.Caps{}); err != nil {
			hi = mid - 1
		} else {
			lo = mid
		}
	}
	m, err := gate.Walk(b.make(lo), gate.Caps{})
	if err != nil {
		t.Fatal(b.name, err)
	}
	return lo, m
}
