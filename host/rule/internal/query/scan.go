package query

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vanth-io/vanth/host"
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokWord
	tokQuoted // `name`
	tokString
	tokInt
	tokFloat
	tokOp
)

// token is one word of a statement. text is without quotes and escapes; pos is
// in bytes.
type token struct {
	kind tokenKind
	text string
	pos  int
}

// is reports whether the token is the operator or the keyword.
func (t token) is(word string) bool {
	return t.kind == tokOp && t.text == word || t.kind == tokWord && strings.EqualFold(t.text, word)
}

func (t token) String() string {
	switch t.kind {
	case tokEnd:
		return "the end"
	case tokString:
		return "string " + quote(t.text)
	case tokQuoted:
		return "`" + short(t.text) + "`"
	}
	return quote(t.text)
}

func quote(s string) string { return strconv.Quote(short(s)) }

func short(s string) string {
	if len(s) <= 40 {
		return s
	}
	cut := 40
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// position counts characters from 1.
func position(text string, pos int) int { return utf8.RuneCountInString(text[:pos]) + 1 }

func invalid(format string, a ...any) error { return host.Errorf(host.ErrInvalid, format, a...) }

// scan splits a statement into tokens; the last is tokEnd.
func scan(text string) ([]token, error) {
	if len(text) > MaxText {
		return nil, invalid("found a statement of %d bytes, expected at most %d", len(text), MaxText)
	}
	if !utf8.ValidString(text) {
		return nil, invalid("found a statement that is not UTF-8")
	}
	s := scanner{text: text}
	toks := make([]token, 0, len(text)/4+2)
	for {
		t, err := s.next()
		if err != nil {
			return nil, err
		}
		toks = append(toks, t)
		if t.kind == tokEnd {
			return toks, nil
		}
	}
}

type scanner struct {
	text string
	i    int
}

func (s *scanner) fail(pos int, found, expected string) error {
	return invalid("found %s at %d, expected %s", found, position(s.text, pos), expected)
}

// space skips white space and comments.
func (s *scanner) space() error {
	for s.i < len(s.text) {
		rest := s.text[s.i:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			s.i++
		case strings.HasPrefix(rest, "--"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			s.i += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return s.fail(s.i, "a comment", "*/ at its end")
			}
			s.i += n + 4
		default:
			return nil
		}
	}
	return nil
}

func (s *scanner) next() (token, error) {
	if err := s.space(); err != nil {
		return token{}, err
	}
	pos := s.i
	if pos == len(s.text) {
		return token{kind: tokEnd, pos: pos}, nil
	}
	c := s.text[pos]
	switch {
	case c == '"' || c == '\'':
		return s.quoted(c)
	case c == '`':
		n := strings.IndexByte(s.text[pos+1:], '`')
		if n <= 0 {
			return token{}, s.fail(pos, "a backtick", "a name and another one")
		}
		s.i += n + 2
		return token{tokQuoted, s.text[pos+1 : pos+1+n], pos}, nil
	case digit(c) || c == '.' && pos+1 < len(s.text) && digit(s.text[pos+1]):
		return s.number(), nil
	}
	r, size := utf8.DecodeRuneInString(s.text[pos:])
	if r == '_' || unicode.IsLetter(r) {
		for s.i < len(s.text) && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)) {
			s.i += size
			r, size = utf8.DecodeRuneInString(s.text[s.i:])
		}
		return token{tokWord, s.text[pos:s.i], pos}, nil
	}
	for _, op := range [...]string{"->", "!=", "<>", "<=", ">="} {
		if strings.HasPrefix(s.text[pos:], op) {
			s.i += 2
			if op == "<>" {
				op = "!="
			}
			return token{tokOp, op, pos}, nil
		}
	}
	if strings.IndexByte("=<>+-*/%&|^,()[]:;.#", c) < 0 {
		return token{}, s.fail(pos, strconv.QuoteRune(r), "SQL")
	}
	s.i++
	return token{tokOp, s.text[pos:s.i], pos}, nil
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// number reads 1, 1.5, .5, 1. and 1e3.
func (s *scanner) number() token {
	pos, kind := s.i, tokInt
	digits := func() {
		for s.i < len(s.text) && digit(s.text[s.i]) {
			s.i++
		}
	}
	digits()
	if s.i < len(s.text) && s.text[s.i] == '.' {
		kind = tokFloat
		s.i++
		digits()
	}
	if rest := s.text[s.i:]; rest != "" && rest[0]|0x20 == 'e' {
		n := 1
		if len(rest) > 1 && (rest[1] == '+' || rest[1] == '-') {
			n = 2
		}
		if len(rest) > n && digit(rest[n]) {
			kind = tokFloat
			s.i += n
			digits()
		}
	}
	return token{kind, s.text[pos:s.i], pos}
}

// quoted reads a string with Go's escapes; either quote may be escaped in both
// kinds, and line breaks may be in it.
func (s *scanner) quoted(q byte) (token, error) {
	pos := s.i
	s.i++
	start := s.i
	var b []byte // what was read, once there was an escape
	for s.i < len(s.text) {
		switch c := s.text[s.i]; {
		case c == q:
			text := s.text[start:s.i]
			if b != nil {
				text = string(append(b, text...))
			}
			s.i++
			return token{tokString, text, pos}, nil
		case c != '\\':
			s.i++
		case s.i+1 < len(s.text) && (s.text[s.i+1] == '"' || s.text[s.i+1] == '\''):
			b = append(append(b, s.text[start:s.i]...), s.text[s.i+1])
			s.i += 2
			start = s.i
		default:
			r, multi, tail, err := strconv.UnquoteChar(s.text[s.i:], q)
			if err != nil || !multi && r >= utf8.RuneSelf {
				return token{}, s.fail(s.i, "an escape that is none", `one of \" \' \\ \n \r \t \u0000 (write \\ for a backslash)`)
			}
			b = utf8.AppendRune(append(b, s.text[start:s.i]...), r)
			s.i = len(s.text) - len(tail)
			start = s.i
		}
	}
	return token{}, s.fail(pos, "a string", "its closing "+string(rune(q)))
}
