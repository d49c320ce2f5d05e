// Package frame is the host's side of the value profile: how arguments and
// results look in a guest's memory. A frame is one value in the subset of
// MessagePack that sdk/abi describes.
//
//	Go                                   frame             decoded as
//	nil                                  nil               nil
//	bool                                 bool              bool
//	int, int8 ... uint64                 int, shortest     int64; uint64 above its range only
//	float32, float64                     float64           float64 (float32 is read too)
//	string, valid UTF-8                  str               string
//	[]byte                               bin               []byte
//	[]any                                array             []any
//	map[string]any                       map               map[string]any, the last of equal keys
//	time.Time                            ext -1, shortest  time.Time in UTC
//	*Error                               ext 1             *Error
//
// [Append] and [Decode] convert whole values; the other Append functions build a
// frame piece by piece without boxing, and a [Reader] takes one apart in the same
// way; [Skip] and [Valid] judge one without building anything.
//
// # What a frame from a guest can do
//
// A frame comes from code that is not trusted. It is at most [MaxBytes] long and
// nests at most [MaxDepth] deep. A count is held against the bytes that are left
// before anything is made of it. What decoding allocates is at most
// [Amplification] times the frame's length and [AmplificationSlack] bytes. A
// frame that is not in the profile is a [Malformed] error; there is no panic.
//
// # What it may import
//
// The standard library, and nothing of ours. It uses no reflection and keeps no
// state; an [Encoder] and a [Decoder] keep what they have seen for their owner,
// and not much of it.
package frame

// The bounds of a frame.
const (
	// MaxDepth is how deep lists and maps nest, the list of arguments
	// included: 1 is [] and 0 a number.
	MaxDepth = 64
	// MaxBytes is the length of the longest frame, in bytes.
	MaxBytes = 64 << 20
	// Amplification and AmplificationSlack bound what decoding n bytes
	// allocates: Amplification*n + AmplificationSlack bytes. Lists and scalars
	// stay below 41*n by themselves. But Go makes 340 bytes of a map of one short
	// key in four, so lists and maps are counted, and a frame of too many that
	// small is refused; the slack is there for the honest ones, 12,000 of them at
	// least.
	Amplification      = 64
	AmplificationSlack = 4 << 20
)
