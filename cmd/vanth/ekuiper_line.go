package main

import (
	"errors"
	"strings"
)

// line is how eKuiper's command words the refusals of one word for rules and
// streams, which it begins and ends in many ways.
type line struct {
	// cut are the beginnings of the REST API's sentence that are not said.
	cut []string
	// around is the sentence; %s is the reason.
	around string
	// absent is how a sentence ends that says that the thing is not there, where
	// the status does not.
	absent string
}

// around is a line of one sentence, which cuts some beginnings off the reason.
func around(sentence string, cut ...string) line { return line{around: sentence, cut: cut} }

// missing is the line with what it ends in when the thing is not there.
func (l line) missing(end string) line {
	l.absent = end
	return l
}

// word puts a reason into the sentence.
func (l line) word(reason string) string {
	for _, c := range l.cut {
		reason = strings.TrimPrefix(reason, c)
	}
	if strings.HasSuffix(l.around, ".") {
		reason = strings.TrimSuffix(reason, ".")
	}
	return strings.Replace(l.around, "%s", reason, 1)
}

// usage is a wrong use, worded like a refusal.
func (l line) usage(reason string) error { return usagef("%s", l.word(reason)) }

// err words a failure. Those of wrong usage and of a server that is not there are
// ours, as for plugins.
func (l line) err(err error) error {
	if err == nil {
		return nil
	}
	c, ok := errors.AsType[*codedError](err)
	switch {
	case !ok:
		return errors.New(l.word(err.Error()))
	case c.code == exitFailed && l.absent != "" && strings.HasSuffix(c.Error(), l.absent):
		return coded(exitNotFound, errors.New(l.word(c.Error())))
	case c.code == exitFailed, c.code == exitNotFound:
		return coded(c.code, errors.New(l.word(c.Error())))
	}
	return err
}
