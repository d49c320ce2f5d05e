package wat

import "fmt"

// maxDepth bounds the nesting of lists and of flat blocks, so that hostile text cannot overflow the stack.
const maxDepth = 1000

// node is a word, a name, a string or a list of nodes.
type node struct {
	kind kind
	at   int    // offset of its first character
	end  int    // of a list: offset of its closing parenthesis
	text string // as in token
	kids []node // of a list
}

// readTree reads the one list that the text holds.
func readTree(src string) (node, error) {
	l := &lexer{src: src}
	open, err := l.next()
	if err != nil {
		return node{}, err
	}
	if open.kind != kindOpen {
		return node{}, fault(open.at, open.node().found(), `"(module ...)"`)
	}
	n, err := readList(l, open.at, 1)
	if err != nil {
		return node{}, err
	}
	after, err := l.next()
	if err != nil {
		return node{}, err
	}
	if after.kind != kindEnd {
		return node{}, fault(after.at, after.node().found(), "nothing after the module")
	}
	return n, nil
}

func readList(l *lexer, at, depth int) (node, error) {
	list := node{kind: kindList, at: at}
	if depth > maxDepth {
		return list, fault(at, `"("`, fmt.Sprintf("at most %d parentheses inside each other", maxDepth))
	}
	for {
		t, err := l.next()
		if err != nil {
			return list, err
		}
		kid := t.node()
		switch t.kind {
		case kindEnd:
			return list, fault(t.at, kid.found(), `")"`)
		case kindClose:
			list.end = t.at
			return list, nil
		case kindOpen:
			if kid, err = readList(l, t.at, depth+1); err != nil {
				return list, err
			}
		}
		list.kids = append(list.kids, kid)
	}
}

func (t token) node() node { return node{kind: t.kind, at: t.at, text: t.text} }

// found describes the node for an error.
func (n node) found() string {
	switch n.kind {
	case kindEnd:
		return "the end of the text"
	case kindClose:
		return `")"`
	case kindOpen:
		return `"("`
	case kindStr:
		return "the string " + quote(n.text)
	case kindList:
		return quote("(" + n.head())
	}
	return quote(n.text)
}

// head is the first word of a list, "" if there is none.
func (n node) head() string {
	if n.kind == kindList && len(n.kids) > 0 && n.kids[0].kind == kindWord {
		return n.kids[0].text
	}
	return ""
}
