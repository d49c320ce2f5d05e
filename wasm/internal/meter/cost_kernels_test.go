package meter_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"math"
	"slices"
	"strings"

	"github.com/vanth-io/vanth/wasm/internal/meter/testdata/kernels/words"
)

// kernel is a small piece of work, compiled from testdata/kernels/<name>.c, that exports a function i64 -> i64 of its own
// name. See the readme there.
type kernel struct {
	name string
	arg  int64
	want func(n int64) int64 // the same in Go
	loop bool                // it loops and calls nothing, so the price of loops is promised for it
	args []int64             // further ones, to be checked only
}

// kernels are all that are compiled from C.
func costKernels() []kernel {
	return []kernel{
		{name: "fib", arg: 20, want: goFib, args: []int64{0, 1, 2, 15}},
		{name: "sieve", arg: 30_000, want: goSieve, loop: true, args: []int64{0, 3, 1000, 1 << 17}},
		{name: "nbody", arg: 500, want: goNbody, loop: true, args: []int64{0, 1, 77}},
		{name: "sha256", arg: 16 << 10, want: goSHA256, loop: true, args: []int64{0, 64, 1 << 16}},
		{name: "json", arg: 100, want: goJSON},
		{name: "matrix", arg: 40, want: goMatrix, loop: true, args: []int64{0, 1, 64}},
		{name: "upper", arg: 1 << 16, want: goUpper, loop: true},
		{name: "sort", arg: 3000, want: goSort, args: []int64{2, 100, 1 << 14}},
		{name: "crc", arg: 1 << 16, want: goCRC, args: []int64{0, 1, 4097}},
		{name: "copy", arg: 400, want: goCopy, args: []int64{0, 1, 33}},
		{name: "interp", arg: 1000, want: goInterp, args: []int64{0, 1, 2}},
		{name: "indirect", arg: 30_000, want: goIndirect, args: []int64{0, 1, 2}},
		{name: "tree", arg: 11, want: goTree, args: []int64{0, 1, 7, 12}},
	}
}

// goKernel is the one whose guest is in Go.
func goKernel() kernel {
	return kernel{name: "words", arg: 2000, want: words.Count, args: []int64{0, 1, 100}}
}

// call is what a call of an export costs.
func callKernel() kernel {
	return kernel{name: "add", arg: 4, want: func(n int64) int64 { return n + 3 }}
}

func goNext(s *uint32) uint32 {
	*s = *s*1664525 + 1013904223
	return *s
}

func goFib(n int64) int64 {
	a, b := int64(0), int64(1)
	for range n {
		a, b = b, a+b
	}
	return a
}

func goSieve(n int64) int64 {
	composite, found := make([]bool, n), int64(0)
	for i := int64(2); i < n; i++ {
		if !composite[i] {
			found++
			for j := i + i; j < n; j += i {
				composite[j] = true
			}
		}
	}
	return found
}

// goNbody converts each product, which keeps the compiler from fusing it with the sum behind it.
func goNbody(n int64) int64 {
	type body struct {
		at, v [3]float64
		mass  float64
	}
	var b [5]body
	for i := range b {
		k := float64(i + 1)
		b[i] = body{[3]float64{k * 1.5, k * k * 0.25, -k}, [3]float64{0.1 / k, 0.02 * k, -0.01 * k}, 1 / k}
	}
	square := func(v [3]float64) float64 { return float64(float64(v[0]*v[0])+float64(v[1]*v[1])) + float64(v[2]*v[2]) }
	for range n {
		for i := range b {
			for j := i + 1; j < len(b); j++ {
				d := [3]float64{b[i].at[0] - b[j].at[0], b[i].at[1] - b[j].at[1], b[i].at[2] - b[j].at[2]}
				d2 := square(d)
				mag := 0.01 / float64(d2*math.Sqrt(d2))
				for k := range d {
					b[i].v[k] -= float64(d[k] * float64(b[j].mass*mag))
					b[j].v[k] += float64(d[k] * float64(b[i].mass*mag))
				}
			}
		}
		for i := range b {
			for k := range b[i].at {
				b[i].at[k] += float64(0.01 * b[i].v[k])
			}
		}
	}
	e := 0.0
	for i := range b {
		e += float64(b[i].mass * square(b[i].v))
	}
	return int64(math.Float64bits(e))
}

