package frame

// maxColumns is how many columns a Decoder remembers, maxKey how long their keys
// may be, which is as long as a head of one byte can say, maxText how long a text
// that is their last value, in bytes. columnTries is in how many places one is
// looked for.
const (
	maxColumns  = 64
	maxKey      = 31
	maxText     = 64
	columnTries = 4
)

// DecoderKeeps is the most that a [Decoder] keeps between two frames, in bytes:
// 64 columns, each with a key of at most 31 bytes and its last value, a number or
// a text of at most 64 bytes; and four rows of at most 16 pairs and 512 bytes, whose
// pairs it has three times, as they lie, in a map, and where they change.
const DecoderKeeps = maxColumns*(40+maxKey+1+maxText+16) +
	maxKnown*(128+2*knownBytes+knownPairs*(24+16+64+72+16+maxText))

// column is what is remembered of the pairs with one key.
type column struct {
	key  string  // UTF-8, not empty; "" for a free place
	last any     // a float64, an int64 or a string, if it is of use
	next *column // what came after it
}

// memo is a table of columns by hash of their keys. What is not found in a few
// places takes one of them.
type memo [maxColumns]column

// column returns the column with the key of n bytes that begins at start and is
// next to be read.
func (r *reading) column(start, n int) (*column, bool) {
	p := r.b[r.at : r.at+n]
	first := columnSlot(p)
	memo := r.decoder.memo
	place := &memo[first]
	for i := range uint32(columnTries) {
		// Not a switch: there the compiler makes a string of p.
		if c := &memo[(first+i)%maxColumns]; c.key == string(p) {
			r.at += n
			return c, true
		} else if c.key == "" {
			place = c
		}
	}
	p, ok := r.text(start, uint64(n))
	if !ok {
		return nil, false
	}
	*place = column{key: string(p)}
	return place, true
}

// columnSlot is the first place for p, which is not empty: cheap, and different
// for the columns of one row more often than not.
func columnSlot(p []byte) uint32 {
	h := uint32(len(p))*0x9e3779b1 ^ uint32(p[0])<<16 ^ uint32(p[len(p)/2])<<8 ^ uint32(p[len(p)-1])
	return h * 0x85ebca6b >> (32 - 6)
}
