package wat

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	kindEnd   kind = iota // the end of the text
	kindOpen              // (
	kindClose             // )
	kindWord              // a keyword or a number
	kindID                // a name, text with its $
	kindStr               // a string, text without quotes and escapes
	kindList              // never a token: a node of the tree
)

type token struct {
	kind kind
	at   int
	text string
}

type lexer struct {
	src string
	pos int
}

// next returns the next token; after the end of the text it returns kindEnd for ever.
func (l *lexer) next() (token, error) {
	if err := l.space(); err != nil {
		return token{}, err
	}
	t := token{at: l.pos}
	if l.pos == len(l.src) {
		return t, nil
	}
	var err error
	switch c := l.src[l.pos]; {
	case c == '(':
		l.pos++
		t.kind = kindOpen
		return t, nil
	case c == ')':
		l.pos++
		t.kind = kindClose
		return t, nil
	case c == '"':
		t.kind = kindStr
		t.text, err = l.str()
	case isWordChar(c):
		for l.pos < len(l.src) && isWordChar(l.src[l.pos]) {
			l.pos++
		}
		t.text = l.src[t.at:l.pos]
		t.kind = kindWord
		if c == '$' {
			t.kind = kindID
		}
		if t.text == "$" {
			err = fault(t.at, `"$"`, "a name after it")
		}
	default:
		err = l.unexpected("a word, a name, a string or a parenthesis")
	}
	if err == nil && l.pos < len(l.src) && (l.src[l.pos] == '"' || isWordChar(l.src[l.pos])) {
		err = l.unexpected("a space before the next word")
	}
	return t, err
}

// space skips blanks and comments. Block comments nest; their depth is counted, not recursed into.
func (l *lexer) space() error {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, ";;"):
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				l.pos += n
			} else {
				l.pos = len(l.src)
			}
		case strings.HasPrefix(rest, "(;"):
			if err := l.blockComment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) blockComment() error {
	at := l.pos
	for depth := 0; l.pos < len(l.src); {
		switch rest := l.src[l.pos:]; {
		case strings.HasPrefix(rest, "(;"):
			depth++
			l.pos += 2
		case strings.HasPrefix(rest, ";)"):
			depth--
			l.pos += 2
			if depth == 0 {
				return nil
			}
		default:
			l.pos++
		}
	}
	return fault(at, "a comment without its end", `";)"`)
}

func (l *lexer) str() (string, error) {
	open := l.pos
	var b strings.Builder
	for l.pos++; l.pos < len(l.src); {
		switch c := l.src[l.pos]; {
		case c == '"':
			l.pos++
			return b.String(), nil
		case c == '\\':
			if err := l.escape(&b); err != nil {
				return "", err
			}
		case c < 0x20 || c == 0x7f:
			return "", l.unexpected("an escape: a string holds no control characters")
		default:
			b.WriteByte(c)
			l.pos++
		}
	}
	return "", fault(open, "a string without its end", `'"'`)
}

// escape reads what follows a backslash: a letter, two hex digits for a byte, or u{hex} for a character.
func (l *lexer) escape(b *strings.Builder) error {
	const want = `one of the escapes \t \n \r \" \' \\ \hh \u{h...}`
	rest := l.src[l.pos+1:]
	if rest == "" {
		return l.unexpected(want)
	}
	if i := strings.IndexByte(`tnr"'\`, rest[0]); i >= 0 {
		b.WriteByte("\t\n\r\"'\\"[i])
		l.pos += 2
		return nil
	}
	if strings.HasPrefix(rest, "u{") {
		digits, _, ok := strings.Cut(rest[2:], "}")
		v, isHex := parseUint("0x"+digits, 32)
		if !ok || !isHex || v > utf8.MaxRune || !utf8.ValidRune(rune(v)) {
			return fault(l.pos, quote(`\u{`+digits+"}"), "a Unicode scalar value in hex")
		}
		b.WriteRune(rune(v))
		l.pos += len(`\u{}`) + len(digits)
		return nil
	}
	if len(rest) >= 2 {
		if v, err := strconv.ParseUint(rest[:2], 16, 8); err == nil {
			b.WriteByte(byte(v))
			l.pos += 3
			return nil
		}
	}
	return l.unexpected(want)
}

func (l *lexer) unexpected(want string) error {
	r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
	return fault(l.pos, strconv.QuoteRune(r), want)
}

// isWordChar reports whether c may stand in a word or a name.
func isWordChar(c byte) bool {
	return c > 0x20 && c < 0x7f && strings.IndexByte(`"(),;[]{}`, c) < 0
}
