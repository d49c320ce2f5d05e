package query

// expr is a node of a statement: one of the pointers to the types below.
type expr any

type (
	literal struct{ value val }
	// name is a field, an alias, or a path into a field: a, stream.a, a.b
	name struct{ path []string }
	// star is the whole row, as an argument
	star struct{}
	// meta is meta(a.b), mqtt(a); an empty path is all of it
	meta struct {
		fn   string
		path []string
	}
	call struct {
		fn   string
		args []expr
		site int // which call of the statement, from 0
	}
	// sign is -x
	sign struct{ x expr }
	// not is NOT x
	not    struct{ x expr }
	binary struct {
		op   operator
		l, r expr
	}
	// key is x->key
	key struct {
		x   expr
		key string
	}
	// index is x[i]
	index struct {
		x, i expr
	}
	// slice is x[low:high]; either may be nil
	slice struct {
		x, low, high expr
	}
	// in is x IN (list) or x IN set
	in struct {
		x    expr
		list []expr
		set  expr
		not  bool
	}
	between struct {
		x, low, high expr
		not          bool
	}
	isNull struct {
		x   expr
		not bool
	}
	caseOf struct {
		value expr // nil: the conditions are bools
		whens []when
		other expr // nil: null
	}
	when struct{ cond, then expr }
)

type operator uint8

const (
	opOr operator = iota + 1
	opAnd
	opEq
	opNe
	opLt
	opLe
	opGt
	opGe
	opLike
	opNotLike
	opAdd
	opSub
	opBitOr
	opBitXor
	opMul
	opDiv
	opMod
	opBitAnd
)

// operators has the words and the precedences; NOT binds between AND and the
// comparisons.
var operators = [...]struct {
	word string
	prec int
}{
	opOr: {"OR", precOr}, opAnd: {"AND", precAnd},
	opEq: {"=", precCompare}, opNe: {"!=", precCompare}, opLt: {"<", precCompare}, opLe: {"<=", precCompare},
	opGt: {">", precCompare}, opGe: {">=", precCompare}, opLike: {"LIKE", precCompare}, opNotLike: {"NOT LIKE", precCompare},
	opAdd: {"+", precAdd}, opSub: {"-", precAdd}, opBitOr: {"|", precAdd}, opBitXor: {"^", precAdd},
	opMul: {"*", precMul}, opDiv: {"/", precMul}, opMod: {"%", precMul}, opBitAnd: {"&", precMul},
}

const (
	precOr = iota + 1
	precAnd
	precNot
	precCompare
	precAdd
	precMul
	precSign
)

func (o operator) String() string { return operators[o].word }
