package portable

// buffers are what a call needs; they are kept for the next.
type buffers struct{ request, answer []byte }

// keepBytes is the size of buffers that are worth keeping.
const keepBytes = 1 << 20

func (r *Runtime) borrow() *buffers {
	if b, ok := r.buffers.Get().(*buffers); ok {
		return b
	}
	return new(buffers)
}

func (r *Runtime) keep(b *buffers) {
	if cap(b.request)+cap(b.answer) <= keepBytes {
		r.buffers.Put(b)
	}
}
