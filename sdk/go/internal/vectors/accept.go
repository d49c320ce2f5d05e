package main

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
)

func accepts() []accepted {
	var all []accepted
	for _, group := range [][]accepted{
		{
			yes("nil", object{"nil": true}, cat(0xc0)),
			yes("false", object{"bool": false}, cat(0xc2)),
			yes("true", object{"bool": true}, cat(0xc3)),
		},
		integers(), wideIntegers(), floats(), strs(), bins(), lists(), dicts(), timestamps(), failures(), frames(),
	} {
		all = append(all, group...)
	}
	return all
}

func integer(i int64) object { return object{"int": strconv.FormatInt(i, 10)} }
func str(s string) object    { return object{"str": s} }
func bin(b []byte) object    { return object{"bin": hex.EncodeToString(b)} }

// integers has both ends of every width in its one canonical form.
func integers() []accepted {
	var all []accepted
	for _, c := range []struct {
		i     int64
		frame []byte
	}{
		{0, cat(0x00)},
		{1, cat(0x01)},
		{127, cat(0x7f)},
		{128, cat(0xcc, 0x80)},
		{255, cat(0xcc, 0xff)},
		{256, cat(0xcd, 1, 0)},
		{32767, cat(0xcd, 0x7f, 0xff)},
		{32768, cat(0xcd, 0x80, 0)},
		{65535, cat(0xcd, 0xff, 0xff)},
		{65536, cat(0xce, 0, 1, 0, 0)},
		{math.MaxInt32, cat(0xce, be(4, math.MaxInt32))},
		{math.MaxInt32 + 1, cat(0xce, be(4, 1<<31))},
		{math.MaxUint32, cat(0xce, be(4, math.MaxUint32))},
		{math.MaxUint32 + 1, cat(0xcf, be(8, 1<<32))},
		{1 << 53, cat(0xcf, be(8, 1<<53))},
		{math.MaxInt64, cat(0xcf, be(8, math.MaxInt64))},
		{-1, cat(0xff)},
		{-32, cat(0xe0)},
		{-33, cat(0xd0, 0xdf)},
		{-128, cat(0xd0, 0x80)},
		{-129, cat(0xd1, 0xff, 0x7f)},
		{-32768, cat(0xd1, 0x80, 0)},
		{-32769, cat(0xd2, 0xff, 0xff, 0x7f, 0xff)},
		{math.MinInt32, cat(0xd2, 0x80, 0, 0, 0)},
		{math.MinInt32 - 1, cat(0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff)},
		{math.MinInt64, cat(0xd3, 0x80, be(7, 0))},
	} {
		all = append(all, yes("int "+strconv.FormatInt(c.i, 10), integer(c.i), c.frame))
	}
	for _, u := range []uint64{1 << 63, math.MaxUint64} {
		all = append(all, yes("uint "+strconv.FormatUint(u, 10), object{"uint": strconv.FormatUint(u, 10)}, cat(0xcf, be(8, u))))
	}
	return all
}

// wideIntegers has small numbers in every head that is wider than they need.
func wideIntegers() []accepted {
	var all []accepted
	for i, width := range []int{1, 2, 4, 8} {
		bits := 8 * width
		all = append(all,
			also(fmt.Sprintf("uint%d 5", bits), integer(5), cat(0xcc+i, be(width, 5))),
			also(fmt.Sprintf("int%d 5", bits), integer(5), cat(0xd0+i, be(width, 5))),
			also(fmt.Sprintf("int%d -1", bits), integer(-1), cat(0xd0+i, be(width, math.MaxUint64))),
			also(fmt.Sprintf("int%d largest", bits), integer(int64(1)<<(bits-1)-1), cat(0xd0+i, be(width, 1<<(bits-1)-1))),
		)
	}
	return append(all, also("uint64 of uint32", integer(math.MaxUint32), cat(0xcf, be(8, math.MaxUint32))))
}

