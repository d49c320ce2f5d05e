package gate

// Span is a part of the module, from Start to before End.
type Span struct{ Start, End uint32 }

// Part is a section, or a subsection of the name section: its id stands at ID, the LEB128 number of its size behind, and
// its content in Content.
type Part struct {
	Kind    byte // the id itself
	ID      uint32
	Content Span
}

// Type is the type of a function.
type Type struct {
	At              uint32 // of its first byte
	Params, Results uint16
}

// Kind is what an import or an export is.
type Kind byte

// The kinds of imports and exports.
const (
	KindFunction Kind = iota
	KindTable
	KindMemory
	KindGlobal
)

// Import is an import.
type Import struct {
	Module, Name Span
	Kind         Kind
	Type         uint32 // of a function
}

// Limits are those of a table or of the memory, in entries or pages.
type Limits struct {
	At       uint32 // of the byte of flags: 0, or 1 with a maximum
	Min, Max uint32
	HasMax   bool
	Imported bool
}

// Function is a function with a body.
type Function struct {
	Size   uint32 // where the size of the body stands; the declarations of locals follow
	Code   uint32 // where the first instruction stands
	End    uint32 // behind the last
	Type   uint32
	Locals uint32 // without parameters
	Marks  uint32 // index of its first mark; they end where those of the next function start
}

// Op is the opcode of an instruction that ends a basic block or that a meter looks at.
type Op byte

// The opcodes of marks. OpBulk is the prefix of memory.init, memory.copy, memory.fill, table.init, table.copy, table.grow
// and table.fill.
const (
	OpUnreachable  Op = 0x00
	OpBlock        Op = 0x02
	OpLoop         Op = 0x03
	OpIf           Op = 0x04
	OpElse         Op = 0x05
	OpEnd          Op = 0x0b
	OpBr           Op = 0x0c
	OpBrIf         Op = 0x0d
	OpBrTable      Op = 0x0e
	OpReturn       Op = 0x0f
	OpCall         Op = 0x10
	OpCallIndirect Op = 0x11
	OpMemoryGrow   Op = 0x40
	OpBulk         Op = 0xfc
	// OpPause stands for no instruction: it is a place before one, where a stretch without marks has become long.
	OpPause Op = 0xff
)

// Mark is the place of such an instruction.
type Mark struct {
	At   uint32 // of the opcode
	word uint32 // touches << 20 | run << 8 | op
}

// Op is the opcode.
func (m Mark) Op() Op { return Op(m.word) }

// Run is how many instructions stand between the mark before, or the start of the body, and this one: maxRun at most.
func (m Mark) Run() int { return int(m.word >> 8 & 0xfff) }

// Touches is how many of those go to memory or to a table.
func (m Mark) Touches() int { return int(m.word >> 20) }

// Module is what a walk found. What follows Positions is there if Caps.Positions was set.
type Module struct {
	Imports   []Import
	Tables    []Limits // imported ones first
	Memory    *Limits  // nil for none
	Functions int      // without imported ones
	Globals   int      // with imported ones
	Work      int      // estimated time to compile, in microseconds
	WorkKiB   int      // and memory

	SetsTables bool // some instruction writes to a table: table.set, table.init, table.copy, table.grow or table.fill
	UsesData   bool // some instruction uses a data segment: memory.init or data.drop

	// Positions
	Sections []Part // in order
	Types    []Type
	Bodies   []Function
	Marks    []Mark   // of all bodies, in order
	FuncRefs []uint32 // where a function index stands: call, ref.func, export, start, element, names; in order
	Names    []Part   // subsections of the name section
}

// ImportedFunctions is how many of the imports are functions. Their indices come first.
func (m *Module) ImportedFunctions() int {
	n := 0
	for i := range m.Imports {
		if m.Imports[i].Kind == KindFunction {
			n++
		}
	}
	return n
}
