package sp

// queue is the calls that wait, the longest waiting first.
type queue struct {
	first, last *call
	len         int
}

func (q *queue) push(l *call) {
	l.queued, l.prev = true, q.last
	if q.last == nil {
		q.first = l
	} else {
		q.last.next = l
	}
	q.last = l
	q.len++
}

// pop returns nil if nobody waits.
func (q *queue) pop() *call {
	l := q.first
	if l != nil {
		q.remove(l)
	}
	return l
}

func (q *queue) remove(l *call) {
	if l.prev == nil {
		q.first = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		q.last = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.queued, l.prev, l.next = false, nil, nil
	q.len--
}
