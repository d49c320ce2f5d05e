package rule

import (
	"errors"
	"fmt"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// How far a rule with qos 1 has read a source is a document: the offset that the
// source gave, as a frame, after every sink had what was read by then.

func (f *flow) offsetName(s *sourceNode) string { return f.p.rule + "/" + s.name }

// commit waits until the sinks have everything, and keeps the offset.
func (f *flow) commit(s *sourceNode, src host.Rewinder) error {
	sinks := endsOf(s.next)
	answers := make(chan error, len(sinks))
	for _, k := range sinks {
		select {
		case k.queue <- parcel{barrier: answers}:
		case <-f.write.Done():
			return nil // what is not committed comes again
		}
	}
	var errs []error
	for range sinks {
		select {
		case err := <-answers:
			errs = append(errs, err)
		case <-f.write.Done():
			return nil
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("qos 1: the sinks do not have what was read, and it is read again: %w", err)
	}
	if src == nil || f.write.Err() != nil {
		return nil //nolint:nilerr // it cannot be read again, or not all was written: it comes again
	}
	offset, err := src.Offset()
	if err != nil || offset == nil {
		return err
	}
	b, err := frame.Append(nil, offset)
	if err != nil {
		return host.Errorf(host.ErrInvalid, "offset: %v", err)
	}
	return f.opts.Store.PutDocument(host.Document{Kind: kindOffset, Name: f.offsetName(s), Body: b})
}

// rewind brings a source to where the rule was.
func (f *flow) rewind(s *sourceNode, src host.Source) error {
	r, ok := src.(host.Rewinder)
	if !ok || f.def.QoS == 0 {
		return nil
	}
	for d, err := range f.opts.Store.Documents(kindOffset) {
		if d.Name != f.offsetName(s) {
			continue
		}
		var offset any
		if err == nil {
			offset, err = frame.Decode(d.Body)
		}
		if err != nil {
			f.opts.Log.Error("it is not known how far a rule has read: it begins anew", "rule", f.p.rule, "source", s.name, "err", err)
			return nil
		}
		return r.Rewind(offset)
	}
	return nil
}
