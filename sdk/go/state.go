package vanth

// Get reads the value kept under key; false if there is none. State belongs to the function of one
// rule, is saved by the host and outlives the instance, which package variables do not. State and
// counters need "state" in the manifest's requires.
func Get(key string) (any, bool, error) {
	if h := live(); h != nil {
		return h.get(key)
	}
	frame, code := fetch(func(out []byte) int32 { return hostStateGet(key, out) })
	defer giveBack(frame)
	switch {
	case code == codeAbsent:
		return nil, false, nil
	case code < 0:
		return nil, false, &HostError{Op: "get", Key: key, Code: code}
	}
	v, err := Value(frame)
	return v, err == nil, err
}

// Put keeps v, which is anything Append takes, under key.
func Put(key string, v any) error {
	if h := live(); h != nil {
		return h.put(key, v)
	}
	frame, err := Append(borrow()[:0], v)
	defer giveBack(frame)
	if err != nil {
		return err
	}
	if code := hostStatePut(key, frame); code < 0 {
		return &HostError{Op: "put", Key: key, Code: code}
	}
	return nil
}

// Delete removes what is kept under key. That nothing is kept there is no error.
func Delete(key string) error {
	if h := live(); h != nil {
		return h.remove(key)
	}
	if code := hostStateDelete(key); code < 0 && code != codeAbsent {
		return &HostError{Op: "delete", Key: key, Code: code}
	}
	return nil
}

// Count adds by to the counter of that name and returns the new count. A counter starts at 0, stops
// at the ends of int64, and is saved as state is. Counters and state do not share names.
func Count(key string, by int64) int64 {
	if h := live(); h != nil {
		return h.add(key, by)
	}
	return hostCount(key, by)
}

// Counter reads the counter of that name, 0 if it was never used.
func Counter(key string) int64 {
	if h := live(); h != nil {
		return h.count(key)
	}
	return hostCounter(key)
}

// The host's return codes below 0.
const (
	codeAbsent   int32 = -1
	codePointer  int32 = -2
	codeTooLarge int32 = -3
	codeDenied   int32 = -4
	codeClosed   int32 = -5
	codeLater    int32 = -6
)

// HostError is a refusal by the host. A function that returns it fails with class IO if the host is
// closing or has enough for now, else Fatal.
type HostError struct {
	Op   string // get, put, delete, emit, mark, http
	Key  string
	Code int32 // -1 absent, -2 bad pointer, -3 too large, -4 denied, -5 closed, -6 later
}

func (e *HostError) Error() string {
	why := "refused by the host"
	switch e.Code {
	case codeAbsent:
		why = "absent"
	case codePointer:
		why = "bad pointer"
	case codeTooLarge:
		why = "too large"
	case codeDenied:
		why = "denied: the manifest must require it and the host grant it"
	case codeClosed:
		why = "closed"
	case codeLater:
		why = "too much for now: try again later"
	}
	switch e.Op {
	case "emit", "mark":
		return e.Op + ": " + why
	case "http":
		return "http: " + e.Key + ": " + why
	}
	return "state: " + e.Op + " " + e.Key + ": " + why
}

func (e *HostError) class() Class {
	if e.Code == codeClosed || e.Code == codeLater {
		return IO
	}
	return Fatal
}

// fetch runs an import that fills a buffer and answers how much it needs; while that is more than
// there is, nothing was written and it is asked again. The data is valid until giveBack.
func fetch(fill func(out []byte) int32) (data []byte, code int32) {
	out := borrow()
	for {
		n := fill(out)
		if n < 0 {
			return out[:0], n
		}
		if int(n) <= len(out) {
			return out[:n], 0
		}
		out = make([]byte, n)
	}
}

const minSpare = 1 << 10

// borrow takes the spare buffer away until giveBack. A goroutine of the author's that comes between
// the two finds none and makes its own; Go on wasm switches goroutines only inside function calls,
// so taking it needs no lock.
func borrow() []byte {
	b := this.spare
	this.spare = nil
	if b == nil {
		b = make([]byte, minSpare)
	}
	return b
}

// giveBack keeps b for the next borrow, unless it has become too large to keep.
func giveBack(b []byte) {
	if cap(b) > 0 && cap(b) <= keepResult {
		this.spare = b[:cap(b)]
	}
}