func floats() []accepted {
	f64 := func(f float64) []byte { return cat(0xcb, be(8, math.Float64bits(f))) }
	f32 := func(f float32) []byte { return cat(0xca, be(4, uint64(math.Float32bits(f)))) }
	value := func(f float64) object {
		switch {
		case math.IsInf(f, 0):
			return object{"float": map[bool]string{true: "Inf", false: "-Inf"}[f > 0]}
		case f == 0 && math.Signbit(f):
			return object{"float": "-0"}
		}
		return object{"float": strconv.FormatFloat(f, 'g', -1, 64)}
	}
	var all []accepted
	for _, f := range []float64{
		0, math.Copysign(0, -1), 1, -1.5, 0.1, math.Pi, 1 << 53, math.MaxFloat64,
		math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1),
	} {
		all = append(all, yes("float64 "+value(f)["float"].(string), value(f), f64(f)))
	}
	for _, f := range []float32{
		0, float32(math.Copysign(0, -1)), 1.5, 0.1, math.MaxFloat32,
		math.SmallestNonzeroFloat32, float32(math.Inf(1)), float32(math.Inf(-1)),
	} {
		all = append(all, also("float32 "+value(float64(f))["float"].(string), value(float64(f)), f32(f)))
	}
	nan := object{"float": "NaN"}
	return append(all,
		also("float64 NaN", nan, cat(0xcb, 0x7f, 0xf8, be(6, 0))),
		also("float64 NaN with a payload", nan, cat(0xcb, 0xff, 0xf8, be(6, 1))),
		also("float32 NaN", nan, cat(0xca, 0x7f, 0xc0, 0, 0)),
	)
}

func strs() []accepted {
	a := func(n int) string { return strings.Repeat("a", n) }
	return []accepted{
		yes("str empty", str(""), cat(0xa0)),
		yes("str ascii", str("vanth"), cat(0xa5, "vanth")),
		yes("str of 1 to 4 byte characters", str("aé€😀"), cat(0xaa, "aé€😀")),
		yes("str with a zero byte", str("a\x00b"), cat(0xa3, "a\x00b")),
		yes("str last code point", str("\U0010ffff"), cat(0xa4, 0xf4, 0x8f, 0xbf, 0xbf)),
		yes("str 31 bytes", str(a(31)), cat(0xbf, a(31))),
		yes("str8 32 bytes", str(a(32)), cat(0xd9, 32, a(32))),
		yes("str8 255 bytes", str(a(255)), cat(0xd9, 255, a(255))),
		yes("str16 256 bytes", str(a(256)), cat(0xda, 1, 0, a(256))),
		yes("str32 65536 bytes", str(a(65536)), cat(0xdb, 0, 1, 0, 0, a(65536))),
		also("str8 short", str("ab"), cat(0xd9, 2, "ab")),
		also("str16 short", str("ab"), cat(0xda, 0, 2, "ab")),
		also("str32 short", str("ab"), cat(0xdb, 0, 0, 0, 2, "ab")),
		also("str8 empty", str(""), cat(0xd9, 0)),
		also("str32 empty", str(""), cat(0xdb, 0, 0, 0, 0)),
	}
}

func bins() []accepted {
	z := func(n int) []byte { return make([]byte, n) }
	return []accepted{
		yes("bin empty", bin(nil), cat(0xc4, 0)),
		yes("bin of bytes that are not UTF-8", bin([]byte{0xff, 0, 0x80}), cat(0xc4, 3, 0xff, 0, 0x80)),
		yes("bin8 255 bytes", bin(z(255)), cat(0xc4, 255, z(255))),
		yes("bin16 256 bytes", bin(z(256)), cat(0xc5, 1, 0, z(256))),
		yes("bin32 65536 bytes", bin(z(65536)), cat(0xc6, 0, 1, 0, 0, z(65536))),
		also("bin16 short", bin([]byte{7}), cat(0xc5, 0, 1, 7)),
		also("bin32 short", bin([]byte{7}), cat(0xc6, 0, 0, 0, 1, 7)),
	}
}

