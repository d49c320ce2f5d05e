package main

import "fmt"

func rejects() []rejected {
	var all []rejected
	for _, group := range [][]rejected{truncations(), counts(), texts(), depths(), extensions(), badTimes(), badErrors(), others()} {
		all = append(all, group...)
	}
	return all
}

// truncations has every head that announces bytes, short of its number and short of its content.
func truncations() []rejected {
	var all []rejected
	short := func(name string, frame []byte) { all = append(all, no("truncated "+name, "truncated", frame)) }
	short("nothing at all", nil)
	for i, width := range []int{1, 2, 4, 8} {
		short(fmt.Sprintf("uint%d", 8*width), cat(0xcc+i, make([]byte, width-1)))
		short(fmt.Sprintf("int%d", 8*width), cat(0xd0+i, make([]byte, width-1)))
	}
	short("float32", cat(0xca, 0, 0, 0))
	short("float64", cat(0xcb, make([]byte, 7)))
	short("fixstr", cat(0xa3, "ab"))
	for i, width := range []int{1, 2, 4} {
		bits := 8 * width
		short(fmt.Sprintf("str%d length", bits), cat(0xd9+i, make([]byte, width-1)))
		short(fmt.Sprintf("str%d", bits), cat(0xd9+i, be(width, 3), "ab"))
		short(fmt.Sprintf("bin%d length", bits), cat(0xc4+i, make([]byte, width-1)))
		short(fmt.Sprintf("bin%d", bits), cat(0xc4+i, be(width, 3), "ab"))
		short(fmt.Sprintf("ext%d length", bits), cat(0xc7+i, make([]byte, width-1)))
		short(fmt.Sprintf("ext%d type", bits), cat(0xc7+i, be(width, 4)))
		short(fmt.Sprintf("ext%d", bits), cat(0xc7+i, be(width, 4), 0xff, 0, 0, 0))
	}
	for i, size := range []int{1, 2, 4, 8, 16} {
		short(fmt.Sprintf("fixext%d", size), cat(0xd4+i, 0xff, make([]byte, size-1)))
	}
	short("array16 length", cat(0xdc, 0))
	short("array32 length", cat(0xdd, 0, 0, 0))
	short("map16 length", cat(0xde, 0))
	short("map32 length", cat(0xdf, 0, 0, 0))
	short("item of an array", cat(0x91, 0xcd, 1))
	short("value of a map", cat(0x81, 0xa1, "a"))
	short("key of a map", cat(0x81, 0xa5, "ab"))
	short("unknown ext: its length is looked at first", cat(0xc7, 9, 42, 0))
	short("str32 of 4 GiB", cat(0xdb, 0xff, 0xff, 0xff, 0xff, "a"))
	short("bin32 of 2 GiB", cat(0xc6, 0x80, 0, 0, 0, "a"))
	return all
}

// counts announce more items than bytes follow: to be refused before anything is allocated.
func counts() []rejected {
	return []rejected{
		no("count fixarray", "count", cat(0x93, 1, 2)),
		no("count array16", "count", cat(0xdc, 0, 4, 1, 2, 3)),
		no("count array32 of 4 Gi", "count", cat(0xdd, 0xff, 0xff, 0xff, 0xff)),
		no("count array32 inside an array", "count", cat(0x91, 0xdd, 0x7f, 0xff, 0xff, 0xff, 1)),
		no("count fixmap: two bytes a pair", "count", cat(0x82, 0xa0, 1, 0xa0)),
		no("count map16", "count", cat(0xde, 0xff, 0xff, 0xa0, 1)),
		no("count map32 of 4 Gi", "count", cat(0xdf, 0xff, 0xff, 0xff, 0xff, 0xa0, 1)),
	}
}

func texts() []rejected {
	bad := func(name string, b ...int) rejected {
		frame := cat(0xa0 + len(b))
		for _, c := range b {
			frame = append(frame, byte(c))
		}
		return no("utf8 "+name, "utf8", frame)
	}
	return []rejected{
		bad("lone continuation", 0x80),
		bad("cut character", 0xe2, 0x82),
		bad("overlong slash", 0xc0, 0xaf),
		bad("overlong zero", 0xe0, 0x80, 0x80),
		bad("surrogate", 0xed, 0xa0, 0x80),
		bad("beyond U+10FFFF", 0xf4, 0x90, 0x80, 0x80),
		bad("byte 0xff", 'a', 0xff, 'b'),
		no("utf8 in str8", "utf8", cat(0xd9, 1, 0xff)),
		no("utf8 in a key", "utf8", cat(0x81, 0xa1, 0xff, 1)),
		no("utf8 in an item", "utf8", cat(0x92, 1, 0xa1, 0xfe)),
	}
}

