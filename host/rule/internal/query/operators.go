package query

import (
	"strings"
	"unicode/utf8"
)

func negate(v val) (val, error) {
	switch v.kind {
	case kNull:
		return v, nil
	case kBool:
		return boolVal(v.bits == 0), nil
	}
	return val{}, invalid("invalid operation NOT %s", describe(v))
}

// member is map->key; null of null.
func member(v val, key string) (val, error) {
	if v.kind == kNull {
		return v, nil
	}
	if m, ok := v.ref.(map[string]any); ok {
		return load(m[key]), nil
	}
	return val{}, invalid("found %s before ->%s, expected a map", v, short(key))
}

// element is list[i], from the end where i is negative, or map["key"].
func element(v, i val) (val, error) {
	if v.kind == kNull || i.kind == kNull {
		return val{}, nil
	}
	switch t := v.ref.(type) {
	case []any:
		n, ok := i.integer()
		if !ok {
			return val{}, invalid("found %s as an index, expected an integer", i)
		}
		if n < 0 {
			n += int64(len(t))
		}
		if n < 0 || n >= int64(len(t)) {
			return val{}, invalid("out of index: %s of %d", i.words(), len(t))
		}
		return load(t[n]), nil
	case map[string]any:
		if i.kind == kText {
			return load(t[i.text()]), nil
		}
		return val{}, invalid("found %s as the key of a map, expected a string", i)
	}
	return val{}, invalid("found %s before [], expected a list", v)
}

func (c *compiler) slice(x *slice) (code, error) {
	low, high := x.low, x.high
	if low == nil {
		low = &literal{value: intVal(0)}
	}
	if high == nil {
		high = &literal{}
	}
	base, err := c.compile(x.x)
	if err != nil {
		return code{}, err
	}
	open := x.high == nil
	bounds, err := c.two(low, high, func(a, b val) (val, error) {
		if a.kind == kNull || b.kind == kNull && !open {
			return val{}, nil
		}
		return load([]any{a.box(), b.box()}), nil
	})
	if err != nil {
		return code{}, err
	}
	return code{run: func(s *scope) (val, error) {
		v, err := base.run(s)
		if err != nil {
			return val{}, err
		}
		b, err := bounds.run(s)
		if err != nil || v.kind == kNull || b.kind == kNull {
			return val{}, err
		}
		pair := b.ref.([]any)
		return part(v, load(pair[0]), load(pair[1]), open)
	}}, nil
}

// part is list[low:high] without high; negative bounds count from the end.
func part(v, low, high val, open bool) (val, error) {
	list, ok := v.ref.([]any)
	if !ok {
		return val{}, invalid("found %s before [:], expected a list", v)
	}
	size := int64(len(list))
	if open {
		high = intVal(size)
	}
	a, aok := low.integer()
	b, bok := high.integer()
	if !aok || !bok {
		return val{}, invalid("found [%s:%s], expected integers", describe(low), describe(high))
	}
	if a < 0 {
		a += size
	}
	if b < 0 {
		b += size
	}
	if a < 0 || b > size || a > b {
		return val{}, invalid("out of index: [%s:%s] of %d", low.words(), high.words(), size)
	}
	return load(list[a:b:b]), nil
}

// in compiles IN. Null in the list makes the answer null where nothing is equal.
func (c *compiler) in(x *in) (code, error) {
	subject, err := c.compile(x.x)
	if err != nil {
		return code{}, err
	}
	if x.set != nil {
		set, err := c.compile(x.set)
		if err != nil {
			return code{}, err
		}
		return code{run: func(s *scope) (val, error) {
			v, err := subject.run(s)
			if err != nil {
				return val{}, err
			}
			w, err := set.run(s)
			if err != nil {
				return val{}, err
			}
			list, ok := w.ref.([]any)
			if !ok && w.kind != kNull {
				return val{}, invalid("found %s behind IN, expected a list", w)
			}
			if w.kind == kNull {
				return w, nil
			}
			var m membership
			for i := 0; i < len(list) && !m.found; i++ {
				m.add(v, load(list[i]))
			}
			return m.verdict(v, len(list), x.not), nil
		}}, nil
	}
	items := make([]code, len(x.list))
	fixed := true
	for i, e := range x.list {
		if items[i], err = c.compile(e); err != nil {
			return code{}, err
		}
		fixed = fixed && items[i].constant
	}
	if texts := textSet(items); texts != nil {
		return fold(func(s *scope) (val, error) {
			v, err := subject.run(s)
			if err != nil || v.kind == kNull {
				return val{}, err
			}
			found := v.kind == kText && texts[v.text()]
			return boolVal(found != x.not), nil
		}, subject), nil
	}
	return fold(func(s *scope) (val, error) {
		v, err := subject.run(s)
		if err != nil {
			return val{}, err
		}
		var m membership
		for i := 0; i < len(items) && !m.found; i++ {
			w := items[i].value
			if !fixed {
				if w, err = items[i].run(s); err != nil {
					return val{}, err
				}
			}
			m.add(v, w)
		}
		return m.verdict(v, len(items), x.not), nil
	}, append(items[:len(items):len(items)], subject)...), nil
}

