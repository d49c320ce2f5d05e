package portable

// buffers are what a call needs; they are kept for the next.
type buffers struct {
	request, answer []byte
	bound           limited
}

// keepBytes is the size of buffers that are worth keeping.
const keepBytes = 1 << 20

func (r *Runtime) borrow() *buffers {
	if b, ok := r.buffers.Get().(*buffers); ok {
		return b
	}
	return new(buffers)
}

// keep ends the call's bound, too. Nobody may wait for it any more.
func (r *Runtime) keep(b *buffers) {
	if b.bound.release() && cap(b.request)+cap(b.answer) <= keepBytes {
		r.buffers.Put(b)
	}
}