func depths() []rejected {
	return []rejected{
		no("depth 65 arrays", "depth", cat(times(64, cat(0x91)), 0x90)),
		no("depth 65 maps", "depth", cat(times(64, cat(0x81, 0xa1, "a")), 0x80)),
		no("depth 64 arrays and a map", "depth", cat(times(64, cat(0x91)), 0x80)),
		no("depth 1000 arrays", "depth", times(1000, cat(0x91))),
	}
}

func extensions() []rejected {
	return []rejected{
		no("ext type 0", "ext", cat(0xd4, 0, 1)),
		no("ext type 2", "ext", cat(0xd6, 2, 0, 0, 0, 0)),
		no("ext type -2", "ext", cat(0xd6, 0xfe, 0, 0, 0, 0)),
		no("ext type 127 empty", "ext", cat(0xc7, 0, 127)),
		no("ext type 5 in a map", "ext", cat(0x81, 0xa1, "a", 0xd5, 5, 0, 0)),
	}
}

func badTimes() []rejected {
	return []rejected{
		no("timestamp of 0 bytes", "timestamp", cat(0xc7, 0, 0xff)),
		no("timestamp of 1 byte", "timestamp", cat(0xd4, 0xff, 0)),
		no("timestamp of 5 bytes", "timestamp", cat(0xc7, 5, 0xff, make([]byte, 5))),
		no("timestamp of 16 bytes", "timestamp", cat(0xd8, 0xff, make([]byte, 16))),
		no("timestamp 8 with 1e9 nanoseconds", "timestamp", cat(0xd7, 0xff, be(8, 1_000_000_000<<34))),
		no("timestamp 12 with 1e9 nanoseconds", "timestamp", cat(0xc7, 12, 0xff, be(4, 1_000_000_000), be(8, 0))),
	}
}

func badErrors() []rejected {
	bad := func(name string, body []byte) rejected {
		return no("error "+name, "error", cat(0xc7, len(body), 1, body))
	}
	msg := cat(0xa3, "msg", 0xa1, "m")
	class := cat(0xa5, "class", 0xa2, "io")
	return []rejected{
		bad("empty payload", nil),
		bad("payload that is a string", cat(0xa1, "m")),
		bad("without class", cat(0x81, msg)),
		bad("without msg", cat(0x81, class)),
		bad("msg twice", cat(0x82, msg, msg)),
		bad("third key", cat(0x83, msg, class, 0xa1, "x", 1)),
		bad("another key", cat(0x82, msg, 0xa4, "kind", 0xa2, "io")),
		bad("msg not a string", cat(0x82, 0xa3, "msg", 1, class)),
		bad("class not a string", cat(0x82, msg, 0xa5, "class", 0xc0)),
		bad("unknown class", cat(0x82, msg, 0xa5, "class", 0xa3, "odd")),
		bad("msg not UTF-8", cat(0x82, 0xa3, "msg", 0xa1, 0xff, class)),
		bad("cut payload", cat(0x82, msg, 0xa5, "class", 0xa2, "i")),
		bad("byte after the payload's map", cat(0x82, msg, class, 0xc0)),
	}
}

func others() []rejected {
	return []rejected{
		no("reserved", "reserved", cat(0xc1)),
		no("reserved in an array", "reserved", cat(0x91, 0xc1)),
		no("key int", "key", cat(0x81, 1, 1)),
		no("key nil", "key", cat(0x81, 0xc0, 1)),
		no("key bin", "key", cat(0x81, 0xc4, 1, "a", 1)),
		no("key array", "key", cat(0x81, 0x90, 1)),
		no("trailing nil", "trailing", cat(0xc0, 0xc0)),
		no("trailing after an array", "trailing", cat(0x91, 1, 2)),
		no("trailing reserved byte", "trailing", cat(0x01, 0xc1)),
	}
}