// textSet is the list as a set, where it is constant strings and worth it.
func textSet(items []code) map[string]bool {
	if len(items) < 4 {
		return nil
	}
	texts := make(map[string]bool, len(items))
	for _, i := range items {
		if !i.constant || i.value.kind != kText {
			return nil
		}
		texts[i.value.text()] = true
	}
	return texts
}

// membership looks for one value among others; what cannot be compared is not
// equal.
type membership struct{ found, null bool }

func (m *membership) add(v, w val) {
	if w.kind == kNull {
		m.null = true
		return
	}
	eq, err := compare(opEq, v, w)
	m.found = err == nil && eq.isTrue()
}

func (m membership) verdict(v val, size int, not bool) val {
	switch {
	case size == 0:
		return boolVal(not)
	case v.kind == kNull || !m.found && m.null:
		return val{}
	}
	return boolVal(m.found != not)
}

func (c *compiler) between(x *between) (code, error) {
	v, err := c.compile(x.x)
	if err != nil {
		return code{}, err
	}
	low, err := c.compile(x.low)
	if err != nil {
		return code{}, err
	}
	high, err := c.compile(x.high)
	if err != nil {
		return code{}, err
	}
	return fold(func(s *scope) (val, error) {
		a, err := v.run(s)
		if err != nil {
			return val{}, err
		}
		l, err := low.run(s)
		if err != nil {
			return val{}, err
		}
		h, err := high.run(s)
		if err != nil {
			return val{}, err
		}
		if a.kind == kNull || l.kind == kNull || h.kind == kNull {
			return boolVal(false), nil
		}
		ge, err := compare(opGe, a, l)
		if err != nil {
			return val{}, err
		}
		le, err := compare(opLe, a, h)
		if err != nil {
			return val{}, err
		}
		return boolVal((ge.isTrue() && le.isTrue()) != x.not), nil
	}, v, low, high), nil
}

func (c *compiler) caseOf(x *caseOf) (code, error) {
	type branch struct{ cond, then node }
	branches := make([]branch, len(x.whens))
	for i, w := range x.whens {
		cond, err := c.compile(w.cond)
		if err != nil {
			return code{}, err
		}
		then, err := c.compile(w.then)
		if err != nil {
			return code{}, err
		}
		branches[i] = branch{cond.run, then.run}
	}
	value, other := constant(val{}), constant(val{})
	var err error
	if x.value != nil {
		if value, err = c.compile(x.value); err != nil {
			return code{}, err
		}
	}
	if x.other != nil {
		if other, err = c.compile(x.other); err != nil {
			return code{}, err
		}
	}
	simple := x.value != nil
	return code{run: func(s *scope) (val, error) {
		v, err := value.run(s)
		if err != nil {
			return val{}, err
		}
		for i := range branches {
			c, err := branches[i].cond(s)
			if err == nil && simple {
				c, err = compare(opEq, v, c)
			}
			if err != nil {
				return val{}, err
			}
			if c.kind != kBool && c.kind != kNull {
				return val{}, invalid("found %s behind WHEN, expected a bool", c)
			}
			if c.isTrue() {
				return branches[i].then(s)
			}
		}
		return other.run(s)
	}}, nil
}

// matches is LIKE: % is any text, _ one character, \ takes what follows as it is.
// Null is false, on either side.
func matches(v, pattern val, not bool) (val, error) {
	if v.kind == kNull || pattern.kind == kNull {
		return boolVal(false), nil
	}
	if v.kind != kText || pattern.kind != kText {
		op := opLike
		if not {
			op = opNotLike
		}
		return val{}, misfits(op, v, pattern)
	}
	return boolVal(like(v.text(), pattern.text()) != not), nil
}

// like keeps the last % only: what an earlier one took is never better taken
// otherwise. It needs no memory, and len(s)*len(p) steps at worst.
func like(s, p string) bool {
	back, from := -1, 0 // behind the last %, and where in s it was tried last
	i, j := 0, 0
	for i < len(s) {
		if j < len(p) && p[j] == '%' {
			j++
			if j == len(p) {
				return true
			}
			back, from = j, i
			continue
		}
		if n, m := matchOne(s[i:], p[j:]); n > 0 {
			i += n
			j += m
			continue
		}
		if back < 0 {
			return false
		}
		_, n := utf8.DecodeRuneInString(s[from:])
		from += n
		i, j = from, back
	}
	return strings.Trim(p[j:], "%") == ""
}

// matchOne matches one character of s with one of the pattern; 0 for no match.
func matchOne(s, p string) (n, m int) {
	if p == "" {
		return 0, 0
	}
	_, n = utf8.DecodeRuneInString(s)
	if p[0] == '_' {
		return n, 1
	}
	escape := 0
	if p[0] == '\\' && len(p) > 1 {
		escape = 1
	}
	_, m = utf8.DecodeRuneInString(p[escape:])
	if s[:n] != p[escape:escape+m] {
		return 0, 0
	}
	return n, m + escape
}