func lists() []accepted {
	nils := func(n int) object {
		items := make([]any, n)
		for i := range items {
			items[i] = object{"nil": true}
		}
		return object{"array": items}
	}
	nested := func(depth int) object {
		v := object{"array": []any{}}
		for range depth - 1 {
			v = object{"array": []any{v}}
		}
		return v
	}
	return []accepted{
		yes("array empty", nils(0), cat(0x90)),
		yes("array mixed", object{"array": []any{integer(1), str("b"), object{"nil": true}, object{"bool": true}}}, cat(0x94, 1, 0xa1, "b", 0xc0, 0xc3)),
		yes("array 15 items", nils(15), cat(0x9f, times(15, cat(0xc0)))),
		yes("array16 16 items", nils(16), cat(0xdc, 0, 16, times(16, cat(0xc0)))),
		yes("array16 300 items", nils(300), cat(0xdc, 1, 44, times(300, cat(0xc0)))),
		also("array16 short", nils(1), cat(0xdc, 0, 1, 0xc0)),
		also("array32 short", nils(2), cat(0xdd, 0, 0, 0, 2, 0xc0, 0xc0)),
		also("array32 empty", nils(0), cat(0xdd, 0, 0, 0, 0)),
		yes("array depth 2", nested(2), cat(0x91, 0x90)),
		yes("array depth 64", nested(64), cat(times(63, cat(0x91)), 0x90)),
	}
}

func dicts() []accepted {
	keys := func(n int) (object, []byte) {
		m, frame := object{}, []byte(nil)
		for i := range n {
			key := fmt.Sprintf("k%03d", i)
			m[key] = integer(int64(i % 100))
			frame = cat(frame, 0xa4, key, i%100)
		}
		return object{"map": m}, frame
	}
	m15, f15 := keys(15)
	m16, f16 := keys(16)
	m300, f300 := keys(300)
	deep, deepFrame := object{"map": object{}}, cat(0x80)
	for range 63 {
		deep, deepFrame = object{"map": object{"a": deep}}, cat(0x81, 0xa1, "a", deepFrame)
	}
	one := object{"map": object{"a": integer(1)}}
	return []accepted{
		yes("map empty", object{"map": object{}}, cat(0x80)),
		yes("map one key", one, cat(0x81, 0xa1, "a", 1)),
		yes("map empty key", object{"map": object{"": integer(1)}}, cat(0x81, 0xa0, 1)),
		yes("map long key", object{"map": object{strings.Repeat("k", 32): integer(1)}}, cat(0x81, 0xd9, 32, strings.Repeat("k", 32), 1)),
		yes("map depth 64", deep, deepFrame),
		also("map 15 keys", m15, cat(0x8f, f15)),
		also("map16 16 keys", m16, cat(0xde, 0, 16, f16)),
		also("map16 300 keys", m300, cat(0xde, 1, 44, f300)),
		also("map16 short", one, cat(0xde, 0, 1, 0xa1, "a", 1)),
		also("map32 short", one, cat(0xdf, 0, 0, 0, 1, 0xa1, "a", 1)),
		also("map key as str8", one, cat(0x81, 0xd9, 1, "a", 1)),
		also("map duplicate key, last wins", object{"map": object{"a": integer(2), "b": integer(3)}}, cat(0x83, 0xa1, "a", 1, 0xa1, "b", 3, 0xa1, "a", 2)),
		also("map duplicate key, last is nil", object{"map": object{"a": object{"nil": true}}}, cat(0x82, 0xa1, "a", 1, 0xa1, "a", 0xc0)),
	}
}

