package native

import (
	"context"
	"fmt"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// lookup asks an api.LookupSource or api.LookupBytesSource for rows. Many
// goroutines may ask at once, as in eKuiper. As with a function, a Lookup runs
// on the goroutine of its caller and cannot be interrupted: the context that the
// plugin gets ends with the caller's, and it is the plugin's to heed that.
type lookup struct{ *node }

// newLookup adapts s.
func newLookup(g *guest, name string, s api.Source, props host.Props, c *host.Call) (*lookup, error) {
	switch s.(type) {
	case api.LookupSource, api.LookupBytesSource:
	default:
		return nil, host.Errorf(host.ErrInvalid, "got non lookup source %s", name)
	}
	l := new(lookup)
	l.node = newNode(g, host.Symbol{Kind: host.KindSource, Name: name}, s, sourceProps(props), c, nil)
	return l, nil
}

// Status returns what the plugin last said of its connection, see node.
func (l *lookup) Status() (status, message string) { return l.connectionStatus() }

// Open provisions and connects.
func (l *lookup) Open(ctx context.Context) error { return l.open(ctx, func() {}, nil) }

// Close ends it; a Lookup that still runs is not waited for.
func (l *lookup) Close(ctx context.Context) error { return l.close(ctx) }

// Lookup returns the rows whose keys have the values, with the fields that are
// named, all when none is. Rows share nothing with the plugin. A source of bytes
// gives JSON: a map or a list of maps each.
func (l *lookup) Lookup(ctx context.Context, fields, keys []string, values []any) ([]map[string]any, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", l.symbol, err)
	}
	if l.ctx.Context.Err() != nil || !l.provisioned.Load() || !l.guest.calls.Enter() {
		return nil, l.errClosed()
	}
	defer l.guest.calls.Leave()
	sc := l.ctx.derive()
	sc.Context = &joined{Context: ctx, life: l.ctx.Context}
	var rows []map[string]any
	err := l.guest.guard(l.symbol.Name, "Lookup", func() (err error) {
		rows, err = l.ask(sc, fields, keys, values)
		return err
	})
	return rows, err
}

func (l *lookup) ask(ctx api.StreamContext, fields, keys []string, values []any) ([]map[string]any, error) {
	var found any
	var err error
	switch impl := l.impl.(type) {
	case api.LookupSource:
		found, err = impl.Lookup(ctx, fields, keys, values)
	case api.LookupBytesSource:
		var payloads [][]byte
		if payloads, err = impl.Lookup(ctx, fields, keys, values); err == nil {
			found, err = decodeRows(payloads)
		}
	}
	if err != nil {
		return nil, l.guest.returned(l.symbol.Name, err)
	}
	v, err := toValue(found)
	if err == nil {
		var rows []map[string]any
		if rows, err = toRows(v); err == nil {
			return rows, nil
		}
	}
	return nil, l.guest.fault(l.symbol.Name, host.FaultResult, err)
}

func decodeRows(payloads [][]byte) ([]any, error) {
	b := newBudget() // of all together
	if err := b.items(len(payloads), 0); err != nil {
		return nil, err
	}
	var rows []any
	for i, p := range payloads {
		v, err := b.decodeRow(p)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		if list, ok := v.([]any); ok {
			rows = append(rows, list...)
		} else {
			rows = append(rows, v)
		}
	}
	return rows, nil
}
