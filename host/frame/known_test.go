package frame

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

// pairs is a row in an order, as a frame has it and a map has not.
type pairs []pair

type pair struct {
	key   string
	value any
}

func (p pairs) append(tb testing.TB, dst []byte) []byte {
	dst = AppendMapHeader(dst, len(p))
	for _, pair := range p {
		var err error
		if dst, err = Append(AppendString(dst, pair.key), pair.value); err != nil {
			tb.Fatal(err)
		}
	}
	return dst
}

// decodeBoth decodes b with d, and without; both say the same.
func decodeBoth(t *testing.T, d *Decoder, b []byte) any {
	t.Helper()
	want, err := Decode(b)
	got, err2 := d.Decode(b)
	if (err == nil) != (err2 == nil) || err != nil && *err.(*Malformed) != *err2.(*Malformed) || !same(got, want) {
		t.Fatalf("%x: %v, %v, want %v, %v", b, got, err2, want, err)
	}
	return got
}

// TestDecoderKnows has rows that are like the one that is known up to some point.
func TestDecoderKnows(t *testing.T) {
	stays := pairs{{"id", int64(1 << 40)}, {"t", 21.5}, {"site", "north"}, {"n", int64(500)}, {"ok", true}, {"unit", "C"}, {"x", nil}, {"y", "yy"}}
	with := func(at int, key string, value any) pairs {
		p := append(pairs{}, stays...)
		p[at] = pair{key, value}
		return p
	}
	var cases []pairs
	for i := range stays {
		cases = append(cases,
			with(i, stays[i].key, "another"), with(i, stays[i].key, []any{map[string]any{"id": 1.5, "t": nil}}),
			with(i, "another", stays[i].value), with(i, stays[(i+1)%len(stays)].key, "twice"), with(i, "", ""),
			append(stays[:i:i], stays[i+1:]...), append(append(pairs{}, stays[i:]...), stays[:i]...))
	}
	for changes := range len(stays) { // how many columns have changed before
		for i, c := range cases {
			var d Decoder
			for n := range 10 {
				row := append(pairs{}, stays...)
				for i := range changes {
					row[len(row)-1-2*i%7].value = int64(1000 + n)
				}
				decodeBoth(t, &d, row.append(t, nil))
			}
			row := d.rows[(len(stays)+1)%maxKnown].row
			if want := len(stays) - changes; row == nil || len(row.keys) != want || (row.stay != nil) != (want >= leastStay) {
				t.Fatalf("%d columns change: %+v is known, expected %d that stay", changes, row, want)
			}
			b := c.append(t, nil)
			for _, b := range [][]byte{b, stays.append(t, nil), b} {
				decodeBoth(t, &d, b)
				m := decodeBoth(t, &d, b).(map[string]any)
				clear(m) // whoever has a row may do with it what he likes
				m["id"] = "mine"
			}
			for n := range b {
				decodeBoth(t, &d, b[:n])
				wrong := append([]byte{}, b...)
				wrong[n] ^= 0x80
				decodeBoth(t, &d, wrong)
				if n%16 == i%16 {
					decodeBoth(t, &d, b)
				}
			}
		}
	}
}

// TestDecoderKnowsAtRandom has streams of rows in which something changes now and then.
func TestDecoderKnowsAtRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	scalars := []any{nil, true, false, int64(5), int64(500), int64(-500), 1.5, "x", "a text of more than sixteen", strings.Repeat("long", 40), []byte{1}}
	clones := 0
	for range 300 {
		var d Decoder
		row := pairs{}
		for i := range random.IntN(knownPairs + 2) {
			row = append(row, pair{fmt.Sprint("column ", i), scalars[random.IntN(len(scalars))]})
		}
		calm := 1 << random.IntN(8) // rows between two changes
		for range 200 {
			if n := len(row); n > 0 && random.IntN(calm) == 0 {
				switch at := random.IntN(n); random.IntN(8) {
				case 0:
					row[at].key = fmt.Sprint("column ", random.IntN(2*n))
				case 1:
					row[at], row[0] = row[0], row[at]
				case 2:
					row[at].value = map[string]any{row[0].key: row[0].value, "column 1": "nested"}
				case 3:
					row[at].value = []any{map[string]any{"column 0": 2.5, "column 1": "nested"}}
				default:
					row[at].value = scalars[random.IntN(len(scalars))]
				}
			}
			if len(row) > 1 { // what changes always
				row[len(row)/2].value = random.Float64()
			}
			decodeBoth(t, &d, row.append(t, nil))
			decodeBoth(t, &d, row.append(t, row.append(t, AppendArrayHeader(nil, 2))))
		}
		if d.rows != nil {
			for _, at := range d.rows {
				clones += int(at.hits)
			}
		}
	}
	if clones < 1000 {
		t.Errorf("%d rows in a row were as one that is known: the test tries nothing", clones)
	}
}

