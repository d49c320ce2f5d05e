package gate

// The cost of compiling is estimated from above, function by function, from counts that the walk makes anyway. The
// weights were measured with wazero 1.12.0 on two cores, on modules that have nothing but one of the things: see
// TestBombs, which holds that what passes is cheap. Three costs are not linear, and they are why caps alone do not
// suffice: with the basic blocks of a function, with values that live across its blocks, and with locals in loops in
// loops.

const (
	// defaultWork is what a small module may take, in microseconds. Each byte of code adds perByte nanoseconds: a large
	// module may take its time. The estimate of real modules is one and a half to three times what they take.
	defaultWork = 2_000_000
	perByte     = 1_500
	// defaultMemory is what the engine may need at once, in KiB.
	defaultMemory = 256 << 10
)

// registers is how many values live in registers, where they cost little.
const registers = 16

// The weights of time, in nanoseconds, and of memory, in bytes, while a function is compiled. A loop costs time for each
// loop around it too.
var (
	nanoseconds = weights{
		instruction: 100, block: 2_700, blockBlock: 15, liveBlock: 1_100, liveLive: 65, liveLoop: 500, value: 500,
		target: 4_500, load: 7_000, trap: 16_000, heavy: 10_000, call: 2_500, indirect: 30_000, cp: 45_000, fill: 200_000,
	}
	bytesEach = weights{
		instruction: 600, block: 3_400, liveBlock: 80, liveLive: 16, liveLoop: 950, value: 310,
		target: 2_400, load: 4_800, trap: 9_500, heavy: 5_200, call: 2_000, indirect: 13_500, cp: 21_000, fill: 33_000,
	}
)

const (
	nsFunction = 10_000
	nsLocal    = 8

	memLocal = 8  // this and the next two for as long as the module is there
	memByte  = 12 // of a body
	memEntry = 64 // names, data segments, elements
)

// shape is what a function looks like to a compiler.
type shape struct {
	instructions int
	live         int   // locals that live across blocks
	stacked      int64 // values on the stack beyond registers, summed over blocks
	highest      int64 // most values on the stack
	blocks       int   // basic blocks
	loops        int
	loopsAround  int64 // sum of the depths of loops
	loopDepth    int64 // at present
	values       int64 // that calls, blocks and branches carry
	targets      int   // of br_table
	loads        int   // and stores
	traps        int   // divisions and truncations
	heavy        int   // vectors, and floats that take several machine instructions
	calls        int
	indirect     int
	copies       int
	fills        int
}

// block counts basic blocks that start with so many values on the stack.
func (s *shape) block(n int, height int64) {
	s.blocks += n
	s.stacked += int64(n) * max(0, height-registers)
	s.highest = max(s.highest, height)
}

// weights are what each thing costs: nanoseconds, or bytes.
type weights struct {
	instruction, block, blockBlock, liveBlock, liveLive, liveLoop, value, target, load, trap, heavy, call, indirect, cp, fill uint64
}

// cost is the sum. What is multiplied is bounded, so that it cannot overflow.
func (s *shape) cost(w weights, loops int64) uint64 {
	live := min(uint64(s.live)+uint64(s.highest), 1<<20)
	blocks := uint64(s.blocks)
	across := uint64(max(0, s.live-registers))*blocks + min(uint64(s.stacked), 1<<50)
	return w.instruction*uint64(s.instructions) + w.block*blocks + w.blockBlock*blocks*blocks +
		w.liveBlock*across + w.liveLive*live*live + w.liveLoop*live*min(uint64(loops), 1<<32) +
		w.value*uint64(s.values) + w.target*uint64(s.targets) + w.load*uint64(s.loads) + w.trap*uint64(s.traps) +
		w.heavy*uint64(s.heavy) + w.call*uint64(s.calls) + w.indirect*uint64(s.indirect) + w.cp*uint64(s.copies) + w.fill*uint64(s.fills)
}

// judge adds the cost of the present function, whose body starts at start, and compares the sum with the caps.
func (w *walker) judge(start, locals int) {
	c := &w.code
	c.work += nsFunction + nsLocal*uint64(locals) + c.cost(nanoseconds, c.loopsAround)
	c.held += memLocal*uint64(locals) + memByte*uint64(w.at-start)
	c.most = max(c.most, c.cost(bytesEach, int64(c.loops)))
	allowed := uint64(w.caps.Work)*1000 + perByte*uint64(w.codeSize)
	if c.work > allowed {
		w.fault(start, "code up to "+w.who()+" that takes the compiler an estimated "+group((c.work+999_999)/1_000_000)+" ms",
			"at most "+group(allowed/1_000_000)+" ms are allowed for "+plural(w.codeSize, "bytes")+" of code")
	}
	if w.heavy() {
		w.tooHeavy(start, "code up to "+w.who())
	}
}

// heavy says whether the engine needs too much memory for what was read so far.
func (w *walker) heavy() bool { return w.need()>>10 > uint64(w.caps.Memory) }

func (w *walker) tooHeavy(start int, what string) {
	w.fault(start, what+" that takes the engine an estimated "+group((w.need()+1<<20-1)>>20)+" MiB",
		"at most "+group(w.caps.Memory>>10)+" MiB are allowed")
}

func (w *walker) need() uint64 {
	return w.code.held + w.code.most + memEntry*uint64(w.names+w.segments+w.inits+w.values/4)
}
