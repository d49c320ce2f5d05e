package reserve

// clearMost is the largest memory that is cleared as a whole, in bytes. That touches each of its pages once; what is
// larger is better unmapped.
const clearMost = 256 << 10

// wipeAll makes mem what the image has if it is small. It returns the bytes of pages that it has touched.
func wipeAll(mem []byte, image *Image) (touched int, ok bool) {
	if len(mem) > clearMost {
		return 0, false
	}
	image.restore(mem, 0)
	return len(mem), true
}
