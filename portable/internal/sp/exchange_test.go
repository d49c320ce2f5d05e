package sp

import "testing"

func TestExchange(t *testing.T) {
	type step struct {
		sent      bool // our message went out before the request came
		id        uint32
		handshake bool
		waited    bool
		want      news
		state     stage
	}
	for name, steps := range map[string][]step{
		"handshake, answer, answer": {
			{id: 1, handshake: true, want: free, state: ready},
			{sent: true, id: 2, waited: true, want: answer, state: ready},
			{sent: true, id: 3, waited: true, want: answer, state: ready},
		},
		"first generation: the last request again while idle, and during a call": {
			{id: 1, handshake: true, want: free, state: ready},
			{sent: true, id: 2, waited: true, want: answer, state: ready},
			{id: 2, want: nothing, state: ready},
			{id: 2, want: nothing, state: ready},
			{sent: true, id: 2, waited: true, want: nothing, state: out},
			{id: 3, waited: true, want: answer, state: ready},
		},
		"third generation: new handshakes while idle": {
			{id: 1, handshake: true, want: free, state: ready},
			{id: 2, handshake: true, want: nothing, state: ready},
			{id: 3, handshake: true, want: nothing, state: ready},
			{sent: true, id: 4, waited: true, want: answer, state: ready},
		},
		"third generation: gives up just as it is answered, twice": {
			{id: 1, handshake: true, want: free, state: ready},
			{sent: true, id: 2, handshake: true, waited: true, want: retry, state: again},
			{id: 3, handshake: true, waited: true, want: nothing, state: again},
			{sent: true, id: 4, handshake: true, waited: true, want: retry, state: again},
			{sent: true, id: 5, waited: true, want: answer, state: ready},
		},
		"a late answer frees the connection": {
			{id: 1, handshake: true, want: free, state: ready},
			{sent: true, id: 2, want: free, state: ready},
		},
		"a late handshake does too": {
			{id: 1, handshake: true, want: free, state: ready},
			{sent: true, id: 2, handshake: true, want: free, state: ready},
		},
		"a plugin of an earlier host begins with an old result": {
			{id: 7, want: free, state: ready},
			{sent: true, id: 8, waited: true, want: answer, state: ready},
		},
		"ids wrap": {
			{id: 0xfffffffe, handshake: true, want: free, state: ready},
			{sent: true, id: 0xffffffff, waited: true, want: answer, state: ready},
			{sent: true, id: 0x80000000, waited: true, want: answer, state: ready},
			{id: 0xffffffff, want: nothing, state: ready},
			{sent: true, id: 0x80000001, waited: true, want: answer, state: ready},
		},
		"a request that nothing asked for": {
			{id: 1, handshake: true, want: free, state: ready},
			{id: 2, want: nothing, state: ready},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var e exchange
			for i, s := range steps {
				if s.sent {
					e.state = out
				}
				if got := e.take(s.id, s.handshake, s.waited); got != s.want || e.state != s.state {
					t.Fatalf("step %d: news %d, state %d; want %d, %d", i, got, e.state, s.want, s.state)
				}
				if s.want != nothing && e.token != s.id {
					t.Fatalf("step %d: token %d", i, e.token)
				}
			}
		})
	}
}