func goSHA256(n int64) int64 {
	text := make([]byte, n)
	for i := range text {
		text[i] = byte(i * 7)
	}
	sum := sha256.Sum256(text)
	return int64(binary.BigEndian.Uint64(sum[:]))
}

func goJSON(n int64) int64 {
	const row = `{"id": 42, "name": "sensor-17", "temp": -215, "tags": ["a", "b\n\"c", []], "ok": true, "up": null, "pos": {"x": 1, "y": [2, 3]}}`
	d := json.NewDecoder(strings.NewReader("[" + strings.Repeat(row+",", int(n)-1) + row + "]"))
	var sum, lengths, depth, deepest int64
	for {
		token, err := d.Token()
		if err != nil {
			return sum + lengths<<20 + deepest<<50
		}
		switch t := token.(type) {
		case json.Delim:
			if depth--; t == '[' || t == '{' {
				depth += 2
			}
			deepest = max(deepest, depth)
		case string:
			lengths += int64(len(t))
		case float64:
			sum += int64(t)
		}
	}
}

// goMatrix knows what the product of these two has on its diagonal: the sum of i*i - k*k over all i and k, which is 0.
func goMatrix(n int64) int64 {
	trace := int64(0)
	for i := range n {
		for k := range n {
			trace += (i + k) * (k - i)
		}
	}
	return trace
}

func goUpper(n int64) int64 {
	sum := int64(0)
	for i := range n {
		c := byte(' ' + i*31%95)
		sum += int64(strings.ToUpper(string(c))[0])
	}
	return sum
}

func goSort(n int64) int64 {
	list, seed, hash := make([]uint32, n), uint32(1), uint64(0)
	for i := range list {
		list[i] = goNext(&seed)
	}
	slices.Sort(list)
	for _, v := range list {
		hash = hash*31 + uint64(v)
	}
	return int64(hash)
}

func goCRC(n int64) int64 {
	text := make([]byte, n)
	for i := range text {
		text[i] = byte(i * 7)
	}
	return int64(crc32.ChecksumIEEE(text))
}

func goCopy(n int64) int64 {
	buf, seed, sum := make([]byte, 1<<16), uint32(7), uint64(0)
	for range n {
		r := goNext(&seed)
		size, to, from := 16<<(r>>28&7)|(r>>20&15), r>>4&0x7fff, goNext(&seed)>>9&0x7fff
		if r&2 != 0 {
			for i := range size {
				buf[to+i] = byte(r >> 12)
			}
		} else {
			copy(buf[to:to+size], buf[from:])
		}
	}
	for i := 0; i < len(buf); i += 97 {
		sum = sum*31 + uint64(buf[i])
	}
	return int64(sum)
}

func goInterp(n int64) int64 {
	s := uint64(0)
	for i := uint64(n); i != 0; i-- {
		s = (s^i)*31 + s>>7
	}
	return int64(s)
}

func goIndirect(n int64) int64 {
	x := uint32(1)
	for range n {
		switch x >> 3 & 3 {
		case 0:
			x++
		case 1:
			x *= 3
		case 2:
			x ^= 0x5555
		case 3:
			x = x>>1 | x<<31
		}
	}
	return int64(x)
}

func goTree(n int64) int64 {
	used := uint64(0)
	var count func(depth int64) uint64
	count = func(depth int64) uint64 {
		used++
		value := used
		if depth == 0 {
			return value
		}
		left := count(depth - 1)
		return left*3 + count(depth-1)*5 + value
	}
	return int64(count(n))
}
