package main

import (
	"errors"
	"strconv"
	"time"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

// webhook posts rows as a JSON list. It holds up to batch of them. When nobody answers they are
// held, and posted again before it takes another.
type webhook struct {
	url     string
	batch   int
	timeout time.Duration
	headers map[string]string
	rows    []map[string]any
}

// maxBatch bounds what is held, in rows.
const maxBatch = 1000

func openWebhook(c vanth.Config) (*webhook, error) {
	w := &webhook{headers: map[string]string{"content-type": "application/json"}}
	var err error
	if w.url, err = c.String("url", ""); err != nil {
		return nil, err
	}
	batch, err := c.Int("batch", 1)
	if err != nil {
		return nil, err
	}
	if w.timeout, err = c.Duration("timeout", 0); err != nil {
		return nil, err
	}
	if w.url == "" || batch < 1 || batch > maxBatch {
		return nil, &vanth.Error{Msg: "properties: expected a url, and a batch from 1 to 1000", Class: vanth.Usage}
	}
	w.batch = int(batch)
	headers, _ := c.Props["headers"].(map[string]any)
	for name, v := range headers {
		text, ok := v.(string)
		if !ok {
			return nil, &vanth.Error{Msg: "property headers." + name + ": expected a string", Class: vanth.Usage}
		}
		w.headers[name] = text
	}
	return w, nil
}

// Collect takes a row. Its error says that the row was not taken, or, of class Usage, that those
// before it are lost.
func (w *webhook) Collect(row map[string]any) error {
	if len(w.rows) >= w.batch { // nobody answered before
		if err := w.post(); passing(err) {
			return err
		} else if err != nil {
			w.rows = append(w.rows, row)
			return err
		}
	}
	w.rows = append(w.rows, row)
	if len(w.rows) < w.batch {
		return nil
	}
	err := w.post()
	if passing(err) { // the row is held, so it is not this row's error
		vanth.Warnf("webhook: %s: %d rows are held", err, len(w.rows))
		return nil
	}
	return err
}

// Flush posts what is held.
func (w *webhook) Flush() error {
	if len(w.rows) == 0 {
		return nil
	}
	return w.post()
}

// post posts what is held, and forgets it unless the error is of class IO.
func (w *webhook) post() error {
	body := []byte{'['}
	for i, row := range w.rows {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendJSON(body, row)
	}
	err := send(vanth.Request{Method: "POST", URL: w.url, Headers: w.headers, Body: append(body, ']'), Timeout: w.timeout})
	if passing(err) {
		return err
	}
	n := len(w.rows)
	clear(w.rows)
	w.rows = w.rows[:0]
	if err != nil {
		return &vanth.Error{Msg: strconv.Itoa(n) + " rows are lost: " + err.Error(), Class: vanth.Usage}
	}
	return nil
}

func send(r vanth.Request) error {
	answer, err := vanth.HTTP(r)
	if err != nil {
		return err
	}
	switch s := answer.Status; {
	case s >= 200 && s < 300:
		return nil
	case s >= 500, s == 408, s == 425, s == 429:
		return &vanth.Error{Msg: r.URL + ": status " + strconv.Itoa(s), Class: vanth.IO}
	default:
		return &vanth.Error{Msg: r.URL + ": status " + strconv.Itoa(s), Class: vanth.Usage}
	}
}

func passing(err error) bool {
	var e *vanth.Error
	return errors.As(err, &e) && e.Class == vanth.IO
}
