package query

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// text1 makes a function of one text. As in eKuiper other values are taken by
// their words.
func text1(f func(string) string) builtin {
	return builtin{min: 1, max: 1, run: func(_ *siteState, a []val) (val, error) {
		return textVal(f(a[0].words())), nil
	}}
}

// test2 makes a predicate of two texts.
func test2(f func(s, t string) bool) builtin {
	return builtin{min: 2, max: 2, nulls: nullFalse, run: func(_ *siteState, a []val) (val, error) {
		return boolVal(f(a[0].words(), a[1].words())), nil
	}}
}

var textFunctions = map[string]builtin{
	"lower":      text1(strings.ToLower),
	"upper":      text1(strings.ToUpper),
	"trim":       text1(strings.TrimSpace),
	"ltrim":      text1(func(s string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) }),
	"rtrim":      text1(func(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) }),
	"startswith": test2(strings.HasPrefix),
	"endswith":   test2(strings.HasSuffix),
	"concat":     {min: 1, max: -1, nulls: nullGiven, run: concat},
	"length":     {min: 1, max: 1, nulls: nullZero, run: length},
	"indexof": {min: 2, max: 2, nulls: nullGiven, run: func(_ *siteState, a []val) (val, error) {
		if a[0].kind == kNull || a[1].kind == kNull {
			return intVal(-1), nil
		}
		s := a[0].words()
		i := strings.Index(s, a[1].words())
		if i > 0 {
			i = utf8.RuneCountInString(s[:i])
		}
		return intVal(int64(i)), nil
	}},
	"substring":        {min: 2, max: 3, run: substring},
	"split_value":      {min: 3, max: 3, run: splitValue},
	"regexp_matches":   {min: 2, max: 2, nulls: nullFalse, check: regular, run: regexpMatches},
	"regexp_replace":   {min: 3, max: 3, check: regular, run: regexpReplace},
	"regexp_substring": {min: 2, max: 2, check: regular, run: regexpSubstring},
	"regexp_substr":    {min: 2, max: 2, check: regular, run: regexpSubstring},
}

// concat joins texts, or lists when the first argument is one. Null is empty.
func concat(_ *siteState, a []val) (val, error) {
	if _, ok := a[0].ref.([]any); ok {
		var list []any
		for i, v := range a {
			part, ok := v.ref.([]any)
			if !ok && v.kind != kNull {
				return val{}, invalid("found %s as argument %d, expected a list", v, i+1)
			}
			list = append(list, part...)
		}
		return built(list)
	}
	size := 0
	parts := make([]string, len(a))
	for i, v := range a {
		parts[i] = v.words()
		size += len(parts[i])
	}
	if size > maxResult {
		return val{}, invalid("found a result of %d bytes, expected at most %d", size, maxResult)
	}
	return textVal(strings.Join(parts, "")), nil
}

// length counts characters, items, keys or bytes.
func length(_ *siteState, a []val) (val, error) {
	switch t := a[0].ref.(type) {
	case []any:
		return intVal(int64(len(t))), nil
	case map[string]any:
		return intVal(int64(len(t))), nil
	case []byte:
		return intVal(int64(len(t))), nil
	}
	return intVal(int64(utf8.RuneCountInString(a[0].words()))), nil
}

// substring is from start to before end, in characters from 0, as eKuiper does
// it (its documentation calls the end a length).
func substring(_ *siteState, a []val) (val, error) {
	s := a[0].words()
	start, err := integral(a[1])
	if err != nil {
		return val{}, err
	}
	end := int64(len(s))
	if len(a) == 3 {
		if end, err = integral(a[2]); err != nil {
			return val{}, err
		}
	}
	if start < 0 || len(a) == 3 && end < start {
		return val{}, invalid("found a substring from %d to %d, expected 0 <= from <= to", start, end)
	}
	low, high, n := len(s), len(s), int64(0)
	for i := range s {
		if n == start {
			low = i
		}
		if n == end {
			high = i
			break
		}
		n++
	}
	if low > high {
		low = high
	}
	return textVal(s[low:high]), nil
}

func splitValue(_ *siteState, a []val) (val, error) {
	n, err := integral(a[2])
	if err != nil {
		return val{}, err
	}
	s, sep := a[0].words(), a[1].words()
	size := int64(strings.Count(s, sep) + 1)
	if sep == "" {
		size -= 2 // Count has the ends as well
	}
	i := n
	if i < 0 {
		i += size
	}
	if i < 0 || i >= size {
		return val{}, invalid("%d out of index array (size = %d)", n, size)
	}
	return textVal(strings.Split(s, sep)[i]), nil
}

// pattern keeps the last regular expression of a call.
type pattern struct {
	text string
	re   *regexp.Regexp
}

func (p *pattern) compile(text string) (*regexp.Regexp, error) {
	if p.re == nil || p.text != text {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, invalid("%v", err)
		}
		*p = pattern{text, re}
	}
	return p.re, nil
}

// regular refuses constants that are no regular expressions.
func regular(args []code) error {
	if !args[1].constant || args[1].value.kind == kNull {
		return nil
	}
	_, err := new(pattern).compile(args[1].value.words())
	return err
}

func regexpMatches(st *siteState, a []val) (val, error) {
	re, err := st.cache.compile(a[1].words())
	if err != nil {
		return val{}, err
	}
	return boolVal(re.MatchString(a[0].words())), nil
}

func regexpReplace(st *siteState, a []val) (val, error) {
	re, err := st.cache.compile(a[1].words())
	if err != nil {
		return val{}, err
	}
	s, with := a[0].words(), a[2].words()
	if (len(s)+1)*(len(with)+1) > 4*maxResult {
		return val{}, invalid("found a text of %d and a replacement of %d bytes, expected less", len(s), len(with))
	}
	return textVal(re.ReplaceAllString(s, with)), nil
}

func regexpSubstring(st *siteState, a []val) (val, error) {
	re, err := st.cache.compile(a[1].words())
	if err != nil {
		return val{}, err
	}
	return textVal(re.FindString(a[0].words())), nil
}
