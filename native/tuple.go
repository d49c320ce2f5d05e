package native

import (
	"maps"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// letterhead is what comes with a message to a sink.
type letterhead struct {
	meta  map[string]any
	at    time.Time
	props map[string]string // results by template
}

// Meta implements api.MetaInfo. The key * is all of it.
func (l *letterhead) Meta(key, _ string) (any, bool) {
	if key == "*" {
		return l.AllMeta(), true
	}
	v, ok := l.meta[key]
	return v, ok
}

// Created implements api.MetaInfo: the event time, zero when it is not known.
func (l *letterhead) Created() time.Time { return l.at }

// AllMeta implements api.MetaInfo. The map is the caller's.
func (l *letterhead) AllMeta() map[string]any { return maps.Clone(l.meta) }

// DynamicProps implements api.HasDynamicProps: what a property that is a
// template comes to for this message.
func (l *letterhead) DynamicProps(template string) (string, bool) {
	v, ok := l.props[template]
	return v, ok
}

// AllProps implements api.HasDynamicProps.
func (l *letterhead) AllProps() map[string]string { return maps.Clone(l.props) }

// tuple is a row for a sink.
type tuple struct {
	letterhead
	row map[string]any
}

var (
	_ api.MessageTuple    = (*tuple)(nil)
	_ api.MetaInfo        = (*tuple)(nil)
	_ api.HasDynamicProps = (*tuple)(nil)
)

// Value implements api.ReadonlyMessage. Rows have no tables.
func (t *tuple) Value(key, _ string) (any, bool) {
	v, ok := t.row[key]
	return v, ok
}

// ToMap implements api.ReadonlyMessage. The map is the caller's; lists and maps
// in it are not: other sinks may have the same row.
func (t *tuple) ToMap() map[string]any { return maps.Clone(t.row) }

// tupleList is a list of rows for a sink. Its dynamic properties are those of
// its first row.
type tupleList struct {
	letterhead
	rows []map[string]any
}

var (
	_ api.MessageTupleList = (*tupleList)(nil)
	_ api.MetaInfo         = (*tupleList)(nil)
	_ api.HasDynamicProps  = (*tupleList)(nil)
)

// RangeOfTuples implements api.MessageTupleList; it ends when f returns false.
func (l *tupleList) RangeOfTuples(f func(index int, tuple api.MessageTuple) bool) {
	for i, row := range l.rows {
		if !f(i, &tuple{l.letterhead, row}) {
			return
		}
	}
}

// Len implements api.MessageTupleList.
func (l *tupleList) Len() int { return len(l.rows) }

// ToMaps implements api.MessageTupleList, see ToMap of a tuple.
func (l *tupleList) ToMaps() []map[string]any {
	out := make([]map[string]any, len(l.rows))
	for i, row := range l.rows {
		out[i] = maps.Clone(row)
	}
	return out
}

// rawTuple is a payload for a sink.
type rawTuple struct {
	letterhead
	payload []byte
}

var (
	_ api.RawTuple        = (*rawTuple)(nil)
	_ api.MetaInfo        = (*rawTuple)(nil)
	_ api.HasDynamicProps = (*rawTuple)(nil)
)

// Raw implements api.RawTuple.
func (r *rawTuple) Raw() []byte { return r.payload }

// Replace implements api.RawTuple.
func (r *rawTuple) Replace(payload []byte) { r.payload = payload }