// TestDecoderNestsAlike has maps in maps that are known in the same place, and learned
// while the one around them is read.
func TestDecoderNestsAlike(t *testing.T) {
	var d Decoder
	for i := range 200 {
		deep := any(pairs{{"a", int64(i)}, {"b", 1.5}, {"c", "x"}}.append(t, nil))
		for range maxKnown {
			b := AppendMapHeader(nil, 3)
			b = AppendFloat(AppendString(b, "a"), 1.5)
			b = append(AppendString(b, "b"), deep.([]byte)...)
			if i%7 == 0 {
				b = AppendString(AppendString(b, "c"), strings.Repeat("more than is known", knownBytes/10))
			} else {
				b = AppendString(AppendString(b, "c"), "x")
			}
			deep = b
		}
		decodeBoth(t, &d, deep.([]byte))
	}
}

// TestDecoderLearnsLess has rows of which each is another one, or like the one before
// for half of the way: the cost of learning them falls away.
func TestDecoderLearnsLess(t *testing.T) {
	for name, other := range map[string]pairs{
		"other columns": {{"d", true}, {"e", true}, {"f", true}},
		"other values":  {{"a", true}, {"b", true}, {"c", false}},
	} {
		var d Decoder
		frames := [][]byte{pairs{{"a", true}, {"b", true}, {"c", true}}.append(t, nil), other.append(t, nil)}
		i := 0
		run := func() {
			i++
			if _, err := d.Decode(frames[i/2%2]); err != nil {
				t.Fatal(err)
			}
		}
		for range 1000 {
			run()
		}
		if got := testing.AllocsPerRun(1000, run); got > 2 { // the map and its slots
			t.Errorf("%s: %v allocations a row", name, got)
		}
	}
}

// TestDecoderGivesUp has rows in which one column after the other changes, and then back:
// there are times when all seem to stay.
func TestDecoderGivesUp(t *testing.T) {
	var d Decoder
	tried := 0
	for i := range 2000 {
		row := pairs{}
		for j := range knownPairs {
			row = append(row, pair{fmt.Sprint(j), (i+j)/knownPairs%2 == 0})
		}
		if d.rows != nil && d.rows[(len(row)+1)%maxKnown].row.serves() {
			tried++
		}
		decodeBoth(t, &d, row.append(t, nil))
	}
	if tried > 200 {
		t.Errorf("of 2000 rows %d were tried as the one before", tried)
	}
}

// TestDecoderKnowsOneOfTwo has rows of two kinds in turn, in one place.
func TestDecoderKnowsOneOfTwo(t *testing.T) {
	var d Decoder
	hits := 0
	for i := range 1000 {
		row := pairs{{fmt.Sprint(i % 2), "x"}, {"a", "x"}, {"b", float64(i)}}
		decodeBoth(t, &d, row.append(t, nil))
		hits += int(d.rows[(len(row)+1)%maxKnown].hits)
	}
	if hits < 250 {
		t.Errorf("of 1000 rows %d were as one that is known", hits)
	}
}

