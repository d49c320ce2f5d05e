package frame

import "maps"

// maxKnown is how many rows a Decoder knows, knownPairs how many pairs they have at
// most, knownBytes how long they are at most, in bytes. leastStay is how many pairs
// must stay for a map to be cloned, leastHits how often one must serve that is given
// up in the middle, maxTrials how often that is learned from at once.
const (
	maxKnown   = 4
	knownPairs = 16
	knownBytes = 512
	leastStay  = 1
	leastHits  = 4
	maxTrials  = 6
)

// known is a row that was read, for those like it. Most columns of most streams stay
// what they are for many rows. These are compared as they lie, and not read; and a map
// of them is cloned, for which Go takes as long as for an empty one. What changes is
// added to it: to give another value to a key of a map of eight costs a larger map.
type known struct {
	raw   string // the pairs as they were
	pairs []knownPair
	stay  map[string]any // the pairs that stay; nil where there is nothing to clone
	keys  []string       // of stay, in the order of raw
	parts []part         // what raw consists of, but for what changes
}

// knownPair is where the value of a pair begins and ends in raw.
type knownPair struct {
	value, end int
	stays      bool
}

// part is pairs that stay and the key of one that changes, which the last has not.
type part struct {
	raw    string
	before int    // how many pairs that stay are in the parts before it
	column column // of the pair that changes
}

// place is where a Decoder knows a row.
type place struct {
	row    *known // nil for none
	hits   uint32 // rows that were like it since the last that was not
	misses uint32 // rows that were not
	trials uint32 // how many of these to learn yet
}

// place returns the place for rows of n pairs at a depth, nil for none.
func (d *Decoder) place(n, depth int) *place {
	if n < leastStay || n > knownPairs {
		return nil
	}
	if d.rows == nil {
		d.rows = new([maxKnown]place)
	}
	return &d.rows[(n+depth)%maxKnown]
}

// known reads n pairs, and knows them from then on.
func (r *reading) known(at *place, n, depth int) (m map[string]any, ok bool) {
	begin, left, k := r.at, n, at.row
	if !k.serves() || len(k.pairs) != n || !r.comes(k.parts[0].raw) {
		k, m = nil, make(map[string]any, n)
	} else if m, left, ok = r.like(k, depth); !ok {
		return nil, false
	} else if left == 0 {
		at.hit()
		return m, true
	}
	if !r.row(m, left, depth) {
		return nil, false
	}
	if len(m) == n { // else a key came twice, and the last one counts
		at.miss(k, r.b[begin:r.at], m)
	}
	return m, true
}

// serves reports whether there is anything to clone.
func (k *known) serves() bool { return k != nil && k.stay != nil }

// comes reports whether s comes next, and if so reads it.
func (r *reading) comes(s string) bool {
	b := r.b[r.at:]
	if len(s) > len(b) || string(b[:len(s)]) != s {
		return false
	}
	r.at += len(s)
	return true
}

// like reads a row that begins as k does, behind its first part and as far as it is
// like k; left is how many pairs it has beyond that.
func (r *reading) like(k *known, depth int) (m map[string]any, left int, ok bool) {
	m = maps.Clone(k.stay)
	for i := range k.parts {
		p := &k.parts[i]
		if i > 0 && !r.comes(p.raw) {
			for _, key := range k.keys[p.before:] {
				delete(m, key) // it has not come yet
			}
			return m, len(k.pairs) - p.before - i, true
		}
		if i == len(k.parts)-1 {
			break
		}
		v, ok := r.columnValue(&p.column, depth)
		if !ok {
			return nil, 0, false
		}
		m[p.column.key] = v
	}
	return m, 0, true
}

// hit notes that a row was like the one that is known.
func (s *place) hit() {
	if s.hits++; s.hits == settled {
		s.misses = 0
	}
}

// miss notes that m, which was read from raw, was not, or not all of it if k was tried.
// It is learned at the first miss, the second, the fourth and so on, as shapes are, and
// so are the next few if something seemed to stay: each tells more of what does not.
func (s *place) miss(k *known, raw []byte, m map[string]any) {
	hits := s.hits
	s.hits = 0
	switch s.misses++; {
	case s.misses&(s.misses-1) == 0:
		s.trials = maxTrials
		s.row = s.learn(raw, m, hits >= settled)
	case s.trials > 0 && s.row.serves():
		s.trials--
		if k := s.learn(raw, m, false); k.parts != nil { // it had the same columns
			s.row = k
		}
	case k != nil && hits < leastHits:
		k.stay = nil // more was tried than was gained
	}
}

// learn returns what is known of m. What stays is what stayed in the row before, if that
// had the same columns; what once did not may again to forget, and where too few are left.
func (s *place) learn(raw []byte, m map[string]any, forget bool) *known {
	if len(raw) > knownBytes {
		return s.row
	}
	k := &known{raw: string(raw), pairs: make([]knownPair, len(m))}
	scan := scanner{b: raw}
	for i := range k.pairs {
		p := &k.pairs[i]
		scan.skipKey()
		p.value = scan.at
		scan.skip(0)
		p.end, p.stays = scan.at, true
	}
	if old := s.row; old != nil && k.alike(old) {
		forget = forget || len(old.keys) < leastStay
		for i, was := range old.pairs {
			_, value := k.pair(i)
			_, before := old.pair(i)
			k.pairs[i].stays = value == before && (forget || was.stays)
		}
		k.divide(raw, m)
	}
	return k
}

// alike reports whether both have the same columns.
func (k *known) alike(old *known) bool {
	if len(k.pairs) != len(old.pairs) {
		return false
	}
	for i := range k.pairs {
		key, _ := k.pair(i)
		if before, _ := old.pair(i); key != before {
			return false
		}
	}
	return true
}

// pair returns the key and the value of a pair as they lie in raw.
func (k *known) pair(i int) (key, value string) {
	p, begin := k.pairs[i], 0
	if i > 0 {
		begin = k.pairs[i-1].end
	}
	return k.raw[begin:p.value], k.raw[p.value:p.end]
}

// divide makes the parts of what stays, and a map if that is enough for one.
func (k *known) divide(raw []byte, m map[string]any) {
	k.keys, k.parts = make([]string, 0, len(m)), make([]part, 0, len(m)+1)
	stay := make(map[string]any, len(m))
	scan := scanner{b: raw}
	from, before := 0, 0 // where the part begins, and what is before it
	for i := range k.pairs {
		p := &k.pairs[i]
		_, n := scan.next()
		key := string(scan.take(n))
		scan.at = p.end
		if p.stays = p.stays && shared(m[key]); p.stays {
			stay[key] = m[key]
			k.keys = append(k.keys, key)
			continue
		}
		k.parts = append(k.parts, part{raw: k.raw[from:p.value], before: before, column: column{key: key}})
		from, before = p.end, len(k.keys)
	}
	k.parts = append(k.parts, part{raw: k.raw[from:], before: before})
	if len(stay) >= leastStay {
		k.stay = stay
	}
}

// shared reports whether many maps may have the same v: nobody can change it.
func shared(v any) bool {
	switch v.(type) {
	case nil, bool, int64, uint64, float64, string:
		return true
	}
	return false
}
