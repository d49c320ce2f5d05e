package main

import (
	"testing"
	"time"

	"github.com/vanth-io/vanth/plugins/internal/fake"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		configs map[string]any
		want    properties
	}{
		{map[string]any{"path": "/a"}, properties{Path: "/a"}},
		{map[string]any{"PATH": "/a", "interval": 1000.0}, properties{Path: "/a", Interval: milliseconds(time.Second)}},
		{map[string]any{"path": "/a", "interval": nil, "sync": true}, properties{Path: "/a", Sync: true}},
		{map[string]any{"path": "/a", "interval": "1m"}, properties{Path: "/a", Interval: milliseconds(time.Minute)}},
		{map[string]any{"path": "/a", "rollingSize": 1e6, "rollingCount": 3}, properties{Path: "/a", RollingSize: 1000000, RollingCount: 3}},
		{map[string]any{"path": "/a", "rollingInterval": 0, "hasHeader": false, "compression": ""}, properties{Path: "/a"}},
	} {
		if got, err := parse(c.configs); got != c.want || err != nil {
			t.Errorf("%v: %+v, %v, want %+v", c.configs, got, err, c.want)
		}
	}
}

func TestProvisionRefuses(t *testing.T) {
	for _, c := range []struct {
		configs map[string]any
		want    string
	}{
		{nil, "sinks/file: path: empty"},
		{map[string]any{"path": 1}, "sinks/file: properties: json: cannot unmarshal number into Go struct field properties.path of type string"},
		{map[string]any{"path": "{{.device}}.csv"}, "sinks/file: path: template {{.device}}.csv: unsupported operation"},
		{map[string]any{"path": "a", "fileType": "csv"}, "sinks/file: fileType: found csv, expected lines"},
		{map[string]any{"path": "a", "format": "delimited"}, "sinks/file: format: found delimited, expected json"},
		{map[string]any{"path": "a", "interval": -1}, "sinks/file: interval: found -1ms, expected at least 0"},
		{map[string]any{"path": "a", "interval": "soon"}, `sinks/file: properties: interval: time: invalid duration "soon"`},
		{map[string]any{"path": "a", "interval": 1.5}, "sinks/file: properties: interval: json: cannot unmarshal number 1.5 into Go value of type int32"},
		{map[string]any{"path": "a", "rollingSize": -1}, "sinks/file: rollingSize: found -1, expected at least 0"},
		{map[string]any{"path": "a", "rollingCount": -1}, "sinks/file: rollingCount: found -1, expected at least 0"},
		{map[string]any{"path": "a", "rollingSize": 1}, "sinks/file: rollingSize: needs rollingCount, the number of old files to keep"},
		{map[string]any{"path": "a", "rollingCount": 1}, "sinks/file: rollingCount: needs rollingSize, the bytes after which a new file begins"},
		{map[string]any{"path": "a", "rollingInterval": 1}, "sinks/file: rollingInterval: unsupported operation"},
		{map[string]any{"path": "a", "RollingNamePattern": "prefix"}, "sinks/file: RollingNamePattern: unsupported operation"},
		{map[string]any{"path": "a", "hasHeader": true}, "sinks/file: hasHeader: unsupported operation"},
		{map[string]any{"path": "a", "compression": "gzip"}, "sinks/file: compression: unsupported operation"},
	} {
		if err := File().Provision(fake.NewContext(t.Context()), c.configs); err == nil || err.Error() != c.want {
			t.Errorf("%v: %v, want %s", c.configs, err, c.want)
		}
	}
}