// TestDecoderFinds has three columns that change as they like beside five that stay,
// after rows of which none did.
func TestDecoderFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for before := range 20 {
		var d Decoder
		row := pairs{}
		for i := range 8 {
			row = append(row, pair{fmt.Sprint(i), nil})
		}
		for i := range 50 * before {
			for j := range row {
				row[j].value = float64(i*8 + j)
			}
			decodeBoth(t, &d, row.append(t, nil))
		}
		for range 2000 + 50*before {
			for j := range row {
				row[j].value = j > 2 || random.IntN(2) == 0
			}
			decodeBoth(t, &d, row.append(t, nil))
		}
		if at := d.rows[(8+1)%maxKnown]; at.row.stay == nil || len(at.row.keys) != 5 || at.hits < settled {
			t.Errorf("%q stay, and %d rows were like it", at.row.keys, at.hits)
		}
	}
}

// TestDecoderForgives has columns that change once in a while, one after the other:
// most are taken for columns that stay all the same. One that changes as it likes is not.
func TestDecoderForgives(t *testing.T) {
	var d Decoder
	random := rand.New(rand.NewPCG(5, 6))
	row := pairs{{"a", true}}
	for i := range 8 {
		row = append(row, pair{fmt.Sprint("b", i), "here"})
	}
	at := func() place { return d.rows[(len(row)+1)%maxKnown] }
	for i := range 40 {
		once := append(pairs{}, row...)
		once[1+i%8].value = "elsewhere"
		decodeBoth(t, &d, once.append(t, nil))
		for range 2 * settled {
			row[0].value = random.IntN(2) == 0
			decodeBoth(t, &d, row.append(t, nil))
		}
		if at := at(); i > 8 && (at.row.stay == nil || at.hits < settled || len(at.row.keys) < 5) {
			t.Errorf("%d changes: %q stay, and %d rows were like it", i, at.row.keys, at.hits)
		}
	}
	row[0].key = "another"
	decodeBoth(t, &d, row.append(t, nil))
	if got, _ := at().row.pair(0); got != "\xa7another" {
		t.Errorf("%q is known, after so many rows that were like it the first other one is learned", got)
	}
}

// TestDecoderOwnsWhatItShares has values in a row that stays that somebody may change.
func TestDecoderOwnsWhatItShares(t *testing.T) {
	row := pairs{{"a", "x"}, {"b", []byte("bytes")}, {"c", []any{"x"}}, {"d", map[string]any{"x": "y"}}, {"e", &Error{"msg", ClassIO}}, {"f", "x"}}
	b := row.append(t, nil)
	var d Decoder
	for range 10 {
		m := decodeBoth(t, &d, b).(map[string]any)
		m["b"].([]byte)[0] = 'B'
		m["c"].([]any)[0] = nil
		clear(m["d"].(map[string]any))
		m["e"].(*Error).Msg = "another"
		m["a"] = nil
	}
}

// TestDecoderKnowsTwice has a key twice in a row of four, which must not be taken for
// one of three.
func TestDecoderKnowsTwice(t *testing.T) {
	var d Decoder
	const rest = "\xa1a\xa1x\xa1a\xa1x\xa1b\xa1x\xa1c\xa1x"
	for range 10 {
		decodeBoth(t, &d, []byte("\x84"+rest))
	}
	decodeBoth(t, &d, []byte("\x93\x83"+rest)) // in the same place
	for i := range 100 {
		decodeBoth(t, &d, pairs{{"a", float64(i)}, {"a", "x"}, {"b", "x"}, {"c", "x"}}.append(t, nil))
	}
}

// kept is how many bytes are kept of the rows that are known.
func (k *known) kept() int {
	boxed := func(v any) int {
		if s, ok := v.(string); ok {
			return 16 + len(s)
		}
		return 8
	}
	if k == nil {
		return 0
	}
	n := int(unsafe.Sizeof(*k)) + len(k.raw) + cap(k.pairs)*int(unsafe.Sizeof(knownPair{})) +
		cap(k.keys)*int(unsafe.Sizeof("")) + cap(k.parts)*int(unsafe.Sizeof(part{})) + int(mapCost(len(k.pairs)))
	for key, v := range k.stay {
		n += len(key) + boxed(v)
	}
	for _, p := range k.parts {
		n += len(p.column.key) + boxed(p.column.last)
	}
	return n
}
