// Package query is eKuiper's SQL for streams, parsed and compiled once: to
// closures that take a row and give a value.
//
//	text -> [ParseSelect] -> *Select -> Compile(env) -> *Plan -> Bind(who) -> *Bound -> Eval(row) ...
//	text -> [CompileExpr] -----------------------------> *Expr -> Bind(who) -> *BoundExpr
//	text -> [ParseStream] -> *Stream
//
// A Plan and an Expr are constant and may be shared. A Bound and a BoundExpr
// belong to one goroutine: they hold the *host.Call and the arguments of each
// call in the statement, so that a row allocates neither.
//
// # What is spoken
//
//	SELECT list FROM stream [AS alias] [WHERE condition]
//	list: * [EXCEPT(a, ...)] [REPLACE(x AS a, ...)], expression [AS alias], ...
//
// One stream, one row in, at most one row out. Windows, joins, GROUP BY, HAVING,
// ORDER BY, LIMIT, unions, subqueries, aggregates and analytic functions are
// refused by name, with what to do instead: the errors wrap host.ErrUnsupported.
// A function that nobody has is host.ErrNotFound: it may come. All other errors
// of a statement wrap host.ErrInvalid and say what was found, where (in
// characters from 1), and what was expected.
//
// Keywords and the names of built-in functions know no case; fields, streams,
// aliases and the functions of plugins do. "a" and 'a' are strings with Go's
// escapes; `a` is a name. Built-in functions come first, as in eKuiper: a plugin
// never replaces one. Where eKuiper has a function that is not built in here, a
// plugin may bring it.
//
// # Values
//
// Those of host.Function. A field that is missing is null. A comparison with
// null is false, also !=; arithmetic with null is null; AND and OR know three
// values. Integers divide to integers, an integer and a float to a float;
// integers wrap; division by zero is an error, as is every operation on types
// that do not fit (the error of that row). Integers above the range of int64
// compare and calculate as floats. Where the result of a math function is not
// finite it is null.
//
// A name is the alias, where the list has one, also in WHERE and in the other
// columns; within its own definition it is the field. What has no name is
// kuiper_field_0, 1, ... A column whose value is null is left out unless
// [Plan.SendNil]. Each alias is evaluated at most once a row.
//
// # How functions are called
//
// Those of a plugin are called by the cheapest of their lanes, which nobody chooses:
// numbers and bools as words, the rest boxed. Where many rows come together, Ahead may
// call a pure function for all of them in one crossing before they come to Eval, if
// its calls are dear and each row comes to it, with arguments that call no plugin. It
// is the same to the letter for everybody but a function that is not as pure as it
// says: each call is made once a row, or again where its result is not known, and each
// row has its own error. (What a process printed last stands behind an error of a
// single call only.)
//
// # What hostile text can do
//
// A statement has at most [MaxText] bytes, [MaxNodes] parts and nests [MaxDepth]
// deep. Patterns are RE2. There is no panic; the fuzz tests look for one.
//
// # What it may import
//
// The standard library, host and its frames. The parser is our own: eKuiper's strings,
// backticks, [:] and -> would need a scanner of ours before any other parser,
// and SQLite's reserved words (key, index, values, ...) are the field names of
// sensors.
package query

// The bounds of a statement.
const (
	MaxText  = 64 << 10 // bytes
	MaxDepth = 200      // parentheses, calls, signs and CASEs within each other
	MaxNodes = 10_000   // operands, operators, list items, columns
)
