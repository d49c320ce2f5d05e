package query

// maxItems bounds the lists and maps that statements build, what is in them
// included: a statement could double one with each of its parts.
const maxItems = 100_000

var listFunctions = map[string]builtin{
	"cardinality": {min: 1, max: 1, nulls: nullZero, run: func(_ *siteState, a []val) (val, error) {
		list, _ := a[0].ref.([]any)
		return intVal(int64(len(list))), nil
	}},
	"element_at": {min: 2, max: 2, run: func(_ *siteState, a []val) (val, error) { return element(a[0], a[1]) }},
	"array_create": {max: -1, nulls: nullGiven, run: func(_ *siteState, a []val) (val, error) {
		list := make([]any, len(a))
		for i, v := range a {
			list[i] = v.box()
		}
		return built(list)
	}},
	"array_contains": {min: 2, max: 2, run: func(_ *siteState, a []val) (val, error) {
		i, err := find(a)
		return boolVal(i >= 0), err
	}},
	"array_position": {min: 2, max: 2, nulls: nullGiven, run: func(_ *siteState, a []val) (val, error) {
		if a[0].kind == kNull {
			return intVal(-1), nil
		}
		i, err := find(a)
		return intVal(int64(i)), err
	}},
	"object_construct": {min: 2, max: -1, nulls: nullGiven, check: pairs, run: objectConstruct},
}

// find is the index of a value in a list, or -1.
func find(a []val) (int, error) {
	list, ok := a[0].ref.([]any)
	if !ok {
		return -1, invalid("found %s as argument 1, expected a list", a[0])
	}
	for i, x := range list {
		if eq, err := compare(opEq, load(x), a[1]); err == nil && eq.isTrue() {
			return i, nil
		}
	}
	return -1, nil
}

func pairs(args []code) error {
	if len(args)%2 != 0 {
		return invalid("found %d arguments, expected pairs of a key and a value", len(args))
	}
	return nil
}

// objectConstruct leaves values out that are null.
func objectConstruct(_ *siteState, a []val) (val, error) {
	m := make(map[string]any, len(a)/2)
	for i := 0; i < len(a); i += 2 {
		if a[i].kind != kText {
			return val{}, invalid("found %s as argument %d, expected a string as a key", a[i], i+1)
		}
		if a[i+1].kind != kNull {
			m[a[i].text()] = a[i+1].box()
		}
	}
	return built(m)
}

// built gives a list or map that a function made.
func built(x any) (val, error) {
	budget := maxItems
	if !weigh(x, &budget) {
		return val{}, invalid("found a result of more than %d items, expected less", maxItems)
	}
	return load(x), nil
}

// weigh counts items, those of shared parts again, until there are too many.
func weigh(x any, budget *int) bool {
	*budget--
	switch t := x.(type) {
	case []any:
		for i := 0; i < len(t) && *budget >= 0; i++ {
			weigh(t[i], budget)
		}
	case map[string]any:
		for _, v := range t {
			if *budget < 0 {
				break
			}
			weigh(v, budget)
		}
	}
	return *budget >= 0
}
