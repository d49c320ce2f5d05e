//go:build !wasip1

package vanth

// argSlots has room for lists of arguments, so that a row of a batch does not need memory of its own.
// A slot is used once: a function may keep its arguments. It then keeps those of its neighbours too,
// hence the small number.
type argSlots struct{ free []any }

const (
	slotsEach = 16
	slotsMost = 4 // longer lists are made one by one
)

// read takes a list of arguments, which is at depth, off the front of d. What it returns shares no
// memory with d.
func (s *argSlots) read(d *decoder, depth int) ([]any, error) {
	t, err := d.head()
	if err != nil {
		return nil, err
	}
	if t.kind != kList {
		return nil, errNoList
	}
	if t.n == 0 || t.n > slotsMost {
		return d.list(t.n, depth)
	}
	n := int(t.n)
	if len(s.free) < n {
		s.free = make([]any, slotsEach)
	}
	args := s.free[:n:n]
	s.free = s.free[n:]
	for i := range args {
		if args[i], err = d.value(depth); err != nil {
			return nil, err
		}
	}
	return args, nil
}

var errNoList = &Error{Msg: "the arguments are not a list", Class: Usage}
