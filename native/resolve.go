package native

import (
	"errors"
	"unicode"
	"unicode/utf8"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// symbols finds what a plugin exports by eKuiper's rules. A symbol is a
// constructor, func() api.X, or a value whose pointer is an api.X: the one
// instance of all who use it.
//
// Each method returns a constructor, nil without an error when the plugin does
// not export the symbol, and an error that is host.ErrInvalid when it is of
// another type. The constructor's error is a *host.GuestError.
type symbols struct {
	guest *guest
	// find returns an exported symbol as plugin.Lookup does: a func, or a
	// pointer to a variable. Its error says that there is none.
	find func(symbol string) (any, error)
}

// function finds the function of a name.
func (s symbols) function(name string) (func() (api.Function, error), error) {
	return resolve[api.Function](s, ucFirst(name), "Function")
}

// source finds the source of a name.
func (s symbols) source(name string) (func() (api.Source, error), error) {
	return resolve[api.Source](s, ucFirst(name), "Source")
}

// lookup finds the lookup source of a name. That it looks up is for newLookup to
// see.
func (s symbols) lookup(name string) (func() (api.Source, error), error) {
	return resolve[api.Source](s, ucFirst(name)+"Lookup", "LookupSource")
}

// sink finds the sink of a name.
func (s symbols) sink(name string) (func() (api.Sink, error), error) {
	return resolve[api.Sink](s, ucFirst(name), "Sink")
}

var errNoInstance = errors.New("constructor returned nil")

func resolve[T any](s symbols, symbol, word string) (func() (T, error), error) {
	v, err := s.find(symbol)
	if err != nil {
		return nil, nil //nolint:nilerr // absent is no error: eKuiper goes on to ask others
	}
	switch v := v.(type) {
	case T:
		return func() (T, error) { return v, nil }, nil
	case func() T:
		return func() (made T, _ error) {
			return made, s.guest.guard(symbol, "constructor", func() error {
				if made = v(); any(made) == nil {
					return s.guest.returned(symbol, errNoInstance)
				}
				return nil
			})
		}, nil
	}
	return nil, host.Errorf(host.ErrInvalid, "exported symbol %s is not type of api.%s or function that return api.%s", symbol, word, word)
}

// check looks for the symbols that the manifest names. One that is there must be
// of the right type. A function that is not there is an error when it is called:
// eKuiper's users install first and register the names of functions afterwards.
// Nothing of the plugin runs.
func (s symbols) check(m host.Manifest) error {
	var errs []error
	for _, named := range m.List() {
		var found bool
		var err error
		switch named.Kind {
		case host.KindFunction:
			_, err = s.function(named.Name)
			found = true
		case host.KindSource:
			make_, e := s.source(named.Name)
			look, e2 := s.lookup(named.Name)
			found, err = make_ != nil || look != nil, errors.Join(e, e2)
		case host.KindSink:
			make_, e := s.sink(named.Name)
			found, err = make_ != nil, e
		}
		if err == nil && !found {
			err = host.Errorf(host.ErrInvalid, "%s does not export %s, which a %s of this name must", m.Executable, ucFirst(named.Name), named.Kind)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// construct makes the functions that the manifest names, as a module does when it
// is asked for them, and says which cannot be made. What is wrong with their
// symbols, check says.
func (s symbols) construct(m host.Manifest) error {
	var errs []error
	for _, name := range m.Functions {
		make_, err := s.function(name)
		if err != nil || make_ == nil {
			continue
		}
		f, err := make_()
		if err == nil {
			_, err = newFunction(s.guest, name, f, nil)
		}
		if g, ok := errors.AsType[*host.GuestError](err); ok {
			err = host.Errorf(host.ErrInvalid, "function %s: %v", name, g.Err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ucFirst returns the name with its first letter in upper case.
func ucFirst(name string) string {
	r, n := utf8.DecodeRuneInString(name)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(r)) + name[n:]
}
