package reserve

// clearMost is the largest memory that is cleared as a whole, in bytes. That touches each of its pages once; what is
// larger is better unmapped.
const clearMost = 256 << 10

// wipeAll makes mem zero if it is small. It returns the bytes of pages that it has touched.
func wipeAll(mem []byte) (touched int, ok bool) {
	if len(mem) > clearMost {
		return 0, false
	}
	clear(mem)
	return len(mem), true
}
