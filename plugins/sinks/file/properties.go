package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// properties are those of the action, checked.
type properties struct {
	Path         string       `json:"path"`
	Interval     milliseconds `json:"interval"`
	Sync         bool         `json:"sync"`
	RollingSize  int64        `json:"rollingSize"`
	RollingCount int          `json:"rollingCount"`
	FileType     string       `json:"fileType"`
	Format       string       `json:"format"`
}

// parse reads the properties that are ours. The action has others, which are the host's; those
// that would change the file and that we do not know are refused.
func parse(configs map[string]any) (properties, error) {
	var p properties
	text, err := json.Marshal(configs)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return p, fmt.Errorf("sinks/file: properties: %w", err)
	}
	for name, v := range configs {
		if unsupported(name) && v != nil && !reflect.ValueOf(v).IsZero() {
			return p, fmt.Errorf("sinks/file: %s: %w", name, errors.ErrUnsupported)
		}
	}
	if err := p.check(); err != nil {
		return p, fmt.Errorf("sinks/file: %w", err)
	}
	return p, nil
}

// unsupported reports whether the name is that of a property of eKuiper's own file sink that
// changes what is in the file, or when a new one begins, in a way that this sink cannot.
func unsupported(name string) bool {
	switch name = strings.ToLower(name); name {
	case "rollingsize", "rollingcount":
		return false
	case "checkinterval", "hasheader", "compression", "encryption":
		return true
	}
	return strings.HasPrefix(name, "rolling")
}

func (p properties) check() error {
	switch {
	case p.Path == "":
		return errors.New("path: empty")
	case strings.Contains(p.Path, "{{"):
		return fmt.Errorf("path: template %s: %w", p.Path, errors.ErrUnsupported)
	case p.FileType != "" && !strings.EqualFold(p.FileType, "lines"):
		return fmt.Errorf("fileType: found %s, expected lines", p.FileType)
	case p.Format != "" && !strings.EqualFold(p.Format, "json"):
		return fmt.Errorf("format: found %s, expected json", p.Format)
	case p.Interval < 0:
		return fmt.Errorf("interval: found %v, expected at least 0", time.Duration(p.Interval))
	case p.RollingSize < 0:
		return fmt.Errorf("rollingSize: found %d, expected at least 0", p.RollingSize)
	case p.RollingCount < 0:
		return fmt.Errorf("rollingCount: found %d, expected at least 0", p.RollingCount)
	case p.RollingSize > 0 && p.RollingCount == 0:
		return errors.New("rollingSize: needs rollingCount, the number of old files to keep")
	case p.RollingSize == 0 && p.RollingCount > 0:
		return errors.New("rollingCount: needs rollingSize, the bytes after which a new file begins")
	}
	return nil
}

// milliseconds is a duration that is written as a number of milliseconds or as a text like "1s".
type milliseconds time.Duration

func (m *milliseconds) UnmarshalJSON(text []byte) error {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
	case string:
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("interval: %w", err)
		}
		*m = milliseconds(d)
	default:
		var n int32
		if err := json.Unmarshal(text, &n); err != nil {
			return fmt.Errorf("interval: %w", err)
		}
		*m = milliseconds(time.Duration(n) * time.Millisecond)
	}
	return nil
}
