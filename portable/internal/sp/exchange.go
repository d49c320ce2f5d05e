package sp

// seenLen is how many ids of a connection are remembered. Ids increase by one and only the last request of a socket is
// ever sent again, so that two would do.
const seenLen = 8

// exchange is what is known of the requests of one REQ peer. Its token is the newest request, which the next message
// of ours must answer.
//
//	silent --any request--> ready --sent--> out --handshake--> again --sent--> out
//	                          ^              |
//	                          +--any other---+   (the answer, if somebody still waits for it)
type exchange struct {
	state stage
	token uint32
	seen  [seenLen]uint32
	next  int
}

type stage uint8

const (
	silent stage = iota // nothing has come yet: there is nothing to answer
	ready               // the token can be answered
	out                 // the token has been answered: the next request is due
	again               // the answered request was given up, the answer must be given to the token instead
)

// news is what a request means.
type news uint8

const (
	nothing news = iota // a request that was seen before, or a newer token where there was one
	free                // there is a token now, where there was none
	retry               // send again, to the token
	answer              // the answer to what was sent; there is also a token now
)

// take looks at a request. waited says that somebody waits for an answer.
func (e *exchange) take(id uint32, handshake, waited bool) news {
	for _, old := range e.seen {
		if old == id {
			return nothing
		}
	}
	e.seen[e.next] = id
	e.next = (e.next + 1) % seenLen
	e.token = id
	was := e.state
	if was == out && waited && handshake {
		e.state = again
		return retry
	}
	if was == again && waited { // nobody has sent anything since: nothing can answer it
		return nothing
	}
	e.state = ready
	switch {
	case was == ready:
		return nothing
	case was == out && waited:
		return answer
	default:
		return free
	}
}