func timestamps() []accepted {
	value := func(sec int64, nsec int) object {
		return object{"time": object{"sec": strconv.FormatInt(sec, 10), "nsec": strconv.Itoa(nsec)}}
	}
	t8 := func(sec, nsec uint64) []byte { return cat(0xd7, 0xff, be(8, nsec<<34|sec)) }
	t12 := func(sec int64, nsec uint64) []byte { return cat(0xc7, 12, 0xff, be(4, nsec), be(8, uint64(sec))) }
	return []accepted{
		yes("time 4 epoch", value(0, 0), cat(0xd6, 0xff, be(4, 0))),
		yes("time 4 last second", value(math.MaxUint32, 0), cat(0xd6, 0xff, be(4, math.MaxUint32))),
		yes("time 8 one nanosecond", value(0, 1), t8(0, 1)),
		yes("time 8 last nanosecond", value(1_700_000_000, 999_999_999), t8(1_700_000_000, 999_999_999)),
		yes("time 8 beyond 32 bits", value(1<<32, 0), t8(1<<32, 0)),
		yes("time 8 last second", value(1<<34-1, 999_999_999), t8(1<<34-1, 999_999_999)),
		yes("time 12 beyond 34 bits", value(1<<34, 0), t12(1<<34, 0)),
		yes("time 12 before the epoch", value(-1, 0), t12(-1, 0)),
		yes("time 12 before the epoch, nanoseconds", value(-1, 999_999_999), t12(-1, 999_999_999)),
		yes("time 12 year 1", value(-62135596800, 0), t12(-62135596800, 0)),
		yes("time 12 year 9999", value(253402300799, 5), t12(253402300799, 5)),
		also("time 8 of whole seconds", value(5, 0), t8(5, 0)),
		also("time 12 of small seconds", value(5, 7), t12(5, 7)),
		also("time 4 as ext8", value(5, 0), cat(0xc7, 4, 0xff, be(4, 5))),
		also("time 8 as ext16", value(5, 0), cat(0xc8, 0, 8, 0xff, be(8, 5))),
		also("time 12 as ext32", value(5, 7), cat(0xc9, 0, 0, 0, 12, 0xff, be(4, 7), be(8, 5))),
	}
}

func failures() []accepted {
	value := func(msg, class string) object { return object{"error": object{"msg": msg, "class": class}} }
	body := func(msg, class string) []byte {
		head := cat(0xa0 + len(msg))
		if len(msg) > 255 {
			head = cat(0xda, be(2, uint64(len(msg))))
		} else if len(msg) > 31 {
			head = cat(0xd9, len(msg))
		}
		return cat(0x82, 0xa3, "msg", head, msg, 0xa5, "class", 0xa0+len(class), class)
	}
	ext8 := func(b []byte) []byte { return cat(0xc7, len(b), 1, b) }
	long := strings.Repeat("m", 300)
	longBody := body(long, "fatal")
	return []accepted{
		yes("error usage", value("bad", "usage"), ext8(body("bad", "usage"))),
		yes("error io", value("try later", "io"), ext8(body("try later", "io"))),
		yes("error fatal", value("broken", "fatal"), ext8(body("broken", "fatal"))),
		yes("error without text, 15 bytes", value("", "io"), ext8(body("", "io"))),
		yes("error of 16 bytes is fixext16", value("m", "io"), cat(0xd8, 1, body("m", "io"))),
		yes("error long", value(long, "fatal"), cat(0xc8, be(2, uint64(len(longBody))), 1, longBody)),
		also("error class first", value("bad", "usage"), ext8(cat(0x82, 0xa5, "class", 0xa5, "usage", 0xa3, "msg", 0xa3, "bad"))),
		also("error payload in wide heads", value("bad", "io"), ext8(cat(0xdf, 0, 0, 0, 2, 0xd9, 3, "msg", 0xda, 0, 3, "bad", 0xa5, "class", 0xa2, "io"))),
		also("error as ext32", value("bad", "io"), cat(0xc9, be(4, uint64(len(body("bad", "io")))), 1, body("bad", "io"))),
		yes("error within an array", object{"array": []any{integer(1), value("bad", "usage")}}, cat(0x92, 1, ext8(body("bad", "usage")))),
	}
}

// frames are what calls and answers look like.
func frames() []accepted {
	return []accepted{
		yes("arguments of geohash", object{"array": []any{object{"float": "57.64911"}, object{"float": "10.40744"}, integer(11)}},
			cat(0x93, 0xcb, be(8, math.Float64bits(57.64911)), 0xcb, be(8, math.Float64bits(10.40744)), 11)),
		also("a row", object{"map": object{"id": integer(7), "tags": object{"array": []any{str("a"), str("b")}}, "raw": bin([]byte{1, 2})}},
			cat(0x83, 0xa2, "id", 7, 0xa4, "tags", 0x92, 0xa1, "a", 0xa1, "b", 0xa3, "raw", 0xc4, 2, 1, 2)),
	}
}
