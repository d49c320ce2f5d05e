package query

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Stream is a CREATE STREAM or CREATE TABLE statement:
//
//	CREATE STREAM name (field type, ...) WITH (KEY="value", ...)
type Stream struct {
	Name   string
	Table  bool
	Fields []Field // none: any fields
	// Options has the options that were given, under their upper-case names;
	// values as they were written. STRICT_VALIDATION and SHARED are true or false
	// in any case, RETAIN_SIZE is an integer, EXTRA is JSON.
	Options map[string]string
	Text    string
}

// Field is a declared field.
type Field struct {
	Name string
	Type Type
}

// Type is a declared type.
type Type struct {
	Kind   string  // bigint, float, string, datetime, boolean, bytea, array or struct
	Elem   *Type   // of an array
	Fields []Field // of a struct
}

// Source is the source's type: the option TYPE, or mqtt.
func (s *Stream) Source() string {
	if t := s.Options["TYPE"]; t != "" {
		return t
	}
	return "mqtt"
}

// Format is the option FORMAT in lower case, or json.
func (s *Stream) Format() string {
	if f := s.Options["FORMAT"]; f != "" {
		return strings.ToLower(f)
	}
	return "json"
}

// Flag reports whether an option is true.
func (s *Stream) Flag(option string) bool { return strings.EqualFold(s.Options[option], "true") }

const (
	optionKeys = "DATASOURCE|FORMAT|KEY|CONF_KEY|SHARED|STRICT_VALIDATION|TYPE|TIMESTAMP|TIMESTAMP_FORMAT|RETAIN_SIZE|SCHEMAID|EXTRA|VERSION|TEMP|KIND|DELIMITER"
	typeNames  = "BIGINT | FLOAT | STRING | DATETIME | BOOLEAN | BYTEA | ARRAY | STRUCT"
)

// ParseStream parses a CREATE STREAM or CREATE TABLE statement.
func ParseStream(sql string) (*Stream, error) {
	p, err := newParser(sql)
	if err != nil {
		return nil, err
	}
	s := &Stream{Text: sql, Options: map[string]string{}}
	if err := p.expect("CREATE"); err != nil {
		return nil, err
	}
	if s.Table = p.accept("TABLE"); !s.Table && !p.accept("STREAM") {
		return nil, p.unexpected("STREAM or TABLE")
	}
	if s.Name, err = p.identifier("the name of a stream"); err != nil {
		return nil, err
	}
	if s.Fields, err = p.declarations(); err != nil {
		return nil, err
	}
	if err := p.expect("WITH"); err != nil {
		return nil, err
	}
	if err := p.options(s.Options); err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return s, s.check()
}

// check holds what eKuiper holds of a stream as a whole.
func (s *Stream) check() error {
	switch s.Format() {
	case "binary":
		if s.Table {
			return invalid("'binary' format is not supported for table")
		}
		if len(s.Fields) > 1 {
			return invalid("'binary' format stream can have only one field")
		}
		if len(s.Fields) == 1 && s.Fields[0].Type.Kind != "bytea" {
			return invalid("'binary' format stream can have only 'bytea' type field")
		}
	}
	return nil
}

// declarations parses (name type, ...); a comma may stand behind the last.
func (p *parser) declarations() ([]Field, error) {
	if p.depth++; p.depth > MaxDepth {
		return nil, invalid("found a type nested more than %d deep at %d", MaxDepth, position(p.text, p.peek().pos))
	}
	defer func() { p.depth-- }()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var fields []Field
	for !p.accept(")") {
		t := p.peek()
		if t.kind != tokWord && t.kind != tokQuoted {
			return nil, p.unexpected(`the name of a field or ")"`)
		}
		p.i++
		if err := p.grow(); err != nil {
			return nil, err
		}
		typ, err := p.typeOf()
		if err != nil {
			return nil, err
		}
		fields = append(fields, Field{t.text, typ})
		if p.peek().is("DEFAULT") {
			return nil, p.unsupported("DEFAULT", "a missing field is null; use coalesce(field, value) in the rule")
		}
		if !p.accept(",") && !p.peek().is(")") {
			return nil, p.unexpected(`"," or ")"`)
		}
	}
	return fields, nil
}

func (p *parser) typeOf() (Type, error) {
	if p.depth++; p.depth > MaxDepth {
		return Type{}, invalid("found a type nested more than %d deep at %d", MaxDepth, position(p.text, p.peek().pos))
	}
	defer func() { p.depth-- }()
	t := p.peek()
	typ := Type{Kind: strings.ToLower(t.text)}
	if t.kind != tokWord {
		return Type{}, p.unexpected("one of the types " + typeNames)
	}
	switch typ.Kind {
	case "bigint", "float", "string", "datetime", "boolean", "bytea":
		p.i++
		return typ, nil
	case "array":
		p.i++
		if err := p.expect("("); err != nil {
			return Type{}, err
		}
		elem, err := p.typeOf()
		if err != nil {
			return Type{}, err
		}
		typ.Elem = &elem
		return typ, p.expect(")")
	case "struct":
		p.i++
		var err error
		typ.Fields, err = p.declarations()
		return typ, err
	}
	return Type{}, p.unexpected("one of the types " + typeNames)
}

// options parses (KEY = "value", ...); as in eKuiper commas are not needed.
func (p *parser) options(into map[string]string) error {
	if err := p.expect("("); err != nil {
		return err
	}
	for !p.accept(")") {
		if p.accept(",") {
			continue
		}
		t := p.peek()
		key := strings.ToUpper(t.text)
		if t.kind != tokWord || !strings.Contains("|"+optionKeys+"|", "|"+key+"|") {
			return p.unexpected("one of the options " + optionKeys)
		}
		if _, twice := into[key]; twice {
			return p.unexpected(key + " once")
		}
		p.i++
		if err := p.expect("="); err != nil {
			return err
		}
		v := p.peek()
		if v.kind != tokString {
			return p.unexpected("the value of " + key + " as a string")
		}
		if expected := misfit(key, v.text); expected != "" {
			return p.unexpected(expected + " as the value of " + key)
		}
		p.i++
		into[key] = v.text
	}
	return nil
}

// misfit says what was expected of an option's value; "" when it fits.
func misfit(key, value string) string {
	switch key {
	case "STRICT_VALIDATION", "SHARED", "TEMP":
		if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
			return "TRUE or FALSE"
		}
	case "RETAIN_SIZE":
		if _, err := strconv.Atoi(value); err != nil {
			return "an integer"
		}
	case "EXTRA":
		if !json.Valid([]byte(value)) {
			return "JSON"
		}
	}
	return ""
}
